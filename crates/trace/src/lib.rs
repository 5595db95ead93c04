//! The tracing language: parse, check, lower, and show what comes back.

pub mod syntax;
