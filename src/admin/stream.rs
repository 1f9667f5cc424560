//! Streams of events to clients: [`answer`] and the number of clients at once, [`ClientSlots`].

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, rt};
use tokio::sync::{broadcast, mpsc, watch};

use super::access::Admission;
use super::feed::StreamStart;
use super::problem::Problem;
use crate::sse;

/// The longest time without a write, so that a client that has disconnected is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// The time after which a client reconnects, in milliseconds.
const RETRY_MS: u32 = 1_000;
/// Events that wait for one client's connection; the others wait in the feed, which all clients share.
const QUEUED: usize = 8;

/// The number of clients at once, and the limit.
#[derive(Debug, Clone)]
pub(super) struct ClientSlots {
    taken: Arc<AtomicUsize>,
    max: usize,
    closed: watch::Sender<bool>,
}

/// The slot of one client, released when this is dropped.
#[derive(Debug)]
struct ClientSlot(Arc<AtomicUsize>);

impl ClientSlots {
    pub(super) fn new(max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
            closed: watch::Sender::new(false),
        }
    }

    /// Ends every stream.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn take(&self) -> Result<ClientSlot, Problem> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let slot = ClientSlot(Arc::clone(&self.taken));
        if taken >= self.max {
            let detail = format!(
                "{} clients listen already, which is the limit `event_clients`: raise it, or try again later",
                self.max
            );
            return Err(Problem::busy(detail));
        }
        Ok(slot)
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer without an end.
struct EventStreamBody {
    frames: mpsc::Receiver<Bytes>,
    _slot: ClientSlot,
}

impl MessageBody for EventStreamBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.frames.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// Answers with the events from `start` on, until the client goes away, its admission ends, or the listener stops. A client that cannot
/// resume is sent the event `current` first.
pub(super) fn answer(
    slots: &ClientSlots,
    admission: Admission,
    start: StreamStart,
    current: impl FnOnce() -> (&'static str, String),
) -> Result<HttpResponse, Problem> {
    let slot = slots.take()?;
    let (sender, frames) = mpsc::channel(QUEUED);
    let StreamStart { missed, id, next } = start;
    let mut first = vec![Bytes::from(format!("retry: {RETRY_MS}\n\n"))];
    match missed {
        Some(missed) => first.extend(missed),
        None => {
            let (event, json) = current();
            first.push(sse::event(Some(&id), event, &json));
        }
    }
    let mut closed = slots.closed.subscribe();
    rt::spawn(async move {
        tokio::select! {
            () = forward(first, next, sender) => {}
            _ = closed.wait_for(|closed| *closed) => {}
            () = admission.over() => {}
        }
    });
    Ok(sse::response().body(EventStreamBody { frames, _slot: slot }))
}

/// Forwards events to the connection of a client. Ends when the client disconnects, or when it has fallen too far behind, after sending it
/// `lagged`.
async fn forward(first: Vec<Bytes>, mut next: broadcast::Receiver<Bytes>, sender: mpsc::Sender<Bytes>) {
    for frame in first {
        if sender.send(frame).await.is_err() {
            return;
        }
    }
    loop {
        let received = tokio::select! {
            received = rt::time::timeout(KEEP_ALIVE_INTERVAL, next.recv()) => received,
            () = sender.closed() => return,
        };
        let frame = match received {
            Ok(Ok(frame)) => frame,
            Err(_) => sse::KEEP_ALIVE,
            Ok(Err(broadcast::error::RecvError::Lagged(missed))) => {
                // The event has no id, so that the client resumes after the last event that it received.
                let lagged = sse::event(None, "lagged", &format!("{{\"missed\":{missed}}}"));
                let _ = sender.send(lagged).await;
                return;
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => return,
        };
        if sender.send(frame).await.is_err() {
            return;
        }
    }
}
