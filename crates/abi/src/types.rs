//! Program, map, attach and link types and commands of bpf(2): the kernel's numbers and names, and since when.
//!
//! Source: `enum bpf_*` of `include/uapi/linux/bpf.h`, Linux 6.18. Names are the kernel's less the prefix, lower case.

use std::fmt;

use crate::Version;

/// Makes an enum of the kernel's, with everything derived from the one table.
macro_rules! kernel_enum {
    ($(#[$meta:meta])* $name:ident, $prefix:literal;
     $($variant:ident = $n:literal, $text:literal, ($major:literal, $minor:literal);)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`, since Linux ", $major, ".", $minor, ".")] $variant = $n,)*
        }

        impl $name {
            /// All of them, by number.
            pub const ALL: &[$name] = &[$($name::$variant,)*];
            /// What the kernel's spelling has before [`name`](Self::name) in upper case.
            pub const PREFIX: &str = $prefix;

            /// The kernel's number.
            pub const fn raw(self) -> u32 {
                self as u32
            }

            /// The one with that number, if this version of skep knows it.
            pub const fn from_raw(n: u32) -> Option<$name> {
                match n {
                    $($n => Some($name::$variant),)*
                    _ => None,
                }
            }

            /// The kernel's name less the prefix, lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }

            /// The one with that name, as [`name`](Self::name) gives it.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|x| x.name() == name)
            }

            /// The Linux version that introduced it.
            pub const fn since(self) -> Version {
                match self {
                    $($name::$variant => Version::new($major, $minor),)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

kernel_enum! {
    /// What a program is written for (`BPF_PROG_TYPE_*`).
    ProgType, "BPF_PROG_TYPE_";
    SocketFilter = 1, "socket_filter", (3, 19);
    Kprobe = 2, "kprobe", (4, 1);
    SchedCls = 3, "sched_cls", (4, 1);
    SchedAct = 4, "sched_act", (4, 1);
    Tracepoint = 5, "tracepoint", (4, 7);
    Xdp = 6, "xdp", (4, 8);
    PerfEvent = 7, "perf_event", (4, 9);
    CgroupSkb = 8, "cgroup_skb", (4, 10);
    CgroupSock = 9, "cgroup_sock", (4, 10);
    LwtIn = 10, "lwt_in", (4, 10);
    LwtOut = 11, "lwt_out", (4, 10);
    LwtXmit = 12, "lwt_xmit", (4, 10);
    SockOps = 13, "sock_ops", (4, 13);
    SkSkb = 14, "sk_skb", (4, 14);
    CgroupDevice = 15, "cgroup_device", (4, 15);
    SkMsg = 16, "sk_msg", (4, 17);
    RawTracepoint = 17, "raw_tracepoint", (4, 17);
    CgroupSockAddr = 18, "cgroup_sock_addr", (4, 17);
    LwtSeg6local = 19, "lwt_seg6local", (4, 18);
    LircMode2 = 20, "lirc_mode2", (4, 18);
    SkReuseport = 21, "sk_reuseport", (4, 19);
    FlowDissector = 22, "flow_dissector", (4, 20);
    CgroupSysctl = 23, "cgroup_sysctl", (5, 2);
    RawTracepointWritable = 24, "raw_tracepoint_writable", (5, 2);
    CgroupSockopt = 25, "cgroup_sockopt", (5, 3);
    Tracing = 26, "tracing", (5, 5);
    StructOps = 27, "struct_ops", (5, 6);
    Ext = 28, "ext", (5, 6);
    Lsm = 29, "lsm", (5, 7);
    SkLookup = 30, "sk_lookup", (5, 9);
    Syscall = 31, "syscall", (5, 14);
    Netfilter = 32, "netfilter", (6, 4);
}

kernel_enum! {
    /// What kind of map (`BPF_MAP_TYPE_*`).
    MapType, "BPF_MAP_TYPE_";
    Hash = 1, "hash", (3, 19);
    Array = 2, "array", (3, 19);
    ProgArray = 3, "prog_array", (4, 2);
    PerfEventArray = 4, "perf_event_array", (4, 3);
    PercpuHash = 5, "percpu_hash", (4, 6);
    PercpuArray = 6, "percpu_array", (4, 6);
    StackTrace = 7, "stack_trace", (4, 6);
    CgroupArray = 8, "cgroup_array", (4, 8);
    LruHash = 9, "lru_hash", (4, 10);
    LruPercpuHash = 10, "lru_percpu_hash", (4, 10);
    LpmTrie = 11, "lpm_trie", (4, 11);
    ArrayOfMaps = 12, "array_of_maps", (4, 12);
    HashOfMaps = 13, "hash_of_maps", (4, 12);
    Devmap = 14, "devmap", (4, 14);
    Sockmap = 15, "sockmap", (4, 14);
    Cpumap = 16, "cpumap", (4, 15);
    Xskmap = 17, "xskmap", (4, 18);
    Sockhash = 18, "sockhash", (4, 18);
    CgroupStorage = 19, "cgroup_storage", (4, 19);
    ReuseportSockarray = 20, "reuseport_sockarray", (4, 19);
    PercpuCgroupStorage = 21, "percpu_cgroup_storage", (4, 20);
    Queue = 22, "queue", (4, 20);
    Stack = 23, "stack", (4, 20);
    SkStorage = 24, "sk_storage", (5, 2);
    DevmapHash = 25, "devmap_hash", (5, 4);
    StructOps = 26, "struct_ops", (5, 6);
    Ringbuf = 27, "ringbuf", (5, 8);
    InodeStorage = 28, "inode_storage", (5, 10);
    TaskStorage = 29, "task_storage", (5, 11);
    BloomFilter = 30, "bloom_filter", (5, 16);
    UserRingbuf = 31, "user_ringbuf", (6, 1);
    CgrpStorage = 32, "cgrp_storage", (6, 2);
    Arena = 33, "arena", (6, 9);
}

kernel_enum! {
    /// Where a program is attached (`enum bpf_attach_type`).
    AttachType, "BPF_";
    CgroupInetIngress = 0, "cgroup_inet_ingress", (4, 10);
    CgroupInetEgress = 1, "cgroup_inet_egress", (4, 10);
    CgroupInetSockCreate = 2, "cgroup_inet_sock_create", (4, 10);
    CgroupSockOps = 3, "cgroup_sock_ops", (4, 13);
    SkSkbStreamParser = 4, "sk_skb_stream_parser", (4, 14);
    SkSkbStreamVerdict = 5, "sk_skb_stream_verdict", (4, 14);
    CgroupDevice = 6, "cgroup_device", (4, 15);
    SkMsgVerdict = 7, "sk_msg_verdict", (4, 17);
    CgroupInet4Bind = 8, "cgroup_inet4_bind", (4, 17);
    CgroupInet6Bind = 9, "cgroup_inet6_bind", (4, 17);
    CgroupInet4Connect = 10, "cgroup_inet4_connect", (4, 17);
    CgroupInet6Connect = 11, "cgroup_inet6_connect", (4, 17);
    CgroupInet4PostBind = 12, "cgroup_inet4_post_bind", (4, 17);
    CgroupInet6PostBind = 13, "cgroup_inet6_post_bind", (4, 17);
    CgroupUdp4Sendmsg = 14, "cgroup_udp4_sendmsg", (4, 18);
    CgroupUdp6Sendmsg = 15, "cgroup_udp6_sendmsg", (4, 18);
    LircMode2 = 16, "lirc_mode2", (4, 18);
    FlowDissector = 17, "flow_dissector", (4, 20);
    CgroupSysctl = 18, "cgroup_sysctl", (5, 2);
    CgroupUdp4Recvmsg = 19, "cgroup_udp4_recvmsg", (5, 2);
    CgroupUdp6Recvmsg = 20, "cgroup_udp6_recvmsg", (5, 2);
    CgroupGetsockopt = 21, "cgroup_getsockopt", (5, 3);
    CgroupSetsockopt = 22, "cgroup_setsockopt", (5, 3);
    TraceRawTp = 23, "trace_raw_tp", (5, 5);
    TraceFentry = 24, "trace_fentry", (5, 5);
    TraceFexit = 25, "trace_fexit", (5, 5);
    ModifyReturn = 26, "modify_return", (5, 7);
    LsmMac = 27, "lsm_mac", (5, 7);
    TraceIter = 28, "trace_iter", (5, 8);
    CgroupInet4Getpeername = 29, "cgroup_inet4_getpeername", (5, 8);
    CgroupInet6Getpeername = 30, "cgroup_inet6_getpeername", (5, 8);
    CgroupInet4Getsockname = 31, "cgroup_inet4_getsockname", (5, 8);
    CgroupInet6Getsockname = 32, "cgroup_inet6_getsockname", (5, 8);
    XdpDevmap = 33, "xdp_devmap", (5, 8);
    CgroupInetSockRelease = 34, "cgroup_inet_sock_release", (5, 9);
    XdpCpumap = 35, "xdp_cpumap", (5, 9);
    SkLookup = 36, "sk_lookup", (5, 9);
    Xdp = 37, "xdp", (5, 9);
    SkSkbVerdict = 38, "sk_skb_verdict", (5, 13);
    SkReuseportSelect = 39, "sk_reuseport_select", (5, 14);
    SkReuseportSelectOrMigrate = 40, "sk_reuseport_select_or_migrate", (5, 14);
    PerfEvent = 41, "perf_event", (5, 15);
    TraceKprobeMulti = 42, "trace_kprobe_multi", (5, 18);
    LsmCgroup = 43, "lsm_cgroup", (6, 0);
    StructOps = 44, "struct_ops", (6, 4);
    Netfilter = 45, "netfilter", (6, 4);
    TcxIngress = 46, "tcx_ingress", (6, 6);
    TcxEgress = 47, "tcx_egress", (6, 6);
    TraceUprobeMulti = 48, "trace_uprobe_multi", (6, 6);
    CgroupUnixConnect = 49, "cgroup_unix_connect", (6, 7);
    CgroupUnixSendmsg = 50, "cgroup_unix_sendmsg", (6, 7);
    CgroupUnixRecvmsg = 51, "cgroup_unix_recvmsg", (6, 7);
    CgroupUnixGetpeername = 52, "cgroup_unix_getpeername", (6, 7);
    CgroupUnixGetsockname = 53, "cgroup_unix_getsockname", (6, 7);
    NetkitPrimary = 54, "netkit_primary", (6, 7);
    NetkitPeer = 55, "netkit_peer", (6, 7);
    TraceKprobeSession = 56, "trace_kprobe_session", (6, 10);
    TraceUprobeSession = 57, "trace_uprobe_session", (6, 13);
}

kernel_enum! {
    /// What holds a program to its hook (`BPF_LINK_TYPE_*`).
    LinkType, "BPF_LINK_TYPE_";
    RawTracepoint = 1, "raw_tracepoint", (5, 8);
    Tracing = 2, "tracing", (5, 8);
    Cgroup = 3, "cgroup", (5, 8);
    Iter = 4, "iter", (5, 8);
    Netns = 5, "netns", (5, 8);
    Xdp = 6, "xdp", (5, 9);
    PerfEvent = 7, "perf_event", (5, 15);
    KprobeMulti = 8, "kprobe_multi", (5, 18);
    StructOps = 9, "struct_ops", (6, 4);
    Netfilter = 10, "netfilter", (6, 4);
    Tcx = 11, "tcx", (6, 6);
    UprobeMulti = 12, "uprobe_multi", (6, 6);
    Netkit = 13, "netkit", (6, 7);
    Sockmap = 14, "sockmap", (6, 10);
}

kernel_enum! {
    /// The first argument of bpf(2) (`enum bpf_cmd`).
    Cmd, "BPF_";
    MapCreate = 0, "map_create", (3, 18);
    MapLookupElem = 1, "map_lookup_elem", (3, 18);
    MapUpdateElem = 2, "map_update_elem", (3, 18);
    MapDeleteElem = 3, "map_delete_elem", (3, 18);
    MapGetNextKey = 4, "map_get_next_key", (3, 18);
    ProgLoad = 5, "prog_load", (3, 18);
    ObjPin = 6, "obj_pin", (4, 4);
    ObjGet = 7, "obj_get", (4, 4);
    ProgAttach = 8, "prog_attach", (4, 10);
    ProgDetach = 9, "prog_detach", (4, 10);
    ProgTestRun = 10, "prog_test_run", (4, 12);
    ProgGetNextId = 11, "prog_get_next_id", (4, 13);
    MapGetNextId = 12, "map_get_next_id", (4, 13);
    ProgGetFdById = 13, "prog_get_fd_by_id", (4, 13);
    MapGetFdById = 14, "map_get_fd_by_id", (4, 13);
    ObjGetInfoByFd = 15, "obj_get_info_by_fd", (4, 13);
    ProgQuery = 16, "prog_query", (4, 15);
    RawTracepointOpen = 17, "raw_tracepoint_open", (4, 17);
    BtfLoad = 18, "btf_load", (4, 18);
    BtfGetFdById = 19, "btf_get_fd_by_id", (4, 18);
    TaskFdQuery = 20, "task_fd_query", (4, 18);
    MapLookupAndDeleteElem = 21, "map_lookup_and_delete_elem", (4, 20);
    MapFreeze = 22, "map_freeze", (5, 2);
    BtfGetNextId = 23, "btf_get_next_id", (5, 4);
    MapLookupBatch = 24, "map_lookup_batch", (5, 6);
    MapLookupAndDeleteBatch = 25, "map_lookup_and_delete_batch", (5, 6);
    MapUpdateBatch = 26, "map_update_batch", (5, 6);
    MapDeleteBatch = 27, "map_delete_batch", (5, 6);
    LinkCreate = 28, "link_create", (5, 7);
    LinkUpdate = 29, "link_update", (5, 7);
    LinkGetFdById = 30, "link_get_fd_by_id", (5, 8);
    LinkGetNextId = 31, "link_get_next_id", (5, 8);
    EnableStats = 32, "enable_stats", (5, 8);
    IterCreate = 33, "iter_create", (5, 8);
    LinkDetach = 34, "link_detach", (5, 9);
    ProgBindMap = 35, "prog_bind_map", (5, 10);
    TokenCreate = 36, "token_create", (6, 9);
    ProgStreamReadByFd = 37, "prog_stream_read_by_fd", (6, 17);
}

impl MapType {
    /// Whether each CPU has its own copy of a value, so that user space reads and writes one value for each possible CPU.
    pub const fn is_percpu(self) -> bool {
        matches!(
            self,
            MapType::PercpuHash
                | MapType::PercpuArray
                | MapType::LruPercpuHash
                | MapType::PercpuCgroupStorage
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back() {
        macro_rules! check {
            ($($t:ty)*) => {$(
                for &x in <$t>::ALL {
                    assert_eq!(<$t>::from_raw(x.raw()), Some(x));
                    assert_eq!(<$t>::from_name(x.name()), Some(x));
                    assert_eq!(x.name().replace('_', ""), format!("{x:?}").to_lowercase());
                }
                assert!(<$t>::ALL.is_sorted());
                assert_eq!(<$t>::from_raw(u32::MAX), None);
            )*};
        }
        check!(ProgType MapType AttachType LinkType Cmd);
    }

    #[test]
    fn numbers_are_only_ever_added_so_versions_ascend() {
        assert!(ProgType::ALL.is_sorted_by_key(|x| x.since()));
        assert!(MapType::ALL.is_sorted_by_key(|x| x.since()));
        assert!(AttachType::ALL.is_sorted_by_key(|x| x.since()));
        assert!(LinkType::ALL.is_sorted_by_key(|x| x.since()));
        assert!(Cmd::ALL.is_sorted_by_key(|x| x.since()));
    }

    #[test]
    fn well_known_numbers() {
        assert_eq!(ProgType::PerfEvent.raw(), 7);
        assert_eq!(ProgType::Tracing.raw(), 26);
        assert_eq!(ProgType::Netfilter.raw(), 32);
        assert_eq!(MapType::LruHash.raw(), 9);
        assert_eq!(MapType::Ringbuf.raw(), 27);
        assert_eq!(MapType::Arena.raw(), 33);
        assert_eq!(AttachType::PerfEvent.raw(), 41);
        assert_eq!(AttachType::TraceKprobeMulti.raw(), 42);
        assert_eq!(AttachType::TraceUprobeMulti.raw(), 48);
        assert_eq!(AttachType::TraceUprobeSession.raw(), 57);
        assert_eq!(LinkType::UprobeMulti.raw(), 12);
        assert_eq!(Cmd::LinkCreate.raw(), 28);
        assert_eq!(Cmd::ProgStreamReadByFd.raw(), 37);
    }
}
