//! What stands at the top level: configuration, imports, definitions, functions, macros and probes.

use super::super::ast::{
    AttachPoint, ConfigEntry, ConfigValue, Function, Item, Macro, MapDecl, Probe, Script, Span,
    TypeExprKind,
};
use super::super::lexer::Tok;
use super::Parser;

impl Parser<'_> {
    pub(super) fn script(&mut self) -> Script {
        let mut items = Vec::new();
        self.take_directives(&mut items);
        while !self.at_eof() {
            let start = self.tok.at;
            self.recovering = false;
            self.height = 0;
            self.suspect = None;
            if let Some(item) = self.item() {
                items.push(item);
            }
            if self.recovering || self.tok.at == start {
                self.sync_item(start);
            }
            self.take_directives(&mut items);
        }
        if !self.lex.cut {
            self.pre.finish(&mut self.diags);
        }
        Script { items }
    }

    fn take_directives(&mut self, items: &mut Vec<Item>) {
        items.extend(self.pre.kept.drain(..).map(|(text, span)| Item::Preprocessor { text, span }));
    }

    /// Goes to where a probe or another item seems to begin: the first word of a line that stands no deeper than the broken item.
    fn sync_item(&mut self, start: usize) {
        let limit = self.indent_of(start);
        let mut depth = 0i32;
        while !self.at_eof() {
            let word = matches!(self.tok.kind, Tok::Ident);
            if self.tok.at > start && depth <= 0 && self.begins_probe() {
                break;
            }
            if self.tok.at > start
                && depth <= 0
                && word
                && self.tok.first
                && self.indent_of(self.tok.at) <= limit
            {
                break;
            }
            match self.bump().kind {
                Tok::Punct("{") => depth += 1,
                Tok::Punct("}") => {
                    depth -= 1;
                    if depth <= 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        if self.tok.kind == Tok::Bad {
            self.recovering = true;
            self.bump();
            return None;
        }
        if let Tok::Punct(p @ ("}" | ")" | "]" | ";")) = self.tok.kind {
            let span = self.bump().span;
            if p != ";" {
                self.report(span, format!("unmatched `{p}`")).label("nothing is open here");
            }
            return None;
        }
        if let Some(kind) = self.tag_keyword() {
            return self.c_definition(kind).map(Item::CType);
        }
        if self.tok.kind == Tok::Ident && self.lex.adjacent() != Some(b':') {
            match self.tok.text {
                "config" => return self.config().map(Item::Config),
                "import" => return self.import(),
                "let" => return self.map_decl().map(Item::MapDecl),
                "fn" => return self.function().map(Item::Function),
                "macro" => return self.macro_def().map(Item::Macro),
                "typedef" => {
                    let span = self.tok.span;
                    self.fail(span, "`typedef` is not supported here")
                        .help("use the type itself, or define a struct");
                    return None;
                }
                _ => {}
            }
        }
        self.probe().map(Item::Probe)
    }

    /// config = "config" "=" "{" { name "=" value ( ";" | "," ) } "}"
    fn config(&mut self) -> Option<Vec<ConfigEntry>> {
        self.bump();
        if !self.eat("=") {
            self.expected("`=`").help("write `config = { name = value; }`");
            return None;
        }
        let open = self.tok.span;
        if !self.expect("{") {
            return None;
        }
        let mut entries = Vec::new();
        while !self.at("}") && !self.at_eof() {
            if self.eat(";") || self.eat(",") {
                continue;
            }
            if self.at("{") {
                // The braces were never closed: this is a probe's.
                self.fail(open, "the configuration is never closed")
                    .label("opened here")
                    .help("add `}` before the first probe");
                break;
            }
            match self.config_entry() {
                Some(entry) => entries.push(entry),
                None => self.sync_config(),
            }
        }
        self.close("}", open).then_some(entries)
    }

    fn config_entry(&mut self) -> Option<ConfigEntry> {
        let (name, start) = self.name("the name of a setting")?;
        if !self.expect("=") {
            return None;
        }
        let value = match &self.tok.kind {
            Tok::Int { value, .. } => ConfigValue::Int(*value),
            Tok::Str(bytes) => ConfigValue::Str(String::from_utf8_lossy(bytes).into_owned()),
            Tok::Ident if self.tok.text == "true" => ConfigValue::Bool(true),
            Tok::Ident if self.tok.text == "false" => ConfigValue::Bool(false),
            Tok::Ident => ConfigValue::Str(self.tok.text.to_string()),
            _ => {
                self.expected("a number, a string, a word, `true` or `false`");
                return None;
            }
        };
        self.bump();
        let span = start.to(self.prev);
        if !self.at(";") && !self.at(",") && !self.at("}") && !self.tok.first {
            let place = Span { start: self.prev.end, end: self.prev.end };
            let found = self.found();
            self.fail(place, format!("expected `;`, found {found}")).label("add `;` here");
            self.sync_config();
        }
        Some(ConfigEntry { name: name.to_string(), value, span })
    }

    fn sync_config(&mut self) {
        while !self.at_eof() && !self.at("}") && !self.at(";") && !self.at("{") {
            self.bump();
        }
        self.recovering = self.at_eof();
    }

    fn import(&mut self) -> Option<Item> {
        let start = self.bump().span;
        let Tok::Str(bytes) = &self.tok.kind else {
            self.expected("a string").help("write `import \"path\";`");
            return None;
        };
        let name = String::from_utf8_lossy(bytes).into_owned();
        self.bump();
        let span = start.to(self.prev);
        if !self.eat(";") && !self.tok.first {
            self.expected("`;`");
        }
        Some(Item::Import { name, span })
    }

    /// map = "let" "@name" "=" kind "(" entries ")" [ ";" ]
    fn map_decl(&mut self) -> Option<MapDecl> {
        let start = self.bump().span;
        if self.tok.kind != Tok::Map {
            self.expected("a map (`@name`)")
                .help("outside of probes `let` declares maps: `let @m = hash(100);`");
            return None;
        }
        let name = self.bump().text.to_string();
        if !self.expect("=") {
            return None;
        }
        let (kind, _) = self.name("the kind of the map")?;
        let open = self.tok.span;
        if !self.expect("(") {
            return None;
        }
        let place = self.tok.span;
        let max_entries = self.constant()?;
        let max_entries = u64::try_from(max_entries).ok().filter(|n| *n > 0).unwrap_or_else(|| {
            self.report(place, "a map holds at least one entry");
            1
        });
        if !self.close(")", open) {
            return None;
        }
        let span = start.to(self.prev);
        self.eat(";");
        Some(MapDecl { name, kind: kind.to_string(), max_entries, span })
    }

    /// fn = "fn" name "(" { "$x" ":" type } ")" [ ":" type ] block
    fn function(&mut self) -> Option<Function> {
        let start = self.bump().span;
        let (name, _) = self.name("the function's name")?;
        let open = self.tok.span;
        if !self.expect("(") {
            return None;
        }
        let mut params = Vec::new();
        while !self.at(")") {
            if self.tok.kind != Tok::Var {
                self.expected("a parameter").help("parameters are written `$name : type`");
                return None;
            }
            let param = self.bump().text.to_string();
            if !self.eat(":") {
                self.expected("`:`").help("parameters are written `$name : type`");
                return None;
            }
            params.push((param, self.type_expr()?));
            if !self.eat(",") {
                break;
            }
        }
        if !self.close(")", open) {
            return None;
        }
        let ret = if self.eat(":") { Some(self.type_expr()?) } else { None };
        let ret = ret.filter(|t| t.kind != TypeExprKind::Name("void".into()));
        let body = self.block(false);
        Some(Function { name: name.to_string(), params, ret, body, span: start.to(self.prev) })
    }

    /// macro = "macro" name "(" { "$x" | "@m" | name } ")" block
    fn macro_def(&mut self) -> Option<Macro> {
        let start = self.bump().span;
        let (name, _) = self.name("the macro's name")?;
        let mut params = Vec::new();
        if self.at("(") {
            let open = self.bump().span;
            while !self.at(")") {
                if !matches!(self.tok.kind, Tok::Var | Tok::Map | Tok::Ident) {
                    self.expected("a parameter")
                        .help("parameters of a macro are `$variable`, `@map` or `name`");
                    return None;
                }
                let tok = self.bump();
                if tok.kind == Tok::Ident && super::types::is_builtin(tok.text) {
                    self.report(
                        tok.span,
                        format!("`{}` is a builtin: it cannot name a parameter", tok.text),
                    );
                }
                params.push(tok.text.to_string());
                if !self.eat(",") {
                    break;
                }
            }
            if !self.close(")", open) {
                return None;
            }
        }
        self.macro_params.clone_from(&params);
        let body = self.block(true);
        self.macro_params.clear();
        Some(Macro { name: name.to_string(), params, body, span: start.to(self.prev) })
    }

    /// probe = attach { "," attach } [ "/" expr "/" ] block
    fn probe(&mut self) -> Option<Probe> {
        let start = self.tok.span;
        let attach = self.attach_points()?;
        let predicate = if self.at("/") { Some(self.predicate()) } else { None };
        if !self.at("{") {
            self.no_body(&attach, predicate.is_some());
            // If a body follows after all, it is read for its own errors.
            self.skip_to_body();
            if !self.at("{") {
                return None;
            }
        }
        self.recovering = false;
        let body = self.block(false);
        Some(Probe { attach, predicate, body, span: start.to(self.prev) })
    }

    fn skip_to_body(&mut self) {
        while !self.at_eof()
            && !self.at("{")
            && !self.at("}")
            && (!self.tok.first || !self.begins_line_item())
        {
            self.bump();
        }
    }

    fn begins_line_item(&self) -> bool {
        self.tok.kind == Tok::Ident
            && (self.lex.adjacent() == Some(b':')
                || matches!(
                    self.tok.text,
                    "BEGIN" | "END" | "begin" | "end" | "struct" | "macro" | "fn" | "config"
                ))
    }

    fn no_body(&mut self, attach: &[AttachPoint], predicate: bool) {
        let slash = attach
            .iter()
            .find(|a| a.parts.len() > 2 && a.parts.last().is_some_and(|p| p.contains('/')));
        let call = attach.iter().any(|a| a.parts.len() == 1 && a.parts[0].contains('('));
        let help = if call {
            "statements stand inside a probe: `BEGIN { ... }`".to_string()
        } else if self.at(":") {
            "no blanks around the colons of an attach point: `kprobe:vfs_read { ... }`".to_string()
        } else if let (Some(a), false) = (slash, predicate) {
            format!(
                "in `{a}` the `/` was taken for a part of the name: put a blank before a predicate"
            )
        } else if self.at_eof() || predicate {
            "a probe is written `kprobe:vfs_read /pid == 1/ { ... }`".to_string()
        } else {
            "a probe is written `kprobe:vfs_read { ... }`; a name with blanks in it stands in quotes".to_string()
        };
        self.expected("`{`").help(help);
    }

    fn attach_points(&mut self) -> Option<Vec<AttachPoint>> {
        let mut out = Vec::new();
        loop {
            let (at, place) = (self.tok.at, self.tok.span);
            let found = self.diags.len();
            let (parts, span) = self.lex.attach_point(at, self.params, &mut self.diags);
            self.recovering |= self.diags.len() > found;
            if span.start == span.end {
                // Nothing here can begin an attach point.
                self.lex.seek(at);
                self.tok = self.lex.next(&mut self.pre, &mut self.diags);
                if out.is_empty() {
                    let d = self.expected("a probe");
                    d.help("a script is made of probes such as `kprobe:vfs_read { ... }` or `BEGIN { ... }`");
                    d.span = place;
                    return None;
                }
                return Some(out);
            }
            self.prev = span;
            self.tok = self.lex.next(&mut self.pre, &mut self.diags);
            out.push(AttachPoint { parts, span });
            if !self.eat(",") || self.at("{") || self.at("/") {
                return Some(out);
            }
        }
    }

    fn predicate(&mut self) -> super::super::ast::Expr {
        let open = self.bump().span;
        self.in_predicate = true;
        let expr = self.expr();
        self.in_predicate = false;
        if !self.eat("/") {
            let place = self.place(open);
            self.expected("`/`").help(format!(
                "it closes the predicate that begins at {place}, and `{{` follows it"
            ));
        }
        expr
    }
}
