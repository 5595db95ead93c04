//! Conditions, as branches.

use skep_codegen::ir::Block;
use skep_codegen::ir::Value;

use super::Cx;
use super::expr::cond_of;
use crate::hir::{Expr, ExprKind};

impl Cx<'_> {
    /// Ends the current block by a branch: to `then` if the expression is not 0.
    ///
    /// Both ways see the variables as they are after the expression, so one that assigns to variables on some of its ways is computed
    /// as a value first.
    pub(super) fn cond(&mut self, e: &Expr, then: Block, els: Block) {
        self.at(e.span, |cx| cx.cond_kind(e, then, els));
    }

    fn cond_kind(&mut self, e: &Expr, then: Block, els: Block) {
        match &e.kind {
            ExprKind::Not(a) => self.cond(a, els, then),
            ExprKind::And(a, b) if !self.assigns(b) => {
                let second = self.f.b.block();
                self.cond(a, second, els);
                self.f.b.switch_to(second);
                self.cond(b, then, els);
            }
            ExprKind::Or(a, b) if !self.assigns(b) => {
                let second = self.f.b.block();
                self.cond(a, then, second);
                self.f.b.switch_to(second);
                self.cond(b, then, els);
            }
            ExprKind::And(..) | ExprKind::Or(..) => {
                let v = self.logic(e);
                self.f.b.branch_nonzero(v, then, els);
            }
            ExprKind::Compare { op, signed, left, right } => {
                let a = self.scalar(left);
                let b = self.scalar(right);
                self.f.b.branch(cond_of(*op, *signed), a, b, then, els);
            }
            ExprKind::CompareBytes { negate, left, right, limit } => {
                let (equal, differ) = if *negate { (els, then) } else { (then, els) };
                self.compare_bytes(left, right, *limit, equal, differ);
            }
            _ => {
                let v = self.scalar(e);
                self.f.b.branch_nonzero(v, then, els);
            }
        }
    }

    /// A condition as 0 or 1.
    pub(super) fn truth(&mut self, e: &Expr) -> Value {
        if let ExprKind::And(_, b) | ExprKind::Or(_, b) = &e.kind
            && self.assigns(b)
        {
            return self.logic(e);
        }
        let (yes, no) = (self.f.b.block(), self.f.b.block());
        self.cond(e, yes, no);
        let v = self.either((yes, |cx| Some(cx.int(1))), (no, |cx| Some(cx.int(0))));
        match v {
            Some(v) => v,
            None => self.int(0),
        }
    }

    /// `a && b`, `a || b` where `b` assigns to variables.
    fn logic(&mut self, e: &Expr) -> Value {
        let (a, b, is_and) = match &e.kind {
            ExprKind::And(a, b) => (a, b, true),
            ExprKind::Or(a, b) => (a, b, false),
            _ => return self.scalar(e),
        };
        let (more, known) = (self.f.b.block(), self.f.b.block());
        if is_and {
            self.cond(a, more, known)
        } else {
            self.cond(a, known, more)
        }
        let v = self
            .either((more, |cx| Some(cx.truth_of(b))), (known, |cx| Some(cx.int(!is_and as i64))));
        match v {
            Some(v) => v,
            None => self.int(0),
        }
    }

    fn truth_of(&mut self, e: &Expr) -> Value {
        let v = self.scalar(e);
        let zero = self.int(0);
        self.f.b.icmp(skep_codegen::ir::Cond::Ne, v, zero)
    }
}
