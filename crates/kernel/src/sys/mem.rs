//! Mappings: memory shared with the kernel, unmapped when dropped.
//!
//! What other threads, BPF programs or the kernel may write while we look is only touched through atomics ([`Mapping::read`],
//! [`Mapping::write`], [`Mapping::u64_at`]). Plain slices are given of two kinds of memory only: private copies of
//! files, and records of a ring that its producer has handed over.
#![allow(unsafe_code)] // mmap(2), and loads and stores in what it gives.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{Errno, Result};

/// A mapping.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: a mapping belongs to no thread; shared access goes through atomics or to memory that is not written.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows from it any more. It cannot fail for a range that is mapped.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The size of a page.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

impl Mapping {
    /// Maps `len` bytes at `offset` of `fd`, shared with whoever else has it.
    pub(crate) fn shared(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        writable: bool,
    ) -> Result<Mapping> {
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        Mapping::new(fd, offset, len, prot, MapFlags::SHARED, writable)
    }

    /// Maps a file for reading, privately.
    pub(crate) fn file(file: &File, len: usize) -> Result<Mapping> {
        use std::os::fd::AsFd;
        Mapping::new(file.as_fd(), 0, len, ProtFlags::READ, MapFlags::PRIVATE, false)
    }

    fn new(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        prot: ProtFlags,
        flags: MapFlags,
        writable: bool,
    ) -> Result<Mapping> {
        // SAFETY: with a null hint the kernel chooses a free range, so no existing memory is touched.
        let start = unsafe { mmap(std::ptr::null_mut(), len, prot, flags, fd, offset)? };
        NonNull::new(start.cast()).map(|start| Mapping { start, len, writable }).ok_or(Errno::NOMEM)
    }

    /// Zeroed memory of our own, for tests that play the kernel.
    #[cfg(test)]
    pub(crate) fn anonymous(len: usize) -> Mapping {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as in `new`.
        let start = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, prot, MapFlags::PRIVATE)
        }
        .unwrap();
        Mapping { start: NonNull::new(start.cast()).unwrap(), len, writable: true }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn range(&self, off: usize, len: usize) -> Option<NonNull<u8>> {
        if off.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: the offset is inside the mapping.
        Some(unsafe { self.start.add(off) })
    }

    /// A 64-bit word that others write too. `None` outside the mapping or if not aligned.
    pub(crate) fn u64_at(&self, off: usize) -> Option<&AtomicU64> {
        let at = self.range(off, 8).filter(|_| off.is_multiple_of(8))?;
        // SAFETY: in bounds, aligned (a mapping begins at a page), and alive as long as `self`.
        Some(unsafe { AtomicU64::from_ptr(at.as_ptr().cast()) })
    }

    /// A 32-bit word that others write too.
    pub(crate) fn u32_at(&self, off: usize) -> Option<&AtomicU32> {
        let at = self.range(off, 4).filter(|_| off.is_multiple_of(4))?;
        // SAFETY: as above.
        Some(unsafe { AtomicU32::from_ptr(at.as_ptr().cast()) })
    }

    fn u8_at(&self, off: usize) -> Option<&AtomicU8> {
        let at = self.range(off, 1)?;
        // SAFETY: as above.
        Some(unsafe { AtomicU8::from_ptr(at.as_ptr()) })
    }

    /// Copies out what others may be writing: aligned words of 8 and 4 bytes are read whole. False outside the mapping.
    pub(crate) fn read(&self, mut off: usize, mut out: &mut [u8]) -> bool {
        if self.range(off, out.len()).is_none() {
            return false;
        }
        while !out.is_empty() {
            let n = step(off, out.len());
            let (now, rest) = out.split_at_mut(n);
            match n {
                8 => self
                    .u64_at(off)
                    .map(|a| now.copy_from_slice(&a.load(Ordering::Relaxed).to_ne_bytes())),
                4 => self
                    .u32_at(off)
                    .map(|a| now.copy_from_slice(&a.load(Ordering::Relaxed).to_ne_bytes())),
                _ => self.u8_at(off).map(|a| now[0] = a.load(Ordering::Relaxed)),
            };
            out = rest;
            off += n;
        }
        true
    }

    /// Writes where others may be reading; as [`read`](Self::read). False outside the mapping or if it is read-only.
    pub(crate) fn write(&self, mut off: usize, mut data: &[u8]) -> bool {
        if !self.writable || self.range(off, data.len()).is_none() {
            return false;
        }
        while !data.is_empty() {
            let n = step(off, data.len());
            let (now, rest) = data.split_at(n);
            let mut word = [0; 8];
            word[..n].copy_from_slice(now);
            let small = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
            match n {
                8 => self.u64_at(off).map(|a| a.store(u64::from_ne_bytes(word), Ordering::Relaxed)),
                4 => self.u32_at(off).map(|a| a.store(small, Ordering::Relaxed)),
                _ => self.u8_at(off).map(|a| a.store(word[0], Ordering::Relaxed)),
            };
            data = rest;
            off += n;
        }
        true
    }

    /// Bytes of a ring that its producer has handed over (it wrote a position behind them, which we have read with `Acquire`),
    /// or of a file mapped privately.
    pub(crate) fn handed_over(&self, off: usize, len: usize) -> Option<&[u8]> {
        let at = self.range(off, len)?;
        // SAFETY: in bounds; initialised, as all mapped memory is; and by the ring's protocol nobody writes there until we
        // move the consumer's position, which takes `&mut` of the ring that holds the borrow.
        Some(unsafe { std::slice::from_raw_parts(at.as_ptr(), len) })
    }
}

/// The largest aligned word that can be moved at an offset.
fn step(off: usize, left: usize) -> usize {
    match (off % 8, left) {
        (0, 8..) => 8,
        (0 | 4, 4..) => 4,
        _ => 1,
    }
}

/// A whole file, mapped for reading. As with every mapped file, cutting it short while it is read ends the process with `SIGBUS`;
/// so it is used for executables and libraries, and for `/sys/kernel/btf`.
#[derive(Debug)]
pub(crate) struct MappedFile(Mapping);

impl MappedFile {
    /// Maps a file of that length.
    pub(crate) fn new(file: &File, len: usize) -> Result<MappedFile> {
        Mapping::file(file, len).map(MappedFile)
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        self.0.handed_over(0, self.0.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_at_any_offset_and_never_outside() {
        let m = Mapping::anonymous(page_size());
        let data: Vec<u8> = (1..=21).collect();
        for off in 0..9 {
            assert!(m.write(off, &data));
            let mut back = [0; 21];
            assert!(m.read(off, &mut back));
            assert_eq!(back, data[..]);
        }
        assert!(!m.write(page_size() - 20, &data));
        assert!(!m.read(usize::MAX, &mut [0; 2]));
        assert!(m.u64_at(page_size() - 4).is_none());
        assert!(m.u64_at(4).is_none());
        assert!(m.handed_over(page_size() - 1, 2).is_none());
    }
}
