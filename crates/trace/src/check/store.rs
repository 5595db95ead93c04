//! The types that a script reaches: converted from BTF, tracepoint formats and the script's own definitions.
//!
//! A struct gets its number when it is first mentioned and its members when one of them is first needed, so that a pointer to `task_struct`
//! does not draw half the kernel after it. Pointers among members have [`Space::Unknown`]: they point where the struct lies.

use std::collections::HashMap;

use skep_btf::{Btf, IntEncoding, Kind, Type as BtfType, TypeId};

use super::format_file::{FormatField, Location};
use crate::syntax::ast::{CType, CTypeKind, Script};
use crate::types::{EnumDef, EnumId, Field, Space, StructDef, StructId, Type, Types};

/// Where the members of a struct come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// They are there.
    Done,
    /// To be converted.
    Btf(TypeId),
}

/// A C preprocessor constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Define {
    Int(i64),
    Str(Vec<u8>),
    /// Text that is neither.
    Other(String),
}

/// Types reached so far.
pub(super) struct Store<'a> {
    pub types: Types,
    pub btf: Option<&'a Btf>,
    origins: Vec<Origin>,
    structs_by_btf: HashMap<TypeId, StructId>,
    structs_by_name: HashMap<String, StructId>,
    enums_by_btf: HashMap<TypeId, EnumId>,
    enums_by_name: HashMap<String, EnumId>,
    /// Enumerators of the script.
    pub enumerators: HashMap<String, (i64, EnumId)>,
    /// `#define`s of the script.
    pub defines: HashMap<String, Define>,
}

/// How deep types may nest before they are cut off.
const DEEPEST: u32 = 24;

impl<'a> Store<'a> {
    pub(super) fn new(btf: Option<&'a Btf>) -> Self {
        Store {
            types: Types::default(),
            btf,
            origins: Vec::new(),
            structs_by_btf: HashMap::new(),
            structs_by_name: HashMap::new(),
            enums_by_btf: HashMap::new(),
            enums_by_name: HashMap::new(),
            enumerators: HashMap::new(),
            defines: HashMap::new(),
        }
    }

    /// Adds a definition under its name.
    pub(super) fn define(&mut self, def: StructDef) -> StructId {
        let id = self.reserve(def.name.clone());
        self.types.structs[id.0 as usize] = def;
        id
    }

    /// The number of a struct of the script whose definition comes later.
    pub(super) fn reserve(&mut self, name: String) -> StructId {
        if let Some(id) = self.structs_by_name.get(&name) {
            return *id;
        }
        let id = self.push(StructDef { name: name.clone(), ..StructDef::default() }, Origin::Done);
        self.structs_by_name.insert(name, id);
        id
    }

    fn push(&mut self, def: StructDef, origin: Origin) -> StructId {
        self.types.structs.push(def);
        self.origins.push(origin);
        StructId(self.types.structs.len() as u32 - 1)
    }

    /// Adds an enum of the script.
    pub(super) fn define_enum(&mut self, def: EnumDef) -> EnumId {
        let id = EnumId(self.types.enums.len() as u32);
        for (name, value) in &def.values {
            self.enumerators.insert(name.clone(), (*value, id));
        }
        self.enums_by_name.insert(def.name.clone(), id);
        self.types.enums.push(def);
        id
    }

    /// `struct NAME`, `union NAME`, `enum NAME`: the script's own first, then the kernel's.
    pub(super) fn tagged(&mut self, kind: CTypeKind, name: &str) -> Option<Type> {
        let full = format!("{} {name}", keyword(kind));
        if kind == CTypeKind::Enum {
            if let Some(id) = self.enums_by_name.get(name) {
                return Some(Type::Enum(*id));
            }
            let id =
                self.btf?.find(name, Kind::Enum).or_else(|| self.btf?.find(name, Kind::Enum64))?;
            return Some(self.btf_type(id));
        }
        if let Some(id) = self.structs_by_name.get(&full) {
            return Some(Type::Struct(*id));
        }
        let kind = if kind == CTypeKind::Union { Kind::Union } else { Kind::Struct };
        let id = self.btf?.find(name, kind)?;
        Some(self.btf_type(id))
    }

    /// A type by a single name: of the language, of C, a typedef of the kernel.
    pub(super) fn named(&mut self, name: &str, max_strlen: u32) -> Option<Type> {
        match name {
            "string" => return Some(Type::Str { max: max_strlen }),
            "buffer" => return Some(Type::Buf { max: max_strlen }),
            "bool" | "_Bool" => return Some(Type::Bool),
            "void" => return Some(Type::None),
            "inet" => return Some(Type::Inet),
            "ksym_t" => return Some(Type::Ksym),
            "usym_t" => return Some(Type::Usym),
            "macaddr_t" => return Some(Type::Mac),
            _ => {}
        }
        c_int(name).or_else(|| {
            let id = self.btf?.find_typedef(name)?;
            Some(self.btf_type(id))
        })
    }

    /// A type of the kernel. What cannot be shown (floating point, too deep a nest) becomes bytes or nothing.
    pub(super) fn btf_type(&mut self, id: TypeId) -> Type {
        self.convert(id, DEEPEST)
    }

    fn convert(&mut self, id: TypeId, depth: u32) -> Type {
        let Some(btf) = self.btf else { return Type::None };
        let Ok(resolved) = btf.resolve(id) else { return Type::None };
        let (Ok(ty), Some(depth)) = (btf.get(resolved), depth.checked_sub(1)) else {
            return Type::None;
        };
        match ty {
            BtfType::Int(int) => match int.encoding {
                IntEncoding::Bool if int.size == 1 => Type::Bool,
                encoding => int_of_size(
                    int.size,
                    encoding == IntEncoding::Signed
                        || int.name == "char" && encoding != IntEncoding::Bool,
                ),
            },
            BtfType::Ptr(target) => {
                let space = if is_user(btf, target) { Space::User } else { Space::Unknown };
                Type::ptr(self.convert(target, depth), space)
            }
            BtfType::Array { element, len, .. } => {
                if len > 0 && is_char(btf, element) {
                    return Type::Str { max: len };
                }
                Type::Array { elem: Box::new(self.convert(element, depth)), len }
            }
            BtfType::Struct(_) | BtfType::Union(_) => Type::Struct(self.intern(btf, resolved)),
            BtfType::Enum(_) => self.intern_enum(btf, resolved),
            BtfType::Fwd { name, is_union } => {
                let kind = if is_union { Kind::Union } else { Kind::Struct };
                match btf.find(name, kind) {
                    Some(full) => Type::Struct(self.intern(btf, full)),
                    None => Type::Struct(self.reserve(format!("{} {name}", kind.name()))),
                }
            }
            BtfType::Float { size, .. } => bytes(size),
            _ => Type::None,
        }
    }

    fn intern(&mut self, btf: &Btf, id: TypeId) -> StructId {
        if let Some(found) = self.structs_by_btf.get(&id) {
            return *found;
        }
        let (name, size, kind) = match btf.get(id) {
            Ok(BtfType::Struct(c)) => (c.name, c.size, "struct"),
            Ok(BtfType::Union(c)) => (c.name, c.size, "union"),
            _ => ("", 0, "struct"),
        };
        let align = btf.align_of(id).map_or(1, |a| a as u32);
        let name = if name.is_empty() { kind.to_owned() } else { format!("{kind} {name}") };
        let found = self.push(StructDef { name, size, align, fields: Vec::new() }, Origin::Btf(id));
        self.structs_by_btf.insert(id, found);
        found
    }

    fn intern_enum(&mut self, btf: &Btf, id: TypeId) -> Type {
        if let Some(found) = self.enums_by_btf.get(&id) {
            return Type::Enum(*found);
        }
        let Ok(BtfType::Enum(view)) = btf.get(id) else { return Type::U32 };
        let values: Vec<(String, i64)> =
            view.enumerators().map(|e| (e.name.to_owned(), e.value as i64)).collect();
        let signed = view.signed || values.iter().any(|v| v.1 < 0);
        let found = EnumId(self.types.enums.len() as u32);
        let size = if matches!(view.size, 1 | 2 | 4 | 8) { view.size } else { 4 };
        self.types.enums.push(EnumDef { name: view.name.to_owned(), size, signed, values });
        self.enums_by_btf.insert(id, found);
        Type::Enum(found)
    }

    /// Makes sure that the members of a struct are there.
    pub(super) fn fill(&mut self, id: StructId) {
        let Some(Origin::Btf(btf_id)) = self.origins.get(id.0 as usize).copied() else { return };
        self.origins[id.0 as usize] = Origin::Done;
        let Some(btf) = self.btf else { return };
        let fields = btf.fields(btf_id).unwrap_or_default();
        let mut converted = Vec::with_capacity(fields.len());
        for field in fields {
            let ty = self.btf_type(field.type_id);
            let (mut offset, mut bits, mut ty) = (field.byte_offset(), None, ty);
            if let Some(width) = field.bitfield_size {
                (ty, offset, bits) = self.bitfield(ty, field.bit_offset, width);
            }
            let name = field.name.to_owned();
            converted.push(Field { name, ty, offset, bits, data_loc: false });
        }
        self.types.structs[id.0 as usize].fields = converted;
    }

    /// The unit that holds a bitfield, its offset, and shift and width within it.
    fn bitfield(&self, ty: Type, bit: u32, width: u8) -> (Type, u32, Option<(u8, u8)>) {
        let unit = self.types.size(&ty).clamp(1, 8) * 8;
        let start = bit / unit * unit;
        if bit - start + u32::from(width) <= unit && ty.is_integral() {
            return (ty, start / 8, Some(((bit - start) as u8, width)));
        }
        let wide = Type::Int { bits: 64, signed: ty.is_signed() };
        (wide, bit / 8, Some(((bit % 8) as u8, width.min(56))))
    }

    /// Fills every struct that a value of the type holds, so that it can be shown.
    pub(super) fn fill_deep(&mut self, ty: &Type) {
        let mut seen = Vec::new();
        let mut todo = vec![ty.clone()];
        while let Some(ty) = todo.pop() {
            match ty {
                Type::Struct(id) if !seen.contains(&id) && seen.len() < 4096 => {
                    seen.push(id);
                    self.fill(id);
                    todo.extend(self.types.strukt(id).fields.iter().map(|f| f.ty.clone()));
                }
                Type::Array { elem, .. } => todo.push(*elem),
                Type::Tuple(fields) => todo.extend(fields),
                Type::Record(fields) => todo.extend(fields.into_iter().map(|f| f.1)),
                _ => {}
            }
        }
    }

    /// A member by name.
    pub(super) fn field(&mut self, id: StructId, name: &str) -> Option<Field> {
        self.fill(id);
        self.types.strukt(id).fields.iter().find(|f| f.name == name).cloned()
    }

    /// An enumerator or constant of the kernel.
    pub(super) fn btf_enumerator(&mut self, name: &str) -> Option<(i64, Type)> {
        let btf = self.btf?;
        let (value, id) = btf.find_enumerator(name)?;
        Some((value as i64, self.intern_enum(btf, id)))
    }

    /// The fields of a tracepoint. In those of system calls pointers are the user's, and a field has the size of its C type.
    pub(super) fn tracepoint_fields(
        &mut self,
        fields: &[FormatField],
        syscall: bool,
    ) -> Vec<Field> {
        fields.iter().filter_map(|f| self.tracepoint_field(f, syscall)).collect()
    }

    fn tracepoint_field(&mut self, f: &FormatField, syscall: bool) -> Option<Field> {
        let space = if syscall { Space::User } else { Space::Kernel };
        let base = self.c_declaration(&f.ty, space);
        let ty = match (f.location, f.array) {
            (Location::Relative, _) => return None,
            (Location::Data, _) => Type::ptr(base.unwrap_or(Type::U8), Space::Kernel),
            (Location::Here, Some(len)) => {
                let elem = base.unwrap_or(Type::U8);
                let each = self.types.size(&elem).max(1);
                let len = len.unwrap_or(f.size / each).min(f.size / each);
                match f.ty.trim_start_matches("const ") {
                    "char" if len > 0 => Type::Str { max: len },
                    _ => Type::Array { elem: Box::new(elem), len },
                }
            }
            (Location::Here, None) => self.plain_field(base, f, syscall),
        };
        let name = f.name.clone();
        Some(Field {
            name,
            ty,
            offset: f.offset,
            bits: None,
            data_loc: f.location == Location::Data,
        })
    }

    fn plain_field(&self, base: Option<Type>, f: &FormatField, syscall: bool) -> Type {
        let declared = base.as_ref().map(|ty| self.types.size(ty));
        match base {
            Some(ty @ (Type::Int { .. } | Type::Bool | Type::Enum(_)))
                if syscall && declared <= Some(f.size) && declared > Some(0) =>
            {
                ty
            }
            Some(ty @ (Type::Bool | Type::Enum(_) | Type::Ptr { .. } | Type::Struct(_)))
                if declared == Some(f.size) =>
            {
                ty
            }
            _ => match f.size {
                1 | 2 | 4 | 8 => int_of_size(f.size, f.signed),
                n => bytes(n),
            },
        }
    }

    /// The type of a C declaration such as `const struct sk_buff *`.
    fn c_declaration(&mut self, text: &str, space: Space) -> Option<Type> {
        let stars = text.matches('*').count();
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c == '*')
            .filter(|w| {
                !w.is_empty() && !matches!(*w, "const" | "volatile" | "restrict" | "__user")
            })
            .collect();
        let base = match words.as_slice() {
            ["struct", name] => self.tagged(CTypeKind::Struct, name),
            ["union", name] => self.tagged(CTypeKind::Union, name),
            ["enum", name] => self.tagged(CTypeKind::Enum, name),
            words => self.named(&words.join(" "), 0),
        };
        if stars == 0 {
            return base.filter(|ty| *ty != Type::None);
        }
        let mut ty = with_space(base.unwrap_or(Type::None), space);
        for _ in 0..stars.min(4) {
            ty = Type::ptr(ty, space);
        }
        Some(ty)
    }

    /// How a type is written in the language.
    pub(super) fn name(&self, ty: &Type) -> String {
        let list =
            |types: &[Type]| types.iter().map(|t| self.name(t)).collect::<Vec<_>>().join(", ");
        match ty {
            Type::None => "void".into(),
            Type::Int { bits, signed } => format!("{}int{bits}", if *signed { "" } else { "u" }),
            Type::Bool => "bool".into(),
            Type::Enum(id) => format!("enum {}", self.types.enumm(*id).name),
            Type::Str { max } => format!("string[{max}]"),
            Type::Buf { max } => format!("buffer[{max}]"),
            Type::Ptr { to, .. } => format!("{} *", self.name(to)).replace("* *", "**"),
            Type::Struct(id) => self.types.strukt(*id).name.clone(),
            Type::Array { elem, len } => format!("{}[{len}]", self.name(elem)),
            Type::Tuple(fields) => format!("({})", list(fields)),
            Type::Record(fields) => {
                let all = fields.iter().map(|(n, t)| format!("{n}: {}", self.name(t)));
                format!("({})", all.collect::<Vec<_>>().join(", "))
            }
            Type::Inet => "inet".into(),
            Type::Mac => "macaddr_t".into(),
            Type::Ksym => "ksym_t".into(),
            Type::Usym => "usym_t".into(),
            Type::Kstack(_) => "kstack_t".into(),
            Type::Ustack(_) => "ustack_t".into(),
            Type::Username => "username_t".into(),
            Type::Probe => "probe_t".into(),
            Type::Timestamp { .. } => "timestamp".into(),
            Type::CgroupPath { .. } => "cgroup_path_t".into(),
            Type::Agg(agg) => format!("{}_t", agg_name(*agg)),
        }
    }

    /// Lays out the struct and union definitions of a script, and counts its enums.
    pub(super) fn script_types<'s>(&mut self, script: &'s Script) -> Vec<&'s CType> {
        let mut kept = Vec::new();
        for ctype in super::preprocess::live_types(script, self.btf.is_some(), &mut self.defines) {
            if ctype.kind == CTypeKind::Enum {
                let signed = ctype.enumerators.iter().any(|e| e.1 < 0);
                let wide = |v: i64| {
                    if signed { i32::try_from(v).is_err() } else { u32::try_from(v).is_err() }
                };
                let size = if ctype.enumerators.iter().any(|e| wide(e.1)) { 8 } else { 4 };
                let values = ctype.enumerators.clone();
                self.define_enum(EnumDef { name: ctype.name.clone(), size, signed, values });
            } else {
                self.reserve(format!("{} {}", keyword(ctype.kind), ctype.name));
                kept.push(ctype);
            }
        }
        kept
    }
}

/// An aggregation's function.
pub(super) fn agg_name(agg: crate::types::Agg) -> &'static str {
    use crate::types::Agg;
    match agg {
        Agg::Count => "count",
        Agg::Sum { .. } => "sum",
        Agg::Avg { .. } => "avg",
        Agg::Min { .. } => "min",
        Agg::Max { .. } => "max",
        Agg::Stats { .. } => "stats",
        Agg::Hist { .. } => "hist",
        Agg::Lhist { .. } => "lhist",
        Agg::Tseries { .. } => "tseries",
    }
}

/// `struct`, `union`, `enum`.
pub(super) fn keyword(kind: CTypeKind) -> &'static str {
    match kind {
        CTypeKind::Struct => "struct",
        CTypeKind::Union => "union",
        CTypeKind::Enum => "enum",
    }
}

/// An integer of so many bytes; other sizes are raw bytes.
pub(super) fn int_of_size(size: u32, signed: bool) -> Type {
    match size {
        1 | 2 | 4 | 8 => Type::Int { bits: size as u8 * 8, signed },
        n => bytes(n),
    }
}

fn bytes(len: u32) -> Type {
    Type::Array { elem: Box::new(Type::U8), len }
}

/// Pointers in the type whose space is not known point there.
pub(super) fn with_space(ty: Type, space: Space) -> Type {
    match ty {
        Type::Ptr { to, space: Space::Unknown } => {
            Type::Ptr { to: Box::new(with_space(*to, space)), space }
        }
        Type::Array { elem, len } => Type::Array { elem: Box::new(with_space(*elem, space)), len },
        other => other,
    }
}

/// Whether the target of a pointer is tagged `__user`.
fn is_user(btf: &Btf, mut id: TypeId) -> bool {
    for _ in 0..8 {
        id = match btf.get(id) {
            Ok(BtfType::TypeTag { name, target, .. }) => {
                if name == "user" {
                    return true;
                }
                target
            }
            Ok(BtfType::Const(t) | BtfType::Volatile(t) | BtfType::Restrict(t)) => t,
            _ => return false,
        };
    }
    false
}

/// Whether an array of these is a string: plain `char`, not `unsigned char`.
fn is_char(btf: &Btf, id: TypeId) -> bool {
    matches!(btf.resolved(id), Ok(BtfType::Int(int)) if int.size == 1 && int.name == "char")
}

/// Integer types by the names that the language, C and the kernel have for them.
pub(super) fn c_int(name: &str) -> Option<Type> {
    let (bits, signed) = match name {
        "int8" | "char" | "signed char" | "s8" | "__s8" | "int8_t" => (8, true),
        "uint8" | "unsigned char" | "u8" | "__u8" | "uint8_t" => (8, false),
        "int16" | "short" | "short int" | "s16" | "__s16" | "int16_t" => (16, true),
        "uint16" | "unsigned short" | "short unsigned int" | "unsigned short int" | "u16"
        | "__u16" | "uint16_t" | "umode_t" | "__be16" | "__le16" => (16, false),
        "int32" | "int" | "signed int" | "signed" | "s32" | "__s32" | "int32_t" | "pid_t" => {
            (32, true)
        }
        "uint32" | "unsigned int" | "unsigned" | "u32" | "__u32" | "uint32_t" | "uid_t"
        | "gid_t" | "dev_t" | "__be32" | "__le32" => (32, false),
        "int64" | "long" | "long int" | "long long" | "long long int" | "signed long" | "s64"
        | "__s64" | "int64_t" | "ssize_t" | "loff_t" | "off_t" | "intptr_t" => (64, true),
        "uint64"
        | "unsigned long"
        | "long unsigned int"
        | "unsigned long int"
        | "unsigned long long"
        | "long long unsigned int"
        | "unsigned long long int"
        | "u64"
        | "__u64"
        | "uint64_t"
        | "size_t"
        | "uintptr_t"
        | "sector_t"
        | "ino_t"
        | "__be64"
        | "__aligned_u64"
        | "__aligned_be64"
        | "__aligned_le64"
        | "__le64" => (64, false),
        _ => return None,
    };
    Some(Type::Int { bits, signed })
}
