//! The tree as text, in two forms: [`dump`], an indented tree for `-d ast` in the spirit of bpftrace's; and canonical source, by `Display` on
//! [`Script`], [`Expr`] and the rest, which parses back to the same tree (comments and the spelling of numbers are not kept).

use std::fmt::{self, Display, Formatter, Write as _};

use super::ast::*;

mod dump;

pub use dump::dump;

/// Operands bind as tightly as this: everything that stands alone.
const PRIMARY: u8 = 13;
const POSTFIX: u8 = 12;
const UNARY: u8 = 11;
const TERNARY: u8 = 0;

/// How tightly an operator binds, as in the parser.
fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::LogicalOr => 1,
        BinaryOp::LogicalAnd => 2,
        BinaryOp::Or => 3,
        BinaryOp::Xor => 4,
        BinaryOp::And => 5,
        BinaryOp::Eq | BinaryOp::Ne => 6,
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => 7,
        BinaryOp::Shl | BinaryOp::Shr => 8,
        BinaryOp::Add | BinaryOp::Sub => 9,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => 10,
    }
}

fn binding(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Ternary { .. } => TERNARY,
        ExprKind::Binary { op, .. } => precedence(*op),
        ExprKind::Unary { op: UnaryOp::PostInc | UnaryOp::PostDec, .. }
        | ExprKind::Field { .. }
        | ExprKind::Index { .. } => POSTFIX,
        ExprKind::Unary { .. } | ExprKind::Cast { .. } => UNARY,
        // As operands these stand in brackets, or they would be taken for statements.
        ExprKind::Block(_) | ExprKind::If { .. } => TERNARY,
        _ => PRIMARY,
    }
}

impl BinaryOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::And => "&",
            BinaryOp::Or => "|",
            BinaryOp::Xor => "^",
            BinaryOp::Shl => "<<",
            BinaryOp::Shr => ">>",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::LogicalAnd => "&&",
            BinaryOp::LogicalOr => "||",
        }
    }
}

impl UnaryOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            UnaryOp::Neg => "-",
            UnaryOp::Not => "!",
            UnaryOp::BitNot => "~",
            UnaryOp::Deref => "*",
            UnaryOp::AddrOf => "&",
            UnaryOp::PreInc | UnaryOp::PostInc => "++",
            UnaryOp::PreDec | UnaryOp::PostDec => "--",
        }
    }
}

impl CTypeKind {
    /// The keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            CTypeKind::Struct => "struct",
            CTypeKind::Union => "union",
            CTypeKind::Enum => "enum",
        }
    }
}

/// A string in quotes with its escapes.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_ascii_control() => drop(write!(out, "\\x{:02x}", c as u32)),
                c => out.push(c),
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out.push('"');
    out
}

/// Things with a separator between them.
fn joined<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Operand of something that binds as tightly as `min`.
struct Operand<'a>(&'a Expr, u8);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if binding(self.0) < self.1 { write!(f, "({})", self.0) } else { self.0.fmt(f) }
    }
}

/// An expression where a type may stand: a second pair of brackets, or a name would be taken for one.
struct NotType<'a>(&'a Expr);

impl Display for NotType<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            ExprKind::Ident(_) | ExprKind::Index { .. } => write!(f, "({})", self.0),
            _ => self.0.fmt(f),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Int { value, unsigned: true } if *value <= i64::MAX as u64 => {
                write!(f, "{value}u")
            }
            ExprKind::Int { value, .. } => write!(f, "{value}"),
            ExprKind::Str(bytes) => f.write_str(&quoted(bytes)),
            ExprKind::Bool(b) => write!(f, "{b}"),
            ExprKind::Positional(n) => write!(f, "${n}"),
            ExprKind::PositionalCount => f.write_str("$#"),
            ExprKind::Ident(name) | ExprKind::Var(name) | ExprKind::Map(name) => f.write_str(name),
            ExprKind::MapElem { map, keys } => write!(f, "{map}[{}]", joined(keys)),
            ExprKind::Call { name, args, .. } => write!(f, "{name}({})", joined(args)),
            ExprKind::SizeofType(ty) => write!(f, "sizeof({ty})"),
            ExprKind::SizeofExpr(expr) => write!(f, "sizeof({})", NotType(expr)),
            ExprKind::Offsetof(ty, fields) => write!(f, "offsetof({ty}, {})", fields.join(".")),
            ExprKind::Cast { ty, expr } => cast(f, ty, expr),
            ExprKind::Field { expr, name, arrow, .. } => {
                write!(f, "{}{}{name}", Operand(expr, POSTFIX), if *arrow { "->" } else { "." })
            }
            ExprKind::Index { expr, index } => index_of(f, expr, index),
            ExprKind::Unary { op, expr } => unary(f, *op, expr),
            ExprKind::Binary { op, left, right } => {
                let prec = precedence(*op);
                write!(f, "{} {} {}", Operand(left, prec), op.symbol(), Operand(right, prec + 1))
            }
            ExprKind::Ternary { cond, then: Some(then), els } => {
                write!(f, "{} ? {then} : {els}", Operand(cond, 1))
            }
            ExprKind::Ternary { cond, then: None, els } => {
                write!(f, "{} ?: {els}", Operand(cond, 1))
            }
            ExprKind::Tuple(items) if items.len() == 1 => write!(f, "({},)", items[0]),
            ExprKind::Tuple(items) => write!(f, "({})", joined(items)),
            ExprKind::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(n, e)| format!("{n} = {e}")).collect();
                write!(f, "({})", fields.join(", "))
            }
            ExprKind::Block(block) => Layout { out: f, depth: 0 }.block(block),
            ExprKind::If { cond, then, els } => {
                Layout { out: f, depth: 0 }.if_else(cond, then, Some(els))
            }
            ExprKind::Error => f.write_str("<error>"),
        }
    }
}

fn cast(f: &mut Formatter<'_>, ty: &TypeExpr, expr: &Expr) -> fmt::Result {
    // `(T)-x` could be read as a subtraction.
    match &expr.kind {
        ExprKind::Unary { op: UnaryOp::Neg | UnaryOp::Deref | UnaryOp::AddrOf, .. } => {
            write!(f, "({ty})({expr})")
        }
        _ => write!(f, "({ty}){}", Operand(expr, UNARY)),
    }
}

fn index_of(f: &mut Formatter<'_>, expr: &Expr, index: &Expr) -> fmt::Result {
    match expr.kind {
        // `@x[1]` would be an element of the map.
        ExprKind::Map(_) => write!(f, "({expr})[{index}]"),
        _ => write!(f, "{}[{index}]", Operand(expr, POSTFIX)),
    }
}

fn unary(f: &mut Formatter<'_>, op: UnaryOp, expr: &Expr) -> fmt::Result {
    let sign = op.symbol();
    match (op, &expr.kind) {
        (UnaryOp::PostInc | UnaryOp::PostDec, _) => write!(f, "{}{sign}", Operand(expr, POSTFIX)),
        // `--x` and `&&x` are other operators.
        (UnaryOp::Neg, ExprKind::Unary { op: UnaryOp::Neg | UnaryOp::PreDec, .. }) => {
            write!(f, "{sign}({expr})")
        }
        (UnaryOp::AddrOf, ExprKind::Unary { op: UnaryOp::AddrOf, .. }) => {
            write!(f, "{sign}({expr})")
        }
        _ => write!(f, "{sign}{}", Operand(expr, UNARY)),
    }
}

impl Display for TypeExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TypeExprKind::Name(name) => f.write_str(name),
            TypeExprKind::Tagged(kind, name) => write!(f, "{} {name}", kind.keyword()),
            TypeExprKind::Ptr(inner) if matches!(inner.kind, TypeExprKind::Ptr(_)) => {
                write!(f, "{inner}*")
            }
            TypeExprKind::Ptr(inner) => write!(f, "{inner} *"),
            TypeExprKind::Array(inner, Some(n)) => write!(f, "{inner}[{n}]"),
            TypeExprKind::Array(inner, None) => write!(f, "{inner}[]"),
            TypeExprKind::Tuple(items) if items.len() == 1 => write!(f, "({},)", items[0]),
            TypeExprKind::Tuple(items) => write!(f, "({})", joined(items)),
            TypeExprKind::Typeof(expr) => write!(f, "typeof({})", NotType(expr)),
        }
    }
}

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.items.iter().enumerate() {
            let lines = |i: &Item| {
                matches!(i, Item::Preprocessor { .. } | Item::Import { .. } | Item::MapDecl(_))
            };
            if i > 0 && !(lines(item) && lines(&self.items[i - 1])) {
                f.write_str("\n")?;
            }
            Layout { out: f, depth: 0 }.item(item)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Layout { out: f, depth: 0 }.block(self)
    }
}

impl Display for Stmt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Layout { out: f, depth: 0 }.stmt(self)
    }
}

/// Writes what takes several lines.
struct Layout<'a, 'f> {
    out: &'a mut Formatter<'f>,
    depth: usize,
}

impl Layout<'_, '_> {
    fn line(&mut self) -> fmt::Result {
        write!(self.out, "\n{:1$}", "", self.depth * 2)
    }

    /// An expression; the lines of blocks in it are moved to this depth.
    fn expr(&mut self, expr: &Expr) -> fmt::Result {
        let text = expr.to_string();
        if self.depth == 0 || !text.contains('\n') {
            return self.out.write_str(&text);
        }
        // A string never holds a line's end: it is written as an escape.
        self.out.write_str(&text.replace('\n', &format!("\n{:1$}", "", self.depth * 2)))
    }

    fn item(&mut self, item: &Item) -> fmt::Result {
        match item {
            Item::Config(entries) => self.config(entries),
            Item::Probe(probe) => self.probe(probe),
            Item::CType(ty) => {
                self.c_type(ty)?;
                self.out.write_str(";")
            }
            Item::MapDecl(m) => write!(self.out, "let {} = {}({});", m.name, m.kind, m.max_entries),
            Item::Function(function) => self.function(function),
            Item::Preprocessor { text, .. } => self.out.write_str(text),
            Item::Import { name, .. } => write!(self.out, "import {};", quoted(name.as_bytes())),
            Item::Macro(m) => {
                write!(self.out, "macro {}({}) ", m.name, m.params.join(", "))?;
                self.block(&m.body)
            }
        }
    }

    fn config(&mut self, entries: &[ConfigEntry]) -> fmt::Result {
        self.out.write_str("config = {")?;
        self.depth += 1;
        for entry in entries {
            self.line()?;
            write!(self.out, "{} = ", entry.name)?;
            match &entry.value {
                ConfigValue::Int(n) => write!(self.out, "{n};")?,
                ConfigValue::Bool(b) => write!(self.out, "{b};")?,
                ConfigValue::Str(s) => write!(self.out, "{};", quoted(s.as_bytes()))?,
            }
        }
        self.depth -= 1;
        self.line()?;
        self.out.write_str("}")
    }

    fn probe(&mut self, probe: &Probe) -> fmt::Result {
        for (i, attach) in probe.attach.iter().enumerate() {
            self.out.write_str(if i > 0 { ",\n" } else { "" })?;
            let parts: Vec<String> = attach.parts.iter().map(|p| attach_part(p)).collect();
            self.out.write_str(&parts.join(":"))?;
        }
        if let Some(predicate) = &probe.predicate {
            self.out.write_str("\n/")?;
            self.expr(predicate)?;
            self.out.write_str("/\n")?;
        } else {
            self.out.write_str(if probe.attach.len() > 1 { "\n" } else { " " })?;
        }
        self.block(&probe.body)
    }

    fn function(&mut self, function: &Function) -> fmt::Result {
        let params: Vec<String> =
            function.params.iter().map(|(n, t)| format!("{n} : {t}")).collect();
        write!(self.out, "fn {}({}) : ", function.name, params.join(", "))?;
        match &function.ret {
            Some(ty) => write!(self.out, "{ty} ")?,
            None => self.out.write_str("void ")?,
        }
        self.block(&function.body)
    }

    fn c_type(&mut self, ty: &CType) -> fmt::Result {
        let name = if ty.name.is_empty() { String::new() } else { format!(" {}", ty.name) };
        write!(self.out, "{}{name} {{", ty.kind.keyword())?;
        self.depth += 1;
        for (name, value) in &ty.enumerators {
            self.line()?;
            write!(self.out, "{name} = {value},")?;
        }
        for field in &ty.fields {
            self.line()?;
            self.c_field(field)?;
        }
        self.depth -= 1;
        self.line()?;
        self.out.write_str(if ty.packed { "} __attribute__((packed))" } else { "}" })
    }

    fn c_field(&mut self, field: &CField) -> fmt::Result {
        let declarator = match &field.ty {
            CFieldType::Named(ty) => {
                let (base, declarator) = c_declarator(ty, field.name.clone());
                write!(self.out, "{base}")?;
                declarator
            }
            CFieldType::Inline(ty) => {
                self.c_type(ty)?;
                field.name.clone()
            }
            CFieldType::InlineArray(ty, n) => {
                self.c_type(ty)?;
                format!("{}[{n}]", field.name)
            }
        };
        let blank = if declarator.is_empty() { "" } else { " " };
        write!(self.out, "{blank}{declarator}")?;
        match field.bits {
            Some(bits) => write!(self.out, " : {bits};"),
            None => self.out.write_str(";"),
        }
    }

    /// `{`, the statements, `}`.
    fn block(&mut self, block: &Block) -> fmt::Result {
        if block.stmts.is_empty() && block.value.is_none() {
            return self.out.write_str("{}");
        }
        self.out.write_str("{")?;
        self.depth += 1;
        for stmt in &block.stmts {
            self.line()?;
            self.stmt(stmt)?;
        }
        if let Some(value) = &block.value {
            self.line()?;
            self.expr(value)?;
        }
        self.depth -= 1;
        self.line()?;
        self.out.write_str("}")
    }

    fn if_else(&mut self, cond: &Expr, then: &Block, els: Option<&Block>) -> fmt::Result {
        self.out.write_str("if ")?;
        self.condition(cond)?;
        self.block(then)?;
        let Some(els) = els else { return Ok(()) };
        self.out.write_str(" else ")?;
        match (els.stmts.as_slice(), els.value.as_deref()) {
            ([Stmt { kind: StmtKind::If { cond, then, els }, .. }], None) => {
                self.if_else(cond, then, els.as_ref())
            }
            ([], Some(Expr { kind: ExprKind::If { cond, then, els }, .. })) => {
                self.if_else(cond, then, Some(els))
            }
            _ => self.block(els),
        }
    }

    fn condition(&mut self, cond: &Expr) -> fmt::Result {
        self.out.write_str("(")?;
        self.expr(cond)?;
        self.out.write_str(") ")
    }

    fn stmt(&mut self, stmt: &Stmt) -> fmt::Result {
        match &stmt.kind {
            StmtKind::Expr(expr)
                if matches!(expr.kind, ExprKind::Block(_) | ExprKind::If { .. }) =>
            {
                self.out.write_str("(")?;
                self.expr(expr)?;
                self.out.write_str(");")
            }
            StmtKind::Expr(expr) => self.end(expr),
            StmtKind::Let { name, ty, init } => {
                write!(self.out, "let {name}")?;
                if let Some(ty) = ty {
                    write!(self.out, " : {ty}")?;
                }
                match init {
                    Some(init) => {
                        self.out.write_str(" = ")?;
                        self.end(init)
                    }
                    None => self.out.write_str(";"),
                }
            }
            StmtKind::Assign { target, op, value } => {
                self.expr(target)?;
                write!(self.out, " {}= ", op.map_or("", BinaryOp::symbol))?;
                self.end(value)
            }
            StmtKind::If { cond, then, els } => self.if_else(cond, then, els.as_ref()),
            StmtKind::While { cond, body } => self.headed("while ", cond, body),
            StmtKind::Unroll { count, body } => self.headed("unroll ", count, body),
            StmtKind::ForMap { var, map, body } => {
                write!(self.out, "for ({var} : {map}) ")?;
                self.block(body)
            }
            StmtKind::ForRange { var, start, end, body } => {
                write!(self.out, "for ({var} : ")?;
                self.expr(start)?;
                self.out.write_str("..")?;
                self.expr(end)?;
                self.out.write_str(") ")?;
                self.block(body)
            }
            StmtKind::Break => self.out.write_str("break;"),
            StmtKind::Continue => self.out.write_str("continue;"),
            StmtKind::Return(None) => self.out.write_str("return;"),
            StmtKind::Return(Some(value)) => {
                self.out.write_str("return ")?;
                self.end(value)
            }
            StmtKind::Block(block) => self.block(block),
        }
    }

    fn headed(&mut self, word: &str, head: &Expr, body: &Block) -> fmt::Result {
        self.out.write_str(word)?;
        self.condition(head)?;
        self.block(body)
    }

    fn end(&mut self, expr: &Expr) -> fmt::Result {
        self.expr(expr)?;
        self.out.write_str(";")
    }
}

/// A part of an attach point, in quotes where it needs them.
fn attach_part(part: &str) -> String {
    let plain = |c: char| {
        !(c.is_whitespace() || matches!(c, '{' | '}' | ',' | ';' | '"' | '\\' | ':' | '$'))
    };
    if part.chars().all(plain) && !part.ends_with('/') {
        return part.to_string();
    }
    format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A member's type the way C writes it: what stands before the name, and the name with stars and brackets.
fn c_declarator(ty: &TypeExpr, name: String) -> (String, String) {
    match &ty.kind {
        TypeExprKind::Ptr(inner) => match inner.kind {
            TypeExprKind::Array(..) => c_declarator(inner, format!("(*{name})")),
            _ => c_declarator(inner, format!("*{name}")),
        },
        TypeExprKind::Array(inner, n) => c_declarator(inner, format!("{name}[{}]", n.unwrap_or(0))),
        _ => (ty.to_string(), name),
    }
}
