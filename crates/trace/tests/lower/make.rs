//! Makes typed trees by hand.
#![allow(dead_code)]

use skep_abi::{MapType, ProgType};
use skep_trace::hir::*;
use skep_trace::plan::*;
use skep_trace::syntax::ast::Span;
use skep_trace::types::*;

pub(crate) fn ex(kind: ExprKind, ty: Type) -> Expr {
    Expr { kind, ty, span: Span { start: 0, end: 1 } }
}

pub(crate) fn st(kind: StmtKind) -> Stmt {
    Stmt { kind, span: Span { start: 0, end: 1 } }
}

pub(crate) fn int(v: i64) -> Expr {
    ex(ExprKind::Int(v), Type::I64)
}

pub(crate) fn text(s: &str) -> Expr {
    ex(ExprKind::Str(s.into()), Type::Str { max: s.len() as u32 + 1 })
}

pub(crate) fn builtin(b: Builtin) -> Expr {
    let ty = match b {
        Builtin::Comm => Type::Str { max: 16 },
        Builtin::Probe => Type::Probe,
        Builtin::Username => Type::Username,
        Builtin::Kstack(s) => Type::Kstack(s),
        Builtin::Ustack(s) => Type::Ustack(s),
        Builtin::Func => Type::Ksym,
        Builtin::Curtask => Type::U64,
        _ => Type::U64,
    };
    ex(ExprKind::Builtin(b), ty)
}

pub(crate) fn var(n: u32, ty: Type) -> Expr {
    ex(ExprKind::Var(VarId(n)), ty)
}

pub(crate) fn bin(op: Arith, a: Expr, b: Expr) -> Expr {
    ex(ExprKind::Binary(op, Box::new(a), Box::new(b)), Type::I64)
}

pub(crate) fn cmp(op: CmpOp, a: Expr, b: Expr) -> Expr {
    let (left, right) = (Box::new(a), Box::new(b));
    ex(ExprKind::Compare { op, signed: true, left, right }, Type::Bool)
}

pub(crate) fn same(a: Expr, b: Expr, limit: Option<u32>) -> Expr {
    let (left, right) = (Box::new(a), Box::new(b));
    ex(ExprKind::CompareBytes { negate: false, left, right, limit }, Type::Bool)
}

pub(crate) fn call(c: Call, ty: Type) -> Expr {
    ex(ExprKind::Call(c), ty)
}

/// `str(ptr)` of at most `max` bytes.
pub(crate) fn string(ptr: Expr, max: u32) -> Expr {
    call(Call::Str { ptr: Box::new(ptr), len: None }, Type::Str { max })
}

pub(crate) fn pointer(e: Expr, to: Type, space: Space) -> Expr {
    ex(ExprKind::Cast(Box::new(e)), Type::ptr(to, space))
}

/// A word of the context.
pub(crate) fn ctx_word(off: u32, ty: Type) -> Expr {
    let args = ex(ExprKind::Args, Type::Struct(StructId(0)));
    let field =
        Field { name: "f".into(), ty: ty.clone(), offset: off, bits: None, data_loc: false };
    ex(ExprKind::Member(Box::new(args), field), ty)
}

pub(crate) fn elem(map: u32, key: Vec<Expr>, ty: Type) -> Expr {
    ex(ExprKind::MapElem { map: MapId(map), key }, ty)
}

pub(crate) fn set(n: u32, e: Expr) -> Stmt {
    st(StmtKind::SetVar(VarId(n), Some(e)))
}

pub(crate) fn put(map: u32, key: Vec<Expr>, value: Expr) -> Stmt {
    st(StmtKind::SetMap { map: MapId(map), key, value })
}

pub(crate) fn agg(map: u32, key: Vec<Expr>, agg: Agg, value: Option<Expr>) -> Stmt {
    st(StmtKind::Aggregate { map: MapId(map), key, agg, value, weight: None })
}

pub(crate) fn emit(action: u32, args: Vec<Expr>) -> Stmt {
    st(StmtKind::Expr(ex(ExprKind::Emit(ActionId(action), args), Type::None)))
}

pub(crate) fn when(cond: Expr, then: Vec<Stmt>, els: Vec<Stmt>) -> Stmt {
    st(StmtKind::If { cond, then, els })
}

pub(crate) fn format(args: &[&Expr]) -> Action {
    Action::Printf(Format { pieces: vec![], args: args.iter().map(|e| e.ty.clone()).collect() })
}

pub(crate) fn stack(depth: u16) -> StackSpec {
    StackSpec { mode: StackMode::Bpftrace, depth }
}

/// A script with one program.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) hir: Hir,
    pub(crate) plan: Plan,
}

pub(crate) fn script(vars: &[Type], body: Vec<Stmt>) -> Script {
    let program = Program {
        name: "p".into(),
        kind: ProgType::Tracepoint,
        probe: ProbeName::Fixed(3),
        pid_filter: None,
        vars: vars.iter().map(|ty| Var { name: "$v".into(), ty: ty.clone() }).collect(),
        predicate: None,
        body,
        span: Span { start: 0, end: 1 },
    };
    let tracepoint = skep_engine::Tracepoint {
        category: "raw_syscalls".into(),
        name: "sys_enter".into(),
        cookie: 0,
    };
    let run = RunKind::Attach(skep_engine::Attach::Tracepoints(vec![tracepoint]));
    let mut plan = Plan { groups: vec![ProbeGroup { run, names: vec![] }], ..Plan::default() };
    plan.types.structs.push(StructDef { name: "args".into(), size: 64, align: 8, fields: vec![] });
    Script { hir: Hir { programs: vec![program] }, plan }
}

impl Script {
    pub(crate) fn map(mut self, name: &str, keys: &[Type], value: Type) -> Script {
        self.plan.maps.push(MapInfo {
            name: name.into(),
            keys: keys.to_vec(),
            value,
            max_entries: 4096,
            declared: None,
            map: None,
        });
        self
    }

    pub(crate) fn declared(mut self, kind: MapType) -> Script {
        self.plan.maps.last_mut().unwrap().declared = Some(kind);
        self
    }

    pub(crate) fn action(mut self, action: Action) -> Script {
        self.plan.actions.push(action);
        self
    }

    pub(crate) fn predicate(mut self, e: Expr) -> Script {
        self.hir.programs[0].predicate = Some(e);
        self
    }

    pub(crate) fn kind(mut self, kind: ProgType) -> Script {
        self.hir.programs[0].kind = kind;
        self
    }
}
