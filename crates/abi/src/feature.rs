//! What kernels can do beyond their types, helpers and commands: one table, everything else derived.
//!
//! A row has the feature's name as a user reads it, the Linux version it came with, the kernel option it needs where it
//! can be left out of a kernel of that version, and what can be used in its place.
//! Source: the kernel's history; `kernel/bpf/Kconfig`, `kernel/trace/Kconfig`.

use std::fmt;

use crate::Version;

macro_rules! features {
    ($($(#[$meta:meta])* $variant:ident $name:literal ($major:literal, $minor:literal) $config:expr, $instead:expr;)*) => {
        /// Something one kernel can do and another cannot.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Feature {
            $($(#[$meta])* #[doc = concat!(" Since Linux ", $major, ".", $minor, ".")] $variant,)*
        }

        impl Feature {
            /// All of them.
            pub const ALL: &[Feature] = &[$(Feature::$variant,)*];

            /// What a user calls it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Feature::$variant => $name,)*
                }
            }

            /// The Linux version that introduced it.
            pub const fn since(self) -> Version {
                match self {
                    $(Feature::$variant => Version::new($major, $minor),)*
                }
            }

            /// The kernel option without which it is missing.
            pub const fn config(self) -> Option<&'static str> {
                match self {
                    $(Feature::$variant => $config,)*
                }
            }

            /// What to use where it is missing.
            pub const fn instead(self) -> Option<&'static str> {
                match self {
                    $(Feature::$variant => $instead,)*
                }
            }
        }
    };
}

features! {
    // Hooks.
    /// Programs on kernel functions, entry and return.
    Kprobe "kprobes" (4, 1) Some("CONFIG_KPROBES and CONFIG_KPROBE_EVENTS"), Some("use a tracepoint or a rawtracepoint near it (`skep list '*NAME*'` shows which there are)");
    /// The `kprobe` PMU: kprobes opened by perf_event_open alone.
    KprobePmu "kprobes through perf_event_open" (4, 17) Some("CONFIG_KPROBES and CONFIG_KPROBE_EVENTS"), Some("create the probe in tracefs (kprobe_events)");
    /// Many kernel functions in one link.
    KprobeMulti "kprobe_multi links" (5, 18) Some("CONFIG_FPROBE"), Some("attach one kprobe for each function");
    /// One program at the entry and the return of many functions.
    KprobeSession "kprobe sessions" (6, 10) Some("CONFIG_FPROBE"), Some("use a kprobe and a kretprobe with a map between them");
    /// Programs that change a function's result.
    KprobeOverride "overriding a function's result" (4, 16) Some("CONFIG_BPF_KPROBE_OVERRIDE"), None;
    /// Programs on user functions, entry and return.
    Uprobe "uprobes" (4, 3) Some("CONFIG_UPROBE_EVENTS"), None;
    /// The `uprobe` PMU: uprobes opened by perf_event_open alone.
    UprobePmu "uprobes through perf_event_open" (4, 17) Some("CONFIG_UPROBE_EVENTS"), Some("create the probe in tracefs (uprobe_events)");
    /// The counter that tells a process that its USDT probe is watched.
    UprobeRefCtr "uprobe reference counters" (4, 20) Some("CONFIG_UPROBE_EVENTS"), Some("raise the semaphore in the process's memory");
    /// Many user functions in one link.
    UprobeMulti "uprobe_multi links" (6, 6) Some("CONFIG_UPROBES"), Some("attach one uprobe for each function");
    /// One program at the entry and the return of many user functions.
    UprobeSession "uprobe sessions" (6, 13) Some("CONFIG_UPROBES"), Some("use a uprobe and a uretprobe with a map between them");
    /// Uprobe programs that may sleep, so that they read memory that is not resident.
    SleepableUprobe "sleepable uprobes" (6, 0) Some("CONFIG_UPROBES"), None;
    /// Programs on tracepoints.
    Tracepoint "tracepoints" (4, 7) Some("CONFIG_BPF_EVENTS"), None;
    /// Tracepoints of system calls.
    SyscallTracepoint "system call tracepoints" (4, 7) Some("CONFIG_FTRACE_SYSCALLS"), Some("use rawtracepoint:sys_enter and sys_exit, or kprobes on the functions");
    /// Tracepoints with the arguments as the kernel passes them.
    RawTracepoint "raw tracepoints" (4, 17) Some("CONFIG_BPF_EVENTS"), Some("use the tracepoint");
    /// Functions by trampoline: `fentry`, `fexit`.
    Fentry "fentry and fexit" (5, 5) Some("CONFIG_DEBUG_INFO_BTF"), Some("use a kprobe or a kretprobe");
    /// Programs that print kernel objects.
    BpfIter "iterators over kernel objects" (5, 8) Some("CONFIG_DEBUG_INFO_BTF"), None;
    /// Programs on sampled events.
    PerfEvent "perf events" (4, 9) Some("CONFIG_BPF_EVENTS"), None;

    // Links and attaching.
    /// An attachment that ends with its descriptor and can be replaced.
    Link "bpf links" (5, 7) None, None;
    /// Links for tracepoints, kprobes, uprobes and counters.
    PerfLink "bpf links for perf events" (5, 15) None, Some("attach by the event's PERF_EVENT_IOC_SET_BPF");
    /// A number given at attachment, by which a program knows where it runs.
    Cookie "bpf cookies" (5, 15) None, Some("load one program for each probe");
    /// The same for raw tracepoints.
    RawTracepointCookie "bpf cookies of raw tracepoints" (6, 10) None, Some("load one program for each probe");

    // Maps.
    /// A buffer that all CPUs share and user space maps.
    Ringbuf "the BPF ring buffer" (5, 8) None, Some("use a perf buffer (perf_event_array)");
    /// Many map elements in one system call.
    BatchOps "batched map operations" (5, 6) None, Some("walk the map with BPF_MAP_GET_NEXT_KEY");
    /// The same for per-CPU arrays.
    PercpuArrayBatch "batched operations on per-CPU arrays" (5, 13) None, Some("look up each index");
    /// Look-up and deletion of a hash element in one step.
    HashLookupAndDelete "look-up and deletion of hash elements in one step" (5, 14) None, Some("look up, then delete");
    /// Arrays that user space maps.
    MmapableArray "arrays that user space maps" (5, 5) None, Some("read and write the array by bpf(2)");
    /// Maps that nobody may change any more.
    MapFreeze "freezing maps" (5, 2) None, None;
    /// Names of maps.
    MapName "names of maps" (4, 15) None, None;
    /// Constant and variable data in array maps, addressed directly.
    GlobalData "global data" (5, 2) None, Some("look up element 0 of an array map");
    /// Timers in map values.
    Timer "BPF timers" (5, 15) None, None;
    /// Memory shared between program and user space, with pointers.
    Arena "arenas" (6, 9) None, None;
    /// Stack traces as build ids.
    StackBuildId "stacks as build ids" (4, 17) None, None;
    /// Memory of maps is counted by cgroup, not by `RLIMIT_MEMLOCK`.
    MemcgAccounting "accounting of BPF memory by cgroup" (5, 11) None, Some("raise RLIMIT_MEMLOCK");

    // Code.
    /// Calls between functions of a program.
    Subprograms "functions in programs" (4, 16) None, Some("inline the functions");
    /// Functions that are verified once, alone.
    GlobalFunctions "functions verified on their own" (5, 6) None, None;
    /// A million instructions may be verified, not 4096.
    LargePrograms "programs of more than 4096 instructions" (5, 2) None, Some("split the program with tail calls");
    /// Loops that the verifier can follow to the end.
    BoundedLoops "bounded loops" (5, 3) None, Some("unroll the loop");
    /// `bpf_for_each_map_elem`.
    ForEachMapElem "for_each over map elements" (5, 13) None, None;
    /// `bpf_loop`.
    BpfLoop "bpf_loop" (5, 17) None, Some("use a bounded loop");
    /// `bpf_iter_num_*`.
    OpenCodedIter "open-coded iterators" (6, 4) None, Some("use bpf_loop or a bounded loop");
    /// `may_goto`.
    MayGoto "may_goto" (6, 9) None, Some("use a bounded loop");
    /// Unsigned and signed less-than jumps.
    IsaV2 "instruction set v2 (jlt, jle)" (4, 14) None, Some("swap the operands");
    /// 32-bit jumps, and verified 32-bit arithmetic.
    IsaV3 "instruction set v3 (32-bit jumps)" (5, 1) None, Some("compare shifted 64-bit registers");
    /// Sign-extending loads and moves, signed division, byte swap, long jumps.
    IsaV4 "instruction set v4" (6, 6) None, Some("shift left, then right, to extend a sign");
    /// Atomics that return the old value, and, or, xor, exchange.
    AtomicFetch "fetching atomics" (5, 12) None, Some("use per-CPU values");
    /// `load_acquire` and `store_release`.
    LoadAcquire "load_acquire and store_release" (6, 15) None, Some("use an atomic exchange");
    /// Reads that say whose memory they read.
    ProbeReadUserKernel "probe_read_user and probe_read_kernel" (5, 5) None, Some("use bpf_probe_read");
    /// The current task as a typed pointer, read without a helper.
    TaskBtf "the current task as a typed pointer" (5, 11) Some("CONFIG_DEBUG_INFO_BTF"), Some("read the task with probe_read_kernel");
    /// Per-CPU array look-up as a few instructions.
    PercpuInline "inlined look-up in per-CPU arrays" (6, 10) None, None;
    /// Kernel functions called by BTF id.
    Kfuncs "calls of kernel functions" (5, 13) Some("CONFIG_DEBUG_INFO_BTF"), None;
    /// String functions of the kernel.
    StringKfuncs "string functions of the kernel" (6, 17) Some("CONFIG_DEBUG_INFO_BTF"), Some("loop over the bytes");
    /// Tail calls in programs with functions.
    TailCallSubprograms "tail calls from programs with functions" (5, 10) None, None;
    /// Programs that may sleep.
    Sleepable "sleepable programs" (5, 10) None, None;
    /// Helpers that spill no registers.
    Fastcall "calls that keep registers" (6, 12) None, None;

    // BTF.
    /// Types of the kernel itself in `/sys/kernel/btf/vmlinux`.
    VmlinuxBtf "types of the running kernel" (5, 4) Some("CONFIG_DEBUG_INFO_BTF"), Some("define the structures in the script");
    /// Types of modules.
    ModuleBtf "types of kernel modules" (5, 11) Some("CONFIG_DEBUG_INFO_BTF_MODULES"), None;
    /// `BPF_BTF_LOAD`.
    BtfLoad "loading BTF" (4, 18) None, None;
    /// Which function is where, for the log, the stack and bpftool.
    FuncInfo "function information of programs" (5, 0) None, None;
    /// Which source line is where.
    LineInfo "line information of programs" (5, 0) None, None;
    /// `BTF_KIND_FUNC` and `BTF_KIND_FUNC_PROTO`.
    BtfFunc "functions in BTF" (5, 0) None, None;
    /// `BTF_KIND_VAR` and `BTF_KIND_DATASEC`.
    BtfDatasec "variables in BTF" (5, 2) None, None;
    /// `BTF_FUNC_GLOBAL`.
    BtfFuncGlobal "linkage of functions in BTF" (5, 6) None, None;
    /// `BTF_KIND_FLOAT`.
    BtfFloat "floating-point types in BTF" (5, 13) None, None;
    /// `BTF_KIND_DECL_TAG`.
    BtfDeclTag "declaration tags in BTF" (5, 16) None, None;
    /// `BTF_KIND_TYPE_TAG`.
    BtfTypeTag "type tags in BTF" (5, 17) None, None;
    /// `BTF_KIND_ENUM64`.
    BtfEnum64 "64-bit enums in BTF" (6, 0) None, None;

    // Loading and looking.
    /// Names of programs.
    ProgName "names of programs" (4, 15) None, None;
    /// `CAP_BPF` and `CAP_PERFMON` in place of `CAP_SYS_ADMIN`.
    CapBpf "the capability CAP_BPF" (5, 8) None, Some("run with CAP_SYS_ADMIN");
    /// Rights delegated through a BPF filesystem.
    Token "BPF tokens" (6, 9) None, None;
    /// The end of the verifier's log is kept, and its true size told.
    RollingLog "the verifier's log keeps its end" (6, 4) None, Some("give the log a larger buffer");
    /// Raw tracepoint programs run on request.
    RawTracepointTestRun "test runs of raw tracepoint programs" (5, 10) None, None;
    /// Syscall programs run on request.
    SyscallTestRun "test runs of syscall programs" (5, 14) None, None;
    /// Run counts and times by `BPF_ENABLE_STATS`.
    EnableStats "program statistics by descriptor" (5, 8) None, Some("set the sysctl kernel.bpf_stats_enabled");
}

impl Feature {
    /// The feature of that name.
    pub fn from_name(name: &str) -> Option<Feature> {
        Feature::ALL.iter().copied().find(|f| f.name() == name)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
