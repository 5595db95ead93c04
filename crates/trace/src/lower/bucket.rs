//! Buckets of histograms, as [`crate::types::hist_bucket`] and [`crate::types::Agg::Lhist`] define them.
//!
//! The logarithm is computed without branches: the verifier would follow each way of each branch through the rest of the program.

use skep_codegen::ir::{BinOp, Cond, Value};

use super::Cx;
use crate::types::Agg;

impl Cx<'_> {
    /// Bucket of `hist(v, bits)`.
    pub(super) fn hist_bucket(&mut self, v: Value, bits: u8) -> Value {
        let bucket = if bits == 0 {
            // 0 is in bucket 1, and 1, whose logarithm is 0 too, in bucket 2.
            let log2 = self.log2(v);
            let positive = self.is_positive(v);
            let b = self.f.b.bin(BinOp::Add, log2, positive);
            self.f.b.bin_imm(BinOp::Add, b, 1)
        } else {
            self.fine_bucket(v, bits)
        };
        // Negative numbers: bucket 0.
        let sign = self.f.b.bin_imm(BinOp::Ashr, v, 63);
        let ones = self.f.b.bin_imm(BinOp::Xor, sign, -1);
        self.f.b.bin(BinOp::And, bucket, ones)
    }

    /// Buckets of which `2^bits` divide a power of two.
    fn fine_bucket(&mut self, v: Value, bits: u8) -> Value {
        let k = bits as i64;
        let (small, large) = (self.f.b.block(), self.f.b.block());
        let limit = self.int(1 << k);
        self.f.b.branch(Cond::Ult, v, limit, small, large);
        let bucket = self.either(
            (small, |cx| Some(cx.f.b.bin_imm(BinOp::Add, v, 1))),
            (large, |cx| {
                let log2 = cx.log2(v);
                let power = cx.f.b.bin_imm(BinOp::Sub, log2, k);
                let shifted = cx.f.b.bin(BinOp::Lshr, v, power);
                let low = cx.f.b.bin_imm(BinOp::And, shifted, (1 << k) - 1);
                let next = cx.f.b.bin_imm(BinOp::Add, power, 1);
                let high = cx.f.b.bin_imm(BinOp::Shl, next, k);
                let b = cx.f.b.bin(BinOp::Add, high, low);
                Some(cx.f.b.bin_imm(BinOp::Add, b, 1))
            }),
        );
        bucket.unwrap_or(v)
    }

    /// 1 if the number, taken as signed, is above 0; for negative numbers 0 or 1.
    fn is_positive(&mut self, v: Value) -> Value {
        let zero = self.int(0);
        let negated = self.f.b.bin(BinOp::Sub, zero, v);
        self.f.b.bin_imm(BinOp::Lshr, negated, 63)
    }

    /// The number of the highest bit that is set; 0 for 0.
    fn log2(&mut self, v: Value) -> Value {
        let (mut rest, mut sum) = (v, None);
        for shift in [5, 4, 3, 2, 1] {
            let high = self.f.b.bin_imm(BinOp::Lshr, rest, 1 << shift);
            let some = self.is_positive(high);
            let step = self.f.b.bin_imm(BinOp::Shl, some, shift);
            rest = self.f.b.bin(BinOp::Lshr, rest, step);
            sum = Some(match sum {
                None => step,
                Some(s) => self.f.b.bin(BinOp::Or, s, step),
            });
        }
        let last = self.f.b.bin_imm(BinOp::Lshr, rest, 1);
        match sum {
            None => last,
            Some(s) => self.f.b.bin(BinOp::Or, s, last),
        }
    }

    /// Bucket of `lhist(v, min, max, step)`.
    pub(super) fn lhist_bucket(&mut self, v: Value, min: i64, max: i64, step: u64) -> Value {
        let buckets = Agg::Lhist { min, max, step }.buckets().unwrap_or(2);
        let (inside, below, above) = (self.f.b.block(), self.f.b.block(), self.f.b.block());
        let (not_below, low, high) = (self.f.b.block(), self.int(min), self.int(max));
        self.f.b.branch(Cond::Slt, v, low, below, not_below);
        self.f.b.switch_to(not_below);
        self.f.b.branch(Cond::Sge, v, high, above, inside);
        let env = self.f.env.clone();
        let mut ways = Vec::new();
        for (block, constant) in
            [(below, Some(0)), (above, Some(buckets as i64 - 1)), (inside, None)]
        {
            self.start(block, &env);
            let b = match constant {
                Some(c) => self.int(c),
                None => {
                    let off = self.f.b.bin_imm(BinOp::Sub, v, min);
                    let steps = self.f.b.bin_imm(BinOp::Udiv, off, step.max(1) as i64);
                    self.f.b.bin_imm(BinOp::Add, steps, 1)
                }
            };
            ways.push(self.way(Some(b)));
        }
        self.meet(ways).unwrap_or(v)
    }
}
