//! [`FollowerStream`]: the events of one browser, as long as it reads them.
//!
//! A browser is sent the current status of its entries, never a list of what happened to them: a slow browser skips to the newest status,
//! so nothing queues up. The feed of the admin listener keeps its events instead, because programs want each of them.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::time::sleep;
use actix_web::web::Bytes;
use hotplate_actors::{Hotplate, TemplateName};
use tokio::sync::watch;

use super::hub::{self, Hub};
use super::shutdown::ShutdownSignal;
use crate::sse;

/// The longest time without a write, so that a browser that has disconnected is noticed. A browser may close its half of the connection and
/// continue to read, so the end of that half is no sign of it.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// A body without an end: the status of some entries, now and after each change.
pub(super) struct FollowerStream(Next);

/// The next bytes to send, and the follower that waits for the following ones.
type Next = Pin<Box<dyn Future<Output = Option<(Follower, Bytes)>>>>;

impl FollowerStream {
    /// Follows some entries. Returns `None` if the limit `live_clients` is reached.
    pub(super) fn join(hub: &Arc<Hub>, hotplate: &Hotplate, entries: Vec<TemplateName>) -> Option<Self> {
        if !hub.join(hotplate, &entries) {
            return None;
        }
        let mut follower = Follower {
            changes: hub.changes(),
            ending: ShutdownSignal::listen(),
            hub: Arc::clone(hub),
            entries: entries.into_iter().map(|entry| (entry, 0)).collect(),
            styles: "".into(),
        };
        let news = follower.news();
        Some(Self(Box::pin(async move { Some((follower, news)) })))
    }
}

impl MessageBody for FollowerStream {
    type Error = actix_web::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    /// Polls for the next bytes. The server asks only when it has sent the ones before, so nothing is written for a browser that does not read.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(ready!(self.0.as_mut().poll(context)).map(|(follower, bytes)| {
            self.0 = Box::pin(follower.next());
            Ok(bytes)
        }))
    }
}

/// The record of the events that one browser was sent.
struct Follower {
    hub: Arc<Hub>,
    changes: watch::Receiver<Option<u64>>,
    ending: ShutdownSignal,
    /// Each entry, with the serial number of its last event.
    entries: Vec<(TemplateName, u64)>,
    styles: Arc<str>,
}

impl Follower {
    async fn next(mut self) -> Option<(Self, Bytes)> {
        loop {
            if self.changes.borrow().is_none() {
                return None;
            }
            let is_idle = tokio::select! {
                () = self.ending.received() => return None,
                changed = self.changes.changed() => {
                    changed.ok()?;
                    false
                }
                () = sleep(KEEP_ALIVE_INTERVAL) => true,
            };
            if self.changes.borrow().is_none() {
                return None;
            }
            let news = if is_idle { sse::KEEP_ALIVE } else { self.news() };
            if !news.is_empty() {
                return Some((self, news));
            }
        }
    }

    /// Returns the events that differ from the events sent last.
    fn news(&mut self) -> Bytes {
        self.changes.mark_unchanged();
        let mut news = Vec::new();
        self.hub.news(&mut self.entries, &mut news);
        let sheets = self.hub.sheets();
        if sheets.digest != self.styles {
            self.styles = Arc::clone(&sheets.digest);
            news.extend_from_slice(&hub::event("styles", &*sheets));
        }
        news.into()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let entries = mem::take(&mut self.entries);
        self.hub.leave(entries.into_iter().map(|(entry, _)| entry));
    }
}
