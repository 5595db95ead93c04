//! Walks over the typed tree, for questions about a whole body: which variables it assigns or uses, whether it returns.

use std::collections::BTreeSet;

use crate::hir::{Call, Expr, ExprKind, Stmt, StmtKind, VarId};

/// A statement or an expression.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    Stmt(&'a Stmt),
    Expr(&'a Expr),
}

/// Calls `f` with each statement and expression, parents first.
pub(super) fn stmts<'a>(list: &'a [Stmt], f: &mut dyn FnMut(Node<'a>)) {
    for s in list {
        stmt(s, f);
    }
}

fn stmt<'a>(s: &'a Stmt, f: &mut dyn FnMut(Node<'a>)) {
    f(Node::Stmt(s));
    match &s.kind {
        StmtKind::Expr(e) => expr(e, f),
        StmtKind::SetVar(_, e) | StmtKind::Return(e) => e.iter().for_each(|e| expr(e, f)),
        StmtKind::SetMap { key, value, .. } => {
            exprs(key, f);
            expr(value, f);
        }
        StmtKind::Aggregate { key, value, weight, .. } => {
            exprs(key, f);
            value.iter().chain(weight).for_each(|e| expr(e, f));
        }
        StmtKind::SetPlace { place, value } => {
            expr(place, f);
            expr(value, f);
        }
        StmtKind::If { cond, then, els } => {
            expr(cond, f);
            stmts(then, f);
            stmts(els, f);
        }
        StmtKind::While { cond, body } => {
            expr(cond, f);
            stmts(body, f);
        }
        StmtKind::ForRange { start, end, body, .. } => {
            expr(start, f);
            expr(end, f);
            stmts(body, f);
        }
        StmtKind::Unroll { body, .. } | StmtKind::ForMap { body, .. } | StmtKind::Block(body) => {
            stmts(body, f)
        }
        StmtKind::Break | StmtKind::Continue => {}
    }
}

fn exprs<'a>(list: &'a [Expr], f: &mut dyn FnMut(Node<'a>)) {
    for e in list {
        expr(e, f);
    }
}

/// The same from an expression.
pub(super) fn expr<'a>(e: &'a Expr, f: &mut dyn FnMut(Node<'a>)) {
    f(Node::Expr(e));
    match &e.kind {
        ExprKind::Int(_) | ExprKind::Str(_) | ExprKind::Builtin(_) | ExprKind::Var(_) => {}
        ExprKind::VarAdd { .. } | ExprKind::Args => {}
        ExprKind::MapElem { key, .. } | ExprKind::MapAdd { key, .. } => exprs(key, f),
        ExprKind::Binary(_, a, b)
        | ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::Index(a, b)
        | ExprKind::Compare { left: a, right: b, .. }
        | ExprKind::CompareBytes { left: a, right: b, .. } => {
            expr(a, f);
            expr(b, f);
        }
        ExprKind::Not(a)
        | ExprKind::BitNot(a)
        | ExprKind::Neg(a)
        | ExprKind::Cast(a)
        | ExprKind::Deref(a)
        | ExprKind::AddrOf(a)
        | ExprKind::Member(a, _)
        | ExprKind::TupleField(a, _) => expr(a, f),
        ExprKind::Select { cond, then, els } => {
            expr(cond, f);
            expr(then, f);
            expr(els, f);
        }
        ExprKind::Tuple(list) | ExprKind::Emit(_, list) => exprs(list, f),
        ExprKind::Block(list, e) => {
            stmts(list, f);
            expr(e, f);
        }
        ExprKind::Call(c) => call(c, f),
    }
}

fn call<'a>(c: &'a Call, f: &mut dyn FnMut(Node<'a>)) {
    match c {
        Call::Str { ptr, len } | Call::Buf { ptr, len } => {
            expr(ptr, f);
            len.iter().for_each(|e| expr(e, f));
        }
        Call::Ntop { family, addr } => {
            family.iter().for_each(|e| expr(e, f));
            expr(addr, f);
        }
        Call::Ksym(e)
        | Call::Usym(e)
        | Call::Macaddr(e)
        | Call::Bswap(e)
        | Call::Pack(e)
        | Call::StackLen(e)
        | Call::Signal(e)
        | Call::Override(e)
        | Call::Join { argv: e, .. } => expr(e, f),
        Call::Strcontains(a, b) => {
            expr(a, f);
            expr(b, f);
        }
        Call::Delete { key, .. } | Call::HasKey { key, .. } => exprs(key, f),
        Call::Len(_) => {}
    }
}

/// The variable that a node assigns to.
fn assigned(node: Node<'_>) -> Option<VarId> {
    match node {
        Node::Stmt(s) => match &s.kind {
            StmtKind::SetVar(v, _) => Some(*v),
            StmtKind::ForRange { var, .. } | StmtKind::ForMap { var, .. } => Some(*var),
            _ => None,
        },
        Node::Expr(e) => match e.kind {
            ExprKind::VarAdd { var, .. } => Some(var),
            _ => None,
        },
    }
}

/// Variables that the statements assign to.
pub(super) fn assigned_in(list: &[Stmt]) -> BTreeSet<VarId> {
    let mut set = BTreeSet::new();
    stmts(list, &mut |n| set.extend(assigned(n)));
    set
}

/// Variables that the expression assigns to.
pub(super) fn assigned_by(e: &Expr) -> BTreeSet<VarId> {
    let mut set = BTreeSet::new();
    expr(e, &mut |n| set.extend(assigned(n)));
    set
}

/// Variables that bodies of loops over maps touch, the loops' own among them.
pub(super) fn used_in_map_loops(list: &[Stmt]) -> BTreeSet<VarId> {
    let mut set = BTreeSet::new();
    stmts(list, &mut |n| {
        if let Node::Stmt(Stmt { kind: StmtKind::ForMap { var, body, .. }, .. }) = n {
            set.insert(*var);
            stmts(body, &mut |n| {
                set.extend(assigned(n));
                if let Node::Expr(Expr { kind: ExprKind::Var(v), .. }) = n {
                    set.insert(*v);
                }
            });
        }
    });
    set
}
