//! Symbols, stacks and registers.

use skep_abi::regs::Arch;

use super::builtins::DEFAULT_DEPTH;
use super::convert::cast_to;
use super::settings::stack_mode;
use super::{Checker, Context, int, is_unknown, unknown};
use crate::hir::{Builtin, Call, Expr, ExprKind};
use crate::syntax::ast::{self, ExprKind as Ast, Span};
use crate::types::{Space, StackSpec, Type};

impl Checker<'_> {
    pub(super) fn symbol(&mut self, name: &str, arg: &ast::Expr, span: Span) -> Expr {
        let value = self.expr(arg);
        if is_unknown(&value) {
            return value;
        }
        if !matches!(value.ty, Type::Int { .. } | Type::Ptr { .. }) {
            let ty = self.type_name(&value.ty);
            self.error(arg.span, format!("{name}() takes an address, not {ty}"));
            return unknown(span);
        }
        let address = Box::new(cast_to(self.widen(value), Type::U64));
        let (call, ty) = match name {
            "ksym" => (Call::Ksym(address), Type::Ksym),
            _ => (Call::Usym(address), Type::Usym),
        };
        Expr { kind: ExprKind::Call(call), ty, span }
    }

    pub(super) fn kaddr(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        let Some(name) = self.literal_text(arg, "the symbol") else { return unknown(span) };
        match self.host.kernel_symbol(&name) {
            Some(address) => int(address as i64, Type::U64, span),
            None => {
                self.error(arg.span, format!("there is no kernel symbol `{name}`"));
                unknown(span)
            }
        }
    }

    pub(super) fn uaddr(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        let Context::Uprobe { path, .. } = self.context.clone() else {
            self.error(span, "uaddr() is for uprobes and uretprobes");
            return unknown(span);
        };
        let Some(name) = self.literal_text(arg, "the symbol") else { return unknown(span) };
        match self.host.user_symbol(&path, &name) {
            Ok(Some(symbol)) => {
                let bits = match symbol.size {
                    1 => 8,
                    2 => 16,
                    4 => 32,
                    _ => 64,
                };
                let ty = Type::ptr(Type::Int { bits, signed: false }, Space::User);
                cast_to(int(symbol.address as i64, Type::U64, span), ty)
            }
            Ok(None) => {
                self.error(arg.span, format!("{} has no symbol `{name}`", path.display()));
                unknown(span)
            }
            Err(e) => {
                self.error(arg.span, format!("cannot look up `{name}`: {e}"));
                unknown(span)
            }
        }
    }

    /// `kstack`, `ustack`: mode and depth, in any order.
    pub(super) fn stack(&mut self, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        let mut spec = StackSpec { mode: self.config.stack_mode, depth: DEFAULT_DEPTH };
        for arg in args {
            if let Ast::Ident(word) = &arg.kind
                && let Some(mode) = stack_mode(word)
            {
                spec.mode = mode;
                continue;
            }
            if let Ast::Ident(word) = &arg.kind
                && !self.store.defines.contains_key(word)
            {
                self.error(arg.span, format!("there is no stack mode `{word}`"))
                    .help("modes are bpftrace, perf, raw and build_id");
                return unknown(span);
            }
            let Some(depth) = self.constant(arg, "the depth") else { return unknown(span) };
            match u16::try_from(depth) {
                Ok(depth @ 1..=1024) => spec.depth = depth,
                _ => {
                    self.error(arg.span, format!("a stack has 1 to 1024 frames, not {depth}"));
                    return unknown(span);
                }
            }
        }
        let (builtin, ty) = match name {
            "kstack" => (Builtin::Kstack(spec), Type::Kstack(spec)),
            _ => (Builtin::Ustack(spec), Type::Ustack(spec)),
        };
        Expr { kind: ExprKind::Builtin(builtin), ty, span }
    }

    pub(super) fn reg(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        if !matches!(self.context, Context::Kprobe { .. } | Context::Uprobe { .. } | Context::Perf)
        {
            self.error(span, "there are no registers in this kind of probe")
                .help("reg() is for kprobes, uprobes and samples");
            return unknown(span);
        }
        let Some(name) = self.literal_text(arg, "the register") else { return unknown(span) };
        let Some(arch) = Arch::host() else {
            self.error(span, "the registers of this machine are not known");
            return unknown(span);
        };
        match arch.offset(&name) {
            Some(offset) => {
                Expr { kind: ExprKind::Builtin(Builtin::Reg(offset)), ty: Type::U64, span }
            }
            None => {
                let all: Vec<&str> = arch.registers().iter().map(|r| r.0).collect();
                self.error(arg.span, format!("{} has no register `{name}`", arch.name()))
                    .help(format!("registers are {}", all.join(", ")));
                unknown(span)
            }
        }
    }
}
