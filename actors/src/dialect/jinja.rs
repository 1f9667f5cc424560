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
mod unit;

mod execute;
mod failure;
mod filters;
mod functions;
mod machine;
mod operators;
mod predicates;
mod scope;
mod space;
mod value;

use std::sync::Arc;

use super::{Dialect, Missing, Unit};
use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

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
        Ok(Arc::new(unit(text, limits)?))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        Some(Arc::new(Lenient))
    }
}

/// The variant of [`Jinja`] in which undefined values print nothing, are false and have no items or attributes.
struct Lenient;

impl Dialect for Lenient {
    fn id(&self) -> &'static str {
        Jinja.id()
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let mut unit = unit(text, limits)?;
        unit.missing = Missing::Lenient;
        Ok(Arc::new(unit))
    }
}

fn unit(text: &str, limits: &Limits) -> Result<unit::JinjaUnit, Vec<Diagnostic>> {
    let template = parser::parse(text, limits)?;
    let mut unit = compile::compile(text, &template, limits)?;
    unit.warnings_max = limits.source_diagnostics;
    Ok(unit)
}
