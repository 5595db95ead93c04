//! Streams of records that programs send: the BPF ring buffer, and the perf buffer where a kernel has no other.

mod perf;
mod ring;

pub use perf::PerfBuffer;
pub use ring::RingBuffer;
