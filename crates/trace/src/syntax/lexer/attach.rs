//! Attach points: `uprobe:/usr/lib/libc.so.6:cpp:"a::b(int)"+0x10` and the like, split at their colons. Paths, wildcards, quoted names and the
//! parameters of the script are understood here; what a part means is a later stage's.

use super::Lexer;
use crate::syntax::ast::Span;
use crate::syntax::diag::Diagnostics;

impl Lexer<'_> {
    /// An attach point that starts at `at`: its parts, and its place. Reading goes on behind it.
    pub(in crate::syntax) fn attach_point(
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
