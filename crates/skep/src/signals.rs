//! SIGINT, SIGTERM and SIGCHLD as flags. They stay blocked except while the event loop waits (`Events::wait` opens them with ppoll(2)), so that
//! none is missed between a look at the flags and the sleep.
#![allow(unsafe_code)] // sigaction(2) and sigprocmask(2).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Set by SIGINT and SIGTERM: end cleanly.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Bit `n` is set by signal `n` once it is watched: `self:signal` probes.
pub(crate) static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_watched(signal: libc::c_int) {
    SEEN.fetch_or(1 << (signal & 63), Ordering::Relaxed);
}

extern "C" fn on_stop(_signal: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

extern "C" fn on_child(_signal: libc::c_int) {
    // Only to end the wait: the loop asks for the child's state itself.
}

/// Installs the handlers and blocks the signals; `watched` are those of `self:signal` probes.
pub(crate) fn install(watched: impl Iterator<Item = i32>) {
    let ours = [
        (libc::SIGINT, on_stop as extern "C" fn(libc::c_int)),
        (libc::SIGTERM, on_stop),
        (libc::SIGHUP, on_stop),
        (libc::SIGCHLD, on_child),
    ];
    let watched = watched.map(|signal| (signal, on_watched as extern "C" fn(libc::c_int)));
    // SAFETY: the structures are plain data, all zero is a valid start; the handlers only store to an atomic.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for (signal, handler) in ours.into_iter().chain(watched) {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            libc::sigaction(signal, &action, std::ptr::null_mut());
            libc::sigaddset(&mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

/// Sets the flag from signals that came while nothing waited.
pub(crate) fn poll() -> bool {
    // SAFETY: plain data and pointers to it.
    let pending = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&mut set);
        [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].iter().any(|s| libc::sigismember(&set, *s) == 1)
    };
    if pending {
        STOP.store(true, Ordering::Relaxed);
    }
    STOP.load(Ordering::Relaxed)
}
