//! Tests of the stream of events.

use std::io::{Read, Write};
use std::time::Instant;

use hotplate::admin::AdminLimits;
use serde_json::json;

use super::{SHOP, Served};
use crate::wire::{Events, WAIT_MAX, ask, connect};

#[test]
fn a_client_gets_the_current_state_and_then_each_event() {
    let served = Served::start(&SHOP);
    let mut events = Events::listen(served.address(), "/admin/v1/events", &[]);
    let current = events.next().expect("the first");
    assert_eq!(
        (current.event.as_str(), &current.json()["version"]),
        ("current", &json!(1))
    );
    served.edit("alone.txt", "two");
    let published = events.next().expect("the second");
    assert_eq!(
        (published.event.as_str(), &published.json()["changed"]["names"]),
        ("published", &json!(["alone.txt"]))
    );
    served.edit("part/foot.html", "{{ if x }}");
    let published = events.next_of("published");
    assert_eq!(published.json()["stale"]["count"], 3);
    let fallback = events.next_of("fallback").json();
    assert_eq!(
        (&fallback["serving"], &fallback["cause"]),
        (&json!("last-good"), &json!("part/foot.html"))
    );
}

#[test]
fn a_client_resumes_after_its_last_event() {
    let served = Served::start(&SHOP);
    let listen = |last: &str| Events::listen(served.address(), "/admin/v1/events", &[("last-event-id", last)]);
    let begin = Events::listen(served.address(), "/admin/v1/events", &[])
        .next()
        .expect("current")
        .id;
    for text in ["two", "three", "four"] {
        served.edit("alone.txt", text);
    }
    let mut back = listen(&begin);
    let versions: Vec<_> = (0..3)
        .map(|_| back.next_of("published").json()["version"].as_u64())
        .collect();
    assert_eq!(versions, [Some(2), Some(3), Some(4)]);

    let (origin, _) = begin.rsplit_once('-').expect("two parts");
    for strange in [
        &format!("{origin}-999999"),
        "0-3",
        "3",
        "",
        "future",
        "18446744073709551615",
        &"x".repeat(5_000),
    ] {
        let first = listen(strange).next().expect("the first");
        assert_eq!(
            (first.event.as_str(), &first.json()["version"]),
            ("current", &json!(4)),
            "{strange}"
        );
        assert_ne!(first.id, strange);
    }
}

#[test]
fn a_client_that_does_not_read_is_sent_lagged() {
    let limits = AdminLimits {
        events: 16,
        changes_per_second: 100_000,
        changes_burst: 100_000,
        ..AdminLimits::default()
    };
    let names: Vec<_> = (0..100)
        .map(|number| (format!("{}{number:03}.txt", "n".repeat(900)), "x"))
        .collect();
    let names: Vec<_> = names.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let served = Served::with(&names, None, |admin| admin.limits(limits));
    let mut lazy = connect(served.address());
    let request = format!("GET /admin/v1/events HTTP/1.1\r\nhost: {}\r\n\r\n", served.address());
    lazy.write_all(request.as_bytes()).expect("sent");
    let mut attentive = Events::listen(served.address(), "/admin/v1/events", &[]);
    // The event of each version has 90 KB, so the buffers of the slow client are soon full.
    let versions = 150;
    for version in 0..versions {
        served.memory_edit(names.iter().map(|(name, _)| (*name, format!("{version}"))));
        assert_eq!(served.ask("POST", "/admin/v1/reload", &[], "").status, 200);
        assert_eq!(attentive.next_of("published").json()["changed"]["count"], 100);
    }
    let mut told = String::new();
    lazy.read_to_string(&mut told).expect("it ends");
    assert!(
        told.contains("event: lagged\ndata: {\"missed\":"),
        "{} bytes",
        told.len()
    );
    assert!(told.matches("event: published").count() < versions);
    assert_eq!(served.get("/admin/v1/version").status, 200);
}

/// Signs in to the dashboard. Returns the cookie of the session.
fn sign_in(served: &Served) -> String {
    let answer = ask(served.address(), "POST", "/_hotplate/login", &[], "token=secret");
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").expect("a session");
    cookie.split(';').next().expect("a pair").to_owned()
}

#[test]
fn a_stream_ends_with_its_session() {
    let start = |session_ms: u64| {
        let limits = AdminLimits {
            sessions: 2,
            session_ms,
            ..AdminLimits::default()
        };
        Served::with(&SHOP, Some("secret"), |admin| admin.limits(limits))
    };
    let listen = |served: &Served, header: (&str, &str)| {
        let mut events = Events::listen(served.address(), "/_hotplate/live", &[header]);
        assert_eq!(events.next_of("vitals").event, "vitals");
        events
    };
    let served = start(600_000);
    let (first, second) = (sign_in(&served), sign_in(&served));
    let signed_out = listen(&served, ("cookie", &first));
    let mut goes_on = listen(&served, ("cookie", &second));
    let mut program = listen(&served, ("authorization", "Bearer secret"));
    let out = ask(served.address(), "POST", "/_hotplate/logout", &[("cookie", &first)], "");
    assert_eq!(out.status, 303);
    signed_out.read_to_end();
    // Two sessions are kept: the fourth takes the place of the second.
    sign_in(&served);
    goes_on.next_of("vitals");
    sign_in(&served);
    goes_on.read_to_end();
    program.next_of("vitals");
    // Sessions end with the listener, and so with its token.
    drop(served);
    program.read_to_end();

    let brief = start(1_000);
    let cookie = sign_in(&brief);
    listen(&brief, ("cookie", &cookie)).read_to_end();
    let refused = ask(brief.address(), "GET", "/_hotplate/live", &[("cookie", &cookie)], "");
    assert_eq!(refused.status, 401);
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_never_reads_is_disconnected() {
    let mut limits = AdminLimits {
        event_clients: 1,
        changes_per_second: 100_000,
        changes_burst: 100_000,
        ..AdminLimits::default()
    };
    limits.connection.stalled_ms = 500;
    let long = "n".repeat(900);
    let names: Vec<_> = (0..100).map(|number| format!("{long}{number:03}.txt")).collect();
    let texts: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let served = Served::with(&texts, None, |admin| admin.limits(limits));
    let mut lazy = connect(served.address());
    let request = format!("GET /admin/v1/events HTTP/1.1\r\nhost: {}\r\n\r\n", served.address());
    lazy.write_all(request.as_bytes()).expect("sent");
    let since = Instant::now();
    // The slow client holds the only slot until its connection is reset.
    for round in 0.. {
        served.memory_edit(names.iter().map(|name| (name.as_str(), format!("{round}"))));
        assert_eq!(served.ask("POST", "/admin/v1/reload", &[], "").status, 200);
        let mut stream = connect(served.address());
        stream.write_all(request.as_bytes()).expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("a status");
        if round > 0 && status.ends_with(b"200") {
            break;
        }
        assert!(since.elapsed() < WAIT_MAX, "it is never disconnected");
    }
    drop(lazy);
}

#[test]
fn slots_are_bounded_and_released() {
    let limits = AdminLimits {
        event_clients: 2,
        ..AdminLimits::default()
    };
    let served = Served::with(&SHOP, None, |admin| admin.limits(limits));
    let listen = || Events::listen(served.address(), "/admin/v1/events", &[]);
    let (first, second) = (listen(), listen());
    let refused = served.get("/admin/v1/events");
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (503, &json!("urn:hotplate:problem:busy"))
    );
    assert!(refused.header("retry-after").is_some());
    drop((first, second));
    let since = Instant::now();
    loop {
        let mut stream = connect(served.address());
        let request = format!("GET /admin/v1/events HTTP/1.1\r\nhost: {}\r\n\r\n", served.address());
        stream.write_all(request.as_bytes()).expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("a status");
        if status.ends_with(b"200") {
            break;
        }
        assert!(since.elapsed() < WAIT_MAX, "no slot is released");
        std::thread::yield_now();
    }
}

/// Measures the time until the last of a thousand clients gets an event. It asserts only a generous bound, because other work runs on the
/// machine.
#[test]
fn a_thousand_clients_get_an_event() {
    let served = Served::start(&SHOP);
    let clients = 1_000;
    let mut all: Vec<_> = (0..clients)
        .map(|_| Events::listen(served.address(), "/admin/v1/events", &[]))
        .collect();
    for client in &mut all {
        client.next_of("current");
    }
    let mut took = Vec::new();
    for round in 0..5 {
        let since = Instant::now();
        served.edit("alone.txt", &format!("round {round}"));
        for client in &mut all {
            client.next_of("published");
        }
        took.push(since.elapsed());
    }
    took.sort_unstable();
    eprintln!(
        "{clients} clients were told of a version within {:?} (median of {})",
        took[took.len() / 2],
        took.len()
    );
    assert!(took[0] < WAIT_MAX);
}
