//! The parser by data: `tests/syntax/*.bt`. What is wrong stands as comments below the line concerned (`//~ column: error: ...`); the tree of a script
//! without errors stands in a file of the same name that ends in `.ast`. `BLESS=1 cargo test -p skep-trace --test syntax` rewrites both.
//! Beside them: tables of short inputs, and random inputs that must end quickly, without a panic.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use skep_trace::syntax::ast::Script;
use skep_trace::syntax::diag::{Diagnostics, Level};
use skep_trace::syntax::print::dump;
use skep_trace::syntax::{line_col, parse, render};

const MARK: &str = "//~ ";

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut out: Vec<PathBuf> = entries
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "bt"))
        .collect();
    out.sort();
    out
}

/// The source with each finding below its line.
fn annotate(source: &str, diags: &Diagnostics) -> String {
    let mut notes: Vec<(u32, String)> = diags
        .iter()
        .map(|d| {
            let (line, column) = line_col(source, d.span.start);
            let level = if d.level == Level::Error { "error" } else { "warning" };
            let mut text = format!("{MARK}{column}: {level}: {}", d.message);
            for (word, part) in [("label", &d.label), ("help", &d.help)] {
                if !part.is_empty() {
                    let _ = write!(text, " | {word}: {part}");
                }
            }
            (line, text)
        })
        .collect();
    notes.sort_by_key(|n| n.0);
    let mut out = String::new();
    let lines: Vec<&str> = source.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let _ = writeln!(out, "{line}");
        // What is missing at the end of a text is noted below its last line.
        let here =
            |n: &u32| *n == i as u32 + 1 || (i + 1 == lines.len() && *n > lines.len() as u32);
        for (_, text) in notes.iter().filter(|(n, _)| here(n)) {
            let _ = writeln!(out, "{text}");
        }
    }
    out
}

fn compare(path: &Path, actual: &str, expected: &str) -> Result<(), String> {
    if actual == expected {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, actual).expect("write");
        return Ok(());
    }
    Err(format!("{} differs; BLESS=1 rewrites it. Now it would be:\n{actual}", path.display()))
}

fn check_file(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let source: String =
        text.lines().filter(|l| !l.starts_with(MARK)).map(|l| format!("{l}\n")).collect();
    let params = ["vfs_read".to_string(), "syscalls:sys_enter_openat".to_string()];
    let (script, diags) = parse(&source, &params);
    compare(path, &annotate(&source, &diags), &text)?;
    let tree = path.with_extension("ast");
    if diags.has_errors() {
        return Ok(());
    }
    round_trip(&script).map_err(|e| format!("{}: {e}", path.display()))?;
    compare(&tree, &dump(&script), &fs::read_to_string(&tree).unwrap_or_default())
}

/// What is printed parses back to the same tree.
fn round_trip(script: &Script) -> Result<(), String> {
    let printed = script.to_string();
    let (again, diags) = parse(&printed, &[]);
    if !diags.is_empty() {
        return Err(format!(
            "the printed script is refused:\n{printed}\n{}",
            render(&diags, "printed", &printed, false)
        ));
    }
    let (before, after) = (dump(script), dump(&again));
    if before != after {
        return Err(format!(
            "the printed script has another tree:\n{printed}\nbefore:\n{before}\nafter:\n{after}"
        ));
    }
    if again.to_string() != printed {
        return Err(format!("printed twice, it differs:\n{printed}\nthen:\n{again}"));
    }
    Ok(())
}

#[test]
fn files_give_the_expected_trees_and_errors() {
    let found = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax"));
    assert!(found.len() > 5, "only {} files", found.len());
    let wrong: Vec<String> = found.iter().filter_map(|p| check_file(p).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Scripts from elsewhere, named by the environment: all of them have to parse.
#[test]
fn scripts_of_others_parse() {
    let Some(dir) = std::env::var_os("SKEP_UPSTREAM_TOOLS") else {
        println!("skipped: SKEP_UPSTREAM_TOOLS names no folder");
        return;
    };
    let mut wrong = String::new();
    for path in files(Path::new(&dir)) {
        let source = fs::read_to_string(&path).expect("text");
        let (script, diags) = parse(&source, &[]);
        wrong += &render(&diags, &path.display().to_string(), &source, false);
        if let Err(e) = round_trip(&script) {
            let _ = writeln!(wrong, "{}: {e}", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn expression(text: &str) -> String {
    let source = format!("BEGIN {{ $r = {text}; }}");
    let (script, diags) = parse(&source, &[]);
    assert!(diags.is_empty(), "{}", render(&diags, "expression", &source, false));
    round_trip(&script).unwrap_or_else(|e| panic!("{text}: {e}"));
    let printed = script.to_string();
    let body = printed.trim_start_matches("BEGIN {\n  $r = ").trim_end_matches(";\n}\n");
    body.to_string()
}

#[test]
fn expressions_are_read_with_the_precedence_of_c() {
    for (input, expected) in [
        ("1+2*3", "1 + 2 * 3"),
        ("(1+2)*3", "(1 + 2) * 3"),
        ("1-2-3", "1 - 2 - 3"),
        ("1-(2-3)", "1 - (2 - 3)"),
        ("a & b == c", "a & b == c"),
        ("(a & b) == c", "(a & b) == c"),
        (
            "a || b && c | d ^ e & f == g < h << i + j * k",
            "a || b && c | d ^ e & f == g < h << i + j * k",
        ),
        (
            "((((((((a || b) && c) | d) ^ e) & f) == g) < h) << i)",
            "(((((((a || b) && c) | d) ^ e) & f) == g) < h) << i",
        ),
        ("a ? b : c ? d : e", "a ? b : c ? d : e"),
        ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
        ("a ?: b", "a ?: b"),
        ("-1 - -1", "-1 - -1"),
        ("-(-1)", "-(-1)"),
        ("!~-*$x", "!~-*$x"),
        ("*$x.y", "*$x.y"),
        ("(*$x).y", "(*$x).y"),
        ("&@m", "&@m"),
        ("$x++ + ++$x", "$x++ + ++$x"),
        ("@a[1, \"x\"][2]", "@a[1, \"x\"][2]"),
        ("(@a)[2]", "(@a)[2]"),
        ("args->a.b.0.1[3]", "args->a.b.0.1[3]"),
        ("10ms + 0x10 + 1e3 + 'a' + 5ul", "10000000 + 16 + 1000 + 97 + 5u"),
        ("18446744073709551615", "18446744073709551615"),
        (r#""a\tb\x41\101\xff\\\"é""#, r#""a\tbAA\xff\\\"é""#),
        (r#""one " "two""#, r#""one two""#),
        ("$1 + $#", "$1 + $#"),
        ("(1,)", "(1,)"),
        ("()", "()"),
        ("(1, (2, 3))", "(1, (2, 3))"),
        ("(a = 1, b = \"x\")", "(a = 1, b = \"x\")"),
        ("(a == 1)", "a == 1"),
        ("true != false", "true != false"),
        ("strftime(\"%H\", nsecs)", "strftime(\"%H\", nsecs)"),
    ] {
        assert_eq!(expression(input), expected, "{input}");
    }
}

#[test]
fn casts_are_told_from_brackets() {
    for (input, expected) in [
        ("(uint64)x", "(uint64)x"),
        ("(uint64)x.y", "(uint64)x.y"),
        ("(uint64)x + 1", "(uint64)x + 1"),
        ("((uint64)x).y", "((uint64)x).y"),
        ("(struct foo *)arg0", "(struct foo *)arg0"),
        ("((struct foo *)arg0)->bar", "((struct foo *)arg0)->bar"),
        ("(struct foo)*arg0", "(struct foo)(*arg0)"),
        ("(foo_t *)arg0", "(foo_t *)arg0"),
        ("(mytype)*arg0", "(mytype)(*arg0)"),
        ("(arg1)*arg0", "arg1 * arg0"),
        ("(cpu)*2", "cpu * 2"),
        ("(cpu)-2", "cpu - 2"),
        ("(AF_INET)-2", "AF_INET - 2"),
        ("(u32)-2", "(u32)(-2)"),
        ("(int32[])x", "(int32[])x"),
        ("(int8 *[4]*)x", "(int8 *[4] *)x"),
        ("(string[16])x", "(string[16])x"),
        ("(unsigned long int)x", "(unsigned long)x"),
        ("(const char *)x", "(char *)x"),
        ("(long unsigned)x", "(unsigned long)x"),
        ("(foo)", "foo"),
        ("(foo) + 1", "foo + 1"),
        ("(a) ? 1 : 2", "a ? 1 : 2"),
        ("(typeof($x))y", "(typeof($x))y"),
        ("sizeof(struct foo)", "sizeof(struct foo)"),
        ("sizeof(uint64 *)", "sizeof(uint64 *)"),
        ("sizeof($x)", "sizeof($x)"),
        ("sizeof(args.x)", "sizeof(args.x)"),
        ("sizeof(foo[2])", "sizeof(foo[2])"),
        ("sizeof((foo)[2])", "sizeof((foo[2]))"),
        ("offsetof(struct foo, a.b)", "offsetof(struct foo, a.b)"),
        ("offsetof(*$x, a)", "offsetof(typeof(*$x), a)"),
    ] {
        assert_eq!(expression(input), expected, "{input}");
    }
}

#[test]
fn attach_points_are_split_into_parts() {
    let params = ["vfs_read".to_string(), "a:b".to_string()];
    for (input, expected) in [
        ("BEGIN", &["BEGIN"][..]),
        ("tracepoint:syscalls:sys_enter_*", &["tracepoint", "syscalls", "sys_enter_*"]),
        (
            "uprobe:/usr/lib/x-y.so.1:\"foo bar\"+0x10",
            &["uprobe", "/usr/lib/x-y.so.1", "foo bar+0x10"],
        ),
        ("uprobe:/bin/bash:cpp:readline", &["uprobe", "/bin/bash", "cpp", "readline"]),
        ("uprobe:/bin/x:cpp:\"a::b(int, char)\"", &["uprobe", "/bin/x", "cpp", "a::b(int, char)"]),
        ("u:bin/x:net/http.Get", &["u", "bin/x", "net/http.Get"]),
        ("uprobe:/usr/*/lib*.so://x", &["uprobe", "/usr/*/lib*.so", "//x"]),
        ("interval:10ms", &["interval", "10ms"]),
        ("kprobe:mod:func+4", &["kprobe", "mod", "func+4"]),
        ("kprobe:tcp_[a-c]?x", &["kprobe", "tcp_[a-c]?x"]),
        ("kprobe:$1", &["kprobe", "vfs_read"]),
        ("t:$2", &["t", "a", "b"]),
        ("kprobe:\"$1\"", &["kprobe", "$1"]),
        ("iter:task:/sys/fs/bpf/x", &["iter", "task", "/sys/fs/bpf/x"]),
        ("kprobe:f/pid == 1/", &["kprobe", "f"]),
        ("uprobe:/bin/x:f /pid == 1/", &["uprobe", "/bin/x", "f"]),
        ("uprobe:/bin/x:f/pid==1/", &["uprobe", "/bin/x", "f"]),
        ("kprobe:f/* why */", &["kprobe", "f"]),
        ("hardware:cache-misses:1e6", &["hardware", "cache-misses", "1e6"]),
        ("watchpoint:0x10000000:8:rw", &["watchpoint", "0x10000000", "8", "rw"]),
    ] {
        let source = format!("{input} {{ exit(); }}");
        let (script, diags) = parse(&source, &params);
        assert!(diags.is_empty(), "{}", render(&diags, "attach", &source, false));
        let [skep_trace::syntax::ast::Item::Probe(probe)] = &script.items[..] else {
            panic!("{input}: not one probe")
        };
        assert_eq!(probe.attach[0].parts, expected, "{input}");
        assert_eq!(probe.predicate.is_some(), input.contains("pid"), "{input}");
        round_trip(&script).unwrap_or_else(|e| panic!("{input}: {e}"));
    }
}

#[test]
fn an_error_is_shown_with_its_source() {
    let source = "kprobe:f { @x = 1 +; }";
    let (_, diags) = parse(source, &[]);
    let expected = "error: expected an expression, found `;`
 --> stdin:1:20
  |
1 | kprobe:f { @x = 1 +; }
  |                    ^ a value belongs here
";
    assert_eq!(render(&diags, "stdin", source, false), expected);
}

/// Runs the parser on what may be anything, and what it made through both printers.
fn survives(source: &str) {
    let begin = Instant::now();
    let (script, diags) = parse(source, &["a:b".to_string()]);
    let _ =
        (dump(&script).len(), script.to_string().len(), render(&diags, "x", source, false).len());
    let limit = Duration::from_secs(2) + Duration::from_micros(20 * source.len() as u64);
    assert!(begin.elapsed() < limit, "{:?} for {} bytes", begin.elapsed(), source.len());
    if diags.is_empty()
        && let Err(e) = round_trip(&script)
    {
        // The brackets that printing adds may be one level too many.
        assert!(e.contains("nested too deeply"), "{source}\n{e}");
    }
}

#[test]
fn deep_and_long_inputs_end_quickly() {
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("{", "1", "}"),
        ("-", "1", ""),
        ("!", "1", ""),
        ("(u8)", "1", ""),
        ("(x)", "1", ""),
        ("(typeof(", "1", "))"),
        ("sizeof(", "1", ")"),
        ("1+", "1", ""),
        ("1+(", "1", ")"),
        ("f(", "1", ")"),
        ("@[", "1", "]"),
        ("1?", "1", ":1"),
        ("1?1:", "1", ""),
        ("$x.", "a", ""),
        ("(1,", "1", ")"),
        ("(a=", "1", ")"),
        ("if 1 { ", "1", " } else { 1 }"),
        ("if 1 { 1 } else ", "{ 1 }", ""),
        ("\"", "", ""),
        ("/*", "", ""),
        ("$x[", "1", "]"),
        ("(a*b[", "1", "])"),
        ("(a[", "1", "]"),
        ("({ (", "1", ") })"),
        ("a||b&&c|d^e&f==g<h<<i+j*(", "1", ")"),
    ] {
        for n in [50, 150, 199, 210, 900, 1100, 20_000] {
            let text = format!("{}{middle}{}", open.repeat(n), close.repeat(n));
            survives(&format!("BEGIN {{ $x = {text}; }}"));
            survives(&format!("BEGIN {{ {text}; }}"));
            survives(&format!("BEGIN /{text}/ {{ }}"));
        }
    }
    for text in [
        "struct a { ",
        "let $x = ",
        "€",
        "'",
        "}",
        "kprobe:f ",
        "#if 1\n",
        "#if (",
        "a,",
        "a:b{",
        ":",
        "config = {",
        "@[\n",
        "/",
        "if x {\n",
        "#define A (A+A)\n",
        "$",
        "for ($x : @x) ",
    ] {
        survives(&text.repeat(20_000));
    }
}

#[test]
fn long_chains_are_allowed_within_reason() {
    let terms = vec!["pid == 1"; 450].join(" || ");
    let source = format!("kprobe:f /{terms}/ {{ exit(); }}");
    let (script, diags) = parse(&source, &[]);
    assert!(diags.is_empty(), "{}", render(&diags, "chain", &source, false));
    round_trip(&script).expect("round trip");
}

#[test]
fn macros_that_explode_are_refused() {
    let mut source = String::from("#define A0 1\n");
    for i in 1..60 {
        let _ = writeln!(source, "#define A{i} (A{0} + A{0})", i - 1);
    }
    source += "BEGIN { print(A59); }\n";
    let begin = Instant::now();
    let (_, diags) = parse(&source, &[]);
    assert!(
        diags.has_errors() && begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

/// Scripts to be mutilated.
fn valid() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax");
    files(&dir).iter().map(|p| fs::read_to_string(p).expect("text")).collect()
}

const SOUP: &[&str] = &[
    "kprobe:f",
    "BEGIN",
    "END",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    ":",
    "/",
    " ",
    "\n",
    "$x",
    "$1",
    "$#",
    "@",
    "@m",
    "@m[1]",
    "=",
    "==",
    "+=",
    "++",
    "--",
    "->",
    ".",
    "..",
    "?",
    "+",
    "-",
    "*",
    "&",
    "!",
    "~",
    "<",
    "<<=",
    "1",
    "0x1f",
    "10ms",
    "1e3",
    "'a'",
    "\"s\"",
    "\"",
    "'",
    "//",
    "/*",
    "*/",
    "#if 1",
    "#endif",
    "#define A 1",
    "#define B (A)",
    "#include <x>",
    "A",
    "B",
    "pid",
    "comm",
    "args",
    "if",
    "else",
    "while",
    "for",
    "unroll",
    "let",
    "return",
    "break",
    "struct",
    "union",
    "enum",
    "x",
    "uint64",
    "unsigned",
    "long",
    "sizeof",
    "offsetof",
    "typeof",
    "config",
    "import",
    "macro",
    "fn",
    "count()",
    "printf(",
    "é",
    "\\",
    "(uint64)",
    "(struct x *)",
    "true",
    "_ =",
    "uprobe:/bin/x:f",
    "tracepoint:a:b,",
    "__attribute__((packed))",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_tokens_in_any_order_survive(picks in prop::collection::vec((0..SOUP.len(), any::<bool>()), 0..120)) {
        let text: String = picks.iter().map(|(i, blank)| format!("{}{}", SOUP[*i], if *blank { " " } else { "" })).collect();
        survives(&text);
        survives(&format!("BEGIN {{ {text} }}"));
    }

    #[test]
    fn any_text_survives(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn mutilated_scripts_survive(pick in any::<prop::sample::Index>(), cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, 0..SOUP.len()), 1..6)) {
        let scripts = valid();
        let mut text = pick.get(&scripts).clone();
        for (at, len, with) in cuts {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.floor_char_boundary((start + len).min(text.len()));
            text.replace_range(start.min(end)..end, SOUP[with]);
        }
        survives(&text);
    }
}
