//! Diagnostics in answers of the API.

use hotplate_actors::Diagnostic;
use serde::Serialize;
use utoipa::ToSchema;

/// An error or a warning in a template.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct Finding {
    /// `error` or `warning`.
    pub(in super::super) severity: &'static str,
    /// A stable identifier for programs, such as `missing-path`.
    pub(in super::super) code: &'static str,
    /// The template that contains the error.
    pub(in super::super) template: Option<String>,
    /// The line, counted from 1.
    pub(in super::super) line: Option<u32>,
    /// The column in characters, counted from 1.
    pub(in super::super) column: Option<u32>,
    /// The length in characters, all on this line.
    pub(in super::super) length: Option<u32>,
    /// The message, one sentence.
    pub(in super::super) message: String,
    /// A proposal of what to write or do instead.
    pub(in super::super) help: Option<String>,
    /// The calls that led to the place, the nearest first.
    pub(in super::super) chain: Vec<Call>,
    /// The whole finding as text, with the line and a caret under the place.
    pub(in super::super) text: String,
}

/// A call that led to the place of a finding.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct Call {
    /// The template that calls.
    pub(in super::super) template: String,
    /// The line, counted from 1.
    pub(in super::super) line: u32,
    /// The column in characters, counted from 1.
    pub(in super::super) column: u32,
}

impl Finding {
    pub(in super::super) fn of(diagnostic: &Diagnostic) -> Self {
        let chain = diagnostic.chain.iter().map(|site| Call {
            template: site.template.to_string(),
            line: site.span.line,
            column: site.span.column,
        });
        Self {
            severity: diagnostic.severity.as_str(),
            code: diagnostic.code,
            template: diagnostic.template.as_ref().map(ToString::to_string),
            line: diagnostic.span.map(|span| span.line),
            column: diagnostic.span.map(|span| span.column),
            length: diagnostic.span.map(|span| span.length),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            chain: chain.collect(),
            text: diagnostic.human(false),
        }
    }
}
