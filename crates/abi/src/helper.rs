//! Helpers: the functions of the kernel that a program calls by number.
//!
//! [`Helper`] is a number with a table behind it (`helper_table.rs`); constants such as [`Helper::MAP_LOOKUP_ELEM`] name
//! all 211. The prototype is the one a verifier needs: what each argument must point to, whether it may be null, whether
//! memory is read or written, and what comes back.
//!
//! A few helpers have several prototypes, one for some program types and another for others; the table then has the one
//! that most program types see: `get_socket_cookie`, `setsockopt`, `getsockopt`, `sk_storage_get`, `sk_storage_delete`
//! and `sk_assign` (a socket where the table has the context, or the reverse), `get_cgroup_classid` and
//! `xdp_get_buff_len`, and `get_stackid`, `get_func_ip` (of which some program types may use a version that is not GPL only).

use std::fmt;

use crate::helper_table::TABLE;
use crate::{ProgType, Version};

/// A helper, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Helper(u32);

/// What an argument must be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ArgKind {
    /// Any initialised value (`ARG_ANYTHING`).
    Anything,
    /// The program's context (`ARG_PTR_TO_CTX`).
    Ctx,
    /// A map known when the program is loaded (`ARG_CONST_MAP_PTR`).
    Map,
    /// Memory of that map's key size (`ARG_PTR_TO_MAP_KEY`).
    MapKey,
    /// Memory of that map's value size (`ARG_PTR_TO_MAP_VALUE`).
    MapValue,
    /// Memory whose size is the next argument (`ARG_PTR_TO_MEM`).
    Mem,
    /// Memory of a fixed number of bytes (`ARG_PTR_TO_FIXED_SIZE_MEM`).
    FixedMem(u8),
    /// The size of the memory before it, not zero (`ARG_CONST_SIZE`).
    Size,
    /// The size of the memory before it (`ARG_CONST_SIZE_OR_ZERO`).
    SizeOrZero,
    /// A constant number of bytes to allocate (`ARG_CONST_ALLOC_SIZE_OR_ZERO`).
    AllocSize,
    /// A kernel object of a type that the kernel's table names (`ARG_PTR_TO_BTF_ID`).
    BtfId,
    /// A socket of any kind, or a kernel `struct sock` (`ARG_PTR_TO_BTF_ID_SOCK_COMMON`).
    SockCommonBtfId,
    /// A socket of any kind (`ARG_PTR_TO_SOCK_COMMON`).
    SockCommon,
    /// A per-CPU kernel variable (`ARG_PTR_TO_PERCPU_BTF_ID`).
    PercpuBtfId,
    /// A `struct bpf_spin_lock` in a map value (`ARG_PTR_TO_SPIN_LOCK`).
    SpinLock,
    /// A `struct bpf_timer` in a map value (`ARG_PTR_TO_TIMER`).
    Timer,
    /// A kernel pointer field of a map value (`ARG_KPTR_XCHG_DEST`).
    KptrDest,
    /// A subprogram (`ARG_PTR_TO_FUNC`).
    Func,
    /// Stack memory (`ARG_PTR_TO_STACK`).
    Stack,
    /// A NUL-terminated string in read-only map memory (`ARG_PTR_TO_CONST_STR`).
    ConstStr,
    /// A reserved ring buffer record (`ARG_PTR_TO_RINGBUF_MEM`).
    RingbufMem,
    /// A dynptr of any kind (`ARG_PTR_TO_DYNPTR`).
    Dynptr,
    /// A dynptr over the program's own memory.
    DynptrLocal,
    /// A dynptr over a ring buffer record.
    DynptrRingbuf,
}

/// What the helper does with the memory behind an argument.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Reads it, so it must be initialised.
    Read,
    /// Fills it, so it need not be initialised.
    Write,
    /// Reads, then changes it.
    ReadWrite,
}

/// One argument of a helper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Arg {
    /// What it must be.
    pub kind: ArgKind,
    /// Whether a null pointer is accepted too.
    pub nullable: bool,
    /// What happens to the memory; `Read` for what is not memory.
    pub access: Access,
    /// Whether the call takes the object away from the program (`OBJ_RELEASE`).
    pub release: bool,
}

/// What comes back in `r0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RetKind {
    /// A number.
    Integer,
    /// Nothing: `r0` is not readable afterwards.
    Void,
    /// A value of the map that was an argument.
    MapValue,
    /// A referenced full socket.
    Socket,
    /// A TCP socket.
    TcpSock,
    /// A socket of any kind.
    SockCommon,
    /// A ring buffer record of the size asked for.
    RingbufMem,
    /// Memory behind a dynptr.
    DynptrMem,
    /// A per-CPU variable: memory, or a kernel object.
    MemOrBtfId,
    /// A kernel object of a type that the kernel's table names.
    BtfId,
    /// The same, and valid as long as the program runs.
    TrustedBtfId,
}

/// The result of a helper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ret {
    /// What it is.
    pub kind: RetKind,
    /// Whether it may be null, so that the program must test it.
    pub nullable: bool,
}

/// A row of the table.
pub(crate) struct Proto {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) since: Version,
    pub(crate) gpl_only: bool,
    pub(crate) args: &'static [Arg],
    pub(crate) ret: Ret,
}

/// The vocabulary of the table's argument column.
pub(crate) mod arg {
    use super::{Access, Arg, ArgKind};

    const fn plain(kind: ArgKind) -> Arg {
        Arg { kind, nullable: false, access: Access::Read, release: false }
    }

    impl Arg {
        const fn or_null(self) -> Arg {
            Arg { nullable: true, ..self }
        }
        const fn with(self, access: Access) -> Arg {
            Arg { access, ..self }
        }
        const fn released(self) -> Arg {
            Arg { release: true, ..self }
        }
    }

    pub(crate) const ANY: Arg = plain(ArgKind::Anything);
    pub(crate) const CTX: Arg = plain(ArgKind::Ctx);
    pub(crate) const CTX0: Arg = CTX.or_null();
    pub(crate) const MAP: Arg = plain(ArgKind::Map);
    pub(crate) const KEY: Arg = plain(ArgKind::MapKey);
    pub(crate) const VALUE: Arg = plain(ArgKind::MapValue);
    pub(crate) const VALUE0: Arg = VALUE.or_null();
    pub(crate) const VALUE_W: Arg = VALUE.with(Access::Write);
    pub(crate) const MEM: Arg = plain(ArgKind::Mem).with(Access::ReadWrite);
    pub(crate) const MEM0: Arg = MEM.or_null();
    pub(crate) const MEM_R: Arg = plain(ArgKind::Mem);
    pub(crate) const MEM0_R: Arg = MEM_R.or_null();
    pub(crate) const MEM_W: Arg = plain(ArgKind::Mem).with(Access::Write);
    pub(crate) const MEM_RW: Arg = plain(ArgKind::Mem).with(Access::ReadWrite);
    pub(crate) const SIZE: Arg = plain(ArgKind::Size);
    pub(crate) const SIZE0: Arg = plain(ArgKind::SizeOrZero);
    pub(crate) const ALLOC: Arg = plain(ArgKind::AllocSize);
    pub(crate) const BTF: Arg = plain(ArgKind::BtfId);
    pub(crate) const BTF0: Arg = BTF.or_null();
    pub(crate) const BTF0_REL: Arg = BTF0.released();
    pub(crate) const SOCK_BTF: Arg = plain(ArgKind::SockCommonBtfId);
    pub(crate) const SOCK_REL: Arg = SOCK_BTF.released();
    pub(crate) const SOCK: Arg = plain(ArgKind::SockCommon);
    pub(crate) const PERCPU: Arg = plain(ArgKind::PercpuBtfId);
    pub(crate) const LOCK: Arg = plain(ArgKind::SpinLock);
    pub(crate) const TIMER: Arg = plain(ArgKind::Timer);
    pub(crate) const KPTR: Arg = plain(ArgKind::KptrDest);
    pub(crate) const FUNC: Arg = plain(ArgKind::Func);
    pub(crate) const STACK0: Arg = plain(ArgKind::Stack).or_null();
    pub(crate) const STR: Arg = plain(ArgKind::ConstStr);
    pub(crate) const RECORD: Arg = plain(ArgKind::RingbufMem).released();
    pub(crate) const DYNPTR: Arg = plain(ArgKind::Dynptr);
    pub(crate) const DYN_LOCAL: Arg = plain(ArgKind::DynptrLocal).with(Access::Write);
    pub(crate) const DYN_NEW: Arg = plain(ArgKind::DynptrRingbuf).with(Access::Write);
    pub(crate) const DYN_REL: Arg = plain(ArgKind::DynptrRingbuf).released();

    pub(crate) const fn fixed_r(bytes: u8) -> Arg {
        plain(ArgKind::FixedMem(bytes))
    }
    pub(crate) const fn fixed_w(bytes: u8) -> Arg {
        fixed_r(bytes).with(Access::Write)
    }
    pub(crate) const fn fixed_rw(bytes: u8) -> Arg {
        fixed_r(bytes).with(Access::ReadWrite)
    }
}

/// The vocabulary of the table's result column.
pub(crate) mod ret {
    use super::{Ret, RetKind};

    const fn sure(kind: RetKind) -> Ret {
        Ret { kind, nullable: false }
    }
    const fn maybe(kind: RetKind) -> Ret {
        Ret { kind, nullable: true }
    }

    pub(crate) const INT: Ret = sure(RetKind::Integer);
    pub(crate) const VOID: Ret = sure(RetKind::Void);
    pub(crate) const VALUE: Ret = sure(RetKind::MapValue);
    pub(crate) const VALUE0: Ret = maybe(RetKind::MapValue);
    pub(crate) const SOCKET0: Ret = maybe(RetKind::Socket);
    pub(crate) const TCP0: Ret = maybe(RetKind::TcpSock);
    pub(crate) const SOCK0: Ret = maybe(RetKind::SockCommon);
    pub(crate) const RECORD0: Ret = maybe(RetKind::RingbufMem);
    pub(crate) const DYNMEM0: Ret = maybe(RetKind::DynptrMem);
    pub(crate) const PERCPU: Ret = sure(RetKind::MemOrBtfId);
    pub(crate) const PERCPU0: Ret = maybe(RetKind::MemOrBtfId);
    pub(crate) const BTF: Ret = sure(RetKind::BtfId);
    pub(crate) const BTF0: Ret = maybe(RetKind::BtfId);
    pub(crate) const TASK: Ret = sure(RetKind::TrustedBtfId);
}

impl Helper {
    /// How many there are; numbers are 1 to this.
    pub const COUNT: u32 = TABLE.len() as u32;

    /// For the table's constants only.
    pub(crate) const fn known(n: u32) -> Helper {
        Helper(n)
    }

    /// The helper of that number, if the table has it.
    pub const fn from_raw(n: u32) -> Option<Helper> {
        if n >= 1 && n <= Helper::COUNT { Some(Helper(n)) } else { None }
    }

    /// The helper of that name, with or without `bpf_`.
    pub fn from_name(name: &str) -> Option<Helper> {
        let short = |n: &str| n.strip_prefix("bpf_").unwrap_or(n).to_string();
        TABLE.iter().find(|p| short(p.name) == short(name)).map(|p| Helper(p.number))
    }

    /// All of them, by number.
    pub fn all() -> impl Iterator<Item = Helper> {
        (1..=Helper::COUNT).map(Helper)
    }

    /// The number in the `imm` of a call.
    pub const fn raw(self) -> u32 {
        self.0
    }

    const fn proto(self) -> &'static Proto {
        &TABLE[self.0 as usize - 1]
    }

    /// The C name, `bpf_map_lookup_elem`.
    pub const fn name(self) -> &'static str {
        self.proto().name
    }

    /// The Linux version that introduced it.
    pub const fn since(self) -> Version {
        self.proto().since
    }

    /// Whether only programs under a licence compatible with the GPL may call it.
    pub const fn gpl_only(self) -> bool {
        self.proto().gpl_only
    }

    /// What its arguments, at most five, must be.
    pub const fn args(self) -> &'static [Arg] {
        self.proto().args
    }

    /// What it returns.
    pub const fn ret(self) -> Ret {
        self.proto().ret
    }
}

impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name(), self.0)
    }
}

impl fmt::Display for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Helpers of `bpf_tracing_func_proto` and `bpf_base_func_proto`: what every tracing program type may call.
const TRACING_BASE: &[Helper] = &[
    Helper::MAP_LOOKUP_ELEM,
    Helper::MAP_UPDATE_ELEM,
    Helper::MAP_DELETE_ELEM,
    Helper::PROBE_READ,
    Helper::KTIME_GET_NS,
    Helper::TRACE_PRINTK,
    Helper::GET_PRANDOM_U32,
    Helper::GET_SMP_PROCESSOR_ID,
    Helper::TAIL_CALL,
    Helper::GET_CURRENT_PID_TGID,
    Helper::GET_CURRENT_UID_GID,
    Helper::GET_CURRENT_COMM,
    Helper::PERF_EVENT_READ,
    Helper::GET_CURRENT_TASK,
    Helper::PROBE_WRITE_USER,
    Helper::CURRENT_TASK_UNDER_CGROUP,
    Helper::GET_NUMA_NODE_ID,
    Helper::PROBE_READ_STR,
    Helper::PERF_EVENT_READ_VALUE,
    Helper::GET_CURRENT_CGROUP_ID,
    Helper::MAP_PUSH_ELEM,
    Helper::MAP_POP_ELEM,
    Helper::MAP_PEEK_ELEM,
    Helper::SPIN_LOCK,
    Helper::SPIN_UNLOCK,
    Helper::STRTOL,
    Helper::STRTOUL,
    Helper::SEND_SIGNAL,
    Helper::PROBE_READ_USER,
    Helper::PROBE_READ_KERNEL,
    Helper::PROBE_READ_USER_STR,
    Helper::PROBE_READ_KERNEL_STR,
    Helper::SEND_SIGNAL_THREAD,
    Helper::JIFFIES64,
    Helper::GET_NS_CURRENT_PID_TGID,
    Helper::GET_CURRENT_ANCESTOR_CGROUP_ID,
    Helper::KTIME_GET_BOOT_NS,
    Helper::RINGBUF_OUTPUT,
    Helper::RINGBUF_RESERVE,
    Helper::RINGBUF_SUBMIT,
    Helper::RINGBUF_DISCARD,
    Helper::RINGBUF_QUERY,
    Helper::GET_TASK_STACK,
    Helper::COPY_FROM_USER,
    Helper::SNPRINTF_BTF,
    Helper::PER_CPU_PTR,
    Helper::THIS_CPU_PTR,
    Helper::TASK_STORAGE_GET,
    Helper::TASK_STORAGE_DELETE,
    Helper::GET_CURRENT_TASK_BTF,
    Helper::FOR_EACH_MAP_ELEM,
    Helper::SNPRINTF,
    Helper::TIMER_INIT,
    Helper::TIMER_SET_CALLBACK,
    Helper::TIMER_START,
    Helper::TIMER_CANCEL,
    Helper::GET_FUNC_IP,
    Helper::TASK_PT_REGS,
    Helper::GET_BRANCH_SNAPSHOT,
    Helper::TRACE_VPRINTK,
    Helper::FIND_VMA,
    Helper::LOOP,
    Helper::STRNCMP,
    Helper::COPY_FROM_USER_TASK,
    Helper::KPTR_XCHG,
    Helper::MAP_LOOKUP_PERCPU_ELEM,
    Helper::DYNPTR_FROM_MEM,
    Helper::RINGBUF_RESERVE_DYNPTR,
    Helper::RINGBUF_SUBMIT_DYNPTR,
    Helper::RINGBUF_DISCARD_DYNPTR,
    Helper::DYNPTR_READ,
    Helper::DYNPTR_WRITE,
    Helper::DYNPTR_DATA,
    Helper::KTIME_GET_TAI_NS,
    Helper::USER_RINGBUF_DRAIN,
    Helper::CGRP_STORAGE_GET,
    Helper::CGRP_STORAGE_DELETE,
];

/// What each tracing program type has beside [`TRACING_BASE`].
const TRACING_OWN: &[Helper] =
    &[Helper::PERF_EVENT_OUTPUT, Helper::GET_STACKID, Helper::GET_STACK, Helper::GET_ATTACH_COOKIE];

/// Beside those, `tracing` programs (fentry, fexit, iterators) have these.
const TRAMPOLINE: &[Helper] = &[
    Helper::SKB_OUTPUT,
    Helper::XDP_OUTPUT,
    Helper::SKC_TO_TCP6_SOCK,
    Helper::SKC_TO_TCP_SOCK,
    Helper::SKC_TO_TCP_TIMEWAIT_SOCK,
    Helper::SKC_TO_TCP_REQUEST_SOCK,
    Helper::SKC_TO_UDP6_SOCK,
    Helper::SKC_TO_UNIX_SOCK,
    Helper::SKC_TO_MPTCP_SOCK,
    Helper::SK_STORAGE_GET,
    Helper::SK_STORAGE_DELETE,
    Helper::SOCK_FROM_FILE,
    Helper::GET_SOCKET_COOKIE,
    Helper::XDP_GET_BUFF_LEN,
    Helper::SEQ_PRINTF,
    Helper::SEQ_WRITE,
    Helper::SEQ_PRINTF_BTF,
    Helper::D_PATH,
    Helper::GET_FUNC_ARG,
    Helper::GET_FUNC_RET,
    Helper::GET_FUNC_ARG_CNT,
];

/// Whether programs of that type may call the helper, on a kernel that has it: `None` where this table says nothing.
///
/// Covered are kprobe, tracepoint, perf_event, raw_tracepoint, raw_tracepoint_writable and tracing, as the kernel's
/// `*_prog_func_proto` functions of `kernel/trace/bpf_trace.c` have it. Not covered are the conditions beyond the type:
/// the attach type (`seq_*` only in iterators, `get_func_*` only under fentry and fexit), the function attached to
/// (`d_path`), kernel options (`override_return`, the cgroup helpers), lockdown, and the caller's capabilities.
pub fn helper_available(prog: ProgType, helper: Helper) -> Option<bool> {
    let own: &[Helper] = match prog {
        ProgType::Kprobe => &[Helper::OVERRIDE_RETURN],
        ProgType::PerfEvent => &[Helper::PERF_PROG_READ_VALUE, Helper::READ_BRANCH_RECORDS],
        ProgType::Tracepoint | ProgType::RawTracepoint | ProgType::RawTracepointWritable => &[],
        ProgType::Tracing => TRAMPOLINE,
        _ => return None,
    };
    Some([TRACING_BASE, TRACING_OWN, own].iter().any(|list| list.contains(&helper)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_numbered_without_gaps_and_named_once() {
        for (i, p) in TABLE.iter().enumerate() {
            assert_eq!(p.number as usize, i + 1);
            assert_eq!(Helper::from_name(p.name), Some(Helper(p.number)));
            assert!(p.args.len() <= 5, "{}", p.name);
        }
        assert_eq!(Helper::COUNT, 211);
        assert_eq!(Helper::from_raw(0), None);
        assert_eq!(Helper::from_raw(212), None);
    }

    #[test]
    fn numbers_are_only_ever_added_so_versions_ascend() {
        assert!(TABLE.is_sorted_by_key(|p| p.since));
    }

    #[test]
    fn numbers_are_those_of_the_header() {
        for (n, name) in [
            (1, "map_lookup_elem"),
            (2, "map_update_elem"),
            (3, "map_delete_elem"),
            (4, "probe_read"),
            (5, "ktime_get_ns"),
            (6, "trace_printk"),
            (7, "get_prandom_u32"),
            (8, "get_smp_processor_id"),
            (12, "tail_call"),
            (14, "get_current_pid_tgid"),
            (15, "get_current_uid_gid"),
            (16, "get_current_comm"),
            (22, "perf_event_read"),
            (25, "perf_event_output"),
            (27, "get_stackid"),
            (35, "get_current_task"),
            (36, "probe_write_user"),
            (45, "probe_read_str"),
            (51, "redirect_map"),
            (58, "override_return"),
            (67, "get_stack"),
            (80, "get_current_cgroup_id"),
            (93, "spin_lock"),
            (109, "send_signal"),
            (112, "probe_read_user"),
            (113, "probe_read_kernel"),
            (114, "probe_read_user_str"),
            (115, "probe_read_kernel_str"),
            (125, "ktime_get_boot_ns"),
            (130, "ringbuf_output"),
            (131, "ringbuf_reserve"),
            (132, "ringbuf_submit"),
            (133, "ringbuf_discard"),
            (147, "d_path"),
            (158, "get_current_task_btf"),
            (164, "for_each_map_elem"),
            (165, "snprintf"),
            (173, "get_func_ip"),
            (174, "get_attach_cookie"),
            (181, "loop"),
            (182, "strncmp"),
            (195, "map_lookup_percpu_elem"),
            (208, "ktime_get_tai_ns"),
            (211, "cgrp_storage_delete"),
        ] {
            assert_eq!(Helper::from_name(name).map(Helper::raw), Some(n), "{name}");
        }
    }

    #[test]
    fn memory_is_followed_by_its_size() {
        for h in Helper::all() {
            for (i, arg) in h.args().iter().enumerate() {
                let next = h.args().get(i + 1).map(|a| a.kind);
                let sized = matches!(next, Some(ArgKind::Size | ArgKind::SizeOrZero));
                assert_eq!(arg.kind == ArgKind::Mem, sized, "{h:?} argument {}", i + 1);
            }
        }
    }

    #[test]
    fn prototypes_of_the_common_ones() {
        use ArgKind::*;
        let kinds = |h: Helper| h.args().iter().map(|a| a.kind).collect::<Vec<_>>();
        assert_eq!(kinds(Helper::MAP_UPDATE_ELEM), [Map, MapKey, MapValue, Anything]);
        assert_eq!(Helper::MAP_LOOKUP_ELEM.ret(), Ret { kind: RetKind::MapValue, nullable: true });
        assert!(!Helper::MAP_LOOKUP_ELEM.gpl_only());
        assert_eq!(kinds(Helper::PROBE_READ_KERNEL), [Mem, SizeOrZero, Anything]);
        assert_eq!(Helper::PROBE_READ_KERNEL.args()[0].access, Access::Write);
        assert!(Helper::PROBE_READ_KERNEL.gpl_only());
        assert_eq!(kinds(Helper::RINGBUF_RESERVE), [Map, AllocSize, Anything]);
        assert!(Helper::RINGBUF_SUBMIT.args()[0].release);
        assert_eq!(Helper::RINGBUF_SUBMIT.ret().kind, RetKind::Void);
        assert_eq!(kinds(Helper::PERF_EVENT_OUTPUT), [Ctx, Map, Anything, Mem, SizeOrZero]);
    }

    #[test]
    fn tracing_types_get_their_helpers_and_not_those_of_packets() {
        for (prog, helper, expected) in [
            (ProgType::Kprobe, Helper::OVERRIDE_RETURN, Some(true)),
            (ProgType::Tracepoint, Helper::OVERRIDE_RETURN, Some(false)),
            (ProgType::Tracepoint, Helper::GET_STACKID, Some(true)),
            (ProgType::PerfEvent, Helper::READ_BRANCH_RECORDS, Some(true)),
            (ProgType::RawTracepoint, Helper::READ_BRANCH_RECORDS, Some(false)),
            (ProgType::RawTracepoint, Helper::RINGBUF_OUTPUT, Some(true)),
            (ProgType::Tracing, Helper::D_PATH, Some(true)),
            (ProgType::Kprobe, Helper::D_PATH, Some(false)),
            (ProgType::Kprobe, Helper::SKB_STORE_BYTES, Some(false)),
            (ProgType::Xdp, Helper::REDIRECT_MAP, None),
        ] {
            assert_eq!(helper_available(prog, helper), expected, "{prog} {helper}");
        }
    }
}
