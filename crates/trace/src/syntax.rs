//! From text to tree: lexer, parser, printer, diagnostics.

pub mod ast;
pub mod diag;
