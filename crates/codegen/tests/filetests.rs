//! Files of IR with what becomes of them: `filetests/*.ir`.
//!
//! A comment `; test: opt` asks for the optimised IR, `; test: asm` for the listing of what is compiled, `; test: error`
//! for the message; `; target: 5.15` names a Linux version. What is expected follows the line `; expect:` as comments.
//! `BLESS=1` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

use skep_abi::{Target, Version};
use skep_codegen::{compile, listing, optimize_module, parse, validate_module};

const EXPECT: &str = "; expect:\n";

fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|l| l.strip_prefix("; ")?.strip_prefix(name)?.strip_prefix(": "))
}

fn outcome(text: &str) -> Result<String, String> {
    let version = directive(text, "target").unwrap_or("6.18").parse::<Version>();
    let target = Target::linux(version.map_err(|e| format!("{e:?}"))?);
    let mut module = parse(text).map_err(|e| e.to_string())?;
    let test = directive(text, "test").ok_or("no `; test:`")?;
    let object = compile(&module, &target).map_err(|e| e.to_string());
    match test {
        "opt" => {
            object?;
            optimize_module(&mut module);
            validate_module(&module).map_err(|e| format!("after the passes: {e}"))?;
            module.maps.clear();
            Ok(module.programs.iter().map(|p| p.to_string()).collect())
        }
        "asm" => {
            let object = object?;
            Ok(object.programs.iter().map(|p| listing(&object, p)).collect())
        }
        "error" => match object {
            Ok(_) => Err("it compiles".to_owned()),
            Err(e) => Ok(format!("{e}\n")),
        },
        _ => Err(format!("unknown test {test:?}")),
    }
}

/// True if the file says what happens.
fn check(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    let input = text.split(EXPECT).next().unwrap_or_default();
    let actual = outcome(input).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let comments = actual.lines().map(|l| format!("; {l}").trim_end().to_owned() + "\n");
    let expected = format!("{}\n\n{EXPECT}{}", input.trim_end(), comments.collect::<String>());
    if expected == text {
        return true;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, expected).unwrap();
        return true;
    }
    eprintln!("{}: it gives\n{actual}", path.display());
    false
}

#[test]
fn files_say_what_becomes_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|p| p.extension().is_some_and(|e| e == "ir")).collect();
    files.sort();
    assert!(files.len() >= 10, "where are the files?");
    let wrong = files.iter().filter(|p| !check(p)).count();
    assert_eq!(wrong, 0, "files with another outcome; BLESS=1 writes it down");
}
