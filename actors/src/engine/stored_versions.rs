//! [`StoredVersions`]: the versions that earlier processes have published. One of them is read, verified and compiled when somebody compares it
//! or rolls back to it, and then is a version of the history like any other.
//!
//! Reading is done by the thread of the store, compiling by that of previews, so that neither renders nor edits wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use super::languages::Languages;
use super::preview::Previews;
use super::storing::{StoredTexts, assemble};
use super::{ActorEntry, Registry};
use crate::accepted::AcceptedState;
use crate::compiler::compile_text;
use crate::graph::plan::Graph;
use crate::protocol::messages::{BatchOutcome, KeepVersion, StoredVersionInfo};
use crate::registry::publish::check_size;
use crate::snapshot::Content;
use crate::store::Store;
use crate::store::state::StoreState;
use crate::store::version::StoredVersion;
use crate::supervision::{Pool, Unavailable};
use crate::version::Version;

/// The number of times that a version is put into the history again because something else was accepted meanwhile.
const ATTEMPTS: usize = 4;

/// The versions of earlier processes, which the store has.
#[derive(Clone)]
pub(crate) struct StoredVersions {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) state: Arc<StoreState>,
    /// The thread of the store.
    pub(super) thread: Pool,
    pub(super) languages: Arc<Mutex<Languages>>,
    pub(super) previews: Previews,
    pub(super) registry: ActorEntry<Registry>,
}

/// Errors of reading a stored version.
#[derive(Debug)]
pub(crate) enum StoredError {
    /// It is damaged, or does not fit the limits.
    Unreadable(String),
    Unavailable(Unavailable),
}

impl From<Unavailable> for StoredError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl StoredVersions {
    /// Returns the versions that the store has from before the start, oldest first. None is listed if nothing was stored then.
    pub(crate) async fn list(&self) -> Result<Vec<StoredVersionInfo>, StoredError> {
        let Some(opened) = self.state.opened_version() else {
            return Ok(Vec::new());
        };
        let store = Arc::clone(&self.store);
        let list = move || {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            store.versions_before(opened.number())
        };
        let listed = self.thread.run(list).await?;
        listed.map_err(|error| StoredError::Unreadable(error.to_string()))
    }

    /// Returns true if a version is one of an earlier process.
    pub(crate) fn may_have(&self, version: Version) -> bool {
        self.state.opened_version().is_some_and(|opened| version < opened)
    }

    /// Puts a version into the history. Does nothing if the store does not have it.
    pub(crate) async fn keep(&self, version: Version) -> Result<(), StoredError> {
        let store = Arc::clone(&self.store);
        let read = move || {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            store.read_version(version.number())
        };
        let read = self.thread.run(read).await?.map_err(StoredError::Unreadable)?;
        let Some(stored) = read else { return Ok(()) };
        for _ in 0..ATTEMPTS {
            let (versions, copy) = (self.clone(), stored.clone());
            let prepared = self.previews.pool()?.run(move || versions.prepare(copy)).await?;
            let prepared = prepared.map_err(StoredError::Unreadable)?;
            match self.registry.recipient().send(prepared).await {
                Ok(BatchOutcome::Conflict) => {}
                Ok(BatchOutcome::Lost(reason)) => return Err(Unavailable::Lost(reason).into()),
                Ok(_) => return Ok(()),
                Err(closed) => return Err(Unavailable::Lost(closed.to_string()).into()),
            }
        }
        let why =
            format!("version {version} was not put into the history, because others were published at the same time");
        Err(Unavailable::Lost(why).into())
    }

    /// Compiles a version with the names and ids of the accepted state.
    fn prepare(&self, mut stored: StoredVersion) -> Result<KeepVersion<Arc<Graph>>, String> {
        let previews = &self.previews;
        let version = stored.version;
        let mut texts = StoredTexts::of(&mut stored, &self.languages, &previews.dialects);
        let AcceptedState { number, graph, .. } = previews.accepted.draft();
        texts.compile(|source, dialects| {
            // What is served already needs no other copy.
            let known = graph.provider(&source.key.name).map(|(_, text)| text);
            match known.filter(|known| known.digest() == Some(source.digest)) {
                Some(known) => known.clone(),
                None => compile_text(source, dialects, &previews.limits, &previews.cache).0,
            }
        });
        let mut rebuilt = graph.without_texts();
        let (plan, stale) =
            assemble(stored, texts, &mut rebuilt).ok_or_else(|| format!("version {version} has no templates"))?;
        check_size(&plan, &previews.limits).map_err(|refusal| refusal.to_string())?;
        Ok(KeepVersion {
            base: number,
            version,
            content: Content::restored(&plan.newest, &stale, &plan.names),
            graph: Arc::new(graph.with_names(plan.names.clone())),
            names: plan.names,
        })
    }
}
