//! From the typed tree to programs: what the IR computes, and that the kernel takes it.

#[path = "lower/constructs.rs"]
mod constructs;
#[path = "lower/machine.rs"]
mod machine;
#[path = "lower/make.rs"]
mod make;
#[path = "lower/meaning.rs"]
mod meaning;

use make::Script;
use skep_abi::{Feature, Helper, Target};
use skep_codegen::ir::Module;
use skep_kernel::Kernel;

fn newest() -> Target {
    Target::linux("6.18".parse().unwrap())
}

fn lower(script: &mut Script, target: &Target) -> Module {
    let Script { hir, plan } = script;
    skep_trace::lower::lower(hir, plan, target, 2, "test.bt", "x").unwrap()
}

#[test]
fn every_construct_compiles_for_new_and_old_kernels() {
    let old = newest()
        .without(Feature::MayGoto)
        .without(Feature::OpenCodedIter)
        .without(Feature::Ringbuf)
        .without(Feature::AtomicFetch)
        .without(Feature::IsaV4)
        .without(Helper::MAP_LOOKUP_PERCPU_ELEM)
        .without(Helper::KTIME_GET_BOOT_NS);
    for target in [newest(), old] {
        for (name, script) in constructs::all() {
            let module = lower(&mut script.clone(), &target);
            skep_codegen::compile(&module, &target).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn the_ring_is_as_large_as_what_can_be_sent_before_it_is_read() {
    use make::*;
    use skep_trace::hir::{StmtKind, VarId};
    use skep_trace::plan::{Action, RunKind};
    let print = || Action::Time(String::new());
    let looped = |body| {
        let end = int(5);
        vec![st(StmtKind::ForRange { var: VarId(0), start: int(0), end, body })]
    };
    let attached = make::script(&[], vec![]).plan.groups[0].run.clone();
    for (action, run, in_loop, kilobytes) in [
        (print(), RunKind::Begin, false, 512),
        (print(), RunKind::Begin, true, 16 << 10),
        (print(), RunKind::Interval(1), true, 16 << 10),
        (print(), attached.clone(), true, 8 << 10),
        (Action::Exit, attached, false, 512),
        (Action::Exit, RunKind::End, true, 512),
    ] {
        let sends = vec![emit(0, vec![])];
        let body = if in_loop { looped(sends) } else { sends };
        let name = format!("{action:?} {run:?} {in_loop}");
        let mut script = make::script(&[skep_trace::types::Type::I64], body).action(action);
        script.plan.groups[0].run = run;
        let module = lower(&mut script, &newest());
        let ring = module.maps.iter().find(|m| m.kind == skep_abi::MapType::Ringbuf).unwrap();
        assert_eq!(ring.max_entries, kilobytes << 10, "{name}");
    }
}

#[test]
fn the_kernel_takes_every_construct() {
    let Some(kernel) = kernel("constructs") else { return };
    let mut refused = Vec::new();
    let only = std::env::var("SKEP_ONLY").ok();
    for (name, script) in constructs::all() {
        if only.as_deref().is_some_and(|o| o != name) {
            continue;
        }
        refused.extend(load(&kernel, name, &mut script.clone()));
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// What the kernel says against it.
fn load(kernel: &Kernel, name: &str, script: &mut Script) -> Option<String> {
    let target = skep_engine::Engine::target(kernel);
    let module = lower(script, target);
    let object = skep_codegen::compile(&module, target).unwrap();
    let e = kernel.load_object(&object).err()?;
    if let skep_engine::ErrorKind::Rejected { log, .. } = &e.kind {
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        println!("{name}:\n{}\n", tail.join("\n"));
    }
    Some(format!("{name}: {e}"))
}

/// Programs of user functions claim a region of scratch memory, and give it back at each of their ends.
#[test]
fn the_kernel_takes_every_construct_in_user_functions() {
    let Some(kernel) = kernel("constructs in user functions") else { return };
    let mut refused = Vec::new();
    for (name, script) in constructs::all() {
        let path = std::path::PathBuf::from("/bin/true");
        let sites = vec![skep_engine::UserSite { offset: 0, cookie: 0 }];
        let run = skep_engine::Attach::Uprobes { ret: false, path, pid: None, sites };
        let mut script = script.kind(skep_abi::ProgType::Kprobe);
        script.plan.groups[0].run = skep_trace::plan::RunKind::Attach(run);
        refused.extend(load(&kernel, name, &mut script));
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn what_a_target_lacks_is_named() {
    for (name, lacks, expected) in [
        ("over a map", Helper::FOR_EACH_MAP_ELEM, "loops over maps are not possible"),
        ("length", Helper::FOR_EACH_MAP_ELEM, "loops over maps are not possible"),
        ("jiffies", Helper::JIFFIES64, "`jiffies` cannot be had"),
    ] {
        let (_, script) = constructs::all().into_iter().find(|s| s.0 == name).unwrap();
        let Script { hir, mut plan } = script;
        let target = newest().without(lacks);
        let error = skep_trace::lower::lower(&hir, &mut plan, &target, 2, "t.bt", "x").unwrap_err();
        assert!(error.message.starts_with(expected), "{error}");
        assert!(error.message.contains(lacks.name()), "{error}");
    }
}

fn kernel(what: &str) -> Option<Kernel> {
    let kernel = Kernel::new().ok()?;
    match kernel.enable_stats() {
        Ok(_) => Some(kernel),
        Err(_) if std::env::var_os("SKEP_TEST_KERNEL").is_none_or(|v| v != "1") => {
            println!("skipped: {what}: no privilege to use bpf(2)");
            None
        }
        Err(e) => panic!("{what}: {e}"),
    }
}
