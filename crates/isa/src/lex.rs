//! Tokens of one line of assembly, with their columns.

/// A token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token<'a> {
    /// A name: letters, digits, `_`, `.`, `$`, not beginning with a digit.
    Word(&'a str),
    /// A number without its sign.
    Number(u64),
    /// An operator or a bracket.
    Sign(&'a str),
}

/// Longest first, so that the first that fits is the right one.
const SIGNS: [&str; 37] = [
    "s>>=", "s>=", "s<=", "s/=", "s%=", "<<=", ">>=", "s>", "s<", "+=", "-=", "*=", "/=", "|=",
    "&=", "%=", "^=", "==", "!=", ">=", "<=", "=", ">", "<", "&", "(", ")", "[", "]", "*", "+",
    "-", ",", ":", "#", "@", "/",
];

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')
}

/// The line without its comment: from `;` or `//`, or from `#` at the start or after white space.
pub(crate) fn without_comment(line: &str) -> &str {
    let mut blank = true;
    for (i, c) in line.char_indices() {
        if c == ';' || line[i..].starts_with("//") || (c == '#' && blank) {
            return &line[..i];
        }
        blank = c.is_whitespace();
    }
    line
}

/// Splits a line into tokens, each with its byte offset; an error has the offset of what cannot be read.
pub(crate) fn tokens(line: &str) -> Result<Vec<(usize, Token<'_>)>, (usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = line[at..].chars().next() {
        let rest = &line[at..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            found.push((at, Token::Sign(sign)));
            at += sign.len();
        } else if c.is_ascii_digit() {
            let number = number(&rest[..end])
                .ok_or_else(|| (at, format!("{} is not a number", &rest[..end])))?;
            found.push((at, Token::Number(number)));
            at += end;
        } else if is_word(c) {
            found.push((at, Token::Word(&rest[..end])));
            at += end;
        } else {
            return Err((at, format!("unexpected character {c:?}")));
        }
    }
    Ok(found)
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::Token::*;
    use super::*;

    #[test]
    fn lines_are_split() {
        for (line, expected) in [
            (
                "r0 = *(s8 *)(r1 - 0x10)",
                vec![
                    Word("r0"),
                    Sign("="),
                    Sign("*"),
                    Sign("("),
                    Word("s8"),
                    Sign("*"),
                    Sign(")"),
                    Sign("("),
                    Word("r1"),
                    Sign("-"),
                    Number(16),
                    Sign(")"),
                ],
            ),
            ("r1 s>>= r2", vec![Word("r1"), Sign("s>>="), Word("r2")]),
            (
                "call bpf_loop#181 # the loop",
                vec![Word("call"), Word("bpf_loop"), Sign("#"), Number(181)],
            ),
            ("exit ; done", vec![Word("exit")]),
            ("# all of it", vec![]),
            ("", vec![]),
        ] {
            let found = tokens(without_comment(line)).unwrap();
            assert_eq!(found.into_iter().map(|t| t.1).collect::<Vec<_>>(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_token_is_placed() {
        assert_eq!(tokens("r1 = 12x").unwrap_err().0, 5);
        assert_eq!(tokens("r1 ? r2").unwrap_err(), (3, "unexpected character '?'".to_string()));
        assert_eq!(tokens("é").unwrap_err().0, 0);
        assert_eq!(tokens("0x").unwrap_err().0, 0);
        assert_eq!(tokens("18446744073709551616").unwrap_err().0, 0);
    }
}
