//! [`Counters`]: the numbers of an engine since it started, and the `Recorder` that counts events where they happen.
//!
//! Counting uses relaxed atomics. Counts of renders are sharded by thread, so a render pays a few nanoseconds for them and threads do not
//! contend. Counters are never reset: a rate is the difference between two readings.

mod clock;
mod compiles;
mod failures;
mod histogram;
mod publications;
mod reloads;
mod renders;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cause::Cause;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::events::Published;
use crate::protocol::render::{Freshness, RenderFailure, Rendered};
use crate::snapshot::{Snapshot, Status};
use crate::template::TemplateName;
use crate::version::Version;

pub use compiles::CacheCounters;
pub use failures::RecentFailure;
pub use histogram::Histogram;
pub use publications::Publication;
pub use reloads::{ReloadCounters, ReloadResult};
pub use renders::RenderOutcome;
pub use usage::{LastFailure, Usage};

use clock::Clock;
use compiles::CompileRecorder;
use publications::PublicationLog;
use reloads::ReloadRecorder;
pub(crate) use renders::RenderInProgress;
use renders::RenderRecorder;
use usage::UsageRecorder;

/// The numbers of an engine since it started. Each count only grows. Counts are read one after the other, so two of them may differ by a
/// few events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// The start of the engine, in milliseconds since 1970.
    pub started_ms: u64,
    /// The number of renders by outcome. Every outcome has an entry.
    pub renders: BTreeMap<RenderOutcome, u64>,
    /// The durations of renders. Of many renders within a few milliseconds, a sample is timed and counted for all of them.
    pub render_seconds: Histogram,
    /// The number of renders that failed although the newest text compiles, and that were answered from an older version. They count as
    /// stale as well.
    pub renders_rescued: u64,
    /// The number of times that a circuit breaker opened, because a template failed repeatedly at a high cost.
    pub breaker_opened: u64,
    /// The number of renders that probed a template whose breaker was open.
    pub breaker_probes: u64,
    /// The number of templates whose breaker is open now.
    pub breakers_open: usize,
    /// The number of reloads by result.
    pub reloads: ReloadCounters,
    /// The times from noticing a change to the swap that publishes it.
    pub publish_seconds: Histogram,
    /// The number of errors that kept a text from being served, by code. All known codes have an entry from the start.
    pub compile_failures: BTreeMap<&'static str, u64>,
    /// The cache of compiled texts.
    pub compile_cache: CacheCounters,
    /// The version that is served now.
    pub live_version: Version,
    /// The version that the sources ask for: the live version if all of it compiles and is published, otherwise the next one.
    pub desired_version: Version,
    /// True if the newest text of a template waits because an operator rolled back.
    pub held: bool,
    /// The number of templates whose newest text waits.
    pub waiting: usize,
    /// The number of entries by status.
    pub entries: StatusCounters,
    /// The number of snapshots in memory, the current one included. An old snapshot stays in memory as long as a reader holds it.
    pub snapshots_live: usize,
    /// The largest value of `snapshots_live` so far.
    pub snapshots_high_water: usize,
    /// The number of versions that are no longer served and held for too long.
    pub snapshots_leaked: usize,
}

impl Counters {
    /// Returns the number of all renders.
    #[must_use]
    pub fn renders_total(&self) -> u64 {
        self.renders.values().sum()
    }
}

/// The number of entries by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StatusCounters {
    /// Entries whose newest text is served.
    pub current: usize,
    /// Entries that are served from their last good version, because the newest text does not compile or fails when it is rendered.
    pub stale: usize,
    /// Entries without a good version.
    pub broken: usize,
}

/// A template whose circuit breaker is open. It failed repeatedly at a high cost, so its last good version is rendered in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OpenBreaker {
    /// The name of the template.
    pub template: TemplateName,
    /// The time when the breaker opened, in milliseconds since 1970. Probes that failed since do not change it.
    pub since_ms: u64,
    /// The earliest time of the next probe, in milliseconds since 1970. It is in the past if the template has not been requested since.
    pub next_try_ms: u64,
    /// True while a render probes the template.
    pub is_tried: bool,
    /// The error of the last failed render.
    pub diagnostic: Option<Diagnostic>,
}

/// Counts events. All parts of an engine share one.
pub(crate) struct Recorder {
    clock: Clock,
    renders: RenderRecorder,
    usages: UsageRecorder,
    pub(crate) reloads: ReloadRecorder,
    pub(crate) compiles: CompileRecorder,
    publish_seconds: histogram::Buckets,
    publications: PublicationLog,
    snapshots_high_water: AtomicUsize,
    /// The time after which a superseded version that is still held is leaked.
    leaked_after: Duration,
}

impl Recorder {
    /// Creates a recorder with all counts at zero that remembers `publications` versions.
    pub(crate) fn new(publications: usize, leaked_after: Duration) -> Arc<Self> {
        let clock = Clock::start();
        Arc::new(Self {
            clock,
            renders: RenderRecorder::default(),
            usages: UsageRecorder::default(),
            reloads: ReloadRecorder::new(clock),
            compiles: CompileRecorder::default(),
            publish_seconds: histogram::Buckets::default(),
            publications: PublicationLog::new(publications),
            snapshots_high_water: AtomicUsize::new(1),
            leaked_after,
        })
    }

    /// Counts a render that begins.
    #[inline]
    pub(crate) fn begin(&self) -> RenderInProgress {
        self.renders.begin(self.clock.tick())
    }

    /// Counts the answer of a render, as its caller received it.
    #[inline]
    pub(crate) fn answered(&self, begun: RenderInProgress, result: &Result<Rendered, RenderFailure>) {
        self.renders.end(begun, result);
    }

    /// Counts a render of a template, also if its caller no longer waits.
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
        match result {
            Ok(rendered) => match rendered.freshness {
                Freshness::Current | Freshness::Stable { .. } => {}
                Freshness::Stale { .. } => usage.stale(begun.stands_for()),
                Freshness::Fallback { .. } => usage.failed(),
            },
            Err(RenderFailure::Failed(_) | RenderFailure::Broken { .. }) => usage.failed(),
            Err(_) => {}
        }
    }

    /// Counts a failed render that was answered from an older version.
    pub(crate) fn rescued(&self, id: TemplateId) {
        self.renders.rescued();
        self.usages.of(id).failed();
    }

    /// Counts a version that was published, with all its new faults.
    pub(crate) fn published<'d>(
        &self,
        published: &Arc<Published>,
        rolled_back: bool,
        snapshot: &Snapshot,
        faults: impl Iterator<Item = &'d Diagnostic>,
    ) {
        let now = Instant::now();
        self.publications.add(Publication {
            at_ms: self.clock.ms(now),
            held: rolled_back,
            published: Arc::clone(published),
        });
        self.compiles.unresolved(faults);
        self.snapshots_high_water.fetch_max(snapshot.live(), Ordering::Relaxed);
    }

    /// Records the number of templates whose newest text waits.
    pub(crate) fn waiting(&self, templates: usize) {
        self.publications.wait(templates);
    }

    /// Counts a batch of edits that was published. `noticed` is the time when its first change was noticed.
    pub(crate) fn edited(&self, noticed: Instant) {
        self.publish_seconds.record(noticed.elapsed(), 1, true);
    }

    /// Returns the time of the start, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> u64 {
        self.clock.started_ms
    }

    /// Returns the latest published versions, oldest first.
    pub(crate) fn publications(&self) -> Vec<Publication> {
        self.publications.all()
    }

    /// Returns the cause of a version, if it is among the latest.
    pub(crate) fn cause_of(&self, version: Version) -> Cause {
        let publications = self.publications.all();
        let found = publications
            .iter()
            .find(|publication| publication.published.version == version);
        found.map(|found| found.published.cause.clone()).unwrap_or_default()
    }

    /// Returns the usage of one template.
    pub(crate) fn usage(&self, snapshot: &Snapshot, id: TemplateId) -> Usage {
        Usage {
            last_failure: snapshot.faults().last_failure(id).map(|(at, why)| {
                let diagnostic = why.diagnostics.first().cloned();
                LastFailure {
                    at_ms: self.clock.ms(at),
                    message: diagnostic
                        .as_ref()
                        .map(|diagnostic| diagnostic.message.clone())
                        .unwrap_or_default(),
                    diagnostic,
                }
            }),
            ..self.usages.read(id, self.clock)
        }
    }

    /// Counts the versions that are held for too long.
    fn leaked(&self, snapshot: &Snapshot) -> usize {
        let superseded = &snapshot.shared().superseded;
        superseded.leaked(snapshot.version(), Instant::now(), self.leaked_after)
    }

    /// Counts entries by status. A snapshot knows the compiled status, so a call costs only the late faults.
    fn entries(&self, snapshot: &Snapshot) -> StatusCounters {
        let mut entries = status_counts(snapshot);
        for id in snapshot
            .late_faults()
            .iter()
            .filter_map(|late| snapshot.id(late.template.as_str()))
        {
            let Some(compiled) = snapshot.status(id).status() else {
                continue;
            };
            *entries.count(compiled) -= 1;
            *entries.count(Status::of(snapshot.serving(id))) += 1;
        }
        entries
    }

    /// Returns every template whose circuit breaker is open, sorted by name.
    pub(crate) fn breakers(&self, snapshot: &Snapshot) -> Vec<OpenBreaker> {
        let open = snapshot.breakers().open().into_iter();
        let open = open.filter_map(|opened| {
            let closure = snapshot.status(opened.id).closure()?;
            // The breaker of a closure that is no longer served does not count.
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

    /// Reads all counters, and the counts that a snapshot has.
    pub(crate) fn read(&self, snapshot: &Snapshot) -> Counters {
        let entries = self.entries(snapshot);
        let waiting = self.publications.waiting();
        let held = waiting > 0;
        let reloads = self.reloads.read();
        let (renders, render_seconds, renders_rescued) = self.renders.read();
        let breakers = snapshot.breakers().counts(|id| snapshot.closure_digest(id));
        let live_version = snapshot.version();
        // Templates that fail only in renders are published, so they do not count here.
        let compiled = status_counts(snapshot);
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
            waiting,
            entries,
            snapshots_live: snapshot.live(),
            snapshots_leaked: self.leaked(snapshot),
            snapshots_high_water: self.snapshots_high_water.load(Ordering::Relaxed).max(snapshot.live()),
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder(..)")
    }
}

impl StatusCounters {
    /// Returns the count of a status.
    fn count(&mut self, status: Status) -> &mut usize {
        match status {
            Status::Current => &mut self.current,
            Status::Stale => &mut self.stale,
            Status::Broken => &mut self.broken,
        }
    }
}

/// Returns the number of entries of a snapshot by compiled status.
fn status_counts(snapshot: &Snapshot) -> StatusCounters {
    let (stale, broken) = snapshot.not_current();
    let current = snapshot.len() - stale - broken;
    StatusCounters { current, stale, broken }
}
