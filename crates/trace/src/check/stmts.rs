//! Statements and scopes.

use super::convert::lit_of;
use super::infer::Lit;
use super::{Checker, Inferred, Local, aggregate, is_unknown, literal, unknown};
use crate::hir::{Call, Expr, ExprKind, Stmt, StmtKind, VarId};
use crate::syntax::ast::{self, BinaryOp, Block, ExprKind as Ast, Span, StmtKind as AstStmt};
use crate::types::Type;

impl Checker<'_> {
    /// The statements of a block, in a scope of its own.
    pub(super) fn block(&mut self, block: &Block) -> Vec<Stmt> {
        self.scopes.push(Vec::new());
        let mut out = self.stmts(&block.stmts);
        if let Some(value) = &block.value {
            self.effect(value, &mut out);
        }
        self.scopes.pop();
        out
    }

    fn stmts(&mut self, stmts: &[ast::Stmt]) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(stmts.len());
        if self.depth >= super::DEEPEST {
            if let Some(first) = stmts.first() {
                self.error(first.span, "this is nested too deeply");
            }
            return out;
        }
        self.depth += 1;
        for stmt in stmts {
            let ended = out.last().is_some_and(|s: &Stmt| {
                matches!(s.kind, StmtKind::Return(_) | StmtKind::Break | StmtKind::Continue)
            });
            if ended {
                self.warn(stmt.span, "this is never reached")
                    .help("what stands before it ends the block");
            }
            self.stmt(stmt, &mut out);
        }
        self.depth -= 1;
        out
    }

    /// `{ ...; value }` as an expression.
    pub(super) fn block_value(&mut self, block: &Block, span: Span) -> Expr {
        self.scopes.push(Vec::new());
        let stmts = self.stmts(&block.stmts);
        let value = match &block.value {
            Some(value) => self.any(value),
            None => {
                self.error(span, "this block has no value")
                    .help("leave out the `;` after its last expression");
                unknown(span)
            }
        };
        self.scopes.pop();
        if is_unknown(&value) {
            return value;
        }
        let ty = value.ty.clone();
        Expr { kind: ExprKind::Block(stmts, Box::new(value)), ty, span }
    }

    /// `if c { a } else { b }` as an expression.
    pub(super) fn if_value(
        &mut self,
        cond: &ast::Expr,
        then: &Block,
        els: &Block,
        span: Span,
    ) -> Expr {
        let cond = self.expr(cond);
        let cond = self.condition(cond);
        match literal(&cond) {
            Some(0) => return self.block_value(els, els.span),
            Some(_) => return self.block_value(then, then.span),
            None => {}
        }
        let then = self.block_value(then, then.span);
        let els = self.block_value(els, els.span);
        self.select(cond, then, els, span)
    }

    fn stmt(&mut self, stmt: &ast::Stmt, out: &mut Vec<Stmt>) {
        let span = stmt.span;
        let kind = match &stmt.kind {
            // `_ = value`: the statement begins before its value, which nobody shall miss.
            AstStmt::Expr(e) if span.start < e.span.start => {
                let value = self.any(e);
                StmtKind::Expr(value)
            }
            AstStmt::Expr(e) => return self.effect(e, out),
            AstStmt::Let { name, ty, init } => {
                let made = self.let_var(name, ty.as_ref(), init.as_ref(), span);
                out.extend(made);
                return;
            }
            AstStmt::Assign { target, op, value } => {
                let made = self.assign(target, *op, value, span);
                out.extend(made);
                return;
            }
            AstStmt::If { cond, then, els } => self.if_stmt(cond, then, els.as_ref()),
            AstStmt::While { cond, body } => {
                let cond = self.expr(cond);
                let cond = self.condition(cond);
                StmtKind::While { cond, body: self.loop_body(body) }
            }
            AstStmt::Unroll { count, body } => self.unroll(count, body),
            AstStmt::ForMap { var, map, body } => match self.for_map(var, map, body, span) {
                Some(kind) => kind,
                None => return,
            },
            AstStmt::ForRange { var, start, end, body } => {
                self.for_range(var, start, end, body, span)
            }
            AstStmt::Break | AstStmt::Continue if self.loops == 0 => {
                let word = if matches!(stmt.kind, AstStmt::Break) { "break" } else { "continue" };
                self.error(span, format!("`{word}` stands outside of a loop"));
                return;
            }
            AstStmt::Break => StmtKind::Break,
            AstStmt::Continue => StmtKind::Continue,
            AstStmt::Return(None) => StmtKind::Return(None),
            AstStmt::Return(Some(value)) => {
                let value = self.expr(value);
                let value = self.integer(value, "what a probe returns");
                StmtKind::Return(Some(self.widen(value)))
            }
            AstStmt::Block(block) => StmtKind::Block(self.block(block)),
        };
        out.push(Stmt { kind, span });
    }

    /// An expression for its effect.
    pub(super) fn effect(&mut self, e: &ast::Expr, out: &mut Vec<Stmt>) {
        let span = e.span;
        if let Ast::Ternary { cond, then: Some(then), els } = &e.kind {
            let cond = self.expr(cond);
            let cond = self.condition(cond);
            let (mut yes, mut no) = (Vec::new(), Vec::new());
            if self.depth >= super::DEEPEST {
                self.error(span, "this is nested too deeply");
                return;
            }
            self.depth += 1;
            self.effect(then, &mut yes);
            self.effect(els, &mut no);
            self.depth -= 1;
            out.push(Stmt { kind: StmtKind::If { cond, then: yes, els: no }, span });
            return;
        }
        if let Ast::Block(block) = &e.kind {
            let stmts = self.block(block);
            out.push(Stmt { kind: StmtKind::Block(stmts), span });
            return;
        }
        if let Ast::Call { name, .. } = &e.kind
            && aggregate::is_aggregation(name)
        {
            self.error(span, format!("{name}() must be assigned to a map"))
                .help(format!("write `@name = {name}(...)`"));
            return;
        }
        let value = self.any(e);
        if is_unknown(&value) {
            return;
        }
        let ends = matches!(&e.kind, Ast::Call { name, .. } if name == "exit");
        if !has_effect(&value) {
            self.warn(span, "this value is not used").help("write `_ = ...` if that is meant");
        }
        out.push(Stmt { kind: StmtKind::Expr(value), span });
        if ends {
            out.push(Stmt { kind: StmtKind::Return(None), span });
        }
    }

    fn if_stmt(&mut self, cond: &ast::Expr, then: &Block, els: Option<&Block>) -> StmtKind {
        let cond = self.expr(cond);
        let cond = self.condition(cond);
        // What is known now to be left out need not even make sense: it may be for another kernel.
        match literal(&cond) {
            Some(0) => StmtKind::Block(els.map(|b| self.block(b)).unwrap_or_default()),
            Some(_) => StmtKind::Block(self.block(then)),
            None => {
                let then = self.block(then);
                let els = els.map(|b| self.block(b)).unwrap_or_default();
                StmtKind::If { cond, then, els }
            }
        }
    }

    // Variables.

    fn let_var(
        &mut self,
        name: &str,
        ty: Option<&ast::TypeExpr>,
        init: Option<&ast::Expr>,
        span: Span,
    ) -> Option<Stmt> {
        let space = self.default_space();
        let written = ty.and_then(|t| self.type_of(t, space));
        let value = init.map(|e| self.rhs(e));
        if self.shadows(name, span) {
            return None;
        }
        let var = self.declare(name, span);
        if let Some(ty) = written {
            self.store.fill_deep(&ty);
            let key = self.locals[var.0 as usize].key.clone();
            if let Some(state) = self.vars.get_mut(&key) {
                *state = Inferred { ty, fixed: true, span, ..Inferred::default() };
            }
        }
        match value {
            Some(value) => {
                let lit = written_lit(init, &value);
                self.set_var(var, value, lit, span)
            }
            None => Some(Stmt { kind: StmtKind::SetVar(var, None), span }),
        }
    }

    /// A name that is in use cannot be declared again, not even in an inner block.
    fn shadows(&mut self, name: &str, span: Span) -> bool {
        let Some(found) = self.find_var(name) else { return false };
        let start = self.locals[found.0 as usize].key.1;
        let first = Span { start, end: start + name.len() as u32 };
        self.error(span, format!("{name} is declared already"))
            .help("choose another name, or leave out `let`")
            .also(first, "first here");
        true
    }

    /// A new variable in the innermost scope.
    fn declare(&mut self, name: &str, span: Span) -> VarId {
        let key = (self.unit, span.start, name.to_owned());
        self.vars.entry(key.clone()).or_default();
        let id = VarId(self.locals.len() as u32);
        self.locals.push(Local { name: name.to_owned(), key });
        if let Some(scope) = self.scopes.last_mut() {
            scope.push((name.to_owned(), id));
        }
        id
    }

    fn set_var(&mut self, var: VarId, value: Expr, lit: Lit, span: Span) -> Option<Stmt> {
        let key = self.locals[var.0 as usize].key.clone();
        if is_unknown(&value) {
            self.spoiled.push(key);
            return None;
        }
        self.store.fill_deep(&value.ty);
        if !self.join_var(&key, &value.ty, lit, value.span) {
            return None;
        }
        let ty = self.vars[&key].ty.clone();
        let value = self.coerce(value, &ty);
        Some(Stmt { kind: StmtKind::SetVar(var, Some(value)), span })
    }

    /// What is assigned to something that is no map.
    fn rhs(&mut self, e: &ast::Expr) -> Expr {
        if let Ast::Call { name, .. } = &e.kind
            && aggregate::is_aggregation(name)
        {
            self.error(e.span, format!("{name}() can only be assigned to a map"))
                .help(format!("write `@name = {name}(...)`"));
            return unknown(e.span);
        }
        self.expr(e)
    }

    fn assign(
        &mut self,
        target: &ast::Expr,
        op: Option<BinaryOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<Stmt> {
        match &target.kind {
            Ast::Var(name) => self.assign_var(name, target, op, value, span),
            Ast::Map(name) => self.assign_to_map(name, &[], target, op, value, span),
            Ast::MapElem { map, keys } => self.assign_to_map(map, keys, target, op, value, span),
            Ast::Ident(name) if name == "_" && op.is_none() => {
                let value = self.any(value);
                Some(Stmt { kind: StmtKind::Expr(value), span })
            }
            Ast::Field { .. } | Ast::Index { .. } => self.assign_place(target, op, value, span),
            Ast::Error => None,
            _ => {
                self.error(target.span, "this cannot be assigned to")
                    .help("assign to a variable (`$x`) or a map (`@x`)");
                None
            }
        }
    }

    fn assign_var(
        &mut self,
        name: &str,
        target: &ast::Expr,
        op: Option<BinaryOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<Stmt> {
        let (value, lit) = match op {
            None => {
                let new = self.rhs(value);
                let lit = written_lit(Some(value), &new);
                (new, lit)
            }
            Some(op) => {
                let old = self.expr(target);
                let new = self.rhs(value);
                let new = self.binary(op, old, new, span);
                let lit = lit_of(&new);
                (new, lit)
            }
        };
        let var = match self.find_var(name) {
            Some(var) => var,
            // The value of `$x += 1` was an error already.
            None if op.is_some() => return None,
            None => self.declare(name, target.span),
        };
        self.set_var(var, value, lit, span)
    }

    fn assign_to_map(
        &mut self,
        name: &str,
        keys: &[ast::Expr],
        target: &ast::Expr,
        op: Option<BinaryOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<Stmt> {
        if let (None, Ast::Call { name: function, args, .. }) = (op, &value.kind)
            && aggregate::is_aggregation(function)
        {
            return self.aggregate(name, keys, function, args, value.span, span);
        }
        if let (None, Ast::Block(block)) = (op, &value.kind)
            && let Some(last) = block.value.as_deref()
            && let Ast::Call { name: function, args, .. } = &last.kind
            && aggregate::is_aggregation(function)
        {
            self.scopes.push(Vec::new());
            let mut stmts = self.stmts(&block.stmts);
            stmts.extend(self.aggregate(name, keys, function, args, last.span, span));
            self.scopes.pop();
            return Some(Stmt { kind: StmtKind::Block(stmts), span });
        }
        let Some(op) = op else {
            let value = self.rhs(value);
            return self.assign_map(name, keys, value, span);
        };
        // `@x += 1` begins at 0, so it gives the map a type of its own.
        let map = self.map_id(name);
        let new = self.rhs(value);
        if self.map_state(map).value.ty == Type::None && new.ty.is_integral() && !is_unknown(&new) {
            let wide = self.widen(new.clone()).ty;
            self.join_map(map, &wide, super::infer::Lit::No, span);
        }
        let old = self.expr(target);
        let value = self.binary(op, old, new, span);
        self.assign_map(name, keys, value, span)
    }

    /// `$x.field = value`, on a struct or array that a variable holds.
    fn assign_place(
        &mut self,
        target: &ast::Expr,
        op: Option<BinaryOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<Stmt> {
        let place = self.expr(target);
        let mut value = self.rhs(value);
        if is_unknown(&place) || is_unknown(&value) {
            return None;
        }
        if !in_variable(&place) {
            self.error(
                target.span,
                "only a field of a struct held by a variable can be assigned to",
            )
            .help("tuples, arguments and the kernel's memory cannot be changed");
            return None;
        }
        if let Some(op) = op {
            value = self.binary(op, place.clone(), value, span);
        }
        let mut state = Inferred { ty: place.ty.clone(), fixed: true, span, ..Inferred::default() };
        if !is_unknown(&value) && !state.join(&value.ty, lit_of(&value), span) {
            let (from, to) = (self.type_name(&value.ty), self.type_name(&place.ty));
            self.error(value.span, format!("a value of type {from} does not fit {to}"));
            return None;
        }
        let value = self.coerce(value, &place.ty);
        Some(Stmt { kind: StmtKind::SetPlace { place, value }, span })
    }

    // Loops.

    fn loop_body(&mut self, body: &Block) -> Vec<Stmt> {
        self.loops += 1;
        let out = self.block(body);
        self.loops -= 1;
        out
    }

    fn unroll(&mut self, count: &ast::Expr, body: &Block) -> StmtKind {
        let value = self.expr(count);
        let times = literal(&value);
        if times.is_none() && !is_unknown(&value) {
            self.error(count.span, "how often to unroll must be known when the script is compiled");
        } else if times.is_some_and(|n| !(1..=100).contains(&n)) {
            self.error(count.span, "unroll takes a number from 1 to 100")
                .help("use a `for` loop for more");
        }
        // The copies of the body stand outside of any loop of their own.
        let body = self.block(body);
        StmtKind::Unroll { count: times.unwrap_or(1).clamp(1, 100) as u32, body }
    }

    fn for_map(&mut self, var: &str, map: &str, body: &Block, span: Span) -> Option<StmtKind> {
        let id = self.map_id(map);
        let keys: Vec<Type> =
            self.map_state(id).keys.iter().flatten().map(|k| k.ty.clone()).collect();
        let known = self.map_state(id).keys.is_some();
        let value = self.read_type(id, span);
        if known && keys.is_empty() && value.is_some() {
            self.error(span, format!("{map} has no keys to go over"))
                .help(format!("read it: `{map}`"));
            return None;
        }
        self.scopes.push(Vec::new());
        self.shadows(var, span);
        let local = self.declare(var, span);
        if let Some(value) = value.filter(|_| known) {
            let key = if keys.len() == 1 { keys[0].clone() } else { Type::Tuple(keys) };
            self.fix_type(local, Type::Tuple(vec![key, value]), span);
        }
        let body = self.loop_body(body);
        self.scopes.pop();
        Some(StmtKind::ForMap { var: local, map: id, body })
    }

    fn for_range(
        &mut self,
        var: &str,
        start: &ast::Expr,
        end: &ast::Expr,
        body: &Block,
        span: Span,
    ) -> StmtKind {
        let first = self.expr(start);
        let first = self.integer(first, "the start of a range");
        let last = self.expr(end);
        let last = self.integer(last, "the end of a range");
        let unsigned =
            [&first, &last].iter().any(|e| matches!(e.ty, Type::Int { bits: 64, signed: false }));
        let ty = if unsigned { Type::U64 } else { Type::I64 };
        let (first, last) = (self.widen(first), self.widen(last));
        let (start, end) = (self.coerce(first, &ty), self.coerce(last, &ty));
        self.scopes.push(Vec::new());
        self.shadows(var, span);
        let local = self.declare(var, span);
        self.fix_type(local, ty, span);
        let body = self.loop_body(body);
        self.scopes.pop();
        StmtKind::ForRange { var: local, start, end, body }
    }

    /// The type of a loop's variable, which follows from what is looped over.
    fn fix_type(&mut self, var: VarId, ty: Type, span: Span) {
        let key = self.locals[var.0 as usize].key.clone();
        let Some(state) = self.vars.get_mut(&key) else { return };
        if state.ty != ty {
            self.changed = Some((span, key.2.clone()));
            if let Some(state) = self.vars.get_mut(&key) {
                *state = Inferred { ty, fixed: true, span, ..Inferred::default() };
            }
        }
    }

    /// An integer argument as 64 bits.
    pub(super) fn number(&mut self, e: &ast::Expr, what: &str) -> Expr {
        let value = self.expr(e);
        let value = self.integer(value, what);
        self.widen(value)
    }

    /// An integer that must be known now.
    pub(super) fn constant(&mut self, e: &ast::Expr, what: &str) -> Option<i64> {
        let value = self.expr(e);
        if is_unknown(&value) {
            return None;
        }
        let found = literal(&value);
        if found.is_none() {
            self.error(
                e.span,
                format!("{what} must be a number known when the script is compiled"),
            );
        }
        found
    }
}

/// Whether a value is a plain literal that takes any type: a cast says which one is meant.
fn written_lit(written: Option<&ast::Expr>, value: &Expr) -> Lit {
    match written.map(|e| &e.kind) {
        Some(Ast::Cast { .. }) => Lit::No,
        _ => lit_of(value),
    }
}

/// Whether the place is a part of a variable's own memory.
fn in_variable(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Var(_) => true,
        ExprKind::Member(base, _) | ExprKind::Index(base, _) => {
            matches!(base.ty, Type::Struct(_) | Type::Array { .. }) && in_variable(base)
        }
        _ => false,
    }
}

/// Whether evaluating does more than give a value.
fn has_effect(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Emit(..)
        | ExprKind::VarAdd { .. }
        | ExprKind::MapAdd { .. }
        | ExprKind::Block(..) => true,
        ExprKind::Select { then, els, .. } => has_effect(then) || has_effect(els),
        ExprKind::Call(call) => {
            matches!(
                call,
                Call::Delete { .. } | Call::Signal(_) | Call::Override(_) | Call::Join { .. }
            )
        }
        _ => e.ty == Type::None,
    }
}
