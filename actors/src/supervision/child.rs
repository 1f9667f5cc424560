//! [`Child`]: the record of one supervised actor, which stays while its behaviours come and go.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::incident::{Fault, FaultKind, GivenUp, Incident, Restarted};
use super::meter::Meter;
use super::policy::Escalation;
use super::restart_group::{EndConsequence, MemberDuty, MemberOrders};
use super::restarts::EndReason;
use super::strategy_group::StrategyGroup;

/// The record of one supervised actor. The record stays the same through all restarts.
///
/// An actor reports here when it is up, has failed or has finished, each time with the generation that it works for; the group decides the
/// consequence, and the actor reads its orders here.
#[derive(Debug)]
pub struct Child {
    actor: &'static str,
    number: u16,
    /// Index within the group.
    index: usize,
    group: Arc<StrategyGroup>,
    restarts: AtomicU64,
    last_fault: Mutex<Option<String>>,
    /// Messages that were sent through a metered address.
    meter: Meter,
    /// Messages that the behaviour is serving, however they were sent.
    in_progress: Meter,
}

impl Child {
    pub(super) fn new(actor: &'static str, number: u16, index: usize, group: Arc<StrategyGroup>) -> Self {
        Self {
            actor,
            number,
            index,
            group,
            restarts: AtomicU64::new(0),
            last_fault: Mutex::default(),
            meter: Meter::default(),
            in_progress: Meter::default(),
        }
    }

    /// Returns the name of the actor.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        self.actor
    }

    /// Returns the number among the actors of this name, from 0.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Returns the number of restarts so far.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Returns the message of the last failure.
    #[must_use]
    pub fn last_fault(&self) -> Option<String> {
        self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the meter of messages that were sent and are not answered.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the meter of messages that the behaviour is serving.
    pub(super) fn in_progress(&self) -> &Meter {
        &self.in_progress
    }

    /// Returns the number of messages that wait or are being served, and the age of the oldest.
    #[must_use]
    pub fn backlog(&self) -> (usize, Duration) {
        let ((sent, oldest), (serving, begun)) = (self.meter.read(), self.in_progress.read());
        (sent.max(serving), oldest.max(begun))
    }

    /// Returns the current orders of the actor.
    #[must_use]
    pub fn orders(&self) -> MemberOrders {
        let orders = self.group.lock().orders().nth(self.index);
        orders.expect("a member is never taken away")
    }

    /// Returns true if the actor is up, or will be up again without an operator.
    #[must_use]
    pub fn is_available(&self) -> bool {
        matches!(self.orders().duty, MemberDuty::Up | MemberDuty::Starting(_))
    }

    /// Returns the effect of the restart limit on the engine. The caller interprets [`Escalation::Auto`].
    #[must_use]
    pub fn escalation(&self) -> Escalation {
        self.group.lock().policy(self.index).escalation
    }

    /// Subscribes to changes of orders of any member of the group.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.group.changed.subscribe()
    }

    /// Returns the current generation of an actor that has no behaviour to start: it is up as soon as its pause is over.
    pub(crate) fn ensure_up(&self) -> Result<u64, Fault> {
        let orders = self.orders();
        match orders.duty {
            MemberDuty::Up => {}
            MemberDuty::Starting(due) => {
                if due <= Instant::now() {
                    self.report_up(orders.generation);
                }
            }
            MemberDuty::Down | MemberDuty::Ended => return Err(self.down_fault()),
        }
        Ok(orders.generation)
    }

    /// Returns the time until the actor may try to start; `None` if it has to wait for other members; a change of orders ends that wait.
    pub(super) fn remaining_pause(&self) -> Result<Option<Duration>, Fault> {
        let group = self.group.lock();
        let orders = group.orders().nth(self.index);
        match orders.map(|orders| orders.duty) {
            Some(MemberDuty::Up) => Ok(Some(Duration::ZERO)),
            Some(MemberDuty::Starting(due)) => {
                let left = due.saturating_duration_since(Instant::now());
                Ok((!left.is_zero() || group.may_start(self.index)).then_some(left))
            }
            Some(MemberDuty::Down | MemberDuty::Ended) | None => {
                drop(group);
                Err(self.down_fault())
            }
        }
    }

    /// Waits until the actor may start: for its pause, and for the members that it depends on. Returns the generation to start.
    pub(super) async fn wait_to_start(&self) -> Result<u64, Fault> {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            match self.remaining_pause()? {
                Some(left) if left.is_zero() => return Ok(self.orders().generation),
                Some(left) => tokio::select! {
                    () = actix::clock::sleep(left) => {}
                    _ = changes.changed() => {}
                },
                None => drop(changes.changed().await),
            }
        }
    }

    /// Records that this generation of the actor is up.
    pub(super) fn report_up(&self, generation: u64) {
        let is_new = self.group.lock().up(self.index, generation, Instant::now());
        self.group.changed.send_replace(());
        if is_new && generation > 0 {
            let restarts = self.restarts.fetch_add(1, Ordering::Relaxed) + 1;
            let (actor, number) = (self.actor, self.number);
            tracing::info!(actor, number, restarts, "an actor was restarted");
            let restarted = Restarted {
                actor,
                number,
                restarts,
            };
            self.group.report(&Incident::Restarted(restarted));
        }
    }

    /// Records that this generation of the actor failed, or could not start. Returns the fault for its caller.
    pub(crate) fn report_failure(&self, generation: u64, kind: FaultKind, message: String) -> Fault {
        let (actor, number) = (self.actor, self.number);
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
        tracing::error!(actor, number, message = message, "an actor failed");
        crate::without_subscriber::warn_without_subscriber(format_args!("the {actor} {number} failed: {message}"));
        let fault = Fault {
            actor,
            number,
            kind,
            message: message.clone(),
        };
        // The failure is reported before the decision, so that no subscriber sees the restart before the failure.
        self.group.report(&Incident::Failed(fault.clone()));
        let consequence = self.report_end(generation, EndReason::Failed);
        let is_down = self.orders().duty == MemberDuty::Down;
        if consequence == EndConsequence::GivenUp || (consequence == EndConsequence::Ended && is_down) {
            tracing::error!(
                actor,
                number,
                "an actor has reached its restart limit and stays down until it is reset"
            );
            let given_up = GivenUp { actor, number, message };
            self.group.report(&Incident::GivenUp(given_up));
        }
        fault
    }

    /// Records the end of this generation of the actor. Returns the consequence.
    pub(super) fn report_end(&self, generation: u64, ending: EndReason) -> EndConsequence {
        let (now, jitter) = (Instant::now(), random());
        let mut group = self.group.lock();
        let consequence = group.ended(self.index, generation, ending, now, jitter);
        drop(group);
        self.group.changed.send_replace(());
        consequence
    }

    /// Orders a start on behalf of an operator. Returns true if the actor was down.
    pub(crate) fn reset(&self) -> bool {
        let was_down = self.group.lock().reset(self.index, Instant::now());
        self.group.changed.send_replace(());
        was_down
    }

    /// Returns the answer to messages while the actor is down.
    pub(crate) fn down_fault(&self) -> Fault {
        let message = self.last_fault().map_or_else(
            || "it has finished".to_owned(),
            |message| format!("it has reached its restart limit; its last failure was: {message}"),
        );
        Fault {
            actor: self.actor,
            number: self.number,
            kind: FaultKind::Down,
            message,
        }
    }
}

/// Returns a random number in [0, 1). The system seeds the standard hasher, which is random enough for pauses and needs no crate.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    let random = bits as f64 / (1_u64 << 53) as f64;
    random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_spread() {
        let numbers: Vec<f64> = std::iter::repeat_with(random).take(200).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.25) && numbers.iter().any(|number| *number > 0.75));
    }
}
