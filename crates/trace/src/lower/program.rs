//! One program: what comes before its body, and the finishing of its functions.

use std::mem;

use skep_abi::{Feature, Helper, ProgType};
use skep_codegen::ir::{BinOp, Block, Cond, Edge, FuncRef, Function, Program, Term, Value};
use skep_engine::Attach;

use super::Cx;
use super::frame::Frame;
use super::memory::{Place, Scratch};
use super::{region, walk};
use crate::hir::{self, ProbeName, VarId};
use crate::plan::{RunKind, globals};
use crate::types::Type;

/// The program being lowered.
pub(super) struct Prog {
    pub(super) kind: ProgType,
    pub(super) probe: ProbeName,
    /// It is attached to user functions.
    pub(super) user: bool,
    /// To the return of user functions.
    pub(super) ret: bool,
    /// It can be preempted by itself: it claims a region of its scratch memory for as long as it runs.
    pub(super) claims: bool,
    pub(super) vars: Vec<(Type, Home)>,
    pub(super) funcs: Vec<Function>,
    pub(super) scratch: Scratch,
    /// Functions and values that stand for the start of scratch memory.
    pub(super) scratch_values: Vec<(usize, Value)>,
    /// Where a loop over a map leaves word that the program shall return: a flag and the value.
    pub(super) early: Option<u32>,
    /// It has loops over maps, whose bodies are functions of their own.
    pub(super) map_loops: bool,
}

impl Default for Prog {
    fn default() -> Self {
        Prog {
            kind: ProgType::Tracepoint,
            probe: ProbeName::Fixed(0),
            user: false,
            ret: false,
            claims: false,
            vars: Vec::new(),
            funcs: Vec::new(),
            scratch: Scratch::default(),
            scratch_values: Vec::new(),
            early: None,
            map_loops: false,
        }
    }
}

/// Where a variable lives.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// In [`Frame::env`].
    Ssa,
    /// In a stack slot or in scratch memory.
    Memory(Place),
    /// In scratch memory at that offset, reachable from every function of the program.
    Scratch(u32),
}

impl Cx<'_> {
    /// Lowers one program.
    pub(super) fn program(&mut self, program: &hir::Program, run: &RunKind) -> Program {
        self.p = Prog { kind: program.kind, probe: program.probe, ..Prog::default() };
        self.p.user = matches!(run, RunKind::Attach(Attach::Uprobes { .. }));
        self.p.claims = self.p.user && self.target.has(Feature::AtomicFetch);
        if self.p.claims {
            self.p.scratch.alloc(region::TAKEN_BYTES);
        }
        self.p.ret = matches!(run, RunKind::Attach(Attach::Uprobes { ret: true, .. }));
        self.f = Frame::new(&program.name, 1, program.vars.len());
        self.p.funcs.push(Function::default());
        self.place_vars(program);
        self.at(program.span, |cx| cx.prologue(program, run));
        self.block(&program.body);
        let entry = self.finish_frame();
        self.p.funcs[0] = entry;
        self.place_scratch();
        Program {
            name: program.name.clone(),
            kind: program.kind,
            expected_attach: None,
            sleepable: false,
            funcs: mem::take(&mut self.p.funcs),
        }
    }

    fn place_vars(&mut self, program: &hir::Program) {
        let shared = walk::used_in_map_loops(&program.body);
        self.p.map_loops = !shared.is_empty();
        for (i, var) in program.vars.iter().enumerate() {
            let size = self.types.size(&var.ty).max(1);
            let home = if shared.contains(&VarId(i as u32)) {
                Home::Scratch(self.p.scratch.alloc(size))
            } else if var.ty.is_scalar() {
                Home::Ssa
            } else {
                Home::Memory(self.alloc_for_good(size))
            };
            self.p.vars.push((var.ty.clone(), home));
        }
    }

    /// The filters: nothing after `exit()`, only the wanted process, the predicate.
    fn prologue(&mut self, program: &hir::Program, run: &RunKind) {
        if self.has_exit && !matches!(run, RunKind::Begin | RunKind::End) {
            let exited = self.global(globals::EXITED);
            let v = self.load64(exited);
            let zero = self.int(0);
            self.leave_unless(Cond::Eq, v, zero);
        }
        if let Some(pid) = program.pid_filter {
            let both = self.call(Helper::GET_CURRENT_PID_TGID, &[]);
            let current = self.f.b.bin_imm(BinOp::Lshr, both, 32);
            let wanted = self.int(pid as i64);
            self.leave_unless(Cond::Eq, current, wanted);
        }
        if let Some(predicate) = &program.predicate {
            let (body, out) = (self.f.b.block(), self.f.b.block());
            let mark = self.mark();
            self.cond(predicate, body, out);
            self.release(mark);
            self.f.b.switch_to(out);
            let zero = self.int(0);
            self.f.b.term(Term::Ret(zero));
            self.f.b.switch_to(body);
            if self.f.scratch_values.is_empty() {
                // Events that the predicate drops need not find their scratch memory.
                self.f.scratch = self.int(0);
            }
        }
    }

    /// Returns 0 unless the comparison holds.
    fn leave_unless(&mut self, cond: Cond, a: Value, b: Value) {
        let (go, out) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch(cond, a, b, go, out);
        self.f.b.switch_to(out);
        let zero = self.int(0);
        self.f.b.term(Term::Ret(zero));
        self.f.b.switch_to(go);
    }

    /// Starts another function of the program; gives the one that waits.
    pub(super) fn enter(&mut self, name: &str, params: usize) -> (Frame, FuncRef) {
        self.p.funcs.push(Function::default());
        let func = FuncRef(self.p.funcs.len() as u32 - 1);
        let mut frame = Frame::new(name, params, self.p.vars.len());
        frame.index = func.0 as usize;
        (mem::replace(&mut self.f, frame), func)
    }

    /// Finishes the current function and goes back to the one that waits.
    pub(super) fn leave(&mut self, outer: Frame, func: FuncRef) {
        self.p.funcs[func.0 as usize] = self.finish_frame();
        self.f = outer;
    }

    fn finish_frame(&mut self) -> Function {
        let frame = mem::replace(&mut self.f, Frame::new("", 0, 0));
        let index = frame.index;
        self.p.scratch_values.extend(frame.scratch_values.iter().map(|&v| (index, v)));
        let mut func = frame.b.finish();
        drop_unreachable(&mut func);
        func
    }
}

/// Removes blocks that no path from the entry reaches (what follows `return` or `exit()`).
fn drop_unreachable(func: &mut Function) {
    let mut reached = vec![false; func.blocks.len()];
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        if !mem::replace(&mut reached[at], true) {
            open.extend(edges(&mut func.blocks[at].term).iter().map(|e| e.block.0 as usize));
        }
    }
    let mut next = 0;
    let number: Vec<u32> = reached
        .iter()
        .map(|&r| {
            next += r as u32;
            next.saturating_sub(1)
        })
        .collect();
    let mut keep = reached.iter();
    func.blocks.retain(|_| *keep.next().unwrap_or(&false));
    for block in &mut func.blocks {
        for edge in edges(&mut block.term) {
            edge.block = Block(number[edge.block.0 as usize]);
        }
    }
}

pub(super) fn edges(term: &mut Term) -> Vec<&mut Edge> {
    match term {
        Term::Jump(e) => vec![e],
        Term::Branch { then, els, .. } => vec![then, els],
        Term::MayGoto { body, exit } => vec![body, exit],
        Term::None | Term::Ret(_) => vec![],
    }
}
