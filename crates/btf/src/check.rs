//! The one pass over all type records: where each begins, and whether it is sound.
//!
//! It guarantees to the rest of the crate that each record lies within the section, that each name is a
//! NUL-ended UTF-8 string of the string section, and that each type id exists. Graph properties (circles,
//! sizes) are for the queries. Time and memory are in proportion to the bytes.
//!
//! The checks are those of `btf_check_all_metas` (`kernel/bpf/btf.c`), less the ones that only guard the kernel
//! (reserved bits, identifier rules).

use std::ops::Range;

use crate::error::Error;
use crate::raw::{Btf, Endian, Head, TYPE_LEN, TYPES};

/// The offsets of the types of this layer.
pub(crate) fn types(btf: &Btf) -> Result<Vec<u32>, Error> {
    let first_id = btf.first_own_id().0 as usize;
    let types = btf.own_types();
    let mut checker = Checker::new(btf);
    // A kernel's types have 25 bytes on average; a wrong guess costs a reallocation.
    let mut offsets = Vec::with_capacity(types.len() / 24);
    let mut at = 0;
    while at < types.len() {
        let head = btf.decode(types, at)?;
        checker.check(&head, at)?;
        offsets.push(at as u32);
        at += TYPE_LEN + head.tail.len();
    }
    let last = first_id + offsets.len() - 1;
    let Reference { id, offset } = checker.highest;
    if id as usize > last {
        let what = format!("type [{id}] is named, but the last is [{last}]");
        return Err(Error::malformed(TYPES, offset, what));
    }
    Ok(offsets)
}

/// The highest type id that any record names, and the place of that record.
struct Reference {
    id: u32,
    offset: usize,
}

struct Checker<'a> {
    btf: &'a Btf,
    endian: Endian,
    strings_end: u32,
    /// Whether every string, those of the base too, may be a name.
    ascii: bool,
    highest: Reference,
}

impl<'a> Checker<'a> {
    fn new(btf: &'a Btf) -> Self {
        let mut ascii = true;
        let mut layer = Some(btf);
        while let Some(btf) = layer {
            ascii &= matches!(btf.own_encoding(), Encoding::Ascii);
            layer = btf.base().map(|base| &**base);
        }
        let strings_end = btf.strings_end();
        let highest = Reference { id: 0, offset: 0 };
        Self { btf, endian: btf.endian(), strings_end, ascii, highest }
    }

    #[inline]
    fn check(&mut self, head: &Head<'_>, at: usize) -> Result<(), Error> {
        self.name(head.name_off, at)?;
        if head.kind.refers() {
            self.reference(head.word, at);
        }
        let tail = head.kind.tail(1);
        if tail.name_at.is_none() && tail.types_at.is_empty() {
            return Ok(());
        }
        for (index, record) in head.tail.chunks_exact(tail.stride).enumerate() {
            let at = at + TYPE_LEN + index * tail.stride;
            if let Some(name_at) = tail.name_at {
                self.name(self.endian.u32(record, name_at), at)?;
            }
            for type_at in tail.types_at {
                self.reference(self.endian.u32(record, *type_at), at);
            }
        }
        Ok(())
    }

    #[inline]
    fn reference(&mut self, id: u32, offset: usize) {
        if id > self.highest.id {
            self.highest = Reference { id, offset };
        }
    }

    #[inline]
    fn name(&self, offset: u32, at: usize) -> Result<(), Error> {
        // 0 is the empty string, also where there are no strings.
        if offset >= self.strings_end && offset != 0 {
            return Err(outside(offset, at));
        }
        if self.ascii { Ok(()) } else { self.unusual_name(offset, at) }
    }

    #[cold]
    fn unusual_name(&self, offset: u32, at: usize) -> Result<(), Error> {
        let layer = self.btf.layer(|layer| offset >= layer.own_string_base());
        let in_layer = offset - layer.own_string_base();
        if layer.own_encoding().allows(layer.own_strings(), in_layer) {
            Ok(())
        } else {
            Err(Error::malformed(TYPES, at, format!("the name at {offset} is not UTF-8")))
        }
    }
}

#[cold]
fn outside(offset: u32, at: usize) -> Error {
    Error::malformed(TYPES, at, format!("the name at {offset} lies outside the strings"))
}

/// Which strings may serve as names. Names must be UTF-8, but source lines, which share the section, come
/// in what encoding their author chose: they must not make the rest unreadable.
#[derive(Debug)]
pub(crate) enum Encoding {
    /// All of them.
    Ascii,
    /// The strings that are not UTF-8, in order.
    Except(Vec<Range<u32>>),
}

impl Encoding {
    pub(crate) fn of(strings: &[u8]) -> Self {
        if strings.is_ascii() {
            return Self::Ascii;
        }
        let mut wrong = Vec::new();
        let mut start = 0;
        for string in strings.split(|byte| *byte == 0) {
            let end = start + string.len() as u32;
            if std::str::from_utf8(string).is_err() {
                wrong.push(start..end);
            }
            start = end.saturating_add(1);
        }
        Self::Except(wrong)
    }

    fn allows(&self, strings: &[u8], offset: u32) -> bool {
        let Self::Except(wrong) = self else { return true };
        // An offset into the middle of a character.
        if strings.get(offset as usize).is_some_and(|byte| (0x80..0xc0).contains(byte)) {
            return false;
        }
        let next = wrong.partition_point(|range| range.end <= offset);
        wrong.get(next).is_none_or(|range| !range.contains(&offset))
    }
}
