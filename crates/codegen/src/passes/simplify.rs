//! Constant folding and algebra: each operation is replaced by a cheaper one that gives the same value, or by a value
//! that is there already.
//!
//! Sums are not regrouped: `base + offset` stays what the front end wrote.

use super::subst::Subst;
use crate::cfg::Cfg;
use crate::ir::{BinOp, Cond, Edge, Function, Inst, InstData, Loc, Term, Value};

/// Simplifies every operation once; true if anything changed.
pub(super) fn run(func: &mut Function) -> bool {
    let mut changed = sign_extend_in_loads(func);
    let rpo = Cfg::new(func).rpo;
    let mut pass = Pass {
        subst: Subst::new(func),
        defs: func.definitions(),
        uses: func.use_counts(),
        slots: func.slots.iter().map(|s| s.size).collect(),
        values: func.values,
        new: Vec::new(),
    };
    for b in rpo {
        let block = func.block_mut(b);
        let insts = std::mem::take(&mut block.insts);
        let mut kept = Vec::with_capacity(insts.len());
        for mut data in insts {
            data.inst.map_args(|v| pass.subst.get(v));
            changed |= pass.visit(&mut data);
            kept.append(&mut pass.new);
            // An operation that became a copy has lost its result.
            if data.result.is_some() || !data.inst.is_removable() {
                kept.push(data);
            }
        }
        block.term.map_args(|v| pass.subst.get(v));
        if let Some(term) = pass.term(&block.term) {
            block.term = term;
            changed = true;
        }
        kept.append(&mut pass.new);
        block.insts = kept;
    }
    func.values = pass.values;
    pass.subst.apply(func);
    changed
}

/// A load whose only use is its sign extension extends by itself.
fn sign_extend_in_loads(func: &mut Function) -> bool {
    let (uses, defs) = (func.use_counts(), func.definitions());
    let mut signed = vec![false; func.values as usize];
    let mut copies = Subst::new(func);
    for data in func.blocks.iter_mut().flat_map(|b| &mut b.insts) {
        let (Some(v), &Inst::Ext { signed: true, bits, arg }) = (data.result, &data.inst) else {
            continue;
        };
        if let Some(Inst::Load { size, signed: false, .. }) = defs[arg.0 as usize]
            && size.bytes() * 8 == u32::from(bits)
            && uses[arg.0 as usize] == 1
        {
            signed[arg.0 as usize] = true;
            copies.set(v, arg);
            data.result = None;
        }
    }
    let changed = signed.contains(&true);
    if changed {
        for block in &mut func.blocks {
            block.insts.retain(|d| d.result.is_some() || !matches!(d.inst, Inst::Ext { .. }));
            for data in &mut block.insts {
                if let (Some(v), Inst::Load { signed: s, .. }) = (data.result, &mut data.inst) {
                    *s |= signed[v.0 as usize];
                }
            }
        }
        copies.apply(func);
    }
    changed
}

struct Pass {
    subst: Subst,
    defs: Vec<Option<Inst>>,
    uses: Vec<u32>,
    slots: Vec<u32>,
    values: u32,
    /// Constants needed by what is being simplified.
    new: Vec<InstData>,
}

/// What an operation turns into.
enum To {
    Value(Value),
    Const(i64),
    Inst(Inst),
}

impl Pass {
    /// Simplifies one operation; a result that became another value is taken from it.
    fn visit(&mut self, data: &mut InstData) -> bool {
        let Some(v) = data.result else { return self.effect(&mut data.inst) };
        let changed = match self.simplify(&data.inst, data.loc) {
            None => false,
            Some(To::Value(to)) => {
                self.subst.set(v, to);
                data.result = None;
                true
            }
            Some(To::Const(c)) => {
                data.inst = Inst::Const(c);
                true
            }
            Some(To::Inst(inst)) => {
                data.inst = inst;
                true
            }
        };
        self.defs[v.0 as usize] = Some(data.inst.clone());
        changed
    }

    fn def(&self, v: Value) -> Option<&Inst> {
        self.defs.get(v.0 as usize)?.as_ref()
    }

    fn constant(&self, v: Value) -> Option<i64> {
        match self.def(v) {
            Some(Inst::Const(c)) => Some(*c),
            _ => None,
        }
    }

    /// A new constant before the operation at hand.
    fn iconst(&mut self, c: i64, loc: Loc) -> Value {
        let v = Value(self.values);
        self.values += 1;
        self.defs.push(Some(Inst::Const(c)));
        self.uses.push(1);
        self.new.push(InstData { result: Some(v), inst: Inst::Const(c), loc });
        v
    }

    /// How many low bits of a value can be other than zero, as far as the verifier sees it too: a mask may go only where
    /// the bound that it gives is known without it (so not after a byte swap, whose result the verifier does not bound).
    fn width(&self, v: Value) -> u32 {
        match self.def(v) {
            Some(Inst::Const(c)) => 64 - c.leading_zeros(),
            Some(Inst::Load { size, signed: false, .. }) => size.bytes() * 8,
            Some(Inst::Ext { signed: false, bits, .. }) => u32::from(*bits),
            Some(Inst::Icmp(..)) => 1,
            Some(Inst::Bin(BinOp::And, a, b)) => {
                let width = |v| self.constant(v).map_or(64, |c| 64 - c.leading_zeros());
                width(*a).min(width(*b))
            }
            Some(Inst::Bin(BinOp::Lshr, _, b)) => {
                self.constant(*b).map_or(64, |c| 64 - (c as u32 & 63))
            }
            _ => 64,
        }
    }

    fn effect(&mut self, inst: &mut Inst) -> bool {
        if let Inst::Store { size, val, .. } = inst
            && let Some(&Inst::Ext { bits, arg, .. }) = self.def(*val)
            && u32::from(bits) >= size.bytes() * 8
        {
            *val = arg;
            return true;
        }
        false
    }

    fn simplify(&mut self, inst: &Inst, loc: Loc) -> Option<To> {
        match *inst {
            Inst::Bin(op, a, b) => self.bin(op, a, b, loc),
            Inst::Neg(a) => match self.def(a)? {
                Inst::Const(c) => Some(To::Const(c.wrapping_neg())),
                Inst::Neg(x) => Some(To::Value(*x)),
                _ => None,
            },
            Inst::Ext { signed, bits, arg } => self.ext(signed, u32::from(bits), arg),
            Inst::Bswap { bits, arg } => {
                let swapped = (self.constant(arg)? as u64).swap_bytes() >> (64 - u32::from(bits));
                Some(To::Const(swapped as i64))
            }
            Inst::Icmp(cond, a, b) => self.icmp(cond, a, b),
            _ => None,
        }
    }

    fn bin(&mut self, op: BinOp, a: Value, b: Value, loc: Loc) -> Option<To> {
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => Some(To::Const(op.eval(x, y))),
            (Some(_), None) if op.is_commutative() => Some(To::Inst(Inst::Bin(op, b, a))),
            (_, Some(c)) => self.bin_const(op, a, c, loc),
            _ if a == b => match op {
                BinOp::Sub | BinOp::Xor => Some(To::Const(0)),
                BinOp::And | BinOp::Or => Some(To::Value(a)),
                _ => None,
            },
            _ => None,
        }
    }

    fn bin_const(&mut self, op: BinOp, a: Value, c: i64, loc: Loc) -> Option<To> {
        let log2 = (c as u64).is_power_of_two().then(|| i64::from(c.trailing_zeros()));
        match (op, c) {
            (BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor, 0)
            | (BinOp::Shl | BinOp::Lshr | BinOp::Ashr, 0)
            | (BinOp::Mul | BinOp::Udiv | BinOp::Sdiv, 1)
            | (BinOp::Urem | BinOp::Srem, 0)
            | (BinOp::And, -1) => Some(To::Value(a)),
            (BinOp::Mul | BinOp::And | BinOp::Udiv | BinOp::Sdiv, 0)
            | (BinOp::Urem | BinOp::Srem, 1)
            | (BinOp::Srem, -1) => Some(To::Const(0)),
            (BinOp::Or, -1) => Some(To::Const(-1)),
            (BinOp::Mul | BinOp::Sdiv, -1) => Some(To::Inst(Inst::Neg(a))),
            (BinOp::Add, _) => self.add_to_slot(a, c),
            (BinOp::Sub, _) if c != i64::MIN => {
                let c = self.iconst(-c, loc);
                Some(To::Inst(Inst::Bin(BinOp::Add, a, c)))
            }
            (BinOp::And, 0xffff_ffff) if self.width(a) > 32 => {
                Some(To::Inst(Inst::Ext { signed: false, bits: 32, arg: a }))
            }
            (BinOp::And, _) => (c.trailing_ones() >= self.width(a)).then_some(To::Value(a)),
            (BinOp::Mul, _) => log2.map(|n| self.with_const(BinOp::Shl, a, n, loc)),
            (BinOp::Udiv, _) => log2.map(|n| self.with_const(BinOp::Lshr, a, n, loc)),
            (BinOp::Urem, _) => {
                log2.map(|_| self.with_const(BinOp::And, a, c.wrapping_sub(1), loc))
            }
            _ => None,
        }
    }

    fn with_const(&mut self, op: BinOp, a: Value, c: i64, loc: Loc) -> To {
        let c = self.iconst(c, loc);
        To::Inst(Inst::Bin(op, a, c))
    }

    /// An address inside a slot is still an address inside the slot.
    fn add_to_slot(&self, a: Value, c: i64) -> Option<To> {
        let Some(&Inst::SlotAddr(slot, off)) = self.def(a) else { return None };
        let off = u32::try_from(i64::from(off).checked_add(c)?).ok()?;
        (off <= self.slots[slot.0 as usize]).then_some(To::Inst(Inst::SlotAddr(slot, off)))
    }

    fn ext(&mut self, signed: bool, bits: u32, arg: Value) -> Option<To> {
        if let Some(c) = self.constant(arg) {
            let up = c << (64 - bits);
            let c = if signed { up >> (64 - bits) } else { (up as u64 >> (64 - bits)) as i64 };
            return Some(To::Const(c));
        }
        if self.width(arg) + u32::from(signed) <= bits {
            return Some(To::Value(arg));
        }
        match *self.def(arg)? {
            Inst::Load { size, signed: true, .. } if signed && bits >= size.bytes() * 8 => {
                Some(To::Value(arg))
            }
            Inst::Ext { signed: true, bits: inner, .. } if signed && bits >= u32::from(inner) => {
                Some(To::Value(arg))
            }
            Inst::Ext { bits: inner, arg, .. } if bits <= u32::from(inner) => {
                Some(To::Inst(Inst::Ext { signed, bits: bits as u8, arg }))
            }
            _ => None,
        }
    }

    fn icmp(&mut self, cond: Cond, a: Value, b: Value) -> Option<To> {
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => Some(To::Const(i64::from(cond.eval(x, y)))),
            (Some(_), None) => Some(To::Inst(Inst::Icmp(cond.swapped(), b, a))),
            // Comparing a truth value to 0 or 1.
            (None, Some(c)) => match (cond, c, self.def(a)?) {
                (Cond::Ne, 0, Inst::Icmp(..)) | (Cond::Eq, 1, Inst::Icmp(..)) => Some(To::Value(a)),
                (Cond::Eq, 0, Inst::Icmp(inner, x, y)) | (Cond::Ne, 1, Inst::Icmp(inner, x, y)) => {
                    Some(To::Inst(Inst::Icmp(inner.negated()?, *x, *y)))
                }
                _ => None,
            },
            _ if a == b && cond != Cond::Test => Some(To::Const(i64::from(cond.eval(0, 0)))),
            _ => None,
        }
    }

    fn term(&self, term: &Term) -> Option<Term> {
        let Term::Branch { cond, a, b, then, els } = term else { return None };
        let (cond, a, b) = (*cond, *a, *b);
        let branch = |cond, a, b, then: &Edge, els: &Edge| {
            Some(Term::Branch { cond, a, b, then: then.clone(), els: els.clone() })
        };
        if then == els {
            return Some(Term::Jump(then.clone()));
        }
        let c = match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => {
                let edge = if cond.eval(x, y) { then } else { els };
                return Some(Term::Jump(edge.clone()));
            }
            (Some(_), None) => return branch(cond.swapped(), b, a, then, els),
            (None, Some(c)) => c,
            (None, None) if a == b && cond != Cond::Test => {
                let edge = if cond.eval(0, 0) { then } else { els };
                return Some(Term::Jump(edge.clone()));
            }
            _ => return None,
        };
        match (cond, c, self.def(a)?.clone()) {
            (Cond::Ne, 0, Inst::Icmp(inner, x, y)) | (Cond::Eq, 1, Inst::Icmp(inner, x, y)) => {
                branch(inner, x, y, then, els)
            }
            (Cond::Eq, 0, Inst::Icmp(inner, x, y)) | (Cond::Ne, 1, Inst::Icmp(inner, x, y)) => {
                branch(inner, x, y, els, then)
            }
            (Cond::Ne, 0, Inst::Bin(BinOp::And, x, y)) if self.uses[a.0 as usize] == 1 => {
                branch(Cond::Test, x, y, then, els)
            }
            (Cond::Eq, 0, Inst::Bin(BinOp::And, x, y)) if self.uses[a.0 as usize] == 1 => {
                branch(Cond::Test, x, y, els, then)
            }
            _ => None,
        }
    }
}
