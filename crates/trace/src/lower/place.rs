//! Expressions that lie in memory: where.

use skep_codegen::ir::{BinOp, Cond, Value};

use super::Cx;
use super::memory::{Base, Place};
use super::program::Home;
use crate::hir::{Expr, ExprKind, VarId, space_of};
use crate::types::{Field, Space, Type};

const OUT_OF_BOUNDS: &str = "Array access out of bounds. 0 is taken as the element.";

impl Cx<'_> {
    /// Where a value that is not scalar lies. What is computed is put into a temporary.
    pub(super) fn place(&mut self, e: &Expr) -> Place {
        match &e.kind {
            ExprKind::Var(v) => self.var_place(*v),
            ExprKind::MapElem { map, key } if self.info(*map).agg().is_none() => {
                self.elem_place(*map, key)
            }
            ExprKind::Args => Place::at(self.f.ctx, Space::Ctx),
            ExprKind::Deref(ptr) => {
                let space = space_of(&ptr.ty).unwrap_or(Space::Unknown);
                let ptr = self.scalar(ptr);
                Place::at(ptr, space)
            }
            ExprKind::Member(of, field) if !field.data_loc => self.place(of).plus(field.offset),
            ExprKind::TupleField(of, n) => {
                let off = self.field_offset(&of.ty, *n);
                self.place(of).plus(off)
            }
            ExprKind::Index(of, index) => self.index(of, index, &e.ty),
            _ => {
                let size = self.types.size(&e.ty);
                let temp = self.alloc(size);
                self.into(e, temp, &e.ty);
                temp
            }
        }
    }

    /// The same, in memory that the program may load from and that is laid out as the type says.
    pub(super) fn own(&mut self, e: &Expr) -> Place {
        let place = self.place(e);
        if place.space == Space::Bpf {
            return place;
        }
        let temp = self.alloc(self.types.size(&e.ty));
        self.fetch(temp, place, &e.ty);
        temp
    }

    /// Where a variable in memory lies.
    pub(super) fn var_place(&mut self, v: VarId) -> Place {
        match self.p.vars[v.0 as usize].1 {
            Home::Memory(place) => place,
            Home::Scratch(off) => self.scratch_place(off),
            // A register has no address: the checker takes none.
            Home::Ssa => {
                let slot = self.alloc(8);
                let value = self.f.env[v.0 as usize];
                self.store64(slot, value);
                slot
            }
        }
    }

    pub(super) fn field_offset(&self, ty: &Type, n: u32) -> u32 {
        let offsets = match ty {
            Type::Tuple(fields) => self.types.layout(fields.iter()).0,
            Type::Record(fields) => self.types.layout(fields.iter().map(|f| &f.1)).0,
            _ => Vec::new(),
        };
        offsets.get(n as usize).copied().unwrap_or(0)
    }

    /// A scalar that is a part of something, or pointed to.
    pub(super) fn scalar_of_place(&mut self, e: &Expr) -> Value {
        match &e.kind {
            ExprKind::Member(of, field) => {
                let at = self.place(of).plus(field.offset);
                self.member(at, field)
            }
            ExprKind::Index(of, index)
                if array_len(&of.ty).is_some() && constant(index).is_none() =>
            {
                self.checked_index(of, index, &e.ty)
            }
            ExprKind::Index(of, index) if outside(of, index) => self.int(0),
            _ => {
                let place = self.place(e);
                self.scalar_at(place, &e.ty)
            }
        }
    }

    fn member(&mut self, at: Place, field: &Field) -> Value {
        if field.data_loc {
            // Offset from the start of the context, and length.
            let word = self.read_int(at, 4, false);
            let off = self.f.b.bin_imm(BinOp::And, word, 0xffff);
            return self.f.b.bin(BinOp::Add, self.f.ctx, off);
        }
        let Some((shift, width)) = field.bits else {
            return self.scalar_at(at, &field.ty);
        };
        let unit = self.types.size(&field.ty).clamp(1, 8);
        let v = self.read_int(at, unit, false);
        let up = 64i64.saturating_sub(shift as i64 + width as i64).max(0);
        let v = self.f.b.bin_imm(BinOp::Shl, v, up);
        // As upstream shows them: a bitfield has no sign, whatever its type.
        self.f.b.bin_imm(BinOp::Lshr, v, 64 - width.clamp(1, 64) as i64)
    }

    /// An element that is not scalar, or whose index is known to be inside; outside lie zeroes.
    fn index(&mut self, of: &Expr, index: &Expr, elem: &Type) -> Place {
        let size = self.types.size(elem);
        let Some(len) = array_len(&of.ty) else {
            let space = space_of(&of.ty).unwrap_or(Space::Unknown);
            let base = self.scalar(of);
            let at = Place::at(base, space);
            return match constant(index) {
                Some(i) => at.plus(i.wrapping_mul(size as i64)),
                None => {
                    let i = self.scalar(index);
                    self.offset(at, i, size)
                }
            };
        };
        if let Some(i) = constant(index) {
            if outside(of, index) {
                return self.zeroes(size);
            }
            return self.place(of).plus(i * size as i64);
        }
        let base = self.indexable(of);
        let i = self.scalar(index);
        if base.space != Space::Bpf {
            // Only scalars and what is copied at once is read from elsewhere: take the element out.
            let temp = self.alloc(size);
            self.zero(temp, size);
            let inside = self.f.b.block();
            let (limit, done) = (self.int(len as i64), self.f.b.block());
            self.f.b.branch(Cond::Ult, i, limit, inside, done);
            self.f.b.switch_to(inside);
            let at = self.offset(base, i, size);
            self.fetch(temp, at, elem);
            self.f.b.jump(done);
            self.f.b.switch_to(done);
            return temp;
        }
        let (inside, beyond, limit) = (self.f.b.block(), self.f.b.block(), self.int(len as i64));
        self.f.b.branch(Cond::Ult, i, limit, inside, beyond);
        let ptr = self.either(
            (inside, |cx| {
                let at = cx.offset(base, i, size);
                Some(cx.addr(at))
            }),
            (beyond, |cx| {
                cx.tell(index.span, OUT_OF_BOUNDS);
                let zeroes = cx.zeroes(size);
                Some(cx.addr(zeroes))
            }),
        );
        let align = self.types.align(elem);
        Place { align, ..Place::at(ptr.unwrap_or(i), Space::Bpf) }
    }

    /// A scalar element by an index that is checked when the program runs.
    fn checked_index(&mut self, of: &Expr, index: &Expr, elem: &Type) -> Value {
        let len = array_len(&of.ty).unwrap_or(0);
        let base = self.indexable(of);
        let i = self.scalar(index);
        let (inside, beyond, limit) = (self.f.b.block(), self.f.b.block(), self.int(len as i64));
        self.f.b.branch(Cond::Ult, i, limit, inside, beyond);
        let size = self.types.size(elem);
        let v = self.either(
            (inside, |cx| {
                let at = cx.offset(base, i, size);
                Some(cx.scalar_at(at, elem))
            }),
            (beyond, |cx| {
                cx.tell(index.span, OUT_OF_BOUNDS);
                Some(cx.int(0))
            }),
        );
        v.unwrap_or(i)
    }

    /// An array at whose elements a computed offset may point: the verifier allows none in the context.
    fn indexable(&mut self, of: &Expr) -> Place {
        let place = self.place(of);
        if place.space != Space::Ctx {
            return place;
        }
        let size = self.types.size(&of.ty);
        let temp = self.alloc(size);
        self.read(temp, place, size);
        temp
    }

    /// So many elements further.
    fn offset(&mut self, base: Place, index: Value, size: u32) -> Place {
        let bytes =
            if size == 1 { index } else { self.f.b.bin_imm(BinOp::Mul, index, size as i64) };
        let start = self.addr(base);
        let ptr = self.f.b.bin(BinOp::Add, start, bytes);
        let align = 1 << size.trailing_zeros().min(3);
        Place { base: Base::Value(ptr), off: 0, space: base.space, align }
    }
}

/// How many elements an array, or a string, has; `None` for pointers.
fn array_len(ty: &Type) -> Option<u32> {
    match ty {
        Type::Array { len, .. } => Some(*len),
        Type::Str { max } => Some(*max),
        Type::Ptr { .. } => None,
        _ => Some(0),
    }
}

fn constant(e: &Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Int(v) => Some(*v),
        ExprKind::Cast(inner) if e.ty.is_integral() && inner.ty.is_integral() => constant(inner),
        _ => None,
    }
}

fn outside(of: &Expr, index: &Expr) -> bool {
    match (array_len(&of.ty), constant(index)) {
        (Some(len), Some(i)) => !(0..len as i64).contains(&i),
        _ => false,
    }
}
