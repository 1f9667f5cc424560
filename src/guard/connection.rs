//! [`Connection`]: the phase of a connection, with its deadline, and [`Progress`]: the pace at which a client reads. Pure: time is an
//! argument.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::BudgetHold;
use super::{ConnectionCounters, ConnectionLimits, EndReason};

/// The phase of a connection, with its deadline. The stream, the app and the body of the answer share it, all on one thread.
#[derive(Debug)]
pub(super) struct Connection {
    phase: Cell<Phase>,
    request: Duration,
    /// Time until the next head must be complete: idle time and the time of a request.
    next_head: Duration,
    /// The part of the budget that its answer takes.
    hold: RefCell<Option<Arc<BudgetHold>>>,
    /// True if more of the body of the last request may follow.
    body_unfinished: Cell<bool>,
    unanswered: Cell<usize>,
    /// True if the last bytes arrived after the deadline.
    late: Cell<bool>,
    counters: ConnectionCounters,
    /// True if the end of the connection by the server is already counted.
    ended: Cell<bool>,
}

/// The phases of a connection. A deadline stays as it is while bytes of a head arrive.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The first head is awaited.
    First { until: Instant },
    /// No byte of the next head is known to have arrived.
    Idle { until: Instant },
    /// A part of the next head has arrived.
    Head { until: Instant },
    /// A request is being answered. The app bounds the time of the handler, and [`Progress`] the pace of the client.
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
            body_unfinished: Cell::new(false),
            unanswered: Cell::new(0),
            late: Cell::new(false),
            counters: counters.clone(),
            ended: Cell::new(false),
        }
    }

    /// Records that a head is complete and passed to the app.
    pub(super) fn head_complete(&self) {
        self.phase.set(Phase::Answering);
        self.body_unfinished.set(false);
        self.unanswered.set(0);
        self.late.set(false);
    }

    /// Records that the last bytes arrived after the deadline, so that nothing more is read.
    pub(super) fn set_late(&self) {
        self.late.set(true);
    }

    /// Returns true if the last bytes arrived after the deadline and completed no head.
    pub(super) fn is_late(&self) -> bool {
        self.late.get()
    }

    /// Records whether more of the body of the request follows.
    pub(super) fn set_body_unfinished(&self, unfinished: bool) {
        self.body_unfinished.set(unfinished);
    }

    /// Counts once that the server ends the connection. Returns false if the end was counted before.
    pub(super) fn count_end(&self, reason: EndReason) -> bool {
        let is_first = !self.ended.replace(true);
        if is_first {
            self.counters.ended(reason);
        }
        is_first
    }

    /// Counts that the connection ends because the bytes that it waited for did not arrive in time. The end of an idle connection is not
    /// counted. Returns false if there was nothing to count.
    pub(super) fn count_timeout(&self) -> bool {
        match self.phase.get() {
            Phase::Answering => false,
            _ if self.body_unfinished.get() => self.count_end(EndReason::SlowBody),
            Phase::Idle { .. } => false,
            Phase::First { .. } | Phase::Head { .. } => self.count_end(EndReason::SlowHead),
        }
    }

    /// Records that the whole answer is passed to the connection.
    pub(super) fn answered(&self, now: Instant) {
        self.hold.replace(None);
        self.phase.set(Phase::Idle {
            until: now + self.next_head,
        });
    }

    /// Returns the bytes that arrived since the last request was answered and have completed no head: the rest of a body that nobody read, and
    /// the beginning of the next head.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.get()
    }

    /// Records that bytes arrived while no request is being answered.
    pub(super) fn received(&self, bytes: usize, now: Instant) {
        self.unanswered.set(self.unanswered.get().saturating_add(bytes));
        if let Phase::Idle { until } = self.phase.get() {
            let until = until.min(now + self.request);
            self.phase.set(Phase::Head { until });
        }
    }

    /// Returns the deadline of the next head, unless a request is being answered.
    pub(super) fn head_deadline(&self) -> Option<Instant> {
        match self.phase.get() {
            Phase::First { until } | Phase::Idle { until } | Phase::Head { until } => Some(until),
            Phase::Answering => None,
        }
    }

    /// Returns true if no request was answered on it yet.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.phase.get(), Phase::First { .. })
    }

    pub(super) fn set_hold(&self, hold: Option<Arc<BudgetHold>>) {
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

/// The pace at which a client reads an answer that waits for it.
#[derive(Debug)]
pub(super) struct Progress {
    needed: usize,
    within: Duration,
    /// The time at which the answer began to wait, and the bytes read since.
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

    /// Records that nothing can be written at present. Returns the beginning of the wait, and the deadline for the client to read enough.
    pub(super) fn blocked(&mut self, now: Instant) -> (Instant, Instant) {
        let (since, _) = *self.waiting.get_or_insert((now, 0));
        (since, since + self.within)
    }

    /// Records that bytes were written, which means that the client has read about as many.
    pub(super) fn wrote(&mut self, bytes: usize) {
        if let Some((_, read)) = &mut self.waiting {
            *read += bytes;
            if *read >= self.needed {
                self.waiting = None;
            }
        }
    }

    /// Records that the whole answer is written.
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
    fn sending_slowly_does_not_extend_the_deadline_of_a_head() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let connection = Connection::new(&limits(), &ConnectionCounters::default(), start);
        assert_eq!(connection.head_deadline(), Some(at(1_000)));
        connection.received(1, at(900));
        assert_eq!(connection.head_deadline(), Some(at(1_000)));
        connection.head_complete();
        connection.received(1, at(3_000));
        assert_eq!(
            connection.head_deadline(),
            None,
            "bytes that arrive meanwhile are a body or the next head"
        );
        connection.answered(at(4_000));
        assert_eq!(connection.head_deadline(), Some(at(5_100)));
        connection.received(1, at(4_050));
        assert_eq!(connection.head_deadline(), Some(at(5_050)));
        connection.received(1, at(5_000));
        assert_eq!(connection.head_deadline(), Some(at(5_050)));
    }

    #[test]
    fn a_client_must_read_enough() {
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
