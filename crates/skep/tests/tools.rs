//! Every ready script of `tools/` and `examples/` is compiled, loaded and attached on the live kernel, so that none of them rots.
//!
//! Without the right to load BPF programs this is skipped, unless SKEP_TEST_KERNEL=1.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn skep(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_skep"))
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .expect("skep")
}

fn tools() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = ["tools", "examples"].map(|d| std::fs::read_dir(root.join(d)).unwrap());
    let files = files.into_iter().flatten().map(|e| e.unwrap().path());
    let mut tools: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "bt")).collect();
    tools.sort();
    tools
}

#[test]
fn every_tool_attaches_without_a_warning() {
    let strict = std::env::var("SKEP_TEST_KERNEL").is_ok_and(|v| v == "1");
    let may_trace = skep(&["trace", "-q", "-e", "BEGIN { exit(); }"]).status.success();
    if !strict && !may_trace {
        println!("skipped: BPF programs cannot be loaded here (not root?)");
        return;
    }
    let mut failures = String::new();
    for tool in tools() {
        let output = skep(&["trace", "-q", "--dry-run", tool.to_str().unwrap()]);
        if !output.status.success() || !output.stderr.is_empty() {
            failures += &format!(
                "{}: {}\n{}\n",
                tool.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_tool_says_what_it_shows() {
    let tools = tools();
    assert!(tools.len() > 20, "the folder of tools is not where it was");
    for tool in tools {
        let name = tool.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&tool).unwrap();
        let head = format!("#!/usr/bin/env -S skep trace\n/*\n * {name}: ");
        assert!(text.starts_with(&head), "{name} does not begin with its headline");
        let comment = text.split("*/").next().unwrap();
        assert!(comment.contains(" *     "), "{name} shows no example");
    }
}

/// The support matrix cites code and tests: what it cites must be there.
#[test]
fn the_support_matrix_cites_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/language.md")).unwrap();
    let matrix = text.split("## Support matrix").last().unwrap();
    let cited = matrix.split('`').skip(1).step_by(2);
    let paths: Vec<&str> = cited
        .filter(|c| c.contains('/') && [".rs", ".txt", ".bt"].iter().any(|e| c.ends_with(e)))
        .collect();
    assert!(paths.len() > 60, "the matrix is not where it was");
    for path in paths {
        let base = if path.starts_with("sessions/") { "crates/skep/tests" } else { "crates" };
        assert!(root.join(base).join(path).is_file(), "docs/language.md cites {path}");
    }
}
