//! What the crate says of a render that failed, in our terms: fault, template, place, calls. Of its own words only those are kept
//! that show no data: it lists every key beside a missing one.

use std::ops::Range;

use tinytemplate::error::Error;

use super::meter::Stopped;
use super::set::{Part, Parts};
use crate::budget::Exceeded;
use crate::diagnostic::{CallSite, Diagnostic, span_of};
use crate::dialect::{Member, RenderError, RenderFault};
use crate::template::TemplateName;

/// A fault of this dialect.
pub(super) fn internal(name: &TemplateName, message: impl Into<String>, help: &str) -> RenderError {
    let diagnostic = Diagnostic::error("internal", message).in_template(name).help(help);
    RenderError::new(RenderFault::Internal, diagnostic)
}

/// A limit that was met at the end.
pub(super) fn budget(name: &TemplateName, exceeded: Exceeded) -> RenderError {
    let diagnostic = Diagnostic::error("budget", stopped_because(exceeded)).in_template(name);
    RenderError::new(RenderFault::Budget(exceeded), diagnostic)
}

fn stopped_because(exceeded: Exceeded) -> String {
    format!("the render was stopped: {exceeded}")
}

/// What an error of the crate means in the closure of `top`. `stopped` is what a formatter of ours said.
pub(super) fn failure(error: &Error, stopped: Option<Stopped>, top: &Member, parts: &Parts<'_>) -> RenderError {
    let mut chain = Vec::new();
    let mut part = parts.get(top.name.as_str());
    let mut error = error;
    while let (
        Error::CalledTemplateError {
            name,
            err,
            line,
            column,
        },
        Some(caller),
    ) = (error, part)
    {
        chain.push(CallSite {
            template: caller.member.name.clone(),
            span: span_of(&caller.unit.text, caller.spot(*line, *column).whole),
        });
        part = parts.get(name.as_str());
        error = err;
    }
    chain.reverse();
    let Some(part) = part else {
        return internal(
            &top.name,
            "`tinytemplate` called a template that is not there",
            "please report it",
        );
    };
    let (fault, diagnostic) = explain(error, stopped, part);
    let mut diagnostic = diagnostic.in_template(&part.member.name);
    diagnostic.chain = chain;
    RenderError::new(fault, diagnostic)
}

/// The bytes of a text that an error is about, and those of the path, formatter or name around them.
struct Spot {
    at: Range<usize>,
    whole: Range<usize>,
}

impl Part<'_> {
    /// What the crate means by a line and a column.
    fn spot(&self, line: usize, column: usize) -> Spot {
        let start = self.unit.rewritten.original(line, column);
        let whole = self.unit.rewritten.place_of(start).unwrap_or(start..start);
        Spot {
            at: start..whole.end,
            whole,
        }
    }
}

fn explain(error: &Error, stopped: Option<Stopped>, part: &Part<'_>) -> (RenderFault, Diagnostic) {
    let text = &part.unit.text;
    match (stopped, error) {
        (Some(stopped), Error::CalledFormatterError { line, column, .. }) => {
            let whole = part.spot(*line, *column).whole;
            let (fault, diagnostic) = of_ours(stopped, text.get(whole.clone()).unwrap_or_default());
            (fault, diagnostic.at(text, whole))
        }
        (Some(stopped), _) => of_ours(stopped, ""),
        (None, Error::RenderError { msg, line, column }) => of_the_crate(msg, text, part.spot(*line, *column)),
        (None, other) => unforeseen(&other.to_string()),
    }
}

/// One of our formatters refused.
fn of_ours(stopped: Stopped, written: &str) -> (RenderFault, Diagnostic) {
    let Stopped { fault, message } = stopped;
    let diagnostic = match fault {
        RenderFault::Budget(exceeded) => Diagnostic::error("budget", stopped_because(exceeded)),
        RenderFault::Unprintable => {
            let help = "print its items or fields, or write it as JSON with `| json`";
            Diagnostic::error("unprintable", message).help(help)
        }
        _ => Diagnostic::error("formatter", format!("the formatter `{written}` failed: {message}")),
    };
    (fault, diagnostic)
}

/// The crate itself refused, and says so in one of a few sentences.
fn of_the_crate(said: &str, text: &str, Spot { at, whole }: Spot) -> (RenderFault, Diagnostic) {
    let written = text.get(whole.clone()).unwrap_or_default();
    if said.starts_with("Failed to find value") {
        let step = text
            .get(at.clone())
            .and_then(|rest| rest.split('.').next())
            .unwrap_or_default();
        let before = text.get(whole.start..at.start).unwrap_or_default();
        let message = match before.strip_suffix('.') {
            Some(parent) => format!("there is no `{step}` in `{parent}`"),
            None => format!("there is no `{written}` in the data"),
        };
        let diagnostic = Diagnostic::error("missing-path", message);
        return (
            RenderFault::MissingPath,
            diagnostic.at(text, at.start..at.start + step.len()),
        );
    }
    let (fault, diagnostic) = if said.starts_with("Expected an array") {
        let diagnostic = Diagnostic::error("not-iterable", format!("`{written}` is not an array"));
        (RenderFault::NotIterable, diagnostic.help("`for` goes over arrays only"))
    } else if said.starts_with("Tried to call an unknown template") {
        let message = format!("there is no template `{written}`");
        (
            RenderFault::UnknownTemplate,
            Diagnostic::error("unknown-template", message),
        )
    } else if said.starts_with("Tried to call an unknown formatter") {
        let message = format!("there is no formatter `{written}`");
        (RenderFault::Formatter, Diagnostic::error("unknown-formatter", message))
    } else {
        unforeseen(said)
    };
    (fault, diagnostic.at(text, whole))
}

/// Something that the scan should have refused.
fn unforeseen(said: &str) -> (RenderFault, Diagnostic) {
    const BYTES: usize = 120;
    let said = &said[..said.floor_char_boundary(BYTES)];
    let diagnostic = Diagnostic::error("internal", format!("`tinytemplate` failed: {said}"));
    (RenderFault::Internal, diagnostic.help("please report it"))
}
