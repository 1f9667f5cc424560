//! [`TinyUnit`]: one compiled text.

use std::any::Any;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::diagnostic::Diagnostic;
use crate::dialect::{Call, Closure, FormatterUse, Frame, RenderError, Unit};
use crate::value::Value;

use super::execute::execute;
use super::program::{Op, PathRef, Step};

/// A text of the dialect `tiny`, compiled: immutable but for two kinds of hints that change no output.
#[derive(Debug)]
pub(super) struct TinyUnit {
    pub(super) text: Box<str>,
    pub(super) ops: Box<[Op]>,
    pub(super) steps: Box<[Step]>,
    /// Scopes that can be open at once, and the context.
    pub(super) slots: usize,
    pub(super) calls: Box<[Call]>,
    pub(super) formatters: Box<[FormatterUse]>,
    pub(super) warnings: Box<[Diagnostic]>,
    /// What the last render with this text as its entry printed: a guess at the next.
    pub(super) output_bytes: AtomicU32,
}

impl Unit for TinyUnit {
    fn text(&self) -> &str {
        &self.text
    }

    fn calls(&self) -> &[Call] {
        &self.calls
    }

    fn formatters(&self) -> &[FormatterUse] {
        &self.formatters
    }

    fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    fn render(&self, closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError> {
        let is_entry = frame.depth == 0;
        let before = frame.output.len();
        if is_entry {
            let guess = self.output_bytes.load(Ordering::Relaxed) as usize;
            frame.output.reserve(guess.min(frame.budget.output_bytes));
        }
        execute(self, closure, context, frame)?;
        if is_entry {
            let bytes = u32::try_from(frame.output.len() - before).unwrap_or(u32::MAX);
            self.output_bytes.store(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl TinyUnit {
    /// The steps of a path.
    #[inline]
    pub(super) fn steps_of(&self, path: PathRef) -> &[Step] {
        let first = path.first as usize;
        match path.count {
            0 => &[],
            count => &self.steps[first..first + count as usize],
        }
    }

    /// The text of a step.
    #[inline]
    pub(super) fn key(&self, step: &Step) -> &str {
        &self.text[step.range()]
    }

    /// The bytes of the text where a path stands.
    pub(super) fn range_of(&self, path: PathRef) -> Range<usize> {
        if let [first, ..] = self.steps_of(path)
            && let Some(last) = self.steps_of(path).last()
        {
            return first.range().start - first.lead as usize..last.range().end;
        }
        let start = path.first as usize;
        start..self.word_end(start)
    }

    /// Where the name ends that begins at a byte of the text: a path of one step, or a word with `@`.
    pub(super) fn word_end(&self, start: usize) -> usize {
        let is_end = |each: char| each.is_whitespace() || matches!(each, '}' | '|');
        let rest = &self.text[start..];
        start + rest.find(is_end).unwrap_or(rest.len())
    }
}

impl Step {
    /// The bytes of the text where it stands.
    #[inline]
    pub(super) fn range(&self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}
