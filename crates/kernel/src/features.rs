//! What this kernel offers: its version's table, corrected where a version says too much.
//!
//! A probe costs a system call or two and is made once, when asked for. Starting makes four `stat`s; nothing is loaded or opened to
//! find something out before it is needed.

use std::path::Path;

use skep_abi::{Feature, Target, Version};
use skep_engine::Error;

use crate::error::other;

/// Where the kernel lists what perf_event_open can open.
pub(crate) const EVENT_SOURCES: &str = "/sys/bus/event_source/devices";

/// The version of the running kernel.
pub(crate) fn version() -> Result<Version, Error> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    release.parse().map_err(|e: skep_abi::Error| other("read the kernel's version", e.to_string()))
}

/// What a kernel of that version offers, seen on this machine.
pub(crate) fn target(version: Version) -> Target {
    let mut target = Target::linux(version);
    if !Path::new(EVENT_SOURCES).join("kprobe").exists() {
        target = target.without(Feature::KprobePmu);
        if !tracing_file("kprobe_events") {
            // The kernel compiles kprobe_multi only beside the rest of kprobes' events in practice.
            for feature in [
                Feature::Kprobe,
                Feature::KprobeMulti,
                Feature::KprobeSession,
                Feature::KprobeOverride,
            ] {
                target = target.without(feature);
            }
        }
    }
    if !Path::new(EVENT_SOURCES).join("uprobe").exists() {
        target = target.without(Feature::UprobePmu);
        if !tracing_file("uprobe_events") {
            let all = [
                Feature::Uprobe,
                Feature::UprobeRefCtr,
                Feature::UprobeMulti,
                Feature::UprobeSession,
            ];
            for feature in all.into_iter().chain([Feature::SleepableUprobe]) {
                target = target.without(feature);
            }
        }
    }
    if !Path::new(crate::kernel::VMLINUX_BTF).exists() {
        for feature in [
            Feature::VmlinuxBtf,
            Feature::Fentry,
            Feature::Kfuncs,
            Feature::TaskBtf,
            Feature::BpfIter,
        ] {
            target = target.without(feature);
        }
    }
    target
}

fn tracing_file(name: &str) -> bool {
    crate::tracefs::MOUNTS.iter().any(|root| Path::new(root).join(name).exists())
}
