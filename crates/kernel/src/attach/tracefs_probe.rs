//! Probes made by name in tracefs: `kprobe_events` and `uprobe_events`, for kernels before 4.17, which have no PMU for them.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use skep_engine::Error;

use crate::error::{os, permission};
use crate::sys::Errno;
use crate::sys::perf::{self, Attr, Scope};
use crate::tracefs::Tracefs;

use super::fill;

/// A named probe; removed when dropped.
#[derive(Debug)]
pub(crate) struct TracefsProbe {
    tracefs: Tracefs,
    file: &'static str,
    event: String,
}

/// The group that our probes are in.
const GROUP: &str = "skep";

impl TracefsProbe {
    /// Makes a probe. `line` writes the file's line for an event's name.
    pub(crate) fn create(
        tracefs: &Tracefs,
        file: &'static str,
        line: impl FnOnce(&str) -> Option<Vec<u8>>,
    ) -> Result<TracefsProbe, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let event = format!("p{}_{number}", std::process::id());
        let line = line(&format!("{GROUP}/{event}")).ok_or_else(|| {
            crate::error::other(
                format!("write to {file}"),
                "the path has a blank, which the file cannot hold",
            )
        })?;
        tracefs.append(file, &line)?;
        Ok(TracefsProbe { tracefs: tracefs.clone(), file, event })
    }

    /// Opens it as a perf event.
    pub(crate) fn open(&self, scope: Scope) -> Result<OwnedFd, Error> {
        let id = self.tracefs.id(GROUP, &self.event)?;
        let context = format!("open probe {GROUP}:{}", self.event);
        perf::open(&Attr::new(fill::tracepoint(id)), scope).map_err(|e| match e {
            Errno::PERM | Errno::ACCESS => permission(&context, e),
            e => os(context, e),
        })
    }
}

impl Drop for TracefsProbe {
    fn drop(&mut self) {
        // If this fails the probe stays, without a program; there is nobody to tell.
        let _ = self.tracefs.append(self.file, format!("-:{GROUP}/{}\n", self.event).as_bytes());
    }
}
