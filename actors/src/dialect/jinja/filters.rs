//! The filters of the language, and the arguments of filters, tests and functions.

#[cfg(feature = "jinja-contrib")]
mod dates;
mod numbers;
mod printf;
mod sequences;
mod texts;
#[cfg(feature = "jinja-contrib")]
mod wrap;

use super::failure::{Failure, Outcome};
use super::machine::Machine;
use super::value::Val;
use crate::suggestion::suggestion;

/// The arguments of a call, without the value that a filter or test is applied to.
#[derive(Clone, Copy, Default)]
pub(super) struct Arguments<'x, 'r> {
    pub(super) values: &'x [Val<'r>],
    pub(super) named: &'x [(&'r str, Val<'r>)],
}

impl<'r> Arguments<'_, 'r> {
    /// Returns a positional argument; undefined if it is absent.
    pub(super) fn at(&self, index: usize) -> Val<'r> {
        self.values.get(index).copied().unwrap_or(Val::Silent)
    }

    /// Returns a named argument; undefined if it is absent.
    pub(super) fn named(&self, name: &str) -> Val<'r> {
        let found = self.named.iter().rev().find(|(known, _)| *known == name);
        found.map_or(Val::Silent, |(_, value)| *value)
    }

    /// Returns an argument that can be given by its position or its name. One that is undefined or none counts as absent.
    pub(super) fn get(&self, index: usize, name: &str) -> Val<'r> {
        match self.at(index) {
            value if value.is_absent() => self.named(name),
            value => value,
        }
    }

    /// Checks the number of arguments and the names of keyword arguments of a call.
    pub(super) fn check(&self, name: &str, least: usize, most: usize, keywords: &[&str]) -> Outcome<()> {
        self.check_positional(name, least, most)?;
        match self.named.iter().find(|(known, _)| !keywords.contains(known)) {
            Some((unknown, _)) => Err(unknown_keyword(name, unknown, keywords)),
            None => Ok(()),
        }
    }

    /// Checks the number of positional arguments of a call.
    pub(super) fn check_positional(&self, name: &str, least: usize, most: usize) -> Outcome<()> {
        match self.values.len() {
            count if count < least => Err(Failure::coded("arguments", too_few(name, least))),
            count if count > most => Err(Failure::coded("arguments", too_many(name, most))),
            _ => Ok(()),
        }
    }

    /// Returns an argument as a text; `None` if it is absent.
    fn text(&self, index: usize, name: &str) -> Outcome<Option<&'r str>> {
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
    fn integer(&self, index: usize, name: &str) -> Outcome<Option<i64>> {
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
    fn count(&self, index: usize, name: &str) -> Outcome<Option<usize>> {
        match self.integer(index, name)?.map(usize::try_from) {
            None => Ok(None),
            Some(Ok(count)) => Ok(Some(count)),
            Some(Err(_)) => Err(Failure::invalid(format!("`{name}` cannot be negative"))),
        }
    }

    /// Returns an argument as a boolean; `None` if it is absent.
    fn truth(&self, index: usize, name: &str) -> Outcome<Option<bool>> {
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
pub(super) fn too_few(name: &str, least: usize) -> String {
    format!("`{name}` needs {least} argument{}", if least == 1 { "" } else { "s" })
}

/// Returns the message about superfluous arguments.
pub(super) fn too_many(name: &str, most: usize) -> String {
    match most {
        0 => format!("`{name}` takes no arguments"),
        1 => format!("`{name}` takes one argument"),
        _ => format!("`{name}` takes {most} arguments at most"),
    }
}

#[cold]
pub(super) fn unknown_keyword(name: &str, unknown: &str, keywords: &[&str]) -> Box<Failure> {
    let failure = Failure::coded("arguments", format!("`{name}` has no argument `{unknown}`"));
    match keyword_help(unknown, keywords) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Returns advice about a keyword argument that does not exist.
pub(super) fn keyword_help(unknown: &str, keywords: &[&str]) -> Option<String> {
    if let Some(near) = suggestion(unknown, keywords.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let named: Vec<String> = keywords.iter().map(|keyword| format!("`{keyword}`")).collect();
    (!named.is_empty()).then(|| format!("its arguments with a name are {}", named.join(", ")))
}

/// The function of a filter.
type Function = for<'r> fn(Val<'r>, &Arguments<'_, 'r>, &mut Machine<'_, 'r>) -> Outcome<Val<'r>>;

/// The description of a filter.
pub(super) struct Definition {
    pub(super) name: &'static str,
    function: Function,
    /// The least number of positional arguments.
    pub(super) least: usize,
    /// The largest number of positional arguments.
    pub(super) most: usize,
    /// The arguments that can be given by name; `None` if any name is possible.
    pub(super) keywords: Option<&'static [&'static str]>,
}

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// One of the language, by its place in the table.
    BuiltIn(u8),
    /// One of the program, by its number in the [`Extensions`](super::extension::Extensions).
    Own(u16),
}

impl Filter {
    /// Returns the filter of the language that has a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let at = FILTERS.iter().position(|filter| filter.name == name)?;
        u8::try_from(at).ok().map(Self::BuiltIn)
    }

    /// Returns the names of all filters of the language.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        FILTERS.iter().map(|filter| filter.name)
    }

    /// Returns the description of a filter of the language.
    pub(super) fn definition(place: u8) -> &'static Definition {
        FILTERS.get(usize::from(place)).unwrap_or(&FILTERS[0])
    }

    /// Applies the filter to a value.
    pub(super) fn apply<'r>(
        self,
        value: Val<'r>,
        arguments: &Arguments<'_, 'r>,
        machine: &mut Machine<'_, 'r>,
    ) -> Outcome<Val<'r>> {
        let definition = match self {
            Self::BuiltIn(place) => Self::definition(place),
            Self::Own(index) => {
                return match machine.space.extensions().own_filter(index) {
                    Some(function) => function.call(Some(value), arguments, machine),
                    None => Ok(value),
                };
            }
        };
        match definition.keywords {
            Some(keywords) => arguments.check(definition.name, definition.least, definition.most, keywords)?,
            None => arguments.check_positional(definition.name, definition.least, definition.most)?,
        }
        if let Some(text) = value.as_str() {
            machine.bytes(text.len())?;
        }
        (definition.function)(value, arguments, machine)
    }
}

const fn filter(
    name: &'static str,
    function: Function,
    (least, most): (usize, usize),
    keywords: &'static [&'static str],
) -> Definition {
    Definition {
        name,
        function,
        least,
        most,
        keywords: Some(keywords),
    }
}

/// Any number of arguments.
const ANY: usize = usize::MAX;

static FILTERS: &[Definition] = &[
    filter("safe", texts::safe, (0, 0), &[]),
    filter("escape", texts::escape, (0, 0), &[]),
    filter("e", texts::escape, (0, 0), &[]),
    filter("upper", texts::upper, (0, 0), &[]),
    filter("lower", texts::lower, (0, 0), &[]),
    filter("title", texts::title, (0, 0), &[]),
    filter("capitalize", texts::capitalize, (0, 0), &[]),
    filter("replace", texts::replace, (2, 3), &["count"]),
    filter("trim", texts::trim, (0, 1), &[]),
    filter("split", texts::split, (0, 2), &[]),
    filter("lines", texts::lines, (0, 0), &[]),
    filter("indent", texts::indent, (0, 3), &["width", "first", "blank"]),
    filter("string", texts::string, (0, 0), &[]),
    filter("pprint", texts::pprint, (0, 0), &[]),
    filter("tojson", texts::tojson, (0, 1), &["indent"]),
    filter("urlencode", texts::urlencode, (0, 0), &[]),
    filter("wordcount", texts::wordcount, (0, 0), &[]),
    filter("striptags", texts::striptags, (0, 0), &[]),
    filter(
        "truncate",
        texts::truncate,
        (0, 4),
        &["length", "killwords", "end", "leeway"],
    ),
    filter("pluralize", texts::pluralize, (0, 2), &["singular", "plural"]),
    Definition {
        name: "format",
        function: printf::format,
        least: 0,
        most: ANY,
        keywords: None,
    },
    filter("abs", numbers::abs, (0, 0), &[]),
    filter("int", numbers::int, (0, 2), &["default", "base"]),
    filter("float", numbers::float, (0, 1), &["default"]),
    filter("round", numbers::round, (0, 2), &["precision", "method"]),
    filter("sum", numbers::sum, (0, 2), &["attribute", "start"]),
    filter("bool", numbers::bool, (0, 0), &[]),
    filter("length", sequences::length, (0, 0), &[]),
    filter("count", sequences::length, (0, 0), &[]),
    filter("default", sequences::default, (0, 2), &["default_value", "boolean"]),
    filter("d", sequences::default, (0, 2), &["default_value", "boolean"]),
    filter("attr", sequences::attr, (1, 1), &[]),
    filter("first", sequences::first, (0, 0), &[]),
    filter("last", sequences::last, (0, 0), &[]),
    filter("reverse", sequences::reverse, (0, 0), &[]),
    filter("join", sequences::join, (0, 2), &["d", "attribute"]),
    filter("list", sequences::list, (0, 0), &[]),
    filter("items", sequences::items, (0, 0), &[]),
    filter(
        "dictsort",
        sequences::dictsort,
        (0, 0),
        &["by", "case_sensitive", "reverse"],
    ),
    filter(
        "sort",
        sequences::sorted,
        (0, 0),
        &["case_sensitive", "reverse", "attribute"],
    ),
    filter("min", sequences::min, (0, 0), &["case_sensitive", "attribute"]),
    filter("max", sequences::max, (0, 0), &["case_sensitive", "attribute"]),
    filter("unique", sequences::unique, (0, 0), &["case_sensitive", "attribute"]),
    filter("batch", sequences::batch, (1, 2), &[]),
    filter("slice", sequences::slice, (1, 2), &[]),
    filter("chain", sequences::chain, (0, ANY), &[]),
    filter("zip", sequences::zip, (0, ANY), &[]),
    filter("map", sequences::map, (0, ANY), &["attribute", "default"]),
    filter("select", sequences::select, (0, ANY), &[]),
    filter("reject", sequences::reject, (0, ANY), &[]),
    filter("selectattr", sequences::selectattr, (1, ANY), &[]),
    filter("rejectattr", sequences::rejectattr, (1, ANY), &[]),
    filter(
        "groupby",
        sequences::groupby,
        (0, 1),
        &["attribute", "default", "case_sensitive"],
    ),
    filter("filesizeformat", numbers::filesizeformat, (0, 1), &["binary"]),
    filter("random", super::chance::random, (0, 0), &[]),
    #[cfg(feature = "jinja-contrib")]
    filter("datetimeformat", dates::datetimeformat, (0, 1), &["format", "tz"]),
    #[cfg(feature = "jinja-contrib")]
    filter("dateformat", dates::dateformat, (0, 1), &["format", "tz"]),
    #[cfg(feature = "jinja-contrib")]
    filter("timeformat", dates::timeformat, (0, 1), &["format", "tz"]),
    #[cfg(feature = "jinja-contrib")]
    filter(
        "wordwrap",
        wrap::wordwrap,
        (0, 4),
        &["width", "break_long_words", "wrapstring", "break_on_hyphens"],
    ),
];
