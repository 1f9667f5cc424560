//! [`Difference`]: a template that two versions serve differently.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::Index;
use super::{BrokenText, Generation, Status};
use crate::dialect::{Members, TemplateId, Unit};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// A text of a source that is not the newest compiled one.
#[derive(Clone)]
pub(crate) enum SourceText {
    /// It compiled, and waits because an operator rolled back.
    Compiled(Digest, Arc<dyn Unit>),
    /// It did not compile.
    Broken(Arc<BrokenText>),
}

/// The texts of the sources that are not the newest compiled ones. A template without a value does not exist in any source.
pub(crate) type SourceTexts = BTreeMap<TemplateId, Option<SourceText>>;

/// One side of a comparison.
#[derive(Clone)]
pub(crate) enum ComparedSide {
    /// A version, as it serves its templates.
    Version(Arc<Generation>),
    /// The sources as they are now: the newest texts of the current version, except for some.
    Source(Arc<Generation>, Arc<SourceTexts>),
}

/// Two kept versions, or one and the sources, held in memory until they are compared.
#[derive(Debug, Clone)]
pub struct Compared {
    pub(crate) from: ComparedSide,
    pub(crate) to: ComparedSide,
    /// The names of both.
    pub(crate) names: Index,
}

/// A template that two versions serve differently.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The name of the template.
    pub name: TemplateName,
    /// The template in the first version, if it exists there.
    pub before: Option<ServedTemplate>,
    /// The template in the second version, if it exists there.
    pub after: Option<ServedTemplate>,
}

/// A template as one version serves it.
#[derive(Clone)]
pub struct ServedTemplate {
    /// Its status in that version.
    pub status: Status,
    /// The digest of the text that is served. A broken template has none.
    pub digest: Option<Digest>,
    text: Option<TextOf>,
}

/// The text of a template, where it lies.
#[derive(Clone)]
enum TextOf {
    Unit(Arc<dyn Unit>),
    Text(Arc<str>),
}

impl ServedTemplate {
    /// Returns the text that is served; of a source, the text that it has.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        Some(match self.text.as_ref()? {
            TextOf::Unit(unit) => unit.text(),
            TextOf::Text(text) => text,
        })
    }
}

impl std::fmt::Debug for ServedTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedTemplate")
            .field("status", &self.status)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Compared {
    /// Returns the numbers of the two versions; `None` stands for the sources.
    #[must_use]
    pub fn versions(&self) -> (Option<Version>, Option<Version>) {
        (self.from.version(), self.to.version())
    }

    /// Returns the differences, sorted by name. Reads every entry of both versions, so do not call it on a thread that must not block.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (id, name) in self.names.iter() {
            let (before, after) = (self.from.key(id), self.to.key(id));
            // Two entries that differ only in their faults are served alike.
            if before != after {
                differences.push(Difference {
                    name: name.clone(),
                    before: self.from.template(id),
                    after: self.to.template(id),
                });
            }
        }
        differences.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        differences
    }
}

impl ComparedSide {
    fn version(&self) -> Option<Version> {
        match self {
            Self::Version(generation) => Some(generation.version),
            Self::Source(..) => None,
        }
    }

    /// Returns what users see of an entry; `None` if it is gone.
    fn key(&self, id: TemplateId) -> Option<(Status, Option<Digest>)> {
        match self {
            Self::Version(generation) => {
                let status = generation.content.status(id);
                let digest = status.closure().map(|closure| closure.top().digest);
                Some((status.status()?, digest))
            }
            Self::Source(newest, texts) => match texts.get(&id) {
                Some(None) => None,
                Some(Some(SourceText::Compiled(digest, _))) => Some((Status::Current, Some(*digest))),
                Some(Some(SourceText::Broken(broken))) => Some((Status::Broken, broken.digest)),
                None => {
                    let member = newest.content.view.member(id)?;
                    Some((Status::Current, Some(member.digest)))
                }
            },
        }
    }

    fn template(&self, id: TemplateId) -> Option<ServedTemplate> {
        let (status, digest) = self.key(id)?;
        let unit = |unit: &Arc<dyn Unit>| TextOf::Unit(Arc::clone(unit));
        let text = match self {
            Self::Version(generation) => {
                let closure = generation.content.status(id).closure();
                closure.map(|closure| unit(&closure.top().unit))
            }
            Self::Source(newest, texts) => match texts.get(&id) {
                Some(None) => None,
                Some(Some(SourceText::Compiled(_, text))) => Some(unit(text)),
                Some(Some(SourceText::Broken(broken))) => broken.text.clone().map(TextOf::Text),
                None => newest.content.view.member(id).map(|member| unit(&member.unit)),
            },
        };
        Some(ServedTemplate { status, digest, text })
    }
}

impl std::fmt::Debug for ComparedSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ComparedSide").field(&self.version()).finish()
    }
}
