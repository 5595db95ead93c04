//! The intermediate representation.
//!
//! A [`Module`] holds maps and programs; a [`Program`] holds its main function and the functions that it calls or passes
//! as callbacks; a [`Function`] is a control-flow graph in SSA form, whose blocks take parameters instead of phi nodes.
//!
//! Each value is 64 bits wide: BPF registers are. Narrow arithmetic is written with [`Inst::Ext`]. Pointers are values
//! like others; the IR promises to keep an address computation as it was written (`base + off`), because the kernel's verifier
//! follows pointers through exactly such additions. A value that was compared to bound it is the very value used afterwards:
//! passes never recompute it from its inputs.

use skep_abi::{AttachType, ProgType};
pub use skep_isa::{AtomicOp, Size};
use skep_object::{Map, MapRef};

/// Everything that becomes one `Object`.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Licence of the programs.
    pub license: String,
    /// Maps; `MapRef` is an index here and stays one in the `Object`.
    pub maps: Vec<Map>,
    /// Programs.
    pub programs: Vec<Program>,
    /// The source that [`Loc`]s point into: a name and the text.
    pub source_name: String,
    /// See `source_name`.
    pub source: String,
}

/// One program: `funcs[0]` is the entry and receives the context.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name (a C identifier; the kernel cuts it to 15 bytes).
    pub name: String,
    /// Type.
    pub kind: ProgType,
    /// Attach type the kernel must know at load, where there is one.
    pub expected_attach: Option<AttachType>,
    /// Whether it may sleep.
    pub sleepable: bool,
    /// Functions; a [`FuncRef`] is an index here.
    pub funcs: Vec<Function>,
}

/// A function. Block 0 is the entry; its parameters are the function's (at most 5).
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Name (a C identifier).
    pub name: String,
    /// Blocks; [`Block`] is an index here.
    pub blocks: Vec<BlockData>,
    /// One entry for each value: where it is defined, for the printer and the passes.
    pub values: u32,
    /// Pieces of the stack frame (512 bytes are all there is in one frame).
    pub slots: Vec<StackSlot>,
}

/// A value: the result of one instruction or a parameter of one block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value(pub u32);
/// A block of a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Block(pub u32);
/// A stack slot of a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);
/// A function of the same program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FuncRef(pub u32);

/// A piece of the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackSlot {
    /// Bytes; the slot is aligned to 8.
    pub size: u32,
}

/// A place in the source: line and column from 1; line 0 means "no place".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Loc {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub col: u32,
}

/// A block.
#[derive(Clone, Debug)]
pub struct BlockData {
    /// Parameters, given by each jump to the block.
    pub params: Vec<Value>,
    /// Instructions: result (where there is one), operation, source.
    pub insts: Vec<InstData>,
    /// How it ends.
    pub term: Term,
    /// Source of the terminator.
    pub term_loc: Loc,
}

/// An instruction in a block.
#[derive(Clone, Debug)]
pub struct InstData {
    /// The value defined, if the operation gives one and it is wanted.
    pub result: Option<Value>,
    /// The operation.
    pub inst: Inst,
    /// Source.
    pub loc: Loc,
}

/// Arithmetic on 64 bits; division by zero gives 0 and remainder by zero the dividend, as RFC 9669 says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Udiv,
    /// Signed division: expanded where the target lacks ISA v4.
    Sdiv,
    Urem,
    /// Signed remainder: expanded where the target lacks ISA v4.
    Srem,
    And,
    Or,
    Xor,
    Shl,
    Lshr,
    Ashr,
}

/// Comparison of 64-bit values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Cond {
    Eq,
    Ne,
    Ult,
    Ule,
    Ugt,
    Uge,
    Slt,
    Sle,
    Sgt,
    Sge,
    /// `a & b != 0`.
    Test,
}

/// What is called.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Callee {
    /// A helper, by number.
    Helper(u32),
    /// A kernel function, by name.
    Kfunc(String),
    /// A function of the same program.
    Local(FuncRef),
}

/// Operations.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Inst {
    /// A constant.
    Const(i64),
    /// Arithmetic.
    Bin(BinOp, Value, Value),
    /// Arithmetic negation.
    Neg(Value),
    /// The low `bits` (8, 16, 32; or 1 to 63) of a value, zero- or sign-extended.
    Ext {
        /// Sign-extend rather than zero-extend.
        signed: bool,
        /// How many low bits count.
        bits: u8,
        /// Operand.
        arg: Value,
    },
    /// The low `bits` (16, 32, 64) with their bytes reversed, zero-extended.
    Bswap {
        /// 16, 32 or 64.
        bits: u8,
        /// Operand.
        arg: Value,
    },
    /// 1 if the comparison holds, else 0.
    Icmp(Cond, Value, Value),
    /// A load from memory that the program may touch directly.
    Load {
        /// Width.
        size: Size,
        /// Sign-extend.
        signed: bool,
        /// Base address.
        ptr: Value,
        /// Constant offset.
        off: i32,
    },
    /// A store.
    Store {
        /// Width.
        size: Size,
        /// Base address.
        ptr: Value,
        /// Constant offset.
        off: i32,
        /// What is stored.
        val: Value,
    },
    /// An atomic read-modify-write; the result is the old value for the fetching kinds (`CmpXchg` is not among them).
    Atomic {
        /// Operation.
        op: AtomicOp,
        /// `W` or `DW`.
        size: Size,
        /// Base address.
        ptr: Value,
        /// Constant offset.
        off: i32,
        /// Operand.
        val: Value,
    },
    /// A call; at most 5 arguments. Its result is `r0`.
    Call(Callee, Vec<Value>),
    /// The map, as helpers take it.
    MapAddr(MapRef),
    /// The address of byte `1` of the only value of array map `0`.
    MapValueAddr(MapRef, u32),
    /// A function, as helpers that call back take it.
    FuncAddr(FuncRef),
    /// The address of a stack slot plus a constant.
    SlotAddr(Slot, u32),
}

/// A jump target with the arguments for its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Where to.
    pub block: Block,
    /// One value for each parameter of the block.
    pub args: Vec<Value>,
}

/// How a block ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Term {
    /// Not ended yet: only while a function is being built.
    None,
    /// To another block.
    Jump(Edge),
    /// To `then` if the comparison holds, else to `els`.
    Branch {
        /// Comparison.
        cond: Cond,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
        /// Taken if it holds.
        then: Edge,
        /// Taken if not.
        els: Edge,
    },
    /// To `body` while the kernel's hidden loop budget lasts, else to `exit` (`may_goto`, Linux 6.9).
    MayGoto {
        /// Goes on.
        body: Edge,
        /// Budget used up.
        exit: Edge,
    },
    /// Returns the value.
    Ret(Value),
}

impl Edge {
    /// An edge without arguments.
    pub fn to(block: Block) -> Edge {
        Edge { block, args: Vec::new() }
    }
}

/// Builds a [`Function`] block by block.
///
/// Values come out of the methods; the caller keeps track of variables itself (by block parameters, or by a stack slot).
#[derive(Debug)]
pub struct Builder {
    func: Function,
    current: Block,
    loc: Loc,
}

impl Builder {
    /// A function with that many parameters; the entry block is current.
    pub fn new(name: impl Into<String>, params: usize) -> (Builder, Vec<Value>) {
        let mut b = Builder {
            func: Function { name: name.into(), ..Function::default() },
            current: Block(0),
            loc: Loc::default(),
        };
        let entry = b.block();
        let params = (0..params).map(|_| b.block_param(entry)).collect();
        (b, params)
    }

    /// A new, empty block.
    pub fn block(&mut self) -> Block {
        let block = Block(self.func.blocks.len() as u32);
        self.func.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            term: Term::None,
            term_loc: Loc::default(),
        });
        block
    }

    /// One more parameter of a block.
    pub fn block_param(&mut self, block: Block) -> Value {
        let v = self.new_value();
        self.func.blocks[block.0 as usize].params.push(v);
        v
    }

    /// A stack slot.
    pub fn slot(&mut self, size: u32) -> Slot {
        self.func.slots.push(StackSlot { size });
        Slot(self.func.slots.len() as u32 - 1)
    }

    /// Goes on in another block.
    pub fn switch_to(&mut self, block: Block) {
        self.current = block;
    }

    /// The block being filled.
    pub fn current(&self) -> Block {
        self.current
    }

    /// Source place of what comes next.
    pub fn set_loc(&mut self, loc: Loc) {
        self.loc = loc;
    }

    /// The source place in force.
    pub fn loc(&self) -> Loc {
        self.loc
    }

    /// Whether the current block has ended; what is added to it then is dropped by `finish`.
    pub fn is_terminated(&self) -> bool {
        self.func.blocks[self.current.0 as usize].term != Term::None
    }

    fn new_value(&mut self) -> Value {
        self.func.values += 1;
        Value(self.func.values - 1)
    }

    /// Adds an operation that gives a value.
    pub fn inst(&mut self, inst: Inst) -> Value {
        let v = self.new_value();
        let loc = self.loc;
        self.push(InstData { result: Some(v), inst, loc });
        v
    }

    /// Adds an operation for its effect.
    pub fn effect(&mut self, inst: Inst) {
        let loc = self.loc;
        self.push(InstData { result: None, inst, loc });
    }

    fn push(&mut self, data: InstData) {
        let block = &mut self.func.blocks[self.current.0 as usize];
        if block.term == Term::None {
            block.insts.push(data);
        }
    }

    /// Ends the current block; a second end is ignored.
    pub fn term(&mut self, term: Term) {
        let loc = self.loc;
        let block = &mut self.func.blocks[self.current.0 as usize];
        if block.term == Term::None {
            block.term = term;
            block.term_loc = loc;
        }
    }

    /// A constant.
    pub fn iconst(&mut self, v: i64) -> Value {
        self.inst(Inst::Const(v))
    }

    /// Arithmetic.
    pub fn bin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        self.inst(Inst::Bin(op, a, b))
    }

    /// Arithmetic with a constant.
    pub fn bin_imm(&mut self, op: BinOp, a: Value, b: i64) -> Value {
        let b = self.iconst(b);
        self.bin(op, a, b)
    }

    /// Comparison as a value.
    pub fn icmp(&mut self, cond: Cond, a: Value, b: Value) -> Value {
        self.inst(Inst::Icmp(cond, a, b))
    }

    /// Zero-extending load.
    pub fn load(&mut self, size: Size, ptr: Value, off: i32) -> Value {
        self.inst(Inst::Load { size, signed: false, ptr, off })
    }

    /// Store.
    pub fn store(&mut self, size: Size, ptr: Value, off: i32, val: Value) {
        self.effect(Inst::Store { size, ptr, off, val });
    }

    /// Helper call with a result.
    pub fn call(&mut self, helper: u32, args: &[Value]) -> Value {
        self.inst(Inst::Call(Callee::Helper(helper), args.to_vec()))
    }

    /// Jump without arguments.
    pub fn jump(&mut self, block: Block) {
        self.term(Term::Jump(Edge::to(block)));
    }

    /// Two-way branch without arguments.
    pub fn branch(&mut self, cond: Cond, a: Value, b: Value, then: Block, els: Block) {
        self.term(Term::Branch { cond, a, b, then: Edge::to(then), els: Edge::to(els) });
    }

    /// Branch on `v != 0`.
    pub fn branch_nonzero(&mut self, v: Value, then: Block, els: Block) {
        let zero = self.iconst(0);
        self.branch(Cond::Ne, v, zero, then, els);
    }

    /// The finished function; blocks that were never ended return 0.
    pub fn finish(mut self) -> Function {
        for i in 0..self.func.blocks.len() {
            if self.func.blocks[i].term == Term::None {
                self.current = Block(i as u32);
                let zero = self.iconst(0);
                self.term(Term::Ret(zero));
            }
        }
        self.func
    }
}
