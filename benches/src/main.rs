//! Measures `skep trace` beside `bpftrace` (where one is installed), in one run.
//!
//!     cargo build --release && cargo run --release -p skep-benches            everything
//!     cargo run --release -p skep-benches -- cost hello                       some of it
//!     BPFTRACE=/path/to/bpftrace RUNS=9 SKEP=target/release/skep cargo run --release -p skep-benches
//!
//! Needs root and a kernel with BPF. Times are medians of RUNS (5) runs. "cost" is the time of one run of the BPF program as the kernel counts it
//! (`kernel.bpf_stats_enabled`, read from `/proc/PID/fdinfo`), the empty program's included.

mod load;
mod tool;

use std::time::Duration;

use tool::{Tool, median};

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|c| c == name);
    load::unlimit_memlock();
    let tools = Tool::find_all();
    println!(
        "{:<44} {:>12} {:>12} {:>12}  ",
        "",
        "limit",
        tools[0].name,
        tools.get(1).map_or("-", |t| t.name)
    );
    if wanted("size") {
        size(&tools);
    }
    if wanted("hello") {
        hello(&tools);
    }
    if wanted("attach") {
        attach(&tools);
    }
    if wanted("cost") {
        cost(&tools);
    }
    if wanted("throughput") {
        throughput(&tools);
    }
    if wanted("map") {
        map(&tools);
    }
}

/// Prints a row; a figure of ours over the limit (under it, if `at_least`) is marked.
fn row(name: &str, limit: f64, unit: &str, at_least: bool, figures: &[Option<f64>]) {
    let text = |v: Option<f64>| {
        v.map_or("-".to_string(), |v| format!("{v:.*} {unit}", usize::from(v < 100.0)))
    };
    let ours = figures[0];
    let verdict = match ours {
        Some(v) if (v <= limit) != at_least || v == limit => "ok",
        Some(_) => "MISSED",
        None => "FAILED",
    };
    println!(
        "{name:<44} {:>12} {:>12} {:>12}  {verdict}",
        text(Some(limit)),
        text(ours),
        text(figures.get(1).copied().flatten()),
    );
}

fn size(tools: &[Tool]) {
    let bytes = std::fs::metadata(&tools[0].path).map(|m| m.len() as f64 / 1e6).ok();
    row("release binary", 12.0, "MB", false, &[bytes]);
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

fn hello(tools: &[Tool]) {
    let attached = "BEGIN { printf(\"hello\\n\"); }";
    let exits = "BEGIN { printf(\"hello\\n\"); exit(); }";
    let each = |f: &dyn Fn(&Tool) -> Option<f64>| tools.iter().map(f).collect::<Vec<_>>();
    row(
        "hello world: start to attached",
        12.0,
        "ms",
        false,
        &each(&|t| median(|| t.start(attached).map(|r| ms(r.stop().0)))),
    );
    row(
        "hello world: start to exit",
        30.0,
        "ms",
        false,
        &each(&|t| median(|| t.whole(exits).map(|(d, _)| ms(d)))),
    );
    row(
        "hello world: memory",
        16.0,
        "MB",
        false,
        &each(&|t| median(|| t.whole(exits).map(|(_, mb)| mb))),
    );
}

const TEN: &str = "tracepoint:syscalls:sys_enter_openat { @a[comm] = count(); }
tracepoint:syscalls:sys_exit_openat { @b[comm] = count(); }
tracepoint:syscalls:sys_enter_read { @c[comm] = count(); }
tracepoint:syscalls:sys_exit_read { @d[comm] = count(); }
tracepoint:syscalls:sys_enter_write { @e[comm] = count(); }
tracepoint:syscalls:sys_exit_write { @f[comm] = count(); }
tracepoint:sched:sched_switch { @g = count(); }
tracepoint:sched:sched_wakeup { @h = count(); }
tracepoint:sched:sched_process_exec { @i = count(); }
tracepoint:sched:sched_process_exit { @j = count(); }
BEGIN { printf(\"ready\\n\"); }";

fn attach(tools: &[Tool]) {
    let ten: Vec<_> =
        tools.iter().map(|t| median(|| t.start(TEN).map(|r| ms(r.stop().0)))).collect();
    row("ten probes: start to attached", 30.0, "ms", false, &ten);
    let all =
        "tracepoint:syscalls:sys_enter_* { @[probe] = count(); } BEGIN { printf(\"ready\\n\"); }";
    let ours = median(|| tools[0].start(all).map(|r| ms(r.stop().0)));
    row("tracepoint:syscalls:sys_enter_*: attached", 300.0, "ms", false, &[ours]);
    let gone = median(|| tools[0].start(all).map(|r| ms(r.stop().1)));
    row("tracepoint:syscalls:sys_enter_*: detached", 300.0, "ms", false, &[gone]);
}

fn cost(tools: &[Tool]) {
    let stats = load::BpfStats::enable();
    let open = "tracepoint:syscalls:sys_enter_openat";
    let enter = "tracepoint:raw_syscalls:sys_enter";
    let exit = "tracepoint:syscalls:sys_exit_read";
    type Case<'a> = (&'a str, f64, String, fn(u32));
    let cases: [Case<'_>; 5] = [
        ("empty program: per run", 1000.0, format!("{enter} {{ }}"), load::getppid),
        (
            "@[comm] = count(): per run",
            140.0,
            format!("{enter} {{ @[comm] = count(); }}"),
            load::getppid,
        ),
        ("@ = count(): per run", 80.0, format!("{enter} {{ @ = count(); }}"), load::getppid),
        (
            "@[pid, comm] = hist(args.ret): per run",
            170.0,
            format!("{exit} {{ @[pid, comm] = hist(args->ret); }}"),
            load::read,
        ),
        (
            "printf(comm, str(filename)): per run",
            600.0,
            format!("{open} {{ printf(\"%s %s\\n\", comm, str(args->filename)); }}"),
            load::open,
        ),
    ];
    for (name, limit, script, work) in cases {
        let script = format!("{script} BEGIN {{ printf(\"ready\\n\"); }}");
        let figures: Vec<_> = tools
            .iter()
            .map(|t| {
                median(|| {
                    let running = t.start(&script)?;
                    work(200_000);
                    let cost = running.cost();
                    running.stop();
                    cost
                })
            })
            .collect();
        row(name, limit, "ns", false, &figures);
    }
    drop(stats);
}

fn throughput(tools: &[Tool]) {
    let pid = std::process::id();
    let script = format!(
        "tracepoint:syscalls:sys_enter_openat /pid == {pid}/ {{ printf(\"%s %s\\n\", comm, str(args->filename)); }} BEGIN {{ printf(\"ready\\n\"); }}"
    );
    let figures: Vec<_> =
        tools.iter().map(|t| load::best_rate(|rate| t.lossless(&script, rate))).collect();
    row("printf lines a second without loss", 1_000_000.0, "/s", true, &figures);
}

fn map(tools: &[Tool]) {
    let id = libc::SYS_close;
    let script = |body: &str| {
        format!(
            "tracepoint:raw_syscalls:sys_enter /args->id == {id} && args->args[0] >= 1000000/ {{ {body} }} BEGIN {{ printf(\"ready\\n\"); }}"
        )
    };
    let (full, empty) = (script("@[args->args[0]] = count();"), script("@ = count();"));
    let measure = |t: &Tool, script: &str| {
        let running = t.start_with(
            script,
            &[("BPFTRACE_MAP_KEYS_MAX", "120000"), ("BPFTRACE_MAX_MAP_KEYS", "120000")],
        )?;
        load::close_each(1_000_000..1_100_000);
        let (_, exit, mb) = running.stop();
        Some((ms(exit), mb))
    };
    let time: Vec<_> = tools.iter().map(|t| median(|| measure(t, &full).map(|m| m.0))).collect();
    row("map of 100,000 keys: interrupt to exit", 100.0, "ms", false, &time);
    let memory: Vec<_> = tools
        .iter()
        .map(|t| median(|| Some(measure(t, &full)?.1 - measure(t, &empty)?.1)))
        .collect();
    row("map of 100,000 keys: more memory", 16.0, "MB", false, &memory);
}
