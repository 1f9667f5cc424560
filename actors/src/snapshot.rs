//! [`Snapshot`]: everything that is served, immutable, with its version.
//!
//! A snapshot is read by any number of threads without a lock and never changes. Whoever holds one sees one version, however
//! many are published meanwhile; its memory goes with the last holder. Snapshots are made in [`registry`](crate::registry) only.

mod breaker;
mod chunks;
mod earlier;
pub(crate) mod entry;
pub(crate) mod index;
pub(crate) mod served;
pub(crate) mod view;
mod differences;
mod late_faults;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dialect::{Closure, Member, TemplateId};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

use chunks::Chunks;
use entry::{DigestSum, Entry};
use index::Index;
use view::View;

pub(crate) use breaker::{BreakerRules, Breakers, CostlyFailure, RenderRoute, Substitute, Success};
pub use differences::{Compared, Difference, ServedTemplate, Stands};
pub(crate) use earlier::{EarlierVersions, LastGoodVersions};
pub use entry::Why;
pub(crate) use late_faults::{Failure, LateFaultLimits, LateFaults, Settled};
pub use late_faults::{LateFault, Serving};

/// The seed of every hash of a name: quick, and not to be foreseen from outside.
pub(crate) type NameHasher = foldhash::fast::RandomState;
/// A persistent map by name.
pub(crate) type NameMap<V> = im::HashMap<TemplateName, V, NameHasher>;

/// Everything that is served in one version.
pub struct Snapshot {
    /// That of the generation once more, so that a render finds it in one step.
    content: Content,
    index: Index,
    generation: Arc<Generation>,
    /// For answers when a render of this version fails.
    earlier: EarlierVersions,
    live: LiveCounter,
}

/// What one version serves. Holds no other generation, so that keeping some is no chain.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) version: Version,
    pub(crate) content: Content,
}

impl Generation {
    /// Returns the closure of an entry in this version, and the last version in which that was current; `None` if it is among `seen`.
    fn unseen(&self, id: TemplateId, seen: &mut Vec<Digest>) -> Option<(Version, Closure<'_>)> {
        let (closure, since) = match self.content.standing(id) {
            Standing::Current(closure) => (closure, self.version),
            Standing::Stale { closure, since, .. } => (closure, since),
            Standing::Broken { .. } | Standing::Gone => return None,
        };
        let digest = closure.digest();
        if seen.contains(&digest) {
            return None;
        }
        seen.push(digest);
        Some((since, closure))
    }
}

/// What is served, apart from its version. A clone shares nearly all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) view: Arc<View>,
    /// Entries that are not served as their newest text has them; mostly none, so that asking is one comparison. Every other
    /// member of the view is an entry that is current.
    held_back: Chunks<Arc<Entry>>,
    /// How many of them.
    held_back_len: usize,
    sum: DigestSum,
    len: usize,
}

/// What became of an entry: none before is new, none after is gone.
pub(crate) struct EntryChange {
    pub(crate) id: TemplateId,
    pub(crate) before: Option<Arc<Entry>>,
    pub(crate) after: Option<Arc<Entry>>,
}

/// How an entry stands in a snapshot, and what to render of it.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'s> {
    /// Its newest text, with the newest text of everything that it calls.
    Current(Closure<'s>),
    /// The newest is not good; it goes on as it was, and so does everything that it calls.
    Stale {
        /// As it was.
        closure: Closure<'s>,
        /// The last version in which this was current.
        since: Version,
        /// What is wrong with the newest.
        why: &'s Arc<Why>,
    },
    /// The newest is not good, and there never was a good one.
    Broken {
        /// What is wrong.
        why: &'s Arc<Why>,
    },
    /// There is no such template.
    Gone,
}

impl<'s> Standing<'s> {
    /// What to render, if there is something.
    #[must_use]
    pub fn closure(self) -> Option<Closure<'s>> {
        match self {
            Self::Current(closure) | Self::Stale { closure, .. } => Some(closure),
            Self::Broken { .. } | Self::Gone => None,
        }
    }
}

impl Snapshot {
    /// A snapshot without templates, of [`Version::NONE`].
    #[must_use]
    pub fn empty() -> Self {
        Self::empty_of(&SnapshotShared::new(Serving::StandIn))
    }

    /// The first snapshot of an engine.
    pub(crate) fn empty_of(shared: &Arc<SnapshotShared>) -> Self {
        let generation = Generation {
            version: Version::NONE,
            content: Content::default(),
        };
        Self::new(
            Arc::new(generation),
            Index::default(),
            EarlierVersions::default(),
            shared,
        )
    }

    pub(crate) fn new(
        generation: Arc<Generation>,
        index: Index,
        earlier: EarlierVersions,
        shared: &Arc<SnapshotShared>,
    ) -> Self {
        Self {
            content: generation.content.clone(),
            index,
            generation,
            earlier,
            live: LiveCounter::one_more(shared),
        }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.generation.version
    }

    /// A digest of what is served: of each entry its name, how it stands and the texts that it is rendered from. Equal for equal
    /// content, however that came about.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.content.digest()
    }

    /// The id of a name that is, or was, defined or called. Good in every later snapshot too.
    #[inline]
    #[must_use]
    pub fn id(&self, name: &str) -> Option<TemplateId> {
        self.index.get(name)
    }

    /// The name of an entry that is written with the same characters in other code points: `é` may be one or two, and macOS and
    /// archives from there have it as two. For a name that no entry has.
    #[cold]
    #[must_use]
    pub fn equivalent(&self, name: &str) -> Option<TemplateName> {
        let is_there = |spelling: &String| {
            let standing = self.id(spelling).map(|id| self.standing(id));
            !matches!(standing, None | Some(Standing::Gone))
        };
        let spelling = crate::template::spellings(name).find(is_there)?;
        TemplateName::new(&spelling).ok()
    }

    /// How an entry stands.
    #[inline]
    #[must_use]
    pub fn standing(&self, id: TemplateId) -> Standing<'_> {
        self.content.standing(id)
    }

    /// Returns true if what is served of an entry took longer than what is rendered in place, or failed in a way that costs much, and was
    /// not rendered well since.
    pub(crate) fn is_unproven(&self, id: TemplateId) -> bool {
        let breakers = self.breakers();
        breakers.may_know(id)
            && self
                .closure_digest(id)
                .is_some_and(|closure| breakers.is_unproven(id, &closure))
    }

    /// What this entry was in kept versions, newest first, as far as it was something else: each closure differs from what is
    /// served now and from those before it, and comes with the last version in which it was current. Made as it is asked for; only renders that fail ask.
    pub fn earlier(&self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'_>)> {
        let mut seen: Vec<Digest> = Vec::new();
        seen.extend(self.standing(id).closure().map(|closure| closure.digest()));
        let absent = self.last_absent(id);
        let kept = self.earlier.kept.iter();
        kept.take_while(move |generation| Some(generation.version) > absent)
            .filter_map(move |generation| generation.unseen(id, &mut seen))
    }

    /// The last version in which nothing had this name, as far as that is kept. What was removed is not what a new template of the
    /// same name was before.
    fn last_absent(&self, id: TemplateId) -> Option<Version> {
        let former = self.earlier.former.get(id);
        let former = former.filter(|generation| generation.version < self.earlier.former_before);
        let kept = self.earlier.kept.iter().chain(former);
        let mut absent = kept.filter(|generation| matches!(generation.content.standing(id), Standing::Gone));
        absent.next().map(|generation| generation.version)
    }

    /// Returns the closures of an entry before the versions that [`Snapshot::earlier`] knows, newest first: those of the versions before
    /// its own text, that of a template that it calls, or its data changed last, as far as these are remembered (the limit
    /// `last_good_templates`).
    pub fn former(&self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'_>)> {
        let closure = self.standing(id).closure();
        let members = closure
            .iter()
            .flat_map(|closure| closure.members().into_iter().chain(closure.companions()));
        let former = members.filter_map(|member| self.earlier.former.get(self.id(member.name.as_str())?));
        let absent = self.last_absent(id);
        let mut former: Vec<_> = former
            .filter(|generation| generation.version < self.earlier.former_before && Some(generation.version) > absent)
            .collect();
        former.sort_unstable_by_key(|generation| std::cmp::Reverse(generation.version));
        former.dedup_by_key(|generation| generation.version);
        let mut seen: Vec<Digest> = closure.iter().map(Closure::digest).collect();
        former
            .into_iter()
            .filter_map(move |generation| generation.unseen(id, &mut seen))
    }

    /// Every entry, by id.
    pub fn entries(&self) -> impl Iterator<Item = (TemplateId, &TemplateName, Standing<'_>)> {
        self.content.entries()
    }

    /// What is served under a name: its unit, as it is now or as it goes on.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        let closure = self.standing(self.id(name)?).closure()?;
        Some(closure.top())
    }

    /// How many entries there are, however they stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many snapshots of this engine are in memory, this one and the current one included: old ones that stay are held by
    /// somebody.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.0.live.load(Ordering::Relaxed)
    }

    /// Returns the state that all snapshots of this engine share.
    pub(crate) fn shared(&self) -> Arc<SnapshotShared> {
        Arc::clone(&self.live.0)
    }

    /// Returns the answer to requests for an entry whose newest text is not served, as far as is known: one that does not compile,
    /// or that failed when it was rendered. `None` for one that is current and did not fail, and for one that is gone.
    ///
    /// A fault that showed in a render counts until the same text was rendered well in a later second.
    ///
    /// This is the one source of the version that is said to be still served.
    #[must_use]
    pub fn serving(&self, id: TemplateId) -> Option<Serving> {
        let standing = match self.standing(id) {
            Standing::Stale { since, .. } => Some(Serving::LastGood(since)),
            Standing::Broken { .. } => return Some(self.live.0.without_good),
            Standing::Current(_) => None,
            Standing::Gone => return None,
        };
        // What is stale may have failed in renders as well: then something still older is served, or nothing.
        let late = self.late_fault(id).filter(|late| late.still_fails);
        late.map(|late| late.serving).or(standing)
    }

    /// Returns the faults of an entry that no compiler saw, and that showed when the text that is served now was rendered.
    #[must_use]
    pub fn late_fault(&self, id: TemplateId) -> Option<LateFault> {
        self.live.0.late.of(id, || self.closure_digest(id))
    }

    /// Returns the faults of all entries that showed in renders, sorted by name, as far as they are remembered (the limit `late_faults`).
    #[must_use]
    pub fn late_faults(&self) -> Vec<LateFault> {
        let all = self.live.0.late.all().into_iter();
        let now = all.filter(|(id, late)| self.closure_digest(*id) == Some(late.closure));
        now.map(|(_, late)| late).collect()
    }

    /// The one memory of faults that showed in renders.
    #[inline]
    pub(crate) fn faults(&self) -> &LateFaults {
        &self.live.0.late
    }

    /// The circuit breakers of its templates.
    #[inline]
    pub(crate) fn breakers(&self) -> &Breakers {
        &self.live.0.breakers
    }

    /// Ends the faults of closures that are not served any more, and says what became of them.
    pub(crate) fn settle_faults(&self) -> Settled {
        self.faults().settle(self.version(), |id| self.closure_digest(id))
    }

    /// The digest of what is rendered under an id.
    pub(crate) fn closure_digest(&self, id: TemplateId) -> Option<Digest> {
        self.standing(id).closure().map(|closure| closure.digest())
    }

    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version())
            .field("digest", &self.digest())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Content {
    pub(crate) fn digest(&self) -> Digest {
        self.sum.digest()
    }

    #[inline]
    fn standing(&self, id: TemplateId) -> Standing<'_> {
        match self.held_back.get(id) {
            Some(entry) => entry.standing(id),
            None => self.view.closure(id).map_or(Standing::Gone, Standing::Current),
        }
    }

    fn entries(&self) -> impl Iterator<Item = (TemplateId, &TemplateName, Standing<'_>)> {
        let ids = self.view.ids().max(self.held_back.ids());
        (0..ids).map(TemplateId).filter_map(|id| match self.held_back.get(id) {
            Some(entry) => Some((id, &entry.name, entry.standing(id))),
            None => {
                let closure = self.view.closure(id)?;
                Some((id, &closure.top().name, Standing::Current(closure)))
            }
        })
    }

    /// Writes what became of some names. Costs what is written, plus a pointer for each group of chunks.
    pub(crate) fn write(&mut self, members: Vec<(TemplateId, Option<Arc<Member>>)>, entries: Vec<EntryChange>) {
        if !members.is_empty() {
            self.view = Arc::new(self.view.with(members));
        }
        for EntryChange { id, before, after } in entries {
            if let Some(before) = before {
                self.sum.take(&before);
                self.len -= 1;
                self.held_back_len -= usize::from(before.why().is_some());
            }
            if let Some(after) = &after {
                self.sum.add(after);
                self.len += 1;
                self.held_back_len += usize::from(after.why().is_some());
            }
            self.held_back.set(id, after.filter(|entry| entry.why().is_some()));
        }
        if self.held_back_len == 0 {
            self.held_back = Chunks::default();
        }
    }

    /// How many chunks of members and of entries are not the very same as in `other`.
    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> (usize, usize) {
        let entries = self.held_back.chunks_not_shared(&other.held_back);
        (self.view.chunks_not_shared(&other.view), entries)
    }
}

/// State that the snapshots of one engine share.
#[derive(Debug)]
pub(crate) struct SnapshotShared {
    /// The number of snapshots.
    live: AtomicUsize,
    /// The answer to requests for a template that never had a good version.
    without_good: Serving,
    late: LateFaults,
    breakers: Breakers,
}

impl SnapshotShared {
    /// That of an engine which answers so where there is no good version.
    pub(crate) fn new(without_good: Serving) -> Arc<Self> {
        Arc::new(Self {
            live: AtomicUsize::new(0),
            without_good,
            late: LateFaults::default(),
            breakers: Breakers::default(),
        })
    }
}

/// Counts itself while it lives.
struct LiveCounter(Arc<SnapshotShared>);

impl LiveCounter {
    fn one_more(shared: &Arc<SnapshotShared>) -> Self {
        shared.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for LiveCounter {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}
