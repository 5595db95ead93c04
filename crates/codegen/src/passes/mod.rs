//! What is done to a function before code is made of it.
//!
//! Each pass is a function from a valid function to a valid function that does the same; it says whether it changed
//! anything. Two promises to the verifier hold for all of them: a value that was compared is not replaced by a
//! recomputation, and `base + offset` stays one addition to that base. Calls are merged only where the helper's answer
//! is constant during a run, so never two map look-ups: each result has its own null check.

mod branches;
mod dce;
mod gvn;
mod params;
mod simplify;
mod subst;

use crate::ir::{Function, Module};

/// Rounds after which the passes stop even if the last one still changed something.
const ROUNDS: usize = 8;

/// Optimises every function of a valid module.
pub fn optimize_module(module: &mut Module) {
    module.programs.iter_mut().flat_map(|p| &mut p.funcs).for_each(optimize);
}

/// Runs the passes over a valid function until they change nothing more.
pub fn optimize(func: &mut Function) {
    for _ in 0..ROUNDS {
        let mut changed = branches::run(func);
        changed |= params::run(func);
        changed |= simplify::run(func);
        changed |= gvn::run(func);
        changed |= dce::run(func);
        if !changed {
            break;
        }
    }
}
