//! The budget of one attempt to render: steps, time, output and depth.
//!
//! Every tag, loop iteration and call takes one step. Reading the clock and the cancellation token costs as much as many steps, so they
//! are checked only once per batch of steps: [`Budget::step`] counts down one number, and refills it from the remaining steps when it
//! reaches zero.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::limits::Limits;

/// The limit that ended a render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Exceeded {
    /// The time of one attempt ([`Limits::render_ms`]).
    #[error("it took longer than {0} ms (the limit `render_ms`)")]
    Time(u64),
    /// The deadline of the caller.
    #[error("the deadline of the caller has passed")]
    Deadline,
    /// The number of steps ([`Limits::render_steps`]).
    #[error("it took more than {0} steps (the limit `render_steps`)")]
    Steps(u64),
    /// The size of the output ([`Limits::output_bytes`]).
    #[error("its output is larger than {0} bytes (the limit `output_bytes`)")]
    Output(usize),
    /// The size of temporary values ([`Limits::context_bytes`]).
    #[error("its temporary values take more than {0} bytes (the limit `context_bytes`)")]
    Memory(usize),
    /// The depth of calls ([`Limits::call_depth`]).
    #[error("its calls go deeper than {0} levels (the limit `call_depth`)")]
    Depth(u32),
    /// The share of a budget that is spent on an attempt which another one follows: a render in place ([`Limits::inline_steps`],
    /// [`Limits::inline_ms`]), or one of several kept versions that are tried in turn. No caller receives this error.
    #[error("it takes longer than what is tried in a short time")]
    Part,
    /// A cancellation by the caller.
    #[error("it was cancelled by the caller")]
    Cancelled,
}

impl Exceeded {
    /// Returns true if the caller ended the render, rather than the cost of the template.
    #[must_use]
    pub fn by_caller(self) -> bool {
        matches!(self, Self::Deadline | Self::Cancelled)
    }
}

/// The number of steps between two checks of the clock, which take some microseconds.
const STEPS_PER_CHECK: u32 = 1024;

/// The number of steps between two checks of the clock in a partial budget, whose time is short: one step may format a long text.
const STEPS_PER_CHECK_OF_PART: u32 = 128;

/// The remaining budget of one attempt to render.
#[derive(Debug)]
pub struct Budget {
    /// The steps until the next check of clock and token.
    until_check: u32,
    /// The steps that remain after `until_check`.
    steps_left: u64,
    steps_max: u64,
    time_max: Duration,
    /// The end of the time of this attempt. It is set by the first check of the clock, because most renders end before that.
    ends: Option<Instant>,
    /// True for a partial budget, whose end is reported as [`Exceeded::Part`].
    part: bool,
    /// True if the time counts only while this thread runs.
    of_thread: bool,
    /// The time for which this thread had run when the time was first over by the clock.
    ran: Option<Duration>,
    deadline: Option<Instant>,
    cancel: Option<CancellationToken>,
    /// The maximum size of the output in bytes.
    pub output_bytes: usize,
    /// The maximum depth of calls inside calls.
    pub call_depth: u32,
    /// The maximum size of the temporary values of a render in bytes.
    pub context_bytes: usize,
    /// The bytes that the temporary values of a template may take that is called across languages: what the callers have left.
    #[cfg(feature = "jinja")]
    pub(crate) context_bytes_left: usize,
    /// The maximum depth of values inside values.
    pub context_depth: u32,
}

impl Budget {
    /// Returns a full budget. Its time begins with the first check of the clock, after some steps or in [`Budget::check`].
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
            of_thread: false,
            ran: None,
            deadline,
            cancel,
            output_bytes: limits.output_bytes,
            call_depth: limits.call_depth,
            context_bytes: limits.context_bytes,
            #[cfg(feature = "jinja")]
            context_bytes_left: limits.context_bytes,
            context_depth: limits.context_depth,
        }
    }

    /// Reduces the budget to a part, whose end is reported as [`Exceeded::Part`].
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

    /// Counts the time only while this thread runs. Only for renders that do not block, because nothing else ends one that waits.
    pub(crate) fn of_thread(mut self) -> Self {
        self.of_thread = true;
        self
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Exceeded`] if no step is left, the time is over, or the caller has cancelled.
    #[inline]
    pub fn step(&mut self) -> Result<(), Exceeded> {
        let (left, none_left) = self.until_check.overflowing_sub(1);
        self.until_check = left;
        if none_left { self.refill() } else { Ok(()) }
    }

    /// Takes one step, if that needs no check of the clock.
    #[cfg(feature = "jinja")]
    #[inline(always)]
    pub(crate) fn has_step(&mut self) -> bool {
        match self.until_check.checked_sub(1) {
            Some(left) => {
                self.until_check = left;
                true
            }
            None => false,
        }
    }

    /// Takes several steps at once, for an operation whose work grows with its operands.
    ///
    /// # Errors
    /// [`Exceeded`] like [`Budget::step`], before the work is done.
    #[inline]
    pub fn steps(&mut self, count: u64) -> Result<(), Exceeded> {
        match u32::try_from(count)
            .ok()
            .and_then(|count| self.until_check.checked_sub(count))
        {
            Some(left) => {
                self.until_check = left;
                Ok(())
            }
            None => self.many_steps(count),
        }
    }

    #[cold]
    fn many_steps(&mut self, count: u64) -> Result<(), Exceeded> {
        // As if the steps were taken one by one: those until the next check first, then the others.
        let rest = count - u64::from(self.until_check).min(count);
        self.until_check = 0;
        self.steps_left = match self.steps_left.checked_sub(rest) {
            Some(left) => left,
            None => {
                self.steps_left = 0;
                self.refill()?;
                0
            }
        };
        self.check(Instant::now())
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

    /// Starts the time now unless it runs already, before an operation that may take long in one step.
    pub(crate) fn begin(&mut self) {
        if self.ends.is_none() {
            self.ends = Instant::now().checked_add(self.time_max);
        }
    }

    /// Goes on although the time is over by the clock. On a busy machine other threads may have had all of it, and a quick page must not be
    /// taken for a slow one by that: it has its time once more, as far as this thread really runs.
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

    /// Checks clock and token without taking a step.
    ///
    /// # Errors
    /// [`Exceeded`] if the time is over or the caller has cancelled.
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
            if self.of_thread {
                return self.prolong(now);
            }
            if self.part {
                return Err(Exceeded::Part);
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
    fn steps_end_at_the_limit() {
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
    fn several_steps_count_like_single_ones() {
        for (steps, at_once) in [(5_000, 1), (5_000, 7), (5_000, 1_024), (5_000, 3_000), (100, 100)] {
            let limits = Limits {
                render_steps: steps,
                render_ms: 3_600_000,
                ..Limits::default()
            };
            let mut budget = Budget::new(&limits, None, None);
            for taken in 1..=steps / at_once {
                assert_eq!(budget.steps(at_once), Ok(()));
                assert_eq!(budget.steps_taken(), taken * at_once);
            }
            let rest = steps % at_once;
            assert_eq!(budget.steps(rest + 1), Err(Exceeded::Steps(steps)));
            assert_eq!(budget.step(), Err(Exceeded::Steps(steps)), "nothing is left");
        }
        let mut budget = Budget::new(&Limits::default(), None, None);
        let most = Limits::default().render_steps;
        assert_eq!(budget.steps(u64::MAX), Err(Exceeded::Steps(most)));
    }

    #[test]
    fn a_part_ends_at_its_limit() {
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
        let part = || Budget::new(&Limits::default(), None, None).part(10, time);
        let mut budget = part().of_thread();
        // However late it is, this thread has not run meanwhile.
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(budget.check(now), Ok(()));
            now += 10 * time;
            if budget.ran.is_some_and(|ran| thread_time() >= Some(ran + time / 2)) {
                break;
            }
        }
        let began = thread_time().expect("a time");
        while thread_time().expect("a time") < began + 2 * time {}
        assert_eq!(budget.check(now + 1_000 * time), Err(Exceeded::Part));
        // A part of a budget that several attempts share ends by the clock, also while a formatter waits.
        let (mut shared, now) = (part(), Instant::now());
        assert_eq!(shared.check(now), Ok(()));
        assert_eq!(shared.check(now + time), Err(Exceeded::Part));
    }

    #[test]
    fn clock_and_token_are_checked() {
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
