//! Events for user space: records built in place and sent with one call. [`crate::plan`] defines their layout.

use skep_abi::Helper;
use skep_abi::flags::{BPF_F_CURRENT_CPU, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use skep_codegen::ir::{BinOp, Cond, Inst, Term, Value};

use super::Cx;
use super::memory::{Base, Place};
use super::read::What;
use super::strings::as_memory;
use crate::hir::{Call, Expr, ExprKind};
use crate::plan::{
    Action, ActionId, EVENT_HEADER, Format, Piece, event_layout, globals, is_variable,
};
use crate::syntax::ast::Span;
use crate::types::{Space, Type};

/// Where the variable part ends so far: known, or in a register.
#[derive(Clone, Copy)]
enum End {
    At(u32),
    Value(Value),
}

impl Cx<'_> {
    /// Sends an event; `exit()` ends the program as well.
    pub(super) fn emit(&mut self, action: ActionId, args: &[Expr]) {
        let types = self.arg_types(action, args);
        let layout = event_layout(self.types, &types);
        let room: u32 = types.iter().filter(|t| is_variable(t)).map(|t| self.room(t)).sum();
        let mark = self.mark();
        let record = self.alloc(layout.fixed_end + room);
        self.header(record, action);
        let mut end = End::At(layout.fixed_end);
        for ((arg, ty), &(off, variable)) in args.iter().zip(&types).zip(&layout.args) {
            if variable {
                end = self.variable(arg, ty, record, record.plus(off), end);
            } else {
                self.fixed(arg, record.plus(off), ty);
            }
        }
        let size = match end {
            End::At(n) => self.int(n as i64),
            End::Value(v) => v,
        };
        let exits = matches!(self.actions.get(action.0 as usize), Some(Action::Exit));
        self.send(record, size, exits);
        if exits {
            let code = match args {
                [] => self.int(0),
                _ => self.load64(record.plus(EVENT_HEADER)),
            };
            self.exit(code);
        }
        self.release(mark);
    }

    /// Types of the arguments as user space expects them.
    fn arg_types(&self, action: ActionId, args: &[Expr]) -> Vec<Type> {
        match self.actions.get(action.0 as usize) {
            Some(
                Action::Printf(f)
                | Action::Log { format: f, .. }
                | Action::System(f)
                | Action::Cat(f),
            ) if f.args.len() == args.len() => f.args.clone(),
            Some(Action::PrintMapElem { map, .. }) => self.info(*map).keys.clone(),
            Some(Action::PrintValue(ty)) => vec![ty.clone()],
            Some(Action::Exit) => vec![Type::U64; args.len()],
            _ => args.iter().map(|a| a.ty.clone()).collect(),
        }
    }

    /// Bytes that an argument takes in the variable part at most, the one byte that a copied string may be longer included.
    fn room(&self, ty: &Type) -> u32 {
        (self.types.size(ty) + 1).next_multiple_of(8)
    }

    /// Action and CPU.
    pub(super) fn header(&mut self, record: Place, action: ActionId) {
        let id = self.int(action.0 as i64);
        self.store(record, 4, id);
        let cpu = self.call(Helper::GET_SMP_PROCESSOR_ID, &[]);
        self.store(record.plus(4), 4, cpu);
    }

    /// An event with one number, made by the run-time system.
    pub(super) fn emit_number(&mut self, action: ActionId, v: Value) {
        let mark = self.mark();
        let record = self.alloc(EVENT_HEADER + 8);
        self.header(record, action);
        self.store64(record.plus(EVENT_HEADER), v);
        let size = self.int(EVENT_HEADER as i64 + 8);
        // User space must look at the process while it lives.
        self.send(record, size, true);
        self.release(mark);
    }

    /// Warns at run time, with the place in the script.
    pub(super) fn tell(&mut self, span: Span, message: &str) {
        let place = self.lines.place(self.source_name, span);
        let same = |a: &Action| {
            matches!(a, Action::Log { place: p, format, .. }
                if *p == place && format.pieces == [Piece::Text(message.into())])
        };
        let at = self.actions.iter().position(same).unwrap_or_else(|| {
            let format = Format { pieces: vec![Piece::Text(message.into())], args: Vec::new() };
            self.actions.push(Action::Log { error: false, place, span, format });
            self.actions.len() - 1
        });
        let mark = self.mark();
        let record = self.alloc(EVENT_HEADER);
        self.header(record, ActionId(at as u32));
        let size = self.int(EVENT_HEADER as i64);
        self.send(record, size, false);
        self.release(mark);
    }

    fn fixed(&mut self, arg: &Expr, at: Place, ty: &Type) {
        if ty.is_scalar() && arg.ty.is_scalar() {
            // All eight bytes, so that nothing old stands beside a narrow one.
            let v = self.scalar(arg);
            return self.store64(at, v);
        }
        self.into(arg, at, ty);
        let size = self.types.size(ty);
        self.zero(at.plus(size), size.next_multiple_of(8) - size);
    }

    /// A string or bytes: length and flags at `slot`, the bytes at the end of the record.
    fn variable(&mut self, arg: &Expr, ty: &Type, record: Place, slot: Place, end: End) -> End {
        let dst = match end {
            End::At(n) => record.plus(n),
            End::Value(v) => {
                let base = self.addr(record);
                let ptr = self.f.b.bin(BinOp::Add, base, v);
                Place { base: Base::Value(ptr), off: 0, space: Space::Bpf, align: 8 }
            }
        };
        if let ExprKind::Str(text) = &arg.kind {
            return self.literal_part(text, dst, slot, end);
        }
        let (len, cut) = self.at(arg.span, |cx| match ty {
            Type::Buf { max } => cx.bytes_part(arg, dst, *max),
            _ => cx.string_part(arg, dst, cx.types.size(ty)),
        });
        let word = match cut {
            None => len,
            Some(cut) => {
                let flags = self.f.b.bin_imm(BinOp::Shl, cut, 32);
                self.f.b.bin(BinOp::Or, len, flags)
            }
        };
        self.store64(slot, word);
        let padded = self.pad8(len);
        End::Value(match end {
            End::At(n) => self.f.b.bin_imm(BinOp::Add, padded, n as i64),
            End::Value(v) => self.f.b.bin(BinOp::Add, v, padded),
        })
    }

    fn literal_part(&mut self, text: &[u8], dst: Place, slot: Place, end: End) -> End {
        let mut padded = text.to_vec();
        padded.resize(text.len().next_multiple_of(8), 0);
        self.store_bytes(dst, &padded);
        let len = self.int(text.len() as i64);
        self.store64(slot, len);
        match end {
            End::At(n) => End::At(n + padded.len() as u32),
            End::Value(v) => End::Value(self.f.b.bin_imm(BinOp::Add, v, padded.len() as i64)),
        }
    }

    /// Length of a string put at `dst`, and whether it was cut.
    fn string_part(&mut self, arg: &Expr, dst: Place, max: u32) -> (Value, Option<Value>) {
        if let ExprKind::Call(Call::Str { ptr, len }) = &arg.kind {
            let max = max.min(self.types.size(&arg.ty));
            let src = as_memory(self.source(ptr));
            let size = self.limited(len.as_deref(), max);
            let got = self.read_call(What::Str, dst, size, src);
            if len.is_some() || !self.is_limit(max) {
                return (self.string_length(got, max), None);
            }
            let (len, cut) = self.length_and_cut(got, src, max);
            return (len, Some(cut));
        }
        let max = max.min(self.types.size(&arg.ty));
        let src = as_memory(self.place(arg));
        // One more, for the zero that a string which fills its place does not have.
        let size = self.int(max as i64 + 1);
        let got = self.read_call(What::Str, dst, size, src);
        (self.string_length(got, max + 1), None)
    }

    /// Length of `got` bytes without the zero; 0 if the read failed. `max` is the most that was read.
    pub(super) fn string_length(&mut self, got: Value, max: u32) -> Value {
        let less = self.f.b.bin_imm(BinOp::Sub, got, 1);
        let (ok, bad, limit) = (self.f.b.block(), self.f.b.block(), self.int(max as i64));
        self.f.b.branch(Cond::Ult, less, limit, ok, bad);
        self.either((ok, |_| Some(less)), (bad, |cx| Some(cx.int(0)))).unwrap_or(less)
    }

    /// The same, and whether the string was cut, which is looked into only if it filled its place.
    fn length_and_cut(&mut self, got: Value, src: Place, max: u32) -> (Value, Value) {
        let less = self.f.b.bin_imm(BinOp::Sub, got, 1);
        let (ok, odd) = (self.f.b.block(), self.f.b.block());
        let (full, failed, done) = (self.f.b.block(), self.f.b.block(), self.f.b.block());
        let (len, cut) = (self.f.b.block_param(done), self.f.b.block_param(done));
        let last = self.int(max as i64 - 1);
        self.f.b.branch(Cond::Ult, less, last, ok, odd);
        self.f.b.switch_to(ok);
        let zero = self.int(0);
        self.jump_with(done, vec![less, zero]);
        self.f.b.switch_to(odd);
        self.f.b.branch(Cond::Eq, less, last, full, failed);
        self.f.b.switch_to(full);
        let was_cut = self.goes_on(src, max);
        self.aside(was_cut, false, |cx| cx.count(globals::CUT_STRINGS));
        let last = self.int(max as i64 - 1);
        self.jump_with(done, vec![last, was_cut]);
        self.f.b.switch_to(failed);
        let zero = self.int(0);
        self.jump_with(done, vec![zero, zero]);
        self.f.b.switch_to(done);
        (len, cut)
    }

    /// Length of the bytes put at `dst`, and whether more were asked for.
    fn bytes_part(&mut self, arg: &Expr, dst: Place, max: u32) -> (Value, Option<Value>) {
        if let ExprKind::Call(Call::Buf { ptr, len }) = &arg.kind {
            let src = as_memory(self.source(ptr));
            let n = self.limited(len.as_deref(), max);
            self.read_call(What::Bytes, dst, n, src);
            return (n, None);
        }
        let src = self.own(arg);
        let n = self.load(src, 4, false);
        let (ok, long, limit) = (self.f.b.block(), self.f.b.block(), self.int(max as i64));
        self.f.b.branch(Cond::Ule, n, limit, ok, long);
        let n = self.either((ok, |_| Some(n)), (long, |cx| Some(cx.int(max as i64)))).unwrap_or(n);
        self.copy(dst, src.plus(4), max);
        (n, None)
    }

    /// A length rounded up to 8.
    pub(super) fn pad8(&mut self, len: Value) -> Value {
        let v = self.f.b.bin_imm(BinOp::Add, len, 7);
        self.f.b.bin_imm(BinOp::And, v, 0x7fff_fff8)
    }

    /// Sends a record of `size` bytes. Wakes user space if it sleeps, or if it must be.
    pub(super) fn send(&mut self, record: Place, size: Value, wake: bool) {
        let data = self.addr(record);
        let events = self.events();
        let r = if self.has_ring() {
            let flags = if wake { self.int(BPF_RB_FORCE_WAKEUP as i64) } else { self.wake_flags() };
            let map = self.f.b.inst(Inst::MapAddr(events));
            self.call(Helper::RINGBUF_OUTPUT, &[map, data, size, flags])
        } else {
            let (ctx, flags) = (self.f.ctx, self.int(BPF_F_CURRENT_CPU as i64));
            let map = self.f.b.inst(Inst::MapAddr(events));
            self.call(Helper::PERF_EVENT_OUTPUT, &[ctx, map, flags, data, size])
        };
        self.aside(r, false, |cx| cx.count(globals::LOST_EVENTS));
    }

    fn wake_flags(&mut self) -> Value {
        let wake = self.global(globals::WAKE);
        let asleep = self.load64(wake);
        let (force, quiet) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch_nonzero(asleep, force, quiet);
        let flags = self.either(
            (force, |cx| {
                let zero = cx.int(0);
                cx.store64(wake, zero);
                Some(cx.int(BPF_RB_FORCE_WAKEUP as i64))
            }),
            (quiet, |cx| Some(cx.int(BPF_RB_NO_WAKEUP as i64))),
        );
        flags.unwrap_or(asleep)
    }

    /// What follows the event of `exit()`. The word has the code too: the event may have found no room.
    fn exit(&mut self, code: Value) {
        let high = self.f.b.bin_imm(BinOp::Shl, code, 32);
        let word = self.f.b.bin_imm(BinOp::Or, high, 1);
        let exited = self.global(globals::EXITED);
        self.store64(exited, word);
        let zero = self.int(0);
        self.end_program(zero);
    }

    /// Ends the program here.
    pub(super) fn end_program(&mut self, v: Value) {
        if self.f.callback {
            if let Some(early) = self.p.early {
                let early = self.scratch_place(early);
                let one = self.int(1);
                self.store64(early, one);
                self.store64(early.plus(8), v);
            }
            let stop = self.int(1);
            return self.f.b.term(Term::Ret(stop));
        }
        self.f.b.term(Term::Ret(v));
    }
}
