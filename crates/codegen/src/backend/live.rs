//! Which values live across a call, and so need a register that calls preserve.
//!
//! The allocator would find out by itself, but a value that begins in `r0` or ends in `r1` and crosses a call between
//! makes it split the value's range into pieces with a move at each use. Knowing beforehand, the selector copies once.

use crate::ir::{BlockData, Function, Inst, Value};

/// For each value, whether some call happens while it is alive.
pub(super) fn across_calls(func: &Function) -> Vec<bool> {
    let mut live_in = vec![Set::new(func.values); func.blocks.len()];
    let mut crossing = vec![false; func.values as usize];
    loop {
        let mut changed = false;
        for b in (0..func.blocks.len()).rev() {
            let block = &func.blocks[b];
            let mut live = Set::new(func.values);
            for e in block.term.edges() {
                live.add_all(&live_in[e.block.0 as usize]);
            }
            scan(block, &mut live, &mut crossing);
            changed |= live_in[b].add_all(&live);
        }
        if !changed {
            return crossing;
        }
    }
}

/// From the end of a block to its begin; `live` holds what the successors need.
fn scan(block: &BlockData, live: &mut Set, crossing: &mut [bool]) {
    block.term.for_each_arg(|v| live.add(v));
    for data in block.insts.iter().rev() {
        if let Some(v) = data.result {
            live.remove(v);
        }
        if matches!(data.inst, Inst::Call(..)) {
            live.for_each(|v| crossing[v] = true);
        }
        data.inst.for_each_arg(|v| live.add(v));
    }
    block.params.iter().for_each(|&p| live.remove(p));
}

/// A set of values.
#[derive(Clone)]
struct Set(Vec<u64>);

impl Set {
    fn new(values: u32) -> Set {
        Set(vec![0; (values as usize).div_ceil(64)])
    }

    fn add(&mut self, v: Value) {
        self.0[v.0 as usize / 64] |= 1 << (v.0 % 64);
    }

    fn remove(&mut self, v: Value) {
        self.0[v.0 as usize / 64] &= !(1 << (v.0 % 64));
    }

    /// True if there was something new.
    fn add_all(&mut self, other: &Set) -> bool {
        let mut changed = false;
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            changed |= *b & !*a != 0;
            *a |= b;
        }
        changed
    }

    fn for_each(&self, mut f: impl FnMut(usize)) {
        for (i, &word) in self.0.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                f(i * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }
}
