//! [`Connection`]: how far a connection is, and until when it may stay so. Pure: time is an argument.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::BudgetHold;
use super::{ConnectionCounters, ConnectionLimits, EndReason};

/// How far a connection is. The stream, the app and the body of the answer share it, all on one thread.
#[derive(Debug)]
pub(super) struct Connection {
    phase: Cell<Phase>,
    request: Duration,
    /// Until the next head is complete: idle time and that of a request.
    next_head: Duration,
    /// What its answer holds of the budget.
    hold: RefCell<Option<Arc<BudgetHold>>>,
    /// Whether there may be more to come of the body of the last request.
    unfinished: Cell<bool>,
    /// Whether the last that was read came after the time was up.
    too_late: Cell<bool>,
    counters: ConnectionCounters,
    /// Whether it was counted that the server ends it.
    ended: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The first head has to come.
    First { until: Instant },
    /// Nothing of the next head is there, as far as is known.
    Idle { until: Instant },
    /// Some of it is.
    Head { until: Instant },
    /// A request is answered: it is for the app to say how long that takes, and for the stream, how slowly it is read.
    Answering,
}

impl Connection {
    pub(super) fn new(limits: &ConnectionLimits, counters: &ConnectionCounters, now: Instant) -> Self {
        let request = limits.request();
        counters.opened();
        Self {
            phase: Cell::new(Phase::First { until: now + request }),
            request,
            next_head: request + Duration::from_millis(limits.keep_alive_ms),
            hold: RefCell::default(),
            unfinished: Cell::new(false),
            too_late: Cell::new(false),
            counters: counters.clone(),
            ended: Cell::new(false),
        }
    }

    /// A head is complete, and handed to the app.
    pub(super) fn begin(&self) {
        self.phase.set(Phase::Answering);
        self.unfinished.set(false);
        self.too_late.set(false);
    }

    /// Notes that the last that was read came after the time was up, and that nothing more is read.
    pub(super) fn too_late(&self) {
        self.too_late.set(true);
    }

    /// Whether that was so, and no head was complete since.
    pub(super) fn is_too_late(&self) -> bool {
        self.too_late.get()
    }

    /// Notes whether there is more to come of the body of a request.
    pub(super) fn body(&self, unfinished: bool) {
        self.unfinished.set(unfinished);
    }

    /// Counts that the server ends it, once. Returns false if it was counted before.
    pub(super) fn end(&self, reason: EndReason) -> bool {
        let is_first = !self.ended.replace(true);
        if is_first {
            self.counters.ended(reason);
        }
        is_first
    }

    /// Counts that it ends because what it waits for did not come in time. Between two requests nothing has to. Returns false if there was
    /// nothing to count.
    pub(super) fn expire(&self) -> bool {
        match self.phase.get() {
            Phase::Answering => false,
            _ if self.unfinished.get() => self.end(EndReason::SlowBody),
            Phase::Idle { .. } => false,
            Phase::First { .. } | Phase::Head { .. } => self.end(EndReason::SlowHead),
        }
    }

    /// The answer is handed to the connection as a whole.
    pub(super) fn answered(&self, now: Instant) {
        self.hold.replace(None);
        self.phase.set(Phase::Idle {
            until: now + self.next_head,
        });
    }

    /// Something was read.
    pub(super) fn read(&self, now: Instant) {
        if let Phase::Idle { until } = self.phase.get() {
            let until = until.min(now + self.request);
            self.phase.set(Phase::Head { until });
        }
    }

    /// When a head has to be complete.
    pub(super) fn read_by(&self) -> Option<Instant> {
        match self.phase.get() {
            Phase::First { until } | Phase::Idle { until } | Phase::Head { until } => Some(until),
            Phase::Answering => None,
        }
    }

    /// Whether nothing was answered on it yet.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.phase.get(), Phase::First { .. })
    }

    pub(super) fn holds(&self, hold: Option<Arc<BudgetHold>>) {
        self.hold.replace(hold);
    }

    pub(super) fn hold(&self) -> Option<Arc<BudgetHold>> {
        self.hold.borrow().clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counters.closed();
    }
}

/// How much a client reads of an answer that waits for it.
#[derive(Debug)]
pub(super) struct Progress {
    needed: usize,
    within: Duration,
    /// Since when it waits, and what was read since.
    waiting: Option<(Instant, usize)>,
}

impl Progress {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            needed: limits.progress_bytes,
            within: limits.stalled(),
            waiting: None,
        }
    }

    /// Nothing more can be written at the moment. Returns since when, and when enough has to be read.
    pub(super) fn blocked(&mut self, now: Instant) -> (Instant, Instant) {
        let (since, _) = *self.waiting.get_or_insert((now, 0));
        (since, since + self.within)
    }

    /// So much was written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        if let Some((_, read)) = &mut self.waiting {
            *read += bytes;
            if *read >= self.needed {
                self.waiting = None;
            }
        }
    }

    /// Nothing waits any more.
    pub(super) fn flushed(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            keep_alive_ms: 100,
            request_ms: 1_000,
            stalled_ms: 500,
            progress_bytes: 10,
            ..ConnectionLimits::default()
        }
    }

    #[test]
    fn each_head_has_its_time_and_dribbling_does_not_extend_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let connection = Connection::new(&limits(), &ConnectionCounters::default(), start);
        assert_eq!(connection.read_by(), Some(at(1_000)));
        connection.read(at(900));
        assert_eq!(connection.read_by(), Some(at(1_000)));
        connection.begin();
        connection.read(at(3_000));
        assert_eq!(
            connection.read_by(),
            None,
            "what arrives meanwhile is a body, or the next head"
        );
        connection.answered(at(4_000));
        assert_eq!(connection.read_by(), Some(at(5_100)));
        connection.read(at(4_050));
        assert_eq!(connection.read_by(), Some(at(5_050)));
        connection.read(at(5_000));
        assert_eq!(connection.read_by(), Some(at(5_050)));
    }

    #[test]
    fn a_client_has_to_read_enough_and_not_just_something() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut progress = Progress::new(&limits());
        progress.wrote(1);
        assert_eq!(progress.blocked(at(0)), (at(0), at(500)));
        progress.wrote(9);
        assert_eq!(progress.blocked(at(400)), (at(0), at(500)), "one byte too few");
        progress.wrote(1);
        assert_eq!(progress.blocked(at(450)), (at(450), at(950)));
        progress.flushed();
        assert_eq!(progress.blocked(at(900)), (at(900), at(1_400)));
    }
}
