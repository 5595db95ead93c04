//! File tests of the checker: each `tests/check/*.bt` is checked against a small machine of text. A finding stands behind its line, as
//! `//~ error: message (help)`; of a script without errors the typed tree stands at the end. `BLESS=1` rewrites both. Directives at the top:
//! `// params: a b`, `// pid: 7`, `// child: 8`, `// unsafe`, `// env: NAME=VALUE`, `// linux: 5.4`.

#[path = "check/host.rs"]
mod host;

use std::fmt::Write as _;
use std::path::Path;

use host::FakeHost;
use skep_trace::check::{Options, check, dump};
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

#[test]
fn any_tree_is_checked_without_a_panic() {
    let host = FakeHost::new("6.18");
    let options = Options { params: vec!["7".into(), "x".into()], ..Options::default() };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "bt") {
            continue;
        }
        let source = strip(&std::fs::read_to_string(&path).unwrap());
        let tokens: Vec<&str> = source.split_inclusive([' ', '(', ')', ';', '.', '\n']).collect();
        for _ in 0..60 {
            let mut mixed = tokens.clone();
            for _ in 0..3 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let (a, b) = (seed as usize % mixed.len(), (seed >> 32) as usize % mixed.len());
                match seed % 3 {
                    0 => mixed.swap(a, b),
                    1 => mixed[a] = mixed[b],
                    _ => {
                        mixed.remove(a);
                    }
                }
            }
            let source = mixed.concat();
            let (script, _) = parse(&source, &options.params);
            let (result, found) = check(&script, &host, &options);
            assert_eq!(result.is_none(), found.has_errors(), "{source}");
            if let Some((hir, plan)) = result {
                dump(&hir, &plan);
            }
        }
    }
    let (result, found) = check(&Script::default(), &host, &options);
    assert!(result.is_none() && found.has_errors());
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
