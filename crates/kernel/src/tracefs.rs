//! The tracing file system: tracepoints, their formats and ids.
//!
//! Facts: `Documentation/trace/events.rst`. It is usually mounted at `/sys/kernel/tracing`, on older systems inside debugfs. Names that go into a
//! path are checked, so that a probe called `../../x` reads nothing outside.

use std::ffi::CString;
use std::fs;
use std::io::ErrorKind as Io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use skep_engine::{Error, ErrorKind};

use crate::error::{io, not_found, other, permission};
use crate::sys::misc::mount;

/// Where it can be found.
pub(crate) const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The tracing file system, found.
#[derive(Clone, Debug)]
pub struct Tracefs {
    root: PathBuf,
}

impl Tracefs {
    /// Finds it, or mounts it where there is none and we may.
    pub fn find() -> Result<Tracefs, Error> {
        if let Some(found) = Self::mounted()? {
            return Ok(found);
        }
        let root = MOUNTS[0];
        let hint = format!("mount it as root: mount -t tracefs tracefs {root}");
        if !Path::new(root).exists() {
            let needs = "CONFIG_FTRACE or CONFIG_TRACING";
            let context = "find the tracing file system";
            return Err(crate::error::unsupported(
                context,
                "tracefs",
                needs,
                "in a container, bind-mount the host's /sys/kernel/tracing",
            ));
        }
        let target = CString::new(root).map_err(|e| other("mount tracefs", e.to_string()))?;
        match mount(c"tracefs", &target) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(e) => {
                let mut error = crate::error::os(format!("tracefs is not mounted; {hint}"), e);
                if e == Errno::PERM {
                    error.kind = ErrorKind::Permission;
                }
                return Err(error);
            }
        }
        Self::mounted()?.ok_or_else(|| other("find the tracing file system", hint))
    }

    /// The mounted one. A directory that we may not enter is an error of its own: mounting again would not help.
    fn mounted() -> Result<Option<Tracefs>, Error> {
        for root in MOUNTS {
            match fs::metadata(Path::new(root).join("events")) {
                Ok(_) => return Ok(Some(Tracefs { root: root.into() })),
                Err(e) if e.kind() == Io::PermissionDenied => {
                    return Err(permission(&format!("look into {root}"), Errno::ACCESS));
                }
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The categories of tracepoints, sorted.
    pub fn categories(&self) -> Result<Vec<String>, Error> {
        directories(&self.root.join("events"))
    }

    /// The tracepoints of a category, sorted.
    pub fn tracepoints(&self, category: &str) -> Result<Vec<String>, Error> {
        directories(&self.path(category, None)?)
    }

    /// Every tracepoint that programs can attach to, as category and name, sorted: one file is read, not thousands of directories.
    pub fn all_tracepoints(&self) -> Result<Vec<(String, String)>, Error> {
        let path = self.root.join("available_events");
        let text = fs::read_to_string(&path).map_err(|e| self.denied(&path, &e))?;
        let mut all: Vec<_> = text
            .lines()
            .filter_map(|l| l.split_once(':'))
            .map(|(c, n)| (c.to_string(), n.to_string()))
            .collect();
        all.sort_unstable();
        Ok(all)
    }

    /// The text of a tracepoint's `format` file.
    pub fn format(&self, category: &str, name: &str) -> Result<String, Error> {
        self.read(category, name, "format")
    }

    /// The number under which perf_event_open knows a tracepoint.
    pub fn id(&self, category: &str, name: &str) -> Result<u64, Error> {
        let text = self.read(category, name, "id")?;
        let bad = || {
            other(
                format!("read the id of tracepoint {category}:{name}"),
                format!("{:?} is no number", text.trim()),
            )
        };
        text.trim().parse().map_err(|_| bad())
    }

    /// Whether there is such a tracepoint for programs: some of ftrace's own (`ftrace:function`) have a format but cannot be enabled.
    pub fn exists(&self, category: &str, name: &str) -> bool {
        self.path(category, Some(name)).is_ok_and(|p| p.join("id").exists())
    }

    /// The kernel's functions that can be probed, with their module if they are not the kernel's own; in its order. The file is large and made on reading: some
    /// 100 ms. `None` where it cannot be read.
    pub fn filter_functions(&self) -> Option<Vec<(String, Option<String>)>> {
        let text = fs::read_to_string(self.root.join("available_filter_functions")).ok()?;
        Some(text.lines().filter_map(filter_function).collect())
    }

    fn read(&self, category: &str, name: &str, file: &str) -> Result<String, Error> {
        let path = self.path(category, Some(name))?.join(file);
        fs::read_to_string(&path).map_err(|e| match e.kind() {
            Io::NotFound | Io::NotADirectory => not_found(format!("tracepoint {category}:{name}")),
            _ => self.denied(&path, &e),
        })
    }

    fn denied(&self, path: &Path, error: &std::io::Error) -> Error {
        let context = format!("read {}", path.display());
        match error.kind() {
            Io::PermissionDenied => permission(&context, Errno::ACCESS),
            _ => io(context, error),
        }
    }

    fn path(&self, category: &str, name: Option<&str>) -> Result<PathBuf, Error> {
        let good = |s: &str| {
            !s.is_empty()
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
                && !s.starts_with('.')
        };
        if !good(category) || !name.is_none_or(good) {
            return Err(not_found(format!("tracepoint {category}:{}", name.unwrap_or("*"))));
        }
        Ok(self.root.join("events").join(category).join(name.unwrap_or_default()))
    }

    /// Appends a line to `kprobe_events` or `uprobe_events`.
    pub(crate) fn append(&self, file: &str, line: &[u8]) -> Result<(), Error> {
        use std::io::Write;
        let path = self.root.join(file);
        let context =
            || format!("write to {}: {}", path.display(), String::from_utf8_lossy(line).trim_end());
        let mut f =
            fs::OpenOptions::new().append(true).open(&path).map_err(|e| io(context(), &e))?;
        f.write_all(line).map_err(|e| io(context(), &e))
    }
}

/// A line of `available_filter_functions`: `name`, or `name [module]`.
fn filter_function(line: &str) -> Option<(String, Option<String>)> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let module = rest.trim().strip_prefix('[').and_then(|r| r.strip_suffix(']'));
    // The kernel writes this where a function was dropped after boot.
    (!name.is_empty() && !name.starts_with("__ftrace_invalid_address__"))
        .then(|| (name.into(), module.map(Into::into)))
}

fn directories(path: &Path) -> Result<Vec<String>, Error> {
    let context = || format!("list {}", path.display());
    let entries = fs::read_dir(path).map_err(|e| io(context(), &e))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| String::from_utf8_lossy(e.file_name().as_bytes()).into_owned())
        .collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_directory() {
        let t = Tracefs { root: "/t".into() };
        assert_eq!(
            t.path("sched", Some("sched_switch")).unwrap(),
            Path::new("/t/events/sched/sched_switch")
        );
        for (category, name) in [
            ("..", "x"),
            ("a", "../b"),
            ("", "x"),
            ("a", ""),
            ("a/b", "c"),
            ("a", "b\0"),
            (".", "id"),
        ] {
            assert_eq!(
                t.path(category, Some(name)).unwrap_err().kind,
                ErrorKind::NotFound,
                "{category}:{name}"
            );
        }
    }

    #[test]
    fn lines_of_functions() {
        for (line, expected) in [
            ("do_nanosleep", Some(("do_nanosleep".to_string(), None))),
            ("nf_hook [nf_tables]", Some(("nf_hook".to_string(), Some("nf_tables".to_string())))),
            ("__ftrace_invalid_address___16", None),
            ("", None),
        ] {
            assert_eq!(filter_function(line), expected);
        }
    }
}
