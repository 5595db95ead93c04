//! `/proc/kallsyms`: the kernel's symbols.
//!
//! The file is made on reading (10 MB, some 50 ms), so it is read only when asked for, whole, and parsed in place: a table of addresses
//! and offsets into the text. Addresses are zero for a reader without privileges (`kernel.kptr_restrict`); [`Kallsyms::hidden`] tells.

use std::ops::Range;

use skep_engine::Error;

use crate::error::io;

/// The kernel's symbols, of functions and data, sorted by address.
#[derive(Clone, Debug)]
pub struct Kallsyms {
    text: Vec<u8>,
    symbols: Vec<Symbol>,
}

#[derive(Clone, Debug)]
struct Symbol {
    address: u64,
    name: u32,
    name_len: u16,
    module_len: u16,
    function: bool,
}

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSymbol<'a> {
    /// Its address, 0 if it is hidden.
    pub address: u64,
    /// Its name.
    pub name: &'a str,
    /// The module that it is from; `None` for the kernel itself.
    pub module: Option<&'a str>,
}

impl Kallsyms {
    /// Reads the running kernel's.
    pub fn read() -> Result<Kallsyms, Error> {
        let text = std::fs::read("/proc/kallsyms").map_err(|e| io("read /proc/kallsyms", &e))?;
        Ok(Kallsyms::parse(text))
    }

    /// Reads text in the file's form: address, type and name, and the module in brackets. Lines that are not are passed over.
    pub fn parse(text: Vec<u8>) -> Kallsyms {
        let mut symbols = Vec::with_capacity(text.len() / 45);
        let mut start = 0;
        while start < text.len() && start < u32::MAX as usize {
            let end =
                text[start..].iter().position(|&b| b == b'\n').map_or(text.len(), |n| start + n);
            symbols.extend(line(&text, start..end));
            start = end + 1;
        }
        symbols.sort_by_key(|s| s.address);
        Kallsyms { text, symbols }
    }

    /// Whether the kernel hides addresses from us.
    pub fn hidden(&self) -> bool {
        self.symbols.last().is_none_or(|s| s.address == 0)
    }

    /// The functions, by address.
    pub fn functions(&self) -> impl Iterator<Item = KernelSymbol<'_>> {
        self.symbols.iter().filter(|s| s.function).map(|s| self.view(s))
    }

    /// The symbol that an address is in, or the last one before it; and how far into it.
    pub fn lookup(&self, address: u64) -> Option<(KernelSymbol<'_>, u64)> {
        if self.hidden() {
            return None;
        }
        let after = self.symbols.partition_point(|s| s.address <= address);
        let last = self.symbols.get(after.checked_sub(1)?)?;
        // Of several names for one address, the first one.
        let first = self.symbols.partition_point(|s| s.address < last.address);
        let symbol = self.symbols.get(first)?;
        Some((self.view(symbol), address - symbol.address))
    }

    /// The address of a symbol; the first one of that name.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.symbols
            .iter()
            .map(|s| self.view(s))
            .find(|s| s.name == name && s.address != 0)
            .map(|s| s.address)
    }

    fn view(&self, s: &Symbol) -> KernelSymbol<'_> {
        let name = s.name as usize;
        let text =
            |range: Range<usize>| self.text.get(range).and_then(|b| std::str::from_utf8(b).ok());
        let end = name + s.name_len as usize;
        // After the name: a tab, a bracket, the module.
        let module =
            (s.module_len > 0).then(|| text(end + 2..end + 2 + s.module_len as usize)).flatten();
        KernelSymbol { address: s.address, name: text(name..end).unwrap_or_default(), module }
    }
}

/// A line such as `ffffffff81000000 T name\t[module]`.
fn line(text: &[u8], range: Range<usize>) -> Option<Symbol> {
    let bytes = &text[range.clone()];
    let space = bytes.iter().position(|&b| b == b' ').filter(|n| (1..=16).contains(n))?;
    let mut address = 0;
    for &b in &bytes[..space] {
        address = address << 4 | u64::from((b as char).to_digit(16)?);
    }
    let kind = *bytes.get(space + 1)?;
    let name = bytes.get(space + 3..).filter(|n| !n.is_empty() && bytes[space + 2] == b' ')?;
    let name_len = name.iter().position(|&b| b == b'\t').unwrap_or(name.len());
    let module = name
        .get(name_len + 1..)
        .and_then(|m| m.strip_prefix(b"["))
        .and_then(|m| m.strip_suffix(b"]"));
    Some(Symbol {
        address,
        name: (range.start + space + 3) as u32,
        name_len: name_len.try_into().ok()?,
        module_len: module.map_or(0, <[u8]>::len).try_into().ok()?,
        function: matches!(kind, b't' | b'T' | b'w' | b'W'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ffffffff81000100 T second\n\
                        ffffffff81000000 T _text\n\
                        ffffffff81000000 t first\n\
                        ffffffff82000000 D data\n\
                        not a line\n\
                        ffffffffc0000000 t in_module\t[nf_tables]\n\
                        zz T x\n\
                        \n\
                        ffffffffc0000010 T";

    #[test]
    fn symbols_by_name_address_and_kind() {
        let k = Kallsyms::parse(TEXT.into());
        let names: Vec<_> = k.functions().map(|s| (s.name, s.module)).collect();
        assert_eq!(
            names,
            [("_text", None), ("first", None), ("second", None), ("in_module", Some("nf_tables"))]
        );
        assert_eq!(k.address("second"), Some(0xffff_ffff_8100_0100));
        assert_eq!(k.address("missing"), None);
        for (address, expected) in [
            (0xffff_ffff_8100_0000, Some(("_text", 0))),
            (0xffff_ffff_8100_00ff, Some(("_text", 0xff))),
            (0xffff_ffff_8100_0104, Some(("second", 4))),
            (0x1000, None),
        ] {
            assert_eq!(k.lookup(address).map(|(s, off)| (s.name, off)), expected, "{address:x}");
        }
    }

    #[test]
    fn hidden_addresses_are_told_and_never_matched() {
        let k = Kallsyms::parse(b"0000000000000000 T a\n0000000000000000 t b\n".to_vec());
        assert!(k.hidden() && k.lookup(5).is_none() && k.address("a").is_none());
        assert_eq!(k.functions().count(), 2);
        assert!(Kallsyms::parse(Vec::new()).hidden());
    }
}
