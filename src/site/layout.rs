//! The rules of names: which templates are pages, which page answers a path, which data belongs to a page.

use std::path::{Path, PathBuf};

use hotplate_actors::TemplateName;
use hotplate_actors::loader::Rules;
use hotplate_actors::template::{JINJA_EXTENSIONS, spellings};

/// The prefix of names of data, so that `data/a.json` and `templates/a.json` have different names.
pub(super) const DATA_PREFIX: &str = "data:";

/// The prefix of names of samples, which are contexts for checks and previews.
pub(super) const SAMPLE_PREFIX: &str = "sample:";

/// The prefix of names of JSON Schemas of contexts.
pub(super) const SCHEMA_PREFIX: &str = "schema:";

/// The directories of samples and schemas below that of the site.
pub(super) const SAMPLES: &str = "samples";
pub(super) const SCHEMAS: &str = "schemas";

/// Returns true for a name of data: that of pages, samples and schemas.
pub(super) fn is_data(name: &str) -> bool {
    let prefixes = [DATA_PREFIX, SAMPLE_PREFIX, SCHEMA_PREFIX];
    name.ends_with(".json") && prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns true for the name of a sample or a schema.
pub(super) fn is_contract_text(name: &TemplateName) -> bool {
    let prefixes = [SAMPLE_PREFIX, SCHEMA_PREFIX];
    is_data(name.as_str()) && prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
}

/// Returns true for the name of a partial: some folder in it begins with `_` or is `partials`.
pub(super) fn is_partial(name: &str) -> bool {
    let mut folders = name.rsplit('/').skip(1);
    folders.any(|folder| folder.starts_with('_') || folder == "partials")
}

/// Returns true if a directory with these entries looks like a plain folder of templates rather than a site.
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

/// Returns the names that may answer a path; the first that exists does. The path is decoded and has no query.
pub(super) fn candidates(path: &str) -> impl Iterator<Item = TemplateName> {
    plain_candidates(path).chain(plain_candidates(path).flat_map(in_jinja))
}

/// Returns the names that may answer a path, without those that have an extension for their language.
pub(super) fn plain_candidates(path: &str) -> impl Iterator<Item = TemplateName> {
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

/// Returns the names of templates in Jinja that produce a file.
fn in_jinja(output: TemplateName) -> impl Iterator<Item = TemplateName> {
    let extensions = if cfg!(feature = "jinja") {
        &JINJA_EXTENSIONS[..]
    } else {
        &[]
    };
    let names = extensions
        .iter()
        .map(move |extension| TemplateName::new(&format!("{output}.{extension}")));
    names.filter_map(Result::ok)
}

/// Returns the names of the data of an entry, each to be merged over the one before: the data of all entries, of all entries with the same
/// stem, and of this entry alone.
pub(super) fn data_of(entry: &TemplateName) -> Vec<TemplateName> {
    let names = std::iter::once("_all").chain(stem_and_name(entry));
    named(DATA_PREFIX, names)
}

/// Returns the names of the samples of an entry, each to be merged over the one before and over its data.
pub(super) fn samples_of(entry: &TemplateName) -> Vec<TemplateName> {
    named(SAMPLE_PREFIX, stem_and_name(entry))
}

/// Returns the names of the schemas of an entry. The last one that exists counts.
pub(super) fn schemas_of(entry: &TemplateName) -> Vec<TemplateName> {
    named(SCHEMA_PREFIX, stem_and_name(entry))
}

/// Returns the name of the output of an entry without and with its extension: the data of `a.html.j2` is that of `a.html`.
fn stem_and_name(entry: &TemplateName) -> [&str; 2] {
    let output = entry.output_name();
    let file = output.rfind('/').map_or(0, |slash| slash + 1);
    match output[file..].rfind('.') {
        Some(dot) => [&output[..file + dot], output],
        None => [output, output],
    }
}

fn named<'n>(prefix: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<TemplateName> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.dedup();
    let name = |name: &str| TemplateName::new(&format!("{prefix}{name}.json")).ok();
    names.into_iter().filter_map(name).collect()
}

/// Returns the names of the data of an entry, with the other Unicode forms of each name, which are used if the name itself does not exist:
/// see [`chosen`].
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

/// Selects the data of an entry among its existing companions: for each name the companion with exactly that name, otherwise the first one
/// with another Unicode form.
pub(super) fn chosen<T: Copy>(entry: &TemplateName, there: &[T], name_of: impl Fn(T) -> TemplateName) -> Vec<T> {
    let of = |wanted: &str| there.iter().copied().find(|each| name_of(*each).as_str() == wanted);
    let names = data_of(entry).into_iter();
    let found = names.filter_map(|name| {
        let equivalent = || spellings(name.as_str()).find_map(|other| of(&other));
        of(name.as_str()).or_else(equivalent)
    });
    found.collect()
}

/// Returns a directory as the prefix of a name: relative and with slashes, or its last component.
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

/// Returns the file of the data with this name, below the directory of the data. Names of templates have no such file.
pub(super) fn shown(name: &TemplateName, directory: &str) -> Option<TemplateName> {
    let directories = [
        (DATA_PREFIX, directory),
        (SAMPLE_PREFIX, SAMPLES),
        (SCHEMA_PREFIX, SCHEMAS),
    ];
    let (directory, file) = directories
        .into_iter()
        .find_map(|(prefix, directory)| Some((directory, name.as_str().strip_prefix(prefix)?)))
        .filter(|_| is_data(name.as_str()))?;
    // No name begins with a dot, so a hidden directory is left out.
    let name = TemplateName::new(&format!("{directory}/{file}"));
    name.or_else(|_| TemplateName::new(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> TemplateName {
        TemplateName::new(name).expect("a name")
    }

    #[test]
    fn folders_make_partials() {
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
    fn a_plain_folder_is_recognized() {
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
    fn candidates_of_a_path() {
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
            let found: Vec<String> = plain_candidates(path).map(|name| name.to_string()).collect();
            assert_eq!(found, expected, "{path}");
        }
    }

    #[cfg(feature = "jinja")]
    #[test]
    fn templates_in_jinja_come_after_plain_ones() {
        let found: Vec<String> = candidates("/a").map(|name| name.to_string()).collect();
        assert_eq!(found[..3], ["a", "a.html", "a.j2"]);
        assert_eq!(found[5..], ["a.html.j2", "a.html.jinja", "a.html.jinja2"]);
        assert_eq!(data_of(&name("a/b.html.j2")), data_of(&name("a/b.html")));
    }

    #[test]
    fn data_by_stem_and_by_name() {
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
    fn data_in_another_unicode_form() {
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
    fn directories_as_prefixes() {
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
