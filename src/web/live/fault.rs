//! [`Findings`]: what is wrong with an entry, as the overlay shows it.

use std::collections::HashSet;

use hotplate_actors::diagnostic::Span;
use hotplate_actors::{Diagnostic, Severity, TemplateName};
use serde::Serialize;

use super::editor::Editor;
use super::labels::Sources;

/// What is wrong, and what is served meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FaultReport {
    /// `stale`, `broken` (a stand-in is served), `failed` (nothing is).
    standing: &'static str,
    /// The version that goes on being served.
    since: Option<u64>,
    faults: Vec<FaultItem>,
    /// How many more there are.
    more: usize,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FaultItem {
    severity: Severity,
    code: &'static str,
    message: String,
    help: Option<String>,
    place: Option<FaultLocation>,
    source: Option<Line>,
    /// The calls that led there, the nearest first.
    chain: Vec<FaultLocation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FaultLocation {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    /// What opens it in an editor.
    open: Option<String>,
}

/// A line of a template, with what is meant in it, in characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    text: String,
    start: usize,
    length: usize,
}

impl FaultReport {
    /// Of some diagnostics, each told once, `max` at most.
    pub(super) fn new(
        standing: &'static str,
        since: Option<u64>,
        diagnostics: &[Diagnostic],
        max: usize,
        sources: &Sources,
        editor: &Editor,
    ) -> Self {
        let mut seen = HashSet::new();
        let mut once: Vec<&Diagnostic> = diagnostics.iter().collect();
        once.retain(|told| seen.insert((&told.template, told.span, &told.message)));
        let faults = once
            .iter()
            .take(max)
            .map(|diagnostic| FaultItem::new(diagnostic, sources, editor));
        Self {
            standing,
            since,
            faults: faults.collect(),
            more: once.len().saturating_sub(max),
        }
    }

    /// Of a failure that is no finding in a template.
    pub(super) fn said(standing: &'static str, message: &str) -> Self {
        let fault = FaultItem {
            severity: Severity::Error,
            code: "not-rendered",
            message: message.to_owned(),
            help: None,
            place: None,
            source: None,
            chain: Vec::new(),
        };
        Self {
            standing,
            since: None,
            faults: vec![fault],
            more: 0,
        }
    }
}

impl FaultItem {
    fn new(diagnostic: &Diagnostic, sources: &Sources, editor: &Editor) -> Self {
        let place = |template: &TemplateName, span: Option<Span>| {
            let (line, column) = (span.map(|span| span.line), span.map(|span| span.column));
            let file = (sources.file)(template);
            FaultLocation {
                file: (sources.shown)(template).to_string(),
                line,
                column,
                open: file.map(|file| editor.link(&file, line.unwrap_or(1), column.unwrap_or(1))),
            }
        };
        let source = diagnostic.excerpt().zip(diagnostic.span);
        Self {
            severity: diagnostic.severity,
            code: diagnostic.code,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            place: diagnostic
                .template
                .as_ref()
                .map(|template| place(template, diagnostic.span)),
            source: source.map(|((text, start), span)| Line {
                text: text.to_owned(),
                start,
                length: span.length as usize,
            }),
            chain: diagnostic
                .chain
                .iter()
                .map(|site| place(&site.template, Some(site.span)))
                .collect(),
        }
    }
}
