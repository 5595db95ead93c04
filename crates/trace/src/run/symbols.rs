//! Names of addresses, of the kernel and of processes, living or not.
//!
//! blazesym reads kallsyms and ELF symbol tables and undoes the mangling of C++ and Rust names; [`super::processes`] says which file an address lies in. What has been
//! looked up once is remembered, within bounds. An address without a name shows as `0x` and its digits.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use blazesym::symbolize::source::{Elf, Kernel, Process, Source};
use blazesym::symbolize::{Input, Symbolizer};
use blazesym::{MaybeDefault, Pid};

use super::number;
use super::processes::{Place, Processes, own_vdso};

/// Most names that are remembered of the kernel, and of all files.
const NAMES: usize = 1 << 16;
/// Most files whose symbol tables are held.
const TABLES: usize = 1024;

/// A symbol and the distance of the address from its start.
type Name = Option<(Rc<str>, u64)>;

/// Names of kernel and user addresses.
pub struct Symbols {
    symbolizer: Symbolizer,
    demangle: bool,
    kernel: HashMap<u64, Name>,
    files: HashMap<(u64, u64), Name>,
    /// Build ids by file.
    builds: HashMap<u64, Option<Rc<[u8]>>>,
    processes: Processes,
    perf_maps: HashMap<u32, PerfMap>,
    vdso: Option<Option<u64>>,
}

impl Symbols {
    /// None known yet.
    pub fn new(demangle: bool) -> Symbols {
        Symbols {
            symbolizer: symbolizer(demangle),
            demangle,
            kernel: HashMap::new(),
            files: HashMap::new(),
            builds: HashMap::new(),
            processes: Processes::default(),
            perf_maps: HashMap::new(),
            vdso: None,
        }
    }

    /// A process was seen for the first time: what is needed to name its addresses later is taken now.
    pub fn seen(&mut self, pid: u32) {
        self.processes.seen(pid);
    }

    /// Writes the name of a kernel address, with the distance from its start if `offset`.
    pub fn kernel(&mut self, address: u64, offset: bool, out: &mut Vec<u8>) {
        if self.kernel.len() >= NAMES {
            self.kernel.clear();
        }
        let symbolizer = &self.symbolizer;
        let name = self.kernel.entry(address).or_insert_with(|| {
            // Symbols of kallsyms are enough and need no search for a vmlinux file.
            let kernel = Kernel { vmlinux: MaybeDefault::None, ..Kernel::default() };
            look_up(symbolizer, &Source::Kernel(kernel), Input::AbsAddr(address))
        });
        put(name, address, offset, out);
    }

    /// Writes the name of an address of a process, with the distance from its start if `offset`.
    pub fn user(&mut self, address: u64, pid: u32, offset: bool, out: &mut Vec<u8>) {
        let name = match self.processes.find(pid, address) {
            Some(Place::File(file, at)) => self.in_file(file.id, &file.reopen(), at),
            Some(Place::Vdso(at)) => self.in_vdso(at),
            Some(Place::Anonymous) | None => self.in_perf_map(address, pid),
        };
        put(&name, address, offset, out);
    }

    fn in_file(&mut self, id: u64, path: &std::path::Path, at: u64) -> Name {
        if let Some(name) = self.files.get(&(id, at)) {
            return name.clone();
        }
        if self.files.len() >= NAMES {
            self.files.clear();
        }
        if self.builds.len() >= TABLES {
            // So many files: let go of all symbol tables and begin again.
            self.builds.clear();
            self.symbolizer = symbolizer(self.demangle);
        }
        self.builds.entry(id).or_insert_with(|| build_id(path));
        let source = Source::Elf(Elf { debug_syms: false, ..Elf::new(path) });
        let name = look_up(&self.symbolizer, &source, Input::FileOffset(at));
        self.files.insert((id, at), name.clone());
        name
    }

    /// The vDSO is the same in every process: names are those of our own.
    fn in_vdso(&mut self, at: u64) -> Name {
        let start = (*self.vdso.get_or_insert_with(own_vdso))?;
        let process = Process { debug_syms: false, ..Process::new(Pid::Slf) };
        look_up(&self.symbolizer, &Source::Process(process), Input::AbsAddr(start + at))
    }

    fn in_perf_map(&mut self, address: u64, pid: u32) -> Name {
        if self.perf_maps.len() >= 64 && !self.perf_maps.contains_key(&pid) {
            self.perf_maps.clear();
        }
        let map = self.perf_maps.entry(pid).or_default();
        map.refresh(pid);
        map.find(address)
    }

    /// Writes the file that an address of a process lies in.
    pub fn module(&mut self, address: u64, pid: u32, out: &mut Vec<u8>) {
        match self.processes.find(pid, address) {
            Some(Place::File(file, _)) => out.extend_from_slice(file.path.as_bytes()),
            Some(Place::Vdso(_)) => out.extend_from_slice(b"[vdso]"),
            _ => out.extend_from_slice(b"[unknown]"),
        }
    }

    /// Writes the build id of the file that an address lies in, and the offset in it; else the address.
    pub fn build_id(&mut self, address: u64, pid: u32, out: &mut Vec<u8>) {
        if let Some(Place::File(file, at)) = self.processes.find(pid, address) {
            let build = self.builds.entry(file.id).or_insert_with(|| build_id(&file.reopen()));
            if let Some(build) = build {
                for b in build.iter() {
                    number::hex(out, (*b).into(), 2);
                }
                out.extend_from_slice(b" 0x");
                return number::hex(out, at, 2);
            }
        }
        number::hex(out, address, 1);
    }
}

fn symbolizer(demangle: bool) -> Symbolizer {
    Symbolizer::builder()
        .enable_code_info(false)
        .enable_inlined_fns(false)
        .enable_demangling(demangle)
        .build()
}

fn look_up(symbolizer: &Symbolizer, source: &Source<'_>, input: Input<u64>) -> Name {
    let found = symbolizer.symbolize_single(source, input).ok()?;
    found.into_sym().map(|sym| (Rc::from(&*sym.name), sym.offset as u64))
}

fn build_id(path: &std::path::Path) -> Option<Rc<[u8]>> {
    blazesym::helper::read_elf_build_id(path).ok().flatten().map(|id| Rc::from(&id[..]))
}

fn put(name: &Name, address: u64, offset: bool, out: &mut Vec<u8>) {
    match name {
        Some((name, distance)) => {
            out.extend_from_slice(name.as_bytes());
            if offset {
                out.push(b'+');
                number::decimal(out, *distance);
            }
        }
        None => {
            out.extend_from_slice(if address == 0 { b"" } else { b"0x" });
            number::hex(out, address, 1);
        }
    }
}

/// Least time between two looks at a perf map.
const PERF_MAP_PAUSE: Duration = Duration::from_millis(100);
/// Largest perf map that is read.
const PERF_MAP_BYTES: u64 = 64 << 20;

/// Names that a JIT compiler gave its code: lines `START SIZE NAME` in `/tmp/perf-PID.map` of the process's file system.
#[derive(Default)]
struct PerfMap {
    stamp: Option<(SystemTime, u64)>,
    looked: Option<Instant>,
    names: Vec<(u64, u64, Rc<str>)>,
}

impl PerfMap {
    fn refresh(&mut self, pid: u32) {
        if self.looked.is_some_and(|t| t.elapsed() < PERF_MAP_PAUSE) {
            return;
        }
        self.looked = Some(Instant::now());
        let Some((path, stamp)) = perf_map_file(pid) else { return };
        if self.stamp == Some(stamp) || stamp.1 > PERF_MAP_BYTES {
            return;
        }
        self.stamp = Some(stamp);
        let text = fs::read(path).unwrap_or_default();
        self.names = parse_perf_map(&String::from_utf8_lossy(&text));
    }

    fn find(&self, address: u64) -> Name {
        let after = self.names.partition_point(|n| n.0 <= address);
        let (start, size, name) = self.names.get(after.checked_sub(1)?)?;
        let distance = address - start;
        (distance < *size).then(|| (name.clone(), distance))
    }
}

fn perf_map_file(pid: u32) -> Option<(PathBuf, (SystemTime, u64))> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let inner = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .and_then(|line| line.split_ascii_whitespace().next_back());
    let inner = inner.unwrap_or_default();
    let paths = [format!("/proc/{pid}/root/tmp/perf-{inner}.map"), format!("/tmp/perf-{pid}.map")];
    paths.into_iter().find_map(|path| {
        let meta = fs::metadata(&path).ok()?;
        Some((PathBuf::from(path), (meta.modified().ok()?, meta.len())))
    })
}

fn parse_perf_map(text: &str) -> Vec<(u64, u64, Rc<str>)> {
    let mut names: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ' ');
            let mut hex = || {
                let field = fields.next()?;
                u64::from_str_radix(field.trim_start_matches("0x"), 16).ok()
            };
            let (start, size) = (hex()?, hex()?);
            Some((start, size, Rc::from(fields.next()?)))
        })
        .collect();
    names.sort_by_key(|n| n.0);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perf_maps_name_what_a_jit_compiler_made() {
        let names = parse_perf_map("2000 10 second one\nbad\n1000 20 first\n0x3000 8 third\n");
        let map = PerfMap { names, ..PerfMap::default() };
        let find = |a| map.find(a).map(|(n, d)| (n.to_string(), d));
        assert_eq!(find(0x1005), Some(("first".into(), 5)));
        assert_eq!(find(0x200f), Some(("second one".into(), 15)));
        assert_eq!(find(0x3000), Some(("third".into(), 0)));
        assert_eq!(find(0x2010), None);
        assert_eq!(find(0), None);
    }

    #[test]
    fn addresses_without_a_name_are_hex() {
        let mut symbols = Symbols::new(true);
        for (address, expected) in [(1, "0x1"), (0, "0"), (0xfff, "0xfff")] {
            let mut out = Vec::new();
            symbols.user(address, std::process::id(), true, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            let mut out = Vec::new();
            symbols.kernel(address, true, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
