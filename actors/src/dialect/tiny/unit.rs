//! A compiled text of the dialect.

use std::any::Any;
use std::ops::Range;
use std::sync::OnceLock;

use crate::diagnostic::Diagnostic;
use crate::dialect::{Call, Closure, FormatterUse, Frame, Missing, Reads, RenderError, Unit, lists_bytes};
use crate::value::Value;

use super::execute::execute;
use super::lint::lint_accepted;
use super::program::{Operation, PathRef, Step};

/// A compiled text of the dialect `tiny`, immutable except for hints that do not influence the output.
#[derive(Debug)]
pub(super) struct TinyUnit {
    /// The text, followed by padding that no range includes.
    pub(super) text: Box<str>,
    /// The length of the text without the padding.
    pub(super) text_bytes: usize,
    pub(super) ops: Box<[Operation]>,
    pub(super) steps: Box<[Step]>,
    /// The largest number of scopes that are open at once, the context included.
    pub(super) slots: usize,
    /// The treatment of missing paths in this text. A render can be lenient in addition.
    pub(super) missing: Missing,
    pub(super) calls: Box<[Call]>,
    pub(super) formatters: Box<[FormatterUse]>,
    /// The warnings, which are computed on the first request: most texts are compiled only to be rendered.
    pub(super) warnings: OnceLock<Box<[Diagnostic]>>,
    pub(super) warnings_max: usize,
    /// The reads, which are computed on the first request: most entries have no schema.
    pub(super) reads: OnceLock<Reads>,
}

impl Unit for TinyUnit {
    fn text(&self) -> &str {
        self.source()
    }

    fn calls(&self) -> &[Call] {
        &self.calls
    }

    fn formatters(&self) -> &[FormatterUse] {
        &self.formatters
    }

    fn warnings(&self) -> &[Diagnostic] {
        self.warnings
            .get_or_init(|| lint_accepted(self.source(), self.warnings_max).into())
    }

    fn reads(&self) -> &Reads {
        self.reads.get_or_init(|| super::reads::reads(self))
    }

    fn bytes(&self) -> usize {
        let lists = lists_bytes(&self.calls, &self.formatters);
        size_of::<Self>() + self.text.len() + size_of_val(&*self.ops) + size_of_val(&*self.steps) + lists
    }

    fn render(&self, closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError> {
        execute(self, closure, context, frame)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl TinyUnit {
    /// Returns the text that was compiled.
    pub(super) fn source(&self) -> &str {
        &self.text[..self.text_bytes]
    }

    /// Returns the steps of a path.
    #[inline]
    pub(super) fn steps_of(&self, path: PathRef) -> &[Step] {
        let first = path.first as usize;
        match path.count {
            0 => &[],
            count => &self.steps[first..first + count as usize],
        }
    }

    /// Returns the text of a step as bytes, which are sliced without the check for character boundaries that a `str` needs.
    #[inline]
    pub(super) fn key(&self, step: &Step) -> &[u8] {
        &self.text.as_bytes()[step.range()]
    }

    /// Returns the position of a path in the text.
    pub(super) fn range_of(&self, path: PathRef) -> Range<usize> {
        if let [first, ..] = self.steps_of(path)
            && let Some(last) = self.steps_of(path).last()
        {
            return first.range().start - first.lead as usize..last.range().end;
        }
        let start = path.first as usize;
        start..self.word_end(start)
    }

    /// Returns the end of the name that begins at a byte of the text: a path of one step, or a keyword.
    pub(super) fn word_end(&self, start: usize) -> usize {
        let is_end = |each: char| each.is_whitespace() || matches!(each, '}' | '|');
        let rest = &self.source()[start..];
        start + rest.find(is_end).unwrap_or(rest.len())
    }
}

impl Step {
    /// Returns the position of the step in the text.
    #[inline]
    pub(super) fn range(&self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::span_of;
    use crate::limits::Limits;

    use crate::dialect::tiny::{compile::compile, program::Action, scan::scan};

    fn unit(text: &str) -> TinyUnit {
        let limits = Limits::default();
        compile(text, &scan(text, &limits).expect("right"), &limits)
    }

    #[test]
    fn calls_and_formatters_have_spans() {
        let text = "ü\n {a | upper}{{ call x/y.html with a }}\r\nß{b|json}\n\n{{ call z with b.c }}{c|upper}";
        let unit = unit(text);
        let calls: Vec<_> = unit
            .calls()
            .iter()
            .map(|call| (call.name.as_str(), call.span))
            .collect();
        let span = |word: &str, from: usize| {
            let at = from + text[from..].find(word).expect("is there");
            span_of(text, at..at + word.len())
        };
        assert_eq!(
            calls,
            [("x/y.html", span("x/y", 0)), ("z", span("z", 0))].map(|(name, mut at)| {
                at.length = u32::try_from(name.len()).expect("short");
                (name, at)
            })
        );
        let used: Vec<_> = unit.formatters().iter().map(|used| (&*used.name, used.span)).collect();
        let last = text.rfind("upper").expect("is there");
        assert_eq!(
            used,
            [
                ("upper", span("upper", 0)),
                ("json", span("json", 0)),
                ("upper", span("upper", last))
            ]
        );
    }

    #[test]
    fn paths_have_positions() {
        let text = "{{ for item in a.b }}{item}{item.c.d}{ @root }{{ if item.x }}{{ endif }}{{ endfor }}";
        let unit = unit(text);
        let paths = unit.ops.iter().filter_map(|op| match &op.act {
            Action::Value(path) | Action::For { path, .. } | Action::If { path, .. } => {
                Some(&text[unit.range_of(*path)])
            }
            _ => None,
        });
        assert_eq!(
            paths.collect::<Vec<_>>(),
            ["a.b", "item", "item.c.d", "@root", "item.x"]
        );
    }

    #[test]
    fn a_unit_is_small_and_shareable() {
        fn shared<T: Send + Sync>(_: &T) {}
        let row = "<td>{item.name}</td><td>{item.price}</td>\n";
        let text = format!("{{{{ for item in items }}}}{}{{{{ endfor }}}}", row.repeat(50));
        let unit = unit(&text);
        shared(&unit);
        let bytes = unit.text.len() + size_of_val(&*unit.ops) + size_of_val(&*unit.steps) + size_of::<TinyUnit>();
        assert!(bytes < 5 * text.len(), "{bytes} bytes for {}", text.len());
    }
}
