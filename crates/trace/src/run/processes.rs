//! What lay where in the memory of processes, kept beyond their end.
//!
//! When a process is first seen its executable mappings are read and the files behind them opened, so that its addresses can be named after it
//! has ended, and after its files have been replaced or its container is gone. A process that calls execve, or whose number is used again,
//! gets another image; an address is looked up in the newest first. Everything is bounded: processes, images of each, open files.
//! proc_pid_maps(5), proc_pid_map_files(5), proc_pid_stat(5).

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Most processes that are remembered.
const PROCESSES: usize = 4096;
/// Most images of one process.
const IMAGES: usize = 4;
/// Most files that are kept open.
const FILES: usize = 512;
/// How long an image is taken to be current.
const CURRENT: Duration = Duration::from_millis(100);

/// An executable file, held open.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    /// Number that no other file of the session has.
    pub id: u64,
    /// Path as the process sees it.
    pub path: Box<str>,
}

impl OpenFile {
    /// A path by which this very file can be opened again.
    pub fn reopen(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// What is at an address.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file, and the offset in it.
    File(Rc<OpenFile>, u64),
    /// The kernel's shared object, and the offset in it.
    Vdso(u64),
    /// Memory without a file, such as what a JIT compiler made.
    Anonymous,
}

#[derive(Debug)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    what: Mapped,
}

#[derive(Debug)]
enum Mapped {
    File(Rc<OpenFile>),
    /// A file that could not be opened.
    Lost,
    Vdso,
    Anonymous,
}

#[derive(Debug)]
struct Image {
    generation: Generation,
    mappings: Vec<Mapping>,
}

/// Tells one image of a process number from the next: when the process began, and what it executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Generation {
    start: u64,
    exe: (u64, u64),
}

#[derive(Debug)]
struct Process {
    /// The newest last.
    images: Vec<Image>,
    /// When its mappings were read last.
    read: Instant,
    /// When it was last seen to be the same process still.
    checked: Instant,
}

/// Processes that were seen.
#[derive(Debug, Default)]
pub struct Processes {
    known: HashMap<u32, Process>,
    /// Process numbers in the order in which they came.
    order: VecDeque<u32>,
    files: HashMap<(String, u64), Weak<OpenFile>>,
    next_id: u64,
}

impl Processes {
    /// Reads a process that was just seen for the first time.
    pub fn seen(&mut self, pid: u32) {
        self.read(pid);
    }

    /// Finds what is at an address.
    pub fn find(&mut self, pid: u32, address: u64) -> Option<Place> {
        let stale = match self.known.get_mut(&pid) {
            None => true,
            Some(p) if p.checked.elapsed() < CURRENT => false,
            Some(p) => {
                p.checked = Instant::now();
                p.generation() != generation(pid)
            }
        };
        if stale {
            self.read(pid);
        }
        let found = self.known.get(&pid).and_then(|p| p.find(address));
        if found.is_some() || stale {
            return found;
        }
        // A library that was loaded since.
        if self.known.get(&pid).is_some_and(|p| p.read.elapsed() >= CURRENT / 10) {
            self.read(pid);
        }
        self.known.get(&pid).and_then(|p| p.find(address))
    }

    fn read(&mut self, pid: u32) {
        let before = generation(pid);
        let text = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let mappings = match before {
            Some(_) => self.parse(pid, &text),
            None => Vec::new(),
        };
        let process = self.known.entry(pid).or_insert_with(|| {
            self.order.push_back(pid);
            Process { images: Vec::new(), read: Instant::now(), checked: Instant::now() }
        });
        process.read = Instant::now();
        process.checked = process.read;
        // A process that has ended has no mappings; what is known of it stays.
        if let (Some(generation), false) = (before, mappings.is_empty()) {
            process.images.retain(|image| image.generation != generation);
            process.images.push(Image { generation, mappings });
            if process.images.len() > IMAGES {
                process.images.remove(0);
            }
        }
        self.forget_old();
    }

    /// Forgets the processes seen first while there are too many, or their files are.
    fn forget_old(&mut self) {
        if self.files.len() > FILES {
            self.files.retain(|_, file| file.strong_count() > 0);
        }
        while self.order.len() > PROCESSES || (self.files.len() > FILES && self.order.len() > 1) {
            let Some(pid) = self.order.pop_front() else { return };
            self.known.remove(&pid);
            if self.files.len() > FILES {
                self.files.retain(|_, file| file.strong_count() > 0);
            }
        }
    }

    fn parse(&mut self, pid: u32, text: &str) -> Vec<Mapping> {
        let mut mappings = Vec::new();
        for line in text.lines().filter_map(Line::parse) {
            let what = match line.path {
                "[vdso]" => Mapped::Vdso,
                "" => Mapped::Anonymous,
                path if path.starts_with('[') || line.inode == 0 => Mapped::Anonymous,
                _ => self.open(pid, &line).map_or(Mapped::Lost, Mapped::File),
            };
            let Line { start, end, offset, .. } = line;
            mappings.push(Mapping { start, end, offset, what });
        }
        mappings
    }

    fn open(&mut self, pid: u32, line: &Line<'_>) -> Option<Rc<OpenFile>> {
        let key = (line.device.to_owned(), line.inode);
        if let Some(file) = self.files.get(&key).and_then(Weak::upgrade) {
            return Some(file);
        }
        let linked = format!("/proc/{pid}/map_files/{:x}-{:x}", line.start, line.end);
        let path = line.path.strip_suffix(" (deleted)").unwrap_or(line.path);
        let file = File::open(linked).ok().or_else(|| {
            // Without the privilege for map_files: by its name below the root of the process, if it still is the same file.
            let file = File::open(format!("/proc/{pid}/root{path}")).ok()?;
            file.metadata().is_ok_and(|m| m.ino() == line.inode).then_some(file)
        })?;
        self.next_id += 1;
        let file = Rc::new(OpenFile { file, id: self.next_id, path: path.into() });
        self.files.insert(key, Rc::downgrade(&file));
        Some(file)
    }
}

impl Process {
    fn generation(&self) -> Option<Generation> {
        self.images.last().map(|i| i.generation)
    }

    fn find(&self, address: u64) -> Option<Place> {
        self.images.iter().rev().find_map(|image| image.find(address))
    }
}

impl Image {
    fn find(&self, address: u64) -> Option<Place> {
        let after = self.mappings.partition_point(|m| m.start <= address);
        let mapping = self.mappings.get(after.checked_sub(1)?)?;
        let within = address - mapping.start;
        if address >= mapping.end {
            return None;
        }
        Some(match &mapping.what {
            Mapped::File(file) => Place::File(file.clone(), within + mapping.offset),
            Mapped::Vdso => Place::Vdso(within + mapping.offset),
            Mapped::Anonymous | Mapped::Lost => Place::Anonymous,
        })
    }
}

/// The generation of a living process.
fn generation(pid: u32) -> Option<Generation> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; field 22 is counted from behind it.
    let start = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let exe = fs::metadata(format!("/proc/{pid}/exe")).map_or((0, 0), |m| (m.dev(), m.ino()));
    Some(Generation { start, exe })
}

/// Where the vDSO of this very process begins; it is the same in all processes of a kind.
pub fn own_vdso() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/maps").ok()?;
    text.lines().filter_map(Line::parse).find(|l| l.path == "[vdso]").map(|l| l.start)
}

/// An executable mapping: `7f00-7f10 r-xp 00001000 08:01 1234   /lib/libc.so.6`.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    start: u64,
    end: u64,
    offset: u64,
    device: &'a str,
    inode: u64,
    path: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let mut rest = line;
        let mut field = || {
            let (field, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            field
        };
        let (range, access, offset, device, inode) = (field(), field(), field(), field(), field());
        let (start, end) = range.split_once('-')?;
        if !access.contains('x') {
            return None;
        }
        Some(Line {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            offset: u64::from_str_radix(offset, 16).ok()?,
            device,
            inode: inode.parse().ok()?,
            path: rest.trim_start(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_executable_mappings_are_read() {
        let line = "7f0a-7f0c r-xp 00001000 08:01 1234                     /opt/a b (deleted)";
        let expected = Line {
            start: 0x7f0a,
            end: 0x7f0c,
            offset: 0x1000,
            device: "08:01",
            inode: 1234,
            path: "/opt/a b (deleted)",
        };
        assert_eq!(Line::parse(line), Some(expected));
        let anonymous = Line::parse("7f0a-7f0c rwxp 00000000 00:00 0").unwrap();
        assert_eq!((anonymous.path, anonymous.inode), ("", 0));
        for bad in
            ["", "7f0a", "7f0a-7f0c rw-p 0 00:00 0", "x-y r-xp 0 00:00 0", "1-2 r-xp 0 0:0 z"]
        {
            assert_eq!(Line::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn processes_are_forgotten_in_the_order_they_came() {
        let mut processes = Processes::default();
        // Numbers above the kernel's greatest: none of them lives.
        for pid in 0..PROCESSES as u32 + 10 {
            processes.seen(0x7000_0000 + pid);
        }
        assert_eq!(processes.known.len(), PROCESSES);
        assert!(!processes.known.contains_key(&0x7000_0000));
    }

    #[test]
    fn own_code_is_found_in_its_file() {
        let mut processes = Processes::default();
        let here = own_code_is_found_in_its_file as *const () as u64;
        match processes.find(std::process::id(), here) {
            Some(Place::File(file, offset)) => {
                assert!(offset > 0);
                let exe = fs::metadata("/proc/self/exe").unwrap().ino();
                assert_eq!(fs::metadata(file.reopen()).unwrap().ino(), exe);
            }
            other => panic!("{other:?}"),
        }
        assert!(processes.find(std::process::id(), 1).is_none());
    }
}
