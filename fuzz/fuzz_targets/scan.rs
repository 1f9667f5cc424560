//! Fuzzes the compiler of the dialect `tiny` with arbitrary bytes: each input compiles or is rejected with diagnostics, and the crate
//! `tinytemplate` never rejects an input that the scanner has accepted.
//!
//! `cargo +nightly fuzz run scan fuzz/corpus/scan fuzz/seeds/scan`
#![no_main]

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Dialect, tiny::Tiny};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match Tiny.compile(&text, &Limits::default()) {
        Ok(unit) => {
            assert_eq!(unit.text(), text);
            for warning in unit.warnings() {
                let _ = warning.to_string();
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= Limits::default().source_diagnostics);
            for fault in faults {
                assert_ne!(fault.code, "judge-disagrees", "{fault}");
                assert!(fault.span.is_some() && fault.help.is_some(), "{fault}");
                assert!(!fault.to_string().is_empty());
            }
        }
    }
});
