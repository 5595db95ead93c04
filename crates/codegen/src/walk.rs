//! Looking at and changing the operands of instructions and terminators, and questions about them.

use crate::ir::{BinOp, Block, BlockData, Callee, Cond, Edge, Function, Inst, Term, Value};

impl Inst {
    /// Calls `f` with each operand.
    pub fn for_each_arg(&self, mut f: impl FnMut(Value)) {
        match self {
            Inst::Const(_)
            | Inst::MapAddr(_)
            | Inst::MapValueAddr(..)
            | Inst::FuncAddr(_)
            | Inst::SlotAddr(..) => {}
            Inst::Bin(_, a, b) | Inst::Icmp(_, a, b) => {
                f(*a);
                f(*b);
            }
            Inst::Neg(a) | Inst::Ext { arg: a, .. } | Inst::Bswap { arg: a, .. } => f(*a),
            Inst::Load { ptr, .. } => f(*ptr),
            Inst::Store { ptr, val, .. } | Inst::Atomic { ptr, val, .. } => {
                f(*ptr);
                f(*val);
            }
            Inst::Call(_, args) => args.iter().for_each(|&a| f(a)),
        }
    }

    /// Replaces each operand by what `f` gives for it.
    pub fn map_args(&mut self, mut f: impl FnMut(Value) -> Value) {
        match self {
            Inst::Const(_)
            | Inst::MapAddr(_)
            | Inst::MapValueAddr(..)
            | Inst::FuncAddr(_)
            | Inst::SlotAddr(..) => {}
            Inst::Bin(_, a, b) | Inst::Icmp(_, a, b) => {
                *a = f(*a);
                *b = f(*b);
            }
            Inst::Neg(a) | Inst::Ext { arg: a, .. } | Inst::Bswap { arg: a, .. } => *a = f(*a),
            Inst::Load { ptr, .. } => *ptr = f(*ptr),
            Inst::Store { ptr, val, .. } | Inst::Atomic { ptr, val, .. } => {
                *ptr = f(*ptr);
                *val = f(*val);
            }
            Inst::Call(_, args) => args.iter_mut().for_each(|a| *a = f(*a)),
        }
    }

    /// Whether the value can be made again anywhere, from nothing: constants and addresses known at load time.
    pub fn is_material(&self) -> bool {
        matches!(
            self,
            Inst::Const(_)
                | Inst::MapAddr(_)
                | Inst::MapValueAddr(..)
                | Inst::FuncAddr(_)
                | Inst::SlotAddr(..)
        )
    }

    /// Whether two such operations with the same operands give the same value wherever they stand in one run.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Inst::Bin(..)
            | Inst::Neg(_)
            | Inst::Ext { .. }
            | Inst::Bswap { .. }
            | Inst::Icmp(..) => true,
            Inst::Call(Callee::Helper(n), _) => crate::helpers::is_constant(*n),
            _ => self.is_material(),
        }
    }

    /// Whether the operation can go when nobody wants its result.
    pub fn is_removable(&self) -> bool {
        match self {
            Inst::Load { .. } => true,
            Inst::Call(Callee::Helper(n), _) => crate::helpers::is_readonly(*n),
            _ => self.is_repeatable(),
        }
    }
}

impl BinOp {
    /// Whether the operands may change places.
    pub fn is_commutative(self) -> bool {
        matches!(self, BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor)
    }

    /// The result for two constants; shifts count modulo 64.
    pub fn eval(self, a: i64, b: i64) -> i64 {
        let (ua, ub) = (a as u64, b as u64);
        match self {
            BinOp::Add => a.wrapping_add(b),
            BinOp::Sub => a.wrapping_sub(b),
            BinOp::Mul => a.wrapping_mul(b),
            BinOp::Udiv => ua.checked_div(ub).unwrap_or(0) as i64,
            BinOp::Sdiv if b == 0 => 0,
            BinOp::Sdiv => a.wrapping_div(b),
            BinOp::Urem => ua.checked_rem(ub).unwrap_or(ua) as i64,
            BinOp::Srem if b == 0 => a,
            BinOp::Srem => a.wrapping_rem(b),
            BinOp::And => a & b,
            BinOp::Or => a | b,
            BinOp::Xor => a ^ b,
            BinOp::Shl => a.wrapping_shl(b as u32),
            BinOp::Lshr => ua.wrapping_shr(b as u32) as i64,
            BinOp::Ashr => a.wrapping_shr(b as u32),
        }
    }
}

impl Cond {
    /// Whether it holds for two constants.
    pub fn eval(self, a: i64, b: i64) -> bool {
        let (ua, ub) = (a as u64, b as u64);
        match self {
            Cond::Eq => a == b,
            Cond::Ne => a != b,
            Cond::Ult => ua < ub,
            Cond::Ule => ua <= ub,
            Cond::Ugt => ua > ub,
            Cond::Uge => ua >= ub,
            Cond::Slt => a < b,
            Cond::Sle => a <= b,
            Cond::Sgt => a > b,
            Cond::Sge => a >= b,
            Cond::Test => a & b != 0,
        }
    }

    /// The condition that holds exactly when this one does not, if there is one.
    pub fn negated(self) -> Option<Cond> {
        Some(match self {
            Cond::Eq => Cond::Ne,
            Cond::Ne => Cond::Eq,
            Cond::Ult => Cond::Uge,
            Cond::Ule => Cond::Ugt,
            Cond::Ugt => Cond::Ule,
            Cond::Uge => Cond::Ult,
            Cond::Slt => Cond::Sge,
            Cond::Sle => Cond::Sgt,
            Cond::Sgt => Cond::Sle,
            Cond::Sge => Cond::Slt,
            Cond::Test => return None,
        })
    }

    /// The same condition with the operands exchanged.
    pub fn swapped(self) -> Cond {
        match self {
            Cond::Eq | Cond::Ne | Cond::Test => self,
            Cond::Ult => Cond::Ugt,
            Cond::Ule => Cond::Uge,
            Cond::Ugt => Cond::Ult,
            Cond::Uge => Cond::Ule,
            Cond::Slt => Cond::Sgt,
            Cond::Sle => Cond::Sge,
            Cond::Sgt => Cond::Slt,
            Cond::Sge => Cond::Sle,
        }
    }
}

impl Term {
    /// The edges, at most two.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        let (a, b) = match self {
            Term::None | Term::Ret(_) => (None, None),
            Term::Jump(e) => (Some(e), None),
            Term::Branch { then, els, .. } => (Some(then), Some(els)),
            Term::MayGoto { body, exit } => (Some(body), Some(exit)),
        };
        a.into_iter().chain(b)
    }

    /// The edges, to be changed.
    pub fn edges_mut(&mut self) -> impl Iterator<Item = &mut Edge> {
        let (a, b) = match self {
            Term::None | Term::Ret(_) => (None, None),
            Term::Jump(e) => (Some(e), None),
            Term::Branch { then, els, .. } => (Some(then), Some(els)),
            Term::MayGoto { body, exit } => (Some(body), Some(exit)),
        };
        a.into_iter().chain(b)
    }

    /// Calls `f` with each operand that is not an argument of an edge.
    pub fn for_each_own_arg(&self, mut f: impl FnMut(Value)) {
        match self {
            Term::Branch { a, b, .. } => {
                f(*a);
                f(*b);
            }
            Term::Ret(v) => f(*v),
            Term::None | Term::Jump(_) | Term::MayGoto { .. } => {}
        }
    }

    /// Calls `f` with each operand, those of the edges too.
    pub fn for_each_arg(&self, mut f: impl FnMut(Value)) {
        self.for_each_own_arg(&mut f);
        self.edges().for_each(|e| e.args.iter().for_each(|&a| f(a)));
    }

    /// Replaces each operand, those of the edges too.
    pub fn map_args(&mut self, mut f: impl FnMut(Value) -> Value) {
        match self {
            Term::Branch { a, b, .. } => {
                *a = f(*a);
                *b = f(*b);
            }
            Term::Ret(v) => *v = f(*v),
            Term::None | Term::Jump(_) | Term::MayGoto { .. } => {}
        }
        self.edges_mut().for_each(|e| e.args.iter_mut().for_each(|a| *a = f(*a)));
    }
}

impl Function {
    /// The block behind its number, which must be in range.
    pub(crate) fn block(&self, b: Block) -> &BlockData {
        &self.blocks[b.0 as usize]
    }

    /// See [`Function::block`].
    pub(crate) fn block_mut(&mut self, b: Block) -> &mut BlockData {
        &mut self.blocks[b.0 as usize]
    }

    /// A value that nothing defines yet.
    pub(crate) fn fresh(&mut self) -> Value {
        self.values += 1;
        Value(self.values - 1)
    }

    /// How often each value is used.
    pub(crate) fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.values as usize];
        for block in &self.blocks {
            let mut count = |v: Value| counts[v.0 as usize] += 1;
            block.insts.iter().for_each(|i| i.inst.for_each_arg(&mut count));
            block.term.for_each_arg(&mut count);
        }
        counts
    }

    /// Which operation defines each value; `None` for parameters.
    pub(crate) fn definitions(&self) -> Vec<Option<Inst>> {
        let mut defs = vec![None; self.values as usize];
        for data in self.blocks.iter().flat_map(|b| &b.insts) {
            if let Some(v) = data.result {
                defs[v.0 as usize] = Some(data.inst.clone());
            }
        }
        defs
    }

    /// Replaces each operand in the whole function.
    pub(crate) fn map_all_args(&mut self, f: impl Fn(Value) -> Value) {
        for block in &mut self.blocks {
            block.insts.iter_mut().for_each(|i| i.inst.map_args(&f));
            block.term.map_args(&f);
        }
    }
}
