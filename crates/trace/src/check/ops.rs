//! Operators: arithmetic, comparison, logic, choice, steps.

use super::convert::{cast_to, compare, lit_of};
use super::exprs::str_literal;
use super::infer::{Lit, join};
use super::{Checker, int, is_unknown, literal, unknown};
use crate::hir::{Arith, Builtin, CmpOp, Expr, ExprKind};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast, Span};
use crate::types::Type;

/// Most operators in a row: the typed tree is as deep as the row is long.
const LONGEST: usize = 500;

impl Checker<'_> {
    /// A chain such as `a + b + c` leans to the left and may be long: it is gone through from its innermost left end, without
    /// recursion.
    pub(super) fn binary_spine(&mut self, e: &ast::Expr) -> Expr {
        let mut spine = Vec::new();
        let mut at = e;
        while let Ast::Binary { op, left, right } = &at.kind {
            spine.push((*op, &**right, at.span));
            at = left;
        }
        if spine.len() > LONGEST {
            self.error(e.span, format!("more than {LONGEST} operators stand in a row"))
                .help("put a part of them into a variable");
            return unknown(e.span);
        }
        let mut left_ast = Some(at);
        let mut left = self.expr(at);
        while let Some((op, right_ast, span)) = spine.pop() {
            let right = self.expr(right_ast);
            let (l, r) = self.texts(op, left, left_ast, right, right_ast);
            left = self.binary(op, l, r, span);
            left_ast = None;
        }
        left
    }

    /// A positional parameter that is compared with a string is text, even if it looks like a number.
    fn texts(
        &mut self,
        op: BinaryOp,
        left: Expr,
        left_ast: Option<&ast::Expr>,
        right: Expr,
        right_ast: &ast::Expr,
    ) -> (Expr, Expr) {
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            return (left, right);
        }
        let is_text = |e: &Expr| matches!(e.ty, Type::Str { .. });
        match (left_ast.map(|e| &e.kind), &right_ast.kind) {
            (Some(Ast::Positional(n)), _) if is_text(&right) => {
                (self.param_text(*n, left.span), right)
            }
            (_, Ast::Positional(n)) if is_text(&left) => {
                let text = self.param_text(*n, right.span);
                (left, text)
            }
            _ => (left, right),
        }
    }

    /// A positional parameter as text; empty where it is missing.
    pub(super) fn param_text(&self, n: u32, span: Span) -> Expr {
        str_literal(self.param(n).unwrap_or_default().as_bytes(), span)
    }

    /// An operator on two values.
    pub(super) fn binary(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        if is_unknown(&left) || is_unknown(&right) {
            return unknown(span);
        }
        match op {
            BinaryOp::LogicalAnd | BinaryOp::LogicalOr => self.logical(op, left, right, span),
            BinaryOp::Eq => self.comparison(CmpOp::Eq, left, right, span),
            BinaryOp::Ne => self.comparison(CmpOp::Ne, left, right, span),
            BinaryOp::Lt => self.comparison(CmpOp::Lt, left, right, span),
            BinaryOp::Le => self.comparison(CmpOp::Le, left, right, span),
            BinaryOp::Gt => self.comparison(CmpOp::Gt, left, right, span),
            BinaryOp::Ge => self.comparison(CmpOp::Ge, left, right, span),
            _ => self.arithmetic(op, left, right, span),
        }
    }

    fn logical(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        let (left, right) = (self.condition(left), self.condition(right));
        if is_unknown(&left) || is_unknown(&right) {
            return unknown(span);
        }
        let and = op == BinaryOp::LogicalAnd;
        match (literal(&left), literal(&right)) {
            (Some(l), Some(r)) => {
                let value = if and { l != 0 && r != 0 } else { l != 0 || r != 0 };
                return int(i64::from(value), Type::Bool, span);
            }
            // What stands right of a decided left side is never evaluated.
            (Some(l), None) if (l != 0) != and => return int(i64::from(l != 0), Type::Bool, span),
            _ => {}
        }
        let kind = if and { ExprKind::And } else { ExprKind::Or };
        Expr { kind: kind(Box::new(left), Box::new(right)), ty: Type::Bool, span }
    }

    // Comparison.

    fn comparison(&mut self, op: CmpOp, left: Expr, right: Expr, span: Span) -> Expr {
        let number = |ty: &Type| ty.is_integral() || matches!(ty, Type::Ptr { .. });
        if number(&left.ty) && number(&right.ty) {
            return self.compare_numbers(op, left, right, span);
        }
        let equality = matches!(op, CmpOp::Eq | CmpOp::Ne);
        match (&left.ty, &right.ty) {
            (Type::Probe, Type::Str { .. }) if equality => self.compare_probe(op, right, span),
            (Type::Str { .. }, Type::Probe) if equality => self.compare_probe(op, left, span),
            (a, b) if equality && a.is_scalar() && a == b => compare(op, false, left, right, span),
            (a, b) if equality && !a.is_scalar() && comparable(a, b) => {
                self.compare_bytes(op, left, right, span)
            }
            _ => self.incomparable(&left, &right, span),
        }
    }

    fn incomparable(&mut self, left: &Expr, right: &Expr, span: Span) -> Expr {
        let (a, b) = (self.type_name(&left.ty), self.type_name(&right.ty));
        let help = match (&left.ty, &right.ty) {
            (Type::Str { .. }, Type::Str { .. }) => "strings are compared with == and != only",
            (Type::Ptr { .. }, Type::Str { .. }) | (Type::Str { .. }, Type::Ptr { .. }) => {
                "read the string behind the pointer: str(...)"
            }
            (Type::Str { .. }, Type::Int { .. }) | (Type::Int { .. }, Type::Str { .. }) => {
                "one is a string and the other a number"
            }
            (Type::Username, _) | (_, Type::Username) => {
                "names are looked up when they are shown: compare uid"
            }
            _ => "",
        };
        self.error(span, format!("cannot compare {a} with {b}")).help(help);
        unknown(span)
    }

    fn compare_numbers(&mut self, op: CmpOp, left: Expr, right: Expr, span: Span) -> Expr {
        let signed = self.comparison_sign(&left, &right, span);
        let (left, right) = (self.widen(left), self.widen(right));
        if let (Some(l), Some(r)) = (literal(&left), literal(&right)) {
            let order = if signed { l.cmp(&r) } else { (l as u64).cmp(&(r as u64)) };
            return int(i64::from(holds(op, order)), Type::Bool, span);
        }
        compare(op, signed, left, right, span)
    }

    /// Whether two numbers are compared as signed ones. A narrow unsigned number is itself as a signed one of 64 bits, and a literal has no
    /// sign of its own.
    fn comparison_sign(&mut self, left: &Expr, right: &Expr, span: Span) -> bool {
        let (l, r) = (self.unsigned64(left), self.unsigned64(right));
        if l == r {
            return !l;
        }
        let other = if l { right } else { left };
        match literal(other) {
            Some(value) => value < 0,
            None if matches!(other.ty, Type::Int { signed: true, .. }) => {
                let (a, b) = (self.type_name(&left.ty), self.type_name(&right.ty));
                self.warn(span, format!("numbers of different sign are compared: {a} and {b}"))
                    .help("both are taken as unsigned; cast one to say what is meant");
                false
            }
            None => false,
        }
    }

    /// Whether only an unsigned 64-bit number can hold every value.
    fn unsigned64(&self, e: &Expr) -> bool {
        match &e.ty {
            Type::Int { bits: 64, signed: false } | Type::Ptr { .. } => true,
            Type::Enum(id) => {
                let def = self.store.types.enumm(*id);
                def.size == 8 && !def.signed
            }
            _ => false,
        }
    }

    fn compare_bytes(&mut self, op: CmpOp, left: Expr, right: Expr, span: Span) -> Expr {
        let negate = op == CmpOp::Ne;
        if let (ExprKind::Str(a), ExprKind::Str(b)) = (&left.kind, &right.kind) {
            return int(i64::from((a == b) != negate), Type::Bool, span);
        }
        let (mut left, mut right) = (left, right);
        if let Some(ty) = join(&left.ty, &right.ty, 0)
            && !matches!(ty, Type::Str { .. })
        {
            left = self.coerce(left, &ty);
            right = self.coerce(right, &ty);
        }
        let kind = ExprKind::CompareBytes {
            negate,
            left: Box::new(left),
            right: Box::new(right),
            limit: None,
        };
        Expr { kind, ty: Type::Bool, span }
    }

    /// `probe == "name"`: the names that the program can run for are known, so their numbers are compared.
    fn compare_probe(&mut self, op: CmpOp, text: Expr, span: Span) -> Expr {
        let ExprKind::Str(wanted) = &text.kind else {
            self.error(text.span, "`probe` can be compared with a literal string only");
            return unknown(span);
        };
        let uses = self.probe_uses;
        let numbers = uses.first..uses.first + uses.count;
        let found: Vec<u64> = numbers
            .filter(|n| self.probe_names[*n as usize].as_bytes() == wanted.as_slice())
            .collect();
        let negate = op == CmpOp::Ne;
        if found.is_empty() || uses.count == 1 {
            return int(i64::from(found.is_empty() == negate), Type::Bool, span);
        }
        let probe = Expr { kind: ExprKind::Builtin(Builtin::Probe), ty: Type::Probe, span };
        let mut any: Option<Expr> = None;
        for n in found {
            let one = compare(op, false, probe.clone(), int(n as i64, Type::U64, span), span);
            any = Some(match any {
                None => one,
                Some(before) => {
                    let kind = if negate { ExprKind::And } else { ExprKind::Or };
                    Expr { kind: kind(Box::new(before), Box::new(one)), ty: Type::Bool, span }
                }
            });
        }
        any.unwrap_or_else(|| unknown(span))
    }

    /// `strcontains(probe, "text")`, in the same way.
    pub(super) fn probe_contains(&mut self, text: &ast::Expr, span: Span) -> Expr {
        let Some(wanted) = self.literal_str(text, "what is sought in `probe`") else {
            return unknown(span);
        };
        let uses = self.probe_uses;
        let holds = |name: &str| {
            wanted.is_empty() || name.as_bytes().windows(wanted.len()).any(|w| w == wanted)
        };
        // Names next to each other have numbers next to each other: runs of them are compared.
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for n in uses.first..uses.first + uses.count {
            if !holds(&self.probe_names[n as usize]) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.1 + 1 == n => run.1 = n,
                _ => runs.push((n, n)),
            }
        }
        if uses.count == 1 {
            return int(i64::from(!runs.is_empty()), Type::Bool, span);
        }
        if runs.len() > LONGEST {
            self.error(span, "too many different probes have that in their name")
                .help("give them bodies of their own");
            return unknown(span);
        }
        let limit = |op, n: u64| {
            let kind = ExprKind::Builtin(Builtin::Probe);
            let probe = Expr { kind, ty: Type::Probe, span };
            Box::new(compare(op, false, probe, int(n as i64, Type::U64, span), span))
        };
        runs.into_iter().fold(int(0, Type::Bool, span), |any, (first, last)| {
            let kind = ExprKind::And(limit(CmpOp::Ge, first), limit(CmpOp::Le, last));
            let one = Expr { kind, ty: Type::Bool, span };
            match any.kind {
                ExprKind::Int(_) => one,
                _ => {
                    Expr { kind: ExprKind::Or(Box::new(any), Box::new(one)), ty: Type::Bool, span }
                }
            }
        })
    }

    // Arithmetic.

    fn arithmetic(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        if matches!(left.ty, Type::Ptr { .. }) || matches!(right.ty, Type::Ptr { .. }) {
            return self.pointer_arithmetic(op, left, right, span);
        }
        if let (BinaryOp::Add, ExprKind::Str(text), Some(n)) = (op, &left.kind, literal(&right)) {
            // `str($1 + 2)`: an offset into a string known now.
            return match usize::try_from(n).ok().and_then(|n| text.get(n..)) {
                Some(rest) => str_literal(rest, span),
                None => {
                    self.error(span, "the offset is beyond the end of the string");
                    unknown(span)
                }
            };
        }
        let left = self.integer(left, "the operand");
        let right = self.integer(right, "the operand");
        if is_unknown(&left) || is_unknown(&right) {
            return unknown(span);
        }
        let ty = self.arithmetic_type(op, &left, &right, span);
        let (left, right) = (self.widen(left), self.widen(right));
        let signed = ty.is_signed();
        let (left, right) = (cast_to(left, ty.clone()), cast_to(right, ty.clone()));
        if matches!(op, BinaryOp::Div | BinaryOp::Mod) && literal(&right) == Some(0) {
            self.error(span, "division by zero");
            return unknown(span);
        }
        let arith = arith(op, signed);
        if let (Some(l), Some(r)) = (literal(&left), literal(&right)) {
            return int(fold(arith, l, r), ty, span);
        }
        Expr { kind: ExprKind::Binary(arith, Box::new(left), Box::new(right)), ty, span }
    }

    /// Always 64 bits. Unsigned if both sides are (a literal that is not negative takes the other's sign); a difference is signed.
    fn arithmetic_type(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Type {
        let unsigned = |e: &Expr| matches!(e.ty, Type::Int { signed: false, .. });
        let free = |e: &Expr| matches!(lit_of(e), Lit::Int(v) if v >= 0);
        let both = (unsigned(left) || free(left)) && (unsigned(right) || free(right));
        let any = unsigned(left) || unsigned(right);
        match op {
            BinaryOp::Sub => Type::I64,
            BinaryOp::Shl | BinaryOp::Shr if unsigned(left) => Type::U64,
            BinaryOp::Shl | BinaryOp::Shr => Type::I64,
            _ if both && any => Type::U64,
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => {
                if self.unsigned64(left) || self.unsigned64(right) { Type::U64 } else { Type::I64 }
            }
            _ => {
                let mixed = any && (self.unsigned64(left) || self.unsigned64(right));
                if mixed && lit_of(left) == Lit::No && lit_of(right) == Lit::No {
                    let (a, b) = (self.type_name(&left.ty), self.type_name(&right.ty));
                    self.warn(
                        span,
                        format!("arithmetic on numbers of different sign: {a} and {b}"),
                    )
                    .help("the result is an int64; cast one of them to say what is meant");
                }
                Type::I64
            }
        }
    }

    fn pointer_arithmetic(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        match (op, &left.ty, &right.ty) {
            (BinaryOp::Add, Type::Ptr { .. }, b) if b.is_integral() => {
                self.pointer_step(Arith::Add, left, right, span)
            }
            (BinaryOp::Add, a, Type::Ptr { .. }) if a.is_integral() => {
                self.pointer_step(Arith::Add, right, left, span)
            }
            (BinaryOp::Sub, Type::Ptr { .. }, b) if b.is_integral() => {
                self.pointer_step(Arith::Sub, left, right, span)
            }
            (BinaryOp::Sub, Type::Ptr { to: a, .. }, Type::Ptr { to: b, .. }) if a == b => {
                let size = self.pointee_size(&a.clone());
                let (left, right) = (cast_to(left, Type::I64), cast_to(right, Type::I64));
                let bytes = ExprKind::Binary(Arith::Sub, Box::new(left), Box::new(right));
                let bytes = Expr { kind: bytes, ty: Type::I64, span };
                let size = int(size, Type::I64, span);
                let kind = ExprKind::Binary(Arith::Sdiv, Box::new(bytes), Box::new(size));
                Expr { kind, ty: Type::I64, span }
            }
            _ => {
                let (a, b) = (self.type_name(&left.ty), self.type_name(&right.ty));
                self.error(span, format!("this cannot be done with {a} and {b}"))
                    .help("a number can be added to a pointer or taken from it; for the rest cast it to uint64");
                unknown(span)
            }
        }
    }

    fn pointer_step(&mut self, op: Arith, ptr: Expr, by: Expr, span: Span) -> Expr {
        let (ty, size) = match &ptr.ty {
            Type::Ptr { to, .. } => (ptr.ty.clone(), self.pointee_size(&to.clone())),
            other => (other.clone(), 1),
        };
        let by = cast_to(self.widen(by), Type::I64);
        let bytes = match literal(&by) {
            Some(n) => int(n.wrapping_mul(size), Type::I64, span),
            None if size == 1 => by,
            None => {
                let size = int(size, Type::I64, span);
                let kind = ExprKind::Binary(Arith::Mul, Box::new(by), Box::new(size));
                Expr { kind, ty: Type::I64, span }
            }
        };
        Expr { kind: ExprKind::Binary(op, Box::new(ptr), Box::new(bytes)), ty, span }
    }

    /// Bytes that a pointer moves by when 1 is added to it.
    pub(super) fn pointee_size(&mut self, to: &Type) -> i64 {
        self.fill(to);
        i64::from(self.store.types.size(to)).max(1)
    }

    // Choice.

    /// `c ? a : b` and `c ?: b`.
    pub(super) fn ternary(
        &mut self,
        cond: &ast::Expr,
        then: Option<&ast::Expr>,
        els: &ast::Expr,
        span: Span,
    ) -> Expr {
        let first = self.expr(cond);
        let Some(then) = then else {
            let els = self.expr(els);
            if is_unknown(&first) || is_unknown(&els) {
                return unknown(span);
            }
            let (stmts, value) = self.bind(first);
            let test = self.condition(value.clone());
            let select = self.select(test, value, els, span);
            let ty = select.ty.clone();
            return match stmts.is_empty() || is_unknown(&select) {
                true => select,
                false => Expr { kind: ExprKind::Block(stmts, Box::new(select)), ty, span },
            };
        };
        let cond = self.condition(first);
        match literal(&cond) {
            Some(0) => return self.expr(els),
            Some(_) => return self.expr(then),
            None => {}
        }
        let (then, els) = (self.expr(then), self.expr(els));
        self.select(cond, then, els, span)
    }

    /// One of two values of a type that holds both.
    pub(super) fn select(&mut self, cond: Expr, then: Expr, els: Expr, span: Span) -> Expr {
        if is_unknown(&cond) || is_unknown(&then) || is_unknown(&els) {
            return unknown(span);
        }
        let mut ty = super::Inferred::default();
        ty.join(&then.ty, lit_of(&then), span);
        if !ty.join(&els.ty, lit_of(&els), span) {
            let (a, b) = (self.type_name(&then.ty), self.type_name(&els.ty));
            self.error(span, format!("the two values have different types: {a} and {b}"))
                .help("both must be of one type");
            return unknown(span);
        }
        let ty = ty.ty;
        let (then, els) = (self.coerce(then, &ty), self.coerce(els, &ty));
        if let Some(value) = literal(&cond) {
            return if value != 0 { then } else { els };
        }
        let kind =
            ExprKind::Select { cond: Box::new(cond), then: Box::new(then), els: Box::new(els) };
        Expr { kind, ty, span }
    }

    // Steps.

    /// `x++` and its kin.
    pub(super) fn step(&mut self, e: &ast::Expr, by: i64, post: bool, span: Span) -> Expr {
        match &e.kind {
            Ast::Var(name) => self.step_var(name, e, by, post, span),
            Ast::Map(name) => self.step_map(name, &[], by, post, span),
            Ast::MapElem { map, keys } => self.step_map(map, keys, by, post, span),
            Ast::Error => unknown(span),
            _ => {
                self.error(span, "only a variable or a map can be stepped")
                    .help("write `value + 1`");
                unknown(span)
            }
        }
    }

    fn step_var(&mut self, name: &str, e: &ast::Expr, by: i64, post: bool, span: Span) -> Expr {
        let value = self.expr(e);
        let (ExprKind::Var(var), Some(_)) = (&value.kind, self.find_var(name)) else {
            return unknown(span);
        };
        let var = *var;
        let delta = match &value.ty {
            Type::Int { .. } => by,
            Type::Ptr { to, .. } => self.pointee_size(&to.clone()).wrapping_mul(by),
            ty => {
                let ty = self.type_name(&ty.clone());
                self.error(span, format!("{name} is {ty}, which cannot be stepped"));
                return unknown(span);
            }
        };
        Expr { kind: ExprKind::VarAdd { var, delta, post }, ty: value.ty, span }
    }
}

/// Whether two values that are not scalar can be compared byte by byte.
fn comparable(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Array { elem: a, len: n }, Type::Array { elem: b, len: m }) => {
            n == m
                && (a == b
                    || matches!((&**a, &**b), (Type::Int { bits: x, .. }, Type::Int { bits: y, .. }) if x == y))
        }
        (Type::Struct(_), _) | (_, Type::Struct(_)) => false,
        _ => join(a, b, 0).is_some(),
    }
}

fn holds(op: CmpOp, order: std::cmp::Ordering) -> bool {
    match op {
        CmpOp::Eq => order.is_eq(),
        CmpOp::Ne => order.is_ne(),
        CmpOp::Lt => order.is_lt(),
        CmpOp::Le => order.is_le(),
        CmpOp::Gt => order.is_gt(),
        CmpOp::Ge => order.is_ge(),
    }
}

/// The operation on 64-bit integers. Comparison and logic do not come here.
fn arith(op: BinaryOp, signed: bool) -> Arith {
    match (op, signed) {
        (BinaryOp::Sub, _) => Arith::Sub,
        (BinaryOp::Mul, _) => Arith::Mul,
        (BinaryOp::Div, true) => Arith::Sdiv,
        (BinaryOp::Div, false) => Arith::Udiv,
        (BinaryOp::Mod, true) => Arith::Srem,
        (BinaryOp::Mod, false) => Arith::Urem,
        (BinaryOp::And, _) => Arith::And,
        (BinaryOp::Or, _) => Arith::Or,
        (BinaryOp::Xor, _) => Arith::Xor,
        (BinaryOp::Shl, _) => Arith::Shl,
        (BinaryOp::Shr, true) => Arith::Ashr,
        (BinaryOp::Shr, false) => Arith::Lshr,
        _ => Arith::Add,
    }
}

/// The result as BPF computes it: wrapping, shifts by the low 6 bits.
fn fold(op: Arith, l: i64, r: i64) -> i64 {
    let (lu, ru) = (l as u64, r as u64);
    match op {
        Arith::Add => l.wrapping_add(r),
        Arith::Sub => l.wrapping_sub(r),
        Arith::Mul => l.wrapping_mul(r),
        Arith::Udiv => lu.checked_div(ru).unwrap_or(0) as i64,
        Arith::Sdiv => {
            if r == 0 {
                0
            } else {
                l.wrapping_div(r)
            }
        }
        Arith::Urem => lu.checked_rem(ru).unwrap_or(lu) as i64,
        Arith::Srem => {
            if r == 0 {
                l
            } else {
                l.wrapping_rem(r)
            }
        }
        Arith::And => l & r,
        Arith::Or => l | r,
        Arith::Xor => l ^ r,
        Arith::Shl => l.wrapping_shl(r as u32),
        Arith::Lshr => lu.wrapping_shr(r as u32) as i64,
        Arith::Ashr => l.wrapping_shr(r as u32),
    }
}
