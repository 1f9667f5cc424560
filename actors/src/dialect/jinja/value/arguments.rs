//! The arguments of filters, tests and functions.

use super::Val;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::suggestion::suggestion;

/// The arguments of a call, without the value that a filter or test is applied to.
#[derive(Clone, Copy, Default)]
pub(in crate::dialect::jinja) struct Arguments<'x, 'r> {
    pub(in crate::dialect::jinja) values: &'x [Val<'r>],
    pub(in crate::dialect::jinja) named: &'x [(&'r str, Val<'r>)],
}

impl<'r> Arguments<'_, 'r> {
    /// Returns a positional argument; undefined if it is absent.
    pub(in crate::dialect::jinja) fn at(&self, index: usize) -> Val<'r> {
        self.values.get(index).copied().unwrap_or(Val::Silent)
    }

    /// Returns a named argument; undefined if it is absent.
    pub(in crate::dialect::jinja) fn named(&self, name: &str) -> Val<'r> {
        let found = self.named.iter().rev().find(|(known, _)| *known == name);
        found.map_or(Val::Silent, |(_, value)| *value)
    }

    /// Returns an argument that can be given by its position or its name. One that is undefined or none counts as absent.
    pub(in crate::dialect::jinja) fn get(&self, index: usize, name: &str) -> Val<'r> {
        match self.at(index) {
            value if value.is_absent() => self.named(name),
            value => value,
        }
    }

    /// Checks the number of arguments and the names of keyword arguments of a call.
    pub(in crate::dialect::jinja) fn check(
        &self,
        name: &str,
        least: usize,
        most: usize,
        keywords: &[&str],
    ) -> Outcome<()> {
        self.check_positional(name, least, most)?;
        match self.named.iter().find(|(known, _)| !keywords.contains(known)) {
            Some((unknown, _)) => Err(unknown_keyword(name, unknown, keywords)),
            None => Ok(()),
        }
    }

    /// Checks the number of positional arguments of a call.
    pub(in crate::dialect::jinja) fn check_positional(&self, name: &str, least: usize, most: usize) -> Outcome<()> {
        match self.values.len() {
            count if count < least => Err(Failure::coded("arguments", too_few(name, least))),
            count if count > most => Err(Failure::coded("arguments", too_many(name, most))),
            _ => Ok(()),
        }
    }

    /// Returns an argument as a text; `None` if it is absent.
    pub(in crate::dialect::jinja) fn text(&self, index: usize, name: &str) -> Outcome<Option<&'r str>> {
        match self.get(index, name) {
            value if value.is_absent() => Ok(None),
            value => match value.as_str() {
                Some(text) => Ok(Some(text)),
                None => Err(Failure::invalid(format!(
                    "`{name}` has to be a string, not {}",
                    value.words()
                ))),
            },
        }
    }

    /// Returns an argument as an integer; `None` if it is absent.
    pub(in crate::dialect::jinja) fn integer(&self, index: usize, name: &str) -> Outcome<Option<i64>> {
        match self.get(index, name) {
            value if value.is_absent() => Ok(None),
            value => match value.as_index() {
                Some(number) => Ok(Some(number)),
                None => Err(Failure::invalid(format!(
                    "`{name}` has to be an integer, not {}",
                    value.words()
                ))),
            },
        }
    }

    /// Returns an argument as a count that is not negative; `None` if it is absent.
    pub(in crate::dialect::jinja) fn count(&self, index: usize, name: &str) -> Outcome<Option<usize>> {
        match self.integer(index, name)?.map(usize::try_from) {
            None => Ok(None),
            Some(Ok(count)) => Ok(Some(count)),
            Some(Err(_)) => Err(Failure::invalid(format!("`{name}` cannot be negative"))),
        }
    }

    /// Returns an argument as a boolean; `None` if it is absent.
    pub(in crate::dialect::jinja) fn truth(&self, index: usize, name: &str) -> Outcome<Option<bool>> {
        match self.get(index, name) {
            value if value.is_absent() => Ok(None),
            Val::Bool(truth) => Ok(Some(truth)),
            value => Err(Failure::invalid(format!(
                "`{name}` has to be true or false, not {}",
                value.words()
            ))),
        }
    }
}

/// Returns the message about missing arguments.
pub(in crate::dialect::jinja) fn too_few(name: &str, least: usize) -> String {
    format!("`{name}` needs {least} argument{}", if least == 1 { "" } else { "s" })
}

/// Returns the message about superfluous arguments.
pub(in crate::dialect::jinja) fn too_many(name: &str, most: usize) -> String {
    match most {
        0 => format!("`{name}` takes no arguments"),
        1 => format!("`{name}` takes one argument"),
        _ => format!("`{name}` takes {most} arguments at most"),
    }
}

#[cold]
pub(in crate::dialect::jinja) fn unknown_keyword(name: &str, unknown: &str, keywords: &[&str]) -> Box<Failure> {
    let failure = Failure::coded("arguments", format!("`{name}` has no argument `{unknown}`"));
    match keyword_help(unknown, keywords) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Returns advice about a keyword argument that does not exist.
pub(in crate::dialect::jinja) fn keyword_help(unknown: &str, keywords: &[&str]) -> Option<String> {
    if let Some(near) = suggestion(unknown, keywords.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let named: Vec<String> = keywords.iter().map(|keyword| format!("`{keyword}`")).collect();
    (!named.is_empty()).then(|| format!("its arguments with a name are {}", named.join(", ")))
}
