//! From allocated registers to instructions: moves, spills, the frame, jumps and their distances.

use regalloc2::{
    Allocation, Block as RaBlock, Edit, Function as _, Inst as RaInst, InstOrEdit, Output,
};
use skep_isa::{AluOp, Insn, JmpOp, Reg, Size, Src};

use super::machine::{Link, MFunc, Op};
use crate::Error;
use crate::ir::Loc;

/// A function as instructions; calls and addresses of functions and maps are still to be linked.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) insns: Vec<Insn>,
    /// Source of each instruction.
    pub(super) locs: Vec<Loc>,
    /// Instructions to link.
    pub(super) links: Vec<(usize, Link)>,
}

/// Emits a function whose spill slots begin at `frame` below the frame pointer.
pub(super) fn emit(
    name: &str,
    func: &MFunc,
    regs: &Output,
    frame: u32,
    long_jumps: bool,
) -> Result<Code, Error> {
    let emitter = Emitter { func, regs, frame: frame as i32 };
    let mut blocks: Vec<Body> = (0..func.blocks.len()).map(|b| emitter.body(b)).collect();
    return_early(&mut blocks);
    assemble(name, &blocks, long_jumps)
}

/// How a block ends, with places of blocks as targets.
#[derive(Clone, Copy, Debug)]
enum End {
    Jump(usize),
    If { insn: Insn, negated: Option<Insn>, then: usize, els: usize },
    Ret,
}

/// A block without its end.
#[derive(Debug)]
struct Body {
    code: Code,
    end: End,
    end_loc: Loc,
}

struct Emitter<'a> {
    func: &'a MFunc,
    regs: &'a Output,
    frame: i32,
}

impl Emitter<'_> {
    fn body(&self, b: usize) -> Body {
        let mut code = Code::default();
        let block = RaBlock::new(b);
        let last = self.func.block_insns(block).last();
        for item in self.regs.block_insts_and_edits(self.func, block) {
            match item {
                InstOrEdit::Edit(Edit::Move { from, to }) => {
                    let at = code.locs.last().copied().unwrap_or(self.func.insts[last.index()].loc);
                    code.push(self.transfer(*from, *to), at);
                }
                InstOrEdit::Inst(i) => self.inst(i, &mut code),
            }
        }
        let end_loc = self.func.insts[last.index()].loc;
        Body { code, end: self.end(b, last), end_loc }
    }

    /// A move between registers and the frame; the allocator never asks for one from the frame to the frame.
    fn transfer(&self, from: Allocation, to: Allocation) -> Option<Insn> {
        match (from.as_reg(), to.as_reg()) {
            (Some(a), Some(b)) => (a != b).then(|| Insn::mov64(reg(b), Src::Reg(reg(a)))),
            (Some(a), None) => Some(Insn::stx(Size::DW, Reg::FP, self.spill(to)?, reg(a))),
            (None, Some(b)) => Some(Insn::ldx(Size::DW, reg(b), Reg::FP, self.spill(from)?)),
            (None, None) => None,
        }
    }

    fn spill(&self, at: Allocation) -> Option<i16> {
        let slot = i32::try_from(at.as_stack()?.index()).ok()?;
        i16::try_from(-(self.frame + 8 * (slot + 1))).ok()
    }

    /// The register of an operand: all are constrained to registers.
    fn operand(&self, i: RaInst, n: u8) -> Reg {
        let alloc = self.regs.inst_allocs(i).get(usize::from(n));
        alloc.and_then(|a| a.as_reg()).map_or(Reg::R0, reg)
    }

    fn inst(&self, i: RaInst, code: &mut Code) {
        let inst = &self.func.insts[i.index()];
        let loc = inst.loc;
        match &inst.op {
            Op::Args | Op::Jump | Op::Branch { .. } | Op::MayGoto | Op::Ret => {}
            Op::One { insn, dst, src } => {
                let mut insn = *insn;
                if let Some(n) = dst {
                    insn.dst = self.operand(i, *n).index();
                }
                if let Some(n) = src {
                    insn.src = self.operand(i, *n).index();
                }
                code.push(Some(insn), loc);
            }
            Op::Wide { src, imm, link } => {
                code.link(link);
                for half in Insn::ld_imm64(self.operand(i, 0), *src, *imm) {
                    code.push(Some(half), loc);
                }
            }
            Op::Frame { off } => {
                let dst = self.operand(i, 0);
                code.push(Some(Insn::mov64(dst, Src::Reg(Reg::FP))), loc);
                code.push(Some(Insn::alu64(AluOp::Add, dst, Src::Imm(*off))), loc);
            }
            Op::Set { op, imm } => {
                let dst = self.operand(i, 0);
                let right = imm.map_or_else(|| Src::Reg(self.operand(i, 2)), Src::Imm);
                code.push(Some(Insn::mov64(dst, Src::Imm(1))), loc);
                code.push(Some(Insn::jmp64(*op, self.operand(i, 1), right, 1)), loc);
                code.push(Some(Insn::mov64(dst, Src::Imm(0))), loc);
            }
            Op::Call { insn, link } => {
                code.link(link);
                code.push(Some(*insn), loc);
            }
        }
    }

    fn end(&self, b: usize, last: RaInst) -> End {
        let succ = |i: usize| self.func.blocks[b].succs[i].index();
        match self.func.insts[last.index()].op {
            Op::Jump => End::Jump(succ(0)),
            Op::MayGoto => {
                // It jumps when the budget is used up.
                End::If { insn: Insn::may_goto(0), negated: None, then: succ(1), els: succ(0) }
            }
            Op::Branch { op, imm } => {
                let right = imm.map_or_else(|| Src::Reg(self.operand(last, 1)), Src::Imm);
                let make = |op| Insn::jmp64(op, self.operand(last, 0), right, 0);
                End::If {
                    insn: make(op),
                    negated: negated(op).map(make),
                    then: succ(0),
                    els: succ(1),
                }
            }
            _ => End::Ret,
        }
    }
}

impl Code {
    fn push(&mut self, insn: Option<Insn>, loc: Loc) {
        if let Some(insn) = insn {
            self.insns.push(insn);
            self.locs.push(loc);
        }
    }

    fn link(&mut self, link: &Option<Link>) {
        if let Some(link) = link {
            self.links.push((self.insns.len(), link.clone()));
        }
    }
}

fn reg(r: regalloc2::PReg) -> Reg {
    Reg::new(r.hw_enc() as u8).unwrap_or(Reg::R0)
}

fn negated(op: JmpOp) -> Option<JmpOp> {
    Some(match op {
        JmpOp::Eq => JmpOp::Ne,
        JmpOp::Ne => JmpOp::Eq,
        JmpOp::Gt => JmpOp::Le,
        JmpOp::Ge => JmpOp::Lt,
        JmpOp::Lt => JmpOp::Ge,
        JmpOp::Le => JmpOp::Gt,
        JmpOp::Sgt => JmpOp::Sle,
        JmpOp::Sge => JmpOp::Slt,
        JmpOp::Slt => JmpOp::Sge,
        JmpOp::Sle => JmpOp::Sgt,
        JmpOp::Set => return None,
    })
}

/// A jump to `exit`, or to one instruction and `exit`, is replaced by these.
fn return_early(blocks: &mut [Body]) {
    for b in 0..blocks.len() {
        let End::Jump(to) = blocks[b].end else { continue };
        let target = &blocks[to];
        if matches!(target.end, End::Ret)
            && target.code.insns.len() <= 1
            && target.code.links.is_empty()
        {
            let (insns, locs, loc) =
                (target.code.insns.clone(), target.code.locs.clone(), target.end_loc);
            let block = &mut blocks[b];
            block.code.insns.extend(insns);
            block.code.locs.extend(locs);
            (block.end, block.end_loc) = (End::Ret, loc);
        }
    }
}

/// A jump of a block's end: an instruction and where it leads.
#[derive(Clone, Copy, Debug)]
struct Hop {
    insn: Insn,
    to: usize,
    /// Too far for 16 bits.
    long: bool,
}

impl Hop {
    fn is_plain(&self) -> bool {
        self.insn.code == Insn::ja(0).code
    }

    fn len(&self) -> usize {
        if self.long && !self.is_plain() { 3 } else { 1 }
    }
}

/// Puts the blocks one after the other, drops empty ones and computes distances.
fn assemble(name: &str, blocks: &[Body], long_jumps: bool) -> Result<Code, Error> {
    let real: Vec<usize> = (0..blocks.len()).map(|b| resolve(blocks, b)).collect();
    // The entry stays first even if it is empty; another block stays if something leads to it.
    let mut used = vec![false; blocks.len()];
    used[0] = true;
    for body in blocks {
        targets(&body.end).for_each(|t| used[real[t]] = true);
    }
    let kept: Vec<usize> =
        (0..blocks.len()).filter(|&b| used[b] && (b == 0 || real[b] == b)).collect();
    let mut ends: Vec<Vec<Hop>> = kept
        .iter()
        .enumerate()
        .map(|(i, &b)| hops(&blocks[b].end, &real, kept.get(i + 1).copied()))
        .collect();
    let starts = loop {
        let starts = place(blocks, &kept, &ends);
        if !lengthen(blocks, &kept, &mut ends, &starts) {
            break starts;
        }
        if !long_jumps {
            let what =
                "32-bit jumps (instruction set v4, Linux 6.6), which a function of this size needs";
            return Err(Error::Unsupported { func: name.to_owned(), what: what.to_owned() });
        }
    };
    Ok(write(blocks, &kept, &ends, &starts))
}

/// Where control really goes when it goes to a block: past empty ones.
fn resolve(blocks: &[Body], mut b: usize) -> usize {
    for _ in 0..blocks.len() {
        match blocks[b].end {
            End::Jump(to) if blocks[b].code.insns.is_empty() && to != b => b = to,
            _ => break,
        }
    }
    b
}

fn targets(end: &End) -> impl Iterator<Item = usize> {
    let (a, b) = match *end {
        End::Jump(to) => (Some(to), None),
        End::If { then, els, .. } => (Some(then), Some(els)),
        End::Ret => (None, None),
    };
    a.into_iter().chain(b)
}

/// The jumps that a block's end needs, given the block that follows.
fn hops(end: &End, real: &[usize], next: Option<usize>) -> Vec<Hop> {
    let hop = |insn, to| Hop { insn, to, long: false };
    let jump = |to| if next == Some(to) { vec![] } else { vec![hop(Insn::ja(0), to)] };
    match *end {
        End::Ret => vec![],
        End::Jump(to) => jump(real[to]),
        End::If { insn, negated, then, els } => {
            let (then, els) = (real[then], real[els]);
            match negated {
                _ if then == els && insn.code != Insn::may_goto(0).code => jump(then),
                Some(negated) if next == Some(then) => vec![hop(negated, els)],
                _ => [vec![hop(insn, then)], jump(els)].concat(),
            }
        }
    }
}

/// Where each kept block starts, by its number; past the last one is the end of the function.
fn place(blocks: &[Body], kept: &[usize], ends: &[Vec<Hop>]) -> Vec<usize> {
    let mut starts = vec![0; blocks.len()];
    let mut at = 0;
    for (&b, hops) in kept.iter().zip(ends) {
        starts[b] = at;
        at += end_offset(&blocks[b]) + hops.iter().map(Hop::len).sum::<usize>();
        at += usize::from(matches!(blocks[b].end, End::Ret));
    }
    starts
}

fn end_offset(body: &Body) -> usize {
    body.code.insns.len()
}

fn distance(from: usize, to: usize) -> i64 {
    to as i64 - from as i64 - 1
}

/// Marks jumps that do not reach; true if there are new ones.
fn lengthen(blocks: &[Body], kept: &[usize], ends: &mut [Vec<Hop>], starts: &[usize]) -> bool {
    let mut changed = false;
    for (&b, hops) in kept.iter().zip(ends) {
        let mut at = starts[b] + end_offset(&blocks[b]);
        for hop in hops {
            if !hop.long && i16::try_from(distance(at, starts[hop.to])).is_err() {
                hop.long = true;
                changed = true;
            }
            at += hop.len();
        }
    }
    changed
}

fn write(blocks: &[Body], kept: &[usize], ends: &[Vec<Hop>], starts: &[usize]) -> Code {
    let mut out = Code::default();
    for (&b, hops) in kept.iter().zip(ends) {
        let body = &blocks[b];
        let base = out.insns.len();
        out.insns.extend(&body.code.insns);
        out.locs.extend(&body.code.locs);
        out.links.extend(body.code.links.iter().map(|(i, l)| (base + i, l.clone())));
        for hop in hops {
            write_hop(&mut out, hop, starts[hop.to], body.end_loc);
        }
        if matches!(body.end, End::Ret) {
            out.push(Some(Insn::exit()), body.end_loc);
        }
    }
    out
}

fn write_hop(out: &mut Code, hop: &Hop, to: usize, loc: Loc) {
    let near = |at: usize| distance(at, to) as i16;
    let far = |at: usize| Insn::jal(distance(at, to) as i32);
    let at = out.insns.len();
    match (hop.long, hop.is_plain()) {
        (false, _) => out.push(Some(Insn { off: near(at), ..hop.insn }), loc),
        (true, true) => out.push(Some(far(at)), loc),
        (true, false) => {
            // Jump to the long jump behind the one that skips it.
            out.push(Some(Insn { off: 1, ..hop.insn }), loc);
            out.push(Some(Insn::ja(1)), loc);
            out.push(Some(far(at + 2)), loc);
        }
    }
}
