//! [`EventFeed`]: events for any number of clients. Each event is encoded once, kept for clients that reconnect, and sent to all.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use tokio::sync::broadcast;

use crate::sse;

/// The events in their order. The last ones are kept, bounded by their number and by their bytes.
pub(super) struct EventFeed {
    /// Distinguishes the events of this process from events of an earlier process.
    origin: String,
    kept: Mutex<KeptEvents>,
    clients: broadcast::Sender<Bytes>,
    events_max: usize,
    bytes_max: usize,
}

/// The encoded events that a client can resume from.
#[derive(Debug, Default)]
struct KeptEvents {
    /// The number of the last event.
    number: u64,
    bytes: usize,
    frames: VecDeque<Bytes>,
}

/// The place in the feed from which a client begins.
pub(super) struct StreamStart {
    /// The events that the client missed; `None` if they are unknown, so that the client needs the current state.
    pub(super) missed: Option<Vec<Bytes>>,
    /// The id of the last event before `next`.
    pub(super) id: String,
    /// The events from now on.
    pub(super) next: broadcast::Receiver<Bytes>,
}

impl EventFeed {
    pub(super) fn new(origin: String, events_max: usize, bytes_max: usize) -> Self {
        Self {
            origin,
            kept: Mutex::default(),
            clients: broadcast::Sender::new(events_max.clamp(1, 1 << 16)),
            events_max,
            bytes_max,
        }
    }

    /// Sends an event to all clients.
    pub(super) fn send(&self, event: &str, json: &str) {
        let mut kept = self.lock();
        kept.number += 1;
        let frame = sse::event(Some(&self.id(kept.number)), event, json);
        kept.bytes += frame.len();
        kept.frames.push_back(frame.clone());
        while kept.frames.len() > self.events_max || kept.bytes > self.bytes_max {
            let Some(oldest) = kept.frames.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
        // The event is sent under the lock, so that no client begins between storing and sending. An error means that there is no client,
        // which is fine.
        let _ = self.clients.send(frame);
    }

    /// Begins after the event that a client saw last.
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

    fn lock(&self) -> MutexGuard<'_, KeptEvents> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(feed: &EventFeed, last: &str) -> Option<usize> {
        feed.start(Some(last)).missed.map(|missed| missed.len())
    }

    #[test]
    fn a_client_resumes_if_its_events_are_kept() {
        let feed = EventFeed::new("boot".into(), 3, 1_000_000);
        for number in 0..5 {
            feed.send("e", &number.to_string());
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
    fn kept_events_are_bounded_by_bytes() {
        let feed = EventFeed::new("boot".into(), 1_000, 1_000);
        for _ in 0..100 {
            feed.send("e", &"x".repeat(300));
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
