//! `join(argv)`: the strings of an array of pointers, as one event.

use skep_codegen::ir::{BinOp, Cond};

use super::Cx;
use super::memory::{Base, Place};
use super::read::What;
use crate::hir::{Expr, space_of};
use crate::plan::{ActionId, EVENT_HEADER};
use crate::types::Space;

/// Most strings, and most bytes of each.
const STRINGS: u32 = 16;
const BYTES: u32 = 1024;

impl Cx<'_> {
    /// `u64` count, then `u64` length and bytes of each, padded to 8 bytes.
    pub(super) fn join(&mut self, action: ActionId, argv: &Expr) {
        let space = match space_of(&argv.ty) {
            Some(Space::Kernel) => Space::Kernel,
            _ => Space::User,
        };
        let max = self.config.max_strlen.clamp(1, BYTES);
        let each = 8 + max.next_multiple_of(8);
        let start = EVENT_HEADER + 8;
        let limit = start + STRINGS * each;
        let argv = self.scalar(argv);
        let buffer = self.alloc(limit + each);
        self.header(buffer, action);
        let (zero, first) = (self.int(0), self.int(start as i64));
        // Number of strings, end of the record, and whether the array has ended.
        let out = self.fold_until3(STRINGS, &[first, zero, zero], |cx, i, acc| {
            let bytes = cx.f.b.bin_imm(BinOp::Mul, i, 8);
            let at = cx.f.b.bin(BinOp::Add, argv, bytes);
            let ptr = cx.read_int(Place::at(at, space), 8, false);
            let (some, none) = (cx.f.b.block(), cx.f.b.block());
            cx.f.b.branch_nonzero(ptr, some, none);
            let (done, fits) = (cx.f.b.block(), cx.f.b.block());
            let result =
                [cx.f.b.block_param(done), cx.f.b.block_param(done), cx.f.b.block_param(done)];
            cx.f.b.switch_to(none);
            let one = cx.int(1);
            cx.jump_with(done, vec![acc[0], acc[1], one]);
            cx.f.b.switch_to(some);
            let bound = cx.int(limit as i64);
            cx.f.b.branch(Cond::Ult, acc[0], bound, fits, none);
            cx.f.b.switch_to(fits);
            let base = cx.addr(buffer);
            let here = cx.f.b.bin(BinOp::Add, base, acc[0]);
            let here = Place { base: Base::Value(here), off: 0, space: Space::Bpf, align: 8 };
            let size = cx.int(max as i64);
            let got = cx.read_call(What::Str, here.plus(8), size, Place::at(ptr, space));
            let len = cx.string_length(got, max);
            cx.store64(here, len);
            let padded = cx.pad8(len);
            let end = cx.f.b.bin(BinOp::Add, acc[0], padded);
            let end = cx.f.b.bin_imm(BinOp::Add, end, 8);
            let count = cx.f.b.bin_imm(BinOp::Add, acc[1], 1);
            cx.jump_with(done, vec![end, count, acc[2]]);
            cx.f.b.switch_to(done);
            result.to_vec()
        });
        self.store64(buffer.plus(EVENT_HEADER), out[1]);
        // The verifier has followed the end of the record through the loop; where it lost it, this bounds it again.
        let (ok, no, bound) = (self.f.b.block(), self.f.b.block(), self.int((limit + each) as i64));
        self.f.b.branch(Cond::Ule, out[0], bound, ok, no);
        self.f.b.switch_to(ok);
        self.send(buffer, out[0], false);
        self.f.b.jump(no);
        self.f.b.switch_to(no);
    }
}
