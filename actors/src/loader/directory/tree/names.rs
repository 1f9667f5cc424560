//! Helpers for names below a root: components separated by `/`, and ordered maps of such names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::RelativePath;

/// Returns the directory of a name and its last component.
pub(super) fn split(rel: &str) -> (&str, &str) {
    rel.rsplit_once('/').unwrap_or(("", rel))
}

/// Joins the name of a directory and a component.
pub(super) fn join(parent: &str, name: &str) -> String {
    let mut rel = String::with_capacity(parent.len() + 1 + name.len());
    rel.push_str(parent);
    if !parent.is_empty() {
        rel.push('/');
    }
    rel.push_str(name);
    rel
}

/// Returns the part of a name after that of a directory and the separator.
pub(super) fn below<'a>(rel: &'a str, directory: &str) -> &'a str {
    match directory {
        "" => rel,
        directory => rel.get(directory.len() + 1..).unwrap_or_default(),
    }
}

/// Returns the names below a directory.
pub(super) fn inside<'a, T>(map: &'a BTreeMap<RelativePath, T>, rel: &str) -> impl Iterator<Item = &'a RelativePath> {
    let prefix = match rel {
        "" => String::new(),
        rel => format!("{rel}/"),
    };
    let from = match rel {
        "" => Bound::Excluded(""),
        _ => Bound::Included(prefix.as_str()),
    };
    let inside = map.range::<str, _>((from, Bound::Unbounded));
    inside
        .map(|(each, _)| each)
        .take_while(move |each| each.starts_with(&prefix))
}

/// Returns the last components of the names directly below a directory. Costs a look-up for each, however many names are below.
pub(super) fn children<T>(map: &BTreeMap<RelativePath, T>, rel: &str) -> BTreeSet<String> {
    let mut children = BTreeSet::new();
    let mut after = Bound::Excluded(match rel {
        "" => String::new(),
        rel => format!("{rel}/"),
    });
    while let Some((each, _)) = map
        .range::<str, _>((after.as_ref().map(String::as_str), Bound::Unbounded))
        .next()
    {
        if !rel.is_empty() && each.strip_prefix(rel).is_none_or(|rest| !rest.starts_with('/')) {
            break;
        }
        let child = below(each, rel).split('/').next().unwrap_or_default();
        let full = join(rel, child);
        // `0` follows the separator, so what is below the child is skipped and nothing else.
        after = match full.len() == each.len() {
            true => Bound::Excluded(full),
            false => Bound::Included(format!("{full}0")),
        };
        children.insert(child.to_owned());
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_names_below_are_found() {
        let names = ["", "a", "a-b", "a.html", "a/x", "a/y/z", "a0", "b/c/d"];
        let map: BTreeMap<RelativePath, ()> = names.map(|name| (name.into(), ())).into();
        let found = |rel| children(&map, rel).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(found(""), "a a-b a.html a0 b");
        assert_eq!(found("a"), "x y");
        assert_eq!(found("a/x"), "");
        let within = |rel| inside(&map, rel).map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
        assert_eq!(within("a"), "a/x a/y/z");
        assert_eq!(within("").split(' ').count(), 7);
    }
}
