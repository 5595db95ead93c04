//! The assembler: reads what [`disasm`](crate::disasm) prints, and what the kernel and llvm-objdump print.
//!
//! One instruction a line. `name:` sets a label; jumps and calls take labels or `+3`, `-3`, `pc+3`. Comments begin with
//! `;`, `//` or ` #`. A line may begin with what listings have there: `12:`, `12: (07)`, `12:  07 01 .. ..` (the place,
//! the opcode or the bytes), and end with `<label+0x8>`; they are ignored, `<name>:` sets a label. Numbers are decimal or
//! `0x`. `r1 = 5` is a move, `r1 = 5 ll` a 64-bit immediate load, as is a number that no move can hold. Reading goes on
//! after an error, so that all of them are told.
//!
//! Some listings do not say all: llvm-objdump prints every kind of call as `call 0x5`, which is read as a helper's number,
//! and maps as `ld_pseudo`, which is refused.

use std::collections::HashMap;

use crate::lex::without_comment;
use crate::parse::{Stmt, statement};
use crate::{Complaint, Error, Insn, Kind, Names, NoNames};

/// Assembles a text that names nothing but its own labels.
pub fn assemble(text: &str) -> Result<Vec<Insn>, Error> {
    Assembler::new().assemble(text)
}

/// Assembles texts, with names of helpers and maps from elsewhere.
#[derive(Clone, Copy)]
pub struct Assembler<'a> {
    names: &'a dyn Names,
}

impl std::fmt::Debug for Assembler<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembler").finish_non_exhaustive()
    }
}

impl Default for Assembler<'_> {
    fn default() -> Self {
        Assembler::new()
    }
}

impl<'a> Assembler<'a> {
    /// Knows no names.
    pub fn new() -> Assembler<'a> {
        Assembler { names: &NoNames }
    }

    /// Takes numbers of helpers and maps from there.
    #[must_use]
    pub fn names(self, names: &'a dyn Names) -> Assembler<'a> {
        Assembler { names }
    }

    /// Assembles a text; the error has everything that is wrong with it.
    pub fn assemble(&self, text: &str) -> Result<Vec<Insn>, Error> {
        assemble_lines(text, |words| statement(words, self.names))
    }
}

/// A reference to a label, to be put right when all labels are known.
struct Fixup {
    pc: usize,
    label: String,
    line: usize,
    column: usize,
}

#[derive(Default)]
struct Program {
    insns: Vec<Insn>,
    labels: HashMap<String, usize>,
    fixups: Vec<Fixup>,
    complaints: Vec<Complaint>,
}

/// Goes through the lines of a text in either syntax: labels, comments and listing columns here, the rest by `read`.
pub(crate) fn assemble_lines(
    text: &str,
    read: impl Fn(&str) -> Result<Stmt, (usize, String)>,
) -> Result<Vec<Insn>, Error> {
    let mut program = Program::default();
    for (i, line) in text.lines().enumerate() {
        let column = |at: usize| line.get(..at).unwrap_or(line).chars().count() + 1;
        let complain = |at, message| Complaint { line: i + 1, column: column(at), message };
        let (labels, start) = prefix(line);
        for (at, label) in labels {
            if program.labels.insert(label.to_string(), program.insns.len()).is_some() {
                program.complaints.push(complain(at, format!("label {label} is set twice")));
            }
        }
        let body = without_target(without_comment(&line[start..]));
        if body.trim().is_empty() {
            continue;
        }
        match read(body) {
            Ok(stmt) => program.push(stmt, i + 1, |at| column(start + at)),
            Err((at, message)) => program.complaints.push(complain(start + at, message)),
        }
    }
    program.finish()
}

impl Program {
    fn push(&mut self, stmt: Stmt, line: usize, column: impl Fn(usize) -> usize) {
        let pc = self.insns.len();
        match stmt {
            Stmt::Raw(insn) => self.insns.push(insn),
            Stmt::Kind(kind, label) => {
                kind.push_to(&mut self.insns);
                self.fixups.extend(label.map(|(at, label)| Fixup {
                    pc,
                    label,
                    line,
                    column: column(at),
                }));
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Insn>, Error> {
        for Fixup { pc, label, line, column } in std::mem::take(&mut self.fixups) {
            let fixed = match self.labels.get(&label) {
                Some(&target) => link(&mut self.insns, pc, target),
                None => Err(format!("label {label} is not set")),
            };
            self.complaints.extend(fixed.err().map(|message| Complaint { line, column, message }));
        }
        self.complaints.sort_by_key(|c| (c.line, c.column));
        if self.complaints.is_empty() { Ok(self.insns) } else { Err(Error::Text(self.complaints)) }
    }
}

/// Makes the instruction at `pc` lead to `target`.
fn link(insns: &mut [Insn], pc: usize, target: usize) -> Result<(), String> {
    let rel = target as i64 - pc as i64 - 1;
    let far = |_| format!("the label is {rel} instructions away, too far for this instruction");
    let short = matches!(
        Kind::decode(&insns[pc..]),
        Some(Ok(Kind::Jump { .. } | Kind::JumpIf { .. } | Kind::MayGoto { .. }))
    );
    if short {
        insns[pc].off = i16::try_from(rel).map_err(far)?;
    } else {
        insns[pc].imm = i32::try_from(rel).map_err(far)?;
    }
    Ok(())
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')))
        .unwrap_or(text.len())
}

/// Labels at the start of a line, with their offsets, and where the instruction begins: after labels, place, opcode, bytes.
fn prefix(line: &str) -> (Vec<(usize, &str)>, usize) {
    let mut labels = Vec::new();
    let mut at = 0;
    loop {
        let rest = line[at..].trim_start();
        at = line.len() - rest.len();
        let end = word_end(rest);
        if let Some((before, label, after)) = bracketed(rest) {
            labels.push((at + before, label));
            at += after;
        } else if end > 0 && rest[end..].starts_with(':') {
            let word = &rest[..end];
            if word.bytes().all(|b| b.is_ascii_digit()) {
                return (labels, at + end + 1 + listing(&rest[end + 1..]));
            }
            labels.push((at, word));
            at += end + 1;
        } else {
            return (labels, at);
        }
    }
}

/// `<name>:`, perhaps after an address: where the name begins, the name, and what length all of it has.
fn bracketed(text: &str) -> Option<(usize, &str, usize)> {
    let address = text.find(|c: char| !c.is_ascii_hexdigit())?;
    let open = address + text[address..].find(|c: char| !c.is_whitespace())?;
    let name = text[open..].strip_prefix('<')?;
    let close = name.find(">:")?;
    let name = &name[..close];
    (!name.is_empty() && word_end(name) == name.len()).then_some((
        open + 1,
        name,
        open + 1 + close + 2,
    ))
}

/// The length of `(07)` or of eight or sixteen bytes in hexadecimal, at the start of `text`.
fn listing(text: &str) -> usize {
    let rest = text.trim_start();
    let hex = |w: &str| w.len() == 2 && w.bytes().all(|b| b.is_ascii_hexdigit());
    let blank = text.len() - rest.len();
    if let (Some(code), Some(')')) =
        (rest.strip_prefix('(').and_then(|r| r.get(..2)), rest.chars().nth(3))
    {
        return if hex(code) { blank + 4 } else { 0 };
    }
    let (mut at, mut count) = (blank, 0);
    while let Some(word) = text.get(at..at + 2).filter(|w| hex(w)) {
        let next = at + word.len();
        if text[next..].starts_with(|c: char| !c.is_whitespace()) {
            break;
        }
        count += 1;
        at = next + text[next..].chars().next().map_or(0, char::len_utf8);
    }
    if count == 8 || count == 16 { at } else { 0 }
}

/// The text without the `<label+0x8>` that llvm-objdump puts after a jump.
fn without_target(text: &str) -> &str {
    match text.trim_end().strip_suffix('>').and_then(|t| t.rfind(" <")) {
        Some(at) => &text[..at],
        None => text,
    }
}
