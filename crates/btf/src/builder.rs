//! Making BTF: what a compiler sends to the kernel with its programs.
//!
//! Strings are stored once. Types that are the same wherever they stand (integers, pointers, arrays, qualifiers,
//! typedefs, prototypes) are stored once too: adding one again gives the id of the first. Structs, unions,
//! enums, functions, variables and sections are new each time.
//!
//! A type may refer to one that is not added yet: [`BtfBuilder::next_id`] says which id a struct will get.
//! Mistakes (a name with a NUL, too many members, a type that was never added) are kept and reported by
//! [`BtfBuilder::finish`], so that adding gives plain ids.

use std::collections::HashMap;

use crate::error::Error;
use crate::raw::{Btf, Endian, HEADER_LEN, Kind, MAGIC, TypeId, VERSION};
use crate::types::{Enumerator, IntEncoding, Linkage, Member, Param, SectionVar};

/// The most records a type can have (`BTF_MAX_VLEN`).
const MAX_VLEN: usize = 0xffff;
/// The furthest a bitfield, or a member beside one, can be.
const MAX_BITFIELD_OFFSET: u32 = 0xff_ffff;

/// Builds the contents of a `.BTF` section.
#[derive(Debug, Clone)]
pub struct BtfBuilder {
    endian: Endian,
    first_id: u32,
    first_string: u32,
    count: u32,
    types: Vec<u8>,
    strings: Vec<u8>,
    string_offsets: HashMap<String, u32>,
    reusable: HashMap<Vec<u8>, TypeId>,
    highest: TypeId,
    error: Option<Error>,
}

impl Default for BtfBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BtfBuilder {
    /// For this machine.
    pub fn new() -> Self {
        Self::with_endian(Endian::NATIVE)
    }

    /// For a machine of this byte order.
    pub fn with_endian(endian: Endian) -> Self {
        let mut builder = Self {
            endian,
            first_id: 1,
            first_string: 0,
            count: 0,
            types: Vec::new(),
            strings: Vec::new(),
            string_offsets: HashMap::new(),
            reusable: HashMap::new(),
            highest: TypeId::VOID,
            error: None,
        };
        builder.add_string("");
        builder
    }

    /// On top of `base`, whose types it may refer to: to be read with that base again.
    pub fn with_base(base: &Btf) -> Self {
        let mut builder = Self::with_endian(base.endian());
        builder.first_id = base.type_count();
        builder.first_string = base.strings_end();
        builder.strings.clear();
        builder
    }

    /// The id that the next type gets, if it is not one that was added before.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.first_id + self.count)
    }

    /// The offset of `string`, such as a file name or a line of source for [`crate::LineInfo`].
    pub fn add_string(&mut self, string: &str) -> u32 {
        if let Some(offset) = self.string_offsets.get(string) {
            return *offset;
        }
        if string.contains('\0') {
            self.fail(|| format!("the string {string:?} has a NUL in it"));
            return 0;
        }
        let offset = self.first_string as usize + self.strings.len();
        let Ok(offset) = u32::try_from(offset) else {
            self.fail(|| "the strings are larger than 4 GiB".to_owned());
            return 0;
        };
        self.strings.extend_from_slice(string.as_bytes());
        self.strings.push(0);
        self.string_offsets.insert(string.to_owned(), offset);
        offset
    }

    /// An integer type of `size` bytes.
    pub fn add_int(&mut self, name: &str, size: u8, encoding: IntEncoding) -> TypeId {
        if !matches!(size, 1 | 2 | 4 | 8 | 16) {
            self.fail(|| format!("int {name} of {size} bytes: there are 1, 2, 4, 8 and 16"));
        }
        let flags = match encoding {
            IntEncoding::Unsigned => 0,
            IntEncoding::Signed => 1,
            IntEncoding::Char => 2,
            IntEncoding::Bool => 4,
        };
        let bits = u32::from(size).saturating_mul(8);
        self.record(Kind::Int, name, 0, size.into()).words(&[flags << 24 | bits & 0xff]).reuse()
    }

    /// A floating-point type of `size` bytes.
    pub fn add_float(&mut self, name: &str, size: u8) -> TypeId {
        self.record(Kind::Float, name, 0, size.into()).reuse()
    }

    /// A pointer.
    pub fn add_ptr(&mut self, target: TypeId) -> TypeId {
        self.reference(Kind::Ptr, "", target).reuse()
    }

    /// An array of `len` elements; `index` is an int type.
    pub fn add_array(&mut self, element: TypeId, index: TypeId, len: u32) -> TypeId {
        self.record(Kind::Array, "", 0, 0).types(&[element, index]).words(&[len]).reuse()
    }

    /// `const`.
    pub fn add_const(&mut self, target: TypeId) -> TypeId {
        self.reference(Kind::Const, "", target).reuse()
    }

    /// `volatile`.
    pub fn add_volatile(&mut self, target: TypeId) -> TypeId {
        self.reference(Kind::Volatile, "", target).reuse()
    }

    /// `restrict`.
    pub fn add_restrict(&mut self, target: TypeId) -> TypeId {
        self.reference(Kind::Restrict, "", target).reuse()
    }

    /// A typedef.
    pub fn add_typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        self.reference(Kind::Typedef, name, target).reuse()
    }

    /// An annotation of a type.
    pub fn add_type_tag(&mut self, tag: &str, target: TypeId) -> TypeId {
        self.reference(Kind::TypeTag, tag, target).reuse()
    }

    /// An annotation of a declaration, or of its member or parameter `component`.
    pub fn add_decl_tag(&mut self, tag: &str, target: TypeId, component: Option<u32>) -> TypeId {
        let component = component.unwrap_or(u32::MAX);
        self.reference(Kind::DeclTag, tag, target).words(&[component]).reuse()
    }

    /// A struct or union of which only the name is known.
    pub fn add_fwd(&mut self, name: &str, is_union: bool) -> TypeId {
        self.record(Kind::Fwd, name, 0, 0).flag(is_union).reuse()
    }

    /// A struct of `size` bytes.
    pub fn add_struct(&mut self, name: &str, size: u32, members: &[Member<'_>]) -> TypeId {
        self.add_composite(Kind::Struct, name, size, members)
    }

    /// A union of `size` bytes.
    pub fn add_union(&mut self, name: &str, size: u32, members: &[Member<'_>]) -> TypeId {
        self.add_composite(Kind::Union, name, size, members)
    }

    /// An enum of 1, 2, 4 or 8 bytes. (One of 8 needs Linux 6.0.)
    pub fn add_enum(
        &mut self,
        name: &str,
        size: u8,
        signed: bool,
        enumerators: &[Enumerator<'_>],
    ) -> TypeId {
        let wide = size == 8;
        let kind = if wide { Kind::Enum64 } else { Kind::Enum };
        let names = self.names(enumerators.iter().map(|enumerator| enumerator.name));
        for enumerator in enumerators {
            if !fits(enumerator.value, size, signed) {
                let Enumerator { name, value } = enumerator;
                self.fail(|| format!("enumerator {name} = {value} does not fit {size} bytes"));
            }
        }
        let mut record = self.record(kind, name, enumerators.len(), size.into()).flag(signed);
        for (name, enumerator) in names.iter().zip(enumerators) {
            let value = enumerator.value as u64;
            record = record.words(&[*name, value as u32]);
            if wide {
                record = record.words(&[(value >> 32) as u32]);
            }
        }
        record.add()
    }

    /// The return type and parameters of a function.
    pub fn add_func_proto(&mut self, ret: TypeId, params: &[Param<'_>], variadic: bool) -> TypeId {
        let names = self.names(params.iter().map(|param| param.name));
        let count = params.len() + usize::from(variadic);
        let mut record = self.record(Kind::FuncProto, "", count, ret.0).refer(ret);
        for (name, param) in names.iter().zip(params) {
            record = record.words(&[*name]).types(&[param.type_id]);
        }
        if variadic {
            record = record.words(&[0, 0]);
        }
        record.reuse()
    }

    /// A function with the prototype `proto`.
    pub fn add_func(&mut self, name: &str, proto: TypeId, linkage: Linkage) -> TypeId {
        self.record(Kind::Func, name, linkage.number() as usize, proto.0).refer(proto).add()
    }

    /// A variable.
    pub fn add_var(&mut self, name: &str, target: TypeId, linkage: Linkage) -> TypeId {
        self.reference(Kind::Var, name, target).words(&[linkage.number()]).add()
    }

    /// An ELF section (`.data`, `.maps`) with its variables, by ascending offset.
    pub fn add_datasec(&mut self, name: &str, size: u32, vars: &[SectionVar]) -> TypeId {
        let mut record = self.record(Kind::DataSec, name, vars.len(), size);
        for var in vars {
            record = record.types(&[var.type_id]).words(&[var.offset, var.size]);
        }
        record.add()
    }

    /// The section's bytes.
    ///
    /// # Errors
    ///
    /// The first mistake that was made in adding; or that a type is referred to and was never added.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let next = self.first_id + self.count;
        if self.highest.0 >= next {
            let what = format!("type {} is referred to but was never added", self.highest);
            return Err(Error::build(what));
        }
        let length = |bytes: &Vec<u8>| {
            u32::try_from(bytes.len()).map_err(|_| Error::build("there is more than 4 GiB of it"))
        };
        let (types, strings) = (length(&self.types)?, length(&self.strings)?);
        let mut out = Vec::with_capacity(HEADER_LEN + self.types.len() + self.strings.len());
        self.endian.put_u16(&mut out, MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        for word in [HEADER_LEN as u32, 0, types, types, strings] {
            self.endian.put_u32(&mut out, word);
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        Ok(out)
    }

    fn add_composite(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: &[Member<'_>],
    ) -> TypeId {
        let names = self.names(members.iter().map(|member| member.name));
        let bitfields = members.iter().any(|member| member.bitfield_size.is_some());
        let furthest = members.iter().map(|member| member.bit_offset).max().unwrap_or(0);
        if bitfields && furthest > MAX_BITFIELD_OFFSET {
            self.fail(|| format!("struct {name} has bitfields and a member at bit {furthest}"));
        }
        let mut record = self.record(kind, name, members.len(), size).flag(bitfields);
        for (name, member) in names.iter().zip(members) {
            let bits = u32::from(member.bitfield_size.unwrap_or(0));
            let offset = bits << 24 | member.bit_offset;
            record = record.words(&[*name]).types(&[member.type_id]).words(&[offset]);
        }
        record.add()
    }

    fn names<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Vec<u32> {
        names.map(|name| self.add_string(name)).collect()
    }

    fn reference(&mut self, kind: Kind, name: &str, target: TypeId) -> Record<'_> {
        self.record(kind, name, 0, target.0).refer(target)
    }

    fn record(&mut self, kind: Kind, name: &str, vlen: usize, word: u32) -> Record<'_> {
        let name_off = self.add_string(name);
        if vlen > MAX_VLEN {
            self.fail(|| format!("{} {name} has {vlen} parts: at most 65535", kind.name()));
        }
        let info = (kind as u32) << 24 | (vlen & MAX_VLEN) as u32;
        Record { builder: self, bytes: Vec::new(), info }.start(name_off, word)
    }

    fn fail(&mut self, what: impl FnOnce() -> String) {
        self.error.get_or_insert_with(|| Error::build(what()));
    }
}

/// Whether an enum of `size` bytes can hold `value`.
fn fits(value: i128, size: u8, signed: bool) -> bool {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return false;
    }
    let bits = u32::from(size) * 8;
    let range = if signed { -(1i128 << (bits - 1))..1 << (bits - 1) } else { 0..1 << bits };
    range.contains(&value)
}

/// A type that is being written.
struct Record<'b> {
    builder: &'b mut BtfBuilder,
    bytes: Vec<u8>,
    info: u32,
}

impl Record<'_> {
    fn start(self, name_off: u32, word: u32) -> Self {
        let info = self.info;
        self.words(&[name_off, info, word])
    }

    fn words(mut self, words: &[u32]) -> Self {
        for word in words {
            self.builder.endian.put_u32(&mut self.bytes, *word);
        }
        self
    }

    fn types(mut self, types: &[TypeId]) -> Self {
        for id in types {
            self.builder.endian.put_u32(&mut self.bytes, id.0);
            self.builder.highest = self.builder.highest.max(*id);
        }
        self
    }

    /// Notes a type that stands in the fixed part.
    fn refer(self, id: TypeId) -> Self {
        self.builder.highest = self.builder.highest.max(id);
        self
    }

    fn flag(mut self, flag: bool) -> Self {
        self.info |= u32::from(flag) << 31;
        let mut info = Vec::with_capacity(4);
        self.builder.endian.put_u32(&mut info, self.info);
        self.bytes[4..8].copy_from_slice(&info);
        self
    }

    /// As a new type.
    fn add(self) -> TypeId {
        let id = self.builder.next_id();
        self.builder.types.extend_from_slice(&self.bytes);
        self.builder.count += 1;
        id
    }

    /// As the type that was added with the same bytes, or else a new one.
    fn reuse(self) -> TypeId {
        if let Some(id) = self.builder.reusable.get(&self.bytes) {
            return *id;
        }
        let id = self.builder.next_id();
        self.builder.reusable.insert(self.bytes.clone(), id);
        self.add()
    }
}
