//! eBPF instructions: what they are, how they are encoded, written and read.
//!
//! The source of every fact here is RFC 9669 ("BPF Instruction Set Architecture"), and for what Linux adds to it
//! `include/uapi/linux/bpf.h`. The crate does no I/O and knows no kernel version.

pub mod insn;
pub mod op;

pub use insn::{AluOp, AtomicOp, Insn, JmpOp, Reg, Size, Src};
