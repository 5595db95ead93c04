//! Symbols of this very process, and of one that has ended.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use skep_trace::run::symbols::Symbols;

/// A function with a name that can be asked for.
#[inline(never)]
pub fn a_function_to_be_named(n: u64) -> u64 {
    std::hint::black_box(n) + 1
}

fn address() -> u64 {
    a_function_to_be_named as *const () as u64
}

fn text(f: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    f(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn own_functions_have_demangled_names() {
    let mut symbols = Symbols::new(true);
    let pid = std::process::id();
    let name = text(|out| symbols.user(address(), pid, false, out));
    assert!(name.ends_with("symbols::a_function_to_be_named"), "{name}");
    let name = text(|out| symbols.user(address() + 3, pid, true, out));
    assert!(name.ends_with("symbols::a_function_to_be_named+3"), "{name}");
    let module = text(|out| symbols.module(address(), pid, out));
    assert_eq!(module, std::env::current_exe().unwrap().to_string_lossy());
}

#[test]
fn names_stay_mangled_if_asked() {
    let mut symbols = Symbols::new(false);
    let name = text(|out| symbols.user(address(), std::process::id(), false, out));
    assert!(name.starts_with("_ZN") || name.starts_with("_R"), "{name}");
}

#[test]
fn build_ids_name_the_file() {
    let mut symbols = Symbols::new(true);
    let line = text(|out| symbols.build_id(address(), std::process::id(), out));
    // A linker that gives none leaves the address.
    match line.split_once(" 0x") {
        Some((id, offset)) => {
            assert!(id.len() >= 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
            assert!(u64::from_str_radix(offset, 16).is_ok(), "{line}");
        }
        None => assert_eq!(line, format!("{:x}", address())),
    }
}

/// Run as a child by the test below: says where its function is and waits.
#[test]
fn child_that_says_its_address() {
    if std::env::var_os("SKEP_TEST_CHILD").is_some() {
        println!("address {}", address());
        std::io::stdout().flush().unwrap();
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

#[test]
fn a_process_that_has_ended_keeps_its_names() {
    // A copy that is deleted: only what was opened while the process lived can name it.
    let exe = std::env::current_exe().unwrap();
    let copy = std::env::temp_dir().join(format!("skep-ended-{}", std::process::id()));
    std::fs::copy(&exe, &copy).unwrap();
    let mut child = Command::new(&copy)
        .args(["--exact", "symbols::child_that_says_its_address", "--nocapture"])
        .env("SKEP_TEST_CHILD", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: u64 = lines
        .find_map(|line| line.unwrap().split_once("address ").and_then(|(_, n)| n.parse().ok()))
        .unwrap();
    let mut symbols = Symbols::new(true);
    symbols.seen(child.id());
    std::fs::remove_file(&copy).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    let name = text(|out| symbols.user(address + 1, child.id(), true, out));
    assert!(name.ends_with("symbols::a_function_to_be_named+1"), "{name}");
    let module = text(|out| symbols.module(address, child.id(), out));
    assert_eq!(module, copy.to_string_lossy());
}

#[test]
fn kernel_functions_have_names_where_kallsyms_shows_addresses() {
    let kallsyms = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let symbol = kallsyms.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let address = u64::from_str_radix(fields.next()?, 16).ok()?;
        (fields.next()? == "T" && fields.next()? == "vfs_read" && address > 0).then_some(address)
    });
    let Some(address) = symbol else {
        assert!(std::env::var_os("SKEP_TEST_KERNEL").is_none(), "kallsyms hides addresses");
        println!("skipped: kallsyms hides addresses");
        return;
    };
    let mut symbols = Symbols::new(true);
    assert_eq!(text(|out| symbols.kernel(address + 5, true, out)), "vfs_read+5");
    assert_eq!(text(|out| symbols.kernel(address, false, out)), "vfs_read");
}
