//! A server that answers well, and one that does not.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotplate_actors::conformance::{Fixture, check};
use hotplate_actors::loader::{BlockingLoader, Depth, LoaderError};
use hotplate_actors::{Hotplate, Loader};
use hotplate_sources::http::HttpLoader;
use sha2::{Digest, Sha256};

use super::{served, sync_once, wait_for};

/// The way in which a path is answered.
#[derive(Debug, Clone)]
enum Answer {
    /// Status, headers and body.
    Plain(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A body that is sent byte by byte, and never ends.
    Drip,
    /// A body without an end, as fast as possible.
    Endless,
    /// The connection is closed.
    Closed,
    /// Nothing is ever sent.
    Silence,
}

impl Answer {
    fn text(text: &str) -> Self {
        Self::Plain(200, Vec::new(), text.as_bytes().to_vec())
    }
}

#[derive(Debug, Default)]
struct State {
    texts: BTreeMap<String, String>,
    answers: BTreeMap<String, Answer>,
    is_down: bool,
    requests: Vec<String>,
}

/// A server on loopback, which ends with the process.
struct Server {
    state: Arc<Mutex<State>>,
    url: String,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let url = format!("http://{}/site/manifest.json", listener.local_addr().expect("bound"));
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || answer(&stream, &state));
            }
        });
        Self { state, url }
    }

    fn set(&self, path: &str, answer: Answer) {
        self.state
            .lock()
            .expect("no panic")
            .answers
            .insert(path.to_owned(), answer);
    }

    fn loader(&self) -> HttpLoader {
        let loader = HttpLoader::new(&self.url)
            .expect("a valid URL")
            .allow_private_addresses();
        loader
            .interval(Duration::from_millis(50))
            .timeout(Duration::from_secs(10))
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn manifest(texts: &BTreeMap<String, String>) -> String {
    let entries = texts
        .iter()
        .map(|(name, text)| (name.clone(), serde_json::json!({ "sha256": digest(text) })));
    let entries: serde_json::Map<String, serde_json::Value> = entries.collect();
    serde_json::json!({ "templates": entries }).to_string()
}

fn answer(mut stream: &TcpStream, state: &Mutex<State>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let wanted = head
        .lines()
        .find_map(|line| line.strip_prefix("if-none-match: "))
        .map(str::to_owned);
    let answer = {
        let mut state = state.lock().expect("no panic");
        state.requests.push(head);
        let whole = manifest(&state.texts);
        let etag = format!("\"{}\"", digest(&whole));
        match (state.answers.get(&path), path.strip_prefix("/site/")) {
            _ if state.is_down => Answer::Closed,
            (Some(answer), _) => answer.clone(),
            (None, Some("manifest.json")) if wanted.as_deref() == Some(etag.as_str()) => {
                Answer::Plain(304, Vec::new(), Vec::new())
            }
            (None, Some("manifest.json")) => Answer::Plain(200, vec![("etag", etag)], whole.into_bytes()),
            (None, Some(encoded)) => match state.texts.iter().find(|(name, _)| encode(name) == encoded) {
                Some((_, text)) => Answer::text(text),
                None => Answer::Plain(404, Vec::new(), Vec::new()),
            },
            _ => Answer::Plain(404, Vec::new(), Vec::new()),
        }
    };
    // A client that has left ends these writes.
    let _ = match answer {
        Answer::Plain(status, headers, body) => {
            let headers: String = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let length = if status == 304 {
                String::new()
            } else {
                format!("content-length: {}\r\n", body.len())
            };
            let head = format!("HTTP/1.1 {status} x\r\n{headers}{length}connection: close\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat())
        }
        Answer::Drip | Answer::Endless => {
            let is_drip = matches!(answer, Answer::Drip);
            let _ = stream.write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{");
            let block = if is_drip { vec![b' '; 1] } else { vec![b' '; 65_536] };
            while stream.write_all(&block).is_ok() {
                if is_drip {
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
                    let _ = stream.read(&mut byte);
                }
            }
            Ok(())
        }
        Answer::Closed => Ok(()),
        // Until the client gives up.
        Answer::Silence => stream.read(&mut byte).map(drop),
    };
}

fn encode(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

impl Fixture for Server {
    fn loader(&self) -> Box<dyn Loader> {
        Box::new(Self::loader(self))
    }

    fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
        let texts = &mut self.state.lock().expect("no panic").texts;
        for (name, text) in edits {
            match text {
                Some(text) => texts.insert((*name).into(), (*text).into()),
                None => texts.remove(*name),
            };
        }
    }

    fn set_down(&mut self, down: bool) -> bool {
        self.state.lock().expect("no panic").is_down = down;
        true
    }
}

#[test]
fn http_conforms() {
    check(&mut Server::start());
}

#[test]
fn an_unchanged_manifest_is_one_conditional_request_and_a_change_one_more() {
    let mut server = Server::start();
    server.edit(&[("a.html", Some("a")), ("b.html", Some("b"))]);
    let mut loader = Server::loader(&server);
    BlockingLoader::sync(&mut loader, Depth::Afresh).expect("loads");
    let count = || server.state.lock().expect("no panic").requests.len();
    assert_eq!(count(), 3);
    assert!(
        BlockingLoader::sync(&mut loader, Depth::Everything)
            .expect("loads")
            .is_empty()
    );
    assert_eq!(count(), 4);
    server
        .state
        .lock()
        .expect("no panic")
        .texts
        .insert("b.html".into(), "another b".into());
    let changes = BlockingLoader::sync(&mut loader, Depth::Hinted).expect("loads");
    assert_eq!(changes.changed.len(), 1);
    assert_eq!(server.state.lock().expect("no panic").requests.len(), 6);
}

#[test]
fn hostile_answers_change_nothing_and_the_next_good_one_is_taken() {
    let mut server = Server::start();
    server.edit(&[("a.html", Some("good"))]);
    let (url, loop_url) = (server.url.clone(), server.url.clone());
    let create = move || {
        let loader = HttpLoader::new(&url).expect("valid").allow_private_addresses();
        loader
            .interval(Duration::from_millis(20))
            .timeout(Duration::from_millis(500))
    };
    let hotplate = Hotplate::builder().loader_with(create).start().expect("starts");
    let html = vec![("content-type", "text/html".to_owned())];
    let page = b"<html>Please log in</html>".to_vec();
    let wrong = manifest(&BTreeMap::from([("a.html".to_owned(), "another text".to_owned())]));
    let cases = [
        ("manifest.json", Answer::Plain(500, Vec::new(), Vec::new()), "500"),
        ("manifest.json", Answer::Plain(404, Vec::new(), Vec::new()), "404"),
        (
            "manifest.json",
            Answer::Plain(302, vec![("location", loop_url)], Vec::new()),
            "redirected more than 3 times",
        ),
        ("manifest.json", Answer::Plain(200, html, page.clone()), "login page"),
        (
            "manifest.json",
            Answer::Plain(200, Vec::new(), b"{\"templates\": {".to_vec()),
            "is invalid",
        ),
        ("manifest.json", Answer::text(&wrong), "has not the digest"),
        ("manifest.json", Answer::Endless, "larger than"),
        ("manifest.json", Answer::Drip, "timeout"),
        ("manifest.json", Answer::Silence, "timeout"),
        ("manifest.json", Answer::Closed, "cannot be requested"),
    ];
    for (path, answer, reason) in cases {
        server.set(&format!("/site/{path}"), answer.clone());
        let error = || hotplate.health().loaders[0].error.clone().unwrap_or_default();
        super::wait_until(|| error().contains(reason), &|| {
            format!("{answer:?}: {reason}: {}", error())
        });
        assert_eq!(served(&hotplate, "a.html").as_deref(), Some("good"), "{reason}");
        server.state.lock().expect("no panic").answers.clear();
        super::wait_until(
            || {
                // A retry after an outage may be a while away, and an operator need not wait for it.
                let _ = super::block(hotplate.reload());
                error().is_empty()
            },
            &|| format!("recovery from {reason}: {}", error()),
        );
    }
    server.edit(&[("a.html", Some("better"))]);
    wait_for(&hotplate, "a.html", "better");
}

#[test]
fn a_file_that_is_too_large_is_refused_and_never_cut() {
    let mut server = Server::start();
    let large = "x".repeat(5_000);
    server.edit(&[
        ("a.html", Some("a")),
        ("large.html", Some(&large)),
        ("endless.html", Some("e")),
    ]);
    server.set("/site/endless.html", Answer::Endless);
    let changes = sync_once(&mut Server::loader(&server).text_bytes(1_000)).expect("loads");
    assert_eq!(changes.changed.len(), 1);
    let codes: Vec<_> = changes.unreadable.iter().map(|(_, faults)| faults[0].code).collect();
    assert_eq!(codes, ["too-large", "too-large"]);
}

#[test]
fn retry_after_is_told_to_the_engine() {
    let server = Server::start();
    for status in [429, 503] {
        let headers = vec![("retry-after", "7".to_owned())];
        server.set("/site/manifest.json", Answer::Plain(status, headers, Vec::new()));
        match sync_once(&mut Server::loader(&server)) {
            Err(LoaderError::Unavailable { retry_after, .. }) => assert_eq!(retry_after, Some(Duration::from_secs(7))),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn private_addresses_are_not_connected_unless_allowed() {
    let server = Server::start();
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let url = server.url.replace("127.0.0.1", host);
        let error = sync_once(&mut HttpLoader::new(&url).expect("valid"))
            .expect_err("refused")
            .to_string();
        assert!(error.contains("private or local"), "{host}: {error}");
    }
    assert!(server.state.lock().expect("no panic").requests.is_empty());
}

#[test]
fn the_token_may_rotate_and_is_not_sent_elsewhere() {
    let (mut server, mut other) = (Server::start(), Server::start());
    server.edit(&[("a.html", Some("a"))]);
    other.edit(&[("a.html", Some("a"))]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let mut loader = Server::loader(&server).token_file(&path);
    assert!(sync_once(&mut loader).expect_err("there is none").is_unavailable());
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).expect("writes");
        sync_once(&mut loader).expect("loads");
        let requests = std::mem::take(&mut server.state.lock().expect("no panic").requests);
        let sent = format!("authorization: Bearer {token}");
        assert!(requests.iter().all(|request| request.contains(&sent)), "{requests:?}");
    }
    server.set(
        "/site/manifest.json",
        Answer::Plain(
            302,
            vec![("location", other.url.replace("127.0.0.1", "localhost"))],
            Vec::new(),
        ),
    );
    let _ = sync_once(&mut loader);
    let requests = &other.state.lock().expect("no panic").requests;
    assert!(
        !requests.is_empty() && requests.iter().all(|request| !request.contains("Bearer")),
        "{requests:?}"
    );
}

#[test]
fn urls_are_checked() {
    for url in [
        "",
        "ftp://a/manifest.json",
        "manifest.json",
        "https://user:secret@a/manifest.json",
    ] {
        let error = HttpLoader::new(url).expect_err(url).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
