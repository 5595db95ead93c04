//! Reading the IR. Whatever the text, the answer is a module or an error with its line; the module is not validated.

use std::str::FromStr;

use skep_abi::{AttachType, Helper, MapType, ProgType};
use skep_object::{Map, MapRef};

use super::names::{ATOMIC, BIN, COND, Names, WIDTH, meaning};
use super::scan::{Token, scan};
use crate::Error;
use crate::ir::{
    Block, BlockData, Callee, Edge, FuncRef, Function, Inst, InstData, Loc, Module, Program, Slot,
    StackSlot, Term, Value,
};

/// Reads a module.
///
/// # Errors
///
/// [`Error::Syntax`] with the line.
pub fn parse(text: &str) -> Result<Module, Error> {
    let tokens = scan(text)?;
    Parser { tokens, at: 0 }.module()
}

impl FromStr for Module {
    type Err = Error;

    fn from_str(text: &str) -> Result<Module, Error> {
        parse(text)
    }
}

type Parsed<T> = Result<T, String>;

struct Parser {
    tokens: Vec<(u32, Token)>,
    at: usize,
}

impl Parser {
    fn module(mut self) -> Result<Module, Error> {
        let mut module = Module::default();
        while self.at < self.tokens.len() {
            if let Err(what) = self.item(&mut module) {
                let line = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.0);
                return Err(Error::Syntax { line, what });
            }
        }
        Ok(module)
    }

    fn item(&mut self, module: &mut Module) -> Parsed<()> {
        let word = self.word()?;
        match word.as_str() {
            "license" => module.license = self.text()?,
            "source" => {
                module.source_name = self.text()?;
                module.source = self.text()?;
            }
            "program" => module.programs.push(self.program()?),
            _ => {
                self.next_in_line("map", &word, module.maps.len())?;
                module.maps.push(self.map()?);
            }
        }
        Ok(())
    }

    // Tokens.

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, t)| t)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w == word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, punct: char) -> bool {
        let found = self.peek() == Some(&Token::Punct(punct));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, punct: char) -> Parsed<()> {
        if self.take(punct) { Ok(()) } else { Err(format!("{punct:?} is missing")) }
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(format!("`{word}` is missing")) }
    }

    fn word(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Token::Word(w)) => {
                let w = w.clone();
                self.at += 1;
                Ok(w)
            }
            _ => Err("a word is missing".to_owned()),
        }
    }

    fn text(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Token::Text(t)) => {
                let t = t.clone();
                self.at += 1;
                Ok(t)
            }
            _ => Err("a string is missing".to_owned()),
        }
    }

    fn number<T: TryFrom<i128>>(&mut self) -> Parsed<T> {
        let Some(&Token::Number(n)) = self.peek() else {
            return Err("a number is missing".to_owned());
        };
        let n = T::try_from(n).map_err(|_| format!("{n} does not fit"))?;
        self.at += 1;
        Ok(n)
    }

    /// The number in a word like `block3`.
    fn numbered(&mut self, prefix: &str) -> Parsed<u32> {
        let wanted = || format!("`{prefix}` with a number is missing");
        let Some(Token::Word(w)) = self.peek() else { return Err(wanted()) };
        let n = suffix(prefix, w).ok_or_else(wanted)?;
        self.at += 1;
        Ok(n)
    }

    /// Whether a definition has the number that is next.
    fn next_in_line(&self, prefix: &str, word: &str, next: usize) -> Parsed<()> {
        match suffix(prefix, word) {
            Some(n) if n as usize == next => Ok(()),
            _ => Err(format!("{word:?} instead of {prefix}{next}")),
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        self.numbered("v").map(Value)
    }

    fn name<T: Copy>(&mut self, names: Names<T>) -> Parsed<T> {
        let word = self.word()?;
        meaning(names, &word).ok_or_else(|| format!("{word:?} is unknown here"))
    }

    // Items.

    fn map(&mut self) -> Parsed<Map> {
        self.expect('=')?;
        let kind = self.word()?;
        let kind =
            MapType::from_name(&kind).ok_or_else(|| format!("there is no map type {kind:?}"))?;
        let name = self.text()?;
        self.keyword("key")?;
        let key_size = self.number()?;
        self.keyword("value")?;
        let value_size = self.number()?;
        self.keyword("entries")?;
        let max_entries = self.number()?;
        let flags = if self.take_word("flags") { self.number()? } else { 0 };
        let (btf_key, btf_value) =
            if self.take_word("btf") { (self.number()?, self.number()?) } else { (0, 0) };
        let initial = if self.take_word("initial") { hex(&self.text()?)? } else { Vec::new() };
        Ok(Map {
            name,
            kind,
            key_size,
            value_size,
            max_entries,
            flags,
            initial,
            btf_key,
            btf_value,
        })
    }

    fn program(&mut self) -> Parsed<Program> {
        let name = self.text()?;
        let kind = self.word()?;
        let kind = ProgType::from_name(&kind)
            .ok_or_else(|| format!("there is no program type {kind:?}"))?;
        let mut expected_attach = None;
        if self.take_word("attach") {
            let word = self.word()?;
            let attach = AttachType::from_name(&word);
            expected_attach =
                Some(attach.ok_or_else(|| format!("there is no attach type {word:?}"))?);
        }
        let sleepable = self.take_word("sleepable");
        self.expect('{')?;
        let mut funcs = Vec::new();
        while !self.take('}') {
            let word = self.word()?;
            self.next_in_line("func", &word, funcs.len())?;
            funcs.push(self.function()?);
        }
        Ok(Program { name, kind, expected_attach, sleepable, funcs })
    }

    fn function(&mut self) -> Parsed<Function> {
        let mut func = Function { name: self.text()?, ..Function::default() };
        let mut params = self.values()?;
        self.expect('{')?;
        while matches!(self.peek(), Some(Token::Word(w)) if suffix("slot", w).is_some()) {
            let word = self.word()?;
            self.next_in_line("slot", &word, func.slots.len())?;
            self.expect('=')?;
            func.slots.push(StackSlot { size: self.number()? });
        }
        while !self.take('}') {
            let word = self.word()?;
            self.next_in_line("block", &word, func.blocks.len())?;
            params.append(&mut self.values()?);
            let block = self.block(std::mem::take(&mut params))?;
            func.blocks.push(block);
        }
        func.values = count_values(&func);
        Ok(func)
    }

    fn values(&mut self) -> Parsed<Vec<Value>> {
        let mut values = Vec::new();
        if self.take('(') && !self.take(')') {
            values.push(self.value()?);
            while !self.take(')') {
                self.expect(',')?;
                values.push(self.value()?);
            }
        }
        Ok(values)
    }

    fn block(&mut self, params: Vec<Value>) -> Parsed<BlockData> {
        self.expect(':')?;
        let mut insts = Vec::new();
        loop {
            if let Some(term) = self.term()? {
                let term_loc = self.loc()?;
                return Ok(BlockData { params, insts, term, term_loc });
            }
            let mut result = None;
            if matches!(self.peek(), Some(Token::Word(w)) if suffix("v", w).is_some()) {
                result = Some(self.value()?);
                self.expect('=')?;
            }
            let inst = self.inst()?;
            let loc = self.loc()?;
            insts.push(InstData { result, inst, loc });
        }
    }

    fn loc(&mut self) -> Parsed<Loc> {
        if !self.take('!') {
            return Ok(Loc::default());
        }
        let line = self.number()?;
        self.expect(':')?;
        Ok(Loc { line, col: self.number()? })
    }

    fn edge(&mut self) -> Parsed<Edge> {
        let block = Block(self.numbered("block")?);
        Ok(Edge { block, args: self.values()? })
    }

    fn pair(&mut self) -> Parsed<(Value, Value)> {
        let a = self.value()?;
        self.expect(',')?;
        Ok((a, self.value()?))
    }

    fn edges(&mut self) -> Parsed<(Edge, Edge)> {
        let a = self.edge()?;
        self.expect(',')?;
        Ok((a, self.edge()?))
    }

    fn term(&mut self) -> Parsed<Option<Term>> {
        Ok(Some(if self.take_word("jump") {
            Term::Jump(self.edge()?)
        } else if self.take_word("branch") {
            let cond = self.name(COND)?;
            let (a, b) = self.pair()?;
            self.expect(',')?;
            let (then, els) = self.edges()?;
            Term::Branch { cond, a, b, then, els }
        } else if self.take_word("may_goto") {
            let (body, exit) = self.edges()?;
            Term::MayGoto { body, exit }
        } else if self.take_word("ret") {
            Term::Ret(self.value()?)
        } else {
            return Ok(None);
        }))
    }

    fn inst(&mut self) -> Parsed<Inst> {
        let word = self.word()?;
        if let Some(op) = meaning(BIN, &word) {
            let (a, b) = self.pair()?;
            return Ok(Inst::Bin(op, a, b));
        }
        match word.as_str() {
            "const" => {
                // Also unsigned: what a person writes for the highest bit.
                let n: i128 = self.number()?;
                Ok(Inst::Const(i64::try_from(n).unwrap_or(n as u64 as i64)))
            }
            "neg" => Ok(Inst::Neg(self.value()?)),
            "icmp" => {
                let cond = self.name(COND)?;
                let (a, b) = self.pair()?;
                Ok(Inst::Icmp(cond, a, b))
            }
            "load" => {
                let (size, signed) = self.name(WIDTH)?;
                let (ptr, off) = self.address()?;
                Ok(Inst::Load { size, signed, ptr, off })
            }
            "store" => {
                let (size, _) = self.name(WIDTH)?;
                let (ptr, off) = self.address()?;
                self.expect(',')?;
                Ok(Inst::Store { size, ptr, off, val: self.value()? })
            }
            "atomic" => {
                let op = self.name(ATOMIC)?;
                let (size, _) = self.name(WIDTH)?;
                let (ptr, off) = self.address()?;
                self.expect(',')?;
                Ok(Inst::Atomic { op, size, ptr, off, val: self.value()? })
            }
            "call" => {
                let callee = self.callee()?;
                Ok(Inst::Call(callee, self.values()?))
            }
            "map_addr" => Ok(Inst::MapAddr(MapRef(self.numbered("map")?))),
            "map_value_addr" => Ok(Inst::MapValueAddr(MapRef(self.numbered("map")?), self.plus()?)),
            "func_addr" => Ok(Inst::FuncAddr(FuncRef(self.numbered("func")?))),
            "slot_addr" => Ok(Inst::SlotAddr(Slot(self.numbered("slot")?), self.plus()?)),
            _ => self.extension(&word),
        }
    }

    fn extension(&mut self, word: &str) -> Parsed<Inst> {
        let bits = |prefix| suffix(prefix, word).and_then(|n| u8::try_from(n).ok());
        if let Some(bits) = bits("zext") {
            Ok(Inst::Ext { signed: false, bits, arg: self.value()? })
        } else if let Some(bits) = bits("sext") {
            Ok(Inst::Ext { signed: true, bits, arg: self.value()? })
        } else if let Some(bits) = bits("bswap") {
            Ok(Inst::Bswap { bits, arg: self.value()? })
        } else {
            Err(format!("there is no operation {word:?}"))
        }
    }

    fn plus(&mut self) -> Parsed<u32> {
        if matches!(self.peek(), Some(Token::Number(_))) { self.number() } else { Ok(0) }
    }

    fn address(&mut self) -> Parsed<(Value, i32)> {
        self.expect('[')?;
        let ptr = self.value()?;
        let off = if matches!(self.peek(), Some(Token::Number(_))) { self.number()? } else { 0 };
        self.expect(']')?;
        Ok((ptr, off))
    }

    fn callee(&mut self) -> Parsed<Callee> {
        if self.take_word("helper") {
            if matches!(self.peek(), Some(Token::Number(_))) {
                return self.number().map(Callee::Helper);
            }
            let name = self.word()?;
            let helper =
                Helper::from_name(&name).ok_or_else(|| format!("there is no helper {name:?}"))?;
            Ok(Callee::Helper(helper.raw()))
        } else if self.take_word("kfunc") {
            self.word().map(Callee::Kfunc)
        } else {
            self.numbered("func").map(|n| Callee::Local(FuncRef(n)))
        }
    }
}

fn suffix(prefix: &str, word: &str) -> Option<u32> {
    word.strip_prefix(prefix).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn hex(text: &str) -> Parsed<Vec<u8>> {
    let bad = || "bytes are written as pairs of hexadecimal digits".to_owned();
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0).ok_or_else(bad)?;
    Ok(digits.chunks_exact(2).map(|d| d[0] << 4 | d[1]).collect())
}

fn count_values(func: &Function) -> u32 {
    let params = func.blocks.iter().flat_map(|b| &b.params);
    let results = func.blocks.iter().flat_map(|b| &b.insts).filter_map(|d| d.result.as_ref());
    params.chain(results).map(|v| v.0.saturating_add(1)).max().unwrap_or(0)
}
