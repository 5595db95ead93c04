//! Small calls: limits, mounting tracefs, polling.
#![allow(unsafe_code)] // ppoll(2), which rustix does not have with a signal set.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::mount::{MountFlags, mount as mount_at};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Errno, Result};

/// Lets this process lock as much memory as it likes: before Linux 5.11, BPF memory counts as locked.
pub(crate) fn unlimit_memlock() -> Result<()> {
    setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })
}

/// Allows as many open files as the system lets this process have: each perf event and each link is one.
pub(crate) fn raise_nofile() -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
}

/// Mounts a file system that has no device, such as tracefs.
pub(crate) fn mount(fstype: &CStr, target: &CStr) -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RELATIME;
    mount_at(fstype, target, fstype, flags, None)
}

/// Waits until one of the descriptors can be read, a signal came, or the time is over. All signals are open while it waits (and only then, where the caller
/// has blocked them), so that one that comes between the caller's last look and the sleep ends the sleep.
///
/// ppoll(2) and not epoll(7): it asks each file itself, so that a record committed between our last look and the call
/// is always seen; and there are few descriptors.
pub(crate) fn wait_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<()> {
    let mut polled: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    // A time too long for the kernel's type is as good as none.
    let timeout = timeout.and_then(|t| {
        let tv_sec = t.as_secs().try_into().ok()?;
        Some(libc::timespec { tv_sec, tv_nsec: t.subsec_nanos().into() })
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |t| t as *const _);
    // SAFETY: an all-zero set is the empty one; the arrays and the time outlive the call.
    let n = unsafe {
        let open: libc::sigset_t = std::mem::zeroed();
        libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout, &open)
    };
    match Errno::from_io_error(&std::io::Error::last_os_error()) {
        _ if n >= 0 => Ok(()),
        None | Some(Errno::INTR) => Ok(()),
        Some(e) => Err(e),
    }
}
