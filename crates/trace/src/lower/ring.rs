//! How large the ring buffer is: as large as what the script can send before it is read, and no larger, since all of it is memory that has to
//! be cleared before anything can start.
//!
//! The sizes are measured: with two programs busy calling a traced system call on two CPUs, 2.5 million events a second come and the reader may have
//! to wait 30 ms for a CPU; 4 MB lose a few, 8 MB none.

use super::walk::{self, Node};
use crate::hir::{ExprKind, Hir, Program, StmtKind};
use crate::plan::{Action, Plan, RunKind};

/// For some lines of `begin` or an interval, and `exit()`.
const FEW: u64 = 512 << 10;
/// For events that others make.
const STREAM: u64 = 8 << 20;
/// For a loop in a program that is run by hand: it sends some ten million events a second, which nobody is as fast to read.
const LOOP: u64 = 16 << 20;

/// Bytes of the ring buffer.
pub(super) fn bytes(hir: &Hir, plan: &Plan) -> u64 {
    let programs = hir.programs.iter().zip(&plan.groups);
    programs.map(|(program, group)| of(program, &group.run, plan)).max().unwrap_or(FEW)
}

fn of(program: &Program, run: &RunKind, plan: &Plan) -> u64 {
    let (mut sends, mut loops) = (false, false);
    walk::stmts(&program.body, &mut |node| match node {
        Node::Expr(e) => {
            if let ExprKind::Emit(action, _) = &e.kind {
                sends |= !matches!(plan.actions.get(action.0 as usize), Some(Action::Exit));
            }
        }
        Node::Stmt(s) => {
            loops |= matches!(
                s.kind,
                StmtKind::While { .. } | StmtKind::ForRange { .. } | StmtKind::ForMap { .. }
            );
        }
    });
    match run {
        _ if !sends => FEW,
        RunKind::Attach(_) => STREAM,
        _ if loops => LOOP,
        _ => FEW,
    }
}
