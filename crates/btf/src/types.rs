//! Views of single types: what a record says, decoded when asked for.
//!
//! A view borrows from its [`Btf`] and costs no allocation; members, parameters and enumerators are decoded
//! by their iterators, one at a time. Names are `""` where C has none (anonymous).

use crate::error::Error;
use crate::raw::{Btf, Endian, Head, Kind, TypeId};

/// One type.
#[derive(Debug, Clone, Copy)]
pub enum Type<'a> {
    /// `void`: type 0.
    Void,
    /// An integer.
    Int(Int<'a>),
    /// A pointer to a type.
    Ptr(TypeId),
    /// An array.
    Array {
        /// Of each element.
        element: TypeId,
        /// Of the index (always an int; C has no use for it).
        index: TypeId,
        /// How many elements; 0 also for a flexible array.
        len: u32,
    },
    /// A struct.
    Struct(Composite<'a>),
    /// A union.
    Union(Composite<'a>),
    /// An enum, of 32-bit or 64-bit record.
    Enum(Enum<'a>),
    /// A struct or union of which only the name is known.
    Fwd {
        /// Its tag.
        name: &'a str,
        /// Whether it is a union.
        is_union: bool,
    },
    /// Another name for a type.
    Typedef {
        /// The new name.
        name: &'a str,
        /// What it names.
        target: TypeId,
    },
    /// `volatile` of a type.
    Volatile(TypeId),
    /// `const` of a type.
    Const(TypeId),
    /// `restrict` of a (pointer) type.
    Restrict(TypeId),
    /// A function.
    Func {
        /// Its name.
        name: &'a str,
        /// Its function prototype.
        proto: TypeId,
        /// Who sees it.
        linkage: Linkage,
    },
    /// Return type and parameters.
    FuncProto(FuncProto<'a>),
    /// A variable.
    Var {
        /// Its name.
        name: &'a str,
        /// Its type.
        target: TypeId,
        /// Who sees it.
        linkage: Linkage,
    },
    /// An ELF section with its variables.
    DataSec {
        /// The section's name.
        name: &'a str,
        /// In bytes; compilers leave 0 for the loader to fill in.
        size: u32,
        /// What lies in it.
        vars: SectionVars<'a>,
    },
    /// A floating-point type.
    Float {
        /// Such as `double`.
        name: &'a str,
        /// In bytes.
        size: u32,
    },
    /// An annotation of a declaration.
    DeclTag {
        /// The annotation's text.
        name: &'a str,
        /// The struct, union, function, variable or typedef.
        target: TypeId,
        /// Which member or parameter, if not the whole.
        component: Option<u32>,
        /// Whether `name` is an attribute of its own, not the argument of `btf_decl_tag` (Linux 6.14).
        attribute: bool,
    },
    /// An annotation of a type (`__user`, `__rcu`).
    TypeTag {
        /// The annotation's text.
        name: &'a str,
        /// The type annotated.
        target: TypeId,
        /// Whether `name` is an attribute of its own, not the argument of `btf_type_tag` (Linux 6.14).
        attribute: bool,
    },
}

/// How an integer is meant (`BTF_INT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntEncoding {
    /// Unsigned, and `char` where compilers say no more.
    Unsigned,
    /// Signed.
    Signed,
    /// A character.
    Char,
    /// `_Bool`.
    Bool,
}

/// An integer type.
#[derive(Debug, Clone, Copy)]
pub struct Int<'a> {
    /// Such as `long unsigned int`.
    pub name: &'a str,
    /// In bytes.
    pub size: u32,
    /// How many bits count: fewer than `size` only for the bitfields of BTF before Linux 5.0.
    pub bits: u8,
    /// Where these bits begin.
    pub bit_offset: u8,
    /// Signed, bool, char or none of them.
    pub encoding: IntEncoding,
}

/// Who sees a function or variable (`BTF_FUNC_*`, `BTF_VAR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// Its own file.
    Static,
    /// Every file.
    Global,
    /// It is defined elsewhere.
    Extern,
}

impl Linkage {
    /// Numbers above 2 are unknown to Linux 6.18, which rejects them; we take them as global.
    fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Static,
            2 => Self::Extern,
            _ => Self::Global,
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Static => 0,
            Self::Global => 1,
            Self::Extern => 2,
        }
    }
}

/// A struct or a union.
#[derive(Debug, Clone, Copy)]
pub struct Composite<'a> {
    /// The tag.
    pub name: &'a str,
    /// In bytes.
    pub size: u32,
    members: Members<'a>,
}

impl<'a> Composite<'a> {
    /// The members, in order.
    pub fn members(&self) -> Members<'a> {
        self.members
    }
}

/// One member of a struct or union, as recorded; see [`Btf::field`] for where its value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// `""` for an anonymous struct or union, and for unnamed bits.
    pub name: &'a str,
    /// Its type.
    pub type_id: TypeId,
    /// Where it begins, in bits from the start of the struct.
    pub bit_offset: u32,
    /// Of a bitfield, how many bits.
    pub bitfield_size: Option<u8>,
}

/// An enum.
#[derive(Debug, Clone, Copy)]
pub struct Enum<'a> {
    /// The tag.
    pub name: &'a str,
    /// In bytes: 1, 2, 4 or 8.
    pub size: u32,
    /// Whether its values are signed. BTF before Linux 6.0 never says so.
    pub signed: bool,
    enumerators: Enumerators<'a>,
}

impl<'a> Enum<'a> {
    /// The names and values, in order.
    pub fn enumerators(&self) -> Enumerators<'a> {
        self.enumerators
    }
}

/// One name of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enumerator<'a> {
    /// The name.
    pub name: &'a str,
    /// The value: wide enough for all of `s64` and `u64`.
    pub value: i128,
}

/// What a function takes and returns.
#[derive(Debug, Clone, Copy)]
pub struct FuncProto<'a> {
    /// The type it returns, or `void`.
    pub ret: TypeId,
    /// Whether more arguments may follow (`...`).
    pub variadic: bool,
    params: Params<'a>,
}

impl<'a> FuncProto<'a> {
    /// The parameters, in order, less the `...`.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// `""` where the prototype has none.
    pub name: &'a str,
    /// Its type.
    pub type_id: TypeId,
}

/// One variable of an ELF section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionVar {
    /// The variable (or, for `.ksyms`, function).
    pub type_id: TypeId,
    /// Where it lies, in bytes.
    pub offset: u32,
    /// In bytes.
    pub size: u32,
}

/// The fixed-size records behind a type, and what is needed to read them.
#[derive(Clone, Copy)]
struct Records<'a, const STRIDE: usize> {
    btf: &'a Btf,
    rest: &'a [u8],
}

impl<'a, const STRIDE: usize> Records<'a, STRIDE> {
    fn new(head: &Head<'a>) -> Self {
        Self { btf: head.btf, rest: head.tail }
    }

    fn len(&self) -> usize {
        self.rest.len() / STRIDE
    }

    fn next(&mut self) -> Option<(&'a Btf, Endian, &'a [u8; STRIDE])> {
        let (record, rest) = self.rest.split_first_chunk::<STRIDE>()?;
        self.rest = rest;
        Some((self.btf, self.btf.endian(), record))
    }
}

macro_rules! records {
    ($(#[$doc:meta])* $iterator:ident -> $item:ty, $stride:literal,
     |$flags:ident: $flags_type:ty, $btf:ident, $endian:ident, $record:ident| $decode:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $iterator<'a> {
            records: Records<'a, $stride>,
            flags: $flags_type,
        }

        impl<'a> Iterator for $iterator<'a> {
            type Item = $item;

            fn next(&mut self) -> Option<Self::Item> {
                let $flags = self.flags;
                let ($btf, $endian, $record) = self.records.next()?;
                Some($decode)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.records.len(), Some(self.records.len()))
            }
        }

        impl ExactSizeIterator for $iterator<'_> {}

        impl std::fmt::Debug for $iterator<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_list().entries(*self).finish()
            }
        }
    };
}

records! {
    /// The members of a struct or union.
    Members -> Member<'a>, 12, |kind_flag: bool, btf, endian, record| {
        let (bit_offset, bits) = match (endian.u32(record, 8), kind_flag) {
            (word, true) => (word & 0xff_ffff, (word >> 24) as u8),
            (word, false) => (word, 0),
        };
        Member {
            name: btf.name_at(endian.u32(record, 0)),
            type_id: TypeId(endian.u32(record, 4)),
            bit_offset,
            bitfield_size: (bits != 0).then_some(bits),
        }
    }
}

records! {
    /// The parameters of a function.
    Params -> Param<'a>, 8, |_flags: (), btf, endian, record| Param {
        name: btf.name_at(endian.u32(record, 0)),
        type_id: TypeId(endian.u32(record, 4)),
    }
}

records! {
    /// The variables of a section.
    SectionVars -> SectionVar, 12, |_flags: (), _btf, endian, record| SectionVar {
        type_id: TypeId(endian.u32(record, 0)),
        offset: endian.u32(record, 4),
        size: endian.u32(record, 8),
    }
}

/// How the values of an enum are recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ValueForm {
    wide: bool,
    signed: bool,
}

impl ValueForm {
    fn value(self, low: u32, high: u32) -> i128 {
        let wide = u64::from(high) << 32 | u64::from(low);
        match (self.wide, self.signed) {
            (false, false) => low.into(),
            (false, true) => low.cast_signed().into(),
            (true, false) => wide.into(),
            (true, true) => wide.cast_signed().into(),
        }
    }
}

/// The names and values of an enum.
#[derive(Clone, Copy)]
pub struct Enumerators<'a> {
    btf: &'a Btf,
    rest: &'a [u8],
    form: ValueForm,
}

impl Enumerators<'_> {
    fn stride(&self) -> usize {
        if self.form.wide { 12 } else { 8 }
    }
}

impl<'a> Iterator for Enumerators<'a> {
    type Item = Enumerator<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (record, rest) = self.rest.split_at_checked(self.stride())?;
        self.rest = rest;
        let word = |at| self.btf.endian().u32(record, at);
        // A narrow record has no word at 8: it reads as 0 and is not looked at.
        Some(Enumerator {
            name: self.btf.name_at(word(0)),
            value: self.form.value(word(4), word(8)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.rest.len() / self.stride();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Enumerators<'_> {}

impl std::fmt::Debug for Enumerators<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl Btf {
    /// The type `id`.
    ///
    /// # Errors
    ///
    /// If there is none; never for an id that came from this BTF.
    pub fn get(&self, id: TypeId) -> Result<Type<'_>, Error> {
        if id == TypeId::VOID {
            return Ok(Type::Void);
        }
        Ok(Type::decode(&self.head(id)?))
    }

    /// Every type with its id, those of the base first; not `void`.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, Type<'_>)> {
        (1..self.type_count()).map(TypeId).filter_map(|id| Some((id, self.get(id).ok()?)))
    }
}

impl<'a> Type<'a> {
    fn decode(head: &Head<'a>) -> Self {
        let (name, target) = (head.name(), head.target());
        match head.kind {
            Kind::Int => Self::Int(Int::decode(head)),
            Kind::Ptr => Self::Ptr(target),
            Kind::Array => Self::Array {
                element: TypeId(head.tail_u32(0)),
                index: TypeId(head.tail_u32(4)),
                len: head.tail_u32(8),
            },
            Kind::Struct => Self::Struct(Composite::decode(head)),
            Kind::Union => Self::Union(Composite::decode(head)),
            Kind::Enum | Kind::Enum64 => Self::Enum(Enum::decode(head)),
            Kind::Fwd => Self::Fwd { name, is_union: head.flag },
            Kind::Typedef => Self::Typedef { name, target },
            Kind::Volatile => Self::Volatile(target),
            Kind::Const => Self::Const(target),
            Kind::Restrict => Self::Restrict(target),
            // A function has no records: its linkage stands where others keep their number.
            Kind::Func => {
                Self::Func { name, proto: target, linkage: Linkage::from_number(head.vlen) }
            }
            Kind::FuncProto => Self::FuncProto(FuncProto::decode(head)),
            Kind::Var => {
                Self::Var { name, target, linkage: Linkage::from_number(head.tail_u32(0)) }
            }
            Kind::DataSec => Self::DataSec {
                name,
                size: head.word,
                vars: SectionVars { records: Records::new(head), flags: () },
            },
            Kind::Float => Self::Float { name, size: head.word },
            Kind::DeclTag => Self::DeclTag {
                name,
                target,
                component: Some(head.tail_u32(0)).filter(|index| index.cast_signed() >= 0),
                attribute: head.flag,
            },
            Kind::TypeTag => Self::TypeTag { name, target, attribute: head.flag },
        }
    }

    /// Its kind; `None` for `void`.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Void => return None,
            Self::Int(_) => Kind::Int,
            Self::Ptr(_) => Kind::Ptr,
            Self::Array { .. } => Kind::Array,
            Self::Struct(_) => Kind::Struct,
            Self::Union(_) => Kind::Union,
            Self::Enum(view) if view.enumerators.form.wide => Kind::Enum64,
            Self::Enum(_) => Kind::Enum,
            Self::Fwd { .. } => Kind::Fwd,
            Self::Typedef { .. } => Kind::Typedef,
            Self::Volatile(_) => Kind::Volatile,
            Self::Const(_) => Kind::Const,
            Self::Restrict(_) => Kind::Restrict,
            Self::Func { .. } => Kind::Func,
            Self::FuncProto(_) => Kind::FuncProto,
            Self::Var { .. } => Kind::Var,
            Self::DataSec { .. } => Kind::DataSec,
            Self::Float { .. } => Kind::Float,
            Self::DeclTag { .. } => Kind::DeclTag,
            Self::TypeTag { .. } => Kind::TypeTag,
        })
    }

    /// Its name; `""` where the kind has none or C gives none.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Int(int) => int.name,
            Self::Struct(composite) | Self::Union(composite) => composite.name,
            Self::Enum(view) => view.name,
            Self::Fwd { name, .. }
            | Self::Typedef { name, .. }
            | Self::Func { name, .. }
            | Self::Var { name, .. }
            | Self::DataSec { name, .. }
            | Self::Float { name, .. }
            | Self::DeclTag { name, .. }
            | Self::TypeTag { name, .. } => name,
            Self::Void
            | Self::Ptr(_)
            | Self::Array { .. }
            | Self::Volatile(_)
            | Self::Const(_)
            | Self::Restrict(_)
            | Self::FuncProto(_) => "",
        }
    }
}

impl<'a> Int<'a> {
    pub(crate) fn decode(head: &Head<'a>) -> Self {
        let word = head.tail_u32(0);
        // Flags by the kernel's word, but it accepts at most one of them.
        let encoding = match (word >> 24) & 0xf {
            flags if flags & 1 != 0 => IntEncoding::Signed,
            flags if flags & 4 != 0 => IntEncoding::Bool,
            flags if flags & 2 != 0 => IntEncoding::Char,
            _ => IntEncoding::Unsigned,
        };
        Self {
            name: head.name(),
            size: head.word,
            bits: word as u8,
            bit_offset: (word >> 16) as u8,
            encoding,
        }
    }
}

impl<'a> Composite<'a> {
    fn decode(head: &Head<'a>) -> Self {
        Self {
            name: head.name(),
            size: head.word,
            members: Members { records: Records::new(head), flags: head.flag },
        }
    }
}

impl<'a> Enum<'a> {
    fn decode(head: &Head<'a>) -> Self {
        let form = ValueForm { wide: head.kind == Kind::Enum64, signed: head.flag };
        Self {
            name: head.name(),
            size: head.word,
            signed: head.flag,
            enumerators: Enumerators { btf: head.btf, rest: head.tail, form },
        }
    }
}

impl<'a> FuncProto<'a> {
    fn decode(head: &Head<'a>) -> Self {
        // A last parameter with neither name nor type is the `...`.
        let (rest, variadic) = match head.tail.split_last_chunk::<8>() {
            Some((rest, [0, 0, 0, 0, 0, 0, 0, 0])) => (rest, true),
            _ => (head.tail, false),
        };
        let records = Records { btf: head.btf, rest };
        Self { ret: head.target(), variadic, params: Params { records, flags: () } }
    }
}
