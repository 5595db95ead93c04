//! From tokens to the tree: recursive descent, with precedence climbing for operators.
//!
//! Parsing never fails: it gives a tree and everything that is wrong. After an error it goes on at the next statement or probe, so that one run
//! reports as much as can be found; what is only a consequence of an error is not reported. Nesting and the height of the tree are bounded, so no
//! input overflows the stack, here or in the stages that walk the tree; the work is linear in the text, and in what macros expand to, which is bounded.
//! Facts: bpftrace's language reference and the behaviour of its parser; the files here are named after the grammar's parts.

mod cdef;
mod expr;
mod item;
mod stmt;
mod types;

use std::collections::HashMap;

use super::ast::{Script, Span};
use super::diag::{Diagnostic, Diagnostics, line_col};
use super::lexer::{Lexer, Tok, Token};
use super::preproc::{self, Preproc};

pub(super) use types::is_builtin;

/// Deepest nesting of brackets, blocks and operators' right sides.
const MAX_DEPTH: u32 = 200;
/// Highest tree: a chain such as `a + b + c` has the height of its length.
const MAX_HEIGHT: u32 = 500;
/// Errors after which reading stops: more would only hide the first.
const MAX_ERRORS: usize = 100;
/// Bytes that the expansion of macros may add to a script.
const MAX_EXPANSION: usize = 1 << 20;
/// Longest script; far above any that was written by hand.
const MAX_SOURCE: usize = 64 << 20;

/// Parses a script. `params` are the words after the script on the command line; they are put into attach points (`$1`), while in expressions they
/// stay [`super::ast::ExprKind::Positional`].
///
/// ```
/// use skep_trace::syntax::parser::parse;
/// let (script, diags) = parse("kprobe:$1 { @[comm] = count(); }", &["vfs_read".to_string()]);
/// assert!(diags.is_empty());
/// assert_eq!(script.to_string(), "kprobe:vfs_read {\n  @[comm] = count();\n}\n");
/// ```
pub fn parse(source: &str, params: &[String]) -> (Script, Diagnostics) {
    if source.len() > MAX_SOURCE {
        let mut diags = Diagnostics::default();
        diags.error(
            Span::default(),
            format!("the script has {} bytes; at most {MAX_SOURCE} are read", source.len()),
        );
        return (Script::default(), diags);
    }
    let mut parser = Parser::new(source, params);
    let script = parser.script();
    (script, parser.diags)
}

struct Parser<'a> {
    lex: Lexer<'a>,
    pre: Preproc<'a>,
    params: &'a [String],
    diags: Diagnostics,
    /// The token to be judged next.
    tok: Token<'a>,
    /// Place of the token before it.
    prev: Span,
    /// After an error, until the next statement: what goes wrong now is a consequence.
    recovering: bool,
    depth: u32,
    /// Upper bound of the height of the expression built last.
    height: u32,
    /// In `/.../`, where a `/` before `{` ends the expression.
    in_predicate: bool,
    /// Enumerators seen so far.
    enumerators: HashMap<&'a str, i64>,
    /// Parameters of the macro being read.
    macro_params: Vec<String>,
    /// Macros of the preprocessor being put in.
    expanding: Vec<&'a str>,
    expanded: usize,
    /// The opener whose closing bracket stands suspiciously far left: probably the one that lacks its own.
    suspect: Option<Span>,
}

/// A place to return to after looking ahead.
struct Mark {
    at: usize,
    prev: Span,
    first: bool,
    recovering: bool,
    diags: usize,
    pre: preproc::Mark,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, params: &'a [String]) -> Self {
        let mut lex = Lexer::new(source);
        let mut pre = Preproc::new();
        let mut diags = Diagnostics::default();
        let tok = lex.next(&mut pre, &mut diags);
        Parser {
            lex,
            pre,
            params,
            diags,
            tok,
            prev: Span::default(),
            recovering: false,
            depth: 0,
            height: 0,
            in_predicate: false,
            enumerators: HashMap::new(),
            macro_params: Vec::new(),
            expanding: Vec::new(),
            expanded: 0,
            suspect: None,
        }
    }

    /// Takes the token; the next one is read.
    fn bump(&mut self) -> Token<'a> {
        let next = self.lex.next(&mut self.pre, &mut self.diags);
        self.prev = self.tok.span;
        if self.diags.len() >= MAX_ERRORS {
            return self.stop();
        }
        std::mem::replace(&mut self.tok, next)
    }

    /// Gives up on the rest of the text.
    fn stop(&mut self) -> Token<'a> {
        let end = self.lex.source().len();
        self.lex.seek(end);
        self.lex.cut = true;
        self.recovering = true;
        let eof = Token { kind: Tok::Eof, text: "", at: end, span: self.tok.span, first: false };
        std::mem::replace(&mut self.tok, eof)
    }

    fn mark(&self) -> Mark {
        Mark {
            at: self.tok.at,
            prev: self.prev,
            first: self.tok.first,
            recovering: self.recovering,
            diags: self.diags.len(),
            pre: self.pre.mark(),
        }
    }

    fn reset(&mut self, mark: Mark) {
        self.diags.truncate(mark.diags);
        self.pre.reset(mark.pre);
        self.recovering = mark.recovering;
        self.prev = mark.prev;
        self.lex.seek(mark.at);
        // What the lexer has to say about this token was said when it was first read.
        self.tok = self.lex.next(&mut self.pre, &mut Diagnostics::default());
        self.tok.first = mark.first;
    }

    fn at(&self, punct: &str) -> bool {
        matches!(self.tok.kind, Tok::Punct(p) if p == punct)
    }

    fn at_word(&self, word: &str) -> bool {
        self.tok.kind == Tok::Ident && self.tok.text == word
    }

    fn at_eof(&self) -> bool {
        self.tok.kind == Tok::Eof
    }

    fn eat(&mut self, punct: &str) -> bool {
        let hit = self.at(punct);
        if hit {
            self.bump();
        }
        hit
    }

    /// Whether the token after this one is `punct`.
    fn next_is(&mut self, punct: &str) -> bool {
        let mark = self.mark();
        self.bump();
        let hit = self.at(punct);
        self.reset(mark);
        hit
    }

    /// An error that makes the rest of the statement doubtful.
    fn fail(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let quiet = self.recovering || self.tok.kind == Tok::Bad;
        self.recovering = true;
        self.diags.error_unless(quiet, span, message)
    }

    /// An error that leaves no doubt about what follows.
    fn report(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let quiet = self.recovering;
        self.diags.error_unless(quiet, span, message)
    }

    /// Something was expected here.
    fn expected(&mut self, what: &str) -> &mut Diagnostic {
        let found = self.found();
        let span = self.tok.span;
        self.fail(span, format!("expected {what}, found {found}"))
    }

    /// The current token, for a message.
    fn found(&self) -> String {
        match &self.tok.kind {
            Tok::Eof => match self.expanding.last() {
                Some(name) => format!("the end of the macro `{name}`"),
                None => "the end of the script".to_string(),
            },
            Tok::Str(_) => "a string".to_string(),
            _ => format!("`{}`", self.tok.text.chars().take(40).collect::<String>().escape_debug()),
        }
    }

    fn expect(&mut self, punct: &str) -> bool {
        let hit = self.eat(punct);
        if !hit {
            self.expected(&format!("`{punct}`"));
        }
        hit
    }

    /// Expects the bracket that closes the one at `open`.
    fn close(&mut self, punct: &str, open: Span) -> bool {
        if self.eat(punct) {
            return true;
        }
        let opener = match punct {
            ")" => "(",
            "]" => "[",
            _ => "{",
        };
        let place = self.place(open);
        self.expected(&format!("`{punct}`")).help(format!("it closes the `{opener}` at {place}"));
        false
    }

    /// Expects a name, and gives it with its place.
    fn name(&mut self, what: &str) -> Option<(&'a str, Span)> {
        if self.tok.kind != Tok::Ident {
            self.expected(what);
            return None;
        }
        let tok = self.bump();
        Some((tok.text, tok.span))
    }

    fn place(&self, span: Span) -> String {
        if !self.expanding.is_empty() {
            return "the macro's text".to_string();
        }
        let (line, column) = line_col(self.lex.source(), span.start);
        format!("line {line}, column {column}")
    }

    /// Goes one level deeper, or gives `None` and stops reading.
    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            self.too_deep();
            return None;
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        Some(result)
    }

    /// One level higher; stops reading where the tree gets too high.
    fn grow(&mut self) {
        self.height += 1;
        if self.height > MAX_HEIGHT {
            self.too_deep();
            self.height = 0;
        }
    }

    fn too_deep(&mut self) {
        let span = self.tok.span;
        self.report(span, "this is nested too deeply")
            .help("split it into several statements or probes");
        self.stop();
    }

    /// Blanks before the first token of the line that holds `at`.
    fn indent_of(&self, at: usize) -> usize {
        let src = self.lex.source();
        let start = src[..at].rfind('\n').map_or(0, |n| n + 1);
        indent(&src[start..])
    }
}

/// Width of the blanks at the start; a tab counts as eight.
fn indent(line: &str) -> usize {
    line.bytes()
        .take_while(|c| matches!(c, b' ' | b'\t'))
        .map(|c| if c == b'\t' { 8 } else { 1 })
        .sum()
}
