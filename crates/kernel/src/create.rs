//! Creating maps.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Errno;
use skep_abi::flags::{BPF_ANY, BPF_F_MMAPABLE, BPF_F_RDONLY_PROG};
use skep_abi::{Feature, MapType};
use skep_engine::{Engine, Error, ErrorKind};
use skep_object::Map;

use crate::error::{os, other, permission};
use crate::kernel::{Kernel, since};
use crate::load::kernel_name;
use crate::maps::KernelMap;
use crate::sys::attr::MapCreate;
use crate::sys::bpf::MapFd;
use crate::sys::mem::{Mapping, page_size};
use crate::sys::not_supported;

/// Creates a map, gives it its first value, and maps it where it can be.
pub(crate) fn create(
    kernel: &Kernel,
    map: &Map,
    btf: Option<BorrowedFd<'_>>,
) -> Result<KernelMap, Error> {
    let context = format!("create map `{}`", map.name);
    if let Some(e) = since(kernel.target(), map.kind, &context) {
        return Err(e);
    }
    let per_cpu = if map.kind.is_percpu() { Some(kernel.possible_cpus()?) } else { None };
    let mut attr = attributes(kernel, map)?;
    if let Some(btf) = btf.filter(|_| map.btf_value != 0) {
        attr.btf_fd = btf.as_raw_fd() as u32;
        attr.btf_key_type_id = map.btf_key;
        attr.btf_value_type_id = map.btf_value;
    }
    let mut created = MapFd::create(attr, per_cpu);
    if attr.btf_fd != 0 && matches!(created, Err(e) if not_supported(e) || e == Errno::TOOBIG) {
        // Some types of maps take no types of key and value, which only bpftool would look at.
        let plain = MapCreate { btf_fd: 0, btf_key_type_id: 0, btf_value_type_id: 0, ..attr };
        created = MapFd::create(plain, per_cpu);
    }
    let fd = created.map_err(|e| refusal(&context, map, &attr, per_cpu, e))?;
    let frozen = fill(&fd, map, &context)?;
    let values = map_values(&fd, map, frozen)
        .map_err(|e| os(format!("map the values of `{}`", map.name), e))?;
    let batches = kernel.target().has(Feature::BatchOps);
    Ok(KernelMap::new(
        &map.name,
        map.kind,
        fd,
        attr.max_entries,
        per_cpu.unwrap_or(1),
        values,
        batches,
    ))
}

fn attributes(kernel: &Kernel, map: &Map) -> Result<MapCreate, Error> {
    let max_entries = match (map.kind, map.max_entries) {
        (MapType::PerfEventArray, 0) => kernel.possible_cpus()? as u32,
        (_, n) => n,
    };
    let named = kernel.target().has(Feature::MapName);
    let flags = if kernel.target().has(Feature::MmapableArray) {
        map.flags
    } else {
        map.flags & !BPF_F_MMAPABLE
    };
    Ok(MapCreate {
        map_type: map.kind.raw(),
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries,
        map_flags: flags,
        map_name: if named { kernel_name(&map.name) } else { [0; 16] },
        ..Default::default()
    })
}

/// Writes the first value of global data. True if the map is frozen after it: its data are constants.
fn fill(fd: &MapFd, map: &Map, context: &str) -> Result<bool, Error> {
    if map.kind != MapType::Array {
        return Ok(false);
    }
    if !map.initial.is_empty() {
        if map.initial.len() > map.value_size as usize {
            return Err(other(context, "its initial data are longer than its value"));
        }
        let mut value = map.initial.clone();
        value.resize(map.value_size as usize, 0);
        fd.update(&0u32.to_ne_bytes(), &value, BPF_ANY)
            .map_err(|e| os(format!("{context}: write its first value"), e))?;
    }
    if map.flags & BPF_F_RDONLY_PROG == 0 {
        return Ok(false);
    }
    // Only what nobody can change does the verifier take as known. A kernel that cannot freeze has no direct access either.
    fd.freeze().map_err(|e| os(format!("{context}: freeze it"), e))?;
    Ok(true)
}

fn map_values(fd: &MapFd, map: &Map, frozen: bool) -> Result<Option<(usize, Mapping)>, Errno> {
    if map.kind != MapType::Array || map.flags & BPF_F_MMAPABLE == 0 {
        return Ok(None);
    }
    let stride = (map.value_size as usize).next_multiple_of(8);
    let len = stride
        .checked_mul(map.max_entries as usize)
        .ok_or(Errno::TOOBIG)?
        .next_multiple_of(page_size());
    match Mapping::shared(fd.as_fd(), 0, len, !frozen) {
        Ok(memory) => Ok(Some((stride, memory))),
        // Before Linux 5.5 the flag was taken away; system calls do.
        Err(e) if not_supported(e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Why the kernel did not create the map.
fn refusal(
    context: &str,
    map: &Map,
    attr: &MapCreate,
    per_cpu: Option<usize>,
    errno: Errno,
) -> Error {
    let explain = |text: String| Error {
        kind: ErrorKind::Other(text),
        context: context.into(),
        errno: Some(errno.raw_os_error()),
    };
    match errno {
        Errno::PERM => permission(context, errno),
        Errno::NOMEM | Errno::TOOBIG => {
            let entry = (map.key_size as u64).next_multiple_of(8)
                + (map.value_size as u64).next_multiple_of(8) * per_cpu.unwrap_or(1) as u64;
            let asked = entry.saturating_mul(attr.max_entries as u64);
            explain(format!(
                "too large: {} entries of {entry} bytes are {asked} bytes of kernel memory; ask for fewer or smaller entries",
                attr.max_entries
            ))
        }
        Errno::INVAL if map.kind == MapType::Ringbuf => explain(format!(
            "a ring buffer's size must be a power of two and at least a page ({} bytes), not {}",
            page_size(),
            attr.max_entries
        )),
        Errno::INVAL => explain(format!(
            "the kernel refuses a {} with keys of {} bytes, values of {} bytes, {} entries and flags {:#x}",
            map.kind, map.key_size, map.value_size, attr.max_entries, attr.map_flags
        )),
        e => os(context, e),
    }
}
