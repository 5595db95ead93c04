//! [`Kind`]: the typed view of a valid instruction, base of whatever has to understand code.
//!
//! [`Kind::decode`] accepts exactly the encodings of RFC 9669 (sections 4 and 5) and Linux' additions (`may_goto`,
//! `addr_space_cast`, `load_acquire`, `store_release`): a reserved opcode, a register above 10, or an unused field that
//! is not zero is refused, as the kernel refuses it. [`Kind::encode`] leads back to the same bytes.
//! What an instruction may do in a program (writing `r10`, jumping out of it) is a verifier's matter.

use crate::op::*;
use crate::{AluOp, AtomicOp, Error, Fault, Insn, JmpOp, Reg, Size, Src};

/// Whether an operation works on 32 or on 64 bits of its registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Width {
    /// The lower half; arithmetic clears the upper half.
    W32,
    /// All of it.
    W64,
}

/// A byte-order operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Swap {
    /// To little endian.
    ToLe,
    /// To big endian.
    ToBe,
    /// Swaps on every machine.
    Always,
}

/// What a 64-bit immediate load loads (RFC 9669, section 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Imm64 {
    /// The number.
    Value(u64),
    /// A map, by descriptor.
    MapFd(i32),
    /// The address of a byte in the only value of a map, by descriptor.
    MapValue {
        /// The map's descriptor.
        fd: i32,
        /// The byte.
        off: u32,
    },
    /// The address of a kernel variable.
    BtfId {
        /// The variable's BTF id.
        id: i32,
        /// Descriptor of the module's BTF, 0 for the kernel itself.
        fd: i32,
    },
    /// The address of a function of this program, relative to the next instruction.
    Func(i32),
    /// A map, by index in the list given at load.
    MapIdx(i32),
    /// The address of a byte in the only value of a map, by index.
    MapIdxValue {
        /// The map's index.
        idx: i32,
        /// The byte.
        off: u32,
    },
}

/// What a call calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Callee {
    /// A helper, by number.
    Helper(u32),
    /// A function of this program, relative to the next instruction.
    Local(i32),
    /// A kernel function.
    Kfunc {
        /// Its BTF id.
        id: i32,
        /// Index of its module's BTF in the list given at load, 0 for the kernel itself.
        fd: i16,
    },
}

/// A valid instruction. Jump offsets count instructions from the next one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `dst op= src`.
    Alu {
        /// Bits worked on.
        width: Width,
        /// Operation.
        op: AluOp,
        /// First operand and result.
        dst: Reg,
        /// Second operand.
        src: Src,
    },
    /// `dst = (sN)src`.
    MovSx {
        /// Bits of the result.
        width: Width,
        /// Result.
        dst: Reg,
        /// Operand.
        src: Reg,
        /// Bits of the operand: 8 or 16, and 32 if the width is 64.
        bits: u8,
    },
    /// `dst = -dst`.
    Neg {
        /// Bits worked on.
        width: Width,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = htobeN(dst)` and its like.
    Swap {
        /// Which order.
        swap: Swap,
        /// 16, 32 or 64; higher bits are cleared.
        bits: u8,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = addr_space_cast(src, to, from)`.
    AddrSpaceCast {
        /// Result.
        dst: Reg,
        /// Operand.
        src: Reg,
        /// Address space of the result.
        to: u16,
        /// Address space of the operand.
        from: u16,
    },
    /// `dst = *(uN *)(src + off)`.
    Load {
        /// Bytes read.
        size: Size,
        /// Whether the sign is extended, not zero.
        signed: bool,
        /// Result.
        dst: Reg,
        /// Base address.
        src: Reg,
        /// Added to the base.
        off: i16,
    },
    /// `*(uN *)(dst + off) = src`.
    Store {
        /// Bytes written.
        size: Size,
        /// Base address.
        dst: Reg,
        /// Added to the base.
        off: i16,
        /// What is written.
        src: Src,
    },
    /// An atomic read-modify-write of `*(uN *)(dst + off)`.
    Atomic {
        /// Four or eight bytes.
        size: Size,
        /// Operation.
        op: AtomicOp,
        /// Base address.
        dst: Reg,
        /// Added to the base.
        off: i16,
        /// Operand, and result of the fetching ones.
        src: Reg,
    },
    /// `dst = load_acquire((uN *)(src + off))`.
    LoadAcquire {
        /// Bytes read.
        size: Size,
        /// Result.
        dst: Reg,
        /// Base address.
        src: Reg,
        /// Added to the base.
        off: i16,
    },
    /// `store_release((uN *)(dst + off), src)`.
    StoreRelease {
        /// Bytes written.
        size: Size,
        /// Base address.
        dst: Reg,
        /// Added to the base.
        off: i16,
        /// What is written.
        src: Reg,
    },
    /// `dst = imm ll`: the only instruction of sixteen bytes.
    LdImm64 {
        /// Result.
        dst: Reg,
        /// What is loaded.
        value: Imm64,
    },
    /// `r0 = *(uN *)skb[imm]`: packet bytes, to host order (deprecated).
    LdAbs {
        /// Bytes read: not eight.
        size: Size,
        /// Offset in the packet.
        imm: i32,
    },
    /// `r0 = *(uN *)skb[src + imm]`: packet bytes, to host order (deprecated).
    LdInd {
        /// Bytes read: not eight.
        size: Size,
        /// Added to the offset.
        src: Reg,
        /// Offset in the packet.
        imm: i32,
    },
    /// `goto +off`.
    Jump {
        /// Where to.
        off: i16,
    },
    /// `gotol +off`.
    JumpLong {
        /// Where to.
        off: i32,
    },
    /// `if dst op src goto +off`.
    JumpIf {
        /// Bits compared.
        width: Width,
        /// Condition.
        op: JmpOp,
        /// First operand.
        dst: Reg,
        /// Second operand.
        src: Src,
        /// Where to.
        off: i16,
    },
    /// `may_goto +off`.
    MayGoto {
        /// Where to.
        off: i16,
    },
    /// `call`.
    Call(Callee),
    /// `exit`.
    Exit,
}

/// Whether an instruction can be the second half of a 64-bit immediate load.
pub(crate) fn second_half_is_sound(insn: &Insn) -> bool {
    Insn { imm: 0, ..*insn } == Insn::default()
}

fn reg(n: u8) -> Result<Reg, Fault> {
    Reg::new(n).ok_or(Fault::Register(n))
}

fn size(code: u8) -> Size {
    match code & 0x18 {
        BPF_B => Size::B,
        BPF_H => Size::H,
        BPF_W => Size::W,
        _ => Size::DW,
    }
}

/// Fields of an instruction that its form does not use.
#[derive(Clone, Copy)]
struct Unused(u8);

const NONE: Unused = Unused(0);
const DST: Unused = Unused(1);
const SRC: Unused = Unused(2);
const OFF: Unused = Unused(4);
const IMM: Unused = Unused(8);

impl std::ops::BitOr for Unused {
    type Output = Unused;
    fn bitor(self, other: Unused) -> Unused {
        Unused(self.0 | other.0)
    }
}

impl Unused {
    fn check(self, i: Insn) -> Result<(), Fault> {
        let fields = [
            (DST, "dst", i.dst != 0),
            (SRC, "src", i.src != 0),
            (OFF, "off", i.off != 0),
            (IMM, "imm", i.imm != 0),
        ];
        match fields.iter().find(|(field, _, set)| self.0 & field.0 != 0 && *set) {
            Some((_, name, _)) => Err(Fault::Unused(name)),
            None => Ok(()),
        }
    }
}

/// The second operand, and a check that the field it is not in is zero.
fn operand(i: Insn) -> Result<Src, Fault> {
    if i.code & BPF_X != 0 {
        IMM.check(i)?;
        Ok(Src::Reg(reg(i.src)?))
    } else {
        SRC.check(i)?;
        Ok(Src::Imm(i.imm))
    }
}

impl Kind {
    /// The instruction at the start of `insns`, which is `Kind::slots` long; `None` if there is none.
    ///
    /// Errors count places from the start of `insns`.
    pub fn decode(insns: &[Insn]) -> Option<Result<Kind, Error>> {
        let (&first, rest) = insns.split_first()?;
        Some(decode(first, rest.first()).map_err(|fault| Error::Insn { pc: 0, fault }))
    }

    /// All instructions of a program, each with its place.
    pub fn decode_all(insns: &[Insn]) -> Result<Vec<(usize, Kind)>, Error> {
        let mut kinds = Vec::with_capacity(insns.len());
        let mut pc = 0;
        while pc < insns.len() {
            let kind =
                decode(insns[pc], insns.get(pc + 1)).map_err(|fault| Error::Insn { pc, fault })?;
            kinds.push((pc, kind));
            pc += kind.slots();
        }
        Ok(kinds)
    }

    /// How many [`Insn`]s it takes: one, or two.
    pub fn slots(self) -> usize {
        if matches!(self, Kind::LdImm64 { .. }) { 2 } else { 1 }
    }

    /// Where it jumps to if it jumps, in instructions from the next one; calls do not count.
    pub fn jump(self) -> Option<i32> {
        match self {
            Kind::Jump { off } | Kind::JumpIf { off, .. } | Kind::MayGoto { off } => {
                Some(off.into())
            }
            Kind::JumpLong { off } => Some(off),
            _ => None,
        }
    }

    /// Whether the next instruction can be reached from this one.
    pub fn falls_through(self) -> bool {
        !matches!(self, Kind::Jump { .. } | Kind::JumpLong { .. } | Kind::Exit)
    }

    /// The encoding, and the second half of a 64-bit immediate load.
    pub fn encode(self) -> (Insn, Option<Insn>) {
        match self {
            Kind::LdImm64 { dst, value } => {
                let [first, second] = value.encode(dst);
                (first, Some(second))
            }
            other => (encode_one(other), None),
        }
    }

    /// Appends the encoding to a program.
    pub fn push_to(self, program: &mut Vec<Insn>) {
        let (first, second) = self.encode();
        program.push(first);
        program.extend(second);
    }
}

fn decode(i: Insn, next: Option<&Insn>) -> Result<Kind, Fault> {
    match i.class() {
        BPF_ALU | BPF_ALU64 => decode_alu(i),
        BPF_LDX | BPF_ST | BPF_STX => decode_mem(i),
        BPF_LD => decode_ld(i, next),
        _ => decode_jmp(i),
    }
}

fn decode_alu(i: Insn) -> Result<Kind, Fault> {
    let dst = reg(i.dst)?;
    let width = if i.class() == BPF_ALU64 { Width::W64 } else { Width::W32 };
    let op = match (i.code & 0xf0, i.off) {
        (BPF_NEG, _) if i.code & BPF_X == 0 => {
            (SRC | OFF | IMM).check(i)?;
            return Ok(Kind::Neg { width, dst });
        }
        (BPF_END, _) => return decode_swap(i, dst),
        (BPF_MOV, off) if off != 0 && i.code & BPF_X != 0 => return decode_mov(i, width, dst),
        (BPF_ADD, _) => AluOp::Add,
        (BPF_SUB, _) => AluOp::Sub,
        (BPF_MUL, _) => AluOp::Mul,
        (BPF_DIV, 1) => AluOp::Sdiv,
        (BPF_DIV, _) => AluOp::Div,
        (BPF_OR, _) => AluOp::Or,
        (BPF_AND, _) => AluOp::And,
        (BPF_LSH, _) => AluOp::Lsh,
        (BPF_RSH, _) => AluOp::Rsh,
        (BPF_MOD, 1) => AluOp::Smod,
        (BPF_MOD, _) => AluOp::Mod,
        (BPF_XOR, _) => AluOp::Xor,
        (BPF_MOV, _) => AluOp::Mov,
        (BPF_ARSH, _) => AluOp::Arsh,
        _ => return Err(Fault::Opcode(i.code)),
    };
    match op {
        AluOp::Div | AluOp::Mod if i.off != 0 => return Err(Fault::Value("off", i.off.into())),
        AluOp::Sdiv | AluOp::Smod => {}
        _ => OFF.check(i)?,
    }
    Ok(Kind::Alu { width, op, dst, src: operand(i)? })
}

fn decode_swap(i: Insn, dst: Reg) -> Result<Kind, Fault> {
    let swap = match (i.class(), i.code & BPF_X) {
        (BPF_ALU, BPF_K) => Swap::ToLe,
        (BPF_ALU, _) => Swap::ToBe,
        (_, BPF_K) => Swap::Always,
        _ => return Err(Fault::Opcode(i.code)),
    };
    (SRC | OFF).check(i)?;
    match i.imm {
        16 | 32 | 64 => Ok(Kind::Swap { swap, bits: i.imm as u8, dst }),
        other => Err(Fault::Value("imm", other)),
    }
}

/// Register moves whose `off` is not zero.
fn decode_mov(i: Insn, width: Width, dst: Reg) -> Result<Kind, Fault> {
    let src = reg(i.src)?;
    match (i.off, width) {
        (8 | 16, _) | (32, Width::W64) => {
            IMM.check(i)?;
            Ok(Kind::MovSx { width, dst, src, bits: i.off as u8 })
        }
        (1, Width::W64) => Ok(Kind::AddrSpaceCast {
            dst,
            src,
            to: (i.imm as u32 >> 16) as u16,
            from: i.imm as u16,
        }),
        (off, _) => Err(Fault::Value("off", off.into())),
    }
}

fn decode_mem(i: Insn) -> Result<Kind, Fault> {
    let (size, off) = (size(i.code), i.off);
    match (i.class(), i.code & 0xe0) {
        (BPF_LDX, mode @ (BPF_MEM | BPF_MEMSX)) if mode == BPF_MEM || size != Size::DW => {
            IMM.check(i)?;
            Ok(Kind::Load {
                size,
                signed: mode == BPF_MEMSX,
                dst: reg(i.dst)?,
                src: reg(i.src)?,
                off,
            })
        }
        (BPF_ST, BPF_MEM) => {
            SRC.check(i)?;
            Ok(Kind::Store { size, dst: reg(i.dst)?, off, src: Src::Imm(i.imm) })
        }
        (BPF_STX, BPF_MEM) => {
            IMM.check(i)?;
            Ok(Kind::Store { size, dst: reg(i.dst)?, off, src: Src::Reg(reg(i.src)?) })
        }
        (BPF_STX, BPF_ATOMIC) => decode_atomic(i, size),
        _ => Err(Fault::Opcode(i.code)),
    }
}

fn decode_atomic(i: Insn, size: Size) -> Result<Kind, Fault> {
    let (dst, src, off) = (reg(i.dst)?, reg(i.src)?, i.off);
    match i.imm {
        BPF_LOAD_ACQ => return Ok(Kind::LoadAcquire { size, dst, src, off }),
        BPF_STORE_REL => return Ok(Kind::StoreRelease { size, dst, off, src }),
        _ => {}
    }
    if !matches!(size, Size::W | Size::DW) {
        return Err(Fault::Opcode(i.code));
    }
    match AtomicOp::ALL.iter().find(|op| op.imm() == i.imm) {
        Some(&op) => Ok(Kind::Atomic { size, op, dst, off, src }),
        None => Err(Fault::Value("imm", i.imm)),
    }
}

fn decode_ld(i: Insn, next: Option<&Insn>) -> Result<Kind, Fault> {
    let size = size(i.code);
    match i.code & 0xe0 {
        BPF_IMM if size == Size::DW => {
            OFF.check(i)?;
            let next = next.filter(|n| second_half_is_sound(n)).ok_or(Fault::SecondHalf)?;
            Ok(Kind::LdImm64 { dst: reg(i.dst)?, value: Imm64::decode(i, next.imm)? })
        }
        BPF_ABS if size != Size::DW => {
            (DST | SRC | OFF).check(i)?;
            Ok(Kind::LdAbs { size, imm: i.imm })
        }
        BPF_IND if size != Size::DW => {
            (DST | OFF).check(i)?;
            Ok(Kind::LdInd { size, src: reg(i.src)?, imm: i.imm })
        }
        _ => Err(Fault::Opcode(i.code)),
    }
}

fn decode_jmp(i: Insn) -> Result<Kind, Fault> {
    let wide = i.class() == BPF_JMP;
    let (unused, kind) = match (i.code & 0xf8, wide) {
        (BPF_JA, true) => (DST | SRC | IMM, Kind::Jump { off: i.off }),
        (BPF_JA, false) => (DST | SRC | OFF, Kind::JumpLong { off: i.imm }),
        (BPF_JCOND, true) => (DST | SRC | IMM, Kind::MayGoto { off: i.off }),
        (BPF_EXIT, true) => (DST | SRC | OFF | IMM, Kind::Exit),
        (BPF_CALL, true) => match i.src {
            0 => (DST | OFF, Kind::Call(Callee::Helper(i.imm as u32))),
            BPF_PSEUDO_CALL => (DST | OFF, Kind::Call(Callee::Local(i.imm))),
            BPF_PSEUDO_KFUNC_CALL => (DST, Kind::Call(Callee::Kfunc { id: i.imm, fd: i.off })),
            other => return Err(Fault::Value("src", other.into())),
        },
        _ => {
            let op = JmpOp::ALL
                .iter()
                .find(|op| op.bits() == i.code & 0xf0)
                .ok_or(Fault::Opcode(i.code))?;
            let width = if wide { Width::W64 } else { Width::W32 };
            (NONE, Kind::JumpIf { width, op: *op, dst: reg(i.dst)?, src: operand(i)?, off: i.off })
        }
    };
    unused.check(i)?;
    Ok(kind)
}

impl Imm64 {
    fn decode(first: Insn, second: i32) -> Result<Imm64, Fault> {
        let imm = first.imm;
        let alone =
            |value| if second == 0 { Ok(value) } else { Err(Fault::Unused("second half's imm")) };
        match first.src {
            0 => Ok(Imm64::Value(u64::from(second as u32) << 32 | u64::from(imm as u32))),
            BPF_PSEUDO_MAP_FD => alone(Imm64::MapFd(imm)),
            BPF_PSEUDO_MAP_VALUE => Ok(Imm64::MapValue { fd: imm, off: second as u32 }),
            BPF_PSEUDO_BTF_ID => Ok(Imm64::BtfId { id: imm, fd: second }),
            BPF_PSEUDO_FUNC => alone(Imm64::Func(imm)),
            BPF_PSEUDO_MAP_IDX => alone(Imm64::MapIdx(imm)),
            BPF_PSEUDO_MAP_IDX_VALUE => Ok(Imm64::MapIdxValue { idx: imm, off: second as u32 }),
            other => Err(Fault::Value("src", other.into())),
        }
    }

    fn encode(self, dst: Reg) -> [Insn; 2] {
        let (src, low, high) = match self {
            Imm64::Value(v) => (0, v as u32, (v >> 32) as u32),
            Imm64::MapFd(fd) => (BPF_PSEUDO_MAP_FD, fd as u32, 0),
            Imm64::MapValue { fd, off } => (BPF_PSEUDO_MAP_VALUE, fd as u32, off),
            Imm64::BtfId { id, fd } => (BPF_PSEUDO_BTF_ID, id as u32, fd as u32),
            Imm64::Func(rel) => (BPF_PSEUDO_FUNC, rel as u32, 0),
            Imm64::MapIdx(idx) => (BPF_PSEUDO_MAP_IDX, idx as u32, 0),
            Imm64::MapIdxValue { idx, off } => (BPF_PSEUDO_MAP_IDX_VALUE, idx as u32, off),
        };
        Insn::ld_imm64(dst, src, u64::from(high) << 32 | u64::from(low))
    }
}

fn encode_one(kind: Kind) -> Insn {
    let raw = |code, dst: Reg, src: Reg, off, imm| Insn {
        code,
        dst: dst.index(),
        src: src.index(),
        off,
        imm,
    };
    match kind {
        Kind::Alu { width: Width::W64, op, dst, src } => Insn::alu64(op, dst, src),
        Kind::Alu { width: Width::W32, op, dst, src } => Insn::alu32(op, dst, src),
        Kind::MovSx { width, dst, src, bits } => {
            raw(alu_class(width) | BPF_MOV | BPF_X, dst, src, bits.into(), 0)
        }
        Kind::Neg { width, dst } => raw(alu_class(width) | BPF_NEG, dst, Reg::R0, 0, 0),
        Kind::Swap { swap: Swap::ToLe, bits, dst } => Insn::to_le(dst, bits.into()),
        Kind::Swap { swap: Swap::ToBe, bits, dst } => Insn::to_be(dst, bits.into()),
        Kind::Swap { swap: Swap::Always, bits, dst } => Insn::bswap(dst, bits.into()),
        Kind::AddrSpaceCast { dst, src, to, from } => raw(
            BPF_ALU64 | BPF_MOV | BPF_X,
            dst,
            src,
            1,
            (u32::from(to) << 16 | u32::from(from)) as i32,
        ),
        Kind::Load { size, signed: false, dst, src, off } => Insn::ldx(size, dst, src, off),
        Kind::Load { size, signed: true, dst, src, off } => Insn::ldxs(size, dst, src, off),
        Kind::Store { size, dst, off, src: Src::Reg(src) } => Insn::stx(size, dst, off, src),
        Kind::Store { size, dst, off, src: Src::Imm(imm) } => Insn::st(size, dst, off, imm),
        Kind::Atomic { size, op, dst, off, src } => Insn::atomic(size, op, dst, off, src),
        Kind::LoadAcquire { size, dst, src, off } => {
            raw(BPF_STX | BPF_ATOMIC | size.bits(), dst, src, off, BPF_LOAD_ACQ)
        }
        Kind::StoreRelease { size, dst, off, src } => {
            raw(BPF_STX | BPF_ATOMIC | size.bits(), dst, src, off, BPF_STORE_REL)
        }
        Kind::LdImm64 { dst, value } => value.encode(dst)[0],
        Kind::LdAbs { size, imm } => raw(BPF_LD | BPF_ABS | size.bits(), Reg::R0, Reg::R0, 0, imm),
        Kind::LdInd { size, src, imm } => raw(BPF_LD | BPF_IND | size.bits(), Reg::R0, src, 0, imm),
        Kind::Jump { off } => Insn::ja(off),
        Kind::JumpLong { off } => Insn::jal(off),
        Kind::JumpIf { width: Width::W64, op, dst, src, off } => Insn::jmp64(op, dst, src, off),
        Kind::JumpIf { width: Width::W32, op, dst, src, off } => Insn::jmp32(op, dst, src, off),
        Kind::MayGoto { off } => Insn::may_goto(off),
        Kind::Call(Callee::Helper(n)) => Insn::call(n),
        Kind::Call(Callee::Local(rel)) => Insn::call_rel(rel),
        Kind::Call(Callee::Kfunc { id, fd }) => Insn { off: fd, ..Insn::call_kfunc(id) },
        Kind::Exit => Insn::exit(),
    }
}

fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => BPF_ALU,
        Width::W64 => BPF_ALU64,
    }
}
