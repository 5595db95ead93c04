//! bpf(2): one function a command that the engine uses.
//!
//! [`MapFd`] knows how many bytes the kernel reads and writes for a key and a value, so that a slice of the wrong length is
//! refused here instead of overrun by the kernel. Facts: bpf(2), `kernel/bpf/syscall.c`.
#![allow(unsafe_code)] // The system call itself, and the descriptors that it returns.

use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use skep_abi::{AttachType, Cmd};

use super::attr::{self, Attr};
use super::{Errno, Result, last_errno};

/// How often a load that the kernel asks to repeat is repeated (libbpf does it 5 times).
const EAGAIN_TRIES: u32 = 5;

/// Calls bpf(2), again after a signal.
///
/// # Safety
///
/// Every pointer in `attr` must be valid for what the command reads or writes there.
unsafe fn bpf<A: Attr>(cmd: Cmd, attr: &mut A) -> Result<i32> {
    let mut again = EAGAIN_TRIES;
    loop {
        // SAFETY: `attr` is a live struct of integers without padding; the caller vouches for the pointers in it.
        let r = unsafe { libc::syscall(libc::SYS_bpf, cmd.raw(), &raw mut *attr, size_of::<A>()) };
        if r >= 0 {
            return Ok(r as i32);
        }
        match last_errno() {
            Errno::INTR => {}
            Errno::AGAIN if again > 0 => again -= 1,
            e => return Err(e),
        }
    }
}

/// Calls bpf(2) with a command that returns a new descriptor.
///
/// # Safety
///
/// As for [`bpf`], and the command must be one that returns a descriptor.
unsafe fn bpf_fd<A: Attr>(cmd: Cmd, attr: &mut A) -> Result<OwnedFd> {
    // SAFETY: as the caller vouches.
    let fd = unsafe { bpf(cmd, attr)? };
    // SAFETY: the kernel has just given us this descriptor, with O_CLOEXEC set.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn ptr<T>(slice: &[T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_ptr() as u64 }
}

fn ptr_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_mut_ptr() as u64 }
}

fn len32(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Errno::TOOBIG)
}

/// A map, with the sizes that the kernel uses for it towards user space.
#[derive(Debug)]
pub(crate) struct MapFd {
    fd: OwnedFd,
    key_len: usize,
    value_len: usize,
}

/// A position between batches. The kernel writes 4 bytes, or a key for a trie.
#[derive(Clone, Debug)]
pub(crate) struct BatchPos(Vec<u8>);

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl MapFd {
    /// `BPF_MAP_CREATE`. `per_value` is how many values of `attr.value_size` bytes, each padded to 8, user space sees for a key;
    /// `None` where it is one, not padded.
    pub(crate) fn create(mut attr: attr::MapCreate, per_cpu: Option<usize>) -> Result<MapFd> {
        let value = attr.value_size as usize;
        let value_len = match per_cpu {
            None => value,
            Some(n) => value
                .checked_next_multiple_of(8)
                .and_then(|v| v.checked_mul(n))
                .ok_or(Errno::TOOBIG)?,
        };
        // SAFETY: the struct holds no pointers; the command returns a descriptor.
        let fd = unsafe { bpf_fd(Cmd::MapCreate, &mut attr)? };
        Ok(MapFd { fd, key_len: attr.key_size as usize, value_len })
    }

    /// Bytes of a key.
    pub(crate) fn key_len(&self) -> usize {
        self.key_len
    }

    /// Bytes of a value, of all CPUs together.
    pub(crate) fn value_len(&self) -> usize {
        self.value_len
    }

    fn check(&self, key: usize, value: usize) -> Result<()> {
        if key == self.key_len && value == self.value_len { Ok(()) } else { Err(Errno::INVAL) }
    }

    fn elem(&self, key: u64, value: u64, flags: u64) -> attr::MapElem {
        attr::MapElem { map_fd: raw(self.as_fd()), pad: 0, key, value, flags }
    }

    /// `BPF_MAP_LOOKUP_ELEM`.
    pub(crate) fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<()> {
        self.check(key.len(), value.len())?;
        let mut a = self.elem(ptr(key), ptr_mut(value), 0);
        // SAFETY: key and value have just the lengths that the kernel uses.
        unsafe { bpf(Cmd::MapLookupElem, &mut a).map(drop) }
    }

    /// `BPF_MAP_UPDATE_ELEM`.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<()> {
        self.check(key.len(), value.len())?;
        let mut a = self.elem(ptr(key), ptr(value), flags);
        // SAFETY: as above; the kernel only reads them.
        unsafe { bpf(Cmd::MapUpdateElem, &mut a).map(drop) }
    }

    /// `BPF_MAP_DELETE_ELEM`.
    pub(crate) fn delete(&self, key: &[u8]) -> Result<()> {
        self.check(key.len(), self.value_len)?;
        let mut a = self.elem(ptr(key), 0, 0);
        // SAFETY: as above.
        unsafe { bpf(Cmd::MapDeleteElem, &mut a).map(drop) }
    }

    /// `BPF_MAP_GET_NEXT_KEY`; `None` for the first.
    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<()> {
        self.check(next.len(), self.value_len)?;
        self.check(key.map_or(self.key_len, <[u8]>::len), self.value_len)?;
        let mut a = self.elem(key.map_or(0, ptr), ptr_mut(next), 0);
        // SAFETY: as above; the kernel writes a key to `next`.
        unsafe { bpf(Cmd::MapGetNextKey, &mut a).map(drop) }
    }

    /// `BPF_MAP_LOOKUP_BATCH`, or with `delete` `BPF_MAP_LOOKUP_AND_DELETE_BATCH`: fills `keys` and `values` as far as they go and moves
    /// `pos`. Gives the number of entries, also beside an error: with `ENOENT` they were the last ones.
    pub(crate) fn lookup_batch(
        &self,
        pos: &mut Option<BatchPos>,
        keys: &mut [u8],
        values: &mut [u8],
        delete: bool,
    ) -> (usize, Result<()>) {
        let room = keys.len().checked_div(self.key_len).unwrap_or(0);
        if room == 0 || values.len() / room < self.value_len {
            return (0, Err(Errno::INVAL));
        }
        let mut out = BatchPos(vec![0; self.key_len.max(8)]);
        let mut a = attr::MapBatch {
            in_batch: pos.as_ref().map_or(0, |p| ptr(&p.0)),
            out_batch: ptr_mut(&mut out.0),
            keys: ptr_mut(keys),
            values: ptr_mut(values),
            count: room.min(u32::MAX as usize) as u32,
            map_fd: raw(self.as_fd()),
            ..Default::default()
        };
        let cmd = if delete { Cmd::MapLookupAndDeleteBatch } else { Cmd::MapLookupBatch };
        // SAFETY: keys and values have room for `count` entries, the positions for a key or 8 bytes.
        let result = unsafe { bpf(cmd, &mut a).map(drop) };
        // On EFAULT and on errors found before the first entry, the kernel leaves `count` as it was or at 0.
        let count = match result {
            Ok(()) | Err(Errno::NOENT) => (a.count as usize).min(room),
            Err(_) => 0,
        };
        if result.is_ok() {
            *pos = Some(out);
        }
        (count, result)
    }

    /// `BPF_MAP_UPDATE_BATCH`: gives how many were written before an error.
    pub(crate) fn update_batch(
        &self,
        keys: &[u8],
        values: &[u8],
        elem_flags: u64,
    ) -> (usize, Result<()>) {
        let count = keys.len().checked_div(self.key_len).unwrap_or(0);
        if values.len() != count * self.value_len {
            return (0, Err(Errno::INVAL));
        }
        self.write_batch(Cmd::MapUpdateBatch, keys, ptr(values), count, elem_flags)
    }

    /// `BPF_MAP_DELETE_BATCH`: gives how many were removed before an error.
    pub(crate) fn delete_batch(&self, keys: &[u8]) -> (usize, Result<()>) {
        let count = keys.len().checked_div(self.key_len).unwrap_or(0);
        self.write_batch(Cmd::MapDeleteBatch, keys, 0, count, 0)
    }

    fn write_batch(
        &self,
        cmd: Cmd,
        keys: &[u8],
        values: u64,
        count: usize,
        elem_flags: u64,
    ) -> (usize, Result<()>) {
        let Ok(count) = len32(count) else { return (0, Err(Errno::INVAL)) };
        if count == 0 {
            return (0, Ok(()));
        }
        let mut a = attr::MapBatch {
            keys: ptr(keys),
            values,
            count,
            map_fd: raw(self.as_fd()),
            elem_flags,
            ..Default::default()
        };
        // SAFETY: keys and values hold `count` entries, which the kernel reads.
        let result = unsafe { bpf(cmd, &mut a).map(drop) };
        // An unknown command fails before the kernel writes the count of what was done.
        let done = match result {
            Ok(()) => count,
            Err(_) if a.count < count => a.count,
            Err(_) => 0,
        };
        (done as usize, result)
    }

    /// `BPF_MAP_FREEZE`: user space can no longer write.
    pub(crate) fn freeze(&self) -> Result<()> {
        let mut a = attr::Freeze { map_fd: raw(self.as_fd()) };
        // SAFETY: no pointers.
        unsafe { bpf(Cmd::MapFreeze, &mut a).map(drop) }
    }
}

/// What `BPF_PROG_LOAD` needs, as slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    /// Numbers, flags and name; its pointers and counts are filled from the slices below.
    pub(crate) attr: attr::ProgLoad,
    /// Instructions, 8 bytes each.
    pub(crate) insns: &'a [u8],
    pub(crate) license: &'a CStr,
    /// Of the program's types.
    pub(crate) btf: Option<BorrowedFd<'a>>,
    /// `struct bpf_func_info`: pairs of instruction offset and type.
    pub(crate) funcs: &'a [[u32; 2]],
    /// `struct bpf_line_info`: instruction offset, file name, line, line and column.
    pub(crate) lines: &'a [[u32; 4]],
    /// Descriptors that kfunc calls name by index, of the kernel modules' BTF.
    pub(crate) fd_array: &'a [i32],
}

/// `BPF_PROG_LOAD`; with a log, at level 1.
pub(crate) fn prog_load(p: &Program<'_>, log: Option<&mut [u8]>) -> Result<OwnedFd> {
    let mut a = p.attr;
    a.insn_cnt = len32(p.insns.len() / 8)?;
    a.insns = ptr(p.insns);
    a.license = p.license.as_ptr() as u64;
    if let Some(btf) = p.btf {
        a.prog_btf_fd = raw(btf);
        a.func_info = ptr(p.funcs);
        a.func_info_cnt = len32(p.funcs.len())?;
        a.func_info_rec_size = size_of::<[u32; 2]>() as u32;
        a.line_info = ptr(p.lines);
        a.line_info_cnt = len32(p.lines.len())?;
        a.line_info_rec_size = size_of::<[u32; 4]>() as u32;
    }
    a.fd_array = ptr(p.fd_array);
    if let Some(log) = log {
        a.log_level = skep_abi::flags::BPF_LOG_LEVEL1;
        a.log_size = len32(log.len())?;
        a.log_buf = ptr_mut(log);
    }
    // SAFETY: each pointer was made from a slice that outlives the call, with its length; the licence ends with NUL.
    unsafe { bpf_fd(Cmd::ProgLoad, &mut a) }
}

/// `BPF_BTF_LOAD`; with a log.
pub(crate) fn btf_load(btf: &[u8], log: Option<&mut [u8]>) -> Result<OwnedFd> {
    let mut a = attr::BtfLoad { btf: ptr(btf), btf_size: len32(btf.len())?, ..Default::default() };
    if let Some(log) = log {
        a.btf_log_level = 1;
        a.btf_log_size = len32(log.len())?;
        a.btf_log_buf = ptr_mut(log);
    }
    // SAFETY: as above.
    unsafe { bpf_fd(Cmd::BtfLoad, &mut a) }
}

/// `BPF_LINK_CREATE` of a program with a perf event.
pub(crate) fn link_perf(
    prog: BorrowedFd<'_>,
    event: BorrowedFd<'_>,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut a = attr::LinkPerf {
        prog_fd: raw(prog),
        target_fd: raw(event),
        attach_type: AttachType::PerfEvent.raw(),
        flags: 0,
        bpf_cookie: cookie,
    };
    // SAFETY: no pointers.
    unsafe { bpf_fd(Cmd::LinkCreate, &mut a) }
}

/// Where the functions of a `kprobe_multi` link are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KernelPlaces<'a> {
    /// Names, which must be functions.
    Names(&'a [&'a CStr]),
    /// Addresses.
    Addresses(&'a [u64]),
}

/// `BPF_LINK_CREATE` of kind `kprobe_multi`. There must be a cookie for each place.
pub(crate) fn link_kprobe_multi(
    prog: BorrowedFd<'_>,
    ret: bool,
    at: KernelPlaces<'_>,
    cookies: &[u64],
) -> Result<OwnedFd> {
    let names: Vec<u64>;
    let (count, syms, addrs) = match at {
        KernelPlaces::Names(n) => {
            names = n.iter().map(|s| s.as_ptr() as u64).collect();
            (n.len(), ptr(&names), 0)
        }
        KernelPlaces::Addresses(a) => (a.len(), 0, ptr(a)),
    };
    if count != cookies.len() {
        return Err(Errno::INVAL);
    }
    let mut a = attr::LinkKprobeMulti {
        prog_fd: raw(prog),
        attach_type: AttachType::TraceKprobeMulti.raw(),
        multi_flags: if ret { skep_abi::flags::BPF_F_KPROBE_MULTI_RETURN } else { 0 },
        cnt: len32(count)?,
        syms,
        addrs,
        cookies: ptr(cookies),
        ..Default::default()
    };
    // SAFETY: the arrays have `cnt` elements each, the names end with NUL; all outlive the call.
    unsafe { bpf_fd(Cmd::LinkCreate, &mut a) }
}

/// `BPF_LINK_CREATE` of kind `uprobe_multi`. There must be a cookie for each offset; `pid` 0 is every process.
pub(crate) fn link_uprobe_multi(
    prog: BorrowedFd<'_>,
    ret: bool,
    path: &CStr,
    pid: u32,
    offsets: &[u64],
    cookies: &[u64],
) -> Result<OwnedFd> {
    if offsets.len() != cookies.len() {
        return Err(Errno::INVAL);
    }
    let mut a = attr::LinkUprobeMulti {
        prog_fd: raw(prog),
        attach_type: AttachType::TraceUprobeMulti.raw(),
        path: path.as_ptr() as u64,
        offsets: ptr(offsets),
        cookies: ptr(cookies),
        cnt: len32(offsets.len())?,
        multi_flags: if ret { skep_abi::flags::BPF_F_UPROBE_MULTI_RETURN } else { 0 },
        pid,
        ..Default::default()
    };
    // SAFETY: as above.
    unsafe { bpf_fd(Cmd::LinkCreate, &mut a) }
}

/// `BPF_RAW_TRACEPOINT_OPEN`.
pub(crate) fn raw_tracepoint_open(name: &CStr, prog: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut a = attr::RawTracepointOpen {
        name: name.as_ptr() as u64,
        prog_fd: raw(prog),
        pad: 0,
        cookie: 0,
    };
    // SAFETY: the name ends with NUL.
    unsafe { bpf_fd(Cmd::RawTracepointOpen, &mut a) }
}

/// `BPF_PROG_TEST_RUN` with a context and no data; gives the program's return value.
pub(crate) fn test_run(prog: BorrowedFd<'_>, ctx: &[u8]) -> Result<u32> {
    let mut a = attr::TestRun {
        prog_fd: raw(prog),
        ctx_in: ptr(ctx),
        ctx_size_in: len32(ctx.len())?,
        ..Default::default()
    };
    // SAFETY: the kernel reads `ctx_size_in` bytes at `ctx_in`.
    unsafe { bpf(Cmd::ProgTestRun, &mut a)? };
    Ok(a.retval)
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program, without the arrays that it could fill.
pub(crate) fn prog_info(prog: BorrowedFd<'_>) -> Result<attr::ProgInfo> {
    let mut info = attr::ProgInfo::default();
    let mut a = attr::InfoByFd {
        bpf_fd: raw(prog),
        info_len: size_of::<attr::ProgInfo>() as u32,
        info: &raw mut info as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, whose own pointers and counts are zero.
    unsafe { bpf(Cmd::ObjGetInfoByFd, &mut a)? };
    Ok(info)
}

/// `BPF_ENABLE_STATS`: run times are counted as long as the descriptor is open.
pub(crate) fn enable_stats() -> Result<OwnedFd> {
    let mut a = attr::EnableStats { kind: skep_abi::flags::BPF_STATS_RUN_TIME };
    // SAFETY: no pointers.
    unsafe { bpf_fd(Cmd::EnableStats, &mut a) }
}
