//! The BPF ring buffer (`BPF_MAP_TYPE_RINGBUF`), read in place.
//!
//! One page holds the reader's position, which only we write; the next one the writers' position; then come the data. The kernel offers them twice
//! one after the other, so that a record that wraps round is in one piece; we map them once, since each page that is mapped counts as our
//! memory, and copy the one record in a round that wraps. A record is a header of 8 bytes, whose first word is the
//! length with a busy and a discard bit, and the data padded to 8 bytes. Facts: `Documentation/bpf/ringbuf.rst`, `kernel/bpf/ringbuf.c`.
//!
//! The reader's position is told to the writers in steps, not for each record: it is a cache line that they read.
//! No record is lost here: a writer that finds no room is told so and counts.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use skep_abi::flags::{BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ};
use skep_engine::{Error, Events};

use crate::error::{io, os, other};
use crate::maps::KernelMap;
use crate::sys::mem::{Mapping, page_size};
use crate::sys::misc::wait_readable;

/// The ring's memory and our place in it.
#[derive(Debug)]
struct Ring {
    /// Our position, for the writers.
    consumer: Mapping,
    /// The writers' position, then from `data` on the records.
    producer: Mapping,
    data: usize,
    size: u64,
    /// How far we have read.
    position: u64,
    /// How far we may read before we tell.
    step: u64,
    /// Up to where the writers have been, when we last looked.
    seen: u64,
    /// A record that wraps round, put together.
    wrapped: Vec<u8>,
}

/// What is at our position.
enum Next {
    /// Nothing that is ready.
    Nothing,
    /// A record: the length of its data; `None` if it is discarded; and of the whole.
    Record(Option<usize>, u64),
}

impl Ring {
    fn new(consumer: Mapping, producer: Mapping, data: usize, size: u64) -> Ring {
        let position = consumer.u64_at(0).map_or(0, |a| a.load(Ordering::Acquire));
        let (step, wrapped) = (size / 8, Vec::new());
        Ring { consumer, producer, data, size, position, step, seen: position, wrapped }
    }

    /// Looks at the record at our position.
    fn next(&mut self) -> Result<Next, &'static str> {
        if self.position == self.seen {
            self.seen = self.producer.u64_at(0).map_or(0, |a| a.load(Ordering::Acquire));
            if self.position == self.seen {
                return Ok(Next::Nothing);
            }
        }
        let at = self.data + (self.position & (self.size - 1)) as usize;
        let header =
            self.producer.u32_at(at).map_or(BPF_RINGBUF_BUSY_BIT, |a| a.load(Ordering::Acquire));
        if header & BPF_RINGBUF_BUSY_BIT != 0 {
            return Ok(Next::Nothing);
        }
        let len = header & !BPF_RINGBUF_DISCARD_BIT;
        let whole = (u64::from(len) + u64::from(BPF_RINGBUF_HDR_SZ)).next_multiple_of(8);
        if whole > self.seen.wrapping_sub(self.position) {
            return Err("a record is longer than what was written");
        }
        let record = (header & BPF_RINGBUF_DISCARD_BIT == 0).then_some(len as usize);
        Ok(Next::Record(record, whole))
    }

    /// The data of the record at our position.
    fn record(&mut self, len: usize) -> &[u8] {
        let start = self.position.wrapping_add(BPF_RINGBUF_HDR_SZ.into()) & (self.size - 1);
        let (at, first) = (self.data + start as usize, len.min((self.size - start) as usize));
        let piece = |at, len| self.producer.handed_over(at, len).unwrap_or_default();
        if first == len {
            return piece(at, len);
        }
        self.wrapped.clear();
        self.wrapped.extend_from_slice(piece(at, first));
        self.wrapped.extend_from_slice(piece(self.data, len - first));
        &self.wrapped
    }

    /// Tells the writers how far we are.
    fn tell(&self) {
        if let Some(a) = self.consumer.u64_at(0) {
            a.store(self.position, Ordering::Release);
        }
    }

    fn drain(&mut self, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize, &'static str> {
        let mut told = self.position;
        let mut count = 0;
        let result = loop {
            let (record, whole) = match self.next() {
                Ok(Next::Record(record, whole)) => (record, whole),
                Ok(Next::Nothing) => break Ok(()),
                Err(e) => break Err(e),
            };
            let mut go_on = true;
            if let Some(len) = record {
                go_on = f(self.record(len));
                count += 1;
            }
            self.position = self.position.wrapping_add(whole);
            if self.position.wrapping_sub(told) >= self.step {
                self.tell();
                told = self.position;
            }
            if !go_on {
                break Ok(());
            }
        };
        if self.position != told {
            self.tell();
            // A writer wakes us only if it sees that we have read all before it. So our position must be out before we look
            // again, in poll(2), whether there is something.
            fence(Ordering::SeqCst);
        }
        result.map(|()| count)
    }
}

/// Records of a ring buffer.
#[derive(Debug)]
pub struct RingBuffer {
    fd: OwnedFd,
    name: String,
    ring: Ring,
}

impl RingBuffer {
    pub(crate) fn open(map: &KernelMap) -> Result<RingBuffer, Error> {
        let context = || format!("map ring buffer `{}`", map.name());
        let page = page_size();
        let size = map.max_entries() as usize;
        if !size.is_power_of_two() {
            return Err(other(context(), "its size is no power of two"));
        }
        let consumer = Mapping::shared(map.fd(), 0, page, true).map_err(|e| os(context(), e))?;
        let producer = Mapping::shared(map.fd(), page as u64, page + size, false)
            .map_err(|e| os(context(), e))?;
        let fd = map.fd().try_clone_to_owned().map_err(|e| io(context(), &e))?;
        Ok(RingBuffer {
            fd,
            name: map.name().into(),
            ring: Ring::new(consumer, producer, page, size as u64),
        })
    }
}

impl Events for RingBuffer {
    fn drain(&mut self, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize, Error> {
        self.ring.drain(f).map_err(|e| other(format!("read ring buffer `{}`", self.name), e))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        wait_readable(&[self.fd.as_fd()], timeout).map_err(|e| os("wait for events", e))
    }

    fn lost(&mut self) -> u64 {
        0
    }

    fn fd(&self) -> Option<i32> {
        Some(self.fd.as_raw_fd())
    }
}

impl AsFd for RingBuffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 4096;

    /// Plays the kernel: writes records and moves the writers' position.
    struct Writer(u64);

    impl Writer {
        fn put(&mut self, ring: &Ring, data: &[u8], flags: u32) -> usize {
            let at = (self.0 as usize) & (SIZE - 1);
            let mut record = (data.len() as u32 | flags).to_ne_bytes().to_vec();
            record.extend([0; 4]);
            record.extend(data);
            for (i, byte) in record.iter().enumerate() {
                let place = (at + i) & (SIZE - 1);
                assert!(ring.producer.write(page_size() + place, &[*byte]));
            }
            self.0 += (record.len() as u64).next_multiple_of(8);
            ring.producer.u64_at(0).unwrap().store(self.0, Ordering::Release);
            at
        }
    }

    fn ring() -> (Ring, Writer) {
        let producer = Mapping::anonymous(page_size() + SIZE);
        (Ring::new(Mapping::anonymous(page_size()), producer, page_size(), SIZE as u64), Writer(0))
    }

    fn all(ring: &mut Ring) -> Vec<Vec<u8>> {
        let mut got = Vec::new();
        let n = ring.drain(&mut |r| {
            got.push(r.to_vec());
            true
        });
        assert_eq!(n, Ok(got.len()));
        got
    }

    fn told(ring: &Ring) -> u64 {
        ring.consumer.u64_at(0).unwrap().load(Ordering::Acquire)
    }

    #[test]
    fn records_come_in_order_also_where_the_ring_wraps() {
        let (mut ring, mut writer) = ring();
        let mut sent = 0u32;
        for round in 0..200 {
            let mut expected = Vec::new();
            for _ in 0..5 {
                let data: Vec<u8> = (0..=(sent % 90)).map(|i| (i + sent) as u8).collect();
                writer.put(&ring, &data, 0);
                expected.push(data);
                sent += 1;
            }
            assert_eq!(all(&mut ring), expected, "round {round}");
            assert_eq!(told(&ring), writer.0);
        }
        assert!(all(&mut ring).is_empty());
    }

    #[test]
    fn a_busy_record_stops_and_a_discarded_one_is_skipped() {
        let (mut ring, mut writer) = ring();
        writer.put(&ring, b"one", 0);
        writer.put(&ring, b"dropped", BPF_RINGBUF_DISCARD_BIT);
        let busy = writer.put(&ring, b"two", BPF_RINGBUF_BUSY_BIT);
        writer.put(&ring, b"three", 0);
        assert_eq!(all(&mut ring), [b"one"]);
        assert_eq!(told(&ring), busy as u64);
        ring.producer.u32_at(page_size() + busy).unwrap().store(3, Ordering::Release);
        assert_eq!(all(&mut ring), [b"two".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn a_reader_that_stops_early_gets_the_rest_next_time() {
        let (mut ring, mut writer) = ring();
        for i in 0..4u8 {
            writer.put(&ring, &[i], 0);
        }
        let mut got = Vec::new();
        let n = ring.drain(&mut |r| {
            got.push(r[0]);
            got.len() < 2
        });
        assert_eq!((n, got), (Ok(2), vec![0, 1]));
        assert_eq!(told(&ring), 32);
        assert_eq!(all(&mut ring), [[2], [3]]);
    }

    #[test]
    fn a_length_beyond_what_was_written_is_an_error() {
        let (mut ring, mut writer) = ring();
        let at = writer.put(&ring, b"x", 0);
        ring.producer.u32_at(page_size() + at).unwrap().store(1 << 20, Ordering::Release);
        assert!(ring.drain(&mut |_| true).is_err());
    }
}
