//! Loading an object: types, maps, programs, in this order.
//!
//! The first attempt to load a program asks for no log, since writing it takes most of a verifier's time; a program that is
//! refused is loaded once more with a log that grows until it fits. What an older kernel does not know and can do without (names, types,
//! line numbers) is left out, and [`KernelObject::notes`] says so.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::io::Errno;
use skep_abi::flags::{BPF_F_SLEEPABLE, BPF_OBJ_NAME_LEN};
use skep_abi::{AttachType, Feature, ProgType, Version};
use skep_engine::{Attach, Engine, Error, ErrorKind, Events, Link, Loaded, Map};
use skep_isa::Insn;
use skep_object::{MapRef, Object, Program, Reloc, RelocTarget};

use crate::error::{not_found, os, other, permission};
use crate::events::{PerfBuffer, RingBuffer};
use crate::kernel::{Kernel, since};
use crate::maps::KernelMap;
use crate::sys::{self, attr, bpf};
use crate::{attach, create};

/// `src` of a 64-bit immediate load of a map, and of an address in its value; of a call of a kernel function.
const PSEUDO_MAP_FD: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
const PSEUDO_KFUNC_CALL: u8 = 2;

/// Sizes of the log buffer: the first try, and the most that kernels before 5.2 accept.
const LOG_FIRST: usize = 256 << 10;
const LOG_MOST: usize = (16 << 20) - 1;

/// Maps and programs of one object in the kernel. Links made from it outlive it.
#[derive(Debug)]
pub struct KernelObject {
    kernel: Kernel,
    maps: Vec<KernelMap>,
    programs: Vec<KernelProgram>,
    notes: Vec<String>,
}

/// A program in the kernel.
#[derive(Debug)]
pub(crate) struct KernelProgram {
    pub(crate) name: String,
    pub(crate) kind: ProgType,
    fd: OwnedFd,
    index: usize,
    /// Of a kprobe program, from which the variant for many functions is loaded when it is needed: the kernel wants to know at load
    /// time that a program is for a multi-link.
    source: Option<Prepared>,
    multi: OnceLock<OwnedFd>,
}

/// Everything that loading a program takes, bound to this kernel.
#[derive(Debug)]
struct Prepared {
    attr: attr::ProgLoad,
    insns: Vec<u8>,
    license: CString,
    btf: Option<OwnedFd>,
    funcs: Vec<[u32; 2]>,
    lines: Vec<[u32; 4]>,
}

/// How many times a program ran, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Runs.
    pub runs: u64,
    /// Nanoseconds of all runs together.
    pub nanoseconds: u64,
    /// Runs left out since the program was already running on the CPU.
    pub missed: u64,
}

pub(crate) fn load(kernel: &Kernel, object: &Object) -> Result<KernelObject, Error> {
    let mut notes = Vec::new();
    if !kernel.target().has(Feature::MemcgAccounting) {
        // If it fails, creating the maps will, with a better message.
        let _ = sys::misc::unlimit_memlock();
    }
    let btf = load_btf(kernel, object, &mut notes);
    let maps = object
        .maps
        .iter()
        .map(|m| create::create(kernel, m, btf.as_ref().map(OwnedFd::as_fd)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut programs = Vec::with_capacity(object.programs.len());
    for (i, p) in object.programs.iter().enumerate() {
        let prepared = prepare(kernel, object, p, &maps, btf.as_ref().map(OwnedFd::as_fd))?;
        programs.push(load_program(kernel, i, p, prepared, &mut notes)?);
    }
    Ok(KernelObject { kernel: kernel.clone(), maps, programs, notes })
}

/// Loads the object's types. A kernel that does not take them gets the programs without.
fn load_btf(kernel: &Kernel, object: &Object, notes: &mut Vec<String>) -> Option<OwnedFd> {
    if object.btf.is_empty() || !kernel.target().has(Feature::BtfLoad) {
        return None;
    }
    let errno = match bpf::btf_load(&object.btf, None) {
        Ok(fd) => return Some(fd),
        Err(e) => e,
    };
    let mut log = vec![0; 64 << 10];
    let _ = bpf::btf_load(&object.btf, Some(&mut log));
    let text = log_text(log);
    // Without the privilege the programs fail too, and say it better.
    if errno != Errno::PERM {
        notes.push(format!(
            "the kernel does not take the object's types ({errno}): {}",
            text.trim()
        ));
    }
    None
}

/// A name as the kernel allows it: at most 15 of letters, digits, `_` and `.`.
pub(crate) fn kernel_name(name: &str) -> [u8; BPF_OBJ_NAME_LEN] {
    let mut out = [0; BPF_OBJ_NAME_LEN];
    for (to, c) in out[..BPF_OBJ_NAME_LEN - 1].iter_mut().zip(name.chars()) {
        *to = if c.is_ascii_alphanumeric() || c == '.' { c as u8 } else { b'_' };
    }
    out
}

fn prepare(
    kernel: &Kernel,
    object: &Object,
    p: &Program,
    maps: &[KernelMap],
    btf: Option<BorrowedFd<'_>>,
) -> Result<Prepared, Error> {
    let context = || format!("load program `{}`", p.name);
    if let Some(e) = since(kernel.target(), p.kind, &context()) {
        return Err(e);
    }
    let mut insns = p.insns.clone();
    for r in &p.relocs {
        relocate(kernel, &mut insns, r, maps)
            .map_err(|e| Error { context: format!("{}: {}", context(), e.context), ..e })?;
    }
    let license = CString::new(object.license.as_str())
        .map_err(|_| other(context(), "the licence has a NUL byte"))?;
    let version = kernel.version();
    let lines =
        p.lines.iter().map(|l| [l.insn_off, l.file_name_off, l.line_off, line_col(l.line, l.col)]);
    let has_types = !p.funcs.is_empty() && kernel.target().has(Feature::FuncInfo);
    let btf = btf
        .filter(|_| has_types)
        .map(|fd| fd.try_clone_to_owned())
        .transpose()
        .map_err(|e| crate::error::io(context(), &e))?;
    Ok(Prepared {
        attr: attr::ProgLoad {
            prog_type: p.kind.raw(),
            expected_attach_type: p.expected_attach.map_or(0, AttachType::raw),
            kern_version: if version < Version::new(5, 0) { version.code() } else { 0 },
            prog_flags: if p.sleepable { BPF_F_SLEEPABLE } else { 0 },
            prog_name: kernel_name(&p.name),
            ..Default::default()
        },
        insns: insns.iter().flat_map(|i| i.to_bytes(cfg!(target_endian = "big"))).collect(),
        license,
        btf,
        funcs: p.funcs.iter().map(|f| [f.insn_off, f.type_id.0]).collect(),
        lines: lines.collect(),
    })
}

/// Line and column as `struct bpf_line_info` packs them: 22 and 10 bits.
fn line_col(line: u32, col: u32) -> u32 {
    line.min((1 << 22) - 1) << 10 | col.min((1 << 10) - 1)
}

fn relocate(
    kernel: &Kernel,
    insns: &mut [Insn],
    r: &Reloc,
    maps: &[KernelMap],
) -> Result<(), Error> {
    let at = r.insn as usize;
    let bad = |what: &str| other(format!("relocation of instruction {at}"), what);
    let map_fd = |m: MapRef| {
        use std::os::fd::AsRawFd;
        let map = maps.get(m.0 as usize).ok_or_else(|| bad("there is no such map"))?;
        Ok::<i32, Error>(map.fd().as_raw_fd())
    };
    let (src, low, high) = match &r.target {
        RelocTarget::Map(m) => (PSEUDO_MAP_FD, map_fd(*m)?, 0),
        RelocTarget::MapValue(m, off) => (PSEUDO_MAP_VALUE, map_fd(*m)?, *off as i32),
        RelocTarget::Kfunc(name) => {
            let id = kfunc_id(kernel, name)?;
            let insn = insns.get_mut(at).ok_or_else(|| bad("there is no such instruction"))?;
            *insn = Insn { src: PSEUDO_KFUNC_CALL, off: 0, imm: id, ..*insn };
            return Ok(());
        }
    };
    match insns.get_mut(at..).unwrap_or_default() {
        [first, second, ..] if first.is_ld_imm64() => {
            *first = Insn { src, imm: low, ..*first };
            second.imm = high;
            Ok(())
        }
        _ => Err(bad("it is not a 64-bit immediate load")),
    }
}

fn kfunc_id(kernel: &Kernel, name: &str) -> Result<i32, Error> {
    let btf = kernel.vmlinux_btf()?;
    let id = btf
        .find(name, skep_btf::Kind::Func)
        .ok_or_else(|| not_found(format!("kernel function `{name}`")))?;
    Ok(id.0 as i32)
}

impl Prepared {
    fn program(&self) -> bpf::Program<'_> {
        bpf::Program {
            attr: self.attr,
            insns: &self.insns,
            license: &self.license,
            btf: self.btf.as_ref().map(OwnedFd::as_fd),
            funcs: &self.funcs,
            lines: &self.lines,
            fd_array: &[],
        }
    }

    /// Loads it; the error is the kernel's, with its log.
    fn load(&self) -> Result<OwnedFd, (Errno, String)> {
        let program = self.program();
        let first = match bpf::prog_load(&program, None) {
            Ok(fd) => return Ok(fd),
            Err(e) => e,
        };
        let mut size = LOG_FIRST;
        loop {
            let mut log = vec![0; size];
            match bpf::prog_load(&program, Some(&mut log)) {
                // It may be accepted now: a signal had cut the verifier short too often.
                Ok(fd) => return Ok(fd),
                Err(Errno::NOSPC) if size < LOG_MOST => size = (size * 4).min(LOG_MOST),
                Err(_) => return Err((first, log_text(log))),
            }
        }
    }
}

/// The log up to its NUL.
fn log_text(mut log: Vec<u8>) -> String {
    log.truncate(log.iter().position(|&b| b == 0).unwrap_or(log.len()));
    String::from_utf8(log).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn load_program(
    kernel: &Kernel,
    index: usize,
    p: &Program,
    mut prepared: Prepared,
    notes: &mut Vec<String>,
) -> Result<KernelProgram, Error> {
    let mut result = prepared.load();
    if matches!(result, Err((Errno::TOOBIG, ref log)) if log.is_empty())
        && kernel.version() < Version::new(5, 0)
    {
        // The kernel's `union bpf_attr` ends before what we have set.
        prepared.attr.prog_name = [0; BPF_OBJ_NAME_LEN];
        prepared.btf = None;
        notes.push(format!(
            "program `{}` is loaded without name and types, which this kernel does not know",
            p.name
        ));
        result = prepared.load();
    }
    let fd = result.map_err(|(e, log)| refusal(index, &p.name, e, log))?;
    let source = (p.kind == ProgType::Kprobe && p.expected_attach.is_none()).then_some(prepared);
    Ok(KernelProgram {
        name: p.name.clone(),
        kind: p.kind,
        fd,
        index,
        source,
        multi: OnceLock::new(),
    })
}

/// Why a program was refused: by the verifier, if it wrote a log.
fn refusal(program: usize, name: &str, errno: Errno, log: String) -> Error {
    let context = format!("load program `{name}`");
    if !log.trim().is_empty() {
        return Error {
            kind: ErrorKind::Rejected { program, log },
            context,
            errno: Some(errno.raw_os_error()),
        };
    }
    match errno {
        Errno::PERM => permission(&context, errno),
        Errno::TOOBIG => other(context, "it has more instructions than the kernel accepts"),
        e => os(context, e),
    }
}

impl KernelProgram {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The variant for a multi-link. `None` if the program was not loaded as a plain kprobe program.
    pub(crate) fn for_multi(&self, kind: AttachType) -> Option<Result<BorrowedFd<'_>, Error>> {
        if let Some(fd) = self.multi.get() {
            return Some(Ok(fd.as_fd()));
        }
        let source = self.source.as_ref()?;
        let again = || {
            let attr = attr::ProgLoad { expected_attach_type: kind.raw(), ..source.attr };
            let result = Prepared { attr, insns: source.insns.clone(), ..source.shallow()? }.load();
            result.map_err(|(e, log)| refusal(self.index, &self.name, e, log))
        };
        Some(again().map(|fd| self.multi.get_or_init(|| fd).as_fd()))
    }
}

impl Prepared {
    fn shallow(&self) -> Result<Prepared, Error> {
        let btf = self.btf.as_ref().map(OwnedFd::try_clone).transpose();
        Ok(Prepared {
            attr: self.attr,
            insns: Vec::new(),
            license: self.license.clone(),
            btf: btf.map_err(|e| crate::error::io("load a program again", &e))?,
            funcs: self.funcs.clone(),
            lines: self.lines.clone(),
        })
    }
}

impl KernelObject {
    /// What had to be left out for this kernel, for a verbose mode.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A map, with more than the trait shows.
    pub fn kernel_map(&self, map: MapRef) -> Option<&KernelMap> {
        self.maps.get(map.0 as usize)
    }

    /// How often a program ran and how long, counted while [`Kernel::enable_stats`] or the sysctl `kernel.bpf_stats_enabled` is on.
    pub fn run_stats(&self, program: usize) -> Result<RunStats, Error> {
        let p = self.program(program)?;
        let fds = [Some(p.fd()), p.multi.get().map(OwnedFd::as_fd)];
        let mut sum = RunStats::default();
        for fd in fds.into_iter().flatten() {
            let info = bpf::prog_info(fd)
                .map_err(|e| os(format!("read the counters of program `{}`", p.name), e))?;
            sum.runs += info.run_cnt;
            sum.nanoseconds += info.run_time_ns;
            sum.missed += info.recursion_misses;
        }
        Ok(sum)
    }

    /// The id under which bpftool shows a program.
    pub fn program_id(&self, program: usize) -> Result<u32, Error> {
        let p = self.program(program)?;
        let info = bpf::prog_info(p.fd())
            .map_err(|e| os(format!("read the id of program `{}`", p.name), e))?;
        Ok(info.id)
    }

    fn program(&self, index: usize) -> Result<&KernelProgram, Error> {
        self.programs.get(index).ok_or_else(|| not_found(format!("program number {index}")))
    }
}

impl Loaded for KernelObject {
    fn map(&self, map: MapRef) -> Option<&dyn Map> {
        self.kernel_map(map).map(|m| m as &dyn Map)
    }

    fn attach(&self, program: usize, at: &Attach) -> Result<Box<dyn Link>, Error> {
        let link = attach::attach(&self.kernel, self.program(program)?, at)?;
        Ok(Box::new(link))
    }

    fn detach(&self, links: Vec<Box<dyn Link>>) {
        attach::detach(links);
    }

    fn run_once(&self, program: usize, ctx: &[u8]) -> Result<u32, Error> {
        let p = self.program(program)?;
        let context = format!("run program `{}` once", p.name);
        if p.kind == ProgType::RawTracepoint && self.kernel.version() < Version::new(5, 10) {
            let instead = "trace an event that the process makes itself";
            return Err(crate::error::unsupported(
                context,
                "running a raw tracepoint program by hand",
                "Linux 5.10",
                instead,
            ));
        }
        bpf::test_run(p.fd(), ctx).map_err(|e| match e {
            Errno::PERM => permission(&context, e),
            e => os(context, e),
        })
    }

    fn events(&self, map: MapRef) -> Result<Box<dyn Events>, Error> {
        let map = self.kernel_map(map).ok_or_else(|| not_found(format!("map number {}", map.0)))?;
        match map.kind() {
            skep_abi::MapType::Ringbuf => Ok(Box::new(RingBuffer::open(map)?)),
            skep_abi::MapType::PerfEventArray => Ok(Box::new(PerfBuffer::open(map)?)),
            other_kind => Err(other(
                format!("read events of map `{}`", map.name()),
                format!("a {other_kind} has none"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        for (name, expected) in [
            ("map", "map"),
            ("tracepoint:sys_enter", "tracepoint_sys_"),
            ("@a b.c-d", "_a_b.c_d"),
            ("größe", "gr__e"),
            ("", ""),
        ] {
            let got = kernel_name(name);
            assert_eq!(std::str::from_utf8(&got).unwrap().trim_end_matches('\0'), expected);
            assert_eq!(got[15], 0);
        }
    }

    #[test]
    fn lines_and_columns_are_packed_and_saturate() {
        assert_eq!(line_col(3, 5), 3 << 10 | 5);
        assert_eq!(line_col(u32::MAX, u32::MAX), u32::MAX);
    }

    #[test]
    fn the_log_ends_at_its_nul_whatever_its_bytes() {
        assert_eq!(log_text(b"abc\0def".to_vec()), "abc");
        assert_eq!(log_text(b"\xffa".to_vec()), "\u{fffd}a");
        assert_eq!(log_text(vec![0; 4]), "");
    }
}
