//! Any bytes: decoding and parsing must end without a panic, and a script without errors must print to one with the same tree.
//!
//! `cargo +nightly fuzz run parse -- -dict=fuzz/parse.dict`, with `crates/trace/tests/syntax` and `tools` as a good first corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_trace::syntax::print::dump;
use skep_trace::syntax::{decode_source, parse, render};

fuzz_target!(|data: &[u8]| {
    let Ok(source) = decode_source(data.to_vec()) else { return };
    let params = ["vfs_read".to_string(), "a:b".to_string()];
    let (script, diags) = parse(&source, &params);
    let _ = render(&diags, "fuzz", &source, data.len() % 2 == 0);
    let printed = script.to_string();
    if !diags.is_empty() {
        return;
    }
    let (again, errors) = parse(&printed, &[]);
    // The brackets that printing adds may be one level too many.
    if errors.iter().any(|d| d.message.contains("nested too deeply")) {
        return;
    }
    assert!(errors.is_empty(), "{}", render(&errors, "printed", &printed, false));
    assert_eq!(dump(&script), dump(&again), "{printed}");
});
