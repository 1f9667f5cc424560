//! The check of a text by the crate `tinytemplate`: a text that it does not compile is rejected.

use std::panic::catch_unwind;

use tinytemplate::TinyTemplate;

use crate::diagnostic::Diagnostic;
use crate::supervision::panic_text;

/// Compiles a text with the crate. The scanner already rejects all texts that the crate is known to reject or to panic on, so an error here
/// reveals a difference between the two.
pub(super) fn judge(text: &str) -> Result<(), Box<Diagnostic>> {
    let verdict = catch_unwind(|| {
        TinyTemplate::new()
            .add_template("", text)
            .map_err(|error| error.to_string())
    });
    let objection = match verdict {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(panic) => format!("it panicked: {}", panic_text(panic)),
    };
    Err(Box::new(disagrees(&objection)))
}

fn disagrees(objection: &str) -> Diagnostic {
    let message = format!("`tinytemplate` does not compile this text: {objection}");
    Diagnostic::error("judge-disagrees", message)
        .help("hotplate should explain this error better: please report this text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_become_diagnostics() {
        assert_eq!(judge("{a}"), Ok(()));
        for (text, part) in [("{{ nonsense }}", "nonsense"), ("{#}", "panicked")] {
            let diagnostic = judge(text).expect_err("the crate refuses it");
            assert_eq!(diagnostic.code, "judge-disagrees");
            assert!(diagnostic.message.contains(part), "{diagnostic}");
        }
    }
}
