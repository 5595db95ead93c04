//! A program as a person reads it: instructions under the source lines that they come from, with the names of functions,
//! helpers, maps and kernel functions in place of numbers.

use std::borrow::Cow;
use std::fmt::Write as _;

use skep_abi::Helper;
use skep_btf::Btf;
use skep_isa::{Imm64, Insn, Names, Printer};
use skep_object::{MapRef, Object, Program, RelocTarget};

/// Lists one program of an object.
pub fn listing(object: &Object, program: &Program) -> String {
    let btf = Btf::parse(object.btf.clone(), None).ok();
    let (insns, kfuncs) = with_numbers(program);
    let names = ObjectNames { object, kfuncs };
    let printer = Printer::new().names(&names).numbers(true);
    let mut out = format!("program {} ({})\n", program.name, program.kind);
    let mut pc = 0;
    while pc < insns.len() {
        heading(&mut out, program, btf.as_ref(), pc);
        let (line, slots) = printer.line(&insns, pc);
        let _ = writeln!(out, "{pc:4}: {line}");
        pc += slots.max(1);
    }
    out
}

/// The function and the source line that begin at an instruction.
fn heading(out: &mut String, program: &Program, btf: Option<&Btf>, pc: usize) {
    let Some(btf) = btf else { return };
    if let Some(func) = program.funcs.iter().find(|f| f.insn_off as usize == pc) {
        let _ = writeln!(out, "{}:", btf.get(func.type_id).map_or("?", |t| t.name()));
    }
    if let Some(line) = program.lines.iter().find(|l| l.insn_off as usize == pc) {
        let string = |off| btf.string(off).unwrap_or_default();
        let (file, text) = (string(line.file_name_off), string(line.line_off));
        let _ = writeln!(out, "; {file}:{}:{}: {text}", line.line, line.col);
    }
}

/// The instructions with numbers of our own where the loader puts what the relocations name.
fn with_numbers(program: &Program) -> (Vec<Insn>, Vec<&str>) {
    let mut insns = program.insns.clone();
    let mut kfuncs = Vec::new();
    for r in &program.relocs {
        let Some(insn) = insns.get_mut(r.insn as usize) else { continue };
        match &r.target {
            RelocTarget::Map(m) | RelocTarget::MapValue(m, _) => insn.imm = m.0 as i32,
            RelocTarget::Kfunc(name) => {
                insn.imm = kfuncs.len() as i32;
                kfuncs.push(name.as_str());
            }
        }
    }
    (insns, kfuncs)
}

struct ObjectNames<'a> {
    object: &'a Object,
    kfuncs: Vec<&'a str>,
}

impl Names for ObjectNames<'_> {
    fn helper(&self, number: u32) -> Option<Cow<'_, str>> {
        Helper::from_raw(number).map(|h| h.name().into())
    }

    fn kfunc(&self, id: i32, _fd: i16) -> Option<Cow<'_, str>> {
        self.kfuncs.get(usize::try_from(id).ok()?).map(|&name| name.into())
    }

    fn map(&self, value: Imm64) -> Option<Cow<'_, str>> {
        let Imm64::MapFd(number) = value else { return None };
        self.object.map(MapRef(number as u32)).map(|m| m.name.as_str().into())
    }
}
