//! The crate `tinytemplate` as a second opinion: what it does not compile is not accepted either.

use std::panic::catch_unwind;

use tinytemplate::TinyTemplate;

use crate::diagnostic::Diagnostic;
use crate::supervision::panic_text;

/// Asks the crate. The scan before it has refused all that it is known to refuse or to panic on, so an objection here is news.
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
        .help("this scanner should have said so more clearly: please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_a_panic_of_the_crate_become_diagnostics() {
        assert_eq!(judge("{a}"), Ok(()));
        for (text, said) in [("{{ nonsense }}", "nonsense"), ("{#}", "panicked")] {
            let diagnostic = judge(text).expect_err("the crate refuses it");
            assert_eq!(diagnostic.code, "judge-disagrees");
            assert!(diagnostic.message.contains(said), "{diagnostic}");
        }
    }
}
