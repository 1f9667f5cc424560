//! Fuzzes the execution of the dialect `jinja`: the bytes select a set of templates and a context, and the output has to equal that of
//! minijinja.
//!
//! `cargo +nightly fuzz run jinja_execute fuzz/corpus/jinja_execute fuzz/seeds/jinja_execute`
#![no_main]

#[path = "../../actors/tests/it/generator.rs"]
#[allow(dead_code, reason = "its templates are those of the other dialect")]
mod generator;
#[path = "../../actors/tests/it/set.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod set;

#[path = "."]
mod jinja {
    #[path = "../../actors/tests/it/jinja/generator.rs"]
    pub(crate) mod generator;
    #[path = "../../actors/tests/it/jinja/judge.rs"]
    #[allow(dead_code, reason = "tests use more of it")]
    pub(crate) mod judge;
}

use generator::Choices;
use jinja::generator::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let case = Case::choose(&mut Choices::of_bytes(bytes));
    if let Err(difference) = jinja::judge::compare(&case) {
        panic!("{difference}\n{case:#?}");
    }
});
