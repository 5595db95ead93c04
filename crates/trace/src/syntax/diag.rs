//! Diagnostics: what is wrong, where, and what to write instead. Stages push them into a [`Diagnostics`] and go on; the caller renders all of
//! them with the source underlined.

use std::fmt::{self, Write as _};

use annotate_snippets::{AnnotationKind, Level as Title, Renderer, Snippet, renderer::DecorStyle};

use super::ast::Span;

/// Findings shown in full; of the rest only the number is told.
const MAX_SHOWN: usize = 50;

/// How bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The script cannot be run.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad.
    pub level: Level,
    /// What is wrong, in one sentence, lower case, without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Text at the underline; may be empty.
    pub label: String,
    /// What to do instead; may be empty.
    pub help: String,
    /// A second place that matters, with its text: where the other definition is.
    pub also: Option<(Span, String)>,
}

impl Diagnostic {
    fn new(level: Level, span: Span, message: String) -> Self {
        Diagnostic { level, message, span, label: String::new(), help: String::new(), also: None }
    }

    /// With a help line.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = text.into();
        self
    }

    /// With text at the underline.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.label = text.into();
        self
    }

    /// With a second place.
    pub fn also(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.also = Some((span, text.into()));
        self
    }
}

/// Findings, in the order found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// The last one that was not kept.
    ignored: Option<Diagnostic>,
}

impl Diagnostics {
    /// Adds an error.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Level::Error, span, message.into())
    }

    /// Adds a warning.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Level::Warning, span, message.into())
    }

    fn push(&mut self, level: Level, span: Span, message: String) -> &mut Diagnostic {
        self.list.push(Diagnostic::new(level, span, message));
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// Adds an error, unless it only follows from one that was reported.
    pub(super) fn error_unless(
        &mut self,
        ignore: bool,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        if ignore {
            return self.ignored.insert(Diagnostic::new(Level::Error, span, String::new()));
        }
        self.error(span, message)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The last one, if it came after the first `len`.
    pub(super) fn last_after(&mut self, len: usize) -> Option<&mut Diagnostic> {
        self.list.get_mut(len..)?.last_mut()
    }

    /// Forgets all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.list.truncate(len);
    }

    /// Those before a place of the source, and those behind it, moved to begin there.
    pub fn split_at(&self, offset: u32) -> (Diagnostics, Diagnostics) {
        let (mut before, mut behind) = (Diagnostics::default(), Diagnostics::default());
        let shift = |s: Span| Span {
            start: s.start.saturating_sub(offset),
            end: s.end.saturating_sub(offset),
        };
        for d in &self.list {
            if d.span.start < offset {
                before.list.push(d.clone());
                continue;
            }
            let mut d = d.clone();
            d.span = shift(d.span);
            d.also = d.also.take().map(|(span, text)| (shift(span), text));
            behind.list.push(d);
        }
        (before, behind)
    }

    /// Those of one level.
    pub fn only(&self, level: Level) -> Diagnostics {
        let list = self.list.iter().filter(|d| d.level == level).cloned().collect();
        Diagnostics { list, ..Diagnostics::default() }
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.level == Level::Error)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes over those of another stage.
    pub fn append(&mut self, mut other: Diagnostics) {
        self.list.append(&mut other.list);
    }
}

/// All findings as text, each with its place and its source underlined: `error: ...`, ` --> stdin:1:20`. Any span is shown somehow, also one past the
/// end or inside a character.
pub fn render(diags: &Diagnostics, source_name: &str, source: &str, colour: bool) -> String {
    let renderer =
        if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for d in diags.iter().take(MAX_SHOWN) {
        let title = match d.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
        };
        let primary = snippet(source_name, source, d.span, &d.label, AnnotationKind::Primary);
        let mut group = title.primary_title(d.message.as_str()).element(primary);
        if let Some((span, text)) = &d.also {
            group =
                group.element(snippet(source_name, source, *span, text, AnnotationKind::Context));
        }
        let group = if d.help.is_empty() {
            group
        } else {
            group.element(Title::HELP.message(d.help.as_str()))
        };
        out.push_str(&renderer.render(&[group]));
        out.push('\n');
    }
    if diags.len() > MAX_SHOWN {
        let _ = writeln!(out, "and {} more", diags.len() - MAX_SHOWN);
    }
    out
}

/// A place underlined. Only the lines concerned are handed over: scripts may be long, and many findings are possible.
fn snippet<'s>(
    source_name: &'s str,
    source: &'s str,
    span: Span,
    label: &'s str,
    kind: AnnotationKind,
) -> Snippet<'s, annotate_snippets::Annotation<'s>> {
    let span = clamp(span, source);
    let start = source[..span.start].rfind('\n').map_or(0, |n| n + 1);
    let end = source[span.end..].find('\n').map_or(source.len(), |n| span.end + n);
    let (line, _) = line_col(source, span.start as u32);
    let annotation = kind.span(span.start - start..span.end - start);
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    Snippet::source(&source[start..end])
        .line_start(line as usize)
        .path(source_name)
        .annotation(annotation)
}

/// The span as a range that lies in the source, on character boundaries.
fn clamp(span: Span, source: &str) -> std::ops::Range<usize> {
    let floor = |at: u32| source.floor_char_boundary((at as usize).min(source.len()));
    let start = floor(span.start);
    start..floor(span.end.max(span.start)).max(start)
}

/// Line and column (in characters) of a byte, both counted from one. A place past the end is that of the end.
pub fn line_col(source: &str, offset: u32) -> (u32, u32) {
    let at = source.floor_char_boundary((offset as usize).min(source.len()));
    let before = &source[..at];
    let line = before.bytes().filter(|b| *b == b'\n').count();
    let column = before[before.rfind('\n').map_or(0, |n| n + 1)..].chars().count();
    (line as u32 + 1, column as u32 + 1)
}

/// A script that is not UTF-8: where, and which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotUtf8 {
    /// Line, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
    /// The byte that belongs to no character.
    pub byte: u8,
}

impl fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotUtf8 { line, column, byte } = self;
        write!(
            f,
            "line {line}, column {column}: byte 0x{byte:02x} is not UTF-8; save the script as UTF-8 (in strings, \\x{byte:02x} writes this byte)"
        )
    }
}

impl std::error::Error for NotUtf8 {}

/// The text of a script, or where it stops being text.
pub fn decode_source(bytes: Vec<u8>) -> Result<String, NotUtf8> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let good = String::from_utf8_lossy(&e.as_bytes()[..at]);
        let (line, column) = line_col(&good, at as u32);
        NotUtf8 { line, column, byte: e.as_bytes()[at] }
    })
}

/// The candidate that differs least from a word, if it differs little enough to be what was meant.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = word.chars().count().div_ceil(3).min(3);
    let scored = candidates
        .into_iter()
        .filter(|c| *c != word && c.len().abs_diff(word.len()) <= limit)
        .map(|c| (distance(word, c), c));
    scored.filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Edits (a letter more, less, changed, or two swapped) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let source = "ab\nüx\n";
        for (offset, expected) in [
            (0, (1, 1)),
            (2, (1, 3)),
            (3, (2, 1)),
            (4, (2, 1)),
            (5, (2, 2)),
            (7, (3, 1)),
            (99, (3, 1)),
        ] {
            assert_eq!(line_col(source, offset), expected, "{offset}");
        }
    }

    #[test]
    fn any_span_can_be_rendered() {
        let source = "BEGIN {\n  print(\"é\");\t\r\n}";
        let len = source.len() as u32;
        for start in 0..len + 3 {
            for end in 0..len + 3 {
                let mut diags = Diagnostics::default();
                diags.error(Span { start, end }, "wrong").label("here").help("mend it");
                let text = render(&diags, "stdin", source, start % 2 == 0);
                assert!(text.contains("wrong") && text.contains("mend it"), "{text}");
            }
        }
        let mut diags = Diagnostics::default();
        diags.warning(Span { start: 5, end: 9 }, "empty");
        assert!(render(&diags, "x", "", false).starts_with("warning: empty"));
    }

    #[test]
    fn many_findings_are_cut_short() {
        let mut diags = Diagnostics::default();
        for _ in 0..60 {
            diags.error(Span::default(), "wrong");
        }
        assert!(render(&diags, "stdin", "x", false).ends_with("and 10 more\n"));
    }

    #[test]
    fn a_byte_that_is_not_text_is_placed() {
        let bad = decode_source(b"BEGIN {\n \xc3\xa9\xff }".to_vec());
        assert_eq!(bad, Err(NotUtf8 { line: 2, column: 3, byte: 0xff }));
        assert_eq!(decode_source(b"BEGIN {}".to_vec()).as_deref(), Ok("BEGIN {}"));
    }

    #[test]
    fn a_misspelt_word_is_recognised() {
        let words = ["if", "for", "while", "count", "lhist"];
        for (word, expected) in [
            ("fro", Some("for")),
            ("whlie", Some("while")),
            ("cuont", Some("count")),
            ("xyzzy", None),
            ("for", None),
        ] {
            assert_eq!(closest(word, words), expected, "{word}");
        }
    }
}
