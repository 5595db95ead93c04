//! What can go wrong: text that is no version, and something a target lacks.

use std::fmt;

use crate::{Item, Version};

/// An error of this crate.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text does not begin with `major.minor`.
    BadVersion(String),
    /// The target does not offer what was asked of it.
    Unsupported(Unsupported),
}

/// Something a target lacks, with what a user needs to know about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsupported {
    /// What is missing.
    pub item: Item,
    /// The version of the target, if it is a Linux.
    pub version: Option<Version>,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.item.since();
        match self.version {
            Some(v) if v < since => {
                write!(f, "Linux {v} does not offer {}, which came with {since}", self.item)?
            }
            Some(v) => write!(f, "this Linux {v} does not offer {}", self.item)?,
            None => write!(f, "{} is not offered here (Linux has it since {since})", self.item)?,
        }
        if let Some(option) =
            self.item.config().filter(|_| self.version.is_some_and(|v| v >= since))
        {
            write!(f, "; that needs a kernel built with {option}")?;
        }
        match self.item.instead() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadVersion(text) => {
                write!(f, "{text:?} is not a kernel version such as 6.1 or 6.18.2-generic")
            }
            Error::Unsupported(what) => what.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Unsupported> for Error {
    fn from(what: Unsupported) -> Error {
        Error::Unsupported(what)
    }
}
