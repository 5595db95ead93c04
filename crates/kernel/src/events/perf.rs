//! The perf buffer (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`): a ring for each CPU, for kernels before 5.8.
//!
//! A program's output becomes a `PERF_RECORD_SAMPLE` with a time and the raw bytes; a ring without room makes a `PERF_RECORD_LOST` with
//! the number of records lost, which we add up. Each record has been written before its CPU's `data_head` says so. Records are handed over
//! in order of their times across CPUs: of those written before a drain begins, none comes after a later one.
//! Facts: perf_event_open(2), `kernel/events/ring_buffer.c`.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::epoll;
use rustix::time::{ClockId, clock_gettime};
use skep_abi::flags::BPF_ANY;
use skep_abi::perf::{
    PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW, PERF_SAMPLE_TIME, PERF_TYPE_SOFTWARE,
};
use skep_engine::{Error, Events};

use crate::cpus;
use crate::error::{os, other};
use crate::maps::KernelMap;
use crate::sys::mem::{Mapping, page_size};
use crate::sys::misc::wait_readable;
use crate::sys::perf::{self, Attr, RawAttr, Scope, flag};

/// Bytes of each CPU's ring: as much as bpftrace's 64 pages.
const RING_BYTES: usize = 256 << 10;
/// Offsets in `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
/// Kinds of records.
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;
const HEADER: usize = 8;

/// A record as it was read.
#[derive(Debug, PartialEq, Eq)]
enum Record<'a> {
    /// A program's output.
    Sample { time: u64, data: &'a [u8] },
    /// So many records did not fit.
    Lost(u64),
    /// A kind that says nothing to us.
    Other,
}

/// Reads the record at the start of `bytes`, and how long it is. `None` if it is cut short.
fn parse(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let kind = u32_at(0)?;
    let len = usize::from(u16::from_ne_bytes(bytes.get(6..8)?.try_into().ok()?));
    let body = bytes.get(..len).filter(|_| len >= HEADER)?;
    let record = match kind {
        PERF_RECORD_SAMPLE => {
            let size = u32_at(16)? as usize;
            Record::Sample { time: u64_at(8)?, data: body.get(20..20usize.checked_add(size)?)? }
        }
        PERF_RECORD_LOST if len >= 24 => Record::Lost(u64_at(16)?),
        _ => Record::Other,
    };
    Some((record, len))
}

/// One CPU's ring.
#[derive(Debug)]
struct CpuRing {
    fd: Option<OwnedFd>,
    memory: Mapping,
    size: u64,
    lost: u64,
    /// Read, but not yet handed over: time and data, in order.
    waiting: VecDeque<(u64, Vec<u8>)>,
}

impl CpuRing {
    fn open(cpu: u32) -> Result<CpuRing, rustix::io::Errno> {
        let attr = Attr::new(RawAttr {
            kind: PERF_TYPE_SOFTWARE,
            config: PERF_COUNT_SW_BPF_OUTPUT,
            sample_period: 1,
            sample_type: PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
            wakeup: 1,
            flags: flag::USE_CLOCKID,
            clockid: ClockId::Monotonic as i32,
            ..Default::default()
        });
        let fd = perf::open(&attr, Scope::Cpu(cpu))?;
        let memory = Mapping::shared(fd.as_fd(), 0, page_size() + RING_BYTES, true)?;
        Ok(CpuRing {
            fd: Some(fd),
            memory,
            size: RING_BYTES as u64,
            lost: 0,
            waiting: VecDeque::new(),
        })
    }

    /// Copies out what is there, and makes room.
    fn fetch(&mut self) -> Result<(), &'static str> {
        let position = |at| self.memory.u64_at(at).map_or(0, |a| a.load(Ordering::Acquire));
        let (head, tail) = (position(DATA_HEAD), position(DATA_TAIL));
        let len = head.wrapping_sub(tail);
        if len == 0 {
            return Ok(());
        }
        if len > self.size {
            return Err("the writer is further ahead than the ring is long");
        }
        let mut bytes = vec![0; len as usize];
        let start = (tail & (self.size - 1)) as usize;
        let (first, rest) = bytes.split_at_mut((len as usize).min(self.size as usize - start));
        if !self.memory.read(page_size() + start, first) || !self.memory.read(page_size(), rest) {
            return Err("the ring ends before its size");
        }
        if let Some(a) = self.memory.u64_at(DATA_TAIL) {
            a.store(head, Ordering::Release);
        }
        let mut left = &bytes[..];
        while !left.is_empty() {
            let (record, len) = parse(left).ok_or("a record is cut short")?;
            match record {
                Record::Sample { time, data } => self.waiting.push_back((time, data.to_vec())),
                Record::Lost(n) => self.lost += n,
                Record::Other => {}
            }
            left = &left[len..];
        }
        Ok(())
    }
}

/// Hands over what is waiting, in order of time, up to `until`.
fn merge(rings: &mut [CpuRing], until: u64, f: &mut dyn FnMut(&[u8]) -> bool) -> usize {
    let mut count = 0;
    loop {
        let times = rings.iter().enumerate().filter_map(|(i, r)| Some((r.waiting.front()?.0, i)));
        let Some((_, i)) = times.min().filter(|(time, _)| *time <= until) else { return count };
        let Some((_, data)) = rings[i].waiting.pop_front() else { return count };
        count += 1;
        if !f(&data) {
            return count;
        }
    }
}

/// Records of a perf event array, of all CPUs.
#[derive(Debug)]
pub struct PerfBuffer {
    name: String,
    /// All rings as one descriptor.
    all: OwnedFd,
    rings: Vec<CpuRing>,
}

impl PerfBuffer {
    pub(crate) fn open(map: &KernelMap) -> Result<PerfBuffer, Error> {
        let mut rings = Vec::new();
        let all =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| os("create an epoll", e))?;
        for cpu in cpus::online()? {
            let context = || format!("open the perf buffer `{}` on CPU {cpu}", map.name());
            let ring = CpuRing::open(cpu).map_err(|e| match e {
                rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
                    crate::error::permission(&context(), e)
                }
                e => os(context(), e),
            })?;
            if let Some(fd) = &ring.fd {
                let value = fd.as_raw_fd().to_ne_bytes();
                map.raw()
                    .update(&cpu.to_ne_bytes(), &value, BPF_ANY)
                    .map_err(|e| os(context(), e))?;
                let data = epoll::EventData::new_u64(cpu.into());
                epoll::add(&all, fd, data, epoll::EventFlags::IN).map_err(|e| os(context(), e))?;
            }
            rings.push(ring);
        }
        Ok(PerfBuffer { name: map.name().into(), all, rings })
    }
}

/// The clock of the records' times.
fn now() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}

impl Events for PerfBuffer {
    fn drain(&mut self, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize, Error> {
        // What is newer than this could overtake a record of a CPU that we have looked at already: it stays for the next call.
        let until = now();
        for ring in &mut self.rings {
            ring.fetch().map_err(|e| other(format!("read perf buffer `{}`", self.name), e))?;
        }
        Ok(merge(&mut self.rings, until, f))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if self.rings.iter().any(|r| !r.waiting.is_empty()) {
            return Ok(());
        }
        let fds: Vec<BorrowedFd<'_>> =
            self.rings.iter().filter_map(|r| r.fd.as_ref()).map(AsFd::as_fd).collect();
        wait_readable(&fds, timeout).map_err(|e| os("wait for events", e))
    }

    fn lost(&mut self) -> u64 {
        self.rings.iter().map(|r| r.lost).sum()
    }

    fn fd(&self) -> Option<i32> {
        Some(self.all.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(time: u64, data: &[u8]) -> Vec<u8> {
        let len = (20 + data.len()).next_multiple_of(8);
        let mut out = PERF_RECORD_SAMPLE.to_ne_bytes().to_vec();
        out.extend(0u16.to_ne_bytes());
        out.extend((len as u16).to_ne_bytes());
        out.extend(time.to_ne_bytes());
        out.extend((data.len() as u32).to_ne_bytes());
        out.extend(data);
        out.resize(len, 0xee);
        out
    }

    fn lost(n: u64) -> Vec<u8> {
        let mut out = PERF_RECORD_LOST.to_ne_bytes().to_vec();
        out.extend(0u16.to_ne_bytes());
        out.extend(24u16.to_ne_bytes());
        out.extend(7u64.to_ne_bytes());
        out.extend(n.to_ne_bytes());
        out
    }

    /// A ring whose positions begin at `tail` and hold `bytes`.
    fn ring(tail: u64, bytes: &[u8]) -> CpuRing {
        let size = 4096;
        let memory = Mapping::anonymous(page_size() + size);
        for (i, byte) in bytes.iter().enumerate() {
            assert!(memory.write(page_size() + ((tail as usize + i) & (size - 1)), &[*byte]));
        }
        memory.u64_at(DATA_TAIL).unwrap().store(tail, Ordering::Release);
        memory.u64_at(DATA_HEAD).unwrap().store(tail + bytes.len() as u64, Ordering::Release);
        CpuRing { fd: None, memory, size: size as u64, lost: 0, waiting: VecDeque::new() }
    }

    #[test]
    fn records_of_all_kinds_and_damaged_ones() {
        let s = sample(5, b"abc");
        assert_eq!(parse(&s), Some((Record::Sample { time: 5, data: b"abc" }, 24)));
        assert_eq!(parse(&lost(9)), Some((Record::Lost(9), 24)));
        assert_eq!(parse(&[1, 0, 0, 0, 0, 0, 8, 0]), Some((Record::Other, 8)));
        for cut in 0..s.len() {
            assert_eq!(parse(&s[..cut]), None);
        }
        let mut long = s.clone();
        long[16] = 200;
        assert_eq!(parse(&long), None);
        let mut endless = s;
        endless[6] = 0;
        assert_eq!(parse(&endless), None);
    }

    #[test]
    fn cpus_are_merged_by_time_and_losses_added_up() {
        let a = [sample(1, b"a1"), sample(4, b"a4"), lost(3), sample(9, b"a9")].concat();
        let b = [lost(2), sample(2, b"b2"), sample(3, b"b3")].concat();
        // The first one wraps round its end.
        let mut rings = [ring(4096 - 30 / 8 * 8, &a), ring(0, &b)];
        for r in &mut rings {
            r.fetch().unwrap();
            assert_eq!(r.fetch(), Ok(()));
        }
        assert_eq!(rings.iter().map(|r| r.lost).collect::<Vec<_>>(), [3, 2]);
        let mut got = Vec::new();
        let mut take = |r: &[u8]| {
            got.push(String::from_utf8(r.to_vec()).unwrap());
            got.len() != 2
        };
        assert_eq!(merge(&mut rings, 8, &mut take), 2);
        assert_eq!(merge(&mut rings, 8, &mut take), 2);
        assert_eq!(merge(&mut rings, 8, &mut take), 0);
        assert_eq!(merge(&mut rings, 9, &mut take), 1);
        assert_eq!(got, ["a1", "b2", "b3", "a4", "a9"]);
    }

    #[test]
    fn a_ring_that_is_wrong_is_an_error() {
        assert!(ring(0, &sample(1, b"x")[..20]).fetch().is_err());
        let far = ring(0, &[]);
        far.memory.u64_at(DATA_HEAD).unwrap().store(1 << 20, Ordering::Release);
        assert!({ far }.fetch().is_err());
    }
}
