//! [`likeness`] of two names. It decides every "did you mean" about a template that is not there.

use std::borrow::Cow;

/// The longest name, in bytes, that is compared letter by letter.
const COMPARED_BYTES_MAX: usize = 64;

/// Returns the distance of a template's name from the wanted one, if it may be what was meant: it is equal but for what a path has
/// before it, for upper and lower case or for the extension; it is the same file in another folder; or it is misspelt.
pub(crate) fn likeness(wanted: &str, name: &str) -> Option<usize> {
    let wanted = below_root(wanted);
    let wanted = wanted.as_ref();
    if same(wanted, name) {
        return Some(0);
    }
    if file(wanted) == file(name) {
        return Some(1);
    }
    let misspelt = misspelt(wanted, name);
    if same(stem(wanted), stem(name)) {
        return Some(misspelt.unwrap_or(2).min(2));
    }
    misspelt.or_else(|| same(stem(file(wanted)), stem(file(name))).then_some(3))
}

/// Returns the number of edits between two names (optimal string alignment), if they are few for their length.
pub(crate) fn misspelt(wanted: &str, name: &str) -> Option<usize> {
    let shorter = wanted.len().min(name.len());
    let edits_max = (shorter / 3).max(1);
    let comparable =
        wanted.len().max(name.len()) <= COMPARED_BYTES_MAX && wanted.len().abs_diff(name.len()) <= edits_max * 4;
    let edits = comparable.then(|| strsim::osa_distance(wanted, name))?;
    (edits <= edits_max).then_some(edits)
}

/// Returns the name that the path of a file or of a page means: without what leads to the templates, and a directory by its index.
fn below_root(wanted: &str) -> Cow<'_, str> {
    let path = wanted.rsplit_once("templates/").map_or(wanted, |(_, below)| below);
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

/// Returns true if two names are equal but for upper and lower case.
fn same(one: &str, other: &str) -> bool {
    fn lower(text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(char::to_lowercase)
    }
    one == other || one.len().abs_diff(other.len()) <= 8 && lower(one).eq(lower(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(wanted: &str) -> Option<&'static str> {
        let names = [
            "404.html",
            "Über.html",
            "about/index.html",
            "about/team.html",
            "index.html",
            "mail/order.txt",
        ];
        let scored = names
            .into_iter()
            .filter_map(|name| Some((likeness(wanted, name)?, name)));
        scored.min().map(|(_, name)| name)
    }

    #[test]
    fn a_name_is_found_by_what_people_write_for_it() {
        for (wanted, meant) in [
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
            assert_eq!(nearest(wanted), Some(meant), "{wanted:?}");
        }
        for wanted in ["nothing/like/it", "x", "data:index.json.gz.bak"] {
            assert_eq!(nearest(wanted), None, "{wanted:?}");
        }
    }
}
