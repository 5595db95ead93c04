//! The running machine as the compiler sees it: the kernel crate's answers, each asked for only when a script needs it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use skep_abi::Target;
use skep_btf::Btf;
use skep_engine::{Attach, Engine, Error, ErrorKind};
use skep_kernel::{Elf, Kallsyms, Kernel, resolve_binary};
use skep_trace::glob::{Glob, is_glob};
use skep_trace::host::{Host, UserFunction};

/// The running kernel and the files of this machine.
pub(crate) struct LiveHost {
    pub(crate) kernel: Kernel,
    btf: OnceCell<Option<Arc<Btf>>>,
    kallsyms: OnceCell<Option<Kallsyms>>,
    /// Executables that were opened: a wildcard asks for many symbols of one.
    files: RefCell<HashMap<PathBuf, Rc<Elf>>>,
}

impl LiveHost {
    pub(crate) fn new() -> Result<LiveHost, String> {
        let kernel = Kernel::new().map_err(|e| e.to_string())?;
        Ok(LiveHost {
            kernel,
            btf: OnceCell::new(),
            kallsyms: OnceCell::new(),
            files: RefCell::default(),
        })
    }

    fn elf(&self, path: &Path) -> Result<Rc<Elf>, Error> {
        if let Some(elf) = self.files.borrow().get(path) {
            return Ok(elf.clone());
        }
        let elf = Rc::new(Elf::open(path)?);
        self.files.borrow_mut().insert(path.into(), elf.clone());
        Ok(elf)
    }
}

fn not_found(context: String) -> Error {
    Error { kind: ErrorKind::NotFound, context, errno: None }
}

fn user_function(f: skep_kernel::UserFunction) -> UserFunction {
    UserFunction { name: f.name, address: f.address, offset: f.offset, size: f.size }
}

impl Host for LiveHost {
    fn target(&self) -> &Target {
        self.kernel.target()
    }

    fn btf(&self) -> Option<&Btf> {
        self.btf.get_or_init(|| self.kernel.vmlinux_btf().ok()).as_deref()
    }

    fn tracepoint_format(&self, category: &str, name: &str) -> Result<String, Error> {
        self.kernel.tracefs()?.format(category, name)
    }

    fn tracepoints(&self) -> Result<Vec<(String, String)>, Error> {
        self.kernel.tracefs()?.all_tracepoints()
    }

    fn raw_tracepoints(&self) -> Result<Vec<String>, Error> {
        self.kernel.raw_tracepoints()
    }

    fn kernel_functions(&self) -> Result<Vec<(String, String)>, Error> {
        let all = self.kernel.functions()?;
        Ok(all
            .into_iter()
            .map(|f| (f.module.unwrap_or_else(|| "vmlinux".into()), f.name))
            .collect())
    }

    fn kernel_symbol(&self, name: &str) -> Option<u64> {
        let symbols = self.kallsyms.get_or_init(|| Kallsyms::read().ok()).as_ref()?;
        symbols.address(name).filter(|a| *a != 0)
    }

    fn binaries(&self, spec: &str, pid: Option<i32>) -> Result<Vec<PathBuf>, Error> {
        let inside = |path: PathBuf| match pid {
            Some(pid) => skep_kernel::path_for_process(&path, pid),
            None => path,
        };
        if !is_glob(spec) {
            let path = inside(resolve_binary(spec)?);
            if !path.exists() {
                return Err(not_found(format!("file {}", path.display())));
            }
            return Ok(vec![path]);
        }
        // Of one process: the files that it has mapped as code.
        let found = match pid {
            Some(pid) if spec == "*" => mapped(pid).into_iter().map(inside).collect(),
            _ => expand(&inside(PathBuf::from(spec))),
        };
        if found.is_empty() {
            return Err(not_found(format!("a file that matches {spec}")));
        }
        Ok(found)
    }

    fn user_functions(&self, path: &Path) -> Result<Vec<UserFunction>, Error> {
        Ok(self.elf(path)?.functions()?.into_iter().map(user_function).collect())
    }

    fn user_symbol(&self, path: &Path, name: &str) -> Result<Option<UserFunction>, Error> {
        match self.elf(path)?.symbol(name) {
            Ok(f) => Ok(Some(user_function(f))),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn file_offset(&self, path: &Path, address: u64) -> Result<Option<u64>, Error> {
        match self.elf(path)?.offset_of_address(address) {
            Ok(offset) => Ok(Some(offset)),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn cgroup_id(&self, path: &str) -> Result<u64, Error> {
        use std::os::unix::fs::MetadataExt;
        // The id of a cgroup is the inode number of its directory (cgroup v2, kernfs).
        let meta = std::fs::metadata(path).map_err(|e| Error {
            kind: if e.kind() == std::io::ErrorKind::NotFound {
                ErrorKind::NotFound
            } else {
                ErrorKind::Permission
            },
            context: format!("cgroup {path}"),
            errno: e.raw_os_error(),
        })?;
        Ok(meta.ino())
    }

    fn possible_cpus(&self) -> u32 {
        self.kernel.possible_cpus().unwrap_or(1) as u32
    }

    fn check_attach(&self, attach: &Attach) -> Result<(), Error> {
        self.kernel.check_attach(attach)
    }
}

/// Files that match a path with wildcards, sorted; a wildcard does not match a `/`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy();
        if !is_glob(&text) {
            found.iter_mut().for_each(|p| p.push(part));
            continue;
        }
        let glob = Glob::new(&text);
        found = found.iter().flat_map(|dir| matching(dir, &glob)).collect();
    }
    found.retain(|p| p.is_file());
    found.sort();
    found
}

fn matching(dir: &Path, glob: &Glob) -> Vec<PathBuf> {
    let here = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let Ok(entries) = std::fs::read_dir(here) else { return Vec::new() };
    entries
        .flatten()
        .filter(|e| glob.matches(&e.file_name().to_string_lossy()))
        .map(|e| dir.join(e.file_name()))
        .collect()
}

/// Executable files mapped into a process, each once.
fn mapped(pid: i32) -> Vec<PathBuf> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let code = maps.lines().filter(|l| l.split(' ').nth(1).is_some_and(|p| p.contains('x')));
    let mut files: Vec<PathBuf> =
        code.filter_map(|l| l.find('/').map(|at| PathBuf::from(&l[at..]))).collect();
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_paths_find_files() {
        assert_eq!(expand(Path::new("/proc/sel[f]/stat")), [PathBuf::from("/proc/self/stat")]);
        assert!(expand(Path::new("/proc/self/no*such")).is_empty());
    }
}
