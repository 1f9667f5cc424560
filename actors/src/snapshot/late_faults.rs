//! [`LateFault`]: a fault that no compiler sees, and that shows when a template is rendered.
//!
//! This is the one memory of such faults. All snapshots of an engine share it, so that everybody who says what is served of a template
//! (events, log, terminal, overlay, admin API, usage) says the same.
//!
//! It takes no lock. What is known is an immutable map behind one pointer. A render that fails and has news, and the Registry when texts
//! change, put a changed copy in its place by compare-and-swap and try again where another was quicker (`ArcSwap::rcu`); a render that
//! fails as is known writes some atomics. So a failing render waits for nobody who was interrupted, neither the Registry nor another
//! render. A render that succeeds reads one counter, and the map only where a fault of its template is remembered.

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
    /// As it is written in JSON and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastGood(_) => "last-good",
            Self::StandIn => "stand-in",
            Self::Failure => "failure",
        }
    }

    /// Returns a number for an atomic.
    fn to_bits(self) -> u64 {
        match self {
            Self::StandIn => 0,
            Self::Failure => 1,
            Self::LastGood(version) => version.number().saturating_add(2),
        }
    }

    fn from_bits(bits: u64) -> Self {
        match bits {
            0 => Self::StandIn,
            1 => Self::Failure,
            number => Self::LastGood(Version::from_number(number - 2)),
        }
    }

    /// The version that is served, if an older one is.
    #[must_use]
    pub fn since(self) -> Option<Version> {
        match self {
            Self::LastGood(since) => Some(since),
            Self::StandIn | Self::Failure => None,
        }
    }
}

/// Faults of one template that showed when it was rendered, as it is served now.
#[derive(Debug, Clone)]
pub struct LateFault {
    /// The entry that was rendered.
    pub template: TemplateName,
    /// The first version in which it failed so.
    pub version: Version,
    /// The answer to the last render that failed.
    pub serving: Serving,
    /// Each fault once, in the order in which they showed.
    pub whys: Vec<Arc<Why>>,
    /// The time of the last failure.
    pub last: Instant,
    /// True unless the same text was rendered well in a later second: with other data it may.
    pub(crate) still_fails: bool,
    /// Digest of the closure that failed. With another one served, all of this is over.
    pub(crate) closure: Digest,
}

impl LateFault {
    /// All findings.
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
    /// Digest of what was rendered.
    pub(crate) closure: Digest,
}

/// News about a render that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FaultChange {
    /// This template was not known to fail so.
    pub(crate) for_template: bool,
    /// No other template was either: a fault in a partial shows in each page that calls it.
    pub(crate) for_all: bool,
}

/// What a version means for the faults that were known before, each list sorted by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Templates whose text, or that of a template that they call, is another now. Nobody knows yet whether that renders.
    pub(crate) changed: Vec<TemplateName>,
    /// Templates of which the new text was rendered well before this was asked.
    pub(crate) fixed: Vec<TemplateName>,
    /// Templates that have nothing to render any more.
    pub(crate) removed: Vec<TemplateName>,
}

/// Bounds of what is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateFaultLimits {
    /// The limit `late_faults`.
    pub(crate) templates: usize,
    /// The limit `source_diagnostics`.
    pub(crate) each: usize,
    /// The limit `late_faults_bytes`.
    pub(crate) bytes: usize,
}

/// Every late fault that is remembered.
#[derive(Debug)]
pub(crate) struct LateFaults {
    known: ArcSwap<Known>,
    watched: Watched,
    /// Times are counted from here.
    began: Instant,
}

type Known = im::HashMap<TemplateId, Arc<Record>, NameHasher>;

/// What is remembered of one template.
#[derive(Debug, Clone)]
struct Record {
    template: TemplateName,
    version: Version,
    whys: Vec<Arc<Why>>,
    closure: Digest,
    state: State,
    /// Shared with the records that this one follows.
    moments: Arc<Moments>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What failed is served.
    Failing,
    /// Since a version another closure is served, and no render of it has ended yet.
    Changed { since: Version, closure: Digest },
    /// It was rendered well since. Kept for [`LateFaults::last_failure`] as long as there is room.
    Fixed,
}

/// What renders write without making a new map. Each is read for itself, so they may be a render apart.
#[derive(Debug)]
struct Moments {
    /// The last failure, in microseconds since the beginning.
    failed_at: AtomicU64,
    /// Its place in `whys`.
    failed_by: AtomicUsize,
    /// Its answer, as [`Serving::to_bits`] has it.
    serving: AtomicU64,
    /// The last good render, in microseconds since the beginning and one more; 0 is never.
    well_at: AtomicU64,
    /// The newest version whose newest text was rendered well.
    well_in: AtomicU64,
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
    /// Returns false if nothing depends on whether a template renders. Mostly so, and then this is all that it costs.
    #[inline]
    pub(crate) fn may_watch(&self, id: TemplateId) -> bool {
        self.watched.may_have(id)
    }

    /// Remembers that a template failed in a render. Where there is no room for it, the one that failed longest ago is forgotten, and
    /// those that are fixed before all others. Further faults of one that alone takes all room are not remembered.
    pub(crate) fn failed(&self, id: TemplateId, failure: &Failure, room: LateFaultLimits) -> FaultChange {
        let at = self.micros(failure.at);
        // Mostly it is known.
        if let Some(record) = self.known.load().get(&id).filter(|record| record.is_of(failure))
            && let Some(which) = record.position(&failure.why)
        {
            record.moments.failed(at, which, failure.serving);
            return FaultChange::default();
        }
        // Before it can be found, so that no good render of what comes next is missed.
        self.watched.add(id);
        let mut news = FaultChange::default();
        let mut forgotten = Vec::new();
        let mut was_watched = false;
        self.known.rcu(|known| {
            (news, was_watched) = (
                FaultChange::default(),
                known.get(&id).is_some_and(|record| record.is_watched()),
            );
            forgotten.clear();
            let mut others = known.iter().filter(|(other, _)| **other != id);
            let for_all = !others.any(|(_, other)| other.is_failing() && other.position(&failure.why).is_some());
            let record = match known.get(&id).filter(|record| record.is_of(failure)) {
                Some(record) => {
                    let which = record.position(&failure.why);
                    record.moments.failed(at, which.unwrap_or_default(), failure.serving);
                    let bytes = record.bytes() + bytes_of(&failure.why);
                    if which.is_some() || record.whys.len() >= room.each || bytes > room.bytes {
                        return Arc::clone(known);
                    }
                    record.with(&failure.why)
                }
                None => Record::new(failure, at),
            };
            news = FaultChange {
                for_template: true,
                for_all,
            };
            let mut next = Known::clone(known);
            next.insert(id, Arc::new(record));
            let mut bytes: usize = next.values().map(|record| record.bytes()).sum();
            while next.len() > room.templates.max(1) || bytes > room.bytes {
                let age = |record: &Record| (record.is_watched(), record.moments.failed_at.load(Ordering::Relaxed));
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
        if was_watched {
            self.watched.remove(id);
        }
        forgotten.into_iter().for_each(|id| self.watched.remove(id));
        news
    }

    /// Notes that a template was rendered well, of a version in which that was its newest text (`is_current`) or not. Returns true
    /// if that is the first good render since its text changed after it failed.
    pub(crate) fn rendered_well(&self, id: TemplateId, version: Version, is_current: bool, now: Instant) -> bool {
        let known = self.known.load();
        let Some(record) = known
            .get(&id)
            .filter(|record| record.is_watched() && record.version <= version)
        else {
            return false;
        };
        record.moments.rendered_well(self.micros(now), version, is_current);
        let is_awaited = |record: &Record| match record.state {
            State::Changed { since, .. } => is_current && since <= version,
            State::Failing | State::Fixed => false,
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
                |record| Arc::new(known.update(id, record.in_state(State::Fixed))),
            )
        });
        if is_first {
            self.watched.remove(id);
        }
        is_first
    }

    /// Returns the fault of one template, if it is about this closure.
    pub(crate) fn of(&self, id: TemplateId, closure: impl FnOnce() -> Option<Digest>) -> Option<LateFault> {
        // Whoever publishes asks for each template that goes on as it was.
        if !self.watched.may_have(id) {
            return None;
        }
        let known = self.known.load();
        let record = known.get(&id).filter(|record| record.is_failing())?;
        (closure()? == record.closure).then(|| self.fault(record))
    }

    /// Returns true if a template failed, its text is another since, and no render of that has ended.
    pub(crate) fn awaits_render(&self, id: TemplateId) -> bool {
        let known = self.known.load();
        let state = known.get(&id).map(|record| record.state);
        matches!(state, Some(State::Changed { .. }))
    }

    /// Returns the faults of all templates of which nobody has served another text since, sorted by name.
    pub(crate) fn all(&self) -> Vec<(TemplateId, LateFault)> {
        let known = self.known.load();
        let failing = known.iter().filter(|(_, record)| record.is_failing());
        let mut all: Vec<_> = failing.map(|(id, record)| (*id, self.fault(record))).collect();
        all.sort_unstable_by(|(_, a), (_, b)| a.template.cmp(&b.template));
        all
    }

    /// Returns the last failure of a template and when that was, while it is remembered: also after it was fixed.
    pub(crate) fn last_failure(&self, id: TemplateId) -> Option<(Instant, Arc<Why>)> {
        let known = self.known.load();
        let record = known.get(&id)?;
        let which = record.moments.failed_by.load(Ordering::Relaxed);
        let why = record.whys.get(which).or(record.whys.first())?;
        Some((self.instant(&record.moments), Arc::clone(why)))
    }

    /// Ends the faults of templates of which another closure is served from a version on.
    pub(crate) fn settle(&self, version: Version, closure: impl Fn(TemplateId) -> Option<Digest>) -> Settled {
        let known = self.known.load();
        let watched = known.iter().filter(|(_, record)| record.is_watched());
        // Digests are made once, however often the map has to be made.
        let now: Vec<_> = watched.map(|(id, _)| (*id, closure(*id))).collect();
        let mut settled = Settled::default();
        if now.is_empty() {
            return settled;
        }
        let mut over = Vec::new();
        self.known.rcu(|known| {
            settled = Settled::default();
            over.clear();
            let mut next = Known::clone(known);
            for (id, closure) in &now {
                let Some(record) = known.get(id) else { continue };
                let state = match (*closure, record.state) {
                    (_, State::Fixed) => continue,
                    (None, _) => {
                        settled.removed.push(record.template.clone());
                        over.push(*id);
                        next.remove(id);
                        continue;
                    }
                    (Some(now), State::Failing) if now == record.closure => continue,
                    (Some(now), State::Changed { closure, .. }) if now == closure => continue,
                    (Some(closure), before) => {
                        let is_fixed = record.moments.well_in.load(Ordering::Relaxed) >= version.number();
                        match (is_fixed, before) {
                            (true, _) => {
                                settled.fixed.push(record.template.clone());
                                over.push(*id);
                                State::Fixed
                            }
                            (false, State::Failing) => {
                                settled.changed.push(record.template.clone());
                                State::Changed {
                                    since: version,
                                    closure,
                                }
                            }
                            (false, _) => State::Changed {
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

    fn fault(&self, record: &Record) -> LateFault {
        LateFault {
            template: record.template.clone(),
            version: record.version,
            serving: Serving::from_bits(record.moments.serving.load(Ordering::Relaxed)),
            whys: record.whys.clone(),
            last: self.instant(&record.moments),
            still_fails: record.moments.still_fails(),
            closure: record.closure,
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    fn instant(&self, moments: &Moments) -> Instant {
        let since = Duration::from_micros(moments.failed_at.load(Ordering::Relaxed));
        self.began.checked_add(since).unwrap_or(self.began)
    }
}

/// Returns the memory that the texts of a fault take, about.
fn bytes_of(why: &Arc<Why>) -> usize {
    why.diagnostics.iter().map(Diagnostic::bytes).sum()
}

impl Record {
    fn new(failure: &Failure, at: u64) -> Self {
        let moments = Moments {
            failed_at: AtomicU64::new(at),
            failed_by: AtomicUsize::new(0),
            serving: AtomicU64::new(failure.serving.to_bits()),
            well_at: AtomicU64::new(0),
            well_in: AtomicU64::new(0),
        };
        Self {
            template: failure.template.clone(),
            version: failure.version,
            whys: vec![Arc::clone(&failure.why)],
            closure: failure.closure,
            state: State::Failing,
            moments: Arc::new(moments),
        }
    }

    /// Returns the memory that its texts take, about.
    fn bytes(&self) -> usize {
        self.whys.iter().map(bytes_of).sum()
    }

    /// Returns the record with one more fault, which was the last.
    fn with(&self, why: &Arc<Why>) -> Self {
        let mut record = self.clone();
        record.moments.failed_by.store(record.whys.len(), Ordering::Relaxed);
        record.whys.push(Arc::clone(why));
        record
    }

    fn in_state(&self, state: State) -> Arc<Self> {
        Arc::new(Self { state, ..self.clone() })
    }

    fn is_failing(&self) -> bool {
        self.state == State::Failing
    }

    /// Returns true if good renders of it are of interest.
    fn is_watched(&self) -> bool {
        self.state != State::Fixed
    }

    /// Returns true if a failure is one more of the same closure.
    fn is_of(&self, failure: &Failure) -> bool {
        self.is_failing() && self.closure == failure.closure
    }

    /// The place of a fault whose first finding is the first of this one.
    fn position(&self, why: &Why) -> Option<usize> {
        let mut known = self.whys.iter().map(|known| known.diagnostics.first());
        known.position(|known| match (known, why.diagnostics.first()) {
            (Some(known), Some(wanted)) => known.is_same_fault(wanted),
            (known, wanted) => known.is_none() && wanted.is_none(),
        })
    }
}

impl Moments {
    fn failed(&self, at: u64, which: usize, serving: Serving) {
        self.failed_at.store(at, Ordering::Relaxed);
        self.failed_by.store(which, Ordering::Relaxed);
        self.serving.store(serving.to_bits(), Ordering::Relaxed);
    }

    fn rendered_well(&self, at: u64, version: Version, is_current: bool) {
        // Threads that render the same template at once mostly only read this.
        if self.still_fails() {
            self.well_at.store(at.saturating_add(1), Ordering::Relaxed);
        }
        if is_current && self.well_in.load(Ordering::Relaxed) < version.number() {
            self.well_in.fetch_max(version.number(), Ordering::Relaxed);
        }
    }

    /// Returns true if no good render ended in a later second than the last failure. Within a second the failure counts.
    fn still_fails(&self) -> bool {
        const SECOND: u64 = 1_000_000;
        match self.well_at.load(Ordering::Relaxed).checked_sub(1) {
            Some(well) => well / SECOND <= self.failed_at.load(Ordering::Relaxed) / SECOND,
            None => true,
        }
    }
}

/// Counts for each id modulo their number, so that a render learns in one step that nobody waits for it. Counts, and not bits: whoever
/// takes one out need not know the others.
#[derive(Debug)]
struct Watched(Box<[AtomicU16; WATCHED]>);

/// 2 KiB.
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
mod tests {
    use super::*;
    use crate::testing::name;

    const SECOND: Duration = Duration::from_secs(1);
    const ROOM: LateFaultLimits = LateFaultLimits {
        templates: 2,
        each: 2,
        bytes: usize::MAX,
    };

    fn id(number: u32) -> TemplateId {
        TemplateId::new(number)
    }

    fn digest(text: &str) -> Digest {
        Digest::over([text.as_bytes()])
    }

    fn version(number: u64) -> Version {
        Version::from_number(number)
    }

    fn failure(template: &str, closure: &str, code: &'static str, at: Instant) -> Failure {
        let why = Why {
            diagnostics: Arc::new([Diagnostic::error(code, "m")]),
            cause: name("part.html"),
        };
        Failure {
            template: name(template),
            version: version(1),
            serving: Serving::Failure,
            why: Arc::new(why),
            at,
            closure: digest(closure),
        }
    }

    fn names(list: &[TemplateName]) -> Vec<&str> {
        list.iter().map(TemplateName::as_str).collect()
    }

    fn failing(faults: &LateFaults) -> Vec<String> {
        faults
            .all()
            .iter()
            .map(|(_, fault)| fault.template.to_string())
            .collect()
    }

    #[test]
    fn a_fault_is_news_once_for_each_template_and_once_for_all() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        for (number, template, code, for_template, for_all) in [
            (1, "a.html", "x", true, true),
            (1, "a.html", "x", false, false),
            (1, "a.html", "y", true, true),
            (2, "b.html", "x", true, false),
            (2, "b.html", "x", false, false),
            // As many of each template as there is room for.
            (1, "a.html", "z", false, false),
        ] {
            let news = faults.failed(id(number), &failure(template, "1", code, now), ROOM);
            assert_eq!(news, FaultChange { for_template, for_all }, "{template} {code}");
        }
        assert_eq!(faults.of(id(1), || None).map(|_| ()), None);
        let known = faults.of(id(1), || Some(digest("1")));
        assert_eq!(known.expect("is known").whys.len(), 2);
    }

    #[test]
    fn faults_are_bounded_by_the_bytes_of_their_texts() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        let one = failure("a.html", "1", "x", now)
            .why
            .diagnostics
            .iter()
            .map(Diagnostic::bytes)
            .sum::<usize>();
        let room = LateFaultLimits {
            templates: 100,
            each: 100,
            bytes: 3 * one,
        };
        let add = |number: u32, template: &str, code: &'static str| {
            faults.failed(id(number), &failure(template, "1", code, now + SECOND * number), room);
        };
        let known = || {
            let all = faults.all().into_iter();
            all.map(|(_, fault)| (fault.template.to_string(), fault.whys.len()))
                .collect::<Vec<_>>()
        };
        let of = |template: &str, whys: usize| (template.to_owned(), whys);
        add(1, "a.html", "x");
        add(2, "b.html", "x");
        add(2, "b.html", "y");
        assert_eq!(
            known(),
            [of("a.html", 1), of("b.html", 2)],
            "just as much as there is room for"
        );
        add(3, "c.html", "x");
        assert_eq!(known(), [of("b.html", 2), of("c.html", 1)]);
        for code in ["y", "z", "one too many"] {
            add(3, "c.html", code);
        }
        assert_eq!(known(), [of("c.html", 3)]);
    }

    #[test]
    fn with_too_many_those_that_are_fixed_are_forgotten_and_then_the_oldest() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        let fail = |number: u32, template| {
            let at = now + SECOND * number;
            faults.failed(id(number), &failure(template, "1", "x", at), ROOM);
        };
        fail(0, "a.html");
        fail(1, "b.html");
        fail(2, "c.html");
        assert_eq!(failing(&faults), ["b.html", "c.html"]);
        assert_eq!(
            [0, 1, 2].map(|number| faults.may_watch(id(number))),
            [false, true, true]
        );
        faults.settle(version(2), |which| Some(digest(if which == id(2) { "2" } else { "1" })));
        assert!(faults.rendered_well(id(2), version(2), true, now));
        fail(3, "d.html");
        assert_eq!(failing(&faults), ["b.html", "d.html"]);
        assert_eq!(faults.last_failure(id(2)).map(|_| ()), None);
    }

    /// What is told of a template that failed: when its text changed, when that was rendered well, when it was removed.
    #[test]
    fn it_is_fixed_when_the_newest_text_was_rendered_well() {
        enum Step {
            /// A version serves these texts of `a` and `b`, and that is what is told: changed, fixed, removed.
            Publish(u64, [Option<&'static str>; 2], [&'static [&'static str]; 3]),
            /// A good render of `a` or `b`, of a version, of its newest text or not; and whether it is the first.
            Well(u32, u64, bool, bool),
            Fail(u32, &'static str),
        }
        use Step::{Fail, Publish, Well};
        let both = [Some("1"), Some("1")];
        let tables: [&[Step]; 6] = [
            // A render of other data, of the same text, ends nothing.
            &[Well(0, 1, true, false), Publish(2, both, [&[], &[], &[]])],
            &[
                Publish(2, [Some("2"), None], [&["a"], &[], &["b"]]),
                Well(0, 1, true, false),
                Well(0, 2, false, false),
                Well(0, 2, true, true),
                Well(0, 2, true, false),
                Publish(3, [Some("3"), None], [&[], &[], &[]]),
            ],
            // It changes twice: only a render of the last text says that it is fixed, and it is told once that it changed.
            &[
                Publish(2, [Some("2"), Some("1")], [&["a"], &[], &[]]),
                Publish(3, [Some("3"), Some("1")], [&[], &[], &[]]),
                Well(0, 2, true, false),
                Publish(4, [Some("3"), Some("1")], [&[], &[], &[]]),
                Well(0, 4, true, true),
            ],
            // The new text fails as well.
            &[
                Publish(2, [Some("2"), Some("1")], [&["a"], &[], &[]]),
                Fail(0, "2"),
                Well(0, 2, true, false),
                Publish(3, [Some("3"), Some("1")], [&["a"], &[], &[]]),
                Well(0, 3, true, true),
            ],
            // It was rendered between the swap and this.
            &[
                Well(0, 2, true, false),
                Publish(2, [Some("2"), Some("1")], [&[], &["a"], &[]]),
                Well(0, 2, true, false),
            ],
            &[
                Publish(2, [Some("2"), Some("2")], [&["a", "b"], &[], &[]]),
                Publish(3, [None, Some("2")], [&[], &[], &["a"]]),
                Well(1, 3, true, true),
            ],
        ];
        for (table, steps) in tables.into_iter().enumerate() {
            let (faults, now) = (LateFaults::default(), Instant::now());
            for (number, template) in ["a", "b"].into_iter().enumerate() {
                faults.failed(id(number as u32), &failure(template, "1", "x", now), ROOM);
            }
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Publish(number_of, texts, told) => {
                        let settled = faults.settle(version(*number_of), |id| texts[id.index()].map(digest));
                        let is = [&settled.changed, &settled.fixed, &settled.removed].map(|list| names(list));
                        assert_eq!(is, told.map(<[_]>::to_vec), "table {table}, step {number}");
                    }
                    Well(which, of, is_current, is_first) => {
                        let is = faults.rendered_well(id(*which), version(*of), *is_current, now);
                        assert_eq!(is, *is_first, "table {table}, step {number}");
                    }
                    Fail(which, text) => {
                        let failure = Failure {
                            version: version(2),
                            ..failure("a", text, "x", now)
                        };
                        let news = faults.failed(id(*which), &failure, ROOM);
                        assert!(news.for_template, "table {table}, step {number}");
                    }
                }
            }
            // Nothing is watched that does not fail and is not waited for.
            let known = faults.known.load();
            let watched = |number| known.get(&id(number)).is_some_and(|record| record.is_watched());
            for number in 0..2 {
                assert_eq!(faults.may_watch(id(number)), watched(number), "table {table}");
            }
        }
    }

    /// To the second, and for each template by itself, whatever its id is.
    #[test]
    fn a_template_fails_until_it_was_rendered_well_in_a_later_second() {
        let (faults, began) = (LateFaults::default(), Instant::now() + SECOND);
        let ids = [1_u32, 2_000_000, 3_000_000, u32::MAX - 1].map(id);
        let room = LateFaultLimits { templates: 4, ..ROOM };
        for id in ids {
            faults.failed(id, &failure("a.html", "1", "x", began), room);
        }
        let still = |which| faults.of(which, || Some(digest("1"))).map(|fault| fault.still_fails);
        for (number, id) in ids.into_iter().enumerate() {
            faults.rendered_well(id, version(1), true, began);
            let failing = ids.map(still).iter().filter(|still| **still == Some(true)).count();
            assert_eq!(failing, ids.len() - number, "within the second");
            faults.rendered_well(id, version(1), true, began + 2 * SECOND);
            let failing = ids.map(still).iter().filter(|still| **still == Some(true)).count();
            assert_eq!(failing, ids.len() - number - 1, "only the one that was rendered");
        }
        faults.failed(ids[0], &failure("a.html", "1", "x", began + 3 * SECOND), room);
        assert_eq!(still(ids[0]), Some(true));
    }

    /// Renders fail, succeed and are edited at once: each piece of news is told to one of them, and all is counted out again.
    #[test]
    fn many_threads_at_once_tell_each_piece_of_news_once() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        let room = LateFaultLimits { templates: 64, ..ROOM };
        for round in 1..=20_u64 {
            let text = round.to_string();
            let told = AtomicUsize::new(0);
            let fixed = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for number in 0..32 {
                            let failure = failure(&format!("{number}.html"), &text, "x", now);
                            let news = faults.failed(id(number), &failure, room);
                            told.fetch_add(usize::from(news.for_template), Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(told.into_inner(), 32);
            let changed = faults.settle(version(round), |_| Some(digest("good"))).changed;
            assert_eq!(changed.len(), 32);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for number in 0..32 {
                            let first = faults.rendered_well(id(number), version(round), true, now);
                            fixed.fetch_add(usize::from(first), Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(fixed.into_inner(), 32);
            assert!((0..32).all(|number| !faults.may_watch(id(number))));
        }
    }
}
