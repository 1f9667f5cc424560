//! [`Diagnostic`]: a fault of a template, written for the person who has to fix it, and its presentation.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::template::TemplateName;

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// The template works, but probably not as intended.
    Warning,
    /// The text is not served.
    Error,
}

impl Severity {
    /// Returns the name that is used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A range of characters on one line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// The line, counted from 1.
    pub line: u32,
    /// The first character, counted from 1.
    pub column: u32,
    /// The number of characters, all on this line; at least 1.
    pub length: u32,
}

/// A `call` on the path from an entry to the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallSite {
    /// The template that calls.
    pub template: TemplateName,
    /// The location of the call.
    pub span: Span,
}

/// The line of a span, or the part of it that is shown. An ellipsis marks where it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: Arc<str>,
    /// The number of characters of `text` before the span.
    start: u32,
    around: Around,
}

/// The lines around a fault. They do not make it another fault, so all are equal.
#[derive(Debug, Clone, Default)]
struct Around {
    before: Arc<[Box<str>]>,
    after: Arc<[Box<str>]>,
}

impl PartialEq for Around {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Around {}

impl Excerpt {
    fn bytes(&self) -> usize {
        let around = self.around.before.iter().chain(&*self.around.after);
        self.text.len() + around.map(|line| line.len() + size_of::<Box<str>>()).sum::<usize>()
    }
}

/// The number of lines that an excerpt keeps before the fault, and after it.
const AROUND_LINES: usize = 2;
/// The number of characters of a line that an excerpt keeps.
const EXCERPT_CHARACTERS: usize = 240;
/// The maximal size of the message and of the help of a failed render, in bytes. The texts of a formatter or of a panic have no bound of
/// their own.
const TEXT_BYTES_MAX: usize = 4096;
/// Marks characters that were cut off.
const ELLIPSIS: char = '…';

/// One fault of one template.
///
/// `Display` writes it for people, with the line, a caret, the call chain and the help; `Serialize` writes it for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The severity.
    pub severity: Severity,
    /// The stable code for programs, such as `missing-path`.
    pub code: &'static str,
    /// The template at fault. A dialect does not know the name of a text, so the Compiler adds it.
    pub template: Option<TemplateName>,
    /// The location in that text.
    pub span: Option<Span>,
    /// One sentence without a full stop.
    pub message: String,
    /// Advice on how to fix it.
    pub help: Option<String>,
    /// The calls that lead to the fault, the nearest caller first and the entry last.
    pub chain: Vec<CallSite>,
    excerpt: Option<Excerpt>,
    /// The name that a called template did not find in its context. Its caller knows the full path and completes the message.
    pub(crate) wanted: Option<MissingName>,
}

/// A name that does not exist in the context of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingName {
    pub(crate) name: Box<str>,
    /// The kind of value that the context is, if it is no object.
    pub(crate) kind: Option<&'static str>,
}

impl Diagnostic {
    /// Returns the approximate size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let help = self.help.as_ref().map_or(0, String::len);
        let excerpt = self.excerpt.as_ref().map_or(0, Excerpt::bytes);
        size_of::<Self>() + self.message.len() + help + size_of_val(&*self.chain) + excerpt
    }

    /// Returns the diagnostic with message and help cut to their maximal size.
    #[must_use]
    pub(crate) fn shortened(mut self) -> Self {
        for text in std::iter::once(&mut self.message).chain(&mut self.help) {
            if text.len() > TEXT_BYTES_MAX {
                text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
                text.push(ELLIPSIS);
                text.shrink_to_fit();
            }
        }
        self
    }

    /// Creates an error without a location.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            template: None,
            span: None,
            message: message.into(),
            help: None,
            chain: Vec::new(),
            excerpt: None,
            wanted: None,
        }
    }

    /// Creates a warning without a location.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// Sets the template at fault.
    #[must_use]
    pub fn in_template(mut self, name: &TemplateName) -> Self {
        self.template = Some(name.clone());
        self
    }

    /// Sets the location as a range of bytes of `text`. A range that exceeds its line ends with the line.
    #[must_use]
    pub fn at(self, text: &str, bytes: std::ops::Range<usize>) -> Self {
        let span = span_of(text, bytes);
        self.at_span(text, span)
    }

    /// Sets the location as a span of `text`.
    #[must_use]
    pub fn at_span(mut self, text: &str, span: Span) -> Self {
        self.span = Some(span);
        self.excerpt = excerpt_of(text, span);
        self
    }

    /// Adds advice on how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the line of the fault, or the part of it that is shown, and the number of characters in it before the fault.
    #[must_use]
    pub fn excerpt(&self) -> Option<(&str, usize)> {
        let excerpt = self.excerpt.as_ref()?;
        Some((&excerpt.text, excerpt.start as usize))
    }

    /// Returns up to two lines before the line of the fault and up to two after it, each cut to its first characters.
    #[must_use]
    pub fn around(&self) -> (&[Box<str>], &[Box<str>]) {
        let around = self.excerpt.as_ref().map(|excerpt| &excerpt.around);
        around.map_or((&[], &[]), |around| (&around.before, &around.after))
    }

    /// Returns true if another diagnostic has the same code at the same location. Messages are not compared, because they may contain data
    /// of the request.
    pub(crate) fn is_same_fault(&self, other: &Self) -> bool {
        (&self.template, self.span, self.code) == (&other.template, other.span, other.code)
    }

    /// Returns true if another diagnostic is about a place of the same text that this one is about as well.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (self.span, other.span) else {
            return false;
        };
        let end = |span: Span| span.column.saturating_add(span.length);
        let meet = one.column < end(two) && two.column < end(one);
        self.template.is_some() && self.template == other.template && one.line == two.line && meet
    }

    /// Adds the next caller to the end of the chain.
    pub fn called_from(&mut self, template: TemplateName, span: Span) {
        self.chain.push(CallSite { template, span });
    }

    /// Returns the diagnostic without its call chain.
    #[must_use]
    pub fn without_chain(&self) -> Self {
        Self {
            chain: Vec::new(),
            ..self.clone()
        }
    }

    /// Formats the diagnostic for people, optionally with colours.
    #[must_use]
    pub fn human(&self, colours: bool) -> String {
        let path = match (&self.template, self.span) {
            (Some(template), _) => template.as_str(),
            (None, Some(_)) => "template",
            (None, None) => "",
        };
        self.human_in(path, colours)
    }

    /// Formats a diagnostic of a text that is no template, such as a configuration file.
    #[must_use]
    pub fn human_in(&self, path: &str, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(self.message.as_str())
            .id(self.code)
            .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
        match (self.span, &self.excerpt) {
            (Some(span), Some(excerpt)) => {
                let range = excerpt.range_of(span);
                group = group.element(
                    Snippet::source(&*excerpt.text)
                        .path(path)
                        .line_start(span.line as usize)
                        .annotation(AnnotationKind::Primary.span(range)),
                );
            }
            // The diagnostic is not about a text.
            (None, _) if path.is_empty() => {}
            (span, _) => {
                let mut origin = Origin::path(path);
                if let Some(span) = span {
                    origin = origin.line(span.line as usize).char_column(span.column as usize);
                }
                group = group.element(origin);
            }
        }
        for site in &self.chain {
            let Span { line, column, .. } = site.span;
            group = group.element(Level::NOTE.message(format!("called from {}:{line}:{column}", site.template)));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let shown = renderer.render(&[group]);
        match (self.span, &self.excerpt) {
            (Some(span), Some(excerpt)) if excerpt.start + 1 != span.column => {
                with_column_of_line(&shown, path, span, excerpt)
            }
            _ => shown,
        }
    }
}

/// Corrects the column of a rendered diagnostic whose source is an excerpt: `annotate_snippets` reports the column within the excerpt and
/// cannot be given another. The location follows the title, which is one line.
fn with_column_of_line(shown: &str, path: &str, span: Span, excerpt: &Excerpt) -> String {
    let (title, rest) = shown.split_once('\n').unwrap_or((shown, ""));
    let Span { line, column, .. } = span;
    let of_excerpt = format!("{path}:{line}:{}", excerpt.start + 1);
    let rest = rest.replacen(&of_excerpt, &format!("{path}:{line}:{column}"), 1);
    format!("{title}\n{rest}")
}

impl Excerpt {
    /// Returns the bytes of the excerpt that a span covers.
    fn range_of(&self, span: Span) -> std::ops::Range<usize> {
        let first = self.start as usize;
        let byte = |character: usize| {
            self.text
                .char_indices()
                .nth(character)
                .map_or(self.text.len(), |(at, _)| at)
        };
        byte(first)..byte(first + span.length as usize)
    }
}

/// Converts a range of bytes to a span. The range may begin and end within a character.
#[must_use]
pub fn span_of(text: &str, bytes: std::ops::Range<usize>) -> Span {
    let start = text.floor_char_boundary(bytes.start.min(text.len()));
    let end = text.floor_char_boundary(bytes.end.clamp(start, text.len()));
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let on_line = text[start..end].split('\n').next().unwrap_or_default();
    let count = |part: &str| u32::try_from(part.chars().count()).unwrap_or(u32::MAX);
    let lines = memchr::memchr_iter(b'\n', &text.as_bytes()[..line_start]).count();
    Span {
        line: u32::try_from(lines + 1).unwrap_or(u32::MAX),
        column: count(&text[line_start..start]).saturating_add(1),
        // An empty range, such as the position of a missing path, is shown as the character after it.
        length: count(on_line).max(1),
    }
}

/// Returns the part of a line around a span.
fn excerpt_of(text: &str, span: Span) -> Option<Excerpt> {
    let number = span.line as usize - 1;
    let first = number.saturating_sub(AROUND_LINES);
    let mut lines = text.split('\n').skip(first);
    let before: Vec<&str> = lines.by_ref().take(number - first).collect();
    let line = lines.next()?;
    let mut after: Vec<&str> = lines.by_ref().take(AROUND_LINES).collect();
    // The empty rest after the last line break is no line.
    if lines.next().is_none() && after.last().is_some_and(|line| line.is_empty()) {
        after.pop();
    }
    let line = line.strip_suffix('\r').unwrap_or(line);
    let column = span.column as usize - 1;
    // Cutting one character would only replace it with the ellipsis.
    let cut = Some(column.saturating_sub(EXCERPT_CHARACTERS / 2)).filter(|cut| *cut > 1);
    let mut rest = line.chars().skip(cut.unwrap_or(0));
    let kept = rest.by_ref().take(EXCERPT_CHARACTERS);
    let mut shown: String = cut.map(|_| ELLIPSIS).into_iter().chain(kept).collect();
    if rest.next().is_some() {
        shown.push(ELLIPSIS);
    }
    Some(Excerpt {
        text: shown.into(),
        start: u32::try_from(cut.map_or(column, |cut| column - cut + 1)).unwrap_or(u32::MAX),
        around: Around {
            before: before.iter().map(|line| shortened_line(line)).collect(),
            after: after.iter().map(|line| shortened_line(line)).collect(),
        },
    })
}

/// Returns the first characters of a line.
fn shortened_line(line: &str) -> Box<str> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line.char_indices().nth(EXCERPT_CHARACTERS) {
        Some((end, _)) => format!("{}{ELLIPSIS}", &line[..end]).into(),
        None => line.into(),
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.human(false))
    }
}

impl std::error::Error for Diagnostic {}

impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            severity: Severity,
            code: &'a str,
            template: Option<&'a TemplateName>,
            #[serde(flatten)]
            span: Option<Span>,
            message: &'a str,
            help: Option<&'a str>,
            chain: &'a [CallSite],
            source: Option<&'a str>,
            source_column: Option<usize>,
        }
        Shape {
            severity: self.severity,
            code: self.code,
            template: self.template.as_ref(),
            span: self.span,
            message: &self.message,
            help: self.help.as_deref(),
            chain: &self.chain,
            source: self.excerpt().map(|(text, _)| text),
            source_column: self.excerpt().map(|(_, start)| start + 1),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_a_fault_are_kept() {
        let long = "x".repeat(2 * EXCERPT_CHARACTERS);
        let text = format!("one\r\ntwo\nthree\nfour\n{long}\n\n");
        let around = |line| {
            let span = Span {
                line,
                column: 1,
                length: 1,
            };
            let fault = Diagnostic::error("code", "message").at_span(&text, span);
            let (before, after) = fault.around();
            [before, after].map(|lines| lines.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(around(1), [lines(&[]), lines(&["two", "three"])]);
        assert_eq!(around(2)[0], lines(&["one"]));
        assert_eq!(around(3)[0], lines(&["one", "two"]));
        assert_eq!(around(4)[1][0].chars().count(), EXCERPT_CHARACTERS + 1);
        assert_eq!(around(5)[1], lines(&[""]));
        assert_eq!(around(6)[1], lines(&[]));
        assert_eq!(around(99), [lines(&[]), lines(&[])]);
    }

    #[test]
    fn spans_count_characters() {
        let text = "one\r\nzwei ü {ß}\nthree";
        let at = text.find("{ß}").expect("is there");
        assert_eq!(
            span_of(text, at..at + 4),
            Span {
                line: 2,
                column: 8,
                length: 3
            }
        );
        assert_eq!(span_of(text, at..text.len()).length, 3);
        assert_eq!(
            span_of(text, 999..1000),
            Span {
                line: 3,
                column: 6,
                length: 1
            }
        );
        assert_eq!(span_of(text, at..at).length, 1, "a span has at least one character");
    }

    #[test]
    fn all_parts_are_shown() {
        let text = "<p>\n  Ünï {nmae}\n";
        let at = text.find("{nmae}").expect("is there");
        let name = TemplateName::new("shop/item.html").expect("valid");
        let mut diagnostic = Diagnostic::error("missing-path", "there is no `nmae` here")
            .in_template(&name)
            .at(text, at..at + 6)
            .help("write `{name}`");
        diagnostic.called_from(
            TemplateName::new("index.html").expect("valid"),
            Span {
                line: 7,
                column: 3,
                length: 20,
            },
        );
        let shown = diagnostic.to_string();
        for part in [
            "shop/item.html:2:7",
            "error[missing-path]",
            "  Ünï {nmae}",
            "^^^^^^",
            "called from index.html:7:3",
            "write `{name}`",
        ] {
            assert!(shown.contains(part), "{part} is not in:\n{shown}");
        }
        let json = serde_json::to_value(&diagnostic).expect("serializes");
        assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(2), Some(7)));
    }

    #[test]
    fn a_huge_line_is_cut() {
        let text = format!("{}{{x}}{}", "ä".repeat(500_000), "b".repeat(500_000));
        let diagnostic = Diagnostic::error("c", "m").at(&text, 1_000_000..1_000_003);
        let shown = diagnostic.to_string();
        assert!(shown.len() < 4000 && shown.contains("^^^"), "{shown}");
        assert!(shown.contains(":1:500001\n"), "{shown}");
    }

    #[test]
    fn the_column_counts_from_the_start_of_the_line() {
        for before in [0, 1, 119, 120, 121, 122, 123, 239, 240, 504, 5000] {
            for after in [0, 1, 119, 120, 121, 5000] {
                let text = format!("x\n{}{{x}}{}\r\nx", "ä".repeat(before), "b".repeat(after));
                let at = text.find('{').expect("is there");
                let diagnostic = Diagnostic::error("c", "m").at(&text, at..at + 3);
                let shown = diagnostic.to_string();
                let place = format!(" --> template:2:{}\n  |\n2 | ", before + 1);
                assert!(shown.contains(&place), "{before} {after}:\n{shown}");
                let coloured = diagnostic.human(true);
                assert!(coloured.contains(&format!("template:2:{}", before + 1)), "{coloured}");
                let (excerpt, start) = diagnostic.excerpt().expect("one");
                let marked: String = excerpt.chars().skip(start).take(3).collect();
                assert_eq!(marked, "{x}", "{before} {after}: {excerpt}");
                let json = serde_json::to_value(&diagnostic).expect("serializes");
                assert_eq!(json["column"], before + 1);
                assert_eq!(json["source_column"], start + 1);
                // The caret is below the place in the line above it.
                let lines: Vec<&str> = shown.lines().collect();
                let caret = lines.iter().position(|line| line.contains("^^^")).expect("a caret");
                let column = lines[caret].chars().position(|each| each == '^').expect("a caret");
                let above: String = lines[caret - 1].chars().skip(column).take(3).collect();
                assert_eq!(above, "{x}", "{before} {after}:\n{shown}");
            }
        }
    }
}
