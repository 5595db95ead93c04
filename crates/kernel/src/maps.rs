//! Maps seen from user space, over bpf(2).
//!
//! Reading goes in batches (Linux 5.6; a system call for thousands of entries), by mmap for arrays that allow it (no system call at
//! all), and key by key where neither is there. A batch whose buffer is smaller than one bucket of a hash
//! fails with `ENOSPC` and is repeated with a larger one. What is read is not a snapshot: entries added or removed meanwhile may
//! or may not be seen, but an entry that stays is seen once (key by key: at least once).

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use skep_abi::MapType;
use skep_abi::flags::{BPF_ANY, BPF_EXIST};
use skep_engine::{Error, ErrorKind, Map};

use crate::error::os;
use crate::sys::bpf::{BatchPos, MapFd};
use crate::sys::mem::Mapping;
use crate::sys::not_supported;

/// Bytes of keys and values that a batch begins with.
const BATCH_BYTES: usize = 256 << 10;
/// Entries that a batch begins with at least.
const BATCH_LEAST: usize = 64;
/// Entries beyond which a batch no longer grows.
const BATCH_MOST: usize = 1 << 20;

/// A map in the kernel.
#[derive(Debug)]
pub struct KernelMap {
    name: String,
    kind: MapType,
    fd: MapFd,
    entries: u32,
    cpus: usize,
    /// The values of an array, where they can be mapped: the distance between them, and the memory.
    values: Option<(usize, Mapping)>,
    /// Until the kernel says that it has no batches for this map.
    batches: AtomicBool,
}

/// Which calls a walk makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    Read,
    Remove,
}

impl KernelMap {
    pub(crate) fn new(
        name: &str,
        kind: MapType,
        fd: MapFd,
        entries: u32,
        cpus: usize,
        values: Option<(usize, Mapping)>,
        batches: bool,
    ) -> Self {
        KernelMap {
            name: name.into(),
            kind,
            fd,
            entries,
            cpus,
            values,
            batches: AtomicBool::new(batches),
        }
    }

    /// Its type.
    pub fn kind(&self) -> MapType {
        self.kind
    }

    /// Its name in the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Most entries, or bytes of a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.entries
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn raw(&self) -> &MapFd {
        &self.fd
    }

    fn fail(&self, what: &str, errno: Errno) -> Error {
        let mut e = os(format!("{what} map `{}`", self.name), errno);
        if matches!(errno, Errno::TOOBIG | Errno::NOMEM) {
            e.kind = ErrorKind::Full;
        }
        e
    }

    fn is_array(&self) -> bool {
        matches!(self.kind, MapType::Array | MapType::PercpuArray)
    }

    /// How many entries fit a batch's first buffer.
    fn batch_entries(&self) -> usize {
        let entry = (self.fd.key_len() + self.fd.value_len()).max(1);
        (BATCH_BYTES / entry).clamp(BATCH_LEAST, BATCH_MOST).min((self.entries as usize).max(1))
    }

    /// Walks the map in batches. `Ok(false)`: it has none, and nothing was handed over.
    fn batched(&self, take: Take, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool, Error> {
        let (key_len, value_len) = (self.fd.key_len(), self.fd.value_len());
        if !self.batches.load(Ordering::Relaxed) || key_len == 0 || value_len == 0 {
            return Ok(false);
        }
        let mut room = self.batch_entries();
        let (mut keys, mut values) = (vec![0; room * key_len], vec![0; room * value_len]);
        let mut pos: Option<BatchPos> = None;
        loop {
            let (n, result) =
                self.fd.lookup_batch(&mut pos, &mut keys, &mut values, take == Take::Remove);
            for (key, value) in
                keys.chunks_exact(key_len).zip(values.chunks_exact(value_len)).take(n)
            {
                f(key, value);
            }
            match result {
                Ok(()) if n > 0 => {}
                Ok(()) | Err(Errno::NOENT) => return Ok(true),
                Err(Errno::NOSPC) if room < BATCH_MOST => {
                    room = (room * 2).min(BATCH_MOST);
                    keys.resize(room * key_len, 0);
                    values.resize(room * value_len, 0);
                }
                Err(e) if pos.is_none() && not_supported(e) => {
                    self.batches.store(false, Ordering::Relaxed);
                    return Ok(false);
                }
                Err(e) => return Err(self.fail("read", e)),
            }
        }
    }

    /// Calls `f` with every key. Where the map changes meanwhile, a key may come twice.
    fn keys(&self, f: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let (mut key, mut next) = (vec![0; self.fd.key_len()], vec![0; self.fd.key_len()]);
        let mut first = true;
        // An entry that is removed sends the walk back to the first one; a busy map must not hold us for ever.
        let most = (self.entries as u64).saturating_mul(2).saturating_add(16);
        for _ in 0..most {
            match self.fd.next_key((!first).then_some(&key), &mut next) {
                Ok(()) => f(&next)?,
                Err(Errno::NOENT) => return Ok(()),
                Err(e) => return Err(self.fail("walk", e)),
            }
            std::mem::swap(&mut key, &mut next);
            first = false;
        }
        Ok(())
    }

    fn walk(&self, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let mut value = vec![0; self.fd.value_len()];
        self.keys(&mut |key| {
            if self.lookup(key, &mut value)? {
                f(key, &value);
            }
            Ok(())
        })
    }

    /// Writes the same value to each of the keys that are still there.
    fn overwrite(&self, keys: &[u8], value: &[u8]) -> Result<(), Error> {
        let key_len = self.fd.key_len();
        let flags = if self.is_array() { BPF_ANY } else { BPF_EXIST };
        let mut left = keys;
        let chunk = self.batch_entries();
        let values = value.repeat(chunk.min(left.len() / key_len.max(1)));
        while !left.is_empty() {
            let n = chunk.min(left.len() / key_len);
            let (mut done, result) = match self.batches.load(Ordering::Relaxed) {
                true => {
                    self.fd.update_batch(&left[..n * key_len], &values[..n * value.len()], flags)
                }
                false => (0, Err(Errno::NOTSUP)),
            };
            if let Err(e) = result {
                if done == 0 && not_supported(e) {
                    self.batches.store(false, Ordering::Relaxed);
                }
                // The one that failed: alone, to know why.
                match self.fd.update(&left[done * key_len..(done + 1) * key_len], value, flags) {
                    Ok(()) | Err(Errno::NOENT) => done += 1,
                    Err(e) => return Err(self.fail("write to", e)),
                }
            }
            left = &left[(done * key_len).min(left.len())..];
        }
        Ok(())
    }

    /// Reads or writes a part of the only value by whole look-up and update.
    fn whole_value(
        &self,
        off: u32,
        len: usize,
    ) -> Result<(Vec<u8>, std::ops::Range<usize>), Error> {
        let mut value = vec![0; self.fd.value_len()];
        let start = off as usize;
        let range = start..start.saturating_add(len);
        if !self.is_array() || range.end > value.len() {
            return Err(self.fail("access outside", Errno::INVAL));
        }
        self.fd.lookup(&0u32.to_ne_bytes(), &mut value).map_err(|e| self.fail("read", e))?;
        Ok((value, range))
    }
}

impl Map for KernelMap {
    fn value_len(&self) -> usize {
        self.fd.value_len()
    }

    fn cpus(&self) -> usize {
        self.cpus
    }

    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, Error> {
        match self.fd.lookup(key, value) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.fail("read", e)),
        }
    }

    fn update(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.fd.update(key, value, BPF_ANY).map_err(|e| self.fail("write to", e))
    }

    fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        match self.fd.delete(key) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.fail("delete from", e)),
        }
    }

    fn for_each(&self, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        if let Some((stride, memory)) = &self.values {
            let mut value = vec![0; self.fd.value_len()];
            for i in 0..self.entries {
                memory.read(i as usize * stride, &mut value);
                f(&i.to_ne_bytes(), &value);
            }
            return Ok(());
        }
        match self.batched(Take::Read, f)? {
            true => Ok(()),
            false => self.walk(f),
        }
    }

    fn clear(&self) -> Result<(), Error> {
        if self.is_array() {
            return self.zero();
        }
        // Look-up and deletion in one exists for hashes only; other types have deletion by key.
        if self.batched(Take::Remove, &mut |_, _| ())? {
            return Ok(());
        }
        let mut all = Vec::new();
        self.keys(&mut |key| {
            all.extend_from_slice(key);
            Ok(())
        })?;
        let key_len = self.fd.key_len().max(1);
        let mut left = &all[..];
        while !left.is_empty() {
            let (done, result) = match self.batches.load(Ordering::Relaxed) {
                true => self.fd.delete_batch(left),
                false => (0, Err(Errno::NOTSUP)),
            };
            left = left.get(done * key_len..).unwrap_or_default();
            // Without batches, or at a key that has gone: one alone.
            if result.is_err() && !left.is_empty() {
                self.delete(&left[..key_len])?;
                left = &left[key_len..];
            }
        }
        Ok(())
    }

    fn zero(&self) -> Result<(), Error> {
        let zero = vec![0; self.fd.value_len()];
        if let Some((stride, memory)) = &self.values {
            let written = (0..self.entries as usize).all(|i| memory.write(i * stride, &zero));
            return if written { Ok(()) } else { Err(self.fail("write to", Errno::PERM)) };
        }
        let mut keys = Vec::new();
        if self.is_array() {
            keys.extend((0..self.entries).flat_map(u32::to_ne_bytes));
        } else {
            self.for_each(&mut |key, _| keys.extend_from_slice(key))?;
        }
        self.overwrite(&keys, &zero)
    }

    fn read_global(&self, off: u32, out: &mut [u8]) -> Result<(), Error> {
        if let Some((_, memory)) = &self.values {
            let inside = (off as usize).saturating_add(out.len()) <= self.fd.value_len();
            return match inside && memory.read(off as usize, out) {
                true => Ok(()),
                false => Err(self.fail("access outside", Errno::INVAL)),
            };
        }
        let (value, range) = self.whole_value(off, out.len())?;
        out.copy_from_slice(&value[range]);
        Ok(())
    }

    fn write_global(&self, off: u32, data: &[u8]) -> Result<(), Error> {
        if let Some((_, memory)) = &self.values {
            let inside = (off as usize).saturating_add(data.len()) <= self.fd.value_len();
            return match inside && memory.write(off as usize, data) {
                true => Ok(()),
                false => Err(self.fail("write outside, or to the constants of,", Errno::INVAL)),
            };
        }
        let (mut value, range) = self.whole_value(off, data.len())?;
        value[range].copy_from_slice(data);
        self.update(&0u32.to_ne_bytes(), &value)
    }
}
