//! Instructions before registers are known: what the selector makes, the allocator reads and the emitter prints.

use std::ops::Range;

use regalloc2::{
    Block as RaBlock, Function as RaFunction, Inst as RaInst, InstRange, MachineEnv, Operand,
    OperandKind, PReg, PRegSet, RegClass, VReg,
};
use skep_isa::op::{BPF_ALU, BPF_ALU64};
use skep_isa::{Insn, JmpOp};
use skep_object::RelocTarget;

use crate::ir::{FuncRef, Loc};

/// What only the linker knows about an instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// Something of the object.
    Object(RelocTarget),
    /// The distance to a function of the program, in `imm`.
    Func(FuncRef),
}

/// An operation whose operands are virtual registers.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Defines the parameters; no instruction.
    Args,
    /// One instruction; the numbers are places in the operand list for its `dst` and `src`, `None` leaves the field.
    One { insn: Insn, dst: Option<u8>, src: Option<u8> },
    /// A 64-bit immediate load into operand 0.
    Wide { src: u8, imm: u64, link: Option<Link> },
    /// Operand 0 = frame pointer + a constant.
    Frame { off: i32 },
    /// Operand 0 = whether the comparison of operand 1 with operand 2, or an immediate, holds.
    Set { op: JmpOp, imm: Option<i32> },
    /// A call; its operands are where the calling convention wants them.
    Call { insn: Insn, link: Option<Link> },
    /// End of a block: to the only successor.
    Jump,
    /// End of a block: to successor 0 if operand 0 compares so with operand 1, or an immediate; else to successor 1.
    Branch { op: JmpOp, imm: Option<i32> },
    /// End of a block: to successor 0 while the budget lasts; else to successor 1.
    MayGoto,
    /// End of a block: `exit`.
    Ret,
}

/// An operation with its operands.
#[derive(Clone, Debug)]
pub(super) struct MInst {
    pub(super) op: Op,
    pub(super) operands: Range<usize>,
    pub(super) clobbers: PRegSet,
    pub(super) loc: Loc,
}

/// A block; successors and predecessors are places in the block list.
#[derive(Clone, Debug, Default)]
pub(super) struct MBlock {
    pub(super) insts: Range<usize>,
    pub(super) params: Vec<VReg>,
    pub(super) succs: Vec<RaBlock>,
    pub(super) preds: Vec<RaBlock>,
    /// Arguments for each successor.
    pub(super) args: Vec<Vec<VReg>>,
}

/// A function, its blocks in the order of emission.
#[derive(Clone, Debug, Default)]
pub(super) struct MFunc {
    pub(super) blocks: Vec<MBlock>,
    pub(super) insts: Vec<MInst>,
    pub(super) operands: Vec<Operand>,
    pub(super) vregs: usize,
}

impl MFunc {
    /// Removes what only defines registers that nobody reads: sums that were folded into offsets.
    pub(super) fn remove_dead(&mut self) {
        let mut reads = vec![0u32; self.vregs];
        let uses = self.operands.iter().filter(|o| o.kind() == OperandKind::Use).map(|o| o.vreg());
        let args = self.blocks.iter().flat_map(|b| b.args.iter().flatten().copied());
        uses.chain(args).for_each(|v| reads[v.vreg()] += 1);
        let mut dead = vec![false; self.insts.len()];
        for (i, inst) in self.insts.iter().enumerate().rev() {
            let operands = &self.operands[inst.operands.clone()];
            let unread = |o: &&Operand| o.kind() == OperandKind::Def && reads[o.vreg().vreg()] == 0;
            dead[i] = inst.op.is_pure() && operands.iter().any(|o| unread(&o));
            if dead[i] {
                let uses = operands.iter().filter(|o| o.kind() == OperandKind::Use);
                uses.for_each(|o| reads[o.vreg().vreg()] -= 1);
            }
        }
        self.compact(&dead);
    }

    fn compact(&mut self, dead: &[bool]) {
        let mut kept = 0;
        for block in &mut self.blocks {
            let live = block.insts.clone().filter(|&i| !dead[i]).count();
            block.insts = kept..kept + live;
            kept += live;
        }
        let mut i = 0;
        self.insts.retain(|_| {
            i += 1;
            !dead[i - 1]
        });
    }
}

impl Op {
    /// Whether all it does is to define its result. Not loads, which the passes judged already.
    fn is_pure(&self) -> bool {
        match self {
            Op::One { insn, .. } => matches!(insn.class(), BPF_ALU | BPF_ALU64),
            Op::Wide { .. } | Op::Frame { .. } | Op::Set { .. } => true,
            _ => false,
        }
    }
}

/// General register `n`.
pub(super) fn preg(n: usize) -> PReg {
    PReg::new(n, RegClass::Int)
}

/// A virtual register.
pub(super) fn vreg(n: usize) -> VReg {
    VReg::new(n, RegClass::Int)
}

/// `r0` to `r9`. Those that calls preserve come second: each one used costs a push and a pop in the JIT's prologue. No
/// register is set aside for moves: the allocator finds one.
pub(super) fn machine_env() -> MachineEnv {
    let set = |r: Range<usize>| [r.map(preg).collect(), PRegSet::empty(), PRegSet::empty()];
    MachineEnv {
        preferred_regs_by_class: set(0..6),
        non_preferred_regs_by_class: set(6..10),
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

impl RaFunction for MFunc {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    fn entry_block(&self) -> RaBlock {
        RaBlock::new(0)
    }

    fn block_insns(&self, block: RaBlock) -> InstRange {
        let range = &self.blocks[block.index()].insts;
        InstRange::new(RaInst::new(range.start), RaInst::new(range.end))
    }

    fn block_succs(&self, block: RaBlock) -> &[RaBlock] {
        &self.blocks[block.index()].succs
    }

    fn block_preds(&self, block: RaBlock) -> &[RaBlock] {
        &self.blocks[block.index()].preds
    }

    fn block_params(&self, block: RaBlock) -> &[VReg] {
        &self.blocks[block.index()].params
    }

    fn is_ret(&self, insn: RaInst) -> bool {
        matches!(self.insts[insn.index()].op, Op::Ret)
    }

    fn is_branch(&self, insn: RaInst) -> bool {
        matches!(self.insts[insn.index()].op, Op::Jump | Op::Branch { .. } | Op::MayGoto)
    }

    fn branch_blockparams(&self, block: RaBlock, _insn: RaInst, succ_idx: usize) -> &[VReg] {
        &self.blocks[block.index()].args[succ_idx]
    }

    fn inst_operands(&self, insn: RaInst) -> &[Operand] {
        &self.operands[self.insts[insn.index()].operands.clone()]
    }

    fn inst_clobbers(&self, insn: RaInst) -> PRegSet {
        self.insts[insn.index()].clobbers
    }

    fn num_vregs(&self) -> usize {
        self.vregs
    }

    fn spillslot_size(&self, _regclass: RegClass) -> usize {
        1
    }
}
