//! Fuzzes the compiler of the dialect `tiny` with arbitrary bytes: each input compiles or is rejected with diagnostics, and the crate
//! `tinytemplate` never rejects an input that the scanner has accepted.
//!
//! `cargo +nightly fuzz run scan fuzz/corpus/scan fuzz/seeds/scan`
#![no_main]

#[path = "../../actors/tests/it/arbitrary.rs"]
mod arbitrary;
#[path = "../../actors/tests/it/set.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod set;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| arbitrary::check(&String::from_utf8_lossy(bytes)));
