//! Definitions of structs, unions and enums as C writes them, and constant expressions.

use super::super::ast::{
    BinaryOp, CField, CFieldType, CType, CTypeKind, Expr, ExprKind, Span, TypeExpr, TypeExprKind,
    UnaryOp,
};
use super::super::lexer::Tok;
use super::super::preproc::Define;
use super::Parser;

/// The keyword of a kind.
pub(super) fn word(kind: CTypeKind) -> &'static str {
    match kind {
        CTypeKind::Struct => "struct",
        CTypeKind::Union => "union",
        CTypeKind::Enum => "enum",
    }
}

/// What stands before the declarators of a member.
enum Base {
    Named(TypeExpr),
    Inline(Box<CType>),
}

impl<'a> Parser<'a> {
    /// `struct`, `union` or `enum`, if one stands here.
    pub(super) fn tag_keyword(&self) -> Option<CTypeKind> {
        if self.tok.kind != Tok::Ident {
            return None;
        }
        match self.tok.text {
            "struct" => Some(CTypeKind::Struct),
            "union" => Some(CTypeKind::Union),
            "enum" => Some(CTypeKind::Enum),
            _ => None,
        }
    }

    /// A definition at the top level; `None` for a declaration without a body, which says nothing.
    pub(super) fn c_definition(&mut self, kind: CTypeKind) -> Option<CType> {
        let start = self.bump().span;
        let mut packed = self.attributes();
        let name =
            if self.tok.kind == Tok::Ident { self.bump().text.to_string() } else { String::new() };
        if self.eat(";") {
            return None;
        }
        packed |= self.attributes();
        if !self.at("{") {
            let kind = word(kind);
            self.expected("`{`")
                .help(format!("a {kind} is defined outside of probes as `{kind} name {{ ... }};`"));
            return None;
        }
        let ty = self.c_body(kind, name, packed, start)?;
        if ty.name.is_empty() && kind != CTypeKind::Enum {
            self.report(start, format!("this {} has no name", word(kind)))
                .help("without a name nothing can use it");
        }
        self.eat(";");
        Some(ty)
    }

    /// From the opening brace to the attributes behind the closing one.
    fn c_body(
        &mut self,
        kind: CTypeKind,
        name: String,
        packed: bool,
        start: Span,
    ) -> Option<CType> {
        let open = self.bump().span;
        let mut ty =
            CType { kind, name, fields: Vec::new(), enumerators: Vec::new(), packed, span: start };
        self.nested(|p| match kind {
            CTypeKind::Enum => p.enumerators(&mut ty.enumerators),
            _ => p.members(&mut ty.fields),
        })?;
        if self.at("}") {
            self.bump();
        } else {
            self.fail(open, format!("this {} is never closed", word(kind)))
                .label("opened here")
                .help("add `}`");
            return None;
        }
        ty.packed |= self.attributes();
        ty.span = start.to(self.prev);
        Some(ty)
    }

    /// `__attribute__((...))`; says whether one of them packs the struct.
    fn attributes(&mut self) -> bool {
        let (mut packed, mut aligned) = (false, None);
        while self.at_word("__attribute__") || self.at_word("__packed") {
            packed |= self.bump().text == "__packed";
            let mut depth = 0;
            while (depth > 0 || self.at("(")) && !self.at_eof() {
                let tok = self.bump();
                match tok.kind {
                    Tok::Punct("(") => depth += 1,
                    Tok::Punct(")") => depth -= 1,
                    Tok::Ident if matches!(tok.text, "packed" | "__packed__") => packed = true,
                    Tok::Ident if matches!(tok.text, "aligned" | "__aligned__") => {
                        aligned = Some(tok.span)
                    }
                    Tok::Int { value: 1, .. } => aligned = None,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        if let Some(span) = aligned {
            self.diags.warning(span, "`aligned` is not taken into account").label("ignored");
        }
        packed
    }

    fn enumerators(&mut self, out: &mut Vec<(String, i64)>) {
        let mut next = 0i64;
        while !self.at("}") && !self.at_eof() {
            let Some((name, _)) = self.name("the name of a constant") else {
                return self.skip_members();
            };
            if self.eat("=") {
                next = self.constant().unwrap_or(next);
            }
            self.enumerators.insert(name, next);
            out.push((name.to_string(), next));
            next = next.wrapping_add(1);
            if self.recovering || (!self.eat(",") && !self.at("}")) {
                self.expected("`,` or `}`");
                return self.skip_members();
            }
        }
    }

    /// After an error: to the brace that closes the definition.
    fn skip_members(&mut self) {
        let mut depth = 0;
        while !self.at_eof() && (depth > 0 || !self.at("}")) {
            match self.bump().kind {
                Tok::Punct("{") => depth += 1,
                Tok::Punct("}") => depth -= 1,
                _ => {}
            }
        }
        self.recovering = self.lex.cut && self.at_eof();
    }

    fn members(&mut self, out: &mut Vec<CField>) {
        while !self.at("}") && !self.at_eof() {
            if self.eat(";") {
                continue;
            }
            if self.member(out).is_none() || self.recovering {
                self.skip_member();
            }
        }
    }

    /// After an error: behind the `;` of the member, or before the closing brace.
    fn skip_member(&mut self) {
        let mut depth = 0;
        while !self.at_eof() && (depth > 0 || !self.at("}")) {
            match self.bump().kind {
                Tok::Punct("{") => depth += 1,
                Tok::Punct("}") => depth -= 1,
                Tok::Punct(";") if depth == 0 => break,
                _ => {}
            }
        }
        self.recovering = self.lex.cut && self.at_eof();
    }

    /// member = base declarator { "," declarator } ";"
    fn member(&mut self, out: &mut Vec<CField>) -> Option<()> {
        let start = self.tok.span;
        let base = self.member_base()?;
        if self.at(";")
            && let Base::Inline(ty) = base
        {
            let span = start.to(self.prev);
            out.push(CField { name: String::new(), ty: CFieldType::Inline(ty), bits: None, span });
            self.bump();
            return Some(());
        }
        loop {
            out.push(self.declarator(&base)?);
            if !self.eat(",") {
                break;
            }
        }
        self.attributes();
        // The last one may go without, as compilers allow it.
        if self.eat(";") || (self.at("}") && !out.is_empty()) {
            return Some(());
        }
        let place = Span { start: self.prev.end, end: self.prev.end };
        let found = self.found();
        self.report(place, format!("expected `;`, found {found}")).label("add `;` here");
        // On a line of its own, a member may well begin here: read on.
        self.tok.first.then_some(())
    }

    fn member_base(&mut self) -> Option<Base> {
        self.skip_qualifiers();
        let Some(kind) = self.tag_keyword() else {
            return Some(Base::Named(self.base_type_expr()?));
        };
        let start = self.bump().span;
        let packed = self.attributes();
        let name =
            if self.tok.kind == Tok::Ident { self.bump().text.to_string() } else { String::new() };
        if self.at("{") {
            return Some(Base::Inline(Box::new(self.c_body(kind, name, packed, start)?)));
        }
        if name.is_empty() {
            self.expected(&format!("a name or `{{` after `{}`", word(kind)));
            return None;
        }
        let span = start.to(self.prev);
        self.skip_qualifiers();
        Some(Base::Named(TypeExpr { kind: TypeExprKind::Tagged(kind, name), span }))
    }

    /// declarator = { "*" } [ name ] { "[" n "]" } [ ":" bits ] | { "*" } "(" "*" name ")" ( "(" ... ")" | { "[" n "]" } )
    fn declarator(&mut self, base: &Base) -> Option<CField> {
        self.attributes();
        let start = self.tok.span;
        let mut stars = 0;
        while self.eat("*") {
            stars += 1;
            self.skip_qualifiers();
        }
        if self.at("(") {
            return self.pointer_declarator(base, stars);
        }
        let name = if self.at(":") {
            String::new()
        } else {
            self.name("the name of a member")?.0.to_string()
        };
        let lengths = self.array_lengths()?;
        let bits = if self.eat(":") { Some(self.bits()?) } else { None };
        self.attributes();
        let ty = self.member_type(base, stars, &lengths);
        Some(CField { name, ty, bits, span: start.to(self.prev) })
    }

    /// `(*f)(int)`: a pointer to a function is a `void *` here; `(*p)[4]` is a pointer to an array.
    fn pointer_declarator(&mut self, base: &Base, stars: u32) -> Option<CField> {
        let open = self.bump().span;
        let mut inner = 0;
        while self.eat("*") {
            inner += 1;
            self.skip_qualifiers();
        }
        let name = self.name("the name of a member")?.0.to_string();
        let outer = self.array_lengths()?;
        if !self.close(")", open) {
            return None;
        }
        let mut ty = if self.at("(") {
            self.skip_parameters();
            inner -= 1;
            pointer(TypeExpr { kind: TypeExprKind::Name("void".into()), span: open })
        } else {
            let lengths = self.array_lengths()?;
            match self.member_type(base, stars, &lengths) {
                CFieldType::Named(ty) => ty,
                _ => TypeExpr { kind: TypeExprKind::Name("void".into()), span: open },
            }
        };
        for _ in 0..inner.min(8) {
            ty = pointer(ty);
        }
        Some(CField {
            name,
            ty: CFieldType::Named(arrays(ty, &outer)),
            bits: None,
            span: open.to(self.prev),
        })
    }

    fn skip_parameters(&mut self) {
        let mut depth = 0;
        while !self.at_eof() && !self.at(";") && !self.at("{") && !self.at("}") {
            match self.bump().kind {
                Tok::Punct("(") => depth += 1,
                Tok::Punct(")") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn array_lengths(&mut self) -> Option<Vec<u64>> {
        let mut out = Vec::new();
        while self.at("[") {
            let open = self.bump().span;
            // `[]` and `[0]`: what follows the struct in memory.
            let length = if self.at("]") { 0 } else { self.constant()? };
            let Ok(length) = u64::try_from(length) else {
                self.fail(open.to(self.prev), "the length of an array cannot be negative");
                return None;
            };
            out.push(length);
            if !self.close("]", open) || out.len() > 16 {
                return None;
            }
        }
        Some(out)
    }

    fn bits(&mut self) -> Option<u32> {
        let start = self.tok.span;
        let bits = self.constant()?;
        match u32::try_from(bits) {
            Ok(b) if b <= 64 => Some(b),
            _ => {
                self.report(start.to(self.prev), "a bitfield has at most 64 bits");
                None
            }
        }
    }

    fn member_type(&mut self, base: &Base, stars: u32, lengths: &[u64]) -> CFieldType {
        let named = match base {
            Base::Named(ty) => ty.clone(),
            Base::Inline(ty) if stars == 0 && lengths.is_empty() => {
                return CFieldType::Inline(ty.clone());
            }
            Base::Inline(ty) if stars == 0 => {
                let count = lengths.iter().fold(1u64, |n, l| n.saturating_mul(*l));
                return CFieldType::InlineArray(ty.clone(), count);
            }
            // A pointer to a struct that is defined in place: the layout is that of any pointer.
            Base::Inline(ty) if ty.name.is_empty() => {
                TypeExpr { kind: TypeExprKind::Name("void".into()), span: ty.span }
            }
            Base::Inline(ty) => {
                TypeExpr { kind: TypeExprKind::Tagged(ty.kind, ty.name.clone()), span: ty.span }
            }
        };
        let mut ty = named;
        for _ in 0..stars.min(16) {
            ty = pointer(ty);
        }
        CFieldType::Named(arrays(ty, lengths))
    }

    /// The value of a name that stands for a constant.
    pub(super) fn constant_name(&mut self) -> Option<u64> {
        if self.tok.kind != Tok::Ident {
            return None;
        }
        let name = self.tok.text;
        if let Some(v) = self.enumerators.get(name) {
            return u64::try_from(*v).ok();
        }
        let Some(Define::Object(body)) = self.pre.get(name) else { return None };
        let span = self.tok.span;
        let expr = self.expand(name, body, span);
        self.value_of(&expr).and_then(|v| u64::try_from(v).ok())
    }

    /// A constant expression of C.
    pub(super) fn constant(&mut self) -> Option<i64> {
        let expr = self.expr();
        if expr.kind == ExprKind::Error {
            self.recovering = true;
            return None;
        }
        let value = self.value_of(&expr);
        if value.is_none() {
            self.fail(expr.span, "this has to be a constant")
                .help("a constant is made of numbers, enumerators and names from `#define`");
        }
        value
    }

    fn value_of(&self, expr: &Expr) -> Option<i64> {
        Some(match &expr.kind {
            ExprKind::Int { value, .. } => *value as i64,
            ExprKind::Bool(b) => i64::from(*b),
            ExprKind::Ident(name) => *self.enumerators.get(name.as_str())?,
            ExprKind::Unary { op, expr } => {
                let v = self.value_of(expr)?;
                match op {
                    UnaryOp::Neg => v.wrapping_neg(),
                    UnaryOp::Not => i64::from(v == 0),
                    UnaryOp::BitNot => !v,
                    _ => return None,
                }
            }
            ExprKind::Binary { op, left, right } => {
                fold(*op, self.value_of(left)?, self.value_of(right)?)?
            }
            ExprKind::Ternary { cond, then, els } => {
                let c = self.value_of(cond)?;
                match (c != 0, then) {
                    (true, Some(then)) => self.value_of(then)?,
                    (true, None) => c,
                    (false, _) => self.value_of(els)?,
                }
            }
            _ => return None,
        })
    }
}

fn fold(op: BinaryOp, a: i64, b: i64) -> Option<i64> {
    let shift = u32::try_from(b).ok().filter(|s| *s < 64);
    Some(match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a.checked_div(b)?,
        BinaryOp::Mod => a.checked_rem(b)?,
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl => a << shift?,
        BinaryOp::Shr => a >> shift?,
        BinaryOp::Eq => i64::from(a == b),
        BinaryOp::Ne => i64::from(a != b),
        BinaryOp::Lt => i64::from(a < b),
        BinaryOp::Le => i64::from(a <= b),
        BinaryOp::Gt => i64::from(a > b),
        BinaryOp::Ge => i64::from(a >= b),
        BinaryOp::LogicalAnd => i64::from(a != 0 && b != 0),
        BinaryOp::LogicalOr => i64::from(a != 0 || b != 0),
    })
}

fn pointer(ty: TypeExpr) -> TypeExpr {
    TypeExpr { span: ty.span, kind: TypeExprKind::Ptr(Box::new(ty)) }
}

/// `int a[2][3]`: two arrays of three.
fn arrays(ty: TypeExpr, lengths: &[u64]) -> TypeExpr {
    lengths.iter().rev().fold(ty, |ty, n| TypeExpr {
        span: ty.span,
        kind: TypeExprKind::Array(Box::new(ty), Some(*n)),
    })
}
