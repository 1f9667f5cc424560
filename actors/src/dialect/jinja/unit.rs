//! A compiled text of the dialect.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use super::execute::execute;
use super::extension::Extensions;
use super::foreign::filter_help;
use super::lint::lint_accepted;
use super::program::{Key, Program};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Call, Closure, FormatterUse, Frame, Missing, Reads, RenderError, Unit, lists_bytes};
use crate::suggestion::suggestion;
use crate::value::Value;

/// A compiled text of the dialect `jinja`, immutable except for hints that do not influence the output.
#[derive(Debug)]
pub(super) struct JinjaUnit {
    /// The source, a padding, and strings of the program that do not stand in the source.
    pub(super) text: Box<str>,
    /// The length of the source.
    pub(super) text_bytes: usize,
    pub(super) program: Program,
    /// The filters, tests, functions and globals of the program.
    pub(super) extensions: Arc<Extensions>,
    /// The treatment of missing paths in this text. A render can be lenient in addition.
    pub(super) missing: Missing,
    pub(super) calls: Box<[Call]>,
    /// The name of a template is computed.
    pub(super) computes_names: bool,
    pub(super) formatters: Box<[FormatterUse]>,
    /// The warnings, which are computed on the first request: most texts are compiled only to be rendered.
    pub(super) warnings: OnceLock<Box<[Diagnostic]>>,
    pub(super) warnings_max: usize,
    /// The reads, which are computed on the first request: most entries have no schema.
    pub(super) reads: OnceLock<Reads>,
}

impl Unit for JinjaUnit {
    fn text(&self) -> &str {
        self.source()
    }

    fn calls(&self) -> &[Call] {
        &self.calls
    }

    fn formatters(&self) -> &[FormatterUse] {
        &self.formatters
    }

    fn reaches_any(&self) -> bool {
        self.computes_names
    }

    fn warnings(&self) -> &[Diagnostic] {
        self.warnings
            .get_or_init(|| lint_accepted(self.source(), self.warnings_max).into())
    }

    fn unknown_formatter(&self, name: &str, registered: &[&str]) -> Option<Diagnostic> {
        let near = suggestion(name, self.extensions.filters()).or_else(|| suggestion(name, registered.iter().copied()));
        let help = match (filter_help(name), near) {
            (Some(help), _) => help.into(),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => {
                "there are the filters of minijinja, and the filters and formatters that the program registers".into()
            }
        };
        Some(Diagnostic::error("unknown-filter", format!("there is no filter `{name}`")).help(help))
    }

    fn reads(&self) -> &Reads {
        self.reads.get_or_init(|| super::reads::reads(self))
    }

    fn bytes(&self) -> usize {
        let lists = lists_bytes(&self.calls, &self.formatters);
        size_of::<Self>() + self.text.len() + self.program.bytes() + lists
    }

    fn render(&self, closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError> {
        execute(self, closure, context, frame)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl JinjaUnit {
    /// Returns the text that was compiled.
    pub(super) fn source(&self) -> &str {
        &self.text[..self.text_bytes]
    }

    /// Returns the text of a key.
    pub(super) fn key(&self, key: u32) -> &str {
        self.program.keys.get(key as usize).map_or("", |key| self.text_of(key))
    }

    pub(super) fn text_of(&self, key: &Key) -> &str {
        self.stored(key.start, key.length)
    }

    /// Returns a part of the text of the program.
    pub(super) fn stored(&self, start: u32, length: u32) -> &str {
        let start = start as usize;
        self.text.get(start..start + length as usize).unwrap_or_default()
    }
}

impl Program {
    /// Returns the memory of the lists in bytes.
    fn bytes(&self) -> usize {
        size_of_val(&*self.operations)
            + size_of_val(&*self.code)
            + size_of_val(&*self.places)
            + size_of_val(&*self.keys)
            + size_of_val(&*self.paths)
            + size_of_val(&*self.constants)
            + size_of_val(&*self.shapes)
            + size_of_val(&*self.targets)
            + size_of_val(&*self.loops)
            + size_of_val(&*self.blocks)
            + size_of_val(&*self.macros)
            + size_of_val(&*self.templates)
    }
}
