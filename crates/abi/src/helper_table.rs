//! The table of helpers: number, constant, name, first Linux version, licence, arguments, result.
//!
//! Source: `___BPF_FUNC_MAPPER` of `include/uapi/linux/bpf.h` for numbers and names, each helper's
//! `struct bpf_func_proto` for the rest. The list is closed: since Linux 6.2 new functions are kfuncs, found by BTF.

use crate::Version;
use crate::helper::{Helper, Proto};
use crate::helper::{arg::*, ret};

macro_rules! helpers {
    ($($n:literal $constant:ident $name:ident ($major:literal, $minor:literal) $licence:ident [$($arg:expr),*] -> $ret:ident;)*) => {
        impl Helper {
            $(#[doc = concat!("`", stringify!($name), "`, since Linux ", $major, ".", $minor, ".")]
            pub const $constant: Helper = Helper::known($n);)*
        }

        /// By number, less one.
        pub(crate) const TABLE: &[Proto] = &[
            $(Proto {
                number: $n,
                name: stringify!($name),
                since: Version::new($major, $minor),
                gpl_only: helpers!(@$licence),
                args: &[$($arg),*],
                ret: ret::$ret,
            },)*
        ];
    };
    (@gpl) => { true };
    (@any) => { false };
}

helpers! {
    1 MAP_LOOKUP_ELEM bpf_map_lookup_elem (3, 19) any [MAP, KEY] -> VALUE0;
    2 MAP_UPDATE_ELEM bpf_map_update_elem (3, 19) any [MAP, KEY, VALUE, ANY] -> INT;
    3 MAP_DELETE_ELEM bpf_map_delete_elem (3, 19) any [MAP, KEY] -> INT;
    4 PROBE_READ bpf_probe_read (4, 1) gpl [MEM_W, SIZE0, ANY] -> INT;
    5 KTIME_GET_NS bpf_ktime_get_ns (4, 1) any [] -> INT;
    6 TRACE_PRINTK bpf_trace_printk (4, 1) gpl [MEM_R, SIZE] -> INT;
    7 GET_PRANDOM_U32 bpf_get_prandom_u32 (4, 1) any [] -> INT;
    8 GET_SMP_PROCESSOR_ID bpf_get_smp_processor_id (4, 1) any [] -> INT;
    9 SKB_STORE_BYTES bpf_skb_store_bytes (4, 1) any [CTX, ANY, MEM_R, SIZE, ANY] -> INT;
    10 L3_CSUM_REPLACE bpf_l3_csum_replace (4, 1) any [CTX, ANY, ANY, ANY, ANY] -> INT;
    11 L4_CSUM_REPLACE bpf_l4_csum_replace (4, 1) any [CTX, ANY, ANY, ANY, ANY] -> INT;
    12 TAIL_CALL bpf_tail_call (4, 2) any [CTX, MAP, ANY] -> VOID;
    13 CLONE_REDIRECT bpf_clone_redirect (4, 2) any [CTX, ANY, ANY] -> INT;
    14 GET_CURRENT_PID_TGID bpf_get_current_pid_tgid (4, 2) any [] -> INT;
    15 GET_CURRENT_UID_GID bpf_get_current_uid_gid (4, 2) any [] -> INT;
    16 GET_CURRENT_COMM bpf_get_current_comm (4, 2) any [MEM_W, SIZE] -> INT;
    17 GET_CGROUP_CLASSID bpf_get_cgroup_classid (4, 3) any [CTX] -> INT;
    18 SKB_VLAN_PUSH bpf_skb_vlan_push (4, 3) any [CTX, ANY, ANY] -> INT;
    19 SKB_VLAN_POP bpf_skb_vlan_pop (4, 3) any [CTX] -> INT;
    20 SKB_GET_TUNNEL_KEY bpf_skb_get_tunnel_key (4, 3) any [CTX, MEM_W, SIZE, ANY] -> INT;
    21 SKB_SET_TUNNEL_KEY bpf_skb_set_tunnel_key (4, 3) any [CTX, MEM_R, SIZE, ANY] -> INT;
    22 PERF_EVENT_READ bpf_perf_event_read (4, 3) gpl [MAP, ANY] -> INT;
    23 REDIRECT bpf_redirect (4, 4) any [ANY, ANY] -> INT;
    24 GET_ROUTE_REALM bpf_get_route_realm (4, 4) any [CTX] -> INT;
    25 PERF_EVENT_OUTPUT bpf_perf_event_output (4, 4) gpl [CTX, MAP, ANY, MEM_R, SIZE0] -> INT;
    26 SKB_LOAD_BYTES bpf_skb_load_bytes (4, 5) any [CTX, ANY, MEM_W, SIZE] -> INT;
    27 GET_STACKID bpf_get_stackid (4, 6) gpl [CTX, MAP, ANY] -> INT;
    28 CSUM_DIFF bpf_csum_diff (4, 6) any [MEM0_R, SIZE0, MEM0_R, SIZE0, ANY] -> INT;
    29 SKB_GET_TUNNEL_OPT bpf_skb_get_tunnel_opt (4, 6) any [CTX, MEM_W, SIZE] -> INT;
    30 SKB_SET_TUNNEL_OPT bpf_skb_set_tunnel_opt (4, 6) any [CTX, MEM_R, SIZE] -> INT;
    31 SKB_CHANGE_PROTO bpf_skb_change_proto (4, 8) any [CTX, ANY, ANY] -> INT;
    32 SKB_CHANGE_TYPE bpf_skb_change_type (4, 8) any [CTX, ANY] -> INT;
    33 SKB_UNDER_CGROUP bpf_skb_under_cgroup (4, 8) any [CTX, MAP, ANY] -> INT;
    34 GET_HASH_RECALC bpf_get_hash_recalc (4, 8) any [CTX] -> INT;
    35 GET_CURRENT_TASK bpf_get_current_task (4, 8) gpl [] -> INT;
    36 PROBE_WRITE_USER bpf_probe_write_user (4, 8) gpl [ANY, MEM_R, SIZE] -> INT;
    37 CURRENT_TASK_UNDER_CGROUP bpf_current_task_under_cgroup (4, 9) any [MAP, ANY] -> INT;
    38 SKB_CHANGE_TAIL bpf_skb_change_tail (4, 9) any [CTX, ANY, ANY] -> INT;
    39 SKB_PULL_DATA bpf_skb_pull_data (4, 9) any [CTX, ANY] -> INT;
    40 CSUM_UPDATE bpf_csum_update (4, 9) any [CTX, ANY] -> INT;
    41 SET_HASH_INVALID bpf_set_hash_invalid (4, 9) any [CTX] -> INT;
    42 GET_NUMA_NODE_ID bpf_get_numa_node_id (4, 10) any [] -> INT;
    43 SKB_CHANGE_HEAD bpf_skb_change_head (4, 10) any [CTX, ANY, ANY] -> INT;
    44 XDP_ADJUST_HEAD bpf_xdp_adjust_head (4, 10) any [CTX, ANY] -> INT;
    45 PROBE_READ_STR bpf_probe_read_str (4, 11) gpl [MEM_W, SIZE0, ANY] -> INT;
    46 GET_SOCKET_COOKIE bpf_get_socket_cookie (4, 12) any [CTX] -> INT;
    47 GET_SOCKET_UID bpf_get_socket_uid (4, 12) any [CTX] -> INT;
    48 SET_HASH bpf_set_hash (4, 13) any [CTX, ANY] -> INT;
    49 SETSOCKOPT bpf_setsockopt (4, 13) any [CTX, ANY, ANY, MEM_R, SIZE] -> INT;
    50 SKB_ADJUST_ROOM bpf_skb_adjust_room (4, 13) any [CTX, ANY, ANY, ANY] -> INT;
    51 REDIRECT_MAP bpf_redirect_map (4, 14) any [MAP, ANY, ANY] -> INT;
    52 SK_REDIRECT_MAP bpf_sk_redirect_map (4, 14) any [CTX, MAP, ANY, ANY] -> INT;
    53 SOCK_MAP_UPDATE bpf_sock_map_update (4, 14) any [CTX, MAP, KEY, ANY] -> INT;
    54 XDP_ADJUST_META bpf_xdp_adjust_meta (4, 15) any [CTX, ANY] -> INT;
    55 PERF_EVENT_READ_VALUE bpf_perf_event_read_value (4, 15) gpl [MAP, ANY, MEM_W, SIZE] -> INT;
    56 PERF_PROG_READ_VALUE bpf_perf_prog_read_value (4, 15) gpl [CTX, MEM_W, SIZE] -> INT;
    57 GETSOCKOPT bpf_getsockopt (4, 15) any [CTX, ANY, ANY, MEM_W, SIZE] -> INT;
    58 OVERRIDE_RETURN bpf_override_return (4, 16) gpl [CTX, ANY] -> INT;
    59 SOCK_OPS_CB_FLAGS_SET bpf_sock_ops_cb_flags_set (4, 16) any [CTX, ANY] -> INT;
    60 MSG_REDIRECT_MAP bpf_msg_redirect_map (4, 17) any [CTX, MAP, ANY, ANY] -> INT;
    61 MSG_APPLY_BYTES bpf_msg_apply_bytes (4, 17) any [CTX, ANY] -> INT;
    62 MSG_CORK_BYTES bpf_msg_cork_bytes (4, 17) any [CTX, ANY] -> INT;
    63 MSG_PULL_DATA bpf_msg_pull_data (4, 17) any [CTX, ANY, ANY, ANY] -> INT;
    64 BIND bpf_bind (4, 17) any [CTX, MEM_R, SIZE] -> INT;
    65 XDP_ADJUST_TAIL bpf_xdp_adjust_tail (4, 18) any [CTX, ANY] -> INT;
    66 SKB_GET_XFRM_STATE bpf_skb_get_xfrm_state (4, 18) any [CTX, ANY, MEM_W, SIZE, ANY] -> INT;
    67 GET_STACK bpf_get_stack (4, 18) gpl [CTX, MEM_W, SIZE0, ANY] -> INT;
    68 SKB_LOAD_BYTES_RELATIVE bpf_skb_load_bytes_relative (4, 18) any [CTX, ANY, MEM_W, SIZE, ANY] -> INT;
    69 FIB_LOOKUP bpf_fib_lookup (4, 18) gpl [CTX, MEM, SIZE, ANY] -> INT;
    70 SOCK_HASH_UPDATE bpf_sock_hash_update (4, 18) any [CTX, MAP, KEY, ANY] -> INT;
    71 MSG_REDIRECT_HASH bpf_msg_redirect_hash (4, 18) any [CTX, MAP, KEY, ANY] -> INT;
    72 SK_REDIRECT_HASH bpf_sk_redirect_hash (4, 18) any [CTX, MAP, KEY, ANY] -> INT;
    73 LWT_PUSH_ENCAP bpf_lwt_push_encap (4, 18) any [CTX, ANY, MEM_R, SIZE] -> INT;
    74 LWT_SEG6_STORE_BYTES bpf_lwt_seg6_store_bytes (4, 18) any [CTX, ANY, MEM_R, SIZE] -> INT;
    75 LWT_SEG6_ADJUST_SRH bpf_lwt_seg6_adjust_srh (4, 18) any [CTX, ANY, ANY] -> INT;
    76 LWT_SEG6_ACTION bpf_lwt_seg6_action (4, 18) any [CTX, ANY, MEM_R, SIZE] -> INT;
    77 RC_REPEAT bpf_rc_repeat (4, 18) gpl [CTX] -> INT;
    78 RC_KEYDOWN bpf_rc_keydown (4, 18) gpl [CTX, ANY, ANY, ANY] -> INT;
    79 SKB_CGROUP_ID bpf_skb_cgroup_id (4, 18) any [CTX] -> INT;
    80 GET_CURRENT_CGROUP_ID bpf_get_current_cgroup_id (4, 18) any [] -> INT;
    81 GET_LOCAL_STORAGE bpf_get_local_storage (4, 19) any [MAP, ANY] -> VALUE;
    82 SK_SELECT_REUSEPORT bpf_sk_select_reuseport (4, 19) any [CTX, MAP, KEY, ANY] -> INT;
    83 SKB_ANCESTOR_CGROUP_ID bpf_skb_ancestor_cgroup_id (4, 19) any [CTX, ANY] -> INT;
    84 SK_LOOKUP_TCP bpf_sk_lookup_tcp (4, 20) any [CTX, MEM_R, SIZE0, ANY, ANY] -> SOCKET0;
    85 SK_LOOKUP_UDP bpf_sk_lookup_udp (4, 20) any [CTX, MEM_R, SIZE0, ANY, ANY] -> SOCKET0;
    86 SK_RELEASE bpf_sk_release (4, 20) any [SOCK_REL] -> INT;
    87 MAP_PUSH_ELEM bpf_map_push_elem (4, 20) any [MAP, VALUE, ANY] -> INT;
    88 MAP_POP_ELEM bpf_map_pop_elem (4, 20) any [MAP, VALUE_W] -> INT;
    89 MAP_PEEK_ELEM bpf_map_peek_elem (4, 20) any [MAP, VALUE_W] -> INT;
    90 MSG_PUSH_DATA bpf_msg_push_data (4, 20) any [CTX, ANY, ANY, ANY] -> INT;
    91 MSG_POP_DATA bpf_msg_pop_data (5, 0) any [CTX, ANY, ANY, ANY] -> INT;
    92 RC_POINTER_REL bpf_rc_pointer_rel (5, 0) gpl [CTX, ANY, ANY] -> INT;
    93 SPIN_LOCK bpf_spin_lock (5, 1) any [LOCK] -> VOID;
    94 SPIN_UNLOCK bpf_spin_unlock (5, 1) any [LOCK] -> VOID;
    95 SK_FULLSOCK bpf_sk_fullsock (5, 1) any [SOCK] -> SOCKET0;
    96 TCP_SOCK bpf_tcp_sock (5, 1) any [SOCK] -> TCP0;
    97 SKB_ECN_SET_CE bpf_skb_ecn_set_ce (5, 1) any [CTX] -> INT;
    98 GET_LISTENER_SOCK bpf_get_listener_sock (5, 1) any [SOCK] -> SOCKET0;
    99 SKC_LOOKUP_TCP bpf_skc_lookup_tcp (5, 2) any [CTX, MEM_R, SIZE0, ANY, ANY] -> SOCK0;
    100 TCP_CHECK_SYNCOOKIE bpf_tcp_check_syncookie (5, 2) gpl [SOCK_BTF, MEM_R, SIZE, MEM_R, SIZE] -> INT;
    101 SYSCTL_GET_NAME bpf_sysctl_get_name (5, 2) any [CTX, MEM, SIZE, ANY] -> INT;
    102 SYSCTL_GET_CURRENT_VALUE bpf_sysctl_get_current_value (5, 2) any [CTX, MEM_W, SIZE] -> INT;
    103 SYSCTL_GET_NEW_VALUE bpf_sysctl_get_new_value (5, 2) any [CTX, MEM_W, SIZE] -> INT;
    104 SYSCTL_SET_NEW_VALUE bpf_sysctl_set_new_value (5, 2) any [CTX, MEM_R, SIZE] -> INT;
    105 STRTOL bpf_strtol (5, 2) any [MEM_R, SIZE, ANY, fixed_w(8)] -> INT;
    106 STRTOUL bpf_strtoul (5, 2) any [MEM_R, SIZE, ANY, fixed_w(8)] -> INT;
    107 SK_STORAGE_GET bpf_sk_storage_get (5, 2) any [MAP, SOCK_BTF, VALUE0, ANY] -> VALUE0;
    108 SK_STORAGE_DELETE bpf_sk_storage_delete (5, 2) any [MAP, SOCK_BTF] -> INT;
    109 SEND_SIGNAL bpf_send_signal (5, 3) any [ANY] -> INT;
    110 TCP_GEN_SYNCOOKIE bpf_tcp_gen_syncookie (5, 4) gpl [SOCK_BTF, MEM_R, SIZE, MEM_R, SIZE] -> INT;
    111 SKB_OUTPUT bpf_skb_output (5, 5) gpl [BTF, MAP, ANY, MEM_R, SIZE0] -> INT;
    112 PROBE_READ_USER bpf_probe_read_user (5, 5) gpl [MEM_W, SIZE0, ANY] -> INT;
    113 PROBE_READ_KERNEL bpf_probe_read_kernel (5, 5) gpl [MEM_W, SIZE0, ANY] -> INT;
    114 PROBE_READ_USER_STR bpf_probe_read_user_str (5, 5) gpl [MEM_W, SIZE0, ANY] -> INT;
    115 PROBE_READ_KERNEL_STR bpf_probe_read_kernel_str (5, 5) gpl [MEM_W, SIZE0, ANY] -> INT;
    116 TCP_SEND_ACK bpf_tcp_send_ack (5, 6) any [BTF, ANY] -> INT;
    117 SEND_SIGNAL_THREAD bpf_send_signal_thread (5, 6) any [ANY] -> INT;
    118 JIFFIES64 bpf_jiffies64 (5, 6) any [] -> INT;
    119 READ_BRANCH_RECORDS bpf_read_branch_records (5, 7) gpl [CTX, MEM0, SIZE0, ANY] -> INT;
    120 GET_NS_CURRENT_PID_TGID bpf_get_ns_current_pid_tgid (5, 7) any [ANY, ANY, MEM_W, SIZE] -> INT;
    121 XDP_OUTPUT bpf_xdp_output (5, 7) gpl [BTF, MAP, ANY, MEM_R, SIZE0] -> INT;
    122 GET_NETNS_COOKIE bpf_get_netns_cookie (5, 7) any [CTX0] -> INT;
    123 GET_CURRENT_ANCESTOR_CGROUP_ID bpf_get_current_ancestor_cgroup_id (5, 7) any [ANY] -> INT;
    124 SK_ASSIGN bpf_sk_assign (5, 7) any [CTX, SOCK_BTF, ANY] -> INT;
    125 KTIME_GET_BOOT_NS bpf_ktime_get_boot_ns (5, 8) any [] -> INT;
    126 SEQ_PRINTF bpf_seq_printf (5, 8) gpl [BTF, MEM_R, SIZE, MEM0_R, SIZE0] -> INT;
    127 SEQ_WRITE bpf_seq_write (5, 8) gpl [BTF, MEM_R, SIZE0] -> INT;
    128 SK_CGROUP_ID bpf_sk_cgroup_id (5, 8) any [SOCK_BTF] -> INT;
    129 SK_ANCESTOR_CGROUP_ID bpf_sk_ancestor_cgroup_id (5, 8) any [SOCK_BTF, ANY] -> INT;
    130 RINGBUF_OUTPUT bpf_ringbuf_output (5, 8) any [MAP, MEM_R, SIZE0, ANY] -> INT;
    131 RINGBUF_RESERVE bpf_ringbuf_reserve (5, 8) any [MAP, ALLOC, ANY] -> RECORD0;
    132 RINGBUF_SUBMIT bpf_ringbuf_submit (5, 8) any [RECORD, ANY] -> VOID;
    133 RINGBUF_DISCARD bpf_ringbuf_discard (5, 8) any [RECORD, ANY] -> VOID;
    134 RINGBUF_QUERY bpf_ringbuf_query (5, 8) any [MAP, ANY] -> INT;
    135 CSUM_LEVEL bpf_csum_level (5, 8) any [CTX, ANY] -> INT;
    136 SKC_TO_TCP6_SOCK bpf_skc_to_tcp6_sock (5, 9) any [SOCK_BTF] -> BTF0;
    137 SKC_TO_TCP_SOCK bpf_skc_to_tcp_sock (5, 9) any [SOCK_BTF] -> BTF0;
    138 SKC_TO_TCP_TIMEWAIT_SOCK bpf_skc_to_tcp_timewait_sock (5, 9) any [SOCK_BTF] -> BTF0;
    139 SKC_TO_TCP_REQUEST_SOCK bpf_skc_to_tcp_request_sock (5, 9) any [SOCK_BTF] -> BTF0;
    140 SKC_TO_UDP6_SOCK bpf_skc_to_udp6_sock (5, 9) any [SOCK_BTF] -> BTF0;
    141 GET_TASK_STACK bpf_get_task_stack (5, 9) any [BTF, MEM_W, SIZE0, ANY] -> INT;
    142 LOAD_HDR_OPT bpf_load_hdr_opt (5, 10) any [CTX, MEM_RW, SIZE, ANY] -> INT;
    143 STORE_HDR_OPT bpf_store_hdr_opt (5, 10) any [CTX, MEM_R, SIZE, ANY] -> INT;
    144 RESERVE_HDR_OPT bpf_reserve_hdr_opt (5, 10) any [CTX, ANY, ANY] -> INT;
    145 INODE_STORAGE_GET bpf_inode_storage_get (5, 10) any [MAP, BTF0, VALUE0, ANY] -> VALUE0;
    146 INODE_STORAGE_DELETE bpf_inode_storage_delete (5, 10) any [MAP, BTF0] -> INT;
    147 D_PATH bpf_d_path (5, 10) any [BTF, MEM, SIZE0] -> INT;
    148 COPY_FROM_USER bpf_copy_from_user (5, 10) any [MEM_W, SIZE0, ANY] -> INT;
    149 SNPRINTF_BTF bpf_snprintf_btf (5, 10) any [MEM, SIZE, MEM_R, SIZE, ANY] -> INT;
    150 SEQ_PRINTF_BTF bpf_seq_printf_btf (5, 10) gpl [BTF, MEM_R, SIZE0, ANY] -> INT;
    151 SKB_CGROUP_CLASSID bpf_skb_cgroup_classid (5, 10) any [CTX] -> INT;
    152 REDIRECT_NEIGH bpf_redirect_neigh (5, 10) any [ANY, MEM0_R, SIZE0, ANY] -> INT;
    153 PER_CPU_PTR bpf_per_cpu_ptr (5, 10) any [PERCPU, ANY] -> PERCPU0;
    154 THIS_CPU_PTR bpf_this_cpu_ptr (5, 10) any [PERCPU] -> PERCPU;
    155 REDIRECT_PEER bpf_redirect_peer (5, 10) any [ANY, ANY] -> INT;
    156 TASK_STORAGE_GET bpf_task_storage_get (5, 11) any [MAP, BTF0, VALUE0, ANY] -> VALUE0;
    157 TASK_STORAGE_DELETE bpf_task_storage_delete (5, 11) any [MAP, BTF0] -> INT;
    158 GET_CURRENT_TASK_BTF bpf_get_current_task_btf (5, 11) gpl [] -> TASK;
    159 BPRM_OPTS_SET bpf_bprm_opts_set (5, 11) any [BTF, ANY] -> INT;
    160 KTIME_GET_COARSE_NS bpf_ktime_get_coarse_ns (5, 11) any [] -> INT;
    161 IMA_INODE_HASH bpf_ima_inode_hash (5, 11) any [BTF, MEM_W, SIZE] -> INT;
    162 SOCK_FROM_FILE bpf_sock_from_file (5, 11) any [BTF] -> BTF0;
    163 CHECK_MTU bpf_check_mtu (5, 12) gpl [CTX, ANY, fixed_rw(4), ANY, ANY] -> INT;
    164 FOR_EACH_MAP_ELEM bpf_for_each_map_elem (5, 13) any [MAP, FUNC, STACK0, ANY] -> INT;
    165 SNPRINTF bpf_snprintf (5, 13) gpl [MEM0, SIZE0, STR, MEM0_R, SIZE0] -> INT;
    166 SYS_BPF bpf_sys_bpf (5, 14) any [ANY, MEM_R, SIZE] -> INT;
    167 BTF_FIND_BY_NAME_KIND bpf_btf_find_by_name_kind (5, 14) any [MEM_R, SIZE, ANY, ANY] -> INT;
    168 SYS_CLOSE bpf_sys_close (5, 14) any [ANY] -> INT;
    169 TIMER_INIT bpf_timer_init (5, 15) gpl [TIMER, MAP, ANY] -> INT;
    170 TIMER_SET_CALLBACK bpf_timer_set_callback (5, 15) gpl [TIMER, FUNC] -> INT;
    171 TIMER_START bpf_timer_start (5, 15) gpl [TIMER, ANY, ANY] -> INT;
    172 TIMER_CANCEL bpf_timer_cancel (5, 15) gpl [TIMER] -> INT;
    173 GET_FUNC_IP bpf_get_func_ip (5, 15) gpl [CTX] -> INT;
    174 GET_ATTACH_COOKIE bpf_get_attach_cookie (5, 15) any [CTX] -> INT;
    175 TASK_PT_REGS bpf_task_pt_regs (5, 15) gpl [BTF] -> BTF;
    176 GET_BRANCH_SNAPSHOT bpf_get_branch_snapshot (5, 16) gpl [MEM_W, SIZE0] -> INT;
    177 TRACE_VPRINTK bpf_trace_vprintk (5, 16) gpl [MEM_R, SIZE, MEM0_R, SIZE0] -> INT;
    178 SKC_TO_UNIX_SOCK bpf_skc_to_unix_sock (5, 16) any [SOCK_BTF] -> BTF0;
    179 KALLSYMS_LOOKUP_NAME bpf_kallsyms_lookup_name (5, 16) any [MEM, SIZE0, ANY, fixed_w(8)] -> INT;
    180 FIND_VMA bpf_find_vma (5, 17) any [BTF, ANY, FUNC, STACK0, ANY] -> INT;
    181 LOOP bpf_loop (5, 17) any [ANY, FUNC, STACK0, ANY] -> INT;
    182 STRNCMP bpf_strncmp (5, 17) any [MEM_R, SIZE, STR] -> INT;
    183 GET_FUNC_ARG bpf_get_func_arg (5, 17) any [CTX, ANY, fixed_w(8)] -> INT;
    184 GET_FUNC_RET bpf_get_func_ret (5, 17) any [CTX, fixed_w(8)] -> INT;
    185 GET_FUNC_ARG_CNT bpf_get_func_arg_cnt (5, 17) any [CTX] -> INT;
    186 GET_RETVAL bpf_get_retval (5, 18) any [] -> INT;
    187 SET_RETVAL bpf_set_retval (5, 18) any [ANY] -> INT;
    188 XDP_GET_BUFF_LEN bpf_xdp_get_buff_len (5, 18) any [CTX] -> INT;
    189 XDP_LOAD_BYTES bpf_xdp_load_bytes (5, 18) any [CTX, ANY, MEM_W, SIZE] -> INT;
    190 XDP_STORE_BYTES bpf_xdp_store_bytes (5, 18) any [CTX, ANY, MEM_R, SIZE] -> INT;
    191 COPY_FROM_USER_TASK bpf_copy_from_user_task (5, 18) gpl [MEM_W, SIZE0, ANY, BTF, ANY] -> INT;
    192 SKB_SET_TSTAMP bpf_skb_set_tstamp (5, 18) any [CTX, ANY, ANY] -> INT;
    193 IMA_FILE_HASH bpf_ima_file_hash (5, 18) any [BTF, MEM_W, SIZE] -> INT;
    194 KPTR_XCHG bpf_kptr_xchg (5, 19) any [KPTR, BTF0_REL] -> BTF0;
    195 MAP_LOOKUP_PERCPU_ELEM bpf_map_lookup_percpu_elem (5, 19) any [MAP, KEY, ANY] -> VALUE0;
    196 SKC_TO_MPTCP_SOCK bpf_skc_to_mptcp_sock (5, 19) any [SOCK] -> BTF0;
    197 DYNPTR_FROM_MEM bpf_dynptr_from_mem (5, 19) any [MEM_W, SIZE0, ANY, DYN_LOCAL] -> INT;
    198 RINGBUF_RESERVE_DYNPTR bpf_ringbuf_reserve_dynptr (5, 19) any [MAP, ANY, ANY, DYN_NEW] -> INT;
    199 RINGBUF_SUBMIT_DYNPTR bpf_ringbuf_submit_dynptr (5, 19) any [DYN_REL, ANY] -> VOID;
    200 RINGBUF_DISCARD_DYNPTR bpf_ringbuf_discard_dynptr (5, 19) any [DYN_REL, ANY] -> VOID;
    201 DYNPTR_READ bpf_dynptr_read (5, 19) any [MEM_W, SIZE0, DYNPTR, ANY, ANY] -> INT;
    202 DYNPTR_WRITE bpf_dynptr_write (5, 19) any [DYNPTR, ANY, MEM_R, SIZE0, ANY] -> INT;
    203 DYNPTR_DATA bpf_dynptr_data (5, 19) any [DYNPTR, ANY, ALLOC] -> DYNMEM0;
    204 TCP_RAW_GEN_SYNCOOKIE_IPV4 bpf_tcp_raw_gen_syncookie_ipv4 (6, 0) gpl [fixed_r(20), MEM, SIZE0] -> INT;
    205 TCP_RAW_GEN_SYNCOOKIE_IPV6 bpf_tcp_raw_gen_syncookie_ipv6 (6, 0) gpl [fixed_r(40), MEM, SIZE0] -> INT;
    206 TCP_RAW_CHECK_SYNCOOKIE_IPV4 bpf_tcp_raw_check_syncookie_ipv4 (6, 0) gpl [fixed_r(20), fixed_r(20)] -> INT;
    207 TCP_RAW_CHECK_SYNCOOKIE_IPV6 bpf_tcp_raw_check_syncookie_ipv6 (6, 0) gpl [fixed_r(40), fixed_r(20)] -> INT;
    208 KTIME_GET_TAI_NS bpf_ktime_get_tai_ns (6, 1) any [] -> INT;
    209 USER_RINGBUF_DRAIN bpf_user_ringbuf_drain (6, 1) any [MAP, FUNC, STACK0, ANY] -> INT;
    210 CGRP_STORAGE_GET bpf_cgrp_storage_get (6, 2) any [MAP, BTF0, VALUE0, ANY] -> VALUE0;
    211 CGRP_STORAGE_DELETE bpf_cgrp_storage_delete (6, 2) any [MAP, BTF0] -> INT;
}
