//! perf_event_open(2): the attribute struct, the call and its ioctls.
//!
//! Facts: `include/uapi/linux/perf_event.h`, perf_event_open(2), `kernel/events/core.c` (the `kprobe` and `uprobe` PMUs).
#![allow(unsafe_code)] // The system call, and the descriptors that it returns.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Errno, Result, last_errno};

/// `struct perf_event_attr` as of `PERF_ATTR_SIZE_VER5` (Linux 4.1), all that is used here; older kernels accept it since what they
/// do not know is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawAttr {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    pub(crate) flags: u64,
    pub(crate) wakeup: u32,
    pub(crate) bp_type: u32,
    pub(crate) config1: u64,
    pub(crate) config2: u64,
    pub(crate) branch_sample_type: u64,
    pub(crate) sample_regs_user: u64,
    pub(crate) sample_stack_user: u32,
    pub(crate) clockid: i32,
    pub(crate) sample_regs_intr: u64,
    pub(crate) aux_watermark: u32,
    pub(crate) sample_max_stack: u16,
    pub(crate) reserved: u16,
}

const _: () = assert!(size_of::<RawAttr>() == 112);
const _: () = assert!(offset_of!(RawAttr, flags) == 40 && offset_of!(RawAttr, config1) == 56);
const _: () =
    assert!(offset_of!(RawAttr, clockid) == 92 && offset_of!(RawAttr, sample_max_stack) == 108);

/// Bits of [`RawAttr::flags`], in the order of the UAPI's bitfield.
pub(crate) mod flag {
    /// Counts only once enabled.
    pub(crate) const DISABLED: u64 = 1 << 0;
    /// `sample_period` is a frequency.
    pub(crate) const FREQ: u64 = 1 << 10;
    /// `clockid` is the clock of the samples' times.
    pub(crate) const USE_CLOCKID: u64 = 1 << 25;
}

/// Attributes of a perf event, with the string that they point to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'a> {
    raw: RawAttr,
    name: PhantomData<&'a CStr>,
}

impl<'a> Attr<'a> {
    /// Of an event that reads no memory.
    pub(crate) fn new(raw: RawAttr) -> Attr<'a> {
        let config1 = 0;
        Attr {
            raw: RawAttr { size: size_of::<RawAttr>() as u32, config1, ..raw },
            name: PhantomData,
        }
    }

    /// Of a probe: `config1` points to the name of a kernel function, or to the path of a file.
    pub(crate) fn with_name(raw: RawAttr, name: &'a CStr) -> Attr<'a> {
        let mut a = Attr::new(raw);
        a.raw.config1 = name.as_ptr() as u64;
        a
    }

    /// As the kernel will see it.
    #[cfg(test)]
    pub(crate) fn raw(&self) -> &RawAttr {
        &self.raw
    }
}

/// Whose event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every process on a CPU.
    Cpu(u32),
    /// A thread on every CPU.
    Thread(i32),
    /// A thread on one CPU.
    ThreadOn(i32, u32),
}

/// Opens an event; it is closed on exec.
pub(crate) fn open(attr: &Attr<'_>, scope: Scope) -> Result<OwnedFd> {
    let (pid, cpu) = match scope {
        Scope::Cpu(cpu) => (-1, cpu as i32),
        Scope::Thread(pid) => (pid, -1),
        Scope::ThreadOn(pid, cpu) => (pid, cpu as i32),
    };
    const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;
    loop {
        // SAFETY: `attr` is a live struct of `size` bytes without padding; what its `config1` points to, if anything, is borrowed
        // by it.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attr.raw,
                pid,
                cpu,
                -1i32,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        if fd >= 0 {
            // SAFETY: the kernel has just given us this descriptor.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        }
        match last_errno() {
            Errno::INTR => {}
            e => return Err(e),
        }
    }
}

const IOC_ENABLE: u64 = 0x2400;
const IOC_SET_BPF: u64 = 0x4004_2408;

fn ioctl(event: BorrowedFd<'_>, request: u64, arg: libc::c_ulong) -> Result<()> {
    loop {
        // SAFETY: these requests take an integer, no pointer.
        if unsafe { libc::ioctl(event.as_raw_fd(), request as _, arg) } >= 0 {
            return Ok(());
        }
        match last_errno() {
            Errno::INTR => {}
            e => return Err(e),
        }
    }
}

/// Starts an event.
pub(crate) fn enable(event: BorrowedFd<'_>) -> Result<()> {
    ioctl(event, IOC_ENABLE, 0)
}

/// Attaches a program until the event is closed: the way before links (Linux 5.15).
pub(crate) fn set_bpf(event: BorrowedFd<'_>, prog: BorrowedFd<'_>) -> Result<()> {
    ioctl(event, IOC_SET_BPF, prog.as_raw_fd() as libc::c_ulong)
}
