//! Loading, refusing and running programs; what the machine tells about itself.

use skep_abi::ProgType;
use skep_engine::{Attach, ErrorKind, Loaded as _};
use skep_isa::{AluOp, Insn, Reg, Size};
use skep_kernel::Kernel;
use skep_object::{MapRef, Reloc, RelocTarget};
use std::time::Instant;

use crate::common::*;

#[test]
fn run_once_gives_the_result_and_the_counters_show_it() {
    let Some(kernel) = kernel("run_once") else { return };
    let insns =
        vec![Insn::ldx(Size::DW, Reg::R0, Reg::R1, 8), alu(AluOp::Add, Reg::R0, 2), Insn::exit()];
    let loaded =
        kernel.load_object(&object(vec![], vec![program(ProgType::RawTracepoint, insns)])).unwrap();
    let _stats = kernel.enable_stats().unwrap();
    let ctx = [0u64.to_ne_bytes(), 40u64.to_ne_bytes()].concat();
    assert_eq!(loaded.run_once(0, &ctx).unwrap(), 42);
    // The kernel does not count test runs as runs, but has the counters.
    assert_eq!(loaded.run_stats(0).unwrap().missed, 0);
    assert!(loaded.program_id(0).unwrap() > 0);
    assert!(loaded.run_once(1, &[]).is_err());
    // The program reads 16 bytes.
    assert!(loaded.run_once(0, &[0; 8]).is_err());
}

#[test]
fn runs_are_counted_while_asked_for() {
    let Some(kernel) = kernel("run counters") else { return };
    let loaded =
        kernel.load_object(&object(vec![hash("calls", 8, 8, 1000)], count_by_ctx_word(8))).unwrap();
    let _stats = kernel.enable_stats().unwrap();
    let _link = loaded
        .attach(0, &Attach::Tracepoints(vec![tracepoint("raw_syscalls", "sys_enter", 0)]))
        .unwrap();
    for _ in 0..100 {
        getpriority();
    }
    let stats = loaded.run_stats(0).unwrap();
    assert!(stats.runs >= 100 && stats.nanoseconds > 0, "{stats:?}");
}

#[test]
fn a_rejected_program_comes_with_its_log() {
    let Some(kernel) = kernel("rejected program") else { return };
    let good = program(ProgType::RawTracepoint, vec![mov(Reg::R0, 0), Insn::exit()]);
    let mut bad = program(
        ProgType::RawTracepoint,
        vec![Insn::ldx(Size::DW, Reg::R0, Reg::R5, 0), Insn::exit()],
    );
    bad.name = "bad".into();
    let error = kernel.load_object(&object(vec![], vec![good, bad])).unwrap_err();
    let ErrorKind::Rejected { program: 1, log } = &error.kind else { panic!("{error:?}") };
    assert!(log.contains("R5 !read_ok"), "{log}");
    assert!(error.to_string().contains("`bad`"), "{error}");
}

#[test]
fn a_long_log_is_kept_whole() {
    let Some(kernel) = kernel("long log") else { return };
    let mut insns: Vec<Insn> = (0..20_000).map(|i| mov(Reg::R0, i)).collect();
    insns.extend([Insn::ldx(Size::DW, Reg::R0, Reg::R5, 0), Insn::exit()]);
    let error = kernel
        .load_object(&object(vec![], vec![program(ProgType::RawTracepoint, insns)]))
        .unwrap_err();
    let ErrorKind::Rejected { log, .. } = error.kind else { panic!("{error:?}") };
    assert!(
        log.len() > 300_000 && log.contains("R5 !read_ok") && log.contains("\n3: "),
        "{}",
        log.len()
    );
}

#[test]
fn a_map_that_is_too_large_is_explained() {
    let Some(kernel) = kernel("large map") else { return };
    let error = kernel
        .load_object(&object(vec![hash("huge", 8, 1 << 20, u32::MAX - 1)], vec![]))
        .unwrap_err();
    assert!(error.to_string().contains("bytes of kernel memory"), "{error}");
    let error = kernel.load_object(&object(vec![ring_map("odd", 5000)], vec![])).unwrap_err();
    assert!(error.to_string().contains("power of two"), "{error}");
}

#[test]
fn wrong_relocations_are_errors() {
    let Some(kernel) = kernel("relocations") else { return };
    for (insn, target) in [
        (0, RelocTarget::Map(MapRef(7))),
        (1, RelocTarget::Map(MapRef(0))),
        (99, RelocTarget::Map(MapRef(0))),
        (u32::MAX, RelocTarget::Kfunc("bpf_rcu_read_lock".into())),
        (0, RelocTarget::Kfunc("no such function".into())),
    ] {
        let mut p = program(ProgType::RawTracepoint, vec![mov(Reg::R0, 0), Insn::exit()]);
        p.relocs = vec![Reloc { insn, target }];
        assert!(kernel.load_object(&object(vec![hash("m", 4, 4, 1)], vec![p])).is_err());
    }
}

#[test]
fn a_kernel_function_is_called_by_name() {
    let Some(kernel) = kernel("kfunc") else { return };
    if kernel.version() < skep_abi::Version::new(6, 2) {
        println!("skipped: kfunc: tracing programs have none");
        return;
    }
    let insns = vec![Insn::call_kfunc(0), Insn::call_kfunc(0), mov(Reg::R0, 7), Insn::exit()];
    let mut p = program(ProgType::Tracepoint, insns);
    let kfunc = |insn, name: &str| Reloc { insn, target: RelocTarget::Kfunc(name.into()) };
    p.relocs = vec![kfunc(0, "bpf_rcu_read_lock"), kfunc(1, "bpf_rcu_read_unlock")];
    kernel.load_object(&object(vec![], vec![p])).unwrap();
}

#[test]
fn types_and_lines_go_to_the_kernel() {
    let Some(kernel) = kernel("BTF") else { return };
    let object = with_types(object(
        vec![],
        vec![program(ProgType::RawTracepoint, vec![mov(Reg::R0, 0), Insn::exit()])],
    ));
    let loaded = kernel.load_object(&object).unwrap();
    assert_eq!(loaded.notes(), [""; 0]);
    // Types that are no types cost the types, not the program.
    let mut broken = object;
    broken.btf.truncate(10);
    let loaded = kernel.load_object(&broken).unwrap();
    assert_eq!(loaded.notes().len(), 1);
}

#[test]
fn the_machine_is_described() {
    let Some(kernel) = kernel("listings") else { return };
    let tracefs = kernel.tracefs().unwrap();
    assert!(tracefs.categories().unwrap().contains(&"sched".to_string()));
    assert!(tracefs.tracepoints("sched").unwrap().contains(&"sched_switch".to_string()));
    assert!(
        tracefs
            .all_tracepoints()
            .unwrap()
            .contains(&("sched".to_string(), "sched_switch".to_string()))
    );
    assert!(tracefs.format("sched", "sched_switch").unwrap().contains("prev_comm"));
    assert!(tracefs.id("sched", "sched_switch").unwrap() > 0);
    assert!(tracefs.format("sched", "../sched/sched_switch").is_err());
    let start = Instant::now();
    let functions = kernel.functions().unwrap();
    println!("{} functions in {:?}", functions.len(), start.elapsed());
    assert!(functions.iter().any(|f| f.name == "do_exit"));
    let start = Instant::now();
    let symbols = skep_kernel::Kallsyms::read().unwrap();
    println!("kallsyms in {:?}", start.elapsed());
    if !symbols.hidden() {
        let address = symbols.address("do_exit").unwrap();
        assert_eq!(symbols.lookup(address + 1).unwrap().1, 1);
    }
    if kernel.vmlinux_btf().is_ok() {
        assert!(kernel.raw_tracepoints().unwrap().contains(&"sched_switch".to_string()));
    }
}

#[test]
fn starting_costs_little() {
    let start = Instant::now();
    let kernel = Kernel::new().unwrap();
    println!("Kernel::new: {:?}", start.elapsed());
    assert!(kernel.version() >= skep_abi::Version::new(4, 0));
}
