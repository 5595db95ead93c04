//! Format strings of printf, taken apart and compared with their arguments.

use super::Checker;
use crate::hir::{Builtin, Expr, ExprKind};
use crate::plan::{Conv, Format, Piece, Spec};
use crate::syntax::ast::Span;
use crate::types::Type;

/// A format taken apart; `Err` says what is wrong.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((&c, tail)) = rest.split_first() {
        rest = tail;
        if c != b'%' {
            plain.push(c);
            continue;
        }
        if let Some(tail) = rest.strip_prefix(b"%") {
            plain.push(b'%');
            rest = tail;
            continue;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let (spec, tail) = conversion(rest)?;
        pieces.push(Piece::Arg(spec));
        rest = tail;
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// What follows a `%`.
fn conversion(text: &[u8]) -> Result<(Spec, &[u8]), String> {
    let mut spec = Spec::default();
    let mut at = text;
    while let Some((&c, tail)) = at.split_first() {
        match c {
            b'-' => spec.left = true,
            b'0' => spec.zero = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alt = true,
            b'\'' => spec.group = true,
            _ => break,
        }
        at = tail;
    }
    (spec.width, spec.width_arg, at) = count(at)?;
    if let Some(tail) = at.strip_prefix(b".") {
        (spec.precision, spec.precision_arg, at) = count(tail)?;
        if !spec.precision_arg {
            spec.precision = Some(spec.precision.unwrap_or(0));
        }
    }
    for (modifier, bits) in
        [("hh", 8), ("h", 16), ("ll", 64), ("l", 64), ("j", 64), ("z", 64), ("t", 64)]
    {
        if let Some(tail) = at.strip_prefix(modifier.as_bytes()) {
            (spec.bits, at) = (bits, tail);
            break;
        }
    }
    let conversions: [(&[u8], Conv); 12] = [
        (b"rx", Conv::BufHex),
        (b"rh", Conv::BufHexSpaced),
        (b"r", Conv::Buf),
        (b"d", Conv::Signed),
        (b"i", Conv::Signed),
        (b"u", Conv::Unsigned),
        (b"x", Conv::Hex),
        (b"X", Conv::HexUpper),
        (b"o", Conv::Octal),
        (b"c", Conv::Char),
        (b"p", Conv::Pointer),
        (b"s", Conv::Str),
    ];
    for (name, conv) in conversions {
        if let Some(tail) = at.strip_prefix(name) {
            spec.conv = conv;
            if spec.bits == 0 {
                spec.bits = plain_bits(conv);
            }
            return Ok((spec, tail));
        }
    }
    Err(match std::str::from_utf8(at).ok().and_then(|t| t.chars().next()) {
        Some(c) => format!("there is no conversion `%{c}`"),
        None => "the format ends in the middle of a conversion".to_owned(),
    })
}

/// Bits that a conversion without a length modifier shows: those of C's `int`.
fn plain_bits(conv: Conv) -> u8 {
    match conv {
        Conv::Signed | Conv::Unsigned | Conv::Hex | Conv::HexUpper | Conv::Octal => 32,
        _ => 64,
    }
}

/// A number or `*`.
fn count(text: &[u8]) -> Result<(Option<u32>, bool, &[u8]), String> {
    if let Some(tail) = text.strip_prefix(b"*") {
        return Ok((None, true, tail));
    }
    let digits = text.iter().take_while(|c| c.is_ascii_digit()).count();
    if digits == 0 {
        return Ok((None, false, text));
    }
    let number =
        text[..digits].iter().fold(0u64, |n, d| (n * 10 + u64::from(d - b'0')).min(1 << 40));
    match u32::try_from(number).ok().filter(|n| *n <= 65536) {
        Some(n) => Ok((Some(n), false, &text[digits..])),
        None => Err("a width or precision is larger than 65536".to_owned()),
    }
}

impl Checker<'_> {
    /// Checks the arguments of a format; `None` after an error.
    pub(super) fn format(
        &mut self,
        text: &[u8],
        span: Span,
        args: &[Expr],
        call: Span,
    ) -> Option<Format> {
        let pieces = match parse(text) {
            Ok(pieces) => pieces,
            Err(message) => {
                self.error(span, message).help("conversions are d i u x X o c s p r rx rh and %%");
                return None;
            }
        };
        let specs = pieces.iter().filter_map(|p| match p {
            Piece::Arg(spec) => Some(spec),
            Piece::Text(_) => None,
        });
        let mut wanted = Vec::new();
        for spec in specs {
            wanted.extend((spec.width_arg).then_some(None));
            wanted.extend((spec.precision_arg).then_some(None));
            wanted.push(Some((spec.conv, spec.bits)));
        }
        if wanted.len() != args.len() {
            let (n, m) = (wanted.len(), args.len());
            let message = format!(
                "the format takes {n} argument{}, but {m} {} given",
                plural(n),
                if m == 1 { "is" } else { "are" }
            );
            self.error(call, message);
            return None;
        }
        let mut good = true;
        for (conv, arg) in wanted.iter().zip(args) {
            good &= self.argument(conv.map(|c| c.0), arg);
            if let Some((conv, bits)) = *conv {
                self.told_width(conv, bits, arg);
            }
        }
        let args = args.iter().map(|a| a.ty.clone()).collect();
        good.then_some(Format { pieces, args })
    }

    /// Clocks and addresses never fit 32 bits: showing their low half is not what anybody wants.
    fn told_width(&mut self, conv: Conv, bits: u8, arg: &Expr) {
        let what = match arg.kind {
            ExprKind::Builtin(Builtin::Nsecs(_)) => "nsecs",
            ExprKind::Builtin(Builtin::Elapsed) => "elapsed",
            ExprKind::Builtin(Builtin::Curtask) => "curtask",
            _ => return,
        };
        if bits < 64 {
            let letter = match conv {
                Conv::Signed => 'd',
                Conv::Hex => 'x',
                Conv::HexUpper => 'X',
                Conv::Octal => 'o',
                _ => 'u',
            };
            self.warn(arg.span, format!("only the low {bits} bits of `{what}` are shown"))
                .help(format!("write `%ll{letter}` for all of it"));
        }
    }

    /// Whether an argument goes with its conversion; without one it is a width.
    fn argument(&mut self, conv: Option<Conv>, arg: &Expr) -> bool {
        let integral = arg.ty.is_integral();
        let (fits, wants) = match conv {
            None => (integral, "a width must be an integer"),
            // Everything has a text, as print() shows it.
            Some(Conv::Str) => (true, ""),
            Some(Conv::Buf | Conv::BufHex | Conv::BufHexSpaced) => {
                (matches!(arg.ty, Type::Buf { .. }), "%r takes a buffer")
            }
            Some(_) => (
                integral || matches!(arg.ty, Type::Ptr { .. } | Type::Ksym),
                "this conversion takes a number",
            ),
        };
        if !fits {
            let ty = self.type_name(&arg.ty);
            let help = match (&arg.ty, conv) {
                (Type::Buf { .. }, _) => "use %r",
                (Type::Array { .. }, Some(Conv::Buf)) => "make a buffer of it: buf(...)",
                _ => "use %s",
            };
            self.error(arg.span, format!("{wants}, not {ty}")).help(help);
        }
        fits
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Piece]) {
        assert_eq!(parse(text.as_bytes()).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn formats_are_taken_apart() {
        let spec = |conv| Spec { conv, bits: 64, ..Spec::default() };
        check(
            "%d %lx",
            &[
                Piece::Arg(Spec { bits: 32, ..spec(Conv::Signed) }),
                Piece::Text(b" ".to_vec()),
                Piece::Arg(spec(Conv::Hex)),
            ],
        );
        let text = |t: &str| Piece::Text(t.as_bytes().to_vec());
        check("", &[]);
        check("100%%\n", &[text("100%\n")]);
        check(
            "%-16s|%lld",
            &[
                Piece::Arg(Spec { left: true, width: Some(16), ..spec(Conv::Str) }),
                text("|"),
                Piece::Arg(spec(Conv::Signed)),
            ],
        );
        check(
            "%hhx%rx",
            &[Piece::Arg(Spec { bits: 8, ..spec(Conv::Hex) }), Piece::Arg(spec(Conv::BufHex))],
        );
        check(
            "%*.*s",
            &[Piece::Arg(Spec { width_arg: true, precision_arg: true, ..spec(Conv::Str) })],
        );
        check("%.3ld", &[Piece::Arg(Spec { precision: Some(3), ..spec(Conv::Signed) })]);
    }

    #[test]
    fn bad_formats_are_refused() {
        for text in ["%", "%y", "%99999999999999999999d", "%l", "%é"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
