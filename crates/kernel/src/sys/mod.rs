//! System calls, typed: the only modules of this crate with `unsafe`.
//!
//! Everything here takes and gives owned or borrowed descriptors, slices and plain structs, so that a caller cannot hand the
//! kernel a dangling pointer. Errors are plain [`Errno`]s: what was being done is known by the caller, who says it.
//! A call that a signal interrupted (`EINTR`), or that the kernel asks to repeat (`EAGAIN` of bpf(2), when the verifier is
//! interrupted), is repeated here.

pub(crate) mod attr;
pub(crate) mod bpf;
pub(crate) mod detach;
pub(crate) mod mem;
pub(crate) mod misc;
pub(crate) mod perf;

pub(crate) use rustix::io::Errno;

/// The result of a system call.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// The errno the C library left.
fn last_errno() -> Errno {
    let code = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Errno::from_raw_os_error(code)
}

/// Whether an error says that the kernel has no such operation. `ENOTSUPP` (524) is the kernel's own number, which should not get
/// out but does.
pub(crate) fn not_supported(errno: Errno) -> bool {
    const ENOTSUPP: i32 = 524;
    matches!(errno, Errno::INVAL | Errno::OPNOTSUPP) || errno.raw_os_error() == ENOTSUPP
}
