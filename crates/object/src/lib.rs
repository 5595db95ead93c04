//! The `Object`: whatever can be run, whoever wrote it.
//!
//! Every front end makes one and every engine takes one. It is plain data: programs, maps, types and the
//! references between them, not yet bound to any kernel or process. Reading and writing ELF will live here too.

use skep_abi::{AttachType, MapType, ProgType};
use skep_btf::{FuncInfo, LineInfo};
use skep_isa::Insn;

/// A set of programs with the maps and types that they share.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// Licence string given to the kernel with each program.
    pub license: String,
    /// Maps; a [`MapRef`] is an index into this list.
    pub maps: Vec<Map>,
    /// Programs.
    pub programs: Vec<Program>,
    /// Raw BTF that `type_id`s in programs and maps refer to; empty when there is none.
    pub btf: Vec<u8>,
}

/// Index of a map in [`Object::maps`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MapRef(pub u32);

/// A map to be created.
#[derive(Clone, Debug)]
pub struct Map {
    /// Name; the kernel sees its first 15 bytes, with what it does not allow replaced by `_`.
    pub name: String,
    /// Type.
    pub kind: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value (of one CPU's value in a per-CPU map).
    pub value_size: u32,
    /// Most entries, or bytes for a ring buffer; 0 in a perf event array means one per possible CPU.
    pub max_entries: u32,
    /// `BPF_F_*` flags.
    pub flags: u32,
    /// First bytes of the only value of an array that holds global data; the rest is zero.
    pub initial: Vec<u8>,
    /// Types of key and value in the object's BTF; 0 for none.
    pub btf_key: u32,
    /// See `btf_key`.
    pub btf_value: u32,
}

/// A program: its main function first, then the subprograms that it reaches, already laid out and linked.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name, unique in the object.
    pub name: String,
    /// Type.
    pub kind: ProgType,
    /// Attach type the kernel must know when it loads the program, where there is one.
    pub expected_attach: Option<AttachType>,
    /// Whether the program may sleep (`BPF_F_SLEEPABLE`).
    pub sleepable: bool,
    /// Instructions.
    pub insns: Vec<Insn>,
    /// Places that need something of the target.
    pub relocs: Vec<Reloc>,
    /// Where each function starts, with its type in the object's BTF, ordered by offset (in instructions).
    pub funcs: Vec<FuncInfo>,
    /// Source lines, ordered by offset (in instructions).
    pub lines: Vec<LineInfo>,
}

/// One instruction whose operand is known only when the program is loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// Index of the instruction.
    pub insn: u32,
    /// What goes there.
    pub target: RelocTarget,
}

/// What a relocation refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RelocTarget {
    /// The map itself, in a 64-bit immediate load.
    Map(MapRef),
    /// An address inside the map's only value, in a 64-bit immediate load.
    MapValue(MapRef, u32),
    /// A kernel function, in a call, by name.
    Kfunc(String),
}

impl Object {
    /// The map behind a reference.
    pub fn map(&self, r: MapRef) -> Option<&Map> {
        self.maps.get(r.0 as usize)
    }
}
