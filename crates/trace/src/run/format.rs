//! printf: a format taken apart once, then filled in for each event.
//!
//! All places of arguments are computed when the script is loaded, so that an event costs no allocation and no look at the format's text.
//! Conversions mean what they mean in C; `%s` shows every type as `print` does; `%r`, `%rx` and `%rh` are bpftrace's.

use super::number;
use super::value::{self, Escape, Raw, View};
use crate::plan::{Conv, EVENT_HEADER, Format, Piece, Spec, event_layout, is_variable};
use crate::types::{Type, Types};

/// An event's record is shorter than its layout says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short;

/// Where an argument stands.
#[derive(Clone, Debug)]
struct Place {
    off: usize,
    size: usize,
    variable: bool,
}

/// The arguments of a kind of event.
#[derive(Clone, Debug)]
pub struct Args {
    places: Vec<(Place, Type)>,
    fixed_end: usize,
}

impl Args {
    /// Lays the arguments out.
    pub fn new(types: &Types, args: &[Type]) -> Args {
        let layout = event_layout(types, args);
        let places = args.iter().zip(layout.args).map(|(ty, (off, variable))| {
            let place = Place { off: off as usize, size: types.size(ty) as usize, variable };
            (place, ty.clone())
        });
        Args { places: places.collect(), fixed_end: layout.fixed_end as usize }
    }

    /// Goes through the arguments of a record.
    pub fn read<'a>(&'a self, record: &'a [u8]) -> Result<Reader<'a>, Short> {
        if record.len() < self.fixed_end.max(EVENT_HEADER as usize) {
            return Err(Short);
        }
        Ok(Reader { args: &self.places, record, variable: self.fixed_end })
    }
}

/// Hands out the arguments of a record in order.
pub struct Reader<'a> {
    args: &'a [(Place, Type)],
    record: &'a [u8],
    /// Where the next variable argument begins.
    variable: usize,
}

impl<'a> Reader<'a> {
    /// The next argument.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<(&'a Type, Raw<'a>), Short> {
        let ((place, ty), rest) = self.args.split_first().ok_or(Short)?;
        self.args = rest;
        Ok((ty, self.at(place)?))
    }

    fn at(&mut self, place: &Place) -> Result<Raw<'a>, Short> {
        let fixed = self.record.get(place.off..).ok_or(Short)?;
        if !place.variable {
            return Ok(Raw::Whole(fixed.get(..place.size).ok_or(Short)?));
        }
        let len = value::uint(fixed, 4) as usize;
        let cut = value::uint(fixed.get(4..).ok_or(Short)?, 4) & 1 != 0;
        let end = self.variable.checked_add(len).ok_or(Short)?;
        let bytes = self.record.get(self.variable..end).ok_or(Short)?;
        self.variable = end.next_multiple_of(8);
        Ok(Raw::Bytes(bytes, cut))
    }
}

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Printf {
    ops: Vec<Op>,
    args: Args,
}

#[derive(Clone, Debug)]
enum Op {
    Text(Box<[u8]>),
    /// A decimal of an integer without flags.
    Decimal {
        place: Place,
        signed: bool,
        bits: u8,
    },
    /// An inline string without width.
    Inline(Place),
    /// A string of the variable part without width.
    Variable(Place),
    Arg(Box<Arg>),
}

#[derive(Clone, Debug)]
struct Arg {
    spec: Spec,
    width: Option<(Place, Type)>,
    precision: Option<(Place, Type)>,
    value: (Place, Type),
}

impl Printf {
    /// Compiles a format. Conversions without an argument show nothing.
    pub fn new(types: &Types, format: &Format) -> Printf {
        let args = Args::new(types, &format.args);
        let mut places = args.places.iter().cloned();
        let mut ops = Vec::with_capacity(format.pieces.len());
        for piece in &format.pieces {
            match piece {
                Piece::Text(text) => ops.push(Op::Text(text.as_slice().into())),
                Piece::Arg(spec) => {
                    let width = if spec.width_arg { places.next() } else { None };
                    let precision = if spec.precision_arg { places.next() } else { None };
                    let Some(value) = places.next() else { continue };
                    ops.push(op(Arg { spec: spec.clone(), width, precision, value }));
                }
            }
        }
        Printf { ops, args }
    }

    /// Writes the text of a record.
    pub fn write(
        &self,
        record: &[u8],
        view: &mut View<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Short> {
        let start = out.len();
        let done = self.fill(record, view, out);
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    fn fill(&self, record: &[u8], view: &mut View<'_>, out: &mut Vec<u8>) -> Result<(), Short> {
        let mut reader = self.args.read(record)?;
        for op in &self.ops {
            match op {
                Op::Text(text) => out.extend_from_slice(text),
                Op::Decimal { place, signed, bits } => {
                    let v = value::uint(&record[place.off..], *bits as u32 / 8);
                    if *signed {
                        let shift = 64 - *bits as u32;
                        number::signed(out, (v << shift) as i64 >> shift);
                    } else {
                        number::decimal(out, v);
                    }
                }
                Op::Inline(place) => {
                    let bytes = record.get(place.off..place.off + place.size).ok_or(Short)?;
                    let (text, whole) = value::cstr(bytes);
                    out.extend_from_slice(text);
                    if whole && bytes.len() >= view.plan.config.max_strlen as usize {
                        out.extend_from_slice(view.plan.config.str_trunc_trailer.as_bytes());
                    }
                }
                Op::Variable(place) => {
                    if let Raw::Bytes(bytes, cut) = reader.at(place)? {
                        out.extend_from_slice(value::cstr(bytes).0);
                        if cut {
                            out.extend_from_slice(view.plan.config.str_trunc_trailer.as_bytes());
                        }
                    }
                }
                Op::Arg(arg) => arg.write(&mut reader, view, out)?,
            }
        }
        Ok(())
    }
}

/// Chooses the quick way where there is one.
fn op(arg: Arg) -> Op {
    let spec = &arg.spec;
    let plain = Spec { conv: spec.conv, bits: spec.bits, ..Spec::default() } == *spec;
    let (place, ty) = &arg.value;
    if !plain {
        return Op::Arg(Box::new(arg));
    }
    match (spec.conv, ty) {
        (Conv::Signed, Type::Int { bits, signed: true })
        | (Conv::Unsigned, Type::Int { bits, signed: false })
            if spec.bits == 0 || spec.bits >= *bits =>
        {
            Op::Decimal { place: place.clone(), signed: ty.is_signed(), bits: *bits }
        }
        (Conv::Str, Type::Int { bits, signed }) => {
            Op::Decimal { place: place.clone(), signed: *signed, bits: *bits }
        }
        (Conv::Str, Type::Str { .. }) if place.variable => Op::Variable(place.clone()),
        (Conv::Str, Type::Str { max }) if *max > 0 => Op::Inline(place.clone()),
        _ => Op::Arg(Box::new(arg)),
    }
}

impl Arg {
    fn write(
        &self,
        reader: &mut Reader<'_>,
        view: &mut View<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Short> {
        let spec = &self.spec;
        let width = star(&self.width, reader, view)?;
        let left = spec.left || width.is_some_and(|w| w < 0);
        let width = width.map(|w| w.unsigned_abs()).or(spec.width);
        // C: a negative precision is as if there were none.
        let precision = match star(&self.precision, reader, view)? {
            Some(p) => u32::try_from(p).ok(),
            None => spec.precision,
        };
        let (place, ty) = &self.value;
        let raw = reader.at(place)?;
        let start = out.len();
        match (spec.conv, raw) {
            (Conv::Str, _) => view.raw_text(ty, raw, out),
            (Conv::Buf | Conv::BufHex | Conv::BufHexSpaced, _) => {
                match bytes_of(ty, raw) {
                    Some(bytes) => value::buffer(out, bytes, escape(spec.conv)),
                    None => view.raw_text(ty, raw, out),
                }
                number::pad(out, start, width, left);
                return Ok(());
            }
            (_, Raw::Whole(bytes)) => {
                if let Some(v) = value::as_number(&view.plan.types, ty, bytes) {
                    number::convert(out, spec, width, precision, left, v as u64);
                    return Ok(());
                }
                view.raw_text(ty, raw, out);
            }
            (_, Raw::Bytes(..)) => view.raw_text(ty, raw, out),
        }
        if let Some(most) = precision {
            shorten(out, start, most as usize);
        }
        number::pad(out, start, width, left);
        Ok(())
    }
}

/// A width or precision that is an argument.
fn star(
    place: &Option<(Place, Type)>,
    reader: &mut Reader<'_>,
    view: &View<'_>,
) -> Result<Option<i32>, Short> {
    let Some((place, ty)) = place else { return Ok(None) };
    let v = match reader.at(place)? {
        Raw::Whole(bytes) => value::as_number(&view.plan.types, ty, bytes).unwrap_or(0),
        Raw::Bytes(..) => 0,
    };
    Ok(Some(v as i64 as i32))
}

/// Cuts what was written since `start` to `most` bytes, at the end of a character.
fn shorten(out: &mut Vec<u8>, start: usize, most: usize) {
    if out.len() - start <= most {
        return;
    }
    let mut end = start + most;
    while end > start && out[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    out.truncate(end);
}

fn escape(conv: Conv) -> Escape {
    match conv {
        Conv::BufHex => Escape::Hex,
        Conv::BufHexSpaced => Escape::Spaced,
        _ => Escape::Ascii,
    }
}

fn bytes_of<'a>(ty: &Type, raw: Raw<'a>) -> Option<&'a [u8]> {
    match (ty, raw) {
        (_, Raw::Bytes(bytes, _)) => Some(bytes),
        (Type::Buf { .. }, Raw::Whole(bytes)) => Some(value::buf_bytes(bytes)),
        (Type::Str { .. }, Raw::Whole(bytes)) => Some(value::cstr(bytes).0),
        (Type::Array { elem, .. }, Raw::Whole(bytes)) if elem.is_integral() => Some(bytes),
        _ => None,
    }
}

/// Builds a record as a program would, for tests and other engines: `whole` and variable values in the order of the arguments.
pub fn encode(action: u32, cpu: u32, types: &Types, args: &[(Type, &[u8])]) -> Vec<u8> {
    let mut record = action.to_ne_bytes().to_vec();
    record.extend_from_slice(&cpu.to_ne_bytes());
    let mut tail = Vec::new();
    for (ty, bytes) in args {
        if is_variable(ty) {
            let max = match ty {
                Type::Str { max } | Type::Buf { max } => *max as usize,
                _ => bytes.len(),
            };
            let kept = &bytes[..bytes.len().min(max)];
            record.extend_from_slice(&(kept.len() as u32).to_ne_bytes());
            record.extend_from_slice(&u32::from(kept.len() < bytes.len()).to_ne_bytes());
            tail.extend_from_slice(kept);
            tail.resize(tail.len().next_multiple_of(8), 0);
        } else {
            let size = types.size(ty) as usize;
            let start = record.len();
            record.extend_from_slice(&bytes[..bytes.len().min(size)]);
            record.resize((start + size).next_multiple_of(8), 0);
        }
    }
    record.extend_from_slice(&tail);
    record
}
