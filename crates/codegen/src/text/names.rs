//! The words of the text form, each written down once for printer and parser.

use skep_isa::{AtomicOp, Size};

use crate::ir::{BinOp, Cond};

/// Words and what they mean.
pub(super) type Names<T> = &'static [(&'static str, T)];

pub(super) const BIN: Names<BinOp> = &[
    ("add", BinOp::Add),
    ("sub", BinOp::Sub),
    ("mul", BinOp::Mul),
    ("udiv", BinOp::Udiv),
    ("sdiv", BinOp::Sdiv),
    ("urem", BinOp::Urem),
    ("srem", BinOp::Srem),
    ("and", BinOp::And),
    ("or", BinOp::Or),
    ("xor", BinOp::Xor),
    ("shl", BinOp::Shl),
    ("lshr", BinOp::Lshr),
    ("ashr", BinOp::Ashr),
];

pub(super) const COND: Names<Cond> = &[
    ("eq", Cond::Eq),
    ("ne", Cond::Ne),
    ("ult", Cond::Ult),
    ("ule", Cond::Ule),
    ("ugt", Cond::Ugt),
    ("uge", Cond::Uge),
    ("slt", Cond::Slt),
    ("sle", Cond::Sle),
    ("sgt", Cond::Sgt),
    ("sge", Cond::Sge),
    ("test", Cond::Test),
];

pub(super) const ATOMIC: Names<AtomicOp> = &[
    ("add", AtomicOp::Add),
    ("or", AtomicOp::Or),
    ("and", AtomicOp::And),
    ("xor", AtomicOp::Xor),
    ("fetch_add", AtomicOp::FetchAdd),
    ("fetch_or", AtomicOp::FetchOr),
    ("fetch_and", AtomicOp::FetchAnd),
    ("fetch_xor", AtomicOp::FetchXor),
    ("xchg", AtomicOp::Xchg),
    ("cmpxchg", AtomicOp::CmpXchg),
];

/// Widths with signedness.
pub(super) const WIDTH: Names<(Size, bool)> = &[
    ("u8", (Size::B, false)),
    ("u16", (Size::H, false)),
    ("u32", (Size::W, false)),
    ("u64", (Size::DW, false)),
    ("s8", (Size::B, true)),
    ("s16", (Size::H, true)),
    ("s32", (Size::W, true)),
    ("s64", (Size::DW, true)),
];

/// The word for a meaning; every meaning has one.
pub(super) fn word<T: PartialEq>(names: Names<T>, meaning: T) -> &'static str {
    names.iter().find(|(_, m)| *m == meaning).map_or("?", |(w, _)| w)
}

/// The meaning of a word.
pub(super) fn meaning<T: Copy>(names: Names<T>, word: &str) -> Option<T> {
    names.iter().find(|(w, _)| *w == word).map(|(_, m)| *m)
}
