//! Arguments of filters under their names in other languages.

use super::super::ast::{Argument, ByteRange};
use super::super::fault::Fault;
use crate::suggestion::suggestion;

/// The meaning of an argument here.
#[derive(Clone, Copy)]
enum Meaning {
    /// It is given by its position.
    At(usize),
    /// It has another name.
    Named(&'static str),
}

/// Returns the meaning of an argument of tera, Jinja2, Twig or Rust.
fn meaning(filter: &str, argument: &str) -> Option<Meaning> {
    use Meaning::{At, Named};
    Some(match (filter, argument) {
        ("split", "pat" | "sep" | "separator" | "delimiter" | "by") => At(0),
        ("split", "maxsplit" | "limit") => At(1),
        ("join", "sep" | "separator" | "delimiter" | "glue") => At(0),
        ("default" | "d", "value" | "default" | "fallback") => At(0),
        ("replace", "from" | "old" | "search") => At(0),
        ("replace", "to" | "new" | "with") => At(1),
        ("trim", "pat" | "chars" | "characters") => At(0),
        ("batch" | "slice", "size" | "count" | "linecount" | "slices" | "length") => At(0),
        ("batch" | "slice", "fill" | "fill_with") => At(1),
        ("truncate", "len" | "size" | "chars") => Named("length"),
        ("truncate", "ellipsis") => Named("end"),
        ("sort" | "unique" | "min" | "max" | "groupby" | "sum" | "map" | "join", "attr" | "by" | "key" | "field") => {
            Named("attribute")
        }
        ("round", "digits" | "ndigits" | "places" | "decimals") => Named("precision"),
        ("round", "common" | "mode") => Named("method"),
        ("indent", "size" | "spaces") => Named("width"),
        ("indent", "indentfirst") => Named("first"),
        ("tojson", "pretty") => Named("indent"),
        ("wordwrap", "length") => Named("width"),
        ("pluralize", "suffix") => Named("plural"),
        ("datetimeformat" | "dateformat" | "timeformat", "fmt" | "pattern") => Named("format"),
        ("datetimeformat" | "dateformat" | "timeformat", "timezone" | "zone") => Named("tz"),
        ("filesizeformat", "base2") => Named("binary"),
        _ => return None,
    })
}

/// The names of [`meaning`], for those that are misspelt.
const NAMES: [&str; 24] = [
    "pat",
    "sep",
    "separator",
    "delimiter",
    "glue",
    "value",
    "fallback",
    "from",
    "old",
    "search",
    "to",
    "chars",
    "size",
    "linecount",
    "slices",
    "fill",
    "ellipsis",
    "attr",
    "digits",
    "ndigits",
    "spaces",
    "pretty",
    "timezone",
    "pattern",
];

/// Returns the meaning of an argument, also of a misspelt one that is similar to none of this language.
fn meant(filter: &str, argument: &str, keywords: &[&str]) -> Option<Meaning> {
    if keywords.contains(&argument) {
        return None;
    }
    meaning(filter, argument).or_else(|| {
        let names = NAMES.into_iter().filter(|name| meaning(filter, name).is_some());
        let near = match suggestion(argument, keywords.iter().copied()) {
            Some(_) => None,
            None => suggestion(argument, names),
        };
        meaning(filter, near?)
    })
}

/// Returns the fault of a filter with arguments under names of other languages, with the call to write.
pub(in crate::dialect::jinja) fn foreign_arguments(
    filter: &str,
    arguments: &[Argument<'_>],
    keywords: &[&str],
    source: &str,
) -> Option<Fault> {
    let text = |at: ByteRange| source.get(at.range()).unwrap_or_default();
    let mut at = None;
    let (mut positional, mut named) = (Vec::new(), Vec::new());
    for argument in arguments {
        match argument {
            Argument::Positional(value) => positional.push((positional.len(), text(value.at))),
            Argument::Named(name, value) => {
                if let ("slice", "start" | "end") = (filter, name.text) {
                    let fault = Fault::new("arguments", name.at, "a part of a list is no filter here");
                    return Some(fault.help("write `list[start:end]`"));
                }
                match meant(filter, name.text, keywords) {
                    Some(Meaning::At(place)) => {
                        at.get_or_insert(name.at);
                        positional.push((place, text(value.at)));
                    }
                    Some(Meaning::Named(known)) => {
                        at.get_or_insert(name.at);
                        named.push(format!("{known}={}", text(value.at)));
                    }
                    None => named.push(format!("{}={}", name.text, text(value.at))),
                }
            }
            Argument::Spread(_) | Argument::SpreadNamed(_) => return None,
        }
    }
    let at = at?;
    positional.sort_by_key(|(place, _)| *place);
    // An argument before it may be missing, or given twice.
    if positional.iter().enumerate().any(|(place, (meant, _))| place != *meant) {
        return None;
    }
    let written: Vec<String> = positional
        .into_iter()
        .map(|(_, value)| value.to_owned())
        .chain(named)
        .collect();
    let message = format!("`{filter}` has no argument `{}`", text(at));
    Some(Fault::new("arguments", at, message).help(format!("write `{filter}({})`", written.join(", "))))
}
