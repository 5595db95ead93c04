//! The back end: a function of the IR becomes BPF instructions.
//!
//! Selection works on virtual registers, regalloc2 assigns `r0` to `r9` and spill slots, emission writes instructions
//! block by block. Calling convention and register roles: RFC 9669, section 2; frame size and what `may_goto` takes of it:
//! `kernel/bpf/verifier.c` of Linux 6.18.

mod emit;
mod layout;
mod legalize;
mod link;
mod live;
mod machine;
mod select;

use regalloc2::RegallocOptions;
use skep_abi::{Feature, Target};

pub(crate) use link::link;

use crate::Error;
use crate::ir::{Function, Inst, Term};
use emit::Code;
use select::Isa;

/// Bytes of stack in a frame.
const STACK: u32 = 512;
/// Of them, what the kernel takes for itself in a function with `may_goto`.
const MAY_GOTO_STACK: u32 = 16;

/// Makes code of a valid function.
fn generate(func: &Function, target: &Target) -> Result<Code, Error> {
    let isa = Isa { v4: target.has(Feature::IsaV4), big_endian: cfg!(target_endian = "big") };
    let mut func = func.clone();
    let has_may_goto = func.blocks.iter().any(|b| matches!(b.term, Term::MayGoto { .. }));
    let unsupported =
        |what: &str| Error::Unsupported { func: func.name.clone(), what: what.to_owned() };
    if has_may_goto && !target.has(Feature::MayGoto) {
        return Err(unsupported("may_goto (Linux 6.9)"));
    }
    if !isa.v4 {
        legalize::without_v4(&mut func);
    }
    layout::split_critical_edges(&mut func);
    let order = layout::order(&func);
    let limit = if has_may_goto { STACK - MAY_GOTO_STACK } else { STACK };
    let (slots, bytes) = place_slots(&func, limit)?;
    let machine = select::select(&func, &order, &slots, isa);
    let options =
        RegallocOptions { validate_ssa: cfg!(debug_assertions), ..RegallocOptions::default() };
    let regs = regalloc2::run(&machine, &machine::machine_env(), &options)
        .map_err(|e| Error::Registers { func: func.name.clone(), what: e.to_string() })?;
    let spills = u32::try_from(regs.num_spillslots).unwrap_or(u32::MAX / 8).saturating_mul(8);
    if bytes.saturating_add(spills) > limit {
        return Err(Error::Frame { func: func.name.clone(), slots: bytes, spills, limit });
    }
    emit::emit(&func.name, &machine, &regs, bytes, isa.v4)
}

/// Distances of the slots that are used below the frame pointer, and the bytes they take.
fn place_slots(func: &Function, limit: u32) -> Result<(Vec<i32>, u32), Error> {
    let mut used = vec![false; func.slots.len()];
    for data in func.blocks.iter().flat_map(|b| &b.insts) {
        if let Inst::SlotAddr(s, _) = data.inst {
            used[s.0 as usize] = true;
        }
    }
    let mut bytes = 0u32;
    let mut places = Vec::with_capacity(func.slots.len());
    for (slot, used) in func.slots.iter().zip(used) {
        if used {
            bytes = bytes.saturating_add(slot.size.div_ceil(8).saturating_mul(8));
        }
        if bytes > limit {
            return Err(Error::Frame { func: func.name.clone(), slots: bytes, spills: 0, limit });
        }
        places.push(-(bytes as i32));
    }
    Ok((places, bytes))
}
