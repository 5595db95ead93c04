//! The syntax tree: what was written, with the place of each piece. It holds errors too ([`ExprKind::Error`]), so that one parse can
//! report everything and later stages can go on.

use std::fmt;

/// A range of bytes in the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From the first byte of `self` to the last of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A whole script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Items in the order written.
    pub items: Vec<Item>,
}

/// Something at the top level.
#[derive(Clone, Debug)]
pub enum Item {
    /// `config = { ... }`
    Config(Vec<ConfigEntry>),
    /// One or several attach points with a body.
    Probe(Probe),
    /// `struct NAME { ... };`, `union`, `enum` as C has them.
    CType(CType),
    /// `let @name = hash(100);`
    MapDecl(MapDecl),
    /// `fn name($a : uint64, $b : string) : int64 { ... }`
    Function(Function),
    /// `#include <...>`, `#define ...` and other lines of C's preprocessor, kept as text.
    Preprocessor {
        /// The line without its end.
        text: String,
        /// Place.
        span: Span,
    },
    /// `import "..."`
    Import {
        /// What is imported.
        name: String,
        /// Place.
        span: Span,
    },
    /// `macro name($a, @b, c) { ... }`
    Macro(Macro),
}

/// `name = value` in a config block.
#[derive(Clone, Debug)]
pub struct ConfigEntry {
    /// Name, lower case as written.
    pub name: String,
    /// Value.
    pub value: ConfigValue,
    /// Place of the whole entry.
    pub span: Span,
}

/// Value of a configuration entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue {
    /// A number.
    Int(u64),
    /// A string or a bare word.
    Str(String),
    /// `true` or `false`.
    Bool(bool),
}

/// Attach points, predicate and body.
#[derive(Clone, Debug)]
pub struct Probe {
    /// At least one.
    pub attach: Vec<AttachPoint>,
    /// `/expr/`
    pub predicate: Option<Expr>,
    /// Body.
    pub body: Block,
    /// Place of the whole probe.
    pub span: Span,
}

/// One attach point as written: `uprobe:/bin/bash:readline`.
#[derive(Clone, Debug)]
pub struct AttachPoint {
    /// Parts between the colons, quotes removed, positional parameters (`$1`) already put in.
    pub parts: Vec<String>,
    /// Place.
    pub span: Span,
}

impl fmt::Display for AttachPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join(":"))
    }
}

/// `{ ... }`, with a last expression without `;` as its value where it is used as an expression.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Statements.
    pub stmts: Vec<Stmt>,
    /// Value of a block expression.
    pub value: Option<Box<Expr>>,
    /// Place with the braces.
    pub span: Span,
}

/// A map declared with its type and size.
#[derive(Clone, Debug)]
pub struct MapDecl {
    /// Name with the `@`.
    pub name: String,
    /// `hash`, `lruhash`, `percpuhash`, `percpulruhash`, `array`, `percpuarray`...
    pub kind: String,
    /// Most entries.
    pub max_entries: u64,
    /// Place.
    pub span: Span,
}

/// A user-defined function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Name.
    pub name: String,
    /// Parameters: name with the `$`, and type.
    pub params: Vec<(String, TypeExpr)>,
    /// Type of the result; `None` for void.
    pub ret: Option<TypeExpr>,
    /// Body.
    pub body: Block,
    /// Place.
    pub span: Span,
}

/// A macro: parsed and kept; expanded by a later stage.
#[derive(Clone, Debug)]
pub struct Macro {
    /// Name.
    pub name: String,
    /// Parameters as written: `$x`, `@m` or a plain identifier (an expression).
    pub params: Vec<String>,
    /// Body.
    pub body: Block,
    /// Place.
    pub span: Span,
}

/// A C type definition at the top level.
#[derive(Clone, Debug)]
pub struct CType {
    /// Struct, union or enum.
    pub kind: CTypeKind,
    /// Tag; empty for an anonymous member type.
    pub name: String,
    /// Members of a struct or union.
    pub fields: Vec<CField>,
    /// Enumerators with their values, counted as C counts.
    pub enumerators: Vec<(String, i64)>,
    /// `__attribute__((packed))`
    pub packed: bool,
    /// Place.
    pub span: Span,
}

/// Kind of a tagged type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)]
pub enum CTypeKind {
    Struct,
    Union,
    Enum,
}

/// A member of a struct or union.
#[derive(Clone, Debug)]
pub struct CField {
    /// Name; empty for an anonymous struct or union.
    pub name: String,
    /// Type, with arrays (`int a[4]` is an array type) and pointers in it.
    pub ty: CFieldType,
    /// Width in bits of a bitfield.
    pub bits: Option<u32>,
    /// Place.
    pub span: Span,
}

/// Type of a member.
#[derive(Clone, Debug)]
pub enum CFieldType {
    /// A type by name.
    Named(TypeExpr),
    /// A struct or union defined in place.
    Inline(Box<CType>),
    /// An array of one defined in place.
    InlineArray(Box<CType>, u64),
}

/// A type as written: `uint64`, `struct task_struct *`, `unsigned char[16]`, `string`, `string[32]`, `(int64, string)`.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    /// Kind.
    pub kind: TypeExprKind,
    /// Place.
    pub span: Span,
}

/// Kinds of written types.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeExprKind {
    /// A name: builtin, C base type with its words in canonical order (`unsigned long`), or a typedef.
    Name(String),
    /// `struct X`, `union X`, `enum X`.
    Tagged(CTypeKind, String),
    /// `T *`
    Ptr(Box<TypeExpr>),
    /// `T[n]`; `None` for `T[]`.
    Array(Box<TypeExpr>, Option<u64>),
    /// `(T, U)`
    Tuple(Vec<TypeExpr>),
    /// `typeof(expr)`
    Typeof(Box<Expr>),
}

impl PartialEq for TypeExpr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// Kind.
    pub kind: StmtKind,
    /// Place.
    pub span: Span,
}

/// Kinds of statements.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// An expression for its effect: a call, `@x++`, a discarded `_ = f()`.
    Expr(Expr),
    /// `let $x;`, `let $x : uint64 = 1;`
    Let {
        /// Name with the `$`.
        name: String,
        /// Type, where given.
        ty: Option<TypeExpr>,
        /// First value, where given.
        init: Option<Expr>,
    },
    /// `target = value`, `target += value`. The target is a variable, a map, an element or a field of them.
    Assign {
        /// Left side.
        target: Expr,
        /// Operator of a compound assignment.
        op: Option<BinaryOp>,
        /// Right side.
        value: Expr,
    },
    /// `if cond { } else { }`; an `else if` is a block with one statement.
    If {
        /// Condition.
        cond: Expr,
        /// Then.
        then: Block,
        /// Else.
        els: Option<Block>,
    },
    /// `while (cond) { }`
    While {
        /// Condition.
        cond: Expr,
        /// Body.
        body: Block,
    },
    /// `unroll (n) { }`
    Unroll {
        /// How often.
        count: Expr,
        /// Body.
        body: Block,
    },
    /// `for ($kv : @map) { }`
    ForMap {
        /// Variable with the `$`.
        var: String,
        /// The map's name with the `@`.
        map: String,
        /// Body.
        body: Block,
    },
    /// `for ($i : a..b) { }`
    ForRange {
        /// Variable with the `$`.
        var: String,
        /// First.
        start: Expr,
        /// One past the last.
        end: Expr,
        /// Body.
        body: Block,
    },
    /// `break;`
    Break,
    /// `continue;`
    Continue,
    /// `return;`, `return expr;`
    Return(Option<Expr>),
    /// `{ ... }`
    Block(Block),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Kind.
    pub kind: ExprKind,
    /// Place.
    pub span: Span,
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.span == other.span
    }
}

/// Kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// An integer: value, whether written with an unsigned suffix. `1e6`, `0x1f`, `1_000`, `10ms` (nanoseconds), `'a'` are integers too.
    Int {
        /// Value.
        value: u64,
        /// Written with `u`, or too large for int64.
        unsigned: bool,
    },
    /// A string, escapes decoded (bytes need not be UTF-8 after `\xff`, hence bytes).
    Str(Vec<u8>),
    /// `true`, `false`
    Bool(bool),
    /// `$1`
    Positional(u32),
    /// `$#`
    PositionalCount,
    /// A builtin without arguments (`pid`, `comm`, `args`, `arg0`), an enumerator or a `#define`d name.
    Ident(String),
    /// `$x`, with the `$`.
    Var(String),
    /// `@x` with the `@` (a bare `@` is the name "@").
    Map(String),
    /// `@x[k1, k2]`: an element of a map. With one key that is a tuple, `keys` has that one.
    MapElem {
        /// Name with the `@`.
        map: String,
        /// At least one.
        keys: Vec<Expr>,
    },
    /// `f(a, b)`
    Call {
        /// Function.
        name: String,
        /// Place of the name.
        name_span: Span,
        /// Arguments.
        args: Vec<Expr>,
    },
    /// `sizeof(T)`; `sizeof(expr)` is `SizeofExpr`.
    SizeofType(TypeExpr),
    /// `sizeof(expr)`
    SizeofExpr(Box<Expr>),
    /// `offsetof(T, a.b)`
    Offsetof(Box<TypeExpr>, Vec<String>),
    /// `(T)expr`
    Cast {
        /// Type.
        ty: TypeExpr,
        /// Operand.
        expr: Box<Expr>,
    },
    /// `a.b`, `a->b`; a tuple's element is a field named "0", "1"...
    Field {
        /// Operand.
        expr: Box<Expr>,
        /// Field.
        name: String,
        /// Place of the name.
        name_span: Span,
        /// Written `->`.
        arrow: bool,
    },
    /// `a[i]`
    Index {
        /// Operand.
        expr: Box<Expr>,
        /// Index.
        index: Box<Expr>,
    },
    /// Operators with one operand.
    Unary {
        /// Operator.
        op: UnaryOp,
        /// Operand.
        expr: Box<Expr>,
    },
    /// Operators with two operands.
    Binary {
        /// Operator.
        op: BinaryOp,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// `c ? a : b`; `c ?: b` has no `then`.
    Ternary {
        /// Condition.
        cond: Box<Expr>,
        /// Value if it holds.
        then: Option<Box<Expr>>,
        /// Value if not.
        els: Box<Expr>,
    },
    /// `(a, b)`, `(a,)`, `()`
    Tuple(Vec<Expr>),
    /// `(name = a, other = b)`
    Record(Vec<(String, Expr)>),
    /// `{ ...; value }`
    Block(Box<Block>),
    /// `if c { a } else { b }` used for its value.
    If {
        /// Condition.
        cond: Box<Expr>,
        /// Then.
        then: Box<Block>,
        /// Else.
        els: Box<Block>,
    },
    /// `typeof`-like comparisons and other things of a later issue are kept as an error with its own diagnostic; the parser has reported it.
    Error,
}

/// Operators with one operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `!x`
    Not,
    /// `~x`
    BitNot,
    /// `*x`
    Deref,
    /// `&x`
    AddrOf,
    PreInc,
    PreDec,
    PostInc,
    PostDec,
}

/// Operators with two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    LogicalAnd,
    LogicalOr,
}
