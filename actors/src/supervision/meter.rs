//! [`Meter`]: counts messages without an answer and knows the age of the oldest; and [`MeteredRecipient`], which counts the messages that
//! are sent to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, MailboxError, Message, Recipient};

use super::shell::Traced;

/// Counts messages that were sent and are not answered.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<PendingMessages>>);

#[derive(Debug, Default)]
struct PendingMessages {
    next: u64,
    /// The time of each message by its number. Numbers ascend with time, so the first entry is the oldest message.
    since: BTreeMap<u64, Instant>,
}

/// One counted message. It counts until this is dropped.
#[derive(Debug)]
pub struct Ticket {
    meter: Meter,
    number: u64,
}

impl Meter {
    /// Counts a message as long as the ticket is kept.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        let mut unanswered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = unanswered.next;
        unanswered.next += 1;
        unanswered.since.insert(number, Instant::now());
        drop(unanswered);
        Ticket {
            meter: self.clone(),
            number,
        }
    }

    /// Returns the number of messages and the age of the oldest.
    #[must_use]
    pub fn read(&self) -> (usize, Duration) {
        let unanswered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = unanswered.since.first_key_value().map(|(_, since)| since.elapsed());
        (unanswered.since.len(), oldest.unwrap_or_default())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut unanswered = self.meter.0.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.since.remove(&self.number);
    }
}

/// A recipient of one type of message, which counts and traces the messages that are sent to it.
pub struct MeteredRecipient<M>
where
    M: Message + Send,
    M::Result: Send,
{
    to: Recipient<Traced<M>>,
    actor: &'static str,
    meter: Meter,
}

impl<M> MeteredRecipient<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// Creates a recipient from the address of an actor.
    #[must_use]
    pub fn new<A>(to: &Addr<A>, actor: &'static str, meter: &Meter) -> Self
    where
        A: Actor + Handler<Traced<M>>,
        A::Context: ToEnvelope<A, Traced<M>>,
    {
        Self {
            to: to.clone().recipient(),
            actor,
            meter: meter.clone(),
        }
    }

    /// Sends a message and waits for the answer. The work of the actor is a span within the sender's.
    ///
    /// # Errors
    /// [`MailboxError`] if the actor is gone.
    pub async fn send(&self, message: M) -> Result<M::Result, MailboxError> {
        let _counted = self.meter.ticket();
        let span = tracing::info_span!("serve", actor = self.actor);
        self.to.send(Traced { message, span }).await
    }
}

impl<M> Clone for MeteredRecipient<M>
where
    M: Message + Send,
    M::Result: Send,
{
    fn clone(&self) -> Self {
        Self {
            to: self.to.clone(),
            actor: self.actor,
            meter: self.meter.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_messages_and_knows_the_oldest() {
        let meter = Meter::default();
        assert_eq!(meter.read(), (0, Duration::ZERO));
        let first = meter.ticket();
        let second = meter.ticket();
        let (backlog, _) = meter.read();
        assert_eq!(backlog, 2);
        drop(first);
        let (backlog, _) = meter.read();
        assert_eq!(backlog, 1);
        assert!(meter.0.lock().expect("not poisoned").since.contains_key(&second.number));
        drop(second);
        assert_eq!(meter.read(), (0, Duration::ZERO));
    }
}
