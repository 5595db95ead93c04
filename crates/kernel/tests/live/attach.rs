//! Attachments: they fire, with their cookies, and nothing is left of them.

use skep_abi::ProgType;
use skep_abi::perf::{PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE};
use skep_engine::{
    Attach, Cpus, ErrorKind, KernelSite, Link, Loaded as _, PerfEvent, Rate, UserSite,
};
use skep_kernel::Elf;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::*;

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
    let object = object(vec![hash("by_cookie", 8, 8, 1000)], count_by_cookie(ProgType::Tracepoint));
    let loaded = kernel.load_object(&object).unwrap();
    let names = kernel.tracefs().unwrap().tracepoints("syscalls").unwrap();
    let names: Vec<_> = names.into_iter().filter(|n| n.starts_with("sys_enter_")).collect();
    let places: Vec<_> =
        names.iter().enumerate().map(|(i, n)| tracepoint("syscalls", n, i as u64)).collect();
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
    let names = [
        "sched_switch",
        "sched_wakeup",
        "sched_process_exec",
        "sched_process_exit",
        "sched_process_fork",
    ];
    let link =
        |n: &&str| loaded.attach(0, &Attach::Tracepoints(vec![tracepoint("sched", n, 0)])).unwrap();
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
    let at = Attach::Tracepoints(vec![
        tracepoint("raw_syscalls", "sys_enter", 0),
        tracepoint("sched", "no_such", 0),
    ]);
    for error in [kernel.check_attach(&at).unwrap_err(), loaded.attach(0, &at).err().unwrap()] {
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.to_string().contains("sched:no_such"), "{error}");
    }
    let counted = lookup(&loaded, GETPRIORITY);
    getpriority();
    assert_eq!(lookup(&loaded, GETPRIORITY), counted);
}

#[test]
fn uprobes_fire_alone_and_together_at_entry_and_return() {
    let Some(kernel) = kernel("uprobes") else { return };
    let exe = std::env::current_exe().unwrap();
    let elf = Elf::open(&exe).unwrap();
    let offsets =
        ["skep_kernel_test_target", "skep_kernel_test_second"].map(|n| offset_of(&elf, n));
    let object = object(vec![hash("by_cookie", 8, 8, 100)], count_by_cookie(ProgType::Kprobe));
    let me = std::process::id() as i32;
    for (ret, pid, count) in [
        (false, None, 1),
        (false, Some(me), 1),
        (true, None, 1),
        (false, None, 2),
        (true, Some(me), 2),
    ] {
        let loaded = kernel.load_object(&object).unwrap();
        let sites = offsets.iter().take(count).enumerate();
        let sites =
            sites.map(|(i, offset)| UserSite { offset: *offset, cookie: 100 + i as u64 }).collect();
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
    let link = loaded
        .attach(0, &Attach::Uprobes { ret: false, path: exe, pid: Some(child.id() as i32), sites })
        .unwrap();
    skep_kernel_test_target(1);
    assert_eq!(lookup(&loaded, 1), 0);
    drop(link);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn clock(rate: Rate, cpus: Cpus) -> PerfEvent {
    PerfEvent {
        kind: PERF_TYPE_SOFTWARE,
        config: PERF_COUNT_SW_CPU_CLOCK,
        rate,
        cpus,
        pid: None,
        cookie: 5,
    }
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
        assert_eq!(
            link.count(),
            if cpus == Cpus::One { 1 } else { skep_kernel::cpus::online().unwrap().len() }
        );
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
    let event =
        PerfEvent { kind: PERF_TYPE_HARDWARE, config: 0, ..clock(Rate::Period(1000), Cpus::All) };
    if let Err(error) = kernel.check_attach(&Attach::Perf(event)) {
        assert!(matches!(error.kind, ErrorKind::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("cpu-cycles"), "{error}");
    }
    let sites = vec![UserSite { offset: u64::MAX, cookie: 0 }];
    let uprobe = |path: &str| Attach::Uprobes {
        ret: false,
        path: path.into(),
        pid: None,
        sites: sites.clone(),
    };
    assert_eq!(kernel.check_attach(&uprobe("/no/such")).unwrap_err().kind, ErrorKind::NotFound);
    assert!(kernel.check_attach(&uprobe("/bin/sh")).unwrap_err().to_string().contains("shorter"));
    assert!(kernel.check_attach(&uprobe("/")).is_err());
}
