//! Conversions, written out: widening to 64 bits, values brought to the type of where they go, conditions, casts, and where a place lies.

use super::infer::Lit;
use super::{Checker, int, is_unknown, literal, unknown};
use crate::hir::{Call, CmpOp, Expr, ExprKind, Stmt, StmtKind, VarId};
use crate::syntax::ast::Span;
use crate::types::{Space, Type};

impl Checker<'_> {
    /// A 64-bit integer of the same value and sign.
    pub(super) fn widen(&mut self, e: Expr) -> Expr {
        let signed = match &e.ty {
            Type::Int { signed, .. } => *signed,
            Type::Enum(id) => self.store.types.enumm(*id).signed,
            Type::Ptr { .. } => false,
            _ => true,
        };
        cast_to(e, if signed { Type::I64 } else { Type::U64 })
    }

    /// The value as the type that inference found for its place; the two are known to go together.
    pub(super) fn coerce(&mut self, e: Expr, to: &Type) -> Expr {
        if e.ty == *to || is_unknown(&e) || *to == Type::None {
            return e;
        }
        let span = e.span;
        match (&e.ty, to) {
            (Type::Str { .. }, Type::Str { .. }) => match e.kind {
                ExprKind::Select { .. } => Expr { ty: to.clone(), ..e },
                _ => e,
            },
            (Type::Buf { max }, Type::Buf { .. }) => grown_buf(e.clone(), *max, to),
            (Type::Tuple(_), Type::Tuple(fields)) => {
                let fields: Vec<(usize, Type)> = fields.iter().cloned().enumerate().collect();
                self.rebuild(e, &fields, to.clone())
            }
            (Type::Record(from), Type::Record(fields)) => {
                let place = |name: &String| from.iter().position(|f| f.0 == *name).unwrap_or(0);
                let fields: Vec<(usize, Type)> =
                    fields.iter().map(|(name, ty)| (place(name), ty.clone())).collect();
                self.rebuild(e, &fields, to.clone())
            }
            (from, to) if from.is_scalar() && to.is_scalar() => cast_to(e, to.clone()),
            _ => Expr { span, ..e },
        }
    }

    /// A tuple or record whose elements are taken from `e` and brought to their types.
    fn rebuild(&mut self, e: Expr, fields: &[(usize, Type)], ty: Type) -> Expr {
        let span = e.span;
        if let ExprKind::Select { cond, then, els } = e.kind {
            let (then, els) = (self.coerce(*then, &ty), self.coerce(*els, &ty));
            let kind = ExprKind::Select { cond, then: Box::new(then), els: Box::new(els) };
            return Expr { kind, ty, span };
        }
        let in_order = fields.iter().enumerate().all(|(i, f)| f.0 == i);
        if let (ExprKind::Tuple(elems), true) = (&e.kind, in_order) {
            let elems = elems.clone().into_iter().zip(fields);
            let elems = elems.map(|(elem, (_, to))| self.coerce(elem, to)).collect();
            return Expr { kind: ExprKind::Tuple(elems), ty, span };
        }
        let (stmts, whole) = self.bind(e);
        let types = element_types(&whole.ty);
        let mut elems = Vec::with_capacity(fields.len());
        for (at, to) in fields {
            let from = types.get(*at).cloned().unwrap_or_default();
            let kind = ExprKind::TupleField(Box::new(whole.clone()), *at as u32);
            elems.push(self.coerce(Expr { kind, ty: from, span }, to));
        }
        let tuple = Expr { kind: ExprKind::Tuple(elems), ty: ty.clone(), span };
        if stmts.is_empty() {
            return tuple;
        }
        Expr { kind: ExprKind::Block(stmts, Box::new(tuple)), ty, span }
    }

    /// Puts a value into a variable of its own, unless it is one: the statements that do so, and the variable.
    pub(super) fn bind(&mut self, e: Expr) -> (Vec<Stmt>, Expr) {
        if matches!(e.kind, ExprKind::Var(_)) {
            return (Vec::new(), e);
        }
        let (ty, span) = (e.ty.clone(), e.span);
        let var = self.temporary(ty.clone(), span);
        let set = Stmt { kind: StmtKind::SetVar(var, Some(e)), span };
        (vec![set], Expr { kind: ExprKind::Var(var), ty, span })
    }

    /// A new variable without a name of the script.
    pub(super) fn temporary(&mut self, ty: Type, span: Span) -> VarId {
        self.temporaries += 1;
        // Variables of the script have their declaration's place, which is never this large.
        let key = (self.unit, u32::MAX - self.temporaries, format!("$_{}", self.temporaries));
        let state = super::Inferred { ty, fixed: true, span, ..super::Inferred::default() };
        self.vars.insert(key.clone(), state);
        self.locals.push(super::Local { name: key.2.clone(), key });
        VarId(self.locals.len() as u32 - 1)
    }

    /// A value asked whether it is true: integer, boolean or pointer.
    pub(super) fn condition(&mut self, e: Expr) -> Expr {
        if is_unknown(&e) {
            return e;
        }
        match &e.ty {
            Type::Int { .. } | Type::Bool | Type::Enum(_) => e,
            Type::Ptr { .. } => {
                let span = e.span;
                let left = cast_to(e, Type::U64);
                let right = int(0, Type::U64, span);
                compare(CmpOp::Ne, false, left, right, span)
            }
            Type::Str { .. } => not_empty(e),
            ty => {
                let name = self.type_name(&ty.clone());
                self.error(e.span, format!("a value of type {name} is neither true nor false"))
                    .help("compare it with something");
                unknown(e.span)
            }
        }
    }

    /// An integer; an error otherwise.
    pub(super) fn integer(&mut self, e: Expr, what: &str) -> Expr {
        if is_unknown(&e) || e.ty.is_integral() {
            return e;
        }
        let name = self.type_name(&e.ty);
        self.error(e.span, format!("{what} must be an integer, not {name}"));
        unknown(e.span)
    }

    /// `(T)e`
    pub(super) fn cast(&mut self, e: Expr, to: Type, span: Span) -> Expr {
        if is_unknown(&e) {
            return unknown(span);
        }
        let bytes = |c: &Checker<'_>, ty: &Type| c.store.types.size(ty);
        let e = Expr { span, ..e };
        match (&e.ty, &to) {
            // Written out even so: it says that an aggregation is meant as a number.
            (a, b) if a == b => match e.kind {
                ExprKind::MapElem { .. } => {
                    Expr { ty: to, kind: ExprKind::Cast(Box::new(e)), span }
                }
                _ => e,
            },
            (Type::Ptr { space, .. }, Type::Ptr { to: target, .. }) => {
                let ty = Type::ptr(super::store::with_space((**target).clone(), *space), *space);
                Expr { ty: ty.clone(), kind: ExprKind::Cast(Box::new(e)), span }
            }
            (Type::Str { .. }, Type::Bool) => not_empty(e),
            (from, Type::Int { .. } | Type::Bool | Type::Enum(_) | Type::Ptr { .. })
                if from.is_scalar() =>
            {
                cast_to(e, to)
            }
            (Type::Array { .. }, Type::Int { .. }) if bytes(self, &e.ty) == bytes(self, &to) => {
                Expr { ty: to, kind: ExprKind::Cast(Box::new(e)), span }
            }
            (
                Type::Int { .. } | Type::Str { .. } | Type::Array { .. },
                Type::Array { elem, len },
            ) => self.cast_to_array(e, elem, *len, span),
            // A shorter string is one of the longer type as it is.
            (Type::Str { max: from }, Type::Str { max: most }) if from <= most => e,
            (Type::Str { .. } | Type::Ptr { .. } | Type::Int { .. }, Type::Str { .. })
                if literal(&e).is_none() =>
            {
                let ptr = self.address(e);
                Expr {
                    kind: ExprKind::Call(Call::Str { ptr: Box::new(ptr), len: None }),
                    ty: to,
                    span,
                }
            }
            _ => self.bad_cast(e, &to),
        }
    }

    fn bad_cast(&mut self, e: Expr, to: &Type) -> Expr {
        let (from, name) = (self.type_name(&e.ty), self.type_name(to));
        let help = match (to, &e.ty) {
            (Type::Struct(_), Type::Int { .. } | Type::Ptr { .. }) => {
                format!("cast to a pointer: `({name} *)`")
            }
            (Type::Int { .. }, Type::Array { .. }) | (Type::Array { .. }, _) => {
                "both must have the same size".to_owned()
            }
            (Type::Int { .. }, Type::Str { .. }) => "skep reads no numbers from strings".to_owned(),
            _ => String::new(),
        };
        self.error(e.span, format!("cannot cast {from} to {name}")).help(help);
        unknown(e.span)
    }

    fn cast_to_array(&mut self, e: Expr, elem: &Type, len: u32, span: Span) -> Expr {
        let (size, each) = (self.store.types.size(&e.ty), self.store.types.size(elem).max(1));
        let len = if len == 0 { size / each } else { len };
        let to = Type::Array { elem: Box::new(elem.clone()), len };
        let fits = size == self.store.types.size(&to);
        if fits && literal(&e).is_none_or(|_| matches!(e.ty, Type::Int { .. })) {
            return Expr { ty: to, kind: ExprKind::Cast(Box::new(e)), span };
        }
        // An integer literal takes whatever width the array has.
        if let (Some(value), Type::Int { .. }, 1 | 2 | 4 | 8) =
            (literal(&e), &e.ty, len.saturating_mul(each))
        {
            let bits = (len * each * 8) as u8;
            let narrow = int(value, Type::Int { bits, signed: true }, span);
            return Expr { ty: to, kind: ExprKind::Cast(Box::new(narrow)), span };
        }
        self.bad_cast(e, &to)
    }

    /// A pointer to read from: a number becomes one, a place stays.
    pub(super) fn address(&mut self, e: Expr) -> Expr {
        match &e.ty {
            Type::Int { .. } => {
                let space = match self.context {
                    super::Context::Uprobe { .. } => Space::User,
                    _ => Space::Unknown,
                };
                cast_to(e, Type::ptr(Type::Int { bits: 8, signed: true }, space))
            }
            _ => e,
        }
    }
}

/// Bytes in a place with room for more: they stay as many as they were.
fn grown_buf(e: Expr, max: u32, to: &Type) -> Expr {
    let span = e.span;
    let kind = match e.kind {
        ExprKind::Call(Call::Buf { ptr, len: None }) => {
            let len = Some(Box::new(int(max.into(), Type::U64, span)));
            ExprKind::Call(Call::Buf { ptr, len })
        }
        ExprKind::Select { cond, then, els } => ExprKind::Select {
            cond,
            then: Box::new(grown_buf(*then, max, to)),
            els: Box::new(grown_buf(*els, max, to)),
        },
        kind => kind,
    };
    Expr { kind, ty: to.clone(), span }
}

/// Types of the elements of a tuple or record.
pub(super) fn element_types(ty: &Type) -> Vec<Type> {
    match ty {
        Type::Tuple(fields) => fields.clone(),
        Type::Record(fields) => fields.iter().map(|f| f.1.clone()).collect(),
        _ => Vec::new(),
    }
}

/// A scalar as another scalar type; a literal is converted now.
pub(super) fn cast_to(e: Expr, to: Type) -> Expr {
    if e.ty == to || is_unknown(&e) {
        return e;
    }
    let span = e.span;
    if let (Some(value), Type::Int { bits, signed }) = (literal(&e), &to) {
        return int(cut(value, *bits, *signed), to, span);
    }
    if let (Some(value), Type::Bool) = (literal(&e), &to) {
        return int(i64::from(value != 0), to, span);
    }
    Expr { kind: ExprKind::Cast(Box::new(e)), ty: to, span }
}

/// The number cut to so many bits.
fn cut(value: i64, bits: u8, signed: bool) -> i64 {
    match (bits, signed) {
        (8, true) => value as i8 as i64,
        (8, false) => value as u8 as i64,
        (16, true) => value as i16 as i64,
        (16, false) => value as u16 as i64,
        (32, true) => value as i32 as i64,
        (32, false) => value as u32 as i64,
        _ => value,
    }
}

/// Whether a string has a byte: what it is as a truth.
fn not_empty(e: Expr) -> Expr {
    let span = e.span;
    if let ExprKind::Str(bytes) = &e.kind {
        return int(i64::from(!bytes.is_empty()), Type::Bool, span);
    }
    let empty = super::exprs::str_literal(b"", span);
    let kind = ExprKind::CompareBytes {
        negate: true,
        left: Box::new(e),
        right: Box::new(empty),
        limit: None,
    };
    Expr { kind, ty: Type::Bool, span }
}

/// A comparison of two scalars.
pub(super) fn compare(op: CmpOp, signed: bool, left: Expr, right: Expr, span: Span) -> Expr {
    let kind = ExprKind::Compare { op, signed, left: Box::new(left), right: Box::new(right) };
    Expr { kind, ty: Type::Bool, span }
}

/// Whether the expression is a plain integer literal, for inference.
pub(super) fn lit_of(e: &Expr) -> Lit {
    match e.kind {
        ExprKind::Int(value) if e.ty == Type::I64 => Lit::Int(value),
        _ => Lit::No,
    }
}

/// Where a place lies.
pub(super) fn space_of_place(e: &Expr) -> Space {
    match &e.kind {
        ExprKind::Args => Space::Ctx,
        ExprKind::Deref(ptr) => match ptr.ty {
            Type::Ptr { space, .. } => space,
            _ => Space::Unknown,
        },
        ExprKind::Member(base, _) | ExprKind::Index(base, _) => match base.ty {
            Type::Ptr { space, .. } => space,
            _ => space_of_place(base),
        },
        _ => Space::Bpf,
    }
}
