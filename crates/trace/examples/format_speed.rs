//! Measures the run-time side alone: lines of printf a second, and printing a map of 100,000 keys.
//!
//! `cargo run --release -p skep-trace --example format_speed`. No kernel and no privilege is needed.

use std::time::Instant;

use skep_engine::{Error, Map};
use skep_trace::plan::{Conv, Format, MapInfo, Piece, Plan, Spec};
use skep_trace::run::format::{Printf, encode};
use skep_trace::run::maps::{self, Show};
use skep_trace::run::output::{Buffering, Layout, Sink};
use skep_trace::run::value::{Names, View};
use skep_trace::types::{Agg, Clock, StackSpec, Type};

/// No value here needs a name.
struct NoNames;

impl Names for NoNames {
    fn ksym(&mut self, _: u64, _: &mut Vec<u8>) {}
    fn usym(&mut self, _: u64, _: u32, _: &mut Vec<u8>) {}
    fn kstack(&mut self, _: StackSpec, _: i64, _: &mut Vec<u8>) {}
    fn ustack(&mut self, _: StackSpec, _: i64, _: u32, _: &mut Vec<u8>) {}
    fn username(&mut self, _: u64, _: &mut Vec<u8>) {}
    fn cgroup(&mut self, _: u64, _: &str, _: &mut Vec<u8>) {}
    fn time(&mut self, _: &str, _: Clock, _: u64, _: &mut Vec<u8>) {}
}

fn main() -> Result<(), Error> {
    printf_speed();
    map_speed(Layout::Text)?;
    map_speed(Layout::Json)
}

fn arg(conv: Conv, width: Option<u32>, left: bool) -> Piece {
    Piece::Arg(Spec { conv, width, left, bits: 64, ..Spec::default() })
}

fn printf_speed() {
    let plan = Plan::default();
    let blank = || Piece::Text(b" ".to_vec());
    // printf("%-6d %-16s %s %d\n", pid, comm, str(args.filename), args.ret)
    let pieces = vec![
        arg(Conv::Signed, Some(6), true),
        blank(),
        arg(Conv::Str, Some(16), true),
        blank(),
        arg(Conv::Str, None, false),
        blank(),
        arg(Conv::Signed, None, false),
        Piece::Text(b"\n".to_vec()),
    ];
    let args = [Type::U32, Type::Str { max: 16 }, Type::Str { max: 1024 }, Type::I64];
    let printf = Printf::new(&plan.types, &Format { pieces, args: args.to_vec() });
    let (pid, ret) = (4242u32.to_ne_bytes(), (-2i64).to_ne_bytes());
    let values: [&[u8]; 4] =
        [&pid, b"bash\0\0\0\0\0\0\0\0\0\0\0\0", b"/usr/lib/locale/locale-archive\0", &ret];
    let args: Vec<_> = args.into_iter().zip(values).collect();
    let record = encode(0, 0, &plan.types, &args);
    let mut view = View { plan: &plan, names: &mut NoNames, compact: false };
    let mut out = Vec::with_capacity(1 << 20);
    let (lines, start) = (5_000_000u32, Instant::now());
    for _ in 0..lines {
        if printf.write(std::hint::black_box(&record), &mut view, &mut out).is_err() {
            return println!("the record is short");
        }
        if out.len() > 1 << 19 {
            std::hint::black_box(&out);
            out.clear();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("printf: {:.1} million lines a second", lines as f64 / seconds / 1e6);
}

/// A per-CPU map of counts that makes its keys as it is read.
struct Counts;

const KEYS: u64 = 100_000;
const CPUS: usize = 4;

impl Map for Counts {
    fn value_len(&self) -> usize {
        8 * CPUS
    }
    fn cpus(&self) -> usize {
        CPUS
    }
    fn lookup(&self, _: &[u8], _: &mut [u8]) -> Result<bool, Error> {
        Ok(false)
    }
    fn update(&self, _: &[u8], _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
    fn delete(&self, _: &[u8]) -> Result<bool, Error> {
        Ok(false)
    }
    fn for_each(&self, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let (mut key, mut value) = ([0u8; 24], [0u8; 8 * CPUS]);
        for i in 0..KEYS {
            key[..8].copy_from_slice(&i.to_ne_bytes());
            key[8..12].copy_from_slice(b"comm");
            for (cpu, word) in value.chunks_exact_mut(8).enumerate() {
                word.copy_from_slice(&(i * 7919 % 65_537 + cpu as u64).to_ne_bytes());
            }
            f(&key, &value);
        }
        Ok(())
    }
    fn clear(&self) -> Result<(), Error> {
        Ok(())
    }
    fn zero(&self) -> Result<(), Error> {
        Ok(())
    }
    fn read_global(&self, _: u32, _: &mut [u8]) -> Result<(), Error> {
        Ok(())
    }
    fn write_global(&self, _: u32, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

fn map_speed(layout: Layout) -> Result<(), Error> {
    let plan = Plan::default();
    let info = MapInfo {
        name: "@".into(),
        keys: vec![Type::I64, Type::Str { max: 16 }],
        value: Type::Agg(Agg::Count),
        max_entries: KEYS as u32,
        declared: None,
        map: None,
    };
    let show = Show { top: 0, div: 1, last: true, set: true };
    let sinks = (Box::new(std::io::sink()), Box::new(std::io::sink()));
    let mut sink = Sink::new(layout, Buffering::Line, sinks.0, sinks.1);
    let mut view = View { plan: &plan, names: &mut NoNames, compact: false };
    let before = peak_kib();
    let start = Instant::now();
    maps::print(&Counts, &info, show, &mut view, &mut sink)?;
    sink.flush();
    println!(
        "map of {KEYS} keys, {layout:?}: {:.0} ms, {} KiB more",
        start.elapsed().as_secs_f64() * 1e3,
        peak_kib() - before
    );
    Ok(())
}

/// Most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
    line.split_ascii_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}
