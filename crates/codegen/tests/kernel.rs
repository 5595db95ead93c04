//! What is emitted loads into the live kernel and gives there what the interpreter of the IR says.
//!
//! Needs bpf(2); otherwise the tests say so and pass, unless `SKEP_TEST_KERNEL=1`.
#![allow(unsafe_code)] // bpf(2) is a system call over raw pointers.

mod support;

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use skep_abi::{Cmd, Feature, Target, Version};
use skep_btf::{Endian, ExtRecord};
use skep_codegen::ir::Module;
use skep_codegen::{Error, compile, compile_as_is, listing, parse};
use skep_object::{Map, Object, Program, RelocTarget};
use support::{MAP_SIZE, generate, ir};

/// `union bpf_attr`, of which each command reads a prefix.
struct Attr([u8; 160]);

impl Attr {
    fn new() -> Attr {
        Attr([0; 160])
    }

    fn u32(mut self, at: usize, v: u32) -> Attr {
        self.0[at..at + 4].copy_from_slice(&v.to_ne_bytes());
        self
    }

    fn bytes(mut self, at: usize, bytes: &[u8]) -> Attr {
        self.0[at..at + 8].copy_from_slice(&(bytes.as_ptr() as u64).to_ne_bytes());
        self
    }

    fn call(&mut self, cmd: Cmd) -> std::io::Result<i32> {
        let (at, len) = (self.0.as_mut_ptr(), self.0.len());
        // SAFETY: the attributes live as long as the call, and so does each buffer, which the caller holds.
        let r = unsafe { libc::syscall(libc::SYS_bpf, cmd.raw(), at, len) };
        if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(r as i32) }
    }

    fn open(mut self, cmd: Cmd) -> std::io::Result<OwnedFd> {
        let fd = self.call(cmd)?;
        // SAFETY: the kernel has just given us this descriptor.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

fn create_map(map: &Map) -> std::io::Result<OwnedFd> {
    let attr = Attr::new().u32(0, map.kind.raw()).u32(4, map.key_size).u32(8, map.value_size);
    attr.u32(12, map.max_entries).u32(16, map.flags).open(Cmd::MapCreate)
}

/// Whether the kernel lets us; says so if not.
fn permitted() -> bool {
    let map = generate::module(&[], false).maps.remove(0);
    let Err(e) = create_map(&map) else { return true };
    assert!(std::env::var_os("SKEP_TEST_KERNEL").is_none(), "bpf(2) is not permitted: {e}");
    println!("skipped: bpf(2) is not permitted: {e}");
    false
}

struct Loaded {
    prog: OwnedFd,
    maps: Vec<OwnedFd>,
}

fn load(object: &Object, program: &Program) -> Result<Loaded, String> {
    let maps = object.maps.iter().map(create_map).collect::<Result<Vec<_>, _>>();
    let maps = maps.map_err(|e| format!("map: {e}"))?;
    let size = object.btf.len() as u32;
    let btf = Attr::new().bytes(0, &object.btf).u32(16, size).open(Cmd::BtfLoad);
    let btf = btf.map_err(|e| format!("btf: {e}"))?;
    let mut insns = program.insns.clone();
    for r in &program.relocs {
        if let RelocTarget::Map(m) | RelocTarget::MapValue(m, _) = r.target {
            insns[r.insn as usize].imm = maps[m.0 as usize].as_raw_fd();
        }
    }
    let code: Vec<u8> =
        insns.iter().flat_map(|i| i.to_bytes(cfg!(target_endian = "big"))).collect();
    let license = format!("{}\0", object.license);
    let (mut funcs, mut lines) = (Vec::new(), Vec::new());
    program.funcs.iter().for_each(|f| f.write(&mut funcs, Endian::NATIVE));
    program.lines.iter().for_each(|l| l.write(&mut lines, Endian::NATIVE));
    let mut log = vec![0u8; 1 << 20];
    let attr = Attr::new().u32(0, program.kind.raw()).u32(4, insns.len() as u32).bytes(8, &code);
    let attr = attr.bytes(16, license.as_bytes());
    let attr = attr.u32(72, btf.as_raw_fd() as u32).u32(76, 8).bytes(80, &funcs);
    let attr = attr.u32(88, program.funcs.len() as u32);
    let attr = attr.u32(92, 16).bytes(96, &lines).u32(104, program.lines.len() as u32);
    let quiet = Attr(attr.0).open(Cmd::ProgLoad);
    let prog = quiet.or_else(|_| {
        let attr = attr.u32(24, 1).u32(28, log.len() as u32).bytes(32, &log);
        attr.open(Cmd::ProgLoad)
    });
    let prog = prog.map_err(|e| {
        let end = log.iter().position(|&b| b == 0).unwrap_or(0);
        log.truncate(end);
        let log = String::from_utf8_lossy(&log);
        let tail: Vec<&str> = log.lines().rev().take(60).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("load: {e}\n{}\n{}", listing(object, program), tail.join("\n"))
    })?;
    Ok(Loaded { prog, maps })
}

impl Loaded {
    /// Runs a socket filter once over some bytes.
    fn run(&self) -> u32 {
        let data = [0u8; 64];
        let attr = Attr::new().u32(0, self.prog.as_raw_fd() as u32).u32(8, 64);
        let mut attr = attr.bytes(16, &data);
        attr.call(Cmd::ProgTestRun).expect("test run");
        u32::from_ne_bytes(attr.0[4..8].try_into().unwrap())
    }

    fn value(&self, map: usize) -> Vec<u8> {
        let (key, value) = ([0u8; 4], vec![0u8; MAP_SIZE]);
        let attr = Attr::new().u32(0, self.maps[map].as_raw_fd() as u32);
        attr.bytes(8, &key).bytes(16, &value).call(Cmd::MapLookupElem).expect("look-up");
        value
    }
}

fn targets() -> [Target; 2] {
    let new = Target::linux(Version::new(6, 18));
    [new.clone(), new.without(Feature::IsaV4)]
}

#[test]
fn every_file_test_passes_the_kernels_verifier() {
    if !permitted() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let mut loaded = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // Others show what passes do, with operations that the verifier does not allow.
        if !text.contains("; test: asm") || text.contains("; kernel: no") {
            continue;
        }
        let mut module = parse(&text).unwrap();
        module.license = "GPL".to_owned();
        for target in targets() {
            let object = compile(&module, &target).unwrap();
            for program in &object.programs {
                load(&object, program).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                loaded += 1;
            }
        }
    }
    assert!(loaded > 10);
}

fn check(module: &Module) -> bool {
    let Some(expected) = ir::run(module, 0) else { return false };
    let mut ran = false;
    for target in targets() {
        for compile in [compile, compile_as_is] {
            let object = match compile(module, &target) {
                Ok(object) => object,
                Err(Error::Frame { .. }) => continue,
                Err(e) => panic!("{e}"),
            };
            let loaded = match load(&object, &object.programs[0]) {
                Ok(loaded) => loaded,
                // Too many paths, or too much stack with the callee's: the generator's fault.
                Err(e)
                    if e.contains("too large")
                        || e.contains("too complex")
                        || e.contains("Too many") =>
                {
                    continue;
                }
                Err(e) => panic!("{e}\n{module}"),
            };
            assert_eq!(u64::from(loaded.run()), expected.result & 0xffff_ffff, "{module}");
            assert_eq!(loaded.value(0), expected.map, "{module}");
            ran = true;
        }
    }
    ran
}

#[test]
fn random_programs_give_in_the_kernel_what_the_ir_says() {
    if !permitted() {
        return;
    }
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut runner = TestRunner::deterministic();
    let seeds = proptest::collection::vec(proptest::num::u32::ANY, 0..500);
    let mut ran = 0;
    for _ in 0..cases {
        let seed = seeds.new_tree(&mut runner).unwrap().current();
        ran += u32::from(check(&generate::module(&seed, false)));
    }
    assert!(ran * 2 > cases, "only {ran} of {cases} ran");
}

/// Source lines, a callback, a local call and spills in one program that the kernel runs.
#[test]
fn callbacks_calls_and_spills_run_in_the_kernel() {
    if !permitted() {
        return;
    }
    let text = r#"
        license "GPL"
        source "sum.bt" "sum\n  loop\n  step\n"
        map0 = array "data" key 4 value 64 entries 1
        program "sum" socket_filter {
          func0 "main" (v0) {
            slot0 = 8
          block0:
            v1 = const 0
            v2 = slot_addr slot0
            v3 = map_value_addr map0
            v20 = load u64 [v3]
            v21 = load u64 [v3+8]
            v22 = load u64 [v3+16]
            v23 = load u64 [v3+24]
            v24 = load u64 [v3+32]
            v25 = load u64 [v3+40]
            store u64 [v2], v1 !1:1
            v4 = const 10
            v5 = func_addr func2
            v6 = call helper bpf_loop(v4, v5, v2, v1) !2:3
            v7 = load u64 [v2]
            v8 = call func1(v7, v6)
            v30 = add v20, v21
            v31 = add v30, v22
            v32 = add v31, v23
            v33 = add v32, v24
            v34 = add v33, v25
            v35 = add v34, v8
            store u64 [v3+56], v35
            ret v35
          }
          func1 "twice" (v0, v1) {
          block0:
            v2 = add v0, v0 !3:1
            v3 = add v2, v1
            ret v3
          }
          func2 "step" (v0, v1) {
          block0:
            v2 = load u64 [v1]
            v3 = add v2, v0
            store u64 [v1], v3
            v4 = const 0
            ret v4
          }
        }"#;
    let object = compile(&parse(text).unwrap(), &targets()[0]).unwrap();
    let lines: Vec<u32> = object.programs[0].lines.iter().map(|l| l.line).collect();
    assert_eq!(lines, [1, 2, 1, 3]);
    let loaded = load(&object, &object.programs[0]).unwrap();
    // 0 + 1 + ... + 9 is 45; twice that, and the number of rounds.
    assert_eq!(loaded.run(), 100);
    assert_eq!(loaded.value(0)[56..64], 100u64.to_ne_bytes());
}
