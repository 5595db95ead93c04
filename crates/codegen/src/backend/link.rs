//! Joins the functions of a program: main first, then those that it reaches, with their types and source lines.

use std::collections::HashMap;

use skep_abi::Target;
use skep_btf::{BtfBuilder, FuncInfo, IntEncoding, LineInfo, Linkage, Param, TypeId};
use skep_object::{Object, Program, Reloc};

use super::emit::Code;
use super::generate;
use super::machine::Link;
use crate::Error;
use crate::ir::{self, Callee, FuncRef, Function, Inst, Loc, Module};

/// Makes the object of a valid module.
pub(crate) fn link(module: &Module, target: &Target) -> Result<Object, Error> {
    let mut debug = Debug::new(module);
    let programs = module.programs.iter().map(|p| link_program(p, target, &mut debug));
    let programs = programs.collect::<Result<Vec<_>, _>>()?;
    let btf = debug.btf.finish().map_err(|e| Error::Btf(e.to_string()))?;
    Ok(Object { license: module.license.clone(), maps: module.maps.clone(), programs, btf })
}

fn link_program(
    program: &ir::Program,
    target: &Target,
    debug: &mut Debug<'_>,
) -> Result<Program, Error> {
    let mut out = Program {
        name: program.name.clone(),
        kind: program.kind,
        expected_attach: program.expected_attach,
        sleepable: program.sleepable,
        insns: Vec::new(),
        relocs: Vec::new(),
        funcs: Vec::new(),
        lines: Vec::new(),
    };
    let mut starts = HashMap::new();
    let mut pending = Vec::new();
    let reached = reached(program).into_iter();
    let codes = reached.map(|f| Ok((f, generate(&program.funcs[f.0 as usize], target)?)));
    let codes = codes.collect::<Result<Vec<(FuncRef, Code)>, Error>>()?;
    let has_lines = codes.iter().any(|(_, code)| code.locs.iter().any(|l| l.line != 0));
    for (f, code) in codes {
        let func = &program.funcs[f.0 as usize];
        let start = out.insns.len();
        starts.insert(f, start);
        out.funcs.push(FuncInfo { insn_off: start as u32, type_id: debug.func(func, f.0 == 0) });
        if has_lines {
            debug.lines(&code, start, &mut out.lines);
        }
        for (at, link) in code.links {
            let insn = start + at;
            match link {
                Link::Object(target) => out.relocs.push(Reloc { insn: insn as u32, target }),
                Link::Func(f) => pending.push((insn, f)),
            }
        }
        out.insns.extend(code.insns);
    }
    for (insn, f) in pending {
        if let Some(&start) = starts.get(&f) {
            out.insns[insn].imm = (start as i64 - insn as i64 - 1) as i32;
        }
    }
    Ok(out)
}

/// The functions that main needs, main first, in the order in which they are mentioned.
fn reached(program: &ir::Program) -> Vec<FuncRef> {
    let mut found = vec![FuncRef(0)];
    let mut i = 0;
    while let Some(&f) = found.get(i) {
        for data in program.funcs[f.0 as usize].blocks.iter().flat_map(|b| &b.insts) {
            if let Inst::FuncAddr(g) | Inst::Call(Callee::Local(g), _) = data.inst
                && !found.contains(&g)
            {
                found.push(g);
            }
        }
        i += 1;
    }
    found
}

/// Types and source lines of the whole object.
struct Debug<'a> {
    btf: BtfBuilder,
    int: TypeId,
    pointer: TypeId,
    long: TypeId,
    file: u32,
    source: Vec<&'a str>,
}

impl<'a> Debug<'a> {
    fn new(module: &'a Module) -> Debug<'a> {
        let mut btf = BtfBuilder::new();
        let int = btf.add_int("int", 4, IntEncoding::Signed);
        let pointer = btf.add_ptr(TypeId::VOID);
        let long = btf.add_int("unsigned long", 8, IntEncoding::Unsigned);
        let file = btf.add_string(&printable(&module.source_name));
        Debug { btf, int, pointer, long, file, source: module.source.lines().collect() }
    }

    /// The type of a function. Subprograms are static: the verifier then follows each call with what is known there, and
    /// takes them as callbacks.
    fn func(&mut self, func: &Function, is_main: bool) -> TypeId {
        let count = func.blocks.first().map_or(0, |b| b.params.len());
        let names: Vec<String> = (1..=count).map(|i| format!("arg{i}")).collect();
        let (params, ret, linkage) = if is_main {
            (vec![Param { name: "ctx", type_id: self.pointer }], self.int, Linkage::Static)
        } else {
            let param = |name| Param { name, type_id: self.long };
            (names.iter().map(|n| param(n.as_str())).collect(), self.long, Linkage::Static)
        };
        let proto = self.btf.add_func_proto(ret, &params, false);
        self.btf.add_func(&identifier(&func.name), proto, linkage)
    }

    /// Adds an entry for each change of line, and one for the first instruction: the kernel wants one for every function
    /// or for none at all.
    fn lines(&mut self, code: &Code, start: usize, out: &mut Vec<LineInfo>) {
        let first = code.locs.iter().find(|l| l.line != 0);
        let first = first.copied().unwrap_or(Loc { line: 1, col: 1 });
        let mut line = 0;
        for (i, &loc) in code.locs.iter().enumerate() {
            let loc = if i == 0 && loc.line == 0 { first } else { loc };
            let second_half = i > 0 && code.insns[i].code == 0;
            if loc.line != 0 && loc.line != line && !second_half {
                line = loc.line;
                out.push(self.line(start + i, loc));
            }
        }
    }

    fn line(&mut self, insn: usize, loc: Loc) -> LineInfo {
        let text = self.source.get(loc.line as usize - 1).copied().unwrap_or_default();
        LineInfo {
            insn_off: insn as u32,
            file_name_off: self.file,
            line_off: self.btf.add_string(&printable(text.trim())),
            line: loc.line,
            col: loc.col,
        }
    }
}

/// A string that BTF can hold: it ends at a zero byte.
fn printable(text: &str) -> String {
    text.replace('\0', " ")
}

/// A name that the kernel takes for a function.
fn identifier(name: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let mut out: String = name.chars().map(clean).take(127).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    out
}
