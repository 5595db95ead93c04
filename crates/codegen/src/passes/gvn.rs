//! One computation for each value: an operation that a dominating block has done already is not done again.
//!
//! Constants and addresses that are known at load time move to the entry block: the back end makes them anew wherever
//! they are needed, so their place says nothing, and blocks that held nothing else become empty.

use std::collections::HashMap;

use super::subst::Subst;
use crate::cfg::Cfg;
use crate::ir::{Block, Function, Inst, InstData, Value};

/// Merges them; true if anything changed.
pub(super) fn run(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    let mut pass =
        Pass { subst: Subst::new(func), materials: Materials::default(), seen: HashMap::new() };
    let mut changed = false;
    for &b in &cfg.rpo {
        let insts = std::mem::take(&mut func.block_mut(b).insts);
        let mut kept = Vec::with_capacity(insts.len());
        for data in insts {
            match pass.visit(&cfg, b, data) {
                Visit::Keep(data) => kept.push(data),
                Visit::Hoisted => changed |= b != Block(0),
                Visit::Merged => changed = true,
            }
        }
        func.block_mut(b).insts = kept;
    }
    func.blocks[0].insts.splice(0..0, pass.materials.list);
    pass.subst.apply(func);
    changed
}

#[derive(Default)]
struct Materials {
    list: Vec<InstData>,
    known: HashMap<Inst, Value>,
}

struct Pass {
    subst: Subst,
    materials: Materials,
    seen: HashMap<Inst, Vec<(Block, Value)>>,
}

enum Visit {
    Keep(InstData),
    Hoisted,
    Merged,
}

impl Pass {
    fn visit(&mut self, cfg: &Cfg, b: Block, mut data: InstData) -> Visit {
        data.inst.map_args(|v| self.subst.get(v));
        let Some(v) = data.result.filter(|_| data.inst.is_repeatable()) else {
            return Visit::Keep(data);
        };
        if data.inst.is_material() {
            return self.hoist(v, data);
        }
        let same = self.seen.entry(key(&data.inst)).or_default();
        if let Some(&(_, first)) = same.iter().find(|(d, _)| cfg.dominates(*d, b)) {
            self.subst.set(v, first);
            return Visit::Merged;
        }
        same.push((b, v));
        Visit::Keep(data)
    }

    fn hoist(&mut self, v: Value, data: InstData) -> Visit {
        match self.materials.known.get(&data.inst) {
            Some(&first) => {
                self.subst.set(v, first);
                Visit::Merged
            }
            None => {
                self.materials.known.insert(data.inst.clone(), v);
                self.materials.list.push(data);
                Visit::Hoisted
            }
        }
    }
}

/// The operation with the operands in one order where both mean the same.
fn key(inst: &Inst) -> Inst {
    match *inst {
        Inst::Bin(op, a, b) if op.is_commutative() && b < a => Inst::Bin(op, b, a),
        Inst::Icmp(c, a, b) if b < a => Inst::Icmp(c.swapped(), b, a),
        _ => inst.clone(),
    }
}
