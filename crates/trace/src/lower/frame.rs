//! The function being built: its builder, what its variables hold, its open loops, its temporary memory.

use skep_codegen::ir::{Block, Builder, Slot, Value};

use super::memory::Temp;
use crate::hir::VarId;

/// One function.
pub(super) struct Frame {
    pub(super) b: Builder,
    /// The program's context.
    pub(super) ctx: Value,
    /// Where this CPU's scratch memory of the program begins: a constant, replaced by the computation when the function is finished.
    pub(super) scratch: Value,
    /// Those of these constants that are used.
    pub(super) scratch_values: Vec<Value>,
    /// Number of the function in its program.
    pub(super) index: usize,
    /// What each scalar variable holds here.
    pub(super) env: Vec<Value>,
    pub(super) loops: Vec<Loop>,
    /// Slots that are free again, with their sizes.
    pub(super) free_slots: Vec<(Slot, u32)>,
    pub(super) stack_used: u32,
    /// Temporaries in use, the newest last.
    pub(super) temps: Vec<Temp>,
    /// The body of a loop over a map.
    pub(super) callback: bool,
}

/// An open loop.
pub(super) enum Loop {
    /// Jumps to `next` and `exit` carry these variables.
    Blocks { vars: Vec<VarId>, next: Block, exit: Block },
    /// The rest of the function is the body, called once for each element.
    Callback,
}

impl Frame {
    /// A function with that many parameters; `vars` variables are zero.
    pub(super) fn new(name: &str, params: usize, vars: usize) -> Frame {
        let (mut b, params) = Builder::new(name, params);
        let zero = b.iconst(0);
        let scratch = b.iconst(0);
        Frame {
            b,
            ctx: params.last().copied().unwrap_or(zero),
            scratch,
            scratch_values: Vec::new(),
            index: 0,
            env: vec![zero; vars],
            loops: Vec::new(),
            free_slots: Vec::new(),
            stack_used: 0,
            temps: Vec::new(),
            callback: false,
        }
    }
}
