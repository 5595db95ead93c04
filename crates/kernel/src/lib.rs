//! The engine over bpf(2), perf_event_open and tracefs.
