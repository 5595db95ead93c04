//! What the compiler asks of the machine that the script is for. The command line answers with the running kernel; tests with a
//! few lines of text.

use std::path::{Path, PathBuf};

use skep_abi::Target;
use skep_btf::Btf;
use skep_engine::{Attach, Error};

/// A machine to compile for.
pub trait Host {
    /// What its kernel offers.
    fn target(&self) -> &Target;
    /// BTF of the kernel, where it has one.
    fn btf(&self) -> Option<&Btf>;
    /// The `format` file of a tracepoint.
    fn tracepoint_format(&self, category: &str, name: &str) -> Result<String, Error>;
    /// All tracepoints: category and name.
    fn tracepoints(&self) -> Result<Vec<(String, String)>, Error>;
    /// All raw tracepoints.
    fn raw_tracepoints(&self) -> Result<Vec<String>, Error>;
    /// Functions that a kprobe can be put on: module (`vmlinux` for none) and name.
    fn kernel_functions(&self) -> Result<Vec<(String, String)>, Error>;
    /// Address of a kernel symbol.
    fn kernel_symbol(&self, name: &str) -> Option<u64>;
    /// Files meant by the path of a uprobe: a path (with wildcards), a program of PATH, a library (`libc`); seen from the root of `pid`.
    fn binaries(&self, spec: &str, pid: Option<i32>) -> Result<Vec<PathBuf>, Error>;
    /// Functions of an executable file.
    fn user_functions(&self, path: &Path) -> Result<Vec<UserFunction>, Error>;
    /// A symbol of an executable file.
    fn user_symbol(&self, path: &Path, name: &str) -> Result<Option<UserFunction>, Error>;
    /// The file offset of a virtual address of an executable file.
    fn file_offset(&self, path: &Path, address: u64) -> Result<Option<u64>, Error>;
    /// Id of a cgroup by its path.
    fn cgroup_id(&self, path: &str) -> Result<u64, Error>;
    /// How many CPUs the kernel may ever have.
    fn possible_cpus(&self) -> u32;
    /// Whether the machine can attach there; asked before anything is attached.
    fn check_attach(&self, attach: &Attach) -> Result<(), Error>;
}

/// A function of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFunction {
    /// Name as in the symbol table.
    pub name: String,
    /// Virtual address.
    pub address: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}
