//! Finding executables and libraries by their bare name, as in `uprobe:libc:malloc` and `uprobe:bash:readline`.
//!
//! Libraries are looked up where the dynamic linker does: `/etc/ld.so.cache` (ldconfig(8); its form is in glibc's `sysdeps/generic/dl-cache.h`), then the usual
//! directories, for systems without that cache. Executables are looked up in `PATH`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use skep_engine::Error;

use crate::error::not_found;

const CACHE: &str = "/etc/ld.so.cache";
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
const DIRECTORIES: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// The file that a probe's target names: a path as it is, else a library (`libc`, `libc.so.6`, `c`) or a command (`bash`).
pub fn resolve_binary(name: &str) -> Result<PathBuf, Error> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let library = || resolve_library(name);
    let found = match name.starts_with("lib") {
        true => library().or_else(|| command(name)),
        false => command(name).or_else(library).or_else(|| resolve_library(&format!("lib{name}"))),
    };
    found.ok_or_else(|| {
        not_found(format!(
            "executable or library `{name}` (looked for in PATH and {CACHE}; a path works too)"
        ))
    })
}

/// The library of that name: `libc`, `libc.so` and `libc.so.6` are the same.
pub fn resolve_library(name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let cached = std::fs::read(CACHE).ok().and_then(|cache| {
        let entries = || entries(&cache).filter(|(_, path)| Path::new(path).exists());
        let exact = entries().find(|(key, _)| *key == OsStr::new(name));
        exact
            .or_else(|| entries().find(|(key, _)| matches(key.as_bytes(), name)))
            .map(|(_, path)| PathBuf::from(path))
    });
    cached.or_else(|| DIRECTORIES.iter().find_map(|dir| in_directory(Path::new(dir), name)))
}

/// Whether a file name such as `libc.so.6` is that library's.
fn matches(file: &[u8], name: &str) -> bool {
    let Some(rest) = file.strip_prefix(name.as_bytes()) else { return false };
    match name.contains(".so") {
        true => rest.is_empty() || rest.starts_with(b"."),
        false => rest == b".so" || rest.starts_with(b".so."),
    }
}

fn in_directory(dir: &Path, name: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .ok()?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|f| matches(f.as_bytes(), name)))
        .collect();
    found.sort();
    // Under its version rather than under the name for linking, which may be a linker script.
    found.pop()
}

/// Names and paths in the linker's cache that this machine can run. Whatever the bytes, what is outside them is left out.
fn entries(cache: &[u8]) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    // An old cache stands before the one we read, in systems that still have both.
    let start = cache.windows(MAGIC.len()).position(|w| w == MAGIC).unwrap_or(cache.len());
    let new = &cache[start..];
    let word = |at: usize| Some(u32::from_ne_bytes(new.get(at..at + 4)?.try_into().ok()?));
    let text = |at: u32| {
        let rest = new.get(at as usize..)?;
        let end = rest.iter().position(|&b| b == 0)?;
        Some(OsStr::from_bytes(&rest[..end]))
    };
    let count = (word(20).unwrap_or(0) as usize).min(new.len() / ENTRY);
    (0..count).filter_map(move |i| {
        let at = HEADER + i * ENTRY;
        let native = word(at)? & 0xff00 == NATIVE;
        Some((text(word(at + 4)?)?, text(word(at + 8)?)?)).filter(|_| native)
    })
}

/// The architecture's bits in an entry's flags.
const NATIVE: u32 = if cfg!(target_arch = "x86_64") {
    0x0300
} else if cfg!(target_arch = "aarch64") {
    0x0a00
} else {
    0
};

fn command(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")
        .unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into());
    std::env::split_paths(&path)
        .filter(|d| d.is_absolute())
        .map(|d| d.join(name))
        .find(|p| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(u32, &str, &str)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let base = HEADER + entries.len() * ENTRY;
        let mut out = MAGIC.to_vec();
        out.extend((entries.len() as u32).to_ne_bytes());
        out.resize(HEADER, 0);
        for (flags, key, value) in entries {
            let mut put = |s: &str| {
                let at = (base + strings.len()) as u32;
                strings.extend(s.bytes());
                strings.push(0);
                at.to_ne_bytes()
            };
            let (key, value) = (put(key), put(value));
            out.extend(flags.to_ne_bytes());
            out.extend(key);
            out.extend(value);
            out.extend([0; 12]);
        }
        out.extend(strings);
        out
    }

    #[test]
    fn the_cache_is_read_for_this_machine() {
        let bytes = cache(&[
            (NATIVE | 3, "libc.so.6", "/lib/a/libc.so.6"),
            (NATIVE ^ 0x0100 | 3, "libm.so.6", "/lib32/libm.so.6"),
            (NATIVE | 3, "libz.so.1", "/lib/a/libz.so.1"),
        ]);
        let got: Vec<_> = entries(&bytes).map(|(k, _)| k.to_str().unwrap().to_string()).collect();
        assert_eq!(got, ["libc.so.6", "libz.so.1"]);
        // An old cache before it moves nothing: offsets count from the new one's start.
        let both = [b"ld.so-1.7.0\0....".to_vec(), bytes.clone()].concat();
        assert_eq!(entries(&both).count(), 2);
        for cut in 0..bytes.len() {
            assert!(entries(&bytes[..cut]).count() <= 2);
        }
    }

    #[test]
    fn names_of_libraries() {
        for (file, name, expected) in [
            ("libc.so.6", "libc", true),
            ("libc.so", "libc", true),
            ("libc.so.6", "libc.so", true),
            ("libc.so.6", "libc.so.6", true),
            ("libc.so.60", "libc.so.6", false),
            ("libcrypt.so.1", "libc", false),
            ("libc.so-gdb.py", "libc", false),
        ] {
            assert_eq!(matches(file.as_bytes(), name), expected, "{file} {name}");
        }
    }

    #[test]
    fn what_every_system_has_is_found() {
        assert!(resolve_binary("sh").unwrap().is_absolute());
        assert_eq!(resolve_binary("/x/y").unwrap(), Path::new("/x/y"));
        assert!(resolve_binary("no-such-thing").is_err());
        assert!(resolve_library("").is_none() && resolve_library("a/../b").is_none());
    }
}
