//! Names for what instructions refer to by number.

use std::borrow::Cow;

use crate::Imm64;

/// Gives names to numbers when printing, and numbers to names when reading. Every method may answer `None`.
pub trait Names {
    /// The name of a helper.
    fn helper(&self, number: u32) -> Option<Cow<'_, str>> {
        let _ = number;
        None
    }

    /// The number of a helper.
    fn helper_number(&self, name: &str) -> Option<u32> {
        let _ = name;
        None
    }

    /// The name of a kernel function, by BTF id and index of its BTF.
    fn kfunc(&self, id: i32, fd: i16) -> Option<Cow<'_, str>> {
        let _ = (id, fd);
        None
    }

    /// The name of a map: `value` is [`Imm64::MapFd`] or [`Imm64::MapIdx`].
    fn map(&self, value: Imm64) -> Option<Cow<'_, str>> {
        let _ = value;
        None
    }

    /// The map of that name: [`Imm64::MapFd`] or [`Imm64::MapIdx`].
    fn map_value(&self, name: &str) -> Option<Imm64> {
        let _ = name;
        None
    }

    /// The name of the function that begins at an instruction.
    fn function(&self, pc: usize) -> Option<Cow<'_, str>> {
        let _ = pc;
        None
    }
}

/// Knows no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {}
