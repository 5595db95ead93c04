//! Strings and bytes: reading, comparing, searching.

use skep_codegen::ir::{BinOp, Block, Cond, Value};

use super::Cx;
use super::memory::{Base, INLINE_COPY, Place};
use super::read::What;
use crate::hir::{Expr, ExprKind};
use crate::plan::globals;
use crate::types::{Space, Type};

/// Texts of up to so many bytes are searched for byte by byte without a loop.
const UNROLLED: usize = 64;

impl Cx<'_> {
    /// Where the bytes come from: what a pointer points to, a place, or a number taken as an address.
    pub(super) fn source(&mut self, e: &Expr) -> Place {
        match &e.ty {
            Type::Ptr { space, .. } => {
                let ptr = self.scalar(e);
                Place::at(ptr, *space)
            }
            ty if ty.is_scalar() => {
                let address = self.scalar(e);
                Place::at(address, Space::Unknown)
            }
            _ => self.place(e),
        }
    }

    /// `str(ptr, len)` into a string of `max` bytes.
    pub(super) fn str_into(&mut self, ptr: &Expr, len: Option<&Expr>, dst: Place, max: u32) {
        let src = self.source(ptr);
        self.zero(dst, max);
        let size = self.limited(len, max);
        let src = as_memory(src);
        let got = self.read_call(What::Str, dst, size, src);
        if len.is_none() && self.is_limit(max) {
            let cut = self.cut_check(got, src, max);
            self.aside(cut, false, |cx| {
                cx.count(globals::CUT_STRINGS);
                cx.fill_last(dst, src, max);
            });
        }
    }

    /// A string of `max` bytes from memory that is not the program's.
    pub(super) fn string_from(&mut self, dst: Place, src: Place, max: u32) {
        self.zero(dst, max);
        let size = self.int(max as i64);
        let src = as_memory(src);
        let got = self.read_call(What::Str, dst, size, src);
        // An array may be full, without a zero; the helper has put one in place of the last character.
        let full = self.f.b.icmp(Cond::Eq, got, size);
        self.aside(full, false, |cx| cx.fill_last(dst, src, max));
    }

    /// Puts the character that the helper's zero stands for: a string without a zero is one that fills its place.
    fn fill_last(&mut self, dst: Place, src: Place, max: u32) {
        let at = max as i64 - 1;
        let one = self.int(1);
        self.read_call(What::Bytes, dst.plus(at), one, src.plus(at));
    }

    /// The smaller of a run-time length and `max`.
    pub(super) fn limited(&mut self, len: Option<&Expr>, max: u32) -> Value {
        let Some(len) = len else {
            return self.int(max as i64);
        };
        let n = self.scalar(len);
        let limit = self.int(max as i64);
        let (less, more) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch(Cond::Ult, n, limit, less, more);
        let v = self.either((less, |_| Some(n)), (more, |cx| Some(cx.int(max as i64))));
        v.unwrap_or(limit)
    }

    /// Whether a string of so many bytes is as long as the configuration lets it be, so that cutting it is not what the script asked for.
    pub(super) fn is_limit(&self, max: u32) -> bool {
        max >= self.config.max_strlen
    }

    /// 1 if a string that filled `max` bytes goes on at its source.
    pub(super) fn cut_check(&mut self, got: Value, src: Place, max: u32) -> Value {
        let (full, not, limit) = (self.f.b.block(), self.f.b.block(), self.int(max as i64));
        self.f.b.branch(Cond::Eq, got, limit, full, not);
        let cut = self.either((full, |cx| Some(cx.goes_on(src, max))), (not, |cx| Some(cx.int(0))));
        cut.unwrap_or(got)
    }

    /// Whether there is a character where the string's zero took its place.
    pub(super) fn goes_on(&mut self, src: Place, max: u32) -> Value {
        let next = self.read_int(src.plus(max as i64 - 1), 1, false);
        let zero = self.int(0);
        self.f.b.icmp(Cond::Ne, next, zero)
    }

    /// `buf(ptr, len)`: length, bytes, zeroes.
    pub(super) fn buf_into(&mut self, ptr: &Expr, len: Option<&Expr>, dst: Place, size: u32) {
        let src = self.source(ptr);
        let max = size - 4;
        let n = self.limited(len, max);
        if len.is_some() {
            self.zero(dst, size);
        }
        self.store(dst, 4, n);
        self.read_call(What::Bytes, dst.plus(4), n, as_memory(src));
    }

    /// Branches to `equal` or `differ`.
    pub(super) fn compare_bytes(
        &mut self,
        left: &Expr,
        right: &Expr,
        limit: Option<u32>,
        equal: Block,
        differ: Block,
    ) {
        let (left, right) = if literal(left).is_some() { (right, left) } else { (left, right) };
        let (m1, m2) = (self.types.size(&left.ty), self.types.size(&right.ty));
        let strings = matches!(left.ty, Type::Str { .. });
        let limit = limit.unwrap_or(u32::MAX);
        if let (true, Some(text)) = (strings, literal(right)) {
            let place = self.own(left);
            return self.compare_literal(place, m1, text, limit, equal, differ);
        }
        let (a, b) = (self.own(left), self.own(right));
        let common = m1.min(m2).min(limit);
        let tail = strings && m1 != m2 && limit > common;
        let last = if tail { self.f.b.block() } else { equal };
        if common <= INLINE_COPY / 4 {
            self.compare_words(a, b, common, last, differ);
        } else {
            self.compare_loop(a, b, common, strings, [equal, last, differ]);
        }
        if tail {
            // The longer string must end where the shorter one has no room for more.
            self.f.b.switch_to(last);
            let longer = if m1 > m2 { a } else { b };
            let next = self.load(longer.plus(common), 1, false);
            self.f.b.branch_nonzero(next, differ, equal);
        }
    }

    /// Strings are padded with zeroes, so whole words can be compared with constants.
    fn compare_literal(
        &mut self,
        a: Place,
        max: u32,
        text: &[u8],
        limit: u32,
        equal: Block,
        differ: Block,
    ) {
        let text = &text[..text.iter().position(|&b| b == 0).unwrap_or(text.len())];
        let n = text.len() as u32;
        if limit <= n {
            let wanted = &text[..limit as usize];
            return self.compare_const(a, max, wanted, equal, differ);
        }
        if n > max {
            return self.f.b.jump(differ);
        }
        // With the zero behind it, and as many more zeroes as fill a word.
        let mut wanted = text.to_vec();
        let whole = (n + 1).next_multiple_of(8).min(max).max(n);
        let within = whole.min(limit.max(n));
        wanted.resize(within as usize, 0);
        self.compare_const(a, max, &wanted, equal, differ);
    }

    fn compare_const(&mut self, a: Place, max: u32, wanted: &[u8], equal: Block, differ: Block) {
        if wanted.len() as u32 > max {
            return self.f.b.jump(differ);
        }
        let mut at = 0;
        while at < wanted.len() {
            let n = chunk(a, at as u32, (wanted.len() - at) as u32);
            let mut word = [0; 8];
            word[..n as usize].copy_from_slice(&wanted[at..at + n as usize]);
            let v = self.load(a.plus(at as i64), n, false);
            let w = self.int(i64::from_le_bytes(word));
            let next = self.f.b.block();
            self.f.b.branch(Cond::Eq, v, w, next, differ);
            self.f.b.switch_to(next);
            at += n as usize;
        }
        self.f.b.jump(equal);
    }

    fn compare_words(&mut self, a: Place, b: Place, size: u32, equal: Block, differ: Block) {
        let mut at = 0;
        while at < size {
            let n = chunk(a, at, size - at).min(chunk(b, at, size - at));
            let (v, w) = (self.load(a.plus(at), n, false), self.load(b.plus(at), n, false));
            let next = self.f.b.block();
            self.f.b.branch(Cond::Eq, v, w, next, differ);
            self.f.b.switch_to(next);
            at += n;
        }
        self.f.b.jump(equal);
    }

    /// Compares word by word in a loop; strings may be found equal at the word in which they end.
    fn compare_loop(&mut self, a: Place, b: Place, size: u32, strings: bool, to: [Block; 3]) {
        let [equal, last, differ] = to;
        let step = chunk(a, 0, 8).min(chunk(b, 0, 8));
        let whole = size / step * step;
        self.counted(whole / step, &[], |cx, i, _| {
            let off = cx.f.b.bin_imm(BinOp::Mul, i, step as i64);
            let (v, w) = (cx.load_var(a, off, step), cx.load_var(b, off, step));
            let same = cx.f.b.block();
            cx.f.b.branch(Cond::Eq, v, w, same, differ);
            cx.f.b.switch_to(same);
            if strings {
                let go = cx.f.b.block();
                let ends = cx.zero_byte(v, step);
                cx.f.b.branch_nonzero(ends, equal, go);
                cx.f.b.switch_to(go);
            }
            vec![]
        });
        self.compare_words(a.plus(whole), b.plus(whole), size - whole, last, differ);
    }

    /// Not 0 if one of the bytes is 0.
    fn zero_byte(&mut self, v: Value, bytes: u32) -> Value {
        let cut = |word: u64| (word & (u64::MAX >> (64 - bytes * 8))) as i64;
        let less = self.f.b.bin_imm(BinOp::Sub, v, cut(0x0101_0101_0101_0101));
        let not = self.f.b.bin_imm(BinOp::Xor, v, -1);
        let both = self.f.b.bin(BinOp::And, less, not);
        self.f.b.bin_imm(BinOp::And, both, cut(0x8080_8080_8080_8080))
    }

    /// Loads at an offset that the caller has bounded.
    fn load_var(&mut self, p: Place, off: Value, bytes: u32) -> Value {
        let start = self.addr(p);
        let ptr = self.f.b.bin(BinOp::Add, start, off);
        let place = Place { base: Base::Value(ptr), off: 0, space: Space::Bpf, align: bytes };
        self.load(place, bytes, false)
    }

    /// 1 if the first string contains the second.
    pub(super) fn strcontains(&mut self, hay: &Expr, needle: &Expr) -> Value {
        let (h, n) = (self.types.size(&hay.ty), self.types.size(&needle.ty));
        if let Some(text) = literal(needle).filter(|t| t.len() <= UNROLLED) {
            let hay = self.own(hay);
            return self.contains_literal(hay, h, text);
        }
        let (hay, needle) = (self.own(hay), self.own(needle));
        let zero = self.int(0);
        // Found: 1; ended without: 2.
        let state = self.fold_until(h, &[zero], |cx, i, acc| {
            let first = cx.load_var(hay, i, 1);
            let hit = cx.matches_at(hay, h, needle, n, i);
            let (yes, no) = (cx.f.b.block(), cx.f.b.block());
            cx.f.b.branch_nonzero(hit, yes, no);
            let v = cx.either(
                (yes, |cx| Some(cx.int(1))),
                (no, |cx| {
                    let (end, on) = (cx.f.b.block(), cx.f.b.block());
                    cx.f.b.branch_nonzero(first, on, end);
                    cx.either((end, |cx| Some(cx.int(2))), (on, |_| Some(acc[0])))
                }),
            );
            vec![v.unwrap_or(acc[0])]
        });
        let one = self.int(1);
        self.f.b.icmp(Cond::Eq, state[0], one)
    }

    /// The same for a text that is known: its bytes become constants.
    fn contains_literal(&mut self, hay: Place, h: u32, text: &[u8]) -> Value {
        let text = &text[..text.iter().position(|&b| b == 0).unwrap_or(text.len())];
        let n = text.len() as u32;
        if n == 0 || n > h {
            return self.int((n == 0) as i64);
        }
        let zero = self.int(0);
        // Found: 1; the string has ended: 2.
        let state = self.fold_until(h - n + 1, &[zero], |cx, i, acc| {
            let start = cx.addr(hay);
            let ptr = cx.f.b.bin(BinOp::Add, start, i);
            let at = Place { base: Base::Value(ptr), off: 0, space: Space::Bpf, align: 1 };
            // `other`: the first byte differs, so it may be the end; `later`: a later one does.
            let (next, other, later) = (cx.f.b.block(), cx.f.b.block(), cx.f.b.block());
            let state = cx.f.b.block_param(next);
            let mut first = None;
            for (j, &byte) in text.iter().enumerate() {
                let have = cx.load(at.plus(j as i64), 1, false);
                first.get_or_insert(have);
                let (same, want) = (cx.f.b.block(), cx.int(byte as i64));
                cx.f.b.branch(Cond::Eq, have, want, same, if j == 0 { other } else { later });
                cx.f.b.switch_to(same);
            }
            let found = cx.int(1);
            cx.jump_with(next, vec![found]);
            cx.f.b.switch_to(other);
            let (end, on) = (cx.f.b.block(), cx.f.b.block());
            cx.f.b.branch_nonzero(first.unwrap_or(i), on, end);
            cx.f.b.switch_to(end);
            let over = cx.int(2);
            cx.jump_with(next, vec![over]);
            for block in [on, later] {
                cx.f.b.switch_to(block);
                cx.jump_with(next, acc.to_vec());
            }
            cx.f.b.switch_to(next);
            vec![state]
        });
        let one = self.int(1);
        self.f.b.icmp(Cond::Eq, state[0], one)
    }

    /// Whether `needle` stands in `hay` from byte `i` on.
    fn matches_at(&mut self, hay: Place, h: u32, needle: Place, n: u32, i: Value) -> Value {
        let zero = self.int(0);
        // Matches: 1; does not: 2.
        let state = self.fold_until(n, &[zero], |cx, j, acc| {
            let want = cx.load_var(needle, j, 1);
            let (ends, more) = (cx.f.b.block(), cx.f.b.block());
            cx.f.b.branch_nonzero(want, more, ends);
            let v = cx.either(
                (ends, |cx| Some(cx.int(1))),
                (more, |cx| {
                    let at = cx.f.b.bin(BinOp::Add, i, j);
                    let (inside, beyond, limit) =
                        (cx.f.b.block(), cx.f.b.block(), cx.int(h as i64));
                    cx.f.b.branch(Cond::Ult, at, limit, inside, beyond);
                    cx.either(
                        (inside, |cx| {
                            let have = cx.load_var(hay, at, 1);
                            let (same, other) = (cx.f.b.block(), cx.f.b.block());
                            cx.f.b.branch(Cond::Eq, have, want, same, other);
                            cx.either((same, |_| Some(acc[0])), (other, |cx| Some(cx.int(2))))
                        }),
                        (beyond, |cx| Some(cx.int(2))),
                    )
                }),
            );
            vec![v.unwrap_or(acc[0])]
        });
        // A needle that fills its place has no zero: reaching its end is a match too.
        let two = self.int(2);
        self.f.b.icmp(Cond::Ne, state[0], two)
    }
}

/// Memory as the reading helpers see it: the program's own is the kernel's.
pub(super) fn as_memory(p: Place) -> Place {
    let space = if p.is_direct() { Space::Kernel } else { p.space };
    Place { space, ..p }
}

fn literal(e: &Expr) -> Option<&[u8]> {
    match &e.kind {
        ExprKind::Str(bytes) => Some(bytes),
        _ => None,
    }
}

/// The widest load at `at` of at most `rest` bytes.
fn chunk(p: Place, at: u32, rest: u32) -> u32 {
    let mut n = p.plus(at).alignment();
    while n > rest {
        n /= 2;
    }
    n.max(1)
}
