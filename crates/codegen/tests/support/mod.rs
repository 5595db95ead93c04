//! Two small interpreters, for the IR and for what the back end emits, and a generator of programs for both.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod bpf;
pub mod generate;
pub mod ir;

/// Where the value of map 0 lies.
pub const MAP_BASE: u64 = 0x1_0000_0000;
/// How long it is.
pub const MAP_SIZE: usize = 64;
/// Steps after which a run is given up.
pub const FUEL: u32 = 200_000;

/// What a run can be seen to have done.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
pub struct Outcome {
    pub result: u64,
    pub map: Vec<u8>,
    /// Calls of helpers with effects, in order.
    pub calls: Vec<(u32, Vec<u64>)>,
}

/// How many arguments the interpreters pass to a helper; the first group has no effects.
pub fn helper_args(helper: u32) -> usize {
    match helper {
        8 | 14 | 15 | 35 => 0,
        6 => 3,
        25 => 5,
        _ => 1,
    }
}

/// What a helper answers: something that depends on all it gets.
pub fn helper_result(helper: u32, args: &[u64], calls: usize) -> u64 {
    let seed = if helper_args(helper) == 0 { 0 } else { calls as u64 };
    let mix = |h: u64, x: u64| (h ^ x).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    args.iter().fold(mix(u64::from(helper), seed), |h, &x| mix(h, x))
}

/// Sign- or zero-extended little-endian bytes.
pub fn extend(bytes: &[u8], signed: bool) -> u64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let (v, shift) = (u64::from_le_bytes(wide), 64 - 8 * bytes.len() as u32);
    if signed { ((v << shift) as i64 >> shift) as u64 } else { v }
}

/// The new value in memory of an atomic operation.
pub fn atomic(op: skep_isa::AtomicOp, old: u64, val: u64) -> u64 {
    use skep_isa::AtomicOp::*;
    match op {
        Add | FetchAdd => old.wrapping_add(val),
        Or | FetchOr => old | val,
        And | FetchAnd => old & val,
        Xor | FetchXor => old ^ val,
        Xchg | CmpXchg => val,
    }
}
