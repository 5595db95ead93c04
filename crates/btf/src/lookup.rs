//! Looking types up by name.
//!
//! The first lookups scan the records in order, comparing bytes: for the handful of names that a one-liner
//! mentions, that is cheaper than any index. Who asks more often gets an index of all names, built once
//! and kept (measured on a kernel's 126,000 types, see `examples/measure.rs`). Base types come before
//! own ones, lower ids before higher.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;
use crate::raw::{Btf, Head, Kind, TypeId};
use crate::types::{Enumerator, FuncProto, Param, Type};

/// How many times all types may be scanned, by one lookup or many, before the index is made: it takes as
/// long as four or five scans for a function that is not there.
const SCANS: usize = 4;

/// Which functions of the kernel carry the parameters of a raw tracepoint with their names, in order of
/// preference: `__probestub_` is since Linux 6.4 (`include/linux/tracepoint.h`).
const TRACEPOINT_STUBS: [&str; 2] = ["__probestub_", "__traceiter_"];

/// The names of one layer: nothing at first, an index once it pays.
#[derive(Default)]
pub(crate) struct NameIndex {
    /// How many types lookups have passed.
    scanned: AtomicUsize,
    /// Hash of the name (high half) and index of the type (low half), sorted.
    sorted: OnceLock<Vec<u64>>,
}

/// A function with its prototype.
#[derive(Debug, Clone, Copy)]
pub struct Function<'a> {
    /// Of the function itself (which `fentry` and kfunc calls want).
    pub id: TypeId,
    /// Its name.
    pub name: &'a str,
    /// What it takes and returns.
    pub proto: FuncProto<'a>,
}

/// What a raw tracepoint passes to its programs.
#[derive(Debug, Clone)]
pub struct RawTracepoint<'a> {
    /// The typedef `btf_trace_NAME`, which the kernel wants of a `tp_btf` program.
    pub id: TypeId,
    /// The arguments, less the tracepoint's own first. Names are `""` where the kernel tells none.
    pub params: Vec<Param<'a>>,
}

impl Btf {
    /// The type of this kind and name.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.find_any(name, &[kind])
    }

    /// The struct or union `name`.
    pub fn find_struct_or_union(&self, name: &str) -> Option<TypeId> {
        self.find_any(name, &[Kind::Struct, Kind::Union])
    }

    /// The typedef `name`.
    pub fn find_typedef(&self, name: &str) -> Option<TypeId> {
        self.find(name, Kind::Typedef)
    }

    /// The first type of this name that is one of `kinds`.
    pub fn find_any(&self, name: &str, kinds: &[Kind]) -> Option<TypeId> {
        if name.is_empty() {
            return None;
        }
        let in_base = self.base().and_then(|base| base.find_any(name, kinds));
        in_base.or_else(|| self.find_own(name, kinds))
    }

    /// The function `name`.
    ///
    /// # Errors
    ///
    /// If its prototype is none.
    pub fn find_func(&self, name: &str) -> Result<Option<Function<'_>>, Error> {
        let Some(id) = self.find(name, Kind::Func) else { return Ok(None) };
        Ok(Some(Function { id, name: self.head(id)?.name(), proto: self.func_proto(id)? }))
    }

    /// The prototype behind a function, a variable or typedef of one, and pointers to it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn func_proto(&self, id: TypeId) -> Result<FuncProto<'_>, Error> {
        let mut at = id;
        // Function, pointer to it, prototype: more steps are a circle.
        for _ in 0..8 {
            at = match self.resolved(at)? {
                Type::FuncProto(proto) => return Ok(proto),
                Type::Func { proto, .. } => proto,
                Type::Ptr(target) | Type::Var { target, .. } => target,
                other => {
                    let wanted = "a function or a pointer to one";
                    return Err(Error::wrong_kind(id, wanted, other.kind()));
                }
            };
        }
        Err(Error::too_deep(id))
    }

    /// What the raw tracepoint `name` (`sched_switch`) passes.
    ///
    /// # Errors
    ///
    /// If the types that describe it are not functions.
    pub fn raw_tracepoint(&self, name: &str) -> Result<Option<RawTracepoint<'_>>, Error> {
        let Some(id) = self.find_typedef(&format!("btf_trace_{name}")) else { return Ok(None) };
        let mut params: Vec<_> = self.func_proto(id)?.params().skip(1).collect();
        // A prototype behind a typedef has no names; a stub of the same parameters has.
        for stub in TRACEPOINT_STUBS {
            let Some(stub) = self.find_func(&format!("{stub}{name}"))? else { continue };
            let named: Vec<_> = stub.proto.params().skip(1).collect();
            let same_types = |(a, b): (&Param<'_>, &Param<'_>)| a.type_id == b.type_id;
            if named.len() == params.len() && named.iter().zip(&params).all(same_types) {
                params = named;
                break;
            }
        }
        Ok(Some(RawTracepoint { id, params }))
    }

    /// The names of the kernel's raw tracepoints, in order of their types.
    pub fn raw_tracepoints(&self) -> impl Iterator<Item = &str> {
        self.names(&[Kind::Typedef]).filter_map(|(_, name)| name.strip_prefix("btf_trace_"))
    }

    /// The enumerator `name`, with its enum.
    pub fn find_enumerator(&self, name: &str) -> Option<(i128, TypeId)> {
        let in_base = self.base().and_then(|base| base.find_enumerator(name));
        in_base.or_else(|| {
            let needle = needle(name)?;
            self.own_heads(&[Kind::Enum, Kind::Enum64]).find_map(|(id, head)| {
                let stride = if head.kind == Kind::Enum { 8 } else { 12 };
                let index = head
                    .tail
                    .chunks_exact(stride)
                    .position(|record| self.is_named(self.endian().u32(record, 0), &needle))?;
                let Ok(Type::Enum(view)) = self.get(id) else { return None };
                let Enumerator { value, .. } = view.enumerators().nth(index)?;
                Some((value, id))
            })
        })
    }

    /// Every named type of these kinds, those of the base first: functions for a wildcard, structs for a
    /// listing. A name can come more than once (`static` functions of several files).
    pub fn names<'a>(&'a self, kinds: &[Kind]) -> impl Iterator<Item = (TypeId, &'a str)> {
        let kinds = kinds.to_vec();
        let mut layers = vec![self];
        while let Some(base) = layers.last().and_then(|layer| layer.base()) {
            layers.push(base);
        }
        layers
            .into_iter()
            .rev()
            .flat_map(move |layer| layer.own_heads(&kinds).map(|(id, head)| (id, head.name())))
            .filter(|(_, name)| !name.is_empty())
    }

    /// The heads of this layer's types of these kinds.
    pub(crate) fn own_heads<'a>(
        &'a self,
        kinds: &[Kind],
    ) -> impl Iterator<Item = (TypeId, Head<'a>)> + use<'a> {
        let wanted = kinds.iter().fold(0u32, |mask, kind| mask | 1 << *kind as u32);
        let first = self.first_own_id().0;
        let (types, endian) = (self.own_types(), self.endian());
        self.own_offsets()
            .iter()
            .enumerate()
            .filter(move |(_, offset)| {
                let info = endian.u32(types, **offset as usize + 4);
                wanted & 1 << ((info >> 24) & 0x1f) != 0
            })
            .filter_map(move |(index, _)| {
                let id = TypeId(first + index as u32);
                Some((id, self.head(id).ok()?))
            })
    }

    fn find_own(&self, name: &str, kinds: &[Kind]) -> Option<TypeId> {
        let needle = needle(name)?;
        let (index, count) = (&self.names, self.own_offsets().len());
        let pays = index.scanned.load(Ordering::Relaxed) >= SCANS.saturating_mul(count);
        if index.sorted.get().is_none() && !pays {
            let found = self.scan(&needle, kinds);
            let passed = found.map_or(count, |id| (id.0 - self.first_own_id().0) as usize);
            index.scanned.fetch_add(passed, Ordering::Relaxed);
            return found;
        }
        let sorted = index.sorted.get_or_init(|| self.sort_names());
        let hash = u64::from(hash(name.as_bytes())) << 32;
        let start = sorted.partition_point(|entry| *entry < hash);
        sorted[start..]
            .iter()
            .take_while(|entry| **entry >> 32 == hash >> 32)
            .map(|entry| TypeId(self.first_own_id().0 + *entry as u32))
            .find(|id| {
                self.head(*id).is_ok_and(|head| {
                    kinds.contains(&head.kind) && self.is_named(head.name_off, &needle)
                })
            })
    }

    fn scan(&self, needle: &[u8], kinds: &[Kind]) -> Option<TypeId> {
        self.own_heads(kinds)
            .find(|(_, head)| self.is_named(head.name_off, needle))
            .map(|(id, _)| id)
    }

    fn sort_names(&self) -> Vec<u64> {
        let (types, endian) = (self.own_types(), self.endian());
        let mut sorted = Vec::new();
        for (index, offset) in self.own_offsets().iter().enumerate() {
            let name_off = endian.u32(types, *offset as usize);
            if name_off != 0
                && let Some(name) = self.string_bytes(name_off)
            {
                sorted.push(u64::from(hash(name)) << 32 | index as u64);
            }
        }
        sorted.sort_unstable();
        sorted
    }

    /// Whether the name at `offset` is `needle`, which ends in NUL. Does not look for the end of the name.
    fn is_named(&self, offset: u32, needle: &[u8]) -> bool {
        let mut layer = self;
        while offset < layer.own_string_base()
            && let Some(base) = layer.base()
        {
            layer = base;
        }
        let at = (offset - layer.own_string_base()) as usize;
        layer.own_strings().get(at..).is_some_and(|rest| rest.starts_with(needle))
    }
}

/// `name` as the string section has it. None if it cannot be there.
fn needle(name: &str) -> Option<Vec<u8>> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    Some([name.as_bytes(), &[0]].concat())
}

/// Eight bytes a step, a multiplication each: names are short, and who makes them collide only makes the
/// lookup of these names a scan.
fn hash(name: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = name.len() as u64;
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(29) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    (hash >> 32) as u32
}
