//! printf: flags and types, and what odd records do.

use skep_trace::plan::{Conv, Format, Piece, Plan, Spec};
use skep_trace::run::format::{Printf, Short, encode};
use skep_trace::run::value::{Names, View};
use skep_trace::types::{
    Clock, EnumDef, EnumId, Field, Space, StackSpec, StructDef, StructId, Type,
};

/// Names that say what they were asked.
pub struct Plain;

impl Names for Plain {
    fn ksym(&mut self, address: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("k{address:x}").as_bytes());
    }
    fn usym(&mut self, address: u64, pid: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("u{address:x}/{pid}").as_bytes());
    }
    fn kstack(&mut self, spec: StackSpec, id: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("kstack{id}:{}", spec.depth).as_bytes());
    }
    fn ustack(&mut self, _: StackSpec, id: i64, pid: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("ustack{id}/{pid}").as_bytes());
    }
    fn username(&mut self, uid: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("user{uid}").as_bytes());
    }
    fn cgroup(&mut self, id: u64, pattern: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("cg{id}:{pattern}").as_bytes());
    }
    fn time(&mut self, format: &str, _: Clock, nsecs: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{format}@{nsecs}").as_bytes());
    }
}

fn plan() -> Plan {
    let mut plan = Plan { probe_names: vec!["BEGIN".into(), "kprobe:f".into()], ..Plan::default() };
    plan.strings = vec!["%H".into(), "*".into()];
    plan.types.enums.push(EnumDef {
        name: "e".into(),
        size: 4,
        signed: true,
        values: vec![("ONE".into(), 1), ("MINUS".into(), -1)],
    });
    let field = |name: &str, ty, offset, bits| Field {
        name: name.into(),
        ty,
        offset,
        bits,
        data_loc: false,
    };
    plan.types.structs.push(StructDef {
        name: "struct s".into(),
        size: 8,
        align: 4,
        fields: vec![
            field("m", Type::I32, 0, None),
            field("low", Type::U32, 4, Some((0, 4))),
            field("high", Type::I32, 4, Some((4, 4))),
        ],
    });
    plan
}

/// Takes a format string apart as the parser will; enough for tests.
fn spec(text: &str) -> Spec {
    let mut spec = Spec { bits: 64, ..Spec::default() };
    let mut rest = text.strip_prefix('%').unwrap();
    while let Some(c) = rest.chars().next() {
        match c {
            '-' => spec.left = true,
            '0' if spec.width.is_none() => spec.zero = true,
            '+' => spec.plus = true,
            ' ' => spec.space = true,
            '#' => spec.alt = true,
            '*' => spec.width_arg = true,
            '1'..='9' => {
                let n: String = rest.chars().take_while(char::is_ascii_digit).collect();
                spec.width = Some(n.parse().unwrap());
                rest = &rest[n.len()..];
                continue;
            }
            '.' if rest.starts_with(".*") => {
                spec.precision_arg = true;
                rest = &rest[2..];
                continue;
            }
            '.' => {
                let n: String = rest[1..].chars().take_while(char::is_ascii_digit).collect();
                spec.precision = Some(n.parse().unwrap_or(0));
                rest = &rest[1 + n.len()..];
                continue;
            }
            _ => break,
        }
        rest = &rest[1..];
    }
    for (prefix, bits) in [("hh", 8), ("h", 16)] {
        if let Some(after) = rest.strip_prefix(prefix) {
            spec.bits = bits;
            rest = after;
            break;
        }
    }
    spec.conv = match rest {
        "d" => Conv::Signed,
        "u" => Conv::Unsigned,
        "x" => Conv::Hex,
        "X" => Conv::HexUpper,
        "o" => Conv::Octal,
        "c" => Conv::Char,
        "p" => Conv::Pointer,
        "s" => Conv::Str,
        "r" => Conv::Buf,
        "rx" => Conv::BufHex,
        "rh" => Conv::BufHexSpaced,
        other => panic!("conversion {other}"),
    };
    spec
}

fn run(plan: &Plan, pieces: Vec<Piece>, args: &[(Type, &[u8])]) -> Result<String, Short> {
    let format = Format { pieces, args: args.iter().map(|a| a.0.clone()).collect() };
    let printf = Printf::new(&plan.types, &format);
    let record = encode(0, 0, &plan.types, args);
    let mut out = Vec::new();
    let mut view = View { plan, names: &mut Plain, compact: false };
    printf.write(&record, &mut view, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[track_caller]
fn check(conversion: &str, ty: Type, bytes: &[u8], expected: &str) {
    let pieces =
        vec![Piece::Text(b"<".into()), Piece::Arg(spec(conversion)), Piece::Text(b">".into())];
    let text = run(&plan(), pieces, &[(ty, bytes)]).unwrap();
    assert_eq!(text, format!("<{expected}>"), "{conversion}");
}

#[track_caller]
fn check_number(conversion: &str, v: i64, expected: &str) {
    check(conversion, Type::I64, &v.to_ne_bytes(), expected);
}

#[test]
fn numbers_follow_c() {
    for (conversion, v, expected) in [
        ("%d", 0, "0"),
        ("%d", -5, "-5"),
        ("%d", i64::MIN, "-9223372036854775808"),
        ("%u", -1, "18446744073709551615"),
        ("%5d", 42, "   42"),
        ("%-5d", 42, "42   "),
        ("%05d", -42, "-0042"),
        ("%-05d", 42, "42   "),
        ("%+d", 42, "+42"),
        ("% d", 42, " 42"),
        ("%+d", -42, "-42"),
        ("%8.4d", 42, "    0042"),
        ("%08.4d", 42, "    0042"),
        ("%.0d", 0, ""),
        ("%x", 255, "ff"),
        ("%X", 255, "FF"),
        ("%#x", 255, "0xff"),
        ("%#X", 255, "0XFF"),
        ("%#x", 0, "0"),
        ("%#10x", 255, "      0xff"),
        ("%#010x", 255, "0x000000ff"),
        ("%04x", 2, "0002"),
        ("%o", 8, "10"),
        ("%#o", 8, "010"),
        ("%c", 65, "A"),
        ("%3c", 65, "  A"),
        ("%-3c", 65, "A  "),
        ("%p", 0x1234, "0x1234"),
        ("%hhx", 0x12345678abcdef, "ef"),
        ("%hx", 0x12345678abcdef, "cdef"),
        ("%hhd", 0xff, "-1"),
        ("%x", 0x12345678abcdef, "12345678abcdef"),
        ("%s", -7, "-7"),
        ("%5s", 7, "    7"),
    ] {
        check_number(conversion, v, expected);
    }
}

#[test]
fn narrow_integers_keep_their_sign() {
    check("%d", Type::I32, &(-1i32).to_ne_bytes(), "-1");
    check("%u", Type::U32, &u32::MAX.to_ne_bytes(), "4294967295");
    check("%d", Type::U8, &[200], "200");
    check("%d", Type::Int { bits: 8, signed: true }, &[200], "-56");
    check("%d", Type::Bool, &[1], "1");
}

#[test]
fn strings_take_width_and_precision() {
    let str16 = Type::Str { max: 16 };
    for (conversion, expected) in [
        ("%s", "bash"),
        ("%-8s", "bash    "),
        ("%8s", "    bash"),
        ("%.2s", "ba"),
        ("%5.2s", "   ba"),
        ("%-5.2s", "ba   "),
    ] {
        check(conversion, str16.clone(), b"bash\0\0\0\0\0\0\0\0\0\0\0\0", expected);
    }
}

#[test]
fn cut_strings_get_the_trailer() {
    let mut short = plan();
    short.config.max_strlen = 4;
    for (bytes, expected) in [(b"abcd", "abcd.."), (b"abc\0", "abc")] {
        let text = run(&short, vec![Piece::Arg(spec("%s"))], &[(Type::Str { max: 4 }, bytes)]);
        assert_eq!(text.unwrap(), expected);
    }
    // An array of the kernel may be full.
    check("%s", Type::Str { max: 4 }, b"abcd", "abcd");
    let long = Type::Str { max: 100 };
    check("%s", long.clone(), b"abc", "abc");
    check("%s", long, &[b'x'; 101], &format!("{}..", "x".repeat(100)));
}

#[test]
fn every_type_shows_itself_as_text() {
    let mut inet4 = 2u32.to_ne_bytes().to_vec();
    inet4.extend_from_slice(&[127, 0, 0, 1]);
    let mut inet6 = 10u32.to_ne_bytes().to_vec();
    inet6.extend_from_slice(&[0; 15]);
    inet6.push(1);
    let n = |v: u64| v.to_ne_bytes().to_vec();
    let mut usym = n(0x10);
    usym.extend_from_slice(&7u32.to_ne_bytes());
    let spec = StackSpec { mode: skep_trace::types::StackMode::Bpftrace, depth: 9 };
    let mut record = 1i32.to_ne_bytes().to_vec();
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(b"hi\0\0");
    for (ty, bytes, expected) in [
        (Type::Bool, vec![1], "true"),
        (Type::Enum(EnumId(0)), 1i32.to_ne_bytes().to_vec(), "ONE"),
        (Type::Enum(EnumId(0)), (-1i32).to_ne_bytes().to_vec(), "MINUS"),
        (Type::Enum(EnumId(0)), 100i32.to_ne_bytes().to_vec(), "100"),
        (Type::ptr(Type::None, Space::Kernel), n(0xffff), "0xffff"),
        (Type::Inet, inet4, "127.0.0.1"),
        (Type::Inet, inet6, "::1"),
        (Type::Mac, vec![0xaa, 0, 1, 2, 3, 0xff], "AA:00:01:02:03:FF"),
        (Type::Ksym, n(0x20), "k20"),
        (Type::Usym, usym.clone(), "u10/7"),
        (Type::Kstack(spec), n(3), "kstack3:9"),
        (Type::Ustack(spec), usym, "ustack16/7"),
        (Type::Username, n(5), "user5"),
        (Type::Probe, n(1), "kprobe:f"),
        (Type::Probe, n(99), "?"),
        (Type::Timestamp { format: 0, clock: Clock::Boot }, n(9), "%H@9"),
        (Type::CgroupPath { pattern: 1 }, n(9), "cg9:*"),
        (Type::Array { elem: Box::new(Type::U8), len: 3 }, vec![1, 2, 3], "[1,2,3]"),
        (
            Type::Record(vec![("a".into(), Type::I32), ("b".into(), Type::Str { max: 4 })]),
            [1i32.to_ne_bytes().as_slice(), b"hi\0\0"].concat(),
            "{ .a = 1, .b = hi }",
        ),
        (
            Type::Struct(StructId(0)),
            [2i32.to_ne_bytes(), 0xf3u32.to_ne_bytes()].concat(),
            "{ .m = 2, .low = 3, .high = -1 }",
        ),
        (
            Type::Tuple(vec![Type::I32, Type::Tuple(vec![Type::U8, Type::Bool])]),
            [1i32.to_ne_bytes().as_slice(), &[2, 0]].concat(),
            "(1, (2, false))",
        ),
    ] {
        check("%s", ty, &bytes, expected);
    }
}

#[test]
fn buffers_show_in_three_ways() {
    let buf = Type::Buf { max: 8 };
    check("%r", buf.clone(), b"Hi\0\xff", "Hi\\x00\\xff");
    check("%s", buf.clone(), b"Hi\0\xff", "Hi\\x00\\xff");
    check("%rx", buf.clone(), b"Hello\0", "\\x48\\x65\\x6c\\x6c\\x6f\\x00");
    check("%rh", buf.clone(), b"Hello\0", "48 65 6c 6c 6f 00");
    check("%10rh", buf, b"Hi", "     48 69");
}

#[test]
fn width_and_precision_may_be_arguments() {
    let pieces = vec![Piece::Arg(spec("%*d")), Piece::Text(b"|".into()), Piece::Arg(spec("%.*s"))];
    let n = |v: i64| v.to_ne_bytes();
    let (w, v, p) = (n(-4), n(7), n(2));
    let args: [(Type, &[u8]); 4] =
        [(Type::I64, &w), (Type::I64, &v), (Type::I64, &p), (Type::Str { max: 8 }, b"abcdef\0\0")];
    assert_eq!(run(&plan(), pieces, &args).unwrap(), "7   |ab");
}

#[test]
fn variable_parts_follow_each_other() {
    let pieces = ["%s", "%d", "%r", "%s"].map(|c| Piece::Arg(spec(c))).to_vec();
    let n = 5i64.to_ne_bytes();
    let long = Type::Str { max: 200 };
    let args: [(Type, &[u8]); 4] = [
        (long.clone(), b"first"),
        (Type::I64, &n),
        (Type::Buf { max: 9 }, b"123456789"),
        (long, b"last\0"),
    ];
    assert_eq!(run(&plan(), pieces, &args).unwrap(), "first5123456789last");
}

#[test]
fn short_records_are_refused_at_every_length() {
    let plan = plan();
    let args: [(Type, &[u8]); 3] = [
        (Type::I64, &[1; 8]),
        (Type::Str { max: 100 }, b"some text"),
        (Type::Str { max: 8 }, b"abc\0\0\0\0\0"),
    ];
    let pieces = ["%d", "%s", "%8s"].map(|c| Piece::Arg(spec(c))).to_vec();
    let format = Format { pieces, args: args.iter().map(|a| a.0.clone()).collect() };
    let printf = Printf::new(&plan.types, &format);
    let record = encode(0, 0, &plan.types, &args);
    let mut view = View { plan: &plan, names: &mut Plain, compact: false };
    let text_end = record.len() - 7;
    for len in 0..record.len() {
        let mut out = Vec::new();
        let done = printf.write(&record[..len], &mut view, &mut out);
        assert_eq!(done.is_err(), len < text_end, "{len}");
        assert_eq!(out.is_empty(), done.is_err());
    }
    let mut wild = record.clone();
    wild[16..20].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert_eq!(printf.write(&wild, &mut view, &mut Vec::new()), Err(Short));
}
