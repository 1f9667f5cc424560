//! The filters of the language.

#[cfg(feature = "jinja-contrib")]
mod dates;
mod numbers;
mod order;
mod printf;
mod select;
mod sequences;
mod texts;
#[cfg(feature = "jinja-contrib")]
mod wrap;

use super::failure::{Failure, Outcome};
use super::value::{Arguments, Machine, Registered, Role, Val};

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
    /// One of the program, by its number.
    Own(u16),
}

impl Filter {
    /// Returns the filter that has a name: one of the program, or else one of the language.
    pub(super) fn find(name: &str, registered: &dyn Registered) -> Option<Self> {
        let own = registered.number(Role::Filter, name).map(Self::Own);
        own.or_else(|| Self::named(name))
    }

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
                return match machine.space.registered().own(Role::Filter, index) {
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
        order::dictsort,
        (0, 0),
        &["by", "case_sensitive", "reverse"],
    ),
    filter(
        "sort",
        order::sorted,
        (0, 0),
        &["case_sensitive", "reverse", "attribute"],
    ),
    filter("min", order::min, (0, 0), &["case_sensitive", "attribute"]),
    filter("max", order::max, (0, 0), &["case_sensitive", "attribute"]),
    filter("unique", order::unique, (0, 0), &["case_sensitive", "attribute"]),
    filter("batch", sequences::batch, (1, 2), &[]),
    filter("slice", sequences::slice, (1, 2), &[]),
    filter("chain", sequences::chain, (0, ANY), &[]),
    filter("zip", sequences::zip, (0, ANY), &[]),
    filter("map", select::map, (0, ANY), &["attribute", "default"]),
    filter("select", select::select, (0, ANY), &[]),
    filter("reject", select::reject, (0, ANY), &[]),
    filter("selectattr", select::selectattr, (1, ANY), &[]),
    filter("rejectattr", select::rejectattr, (1, ANY), &[]),
    filter(
        "groupby",
        order::groupby,
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
