//! [`Difference`]: what two versions serve otherwise.

use std::sync::Arc;

use serde::Serialize;

use super::{Generation, Standing};
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
    pub before: Option<Served>,
    /// What the second serves, if it has it.
    pub after: Option<Served>,
}

/// What a version serves under a name.
#[derive(Clone)]
pub struct Served {
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

impl Served {
    /// The text that is served.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.unit.as_deref().map(Unit::text)
    }
}

impl Served {
    fn shown(served: &Option<Self>) -> Option<(Stands, Option<Digest>)> {
        served.as_ref().map(|served| (served.stands, served.digest))
    }
}

impl std::fmt::Debug for Served {
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
        for (id, entry) in to.entries.iter() {
            let before = from.entries.get(id);
            if before.is_some_and(|before| before.is_the_same_as(entry)) {
                continue;
            }
            differences.push(Difference {
                name: entry.name.clone(),
                before: before.and_then(|_| served(from.standing(id))),
                after: served(to.standing(id)),
            });
        }
        let gone = from.entries.iter().filter(|(id, _)| to.entries.get(*id).is_none());
        differences.extend(gone.map(|(id, entry)| Difference {
            name: entry.name.clone(),
            before: served(from.standing(id)),
            after: None,
        }));
        // Another reason for the same is no difference.
        differences.retain(|difference| Served::shown(&difference.before) != Served::shown(&difference.after));
        differences.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        differences
    }
}

fn served(standing: Standing<'_>) -> Option<Served> {
    let stands = match standing {
        Standing::Current(_) => Stands::Current,
        Standing::Stale { .. } => Stands::Stale,
        Standing::Broken { .. } => Stands::Broken,
        Standing::Gone => return None,
    };
    let top = standing.closure().map(|closure| closure.top());
    Some(Served {
        stands,
        digest: top.map(|member| member.digest),
        unit: top.map(|member| Arc::clone(&member.unit)),
    })
}
