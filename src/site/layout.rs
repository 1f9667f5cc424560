//! The rules of names: what is an entry, what answers a path, which data belongs to whom.

use std::path::{Path, PathBuf};

use hotplate_actors::TemplateName;
use hotplate_actors::loader::Rules;
use hotplate_actors::template::spellings;

/// What names of data begin with, so that `data/a.json` and `templates/a.json` are two things.
pub(super) const DATA_PREFIX: &str = "data:";

/// Whether a name is one of data rather than of a template.
pub(super) fn is_data(name: &str) -> bool {
    name.starts_with(DATA_PREFIX) && name.ends_with(".json")
}

/// Whether some folder on the way says that its templates are pieces for others: its name begins with `_` or is `partials`.
pub(super) fn is_partial(name: &str) -> bool {
    let mut folders = name.rsplit('/').skip(1);
    folders.any(|folder| folder.starts_with('_') || folder == "partials")
}

/// Whether a directory in which there is this looks like a plain folder of templates, rather than a site or one to come.
pub(super) fn looks_like_a_folder(names: &[PathBuf]) -> bool {
    let extensions = Rules::default().extensions.unwrap_or_default();
    let has = |wanted: &str| names.iter().any(|name| name.as_os_str() == wanted);
    let is_template = |name: &&PathBuf| {
        let extension = name.extension().and_then(|extension| extension.to_str());
        !is_hidden(name) && extension.is_some_and(|extension| extensions.iter().any(|each| each == extension))
    };
    let has_templates = || names.iter().any(|name| is_template(&name));
    let has_folders = || names.iter().any(|name| name.extension().is_none() && !is_hidden(name));
    !has(super::TEMPLATES) && (has_templates() || (!has("data") && !has("static") && has_folders()))
}

fn is_hidden(name: &Path) -> bool {
    name.as_os_str().as_encoded_bytes().starts_with(b".")
}

/// The names that may answer a path, the first that exists does. The path is decoded and has no query.
pub(super) fn candidates(path: &str) -> impl Iterator<Item = TemplateName> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let [exact, page] = if path.is_empty() || path.ends_with('/') {
        [format!("{path}index.html"), String::new()]
    } else {
        [path.to_owned(), format!("{path}.html")]
    };
    [exact, page]
        .into_iter()
        .filter_map(|name| TemplateName::new(&name).ok())
}

/// The data of an entry, each laid over the one before: what every entry has, what those of one stem share, its own.
pub(super) fn data_of(entry: &TemplateName) -> Vec<TemplateName> {
    let entry = entry.as_str();
    let file = entry.rfind('/').map_or(0, |slash| slash + 1);
    let stem = match entry[file..].rfind('.') {
        Some(dot) => &entry[..file + dot],
        None => entry,
    };
    let mut names = vec!["_all"];
    names.extend([stem, entry]);
    names.dedup();
    let name = |name: &str| TemplateName::new(&format!("{DATA_PREFIX}{name}.json")).ok();
    names.into_iter().filter_map(name).collect()
}

/// The data of an entry with the other spellings of each name, which count where there is none of the name: see [`chosen`].
pub(super) fn companions_of(entry: &TemplateName) -> Vec<TemplateName> {
    let names = data_of(entry).into_iter();
    let spelt = |name: TemplateName| {
        let others: Vec<_> = spellings(name.as_str())
            .filter_map(|other| TemplateName::new(&other).ok())
            .collect();
        std::iter::once(name).chain(others)
    };
    names.flat_map(spelt).collect()
}

/// Of the companions of an entry that are there those that are its data: of each name itself, else its first other spelling.
pub(super) fn chosen<T: Copy>(entry: &TemplateName, there: &[T], name_of: impl Fn(T) -> TemplateName) -> Vec<T> {
    let of = |wanted: &str| there.iter().copied().find(|each| name_of(*each).as_str() == wanted);
    let names = data_of(entry).into_iter();
    let found = names.filter_map(|name| {
        let equivalent = || spellings(name.as_str()).find_map(|other| of(&other));
        of(name.as_str()).or_else(equivalent)
    });
    found.collect()
}

/// A directory as the beginning of a name: relative and with slashes, or its last component.
#[cfg(feature = "cli")]
pub(super) fn as_name(directory: &Path) -> String {
    use std::path::Component;
    let mut names = Vec::new();
    for component in directory.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => names.clear(),
        }
    }
    let is_relative = directory
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    match names.pop() {
        None => "data".to_owned(),
        Some(last) if names.is_empty() || !is_relative => last,
        Some(last) => format!("{}/{last}", names.join("/")),
    }
}

/// The file below the directory of the data, for a name of data.
pub(super) fn shown(name: &TemplateName, directory: &str) -> Option<TemplateName> {
    let file = name
        .as_str()
        .strip_prefix(DATA_PREFIX)
        .filter(|_| is_data(name.as_str()))?;
    // A hidden directory begins no name.
    let whole = TemplateName::new(&format!("{directory}/{file}"));
    whole.or_else(|_| TemplateName::new(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> TemplateName {
        TemplateName::new(name).expect("a name")
    }

    #[test]
    fn folders_decide_what_is_a_partial() {
        for (template, expected) in [
            ("index.html", false),
            ("_index.html", false),
            ("partials.html", false),
            ("partials/a.html", true),
            ("_layout/head.html", true),
            ("mail/_parts/line.txt", true),
            ("_a/b/c.html", true),
            ("shop/partials/x/y.html", true),
            ("my_partials/a.html", false),
        ] {
            assert_eq!(is_partial(template), expected, "{template}");
        }
    }

    #[test]
    fn what_is_in_a_directory_says_what_it_is() {
        for (names, folder) in [
            (&[][..], false),
            (&["templates"], false),
            (&["templates", "index.html"], false),
            (&["data"], false),
            (&["static", "hotplate.toml", "mail"], false),
            (&["hotplate.toml"], false),
            (&[".git", ".notes.html"], false),
            (&["index.html"], true),
            (&["index.html", "data", "static"], true),
            (&["mail", "hotplate.toml"], true),
            (&["Templates"], true),
        ] {
            let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            assert_eq!(looks_like_a_folder(&paths), folder, "{names:?}");
        }
    }

    #[test]
    fn a_path_has_its_candidates_in_order() {
        let cases: [(&str, &[&str]); 11] = [
            ("/", &["index.html"]),
            ("", &["index.html"]),
            ("/a/b", &["a/b", "a/b.html"]),
            ("/a/", &["a/index.html"]),
            ("/feed.xml", &["feed.xml", "feed.xml.html"]),
            ("/mail/order.txt", &["mail/order.txt", "mail/order.txt.html"]),
            ("/../secret", &[]),
            ("//a", &[]),
            ("/a//b", &[]),
            ("/.git/config", &[]),
            ("/a\0b", &[]),
        ];
        for (path, expected) in cases {
            let found: Vec<String> = candidates(path).map(|name| name.to_string()).collect();
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn an_entry_has_its_data_by_stem_and_by_name() {
        for (entry, expected) in [
            (
                "index.html",
                ["data:_all.json", "data:index.json", "data:index.html.json"],
            ),
            (
                "mail/order.txt",
                ["data:_all.json", "data:mail/order.json", "data:mail/order.txt.json"],
            ),
            (
                "v1.2/a.b.xml",
                ["data:_all.json", "data:v1.2/a.b.json", "data:v1.2/a.b.xml.json"],
            ),
        ] {
            let found: Vec<String> = data_of(&name(entry)).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{entry}");
        }
        let plain: Vec<String> = data_of(&name("v1.2/LICENSE")).iter().map(ToString::to_string).collect();
        assert_eq!(plain, ["data:_all.json", "data:v1.2/LICENSE.json"]);
        let long = name(&"x".repeat(1024));
        assert_eq!(
            data_of(&long).len(),
            1,
            "a name that is too long for data has none of its own"
        );
    }

    #[test]
    fn data_of_another_spelling_counts_where_there_is_none_of_the_name() {
        let entry = name("nai\u{308}ve.html");
        let (composed, own) = (name("data:na\u{ef}ve.json"), name("data:nai\u{308}ve.json"));
        let companions = companions_of(&entry);
        assert!(
            companions.contains(&composed) && companions.contains(&own),
            "{companions:?}"
        );
        let all = name("data:_all.json");
        let chosen = |there: &[&TemplateName]| {
            chosen(&entry, there, TemplateName::clone)
                .into_iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[&all, &composed]), [all.clone(), composed.clone()]);
        assert_eq!(chosen(&[&all, &composed, &own]), [all.clone(), own]);
        assert_eq!(companions_of(&name("a.html")), data_of(&name("a.html")));
        let accents = "\u{e9}/".repeat(300);
        assert!(companions_of(&name(&format!("{accents}a.html"))).len() <= 3 * 17);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_directory_begins_names_as_it_was_given_if_it_is_relative() {
        for (directory, expected) in [
            ("samples", "samples"),
            ("./tests/samples/", "tests/samples"),
            ("/tmp/samples", "samples"),
            ("../samples", "samples"),
            (".", "data"),
            ("..", "data"),
        ] {
            assert_eq!(as_name(Path::new(directory)), expected, "{directory}");
        }
    }

    #[test]
    fn data_is_shown_as_its_file() {
        let order = name("data:mail/order.json");
        assert_eq!(shown(&order, "data"), Some(name("data/mail/order.json")));
        assert_eq!(shown(&order, "samples"), Some(name("samples/mail/order.json")));
        assert_eq!(shown(&order, ".samples"), Some(name("mail/order.json")));
        assert_eq!(shown(&name("data/a.html"), "data"), None);
        assert!(is_data("data:a.json") && !is_data("data:a.html") && !is_data("data/a.json"));
    }
}
