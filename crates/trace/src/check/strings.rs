//! Strings and buffers: literals that must be known now, strings read from memory, comparison and search.

use super::convert::{cast_to, space_of_place};
use super::{Checker, int, is_unknown, literal, unknown};
use crate::hir::{Call, Expr, ExprKind};
use crate::syntax::ast::{self, ExprKind as Ast, Span};
use crate::types::Type;

/// Most bytes of a string or buffer.
const LARGEST: u32 = 1 << 20;

impl Checker<'_> {
    /// A literal string.
    pub(super) fn literal_str(&mut self, e: &ast::Expr, what: &str) -> Option<Vec<u8>> {
        let value = match &e.kind {
            Ast::Positional(n) => self.param_text(*n, e.span),
            Ast::Call { name, args, .. } if name == "str" && args.len() == 1 => self.expr(e),
            _ => self.expr(e),
        };
        if let ExprKind::Str(bytes) = value.kind {
            return Some(bytes);
        }
        if !is_unknown(&value) {
            self.error(e.span, format!("{what} must be a literal string"));
        }
        None
    }

    /// A literal string of UTF-8.
    pub(super) fn literal_text(&mut self, e: &ast::Expr, what: &str) -> Option<String> {
        let bytes = self.literal_str(e, what)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                self.error(e.span, format!("{what} must be UTF-8"));
                None
            }
        }
    }

    pub(super) fn str(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let source = match &args[0].kind {
            Ast::Positional(n) => self.param_text(*n, args[0].span),
            Ast::Binary { op: ast::BinaryOp::Add, left, right } => match left.kind {
                Ast::Positional(n) => {
                    let text = self.param_text(n, left.span);
                    let by = self.expr(right);
                    self.binary(ast::BinaryOp::Add, text, by, args[0].span)
                }
                _ => self.expr(&args[0]),
            },
            _ => self.expr(&args[0]),
        };
        let mut max = self.config.max_strlen;
        let mut len = None;
        if let Some(arg) = args.get(1) {
            let value = self.number(arg, "the length");
            match literal(&value) {
                Some(n) if n < 0 => {
                    self.error(arg.span, "a length cannot be negative");
                    return unknown(span);
                }
                Some(n) if n > i64::from(LARGEST) => {
                    self.error(arg.span, format!("a string holds at most {LARGEST} bytes"));
                    return unknown(span);
                }
                // The zero byte is one of them.
                Some(n) => max = (n as u32).max(1),
                None if is_unknown(&value) => return unknown(span),
                None => len = Some(Box::new(value)),
            }
        }
        if is_unknown(&source) {
            return unknown(span);
        }
        self.string_from(source, max, len, args.len() > 1, span)
    }

    fn string_from(
        &mut self,
        source: Expr,
        max: u32,
        len: Option<Box<Expr>>,
        cut: bool,
        span: Span,
    ) -> Expr {
        let ty = Type::Str { max };
        match &source.ty {
            Type::Str { max: has } if !cut || len.is_none() && *has <= max => {
                return Expr { span, ..source };
            }
            Type::Str { .. } | Type::Int { .. } | Type::Ptr { .. } => {}
            Type::Array { elem, .. } if self.store.types.size(elem) == 1 => {}
            _ => return self.not_str(&source, span),
        }
        if let ExprKind::Str(bytes) = &source.kind
            && len.is_none()
        {
            let end = bytes.len().min(max as usize - 1);
            return super::exprs::str_literal(&bytes[..end], span);
        }
        let ty = match (&source.ty, cut) {
            (Type::Array { len, .. }, false) if *len > 0 => {
                Type::Str { max: (*len).saturating_add(1) }
            }
            _ => ty,
        };
        let ptr = Box::new(self.address(source));
        Expr { kind: ExprKind::Call(Call::Str { ptr, len }), ty, span }
    }

    fn not_str(&mut self, source: &Expr, span: Span) -> Expr {
        let ty = self.type_name(&source.ty);
        self.error(source.span, format!("str() takes an address, not {ty}"));
        unknown(span)
    }

    /// A string argument: a string, or an address of one.
    fn string_arg(&mut self, e: &ast::Expr) -> Expr {
        let value = match &e.kind {
            Ast::Positional(n) => self.param_text(*n, e.span),
            _ => self.expr(e),
        };
        match value.ty {
            Type::Ptr { .. } | Type::Array { .. } => {
                let max = self.config.max_strlen;
                self.string_from(value, max, None, false, e.span)
            }
            Type::Str { .. } => value,
            _ if is_unknown(&value) => value,
            _ => {
                let ty = self.type_name(&value.ty);
                self.error(e.span, format!("a string is wanted here, not {ty}"));
                unknown(e.span)
            }
        }
    }

    pub(super) fn buf(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let source = self.expr(&args[0]);
        if is_unknown(&source) {
            return unknown(span);
        }
        let own = match &source.ty {
            Type::Str { max } => Some(*max),
            Type::Array { elem, len } if *len > 0 => {
                Some(self.store.types.size(elem).saturating_mul(*len))
            }
            Type::Ptr { .. } | Type::Int { .. } | Type::Array { .. } => None,
            ty => {
                let ty = self.type_name(&ty.clone());
                self.error(source.span, format!("buf() takes an address or an array, not {ty}"));
                return unknown(span);
            }
        };
        let mut max = own.unwrap_or(self.config.max_strlen);
        let mut len = None;
        if let Some(arg) = args.get(1) {
            let value = self.number(arg, "the length");
            match literal(&value) {
                // No more than there is.
                Some(n) if (1..=i64::from(LARGEST)).contains(&n) => {
                    max = (n as u32).min(own.unwrap_or(u32::MAX));
                }
                Some(_) => {
                    self.error(arg.span, format!("a buffer holds 1 to {LARGEST} bytes"));
                    return unknown(span);
                }
                None if is_unknown(&value) => return unknown(span),
                None => {
                    max = self.config.max_strlen.max(own.unwrap_or(0));
                    len = Some(Box::new(value));
                }
            }
        }
        let ptr = Box::new(self.pointer_to(source));
        Expr { kind: ExprKind::Call(Call::Buf { ptr, len }), ty: Type::Buf { max }, span }
    }

    /// The address of a place that is an array; an address stays.
    fn pointer_to(&mut self, e: Expr) -> Expr {
        match &e.ty {
            Type::Array { elem, .. } => {
                let (ty, span) = (Type::ptr((**elem).clone(), space_of_place(&e)), e.span);
                Expr { kind: ExprKind::AddrOf(Box::new(e)), ty, span }
            }
            Type::Str { .. } => {
                let char = Type::Int { bits: 8, signed: true };
                let (ty, span) = (Type::ptr(char, space_of_place(&e)), e.span);
                Expr { kind: ExprKind::AddrOf(Box::new(e)), ty, span }
            }
            _ => self.address(e),
        }
    }

    pub(super) fn strncmp(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let (left, right) = (self.string_arg(&args[0]), self.string_arg(&args[1]));
        let limit = self.constant(&args[2], "the length");
        if is_unknown(&left) || is_unknown(&right) {
            return unknown(span);
        }
        let limit = match limit.map(u32::try_from) {
            Some(Ok(n)) => n,
            Some(Err(_)) => {
                self.error(args[2].span, "a length cannot be negative");
                return unknown(span);
            }
            None => return unknown(span),
        };
        if let (ExprKind::Str(a), ExprKind::Str(b)) = (&left.kind, &right.kind) {
            let cut = |s: &[u8]| s[..s.len().min(limit as usize)].to_vec();
            return int(i64::from(cut(a) != cut(b)), Type::I64, span);
        }
        let kind = ExprKind::CompareBytes {
            negate: true,
            left: Box::new(left),
            right: Box::new(right),
            limit: Some(limit),
        };
        cast_to(Expr { kind, ty: Type::Bool, span }, Type::I64)
    }

    pub(super) fn strcontains(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        if matches!(&args[0].kind, Ast::Ident(name) if name == "probe") {
            return self.probe_contains(&args[1], span);
        }
        let (hay, needle) = (self.string_arg(&args[0]), self.string_arg(&args[1]));
        if is_unknown(&hay) || is_unknown(&needle) {
            return unknown(span);
        }
        if let (ExprKind::Str(a), ExprKind::Str(b)) = (&hay.kind, &needle.kind) {
            let found = b.is_empty() || a.windows(b.len()).any(|w| w == b.as_slice());
            return int(i64::from(found), Type::Bool, span);
        }
        let kind = ExprKind::Call(Call::Strcontains(Box::new(hay), Box::new(needle)));
        Expr { kind, ty: Type::Bool, span }
    }
}
