//! Types as written, `sizeof` and `offsetof`, and the names that the language itself knows.

use super::super::ast::{CTypeKind, Expr, ExprKind, TypeExpr, TypeExprKind};
use super::super::lexer::Tok;
use super::Parser;

/// Words that make up a base type of C.
const C_WORDS: &[&str] =
    &["unsigned", "signed", "long", "short", "int", "char", "void", "_Bool", "double", "float"];

/// The language's own types, and C's names for the same.
const TYPES: &[&str] = &[
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "int8_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "string",
    "buffer",
    "inet",
    "timestamp",
    "macaddr_t",
    "username_t",
    "cgroup_path_t",
    "count_t",
    "sum_t",
    "min_t",
    "max_t",
    "avg_t",
    "stats_t",
    "usum_t",
    "umin_t",
    "umax_t",
    "uavg_t",
    "ustats_t",
];

/// Names with a value of their own; they are never types.
const BUILTINS: &[&str] = &[
    "args",
    "cgroup",
    "comm",
    "cpid",
    "cpu",
    "ctx",
    "curtask",
    "elapsed",
    "func",
    "gid",
    "jiffies",
    "kstack",
    "ncpus",
    "nsecs",
    "numaid",
    "pid",
    "ppid",
    "pcomm",
    "probe",
    "probetype",
    "rand",
    "retval",
    "tid",
    "uid",
    "usermode",
    "username",
    "ustack",
    "has_cpid",
    "true",
    "false",
    "sizeof",
    "offsetof",
    "typeof",
    "if",
    "else",
];

/// Whether a word begins a type and nothing else.
pub(super) fn is_type_word(name: &str) -> bool {
    (C_WORDS.contains(&name) || TYPES.contains(&name)) && !is_builtin(name)
}

/// Whether a word is a builtin: also `arg0`, `sarg0` and the rest of the series.
pub(in crate::syntax) fn is_builtin(name: &str) -> bool {
    let numbered = |prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|n: &str| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()))
    };
    BUILTINS.contains(&name)
        || name.starts_with("__builtin_")
        || numbered("arg")
        || numbered("sarg")
}

/// The canonical name of a base type written in several words: `long unsigned int` is `unsigned long`.
fn base_type(words: &[&str]) -> Option<String> {
    let count = |w: &str| words.iter().filter(|x| **x == w).count();
    let (unsigned, signed, long, short) =
        (count("unsigned"), count("signed"), count("long"), count("short"));
    let rest: Vec<&str> = words
        .iter()
        .copied()
        .filter(|w| !matches!(*w, "unsigned" | "signed" | "long" | "short"))
        .collect();
    let core = match (rest.as_slice(), long, short) {
        ([] | ["int"], 0, 0) => "int",
        ([] | ["int"], 1, 0) => "long",
        ([] | ["int"], 2, 0) => "long long",
        ([] | ["int"], 0, 1) => "short",
        (["char"], 0, 0) => return sign(unsigned, signed, "char", "signed char"),
        ([w @ ("void" | "_Bool" | "float" | "double")], 0, 0) if unsigned + signed == 0 => {
            return Some((*w).to_string());
        }
        (["double"], 1, 0) if unsigned + signed == 0 => return Some("long double".to_string()),
        _ => return None,
    };
    sign(unsigned, signed, core, core)
}

fn sign(unsigned: usize, signed: usize, core: &str, explicit: &str) -> Option<String> {
    match (unsigned, signed) {
        (0, 0) => Some(core.to_string()),
        (1, 0) => Some(format!("unsigned {core}")),
        (0, 1) => Some(explicit.to_string()),
        _ => None,
    }
}

impl Parser<'_> {
    /// type = ( "struct" name | words | name | "typeof" "(" ... ")" | "(" type { "," type } ")" ) { "*" | "[" [ n ] "]" }
    ///
    /// `None` after an error, which has been reported.
    pub(super) fn type_expr(&mut self) -> Option<TypeExpr> {
        let base = self.base_type_expr()?;
        self.type_suffixes(base)
    }

    /// What stands before the stars and brackets; as all there is for a member of a struct.
    pub(super) fn base_type_expr(&mut self) -> Option<TypeExpr> {
        self.skip_qualifiers();
        let start = self.tok.span;
        if self.at("(") {
            return self.nested(Self::tuple_type).flatten();
        }
        if self.at_word("typeof") {
            return self.nested(Self::typeof_type).flatten();
        }
        let kind = match self.tok.text {
            "struct" => CTypeKind::Struct,
            "union" => CTypeKind::Union,
            "enum" => CTypeKind::Enum,
            _ => return self.named_type(),
        };
        self.bump();
        let (name, _) = self.name(&format!("the name of the {}", super::cdef::word(kind)))?;
        let span = start.to(self.prev);
        self.skip_qualifiers();
        Some(TypeExpr { kind: TypeExprKind::Tagged(kind, name.to_string()), span })
    }

    fn named_type(&mut self) -> Option<TypeExpr> {
        let start = self.tok.span;
        if self.tok.kind != Tok::Ident {
            self.expected("a type")
                .help("types are `uint64`, `string`, `struct name *`, `int32[4]` and the like");
            return None;
        }
        let mut words = Vec::new();
        while self.tok.kind == Tok::Ident
            && (C_WORDS.contains(&self.tok.text) || matches!(self.tok.text, "const" | "volatile"))
        {
            let word = self.bump().text;
            if C_WORDS.contains(&word) {
                words.push(word);
            }
        }
        let span = start.to(self.prev);
        let name = if words.is_empty() {
            self.bump().text.to_string()
        } else {
            match base_type(&words) {
                Some(name) => name,
                None => {
                    self.fail(span, format!("there is no type `{}`", words.join(" ")));
                    return None;
                }
            }
        };
        let span = start.to(self.prev);
        self.skip_qualifiers();
        Some(TypeExpr { kind: TypeExprKind::Name(name), span })
    }

    pub(super) fn skip_qualifiers(&mut self) {
        while matches!(self.tok.text, "const" | "volatile" | "restrict" | "__restrict")
            && self.tok.kind == Tok::Ident
        {
            self.bump();
        }
    }

    fn tuple_type(&mut self) -> Option<TypeExpr> {
        let open = self.bump().span;
        let mut items = Vec::new();
        while !self.at(")") {
            items.push(self.type_expr()?);
            if !self.eat(",") {
                break;
            }
        }
        self.close(")", open)
            .then(|| TypeExpr { kind: TypeExprKind::Tuple(items), span: open.to(self.prev) })
    }

    fn typeof_type(&mut self) -> Option<TypeExpr> {
        let start = self.bump().span;
        let open = self.tok.span;
        if !self.expect("(") {
            return None;
        }
        let inner = self.type_or_expr();
        if !self.close(")", open) {
            return None;
        }
        let span = start.to(self.prev);
        Some(match inner {
            Ok(ty) => TypeExpr { kind: ty.kind, span },
            Err(expr) => TypeExpr { kind: TypeExprKind::Typeof(Box::new(expr)), span },
        })
    }

    fn type_suffixes(&mut self, mut ty: TypeExpr) -> Option<TypeExpr> {
        let height = self.height;
        loop {
            let start = ty.span;
            let kind = if self.eat("*") {
                self.skip_qualifiers();
                TypeExprKind::Ptr(Box::new(ty))
            } else if self.at("[") {
                self.bump();
                TypeExprKind::Array(Box::new(ty), self.array_length()?)
            } else {
                self.height = height;
                return Some(ty);
            };
            self.grow();
            ty = TypeExpr { kind, span: start.to(self.prev) };
        }
    }

    /// The length in `[n]`, behind its opening bracket: a number or the name of one.
    fn array_length(&mut self) -> Option<Option<u64>> {
        let length = match self.tok.kind {
            Tok::Int { value, .. } => Some(value),
            _ => self.constant_name(),
        };
        if length.is_some() {
            self.bump();
        }
        if !self.eat("]") {
            self.expected("`]`").help("the length of an array is a number: `int32[4]`");
            return None;
        }
        Some(length)
    }

    /// `sizeof(T)`, `sizeof(expr)`
    pub(super) fn sizeof(&mut self) -> Expr {
        let start = self.bump().span;
        let open = self.tok.span;
        if !self.expect("(") {
            return self.error_expr(start);
        }
        let kind = match self.type_or_expr() {
            Ok(ty) => ExprKind::SizeofType(ty),
            Err(expr) => ExprKind::SizeofExpr(Box::new(expr)),
        };
        self.close(")", open);
        Expr { kind, span: start.to(self.prev) }
    }

    /// `offsetof(T, a.b)`, `offsetof(expr, a.b)`
    pub(super) fn offsetof(&mut self) -> Expr {
        let start = self.bump().span;
        let open = self.tok.span;
        if !self.expect("(") {
            return self.error_expr(start);
        }
        let ty = match self.type_or_expr() {
            Ok(ty) => ty,
            Err(expr) => TypeExpr { span: expr.span, kind: TypeExprKind::Typeof(Box::new(expr)) },
        };
        if !self.eat(",") {
            self.expected("`,`").help("write `offsetof(struct name, field)`");
            return self.error_expr(start.to(self.prev));
        }
        let mut fields = Vec::new();
        while let Some((name, _)) = self.name("a field's name") {
            fields.push(name.to_string());
            if !self.eat(".") {
                break;
            }
        }
        self.close(")", open);
        Expr { kind: ExprKind::Offsetof(Box::new(ty), fields), span: start.to(self.prev) }
    }

    /// Where both may stand, a name alone (with stars and brackets behind it) is a type, unless it is known to be a value.
    fn type_or_expr(&mut self) -> Result<TypeExpr, Expr> {
        if self.at_word("typeof") {
            let span = self.tok.span;
            return self.type_expr().ok_or(Expr { kind: ExprKind::Error, span });
        }
        let text = self.tok.text;
        if self.tok.kind == Tok::Ident && !self.is_value(text) {
            let mark = self.mark();
            let ty = self.type_expr().filter(|ty| {
                // A macro's parameter alone may be either; with stars or brackets behind it, it is a type.
                let bare = matches!(ty.kind, TypeExprKind::Name(_))
                    && self.macro_params.iter().any(|p| p == text);
                !bare && !self.recovering && (self.at(")") || self.at(","))
            });
            if let Some(ty) = ty {
                return Ok(ty);
            }
            self.reset(mark);
        }
        Err(self.sub_expr())
    }
}
