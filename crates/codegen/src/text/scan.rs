//! Tokens of the text form.

use crate::Error;

/// A token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A word: letters, digits, `_`.
    Word(String),
    /// A number, with its sign.
    Number(i128),
    /// A string, its escapes undone.
    Text(String),
    /// A single character.
    Punct(char),
}

/// Tokens with their lines.
pub(super) fn scan(text: &str) -> Result<Vec<(u32, Token)>, Error> {
    let mut tokens = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let number = i as u32 + 1;
        let mut rest = line.trim_start();
        while let Some(c) = rest.chars().next().filter(|&c| c != ';') {
            let (token, len) =
                token(rest, c).map_err(|what| Error::Syntax { line: number, what })?;
            tokens.push((number, token));
            rest = rest[len..].trim_start();
        }
    }
    Ok(tokens)
}

fn token(rest: &str, c: char) -> Result<(Token, usize), String> {
    let span = |more: fn(char) -> bool| rest[1..].find(|c| !more(c)).map_or(rest.len(), |n| n + 1);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match c {
        '"' => string(rest),
        '0'..='9' | '+' | '-' => {
            let len = span(is_word);
            Ok((Token::Number(number(&rest[..len])?), len))
        }
        _ if is_word(c) => {
            let len = span(is_word);
            Ok((Token::Word(rest[..len].to_owned()), len))
        }
        _ if c.is_ascii_punctuation() => Ok((Token::Punct(c), 1)),
        _ => Err(format!("{c:?} means nothing here")),
    }
}

fn number(text: &str) -> Result<i128, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let parsed = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let n = i128::from(parsed.map_err(|_| format!("{text:?} is not a number"))?);
    Ok(if negative { -n } else { n })
}

fn string(rest: &str) -> Result<(Token, usize), String> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(out), i + 1)),
            '\\' => out.push(escape(&mut chars)?),
            c => out.push(c),
        }
    }
    Err("a string without its end".to_owned())
}

fn escape(chars: &mut impl Iterator<Item = (usize, char)>) -> Result<char, String> {
    let bad = || "an escape that does not exist".to_owned();
    Ok(match chars.next().ok_or_else(bad)?.1 {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        'u' => {
            let digits = chars.map(|(_, c)| c).skip_while(|&c| c == '{').take_while(|&c| c != '}');
            let code = u32::from_str_radix(&digits.collect::<String>(), 16).map_err(|_| bad())?;
            char::from_u32(code).ok_or_else(bad)?
        }
        c @ ('"' | '\\' | '\'') => c,
        _ => return Err(bad()),
    })
}
