//! [`Machine`]: what operators, filters, tests and functions work with.

use super::print::display;
use super::{Space, Val};
use crate::budget::Budget;
use crate::dialect::Escape;
use crate::dialect::jinja::failure::{Failure, Outcome};

/// The bytes that are processed in the time of one step.
const BYTES_PER_STEP: usize = 32;

/// The memory, the budget and the modes of a render.
pub(in crate::dialect::jinja) struct Machine<'m, 'r> {
    pub(in crate::dialect::jinja) space: &'m Space<'r>,
    pub(in crate::dialect::jinja) budget: &'m mut Budget,
    /// The escaping at this place of the text.
    pub(in crate::dialect::jinja) escape: Escape,
    /// The escaping around all `autoescape` blocks.
    pub(in crate::dialect::jinja) around: Escape,
    /// Undefined values may not be used.
    pub(in crate::dialect::jinja) strict: bool,
}

impl<'r> Machine<'_, 'r> {
    /// Charges the work for as many items.
    pub(in crate::dialect::jinja) fn items(&mut self, count: usize) -> Outcome<()> {
        Ok(self.budget.steps(count as u64)?)
    }

    /// Charges the work for as many bytes.
    pub(in crate::dialect::jinja) fn bytes(&mut self, count: usize) -> Outcome<()> {
        self.items(count / BYTES_PER_STEP + 1)
    }

    /// Checks that a value is defined, in strict mode.
    #[inline]
    pub(in crate::dialect::jinja) fn defined(&self, value: Val<'r>) -> Outcome<()> {
        match value {
            Val::Undefined(expression) if self.strict => Err(undefined(expression)),
            _ => Ok(()),
        }
    }

    /// Returns the truth of a value. That of an undefined one is an error in strict mode.
    #[inline]
    pub(in crate::dialect::jinja) fn truth(&self, value: Val<'r>) -> Outcome<bool> {
        self.defined(value)?;
        Ok(value.is_true())
    }

    /// Returns a value as text: itself, or its printed form.
    pub(in crate::dialect::jinja) fn text(&mut self, value: Val<'r>) -> Outcome<&'r str> {
        if let Some(text) = value.as_str() {
            return Ok(text);
        }
        let mut text = self.space.writer();
        display(value, &mut text, self)?;
        Ok(text.finish())
    }

    /// Returns a defined value as text.
    pub(in crate::dialect::jinja) fn defined_text(&mut self, value: Val<'r>) -> Outcome<&'r str> {
        self.defined(value)?;
        self.text(value)
    }

    /// Returns a text as a value that is safe if the value that it was made of is.
    pub(in crate::dialect::jinja) fn like(of: Val<'r>, text: &'r str) -> Val<'r> {
        match of {
            Val::Safe(_) => Val::Safe(text),
            _ => Val::Str(text),
        }
    }
}

/// Returns the failure of a use of an undefined value.
#[cold]
pub(in crate::dialect::jinja) fn undefined(expression: &str) -> Box<Failure> {
    Box::new(Failure::Undefined(expression.into()))
}
