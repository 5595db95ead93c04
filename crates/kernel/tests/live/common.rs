//! Programs in a few instructions, and the rule for skipping.

use std::hint::black_box;

use skep_abi::{MapType, ProgType};
use skep_btf::{BtfBuilder, FuncInfo, IntEncoding, LineInfo, Linkage, Param};
use skep_engine::{ErrorKind, Loaded, Tracepoint};
use skep_isa::{AluOp, AtomicOp, Insn, JmpOp, Reg, Size, Src};
use skep_kernel::{Elf, Kernel, KernelObject};
use skep_object::{Map, MapRef, Object, Program, Reloc, RelocTarget};

/// Helpers, by the kernel's numbers.
const LOOKUP: u32 = 1;
const UPDATE: u32 = 2;
const PID_TGID: u32 = 14;
const PERF_OUTPUT: u32 = 25;
const RINGBUF_OUTPUT: u32 = 130;
const COOKIE: u32 = 174;

/// The kernel, if we may use it. Otherwise says what is skipped.
pub(crate) fn kernel(what: &str) -> Option<Kernel> {
    let kernel = Kernel::new().unwrap();
    match kernel.enable_stats() {
        Ok(_) => Some(kernel),
        Err(e)
            if e.kind == ErrorKind::Permission
                && std::env::var_os("SKEP_TEST_KERNEL").is_none_or(|v| v != "1") =>
        {
            println!("skipped: {what}: {e}");
            None
        }
        Err(e) => panic!("{what}: {e}"),
    }
}

/// A system call that nothing else makes here.
#[cfg(target_arch = "x86_64")]
pub(crate) const GETPRIORITY: u64 = 140;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const GETPRIORITY: u64 = 141;

pub(crate) fn getpriority() {
    black_box(rustix::process::getpriority_process(None).unwrap());
}

pub(crate) fn mov(dst: Reg, imm: i32) -> Insn {
    Insn::mov64(dst, Src::Imm(imm))
}

pub(crate) fn alu(op: AluOp, dst: Reg, imm: i32) -> Insn {
    Insn::alu64(op, dst, Src::Imm(imm))
}

pub(crate) fn hash(name: &str, key_size: u32, value_size: u32, max_entries: u32) -> Map {
    Map {
        name: name.into(),
        kind: MapType::Hash,
        key_size,
        value_size,
        max_entries,
        flags: 0,
        initial: Vec::new(),
        btf_key: 0,
        btf_value: 0,
    }
}

pub(crate) fn ring_map(name: &str, bytes: u32) -> Map {
    Map { kind: MapType::Ringbuf, ..hash(name, 0, 0, bytes) }
}

pub(crate) fn program(kind: ProgType, insns: Vec<Insn>) -> Program {
    Program {
        name: "test".into(),
        kind,
        expected_attach: None,
        sleepable: false,
        insns,
        relocs: Vec::new(),
        funcs: Vec::new(),
        lines: Vec::new(),
    }
}

pub(crate) fn object(maps: Vec<Map>, programs: Vec<Program>) -> Object {
    Object { license: "GPL".into(), maps, programs, btf: Vec::new() }
}

/// Counts in map 0, of this process only; `key` leaves the key in r0 (r6 is the context).
fn count(kind: ProgType, key: &[Insn]) -> Vec<Program> {
    let pid = std::process::id() as i32;
    let fp = |off| [Insn::mov64(Reg::R2, Src::Reg(Reg::FP)), alu(AluOp::Add, Reg::R2, off)];
    let mut insns = vec![
        Insn::mov64(Reg::R6, Src::Reg(Reg::R1)),
        Insn::call(PID_TGID),
        alu(AluOp::Rsh, Reg::R0, 32),
    ];
    // A clock fires in whoever runs: those count too.
    if kind == ProgType::PerfEvent {
        insns.push(Insn::ja(0));
    } else {
        insns.push(Insn::jmp64(JmpOp::Ne, Reg::R0, Src::Imm(pid), 0));
    }
    let skip = insns.len() - 1;
    insns.extend(key);
    insns.push(Insn::stx(Size::DW, Reg::FP, -8, Reg::R0));
    let first_map = insns.len() as u32;
    insns.extend(Insn::ld_imm64(Reg::R1, 0, 0));
    insns.extend(fp(-8));
    insns.push(Insn::call(LOOKUP));
    insns.push(Insn::jmp64(JmpOp::Eq, Reg::R0, Src::Imm(0), 3));
    insns.push(mov(Reg::R1, 1));
    insns.push(Insn::atomic(Size::DW, AtomicOp::Add, Reg::R0, 0, Reg::R1));
    insns.push(Insn::ja(10));
    insns.push(Insn::st(Size::DW, Reg::FP, -16, 1));
    let second_map = insns.len() as u32;
    insns.extend(Insn::ld_imm64(Reg::R1, 0, 0));
    insns.extend(fp(-8));
    insns.extend([
        Insn::mov64(Reg::R3, Src::Reg(Reg::FP)),
        alu(AluOp::Add, Reg::R3, -16),
        mov(Reg::R4, 0),
    ]);
    insns.push(Insn::call(UPDATE));
    insns.push(Insn::ja(0));
    let end = insns.len();
    insns.extend([mov(Reg::R0, 0), Insn::exit()]);
    if kind != ProgType::PerfEvent {
        insns[skip].off = (end - skip - 1) as i16;
    }
    let map = |insn| Reloc { insn, target: RelocTarget::Map(MapRef(0)) };
    vec![Program { relocs: vec![map(first_map), map(second_map)], ..program(kind, insns) }]
}

/// Counts by the 64-bit word at `off` of the context.
pub(crate) fn count_by_ctx_word(off: i16) -> Vec<Program> {
    count(ProgType::Tracepoint, &[Insn::ldx(Size::DW, Reg::R0, Reg::R6, off)])
}

/// Counts by the cookie.
pub(crate) fn count_by_cookie(kind: ProgType) -> Vec<Program> {
    count(kind, &[Insn::mov64(Reg::R1, Src::Reg(Reg::R6)), Insn::call(COOKIE)])
}

/// Sends the context's first word to ring buffer 0.
pub(crate) fn ring_output() -> Program {
    let mut insns =
        vec![Insn::ldx(Size::DW, Reg::R0, Reg::R1, 0), Insn::stx(Size::DW, Reg::FP, -8, Reg::R0)];
    insns.extend(Insn::ld_imm64(Reg::R1, 0, 0));
    insns.extend([
        Insn::mov64(Reg::R2, Src::Reg(Reg::FP)),
        alu(AluOp::Add, Reg::R2, -8),
        mov(Reg::R3, 8),
        mov(Reg::R4, 0),
    ]);
    insns.extend([Insn::call(RINGBUF_OUTPUT), Insn::exit()]);
    let relocs = vec![Reloc { insn: 2, target: RelocTarget::Map(MapRef(0)) }];
    Program { relocs, ..program(ProgType::RawTracepoint, insns) }
}

/// Sends it to perf event array 0.
pub(crate) fn perf_output() -> Program {
    let mut insns =
        vec![Insn::ldx(Size::DW, Reg::R0, Reg::R1, 0), Insn::stx(Size::DW, Reg::FP, -8, Reg::R0)];
    insns.extend(Insn::ld_imm64(Reg::R2, 0, 0));
    // BPF_F_CURRENT_CPU: 32 bits of ones.
    insns.extend([mov(Reg::R3, -1), alu(AluOp::Rsh, Reg::R3, 32)]);
    insns.extend([
        Insn::mov64(Reg::R4, Src::Reg(Reg::FP)),
        alu(AluOp::Add, Reg::R4, -8),
        mov(Reg::R5, 8),
    ]);
    insns.extend([Insn::call(PERF_OUTPUT), mov(Reg::R0, 0), Insn::exit()]);
    let relocs = vec![Reloc { insn: 2, target: RelocTarget::Map(MapRef(0)) }];
    Program { relocs, ..program(ProgType::RawTracepoint, insns) }
}

/// Gives the first program a type and a source line.
pub(crate) fn with_types(mut object: Object) -> Object {
    let mut btf = BtfBuilder::new();
    let int = btf.add_int("int", 4, IntEncoding::Signed);
    let void_ptr = btf.add_ptr(skep_btf::TypeId(0));
    let proto = btf.add_func_proto(int, &[Param { name: "ctx", type_id: void_ptr }], false);
    let func = btf.add_func("test", proto, Linkage::Global);
    let file_name_off = btf.add_string("test.bt");
    let line_off = btf.add_string("exit()");
    object.btf = btf.finish().unwrap();
    object.programs[0].funcs = vec![FuncInfo { insn_off: 0, type_id: func }];
    object.programs[0].lines =
        vec![LineInfo { insn_off: 0, file_name_off, line_off, line: 1, col: 1 }];
    object
}

/// The count of a key in map 0.
pub(crate) fn lookup(loaded: &KernelObject, key: u64) -> u64 {
    let mut value = [0; 8];
    let map = loaded.map(MapRef(0)).unwrap();
    match map.lookup(&key.to_ne_bytes(), &mut value).unwrap() {
        true => u64::from_ne_bytes(value),
        false => 0,
    }
}

pub(crate) fn tracepoint(category: &str, name: &str, cookie: u64) -> Tracepoint {
    Tracepoint { category: category.into(), name: name.into(), cookie }
}

/// Where a function of this test is; its name in the file is mangled.
pub(crate) fn offset_of(elf: &Elf, name: &str) -> u64 {
    let all = elf.functions().unwrap();
    let found = all.iter().find(|f| f.name.contains(name)).unwrap();
    assert_eq!(elf.symbol(&found.name).unwrap(), *found);
    found.offset
}

/// The function that the uprobes are on.
#[inline(never)]
pub(crate) extern "C" fn skep_kernel_test_target(n: u64) -> u64 {
    std::hint::black_box(n) + 1
}

#[inline(never)]
pub(crate) extern "C" fn skep_kernel_test_second(n: u64) -> u64 {
    std::hint::black_box(n) + 2
}
