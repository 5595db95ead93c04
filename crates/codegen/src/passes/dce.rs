//! Removes operations and parameters that nothing needs, and the wish for results that nobody reads.

use super::params;
use crate::ir::{AtomicOp, Block, Function, Inst, Value};

/// Removes them; true if there were any.
pub(super) fn run(func: &mut Function) -> bool {
    let live = live_values(func);
    let is_live = |v: Value| live[v.0 as usize];
    let mut changed = false;
    for b in 1..func.blocks.len() {
        for i in (0..func.blocks[b].params.len()).rev() {
            if !is_live(func.blocks[b].params[i]) {
                params::remove(func, Block(b as u32), i);
                changed = true;
            }
        }
    }
    for block in &mut func.blocks {
        let before = block.insts.len();
        block.insts.retain(|d| !d.inst.is_removable() || d.result.is_some_and(is_live));
        changed |= block.insts.len() != before;
        for data in &mut block.insts {
            if data.result.is_some_and(|v| !is_live(v)) {
                data.result = None;
                changed = true;
            }
            if let (None, Inst::Atomic { op, .. }) = (data.result, &mut data.inst) {
                changed |= forget_old_value(op);
            }
        }
    }
    changed
}

/// The kind that does not fetch, where there is one: the kernel compiles it to one locked instruction.
fn forget_old_value(op: &mut AtomicOp) -> bool {
    *op = match op {
        AtomicOp::FetchAdd => AtomicOp::Add,
        AtomicOp::FetchOr => AtomicOp::Or,
        AtomicOp::FetchAnd => AtomicOp::And,
        AtomicOp::FetchXor => AtomicOp::Xor,
        _ => return false,
    };
    true
}

/// Values that an effect or the way of control depends on.
fn live_values(func: &Function) -> Vec<bool> {
    let mut live = vec![false; func.values as usize];
    let mut work = Vec::new();
    for block in &func.blocks {
        for data in block.insts.iter().filter(|d| !d.inst.is_removable()) {
            data.inst.for_each_arg(|v| work.push(v));
        }
        block.term.for_each_own_arg(|v| work.push(v));
    }
    let sources = sources(func);
    while let Some(v) = work.pop() {
        if !std::mem::replace(&mut live[v.0 as usize], true) {
            work.extend(&sources[v.0 as usize]);
        }
    }
    live
}

/// What each value is made of: the operands of its operation, or the arguments for the parameter.
fn sources(func: &Function) -> Vec<Vec<Value>> {
    let mut sources = vec![Vec::new(); func.values as usize];
    for block in &func.blocks {
        for data in &block.insts {
            if let Some(v) = data.result {
                data.inst.for_each_arg(|a| sources[v.0 as usize].push(a));
            }
        }
        for e in block.term.edges() {
            for (p, a) in func.block(e.block).params.iter().zip(&e.args) {
                sources[p.0 as usize].push(*a);
            }
        }
    }
    sources
}
