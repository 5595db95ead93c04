//! Maps from user space.

use skep_abi::flags::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG};
use skep_abi::{MapType, ProgType};
use skep_engine::{ErrorKind, Loaded as _, Map as _};
use skep_isa::{AluOp, Insn, Reg, Size};
use skep_object::{MapRef, Reloc, RelocTarget};
use std::time::Instant;

use crate::common::*;

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
