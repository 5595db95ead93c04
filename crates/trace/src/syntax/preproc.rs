//! The part of C's preprocessor that scripts use: `#include` (kept as text for a later stage), `#define` of names without parameters, `#undef`, and
//! conditions (`#if`, `#ifdef`, `#ifndef`, `#elif`, `#else`, `#endif`). Other lines are kept or ignored as C does with `#pragma`.
//!
//! A defined name is put in where an expression uses it, as an expression of its own (so `#define A 1 + 2` makes `A * 3` nine, as bpftrace has it).
//! `BPFTRACE_HAVE_BTF` is always defined: skep needs the kernel's types.

use std::collections::HashMap;

use super::ast::Span;
use super::diag::Diagnostics;

/// What a `#define` gave.
#[derive(Clone, Copy, Debug)]
pub(super) enum Define<'a> {
    /// `#define NAME body`
    Object(&'a str),
    /// `#define NAME(...) body`: known, but not supported.
    Function,
}

/// State of the preprocessor.
#[derive(Default)]
pub(super) struct Preproc<'a> {
    defines: HashMap<&'a str, Define<'a>>,
    conds: Vec<Cond>,
    /// Lines to keep, in the order read.
    pub(super) kept: Vec<(String, Span)>,
}

#[derive(Clone, Copy)]
struct Cond {
    span: Span,
    /// This branch is read.
    active: bool,
    /// A branch of this condition has been read, or none may be.
    done: bool,
    /// `#else` has been seen.
    last: bool,
}

/// What has to be put back when the parser looks ahead and returns.
pub(super) struct Mark {
    conds: Vec<Cond>,
    kept: usize,
}

impl<'a> Preproc<'a> {
    pub(super) fn new() -> Self {
        let mut pre = Self::default();
        pre.defines.insert("BPFTRACE_HAVE_BTF", Define::Object("1"));
        pre
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<Define<'a>> {
        self.defines.get(name).copied()
    }

    /// Whether the lines read now are to be left out.
    pub(super) fn skipping(&self) -> bool {
        self.conds.last().is_some_and(|c| !c.active)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { conds: self.conds.clone(), kept: self.kept.len() }
    }

    pub(super) fn reset(&mut self, mark: Mark) {
        self.conds = mark.conds;
        self.kept.truncate(mark.kept);
    }

    /// Reports conditions that were never closed.
    pub(super) fn finish(&self, diags: &mut Diagnostics) {
        for c in &self.conds {
            diags
                .error(c.span, "this condition is never closed")
                .label("opened here")
                .help("close it with `#endif`");
        }
    }

    /// One directive, with the lines it continues on.
    pub(super) fn line(&mut self, line: &'a str, span: Span, diags: &mut Diagnostics) {
        let body = line[1..].trim_start();
        let (word, rest) = split_word(body);
        let rest = strip_comment(rest);
        match word {
            "if" | "ifdef" | "ifndef" => self.open(word, rest, span, diags),
            "elif" | "else" | "endif" => self.turn(word, rest, span, diags),
            _ if self.skipping() => {}
            "define" => self.define(line, rest, span, diags),
            "undef" => {
                self.defines.remove(split_word(rest).0);
                self.kept.push((line.to_string(), span));
            }
            "" if line.starts_with("#!") => shebang(span, diags),
            "include" | "pragma" | "" => self.kept_line(word, line, span),
            "error" => drop(diags.error(span, format!("#error {rest}"))),
            "warning" => drop(diags.warning(span, format!("#warning {rest}"))),
            _ => {
                let help = "known are #include, #define, #undef, #if, #ifdef, #ifndef, #elif, #else and #endif; comments begin with `//`";
                diags.error(span, format!("unknown directive `#{word}`")).help(help);
            }
        }
    }

    fn kept_line(&mut self, word: &str, line: &str, span: Span) {
        if !word.is_empty() {
            self.kept.push((line.to_string(), span));
        }
    }

    fn define(&mut self, line: &str, rest: &'a str, span: Span, diags: &mut Diagnostics) {
        let (name, body) = split_word(rest);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            diags.error(span, "`#define` needs a name").help("write `#define NAME value`");
            return;
        }
        // `#define F (1)` is a value in brackets: only a bracket that touches the name makes parameters.
        let define =
            if body.starts_with('(') { Define::Function } else { Define::Object(body.trim()) };
        self.defines.insert(name, define);
        self.kept.push((line.to_string(), span));
    }

    fn open(&mut self, word: &str, rest: &str, span: Span, diags: &mut Diagnostics) {
        let outer = !self.skipping();
        let active = outer
            && match word {
                "ifdef" => self.defines.contains_key(split_word(rest).0),
                "ifndef" => !self.defines.contains_key(split_word(rest).0),
                _ => self.condition(rest, span, diags),
            };
        self.conds.push(Cond { span, active, done: active || !outer, last: false });
    }

    fn turn(&mut self, word: &str, rest: &str, span: Span, diags: &mut Diagnostics) {
        let Some(mut c) = self.conds.pop() else {
            diags.error(span, format!("`#{word}` without `#if`"));
            return;
        };
        if word == "endif" {
            return;
        }
        if c.last {
            diags.error(span, format!("`#{word}` after `#else`"));
        }
        c.active = !c.done && (word == "else" || self.condition(rest, span, diags));
        c.done |= c.active;
        c.last |= word == "else";
        self.conds.push(c);
    }

    fn condition(&self, text: &str, span: Span, diags: &mut Diagnostics) -> bool {
        let text = text.trim();
        let mut eval = Eval { words: tokens(text), at: 0, pre: self, depth: 0 };
        let value = eval.binary(0);
        match value {
            Some(v) if eval.at == eval.words.len() => v != 0,
            _ => {
                let help = "a condition is made of numbers, `defined(NAME)`, `!`, `&&`, `||`, comparisons and + - * / %";
                diags.error(span, format!("cannot work out the condition `{text}`")).help(help);
                false
            }
        }
    }
}

/// `#!` means something on the first line only; elsewhere it is as good as a comment.
fn shebang(span: Span, diags: &mut Diagnostics) {
    if span.start > 3 {
        diags.warning(span, "`#!` is not on the first line").help("move it there, or remove it");
    }
}

/// Works out `#if`'s conditions.
struct Eval<'t, 'a> {
    words: Vec<&'t str>,
    at: usize,
    pre: &'t Preproc<'a>,
    depth: u32,
}

impl<'t> Eval<'t, '_> {
    fn peek(&self) -> &'t str {
        self.words.get(self.at).copied().unwrap_or("")
    }

    fn eat(&mut self, word: &str) -> bool {
        let hit = self.peek() == word;
        self.at += usize::from(hit);
        hit
    }

    fn binary(&mut self, min: u8) -> Option<i64> {
        let mut left = self.unary()?;
        loop {
            let op = self.peek();
            let prec = match op {
                "||" => 1,
                "&&" => 2,
                "==" | "!=" => 3,
                "<" | ">" | "<=" | ">=" => 4,
                "+" | "-" => 5,
                "*" | "/" | "%" => 6,
                _ => return Some(left),
            };
            if prec <= min {
                return Some(left);
            }
            self.at += 1;
            let right = self.binary(prec)?;
            left = match op {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                "*" => left.wrapping_mul(right),
                "/" => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
        }
    }

    fn unary(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > 200 {
            return None;
        }
        let value = self.operand();
        self.depth -= 1;
        value
    }

    fn operand(&mut self) -> Option<i64> {
        if self.eat("!") {
            return Some(i64::from(self.unary()? == 0));
        }
        if self.eat("-") {
            return Some(self.unary()?.wrapping_neg());
        }
        if self.eat("(") {
            let value = self.binary(0)?;
            return self.eat(")").then_some(value);
        }
        let word = self.peek();
        self.at += 1;
        if word == "defined" {
            let paren = self.eat("(");
            let name = self.peek();
            self.at += 1;
            return (!paren || self.eat(")")).then_some(i64::from(self.pre.get(name).is_some()));
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return number(word);
        }
        if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        // An undefined name is 0, as in C.
        match self.pre.get(word) {
            Some(Define::Object(body)) => number(body).or(Some(0)),
            _ => Some(0),
        }
    }
}

fn number(word: &str) -> Option<i64> {
    let word = word.trim_end_matches(['u', 'U', 'l', 'L']);
    match word.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}

fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let word =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let two = ["&&", "||", "==", "!=", "<=", ">="].iter().any(|p| rest.starts_with(p));
        let len = if word > 0 {
            word
        } else if two {
            2
        } else {
            c.len_utf8()
        };
        out.push(&rest[..len]);
        rest = rest[len..].trim_start_matches([' ', '\t', '\\', '\n', '\r']);
    }
    out
}

/// The word at the start, and the rest as it stands.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let rest = &text[end..];
    (&text[..end], rest)
}

/// Drops a `// comment` that is not inside a string; `/* */` is left to the lexer of the body.
fn strip_comment(text: &str) -> &str {
    let bytes = text.as_bytes();
    let (mut i, mut quoted) = (0, false);
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if quoted => i += 1,
            b'"' => quoted = !quoted,
            b'/' if !quoted && bytes.get(i + 1) == Some(&b'/') => return text[..i].trim_end(),
            _ => {}
        }
        i += 1;
    }
    text.trim_end()
}
