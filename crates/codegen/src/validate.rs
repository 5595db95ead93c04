//! The rules of the IR, checked: after this, passes and back end need not be careful.
//!
//! Checked for a function: there is an entry with at most 5 parameters and no jump leads to it; every block ends; every
//! edge leads to a block and gives it as many arguments as it has parameters; every value is defined once, before its
//! uses (its definition dominates them); calls have at most 5 arguments; widths, slots and atomic operations are such
//! as exist. For a module: references to maps and functions, and the number of arguments of local calls.

use crate::Error;
use crate::cfg::Cfg;
use crate::ir::{
    AtomicOp, Block, Callee, Edge, Function, Inst, InstData, Module, Program, Size, Term, Value,
};

/// More values than any function that the kernel would take; keeps the tables of the passes small.
const MAX_VALUES: u32 = 1 << 22;

/// Checks one function on its own.
///
/// # Errors
///
/// [`Error::Invalid`] with the first rule broken.
pub fn validate(func: &Function) -> Result<(), Error> {
    Checker { func, defs: Vec::new() }.check()
}

/// Checks a module: each function, and what refers from one to the other.
///
/// # Errors
///
/// [`Error::Invalid`] with the first rule broken.
pub fn validate_module(module: &Module) -> Result<(), Error> {
    for program in &module.programs {
        let main = program.funcs.first();
        let params = main.map(|f| f.blocks.first().map_or(0, |b| b.params.len()));
        match params {
            None => return Err(invalid(&program.name, "program", "it has no function")),
            Some(0 | 1) => {}
            Some(n) => {
                let what = format!("the entry takes {n} parameters instead of the context alone");
                return Err(invalid(&program.name, "program", what));
            }
        }
        for func in &program.funcs {
            validate(func)?;
            check_references(module, program, func)?;
        }
    }
    Ok(())
}

fn invalid(func: &str, place: impl ToString, what: impl ToString) -> Error {
    Error::Invalid { func: func.to_owned(), place: place.to_string(), what: what.to_string() }
}

fn check_references(module: &Module, program: &Program, func: &Function) -> Result<(), Error> {
    let callee = |f: crate::ir::FuncRef| match program.funcs.get(f.0 as usize) {
        _ if f.0 == 0 => Err("the entry function cannot be called".to_owned()),
        Some(callee) => Ok(callee),
        None => Err(format!("there is no func{}", f.0)),
    };
    let check = |inst: &Inst| match inst {
        Inst::MapAddr(m) | Inst::MapValueAddr(m, _) if m.0 as usize >= module.maps.len() => {
            Err(format!("there is no map{}", m.0))
        }
        Inst::MapValueAddr(m, off) if *off >= module.maps[m.0 as usize].value_size => {
            Err(format!("byte {off} is past the value of map{}", m.0))
        }
        Inst::FuncAddr(f) => callee(*f).map(|_| ()),
        Inst::Call(Callee::Local(f), args) => {
            let params = callee(*f)?.blocks.first().map_or(0, |b| b.params.len());
            if args.len() == params {
                Ok(())
            } else {
                Err(format!("func{} takes {params} arguments, not {}", f.0, args.len()))
            }
        }
        _ => Ok(()),
    };
    for (b, i, data) in instructions(func) {
        check(&data.inst)
            .map_err(|what| invalid(&func.name, format!("block{b} instruction {i}"), what))?;
    }
    Ok(())
}

fn instructions(func: &Function) -> impl Iterator<Item = (usize, usize, &InstData)> {
    let blocks = func.blocks.iter().enumerate();
    blocks.flat_map(|(b, block)| block.insts.iter().enumerate().map(move |(i, d)| (b, i, d)))
}

/// Where a value is defined; parameters count as instruction 0, instructions from 1.
type Def = Option<(Block, usize)>;

struct Checker<'a> {
    func: &'a Function,
    defs: Vec<Def>,
}

impl Checker<'_> {
    fn check(&mut self) -> Result<(), Error> {
        let Some(entry) = self.func.blocks.first() else {
            return Err(self.error("function", "it has no block"));
        };
        if entry.params.len() > 5 {
            return Err(self.error("function", "it has more than 5 parameters"));
        }
        if self.func.values > MAX_VALUES {
            return Err(self.error("function", format!("it has more than {MAX_VALUES} values")));
        }
        self.check_edges()?;
        self.collect_definitions()?;
        self.check_instructions()?;
        self.check_uses()
    }

    fn error(&self, place: impl ToString, what: impl ToString) -> Error {
        invalid(&self.func.name, place, what)
    }

    fn check_edges(&self) -> Result<(), Error> {
        for (b, block) in self.func.blocks.iter().enumerate() {
            let end = format!("end of block{b}");
            if block.term == Term::None {
                return Err(self.error(end, "the block does not end"));
            }
            for edge in block.term.edges() {
                self.check_edge(edge).map_err(|what| self.error(&end, what))?;
            }
        }
        Ok(())
    }

    fn check_edge(&self, edge: &Edge) -> Result<(), String> {
        let n = edge.block.0;
        let Some(target) = self.func.blocks.get(n as usize) else {
            return Err(format!("there is no block{n}"));
        };
        if n == 0 {
            return Err("a jump to the entry block".to_owned());
        }
        if edge.args.len() != target.params.len() {
            let (want, have) = (target.params.len(), edge.args.len());
            return Err(format!("block{n} takes {want} arguments, not {have}"));
        }
        Ok(())
    }

    fn collect_definitions(&mut self) -> Result<(), Error> {
        self.defs = vec![None; self.func.values as usize];
        for (b, block) in self.func.blocks.iter().enumerate() {
            let at = Block(b as u32);
            let params = block.params.iter().map(|&v| (v, 0));
            let results = block.insts.iter().enumerate();
            let results = results.filter_map(|(i, d)| d.result.map(|v| (v, i + 1)));
            for (v, i) in params.chain(results) {
                let place = format!("block{b}");
                match self.defs.get_mut(v.0 as usize) {
                    None => {
                        return Err(self.error(place, format!("v{} is past the last value", v.0)));
                    }
                    Some(Some(_)) => {
                        return Err(self.error(place, format!("v{} is defined twice", v.0)));
                    }
                    Some(def) => *def = Some((at, i)),
                }
            }
        }
        Ok(())
    }

    fn check_instructions(&self) -> Result<(), Error> {
        for (b, i, data) in instructions(self.func) {
            self.check_instruction(data)
                .map_err(|what| self.error(format!("block{b} instruction {i}"), what))?;
        }
        Ok(())
    }

    fn check_instruction(&self, data: &InstData) -> Result<(), String> {
        match &data.inst {
            Inst::Ext { bits, .. } if !(1..=63).contains(bits) => {
                Err(format!("extension from {bits} bits"))
            }
            Inst::Bswap { bits, .. } if ![16, 32, 64].contains(bits) => {
                Err(format!("byte swap of {bits} bits"))
            }
            Inst::Store { .. } if data.result.is_some() => Err("a store gives no value".to_owned()),
            Inst::Atomic { op, size, .. } => check_atomic(*op, *size, data.result.is_some()),
            Inst::Call(_, args) if args.len() > 5 => {
                Err(format!("a call with {} arguments", args.len()))
            }
            Inst::SlotAddr(s, off) => match self.func.slots.get(s.0 as usize) {
                None => Err(format!("there is no slot{}", s.0)),
                Some(slot) if *off > slot.size => Err(format!("byte {off} is past slot{}", s.0)),
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn check_uses(&self) -> Result<(), Error> {
        let cfg = Cfg::new(self.func);
        for (b, block) in self.func.blocks.iter().enumerate() {
            let at = Block(b as u32);
            for (i, data) in block.insts.iter().enumerate() {
                let mut bad = None;
                data.inst.for_each_arg(|v| bad = bad.or(self.misuse(&cfg, v, at, i + 1)));
                if let Some((v, what)) = bad {
                    return Err(
                        self.error(format!("block{b} instruction {i}"), format!("v{} {what}", v.0))
                    );
                }
            }
            let mut bad = None;
            block.term.for_each_arg(|v| bad = bad.or(self.misuse(&cfg, v, at, usize::MAX)));
            if let Some((v, what)) = bad {
                return Err(self.error(format!("end of block{b}"), format!("v{} {what}", v.0)));
            }
        }
        Ok(())
    }

    fn misuse(&self, cfg: &Cfg, v: Value, at: Block, i: usize) -> Option<(Value, &'static str)> {
        let Some((block, def)) = self.defs.get(v.0 as usize).copied().flatten() else {
            return Some((v, "is not defined"));
        };
        let before = if block == at {
            def < i
        } else {
            !cfg.is_reachable(at) || cfg.is_reachable(block) && cfg.dominates(block, at)
        };
        (!before).then_some((v, "is used where its definition does not reach"))
    }
}

fn check_atomic(op: AtomicOp, size: Size, wanted: bool) -> Result<(), String> {
    let fetches = !matches!(op, AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor);
    match (op, size) {
        (AtomicOp::CmpXchg, _) => Err("compare-and-exchange is not part of the IR".to_owned()),
        (_, Size::B | Size::H) => Err("an atomic operation on less than 4 bytes".to_owned()),
        _ if wanted && !fetches => {
            Err("the result of an atomic operation that does not fetch".to_owned())
        }
        _ => Ok(()),
    }
}
