//! Requests that no client should send. Each is answered with a clear problem, in bounded memory, and affects no other client.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use hotplate::admin::{Admin, AdminError, AdminLimits};

use super::{SHOP, Served};
use crate::wire::{self as http, WAIT_MAX, connect, read};

#[test]
fn without_the_token_only_probes_are_answered() {
    let served = Served::with(&SHOP, Some("right-token"), |admin| admin);
    let ask = |path: &str, headers: &[(&str, &str)]| http::ask(served.address(), "GET", path, headers, "");
    for headers in [
        &[][..],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "Basic cmlnaHQ6")],
        &[("cookie", "hotplate_session=1.2")],
    ] {
        for path in [
            "/admin/v1/version",
            "/admin/v1/nothing",
            "/admin/v1/openapi.json",
            "/nothing",
            "/admin/v1/template/index.html",
        ] {
            let answer = ask(path, headers);
            assert_eq!(answer.status, 401, "{path} {headers:?}: {answer:?}");
            assert!(
                answer
                    .header("www-authenticate")
                    .is_some_and(|how| how.starts_with("Bearer"))
            );
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert!(!answer.body.contains("right-token") && !answer.body.contains("foot"));
        }
    }
    assert_eq!(
        http::ask(
            served.address(),
            "POST",
            "/admin/v1/reload",
            &[("authorization", "Bearer wrong")],
            ""
        )
        .status,
        401
    );
    assert_eq!(ask("/admin/v1/health/live", &[]).body, r#"{"status":"live"}"#);
    assert_eq!(
        ask("/admin/v1/version", &[("authorization", "bearer right-token")]).status,
        200
    );
}

#[test]
fn a_listener_that_cannot_start_names_the_reason() {
    let served = Served::start(&SHOP);
    let start = |address: String, token: Option<&str>| {
        let admin = Admin::new(served.hotplate.clone()).bind(address);
        token.into_iter().fold(admin, Admin::token).start()
    };
    let error = start("0.0.0.0:0".into(), None).expect_err("no token");
    assert!(matches!(error, AdminError::TokenRequired { .. }), "{error:?}");
    assert!(error.to_string().contains("token"), "{error}");
    assert!(matches!(
        start("127.0.0.1:0".into(), Some("")),
        Err(AdminError::UnusableToken)
    ));
    drop(start("0.0.0.0:0".into(), Some("token")).expect("starts"));
    let error = start(served.address().to_string(), None).expect_err("in use");
    assert!(matches!(error, AdminError::AddressInUse { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&format!("{} is in use", served.address())),
        "{error}"
    );
    assert!(matches!(start("nowhere".into(), None), Err(AdminError::Address { .. })));
}

#[test]
fn requests_of_other_sites_are_refused() {
    let served = Served::start(&SHOP);
    let rebound = served.ask("GET", "/admin/v1/version", &[("host", "evil.example")], "");
    assert_eq!(
        (rebound.status, rebound.json()["type"].as_str()),
        (403, Some("urn:hotplate:problem:host-not-known"))
    );
    let posted = served.ask("POST", "/admin/v1/reload", &[("origin", "https://evil.example")], "");
    assert_eq!(
        (posted.status, posted.json()["type"].as_str()),
        (403, Some("urn:hotplate:problem:another-site"))
    );
    assert!(
        served
            .get("/admin/v1/version")
            .header("access-control-allow-origin")
            .is_none()
    );
}

#[test]
fn wrong_requests_are_answered_with_problems() {
    let served = Served::start(&SHOP);
    let long = "x".repeat(2_000);
    let text = [("content-type", "text/plain")];
    let json = [("content-type", "application/json")];
    for (method, path, headers, body, status) in [
        ("GET", "/admin/v1/nothing", &[][..], "", 404),
        ("GET", "/admin/v1/", &[], "", 404),
        ("GET", "/nothing", &[], "", 404),
        ("GET", "/admin/v1/template/..%2f..%2fetc%2fpasswd", &[], "", 404),
        ("GET", "/admin/v1/template/", &[], "", 404),
        ("GET", &format!("/admin/v1/template/{long}"), &[], "", 404),
        ("GET", "/admin/v1/graph?around=nobody", &[], "", 404),
        ("GET", "/admin/v1/templates?limit=x", &[], "", 400),
        ("GET", "/admin/v1/templates?unknown=1", &[], "", 400),
        ("GET", "/admin/v1/diff", &[], "", 400),
        ("DELETE", "/admin/v1/version", &[], "", 405),
        ("GET", "/admin/v1/reload", &[], "", 405),
        ("POST", "/admin/v1/events", &[], "", 405),
        ("POST", "/admin/v1/reload?fulll=true", &[], "", 400),
        ("POST", "/admin/v1/rollback", &text, r#"{"to":1}"#, 415),
        ("POST", "/admin/v1/rollback", &[], r#"{"to":1}"#, 415),
        ("POST", "/admin/v1/rollback", &json, r#"{"to":-1}"#, 400),
        ("POST", "/admin/v1/rollback", &json, "", 400),
        ("POST", "/admin/v1/rollback", &json, "{", 400),
        (
            "POST",
            "/admin/v1/rollback",
            &json,
            r#"{"to":9223372036854775807}"#,
            404,
        ),
        (
            "POST",
            "/admin/v1/rollback",
            &json,
            r#"{"to":9223372036854775808}"#,
            400,
        ),
    ] {
        let answer = served.ask(method, path, headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{method} {path}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{method} {path}");
        assert!(
            problem["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("urn:hotplate:problem:"))
        );
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty() && detail.len() < 500)
        );
        assert_eq!(status == 405, answer.header("allow").is_some(), "{method} {path}");
    }
    let head = served.ask("HEAD", "/admin/v1/version", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn a_body_of_a_gibibyte_is_not_read() {
    let served = Served::start(&SHOP);
    let mut stream = connect(served.address());
    let head = format!(
        "POST /admin/v1/reload HTTP/1.1\r\nhost: {}\r\ncontent-length: 1073741824\r\n\r\n",
        served.address()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let answer = read(&mut stream);
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (413, Some("urn:hotplate:problem:too-large"))
    );

    // The body has no length and no end; the server closes the connection early.
    let mut stream = connect(served.address());
    let head = format!(
        "POST /admin/v1/rollback HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        served.address()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0_u64;
    while sent < 1 << 30 {
        match stream.write_all(chunk.as_bytes()) {
            Ok(()) => sent += 0x10000,
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "{error}"
                );
                break;
            }
        }
    }
    assert!(sent < 1 << 30, "{sent} bytes were taken");
    assert_eq!(served.get("/admin/v1/version").status, 200);
}

#[test]
fn a_client_that_sends_too_slowly_is_disconnected() {
    let mut limits = AdminLimits::default();
    limits.connection.request_ms = 1_000;
    let served = Served::with(&SHOP, None, |admin| admin.limits(limits));
    for begun in [
        "GET /admin/v1/version HTTP/1.1\r\nhost: localhost\r\nx-".to_owned(),
        "POST /admin/v1/rollback HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{".to_owned(),
    ] {
        let mut stream = connect(served.address());
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a limit");
        stream.write_all(begun.as_bytes()).expect("sent");
        let (since, mut answer) = (Instant::now(), Vec::new());
        loop {
            let mut some = [0; 1024];
            match stream.read(&mut some) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&some[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    // The client continues slowly, as long as that is possible.
                    let _ = stream.write_all(b"a");
                }
                Err(_) => break,
            }
            assert!(since.elapsed() < WAIT_MAX, "it is never cut off");
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    let since = Instant::now();
    // On a busy machine one second may be too little for any client.
    while served.get("/admin/v1/version").status != 200 {
        assert!(since.elapsed() < WAIT_MAX);
    }
}

#[test]
fn requests_beyond_the_rate_are_answered_429() {
    let limits = AdminLimits {
        changes_per_second: 1,
        changes_burst: 2,
        ..AdminLimits::default()
    };
    let served = Served::with(&SHOP, None, |admin| admin.limits(limits));
    let answers: Vec<_> = (0..10)
        .map(|_| served.ask("POST", "/admin/v1/reload", &[], ""))
        .collect();
    assert_eq!(answers[0].status, 200);
    let refused = answers
        .iter()
        .find(|answer| answer.status == 429)
        .expect("one is refused");
    assert_eq!(refused.json()["type"], "urn:hotplate:problem:too-many-requests");
    assert!(
        refused
            .header("retry-after")
            .and_then(|seconds| seconds.parse::<u32>().ok())
            .is_some_and(|seconds| seconds >= 1)
    );
    // Requests that only read are still answered.
    assert_eq!(served.get("/admin/v1/version").status, 200);
}

#[test]
fn requests_without_the_token_are_counted_apart() {
    let limits = AdminLimits {
        unauthenticated_per_second: 1,
        unauthenticated_burst: 2,
        changes_per_second: 1,
        changes_burst: 3,
        ..AdminLimits::default()
    };
    let served = Served::with(&SHOP, Some("right-token"), |admin| admin.limits(limits));
    let wrong = [("authorization", "Bearer wrong")];
    let strangers: Vec<_> = (0..20)
        .map(|_| http::ask(served.address(), "POST", "/admin/v1/reload", &wrong, "").status)
        .collect();
    assert_eq!(strangers[..2], [401, 401]);
    assert!(strangers.contains(&429), "{strangers:?}");
    for _ in 0..3 {
        assert_eq!(served.ask("POST", "/admin/v1/reload", &[], "").status, 200);
    }
    for path in ["/admin/v1/health/live", "/admin/v1/health/ready"] {
        let probes = (0..20).map(|_| http::ask(served.address(), "GET", path, &[], "").status);
        assert!(probes.into_iter().all(|status| status == 200), "{path}");
    }
}

#[test]
fn the_bounds_of_the_document_hold() {
    let served = Served::start(&SHOP);
    let json = [("content-type", "application/json")];
    let long = |bytes: usize| "x".repeat(bytes);
    for (depth, status) in [(1_000, 200), (1_001, 400)] {
        assert_eq!(
            served
                .get(&format!("/admin/v1/graph?around=alone.txt&depth={depth}"))
                .status,
            status
        );
    }
    for (limit, status) in [(0, 400), (1, 200), (1_000_000, 200), (1_000_001, 400)] {
        assert_eq!(served.get(&format!("/admin/v1/templates?limit={limit}")).status, status);
    }
    let (actor, too_long) = (long(100), long(101));
    for (actor, said) in [(&actor, "no such actor"), (&too_long, "100 bytes")] {
        let answer = served.ask("POST", "/admin/v1/reset", &json, &format!(r#"{{"actor":"{actor}"}}"#));
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(said), "{}", answer.body);
    }
    let (key, too_long) = (long(255), long(256));
    for (key, status) in [(key.as_str(), 200), (too_long.as_str(), 400), ("a b", 400)] {
        assert_eq!(
            served
                .ask("POST", "/admin/v1/reload", &[("idempotency-key", key)], "")
                .status,
            status
        );
    }
    let document = served.get_json("/admin/v1/openapi.json");
    let parameter = |path: &str, method: &str, name: &str| {
        let parameters = document["paths"][path][method]["parameters"]
            .as_array()
            .expect("parameters");
        let found = parameters.iter().find(|parameter| parameter["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["schema"].clone()
    };
    assert_eq!(parameter("/admin/v1/graph", "get", "depth")["maximum"], 1_000);
    let limit = parameter("/admin/v1/templates", "get", "limit");
    assert_eq!(
        (limit["minimum"].as_u64(), limit["maximum"].as_u64()),
        (Some(1), Some(1_000_000))
    );
    let key = parameter("/admin/v1/reload", "post", "Idempotency-Key");
    assert_eq!(
        (key["minLength"].as_u64(), key["maxLength"].as_u64()),
        (Some(1), Some(255))
    );
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["ResetRequest"]["properties"]["actor"]["maxLength"], 100);
    assert_eq!(schemas["LogLevelAnswer"]["properties"]["filter"]["maxLength"], 4_096);
    // A listener without a token requires none. With a token, every operation except the probes requires it.
    assert!(!document.to_string().contains("\"token\":[]"), "{document}");
    assert!(document["components"]["securitySchemes"]["token"].is_null());
    let with_token = Served::with(&SHOP, Some("right-token"), |admin| admin);
    let document = with_token.get_json("/admin/v1/openapi.json");
    assert!(document["paths"]["/admin/v1/reload"]["post"]["security"].is_array());
    assert!(document["components"]["securitySchemes"]["token"].is_object());
}
