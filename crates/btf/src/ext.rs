//! BTF.ext: the records that tie BTF to instructions.
//!
//! An object file's section `.BTF.ext` has, for each section of code, which function begins where (`func_info`),
//! which source line made an instruction (`line_info`), and which instructions depend on the layout of a
//! kernel type (`core_relo`). The kernel takes the first two, as plain arrays, with each program.
//!
//! Instruction offsets count bytes in `.BTF.ext` and instructions (of 8 bytes) in the kernel's arrays: whoever
//! moves records from one to the other divides. Facts: `include/uapi/linux/bpf.h` (`bpf_func_info`,
//! `bpf_line_info`, `bpf_core_relo`), `Documentation/bpf/btf.rst`, libbpf's `btf_ext_header`.

use crate::error::Error;
use crate::raw::{Endian, MAGIC, TypeId, VERSION};

const SECTION: &str = "BTF.ext";
/// The header up to `line_info`, and with `core_relo`.
const SHORT_HEADER: usize = 24;
const HEADER: usize = 32;
const MAX_LINE: u32 = (1 << 22) - 1;
const MAX_COL: u32 = (1 << 10) - 1;

/// Which function begins at an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncInfo {
    /// Its first instruction.
    pub insn_off: u32,
    /// Its BTF function.
    pub type_id: TypeId,
}

/// Which source line an instruction, and those after it, come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineInfo {
    /// The first instruction.
    pub insn_off: u32,
    /// The file's name, in the strings of the BTF.
    pub file_name_off: u32,
    /// The line's text, in the strings of the BTF.
    pub line_off: u32,
    /// The line's number. The format has 22 bits for it: a larger one is written as the largest.
    pub line: u32,
    /// The column. The format has 10 bits for it: a larger one is written as the largest.
    pub col: u32,
}

/// An instruction that depends on how the running kernel lays out a type (CO-RE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreRelo {
    /// The instruction.
    pub insn_off: u32,
    /// The type, in the program's own BTF.
    pub type_id: TypeId,
    /// The path into it (`0:1:2`), in the strings of the BTF.
    pub access_str_off: u32,
    /// What is asked, as the format writes it; see [`CoreRelo::kind`].
    pub raw_kind: u32,
}

macro_rules! core_relo_kinds {
    ($($(#[$doc:meta])* $variant:ident = $number:literal;)*) => {
        /// What a [`CoreRelo`] asks of the kernel (`enum bpf_core_relo_kind`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum CoreReloKind { $($(#[$doc])* $variant = $number,)* }

        impl CoreRelo {
            /// What is asked; `None` if Linux 6.18 does not know it either.
            pub fn kind(&self) -> Option<CoreReloKind> {
                match self.raw_kind { $($number => Some(CoreReloKind::$variant),)* _ => None }
            }
        }
    };
}

core_relo_kinds! {
    /// The offset of a field, in bytes.
    FieldByteOffset = 0;
    /// The size of a field, in bytes.
    FieldByteSize = 1;
    /// Whether a field exists.
    FieldExists = 2;
    /// Whether a field is signed.
    FieldSigned = 3;
    /// How far left to shift a bitfield.
    FieldLshiftU64 = 4;
    /// How far right to shift it then.
    FieldRshiftU64 = 5;
    /// The type's id in the program's BTF.
    TypeIdLocal = 6;
    /// The type's id in the kernel's BTF.
    TypeIdTarget = 7;
    /// Whether the type exists.
    TypeExists = 8;
    /// The size of the type, in bytes.
    TypeSize = 9;
    /// Whether an enumerator exists.
    EnumvalExists = 10;
    /// The value of an enumerator.
    EnumvalValue = 11;
    /// Whether the type matches that of the kernel.
    TypeMatches = 12;
}

/// A record of BTF.ext, as the kernel's arrays have it too.
pub trait ExtRecord: Copy {
    /// In bytes: the `*_rec_size` that bpf(2) asks for.
    const SIZE: usize;

    /// From the start of `bytes`; what is missing reads as 0. Records may be longer than we know.
    fn read(bytes: &[u8], endian: Endian) -> Self;

    /// Appends it.
    fn write(&self, out: &mut Vec<u8>, endian: Endian);

    /// An array of records, as bpf(2) takes it.
    fn array(records: &[Self], endian: Endian) -> Vec<u8> {
        let mut out = Vec::with_capacity(records.len() * Self::SIZE);
        for record in records {
            record.write(&mut out, endian);
        }
        out
    }
}

impl ExtRecord for FuncInfo {
    const SIZE: usize = 8;

    fn read(bytes: &[u8], endian: Endian) -> Self {
        Self { insn_off: endian.u32(bytes, 0), type_id: TypeId(endian.u32(bytes, 4)) }
    }

    fn write(&self, out: &mut Vec<u8>, endian: Endian) {
        for word in [self.insn_off, self.type_id.0] {
            endian.put_u32(out, word);
        }
    }
}

impl ExtRecord for LineInfo {
    const SIZE: usize = 16;

    fn read(bytes: &[u8], endian: Endian) -> Self {
        let line_col = endian.u32(bytes, 12);
        Self {
            insn_off: endian.u32(bytes, 0),
            file_name_off: endian.u32(bytes, 4),
            line_off: endian.u32(bytes, 8),
            line: line_col >> 10,
            col: line_col & MAX_COL,
        }
    }

    fn write(&self, out: &mut Vec<u8>, endian: Endian) {
        let line_col = self.line.min(MAX_LINE) << 10 | self.col.min(MAX_COL);
        for word in [self.insn_off, self.file_name_off, self.line_off, line_col] {
            endian.put_u32(out, word);
        }
    }
}

impl ExtRecord for CoreRelo {
    const SIZE: usize = 16;

    fn read(bytes: &[u8], endian: Endian) -> Self {
        Self {
            insn_off: endian.u32(bytes, 0),
            type_id: TypeId(endian.u32(bytes, 4)),
            access_str_off: endian.u32(bytes, 8),
            raw_kind: endian.u32(bytes, 12),
        }
    }

    fn write(&self, out: &mut Vec<u8>, endian: Endian) {
        for word in [self.insn_off, self.type_id.0, self.access_str_off, self.raw_kind] {
            endian.put_u32(out, word);
        }
    }
}

/// The records of one section of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtSection<T> {
    /// The ELF section's name, in the strings of the BTF.
    pub name_off: u32,
    /// By ascending instruction, as compilers write them.
    pub records: Vec<T>,
}

/// The contents of a `.BTF.ext` section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BtfExt {
    /// Functions.
    pub func_info: Vec<ExtSection<FuncInfo>>,
    /// Source lines.
    pub line_info: Vec<ExtSection<LineInfo>>,
    /// CO-RE relocations.
    pub core_relo: Vec<ExtSection<CoreRelo>>,
}

impl BtfExt {
    /// Reads a section. Names and types are those of the `.BTF` beside it, and not checked against it.
    ///
    /// # Errors
    ///
    /// Where the bytes are not BTF.ext, with the offset.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |offset, what: &str| Error::malformed(SECTION, offset, what);
        if bytes.len() < SHORT_HEADER {
            return Err(wrong(bytes.len(), "cut short: its header has 24 bytes at least"));
        }
        let endian = Endian::of_magic([bytes[0], bytes[1]])
            .ok_or_else(|| wrong(0, "the magic number 0xeb9f is missing"))?;
        if bytes[2] != VERSION {
            return Err(wrong(2, &format!("version {} is unknown: there is 1", bytes[2])));
        }
        let header = endian.u32(bytes, 4) as usize;
        if !(SHORT_HEADER..=bytes.len()).contains(&header) {
            return Err(wrong(4, &format!("a header of {header} bytes is impossible here")));
        }
        let part = |at| Part { bytes, endian, header, at };
        Ok(Self {
            func_info: part(8).sections()?,
            line_info: part(16).sections()?,
            core_relo: if header >= HEADER { part(24).sections()? } else { Vec::new() },
        })
    }

    /// The section's bytes.
    ///
    /// # Errors
    ///
    /// If they are more than 4 GiB.
    pub fn to_bytes(&self, endian: Endian) -> Result<Vec<u8>, Error> {
        let parts = [
            write_sections(&self.func_info, endian),
            write_sections(&self.line_info, endian),
            write_sections(&self.core_relo, endian),
        ];
        let mut out = Vec::new();
        endian.put_u16(&mut out, MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        endian.put_u32(&mut out, HEADER as u32);
        let mut offset = 0u32;
        for part in &parts {
            let length = u32::try_from(part.len()).ok();
            let end = length.and_then(|length| offset.checked_add(length));
            let end = end.ok_or_else(|| Error::build("BTF.ext is larger than 4 GiB"))?;
            endian.put_u32(&mut out, offset);
            endian.put_u32(&mut out, end - offset);
            offset = end;
        }
        out.extend(parts.into_iter().flatten());
        Ok(out)
    }
}

fn write_sections<T: ExtRecord>(sections: &[ExtSection<T>], endian: Endian) -> Vec<u8> {
    let mut out = Vec::new();
    // A section without records is an error to readers, and so is a part without sections.
    for section in sections.iter().filter(|section| !section.records.is_empty()) {
        if out.is_empty() {
            endian.put_u32(&mut out, T::SIZE as u32);
        }
        endian.put_u32(&mut out, section.name_off);
        endian.put_u32(&mut out, section.records.len() as u32);
        out.extend(T::array(&section.records, endian));
    }
    out
}

/// One of the three tables: where the header speaks of it.
struct Part<'a> {
    bytes: &'a [u8],
    endian: Endian,
    header: usize,
    at: usize,
}

impl Part<'_> {
    fn word(&self, at: usize, end: usize) -> Result<u32, Error> {
        if end.checked_sub(at).is_none_or(|left| left < 4) {
            return Err(Error::malformed(SECTION, at, "a table is cut short"));
        }
        Ok(self.endian.u32(self.bytes, at))
    }

    fn sections<T: ExtRecord>(&self) -> Result<Vec<ExtSection<T>>, Error> {
        let mut sections = Vec::new();
        let offset = self.endian.u32(self.bytes, self.at) as usize;
        let length = self.endian.u32(self.bytes, self.at + 4) as usize;
        if length == 0 {
            return Ok(sections);
        }
        let start = self.header.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(length));
        let (Some(mut at), Some(end)) = (start, end.filter(|end| *end <= self.bytes.len())) else {
            return Err(Error::malformed(SECTION, self.at, "a table does not fit the section"));
        };
        let stride = self.word(at, end)? as usize;
        if stride < T::SIZE || !stride.is_multiple_of(4) {
            let what = format!("records of {stride} bytes: there are {} at least", T::SIZE);
            return Err(Error::malformed(SECTION, at, what));
        }
        at += 4;
        while at < end {
            let name_off = self.word(at, end)?;
            let count = self.word(at + 4, end)? as usize;
            let size = count.checked_mul(stride);
            let records = size.and_then(|size| self.bytes[..end].get(at + 8..)?.get(..size));
            let Some(records) = records else {
                return Err(Error::malformed(SECTION, at + 4, "more records than there is room"));
            };
            at += 8 + records.len();
            let read = |record| T::read(record, self.endian);
            let records = records.chunks_exact(stride).map(read).collect();
            sections.push(ExtSection { name_off, records });
        }
        Ok(sections)
    }
}
