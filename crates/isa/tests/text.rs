//! Instructions through bytes, types and text and back; the text forms that others print; what is refused, and where.

use std::borrow::Cow;

use proptest::prelude::*;
use skep_isa::*;

fn reg() -> impl Strategy<Value = Reg> {
    (0u8..=10).prop_map(|n| Reg::new(n).unwrap())
}

fn src() -> impl Strategy<Value = Src> {
    prop_oneof![reg().prop_map(Src::Reg), any::<i32>().prop_map(Src::Imm)]
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::W32), Just(Width::W64)]
}

fn size() -> impl Strategy<Value = Size> {
    prop::sample::select(vec![Size::B, Size::H, Size::W, Size::DW])
}

fn narrow() -> impl Strategy<Value = Size> {
    prop::sample::select(vec![Size::B, Size::H, Size::W])
}

fn imm64() -> impl Strategy<Value = Imm64> {
    prop_oneof![
        any::<u64>().prop_map(Imm64::Value),
        any::<i32>().prop_map(Imm64::MapFd),
        any::<(i32, u32)>().prop_map(|(fd, off)| Imm64::MapValue { fd, off }),
        any::<(i32, i32)>().prop_map(|(id, fd)| Imm64::BtfId { id, fd }),
        any::<i32>().prop_map(Imm64::Func),
        any::<i32>().prop_map(Imm64::MapIdx),
        any::<(i32, u32)>().prop_map(|(idx, off)| Imm64::MapIdxValue { idx, off }),
    ]
}

fn callee() -> impl Strategy<Value = Callee> {
    prop_oneof![
        any::<u32>().prop_map(Callee::Helper),
        any::<i32>().prop_map(Callee::Local),
        any::<(i32, i16)>().prop_map(|(id, fd)| Callee::Kfunc { id, fd }),
    ]
}

fn alu() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (width(), prop::sample::select(AluOp::ALL), reg(), src())
            .prop_map(|(width, op, dst, src)| Kind::Alu { width, op, dst, src }),
        (reg(), reg(), prop::sample::select(vec![8, 16, 32]))
            .prop_map(|(dst, src, bits)| Kind::MovSx { width: Width::W64, dst, src, bits }),
        (reg(), reg(), prop::sample::select(vec![8, 16]))
            .prop_map(|(dst, src, bits)| Kind::MovSx { width: Width::W32, dst, src, bits }),
        (width(), reg()).prop_map(|(width, dst)| Kind::Neg { width, dst }),
        (
            prop::sample::select(vec![Swap::ToLe, Swap::ToBe, Swap::Always]),
            prop::sample::select(vec![16, 32, 64]),
            reg()
        )
            .prop_map(|(swap, bits, dst)| Kind::Swap { swap, bits, dst }),
        (reg(), reg(), any::<u16>(), any::<u16>())
            .prop_map(|(dst, src, to, from)| Kind::AddrSpaceCast { dst, src, to, from }),
    ]
}

fn memory() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (size(), reg(), reg(), any::<i16>()).prop_map(|(size, dst, src, off)| Kind::Load {
            size,
            signed: false,
            dst,
            src,
            off
        }),
        (narrow(), reg(), reg(), any::<i16>()).prop_map(|(size, dst, src, off)| Kind::Load {
            size,
            signed: true,
            dst,
            src,
            off
        }),
        (size(), reg(), any::<i16>(), src()).prop_map(|(size, dst, off, src)| Kind::Store {
            size,
            dst,
            off,
            src
        }),
        (
            prop::sample::select(vec![Size::W, Size::DW]),
            prop::sample::select(AtomicOp::ALL),
            reg(),
            any::<i16>(),
            reg()
        )
            .prop_map(|(size, op, dst, off, src)| Kind::Atomic { size, op, dst, off, src }),
        (size(), reg(), reg(), any::<i16>()).prop_map(|(size, dst, src, off)| Kind::LoadAcquire {
            size,
            dst,
            src,
            off
        }),
        (size(), reg(), any::<i16>(), reg()).prop_map(|(size, dst, off, src)| Kind::StoreRelease {
            size,
            dst,
            off,
            src
        }),
        (reg(), imm64()).prop_map(|(dst, value)| Kind::LdImm64 { dst, value }),
        (narrow(), any::<i32>()).prop_map(|(size, imm)| Kind::LdAbs { size, imm }),
        (narrow(), reg(), any::<i32>()).prop_map(|(size, src, imm)| Kind::LdInd { size, src, imm }),
    ]
}

fn jump() -> impl Strategy<Value = Kind> {
    prop_oneof![
        any::<i16>().prop_map(|off| Kind::Jump { off }),
        any::<i32>().prop_map(|off| Kind::JumpLong { off }),
        any::<i16>().prop_map(|off| Kind::MayGoto { off }),
        (width(), prop::sample::select(JmpOp::ALL), reg(), src(), any::<i16>())
            .prop_map(|(width, op, dst, src, off)| Kind::JumpIf { width, op, dst, src, off }),
        callee().prop_map(Kind::Call),
        Just(Kind::Exit),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![alu(), memory(), jump()]
}

/// Jumps that stay near, so that labels are used.
fn near() -> impl Strategy<Value = Kind> {
    prop_oneof![
        kind(),
        (-6i16..6).prop_map(|off| Kind::Jump { off }),
        (-6i32..6).prop_map(|off| Kind::JumpLong { off }),
        (-6i32..6).prop_map(|rel| Kind::Call(Callee::Local(rel))),
        (-6i32..6).prop_map(|rel| Kind::LdImm64 { dst: Reg::R1, value: Imm64::Func(rel) }),
    ]
}

fn program(kinds: &[Kind]) -> Vec<Insn> {
    let mut insns = Vec::new();
    kinds.iter().for_each(|k| k.push_to(&mut insns));
    insns
}

fn any_insn() -> impl Strategy<Value = Insn> {
    any::<[u8; 8]>().prop_map(|b| Insn::from_bytes(b, false))
}

struct Library;

impl Names for Library {
    fn helper(&self, n: u32) -> Option<Cow<'_, str>> {
        (n == 1).then_some("bpf_map_lookup_elem".into())
    }
    fn helper_number(&self, name: &str) -> Option<u32> {
        (name == "bpf_map_lookup_elem").then_some(1)
    }
    fn kfunc(&self, id: i32, _: i16) -> Option<Cow<'_, str>> {
        (id == 77).then_some("bpf_iter_num_new".into())
    }
    fn map(&self, value: Imm64) -> Option<Cow<'_, str>> {
        (value == Imm64::MapFd(3)).then_some("counts".into())
    }
    fn map_value(&self, name: &str) -> Option<Imm64> {
        (name == "counts").then_some(Imm64::MapFd(3))
    }
    fn function(&self, pc: usize) -> Option<Cow<'_, str>> {
        (pc == 0).then_some("main".into())
    }
}

proptest! {
    #[test]
    fn types_encode_and_decode(kinds in prop::collection::vec(kind(), 0..8), big in any::<bool>()) {
        let insns = program(&kinds);
        let back: Vec<Kind> = Kind::decode_all(&insns).unwrap().into_iter().map(|k| k.1).collect();
        prop_assert_eq!(back, kinds);
        prop_assert_eq!(decode(&encode(&insns, big), big).unwrap(), insns);
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(insns in prop::collection::vec(any_insn(), 2)) {
        if let Some(Ok(kind)) = Kind::decode(&insns) {
            prop_assert_eq!(program(&[kind]), &insns[..kind.slots()]);
        }
    }

    #[test]
    fn valid_programs_are_printed_and_read_back(kinds in prop::collection::vec(kind(), 0..8)) {
        let insns = program(&kinds);
        let text = disassemble(&insns);
        prop_assert!(!text.contains(".insn"), "{}", text);
        prop_assert_eq!(assemble(&text), Ok(insns));
    }

    #[test]
    fn labels_names_and_numbers_lead_back(kinds in prop::collection::vec(near(), 0..12), numbers in any::<bool>()) {
        let insns = program(&kinds);
        let text = Printer::new().names(&Library).labels(true).numbers(numbers).program(&insns);
        prop_assert_eq!(Assembler::new().names(&Library).assemble(&text), Ok(insns), "{}", text);
    }

    #[test]
    fn any_bytes_are_printed_and_read_back(insns in prop::collection::vec(any_insn(), 0..8)) {
        prop_assert_eq!(assemble(&disassemble(&insns)), Ok(insns));
    }

    #[test]
    fn no_text_makes_the_assembler_panic(text in "(\\PC|[\n\t <>:;#(){}\\[\\]=+*a-w0-9-]){0,60}") {
        if let Err(Error::Text(complaints)) = assemble(&text) {
            for c in complaints {
                let line = text.lines().nth(c.line - 1).unwrap();
                prop_assert!(c.column <= line.chars().count() + 1);
            }
        }
    }

    #[test]
    fn no_broken_line_makes_the_assembler_panic(k in kind(), cut in 0usize..40, put in "[ -~]{0,3}") {
        let mut line = k.to_string();
        let at = cut.min(line.len());
        line.insert_str(at, &put);
        let _ = assemble(&line);
        let _ = assemble(&line[..at]);
    }
}

/// The text of each instruction, and the same as other tools print it.
#[test]
fn instructions_read_as_the_kernel_and_llvm_write_them() {
    let r = Reg::R1;
    let cases: &[(Insn, &[&str])] = &[
        (Insn::mov64(r, Src::Imm(5)), &["r1 = 5", "r1 = 0x5", "r1 = +5", "0: (b7) r1 = 5"]),
        (Insn::mov64(r, Src::Imm(-1)), &["r1 = -1", "r1 = -0x1"]),
        (
            Insn::mov64(r, Src::Reg(Reg::FP)),
            &["r1 = r10", "       3:\tbf a1 00 00 00 00 00 00\tr1 = r10"],
        ),
        (Insn::alu32(AluOp::Mov, r, Src::Imm(-1)), &["w1 = -1", "w1 = 0xffffffff"]),
        (Insn::alu64(AluOp::Arsh, r, Src::Imm(3)), &["r1 s>>= 3", "r1 s>>= 0x3"]),
        (Insn::alu64(AluOp::Sdiv, r, Src::Reg(Reg::R2)), &["r1 s/= r2"]),
        (Insn::alu32(AluOp::Smod, r, Src::Imm(7)), &["w1 s%= 7"]),
        (Insn::neg64(r), &["r1 = -r1", "r1 = - r1"]),
        (Insn::movsx64(r, Reg::R2, 8), &["r1 = (s8)r2", "r1 = (s8) r2"]),
        (Insn::to_be(r, 16), &["r1 = be16 r1"]),
        (Insn::to_le(r, 64), &["r1 = le64 r1"]),
        (Insn::bswap(r, 32), &["r1 = bswap32 r1"]),
        (
            Insn::ldx(Size::W, Reg::R0, r, 4),
            &[
                "r0 = *(u32 *)(r1 + 4)",
                "r0 = *(u32 *)(r1 +4)",
                "w0 = *(u32 *)(r1 + 0x4)",
                "  12: (61) r0 = *(u32 *)(r1 +4) ; R0_w=scalar()",
            ],
        ),
        (Insn::ldx(Size::DW, Reg::R0, r, 0), &["r0 = *(u64 *)(r1 + 0)", "r0 = *(u64 *)(r1)"]),
        (Insn::ldxs(Size::B, Reg::R0, r, -8), &["r0 = *(s8 *)(r1 - 8)", "r0 = *(s8 *)(r1 -8)"]),
        (
            Insn::stx(Size::W, Reg::FP, -4, r),
            &["*(u32 *)(r10 - 4) = r1", "*(u32 *)(r10 - 0x4) = w1"],
        ),
        (Insn::st(Size::DW, Reg::FP, -8, -1), &["*(u64 *)(r10 - 8) = -1"]),
        (
            Insn::atomic(Size::DW, AtomicOp::Add, r, 0, Reg::R2),
            &["lock *(u64 *)(r1 + 0) += r2", "lock *(u64 *)(r1 +0) += r2"],
        ),
        (
            Insn::atomic(Size::W, AtomicOp::FetchAnd, r, 4, Reg::R2),
            &[
                "r2 = atomic_fetch_and((u32 *)(r1 + 4), r2)",
                "w2 = atomic_fetch_and((u32 *)(r1 + 0x4), w2)",
            ],
        ),
        (
            Insn::atomic(Size::DW, AtomicOp::FetchAdd, r, 4, Reg::R2),
            &[
                "r2 = atomic64_fetch_add((u64 *)(r1 + 4), r2)",
                "r2 = atomic_fetch_add((u64 *)(r1 + 0x4), r2)",
            ],
        ),
        (
            Insn::atomic(Size::W, AtomicOp::Xchg, r, 0, Reg::R2),
            &["r2 = atomic_xchg((u32 *)(r1 + 0), r2)", "w2 = xchg32_32(r1 + 0x0, w2)"],
        ),
        (
            Insn::atomic(Size::DW, AtomicOp::CmpXchg, r, 0, Reg::R2),
            &[
                "r0 = atomic64_cmpxchg((u64 *)(r1 + 0), r0, r2)",
                "r0 = cmpxchg_64(r1 + 0x0, r0, r2)",
            ],
        ),
        (Insn::ja(-3), &["goto -3", "goto pc-3", "goto -0x3 <LBB0_1>"]),
        (Insn::jal(100_000), &["gotol +100000", "gotol pc+100000"]),
        (Insn::may_goto(2), &["may_goto +2", "may_goto pc+2"]),
        (
            Insn::jmp64(JmpOp::Sgt, r, Src::Imm(-1), 2),
            &[
                "if r1 s> -1 goto +2",
                "if r1 s> 0xffffffff goto pc+2",
                "if r1 s> -0x1 goto +0x2 <f+0x40>",
            ],
        ),
        (Insn::jmp32(JmpOp::Set, r, Src::Reg(Reg::R2), 2), &["if w1 & w2 goto +2"]),
        (Insn::call(1), &["call 1", "call bpf_map_lookup_elem#1", "call 0x1", "call unknown#1"]),
        (Insn::call_rel(-2), &["call -2", "call pc-2", "call -0x2"]),
        (Insn::call_kfunc(77), &["call kfunc 77", "call kfunc bpf_iter_num_new#77"]),
        (Insn::exit(), &["exit", "\tEXIT_LABEL: exit // done", "<end>: exit"]),
    ];
    for (insn, texts) in cases {
        assert_eq!(disassemble(&[*insn]), format!("{}\n", texts[0]));
        for text in *texts {
            assert_eq!(assemble(text), Ok(vec![*insn]), "{text}");
        }
    }
}

#[test]
fn wide_loads_read_as_the_kernel_and_llvm_write_them() {
    let load = |value| program(&[Kind::LdImm64 { dst: Reg::R1, value }]);
    for (value, texts) in [
        (Imm64::Value(1), &["r1 = 0x1 ll", "r1 = 1 ll"][..]),
        (
            Imm64::Value(u64::MAX),
            &["r1 = 0xffffffffffffffff ll", "r1 = -1 ll", "r1 = 0xffffffffffffffff"],
        ),
        (Imm64::Value(1 << 31), &["r1 = 0x80000000 ll", "r1 = 0x80000000"]),
        (Imm64::MapFd(5), &["r1 = map[fd:5]"]),
        (Imm64::MapValue { fd: 5, off: 0 }, &["r1 = map[fd:5][0]", "r1 = map[fd:5][0]+0"]),
        (Imm64::MapValue { fd: 5, off: 8 }, &["r1 = map[fd:5][0] + 8", "r1 = map[fd:5][0]+8"]),
        (Imm64::BtfId { id: 9, fd: 0 }, &["r1 = btf[id:9]"]),
        (Imm64::BtfId { id: 9, fd: 4 }, &["r1 = btf[id:9, fd:4]"]),
        (Imm64::Func(-7), &["r1 = subprog[-7]", "r1 = subprog[pc-7]"]),
        (Imm64::MapIdxValue { idx: 0, off: 16 }, &["r1 = map[idx:0][0] + 16"]),
    ] {
        assert_eq!(disassemble(&load(value)), format!("{}\n", texts[0]));
        for text in texts {
            assert_eq!(assemble(text), Ok(load(value)), "{text}");
        }
    }
    let bytes = "       0:\t18 01 00 00 01 00 00 00 00 00 00 00 00 00 00 00\tr1 = 0x1 ll";
    assert_eq!(assemble(bytes), Ok(load(Imm64::Value(1))));
}

#[test]
fn a_program_reads_with_names_and_labels() {
    let text = "\
main:
    r2 = r10
    r2 += -8
    *(u64 *)(r10 - 8) = 0
    r1 = map[counts]
    call bpf_map_lookup_elem#1
    if r0 == 0 goto L9
    r1 = 1
    lock *(u64 *)(r0 + 0) += r1
L9:
    call L11
    exit
L11:
    r1 = subprog[main]
    call kfunc bpf_iter_num_new#77
    goto main
";
    let insns = Assembler::new().names(&Library).assemble(text).unwrap();
    assert_eq!(insns.len(), 15);
    assert_eq!(insns[6], Insn::jmp64(JmpOp::Eq, Reg::R0, Src::Imm(0), 2));
    assert_eq!(insns[9], Insn::call_rel(1));
    assert_eq!(
        insns[11],
        Insn::ld_imm64(Reg::R1, op::BPF_PSEUDO_FUNC, u64::from(-12i32 as u32))[0]
    );
    assert_eq!(insns[14], Insn::ja(-15));
    assert_eq!(Printer::new().names(&Library).labels(true).program(&insns), text);
}

#[test]
fn errors_have_line_and_column_and_all_are_told() {
    for (text, expected) in [
        ("r1 = ", "1:5: expected a register, a number or a load, found the end of the line"),
        ("r1 += w2", "1:7: r and w registers cannot be mixed"),
        ("r11 = 1", "1:1: unknown instruction r11"),
        ("r1 = r2 r3", "1:9: expected the end of the line, found r3"),
        ("w1 = *(u64 *)(r2 + 0)", "1:1: eight bytes need a 64-bit register (r)"),
        ("r1 += 4294967295", "1:7: 4294967295 does not fit in a 32-bit immediate"),
        ("if r1 > 0xffffffff goto +1", "1:9: 4294967295 does not fit in a 32-bit immediate"),
        ("r0 = *(u32 *)(r1 + 40000)", "1:18: 40000 does not fit in a 16-bit offset"),
        (
            "r0 = *(u33 *)(r1 + 4)",
            "1:8: expected a type: u8, u16, u32, u64, or s8, s16, s32 to extend the sign",
        ),
        ("goto nowhere", "1:6: label nowhere is not set"),
        ("goto +40000", "1:6: 40000 is too far for a 16-bit offset: use gotol"),
        ("a: exit\na: exit", "2:1: label a is set twice"),
        ("lock *(u16 *)(r1 + 0) += r2", "1:7: atomic operations work on u32 and u64"),
        (
            "r1 = atomic_xchg((u32 *)(r3 + 0), r2)",
            "1:35: the old value returns in the register of the operand",
        ),
        ("r1 = -r2", "1:7: operand and result must be the same register"),
        ("r1 = map[other]", "1:10: no map is named other"),
        ("r1 ? r2", "1:4: unexpected character '?'"),
        ("é: exit", "1:1: unexpected character 'é'"),
        ("r1 = 99999999999999999999", "1:6: 99999999999999999999 is not a number"),
        (".insn 256 0 0 0 0", "1:7: 256 does not fit in an opcode of 8 bits"),
        (
            "exit\nfoo\n\n  r1 = r2,",
            "2:1: unknown instruction foo\n4:10: expected the end of the line, found ,",
        ),
    ] {
        assert_eq!(assemble(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn labels_too_far_are_refused() {
    let mut text = "goto end\n".to_string();
    text += &"exit\n".repeat(40_000);
    text += "end: exit\n";
    assert_eq!(
        assemble(&text).unwrap_err().to_string(),
        "1:6: the label is 40000 instructions away, too far for this instruction"
    );
    assert_eq!(assemble(&text.replace("goto end", "gotol end")).unwrap()[0], Insn::jal(40_000));
}

#[test]
fn encodings_that_mean_nothing_are_refused() {
    let exit = Insn::exit();
    let mov = Insn::mov64(Reg::R1, Src::Reg(Reg::R2));
    for (insn, fault) in [
        (Insn { imm: 1, ..exit }, Fault::Unused("imm")),
        (Insn { dst: 1, ..exit }, Fault::Unused("dst")),
        (Insn { off: 1, ..exit }, Fault::Unused("off")),
        (Insn { code: 0x9d, ..exit }, Fault::Opcode(0x9d)),
        (Insn { code: 0x96, ..exit }, Fault::Opcode(0x96)),
        (Insn { imm: 1, ..mov }, Fault::Unused("imm")),
        (Insn { off: 2, ..mov }, Fault::Value("off", 2)),
        (Insn { src: 11, ..mov }, Fault::Register(11)),
        (Insn { code: 0xbc, off: 32, ..mov }, Fault::Value("off", 32)),
        (Insn { off: 1, ..Insn::alu64(AluOp::Add, Reg::R1, Src::Imm(1)) }, Fault::Unused("off")),
        (Insn { off: 2, ..Insn::alu64(AluOp::Div, Reg::R1, Src::Imm(1)) }, Fault::Value("off", 2)),
        (Insn { src: 1, ..Insn::alu64(AluOp::Add, Reg::R1, Src::Imm(1)) }, Fault::Unused("src")),
        (Insn { code: 0xdf, ..Insn::bswap(Reg::R1, 16) }, Fault::Opcode(0xdf)),
        (Insn { imm: 8, ..Insn::bswap(Reg::R1, 16) }, Fault::Value("imm", 8)),
        (Insn { code: 0x8f, ..Insn::neg64(Reg::R1) }, Fault::Opcode(0x8f)),
        (Insn { imm: 1, ..Insn::ldx(Size::W, Reg::R1, Reg::R2, 0) }, Fault::Unused("imm")),
        (Insn { code: 0x99, ..Insn::ldx(Size::DW, Reg::R1, Reg::R2, 0) }, Fault::Opcode(0x99)),
        (
            Insn { code: 0xd3, ..Insn::atomic(Size::W, AtomicOp::Add, Reg::R1, 0, Reg::R2) },
            Fault::Opcode(0xd3),
        ),
        (
            Insn { imm: 0x10, ..Insn::atomic(Size::W, AtomicOp::Add, Reg::R1, 0, Reg::R2) },
            Fault::Value("imm", 0x10),
        ),
        (Insn { src: 3, ..Insn::call(1) }, Fault::Value("src", 3)),
        (Insn { off: 1, ..Insn::call(1) }, Fault::Unused("off")),
        (Insn { code: 0x06, off: 1, ..Insn::default() }, Fault::Unused("off")),
        (Insn { code: 0x38, ..Insn::default() }, Fault::Opcode(0x38)),
        (Insn { src: 1, ..Insn::may_goto(1) }, Fault::Unused("src")),
        (Insn::default(), Fault::Opcode(0)),
        (Insn { src: 7, ..Insn::ld_imm64(Reg::R1, 0, 1)[0] }, Fault::Value("src", 7)),
        (Insn { off: 1, ..Insn::ld_imm64(Reg::R1, 0, 1)[0] }, Fault::Unused("off")),
    ] {
        let second = Insn { imm: 1, ..Insn::default() };
        assert_eq!(
            Kind::decode(&[insn, second]),
            Some(Err(Error::Insn { pc: 0, fault })),
            "{insn:?}"
        );
    }
    let [first, second] = Insn::ld_imm64(Reg::R1, op::BPF_PSEUDO_MAP_FD, 5 | 1 << 32);
    for (insns, fault) in [
        (vec![first], Fault::SecondHalf),
        (vec![first, exit], Fault::SecondHalf),
        (vec![first, second], Fault::Unused("second half's imm")),
    ] {
        assert_eq!(Kind::decode(&insns), Some(Err(Error::Insn { pc: 0, fault })));
    }
    let place = Kind::decode_all(&[exit, exit, Insn { imm: 1, ..exit }]).unwrap_err();
    assert_eq!(place.to_string(), "instruction 2: unused field imm is not zero");
    assert_eq!(Kind::decode(&[]), None);
}

#[test]
fn every_opcode_is_known_or_refused_as_the_rfc_has_it() {
    // RFC 9669, appendix A, and Linux' may_goto (0xe5): opcodes with the classes' reserved ones left out.
    let valid: Vec<u8> = (0..=255u8)
        .filter(|&code| {
            let fields = [(0, 0), (0, 16), (0, 8), (0, 0x100)].map(|(off, imm)| Insn {
                code,
                off,
                imm,
                ..Insn::default()
            });
            fields.iter().any(|&i| matches!(Kind::decode(&[i, Insn::default()]), Some(Ok(_))))
        })
        .collect();
    let mut expected: Vec<u8> = vec![0x18, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50];
    expected.extend([
        0x61, 0x69, 0x71, 0x79, 0x62, 0x6a, 0x72, 0x7a, 0x63, 0x6b, 0x73, 0x7b, 0x81, 0x89, 0x91,
    ]);
    expected.extend([
        0xc3, 0xcb, 0xd3, 0xdb, 0x84, 0x87, 0xd4, 0xdc, 0xd7, 0x05, 0x06, 0x85, 0x95, 0xe5,
    ]);
    for op in [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0] {
        expected.extend([op | 0x04, op | 0x0c, op | 0x07, op | 0x0f]);
    }
    for op in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0] {
        expected.extend([op | 0x05, op | 0x0d, op | 0x06, op | 0x0e]);
    }
    expected.sort_unstable();
    assert_eq!(valid, expected);
}
