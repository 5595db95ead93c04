//! For tests that need the kernel: they are skipped without privileges, unless SKEP_TEST_KERNEL=1.

use rustix::io::Errno;

use crate::Kernel;

/// The kernel, if we may use it. Otherwise says what is skipped.
pub(crate) fn kernel(what: &str) -> Option<Kernel> {
    match crate::sys::bpf::enable_stats() {
        Ok(_) => Some(Kernel::new().unwrap()),
        Err(Errno::PERM) if std::env::var_os("SKEP_TEST_KERNEL").is_none_or(|v| v != "1") => {
            println!("skipped: {what}: no privilege to use bpf(2)");
            None
        }
        Err(e) => panic!("{what}: cannot use bpf(2): {e}"),
    }
}
