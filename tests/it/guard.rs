//! Clients that send or read too slowly, over real connections and with limits that a test can wait for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Payload, get, post};
use actix_web::{App, HttpResponse, rt};
use hotplate::admin::AdminLimits;
use hotplate::guard::{ConnectionCounters, ConnectionLimits, EndReason, GuardedServer};

use crate::admin::Served;
use crate::wire::{Answer, ask, connect};

/// More bytes than all buffers between the server and a client that does not read.
const LARGE: usize = 16 * 1024 * 1024;
/// A time longer than any test waits.
const NEVER_MS: u64 = 600_000;

/// A server with one worker.
struct Guarded {
    address: SocketAddr,
    handle: ServerHandle,
    counters: ConnectionCounters,
    thread: Option<JoinHandle<()>>,
}

impl Guarded {
    fn start(limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (ready, is_ready) = sync_channel(1);
        let counters = ConnectionCounters::default();
        let counted = counters.clone();
        let thread = std::thread::spawn(move || {
            rt::System::new().block_on(async move {
                let app = || {
                    App::new()
                        .route("/", get().to(async || "small"))
                        .route("/large", get().to(async || Bytes::from(vec![b'x'; LARGE])))
                        .route("/slow", get().to(slow))
                        .route("/early", post().to(async || "answered before the body is there"))
                        .route("/late", post().to(late))
                };
                let server = GuardedServer::new(app).limits(limits).workers(1).disable_signals();
                let server = server
                    .counters(counted)
                    .shutdown_timeout(0)
                    .listen(listener)
                    .expect("listens");
                ready.send(server.handle()).expect("the test waits");
                server.await.expect("serves");
            });
        });
        Self {
            address,
            handle: is_ready.recv().expect("starts"),
            counters,
            thread: Some(thread),
        }
    }

    fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, &[], "")
    }

    /// Returns the counts of the connections that the server ended, by reason.
    fn ended(&self) -> Vec<(EndReason, u64)> {
        let ended = self.counters.read().ended.into_iter();
        ended.filter(|(_, count)| *count > 0).collect()
    }

    /// Sends a request on a connection that stays open.
    fn send(&self, head: &str) -> TcpStream {
        let mut stream = connect(self.address);
        stream.write_all(head.as_bytes()).expect("sent");
        stream
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers after a time that exceeds both the idle time of a connection and the time that actix-web gives a client to read the rest.
async fn slow() -> &'static str {
    rt::time::sleep(Duration::from_millis(3_000)).await;
    "slow"
}

async fn late(body: Payload) -> HttpResponse {
    match body.to_bytes().await {
        Ok(body) => HttpResponse::Ok().body(body),
        Err(error) => HttpResponse::RequestTimeout().body(error.to_string()),
    }
}

fn generous_limits() -> ConnectionLimits {
    ConnectionLimits {
        connections: 100,
        keep_alive_ms: NEVER_MS,
        request_ms: NEVER_MS,
        stalled_ms: NEVER_MS,
        ..ConnectionLimits::default()
    }
}

/// Reads until the connection ends, and returns the bytes and the error, if it ended with one.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut read = Vec::new();
    let error = stream.read_to_end(&mut read).err();
    let kind = error.map(|error| error.kind());
    assert_ne!(kind, Some(ErrorKind::WouldBlock), "it is still open");
    (read, kind)
}

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn times(read: &[u8], word: &str) -> usize {
    String::from_utf8_lossy(read).matches(word).count()
}

#[test]
fn every_head_has_a_deadline() {
    let guarded = Guarded::start(ConnectionLimits {
        request_ms: 200,
        ..generous_limits()
    });
    let mut first = guarded.send("GET / HTT");
    let (answer, _) = rest(&mut first);
    assert_eq!(times(&answer, "HTTP/1.1 408"), 1);
    // Complete requests may follow each other without a limit of time; an incomplete one has a deadline.
    let mut second = guarded.send(&format!("{GET}{GET}"));
    second.read_exact(&mut [0; 64]).expect("an answer");
    second.write_all(b"GET / HTTP/1.1\r\nx: ").expect("sent");
    let sending = second.try_clone().expect("a clone");
    let sender = std::thread::spawn(move || send_slowly(sending));
    let (answer, _) = rest(&mut second);
    assert_eq!(times(&answer, "small"), 2, "nothing but the two answers");
    sender.join().expect("its connection is ended");
    assert_eq!(guarded.ended(), [(EndReason::SlowHead, 2)]);
}

/// Sends one byte at a time until the server ends the connection.
fn send_slowly(mut stream: TcpStream) {
    let (_open, never) = sync_channel::<()>(1);
    while stream.write_all(b"a").is_ok() {
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_partial_head_after_a_request_has_a_deadline() {
    let guarded = Guarded::start(ConnectionLimits {
        keep_alive_ms: 100,
        request_ms: 100,
        ..generous_limits()
    });
    let mut stream = guarded.send(&format!("{GET}GET / HTTP/1.1\r\nx: "));
    let (answer, _) = rest(&mut stream);
    assert_eq!(times(&answer, "small"), 1);
}

#[test]
fn an_endless_body_has_a_deadline() {
    let guarded = Guarded::start(ConnectionLimits {
        keep_alive_ms: 100,
        request_ms: 200,
        ..generous_limits()
    });
    let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nab";
    let sized = "content-length: 100\r\n\r\nab";
    for body in [chunked, sized] {
        let mut early = guarded.send(&format!("POST /early HTTP/1.1\r\nhost: localhost\r\n{body}"));
        let (answer, _) = rest(&mut early);
        assert_eq!(times(&answer, "HTTP/1.1 200"), 1, "{body}");
        let mut late = guarded.send(&format!("POST /late HTTP/1.1\r\nhost: localhost\r\n{body}"));
        let (answer, _) = rest(&mut late);
        assert_eq!(times(&answer, "HTTP/1.1 408"), 1, "{body}");
    }
    assert_eq!(guarded.ended(), [(EndReason::SlowBody, 4)]);
    let whole = ask(guarded.address, "POST", "/late", &[], "a body that is there");
    assert_eq!((whole.status, whole.body.as_str()), (200, "a body that is there"));
    assert_eq!(guarded.ended(), [(EndReason::SlowBody, 4)]);
}

#[test]
fn a_client_that_reads_nothing_is_reset() {
    let guarded = Guarded::start(ConnectionLimits {
        connections: 1,
        stalled_ms: 300,
        ..generous_limits()
    });
    let mut unread = guarded.send("GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    unread.read_exact(&mut [0; 16]).expect("it has begun");
    // The worker accepts one connection at a time.
    assert_eq!(guarded.get("/").body, "small");
    let (read, error) = rest(&mut unread);
    assert!(
        read.len() < LARGE && error == Some(ErrorKind::ConnectionReset),
        "{} {error:?}",
        read.len()
    );
    assert_eq!(guarded.ended(), [(EndReason::NoProgress, 1)]);
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let guarded = Guarded::start(generous_limits());
    let open =
        |expected: usize| crate::wait::until("connections are counted", || guarded.counters.read().open == expected);
    assert_eq!(guarded.counters.read().capacity, 100);
    let some: Vec<_> = (0..3).map(|_| guarded.send(GET)).collect();
    open(3);
    drop(some);
    open(0);
    // A connection that its client closes is not counted as ended by the server.
    assert_eq!((guarded.ended(), guarded.counters.read().refused), (Vec::new(), 0));
}

#[test]
fn a_client_that_keeps_sending_is_ended() {
    let guarded = Guarded::start(generous_limits());
    let head = "POST /early HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000000\r\n\r\n";
    let mut stream = guarded.send(head);
    while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
    crate::wait::until("it is counted", || guarded.ended() == [(EndReason::UnreadBody, 1)]);
}

#[test]
fn a_slow_reader_gets_everything() {
    let guarded = Guarded::start(ConnectionLimits {
        keep_alive_ms: 1_000,
        ..generous_limits()
    });
    let mut slow = guarded.send("GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    slow.read_exact(&mut [0; 16]).expect("it has begun");
    assert_eq!(guarded.get("/slow").body, "slow");
    let (read, _) = rest(&mut slow);
    assert_eq!(times(&read, "x"), LARGE);
    assert_eq!(guarded.ended(), []);
}

#[test]
fn unread_answers_share_a_budget() {
    let guarded = Guarded::start(ConnectionLimits {
        buffered_bytes: LARGE + LARGE / 2,
        ..generous_limits()
    });
    let mut unread = guarded.send("GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    unread.read_exact(&mut [0; 16]).expect("it has begun");
    // Its bytes are revoked in favour of other answers, but not within the first second.
    let refused = guarded.get("/large");
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1")),
        "{}",
        refused.head
    );
    assert_eq!(guarded.get("/").status, 200, "small answers are not counted");
    let answered = (0..100).any(|_| {
        guarded.get("/slow");
        guarded.get("/large").status == 200
    });
    assert!(answered);
    let (read, error) = rest(&mut unread);
    assert!(
        read.len() < LARGE && error == Some(ErrorKind::ConnectionReset),
        "{} {error:?}",
        read.len()
    );
    assert_eq!(guarded.ended(), [(EndReason::Buffered, 1)]);
    assert!(guarded.counters.read().refused >= 1);
    // A client that reads releases its bytes.
    for _ in 0..3 {
        assert_eq!(guarded.get("/large").body.len(), LARGE);
    }
}

#[test]
fn the_admin_listener_closes_connections_by_default() {
    let request = "GET /admin/v1/version HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let start = |limits| Served::with(&[("a.html", "a")], None, |admin| admin.limits(limits));
    let mut limits = AdminLimits::default();
    let served = start(limits.clone());
    let mut closed = connect(served.address());
    closed.write_all(request.as_bytes()).expect("sent");
    assert_eq!(times(&rest(&mut closed).0, "HTTP/1.1 200"), 1);

    limits.connection.keep_alive_ms = NEVER_MS;
    let served = start(limits);
    let mut open = connect(served.address());
    open.write_all(request.as_bytes()).expect("sent");
    open.read_exact(&mut [0; 16]).expect("the first answer");
    let last = request.replace("localhost\r\n", "localhost\r\nconnection: close\r\n");
    open.write_all(last.as_bytes()).expect("sent");
    assert_eq!(times(&rest(&mut open).0, "HTTP/1.1 200"), 1);
}

/// A connection lasts as long as its client asks, however much it has sent: as one of a proxy does.
#[test]
fn a_connection_serves_any_number_of_requests() {
    let guarded = Guarded::start(ConnectionLimits::default());
    let mut stream = connect(guarded.address);
    let filler = "x".repeat(1000);
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-filler: {filler}\r\n\r\n");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    for number in 0..1000 {
        stream.write_all(request.as_bytes()).expect("is sent");
        answer.clear();
        while !answer.ends_with(b"small") {
            let read = stream.read(&mut buffer).expect("is answered");
            assert_ne!(read, 0, "the connection ends at request {number}");
            answer.extend_from_slice(&buffer[..read]);
        }
    }
}
