//! Why a script cannot be lowered.

use std::fmt;

use crate::syntax::ast::Span;

/// A construct that this target cannot do, or that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What, and what it would need.
    pub message: String,
    /// Where in the source.
    pub span: Span,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
