//! Fuzzes the dialect `jinja` with arbitrary bytes: each input compiles or is rejected with diagnostics, and what compiles is rendered within
//! its limits, whatever it is.
//!
//! `cargo +nightly fuzz run jinja fuzz/corpus/jinja fuzz/seeds/jinja`
#![no_main]

#[path = "../../actors/tests/it/jinja/arbitrary.rs"]
mod arbitrary;
#[path = "../../actors/tests/it/set.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod set;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| arbitrary::check(&String::from_utf8_lossy(bytes)));
