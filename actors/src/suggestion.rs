//! Suggestions ("did you mean …?"): the known name that was most probably meant by an unknown one.
//!
//! Everything that suggests a name uses [`suggestion`]; names of templates use [`suggested_template`], which also considers the ways in
//! which people write paths. Two names are compared by their optimal string alignment distance, the number of insertions, deletions,
//! substitutions and transpositions of neighbours that lead from one to the other. Computing the distance costs the product of both
//! lengths, so the lengths are compared first and long names are left out.

use std::borrow::Cow;

use crate::template::TemplateName;

/// The longest name, in bytes, that is compared letter by letter.
const COMPARED_BYTES_MAX: usize = 64;

/// The largest number of edits in a misspelt name of any length. Shorter names may have one edit per three letters, and at least one.
const EDITS_MAX: usize = 3;

/// Returns the candidate with the fewest edits from an unknown word; the first one of several, none if all differ too much.
///
/// ```
/// use hotplate_actors::suggestion;
///
/// let words = ["upper", "lower", "title"];
/// assert_eq!(suggestion("uper", words), Some("upper"));
/// assert_eq!(suggestion("reverse", words), None);
/// ```
pub fn suggestion<'c>(unknown: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let scored = candidates
        .into_iter()
        .filter_map(|candidate| Some((edits(unknown, candidate)?, candidate)));
    scored.min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// Returns the template that is most probably meant by a name or a path that does not exist; of several equally good names, the first in
/// alphabetical order.
pub(crate) fn suggested_template<'n>(
    unknown: &str,
    names: impl IntoIterator<Item = &'n TemplateName>,
) -> Option<&'n TemplateName> {
    let unknown = below_root(unknown);
    let scored = names
        .into_iter()
        .filter_map(|name| Some((path_distance(&unknown, name.as_str())?, name)));
    scored.min().map(|(_, name)| name)
}

/// Returns the distance of a template's name from an unknown one, if the unknown one may mean it: both are equal except for upper and lower
/// case or the extension, both are the same file in different folders, or one is a misspelling of the other.
fn path_distance(unknown: &str, name: &str) -> Option<usize> {
    if equal_ignoring_case(unknown, name) {
        return Some(0);
    }
    if file(unknown) == file(name) {
        return Some(1);
    }
    let edits = edits(unknown, name);
    if equal_ignoring_case(stem(unknown), stem(name)) {
        return Some(edits.unwrap_or(2).min(2));
    }
    edits.or_else(|| equal_ignoring_case(stem(file(unknown)), stem(file(name))).then_some(3))
}

/// Returns the number of edits between two names, if it is small for the length of the shorter one.
fn edits(unknown: &str, name: &str) -> Option<usize> {
    if equal_ignoring_case(unknown, name) {
        return Some(0);
    }
    let shorter = unknown.len().min(name.len());
    let edits_max = (shorter / 3).clamp(1, EDITS_MAX);
    // A character has at most four bytes.
    let comparable =
        unknown.len().max(name.len()) <= COMPARED_BYTES_MAX && unknown.len().abs_diff(name.len()) <= edits_max * 4;
    let edits =
        (comparable && letters_differ_by(unknown, name) <= edits_max).then(|| strsim::osa_distance(unknown, name))?;
    (edits <= edits_max).then_some(edits)
}

/// Returns a lower bound of the number of edits, which takes a fraction of the time: an edit adds and removes one letter at most (the bag
/// distance of Bartolini, Ciaccia and Patella, *String matching with metric trees using an approximate distance*, 2002). 0 unless both are
/// ASCII.
fn letters_differ_by(one: &str, other: &str) -> usize {
    if !one.is_ascii() || !other.is_ascii() {
        return 0;
    }
    let mut letters = [0_i8; 128];
    // Names that are compared are shorter than what an `i8` counts.
    one.bytes()
        .for_each(|byte| letters[usize::from(byte)] = letters[usize::from(byte)].saturating_add(1));
    other
        .bytes()
        .for_each(|byte| letters[usize::from(byte)] = letters[usize::from(byte)].saturating_sub(1));
    let added: usize = letters
        .iter()
        .map(|letter| usize::from(letter.max(&0).unsigned_abs()))
        .sum();
    let removed: usize = letters
        .iter()
        .map(|letter| usize::from(letter.min(&0).unsigned_abs()))
        .sum();
    added.max(removed)
}

/// Returns the template name that the path of a file or of a page means: without the directories above the templates, and for a directory
/// the name of its index.
fn below_root(path: &str) -> Cow<'_, str> {
    let path = path.rsplit_once("templates/").map_or(path, |(_, below)| below);
    let path = path.trim_start_matches("./").trim_start_matches('/');
    match path.is_empty() || path.ends_with('/') {
        true => format!("{path}index.html").into(),
        false => path.into(),
    }
}

fn file(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, file)| file)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Returns true if two names differ in upper and lower case at most. Lengths in bytes of the two cases of a letter can differ, so they
/// are compared only roughly.
fn equal_ignoring_case(one: &str, other: &str) -> bool {
    fn lower(text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(char::to_lowercase)
    }
    one == other || one.len().abs_diff(other.len()) <= 8 && lower(one).eq(lower(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 6] = [
        "404.html",
        "Über.html",
        "about/index.html",
        "about/team.html",
        "index.html",
        "mail/order.txt",
    ];

    #[test]
    fn a_template_is_suggested_by_usual_spellings() {
        let names = NAMES.map(|name| TemplateName::new(name).expect("valid"));
        let suggested = |unknown| suggested_template(unknown, &names).map(TemplateName::as_str);
        for (unknown, meant) in [
            ("index", "index.html"),
            ("/index", "index.html"),
            ("/", "index.html"),
            ("", "index.html"),
            ("./index.html", "index.html"),
            ("templates/index.html", "index.html"),
            ("site/templates/about/team.html", "about/team.html"),
            ("/srv/site/templates/mail/order.txt", "mail/order.txt"),
            ("INDEX.HTML", "index.html"),
            ("About/Team", "about/team.html"),
            ("about/", "about/index.html"),
            ("/about/team", "about/team.html"),
            ("index.htm", "index.html"),
            ("idnex.html", "index.html"),
            ("über", "Über.html"),
            ("order.txt", "mail/order.txt"),
            ("order", "mail/order.txt"),
            ("team", "about/team.html"),
        ] {
            assert_eq!(suggested(unknown), Some(meant), "{unknown:?}");
        }
        for unknown in ["nothing/like/it", "x", "data:index.json.gz.bak"] {
            assert_eq!(suggested(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn a_word_is_suggested_within_the_edits_of_its_length() {
        let long = "x".repeat(COMPARED_BYTES_MAX);
        for (unknown, known, is_suggested) in [
            ("fi", "if", true),
            ("IF", "if", true),
            ("or", "if", false),
            ("ednif", "endif", true),
            ("abcxx", "abcde", false),
            ("abcdxx", "abcdef", true),
            ("abcdefghixxx", "abcdefghijkl", true),
            ("abcdefghijkxxxx", "abcdefghijklmno", false),
            ("gruße", "grüße", true),
            (&long[1..], long.as_str(), true),
            (long.as_str(), &format!("{long}x"), false),
        ] {
            let suggested = suggestion(unknown, ["other-word", known]);
            assert_eq!(suggested, is_suggested.then_some(known), "{unknown}");
        }
        assert_eq!(
            suggestion("cat", ["bat", "hat", "cart"]),
            Some("bat"),
            "the first of several"
        );
    }

    proptest! {
        #[test]
        fn letters_differ_by_no_more_than_edits(one in "[a-dß]{0,12}", other in "[a-dß]{0,12}") {
            prop_assert!(letters_differ_by(&one, &other) <= strsim::osa_distance(&one, &other));
        }
    }
}
