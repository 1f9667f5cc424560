//! [`MailboxSlot`]: the one slot that a kind of message has in a mailbox. A second pending message of that kind would change nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One slot in a mailbox. A clone is the same slot.
#[derive(Debug, Clone, Default)]
pub struct MailboxSlot(Arc<AtomicBool>);

/// A slot that a message occupies. It is free again once the message is received or dropped.
#[derive(Debug)]
pub struct TakenSlot(MailboxSlot);

impl MailboxSlot {
    /// Takes the slot, unless a message occupies it already.
    #[must_use]
    pub fn take(&self) -> Option<TakenSlot> {
        (!self.0.swap(true, Ordering::AcqRel)).then(|| TakenSlot(self.clone()))
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_has_the_place_until_it_is_dropped() {
        let place = MailboxSlot::default();
        let taken = place.take();
        assert!(taken.is_some() && place.clone().take().is_none());
        drop(taken);
        assert!(place.take().is_some());
    }
}
