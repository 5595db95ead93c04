//! Block parameters that always get the same value are that value (after Braun et al., "Simple and Efficient
//! Construction of Static Single Assignment Form"); chains of copies go the same way.

use super::subst::Subst;
use crate::cfg::Cfg;
use crate::ir::{Block, Function, Value};

/// Removes them; true if there were any.
pub(super) fn run(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    let mut subst = Subst::new(func);
    let mut changed = false;
    loop {
        let mut again = false;
        for &b in cfg.rpo.iter().skip(1) {
            for i in (0..func.block(b).params.len()).rev() {
                if let Some(v) = only_argument(func, &cfg, &subst, b, i) {
                    subst.set(func.block(b).params[i], v);
                    remove(func, b, i);
                    again = true;
                }
            }
        }
        if !again {
            break;
        }
        changed = true;
    }
    if changed {
        subst.apply(func);
    }
    changed
}

/// The one value that a parameter gets, besides itself.
fn only_argument(func: &Function, cfg: &Cfg, subst: &Subst, b: Block, i: usize) -> Option<Value> {
    let param = func.block(b).params[i];
    let mut only = None;
    for &p in &cfg.preds[b.0 as usize] {
        for e in func.block(p).term.edges().filter(|e| e.block == b) {
            let v = subst.get(e.args[i]);
            if v != param && *only.get_or_insert(v) != v {
                return None;
            }
        }
    }
    only
}

/// Removes a parameter and the arguments for it.
pub(super) fn remove(func: &mut Function, b: Block, i: usize) {
    func.block_mut(b).params.remove(i);
    for block in &mut func.blocks {
        for e in block.term.edges_mut().filter(|e| e.block == b) {
            e.args.remove(i);
        }
    }
}
