//! Instructions as text, as the kernel's verifier log, `bpftool prog dump xlated` and llvm-objdump print them:
//! `r0 = *(u32 *)(r1 + 4)`, `if w3 s> 5 goto +7`, `call bpf_ktime_get_ns#5`.
//!
//! Where those differ, the form is the one that says most: `ll` after 64-bit immediates (llvm), the width of atomics as
//! the kernel writes it, offsets with spaces around the sign. What is not a valid instruction is printed as
//! `.insn code dst src off imm`. [`asm`](crate::asm) reads all of it back to the same bytes.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::{
    AluOp, AtomicOp, Callee, Imm64, Insn, JmpOp, Kind, Names, NoNames, Reg, Size, Src, Swap, Width,
};

/// A program as text, one instruction a line, jumps as `goto +3`.
pub fn disassemble(insns: &[Insn]) -> String {
    Printer::new().program(insns)
}

/// Prints instructions, with names and labels where wished.
#[derive(Clone, Copy)]
pub struct Printer<'a> {
    names: &'a dyn Names,
    labels: bool,
    numbers: bool,
}

impl fmt::Debug for Printer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer")
            .field("labels", &self.labels)
            .field("numbers", &self.numbers)
            .finish_non_exhaustive()
    }
}

impl Default for Printer<'_> {
    fn default() -> Self {
        Printer::new()
    }
}

impl<'a> Printer<'a> {
    /// Knows no names, prints offsets.
    pub fn new() -> Printer<'a> {
        Printer { names: &NoNames, labels: false, numbers: false }
    }

    /// Takes names of helpers, maps and functions from there.
    #[must_use]
    pub fn names(self, names: &'a dyn Names) -> Printer<'a> {
        Printer { names, ..self }
    }

    /// Whether jumps and calls within the program name labels, which [`program`](Self::program) prints.
    #[must_use]
    pub fn labels(self, labels: bool) -> Printer<'a> {
        Printer { labels, ..self }
    }

    /// Whether lines begin with the instruction's place.
    #[must_use]
    pub fn numbers(self, numbers: bool) -> Printer<'a> {
        Printer { numbers, ..self }
    }

    /// A whole program, a line each.
    pub fn program(&self, insns: &[Insn]) -> String {
        let targets = if self.labels { targets(insns) } else { BTreeSet::new() };
        let mut text = String::new();
        let mut pc = 0;
        while pc < insns.len() {
            if targets.contains(&pc) {
                text += &self.label(pc);
                text += ":\n";
            }
            if self.numbers {
                let _ = write!(text, "{pc:4}: ");
            } else if self.labels {
                text += "    ";
            }
            let (line, slots) = self.at(insns, pc, &targets);
            text += &line;
            text.push('\n');
            pc += slots;
        }
        text
    }

    /// The instruction at `pc`, and how many [`Insn`]s it takes; jumps as offsets. Empty past the end.
    pub fn line(&self, insns: &[Insn], pc: usize) -> (String, usize) {
        self.at(insns, pc, &BTreeSet::new())
    }

    fn at(&self, insns: &[Insn], pc: usize, targets: &BTreeSet<usize>) -> (String, usize) {
        match insns.get(pc..).and_then(Kind::decode) {
            Some(Ok(kind)) => (Line { printer: self, kind, pc, targets }.to_string(), kind.slots()),
            Some(Err(_)) => (raw(insns[pc]), 1),
            None => (String::new(), 0),
        }
    }

    fn label(&self, pc: usize) -> String {
        match self.names.function(pc) {
            Some(name) => name.into_owned(),
            None => format!("L{pc}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line { printer: &Printer::new(), kind: *self, pc: 0, targets: &BTreeSet::new() }.fmt(f)
    }
}

fn raw(i: Insn) -> String {
    format!(".insn {:#04x} {} {} {} {}", i.code, i.dst, i.src, i.off, i.imm)
}

/// The instruction that is `rel` after the one that follows `pc`, if there can be one.
fn target(pc: usize, rel: i32) -> Option<usize> {
    usize::try_from(i64::try_from(pc + 1).ok()? + i64::from(rel)).ok()
}

/// What the instruction refers to by relative offset: jumps, calls and addresses of functions.
fn reference(kind: Kind) -> Option<i32> {
    match kind {
        Kind::Call(Callee::Local(rel)) | Kind::LdImm64 { value: Imm64::Func(rel), .. } => Some(rel),
        other => other.jump(),
    }
}

/// Places that get a label: those referred to at which an instruction begins.
fn targets(insns: &[Insn]) -> BTreeSet<usize> {
    let (mut starts, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    let mut pc = 0;
    while pc < insns.len() {
        starts.insert(pc);
        let kind = Kind::decode(&insns[pc..]).and_then(Result::ok);
        wanted.extend(kind.and_then(reference).and_then(|rel| target(pc, rel)));
        pc += kind.map_or(1, Kind::slots);
    }
    starts.intersection(&wanted).copied().collect()
}

struct Line<'a> {
    printer: &'a Printer<'a>,
    kind: Kind,
    pc: usize,
    targets: &'a BTreeSet<usize>,
}

/// `r3` or `w3`.
struct R(Width, Reg);

impl fmt::Display for R {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.0 == Width::W32 { 'w' } else { 'r' };
        write!(f, "{letter}{}", self.1.index())
    }
}

fn r(reg: Reg) -> R {
    R(Width::W64, reg)
}

struct Operand(Width, Src);

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Src::Reg(reg) => R(self.0, reg).fmt(f),
            Src::Imm(imm) => imm.fmt(f),
        }
    }
}

/// `+ 4` or `- 8`.
struct Signed(i32);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.0 < 0 { '-' } else { '+' }, self.0.unsigned_abs())
    }
}

/// `(u32 *)(r1 + 4)`.
struct Mem(char, Size, Reg, i16);

impl fmt::Display for Mem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}{} *)({} {})", self.0, self.1.bytes() * 8, r(self.2), Signed(self.3.into()))
    }
}

pub(crate) fn alu_symbol(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::Sdiv => "s/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod => "%=",
        AluOp::Smod => "s%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

pub(crate) fn jmp_symbol(op: JmpOp) -> &'static str {
    match op {
        JmpOp::Eq => "==",
        JmpOp::Ne => "!=",
        JmpOp::Gt => ">",
        JmpOp::Ge => ">=",
        JmpOp::Lt => "<",
        JmpOp::Le => "<=",
        JmpOp::Sgt => "s>",
        JmpOp::Sge => "s>=",
        JmpOp::Slt => "s<",
        JmpOp::Sle => "s<=",
        JmpOp::Set => "&",
    }
}

pub(crate) fn atomic_name(op: AtomicOp) -> &'static str {
    match op {
        AtomicOp::Add | AtomicOp::FetchAdd => "fetch_add",
        AtomicOp::Or | AtomicOp::FetchOr => "fetch_or",
        AtomicOp::And | AtomicOp::FetchAnd => "fetch_and",
        AtomicOp::Xor | AtomicOp::FetchXor => "fetch_xor",
        AtomicOp::Xchg => "xchg",
        AtomicOp::CmpXchg => "cmpxchg",
    }
}

fn atomic(f: &mut fmt::Formatter<'_>, size: Size, op: AtomicOp, mem: Mem, src: Reg) -> fmt::Result {
    let symbol = match op {
        AtomicOp::Add => "+=",
        AtomicOp::Or => "|=",
        AtomicOp::And => "&=",
        AtomicOp::Xor => "^=",
        _ => {
            let width = if size == Size::DW { "64" } else { "" };
            let (result, expected) =
                if op == AtomicOp::CmpXchg { (Reg::R0, "r0, ") } else { (src, "") };
            return write!(
                f,
                "{} = atomic{width}_{}({mem}, {expected}{})",
                r(result),
                atomic_name(op),
                r(src)
            );
        }
    };
    write!(f, "lock *{mem} {symbol} {}", r(src))
}

impl Line<'_> {
    /// `+3`, or the label there.
    fn place(&self, rel: i32) -> String {
        // Relative to the next eight bytes, also in a 64-bit immediate load, whose offset counts from its second half.
        match target(self.pc, rel) {
            Some(pc) if self.targets.contains(&pc) => self.printer.label(pc),
            _ => format!("{rel:+}"),
        }
    }

    fn imm64(&self, f: &mut fmt::Formatter<'_>, value: Imm64) -> fmt::Result {
        let off = |off: u32| if off == 0 { String::new() } else { format!(" + {off}") };
        let named = |value, number: String| match self.printer.names.map(value) {
            Some(name) => name.into_owned(),
            None => number,
        };
        match value {
            Imm64::Value(v) => write!(f, "{v:#x} ll"),
            Imm64::MapFd(fd) => write!(f, "map[{}]", named(value, format!("fd:{fd}"))),
            Imm64::MapIdx(idx) => write!(f, "map[{}]", named(value, format!("idx:{idx}"))),
            Imm64::MapValue { fd, off: o } => {
                write!(f, "map[{}][0]{}", named(Imm64::MapFd(fd), format!("fd:{fd}")), off(o))
            }
            Imm64::MapIdxValue { idx, off: o } => {
                write!(f, "map[{}][0]{}", named(Imm64::MapIdx(idx), format!("idx:{idx}")), off(o))
            }
            Imm64::BtfId { id, fd: 0 } => write!(f, "btf[id:{id}]"),
            Imm64::BtfId { id, fd } => write!(f, "btf[id:{id}, fd:{fd}]"),
            Imm64::Func(rel) => write!(f, "subprog[{}]", self.place(rel)),
        }
    }

    fn call(&self, f: &mut fmt::Formatter<'_>, callee: Callee) -> fmt::Result {
        let names = self.printer.names;
        match callee {
            Callee::Helper(n) => match names.helper(n) {
                Some(name) => write!(f, "call {name}#{n}"),
                None => write!(f, "call {n}"),
            },
            Callee::Local(rel) => write!(f, "call {}", self.place(rel)),
            Callee::Kfunc { id, fd } => {
                f.write_str("call kfunc ")?;
                if let Some(name) = names.kfunc(id, fd) {
                    write!(f, "{name}#")?;
                }
                write!(f, "{id}")?;
                if fd != 0 { write!(f, " fd {fd}") } else { Ok(()) }
            }
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Alu { width, op, dst, src } => {
                write!(f, "{} {} {}", R(width, dst), alu_symbol(op), Operand(width, src))
            }
            Kind::MovSx { width, dst, src, bits } => {
                write!(f, "{} = (s{bits}){}", R(width, dst), R(width, src))
            }
            Kind::Neg { width, dst } => write!(f, "{0} = -{0}", R(width, dst)),
            Kind::Swap { swap, bits, dst } => {
                let name = match swap {
                    Swap::ToLe => "le",
                    Swap::ToBe => "be",
                    Swap::Always => "bswap",
                };
                write!(f, "{0} = {name}{bits} {0}", r(dst))
            }
            Kind::AddrSpaceCast { dst, src, to, from } => {
                write!(f, "{} = addr_space_cast({}, {to}, {from})", r(dst), r(src))
            }
            Kind::Load { size, signed, dst, src, off } => {
                write!(f, "{} = *{}", r(dst), Mem(if signed { 's' } else { 'u' }, size, src, off))
            }
            Kind::Store { size, dst, off, src } => {
                write!(f, "*{} = {}", Mem('u', size, dst, off), Operand(Width::W64, src))
            }
            Kind::Atomic { size, op, dst, off, src } => {
                atomic(f, size, op, Mem('u', size, dst, off), src)
            }
            Kind::LoadAcquire { size, dst, src, off } => {
                write!(f, "{} = load_acquire({})", r(dst), Mem('u', size, src, off))
            }
            Kind::StoreRelease { size, dst, off, src } => {
                write!(f, "store_release({}, {})", Mem('u', size, dst, off), r(src))
            }
            Kind::LdImm64 { dst, value } => {
                write!(f, "{} = ", r(dst))?;
                self.imm64(f, value)
            }
            Kind::LdAbs { size, imm } => write!(f, "r0 = *(u{} *)skb[{imm}]", size.bytes() * 8),
            Kind::LdInd { size, src, imm } => {
                write!(f, "r0 = *(u{} *)skb[{} {}]", size.bytes() * 8, r(src), Signed(imm))
            }
            Kind::Jump { off } => write!(f, "goto {}", self.place(off.into())),
            Kind::JumpLong { off } => write!(f, "gotol {}", self.place(off)),
            Kind::MayGoto { off } => write!(f, "may_goto {}", self.place(off.into())),
            Kind::JumpIf { width, op, dst, src, off } => {
                let (dst, src) = (R(width, dst), Operand(width, src));
                write!(f, "if {dst} {} {src} goto {}", jmp_symbol(op), self.place(off.into()))
            }
            Kind::Call(callee) => self.call(f, callee),
            Kind::Exit => f.write_str("exit"),
        }
    }
}
