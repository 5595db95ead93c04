//! The command of `-c`: started, but held before its `exec` until the probes are attached, so that nothing of it is missed.
#![allow(unsafe_code)] // fork(2) and what must happen between it and exec(2) cannot be had from std: Command::spawn waits for the exec.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A child process that waits for [`Child::start`], runs, and is killed when dropped before its end.
#[derive(Debug)]
pub(crate) struct Child {
    pid: i32,
    go: Option<std::fs::File>,
    failed: std::fs::File,
    status: Option<i32>,
}

impl Child {
    /// Forks a child that will run `command`, a line of words with the shell's quotes.
    ///
    /// Call it before any thread is started. Fails if the program cannot be found, before anything is forked.
    pub(crate) fn prepare(command: &str) -> Result<Child, String> {
        let words = split(command)?;
        let Some(name) = words.first() else { return Err("the command of -c is empty".into()) };
        let path = find_program(name)
            .ok_or_else(|| format!("command not found: {name} (looked for in PATH; -c takes a program, not a shell line)"))?;
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
        let args = words
            .iter()
            .map(|w| CString::new(w.as_bytes()).map_err(|e| e.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut argv: Vec<*const libc::c_char> = args.iter().map(|a| a.as_ptr()).collect();
        argv.push(std::ptr::null());
        let (go_read, go_write) = pipe().map_err(|e| format!("pipe: {e}"))?;
        let (fail_read, fail_write) = pipe().map_err(|e| format!("pipe: {e}"))?;

        // SAFETY: the process has one thread here; the child calls only async-signal-safe functions before exec or _exit.
        let pid = unsafe { libc::fork() };
        if pid < 0 {
            return Err(format!("cannot fork: {}", io::Error::last_os_error()));
        }
        if pid == 0 {
            // SAFETY: in the child. All pointers were made before the fork and outlive the calls.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                let mut none: libc::sigset_t = std::mem::zeroed();
                libc::sigemptyset(&mut none);
                libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
                libc::signal(libc::SIGPIPE, libc::SIG_DFL);
                libc::close(go_write.as_raw_fd());
                let mut byte = 0u8;
                let n = libc::read(go_read.as_raw_fd(), (&raw mut byte).cast(), 1);
                if n == 1 {
                    libc::execv(path.as_ptr(), argv.as_ptr());
                    let errno = *libc::__errno_location();
                    libc::write(fail_write.as_raw_fd(), (&raw const errno).cast(), 4);
                }
                libc::_exit(127);
            }
        }
        Ok(Child { pid, go: Some(go_write.into()), failed: fail_read.into(), status: None })
    }

    /// Process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets the child run its program; waits until it does.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let Some(mut go) = self.go.take() else { return Ok(()) };
        go.write_all(&[1]).map_err(|e| format!("the child of -c is gone: {e}"))?;
        drop(go);
        // The other end is closed by the exec, or tells why there was none.
        let mut errno = [0; 4];
        match self.failed.read(&mut errno) {
            Ok(4) => {
                let why = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
                Err(format!("cannot run the command of -c: {why}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the child has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            let mut status = 0;
            // SAFETY: `status` lives through the call.
            let got = unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) };
            if got == self.pid || got < 0 {
                self.status = Some(status);
            }
        }
        self.status.is_some()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // SAFETY: the pid is that of our own child, not reaped yet.
        unsafe {
            libc::kill(self.pid, libc::SIGTERM);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: the array has room for the two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both are open and nobody else has them.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// The file that a shell would run for a name.
fn find_program(name: &str) -> Option<PathBuf> {
    let runs = |p: &Path| {
        use std::os::unix::fs::PermissionsExt;
        p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = PathBuf::from(name);
        return runs(&path).then_some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| runs(p))
}

/// Splits a line into words as a shell would, with quotes and backslashes, without expansions.
fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => {
                if std::mem::take(&mut open) {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '\'' => loop {
                match chars.next() {
                    Some('\'') => break,
                    Some(c) => word.push(c),
                    None => return Err("the command of -c has a ' without its end".into()),
                }
            },
            '"' => loop {
                match chars.next() {
                    Some('"') => break,
                    Some('\\') => match chars.next() {
                        Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                        Some(c) => word.extend(['\\', c]),
                        None => return Err("the command of -c ends with a backslash".into()),
                    },
                    Some(c) => word.push(c),
                    None => return Err("the command of -c has a \" without its end".into()),
                }
            },
            '\\' => match chars.next() {
                Some(c) => word.push(c),
                None => return Err("the command of -c ends with a backslash".into()),
            },
            c => word.push(c),
        }
        open = true;
    }
    if open {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        assert_eq!(split(line).unwrap(), expected);
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        check("ls /", &["ls", "/"]);
        check("  a   b ", &["a", "b"]);
        check("sh -c 'echo \"x y\"; true'", &["sh", "-c", "echo \"x y\"; true"]);
        check("a \"b \\\" c\" d\\ e ''", &["a", "b \" c", "d e", ""]);
        assert!(split("a 'b").is_err());
        assert!(split("a \\").is_err());
    }

    #[test]
    fn a_missing_program_is_refused_before_the_fork() {
        let err = Child::prepare("no-such-program-anywhere x").unwrap_err();
        assert!(err.contains("no-such-program-anywhere"), "{err}");
    }

    #[test]
    fn a_child_waits_then_runs_and_ends() {
        let mut child = Child::prepare("true").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!child.has_ended());
        child.start().unwrap();
        for _ in 0..500 {
            if child.has_ended() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("`true` did not end");
    }
}
