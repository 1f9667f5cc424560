//! [`Difference`]: a template that two versions serve differently.

use std::sync::Arc;

use super::index::Index;
use super::{Generation, Standing, Status};
use crate::dialect::Unit;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// Two kept versions, held in memory until they are compared.
#[derive(Debug, Clone)]
pub struct Compared {
    pub(crate) from: Arc<Generation>,
    pub(crate) to: Arc<Generation>,
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
    unit: Option<Arc<dyn Unit>>,
}

impl ServedTemplate {
    /// Returns the text that is served.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.unit.as_deref().map(Unit::text)
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
    /// Returns the numbers of the two versions.
    #[must_use]
    pub fn versions(&self) -> (Version, Version) {
        (self.from.version, self.to.version)
    }

    /// Returns the differences, sorted by name. Reads every entry of both versions, so do not call it on a thread that must not block.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let (from, to) = (&self.from.content, &self.to.content);
        let mut differences = Vec::new();
        for (id, name, after) in to.entries(&self.names) {
            let before = from.standing(id);
            // Two entries that differ only in their faults are served alike.
            if status_and_digest(before) != status_and_digest(after) {
                differences.push(Difference {
                    name: name.clone(),
                    before: served(before),
                    after: served(after),
                });
            }
        }
        let gone = from
            .entries(&self.names)
            .filter(|(id, ..)| status_and_digest(to.standing(*id)).is_none());
        differences.extend(gone.map(|(_, name, before)| Difference {
            name: name.clone(),
            before: served(before),
            after: None,
        }));
        differences.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        differences
    }
}

/// Returns what users see of an entry; `None` if it is gone.
fn status_and_digest(standing: Standing<'_>) -> Option<(Status, Option<Digest>)> {
    let digest = standing.closure().map(|closure| closure.top().digest);
    Some((standing.status()?, digest))
}

fn served(standing: Standing<'_>) -> Option<ServedTemplate> {
    let (status, digest) = status_and_digest(standing)?;
    let unit = standing.closure().map(|closure| Arc::clone(&closure.top().unit));
    Some(ServedTemplate { status, digest, unit })
}
