//! Tests of the admin API over HTTP.

mod bad_input;
mod document;
mod events;
mod hooks;
mod operations;
mod subjects;

use std::io::Write;
use std::net::SocketAddr;

use hotplate::admin::{Admin, AdminHandle, AdminLimits, LogLevel};
use hotplate::{Hotplate, Limits, MemoryHandle, MemoryLoader, TemplateName};
use serde_json::{Value, json};

use crate::wire::{self as http, Answer};

/// An engine over templates in memory, and its admin listener.
pub(crate) struct Served {
    pub(crate) hotplate: Hotplate,
    memory: MemoryHandle,
    admin: AdminHandle,
    token: Option<&'static str>,
}

pub(crate) fn name(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a name")
}

impl Served {
    pub(crate) fn start(templates: &[(&str, &str)]) -> Self {
        Self::with(templates, None, |admin| admin)
    }

    pub(crate) fn with(
        templates: &[(&str, &str)],
        token: Option<&'static str>,
        set: impl FnOnce(Admin) -> Admin,
    ) -> Self {
        Self::limited(templates, Limits::default(), token, set)
    }

    fn limited(
        templates: &[(&str, &str)],
        limits: Limits,
        token: Option<&'static str>,
        set: impl FnOnce(Admin) -> Admin,
    ) -> Self {
        let (loader, memory) = MemoryLoader::new();
        memory.edit(templates.iter().map(|(path, text)| (name(path), Some(*text))));
        let hotplate = Hotplate::builder()
            .loader(loader)
            .limits(limits)
            .start()
            .expect("starts");
        let admin = Admin::new(hotplate.clone()).bind("127.0.0.1:0");
        let admin = token.into_iter().fold(admin, Admin::token);
        let admin = set(admin).start().expect("listens");
        Self {
            hotplate,
            memory,
            admin,
            token,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Edits a template and waits until the edit is published or reported.
    pub(crate) fn edit(&self, path: &str, text: &str) {
        self.memory.set(name(path), text);
        let answer = self.ask("POST", "/admin/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Edits templates and waits until the edits are published or reported.
    pub(crate) fn edit_all(&self, texts: impl Iterator<Item = (String, String)>) {
        let texts: Vec<_> = texts.collect();
        self.memory_edit(texts.iter().map(|(path, text)| (path.as_str(), text.clone())));
        let answer = self.ask("POST", "/admin/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn memory_edit<'n>(&self, texts: impl Iterator<Item = (&'n str, String)>) {
        self.memory.edit(texts.map(|(path, text)| (name(path), Some(text))));
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = self.token.map(|token| format!("Bearer {token}"));
        let mut headers = headers.to_vec();
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        http::ask(self.address(), method, path, &headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], &body.to_string())
    }
}

pub(crate) const SHOP: [(&str, &str); 4] = [
    ("index.html", "<h1>{title}</h1>{{ call part/foot.html with title }}"),
    ("about.html", "about {{ call part/foot.html with title }}"),
    ("part/foot.html", "<p>foot</p>"),
    ("alone.txt", "alone"),
];

/// Returns the names in a list of an answer.
fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter()
        .map(|item| item["name"].as_str().or(item.as_str()).expect("a name"))
        .collect()
}

#[test]
fn the_api_shows_the_served_version() {
    let served = Served::start(&SHOP);
    let version = served.get_json("/admin/v1/version");
    assert_eq!(
        (version["version"].as_u64(), version["desired_version"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(version["templates"], json!({"current": 4, "stale": 0, "broken": 0}));
    let templates = served.get_json("/admin/v1/templates");
    assert_eq!(
        names(&templates["templates"]),
        ["about.html", "alone.txt", "index.html", "part/foot.html"]
    );
    assert!(templates["templates"][0]["content"].is_null());
    let templates = served.get_json("/admin/v1/templates?content=true&search=FOOT");
    assert_eq!(templates["templates"][0]["content"], "<p>foot</p>");

    let foot = served.get_json("/admin/v1/template/part/foot.html");
    assert_eq!(names(&foot["dependents"]), ["about.html", "index.html"]);
    assert_eq!(
        (&foot["content"], &foot["status"]),
        (&json!("<p>foot</p>"), &json!("current"))
    );
    assert_eq!(foot["stats"]["last_render_ms"], Value::Null);
    served
        .hotplate
        .render("index.html", &json!({"title": "t"}))
        .expect("renders");
    let index = served.get_json("/admin/v1/template/index.html");
    assert_eq!(
        index["dependencies"],
        json!([{"name": "part/foot.html", "exists": true}])
    );
    assert_eq!(index["stats"]["renders"], 1);
    assert!(
        index["stats"]["last_render_ms"]
            .as_u64()
            .is_some_and(|ms| ms > 1_600_000_000_000)
    );

    let graph = served.get_json("/admin/v1/graph");
    assert_eq!(graph["edges"].as_array().map(Vec::len), Some(2));
    let near = served.get_json("/admin/v1/graph?around=alone.txt");
    assert_eq!(names(&near["nodes"]), ["alone.txt"]);
}

/// An edit that compiles and fails in a render makes a template stale in every answer, like an edit that does not compile.
#[test]
fn a_template_that_fails_in_renders_is_stale_everywhere() {
    let served = Served::start(&SHOP);
    let render = || {
        served
            .hotplate
            .render("index.html", &json!({"title": "t"}))
            .expect("renders")
    };
    render();
    served.edit("part/foot.html", "<p>{titel}</p>");
    assert_eq!(render().body, "<h1>t</h1><p>foot</p>");
    let not_current = served.hotplate.not_current();
    assert_eq!(not_current.len(), 1, "{not_current:?}");
    let version = served.get_json("/admin/v1/version");
    assert_eq!(version["templates"], json!({"current": 3, "stale": 1, "broken": 0}));
    let stale = served.get_json("/admin/v1/templates?status=stale");
    assert_eq!(names(&stale["templates"]), ["index.html"]);
    let index = served.get_json("/admin/v1/template/index.html");
    assert_eq!((&index["status"], &index["since"]), (&json!("stale"), &json!(1)));
    let near = served.get_json("/admin/v1/graph?around=index.html");
    assert_eq!(near["nodes"][0]["status"], "stale");
    let metrics = served.ask("GET", "/admin/v1/metrics", &[], "").body;
    assert!(metrics.contains("hotplate_entries{status=\"stale\"} 1\n"), "{metrics}");
    let dashboard = served.ask("GET", "/_hotplate/", &[], "").body;
    assert!(dashboard.contains("1 serving last good"), "{dashboard}");

    served.edit("part/foot.html", "<p>new</p>");
    render();
    let version = served.get_json("/admin/v1/version");
    assert_eq!(version["templates"], json!({"current": 4, "stale": 0, "broken": 0}));
}

#[test]
fn a_reload_returns_its_result_and_the_errors() {
    let served = Served::start(&SHOP);
    let unchanged = served.ask("POST", "/admin/v1/reload", &[], "").json();
    assert_eq!(
        (&unchanged["outcome"], &unchanged["version"]),
        (&json!("unchanged"), &json!(1))
    );

    served.memory.set(name("part/foot.html"), "{{ if x }}");
    let broken = served.ask("POST", "/admin/v1/reload?full=true", &[], "").json();
    assert_eq!(broken["diagnostics"][0]["code"], "unclosed-block");
    assert!(
        broken["diagnostics"][0]["text"]
            .as_str()
            .is_some_and(|text| text.contains("part/foot.html:1:1") && text.contains("^^^"))
    );
    let version = served.get_json("/admin/v1/version");
    assert_eq!(version["templates"], json!({"current": 1, "stale": 3, "broken": 0}));
    assert_eq!(
        version["desired_version"].as_u64(),
        version["version"].as_u64().map(|live| live + 1),
        "something is stale"
    );

    let index = served.get_json("/admin/v1/template/index.html");
    assert_eq!(
        (&index["status"], &index["since"], &index["cause"]),
        (&json!("stale"), &json!(1), &json!("part/foot.html"))
    );
    assert_eq!(index["diagnostics"][0]["chain"][0]["template"], "index.html");
    let stale = served.get_json("/admin/v1/templates?status=stale&limit=2");
    assert_eq!(
        (names(&stale["templates"]), &stale["next"]),
        (vec!["about.html", "index.html"], &json!("index.html"))
    );
    let rest = served.get_json("/admin/v1/templates?status=stale&limit=2&after=index.html");
    assert_eq!(
        (names(&rest["templates"]), &rest["next"]),
        (vec!["part/foot.html"], &Value::Null)
    );
}

/// Templates are found like pages: the encoding of accents cannot be seen in a name.
#[test]
fn a_template_is_found_in_either_encoding_of_accents() {
    let served = Served::start(&[("nai\u{308}ve.html", "x")]);
    for spelling in ["na%C3%AFve.html", "nai%CC%88ve.html"] {
        let template = served.get_json(&format!("/admin/v1/template/{spelling}"));
        assert_eq!(template["name"], "nai\u{308}ve.html", "{spelling}");
        let graph = served.get_json(&format!("/admin/v1/graph?around={spelling}"));
        assert_eq!(graph["nodes"][0]["name"], "nai\u{308}ve.html", "{spelling}");
    }
}

#[test]
fn an_operator_compares_rolls_back_and_resumes() {
    let served = Served::start(&SHOP);
    served.edit("alone.txt", "one\ntwo\n");
    served.edit("alone.txt", "one\nthree\n");
    let diff = served.get_json("/admin/v1/diff?from=2&content=true");
    assert_eq!(names(&diff["templates"]), ["alone.txt"]);
    let unified = diff["templates"][0]["unified"].as_str().expect("lines");
    assert!(unified.contains("-two\n") && unified.contains("+three\n"), "{unified}");

    let back = served.post_json("/admin/v1/rollback", &json!({"to": 1})).json();
    assert!(
        back["notice"]
            .as_str()
            .is_some_and(|notice| notice.contains("without a store a restart forgets")),
        "{back}"
    );
    assert_eq!((&back["outcome"], &back["version"]), (&json!("published"), &json!(4)));
    assert_eq!(served.get_json("/admin/v1/template/alone.txt")["content"], "alone");
    let versions = served.get_json("/admin/v1/versions");
    assert_eq!((&versions["held"], &versions["current"]), (&json!(true), &json!(4)));
    let known: Vec<_> = versions["versions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| &version["version"])
        .collect();
    assert_eq!(known, [4, 3, 2, 1]);

    // Nothing differs but what waits, and the API says what that is and why.
    let reload = served.ask("POST", "/admin/v1/reload", &[], "").json();
    assert_eq!(
        (&reload["outcome"], &reload["waiting"]),
        (&json!("held"), &json!({"count": 1, "names": ["alone.txt"]}))
    );
    let waiting = &versions["waiting"]["templates"][0];
    assert_eq!(
        (&waiting["name"], &waiting["change"], &waiting["since"]),
        (&json!("alone.txt"), &json!("changed"), &json!(4))
    );
    assert_eq!(waiting["cause"]["by"], "admin API");
    let diff = served.get_json("/admin/v1/diff?from=4&to=source&content=true");
    let unified = diff["templates"][0]["unified"].as_str().expect("lines");
    assert!(unified.contains("-alone") && unified.contains("+three\n"), "{unified}");
    assert_eq!(served.get("/admin/v1/diff?from=4&to=sauce").status, 400);
    served.edit("index.html", "another page");
    assert_eq!(
        served.get_json("/admin/v1/template/index.html")["content"],
        "another page"
    );
    assert_eq!(served.get_json("/admin/v1/template/alone.txt")["content"], "alone");
    assert_eq!(
        served.ask("POST", "/admin/v1/resume", &[], "").json()["outcome"],
        "published"
    );
    assert_eq!(
        served.get_json("/admin/v1/template/alone.txt")["content"],
        "one\nthree\n"
    );
    // A text that does not compile is shown by a comparison with the sources.
    served.edit("alone.txt", "{{ if }} broken");
    let diff = served.get_json("/admin/v1/diff?from=4&to=source&content=true");
    let unified = diff["templates"].to_string();
    assert!(unified.contains("+{{ if }} broken"), "{unified}");
    served.edit("alone.txt", "fixed");
    assert_eq!(
        served.ask("POST", "/admin/v1/resume", &[], "").json()["outcome"],
        "unchanged"
    );

    let gone = served.post_json("/admin/v1/rollback", &json!({"to": 99}));
    assert_eq!(
        (gone.status, &gone.json()["type"]),
        (404, &json!("urn:hotplate:problem:version-not-kept"))
    );
    assert_eq!(served.get("/admin/v1/diff?from=99").status, 404);
}

#[test]
fn a_change_has_a_cause_and_may_expect_a_version() {
    let served = Served::start(&SHOP);
    served.edit("alone.txt", "two");
    let cause_of = |version: usize| {
        let versions = served.get_json("/admin/v1/versions");
        let mut known = versions["versions"].as_array().expect("a list").iter();
        let found = known.find(|known| known["version"] == version);
        found.expect("is known")["cause"].clone()
    };
    assert_eq!(
        cause_of(1),
        json!({"by": "loader templates in memory", "reason": null, "trace": null})
    );
    // The loader may have noticed the edit before the reload asked for it.
    let edited = cause_of(2);
    assert!(edited["by"] == "admin API" || edited == cause_of(1), "{edited}");

    let json = ("content-type", "application/json");
    let tag = served
        .get("/admin/v1/version")
        .header("etag")
        .expect("a tag")
        .to_owned();
    assert_eq!(tag, "\"2\"");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let seen = [json, ("if-match", tag.as_str()), ("traceparent", parent.as_str())];
    let back = r#"{"to": 1, "by": "alice", "reason": "incident 4711"}"#;
    assert_eq!(served.ask("POST", "/admin/v1/rollback", &seen, back).status, 200);
    let alice = json!({"by": "alice", "reason": "incident 4711", "trace": trace});
    assert_eq!(cause_of(3), alice);
    for (path, body) in [("rollback", r#"{"to": 2}"#), ("resume", "{}")] {
        let late = served.ask("POST", &format!("/admin/v1/{path}"), &seen, body);
        assert_eq!(
            (late.status, &late.json()["type"]),
            (412, &json!("urn:hotplate:problem:conflict"))
        );
        let detail = late.json()["detail"].as_str().expect("words").to_owned();
        for part in ["version 3 is served and not 2", "alice: incident 4711", trace] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
    }
    assert_eq!(served.get_json("/admin/v1/version")["version"], 3, "nothing was done");
    let resume = served.ask("POST", "/admin/v1/resume", &[json], r#"{"by": "bob"}"#);
    assert_eq!((resume.status, cause_of(4)["by"].as_str()), (200, Some("bob")));
    let long = json!({"to": 1, "reason": "x".repeat(1025)});
    assert_eq!(served.post_json("/admin/v1/rollback", &long).status, 422);
}

#[test]
fn a_request_with_a_key_is_carried_out_once() {
    let served = Served::start(&SHOP);
    served.edit("alone.txt", "two");
    let headers = [("content-type", "application/json"), ("idempotency-key", "abc")];
    let first = served.ask("POST", "/admin/v1/rollback", &headers, r#"{"to":1}"#);
    let again = served.ask("POST", "/admin/v1/rollback", &headers, r#"{"to":1}"#);
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(served.get_json("/admin/v1/version")["version"], 3);
    let other = served.ask("POST", "/admin/v1/rollback", &headers, r#"{"to":2}"#);
    assert_eq!(other.status, 422, "{other:?}");
}

/// A log whose filter is only a text.
#[derive(Default)]
struct Log(std::sync::Mutex<String>);

impl LogLevel for Log {
    fn filter(&self) -> String {
        self.0.lock().expect("no panic").clone()
    }

    fn set_filter(&self, filter: &str) -> Result<(), String> {
        if filter.contains('!') {
            return Err("a filter has no `!`".into());
        }
        *self.0.lock().expect("no panic") = filter.into();
        Ok(())
    }
}

#[test]
fn the_program_changes_the_filter_of_the_log() {
    let served = Served::with(&SHOP, None, |admin| admin.log_level(Log::default()));
    let put = |filter: &str| {
        served.ask(
            "PUT",
            "/admin/v1/log-level",
            &[("content-type", "application/json")],
            &json!({"filter": filter}).to_string(),
        )
    };
    assert_eq!(put("debug").json()["filter"], "debug");
    assert_eq!(served.get_json("/admin/v1/log-level")["filter"], "debug");
    let refused = put("!");
    assert_eq!(
        (refused.status, &refused.json()["detail"]),
        (422, &json!("a filter has no `!`"))
    );
    assert_eq!(Served::start(&SHOP).get("/admin/v1/log-level").status, 404);
}

#[test]
fn the_engine_is_not_ready_while_every_page_is_broken() {
    let served = Served::start(&[("a.html", "{{ if x }}"), ("b.html", "{{ call a.html with x }}")]);
    let probe = served.get("/admin/v1/health/ready");
    assert_eq!((probe.status, &probe.json()["status"]), (503, &json!("not-ready")));
    let reasons = probe.json()["reasons"].to_string();
    assert!(reasons.contains("no page can be served: all 2 are broken"), "{reasons}");
    served.edit("c.html", "one that is good");
    assert_eq!(served.get("/admin/v1/health/ready").status, 200);
    served.edit("c.html", "{{ if x }}");
    assert_eq!(
        served.get("/admin/v1/health/ready").status,
        200,
        "its last good version is served"
    );
}

#[test]
fn the_listener_outlives_the_engine() {
    let served = Served::start(&SHOP);
    assert_eq!(served.get_json("/admin/v1/health")["ready"], true);
    assert_eq!(served.get_json("/admin/v1/health/ready")["status"], "ready");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    assert!(runtime.block_on(served.hotplate.shutdown(http::WAIT_MAX)));
    let reload = served.ask("POST", "/admin/v1/reload", &[], "");
    assert_eq!(
        (reload.status, &reload.json()["type"]),
        (503, &json!("urn:hotplate:problem:down"))
    );
    assert_eq!(served.get("/admin/v1/health/live").status, 200);
    assert_eq!(served.get_json("/admin/v1/version")["version"], 1);
}

#[test]
fn open_circuit_breakers_are_named() {
    let limits = Limits {
        render_steps: 10,
        breaker_failures: 2,
        breaker_pause_ms: 600_000,
        ..Limits::default()
    };
    let served = Served::limited(&[("costly.html", "one {name}")], limits, None, |admin| admin);
    let render = || {
        served
            .hotplate
            .render("costly.html", &json!({"name": "you"}))
            .map(|rendered| rendered.body)
    };
    let shown = || served.get("/_hotplate/").body;
    assert_eq!(render().expect("renders"), "one you");
    served.edit("costly.html", &"{name}".repeat(100));
    let health = served.get_json("/admin/v1/health");
    assert_eq!((&health["breakers_open"], &health["breakers"]), (&json!(0), &json!([])));
    assert_eq!(
        served.get_json("/admin/v1/template/costly.html")["breaker"],
        Value::Null
    );
    assert!(!shown().contains("in 10 min"));
    for _ in 0..3 {
        assert_eq!(render().expect("the last good version"), "one you");
    }
    let health = served.get_json("/admin/v1/health");
    let breaker = &health["breakers"][0];
    assert_eq!((&health["breakers_open"], &health["ready"]), (&json!(1), &json!(true)));
    assert_eq!(
        (&breaker["template"], &breaker["trying"]),
        (&json!("costly.html"), &json!(false))
    );
    let ms = |field: &str| breaker[field].as_u64().expect("a time");
    assert_eq!(ms("next_try_ms") - ms("since_ms"), 600_000);
    assert!(breaker["diagnostic"]["message"].is_string(), "{breaker}");
    assert_eq!(&served.get_json("/admin/v1/template/costly.html")["breaker"], breaker);
    let page = shown();
    assert!(
        page.contains("in 10 min") && page.contains("/_hotplate/templates?at=costly.html"),
        "{page}"
    );
    assert!(
        served
            .get("/admin/v1/metrics")
            .body
            .contains("hotplate_breakers_open 1\n")
    );
    served.edit("costly.html", "two {name}");
    assert_eq!(served.get_json("/admin/v1/health")["breakers"], json!([]));
}

#[test]
fn connections_of_each_listener_are_counted() {
    let mut limits = AdminLimits::default();
    limits.connection.request_ms = 200;
    let served = Served::with(&SHOP, None, |admin| admin.limits(limits));
    let admin = || served.get_json("/admin/v1/health")["listeners"][0].clone();
    let listener = admin();
    assert_eq!(
        (&listener["listener"], &listener["ended"]["slow_head"]),
        (&json!("admin"), &json!(0))
    );
    assert!(
        listener["open"].as_u64() >= Some(1) && listener["capacity"].as_u64() >= Some(4_096),
        "{listener}"
    );
    let mut slow = http::connect(served.address());
    slow.write_all(b"GET /admin/v1/ver").expect("sent");
    assert_eq!(http::read(&mut slow).status, 408);
    assert_eq!(admin()["ended"]["slow_head"], 1);
    let metrics = served.get("/admin/v1/metrics").body;
    let line = "hotplate_connections_ended_total{listener=\"admin\",reason=\"slow_head\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    let page = served.get("/_hotplate/").body;
    assert!(
        page.contains("id=\"listeners\"") && page.contains("<th>admin</th>"),
        "{page}"
    );
}

#[test]
fn long_lists_come_in_parts() {
    let texts: Vec<_> = (0..50)
        .map(|number| (format!("t{number:02}.txt"), "x".repeat(1_000)))
        .collect();
    let texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let limits = AdminLimits {
        page_bytes: 7_000,
        page_templates: 20,
        graph_nodes: 10,
        ..AdminLimits::default()
    };
    let served = Served::with(&texts, None, |admin| admin.limits(limits));
    let (mut after, mut parts, mut found) = (String::new(), 0, 0);
    loop {
        let part = served.get_json(&format!("/admin/v1/templates?content=true&after={after}"));
        found += names(&part["templates"]).len();
        parts += 1;
        match part["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((found, parts), (50, 8));
    assert_eq!(names(&served.get_json("/admin/v1/templates")["templates"]).len(), 20);
    let graph = served.get_json("/admin/v1/graph");
    assert_eq!((names(&graph["nodes"]).len(), &graph["truncated"]), (10, &json!(true)));
}
