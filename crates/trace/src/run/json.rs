//! JSON as bpftrace writes it: one object a line, `", "` between members, `","` between elements.
//!
//! Written by hand because the layout, down to its blanks, is part of what scripts that read bpftrace's output rely on.

use super::number;

/// Writes a string with its quotes. Bytes that are not UTF-8 become U+FFFD: the output is always valid JSON.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        escape(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, text: &[u8]) {
    let mut plain = 0;
    for (i, &c) in text.iter().enumerate() {
        let short: &[u8] = match c {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(&text[plain..i]);
        plain = i + 1;
        if short.is_empty() {
            out.extend_from_slice(b"\\u");
            let at = out.len();
            number::hex(out, c.into(), 4);
            debug_assert_eq!(out.len(), at + 4);
        } else {
            out.extend_from_slice(short);
        }
    }
    out.extend_from_slice(&text[plain..]);
}

/// Writes an integer: as a number if a double holds it exactly, else as a string (RFC 8259, section 6).
pub fn integer(out: &mut Vec<u8>, v: i128) {
    let exact = (v as f64) as i128 == v;
    if !exact {
        out.push(b'"');
    }
    if v < 0 {
        out.push(b'-');
    }
    number::decimal(out, v.unsigned_abs() as u64);
    if !exact {
        out.push(b'"');
    }
}

/// Begins `{"type": "KIND", "data": `.
pub fn begin(out: &mut Vec<u8>, kind: &str) {
    out.extend_from_slice(b"{\"type\": \"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\", \"data\": ");
}

/// Writes a whole line whose data is a string.
pub fn line(out: &mut Vec<u8>, kind: &str, text: &[u8]) {
    begin(out, kind);
    string(out, text);
    out.extend_from_slice(b"}\n");
}
