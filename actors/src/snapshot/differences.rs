//! [`Difference`]: what two versions serve otherwise.

use std::sync::Arc;

use serde::Serialize;

use super::{Generation, Serving, Standing};
use crate::dialect::Unit;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// Two kept versions, held until they are compared.
#[derive(Debug, Clone)]
pub struct Compared {
    pub(crate) from: Arc<Generation>,
    pub(crate) to: Arc<Generation>,
}

/// A template of which two versions serve something else.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Which.
    pub name: TemplateName,
    /// What the first serves, if it has it.
    pub before: Option<ServedTemplate>,
    /// What the second serves, if it has it.
    pub after: Option<ServedTemplate>,
}

/// What a version serves under a name.
#[derive(Clone)]
pub struct ServedTemplate {
    /// How it stands there.
    pub stands: Stands,
    /// Of the text that is served; a broken one has none.
    pub digest: Option<Digest>,
    unit: Option<Arc<dyn Unit>>,
}

/// How an entry stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    /// Served as its newest text has it.
    Current,
    /// Served as it was.
    Stale,
    /// Not served.
    Broken,
}

impl Stands {
    /// How an entry stands that answers requests so in place of its newest text; `None` where that is what answers them.
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
    /// The text that is served.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.unit.as_deref().map(Unit::text)
    }
}

impl std::fmt::Debug for ServedTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served")
            .field("stands", &self.stands)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Compared {
    /// The two versions.
    #[must_use]
    pub fn versions(&self) -> (Version, Version) {
        (self.from.version, self.to.version)
    }

    /// What differs, sorted by name. Looks at every entry of both: not for a thread that must not be kept waiting.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let (from, to) = (&self.from.content, &self.to.content);
        let mut differences = Vec::new();
        for (id, name, after) in to.entries() {
            let before = from.standing(id);
            // Another reason for the same is no difference.
            if shown(before) != shown(after) {
                differences.push(Difference {
                    name: name.clone(),
                    before: served(before),
                    after: served(after),
                });
            }
        }
        let gone = from.entries().filter(|(id, ..)| shown(to.standing(*id)).is_none());
        differences.extend(gone.map(|(_, name, before)| Difference {
            name: name.clone(),
            before: served(before),
            after: None,
        }));
        differences.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        differences
    }
}

/// What people see of how an entry stands; of one that is gone, nothing.
fn shown(standing: Standing<'_>) -> Option<(Stands, Option<Digest>)> {
    let stands = match standing {
        Standing::Current(_) => Stands::Current,
        Standing::Stale { .. } => Stands::Stale,
        Standing::Broken { .. } => Stands::Broken,
        Standing::Gone => return None,
    };
    Some((stands, standing.closure().map(|closure| closure.top().digest)))
}

fn served(standing: Standing<'_>) -> Option<ServedTemplate> {
    let (stands, digest) = shown(standing)?;
    let unit = standing.closure().map(|closure| Arc::clone(&closure.top().unit));
    Some(ServedTemplate { stands, digest, unit })
}
