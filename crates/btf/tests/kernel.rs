//! The running kernel's own BTF, where it has one. Facts checked against `bpftool btf dump`.

use skep_btf::{Btf, Kind, Type};

const PATH: &str = "/sys/kernel/btf/vmlinux";

fn vmlinux() -> Option<Btf> {
    match std::fs::read(PATH) {
        Ok(bytes) => Some(Btf::parse(bytes, None).expect("the kernel's BTF is sound")),
        Err(error) => skip(&format!("{PATH}: {error}")),
    }
}

fn skip<T>(why: &str) -> Option<T> {
    println!("skipped: {why}");
    assert_ne!(std::env::var("SKEP_TEST_KERNEL").as_deref(), Ok("1"), "a skip is a failure");
    None
}

#[test]
fn the_fields_of_a_task_are_found() {
    let Some(btf) = vmlinux() else { return };
    let task = btf.find_struct_or_union("task_struct").unwrap();
    for (name, expected) in [
        ("comm", "char[16]"),
        ("pid", "pid_t"),
        ("mm", "struct mm_struct *"),
        ("real_parent", "struct task_struct *"),
    ] {
        let field = btf.member(task, name).unwrap().expect(name);
        assert_eq!(btf.type_name(field.type_id).unwrap(), expected, "{name}");
    }
    let pid = btf.member(task, "pid").unwrap().unwrap();
    assert_eq!(btf.size_of(pid.type_id), Ok(4));
    let in_execve = btf.member(task, "in_execve").unwrap().unwrap();
    assert_eq!(in_execve.bitfield_size, Some(1));
    // Most of it stands in an anonymous struct.
    let mm = btf.find_struct_or_union("mm_struct").unwrap();
    let arg_start = btf.member(mm, "arg_start").unwrap().unwrap();
    assert_eq!(btf.type_name(arg_start.type_id).unwrap(), "long unsigned int");
}

#[test]
fn raw_tracepoints_have_named_parameters() {
    let Some(btf) = vmlinux() else { return };
    let switch = btf.raw_tracepoint("sched_switch").unwrap();
    let Some(switch) = switch.or_else(|| skip("this kernel has no tracepoints")) else { return };
    let params: Vec<_> = switch.params.iter().map(|param| param.name).collect();
    assert_eq!(params[..3], ["preempt", "prev", "next"]);
    let prev = btf.type_name(switch.params[1].type_id).unwrap();
    assert_eq!(prev, "struct task_struct *");
}

#[test]
fn constants_are_found() {
    let Some(btf) = vmlinux() else { return };
    for (name, value) in [("BPF_PROG_TYPE_KPROBE", 2), ("BPF_MAP_TYPE_HASH", 1), ("PIDTYPE_PID", 0)]
    {
        assert_eq!(btf.find_enumerator(name).map(|(value, _)| value), Some(value), "{name}");
    }
}

#[test]
fn every_type_has_a_name_and_a_size() {
    let Some(btf) = vmlinux() else { return };
    for (id, ty) in btf.types() {
        let name = btf.type_name(id).unwrap_or_else(|error| panic!("{error}"));
        match ty {
            Type::FuncProto(_) | Type::Func { .. } | Type::Fwd { .. } | Type::DeclTag { .. } => {
                assert!(btf.size_of(id).is_err());
            }
            Type::Typedef { .. } | Type::Const(_) | Type::Volatile(_) | Type::TypeTag { .. } => {
                // Of what has a size only: `const void`.
                let inner = btf.resolved(id).unwrap();
                let sized = !matches!(inner, Type::Void | Type::Fwd { .. } | Type::FuncProto(_));
                assert_eq!(btf.size_of(id).is_ok(), sized, "{id} {name}");
            }
            _ => {
                btf.size_of(id).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
        if let Type::Struct(composite) | Type::Union(composite) = ty {
            let text = btf.c_definition(id).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.lines().count() > composite.members().len());
            // An alignment that was asked for can be larger than ours; a smaller size cannot be.
            let align = btf.align_of(id).unwrap();
            assert!(u64::from(composite.size).is_multiple_of(align), "{name}");
        }
    }
}

#[test]
fn names_are_found_in_the_thousands() {
    let Some(btf) = vmlinux() else { return };
    let functions: Vec<_> = btf.names(&[Kind::Func]).collect();
    assert!(functions.len() > 10_000);
    for (_, name) in functions.iter().step_by(97) {
        let found = btf.find_func(name).unwrap().unwrap();
        assert_eq!(found.name, *name);
    }
    let by_name = |name: &str| functions.iter().position(|(_, other)| *other == name).unwrap();
    let read = btf.find_func("vfs_read").unwrap().unwrap();
    assert_eq!(read.id, functions[by_name("vfs_read")].0);
    let text = btf.c_definition(read.id).unwrap();
    assert_eq!(text, "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos);");
}
