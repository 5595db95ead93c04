//! Flags and constants of bpf(2) and of helpers, spelled as `include/uapi/linux/bpf.h` spells them.
//!
//! Each group has the integer type of the field or argument it goes into.

/// Creates the key or changes its value.
pub const BPF_ANY: u64 = 0;
/// Only creates the key.
pub const BPF_NOEXIST: u64 = 1;
/// Only changes the value of a key that exists.
pub const BPF_EXIST: u64 = 2;
/// Takes the value's `bpf_spin_lock` for the copy.
pub const BPF_F_LOCK: u64 = 4;

// Map creation.

/// Hash elements are allocated when inserted.
pub const BPF_F_NO_PREALLOC: u32 = 1 << 0;
/// Each CPU has its own LRU list.
pub const BPF_F_NO_COMMON_LRU: u32 = 1 << 1;
/// `numa_node` is set.
pub const BPF_F_NUMA_NODE: u32 = 1 << 2;
/// User space may only read.
pub const BPF_F_RDONLY: u32 = 1 << 3;
/// User space may only write.
pub const BPF_F_WRONLY: u32 = 1 << 4;
/// Stack traces are build ids and file offsets.
pub const BPF_F_STACK_BUILD_ID: u32 = 1 << 5;
/// The hash's seed is zero.
pub const BPF_F_ZERO_SEED: u32 = 1 << 6;
/// Programs may only read.
pub const BPF_F_RDONLY_PROG: u32 = 1 << 7;
/// Programs may only write.
pub const BPF_F_WRONLY_PROG: u32 = 1 << 8;
/// A perf event array is copied on clone.
pub const BPF_F_CLONE: u32 = 1 << 9;
/// An array that user space may map.
pub const BPF_F_MMAPABLE: u32 = 1 << 10;
/// Perf events stay in the array when their descriptor is closed.
pub const BPF_F_PRESERVE_ELEMS: u32 = 1 << 11;
/// An array that may stand in for others of a different size, inside a map of maps.
pub const BPF_F_INNER_MAP: u32 = 1 << 12;
/// A struct_ops map is attached by a link.
pub const BPF_F_LINK: u32 = 1 << 13;
/// `path_fd` is set.
pub const BPF_F_PATH_FD: u32 = 1 << 14;
/// `value_type_btf_obj_fd` is set.
pub const BPF_F_VTYPE_BTF_OBJ_FD: u32 = 1 << 15;
/// A token's descriptor is set.
pub const BPF_F_TOKEN_FD: u32 = 1 << 16;
/// A fault in an arena kills the process.
pub const BPF_F_SEGV_ON_FAULT: u32 = 1 << 17;
/// Arena pointers are not converted to user addresses.
pub const BPF_F_NO_USER_CONV: u32 = 1 << 18;

// Program load.

/// Unaligned accesses are refused on every machine.
pub const BPF_F_STRICT_ALIGNMENT: u32 = 1 << 0;
/// Unaligned accesses are accepted on every machine.
pub const BPF_F_ANY_ALIGNMENT: u32 = 1 << 1;
/// Upper halves that are said to be zero are filled with random bits.
pub const BPF_F_TEST_RND_HI32: u32 = 1 << 2;
/// The verifier saves its state at each instruction.
pub const BPF_F_TEST_STATE_FREQ: u32 = 1 << 3;
/// The program may sleep.
pub const BPF_F_SLEEPABLE: u32 = 1 << 4;
/// The XDP program accepts packets in fragments.
pub const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
/// The XDP program is bound to its device.
pub const BPF_F_XDP_DEV_BOUND_ONLY: u32 = 1 << 6;
/// A broken invariant of the verifier's registers fails the load.
pub const BPF_F_TEST_REG_INVARIANTS: u32 = 1 << 7;

/// The verifier's log: one line an instruction.
pub const BPF_LOG_LEVEL1: u32 = 1;
/// The verifier's log: every path with its states.
pub const BPF_LOG_LEVEL2: u32 = 2;
/// The verifier's log: the counts only.
pub const BPF_LOG_STATS: u32 = 4;
/// The verifier's log: fails when full instead of keeping the end.
pub const BPF_LOG_FIXED: u32 = 8;
/// Longest name of a program or a map, with the NUL.
pub const BPF_OBJ_NAME_LEN: usize = 16;

// Attach and query.

/// A program in a lower cgroup may replace this one.
pub const BPF_F_ALLOW_OVERRIDE: u32 = 1 << 0;
/// Several programs may be attached.
pub const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
/// Replaces a given program.
pub const BPF_F_REPLACE: u32 = 1 << 2;
/// Inserted before a given program.
pub const BPF_F_BEFORE: u32 = 1 << 3;
/// Inserted after a given program.
pub const BPF_F_AFTER: u32 = 1 << 4;
/// The given program is named by id.
pub const BPF_F_ID: u32 = 1 << 5;
/// Runs before those of lower cgroups.
pub const BPF_F_PREORDER: u32 = 1 << 6;
/// Asks for the programs in effect, inherited ones included.
pub const BPF_F_QUERY_EFFECTIVE: u32 = 1 << 0;
/// A kprobe_multi link fires at return.
pub const BPF_F_KPROBE_MULTI_RETURN: u32 = 1 << 0;
/// A uprobe_multi link fires at return.
pub const BPF_F_UPROBE_MULTI_RETURN: u32 = 1 << 0;

// Test runs.

/// Runs on the CPU given.
pub const BPF_F_TEST_RUN_ON_CPU: u32 = 1 << 0;
/// XDP frames are really redirected.
pub const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;
/// The packet's checksum is set as complete.
pub const BPF_F_TEST_SKB_CHECKSUM_COMPLETE: u32 = 1 << 2;

/// `BPF_ENABLE_STATS`: run time and run count.
pub const BPF_STATS_RUN_TIME: u32 = 0;

// perf_event_output, perf_event_read, per-CPU look-up.

/// The part of the flags that is an index.
pub const BPF_F_INDEX_MASK: u64 = 0xffff_ffff;
/// The entry of the CPU the program runs on.
pub const BPF_F_CURRENT_CPU: u64 = BPF_F_INDEX_MASK;
/// The part of the flags that is a length of context to append, shifted left by 32.
pub const BPF_F_CTXLEN_MASK: u64 = 0xf_ffff << 32;

// get_stackid, get_stack.

/// The part of the flags that is a number of frames to skip.
pub const BPF_F_SKIP_FIELD_MASK: u64 = 0xff;
/// The user's stack, not the kernel's.
pub const BPF_F_USER_STACK: u64 = 1 << 8;
/// Equal hashes count as equal stacks.
pub const BPF_F_FAST_STACK_CMP: u64 = 1 << 9;
/// A different stack with the same bucket is replaced.
pub const BPF_F_REUSE_STACKID: u64 = 1 << 10;
/// Frames are build ids and file offsets.
pub const BPF_F_USER_BUILD_ID: u64 = 1 << 11;
/// `perf_event_max_stack`'s default: the frames a stack holds.
pub const PERF_MAX_STACK_DEPTH: u32 = 127;

// Ring buffer.

/// The reader is not woken.
pub const BPF_RB_NO_WAKEUP: u64 = 1 << 0;
/// The reader is woken, whether it waits for this record or not.
pub const BPF_RB_FORCE_WAKEUP: u64 = 1 << 1;
/// `ringbuf_query`: bytes not yet read.
pub const BPF_RB_AVAIL_DATA: u64 = 0;
/// `ringbuf_query`: the buffer's size.
pub const BPF_RB_RING_SIZE: u64 = 1;
/// `ringbuf_query`: the reader's position.
pub const BPF_RB_CONS_POS: u64 = 2;
/// `ringbuf_query`: the writers' position.
pub const BPF_RB_PROD_POS: u64 = 3;
/// In a record's length: still being written.
pub const BPF_RINGBUF_BUSY_BIT: u32 = 1 << 31;
/// In a record's length: discarded, to be skipped.
pub const BPF_RINGBUF_DISCARD_BIT: u32 = 1 << 30;
/// Size of a record's header.
pub const BPF_RINGBUF_HDR_SZ: u32 = 8;

// Timers, storage, branch records.

/// The time is absolute.
pub const BPF_F_TIMER_ABS: u64 = 1 << 0;
/// The timer stays on its CPU.
pub const BPF_F_TIMER_CPU_PIN: u64 = 1 << 1;
/// Creates the element if there is none.
pub const BPF_LOCAL_STORAGE_GET_F_CREATE: u64 = 1;
/// `read_branch_records`: only the size.
pub const BPF_F_GET_BRANCH_RECORDS_SIZE: u64 = 1;
