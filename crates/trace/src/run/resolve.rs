//! Names of a live machine: symbols, stacks, users, cgroups, times.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use skep_engine::Loaded;

use super::symbols::Symbols;
use super::time::Times;
use super::value::{Names, uint};
use crate::plan::Plan;
use crate::types::{Clock, StackMode, StackSpec};

/// What is remembered between answers.
pub struct Resolver {
    /// Names of addresses.
    pub symbols: Symbols,
    times: Times,
    users: Users,
    cgroups: Cgroups,
}

impl Resolver {
    /// With the plan's settings.
    pub fn new(plan: &Plan) -> Resolver {
        Resolver {
            symbols: Symbols::new(plan.config.cpp_demangle),
            times: Times::default(),
            users: Users::default(),
            cgroups: Cgroups::default(),
        }
    }
}

/// Answers from the machine and from the stack maps of the loaded script.
pub struct Live<'a> {
    /// The script.
    pub plan: &'a Plan,
    /// Its maps.
    pub loaded: &'a dyn Loaded,
    /// What is remembered.
    pub resolver: &'a mut Resolver,
}

impl Live<'_> {
    /// Addresses of a stack: none where there is no stack (as of the user side of a kernel thread), `None` if it was lost.
    fn frames(&self, spec: StackSpec, id: i64) -> Option<Vec<u64>> {
        if id < 0 {
            return (id != -i64::from(libc::EEXIST)).then(Vec::new);
        }
        let id = u32::try_from(id).ok()?;
        let (map, id) = self.plan.system.stacks.iter().find(|s| s.depth == spec.depth)?.find(id);
        let map = self.loaded.map(map)?;
        let mut value = vec![0u8; map.value_len()];
        if !map.lookup(&id.to_ne_bytes(), &mut value).ok()? {
            return None;
        }
        let frames = value.chunks_exact(8).map(|c| uint(c, 8)).take_while(|&a| a != 0);
        Some(frames.take(spec.depth as usize).collect())
    }
}

impl Names for Live<'_> {
    fn ksym(&mut self, address: u64, out: &mut Vec<u8>) {
        self.resolver.symbols.kernel(address, false, out);
    }

    fn usym(&mut self, address: u64, pid: u32, out: &mut Vec<u8>) {
        self.resolver.symbols.user(address, pid, false, out);
    }

    fn kstack(&mut self, spec: StackSpec, id: i64, out: &mut Vec<u8>) {
        let frames = self.frames(spec, id);
        let symbols = &mut self.resolver.symbols;
        stack(spec.mode, frames, out, |address, _, out| symbols.kernel(address, true, out));
    }

    fn ustack(&mut self, spec: StackSpec, id: i64, pid: u32, out: &mut Vec<u8>) {
        let frames = self.frames(spec, id);
        let symbols = &mut self.resolver.symbols;
        if spec.mode == StackMode::BuildId {
            out.push(b'\n');
            for address in frames.unwrap_or_default() {
                symbols.build_id(address, pid, out);
                out.push(b'\n');
            }
            return;
        }
        stack(spec.mode, frames, out, |address, perf, out| {
            symbols.user(address, pid, true, out);
            if perf {
                out.extend_from_slice(b" (");
                symbols.module(address, pid, out);
                out.push(b')');
            }
        });
    }

    fn username(&mut self, uid: u64, out: &mut Vec<u8>) {
        self.resolver.users.write(uid, out);
    }

    fn cgroup(&mut self, id: u64, pattern: &str, out: &mut Vec<u8>) {
        self.resolver.cgroups.write(id, pattern, out);
    }

    fn time(&mut self, format: &str, clock: Clock, nsecs: u64, out: &mut Vec<u8>) {
        self.resolver.times.write(format, clock, nsecs, out);
    }
}

/// Blanks before a frame in the layout of bpftrace.
const INDENT: &[u8] = b"        ";

/// Writes a stack, the leaf first; `name` writes the symbol of an address (in the layout of perf: with its module).
fn stack(
    mode: StackMode,
    frames: Option<Vec<u64>>,
    out: &mut Vec<u8>,
    mut name: impl FnMut(u64, bool, &mut Vec<u8>),
) {
    out.push(b'\n');
    let Some(frames) = frames else {
        out.extend_from_slice(INDENT);
        return out.extend_from_slice(b"<lost stack>\n");
    };
    for address in frames {
        match mode {
            StackMode::Bpftrace => {
                out.extend_from_slice(INDENT);
                name(address, false, out);
            }
            StackMode::Perf => {
                out.push(b'\t');
                super::number::hex(out, address, 1);
                out.push(b' ');
                name(address, true, out);
            }
            StackMode::Raw | StackMode::BuildId => super::number::hex(out, address, 1),
        }
        out.push(b'\n');
    }
}

/// Least time between two looks for a name that was not there.
const RETRY: Duration = Duration::from_secs(1);

/// Names of users, from `/etc/passwd`.
#[derive(Debug, Default)]
struct Users {
    names: HashMap<u64, String>,
    read: Option<Instant>,
}

impl Users {
    fn write(&mut self, uid: u64, out: &mut Vec<u8>) {
        let stale = self.read.is_none_or(|t| t.elapsed() >= RETRY);
        if stale && !self.names.contains_key(&uid) {
            self.read = Some(Instant::now());
            let text = std::fs::read("/etc/passwd").unwrap_or_default();
            self.names = parse_passwd(&String::from_utf8_lossy(&text));
        }
        if let Some(name) = self.names.get(&uid) {
            out.extend_from_slice(name.as_bytes());
        }
    }
}

/// The first name of each user id.
fn parse_passwd(text: &str) -> HashMap<u64, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(uid)) = (fields.next(), fields.next(), fields.next())
            && let Ok(uid) = uid.parse()
        {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// Paths of cgroups. A cgroup's id is the inode number of its directory.
#[derive(Debug, Default)]
struct Cgroups {
    roots: Option<Vec<(String, PathBuf)>>,
    paths: HashMap<(usize, u64), (Option<String>, Instant)>,
}

impl Cgroups {
    fn write(&mut self, id: u64, pattern: &str, out: &mut Vec<u8>) {
        let roots = self.roots.take().unwrap_or_else(|| {
            roots(&std::fs::read_to_string("/proc/self/mounts").unwrap_or_default())
        });
        let mut first = true;
        for (i, (name, root)) in roots.iter().enumerate() {
            if !wildcard(pattern.as_bytes(), name.as_bytes()) {
                continue;
            }
            if let Some(path) = self.path(i, root, id) {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                out.extend_from_slice(format!("{name}:{path}").as_bytes());
            }
        }
        self.roots = Some(roots);
    }

    fn path(&mut self, root_number: usize, root: &Path, id: u64) -> Option<String> {
        if let Some((path, at)) = self.paths.get(&(root_number, id))
            && (path.is_some() || at.elapsed() < RETRY)
        {
            return path.clone();
        }
        if self.paths.len() >= 1 << 16 {
            self.paths.clear();
        }
        let path = find_cgroup(root, id);
        self.paths.insert((root_number, id), (path.clone(), Instant::now()));
        path
    }
}

/// Mount points of cgroup hierarchies: `unified` for version 2, then those of version 1 by the name of their directory.
fn roots(mounts: &str) -> Vec<(String, PathBuf)> {
    let (mut v2, mut v1) = (Vec::new(), Vec::new());
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(path), Some(kind)) = (fields.next(), fields.next()) else { continue };
        let path = PathBuf::from(path);
        match kind {
            "cgroup2" => v2.push(("unified".to_owned(), path)),
            "cgroup" => {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
                v1.push((name.unwrap_or_default(), path));
            }
            _ => {}
        }
    }
    v1.sort();
    v2.truncate(1);
    v2.append(&mut v1);
    v2
}

fn find_cgroup(root: &Path, id: u64) -> Option<String> {
    if std::fs::metadata(root).is_ok_and(|m| m.ino() == id) {
        return Some("/".to_owned());
    }
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|t| t.is_dir()) {
                continue;
            }
            let path = entry.path();
            if entry.metadata().is_ok_and(|m| m.ino() == id) {
                let below = path.strip_prefix(root).unwrap_or(&path);
                return Some(format!("/{}", below.display()));
            }
            open.push(path);
        }
    }
    None
}

/// Whether a pattern with `*` matches a whole name.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| wildcard(rest, &name[skip..])),
        Some((c, rest)) => name.first() == Some(c) && wildcard(rest, &name[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_gives_the_first_name_of_an_id() {
        let names =
            parse_passwd("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nbad\nw:x:33:33::/:\n");
        assert_eq!(names.get(&0).map(String::as_str), Some("root"));
        assert_eq!(names.get(&33).map(String::as_str), Some("w"));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn cgroup_roots_are_named_as_in_bpftrace() {
        let mounts = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\nproc /proc proc rw 0 0\n";
        let names: Vec<_> = roots(mounts).into_iter().map(|r| r.0).collect();
        assert_eq!(names, ["unified", "cpu", "memory"]);
    }

    #[test]
    fn wildcards_match_whole_names() {
        for (pattern, name, expected) in [
            ("*", "unified", true),
            ("uni*", "unified", true),
            ("uni", "unified", false),
            ("*f*d", "unified", true),
            ("cpu", "cpu", true),
            ("", "cpu", false),
        ] {
            assert_eq!(wildcard(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn stacks_print_in_each_mode() {
        let name = |address: u64, perf: bool, out: &mut Vec<u8>| {
            out.extend_from_slice(
                format!("f+{address}{}", if perf { " (m)" } else { "" }).as_bytes(),
            );
        };
        for (mode, expected) in [
            (StackMode::Bpftrace, "\n        f+16\n        f+17\n"),
            (StackMode::Perf, "\n\t10 f+16 (m)\n\t11 f+17 (m)\n"),
            (StackMode::Raw, "\n10\n11\n"),
        ] {
            let mut out = Vec::new();
            stack(mode, Some(vec![16, 17]), &mut out, name);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
