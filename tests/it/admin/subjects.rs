//! Subjects with tokens of their own: what each may do over HTTP.

use hotplate::admin::{Subject, token_hash};
use serde_json::json;

use super::Served;

const TEMPLATES: &[(&str, &str)] = &[("a.html", "a")];

/// Starts a listener with one token for everything, and a subject for each of some entries `(token, tenants, may)`.
fn served(subjects: &[(&str, &str, &str)]) -> Served {
    Served::with(TEMPLATES, Some("everything"), |admin| {
        subjects.iter().fold(admin, |admin, (token, tenants, may)| {
            let entry = format!(
                "name = {token}; token_hash = {}; tenants = {tenants}; may = {may}",
                token_hash(token)
            );
            admin.subject(Subject::parse(&entry).expect("a subject"))
        })
    })
}

/// Sends a request with a token and returns its status.
fn status(served: &Served, token: &str, method: &str, path: &str, body: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    super::http::ask(served.address(), method, path, &headers, body).status
}

#[test]
fn each_subject_may_do_what_is_listed() {
    let served = served(&[
        ("reader", "*", "read"),
        ("publisher", "*", "read, publish"),
        ("boss", "*", "admin"),
        ("acme", "acme", "read"),
    ]);
    let requests = [
        ("GET", "/admin/v1/version"),
        ("GET", "/admin/v1/versions"),
        ("GET", "/admin/v1/template/a.html"),
        ("POST", "/admin/v1/reload"),
        ("POST", "/admin/v1/reset"),
        ("GET", "/admin/v1/wombat"),
    ];
    for (token, expected) in [
        ("everything", [200, 200, 200, 200, 200, 404]),
        ("boss", [200, 200, 200, 200, 200, 404]),
        ("publisher", [200, 200, 200, 200, 403, 403]),
        ("reader", [200, 200, 200, 403, 403, 403]),
        // What one may not read looks like what does not exist.
        ("acme", [403, 403, 404, 403, 403, 403]),
        ("nobody", [401, 401, 401, 401, 401, 401]),
    ] {
        let found = requests.map(|(method, path)| {
            let body = if path.ends_with("reset") {
                "{\"actor\": \"engine\"}"
            } else {
                ""
            };
            status(&served, token, method, path, body)
        });
        assert_eq!(found, expected, "{token}");
    }
    // Whether the template exists makes no difference to those who may not read it.
    let ask = |path: &str| {
        let answer = super::http::ask(served.address(), "GET", path, &[("authorization", "Bearer acme")], "");
        answer.body.replace(path, "PATH")
    };
    assert_eq!(ask("/admin/v1/template/a.html"), ask("/admin/v1/template/b.html"));
}

#[test]
fn a_problem_says_what_is_needed() {
    let served = served(&[("reader", "*", "read")]);
    let headers = [("authorization", "Bearer reader")];
    let answer = super::http::ask(served.address(), "POST", "/admin/v1/reload", &headers, "");
    let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(problem["type"], "urn:hotplate:problem:forbidden");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("`reader`") && detail.contains("`publish`"), "{detail}");
}

#[test]
fn a_change_names_the_subject() {
    let served = served(&[("ci", "*", "read, publish")]);
    let first = served.hotplate.snapshot().version().number();
    served.edit("a.html", "b");
    let post = |path: &str, body: &str| status(&served, "ci", "POST", path, body);
    assert_eq!(post("/admin/v1/reload", ""), 200);
    let back = json!({ "to": first, "by": "alice", "reason": "a test" }).to_string();
    assert_eq!(post("/admin/v1/rollback", &back), 200);
    assert_eq!(post("/admin/v1/resume", ""), 200);
    let causes = served.get_json("/admin/v1/versions").to_string();
    assert!(causes.contains("\"by\":\"ci for alice\""), "{causes}");
    assert!(causes.contains("\"by\":\"ci\""), "{causes}");
}

#[test]
fn a_session_of_the_dashboard_may_do_no_more() {
    let served = served(&[("reader", "*", "read")]);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = super::http::ask(served.address(), "POST", "/_hotplate/login", &form, "token=reader");
    let cookie = answer.header("set-cookie").expect("a session");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let with = |method: &str, path: &str| {
        let headers = [("cookie", cookie.as_str()), form[0]];
        super::http::ask(served.address(), method, path, &headers, "").status
    };
    assert_eq!(with("GET", "/_hotplate/"), 200);
    assert_eq!(with("GET", "/_hotplate/versions"), 200);
    assert_eq!(with("POST", "/_hotplate/do/reload"), 403);
    assert_eq!(with("POST", "/_hotplate/do/reset"), 403);
    assert_eq!(with("POST", "/_hotplate/logout"), 303);
}
