//! The dialect `jinja`, an implementation of the language of Jinja2 and of the crate `minijinja` for long-running services.
//!
//! A text becomes tokens ([`lexer`]), a syntax tree ([`ast`], by [`parser`]), and then a resolved program that any number of threads execute
//! concurrently. Compiling takes linear time and bounded stack, whatever the text is.

mod ast;
mod fault;
mod foreign;
mod lexer;
mod lines;
mod parser;

use std::sync::Arc;

use super::{Dialect, Unit};
use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

/// The dialect `jinja`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Jinja;

impl Dialect for Jinja {
    fn id(&self) -> &'static str {
        "jinja"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let _ = parser::parse(text, limits)?;
        Err(vec![Diagnostic::error(
            "not-compiled",
            "templates in Jinja cannot be rendered yet",
        )])
    }
}
