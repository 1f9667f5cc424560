//! Warnings where a value stands in a place that HTML escaping does not protect.

use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

use super::scan::Token;

/// What is probably a hole in a template that makes HTML.
pub(super) fn lint(_text: &str, _tokens: &[Token<'_>], _limits: &Limits) -> Vec<Diagnostic> {
    Vec::new()
}
