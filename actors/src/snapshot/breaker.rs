//! [`Breakers`]: circuit breakers of templates whose renders fail and cost much before they do.
//!
//! A closure that costs a whole budget and then fails would cost it again with each visitor. After some such failures in a row
//! its breaker opens: the last good closure is rendered instead, at once, and the bad one is tried again only now and then, by one
//! render at a time (half-open). A success closes the breaker, and so does any edit, for then it is another closure.
//!
//! Failures in a row are what counts, for what is too much may be the data of one visitor: a template that renders for others is
//! closed again by the first of them. A render of a template that never failed so asks for one bit and knows no more of all this.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::NameHasher;
use crate::dialect::{RenderError, TemplateId};
use crate::limits::Limits;
use crate::template::Digest;

/// When a breaker opens, and how long it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BreakerRules {
    /// The limit `breaker_failures`.
    pub(crate) failures: u32,
    /// The limit `breaker_pause_ms`.
    pub(crate) pause: Duration,
    /// The limit `breaker_pause_max_ms`.
    pub(crate) pause_max: Duration,
    /// A probe of which nothing is heard for so long is lost.
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
    /// How long it stays open when it opens next.
    pause: Duration,
    /// Since when it has been open, trials included.
    since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    /// Everybody may try. So many failed in a row.
    Closed { failures: u32 },
    /// Nobody tries before then.
    Open { until: Instant },
    /// One tries. If nothing is heard of it until then, another does.
    HalfOpen { until: Instant },
}

/// Whether a render may try a closure.
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

    /// A render failed. Answers whether that opened it.
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
            // One that began before it opened.
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

    /// A probe ended and says nothing: its caller gave up, or it failed for a reason that costs nothing.
    fn undecided(&mut self, now: Instant, rules: &BreakerRules) {
        if matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.state = BreakerState::Open {
                until: later(now, rules.pause),
            };
        }
    }
}

/// What is further away than can be counted is as good as a day.
fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now + Duration::from_secs(86_400))
}

/// What is known to stand in for a closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Substitute {
    /// None was looked for yet.
    Unknown,
    /// The closure with this digest.
    Good(Digest),
    /// None of the kept ones did better.
    None,
}

/// How to render a template that is guarded.
#[derive(Debug)]
pub(crate) enum RenderRoute {
    /// As ever, and say what came of it.
    Attempt,
    /// Without trying what is served of it: the render would fail so.
    Instead(Box<RenderError>, Substitute),
}

/// Figures about all breakers.
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
    /// When it is tried again; while it is, until when that may take.
    pub(crate) until: Instant,
    /// Whether a render tries it now.
    pub(crate) is_tried: bool,
    /// What the last render that counted failed with.
    pub(crate) error: Option<Box<RenderError>>,
}

/// A render that went well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Success {
    /// True if its closure is the one that is served now.
    pub(crate) is_served: bool,
    /// True if it took no more than what is rendered in place: a closure that was slow once, on a machine that was busy, need not wait
    /// for the pool ever after.
    pub(crate) brief: bool,
}

/// A template whose renders are watched.
#[derive(Debug)]
struct GuardedTemplate {
    /// Of what was served of it when this was written.
    closure: Digest,
    breaker: Breaker,
    /// What the last render that counted failed with.
    error: Option<Box<RenderError>>,
    substitute: Substitute,
    /// Whether it takes longer than what is rendered in place.
    slow: bool,
    /// True if this closure was rendered well, and has not failed since.
    proven: bool,
    last: Instant,
}

/// 64 bits each, shared by templates whose numbers are equal modulo all of them.
const MARKS: usize = 16;

/// Every template that is guarded. Bounded: beyond, the one that was heard of longest ago is forgotten, and begins anew.
///
/// Only renders of such templates, and whoever asks for figures, take the lock, for some steps; the Registry never does: that a template was
/// edited shows in the digest of what is rendered.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    known: Mutex<HashMap<TemplateId, GuardedTemplate, NameHasher>>,
    /// A bit for each that is known: what a render looks at first.
    marks: [AtomicU64; MARKS],
    opened: AtomicU64,
    probes: AtomicU64,
}

impl Breakers {
    /// Whether there may be something to know of a template. Mostly not, and then this is all that it costs.
    #[inline]
    pub(crate) fn may_know(&self, id: TemplateId) -> bool {
        let (mark, bit) = place(id);
        self.marks[mark].load(Ordering::Relaxed) & bit != 0
    }

    /// How to render a closure of a template.
    pub(crate) fn course(&self, id: TemplateId, closure: &Digest, now: Instant, rules: &BreakerRules) -> RenderRoute {
        let mut known = self.lock();
        let Some(guarded) = known.get_mut(&id).filter(|guarded| guarded.closure == *closure) else {
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

    /// Returns true if a closure took longer than what is rendered in place, or failed in a way that costs much, and was not rendered well
    /// since.
    pub(crate) fn is_unproven(&self, id: TemplateId, closure: &Digest) -> bool {
        let known = self.lock();
        let guarded = known.get(&id).filter(|guarded| guarded.closure == *closure);
        guarded.is_some_and(|guarded| !guarded.proven)
    }

    /// Returns true if renders of a closure may take long although it is unproven: its breaker does not refuse them.
    pub(crate) fn may_take_long(&self, id: TemplateId, closure: &Digest) -> bool {
        let known = self.lock();
        let guarded = known.get(&id).filter(|guarded| guarded.closure == *closure);
        guarded.is_some_and(|guarded| !guarded.proven && !guarded.breaker.is_open())
    }

    /// What stood in last for a template, whatever was served of it since.
    pub(crate) fn substitute(&self, id: TemplateId) -> Substitute {
        self.lock()
            .get(&id)
            .map_or(Substitute::Unknown, |guarded| guarded.substitute)
    }

    /// Notes that a closure was rendered well. Returns true if that closed its breaker.
    pub(crate) fn succeeded(&self, id: TemplateId, closure: &Digest, success: Success, rules: &BreakerRules) -> bool {
        let mut known = self.lock();
        let Some(guarded) = known.get_mut(&id) else {
            return false;
        };
        if guarded.closure != *closure {
            // It was edited since, and what it is now renders.
            if success.is_served {
                known.remove(&id);
                self.mark(&known);
            }
            return false;
        }
        let was_open = guarded.breaker.is_open();
        if guarded.slow && !success.brief {
            (guarded.breaker, guarded.error) = (Breaker::new(rules), None);
            guarded.proven = true;
        } else {
            known.remove(&id);
            self.mark(&known);
        }
        was_open
    }

    /// A render of a closure failed in a way that costs much. `hung`: it cost a thread, so once is enough. Answers for how long the
    /// breaker is open now, if that opened it.
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
        let mut known = self.lock();
        let guarded = self.guarded(&mut known, id, closure, now, rules);
        let was_open = guarded.breaker.is_open();
        guarded.error = Some(Box::new(error.clone()));
        guarded.proven = false;
        match substitute {
            // In place of an open one something else was rendered, and that is what hangs.
            Substitute::Unknown if hung && was_open => guarded.substitute = Substitute::None,
            Substitute::Unknown => {}
            found => guarded.substitute = found,
        }
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

    /// A render ended without saying anything about its closure.
    pub(crate) fn undecided(&self, id: TemplateId, closure: &Digest, now: Instant, rules: &BreakerRules) {
        if let Some(guarded) = self.lock().get_mut(&id).filter(|guarded| guarded.closure == *closure) {
            guarded.breaker.undecided(now, rules);
        }
    }

    /// While a breaker was open nothing that stands in was found.
    pub(crate) fn found_none(&self, id: TemplateId, closure: &Digest) {
        if let Some(guarded) = self.lock().get_mut(&id).filter(|guarded| guarded.closure == *closure) {
            guarded.substitute = Substitute::None;
        }
    }

    /// A closure takes longer than what is rendered in place.
    pub(crate) fn slow(&self, id: TemplateId, closure: &Digest, now: Instant, rules: &BreakerRules) {
        let mut known = self.lock();
        self.guarded(&mut known, id, closure, now, rules).slow = true;
    }

    /// Returns every breaker that is open.
    pub(crate) fn open(&self) -> Vec<Opened> {
        let known = self.lock();
        let open = known.iter().filter_map(|(id, guarded)| {
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

    /// Figures. `served` says which closure is served of a template: the breaker of another one is of no interest any more.
    pub(crate) fn counts(&self, served: impl Fn(TemplateId) -> Option<Digest>) -> BreakerCounts {
        let known = self.lock();
        let open = known.iter().filter(|(_, guarded)| guarded.breaker.is_open());
        let open: Vec<_> = open.map(|(id, guarded)| (*id, guarded.closure)).collect();
        // Digests are made outside of the lock.
        drop(known);
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
        known: &'k mut HashMap<TemplateId, GuardedTemplate, NameHasher>,
        id: TemplateId,
        closure: &Digest,
        now: Instant,
        rules: &BreakerRules,
    ) -> &'k mut GuardedTemplate {
        if !known.contains_key(&id) {
            let oldest = known.iter().min_by_key(|(_, guarded)| guarded.last).map(|(id, _)| *id);
            if let Some(oldest) = oldest.filter(|_| known.len() >= rules.templates.max(1)) {
                known.remove(&oldest);
            }
            known.insert(id, GuardedTemplate::new(*closure, now, rules));
            self.mark(known);
        }
        let guarded = known
            .entry(id)
            .or_insert_with(|| GuardedTemplate::new(*closure, now, rules));
        if guarded.closure != *closure {
            // An edit begins anew. What stood in is remembered.
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

    /// Writes the marks anew.
    fn mark(&self, known: &HashMap<TemplateId, GuardedTemplate, NameHasher>) {
        let mut marks = [0; MARKS];
        for id in known.keys() {
            let (mark, bit) = place(*id);
            marks[mark] |= bit;
        }
        for (mark, bits) in self.marks.iter().zip(marks) {
            mark.store(bits, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TemplateId, GuardedTemplate, NameHasher>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A render that failed and cost much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CostlyFailure<'f> {
    pub(crate) closure: &'f Digest,
    pub(crate) error: &'f RenderError,
    /// What was found instead.
    pub(crate) substitute: Substitute,
    /// It did not end, and cost its thread.
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

/// Where the mark of a template is.
fn place(id: TemplateId) -> (usize, u64) {
    let bit = id.index() % (MARKS * 64);
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests;
