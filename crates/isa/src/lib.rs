//! eBPF instructions: what they are, how they are encoded, written and read.
//!
//! [`Insn`] is eight bytes with named fields, valid or not; [`Kind`] is the typed view of a valid instruction, and the
//! only way from one to the other checks everything that RFC 9669 asks of an encoding. [`asm`] and [`disasm`] are the
//! text form that the kernel and llvm-objdump print: every program, broken bytes included, can be printed and read back.
//!
//! The source of every fact here is RFC 9669 ("BPF Instruction Set Architecture"), and for what Linux adds to it
//! `include/uapi/linux/bpf.h` and `kernel/bpf/verifier.c`. The crate does no I/O and knows no kernel version.
//!
//! ```
//! let program = skep_isa::assemble("
//!     r0 = *(u32 *)(r1 + 4)
//!     if r0 != 0 goto out
//!     r0 = -1
//! out:
//!     exit
//! ")?;
//! assert_eq!(program.len(), 4);
//! assert_eq!(skep_isa::disassemble(&program[1..2]), "if r0 != 0 goto +1\n");
//! # Ok::<(), skep_isa::Error>(())
//! ```

pub mod asm;
mod code;
mod cursor;
pub mod disasm;
mod error;
pub mod insn;
mod kind;
mod lex;
mod names;
pub mod op;
mod parse;

pub use asm::{Assembler, assemble};
pub use code::{decode, encode};
pub use disasm::{Printer, disassemble};
pub use error::{Complaint, Error, Fault};
pub use insn::{AluOp, AtomicOp, Insn, JmpOp, Reg, Size, Src};
pub use kind::{Callee, Imm64, Kind, Swap, Width};
pub use names::{Names, NoNames};
