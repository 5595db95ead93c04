//! One instruction: the eight bytes of RFC 9669, section 3, with named fields, and a constructor for each form.

use crate::op::*;

/// A register, `r0` to `r10`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reg(u8);

#[allow(missing_docs)]
impl Reg {
    pub const R0: Reg = Reg(0);
    pub const R1: Reg = Reg(1);
    pub const R2: Reg = Reg(2);
    pub const R3: Reg = Reg(3);
    pub const R4: Reg = Reg(4);
    pub const R5: Reg = Reg(5);
    pub const R6: Reg = Reg(6);
    pub const R7: Reg = Reg(7);
    pub const R8: Reg = Reg(8);
    pub const R9: Reg = Reg(9);
    /// The frame pointer: read only.
    pub const FP: Reg = Reg(10);

    /// The register of that number, or `None` past 10.
    pub const fn new(n: u8) -> Option<Reg> {
        if n <= 10 { Some(Reg(n)) } else { None }
    }

    /// The number.
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// Width of a load, store or atomic operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Size {
    /// One byte.
    B,
    /// Two bytes.
    H,
    /// Four bytes.
    W,
    /// Eight bytes.
    DW,
}

impl Size {
    /// The opcode bits.
    pub const fn bits(self) -> u8 {
        match self {
            Size::B => BPF_B,
            Size::H => BPF_H,
            Size::W => BPF_W,
            Size::DW => BPF_DW,
        }
    }

    /// The width in bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::DW => 8,
        }
    }

    /// The size that is `n` bytes wide.
    pub const fn from_bytes(n: u32) -> Option<Size> {
        match n {
            1 => Some(Size::B),
            2 => Some(Size::H),
            4 => Some(Size::W),
            8 => Some(Size::DW),
            _ => None,
        }
    }
}

/// Second operand of arithmetic and jumps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Src {
    /// A register.
    Reg(Reg),
    /// An immediate, sign-extended to 64 bits.
    Imm(i32),
}

/// Arithmetic with two operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    Div,
    /// Signed division (`off` = 1, ISA v4).
    Sdiv,
    Or,
    And,
    Lsh,
    Rsh,
    Mod,
    /// Signed remainder (`off` = 1, ISA v4).
    Smod,
    Xor,
    Mov,
    Arsh,
}

impl AluOp {
    /// All of them.
    pub const ALL: &[AluOp] = &[
        AluOp::Add,
        AluOp::Sub,
        AluOp::Mul,
        AluOp::Div,
        AluOp::Sdiv,
        AluOp::Or,
        AluOp::And,
        AluOp::Lsh,
        AluOp::Rsh,
        AluOp::Mod,
        AluOp::Smod,
        AluOp::Xor,
        AluOp::Mov,
        AluOp::Arsh,
    ];

    /// Opcode bits and the `off` field.
    pub const fn bits(self) -> (u8, i16) {
        match self {
            AluOp::Add => (BPF_ADD, 0),
            AluOp::Sub => (BPF_SUB, 0),
            AluOp::Mul => (BPF_MUL, 0),
            AluOp::Div => (BPF_DIV, 0),
            AluOp::Sdiv => (BPF_DIV, 1),
            AluOp::Or => (BPF_OR, 0),
            AluOp::And => (BPF_AND, 0),
            AluOp::Lsh => (BPF_LSH, 0),
            AluOp::Rsh => (BPF_RSH, 0),
            AluOp::Mod => (BPF_MOD, 0),
            AluOp::Smod => (BPF_MOD, 1),
            AluOp::Xor => (BPF_XOR, 0),
            AluOp::Mov => (BPF_MOV, 0),
            AluOp::Arsh => (BPF_ARSH, 0),
        }
    }
}

/// Condition of a jump with two operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum JmpOp {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Sgt,
    Sge,
    Slt,
    Sle,
    Set,
}

impl JmpOp {
    /// All of them.
    pub const ALL: &[JmpOp] = &[
        JmpOp::Eq,
        JmpOp::Ne,
        JmpOp::Gt,
        JmpOp::Ge,
        JmpOp::Lt,
        JmpOp::Le,
        JmpOp::Sgt,
        JmpOp::Sge,
        JmpOp::Slt,
        JmpOp::Sle,
        JmpOp::Set,
    ];

    /// Opcode bits.
    pub const fn bits(self) -> u8 {
        match self {
            JmpOp::Eq => BPF_JEQ,
            JmpOp::Ne => BPF_JNE,
            JmpOp::Gt => BPF_JGT,
            JmpOp::Ge => BPF_JGE,
            JmpOp::Lt => BPF_JLT,
            JmpOp::Le => BPF_JLE,
            JmpOp::Sgt => BPF_JSGT,
            JmpOp::Sge => BPF_JSGE,
            JmpOp::Slt => BPF_JSLT,
            JmpOp::Sle => BPF_JSLE,
            JmpOp::Set => BPF_JSET,
        }
    }
}

/// An atomic read-modify-write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum AtomicOp {
    Add,
    Or,
    And,
    Xor,
    FetchAdd,
    FetchOr,
    FetchAnd,
    FetchXor,
    Xchg,
    /// Compares with `r0`, which receives the old value.
    CmpXchg,
}

impl AtomicOp {
    /// All of them.
    pub const ALL: &[AtomicOp] = &[
        AtomicOp::Add,
        AtomicOp::Or,
        AtomicOp::And,
        AtomicOp::Xor,
        AtomicOp::FetchAdd,
        AtomicOp::FetchOr,
        AtomicOp::FetchAnd,
        AtomicOp::FetchXor,
        AtomicOp::Xchg,
        AtomicOp::CmpXchg,
    ];

    /// The `imm` field.
    pub const fn imm(self) -> i32 {
        match self {
            AtomicOp::Add => BPF_ADD as i32,
            AtomicOp::Or => BPF_OR as i32,
            AtomicOp::And => BPF_AND as i32,
            AtomicOp::Xor => BPF_XOR as i32,
            AtomicOp::FetchAdd => BPF_ADD as i32 | BPF_FETCH,
            AtomicOp::FetchOr => BPF_OR as i32 | BPF_FETCH,
            AtomicOp::FetchAnd => BPF_AND as i32 | BPF_FETCH,
            AtomicOp::FetchXor => BPF_XOR as i32 | BPF_FETCH,
            AtomicOp::Xchg => BPF_XCHG,
            AtomicOp::CmpXchg => BPF_CMPXCHG,
        }
    }
}

/// One eight-byte instruction (a 64-bit immediate load takes two of them).
///
/// Register numbers are plain numbers here because bytes read from a file may hold any four bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Insn {
    /// Opcode.
    pub code: u8,
    /// Destination register number.
    pub dst: u8,
    /// Source register number, or a `BPF_PSEUDO_*`.
    pub src: u8,
    /// Signed offset.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

impl Insn {
    /// The eight bytes, in the given endianness' layout (RFC 9669, section 3.1).
    pub fn to_bytes(self, big_endian: bool) -> [u8; 8] {
        let regs =
            if big_endian { self.dst << 4 | self.src & 15 } else { self.src << 4 | self.dst & 15 };
        let (o, i) = if big_endian {
            (self.off.to_be_bytes(), self.imm.to_be_bytes())
        } else {
            (self.off.to_le_bytes(), self.imm.to_le_bytes())
        };
        [self.code, regs, o[0], o[1], i[0], i[1], i[2], i[3]]
    }

    /// Reads eight bytes; every pattern is an `Insn`, valid or not.
    pub fn from_bytes(b: [u8; 8], big_endian: bool) -> Insn {
        let (hi, lo) = (b[1] >> 4, b[1] & 15);
        let (dst, src) = if big_endian { (hi, lo) } else { (lo, hi) };
        let (o, i) = ([b[2], b[3]], [b[4], b[5], b[6], b[7]]);
        let (off, imm) = if big_endian {
            (i16::from_be_bytes(o), i32::from_be_bytes(i))
        } else {
            (i16::from_le_bytes(o), i32::from_le_bytes(i))
        };
        Insn { code: b[0], dst, src, off, imm }
    }

    /// The instruction class.
    pub const fn class(self) -> u8 {
        self.code & 7
    }

    /// Whether this is the first half of a 64-bit immediate load.
    pub const fn is_ld_imm64(self) -> bool {
        self.code == BPF_LD | BPF_IMM | BPF_DW
    }

    fn with_src(class: u8, op: u8, off: i16, dst: Reg, src: Src) -> Insn {
        match src {
            Src::Reg(r) => Insn { code: class | op | BPF_X, dst: dst.0, src: r.0, off, imm: 0 },
            Src::Imm(imm) => Insn { code: class | op | BPF_K, dst: dst.0, src: 0, off, imm },
        }
    }

    /// 64-bit arithmetic: `dst op= src`.
    pub fn alu64(op: AluOp, dst: Reg, src: Src) -> Insn {
        let (bits, off) = op.bits();
        Insn::with_src(BPF_ALU64, bits, off, dst, src)
    }

    /// 32-bit arithmetic; the upper half of `dst` becomes zero.
    pub fn alu32(op: AluOp, dst: Reg, src: Src) -> Insn {
        let (bits, off) = op.bits();
        Insn::with_src(BPF_ALU, bits, off, dst, src)
    }

    /// `dst = src`, 64 bits.
    pub fn mov64(dst: Reg, src: Src) -> Insn {
        Insn::alu64(AluOp::Mov, dst, src)
    }

    /// `dst = (sN)src`: sign extension from 8, 16 or 32 bits (ISA v4).
    pub fn movsx64(dst: Reg, src: Reg, bits: i16) -> Insn {
        Insn { code: BPF_ALU64 | BPF_MOV | BPF_X, dst: dst.0, src: src.0, off: bits, imm: 0 }
    }

    /// `dst = -dst`.
    pub fn neg64(dst: Reg) -> Insn {
        Insn { code: BPF_ALU64 | BPF_NEG, dst: dst.0, ..Insn::default() }
    }

    /// `dst = htobeN(dst)`: to big endian, truncating to `bits` (16, 32, 64).
    pub fn to_be(dst: Reg, bits: i32) -> Insn {
        Insn { code: BPF_ALU | BPF_END | BPF_X, dst: dst.0, imm: bits, ..Insn::default() }
    }

    /// `dst = htoleN(dst)`: to little endian, truncating to `bits` (16, 32, 64).
    pub fn to_le(dst: Reg, bits: i32) -> Insn {
        Insn { code: BPF_ALU | BPF_END | BPF_K, dst: dst.0, imm: bits, ..Insn::default() }
    }

    /// `dst = bswapN(dst)`: unconditional byte swap (ISA v4).
    pub fn bswap(dst: Reg, bits: i32) -> Insn {
        Insn { code: BPF_ALU64 | BPF_END, dst: dst.0, imm: bits, ..Insn::default() }
    }

    /// `dst = *(uN *)(src + off)`.
    pub fn ldx(size: Size, dst: Reg, src: Reg, off: i16) -> Insn {
        Insn { code: BPF_LDX | BPF_MEM | size.bits(), dst: dst.0, src: src.0, off, imm: 0 }
    }

    /// `dst = *(sN *)(src + off)`: sign-extending load (ISA v4).
    pub fn ldxs(size: Size, dst: Reg, src: Reg, off: i16) -> Insn {
        Insn { code: BPF_LDX | BPF_MEMSX | size.bits(), dst: dst.0, src: src.0, off, imm: 0 }
    }

    /// `*(uN *)(dst + off) = src`.
    pub fn stx(size: Size, dst: Reg, off: i16, src: Reg) -> Insn {
        Insn { code: BPF_STX | BPF_MEM | size.bits(), dst: dst.0, src: src.0, off, imm: 0 }
    }

    /// `*(uN *)(dst + off) = imm`.
    pub fn st(size: Size, dst: Reg, off: i16, imm: i32) -> Insn {
        Insn { code: BPF_ST | BPF_MEM | size.bits(), dst: dst.0, src: 0, off, imm }
    }

    /// An atomic operation on `*(uN *)(dst + off)` with `src`; `size` is `W` or `DW`.
    pub fn atomic(size: Size, op: AtomicOp, dst: Reg, off: i16, src: Reg) -> Insn {
        Insn {
            code: BPF_STX | BPF_ATOMIC | size.bits(),
            dst: dst.0,
            src: src.0,
            off,
            imm: op.imm(),
        }
    }

    /// The two halves of `dst = imm ll`; `src` is 0 or a `BPF_PSEUDO_*`.
    pub fn ld_imm64(dst: Reg, src: u8, imm: u64) -> [Insn; 2] {
        [
            Insn {
                code: BPF_LD | BPF_IMM | BPF_DW,
                dst: dst.0,
                src,
                off: 0,
                imm: imm as u32 as i32,
            },
            Insn { imm: (imm >> 32) as u32 as i32, ..Insn::default() },
        ]
    }

    /// `if dst op src goto +off`, comparing 64 bits.
    pub fn jmp64(op: JmpOp, dst: Reg, src: Src, off: i16) -> Insn {
        Insn::with_src(BPF_JMP, op.bits(), off, dst, src)
    }

    /// `if (u32)dst op (u32)src goto +off`.
    pub fn jmp32(op: JmpOp, dst: Reg, src: Src, off: i16) -> Insn {
        Insn::with_src(BPF_JMP32, op.bits(), off, dst, src)
    }

    /// `goto +off`.
    pub fn ja(off: i16) -> Insn {
        Insn { code: BPF_JMP | BPF_JA, off, ..Insn::default() }
    }

    /// `gotol +off` (ISA v4): the 32-bit offset is in `imm`.
    pub fn jal(off: i32) -> Insn {
        Insn { code: BPF_JMP32 | BPF_JA, imm: off, ..Insn::default() }
    }

    /// `may_goto +off` of Linux 6.9.
    pub fn may_goto(off: i16) -> Insn {
        Insn { code: BPF_JMP | BPF_JCOND, off, ..Insn::default() }
    }

    /// `call helper`, by number.
    pub fn call(helper: u32) -> Insn {
        Insn { code: BPF_JMP | BPF_CALL, imm: helper as i32, ..Insn::default() }
    }

    /// `call pc+rel`: a subprogram.
    pub fn call_rel(rel: i32) -> Insn {
        Insn { code: BPF_JMP | BPF_CALL, src: BPF_PSEUDO_CALL, imm: rel, ..Insn::default() }
    }

    /// `call kernel-function`, by its BTF id.
    pub fn call_kfunc(btf_id: i32) -> Insn {
        Insn {
            code: BPF_JMP | BPF_CALL,
            src: BPF_PSEUDO_KFUNC_CALL,
            imm: btf_id,
            ..Insn::default()
        }
    }

    /// `exit`.
    pub fn exit() -> Insn {
        Insn { code: BPF_JMP | BPF_EXIT, ..Insn::default() }
    }
}
