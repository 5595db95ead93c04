//! The structs that bpf(2) takes, one for each command: `union bpf_attr` of `include/uapi/linux/bpf.h` (Linux 6.18).
//!
//! A struct may be shorter than the kernel's (what is missing counts as zero) and longer than an old kernel's, as long as what
//! that kernel does not know is zero (otherwise: `E2BIG`). Pointers are `u64`s, as in the UAPI; `bpf` fills them from slices.
//! Sizes and offsets are asserted against the UAPI when this is compiled.

use std::mem::{offset_of, size_of};

/// A struct that the kernel reads (and partly writes) as `union bpf_attr`: all integers, without padding.
///
/// Implemented only here, for the structs whose sizes are asserted below.
pub(crate) trait Attr: Copy + private::Sealed {}

mod private {
    pub(crate) trait Sealed {}
}

macro_rules! attrs {
    ($($name:ident: $size:literal { $($field:ident: $type:ty),* $(,)? })*) => {$(
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct $name { $(pub(crate) $field: $type),* }
        impl private::Sealed for $name {}
        impl Attr for $name {}
        // Its fields' sizes add up to its own, so that no padding goes to the kernel uninitialised.
        const _: () = assert!(size_of::<$name>() == $size && 0 $(+ size_of::<$type>())* == $size);
    )*};
}

attrs! {
    MapCreate: 72 {
        map_type: u32, key_size: u32, value_size: u32, max_entries: u32, map_flags: u32, inner_map_fd: u32, numa_node: u32,
        map_name: [u8; 16],
        map_ifindex: u32, btf_fd: u32, btf_key_type_id: u32, btf_value_type_id: u32, btf_vmlinux_value_type_id: u32,
        map_extra: u64,
    }
    MapElem: 32 { map_fd: u32, pad: u32, key: u64, value: u64, flags: u64 }
    MapBatch: 56 {
        in_batch: u64, out_batch: u64, keys: u64, values: u64, count: u32, map_fd: u32, elem_flags: u64, flags: u64,
    }
    ProgLoad: 152 {
        prog_type: u32, insn_cnt: u32, insns: u64, license: u64,
        log_level: u32, log_size: u32, log_buf: u64,
        kern_version: u32, prog_flags: u32, prog_name: [u8; 16],
        prog_ifindex: u32, expected_attach_type: u32, prog_btf_fd: u32,
        func_info_rec_size: u32, func_info: u64, func_info_cnt: u32,
        line_info_rec_size: u32, line_info: u64, line_info_cnt: u32,
        attach_btf_id: u32, attach_prog_fd: u32, core_relo_cnt: u32, fd_array: u64, core_relos: u64, core_relo_rec_size: u32,
        log_true_size: u32, prog_token_fd: i32, fd_array_cnt: u32,
    }
    BtfLoad: 40 {
        btf: u64, btf_log_buf: u64, btf_size: u32, btf_log_size: u32, btf_log_level: u32, btf_log_true_size: u32,
        btf_flags: u32, btf_token_fd: i32,
    }
    LinkPerf: 24 { prog_fd: u32, target_fd: u32, attach_type: u32, flags: u32, bpf_cookie: u64 }
    LinkKprobeMulti: 48 {
        prog_fd: u32, target_fd: u32, attach_type: u32, flags: u32,
        multi_flags: u32, cnt: u32, syms: u64, addrs: u64, cookies: u64,
    }
    LinkUprobeMulti: 64 {
        prog_fd: u32, target_fd: u32, attach_type: u32, flags: u32,
        path: u64, offsets: u64, ref_ctr_offsets: u64, cookies: u64, cnt: u32, multi_flags: u32, pid: u32, pad: u32,
    }
    RawTracepointOpen: 24 { name: u64, prog_fd: u32, pad: u32, cookie: u64 }
    TestRun: 80 {
        prog_fd: u32, retval: u32, data_size_in: u32, data_size_out: u32, data_in: u64, data_out: u64,
        repeat: u32, duration: u32, ctx_size_in: u32, ctx_size_out: u32, ctx_in: u64, ctx_out: u64,
        flags: u32, cpu: u32, batch_size: u32, pad: u32,
    }
    InfoByFd: 16 { bpf_fd: u32, info_len: u32, info: u64 }
    EnableStats: 4 { kind: u32 }
    Freeze: 4 { map_fd: u32 }
    ProgInfo: 232 {
        kind: u32, id: u32, tag: [u8; 8], jited_prog_len: u32, xlated_prog_len: u32, jited_prog_insns: u64, xlated_prog_insns: u64,
        load_time: u64, created_by_uid: u32, nr_map_ids: u32, map_ids: u64, name: [u8; 16], ifindex: u32, bits: u32,
        netns_dev: u64, netns_ino: u64, nr_jited_ksyms: u32, nr_jited_func_lens: u32, jited_ksyms: u64, jited_func_lens: u64,
        btf_id: u32, func_info_rec_size: u32, func_info: u64, nr_func_info: u32, nr_line_info: u32, line_info: u64,
        jited_line_info: u64, nr_jited_line_info: u32, line_info_rec_size: u32, jited_line_info_rec_size: u32, nr_prog_tags: u32,
        prog_tags: u64, run_time_ns: u64, run_cnt: u64, recursion_misses: u64, verified_insns: u32, attach_btf_obj_id: u32,
        attach_btf_id: u32, pad: u32,
    }
}

const _: () = {
    assert!(offset_of!(MapCreate, map_name) == 28 && offset_of!(MapCreate, map_extra) == 64);
    assert!(offset_of!(ProgLoad, prog_name) == 48 && offset_of!(ProgLoad, func_info) == 80);
    assert!(offset_of!(ProgLoad, line_info) == 96 && offset_of!(ProgLoad, attach_btf_id) == 108);
    assert!(offset_of!(ProgLoad, fd_array) == 120 && offset_of!(ProgLoad, prog_token_fd) == 144);
    assert!(offset_of!(LinkPerf, bpf_cookie) == 16 && offset_of!(LinkUprobeMulti, cnt) == 48);
    assert!(
        offset_of!(LinkKprobeMulti, syms) == 24
            && offset_of!(TestRun, ctx_in) == 48
            && offset_of!(TestRun, flags) == 64
    );
    assert!(
        offset_of!(ProgInfo, name) == 64
            && offset_of!(ProgInfo, btf_id) == 128
            && offset_of!(ProgInfo, run_time_ns) == 192
    );
};
