//! The tracing language: parse, check, lower, and show what comes back.
//!
//! `syntax` makes a tree of the text; `check` makes a typed tree ([`hir`]) and a [`plan`] of it, asking a [`host`] about
//! tracepoints, types and symbols; `lower` makes IR of the typed tree; `run` takes the plan and what the engine gives back and shows it.

pub mod check;
pub mod config;
pub mod glob;
pub mod hir;
pub mod host;
pub mod list;
pub mod lower;
pub mod plan;
pub mod run;
pub mod syntax;
pub mod types;
