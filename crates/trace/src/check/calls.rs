//! Calls of functions that the program computes itself, or that are known when the script is compiled.

use std::net::{Ipv4Addr, Ipv6Addr};

use skep_abi::signal;

use super::convert::cast_to;
use super::names::nearest;
use super::{Checker, Context, aggregate, int, is_unknown, literal, unknown};
use crate::hir::{Builtin, Call, Expr, ExprKind, MapId};
use crate::syntax::ast::{self, ExprKind as Ast, Item, Span};
use crate::types::{Clock, Space, Type};

/// A function: name, least and most arguments.
pub(super) const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("printf", 1, 128),
    ("errorf", 1, 128),
    ("warnf", 1, 128),
    ("print", 1, 3),
    ("clear", 1, 1),
    ("zero", 1, 1),
    ("time", 0, 1),
    ("strftime", 2, 2),
    ("join", 1, 2),
    ("cat", 1, 128),
    ("system", 1, 128),
    ("exit", 0, 1),
    ("str", 1, 2),
    ("buf", 1, 2),
    ("ksym", 1, 1),
    ("usym", 1, 1),
    ("kaddr", 1, 1),
    ("uaddr", 1, 1),
    ("kstack", 0, 2),
    ("ustack", 0, 2),
    ("reg", 1, 1),
    ("ntop", 1, 2),
    ("pton", 1, 1),
    ("macaddr", 1, 1),
    ("cgroupid", 1, 1),
    ("cgroup_path", 1, 2),
    ("strncmp", 3, 3),
    ("strcontains", 2, 2),
    ("bswap", 1, 1),
    ("nsecs", 0, 1),
    ("delete", 1, 2),
    ("has_key", 2, 2),
    ("len", 1, 1),
    ("signal", 1, 1),
    ("override", 1, 1),
    ("kptr", 1, 1),
    ("uptr", 1, 1),
];

/// Functions and builtins of upstream that skep does not have yet, and what does the same today.
pub(super) const LATER: &[(&str, &str)] = &[
    ("assert", "write `if (!(condition)) { errorf(...); exit(1); }`"),
    ("assert_str", ""),
    ("config", "write the value itself"),
    (
        "container_of",
        "cast the address less the offset: `(struct T *)((uint64)$p - offsetof(struct T, field))`",
    ),
    ("debugf", "use printf()"),
    ("default_str_length", "write the number; it is max_strlen"),
    ("dw_ustack", "use ustack(), for programs built with frame pointers"),
    ("fail", "write `errorf(...); exit(1);`"),
    ("find", "use has_key(), then read the element"),
    ("getopt", "use positional parameters: $1, $2"),
    ("is_array", ""),
    ("is_err", "compare: `(int64)$p < 0 && (int64)$p > -4096`"),
    ("is_integer", ""),
    ("is_literal", ""),
    ("is_ptr", ""),
    ("is_str", ""),
    ("is_unsigned_integer", ""),
    ("kfunc_allowed", ""),
    ("kfunc_exist", ""),
    ("leader_comm", "write `curtask.group_leader.comm`"),
    ("leader_tid", "write `pid`"),
    ("memcmp", "compare buf(a, n) with buf(b, n)"),
    ("path", "show the last part: `str(file.f_path.dentry.d_name.name)`"),
    ("pcomm", "write `curtask.real_parent.comm`"),
    ("percpu_kaddr", ""),
    ("ppid", "write `curtask.real_parent.tgid`"),
    ("probetype", ""),
    ("signal_name", "show the number"),
    ("signal_thread", "use signal()"),
    ("skboutput", ""),
    ("socket_cookie", "use the address of the socket"),
    ("static_assert", ""),
    ("str_concat", "print both, one after the other"),
    ("strcap", ""),
    ("strerror", "show the number; `errno -l` explains it"),
    ("strlen", "compare with \"\" or a byte: `$s[n] == 0`"),
    ("strstr", "use strcontains()"),
    ("syscall_name", "use tracepoint:syscalls:sys_enter_* and `probe`, or show the number"),
    ("unwatch", ""),
    ("usermode", ""),
    ("write_user", ""),
];

/// What can be used instead of something that is not there yet; `None` if nobody ever heard of it.
pub(super) fn later(name: &str) -> Option<&'static str> {
    LATER.iter().find(|l| l.0 == name).map(|l| l.1)
}

impl Checker<'_> {
    /// Any call.
    pub(super) fn call(
        &mut self,
        name: &str,
        name_span: Span,
        args: &[ast::Expr],
        span: Span,
    ) -> Expr {
        if aggregate::is_aggregation(name) {
            self.error(span, format!("{name}() can only be assigned to a map"))
                .help(format!("write `@name = {name}(...)`"));
            return unknown(span);
        }
        let Some((_, least, most)) = FUNCTIONS.iter().find(|f| f.0 == name).copied() else {
            return self.no_function(name, name_span, args, span);
        };
        if !self.arity(name, args, least, most, span) {
            return unknown(span);
        }
        match name {
            "str" => self.str(args, span),
            "buf" => self.buf(args, span),
            "ksym" | "usym" => self.symbol(name, &args[0], span),
            "kaddr" => self.kaddr(&args[0], span),
            "uaddr" => self.uaddr(&args[0], span),
            "kstack" | "ustack" => self.stack(name, args, span),
            "reg" => self.reg(&args[0], span),
            "ntop" => self.ntop(args, span),
            "pton" => self.pton(&args[0], span),
            "macaddr" => self.macaddr(&args[0], span),
            "cgroupid" => self.cgroupid(&args[0], span),
            "cgroup_path" => self.cgroup_path(args, span),
            "strncmp" => self.strncmp(args, span),
            "strcontains" => self.strcontains(args, span),
            "bswap" => self.bswap(&args[0], span),
            "nsecs" => self.nsecs(args, span),
            "delete" | "has_key" => self.element_call(name, args, span),
            "len" => self.len(&args[0], span),
            "signal" | "override" => self.unsafe_call(name, &args[0], span),
            "kptr" => self.in_space(&args[0], Space::Kernel, span),
            "uptr" => self.in_space(&args[0], Space::User, span),
            _ => self.asynchronous(name, args, span),
        }
    }

    fn no_function(&mut self, name: &str, name_span: Span, args: &[ast::Expr], span: Span) -> Expr {
        // `pid(init)`: skep sees the ids of the initial namespace.
        if let ([Ast::Ident(namespace)], "pid" | "tid") =
            (args.iter().map(|a| a.kind.clone()).collect::<Vec<_>>().as_slice(), name)
            && matches!(namespace.as_str(), "init" | "curr_ns")
            && let Some(value) = self.builtin(name, span)
        {
            return value;
        }
        // A builtin may be written as a call without arguments.
        if args.is_empty()
            && let Some(value) = self.builtin(name, span)
        {
            return value;
        }
        let script = self.script;
        let item = script.items.iter().find_map(|i| match i {
            Item::Macro(m) if m.name == name => Some("macros"),
            Item::Function(f) if f.name == name => Some("functions of the script"),
            _ => None,
        });
        if let Some(what) = item {
            self.error(name_span, format!("{what} are not supported yet: `{name}`"))
                .help("write its body here");
        } else if let Some(instead) = later(name) {
            self.error(name_span, format!("{name}() is not supported yet")).help(instead);
        } else {
            let aggregations =
                ["count", "sum", "avg", "min", "max", "stats", "hist", "lhist", "tseries"];
            let near = nearest(name, FUNCTIONS.iter().map(|f| f.0).chain(aggregations));
            let help = near.map(|n| format!("did you mean `{n}`?")).unwrap_or_default();
            self.error(name_span, format!("there is no function {name}()")).help(help);
        }
        unknown(span)
    }

    /// Whether the number of arguments is right.
    pub(super) fn arity(
        &mut self,
        name: &str,
        args: &[ast::Expr],
        least: usize,
        most: usize,
        span: Span,
    ) -> bool {
        let given = args.len();
        if (least..=most).contains(&given) {
            return true;
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let wants = match (least, most) {
            (0, 0) => "no arguments".to_owned(),
            (a, b) if a == b => format!("{a} argument{}", s(a)),
            (a, b) if given < a && b > 3 => format!("at least {a} argument{}", s(a)),
            (a, b) if b > 3 => format!("at most {b} arguments ({a} at least)"),
            (a, b) => format!("{a} to {b} arguments"),
        };
        self.error(span, format!("{name}() takes {wants}, not {given}"));
        false
    }

    // Addresses of networks.

    fn ntop(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let family = match args {
            [family, _] => {
                let value = self.number(family, "the address family");
                if is_unknown(&value) {
                    return value;
                }
                Some(Box::new(value))
            }
            _ => None,
        };
        let addr = self.expr(&args[args.len() - 1]);
        if is_unknown(&addr) {
            return addr;
        }
        let addr = match &addr.ty {
            ty if ty.is_integral() => self.widen(addr),
            Type::Array { .. } | Type::Str { .. }
                if matches!(self.store.types.size(&addr.ty), 4 | 16) =>
            {
                addr
            }
            Type::Ptr { to, .. } if family.is_some() || matches!(**to, Type::Array { .. }) => addr,
            ty => {
                let ty = self.type_name(&ty.clone());
                self.error(
                    addr.span,
                    format!("ntop() takes an integer or 4 or 16 bytes, not {ty}"),
                );
                return unknown(span);
            }
        };
        let kind = ExprKind::Call(Call::Ntop { family, addr: Box::new(addr) });
        Expr { kind, ty: Type::Inet, span }
    }

    /// An address as an array of bytes, known now.
    fn pton(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        let Some(text) = self.literal_text(arg, "the address") else { return unknown(span) };
        let bytes: Vec<u8> = match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
            (Ok(v4), _) => v4.octets().to_vec(),
            (_, Ok(v6)) => v6.octets().to_vec(),
            _ => {
                self.error(arg.span, format!("`{text}` is no IPv4 or IPv6 address"));
                return unknown(span);
            }
        };
        let ty = Type::Array { elem: Box::new(Type::U8), len: bytes.len() as u32 };
        Expr { kind: ExprKind::Str(bytes), ty, span }
    }

    fn macaddr(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        let value = self.expr(arg);
        if is_unknown(&value) {
            return value;
        }
        let fits = match &value.ty {
            Type::Array { .. } | Type::Str { .. } => self.store.types.size(&value.ty) == 6,
            Type::Ptr { .. } | Type::Int { .. } => true,
            _ => false,
        };
        if !fits {
            let ty = self.type_name(&value.ty);
            self.error(arg.span, format!("macaddr() takes 6 bytes or their address, not {ty}"));
            return unknown(span);
        }
        let address = self.address(value);
        Expr { kind: ExprKind::Call(Call::Macaddr(Box::new(address))), ty: Type::Mac, span }
    }

    // The rest.

    fn cgroupid(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        let Some(path) = self.literal_text(arg, "the path") else { return unknown(span) };
        match self.host.cgroup_id(&path) {
            Ok(id) => int(id as i64, Type::U64, span),
            Err(e) => {
                self.error(arg.span, format!("cannot find the cgroup: {e}"));
                unknown(span)
            }
        }
    }

    fn cgroup_path(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let id = self.number(&args[0], "the cgroup's id");
        let pattern = match args.get(1) {
            Some(arg) => self.literal_text(arg, "the filter"),
            None => Some("*".to_owned()),
        };
        let Some(pattern) = pattern.filter(|_| !is_unknown(&id)) else { return unknown(span) };
        let pattern = self.string(&pattern);
        let id = Box::new(cast_to(id, Type::U64));
        Expr { kind: ExprKind::Call(Call::Pack(id)), ty: Type::CgroupPath { pattern }, span }
    }

    fn bswap(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        let value = self.expr(arg);
        let value = self.integer(value, "the argument of bswap()");
        let ty = match value.ty {
            Type::Int { bits, .. } => Type::Int { bits, signed: false },
            _ if is_unknown(&value) => return value,
            _ => Type::U64,
        };
        let value = Box::new(cast_to(value, ty.clone()));
        Expr { kind: ExprKind::Call(Call::Bswap(value)), ty, span }
    }

    fn nsecs(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let clock = match args.first().map(|a| &a.kind) {
            None => Some(Clock::Boot),
            Some(Ast::Ident(mode)) => match mode.as_str() {
                "monotonic" => Some(Clock::Monotonic),
                "boot" => Some(Clock::Boot),
                "tai" | "sw_tai" => Some(Clock::Tai),
                _ => None,
            },
            Some(_) => None,
        };
        match clock {
            Some(clock) => {
                Expr { kind: ExprKind::Builtin(Builtin::Nsecs(clock)), ty: Type::U64, span }
            }
            None => {
                let message = match &args[0].kind {
                    Ast::Ident(mode) => format!("there is no clock `{mode}`"),
                    _ => "a clock is given by its name".to_owned(),
                };
                self.error(args[0].span, message)
                    .help("clocks are monotonic, boot, tai and sw_tai");
                unknown(span)
            }
        }
    }

    /// `delete` and `has_key`: `f(@m, k)`, `f(@m, (k1, k2))`, and of old `delete(@m[k])`.
    fn element_call(&mut self, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        let (map, key) = match (&args[0].kind, args.get(1)) {
            (Ast::Map(map), Some(key)) => {
                let id = self.map_id(map);
                (id, self.map_keys(id, std::slice::from_ref(key), span))
            }
            (Ast::Map(map), None) => {
                let id = self.map_id(map);
                (id, self.map_keys(id, &[], span))
            }
            (Ast::MapElem { map, keys }, None) => {
                let id = self.map_id(map);
                (id, self.map_keys(id, keys, span))
            }
            (Ast::Error, _) => return unknown(span),
            _ => {
                self.error(args[0].span, format!("{name}() takes a map"))
                    .help(format!("write `{name}(@map, key)`"));
                return unknown(span);
            }
        };
        self.needs_value(map, span);
        let Some(key) = key else { return unknown(span) };
        let call = match name {
            "delete" => Call::Delete { map, key },
            _ => Call::HasKey { map, key },
        };
        Expr { kind: ExprKind::Call(call), ty: Type::Bool, span }
    }

    /// An error if nothing gives the map a value.
    pub(super) fn needs_value(&mut self, map: MapId, span: Span) {
        if self.map_state(map).value.ty == Type::None {
            let name = self.map_state(map).name.clone();
            self.undefined_map(&name, span);
        }
    }

    fn len(&mut self, arg: &ast::Expr, span: Span) -> Expr {
        if let Ast::Map(name) = &arg.kind {
            let map = self.map_id(name);
            self.needs_value(map, arg.span);
            if self.map_state(map).keys.as_ref().is_some_and(Vec::is_empty) {
                self.error(arg.span, format!("{name} has no keys to count"));
                return unknown(span);
            }
            return Expr { kind: ExprKind::Call(Call::Len(map)), ty: Type::I64, span };
        }
        let value = self.expr(arg);
        match value.ty {
            Type::Kstack(_) | Type::Ustack(_) => {
                Expr { kind: ExprKind::Call(Call::StackLen(Box::new(value))), ty: Type::I64, span }
            }
            Type::Array { len, .. } => int(len.into(), Type::I64, span),
            _ if is_unknown(&value) => value,
            _ => {
                let ty = self.type_name(&value.ty);
                self.error(arg.span, format!("len() takes a map or a stack, not {ty}"));
                unknown(span)
            }
        }
    }

    fn unsafe_call(&mut self, name: &str, arg: &ast::Expr, span: Span) -> Expr {
        self.require_unsafe(name, span);
        let value =
            if name == "signal" { self.signal_number(arg) } else { self.number(arg, "the result") };
        if name == "override" && !matches!(self.context, Context::Kprobe { ret: false }) {
            self.error(span, "override() is for kprobes");
        }
        if is_unknown(&value) {
            return unknown(span);
        }
        let call = match name {
            "signal" => Call::Signal(Box::new(value)),
            _ => Call::Override(Box::new(value)),
        };
        Expr { kind: ExprKind::Call(call), ty: Type::None, span }
    }

    fn signal_number(&mut self, arg: &ast::Expr) -> Expr {
        let value = self.expr(arg);
        if let ExprKind::Str(name) = &value.kind {
            let found = std::str::from_utf8(name).ok().and_then(signal::number);
            return match found {
                Some(n) => int(n.into(), Type::I64, arg.span),
                None => {
                    self.error(arg.span, "there is no such signal")
                        .help("write it as \"SIGUSR1\" or as a number");
                    unknown(arg.span)
                }
            };
        }
        let value = self.integer(value, "the signal");
        if let Some(n) = literal(&value)
            && !(1..=i64::from(signal::MAX)).contains(&n)
        {
            self.error(arg.span, format!("there is no signal {n}"));
            return unknown(arg.span);
        }
        self.widen(value)
    }

    /// Functions that change the system need a flag.
    pub(super) fn require_unsafe(&mut self, name: &str, span: Span) {
        if !self.options.unsafe_mode {
            self.error(
                span,
                format!("{name}() can change the system, so it needs the flag --unsafe"),
            )
            .help("call skep with --unsafe if that is meant");
        }
    }

    fn in_space(&mut self, arg: &ast::Expr, space: Space, span: Span) -> Expr {
        let value = self.expr(arg);
        let to = match &value.ty {
            Type::Ptr { to, .. } => (**to).clone(),
            Type::Int { .. } => Type::Int { bits: 8, signed: true },
            _ if is_unknown(&value) => return value,
            ty => {
                let ty = self.type_name(&ty.clone());
                self.error(arg.span, format!("a pointer is wanted here, not {ty}"));
                return unknown(span);
            }
        };
        let ty = Type::ptr(to, space);
        Expr { kind: ExprKind::Cast(Box::new(value)), ty, span }
    }
}
