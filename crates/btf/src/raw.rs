//! The bytes of BTF: header, kinds, strings, and the fixed part of a type's record.
//!
//! [`Btf`] keeps the bytes as they came and, of each type, the offset (four bytes a type); `check` finds
//! the offsets and checks what they lead to. BTF over a base is a layer: ids and string offsets go on
//! where the base's end.
//!
//! Layouts: `include/uapi/linux/btf.h`; the header's checks are those of `btf_parse_hdr` (`kernel/bpf/btf.c`),
//! less the ones that only guard the kernel (flags, gaps between sections).

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::check::Encoding;
use crate::error::Error;
use crate::lookup::NameIndex;

pub(crate) const MAGIC: u16 = 0xeb9f;
pub(crate) const VERSION: u8 = 1;
/// `sizeof(struct btf_header)`.
pub(crate) const HEADER_LEN: usize = 24;
/// `sizeof(struct btf_type)`: name, info, size or type.
pub(crate) const TYPE_LEN: usize = 12;

const HEADER: &str = "BTF header";
pub(crate) const TYPES: &str = "BTF type section";
const STRINGS: &str = "BTF string section";

/// The number of a type; 0 is `void`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`, which has no record of its own.
    pub const VOID: Self = Self(0);
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeId({})", self.0)
    }
}

/// The byte order of BTF: that of the machine it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// x86, arm64, riscv, `bpfel`.
    Little,
    /// s390x, `bpfeb`.
    Big,
}

impl Endian {
    /// That of the machine which runs this code.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };

    /// The order in which `bytes`, the start of BTF or BTF.ext, spells the magic number.
    pub(crate) fn of_magic(bytes: [u8; 2]) -> Option<Self> {
        if u16::from_le_bytes(bytes) == MAGIC {
            Some(Self::Little)
        } else if u16::from_be_bytes(bytes) == MAGIC {
            Some(Self::Big)
        } else {
            None
        }
    }

    /// The word at `at`; 0 outside `bytes` (which no caller relies on: ranges are checked before).
    #[inline]
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) else { return 0 };
        match self {
            Self::Little => u32::from_le_bytes(*word),
            Self::Big => u32::from_be_bytes(*word),
        }
    }

    pub(crate) fn put_u16(self, out: &mut Vec<u8>, value: u16) {
        match self {
            Self::Little => out.extend_from_slice(&value.to_le_bytes()),
            Self::Big => out.extend_from_slice(&value.to_be_bytes()),
        }
    }

    pub(crate) fn put_u32(self, out: &mut Vec<u8>, value: u32) {
        match self {
            Self::Little => out.extend_from_slice(&value.to_le_bytes()),
            Self::Big => out.extend_from_slice(&value.to_be_bytes()),
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// What a type record describes (`BTF_KIND_*`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $variant = $number,)* }

        impl Kind {
            pub(crate) fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// In words, lower case: `struct`, `function prototype`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// An integer, `char`, `_Bool`.
    Int = 1, "int";
    /// A pointer.
    Ptr = 2, "pointer";
    /// An array of a fixed length.
    Array = 3, "array";
    /// A struct.
    Struct = 4, "struct";
    /// A union.
    Union = 5, "union";
    /// An enum whose values fit 32 bits.
    Enum = 6, "enum";
    /// A struct or union that is only declared.
    Fwd = 7, "forward declaration";
    /// A typedef.
    Typedef = 8, "typedef";
    /// `volatile`.
    Volatile = 9, "volatile";
    /// `const`.
    Const = 10, "const";
    /// `restrict`.
    Restrict = 11, "restrict";
    /// A function, by name.
    Func = 12, "function";
    /// A function's return type and parameters.
    FuncProto = 13, "function prototype";
    /// A variable.
    Var = 14, "variable";
    /// An ELF section and its variables.
    DataSec = 15, "data section";
    /// A floating-point type.
    Float = 16, "float";
    /// An annotation of a declaration (`btf_decl_tag`).
    DeclTag = 17, "declaration tag";
    /// An annotation of a type (`btf_type_tag`).
    TypeTag = 18, "type tag";
    /// An enum with values of 64 bits.
    Enum64 = 19, "enum64";
}

/// How the records that follow a `struct btf_type` look: their number and length in bytes, and where in
/// each the offset of a name and a type id stand.
pub(crate) struct Tail {
    pub(crate) count: usize,
    pub(crate) stride: usize,
    pub(crate) name_at: Option<usize>,
    pub(crate) types_at: &'static [usize],
}

impl Kind {
    #[inline]
    pub(crate) fn tail(self, vlen: usize) -> Tail {
        let tail = |count, stride, name_at, types_at| Tail { count, stride, name_at, types_at };
        match self {
            Self::Ptr | Self::Fwd | Self::Typedef | Self::Volatile | Self::Const => {
                tail(0, 0, None, &[])
            }
            Self::Restrict | Self::Func | Self::Float | Self::TypeTag => tail(0, 0, None, &[]),
            Self::Int | Self::Var | Self::DeclTag => tail(1, 4, None, &[]),
            Self::Array => tail(1, 12, None, &[0, 4]),
            Self::Struct | Self::Union => tail(vlen, 12, Some(0), &[4]),
            Self::Enum => tail(vlen, 8, Some(0), &[]),
            Self::Enum64 => tail(vlen, 12, Some(0), &[]),
            Self::FuncProto => tail(vlen, 8, Some(0), &[4]),
            Self::DataSec => tail(vlen, 12, None, &[0]),
        }
    }

    /// Whether the third word of the record is a type id (else it is a size, or unused).
    pub(crate) const fn refers(self) -> bool {
        !matches!(
            self,
            Self::Int
                | Self::Array
                | Self::Struct
                | Self::Union
                | Self::Enum
                | Self::Enum64
                | Self::Fwd
                | Self::DataSec
                | Self::Float
        )
    }
}

/// The type information of a kernel, a module (over its kernel's, the base) or an object file.
///
/// See the crate's page for what it guarantees. Cheap to share: put it in an [`Arc`].
pub struct Btf {
    data: Box<dyn AsRef<[u8]> + Send + Sync>,
    endian: Endian,
    types: Range<usize>,
    strings: Range<usize>,
    /// Where each type begins, from the start of the type section.
    offsets: Vec<u32>,
    /// The id of the first type of our own: 1, or as many as the base has, with `void`.
    first_id: u32,
    /// Where our own strings begin: 0, or where those of the base end.
    first_string: u32,
    encoding: Encoding,
    base: Option<Arc<Btf>>,
    pub(crate) names: NameIndex,
    pub(crate) pointer_size: OnceLock<u32>,
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("endian", &self.endian)
            .field("first_id", &self.first_id)
            .field("types", &self.offsets.len())
            .field("string_bytes", &self.strings.len())
            .finish_non_exhaustive()
    }
}

/// The fixed part of a type's record, and the layer that holds it.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) btf: &'a Btf,
    pub(crate) kind: Kind,
    pub(crate) flag: bool,
    /// How many records follow; of a function, its linkage.
    pub(crate) vlen: u32,
    pub(crate) name_off: u32,
    /// The third word: a size in bytes or a type id.
    pub(crate) word: u32,
    /// The records after the fixed part.
    pub(crate) tail: &'a [u8],
}

impl<'a> Head<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.btf.name_at(self.name_off)
    }

    pub(crate) fn tail_u32(&self, at: usize) -> u32 {
        self.btf.endian.u32(self.tail, at)
    }

    pub(crate) fn target(&self) -> TypeId {
        TypeId(self.word)
    }
}

impl Btf {
    /// Checks `bytes` (a `Vec`, a static slice, an `Arc<[u8]>`, a mapping: they are not copied) and makes
    /// them ready for queries. `base` is what a module's BTF builds on: that of its kernel.
    ///
    /// # Errors
    ///
    /// Where the bytes are not BTF, with the section and the offset from its start.
    pub fn parse(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        base: Option<Arc<Self>>,
    ) -> Result<Self, Error> {
        let header = Header::parse(bytes.as_ref())?;
        let mut btf = Self {
            data: Box::new(bytes),
            endian: header.endian,
            types: header.types,
            strings: header.strings,
            offsets: Vec::new(),
            first_id: base.as_ref().map_or(1, |base| base.type_count()),
            first_string: base.as_ref().map_or(0, |base| base.strings_end()),
            encoding: Encoding::Ascii,
            base,
            names: NameIndex::default(),
            pointer_size: OnceLock::new(),
        };
        btf.check_strings()?;
        btf.encoding = Encoding::of(btf.own_strings());
        btf.offsets = crate::check::types(&btf)?;
        Ok(btf)
    }

    /// The byte order it is written in.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// What it builds on, if it is that of a module.
    pub fn base(&self) -> Option<&Arc<Self>> {
        self.base.as_ref()
    }

    /// How many types there are, `void` and those of the base included: ids are below it.
    pub fn type_count(&self) -> u32 {
        // The type section is below 4 GiB and a type has 12 bytes at least, so a chain of layers that
        // fits memory cannot overflow; saturate for the letter.
        self.first_id.saturating_add(self.offsets.len() as u32)
    }

    /// The first id that is not the base's.
    pub fn first_own_id(&self) -> TypeId {
        TypeId(self.first_id)
    }

    /// The bytes of the string at `offset` (of a name, a line of source), less the NUL.
    pub fn string_bytes(&self, offset: u32) -> Option<&[u8]> {
        let layer = self.layer(|layer| offset >= layer.first_string);
        let rest = layer.own_strings().get((offset - layer.first_string) as usize..)?;
        rest.get(..rest.iter().position(|byte| *byte == 0)?)
    }

    /// The string at `offset`, if it is one and UTF-8.
    pub fn string(&self, offset: u32) -> Option<&str> {
        std::str::from_utf8(self.string_bytes(offset)?).ok()
    }

    /// A name that [`Btf::parse`] has checked.
    pub(crate) fn name_at(&self, offset: u32) -> &str {
        self.string(offset).unwrap_or_default()
    }

    pub(crate) fn strings_end(&self) -> u32 {
        self.first_string.saturating_add(self.strings.len() as u32)
    }

    /// This layer or the nearest base for which `holds`; the lowest if none.
    pub(crate) fn layer(&self, holds: impl Fn(&Self) -> bool) -> &Self {
        let mut layer = self;
        while !holds(layer) {
            let Some(base) = &layer.base else { break };
            layer = base;
        }
        layer
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        // An owner whose bytes shrink after the check (a file cut short under a mapping) gives us less.
        (*self.data).as_ref().get(range.clone()).unwrap_or_default()
    }

    pub(crate) fn own_types(&self) -> &[u8] {
        self.bytes(&self.types)
    }

    pub(crate) fn own_strings(&self) -> &[u8] {
        self.bytes(&self.strings)
    }

    pub(crate) fn own_encoding(&self) -> &Encoding {
        &self.encoding
    }

    pub(crate) fn own_offsets(&self) -> &[u32] {
        &self.offsets
    }

    pub(crate) fn own_string_base(&self) -> u32 {
        self.first_string
    }

    pub(crate) fn head(&self, id: TypeId) -> Result<Head<'_>, Error> {
        let layer = self.layer(|layer| id.0 >= layer.first_id);
        let index = id.0.checked_sub(layer.first_id);
        let offset = index.and_then(|index| layer.offsets.get(index as usize));
        let offset = *offset.ok_or_else(|| Error::no_such_type(id, self.type_count()))? as usize;
        layer.decode(layer.own_types(), offset)
    }

    #[inline]
    pub(crate) fn decode<'a>(&'a self, types: &'a [u8], offset: usize) -> Result<Head<'a>, Error> {
        let cut = |what: &str| Error::malformed(TYPES, offset, what);
        let rest = types.get(offset..).unwrap_or_default();
        if rest.len() < TYPE_LEN {
            return Err(cut("a type is cut short"));
        }
        let (name_off, info, word) =
            (self.endian.u32(rest, 0), self.endian.u32(rest, 4), self.endian.u32(rest, 8));
        let number = (info >> 24) & 0x1f;
        let Some(kind) = Kind::from_number(number) else {
            return Err(cut(&format!("kind {number} is unknown (Linux 6.18 has 1 to 19)")));
        };
        let vlen = info & 0xffff;
        let tail = kind.tail(vlen as usize);
        let Some(tail) = rest.get(TYPE_LEN..TYPE_LEN + tail.count * tail.stride) else {
            return Err(cut(&format!("a {} is cut short", kind.name())));
        };
        Ok(Head { btf: self, kind, flag: info >> 31 == 1, vlen, name_off, word, tail })
    }

    fn check_strings(&self) -> Result<(), Error> {
        let strings = self.own_strings();
        let wrong = |offset, what| Err(Error::malformed(STRINGS, offset, what));
        match (strings.first(), strings.last()) {
            (None, _) if self.base.is_some() => Ok(()),
            (None, _) => wrong(0, "it is empty, even of the empty string"),
            (Some(first), _) if *first != 0 && self.base.is_none() => {
                wrong(0, "it does not begin with the empty string")
            }
            (_, Some(last)) if *last != 0 => {
                wrong(strings.len() - 1, "the last string has no end (NUL)")
            }
            _ => Ok(()),
        }
    }
}

struct Header {
    endian: Endian,
    types: Range<usize>,
    strings: Range<usize>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |offset, what: &str| Error::malformed(HEADER, offset, what);
        if bytes.len() < HEADER_LEN {
            return Err(wrong(bytes.len(), "cut short: it has 24 bytes"));
        }
        let endian = Endian::of_magic([bytes[0], bytes[1]])
            .ok_or_else(|| wrong(0, "this is not BTF: the magic number 0xeb9f is missing"))?;
        if bytes[2] != VERSION {
            return Err(wrong(2, &format!("version {} is unknown: there is 1", bytes[2])));
        }
        let length = endian.u32(bytes, 4) as usize;
        if !(HEADER_LEN..=bytes.len()).contains(&length) {
            return Err(wrong(4, &format!("a header of {length} bytes is impossible here")));
        }
        let section = |at: usize, name: &str| {
            let start = length.checked_add(endian.u32(bytes, at) as usize);
            let end = start.and_then(|start| start.checked_add(endian.u32(bytes, at + 4) as usize));
            match (start, end) {
                (Some(start), Some(end)) if end <= bytes.len() => Ok(start..end),
                _ => Err(wrong(at, &format!("the {name} section does not fit the data"))),
            }
        };
        let types = section(8, "type")?;
        let strings = section(16, "string")?;
        if endian.u32(bytes, 8) % 4 != 0 {
            return Err(wrong(8, "the type section is not aligned to 4 bytes"));
        }
        Ok(Self { endian, types, strings })
    }
}
