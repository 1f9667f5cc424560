//! Canaries and tenants of a running instance: the API, the commands, the metrics and the dashboard.

use std::net::SocketAddr;

use hotplate::admin::{Admin, AdminHandle};
use hotplate::metrics::Metrics;
use hotplate::{Hotplate, MemoryHandle, MemoryLoader, TemplateName};
use hotplate_actors::stages::ShadowSettings;
use hotplate_actors::template::{Layer, Scope, Stage, TemplateKey, Tenant};
use serde_json::{Value, json};

use crate::browser::browser;
use crate::command::{RunOutput, run};
use crate::wire::{self, Answer};

const CANARY: Scope = Scope {
    tenant: None,
    stage: Stage::Canary,
};

fn key(scope: Scope, name: &str) -> TemplateKey {
    TemplateKey {
        layer: Layer::of(scope),
        name: TemplateName::new(name).expect("a name"),
    }
}

/// An engine with a page, a canary and a tenant, and its admin listener.
struct Staged {
    hotplate: Hotplate,
    memory: MemoryHandle,
    admin: AdminHandle,
}

impl Staged {
    fn start(canary: &str, one_in: u64) -> Self {
        let (loader, memory) = MemoryLoader::new();
        memory.set(key(Scope::default(), "page.html"), "<p>one {n}</p>");
        memory.set(key(CANARY, "page.html"), canary);
        let tenant = Some(Tenant::new("acme").expect("valid"));
        let acme = Scope {
            tenant,
            stage: Stage::Stable,
        };
        memory.set(key(acme, "page.html"), "<p>acme {n}</p>");
        let shadow = ShadowSettings {
            one_in,
            ..ShadowSettings::default()
        };
        let builder = Hotplate::builder().loader(loader).shadow(shadow).watch(false);
        let hotplate = builder.start().expect("starts");
        let admin = Admin::new(hotplate.clone()).bind("127.0.0.1:0");
        let admin = admin.start().expect("listens");
        Self {
            hotplate,
            memory,
            admin,
        }
    }

    fn address(&self) -> SocketAddr {
        self.admin.address()
    }

    fn get(&self, path: &str) -> Value {
        let answer = wire::ask(self.address(), "GET", &format!("/admin/v1/{path}"), &[], "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        wire::ask(
            self.address(),
            "POST",
            &format!("/admin/v1/{path}"),
            &headers,
            &body.to_string(),
        )
    }

    fn run(&self, arguments: &[&str]) -> RunOutput {
        let admin = self.address().to_string();
        run(&[arguments, &["--admin", &admin]].concat())
    }

    fn canary(&self) -> String {
        let rendered = self.hotplate.scope(&CANARY).render("page.html", &json!({ "n": 1 }));
        rendered.expect("an answer").body
    }

    fn stable(&self) -> String {
        let rendered = self.hotplate.render("page.html", &json!({ "n": 1 }));
        rendered.expect("an answer").body
    }
}

#[test]
fn a_canary_is_shown_stopped_resumed_and_promoted_by_the_api() {
    let staged = Staged::start("<p>two {missing}</p>", 0);
    assert_eq!(staged.get("tenants")["tenants"], json!(["acme"]));
    for _ in 0..5 {
        assert_eq!(staged.canary(), "<p>one 1</p>");
    }
    let canary = staged.get("stages")["stages"][0].take();
    assert_eq!(
        (
            &canary["stage"],
            &canary["is_on"],
            &canary["rescued"],
            &canary["diverted"]
        ),
        (&json!("canary"), &json!(false), &json!(4), &json!(1))
    );
    assert_eq!(
        (&canary["halt"]["by"], &canary["stops"]["failures"]),
        (&json!("judge"), &json!(1))
    );
    let health = staged.get("health");
    assert!(health["degraded"].to_string().contains("canary is stopped"), "{health}");
    let text = Metrics::new(staged.hotplate.clone()).text();
    for line in [
        "hotplate_stage_on{stage=\"canary\"} 0\n",
        "hotplate_stage_on{stage=\"experimental\"} 1\n",
        "hotplate_stage_stops_total{stage=\"canary\",reason=\"failures\"} 1\n",
        "hotplate_stage_rescued_total{stage=\"canary\"} 4\n",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    for (path, body, status, part) in [
        ("stages/canary/promote", json!({}), 422, "stopped"),
        ("stages/canary/promote", json!({ "force": true }), 422, "reason"),
        ("stages/stable/abort", json!({}), 404, "stages/stable/abort"),
        ("stages/canary/dance", json!({}), 404, "stages/canary/dance"),
        (
            "stages/canary/abort",
            json!({ "tenant": "acme" }),
            422,
            "only `promote`",
        ),
        (
            "stages/canary/promote",
            json!({ "tenant": "../x", "force": true, "reason": "x" }),
            422,
            "not the id",
        ),
        ("stages/experimental/promote", json!({}), 422, "only stage"),
        (
            "stages/canary/resume",
            json!({ "by": "alice", "surprise": 1 }),
            400,
            "surprise",
        ),
    ] {
        let answer = staged.post(path, &[], &body);
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert!(answer.body.contains(part), "{path} {body}: {answer:?}");
    }
    let resumed = staged.post(
        "stages/canary/resume",
        &[],
        &json!({ "by": "alice", "reason": "fixed" }),
    );
    assert_eq!(resumed.json()["stage"]["is_on"], true, "{resumed:?}");
    staged.memory.set(key(CANARY, "page.html"), "<p>two {n}</p>");
    assert_eq!(staged.post("reload", &[], &json!({})).status, 200);
    let force = json!({ "force": true, "by": "alice", "reason": "a drill" });
    let stale = staged.post("stages/canary/promote", &[("if-match", "\"1\"")], &force);
    assert_eq!(stale.status, 412, "{stale:?}");
    let again = [("if-match", "\"2\""), ("idempotency-key", "once")];
    let promoted = staged.post("stages/canary/promote", &again, &force);
    let answer = promoted.json();
    assert_eq!(
        (&answer["outcome"], &answer["version"]),
        (&json!("published"), &json!(3))
    );
    assert_eq!(answer["stage"]["rollout"]["state"], "promoted");
    assert_eq!(staged.post("stages/canary/promote", &again, &force).body, promoted.body);
    assert_eq!(staged.stable(), "<p>two 1</p>");
    let versions = staged.get("versions");
    assert_eq!(versions["versions"][0]["cause"]["by"], "alice");
    assert_eq!(versions["waiting"]["templates"][0]["name"], "page.html");
}

#[test]
fn an_operator_uses_commands() {
    let staged = Staged::start("<p>two {n}</p>", 0);
    let expect = |arguments: &[&str], code: i32, parts: &[&str]| {
        let ran = staged.run(arguments);
        let said = ran.stdout.clone() + &ran.stderr;
        assert_eq!(ran.code, code, "{arguments:?}: {said}");
        for part in parts {
            assert!(
                said.contains(part),
                "{part:?} is not in what {arguments:?} says:\n{said}"
            );
        }
    };
    expect(&["tenants"], 0, &["1 tenant: acme"]);
    expect(&["stages"], 0, &["canary: on", "rollout: idle", "1000 are required"]);
    expect(&["promote"], 2, &["there is no terminal to ask", "--yes"]);
    expect(&["promote", "--yes"], 2, &["1000 are required"]);
    expect(
        &["stages", "start", "--yes"],
        0,
        &["rollout: step, step 1 of 4, 5.00 % of visitors"],
    );
    assert_eq!(staged.hotplate.stage_switch().canary(), 500);
    expect(&["stages", "advance", "--yes"], 2, &["1000 are required"]);
    let advance = ["stages", "advance", "--yes", "--force", "--reason", "a drill"];
    expect(&advance, 0, &["step 2 of 4, 25.00 %"]);
    expect(
        &["abort", "--yes", "--by", "alice"],
        0,
        &["canary: stopped", "aborted by alice"],
    );
    expect(&["stages"], 1, &["canary: stopped"]);
    assert_eq!(staged.canary(), "<p>one 1</p>");
    expect(&["stages", "resume", "canary", "--yes"], 0, &["canary: on"]);
    assert_eq!(staged.canary(), "<p>two 1</p>");
    let promote = ["promote", "--yes", "--force", "--reason", "a drill"];
    let early = [&promote[..], &["--if-version", "9"]].concat();
    expect(&early, 3, &["version 1 is served and not 9"]);
    expect(&promote, 0, &["version 2 is served now", "page.html"]);
    assert_eq!(staged.stable(), "<p>two 1</p>");
    let shown = staged.run(&["stages", "--format", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown["stages"][0]["rollout"]["state"], "promoted");
}

/// Waits until the shadow renders have compared a page.
fn wait_for_shadow(staged: &Staged) -> Value {
    for _ in 0..100_000 {
        staged.stable();
        let shadow = staged.get("shadow");
        if shadow["compared"].as_u64() > Some(0) {
            return shadow;
        }
    }
    panic!("no page was compared");
}

#[test]
fn stable_requests_are_rendered_by_canary_as_well() {
    let staged = Staged::start("<p>\n two {n}</p>", 1);
    let shadow = wait_for_shadow(&staged);
    let difference = &shadow["templates"][0];
    assert_eq!(
        (
            &difference["template"],
            &difference["line"],
            &difference["stable"],
            &difference["canary"]
        ),
        (&json!("page.html"), &json!(2), &json!(["one 1"]), &json!(["two 1"])),
        "{shadow}"
    );
    assert_eq!(
        staged.get("stages")["stages"][0]["renders"],
        0,
        "the judge counts visitors only"
    );
    let page = wire::ask(staged.address(), "GET", "/_hotplate/stages", &[], "").body;
    assert!(
        page.contains("- one 1") && page.contains("+ two 1") && page.contains("acme"),
        "{page}"
    );
    // Another text of canary begins afresh.
    staged.memory.set(key(CANARY, "page.html"), "<p>one  {n}</p>\n");
    assert_eq!(staged.post("reload", &[], &json!({})).status, 200);
    let shadow = wait_for_shadow(&staged);
    assert_eq!(
        (&shadow["differing"], &shadow["templates"]),
        (&json!(0), &json!([])),
        "{shadow}"
    );
}

#[test]
fn the_dashboard_stops_and_promotes_without_a_script() {
    let staged = Staged::start("<p>two {n}</p>", 0);
    let act = |form: &str| {
        let answer = wire::ask(staged.address(), "POST", "/_hotplate/do/stage", &[], form);
        assert_eq!(answer.status, 303, "{form}: {answer:?}");
        answer.header("location").expect("a page").to_owned()
    };
    for (form, done) in [
        ("stage=canary&does=promote&expected=1", "stage-refused"),
        (
            "stage=canary&does=abort&expected=1&by=alice&reason=wrong+prices",
            "stage",
        ),
        ("stage=canary&does=resume&expected=1", "stage"),
        ("stage=canary&does=promote&expected=9&force=true&reason=x", "conflict"),
        ("stage=canary&does=promote&expected=1&force=true&reason=x", "promoted"),
    ] {
        assert_eq!(act(form), format!("/_hotplate/stages?done={done}"), "{form}");
    }
    assert_eq!(staged.stable(), "<p>two 1</p>");
    let bad = wire::ask(
        staged.address(),
        "POST",
        "/_hotplate/do/stage",
        &[],
        "stage=nothing&does=abort",
    );
    assert_eq!(bad.status, 400);
}

#[test]
fn a_person_aborts_and_resumes_a_canary_in_a_browser() {
    let browser = browser!();
    let staged = Staged::start("<p>two {n}</p>", 0);
    browser.open(&format!("http://{}/_hotplate/stages", staged.address()));
    browser.wait_for("document.querySelector('#stage-canary h2').textContent.includes('on')");
    browser.run("document.querySelector('#stage-canary [name=by]').value = 'alice'; document.querySelector('#abort-canary').click()");
    browser.wait_for("document.querySelector('#stage-canary .halt')?.textContent.includes('aborted by alice')");
    assert_eq!(staged.canary(), "<p>one 1</p>");
    browser.run("document.querySelector('#resume-canary').click()");
    browser.wait_for("!document.querySelector('#stage-canary .halt')");
    assert_eq!(staged.canary(), "<p>two 1</p>");
    browser.run(
        "document.querySelector('#stage-canary [name=reason]').value = 'a drill'; \
         document.querySelector('#stage-canary [name=force]').checked = true; document.querySelector('#promote-canary').click()",
    );
    browser.wait_for("document.querySelector('.done')?.textContent.includes('served to all visitors')");
    assert_eq!(staged.stable(), "<p>two 1</p>");
}
