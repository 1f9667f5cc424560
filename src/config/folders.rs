//! [`FolderDialects`]: the languages of folders of templates.

use std::sync::Arc;

use hotplate_actors::TemplateName;
use hotplate_actors::dialect::{Dialect, tiny::Tiny};

use super::TemplateDialect;

/// The languages of folders, the innermost folders first.
#[derive(Debug, Clone)]
pub(super) struct FolderDialects(Vec<(String, TemplateDialect)>);

impl FolderDialects {
    /// Takes the entries that are right. Others are refused with the configuration.
    pub(super) fn of(entries: &[String]) -> Self {
        let mut folders: Vec<_> = entries.iter().filter_map(|entry| parse(entry).ok()).collect();
        folders.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        Self(folders)
    }

    /// Returns the language of a template in one of the folders, unless its extension is that of a language.
    pub(super) fn dialect(&self, name: &TemplateName) -> Option<Arc<dyn Dialect>> {
        if name.is_jinja() {
            return None;
        }
        let is_inside = |folder: &str| {
            let below = name.as_str().strip_prefix(folder);
            below.is_some_and(|below| below.starts_with('/'))
        };
        let (_, dialect) = self.0.iter().find(|(folder, _)| is_inside(folder))?;
        Some(match dialect {
            TemplateDialect::Tiny => Arc::new(Tiny),
            #[cfg(feature = "jinja")]
            TemplateDialect::Jinja => Arc::new(hotplate_actors::dialect::jinja::Jinja),
        })
    }
}

/// Takes `folder/ = language` apart.
///
/// # Errors
/// A text that says what is wrong, and what to write.
pub(super) fn parse(entry: &str) -> Result<(String, TemplateDialect), String> {
    let example = "write a folder below `directory` and its language, such as \"old/ = tiny\"";
    let Some((folder, language)) = entry.split_once('=') else {
        return Err(example.into());
    };
    let folder = folder.trim().trim_end_matches('/');
    TemplateName::new(folder).map_err(|error| format!("{error}: {example}"))?;
    let dialect = match language.trim() {
        "tiny" => TemplateDialect::Tiny,
        #[cfg(feature = "jinja")]
        "jinja" => TemplateDialect::Jinja,
        other => {
            let known = super::keys::DIALECTS.join("` and `");
            return Err(format!(
                "there is no language `{}`, only `{known}`",
                other.escape_debug()
            ));
        }
    };
    Ok((folder.to_owned(), dialect))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(entries: &[&str], names: &[&str]) -> Vec<&'static str> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let folders = FolderDialects::of(&entries);
        let id = |name: &&str| {
            let name = TemplateName::new(name).expect("valid");
            folders.dialect(&name).map_or("", |dialect| dialect.id())
        };
        names.iter().map(id).collect()
    }

    #[test]
    fn the_innermost_folder_counts() {
        let names = [
            "a.html",
            "old/a.html",
            "older/a.html",
            "old/mail/a.html",
            "old",
            "old/a.html.j2",
        ];
        assert_eq!(ids(&["old/ = tiny"], &names), ["", "tiny", "", "tiny", "", ""]);
        assert_eq!(ids(&[], &names), [""; 6]);
        #[cfg(feature = "jinja")]
        for entries in [["old=tiny", " old/mail/ =jinja "], ["old/mail = jinja", "old = tiny"]] {
            assert_eq!(ids(&entries, &names), ["", "tiny", "", "jinja", "", ""]);
        }
    }

    #[test]
    fn entries_that_are_wrong_are_refused() {
        for entry in [
            "",
            "old",
            "=",
            "= tiny",
            "old/ = ",
            "old = twig",
            "../old = tiny",
            "/old = tiny",
            ".old = tiny",
        ] {
            assert!(parse(entry).is_err(), "{entry:?}");
        }
    }
}
