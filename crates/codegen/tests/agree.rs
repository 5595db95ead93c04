//! IR, optimised IR and emitted instructions must do the same.

mod support;

use proptest::prelude::*;
use skep_abi::{Feature, Target, Version};
use skep_codegen::ir::Module;
use skep_codegen::{Error, compile, compile_as_is, optimize_module, parse, validate_module};
use support::{bpf, generate, ir};

fn check(module: &Module) {
    validate_module(module).expect("the generator makes valid modules");
    let expected = ir::run(module, 0);

    let mut optimised = module.clone();
    optimize_module(&mut optimised);
    validate_module(&optimised).unwrap_or_else(|e| panic!("{e}\n{optimised}"));
    if expected.is_some() {
        assert_eq!(ir::run(&optimised, 0), expected, "optimised:\n{optimised}");
    }

    let new = Target::linux(Version::new(6, 18));
    let old = new.clone().without(Feature::IsaV4);
    for target in [&new, &old] {
        for compile in [compile, compile_as_is] {
            match compile(module, target) {
                // What does not end for the judge must compile all the same.
                Ok(object) if expected.is_some() => {
                    assert_eq!(bpf::run(&object, 0), expected, "{module}");
                }
                Ok(_) => {}
                Err(Error::Frame { .. }) => {}
                Err(e) => panic!("{e}\n{module}"),
            }
        }
    }
}

fn cases(n: u32) -> ProptestConfig {
    // `PROPTEST_CASES` asks for more.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(n);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn random_programs_do_the_same_at_every_stage(seed in prop::collection::vec(any::<u32>(), 0..700)) {
        check(&generate::module(&seed, true));
    }

    #[test]
    fn tangled_graphs_do_the_same_at_every_stage(seed in prop::collection::vec(any::<u32>(), 0..120)) {
        check(&generate::tangle(&seed));
    }

    #[test]
    fn the_text_form_reads_back(seed in prop::collection::vec(any::<u32>(), 0..300)) {
        let text = generate::module(&seed, true).to_string();
        let again = parse(&text).unwrap().to_string();
        prop_assert_eq!(text, again);
    }

    #[test]
    fn reading_and_checking_never_panic(
        seed in prop::collection::vec(any::<u32>(), 0..100),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\n]{0,3}"), 1..6),
    ) {
        let mut text = generate::module(&seed, true).to_string();
        for (at, new) in cuts {
            let at = at.index(text.len());
            text.replace_range(at..(at + 1).min(text.len()), &new);
        }
        if let Ok(module) = parse(&text) {
            let _ = compile(&module, &Target::linux(Version::new(6, 18)));
        }
    }
}
