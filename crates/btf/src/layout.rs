//! Sizes, alignments and fields: how values of a type lie in memory.
//!
//! Types may refer to each other in circles, which C does not allow and hostile BTF does: every walk here has
//! a bounded number of steps, or remembers where it has been. The kernel's own bound is 32 (`MAX_RESOLVE_DEPTH`
//! in `kernel/bpf/btf.c`).

use std::collections::{HashMap, HashSet, VecDeque};

use crate::error::Error;
use crate::raw::{Btf, Kind, TypeId};
use crate::types::{Composite, Member, Type};

/// How many types may be nested in each other, as in the kernel.
pub(crate) const MAX_DEPTH: u32 = 32;

/// Where a field of a struct lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type, typedefs and qualifiers and all.
    pub type_id: TypeId,
    /// From the start of the struct, in bits.
    pub bit_offset: u32,
    /// Of a bitfield, how many bits.
    pub bitfield_size: Option<u8>,
}

impl Field<'_> {
    /// From the start of the struct, in bytes; of a bitfield, the byte in which it begins.
    pub fn byte_offset(&self) -> u32 {
        self.bit_offset / 8
    }
}

impl Btf {
    /// The type behind typedefs, `const`, `volatile`, `restrict` and type tags.
    ///
    /// # Errors
    ///
    /// If there are more than 32 of them, as in a circle; or no such type.
    pub fn resolve(&self, id: TypeId) -> Result<TypeId, Error> {
        let mut at = id;
        for _ in 0..=MAX_DEPTH {
            if at == TypeId::VOID {
                return Ok(at);
            }
            let head = self.head(at)?;
            match head.kind {
                Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                    at = head.target();
                }
                _ => return Ok(at),
            }
        }
        Err(Error::too_deep(id))
    }

    /// What [`Btf::resolve`] finds, decoded.
    ///
    /// # Errors
    ///
    /// As [`Btf::resolve`].
    pub fn resolved(&self, id: TypeId) -> Result<Type<'_>, Error> {
        self.get(self.resolve(id)?)
    }

    /// The size of a value of this type, in bytes (of a variable, of its type).
    ///
    /// # Errors
    ///
    /// If it has none (`void`, functions, forward declarations), if no machine could hold it, or if it
    /// contains itself.
    pub fn size_of(&self, id: TypeId) -> Result<u64, Error> {
        let mut count = 1u64;
        let mut at = id;
        for _ in 0..=MAX_DEPTH {
            let size = match self.resolved(at)? {
                Type::Array { element, len, .. } => {
                    let total = count.checked_mul(len.into());
                    count = total.ok_or_else(|| Error::too_large(id, "its size"))?;
                    at = element;
                    continue;
                }
                Type::Var { target, .. } => {
                    at = target;
                    continue;
                }
                Type::Int(int) => int.size,
                Type::Ptr(_) => self.pointer_size(),
                Type::Struct(composite) | Type::Union(composite) => composite.size,
                Type::Enum(view) => view.size,
                Type::DataSec { size, .. } | Type::Float { size, .. } => size,
                other => return Err(Error::wrong_kind(id, "a type with a size", other.kind())),
            };
            return count.checked_mul(size.into()).ok_or_else(|| Error::too_large(id, "its size"));
        }
        Err(Error::too_deep(id))
    }

    /// The alignment of a value of this type, in bytes: the natural one, or 1 for a struct whose members
    /// show that it is packed. BTF does not record an alignment that was asked for.
    ///
    /// # Errors
    ///
    /// As [`Btf::size_of`].
    pub fn align_of(&self, id: TypeId) -> Result<u64, Error> {
        Alignments::new(self).of(id, 0)
    }

    /// Of a pointer, in bytes. BTF does not say; the size of `long` tells, as it does libbpf; else it is 8.
    pub fn pointer_size(&self) -> u32 {
        let mut lowest = self;
        while let Some(base) = lowest.base() {
            lowest = base;
        }
        *lowest.pointer_size.get_or_init(|| {
            const LONG: [&str; 4] = ["long int", "long unsigned int", "long", "unsigned long"];
            lowest
                .own_heads(&[Kind::Int])
                .find(|(_, head)| matches!(head.word, 4 | 8) && LONG.contains(&head.name()))
                .map_or(8, |(_, head)| head.word)
        })
    }

    /// The struct or union that `id` is, behind typedefs and qualifiers.
    ///
    /// # Errors
    ///
    /// If it is another kind.
    pub fn composite(&self, id: TypeId) -> Result<Composite<'_>, Error> {
        match self.resolved(id)? {
            Type::Struct(composite) | Type::Union(composite) => Ok(composite),
            other => Err(Error::wrong_kind(id, "a struct or union", other.kind())),
        }
    }

    /// The element type and length of the array that `id` is, behind typedefs and qualifiers.
    ///
    /// # Errors
    ///
    /// If it is another kind.
    pub fn array(&self, id: TypeId) -> Result<(TypeId, u32), Error> {
        match self.resolved(id)? {
            Type::Array { element, len, .. } => Ok((element, len)),
            other => Err(Error::wrong_kind(id, "an array", other.kind())),
        }
    }

    /// The field `name` of the struct or union `id`, also one of its anonymous structs and unions.
    ///
    /// # Errors
    ///
    /// If `id` is not a struct or union; that it has no such field is `None`.
    pub fn member(&self, id: TypeId, name: &str) -> Result<Option<Field<'_>>, Error> {
        self.find_field(id, |field| field.name == name)
    }

    /// Every field that can be named in the struct or union `id`: its own, then those of its anonymous
    /// members, level by level.
    ///
    /// # Errors
    ///
    /// As [`Btf::member`].
    pub fn fields(&self, id: TypeId) -> Result<Vec<Field<'_>>, Error> {
        let mut fields = Vec::new();
        self.find_field(id, |field| {
            fields.push(*field);
            false
        })?;
        Ok(fields)
    }

    /// Where a member's value lies: as recorded, or, in BTF of before Linux 5.0, as the integer type says
    /// of which some bits only are used.
    ///
    /// # Errors
    ///
    /// If the member's type is a circle.
    pub fn field<'a>(&'a self, member: &Member<'a>) -> Result<Field<'a>, Error> {
        let Member { name, type_id, mut bit_offset, mut bitfield_size } = *member;
        if bitfield_size.is_none()
            && let Type::Int(int) = self.resolved(type_id)?
            && (u32::from(int.bits) != int.size.saturating_mul(8) || int.bit_offset != 0)
        {
            bit_offset = bit_offset.saturating_add(int.bit_offset.into());
            bitfield_size = Some(int.bits);
        }
        Ok(Field { name, type_id, bit_offset, bitfield_size })
    }

    /// The first named field that is `wanted`. Each anonymous struct is looked into once, so that neither
    /// a circle nor the many paths of a nest of them cost more than the types' own length.
    fn find_field<'a>(
        &'a self,
        id: TypeId,
        mut wanted: impl FnMut(&Field<'a>) -> bool,
    ) -> Result<Option<Field<'a>>, Error> {
        self.composite(id)?;
        let mut seen = HashSet::new();
        let mut rest = VecDeque::from([(self.resolve(id)?, 0u32)]);
        while let Some((outer, start)) = rest.pop_front() {
            for member in self.composite(outer)?.members() {
                let mut field = self.field(&member)?;
                let offset = start.checked_add(field.bit_offset);
                field.bit_offset = offset.ok_or_else(|| Error::too_large(id, "an offset in it"))?;
                if !member.name.is_empty() {
                    if wanted(&field) {
                        return Ok(Some(field));
                    }
                    continue;
                }
                let inner = self.resolve(member.type_id)?;
                let is_composite =
                    matches!(self.get(inner)?.kind(), Some(Kind::Struct | Kind::Union));
                if is_composite && seen.insert(inner) {
                    rest.push_back((inner, field.bit_offset));
                }
            }
        }
        Ok(None)
    }
}

/// The alignments of one query, each type's computed once however many paths lead to it.
pub(crate) struct Alignments<'a> {
    btf: &'a Btf,
    known: HashMap<TypeId, u64>,
}

impl<'a> Alignments<'a> {
    pub(crate) fn new(btf: &'a Btf) -> Self {
        Self { btf, known: HashMap::new() }
    }

    fn of(&mut self, id: TypeId, depth: u32) -> Result<u64, Error> {
        let id = self.btf.resolve(id)?;
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        if depth > MAX_DEPTH {
            return Err(Error::too_deep(id));
        }
        let pointer = u64::from(self.btf.pointer_size());
        let align = match self.btf.get(id)? {
            Type::Int(int) => u64::from(int.size.max(1)),
            Type::Ptr(_) => pointer,
            Type::Enum(view) => u64::from(view.size.max(1)).min(pointer),
            Type::Float { size, .. } => u64::from(size.max(1)).min(pointer),
            Type::Array { element, .. } => self.of(element, depth + 1)?,
            Type::Var { target, .. } => self.of(target, depth + 1)?,
            Type::Struct(composite) | Type::Union(composite) => {
                if self.packed(&composite, depth)? {
                    1
                } else {
                    self.largest(&composite, depth)?
                }
            }
            other => return Err(Error::wrong_kind(id, "a type with a size", other.kind())),
        };
        self.known.insert(id, align);
        Ok(align)
    }

    fn largest(&mut self, composite: &Composite<'_>, depth: u32) -> Result<u64, Error> {
        let mut largest = 1;
        for member in composite.members() {
            largest = largest.max(self.of(member.type_id, depth + 1)?);
        }
        Ok(largest)
    }

    /// Whether some member, or the size, is not where natural alignment would put it.
    fn packed(&mut self, composite: &Composite<'_>, depth: u32) -> Result<bool, Error> {
        for member in composite.members() {
            let align = self.of(member.type_id, depth + 1)?;
            let aligned = u64::from(member.bit_offset).is_multiple_of(align * 8);
            if !aligned && self.btf.field(&member)?.bitfield_size.is_none() {
                return Ok(true);
            }
        }
        let largest = self.largest(composite, depth)?;
        Ok(!u64::from(composite.size).is_multiple_of(largest))
    }

    /// Whether C needs `__attribute__((packed))` to lay the struct out so.
    pub(crate) fn is_packed(&mut self, composite: &Composite<'_>) -> Result<bool, Error> {
        self.packed(composite, 0)
    }
}
