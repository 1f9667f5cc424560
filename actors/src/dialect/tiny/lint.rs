//! Warnings for values in positions of HTML that escaping does not protect. A formatter that is not one of the standard ones is assumed to
//! be right for its position.

use crate::diagnostic::Diagnostic;
use crate::dialect::html_position::{HtmlPosition, Printed};
use crate::limits::Limits;

use super::path::Path;
use super::piece::Piece;
use super::scan::{Token, scan};
use super::tag::Tag;

/// Returns warnings about a template that produces HTML, at most `warnings_max`. The scanner has accepted the text before.
pub(super) fn lint_accepted(text: &str, warnings_max: usize) -> Vec<Diagnostic> {
    // The limits do not matter here, because the text was within them when it was accepted.
    let limits = Limits {
        source_bytes: usize::MAX,
        source_tags: usize::MAX,
        source_nesting: usize::MAX,
        source_rescan_bytes: usize::MAX,
        ..Limits::default()
    };
    scan(text, &limits).map_or_else(|_| Vec::new(), |tokens| lint(text, &tokens, warnings_max))
}

fn lint(text: &str, tokens: &[Token], warnings_max: usize) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let mut place = HtmlPosition::Text;
    // The position at each open `if`, where both of its branches begin.
    let mut branches = Vec::new();
    for token in tokens {
        match token {
            Token::Text(part) => place = place.after(part.of(text).text.as_bytes()),
            Token::Tag(Tag::If { .. }) => branches.push(place),
            Token::Tag(Tag::Else) => place = branches.last().copied().unwrap_or(place),
            Token::Tag(Tag::EndIf) => {
                branches.pop();
            }
            Token::Tag(Tag::Value { path, formatter }) => {
                let printed = printed(path, formatter.map(|part| part.of(text)));
                if let Some(gap) = printed.and_then(|printed| place.gap(printed))
                    && warnings.len() < warnings_max
                {
                    warnings.push(gap.warning(text, path.part().range(), "| json"));
                }
                place = place.after_value();
            }
            Token::Tag(_) => {}
        }
    }
    warnings
}

/// Returns the form in which a value is printed; none if it is right for any position.
fn printed(path: &Path, formatter: Option<Piece<'_>>) -> Option<Printed> {
    if matches!(path, Path::Turn(..)) {
        return None;
    }
    match formatter.map_or("", |piece| piece.text) {
        "" | "upper" | "lower" | "title" | "trim" | "unescaped" => Some(Printed::Value),
        "json" => Some(Printed::Json),
        // Percent-encoded text is harmless everywhere; formatters of the user are assumed to be right for their position.
        _ => None,
    }
}
