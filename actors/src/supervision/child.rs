//! [`Child`]: what is known of one supervised actor, whoever is behind it at the moment.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::family::{Fate, Orders, Standing};
use super::incident::{Fault, FaultKind, GivenUp, Incident, Restarted};
use super::meter::Meter;
use super::policy::Escalation;
use super::restarts::Ending;
use super::strategy_group::Circle;

/// One supervised actor, whoever is behind it at the moment.
#[derive(Debug)]
pub struct Child {
    actor: &'static str,
    number: u16,
    member: usize,
    circle: Arc<Circle>,
    restarts: AtomicU64,
    last_fault: Mutex<Option<String>>,
    meter: Meter,
    /// What it is at, however that was sent.
    in_hand: Meter,
}

impl Child {
    pub(super) fn new(actor: &'static str, number: u16, member: usize, circle: Arc<Circle>) -> Self {
        Self {
            actor,
            number,
            member,
            circle,
            restarts: AtomicU64::new(0),
            last_fault: Mutex::default(),
            meter: Meter::default(),
            in_hand: Meter::default(),
        }
    }

    /// Which actor.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        self.actor
    }

    /// Which of several.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// How often it was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// What it said when it failed last.
    #[must_use]
    pub fn last_fault(&self) -> Option<String> {
        self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was sent to it and is not answered.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What it is at.
    pub(super) fn in_hand(&self) -> &Meter {
        &self.in_hand
    }

    /// How many messages wait for it or are in hand, and for how long the oldest.
    #[must_use]
    pub fn backlog(&self) -> (usize, Duration) {
        let ((sent, oldest), (in_hand, begun)) = (self.meter.read(), self.in_hand.read());
        (sent.max(in_hand), oldest.max(begun))
    }

    /// What it has to do.
    #[must_use]
    pub fn orders(&self) -> Orders {
        let orders = self.circle.family().orders().nth(self.member);
        orders.expect("a member is never taken away")
    }

    /// Whether it is up, or comes back by itself.
    #[must_use]
    pub fn is_coming(&self) -> bool {
        matches!(self.orders().standing, Standing::Up | Standing::Starting(_))
    }

    /// What its giving up means for the engine. [`Escalation::Auto`] is for who made it to understand.
    #[must_use]
    pub fn escalation(&self) -> Escalation {
        self.circle.family().policy(self.member).escalation
    }

    /// Wakes with every change of orders, its own and those of others in its circle.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.circle.changed.subscribe()
    }

    /// Which start of it serves, for an actor that has nothing to start from: it is up once its pause is over.
    pub(crate) fn ready(&self) -> Result<u64, Fault> {
        let orders = self.orders();
        match orders.standing {
            Standing::Up => {}
            Standing::Starting(due) => {
                if due <= Instant::now() {
                    self.up(orders.generation);
                }
            }
            Standing::Down | Standing::Ended => return Err(self.down()),
        }
        Ok(orders.generation)
    }

    /// How long it has to wait before it may try to start; `None` is until the orders change.
    pub(super) fn pause(&self) -> Result<Option<Duration>, Fault> {
        let family = self.circle.family();
        let orders = family.orders().nth(self.member);
        match orders.map(|orders| orders.standing) {
            Some(Standing::Up) => Ok(Some(Duration::ZERO)),
            Some(Standing::Starting(due)) => {
                let left = due.saturating_duration_since(Instant::now());
                Ok((!left.is_zero() || family.may_start(self.member)).then_some(left))
            }
            Some(Standing::Down | Standing::Ended) | None => {
                drop(family);
                Err(self.down())
            }
        }
    }

    /// Waits out the pause, and for those that it depends on. Answers which start this is.
    pub(super) async fn turn(&self) -> Result<u64, Fault> {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            match self.pause()? {
                Some(left) if left.is_zero() => return Ok(self.orders().generation),
                Some(left) => tokio::select! {
                    () = actix::clock::sleep(left) => {}
                    _ = changes.changed() => {}
                },
                None => drop(changes.changed().await),
            }
        }
    }

    /// It is up.
    pub(super) fn up(&self, generation: u64) {
        let is_new = self.circle.family().up(self.member, generation, Instant::now());
        self.circle.changed.send_replace(());
        if is_new && generation > 0 {
            let restarts = self.restarts.fetch_add(1, Ordering::Relaxed) + 1;
            let (actor, number) = (self.actor, self.number);
            tracing::info!(actor, number, restarts, "an actor is up again");
            let restarted = Restarted {
                actor,
                number,
                restarts,
            };
            self.circle.tell(&Incident::Restarted(restarted));
        }
    }

    /// It failed, or could not start.
    pub(crate) fn failed(&self, generation: u64, kind: FaultKind, said: String) -> Fault {
        let fault = Fault {
            actor: self.actor,
            number: self.number,
            kind,
            said,
        };
        let said = Some(fault.said.clone());
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = said;
        tracing::error!(
            actor = self.actor,
            number = self.number,
            said = fault.said,
            "an actor failed"
        );
        crate::fault_log::unheard(format_args!(
            "the {} {} failed: {}",
            self.actor, self.number, fault.said
        ));
        // Told before the verdict, so that nobody hears of a restart before the fault.
        self.circle.tell(&Incident::Failed(fault.clone()));
        let fate = self.ended(generation, Ending::Failed);
        let down = self.orders().standing == Standing::Down;
        if fate == Fate::GivenUp || (fate == Fate::Ended && down) {
            let (actor, number) = (self.actor, self.number);
            tracing::error!(actor, number, "an actor is given up until it is reset");
            let said = fault.said.clone();
            self.circle.tell(&Incident::GivenUp(GivenUp { actor, number, said }));
        }
        fault
    }

    /// It came to an end.
    pub(super) fn ended(&self, generation: u64, ending: Ending) -> Fate {
        let chance = chance();
        let fate = self
            .circle
            .family()
            .ended(self.member, generation, ending, Instant::now(), chance);
        self.circle.changed.send_replace(());
        fate
    }

    /// An operator wants it to start again. Answers whether it was down.
    pub(crate) fn reset(&self) -> bool {
        let was_down = self.circle.family().reset(self.member, Instant::now());
        self.circle.changed.send_replace(());
        was_down
    }

    /// What is answered while it is down.
    pub(crate) fn down(&self) -> Fault {
        let said = self.last_fault().map_or_else(
            || "it has ended".to_owned(),
            |said| format!("it was given up after a fault: {said}"),
        );
        Fault {
            actor: self.actor,
            number: self.number,
            kind: FaultKind::Down,
            said,
        }
    }
}

/// A random number in [0, 1). The standard hasher is seeded by the system; that is random enough for pauses.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    let chance = bits as f64 / (1_u64 << 53) as f64;
    chance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_spread() {
        let chances: Vec<f64> = std::iter::repeat_with(chance).take(200).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance < 0.25) && chances.iter().any(|chance| *chance > 0.75));
    }
}
