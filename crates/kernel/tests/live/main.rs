//! The engine on the running kernel, with hand-assembled programs and events that the tests make themselves.
//!
//! Skipped without privileges, unless SKEP_TEST_KERNEL=1.

mod attach;
mod common;
mod events;
mod load;
mod maps;
mod older;
