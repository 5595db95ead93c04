//! Any script: the whole way to an object must end without a panic. What has no error must compile.
//!
//! `cargo +nightly fuzz run check -- -dict=fuzz/parse.dict`, with `crates/trace/tests/check` as a good first corpus.

#![no_main]

use std::sync::LazyLock;

use host::FakeHost;
use libfuzzer_sys::fuzz_target;
use skep_trace::check::{Options, check, dump};
use skep_trace::host::Host as _;
use skep_trace::syntax::{decode_source, parse, render};

#[path = "../../crates/trace/tests/check/host.rs"]
mod host;

static HOST: LazyLock<FakeHost> = LazyLock::new(|| FakeHost::new("6.18"));

fuzz_target!(|data: &[u8]| {
    let Ok(source) = decode_source(data.to_vec()) else { return };
    let params = vec!["7".to_string(), "text".to_string()];
    let (script, diags) = parse(&source, &params);
    let options = Options { params, unsafe_mode: data.len() % 2 == 0, ..Options::default() };
    let (result, found) = check(&script, &*HOST, &options);
    let _ = render(&found, "fuzz", &source, false);
    assert_eq!(result.is_none(), found.has_errors());
    let Some((hir, mut plan)) = result else { return };
    let _ = dump(&hir, &plan);
    if diags.has_errors() {
        return;
    }
    let target = HOST.target();
    let lowered = skep_trace::lower::lower(&hir, &mut plan, target, 4, "fuzz", &source);
    let Ok(module) = lowered else { return };
    if let Err(e) = skep_codegen::compile(&module, target) {
        assert!(!matches!(e, skep_codegen::Error::Invalid { .. }), "{e}");
    }
});
