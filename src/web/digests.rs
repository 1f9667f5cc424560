//! [`Digests`]: a cache of closure digests for one version, so that each is computed once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hotplate_actors::dialect::TemplateId;
use hotplate_actors::snapshot::{EntryStatus, Scoped, Snapshot};
use hotplate_actors::template::Scope;
use hotplate_actors::{Digest, Version};

/// The largest number of digests of scopes beside shared stable. Further ones are computed each time.
const SCOPED_MAX: usize = 100_000;

/// A cache of the digests that were requested in the newest version. It holds at most one digest for each entry of everyone, and a limited number
/// for those of other scopes.
#[derive(Debug)]
pub(super) struct Digests(RwLock<KnownDigests>);

#[derive(Debug)]
struct KnownDigests {
    version: Version,
    everyone: HashMap<TemplateId, Digest>,
    scoped: HashMap<(Scope, TemplateId), Digest>,
}

impl KnownDigests {
    fn of(version: Version) -> Self {
        Self {
            version,
            everyone: HashMap::new(),
            scoped: HashMap::new(),
        }
    }

    fn get(&self, scope: Option<&Scope>, id: TemplateId) -> Option<Digest> {
        match scope {
            None => self.everyone.get(&id).copied(),
            Some(scope) => self.scoped.get(&(scope.clone(), id)).copied(),
        }
    }

    fn insert(&mut self, scope: Option<&Scope>, id: TemplateId, digest: Digest) {
        match scope {
            None => _ = self.everyone.insert(id, digest),
            Some(scope) if self.scoped.len() < SCOPED_MAX => _ = self.scoped.insert((scope.clone(), id), digest),
            Some(_) => {}
        }
    }
}

impl Default for Digests {
    fn default() -> Self {
        Self(RwLock::new(KnownDigests::of(Version::NONE)))
    }
}

impl Digests {
    /// Returns the digest of the closure that an entry is rendered from; `None` if nothing is served for it.
    pub(super) fn of(&self, scoped: Scoped<'_>, id: TemplateId) -> Option<Digest> {
        let (scope, version) = (scoped.scope(), scoped.snapshot().version());
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(digest) = known.get(scope, id).filter(|_| known.version == version) {
                return Some(digest);
            }
        }
        let digest = scoped.status(id).closure()?.digest();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.version < version {
            *known = KnownDigests::of(version);
        }
        if known.version == version {
            known.insert(scope, id, digest);
        }
        Some(digest)
    }
}

/// Returns a text that identifies the templates of an entry: while it is unchanged, equal data gives an equal page.
pub(super) fn page(digests: &Digests, snapshot: &Snapshot, name: &str) -> Arc<str> {
    let Some(id) = snapshot.id(name) else {
        return "gone".into();
    };
    match (digests.of(snapshot.everyone(), id), snapshot.status(id)) {
        (Some(digest), _) => digest.to_string().into(),
        (None, EntryStatus::Broken) => "broken".into(),
        (None, _) => "gone".into(),
    }
}
