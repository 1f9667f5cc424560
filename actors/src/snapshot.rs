//! [`Snapshot`]: everything that is served in one version, immutable.
//!
//! Any number of threads read a snapshot without a lock (read-copy-update: the Registry builds the next one beside it and exchanges
//! one pointer). A reader that holds a snapshot sees one version, however many are published meanwhile, and the memory of a version
//! is freed with its last reader. Only [`registry`](crate::registry) makes snapshots.
//!
//! **Data structure.** The `View` maps each [`TemplateId`] to the newest text that compiled, in `Chunks`: groups of 32 chunks of
//! 32 slots, copied on write, so two versions share all memory but the chunks that differ. The calls of a template are ids that are
//! resolved in a view while a page is rendered. Therefore a changed partial is one write, whether one page or ten thousand call it.
//!
//! **Status.** Most templates are *current*, and a snapshot stores nothing for them but their member of the view. The `StaleSet` has the
//! others:
//!
//! - *stale*: the newest text, or one that it calls, has a fault. All templates that broke in one publication are one class, which pins the
//!   view that was current before the break. They are rendered from it, so a page is answered from its last good closure and never from
//!   a mixture. The view is freed when the last of them recovers.
//! - *broken*: the same, but there never was a good version. There is nothing to render.
//!
//! The reason for either is not stored: [`Snapshot::why`] searches for the nearest fault when it is asked.
//!
//! **Render failures.** A text that compiles may still fail when it is rendered. Then the kept versions are tried
//! (`EarlierVersions`), the fault is remembered (`LateFaults`), and a circuit breaker limits its cost (`Breakers`). These depend
//! on the data of a request, so they stand beside the snapshots and never change what a snapshot serves.

mod breaker;
mod chunks;
mod content;
mod earlier;
mod faults;
mod id_set;
pub(crate) mod index;
pub(crate) mod served;
pub(crate) mod stale;
pub(crate) mod view;
mod differences;
mod late_faults;
mod layer_versions;
mod memory;
pub(crate) mod overrides;
mod scoped;
pub(crate) mod scopes;
mod superseded;
mod status;
mod why;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use crate::cause::Cause;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, Member, TemplateId};
use crate::template::{Digest, Scope, Stage, TemplateName};
use crate::version::Version;

use index::Index;

pub(crate) use breaker::{BreakerRules, Breakers, CostlyFailure, RenderRoute, Substitute, Success};
pub(crate) use chunks::Chunks;
pub(crate) use content::{BrokenText, BrokenTexts, Content, NewestTexts};
pub use differences::{Compared, Difference, ServedTemplate};
pub(crate) use differences::{ComparedSide, SourceText, SourceTexts};
pub(crate) use earlier::{EarlierVersions, KeptVersion, LastGoodVersions};
pub(crate) use faults::{FAULTS_MAX, Faults, TextFaults, are_same_faults};
pub(crate) use id_set::IdSet;
pub(crate) use late_faults::{Failure, LateFaultLimits, LateFaults, Settled};
pub use late_faults::{LateFault, Serving};
pub(crate) use layer_versions::LayerVersions;
use memory::ScopeMemory;
pub use scoped::Scoped;
use scopes::LATER_STAGES;
pub(crate) use scopes::{NewestScopes, ScopeChange, ScopeNews, Scopes};
pub(crate) use served::DigestSum;
pub(crate) use stale::StoredStale;
pub use status::Status;
pub use superseded::{HOLDERS_MAX, HolderKind, SUPERSEDED_MAX, SupersededVersion, VersionHolder};
pub(crate) use superseded::{HolderGuard, Holders, SupersededVersions};
use why::RecentReasons;
pub use why::Why;

/// The hasher of every map by name: fast, and seeded at random, so that names cannot be chosen to collide.
pub(crate) type NameHasher = foldhash::fast::RandomState;
/// A persistent map by name.
pub(crate) type NameMap<V> = im::HashMap<TemplateName, V, NameHasher>;

/// Everything that is served in one version. See the [module](self) for its structure.
pub struct Snapshot {
    /// A copy of the content of `generation`, so that a render reaches it without another pointer.
    content: Content,
    index: Index,
    generation: Arc<Generation>,
    /// The versions that a failed render is answered from.
    earlier: EarlierVersions,
    reasons: RecentReasons,
    live: LiveCounter,
}

/// The content of one version. It holds no other generation, so keeping one does not keep all older ones in memory.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) version: Version,
    /// The content of the shared stable scope.
    pub(crate) content: Content,
    /// The content of the other scopes.
    pub(crate) scopes: Scopes,
}

/// The status of an entry in a snapshot, with the closure to render.
#[derive(Debug, Clone, Copy)]
pub enum EntryStatus<'s> {
    /// The newest text is served, with the newest text of everything that it calls.
    Current(Closure<'s>),
    /// The newest text, or one that it calls, has a fault. The last good closure is served, which includes everything that it calls.
    Stale {
        /// The last good closure.
        closure: Closure<'s>,
        /// The last version in which this closure was current.
        since: Version,
    },
    /// The newest text, or one that it calls, has a fault, and there never was a good version.
    Broken,
    /// No template has this id.
    Gone,
}

impl<'s> EntryStatus<'s> {
    /// Returns the closure to render, if there is one.
    #[must_use]
    pub fn closure(self) -> Option<Closure<'s>> {
        match self {
            Self::Current(closure) | Self::Stale { closure, .. } => Some(closure),
            Self::Broken | Self::Gone => None,
        }
    }
}

impl Snapshot {
    /// Creates a snapshot without templates, with [`Version::NONE`].
    #[must_use]
    pub fn empty() -> Self {
        Self::empty_of(&SnapshotShared::new(Serving::StandIn))
    }

    /// Creates the first snapshot of an engine.
    pub(crate) fn empty_of(shared: &Arc<SnapshotShared>) -> Self {
        let generation = Generation {
            version: Version::NONE,
            content: Content::default(),
            scopes: Scopes::default(),
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
            reasons: RecentReasons::default(),
            live: LiveCounter::new(shared),
        }
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.generation.version
    }

    /// Returns a digest of the content: of each entry its name, its status and the texts that it is rendered from. Equal content has an
    /// equal digest, whatever the history that led to it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.generation.scopes.digest(self.content.digest())
    }

    /// Returns the id of a name that is, or was, defined or called. The id is valid in every later snapshot as well.
    #[inline]
    #[must_use]
    pub fn id(&self, name: &str) -> Option<TemplateId> {
        self.index.get(name)
    }

    /// Returns the name of an entry that is spelt with the same characters in other code points: `é` may be one code point or two, and
    /// macOS writes it as two. Meant for a name that no entry has.
    #[cold]
    #[must_use]
    pub fn equivalent(&self, name: &str) -> Option<TemplateName> {
        self.everyone().equivalent(name)
    }

    /// Returns the status of an entry.
    #[inline]
    #[must_use]
    pub fn status(&self, id: TemplateId) -> EntryStatus<'_> {
        self.content.status(id)
    }

    /// Returns the faults that keep the newest text of an entry from being served; `None` if it is current. They are searched for when they
    /// are asked for: the nearest fault that the entry reaches, with the calls that lead there. The last answers are remembered, because each
    /// render of a stale page asks.
    #[must_use]
    pub fn why(&self, id: TemplateId) -> Option<Arc<Why>> {
        if !self.content.is_bad(id) {
            return None;
        }
        self.reasons.get_or_find(id, || self.content.why(id, &self.index))
    }

    /// Returns every fault that keeps the newest text of an entry from being served, the nearest first, of at most `max` texts.
    #[must_use]
    pub fn whys(&self, id: TemplateId, max: usize) -> Vec<Why> {
        self.content.whys(id, &self.index, max)
    }

    /// Returns the name of an id that this snapshot knows.
    #[must_use]
    pub fn name(&self, id: TemplateId) -> Option<&TemplateName> {
        self.index.name(id)
    }

    /// Returns the faults of the newest text of an entry by itself; `None` if it has none.
    pub(crate) fn faults_of(&self, id: TemplateId) -> Option<Arc<[Diagnostic]>> {
        self.content.faults.of(id, &self.content.view)
    }

    /// Returns the faults of a cause that these templates have in common. A template that does not exist is one fault, at the first of the
    /// texts that call it, with their number.
    pub(crate) fn faults_of_cause(&self, cause: TemplateId, of: &IdSet) -> Option<Arc<[Diagnostic]>> {
        let content = &self.content;
        let Some(absent) = content.faults.of_absent(cause) else {
            return self.faults_of(cause);
        };
        let mut callers = content.texts_of_cause(cause, of);
        let first = self.faults_of(callers.next()?)?;
        let mut fault = first.iter().find(|fault| fault.message == absent.message)?.clone();
        let further = callers.count();
        if further > 0 {
            fault.message = format!("{}; {} templates call it", fault.message, further + 1);
        }
        Some(Arc::new([fault]))
    }

    /// Returns the faults of every text that has any, sorted by the name of the template.
    #[must_use]
    pub fn faults_of_texts(&self) -> Vec<(&TemplateName, Arc<[Diagnostic]>)> {
        let all = self.content.faults.texts();
        let mut all: Vec<_> = all
            .filter_map(|id| Some((self.index.name(id)?, self.faults_of(id)?)))
            .collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Returns the number of stale and of broken entries. All others are current.
    #[must_use]
    pub fn not_current(&self) -> (usize, usize) {
        let stale = self.content.stale();
        (stale.bad().len() - stale.broken(), stale.broken())
    }

    /// Returns true if the closure that is served of an entry exceeded the limits of a render in place, or failed at a high cost, and was
    /// not rendered well since.
    pub(crate) fn is_unproven(&self, id: TemplateId) -> bool {
        let breakers = self.breakers();
        breakers.may_know(id)
            && self
                .closure_digest(id)
                .is_some_and(|closure| breakers.is_unproven(id, &closure))
    }

    /// Returns the closures of an entry in the kept versions, newest first, each with the last version in which it was current. Each
    /// closure differs from the one that is served now and from those before it. Computed lazily, because only renders that fail need it.
    pub fn earlier(&self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'_>)> {
        self.everyone().earlier(id)
    }

    /// Returns the closures of an entry before the versions that [`Snapshot::earlier`] knows, newest first; see [`Scoped::former`].
    pub fn former(&self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'_>)> {
        self.everyone().former(id)
    }

    /// Returns every entry, by id.
    pub fn entries(&self) -> impl Iterator<Item = (TemplateId, &TemplateName, EntryStatus<'_>)> {
        self.content.entries(&self.index)
    }

    /// Returns the member that is served under a name: that of the newest text, or of the last good one.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        let closure = self.status(self.id(name)?).closure()?;
        Some(closure.top())
    }

    /// Returns the number of entries of any status.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Returns true if there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of snapshots of this engine in memory, this one and the current one included. An old one that stays has a
    /// reader that still holds it.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.0.live.load(Ordering::Relaxed)
    }

    /// Returns the versions that renders can be pinned to, oldest first, this one last.
    pub(crate) fn kept_versions(&self) -> Vec<Version> {
        let kept = self.earlier.kept.iter().rev().map(|kept| kept.generation.version);
        let this = Some(self.version()).filter(|version| *version != Version::NONE);
        kept.chain(this).collect()
    }

    /// Returns a snapshot of a kept version, with the versions before it; `None` if it is not kept.
    #[cold]
    pub(crate) fn at(&self, version: Version) -> Option<Arc<Self>> {
        let kept = &self.earlier.kept;
        let place = kept.iter().position(|kept| kept.generation.version == version)?;
        let earlier = EarlierVersions {
            kept: kept[place + 1..].into(),
            former: LastGoodVersions::default(),
            former_before: Version::NONE,
            layers: LayerVersions::default(),
        };
        let generation = Arc::clone(&kept[place].generation);
        let shared = self.shared();
        Some(Arc::new(Self::new(generation, self.index.clone(), earlier, &shared)))
    }

    /// Names a holder of this version, until the guard is dropped. There is none if too many are named already.
    #[cold]
    pub(crate) fn hold(&self, kind: HolderKind, cause: Cause) -> Option<HolderGuard> {
        Holders::add(&self.live.0, self.version(), kind, cause)
    }

    /// Returns the state that all snapshots of this engine share.
    pub(crate) fn shared(&self) -> Arc<SnapshotShared> {
        Arc::clone(&self.live.0)
    }

    /// Returns the answer to requests for an entry whose newest text is not served, as far as is known: one that does not compile,
    /// or that failed when it was rendered. `None` for one that is current and did not fail, and for one that is gone.
    ///
    /// A fault that appeared in a render counts until the same text was rendered successfully in a later second.
    ///
    /// Everything that reports the version that is still served (events, log, terminal, overlay, admin API) calls this method.
    #[must_use]
    pub fn serving(&self, id: TemplateId) -> Option<Serving> {
        self.everyone().serving(id)
    }

    /// Returns the faults of an entry that the compiler could not see and that appeared when the closure that is served now was rendered.
    #[must_use]
    pub fn late_fault(&self, id: TemplateId) -> Option<LateFault> {
        self.everyone().late_fault(id)
    }

    /// Returns the faults of all entries that appeared in renders, sorted by name, as far as they are remembered (the limit `late_faults`).
    #[must_use]
    pub fn late_faults(&self) -> Vec<LateFault> {
        let all = self.live.0.late.all().into_iter();
        let now = all.filter(|(id, late)| self.closure_digest(*id) == Some(late.closure));
        now.map(|(_, late)| late).collect()
    }

    /// Returns the memory of the faults that appeared in renders.
    #[inline]
    pub(crate) fn faults(&self) -> &LateFaults {
        &self.live.0.late
    }

    /// Returns the circuit breakers of the templates.
    #[inline]
    pub(crate) fn breakers(&self) -> &Breakers {
        &self.live.0.breakers
    }

    /// Ends the faults of closures that are no longer served, and returns the result.
    pub(crate) fn settle_faults(&self) -> Settled {
        self.faults().settle(self.version(), |id| self.closure_digest(id))
    }

    /// Ends the faults of other scopes likewise, and returns each scope with the result. The cost is that of the scopes in which a fault is
    /// not fixed.
    pub(crate) fn settle_faults_of_scopes(&self) -> Vec<(Scope, Settled)> {
        let shared = &self.live.0;
        let failing = shared.failing.load_full();
        let mut all = Vec::new();
        for scope in failing.iter() {
            let scoped = self.scoped(scope);
            let late = scoped.and_then(Scoped::late);
            let settled = match (scoped, late) {
                (Some(scoped), Some(late)) => late.settle(self.version(), |id| scoped.closure_digest(id)),
                _ => Settled::default(),
            };
            if late.is_none_or(|late| !late.awaits_any()) {
                shared.failing.rcu(|failing| failing.without(scope));
            }
            all.push((scope.clone(), settled));
        }
        all
    }

    /// Returns the digest of the closure that is rendered under an id.
    pub(crate) fn closure_digest(&self, id: TemplateId) -> Option<Digest> {
        self.status(id).closure().map(|closure| closure.digest())
    }

    /// Returns all names, also of templates that are gone.
    pub(crate) fn names(&self) -> &Index {
        &self.index
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

/// State that the snapshots of one engine share.
#[derive(Debug)]
pub(crate) struct SnapshotShared {
    /// The number of snapshots.
    live: AtomicUsize,
    /// The answer to requests for a template that never had a good version.
    without_good: Serving,
    late: LateFaults,
    breakers: Breakers,
    /// The faults and circuit breakers that renders of the later stages remember.
    stages: [ScopeMemory; LATER_STAGES],
    /// The scopes beside shared stable in which a late fault is not fixed. Usually there is none.
    failing: ArcSwap<im::OrdSet<Scope>>,
    /// The versions that are no longer served and may still be in memory.
    pub(crate) superseded: SupersededVersions,
    pub(crate) holders: Holders,
}

impl SnapshotShared {
    /// Creates the state of an engine that gives this answer where there is no good version.
    pub(crate) fn new(without_good: Serving) -> Arc<Self> {
        Arc::new(Self {
            live: AtomicUsize::new(0),
            without_good,
            late: LateFaults::default(),
            stages: Default::default(),
            failing: ArcSwap::default(),
            breakers: Breakers::default(),
            superseded: SupersededVersions::default(),
            holders: Holders::default(),
        })
    }
}

impl SnapshotShared {
    /// Returns the answer to requests for a template that never had a good version.
    pub(crate) fn without_good(&self) -> Serving {
        self.without_good
    }

    /// Notes that a render of a scope failed.
    fn note_failing(&self, scope: &Scope) {
        if !self.failing.load().contains(scope) {
            self.failing.rcu(|failing| failing.update(scope.clone()));
        }
    }

    /// Returns what renders of a later stage remember.
    fn stage_memory(&self, stage: Stage) -> &ScopeMemory {
        &self.stages[stage.number().saturating_sub(1)]
    }
}

/// A guard that counts a snapshot while it is in memory.
struct LiveCounter(Arc<SnapshotShared>);

impl LiveCounter {
    fn new(shared: &Arc<SnapshotShared>) -> Self {
        shared.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for LiveCounter {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}
