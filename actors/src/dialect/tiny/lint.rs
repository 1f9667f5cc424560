//! Warnings for values in positions of HTML that escaping does not protect, and for braces that are only half escaped. A formatter that is not one of the standard ones is assumed to
//! be right for its position.

use crate::diagnostic::Diagnostic;
use crate::dialect::html_position::{HtmlPosition, Printed};
use crate::limits::Limits;

use super::path::Path;
use super::piece::{Piece, TextRange};
use super::scan::{Token, scan};
use super::tag::{Tag, chain};

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
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Text(part) if warnings.len() < warnings_max && is_half_escaped(text, *part, tokens.get(at + 1)) => {
                warnings.push(half_escaped(text, *part));
                place = place.after(b"{");
            }
            Token::Text(part) => place = place.after(part.of(text).text.as_bytes()),
            Token::Tag(Tag::If { .. }) => branches.push(place),
            Token::Tag(Tag::Else) => place = branches.last().copied().unwrap_or(place),
            Token::Tag(Tag::EndIf) => {
                branches.pop();
            }
            Token::Tag(Tag::Value { path, formatters }) => {
                let last = formatters.and_then(|part| chain(part.of(text)).last());
                let printed = printed(path, last);
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

/// Returns true if a brace is text because of a backslash, and the next one begins a value that two braces close: `\{{ a }}`. The author
/// probably wants to print both braces and what is between them.
fn is_half_escaped(text: &str, brace: TextRange, next: Option<&Token>) -> bool {
    let Some(Token::Tag(Tag::Value { .. })) = next else {
        return false;
    };
    let range = brace.range();
    let begins_value =
        text[..range.start].ends_with('\\') && text[range.clone()] == *"{" && text[range.end..].starts_with('{');
    begins_value
        && text[range.end..]
            .split_once('}')
            .is_some_and(|(_, behind)| behind.starts_with('}'))
}

#[cold]
fn half_escaped(text: &str, brace: TextRange) -> Diagnostic {
    let range = brace.range();
    Diagnostic::warning(
        "half-escaped",
        "only the first of these two braces is text, the second one begins a value",
    )
    .at(text, range.start - 1..range.end + 1)
    .help("for two braces write `\\{\\{`; for a brace and then a value `\\{ {- name}`")
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
