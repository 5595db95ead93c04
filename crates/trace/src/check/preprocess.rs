//! The little of C's preprocessor that scripts use around their type definitions: constants and conditions on names. Headers are not
//! read: types come from BTF.

use std::collections::HashMap;

use super::store::Define;
use crate::syntax::ast::{CType, Item, Script};

/// The type definitions that conditions leave in, and the constants defined on the way.
pub(super) fn live_types<'s>(
    script: &'s Script,
    have_btf: bool,
    defines: &mut HashMap<String, Define>,
) -> Vec<&'s CType> {
    if have_btf {
        defines.insert("BPFTRACE_HAVE_BTF".into(), Define::Int(1));
    }
    let mut live = vec![true];
    let mut types = Vec::new();
    for item in &script.items {
        match item {
            Item::Preprocessor { text, .. } => directive(text, &mut live, defines),
            Item::CType(ctype) if live.iter().all(|l| *l) => types.push(ctype),
            _ => {}
        }
    }
    types
}

fn directive(text: &str, live: &mut Vec<bool>, defines: &mut HashMap<String, Define>) {
    let text = text.trim().trim_start_matches('#').trim_start();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match word {
        "ifdef" => live.push(defines.contains_key(rest)),
        "ifndef" => live.push(!defines.contains_key(rest)),
        "if" => live.push(int(rest).is_some_and(|v| v != 0)),
        "else" if live.len() > 1 => {
            let last = live.len() - 1;
            live[last] = !live[last];
        }
        "endif" if live.len() > 1 => {
            live.pop();
        }
        "undef" => {
            defines.remove(rest);
        }
        "define" if live.iter().all(|l| *l) => {
            let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, "1"));
            defines.insert(name.to_owned(), constant(value.trim(), defines));
        }
        _ => {}
    }
}

fn constant(text: &str, defines: &HashMap<String, Define>) -> Define {
    let bare = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text).trim();
    if let Some(other) = defines.get(bare) {
        return other.clone();
    }
    if let Some(value) = int(bare) {
        return Define::Int(value);
    }
    match bare.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(text) => Define::Str(unescape(text)),
        None => Define::Other(text.to_owned()),
    }
}

/// A C integer: decimal, octal, hexadecimal, with suffixes.
pub(super) fn int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let digits = digits.trim_end_matches(['u', 'U', 'l', 'L']).replace('_', "");
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(&digits[1..], 8).ok()?
    } else if digits.starts_with(|c: char| c.is_ascii_digit()) {
        digits.parse().ok()?
    } else {
        return None;
    };
    Some(if negative { (value as i64).wrapping_neg() } else { value as i64 })
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut chars) = (Vec::new(), text.bytes().peekable());
    while let Some(c) = chars.next() {
        if c != b'\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(d @ b'0'..=b'7') => {
                let mut value = u32::from(d - b'0');
                while let Some(d @ b'0'..=b'7') = chars.peek().copied().filter(|_| value < 32) {
                    value = value * 8 + u32::from(d - b'0');
                    chars.next();
                }
                out.push(value as u8);
            }
            Some(b'x') => {
                let mut value = 0u32;
                for _ in 0..2 {
                    let Some(digit) = chars.peek().and_then(|c| (*c as char).to_digit(16)) else {
                        break;
                    };
                    value = value * 16 + digit;
                    chars.next();
                }
                out.push(value as u8);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
