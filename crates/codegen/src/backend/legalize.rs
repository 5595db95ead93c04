//! Rewrites what the target's instruction set lacks into what every one has.

use crate::ir::{BinOp, Function, Inst, InstData, Loc, Value};

/// Expands signed division and sign-extending loads, which came with version 4 of the instruction set.
pub(super) fn without_v4(func: &mut Function) {
    for b in 0..func.blocks.len() {
        let insts = std::mem::take(&mut func.blocks[b].insts);
        let mut out =
            Expansion { func, insts: Vec::with_capacity(insts.len()), loc: Loc::default() };
        for data in insts {
            out.expand(data);
        }
        let insts = out.insts;
        func.blocks[b].insts = insts;
    }
}

struct Expansion<'a> {
    func: &'a mut Function,
    insts: Vec<InstData>,
    loc: Loc,
}

impl Expansion<'_> {
    fn expand(&mut self, data: InstData) {
        self.loc = data.loc;
        match (data.inst, data.result) {
            (Inst::Bin(op @ (BinOp::Sdiv | BinOp::Srem), a, b), Some(v)) => {
                self.divide(op, a, b, v)
            }
            (Inst::Load { size, signed: true, ptr, off }, Some(v)) if size.bytes() < 8 => {
                let raw = self.value(Inst::Load { size, signed: false, ptr, off });
                self.define(v, Inst::Ext { signed: true, bits: size.bytes() as u8 * 8, arg: raw });
            }
            (inst, result) => self.insts.push(InstData { result, inst, loc: self.loc }),
        }
    }

    fn define(&mut self, v: Value, inst: Inst) {
        self.insts.push(InstData { result: Some(v), inst, loc: self.loc });
    }

    fn value(&mut self, inst: Inst) -> Value {
        let v = self.func.fresh();
        self.define(v, inst);
        v
    }

    fn bin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        self.value(Inst::Bin(op, a, b))
    }

    /// Divides magnitudes, then gives the result the quotient's sign, or the dividend's for a remainder. `(x ^ s) - s`,
    /// where `s` is all sign bits, negates `x` if `s` says so; 0 as divisor comes out as the unsigned operation has it.
    fn divide(&mut self, op: BinOp, a: Value, b: Value, v: Value) {
        let places = self.value(Inst::Const(63));
        let sign_a = self.bin(BinOp::Ashr, a, places);
        let sign_b = self.bin(BinOp::Ashr, b, places);
        let abs_a = self.negate_if(sign_a, a);
        let abs_b = self.negate_if(sign_b, b);
        let (op, sign) = match op {
            BinOp::Srem => (BinOp::Urem, sign_a),
            _ => (BinOp::Udiv, self.bin(BinOp::Xor, sign_a, sign_b)),
        };
        let magnitude = self.bin(op, abs_a, abs_b);
        let flipped = self.bin(BinOp::Xor, magnitude, sign);
        self.define(v, Inst::Bin(BinOp::Sub, flipped, sign));
    }

    fn negate_if(&mut self, sign: Value, v: Value) -> Value {
        let flipped = self.bin(BinOp::Xor, v, sign);
        self.bin(BinOp::Sub, flipped, sign)
    }
}
