//! [`Rules`]: the choice of the files of a directory that are templates.

mod patterns;
mod portable;

use super::read::Signature;
pub(super) use patterns::Patterns;
pub(super) use portable::unportable;

/// The default extensions of templates. Stylesheets and scripts are full of braces, so they are not among them.
#[cfg(not(feature = "jinja"))]
pub const EXTENSIONS: &[&str] = &["html", "htm", "xml", "svg", "txt", "md"];

/// The default extensions of templates. Stylesheets and scripts are full of braces, so they are not among them.
#[cfg(feature = "jinja")]
pub const EXTENSIONS: &[&str] = &["html", "htm", "xml", "svg", "txt", "md", "j2", "jinja", "jinja2"];

/// The file that excludes files and directories below its own directory: one pattern on each line, as in `.gitignore`.
pub const IGNORE_FILE: &str = ".hotplateignore";

/// Rules for the files below a directory that are templates. A file is a template if every rule accepts it.
///
/// Besides these rules, a name with a component that begins with a dot is hidden and never a template. The same is true of backup
/// files of editors (`a.html~`, `#a.html#`) and of files that a `.hotplateignore` in their directory or one above excludes. Excluded
/// directories are not watched, so a log that grows there costs nothing.
///
/// ```
/// use hotplate_actors::{Links, Rules};
///
/// let rules = Rules {
///     include: vec!["/pages/".into(), "*.tpl".into()],
///     exclude: vec!["drafts/".into(), "*.bak.html".into()],
///     extensions: Some(vec!["html".into(), "tpl".into()]),
///     links: Links::Inside,
///     ..Rules::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Accepts only files that one of these patterns matches, or a directory above them, as in `.gitignore`. Empty accepts all.
    pub include: Vec<String>,
    /// Excludes what these patterns match, as in `.gitignore`.
    pub exclude: Vec<String>,
    /// Accepts only files with one of these extensions, by default [`EXTENSIONS`]; `None` accepts any file. `html`, `.html` and
    /// `*.html` are the same. An extension may have several parts, such as `html.j2`.
    pub extensions: Option<Vec<String>>,
    /// The symbolic links that are followed.
    pub links: Links,
    /// The most bytes of one file, if that is less than the limit `source_bytes`.
    pub bytes_max: Option<usize>,
}

/// The symbolic links that are followed. The root itself may always be one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Links {
    /// All links, wherever they lead.
    #[default]
    Follow,
    /// Links that end inside the root.
    Inside,
    /// No link: a link is never a template.
    Never,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            extensions: Some(EXTENSIONS.iter().map(|extension| (*extension).to_owned()).collect()),
            links: Links::default(),
            bytes_max: None,
        }
    }
}

/// An invalid rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {help}")]
pub struct RuleError {
    /// The field of [`Rules`].
    pub field: &'static str,
    /// The invalid text, and why it is invalid.
    pub problem: String,
    /// The text to write instead.
    pub help: String,
}

impl RuleError {
    fn extensions(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            field: "extensions",
            problem: problem.into(),
            help: help.into(),
        }
    }

    fn pattern(field: &'static str, problem: String) -> Self {
        Self {
            field,
            problem,
            help: "write patterns as in `.gitignore`, such as `drafts/` or `*.bak.html`".to_owned(),
        }
    }
}

impl Rules {
    /// Checks that each pattern and each extension is valid.
    ///
    /// # Errors
    /// [`RuleError`] for the first that is invalid.
    pub fn check(&self) -> Result<(), RuleError> {
        CompiledRules::new(self, usize::MAX).map(drop)
    }
}

/// Returns the plain extension: `html` for `html`, `.html` and `*.html`.
///
/// # Errors
/// [`RuleError`] with the extensions to write instead.
fn extension(written: &str) -> Result<&str, RuleError> {
    let meant = written.strip_prefix('*').unwrap_or(written);
    let meant = meant.strip_prefix('.').unwrap_or(meant);
    let is_separator = |character: char| matches!(character, ',' | ';' | '|') || character.is_whitespace();
    let is_odd = |character: char| "*?[]{}()\"'`/\\<>:".contains(character) || character.is_control();
    let is_whole = meant.split('.').all(|part| !part.is_empty());
    if is_whole && !meant.contains(|character| is_separator(character) || is_odd(character)) {
        return Ok(meant);
    }
    let parts = meant.split(|character| is_separator(character) || is_odd(character));
    let whole = parts.map(|part| {
        let names: Vec<&str> = part.split('.').filter(|name| !name.is_empty()).collect();
        names.join(".")
    });
    let words: Vec<String> = whole
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    let help = match words.is_empty() {
        true => "write extensions such as \"html\", or \"*\" alone for all files".to_owned(),
        false => format!("write [{}]; `include` and `exclude` take patterns", words.join(", ")),
    };
    let problem = format!("`{}` is not an extension", written.escape_debug());
    Err(RuleError::extensions(problem, help))
}

/// [`Rules`] in a form for matching. Names are relative to the root.
pub(super) struct CompiledRules {
    include: Option<Patterns>,
    exclude: Patterns,
    extensions: Option<Vec<String>>,
    pub(super) links: Links,
    pub(super) bytes_max: usize,
}

impl CompiledRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first invalid pattern or extension.
    pub(super) fn new(rules: &Rules, source_bytes: usize) -> Result<Self, RuleError> {
        let patterns =
            |field, lines: &[String]| Patterns::new(lines).map_err(|problem| RuleError::pattern(field, problem));
        let include = match rules.include.is_empty() {
            true => None,
            false => Some(patterns("include", &rules.include)?),
        };
        let extensions = match &rules.extensions {
            Some(none) if none.is_empty() => {
                return Err(RuleError::extensions(
                    "no extension is given, so no file would be a template",
                    "write [\"*\"] for all files",
                ));
            }
            Some(written) => {
                let extensions = written.iter().map(|each| extension(each).map(str::to_owned));
                Some(extensions.collect::<Result<Vec<String>, RuleError>>()?)
            }
            None => None,
        };
        Ok(Self {
            include,
            exclude: patterns("exclude", &rules.exclude)?,
            extensions,
            links: rules.links,
            bytes_max: rules.bytes_max.map_or(source_bytes, |most| most.min(source_bytes)),
        })
    }

    /// Returns true if a file of this name is a template, given that the directories above it are entered.
    pub(super) fn takes(&self, name: &str) -> bool {
        let file = name.rsplit('/').next().unwrap_or(name);
        let left_behind = file.ends_with('~') || (file.starts_with('#') && file.ends_with('#'));
        let has = |extension: &String| {
            file.strip_suffix(extension.as_str())
                .is_some_and(|stem| stem.ends_with('.'))
        };
        let listed = self.extensions.as_ref().is_none_or(|listed| listed.iter().any(has));
        let included = || self.include.as_ref().is_none_or(|include| include.name_or_above(name));
        !left_behind && listed && included() && self.exclude.names(name, false) != Some(true)
    }

    /// Returns true if only some extensions are accepted, so that an extension shows that a file is meant as a template.
    pub(super) fn has_extensions(&self) -> bool {
        self.extensions.is_some()
    }

    /// Returns a sentence with the accepted extensions.
    pub(super) fn extensions_in_words(&self) -> String {
        match self.extensions.as_deref() {
            None => "files with any extension are accepted".to_owned(),
            Some([extension]) => format!("files with the extension `{extension}` are accepted"),
            Some(extensions) => format!(
                "files with one of the extensions `{}` are accepted",
                extensions.join("`, `")
            ),
        }
    }

    /// Returns true unless a directory of this name is excluded.
    pub(super) fn enters(&self, name: &str) -> bool {
        self.exclude.names(name, true) != Some(true)
    }
}

/// A [`IGNORE_FILE`] as it was read.
pub(super) struct IgnoreFile {
    pub(super) seen: Signature,
    pub(super) text: std::sync::Arc<str>,
    pub(super) patterns: Patterns,
    /// Set once it is gone and its grace period is over.
    pub(super) is_lost: bool,
}

/// Returns true if a file name is hidden.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &Rules) -> CompiledRules {
        CompiledRules::new(rules, 1000).expect("valid")
    }

    #[test]
    fn each_rule_narrows() {
        let by_default = rules(&Rules::default());
        for (name, taken) in [
            ("a.html", true),
            ("b/c.txt", true),
            ("a.css", false),
            ("html", false),
            ("a.html~", false),
            ("a.HTML", false),
            ("#a.html#", false),
        ] {
            assert_eq!(by_default.takes(name), taken, "{name}");
        }
        let any = rules(&Rules {
            extensions: None,
            ..Rules::default()
        });
        assert!(any.takes("LICENSE") && any.takes("a.css") && !any.takes("a~") && !any.takes("x/#a#"));
        let narrow = rules(&Rules {
            include: vec!["/pages/".into(), "*.xml".into()],
            exclude: vec!["drafts/".into(), "logs/**".into(), "old.html".into()],
            ..Rules::default()
        });
        for (name, taken) in [
            ("pages/a.html", true),
            ("pages/b/c.html", true),
            ("pages/a.css", false),
            ("b/pages/a.html", false),
            ("feed.xml", true),
            ("a.html", false),
            ("pages/old.html", false),
        ] {
            assert_eq!(narrow.takes(name), taken, "{name}");
        }
        for (name, entered) in [
            ("pages", true),
            ("other", true),
            ("pages/drafts", false),
            ("logs", false),
        ] {
            assert_eq!(narrow.enters(name), entered, "{name}");
        }
    }

    #[test]
    fn extensions_are_normalised_or_rejected() {
        let with = |extensions: &[&str]| Rules {
            extensions: Some(extensions.iter().map(|each| (*each).to_owned()).collect()),
            ..Rules::default()
        };
        for (written, file) in [
            ("html", "a.html"),
            (".html", "a.html"),
            ("*.html", "b/a.html"),
            ("html.j2", "a.html.j2"),
            (".tar.gz", "a.tar.gz"),
            ("a.b", "c/d.a.b"),
            ("größe", "a.größe"),
        ] {
            assert!(rules(&with(&[written])).takes(file), "{written}");
            assert!(!rules(&with(&[written])).takes("a.css"), "{written}");
        }
        assert!(!rules(&with(&["j2"])).takes("j2") && rules(&with(&["j2"])).takes("a.html.j2"));
        for (written, parts) in [
            (&[""][..], "\"html\""),
            (&["."], "\"html\""),
            (&["html", "*"], "\"*\" alone"),
            (&["*.ht*"], "write [\"ht\"]"),
            (&["html,htm"], "write [\"html\", \"htm\"]"),
            (&["{html,txt}"], "write [\"html\", \"txt\"]"),
            (&["pages/*.html"], "`include` and `exclude`"),
            (&["[\"html\"]"], "write [\"html\"]"),
            (&["..tar.gz"], "write [\"tar.gz\"]"),
            (&["html."], "write [\"html\"]"),
            (&["a..b"], "write [\"a.b\"]"),
            (&[], "write [\"*\"]"),
        ] {
            let error = with(written).check().expect_err("refused");
            assert_eq!(error.field, "extensions");
            let error = error.to_string();
            assert!(error.contains(parts), "{parts} is not in: {error}");
        }
    }

    #[test]
    fn the_size_is_within_the_engine_limit() {
        let most = |bytes_max| {
            rules(&Rules {
                bytes_max,
                ..Rules::default()
            })
            .bytes_max
        };
        assert_eq!([most(None), most(Some(10)), most(Some(5000))], [1000, 10, 1000]);
    }

    #[test]
    fn an_invalid_pattern_is_reported() {
        let rules = Rules {
            exclude: vec!["a".into(), "[z-a]".into()],
            ..Rules::default()
        };
        let error = CompiledRules::new(&rules, 1).err().expect("wrong");
        assert_eq!(error.field, "exclude");
        assert!(error.problem.contains("`[z-a]`"), "{error}");
    }
}
