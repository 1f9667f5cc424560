//! A compiled text as the rest of the engine sees it.

use std::any::Any;

use super::execute::execute;
use super::foreign::filter_help;
use super::lint::lint_accepted;
use super::unit::JinjaUnit;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Call, Closure, FormatterUse, Frame, Reads, RenderError, Unit, lists_bytes};
use crate::suggestion::suggestion;
use crate::value::Value;

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
