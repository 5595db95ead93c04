//! A value of a type, from its bytes to text or JSON.
//!
//! Pure but for [`Names`], which is asked for what the bytes alone do not say: symbols, stacks, user names, cgroup paths, local time. Bytes
//! that are too few for their type show as `?` (JSON `null`); nothing here panics whatever the bytes. The layouts are those that
//! [`crate::types`] defines; the text is bpftrace's.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{json, number};
use crate::plan::Plan;
use crate::types::{Agg, Clock, EnumId, StackSpec, StructId, Type, Types};

/// Answers what the bytes of a value do not say.
pub trait Names {
    /// Name of the kernel function at an address.
    fn ksym(&mut self, address: u64, out: &mut Vec<u8>);
    /// Name of the function at an address of a process.
    fn usym(&mut self, address: u64, pid: u32, out: &mut Vec<u8>);
    /// A whole kernel stack, as it prints.
    fn kstack(&mut self, spec: StackSpec, id: i64, out: &mut Vec<u8>);
    /// A whole user stack, as it prints.
    fn ustack(&mut self, spec: StackSpec, id: i64, pid: u32, out: &mut Vec<u8>);
    /// Name of a user.
    fn username(&mut self, uid: u64, out: &mut Vec<u8>);
    /// Path of a cgroup in the hierarchies whose name matches the pattern.
    fn cgroup(&mut self, id: u64, pattern: &str, out: &mut Vec<u8>);
    /// A time, by a format of strftime.
    fn time(&mut self, format: &str, clock: Clock, nsecs: u64, out: &mut Vec<u8>);
}

/// What a value is shown with.
pub struct View<'a> {
    /// Types, strings and settings.
    pub plan: &'a Plan,
    /// Names.
    pub names: &'a mut dyn Names,
    /// Leave out the blanks between the parts of tuples and records, as the keys of JSON maps do.
    pub compact: bool,
}

/// An argument of an event.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// In the layout of its type.
    Whole(&'a [u8]),
    /// The bytes of a string or buffer from the variable part, and whether they were cut.
    Bytes(&'a [u8], bool),
}

/// Reads an integer of 1 to 8 bytes in the machine's order; missing bytes count as zero.
pub fn uint(bytes: &[u8], size: u32) -> u64 {
    match (size, bytes.len()) {
        (8, 8..) => u64::from_ne_bytes(bytes[..8].try_into().unwrap_or_default()),
        (4, 4..) => u32::from_ne_bytes(bytes[..4].try_into().unwrap_or_default()).into(),
        (2, 2..) => u16::from_ne_bytes(bytes[..2].try_into().unwrap_or_default()).into(),
        (1, 1..) => bytes[0].into(),
        _ => 0,
    }
}

/// Reads an integer and extends it as `signed` says.
pub fn int(bytes: &[u8], bits: u8, signed: bool) -> i128 {
    let v = uint(bytes, bits as u32 / 8);
    if signed { sign(v, bits) as i128 } else { v as i128 }
}

fn sign(v: u64, bits: u8) -> i64 {
    let shift = 64 - bits.clamp(1, 64) as u32;
    (v << shift) as i64 >> shift
}

/// The number that an integer, boolean, enum, pointer or symbol is; `None` for other types.
pub fn as_number(types: &Types, ty: &Type, bytes: &[u8]) -> Option<i128> {
    Some(match ty {
        Type::Int { bits, signed } => int(bytes, *bits, *signed),
        Type::Bool => (uint(bytes, 1) != 0) as i128,
        Type::Enum(id) => {
            let def = types.enumm(*id);
            int(bytes, (def.size * 8) as u8, def.signed)
        }
        Type::Ptr { .. } | Type::Ksym | Type::Usym | Type::Username | Type::Probe => {
            uint(bytes, 8) as i128
        }
        Type::Timestamp { .. } | Type::CgroupPath { .. } => uint(bytes, 8) as i128,
        _ => return None,
    })
}

/// The string up to its zero byte, and whether it has none.
pub fn cstr(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|&b| b == 0) {
        Some(end) => (&bytes[..end], false),
        None => (bytes, true),
    }
}

impl View<'_> {
    /// Writes an argument of an event as text.
    pub fn raw_text(&mut self, ty: &Type, raw: Raw<'_>, out: &mut Vec<u8>) {
        match raw {
            Raw::Whole(bytes) => self.text(ty, bytes, out),
            Raw::Bytes(bytes, cut) => self.bytes_text(ty, bytes, cut, out),
        }
    }

    fn bytes_text(&mut self, ty: &Type, bytes: &[u8], cut: bool, out: &mut Vec<u8>) {
        if let Type::Buf { .. } = ty {
            return buffer(out, bytes, Escape::Ascii);
        }
        out.extend_from_slice(cstr(bytes).0);
        if cut {
            out.extend_from_slice(self.plan.config.str_trunc_trailer.as_bytes());
        }
    }

    /// Writes an argument of an event as JSON.
    pub fn raw_json(&mut self, ty: &Type, raw: Raw<'_>, out: &mut Vec<u8>) {
        match (raw, ty) {
            (Raw::Whole(bytes), _) => self.json(ty, bytes, out),
            (Raw::Bytes(bytes, _), Type::Buf { .. }) => byte_list(out, bytes),
            (Raw::Bytes(bytes, cut), _) => {
                let mut text = Vec::new();
                self.bytes_text(ty, bytes, cut, &mut text);
                json::string(out, &text);
            }
        }
    }

    /// Writes a value as text.
    pub fn text(&mut self, ty: &Type, bytes: &[u8], out: &mut Vec<u8>) {
        let types = &self.plan.types;
        let size = types.size(ty) as usize;
        let Some(bytes) = bytes.get(..size) else {
            return out.push(b'?');
        };
        match ty {
            Type::None => out.extend_from_slice(b"null"),
            Type::Int { .. } => {
                integer(out, as_number(types, ty, bytes).unwrap_or(0));
            }
            Type::Bool => out.extend_from_slice(if bytes[0] != 0 { b"true" } else { b"false" }),
            Type::Enum(id) => enum_text(types, *id, bytes, out),
            Type::Str { .. } => {
                let (text, whole) = cstr(bytes);
                out.extend_from_slice(text);
                // Shorter ones are arrays of the kernel or a program, which may be full.
                if whole && bytes.len() >= self.plan.config.max_strlen as usize {
                    out.extend_from_slice(self.plan.config.str_trunc_trailer.as_bytes());
                }
            }
            Type::Buf { .. } => buffer(out, buf_bytes(bytes), Escape::Ascii),
            Type::Ptr { .. } => pointer(out, uint(bytes, 8)),
            Type::Struct(id) => self.struct_text(*id, bytes, out),
            Type::Array { elem, len } => {
                out.push(b'[');
                let step = types.size(elem) as usize;
                for i in 0..*len as usize {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.text(elem, &bytes[i * step..], out);
                }
                out.push(b']');
            }
            Type::Tuple(fields) => self.tuple_text(fields, bytes, out),
            Type::Record(fields) => self.record_text(fields, bytes, out),
            Type::Inet => inet(out, bytes),
            Type::Mac => mac(out, bytes),
            Type::Ksym => self.names.ksym(uint(bytes, 8), out),
            Type::Usym => self.names.usym(uint(bytes, 8), uint(&bytes[8..], 4) as u32, out),
            Type::Kstack(spec) => self.names.kstack(*spec, uint(bytes, 8) as i64, out),
            Type::Ustack(spec) => {
                let pid = uint(&bytes[8..], 4) as u32;
                self.names.ustack(*spec, uint(bytes, 8) as i64, pid, out);
            }
            Type::Username => self.names.username(uint(bytes, 8), out),
            Type::Probe => match self.plan.probe_names.get(uint(bytes, 8) as usize) {
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => out.push(b'?'),
            },
            Type::Timestamp { format, clock } => {
                let format = self.plan.strings.get(*format as usize).map_or("", |s| s);
                self.names.time(format, *clock, uint(bytes, 8), out);
            }
            Type::CgroupPath { pattern } => {
                let pattern = self.plan.strings.get(*pattern as usize).map_or("", |s| s);
                self.names.cgroup(uint(bytes, 8), pattern, out);
            }
            Type::Agg(agg) => merged_text(out, *agg, one_cpu(*agg, bytes), 1),
        }
    }

    /// The separator between parts of a tuple or record.
    fn comma(&self, first: &mut bool, out: &mut Vec<u8>) {
        if !std::mem::take(first) {
            out.extend_from_slice(if self.compact { b"," } else { b", " });
        }
    }

    fn tuple_text(&mut self, fields: &[Type], bytes: &[u8], out: &mut Vec<u8>) {
        out.push(b'(');
        self.parts_text(fields, bytes, out);
        out.push(b')');
    }

    /// Writes the parts of a tuple without its parentheses, as the keys of a map are shown.
    pub fn parts_text(&mut self, fields: &[Type], bytes: &[u8], out: &mut Vec<u8>) {
        let (offsets, _) = self.plan.types.layout(fields.iter());
        let mut first = true;
        for (ty, off) in fields.iter().zip(offsets) {
            self.comma(&mut first, out);
            self.text(ty, bytes.get(off as usize..).unwrap_or(&[]), out);
        }
    }

    fn named(&mut self, name: &str, first: &mut bool, out: &mut Vec<u8>) {
        self.comma(first, out);
        out.push(b'.');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(if self.compact { b"=" } else { b" = " });
    }

    fn open(&self, empty: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if empty || self.compact { b"{" } else { b"{ " });
    }

    fn close(&self, empty: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if empty || self.compact { b"}" } else { b" }" });
    }

    fn record_text(&mut self, fields: &[(String, Type)], bytes: &[u8], out: &mut Vec<u8>) {
        let (offsets, _) = self.plan.types.layout(fields.iter().map(|f| &f.1));
        self.open(fields.is_empty(), out);
        let mut first = true;
        for ((name, ty), off) in fields.iter().zip(offsets) {
            self.named(name, &mut first, out);
            self.text(ty, bytes.get(off as usize..).unwrap_or(&[]), out);
        }
        self.close(fields.is_empty(), out);
    }

    fn struct_text(&mut self, id: StructId, bytes: &[u8], out: &mut Vec<u8>) {
        let plan = self.plan;
        let def = plan.types.strukt(id);
        self.open(def.fields.is_empty(), out);
        let mut first = true;
        for field in &def.fields {
            self.named(&field.name, &mut first, out);
            let bytes = bytes.get(field.offset as usize..).unwrap_or(&[]);
            match field.bits {
                Some(bits) => {
                    let v = bitfield(&plan.types, &field.ty, bytes, bits);
                    self.text(&field.ty, &v.to_ne_bytes(), out);
                }
                None => self.text(&field.ty, bytes, out),
            }
        }
        self.close(def.fields.is_empty(), out);
    }

    /// Writes a value as JSON.
    pub fn json(&mut self, ty: &Type, bytes: &[u8], out: &mut Vec<u8>) {
        let plan = self.plan;
        let types = &plan.types;
        let Some(bytes) = bytes.get(..types.size(ty) as usize) else {
            return out.extend_from_slice(b"null");
        };
        match ty {
            Type::None => out.extend_from_slice(b"null"),
            Type::Int { .. } | Type::Enum(_) | Type::Ptr { .. } => {
                json::integer(out, as_number(types, ty, bytes).unwrap_or(0));
            }
            Type::Bool => self.text(ty, bytes, out),
            Type::Buf { .. } => byte_list(out, buf_bytes(bytes)),
            Type::Struct(id) => self.struct_json(*id, bytes, out),
            Type::Array { elem, len } => {
                let step = types.size(elem) as usize;
                out.push(b'[');
                for i in 0..*len as usize {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.json(elem, &bytes[i * step..], out);
                }
                out.push(b']');
            }
            Type::Tuple(fields) => {
                let (offsets, _) = types.layout(fields.iter());
                out.push(b'[');
                for (i, (ty, off)) in fields.iter().zip(offsets).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.json(ty, bytes.get(off as usize..).unwrap_or(&[]), out);
                }
                out.push(b']');
            }
            Type::Record(fields) => {
                let (offsets, _) = types.layout(fields.iter().map(|f| &f.1));
                out.push(b'{');
                for (i, ((name, ty), off)) in fields.iter().zip(offsets).enumerate() {
                    member(out, i == 0, name);
                    self.json(ty, bytes.get(off as usize..).unwrap_or(&[]), out);
                }
                out.push(b'}');
            }
            Type::Agg(agg) => merged_json(out, *agg, one_cpu(*agg, bytes), 1),
            _ => {
                let mut text = Vec::new();
                self.text(ty, bytes, &mut text);
                json::string(out, &text);
            }
        }
    }

    fn struct_json(&mut self, id: StructId, bytes: &[u8], out: &mut Vec<u8>) {
        let plan = self.plan;
        out.push(b'{');
        for (i, field) in plan.types.strukt(id).fields.iter().enumerate() {
            member(out, i == 0, &field.name);
            let bytes = bytes.get(field.offset as usize..).unwrap_or(&[]);
            match field.bits {
                Some(bits) => {
                    let v = bitfield(&plan.types, &field.ty, bytes, bits);
                    self.json(&field.ty, &v.to_ne_bytes(), out);
                }
                None => self.json(&field.ty, bytes, out),
            }
        }
        out.push(b'}');
    }
}

fn member(out: &mut Vec<u8>, first: bool, name: &str) {
    if !first {
        out.extend_from_slice(b", ");
    }
    json::string(out, name.as_bytes());
    out.extend_from_slice(b": ");
}

/// The value of a bitfield, extended as its type says, in the low bytes.
fn bitfield(types: &Types, ty: &Type, unit: &[u8], (shift, width): (u8, u8)) -> u64 {
    let v = uint(unit, types.size(ty));
    let v = v.checked_shr(shift.into()).unwrap_or(0);
    let unused = 64 - width.clamp(1, 64) as u32;
    if ty.is_signed() { ((v << unused) as i64 >> unused) as u64 } else { v << unused >> unused }
}

fn integer(out: &mut Vec<u8>, v: i128) {
    if v < 0 {
        out.push(b'-');
    }
    number::decimal(out, v.unsigned_abs() as u64);
}

fn enum_text(types: &Types, id: EnumId, bytes: &[u8], out: &mut Vec<u8>) {
    let def = types.enumm(id);
    let bits = (def.size * 8) as u8;
    let v = uint(bytes, def.size);
    match def.values.iter().find(|(_, n)| sign(*n as u64, bits) == sign(v, bits)) {
        Some((name, _)) => out.extend_from_slice(name.as_bytes()),
        None => integer(out, int(bytes, bits, def.signed)),
    }
}

/// The bytes that count of a [`Type::Buf`] in its layout.
pub(crate) fn buf_bytes(bytes: &[u8]) -> &[u8] {
    let data = bytes.get(4..).unwrap_or(&[]);
    &data[..(uint(bytes, 4) as usize).min(data.len())]
}

fn pointer(out: &mut Vec<u8>, v: u64) {
    out.extend_from_slice(b"0x");
    number::hex(out, v, 1);
}

fn inet(out: &mut Vec<u8>, bytes: &[u8]) {
    use std::io::Write;
    // Writing to a Vec cannot fail. Families as in socket.h: AF_INET 2, AF_INET6 10.
    let _ = match (uint(bytes, 4), bytes) {
        (2, [_, _, _, _, a, b, c, d, ..]) => write!(out, "{}", Ipv4Addr::new(*a, *b, *c, *d)),
        (10, _) => {
            let octets: [u8; 16] =
                bytes.get(4..20).and_then(|b| b.try_into().ok()).unwrap_or_default();
            write!(out, "{}", Ipv6Addr::from(octets))
        }
        _ => Ok(()),
    };
}

fn mac(out: &mut Vec<u8>, bytes: &[u8]) {
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        for nibble in [b >> 4, b & 15] {
            out.push(number::HEX[nibble as usize].to_ascii_uppercase());
        }
    }
}

/// How `%r`, `%rx` and `%rh` show bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Escape {
    /// Printable characters as they are, others as `\x00`.
    Ascii,
    /// All as `\x00`.
    Hex,
    /// Two digits each, a blank between.
    Spaced,
}

/// Writes bytes.
pub fn buffer(out: &mut Vec<u8>, bytes: &[u8], escape: Escape) {
    for (i, &b) in bytes.iter().enumerate() {
        if escape == Escape::Ascii && (32..=126).contains(&b) {
            out.push(b);
            continue;
        }
        match escape {
            Escape::Spaced if i == 0 => {}
            Escape::Spaced => out.push(b' '),
            _ => out.extend_from_slice(b"\\x"),
        }
        out.push(number::HEX[(b >> 4) as usize]);
        out.push(number::HEX[(b & 15) as usize]);
    }
}

fn byte_list(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'[');
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        number::decimal(out, (*b).into());
    }
    out.push(b']');
}

/// A merged aggregation that is a pair of words: see [`Agg`]; the second word is unused by `count` and `sum`.
pub type Pair = (u64, u64);

fn one_cpu(agg: Agg, bytes: &[u8]) -> Pair {
    merge(agg, bytes, agg.size() as usize)
}

/// Merges the values of all CPUs, `stride` bytes each.
pub fn merge(agg: Agg, values: &[u8], stride: usize) -> Pair {
    let (mut a, mut b) = (0u64, 0u64);
    for cpu in values.chunks(stride.max(1)) {
        let (x, y) = (uint(cpu, 8), uint(cpu.get(8..).unwrap_or(&[]), 8));
        match agg {
            Agg::Min { .. } | Agg::Max { .. } => {
                if y != 0 && (b == 0 || better(agg, x, a)) {
                    (a, b) = (x, 1);
                }
            }
            Agg::Avg { .. } | Agg::Stats { .. } => {
                (a, b) = (a.wrapping_add(x), b.wrapping_add(y));
            }
            _ => a = a.wrapping_add(x),
        }
    }
    (a, b)
}

fn better(agg: Agg, new: u64, old: u64) -> bool {
    match agg {
        Agg::Min { signed: false } => new < old,
        Agg::Min { signed: true } => (new as i64) < old as i64,
        Agg::Max { signed: false } => new > old,
        _ => new as i64 > old as i64,
    }
}

/// The number that a merged aggregation shows and is sorted by (the average for `avg` and `stats`).
pub fn merged_number(agg: Agg, (a, b): Pair) -> i128 {
    let signed = matches!(
        agg,
        Agg::Sum { signed: true }
            | Agg::Avg { signed: true }
            | Agg::Min { signed: true }
            | Agg::Max { signed: true }
            | Agg::Stats { signed: true }
    );
    let v = if signed { a as i64 as i128 } else { a as i128 };
    match agg {
        Agg::Avg { .. } | Agg::Stats { .. } => v / (b.max(1) as i128),
        _ => v,
    }
}

/// Count, average and total of `stats`.
fn stats(agg: Agg, pair: Pair, div: u64) -> [(&'static str, i128); 3] {
    let total = match agg {
        Agg::Stats { signed: true } => pair.0 as i64 as i128,
        _ => pair.0 as i128,
    };
    let average = merged_number(agg, pair) / div.max(1) as i128;
    [("count", pair.1 as i128), ("average", average), ("total", total)]
}

/// Writes a merged aggregation as text, divided by `div`.
pub fn merged_text(out: &mut Vec<u8>, agg: Agg, pair: Pair, div: u64) {
    if let Agg::Stats { .. } = agg {
        out.extend_from_slice(b"{ ");
        for (i, (name, v)) in stats(agg, pair, div).into_iter().enumerate() {
            out.extend_from_slice(if i > 0 { b", ." } else { b"." });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b" = ");
            integer(out, v);
        }
        return out.extend_from_slice(b" }");
    }
    integer(out, merged_number(agg, pair) / div.max(1) as i128);
}

/// Writes a merged aggregation as JSON, divided by `div`.
pub fn merged_json(out: &mut Vec<u8>, agg: Agg, pair: Pair, div: u64) {
    if let Agg::Stats { .. } = agg {
        out.push(b'{');
        for (i, (name, v)) in stats(agg, pair, div).into_iter().enumerate() {
            member(out, i == 0, name);
            json::integer(out, v);
        }
        return out.push(b'}');
    }
    json::integer(out, merged_number(agg, pair) / div.max(1) as i128);
}
