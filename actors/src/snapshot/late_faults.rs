//! [`LateFault`]: a fault that the compiler cannot see and that appears when a template is rendered.
//!
//! All snapshots of an engine share one memory of such faults, [`LateFaults`], so that events, log, terminal, overlay and admin API
//! report the same about a template. A record is about one closure and passes through these states:
//!
//! ```text
//!            a render fails                another closure is served             a render of it succeeds
//!   (none) ────────────────▶ Failing ─────────────────────────────▶ Changed ─────────────────────────▶ Fixed
//!                               ▲            the new closure fails      │
//!                               └───────────────────────────────────────┘        removed with its template
//! ```
//!
//! A success of the *same* closure does not fix it: the fault depends on the data of a request. It is reported as still failing until a
//! render of the same text succeeded in a later second.
//!
//! **Concurrency.** There is no lock, so a failing render never waits for a thread that was preempted. The records are an immutable map
//! behind one pointer. A failure that is new, and the Registry when texts change, replace the map by compare-and-swap and retry on a
//! conflict (`ArcSwap::rcu`). A failure that is already known updates some atomics that all copies of its record share. A successful
//! render reads one counter ([`Watched`]), and the map only if its template has a record that waits for a success.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::{NameHasher, Why};
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// The answer to requests for a template whose newest text is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serving {
    /// The closure of the entry in this version.
    LastGood(Version),
    /// The fallback page: there is no good version.
    StandIn,
    /// Nothing: the failure is returned to whoever asked for the render.
    Failure,
}

impl Serving {
    /// Returns the name that is used in JSON and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastGood(_) => "last-good",
            Self::StandIn => "stand-in",
            Self::Failure => "failure",
        }
    }

    /// Encodes the value as a number, to be stored in an atomic.
    fn to_bits(self) -> u64 {
        match self {
            Self::StandIn => 0,
            Self::Failure => 1,
            Self::LastGood(version) => version.number().saturating_add(2),
        }
    }

    /// Decodes the number of [`Serving::to_bits`].
    fn from_bits(bits: u64) -> Self {
        match bits {
            0 => Self::StandIn,
            1 => Self::Failure,
            number => Self::LastGood(Version::from_number(number - 2)),
        }
    }

    /// Returns the older version that is served, if there is one.
    #[must_use]
    pub fn since(self) -> Option<Version> {
        match self {
            Self::LastGood(since) => Some(since),
            Self::StandIn | Self::Failure => None,
        }
    }
}

/// The faults of one template that appeared when the closure that is served now was rendered.
#[derive(Debug, Clone)]
pub struct LateFault {
    /// The entry that was rendered.
    pub template: TemplateName,
    /// The first version in which it failed.
    pub version: Version,
    /// The answer to the last render that failed.
    pub serving: Serving,
    /// Each fault once, in the order in which they appeared.
    pub whys: Vec<Arc<Why>>,
    /// The time of the last failure.
    pub last: Instant,
    /// True unless the same text was rendered successfully in a later second, for example with other data.
    pub(crate) still_fails: bool,
    /// The digest of the closure that failed. The fault ends when another closure is served.
    pub(crate) closure: Digest,
}

impl LateFault {
    /// Returns all diagnostics.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.whys.iter().flat_map(|why| why.diagnostics.iter())
    }
}

/// A render that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) template: TemplateName,
    pub(crate) version: Version,
    pub(crate) serving: Serving,
    pub(crate) why: Arc<Why>,
    pub(crate) at: Instant,
    /// The digest of the closure that was rendered.
    pub(crate) closure: Digest,
}

/// The novelty of a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FaultChange {
    /// True if this template was not known to have this fault.
    pub(crate) for_template: bool,
    /// True if no other template was known to have it either. A fault in a partial appears in each page that calls it.
    pub(crate) for_all: bool,
}

/// The effect of a new version on the known faults. Each list is sorted by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Templates whose closure changed. It is not known yet whether the new one renders.
    pub(crate) changed: Vec<TemplateName>,
    /// Templates whose new closure has already been rendered successfully.
    pub(crate) fixed: Vec<TemplateName>,
    /// Templates that have no closure any more.
    pub(crate) removed: Vec<TemplateName>,
}

/// The bounds of [`LateFaults`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateFaultLimits {
    /// The limit `late_faults`.
    pub(crate) templates: usize,
    /// The limit `source_diagnostics`.
    pub(crate) each: usize,
    /// The limit `late_faults_bytes`.
    pub(crate) bytes: usize,
}

/// The memory of late faults. See the [module](self).
#[derive(Debug)]
pub(crate) struct LateFaults {
    known: ArcSwap<FaultMap>,
    watched: Watched,
    /// The time that all stored times are relative to.
    began: Instant,
}

type FaultMap = im::HashMap<TemplateId, Arc<FaultRecord>, NameHasher>;

/// The faults of one closure of a template.
#[derive(Debug, Clone)]
struct FaultRecord {
    template: TemplateName,
    version: Version,
    whys: Vec<Arc<Why>>,
    closure: Digest,
    state: FaultState,
    /// The atomics, shared with all earlier copies of this record.
    latest: Arc<LatestRenders>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultState {
    /// The closure that failed is served.
    Failing,
    /// Another closure is served since a version, and no render of it has succeeded or failed yet.
    Changed { since: Version, closure: Digest },
    /// The new closure was rendered successfully. The record stays for [`LateFaults::last_failure`] as long as there is limits.
    Fixed,
}

/// The latest results, which renders update without replacing the map. Each field is read by itself, so two of them may stem from
/// different renders.
#[derive(Debug)]
struct LatestRenders {
    /// The time of the last failure, in microseconds since `began`.
    failed_at: AtomicU64,
    /// The index of the last failure in `whys`.
    failed_by: AtomicUsize,
    /// The answer to the last failure, encoded by [`Serving::to_bits`].
    serving: AtomicU64,
    /// The time of the last success, in microseconds since `began`, plus one; 0 stands for never.
    succeeded_at: AtomicU64,
    /// The newest version whose newest text was rendered successfully.
    succeeded_in: AtomicU64,
}

impl Default for LateFaults {
    fn default() -> Self {
        Self {
            known: ArcSwap::default(),
            watched: Watched::default(),
            began: Instant::now(),
        }
    }
}

impl LateFaults {
    /// Returns false if no record waits for a success of a template. For nearly all renders this is the whole cost.
    #[inline]
    pub(crate) fn may_watch(&self, id: TemplateId) -> bool {
        self.watched.may_have(id)
    }

    /// Records a failed render. If the memory is full, fixed records are dropped first, then those whose last failure is the oldest.
    /// Further faults of a template that alone fills the memory are not recorded.
    pub(crate) fn failed(&self, id: TemplateId, failure: &Failure, limits: LateFaultLimits) -> FaultChange {
        let at = self.micros(failure.at);
        // Fast path: the failure is known.
        if let Some(record) = self.known.load().get(&id).filter(|record| record.is_of(failure))
            && let Some(which) = record.position(&failure.why)
        {
            record.latest.failed(at, which, failure.serving);
            return FaultChange::default();
        }
        // Counted before the record can be found, so that no success of a later closure is missed.
        self.watched.add(id);
        let mut change = FaultChange::default();
        let mut forgotten = Vec::new();
        let mut was_watched = false;
        // The closure runs again after a conflict, so it resets everything that it reports.
        self.known.rcu(|known| {
            (change, was_watched) = (
                FaultChange::default(),
                known.get(&id).is_some_and(|record| record.is_watched()),
            );
            forgotten.clear();
            let mut others = known.iter().filter(|(other, _)| **other != id);
            let for_all = !others.any(|(_, other)| other.is_failing() && other.position(&failure.why).is_some());
            let record = match known.get(&id).filter(|record| record.is_of(failure)) {
                Some(record) => {
                    let which = record.position(&failure.why);
                    record.latest.failed(at, which.unwrap_or_default(), failure.serving);
                    let bytes = record.bytes() + bytes_of(&failure.why);
                    if which.is_some() || record.whys.len() >= limits.each || bytes > limits.bytes {
                        return Arc::clone(known);
                    }
                    record.with(&failure.why)
                }
                None => FaultRecord::new(failure, at),
            };
            change = FaultChange {
                for_template: true,
                for_all,
            };
            let mut next = FaultMap::clone(known);
            next.insert(id, Arc::new(record));
            // Makes room: `false` sorts before `true`, so fixed records go first.
            let mut bytes: usize = next.values().map(|record| record.bytes()).sum();
            while next.len() > limits.templates.max(1) || bytes > limits.bytes {
                let age = |record: &FaultRecord| (record.is_watched(), record.latest.failed_at.load(Ordering::Relaxed));
                let others = next.iter().filter(|(other, _)| **other != id);
                let Some(oldest) = others.min_by_key(|(_, record)| age(record)).map(|(id, _)| *id) else {
                    break;
                };
                let record = next.remove(&oldest);
                bytes -= record.as_ref().map_or(0, |record| record.bytes());
                forgotten.extend(record.filter(|record| record.is_watched()).map(|_| oldest));
            }
            Arc::new(next)
        });
        // The record was counted already before this call added one.
        if was_watched {
            self.watched.remove(id);
        }
        forgotten.into_iter().for_each(|id| self.watched.remove(id));
        change
    }

    /// Records a successful render of a version. `is_current` is true if the newest text of that version was rendered. Returns true if
    /// this is the first success since the closure changed after a failure.
    pub(crate) fn succeeded(&self, id: TemplateId, version: Version, is_current: bool, now: Instant) -> bool {
        let known = self.known.load();
        let Some(record) = known
            .get(&id)
            .filter(|record| record.is_watched() && record.version <= version)
        else {
            return false;
        };
        record.latest.succeeded(self.micros(now), version, is_current);
        let is_awaited = |record: &FaultRecord| match record.state {
            FaultState::Changed { since, .. } => is_current && since <= version,
            FaultState::Failing | FaultState::Fixed => false,
        };
        if !is_awaited(record) {
            return false;
        }
        let mut is_first = false;
        self.known.rcu(|known| {
            let record = known.get(&id).filter(|record| is_awaited(record));
            is_first = record.is_some();
            record.map_or_else(
                || Arc::clone(known),
                |record| Arc::new(known.update(id, record.in_state(FaultState::Fixed))),
            )
        });
        if is_first {
            self.watched.remove(id);
        }
        is_first
    }

    /// Returns true if a record waits for a success, or for another closure.
    pub(crate) fn awaits_any(&self) -> bool {
        self.known.load().values().any(|record| record.is_watched())
    }

    /// Returns the fault of one template, if the record is about this closure.
    pub(crate) fn of(&self, id: TemplateId, closure: impl FnOnce() -> Option<Digest>) -> Option<LateFault> {
        // Publishing asks for each stale template, so this returns early where there is no record.
        if !self.watched.may_have(id) {
            return None;
        }
        let known = self.known.load();
        let record = known.get(&id).filter(|record| record.is_failing())?;
        (closure()? == record.closure).then(|| self.fault(record))
    }

    /// Returns true if a template failed, its closure has changed, and no render of the new one has ended.
    pub(crate) fn awaits_render(&self, id: TemplateId) -> bool {
        // Publishing asks for each template that recovers, so this returns early where there is no record.
        if !self.watched.may_have(id) {
            return false;
        }
        let known = self.known.load();
        let state = known.get(&id).map(|record| record.state);
        matches!(state, Some(FaultState::Changed { .. }))
    }

    /// Returns the faults of all templates whose closure has not changed since, sorted by name.
    pub(crate) fn all(&self) -> Vec<(TemplateId, LateFault)> {
        let known = self.known.load();
        let failing = known.iter().filter(|(_, record)| record.is_failing());
        let mut all: Vec<_> = failing.map(|(id, record)| (*id, self.fault(record))).collect();
        all.sort_unstable_by(|(_, a), (_, b)| a.template.cmp(&b.template));
        all
    }

    /// Returns the last failure of a template and its time, while it is remembered, also after it was fixed.
    pub(crate) fn last_failure(&self, id: TemplateId) -> Option<(Instant, Arc<Why>)> {
        let known = self.known.load();
        let record = known.get(&id)?;
        let which = record.latest.failed_by.load(Ordering::Relaxed);
        let why = record.whys.get(which).or(record.whys.first())?;
        Some((self.instant(&record.latest), Arc::clone(why)))
    }

    /// Returns the time of the last failure of each remembered template, also of those that were fixed.
    pub(crate) fn failures(&self) -> Vec<(TemplateId, Instant)> {
        let known = self.known.load();
        known
            .iter()
            .map(|(id, record)| (*id, self.instant(&record.latest)))
            .collect()
    }

    /// Ends the faults of templates whose closure changes with a version.
    pub(crate) fn settle(&self, version: Version, closure: impl Fn(TemplateId) -> Option<Digest>) -> Settled {
        let known = self.known.load();
        let watched = known.iter().filter(|(_, record)| record.is_watched());
        // Digests are computed once, however often the compare-and-swap is retried.
        let now: Vec<_> = watched.map(|(id, _)| (*id, closure(*id))).collect();
        let mut settled = Settled::default();
        if now.is_empty() {
            return settled;
        }
        let mut over = Vec::new();
        self.known.rcu(|known| {
            settled = Settled::default();
            over.clear();
            let mut next = FaultMap::clone(known);
            for (id, closure) in &now {
                let Some(record) = known.get(id) else { continue };
                // `continue` leaves the record as it is.
                let state = match (*closure, record.state) {
                    (_, FaultState::Fixed) => continue,
                    (None, _) => {
                        settled.removed.push(record.template.clone());
                        over.push(*id);
                        next.remove(id);
                        continue;
                    }
                    (Some(now), FaultState::Failing) if now == record.closure => continue,
                    (Some(now), FaultState::Changed { closure, .. }) if now == closure => continue,
                    (Some(closure), before) => {
                        // A render may have succeeded between the swap of the snapshot and this call.
                        let is_fixed = record.latest.succeeded_in.load(Ordering::Relaxed) >= version.number();
                        match (is_fixed, before) {
                            (true, _) => {
                                settled.fixed.push(record.template.clone());
                                over.push(*id);
                                FaultState::Fixed
                            }
                            (false, FaultState::Failing) => {
                                settled.changed.push(record.template.clone());
                                FaultState::Changed {
                                    since: version,
                                    closure,
                                }
                            }
                            (false, _) => FaultState::Changed {
                                since: version,
                                closure,
                            },
                        }
                    }
                };
                next.insert(*id, record.in_state(state));
            }
            Arc::new(next)
        });
        over.into_iter().for_each(|id| self.watched.remove(id));
        for list in [&mut settled.changed, &mut settled.fixed, &mut settled.removed] {
            list.sort_unstable();
        }
        settled
    }

    fn fault(&self, record: &FaultRecord) -> LateFault {
        LateFault {
            template: record.template.clone(),
            version: record.version,
            serving: Serving::from_bits(record.latest.serving.load(Ordering::Relaxed)),
            whys: record.whys.clone(),
            last: self.instant(&record.latest),
            still_fails: record.latest.still_fails(),
            closure: record.closure,
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    fn instant(&self, latest: &LatestRenders) -> Instant {
        let since = Duration::from_micros(latest.failed_at.load(Ordering::Relaxed));
        self.began.checked_add(since).unwrap_or(self.began)
    }
}

/// Returns the approximate size of the texts of a fault in bytes.
fn bytes_of(why: &Arc<Why>) -> usize {
    why.diagnostics.iter().map(Diagnostic::bytes).sum()
}

impl FaultRecord {
    fn new(failure: &Failure, at: u64) -> Self {
        let latest = LatestRenders {
            failed_at: AtomicU64::new(at),
            failed_by: AtomicUsize::new(0),
            serving: AtomicU64::new(failure.serving.to_bits()),
            succeeded_at: AtomicU64::new(0),
            succeeded_in: AtomicU64::new(0),
        };
        Self {
            template: failure.template.clone(),
            version: failure.version,
            whys: vec![Arc::clone(&failure.why)],
            closure: failure.closure,
            state: FaultState::Failing,
            latest: Arc::new(latest),
        }
    }

    /// Returns the approximate size of all texts in bytes.
    fn bytes(&self) -> usize {
        self.whys.iter().map(bytes_of).sum()
    }

    /// Returns a copy with one more fault, which is the latest.
    fn with(&self, why: &Arc<Why>) -> Self {
        let mut record = self.clone();
        record.latest.failed_by.store(record.whys.len(), Ordering::Relaxed);
        record.whys.push(Arc::clone(why));
        record
    }

    fn in_state(&self, state: FaultState) -> Arc<Self> {
        Arc::new(Self { state, ..self.clone() })
    }

    fn is_failing(&self) -> bool {
        self.state == FaultState::Failing
    }

    /// Returns true if the record waits for a successful render.
    fn is_watched(&self) -> bool {
        self.state != FaultState::Fixed
    }

    /// Returns true if a failure is of the same closure.
    fn is_of(&self, failure: &Failure) -> bool {
        self.is_failing() && self.closure == failure.closure
    }

    /// Returns the index of the fault with the same first diagnostic.
    fn position(&self, why: &Why) -> Option<usize> {
        let mut known = self.whys.iter().map(|known| known.diagnostics.first());
        known.position(|known| match (known, why.diagnostics.first()) {
            (Some(known), Some(wanted)) => known.is_same_fault(wanted),
            (known, wanted) => known.is_none() && wanted.is_none(),
        })
    }
}

impl LatestRenders {
    fn failed(&self, at: u64, which: usize, serving: Serving) {
        self.failed_at.store(at, Ordering::Relaxed);
        self.failed_by.store(which, Ordering::Relaxed);
        self.serving.store(serving.to_bits(), Ordering::Relaxed);
    }

    fn succeeded(&self, at: u64, version: Version, is_current: bool) {
        // Threads that render the same template concurrently usually only read, so they do not contend for the cache line.
        if self.still_fails() {
            self.succeeded_at.store(at.saturating_add(1), Ordering::Relaxed);
        }
        if is_current && self.succeeded_in.load(Ordering::Relaxed) < version.number() {
            self.succeeded_in.fetch_max(version.number(), Ordering::Relaxed);
        }
    }

    /// Returns true unless a render succeeded in a later second than the last failure. Within one second the failure counts.
    fn still_fails(&self) -> bool {
        const SECOND: u64 = 1_000_000;
        match self.succeeded_at.load(Ordering::Relaxed).checked_sub(1) {
            Some(succeeded) => succeeded / SECOND <= self.failed_at.load(Ordering::Relaxed) / SECOND,
            None => true,
        }
    }
}

/// A counting filter over template ids: one counter for each id modulo [`WATCHED`], so that a render learns by one load that no record
/// waits for it. Counters instead of bits allow an id to be removed without knowing the others that share its slot.
#[derive(Debug)]
struct Watched(Box<[AtomicU16; WATCHED]>);

/// The number of counters, which take 2 KiB.
const WATCHED: usize = 1024;

impl Default for Watched {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| AtomicU16::new(0))))
    }
}

impl Watched {
    #[inline]
    fn may_have(&self, id: TemplateId) -> bool {
        self.of(id).load(Ordering::Relaxed) != 0
    }

    fn add(&self, id: TemplateId) {
        self.of(id).fetch_add(1, Ordering::Release);
    }

    fn remove(&self, id: TemplateId) {
        self.of(id).fetch_sub(1, Ordering::Release);
    }

    #[inline]
    fn of(&self, id: TemplateId) -> &AtomicU16 {
        &self.0[id.index() % WATCHED]
    }
}

#[cfg(test)]
mod tests;
