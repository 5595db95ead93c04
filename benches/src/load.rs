//! Work that makes events.
#![allow(unsafe_code)] // Plain system calls, without what std adds to them.

use std::ffi::CStr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A file that is not there.
pub(crate) const MISSING: &CStr = c"/nonexistent/of/skep-bench";

/// The kernel's statistics of BPF programs, on while this lives.
#[derive(Debug)]
pub(crate) struct BpfStats(String);

impl BpfStats {
    const PATH: &'static str = "/proc/sys/kernel/bpf_stats_enabled";

    pub(crate) fn enable() -> BpfStats {
        let before = std::fs::read_to_string(Self::PATH).unwrap_or_default();
        std::fs::write(Self::PATH, "1").expect("bpf_stats_enabled cannot be set: not root?");
        BpfStats(before)
    }
}

impl Drop for BpfStats {
    fn drop(&mut self) {
        std::fs::write(Self::PATH, self.0.trim()).ok();
    }
}

/// Lets older tools lock the memory of their maps.
pub(crate) fn unlimit_memlock() {
    let none = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure outlives the call.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &none) };
}

/// So many getppid(2).
pub(crate) fn getppid(n: u32) {
    for _ in 0..n {
        // SAFETY: no arguments.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}

/// So many read(2) of a bad descriptor.
pub(crate) fn read(n: u32) {
    for _ in 0..n {
        // SAFETY: the descriptor is bad, nothing is written.
        unsafe { libc::syscall(libc::SYS_read, -1, 0, 0) };
    }
}

fn open_one() {
    // SAFETY: the path is a constant C string.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, MISSING.as_ptr(), libc::O_RDONLY) };
}

/// So many openat(2) of a file that is not there, slow enough that no tool must lose one.
pub(crate) fn open(n: u32) {
    for i in 0..n {
        open_one();
        if i % 1000 == 999 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// close(2) of each of these descriptors, which are bad.
pub(crate) fn close_each(fds: Range<i32>) {
    for fd in fds {
        // SAFETY: nobody has such a descriptor.
        unsafe { libc::syscall(libc::SYS_close, fd) };
    }
}

/// openat(2) at a rate, for a time: how many were made.
pub(crate) fn open_at_rate(rate: f64, time: Duration) -> u64 {
    let start = Instant::now();
    let mut made = 0u64;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        while made < due {
            open_one();
            made += 1;
            if made.is_multiple_of(256) && start.elapsed() >= time {
                return made;
            }
        }
    }
    made
}

/// The highest rate without loss, in steps of a quarter.
pub(crate) fn best_rate(mut lossless: impl FnMut(f64) -> Option<f64>) -> Option<f64> {
    let mut best: Option<f64> = None;
    let mut rate = 50_000.0;
    while rate < 4_000_000.0 {
        match lossless(rate) {
            Some(got) if best.is_none_or(|b| got > b * 1.02) => best = Some(got),
            _ => break,
        }
        rate *= 1.25;
    }
    best
}
