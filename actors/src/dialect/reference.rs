//! The dialect `tinytemplate`: the crate's own renderer, as the reference that `tiny` is compared with.
//!
//! It accepts what `tiny` accepts and prints what the crate prints. Each render makes a set of the closure, because the crate's
//! sets stay on one thread and borrow their texts; that costs about an eighth of a render. Texts are rewritten before the
//! crate compiles them, so that a render can be stopped at each loop turn and call; places in errors are the author's
//! nevertheless.
//!
//! What the crate does not have, this dialect does not have: lenient handling of missing data, a place for what cannot be
//! printed, and a path in `call` that begins with a dash.

mod carried;
mod failure;
mod meter;
mod rewrite;
mod set;

use std::any::Any;
use std::sync::Arc;

use self::rewrite::Rewritten;
use super::tiny::judge::judge;
use super::tiny::outline::{Mark, outline};
use super::{Call, Closure, Dialect, FormatterUse, Frame, RenderError, Unit};
use crate::diagnostic::{Diagnostic, span_of};
use crate::limits::Limits;
use crate::value::Value;

/// The dialect `tinytemplate`.
///
/// ```
/// use hotplate_actors::Limits;
/// use hotplate_actors::dialect::{Dialect, reference::Reference};
///
/// let unit = Reference.compile("{{ call a.html with b }}", &Limits::default()).expect("compiles");
/// assert_eq!(unit.calls()[0].name.as_str(), "a.html");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

impl Dialect for Reference {
    fn id(&self) -> &'static str {
        "tinytemplate"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let marks = outline(text, limits)?;
        let rewritten = rewrite::rewrite(text, &marks)?;
        judge(&rewritten.text).map_err(|fault| vec![*fault])?;
        Ok(Arc::new(ReferenceUnit::new(text, marks, rewritten)))
    }

    fn formatter_name(&self, name: &str) -> Result<(), String> {
        super::tiny::tag_can_name(self, name)
    }
}

/// A text as its author wrote it, and as the crate gets it.
struct ReferenceUnit {
    text: Box<str>,
    rewritten: Rewritten,
    calls: Box<[Call]>,
    formatters: Box<[FormatterUse]>,
}

impl ReferenceUnit {
    fn new(text: &str, marks: Vec<Mark>, rewritten: Rewritten) -> Self {
        let mut calls = Vec::new();
        let mut formatters = Vec::new();
        for mark in marks {
            match mark {
                Mark::Call { name, place, .. } => calls.push(Call {
                    name,
                    span: span_of(text, place),
                }),
                Mark::Formatter(range) => formatters.push(FormatterUse {
                    name: text[range.clone()].into(),
                    span: span_of(text, range),
                }),
                Mark::Path(_) | Mark::Loop { .. } => {}
            }
        }
        Self {
            text: text.into(),
            rewritten,
            calls: calls.into(),
            formatters: formatters.into(),
        }
    }
}

impl Unit for ReferenceUnit {
    fn text(&self) -> &str {
        &self.text
    }

    fn calls(&self) -> &[Call] {
        &self.calls
    }

    fn formatters(&self) -> &[FormatterUse] {
        &self.formatters
    }

    fn bytes(&self) -> usize {
        let lists = super::lists_bytes(&self.calls, &self.formatters);
        size_of::<Self>() + self.text.len() + self.rewritten.bytes() + lists
    }

    fn render(&self, closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError> {
        set::render(closure, context, frame)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
