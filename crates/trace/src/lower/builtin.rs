//! Builtins that are numbers.

use skep_abi::regs::Arch;
use skep_abi::{Helper, ProgType};
use skep_codegen::ir::{BinOp, Value};

use super::Cx;
use super::memory::Place;
use crate::hir::{Builtin, ProbeName};
use crate::plan::globals;
use crate::syntax::ast::Span;
use crate::types::{Clock, Space, Type};

impl Cx<'_> {
    /// The value of a scalar builtin.
    pub(super) fn builtin(&mut self, b: Builtin, ty: &Type, span: Span) -> Value {
        match b {
            Builtin::Pid => self.half(Helper::GET_CURRENT_PID_TGID, true),
            Builtin::Tid => self.half(Helper::GET_CURRENT_PID_TGID, false),
            Builtin::Uid | Builtin::Username => self.half(Helper::GET_CURRENT_UID_GID, false),
            Builtin::Gid => self.half(Helper::GET_CURRENT_UID_GID, true),
            Builtin::Nsecs(clock) => self.clock(clock, span),
            Builtin::Elapsed => {
                let now = self.clock(Clock::Boot, span);
                let start = self.global(globals::START);
                let start = self.load64(start);
                self.f.b.bin(BinOp::Sub, now, start)
            }
            Builtin::Cpu => self.call(Helper::GET_SMP_PROCESSOR_ID, &[]),
            Builtin::Numaid => self.call(Helper::GET_NUMA_NODE_ID, &[]),
            Builtin::Curtask => self.call(Helper::GET_CURRENT_TASK, &[]),
            Builtin::Rand => self.call(Helper::GET_PRANDOM_U32, &[]),
            Builtin::Cgroup => self.call(Helper::GET_CURRENT_CGROUP_ID, &[]),
            Builtin::Jiffies => self.helper_or_fail(Helper::JIFFIES64, &[], "`jiffies`", span),
            Builtin::Probe => self.probe_id(),
            Builtin::Func => self.func_address(),
            Builtin::Arg(n) => self.arg(n, ty, span),
            Builtin::StackArg(n) => self.stack_arg(n, span),
            Builtin::Retval => self.retval(ty, span),
            Builtin::Ctx => self.f.ctx,
            Builtin::Reg(off) => self.reg(off),
            Builtin::Kstack(spec) => self.stack_id(spec, false),
            // The others are not scalar: see `value`.
            Builtin::Ustack(_) | Builtin::Comm => self.int(0),
        }
    }

    fn half(&mut self, helper: Helper, high: bool) -> Value {
        let both = self.call(helper, &[]);
        if high {
            return self.f.b.bin_imm(BinOp::Lshr, both, 32);
        }
        self.extend(both, &Type::U32)
    }

    fn helper_or_fail(&mut self, helper: Helper, args: &[Value], what: &str, span: Span) -> Value {
        if let Err(why) = self.target.require(helper) {
            self.fail(span, format!("{what} cannot be had: {why}"));
        }
        self.call(helper, args)
    }

    fn clock(&mut self, clock: Clock, span: Span) -> Value {
        match clock {
            Clock::Monotonic => self.call(Helper::KTIME_GET_NS, &[]),
            // Before Linux 5.8 there is only the clock that stops while the machine is suspended.
            Clock::Boot if !self.target.has(Helper::KTIME_GET_BOOT_NS) => {
                self.call(Helper::KTIME_GET_NS, &[])
            }
            Clock::Boot => self.call(Helper::KTIME_GET_BOOT_NS, &[]),
            Clock::Tai => self.helper_or_fail(Helper::KTIME_GET_TAI_NS, &[], "the TAI clock", span),
            Clock::Realtime => {
                let boot = self.clock(Clock::Boot, span);
                let delta = self.global(globals::REALTIME);
                let delta = self.load64(delta);
                self.f.b.bin(BinOp::Add, boot, delta)
            }
        }
    }

    /// The index of the running probe's name.
    pub(super) fn probe_id(&mut self) -> Value {
        match self.p.probe {
            ProbeName::Fixed(n) => self.int(n as i64),
            ProbeName::Cookie => {
                let ctx = self.f.ctx;
                self.call(Helper::GET_ATTACH_COOKIE, &[ctx])
            }
        }
    }

    /// Address of the function that the probe is in.
    pub(super) fn func_address(&mut self) -> Value {
        // At the return of a user function the registers show the caller already.
        let by_helper = self.p.kind == ProgType::Kprobe && (!self.p.user || self.p.ret);
        if by_helper && self.target.has(Helper::GET_FUNC_IP) {
            let ctx = self.f.ctx;
            return self.call(Helper::GET_FUNC_IP, &[ctx]);
        }
        match Arch::host() {
            Some(arch) => self.reg(arch.ip()),
            None => self.int(0),
        }
    }

    fn ctx_word(&mut self, off: u32) -> Value {
        let ctx = Place::at(self.f.ctx, Space::Ctx);
        self.load64(ctx.plus(off))
    }

    fn reg(&mut self, off: u16) -> Value {
        self.ctx_word(off as u32)
    }

    /// Registers hold what the caller left in their upper half; the type says what counts.
    fn arg(&mut self, n: u8, ty: &Type, span: Span) -> Value {
        let v = if matches!(self.p.kind, ProgType::RawTracepoint | ProgType::Tracing) {
            self.ctx_word(n as u32 * 8)
        } else {
            match Arch::host().and_then(|a| a.args().get(n as usize)) {
                Some(&off) => self.reg(off),
                None => {
                    self.fail(span, format!("`arg{n}` is not passed in a register; use `sarg{n}`"));
                    self.int(0)
                }
            }
        };
        self.extend(v, ty)
    }

    fn retval(&mut self, ty: &Type, span: Span) -> Value {
        let Some(arch) = Arch::host() else {
            self.fail(span, "`retval` is not known on this machine");
            return self.int(0);
        };
        let v = self.reg(arch.ret());
        self.extend(v, ty)
    }

    fn stack_arg(&mut self, n: u8, span: Span) -> Value {
        let Some(arch) = Arch::host() else {
            self.fail(span, "`sarg` is not known on this machine");
            return self.int(0);
        };
        let sp = self.reg(arch.sp());
        let space = if self.p.user { Space::User } else { Space::Kernel };
        let at = Place::at(sp, space).plus(arch.stack_args() as u32 + n as u32 * 8);
        self.read_int(at, 8, false)
    }
}
