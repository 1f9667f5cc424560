//! [`Machine`]: what operators, filters, tests and functions work with.

use super::failure::{Failure, Outcome};
use super::space::Space;
use super::value::Val;
use super::value::print::display;
use crate::budget::Budget;
use crate::dialect::Escape;

/// The bytes that are processed in the time of one step.
const BYTES_PER_STEP: usize = 32;

/// The memory, the budget and the modes of a render.
pub(super) struct Machine<'m, 'r> {
    pub(super) space: &'m Space<'r>,
    pub(super) budget: &'m mut Budget,
    /// The escaping at this place of the text.
    pub(super) escape: Escape,
    /// Undefined values may not be used.
    pub(super) strict: bool,
}

impl<'r> Machine<'_, 'r> {
    /// Charges the work for as many items.
    pub(super) fn items(&mut self, count: usize) -> Outcome<()> {
        Ok(self.budget.steps(count as u64)?)
    }

    /// Charges the work for as many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Outcome<()> {
        self.items(count / BYTES_PER_STEP + 1)
    }

    /// Checks that a value is defined, in strict mode.
    #[inline]
    pub(super) fn defined(&self, value: Val<'r>) -> Outcome<()> {
        match value {
            Val::Undefined(expression) if self.strict => Err(undefined(expression)),
            _ => Ok(()),
        }
    }

    /// Returns the truth of a value. That of an undefined one is an error in strict mode.
    #[inline]
    pub(super) fn truth(&self, value: Val<'r>) -> Outcome<bool> {
        self.defined(value)?;
        Ok(value.is_true())
    }

    /// Returns a value as text: itself, or its printed form.
    pub(super) fn text(&mut self, value: Val<'r>) -> Outcome<&'r str> {
        if let Some(text) = value.as_str() {
            return Ok(text);
        }
        let mut text = self.space.writer();
        display(value, &mut text, self)?;
        Ok(text.finish())
    }

    /// Returns a defined value as text.
    pub(super) fn defined_text(&mut self, value: Val<'r>) -> Outcome<&'r str> {
        self.defined(value)?;
        self.text(value)
    }

    /// Returns a text as a value that is safe if the value that it was made of is.
    pub(super) fn like(of: Val<'r>, text: &'r str) -> Val<'r> {
        match of {
            Val::Safe(_) => Val::Safe(text),
            _ => Val::Str(text),
        }
    }
}

/// Returns the failure of a use of an undefined value.
#[cold]
pub(super) fn undefined(expression: &str) -> Box<Failure> {
    Box::new(Failure::Undefined(expression.into()))
}
