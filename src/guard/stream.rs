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

/// The answer to a first head that takes too long. Nothing was written on the connection before it.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Bytes that are read after an answer without a further request in them. actix-http accepts a head of up to 128 KiB, so any bytes beyond
/// that are the rest of a body whose request was answered early, and are discarded.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;

/// A connection that ends itself when its client sends or reads too slowly.
pub(super) struct GuardedStream {
    stream: TcpStream,
    connection: Rc<Connection>,
    budget: Arc<Budget>,
    progress: Progress,
    reading: WakeTimer,
    /// True if bytes were given to actix-http that it may not have parsed yet.
    unparsed: bool,
    /// True if those bytes were read after the deadline. If these bytes complete a head, the thread was only late to read it, and the
    /// request is answered; nothing more is read.
    late: bool,
    writing: WakeTimer,
    /// The id of its answer in the budget, while that waits for its client.
    waiting: Option<u64>,
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
            // Bounds the time of the bytes that are still in the system when the connection is closed here.
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
            unparsed: false,
            late: false,
            writing: WakeTimer::default(),
            waiting: None,
        }
    }

    pub(super) fn inner(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Resets the connection, so that the system drops the bytes that wait for the client too.
    fn reset(&self, reason: EndReason, why: &'static str) -> Error {
        self.connection.count_end(reason);
        let peer = self.stream.peer_addr().ok();
        tracing::debug!(?peer, "a connection is reset: {why}");
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Error::new(ErrorKind::TimedOut, why)
    }

    /// Counts that the client did not send in time, and answers 408 if nothing was answered on this connection before.
    fn time_out(&self) {
        if self.connection.count_timeout() && self.connection.is_new() {
            let _ = self.stream.try_write(TOO_SLOW);
        }
    }

    fn stop_waiting(&mut self) {
        if let Some(id) = self.waiting.take() {
            self.budget.remove_waiting(id);
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let until = this.connection.head_deadline();
        let expired = until.is_some_and(|until| this.reading.is_due(context, until));
        if expired && this.late {
            // If the bytes that were read complete a head, it is still answered.
            this.connection.set_late();
            return Poll::Ready(Ok(()));
        }
        if this.connection.unanswered() > DISCARDED_BYTES_MAX {
            this.connection.count_end(EndReason::UnreadBody);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        match read {
            Poll::Pending if this.unparsed => {
                (this.unparsed, this.late) = (false, false);
                if expired {
                    context.waker().wake_by_ref();
                }
            }
            // Reports the end of the input. The rest of an answer is still written.
            Poll::Pending if expired => {
                this.time_out();
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                (this.unparsed, this.late) = (true, expired);
                if until.is_some() {
                    this.connection.received(buffer.filled().len() - before, Instant::now());
                }
            }
            // The kernel has the same deadline (`TCP_USER_TIMEOUT`) and may be the first to end the connection.
            Poll::Ready(Err(ref error)) if error.kind() == ErrorKind::TimedOut => {
                this.connection.count_end(EndReason::NoProgress);
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
        if hold.as_ref().is_some_and(|hold| hold.is_revoked()) {
            return Poll::Ready(Err(this.reset(
                EndReason::Buffered,
                "its client does not read its answer, and other answers need the memory",
            )));
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
                    this.waiting = Some(this.budget.add_waiting(hold, since, context.waker()));
                }
                Poll::Pending
            }
            Poll::Ready(Err(error)) => {
                if error.kind() == ErrorKind::TimedOut {
                    this.connection.count_end(EndReason::NoProgress);
                }
                Poll::Ready(Err(error))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        // actix-http flushes once everything is written.
        this.progress.flushed();
        this.stop_waiting();
        // The answer may have been completed since the last read, so only the deadline of the next head wakes this task.
        let until = this.connection.head_deadline();
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
        if self.connection.is_late() {
            self.time_out();
        }
        self.stop_waiting();
    }
}

/// Wakes its task at a deadline that may change. The timer is set again only if it would fire too late, so a busy connection resets its
/// timer only rarely and not for each request.
#[derive(Default)]
struct WakeTimer(Option<Pin<Box<Sleep>>>);

impl WakeTimer {
    /// Returns true at the deadline or after it. Before, it makes sure that the task is woken at the deadline at the latest.
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
