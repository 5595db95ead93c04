//! Makes the graph smaller: blocks nobody reaches go, a block joins its only predecessor, and a jump to a block that only
//! decides something decides it at once.

use super::subst::Subst;
use crate::cfg::Cfg;
use crate::ir::{Block, Edge, Function, Term, Value};

/// Rounds after which threading stops: a loop without any work could be threaded for ever.
const ROUNDS: usize = 16;

/// Changes the graph; true if anything changed.
pub(super) fn run(func: &mut Function) -> bool {
    let mut changed = remove_unreachable(func);
    for _ in 0..ROUNDS {
        let mut again = thread(func);
        again |= remove_unreachable(func);
        again |= merge(func);
        if !again {
            break;
        }
        changed = true;
    }
    changed
}

/// Drops blocks without a way from the entry and numbers the rest anew, in their order.
fn remove_unreachable(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    if cfg.rpo.len() == func.blocks.len() {
        return false;
    }
    let mut new = vec![Block(0); func.blocks.len()];
    let mut next = 0;
    for (i, block) in new.iter_mut().enumerate() {
        if cfg.is_reachable(Block(i as u32)) {
            *block = Block(next);
            next += 1;
        }
    }
    let mut i = 0;
    func.blocks.retain(|_| {
        i += 1;
        cfg.is_reachable(Block(i - 1))
    });
    for e in func.blocks.iter_mut().flat_map(|b| b.term.edges_mut()) {
        e.block = new[e.block.0 as usize];
    }
    true
}

/// Joins each block to its only predecessor where that one just jumps to it.
fn merge(func: &mut Function) -> bool {
    let preds = Cfg::new(func).preds;
    let mut subst = Subst::new(func);
    let mut changed = false;
    for b in 0..func.blocks.len() {
        // The block takes over its successor's end, so look again at what it ends with now.
        while let Term::Jump(edge) = &func.blocks[b].term {
            let target = edge.block;
            if preds[target.0 as usize].len() != 1 || target.0 as usize == b {
                break;
            }
            let edge = edge.clone();
            for (&p, &a) in func.block(target).params.iter().zip(&edge.args) {
                subst.set(p, a);
            }
            let from = func.block_mut(target);
            let insts = std::mem::take(&mut from.insts);
            let (term, loc) =
                (std::mem::replace(&mut from.term, Term::Jump(Edge::to(target))), from.term_loc);
            from.params.clear();
            let into = &mut func.blocks[b];
            into.insts.extend(insts);
            into.term = term;
            into.term_loc = loc;
            changed = true;
        }
    }
    if changed {
        subst.apply(func);
        remove_unreachable(func);
    }
    changed
}

/// Redirects edges that lead to a block which does nothing but end.
fn thread(func: &mut Function) -> bool {
    let deciding = deciding_blocks(func);
    let mut changed = false;
    for b in 0..func.blocks.len() {
        let mut term = func.blocks[b].term.clone();
        if let Term::Jump(e) = &term
            && deciding[e.block.0 as usize]
            && e.block.0 as usize != b
            && !matches!(func.block(e.block).term, Term::MayGoto { .. })
        {
            let target = func.block(e.block);
            let (params, args) = (target.params.clone(), e.args.clone());
            let loc = target.term_loc;
            term = target.term.clone();
            term.map_args(|v| replace(&params, &args, v));
            func.blocks[b].term_loc = loc;
            changed |= term != func.blocks[b].term;
        } else {
            for e in term.edges_mut() {
                if let Some(new) = decided(func, &deciding, e).filter(|new| new != e) {
                    *e = new;
                    changed = true;
                }
            }
        }
        func.blocks[b].term = term;
    }
    changed
}

/// Blocks without instructions whose parameters only their own end uses.
fn deciding_blocks(func: &Function) -> Vec<bool> {
    let mut owner = vec![None; func.values as usize];
    for (b, block) in func.blocks.iter().enumerate().skip(1) {
        block.params.iter().for_each(|p| owner[p.0 as usize] = Some(b));
    }
    let mut deciding: Vec<bool> = func.blocks.iter().map(|b| b.insts.is_empty()).collect();
    deciding[0] = false;
    for (b, block) in func.blocks.iter().enumerate() {
        for data in &block.insts {
            data.inst.for_each_arg(|v| {
                if let Some(o) = owner[v.0 as usize] {
                    deciding[o] = false;
                }
            });
        }
        block.term.for_each_arg(|v| {
            if let Some(o) = owner[v.0 as usize].filter(|&o| o != b) {
                deciding[o] = false;
            }
        });
    }
    deciding
}

/// Where an edge to a deciding block leads in the end, if its arguments tell.
fn decided(func: &Function, deciding: &[bool], edge: &Edge) -> Option<Edge> {
    if !deciding[edge.block.0 as usize] {
        return None;
    }
    let block = func.block(edge.block);
    let mut term = block.term.clone();
    term.map_args(|v| replace(&block.params, &edge.args, v));
    match term {
        Term::Jump(e) => Some(e),
        Term::Branch { cond, a, b, then, els } => {
            let holds = cond.eval(constant(func, a)?, constant(func, b)?);
            Some(if holds { then } else { els })
        }
        _ => None,
    }
}

fn replace(params: &[Value], args: &[Value], v: Value) -> Value {
    params.iter().position(|&p| p == v).map_or(v, |i| args[i])
}

/// Constants stand in the entry block once value numbering has run.
fn constant(func: &Function, v: Value) -> Option<i64> {
    let def = func.blocks[0].insts.iter().find(|d| d.result == Some(v))?;
    match def.inst {
        crate::ir::Inst::Const(c) => Some(c),
        _ => None,
    }
}
