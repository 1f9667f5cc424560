//! Fuzzes the compiler of the dialect `jinja` with arbitrary bytes: each input compiles or is rejected with diagnostics.
//!
//! `cargo +nightly fuzz run jinja fuzz/corpus/jinja`
#![no_main]

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, jinja::Jinja};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match Jinja.compile(&text, &Limits::default()) {
        Ok(unit) => {
            assert_eq!(unit.text(), text);
            for warning in unit.warnings() {
                let _ = warning.to_string();
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= Limits::default().source_diagnostics);
            for fault in faults {
                assert!(fault.span.is_some(), "{fault}");
                assert!(!fault.to_string().is_empty());
            }
        }
    }
});
