//! [`Place`]: one place in a mailbox, for messages of which one is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One place in a mailbox. A clone is the same place.
#[derive(Debug, Clone, Default)]
pub struct MailboxSlot(Arc<AtomicBool>);

/// A place that a message takes up. It is free again once the message is taken out, or dropped however that comes.
#[derive(Debug)]
pub struct TakenSlot(MailboxSlot);

impl MailboxSlot {
    /// Takes the place, unless a message has it already.
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
