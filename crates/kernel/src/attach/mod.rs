//! Attaching programs: tracepoints, raw tracepoints, kprobes, uprobes, counters and clocks.
//!
//! Each place becomes a bpf link where the kernel has links for it (5.15), else the program is set on the perf event. If one place
//! fails, those before it are undone by the drop of the half-made link. [`check`] says without attaching whether it could.

mod fill;
mod link;
mod probe;
mod tracefs_probe;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use skep_abi::Feature;
use skep_abi::perf::{PERF_TYPE_HARDWARE, PERF_TYPE_HW_CACHE, PERF_TYPE_RAW, PERF_TYPE_SOFTWARE};
use skep_engine::{Attach, Cpus, Engine, Error, PerfEvent, Tracepoint};

use crate::cpus;
use crate::error::{not_found, os, permission, unsupported};
use crate::kernel::Kernel;
use crate::load::KernelProgram;
use crate::sys::perf::{self, Attr, Scope};
use crate::sys::{Errno, bpf};

pub use link::{KernelLink, detach};
pub use probe::path_for_process;

use probe::UserFile;

pub(crate) fn attach(
    kernel: &Kernel,
    program: &KernelProgram,
    at: &Attach,
) -> Result<KernelLink, Error> {
    match at {
        Attach::Tracepoints(list) => tracepoints(kernel, program, list),
        Attach::RawTracepoint(name) => raw_tracepoint(program, name),
        Attach::Kprobes { ret, sites } => probe::attach_kernel(kernel, program, *ret, sites),
        Attach::Uprobes { ret, path, pid, sites } => {
            probe::attach_user(kernel, program, UserFile { path, pid: *pid, ret: *ret }, sites)
        }
        Attach::Perf(event) => counter(kernel, program, event),
    }
}

pub(crate) fn check(kernel: &Kernel, at: &Attach) -> Result<(), Error> {
    match at {
        Attach::Tracepoints(list) => {
            let tracefs = kernel.tracefs()?;
            match list.iter().find(|t| !tracefs.exists(&t.category, &t.name)) {
                Some(t) => Err(no_tracepoint(kernel, t)),
                None => Ok(()),
            }
        }
        Attach::RawTracepoint(name) => check_raw(kernel, name),
        Attach::Kprobes { ret, sites } => probe::check_kernel(kernel, *ret, sites),
        Attach::Uprobes { ret, path, pid, sites } => {
            probe::check_user(kernel, &UserFile { path, pid: *pid, ret: *ret }, sites)
        }
        Attach::Perf(event) => open_counter(event, one_scope(event)?).map(drop),
    }
}

/// Places beyond which the usual limit of 1024 open files may not do: each takes two.
const MANY: usize = 100;

/// An online CPU to open events on which fire everywhere anyhow.
fn one_cpu() -> Result<u32, Error> {
    Ok(cpus::online()?.first().copied().unwrap_or(0))
}

/// Why an event could not be opened, or a program not set on it.
fn open_error(context: &str, errno: Errno) -> Error {
    match errno {
        Errno::PERM | Errno::ACCESS => permission(context, errno),
        e => os(context, e),
    }
}

/// Puts a program on an event.
fn add_event(
    kernel: &Kernel,
    link: &mut KernelLink,
    program: &KernelProgram,
    event: OwnedFd,
    cookie: u64,
    context: &str,
) -> Result<(), Error> {
    if kernel.target().has(Feature::PerfLink) {
        let made = bpf::link_perf(program.fd(), event.as_fd(), cookie)
            .map_err(|e| set_error(context, program, e))?;
        link.links.push(made);
        link.events.push(event);
    } else {
        perf::set_bpf(event.as_fd(), program.fd()).map_err(|e| set_error(context, program, e))?;
        link.holding.push(event);
    }
    link.places += 1;
    Ok(())
}

fn set_error(context: &str, program: &KernelProgram, errno: Errno) -> Error {
    let mut error = open_error(context, errno);
    match errno {
        Errno::INVAL => {
            error.kind = skep_engine::ErrorKind::Other(format!(
                "a {} program cannot be attached there",
                program.kind
            ));
        }
        // The kernel compares the last byte of the context that the program reads with the length of the tracepoint's record.
        Errno::ACCESS => {
            error.kind = skep_engine::ErrorKind::Other(
                "the program reads beyond the end of the event's record, or may not be attached there".into(),
            );
        }
        _ => {}
    }
    error
}

fn no_tracepoint(kernel: &Kernel, t: &Tracepoint) -> Error {
    let context = format!("tracepoint {}:{}", t.category, t.name);
    let syscalls = t.category == "syscalls"
        && kernel.tracefs().is_ok_and(|fs| fs.tracepoints("syscalls").is_err());
    if syscalls {
        crate::error::missing(context, Feature::SyscallTracepoint)
    } else {
        not_found(context)
    }
}

fn tracepoints(
    kernel: &Kernel,
    program: &KernelProgram,
    list: &[Tracepoint],
) -> Result<KernelLink, Error> {
    let tracefs = kernel.tracefs()?;
    let cpu = one_cpu()?;
    if list.len() > MANY {
        // If it fails, the limit's own error tells.
        let _ = kernel.raise_file_limit();
    }
    let mut link = KernelLink::default();
    for t in list {
        let context = || format!("attach tracepoint:{}:{}", t.category, t.name);
        let id = tracefs.id(&t.category, &t.name).map_err(|e| match e.kind {
            skep_engine::ErrorKind::NotFound => no_tracepoint(kernel, t),
            _ => e,
        })?;
        let event = perf::open(&Attr::new(fill::tracepoint(id)), Scope::Cpu(cpu))
            .map_err(|e| open_error(&context(), e))?;
        add_event(kernel, &mut link, program, event, t.cookie, &context())?;
    }
    Ok(link)
}

fn check_raw(kernel: &Kernel, name: &str) -> Result<(), Error> {
    let context = || format!("rawtracepoint {name}");
    if let Some(e) = crate::kernel::since(kernel.target(), Feature::RawTracepoint, &context()) {
        return Err(e);
    }
    // Where the kernel has no types it is the attachment that finds out.
    let Ok(btf) = kernel.vmlinux_btf() else { return Ok(()) };
    match btf.find_typedef(&format!("btf_trace_{name}")) {
        Some(_) => Ok(()),
        // A module's are in the module's types.
        None if module_may_have(kernel, name) => Ok(()),
        None => Err(not_found(context())),
    }
}

/// Whether a tracepoint of that name is listed for any category, as those of modules are.
fn module_may_have(kernel: &Kernel, name: &str) -> bool {
    kernel
        .tracefs()
        .and_then(|fs| fs.all_tracepoints())
        .is_ok_and(|all| all.iter().any(|(_, n)| n == name))
}

fn raw_tracepoint(program: &KernelProgram, name: &str) -> Result<KernelLink, Error> {
    let context = format!("attach rawtracepoint:{name}");
    let c_name = CString::new(name).map_err(|_| not_found(context.clone()))?;
    let link = bpf::raw_tracepoint_open(&c_name, program.fd())
        .map_err(|e| set_error(&context, program, e))?;
    Ok(KernelLink::one(link, 1))
}

fn one_scope(event: &PerfEvent) -> Result<Scope, Error> {
    Ok(match event.pid {
        Some(pid) => Scope::Thread(pid),
        None => Scope::Cpu(one_cpu()?),
    })
}

/// Where to open a counter: on CPUs, or for each thread of a process.
fn scopes(event: &PerfEvent) -> Result<Vec<Scope>, Error> {
    let online = cpus::online()?;
    match (event.pid, event.cpus) {
        (None, Cpus::All) => Ok(online.into_iter().map(Scope::Cpu).collect()),
        (None, Cpus::One) => Ok(online.into_iter().take(1).map(Scope::Cpu).collect()),
        (Some(pid), Cpus::All) => Ok(threads(pid)?.into_iter().map(Scope::Thread).collect()),
        (Some(pid), Cpus::One) => {
            let cpu = one_cpu()?;
            Ok(threads(pid)?.into_iter().map(|t| Scope::ThreadOn(t, cpu)).collect())
        }
    }
}

fn threads(pid: i32) -> Result<Vec<i32>, Error> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task"))
        .map_err(|_| not_found(format!("process {pid}")))?;
    Ok(entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// How a counter is called in messages.
fn counter_name(event: &PerfEvent) -> String {
    let table = match event.kind {
        PERF_TYPE_SOFTWARE => skep_abi::perf::SOFTWARE,
        PERF_TYPE_HARDWARE => skep_abi::perf::HARDWARE,
        _ => &[],
    };
    match table.iter().find(|c| c.config == event.config) {
        Some(c) => format!("perf event {}", c.name),
        None => format!("perf event of type {} number {:#x}", event.kind, event.config),
    }
}

fn open_counter(event: &PerfEvent, scope: Scope) -> Result<OwnedFd, Error> {
    let context = || format!("open {}", counter_name(event));
    perf::open(&Attr::new(fill::counter(event)), scope).map_err(|e| {
        let hardware =
            matches!(event.kind, PERF_TYPE_HARDWARE | PERF_TYPE_HW_CACHE | PERF_TYPE_RAW);
        match e {
            Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV | Errno::NXIO if hardware => {
                unsupported(
                    context(),
                    "this hardware counter",
                    "a processor with performance counters; virtual machines often hide them",
                    "use software:cpu-clock or profile",
                )
            }
            Errno::NOENT | Errno::OPNOTSUPP => {
                unsupported(context(), "this counter", "a newer kernel", "")
            }
            Errno::INVAL => {
                let limit = "kernel.perf_event_max_sample_rate";
                let text = format!(
                    "the kernel refuses the rate {:?} (see the sysctl {limit})",
                    event.rate
                );
                let mut error = os(context(), e);
                error.kind = skep_engine::ErrorKind::Other(text);
                error
            }
            e => open_error(&context(), e),
        }
    })
}

fn counter(
    kernel: &Kernel,
    program: &KernelProgram,
    event: &PerfEvent,
) -> Result<KernelLink, Error> {
    let mut link = KernelLink::default();
    let mut quick = Vec::new();
    for scope in scopes(event)? {
        let fd = match open_counter(event, scope) {
            Ok(fd) => fd,
            // A thread that has ended since we listed it.
            Err(e) if e.errno == Some(Errno::SRCH.raw_os_error()) && link.places > 0 => continue,
            Err(e) => return Err(e),
        };
        add_event(
            kernel,
            &mut link,
            program,
            fd,
            event.cookie,
            &format!("attach {}", counter_name(event)),
        )?;
        quick.append(&mut link.events);
    }
    for event_fd in quick.iter().chain(&link.holding) {
        perf::enable(event_fd.as_fd())
            .map_err(|e| os(format!("start {}", counter_name(event)), e))?;
    }
    // Closing one of these waits for nothing, so they need not go behind.
    link.holding.append(&mut quick);
    Ok(link)
}
