//! Loops over maps: `bpf_for_each_map_elem` with the body as a function.
//!
//! Variables that the body touches live in scratch memory, which both functions reach; the program's context is handed over in a stack
//! slot. A `return` or `exit()` in the body leaves word in scratch memory.

use skep_abi::Helper;
use skep_codegen::ir::{FuncRef, Inst, Term, Value};

use super::Cx;
use super::frame::Loop;
use super::memory::Place;
use super::walk::{self, Node};
use crate::hir::{ExprKind, MapId, Stmt, StmtKind, VarId};
use crate::plan::Action;
use crate::syntax::ast::Span;
use crate::types::{Space, Type};

impl Cx<'_> {
    /// `for ($kv : @map) { .. }`
    pub(super) fn for_map(&mut self, var: VarId, map: MapId, body: &[Stmt]) {
        self.require_for_each(body.first().map_or(Span::default(), |s| s.span));
        let ends = self.ends_program(body);
        if ends && self.p.early.is_none() {
            self.p.early = Some(self.p.scratch.alloc(16));
        }
        if let (true, Some(early)) = (ends, self.p.early) {
            let (early, zero) = (self.scratch_place(early), self.int(0));
            self.store64(early, zero);
        }
        let func = self.callback(var, map, body);
        let ctx_slot = self.alloc(16);
        let ctx = self.f.ctx;
        self.store64(ctx_slot, ctx);
        if self.p.claims {
            // The body works in the region that this run has claimed.
            let region = self.scratch_place(0);
            let region = self.addr(region);
            self.store64(ctx_slot.plus(8), region);
        }
        let at = self.addr(ctx_slot);
        self.for_each(map, func, at);
        if let (true, Some(early)) = (ends, self.p.early) {
            let early = self.scratch_place(early);
            let flag = self.load64(early);
            let (out, on) = (self.f.b.block(), self.f.b.block());
            self.f.b.branch_nonzero(flag, out, on);
            self.f.b.switch_to(out);
            let v = self.load64(early.plus(8));
            if self.f.callback {
                self.stop()
            } else {
                self.f.b.term(Term::Ret(v))
            }
            self.f.b.switch_to(on);
        }
    }

    fn stop(&mut self) {
        let one = self.int(1);
        self.f.b.term(Term::Ret(one));
    }

    fn require_for_each(&mut self, span: Span) {
        if let Err(why) = self.target.require(Helper::FOR_EACH_MAP_ELEM) {
            self.fail(span, format!("loops over maps are not possible: {why}"));
        }
    }

    fn for_each(&mut self, map: MapId, func: FuncRef, ctx: Value) -> Value {
        let map = self.map_addr(map);
        let (func, flags) = (self.f.b.inst(Inst::FuncAddr(func)), self.int(0));
        self.call(Helper::FOR_EACH_MAP_ELEM, &[map, func, ctx, flags])
    }

    /// Whether the body can end the program.
    fn ends_program(&self, body: &[Stmt]) -> bool {
        let mut found = false;
        walk::stmts(body, &mut |n| match n {
            Node::Stmt(s) => found |= matches!(s.kind, StmtKind::Return(_)),
            Node::Expr(e) => {
                if let ExprKind::Emit(action, _) = &e.kind {
                    found |= matches!(self.actions.get(action.0 as usize), Some(Action::Exit));
                }
            }
        });
        found
    }

    /// The body as a function of map, key, value and the stack slot with the context.
    fn callback(&mut self, var: VarId, map: MapId, body: &[Stmt]) -> FuncRef {
        let name = format!("each_{}", self.p.funcs.len());
        let loc = self.f.b.loc();
        let (outer, func) = self.enter(&name, 4);
        let params = [0, 1, 2, 3].map(skep_codegen::ir::Value);
        self.f.b.set_loc(loc);
        self.f.callback = true;
        self.f.loops.push(Loop::Callback);
        self.f.ctx = self.load64(Place::at(params[3], Space::Bpf));
        if self.p.claims {
            self.f.scratch = self.load64(Place::at(params[3], Space::Bpf).plus(8));
        }
        self.bind_pair(
            var,
            map,
            Place::at(params[1], Space::Bpf),
            Place::at(params[2], Space::Bpf),
        );
        self.block(body);
        let go_on = self.int(0);
        self.f.b.term(Term::Ret(go_on));
        self.leave(outer, func);
        func
    }

    /// Puts key and value into the loop's variable.
    fn bind_pair(&mut self, var: VarId, map: MapId, key: Place, value: Place) {
        let info = self.info(map);
        let pair = self.p.vars[var.0 as usize].0.clone();
        let Type::Tuple(types) = &pair else {
            return;
        };
        let (offsets, size) = self.types.layout(types.iter());
        let dst = self.var_place(var);
        self.zero(dst, size);
        let key_size = info.key_size(self.types);
        let from_key = self.types.size(&types[0]).min(key_size);
        self.copy(dst.plus(offsets[0]), key, from_key);
        let at = dst.plus(offsets[1]);
        match info.agg() {
            Some(agg) => {
                let v = self.agg_value(map, agg, key);
                let bytes = self.types.size(&types[1]).clamp(1, 8);
                self.store(at, bytes, v);
            }
            None => {
                let n = self.types.size(&types[1]).min(self.types.size(&info.value));
                self.copy(at, value, n);
            }
        }
    }

    /// Number of elements of a map: how often the kernel calls a function that does nothing.
    pub(super) fn map_len(&mut self, map: MapId, span: Span) -> Value {
        if self.info(map).is_array() {
            return self.int(1);
        }
        self.require_for_each(span);
        let (outer, func) = self.enter("nothing", 4);
        let go_on = self.int(0);
        self.f.b.term(Term::Ret(go_on));
        self.leave(outer, func);
        let none = self.int(0);
        self.for_each(map, func, none)
    }
}
