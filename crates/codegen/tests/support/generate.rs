//! Programs made of random numbers: valid, and they end.

use skep_abi::{MapType, ProgType};
use skep_codegen::ir::{
    AtomicOp, BinOp, Builder, Callee, Cond, Edge, FuncRef, Function, Inst, Module, Program, Size,
    Slot, Term, Value,
};
use skep_object::{Map, MapRef};

use super::MAP_SIZE;

const BIN: [BinOp; 13] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::Udiv,
    BinOp::Sdiv,
    BinOp::Urem,
    BinOp::Srem,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::Shl,
    BinOp::Lshr,
    BinOp::Ashr,
];
const COND: [Cond; 11] = [
    Cond::Eq,
    Cond::Ne,
    Cond::Ult,
    Cond::Ule,
    Cond::Ugt,
    Cond::Uge,
    Cond::Slt,
    Cond::Sle,
    Cond::Sgt,
    Cond::Sge,
    Cond::Test,
];
const CONST: [i64; 20] = [
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    63,
    64,
    255,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    -0x8000_0000,
    -0x8000_0001,
    0x1234_5678_9abc,
    i64::MAX,
    i64::MIN,
    -7,
];
const SIZE: [Size; 4] = [Size::B, Size::H, Size::W, Size::DW];
const ATOMIC: [AtomicOp; 9] = [
    AtomicOp::Add,
    AtomicOp::Or,
    AtomicOp::And,
    AtomicOp::Xor,
    AtomicOp::FetchAdd,
    AtomicOp::FetchOr,
    AtomicOp::FetchAnd,
    AtomicOp::FetchXor,
    AtomicOp::Xchg,
];

/// Makes a module of some random numbers. Helpers only where the interpreters judge: the kernel has its own.
pub fn module(seed: &[u32], helpers: bool) -> Module {
    let mut source = Source { seed, at: 0 };
    let sub = function(&mut source, "sub", 3, false, helpers);
    let main = function(&mut source, "main", 1, true, helpers);
    let map = Map {
        name: "data".to_owned(),
        kind: MapType::Array,
        key_size: 4,
        value_size: MAP_SIZE as u32,
        max_entries: 1,
        flags: 0,
        initial: Vec::new(),
        btf_key: 0,
        btf_value: 0,
    };
    let program = Program {
        name: "test".to_owned(),
        kind: ProgType::SocketFilter,
        expected_attach: None,
        sleepable: false,
        funcs: vec![main, sub],
    };
    Module {
        license: "GPL".to_owned(),
        maps: vec![map],
        programs: vec![program],
        ..Module::default()
    }
}

/// A function of blocks that jump anywhere, loops with two entries among them; it may not end.
pub fn tangle(seed: &[u32]) -> Module {
    let mut source = Source { seed, at: 0 };
    let (mut b, _) = Builder::new("tangle", 0);
    let (x, y) = (b.iconst(3), b.iconst(11));
    let count = 2 + source.below(9);
    let blocks: Vec<_> = (0..count).map(|_| b.block()).collect();
    let params: Vec<_> = blocks.iter().map(|&k| [b.block_param(k), b.block_param(k)]).collect();
    for i in 0..=count {
        let mut vals = vec![x, y];
        if i > 0 {
            b.switch_to(blocks[i - 1]);
            vals.extend(params[i - 1]);
        }
        for _ in 0..source.below(3) {
            let inst = match source.below(4) {
                0 => Inst::Icmp(source.pick(&COND), source.pick(&vals), source.pick(&vals)),
                1 => Inst::Call(Callee::Helper(14), vec![]),
                2 => Inst::Const(source.pick(&CONST)),
                _ => Inst::Bin(source.pick(&BIN), source.pick(&vals), source.pick(&vals)),
            };
            vals.push(b.inst(inst));
        }
        let edge = |source: &mut Source<'_>| Edge {
            block: source.pick(&blocks),
            args: vec![source.pick(&vals), source.pick(&vals)],
        };
        let term = match source.below(6) {
            0 => Term::Ret(source.pick(&vals)),
            1 => Term::Jump(edge(&mut source)),
            _ => Term::Branch {
                then: edge(&mut source),
                els: edge(&mut source),
                cond: source.pick(&COND),
                a: source.pick(&vals),
                b: source.pick(&vals),
            },
        };
        b.term(term);
    }
    let program = Program {
        name: "tangle".to_owned(),
        kind: ProgType::SocketFilter,
        expected_attach: None,
        sleepable: false,
        funcs: vec![b.finish()],
    };
    Module { programs: vec![program], ..Module::default() }
}

struct Source<'a> {
    seed: &'a [u32],
    at: usize,
}

impl Source<'_> {
    fn below(&mut self, n: usize) -> usize {
        let x = self.seed.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        x as usize % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn is_empty(&self) -> bool {
        self.at >= self.seed.len()
    }
}

struct Gen<'a, 'b> {
    source: &'a mut Source<'b>,
    b: Builder,
    /// Values that may be used here.
    live: Vec<Value>,
    slots: Vec<Slot>,
    calls: bool,
    helpers: bool,
}

fn function(
    source: &mut Source<'_>,
    name: &str,
    params: usize,
    calls: bool,
    helpers: bool,
) -> Function {
    let (b, params) = Builder::new(name, params);
    let mut g = Gen { source, b, live: params, slots: Vec::new(), calls, helpers };
    if name == "main" {
        // The context is a pointer: a number takes its place.
        g.live = vec![g.b.iconst(0x1234)];
    }
    for _ in 0..3 {
        let slot = g.b.slot(16);
        let addr = g.b.inst(Inst::SlotAddr(slot, 0));
        let zero = g.b.iconst(0);
        g.b.store(Size::DW, addr, 0, zero);
        g.b.store(Size::DW, addr, 8, zero);
        g.slots.push(slot);
    }
    g.statements(0);
    let mut result = g.b.iconst(0);
    for v in g.live.clone() {
        result = g.b.bin(BinOp::Add, result, v);
        result = g.b.bin_imm(BinOp::Mul, result, 31);
    }
    // The kernel takes 32 bits of a program's result.
    let low = g.b.inst(Inst::Ext { signed: false, bits: 31, arg: result });
    g.b.term(Term::Ret(low));
    g.b.finish()
}

impl Gen<'_, '_> {
    fn any(&mut self) -> Value {
        let n = self.source.below(self.live.len() + 2);
        match self.live.get(n) {
            Some(&v) => v,
            None => {
                let c = self.source.pick(&CONST);
                self.b.iconst(c)
            }
        }
    }

    fn keep(&mut self, inst: Inst) {
        let v = self.b.inst(inst);
        self.live.push(v);
    }

    fn statements(&mut self, depth: usize) {
        let count = 2 + self.source.below(14);
        for _ in 0..count {
            if self.source.is_empty() {
                return;
            }
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: usize) {
        match self.source.below(16) {
            0..=3 => {
                let op = self.source.pick(&BIN);
                let (a, b) = (self.any(), self.any());
                self.keep(Inst::Bin(op, a, b));
            }
            4 => {
                let arg = self.any();
                let inst = match self.source.below(4) {
                    0 => Inst::Neg(arg),
                    1 => Inst::Bswap { bits: self.source.pick(&[16, 32, 64]), arg },
                    _ => {
                        let signed = self.source.below(2) == 0;
                        Inst::Ext {
                            signed,
                            bits: self.source.pick(&[1, 7, 8, 16, 31, 32, 33, 63]),
                            arg,
                        }
                    }
                };
                self.keep(inst);
            }
            5 => {
                let cond = self.source.pick(&COND);
                let (a, b) = (self.any(), self.any());
                self.keep(Inst::Icmp(cond, a, b));
            }
            6 | 7 => {
                let (ptr, off, size) = self.place();
                let signed = self.source.below(2) == 0;
                self.keep(Inst::Load { size, signed, ptr, off });
            }
            8 | 9 => {
                let (ptr, off, size) = self.place();
                let val = self.any();
                self.b.store(size, ptr, off, val);
            }
            10 => self.atomic(),
            11 | 12 => self.call(),
            13 | 14 if depth < 3 => self.branch(depth),
            15 if depth < 2 => self.count(depth),
            _ => {}
        }
    }

    /// An address, sometimes with a part of it added before.
    fn place(&mut self) -> (Value, i32, Size) {
        let size = self.source.pick(&SIZE);
        let len = size.bytes() as i32;
        let (base, room) = if self.source.below(3) == 0 {
            (Inst::MapValueAddr(MapRef(0), 0), MAP_SIZE as i32)
        } else {
            let slot = self.source.pick(&self.slots.clone());
            (Inst::SlotAddr(slot, 0), 16)
        };
        let at = self.source.below((room / len) as usize) as i32 * len;
        let base = self.b.inst(base);
        if self.source.below(2) == 0 {
            return (base, at, size);
        }
        let sum = self.b.bin_imm(BinOp::Add, base, i64::from(at));
        (sum, 0, size)
    }

    fn atomic(&mut self) {
        let op = self.source.pick(&ATOMIC);
        let size = self.source.pick(&[Size::W, Size::DW]);
        let slots = self.source.below(2) == 0;
        let base =
            if slots { Inst::SlotAddr(self.slots[0], 0) } else { Inst::MapValueAddr(MapRef(0), 8) };
        let ptr = self.b.inst(base);
        let val = self.any();
        let inst = Inst::Atomic { op, size, ptr, off: 0, val };
        if op.imm() & 1 != 0 && self.source.below(2) == 0 {
            self.keep(inst);
        } else {
            self.b.effect(inst);
        }
    }

    fn call(&mut self) {
        if self.calls && self.source.below(3) == 0 {
            let args = vec![self.any(), self.any(), self.any()];
            return self.keep(Inst::Call(Callee::Local(FuncRef(1)), args));
        }
        if self.helpers {
            let helper = self.source.pick(&[14, 8, 6, 25, 6]);
            let args = (0..super::helper_args(helper)).map(|_| self.any()).collect();
            self.keep(Inst::Call(Callee::Helper(helper), args));
        }
    }

    /// Both arms jump to a block with parameters.
    fn branch(&mut self, depth: usize) {
        let (then, els, join) = (self.b.block(), self.b.block(), self.b.block());
        let cond = self.source.pick(&COND);
        let (a, b) = (self.any(), self.any());
        let params = self.source.below(3);
        let arm = Edge::to(then);
        self.b.term(Term::Branch { cond, a, b, then: arm, els: Edge::to(els) });
        let before = self.live.len();
        for block in [then, els] {
            self.b.switch_to(block);
            if self.source.below(4) != 0 {
                self.statements(depth + 1);
            }
            if depth > 0 && self.source.below(12) == 0 {
                let v = self.any();
                let v = self.b.inst(Inst::Ext { signed: false, bits: 31, arg: v });
                self.b.term(Term::Ret(v));
            }
            let args = (0..params).map(|_| self.any()).collect();
            self.live.truncate(before);
            self.b.term(Term::Jump(Edge { block: join, args }));
        }
        self.b.switch_to(join);
        for _ in 0..params {
            let p = self.b.block_param(join);
            self.live.push(p);
        }
    }

    /// A loop with a counter and a carried value.
    fn count(&mut self, depth: usize) {
        let (head, body, exit) = (self.b.block(), self.b.block(), self.b.block());
        let (zero, first) = (self.b.iconst(0), self.any());
        let bound = self.source.below(5) as i64;
        let (i, carried) = (self.b.block_param(head), self.b.block_param(head));
        self.b.term(Term::Jump(Edge { block: head, args: vec![zero, first] }));
        self.b.switch_to(head);
        let bound = self.b.iconst(bound);
        self.b.branch(Cond::Slt, i, bound, body, exit);
        self.b.switch_to(body);
        let before = self.live.len();
        self.live.extend([i, carried]);
        self.statements(depth + 1);
        let next = self.b.bin_imm(BinOp::Add, i, 1);
        let carry = self.any();
        self.live.truncate(before);
        self.b.term(Term::Jump(Edge { block: head, args: vec![next, carry] }));
        self.b.switch_to(exit);
        self.live.extend([i, carried]);
    }
}
