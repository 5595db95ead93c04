//! Streams of records.

use skep_abi::MapType;
use skep_engine::Loaded as _;
use skep_object::MapRef;
use std::time::{Duration, Instant};

use crate::common::*;

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
    let full = 50_000;
    for i in 0..full as u64 {
        assert_eq!(loaded.run_once(0, &i.to_ne_bytes()).unwrap(), 0);
    }
    let start = Instant::now();
    let mut sum = 0;
    let got = events.drain(&mut |r| {
        sum += usize::from(r[0]);
        true
    });
    println!("{full} records drained in {:?} ({sum})", start.elapsed());
    assert_eq!(got.unwrap(), full);
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
