use proptest::prelude::*;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::dialect::RenderFault;

/// A slow render of the served closure, a brief one, and one of a closure that is no longer served.
const LONG: Success = Success {
    is_served: true,
    brief: false,
};
const BRIEF: Success = Success { brief: true, ..LONG };
const LATE: Success = Success {
    is_served: false,
    ..LONG
};

const RULES: BreakerRules = BreakerRules {
    failures: 3,
    pause: Duration::from_millis(100),
    pause_max: Duration::from_millis(300),
    probe: Duration::from_millis(50),
    templates: 2,
};

fn after(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

#[test]
fn consecutive_failures_open_it_and_pauses_double() {
    let (start, mut breaker) = (Instant::now(), Breaker::new(&RULES));
    assert_eq!(breaker.admit(start, &RULES), Admission::Attempt);
    let opened: Vec<_> = (0..3).map(|_| breaker.failed(start, &RULES)).collect();
    assert_eq!(opened, [false, false, true]);
    // A render that began before the breaker opened changes nothing.
    assert!(!breaker.failed(start, &RULES));
    // Each pause begins with the failed probe before it, and is twice as long up to the bound.
    let mut now = 0;
    for pause in [100, 200, 300, 300] {
        assert_eq!(breaker.admit(after(start, now + pause - 1), &RULES), Admission::Refused);
        now += pause;
        assert_eq!(breaker.admit(after(start, now), &RULES), Admission::Probe);
        assert_eq!(
            breaker.admit(after(start, now), &RULES),
            Admission::Refused,
            "one at a time"
        );
        assert!(!breaker.failed(after(start, now), &RULES), "it was open");
    }
}

#[test]
fn a_lost_probe_is_replaced() {
    let (start, mut breaker) = (Instant::now(), Breaker::new(&RULES));
    for _ in 0..3 {
        breaker.failed(start, &RULES);
    }
    assert_eq!(breaker.admit(after(start, 100), &RULES), Admission::Probe);
    assert_eq!(breaker.admit(after(start, 149), &RULES), Admission::Refused);
    assert_eq!(breaker.admit(after(start, 150), &RULES), Admission::Probe);
    breaker.undecided(after(start, 160), &RULES);
    assert_eq!(breaker.admit(after(start, 259), &RULES), Admission::Refused);
    assert_eq!(breaker.admit(after(start, 260), &RULES), Admission::Probe);
}

proptest! {
    /// Checks for random histories that there is one probe at a time, none before its pause is over, and no pause out of bounds.
    #[test]
    fn probes_keep_their_distance(steps in proptest::collection::vec((0u8..4, 0u64..120), 1..200)) {
        let (start, mut breaker) = (Instant::now(), Breaker::new(&RULES));
        let (mut now, mut in_a_row, mut probe) = (0, 0, None::<u64>);
        let mut refused_until = None::<u64>;
        for (step, ms) in steps {
            now += ms;
            let at = after(start, now);
            match step {
                0 => {
                    let was_open = breaker.is_open();
                    let admission = breaker.admit(at, &RULES);
                    prop_assert_eq!(admission == Admission::Attempt, !was_open);
                    if admission == Admission::Probe {
                        prop_assert!(probe.is_none_or(|began| now >= began + 50), "a second probe at once");
                        prop_assert!(refused_until.is_none_or(|until| now >= until), "too early");
                        probe = Some(now);
                    }
                }
                1 => {
                    let (was_open, half) = (breaker.is_open(), matches!(breaker.state, BreakerState::HalfOpen { .. }));
                    let opened = breaker.failed(at, &RULES);
                    in_a_row += u32::from(!was_open);
                    prop_assert_eq!(opened, !was_open && in_a_row >= RULES.failures);
                    if opened || half {
                        (refused_until, probe) = (Some(now + 100), None);
                    }
                }
                2 => breaker.undecided(at, &RULES),
                _ => {
                    breaker = Breaker::new(&RULES);
                    (in_a_row, probe, refused_until) = (0, None, None);
                }
            }
            prop_assert!(breaker.pause >= RULES.pause && breaker.pause <= RULES.pause_max);
        }
    }
}

fn digest(text: &str) -> Digest {
    Digest::over([text.as_bytes()])
}

fn error() -> RenderError {
    RenderError::new(RenderFault::Internal, Diagnostic::error("x", "m"))
}

fn fail(breakers: &Breakers, id: u32, closure: &Digest, now: Instant, hung: bool) -> bool {
    let failure = CostlyFailure {
        closure,
        error: &error(),
        substitute: Substitute::Unknown,
        hung,
    };
    breakers.failed(TemplateId::new(id), failure, now, &RULES).is_some()
}

#[test]
fn a_breaker_belongs_to_a_closure() {
    let (breakers, now, id) = (Breakers::default(), Instant::now(), TemplateId::new(7));
    let (bad, repaired, error) = (digest("bad"), digest("repaired"), error());
    assert!(!breakers.may_know(id));
    let opened: Vec<_> = (0..4).map(|_| fail(&breakers, 7, &bad, now, false)).collect();
    assert_eq!(opened, [false, false, true, false]);
    assert!(breakers.may_know(id));
    assert!(matches!(
        breakers.route(id, &bad, now, &RULES),
        RenderRoute::Instead(..)
    ));
    assert!(matches!(
        breakers.route(id, &repaired, now, &RULES),
        RenderRoute::Attempt
    ));
    let open = |served: Option<Digest>| breakers.counts(|_| served).open;
    assert_eq!((open(Some(bad)), breakers.counts(|_| None).opened), (1, 1));
    // An edit starts with a closed breaker, and a successful render of it removes the record, unless it is of an old version.
    assert_eq!((open(Some(repaired)), open(None)), (0, 0));
    assert!(!breakers.succeeded(id, &repaired, LATE, &RULES));
    assert!(breakers.may_know(id));
    assert!(!breakers.succeeded(id, &repaired, LONG, &RULES), "it was closed");
    assert!(!breakers.may_know(id));
    // The substitute of the previous text is tried first for the next one that fails.
    let good = Substitute::Good(digest("good"));
    let failure = |closure, substitute| CostlyFailure {
        closure,
        error: &error,
        substitute,
        hung: false,
    };
    breakers.failed(id, failure(&bad, good), now, &RULES);
    breakers.failed(id, failure(&repaired, Substitute::Unknown), now, &RULES);
    assert_eq!(breakers.substitute(id), good);
}

#[test]
fn a_success_resets_and_closes_it() {
    let (breakers, now, id) = (Breakers::default(), Instant::now(), TemplateId::new(1));
    let closure = digest("some data is too much for it");
    for _ in 0..10 {
        assert!(!fail(&breakers, 1, &closure, now, false));
        assert!(!fail(&breakers, 1, &closure, now, false));
        assert!(!breakers.succeeded(id, &closure, LONG, &RULES));
    }
    for _ in 0..3 {
        fail(&breakers, 1, &closure, now, false);
    }
    assert!(matches!(
        breakers.route(id, &closure, now, &RULES),
        RenderRoute::Instead(..)
    ));
    assert!(matches!(
        breakers.route(id, &closure, after(now, 100), &RULES),
        RenderRoute::Attempt
    ));
    assert!(breakers.succeeded(id, &closure, LONG, &RULES));
    let BreakerCounts { open, opened, probes } = breakers.counts(|_| Some(closure));
    assert_eq!((open, opened, probes), (0, 1, 1));
}

#[test]
fn a_hanging_render_opens_it_at_once() {
    let (breakers, now, id) = (Breakers::default(), Instant::now(), TemplateId::new(1));
    let closure = digest("blocks");
    assert!(fail(&breakers, 1, &closure, now, true));
    let substitute = |breakers: &Breakers| match breakers.route(id, &closure, now, &RULES) {
        RenderRoute::Instead(_, substitute) => Some(substitute),
        RenderRoute::Attempt => None,
    };
    assert_eq!(substitute(&breakers), Some(Substitute::Unknown));
    fail(&breakers, 1, &closure, now, true);
    assert_eq!(substitute(&breakers), Some(Substitute::None));
}

#[test]
fn records_are_bounded_and_slow_ones_stay() {
    let (breakers, now) = (Breakers::default(), Instant::now());
    let closure = digest("slow");
    for id in 0..3 {
        breakers.slow(TemplateId::new(id), &closure, after(now, u64::from(id)), &RULES);
    }
    let known: Vec<_> = (0..4).map(|id| breakers.may_know(TemplateId::new(id))).collect();
    assert_eq!(known, [false, true, true, false]);
    breakers.succeeded(TemplateId::new(2), &closure, LONG, &RULES);
    assert!(breakers.may_know(TemplateId::new(2)), "it is still slow");
    breakers.succeeded(TemplateId::new(2), &closure, BRIEF, &RULES);
    assert!(!breakers.may_know(TemplateId::new(2)), "it is no longer slow");
}

#[test]
fn an_open_breaker_reports_its_times() {
    let (breakers, start, id) = (Breakers::default(), Instant::now(), TemplateId::new(1));
    let closure = Digest::over([&b"1"[..]]);
    let error = RenderError::new(RenderFault::Internal, Diagnostic::error("x", "m"));
    let fail = |ms: u64| {
        let failure = CostlyFailure {
            closure: &closure,
            error: &error,
            substitute: Substitute::Unknown,
            hung: false,
        };
        breakers.failed(id, failure, after(start, ms), &RULES)
    };
    let open = || {
        let open = breakers.open();
        open.first()
            .map(|open| (open.since, open.until, open.is_tried, open.error.is_some()))
    };
    fail(0);
    fail(1);
    assert_eq!(open(), None);
    fail(2);
    assert_eq!(open(), Some((after(start, 2), after(start, 102), false, true)));
    breakers.route(id, &closure, after(start, 110), &RULES);
    assert_eq!(open(), Some((after(start, 2), after(start, 160), true, true)));
    fail(120);
    assert_eq!(open(), Some((after(start, 2), after(start, 320), false, true)));
    breakers.route(id, &closure, after(start, 330), &RULES);
    assert!(breakers.succeeded(id, &closure, LONG, &RULES));
    assert_eq!(open(), None);
}
