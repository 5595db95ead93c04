//! A small SSA IR, its passes, and the BPF back end.
