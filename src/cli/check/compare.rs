//! The second opinion: the same entry, the same data, the crate tinytemplate.

use hotplate::diagnostic::Diagnostic;
use hotplate::dialect::{RenderFault, reference};
use hotplate::site::{Site, SiteData};
use hotplate::{Builder, Hotplate, OnFailure, RenderFailure, RenderOptions, TemplateName};

use super::{fault_of, start_quietly};
use crate::cli::Failure;

/// An engine for the same site with the dialect `tinytemplate`.
pub(super) struct Reference(Hotplate);

impl Reference {
    pub(super) fn start(site: &Site, builder: Builder) -> Result<Self, Failure> {
        let builder = builder.dialect(reference::Reference);
        Ok(Self(start_quietly(
            site,
            builder.watch(false).on_failure(OnFailure::Return),
        )?))
    }

    /// Compares what an entry says there. False is a lenient entry that leaves out what is missing, which the crate cannot.
    ///
    /// # Errors
    /// What differs.
    pub(super) fn compare(&self, entry: &TemplateName, body: &str) -> Result<bool, Box<Diagnostic>> {
        let theirs = match self
            .0
            .render_supplied(entry.as_str(), &SiteData, &RenderOptions::default())
        {
            Ok(rendered) => rendered.body,
            Err(RenderFailure::Failed(error)) if error.fault == RenderFault::MissingPath => {
                return Ok(false);
            }
            Err(failure) => {
                let fault = fault_of(failure, entry);
                let message = format!("tinytemplate does not render it: {}", fault.message);
                return Err(Box::new(Diagnostic::error(CODE, message).in_template(entry)));
            }
        };
        match first_difference(body, &theirs) {
            None => Ok(true),
            Some((line, ours, theirs)) => {
                let message = format!("line {line} of its output is {ours}, and {theirs} by tinytemplate");
                Err(Box::new(Diagnostic::error(CODE, message).in_template(entry)))
            }
        }
    }
}

const CODE: &str = "dialects-differ";

/// Characters of a line that a message shows.
const SHOWN: usize = 120;

/// The number of the first line that is not the same, and what it is on both sides.
fn first_difference(ours: &str, theirs: &str) -> Option<(usize, String, String)> {
    if ours == theirs {
        return None;
    }
    let (mut left, mut right) = (ours.split('\n'), theirs.split('\n'));
    let mut number = 1;
    loop {
        match (left.next(), right.next()) {
            (Some(a), Some(b)) if a == b => number += 1,
            (a, b) => return Some((number, shown(a), shown(b))),
        }
    }
}

fn shown(line: Option<&str>) -> String {
    match line {
        None => "not there".to_owned(),
        Some(line) => {
            let cut: String = line.chars().take(SHOWN).collect();
            format!("`{}`", cut.escape_debug())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        let difference = |a, b| first_difference(a, b).map(|(line, a, b)| format!("{line} {a} {b}"));
        assert_eq!(difference("a\nb", "a\nb"), None);
        assert_eq!(difference("a\nb\nc", "a\nx\nc").as_deref(), Some("2 `b` `x`"));
        assert_eq!(difference("a", "a\n").as_deref(), Some("2 not there ``"));
        assert_eq!(difference("", "x").as_deref(), Some("1 `` `x`"));
    }
}
