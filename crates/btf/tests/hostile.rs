//! Whatever the bytes: an error that says where, or answers; never a panic, never without end.

mod common;

use std::sync::Arc;

use common::{member, param, sample, walk};
use skep_btf::{
    Btf, BtfBuilder, BtfExt, CoreRelo, Endian, ExtSection, FuncInfo, IntEncoding, LineInfo, TypeId,
};

fn mutations(bytes: &[u8], mut check: impl FnMut(Vec<u8>)) {
    for at in 0..bytes.len() {
        check(bytes[..at].to_vec());
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] ^= flip;
            check(changed);
        }
    }
    // Several changes at once; a fixed seed, so that a failure stays.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..4000 {
        let mut changed = bytes.to_vec();
        for _ in 0..=random() % 4 {
            let at = random() as usize % changed.len();
            // Small numbers make ids and offsets that exist, and so circles.
            changed[at] = if random() % 2 == 0 { random() as u8 % 64 } else { random() as u8 };
        }
        check(changed);
    }
}

#[test]
fn changed_btf_never_panics() {
    for endian in [Endian::Little, Endian::Big] {
        let bytes = sample(endian);
        let (mut parsed, mut refused) = (0, 0);
        mutations(&bytes, |changed| match Btf::parse(changed, None) {
            Ok(btf) => {
                parsed += 1;
                assert!(walk(&btf) > 0 || btf.type_count() == 1);
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(", offset "), "{error}");
            }
        });
        assert!(parsed > 1000 && refused > 1000, "{parsed} parsed, {refused} refused");
    }
}

#[test]
fn changed_btf_of_a_module_never_panics() {
    let base = Arc::new(Btf::parse(sample(Endian::NATIVE), None).unwrap());
    let mut b = BtfBuilder::with_base(&base);
    let task = base.find_struct_or_union("task_struct").unwrap();
    let task_ptr = b.add_ptr(task);
    b.add_struct("driver", 24, &[member("owner", task_ptr, 0), member("list", TypeId(9), 64)]);
    let mut parsed = 0;
    mutations(&b.finish().unwrap(), |changed| {
        if let Ok(module) = Btf::parse(changed, Some(Arc::clone(&base))) {
            parsed += 1;
            assert!(walk(&module) >= base.type_count() as usize - 1);
        }
    });
    assert!(parsed > 100);
}

#[test]
fn changed_btf_ext_never_panics() {
    for endian in [Endian::Little, Endian::Big] {
        let ext = sample_ext();
        let bytes = ext.to_bytes(endian).unwrap();
        assert_eq!(BtfExt::parse(&bytes).unwrap(), ext);
        let mut refused = 0;
        mutations(&bytes, |changed| match BtfExt::parse(&changed) {
            Ok(read) => {
                let records: usize = read.line_info.iter().map(|part| part.records.len()).sum();
                assert!(records <= changed.len() / 16);
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("BTF.ext, offset "), "{error}");
            }
        });
        assert!(refused > 100);
    }
}

fn sample_ext() -> BtfExt {
    let line =
        |insn_off, line, col| LineInfo { insn_off, file_name_off: 5, line_off: 9, line, col };
    BtfExt {
        func_info: vec![ExtSection {
            name_off: 1,
            records: vec![FuncInfo { insn_off: 0, type_id: TypeId(3) }],
        }],
        line_info: vec![
            ExtSection { name_off: 1, records: vec![line(0, 10, 3), line(16, 4_194_303, 1023)] },
            ExtSection { name_off: 2, records: vec![line(8, 0, 0)] },
        ],
        core_relo: vec![ExtSection {
            name_off: 1,
            records: vec![CoreRelo {
                insn_off: 8,
                type_id: TypeId(2),
                access_str_off: 7,
                raw_kind: 12,
            }],
        }],
    }
}

fn parse_error(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = sample(Endian::Little);
    change(&mut bytes);
    Btf::parse(bytes, None).expect_err("it is damaged").to_string()
}

fn put(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

#[test]
fn errors_name_the_section_and_the_offset() {
    for (error, expected) in [
        (parse_error(Vec::clear), "BTF header, offset 0: cut short: it has 24 bytes"),
        (
            parse_error(|bytes| bytes[0] = 0),
            "BTF header, offset 0: this is not BTF: the magic number 0xeb9f is missing",
        ),
        (
            parse_error(|bytes| bytes[2] = 2),
            "BTF header, offset 2: version 2 is unknown: there is 1",
        ),
        (
            parse_error(|bytes| put(bytes, 12, u32::MAX)),
            "BTF header, offset 8: the type section does not fit the data",
        ),
        (
            parse_error(|bytes| put(bytes, 28, 20 << 24)),
            "BTF type section, offset 0: kind 20 is unknown (Linux 6.18 has 1 to 19)",
        ),
        (
            parse_error(|bytes| put(bytes, 24, u32::MAX)),
            "BTF type section, offset 0: the name at 4294967295 lies outside the strings",
        ),
    ] {
        assert_eq!(error, expected);
    }
    let unended = parse_error(|bytes| *bytes.last_mut().unwrap() = b'x');
    assert!(unended.ends_with("the last string has no end (NUL)"), "{unended}");
}

#[test]
fn circles_end() {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntEncoding::Signed);
    let typedef = b.next_id();
    assert_eq!(b.add_typedef("loop", typedef), typedef);
    let array = b.next_id();
    assert_eq!(b.add_array(array, int, 2), array);
    let pointer = b.next_id();
    assert_eq!(b.add_ptr(pointer), pointer);
    let composite = b.next_id();
    b.add_struct("", 4, &[member("", composite, 0), member("", composite, 0)]);
    let proto = b.next_id();
    let params = vec![param("", TypeId(proto.0 + 1)); 8];
    b.add_func_proto(int, &params, false);
    let proto_ptr = b.add_ptr(proto);
    let btf = Btf::parse(b.finish().unwrap(), None).unwrap();

    let deep = |id| format!("BTF type {id} is nested too deeply, or contains itself");
    // A typedef needs no look at what it names.
    assert_eq!(btf.type_name(typedef).as_deref(), Ok("loop"));
    for id in [array, pointer, proto, proto_ptr] {
        assert_eq!(btf.type_name(id).unwrap_err().to_string(), deep(id));
    }
    assert_eq!(btf.resolve(typedef).unwrap_err().to_string(), deep(typedef));
    assert_eq!(btf.size_of(array).unwrap_err().to_string(), deep(array));
    assert!(btf.align_of(array).is_err() && btf.align_of(composite).is_err());
    assert!(btf.c_definition(composite).is_err());
    assert_eq!(btf.member(composite, "x"), Ok(None));
}

#[test]
fn nests_of_anonymous_structs_do_not_explode() {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntEncoding::Signed);
    let mut inner = b.add_struct("", 4, &[member("x", int, 0)]);
    for _ in 0..28 {
        inner = b.add_struct("", 4, &[member("", inner, 0); 8]);
    }
    let btf = Btf::parse(b.finish().unwrap(), None).unwrap();
    assert_eq!(btf.member(inner, "x").unwrap().unwrap().type_id, int);
    assert_eq!(btf.align_of(inner), Ok(4));
    let error = btf.c_definition(inner).unwrap_err().to_string();
    assert!(error.ends_with("its text in C is too large"), "{error}");
}

#[test]
fn nests_of_prototypes_do_not_explode() {
    let mut b = BtfBuilder::new();
    // Without a name, so that it adds nothing to the text.
    let mut inner = b.add_int("", 4, IntEncoding::Signed);
    for _ in 0..15 {
        let proto = b.add_func_proto(inner, &[param("", inner); 8], false);
        inner = b.add_ptr(proto);
    }
    let btf = Btf::parse(b.finish().unwrap(), None).unwrap();
    let error = btf.type_name(inner).unwrap_err().to_string();
    assert!(error.ends_with("its text in C is too large"), "{error}");
}

#[test]
fn a_source_line_in_latin_1_does_not_make_the_types_unreadable() {
    let mut b = BtfBuilder::new();
    b.add_int("int", 4, IntEncoding::Signed);
    let line = b.add_string("// caf?");
    let mut bytes = b.finish().unwrap();
    let at = bytes.iter().rposition(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xe9;
    let btf = Btf::parse(bytes.clone(), None).unwrap();
    assert_eq!(btf.string_bytes(line), Some(&b"// caf\xe9"[..]));
    assert_eq!(btf.string(line), None);
    // As a name it is refused.
    bytes[24..28].copy_from_slice(&line.to_ne_bytes());
    let error = Btf::parse(bytes, None).unwrap_err().to_string();
    assert!(error.starts_with("BTF type section, offset 0: the name at "), "{error}");
}
