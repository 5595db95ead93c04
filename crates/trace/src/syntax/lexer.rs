//! From text to tokens, on demand: the parser asks for one token at a time, because what a `/` or a `:` means depends on where it stands.
//! Attach points have a mode of their own ([`Lexer::attach_point`]): paths, wildcards and C++ names are not tokens of the language.
//!
//! Guarantees: every call moves forward or returns [`Tok::Eof`]; no input makes it panic; the work is linear in the text read. What it finds wrong it
//! reports itself and hands on a [`Tok::Bad`], so that the parser need not report it again.
//! Facts: bpftrace's language reference (literals, suffixes, escapes, comments) and the C standard for what it leaves open.

use super::ast::Span;
use super::diag::Diagnostics;
use super::preproc::Preproc;

/// What a token is; its text is beside it in [`Token`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    /// A number, with its suffix worked in; `unsigned` as in the tree.
    Int { value: u64, unsigned: bool },
    /// A string, escapes decoded.
    Str(Vec<u8>),
    /// A word: keyword, builtin, function, type.
    Ident,
    /// `$x`
    Var,
    /// `@x`, `@`
    Map,
    /// `$1`
    Positional(u32),
    /// `$#`
    PositionalCount,
    /// An operator or a bracket.
    Punct(&'static str),
    /// Something wrong that has been reported.
    Bad,
    /// The end.
    Eof,
}

/// One token.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Tok,
    /// Its text.
    pub(super) text: &'a str,
    /// Where it starts in the lexer's own text (differs from the span inside a macro).
    pub(super) at: usize,
    /// Where it stands in the script.
    pub(super) span: Span,
    /// Whether it is the first on its line.
    pub(super) first: bool,
}

/// Reads one text: the script, or the body of a `#define`.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    src: &'a str,
    pos: usize,
    /// In a macro's body every span is that of the macro's use.
    fixed: Option<Span>,
    /// The text ended inside a comment: what is missing after it need not be reported.
    pub(super) cut: bool,
}

/// Longest first.
const PUNCTS: &[&str] = &[
    "<<=", ">>=", "->", "++", "--", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "..", "::", "{", "}", "(", ")", "[", "]", ";", ",", ".",
    ":", "?", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "!", "~",
];

impl<'a> Lexer<'a> {
    /// Over a whole script.
    pub(super) fn new(src: &'a str) -> Self {
        let pos = if src.starts_with('\u{feff}') { 3 } else { 0 };
        Lexer { src, pos, fixed: None, cut: false }
    }

    /// Over the body of a macro used at `place`.
    pub(super) fn of_macro(src: &'a str, place: Span) -> Self {
        Lexer { src, pos: 0, fixed: Some(place), cut: false }
    }

    /// The text read.
    pub(super) fn source(&self) -> &'a str {
        self.src
    }

    /// Goes back (or on) to a place.
    pub(super) fn seek(&mut self, at: usize) {
        self.pos = at;
    }

    /// The next token. Directives of the preprocessor on the way are handed to `pre`.
    pub(super) fn next(&mut self, pre: &mut Preproc<'a>, diags: &mut Diagnostics) -> Token<'a> {
        let first = self.skip_layout(pre, diags);
        let at = self.pos;
        let kind = self.token(diags);
        debug_assert!(self.pos > at || kind == Tok::Eof);
        Token { kind, text: &self.src[at..self.pos], at, span: self.span(at, self.pos), first }
    }

    fn token(&mut self, diags: &mut Diagnostics) -> Tok {
        let at = self.pos;
        let Some(c) = self.peek(0) else { return Tok::Eof };
        match c {
            b'0'..=b'9' => self.number(diags),
            b'"' => self.string(diags),
            b'\'' => self.character(diags),
            b'$' => self.dollar(diags),
            b'@' => {
                self.pos += 1;
                if self.peek(0).is_some_and(is_ident_start) {
                    self.skip_while(is_ident);
                }
                Tok::Map
            }
            c if is_ident_start(c) => {
                self.skip_while(is_ident);
                Tok::Ident
            }
            b'/' if self.peek(1) == Some(b'*') => {
                // skip_layout stops here only if the comment never ends.
                self.pos = self.src.len();
                self.cut = true;
                diags
                    .error(self.span(at, at + 2), "this comment is never closed")
                    .label("opened here")
                    .help("close it with `*/`; comments do not nest");
                Tok::Bad
            }
            _ => {
                match PUNCTS.iter().find(|p| self.src.as_bytes()[at..].starts_with(p.as_bytes())) {
                    Some(p) => {
                        self.pos += p.len();
                        Tok::Punct(p)
                    }
                    None => self.unknown(diags),
                }
            }
        }
    }

    /// A run of characters that begin nothing: one error for all of them.
    fn unknown(&mut self, diags: &mut Diagnostics) -> Tok {
        let at = self.pos;
        let starts_nothing = |c: char| {
            !c.is_ascii()
                || (!c.is_ascii_alphanumeric()
                    && !c.is_ascii_whitespace()
                    && !"\"'$@_{}()[];,.:?=<>+-*/%&|^!~".contains(c))
        };
        let len = self.src[at..].find(|c| !starts_nothing(c)).unwrap_or(self.src.len() - at).max(1);
        self.pos += len;
        let text: String = self.src[at..self.pos].chars().take(20).collect();
        let what =
            if text.chars().count() == 1 { "unknown character" } else { "unknown characters" };
        let d = diags.error(self.span(at, self.pos), format!("{what} `{}`", text.escape_debug()));
        match text.chars().next() {
            Some('“' | '”' | '„' | '«' | '»') => drop(d.help("strings stand in plain double quotes: \"...\"")),
            Some('‘' | '’') => drop(d.help("use the plain quote '")),
            Some('–' | '—' | '−') => drop(d.help("use the plain minus `-`")),
            Some('#') => drop(d.help("comments begin with `//`; a directive of the preprocessor stands first on its line")),
            Some('\u{a0}') => drop(d.help("this is a no-break space: replace it by a plain one")),
            _ => {}
        }
        Tok::Bad
    }

    fn dollar(&mut self, diags: &mut Diagnostics) -> Tok {
        let at = self.pos;
        self.pos += 1;
        match self.peek(0) {
            Some(b'#') => {
                self.pos += 1;
                Tok::PositionalCount
            }
            Some(b'0'..=b'9') => {
                self.skip_while(|c| c.is_ascii_digit());
                match self.src[at + 1..self.pos].parse::<u32>() {
                    Ok(n) if n >= 1 => Tok::Positional(n),
                    _ => {
                        diags
                            .error(self.span(at, self.pos), format!("there is no parameter `{}`", &self.src[at..self.pos]))
                            .help("the parameters of a script are `$1`, `$2` and so on; `$#` is their number");
                        Tok::Positional(u32::MAX)
                    }
                }
            }
            Some(c) if is_ident_start(c) => {
                self.skip_while(is_ident);
                Tok::Var
            }
            _ => {
                diags
                    .error(self.span(at, self.pos), "a `$` without a name")
                    .help("variables are written `$name`, parameters `$1`");
                Tok::Bad
            }
        }
    }

    fn number(&mut self, diags: &mut Diagnostics) -> Tok {
        let at = self.pos;
        self.skip_while(is_ident);
        match parse_int(&self.src[at..self.pos]) {
            Ok((value, unsigned)) => Tok::Int { value, unsigned },
            Err((message, help)) => {
                diags.error(self.span(at, self.pos), message).help(help);
                Tok::Int { value: 0, unsigned: false }
            }
        }
    }

    fn string(&mut self, diags: &mut Diagnostics) -> Tok {
        let at = self.pos;
        self.pos += 1;
        let mut out = Vec::new();
        loop {
            match self.peek(0) {
                Some(b'"') => {
                    self.pos += 1;
                    return Tok::Str(out);
                }
                None | Some(b'\n') => {
                    diags
                        .error(self.span(at, self.pos), "this string is never closed")
                        .label("opened here")
                        .help(
                            "close it with `\"` on the same line; a new line in a string is `\\n`",
                        );
                    return Tok::Bad;
                }
                Some(b'\\') => self.escape(&mut out, diags),
                Some(c) => {
                    out.push(c);
                    self.pos += 1;
                }
            }
        }
    }

    /// One escape sequence, at its backslash.
    fn escape(&mut self, out: &mut Vec<u8>, diags: &mut Diagnostics) {
        let at = self.pos;
        self.pos += 1;
        let Some(c) = self.peek(0) else { return };
        if c == b'\n' {
            // The string's own error follows, unless it is a continued line as in C.
            self.pos += 1;
            return;
        }
        self.pos += 1;
        let simple = match c {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'e' => 27,
            b'\\' | b'"' | b'\'' => c,
            b'0'..=b'7' => {
                self.pos -= 1;
                return self.octal(at, out, diags);
            }
            b'x' | b'X' => return self.hex(at, out, diags),
            _ => {
                let c = self.src[at + 1..].chars().next().unwrap_or('?');
                self.pos = at + 1 + c.len_utf8();
                diags
                    .error(self.span(at, self.pos), format!("unknown escape `\\{}`", c.escape_debug()))
                    .help("known are \\n \\t \\r \\\\ \\\" \\a \\b \\f \\v \\e \\ooo (octal) and \\xHH; a backslash itself is `\\\\`");
                return;
            }
        };
        out.push(simple);
    }

    fn octal(&mut self, at: usize, out: &mut Vec<u8>, diags: &mut Diagnostics) {
        let mut value = 0u32;
        let from = self.pos;
        while self.pos < from + 3 {
            let Some(c @ b'0'..=b'7') = self.peek(0) else { break };
            value = value * 8 + u32::from(c - b'0');
            self.pos += 1;
        }
        match u8::try_from(value) {
            Ok(b) => out.push(b),
            Err(_) => {
                let text = &self.src[at..self.pos];
                diags
                    .error(self.span(at, self.pos), format!("`{text}` is not a byte"))
                    .help("octal escapes go up to \\377");
            }
        }
    }

    fn hex(&mut self, at: usize, out: &mut Vec<u8>, diags: &mut Diagnostics) {
        let from = self.pos;
        while self.pos < from + 2 && self.peek(0).is_some_and(|c| c.is_ascii_hexdigit()) {
            self.pos += 1;
        }
        match u8::from_str_radix(&self.src[from..self.pos], 16) {
            Ok(b) => out.push(b),
            Err(_) => drop(
                diags
                    .error(self.span(at, self.pos), "`\\x` without digits")
                    .help("write one or two hexadecimal digits: `\\x1b`"),
            ),
        }
    }

    /// `'a'`: a number, as in C.
    fn character(&mut self, diags: &mut Diagnostics) -> Tok {
        let at = self.pos;
        self.pos += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek(0) {
                Some(b'\'') => break self.pos += 1,
                None | Some(b'\n') => {
                    diags
                        .error(self.span(at, self.pos), "this character is never closed")
                        .help("a character stands in single quotes ('a'), a string in double quotes (\"abc\")");
                    return Tok::Bad;
                }
                Some(b'\\') => self.escape(&mut bytes, diags),
                Some(c) => {
                    bytes.push(c);
                    self.pos += 1;
                }
            }
        }
        if let [b] = bytes[..] {
            return Tok::Int { value: u64::from(b), unsigned: false };
        }
        diags
            .error(self.span(at, self.pos), "a character constant holds exactly one byte")
            .help("a string stands in double quotes: \"abc\"");
        Tok::Int { value: 0, unsigned: false }
    }

    /// Skips blanks, comments and directives; says whether a new line was passed.
    fn skip_layout(&mut self, pre: &mut Preproc<'a>, diags: &mut Diagnostics) -> bool {
        let mut first = self.src[..self.pos].trim_end_matches('\u{feff}').is_empty()
            || self.src.as_bytes()[self.pos - 1] == b'\n';
        loop {
            match self.peek(0) {
                Some(b'\n') => {
                    first = true;
                    self.pos += 1;
                }
                Some(b'\\') if self.fixed.is_some() => self.pos += 1,
                Some(c) if c.is_ascii_whitespace() || c == 0x0b => self.pos += 1,
                Some(b'/') => match self.comment_end() {
                    Some(end) => self.pos = end,
                    None => break,
                },
                Some(b'#') if first && self.fixed.is_none() => self.directive(pre, diags),
                _ => break,
            }
        }
        first
    }

    /// The end of the comment at this place, if there is a comment and it ends.
    fn comment_end(&self) -> Option<usize> {
        let rest = &self.src[self.pos..];
        if rest.starts_with("//") {
            return Some(rest.find('\n').map_or(self.src.len(), |n| self.pos + n));
        }
        let body = rest.strip_prefix("/*")?;
        body.find("*/").map(|n| self.pos + n + 4)
    }

    /// A line of the preprocessor, and what it makes us skip.
    fn directive(&mut self, pre: &mut Preproc<'a>, diags: &mut Diagnostics) {
        let at = self.pos;
        self.pos = line_end(self.src, at);
        let line = self.src[at..self.pos].trim_end();
        pre.line(line, self.span(at, at + line.len()), diags);
        while pre.skipping() && self.pos < self.src.len() {
            let start = self.pos + 1;
            self.pos = line_end(self.src, start.min(self.src.len()));
            let line = self.src.get(start..self.pos).unwrap_or("");
            let text = line.trim();
            if text.starts_with('#') {
                let at = start + (line.len() - line.trim_start().len());
                pre.line(text, self.span(at, at + text.len()), diags);
            }
        }
    }

    /// The first byte after blanks and comments, without moving.
    pub(super) fn ahead(&self) -> Option<u8> {
        let mut probe = self.clone();
        loop {
            match probe.peek(0)? {
                c if c.is_ascii_whitespace() => probe.pos += 1,
                b'/' => match probe.comment_end() {
                    Some(end) => probe.pos = end,
                    None => return Some(b'/'),
                },
                c => return Some(c),
            }
        }
    }

    /// The byte right after the last token.
    pub(super) fn adjacent(&self) -> Option<u8> {
        self.peek(0)
    }

    fn peek(&self, n: usize) -> Option<u8> {
        self.src.as_bytes().get(self.pos + n).copied()
    }

    fn skip_while(&mut self, f: impl Fn(u8) -> bool) {
        // The first byte has been judged by the caller.
        self.pos += 1;
        while self.peek(0).is_some_and(&f) {
            self.pos += 1;
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        self.fixed.unwrap_or(Span { start: start as u32, end: end as u32 })
    }

    /// An attach point that starts at `at`: its parts, and its place. Reading goes on behind it.
    pub(super) fn attach_point(
        &mut self,
        at: usize,
        params: &[String],
        diags: &mut Diagnostics,
    ) -> (Vec<String>, Span) {
        self.pos = at;
        let mut parts = Parts::default();
        while let Some(c) = self.peek(0) {
            match c {
                b'{' | b'}' | b',' | b';' => break,
                c if c.is_ascii_whitespace() => break,
                b'"' => self.quoted_part(&mut parts, diags),
                b':' => {
                    parts.next();
                    self.pos += 1;
                }
                b'$' => self.parameter_part(&mut parts, params, diags),
                b'/' if !self.slash_is_text(&parts) => break,
                b'[' => {
                    // A class of characters may hold what would end the part.
                    let class = self.src[self.pos..].split_whitespace().next().unwrap_or("");
                    let len = class.find(']').map_or(1, |n| n + 1);
                    parts.push(&self.src[self.pos..self.pos + len]);
                    self.pos += len;
                }
                _ => {
                    let len = self.src[self.pos..].chars().next().map_or(1, char::len_utf8);
                    parts.push(&self.src[self.pos..self.pos + len]);
                    self.pos += len;
                }
            }
        }
        let span = self.span(at, self.pos);
        (parts.finish(), span)
    }

    fn quoted_part(&mut self, parts: &mut Parts, diags: &mut Diagnostics) {
        let at = self.pos;
        self.pos += 1;
        while let Some(c) = self.peek(0).filter(|c| *c != b'\n') {
            if c == b'"' {
                self.pos += 1;
                return;
            }
            if c == b'\\' && self.peek(1).is_some_and(|c| c != b'\n') {
                self.pos += 1;
            }
            let len = self.src[self.pos..].chars().next().map_or(1, char::len_utf8);
            parts.push(&self.src[self.pos..self.pos + len]);
            self.pos += len;
        }
        diags
            .error(self.span(at, self.pos), "this quoted part of an attach point is never closed")
            .label("opened here")
            .help("close it with `\"` on the same line");
    }

    /// `$1` in an attach point is put in as text; a colon in it separates parts, as if it had been written.
    fn parameter_part(&mut self, parts: &mut Parts, params: &[String], diags: &mut Diagnostics) {
        let at = self.pos;
        self.pos += 1;
        while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.pos += 1;
        }
        let digits = &self.src[at + 1..self.pos];
        let span = self.span(at, self.pos);
        let number = digits.parse::<usize>().ok().filter(|n| *n > 0);
        let Some(number) = number else {
            diags
                .error(span, format!("`${digits}` is not a parameter"))
                .help("if the name really has a `$` in it, put the part in quotes: \"...$...\"");
            return parts.push("$");
        };
        let Some(text) = params.get(number - 1) else {
            let given = match params.len() {
                0 => "none was given".to_string(),
                1 => "one was given".to_string(),
                n => format!("{n} were given"),
            };
            diags
                .error(span, format!("the attach point needs parameter `${number}`, but {given}"))
                .help("give it on the command line, after the script");
            return parts.push("?");
        };
        for (i, piece) in text.split(':').enumerate() {
            if i > 0 {
                parts.next();
            }
            parts.push(piece);
        }
    }

    /// Whether a `/` here belongs to the attach point (a path, a Go symbol) rather than beginning a predicate or a comment.
    fn slash_is_text(&self, parts: &Parts) -> bool {
        let nth = parts.done.len();
        let part = &parts.current;
        if nth == 0 {
            return false;
        }
        if part.is_empty()
            || part.starts_with('/')
            || part.starts_with('.')
            || part.starts_with('~')
        {
            return true;
        }
        let user = matches!(
            parts.done[0].rsplit('=').next(),
            Some("uprobe" | "uretprobe" | "usdt" | "u" | "ur" | "U")
        );
        if !user || nth == 1 {
            return user;
        }
        // Names such as `net/http.Get` hold slashes; a name never ends in one, so `f/pid/{` is a predicate.
        let run = &self.src[self.pos..];
        let end =
            run.find(|c: char| c.is_whitespace() || c == '{' || c == ',').unwrap_or(run.len());
        !run[..end].ends_with('/')
    }
}

/// Parts of an attach point while they are read.
#[derive(Default)]
struct Parts {
    done: Vec<String>,
    current: String,
}

impl Parts {
    fn push(&mut self, text: &str) {
        self.current.push_str(text);
    }

    fn next(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
    }

    fn finish(mut self) -> Vec<String> {
        self.next();
        self.done
    }
}

/// End of the line that holds `at`, with lines continued by a backslash.
fn line_end(src: &str, at: usize) -> usize {
    let mut from = at;
    loop {
        let Some(n) = src[from..].find('\n') else { return src.len() };
        let end = from + n;
        if !src[at..end].trim_end_matches('\r').ends_with('\\') {
            return end;
        }
        from = end + 1;
    }
}

fn is_ident_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_'
}

fn is_ident(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

/// Suffixes of numbers with what they multiply by; those of C multiply by one.
const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Value of a number as written, and whether it is unsigned; or what is wrong and what to write.
fn parse_int(text: &str) -> Result<(u64, bool), (String, String)> {
    if text.ends_with('_') {
        return Err((format!("`{text}` ends in `_`"), "`_` separates digits: 1_000".into()));
    }
    let plain = text.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let too_large = || {
        (
            format!("`{text}` is too large"),
            "the largest number is 18446744073709551615 (64 bits)".to_string(),
        )
    };
    let (radix, digits, rest) = split_radix(&lower);
    if digits.is_empty() {
        return Err((
            format!("`{text}` has no digits"),
            "write at least one digit after the prefix".into(),
        ));
    }
    let mut value = u64::from_str_radix(digits, radix).map_err(|_| too_large())?;
    let mut suffix = rest;
    if radix == 10
        && let Some(exp) = rest.strip_prefix('e')
    {
        let end = exp.find(|c: char| !c.is_ascii_digit()).unwrap_or(exp.len());
        if end == 0 {
            return Err((
                format!("`{text}` has no exponent"),
                "write `2e3` for 2000; there are no fractions, so no negative exponents".into(),
            ));
        }
        let power = exp[..end].parse::<u32>().ok().and_then(|e| 10u64.checked_pow(e));
        value = if value == 0 {
            0
        } else {
            power.and_then(|p| value.checked_mul(p)).ok_or_else(too_large)?
        };
        suffix = &exp[end..];
    }
    match suffix {
        "" | "l" | "ll" => return Ok((value, value > i64::MAX as u64)),
        "u" | "ul" | "ull" | "lu" | "llu" => return Ok((value, true)),
        _ => {}
    }
    if radix == 8 && suffix.starts_with(['8', '9']) {
        return Err((
            format!("`{text}` is not an octal number"),
            "a leading 0 makes a number octal: leave it out".into(),
        ));
    }
    let unit = DURATIONS.iter().find(|(s, _)| *s == suffix && radix != 16);
    let Some((_, unit)) = unit else {
        return Err((
            format!("`{text}` has an unknown suffix `{suffix}`"),
            "suffixes are those of C (u, l, ul, ull) and of durations (ns, us, ms, s, m, h, d)"
                .into(),
        ));
    };
    let value = value.checked_mul(*unit).ok_or_else(too_large)?;
    Ok((value, value > i64::MAX as u64))
}

/// Radix, digits and what follows them.
fn split_radix(text: &str) -> (u32, &str, &str) {
    let (radix, body) = if let Some(body) = text.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = text.strip_prefix("0b") {
        (2, body)
    } else if text.len() > 1 && text.starts_with('0') && text.as_bytes()[1].is_ascii_digit() {
        (8, text)
    } else {
        (10, text)
    };
    let end = body.find(|c: char| !c.is_digit(radix)).unwrap_or(body.len());
    (radix, &body[..end], &body[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form() {
        for (text, value) in [
            ("0", 0),
            ("42", 42),
            ("0x1F", 31),
            ("0b101", 5),
            ("0123", 83),
            ("1_000_000", 1_000_000),
            ("1e6", 1_000_000),
            ("12e2", 1200),
            ("5ul", 5),
            ("5LL", 5),
            ("0xffull", 255),
            ("7ns", 7),
            ("7us", 7_000),
            ("10ms", 10_000_000),
            ("2s", 2_000_000_000),
            ("1m", 60_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_int(text).map(|r| r.0), Ok(value), "{text}");
        }
        for (text, unsigned) in [
            ("1", false),
            ("1u", true),
            ("9223372036854775808", true),
            ("9223372036854775807", false),
        ] {
            assert_eq!(parse_int(text).map(|r| r.1), Ok(unsigned), "{text}");
        }
    }

    #[test]
    fn wrong_numbers_are_refused() {
        for text in [
            "1_",
            "08",
            "0x",
            "1e",
            "1e99",
            "5q",
            "0x5s1z",
            "18446744073709551616",
            "300000000000d",
        ] {
            assert!(parse_int(text).is_err(), "{text}");
        }
    }
}
