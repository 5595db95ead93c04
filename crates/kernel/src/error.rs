//! Errors of system calls, told so that a user knows what to do.

use rustix::io::Errno;
use skep_abi::Feature;
use skep_engine::{Error, ErrorKind};

/// An errno of the kernel's own (`include/linux/errno.h`) that leaks to user space; the C library has no text for it.
const ENOTSUPP: i32 = 524;

/// What was being done, and what the kernel said.
pub(crate) fn os(context: impl Into<String>, errno: Errno) -> Error {
    if errno.raw_os_error() == ENOTSUPP {
        let text = "the kernel cannot do that here (for a uprobe: the offset is not the start of an instruction)";
        return Error { kind: ErrorKind::Other(text.into()), context: context.into(), errno: None };
    }
    let kind = match errno {
        Errno::PERM | Errno::ACCESS => ErrorKind::Permission,
        Errno::NOENT | Errno::NXIO | Errno::NODEV | Errno::SRCH => ErrorKind::NotFound,
        Errno::MFILE => ErrorKind::Other("too many open files: raise the limit (ulimit -n)".into()),
        Errno::NFILE => ErrorKind::Other("the system has too many open files".into()),
        _ => ErrorKind::Other(String::new()),
    };
    Error { kind, context: context.into(), errno: Some(errno.raw_os_error()) }
}

/// As [`os`], for what the standard library did.
pub(crate) fn io(context: impl Into<String>, error: &std::io::Error) -> Error {
    match error.raw_os_error() {
        Some(code) => os(context, Errno::from_raw_os_error(code)),
        None => other(context, error.to_string()),
    }
}

/// Anything that is not a system call's.
pub(crate) fn other(context: impl Into<String>, text: impl Into<String>) -> Error {
    Error { kind: ErrorKind::Other(text.into()), context: context.into(), errno: None }
}

/// Something that does not exist.
pub(crate) fn not_found(context: impl Into<String>) -> Error {
    Error { kind: ErrorKind::NotFound, context: context.into(), errno: None }
}

/// A feature that this kernel lacks though its version has it: told from the table of features.
pub(crate) fn missing(context: impl Into<String>, feature: Feature) -> Error {
    let needs = match feature.config() {
        Some(config) => format!("Linux {} built with {config}", feature.since()),
        None => format!("Linux {}", feature.since()),
    };
    unsupported(context, feature.name(), needs, feature.instead().unwrap_or_default())
}

/// As [`missing`], in other words.
pub(crate) fn unsupported(
    context: impl Into<String>,
    feature: impl Into<String>,
    needs: impl Into<String>,
    instead: impl Into<String>,
) -> Error {
    let (feature, needs, instead) = (feature.into(), needs.into(), instead.into());
    Error {
        kind: ErrorKind::Unsupported { feature, needs, instead },
        context: context.into(),
        errno: None,
    }
}

/// A permission that bpf(2) or perf_event_open(2) denies: says which one would do, from what the system tells about itself.
pub(crate) fn permission(context: &str, errno: Errno) -> Error {
    let mut why = String::from(
        "run as root, or with CAP_BPF and CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN)",
    );
    if let Ok(text) = std::fs::read_to_string("/sys/kernel/security/lockdown")
        && text.contains("[confidentiality]")
    {
        why =
            "the kernel is locked down (confidentiality mode), which forbids tracing even to root"
                .into();
    } else if rustix::process::geteuid().is_root() {
        why = "root's capabilities are reduced here, as in a container: CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, are needed".into();
    }
    Error {
        kind: ErrorKind::Permission,
        context: format!("{context} ({why})"),
        errno: Some(errno.raw_os_error()),
    }
}
