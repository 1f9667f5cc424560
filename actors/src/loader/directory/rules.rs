//! [`Rules`]: which files of a directory are templates.

mod patterns;
mod portable;

use super::read::Signature;
pub(super) use patterns::Patterns;
pub(super) use portable::unportable;

/// Extensions of templates, unless said otherwise. Stylesheets and scripts are full of braces, so they are none.
pub const EXTENSIONS: [&str; 6] = ["html", "htm", "xml", "svg", "txt", "md"];

/// The file that says, in any directory, what below it is no template: one pattern on each line, as in `.gitignore`.
pub const IGNORE_FILE: &str = ".hotplateignore";

/// Which files below a directory are templates. A file is one if every rule lets it pass.
///
/// Besides these, a name with a component that begins with a dot is hidden and never a template, nor is what editors leave behind
/// (`a.html~`, `#a.html#`), nor what a `.hotplateignore` in its directory or one above it names. Directories that are left out are
/// not even watched: a log that grows there costs nothing.
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
    /// Only what one of these patterns names, or a directory above it, as in `.gitignore`; empty is everything.
    pub include: Vec<String>,
    /// Nothing that these patterns name, as in `.gitignore`.
    pub exclude: Vec<String>,
    /// Only files with one of these extensions, [`EXTENSIONS`] unless said otherwise; `None` is any, or none. `html`, `.html` and
    /// `*.html` are the same; an extension may have several parts, such as `html.j2`.
    pub extensions: Option<Vec<String>>,
    /// Which symbolic links are followed.
    pub links: Links,
    /// Bytes of one file, where it should be less than the limit `source_bytes`.
    pub bytes_max: Option<usize>,
}

/// Which symbolic links are followed. The root itself may be one in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Links {
    /// All, wherever they lead.
    #[default]
    Follow,
    /// Those that end inside of the root.
    Inside,
    /// None: a link is no template.
    Never,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            extensions: Some(EXTENSIONS.map(str::to_owned).to_vec()),
            links: Links::default(),
            bytes_max: None,
        }
    }
}

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {help}")]
pub struct RuleError {
    /// The field of [`Rules`].
    pub field: &'static str,
    /// The text that stands there, and why it is no rule.
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
    /// Whether each pattern is one, and each extension.
    ///
    /// # Errors
    /// [`RuleError`] with the first that is none.
    pub fn check(&self) -> Result<(), RuleError> {
        CompiledRules::new(self, usize::MAX).map(drop)
    }
}

/// The extension that somebody meant: `html` for `html`, `.html` and `*.html`.
///
/// # Errors
/// Why it is none, and what to write.
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

/// [`Rules`], ready to be asked. Names are relative to the root.
pub(super) struct CompiledRules {
    include: Option<Patterns>,
    exclude: Patterns,
    extensions: Option<Vec<String>>,
    pub(super) links: Links,
    pub(super) bytes_max: usize,
}

impl CompiledRules {
    /// # Errors
    /// The pattern or extension that is none, and why.
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

    /// Whether a file of this name is a template. The directories above it were entered.
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

    /// Whether a name says by its extension that it is meant as a template.
    pub(super) fn has_extensions(&self) -> bool {
        self.extensions.is_some()
    }

    /// Which extensions count, in a sentence.
    pub(super) fn extensions_in_words(&self) -> String {
        match self.extensions.as_deref() {
            None => "files with any extension are taken".to_owned(),
            Some([extension]) => format!("files with the extension `{extension}` are taken"),
            Some(extensions) => format!(
                "files with one of the extensions `{}` are taken",
                extensions.join("`, `")
            ),
        }
    }

    /// Whether templates may be below a directory of this name.
    pub(super) fn enters(&self, name: &str) -> bool {
        self.exclude.names(name, true) != Some(true)
    }
}

/// A [`IGNORE_FILE`] as it was read.
pub(super) struct IgnoreFile {
    pub(super) seen: Signature,
    pub(super) text: std::sync::Arc<str>,
    pub(super) patterns: Patterns,
    /// It is gone, and its grace is over.
    pub(super) is_lost: bool,
}

/// Whether a file name is hidden.
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
    fn an_extension_is_understood_or_refused_with_what_to_write() {
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
    fn the_size_is_within_the_limit_of_the_engine() {
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
    fn a_pattern_that_is_none_is_said() {
        let rules = Rules {
            exclude: vec!["a".into(), "[z-a]".into()],
            ..Rules::default()
        };
        let error = CompiledRules::new(&rules, 1).err().expect("wrong");
        assert_eq!(error.field, "exclude");
        assert!(error.problem.contains("`[z-a]`"), "{error}");
    }
}
