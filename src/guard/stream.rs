//! [`GuardedStream`]: a connection that ends itself when its client sends or reads too slowly.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{Sleep, sleep_until};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::budget::Budget;
use super::connection::{Connection, Progress};
use super::{ConnectionCounters, ConnectionLimits, EndReason};

/// The answer to a first head that takes too long. Nothing else was written before it.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Bytes that are read after an answer without a next request in them. actix-http allows a head of 128 KiB; what is longer is the
/// rest of a body that was answered before its end, and is thrown away.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;

/// A connection that ends itself when its client sends or reads too slowly.
pub(super) struct GuardedStream {
    stream: TcpStream,
    connection: Rc<Connection>,
    budget: Arc<Budget>,
    progress: Progress,
    reading: WakeTimer,
    /// Bytes were handed on and may not have been looked at yet.
    fresh: bool,
    /// They came after the time was up: a whole head that waited for a busy thread is answered, but nothing more is read.
    late: bool,
    /// Bytes since the last answer, as long as there is no next request.
    discarded: usize,
    writing: WakeTimer,
    /// Its place among those that wait for their clients.
    listed: Option<u64>,
}

impl GuardedStream {
    pub(super) fn new(
        stream: TcpStream,
        limits: &ConnectionLimits,
        budget: &Arc<Budget>,
        counters: &ConnectionCounters,
        now: Instant,
    ) -> Self {
        let socket = socket2::SockRef::from(&stream);
        #[cfg(target_os = "linux")]
        {
            // Counts what the client has not read of what is left when the connection is closed here.
            let _ = socket.set_tcp_user_timeout(Some(limits.stalled()));
            let bytes = u32::try_from(limits.send_buffer_bytes).unwrap_or(u32::MAX);
            let _ = socket.set_tcp_notsent_lowat(bytes);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = socket.set_send_buffer_size(limits.send_buffer_bytes);
        Self {
            stream,
            connection: Rc::new(Connection::new(limits, counters, now)),
            budget: Arc::clone(budget),
            progress: Progress::new(limits),
            reading: WakeTimer::default(),
            fresh: false,
            late: false,
            discarded: 0,
            writing: WakeTimer::default(),
            listed: None,
        }
    }

    pub(super) fn inner(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Nobody reads what waits here: a reset lets the system forget it too.
    fn reset(&self, reason: EndReason, why: &'static str) -> Error {
        self.connection.end(reason);
        let peer = self.stream.peer_addr().ok();
        tracing::debug!(?peer, "a connection is reset: {why}");
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Error::new(ErrorKind::TimedOut, why)
    }

    /// Counts that what its client sends did not come in time. A client that was answered nothing yet is told so.
    fn time_is_up(&self) {
        if self.connection.expire() && self.connection.is_new() {
            let _ = self.stream.try_write(TOO_SLOW);
        }
    }

    fn unlist(&mut self) {
        if let Some(id) = self.listed.take() {
            self.budget.unlist(id);
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let until = this.connection.read_by();
        let expired = until.is_some_and(|until| this.reading.is_due(context, until));
        if until.is_none() {
            this.discarded = 0;
        }
        if expired && this.late {
            // There may be a whole head in what was read, which is answered then.
            this.connection.too_late();
            return Poll::Ready(Ok(()));
        }
        if this.discarded > DISCARDED_BYTES_MAX {
            this.connection.end(EndReason::UnreadBody);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        match read {
            Poll::Pending if this.fresh => {
                (this.fresh, this.late) = (false, false);
                if expired {
                    context.waker().wake_by_ref();
                }
            }
            // The end of what its client sends; what is left of an answer is still written.
            Poll::Pending if expired => {
                this.time_is_up();
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                (this.fresh, this.late) = (true, expired);
                if until.is_some() {
                    this.discarded += buffer.filled().len() - before;
                    this.connection.read(Instant::now());
                }
            }
            // The kernel counts what its client has not read as well, and may be the first to end it.
            Poll::Ready(Err(ref error)) if error.kind() == ErrorKind::TimedOut => {
                this.connection.end(EndReason::NoProgress);
            }
            _ => {}
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        let this = self.get_mut();
        let hold = this.connection.hold();
        if hold.as_ref().is_some_and(|hold| hold.is_given_up()) {
            return Poll::Ready(Err(
                this.reset(EndReason::Buffered, "its answer waits, and memory is needed for others")
            ));
        }
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => {
                this.progress.wrote(written);
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                let (since, until) = this.progress.blocked(Instant::now());
                if this.writing.is_due(context, until) {
                    return Poll::Ready(Err(
                        this.reset(EndReason::NoProgress, "its client reads too little of its answer")
                    ));
                }
                if let Some(hold) = hold {
                    this.listed = Some(this.budget.list(hold, since, context.waker()));
                }
                Poll::Pending
            }
            Poll::Ready(Err(error)) => {
                if error.kind() == ErrorKind::TimedOut {
                    this.connection.end(EndReason::NoProgress);
                }
                Poll::Ready(Err(error))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        // It is called once everything is written.
        this.progress.flushed();
        this.unlist();
        // The answer may have been handed over since the last read, and nothing else may come to wake this task.
        let until = this.connection.read_by();
        if until.is_some_and(|until| this.reading.is_due(context, until)) {
            context.waker().wake_by_ref();
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        if self.connection.is_too_late() {
            self.time_is_up();
        }
        self.unlist();
    }
}

/// Wakes its task at a time that may change. It is set again only when it would ring too late, so that a busy connection costs one
/// timer in a while, and not one with each request.
#[derive(Default)]
struct WakeTimer(Option<Pin<Box<Sleep>>>);

impl WakeTimer {
    /// Whether it is time; else the task is woken then, or earlier.
    fn is_due(&mut self, context: &mut Context<'_>, until: Instant) -> bool {
        if Instant::now() >= until {
            return true;
        }
        let until = until.into();
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.is_elapsed() || sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() >= until {
                return true;
            }
            sleep.as_mut().reset(until);
        }
        false
    }
}
