//! The grammar of one instruction in the kernel's syntax; functions are named after what they read.

use crate::cursor::{Parsed, Parser};
use crate::disasm::{alu_symbol, atomic_name, jmp_symbol};
use crate::lex::Token;
use crate::{
    AluOp, AtomicOp, Callee, Imm64, Insn, JmpOp, Kind, Names, Reg, Size, Src, Swap, Width,
};

/// What a line says.
pub(crate) enum Stmt {
    /// An instruction, and the label it leads to with the label's offset in the line.
    Kind(Kind, Option<(usize, String)>),
    /// `.insn`.
    Raw(Insn),
}

/// Where a jump or a call leads: an offset, or a label, for which the offset is 0 until it is known.
pub(crate) type Place = (i32, Option<(usize, String)>);

/// Reads one line in the kernel's syntax.
pub(crate) fn statement(line: &str, names: &dyn Names) -> Parsed<Stmt> {
    let mut p = Parser::new(line)?;
    let stmt = p.statement(names)?;
    p.end()?;
    Ok(stmt)
}

impl From<Kind> for Stmt {
    fn from(kind: Kind) -> Stmt {
        Stmt::Kind(kind, None)
    }
}

/// A register as written, with its width.
#[derive(Clone, Copy)]
struct Named {
    at: usize,
    width: Width,
    reg: Reg,
}

/// Parts of instructions.
impl<'a> Parser<'a> {
    fn register(&mut self) -> Option<Named> {
        let at = self.at();
        let Some(Token::Word(word)) = self.peek() else { return None };
        let (width, number) = match word.split_at_checked(1)? {
            ("r", n) => (Width::W64, n),
            ("w", n) => (Width::W32, n),
            _ => return None,
        };
        let reg =
            number.parse().ok().and_then(Reg::new).filter(|r| r.index().to_string() == number)?;
        self.next += 1;
        Some(Named { at, width, reg })
    }

    fn expect_register(&mut self) -> Parsed<Named> {
        match self.register() {
            Some(r) => Ok(r),
            None => self.fail("a register (r0 to r10, or w0 to w10 for the lower half)"),
        }
    }

    pub(crate) fn r(&mut self) -> Parsed<Reg> {
        let r = self.expect_register()?;
        if r.width == Width::W64 {
            Ok(r.reg)
        } else {
            Err((r.at, "a 64-bit register (r) is needed here".into()))
        }
    }

    fn same(&mut self, dst: Named) -> Parsed<()> {
        let r = self.expect_register()?;
        if r.reg == dst.reg && r.width == dst.width {
            Ok(())
        } else {
            Err((r.at, "operand and result must be the same register".into()))
        }
    }

    /// A register whose width goes with `size`: `w` may stand for it up to four bytes.
    fn sized(&mut self, size: Size) -> Parsed<Reg> {
        let r = self.expect_register()?;
        fits(r, size)?;
        Ok(r.reg)
    }

    fn operand(&mut self, width: Width, only_low: bool) -> Parsed<Src> {
        match self.register() {
            Some(r) if r.width == width => Ok(Src::Reg(r.reg)),
            Some(r) => Err((r.at, "r and w registers cannot be mixed".into())),
            None if matches!(self.peek(), Some(Token::Number(_) | Token::Sign("-" | "+"))) => {
                Ok(Src::Imm(self.imm32(only_low || width == Width::W32)?))
            }
            None => self.fail("a register or a number"),
        }
    }

    /// `(u32 *)`, with the signedness.
    fn cast(&mut self) -> Parsed<(bool, Size)> {
        self.expect("(")?;
        let at = self.at();
        let (signed, size) = match self.word() {
            Some("u8") => (false, Size::B),
            Some("u16") => (false, Size::H),
            Some("u32") => (false, Size::W),
            Some("u64") => (false, Size::DW),
            Some("s8") => (true, Size::B),
            Some("s16") => (true, Size::H),
            Some("s32") => (true, Size::W),
            _ => {
                return Err((
                    at,
                    "expected a type: u8, u16, u32, u64, or s8, s16, s32 to extend the sign".into(),
                ));
            }
        };
        self.expect("*")?;
        self.expect(")")?;
        Ok((signed, size))
    }

    fn unsigned_cast(&mut self) -> Parsed<Size> {
        let at = self.at();
        match self.cast()? {
            (false, size) => Ok(size),
            _ => Err((at, "only loads can extend a sign".into())),
        }
    }

    /// `r1 + 4`.
    pub(crate) fn base(&mut self) -> Parsed<(Reg, i16)> {
        let reg = self.r()?;
        let off = match self.peek() {
            Some(Token::Sign("+" | "-")) => self.within("a 16-bit offset")?,
            _ => 0,
        };
        Ok((reg, off))
    }

    /// `(r1 + 4)`.
    fn address(&mut self) -> Parsed<(Reg, i16)> {
        self.expect("(")?;
        let base = self.base()?;
        self.expect(")")?;
        Ok(base)
    }

    /// `+3`, `pc+3` or a label.
    pub(crate) fn place(&mut self) -> Parsed<Place> {
        let at = self.at();
        match self.peek() {
            Some(Token::Sign("+" | "-")) => Ok((self.within("an offset")?, None)),
            Some(Token::Word(word)) => {
                self.next += 1;
                match self.peek() {
                    Some(Token::Sign("+" | "-")) if word == "pc" => {
                        Ok((self.within("an offset")?, None))
                    }
                    _ => Ok((0, Some((at, word.to_string())))),
                }
            }
            _ => self.fail("a label or an offset such as +3"),
        }
    }

    pub(crate) fn short_place(&mut self) -> Parsed<(i16, Option<(usize, String)>)> {
        let at = self.at();
        let (rel, label) = self.place()?;
        let off = i16::try_from(rel)
            .map_err(|_| (at, format!("{rel} is too far for a 16-bit offset: use gotol")))?;
        Ok((off, label))
    }
}

fn fits(r: Named, size: Size) -> Parsed<()> {
    if r.width == Width::W32 && size == Size::DW {
        return Err((r.at, "eight bytes need a 64-bit register (r)".into()));
    }
    Ok(())
}

/// Instructions.
impl Parser<'_> {
    fn statement(&mut self, names: &dyn Names) -> Parsed<Stmt> {
        if let Some(dst) = self.register() {
            return self.assignment(dst, names);
        }
        if self.sign("*") {
            return self.store();
        }
        let at = self.at();
        match self.word() {
            Some("exit") => Ok(Kind::Exit.into()),
            Some("goto") => {
                let (off, label) = self.short_place()?;
                Ok(Stmt::Kind(Kind::Jump { off }, label))
            }
            Some("gotol") => {
                let (off, label) = self.place()?;
                Ok(Stmt::Kind(Kind::JumpLong { off }, label))
            }
            Some("may_goto") => {
                let (off, label) = self.short_place()?;
                Ok(Stmt::Kind(Kind::MayGoto { off }, label))
            }
            Some("if") => self.condition(),
            Some("call") => self.call(names),
            Some("lock") => self.lock(),
            Some("store_release") => self.store_release(),
            Some(".insn") => self.raw(),
            Some(word) => Err((at, format!("unknown instruction {word}"))),
            None => self.fail("an instruction"),
        }
    }

    fn raw(&mut self) -> Parsed<Stmt> {
        let code = self.within("an opcode of 8 bits")?;
        let mut four_bits = || {
            let at = self.at();
            let n: u8 = self.within("4 bits")?;
            if n < 16 { Ok(n) } else { Err((at, format!("{n} does not fit in 4 bits"))) }
        };
        let (dst, src) = (four_bits()?, four_bits()?);
        Ok(Stmt::Raw(Insn { code, dst, src, off: self.within("16 bits")?, imm: self.imm32(true)? }))
    }

    /// `*(u32 *)(r1 + 4) = r2`.
    fn store(&mut self) -> Parsed<Stmt> {
        let size = self.unsigned_cast()?;
        let (dst, off) = self.address()?;
        self.expect("=")?;
        let src = match self.register() {
            Some(r) => {
                fits(r, size)?;
                Src::Reg(r.reg)
            }
            None => Src::Imm(self.imm32(size != Size::DW)?),
        };
        Ok(Kind::Store { size, dst, off, src }.into())
    }

    /// `lock *(u64 *)(r1 + 4) += r2`.
    fn lock(&mut self) -> Parsed<Stmt> {
        self.expect("*")?;
        let at = self.at();
        let size = self.unsigned_cast()?;
        atomic_size(size, at)?;
        let (dst, off) = self.address()?;
        let op = match self.peek() {
            Some(Token::Sign("+=")) => AtomicOp::Add,
            Some(Token::Sign("|=")) => AtomicOp::Or,
            Some(Token::Sign("&=")) => AtomicOp::And,
            Some(Token::Sign("^=")) => AtomicOp::Xor,
            _ => return self.fail("+=, |=, &= or ^="),
        };
        self.next += 1;
        Ok(Kind::Atomic { size, op, dst, off, src: self.sized(size)? }.into())
    }

    /// `store_release((u64 *)(r1 + 4), r2)`.
    fn store_release(&mut self) -> Parsed<Stmt> {
        self.expect("(")?;
        let size = self.unsigned_cast()?;
        let (dst, off) = self.address()?;
        self.expect(",")?;
        let src = self.sized(size)?;
        self.expect(")")?;
        Ok(Kind::StoreRelease { size, dst, off, src }.into())
    }

    /// `if r1 == 5 goto +3`.
    fn condition(&mut self) -> Parsed<Stmt> {
        let dst = self.expect_register()?;
        let op = match self.peek() {
            Some(Token::Sign(sign)) => JmpOp::ALL.iter().find(|op| jmp_symbol(**op) == sign),
            _ => None,
        };
        let Some(&op) = op else { return self.fail("a comparison") };
        self.next += 1;
        // The kernel's listings, which say `pc+2`, print the immediate as 32 bits without sign.
        let listing = self.tokens.iter().any(|t| t.1 == Token::Word("pc"));
        let src = self.operand(dst.width, listing)?;
        if !self.keyword("goto") {
            return self.fail("goto");
        }
        let (off, label) = self.short_place()?;
        Ok(Stmt::Kind(Kind::JumpIf { width: dst.width, op, dst: dst.reg, src, off }, label))
    }

    fn call(&mut self, names: &dyn Names) -> Parsed<Stmt> {
        if matches!(self.peek(), Some(Token::Number(_))) {
            return Ok(Kind::Call(Callee::Helper(self.imm32(true)? as u32)).into());
        }
        if self.peek() == Some(Token::Word("kfunc")) && self.tokens.len() > self.next + 1 {
            self.next += 1;
            return self.kfunc();
        }
        let (off, label) = self.place()?;
        match &label {
            Some(_) if self.sign("#") => {
                Ok(Kind::Call(Callee::Helper(self.imm32(true)? as u32)).into())
            }
            Some((_, name)) if names.helper_number(name).is_some() => {
                Ok(Kind::Call(Callee::Helper(names.helper_number(name).unwrap_or_default())).into())
            }
            _ => Ok(Stmt::Kind(Kind::Call(Callee::Local(off)), label)),
        }
    }

    /// `kfunc name#123 fd 1`, after the first word.
    fn kfunc(&mut self) -> Parsed<Stmt> {
        if self.word().is_some() {
            self.expect("#")?;
        }
        let id = self.imm32(true)?;
        let fd = if self.keyword("fd") { self.within("16 bits")? } else { 0 };
        Ok(Kind::Call(Callee::Kfunc { id, fd }).into())
    }

    /// What begins with a register.
    fn assignment(&mut self, dst: Named, names: &dyn Names) -> Parsed<Stmt> {
        let op = match self.peek() {
            Some(Token::Sign(sign)) => AluOp::ALL.iter().find(|op| alu_symbol(**op) == sign),
            _ => None,
        };
        let Some(&op) = op else { return self.fail("= or an operation such as +=") };
        self.next += 1;
        let Named { width, reg, .. } = dst;
        if op != AluOp::Mov {
            return Ok(Kind::Alu { width, op, dst: reg, src: self.operand(width, false)? }.into());
        }
        match self.peek() {
            Some(Token::Sign("(")) => self.sign_extension(dst),
            Some(Token::Sign("*")) => self.load(dst),
            Some(Token::Sign("-"))
                if matches!(self.tokens.get(self.next + 1), Some((_, Token::Word(_)))) =>
            {
                self.next += 1;
                self.same(dst)?;
                Ok(Kind::Neg { width, dst: reg }.into())
            }
            Some(Token::Sign(_) | Token::Number(_)) => self.constant(dst),
            _ => match self.register() {
                Some(r) if r.width == width => {
                    Ok(Kind::Alu { width, op, dst: reg, src: Src::Reg(r.reg) }.into())
                }
                Some(r) => Err((r.at, "r and w registers cannot be mixed".into())),
                None => self.function(dst, names),
            },
        }
    }

    /// `(s8)r2`.
    fn sign_extension(&mut self, dst: Named) -> Parsed<Stmt> {
        self.expect("(")?;
        let at = self.at();
        let bits = match (self.word(), dst.width) {
            (Some("s8"), _) => 8,
            (Some("s16"), _) => 16,
            (Some("s32"), Width::W64) => 32,
            _ => return Err((at, "expected s8, s16, or in a 64-bit register s32".into())),
        };
        self.expect(")")?;
        let src = self.expect_register()?;
        if src.width != dst.width {
            return Err((src.at, "r and w registers cannot be mixed".into()));
        }
        Ok(Kind::MovSx { width: dst.width, dst: dst.reg, src: src.reg, bits }.into())
    }

    /// A number, which is a 64-bit immediate load if `ll` follows or if nothing else can hold it.
    fn constant(&mut self, dst: Named) -> Parsed<Stmt> {
        let start = self.next;
        let at = self.at();
        let n = self.signed()?;
        let long = self.keyword("ll");
        if dst.width == Width::W64 && (long || n > i32::MAX.into()) {
            let value = u64::try_from(n).or_else(|_| i64::try_from(n).map(|n| n as u64));
            let value =
                Imm64::Value(value.map_err(|_| (at, format!("{n} does not fit in 64 bits")))?);
            return Ok(Kind::LdImm64 { dst: dst.reg, value }.into());
        }
        if long {
            return Err((dst.at, "64-bit immediates need a 64-bit register (r)".into()));
        }
        self.next = start;
        let src = Src::Imm(self.imm32(dst.width == Width::W32)?);
        Ok(Kind::Alu { width: dst.width, op: AluOp::Mov, dst: dst.reg, src }.into())
    }

    /// `*(u32 *)(r1 + 4)` or `*(u32 *)skb[r1 + 4]`.
    fn load(&mut self, dst: Named) -> Parsed<Stmt> {
        self.expect("*")?;
        let at = self.at();
        let (signed, size) = self.cast()?;
        if self.keyword("skb") {
            if signed || size == Size::DW || dst.reg != Reg::R0 {
                return Err((at, "packet loads are of u8, u16 or u32, into r0".into()));
            }
            return self.packet(size);
        }
        if signed && dst.width == Width::W32 {
            return Err((dst.at, "sign-extending loads need a 64-bit register (r)".into()));
        }
        fits(dst, size)?;
        let (src, off) = self.address()?;
        Ok(Kind::Load { size, signed, dst: dst.reg, src, off }.into())
    }

    /// `[4]` or `[r1 + 4]`.
    fn packet(&mut self, size: Size) -> Parsed<Stmt> {
        self.expect("[")?;
        let kind = match self.register() {
            None => Kind::LdAbs { size, imm: self.imm32(true)? },
            Some(r) if r.width == Width::W32 => {
                return Err((r.at, "a 64-bit register (r) is needed here".into()));
            }
            Some(r) => {
                let signed = matches!(self.peek(), Some(Token::Sign("+" | "-")));
                Kind::LdInd { size, src: r.reg, imm: if signed { self.imm32(true)? } else { 0 } }
            }
        };
        self.expect("]")?;
        Ok(kind.into())
    }

    /// What is written as a word after `=`: conversions, atomics and addresses.
    fn function(&mut self, dst: Named, names: &dyn Names) -> Parsed<Stmt> {
        let at = self.at();
        let Some(word) = self.word() else { return self.fail("a register, a number or a load") };
        let swap = |swap, bits: &str| {
            Some((swap, bits.parse().ok().filter(|b| matches!(b, 16 | 32 | 64))?))
        };
        let swapped = if let Some(bits) = word.strip_prefix("bswap") {
            swap(Swap::Always, bits)
        } else if let Some(bits) = word.strip_prefix("be") {
            swap(Swap::ToBe, bits)
        } else {
            word.strip_prefix("le").and_then(|bits| swap(Swap::ToLe, bits))
        };
        if let Some((swap, bits)) = swapped {
            self.same(dst)?;
            return match dst.width {
                Width::W64 => Ok(Kind::Swap { swap, bits, dst: dst.reg }.into()),
                Width::W32 => {
                    Err((dst.at, "byte-order operations need a 64-bit register (r)".into()))
                }
            };
        }
        match word {
            "load_acquire" => self.load_acquire(dst),
            "addr_space_cast" => self.addr_space_cast(dst),
            "map" | "btf" | "subprog" => {
                if dst.width == Width::W32 {
                    return Err((dst.at, "addresses need a 64-bit register (r)".into()));
                }
                let (value, label) = self.address_of(word, names)?;
                Ok(Stmt::Kind(Kind::LdImm64 { dst: dst.reg, value }, label))
            }
            _ => self.fetch(dst, word, at),
        }
    }

    /// `((u64 *)(r1 + 4))`.
    fn load_acquire(&mut self, dst: Named) -> Parsed<Stmt> {
        self.expect("(")?;
        let size = self.unsigned_cast()?;
        fits(dst, size)?;
        let (src, off) = self.address()?;
        self.expect(")")?;
        Ok(Kind::LoadAcquire { size, dst: dst.reg, src, off }.into())
    }

    /// `(r2, 0, 1)`.
    fn addr_space_cast(&mut self, dst: Named) -> Parsed<Stmt> {
        self.expect("(")?;
        let src = self.r()?;
        self.expect(",")?;
        let to = self.within("an address space of 16 bits")?;
        self.expect(",")?;
        let from = self.within("an address space of 16 bits")?;
        self.expect(")")?;
        if dst.width == Width::W32 {
            return Err((dst.at, "addresses need a 64-bit register (r)".into()));
        }
        Ok(Kind::AddrSpaceCast { dst: dst.reg, src, to, from }.into())
    }

    /// `map[fd:3]`, `map[idx:0][0] + 8`, `map[name]`, `btf[id:5, fd:2]`, `subprog[+5]`, after the first word.
    fn address_of(
        &mut self,
        word: &str,
        names: &dyn Names,
    ) -> Parsed<(Imm64, Option<(usize, String)>)> {
        self.expect("[")?;
        if word == "subprog" {
            let (rel, label) = self.place()?;
            self.expect("]")?;
            return Ok((Imm64::Func(rel), label));
        }
        let at = self.at();
        let Some(key) = self.word() else { return self.fail("what to name it by") };
        let value = match (word, key, self.sign(":")) {
            ("map", "fd", true) => Imm64::MapFd(self.imm32(true)?),
            ("map", "idx", true) => Imm64::MapIdx(self.imm32(true)?),
            ("btf", "id", true) => {
                let id = self.imm32(true)?;
                let module = self.sign(",");
                if module && !(self.keyword("fd") && self.sign(":")) {
                    return self.fail("fd:");
                }
                Imm64::BtfId { id, fd: if module { self.imm32(true)? } else { 0 } }
            }
            (_, name, false) => {
                names.map_value(name).ok_or_else(|| (at, format!("no map is named {name}")))?
            }
            _ => return Err((at, format!("a {word} cannot be named by {key}"))),
        };
        self.expect("]")?;
        if !self.sign("[") {
            return Ok((value, None));
        }
        let zero: i32 = self.within("an index")?;
        self.expect("]")?;
        let signed = matches!(self.peek(), Some(Token::Sign("+")));
        let off = if signed { self.within("an offset of 32 bits")? } else { 0 };
        match value {
            Imm64::MapFd(fd) if zero == 0 => Ok((Imm64::MapValue { fd, off }, None)),
            Imm64::MapIdx(idx) if zero == 0 => Ok((Imm64::MapIdxValue { idx, off }, None)),
            _ => Err((at, "only element 0 of a map has an address".into())),
        }
    }

    /// An atomic operation that returns the old value.
    ///
    /// `atomic64_fetch_add((u64 *)(r1 + 4), r2)` is the kernel's form, `xchg32_32(r1 + 4, w2)` one of llvm's.
    fn fetch(&mut self, dst: Named, word: &str, at: usize) -> Parsed<Stmt> {
        let (name, size) = match word.strip_prefix("atomic64_").map(|n| (n, Some(Size::DW))) {
            Some(found) => found,
            None => match word.strip_prefix("atomic_") {
                Some(name) => (name, None),
                None => match word {
                    "xchg_64" => ("xchg", Some(Size::DW)),
                    "xchg32_32" => ("xchg", Some(Size::W)),
                    "cmpxchg_64" => ("cmpxchg", Some(Size::DW)),
                    "cmpxchg32_32" => ("cmpxchg", Some(Size::W)),
                    _ => return Err((at, format!("unknown operation {word}"))),
                },
            },
        };
        let fetching = AtomicOp::ALL.iter().filter(|op| op.imm() & crate::op::BPF_FETCH != 0);
        let Some(&op) = fetching.clone().find(|op| atomic_name(**op) == name) else {
            return Err((at, format!("unknown operation {word}")));
        };
        self.expect("(")?;
        let (size, base, off) = self.fetched(word, size)?;
        fits(dst, size)?;
        self.expect(",")?;
        if op == AtomicOp::CmpXchg {
            let at = self.at();
            if dst.reg != Reg::R0 || self.sized(size)? != Reg::R0 {
                return Err((at, "cmpxchg compares with r0, and returns in r0".into()));
            }
            self.expect(",")?;
        }
        let at = self.at();
        let src = self.sized(size)?;
        self.expect(")")?;
        if op != AtomicOp::CmpXchg && src != dst.reg {
            return Err((at, "the old value returns in the register of the operand".into()));
        }
        Ok(Kind::Atomic { size, op, dst: base, off, src }.into())
    }

    /// The memory an atomic works on.
    fn fetched(&mut self, word: &str, size: Option<Size>) -> Parsed<(Size, Reg, i16)> {
        if let Some(size) = size.filter(|_| !word.starts_with("atomic")) {
            let (base, off) = self.base()?;
            return Ok((size, base, off));
        }
        let at = self.at();
        let found = self.unsigned_cast()?;
        atomic_size(found, at)?;
        if size.is_some_and(|s| s != found) {
            return Err((at, format!("{word} works on u64")));
        }
        let (base, off) = self.address()?;
        Ok((found, base, off))
    }
}

fn atomic_size(size: Size, at: usize) -> Parsed<()> {
    match size {
        Size::W | Size::DW => Ok(()),
        _ => Err((at, "atomic operations work on u32 and u64".into())),
    }
}
