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
fn the_kernel_takes_every_construct() {
    let Some(kernel) = kernel("constructs") else { return };
    let mut refused = Vec::new();
    let only = std::env::var("SKEP_ONLY").ok();
    for (name, script) in constructs::all() {
        if only.as_deref().is_some_and(|o| o != name) {
            continue;
        }
        let target = skep_engine::Engine::target(&kernel);
        let module = lower(&mut script.clone(), target);
        let object = skep_codegen::compile(&module, target).unwrap();
        if let Err(e) = kernel.load_object(&object) {
            if let skep_engine::ErrorKind::Rejected { log, .. } = &e.kind {
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                println!("{name}:\n{}\n", tail.join("\n"));
            }
            refused.push(format!("{name}: {e}"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
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
