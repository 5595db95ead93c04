//! Instruction selection: from the IR to BPF instructions over virtual registers.
//!
//! Constants and load-time addresses have no register of their own: they are folded into the instruction that uses them,
//! or made anew before it. `base + constant` and slots fold into the offsets of loads and stores.

use regalloc2::{Block as RaBlock, Operand, PRegSet, VReg};
use skep_isa::op::{BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE};
use skep_isa::{AluOp, Insn, JmpOp, Reg, Src};
use skep_object::RelocTarget;

use super::live;
use super::machine::{Link, MBlock, MFunc, MInst, Op, preg, vreg};
use crate::ir::{
    AtomicOp, BinOp, Block, Callee, Cond, Function, Inst, InstData, Loc, Size, Slot, Term, Value,
};

/// What the target's instruction set offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Isa {
    pub(super) v4: bool,
    pub(super) big_endian: bool,
}

/// Selects instructions for the blocks in `order`; `slots` are the slots' distances below the frame pointer.
pub(super) fn select(func: &Function, order: &[Block], slots: &[i32], isa: Isa) -> MFunc {
    let mut place = vec![0; func.blocks.len()];
    for (i, b) in order.iter().enumerate() {
        place[b.0 as usize] = i;
    }
    let mut s = Selector {
        func,
        slots,
        isa,
        defs: func.definitions(),
        uses: func.use_counts(),
        crossing: live::across_calls(func),
        homes: homes(func),
        bound: bound(func),
        current: Block(0),
        out: MFunc { vregs: func.values as usize, ..MFunc::default() },
        place,
        cache: Vec::new(),
        loc: Loc::default(),
    };
    for &b in order {
        s.block(b);
    }
    s.connect();
    s.out.remove_dead();
    s.out
}

/// The block in which each value is defined.
fn homes(func: &Function) -> Vec<Block> {
    let mut homes = vec![Block(0); func.values as usize];
    for (b, block) in func.blocks.iter().enumerate() {
        let results = block.insts.iter().filter_map(|d| d.result.as_ref());
        block.params.iter().chain(results).for_each(|v| homes[v.0 as usize] = Block(b as u32));
    }
    homes
}

/// Values that become an argument or the result, or the left operand of what does so: they share its register.
fn bound(func: &Function) -> Vec<bool> {
    let mut bound = vec![false; func.values as usize];
    for block in &func.blocks {
        if let Term::Ret(v) = block.term {
            bound[v.0 as usize] = true;
        }
        for data in block.insts.iter().rev() {
            let is_bound = data.result.is_some_and(|v| bound[v.0 as usize]);
            match &data.inst {
                Inst::Call(_, args) => args.iter().for_each(|a| bound[a.0 as usize] = true),
                Inst::Bin(_, a, _)
                | Inst::Neg(a)
                | Inst::Ext { arg: a, .. }
                | Inst::Bswap { arg: a, .. } => {
                    bound[a.0 as usize] |= is_bound;
                }
                _ => {}
            }
        }
    }
    bound
}

/// Template register: the field is filled in later.
const ANY: Reg = Reg::R0;

/// Where an access goes.
enum Base {
    Frame,
    Reg(VReg),
}

struct Selector<'a> {
    func: &'a Function,
    slots: &'a [i32],
    isa: Isa,
    defs: Vec<Option<Inst>>,
    uses: Vec<u32>,
    /// Values alive during some call.
    crossing: Vec<bool>,
    homes: Vec<Block>,
    /// Values that end in a fixed register.
    bound: Vec<bool>,
    current: Block,
    out: MFunc,
    place: Vec<usize>,
    /// Addresses and wide constants made in this block since the last call.
    cache: Vec<(Value, VReg)>,
    loc: Loc,
}

impl Selector<'_> {
    fn block(&mut self, b: Block) {
        let data = self.func.block(b);
        let start = self.out.insts.len();
        self.current = b;
        self.cache.clear();
        let mut block = MBlock::default();
        if b.0 == 0 {
            self.loc = data.insts.first().map_or(data.term_loc, |i| i.loc);
            self.args(&data.params);
        } else {
            block.params = data.params.iter().map(|&v| reg_of(v)).collect();
        }
        for inst in &data.insts {
            self.loc = inst.loc;
            self.inst(inst);
        }
        self.loc = data.term_loc;
        for e in data.term.edges() {
            block.succs.push(RaBlock::new(self.place[e.block.0 as usize]));
            let args = e.args.iter().map(|&a| self.fresh_use(a)).collect();
            block.args.push(args);
        }
        self.term(&data.term);
        block.insts = start..self.out.insts.len();
        self.out.blocks.push(block);
    }

    /// The parameters of the function arrive in registers that calls do not preserve.
    fn args(&mut self, params: &[Value]) {
        let arrived: Vec<VReg> = params.iter().map(|&v| self.fixed_def(v)).collect();
        let defs = arrived.iter().enumerate().map(|(i, &r)| Operand::reg_fixed_def(r, preg(i + 1)));
        let defs: Vec<Operand> = defs.collect();
        self.push(Op::Args, &defs);
        params.iter().zip(arrived).for_each(|(&v, r)| self.settle(v, r));
    }

    /// The register in which a value that begins in a fixed one arrives: its own, or one to be copied at once.
    fn fixed_def(&mut self, v: Value) -> VReg {
        if self.crossing[v.0 as usize] { self.fresh() } else { reg_of(v) }
    }

    /// Copies a value from where it arrived.
    fn settle(&mut self, v: Value, arrived: VReg) {
        if arrived != reg_of(v) {
            self.copy(reg_of(v), arrived);
        }
    }

    /// A register that must become a fixed one: the value's own only if that does not bind it elsewhere.
    fn fixed_use(&mut self, v: Value) -> VReg {
        let local = self.homes[v.0 as usize] == self.current && !self.crossing[v.0 as usize];
        if local || self.defs[v.0 as usize].as_ref().is_some_and(Inst::is_material) {
            return self.fresh_use(v);
        }
        let r = self.fresh();
        self.copy(r, reg_of(v));
        r
    }

    /// The left operand, which shares its register with the result. A value that crosses a call must not be bound by
    /// that to the register in which the result has to end.
    fn left_use(&mut self, v: Value, dst: VReg) -> VReg {
        let at = dst.vreg();
        let is_material = self.defs[v.0 as usize].as_ref().is_some_and(Inst::is_material);
        if is_material || !self.crossing[v.0 as usize] || self.crossing[at] || !self.bound[at] {
            return self.fresh_use(v);
        }
        let r = self.fresh();
        self.copy(r, reg_of(v));
        r
    }

    fn copy(&mut self, to: VReg, from: VReg) {
        let operands = [Operand::reg_def(to), Operand::reg_use(from)];
        self.push(one(Insn::mov64(ANY, Src::Reg(ANY)), Some(0), Some(1)), &operands);
    }

    fn connect(&mut self) {
        for b in 0..self.out.blocks.len() {
            for s in self.out.blocks[b].succs.clone() {
                self.out.blocks[s.index()].preds.push(RaBlock::new(b));
            }
        }
    }

    fn push(&mut self, op: Op, operands: &[Operand]) {
        self.push_clobbering(op, operands, PRegSet::empty());
    }

    fn push_clobbering(&mut self, op: Op, operands: &[Operand], clobbers: PRegSet) {
        let start = self.out.operands.len();
        self.out.operands.extend_from_slice(operands);
        let operands = start..self.out.operands.len();
        self.out.insts.push(MInst { op, operands, clobbers, loc: self.loc });
    }

    fn fresh(&mut self) -> VReg {
        self.out.vregs += 1;
        vreg(self.out.vregs - 1)
    }

    fn constant(&self, v: Value) -> Option<i64> {
        match self.defs[v.0 as usize] {
            Some(Inst::Const(c)) => Some(c),
            _ => None,
        }
    }

    /// A constant that the instruction itself can hold.
    fn imm(&self, v: Value) -> Option<i32> {
        self.constant(v).and_then(|c| i32::try_from(c).ok())
    }

    /// A register with the value, for reading.
    fn reg(&mut self, v: Value) -> VReg {
        let Some(inst) = self.defs[v.0 as usize].clone().filter(Inst::is_material) else {
            return reg_of(v);
        };
        if let Some(&(_, r)) = self.cache.iter().find(|(c, _)| *c == v) {
            return r;
        }
        let r = self.fresh();
        self.material(r, &inst);
        // What one cheap instruction makes is not worth a register kept for it.
        if self.imm(v).is_none() {
            self.cache.push((v, r));
        }
        r
    }

    /// A register with the value which, if it is made anew, nobody else reads.
    fn fresh_use(&mut self, v: Value) -> VReg {
        match self.defs[v.0 as usize].clone() {
            Some(inst) if inst.is_material() => {
                let r = self.fresh();
                self.material(r, &inst);
                r
            }
            _ => reg_of(v),
        }
    }

    /// Makes a constant or an address.
    fn material(&mut self, dst: VReg, inst: &Inst) {
        let wide = |src, imm, link| Op::Wide { src, imm, link };
        let object = |target| Some(Link::Object(target));
        let op = match *inst {
            Inst::Const(c) => return self.iconst(dst, c),
            Inst::MapAddr(m) => wide(BPF_PSEUDO_MAP_FD, 0, object(RelocTarget::Map(m))),
            Inst::MapValueAddr(m, off) => {
                let imm = u64::from(off) << 32;
                wide(BPF_PSEUDO_MAP_VALUE, imm, object(RelocTarget::MapValue(m, off)))
            }
            Inst::FuncAddr(f) => wide(BPF_PSEUDO_FUNC, 0, Some(Link::Func(f))),
            Inst::SlotAddr(slot, off) => Op::Frame { off: self.slot_off(slot, off) },
            _ => return,
        };
        self.push(op, &[Operand::reg_def(dst)]);
    }

    fn iconst(&mut self, dst: VReg, c: i64) {
        let def = [Operand::reg_def(dst)];
        if let Ok(imm) = i32::try_from(c) {
            self.push(one(Insn::mov64(ANY, Src::Imm(imm)), Some(0), None), &def);
        } else if let Ok(imm) = u32::try_from(c) {
            // A 32-bit move clears the upper half.
            let insn = Insn::alu32(AluOp::Mov, ANY, Src::Imm(imm as i32));
            self.push(one(insn, Some(0), None), &def);
        } else {
            self.push(Op::Wide { src: 0, imm: c as u64, link: None }, &def);
        }
    }

    fn slot_off(&self, slot: Slot, off: u32) -> i32 {
        self.slots[slot.0 as usize] + off as i32
    }

    fn inst(&mut self, data: &InstData) {
        let result = data.result;
        match (&data.inst, result) {
            (i, _) if i.is_material() => {}
            (Inst::Store { size, ptr, off, val }, _) => self.store(*size, *ptr, *off, *val),
            (Inst::Atomic { op, size, ptr, off, val }, _) => {
                self.atomic(*op, *size, *ptr, *off, *val, result);
            }
            (Inst::Call(callee, args), _) => self.call(callee, args, result),
            (_, None) => {}
            (inst, Some(v)) => self.pure(inst, reg_of(v)),
        }
    }

    fn pure(&mut self, inst: &Inst, dst: VReg) {
        match *inst {
            Inst::Bin(op, a, b) => self.bin(op, a, b, dst),
            Inst::Neg(a) => {
                let a = self.left_use(a, dst);
                self.reuse(Insn::neg64(ANY), a, dst);
            }
            Inst::Ext { signed, bits, arg } => {
                let arg = self.left_use(arg, dst);
                self.ext(signed, bits, arg, dst);
            }
            Inst::Bswap { bits, arg } => {
                let arg = self.left_use(arg, dst);
                let bits = i32::from(bits);
                let insn = match self.isa {
                    Isa { v4: true, .. } => Insn::bswap(ANY, bits),
                    Isa { big_endian: true, .. } => Insn::to_le(ANY, bits),
                    _ => Insn::to_be(ANY, bits),
                };
                self.reuse(insn, arg, dst);
            }
            Inst::Icmp(cond, a, b) => self.set(cond, a, b, dst),
            Inst::Load { size, signed, ptr, off } => {
                let (base, off) = self.address(ptr, off);
                let signed = signed && size != Size::DW;
                let make = if signed { Insn::ldxs } else { Insn::ldx };
                let def = Operand::reg_def(dst);
                match base {
                    Base::Frame => {
                        self.push(one(make(size, ANY, Reg::FP, off), Some(0), None), &[def]);
                    }
                    Base::Reg(r) => {
                        let op = one(make(size, ANY, ANY, off), Some(0), Some(1));
                        self.push(op, &[def, Operand::reg_use(r)]);
                    }
                }
            }
            _ => {}
        }
    }

    /// `dst = a`, then `dst = insn(dst)`, in one register.
    fn reuse(&mut self, insn: Insn, a: VReg, dst: VReg) {
        let operands = [Operand::reg_use(a), Operand::reg_reuse_def(dst, 0)];
        self.push(one(insn, Some(1), None), &operands);
    }

    fn alu_imm(&mut self, op: AluOp, a: VReg, imm: i32, dst: VReg) {
        self.reuse(Insn::alu64(op, ANY, Src::Imm(imm)), a, dst);
    }

    fn bin(&mut self, op: BinOp, a: Value, b: Value, dst: VReg) {
        let alu = alu_op(op);
        let is_shift = matches!(op, BinOp::Shl | BinOp::Lshr | BinOp::Ashr);
        if is_shift && let Some(c) = self.constant(b) {
            let a = self.left_use(a, dst);
            return self.alu_imm(alu, a, (c & 63) as i32, dst);
        }
        if let Some(imm) = self.imm(b) {
            // The kernel refuses a division by an immediate 0: there the register form is used.
            if imm != 0 || !matches!(alu, AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod) {
                let a = self.left_use(a, dst);
                return self.alu_imm(alu, a, imm, dst);
            }
        }
        let (a, b) = if self.better_swapped(op, a, b) { (b, a) } else { (a, b) };
        let (a, b) = (self.left_use(a, dst), self.reg(b));
        let operands = [Operand::reg_use(a), Operand::reg_use(b), Operand::reg_reuse_def(dst, 0)];
        self.push(one(Insn::alu64(alu, ANY, Src::Reg(ANY)), Some(2), Some(1)), &operands);
    }

    /// The left operand's register is overwritten: better that of a value which is not needed any more. Sums keep their
    /// order, since the verifier likes the pointer on the left.
    fn better_swapped(&self, op: BinOp, a: Value, b: Value) -> bool {
        let dies = |v: Value| self.uses[v.0 as usize] == 1;
        op.is_commutative() && op != BinOp::Add && dies(b) && !dies(a)
    }

    fn ext(&mut self, signed: bool, bits: u8, arg: VReg, dst: VReg) {
        let bits32 = i32::from(bits);
        let two = [Operand::reg_def(dst), Operand::reg_use(arg)];
        match (signed, bits) {
            (false, 32) => {
                self.push(one(Insn::alu32(AluOp::Mov, ANY, Src::Reg(ANY)), Some(0), Some(1)), &two);
            }
            (false, 1..=31) => self.alu_imm(AluOp::And, arg, ((1u32 << bits) - 1) as i32, dst),
            (true, 8 | 16 | 32) if self.isa.v4 => {
                self.push(one(Insn::movsx64(ANY, ANY, bits32 as i16), Some(0), Some(1)), &two);
            }
            _ => {
                let up = self.fresh();
                self.alu_imm(AluOp::Lsh, arg, 64 - bits32, up);
                let down = if signed { AluOp::Arsh } else { AluOp::Rsh };
                self.alu_imm(down, up, 64 - bits32, dst);
            }
        }
    }

    fn set(&mut self, cond: Cond, a: Value, b: Value, dst: VReg) {
        let (cond, a, b) = if self.imm(a).is_some() && self.imm(b).is_none() {
            (cond.swapped(), b, a)
        } else {
            (cond, a, b)
        };
        let imm = self.imm(b);
        let a = self.reg(a);
        // The result is written before the comparison: it must not share a register with what is compared.
        let mut operands = vec![Operand::reg_def_at_start(dst), Operand::reg_use(a)];
        if imm.is_none() {
            let b = self.reg(b);
            operands.push(Operand::reg_use(b));
        }
        self.push(Op::Set { op: jmp_op(cond), imm }, &operands);
    }

    /// Follows `base + constant` and slots as far as the offset field reaches.
    fn address(&mut self, ptr: Value, off: i32) -> (Base, i16) {
        let (mut ptr, mut off) = (ptr, i64::from(off));
        loop {
            match self.defs[ptr.0 as usize] {
                Some(Inst::SlotAddr(slot, at)) => {
                    if let Ok(off) = i16::try_from(off + i64::from(self.slot_off(slot, at))) {
                        return (Base::Frame, off);
                    }
                }
                Some(Inst::Bin(BinOp::Add, base, c)) => {
                    if let Some(c) = self.constant(c)
                        && let Some(sum) = off.checked_add(c)
                        && i16::try_from(sum).is_ok()
                    {
                        (ptr, off) = (base, sum);
                        continue;
                    }
                }
                _ => {}
            }
            break;
        }
        let base = self.reg(ptr);
        if let Ok(off) = i16::try_from(off) {
            return (Base::Reg(base), off);
        }
        // Nothing was folded, so the offset is still the instruction's own 32 bits.
        let sum = self.fresh();
        self.alu_imm(AluOp::Add, base, off as i32, sum);
        (Base::Reg(sum), 0)
    }

    fn store(&mut self, size: Size, ptr: Value, off: i32, val: Value) {
        let imm = match (self.constant(val), size) {
            (Some(_), Size::DW) => self.imm(val),
            // A narrow store takes the low bits, whatever the rest.
            (Some(c), Size::B) => Some(i32::from(c as u8)),
            (Some(c), Size::H) => Some(i32::from(c as u16)),
            (Some(c), Size::W) => Some(c as i32),
            (None, _) => None,
        };
        let (base, off) = self.address(ptr, off);
        let (dst, mut operands) = destination(base);
        let field = (!operands.is_empty()).then_some(0);
        let op = match imm {
            Some(imm) => one(Insn::st(size, dst, off, imm), field, None),
            None => {
                let val = self.reg(val);
                operands.push(Operand::reg_use(val));
                one(Insn::stx(size, dst, off, ANY), field, Some(operands.len() as u8 - 1))
            }
        };
        self.push(op, &operands);
    }

    fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        ptr: Value,
        off: i32,
        val: Value,
        result: Option<Value>,
    ) {
        let (base, off) = self.address(ptr, off);
        let (dst, mut operands) = destination(base);
        let field = (!operands.is_empty()).then_some(0);
        let at = operands.len();
        let fetches = op.imm() & skep_isa::op::BPF_FETCH != 0;
        let val = if fetches { self.fresh_use(val) } else { self.reg(val) };
        operands.push(Operand::reg_use(val));
        if fetches {
            let old = match result {
                Some(v) => reg_of(v),
                None => self.fresh(),
            };
            operands.push(Operand::reg_reuse_def(old, at));
        }
        self.push(one(Insn::atomic(size, op, dst, off, ANY), field, Some(at as u8)), &operands);
    }

    fn call(&mut self, callee: &Callee, args: &[Value], result: Option<Value>) {
        let args: Vec<VReg> = args.iter().map(|&a| self.fixed_use(a)).collect();
        let (insn, link) = match callee {
            Callee::Helper(n) => (Insn::call(*n), None),
            Callee::Kfunc(name) => {
                (Insn::call_kfunc(0), Some(Link::Object(RelocTarget::Kfunc(name.clone()))))
            }
            Callee::Local(f) => {
                (Insn { src: BPF_PSEUDO_CALL, ..Insn::call(0) }, Some(Link::Func(*f)))
            }
        };
        let mut operands: Vec<Operand> =
            args.iter().enumerate().map(|(i, &a)| Operand::reg_fixed_use(a, preg(i + 1))).collect();
        let mut clobbers: PRegSet = (1..6).map(preg).collect();
        let arrived = result.map(|v| (v, self.fixed_def(v)));
        match arrived {
            Some((_, r)) => operands.push(Operand::reg_fixed_def(r, preg(0))),
            None => clobbers.add(preg(0)),
        }
        self.push_clobbering(Op::Call { insn, link }, &operands, clobbers);
        if let Some((v, r)) = arrived {
            self.settle(v, r);
        }
        self.cache.clear();
    }

    fn term(&mut self, term: &Term) {
        match term {
            Term::None => {}
            Term::Jump(_) => self.push(Op::Jump, &[]),
            Term::MayGoto { .. } => self.push(Op::MayGoto, &[]),
            Term::Ret(v) => {
                let v = self.fixed_use(*v);
                self.push(Op::Ret, &[Operand::reg_fixed_use(v, preg(0))]);
            }
            Term::Branch { cond, a, b, .. } => {
                let swap = self.imm(*a).is_some() && self.imm(*b).is_none();
                let (cond, a, b) = if swap { (cond.swapped(), *b, *a) } else { (*cond, *a, *b) };
                let imm = self.imm(b);
                let mut operands = vec![Operand::reg_use(self.reg(a))];
                if imm.is_none() {
                    operands.push(Operand::reg_use(self.reg(b)));
                }
                self.push(Op::Branch { op: jmp_op(cond), imm }, &operands);
            }
        }
    }
}

fn reg_of(v: Value) -> VReg {
    vreg(v.0 as usize)
}

fn one(insn: Insn, dst: Option<u8>, src: Option<u8>) -> Op {
    Op::One { insn, dst, src }
}

/// The `dst` field of a store, and its operand unless that is the frame pointer.
fn destination(base: Base) -> (Reg, Vec<Operand>) {
    match base {
        Base::Frame => (Reg::FP, Vec::new()),
        Base::Reg(r) => (ANY, vec![Operand::reg_use(r)]),
    }
}

fn alu_op(op: BinOp) -> AluOp {
    match op {
        BinOp::Add => AluOp::Add,
        BinOp::Sub => AluOp::Sub,
        BinOp::Mul => AluOp::Mul,
        BinOp::Udiv => AluOp::Div,
        BinOp::Sdiv => AluOp::Sdiv,
        BinOp::Urem => AluOp::Mod,
        BinOp::Srem => AluOp::Smod,
        BinOp::And => AluOp::And,
        BinOp::Or => AluOp::Or,
        BinOp::Xor => AluOp::Xor,
        BinOp::Shl => AluOp::Lsh,
        BinOp::Lshr => AluOp::Rsh,
        BinOp::Ashr => AluOp::Arsh,
    }
}

fn jmp_op(cond: Cond) -> JmpOp {
    match cond {
        Cond::Eq => JmpOp::Eq,
        Cond::Ne => JmpOp::Ne,
        Cond::Ult => JmpOp::Lt,
        Cond::Ule => JmpOp::Le,
        Cond::Ugt => JmpOp::Gt,
        Cond::Uge => JmpOp::Ge,
        Cond::Slt => JmpOp::Slt,
        Cond::Sle => JmpOp::Sle,
        Cond::Sgt => JmpOp::Sgt,
        Cond::Sge => JmpOp::Sge,
        Cond::Test => JmpOp::Set,
    }
}
