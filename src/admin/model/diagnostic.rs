//! Diagnostics in answers.

use hotplate_actors::Diagnostic;
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct Finding {
    /// `error`, or `warning`.
    pub(in super::super) severity: &'static str,
    /// A stable word for programs, such as `missing-path`.
    pub(in super::super) code: &'static str,
    /// In which template.
    pub(in super::super) template: Option<String>,
    /// Counted from 1.
    pub(in super::super) line: Option<u32>,
    /// In characters, counted from 1.
    pub(in super::super) column: Option<u32>,
    /// In characters, all on this line.
    pub(in super::super) length: Option<u32>,
    /// One sentence.
    pub(in super::super) message: String,
    /// What to write or do instead.
    pub(in super::super) help: Option<String>,
    /// The calls that led there, the nearest first.
    pub(in super::super) chain: Vec<Call>,
    /// All of it for people, with the line and a caret under the place.
    pub(in super::super) text: String,
}

/// A call on the way to the place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct Call {
    /// Who calls.
    pub(in super::super) template: String,
    /// Counted from 1.
    pub(in super::super) line: u32,
    /// In characters, counted from 1.
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
