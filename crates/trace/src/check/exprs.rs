//! Expressions.

use super::convert::{cast_to, element_types, space_of_place};
use super::infer::smallest;
use super::names::nearest;
use super::store::{Define, with_space};
use super::{Checker, Context, int, is_unknown, literal, unknown};
use crate::hir::{Builtin, Expr, ExprKind, VarId};
use crate::syntax::ast::{self, ExprKind as Ast, Span, UnaryOp};
use crate::types::{Field, Space, StructId, Type};

impl Checker<'_> {
    /// The value of an expression. A call that gives none is an error here; see [`Checker::effect`].
    pub(super) fn expr(&mut self, e: &ast::Expr) -> Expr {
        let value = self.any(e);
        if value.ty == Type::None && !is_unknown(&value) {
            self.error(e.span, "this has no value").label("used as a value here");
            return unknown(e.span);
        }
        value
    }

    /// An expression that may have no value.
    pub(super) fn any(&mut self, e: &ast::Expr) -> Expr {
        if self.depth >= super::DEEPEST {
            self.error(e.span, "this is nested too deeply");
            return unknown(e.span);
        }
        self.depth += 1;
        let value = self.any_inner(e);
        self.depth -= 1;
        value
    }

    fn any_inner(&mut self, e: &ast::Expr) -> Expr {
        let span = e.span;
        match &e.kind {
            Ast::Int { value, unsigned } => {
                let ty = if *unsigned && *value > i64::MAX as u64 { Type::U64 } else { Type::I64 };
                int(*value as i64, ty, span)
            }
            Ast::Str(bytes) => str_literal(bytes, span),
            Ast::Bool(b) => int(i64::from(*b), Type::Bool, span),
            Ast::Positional(n) => self.positional(*n, span),
            Ast::PositionalCount => int(self.options.params.len() as i64, Type::I64, span),
            Ast::Ident(name) => self.ident(name, span),
            Ast::Var(name) => self.var(name, span),
            Ast::Map(name) => self.map_read(name, &[], span),
            Ast::MapElem { map, keys } => self.map_read(map, keys, span),
            Ast::Call { name, name_span, args } => self.call(name, *name_span, args, span),
            Ast::SizeofType(ty) => {
                if let Some(size) = self.sizeof_name(ty, span) {
                    return size;
                }
                match self.type_of(ty, Space::Unknown) {
                    Some(ty) => self.size_literal(&ty, span),
                    None => unknown(span),
                }
            }
            Ast::SizeofExpr(inner) => self.sizeof_expr(inner, span),
            Ast::Offsetof(ty, path) => self.offsetof(ty, path, span),
            Ast::Cast { ty, expr } => self.cast_expr(ty, expr, span),
            Ast::Field { expr, name, name_span, .. } => self.field(expr, name, *name_span, span),
            Ast::Index { expr, index } => self.index(expr, index, span),
            Ast::Unary { op, expr } => self.unary(*op, expr, span),
            Ast::Binary { .. } => self.binary_spine(e),
            Ast::Ternary { cond, then, els } => self.ternary(cond, then.as_deref(), els, span),
            Ast::Tuple(elems) => {
                let elems: Vec<Expr> = elems
                    .iter()
                    .map(|e| {
                        let value = self.expr(e);
                        if matches!(e.kind, Ast::Cast { .. }) { value } else { narrowed(value) }
                    })
                    .collect();
                if elems.iter().any(is_unknown) {
                    return unknown(span);
                }
                let ty = Type::Tuple(elems.iter().map(|e| e.ty.clone()).collect());
                Expr { kind: ExprKind::Tuple(elems), ty, span }
            }
            Ast::Record(fields) => self.record(fields, span),
            Ast::Block(block) => self.block_value(block, span),
            Ast::If { cond, then, els } => self.if_value(cond, then, els, span),
            Ast::Error => unknown(span),
        }
    }

    /// `sizeof(NAME)` of a constant, which is written as a type would be.
    fn sizeof_name(&mut self, ty: &ast::TypeExpr, span: Span) -> Option<Expr> {
        let ast::TypeExprKind::Name(name) = &ty.kind else { return None };
        if super::store::c_int(name).is_some() {
            return None;
        }
        let known =
            self.store.enumerators.contains_key(name) || self.store.btf_enumerator(name).is_some();
        // Constants are numbers of 64 bits, whatever their enum takes.
        known.then(|| int(8, Type::U64, span))
    }

    fn sizeof_expr(&mut self, inner: &ast::Expr, span: Span) -> Expr {
        let actions = self.actions.len();
        let value = self.expr(inner);
        self.actions.truncate(actions);
        if is_unknown(&value) {
            return unknown(span);
        }
        // A plain number, and a variable that only ever holds such, count as the smallest type that holds them.
        let bits = match value.kind {
            ExprKind::Int(n) if matches!(inner.kind, Ast::Int { .. }) => smallest(n),
            ExprKind::Var(id) => self.vars[&self.locals[id.0 as usize].key].literal_bits,
            _ => 0,
        };
        match bits {
            0 => self.size_literal(&value.ty, span),
            bits => int(i64::from(bits / 8), Type::U64, span),
        }
    }

    /// The type of an expression that is not evaluated.
    pub(super) fn type_only(&mut self, e: &ast::Expr) -> Option<Type> {
        let actions = self.actions.len();
        let value = self.expr(e);
        self.actions.truncate(actions);
        (!is_unknown(&value)).then_some(value.ty)
    }

    fn size_literal(&mut self, ty: &Type, span: Span) -> Expr {
        if let Type::Struct(id) = ty {
            self.store.fill(*id);
        }
        int(self.store.types.size(ty).into(), Type::U64, span)
    }

    fn offsetof(&mut self, ty: &ast::TypeExpr, path: &[String], span: Span) -> Expr {
        let Some(mut ty) = self.type_of(ty, Space::Unknown) else { return unknown(span) };
        let mut offset = 0i64;
        for name in path {
            let Type::Struct(id) = ty else {
                let name = self.type_name(&ty);
                self.error(span, format!("{name} has no fields"));
                return unknown(span);
            };
            let Some(field) = self.find_field(id, name, span) else { return unknown(span) };
            if field.bits.is_some() {
                self.error(span, format!("`{name}` is a bitfield: it has no offset in bytes"));
                return unknown(span);
            }
            offset += i64::from(field.offset);
            ty = field.ty;
        }
        int(offset, Type::U64, span)
    }

    /// `$1`: a number where it is one, else text; 0 where it is missing.
    fn positional(&mut self, n: u32, span: Span) -> Expr {
        let text = self.param(n).unwrap_or("0");
        match super::preprocess::int(text) {
            Some(value) => int(value, Type::I64, span),
            None => str_literal(text.as_bytes(), span),
        }
    }

    /// A positional parameter's text.
    pub(super) fn param(&self, n: u32) -> Option<&str> {
        let at = (n as usize).checked_sub(1)?;
        self.options.params.get(at).map(String::as_str)
    }

    /// A name without arguments.
    fn ident(&mut self, name: &str, span: Span) -> Expr {
        if let Some(value) = self.builtin(name, span) {
            return value;
        }
        if let Some((value, id)) = self.store.enumerators.get(name) {
            return int(*value, Type::Enum(*id), span);
        }
        match self.store.defines.get(name).cloned() {
            Some(Define::Int(value)) => return int(value, Type::I64, span),
            Some(Define::Str(bytes)) => return str_literal(&bytes, span),
            Some(Define::Other(text)) => {
                self.error(span, format!("`{name}` is defined as `{text}`, which is no constant"))
                    .help("only numbers and strings can be used");
                return unknown(span);
            }
            None => {}
        }
        if let Some((value, ty)) = self.store.btf_enumerator(name) {
            return int(value, ty, span);
        }
        self.unknown_name(name, span);
        unknown(span)
    }

    fn var(&mut self, name: &str, span: Span) -> Expr {
        let Some(id) = self.find_var(name) else {
            let known: Vec<&str> = self.scopes.iter().flatten().map(|v| v.0.as_str()).collect();
            let near = nearest(name, known).map(|n| format!("did you mean `{n}`?"));
            let elsewhere = self.locals.iter().any(|l| l.name == name);
            let d = self.error(span, format!("undefined or undeclared variable: {name}"));
            if let Some(near) = near.filter(|_| !elsewhere) {
                d.help(near);
            } else if elsewhere {
                d.help(format!(
                    "{name} is known only in its own block: write `let {name};` before that block"
                ));
            } else {
                d.help(format!("assign to it first: `{name} = ...`"));
            }
            return unknown(span);
        };
        self.var_value(id, span)
    }

    /// A variable's value.
    fn var_value(&mut self, id: VarId, span: Span) -> Expr {
        let key = &self.locals[id.0 as usize].key;
        let ty = self.vars[key].ty.clone();
        if ty == Type::None {
            if !self.spoiled.contains(key) {
                self.untyped.push(key.clone());
            }
            return unknown(span);
        }
        Expr { kind: ExprKind::Var(id), ty, span }
    }

    /// The innermost variable of that name.
    pub(super) fn find_var(&self, name: &str) -> Option<VarId> {
        self.scopes.iter().rev().find_map(|s| s.iter().rev().find(|v| v.0 == name)).map(|v| v.1)
    }

    fn record(&mut self, fields: &[(String, ast::Expr)], span: Span) -> Expr {
        let mut types: Vec<(String, Type)> = Vec::new();
        let mut elems = Vec::new();
        let mut bad = false;
        for (name, e) in fields {
            let value = self.expr(e);
            if types.iter().any(|t| t.0 == *name) {
                self.error(e.span, format!("the field `{name}` is given twice"));
                bad = true;
            }
            bad |= is_unknown(&value);
            types.push((name.clone(), value.ty.clone()));
            elems.push(value);
        }
        if bad {
            return unknown(span);
        }
        Expr { kind: ExprKind::Tuple(elems), ty: Type::Record(types), span }
    }

    fn cast_expr(&mut self, ty: &ast::TypeExpr, e: &ast::Expr, span: Span) -> Expr {
        let space = self.default_space();
        let to = self.type_of(ty, space);
        let value = self.expr(e);
        match to {
            Some(Type::None) => {
                self.error(ty.span, "nothing can be cast to void");
                unknown(span)
            }
            Some(to) => self.cast(value, to, span),
            None => unknown(span),
        }
    }

    // Fields and elements.

    fn field(&mut self, e: &ast::Expr, name: &str, name_span: Span, span: Span) -> Expr {
        if let Ast::Ident(id) = &e.kind
            && id == "args"
        {
            return self.args_field(name, name_span, e.span, span);
        }
        let base = self.expr(e);
        if is_unknown(&base) {
            return unknown(span);
        }
        match base.ty.clone() {
            Type::Struct(id) => self.struct_member(base, id, name, name_span, span),
            Type::Ptr { to, .. } => match *to {
                Type::Struct(id) => {
                    let place = deref(base);
                    self.struct_member(place, id, name, name_span, span)
                }
                _ => self.no_fields(&base, name_span, span),
            },
            Type::Tuple(fields) => {
                let at = name.parse::<usize>().ok().filter(|at| *at < fields.len());
                match at {
                    Some(at) => tuple_field(base, at, span),
                    None => {
                        let count = fields.len();
                        self.error(name_span, format!("the tuple has no element `{name}`"))
                            .help(format!("it has {count}, counted from 0"));
                        unknown(span)
                    }
                }
            }
            Type::Record(fields) => match fields.iter().position(|f| f.0 == name) {
                Some(at) => tuple_field(base, at, span),
                None => {
                    let names = fields.iter().map(|f| f.0.as_str());
                    let near = nearest(name, names).map(|n| format!("did you mean `{n}`?"));
                    let near = near.unwrap_or_default();
                    self.error(name_span, format!("the record has no field `{name}`")).help(near);
                    unknown(span)
                }
            },
            _ => self.no_fields(&base, name_span, span),
        }
    }

    fn no_fields(&mut self, base: &Expr, name_span: Span, span: Span) -> Expr {
        let ty = self.type_name(&base.ty);
        let help = match &base.ty {
            Type::Int { .. } => "cast it first: `((struct NAME *)value).field`",
            Type::Ptr { to, .. } if matches!(**to, Type::Ptr { .. }) => {
                "follow the pointer first: `(*value).field`"
            }
            _ => "",
        };
        self.error(name_span, format!("a value of type {ty} has no fields")).help(help);
        unknown(span)
    }

    /// A member of a struct that lies in some memory.
    fn struct_member(
        &mut self,
        place: Expr,
        id: StructId,
        name: &str,
        name_span: Span,
        span: Span,
    ) -> Expr {
        match self.find_field(id, name, name_span) {
            Some(field) => member_of(place, field, span),
            None => unknown(span),
        }
    }

    /// A field by name, or an error with the nearest name.
    fn find_field(&mut self, id: StructId, name: &str, span: Span) -> Option<Field> {
        if let Some(field) = self.store.field(id, name) {
            if field.ty == Type::None {
                self.error(span, format!("the type of `{name}` cannot be used"));
                return None;
            }
            return Some(field);
        }
        let def = self.store.types.strukt(id);
        let title = def.name.clone();
        let near = nearest(name, def.fields.iter().map(|f| f.name.as_str()));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if def.fields.is_empty() => "its definition is not known".to_owned(),
            None if def.fields.len() <= 16 => {
                let all: Vec<&str> = def.fields.iter().map(|f| f.name.as_str()).collect();
                format!("it has {}", all.join(", "))
            }
            None => String::new(),
        };
        let title = match title.strip_prefix("struct tracepoint:") {
            Some(rest) => format!("tracepoint:{rest}"),
            None => format!("`{title}`"),
        };
        self.error(span, format!("{title} has no field `{name}`")).help(help);
        None
    }

    fn args_field(&mut self, name: &str, name_span: Span, args_span: Span, span: Span) -> Expr {
        match self.context.clone() {
            Context::Tracepoint { args: Some(id) } => {
                let place = Expr { kind: ExprKind::Args, ty: Type::Struct(id), span: args_span };
                self.struct_member(place, id, name, name_span, span)
            }
            Context::RawTracepoint { name: point } => self.raw_arg(&point, name, name_span, span),
            _ => {
                self.args_value(args_span);
                unknown(span)
            }
        }
    }

    /// `args` as a whole.
    pub(super) fn args_value(&mut self, span: Span) -> Expr {
        match self.context.clone() {
            Context::Tracepoint { args: Some(id) } => {
                return Expr { kind: ExprKind::Args, ty: Type::Struct(id), span };
            }
            Context::Tracepoint { args: None } => {
                self.error(span, "this tracepoint has no arguments");
            }
            Context::RawTracepoint { .. } => {
                self.error(span, "the arguments of a raw tracepoint cannot be used as one value")
                    .help("name one: `args.NAME`");
            }
            Context::Kprobe { ret: false } => {
                self.error(span, "a kprobe has no `args`")
                    .help("use arg0, arg1, ... and cast them");
            }
            Context::Uprobe { ret: false, .. } => {
                self.error(
                    span,
                    "a uprobe has no `args` (types of user programs are not read yet)",
                )
                .help("use arg0, arg1, ... and cast them");
            }
            _ => {
                self.error(span, "this kind of probe has no arguments")
                    .help("`args` is for tracepoints and raw tracepoints");
            }
        }
        unknown(span)
    }

    /// An argument of a raw tracepoint by name, typed as BTF says.
    fn raw_arg(&mut self, point: &str, name: &str, name_span: Span, span: Span) -> Expr {
        let found = self.store.btf.map(|btf| btf.raw_tracepoint(point));
        let params = match found {
            Some(Ok(Some(found))) => found.params,
            _ => {
                self.error(
                    name_span,
                    format!("the arguments of {point} are not known: BTF has no prototype"),
                )
                .help("use arg0, arg1, ... and cast them");
                return unknown(span);
            }
        };
        let Some(at) = params.iter().position(|p| p.name == name) else {
            let names: Vec<&str> = params.iter().map(|p| p.name).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", names.join(", ")),
            };
            self.error(name_span, format!("rawtracepoint:{point} has no argument `{name}`"))
                .help(help);
            return unknown(span);
        };
        let ty = with_space(self.store.btf_type(params[at].type_id), Space::Kernel);
        let raw = Expr { kind: ExprKind::Builtin(Builtin::Arg(at as u8)), ty: Type::U64, span };
        if !ty.is_scalar() {
            let name = self.type_name(&ty);
            self.error(span, format!("an argument of type {name} cannot be read"));
            return unknown(span);
        }
        cast_to(raw, ty)
    }

    fn index(&mut self, e: &ast::Expr, index: &ast::Expr, span: Span) -> Expr {
        let base = self.expr(e);
        let at = self.expr(index);
        let at = self.integer(at, "an index");
        if is_unknown(&base) || is_unknown(&at) {
            return unknown(span);
        }
        match base.ty.clone() {
            Type::Array { elem, len } => self.array_element(base, *elem, len, at, span),
            Type::Str { max } => {
                let elem = Type::Int { bits: 8, signed: true };
                let ty = Type::Array { elem: Box::new(elem.clone()), len: max };
                self.array_element(Expr { ty, ..base }, elem, max, at, span)
            }
            Type::Ptr { to, space } => {
                if *to == Type::None {
                    self.error(span, "a `void *` has no elements")
                        .help("cast it to another pointer first");
                    return unknown(span);
                }
                self.fill(&to);
                let at = self.widen(at);
                let ty = with_space(*to, space);
                Expr { kind: ExprKind::Index(Box::new(base), Box::new(at)), ty, span }
            }
            Type::Tuple(fields) => match literal(&at).and_then(|v| usize::try_from(v).ok()) {
                Some(n) if n < fields.len() => tuple_field(base, n, span),
                Some(_) => {
                    let count = fields.len();
                    self.error(index.span, format!("the tuple has {count} elements"));
                    unknown(span)
                }
                None => {
                    self.error(
                        index.span,
                        "the index of a tuple must be known when the script is compiled",
                    );
                    unknown(span)
                }
            },
            ty => {
                let name = self.type_name(&ty);
                self.error(span, format!("a value of type {name} has no elements"));
                unknown(span)
            }
        }
    }

    fn array_element(&mut self, base: Expr, elem: Type, len: u32, at: Expr, span: Span) -> Expr {
        if let Some(n) = literal(&at)
            && len > 0
            && (n < 0 || n >= len.into())
        {
            self.error(
                at.span,
                format!("the index {n} is outside the array, which has {len} elements"),
            );
            return unknown(span);
        }
        self.fill(&elem);
        let at = self.widen(at);
        let space = inherited(&base);
        let base = if len == 0 {
            // An array without a length at the end of a struct: as many as there are.
            let ty = Type::ptr(elem.clone(), space_of_place(&base));
            Expr { span: base.span, kind: ExprKind::AddrOf(Box::new(base)), ty }
        } else {
            base
        };
        Expr {
            kind: ExprKind::Index(Box::new(base), Box::new(at)),
            ty: with_space(elem, space),
            span,
        }
    }

    /// Makes sure that the size of a type is known.
    pub(super) fn fill(&mut self, ty: &Type) {
        if let Type::Struct(id) = ty {
            self.store.fill(*id);
        }
    }

    fn unary(&mut self, op: UnaryOp, e: &ast::Expr, span: Span) -> Expr {
        match op {
            UnaryOp::PreInc => return self.step(e, 1, false, span),
            UnaryOp::PreDec => return self.step(e, -1, false, span),
            UnaryOp::PostInc => return self.step(e, 1, true, span),
            UnaryOp::PostDec => return self.step(e, -1, true, span),
            _ => {}
        }
        let value = self.expr(e);
        if is_unknown(&value) {
            return unknown(span);
        }
        match op {
            UnaryOp::Deref => self.follow(value, span),
            UnaryOp::AddrOf => self.address_of(value, span),
            UnaryOp::Not => {
                let value = self.condition(value);
                match literal(&value) {
                    Some(n) => int(i64::from(n == 0), Type::Bool, span),
                    None if is_unknown(&value) => value,
                    None => Expr { kind: ExprKind::Not(Box::new(value)), ty: Type::Bool, span },
                }
            }
            _ => self.sign(op, value, span),
        }
    }

    fn sign(&mut self, op: UnaryOp, value: Expr, span: Span) -> Expr {
        let value = self.integer(value, "the operand");
        if op == UnaryOp::BitNot && value.ty == Type::Bool {
            self.error(span, "the bits of a bool cannot be inverted").help("write `!`");
            return unknown(span);
        }
        if is_unknown(&value) {
            return value;
        }
        let plain = value.ty == Type::I64;
        let value = self.widen(value);
        let neg = op == UnaryOp::Neg;
        let ty = if neg { Type::I64 } else { value.ty.clone() };
        match literal(&value) {
            Some(n) if plain || neg => int(if neg { n.wrapping_neg() } else { !n }, ty, span),
            _ => {
                let kind = if neg { ExprKind::Neg } else { ExprKind::BitNot };
                Expr { kind: kind(Box::new(value)), ty, span }
            }
        }
    }

    fn follow(&mut self, value: Expr, span: Span) -> Expr {
        match &value.ty {
            Type::Ptr { to, .. } if **to != Type::None => {
                self.fill(&to.clone());
                Expr { span, ..deref(value) }
            }
            // An address that is only a number: the 64-bit word there.
            Type::Int { bits: 64, .. } => {
                let ptr = cast_to(value, Type::ptr(Type::U64, self.default_space()));
                Expr { span, ..deref(ptr) }
            }
            ty => {
                let name = self.type_name(&ty.clone());
                self.error(span, format!("a value of type {name} cannot be dereferenced"))
                    .help("cast it to a pointer first: `*(uint64 *)value`");
                unknown(span)
            }
        }
    }

    fn address_of(&mut self, value: Expr, span: Span) -> Expr {
        let place = matches!(
            value.kind,
            ExprKind::Var(_)
                | ExprKind::MapElem { .. }
                | ExprKind::Deref(_)
                | ExprKind::Member(..)
                | ExprKind::Index(..)
        );
        if !place {
            self.error(span, "only a variable, a map's element or a field has an address");
            return unknown(span);
        }
        let ty = Type::ptr(value.ty.clone(), space_of_place(&value));
        Expr { kind: ExprKind::AddrOf(Box::new(value)), ty, span }
    }
}

/// A plain number as the smallest type that holds it: what it takes in a tuple.
fn narrowed(e: Expr) -> Expr {
    match e.kind {
        ExprKind::Int(n) if e.ty == Type::I64 => {
            Expr { ty: Type::Int { bits: smallest(n), signed: true }, ..e }
        }
        _ => e,
    }
}

/// A string literal; its type has room for the zero byte, as C's.
pub(super) fn str_literal(bytes: &[u8], span: Span) -> Expr {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let ty = Type::Str { max: end as u32 + 1 };
    Expr { kind: ExprKind::Str(bytes[..end].to_vec()), ty, span }
}

/// What a pointer points to.
fn deref(ptr: Expr) -> Expr {
    let (ty, span) = match &ptr.ty {
        Type::Ptr { to, space } => (with_space((**to).clone(), *space), ptr.span),
        _ => (Type::None, ptr.span),
    };
    Expr { kind: ExprKind::Deref(Box::new(ptr)), ty, span }
}

/// Where pointers that were read from this place point.
fn inherited(place: &Expr) -> Space {
    match space_of_place(place) {
        Space::Ctx => Space::Kernel,
        Space::Bpf => Space::Unknown,
        other => other,
    }
}

/// A member; pointers in it point where the struct lies, unless the field says otherwise.
fn member_of(place: Expr, field: Field, span: Span) -> Expr {
    let ty = with_space(field.ty, inherited(&place));
    let field = Field { ty: ty.clone(), ..field };
    Expr { kind: ExprKind::Member(Box::new(place), field), ty, span }
}

fn tuple_field(base: Expr, at: usize, span: Span) -> Expr {
    let ty = element_types(&base.ty).get(at).cloned().unwrap_or_default();
    Expr { kind: ExprKind::TupleField(Box::new(base), at as u32), ty, span }
}
