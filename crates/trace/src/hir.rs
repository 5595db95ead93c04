//! The typed tree: what the checker makes and the lowering reads. Every name is resolved, every type known, every conversion written out,
//! every format and asynchronous action entered in the [`Plan`](crate::plan::Plan). Nothing in it can be wrong.

use skep_abi::ProgType;

use crate::plan::ActionId;
use crate::syntax::ast::Span;
use crate::types::{Agg, Clock, Field, Space, StackSpec, Type};

/// Index into [`crate::plan::Plan::maps`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MapId(pub u32);
/// Index into [`Program::vars`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VarId(pub u32);

/// All programs of a script; the n-th belongs to the n-th [`crate::plan::ProbeGroup`].
#[derive(Clone, Debug, Default)]
pub struct Hir {
    /// Programs.
    pub programs: Vec<Program>,
}

/// One body as it is compiled for one group of attach points, whose contexts look the same.
#[derive(Clone, Debug)]
pub struct Program {
    /// A C identifier, unique in the script, such as `tracepoint_1`.
    pub name: String,
    /// Program type.
    pub kind: ProgType,
    /// How `probe` is found: the index when there is one place only, else by attach cookie (the cookie is the index into `probe_names`).
    pub probe: ProbeName,
    /// Only events of this process: compares the pid of the current task (`-p`, `-c`) where the attach point cannot filter itself.
    pub pid_filter: Option<u32>,
    /// Scratch variables. Each has one type. A name in two scopes is two variables.
    pub vars: Vec<Var>,
    /// `/.../`: boolean or integer; the body runs where it is not 0.
    pub predicate: Option<Expr>,
    /// Body.
    pub body: Vec<Stmt>,
    /// Place of the probe in the source.
    pub span: Span,
}

/// Where the name of the running probe comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeName {
    /// It is always this entry of `probe_names`.
    Fixed(u64),
    /// `bpf_get_attach_cookie` gives the entry.
    Cookie,
}

/// A scratch variable.
#[derive(Clone, Debug)]
pub struct Var {
    /// Name with the `$`.
    pub name: String,
    /// Type; zero when declared without a value.
    pub ty: Type,
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
    /// For its effect.
    Expr(Expr),
    /// A variable gets a value of its very type (a [`Type::Str`] may be shorter: it is padded with zeroes). `None` sets zero.
    SetVar(VarId, Option<Expr>),
    /// A map's element gets a value of the map's value type (strings as above).
    SetMap {
        /// Map.
        map: MapId,
        /// Keys, each of the map's key type (strings as above); none for a map without keys.
        key: Vec<Expr>,
        /// Value.
        value: Expr,
    },
    /// An aggregation takes a value in.
    Aggregate {
        /// Map; its value type is `Type::Agg(agg)`.
        map: MapId,
        /// Keys.
        key: Vec<Expr>,
        /// Kind.
        agg: Agg,
        /// The number, 64 bits; none for `count()`.
        value: Option<Expr>,
        /// How often `hist(v, bits, weight)`-like functions count it; none for once.
        weight: Option<Expr>,
    },
    /// A field or element of a variable that is a struct, tuple, record or array in the program's memory.
    SetPlace {
        /// A [`ExprKind::Member`], [`ExprKind::Index`] or [`ExprKind::TupleField`] chain over a [`ExprKind::Var`].
        place: Expr,
        /// Value.
        value: Expr,
    },
    /// Two ways.
    If {
        /// Condition: boolean or integer.
        cond: Expr,
        /// Then.
        then: Vec<Stmt>,
        /// Else.
        els: Vec<Stmt>,
    },
    /// A loop; the verifier must see its end, or the kernel's loop budget ends it.
    While {
        /// Condition.
        cond: Expr,
        /// Body.
        body: Vec<Stmt>,
    },
    /// The body, so many times over.
    Unroll {
        /// How often.
        count: u32,
        /// Body.
        body: Vec<Stmt>,
    },
    /// Over the entries of a map; the variable is the tuple (key, value), key itself a tuple if there are several. An aggregation's value is its merged
    /// number (as when it is read).
    ForMap {
        /// Variable of type `Tuple([key, value])`.
        var: VarId,
        /// Map.
        map: MapId,
        /// Body.
        body: Vec<Stmt>,
    },
    /// Over the numbers from `start` to `end - 1`.
    ForRange {
        /// Variable.
        var: VarId,
        /// First.
        start: Expr,
        /// One past the last.
        end: Expr,
        /// Body.
        body: Vec<Stmt>,
    },
    /// Leaves the innermost loop.
    Break,
    /// Goes on with the next turn.
    Continue,
    /// Ends the program; its return value (0 if none).
    Return(Option<Expr>),
    /// A scope (its variables are already told apart).
    Block(Vec<Stmt>),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Kind.
    pub kind: ExprKind,
    /// Type.
    pub ty: Type,
    /// Place.
    pub span: Span,
}

/// Kinds of expressions.
///
/// A *place* is an expression whose type is not scalar and which lies in some memory: `Deref` of a pointer, `Args`, `Member`/`Index` of a place, a
/// variable or a map element. Its space follows from the pointer. A scalar `Member`, `Index` or `Deref` is read from there; a larger
/// one is copied only when it is stored, compared or shown.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// An integer or boolean of type `ty`.
    Int(i64),
    /// A string; `ty` is `Str { max >= its length }`.
    Str(Vec<u8>),
    /// A builtin value.
    Builtin(Builtin),
    /// A variable.
    Var(VarId),
    /// A map's element: 0 or zeroes if it is not there. The value of an aggregation is merged over all CPUs (`Count`, `Sum`, `Min`, `Max`, `Avg`; `Stats` as its
    /// average).
    MapElem {
        /// Map.
        map: MapId,
        /// Keys.
        key: Vec<Expr>,
    },
    /// `map[key]++` and its kin, on a plain integer map: adds `delta` atomically; gives the old value if `post`, else the new one.
    MapAdd {
        /// Map.
        map: MapId,
        /// Keys.
        key: Vec<Expr>,
        /// What is added.
        delta: i64,
        /// Gives the value before.
        post: bool,
    },
    /// `$x++` and its kin (for a pointer, `delta` counts bytes).
    VarAdd {
        /// Variable.
        var: VarId,
        /// What is added.
        delta: i64,
        /// Gives the value before.
        post: bool,
    },
    /// Arithmetic on two 64-bit integers (narrower ones were cast) or a pointer and a byte count; the result is of type `ty`.
    Binary(Arith, Box<Expr>, Box<Expr>),
    /// Comparison of two scalars: signed if `signed`. Gives a boolean.
    Compare {
        /// Operator.
        op: CmpOp,
        /// Signed comparison.
        signed: bool,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// Equality of two values that are not scalar and of the same layout, byte by byte (strings: up to their end, at most `limit` bytes).
    CompareBytes {
        /// `!=` instead of `==`.
        negate: bool,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
        /// `strncmp`'s length.
        limit: Option<u32>,
    },
    /// `&&`, evaluated from the left.
    And(Box<Expr>, Box<Expr>),
    /// `||`, evaluated from the left.
    Or(Box<Expr>, Box<Expr>),
    /// `!`
    Not(Box<Expr>),
    /// `~`
    BitNot(Box<Expr>),
    /// `-`
    Neg(Box<Expr>),
    /// `cond ? then : els`; both are of type `ty` (strings may be shorter).
    Select {
        /// Condition.
        cond: Box<Expr>,
        /// Value if it holds.
        then: Box<Expr>,
        /// Value if not.
        els: Box<Expr>,
    },
    /// Conversion between scalars: truncates or extends as the operand's type says; to boolean: `!= 0`. Between an integer and an array of bytes:
    /// the bytes in memory order.
    Cast(Box<Expr>),
    /// What a pointer points to.
    Deref(Box<Expr>),
    /// The address of a place, as a pointer.
    AddrOf(Box<Expr>),
    /// The arguments of a tracepoint as a struct in the context; of a raw tracepoint, kprobe or uprobe they are `Builtin::Arg`.
    Args,
    /// A member of a struct.
    Member(Box<Expr>, Field),
    /// An element of an array (an index outside reads as 0) or of a pointer.
    Index(Box<Expr>, Box<Expr>),
    /// A tuple or record, built.
    Tuple(Vec<Expr>),
    /// An element of a tuple or record.
    TupleField(Box<Expr>, u32),
    /// Statements, then a value.
    Block(Vec<Stmt>, Box<Expr>),
    /// A function that is computed in the program.
    Call(Call),
    /// An event for user space: the action and its arguments. See [`crate::plan`] for the record's layout.
    Emit(ActionId, Vec<Expr>),
}

/// Arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Udiv,
    Sdiv,
    Urem,
    Srem,
    And,
    Or,
    Xor,
    Shl,
    Lshr,
    Ashr,
}

/// Comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Builtins without arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Builtin {
    /// Thread group id.
    Pid,
    /// Thread id.
    Tid,
    /// User id.
    Uid,
    /// Group id.
    Gid,
    /// Time by the clock.
    Nsecs(Clock),
    /// Nanoseconds since the script started ([`crate::plan::globals::START`]).
    Elapsed,
    /// CPU number.
    Cpu,
    /// NUMA node.
    Numaid,
    /// Name of the current task: `Str { max: 16 }`.
    Comm,
    /// Address of the current `task_struct`.
    Curtask,
    /// A random `uint32`.
    Rand,
    /// Cgroup id of the current task.
    Cgroup,
    /// Jiffies.
    Jiffies,
    /// The running probe: type [`Type::Probe`].
    Probe,
    /// Instruction pointer at the probe ([`Type::Ksym`] or [`Type::Usym`] by `ty`): `func`.
    Func,
    /// Name of the user: type [`Type::Username`].
    Username,
    /// `arg0`.. of a function (kprobe, uprobe: the pt_regs in the context) or raw tracepoint (a `u64` array).
    Arg(u8),
    /// `sarg0`..: a word of the stack at the entry of a function (after the return address).
    StackArg(u8),
    /// Return value of a function.
    Retval,
    /// The context's address.
    Ctx,
    /// A register: offset in `pt_regs`, in bytes.
    Reg(u16),
    /// Kernel stack.
    Kstack(StackSpec),
    /// User stack.
    Ustack(StackSpec),
}

/// Functions that the program computes.
#[derive(Clone, Debug)]
pub enum Call {
    /// A string from memory: `ptr` (or an array place) up to its zero byte, at most `max - 1` bytes (or `len` if smaller); the type is `Str { max }`.
    Str {
        /// Pointer.
        ptr: Box<Expr>,
        /// Run-time limit including the zero byte.
        len: Option<Box<Expr>>,
    },
    /// Bytes from memory; the type is `Buf { max }`.
    Buf {
        /// Pointer.
        ptr: Box<Expr>,
        /// How many; `None` for `max`.
        len: Option<Box<Expr>>,
    },
    /// Packs an address for [`Type::Ksym`].
    Ksym(Box<Expr>),
    /// Packs an address for [`Type::Usym`].
    Usym(Box<Expr>),
    /// An address for [`Type::Inet`]: an integer (IPv4), or an array or pointer to 4 or 16 bytes; the family where it was given or follows from the size.
    Ntop {
        /// Family: an integer, or `None` to take it from the argument.
        family: Option<Box<Expr>>,
        /// Address.
        addr: Box<Expr>,
    },
    /// Six bytes for [`Type::Mac`].
    Macaddr(Box<Expr>),
    /// Whether the first string contains the second.
    Strcontains(Box<Expr>, Box<Expr>),
    /// Byte order reversed.
    Bswap(Box<Expr>),
    /// A number that is already one, for a type that shows it otherwise ([`Type::Timestamp`], [`Type::CgroupPath`], ...).
    Pack(Box<Expr>),
    /// Removes an element; true if it was there.
    Delete {
        /// Map.
        map: MapId,
        /// Keys.
        key: Vec<Expr>,
    },
    /// Whether the element is there.
    HasKey {
        /// Map.
        map: MapId,
        /// Keys.
        key: Vec<Expr>,
    },
    /// Number of elements of a map.
    Len(MapId),
    /// Number of frames of a stack.
    StackLen(Box<Expr>),
    /// `signal(n)`
    Signal(Box<Expr>),
    /// `override(rc)`
    Override(Box<Expr>),
    /// `join(argv)`: emits the action with the strings of the array, see [`crate::plan::Action::Join`].
    Join {
        /// Action.
        action: ActionId,
        /// `char **` in user memory.
        argv: Box<Expr>,
    },
}

/// The space of a pointer type, for the lowering.
pub fn space_of(ty: &Type) -> Option<Space> {
    match ty {
        Type::Ptr { space, .. } => Some(*space),
        _ => None,
    }
}
