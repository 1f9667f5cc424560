//! The name of a template, the layer of its text, the text that a loader reads, and the digest by which changes are detected.

mod scope;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use scope::{Layer, Scope, Stage, TENANT_BYTES_MAX, TemplateKey, Tenant, TenantError};

/// The longest name of a template, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;

/// A valid path of a template relative to its root, with components separated by `/`.
///
/// It is checked once, when it is created: it has no `..`, is not absolute, has no NUL or other control character, no backslash, no empty
/// or hidden component, and at most [`NAME_BYTES_MAX`] bytes of UTF-8.
///
/// ```
/// use hotplate_actors::TemplateName;
///
/// let name = TemplateName::new("mail/order.txt")?;
/// assert_eq!(name.extension(), Some("txt"));
/// assert!(TemplateName::new("../secret").is_err());
/// # Ok::<(), hotplate_actors::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateName(Arc<str>);

/// The error for a text that is not a valid template name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a template name: {reason}")]
pub struct NameError {
    name: String,
    reason: &'static str,
}

/// The extensions that say that a template is written in the language of Jinja, behind that of its output if it has one.
pub const JINJA_EXTENSIONS: [&str; 3] = ["j2", "jinja", "jinja2"];

impl TemplateName {
    /// Checks a text and returns it as a name.
    ///
    /// # Errors
    /// [`NameError`] names the rule that the text breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        match fault_in(name) {
            None => Ok(Self(name.into())),
            Some(reason) => Err(NameError {
                name: shorten(name),
                reason,
            }),
        }
    }

    /// Returns a key that is not the name of a template, for an index that keys are looked up in as text.
    pub(crate) fn of_private_key(key: &str) -> Self {
        Self(key.into())
    }

    /// Returns the whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name without an extension of [`JINJA_EXTENSIONS`]: `page.html` for `page.html.j2`. The rest says what the template
    /// produces, and so how it is escaped, served and found by a path.
    ///
    /// ```
    /// use hotplate_actors::TemplateName;
    ///
    /// for (name, output) in [("a/b.html.j2", "a/b.html"), ("b.jinja", "b"), ("b.html", "b.html")] {
    ///     assert_eq!(TemplateName::new(name)?.output_name(), output);
    /// }
    /// # Ok::<(), hotplate_actors::NameError>(())
    /// ```
    #[must_use]
    pub fn output_name(&self) -> &str {
        self.without_jinja().unwrap_or(&self.0)
    }

    /// Returns true if the name ends in an extension of [`JINJA_EXTENSIONS`].
    #[must_use]
    pub fn is_jinja(&self) -> bool {
        self.without_jinja().is_some()
    }

    /// Returns the name without an extension of [`JINJA_EXTENSIONS`], if it has one.
    #[inline]
    fn without_jinja(&self) -> Option<&str> {
        // Each render asks for it, and most names have none, which their last byte tells.
        if !matches!(self.0.as_bytes().last(), Some(b'2' | b'a')) {
            return None;
        }
        let mut extensions = JINJA_EXTENSIONS.iter();
        extensions.find_map(|extension| self.0.strip_suffix(extension)?.strip_suffix('.'))
    }

    /// Returns the part after the last dot of the last component, if there is a dot.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        let file = self.0.rsplit('/').next()?;
        file.rsplit_once('.').map(|(_, extension)| extension)
    }
}

/// Returns a name in Unicode normalization form C, in which names that look alike are equal however their accents were typed.
pub(crate) fn composed(name: &str) -> std::borrow::Cow<'_, str> {
    use unicode_normalization::UnicodeNormalization;
    match name.is_ascii() || unicode_normalization::is_nfc(name) {
        true => name.into(),
        false => name.nfc().collect::<String>().into(),
    }
}

/// The number of components whose two forms are combined freely, which bounds the spellings to sixteen.
const SPELT_COMPONENTS_MAX: usize = 4;

/// Returns the other Unicode spellings of a name: each component composed (form C, as most keyboards write it) or decomposed (form D, as
/// macOS and its archives have it), at most 16. There are none if the name is plain ASCII or too long to be valid.
///
/// ```
/// use hotplate_actors::template::spellings;
///
/// assert!(spellings("b\u{e4}r.txt").eq(["ba\u{308}r.txt"]));
/// assert_eq!(spellings("bear.txt").count(), 0);
/// ```
pub fn spellings(name: &str) -> impl Iterator<Item = String> + '_ {
    use unicode_normalization::UnicodeNormalization;
    let has_none = name.is_ascii() || name.len() > NAME_BYTES_MAX;
    let components = (!has_none).then(|| name.split('/')).into_iter().flatten();
    let forms: Vec<[String; 2]> = components
        .map(|component| [component.nfc().collect(), component.nfd().collect()])
        .collect();
    let ambiguous = |[composed, decomposed]: &[String; 2]| composed != decomposed;
    let varied = forms
        .iter()
        .filter(|forms| ambiguous(forms))
        .count()
        .min(SPELT_COMPONENTS_MAX);
    let spelt = move |choice: usize| {
        let mut number = 0;
        let parts = forms.iter().map(|forms| {
            let bit = number.min(SPELT_COMPONENTS_MAX - 1);
            number += usize::from(ambiguous(forms));
            forms[choice >> bit & 1].as_str()
        });
        parts.collect::<Vec<&str>>().join("/")
    };
    let choices = if has_none { 0 } else { 1 << varied };
    (0..choices).map(spelt).filter(move |spelling| spelling != name)
}

fn fault_in(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return Some("it is longer than 1024 bytes");
    }
    if name.starts_with('/') {
        return Some("it is an absolute path; names are relative to the root");
    }
    if name.contains('\\') {
        return Some("it has a backslash; components are separated by `/`");
    }
    if name.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    name.split('/').find_map(|component| match component {
        "" => Some("it has an empty component"),
        ".." | "." => Some("it has a `.` or `..` component"),
        hidden if hidden.starts_with('.') => Some("it has a hidden component (one that starts with a dot)"),
        _ => None,
    })
}

/// Returns a name escaped and cut to a length that is readable in a message.
fn shorten(name: &str) -> String {
    match name.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", name[..end].escape_debug()),
        None => name.escape_debug().to_string(),
    }
}

impl fmt::Debug for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for TemplateName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for TemplateName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The BLAKE3 digest of some content, by which changes are detected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest that represents missing content. In practice no content has it.
    pub const ZERO: Self = Self([0; 32]);

    /// Returns the digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Returns one digest of several parts in their order, as if they were concatenated.
    #[must_use]
    pub fn over<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Returns the digest with these bytes, which were those of a digest.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Writes the first 16 hexadecimal digits, or with `{:#}` all 64.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if f.alternate() { 32 } else { 8 };
        self.0[..shown].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The treatment of a path that does not exist in the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// An error that names the path.
    #[default]
    #[serde(rename = "strict")]
    Error,
    /// Prints nothing, counts as false and as an empty array; `with` and `call` on it are skipped.
    Lenient,
}

/// One template as a loader read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name, which is the path below the root, in its layer.
    pub key: TemplateKey,
    /// The whole text.
    pub text: Arc<str>,
    /// The digest of the text; for a lenient source, or one with a dialect, of that digest and a mark.
    pub digest: Digest,
    /// The treatment of missing paths in this text.
    pub missing: Missing,
    /// The [id](crate::dialect::Dialect::id) of the language of its root, in place of the default one.
    pub dialect: Option<&'static str>,
}

impl Source {
    /// Returns a source with the digest of its text. A byte order mark at the beginning is removed. A name alone is that of a text of the
    /// shared stable layer.
    #[must_use]
    pub fn new(key: impl Into<TemplateKey>, text: impl Into<Arc<str>>) -> Self {
        let text: Arc<str> = text.into();
        let unmarked = unmarked(&text);
        let text = if unmarked.len() == text.len() {
            text
        } else {
            unmarked.into()
        };
        let digest = Digest::of(text.as_bytes());
        Self {
            key: key.into(),
            text,
            digest,
            missing: Missing::Error,
            dialect: None,
        }
    }

    /// Returns this source in the language with this id. Its digest differs, because a name that moves to a root with another language has
    /// changed even if its text has not.
    #[must_use]
    pub fn in_dialect(mut self, dialect: &'static str) -> Self {
        self.dialect = Some(dialect);
        self.digest = Self::dialect_digest(&self.digest, Some(dialect));
        self
    }

    /// Returns this source with missing paths allowed. Its digest differs, because a name that moves from a strict to a lenient root has
    /// changed even if its text has not.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        if self.missing == Missing::Error {
            self.missing = Missing::Lenient;
            self.digest = Self::lenient_digest(&self.digest);
        }
        self
    }

    /// Returns this source as one of a root with this leniency and language.
    pub(crate) fn of_root(self, (missing, dialect): RootLanguage) -> Self {
        let source = match missing {
            Missing::Error => self,
            Missing::Lenient => self.lenient(),
        };
        match dialect {
            Some(dialect) => source.in_dialect(dialect),
            None => source,
        }
    }

    /// Returns the digest of a source with this digest whose root has a language.
    pub(crate) fn dialect_digest(own: &Digest, dialect: Option<&str>) -> Digest {
        match dialect {
            Some(dialect) => Digest::over([own.as_bytes().as_slice(), b"dialect", dialect.as_bytes()]),
            None => *own,
        }
    }

    /// Returns the digest of a lenient source whose text has this digest.
    pub(crate) fn lenient_digest(text: &Digest) -> Digest {
        Digest::over([text.as_bytes().as_slice(), b"lenient"])
    }
}

/// The leniency of a root and the id of its language, which the digests of its texts contain.
pub(crate) type RootLanguage = (Missing, Option<&'static str>);

/// A byte order mark, as a character.
pub(crate) const MARK: char = '\u{feff}';

/// Returns a text without the byte order mark that it may begin with.
fn unmarked(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_combine_the_forms_of_components() {
        let spelt = |name: &str| spellings(name).collect::<Vec<String>>();
        assert_eq!(spelt("cafe.html"), [""; 0]);
        assert_eq!(spelt("日本.html"), [""; 0]);
        assert_eq!(spelt("caf\u{e9}.html"), ["cafe\u{301}.html"]);
        assert_eq!(spelt("cafe\u{301}.html"), ["caf\u{e9}.html"]);
        let both = spelt("\u{e9}/x/\u{fc}");
        assert_eq!(both, ["e\u{301}/x/\u{fc}", "\u{e9}/x/u\u{308}", "e\u{301}/x/u\u{308}"]);
        // A name in mixed form, such as a name that was joined from two names.
        assert_eq!(spelt("\u{e9}e\u{301}").len(), 2);
        let many = vec!["\u{e9}"; 100].join("/");
        assert_eq!(spelt(&many).len(), 15, "bounded");
        assert!(spelt(&many).contains(&vec!["e\u{301}"; 100].join("/")));
        assert_eq!(spelt(&"\u{e9}".repeat(NAME_BYTES_MAX)), [""; 0]);
        assert_eq!(composed("cafe\u{301}"), "caf\u{e9}");
    }

    #[test]
    fn invalid_names_are_rejected() {
        for good in [
            "a",
            "a/b.html",
            "_partials/nav bar.html",
            "ünïcode/ß.txt",
            "a..b",
            "x/...",
        ] {
            let hidden = good.ends_with("...");
            assert_eq!(TemplateName::new(good).is_ok(), !hidden, "{good}");
        }
        let long = "a/".repeat(600) + "a";
        for bad in [
            "", "/a", "a//b", "a/", "../a", "a/../b", "./a", ".git/a", "a/.b", "a\0b", "a\nb", "a\\b", &long,
        ] {
            assert!(TemplateName::new(bad).is_err(), "{bad:?}");
        }
        assert!(TemplateName::new(&"x".repeat(NAME_BYTES_MAX)).is_ok());
        let shown = TemplateName::new(&long).expect_err("too long").to_string();
        assert!(shown.len() < 200 && shown.contains("1024 bytes"), "{shown}");
    }
}
