//! [`Output`]: what a command writes to stdout and stderr, and what happens when nobody reads it.
//!
//! A one-shot command writes in place: it has nothing else to do, and its output must be whole. A command that serves calls
//! [`detach`] first. From then on each stream has a bounded queue and a thread that writes it out, so that a reader who has stopped
//! reading stops nothing but that thread. Lines that find the queue full are dropped and counted, and a line says so once there is
//! room again.
//!
//! `tracing-appender` does the same for a log, but its queue is bounded by lines and not by bytes, it cannot say where lines are
//! missing, and it panics when there is no thread for it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;

/// How long the end of the process waits for a slow reader.
const FLUSH: Duration = Duration::from_secs(1);
/// How long a writer waits before it tries a stream again that takes nothing now and cannot be waited for.
const RETRY: Duration = Duration::from_millis(50);

/// The queues, once the command serves.
static QUEUES: OnceLock<[Arc<Queue>; 2]> = OnceLock::new();

/// A stream of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Makes the line that says how many lines are missing where it stands.
pub(crate) type Notice = Box<dyn Fn(u64) -> String + Send + Sync>;

/// Lets nothing that is written from now on wait for a reader. Each queue holds `bytes`.
///
/// # Errors
/// When the system has no thread left.
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
    let no_thread = |error| Failure::Failed(format!("there is no thread to write the output with: {error}"));
    let queues = [stdout.map_err(no_thread)?, stderr.map_err(no_thread)?];
    if QUEUES.set(queues).is_ok() {
        std::panic::set_hook(Box::new(say_panic));
    }
    Ok(())
}

/// Waits until everything is written, but not for long: nobody may be reading.
pub(crate) fn flush() {
    let until = Instant::now() + FLUSH;
    for queue in QUEUES.get().into_iter().flatten() {
        queue.flush(until);
    }
}

/// Waits until stdout cannot be written any more, and says why.
pub(crate) async fn closed() -> io::Error {
    match Stream::Stdout.queue() {
        Some(queue) => queue.closed().await,
        None => std::future::pending().await,
    }
}

/// How many lines were dropped since the start, by stream.
pub(crate) fn dropped() -> [(&'static str, u64); 2] {
    let dropped = |stream: Stream| stream.queue().map_or(0, |queue| queue.state().dropped_in_all);
    [("stdout", dropped(Stream::Stdout)), ("stderr", dropped(Stream::Stderr))]
}

/// The default hook would wait for whoever reads stderr.
fn say_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = std::backtrace::Backtrace::capture();
    let mut stderr = Output::of(Stream::Stderr);
    let _ = match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => writeln!(stderr, "\nthread '{name}' {panic}\n{backtrace}"),
        _ => writeln!(stderr, "\nthread '{name}' {panic}"),
    };
    let _ = stderr.flush();
    // It may be the end of the process.
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

/// A writer to a stream. What is written between two flushes stays together.
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
    /// The log drops its writer after each event.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// What waits to be written to one stream.
struct Queue {
    /// Bytes that may wait behind the oldest text. That one may be of any size: whoever reads in time loses nothing.
    bytes_max: usize,
    notice: Notice,
    state: Mutex<QueueState>,
    changed: Condvar,
    gone: tokio::sync::Notify,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Vec<u8>>,
    /// Of what waits and of what is being written.
    bytes: usize,
    /// Of what is being written.
    writing: usize,
    /// Lines dropped since that was said last.
    dropped: u64,
    dropped_in_all: u64,
    /// Why nothing more can be written.
    closed: Option<io::ErrorKind>,
}

impl QueueState {
    fn drop_lines_of(&mut self, text: &[u8]) {
        let lines = text.iter().filter(|byte| **byte == b'\n').count().max(1);
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.dropped += lines;
        self.dropped_in_all += lines;
    }

    /// Of what waits behind the oldest text.
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

    /// Held for a moment only, and never while something is written.
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a text, or drops it where there is no room. Waits for nobody.
    ///
    /// # Errors
    /// When the stream was found closed.
    fn push(&self, text: Vec<u8>) -> io::Result<()> {
        let mut state = self.state();
        if let Some(kind) = state.closed {
            return Err(kind.into());
        }
        if state.bytes > 0 && state.bytes_behind().saturating_add(text.len()) > self.bytes_max {
            state.drop_lines_of(&text);
            return Ok(());
        }
        // Where the dropped lines would have been.
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

    /// Writes what is queued, for as long as the stream takes it.
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
                // There may be room again.
                Err(error) if is_full(&error) => state.drop_lines_of(&text),
                Err(error) => {
                    *state = QueueState {
                        closed: Some(error.kind()),
                        dropped_in_all: state.dropped_in_all,
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

    /// Waits until everything is written, the stream is closed, or it is too late.
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

    async fn closed(&self) -> io::Error {
        loop {
            if let Some(kind) = self.state().closed {
                return kind.into();
            }
            self.gone.notified().await;
        }
    }
}

/// Writes all of a text, also to a stream that was made not to block by whoever shares it.
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

fn wait_or(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => {}
        io::ErrorKind::WouldBlock => thread::park_timeout(RETRY),
        _ => return Err(error),
    }
    Ok(())
}

/// Whether a file takes nothing now and may do so later.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stream that takes a text when the other end takes it, and fails when there is no other end.
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
    fn at_its_bound_lines_are_dropped_and_that_is_said_in_their_place() {
        let queue = queue(4);
        push(&queue, "a\n");
        push(&queue, "bcd\n");
        assert_eq!(queue.state().bytes_behind(), 4, "as many as there may be");
        push(&queue, "e\n");
        push(&queue, "f\ng\n");
        let (bytes, dropped) = {
            let state = queue.state();
            (state.bytes, state.dropped_in_all)
        };
        assert_eq!((bytes, dropped), (6, 3));
        let (written, _) = writer(&queue);
        assert_eq!((next(&written), next(&written)), ("a\n".into(), "bcd\n".into()));
        assert_eq!(next(&written), "(3 dropped)\n", "although nothing else is written");
        queue.flush(Instant::now() + Duration::from_secs(60));
        assert_eq!(queue.state().bytes, 0);
        assert_eq!(queue.state().dropped, 0);
        push(&queue, "h\n");
        assert_eq!(next(&written), "h\n");
        assert_eq!(queue.state().dropped_in_all, 3, "each is counted once");
    }

    #[test]
    fn lines_that_find_room_again_come_after_those_that_did_not() {
        let queue = queue(4);
        push(&queue, "abc\n");
        push(&queue, "lost\n");
        let (written, _) = writer(&queue);
        assert_eq!(next(&written), "abc\n");
        let said = thread::scope(|scope| {
            scope.spawn(|| {
                let until = Instant::now() + Duration::from_secs(60);
                queue.flush(until);
                push(&queue, "d\n");
            });
            [next(&written), next(&written)]
        });
        assert_eq!(said, ["(1 dropped)\n", "d\n"]);
    }

    #[test]
    fn a_text_that_is_larger_than_the_queue_takes_no_room_from_those_behind_it() {
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
    fn whoever_closes_it_is_noticed() {
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
        // Nobody waits for what nobody can read.
        queue.flush(Instant::now() + Duration::from_secs(3600));
    }

    #[test]
    fn a_flush_gives_up_in_time() {
        let queue = queue(100);
        push(&queue, "a\n");
        queue.flush(Instant::now());
        assert_eq!(queue.state().bytes, 2, "nobody writes it");
    }

    #[test]
    fn a_full_disk_costs_lines_and_not_the_output() {
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
