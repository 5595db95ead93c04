//! What a body uses, found before it is typed: `probe` (then each attach point must be told apart), the task and which fields of `args` (then only
//! attach points that agree on them share a program).

use crate::syntax::ast::{Block, Expr, ExprKind, Probe, Stmt, StmtKind};

/// What is used of `args`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArgsUse {
    None,
    Fields(Vec<String>),
    /// The struct as a whole.
    Whole,
}

/// What a body uses.
#[derive(Clone, Debug)]
pub(super) struct Uses {
    pub probe: bool,
    /// Of the task or the CPU that the program runs on.
    pub task: bool,
    pub args: ArgsUse,
}

/// Names that tell of the task or the CPU that the program runs on.
const TASK: &[&str] = &[
    "cgroup",
    "cgroup_path",
    "comm",
    "cpu",
    "ctx",
    "curtask",
    "func",
    "gid",
    "kstack",
    "numaid",
    "pcomm",
    "pid",
    "ppid",
    "reg",
    "signal",
    "tid",
    "uid",
    "username",
    "ustack",
];

impl Uses {
    fn name(&mut self, name: &str) {
        self.probe |= name == "probe";
        self.task |= TASK.contains(&name);
    }
}

enum Node<'s> {
    Expr(&'s Expr),
    Stmt(&'s Stmt),
}

/// Looks through predicate and body. Not recursive: the tree may be deep.
pub(super) fn of(probe: &Probe) -> Uses {
    let mut uses = Uses { probe: false, task: false, args: ArgsUse::None };
    let mut todo: Vec<Node<'_>> = Vec::new();
    todo.extend(probe.predicate.iter().map(Node::Expr));
    push_block(&probe.body, &mut todo);
    while let Some(node) = todo.pop() {
        match node {
            Node::Expr(e) => expr(e, &mut uses, &mut todo),
            Node::Stmt(s) => stmt(s, &mut todo),
        }
    }
    uses
}

fn is_args(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Ident(name) => name == "args",
        ExprKind::Call { name, args, .. } => name == "args" && args.is_empty(),
        _ => false,
    }
}

fn expr<'s>(e: &'s Expr, uses: &mut Uses, todo: &mut Vec<Node<'s>>) {
    match &e.kind {
        ExprKind::Field { expr, name, .. } if is_args(expr) => match &mut uses.args {
            ArgsUse::Whole => {}
            ArgsUse::Fields(names) if names.contains(name) => {}
            ArgsUse::Fields(names) => names.push(name.clone()),
            none => *none = ArgsUse::Fields(vec![name.clone()]),
        },
        _ if is_args(e) => uses.args = ArgsUse::Whole,
        ExprKind::Ident(name) => uses.name(name),
        ExprKind::Call { name, args, .. } => {
            uses.name(name);
            todo.extend(args.iter().map(Node::Expr));
        }
        ExprKind::MapElem { keys, .. } | ExprKind::Tuple(keys) => {
            todo.extend(keys.iter().map(Node::Expr));
        }
        ExprKind::SizeofExpr(e)
        | ExprKind::Cast { expr: e, .. }
        | ExprKind::Field { expr: e, .. }
        | ExprKind::Unary { expr: e, .. } => todo.push(Node::Expr(e)),
        ExprKind::Index { expr: a, index: b } | ExprKind::Binary { left: a, right: b, .. } => {
            todo.extend([Node::Expr(a), Node::Expr(b)]);
        }
        ExprKind::Ternary { cond, then, els } => {
            todo.extend([Node::Expr(cond), Node::Expr(els)]);
            todo.extend(then.iter().map(|e| Node::Expr(e)));
        }
        ExprKind::Record(fields) => todo.extend(fields.iter().map(|f| Node::Expr(&f.1))),
        ExprKind::Block(block) => push_block(block, todo),
        ExprKind::If { cond, then, els } => {
            todo.push(Node::Expr(cond));
            push_block(then, todo);
            push_block(els, todo);
        }
        _ => {}
    }
}

fn stmt<'s>(s: &'s Stmt, todo: &mut Vec<Node<'s>>) {
    match &s.kind {
        StmtKind::Expr(e) | StmtKind::Return(Some(e)) => todo.push(Node::Expr(e)),
        StmtKind::Let { init, .. } => todo.extend(init.iter().map(Node::Expr)),
        StmtKind::Assign { target, value, .. } => {
            todo.extend([Node::Expr(target), Node::Expr(value)]);
        }
        StmtKind::If { cond, then, els } => {
            todo.push(Node::Expr(cond));
            push_block(then, todo);
            els.iter().for_each(|b| push_block(b, todo));
        }
        StmtKind::While { cond: e, body } | StmtKind::Unroll { count: e, body } => {
            todo.push(Node::Expr(e));
            push_block(body, todo);
        }
        StmtKind::ForMap { body, .. } | StmtKind::Block(body) => push_block(body, todo),
        StmtKind::ForRange { start, end, body, .. } => {
            todo.extend([Node::Expr(start), Node::Expr(end)]);
            push_block(body, todo);
        }
        StmtKind::Break | StmtKind::Continue | StmtKind::Return(None) => {}
    }
}

fn push_block<'s>(block: &'s Block, todo: &mut Vec<Node<'s>>) {
    todo.extend(block.stmts.iter().map(Node::Stmt));
    todo.extend(block.value.iter().map(|e| Node::Expr(e)));
}
