//! [`Diagnostic`]: what is wrong with a template, for the person who must act, and how it is shown.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::template::TemplateName;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// It works, and is probably not what was meant.
    Warning,
    /// It is not served.
    Error,
}

impl Severity {
    /// Returns its name, as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place on one line of a text: 1-based, counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// In characters, all on this line; at least 1.
    pub length: u32,
}

/// A `call` on the way from an entry to the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallSite {
    /// Who calls.
    pub template: TemplateName,
    /// Where it calls.
    pub span: Span,
}

/// The line that a span is on, as much of it as can be shown: an ellipsis stands where it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: Arc<str>,
    /// The characters of `text` before the place.
    start: u32,
}

impl Excerpt {
    fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// Characters of a line that an excerpt keeps.
const EXCERPT_CHARACTERS: usize = 240;
/// Bytes of the message and of the help of what failed in a render: a formatter, and whatever panics, may say as much as it likes.
const SAID_BYTES_MAX: usize = 4096;
/// Stands for the characters that were cut off.
const ELLIPSIS: char = '…';

/// One finding about one template.
///
/// `Display` shows it for people, with the line, a caret, the call chain and the help; `Serialize` shows it for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// A stable word for programs, such as `missing-path`.
    pub code: &'static str,
    /// Whose text; a dialect knows no name and leaves this out, the Compiler adds it.
    pub template: Option<TemplateName>,
    /// Where in that text.
    pub span: Option<Span>,
    /// One sentence, no full stop.
    pub message: String,
    /// What to write or do instead.
    pub help: Option<String>,
    /// The calls that led there, the caller nearest to the place first, the entry last.
    pub chain: Vec<CallSite>,
    excerpt: Option<Excerpt>,
    /// What a template looked for in vain in what it was called with: its caller can say where that is.
    pub(crate) wanted: Option<MissingName>,
}

/// A name that a template looked for in its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingName {
    pub(crate) name: Box<str>,
    /// What the context is, if it has no names.
    pub(crate) kind: Option<&'static str>,
}

impl Diagnostic {
    /// What it takes in memory, about: an excerpt is a line of the text.
    pub(crate) fn bytes(&self) -> usize {
        let help = self.help.as_ref().map_or(0, String::len);
        let excerpt = self.excerpt.as_ref().map_or(0, Excerpt::bytes);
        size_of::<Self>() + self.message.len() + help + size_of_val(&*self.chain) + excerpt
    }

    /// The same in no more words than are kept of a fault.
    #[must_use]
    pub(crate) fn shortened(mut self) -> Self {
        for said in std::iter::once(&mut self.message).chain(&mut self.help) {
            if said.len() > SAID_BYTES_MAX {
                said.truncate(said.floor_char_boundary(SAID_BYTES_MAX));
                said.push(ELLIPSIS);
                said.shrink_to_fit();
            }
        }
        self
    }

    /// An error without a place.
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

    /// A warning without a place.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// In which template.
    #[must_use]
    pub fn in_template(mut self, name: &TemplateName) -> Self {
        self.template = Some(name.clone());
        self
    }

    /// At which bytes of `text`. A range that leaves its line ends with the line.
    #[must_use]
    pub fn at(self, text: &str, bytes: std::ops::Range<usize>) -> Self {
        let span = span_of(text, bytes);
        self.at_span(text, span)
    }

    /// At which span of `text`.
    #[must_use]
    pub fn at_span(mut self, text: &str, span: Span) -> Self {
        self.span = Some(span);
        self.excerpt = excerpt_of(text, span);
        self
    }

    /// What to write or do instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The line of the place, as much of it as is shown, and where in it the place begins, in characters.
    #[must_use]
    pub fn excerpt(&self) -> Option<(&str, usize)> {
        let excerpt = self.excerpt.as_ref()?;
        Some((&excerpt.text, excerpt.start as usize))
    }

    /// Returns true if another finding has the same code at the same place. Messages may name what is in the data, so they do not
    /// count.
    pub(crate) fn is_same_fault(&self, other: &Self) -> bool {
        (&self.template, self.span, self.code) == (&other.template, other.span, other.code)
    }

    /// Adds the next caller, going outwards.
    pub fn called_from(&mut self, template: TemplateName, span: Span) {
        self.chain.push(CallSite { template, span });
    }

    /// The finding itself, whoever reaches it.
    #[must_use]
    pub fn without_chain(&self) -> Self {
        Self {
            chain: Vec::new(),
            ..self.clone()
        }
    }

    /// For people, with colours if asked.
    #[must_use]
    pub fn human(&self, colours: bool) -> String {
        let path = match (&self.template, self.span) {
            (Some(template), _) => template.as_str(),
            (None, Some(_)) => "template",
            (None, None) => "",
        };
        self.human_in(path, colours)
    }

    /// The same for a text that is no template, such as a configuration.
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
            // About no text at all.
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

/// A snippet says at which column of its source a place is, and cannot be told another: so the place is corrected where the source is
/// an excerpt. It stands behind the title, which is one line.
fn with_column_of_line(shown: &str, path: &str, span: Span, excerpt: &Excerpt) -> String {
    let (title, rest) = shown.split_once('\n').unwrap_or((shown, ""));
    let Span { line, column, .. } = span;
    let of_excerpt = format!("{path}:{line}:{}", excerpt.start + 1);
    let rest = rest.replacen(&of_excerpt, &format!("{path}:{line}:{column}"), 1);
    format!("{title}\n{rest}")
}

impl Excerpt {
    /// The bytes of the excerpt that a span covers.
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

/// Turns a range of bytes into a span; the range may start anywhere, also inside a character.
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
        // A place between two characters, such as where a path is missing, is shown as the character behind it.
        length: count(on_line).max(1),
    }
}

fn excerpt_of(text: &str, span: Span) -> Option<Excerpt> {
    let line = text.split('\n').nth(span.line as usize - 1)?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let column = span.column as usize - 1;
    // What an ellipsis stands for is more than one character.
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
    })
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
    fn spans_count_characters_and_stay_on_their_line() {
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
        assert_eq!(span_of(text, at..at).length, 1, "a place has at least one character");
    }

    #[test]
    fn a_diagnostic_shows_place_line_caret_chain_and_help() {
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
    fn a_line_of_a_megabyte_is_cut_around_the_place() {
        let text = format!("{}{{x}}{}", "ä".repeat(500_000), "b".repeat(500_000));
        let diagnostic = Diagnostic::error("c", "m").at(&text, 1_000_000..1_000_003);
        let shown = diagnostic.to_string();
        assert!(shown.len() < 4000 && shown.contains("^^^"), "{shown}");
        assert!(shown.contains(":1:500001\n"), "{shown}");
    }

    #[test]
    fn the_column_is_that_of_the_line_however_much_of_it_is_shown() {
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
