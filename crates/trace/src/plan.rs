//! What user space needs to know to run the compiled programs: where to attach them, what the maps hold, what each event means.
//!
//! # Events
//!
//! A record in the ring buffer is: `u32` [`ActionId`], `u32` number of the CPU, then the fixed part, then the variable part. Each argument has a
//! place in the fixed part, aligned to 8 bytes, in order: a string ([`Type::Str`]) of more than [`INLINE_STR`] bytes or a [`Type::Buf`] has 8 bytes there
//! (`u32` length, `u32` flags, bit 0: it was cut) and its bytes stand in the variable part, one after the other in the order of the arguments, each
//! padded to 8 bytes; any other value stands in the fixed part itself in its layout. [`event_layout`] is the definition.

use skep_engine::Attach;
use skep_object::MapRef;

use crate::config::Config;
use crate::hir::MapId;
use crate::types::{Agg, Type, Types};

/// Strings up to this size stand in the fixed part of an event.
pub const INLINE_STR: u32 = 64;

/// Bytes of an event's header.
pub const EVENT_HEADER: u32 = 8;

/// Index into [`Plan::actions`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionId(pub u32);

/// Everything about a compiled script but its code.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Definitions of structs and enums.
    pub types: Types,
    /// Settings in force.
    pub config: Config,
    /// Groups of attach points; the n-th is served by the n-th program.
    pub groups: Vec<ProbeGroup>,
    /// Names of probes, as `probe` shows them; indexed by attach cookie.
    pub probe_names: Vec<String>,
    /// The script's maps.
    pub maps: Vec<MapInfo>,
    /// Meanings of events.
    pub actions: Vec<Action>,
    /// Strings that types refer to.
    pub strings: Vec<String>,
    /// Number of attach points, as `Attaching N probes...` counts them.
    pub probe_count: usize,
    /// Maps of the run-time system, made by the lowering; none where the script needs none.
    pub system: SystemMaps,
}

/// Maps of the run-time system.
#[derive(Clone, Debug, Default)]
pub struct SystemMaps {
    /// Ring buffer (or perf event array) of events.
    pub events: Option<MapRef>,
    /// Global data, see [`globals`].
    pub globals: Option<MapRef>,
    /// Stack maps by depth: the `u64`s of a stack under its id.
    pub stacks: Vec<StackMaps>,
    /// Pids whose user stacks or symbols were taken (hash of `u32` to `u32`), so that each is announced once ([`Action::SeenPid`]).
    pub seen_pids: Option<MapRef>,
}

/// The maps that hold the stacks of one depth. A stack's place in its map is its hash: one that finds another stack there goes to a second map.
#[derive(Clone, Copy, Debug)]
pub struct StackMaps {
    /// Most frames of a stack.
    pub depth: u16,
    /// The first map and the second.
    pub maps: [MapRef; 2],
}

impl StackMaps {
    /// Added to the id of a stack in the second map.
    pub const SECOND: u32 = 1 << 24;

    /// The map that an id belongs to, and the key there.
    pub fn find(&self, id: u32) -> (MapRef, u32) {
        (self.maps[usize::from(id >= Self::SECOND)], id % Self::SECOND)
    }
}

/// Words of the global data map, a memory-mapped array with one value; each is a `u64` at `8 * index`.
pub mod globals {
    /// Not 0 while user space sleeps: the next event sets it to 0 and wakes it.
    pub const WAKE: u32 = 0;
    /// Boot-clock nanoseconds at the start, for `elapsed`; set before anything is attached.
    pub const START: u32 = 1;
    /// Added to the boot clock gives real time.
    pub const REALTIME: u32 = 2;
    /// Not 0 once the script has called `exit()`: probes do nothing more (but END). The low half is 1, the high half the exit code, so
    /// that it is not lost where the event finds no room.
    pub const EXITED: u32 = 3;
    /// Events lost because the ring buffer was full.
    pub const LOST_EVENTS: u32 = 4;
    /// Strings cut at their limit.
    pub const CUT_STRINGS: u32 = 5;
    /// Stacks lost because another one had the same hash.
    pub const LOST_STACKS: u32 = 6;
    /// Elements that found no room, one word for each of the script's maps, from here on.
    pub const MAP_FULL: u32 = 8;

    /// Whether a map that is an array has been set: not 0 once it was, 0 again after `delete()` and `clear()`. One word for each of the
    /// script's maps, behind those of [`MAP_FULL`].
    pub fn map_set(maps: usize, map: crate::hir::MapId) -> u32 {
        MAP_FULL + maps as u32 + map.0
    }
}

/// A map of the script.
#[derive(Clone, Debug)]
pub struct MapInfo {
    /// Name with the `@`.
    pub name: String,
    /// Types of the keys; empty without keys.
    pub keys: Vec<Type>,
    /// Type of the value.
    pub value: Type,
    /// Most keys.
    pub max_entries: u32,
    /// Kind the script declared (`let @m = lruhash(10)`).
    pub declared: Option<skep_abi::MapType>,
    /// The map in the object; set by the lowering.
    pub map: Option<MapRef>,
}

/// Attach points served by one program.
#[derive(Clone, Debug)]
pub struct ProbeGroup {
    /// How the program is run.
    pub run: RunKind,
    /// Names of the places, for messages, in the order of the sites.
    pub names: Vec<String>,
}

/// How a program is run.
#[derive(Clone, Debug)]
pub enum RunKind {
    /// Once, before the others are attached.
    Begin,
    /// Once, at the end.
    End,
    /// When `signal` arrives (`self:signal:SIGUSR1`).
    Signal(i32),
    /// Every so many nanoseconds, by the session (`interval:s:1`).
    Interval(u64),
    /// Attached.
    Attach(Attach),
}

/// What an event asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// `printf`
    Printf(Format),
    /// `errorf` (to stderr, `ERROR: `) and `warnf` (`WARNING: `); `level` names which.
    Log {
        /// Error instead of warning.
        error: bool,
        /// Where the script says so: `file:line:from-to`; written by the lowering, from `span`.
        place: String,
        /// The call.
        span: crate::syntax::ast::Span,
        /// Format.
        format: Format,
    },
    /// `system`: the text is a command for the shell.
    System(Format),
    /// `cat`: the text is a file name.
    Cat(Format),
    /// `print(value)` and `print((a, b))`: one argument.
    PrintValue(Type),
    /// `print(@map)`; arguments: none, or top and divisor as numbers given here.
    PrintMap {
        /// Map.
        map: MapId,
        /// At most so many entries; 0 for all.
        top: u32,
        /// Values are divided by it; 0 and 1 do nothing.
        div: u64,
    },
    /// `print(@map[key])`: arguments are the keys; aggregations are read by user space.
    PrintMapElem {
        /// Map.
        map: MapId,
        /// Values are divided by it; 0 and 1 do nothing.
        div: u64,
    },
    /// `clear(@map)`
    Clear(MapId),
    /// `zero(@map)`
    Zero(MapId),
    /// `time("%H:%M:%S")`: no arguments; the time at which the event is handled.
    Time(String),
    /// `join(argv, "sep")`: `u64` count in the fixed part, then that many strings in the variable part, each preceded by its `u64` length.
    Join {
        /// Separator.
        separator: String,
    },
    /// `exit(code)`: one argument, the `u64` code.
    Exit,
    /// A process seen for the first time: `u64` pid.
    SeenPid,
}

/// A format string, taken apart, with the types of its arguments.
#[derive(Clone, Debug, Default)]
pub struct Format {
    /// Pieces in order; each [`Piece::Arg`] takes the next argument.
    pub pieces: Vec<Piece>,
    /// Types of the arguments, as they stand in the event.
    pub args: Vec<Type>,
}

/// A piece of a format string.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text.
    Text(Vec<u8>),
    /// A conversion.
    Arg(Spec),
}

/// A conversion: `%-16s`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Spec {
    /// `-`
    pub left: bool,
    /// `0`
    pub zero: bool,
    /// `+`
    pub plus: bool,
    /// ` `
    pub space: bool,
    /// `#`
    pub alt: bool,
    /// `'`
    pub group: bool,
    /// Width.
    pub width: Option<u32>,
    /// The width is an argument (`%*d`).
    pub width_arg: bool,
    /// Precision.
    pub precision: Option<u32>,
    /// The precision is an argument (`%.*s`).
    pub precision_arg: bool,
    /// Conversion.
    pub conv: Conv,
    /// Bits that the length modifier (`hh`, `h`, `l`...) cuts the number to; without one those of C's `int`, 32.
    pub bits: u8,
}

/// Conversion characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub enum Conv {
    /// `%d`, `%i`
    #[default]
    Signed,
    /// `%u`
    Unsigned,
    /// `%x`
    Hex,
    /// `%X`
    HexUpper,
    /// `%o`
    Octal,
    /// `%c`
    Char,
    /// `%p`
    Pointer,
    /// `%s`: strings, and every type that shows itself as text
    Str,
    /// `%r`: bytes, escaped
    Buf,
    /// `%rx`: bytes, in hex, two digits and a blank
    BufHex,
    /// `%rh`: bytes, in hex, two digits with a blank between
    BufHexSpaced,
}

/// Where the arguments of an event stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLayout {
    /// Offset of each argument in the record (from its first byte, the header included), and whether its bytes are in the variable part.
    pub args: Vec<(u32, bool)>,
    /// Where the variable part begins.
    pub fixed_end: u32,
}

/// Computes the layout of an event with these arguments.
pub fn event_layout(types: &Types, args: &[Type]) -> EventLayout {
    let mut end = EVENT_HEADER;
    let mut places = Vec::with_capacity(args.len());
    for ty in args {
        let variable = is_variable(ty);
        places.push((end, variable));
        end += if variable { 8 } else { types.size(ty).next_multiple_of(8) };
    }
    EventLayout { args: places, fixed_end: end }
}

/// Whether values of the type stand in the variable part of an event.
pub fn is_variable(ty: &Type) -> bool {
    match ty {
        Type::Str { max } => *max > INLINE_STR,
        Type::Buf { .. } => true,
        _ => false,
    }
}

impl MapInfo {
    /// The aggregation that the map holds.
    pub fn agg(&self) -> Option<Agg> {
        match self.value {
            Type::Agg(agg) => Some(agg),
            _ => None,
        }
    }

    /// Bytes of the script's key as it stands in the map (without a bucket number).
    pub fn key_size(&self, types: &Types) -> u32 {
        types.key_layout(&self.keys).1
    }

    /// Whether the map is an array (per-CPU for an aggregation) of one element, or of the buckets of a histogram.
    pub fn is_array(&self) -> bool {
        self.keys.is_empty() && !matches!(self.value, Type::Agg(Agg::Tseries { .. }))
    }
}
