//! Expressions whose value is a number (or a pointer): held in a register.
//!
//! A number narrower than 64 bits is always held extended as its type says.

use skep_abi::Helper;
use skep_codegen::ir::{BinOp, Cond, Inst, Value};

use super::Cx;
use super::memory::Place;
use super::walk;
use crate::hir::{Arith, Call, CmpOp, Expr, ExprKind, VarId};
use crate::syntax::ast::Span;
use crate::types::Type;

use super::program::Home;

const DIVIDED_BY_ZERO: &str = "Divide or modulo by 0 detected. 1 is taken as the result.";

impl Cx<'_> {
    /// The value of a scalar expression; of one without a value, 0, after its effect.
    pub(super) fn scalar(&mut self, e: &Expr) -> Value {
        self.at(e.span, |cx| cx.scalar_kind(e))
    }

    fn scalar_kind(&mut self, e: &Expr) -> Value {
        match &e.kind {
            ExprKind::Int(v) => self.int(*v),
            ExprKind::Builtin(b) => self.builtin(*b, &e.ty, e.span),
            ExprKind::Var(v) => self.var(*v),
            ExprKind::MapElem { map, key } => match self.info(*map).agg() {
                None => self.elem_scalar(*map, key),
                Some(agg) => {
                    let key = self.key(*map, key, None);
                    self.agg_value(*map, agg, key)
                }
            },
            ExprKind::MapAdd { map, key, delta, post } => {
                self.add_elem(*map, key, *delta, *post, true)
            }
            ExprKind::VarAdd { var, delta, post } => self.add_var(*var, *delta, *post),
            ExprKind::Binary(op, a, b) => {
                let divisor = b;
                let a = self.scalar(a);
                let b = self.scalar(b);
                let v = if divides(*op) && !matches!(divisor.kind, ExprKind::Int(1..)) {
                    self.divide(bin_op(*op), a, b, e.span)
                } else {
                    self.f.b.bin(bin_op(*op), a, b)
                };
                self.extend(v, &e.ty)
            }
            ExprKind::Compare { op, signed, left, right } => {
                let a = self.scalar(left);
                let b = self.scalar(right);
                self.f.b.icmp(cond_of(*op, *signed), a, b)
            }
            ExprKind::And(..)
            | ExprKind::Or(..)
            | ExprKind::Not(_)
            | ExprKind::CompareBytes { .. } => self.truth(e),
            ExprKind::BitNot(a) => {
                let a = self.scalar(a);
                let v = self.f.b.bin_imm(BinOp::Xor, a, -1);
                self.extend(v, &e.ty)
            }
            ExprKind::Neg(a) => {
                let a = self.scalar(a);
                let v = self.f.b.inst(Inst::Neg(a));
                self.extend(v, &e.ty)
            }
            ExprKind::Select { cond, then, els } => self.select(cond, then, els),
            ExprKind::Cast(a) => self.cast(a, &e.ty),
            ExprKind::AddrOf(a) => {
                let place = self.place(a);
                self.addr(place)
            }
            ExprKind::Deref(_)
            | ExprKind::Member(..)
            | ExprKind::Index(..)
            | ExprKind::TupleField(..) => self.scalar_of_place(e),
            ExprKind::Block(stmts, value) => {
                self.block(stmts);
                self.scalar(value)
            }
            ExprKind::Call(call) => self.scalar_call(call, e),
            ExprKind::Emit(action, args) => {
                self.emit(*action, args);
                self.int(0)
            }
            // Never scalar.
            ExprKind::Str(_) | ExprKind::Args | ExprKind::Tuple(_) => self.int(0),
        }
    }

    fn scalar_call(&mut self, call: &Call, e: &Expr) -> Value {
        match call {
            Call::Ksym(a) | Call::Pack(a) => self.scalar(a),
            Call::Strcontains(a, b) => self.strcontains(a, b),
            Call::Bswap(a) => {
                let arg = self.scalar(a);
                let bits = (self.types.size(&a.ty) * 8) as u8;
                let v = if bits == 8 { arg } else { self.f.b.inst(Inst::Bswap { bits, arg }) };
                self.extend(v, &e.ty)
            }
            Call::Delete { map, key } => self.delete_elem(*map, key),
            Call::HasKey { map, key } => self.has_elem(*map, key),
            Call::Len(map) => self.map_len(*map, e.span),
            Call::StackLen(stack) => self.stack_len(stack),
            Call::Signal(n) => {
                let n = self.scalar(n);
                self.call(Helper::SEND_SIGNAL, &[n])
            }
            Call::Override(rc) => {
                let rc = self.scalar(rc);
                let ctx = self.f.ctx;
                self.call(Helper::OVERRIDE_RETURN, &[ctx, rc])
            }
            Call::Join { action, argv } => {
                self.join(*action, argv);
                self.int(0)
            }
            // Never scalar.
            Call::Str { .. }
            | Call::Buf { .. }
            | Call::Usym(_)
            | Call::Ntop { .. }
            | Call::Macaddr(_) => self.int(0),
        }
    }

    /// A division or remainder by what may be 0: that gives 1, and is told.
    fn divide(&mut self, op: BinOp, a: Value, b: Value, span: Span) -> Value {
        let (some, none) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch_nonzero(b, some, none);
        let v = self.either(
            (some, |cx| Some(cx.f.b.bin(op, a, b))),
            (none, |cx| {
                cx.tell(span, DIVIDED_BY_ZERO);
                Some(cx.int(1))
            }),
        );
        v.unwrap_or(b)
    }

    /// What a scalar variable holds.
    pub(super) fn var(&mut self, v: VarId) -> Value {
        match self.p.vars[v.0 as usize].1 {
            Home::Ssa => self.f.env[v.0 as usize],
            _ => {
                let place = self.var_place(v);
                let ty = self.p.vars[v.0 as usize].0.clone();
                self.scalar_at(place, &ty)
            }
        }
    }

    /// Gives a scalar variable a value.
    pub(super) fn set_var(&mut self, v: VarId, value: Value) {
        match self.p.vars[v.0 as usize].1 {
            Home::Ssa => self.f.env[v.0 as usize] = value,
            _ => {
                let place = self.var_place(v);
                let size = self.types.size(&self.p.vars[v.0 as usize].0);
                self.store(place, size, value);
            }
        }
    }

    fn add_var(&mut self, v: VarId, delta: i64, post: bool) -> Value {
        let ty = self.p.vars[v.0 as usize].0.clone();
        let old = self.var(v);
        let new = self.add_const(old, delta, &ty);
        self.set_var(v, new);
        if post { old } else { new }
    }

    /// A number plus a constant, as its type holds it.
    pub(super) fn add_const(&mut self, v: Value, delta: i64, ty: &Type) -> Value {
        let v = self.f.b.bin_imm(BinOp::Add, v, delta);
        self.extend(v, ty)
    }

    /// What a scalar place holds.
    pub(super) fn scalar_at(&mut self, place: Place, ty: &Type) -> Value {
        let (bytes, signed) = (self.types.size(ty), self.is_signed(ty));
        self.read_int(place, bytes.clamp(1, 8), signed)
    }

    fn select(&mut self, cond: &Expr, then: &Expr, els: &Expr) -> Value {
        let (a, b) = (self.f.b.block(), self.f.b.block());
        self.cond(cond, a, b);
        let v = self.either((a, |cx| Some(cx.scalar(then))), (b, |cx| Some(cx.scalar(els))));
        match v {
            Some(v) => v,
            None => self.int(0),
        }
    }

    /// Whether numbers of the type are signed.
    pub(super) fn is_signed(&self, ty: &Type) -> bool {
        match ty {
            Type::Enum(id) => self.types.enumm(*id).signed,
            ty => ty.is_signed(),
        }
    }

    /// The low bits that the type has, extended as it says.
    pub(super) fn extend(&mut self, arg: Value, ty: &Type) -> Value {
        if *ty == Type::Bool {
            let zero = self.int(0);
            return self.f.b.icmp(Cond::Ne, arg, zero);
        }
        match self.types.size(ty) * 8 {
            bits @ (8 | 16 | 32) if ty.is_integral() => {
                let signed = self.is_signed(ty);
                self.f.b.inst(Inst::Ext { signed, bits: bits as u8, arg })
            }
            _ => arg,
        }
    }

    fn cast(&mut self, from: &Expr, to: &Type) -> Value {
        if !from.ty.is_scalar() {
            // The bytes of an array, in memory order.
            let bytes = self.types.size(to).min(self.types.size(&from.ty)).clamp(1, 8);
            let place = self.place(from);
            let v = self.read_int(place, bytes, false);
            return self.extend(v, to);
        }
        let v = self.scalar(from);
        let (a, b) = (self.types.size(&from.ty), self.types.size(to));
        let (sa, sb) = (self.is_signed(&from.ty), self.is_signed(to));
        let fits = if sa == sb { a <= b } else { !sa && a < b };
        if *to != Type::Bool && (b >= 8 || fits) || from.ty == *to { v } else { self.extend(v, to) }
    }

    /// The variables that an expression assigns to and that live in registers.
    pub(super) fn assigns(&self, e: &Expr) -> bool {
        walk::assigned_by(e).iter().any(|v| matches!(self.p.vars[v.0 as usize].1, Home::Ssa))
    }
}

fn divides(op: Arith) -> bool {
    matches!(op, Arith::Udiv | Arith::Sdiv | Arith::Urem | Arith::Srem)
}

fn bin_op(op: Arith) -> BinOp {
    match op {
        Arith::Add => BinOp::Add,
        Arith::Sub => BinOp::Sub,
        Arith::Mul => BinOp::Mul,
        Arith::Udiv => BinOp::Udiv,
        Arith::Sdiv => BinOp::Sdiv,
        Arith::Urem => BinOp::Urem,
        Arith::Srem => BinOp::Srem,
        Arith::And => BinOp::And,
        Arith::Or => BinOp::Or,
        Arith::Xor => BinOp::Xor,
        Arith::Shl => BinOp::Shl,
        Arith::Lshr => BinOp::Lshr,
        Arith::Ashr => BinOp::Ashr,
    }
}

/// The comparison in the IR.
pub(super) fn cond_of(op: CmpOp, signed: bool) -> Cond {
    match (op, signed) {
        (CmpOp::Eq, _) => Cond::Eq,
        (CmpOp::Ne, _) => Cond::Ne,
        (CmpOp::Lt, true) => Cond::Slt,
        (CmpOp::Le, true) => Cond::Sle,
        (CmpOp::Gt, true) => Cond::Sgt,
        (CmpOp::Ge, true) => Cond::Sge,
        (CmpOp::Lt, false) => Cond::Ult,
        (CmpOp::Le, false) => Cond::Ule,
        (CmpOp::Gt, false) => Cond::Ugt,
        (CmpOp::Ge, false) => Cond::Uge,
    }
}
