//! Attachments, undone when dropped.
//!
//! When [`Drop`] returns, no program of the link runs any more. What the kernel needs to tidy up after that can take it seconds (see
//! `sys::detach`), and goes on behind our back, even after this process has ended.

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use skep_engine::Link;

use super::tracefs_probe::TracefsProbe;
use crate::sys::detach::{close_behind, close_side_by_side};

/// Events whose closing is left to one common end, while [`detach`] runs.
static TOGETHER: Mutex<Option<Vec<OwnedFd>>> = Mutex::new(None);

/// One program attached to some places.
#[derive(Debug, Default)]
pub struct KernelLink {
    pub(super) places: usize,
    /// BPF links: closing them detaches.
    pub(super) links: Vec<OwnedFd>,
    /// Perf events under them: nothing runs once their links are closed.
    pub(super) events: Vec<OwnedFd>,
    /// Perf events that hold a program themselves: closing them detaches.
    pub(super) holding: Vec<OwnedFd>,
    /// Probes made by name, removed last.
    pub(super) probes: Vec<TracefsProbe>,
}

impl KernelLink {
    /// Of one bpf link, without anything under it.
    pub(super) fn one(link: OwnedFd, places: usize) -> KernelLink {
        let mut this = KernelLink::default();
        this.places = places;
        this.links.push(link);
        this
    }
}

impl Link for KernelLink {
    fn count(&self) -> usize {
        self.places
    }
}

impl Drop for KernelLink {
    fn drop(&mut self) {
        let mut first = std::mem::take(&mut self.links);
        first.append(&mut self.holding);
        close_side_by_side(first);
        let events = std::mem::take(&mut self.events);
        if !self.probes.is_empty() {
            // A named probe cannot be removed while an event uses it.
            return drop(events);
        }
        if events.is_empty() {
            return;
        }
        let mut together = TOGETHER.lock().unwrap_or_else(|e| e.into_inner());
        match together.as_mut() {
            Some(all) => all.extend(events),
            None => {
                drop(together);
                close_behind(events);
            }
        }
    }
}

/// Drops many links at once. Each drop waits for the kernel some 40 ms; together they wait once.
pub fn detach(links: Vec<Box<dyn Link>>) {
    let ours = TOGETHER.lock().unwrap_or_else(|e| e.into_inner()).replace(Vec::new());
    std::thread::scope(|scope| {
        let mut links = links.into_iter();
        let last = links.next_back();
        for link in links {
            // Without a thread the closure, and the link with it, is dropped right here.
            let _ = std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn_scoped(scope, move || drop(link));
        }
        drop(last);
    });
    let events = TOGETHER.lock().unwrap_or_else(|e| e.into_inner()).take();
    let all: Vec<OwnedFd> = ours.into_iter().chain(events).flatten().collect();
    if !all.is_empty() {
        close_behind(all);
    }
}
