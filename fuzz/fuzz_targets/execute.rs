//! Fuzzes the execution of the dialect `tiny`: the bytes select templates and a context, and the output has to equal that of the crate
//! `tinytemplate`.
//!
//! `cargo +nightly fuzz run execute fuzz/corpus/execute fuzz/seeds/execute`
#![no_main]

#[path = "../../actors/tests/it/against_the_crate.rs"]
mod against_the_crate;
#[path = "../../actors/tests/it/generator.rs"]
mod generator;
#[path = "../../actors/tests/it/set.rs"]
mod set;

use generator::{Case, Choices};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let case = Case::choose(&mut Choices::of_bytes(bytes));
    if let Err(difference) = against_the_crate::compare(&case) {
        panic!("{difference}\n{case:#?}");
    }
});
