//! Kprobes and uprobes: one multi-link for many places where the kernel has it, else a perf event for each.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use skep_abi::{AttachType, Feature};
use skep_engine::{Engine, Error, KernelSite, UserSite};

use super::fill::{self, Pmu};
use super::link::KernelLink;
use super::tracefs_probe::TracefsProbe;
use super::{add_event, open_error};
use crate::error::{missing, not_found, os, other};
use crate::features::EVENT_SOURCES;
use crate::kernel::Kernel;
use crate::load::KernelProgram;
use crate::sys::bpf::{self, KernelPlaces};
use crate::sys::perf::{self, Attr, Scope};
use crate::sys::{Errno, perf::RawAttr};

/// Where a uprobe's places are.
#[derive(Clone, Copy)]
pub(super) struct UserFile<'a> {
    pub(super) path: &'a Path,
    pub(super) pid: Option<i32>,
    pub(super) ret: bool,
}

impl UserFile<'_> {
    fn scope(&self, cpu: u32) -> Scope {
        self.pid.map_or(Scope::Cpu(cpu), Scope::Thread)
    }
}

fn pmu(name: &str) -> Option<Pmu> {
    let dir = Path::new(EVENT_SOURCES).join(name);
    let kind = std::fs::read_to_string(dir.join("type")).ok()?;
    let retprobe = std::fs::read_to_string(dir.join("format/retprobe")).ok()?;
    Pmu::parse(&kind, &retprobe)
}

/// A path inside the root directory of a process, as a path here.
///
/// A process in a container sees other files under the same names; the kernel wants the file that we see.
pub fn path_for_process(path: &Path, pid: i32) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let inside = root.join(path.strip_prefix("/").unwrap_or(path));
    // The same root as ours: the plain path reads better in messages and in bpftool.
    match (std::fs::read_link(&root), inside.exists()) {
        (Ok(target), _) if target == Path::new("/") && path.exists() => path.into(),
        (_, true) => inside,
        _ => path.into(),
    }
}

/// How a kernel place is called in messages.
fn site_name(ret: bool, site: &KernelSite) -> String {
    let kind = if ret { "kretprobe" } else { "kprobe" };
    match (site.function.as_str(), site.offset) {
        ("", address) => format!("{kind}:{address:#x}"),
        (f, 0) => format!("{kind}:{f}"),
        (f, off) => format!("{kind}:{f}+{off:#x}"),
    }
}

/// Whether this kernel has kprobes at all, and whether the places can be.
pub(super) fn check_kernel(kernel: &Kernel, ret: bool, sites: &[KernelSite]) -> Result<(), Error> {
    let Some(first) = sites.first() else { return Ok(()) };
    if !kernel.target().has(Feature::Kprobe) {
        let name = if ret { "kretprobes" } else { "kprobes" };
        let context = format!("attach {}", site_name(ret, first));
        let needs = "a kernel with CONFIG_KPROBES and CONFIG_KPROBE_EVENTS";
        let instead = "use a tracepoint or a rawtracepoint near it (list them with a wildcard)";
        return Err(crate::error::unsupported(context, name, needs, instead));
    }
    match sites.iter().find(|s| ret && s.offset != 0 && !s.function.is_empty()) {
        Some(s) => Err(other(format!("attach {}", site_name(ret, s)), "a return has no offset")),
        None => Ok(()),
    }
}

pub(super) fn attach_kernel(
    kernel: &Kernel,
    program: &KernelProgram,
    ret: bool,
    sites: &[KernelSite],
) -> Result<KernelLink, Error> {
    check_kernel(kernel, ret, sites)?;
    if sites.len() > 1
        && kernel.target().has(Feature::KprobeMulti)
        && let Some(link) = kernel_multi(program, ret, sites)?
    {
        return Ok(link);
    }
    let mut link = KernelLink::default();
    let pmu = pmu("kprobe").filter(|_| kernel.target().has(Feature::KprobePmu));
    for site in sites {
        let context = format!("attach {}", site_name(ret, site));
        let name = CString::new(site.function.as_str()).map_err(|_| not_found(context.clone()))?;
        let event = match pmu {
            Some(pmu) => {
                let attr = named(pmu.attr(ret, site.offset), &name);
                perf::open(&attr, Scope::Cpu(super::one_cpu()?))
                    .map_err(|e| open_error(&context, e))?
            }
            None => {
                let line = |event: &str| {
                    Some(fill::kprobe_line(event, ret, &site.function, site.offset).into_bytes())
                };
                let probe = TracefsProbe::create(kernel.tracefs()?, "kprobe_events", line)?;
                let event = probe.open(Scope::Cpu(super::one_cpu()?))?;
                link.probes.push(probe);
                event
            }
        };
        add_event(kernel, &mut link, program, event, site.cookie, &context)?;
    }
    Ok(link)
}

/// Attributes that point to the name, if there is one.
fn named(raw: RawAttr, name: &CStr) -> Attr<'_> {
    if name.is_empty() { Attr::new(raw) } else { Attr::with_name(raw, name) }
}

/// One link for all functions. `None` where it cannot do it: places inside functions, or a kernel without.
fn kernel_multi(
    program: &KernelProgram,
    ret: bool,
    sites: &[KernelSite],
) -> Result<Option<KernelLink>, Error> {
    let named = sites.iter().all(|s| !s.function.is_empty() && s.offset == 0);
    let addresses = sites.iter().all(|s| s.function.is_empty());
    if !named && !addresses {
        return Ok(None);
    }
    let fd = match program.for_multi(AttachType::TraceKprobeMulti) {
        Some(Ok(fd)) => fd,
        // A program of another attach type; or a kernel that does not know this one.
        None | Some(Err(_)) => return Ok(None),
    };
    let names: Vec<CString> =
        sites.iter().filter_map(|s| CString::new(s.function.as_str()).ok()).collect();
    let names: Vec<&CStr> = names.iter().map(CString::as_c_str).collect();
    let offsets: Vec<u64> = sites.iter().map(|s| s.offset).collect();
    let cookies: Vec<u64> = sites.iter().map(|s| s.cookie).collect();
    let at = if named { KernelPlaces::Names(&names) } else { KernelPlaces::Addresses(&offsets) };
    match bpf::link_kprobe_multi(fd, ret, at, &cookies) {
        Ok(link) => Ok(Some(KernelLink::one(link, sites.len()))),
        // No CONFIG_FPROBE, or one function that ftrace cannot do, which alone may work or says which it is.
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOENT | Errno::SRCH) => Ok(None),
        Err(e) => Err(open_error(&format!("attach {} functions", sites.len()), e)),
    }
}

fn user_name(file: &UserFile<'_>, offset: u64) -> String {
    let kind = if file.ret { "uretprobe" } else { "uprobe" };
    format!("{kind}:{}:{offset:#x}", file.path.display())
}

/// Whether this kernel has uprobes, and the file is there.
pub(super) fn check_user(
    kernel: &Kernel,
    file: &UserFile<'_>,
    sites: &[UserSite],
) -> Result<(), Error> {
    let context = || format!("attach {}", user_name(file, sites.first().map_or(0, |s| s.offset)));
    if !kernel.target().has(Feature::Uprobe) {
        return Err(missing(context(), Feature::Uprobe));
    }
    let metadata = std::fs::metadata(file.path).map_err(|e| crate::error::io(context(), &e))?;
    if !metadata.is_file() {
        return Err(other(context(), "it is not a file"));
    }
    match sites.iter().find(|s| s.offset >= metadata.len()) {
        Some(site) => Err(other(
            format!("attach {}", user_name(file, site.offset)),
            "the file is shorter than that",
        )),
        None => Ok(()),
    }
}

pub(super) fn attach_user(
    kernel: &Kernel,
    program: &KernelProgram,
    file: UserFile<'_>,
    sites: &[UserSite],
) -> Result<KernelLink, Error> {
    check_user(kernel, &file, sites)?;
    let path = CString::new(file.path.as_os_str().as_bytes())
        .map_err(|_| not_found(file.path.to_string_lossy()))?;
    if sites.len() > 1
        && kernel.target().has(Feature::UprobeMulti)
        && let Some(link) = user_multi(program, &file, &path, sites)?
    {
        return Ok(link);
    }
    let mut link = KernelLink::default();
    let pmu = pmu("uprobe").filter(|_| kernel.target().has(Feature::UprobePmu));
    let cpu = super::one_cpu()?;
    for site in sites {
        let context = format!("attach {}", user_name(&file, site.offset));
        let event = match pmu {
            Some(pmu) => {
                let attr = Attr::with_name(pmu.attr(file.ret, site.offset), &path);
                perf::open(&attr, file.scope(cpu)).map_err(|e| open_error(&context, e))?
            }
            None => {
                let probe = named_user_probe(kernel, &file, &path, site)?;
                let event = probe.open(file.scope(cpu))?;
                link.probes.push(probe);
                event
            }
        };
        add_event(kernel, &mut link, program, event, site.cookie, &context)?;
    }
    Ok(link)
}

fn named_user_probe(
    kernel: &Kernel,
    file: &UserFile<'_>,
    path: &CStr,
    site: &UserSite,
) -> Result<TracefsProbe, Error> {
    let line = |event: &str| fill::uprobe_line(event, file.ret, path.to_bytes(), site.offset);
    TracefsProbe::create(kernel.tracefs()?, "uprobe_events", line)
}

/// One link for all places. `None` where the kernel cannot.
fn user_multi(
    program: &KernelProgram,
    file: &UserFile<'_>,
    path: &CStr,
    sites: &[UserSite],
) -> Result<Option<KernelLink>, Error> {
    let fd = match program.for_multi(AttachType::TraceUprobeMulti) {
        Some(Ok(fd)) => fd,
        None | Some(Err(_)) => return Ok(None),
    };
    let offsets: Vec<u64> = sites.iter().map(|s| s.offset).collect();
    let cookies: Vec<u64> = sites.iter().map(|s| s.cookie).collect();
    let pid = file.pid.map_or(0, |p| p as u32);
    match bpf::link_uprobe_multi(fd, file.ret, path, pid, &offsets, &cookies) {
        Ok(link) => Ok(Some(KernelLink::one(link, sites.len()))),
        Err(Errno::OPNOTSUPP | Errno::INVAL) => Ok(None),
        Err(e) => {
            let context = format!("attach {} places of {}", sites.len(), file.path.display());
            Err(if e == Errno::PERM {
                crate::error::permission(&context, e)
            } else {
                os(context, e)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The old way through `uprobe_events`, which this kernel's PMU hides.
    #[test]
    fn a_named_probe_is_made_opened_and_removed() {
        let Some(kernel) = crate::testing::kernel("probes in tracefs") else { return };
        let path = std::fs::canonicalize("/proc/self/exe").unwrap();
        let file = UserFile { path: &path, pid: None, ret: false };
        let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
        let elf = crate::elf::Elf::open(&path).unwrap();
        let function = elf.functions().unwrap().remove(0);
        let site = UserSite { offset: function.offset, cookie: 0 };
        let events = || {
            std::fs::read_to_string(kernel.tracefs().unwrap().root().join("uprobe_events")).unwrap()
        };
        let probe = named_user_probe(&kernel, &file, &c_path, &site).unwrap();
        assert!(events().contains(&format!("skep/p{}_", std::process::id())));
        drop(probe.open(Scope::Cpu(0)).unwrap());
        drop(probe);
        assert!(!events().contains(&format!("skep/p{}_", std::process::id())));
    }

    #[test]
    fn sites_have_the_names_that_users_write() {
        let site =
            |function: &str, offset| KernelSite { function: function.into(), offset, cookie: 0 };
        assert_eq!(site_name(false, &site("f", 0)), "kprobe:f");
        assert_eq!(site_name(true, &site("f", 0)), "kretprobe:f");
        assert_eq!(site_name(false, &site("f", 16)), "kprobe:f+0x10");
        assert_eq!(site_name(false, &site("", 255)), "kprobe:0xff");
    }
}
