//! Statements and loops.

use skep_abi::Feature;
use skep_codegen::ir::{Block, Cond, Edge, Term, Value};

use super::Cx;
use super::frame::Loop;
use super::program::Home;
use super::walk;
use crate::hir::{Expr, ExprKind, Stmt, StmtKind, VarId};

/// Loops of at most so many turns are left to the verifier to follow to the end.
const FEW: i64 = 64;

impl Cx<'_> {
    /// Statements, up to one that leads elsewhere.
    pub(super) fn block(&mut self, list: &[Stmt]) {
        for stmt in list {
            if self.f.b.is_terminated() {
                return;
            }
            let mark = self.mark();
            self.at(stmt.span, |cx| cx.stmt(stmt));
            self.release(mark);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Expr(e) => self.effect(e),
            StmtKind::SetVar(v, value) => self.assign(*v, value.as_ref()),
            StmtKind::SetMap { map, key, value } => self.set_elem(*map, key, value),
            StmtKind::Aggregate { map, key, agg, value, weight } => {
                self.aggregate(*map, key, *agg, value.as_ref(), weight.as_ref());
            }
            StmtKind::SetPlace { place, value } => self.set_place(place, value),
            StmtKind::If { cond, then, els } => {
                let (a, b) = (self.f.b.block(), self.f.b.block());
                self.cond(cond, a, b);
                let arm = |cx: &mut Self, list: &[Stmt]| {
                    cx.block(list);
                    None
                };
                self.either((a, |cx| arm(cx, then)), (b, |cx| arm(cx, els)));
            }
            StmtKind::While { cond, body } => self.while_loop(cond, body),
            StmtKind::Unroll { count, body } => self.unroll(*count, body),
            StmtKind::ForMap { var, map, body } => self.for_map(*var, *map, body),
            StmtKind::ForRange { var, start, end, body } => self.for_range(*var, start, end, body),
            StmtKind::Break => self.leave_loop(true),
            StmtKind::Continue => self.leave_loop(false),
            StmtKind::Return(value) => {
                let v = match value {
                    Some(e) => self.scalar(e),
                    None => self.int(0),
                };
                self.end_program(v);
            }
            StmtKind::Block(list) => self.block(list),
        }
    }

    fn effect(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::MapAdd { map, key, delta, post } => {
                self.at(e.span, |cx| cx.add_elem(*map, key, *delta, *post, false));
            }
            _ if e.ty.is_scalar() || e.ty == crate::types::Type::None => {
                self.scalar(e);
            }
            _ => {
                self.place(e);
            }
        }
    }

    fn assign(&mut self, v: VarId, value: Option<&Expr>) {
        let ty = self.p.vars[v.0 as usize].0.clone();
        match (value, ty.is_scalar()) {
            (Some(e), true) => {
                let value = self.scalar(e);
                self.set_var(v, value);
            }
            (None, true) => {
                let zero = self.int(0);
                self.set_var(v, zero);
            }
            (Some(e), false) => {
                let dst = self.var_place(v);
                if !reads(e, v) {
                    return self.into(e, dst, &ty);
                }
                // The old value is used to make the new one.
                let size = self.types.size(&ty);
                let temp = self.alloc(size);
                self.into(e, temp, &ty);
                self.copy(dst, temp, size);
            }
            (None, false) => {
                let dst = self.var_place(v);
                self.zero(dst, self.types.size(&ty));
            }
        }
    }

    fn set_place(&mut self, place: &Expr, value: &Expr) {
        if let ExprKind::Member(of, field) = &place.kind
            && let Some((shift, width)) = field.bits
        {
            let at = self.place(of).plus(field.offset);
            return self.set_bits(at, self.types.size(&field.ty), shift, width, value);
        }
        let size = self.types.size(&value.ty);
        let temp = self.alloc(size.max(1));
        self.into(value, temp, &value.ty);
        let dst = self.place(place);
        self.copy(dst, temp, size);
    }

    fn set_bits(
        &mut self,
        at: super::memory::Place,
        unit: u32,
        shift: u8,
        width: u8,
        value: &Expr,
    ) {
        use skep_codegen::ir::BinOp;
        let mask = (u64::MAX >> (64 - width.clamp(1, 64) as u32)) << shift;
        let v = self.scalar(value);
        let v = self.f.b.bin_imm(BinOp::Shl, v, shift as i64);
        let v = self.f.b.bin_imm(BinOp::And, v, mask as i64);
        let old = self.load(at, unit, false);
        let old = self.f.b.bin_imm(BinOp::And, old, !mask as i64);
        let new = self.f.b.bin(BinOp::Or, old, v);
        self.store(at, unit, new);
    }

    /// Variables in registers that the statements assign to.
    fn carried(&self, body: &[Stmt], cond: Option<&Expr>) -> Vec<VarId> {
        let mut set = walk::assigned_in(body);
        set.extend(cond.map(walk::assigned_by).unwrap_or_default());
        set.into_iter().filter(|v| matches!(self.p.vars[v.0 as usize].1, Home::Ssa)).collect()
    }

    fn values(&self, vars: &[VarId]) -> Vec<Value> {
        vars.iter().map(|v| self.f.env[v.0 as usize]).collect()
    }

    /// A block that the variables come into as parameters.
    fn block_for(&mut self, vars: &[VarId]) -> (Block, Vec<Value>) {
        let block = self.f.b.block();
        let params = vars.iter().map(|_| self.f.b.block_param(block)).collect();
        (block, params)
    }

    fn bind(&mut self, vars: &[VarId], values: &[Value]) {
        for (v, value) in vars.iter().zip(values) {
            self.f.env[v.0 as usize] = *value;
        }
    }

    fn leave_loop(&mut self, out: bool) {
        match self.f.loops.last() {
            Some(Loop::Blocks { vars, next, exit }) => {
                let (vars, to) = (vars.clone(), if out { *exit } else { *next });
                let args = self.values(&vars);
                self.jump_with(to, args);
            }
            Some(Loop::Callback) => {
                let v = self.int(out as i64);
                self.f.b.term(Term::Ret(v));
            }
            None => {}
        }
    }

    /// Lets the kernel's loop budget end the loop where the target has one.
    fn budget(&mut self, exit: Block, args: Vec<Value>) {
        if self.target.has(Feature::MayGoto) {
            let body = self.f.b.block();
            self.f.b.term(Term::MayGoto { body: Edge::to(body), exit: Edge { block: exit, args } });
            self.f.b.switch_to(body);
        }
    }

    fn while_loop(&mut self, cond: &Expr, body: &[Stmt]) {
        let vars = self.carried(body, Some(cond));
        let (head, at_head) = self.block_for(&vars);
        let (exit, at_exit) = self.block_for(&vars);
        let start = self.values(&vars);
        self.jump_with(head, start);
        self.f.b.switch_to(head);
        self.bind(&vars, &at_head);
        self.budget(exit, at_head);
        let (inside, out) = (self.f.b.block(), self.f.b.block());
        self.cond(cond, inside, out);
        self.f.b.switch_to(out);
        let args = self.values(&vars);
        self.jump_with(exit, args);
        self.f.b.switch_to(inside);
        self.body(&vars, head, exit, body);
        let args = self.values(&vars);
        self.jump_with(head, args);
        self.f.b.switch_to(exit);
        self.bind(&vars, &at_exit);
    }

    fn body(&mut self, vars: &[VarId], next: Block, exit: Block, body: &[Stmt]) {
        self.f.loops.push(Loop::Blocks { vars: vars.to_vec(), next, exit });
        self.block(body);
        self.f.loops.pop();
    }

    fn for_range(&mut self, var: VarId, start: &Expr, end: &Expr, body: &[Stmt]) {
        let few = match (&start.kind, &end.kind) {
            (ExprKind::Int(a), ExprKind::Int(b)) => b.saturating_sub(*a) <= FEW,
            _ => false,
        };
        let (first, last) = (self.scalar(start), self.scalar(end));
        let vars = self.carried(body, None);
        let head = self.f.b.block();
        let i = self.f.b.block_param(head);
        let at_head: Vec<Value> = vars.iter().map(|_| self.f.b.block_param(head)).collect();
        let (next, at_next) = self.block_for(&vars);
        let (exit, at_exit) = self.block_for(&vars);
        let args = [vec![first], self.values(&vars)].concat();
        self.jump_with(head, args);
        self.f.b.switch_to(head);
        self.bind(&vars, &at_head);
        if !few {
            self.budget(exit, at_head.clone());
        }
        let (inside, out) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch(Cond::Slt, i, last, inside, out);
        self.f.b.switch_to(out);
        self.jump_with(exit, at_head);
        self.f.b.switch_to(inside);
        self.set_var(var, i);
        self.body(&vars, next, exit, body);
        let args = self.values(&vars);
        self.jump_with(next, args);
        self.f.b.switch_to(next);
        let one_on = self.f.b.bin_imm(skep_codegen::ir::BinOp::Add, i, 1);
        self.jump_with(head, [vec![one_on], at_next].concat());
        self.f.b.switch_to(exit);
        self.bind(&vars, &at_exit);
    }

    fn unroll(&mut self, count: u32, body: &[Stmt]) {
        let vars = self.carried(body, None);
        let (exit, at_exit) = self.block_for(&vars);
        for _ in 0..count {
            let (next, at_next) = self.block_for(&vars);
            self.body(&vars, next, exit, body);
            let args = self.values(&vars);
            self.jump_with(next, args);
            self.f.b.switch_to(next);
            self.bind(&vars, &at_next);
        }
        let args = self.values(&vars);
        self.jump_with(exit, args);
        self.f.b.switch_to(exit);
        self.bind(&vars, &at_exit);
    }

    /// Runs `f` with 0, 1, .. `count - 1` and what the turn before gave; gives what the last one gave.
    pub(super) fn fold(
        &mut self,
        count: u32,
        start: &[Value],
        f: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.counted(count, start, f)
    }

    /// The loop itself. The body may also jump elsewhere.
    pub(super) fn counted(
        &mut self,
        count: u32,
        start: &[Value],
        f: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.turns(count, start, None, f)
    }

    /// The same, but it ends early once the first value is not 0.
    pub(super) fn fold_until(
        &mut self,
        count: u32,
        start: &[Value],
        f: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.turns(count, start, Some(0), f)
    }

    /// The same by the third value.
    pub(super) fn fold_until3(
        &mut self,
        count: u32,
        start: &[Value],
        f: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.turns(count, start, Some(2), f)
    }

    fn turns(
        &mut self,
        count: u32,
        start: &[Value],
        until: Option<usize>,
        f: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let head = self.f.b.block();
        let i = self.f.b.block_param(head);
        let acc: Vec<Value> = start.iter().map(|_| self.f.b.block_param(head)).collect();
        let exit = self.f.b.block();
        let out: Vec<Value> = start.iter().map(|_| self.f.b.block_param(exit)).collect();
        let zero = self.int(0);
        self.jump_with(head, [&[zero], start].concat());
        self.f.b.switch_to(head);
        if count as i64 > FEW {
            self.budget(exit, acc.clone());
        }
        let (inside, done, limit) = (self.f.b.block(), self.f.b.block(), self.int(count as i64));
        self.f.b.branch(Cond::Ult, i, limit, inside, done);
        self.f.b.switch_to(done);
        self.jump_with(exit, acc.clone());
        self.f.b.switch_to(inside);
        let new = f(self, i, &acc);
        if let Some(which) = until {
            let (on, stop) = (self.f.b.block(), self.f.b.block());
            self.f.b.branch_nonzero(new[which], stop, on);
            self.f.b.switch_to(stop);
            self.jump_with(exit, new.clone());
            self.f.b.switch_to(on);
        }
        let one_on = self.f.b.bin_imm(skep_codegen::ir::BinOp::Add, i, 1);
        self.jump_with(head, [vec![one_on], new].concat());
        self.f.b.switch_to(exit);
        out
    }
}

/// Whether the expression reads the variable.
fn reads(e: &Expr, v: VarId) -> bool {
    let mut found = false;
    walk::expr(e, &mut |n| {
        if let walk::Node::Expr(Expr { kind: ExprKind::Var(x), .. }) = n {
            found |= *x == v;
        }
    });
    found
}
