//! A machine of text: a few tracepoints, a small BTF, some symbols.

use std::path::{Path, PathBuf};

use skep_abi::{Feature, Target};
use skep_btf::{Btf, BtfBuilder, Enumerator, IntEncoding, Linkage, Member, Param, TypeId};
use skep_engine::{Attach, Error, ErrorKind};
use skep_trace::host::{Host, UserFunction};

const TRACEPOINTS: &[(&str, &str, &str)] = &[
    (
        "syscalls",
        "sys_enter_openat",
        "field:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
         field:int dfd;\toffset:16;\tsize:8;\tsigned:0;
         field:const char * filename;\toffset:24;\tsize:8;\tsigned:0;
         field:int flags;\toffset:32;\tsize:8;\tsigned:0;
         field:umode_t mode;\toffset:40;\tsize:8;\tsigned:0;",
    ),
    (
        "syscalls",
        "sys_enter_open",
        "field:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
         field:const char * filename;\toffset:16;\tsize:8;\tsigned:0;
         field:int flags;\toffset:24;\tsize:8;\tsigned:0;
         field:umode_t mode;\toffset:32;\tsize:8;\tsigned:0;",
    ),
    (
        "syscalls",
        "sys_enter_execve",
        "field:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
         field:const char * filename;\toffset:16;\tsize:8;\tsigned:0;
         field:const char *const * argv;\toffset:24;\tsize:8;\tsigned:0;",
    ),
    (
        "syscalls",
        "sys_exit_read",
        "field:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
         field:long ret;\toffset:16;\tsize:8;\tsigned:1;",
    ),
    (
        "raw_syscalls",
        "sys_enter",
        "field:long id;\toffset:8;\tsize:8;\tsigned:1;
         field:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;",
    ),
    (
        "sched",
        "sched_switch",
        "field:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
         field:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;
         field:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;
         field:long prev_state;\toffset:32;\tsize:8;\tsigned:1;
         field:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;
         field:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;",
    ),
    (
        "block",
        "block_rq_issue",
        "field:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;
         field:sector_t sector;\toffset:16;\tsize:8;\tsigned:0;
         field:unsigned int bytes;\toffset:28;\tsize:4;\tsigned:0;
         field:char rwbs[10];\toffset:34;\tsize:10;\tsigned:0;
         field:__data_loc char[] cmd;\toffset:60;\tsize:4;\tsigned:0;",
    ),
    (
        "tcp",
        "tcp_probe",
        "field:__u8 saddr[4];\toffset:8;\tsize:4;\tsigned:0;
         field:__u8 saddr_v6[16];\toffset:12;\tsize:16;\tsigned:0;
         field:struct task_struct * task;\toffset:32;\tsize:8;\tsigned:0;
         field:enum state state;\toffset:40;\tsize:4;\tsigned:0;",
    ),
];

const FUNCTIONS: &[(&str, u64)] =
    &[("main", 0x100), ("malloc", 0x200), ("malloc_usable_size", 0x300), ("_ZN3App3runEi", 0x400)];

pub(crate) struct FakeHost {
    target: Target,
    btf: Btf,
}

impl FakeHost {
    pub(crate) fn new(version: &str) -> Self {
        let target = Target::linux(version.parse().unwrap());
        // As on a kernel without kprobes for its functions in modules: one thing is missing.
        FakeHost { target: target.without(Feature::KprobeMulti), btf: btf() }
    }
}

fn member(name: &'static str, type_id: TypeId, byte: u32) -> Member<'static> {
    Member { name, type_id, bit_offset: byte * 8, bitfield_size: None }
}

fn btf() -> Btf {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntEncoding::Signed);
    let char = b.add_int("char", 1, IntEncoding::Signed);
    let ulong = b.add_int("long unsigned int", 8, IntEncoding::Unsigned);
    let uint = b.add_int("unsigned int", 4, IntEncoding::Unsigned);
    let u8 = b.add_int("unsigned char", 1, IntEncoding::Unsigned);
    b.add_typedef("__kernel_dev_t", uint);
    let comm = b.add_array(char, int, 16);
    let raw = b.add_array(u8, int, 8);
    let flexible = b.add_array(ulong, int, 0);
    let mm = b.add_struct(
        "mm_struct",
        24,
        &[
            member("arg_start", ulong, 0),
            member("arg_end", ulong, 8),
            member("cpu_bitmap", flexible, 24),
        ],
    );
    let mm_ptr = b.add_ptr(mm);
    let user_char = b.add_type_tag("user", char);
    let user_str = b.add_ptr(user_char);
    let inner = b.add_union("", 8, &[member("cookie", ulong, 0), member("half", uint, 0)]);
    let task = b.next_id();
    let task_ptr = TypeId(task.0 + 1);
    let bit = |name, bit_offset, bits| Member {
        name,
        type_id: uint,
        bit_offset,
        bitfield_size: Some(bits),
    };
    b.add_struct(
        "task_struct",
        96,
        &[
            member("pid", int, 0),
            member("comm", comm, 4),
            bit("in_execve", 160, 1),
            bit("in_iowait", 161, 3),
            member("mm", mm_ptr, 24),
            member("real_parent", task_ptr, 32),
            member("", inner, 40),
            member("raw", raw, 48),
            member("name", user_str, 56),
            member("embedded", mm, 64),
        ],
    );
    assert_eq!(b.add_ptr(task), task_ptr);
    let e = |name, value| Enumerator { name, value };
    b.add_enum("state", 4, false, &[e("TASK_RUNNING", 0), e("TASK_DEAD", 64)]);
    let void_ptr = b.add_ptr(TypeId::VOID);
    let p = |name, type_id| Param { name, type_id };
    let proto = b.add_func_proto(
        TypeId::VOID,
        &[p("__data", void_ptr), p("prev", task_ptr), p("count", uint)],
        false,
    );
    let proto_ptr = b.add_ptr(proto);
    b.add_typedef("btf_trace_sched_wakeup", proto_ptr);
    b.add_func("__probestub_sched_wakeup", proto, Linkage::Static);
    Btf::parse(b.finish().unwrap(), None).unwrap()
}

fn error(kind: ErrorKind, context: &str) -> Error {
    Error { kind, context: context.into(), errno: None }
}

impl Host for FakeHost {
    fn target(&self) -> &Target {
        &self.target
    }
    fn btf(&self) -> Option<&Btf> {
        Some(&self.btf)
    }
    fn tracepoint_format(&self, category: &str, name: &str) -> Result<String, Error> {
        let found = TRACEPOINTS.iter().find(|t| t.0 == category && t.1 == name);
        found.map(|t| t.2.to_owned()).ok_or_else(|| error(ErrorKind::NotFound, name))
    }
    fn tracepoints(&self) -> Result<Vec<(String, String)>, Error> {
        Ok(TRACEPOINTS.iter().map(|t| (t.0.to_owned(), t.1.to_owned())).collect())
    }
    fn raw_tracepoints(&self) -> Result<Vec<String>, Error> {
        Ok(vec!["sched_switch".into(), "sched_wakeup".into()])
    }
    fn kernel_functions(&self) -> Result<Vec<(String, String)>, Error> {
        let all = [("vmlinux", "vfs_read"), ("vmlinux", "vfs_write"), ("kvm", "kvm_exit")];
        Ok(all.iter().map(|f| (f.0.into(), f.1.into())).collect())
    }
    fn kernel_symbol(&self, name: &str) -> Option<u64> {
        matches!(name, "vfs_read" | "vfs_write" | "kvm_exit" | "jiffies")
            .then_some(0xffff_ffff_8100_0000)
    }
    fn binaries(&self, spec: &str, _pid: Option<i32>) -> Result<Vec<PathBuf>, Error> {
        Ok(match spec {
            "/bin/app" | "app" | "/proc/7/exe" => vec!["/bin/app".into()],
            "/lib/*" => vec!["/lib/a.so".into(), "/lib/b.so".into()],
            _ => Vec::new(),
        })
    }
    fn user_functions(&self, _path: &Path) -> Result<Vec<UserFunction>, Error> {
        let all = FUNCTIONS.iter().map(|(name, offset)| UserFunction {
            name: (*name).into(),
            address: offset + 0x1000,
            offset: *offset,
            size: 16,
        });
        Ok(all.collect())
    }
    fn user_symbol(&self, path: &Path, name: &str) -> Result<Option<UserFunction>, Error> {
        Ok(self.user_functions(path)?.into_iter().find(|f| f.name == name))
    }
    fn file_offset(&self, _path: &Path, address: u64) -> Result<Option<u64>, Error> {
        Ok((0x1000..0x2000).contains(&address).then(|| address - 0x1000))
    }
    fn cgroup_id(&self, path: &str) -> Result<u64, Error> {
        if path == "/sys/fs/cgroup/a" { Ok(77) } else { Err(error(ErrorKind::NotFound, path)) }
    }
    fn possible_cpus(&self) -> u32 {
        4
    }
    fn check_attach(&self, attach: &Attach) -> Result<(), Error> {
        match attach {
            Attach::Perf(event) if event.kind == skep_abi::perf::PERF_TYPE_HARDWARE => Err(error(
                ErrorKind::Unsupported {
                    feature: "hardware counters".into(),
                    needs: "a PMU that the guest can see".into(),
                    instead: "use software:cpu-clock".into(),
                },
                "check",
            )),
            _ => Ok(()),
        }
    }
}
