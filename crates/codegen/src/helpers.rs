//! What the passes may know about helpers.

use skep_abi::Helper;

/// Helpers whose answer does not change during one run of a program: the task, the CPU (programs do not migrate), the
/// cgroup and what the attach point gives.
const CONSTANT: &[Helper] = &[
    Helper::GET_SMP_PROCESSOR_ID,
    Helper::GET_CURRENT_PID_TGID,
    Helper::GET_CURRENT_UID_GID,
    Helper::GET_CURRENT_TASK,
    Helper::GET_CURRENT_TASK_BTF,
    Helper::GET_NUMA_NODE_ID,
    Helper::GET_CURRENT_CGROUP_ID,
    Helper::GET_FUNC_IP,
    Helper::GET_ATTACH_COOKIE,
];

/// Helpers that change nothing, though the next call may answer something else.
const READONLY: &[Helper] = &[
    Helper::KTIME_GET_NS,
    Helper::KTIME_GET_BOOT_NS,
    Helper::KTIME_GET_COARSE_NS,
    Helper::KTIME_GET_TAI_NS,
    Helper::GET_PRANDOM_U32,
    Helper::JIFFIES64,
];

fn is_in(list: &[Helper], helper: u32) -> bool {
    Helper::from_raw(helper).is_some_and(|h| list.contains(&h))
}

/// Whether two calls with the same arguments in one run give the same.
pub(crate) fn is_constant(helper: u32) -> bool {
    is_in(CONSTANT, helper)
}

/// Whether a call whose result is unused can go.
pub(crate) fn is_readonly(helper: u32) -> bool {
    is_constant(helper) || is_in(READONLY, helper)
}

/// Whether it returns a pointer, which mostly is not null: what follows the null is laid out away from the main path.
pub(crate) fn is_seldom_null(helper: u32) -> bool {
    Helper::from_raw(helper).is_some_and(|h| h.ret().nullable)
}
