//! The typed tree as text: `-d ast`, and what the file tests compare. One statement a line; a type stands behind each value.

use std::fmt::{self, Write};

use super::Store;
use crate::hir::{Call, Expr, ExprKind, Hir, MapId, Program, Stmt, StmtKind, VarId};
use crate::plan::{Action, Format, Piece, Plan, RunKind};
use crate::types::Type;

/// Writes the typed tree and the plan.
pub fn dump(hir: &Hir, plan: &Plan) -> String {
    let mut printer = Printer { out: String::new(), plan, program: None, names: Store::new(None) };
    printer.names.types = plan.types.clone();
    // Writing to a string does not fail.
    let _ = printer.all(hir);
    printer.out
}

struct Printer<'a> {
    out: String,
    plan: &'a Plan,
    program: Option<&'a Program>,
    names: Store<'a>,
}

impl<'a> Printer<'a> {
    fn all(&mut self, hir: &'a Hir) -> fmt::Result {
        for map in &self.plan.maps {
            let keys: Vec<String> = map.keys.iter().map(|k| self.ty(k)).collect();
            let value = self.ty(&map.value);
            writeln!(self.out, "map {}[{}]: {value}", map.name, keys.join(", "))?;
        }
        for (program, group) in hir.programs.iter().zip(&self.plan.groups) {
            self.program = Some(program);
            let run = match &group.run {
                RunKind::Begin => "begin".to_owned(),
                RunKind::End => "end".to_owned(),
                RunKind::Signal(n) => format!("signal {n}"),
                RunKind::Interval(_) | RunKind::Attach(_) => group.names.join(", "),
            };
            writeln!(self.out, "{} {} ({run}) {:?}", program.kind, program.name, program.probe)?;
            for var in &program.vars {
                let ty = self.ty(&var.ty);
                writeln!(self.out, "  var {}: {ty}", var.name)?;
            }
            if let Some(predicate) = &program.predicate {
                let text = self.expr(predicate)?;
                writeln!(self.out, "  if not {text} return")?;
            }
            self.stmts(&program.body, 1)?;
        }
        for (n, action) in self.plan.actions.iter().enumerate() {
            let text = self.action(action);
            writeln!(self.out, "action {n}: {text}")?;
        }
        Ok(())
    }

    /// The type, with the space of a pointer.
    fn ty(&self, ty: &Type) -> String {
        match ty {
            Type::Ptr { space, .. } => format!("{}{space:?}", self.names.name(ty)).to_lowercase(),
            _ => self.names.name(ty),
        }
    }

    fn action(&self, action: &Action) -> String {
        match action {
            Action::Printf(format) => format!("printf {}", self.format(format)),
            Action::Log { error: true, format, .. } => format!("errorf {}", self.format(format)),
            Action::Log { error: false, format, .. } => format!("warnf {}", self.format(format)),
            Action::System(format) => format!("system {}", self.format(format)),
            Action::Cat(format) => format!("cat {}", self.format(format)),
            Action::PrintValue(ty) => format!("print {}", self.ty(ty)),
            other => format!("{other:?}"),
        }
    }

    /// Texts quoted, conversions with their types.
    fn format(&self, format: &Format) -> String {
        let mut types = format.args.iter();
        let mut all = Vec::new();
        for piece in &format.pieces {
            match piece {
                Piece::Text(text) => all.push(format!("\"{}\"", text.escape_ascii())),
                Piece::Arg(spec) => {
                    let takes = 1 + usize::from(spec.width_arg) + usize::from(spec.precision_arg);
                    let of: Vec<String> = types.by_ref().take(takes).map(|t| self.ty(t)).collect();
                    all.push(format!("{:?}({})", spec.conv, of.join(", ")));
                }
            }
        }
        all.join(" ")
    }

    fn stmts(&mut self, stmts: &[Stmt], depth: usize) -> fmt::Result {
        for stmt in stmts {
            self.stmt(stmt, depth)?;
        }
        Ok(())
    }

    fn line(&mut self, depth: usize, text: &str) -> fmt::Result {
        writeln!(self.out, "{:width$}{text}", "", width = depth * 2)
    }

    fn body(&mut self, head: &str, body: &[Stmt], depth: usize) -> fmt::Result {
        self.line(depth, head)?;
        self.stmts(body, depth + 1)
    }

    fn stmt(&mut self, stmt: &Stmt, depth: usize) -> fmt::Result {
        let text = match &stmt.kind {
            StmtKind::Expr(e) => self.expr(e)?,
            StmtKind::SetVar(var, None) => format!("{} = zero", self.var(*var)),
            StmtKind::SetVar(var, Some(value)) => {
                let value = self.expr(value)?;
                format!("{} = {value}", self.var(*var))
            }
            StmtKind::SetMap { map, key, value } => {
                let (place, value) = (self.element(*map, key)?, self.expr(value)?);
                format!("{place} = {value}")
            }
            StmtKind::Aggregate { map, key, agg, value, weight } => {
                let place = self.element(*map, key)?;
                let value = value.as_ref().map(|v| self.expr(v)).transpose()?.unwrap_or_default();
                let weight = weight.as_ref().map(|v| self.expr(v)).transpose()?.unwrap_or_default();
                format!("{place} <- {agg:?} {value}{weight}").trim_end().to_owned()
            }
            StmtKind::SetPlace { place, value } => {
                let (place, value) = (self.expr(place)?, self.expr(value)?);
                format!("{place} = {value}")
            }
            StmtKind::If { cond, then, els } => {
                let head = format!("if {}", self.expr(cond)?);
                self.body(&head, then, depth)?;
                return if els.is_empty() { Ok(()) } else { self.body("else", els, depth) };
            }
            StmtKind::While { cond, body } => {
                let head = format!("while {}", self.expr(cond)?);
                return self.body(&head, body, depth);
            }
            StmtKind::Unroll { count, body } => {
                return self.body(&format!("unroll {count}"), body, depth);
            }
            StmtKind::ForMap { var, map, body } => {
                let head = format!("for {} in {}", self.var(*var), self.map(*map));
                return self.body(&head, body, depth);
            }
            StmtKind::ForRange { var, start, end, body } => {
                let (start, end) = (self.expr(start)?, self.expr(end)?);
                let head = format!("for {} in {start}..{end}", self.var(*var));
                return self.body(&head, body, depth);
            }
            StmtKind::Break => "break".into(),
            StmtKind::Continue => "continue".into(),
            StmtKind::Return(None) => "return".into(),
            StmtKind::Return(Some(value)) => format!("return {}", self.expr(value)?),
            StmtKind::Block(body) => return self.body("block", body, depth),
        };
        self.line(depth, &text)
    }

    fn var(&self, var: VarId) -> String {
        let found = self.program.and_then(|p| p.vars.get(var.0 as usize));
        found.map_or_else(|| format!("${}", var.0), |v| v.name.clone())
    }

    fn map(&self, map: MapId) -> String {
        let found = self.plan.maps.get(map.0 as usize);
        found.map_or_else(|| format!("@{}", map.0), |m| m.name.clone())
    }

    fn element(&mut self, map: MapId, key: &[Expr]) -> Result<String, fmt::Error> {
        let name = self.map(map);
        Ok(if key.is_empty() { name } else { format!("{name}[{}]", self.list(key)?) })
    }

    fn list(&mut self, exprs: &[Expr]) -> Result<String, fmt::Error> {
        let all: Result<Vec<String>, fmt::Error> = exprs.iter().map(|e| self.expr(e)).collect();
        Ok(all?.join(", "))
    }

    /// The expression; types are shown where they are not those of a part already shown.
    fn expr(&mut self, e: &Expr) -> Result<String, fmt::Error> {
        let ty = self.ty(&e.ty);
        Ok(match &e.kind {
            ExprKind::Int(value) => match e.ty {
                Type::Int { bits: 64, signed: true } => value.to_string(),
                Type::Int { bits: 64, signed: false } => format!("{}u", *value as u64),
                _ => format!("{value}:{ty}"),
            },
            ExprKind::Str(bytes) => format!("\"{}\"", bytes.escape_ascii()),
            ExprKind::Builtin(builtin) => format!("{builtin:?}:{ty}"),
            ExprKind::Var(var) => self.var(*var),
            ExprKind::MapElem { map, key } => self.element(*map, key)?,
            ExprKind::MapAdd { map, key, delta, post } => {
                format!("{}({} {delta:+})", order(*post), self.element(*map, key)?)
            }
            ExprKind::VarAdd { var, delta, post } => {
                format!("{}({} {delta:+})", order(*post), self.var(*var))
            }
            ExprKind::Binary(op, a, b) => {
                format!("({op:?} {} {}):{ty}", self.expr(a)?, self.expr(b)?)
            }
            ExprKind::Compare { op, signed, left, right } => {
                let sign = if *signed { "s" } else { "u" };
                format!("({op:?}.{sign} {} {})", self.expr(left)?, self.expr(right)?)
            }
            ExprKind::CompareBytes { negate, left, right, limit } => {
                let op = if *negate { "differ" } else { "same" };
                let limit = limit.map(|n| format!(" {n}")).unwrap_or_default();
                format!("({op} {} {}{limit})", self.expr(left)?, self.expr(right)?)
            }
            ExprKind::And(a, b) => format!("({} && {})", self.expr(a)?, self.expr(b)?),
            ExprKind::Or(a, b) => format!("({} || {})", self.expr(a)?, self.expr(b)?),
            ExprKind::Not(a) => format!("!{}", self.expr(a)?),
            ExprKind::BitNot(a) => format!("~{}", self.expr(a)?),
            ExprKind::Neg(a) => format!("-{}", self.expr(a)?),
            ExprKind::Select { cond, then, els } => {
                format!("({} ? {} : {}):{ty}", self.expr(cond)?, self.expr(then)?, self.expr(els)?)
            }
            ExprKind::Cast(a) => format!("({ty}){}", self.expr(a)?),
            ExprKind::Deref(a) => format!("*{}", self.expr(a)?),
            ExprKind::AddrOf(a) => format!("&{}", self.expr(a)?),
            ExprKind::Args => "args".into(),
            ExprKind::Member(a, field) => format!("{}.{}:{ty}", self.expr(a)?, field.name),
            ExprKind::Index(a, b) => format!("{}[{}]:{ty}", self.expr(a)?, self.expr(b)?),
            ExprKind::Tuple(elems) => format!("({})", self.list(elems)?),
            ExprKind::TupleField(a, n) => format!("{}.{n}", self.expr(a)?),
            ExprKind::Block(stmts, value) => {
                let outer = std::mem::take(&mut self.out);
                self.stmts(stmts, 0)?;
                let inner = std::mem::replace(&mut self.out, outer);
                format!("{{ {}; {} }}", inner.trim_end().replace('\n', "; "), self.expr(value)?)
            }
            ExprKind::Call(call) => format!("{}:{ty}", self.call(call)?),
            ExprKind::Emit(action, args) => format!("emit {}({})", action.0, self.list(args)?),
        })
    }

    fn call(&mut self, call: &Call) -> Result<String, fmt::Error> {
        let mut one = |name: &str, e: &Expr| Ok(format!("{name}({})", self.expr(e)?));
        match call {
            Call::Str { ptr, len } | Call::Buf { ptr, len } => {
                let name = if matches!(call, Call::Str { .. }) { "str" } else { "buf" };
                let ptr = self.expr(ptr)?;
                let len = len.as_ref().map(|l| self.expr(l)).transpose()?;
                Ok(format!("{name}({ptr}{})", len.map(|l| format!(", {l}")).unwrap_or_default()))
            }
            Call::Ksym(e) => one("ksym", e),
            Call::Usym(e) => one("usym", e),
            Call::Ntop { family, addr } => {
                let family = family.as_ref().map(|f| self.expr(f)).transpose()?;
                let family = family.map(|f| format!("{f}, ")).unwrap_or_default();
                Ok(format!("ntop({family}{})", self.expr(addr)?))
            }
            Call::Macaddr(e) => one("macaddr", e),
            Call::Strcontains(a, b) => {
                Ok(format!("strcontains({}, {})", self.expr(a)?, self.expr(b)?))
            }
            Call::Bswap(e) => one("bswap", e),
            Call::Pack(e) => one("pack", e),
            Call::Delete { map, key } => Ok(format!("delete({})", self.element(*map, key)?)),
            Call::HasKey { map, key } => Ok(format!("has_key({})", self.element(*map, key)?)),
            Call::Len(map) => Ok(format!("len({})", self.map(*map))),
            Call::StackLen(e) => one("len", e),
            Call::Signal(e) => one("signal", e),
            Call::Override(e) => one("override", e),
            Call::Join { action, argv } => Ok(format!("join {}({})", action.0, self.expr(argv)?)),
        }
    }
}

fn order(post: bool) -> &'static str {
    if post { "post" } else { "pre" }
}
