//! The engine on the running kernel, with hand-assembled programs and events that the tests make themselves.
//!
//! Skipped without privileges, unless SKEP_TEST_KERNEL=1.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::*;
use skep_abi::flags::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG};
use skep_abi::perf::{PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE};
use skep_abi::{MapType, ProgType};
use skep_engine::{Attach, Cpus, ErrorKind, KernelSite, Link, Loaded, Map as _, PerfEvent, Rate, Tracepoint, UserSite};
use skep_isa::{AluOp, Insn, Reg, Size};
use skep_kernel::{Elf, Kernel};
use skep_object::{MapRef, Reloc, RelocTarget};

fn tracepoint(category: &str, name: &str, cookie: u64) -> Tracepoint {
    Tracepoint { category: category.into(), name: name.into(), cookie }
}

#[test]
fn a_tracepoint_counts_the_system_calls_of_this_process() {
    let Some(kernel) = kernel("tracepoint") else { return };
    let object = object(vec![hash("calls", 8, 8, 100)], count_by_ctx_word(8));
    let loaded = kernel.load_object(&object).unwrap();
    assert_eq!(loaded.notes(), [""; 0]);
    let at = Attach::Tracepoints(vec![tracepoint("raw_syscalls", "sys_enter", 0)]);
    kernel.check_attach(&at).unwrap();
    let link = loaded.attach(0, &at).unwrap();
    assert_eq!(link.count(), 1);
    let before = lookup(&loaded, GETPRIORITY);
    for _ in 0..1000 {
        getpriority();
    }
    let after = lookup(&loaded, GETPRIORITY);
    assert!(after - before >= 1000, "{before} {after}");

    // Nothing runs once the link is gone, also while the kernel still tidies up.
    drop(link);
    let detached = lookup(&loaded, GETPRIORITY);
    for _ in 0..1000 {
        getpriority();
    }
    assert_eq!(lookup(&loaded, GETPRIORITY), detached);
}

#[test]
fn each_of_many_tracepoints_has_its_cookie_and_all_are_fast() {
    let Some(kernel) = kernel("many tracepoints") else { return };
    kernel.raise_file_limit().unwrap();
    let object = object(vec![hash("by_cookie", 8, 8, 1000)], count_by_cookie(ProgType::Tracepoint));
    let loaded = kernel.load_object(&object).unwrap();
    let names = kernel.tracefs().unwrap().tracepoints("syscalls").unwrap();
    let names: Vec<_> = names.into_iter().filter(|n| n.starts_with("sys_enter_")).collect();
    let places: Vec<_> = names.iter().enumerate().map(|(i, n)| tracepoint("syscalls", n, i as u64)).collect();
    let wanted = names.iter().position(|n| n == "sys_enter_getpriority").unwrap() as u64;

    let start = Instant::now();
    let link = loaded.attach(0, &Attach::Tracepoints(places.clone())).unwrap();
    let attached = start.elapsed();
    assert_eq!(link.count(), places.len());
    for _ in 0..10 {
        getpriority();
    }
    assert!(lookup(&loaded, wanted) >= 10);
    let start = Instant::now();
    drop(link);
    let detached = start.elapsed();
    println!("{} tracepoints: attached in {attached:?}, detached in {detached:?}", places.len());
    let counted = lookup(&loaded, wanted);
    getpriority();
    assert_eq!(lookup(&loaded, wanted), counted);
    // Far from the 25 seconds of one after the other, with room for a busy machine.
    assert!(detached < Duration::from_secs(5), "{detached:?}");
}

#[test]
fn links_detached_together_wait_once() {
    let Some(kernel) = kernel("detaching together") else { return };
    let object = object(vec![hash("calls", 8, 8, 100)], count_by_ctx_word(8));
    let loaded = kernel.load_object(&object).unwrap();
    let names = ["sched_switch", "sched_wakeup", "sched_process_exec", "sched_process_exit", "sched_process_fork"];
    let link = |n: &&str| loaded.attach(0, &Attach::Tracepoints(vec![tracepoint("sched", n, 0)])).unwrap();
    let links: Vec<Box<dyn Link>> = names.iter().map(link).collect();
    let start = Instant::now();
    skep_kernel::detach(links);
    println!("{} links: detached in {:?}", names.len(), start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_missing_tracepoint_leaves_nothing_attached() {
    let Some(kernel) = kernel("missing tracepoint") else { return };
    let object = object(vec![hash("calls", 8, 8, 100)], count_by_ctx_word(8));
    let loaded = kernel.load_object(&object).unwrap();
    let at = Attach::Tracepoints(vec![tracepoint("raw_syscalls", "sys_enter", 0), tracepoint("sched", "no_such", 0)]);
    for error in [kernel.check_attach(&at).unwrap_err(), loaded.attach(0, &at).err().unwrap()] {
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.to_string().contains("sched:no_such"), "{error}");
    }
    let counted = lookup(&loaded, GETPRIORITY);
    getpriority();
    assert_eq!(lookup(&loaded, GETPRIORITY), counted);
}

#[test]
fn a_hundred_thousand_keys_of_a_per_cpu_hash_are_read_in_batches() {
    let Some(kernel) = kernel("per-CPU hash") else { return };
    let mut map = hash("percpu", 8, 8, 100_000);
    map.kind = MapType::PercpuHash;
    map.flags = BPF_F_NO_PREALLOC;
    let loaded = kernel.load_object(&object(vec![map], vec![])).unwrap();
    let map = loaded.kernel_map(MapRef(0)).unwrap();
    let cpus = kernel.possible_cpus().unwrap();
    assert_eq!((map.cpus(), map.value_len()), (cpus, 8 * cpus));
    for i in 0..100_000u64 {
        let values: Vec<u8> = (0..cpus as u64).flat_map(|c| (i * 10 + c).to_ne_bytes()).collect();
        map.update(&i.to_ne_bytes(), &values).unwrap();
    }
    // Full is told as such.
    let error = map.update(&u64::MAX.to_ne_bytes(), &vec![0; map.value_len()]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full);

    let mut seen = vec![false; 100_000];
    let start = Instant::now();
    map.for_each(&mut |key, value| {
        let key = u64::from_ne_bytes(key.try_into().unwrap());
        assert!(!std::mem::replace(&mut seen[key as usize], true));
        assert_eq!(value[..8], (key * 10).to_ne_bytes());
    })
    .unwrap();
    println!("100,000 keys of {cpus} CPUs in {:?}", start.elapsed());
    assert!(seen.iter().all(|s| *s));

    map.zero().unwrap();
    let mut count = 0;
    map.for_each(&mut |_, value| {
        count += 1;
        assert!(value.iter().all(|b| *b == 0));
    })
    .unwrap();
    assert_eq!(count, 100_000);
    map.clear().unwrap();
    map.for_each(&mut |_, _| panic!("it is empty")).unwrap();
    assert!(!map.delete(&1u64.to_ne_bytes()).unwrap());
}

#[test]
fn types_without_batches_are_walked_and_cleared() {
    let Some(kernel) = kernel("walking a map") else { return };
    // A trie has batches, a map of stacks none in older kernels: both must give every key once.
    let mut trie = hash("trie", 8, 4, 100);
    trie.kind = MapType::LpmTrie;
    trie.flags = BPF_F_NO_PREALLOC;
    let mut lru = hash("lru", 4, 4, 100);
    lru.kind = MapType::LruHash;
    let mut array = hash("array", 4, 12, 50);
    array.kind = MapType::Array;
    let mut percpu = hash("percpu", 4, 4, 50);
    percpu.kind = MapType::PercpuArray;
    let loaded = kernel.load_object(&object(vec![trie, lru, array, percpu], vec![])).unwrap();
    let count = |m: u32| {
        let mut n = 0;
        loaded.map(MapRef(m)).unwrap().for_each(&mut |_, _| n += 1).unwrap();
        n
    };
    for i in 0..20u32 {
        let key = [32u32.to_ne_bytes(), i.to_be_bytes()].concat();
        loaded.map(MapRef(0)).unwrap().update(&key, &i.to_ne_bytes()).unwrap();
        loaded.map(MapRef(1)).unwrap().update(&i.to_ne_bytes(), &i.to_ne_bytes()).unwrap();
        loaded.map(MapRef(2)).unwrap().update(&i.to_ne_bytes(), &[i as u8; 12]).unwrap();
    }
    assert_eq!([0, 1, 2, 3].map(count), [20, 20, 50, 50]);
    for m in 0..4 {
        loaded.map(MapRef(m)).unwrap().clear().unwrap();
    }
    assert_eq!([0, 1, 2, 3].map(count), [0, 0, 50, 50]);
    let mut value = [1; 12];
    assert!(loaded.map(MapRef(2)).unwrap().lookup(&3u32.to_ne_bytes(), &mut value).unwrap());
    assert_eq!(value, [0; 12]);
    assert!(!loaded.map(MapRef(2)).unwrap().lookup(&50u32.to_ne_bytes(), &mut value).unwrap());
    // A slice of another length is refused, not overrun.
    assert!(loaded.map(MapRef(2)).unwrap().lookup(&3u32.to_ne_bytes(), &mut value[..4]).is_err());
}

#[test]
fn global_data_are_read_and_written_and_constants_stay() {
    let Some(kernel) = kernel("global data") else { return };
    for flags in [0, BPF_F_MMAPABLE, BPF_F_MMAPABLE | BPF_F_RDONLY_PROG] {
        let mut data = hash("data", 4, 20, 1);
        data.kind = MapType::Array;
        data.flags = flags;
        data.initial = vec![1, 2, 3];
        // r0 = the u32 at 16, plus one.
        let insns = [
            &Insn::ld_imm64(Reg::R1, 0, 0)[..],
            &[Insn::ldx(Size::W, Reg::R0, Reg::R1, 0), alu(AluOp::Add, Reg::R0, 1), Insn::exit()],
        ]
        .concat();
        let reloc = Reloc { insn: 0, target: RelocTarget::MapValue(MapRef(0), 16) };
        let mut program = program(ProgType::RawTracepoint, insns);
        program.relocs = vec![reloc];
        let loaded = kernel.load_object(&object(vec![data], vec![program])).unwrap();
        let map = loaded.map(MapRef(0)).unwrap();
        let mut out = [9; 5];
        map.read_global(0, &mut out).unwrap();
        assert_eq!(out, [1, 2, 3, 0, 0]);
        assert!(map.read_global(16, &mut out).is_err());
        assert!(map.write_global(u32::MAX, &[1]).is_err());
        let constant = flags & BPF_F_RDONLY_PROG != 0;
        assert_eq!(map.write_global(16, &41u32.to_ne_bytes()).is_err(), constant);
        assert_eq!(loaded.run_once(0, &[]).unwrap(), if constant { 1 } else { 42 });
    }
}

#[test]
fn the_ring_buffer_gives_every_record_in_order() {
    let Some(kernel) = kernel("ring buffer") else { return };
    let ring = ring_map("ring", 1 << 20);
    let object = object(vec![ring], vec![ring_output()]);
    let loaded = kernel.load_object(&object).unwrap();
    let mut events = loaded.events(MapRef(0)).unwrap();
    let mut next = 0u64;
    for round in 0..50 {
        for i in 0..1000u64 {
            let number = round * 1000 + i;
            // The program sends its context's first word; its result is the helper's.
            assert_eq!(loaded.run_once(0, &number.to_ne_bytes()).unwrap(), 0);
        }
        events.wait(Some(Duration::from_secs(5))).unwrap();
        let got = events
            .drain(&mut |r| {
                assert_eq!(r, next.to_ne_bytes());
                next += 1;
                true
            })
            .unwrap();
        assert_eq!(got, 1000);
    }
    let start = Instant::now();
    events.wait(Some(Duration::from_millis(20))).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(15));
    assert_eq!((events.lost(), events.fd().is_some()), (0, true));
}

#[test]
fn the_perf_buffer_gives_records_and_counts_losses() {
    let Some(kernel) = kernel("perf buffer") else { return };
    let mut map = hash("perf", 4, 4, 0);
    map.kind = MapType::PerfEventArray;
    let loaded = kernel.load_object(&object(vec![map], vec![perf_output()])).unwrap();
    let mut events = loaded.events(MapRef(0)).unwrap();
    let mut numbers = Vec::new();
    for i in 0..500u64 {
        loaded.run_once(0, &i.to_ne_bytes()).unwrap();
    }
    events.wait(Some(Duration::from_secs(5))).unwrap();
    events
        .drain(&mut |r| {
            numbers.push(u64::from_ne_bytes(r[..8].try_into().unwrap()));
            true
        })
        .unwrap();
    // In order, whatever CPU we were on.
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    // More than two CPUs' buffers hold.
    let sent = 60_000;
    for i in 0..sent {
        loaded.run_once(0, &u64::to_ne_bytes(i)).unwrap();
    }
    let mut got = events.drain(&mut |_| true).unwrap() as u64;
    // The kernel reports a loss with the first record that fits again, on each CPU that lost.
    for _ in 0..1000 {
        loaded.run_once(0, &[0; 8]).unwrap();
        got += events.drain(&mut |_| true).unwrap() as u64;
        if got + events.lost() == sent + 1000 {
            break;
        }
    }
    assert!(events.lost() > 0 && got < sent, "{got} {}", events.lost());
}

/// Where a function of this test is; its name in the file is mangled.
fn offset_of(elf: &Elf, name: &str) -> u64 {
    let all = elf.functions().unwrap();
    let found = all.iter().find(|f| f.name.contains(name)).unwrap();
    assert_eq!(elf.symbol(&found.name).unwrap(), *found);
    found.offset
}

/// The function that the uprobes are on.
#[inline(never)]
extern "C" fn skep_kernel_test_target(n: u64) -> u64 {
    std::hint::black_box(n) + 1
}

#[inline(never)]
extern "C" fn skep_kernel_test_second(n: u64) -> u64 {
    std::hint::black_box(n) + 2
}

#[test]
fn uprobes_fire_alone_and_together_at_entry_and_return() {
    let Some(kernel) = kernel("uprobes") else { return };
    let exe = std::env::current_exe().unwrap();
    let elf = Elf::open(&exe).unwrap();
    let offsets = ["skep_kernel_test_target", "skep_kernel_test_second"].map(|n| offset_of(&elf, n));
    let object = object(vec![hash("by_cookie", 8, 8, 100)], count_by_cookie(ProgType::Kprobe));
    let me = std::process::id() as i32;
    for (ret, pid, count) in [(false, None, 1), (false, Some(me), 1), (true, None, 1), (false, None, 2), (true, Some(me), 2)] {
        let loaded = kernel.load_object(&object).unwrap();
        let sites = offsets.iter().take(count).enumerate();
        let sites = sites.map(|(i, offset)| UserSite { offset: *offset, cookie: 100 + i as u64 }).collect();
        let at = Attach::Uprobes { ret, path: exe.clone(), pid, sites };
        kernel.check_attach(&at).unwrap();
        let link = loaded.attach(0, &at).unwrap();
        assert_eq!(link.count(), count);
        for i in 0..7 {
            assert_eq!(skep_kernel_test_target(i) + skep_kernel_test_second(i), 2 * i + 3);
        }
        let counts = [lookup(&loaded, 100), lookup(&loaded, 101)];
        assert_eq!(counts, [7, if count == 2 { 7 } else { 0 }], "ret {ret} pid {pid:?}");
        let start = Instant::now();
        drop(link);
        println!("{count} uprobes detached in {:?}", start.elapsed());
        skep_kernel_test_target(1);
        assert_eq!(lookup(&loaded, 100), 7);
    }
}

#[test]
fn uprobes_of_another_process_do_not_fire_here() {
    let Some(kernel) = kernel("uprobes of a process") else { return };
    let exe = std::env::current_exe().unwrap();
    let offset = offset_of(&Elf::open(&exe).unwrap(), "skep_kernel_test_target");
    let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
    let object = object(vec![hash("by_cookie", 8, 8, 100)], count_by_cookie(ProgType::Kprobe));
    let loaded = kernel.load_object(&object).unwrap();
    let sites = vec![UserSite { offset, cookie: 1 }];
    let link = loaded.attach(0, &Attach::Uprobes { ret: false, path: exe, pid: Some(child.id() as i32), sites }).unwrap();
    skep_kernel_test_target(1);
    assert_eq!(lookup(&loaded, 1), 0);
    drop(link);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn clock(rate: Rate, cpus: Cpus) -> PerfEvent {
    PerfEvent { kind: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CPU_CLOCK, rate, cpus, pid: None, cookie: 5 }
}

#[test]
fn a_clock_samples_each_cpu_and_an_interval_one() {
    let Some(kernel) = kernel("perf events") else { return };
    let object = object(vec![hash("by_cookie", 8, 8, 100)], count_by_cookie(ProgType::PerfEvent));
    for (rate, cpus) in [
        (Rate::Frequency(997), Cpus::All),
        (Rate::Period(1_000_000), Cpus::All),
        (Rate::Period(10_000_000), Cpus::One),
    ] {
        let loaded = kernel.load_object(&object).unwrap();
        let at = Attach::Perf(clock(rate, cpus));
        kernel.check_attach(&at).unwrap();
        let link = loaded.attach(0, &at).unwrap();
        assert_eq!(link.count(), if cpus == Cpus::One { 1 } else { skep_kernel::cpus::online().unwrap().len() });
        let start = Instant::now();
        while lookup(&loaded, 5) < 5 {
            assert!(start.elapsed() < Duration::from_secs(10), "{rate:?}");
            std::hint::black_box(skep_kernel_test_second(1));
        }
        let start = Instant::now();
        drop(link);
        println!("{rate:?} detached in {:?}", start.elapsed());
        let counted = lookup(&loaded, 5);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(lookup(&loaded, 5), counted);
    }
}

#[test]
fn a_counter_of_a_process_fires_for_its_threads() {
    let Some(kernel) = kernel("perf event of a process") else { return };
    let object = object(vec![hash("by_cookie", 8, 8, 100)], count_by_cookie(ProgType::PerfEvent));
    let loaded = kernel.load_object(&object).unwrap();
    let pid = Some(std::process::id() as i32);
    let at = Attach::Perf(PerfEvent { pid, ..clock(Rate::Period(1_000_000), Cpus::All) });
    let _link = loaded.attach(0, &at).unwrap();
    let start = Instant::now();
    while lookup(&loaded, 5) < 3 {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::hint::black_box(skep_kernel_test_second(1));
    }
}

#[test]
fn a_raw_tracepoint_fires_and_an_unknown_one_is_refused() {
    let Some(kernel) = kernel("raw tracepoint") else { return };
    // The second argument of sys_enter is the system call's number.
    let mut programs = count_by_ctx_word(8);
    programs[0].kind = ProgType::RawTracepoint;
    let loaded = kernel.load_object(&object(vec![hash("calls", 8, 8, 1000)], programs)).unwrap();
    let at = Attach::RawTracepoint("sys_enter".into());
    kernel.check_attach(&at).unwrap();
    let link = loaded.attach(0, &at).unwrap();
    getpriority();
    assert!(lookup(&loaded, GETPRIORITY) >= 1);
    let start = Instant::now();
    drop(link);
    println!("raw tracepoint detached in {:?}", start.elapsed());
    let at = Attach::RawTracepoint("no_such".into());
    assert_eq!(kernel.check_attach(&at).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(loaded.attach(0, &at).err().unwrap().kind, ErrorKind::NotFound);
}

#[test]
fn run_once_gives_the_result_and_the_counters_show_it() {
    let Some(kernel) = kernel("run_once") else { return };
    let insns = vec![Insn::ldx(Size::DW, Reg::R0, Reg::R1, 8), alu(AluOp::Add, Reg::R0, 2), Insn::exit()];
    let loaded = kernel.load_object(&object(vec![], vec![program(ProgType::RawTracepoint, insns)])).unwrap();
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
    let loaded = kernel.load_object(&object(vec![hash("calls", 8, 8, 1000)], count_by_ctx_word(8))).unwrap();
    let _stats = kernel.enable_stats().unwrap();
    let _link = loaded.attach(0, &Attach::Tracepoints(vec![tracepoint("raw_syscalls", "sys_enter", 0)])).unwrap();
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
    let mut bad = program(ProgType::RawTracepoint, vec![Insn::ldx(Size::DW, Reg::R0, Reg::R5, 0), Insn::exit()]);
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
    let error = kernel.load_object(&object(vec![], vec![program(ProgType::RawTracepoint, insns)])).unwrap_err();
    let ErrorKind::Rejected { log, .. } = error.kind else { panic!("{error:?}") };
    assert!(log.len() > 300_000 && log.contains("R5 !read_ok") && log.contains("\n3: "), "{}", log.len());
}

#[test]
fn a_map_that_is_too_large_is_explained() {
    let Some(kernel) = kernel("large map") else { return };
    let error = kernel.load_object(&object(vec![hash("huge", 8, 1 << 20, u32::MAX - 1)], vec![])).unwrap_err();
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
fn kprobes_work_or_are_refused_with_what_is_missing() {
    let Some(kernel) = kernel("kprobes") else { return };
    let site = KernelSite { function: "do_nanosleep".into(), offset: 0, cookie: 1 };
    let at = Attach::Kprobes { ret: false, sites: vec![site] };
    let object = object(vec![hash("by_cookie", 8, 8, 100)], count_by_cookie(ProgType::Kprobe));
    let loaded = kernel.load_object(&object).unwrap();
    if Path::new("/sys/bus/event_source/devices/kprobe").exists() {
        let _link = loaded.attach(0, &at).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert!(lookup(&loaded, 1) >= 1);
        return;
    }
    for error in [kernel.check_attach(&at).unwrap_err(), loaded.attach(0, &at).err().unwrap()] {
        assert!(matches!(error.kind, ErrorKind::Unsupported { .. }), "{error:?}");
        let text = error.to_string();
        for part in ["kprobe:do_nanosleep", "CONFIG_KPROBES", "tracepoint"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn a_missing_counter_or_file_is_refused_before_attaching() {
    let Some(kernel) = kernel("refusals") else { return };
    let event = PerfEvent { kind: PERF_TYPE_HARDWARE, config: 0, ..clock(Rate::Period(1000), Cpus::All) };
    if let Err(error) = kernel.check_attach(&Attach::Perf(event)) {
        assert!(matches!(error.kind, ErrorKind::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("cpu-cycles"), "{error}");
    }
    let sites = vec![UserSite { offset: u64::MAX, cookie: 0 }];
    let uprobe = |path: &str| Attach::Uprobes { ret: false, path: path.into(), pid: None, sites: sites.clone() };
    assert_eq!(kernel.check_attach(&uprobe("/no/such")).unwrap_err().kind, ErrorKind::NotFound);
    assert!(kernel.check_attach(&uprobe("/bin/sh")).unwrap_err().to_string().contains("shorter"));
    assert!(kernel.check_attach(&uprobe("/")).is_err());
}

#[test]
fn types_and_lines_go_to_the_kernel() {
    let Some(kernel) = kernel("BTF") else { return };
    let object = with_types(object(vec![], vec![program(ProgType::RawTracepoint, vec![mov(Reg::R0, 0), Insn::exit()])]));
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
    assert!(tracefs.all_tracepoints().unwrap().contains(&("sched".to_string(), "sched_switch".to_string())));
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
