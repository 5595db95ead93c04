//! Types that grow: those of maps and variables, joined over all places that assign to them.

use super::Checker;
use crate::syntax::ast::Span;
use crate::types::{Agg, Space, Type};

/// A variable: number of its program, place of its declaration, name.
pub(super) type VarKey = (usize, u32, String);

/// What is known of a type so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Inferred {
    pub ty: Type,
    /// Only plain integer literals so far, none of them negative: any integer type will do.
    pub flexible: bool,
    /// Bits of the smallest integer that holds all values, while they are plain literals; 0 once one is not.
    pub literal_bits: u8,
    /// A written type: it does not grow.
    pub fixed: bool,
    /// Where it was learned first.
    pub span: Span,
}

/// A map of the script.
#[derive(Clone, Debug)]
pub(super) struct MapState {
    pub name: String,
    /// `None` until a use tells.
    pub keys: Option<Vec<Inferred>>,
    pub keys_span: Span,
    pub value: Inferred,
    pub declared: Option<skep_abi::MapType>,
    pub decl_span: Option<Span>,
    pub max_entries: Option<u32>,
    /// Something gives it values.
    pub assigned: bool,
}

/// A literal as it is seen by inference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lit {
    /// Not a literal.
    No,
    /// A plain integer literal.
    Int(i64),
}

impl Inferred {
    /// Takes in another type; false if the two do not go together.
    pub(super) fn join(&mut self, ty: &Type, lit: Lit, span: Span) -> bool {
        if *ty == Type::None {
            return true;
        }
        if self.ty == Type::None {
            self.flexible = matches!(lit, Lit::Int(value) if value >= 0);
            self.literal_bits = literal_bits(lit);
            (self.ty, self.span) = (ty.clone(), span);
            return true;
        }
        self.literal_bits = match (self.literal_bits, literal_bits(lit)) {
            (0, _) | (_, 0) => 0,
            (a, b) => a.max(b),
        };
        if let (Lit::Int(value), Type::Int { bits, signed }) = (lit, &self.ty) {
            // A negative one has a sign to keep.
            self.flexible &= value >= 0;
            if fits(value, *bits, *signed) {
                return true;
            }
            if self.fixed {
                return false;
            }
            // A literal too large for the type so far, or negative where the type is unsigned.
            let bits = if value < 0 && !signed { bits.saturating_mul(2).min(64) } else { 64 };
            self.ty = Type::Int { bits, signed: *signed || value < 0 };
            return true;
        }
        if self.fixed {
            return fits_fixed(&self.ty, ty);
        }
        if self.flexible && matches!(ty, Type::Int { .. }) {
            self.flexible = false;
            self.ty = ty.clone();
            return true;
        }
        match join(&self.ty, ty, 0) {
            Some(joined) => {
                self.ty = joined;
                true
            }
            None => false,
        }
    }
}

/// Whether a value goes into a variable whose type is written down.
fn fits_fixed(to: &Type, from: &Type) -> bool {
    match (to, from) {
        (Type::Int { .. }, Type::Int { .. } | Type::Bool | Type::Enum(_)) => true,
        (Type::Enum(_), Type::Int { .. }) => true,
        (Type::Str { max }, Type::Str { max: other }) => other <= max,
        _ => join(to, from, 0).is_some_and(|joined| joined == *to),
    }
}

/// Bits of the smallest signed integer that holds the number.
pub(super) fn smallest(value: i64) -> u8 {
    [8, 16, 32].into_iter().find(|bits| fits(value, *bits, true)).unwrap_or(64)
}

fn literal_bits(lit: Lit) -> u8 {
    match lit {
        Lit::Int(value) => smallest(value),
        Lit::No => 0,
    }
}

/// Whether the number is one of the type.
pub(super) fn fits(value: i64, bits: u8, signed: bool) -> bool {
    match (bits, signed) {
        (64, true) => true,
        (64, false) => value >= 0,
        (bits, true) => value >= -(1i64 << (bits - 1)) && value < 1i64 << (bits - 1),
        (bits, false) => value >= 0 && value < 1i64 << bits,
    }
}

/// The smallest type that holds values of both; `None` if there is none.
pub(super) fn join(a: &Type, b: &Type, depth: u32) -> Option<Type> {
    if a == b {
        return Some(a.clone());
    }
    if depth > 16 {
        return None;
    }
    Some(match (a, b) {
        (Type::None, other) | (other, Type::None) => other.clone(),
        (Type::Int { bits, signed }, Type::Int { bits: b, signed: s }) => {
            join_ints((*bits, *signed), (*b, *s))
        }
        (Type::Enum(_), Type::Enum(_)) => Type::I64,
        (Type::Enum(_), Type::Int { .. }) | (Type::Int { .. }, Type::Enum(_)) => Type::I64,
        (Type::Str { max: a }, Type::Str { max: b }) => Type::Str { max: *a.max(b) },
        (Type::Buf { max: a }, Type::Buf { max: b }) => Type::Buf { max: *a.max(b) },
        (Type::Ptr { to: a, space: x }, Type::Ptr { to: b, space: y }) => {
            let to = match (&**a, &**b) {
                (a, b) if a == b => a.clone(),
                (Type::None, _) | (_, Type::None) => Type::None,
                (a @ Type::Ptr { .. }, b @ Type::Ptr { .. }) => join(a, b, depth + 1)?,
                _ => return None,
            };
            Type::ptr(to, if x == y { *x } else { Space::Unknown })
        }
        (Type::Array { elem: a, len: n }, Type::Array { elem: b, len: m }) if n == m => {
            Type::Array { elem: Box::new(join(a, b, depth + 1)?), len: *n }
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => {
            let joined = a.iter().zip(b).map(|(a, b)| join(a, b, depth + 1));
            Type::Tuple(joined.collect::<Option<_>>()?)
        }
        (Type::Record(a), Type::Record(b)) if a.len() == b.len() => {
            let joined = a.iter().map(|(name, a)| {
                let b = &b.iter().find(|f| f.0 == *name)?.1;
                Some((name.clone(), join(a, b, depth + 1)?))
            });
            Type::Record(joined.collect::<Option<_>>()?)
        }
        (Type::Agg(a), Type::Agg(b)) => Type::Agg(join_aggs(*a, *b)?),
        _ => return None,
    })
}

fn join_ints(a: (u8, bool), b: (u8, bool)) -> Type {
    if a.1 == b.1 {
        return Type::Int { bits: a.0.max(b.0), signed: a.1 };
    }
    let (signed, unsigned) = if a.1 { (a.0, b.0) } else { (b.0, a.0) };
    let bits = if signed > unsigned { signed } else { unsigned.saturating_mul(2).min(64) };
    Type::Int { bits, signed: true }
}

fn join_aggs(a: Agg, b: Agg) -> Option<Agg> {
    Some(match (a, b) {
        (Agg::Sum { signed: a }, Agg::Sum { signed: b }) => Agg::Sum { signed: a || b },
        (Agg::Avg { signed: a }, Agg::Avg { signed: b }) => Agg::Avg { signed: a || b },
        (Agg::Min { signed: a }, Agg::Min { signed: b }) => Agg::Min { signed: a || b },
        (Agg::Max { signed: a }, Agg::Max { signed: b }) => Agg::Max { signed: a || b },
        (Agg::Stats { signed: a }, Agg::Stats { signed: b }) => Agg::Stats { signed: a || b },
        (
            Agg::Tseries { interval, count, op, signed: a },
            Agg::Tseries { interval: i, count: c, op: o, signed: b },
        ) if (interval, count, op) == (i, c, o) => {
            Agg::Tseries { interval, count, op, signed: a || b }
        }
        _ => return None,
    })
}

impl Checker<'_> {
    /// Joins a type into a variable. Tells of a conflict.
    pub(super) fn join_var(&mut self, key: &VarKey, ty: &Type, lit: Lit, span: Span) -> bool {
        let Some(state) = self.vars.get_mut(key) else { return false };
        let before = state.ty.clone();
        if state.join(ty, lit, span) {
            if state.ty != before {
                self.changed = Some((span, key.2.clone()));
            }
            return true;
        }
        let (fixed, first) = (state.fixed, state.span);
        let (old, new) = (self.type_name(&before), self.type_name(ty));
        let name = &key.2;
        if let (true, Lit::Int(value)) = (fixed, lit) {
            self.error(span, format!("{value} does not fit the type {old} of {name}"))
                .help(format!("write ({old}){value} to cut it"));
            return false;
        }
        let how = if fixed { "declared" } else { "assigned first" };
        self.error(span, format!("{name} cannot take a value of type {new}: it is {old}"))
            .label(format!("this is {new}"))
            .also(first, format!("{how} here, as {old}"));
        false
    }
}
