//! Explanations of failures for the author of a template.

use super::{Execution, UnitRef};
use crate::diagnostic::Diagnostic;
use crate::dialect::jinja::ast::ByteRange;
use crate::dialect::jinja::failure::Failure;
use crate::dialect::jinja::foreign::function_help;
use crate::dialect::jinja::program::{Action, Code};
use crate::dialect::jinja::unit::JinjaUnit;
use crate::dialect::jinja::value::{Role, Val};
use crate::dialect::shorten::shorten;
use crate::dialect::{RenderError, RenderFault};
use crate::suggestion::suggestion;
use crate::value::Value;

impl<'r> Execution<'r> {
    /// Adds a position to a failure, unless it has one.
    #[cold]
    pub(super) fn placed(&self, failure: Box<Failure>, here: UnitRef<'r>, place: ByteRange) -> Box<Failure> {
        match *failure {
            Failure::Rendered(_) => failure,
            other => Box::new(Failure::Rendered(self.explain(other, here, place))),
        }
    }

    /// Adds a call site to a failure that leaves a template, block or macro.
    #[cold]
    pub(super) fn called(&self, mut failure: Box<Failure>, here: UnitRef<'r>, place: ByteRange) -> Box<Failure> {
        if let Failure::Rendered(error) = &mut *failure {
            let span = crate::diagnostic::span_of(here.unit.source(), place.range());
            error.diagnostic.called_from(here.closure.top().name.clone(), span);
        }
        failure
    }

    /// Returns the error for a failure at a place of a unit.
    #[cold]
    pub(super) fn explain(&self, failure: Failure, here: UnitRef<'r>, place: ByteRange) -> RenderError {
        let source = here.unit.source();
        let (fault, diagnostic) = match failure {
            Failure::Rendered(error) => return error,
            Failure::Exceeded(exceeded) => {
                let message = format!("the render was stopped: {exceeded}");
                (RenderFault::Budget(exceeded), Diagnostic::error("budget", message))
            }
            Failure::Undefined(expression) => (RenderFault::MissingPath, self.undefined(&expression)),
            Failure::Invalid {
                fault,
                code,
                message,
                help,
            } => {
                let diagnostic = Diagnostic::error(code, message);
                let diagnostic = match help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                };
                (fault, diagnostic)
            }
            Failure::Formatter(error) => match error.exceeded() {
                Some(exceeded) => {
                    let message = format!("the render was stopped: {exceeded}");
                    (RenderFault::Budget(exceeded), Diagnostic::error("budget", message))
                }
                None => {
                    let message = format!("the formatter failed: {error}");
                    (RenderFault::Formatter, Diagnostic::error("formatter", message))
                }
            },
        };
        let diagnostic = match place == ByteRange::default() {
            true => diagnostic,
            false => diagnostic.at(source, place.range()),
        };
        RenderError::new(fault, diagnostic.in_template(&here.closure.top().name))
    }

    /// Returns the diagnostic of an undefined expression, with the name that was probably meant.
    fn undefined(&self, expression: &str) -> Diagnostic {
        if expression.is_empty() {
            return Diagnostic::error("undefined", "an undefined value is used");
        }
        let diagnostic = Diagnostic::error("undefined", format!("`{}` is undefined", shorten(expression)));
        match self.meant(expression) {
            Some(near) => diagnostic.help(format!("did you mean `{}`?", shorten(&near))),
            None if let Some(help) = function_help(expression) => diagnostic.help(help),
            None => diagnostic.help("where it may be missing, write `| default(\"\")` or test `is defined`"),
        }
    }

    /// Returns the path that was probably meant by one that does not exist. Only similar names are disclosed, because messages must not
    /// show the other keys of the data.
    fn meant(&self, path: &str) -> Option<String> {
        let is_path = |part: &str| {
            part.split('.')
                .all(|step| !step.is_empty() && !step.contains(char::is_whitespace))
        };
        let mut steps = path.split('.');
        let first = steps.next().filter(|_| is_path(path))?;
        let Some(value) = self.variables.named(first) else {
            let data = match self.variables.context {
                Value::Object(object) => object.refs().map(|(key, _)| key).collect(),
                _ => Vec::new(),
            };
            let functions = self.space.registered().names(Role::Function);
            let known = self.variables.names().chain(data).chain(functions);
            let near = suggestion(first, known)?;
            return Some(format!("{near}{}", &path[first.len()..]));
        };
        let Val::Object(mut object) = value else {
            return None;
        };
        let mut done = first.len();
        for step in steps {
            match object.get_ref(step) {
                Some(Value::Object(inner)) => object = *inner,
                Some(_) => return None,
                None => {
                    let near = suggestion(step, object.refs().map(|(key, _)| key))?;
                    let rest = &path[(done + 1 + step.len()).min(path.len())..];
                    return Some(format!("{}.{near}{rest}", &path[..done]));
                }
            }
            done += 1 + step.len();
        }
        None
    }
}

impl JinjaUnit {
    /// Returns the place that an operation stands for.
    pub(super) fn place_of(&self, act: &Action) -> ByteRange {
        let of_code = |code: Code| {
            let last = (code.end.max(code.start + 1) - 1) as usize;
            self.program.places.get(last).copied().unwrap_or_default()
        };
        let of_template = |template: u32| {
            let template = self.program.templates.get(template as usize);
            template.map(|template| template.place).unwrap_or_default()
        };
        let of_path = |path: u32| match self.program.paths.get(path as usize) {
            Some(path) => {
                let text = self.path_text(path, path.attributes as usize);
                let start = self.program.keys.get(path.name as usize).map_or(0, |name| name.start);
                ByteRange {
                    start,
                    end: start + text.len() as u32,
                }
            }
            None => ByteRange::default(),
        };
        let of_key = |key: u32| match self.program.keys.get(key as usize) {
            Some(key) => ByteRange {
                start: key.start,
                end: key.start + key.length,
            },
            None => ByteRange::default(),
        };
        match *act {
            Action::Path(path)
            | Action::Quick { path, .. }
            | Action::UnlessPath { path, .. }
            | Action::UnlessQuick { path, .. }
            | Action::LoopField { path, .. }
            | Action::UnlessLoopField { path, .. } => of_path(path),
            Action::Output(code) | Action::Joined { code, .. } | Action::Autoescape(code) | Action::Do(code) => {
                of_code(code)
            }
            Action::Unless { condition, .. } => of_code(condition),
            Action::Set { value, .. } => of_code(value),
            Action::SetCaptured { filters, .. } | Action::PrintCaptured { filters } => of_code(filters),
            Action::For { index, .. }
            | Action::ForQuick { index, .. }
            | Action::Next { index, .. }
            | Action::Break { index } => {
                let each = self.program.loops.get(index as usize);
                each.map(|each| each.place).unwrap_or_default()
            }
            Action::Block(name) => of_key(name),
            Action::Extends { template }
            | Action::Include { template }
            | Action::Import { template, .. }
            | Action::FromImport { template, .. } => of_template(template),
            Action::Macro { index, .. } => {
                let definition = self.program.macros.get(index as usize);
                definition.map(|definition| definition.place).unwrap_or_default()
            }
            Action::None
            | Action::Jump(_)
            | Action::Open
            | Action::Close
            | Action::Leave { .. }
            | Action::Capture
            | Action::EndAutoescape => ByteRange::default(),
        }
    }
}
