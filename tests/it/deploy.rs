//! The files of `deploy/`: every metric that they name exists, and every rule fires for the fault that it is for, and only then.
//!
//! A fault is caused in a running server. What the server reports before and after it becomes the input of `promtool test rules`: what was
//! counted meanwhile is counted again in each minute.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use hotplate::metrics::Metrics;
use hotplate::{Hotplate, Limits, MemoryLoader, TemplateName};
use serde_json::Value;

use crate::command::{run, text};
use crate::files::Files;
use crate::http::Server;
use crate::metrics::parse;
use crate::reload::serve_with_admin;
use crate::{unread, wait, wire};

/// Minutes before the fault, and minutes of the fault: longer than the longest `for`.
const BEFORE: usize = 10;
const AFTER: usize = 80;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).expect("a file of `deploy`")
}

/// Runs promtool. Returns `None`, and says so, where it is not installed.
fn promtool(arguments: &[&str]) -> Option<Result<(), String>> {
    let Ok(output) = Command::new("promtool").args(arguments).output() else {
        println!("skipped: promtool is not installed");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

/// Returns the names of the alerts.
fn alerts() -> BTreeSet<String> {
    let rules = read("prometheus/hotplate.rules.yml");
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// Returns the expressions of the Grafana dashboard, with its variables replaced.
fn expressions() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let dashboard: Value = serde_json::from_str(&read("grafana/hotplate.json")).expect("JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    let replaced = found.into_iter().map(|expression| {
        let expression = expression.replace("$__rate_interval", "5m");
        expression.replace("$job", ".*").replace("$instance", ".*")
    });
    replaced.collect()
}

/// Returns the names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    words
        .filter(|word| word.starts_with("hotplate_"))
        .map(str::to_owned)
        .collect()
}

/// A server with an admin listener.
struct Scene {
    files: Files,
    server: Server,
    admin: String,
}

impl Scene {
    /// Starts a server for a page and the title that it shows, with a store and an audit log.
    fn start(page: &str, more: &[&str]) -> Self {
        let data = r#"{"title": "t"}"#;
        let files = Files::new(&[("site/templates/index.html", page), ("site/data/_all.json", data)]);
        Self::of(files, more)
    }

    fn of(files: Files, more: &[&str]) -> Self {
        let (store, audit) = (files.path().join("store"), files.path().join("audit"));
        let kept = ["--store", text(&store), "--audit", text(&audit)];
        let more = [&kept[..], &["--set", "server.workers=1"], more].concat();
        let (server, admin) = serve_with_admin(&files.path().join("site"), &[], &more);
        Self { files, server, admin }
    }

    /// Returns the metrics, as Prometheus reads them.
    fn scrape(&self) -> String {
        let admin = self.admin.parse().expect("an address");
        wire::ask(admin, "GET", "/admin/v1/metrics", &[], "").body
    }

    /// Edits a template and waits for the result.
    fn edit(&self, text: &str) {
        self.files.write("site/templates/index.html", text);
        run(&["reload", "--admin", &self.admin]);
    }

    /// Waits until a sample has another value than zero, and returns the metrics.
    fn scrape_once(&self, sample: &str) -> String {
        let found = wait::answer(|| {
            let scrape = self.scrape();
            let value = scrape.lines().find_map(|line| line.strip_prefix(sample));
            value.is_some_and(|value| value.trim() != "0").then_some(scrape)
        });
        found.unwrap_or_else(|| panic!("{sample} stays zero"))
    }

    fn visit(&self, times: usize) {
        for _ in 0..times {
            self.server.get("/");
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.files.path().join(path)
    }
}

/// Returns the value of each sample, by its name with labels.
fn samples(scrape: &str) -> BTreeMap<String, f64> {
    let families = parse(scrape).unwrap_or_else(|wrong| panic!("{wrong}\n{scrape}"));
    let samples = families.values().flat_map(|family| &family.samples);
    let samples = samples.map(|sample| {
        let mut labels = sample.labels.clone();
        labels.extend([("job", "hotplate"), ("instance", "test")].map(|(key, value)| (key.into(), value.into())));
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        (format!("{}{{{}}}", sample.name, labels.join(",")), sample.value)
    });
    samples.collect()
}

/// Writes a test for promtool: `before` is reported at first, then `after`, or nothing if the server does not answer any more.
fn test_of(before: &str, after: Option<&str>, fired: &[&str]) -> String {
    let rules = file("prometheus/hotplate.rules.yml");
    let mut test = format!("rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n", rules.display());
    test += "  - interval: 1m\n    input_series:\n";
    let (before, last) = (samples(before), after.map(samples));
    let mut series = |name: &str, first: String, then: String| {
        let _ = writeln!(test, "      - {{series: '{name}', values: '{first} {then}'}}");
    };
    let up = u8::from(last.is_some());
    series(
        r#"up{job="hotplate",instance="test"}"#,
        format!("1+0x{BEFORE}"),
        format!("{up}+0x{AFTER}"),
    );
    for (name, value) in &before {
        let then = match last.as_ref().and_then(|last| last.get(name)) {
            None => format!("_x{AFTER}"),
            Some(after) => {
                let metric = name.split('{').next().unwrap_or_default();
                let counts = ["_total", "_bucket", "_count", "_sum"];
                match counts.iter().any(|suffix| metric.ends_with(suffix)) {
                    true => {
                        let more = (after - value).max(0.0);
                        format!("{}+{more}x{AFTER}", value + more)
                    }
                    false => format!("{after}+0x{AFTER}"),
                }
            }
        };
        series(name, format!("{value}+0x{BEFORE}"), then);
    }
    test += "    promql_expr_test:\n";
    for alert in alerts() {
        let expected = u8::from(fired.contains(&alert.as_str()));
        for (minute, value) in [(BEFORE, 0), (BEFORE + AFTER, expected)] {
            let _ = writeln!(
                test,
                "      - {{expr: '(count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}}) > bool 0) or vector(0)', \
                 eval_time: {minute}m, exp_samples: [{{labels: '{{}}', value: {value}}}]}}"
            );
        }
    }
    test
}

/// A fault: what is reported before and after it, and the alerts that fire.
struct Fault {
    before: String,
    after: Option<String>,
    fires: &'static [&'static str],
}

fn server_that_ends() -> Fault {
    let scene = Scene::start("page", &[]);
    let (before, address) = (scene.scrape(), scene.admin.clone());
    scene.server.running.end("TERM");
    assert!(TcpStream::connect(address).is_err(), "nobody answers");
    Fault {
        before,
        after: None,
        fires: &["HotplateDown"],
    }
}

fn broken_edit() -> Fault {
    let scene = Scene::start("page", &[]);
    let before = scene.scrape();
    scene.edit("{{ if }}");
    scene.visit(1);
    Fault {
        before,
        after: Some(scene.scrape()),
        fires: &["HotplateTemplatesNotCurrent"],
    }
}

fn every_page_broken() -> Fault {
    let before = Scene::start("page", &[]).scrape();
    let scene = Scene::start("{{ if }}", &[]);
    scene.visit(1);
    let fires = &[
        "HotplateNotReady",
        "HotplateTemplatesNotCurrent",
        "HotplateVisitorsSeeErrors",
    ];
    Fault {
        before,
        after: Some(scene.scrape()),
        fires,
    }
}

fn edit_that_fails_when_rendered() -> Fault {
    let scene = Scene::start("page {title}", &[]);
    scene.visit(1);
    let before = scene.scrape();
    scene.edit("page {titel}");
    scene.visit(1);
    let fires = &["HotplateEditServedFromLastGood", "HotplateTemplatesNotCurrent"];
    Fault {
        before,
        after: Some(scene.scrape()),
        fires,
    }
}

fn costly_edit() -> Fault {
    let limits = ["--set", "limits.render_steps=10", "--set", "limits.breaker_failures=2"];
    let scene = Scene::start("page {title}", &limits);
    scene.visit(1);
    let before = scene.scrape();
    scene.edit(&"{title}".repeat(100));
    scene.visit(4);
    let fires = &[
        "HotplateEditServedFromLastGood",
        "HotplateCircuitBreakerOpen",
        "HotplateTemplatesNotCurrent",
    ];
    Fault {
        before,
        after: Some(scene.scrape()),
        fires,
    }
}

fn roll_back() -> Fault {
    let scene = Scene::start("one", &[]);
    scene.edit("two");
    let before = scene.scrape();
    let ran = run(&["rollback", "1", "--yes", "--admin", &scene.admin]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    Fault {
        before,
        after: Some(scene.scrape()),
        fires: &["HotplateRollbackForgotten"],
    }
}

fn templates_that_are_gone() -> Fault {
    let scene = Scene::start("page", &[]);
    let before = scene.scrape();
    std::fs::rename(scene.path("site/templates"), scene.path("away")).expect("moved");
    let after = scene.scrape_once("hotplate_loader_root_missing{loader=\"0\"}");
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateSourceMissing", "HotplateDegraded"],
    }
}

fn file_that_cannot_be_read() -> Fault {
    let scene = Scene::start("page", &[]);
    let before = scene.scrape();
    // A file that is too large is not read either, not even by root.
    scene.edit(&"x".repeat(2 << 20));
    let after = scene.scrape_once("hotplate_loader_unreadable_files{loader=\"0\"}");
    let fires = &["HotplateUnreadableFiles", "HotplateTemplatesNotCurrent"];
    Fault {
        before,
        after: Some(after),
        fires,
    }
}

fn configuration_with_an_error() -> Fault {
    let files = Files::new(&[("site/templates/index.html", "page"), ("site/hotplate.toml", "")]);
    let scene = Scene::of(files, &[]);
    let before = scene.scrape();
    scene.files.write("site/hotplate.toml", "[limits]\nrender_sm = 5\n");
    scene.server.running.signal("HUP");
    let is_rejected = || scene.scrape().contains("\nhotplate_config_last_reload_successful 0\n");
    wait::until("the configuration is not rejected", is_rejected);
    Fault {
        before,
        after: Some(scene.scrape()),
        fires: &["HotplateConfigurationRejected"],
    }
}

fn store_that_cannot_be_written() -> Fault {
    let scene = Scene::start("one", &[]);
    scene.scrape_once("hotplate_store_durable_version ");
    let before = scene.scrape();
    for directory in ["store/blobs", "store/manifests"] {
        std::fs::remove_dir_all(scene.path(directory)).expect("removed");
        scene.files.write(directory, "no directory");
    }
    scene.edit("two");
    let after = scene.scrape_once("hotplate_store_failed ");
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateStoreFailed", "HotplateDegraded"],
    }
}

fn audit_log_that_cannot_be_written() -> Fault {
    let scene = Scene::start("one", &["--set", "audit.file_bytes=4096"]);
    let before = scene.scrape();
    std::fs::remove_dir_all(scene.path("audit")).expect("removed");
    scene.files.write("audit", "no directory");
    for number in 0..40 {
        scene.edit(&format!("two {number}"));
    }
    let after = scene.scrape_once("hotplate_audit_failed ");
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateAuditFailed", "HotplateDegraded"],
    }
}

fn start_without_templates() -> Fault {
    let scene = Scene::start("page", &[]);
    let before = scene.scrape_once("hotplate_store_durable_version ");
    let Scene { files, server, .. } = scene;
    server.running.end("TERM");
    std::fs::rename(files.path().join("site/templates"), files.path().join("away")).expect("moved");
    let scene = Scene::of(files, &[]);
    let after = scene.scrape_once("hotplate_store_sources_not_loaded ");
    let fires = &["HotplateServedFromStore", "HotplateSourceMissing", "HotplateDegraded"];
    Fault {
        before,
        after: Some(after),
        fires,
    }
}

fn version_that_is_held() -> Fault {
    let (loader, memory) = MemoryLoader::new();
    let edit = |text: &str| memory.set(TemplateName::new("a.html").expect("a name"), text);
    edit("zero");
    let limits = Limits {
        render_ms: 20,
        render_wait_ms: 100,
        render_hang_ms: 100,
        reload_ms: 100,
        ..Limits::default()
    };
    let hotplate = Hotplate::builder()
        .loader(loader)
        .limits(limits)
        .start()
        .expect("starts");
    let metrics = Metrics::new(hotplate.clone());
    let before = metrics.text();
    let held = hotplate.snapshot();
    for text in ["one", "two", "three"] {
        let next = hotplate.snapshot().version();
        edit(text);
        wait::until("it is published", || hotplate.snapshot().version() != next);
    }
    let leaked = || metrics.text().contains("\nhotplate_snapshots_leaked 1\n");
    wait::until("the version is not reported", leaked);
    let after = metrics.text();
    drop(held);
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateVersionsLeaked"],
    }
}

fn output_that_is_not_read() -> Fault {
    let (before, after) = unread::metrics_around_dropped_lines();
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateOutputDropped", "HotplateTemplatesNotCurrent"],
    }
}

fn slow_clients() -> Fault {
    let scene = Scene::start("page", &["--set", "server.request_ms=100"]);
    let before = scene.scrape();
    let connect = |_| {
        let mut stream = TcpStream::connect(&scene.server.address).expect("connects");
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
        stream
    };
    let slow: Vec<TcpStream> = (0..80).map(connect).collect();
    let ended = "hotplate_connections_ended_total{listener=\"pages\",reason=\"slow_head\"} 80\n";
    wait::until("the connections are not closed", || scene.scrape().contains(ended));
    drop(slow);
    Fault {
        before,
        after: Some(scene.scrape()),
        fires: &["HotplateSlowClients"],
    }
}

fn answers_that_wait() -> Fault {
    // Two such pages do not fit, and none of them is given up within its first second.
    let limits = [
        "limits.source_bytes=100000000",
        "server.buffered_bytes=12000000",
        "server.stalled_ms=600000",
    ];
    let more: Vec<&str> = limits.iter().flat_map(|limit| ["--set", limit]).collect();
    let scene = Scene::start(&"x".repeat(8 << 20), &more);
    let before = scene.scrape();
    let ask = |_| {
        let mut stream = TcpStream::connect(&scene.server.address).expect("connects");
        let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", scene.server.address);
        stream.write_all(request.as_bytes()).expect("sent");
        stream.read_exact(&mut [0; 16]).expect("an answer begins");
        stream
    };
    let unread: Vec<TcpStream> = (0..3).map(ask).collect();
    let after = scene.scrape_once("hotplate_answers_refused_total{listener=\"pages\"}");
    drop(unread);
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateAnswersRefused"],
    }
}

fn many_connections() -> Fault {
    let more = ["--set", "server.connections=10", "--set", "server.request_ms=3600000"];
    let scene = Scene::start("page", &more);
    let before = scene.scrape();
    let connect = |_| TcpStream::connect(&scene.server.address).expect("connects");
    let open: Vec<TcpStream> = (0..10).map(connect).collect();
    let all = "hotplate_connections_open{listener=\"pages\"} 10\n";
    wait::until("the connections are not open", || scene.scrape().contains(all));
    let after = scene.scrape();
    drop(open);
    Fault {
        before,
        after: Some(after),
        fires: &["HotplateConnectionsNearLimit"],
    }
}

/// The name of a fault, and the function that causes it.
type NamedFault = (&'static str, fn() -> Fault);

/// Each fault by its name.
const FAULTS: &[NamedFault] = &[
    ("server_that_ends", server_that_ends),
    ("broken_edit", broken_edit),
    ("every_page_broken", every_page_broken),
    ("edit_that_fails_when_rendered", edit_that_fails_when_rendered),
    ("costly_edit", costly_edit),
    ("roll_back", roll_back),
    ("templates_that_are_gone", templates_that_are_gone),
    ("file_that_cannot_be_read", file_that_cannot_be_read),
    ("configuration_with_an_error", configuration_with_an_error),
    ("store_that_cannot_be_written", store_that_cannot_be_written),
    ("audit_log_that_cannot_be_written", audit_log_that_cannot_be_written),
    ("start_without_templates", start_without_templates),
    ("version_that_is_held", version_that_is_held),
    ("output_that_is_not_read", output_that_is_not_read),
    ("slow_clients", slow_clients),
    ("answers_that_wait", answers_that_wait),
    ("many_connections", many_connections),
];

#[test]
fn every_metric_of_the_files_exists() {
    let scene = Scene::start("page", &[]);
    let mut existing: BTreeSet<String> = samples(&scene.scrape())
        .into_keys()
        .map(|name| name.split('{').next().unwrap_or_default().to_owned())
        .collect();
    existing.insert("hotplate_build".into());
    let rules = read("prometheus/hotplate.rules.yml");
    let rules: String = rules.lines().filter(|line| line.trim().starts_with("expr: ")).collect();
    let expressions = expressions();
    assert!(expressions.len() > 30, "{expressions:?}");
    for named in [named(&rules), named(&expressions.join("\n"))] {
        assert!(named.len() > 10, "{named:?}");
        let unknown: Vec<_> = named.difference(&existing).collect();
        assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
    }
}

#[test]
fn promtool_accepts_every_expression() {
    let Some(checked) = promtool(&["check", "rules", text(&file("prometheus/hotplate.rules.yml"))]) else {
        return;
    };
    assert_eq!(checked, Ok(()));
    // An expression of the dashboard is valid if it is a valid rule.
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, expression) in expressions().iter().enumerate() {
        let _ = writeln!(rules, "      - {{record: 'panel:{number}', expr: '{expression}'}}");
    }
    let files = Files::new(&[("dashboard.yml", &rules)]);
    let checked = promtool(&["check", "rules", text(&files.path().join("dashboard.yml"))]);
    assert_eq!(checked, Some(Ok(())));
}

#[test]
fn each_fault_fires_its_rules() {
    if promtool(&["--version"]).is_none() {
        return;
    }
    let (mut tried, mut wrong) = (BTreeSet::new(), Vec::new());
    for (name, cause) in FAULTS {
        let fault = cause();
        tried.extend(fault.fires.iter().map(|alert| (*alert).to_owned()));
        let test = test_of(&fault.before, fault.after.as_deref(), fault.fires);
        let files = Files::new(&[("test.yml", &test)]);
        if let Some(Err(said)) = promtool(&["test", "rules", text(&files.path().join("test.yml"))]) {
            wrong.push(format!("{name}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tried, alerts(), "each rule has a fault");
}
