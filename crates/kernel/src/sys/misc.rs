//! Small calls: limits, mounting tracefs, polling.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

/// Waits until one of the descriptors can be read, a signal came, or the time is over.
///
/// poll(2) and not epoll(7): poll asks each file itself, so that a record committed between our last look and the call
/// is always seen; and there are few descriptors.
pub(crate) fn wait_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<()> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    // A time too long for the kernel's type is as good as none.
    let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e),
    }
}
