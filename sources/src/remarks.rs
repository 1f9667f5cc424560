//! Faults of single texts, which keep the rest of a source from nothing.

use std::sync::Arc;

use hotplate_actors::{Diagnostic, TemplateKey, TemplateName};

/// Remarks that are kept for the health of a loader. Further ones are counted.
const REMARKS_MAX: usize = 100;

/// The size of a text in bytes beyond which it is not loaded: that of the engine by default.
pub(crate) const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// The remarks of a sync.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    found: Vec<Diagnostic>,
    more: usize,
}

impl Remarks {
    pub(crate) fn add(&mut self, code: &'static str, message: String) {
        match self.found.len() < REMARKS_MAX {
            true => self.found.push(Diagnostic::warning(code, message)),
            false => self.more += 1,
        }
    }

    /// Returns a name, or remarks that it is left out.
    pub(crate) fn name(&mut self, name: &str) -> Option<TemplateName> {
        match TemplateName::new(name) {
            Ok(name) => Some(name),
            Err(error) => {
                self.add("bad-name", format!("a text is left out: {error}"));
                None
            }
        }
    }

    /// Returns the remarks, with one on those that are too many.
    pub(crate) fn list(mut self) -> Vec<Diagnostic> {
        if self.more > 0 {
            let more = format!("{} more remarks are left out", self.more);
            self.found.push(Diagnostic::warning("more-remarks", more));
        }
        self.found
    }
}

/// Returns the fault of a text that is too large.
pub(crate) fn too_large(key: TemplateKey, bytes: u64, limit: u64) -> (TemplateKey, Arc<[Diagnostic]>) {
    let message = format!("the text has {bytes} bytes, and at most {limit} are loaded");
    fault(
        key,
        "too-large",
        message,
        "make it smaller, or raise the limit of its source",
    )
}

/// Returns the fault of a text that is not UTF-8.
#[cfg(any(feature = "git", feature = "http"))]
pub(crate) fn not_utf8(key: TemplateKey, error: &std::str::Utf8Error) -> (TemplateKey, Arc<[Diagnostic]>) {
    let message = format!("the text is not UTF-8 at byte {}", error.valid_up_to());
    fault(key, "not-utf8", message, "save it as UTF-8")
}

/// Returns the fault of a text that cannot be loaded.
pub(crate) fn fault(
    key: TemplateKey,
    code: &'static str,
    message: String,
    help: &str,
) -> (TemplateKey, Arc<[Diagnostic]>) {
    let fault = Diagnostic::error(code, message).help(help).in_template(&key.name);
    (key, Arc::from([fault]))
}
