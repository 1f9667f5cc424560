//! [`Difference`]: a template that two versions serve differently.

use std::sync::Arc;

use serde::Serialize;

use super::{Generation, Serving, Standing};
use crate::dialect::Unit;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// Two kept versions, held in memory until they are compared.
#[derive(Debug, Clone)]
pub struct Compared {
    pub(crate) from: Arc<Generation>,
    pub(crate) to: Arc<Generation>,
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
    /// The status in that version.
    pub stands: Stands,
    /// The digest of the text that is served. A broken template has none.
    pub digest: Option<Digest>,
    unit: Option<Arc<dyn Unit>>,
}

/// The status of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    /// The newest text is served.
    Current,
    /// The last good version is served.
    Stale,
    /// There is no good version to serve.
    Broken,
}

impl Stands {
    /// Returns the status of an entry from the answer that requests get in place of its newest text; `None` where they get that text.
    #[must_use]
    pub fn of(serving: Option<Serving>) -> Self {
        match serving {
            None => Self::Current,
            Some(Serving::LastGood(_)) => Self::Stale,
            Some(Serving::StandIn | Serving::Failure) => Self::Broken,
        }
    }
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
            .field("stands", &self.stands)
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
        for (id, name, after) in to.entries() {
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
            .entries()
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

/// Returns the parts of a status that are compared; `None` for an entry that does not exist.
fn status_and_digest(standing: Standing<'_>) -> Option<(Stands, Option<Digest>)> {
    let stands = match standing {
        Standing::Current(_) => Stands::Current,
        Standing::Stale { .. } => Stands::Stale,
        Standing::Broken { .. } => Stands::Broken,
        Standing::Gone => return None,
    };
    Some((stands, standing.closure().map(|closure| closure.top().digest)))
}

fn served(standing: Standing<'_>) -> Option<ServedTemplate> {
    let (stands, digest) = status_and_digest(standing)?;
    let unit = standing.closure().map(|closure| Arc::clone(&closure.top().unit));
    Some(ServedTemplate { stands, digest, unit })
}
