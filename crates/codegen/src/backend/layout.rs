//! The order of the blocks, and the split of critical edges.
//!
//! Reverse postorder in which a loop's blocks stay together; what is entered only when a pointer turns out to be null goes
//! to the end, so that the usual way through a program falls from block to block.

use crate::cfg::{Cfg, reverse_postorder};
use crate::helpers;
use crate::ir::{Block, BlockData, Callee, Cond, Edge, Function, Inst, Term};

/// Puts a block on every edge from a block with several successors to one with several predecessors, so that the moves
/// of each edge have a place of their own.
pub(super) fn split_critical_edges(func: &mut Function) {
    let cfg = Cfg::new(func);
    let mut new = Vec::new();
    let count = func.blocks.len();
    for block in &mut func.blocks {
        let loc = block.term_loc;
        if matches!(block.term, Term::Jump(_)) {
            continue;
        }
        for e in block.term.edges_mut() {
            if cfg.preds[e.block.0 as usize].len() > 1 {
                let split = Block((count + new.len()) as u32);
                let edge = std::mem::replace(e, Edge::to(split));
                new.push(BlockData {
                    params: Vec::new(),
                    insts: Vec::new(),
                    term: Term::Jump(edge),
                    term_loc: loc,
                });
            }
        }
    }
    func.blocks.append(&mut new);
}

/// The reachable blocks in the order in which they are emitted, the entry first.
pub(super) fn order(func: &Function) -> Vec<Block> {
    let cfg = Cfg::new(func);
    let depth = cfg.loop_depths(func);
    let cold = cold_blocks(func, &cfg);
    // What is visited last comes right after its predecessor: the inner loop, and otherwise the first successor.
    let rpo = reverse_postorder(func, |b| {
        let term = &func.block(b).term;
        let mut succs: Vec<Block> = term.edges().map(|e| e.block).collect();
        // A test of bits cannot be negated: what follows must be its else.
        if !matches!(term, Term::Branch { cond: Cond::Test, .. }) {
            succs.reverse();
        }
        succs.sort_by_key(|s| depth[s.0 as usize]);
        succs
    });
    let (away, main): (Vec<Block>, Vec<Block>) = rpo.into_iter().partition(|b| cold[b.0 as usize]);
    main.into_iter().chain(away).collect()
}

/// Blocks that run only after a helper gave null against expectation.
fn cold_blocks(func: &Function, cfg: &Cfg) -> Vec<bool> {
    let defs = func.definitions();
    let is = |v: crate::ir::Value, f: fn(&Inst) -> bool| defs[v.0 as usize].as_ref().is_some_and(f);
    let heads = cfg.rpo.iter().filter_map(|&b| match &func.block(b).term {
        Term::Branch { cond, a, b, then, els }
            if is(
                *a,
                |i| matches!(i, Inst::Call(Callee::Helper(h), _) if helpers::is_seldom_null(*h)),
            ) && is(*b, |i| matches!(i, Inst::Const(0))) =>
        {
            match cond {
                Cond::Eq => Some(then.block),
                Cond::Ne => Some(els.block),
                _ => None,
            }
        }
        _ => None,
    });
    let mut cold = vec![false; func.blocks.len()];
    for head in heads.filter(|h| cfg.preds[h.0 as usize].len() == 1) {
        for &b in cfg.rpo.iter().filter(|&&b| cfg.dominates(head, b)) {
            cold[b.0 as usize] = true;
        }
    }
    cold
}
