//! From text to tokens, on demand: the parser asks for one token at a time, because what a `/` or a `:` means depends on where it stands.
//! Attach points have a mode of their own ([`Lexer::attach_point`]): paths, wildcards and C++ names are not tokens of the language.
//!
//! Guarantees: every call moves forward or returns [`Tok::Eof`]; no input makes it panic; the work is linear in the text read. What it finds wrong it
//! reports itself and hands on a [`Tok::Bad`], so that the parser need not report it again.
//! Facts: bpftrace's language reference (literals, suffixes, escapes, comments) and the C standard for what it leaves open.

mod attach;
mod int;

use super::ast::Span;
use super::diag::Diagnostics;
use super::preproc::Preproc;
use int::parse_int;

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
        self.pos = directive_end(self.src, at);
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
}

/// End of a directive: of its line, or of the line on which a comment ends that began in it.
fn directive_end(src: &str, at: usize) -> usize {
    let mut end = line_end(src, at);
    let (mut pos, mut quoted) = (at, false);
    while pos < end {
        let rest = &src.as_bytes()[pos..];
        match rest[0] {
            b'\\' if quoted => pos += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'/' if rest.starts_with(b"//") => return end,
            b'/' if rest.starts_with(b"/*") => {
                let Some(len) = src[pos + 2..].find("*/") else { return end };
                pos += len + 3;
                if pos >= end {
                    end = line_end(src, pos);
                }
            }
            _ => {}
        }
        pos += 1;
    }
    end
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
