//! The threads that act on the server while it is under load. Each one continues until the storm is over. None of them panics: findings are
//! recorded and reported at the end.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Answer, Client, connect};
use super::server::Server;
use super::site::{IN_PLACE, LARGE, RENAMED, Site, WAYS, Way, Wrong, is_whole_style, judge};
use super::{Phase, Soak, TOKEN};

/// `ETag`s whose contents are remembered.
const ETAGS: usize = 1_000;

/// Reads every page all the time, and returns how long good pages took, by phase, in microseconds.
pub(super) fn visit(soak: &Soak<'_>, first: usize) -> Vec<(Phase, u32)> {
    let mut client = Client::new(soak.pages, None);
    let mut took = Vec::new();
    for way in WAYS.into_iter().cycle().skip(first) {
        let phase = soak.phase();
        if phase == Phase::Over {
            break;
        }
        let asked = Instant::now();
        let answer = client.get(&way.path());
        // A page that is being repaired may take longer.
        if !matches!(way, Way::Loops | Way::Fails) {
            let micros = u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX);
            took.push((phase, micros));
        }
        if let Some(answer) = soak.answered(&way.path(), answer) {
            check(soak, way, &answer);
        }
        park_timeout(Duration::from_millis(1));
    }
    took
}

fn check(soak: &Soak<'_>, way: Way, answer: &Answer) {
    let said = || {
        format!(
            "{} {} {} of {}: {}",
            answer.status,
            answer.freshness,
            answer.version,
            way.path(),
            answer.body
        )
    };
    if !way.may_be(answer.status) {
        return soak.note("unexpected status", said);
    }
    if answer.status != 200 {
        return soak.count("absent");
    }
    soak.count("visits");
    match judge(way, &answer.body) {
        Ok(_) if soak.is_known(way, answer) => {}
        Ok(_) => soak.note("another text of the same version", said),
        Err(Wrong::Half) => soak.note("half", said),
        Err(Wrong::Mixed) => soak.note("mixed", said),
    }
}

/// Requests a page that loops, as fast as it is answered.
pub(super) fn hammer(soak: &Soak<'_>) {
    let mut client = Client::new(soak.pages, None);
    while matches!(soak.phase(), Phase::Busy | Phase::Looping) {
        if let Some(answer) = soak.answered("hammered", client.get(&Way::Hammered.path())) {
            check(soak, Way::Hammered, &answer);
        }
    }
}

/// Saves one page again and again, the last time whole and without errors.
pub(super) fn edit(soak: &Soak<'_>, way: Way) {
    let mut number = 1;
    while soak.is_stormy() {
        if let Err(error) = soak.site.edit(way, number) {
            soak.note("not saved", || format!("{way:?}: {error}"));
        }
        soak.count("edits");
        number += 1;
        park_timeout(way.pause());
    }
}

/// Saves static files, and reads them. A file that is written in place may be read half written, because static files have no versions; but
/// an `ETag` identifies one content.
pub(super) fn style(soak: &Soak<'_>) {
    let mut client = Client::new(soak.pages, None);
    let mut number = 1;
    let mut contents: HashMap<String, String> = HashMap::new();
    while soak.is_stormy() {
        if let Err(error) = soak.site.edit_styles(number) {
            soak.note("not saved", || error.to_string());
        }
        number += 1;
        for path in [RENAMED, IN_PLACE, RENAMED, IN_PLACE] {
            if let Some(answer) = soak.answered(path, client.get(path)) {
                check_style(soak, path, answer, &mut contents);
            }
            park_timeout(Duration::from_millis(15));
        }
        if contents.len() >= ETAGS {
            contents.clear();
        }
    }
}

fn check_style(soak: &Soak<'_>, path: &'static str, answer: Answer, contents: &mut HashMap<String, String>) {
    soak.count("static files");
    match is_whole_style(&answer.body) {
        _ if answer.status != 200 => {
            soak.note("unexpected status", || {
                format!("{} of {path}: {}", answer.status, answer.body)
            });
        }
        true => {}
        false if path == IN_PLACE => soak.count("static files seen while they were written"),
        false => soak.note("half", || format!("{path}: {}", answer.body)),
    }
    if !answer.etag.is_empty() {
        soak.count("static files with an ETag");
        let known = contents.entry(answer.etag).or_insert_with(|| answer.body.clone());
        if *known != answer.body {
            soak.note("two contents with one ETag", || {
                format!("{path}: {known} and {}", answer.body)
            });
        }
    }
}

/// A client that sends one byte at long intervals.
struct Dribbler {
    stream: TcpStream,
    rest: std::vec::IntoIter<u8>,
}

/// Sends heads byte by byte, and bodies that never end, on several connections.
pub(super) fn dribble(soak: &Soak<'_>) {
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx: {}", "a".repeat(100_000));
    let body = |path: &str| format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n");
    let kinds = [
        (soak.pages, head("/steady/"), 0),
        (soak.pages, body("/steady/"), usize::MAX),
        (soak.admin, head("/admin/v1/health/live"), 0),
        (soak.admin, body("/admin/v1/reload"), usize::MAX),
    ];
    let begin = |kind: usize| -> std::io::Result<Dribbler> {
        let (address, text, at_once) = &kinds[kind % kinds.len()];
        let mut stream = connect(*address)?;
        let (now, later) = text.as_bytes().split_at(text.len().min(*at_once));
        stream.write_all(now)?;
        let later = if later.is_empty() {
            vec![b'b'; 100_000]
        } else {
            later.to_vec()
        };
        let rest = later.into_iter();
        Ok(Dribbler { stream, rest })
    };
    let mut clients: Vec<Option<Dribbler>> = (0..16).map(|_| None).collect();
    while soak.is_stormy() {
        for (kind, client) in clients.iter_mut().enumerate() {
            let Some(dribbler) = client else {
                soak.count("slow clients");
                *client = begin(kind).ok();
                continue;
            };
            let byte = dribbler.rest.next();
            if byte.is_none_or(|byte| dribbler.stream.write_all(&[byte]).is_err()) {
                *client = None;
            }
        }
        park_timeout(Duration::from_millis(50));
    }
}

/// Requests a large page on several connections, and reads nothing.
pub(super) fn never_read(soak: &Soak<'_>) {
    let deaf = || {
        let mut stream = connect(soak.pages).ok()?;
        let request = format!("GET {LARGE} HTTP/1.1\r\nhost: localhost\r\n\r\n").repeat(20);
        stream.write_all(request.as_bytes()).ok()?;
        soak.count("dead clients");
        Some(stream)
    };
    while soak.is_stormy() {
        let held: Vec<_> = (0..8).filter_map(|_| deaf()).collect();
        let until = Instant::now() + Duration::from_secs(2);
        while soak.is_stormy() && Instant::now() < until {
            park_timeout(Duration::from_millis(50));
        }
        drop(held);
    }
}

/// Sends every request that an operator may send, with the token.
pub(super) fn ask_admin(soak: &Soak<'_>) {
    let paths = [
        "health",
        "version",
        "versions",
        "templates",
        "template/steady/index.html",
        "template/loops/index.html",
        "graph",
        "metrics",
        "openapi.json",
        "log-level",
    ];
    let mut client = Client::new(soak.admin, Some(TOKEN));
    for path in paths.into_iter().cycle().take_while(|_| soak.is_stormy()) {
        let path = format!("/admin/v1/{path}");
        soak.expect(&path, client.get(&path), &[200, 429]);
        park_timeout(Duration::from_micros(500));
    }
}

/// Sends requests without a token, or with a wrong one.
pub(super) fn ask_as_a_stranger(soak: &Soak<'_>, token: Option<&str>) {
    let mut client = Client::new(soak.admin, token);
    let asks = [
        ("GET", "/admin/v1/health", ""),
        ("POST", "/admin/v1/reload", ""),
        ("POST", "/admin/v1/rollback", "{\"to\": 1}"),
        ("GET", "/admin/v1/events", ""),
    ];
    for (method, path, body) in asks.into_iter().cycle().take_while(|_| soak.is_stormy()) {
        soak.expect(path, client.ask(method, path, body), &[401, 429]);
        park_timeout(Duration::from_millis(1));
    }
}

/// Reloads, and sometimes rolls back to an earlier version for a moment.
pub(super) fn change(soak: &Soak<'_>) {
    let mut client = Client::new(soak.admin, Some(TOKEN));
    let mut turn = 0_usize;
    while soak.is_stormy() {
        turn += 1;
        soak.expect("reload", client.ask("POST", "/admin/v1/reload", ""), &[200, 429]);
        if turn.is_multiple_of(8)
            && let Some(to) = earlier(soak, &mut client, turn)
        {
            let to = json!({ "to": to }).to_string();
            // The version may no longer be kept.
            soak.expect(
                "rollback",
                client.ask("POST", "/admin/v1/rollback", &to),
                &[200, 404, 429],
            );
            park_timeout(Duration::from_millis(200));
            soak.expect("resume", client.ask("POST", "/admin/v1/resume", ""), &[200, 429]);
        }
        park_timeout(Duration::from_millis(100));
    }
}

/// Returns an earlier version that is kept.
fn earlier(soak: &Soak<'_>, client: &mut Client, turn: usize) -> Option<Value> {
    let answer = soak.answered("versions", client.get("/admin/v1/versions"))?;
    let answer: Value = serde_json::from_str(&answer.body).ok()?;
    let versions = answer["versions"].as_array()?;
    Some(versions.get(turn % versions.len().max(1))?["version"].clone())
}

/// Listens to events for a moment, again and again.
pub(super) fn listen(soak: &Soak<'_>, reads: bool) {
    let request = format!("GET /admin/v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    let mut turn = 0;
    while soak.is_stormy() {
        turn += 1;
        let listen = || -> std::io::Result<()> {
            let mut stream = connect(soak.admin)?;
            stream.write_all(request.as_bytes())?;
            stream.set_read_timeout(Some(Duration::from_millis(20)))?;
            let until = Instant::now() + Duration::from_millis(turn * 37 % 500);
            while reads && Instant::now() < until && soak.is_stormy() {
                match stream.read(&mut [0; 4096]) {
                    Ok(0) => break,
                    Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            park_timeout(until.saturating_duration_since(Instant::now()));
            Ok(())
        };
        if let Err(error) = listen() {
            soak.note("unanswered", || format!("events: {error}"));
        }
        soak.count("listeners");
    }
}

/// Changes the settings and sends SIGHUP to the server.
pub(super) fn hang_up(soak: &Soak<'_>, server: &Server) {
    let mut number = 0;
    while soak.is_stormy() {
        if let Err(error) = soak.site.configure(number) {
            soak.note("not saved", || error.to_string());
        }
        server.signal("HUP");
        soak.count("hangups");
        number += 1;
        let until = Instant::now() + Duration::from_secs(2);
        while soak.is_stormy() && Instant::now() < until {
            park_timeout(Duration::from_millis(50));
        }
    }
}

/// Sends the liveness and readiness probes, each on a new connection as an orchestrator does.
pub(super) fn probe(soak: &Soak<'_>) {
    while soak.is_stormy() {
        for path in ["/admin/v1/health/live", "/admin/v1/health/ready"] {
            let asked = Instant::now();
            soak.expect(path, Client::new(soak.admin, None).get(path), &[200]);
            soak.probed(asked.elapsed());
        }
        park_timeout(Duration::from_millis(50));
    }
}

/// Requests everything once more, and checks that each answer is the text that was saved last.
pub(super) fn ask_for_all(soak: &Soak<'_>, address: SocketAddr, number: u64) -> Result<(), String> {
    let mut client = Client::new(address, None);
    for way in WAYS.into_iter().filter(|way| *way != Way::Steady) {
        let path = way.path();
        let Some(answer) = soak.answered(&path, client.get(&path)) else {
            return Err(format!("{path} is not answered"));
        };
        if answer.freshness != "current" || judge(way, &answer.body) != Ok(number) {
            return Err(format!(
                "{path}: {} {} {}",
                answer.status, answer.freshness, answer.body
            ));
        }
    }
    for path in [RENAMED, IN_PLACE] {
        let answer = soak.answered(path, client.get(path));
        if answer.is_none_or(|answer| answer.body != Site::style(number)) {
            return Err(format!("{path} is not what was saved last"));
        }
    }
    Ok(())
}
