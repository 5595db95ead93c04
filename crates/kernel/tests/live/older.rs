//! The ways for older kernels, tried on this one.

use skep_abi::flags::BPF_F_MMAPABLE;
use skep_abi::{Feature, MapType, ProgType};
use skep_engine::{Attach, Engine as _, Loaded as _, UserSite};
use skep_kernel::Elf;
use skep_object::MapRef;

use crate::common::*;

#[test]
fn the_ways_for_older_kernels_work_too() {
    let Some(kernel) = kernel("older ways") else { return };
    let exe = std::env::current_exe().unwrap();
    let offset = offset_of(&Elf::open(&exe).unwrap(), "skep_kernel_test_target");
    let mut target = kernel.target().clone();
    for feature in [
        Feature::PerfLink,
        Feature::UprobePmu,
        Feature::UprobeMulti,
        Feature::BatchOps,
        Feature::MmapableArray,
        Feature::BtfLoad,
        Feature::MapName,
        Feature::MemcgAccounting,
    ] {
        target = target.without(feature);
    }
    let kernel = kernel.with_target(target);
    let mut global = hash("global", 4, 16, 1);
    global.kind = MapType::Array;
    global.flags = BPF_F_MMAPABLE;
    let mut maps = vec![hash("by_cookie", 8, 8, 100), global];
    let loaded =
        kernel.load_object(&object(maps.clone(), count_by_cookie(ProgType::Kprobe))).unwrap();
    loaded.map(MapRef(1)).unwrap().write_global(8, &[7; 4]).unwrap();
    let mut out = [0; 4];
    loaded.map(MapRef(1)).unwrap().read_global(8, &mut out).unwrap();
    assert_eq!(out, [7; 4]);

    // Without links there are no cookies: all places count as 0.
    for ret in [false, true] {
        let sites = vec![UserSite { offset, cookie: 3 }];
        let at = Attach::Uprobes { ret, path: exe.clone(), pid: None, sites };
        let before = lookup(&loaded, 0);
        let link = loaded.attach(0, &at).unwrap();
        for _ in 0..4 {
            skep_kernel_test_target(1);
        }
        drop(link);
        skep_kernel_test_target(1);
        assert_eq!(lookup(&loaded, 0), before + 4);
    }
    let events = kernel.tracefs().unwrap().root().join("uprobe_events");
    let ours = format!("skep/p{}_", std::process::id());
    assert!(!std::fs::read_to_string(events).unwrap().contains(&ours));

    let count = |m| {
        let mut n = 0;
        loaded.map(MapRef(m)).unwrap().for_each(&mut |_, _| n += 1).unwrap();
        n
    };
    for i in 0..50u64 {
        loaded.map(MapRef(0)).unwrap().update(&i.to_ne_bytes(), &i.to_ne_bytes()).unwrap();
    }
    assert_eq!(count(0), 50);
    loaded.map(MapRef(0)).unwrap().zero().unwrap();
    assert_eq!((count(0), lookup(&loaded, 49)), (50, 0));
    loaded.map(MapRef(0)).unwrap().clear().unwrap();
    assert_eq!(count(0), 0);

    maps.truncate(1);
    let loaded = kernel.load_object(&object(maps, count_by_ctx_word(8))).unwrap();
    let at = Attach::Tracepoints(vec![tracepoint("raw_syscalls", "sys_enter", 9)]);
    let link = loaded.attach(0, &at).unwrap();
    getpriority();
    drop(link);
    let counted = lookup(&loaded, GETPRIORITY);
    assert!(counted >= 1);
    getpriority();
    assert_eq!(lookup(&loaded, GETPRIORITY), counted);
}
