//! Closing many attachments fast.
//!
//! Closing is what detaches, and the kernel waits for grace periods in it: here (6.18) 36 ms for each link of a perf event
//! (`perf_event_detach_bpf_prog`: `synchronize_rcu_tasks_trace`), and again 34 ms for each tracepoint event or uprobe
//! (`perf_trace_event_unreg`, `uprobe_unregister_sync`). One after the other, 360 tracepoints take 25 seconds.
//!
//! - The links wait outside the kernel's locks, so threads close them side by side: the waits become one. After that
//!   no program runs any more.
//! - The events wait with `event_mutex` held, which no number of threads can shorten. But an event whose program
//!   has gone does nothing; so a child of a child process inherits the events, turns them off, and closes them one by one
//!   while we go on. It takes its time: an attach that comes meanwhile, ours or another's, needs the same mutex, and
//!   would wait 34 ms for each event of its own if the closes followed each other without a pause.
#![allow(unsafe_code)] // clone(2), and close_range(2) in the child.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::pipe::PipeFlags;
use skep_abi::perf::PERF_EVENT_IOC_DISABLE;

use super::{Errno, Result, last_errno};

/// Threads that close at the same time: enough to share a grace period, few enough to start in a millisecond or two.
const MOST_THREADS: usize = 128;

/// Before the first close in the background, and between them.
const FIRST_PAUSE: libc::timespec = libc::timespec { tv_sec: 1, tv_nsec: 0 };
const PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Closes all of them; returns when all are closed.
pub(crate) fn close_side_by_side(mut fds: Vec<OwnedFd>) {
    let threads = fds.len().min(MOST_THREADS);
    if threads < 2 {
        return;
    }
    let share = fds.len().div_ceil(threads);
    std::thread::scope(|scope| {
        while fds.len() > share {
            let part = fds.split_off(fds.len() - share);
            // Where no thread can be had, the part comes back as an error and is closed right here.
            let _ = std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn_scoped(scope, move || drop(part));
        }
        drop(fds);
    });
}

/// Closes all of them without waiting: a process of its own does. Where there can be no process, they are closed here.
pub(crate) fn close_behind(fds: Vec<OwnedFd>) {
    let Ok((closed, still_open)) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC) else { return };
    let mut keep: Vec<u32> = fds.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    keep.push(closed.as_raw_fd() as u32);
    keep.sort_unstable();
    let _ = hand_to_grandchild(&keep, closed.as_fd());
    // The grandchild has them: these are not the last references, and closing them is quick.
    drop(fds);
    // Only now may it go on, or it could be us who close the last one.
    drop(still_open);
}

fn hand_to_grandchild(keep: &[u32], closed: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: between here and _exit the children only make system calls on memory that exists: no allocation, no locks.
    match unsafe { fork_quietly() } {
        ..=-1 => Err(last_errno()),
        0 => {
            // SAFETY: as above. The first child leaves at once, so that nobody has to wait for the second.
            unsafe {
                if fork_quietly() == 0 {
                    let _ = rustix::thread::set_name(c"skep-detach");
                    close_all_but(keep);
                    wait_for_end(closed);
                    close_in_peace(keep);
                }
                libc::_exit(0)
            }
        }
        child => wait_for(child as libc::pid_t),
    }
}

/// fork(2) that runs no handlers of the C library and whose child ends without a `SIGCHLD`: the host program need not know.
///
/// # Safety
///
/// As for fork(2); besides, the C library's idea of the thread's id is wrong in the child.
unsafe fn fork_quietly() -> libc::c_long {
    // SAFETY: without flags and stack, clone(2) is a fork; with exit signal 0, a quiet one.
    unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) }
}

/// Waits until the pipe's other end is closed.
fn wait_for_end(pipe: BorrowedFd<'_>) {
    while let Err(Errno::INTR) = rustix::io::read(pipe, &mut [0u8; 1]) {}
}

/// Turns the events off, then closes one after the other with pauses, beginning when whoever detached may have attached again.
///
/// # Safety
///
/// Only for the grandchild, which owns all of the descriptors and uses none of them any more.
unsafe fn close_in_peace(fds: &[u32]) {
    for &fd in fds {
        // SAFETY: the request takes no pointer; a descriptor that is no event refuses it.
        unsafe { libc::ioctl(fd as i32, PERF_EVENT_IOC_DISABLE, 0) };
    }
    pause(FIRST_PAUSE);
    for &fd in fds {
        // SAFETY: as the function's.
        unsafe { libc::close(fd as i32) };
        pause(PAUSE);
    }
}

fn pause(time: libc::timespec) {
    // SAFETY: the time outlives the call; what is left of it is not asked for.
    unsafe { libc::nanosleep(&time, std::ptr::null_mut()) };
}

fn wait_for(child: libc::pid_t) -> Result<()> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is alive. The child is ours and exits at once.
        if unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) } == child {
            return Ok(());
        }
        match last_errno() {
            Errno::INTR => {}
            e => return Err(e),
        }
    }
}

/// Closes every descriptor that is not in the ascending list: above all standard output, on which a pipe's reader may wait.
fn close_all_but(keep: &[u32]) {
    let mut from = 0u32;
    for &fd in keep {
        if fd > from {
            close_range(from, fd - 1);
        }
        from = fd + 1;
    }
    close_range(from, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: only called in the child, which uses no descriptor any more.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) } == 0 {
        return;
    }
    // Before Linux 5.9: one by one, as far as this engine raises the limit in practice.
    for fd in first..=last.min(1 << 16) {
        // SAFETY: as above.
        unsafe { libc::close(fd as i32) };
    }
}
