//! The kernel's BPF interface as data: program, map, attach and link types, commands, helpers with their prototypes,
//! flags, perf events, registers and signals, each with the Linux version in which it appeared, and [`Target`], which
//! says what one kernel (or skep's own engine) offers.
//!
//! Everything is a table written down once; names, numbers, versions and look-ups are derived from it. The crate makes
//! no system call and depends on nothing, so it gives the same answers on every machine.
//!
//! Sources: `include/uapi/linux/{bpf,perf_event}.h` up to Linux 6.18, the kernel's `*_func_proto` functions and
//! `struct bpf_func_proto` tables, and the kernel's history for the versions.

mod error;
mod feature;
pub mod flags;
mod helper;
mod helper_table;
pub mod perf;
pub mod regs;
pub mod signal;
mod target;
mod types;
mod version;

pub use error::{Error, Unsupported};
pub use feature::Feature;
pub use helper::{Access, Arg, ArgKind, Helper, Ret, RetKind, helper_available};
pub use target::{Item, Target};
pub use types::{AttachType, Cmd, LinkType, MapType, ProgType};
pub use version::Version;
