//! The run-time side: attaches a compiled script, reads what comes back and shows it.
//!
//! [`session::Runner`] is the whole of it: it takes a [`crate::plan::Plan`] and what an engine loaded, and goes from attaching to the last map. The pieces can be
//! used alone: [`value`] and [`format`](mod@format) make text and JSON of bytes and are pure but for the names they ask for, [`maps`] reads, sorts and
//! prints maps, [`symbols`] names addresses, also those of processes that have ended. Text and JSON are those of bpftrace 0.26; where
//! they differ it is said at the place. Records and maps may hold any bytes: what does not fit its type is counted, nothing panics.

mod actions;
mod drive;
pub mod format;
pub mod hist;
pub mod json;
pub mod loss;
pub mod maps;
pub mod number;
pub mod output;
mod pace;
pub mod processes;
pub mod resolve;
pub mod session;
pub mod symbols;
pub mod time;
pub mod tseries;
pub mod value;
