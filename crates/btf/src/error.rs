//! The crate's one error: what failed, and where in the bytes or at which type.

use std::fmt;

use crate::raw::{Kind, TypeId};

/// Why BTF could not be read, queried or built.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Cause>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    Malformed { section: &'static str, offset: usize, what: String },
    NoSuchType { id: TypeId, count: u32 },
    WrongKind { id: TypeId, wanted: &'static str, found: Option<Kind> },
    TooDeep { id: TypeId },
    TooLarge { id: TypeId, what: &'static str },
    Build(String),
}

impl Error {
    pub(crate) fn malformed(section: &'static str, offset: usize, what: impl Into<String>) -> Self {
        Cause::Malformed { section, offset, what: what.into() }.into()
    }

    pub(crate) fn no_such_type(id: TypeId, count: u32) -> Self {
        Cause::NoSuchType { id, count }.into()
    }

    /// `found` is `None` for `void`.
    pub(crate) fn wrong_kind(id: TypeId, wanted: &'static str, found: Option<Kind>) -> Self {
        Cause::WrongKind { id, wanted, found }.into()
    }

    pub(crate) fn too_deep(id: TypeId) -> Self {
        Cause::TooDeep { id }.into()
    }

    pub(crate) fn too_large(id: TypeId, what: &'static str) -> Self {
        Cause::TooLarge { id, what }.into()
    }

    pub(crate) fn build(what: impl Into<String>) -> Self {
        Cause::Build(what.into()).into()
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self(Box::new(cause))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Malformed { section, offset, what } => {
                write!(f, "{section}, offset {offset}: {what}")
            }
            Cause::NoSuchType { id, count } => {
                write!(f, "there is no BTF type {id}: the last is [{}]", count.saturating_sub(1))
            }
            Cause::WrongKind { id, wanted, found } => {
                let found = found.map_or("void", Kind::name);
                write!(f, "BTF type {id} is a {found}, not {wanted}")
            }
            Cause::TooDeep { id } => {
                write!(f, "BTF type {id} is nested too deeply, or contains itself")
            }
            Cause::TooLarge { id, what } => write!(f, "BTF type {id}: {what} is too large"),
            Cause::Build(what) => write!(f, "cannot build BTF: {what}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}
