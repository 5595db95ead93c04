//! The run-time side against an engine in memory: plan, events and maps in, text and JSON out.

// A test crate has no users: `pub` here means among its modules.
#![allow(missing_docs, unreachable_pub)]

mod fake;
mod maps;
mod odd;
mod printf;
mod session;
mod symbols;
