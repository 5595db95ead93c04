//! Builtins: names that stand for a value, with or without `()`.

use skep_abi::regs::Arch;

use super::names::nearest;
use super::{Checker, Context, int, unknown};
use crate::hir::{Builtin, Expr, ExprKind};
use crate::syntax::ast::{CTypeKind, Span};
use crate::types::{Clock, Space, StackSpec, Type};

/// Names of builtins, for suggestions.
const NAMES: &[&str] = &[
    "pid", "tid", "uid", "gid", "nsecs", "elapsed", "cpu", "comm", "curtask", "rand", "cgroup",
    "probe", "func", "numaid", "username", "args", "retval", "ctx", "kstack", "ustack", "cpid",
    "jiffies", "ncpus", "has_cpid",
];

/// Frames of a stack when none are asked for.
pub(super) const DEFAULT_DEPTH: u16 = 127;

impl Checker<'_> {
    /// The value of a builtin; `None` if the name is not one.
    pub(super) fn builtin(&mut self, name: &str, span: Span) -> Option<Expr> {
        let plain = |builtin, ty| Some(Expr { kind: ExprKind::Builtin(builtin), ty, span });
        match name {
            "pid" => plain(Builtin::Pid, Type::U32),
            "tid" => plain(Builtin::Tid, Type::U32),
            "uid" => plain(Builtin::Uid, Type::U64),
            "gid" => plain(Builtin::Gid, Type::U64),
            "nsecs" => plain(Builtin::Nsecs(Clock::Boot), Type::U64),
            "elapsed" => plain(Builtin::Elapsed, Type::U64),
            "cpu" => plain(Builtin::Cpu, Type::U32),
            "numaid" => plain(Builtin::Numaid, Type::U32),
            "comm" => plain(Builtin::Comm, Type::Str { max: 16 }),
            "rand" => plain(Builtin::Rand, Type::U32),
            "cgroup" => plain(Builtin::Cgroup, Type::U64),
            "jiffies" => plain(Builtin::Jiffies, Type::U64),
            "probe" => plain(Builtin::Probe, Type::Probe),
            "username" => plain(Builtin::Username, Type::Username),
            "curtask" => {
                let ty = match self.store.tagged(CTypeKind::Struct, "task_struct") {
                    Some(task) => Type::ptr(task, Space::Kernel),
                    None => Type::U64,
                };
                plain(Builtin::Curtask, ty)
            }
            "kstack" => {
                let spec = self.default_stack();
                plain(Builtin::Kstack(spec), Type::Kstack(spec))
            }
            "ustack" => {
                let spec = self.default_stack();
                plain(Builtin::Ustack(spec), Type::Ustack(spec))
            }
            "ncpus" => Some(int(self.host.possible_cpus().into(), Type::U64, span)),
            "has_cpid" => Some(int(i64::from(self.options.child.is_some()), Type::Bool, span)),
            "cpid" => Some(self.cpid(span)),
            "args" => Some(self.args_value(span)),
            "func" => Some(self.func(span)),
            "retval" => Some(self.retval(span)),
            "ctx" => Some(self.ctx(span)),
            _ => self.numbered(name, span),
        }
    }

    fn default_stack(&self) -> StackSpec {
        StackSpec { mode: self.config.stack_mode, depth: DEFAULT_DEPTH }
    }

    fn cpid(&mut self, span: Span) -> Expr {
        match self.options.child {
            Some(pid) => int(pid.into(), Type::U32, span),
            None => {
                self.error(span, "there is no child process").help("start one with `-c COMMAND`");
                unknown(span)
            }
        }
    }

    /// `arg0`, `sarg0`.
    fn numbered(&mut self, name: &str, span: Span) -> Option<Expr> {
        let digits = name.strip_prefix("sarg").or_else(|| name.strip_prefix("arg"))?;
        let n: u8 =
            digits.parse().ok().filter(|_| digits.len() == 1 || !digits.starts_with('0'))?;
        let stack = name.starts_with('s');
        Some(match (&self.context, stack) {
            (Context::Kprobe { ret: false } | Context::Uprobe { ret: false, .. }, _) => {
                let most = Arch::host().map_or(6, |a| a.args().len());
                if !stack && usize::from(n) >= most {
                    self.error(
                        span,
                        format!("there is no {name}: registers hold {most} arguments"),
                    )
                    .help(format!("later ones are on the stack: sarg{}", usize::from(n) - most));
                    return Some(unknown(span));
                }
                let kind = if stack { Builtin::StackArg(n) } else { Builtin::Arg(n) };
                Expr { kind: ExprKind::Builtin(kind), ty: Type::U64, span }
            }
            (Context::RawTracepoint { name: point }, false) => {
                let found = self.store.btf.and_then(|btf| btf.raw_tracepoint(point).ok().flatten());
                let most = found.map_or(12, |f| f.params.len());
                if usize::from(n) >= most {
                    self.error(
                        span,
                        format!("there is no {name}: this tracepoint has {most} arguments"),
                    );
                    return Some(unknown(span));
                }
                Expr { kind: ExprKind::Builtin(Builtin::Arg(n)), ty: Type::U64, span }
            }
            (Context::Tracepoint { .. }, _) => {
                self.error(span, format!("a tracepoint has no {name}")).help("use args.NAME");
                unknown(span)
            }
            (Context::Kprobe { ret: true } | Context::Uprobe { ret: true, .. }, _) => {
                self.error(span, format!("{name} is not there when a function returns"))
                    .help("save it in a map at the entry, or use retval");
                unknown(span)
            }
            _ => {
                self.error(span, format!("this kind of probe has no {name}"));
                unknown(span)
            }
        })
    }

    fn func(&mut self, span: Span) -> Expr {
        let ty = match self.context {
            Context::Kprobe { .. } => Type::Ksym,
            Context::Uprobe { .. } => Type::Usym,
            _ => {
                self.error(span, "`func` is for kprobes and uprobes").help("use `probe`");
                return unknown(span);
            }
        };
        Expr { kind: ExprKind::Builtin(Builtin::Func), ty, span }
    }

    fn retval(&mut self, span: Span) -> Expr {
        match self.context {
            Context::Kprobe { ret: true } | Context::Uprobe { ret: true, .. } => {
                Expr { kind: ExprKind::Builtin(Builtin::Retval), ty: Type::U64, span }
            }
            _ => {
                let help = match self.context {
                    Context::Tracepoint { .. } => "a system call's exit tracepoint has args.ret",
                    Context::Uprobe { .. } => {
                        "attach to `uretprobe:` to see what a function returns"
                    }
                    Context::Kprobe { .. } => {
                        "attach to `kretprobe:` to see what a function returns"
                    }
                    _ => "",
                };
                self.error(span, "`retval` is for kretprobes and uretprobes").help(help);
                unknown(span)
            }
        }
    }

    fn ctx(&mut self, span: Span) -> Expr {
        let name = match self.context {
            Context::Kprobe { .. } | Context::Uprobe { .. } => "pt_regs",
            Context::Perf => "bpf_perf_event_data",
            Context::RawTracepoint { .. } => "bpf_raw_tracepoint_args",
            _ => {
                self.error(span, "`ctx` cannot be used here").help("use args");
                return unknown(span);
            }
        };
        let to = self.store.tagged(CTypeKind::Struct, name).unwrap_or_default();
        Expr { kind: ExprKind::Builtin(Builtin::Ctx), ty: Type::ptr(to, Space::Ctx), span }
    }

    /// A name that is nothing.
    pub(super) fn unknown_name(&mut self, name: &str, span: Span) {
        if super::calls::FUNCTIONS.iter().any(|f| f.0 == name) {
            self.error(span, format!("`{name}` is a function"))
                .help(format!("call it: `{name}()`"));
            return;
        }
        if let Some(instead) = super::calls::later(name) {
            self.error(span, format!("`{name}` is not supported yet")).help(instead);
            return;
        }
        let script = self.script;
        let is_macro = script
            .items
            .iter()
            .any(|i| matches!(i, crate::syntax::ast::Item::Macro(m) if m.name == name));
        if is_macro {
            self.error(span, format!("`{name}` is a macro, and macros are not supported yet"))
                .help("write its body here");
            return;
        }
        let own =
            self.store.enumerators.keys().chain(self.store.defines.keys()).map(String::as_str);
        let near =
            nearest(name, NAMES.iter().copied().chain(own)).map(|n| format!("did you mean `{n}`?"));
        let near = near.unwrap_or_default();
        self.error(span, format!("there is no `{name}`")).help(near);
    }
}
