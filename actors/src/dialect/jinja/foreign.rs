//! The forms of other template languages, and what to write here instead.

use super::fault::Fault;

/// The statements of the language, for a word that is similar to none.
pub(super) const STATEMENTS_HELP: &str = "statements are `if`, `for`, `set`, `with`, `block`, `extends`, `include`, `import`, `from`, `macro`, \
     `call`, `filter`, `autoescape`, `raw`, `do`, `break` and `continue`";

/// Returns the fault of a tag, with better advice if the tag is one of another language.
pub(super) fn explained(fault: Fault, _inner: &str, _is_output: bool) -> Fault {
    fault
}
