//! A tracing tool under measurement.
#![allow(unsafe_code)] // wait4(2) for the memory of one child.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `skep trace` or `bpftrace`.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    args: &'static [&'static str],
}

/// A script that is attached.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    attached: Duration,
}

impl Tool {
    /// Ours first; bpftrace if there is one.
    pub(crate) fn find_all() -> Vec<Tool> {
        let ours = std::env::var_os("SKEP").map_or_else(
            || {
                std::env::current_exe()
                    .ok()
                    .and_then(|p| Some(p.parent()?.join("skep")))
                    .unwrap_or("skep".into())
            },
            PathBuf::from,
        );
        assert!(ours.exists(), "no {}: run `cargo build --release` first", ours.display());
        let mut tools = vec![Tool { name: "skep", path: ours, args: &["trace"] }];
        let peer = std::env::var_os("BPFTRACE")
            .map_or_else(|| PathBuf::from("/usr/bin/bpftrace"), PathBuf::from);
        if peer.exists() {
            tools.push(Tool { name: "bpftrace", path: peer, args: &["-B", "none"] });
        }
        tools
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.args(self.args).arg("-e").arg(script).stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts a script that prints a line in BEGIN; gives it back once all its probes are attached.
    pub(crate) fn start(&self, script: &str) -> Option<Running> {
        self.start_with(script, &[])
    }

    /// The same with environment variables.
    pub(crate) fn start_with(&self, script: &str, env: &[(&str, &str)]) -> Option<Running> {
        let start = Instant::now();
        let mut command = self.command(script);
        command
            .env("__BPFTRACE_NOTIFY_PROBES_ATTACHED", "1")
            .envs(env.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut out = BufReader::new(child.stdout.take()?);
        let mut line = String::new();
        while !self.is_sign(&line) {
            line.clear();
            if out.read_line(&mut line).ok()? == 0 {
                return fail(child);
            }
        }
        let attached = start.elapsed();
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Some(Running { child, attached })
    }

    /// Whether a line says that the tool is attached: ours tells; of others we know no more than that BEGIN ran, just before the rest is attached.
    fn is_sign(&self, line: &str) -> bool {
        match self.name {
            "skep" => line.starts_with("__BPFTRACE_NOTIFY_PROBES_ATTACHED"),
            _ => line.starts_with("hello") || line.starts_with("ready"),
        }
    }

    /// Runs a script to its end: time and peak memory in MB.
    pub(crate) fn whole(&self, script: &str) -> Option<(Duration, f64)> {
        let start = Instant::now();
        let child = self.command(script).stdout(Stdio::null()).spawn().ok()?;
        let (ok, mb) = wait(child);
        ok.then(|| (start.elapsed(), mb))
    }

    /// Whether the script loses nothing when the load makes that many events a second for 2 seconds; gives the lines written a second.
    pub(crate) fn lossless(&self, script: &str, rate: f64) -> Option<f64> {
        let path = std::env::temp_dir().join(format!("skep-bench-{}", std::process::id()));
        let file = std::fs::File::create(&path).ok()?;
        let mut command = self.command(script);
        let child =
            command.env("__BPFTRACE_NOTIFY_PROBES_ATTACHED", "1").stdout(file).spawn().ok()?;
        let running = Running { child, attached: Duration::ZERO };
        let begun = Instant::now();
        while !String::from_utf8_lossy(&std::fs::read(&path).ok()?).lines().any(|l| self.is_sign(l))
        {
            if begun.elapsed() > Duration::from_secs(5) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        let made = crate::load::open_at_rate(rate, Duration::from_secs(2));
        // All is written when the tool's file stops growing; then it is stopped and the lines are counted.
        let size = || std::fs::metadata(&path).map_or(0, |m| m.len());
        let (mut last, mut since, mut end) = (size(), Instant::now(), start.elapsed());
        while since.elapsed() < Duration::from_millis(300) {
            std::thread::sleep(Duration::from_millis(10));
            let now = size();
            if now != last {
                (last, since, end) = (now, Instant::now(), start.elapsed());
            }
        }
        running.stop();
        // Line by line: a child's peak memory counts what we held when we forked it.
        let text = BufReader::new(std::fs::File::open(&path).ok()?);
        std::fs::remove_file(&path).ok();
        let needle = crate::load::MISSING.to_bytes();
        let lines =
            text.split(b'\n').map_while(Result::ok).filter(|l| l.ends_with(needle)).count() as u64;
        (lines >= made).then(|| made as f64 / end.as_secs_f64().max(2.0))
    }
}

fn fail<T>(mut child: Child) -> Option<T> {
    let mut text = String::new();
    if let Some(mut err) = child.stderr.take() {
        err.read_to_string(&mut text).ok();
    }
    eprintln!("a measured tool ended early: {text}");
    child.wait().ok();
    None
}

impl Running {
    /// Nanoseconds of one run of the program that ran most, from the kernel's statistics.
    pub(crate) fn cost(&self) -> Option<f64> {
        let mut best: Option<(u64, f64)> = None;
        for entry in std::fs::read_dir(format!("/proc/{}/fdinfo", self.child.id())).ok()?.flatten()
        {
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            let field = |name: &str| {
                text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok())
            };
            let (Some(time), Some(count)) = (field("run_time_ns:"), field("run_cnt:")) else {
                continue;
            };
            if count > 1000 && best.is_none_or(|b| count > b.0) {
                best = Some((count, time as f64 / count as f64));
            }
        }
        best.map(|b| b.1)
    }

    /// Interrupts it: time from start to attached, from the interrupt to its end, and peak memory in MB.
    pub(crate) fn stop(self) -> (Duration, Duration, f64) {
        // Some tools lose an interrupt that comes while they are still setting up.
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        // SAFETY: the child is ours and not reaped.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        let (_, mb) = wait(self.child);
        (self.attached, start.elapsed(), mb)
    }
}

/// Waits for the end; gives success and peak memory in MB.
fn wait(mut child: Child) -> (bool, f64) {
    let err = child.stderr.take();
    let drain = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut err) = err {
            err.read_to_string(&mut text).ok();
        }
        text
    });
    let pid = child.id() as i32;
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        // An interrupt that came in a bad moment may be lost on older tools: ask again each second.
        for signal in [libc::SIGINT; 10].into_iter().chain([libc::SIGKILL]) {
            if waiting.recv_timeout(Duration::from_secs(1))
                != Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                return;
            }
            // SAFETY: the child is ours; it is reaped only after `done` is dropped.
            unsafe { libc::kill(pid, signal) };
        }
    });
    let mut status = 0;
    // SAFETY: all zero is a valid rusage; both outlive the call; the child is ours and not reaped.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::wait4(child.id() as i32, &mut status, 0, &mut usage);
        usage
    };
    drop(done);
    guard.join().ok();
    let text = drain.join().unwrap_or_default();
    if status != 0 {
        eprintln!("a measured tool said: {text}");
    }
    (status == 0, usage.ru_maxrss as f64 / 1e3)
}

/// Median of RUNS runs; `None` if one fails.
pub(crate) fn median(mut f: impl FnMut() -> Option<f64>) -> Option<f64> {
    let runs = std::env::var("RUNS").ok().and_then(|r| r.parse().ok()).unwrap_or(5usize).max(1);
    let mut all = (0..runs).map(|_| f()).collect::<Option<Vec<_>>>()?;
    all.sort_by(f64::total_cmp);
    Some(all[all.len() / 2])
}
