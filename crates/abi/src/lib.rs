//! The kernel's BPF interface as data.
