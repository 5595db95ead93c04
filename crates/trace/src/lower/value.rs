//! Values computed into memory: [`Cx::into`] puts any expression where it is wanted, without a copy in between.

use skep_abi::Helper;
use skep_codegen::ir::Value;

use super::Cx;
use super::memory::Place;
use crate::hir::{Builtin, Call, Expr, ExprKind};
use crate::types::{Space, Type};

/// `AF_INET`, `AF_INET6`
const AF_INET: i64 = 2;
const AF_INET6: i64 = 10;

impl Cx<'_> {
    /// Computes the expression into memory of the program as a value of type `ty`: its own type, or a longer string.
    pub(super) fn into(&mut self, e: &Expr, dst: Place, ty: &Type) {
        if e.ty.is_scalar() && ty.is_scalar() {
            let v = self.scalar(e);
            self.store(dst, self.types.size(ty).max(1), v);
            return;
        }
        let size = self.types.size(&e.ty).min(self.types.size(ty));
        self.at(e.span, |cx| cx.fill(e, dst, size));
        let whole = self.types.size(ty);
        // The string is written by what knows its end; the rest of a longer place is cleared here.
        self.zero_tail(dst, size, whole);
    }

    fn zero_tail(&mut self, dst: Place, from: u32, to: u32) {
        if from < to {
            self.zero(dst.plus(from), to - from);
        }
    }

    fn fill(&mut self, e: &Expr, dst: Place, size: u32) {
        match &e.kind {
            ExprKind::Str(bytes) => self.literal(dst, bytes, size),
            ExprKind::Builtin(Builtin::Comm) => self.comm(dst, size),
            ExprKind::Builtin(Builtin::Ustack(spec)) => self.ustack(*spec, dst),
            ExprKind::Builtin(Builtin::Func) => {
                let address = self.func_address();
                self.usym(address, dst);
            }
            ExprKind::Tuple(fields) => self.tuple(e, fields, dst),
            ExprKind::Select { cond, then, els } => {
                let (a, b) = (self.f.b.block(), self.f.b.block());
                self.cond(cond, a, b);
                let fill = |cx: &mut Self, value: &Expr| {
                    cx.into(value, dst, &e.ty);
                    None
                };
                self.either((a, |cx| fill(cx, then)), (b, |cx| fill(cx, els)));
            }
            ExprKind::Block(stmts, value) => {
                self.block(stmts);
                self.into(value, dst, &e.ty);
            }
            ExprKind::Cast(from) if from.ty.is_scalar() => {
                let v = self.scalar(from);
                self.zero(dst, size);
                let n = self.types.size(&from.ty).min(size);
                self.store(dst, n, v);
            }
            ExprKind::Cast(from) => self.into(from, dst, &e.ty),
            ExprKind::Call(call) => self.call_into(call, e, dst, size),
            _ => {
                let src = self.place(e);
                self.fetch(dst, src, &e.ty);
            }
        }
    }

    fn call_into(&mut self, call: &Call, e: &Expr, dst: Place, size: u32) {
        match call {
            Call::Str { ptr, len } => self.str_into(ptr, len.as_deref(), dst, size),
            Call::Buf { ptr, len } => self.buf_into(ptr, len.as_deref(), dst, size),
            Call::Usym(address) => {
                let address = self.scalar(address);
                self.usym(address, dst);
            }
            Call::Ntop { family, addr } => self.ntop(family.as_deref(), addr, dst),
            Call::Macaddr(addr) => {
                let src = self.pointed(addr);
                self.read(dst, src, 6);
            }
            Call::Pack(inner) | Call::Ksym(inner) => self.into(inner, dst, &e.ty),
            // The others are scalar.
            _ => self.zero(dst, size),
        }
    }

    /// Copies a value from anywhere into memory of the program; a string ends at its zero there.
    pub(super) fn fetch(&mut self, dst: Place, src: Place, ty: &Type) {
        let size = self.types.size(ty);
        match ty {
            Type::Str { .. } if src.space != Space::Bpf => self.string_from(dst, src, size),
            _ => self.read(dst, src, size),
        }
    }

    fn literal(&mut self, dst: Place, bytes: &[u8], size: u32) {
        let n = bytes.len().min(size as usize);
        let mut padded = bytes[..n].to_vec();
        padded.resize(n.next_multiple_of(8).min(size as usize), 0);
        self.store_bytes(dst, &padded);
        self.zero_tail(dst, padded.len() as u32, size);
    }

    fn comm(&mut self, dst: Place, size: u32) {
        // The helper fills sixteen bytes, zeroes behind the name.
        let n = size.min(16);
        let (at, n_value) = (self.addr(dst), self.int(n as i64));
        self.call(Helper::GET_CURRENT_COMM, &[at, n_value]);
        self.zero_tail(dst, n, size);
    }

    fn tuple(&mut self, e: &Expr, fields: &[Expr], dst: Place) {
        let types: Vec<Type> = match &e.ty {
            Type::Tuple(types) => types.clone(),
            Type::Record(named) => named.iter().map(|f| f.1.clone()).collect(),
            _ => fields.iter().map(|f| f.ty.clone()).collect(),
        };
        let (offsets, size) = self.types.layout(types.iter());
        self.fields_into(dst, &types, &offsets, size, fields);
    }

    /// What a pointer points to, or the place itself.
    fn pointed(&mut self, e: &Expr) -> Place {
        match &e.ty {
            Type::Ptr { space, .. } => {
                let ptr = self.scalar(e);
                Place::at(ptr, *space)
            }
            _ => self.place(e),
        }
    }

    fn ntop(&mut self, family: Option<&Expr>, addr: &Expr, dst: Place) {
        let bytes = match &addr.ty {
            Type::Ptr { to, .. } => self.types.size(to),
            ty if ty.is_scalar() => 4,
            ty => self.types.size(ty),
        };
        let wide = bytes >= 16;
        let family: Value = match family {
            Some(e) => self.scalar(e),
            None => self.int(if wide { AF_INET6 } else { AF_INET }),
        };
        self.store(dst, 4, family);
        let at = dst.plus(4);
        if addr.ty.is_integral() {
            let v = self.scalar(addr);
            self.store(at, 4, v);
        } else {
            let src = self.pointed(addr);
            self.read(at, src, if wide { 16 } else { 4 });
        }
        if !wide {
            self.zero(at.plus(4), 12);
        }
    }
}
