//! The functions, filters and tests that the embedding program has registered, as far as values and the operations on them know them.

use super::{Arguments, Machine, Space, Val};
use crate::dialect::jinja::failure::Outcome;

/// The kind of a function of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Filter,
    Test,
    Function,
}

impl Role {
    /// Returns the kind in words, for messages.
    pub(in crate::dialect::jinja) fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
            Self::Function => "function",
        }
    }
}

/// A function of the program.
pub(in crate::dialect::jinja) trait Own {
    fn name(&self) -> &str;

    /// Calls the function: with the value that a filter or test is applied to, if it is one, and the arguments of the call.
    fn call<'r>(
        &'r self,
        value: Option<Val<'r>>,
        arguments: &Arguments<'_, 'r>,
        machine: &mut Machine<'_, 'r>,
    ) -> Outcome<Val<'r>>;
}

/// The filters, tests, functions and globals of the program.
pub(in crate::dialect::jinja) trait Registered {
    /// Returns a filter or a test of the program.
    fn own(&self, role: Role, number: u16) -> Option<&dyn Own>;

    /// Returns the number of the filter or test of the program that has a name.
    fn number(&self, role: Role, name: &str) -> Option<u16>;

    /// Returns true if the program or the language has a filter or a test of a name.
    fn knows(&self, role: Role, name: &str) -> bool;

    /// Returns the names of all filters, tests, or functions and globals, of the program and of the language.
    fn names(&self, role: Role) -> Vec<&str>;

    /// Returns what a name stands for that is neither a variable nor a field of the context: a function or a global.
    fn global<'r>(&'r self, name: &str, space: &Space<'r>) -> Outcome<Option<Val<'r>>>;
}
