//! What the checker refuses, what the parser refuses, and code at the limits of the instruction set.

mod support;

use skep_abi::{Feature, ProgType, Target, Version};
use skep_codegen::ir::{BinOp, Builder, Cond, Edge, Module, Program, Size, Term};
use skep_codegen::{Error, compile, compile_as_is, parse, validate, validate_module};
use support::{bpf, ir};

/// A program of one function with that body, and what is said about it.
fn check(body: &str, expected: &str) {
    let text = format!(
        "map0 = array \"m\" key 4 value 8 entries 1\n\
         program \"p\" raw_tracepoint {{ func0 \"f\" (v0) {{ slot0 = 8\n block0:\n {body} }}\n \
         func1 \"g\" (v0, v1) {{ block0: ret v0 }} }}"
    );
    let module = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let said = validate_module(&module).map_or_else(|e| e.to_string(), |()| "valid".to_owned());
    assert_eq!(said, expected, "{body}");
}

#[test]
fn broken_rules_are_named_with_their_place() {
    let late = "v1 = const 1\n branch eq v0, v1, block1, block2\n block1: v2 = const 2\n jump block2\n block2:";
    for (body, expected) in [
        ("ret v0", "valid"),
        ("ret v1", "f: end of block0: v1 is not defined"),
        (
            "v1 = add v1, v0\n ret v1",
            "f: block0 instruction 0: v1 is used where its definition does not reach",
        ),
        ("v0 = const 1\n ret v0", "f: block0: v0 is defined twice"),
        (
            &format!("{late} ret v2"),
            "f: end of block2: v2 is used where its definition does not reach",
        ),
        (&format!("{late} ret v1"), "valid"),
        ("jump block0", "f: end of block0: a jump to the entry block"),
        ("jump block7", "f: end of block0: there is no block7"),
        ("jump block1(v0)\n block1: ret v0", "f: end of block0: block1 takes 0 arguments, not 1"),
        ("jump block1\n block1(v1): ret v1", "f: end of block0: block1 takes 1 arguments, not 0"),
        ("v1 = zext64 v0\n ret v1", "f: block0 instruction 0: extension from 64 bits"),
        ("v1 = sext0 v0\n ret v1", "f: block0 instruction 0: extension from 0 bits"),
        ("v1 = bswap8 v0\n ret v1", "f: block0 instruction 0: byte swap of 8 bits"),
        ("v1 = slot_addr slot1\n ret v1", "f: block0 instruction 0: there is no slot1"),
        ("v1 = slot_addr slot0+9\n ret v1", "f: block0 instruction 0: byte 9 is past slot0"),
        ("v1 = map_addr map1\n ret v1", "f: block0 instruction 0: there is no map1"),
        (
            "v1 = map_value_addr map0+8\n ret v1",
            "f: block0 instruction 0: byte 8 is past the value of map0",
        ),
        ("v1 = store u8 [v0], v0\n ret v1", "f: block0 instruction 0: a store gives no value"),
        (
            "v1 = atomic add u64 [v0], v0\n ret v1",
            "f: block0 instruction 0: the result of an atomic operation that does not fetch",
        ),
        (
            "v1 = atomic fetch_add u16 [v0], v0\n ret v1",
            "f: block0 instruction 0: an atomic operation on less than 4 bytes",
        ),
        (
            "v1 = atomic cmpxchg u64 [v0], v0\n ret v1",
            "f: block0 instruction 0: compare-and-exchange is not part of the IR",
        ),
        (
            "v1 = call helper 1(v0, v0, v0, v0, v0, v0)\n ret v1",
            "f: block0 instruction 0: a call with 6 arguments",
        ),
        ("v1 = call func1(v0)\n ret v1", "f: block0 instruction 0: func1 takes 2 arguments, not 1"),
        (
            "v1 = call func0(v0)\n ret v1",
            "f: block0 instruction 0: the entry function cannot be called",
        ),
        ("v1 = func_addr func2\n ret v1", "f: block0 instruction 0: there is no func2"),
        // Where control does not come, definitions need not reach.
        ("ret v0\n block1: v1 = const 1\n jump block2\n block2: ret v1", "valid"),
    ] {
        check(body, expected);
    }
}

#[test]
fn text_that_cannot_be_read_is_an_error_with_its_line() {
    for (text, expected) in [
        ("licence \"GPL\"", "line 1: \"licence\" instead of map0"),
        ("license GPL", "line 1: a string is missing"),
        ("\nlicense \"GPL", "line 2: a string without its end"),
        ("map0 = tree \"x\"", "line 1: there is no map type \"tree\""),
        ("map1 = hash \"x\"", "line 1: \"map1\" instead of map0"),
        ("program \"p\" kprobes {}", "line 1: there is no program type \"kprobes\""),
        (
            "program \"p\" kprobe {\n func0 \"f\" {\n block0:\n v1 = plus v0, v0",
            "line 4: there is no operation \"plus\"",
        ),
        (
            "program \"p\" kprobe {\n func0 \"f\" {\n block0:\n call helper magic()",
            "line 4: there is no helper \"magic\"",
        ),
        (
            "program \"p\" kprobe {\n func0 \"f\" {\n block1:",
            "line 3: \"block1\" instead of block0",
        ),
        (
            "program \"p\" kprobe {\n func0 \"f\" {\n block0: v1 = const 99999999999999999999",
            "line 3: \"99999999999999999999\" is not a number",
        ),
        ("license \"\u{e9}\" \u{e9}", "line 1: 'é' means nothing here"),
    ] {
        // What is reported is the token at which reading stopped, so a line after the culprit would be wrong.
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_block_that_does_not_end_is_refused() {
    let (mut b, _) = Builder::new("f", 1);
    b.iconst(1);
    let mut func = b.finish();
    func.blocks[0].term = Term::None;
    assert_eq!(
        validate(&func).unwrap_err().to_string(),
        "f: end of block0: the block does not end"
    );
}

/// A branch over more instructions than 16 bits can count, in a loop.
fn far() -> Module {
    let (mut b, params) = Builder::new("far", 0);
    assert!(params.is_empty());
    let slot = b.slot(8);
    let addr = b.inst(skep_codegen::ir::Inst::SlotAddr(slot, 0));
    let zero = b.iconst(0);
    b.store(Size::DW, addr, 0, zero);
    let (head, long, exit) = (b.block(), b.block(), b.block());
    let i = b.block_param(head);
    b.term(Term::Jump(Edge { block: head, args: vec![zero] }));
    b.switch_to(head);
    let three = b.iconst(3);
    b.branch(Cond::Ult, i, three, long, exit);
    b.switch_to(long);
    for n in 0..12_000 {
        let old = b.load(Size::DW, addr, 0);
        let new = b.bin_imm(BinOp::Add, old, n);
        b.store(Size::DW, addr, 0, new);
    }
    let next = b.bin_imm(BinOp::Add, i, 1);
    b.term(Term::Jump(Edge { block: head, args: vec![next] }));
    b.switch_to(exit);
    let sum = b.load(Size::DW, addr, 0);
    b.term(Term::Ret(sum));
    let program = Program {
        name: "far".to_owned(),
        kind: ProgType::RawTracepoint,
        expected_attach: None,
        sleepable: false,
        funcs: vec![b.finish()],
    };
    Module { programs: vec![program], ..Module::default() }
}

#[test]
fn jumps_past_16_bits_take_the_long_form_or_are_refused() {
    let module = far();
    let expected = ir::run(&module, 0).unwrap();
    assert_eq!(expected.result, 3 * (0..12_000).sum::<u64>());
    let new = Target::linux(Version::new(6, 18));
    for compile in [compile, compile_as_is] {
        let object = compile(&module, &new).unwrap();
        assert!(object.programs[0].insns.len() > 36_000);
        assert_eq!(bpf::run(&object, 0), Some(expected.clone()));
    }
    let refused = compile(&module, &new.without(Feature::IsaV4)).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
}
