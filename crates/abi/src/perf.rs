//! Constants of perf_event_open(2), spelled as `include/uapi/linux/perf_event.h` spells them, and the names that
//! `software:` and `hardware:` probes use, with their default sample periods (those of bpftrace's documentation).

// Event types (`perf_event_attr.type`).

/// A counter of the processor ([`HARDWARE`]).
pub const PERF_TYPE_HARDWARE: u32 = 0;
/// A counter of the kernel ([`SOFTWARE`]).
pub const PERF_TYPE_SOFTWARE: u32 = 1;
/// A tracepoint, by its id in tracefs.
pub const PERF_TYPE_TRACEPOINT: u32 = 2;
/// A cache counter of the processor.
pub const PERF_TYPE_HW_CACHE: u32 = 3;
/// A counter in the processor's own encoding.
pub const PERF_TYPE_RAW: u32 = 4;
/// A hardware breakpoint.
pub const PERF_TYPE_BREAKPOINT: u32 = 5;

// Software counters.

/// High-resolution CPU time, in nanoseconds.
pub const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
/// The task's own CPU time, in nanoseconds.
pub const PERF_COUNT_SW_TASK_CLOCK: u64 = 1;
/// Page faults.
pub const PERF_COUNT_SW_PAGE_FAULTS: u64 = 2;
/// Context switches.
pub const PERF_COUNT_SW_CONTEXT_SWITCHES: u64 = 3;
/// Moves of a task to another CPU.
pub const PERF_COUNT_SW_CPU_MIGRATIONS: u64 = 4;
/// Page faults served without I/O.
pub const PERF_COUNT_SW_PAGE_FAULTS_MIN: u64 = 5;
/// Page faults served with I/O.
pub const PERF_COUNT_SW_PAGE_FAULTS_MAJ: u64 = 6;
/// Unaligned accesses that the kernel mended.
pub const PERF_COUNT_SW_ALIGNMENT_FAULTS: u64 = 7;
/// Instructions that the kernel emulated.
pub const PERF_COUNT_SW_EMULATION_FAULTS: u64 = 8;
/// Counts nothing.
pub const PERF_COUNT_SW_DUMMY: u64 = 9;
/// The output of BPF programs.
pub const PERF_COUNT_SW_BPF_OUTPUT: u64 = 10;
/// Switches to a task of another cgroup.
pub const PERF_COUNT_SW_CGROUP_SWITCHES: u64 = 11;

// Hardware counters.

/// Cycles, at the frequency of the moment.
pub const PERF_COUNT_HW_CPU_CYCLES: u64 = 0;
/// Retired instructions.
pub const PERF_COUNT_HW_INSTRUCTIONS: u64 = 1;
/// Cache accesses, as a rule of the last level.
pub const PERF_COUNT_HW_CACHE_REFERENCES: u64 = 2;
/// Cache misses, as a rule of the last level.
pub const PERF_COUNT_HW_CACHE_MISSES: u64 = 3;
/// Retired branches.
pub const PERF_COUNT_HW_BRANCH_INSTRUCTIONS: u64 = 4;
/// Mispredicted branches.
pub const PERF_COUNT_HW_BRANCH_MISSES: u64 = 5;
/// Bus cycles.
pub const PERF_COUNT_HW_BUS_CYCLES: u64 = 6;
/// Cycles in which nothing could be issued.
pub const PERF_COUNT_HW_STALLED_CYCLES_FRONTEND: u64 = 7;
/// Cycles in which nothing could be retired.
pub const PERF_COUNT_HW_STALLED_CYCLES_BACKEND: u64 = 8;
/// Cycles at a constant frequency.
pub const PERF_COUNT_HW_REF_CPU_CYCLES: u64 = 9;

/// A counter that a probe may name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Counter {
    /// Its name.
    pub name: &'static str,
    /// A shorter name.
    pub alias: Option<&'static str>,
    /// `perf_event_attr.config`.
    pub config: u64,
    /// How many events make a sample if the user does not say.
    pub default_period: u64,
}

macro_rules! counters {
    ($($name:literal $alias:expr, $config:ident, $period:literal;)*) => {
        &[$(Counter { name: $name, alias: $alias, config: $config, default_period: $period },)*]
    };
}

/// Counters of [`PERF_TYPE_SOFTWARE`], by name.
pub const SOFTWARE: &[Counter] = counters! {
    "alignment-faults" None, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1;
    "bpf-output" None, PERF_COUNT_SW_BPF_OUTPUT, 1;
    "context-switches" Some("cs"), PERF_COUNT_SW_CONTEXT_SWITCHES, 1_000;
    "cpu-clock" Some("cpu"), PERF_COUNT_SW_CPU_CLOCK, 1_000_000;
    "cpu-migrations" None, PERF_COUNT_SW_CPU_MIGRATIONS, 1;
    "dummy" None, PERF_COUNT_SW_DUMMY, 1;
    "emulation-faults" None, PERF_COUNT_SW_EMULATION_FAULTS, 1;
    "major-faults" None, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1;
    "minor-faults" None, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100;
    "page-faults" Some("faults"), PERF_COUNT_SW_PAGE_FAULTS, 100;
    "task-clock" None, PERF_COUNT_SW_TASK_CLOCK, 1;
};

/// Counters of [`PERF_TYPE_HARDWARE`], by name.
pub const HARDWARE: &[Counter] = counters! {
    "backend-stalls" None, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, 1_000_000;
    "branch-instructions" Some("branches"), PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100_000;
    "branch-misses" None, PERF_COUNT_HW_BRANCH_MISSES, 100_000;
    "bus-cycles" None, PERF_COUNT_HW_BUS_CYCLES, 100_000;
    "cache-misses" None, PERF_COUNT_HW_CACHE_MISSES, 1_000_000;
    "cache-references" None, PERF_COUNT_HW_CACHE_REFERENCES, 1_000_000;
    "cpu-cycles" Some("cycles"), PERF_COUNT_HW_CPU_CYCLES, 1_000_000;
    "frontend-stalls" None, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, 1_000_000;
    "instructions" None, PERF_COUNT_HW_INSTRUCTIONS, 1_000_000;
    "ref-cycles" None, PERF_COUNT_HW_REF_CPU_CYCLES, 1_000_000;
};

impl Counter {
    /// The counter of that name or alias in `table`.
    pub fn find(table: &'static [Counter], name: &str) -> Option<&'static Counter> {
        table.iter().find(|c| c.name == name || c.alias == Some(name))
    }
}

// Fields of a sample (`perf_event_attr.sample_type`).

/// Instruction pointer.
pub const PERF_SAMPLE_IP: u64 = 1 << 0;
/// Process and thread id.
pub const PERF_SAMPLE_TID: u64 = 1 << 1;
/// Time.
pub const PERF_SAMPLE_TIME: u64 = 1 << 2;
/// Address.
pub const PERF_SAMPLE_ADDR: u64 = 1 << 3;
/// Counter values.
pub const PERF_SAMPLE_READ: u64 = 1 << 4;
/// Call chain.
pub const PERF_SAMPLE_CALLCHAIN: u64 = 1 << 5;
/// Event id.
pub const PERF_SAMPLE_ID: u64 = 1 << 6;
/// CPU.
pub const PERF_SAMPLE_CPU: u64 = 1 << 7;
/// Period.
pub const PERF_SAMPLE_PERIOD: u64 = 1 << 8;
/// Stream id.
pub const PERF_SAMPLE_STREAM_ID: u64 = 1 << 9;
/// Raw data: what `perf_event_output` writes.
pub const PERF_SAMPLE_RAW: u64 = 1 << 10;
/// Branch stack.
pub const PERF_SAMPLE_BRANCH_STACK: u64 = 1 << 11;
/// User registers.
pub const PERF_SAMPLE_REGS_USER: u64 = 1 << 12;
/// User stack.
pub const PERF_SAMPLE_STACK_USER: u64 = 1 << 13;
/// Event id, at a fixed place.
pub const PERF_SAMPLE_IDENTIFIER: u64 = 1 << 16;
/// cgroup id.
pub const PERF_SAMPLE_CGROUP: u64 = 1 << 21;

// Bit numbers in the flag word of `perf_event_attr`.

/// Starts disabled.
pub const PERF_ATTR_DISABLED: u32 = 0;
/// Children inherit it.
pub const PERF_ATTR_INHERIT: u32 = 1;
/// Does not count in user mode.
pub const PERF_ATTR_EXCLUDE_USER: u32 = 4;
/// Does not count in the kernel.
pub const PERF_ATTR_EXCLUDE_KERNEL: u32 = 5;
/// Does not count in a hypervisor.
pub const PERF_ATTR_EXCLUDE_HV: u32 = 6;
/// Does not count when idle.
pub const PERF_ATTR_EXCLUDE_IDLE: u32 = 7;
/// `sample_freq`, not `sample_period`.
pub const PERF_ATTR_FREQ: u32 = 10;
/// Starts at the next exec.
pub const PERF_ATTR_ENABLE_ON_EXEC: u32 = 12;
/// `wakeup_watermark`, not `wakeup_events`.
pub const PERF_ATTR_WATERMARK: u32 = 14;
/// All records end in an id block.
pub const PERF_ATTR_SAMPLE_ID_ALL: u32 = 18;
/// The clock is the one in `clockid`.
pub const PERF_ATTR_USE_CLOCKID: u32 = 25;
/// The buffer is written from the end backwards.
pub const PERF_ATTR_WRITE_BACKWARD: u32 = 27;

/// Size of the first `struct perf_event_attr`.
pub const PERF_ATTR_SIZE_VER0: u32 = 64;
/// With `config2`: enough for kprobes and uprobes.
pub const PERF_ATTR_SIZE_VER1: u32 = 72;
/// With `clockid` and `sample_max_stack`: Linux 4.8's.
pub const PERF_ATTR_SIZE_VER5: u32 = 112;

// Flags of perf_event_open(2).

/// The descriptor does not join a group.
pub const PERF_FLAG_FD_NO_GROUP: u64 = 1 << 0;
/// Output goes to another event's buffer.
pub const PERF_FLAG_FD_OUTPUT: u64 = 1 << 1;
/// The pid is a cgroup's descriptor.
pub const PERF_FLAG_PID_CGROUP: u64 = 1 << 2;
/// The descriptor closes on exec.
pub const PERF_FLAG_FD_CLOEXEC: u64 = 1 << 3;

// ioctl(2) requests (the encoding of x86, arm64, riscv; not that of powerpc, mips, sparc).

/// Starts counting.
pub const PERF_EVENT_IOC_ENABLE: u64 = 0x2400;
/// Stops counting.
pub const PERF_EVENT_IOC_DISABLE: u64 = 0x2401;
/// Counts so many overflows more, then stops.
pub const PERF_EVENT_IOC_REFRESH: u64 = 0x2402;
/// Sets the count to zero.
pub const PERF_EVENT_IOC_RESET: u64 = 0x2403;
/// Sets the period.
pub const PERF_EVENT_IOC_PERIOD: u64 = 0x4008_2404;
/// Sends output to another event's buffer.
pub const PERF_EVENT_IOC_SET_OUTPUT: u64 = 0x2405;
/// Sets a tracepoint's filter.
pub const PERF_EVENT_IOC_SET_FILTER: u64 = 0x4008_2406;
/// Reads the event's id.
pub const PERF_EVENT_IOC_ID: u64 = 0x8008_2407;
/// Attaches a BPF program.
pub const PERF_EVENT_IOC_SET_BPF: u64 = 0x4004_2408;
/// Pauses a buffer.
pub const PERF_EVENT_IOC_PAUSE_OUTPUT: u64 = 0x4004_2409;
/// Reads the ids of the programs attached.
pub const PERF_EVENT_IOC_QUERY_BPF: u64 = 0xc008_240a;

// Records in a buffer (`perf_event_header.type`).

/// Records were lost for want of room.
pub const PERF_RECORD_LOST: u32 = 2;
/// Sampling was throttled.
pub const PERF_RECORD_THROTTLE: u32 = 5;
/// Sampling is no longer throttled.
pub const PERF_RECORD_UNTHROTTLE: u32 = 6;
/// A sample.
pub const PERF_RECORD_SAMPLE: u32 = 9;
/// Samples were lost.
pub const PERF_RECORD_LOST_SAMPLES: u32 = 13;

// The mapped control page (`struct perf_event_mmap_page`).

/// Byte offset of `data_head`.
pub const PERF_MMAP_DATA_HEAD: usize = 1024;
/// Byte offset of `data_tail`.
pub const PERF_MMAP_DATA_TAIL: usize = 1032;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name_and_alias() {
        for (table, name, config, period) in [
            (SOFTWARE, "cpu", PERF_COUNT_SW_CPU_CLOCK, 1_000_000),
            (SOFTWARE, "faults", PERF_COUNT_SW_PAGE_FAULTS, 100),
            (SOFTWARE, "page-faults", PERF_COUNT_SW_PAGE_FAULTS, 100),
            (SOFTWARE, "cs", PERF_COUNT_SW_CONTEXT_SWITCHES, 1_000),
            (HARDWARE, "branches", PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100_000),
            (HARDWARE, "cycles", PERF_COUNT_HW_CPU_CYCLES, 1_000_000),
        ] {
            let found = Counter::find(table, name).map(|c| (c.config, c.default_period));
            assert_eq!(found, Some((config, period)), "{name}");
        }
        assert_eq!(Counter::find(SOFTWARE, "cycles"), None);
    }

    #[test]
    fn names_and_aliases_are_unique() {
        for table in [SOFTWARE, HARDWARE] {
            let names: Vec<_> =
                table.iter().flat_map(|c| [Some(c.name), c.alias]).flatten().collect();
            for (i, name) in names.iter().enumerate() {
                assert!(!names[..i].contains(name), "{name}");
            }
        }
    }

    #[test]
    fn ioctl_requests_are_encoded_as_the_macros_do() {
        let io = |dir: u64, size: u64, n: u64| dir << 30 | size << 16 | u64::from(b'$') << 8 | n;
        for (n, dir, size, value) in [
            (0, 0, 0, PERF_EVENT_IOC_ENABLE),
            (4, 1, 8, PERF_EVENT_IOC_PERIOD),
            (6, 1, 8, PERF_EVENT_IOC_SET_FILTER),
            (7, 2, 8, PERF_EVENT_IOC_ID),
            (8, 1, 4, PERF_EVENT_IOC_SET_BPF),
            (9, 1, 4, PERF_EVENT_IOC_PAUSE_OUTPUT),
            (10, 3, 8, PERF_EVENT_IOC_QUERY_BPF),
        ] {
            assert_eq!(value, io(dir, size, n));
        }
    }
}
