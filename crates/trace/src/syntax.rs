//! From text to tree: lexer, parser, printer, diagnostics.

pub mod ast;
pub mod diag;
mod lexer;
pub mod parser;
mod preproc;
pub mod print;

pub use diag::{NotUtf8, decode_source, line_col, render};
pub use parser::parse;
