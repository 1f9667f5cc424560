//! [`FaultReport`]: the errors of an entry, as the overlay shows them.

use std::collections::{HashMap, HashSet};

use hotplate_actors::diagnostic::Span;
use hotplate_actors::{Diagnostic, Severity, TemplateName};
use serde::Serialize;

use super::editor::Editor;
use super::labels::Sources;

/// The errors of an entry, and the version that is served meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FaultReport {
    /// `stale`, `broken` (a stand-in is served) or `failed` (nothing is served).
    status: &'static str,
    /// The version that is still served.
    since: Option<u64>,
    faults: Vec<FaultItem>,
    /// Number of further errors, which are left out.
    more: usize,
    /// True if a text may have more errors than are kept of it.
    at_least: bool,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FaultItem {
    severity: Severity,
    code: &'static str,
    message: String,
    help: Option<String>,
    place: Option<FaultLocation>,
    source: Option<Line>,
    /// The calls that led to the position, the innermost first.
    chain: Vec<FaultLocation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FaultLocation {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    /// The link that opens the position in an editor.
    open: Option<String>,
}

/// A source line and the marked range in it, counted in characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    text: String,
    start: usize,
    length: usize,
    /// The lines before it and after it.
    before: Vec<String>,
    after: Vec<String>,
}

impl FaultReport {
    /// Builds the report of diagnostics: equal ones once, by their place in each text, and at most `max`. Of one text at most `kept` errors
    /// are known.
    pub(super) fn new(
        status: &'static str,
        since: Option<u64>,
        diagnostics: &[Diagnostic],
        max: usize,
        kept: usize,
        sources: &Sources,
        editor: &Editor,
    ) -> Self {
        let mut seen = HashSet::new();
        let mut unique: Vec<&Diagnostic> = diagnostics.iter().collect();
        unique.retain(|diagnostic| seen.insert((&diagnostic.template, diagnostic.span, &diagnostic.message)));
        let mut of_text: HashMap<_, (usize, usize)> = HashMap::new();
        for diagnostic in &unique {
            let order = of_text.len();
            of_text.entry(&diagnostic.template).or_insert((order, 0)).1 += 1;
        }
        // Texts stay in their order, the nearest first.
        unique.sort_by_key(|diagnostic| {
            let order = of_text.get(&diagnostic.template).map(|(order, _)| *order);
            (order, diagnostic.span.map(|span| (span.line, span.column)))
        });
        let at_least = of_text.values().any(|(_, count)| *count >= kept);
        let faults = unique
            .iter()
            .take(max)
            .map(|diagnostic| FaultItem::new(diagnostic, sources, editor));
        Self {
            status,
            since,
            faults: faults.collect(),
            more: unique.len().saturating_sub(max),
            at_least,
        }
    }

    /// Builds the report of a failure that is not an error in a template.
    pub(super) fn of_message(status: &'static str, message: &str) -> Self {
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
            status,
            since: None,
            faults: vec![fault],
            more: 0,
            at_least: false,
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
                before: diagnostic.around().0.iter().map(ToString::to_string).collect(),
                after: diagnostic.around().1.iter().map(ToString::to_string).collect(),
            }),
            chain: diagnostic
                .chain
                .iter()
                .map(|site| place(&site.template, Some(site.span)))
                .collect(),
        }
    }
}
