//! Blocks and statements, and where to go on after an error.

use super::super::ast::{BinaryOp, Block, Expr, ExprKind, Span, Stmt, StmtKind};
use super::super::diag::closest;
use super::super::lexer::Tok;
use super::Parser;
use super::types::is_type_word;

/// Words that begin a statement; used for "did you mean".
const STATEMENTS: &[&str] =
    &["if", "else", "for", "while", "unroll", "let", "return", "break", "continue"];

const ONE_VARIABLE: &str =
    "one variable takes key and value: `for ($kv : @map) { print($kv.0); print($kv.1); }`";

/// Names of probes (and their short forms) that may not be taken for anything else before a colon.
const PROVIDERS: &[&str] = &[
    "tracepoint",
    "t",
    "rawtracepoint",
    "rt",
    "kprobe",
    "k",
    "kretprobe",
    "kr",
    "kfunc",
    "kretfunc",
    "fentry",
    "f",
    "fexit",
    "fr",
    "uprobe",
    "u",
    "uretprobe",
    "ur",
    "usdt",
    "U",
    "profile",
    "p",
    "interval",
    "i",
    "software",
    "s",
    "hardware",
    "h",
    "iter",
    "it",
    "watchpoint",
    "w",
    "asyncwatchpoint",
    "aw",
    "self",
    "bench",
    "test",
];

/// Condition, branch and other branch of an `if`, before it is known whether its value is wanted.
pub(super) struct IfParts {
    cond: Expr,
    then: Block,
    els: Option<Block>,
}

impl IfParts {
    /// Whether every branch ends in a value.
    fn has_value(&self) -> bool {
        self.then.value.is_some() && self.els.as_ref().is_some_and(|b| b.value.is_some())
    }

    fn into_stmt(self) -> StmtKind {
        StmtKind::If {
            cond: self.cond,
            then: as_statements(self.then),
            els: self.els.map(as_statements),
        }
    }
}

/// What stood in a block: a statement, or an expression before the closing brace.
enum Entry {
    Stmt(Stmt),
    Value(Expr),
    Nothing,
}

/// A block whose last value is not used: it becomes a statement.
fn as_statements(mut block: Block) -> Block {
    if let Some(value) = block.value.take() {
        let span = value.span;
        block.stmts.push(Stmt { kind: discarded(*value), span });
    }
    block
}

fn discarded(value: Expr) -> StmtKind {
    match value.kind {
        ExprKind::If { cond, then, els } => {
            StmtKind::If { cond: *cond, then: as_statements(*then), els: Some(as_statements(*els)) }
        }
        ExprKind::Block(block) => StmtKind::Block(as_statements(*block)),
        _ => StmtKind::Expr(value),
    }
}

/// Operator of a compound assignment; `Some(None)` for a plain one.
fn assignment(tok: &Tok) -> Option<Option<BinaryOp>> {
    let Tok::Punct(p) = tok else { return None };
    Some(match *p {
        "=" => None,
        "+=" => Some(BinaryOp::Add),
        "-=" => Some(BinaryOp::Sub),
        "*=" => Some(BinaryOp::Mul),
        "/=" => Some(BinaryOp::Div),
        "%=" => Some(BinaryOp::Mod),
        "&=" => Some(BinaryOp::And),
        "|=" => Some(BinaryOp::Or),
        "^=" => Some(BinaryOp::Xor),
        "<<=" => Some(BinaryOp::Shl),
        ">>=" => Some(BinaryOp::Shr),
        _ => return None,
    })
}

impl Parser<'_> {
    /// block = "{" { statement } [ expr ] "}". Without `value`, a last expression is a statement.
    pub(super) fn block(&mut self, value: bool) -> Block {
        let open = self.tok.clone();
        if !self.eat("{") {
            self.expected("`{`");
            return Block { span: open.span, ..Block::default() };
        }
        let entry = self.height;
        let inner = self.nested(|p| p.block_body(open.span, value));
        let (mut block, height) = inner.unwrap_or_default();
        self.height = entry.max(height);
        if self.at("}") {
            self.note_closer(open.at);
            self.bump();
        } else {
            self.unclosed(open.span);
        }
        block.span = open.span.to(self.prev);
        block
    }

    fn block_body(&mut self, open: Span, value: bool) -> (Block, u32) {
        let mut block = Block { span: open, ..Block::default() };
        let mut height = 0;
        while !self.at("}") && !self.at_eof() && !self.begins_probe() {
            if self.eat(";") {
                continue;
            }
            self.height = 0;
            let (at, indent) = (self.tok.at, self.line_indent());
            match self.stmt(value) {
                Entry::Stmt(s) => block.stmts.push(s),
                Entry::Value(e) if value && self.at("}") => block.value = Some(Box::new(e)),
                Entry::Value(e) => {
                    let span = e.span;
                    block.stmts.push(Stmt { kind: discarded(e), span });
                }
                Entry::Nothing => {}
            }
            height = height.max(self.height);
            if self.recovering {
                self.sync(at, indent);
            }
        }
        (block, height)
    }

    /// Where the statement that begins here would stand if it were the first of its line. In a one-line script this is looked up only after an error.
    fn line_indent(&self) -> Option<usize> {
        self.tok.first.then(|| self.indent_of(self.tok.at))
    }

    /// Goes to the next statement: behind a `;`, behind a block, before a `}`, or to a line that stands no deeper than the broken one.
    fn sync(&mut self, start: usize, indent: Option<usize>) {
        if self.lex.cut && self.at_eof() {
            return;
        }
        let limit = indent.unwrap_or_else(|| self.indent_of(start));
        let mut depth = 0;
        loop {
            if self.at_eof()
                || (depth == 0 && (self.at("}") || (self.tok.first && self.begins_probe())))
            {
                break;
            }
            if self.tok.first
                && self.tok.at > start
                && depth == 0
                && self.begins_stmt()
                && self.indent_of(self.tok.at) <= limit
            {
                break;
            }
            let tok = self.bump();
            match tok.kind {
                Tok::Punct(";") if depth == 0 => break,
                Tok::Punct("{") => depth += 1,
                Tok::Punct("}") => {
                    depth -= 1;
                    if depth == 0 && !self.at_word("else") {
                        break;
                    }
                }
                _ => {}
            }
        }
        self.recovering = self.lex.cut && self.at_eof();
    }

    fn begins_stmt(&self) -> bool {
        matches!(self.tok.kind, Tok::Ident | Tok::Var | Tok::Map | Tok::Punct("++" | "--"))
    }

    /// A probe's header inside a block: the block before it was not closed.
    pub(super) fn begins_probe(&self) -> bool {
        if self.tok.kind != Tok::Ident || !self.expanding.is_empty() {
            return false;
        }
        match self.tok.text {
            "BEGIN" | "END" | "begin" | "end" => self.lex.ahead() == Some(b'{'),
            word => self.lex.adjacent() == Some(b':') && PROVIDERS.contains(&word),
        }
    }

    /// Remembers a block whose closing brace stands left of its opening line: the brace was meant for an outer block.
    fn note_closer(&mut self, open: usize) {
        if self.suspect.is_none()
            && self.tok.first
            && self.expanding.is_empty()
            && self.indent_of(self.tok.at) < self.indent_of(open)
        {
            let open = open as u32;
            self.suspect = Some(Span { start: open, end: open + 1 });
        }
    }

    fn unclosed(&mut self, open: Span) {
        if self.recovering || self.lex.cut {
            return;
        }
        let open = self.suspect.take().unwrap_or(open);
        let before = if self.at_eof() {
            "the end of the script".to_string()
        } else {
            format!("line {}", self.line_of_token())
        };
        self.fail(open, "this block is never closed")
            .label("opened here")
            .help(format!("add `}}` before {before}"));
    }

    fn line_of_token(&self) -> u32 {
        super::line_col(self.lex.source(), self.tok.at as u32).0
    }

    fn stmt(&mut self, value: bool) -> Entry {
        let start = self.tok.span;
        if self.tok.kind == Tok::Ident {
            match self.tok.text {
                "if" => return self.if_stmt(value),
                "for" => return self.compound(start, Self::for_stmt),
                "while" => return self.compound(start, Self::while_stmt),
                "unroll" => return self.compound(start, Self::unroll_stmt),
                "let" => return self.simple(start, Self::let_stmt),
                "break" => return self.simple(start, |p| p.word_stmt(StmtKind::Break)),
                "continue" => return self.simple(start, |p| p.word_stmt(StmtKind::Continue)),
                "return" => return self.simple(start, Self::return_stmt),
                "import" => return self.import_stmt(),
                "else" => {
                    self.fail(start, "`else` without `if`")
                        .help("`else` follows the `}` of an `if` directly, without a `;`");
                    return Entry::Nothing;
                }
                _ => {}
            }
            if self.at_word("_") && self.next_is("=") {
                return self.simple(start, Self::discard_stmt);
            }
        } else if self.at("{") {
            return self.block_stmt(value);
        }
        self.expr_stmt(start)
    }

    /// A statement that ends in a block and needs no `;`.
    fn compound(&mut self, start: Span, f: impl FnOnce(&mut Self) -> Option<StmtKind>) -> Entry {
        match self.nested(f).flatten() {
            Some(kind) => Entry::Stmt(Stmt { kind, span: start.to(self.prev) }),
            None => Entry::Nothing,
        }
    }

    /// A statement that ends in `;` or before `}`.
    fn simple(&mut self, start: Span, f: impl FnOnce(&mut Self) -> Option<StmtKind>) -> Entry {
        let Some(kind) = f(self) else { return Entry::Nothing };
        let span = start.to(self.prev);
        self.end_of_stmt();
        Entry::Stmt(Stmt { kind, span })
    }

    fn end_of_stmt(&mut self) {
        if self.recovering || self.eat(";") || self.at("}") || self.at_eof() || self.begins_probe()
        {
            return;
        }
        if self.tok.kind == Tok::Bad {
            self.recovering = true;
            return;
        }
        if assignment(&self.tok.kind).is_some() {
            let span = self.tok.span;
            self.fail(span, "an assignment is a statement: it cannot be assigned again")
                .help("write two statements");
            return;
        }
        let place = Span { start: self.prev.end, end: self.prev.end };
        let found = self.found();
        // What follows can begin a statement: only the `;` is missing, so all of it is read.
        let goes_on = self.begins_stmt() || self.at("{");
        let d = self.report(place, format!("expected `;`, found {found}"));
        d.label("add `;` here");
        self.recovering |= !goes_on;
    }

    fn word_stmt(&mut self, kind: StmtKind) -> Option<StmtKind> {
        self.bump();
        Some(kind)
    }

    fn return_stmt(&mut self) -> Option<StmtKind> {
        self.bump();
        let bare = self.at(";") || self.at("}") || self.at_eof();
        Some(StmtKind::Return(if bare { None } else { Some(self.expr()) }))
    }

    fn discard_stmt(&mut self) -> Option<StmtKind> {
        self.bump();
        self.bump();
        Some(StmtKind::Expr(self.expr()))
    }

    fn import_stmt(&mut self) -> Entry {
        let span = self.tok.span;
        self.fail(span, "imports inside a block are not supported here yet")
            .help("move the import to the top of the script");
        Entry::Nothing
    }

    /// let = "let" "$x" [ ":" type ] [ "=" expr ]
    fn let_stmt(&mut self) -> Option<StmtKind> {
        self.bump();
        if self.tok.kind != Tok::Var {
            let map = self.tok.kind == Tok::Map;
            let d = self.expected("a variable (`$x`)");
            d.help(if map { "a map needs no `let`; its size is declared outside of probes: `let @m = hash(100);`" } else { "write `let $x = 1;`" });
            return None;
        }
        let name = self.bump().text.to_string();
        let ty = if self.eat(":") { Some(self.type_expr()?) } else { None };
        let init = if self.eat("=") { Some(self.expr()) } else { None };
        Some(StmtKind::Let { name, ty, init })
    }

    fn expr_stmt(&mut self, start: Span) -> Entry {
        if self.declares_like_c() {
            return Entry::Nothing;
        }
        let word = (self.tok.kind == Tok::Ident).then_some(self.tok.text);
        let found = self.diags.len();
        let target = self.expr();
        let Some(op) = assignment(&self.tok.kind) else {
            if self.at("}") {
                return Entry::Value(target);
            }
            self.misspelt(word, &target, found);
            self.end_of_stmt();
            return Entry::Stmt(Stmt { kind: StmtKind::Expr(target), span: start.to(self.prev) });
        };
        self.check_target(&target);
        self.bump();
        let value = self.expr();
        let span = start.to(self.prev);
        self.end_of_stmt();
        Entry::Stmt(Stmt { kind: StmtKind::Assign { target, op, value }, span })
    }

    fn check_target(&mut self, target: &Expr) {
        let help = match &target.kind {
            ExprKind::Error | ExprKind::Var(_) | ExprKind::Map(_) | ExprKind::MapElem { .. } => {
                return;
            }
            ExprKind::Ident(n) if self.macro_params.contains(n) => return,
            ExprKind::Ident(n) => format!("variables are written `${n}`, maps `@{n}`"),
            ExprKind::Field { .. } | ExprKind::Index { .. } => {
                "structs, tuples and arrays cannot be changed: assign a whole new value".into()
            }
            ExprKind::Unary { .. } => {
                "memory of the kernel or of a program cannot be written to".into()
            }
            ExprKind::Positional(_) | ExprKind::PositionalCount => {
                "parameters cannot be changed; copy it: `$x = $1;`".into()
            }
            _ => {
                "the left side is a variable (`$x`), a map (`@x`) or an element of a map (`@x[1]`)"
                    .into()
            }
        };
        self.report(target.span, "cannot assign to this").label("not a variable or map").help(help);
    }

    /// `int x = 1;` as in C: an error that says how it is written here.
    fn declares_like_c(&mut self) -> bool {
        let word = self.tok.text;
        let tagged = matches!(word, "struct" | "union" | "enum");
        if self.tok.kind != Tok::Ident
            || !(tagged || is_type_word(word))
            || self.lex.adjacent() == Some(b'(')
        {
            return false;
        }
        let span = self.tok.span;
        self.fail(span, format!("`{word}` cannot begin a statement"))
            .help("variables are declared without their type (`$x = 1;`) or as `let $x : uint64 = 1;`; types of C are defined outside of probes");
        true
    }

    /// `whlie (...) {`, `fro ($i : ...)`, `lett $x`: say what was probably meant. `found` errors had been found before.
    fn misspelt(&mut self, word: Option<&str>, parsed: &Expr, found: usize) {
        let Some(word) = word else { return };
        let Some(meant) = closest(word, STATEMENTS.iter().copied()) else { return };
        let help = format!("did you mean `{meant}`?");
        if self.recovering {
            if let Some(d) = self.diags.last_after(found) {
                d.help(help);
            }
            return;
        }
        let fits = match parsed.kind {
            ExprKind::Call { .. } => self.at("{"),
            ExprKind::Ident(_) => !self.at(";"),
            _ => false,
        };
        if fits {
            let span =
                Span { start: parsed.span.start, end: parsed.span.start + word.len() as u32 };
            self.fail(span, format!("unknown statement `{word}`")).help(help);
        }
    }

    fn block_stmt(&mut self, value: bool) -> Entry {
        let start = self.tok.span;
        let block = self.block(true);
        let span = start.to(self.prev);
        if value && self.at("}") && block.value.is_some() {
            return Entry::Value(Expr { kind: ExprKind::Block(Box::new(block)), span });
        }
        Entry::Stmt(Stmt { kind: StmtKind::Block(as_statements(block)), span })
    }

    fn if_stmt(&mut self, value: bool) -> Entry {
        let start = self.tok.span;
        let Some(parts) = self.nested(Self::if_parts) else { return Entry::Nothing };
        let span = start.to(self.prev);
        if value && self.at("}") && parts.has_value() {
            return Entry::Value(self.if_value(parts, start));
        }
        Entry::Stmt(Stmt { kind: parts.into_stmt(), span })
    }

    /// if = "if" condition block [ "else" ( block | if ) ]
    pub(super) fn if_parts(&mut self) -> IfParts {
        self.bump();
        let cond = self.condition();
        let then = self.body("if", true);
        if !self.at_word("else") || self.recovering {
            return IfParts { cond, then, els: None };
        }
        self.bump();
        let start = self.tok.span;
        if !self.at_word("if") {
            return IfParts { cond, then, els: Some(self.body("else", true)) };
        }
        let els = self.nested(Self::if_parts).map(|inner| {
            let span = start.to(self.prev);
            if inner.has_value() {
                let value = Some(Box::new(self.if_value(inner, start)));
                return Block { stmts: Vec::new(), value, span };
            }
            Block { stmts: vec![Stmt { kind: inner.into_stmt(), span }], value: None, span }
        });
        IfParts { cond, then, els }
    }

    /// An `if` whose value is used.
    pub(super) fn if_value(&mut self, parts: IfParts, start: Span) -> Expr {
        let span = start.to(self.prev);
        let Some(els) = parts.els else {
            self.report(span, "an `if` that gives a value needs an `else`")
                .help("write `if condition { a } else { b }`, or `condition ? a : b`");
            return self.error_expr(span);
        };
        self.grow();
        Expr {
            kind: ExprKind::If {
                cond: Box::new(parts.cond),
                then: Box::new(parts.then),
                els: Box::new(els),
            },
            span,
        }
    }

    /// A condition, with brackets around it or without.
    fn condition(&mut self) -> Expr {
        if !self.at("(") {
            if self.at("{") {
                self.expected("a condition");
                return self.error_expr(self.tok.span);
            }
            return self.expr();
        }
        // Taken by hand, so that `if (x) -1` and `if (a = b)` are not read as a cast and a record.
        let open = self.bump().span;
        if let Some(ty) = self.written_cast() {
            let operand = self.unary();
            let span = open.to(operand.span);
            return self
                .expr_after(Expr { kind: ExprKind::Cast { ty, expr: Box::new(operand) }, span });
        }
        let inner = self.sub_expr();
        if self.at("=") {
            let span = self.tok.span;
            self.fail(span, "an assignment is a statement, not a value")
                .label("assigned here")
                .help("to compare, write `==`");
        }
        if !self.close(")", open) {
            return inner;
        }
        let inner = Expr { kind: inner.kind, span: open.to(self.prev) };
        match self.tok.kind {
            Tok::Punct("{" | "++" | "--") => inner,
            _ => self.expr_after(inner),
        }
    }

    /// `if (uint64)x > 1 {`: brackets that can only be a cast's.
    fn written_cast(&mut self) -> Option<super::super::ast::TypeExpr> {
        let tagged = matches!(self.tok.text, "struct" | "union" | "enum");
        if self.tok.kind != Tok::Ident || !(tagged || is_type_word(self.tok.text)) {
            return None;
        }
        let mark = self.mark();
        let ty = self.type_expr().filter(|_| !self.recovering && self.at(")"));
        if ty.is_none() {
            self.reset(mark);
            return None;
        }
        self.bump();
        ty
    }

    /// The block of `if`, `for` and others. A single statement without braces is reported, and read.
    fn body(&mut self, what: &str, value: bool) -> Block {
        if self.at("{") || self.recovering || self.at_eof() || self.at("}") {
            return self.block(value);
        }
        let (span, found) = (self.tok.span, self.found());
        if !self.begins_stmt() {
            self.fail(span, format!("expected `{{`, found {found}"))
                .help(format!("the body of `{what}` stands in braces"));
            return Block { span, ..Block::default() };
        }
        self.report(span, format!("the body of `{what}` needs braces"))
            .label("write `{` before this and `}` after it");
        let entry = self.nested(|p| p.stmt(false));
        let mut block = Block { span: span.to(self.prev), ..Block::default() };
        match entry {
            Some(Entry::Stmt(s)) => block.stmts.push(s),
            Some(Entry::Value(e)) => block.stmts.push(Stmt { span: e.span, kind: discarded(e) }),
            _ => {}
        }
        block
    }

    fn while_stmt(&mut self) -> Option<StmtKind> {
        self.bump();
        let cond = self.condition();
        Some(StmtKind::While { cond, body: as_statements(self.body("while", false)) })
    }

    fn unroll_stmt(&mut self) -> Option<StmtKind> {
        self.bump();
        let count = self.condition();
        Some(StmtKind::Unroll { count, body: as_statements(self.body("unroll", false)) })
    }

    /// for = "for" [ "(" ] "$x" ":" ( "@map" | expr ".." expr ) [ ")" ] block
    fn for_stmt(&mut self) -> Option<StmtKind> {
        let word = self.bump().span;
        let open = self.at("(").then(|| self.bump().span);
        if self.tok.kind != Tok::Var {
            let pair = self.at("(");
            let d = self.expected("a variable (`$x`)");
            d.help(if pair {
                ONE_VARIABLE
            } else {
                "write `for ($kv : @map) { ... }` or `for ($i : 0..10) { ... }`"
            });
            return None;
        }
        let var = self.bump().text.to_string();
        if !self.eat(":") {
            if self.at(",") {
                self.expected("`:`").help(ONE_VARIABLE);
                return None;
            }
            self.expected("`:`").help("loops go over a map or a range: `for ($kv : @map) { ... }`, `for ($i : 0..10) { ... }`");
            return None;
        }
        let first = self.expr();
        let range = if self.eat("..") { Some(self.expr()) } else { None };
        if let Some(open) = open {
            self.close(")", open);
        }
        if self.recovering {
            return None;
        }
        let span = word.to(self.prev);
        let body = as_statements(self.body("for", false));
        if let Some(end) = range {
            return Some(StmtKind::ForRange { var, start: first, end, body });
        }
        if let ExprKind::Map(map) = first.kind {
            return Some(StmtKind::ForMap { var, map, body });
        }
        if first.kind != ExprKind::Error {
            let span = if span.end > first.span.start { first.span } else { span };
            self.report(span, "`for` goes over a map or a range")
                .help("write `for ($kv : @map)` or `for ($i : 0..10)`");
        }
        None
    }
}
