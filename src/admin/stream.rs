//! [`Stream`]: the body of an answer that goes on for as long as its client reads, and who may have one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, rt};
use tokio::sync::{broadcast, mpsc, watch};

use super::access::Admission;
use super::feed::{StreamStart, frame};
use super::problem::Problem;

/// Between two signs of life, so that a client that went away is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 1_000;
/// Events that wait for a client's connection; the others wait in the feed, which all clients share.
const HANDED_ON: usize = 8;

/// Places for clients.
#[derive(Debug, Clone)]
pub(super) struct ClientSlots {
    taken: Arc<AtomicUsize>,
    most: usize,
    closed: watch::Sender<bool>,
}

/// One place, given back when this is dropped.
#[derive(Debug)]
struct ClientSlot(Arc<AtomicUsize>);

impl ClientSlots {
    pub(super) fn new(most: usize) -> Self {
        Self {
            taken: Arc::default(),
            most,
            closed: watch::Sender::new(false),
        }
    }

    /// Ends every stream.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn take(&self) -> Result<ClientSlot, Problem> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = ClientSlot(Arc::clone(&self.taken));
        if taken >= self.most {
            let detail = format!("{} clients listen already (the limit `event_clients`)", self.most);
            return Err(Problem::busy(detail));
        }
        Ok(place)
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer that goes on.
struct EventStreamBody {
    frames: mpsc::Receiver<Bytes>,
    _place: ClientSlot,
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

/// Answers with events from `start` on, as long as its client may listen. `everything` is told to a client of which it is not known what
/// it has seen.
pub(super) fn answer(
    places: &ClientSlots,
    admission: Admission,
    start: StreamStart,
    everything: impl FnOnce() -> (&'static str, String),
) -> Result<HttpResponse, Problem> {
    let place = places.take()?;
    let (hand, frames) = mpsc::channel(HANDED_ON);
    let StreamStart { missed, id, next } = start;
    let mut first = vec![Bytes::from(format!("retry: {RETRY_MS}\n\n"))];
    match missed {
        Some(missed) => first.extend(missed),
        None => {
            let (event, json) = everything();
            first.push(frame(&id, event, &json));
        }
    }
    let mut closed = places.closed.subscribe();
    rt::spawn(async move {
        tokio::select! {
            () = hand_on(first, next, hand) => {}
            _ = closed.wait_for(|closed| *closed) => {}
            () = admission.over() => {}
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .body(EventStreamBody { frames, _place: place }))
}

/// Ends when the client goes away, is told that it is too slow, or there is nothing more to tell.
async fn hand_on(first: Vec<Bytes>, mut next: broadcast::Receiver<Bytes>, hand: mpsc::Sender<Bytes>) {
    for frame in first {
        if hand.send(frame).await.is_err() {
            return;
        }
    }
    loop {
        let received = tokio::select! {
            received = rt::time::timeout(HEARTBEAT, next.recv()) => received,
            () = hand.closed() => return,
        };
        let frame = match received {
            Ok(Ok(frame)) => frame,
            Err(_) => Bytes::from_static(b":\n\n"),
            Ok(Err(broadcast::error::RecvError::Lagged(missed))) => {
                // Without an id: what it saw last is where it goes on.
                let told = Bytes::from(format!("event: lagged\ndata: {{\"missed\":{missed}}}\n\n"));
                let _ = hand.send(told).await;
                return;
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => return,
        };
        if hand.send(frame).await.is_err() {
            return;
        }
    }
}
