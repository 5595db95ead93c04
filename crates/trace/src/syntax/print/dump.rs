//! The tree, one node a line, indented by its depth.

use std::fmt::Write as _;

use super::super::ast::*;
use super::quoted;
use crate::syntax::parser::is_builtin;

/// The tree of a script as indented lines, for `-d ast`.
///
/// ```
/// use skep_trace::syntax::{parse, print::dump};
/// let (script, _) = parse("BEGIN { @x = 1 + pid; }", &[]);
/// assert_eq!(dump(&script), "Program\n BEGIN\n  =\n   map: @x\n   +\n    int: 1\n    builtin: pid\n");
/// ```
pub fn dump(script: &Script) -> String {
    let mut tree = Tree { out: String::from("Program\n"), depth: 1 };
    for item in &script.items {
        tree.item(item);
    }
    tree.out
}

struct Tree {
    out: String,
    depth: usize,
}

impl Tree {
    fn line(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.out, "{:1$}{2}", "", self.depth, text.as_ref());
    }

    /// A line with others below it.
    fn node(&mut self, text: impl AsRef<str>, below: impl FnOnce(&mut Self)) {
        self.line(text);
        self.depth += 1;
        below(self);
        self.depth -= 1;
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Config(entries) => self.node("config", |t| {
                for e in entries {
                    let value = match &e.value {
                        ConfigValue::Int(n) => n.to_string(),
                        ConfigValue::Bool(b) => b.to_string(),
                        ConfigValue::Str(s) => quoted(s.as_bytes()),
                    };
                    t.line(format!("{}: {value}", e.name));
                }
            }),
            Item::Probe(probe) => self.probe(probe),
            Item::CType(ty) => self.c_type(ty, ""),
            Item::MapDecl(m) => {
                self.line(format!("map decl: {} {}({})", m.name, m.kind, m.max_entries))
            }
            Item::Function(f) => {
                let params: Vec<String> =
                    f.params.iter().map(|(n, t)| format!("{n} : {t}")).collect();
                let ret = f.ret.as_ref().map_or("void".to_string(), TypeExpr::to_string);
                self.node(format!("fn: {}({}) : {ret}", f.name, params.join(", ")), |t| {
                    t.block(&f.body)
                });
            }
            Item::Preprocessor { text, .. } => self.line(text),
            Item::Import { name, .. } => self.line(format!("import: {}", quoted(name.as_bytes()))),
            Item::Macro(m) => self
                .node(format!("macro: {}({})", m.name, m.params.join(", ")), |t| t.block(&m.body)),
        }
    }

    fn probe(&mut self, probe: &Probe) {
        for attach in &probe.attach {
            self.line(attach.to_string());
        }
        self.depth += 1;
        if let Some(predicate) = &probe.predicate {
            self.node("pred", |t| t.expr(predicate));
        }
        self.block(&probe.body);
        self.depth -= 1;
    }

    fn c_type(&mut self, ty: &CType, member: &str) {
        let packed = if ty.packed { " packed" } else { "" };
        self.node(format!("{} {}{packed}{member}", ty.kind.keyword(), ty.name), |t| {
            for (name, value) in &ty.enumerators {
                t.line(format!("{name} = {value}"));
            }
            for f in &ty.fields {
                let bits = f.bits.map_or(String::new(), |b| format!(" : {b}"));
                match &f.ty {
                    CFieldType::Named(ty) => t.line(format!("{}: {ty}{bits}", f.name)),
                    CFieldType::Inline(ty) => t.c_type(ty, &format!(" -> {}", f.name)),
                    CFieldType::InlineArray(ty, n) => t.c_type(ty, &format!(" -> {}[{n}]", f.name)),
                }
            }
        });
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
        if let Some(value) = &block.value {
            self.node("value", |t| t.expr(value));
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Expr(e) => self.expr(e),
            StmtKind::Let { name, ty, init } => {
                let ty = ty.as_ref().map_or(String::new(), |t| format!(" : {t}"));
                self.node(format!("decl: {name}{ty}"), |t| init.iter().for_each(|e| t.expr(e)));
            }
            StmtKind::Assign { target, op, value } => {
                self.node(format!("{}=", op.map_or("", BinaryOp::symbol)), |t| {
                    t.expr(target);
                    t.expr(value);
                })
            }
            StmtKind::If { cond, then, els } => self.if_else(cond, then, els.as_ref()),
            StmtKind::While { cond, body } => self.loop_over("while", cond, body),
            StmtKind::Unroll { count, body } => self.loop_over("unroll", count, body),
            StmtKind::ForMap { var, map, body } => self.node("for", |t| {
                t.line(format!("variable: {var}"));
                t.line(format!("map: {map}"));
                t.node("body", |t| t.block(body));
            }),
            StmtKind::ForRange { var, start, end, body } => self.node("for", |t| {
                t.line(format!("variable: {var}"));
                t.node("range", |t| {
                    t.expr(start);
                    t.expr(end);
                });
                t.node("body", |t| t.block(body));
            }),
            StmtKind::Break => self.line("break"),
            StmtKind::Continue => self.line("continue"),
            StmtKind::Return(value) => {
                self.node("return", |t| value.iter().for_each(|e| t.expr(e)))
            }
            StmtKind::Block(block) => self.node("block", |t| t.block(block)),
        }
    }

    fn loop_over(&mut self, word: &str, head: &Expr, body: &Block) {
        self.node(word, |t| {
            t.expr(head);
            t.node("body", |t| t.block(body));
        });
    }

    fn if_else(&mut self, cond: &Expr, then: &Block, els: Option<&Block>) {
        self.node("if", |t| {
            t.expr(cond);
            t.node("then", |t| t.block(then));
            if let Some(els) = els {
                t.node("else", |t| t.block(els));
            }
        });
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Int { value, unsigned } => {
                self.line(format!("int: {value}{}", if *unsigned { " unsigned" } else { "" }))
            }
            ExprKind::Str(bytes) => self.line(format!("string: {}", quoted(bytes))),
            ExprKind::Bool(b) => self.line(format!("bool: {b}")),
            ExprKind::Positional(n) => self.line(format!("param: ${n}")),
            ExprKind::PositionalCount => self.line("param count: $#"),
            ExprKind::Ident(name) => self.line(format!(
                "{}: {name}",
                if is_builtin(name) { "builtin" } else { "identifier" }
            )),
            ExprKind::Var(name) => self.line(format!("variable: {name}")),
            ExprKind::Map(name) => self.line(format!("map: {name}")),
            ExprKind::MapElem { map, keys } => {
                self.node(format!("[] map: {map}"), |t| t.exprs(keys))
            }
            ExprKind::Call { name, args, .. } => {
                self.node(format!("call: {name}"), |t| t.exprs(args))
            }
            ExprKind::SizeofType(ty) => self.line(format!("sizeof: {ty}")),
            ExprKind::SizeofExpr(e) => self.node("sizeof", |t| t.expr(e)),
            ExprKind::Offsetof(ty, fields) => {
                self.line(format!("offsetof: {ty}, {}", fields.join(".")))
            }
            ExprKind::Cast { ty, expr } => self.node(format!("({ty})"), |t| t.expr(expr)),
            ExprKind::Field { expr, name, arrow, .. } => {
                self.node(format!("{}{name}", if *arrow { "->" } else { "." }), |t| t.expr(expr));
            }
            ExprKind::Index { expr, index } => self.node("[]", |t| {
                t.expr(expr);
                t.expr(index);
            }),
            ExprKind::Unary { op, expr } => {
                let (pre, post) = match op {
                    UnaryOp::PreInc | UnaryOp::PreDec => (" (pre)", ""),
                    UnaryOp::PostInc | UnaryOp::PostDec => ("", " (post)"),
                    _ => ("", ""),
                };
                self.node(format!("{}{pre}{post}", op.symbol()), |t| t.expr(expr));
            }
            ExprKind::Binary { op, left, right } => self.node(op.symbol(), |t| {
                t.expr(left);
                t.expr(right);
            }),
            ExprKind::Ternary { cond, then, els } => self.node("?:", |t| {
                t.expr(cond);
                then.iter().for_each(|e| t.expr(e));
                t.expr(els);
            }),
            ExprKind::Tuple(items) => self.node("tuple", |t| t.exprs(items)),
            ExprKind::Record(fields) => self.node("record", |t| {
                for (name, value) in fields {
                    t.node(format!("{name}:"), |t| t.expr(value));
                }
            }),
            ExprKind::Block(block) => self.node("block", |t| t.block(block)),
            ExprKind::If { cond, then, els } => self.if_else(cond, then, Some(els)),
            ExprKind::Error => self.line("error"),
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        for e in exprs {
            self.expr(e);
        }
    }
}
