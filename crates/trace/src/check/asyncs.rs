//! Calls that user space carries out: each is entered in the plan as an action, and becomes an event with its arguments.

use super::convert::cast_to;
use super::{Checker, int, is_unknown, unknown};
use crate::hir::{Builtin, Call, Expr, ExprKind};
use crate::plan::Action;
use crate::syntax::ast::{self, ExprKind as Ast, Span};
use crate::types::{Clock, Type};

impl Checker<'_> {
    pub(super) fn asynchronous(&mut self, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        match name {
            "print" => self.print(args, span),
            "clear" | "zero" => self.whole_map(name, &args[0], span),
            "time" => self.time(args, span),
            "strftime" => self.strftime(args, span),
            "join" => self.join_call(args, span),
            "exit" => self.exit(args, span),
            _ => self.formatted(name, args, span),
        }
    }

    /// An event: an expression without a value.
    fn emit(&mut self, action: Action, args: Vec<Expr>, span: Span) -> Expr {
        for arg in &args {
            self.store.fill_deep(&arg.ty);
        }
        let id = self.action(action);
        Expr { kind: ExprKind::Emit(id, args), ty: Type::None, span }
    }

    /// printf, errorf, warnf, system, cat.
    fn formatted(&mut self, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        if matches!(name, "system" | "cat") {
            self.require_unsafe(name, span);
        }
        let format = self.literal_str(&args[0], "the format");
        let values: Vec<Expr> = args[1..].iter().map(|a| self.expr(a)).collect();
        let Some(format) = format else { return unknown(span) };
        if values.iter().any(is_unknown) {
            // What is wrong with the format itself can be told all the same.
            if let Err(message) = super::format::parse(&format) {
                self.error(args[0].span, message);
            }
            return unknown(span);
        }
        let Some(format) = self.format(&format, args[0].span, &values, span) else {
            return unknown(span);
        };
        let action = match name {
            "printf" => Action::Printf(format),
            "errorf" | "warnf" => {
                Action::Log { error: name == "errorf", place: String::new(), span, format }
            }
            "system" => Action::System(format),
            _ => Action::Cat(format),
        };
        self.emit(action, values, span)
    }

    fn print(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        match &args[0].kind {
            Ast::Map(name) => return self.print_map(name, args, span),
            Ast::MapElem { map, keys } => {
                let id = self.map_id(map);
                if self.map_state(id).value_agg().is_some() {
                    self.only_maps(&args[1..]);
                    return match self.map_keys(id, keys, span) {
                        Some(key) => self.emit(Action::PrintMapElem { map: id, div: 0 }, key, span),
                        None => unknown(span),
                    };
                }
            }
            _ => {}
        }
        self.only_maps(&args[1..]);
        let value = self.expr(&args[0]);
        if is_unknown(&value) {
            return value;
        }
        let ty = value.ty.clone();
        self.emit(Action::PrintValue(ty), vec![value], span)
    }

    fn only_maps(&mut self, rest: &[ast::Expr]) {
        if let Some(first) = rest.first() {
            self.error(
                first.span,
                "only a whole map can be printed with a number of entries and a divisor",
            );
        }
    }

    fn print_map(&mut self, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        let map = self.map_id(name);
        self.needs_value(map, args[0].span);
        let mut numbers = [0i64; 2];
        for (slot, arg) in numbers.iter_mut().zip(&args[1..]) {
            let what = "the number of entries or the divisor";
            let Some(value) = self.constant(arg, what) else { return unknown(span) };
            if value < 0 {
                self.error(arg.span, format!("{what} cannot be negative"));
                return unknown(span);
            }
            *slot = value;
        }
        let top = u32::try_from(numbers[0]).unwrap_or(u32::MAX);
        self.emit(Action::PrintMap { map, top, div: numbers[1] as u64 }, Vec::new(), span)
    }

    fn whole_map(&mut self, name: &str, arg: &ast::Expr, span: Span) -> Expr {
        let Ast::Map(map) = &arg.kind else {
            if arg.kind != Ast::Error {
                let help = match &arg.kind {
                    Ast::MapElem { map, .. } => {
                        format!("write `delete({map}, key)` for one element")
                    }
                    _ => format!("write `{name}(@map)`"),
                };
                self.error(arg.span, format!("{name}() takes a map")).help(help);
            }
            return unknown(span);
        };
        let id = self.map_id(map);
        self.needs_value(id, arg.span);
        let action = if name == "clear" { Action::Clear(id) } else { Action::Zero(id) };
        self.emit(action, Vec::new(), span)
    }

    fn time(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let format = match args.first() {
            Some(arg) => self.literal_text(arg, "the format"),
            None => Some("%H:%M:%S\n".to_owned()),
        };
        match format {
            Some(format) => self.emit(Action::Time(format), Vec::new(), span),
            None => unknown(span),
        }
    }

    fn strftime(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let format = self.literal_text(&args[0], "the format");
        let time = self.number(&args[1], "the time");
        let Some(format) = format.filter(|_| !is_unknown(&time)) else { return unknown(span) };
        let clock = match time.kind {
            ExprKind::Builtin(Builtin::Nsecs(Clock::Monotonic)) => {
                self.error(
                    args[1].span,
                    "strftime() cannot show monotonic time, which has no date",
                )
                .help("use nsecs or nsecs(tai)");
                return unknown(span);
            }
            ExprKind::Builtin(Builtin::Nsecs(clock)) => clock,
            _ => Clock::Boot,
        };
        let format = self.string(&format);
        let time = Box::new(cast_to(time, Type::U64));
        Expr { kind: ExprKind::Call(Call::Pack(time)), ty: Type::Timestamp { format, clock }, span }
    }

    fn join_call(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let argv = self.expr(&args[0]);
        let separator = match args.get(1) {
            Some(arg) => self.literal_text(arg, "the separator"),
            None => Some(" ".to_owned()),
        };
        let (Some(separator), false) = (separator, is_unknown(&argv)) else { return unknown(span) };
        if !matches!(argv.ty, Type::Int { .. } | Type::Ptr { .. }) {
            let ty = self.type_name(&argv.ty);
            self.error(
                args[0].span,
                format!("join() takes an array of strings (`char **`), not {ty}"),
            );
            return unknown(span);
        }
        let action = self.action(Action::Join { separator });
        let argv = Box::new(argv);
        Expr { kind: ExprKind::Call(Call::Join { action, argv }), ty: Type::None, span }
    }

    /// The probe ends there, too: see [`Checker::effect`].
    fn exit(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let code = match args.first() {
            Some(arg) => self.number(arg, "the exit code"),
            None => int(0, Type::U64, span),
        };
        if is_unknown(&code) {
            return code;
        }
        let code = cast_to(code, Type::U64);
        self.emit(Action::Exit, vec![code], span)
    }
}
