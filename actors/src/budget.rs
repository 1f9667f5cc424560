//! [`Budget`]: what one attempt to render may cost, checked on each loop turn, call and append.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::limits::Limits;

/// Which edge a render met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Exceeded {
    /// The time of one attempt ([`Limits::render_ms`]).
    #[error("it took longer than {0} ms (the limit `render_ms`)")]
    Time(u64),
    /// The caller's own deadline.
    #[error("the deadline of the caller has passed")]
    Deadline,
    /// [`Limits::render_wait_ms`].
    #[error("there was no answer within {0} ms (the limit `render_wait_ms`)")]
    Waited(u64),
    /// [`Limits::render_steps`].
    #[error("it took more than {0} steps (the limit `render_steps`)")]
    Steps(u64),
    /// [`Limits::output_bytes`].
    #[error("its output is larger than {0} bytes (the limit `output_bytes`)")]
    Output(usize),
    /// [`Limits::call_depth`].
    #[error("its calls go deeper than {0} levels (the limit `call_depth`)")]
    Depth(u32),
    /// What is rendered in place ([`Limits::inline_steps`], [`Limits::inline_ms`]); or, of a kept version, the part of a budget in which
    /// several are tried one after the other. Nobody is answered so.
    #[error("it takes longer than what is tried in a short time")]
    Part,
    /// The caller gave up.
    #[error("it was cancelled by the caller")]
    Cancelled,
}

impl Exceeded {
    /// Whether the caller ended it, rather than the template costing too much.
    #[must_use]
    pub fn by_caller(self) -> bool {
        matches!(self, Self::Deadline | Self::Cancelled)
    }
}

/// Steps between two looks at the clock: some microseconds.
const STEPS_PER_CHECK: u32 = 1024;

/// Steps between two looks at the clock where the time is short: one step may format a long text.
const STEPS_PER_CHECK_OF_PART: u32 = 128;

/// What is left of the costs that one attempt may have.
#[derive(Debug)]
pub struct Budget {
    /// Steps until the next look at clock and token. Counting down one number is all that a step costs.
    until_check: u32,
    /// Steps left behind `until_check`.
    steps_left: u64,
    steps_max: u64,
    time_max: Duration,
    /// Where the time of this attempt ends; begins to run with the first look at the clock, for most renders are over by then
    /// and a look costs as much as many steps.
    ends: Option<Instant>,
    /// True if it is only a part of what an attempt may cost.
    part: bool,
    /// How long this thread had run when the time of a part was over by the clock.
    ran: Option<Duration>,
    deadline: Option<Instant>,
    cancel: Option<CancellationToken>,
    /// Most bytes of output.
    pub output_bytes: usize,
    /// Most calls inside calls.
    pub call_depth: u32,
}

impl Budget {
    /// A full budget. Its time begins with the first look at the clock: after some steps, or with the first [`Budget::check`].
    #[must_use]
    pub fn new(limits: &Limits, deadline: Option<Instant>, cancel: Option<CancellationToken>) -> Self {
        let first = u64::from(STEPS_PER_CHECK).min(limits.render_steps);
        Self {
            until_check: u32::try_from(first).unwrap_or(STEPS_PER_CHECK),
            steps_left: limits.render_steps - first,
            steps_max: limits.render_steps,
            time_max: limits.render_time(),
            ends: None,
            part: false,
            ran: None,
            deadline,
            cancel,
            output_bytes: limits.output_bytes,
            call_depth: limits.call_depth,
        }
    }

    /// Leaves only so much of it. What goes beyond is [`Exceeded::Part`].
    pub(crate) fn part(mut self, steps: u64, time: Duration) -> Self {
        let steps = steps.min(self.steps_max);
        let first = u64::from(STEPS_PER_CHECK_OF_PART).min(steps);
        self.until_check = u32::try_from(first).unwrap_or(STEPS_PER_CHECK);
        self.steps_left = steps - first;
        self.steps_max = steps;
        self.time_max = self.time_max.min(time);
        self.part = true;
        self
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Exceeded`] when there is none left, the time is over, or the caller gave up.
    #[inline]
    pub fn step(&mut self) -> Result<(), Exceeded> {
        let (left, none_left) = self.until_check.overflowing_sub(1);
        self.until_check = left;
        if none_left { self.refill() } else { Ok(()) }
    }

    /// Returns the steps that were taken so far.
    pub(crate) fn steps_taken(&self) -> u64 {
        self.steps_max - self.steps_left - u64::from(self.until_check)
    }

    #[cold]
    fn refill(&mut self) -> Result<(), Exceeded> {
        self.until_check = 0;
        self.check(Instant::now())?;
        if self.steps_left == 0 {
            return Err(if self.part {
                Exceeded::Part
            } else {
                Exceeded::Steps(self.steps_max)
            });
        }
        let per_check = if self.part {
            STEPS_PER_CHECK_OF_PART
        } else {
            STEPS_PER_CHECK
        };
        let next = u64::from(per_check).min(self.steps_left);
        self.steps_left -= next;
        self.until_check = u32::try_from(next).unwrap_or(STEPS_PER_CHECK) - 1;
        Ok(())
    }

    /// Lets the time begin now at the latest: before something that takes long in one step.
    pub(crate) fn begin(&mut self) {
        if self.ends.is_none() {
            self.ends = Instant::now().checked_add(self.time_max);
        }
    }

    /// The time of a part is over by the clock. On a busy machine other threads may have had all of it, and a quick page must not be taken
    /// for a slow one by that: it has its time once more, as far as this thread really runs.
    #[cold]
    fn prolong(&mut self, now: Instant) -> Result<(), Exceeded> {
        let Some(runs) = thread_time() else {
            return Err(Exceeded::Part);
        };
        let used = runs.saturating_sub(*self.ran.get_or_insert(runs));
        if used >= self.time_max {
            return Err(Exceeded::Part);
        }
        self.ends = now.checked_add(self.time_max - used);
        Ok(())
    }

    /// Looks at clock and token without taking a step.
    ///
    /// # Errors
    /// [`Exceeded`] when the time is over or the caller gave up.
    pub fn check(&mut self, now: Instant) -> Result<(), Exceeded> {
        if self.cancel.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(Exceeded::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Exceeded::Deadline);
        }
        if self.ends.is_none() {
            self.ends = now.checked_add(self.time_max);
        }
        if self.ends.is_some_and(|ends| now >= ends) {
            if self.part {
                return self.prolong(now);
            }
            return Err(Exceeded::Time(
                u64::try_from(self.time_max.as_millis()).unwrap_or(u64::MAX),
            ));
        }
        Ok(())
    }
}

/// Returns for how long the calling thread has run, where the system counts that.
#[cfg(unix)]
fn thread_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(unix))]
fn thread_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_exactly_at_the_limit() {
        for steps in [0, 1, 1023, 1024, 1025, 5000] {
            let limits = Limits {
                render_steps: steps,
                render_ms: 3_600_000,
                ..Limits::default()
            };
            let mut budget = Budget::new(&limits, None, None);
            let taken = std::iter::repeat_with(|| budget.step())
                .take_while(Result::is_ok)
                .count();
            assert_eq!((taken as u64, budget.steps_taken()), (steps, steps));
            assert_eq!(budget.step(), Err(Exceeded::Steps(steps)));
        }
    }

    #[test]
    fn steps_are_counted() {
        let whole = Budget::new(&Limits::default(), None, None);
        let part = Budget::new(&Limits::default(), None, None).part(20_000, Duration::from_secs(3600));
        for mut budget in [whole, part] {
            for taken in 0..5_000 {
                assert_eq!(budget.steps_taken(), taken);
                assert_eq!(budget.step(), Ok(()));
            }
        }
    }

    #[test]
    fn a_part_ends_exactly_where_it_is_said_to() {
        for steps in [0, 1, 1023, 1024, 1025, 5000] {
            let mut budget = Budget::new(&Limits::default(), None, None).part(steps, Duration::from_secs(3600));
            let taken = std::iter::repeat_with(|| budget.step())
                .take_while(Result::is_ok)
                .count();
            assert_eq!((taken as u64, budget.step()), (steps, Err(Exceeded::Part)));
        }
        let now = Instant::now();
        let mut budget = Budget::new(&Limits::default(), None, None).part(10, Duration::ZERO);
        assert_eq!(budget.check(now), Err(Exceeded::Part));
    }

    #[cfg(unix)]
    #[test]
    fn the_time_of_a_part_is_that_of_its_thread() {
        let time = Duration::from_millis(3);
        let mut budget = Budget::new(&Limits::default(), None, None).part(10, time);
        // However late it is, this thread has not run meanwhile.
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(budget.check(now), Ok(()));
            now += 10 * time;
            if thread_time() >= budget.ran.map(|ran| ran + time / 2) {
                break;
            }
        }
        let began = thread_time().expect("a time");
        while thread_time().expect("a time") < began + 2 * time {}
        assert_eq!(budget.check(now + 1_000 * time), Err(Exceeded::Part));
    }

    #[test]
    fn clock_and_token_are_looked_at() {
        let now = Instant::now();
        let limits = Limits {
            render_ms: 10,
            ..Limits::default()
        };
        let later = now + Duration::from_millis(10);
        let mut budget = Budget::new(&limits, None, None);
        assert_eq!(budget.check(now), Ok(()), "the time begins here");
        assert_eq!(budget.check(later), Err(Exceeded::Time(10)));
        let mut begun = Budget::new(&limits, None, None);
        begun.begin();
        assert_eq!(
            begun.check(Instant::now() + Duration::from_millis(10)),
            Err(Exceeded::Time(10))
        );
        assert_eq!(
            Budget::new(&limits, Some(now), None).check(now),
            Err(Exceeded::Deadline)
        );
        let token = CancellationToken::new();
        let mut budget = Budget::new(&limits, None, Some(token.clone()));
        assert_eq!(budget.check(now), Ok(()));
        token.cancel();
        assert_eq!(budget.check(now), Err(Exceeded::Cancelled));
    }
}
