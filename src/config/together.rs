//! Settings that make sense one by one, and not together. Pure.

use super::Config;

/// What contradicts what.
pub(super) struct Contradiction {
    /// The keys that it is about; it is shown at the first of them that somebody set.
    pub(super) keys: &'static [&'static str],
    pub(super) message: String,
    pub(super) help: String,
}

pub(super) fn contradictions(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let limits = &config.limits;
    if limits.settle_ms > limits.settle_max_ms {
        found.push(Contradiction {
            keys: &["limits.settle_ms", "limits.settle_max_ms"],
            message: format!(
                "a file would be waited for {} ms, and at most {} ms",
                limits.settle_ms, limits.settle_max_ms
            ),
            help: "let `settle_max_ms` be at least `settle_ms`".to_owned(),
        });
    }
    if !config.admin.token.is_empty() && !config.admin.token_file.is_empty() {
        found.push(Contradiction {
            keys: &["admin.token_file", "admin.token"],
            message: "there are two tokens".to_owned(),
            help: "give either `token` or `token_file`".to_owned(),
        });
    }
    found
}
