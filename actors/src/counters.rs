//! [`Counters`]: what happened in an engine since it started, as plain figures; and the tally that counts it where it happens.
//!
//! Counting is relaxed atomics that threads mostly have to themselves, so a render pays some nanoseconds for it. Nobody is
//! waited for and nothing is ever reset: rates are differences between two readings.

mod clock;
mod compiles;
mod histogram;
mod publications;
mod reloads;
mod renders;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::events::Published;
use crate::protocol::render::{RenderFailure, Rendered};
use crate::snapshot::{Snapshot, Standing, Stands};
use crate::template::TemplateName;
use crate::version::Version;

pub use compiles::CacheCounters;
pub use histogram::Histogram;
pub use publications::Publication;
pub use reloads::{ReloadCounters, ReloadResult};
pub use renders::RenderOutcome;
pub use usage::{LastFailure, Usage};

use clock::Clock;
use compiles::CompileRecorder;
use publications::{PublicationLog, StatusCounts};
use reloads::ReloadRecorder;
pub(crate) use renders::RenderInProgress;
use renders::RenderRecorder;
use usage::UsageRecorder;

/// What happened in an engine since it started. Every count only grows; a count and another one next to it may be a few events
/// apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// When the engine was started, in milliseconds since 1970.
    pub started_ms: u64,
    /// Renders by what came of them. Every outcome is there.
    pub renders: BTreeMap<RenderOutcome, u64>,
    /// How long renders took. Of many within a few milliseconds a sample is timed and counted for all of them.
    pub render_seconds: Histogram,
    /// Renders of an edit that compiles and failed, which were answered from an older version. They count as stale too.
    pub renders_rescued: u64,
    /// How often a circuit breaker opened: a template failed so often, at such a cost, that its last good version is rendered first.
    pub breaker_opened: u64,
    /// Renders that tried a template whose breaker was open again.
    pub breaker_probes: u64,
    /// Templates whose breaker is open now.
    pub breakers_open: usize,
    /// Reloads by what came of them.
    pub reloads: ReloadCounters,
    /// From noticing a change to the swap that shows it.
    pub publish_seconds: Histogram,
    /// Findings that kept a text from being served, by their code. Codes that can occur are there from the start.
    pub compile_failures: BTreeMap<&'static str, u64>,
    /// The cache of compiled units.
    pub compile_cache: CacheCounters,
    /// What is served now.
    pub live_version: Version,
    /// What the sources ask for: the live version if all of it compiles and is published, else one more.
    pub desired_version: Version,
    /// Whether an operator went back to an earlier version, so that edits wait.
    pub held: bool,
    /// Entries by how they stand.
    pub entries: StatusCounters,
    /// Snapshots in memory, the current one included: old ones that stay are held by somebody.
    pub snapshots_live: usize,
    /// The most that there were at once.
    pub snapshots_high_water: usize,
}

impl Counters {
    /// All renders, whatever came of them.
    #[must_use]
    pub fn renders_total(&self) -> u64 {
        self.renders.values().sum()
    }
}

/// Entries by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StatusCounters {
    /// Served as their newest text has it.
    pub current: usize,
    /// Served as they were before an edit that is not good, whether that does not compile or fails when it is rendered.
    pub stale: usize,
    /// Not served: no text of it is good.
    pub broken: usize,
}

/// A template whose circuit breaker is open: it failed so often, at such a cost, that its last good version is rendered in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OpenBreaker {
    /// Its name.
    pub template: TemplateName,
    /// When the breaker opened, in milliseconds since 1970. Trials that failed since leave it open.
    pub since_ms: u64,
    /// When a render will try the template again, in milliseconds since 1970. It may be over: nobody has asked for it since.
    pub next_try_ms: u64,
    /// Whether a render is trying it now.
    pub is_tried: bool,
    /// What the last render failed with.
    pub diagnostic: Option<Diagnostic>,
}

/// Counts. Shared by everything that something happens in.
pub(crate) struct Recorder {
    clock: Clock,
    renders: RenderRecorder,
    usages: UsageRecorder,
    pub(crate) reloads: ReloadRecorder,
    pub(crate) compiles: CompileRecorder,
    publish_seconds: histogram::Buckets,
    publications: PublicationLog,
    standings: StatusCounts,
    snapshots_high_water: AtomicUsize,
}

impl Recorder {
    /// Everything at zero. `publications` is how many are remembered.
    pub(crate) fn new(publications: usize) -> Arc<Self> {
        let clock = Clock::start();
        Arc::new(Self {
            clock,
            renders: RenderRecorder::default(),
            usages: UsageRecorder::default(),
            reloads: ReloadRecorder::new(clock),
            compiles: CompileRecorder::default(),
            publish_seconds: histogram::Buckets::default(),
            publications: PublicationLog::new(publications),
            standings: StatusCounts::default(),
            snapshots_high_water: AtomicUsize::new(1),
        })
    }

    /// A render begins.
    #[inline]
    pub(crate) fn begin(&self) -> RenderInProgress {
        self.renders.begin(self.clock.tick())
    }

    /// A render was answered: whoever asked for it has this.
    #[inline]
    pub(crate) fn answered(&self, begun: RenderInProgress, result: &Result<Rendered, RenderFailure>) {
        self.renders.end(begun, result);
    }

    /// A template was rendered, whether anybody still waited for it or not.
    #[inline]
    pub(crate) fn used(
        &self,
        begun: RenderInProgress,
        id: Option<TemplateId>,
        result: &Result<Rendered, RenderFailure>,
    ) {
        let Some(id) = id else { return };
        let usage = self.usages.of(id);
        usage.rendered(self.clock.seconds(begun.tick), begun.stands_for());
        if let Err(RenderFailure::Failed(_)) = result {
            usage.failed();
        }
    }

    /// A render failed and was answered otherwise: from an older version (`rescued`), or with a stand-in.
    pub(crate) fn failed_late(&self, id: TemplateId, rescued: bool) {
        if rescued {
            self.renders.rescued();
        }
        self.usages.of(id).failed();
    }

    /// A version is served from now on. `noticed` is when the first change of it was.
    pub(crate) fn published(&self, published: &Arc<Published>, held: bool, snapshot: &Snapshot) {
        let now = Instant::now();
        self.publications.add(Publication {
            at_ms: self.clock.ms(now),
            held,
            published: Arc::clone(published),
        });
        self.compiles.unresolved(&published.diagnostics);
        self.snapshots_high_water.fetch_max(snapshot.live(), Ordering::Relaxed);
    }

    /// A batch of edits is served from now on.
    pub(crate) fn edited(&self, noticed: Instant) {
        self.publish_seconds.record(noticed.elapsed(), 1, true);
    }

    /// Versions that were published, oldest first.
    pub(crate) fn publications(&self) -> Vec<Publication> {
        self.publications.all()
    }

    /// What is known of one template.
    pub(crate) fn usage(&self, snapshot: &Snapshot, id: TemplateId) -> Usage {
        Usage {
            last_failure: snapshot.faults().last_failure(id).map(|(at, why)| {
                let diagnostic = why.diagnostics.first().cloned();
                LastFailure {
                    at_ms: self.clock.ms(at),
                    said: diagnostic.as_ref().map(|said| said.message.clone()).unwrap_or_default(),
                    diagnostic,
                }
            }),
            ..self.usages.read(id, self.clock)
        }
    }

    /// Counts entries by their status. Costs what failed in renders, not what there is: the rest is counted once for each version.
    fn entries(&self, snapshot: &Snapshot) -> StatusCounters {
        let mut entries = self.standings.of(snapshot);
        for id in snapshot
            .late_faults()
            .iter()
            .filter_map(|late| snapshot.id(late.template.as_str()))
        {
            let Some(compiled) = stands(snapshot.standing(id)) else {
                continue;
            };
            *entries.count(compiled) -= 1;
            *entries.count(Stands::of(snapshot.serving(id))) += 1;
        }
        entries
    }

    /// Returns every template whose circuit breaker is open, sorted by name.
    pub(crate) fn breakers(&self, snapshot: &Snapshot) -> Vec<OpenBreaker> {
        let open = snapshot.breakers().open().into_iter();
        let open = open.filter_map(|opened| {
            let closure = snapshot.standing(opened.id).closure()?;
            // The breaker of a closure that is not served any more is of no interest.
            if closure.digest() != opened.closure {
                return None;
            }
            Some(OpenBreaker {
                template: closure.top().name.clone(),
                since_ms: self.clock.ms(opened.since),
                next_try_ms: self.clock.ms(opened.until),
                is_tried: opened.is_tried,
                diagnostic: opened.error.map(|error| *error.diagnostic),
            })
        });
        let mut open: Vec<_> = open.collect();
        open.sort_unstable_by(|a, b| a.template.cmp(&b.template));
        open
    }

    /// Everything, with what a snapshot says of itself.
    pub(crate) fn read(&self, snapshot: &Snapshot) -> Counters {
        let entries = self.entries(snapshot);
        let held = self.publications.held();
        let reloads = self.reloads.read();
        let (renders, render_seconds, renders_rescued) = self.renders.read();
        let breakers = snapshot.breakers().counts(|id| snapshot.closure_digest(id));
        let live_version = snapshot.version();
        // What fails in renders is published: it is not waited for.
        let compiled = self.standings.of(snapshot);
        let whole = compiled.stale + compiled.broken == 0 && !held && reloads.last.is_none_or(ReloadResult::is_success);
        Counters {
            started_ms: self.clock.started_ms,
            renders,
            render_seconds,
            renders_rescued,
            breaker_opened: breakers.opened,
            breaker_probes: breakers.probes,
            breakers_open: breakers.open,
            reloads,
            publish_seconds: self.publish_seconds.read(),
            compile_failures: self.compiles.failures(),
            compile_cache: self.compiles.cache(),
            live_version,
            desired_version: if whole { live_version } else { live_version.next() },
            held,
            entries,
            snapshots_live: snapshot.live(),
            snapshots_high_water: self.snapshots_high_water.load(Ordering::Relaxed).max(snapshot.live()),
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tally(..)")
    }
}

impl StatusCounters {
    fn count(&mut self, stands: Stands) -> &mut usize {
        match stands {
            Stands::Current => &mut self.current,
            Stands::Stale => &mut self.stale,
            Stands::Broken => &mut self.broken,
        }
    }
}

/// The status of an entry by what was found when it was compiled.
fn stands(standing: Standing<'_>) -> Option<Stands> {
    match standing {
        Standing::Current(_) => Some(Stands::Current),
        Standing::Stale { .. } => Some(Stands::Stale),
        Standing::Broken { .. } => Some(Stands::Broken),
        Standing::Gone => None,
    }
}

/// Counts how the entries of a snapshot stand by what was found when they were compiled.
fn standings(snapshot: &Snapshot) -> StatusCounters {
    let mut entries = StatusCounters::default();
    for stands in snapshot.entries().filter_map(|(_, _, standing)| stands(standing)) {
        *entries.count(stands) += 1;
    }
    entries
}
