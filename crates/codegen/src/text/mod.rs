//! The text form of the IR: [`std::fmt::Display`] of a module, program or function writes it, [`parse`] reads it back.
//!
//! ```text
//! map0 = array "counts" key 4 value 8 entries 1
//!
//! program "count" raw_tracepoint {
//!   func0 "main" (v0) {
//!     slot0 = 4
//!   block0:
//!     v1 = const 0
//!     v2 = slot_addr slot0 !1:5
//!     store u32 [v2], v1
//!     v3 = map_addr map0
//!     v4 = call helper bpf_map_lookup_elem(v3, v2)
//!     branch eq v4, v1, block2, block1
//!   block1:
//!     v5 = load u64 [v4+8]
//!     jump block2
//!   block2:
//!     ret v1
//!   }
//! }
//! ```
//!
//! `!1:5` is a place in the source, `;` begins a comment. References are numbers, so that a function alone reads as it
//! does in its program.

mod names;
mod parse;
mod print;
mod scan;

pub use parse::parse;
