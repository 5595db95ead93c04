//! BTF and BTF.ext: read, look up, print, build.
//!
//! BTF is the kernel's compact description of C types: the running kernel publishes its own in
//! `/sys/kernel/btf/vmlinux`, compilers put a program's into the section `.BTF` of an object file, and
//! the kernel wants it (with the records of `.BTF.ext`) beside each program, to show source lines.
//!
//! - [`Btf::parse`] checks every record once and keeps the bytes as they are; types are decoded when
//!   asked for, as small views ([`Type`]). A kernel's 5 MB are ready in about a millisecond.
//! - [`Btf`] answers what a compiler asks: functions and their parameters, sizes, fields through
//!   anonymous members, enumerators, the prototypes of raw tracepoints.
//! - [`BtfBuilder`] makes BTF; [`BtfExt`] reads and writes the records that tie it to instructions.
//!
//! Whatever the bytes, nothing here panics, recurses or allocates without bound: an [`Error`] names the
//! section and the offset, or the type. Bytes that parsed have only names and type ids that exist; what
//! lies deeper (a typedef of itself, an array too large for any machine) is an error of the query.
//!
//! Facts: `Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h` and `kernel/bpf/btf.c` of Linux 6.18.
//!
//! ```
//! use skep_btf::{Btf, BtfBuilder, IntEncoding, Member};
//!
//! let mut builder = BtfBuilder::new();
//! let int = builder.add_int("int", 4, IntEncoding::Signed);
//! let pid = Member { name: "pid", type_id: int, bit_offset: 32, bitfield_size: None };
//! builder.add_struct("event", 8, &[pid]);
//!
//! let btf = Btf::parse(builder.finish()?, None)?;
//! let event = btf.find_struct_or_union("event").unwrap();
//! let field = btf.member(event, "pid")?.unwrap();
//! assert_eq!((field.bit_offset, btf.type_name(field.type_id)?.as_str()), (32, "int"));
//! # Ok::<(), skep_btf::Error>(())
//! ```

mod builder;
mod check;
mod error;
mod ext;
mod layout;
mod lookup;
mod print;
mod raw;
mod types;

pub use builder::BtfBuilder;
pub use error::Error;
pub use ext::{BtfExt, CoreRelo, CoreReloKind, ExtRecord, ExtSection, FuncInfo, LineInfo};
pub use layout::Field;
pub use lookup::{Function, RawTracepoint};
pub use raw::{Btf, Endian, Kind, TypeId};
pub use types::{
    Composite, Enum, Enumerator, Enumerators, FuncProto, Int, IntEncoding, Linkage, Member,
    Members, Param, Params, SectionVar, SectionVars, Type,
};
