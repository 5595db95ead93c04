//! The engine over the running Linux kernel: bpf(2), perf_event_open(2), tracefs.
//!
//! [`Kernel`] implements [`skep_engine::Engine`]: it creates an object's maps, loads its programs and attaches them, by the best way that
//! the kernel has, or an older one. Beside that, what a front end needs to know about the machine: tracepoints ([`Tracefs`]), the
//! kernel's symbols ([`Kallsyms`]), those of executables ([`Elf`]), CPUs.
//!
//! What it guarantees: nothing is left attached when a link is dropped; a feature that is missing is named, with the kernel option that
//! has it and what to use instead; nothing is probed, read or mounted before it is needed; and whatever the kernel's files
//! contain, there is an error and no panic. `unsafe` is in the private module `sys` only.
//!
//! Facts come from `include/uapi/linux/{bpf,perf_event}.h` and `kernel/{bpf,events,trace}` of Linux 6.18, and the manual pages.

#[cfg(not(target_os = "linux"))]
compile_error!("skep-kernel is about Linux");

mod attach;
pub mod cpus;
mod create;
mod elf;
mod error;
mod events;
mod features;
mod functions;
mod kallsyms;
mod kernel;
mod libraries;
mod load;
mod maps;
mod sys;
mod tracefs;

#[cfg(test)]
mod testing;

pub use attach::{KernelLink, detach, path_for_process};
pub use elf::{Elf, UserFunction};
pub use events::{PerfBuffer, RingBuffer};
pub use functions::KernelFunction;
pub use kallsyms::{Kallsyms, KernelSymbol};
pub use kernel::{Kernel, StatsGuard};
pub use libraries::{resolve_binary, resolve_library};
pub use load::{KernelObject, RunStats};
pub use maps::KernelMap;
pub use tracefs::Tracefs;
