//! The engine itself: what is known about the running kernel, and what is looked up in it once.

use std::fs::File;
use std::sync::{Arc, OnceLock};

use skep_abi::{Target, Version};
use skep_btf::Btf;
use skep_engine::{Attach, Engine, Error, ErrorKind, Loaded};
use skep_object::Object;

use crate::error::{io, missing, other};
use crate::load::KernelObject;
use crate::sys::{self, mem::MappedFile};
use crate::tracefs::Tracefs;
use crate::{attach, cpus, error, features, load};

/// The running kernel's own types.
pub(crate) const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel as an engine. Cheap to make and to clone; what is probed or read is kept for all clones.
#[derive(Clone, Debug)]
pub struct Kernel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: Version,
    target: Target,
    possible: OnceLock<usize>,
    tracefs: OnceLock<Tracefs>,
    btf: OnceLock<Arc<Btf>>,
}

impl Kernel {
    /// The kernel that runs this process.
    pub fn new() -> Result<Kernel, Error> {
        let version = features::version()?;
        Ok(Kernel(Arc::new(Inner {
            version,
            target: features::target(version),
            possible: OnceLock::new(),
            tracefs: OnceLock::new(),
            btf: OnceLock::new(),
        })))
    }

    /// The same kernel, used as if it offered only `target`: so that the ways for older kernels are tried on a newer one.
    #[must_use]
    pub fn with_target(self, target: Target) -> Kernel {
        Kernel(Arc::new(Inner {
            version: target.version().unwrap_or(self.0.version),
            target,
            possible: self.0.possible.clone(),
            tracefs: self.0.tracefs.clone(),
            btf: self.0.btf.clone(),
        }))
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// How many CPUs there could ever be: the number of values of a per-CPU map.
    pub fn possible_cpus(&self) -> Result<usize, Error> {
        if let Some(n) = self.0.possible.get() {
            return Ok(*n);
        }
        let n = cpus::possible()?.len();
        Ok(*self.0.possible.get_or_init(|| n))
    }

    /// The tracing file system; mounted if it is not and we may.
    pub fn tracefs(&self) -> Result<&Tracefs, Error> {
        if let Some(t) = self.0.tracefs.get() {
            return Ok(t);
        }
        let found = Tracefs::find()?;
        Ok(self.0.tracefs.get_or_init(|| found))
    }

    /// The kernel's own types, read when first asked for.
    pub fn vmlinux_btf(&self) -> Result<Arc<Btf>, Error> {
        if let Some(btf) = self.0.btf.get() {
            return Ok(btf.clone());
        }
        let btf = Arc::new(read_btf(VMLINUX_BTF)?);
        Ok(self.0.btf.get_or_init(|| btf).clone())
    }

    /// As [`Engine::load`], with what only a kernel's objects have.
    pub fn load_object(&self, object: &Object) -> Result<KernelObject, Error> {
        load::load(self, object)
    }

    /// Whether the kernel can do this attachment, told without attaching anything: the feature is there, the named
    /// tracepoints, functions and files exist.
    pub fn check_attach(&self, at: &Attach) -> Result<(), Error> {
        attach::check(self, at)
    }

    /// Allows as many open files as the system lets us have: each attachment is one or two.
    pub fn raise_file_limit(&self) -> Result<(), Error> {
        sys::misc::raise_nofile().map_err(|e| error::os("raise the limit of open files", e))
    }

    /// Counts the runs and run times of all programs (see [`KernelObject::run_stats`]) as long as the guard lives.
    pub fn enable_stats(&self) -> Result<StatsGuard, Error> {
        sys::bpf::enable_stats().map(|fd| StatsGuard { _fd: fd }).map_err(|e| match e {
            sys::Errno::PERM => error::permission("count the programs' run times", e),
            _ => error::os("count the programs' run times", e),
        })
    }
}

impl Engine for Kernel {
    fn target(&self) -> &Target {
        &self.0.target
    }

    fn load(&self, object: &Object) -> Result<Box<dyn Loaded>, Error> {
        Ok(Box::new(self.load_object(object)?))
    }
}

/// As long as it lives, the kernel counts the runs of BPF programs and their time.
#[derive(Debug)]
pub struct StatsGuard {
    _fd: std::os::fd::OwnedFd,
}

/// The types in one file under `/sys/kernel/btf`: mapped where the kernel can (Linux 6.16), read where not.
fn read_btf(path: &str) -> Result<Btf, Error> {
    let context = || format!("read the kernel's types from {path}");
    let file = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => missing(context(), skep_abi::Feature::VmlinuxBtf),
        _ => io(context(), &e),
    })?;
    let len = file.metadata().map_or(0, |m| m.len()) as usize;
    let parsed = match MappedFile::new(&file, len) {
        Ok(mapped) => Btf::parse(mapped, None),
        Err(_) => Btf::parse(read_whole(file).map_err(|e| io(context(), &e))?, None),
    };
    parsed.map_err(|e| other(context(), e.to_string()))
}

fn read_whole(mut file: File) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::with_capacity(file.metadata().map_or(0, |m| m.len()) as usize);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Turns "the kernel does not know this" into the version that does.
pub(crate) fn since(
    target: &Target,
    item: impl Into<skep_abi::Item>,
    context: &str,
) -> Option<Error> {
    let unsupported = target.require(item).err()?;
    Some(Error {
        kind: ErrorKind::Unsupported {
            feature: unsupported.item.to_string(),
            needs: format!("Linux {}", unsupported.item.since()),
            instead: unsupported.item.instead().unwrap_or_default().into(),
        },
        context: context.into(),
        errno: None,
    })
}
