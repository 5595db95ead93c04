//! Types of the language and how their values lie in memory.
//!
//! The layout given here is the only contract between the code that the compiler makes and the code that shows what comes back: a
//! value of a type looks the same in a map, in a tuple, in a scratch buffer and in an event.

/// A type.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Type {
    /// No value (a call for its effect), or not known yet while types are inferred.
    #[default]
    None,
    /// An integer of 8, 16, 32 or 64 bits.
    Int {
        /// Width.
        bits: u8,
        /// Signed.
        signed: bool,
    },
    /// One byte, 0 or 1.
    Bool,
    /// An enum of the kernel or of the script: an integer that prints as its name.
    Enum(EnumId),
    /// `max` bytes: the string, then zeroes to the end. A string of exactly `max` bytes has no zero.
    Str {
        /// Bytes.
        max: u32,
    },
    /// `u32` length, then `max` bytes of which the first `length` count, the rest zero.
    Buf {
        /// Most bytes.
        max: u32,
    },
    /// A pointer: 8 bytes.
    Ptr {
        /// What it points to; `None` for `void *`.
        to: Box<Type>,
        /// Where it points.
        space: Space,
    },
    /// A struct or union, laid out as its definition says.
    Struct(StructId),
    /// Elements one after the other.
    Array {
        /// Element.
        elem: Box<Type>,
        /// How many.
        len: u32,
    },
    /// Fields at their natural alignment, in order, padding zero.
    Tuple(Vec<Type>),
    /// A tuple with names.
    Record(Vec<(String, Type)>),
    /// `u32` family (2 or 10), then 16 bytes of address (the first 4 for IPv4). 20 bytes.
    Inet,
    /// 6 bytes.
    Mac,
    /// A kernel address shown as a symbol: 8 bytes.
    Ksym,
    /// A user address shown as a symbol: `u64` address, `u32` pid, `u32` probe id.
    Usym,
    /// A kernel stack: `i64` id in the stack map of that depth, negative if it was lost.
    Kstack(StackSpec),
    /// A user stack: `i64` id, `u32` pid, `u32` probe id.
    Ustack(StackSpec),
    /// The name of a user id: `u64`.
    Username,
    /// A probe's name: `u64` index into [`crate::plan::Plan::probe_names`].
    Probe,
    /// A time to be shown by strftime: `u64` nanoseconds. The format is a string of the plan.
    Timestamp {
        /// Index into [`crate::plan::Plan::strings`].
        format: u32,
        /// Clock the nanoseconds came from.
        clock: Clock,
    },
    /// A cgroup shown as a path: `u64` id. The pattern that mount points must match is a string of the plan.
    CgroupPath {
        /// Index into [`crate::plan::Plan::strings`].
        pattern: u32,
    },
    /// An aggregation: only as the value of a map.
    Agg(Agg),
}

/// Where a pointer points.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Space {
    /// Kernel memory: read with probe_read_kernel.
    Kernel,
    /// Memory of the current process: read with probe_read_user.
    User,
    /// Not known: decided at run time by the address.
    Unknown,
    /// The program's context: read directly.
    Ctx,
    /// Memory of the program itself (stack, map value): read directly.
    Bpf,
}

/// Index into [`Types::structs`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StructId(pub u32);
/// Index into [`Types::enums`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EnumId(pub u32);

/// How a stack is shown and how deep it goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StackSpec {
    /// Layout of the text.
    pub mode: StackMode,
    /// Most frames.
    pub depth: u16,
}

/// Layout of a printed stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum StackMode {
    Bpftrace,
    Perf,
    Raw,
    BuildId,
}

/// A clock of `nsecs(mode)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Clock {
    Monotonic,
    Boot,
    Tai,
    /// Counted in software from boot time at the start.
    Realtime,
}

/// An aggregation. Every kind is kept per CPU and merged when read.
///
/// `Hist`, `Lhist` and `Tseries` spread over several map entries: their map's key is the script's key, padded to 8 bytes, followed by a `u64`
/// bucket number; without a script key the map is a per-CPU array indexed by bucket (`u32`), except for `Tseries`, which
/// has just the `u64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Agg {
    /// `u64`
    Count,
    /// `u64` or `i64`
    Sum {
        /// Signed.
        signed: bool,
    },
    /// `u64` sum, `u64` count
    Avg {
        /// Signed.
        signed: bool,
    },
    /// `u64` value, `u64` 1 if set
    Min {
        /// Signed.
        signed: bool,
    },
    /// `u64` value, `u64` 1 if set
    Max {
        /// Signed.
        signed: bool,
    },
    /// `u64` sum, `u64` count; shown as count, average, total
    Stats {
        /// Signed.
        signed: bool,
    },
    /// `u64` count of each bucket, see [`hist_bucket`].
    Hist {
        /// Bits of precision within a power of two, 0 to 5.
        bits: u8,
    },
    /// `u64` count of each bucket: 0 is below `min`, then steps, the last is `max` and above.
    Lhist {
        /// Lower bound.
        min: i64,
        /// Upper bound.
        max: i64,
        /// Width.
        step: u64,
    },
    /// One value for each of the last intervals: `u64` epoch (time / interval), `u64` value, `u64` count. The bucket is epoch modulo `count`.
    Tseries {
        /// Nanoseconds of an interval.
        interval: u64,
        /// How many intervals.
        count: u32,
        /// What is done with the values of one interval.
        op: TseriesOp,
        /// Signed.
        signed: bool,
    },
}

/// What `tseries` does with the values of one interval.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum TseriesOp {
    /// The newest wins (the `count` word holds its time).
    Last,
    Sum,
    Avg,
    Min,
    Max,
}

impl Agg {
    /// Whether the aggregation spreads over several map entries.
    pub fn is_multi(self) -> bool {
        matches!(self, Agg::Hist { .. } | Agg::Lhist { .. } | Agg::Tseries { .. })
    }

    /// Bytes of one CPU's value.
    pub fn size(self) -> u32 {
        match self {
            Agg::Count | Agg::Sum { .. } | Agg::Hist { .. } | Agg::Lhist { .. } => 8,
            Agg::Avg { .. } | Agg::Min { .. } | Agg::Max { .. } | Agg::Stats { .. } => 16,
            Agg::Tseries { .. } => 24,
        }
    }

    /// Number of buckets of a histogram.
    pub fn buckets(self) -> Option<u32> {
        match self {
            Agg::Hist { bits } => Some(hist_bucket(u64::MAX >> 1, bits) + 1),
            Agg::Lhist { min, max, step } => Some(
                ((max.wrapping_sub(min)) as u64 / step.max(1)).min(u32::MAX as u64 - 2) as u32 + 2,
            ),
            Agg::Tseries { count, .. } => Some(count),
            _ => None,
        }
    }
}

/// Bucket of `hist(v, bits)`: 0 for negative numbers, then 0, 1, 2.. exactly up to `2^bits - 1`, then `2^bits` buckets to each power of two.
///
/// `v` is the number as its 64 bits; values with the top bit set count as negative.
pub fn hist_bucket(v: u64, bits: u8) -> u32 {
    let k = bits as u32;
    if (v as i64) < 0 {
        return 0;
    }
    if v < 1 << k {
        return v as u32 + 1;
    }
    let log2 = 63 - v.leading_zeros();
    let power = log2 - k;
    (((power + 1) << k) + ((v >> power) as u32 & ((1 << k) - 1))) + 1
}

/// The smallest number in a bucket of `hist(.., bits)`; `None` for bucket 0 (the negative numbers).
pub fn hist_bucket_start(bucket: u32, bits: u8) -> Option<u64> {
    let k = bits as u32;
    let b = bucket.checked_sub(1)?;
    if b < 1 << k {
        return Some(b as u64);
    }
    let power = (b >> k) - 1;
    let low = b & ((1 << k) - 1);
    1u64.checked_shl(power + k).map(|base| base + ((low as u64) << power))
}

/// Definitions that types refer to.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// Structs and unions.
    pub structs: Vec<StructDef>,
    /// Enums.
    pub enums: Vec<EnumDef>,
}

/// A struct or union.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StructDef {
    /// `struct task_struct`, `union x`; for tracepoint arguments `struct tracepoint:cat:name`-like names.
    pub name: String,
    /// Bytes.
    pub size: u32,
    /// Alignment in bytes.
    pub align: u32,
    /// Members; those of anonymous members are listed here too, at their offset.
    pub fields: Vec<Field>,
}

/// A member.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Offset in bytes; of a bitfield, of the unit that holds it.
    pub offset: u32,
    /// Shift and width of a bitfield within its unit (of `ty`'s size, little-endian bit order).
    pub bits: Option<(u8, u8)>,
    /// A `__data_loc` field of a tracepoint: the `u32` at `offset` holds offset (low 16 bits, from the start of the context) and
    /// length (high 16) of the data that `ty` points to.
    pub data_loc: bool,
}

/// An enum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnumDef {
    /// Tag.
    pub name: String,
    /// Bytes.
    pub size: u32,
    /// Signed.
    pub signed: bool,
    /// Names and values.
    pub values: Vec<(String, i64)>,
}

impl Types {
    /// Definition behind an id.
    pub fn strukt(&self, id: StructId) -> &StructDef {
        &self.structs[id.0 as usize]
    }

    /// Definition behind an id.
    pub fn enumm(&self, id: EnumId) -> &EnumDef {
        &self.enums[id.0 as usize]
    }

    /// Bytes of a value.
    pub fn size(&self, ty: &Type) -> u32 {
        match ty {
            Type::None => 0,
            Type::Int { bits, .. } => *bits as u32 / 8,
            Type::Bool => 1,
            Type::Enum(id) => self.enumm(*id).size,
            Type::Str { max } => *max,
            Type::Buf { max } => 4 + max,
            Type::Ptr { .. } | Type::Ksym | Type::Username | Type::Probe => 8,
            Type::Timestamp { .. } | Type::CgroupPath { .. } | Type::Kstack(_) => 8,
            Type::Usym | Type::Ustack(_) => 16,
            Type::Struct(id) => self.strukt(*id).size,
            Type::Array { elem, len } => self.size(elem).saturating_mul(*len),
            Type::Tuple(fields) => self.layout(fields.iter()).1,
            Type::Record(fields) => self.layout(fields.iter().map(|f| &f.1)).1,
            Type::Inet => 20,
            Type::Mac => 6,
            Type::Agg(agg) => agg.size(),
        }
    }

    /// Alignment of a value, in bytes.
    pub fn align(&self, ty: &Type) -> u32 {
        match ty {
            Type::None | Type::Bool | Type::Str { .. } | Type::Mac => 1,
            Type::Int { .. } | Type::Enum(_) => self.size(ty).max(1),
            Type::Buf { .. } | Type::Inet => 4,
            Type::Struct(id) => self.strukt(*id).align.max(1),
            Type::Array { elem, .. } => self.align(elem),
            Type::Tuple(fields) => fields.iter().map(|t| self.align(t)).max().unwrap_or(1),
            Type::Record(fields) => fields.iter().map(|f| self.align(&f.1)).max().unwrap_or(1),
            _ => 8,
        }
    }

    /// Offsets of the fields of a tuple, and its whole size (a multiple of its alignment).
    pub fn layout<'a>(&self, fields: impl Iterator<Item = &'a Type>) -> (Vec<u32>, u32) {
        let (mut end, mut align, mut offsets) = (0u32, 1, Vec::new());
        for ty in fields {
            let a = self.align(ty);
            align = align.max(a);
            end = end.next_multiple_of(a);
            offsets.push(end);
            end = end.saturating_add(self.size(ty));
        }
        (offsets, end.checked_next_multiple_of(align).unwrap_or(u32::MAX))
    }

    /// Layout of a map's key: that of a single key's type, or of the tuple of several; `None` without keys.
    pub fn key_layout(&self, keys: &[Type]) -> (Vec<u32>, u32) {
        self.layout(keys.iter())
    }
}

impl Type {
    /// `int64`
    pub const I64: Type = Type::Int { bits: 64, signed: true };
    /// `uint64`
    pub const U64: Type = Type::Int { bits: 64, signed: false };
    /// `int32`
    pub const I32: Type = Type::Int { bits: 32, signed: true };
    /// `uint32`
    pub const U32: Type = Type::Int { bits: 32, signed: false };
    /// `uint8`
    pub const U8: Type = Type::Int { bits: 8, signed: false };

    /// A pointer.
    pub fn ptr(to: Type, space: Space) -> Type {
        Type::Ptr { to: Box::new(to), space }
    }

    /// Whether a value is held in a register (else it is held by its address in memory of the program).
    pub fn is_scalar(&self) -> bool {
        matches!(
            self,
            Type::Int { .. }
                | Type::Bool
                | Type::Enum(_)
                | Type::Ptr { .. }
                | Type::Ksym
                | Type::Username
                | Type::Probe
                | Type::Timestamp { .. }
                | Type::CgroupPath { .. }
                | Type::Kstack(_)
        )
    }

    /// Whether the type is a plain number: integer, boolean or enum.
    pub fn is_integral(&self) -> bool {
        matches!(self, Type::Int { .. } | Type::Bool | Type::Enum(_))
    }

    /// Whether an integer type is signed.
    pub fn is_signed(&self) -> bool {
        matches!(self, Type::Int { signed: true, .. })
    }
}
