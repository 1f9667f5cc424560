//! [`Feed`]: what is sent to one browser, for as long as it listens.

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

/// A sign of life at least that often, so that it is noticed when a browser has gone: its half of the connection may end
/// before the other, so that alone says nothing.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A body that goes on: how some entries stand, now and whenever that changes.
pub(super) struct FollowerStream(Next);

/// What is sent next, and who goes on after that.
type Next = Pin<Box<dyn Future<Output = Option<(Follower, Bytes)>>>>;

impl FollowerStream {
    /// Follows some entries; `None` if as many follow as may.
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

    /// Only asked while what was sent before is on its way: whoever does not read is not written for.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(ready!(self.0.as_mut().poll(context)).map(|(follower, bytes)| {
            self.0 = Box::pin(follower.next());
            Ok(bytes)
        }))
    }
}

/// What one browser was sent.
struct Follower {
    hub: Arc<Hub>,
    changes: watch::Receiver<Option<u64>>,
    ending: ShutdownSignal,
    /// With the serial that was sent last.
    entries: Vec<(TemplateName, u64)>,
    styles: Arc<str>,
}

impl Follower {
    async fn next(mut self) -> Option<(Self, Bytes)> {
        loop {
            if self.changes.borrow().is_none() {
                return None;
            }
            let sign_of_life = tokio::select! {
                () = self.ending.told() => return None,
                changed = self.changes.changed() => {
                    changed.ok()?;
                    false
                }
                () = sleep(SIGN_OF_LIFE) => true,
            };
            if self.changes.borrow().is_none() {
                return None;
            }
            let news = if sign_of_life {
                Bytes::from_static(b":\n\n")
            } else {
                self.news()
            };
            if !news.is_empty() {
                return Some((self, news));
            }
        }
    }

    /// What differs from what was sent.
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
