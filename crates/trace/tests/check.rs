//! File tests of the checker: each `tests/check/*.bt` is checked against a small machine of text. A finding stands behind its line, as
//! `//~ error: message (help)`; of a script without errors the typed tree stands at the end. `BLESS=1` rewrites both. Directives at the top:
//! `// params: a b`, `// pid: 7`, `// child: 8`, `// unsafe`, `// env: NAME=VALUE`, `// linux: 5.4`.

#[path = "check/host.rs"]
mod host;

use std::fmt::Write as _;
use std::path::Path;

use host::FakeHost;
use skep_trace::check::{Options, check, dump};
use skep_trace::host::Host as _;
use skep_trace::syntax::ast::Script;
use skep_trace::syntax::diag::{Diagnostics, Level};
use skep_trace::syntax::{line_col, parse};

const TREE: &str = "/* tree:\n";

#[test]
fn scripts_give_the_findings_and_trees_written_in_them() {
    let bless = std::env::var_os("BLESS").is_some();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "bt"));
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let got = annotate(&text);
        if got == text {
            continue;
        }
        if bless {
            std::fs::write(&path, got).unwrap();
        } else {
            let differ = got.lines().zip(text.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: got, wanted: {differ:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 rewrites the files", wrong.join("\n"));
}

/// The script with what is found in it.
fn annotate(text: &str) -> String {
    let source = strip(text);
    let (options, host) = directives(&source);
    let (script, mut diags) = parse(&source, &options.params);
    let (result, found) = check(&script, &host, &options);
    assert_eq!(result.is_none(), found.has_errors(), "a result means no error, and the reverse");
    diags.append(found);
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    note(&mut lines, &source, &diags);
    let mut out = lines.join("\n") + "\n";
    if let Some((hir, plan)) = result {
        out += TREE;
        for line in dump(&hir, &plan).lines() {
            writeln!(out, "{}", line.replace("*/", "* /")).unwrap();
        }
        out += "*/\n";
    }
    out
}

fn strip(text: &str) -> String {
    let script = text.split(TREE).next().unwrap_or_default();
    let lines = script.lines().map(|l| l.split(" //~").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn note(lines: &mut [String], source: &str, diags: &Diagnostics) {
    for d in diags.iter() {
        let line = line_col(source, d.span.start).0 as usize - 1;
        let level = if d.level == Level::Error { "error" } else { "warning" };
        let also = d.also.as_ref().map(|(span, text)| {
            let (line, column) = line_col(source, span.start);
            format!(" [{line}:{column} {text}]")
        });
        let help = if d.help.is_empty() { String::new() } else { format!(" ({})", d.help) };
        let at = line.min(lines.len() - 1);
        let text = d.message.replace('\n', " ");
        write!(lines[at], " //~ {level}: {text}{help}{}", also.unwrap_or_default()).unwrap();
    }
}

fn directives(source: &str) -> (Options, FakeHost) {
    let mut options = Options::default();
    let mut version = "6.18";
    for line in source.lines().take_while(|l| l.starts_with("//")) {
        let line = line.trim_start_matches('/').trim();
        match line.split_once(':').map_or((line, ""), |(k, v)| (k, v.trim())) {
            ("params", v) => options.params = v.split_whitespace().map(str::to_owned).collect(),
            ("pid", v) => options.pid = v.parse().ok(),
            ("child", v) => options.child = v.parse().ok(),
            ("unsafe", _) => options.unsafe_mode = true,
            ("linux", v) => version = v,
            ("env", v) => {
                let (name, value) = v.split_once('=').unwrap();
                options.env.push((name.into(), value.into()));
            }
            _ => {}
        }
    }
    (options, FakeHost::new(version))
}

/// Scripts made of the pieces of those in the files, in disorder.
struct Mixer {
    files: Vec<Vec<String>>,
    seed: u64,
}

impl Mixer {
    fn new() -> Mixer {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
        let mut paths: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        paths.retain(|p| p.extension().is_some_and(|e| e == "bt"));
        paths.sort();
        let pieces = |p: &std::path::PathBuf| {
            let source = strip(&std::fs::read_to_string(p).unwrap());
            let pieces = source.split_inclusive([' ', '(', ')', ';', '.', '\n']);
            pieces.map(str::to_owned).collect()
        };
        Mixer { files: paths.iter().map(pieces).collect(), seed: 0x9e37_79b9_7f4a_7c15 }
    }

    fn next(&mut self) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 16) as usize
    }

    /// One file with a few pieces changed.
    fn mixed(&mut self, file: usize) -> String {
        let mut mixed = self.files[file].clone();
        for _ in 0..3 {
            let (a, b) = (self.next() % mixed.len(), self.next() % mixed.len());
            match self.next() % 4 {
                0 => mixed.swap(a, b),
                1 => mixed[a] = mixed[b].clone(),
                2 => {
                    let other = self.next() % self.files.len();
                    let at = self.next() % self.files[other].len();
                    mixed[a] = self.files[other][at].clone();
                }
                _ => {
                    mixed.remove(a);
                }
            }
        }
        mixed.concat()
    }

    /// One statement alone in a probe, with pieces changed.
    fn statement(&mut self, file: usize) -> String {
        let text = self.mixed(file);
        let lines: Vec<&str> = text.lines().filter(|l| l.trim_end().ends_with(';')).collect();
        let line = if lines.is_empty() { "" } else { lines[self.next() % lines.len()] };
        let probes = [
            "begin",
            "uprobe:/bin/app:main",
            "uretprobe:/bin/app:main",
            "kprobe:vfs_read",
            "tracepoint:syscalls:sys_enter_openat",
            "rawtracepoint:sched_wakeup",
            "profile:hz:99",
        ];
        format!("{} {{ {line} }}\n", probes[self.next() % probes.len()])
    }
}

/// Goes the whole way to an object, where there is nothing wrong with the script.
fn compiled(source: &str, host: &FakeHost, options: &Options) -> Option<skep_object::Object> {
    let (script, mut diags) = parse(source, &options.params);
    let (result, found) = check(&script, host, options);
    assert_eq!(result.is_none(), found.has_errors(), "{source}");
    diags.append(found);
    let (hir, mut plan) = result?;
    dump(&hir, &plan);
    if diags.has_errors() {
        return None;
    }
    let target = host.target();
    let module = skep_trace::lower::lower(&hir, &mut plan, target, 4, "test.bt", source).ok()?;
    let object = skep_codegen::compile(&module, target);
    // A frame may be too large; a rule that is broken is our own mistake.
    if let Err(e @ skep_codegen::Error::Invalid { .. }) = &object {
        panic!("{e}\n{source}");
    }
    object.ok()
}

/// How long to look: `SKEP_TURNS` times each file.
fn turns(usual: u32) -> u32 {
    std::env::var("SKEP_TURNS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn any_script_is_compiled_without_a_panic() {
    let (host, mut mixer) = (FakeHost::new("6.18"), Mixer::new());
    let options = Options { params: vec!["7".into(), "x".into()], ..Options::default() };
    let mut good = 0;
    for file in 0..mixer.files.len() {
        for _ in 0..turns(30) {
            for source in [mixer.mixed(file), mixer.statement(file)] {
                good += usize::from(compiled(&source, &host, &options).is_some());
            }
        }
    }
    assert!(good > 50, "only {good} scripts had no error: the test tests little");
    let (result, found) = check(&Script::default(), &host, &options);
    assert!(result.is_none() && found.has_errors());
}

/// What is compiled without an error the verifier takes.
#[test]
fn the_kernel_takes_any_script_without_errors() {
    use skep_engine::ErrorKind;
    let strict = std::env::var("SKEP_TEST_KERNEL").is_ok_and(|v| v == "1");
    let kernel = match skep_kernel::Kernel::new().and_then(|k| k.enable_stats().map(|_| k)) {
        Ok(kernel) => kernel,
        Err(e) if strict => panic!("{e}"),
        Err(_) => return println!("skipped: no privilege to use bpf(2)"),
    };
    let (host, mut mixer) = (FakeHost::new("6.18"), Mixer::new());
    let options = Options { unsafe_mode: true, ..Options::default() };
    for file in 0..mixer.files.len() {
        for _ in 0..turns(20) {
            let source = mixer.statement(file);
            let Some(object) = compiled(&source, &host, &options) else { continue };
            let Err(e) = kernel.load_object(&object) else { continue };
            if let ErrorKind::Rejected { log, .. } = &e.kind {
                let tail: Vec<&str> = log.lines().rev().take(12).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                panic!("{source}\n{}", tail.join("\n"));
            }
        }
    }
}

#[test]
fn deep_nests_are_refused_not_followed() {
    let host = FakeHost::new("6.18");
    let n = 3000;
    for body in [
        format!("print({}1{});", "(".repeat(n), ")".repeat(n)),
        format!("print({}pid);", "-".repeat(n)),
        format!("print(pid{});", " + pid".repeat(n)),
        format!("print(curtask{});", ".real_parent".repeat(n)),
        format!("{}print(1);{}", "if (pid) { ".repeat(n), "}".repeat(n)),
        format!("{}print(1);", "pid ? print(2) : ".repeat(n)),
        format!("@x = {}1{};", "(".repeat(n), ",)".repeat(n)),
        format!("@x = ({})1;", "int8".to_owned() + &" *".repeat(n)),
    ] {
        let source = format!("begin {{ {body} }}");
        let (script, mut diags) = parse(&source, &[]);
        let (result, found) = check(&script, &host, &Options::default());
        diags.append(found);
        assert!(diags.has_errors() || result.is_some(), "{}", &source[..60]);
    }
}
