//! What can go wrong between a module and an object.

use std::fmt;

/// Why a module was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The IR breaks one of its rules: a mistake of the front end.
    Invalid {
        /// Function, or program where no function is concerned.
        func: String,
        /// Block and instruction.
        place: String,
        /// The rule.
        what: String,
    },
    /// The frame of a function does not fit the stack.
    Frame {
        /// Function.
        func: String,
        /// Bytes of the slots that the function declares and uses.
        slots: u32,
        /// Bytes of spilled values.
        spills: u32,
        /// Bytes there are.
        limit: u32,
    },
    /// The target lacks something the function needs.
    Unsupported {
        /// Function.
        func: String,
        /// What it needs, and since when there is such a thing.
        what: String,
    },
    /// The register allocator gave up.
    Registers {
        /// Function.
        func: String,
        /// Its words.
        what: String,
    },
    /// Types for the kernel could not be built.
    Btf(String),
    /// IR text that cannot be read.
    Syntax {
        /// Line, from 1.
        line: u32,
        /// What is wrong there.
        what: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid { func, place, what } => write!(f, "{func}: {place}: {what}"),
            Error::Frame { func, slots, spills, limit } => write!(
                f,
                "{func}: needs {} bytes of stack ({slots} in slots, {spills} for spilled values) of {limit}",
                u64::from(*slots) + u64::from(*spills)
            ),
            Error::Unsupported { func, what } => write!(f, "{func}: the target lacks {what}"),
            Error::Registers { func, what } => write!(f, "{func}: register allocation: {what}"),
            Error::Btf(what) => write!(f, "types: {what}"),
            Error::Syntax { line, what } => write!(f, "line {line}: {what}"),
        }
    }
}

impl std::error::Error for Error {}
