//! [`Digests`]: a cache of closure digests for one version, so that each is computed once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hotplate_actors::dialect::TemplateId;
use hotplate_actors::snapshot::{EntryStatus, Snapshot};
use hotplate_actors::{Digest, Version};

/// A cache of the digests that were requested in the newest version. It holds at most one digest per entry.
#[derive(Debug)]
pub(super) struct Digests(RwLock<(Version, HashMap<TemplateId, Digest>)>);

impl Default for Digests {
    fn default() -> Self {
        Self(RwLock::new((Version::NONE, HashMap::new())))
    }
}

impl Digests {
    /// Returns the digest of the closure that an entry is rendered from; `None` if nothing is served for it.
    pub(super) fn of(&self, snapshot: &Snapshot, id: TemplateId) -> Option<Digest> {
        let version = snapshot.version();
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(digest) = known.1.get(&id).filter(|_| known.0 == version) {
                return Some(*digest);
            }
        }
        let digest = snapshot.status(id).closure()?.digest();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.0 < version {
            *known = (version, HashMap::new());
        }
        if known.0 == version {
            known.1.insert(id, digest);
        }
        Some(digest)
    }
}

/// Returns a text that identifies the templates of an entry: while it is unchanged, equal data gives an equal page.
pub(super) fn page(digests: &Digests, snapshot: &Snapshot, name: &str) -> Arc<str> {
    let Some(id) = snapshot.id(name) else {
        return "gone".into();
    };
    match (digests.of(snapshot, id), snapshot.status(id)) {
        (Some(digest), _) => digest.to_string().into(),
        (None, EntryStatus::Broken) => "broken".into(),
        (None, _) => "gone".into(),
    }
}
