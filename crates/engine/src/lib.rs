//! What every engine offers: an `Object` is loaded, its programs attached or run, its maps read and written, its events
//! drained. `skep-kernel` implements these traits over bpf(2); a user-space machine will too. A user of a script or an object sees only these.

mod rejection;

use std::fmt;
use std::time::Duration;

use skep_abi::Target;
use skep_object::{MapRef, Object};

pub use rejection::Rejection;

/// Something that runs objects.
pub trait Engine {
    /// What this engine offers.
    fn target(&self) -> &Target;
    /// Creates the maps and loads the programs; nothing is attached yet.
    fn load(&self, object: &Object) -> Result<Box<dyn Loaded>, Error>;
}

/// Maps and programs of one object, alive until dropped. Programs may be run from one thread while another reads their events.
pub trait Loaded: Send + Sync {
    /// A map, or `None` past the end.
    fn map(&self, map: MapRef) -> Option<&dyn Map>;
    /// Attaches program number `program` to each of the places; the link holds them all. On an error nothing stays attached.
    fn attach(&self, program: usize, at: &Attach) -> Result<Box<dyn Link>, Error>;
    /// Undoes many attachments at once, where an engine can do that faster than one after the other.
    fn detach(&self, links: Vec<Box<dyn Link>>) {
        drop(links);
    }
    /// Runs a program once with `ctx` as its context; gives its return value.
    fn run_once(&self, program: usize, ctx: &[u8]) -> Result<u32, Error>;
    /// Opens the stream of records that programs write to a ring buffer or a perf event array.
    fn events(&self, map: MapRef) -> Result<Box<dyn Events>, Error>;
}

/// Where programs are attached. Several places of one kind go together so that an engine can use one multi-link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// Tracepoints.
    Tracepoints(Vec<Tracepoint>),
    /// A raw tracepoint by name.
    RawTracepoint(String),
    /// Kernel functions.
    Kprobes {
        /// At the return instead of the entry.
        ret: bool,
        /// The functions.
        sites: Vec<KernelSite>,
    },
    /// Functions of one executable or library.
    Uprobes {
        /// At the return instead of the entry.
        ret: bool,
        /// File.
        path: std::path::PathBuf,
        /// Only in this process.
        pid: Option<i32>,
        /// The places.
        sites: Vec<UserSite>,
    },
    /// A perf event: software or hardware counter, or a timed sample.
    Perf(PerfEvent),
}

/// A tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracepoint {
    /// Category, such as `sched`.
    pub category: String,
    /// Name, such as `sched_switch`.
    pub name: String,
    /// What `bpf_get_attach_cookie` gives there.
    pub cookie: u64,
}

/// A kernel function, by name with an offset, or by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSite {
    /// Function; empty for an address.
    pub function: String,
    /// Offset into the function, or the address.
    pub offset: u64,
    /// What `bpf_get_attach_cookie` gives there.
    pub cookie: u64,
}

/// A place in an executable file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSite {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// What `bpf_get_attach_cookie` gives there.
    pub cookie: u64,
}

/// A perf event to sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerfEvent {
    /// `PERF_TYPE_*`.
    pub kind: u32,
    /// `PERF_COUNT_*`.
    pub config: u64,
    /// How often.
    pub rate: Rate,
    /// On which CPUs.
    pub cpus: Cpus,
    /// Only this process.
    pub pid: Option<i32>,
    /// What `bpf_get_attach_cookie` gives there.
    pub cookie: u64,
}

/// Sampling rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Every so many events (nanoseconds for a clock).
    Period(u64),
    /// So many times a second.
    Frequency(u64),
}

/// A choice of CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpus {
    /// Every online CPU.
    All,
    /// One of them, the engine's choice.
    One,
}

/// An attachment, undone when dropped.
pub trait Link: Send {
    /// How many places are attached.
    fn count(&self) -> usize;
}

/// A map seen from user space. Keys and values are in the machine's byte order, values of per-CPU maps are one after the other, each
/// padded to 8 bytes.
pub trait Map {
    /// Bytes of a whole value as `for_each` and `lookup` give it.
    fn value_len(&self) -> usize;
    /// How many values a per-CPU map has for a key; 1 for other maps.
    fn cpus(&self) -> usize;
    /// Reads the value of a key into `value`; false if there is none.
    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, Error>;
    /// Writes the value of a key.
    fn update(&self, key: &[u8], value: &[u8]) -> Result<(), Error>;
    /// Removes a key; false if there was none.
    fn delete(&self, key: &[u8]) -> Result<bool, Error>;
    /// Calls `f` with every key and value, in batches where the engine can.
    fn for_each(&self, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error>;
    /// Removes every key (in an array: zeroes every value).
    fn clear(&self) -> Result<(), Error>;
    /// Zeroes every value, keeping the keys.
    fn zero(&self) -> Result<(), Error>;
    /// Reads `out.len()` bytes at `off` of the only value of an array of global data.
    fn read_global(&self, off: u32, out: &mut [u8]) -> Result<(), Error>;
    /// Writes them.
    fn write_global(&self, off: u32, data: &[u8]) -> Result<(), Error>;
}

/// A stream of records.
pub trait Events {
    /// Hands over what is there without waiting; gives the number of records. `f` returns false to stop early: what follows stays for the
    /// next call.
    fn drain(&mut self, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize, Error>;
    /// Waits until there is something, a signal came, or the time is over (`None`: without end).
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error>;
    /// Records lost in the transport itself, all CPUs together, since it was opened (a ring buffer loses none: its producers count).
    fn lost(&mut self) -> u64;
    /// A file descriptor for poll(2), where the engine has one.
    fn fd(&self) -> Option<i32>;
}

/// Why an engine refused.
#[derive(Debug)]
pub struct Error {
    /// Kind, for programs.
    pub kind: ErrorKind,
    /// What was being done, such as "load program `tracepoint_1`".
    pub context: String,
    /// errno, where a system call failed.
    pub errno: Option<i32>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The verifier rejected a program: its number in the object and the whole log.
    Rejected {
        /// Program's index.
        program: usize,
        /// Verifier's log.
        log: String,
    },
    /// The engine lacks a feature: what, which option or version has it, and what to do instead.
    Unsupported {
        /// What is missing.
        feature: String,
        /// Where it would be had, such as "CONFIG_KPROBES" or "Linux 5.18".
        needs: String,
        /// What could be used instead; may be empty.
        instead: String,
    },
    /// The caller lacks a privilege.
    Permission,
    /// The named thing (tracepoint, function, file) does not exist.
    NotFound,
    /// A map has no room.
    Full,
    /// Anything else.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.kind {
            ErrorKind::Rejected { .. } => f.write_str(": the kernel's verifier rejected it")?,
            ErrorKind::Unsupported { feature, needs, instead } => {
                write!(f, ": {feature} is not available here (needs {needs})")?;
                if !instead.is_empty() {
                    write!(f, "; {instead}")?;
                }
            }
            ErrorKind::Permission => f.write_str(": not permitted")?,
            ErrorKind::NotFound => f.write_str(": not found")?,
            ErrorKind::Full => f.write_str(": no room")?,
            ErrorKind::Other(text) if !text.is_empty() => write!(f, ": {text}")?,
            ErrorKind::Other(_) => {}
        }
        match self.errno {
            Some(n) => write!(f, " ({})", std::io::Error::from_raw_os_error(n)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
