//! What the builder stores once, and what it refuses.

mod common;

use common::{bits, member, param};
use skep_btf::{Btf, BtfBuilder, Endian, Enumerator, IntEncoding, Member, TypeId};

#[test]
fn the_same_type_is_stored_once() {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntEncoding::Signed);
    let ptr = b.add_ptr(int);
    let proto = b.add_func_proto(int, &[param("a", ptr)], false);
    assert_eq!(b.add_int("int", 4, IntEncoding::Signed), int);
    assert_eq!(b.add_ptr(int), ptr);
    assert_eq!(b.add_func_proto(int, &[param("a", ptr)], false), proto);
    assert_ne!(b.add_int("int", 4, IntEncoding::Unsigned), int);
    assert_ne!(b.add_func_proto(int, &[param("b", ptr)], false), proto);
    assert_ne!(b.add_const(int), b.add_volatile(int));
    assert_eq!(b.add_string("int"), b.add_string("int"));
    assert_eq!(b.add_string(""), 0);
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let mut b = BtfBuilder::with_endian(Endian::Little);
    let int = b.add_int("int", 4, IntEncoding::Signed);
    b.add_struct("s", 4, &[bits("f", int, 3, 5)]);
    let header = [0x0001_eb9f, 24, 0, 40, 40, 9];
    // Signed, 32 bits.
    let int = [1, 0x0100_0000, 4, 0x0100_0020];
    // With the kind flag, as it has a bitfield; one member.
    let composite = [7, 0x8400_0001, 4, 5, 1, 5 << 24 | 3];
    let words = [&header[..], &int, &composite].concat();
    let mut expected: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    expected.extend_from_slice(b"\0int\0f\0s\0");
    assert_eq!(b.finish().unwrap(), expected);
}

#[test]
fn mistakes_are_reported_at_the_end() {
    fn check(build: impl FnOnce(&mut BtfBuilder), expected: &str) {
        let mut b = BtfBuilder::new();
        build(&mut b);
        let error = b.finish().expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    check(|b| _ = b.add_ptr(TypeId(7)), "type [7] is referred to but was never added");
    check(|b| _ = b.add_fwd("a\0b", false), "has a NUL in it");
    check(|b| _ = b.add_int("int", 3, IntEncoding::Signed), "int int of 3 bytes");
    let many = vec![Enumerator { name: "A", value: 0 }; 65_536];
    check(|b| _ = b.add_enum("e", 4, false, &many), "enum e has 65536 parts");
    let wide = [Enumerator { name: "A", value: 1 << 32 }];
    check(|b| _ = b.add_enum("e", 4, false, &wide), "enumerator A = 4294967296 does not fit");
    let far = [bits("f", TypeId(1), 1 << 24, 5)];
    check(
        |b| _ = b.add_struct("s", 4, &far),
        "struct s has bitfields and a member at bit 16777216",
    );
}

#[test]
fn an_integer_of_old_btf_tells_the_bitfield() {
    let mut b = BtfBuilder::with_endian(Endian::Little);
    let int = b.add_int("unsigned int", 4, IntEncoding::Unsigned);
    let s = b.add_struct("s", 4, &[member("a", int, 8)]);
    let mut bytes = b.finish().unwrap();
    // BTF before Linux 5.0: an int of 3 bits, at bit 2, in 4 bytes.
    bytes[24 + 12..24 + 16].copy_from_slice(&(2u32 << 16 | 3).to_le_bytes());
    let btf = Btf::parse(bytes, None).unwrap();
    let field = btf.member(s, "a").unwrap().unwrap();
    assert_eq!((field.bit_offset, field.bitfield_size), (10, Some(3)));
    assert!(btf.c_definition(s).unwrap().contains("unsigned int a: 3;"));
    let recorded = Member { name: "a", type_id: int, bit_offset: 8, bitfield_size: None };
    assert_eq!(btf.composite(s).unwrap().members().next(), Some(recorded));
}
