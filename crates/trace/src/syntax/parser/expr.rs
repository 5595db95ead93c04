//! Expressions.

use super::super::ast::{BinaryOp, Expr, ExprKind, Span, TypeExpr, TypeExprKind, UnaryOp};
use super::super::lexer::{Lexer, Tok};
use super::super::preproc::Define;
use super::types::{is_builtin, is_type_word};
use super::{MAX_EXPANSION, Parser};

/// Operators with two operands and how tightly they bind, as in C.
fn binary_op(punct: &str) -> Option<(u8, BinaryOp)> {
    Some(match punct {
        "||" => (1, BinaryOp::LogicalOr),
        "&&" => (2, BinaryOp::LogicalAnd),
        "|" => (3, BinaryOp::Or),
        "^" => (4, BinaryOp::Xor),
        "&" => (5, BinaryOp::And),
        "==" => (6, BinaryOp::Eq),
        "!=" => (6, BinaryOp::Ne),
        "<" => (7, BinaryOp::Lt),
        "<=" => (7, BinaryOp::Le),
        ">" => (7, BinaryOp::Gt),
        ">=" => (7, BinaryOp::Ge),
        "<<" => (8, BinaryOp::Shl),
        ">>" => (8, BinaryOp::Shr),
        "+" => (9, BinaryOp::Add),
        "-" => (9, BinaryOp::Sub),
        "*" => (10, BinaryOp::Mul),
        "/" => (10, BinaryOp::Div),
        "%" => (10, BinaryOp::Mod),
        _ => return None,
    })
}

impl<'a> Parser<'a> {
    pub(super) fn error_expr(&self, span: Span) -> Expr {
        Expr { kind: ExprKind::Error, span }
    }

    /// An expression one level down.
    pub(super) fn sub_expr(&mut self) -> Expr {
        let span = self.tok.span;
        self.nested(Self::expr).unwrap_or(Expr { kind: ExprKind::Error, span })
    }

    /// expr = binary [ "?" [ expr ] ":" expr ]
    pub(super) fn expr(&mut self) -> Expr {
        let cond = self.binary(1);
        self.ternary(cond)
    }

    /// What may follow a first operand: operators, then a condition's branches.
    pub(super) fn expr_after(&mut self, left: Expr) -> Expr {
        let left = self.postfix(left);
        let cond = self.binary_after(1, left);
        self.ternary(cond)
    }

    fn ternary(&mut self, cond: Expr) -> Expr {
        if !self.at("?") {
            return cond;
        }
        let question = self.bump().span;
        let then = if self.at(":") { None } else { Some(Box::new(self.sub_expr())) };
        if !self.eat(":") {
            let place = self.place(question);
            self.expected("`:`")
                .help(format!("the `?` at {place} takes two values: `condition ? a : b`"));
        }
        let els = Box::new(self.sub_expr());
        self.grow();
        let span = cond.span.to(els.span);
        Expr { kind: ExprKind::Ternary { cond: Box::new(cond), then, els }, span }
    }

    fn binary(&mut self, min: u8) -> Expr {
        let left = self.unary();
        self.binary_after(min, left)
    }

    fn binary_after(&mut self, min: u8, mut left: Expr) -> Expr {
        loop {
            let Tok::Punct(punct) = self.tok.kind else { return left };
            let Some((prec, op)) = binary_op(punct).filter(|(prec, _)| *prec >= min) else {
                return left;
            };
            if op == BinaryOp::Div && self.in_predicate && self.lex.ahead() == Some(b'{') {
                return left;
            }
            self.bump();
            let height = std::mem::take(&mut self.height);
            let span = self.tok.span;
            let right =
                self.nested(|p| p.binary(prec + 1)).unwrap_or(Expr { kind: ExprKind::Error, span });
            self.height = self.height.max(height);
            self.grow();
            let span = left.span.to(right.span);
            left = Expr {
                kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) },
                span,
            };
        }
    }

    /// unary = ("-" | "!" | "~" | "*" | "&" | "++" | "--") unary | cast | postfix
    pub(super) fn unary(&mut self) -> Expr {
        let op = match self.tok.kind {
            Tok::Punct("-") => UnaryOp::Neg,
            Tok::Punct("!") => UnaryOp::Not,
            Tok::Punct("~") => UnaryOp::BitNot,
            Tok::Punct("*") => UnaryOp::Deref,
            Tok::Punct("&") => UnaryOp::AddrOf,
            Tok::Punct("++") => UnaryOp::PreInc,
            Tok::Punct("--") => UnaryOp::PreDec,
            _ => {
                let first = self.primary();
                return self.postfix(first);
            }
        };
        let sign = self.bump();
        let operand = self.sub_unary();
        self.check_operand(op, sign.span, &operand);
        self.grow();
        let span = sign.span.to(operand.span);
        Expr { kind: ExprKind::Unary { op, expr: Box::new(operand) }, span }
    }

    fn sub_unary(&mut self) -> Expr {
        let span = self.tok.span;
        self.nested(Self::unary).unwrap_or(Expr { kind: ExprKind::Error, span })
    }

    /// Operators that change or point at their operand need a variable or a map.
    fn check_operand(&mut self, op: UnaryOp, sign: Span, operand: &Expr) {
        let what = match op {
            UnaryOp::PreInc | UnaryOp::PostInc => "`++`",
            UnaryOp::PreDec | UnaryOp::PostDec => "`--`",
            UnaryOp::AddrOf => "`&`",
            _ => return,
        };
        let fits = match &operand.kind {
            ExprKind::Error | ExprKind::Var(_) | ExprKind::Map(_) => true,
            // A macro's parameter may stand for a variable.
            ExprKind::Ident(name) => self.macro_params.contains(name),
            ExprKind::MapElem { .. } => op != UnaryOp::AddrOf,
            _ => false,
        };
        if !fits {
            let span = sign.to(operand.span);
            self.report(span, format!("{what} needs a variable (`$x`) or a map (`@x`)"))
                .label("neither of them");
        }
    }

    /// postfix = primary { "." name | "->" name | "[" expr "]" | "++" | "--" }
    fn postfix(&mut self, mut left: Expr) -> Expr {
        loop {
            left = match self.tok.kind {
                Tok::Punct("." | "->") => match self.field(left) {
                    Ok(e) => e,
                    Err(e) => return e,
                },
                Tok::Punct("[") => {
                    let open = self.bump().span;
                    let index = Box::new(self.sub_expr());
                    self.close("]", open);
                    let span = left.span.to(self.prev);
                    Expr { kind: ExprKind::Index { expr: Box::new(left), index }, span }
                }
                Tok::Punct(p @ ("++" | "--")) => {
                    let op = if p == "++" { UnaryOp::PostInc } else { UnaryOp::PostDec };
                    let sign = self.bump().span;
                    self.check_operand(op, sign, &left);
                    let span = left.span.to(sign);
                    Expr { kind: ExprKind::Unary { op, expr: Box::new(left) }, span }
                }
                _ => return left,
            };
            self.grow();
        }
    }

    fn field(&mut self, left: Expr) -> Result<Expr, Expr> {
        let arrow = self.bump().text == "->";
        let digits = self.tok.text.bytes().all(|c| c.is_ascii_digit());
        match self.tok.kind {
            Tok::Int { .. } if matches!(left.kind, ExprKind::Int { .. }) => {
                let span = left.span.to(self.tok.span);
                self.bump();
                self.report(span, "there are no floating-point numbers")
                    .help("use whole numbers of a smaller unit: `1500us` instead of 1.5 ms");
                return Ok(self.error_expr(span));
            }
            Tok::Ident => {}
            Tok::Int { .. } if digits && !arrow => {}
            _ => {
                self.expected("a field's name")
                    .help("fields are written `a.b`, elements of a tuple `a.0`");
                let span = left.span.to(self.prev);
                return Err(Expr { kind: ExprKind::Error, span });
            }
        }
        let name = self.bump();
        let span = left.span.to(name.span);
        Ok(Expr {
            kind: ExprKind::Field {
                expr: Box::new(left),
                name: name.text.to_string(),
                name_span: name.span,
                arrow,
            },
            span,
        })
    }

    fn primary(&mut self) -> Expr {
        let span = self.tok.span;
        let kind = match &self.tok.kind {
            Tok::Int { value, unsigned } => ExprKind::Int { value: *value, unsigned: *unsigned },
            Tok::Str(_) => return self.strings(),
            Tok::Positional(n) => ExprKind::Positional(*n),
            Tok::PositionalCount => ExprKind::PositionalCount,
            Tok::Var => ExprKind::Var(self.tok.text.to_string()),
            Tok::Map => return self.map(),
            Tok::Ident => return self.word(),
            Tok::Punct("(") => return self.paren(),
            Tok::Punct("{") => return self.block_expr(),
            Tok::Bad => {
                self.recovering = true;
                self.bump();
                return self.error_expr(span);
            }
            _ => {
                let d = self.expected("an expression");
                d.label("a value belongs here");
                return self.error_expr(span);
            }
        };
        self.bump();
        Expr { kind, span }
    }

    /// Strings that follow each other are one, as in C.
    fn strings(&mut self) -> Expr {
        let mut span = self.tok.span;
        let mut bytes = Vec::new();
        while let Tok::Str(s) = &self.tok.kind {
            bytes.extend_from_slice(s);
            span = span.to(self.tok.span);
            self.bump();
        }
        Expr { kind: ExprKind::Str(bytes), span }
    }

    /// map = "@name" [ "[" expr { "," expr } "]" ]
    fn map(&mut self) -> Expr {
        let tok = self.bump();
        let map = tok.text.to_string();
        if !self.at("[") {
            return Expr { kind: ExprKind::Map(map), span: tok.span };
        }
        let open = self.bump().span;
        if self.at("]") {
            let span = tok.span.to(self.tok.span);
            self.bump();
            self.report(span, "a map's key is missing")
                .help(format!("write `{map}[key]`, or `{map}` for the whole map"));
            return Expr { kind: ExprKind::Error, span };
        }
        let keys = self.list("]", open);
        self.grow();
        Expr { kind: ExprKind::MapElem { map, keys }, span: tok.span.to(self.prev) }
    }

    /// Expressions up to a closing bracket, which is taken.
    fn list(&mut self, end: &str, open: Span) -> Vec<Expr> {
        let mut out = Vec::new();
        let mut height = self.height;
        while !self.at(end) && !self.at_eof() {
            self.height = 0;
            out.push(self.sub_expr());
            height = height.max(self.height);
            if self.recovering || !self.eat(",") {
                break;
            }
        }
        self.height = height;
        self.close(end, open);
        out
    }

    fn word(&mut self) -> Expr {
        match self.tok.text {
            "true" | "false" => {
                let tok = self.bump();
                Expr { kind: ExprKind::Bool(tok.text == "true"), span: tok.span }
            }
            "if" => self.if_expr(),
            "sizeof" => self.sizeof(),
            "offsetof" => self.offsetof(),
            "typeof" | "typeinfo" | "comptime" => self.unsupported_word(),
            "struct" | "union" | "enum" => self.type_as_value(),
            word if is_type_word(word) && !self.macro_params.iter().any(|p| p == word) => {
                self.type_as_value()
            }
            "let" | "for" | "while" | "unroll" | "return" | "break" | "continue" | "else" => {
                let (word, span) = (self.tok.text, self.tok.span);
                self.expected("an expression")
                    .help(format!("`{word}` begins a statement; it has no value"));
                self.error_expr(span)
            }
            _ => self.named(),
        }
    }

    /// Parts of the language that a later stage of the project brings.
    fn unsupported_word(&mut self) -> Expr {
        let tok = self.bump();
        let help = match tok.text {
            "typeof" => "`typeof` can be used in casts, `sizeof`, `offsetof` and after `let $x :`",
            "typeinfo" => "compare values instead; `sizeof` gives the size of a type",
            _ => "leave it out: constants are worked out before the script runs anyway",
        };
        self.fail(tok.span, format!("`{}` is not supported here yet", tok.text)).help(help);
        self.error_expr(tok.span)
    }

    fn type_as_value(&mut self) -> Expr {
        let (word, span) = (self.tok.text, self.tok.span);
        if self.next_is("(") {
            // Left to the checker, which knows the functions.
            return self.named();
        }
        self.fail(span, format!("`{word}` is a type, not a value"))
            .help("a cast is written `(type)value`");
        self.bump();
        self.error_expr(span)
    }

    fn if_expr(&mut self) -> Expr {
        let span = self.tok.span;
        match self.nested(Self::if_parts) {
            Some(parts) => self.if_value(parts, span),
            None => self.error_expr(span),
        }
    }

    fn block_expr(&mut self) -> Expr {
        let span = self.tok.span;
        let predicate = std::mem::take(&mut self.in_predicate);
        let block = self.block(true);
        self.in_predicate = predicate;
        let span = span.to(self.prev);
        Expr { kind: ExprKind::Block(Box::new(block)), span }
    }

    /// A name: a call, a macro of the preprocessor, or a builtin.
    fn named(&mut self) -> Expr {
        let tok = self.bump();
        let define = self.pre.get(tok.text);
        if self.at("(") {
            if matches!(define, Some(Define::Function)) {
                self.report(
                    tok.span,
                    format!(
                        "`{}` is a macro of C with parameters; these are not supported",
                        tok.text
                    ),
                )
                .help(format!(
                    "write it in the tracing language: `macro {}(x) {{ ... }}`",
                    tok.text
                ));
            }
            let open = self.bump().span;
            let args = self.list(")", open);
            self.grow();
            let span = tok.span.to(self.prev);
            return Expr {
                kind: ExprKind::Call { name: tok.text.to_string(), name_span: tok.span, args },
                span,
            };
        }
        if self.at("!") && self.lex.adjacent() == Some(b'(') {
            let span = tok.span.to(self.tok.span);
            self.bump();
            self.report(span, "macros are called without `!`")
                .help(format!("write `{}(...)`", tok.text));
            let open = self.bump().span;
            self.list(")", open);
            return self.error_expr(span);
        }
        match define {
            Some(Define::Object(body)) => self.expand(tok.text, body, tok.span),
            _ => Expr { kind: ExprKind::Ident(tok.text.to_string()), span: tok.span },
        }
    }

    /// Puts in what a `#define` gave: its text is read as an expression, with the place of the use.
    pub(super) fn expand(&mut self, name: &'a str, body: &'a str, place: Span) -> Expr {
        if self.expanding.contains(&name) {
            self.report(place, format!("the macro `{name}` uses itself"))
                .help("a `#define` is put in where it is used, so it cannot hold itself");
            return self.error_expr(place);
        }
        self.expanded += body.len() + 1;
        if self.expanded > MAX_EXPANSION {
            self.report(place, "the macros of this script expand to too much text")
                .label("too much here");
            self.stop();
            return self.error_expr(place);
        }
        let mut lex = Lexer::of_macro(body, place);
        let tok = lex.next(&mut self.pre, &mut self.diags);
        let outer = (
            std::mem::replace(&mut self.lex, lex),
            std::mem::replace(&mut self.tok, tok),
            self.prev,
            self.in_predicate,
        );
        self.expanding.push(name);
        self.in_predicate = false;
        let result = self.expansion(name, place);
        self.expanding.pop();
        let stopped = self.lex.cut;
        (self.lex, self.tok, self.prev, self.in_predicate) = outer;
        if stopped {
            self.stop();
        }
        Expr { span: place, ..result }
    }

    fn expansion(&mut self, name: &str, place: Span) -> Expr {
        if self.at_eof() {
            self.report(place, format!("the macro `{name}` has no value"))
                .help(format!("give it one: `#define {name} 1`"));
            return self.error_expr(place);
        }
        let value = self.sub_expr();
        if !self.at_eof() {
            self.fail(place, format!("the macro `{name}` is not an expression"))
                .label("used here")
                .help("macros of the preprocessor can stand for numbers, strings and other expressions only");
        }
        value
    }

    /// "(": a cast, a tuple, a record or brackets around an expression.
    fn paren(&mut self) -> Expr {
        let open = self.bump().span;
        if self.eat(")") {
            return Expr { kind: ExprKind::Tuple(Vec::new()), span: open.to(self.prev) };
        }
        if self.tok.kind == Tok::Ident && self.next_is("=") {
            return self.record(open);
        }
        if let Some(ty) = self.cast_type() {
            let operand = self.sub_unary();
            self.grow();
            let span = open.to(operand.span);
            return Expr { kind: ExprKind::Cast { ty, expr: Box::new(operand) }, span };
        }
        let predicate = std::mem::take(&mut self.in_predicate);
        let first = self.sub_expr();
        let result = if self.at(",") { self.tuple(open, first) } else { self.grouped(open, first) };
        self.in_predicate = predicate;
        result
    }

    fn grouped(&mut self, open: Span, inner: Expr) -> Expr {
        if self.at("=") {
            let span = self.tok.span;
            self.fail(span, "an assignment is a statement, not a value")
                .label("assigned here")
                .help("to compare, write `==`");
        }
        self.close(")", open);
        Expr { kind: inner.kind, span: open.to(self.prev) }
    }

    fn tuple(&mut self, open: Span, first: Expr) -> Expr {
        self.bump();
        let mut items = vec![first];
        items.append(&mut self.list(")", open));
        self.grow();
        Expr { kind: ExprKind::Tuple(items), span: open.to(self.prev) }
    }

    /// record = "(" name "=" expr { "," name "=" expr } ")"
    fn record(&mut self, open: Span) -> Expr {
        let mut fields: Vec<(String, Expr)> = Vec::new();
        let mut height = self.height;
        while let Some((name, span)) = self.name("a field's name") {
            if fields.iter().any(|(n, _)| n == name) {
                self.report(span, format!("the field `{name}` is given twice"));
            }
            self.expect("=");
            self.height = 0;
            fields.push((name.to_string(), self.sub_expr()));
            height = height.max(self.height);
            if self.recovering || !self.eat(",") || self.at(")") {
                break;
            }
        }
        self.height = height;
        self.grow();
        self.close(")", open);
        Expr { kind: ExprKind::Record(fields), span: open.to(self.prev) }
    }

    /// After "(": the type of a cast with its ")", if this is a cast.
    fn cast_type(&mut self) -> Option<TypeExpr> {
        if self.at_word("typeof") {
            let ty = self.type_expr();
            let span = self.prev;
            self.expect(")");
            return Some(ty.unwrap_or(TypeExpr { kind: TypeExprKind::Name(String::new()), span }));
        }
        if self.tok.kind != Tok::Ident || self.is_value(self.tok.text) {
            return None;
        }
        let mark = self.mark();
        let ty = self.type_expr().filter(|_| !self.recovering && self.at(")"));
        if let Some(ty) = ty {
            self.bump();
            if self.begins_operand(&ty) {
                return Some(ty);
            }
        }
        self.reset(mark);
        None
    }

    /// Whether what follows "(T)" makes it a cast. `(x) - 1` can be read both ways: a name in capitals is then taken for a constant.
    fn begins_operand(&self, ty: &TypeExpr) -> bool {
        let constant = match &ty.kind {
            TypeExprKind::Name(n) => {
                !is_type_word(n) && !n.ends_with("_t") && !n.bytes().any(|c| c.is_ascii_lowercase())
            }
            _ => false,
        };
        match self.tok.kind {
            Tok::Punct("-" | "*" | "&") => !constant,
            Tok::Punct("(" | "!" | "~" | "++" | "--") => true,
            Tok::Punct(_) | Tok::Eof | Tok::Bad => false,
            _ => true,
        }
    }

    /// Names that are never types: builtins, constants and words of the language.
    pub(super) fn is_value(&self, name: &str) -> bool {
        is_builtin(name)
            || self.enumerators.contains_key(name)
            || matches!(self.pre.get(name), Some(Define::Object(_)))
    }
}
