//! Numbers as printf writes them.
//!
//! Flags, width and precision mean what C11 7.21.6.1 says. A number is written into the buffer's end without any allocation.

use crate::plan::{Conv, Spec};

/// Writes `v` in decimal.
pub fn decimal(out: &mut Vec<u8>, v: u64) {
    let mut digits = [0u8; 20];
    let at = digits_of(v, &mut digits);
    out.extend_from_slice(&digits[at..]);
}

/// Writes `v` in decimal.
pub fn signed(out: &mut Vec<u8>, v: i64) {
    if v < 0 {
        out.push(b'-');
    }
    decimal(out, v.unsigned_abs());
}

/// Writes `v` in lower-case hexadecimal, at least `least` digits.
pub fn hex(out: &mut Vec<u8>, v: u64, least: usize) {
    let significant = (16 - v.leading_zeros() as usize / 4).max(1);
    for i in (0..significant.max(least).min(16)).rev() {
        out.push(HEX[(v >> (4 * i) & 15) as usize]);
    }
}

pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";

/// Decimal digits of `v` at the end of `digits`; gives where they begin.
fn digits_of(mut v: u64, digits: &mut [u8; 20]) -> usize {
    const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
        2021222324252627282930313233343536373839\
        4041424344454647484950515253545556575859\
        6061626364656667686970717273747576777879\
        8081828384858687888990919293949596979899";
    let mut at = digits.len();
    while v >= 100 {
        let pair = (v % 100) as usize * 2;
        v /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if v >= 10 {
        let pair = v as usize * 2;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + v as u8;
    }
    at
}

/// Cuts a number to the bits of a length modifier; `bits` of 0 or 64 cuts nothing. The result is extended as `signed` says.
fn cut(v: u64, bits: u8, signed: bool) -> u64 {
    match bits {
        1..=63 => {
            let shift = 64 - bits as u32;
            if signed { ((v << shift) as i64 >> shift) as u64 } else { v << shift >> shift }
        }
        _ => v,
    }
}

/// Writes an integer conversion (`%d %u %x %X %o %c %p`) of the 64 bits of `v`.
pub fn convert(
    out: &mut Vec<u8>,
    spec: &Spec,
    width: Option<u32>,
    precision: Option<u32>,
    left: bool,
    v: u64,
) {
    let mut digits = [0u8; 24];
    let mut prefix: &[u8] = b"";
    let at = match spec.conv {
        Conv::Char => {
            let start = out.len();
            out.push(v as u8);
            return pad(out, start, width, left);
        }
        Conv::Signed => {
            let v = cut(v, spec.bits, true) as i64;
            prefix = match () {
                () if v < 0 => b"-",
                () if spec.plus => b"+",
                () if spec.space => b" ",
                () => b"",
            };
            tail(&mut digits, v.unsigned_abs(), 10, false)
        }
        Conv::Hex | Conv::HexUpper => {
            let v = cut(v, spec.bits, false);
            if spec.alt && v != 0 {
                prefix = if spec.conv == Conv::Hex { b"0x" } else { b"0X" };
            }
            tail(&mut digits, v, 16, spec.conv == Conv::HexUpper)
        }
        Conv::Octal => {
            let v = cut(v, spec.bits, false);
            if spec.alt && v != 0 {
                prefix = b"0";
            }
            tail(&mut digits, v, 8, false)
        }
        Conv::Pointer => {
            if v != 0 {
                prefix = b"0x";
            }
            tail(&mut digits, v, 16, false)
        }
        _ => tail(&mut digits, cut(v, spec.bits, false), 10, false),
    };
    // C: a value of zero with a precision of zero has no digits.
    let digits = if precision == Some(0) && &digits[at..] == b"0" { b"" } else { &digits[at..] };
    put(out, spec, width, precision, left, prefix, digits);
}

/// Digits of `v` at the end of `digits`; gives where they begin.
fn tail(digits: &mut [u8; 24], v: u64, base: u64, upper: bool) -> usize {
    if base == 10 {
        let mut short = [0u8; 20];
        let at = digits_of(v, &mut short);
        digits[4 + at..].copy_from_slice(&short[at..]);
        return 4 + at;
    }
    let (mut v, mut at) = (v, digits.len());
    loop {
        at -= 1;
        let digit = HEX[(v % base) as usize];
        digits[at] = if upper { digit.to_ascii_uppercase() } else { digit };
        v /= base;
        if v == 0 {
            return at;
        }
    }
}

/// Most characters of a width or precision, so that a number from an event cannot ask for gigabytes.
pub(crate) const MAX_WIDTH: u32 = 1 << 16;

fn put(
    out: &mut Vec<u8>,
    spec: &Spec,
    width: Option<u32>,
    precision: Option<u32>,
    left: bool,
    prefix: &[u8],
    digits: &[u8],
) {
    let width = width.unwrap_or(0).min(MAX_WIDTH) as usize;
    let mut zeroes = (precision.unwrap_or(0).min(MAX_WIDTH) as usize).saturating_sub(digits.len());
    if spec.zero && !left && precision.is_none() {
        zeroes = width.saturating_sub(prefix.len() + digits.len());
    }
    let blanks = width.saturating_sub(prefix.len() + zeroes + digits.len());
    if !left {
        out.resize(out.len() + blanks, b' ');
    }
    out.extend_from_slice(prefix);
    out.resize(out.len() + zeroes, b'0');
    out.extend_from_slice(digits);
    if left {
        out.resize(out.len() + blanks, b' ');
    }
}

/// Pads what was written since `start` with blanks to the width.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize, width: Option<u32>, left: bool) {
    let written = out.len() - start;
    let blanks = (width.unwrap_or(0).min(MAX_WIDTH) as usize).saturating_sub(written);
    if blanks == 0 {
        return;
    }
    out.resize(out.len() + blanks, b' ');
    if !left {
        out.copy_within(start..start + written, start + blanks);
        out[start..start + blanks].fill(b' ');
    }
}
