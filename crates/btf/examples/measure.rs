//! How long the kernel's BTF takes: `cargo run --release -p skep-btf --example measure [FILE]`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use skep_btf::{Btf, Kind};

/// The shortest of several runs: what the machine can do when nobody else asks it.
fn shortest<T>(mut run: impl FnMut() -> T) -> Duration {
    (0..15)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn report(what: &str, time: Duration) {
    println!("{what:<48} {:>9.1} us", time.as_secs_f64() * 1e6);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/sys/kernel/btf/vmlinux".to_owned());
    let bytes: &'static [u8] = Vec::leak(std::fs::read(&path)?);
    report("read the file", shortest(|| std::fs::read(&path)));
    report("parse", shortest(|| Btf::parse(bytes, None)));
    report(
        "parse, find task_struct.pid and its size",
        shortest(|| {
            let btf = Btf::parse(bytes, None).ok()?;
            let task = btf.find_struct_or_union("task_struct")?;
            let pid = btf.member(task, "pid").ok()??;
            btf.size_of(pid.type_id).ok()
        }),
    );

    let fresh = || Btf::parse(bytes, None);
    for (name, kind) in [
        ("task_struct", Kind::Struct),
        ("btf_trace_sched_switch", Kind::Typedef),
        ("vfs_read", Kind::Func),
        ("no such name", Kind::Func),
    ] {
        let btf = fresh()?;
        let start = Instant::now();
        black_box(btf.find(name, kind));
        report(&format!("find {name} by scanning"), start.elapsed());
    }
    let btf = fresh()?;
    let mut longest = Duration::ZERO;
    for _ in 0..100 {
        let start = Instant::now();
        black_box(btf.find("vfs_read", Kind::Func));
        longest = longest.max(start.elapsed());
    }
    report("the lookup that makes the index", longest);
    report("find vfs_read by the index", shortest(|| btf.find("vfs_read", Kind::Func)));
    report(
        "find the enumerator BPF_PROG_TYPE_KPROBE",
        shortest(|| btf.find_enumerator("BPF_PROG_TYPE_KPROBE")),
    );
    report("names of all functions", shortest(|| btf.names(&[Kind::Func]).count()));
    report("decode every type", shortest(|| btf.types().count()));
    Ok(())
}
