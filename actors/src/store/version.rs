//! [`StoredVersion`]: a published version as the store keeps it. Plain data, without anything that is compiled.

use std::fmt;
use std::sync::Arc;

use crate::cause::Cause;
use crate::dialect::Unit;
use crate::protocol::kept::VersionOrigin;
use crate::template::{Digest, Missing, Source, TemplateName};
use crate::version::Version;

/// Everything that is needed to serve a version again: the texts of each loader, and the closures of templates that are stale.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredVersion {
    /// The number of the version.
    pub(crate) version: Version,
    /// The digest of what it serves.
    pub(crate) digest: String,
    /// The texts of each loader, in the order of precedence.
    pub(crate) loaders: Vec<Vec<StoredText>>,
    /// The templates that are stale, by the version in which they were current last.
    pub(crate) stale: Vec<StoredClass>,
    /// The templates that an operator rolled back, sorted by name.
    pub(crate) held: Vec<StoredHold>,
    /// The time and the cause of the version.
    pub(crate) origin: Option<VersionOrigin>,
}

/// A template that an operator rolled back. The text of its loader waits.
#[derive(Debug, Clone)]
pub(crate) struct StoredHold {
    pub(crate) name: TemplateName,
    /// The text that is in effect; `None` if the template does not exist meanwhile.
    pub(crate) served: Option<StoredBody>,
    /// The digest of the text that was rolled back, if the source has none meanwhile.
    pub(crate) rejected: Option<Digest>,
    /// The version that the rollback made.
    pub(crate) since: Version,
    pub(crate) cause: Cause,
}

/// A template with its text.
#[derive(Debug, Clone)]
pub(crate) struct StoredText {
    pub(crate) name: TemplateName,
    pub(crate) body: StoredBody,
}

/// The text of a template, or the reason why there is none.
#[derive(Debug, Clone)]
pub(crate) enum StoredBody {
    /// A text with its digest, which is that of [`Source`], and its language.
    Text(Digest, SharedText, StoredLanguage),
    /// The source exists and could not be read, for this reason.
    Unreadable(String),
}

/// The language in which a text was compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLanguage {
    /// The id of its dialect.
    pub(crate) dialect: Arc<str>,
    pub(crate) missing: Missing,
    /// The id of the dialect of its root, which its digest contains.
    pub(crate) root: Option<Arc<str>>,
}

/// A text that something else keeps in memory, so that describing a version copies none.
#[derive(Clone)]
pub(crate) enum SharedText {
    Unit(Arc<dyn Unit>),
    Plain(Arc<str>),
}

/// Templates that became stale together, with the texts that they are served from.
#[derive(Debug, Clone)]
pub(crate) struct StoredClass {
    /// The last version in which they were current.
    pub(crate) since: Version,
    pub(crate) templates: Vec<TemplateName>,
    /// The texts of their closures in that version.
    pub(crate) members: Vec<StoredText>,
}

impl StoredVersion {
    /// Returns every text with the name of its template, also those of stale and held templates.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&TemplateName, &StoredBody)> {
        let pinned = self.stale.iter().flat_map(|class| &class.members);
        let texts = self.loaders.iter().flatten().chain(pinned);
        let held = self
            .held
            .iter()
            .filter_map(|held| Some((&held.name, held.served.as_ref()?)));
        texts.map(|text| (&text.name, &text.body)).chain(held)
    }

    /// Returns the digest of every text, repeated ones repeatedly.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.texts().filter_map(|(_, body)| match body {
            StoredBody::Text(digest, ..) => Some(*digest),
            StoredBody::Unreadable(_) => None,
        })
    }

    /// Sorts all lists by name, so that equal versions are stored as equal bytes.
    pub(crate) fn sort(&mut self) {
        let by_name = |texts: &mut Vec<StoredText>| texts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.loaders.iter_mut().for_each(by_name);
        for class in &mut self.stale {
            class.templates.sort_unstable();
            by_name(&mut class.members);
        }
        self.stale
            .sort_by(|a, b| (a.since, &a.templates).cmp(&(b.since, &b.templates)));
    }
}

/// Returns true if a text has this digest, as a strict or as a lenient source of a root with this dialect.
pub(crate) fn has_digest(text: &[u8], digest: Digest, root: Option<&str>) -> bool {
    let own = Digest::of(text);
    let mut each = [own, Source::lenient_digest(&own)].into_iter();
    each.any(|own| Source::dialect_digest(&own, root) == digest)
}

impl SharedText {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Unit(unit) => unit.text(),
            Self::Plain(text) => text,
        }
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
