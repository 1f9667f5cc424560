//! Names in sentences, and names as people know them: data has the name of its file.

use std::fmt::Display;

use hotplate::TemplateName;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;

pub(crate) use crate::admin::phrases::count;

/// Names that a sentence spells out.
const SPELT_OUT: usize = 3;

/// Names of a sample that a line spells out.
const SAMPLE_SPELT_OUT: usize = 10;

/// Returns names for a sentence: `a.html, b.html, c.html and 4 more`.
pub(crate) fn list(site: &Site, names: &[TemplateName]) -> String {
    list_of(site, names, names.len())
}

/// Returns the same of `count` templates, of which only some names are known.
pub(crate) fn list_of(site: &Site, names: &[TemplateName], count: usize) -> String {
    match names.is_empty() {
        true => self::count(count, "template"),
        false => enumeration_of(names.iter().map(|name| site.shown(name)), SPELT_OUT, count),
    }
}

/// Returns `count` names, of which only some are known, for a sentence.
pub(crate) fn sample(names: &[&str], count: usize) -> String {
    match names.is_empty() {
        true => self::count(count, "template"),
        false => enumeration_of(names.iter(), SAMPLE_SPELT_OUT, count),
    }
}

/// Returns an enumeration that spells out at most the given number of items.
pub(crate) fn enumeration(all: impl ExactSizeIterator<Item = impl Display>, spelt_out: usize) -> String {
    let count = all.len();
    enumeration_of(all, spelt_out, count)
}

fn enumeration_of(all: impl Iterator<Item = impl Display>, spelt_out: usize, count: usize) -> String {
    let mut enumeration = String::new();
    let mut shown = 0;
    for each in all.take(spelt_out) {
        let before = match shown {
            0 => "",
            _ if shown + 1 == count => " and ",
            _ => ", ",
        };
        enumeration += &format!("{before}{each}");
        shown += 1;
    }
    match count.saturating_sub(shown) {
        0 => enumeration,
        more => format!("{enumeration} and {more} more"),
    }
}

/// Returns the sentence about the answer that visitors get for templates whose newest text is not good. `kind` is `last-good`, `stand-in` or
/// `failure`, as in the events and in the admin API; `since` is the version that is still served.
pub(crate) fn answer(kind: &str, since: Option<impl Display>, list: &str) -> String {
    match (kind, since) {
        ("last-good", Some(since)) => format!("stale: still serving version {since} of {list}"),
        ("stand-in", _) => format!("no good version: a stand-in is served for {list}"),
        _ => format!("{list} cannot be shown: there is no good version yet"),
    }
}

/// Translates all names into the names that people know.
pub(crate) fn show<'n>(site: &Site, names: impl IntoIterator<Item = &'n mut TemplateName>) {
    names.into_iter().for_each(|name| *name = site.shown(name));
}

/// Translates the names in diagnostics into the names that people know.
pub(crate) fn show_in(site: &Site, diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        diagnostic.template = diagnostic.template.take().map(|name| site.shown(&name));
    }
}

/// Returns a diagnostic with the name that people know.
pub(crate) fn diagnostic(site: &Site, diagnostic: &Diagnostic) -> Diagnostic {
    let mut diagnostic = diagnostic.clone();
    show_in(site, std::slice::from_mut(&mut diagnostic));
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_enumerations_are_cut() {
        for (names, expected) in [
            (&["a"][..], "a"),
            (&["a", "b"], "a and b"),
            (&["a", "b", "c"], "a, b and c"),
            (&["a", "b", "c", "d"], "a, b, c and 1 more"),
        ] {
            assert_eq!(enumeration(names.iter(), 3), expected);
        }
    }
}
