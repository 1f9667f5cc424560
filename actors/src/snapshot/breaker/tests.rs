use proptest::prelude::*;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::dialect::RenderFault;

/// A render of what is served that took long, one that did not, and one of what is not served any more.
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
fn it_opens_after_failures_in_a_row_and_is_tried_again_ever_more_rarely() {
    let (start, mut breaker) = (Instant::now(), Breaker::new(&RULES));
    assert_eq!(breaker.admit(start, &RULES), Admission::Attempt);
    let opened: Vec<_> = (0..3).map(|_| breaker.failed(start, &RULES)).collect();
    assert_eq!(opened, [false, false, true]);
    // One that began before says nothing new.
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
fn a_probe_of_which_nothing_is_heard_does_not_keep_it_open_for_ever() {
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
    /// Against what is promised: never more probes at once than one, none before a pause is over, and no pause out of its bounds.
    #[test]
    fn whatever_happens_probes_are_apart(steps in proptest::collection::vec((0u8..4, 0u64..120), 1..200)) {
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
fn a_closure_that_is_open_is_not_tried_and_another_one_is() {
    let (breakers, now, id) = (Breakers::default(), Instant::now(), TemplateId::new(7));
    let (bad, repaired, error) = (digest("bad"), digest("repaired"), error());
    assert!(!breakers.may_know(id));
    let opened: Vec<_> = (0..4).map(|_| fail(&breakers, 7, &bad, now, false)).collect();
    assert_eq!(opened, [false, false, true, false]);
    assert!(breakers.may_know(id));
    assert!(matches!(
        breakers.course(id, &bad, now, &RULES),
        RenderRoute::Instead(..)
    ));
    assert!(matches!(
        breakers.course(id, &repaired, now, &RULES),
        RenderRoute::Attempt
    ));
    let open = |served: Option<Digest>| breakers.counts(|_| served).open;
    assert_eq!((open(Some(bad)), breakers.counts(|_| None).opened), (1, 1));
    // An edit begins anew, and a good render of it ends the matter, unless it is of a version that is over.
    assert_eq!((open(Some(repaired)), open(None)), (0, 0));
    assert!(!breakers.succeeded(id, &repaired, LATE, &RULES));
    assert!(breakers.may_know(id));
    assert!(!breakers.succeeded(id, &repaired, LONG, &RULES), "it was closed");
    assert!(!breakers.may_know(id));
    // What stood in for the text before is tried first for the next that fails.
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
fn a_success_between_failures_keeps_it_closed_and_a_probe_that_succeeds_closes_it() {
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
        breakers.course(id, &closure, now, &RULES),
        RenderRoute::Instead(..)
    ));
    assert!(matches!(
        breakers.course(id, &closure, after(now, 100), &RULES),
        RenderRoute::Attempt
    ));
    assert!(breakers.succeeded(id, &closure, LONG, &RULES));
    let BreakerCounts { open, opened, probes } = breakers.counts(|_| Some(closure));
    assert_eq!((open, opened, probes), (0, 1, 1));
}

#[test]
fn one_that_hangs_opens_it_at_once_and_what_hangs_in_its_place_is_not_tried_again() {
    let (breakers, now, id) = (Breakers::default(), Instant::now(), TemplateId::new(1));
    let closure = digest("blocks");
    assert!(fail(&breakers, 1, &closure, now, true));
    let substitute = |breakers: &Breakers| match breakers.course(id, &closure, now, &RULES) {
        RenderRoute::Instead(_, substitute) => Some(substitute),
        RenderRoute::Attempt => None,
    };
    assert_eq!(substitute(&breakers), Some(Substitute::Unknown));
    fail(&breakers, 1, &closure, now, true);
    assert_eq!(substitute(&breakers), Some(Substitute::None));
}

#[test]
fn as_many_are_known_as_there_is_room_for_and_slow_ones_stay() {
    let (breakers, now) = (Breakers::default(), Instant::now());
    let closure = digest("slow");
    for id in 0..3 {
        breakers.slow(TemplateId::new(id), &closure, after(now, u64::from(id)), &RULES);
    }
    let known: Vec<_> = (0..4).map(|id| breakers.may_know(TemplateId::new(id))).collect();
    assert_eq!(known, [false, true, true, false]);
    breakers.succeeded(TemplateId::new(2), &closure, LONG, &RULES);
    assert!(breakers.may_know(TemplateId::new(2)), "it is slow still");
    breakers.succeeded(TemplateId::new(2), &closure, BRIEF, &RULES);
    assert!(
        !breakers.may_know(TemplateId::new(2)),
        "it was held up by others when it was slow"
    );
}

#[test]
fn it_is_open_since_the_first_time_and_says_when_it_is_tried_again() {
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
    breakers.course(id, &closure, after(start, 110), &RULES);
    assert_eq!(open(), Some((after(start, 2), after(start, 160), true, true)));
    fail(120);
    assert_eq!(open(), Some((after(start, 2), after(start, 320), false, true)));
    breakers.course(id, &closure, after(start, 330), &RULES);
    assert!(breakers.succeeded(id, &closure, LONG, &RULES));
    assert_eq!(open(), None);
}
