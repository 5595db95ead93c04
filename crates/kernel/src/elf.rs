//! Symbols of executables and libraries, for uprobes: a name becomes an offset in the file.
//!
//! A uprobe is placed by file offset, a symbol tells an address: the program headers lead from one to the other. A stripped file's
//! symbols may be in a file of its own, found by build id or `.gnu_debuglink` as gdb finds it. Facts: elf(5), the GDB manual
//! ("Debugging Information in Separate Files"). The file is mapped, and read only as far as a question needs.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};
use skep_engine::Error;

use crate::error::{io, not_found, other};
use crate::sys::mem::MappedFile;

/// Where separate debug files are kept.
const DEBUG_ROOT: &str = "/usr/lib/debug";

/// An executable or a library.
#[derive(Debug)]
pub struct Elf {
    path: PathBuf,
    bytes: MappedFile,
    /// The separate file with its symbols, if it has none itself.
    debug: Option<MappedFile>,
}

/// A function in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserFunction {
    /// Its address in the file's own address space, as `nm` prints it.
    pub address: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length, 0 if it is not told.
    pub size: u64,
    /// Its name as in the symbol table (mangled).
    pub name: String,
}

/// A loaded part of a file: addresses, and where they are in the file.
#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u64,
    offset: u64,
    len: u64,
}

fn map(path: &Path) -> std::io::Result<MappedFile> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    Ok(MappedFile::new(&file, metadata.len() as usize)?)
}

impl Elf {
    /// Opens a file; it must be an ELF executable or library.
    pub fn open(path: &Path) -> Result<Elf, Error> {
        let context = || format!("read symbols of {}", path.display());
        let bytes = map(path).map_err(|e| io(context(), &e))?;
        if !bytes.as_ref().starts_with(b"\x7fELF") {
            return Err(other(context(), "it is not an ELF file"));
        }
        let elf =
            object::File::parse(bytes.as_ref()).map_err(|e| other(context(), e.to_string()))?;
        let debug = match elf.symbols().next() {
            Some(_) => None,
            None => debug_files(path, &elf).iter().find_map(|p| map(p).ok()),
        };
        Ok(Elf { path: path.into(), bytes, debug })
    }

    fn parsed(&self) -> Result<object::File<'_>, Error> {
        let context = || format!("read symbols of {}", self.path.display());
        object::File::parse(self.bytes.as_ref()).map_err(|e| other(context(), e.to_string()))
    }

    /// Calls `f` with each function's name, address and size until it returns true.
    fn each_function(&self, elf: &object::File<'_>, f: &mut dyn FnMut(&str, u64, u64) -> bool) {
        let debug = self.debug.as_ref().and_then(|d| object::File::parse(d.as_ref()).ok());
        let debug_symbols = debug.iter().flat_map(|d| d.symbols());
        for symbol in elf.dynamic_symbols().chain(elf.symbols()).chain(debug_symbols) {
            let function = symbol.kind() == SymbolKind::Text
                && !symbol.is_undefined()
                && symbol.address() != 0;
            if function
                && let Ok(name) = symbol.name()
                && f(name, symbol.address(), symbol.size())
            {
                return;
            }
        }
    }

    /// Where a function begins in the file.
    pub fn symbol(&self, name: &str) -> Result<UserFunction, Error> {
        let elf = self.parsed()?;
        let segments = segments(&elf);
        let mut found = None;
        self.each_function(&elf, &mut |n, address, size| {
            if n == name {
                found = offset_of(&segments, address).map(|offset| UserFunction {
                    address,
                    offset,
                    size,
                    name: n.into(),
                });
            }
            found.is_some()
        });
        found.ok_or_else(|| not_found(format!("function `{name}` in {}", self.path.display())))
    }

    /// All functions, by offset and name, each once.
    pub fn functions(&self) -> Result<Vec<UserFunction>, Error> {
        let elf = self.parsed()?;
        let segments = segments(&elf);
        let mut all = Vec::new();
        self.each_function(&elf, &mut |name, address, size| {
            all.extend(offset_of(&segments, address).map(|offset| UserFunction {
                address,
                offset,
                size,
                name: name.into(),
            }));
            false
        });
        all.sort_unstable();
        all.dedup_by(|a, b| a.offset == b.offset && a.name == b.name);
        Ok(all)
    }

    /// Where an address of the file's own address space (as `nm` and `objdump` print it) is in the file.
    pub fn offset_of_address(&self, address: u64) -> Result<u64, Error> {
        let found = offset_of(&segments(&self.parsed()?), address);
        found.ok_or_else(|| not_found(format!("address {address:#x} in {}", self.path.display())))
    }
}

fn segments(elf: &object::File<'_>) -> Vec<Segment> {
    elf.segments()
        .map(|s| {
            let (offset, len) = s.file_range();
            Segment { address: s.address(), offset, len }
        })
        .collect()
}

fn offset_of(segments: &[Segment], address: u64) -> Option<u64> {
    let inside = |s: &&Segment| address.checked_sub(s.address).is_some_and(|off| off < s.len);
    let s = segments.iter().find(inside)?;
    (address - s.address).checked_add(s.offset)
}

/// Where a separate file with the symbols could be.
fn debug_files(path: &Path, elf: &object::File<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(Some([first, rest @ ..])) = elf.build_id() {
        let rest: String = rest.iter().map(|b| format!("{b:02x}")).collect();
        found.push(format!("{DEBUG_ROOT}/.build-id/{first:02x}/{rest}.debug").into());
    }
    // A link with a slash would lead anywhere.
    if let Ok(Some((name, _))) = elf.gnu_debuglink()
        && !name.contains(&b'/')
        && let Some(dir) = path.canonicalize().ok().as_deref().and_then(Path::parent)
    {
        let name = OsStr::from_bytes(name);
        found.push(dir.join(".debug").join(name));
        found.push(Path::new(DEBUG_ROOT).join(dir.strip_prefix("/").unwrap_or(dir)).join(name));
        found.push(dir.join(name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_functions_are_found_at_their_offsets() {
        let exe = std::env::current_exe().unwrap();
        let elf = Elf::open(&exe).unwrap();
        let all = elf.functions().unwrap();
        let function = all
            .iter()
            .find(|f| f.name.contains("own_functions_are_found"))
            .expect("this very test");
        assert_eq!(elf.symbol(&function.name).unwrap().offset, function.offset);
        assert!(function.size > 0);
        assert!(elf.symbol("no such function").is_err());
    }

    #[test]
    fn addresses_outside_every_segment_have_no_offset() {
        let segments = [
            Segment { address: 0x1000, offset: 0, len: 0x10 },
            Segment { address: 0x2000, offset: 0x10, len: 0x20 },
            Segment { address: u64::MAX - 1, offset: u64::MAX, len: 8 },
        ];
        for (address, expected) in [
            (0xfff, None),
            (0x1000, Some(0)),
            (0x100f, Some(0xf)),
            (0x1010, None),
            (0x2001, Some(0x11)),
            (u64::MAX, None),
        ] {
            assert_eq!(offset_of(&segments, address), expected, "{address:x}");
        }
    }

    #[test]
    fn what_is_not_elf_is_an_error() {
        for path in ["/proc/self/status", "/", "/no/such/file", "/etc/passwd", "/dev/null"] {
            assert!(Elf::open(Path::new(path)).is_err(), "{path}");
        }
    }
}
