//! [`CompileRecorder`]: compile failures by code, and hits of the cache.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity};

/// The number of codes that are counted separately. A dialect of the embedding program may add codes; those beyond count as `other`.
const CODES_MAX: usize = 256;
/// The entry for codes beyond [`CODES_MAX`].
const OTHER: &str = "other";

/// The codes of the dialects `tiny` and `jinja`, of the loaders and of the graph, which have an entry of zero from the start.
const CODES: &[&str] = &[
    "argument-order",
    "arguments",
    "bad-escape",
    "bad-json",
    "bad-name",
    "bad-number",
    "blanks-after-not",
    "block-in-macro",
    "block-in-value",
    "boolean-operator",
    "call-name",
    "dialect-hangs",
    "dialect-panicked",
    "directory",
    "duplicate-block",
    "duplicate-parameter",
    "else-if",
    "empty-comment",
    "empty-formatter",
    "empty-path",
    "empty-step",
    "empty-tag",
    "extends-place",
    "formatter-arguments",
    "judge-disagrees",
    "long-line",
    "misplaced-keyword",
    "missing-as",
    "missing-in",
    "missing-with",
    "no-loop-to-leave",
    "not-a-call",
    "not-a-path",
    "not-a-template",
    "not-compiled",
    "not-prefix",
    "outside-loop",
    "parameter-order",
    "path-too-long",
    "private-name",
    "range-operator",
    "reserved-name",
    "second-else",
    "second-extends",
    "signed-index",
    "statement-in-braces",
    "template-name",
    "too-deep",
    "too-large",
    "too-many-arguments",
    "too-many-formatters",
    "too-many-names",
    "too-many-tags",
    "trailing-backslash",
    "unclosed-block",
    "unclosed-comment",
    "unclosed-string",
    "unclosed-tag",
    "unexpected-character",
    "unexpected-text",
    "unexpected-token",
    "unknown-block",
    "unknown-filter",
    "unknown-formatter",
    "unknown-keyword",
    "unknown-statement",
    "unknown-template",
    "unknown-test",
    "unmatched-else",
    "unmatched-end",
    "unreadable",
    OTHER,
];

/// The codes of faults that the Graph finds, because they depend on other templates. The Compiler does not see these.
const UNRESOLVED: [&str; 2] = ["unknown-template", "unknown-formatter"];

/// The counters of the cache of compiled texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheCounters {
    /// The number of texts that were found in the cache.
    pub hits: u64,
    /// The number of texts that had to be compiled.
    pub misses: u64,
}

/// Counts compilations.
#[derive(Debug)]
pub(crate) struct CompileRecorder {
    /// The failures by code. No render takes this lock.
    failures: Mutex<BTreeMap<&'static str, u64>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Default for CompileRecorder {
    fn default() -> Self {
        Self {
            failures: Mutex::new(CODES.iter().map(|code| (*code, 0)).collect()),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }
}

impl CompileRecorder {
    /// Counts a text that does not compile or cannot be read.
    pub(crate) fn failed(&self, diagnostics: &[Diagnostic]) {
        self.add(diagnostics.iter());
    }

    /// Counts the new diagnostics of a version, except those that the Compiler has counted.
    pub(super) fn unresolved<'d>(&self, diagnostics: impl Iterator<Item = &'d Diagnostic>) {
        self.add(diagnostics.filter(|diagnostic| UNRESOLVED.contains(&diagnostic.code)));
    }

    fn add<'d>(&self, diagnostics: impl Iterator<Item = &'d Diagnostic>) {
        let errors = diagnostics.filter(|diagnostic| diagnostic.severity == Severity::Error);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for diagnostic in errors {
            let known = failures.contains_key(diagnostic.code) || failures.len() < CODES_MAX;
            let code = if known { diagnostic.code } else { OTHER };
            *failures.entry(code).or_default() += 1;
        }
    }

    /// Counts a look-up in the cache.
    pub(crate) fn looked_up(&self, found: bool) {
        let count = if found { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failures(&self) -> BTreeMap<&'static str, u64> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn cache(&self) -> CacheCounters {
        CacheCounters {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "jinja")]
    #[test]
    fn the_codes_of_jinja_are_there_from_the_start() {
        use crate::dialect::{Dialect, jinja::Jinja};
        use crate::limits::Limits;

        let known = CompileRecorder::default().failures();
        for text in [
            "{{ a(b=1, 2) }}",
            "{{ a|upper(1) }}",
            "{{ '\\u12' }}",
            "{{ 1x }}",
            "{% macro a() %}{% block b %}{% endblock %}{% endmacro %}",
            "{% block a %}{% endblock %}{% block a %}{% endblock %}",
            "{% macro a(b, b) %}{% endmacro %}",
            "{% if a %}{% extends 'b' %}{% endif %}{% with a = 1 %}{% extends 'b' %}{% endwith %}",
            "{% break %}",
            "{% do a %}",
            "{% macro a(b=1, c) %}{% endmacro %}",
            "{% from 'a' import _b %}",
            "{{ 1..2 }}",
            "{% set loop = 1 %}",
            "{% extends 'a' %}{% extends 'b' %}",
            "{{ endif }}",
            "{% include '../a' %}",
            "{# a",
            "{{ 'a",
            "{{ ! }}",
            "{{ ) }}",
            "{{ a|b(1) }}",
            "{% a %}",
            "{{ a is b }}",
            "{% if a %}{% else %}{% else %}",
            "{{ a",
            "{% endif %}{% else %}",
        ] {
            let Err(faults) = Jinja.compile(text, &Limits::default()) else {
                panic!("{text} is accepted");
            };
            let unknown: Vec<_> = faults.iter().filter(|fault| !known.contains_key(fault.code)).collect();
            assert!(unknown.is_empty(), "{text}: {unknown:?}");
        }
    }

    #[test]
    fn the_number_of_codes_is_bounded() {
        let compiles = CompileRecorder::default();
        for number in 0..1_000 {
            let code: &'static str = Box::leak(format!("code-{number}").into_boxed_str());
            compiles.failed(&[
                Diagnostic::error(code, "m"),
                Diagnostic::warning("unquoted-attribute", "m"),
            ]);
        }
        let failures = compiles.failures();
        assert_eq!(failures.len(), CODES_MAX);
        assert_eq!(failures.values().sum::<u64>(), 1_000);
        assert!(failures[OTHER] > 0 && !failures.contains_key("unquoted-attribute"));
    }
}
