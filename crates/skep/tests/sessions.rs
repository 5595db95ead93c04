//! Sessions: what a person types and what comes back, run with the real binary on the live kernel.
//!
//! A file in `sessions/` holds cases:
//!
//! ```text
//! # printf pads its numbers
//! $ skep trace -q -e 'BEGIN { printf("%5d|\n", 1); exit(); }'
//!     1|
//! ```
//!
//! The line after `$ ` goes to `sh -c`, with `skep` and a link `bpftrace` in its PATH (a `\` at the end goes on with the next line). What follows is standard output: a line `...` stands for
//! any lines, a `*` in a line for any text (`\*` for a star); empty lines at the end do not count. A line that starts with `! ` must be found in
//! standard error, `? 1` is the exit status (0 if not given), `= COMMAND` a command that must succeed or the case is left out. `BLESS=1 cargo test` writes what came back in place of what was expected.
//!
//! Without the right to load BPF programs the cases are skipped, unless SKEP_TEST_KERNEL=1.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No case takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Case {
    /// Comment and blank lines before the command.
    head: String,
    command: String,
    /// What must succeed here for the case to make sense.
    needs: Option<String>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    status: i32,
}

#[derive(Default)]
struct Outcome {
    stdout: String,
    stderr: String,
    status: i32,
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut head = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut command = command.to_string();
            while command.ends_with('\\') {
                command.push('\n');
                command.push_str(lines.next().unwrap_or(""));
            }
            let head = std::mem::take(&mut head);
            cases.push(Case {
                head,
                command,
                needs: None,
                stdout: Vec::new(),
                stderr: Vec::new(),
                status: 0,
            });
            continue;
        }
        let starts_head = line.starts_with("# ")
            || (line.is_empty() && lines.peek().is_none_or(|l| l.starts_with("# ")));
        match cases.last_mut() {
            Some(case) if !starts_head && head.is_empty() => {
                if let Some(text) = line.strip_prefix("! ") {
                    case.stderr.push(text.to_string());
                } else if let Some(needs) = line.strip_prefix("= ") {
                    case.needs = Some(needs.to_string());
                } else if let Some(code) = line.strip_prefix("? ") {
                    case.status = code.parse().expect("exit status");
                } else {
                    case.stdout.push(line.to_string());
                }
            }
            _ => writeln!(head, "{line}").unwrap(),
        }
    }
    for case in &mut cases {
        let full = without_empty_end(&case.stdout).len();
        case.stdout.truncate(full);
    }
    cases
}

fn without_empty_end<S: AsRef<str>>(lines: &[S]) -> &[S] {
    let full = lines.iter().rposition(|l| !l.as_ref().is_empty()).map_or(0, |last| last + 1);
    &lines[..full]
}

fn line_matches(pattern: &str, line: &str) -> bool {
    const STAR: char = '\u{1}';
    let pattern = pattern.replace("\\*", &STAR.to_string());
    let literal = |s: &str| s.replace(STAR, "*");
    let mut parts = pattern.split('*').map(literal);
    let first = parts.next().unwrap_or_default();
    let rest: Vec<String> = parts.collect();
    let Some(mut line) = line.strip_prefix(&first) else { return false };
    let Some((last, middle)) = rest.split_last() else { return line.is_empty() };
    for part in middle {
        let Some(at) = line.find(part.as_str()) else { return false };
        line = &line[at + part.len()..];
    }
    line.ends_with(last.as_str())
}

fn lines_match(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((p, rest)) if p == "..." => (0..=lines.len()).any(|n| lines_match(rest, &lines[n..])),
        Some((p, rest)) => lines
            .split_first()
            .is_some_and(|(l, more)| line_matches(p, l) && lines_match(rest, more)),
    }
}

fn run(command: &str, dir: &Path) -> Outcome {
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap_or_default());
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env("PATH", path)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh");
    let reader = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).ok();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = reader(Box::new(child.stdout.take().unwrap()));
    let stderr = reader(Box::new(child.stderr.take().unwrap()));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code().unwrap_or(-1);
        }
        if start.elapsed() > TIMEOUT {
            Command::new("pkill").args(["-P", &child.id().to_string()]).status().ok();
            child.kill().ok();
            child.wait().ok();
            break -2;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Outcome { stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), status }
}

fn holds(case: &Case, outcome: &Outcome) -> bool {
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    outcome.status == case.status
        && lines_match(&case.stdout, without_empty_end(&lines))
        && case.stderr.iter().all(|p| outcome.stderr.lines().any(|l| line_matches(p, l)))
}

fn bin_dir() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bin");
    std::fs::create_dir_all(&dir).unwrap();
    for name in ["skep", "bpftrace"] {
        // Tests run side by side, and a target directory may have been moved: each makes its link and puts it in place at once.
        let fresh = dir.join(format!("{name}-{:?}", std::thread::current().id()));
        std::fs::remove_file(&fresh).ok();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_skep"), &fresh).unwrap();
        std::fs::rename(&fresh, dir.join(name)).unwrap();
    }
    dir
}

fn may_trace(dir: &Path) -> bool {
    run("skep trace -q -e 'BEGIN { exit(); }'", dir).status == 0
}

fn check_file(name: &str, needs_kernel: bool) {
    let dir = bin_dir();
    let strict = std::env::var("SKEP_TEST_KERNEL").is_ok_and(|v| v == "1");
    if needs_kernel && !strict && !may_trace(&dir) {
        println!("skipped: {name}: BPF programs cannot be loaded here (not root?)");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions").join(name);
    let cases = parse(&std::fs::read_to_string(&path).unwrap());
    assert!(!cases.is_empty(), "{name} has no case");
    let bless = std::env::var_os("BLESS").is_some();
    let (mut failures, mut blessed) = (String::new(), String::new());
    for (i, case) in cases.iter().enumerate() {
        // `head` holds the empty line between two cases.
        let gap = if i > 0 && !case.head.starts_with('\n') { "\n" } else { "" };
        writeln!(blessed, "{gap}{}$ {}", case.head, case.command).unwrap();
        let here = case.needs.as_ref().is_none_or(|needs| run(needs, &dir).status == 0);
        if let Some(needs) = &case.needs {
            writeln!(blessed, "= {needs}").unwrap();
            if !here {
                println!("skipped: {}: `{needs}` fails", case.head.trim());
            }
        }
        let outcome = here.then(|| run(&case.command, &dir));
        let ok = outcome.as_ref().is_none_or(|o| holds(case, o));
        let outcome = outcome.unwrap_or_default();
        if ok {
            case.stdout.iter().for_each(|l| writeln!(blessed, "{l}").unwrap());
            case.stderr.iter().for_each(|l| writeln!(blessed, "! {l}").unwrap());
        } else {
            let lines: Vec<&str> = outcome.stdout.lines().collect();
            without_empty_end(&lines)
                .iter()
                .for_each(|l| writeln!(blessed, "{}", l.replace('*', "\\*")).unwrap());
            outcome
                .stderr
                .lines()
                .for_each(|l| writeln!(blessed, "! {}", l.replace('*', "\\*")).unwrap());
            let (out, err, status) = (&outcome.stdout, &outcome.stderr, outcome.status);
            let wanted = case.stdout.join("\n");
            writeln!(
                failures,
                "--- {}$ {}\nexpected (status {}):\n{wanted}\nstderr to hold: {:?}\ngot (status {status}):\n{out}stderr:\n{err}",
                case.head, case.command, case.status, case.stderr
            )
            .unwrap();
        }
        let status = if ok { case.status } else { outcome.status };
        if status != 0 {
            writeln!(blessed, "? {status}").unwrap();
        }
    }
    if bless {
        std::fs::write(&path, blessed).unwrap();
    } else {
        assert!(failures.is_empty(), "{name}:\n{failures}");
    }
}

macro_rules! sessions {
    ($($test:ident: $kernel:expr,)*) => {
        $(#[test]
        fn $test() {
            check_file(concat!(stringify!($test), ".txt"), $kernel);
        })*

        #[test]
        fn every_file_is_run() {
            let listed = [$(concat!(stringify!($test), ".txt")),*];
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
            for entry in std::fs::read_dir(dir).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(!name.ends_with(".txt") || listed.contains(&name.as_str()), "{name} is not in the list");
            }
        }
    };
}

sessions! {
    usage: false,
    errors: true,
    printf: true,
    maps: true,
    expressions: true,
    control: true,
    functions: true,
    builtins: true,
    types: true,
    stacks: true,
    uprobes: true,
    options: true,
    config: true,
    probes: true,
    json: true,
    list: true,
}

#[test]
fn patterns_match_lines() {
    assert!(line_matches("a*c", "abbc"));
    assert!(line_matches("\\*a", "*a"));
    assert!(!line_matches("a", "ab"));
    assert!(line_matches("*", ""));
    assert!(!line_matches("*b*c", "ac"));
    let p = |l: &[&str]| l.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    assert!(lines_match(&p(&["a", "...", "b"]), &["a", "x", "y", "b"]));
    assert!(!lines_match(&p(&["a", "b"]), &["a", "x", "b"]));
}
