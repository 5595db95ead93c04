//! Where a program's scratch memory begins: its part of the scratch map, for this CPU.
//!
//! Programs of the kernel's own hooks run to their end on a CPU before they run there again. Those of user functions may be
//! preempted, and another task may then run the same program on the same CPU, in any order. They have [`REGIONS`] regions for each CPU
//! and claim a free one by an exchange of its first word; they give it back at every end. Without a free one the event is lost, and counted.

use skep_abi::Helper;
use skep_codegen::ir::{
    AtomicOp, BinOp, Block, BlockData, Callee, Cond, Edge, Function, Inst, InstData, Loc, Size,
    Term, Value,
};
use skep_object::MapRef;

use super::Cx;
use super::program::edges;
use crate::plan::globals;

/// The word at the start of a region that says whether it is taken.
pub(super) const TAKEN_BYTES: u32 = 8;
/// Tasks that can be within one program on one CPU at the same time; a power of two.
const REGIONS: i64 = 4;
/// The verifier follows variable offsets no further (`BPF_MAX_VAR_OFF`).
const MAX_SCRATCH: u32 = 1 << 29;

/// A program's part of the scratch map.
#[derive(Clone, Copy)]
struct Part {
    map: MapRef,
    start: u32,
    /// Bytes of a region.
    stride: i64,
    /// A power of two.
    cpus: i64,
}

impl Cx<'_> {
    /// Gives the program its part of the scratch map and replaces the constants that stand for its start.
    pub(super) fn place_scratch(&mut self) {
        let values = std::mem::take(&mut self.p.scratch_values);
        if values.is_empty() {
            return;
        }
        let stride = self.p.scratch.size().next_multiple_of(64);
        let cpus = self.cpus.next_power_of_two();
        let regions = if self.p.claims { cpus.saturating_mul(REGIONS as u32) } else { cpus };
        let start = self.scratch_end;
        let map = self.scratch_map();
        self.scratch_end = start.saturating_add(stride.saturating_mul(regions));
        // A byte after a string may be looked at to see whether the string goes on.
        self.maps[map.0 as usize].value_size = self.scratch_end.saturating_add(8);
        if self.scratch_end > MAX_SCRATCH {
            let message =
                "the script's values need too much memory; a smaller max_strlen would help";
            self.fail(Default::default(), message);
        }
        let part = Part { map, start, stride: stride.into(), cpus: cpus.into() };
        if self.p.claims {
            let (lost, zeroes) = (self.globals_map(), self.zeroes_map(8));
            // Only the entry has such a value: the bodies of loops over maps are handed theirs.
            for (index, value) in values {
                claim(&mut self.p.funcs[index], value, part, lost, zeroes);
            }
            return;
        }
        for (index, value) in values {
            splice(&mut self.p.funcs[index], value, part);
        }
    }
}

/// Makes instructions outside of a builder.
struct Maker<'a> {
    values: &'a mut u32,
    insts: Vec<InstData>,
    loc: Loc,
}

impl Maker<'_> {
    fn fresh(&mut self) -> Value {
        *self.values += 1;
        Value(*self.values - 1)
    }

    fn inst(&mut self, inst: Inst) -> Value {
        let value = self.fresh();
        self.insts.push(InstData { result: Some(value), inst, loc: self.loc });
        value
    }

    fn int(&mut self, n: i64) -> Value {
        self.inst(Inst::Const(n))
    }

    fn bin(&mut self, op: BinOp, a: Value, n: i64) -> Value {
        let n = self.int(n);
        self.inst(Inst::Bin(op, a, n))
    }

    /// This CPU's number, bounded for the verifier.
    fn cpu(&mut self, part: Part) -> Value {
        let smp = Callee::Helper(Helper::GET_SMP_PROCESSOR_ID.raw());
        let cpu = self.inst(Inst::Call(smp, Vec::new()));
        self.bin(BinOp::And, cpu, part.cpus - 1)
    }

    /// The address of a region by its number, as the value that is wanted.
    fn region(&mut self, part: Part, number: Value, value: Value) {
        let off = self.bin(BinOp::Mul, number, part.stride);
        let base = self.inst(Inst::MapValueAddr(part.map, part.start));
        let inst = Inst::Bin(BinOp::Add, base, off);
        self.insts.push(InstData { result: Some(value), inst, loc: self.loc });
    }

    fn end(self, params: Vec<Value>, term: Term) -> BlockData {
        BlockData { params, insts: self.insts, term, term_loc: self.loc }
    }
}

/// Where the constant that defines `value` stands: block and instruction.
fn definition(func: &Function, value: Value) -> Option<(usize, usize)> {
    func.blocks
        .iter()
        .enumerate()
        .find_map(|(b, block)| Some((b, block.insts.iter().position(|i| i.result == Some(value))?)))
}

/// Replaces the constant that defines `value` by the address of the CPU's region.
fn splice(func: &mut Function, value: Value, part: Part) {
    let Some((block, at)) = definition(func, value) else { return };
    let insts = &mut func.blocks[block].insts;
    let mut make = Maker { values: &mut func.values, insts: Vec::new(), loc: insts[at].loc };
    let cpu = make.cpu(part);
    make.region(part, cpu, value);
    let new = make.insts;
    insts.splice(at..=at, new);
}

/// The same with one of several regions, which is given back wherever the function ends from there on.
fn claim(func: &mut Function, value: Value, part: Part, lost: MapRef, zeroes: MapRef) {
    let Some((block, at)) = definition(func, value) else { return };
    let first = func.blocks.len() as u32;
    let (tries, full, join) = (first, first + REGIONS as u32, first + REGIONS as u32 + 1);
    let data = &mut func.blocks[block];
    let loc = data.insts[at].loc;
    let rest = data.insts.split_off(at + 1);
    data.insts.pop();
    let jump = Term::Jump(Edge::to(Block(tries)));
    let (term, term_loc) = (std::mem::replace(&mut data.term, jump), data.term_loc);
    let values = &mut func.values;
    let mut make = Maker { values, insts: std::mem::take(&mut data.insts), loc };
    let cpu = make.cpu(part);
    let cpu = make.bin(BinOp::Mul, cpu, REGIONS);
    let at_first = make.fresh();
    make.region(part, cpu, at_first);
    data.insts = make.insts;
    let mut new = Vec::new();
    for n in 0..REGIONS {
        let mut make = Maker { values: &mut func.values, insts: Vec::new(), loc };
        let ptr = make.bin(BinOp::Add, at_first, n * part.stride);
        let (one, zero, number) = (make.int(1), make.int(0), make.int(n));
        let op = AtomicOp::Xchg;
        let old = make.inst(Inst::Atomic { op, size: Size::DW, ptr, off: 0, val: one });
        let then = Edge { block: Block(join), args: vec![number] };
        let els = Edge::to(Block(tries + n as u32 + 1));
        new.push(make.end(Vec::new(), Term::Branch { cond: Cond::Eq, a: old, b: zero, then, els }));
    }
    let mut make = Maker { values: &mut func.values, insts: Vec::new(), loc };
    let ptr = make.inst(Inst::MapValueAddr(lost, globals::LOST_EVENTS * 8));
    let (one, zero) = (make.int(1), make.int(0));
    let inst = Inst::Atomic { op: AtomicOp::Add, size: Size::DW, ptr, off: 0, val: one };
    make.insts.push(InstData { result: None, inst, loc });
    new.push(make.end(Vec::new(), Term::Ret(zero)));
    debug_assert_eq!(full + 1, join);
    // A zero that the verifier does not know hides which region it is: what follows is looked at once, not once for each.
    let mut make = Maker { values: &mut func.values, insts: Vec::new(), loc };
    let number = make.fresh();
    let ptr = make.inst(Inst::MapValueAddr(zeroes, 0));
    let hidden = make.inst(Inst::Load { size: Size::DW, signed: false, ptr, off: 0 });
    let sum = make.inst(Inst::Bin(BinOp::Add, number, hidden));
    let number_hidden = make.bin(BinOp::And, sum, REGIONS - 1);
    let all = make.inst(Inst::Bin(BinOp::Add, cpu, number_hidden));
    make.region(part, all, value);
    make.insts.extend(rest);
    let mut joined = make.end(vec![number], term);
    joined.term_loc = term_loc;
    new.push(joined);
    func.blocks.extend(new);
    release(func, join as usize, value);
}

/// Frees the region wherever the function ends after `from`.
fn release(func: &mut Function, from: usize, region: Value) {
    let mut reached = vec![false; func.blocks.len()];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut reached[at], true) {
            continue;
        }
        let data = &mut func.blocks[at];
        open.extend(edges(&mut data.term).iter().map(|e| e.block.0 as usize));
        if matches!(data.term, Term::Ret(_)) {
            let zero = Value(func.values);
            func.values += 1;
            let loc = data.term_loc;
            let store = Inst::Store { size: Size::DW, ptr: region, off: 0, val: zero };
            data.insts.push(InstData { result: Some(zero), inst: Inst::Const(0), loc });
            data.insts.push(InstData { result: None, inst: store, loc });
        }
    }
}
