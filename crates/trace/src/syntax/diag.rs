//! Diagnostics: what is wrong, where, and what to write instead. Stages push them into a [`Diagnostics`] and go on; the caller renders all of
//! them with the source underlined.

use super::ast::Span;

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
        self.list.push(Diagnostic {
            level,
            message,
            span,
            label: String::new(),
            help: String::new(),
            also: None,
        });
        let last = self.list.len() - 1;
        &mut self.list[last]
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
