//! Writing the IR.

use std::fmt::{self, Display, Formatter};

use skep_abi::Helper;
use skep_object::Map;

use super::names::{ATOMIC, BIN, COND, WIDTH, word};
use crate::ir::{
    Block, BlockData, Callee, Edge, FuncRef, Function, Inst, InstData, Loc, Module, Program, Slot,
    Term, Value,
};

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "block{}", self.0)
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "slot{}", self.0)
    }
}

impl Display for FuncRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "func{}", self.0)
    }
}

/// Values in parentheses, separated by commas; nothing where there are none.
struct List<'a>(&'a [Value]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            [first, rest @ ..] => {
                write!(f, "({first}")?;
                rest.iter().try_for_each(|v| write!(f, ", {v}"))?;
                f.write_str(")")
            }
        }
    }
}

impl Display for Edge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.block, List(&self.args))
    }
}

/// An address: `[v1]`, `[v1+8]`, `[v1-8]`.
struct Address(Value, i32);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 {
            0 => write!(f, "[{}]", self.0),
            off => write!(f, "[{}{off:+}]", self.0),
        }
    }
}

/// `+8`, or nothing for 0.
struct Plus(u32);

impl Display for Plus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "+{}", self.0) }
    }
}

impl Display for Callee {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Callee::Helper(n) => match Helper::from_raw(*n) {
                Some(helper) => write!(f, "helper {}", helper.name()),
                None => write!(f, "helper {n}"),
            },
            Callee::Kfunc(name) => write!(f, "kfunc {name}"),
            Callee::Local(func) => write!(f, "{func}"),
        }
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Inst::Const(c) => write!(f, "const {c}"),
            Inst::Bin(op, a, b) => write!(f, "{} {a}, {b}", word(BIN, *op)),
            Inst::Neg(a) => write!(f, "neg {a}"),
            Inst::Ext { signed, bits, arg } => {
                write!(f, "{}{bits} {arg}", if *signed { "sext" } else { "zext" })
            }
            Inst::Bswap { bits, arg } => write!(f, "bswap{bits} {arg}"),
            Inst::Icmp(cond, a, b) => write!(f, "icmp {} {a}, {b}", word(COND, *cond)),
            Inst::Load { size, signed, ptr, off } => {
                write!(f, "load {} {}", word(WIDTH, (*size, *signed)), Address(*ptr, *off))
            }
            Inst::Store { size, ptr, off, val } => {
                write!(f, "store {} {}, {val}", word(WIDTH, (*size, false)), Address(*ptr, *off))
            }
            Inst::Atomic { op, size, ptr, off, val } => {
                let (op, width) = (word(ATOMIC, *op), word(WIDTH, (*size, false)));
                write!(f, "atomic {op} {width} {}, {val}", Address(*ptr, *off))
            }
            Inst::Call(callee, args) if args.is_empty() => write!(f, "call {callee}()"),
            Inst::Call(callee, args) => write!(f, "call {callee}{}", List(args)),
            Inst::MapAddr(m) => write!(f, "map_addr map{}", m.0),
            Inst::MapValueAddr(m, off) => write!(f, "map_value_addr map{}{}", m.0, Plus(*off)),
            Inst::FuncAddr(func) => write!(f, "func_addr {func}"),
            Inst::SlotAddr(slot, off) => write!(f, "slot_addr {slot}{}", Plus(*off)),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::None => f.write_str("; not ended"),
            Term::Jump(e) => write!(f, "jump {e}"),
            Term::Branch { cond, a, b, then, els } => {
                write!(f, "branch {} {a}, {b}, {then}, {els}", word(COND, *cond))
            }
            Term::MayGoto { body, exit } => write!(f, "may_goto {body}, {exit}"),
            Term::Ret(v) => write!(f, "ret {v}"),
        }
    }
}

/// ` !line:col`, or nothing.
struct Place(Loc);

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.line {
            0 => Ok(()),
            line => write!(f, " !{line}:{}", self.0.col),
        }
    }
}

impl Display for InstData {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(v) = self.result {
            write!(f, "{v} = ")?;
        }
        write!(f, "{}{}", self.inst, Place(self.loc))
    }
}

impl Function {
    fn write(&self, f: &mut Formatter<'_>, number: usize, indent: &str) -> fmt::Result {
        let params = self.blocks.first().map_or(&[][..], |b| &b.params);
        let params = List(params).to_string();
        let gap = if params.is_empty() { "" } else { " " };
        writeln!(f, "{indent}func{number} {:?}{gap}{params} {{", self.name)?;
        for (i, slot) in self.slots.iter().enumerate() {
            writeln!(f, "{indent}  slot{i} = {}", slot.size)?;
        }
        for (i, block) in self.blocks.iter().enumerate() {
            write_block(f, i, block, indent)?;
        }
        writeln!(f, "{indent}}}")
    }
}

fn write_block(f: &mut Formatter<'_>, i: usize, block: &BlockData, indent: &str) -> fmt::Result {
    let params = if i == 0 { &[][..] } else { &block.params };
    writeln!(f, "{indent}block{i}{}:", List(params))?;
    for inst in &block.insts {
        writeln!(f, "{indent}  {inst}")?;
    }
    writeln!(f, "{indent}  {}{}", block.term, Place(block.term_loc))
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write(f, 0, "")
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "program {:?} {}", self.name, self.kind)?;
        if let Some(attach) = self.expected_attach {
            write!(f, " attach {attach}")?;
        }
        writeln!(f, "{} {{", if self.sleepable { " sleepable" } else { "" })?;
        for (i, func) in self.funcs.iter().enumerate() {
            func.write(f, i, "  ")?;
        }
        writeln!(f, "}}")
    }
}

fn write_map(f: &mut Formatter<'_>, i: usize, m: &Map) -> fmt::Result {
    write!(f, "map{i} = {} {:?} key {} value {}", m.kind, m.name, m.key_size, m.value_size)?;
    write!(f, " entries {}", m.max_entries)?;
    if m.flags != 0 {
        write!(f, " flags {:#x}", m.flags)?;
    }
    if m.btf_key != 0 || m.btf_value != 0 {
        write!(f, " btf {} {}", m.btf_key, m.btf_value)?;
    }
    if !m.initial.is_empty() {
        f.write_str(" initial \"")?;
        m.initial.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str("\"")?;
    }
    writeln!(f)
}

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.license.is_empty() {
            writeln!(f, "license {:?}", self.license)?;
        }
        if !self.source_name.is_empty() || !self.source.is_empty() {
            writeln!(f, "source {:?} {:?}", self.source_name, self.source)?;
        }
        for (i, map) in self.maps.iter().enumerate() {
            write_map(f, i, map)?;
        }
        for (i, program) in self.programs.iter().enumerate() {
            let empty = i == 0 && self.maps.is_empty() && self.license.is_empty();
            write!(f, "{}{program}", if empty { "" } else { "\n" })?;
        }
        Ok(())
    }
}
