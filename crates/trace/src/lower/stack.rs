//! Stacks, and addresses of user space, which need to know whose they are.

use skep_abi::flags::{BPF_F_USER_STACK, BPF_NOEXIST};
use skep_abi::{Helper, MapType};
use skep_codegen::ir::{BinOp, Cond, Inst, Value};
use skep_object::{Map, MapRef};

use super::Cx;
use super::memory::{Place, one_value};
use crate::hir::{Builtin, Expr, ExprKind};
use crate::plan::{Action, ActionId, StackMaps, globals};
use crate::types::StackSpec;

/// Memory that the stacks of one depth may take.
const STACK_BYTES: u32 = 8 << 20;
/// A different stack has taken the place.
const EEXIST: i64 = 17;

impl Cx<'_> {
    fn stack_maps(&mut self, depth: u16) -> StackMaps {
        if let Some(known) = self.system.stacks.iter().find(|s| s.depth == depth) {
            return *known;
        }
        let value_size = depth.max(1) as u32 * 8;
        let fit = 1 << (STACK_BYTES / value_size).clamp(1024, 16 * 1024).ilog2();
        let mut map = |name: &str, max_entries| {
            let name = format!("{name}_{depth}");
            let kind = MapType::StackTrace;
            self.add_map(Map { kind, max_entries, ..one_value(&name, value_size, 0) })
        };
        let maps = [map("stacks", fit), map("stacks2", fit / 4)];
        let made = StackMaps { depth, maps };
        self.system.stacks.push(made);
        made
    }

    /// Takes a stack; gives its id, or a negative error.
    pub(super) fn stack_id(&mut self, spec: StackSpec, user: bool) -> Value {
        let [first, second] = self.stack_maps(spec.depth).maps;
        let id = self.stack_in(first, user);
        let again = self.is_taken(id);
        self.or_else(id, again, |cx| {
            let id = cx.stack_in(second, user);
            let lost = cx.is_taken(id);
            cx.aside(lost, false, |cx| cx.count(globals::LOST_STACKS));
            let zero = cx.int(0);
            let failed = cx.f.b.icmp(Cond::Slt, id, zero);
            let moved = cx.f.b.bin_imm(BinOp::Add, id, StackMaps::SECOND.into());
            cx.or_else(moved, failed, |_| id)
        })
    }

    fn stack_in(&mut self, map: MapRef, user: bool) -> Value {
        let map = self.f.b.inst(Inst::MapAddr(map));
        let flags = self.int(if user { BPF_F_USER_STACK as i64 } else { 0 });
        let ctx = self.f.ctx;
        self.call(Helper::GET_STACKID, &[ctx, map, flags])
    }

    /// Whether another stack has taken the place.
    fn is_taken(&mut self, id: Value) -> Value {
        let taken = self.int(-EEXIST);
        self.f.b.icmp(Cond::Eq, id, taken)
    }

    /// A value, or another one where a condition holds.
    fn or_else(&mut self, v: Value, cond: Value, f: impl FnOnce(&mut Self) -> Value) -> Value {
        let (other, done) = (self.f.b.block(), self.f.b.block());
        let result = self.f.b.block_param(done);
        let keep = self.f.b.block();
        self.f.b.branch_nonzero(cond, other, keep);
        self.f.b.switch_to(keep);
        self.jump_with(done, vec![v]);
        self.f.b.switch_to(other);
        let instead = f(self);
        self.jump_with(done, vec![instead]);
        self.f.b.switch_to(done);
        result
    }

    /// A user stack: id, pid, probe.
    pub(super) fn ustack(&mut self, spec: StackSpec, dst: Place) {
        let id = self.stack_id(spec, true);
        self.store64(dst, id);
        self.whose(dst);
    }

    /// A user address: address, pid, probe.
    pub(super) fn usym(&mut self, address: Value, dst: Place) {
        self.store64(dst, address);
        self.whose(dst);
    }

    fn whose(&mut self, dst: Place) {
        let both = self.call(Helper::GET_CURRENT_PID_TGID, &[]);
        let pid = self.f.b.bin_imm(BinOp::Lshr, both, 32);
        self.store(dst.plus(8), 4, pid);
        let probe = self.probe_id();
        self.store(dst.plus(12), 4, probe);
        self.announce(pid);
    }

    /// Tells user space about a process seen for the first time, so that it can look at its memory map while it lives.
    fn announce(&mut self, pid: Value) {
        let map = self.seen_pids();
        let key = self.alloc(4);
        self.store(key, 4, pid);
        let map = self.f.b.inst(Inst::MapAddr(map));
        let at = self.addr(key);
        let seen = self.call(Helper::MAP_LOOKUP_ELEM, &[map, at]);
        let action = self.seen_action();
        self.aside(seen, true, |cx| {
            let (at, flags) = (cx.addr(key), cx.int(BPF_NOEXIST as i64));
            let r = cx.call(Helper::MAP_UPDATE_ELEM, &[map, at, at, flags]);
            cx.aside(r, true, |cx| cx.emit_number(action, pid));
        });
    }

    fn seen_action(&mut self) -> ActionId {
        let known = self.actions.iter().position(|a| matches!(a, Action::SeenPid));
        let at = known.unwrap_or_else(|| {
            self.actions.push(Action::SeenPid);
            self.actions.len() - 1
        });
        ActionId(at as u32)
    }

    /// Number of frames of a stack. A stack that has been put into its map cannot be read by programs: it is taken anew.
    pub(super) fn stack_len(&mut self, e: &Expr) -> Value {
        let (spec, flags) = match &e.kind {
            ExprKind::Builtin(Builtin::Kstack(spec)) => (*spec, 0),
            ExprKind::Builtin(Builtin::Ustack(spec)) => (*spec, BPF_F_USER_STACK),
            _ => {
                self.fail(e.span, "len() takes `kstack` or `ustack` itself: a stored stack cannot be read by a program");
                return self.int(0);
            }
        };
        let bytes = spec.depth as u32 * 8;
        let buffer = self.alloc(bytes.max(128));
        let (ctx, at) = (self.f.ctx, self.addr(buffer));
        let (size, flags) = (self.int(bytes as i64), self.int(flags as i64));
        let n = self.call(Helper::GET_STACK, &[ctx, at, size, flags]);
        let (some, none, zero) = (self.f.b.block(), self.f.b.block(), self.int(0));
        self.f.b.branch(Cond::Sgt, n, zero, some, none);
        let frames = self.either(
            (some, |cx| Some(cx.f.b.bin_imm(BinOp::Lshr, n, 3))),
            (none, |cx| Some(cx.int(0))),
        );
        frames.unwrap_or(n)
    }
}
