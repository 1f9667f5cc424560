//! [`Output`]: writes to stdout and stderr, and never waits for a slow reader while the command serves.
//!
//! A one-shot command writes in place: it has nothing else to do, and its output must be whole. A command that serves calls [`detach`]
//! first. From then on each stream has a bounded queue and a thread that writes it, so a reader that stops reading blocks only that thread.
//! Lines that find the queue full are dropped and counted, and a line says how many once there is room again.
//!
//! `tracing-appender` does the same for a log, but its queue is bounded by lines and not by bytes, it cannot show where lines are
//! missing, and it panics when there is no thread for it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;

/// Time that the end of the process waits for a slow reader.
const FLUSH: Duration = Duration::from_secs(1);
/// Time until a writer tries a stream again that would block.
const RETRY: Duration = Duration::from_millis(50);

/// The queues of stdout and stderr, once the command serves.
static QUEUES: OnceLock<[Arc<Queue>; 2]> = OnceLock::new();

/// A stream of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Makes the line that replaces dropped lines and says how many were dropped.
pub(crate) type Notice = Box<dyn Fn(u64) -> String + Send + Sync>;

/// Queues everything that is written from now on, so that no write waits for a reader. Each queue holds `bytes`.
///
/// # Errors
/// The system cannot start a thread.
pub(crate) fn detach(bytes: usize, stdout: Notice, stderr: Notice) -> Result<(), Failure> {
    if QUEUES.get().is_some() {
        return Ok(());
    }
    let queues = [(Stream::Stdout, stdout), (Stream::Stderr, stderr)].map(|(stream, notice)| {
        let queue = Arc::new(Queue::new(bytes, notice));
        let writer = Arc::clone(&queue);
        let name = match stream {
            Stream::Stdout => "hotplate-stdout",
            Stream::Stderr => "hotplate-stderr",
        };
        let write = move || match stream {
            Stream::Stdout => writer.write_to(&mut io::stdout()),
            Stream::Stderr => writer.write_to(&mut io::stderr()),
        };
        thread::Builder::new().name(name.to_owned()).spawn(write).map(|_| queue)
    });
    let [stdout, stderr] = queues;
    let no_thread = |error| Failure::Failed(format!("the thread that writes the output cannot be started: {error}"));
    let queues = [stdout.map_err(no_thread)?, stderr.map_err(no_thread)?];
    if QUEUES.set(queues).is_ok() {
        std::panic::set_hook(Box::new(print_panic));
    }
    Ok(())
}

/// Waits until everything is written, for [`FLUSH`] at most.
pub(crate) fn flush() {
    let until = Instant::now() + FLUSH;
    for queue in QUEUES.get().into_iter().flatten() {
        queue.flush(until);
    }
}

/// Waits until stdout is closed, and returns the error.
pub(crate) async fn closed() -> io::Error {
    match Stream::Stdout.queue() {
        Some(queue) => queue.closed().await,
        None => std::future::pending().await,
    }
}

/// Returns the number of lines dropped since the start, by stream.
pub(crate) fn dropped() -> [(&'static str, u64); 2] {
    let dropped = |stream: Stream| stream.queue().map_or(0, |queue| queue.state().dropped_total);
    [("stdout", dropped(Stream::Stdout)), ("stderr", dropped(Stream::Stderr))]
}

/// Prints a panic to the queue of stderr. The default hook would wait for the reader of stderr.
fn print_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = std::backtrace::Backtrace::capture();
    let mut stderr = Output::of(Stream::Stderr);
    let _ = match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => writeln!(stderr, "\nthread '{name}' {panic}\n{backtrace}"),
        _ => writeln!(stderr, "\nthread '{name}' {panic}"),
    };
    let _ = stderr.flush();
    // This may be the end of the process.
    if name == "main" {
        flush();
    }
}

impl Stream {
    fn queue(self) -> Option<&'static Arc<Queue>> {
        let [stdout, stderr] = QUEUES.get()?;
        Some(match self {
            Self::Stdout => stdout,
            Self::Stderr => stderr,
        })
    }
}

/// A writer to a stream. The bytes between two flushes stay together.
pub(crate) struct Output {
    stream: Stream,
    unflushed: Vec<u8>,
}

impl Output {
    pub(crate) fn of(stream: Stream) -> Self {
        let unflushed = Vec::new();
        Self { stream, unflushed }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unflushed.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.unflushed);
        if bytes.is_empty() {
            return Ok(());
        }
        match (self.stream.queue(), self.stream) {
            (Some(queue), _) => queue.push(bytes),
            (None, Stream::Stdout) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&bytes)?;
                stdout.flush()
            }
            (None, Stream::Stderr) => io::stderr().lock().write_all(&bytes),
        }
    }
}

impl Drop for Output {
    /// Flushes, because the log drops its writer after each event.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// The bounded queue of one stream.
struct Queue {
    /// Maximum number of bytes that wait behind the oldest text. The oldest text may have any size, so that a reader that keeps up loses
    /// nothing.
    bytes_max: usize,
    notice: Notice,
    state: Mutex<QueueState>,
    changed: Condvar,
    gone: tokio::sync::Notify,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Vec<u8>>,
    /// Bytes that wait or are being written.
    bytes: usize,
    /// Bytes that are being written.
    writing: usize,
    /// Lines dropped since the last notice.
    dropped: u64,
    dropped_total: u64,
    /// The error after which nothing can be written any more.
    closed: Option<io::ErrorKind>,
}

impl QueueState {
    fn drop_lines_of(&mut self, text: &[u8]) {
        let lines = text.iter().filter(|byte| **byte == b'\n').count().max(1);
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.dropped += lines;
        self.dropped_total += lines;
    }

    /// Returns the bytes that wait behind the oldest text.
    fn bytes_behind(&self) -> usize {
        let oldest = match self.writing {
            0 => self.waiting.front().map_or(0, Vec::len),
            writing => writing,
        };
        self.bytes - oldest
    }

    fn put(&mut self, text: Vec<u8>) {
        self.bytes += text.len();
        self.waiting.push_back(text);
    }
}

impl Queue {
    fn new(bytes_max: usize, notice: Notice) -> Self {
        Self {
            bytes_max,
            notice,
            state: Mutex::default(),
            changed: Condvar::new(),
            gone: tokio::sync::Notify::new(),
        }
    }

    /// Locks the state, which is never held while something is written.
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a text, or drops it if there is no room. Never waits for the stream.
    ///
    /// # Errors
    /// The stream is closed.
    fn push(&self, text: Vec<u8>) -> io::Result<()> {
        let mut state = self.state();
        if let Some(kind) = state.closed {
            return Err(kind.into());
        }
        if state.bytes > 0 && state.bytes_behind().saturating_add(text.len()) > self.bytes_max {
            state.drop_lines_of(&text);
            return Ok(());
        }
        // The notice takes the place of the dropped lines.
        self.put_notice(&mut state);
        state.put(text);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn put_notice(&self, state: &mut QueueState) {
        if let dropped @ 1.. = std::mem::take(&mut state.dropped) {
            state.put((self.notice)(dropped).into_bytes());
        }
    }

    /// Writes the queued texts until the stream is closed.
    fn write_to(&self, stream: &mut dyn Write) {
        let mut state = self.state();
        loop {
            let Some(text) = state.waiting.pop_front() else {
                self.put_notice(&mut state);
                if state.waiting.is_empty() {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            };
            state.writing = text.len();
            drop(state);
            let written = write_whole(stream, &text);
            state = self.state();
            state.writing = 0;
            state.bytes -= text.len();
            match written {
                Ok(()) => {}
                // A full disk may have room again later.
                Err(error) if is_full(&error) => state.drop_lines_of(&text),
                Err(error) => {
                    *state = QueueState {
                        closed: Some(error.kind()),
                        dropped_total: state.dropped_total,
                        ..QueueState::default()
                    };
                    self.changed.notify_all();
                    return self.gone.notify_one();
                }
            }
            if state.bytes == 0 {
                self.changed.notify_all();
            }
        }
    }

    /// Waits until everything is written, the stream is closed, or the time is over.
    fn flush(&self, until: Instant) {
        let mut state = self.state();
        while (state.bytes > 0 || state.dropped > 0) && state.closed.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the stream is closed, and returns the error.
    async fn closed(&self) -> io::Error {
        loop {
            if let Some(kind) = self.state().closed {
                return kind.into();
            }
            self.gone.notified().await;
        }
    }
}

/// Writes a whole text, also to a stream that another process has made non-blocking.
fn write_whole(stream: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = &rest[count..],
            Err(error) => wait_or(error)?,
        }
    }
    loop {
        match stream.flush() {
            Ok(()) => return Ok(()),
            Err(error) => wait_or(error)?,
        }
    }
}

/// Waits if a write may be tried again, or returns the error.
fn wait_or(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => {}
        io::ErrorKind::WouldBlock => thread::park_timeout(RETRY),
        _ => return Err(error),
    }
    Ok(())
}

/// Returns true if a file has no room at present, and may have some later.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stream that accepts a text when the other end takes it, and fails when the other end is gone.
    struct Rendezvous(SyncSender<String>);

    impl Write for Rendezvous {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue(bytes_max: usize) -> Arc<Queue> {
        let notice = |lines| format!("({lines} dropped)\n");
        Arc::new(Queue::new(bytes_max, Box::new(notice)))
    }

    fn writer(queue: &Arc<Queue>) -> (Receiver<String>, thread::JoinHandle<()>) {
        let (sender, written) = sync_channel(0);
        let queue = Arc::clone(queue);
        let thread = thread::spawn(move || queue.write_to(&mut Rendezvous(sender)));
        (written, thread)
    }

    fn push(queue: &Queue, text: &str) {
        queue.push(text.as_bytes().to_vec()).expect("it is open");
    }

    fn next(written: &Receiver<String>) -> String {
        written.recv_timeout(Duration::from_secs(60)).expect("written")
    }

    #[test]
    fn a_full_queue_drops_lines_and_writes_a_notice() {
        let queue = queue(4);
        push(&queue, "a\n");
        push(&queue, "bcd\n");
        assert_eq!(queue.state().bytes_behind(), 4, "the most that may wait");
        push(&queue, "e\n");
        push(&queue, "f\ng\n");
        let (bytes, dropped) = {
            let state = queue.state();
            (state.bytes, state.dropped_total)
        };
        assert_eq!((bytes, dropped), (6, 3));
        let (written, _) = writer(&queue);
        assert_eq!((next(&written), next(&written)), ("a\n".into(), "bcd\n".into()));
        assert_eq!(next(&written), "(3 dropped)\n", "without a further line");
        queue.flush(Instant::now() + Duration::from_secs(60));
        assert_eq!(queue.state().bytes, 0);
        assert_eq!(queue.state().dropped, 0);
        push(&queue, "h\n");
        assert_eq!(next(&written), "h\n");
        assert_eq!(queue.state().dropped_total, 3, "each is counted once");
    }

    #[test]
    fn the_notice_comes_before_later_lines() {
        let queue = queue(4);
        push(&queue, "abc\n");
        push(&queue, "lost\n");
        let (written, _) = writer(&queue);
        assert_eq!(next(&written), "abc\n");
        let written_then = thread::scope(|scope| {
            scope.spawn(|| {
                let until = Instant::now() + Duration::from_secs(60);
                queue.flush(until);
                push(&queue, "d\n");
            });
            [next(&written), next(&written)]
        });
        assert_eq!(written_then, ["(1 dropped)\n", "d\n"]);
    }

    #[test]
    fn a_text_larger_than_the_queue_is_written() {
        let queue = queue(2);
        push(&queue, "larger\n");
        push(&queue, "b\n");
        push(&queue, "c\n");
        let (written, _) = writer(&queue);
        for expected in ["larger\n", "b\n", "(1 dropped)\n"] {
            assert_eq!(next(&written), expected);
        }
    }

    #[test]
    fn a_closed_stream_is_noticed() {
        let queue = queue(100);
        let (written, thread) = writer(&queue);
        drop(written);
        push(&queue, "a\n");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let closed = runtime.block_on(queue.closed());
        assert_eq!(closed.kind(), io::ErrorKind::BrokenPipe);
        thread.join().expect("ends");
        assert!(queue.push(b"b\n".to_vec()).is_err());
        // Flushing a closed stream does not wait.
        queue.flush(Instant::now() + Duration::from_secs(3600));
    }

    #[test]
    fn a_flush_ends_in_time() {
        let queue = queue(100);
        push(&queue, "a\n");
        queue.flush(Instant::now());
        assert_eq!(queue.state().bytes, 2, "no thread writes it");
    }

    #[test]
    fn a_full_disk_costs_lines_only() {
        struct Disk(SyncSender<String>, bool);
        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if !std::mem::replace(&mut self.1, true) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Rendezvous(self.0.clone()).write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = queue(100);
        push(&queue, "a\n");
        let (sender, written) = sync_channel(0);
        let writer = Arc::clone(&queue);
        thread::spawn(move || writer.write_to(&mut Disk(sender, false)));
        assert_eq!(next(&written), "(1 dropped)\n");
        push(&queue, "b\n");
        assert_eq!(next(&written), "b\n");
    }
}
