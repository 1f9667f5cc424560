//! The dialect `jinja`, an implementation of the language of Jinja2 and of the crate `minijinja` for long-running services.
//!
//! A text becomes tokens (`lexer`), a syntax tree (`ast`, by `parser`), and then a resolved program that any number of threads execute
//! concurrently. Compiling takes linear time and bounded stack, whatever the text is.

mod ast;
mod fault;
mod foreign;
mod lexer;
mod lines;
mod lint;
mod parser;

mod compile;
mod program;
mod reads;
mod serve;
mod unit;

mod chance;
mod execute;
mod extension;
mod failure;
mod filters;
mod functions;
mod operators;
mod predicates;
mod scope;
mod value;

use std::sync::Arc;

use super::{Dialect, Missing, Unit};
use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

pub use extension::{Extensions, FromValue, FunctionCall, Markup, Returned};
pub(crate) use value::Role;

/// The dialect `jinja`.
///
/// ```
/// use hotplate_actors::Limits;
/// use hotplate_actors::dialect::{Dialect, jinja::Jinja};
///
/// assert!(Jinja.compile("{% for item in items %}{{ item.name | upper }}{% endfor %}", &Limits::default()).is_ok());
/// let faults = Jinja.compile("{{ name | uper(1) }}", &Limits::default()).err().expect("no such filter");
/// assert_eq!(faults[0].code, "unknown-filter");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Jinja;

impl Dialect for Jinja {
    fn id(&self) -> &'static str {
        "jinja"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        Variant::default().compile(text, limits)
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        Variant::default().lenient()
    }

    fn extended(&self, extensions: &Arc<Extensions>) -> Option<Arc<dyn Dialect>> {
        Variant::default().extended(extensions)
    }
}

/// A variant of [`Jinja`]: with what a program has registered, or lenient, so that undefined values print nothing, are false and have no items
/// or attributes.
#[derive(Default, Clone)]
struct Variant {
    extensions: Arc<Extensions>,
    missing: Missing,
}

impl Dialect for Variant {
    fn id(&self) -> &'static str {
        Jinja.id()
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let template = parser::parse(text, limits)?;
        let mut unit = compile::compile(text, &template, &self.extensions, limits)?;
        unit.warnings_max = limits.source_diagnostics;
        unit.missing = self.missing;
        Ok(Arc::new(unit))
    }

    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        let missing = Missing::Lenient;
        Some(Arc::new(Self {
            missing,
            ..self.clone()
        }))
    }

    fn extended(&self, extensions: &Arc<Extensions>) -> Option<Arc<dyn Dialect>> {
        let extensions = Arc::clone(extensions);
        Some(Arc::new(Self {
            extensions,
            ..self.clone()
        }))
    }
}
