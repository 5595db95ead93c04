//! What the passes may know about helpers (numbers of `enum bpf_func_id` in `include/uapi/linux/bpf.h`).

/// Helpers whose answer does not change during one run of a program: the task, the CPU (programs do not migrate), the
/// cgroup and what the attach point gives.
const CONSTANT: &[u32] = &[
    8,   // get_smp_processor_id
    14,  // get_current_pid_tgid
    15,  // get_current_uid_gid
    35,  // get_current_task
    42,  // get_numa_node_id
    80,  // get_current_cgroup_id
    158, // get_current_task_btf
    173, // get_func_ip
    174, // get_attach_cookie
];

/// Helpers that change nothing, though the next call may answer something else.
const READONLY: &[u32] = &[
    5,   // ktime_get_ns
    7,   // get_prandom_u32
    118, // jiffies64
    125, // ktime_get_boot_ns
    160, // ktime_get_coarse_ns
    208, // ktime_get_tai_ns
];

/// Helpers that return a pointer which rarely is null: what follows the null is laid out away from the main path.
const SELDOM_NULL: &[u32] = &[
    1,   // map_lookup_elem
    107, // sk_storage_get
    131, // ringbuf_reserve
    145, // inode_storage_get
    153, // per_cpu_ptr
    156, // task_storage_get
    195, // map_lookup_percpu_elem
    210, // cgrp_storage_get
];

/// Whether two calls with the same arguments in one run give the same.
pub(crate) fn is_constant(helper: u32) -> bool {
    CONSTANT.contains(&helper)
}

/// Whether a call whose result is unused can go.
pub(crate) fn is_readonly(helper: u32) -> bool {
    is_constant(helper) || READONLY.contains(&helper)
}

/// Whether a null result is the exception.
pub(crate) fn is_seldom_null(helper: u32) -> bool {
    SELDOM_NULL.contains(&helper)
}
