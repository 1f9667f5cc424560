//! [`Feed`]: events for any number of clients. Each is written once, kept for those that come back, and handed on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use tokio::sync::broadcast;

/// Events in their order. The last ones are kept: so many, with so many bytes.
pub(super) struct EventFeed {
    /// Tells the events of this program from those of another one before it.
    origin: String,
    kept: Mutex<StoredEvent>,
    clients: broadcast::Sender<Bytes>,
    events: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct StoredEvent {
    /// Of the last event.
    number: u64,
    bytes: usize,
    frames: VecDeque<Bytes>,
}

/// Where a client begins.
pub(super) struct StreamStart {
    /// What it has missed, if that is known; else it has to be told everything.
    pub(super) missed: Option<Vec<Bytes>>,
    /// The id of the last event before `next`.
    pub(super) id: String,
    /// What comes.
    pub(super) next: broadcast::Receiver<Bytes>,
}

impl EventFeed {
    pub(super) fn new(origin: String, events: usize, bytes: usize) -> Self {
        Self {
            origin,
            kept: Mutex::default(),
            clients: broadcast::Sender::new(events.clamp(1, 1 << 16)),
            events,
            bytes,
        }
    }

    /// Tells everybody.
    pub(super) fn tell(&self, event: &str, json: &str) {
        let mut kept = self.lock();
        kept.number += 1;
        let frame = frame(&self.id(kept.number), event, json);
        kept.bytes += frame.len();
        kept.frames.push_back(frame.clone());
        while kept.frames.len() > self.events || kept.bytes > self.bytes {
            let Some(oldest) = kept.frames.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
        // Under the lock, so that no client begins between the two. Nobody listening is fine.
        let _ = self.clients.send(frame);
    }

    /// Begins with what came after the event that a client saw last.
    pub(super) fn start(&self, last: Option<&str>) -> StreamStart {
        let kept = self.lock();
        let missed = last.and_then(|last| {
            let (origin, number) = last.rsplit_once('-')?;
            let number: u64 = number.parse().ok().filter(|_| origin == self.origin)?;
            let missed = usize::try_from(kept.number.checked_sub(number)?).ok()?;
            let first = kept.frames.len().checked_sub(missed)?;
            Some(kept.frames.iter().skip(first).cloned().collect())
        });
        StreamStart {
            missed,
            id: self.id(kept.number),
            next: self.clients.subscribe(),
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.origin)
    }

    fn lock(&self) -> MutexGuard<'_, StoredEvent> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event as it is sent. JSON has no line breaks of its own.
pub(super) fn frame(id: &str, event: &str, json: &str) -> Bytes {
    Bytes::from(format!("id: {id}\nevent: {event}\ndata: {json}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(feed: &EventFeed, last: &str) -> Option<usize> {
        feed.start(Some(last)).missed.map(|missed| missed.len())
    }

    #[test]
    fn a_client_that_comes_back_gets_what_it_missed_as_far_as_it_is_kept() {
        let feed = EventFeed::new("boot".into(), 3, 1_000_000);
        for number in 0..5 {
            feed.tell("e", &number.to_string());
        }
        assert_eq!(
            [
                missed(&feed, "boot-5"),
                missed(&feed, "boot-3"),
                missed(&feed, "boot-2")
            ],
            [Some(0), Some(2), Some(3)]
        );
        assert_eq!(missed(&feed, "boot-1"), None, "no longer kept");
        for unknown in [
            "boot-6",
            "boot-18446744073709551615",
            "other-4",
            "boot",
            "",
            "boot--1",
            "boot-x",
        ] {
            assert_eq!(missed(&feed, unknown), None, "{unknown}");
        }
        assert!(feed.start(None).missed.is_none());
        assert_eq!(feed.start(None).id, "boot-5");
    }

    #[test]
    fn large_events_are_kept_by_their_bytes() {
        let feed = EventFeed::new("boot".into(), 1_000, 1_000);
        for _ in 0..100 {
            feed.tell("e", &"x".repeat(300));
        }
        let kept = feed.lock();
        assert!(
            kept.bytes <= 1_000 && kept.frames.len() == 3,
            "{} {}",
            kept.bytes,
            kept.frames.len()
        );
    }
}
