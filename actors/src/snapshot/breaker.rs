//! [`Breakers`]: circuit breakers for templates whose renders fail at a high cost.
//!
//! A closure that uses up its whole budget and then fails would do so for every visitor. The circuit breaker is the pattern of Nygard,
//! *Release It!* (2007), with its three states:
//!
//! - *closed*: every render tries the closure. After `breaker_failures` expensive failures in a row the breaker opens. Only consecutive
//!   failures count, because the data of one visitor may be the cause: the next render that succeeds resets the count.
//! - *open*: no render tries the closure. Its last good version is rendered at once, or the known failure is answered.
//! - *half-open*: after a pause, one render at a time probes the closure. A success closes the breaker; a failure opens it again for twice
//!   as long (exponential backoff up to `breaker_pause_max_ms`). A probe that never reports back is replaced after `render_hang_ms`.
//!
//! A breaker belongs to the digest of a closure. An edit makes another digest, so it starts with a closed breaker, and the Registry never
//! takes the lock of the breakers. A render of a template without a record tests one bit and is done.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::NameHasher;
use crate::dialect::{RenderError, TemplateId};
use crate::limits::Limits;
use crate::template::Digest;

/// The thresholds and pauses of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BreakerRules {
    /// The limit `breaker_failures`.
    pub(crate) failures: u32,
    /// The limit `breaker_pause_ms`.
    pub(crate) pause: Duration,
    /// The limit `breaker_pause_max_ms`.
    pub(crate) pause_max: Duration,
    /// The time after which a probe that has not ended counts as lost.
    pub(crate) probe: Duration,
    /// The limit `late_faults`.
    pub(crate) templates: usize,
}

impl BreakerRules {
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            failures: limits.breaker_failures,
            pause: Duration::from_millis(limits.breaker_pause_ms),
            pause_max: Duration::from_millis(limits.breaker_pause_max_ms.max(limits.breaker_pause_ms)),
            probe: Duration::from_millis(limits.render_hang_ms),
            templates: limits.late_faults,
        }
    }
}

/// The breaker of one closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Breaker {
    state: BreakerState,
    /// The pause when the breaker opens next.
    pause: Duration,
    /// The time when the breaker opened first. Probes that failed since do not change it.
    since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    /// Every render may try the closure. `failures` is the number of consecutive failures.
    Closed { failures: u32 },
    /// No render may try the closure before `until`.
    Open { until: Instant },
    /// One render probes the closure. If it has not ended by `until`, another one probes.
    HalfOpen { until: Instant },
}

/// The decision of a breaker about one render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Attempt,
    Probe,
    Refused,
}

impl Breaker {
    fn new(rules: &BreakerRules) -> Self {
        Self {
            state: BreakerState::Closed { failures: 0 },
            pause: rules.pause,
            since: None,
        }
    }

    fn is_open(&self) -> bool {
        !matches!(self.state, BreakerState::Closed { .. })
    }

    fn admit(&mut self, now: Instant, rules: &BreakerRules) -> Admission {
        match self.state {
            BreakerState::Closed { .. } => Admission::Attempt,
            BreakerState::Open { until } | BreakerState::HalfOpen { until } if now < until => Admission::Refused,
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
                self.state = BreakerState::HalfOpen {
                    until: later(now, rules.probe),
                };
                Admission::Probe
            }
        }
    }

    /// Records a failed render. Returns true if it opened the breaker.
    fn failed(&mut self, now: Instant, rules: &BreakerRules) -> bool {
        match self.state {
            BreakerState::Closed { failures } if failures.saturating_add(1) < rules.failures => {
                self.state = BreakerState::Closed { failures: failures + 1 };
                false
            }
            BreakerState::Closed { .. } => {
                self.open(now, rules);
                true
            }
            BreakerState::HalfOpen { .. } => {
                self.open(now, rules);
                false
            }
            // The render began before the breaker opened.
            BreakerState::Open { .. } => false,
        }
    }

    fn open(&mut self, now: Instant, rules: &BreakerRules) {
        self.state = BreakerState::Open {
            until: later(now, self.pause),
        };
        self.pause = self.pause.saturating_mul(2).min(rules.pause_max);
        self.since.get_or_insert(now);
    }

    /// Records a probe without a result: its caller cancelled it, or it failed for a cheap reason.
    fn undecided(&mut self, now: Instant, rules: &BreakerRules) {
        if matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.state = BreakerState::Open {
                until: later(now, rules.pause),
            };
        }
    }
}

/// Adds a duration to a time. One that is too far away to represent becomes a day.
fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now + Duration::from_secs(86_400))
}

/// The closure that is rendered in place of one whose breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Substitute {
    /// No search has been made yet.
    Unknown,
    /// The closure with this digest rendered successfully.
    Good(Digest),
    /// None of the kept closures renders.
    None,
}

/// The decision about how to render a template that has a breaker.
#[derive(Debug)]
pub(crate) enum RenderRoute {
    /// Render the closure and report the result.
    Attempt,
    /// Do not try the closure: the render would fail with this error. The substitute is rendered in its place.
    Instead(Box<RenderError>, Substitute),
}

/// Numbers of all breakers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BreakerCounts {
    pub(crate) open: usize,
    pub(crate) opened: u64,
    pub(crate) probes: u64,
}

/// An open breaker.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) id: TemplateId,
    /// The closure that failed.
    pub(crate) closure: Digest,
    pub(crate) since: Instant,
    /// The time of the next probe; during a probe, the time at which it counts as lost.
    pub(crate) until: Instant,
    /// True while a render probes the closure.
    pub(crate) is_tried: bool,
    /// The error of the last failure that counted.
    pub(crate) error: Option<Box<RenderError>>,
}

/// A render that succeeded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Success {
    /// True if its closure is the one that is served now.
    pub(crate) is_served: bool,
    /// True if it was short enough to be rendered in place. A closure that was slow once, on a busy machine, does not have to go to the
    /// pool for ever.
    pub(crate) brief: bool,
}

/// The record of a template whose renders failed at a high cost or were slow.
#[derive(Debug)]
struct GuardedTemplate {
    /// The digest of the closure that this record is about.
    closure: Digest,
    breaker: Breaker,
    /// The error of the last failure that counted.
    error: Option<Box<RenderError>>,
    substitute: Substitute,
    /// True if a render takes longer than is allowed in place.
    slow: bool,
    /// True if this closure was rendered well, and has not failed since.
    proven: bool,
    last: Instant,
}

/// The number of words of the filter, of 64 bits each. Templates whose ids are equal modulo the number of bits share one.
const FILTER_WORDS: usize = 16;

/// The records of all guarded templates. Their number is bounded: beyond the limit, the least recently used record is dropped.
///
/// Only renders of such templates, and readers of the counters, take the lock, and hold it for a few instructions. The Registry never
/// takes it, because an edit shows in the digest of the closure.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    records: Mutex<HashMap<TemplateId, GuardedTemplate, NameHasher>>,
    /// A filter with one bit for each record, which a render tests before it takes the lock. It may report a template that has no record.
    filter: [AtomicU64; FILTER_WORDS],
    opened: AtomicU64,
    probes: AtomicU64,
}

impl Breakers {
    /// Returns false if a template has no record. For nearly all templates this is the whole cost.
    #[inline]
    pub(crate) fn may_know(&self, id: TemplateId) -> bool {
        let (word, bit) = filter_bit(id);
        self.filter[word].load(Ordering::Relaxed) & bit != 0
    }

    /// Decides how to render a closure of a template.
    pub(crate) fn route(&self, id: TemplateId, closure: &Digest, now: Instant, rules: &BreakerRules) -> RenderRoute {
        let mut records = self.lock();
        let Some(guarded) = records.get_mut(&id).filter(|guarded| guarded.closure == *closure) else {
            return RenderRoute::Attempt;
        };
        match (guarded.breaker.admit(now, rules), &guarded.error) {
            (Admission::Refused, Some(error)) => RenderRoute::Instead(error.clone(), guarded.substitute),
            (Admission::Probe, _) => {
                self.probes.fetch_add(1, Ordering::Relaxed);
                RenderRoute::Attempt
            }
            (Admission::Attempt | Admission::Refused, _) => RenderRoute::Attempt,
        }
    }

    /// Returns true if a closure exceeded the limits of a render in place, or failed at a high cost, and was not rendered well since.
    pub(crate) fn is_unproven(&self, id: TemplateId, closure: &Digest) -> bool {
        let records = self.lock();
        let guarded = records.get(&id).filter(|guarded| guarded.closure == *closure);
        guarded.is_some_and(|guarded| !guarded.proven)
    }

    /// Returns true if renders of an unproven closure may take long, because its breaker does not refuse them.
    pub(crate) fn may_take_long(&self, id: TemplateId, closure: &Digest) -> bool {
        let records = self.lock();
        let guarded = records.get(&id).filter(|guarded| guarded.closure == *closure);
        guarded.is_some_and(|guarded| !guarded.proven && !guarded.breaker.is_open())
    }

    /// Returns the last substitute of a template, also if its closure has changed since.
    pub(crate) fn substitute(&self, id: TemplateId) -> Substitute {
        self.lock()
            .get(&id)
            .map_or(Substitute::Unknown, |guarded| guarded.substitute)
    }

    /// Records a successful render. Returns true if it closed the breaker.
    pub(crate) fn succeeded(&self, id: TemplateId, closure: &Digest, success: Success, rules: &BreakerRules) -> bool {
        let mut records = self.lock();
        let Some(guarded) = records.get_mut(&id) else {
            return false;
        };
        if guarded.closure != *closure {
            // The template was edited since, and its new closure renders.
            if success.is_served {
                records.remove(&id);
                self.rebuild_filter(&records);
            }
            return false;
        }
        let was_open = guarded.breaker.is_open();
        if guarded.slow && !success.brief {
            (guarded.breaker, guarded.error) = (Breaker::new(rules), None);
            guarded.proven = true;
        } else {
            records.remove(&id);
            self.rebuild_filter(&records);
        }
        was_open
    }

    /// Records an expensive failure. One that hung cost a thread, so it opens the breaker at once. Returns the pause, if the failure
    /// opened the breaker.
    pub(crate) fn failed(
        &self,
        id: TemplateId,
        failure: CostlyFailure<'_>,
        now: Instant,
        rules: &BreakerRules,
    ) -> Option<Duration> {
        let CostlyFailure {
            closure,
            error,
            substitute,
            hung,
        } = failure;
        let mut records = self.lock();
        let guarded = self.guarded(&mut records, id, closure, now, rules);
        let was_open = guarded.breaker.is_open();
        guarded.error = Some(Box::new(error.clone()));
        guarded.proven = false;
        match substitute {
            // The breaker was open, so the substitute was rendered, and it is the substitute that hangs.
            Substitute::Unknown if hung && was_open => guarded.substitute = Substitute::None,
            Substitute::Unknown => {}
            found => guarded.substitute = found,
        }
        // Read first, because opening the breaker doubles it for the next time.
        let pause = guarded.breaker.pause;
        let mut opened = guarded.breaker.failed(now, rules);
        if hung && !guarded.breaker.is_open() {
            guarded.breaker.open(now, rules);
            opened = true;
        }
        if opened {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
        opened.then_some(pause)
    }

    /// Records a render that ended without a result for its closure.
    pub(crate) fn undecided(&self, id: TemplateId, closure: &Digest, now: Instant, rules: &BreakerRules) {
        if let Some(guarded) = self.lock().get_mut(&id).filter(|guarded| guarded.closure == *closure) {
            guarded.breaker.undecided(now, rules);
        }
    }

    /// Records that no substitute was found while the breaker was open.
    pub(crate) fn found_none(&self, id: TemplateId, closure: &Digest) {
        if let Some(guarded) = self.lock().get_mut(&id).filter(|guarded| guarded.closure == *closure) {
            guarded.substitute = Substitute::None;
        }
    }

    /// Records that a closure takes too long to be rendered in place.
    pub(crate) fn slow(&self, id: TemplateId, closure: &Digest, now: Instant, rules: &BreakerRules) {
        let mut records = self.lock();
        self.guarded(&mut records, id, closure, now, rules).slow = true;
    }

    /// Returns every breaker that is open.
    pub(crate) fn open(&self) -> Vec<Opened> {
        let records = self.lock();
        let open = records.iter().filter_map(|(id, guarded)| {
            let (until, is_tried) = match guarded.breaker.state {
                BreakerState::Closed { .. } => return None,
                BreakerState::Open { until } => (until, false),
                BreakerState::HalfOpen { until } => (until, true),
            };
            Some(Opened {
                id: *id,
                closure: guarded.closure,
                since: guarded.breaker.since.unwrap_or(guarded.last),
                until,
                is_tried,
                error: guarded.error.clone(),
            })
        });
        open.collect()
    }

    /// Returns the numbers. `served` returns the digest of the closure that is served of a template; breakers of other closures do not
    /// count.
    pub(crate) fn counts(&self, served: impl Fn(TemplateId) -> Option<Digest>) -> BreakerCounts {
        let records = self.lock();
        let open = records.iter().filter(|(_, guarded)| guarded.breaker.is_open());
        let open: Vec<_> = open.map(|(id, guarded)| (*id, guarded.closure)).collect();
        // Computing digests takes time, so the lock is released first.
        drop(records);
        BreakerCounts {
            open: open
                .into_iter()
                .filter(|(id, closure)| served(*id) == Some(*closure))
                .count(),
            opened: self.opened.load(Ordering::Relaxed),
            probes: self.probes.load(Ordering::Relaxed),
        }
    }

    fn guarded<'k>(
        &self,
        records: &'k mut HashMap<TemplateId, GuardedTemplate, NameHasher>,
        id: TemplateId,
        closure: &Digest,
        now: Instant,
        rules: &BreakerRules,
    ) -> &'k mut GuardedTemplate {
        if !records.contains_key(&id) {
            let oldest = records
                .iter()
                .min_by_key(|(_, guarded)| guarded.last)
                .map(|(id, _)| *id);
            if let Some(oldest) = oldest.filter(|_| records.len() >= rules.templates.max(1)) {
                records.remove(&oldest);
            }
            records.insert(id, GuardedTemplate::new(*closure, now, rules));
            self.rebuild_filter(records);
        }
        let guarded = records
            .entry(id)
            .or_insert_with(|| GuardedTemplate::new(*closure, now, rules));
        if guarded.closure != *closure {
            // An edit starts with a closed breaker. The substitute stays known.
            let substitute = match guarded.substitute {
                Substitute::Good(digest) if digest != *closure => Substitute::Good(digest),
                _ => Substitute::Unknown,
            };
            *guarded = GuardedTemplate {
                substitute,
                ..GuardedTemplate::new(*closure, now, rules)
            };
        }
        guarded.last = now;
        guarded
    }

    /// Rebuilds the filter.
    fn rebuild_filter(&self, records: &HashMap<TemplateId, GuardedTemplate, NameHasher>) {
        let mut filter = [0; FILTER_WORDS];
        for id in records.keys() {
            let (word, bit) = filter_bit(*id);
            filter[word] |= bit;
        }
        for (word, bits) in self.filter.iter().zip(filter) {
            word.store(bits, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TemplateId, GuardedTemplate, NameHasher>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A render that failed at a high cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CostlyFailure<'f> {
    pub(crate) closure: &'f Digest,
    pub(crate) error: &'f RenderError,
    /// The substitute that was rendered.
    pub(crate) substitute: Substitute,
    /// True if the render did not end and its thread was replaced.
    pub(crate) hung: bool,
}

impl GuardedTemplate {
    fn new(closure: Digest, now: Instant, rules: &BreakerRules) -> Self {
        Self {
            closure,
            breaker: Breaker::new(rules),
            error: None,
            substitute: Substitute::Unknown,
            slow: false,
            proven: false,
            last: now,
        }
    }
}

/// Returns the word and the bit of a template in the filter.
fn filter_bit(id: TemplateId) -> (usize, u64) {
    let bit = id.index() % (FILTER_WORDS * 64);
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests;
