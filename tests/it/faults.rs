//! The visible effects of each kind of fault: the answer to visitors, the log, the metrics, the health and the report of a reload. The
//! alerting rules are read from `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{Path, get};
use actix_web::{App, Responder};
use hotplate::metrics::Metrics;
use hotplate::web::{Templates, Web};
use hotplate::{
    Builder, Context as Data, Event, Hotplate, Limits, MemoryHandle, MemoryLoader, OnFailure, ReloadReport, Render,
    RenderOptions, Serving, TemplateName, Unavailable,
};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::files::Files;
use crate::metrics::{Family, parse};

/// Collects the fault messages of this process; each test finds its own by the names of its templates.
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write;
                let _ = match field.name() {
                    "message" => write!(self.0, " {value:?}"),
                    name => write!(self.0, " {name}={value:?}"),
                };
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
}

/// Returns the logged lines that name a template.
fn logged(name: &str) -> Vec<String> {
    static LINES: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let only = Targets::new()
            .with_target(hotplate::FAULTS_TARGET, tracing::Level::INFO)
            .with_target(hotplate::RENDERS_TARGET, tracing::Level::INFO);
        let log = Log(Arc::clone(&lines)).with_filter(only);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log)).expect("no other log");
        lines
    });
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.contains(name)).cloned().collect()
}

fn name(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a name")
}

/// An app in production mode with its engine and templates.
struct Scene {
    hotplate: Hotplate,
    memory: MemoryHandle,
    web: Web,
}

/// The answer to a visitor.
#[derive(Debug, PartialEq)]
struct VisitAnswer {
    status: u16,
    version: String,
    freshness: String,
    body: String,
}

async fn page(templates: Templates, name: Path<String>) -> impl Responder {
    templates.page(&name, &json!({ "name": "you" }))
}

async fn page_on_pool(templates: Templates, name: Path<String>) -> impl Responder {
    templates.page_on_pool(&name, json!({ "name": "you" })).await
}

impl Scene {
    fn start(templates: &[(&str, &str)], set: impl FnOnce(Builder) -> Builder) -> Self {
        logged("");
        let (loader, memory) = MemoryLoader::new();
        memory.edit(templates.iter().map(|(path, text)| (name(path), Some(*text))));
        let hotplate = set(Hotplate::builder().loader(loader).watch(false))
            .start()
            .expect("starts");
        let web = Web::new(hotplate.clone());
        Self { hotplate, memory, web }
    }

    async fn edit(&self, path: &str, text: &str) -> Result<ReloadReport, Unavailable> {
        self.memory.set(name(path), text);
        self.hotplate.reload().await
    }

    async fn visit(&self, path: &str) -> VisitAnswer {
        let app = App::new()
            .configure(self.web.mount())
            .route("/apart/{name}", get().to(page_on_pool))
            .route("/{name}", get().to(page));
        let app = init_service(app).await;
        let request = TestRequest::get().uri(&format!("/{path}")).to_request();
        let answer = app.call(request).await.expect("an answer");
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map_or_else(String::new, |value| value.to_str().expect("text").to_owned())
        };
        let (version, freshness) = (header("x-hotplate-version"), header("x-hotplate-freshness"));
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body()).await.expect("a body");
        VisitAnswer {
            status,
            version,
            freshness,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    fn metrics(&self) -> BTreeMap<String, Family> {
        parse(&Metrics::new(self.hotplate.clone()).text()).expect("OpenMetrics")
    }

    /// Returns the render outcomes that were counted since `before`.
    fn counted_since(&self, before: &BTreeMap<String, Family>) -> BTreeMap<String, u64> {
        let count = |families: &BTreeMap<String, Family>| -> BTreeMap<String, u64> {
            let samples = families["hotplate_renders"].samples.iter();
            samples
                .map(|sample| (sample.labels["outcome"].clone(), sample.value as u64))
                .collect()
        };
        let (before, mut after) = (count(before), count(&self.metrics()));
        after.retain(|outcome, count| {
            *count -= before[outcome];
            *count > 0
        });
        after
    }
}

/// Returns the alerting rules of the documentation.
fn rules() -> Vec<String> {
    let document = include_str!("../../docs/metrics.md");
    let block = document.split_once("```promql\n").expect("rules").1;
    let block = block.split_once("```").expect("an end").0;
    let rules: Vec<String> = block
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert!(rules.len() >= 4, "{rules:?}");
    rules
}

/// Evaluates a rule with the part of PromQL that the rules use, on two samples that are five minutes apart.
fn fires(rule: &str, before: &BTreeMap<String, Family>, after: &BTreeMap<String, Family>) -> bool {
    let gauge = |text: &str| match text.parse::<f64>() {
        Ok(number) => number,
        Err(_) => after.get(text).unwrap_or_else(|| panic!("no metric `{text}`")).samples[0].value,
    };
    if let Some((left, right)) = rule.split_once(" != ") {
        return gauge(left) != gauge(right);
    }
    if let Some((left, right)) = rule.split_once(" == ") {
        return gauge(left) == gauge(right);
    }
    let grown = rule.strip_suffix(" > 0").expect("a comparison with zero");
    if !grown.contains('(') {
        return gauge(grown) > 0.0;
    }
    let selector = grown
        .strip_prefix("increase(")
        .or_else(|| grown.strip_prefix("sum(rate("))
        .and_then(|rest| rest.split_once("[5m]"))
        .expect("a growth over five minutes")
        .0;
    let (metric, left_out) = match selector.split_once("{outcome!~\"") {
        Some((metric, words)) => (metric, words.strip_suffix("\"}").expect("a list").split('|').collect()),
        None => (selector, Vec::new()),
    };
    let family = metric.strip_suffix("_total").expect("a counter");
    let sum = |families: &BTreeMap<String, Family>| -> f64 {
        let samples = families
            .get(family)
            .unwrap_or_else(|| panic!("no metric `{family}`"))
            .samples
            .iter();
        let counted = samples.filter(|sample| {
            let outcome = sample.labels.get("outcome");
            outcome.is_none_or(|outcome| !left_out.contains(&outcome.as_str()))
        });
        counted.map(|sample| sample.value).sum()
    };
    sum(after) > sum(before)
}

/// Returns the rules that fire, each by a word that identifies it.
fn alerts(before: &BTreeMap<String, Family>, after: &BTreeMap<String, Family>) -> BTreeSet<&'static str> {
    let word = |rule: &str| {
        let words = ["desired", "rescued", "outcome", "ready", "degraded", "breakers"];
        let found = words.into_iter().find(|word| rule.contains(word));
        found.unwrap_or_else(|| panic!("`{rule}` is not tried here"))
    };
    let rules = rules();
    let fired = rules.iter().filter(|rule| fires(rule, before, after));
    fired.map(|rule| word(rule)).collect()
}

/// A fault of one template and its expected effects.
struct Row {
    /// The name of the template, by which its log lines are found.
    name: &'static str,
    /// Its successive texts, each with a number of visits. The last text has the fault.
    texts: &'static [(&'static str, usize)],
    status: u16,
    version: &'static str,
    freshness: &'static str,
    body: &'static str,
    outcome: &'static str,
    /// The expected log lines, in order.
    log: &'static [&'static str],
    serving: Serving,
    alerts: &'static [&'static str],
}

fn version(number: u64) -> Serving {
    Serving::LastGood(hotplate::Version::from_number(number))
}

#[actix_web::test]
async fn a_fault_is_reported_consistently() {
    let rows = [
        Row {
            name: "compile.html",
            texts: &[("one {name}", 1), ("{{ if name }}", 3)],
            status: 200,
            version: "1",
            freshness: "stale",
            body: "one you",
            outcome: "stale",
            log: &[
                "WARN compile.html:1:1: this `if` is never closed [unclosed-block]; still serving version 1 of 1 template",
            ],
            serving: version(1),
            alerts: &["desired"],
        },
        Row {
            name: "never.html",
            texts: &[("{{ if name }}", 3)],
            status: 503,
            version: "1",
            freshness: "fallback",
            body: "down 503",
            outcome: "fallback",
            log: &["WARN never.html:1:1: this `if` is never closed [unclosed-block]; 1 template had no good version"],
            serving: Serving::StandIn,
            alerts: &["desired", "outcome"],
        },
        Row {
            name: "late.html",
            texts: &[("one {name}", 1), ("two {nmae}", 3)],
            status: 200,
            version: "1",
            freshness: "stale",
            body: "one you",
            outcome: "stale",
            log: &[
                "WARN late.html:1:6: there is no `nmae` in the data [missing-path]; still serving version 1 of 1 template",
            ],
            serving: version(1),
            alerts: &["rescued"],
        },
        Row {
            name: "late-at-once.html",
            texts: &[("one {nmae}", 3)],
            status: 503,
            version: "1",
            freshness: "fallback",
            body: "down 503",
            outcome: "fallback",
            log: &[
                "WARN late-at-once.html:1:6: there is no `nmae` in the data [missing-path]; 1 template had no good version: the stand-in is served",
            ],
            serving: Serving::StandIn,
            alerts: &["outcome"],
        },
        Row {
            name: "twice-late.html",
            texts: &[("one {name}", 1), ("two {nmae}", 1), ("three {mane}", 3)],
            status: 200,
            version: "1",
            freshness: "stale",
            body: "one you",
            outcome: "stale",
            log: &[
                "twice-late.html:1:6: ",
                "INFO changed, not rendered yet: ",
                "twice-late.html:1:8: ",
            ],
            serving: version(1),
            alerts: &["rescued"],
        },
        Row {
            // The text before fails as well, so version 1 is still served.
            name: "late-then-compile.html",
            texts: &[("one {name}", 1), ("two {nmae}", 1), ("{{ if name }}", 3)],
            status: 200,
            version: "1",
            freshness: "stale",
            body: "one you",
            outcome: "stale",
            log: &[
                "late-then-compile.html:1:6: there is no `nmae`",
                "late-then-compile.html:1:1: this `if` is never closed [unclosed-block]; still serving version 1 of",
            ],
            serving: version(1),
            alerts: &["desired", "rescued"],
        },
        Row {
            // When the template stopped compiling it was unknown that the version before fails; the next render shows it.
            name: "compile-then-late.html",
            texts: &[("one {name}", 1), ("two {nmae}", 0), ("{{ if name }}", 3)],
            status: 200,
            version: "1",
            freshness: "stale",
            body: "one you",
            outcome: "stale",
            log: &[
                "still serving version 2 of",
                "there is no `nmae` in the data [missing-path]; still serving version 1 of",
            ],
            serving: version(1),
            alerts: &["desired", "rescued"],
        },
        Row {
            name: "late-at-once-then-compile.html",
            texts: &[("one {nmae}", 1), ("{{ if name }}", 3)],
            status: 503,
            version: "2",
            freshness: "fallback",
            body: "down 503",
            outcome: "fallback",
            log: &[
                "the stand-in is served",
                "[unclosed-block]; 1 template had no good version: the stand-in is served",
            ],
            serving: Serving::StandIn,
            alerts: &["desired", "outcome"],
        },
    ];
    for row in rows {
        let Row { name, texts, .. } = row;
        let (first, visits) = texts[0];
        let scene = Scene::start(&[(name, first), ("down.html", "down {status}")], |builder| {
            builder.fallback("down.html")
        });
        let mut before = scene.metrics();
        let (mut seen, mut visits) = (None, visits);
        for number in 0..texts.len() {
            if number > 0 {
                scene.edit(name, texts[number].0).await.expect("reloads");
                visits = texts[number].1;
            }
            if number + 1 == texts.len() {
                before = scene.metrics();
            }
            for _ in 0..visits {
                seen = Some(scene.visit(name).await);
            }
        }
        let expected = VisitAnswer {
            status: row.status,
            version: row.version.to_owned(),
            freshness: row.freshness.to_owned(),
            body: row.body.to_owned(),
        };
        assert_eq!(seen.as_ref(), Some(&expected), "{name}");
        let after = scene.metrics();
        let counted = scene.counted_since(&before);
        assert_eq!(counted, BTreeMap::from([(row.outcome.to_owned(), 3)]), "{name}");
        assert_eq!(alerts(&before, &after), row.alerts.iter().copied().collect(), "{name}");
        // One line for each fault, however often it occurs.
        let lines = logged(name);
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| line.contains(&format!("{name}:")) || line.contains("INFO"))
            .collect();
        assert_eq!(lines.len(), row.log.len(), "{name}: {lines:#?}");
        for (line, part) in lines.iter().zip(row.log) {
            assert!(line.contains(part), "{name}: `{part}` is not in {line}");
        }
        // A reload reports the fault, although it changes nothing.
        let report = scene.hotplate.reload().await.expect("reloads");
        let not_current: Vec<_> = report
            .not_current
            .iter()
            .map(|each| (each.template.as_str(), each.serving))
            .collect();
        assert_eq!(not_current, [(name, row.serving)], "{name}");
        assert!(!report.diagnostics.is_empty(), "{name}");
        assert!(scene.hotplate.health().ready, "{name}");

        // After the fix all of them report it.
        scene.edit(name, "good {name}").await.expect("reloads");
        let good = scene.visit(name).await;
        assert_eq!(
            (good.status, good.body.as_str(), good.freshness.as_str()),
            (200, "good you", "current"),
            "{name}"
        );
        let last = logged(name).pop().expect("a line");
        assert!(
            last.starts_with("INFO fixed: the newest text of") && last.contains(name),
            "{last}"
        );
        let report = scene.hotplate.reload().await.expect("reloads");
        assert!(
            report.not_current.is_empty() && report.diagnostics.is_empty(),
            "{name}: {report:?}"
        );
        let before = scene.metrics();
        scene.visit(name).await;
        assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::new(), "{name}");
    }
}

/// Checks the message about the end of a fault: it is logged when the newest text was rendered without error, and not before.
#[actix_web::test]
async fn a_fault_is_fixed_by_a_successful_render() {
    /// An action on the template or on the template that it calls.
    enum Step {
        Edit(&'static str),
        EditPart(&'static str),
        EditOther(&'static str),
        Remove,
        Visit(&'static str),
    }
    use Step::{Edit, EditOther, EditPart, Remove, Visit};
    const FAULT: &str = "WARN";
    const CHANGED: &str = "INFO changed, not rendered yet: ";
    const FIXED: &str = "INFO fixed: the newest text of ";
    const REMOVED: &str = "INFO removed: ";
    let rows: [(&str, &[Step], &[&str]); 10] = [
        (
            "ends-good.html",
            &[Edit("2 {name}"), Visit("2 you"), Visit("2 you")],
            &[FAULT, CHANGED, FIXED],
        ),
        ("ends-unseen.html", &[Edit("2 {name}")], &[FAULT, CHANGED]),
        ("ends-removed.html", &[Remove], &[FAULT, REMOVED]),
        (
            "ends-failing.html",
            &[Edit("2 {mane}"), Visit("0 you")],
            &[FAULT, CHANGED, FAULT],
        ),
        (
            "ends-twice.html",
            &[Edit("2 {name}"), Edit("3 {name}"), Visit("3 you")],
            &[FAULT, CHANGED, FIXED],
        ),
        (
            // A text in between does not compile.
            "ends-broken.html",
            &[Edit("{{ if name }}"), Visit("0 you"), Edit("3 {name}"), Visit("3 you")],
            &[FAULT, FAULT, CHANGED, FIXED],
        ),
        (
            // The fault is in a template that it calls.
            "ends-part.html",
            &[Edit("{{ call part-of-ends-part.html with @all }}")],
            &[FAULT, FAULT],
        ),
        (
            "ends-other.html",
            &[EditOther("2"), EditPart("2"), Visit("0 you")],
            &[FAULT],
        ),
        (
            // The template broke before its first render.
            "ends-broken-unseen.html",
            &[
                Edit("2 {name}"),
                Edit("{{ if name }}"),
                Edit("3 {name}"),
                Visit("3 you"),
            ],
            &[FAULT, CHANGED, FAULT, FIXED],
        ),
        (
            "ends-back.html",
            &[Edit("{nmae}!"), Edit("{nmae}"), Remove],
            &[FAULT, CHANGED, REMOVED],
        ),
    ];
    for (entry, steps, expected) in rows {
        let part = format!("part-of-{entry}");
        let templates = [(entry, "0 {name}"), (part.as_str(), "0"), ("other.html", "0")];
        let scene = Scene::start(&templates, |builder| builder);
        scene.edit(entry, "{nmae}").await.expect("reloads");
        assert_eq!(scene.visit(entry).await.body, "0 you", "{entry}");
        for step in steps {
            match step {
                Edit(text) => drop(scene.edit(entry, text).await.expect("reloads")),
                EditPart(text) => drop(scene.edit(&part, text).await.expect("reloads")),
                EditOther(text) => drop(scene.edit("other.html", text).await.expect("reloads")),
                Remove => {
                    scene.memory.edit([(name(entry), None::<&str>)]);
                    scene.hotplate.reload().await.expect("reloads");
                }
                Visit(body) => assert_eq!(scene.visit(entry).await.body, *body, "{entry}"),
            }
        }
        let lines = logged(entry);
        assert_eq!(lines.len(), expected.len(), "{entry}: {lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(
                line.starts_with(expected),
                "{entry}: {expected} is expected, not {line}"
            );
        }
    }
}

/// A fault in a partial counts as fixed for each page separately, when that page is rendered; there is an event for each.
#[actix_web::test]
async fn a_partial_is_fixed_for_each_page() {
    let pages = ["fixed-one.html", "fixed-other.html"];
    let call = "{{ call fixed-part.html with name }}";
    let templates = [(pages[0], call), (pages[1], call), ("fixed-part.html", "0")];
    let scene = Scene::start(&templates, |builder| builder);
    scene.edit("fixed-part.html", "{none}").await.expect("reloads");
    for page in pages {
        assert_eq!(scene.visit(page).await.freshness, "stale");
    }
    let fixed = scene.edit("fixed-part.html", "fine").await.expect("reloads").version;
    let mut events = scene.hotplate.subscribe();
    for page in [pages[1], pages[1], pages[0]] {
        assert_eq!(scene.visit(page).await.body, "fine");
    }
    for page in [pages[1], pages[0]] {
        match events.next().await {
            Some(Event::Fixed(event)) => assert_eq!((event.template.as_str(), event.version), (page, fixed)),
            other => panic!("{other:?}"),
        }
    }
    let changed = logged("changed, not rendered yet: fixed-one.html, fixed-other.html");
    assert_eq!(changed.len(), 1);
}

/// An engine without stand-ins reports a failure for a template that never had a good version.
#[test]
fn reported_and_served_versions_agree() {
    let failure = Serving::Failure;
    for (policy, serving) in [
        (OnFailure::LastGood, Serving::StandIn),
        (OnFailure::Fallback, Serving::StandIn),
        (OnFailure::Return, failure),
    ] {
        let entry = format!("policy-{policy:?}.html").to_lowercase();
        let scene = Scene::start(&[(&entry, "{{ if name }}")], |builder| builder.on_failure(policy));
        let answered = scene.hotplate.render(&entry, &json!({}));
        assert_eq!(answered.is_err(), serving == failure, "{policy:?}");
        let snapshot = scene.hotplate.snapshot();
        let id = snapshot.snapshot().id(&entry).expect("an id");
        assert_eq!(snapshot.snapshot().serving(id), Some(serving), "{policy:?}");
        assert_eq!(scene.hotplate.not_current()[0].serving, serving, "{policy:?}");
        let lines = logged(&entry);
        let expected = if serving == failure {
            "the failure is returned"
        } else {
            "the stand-in is served"
        };
        assert!(lines[0].contains(expected), "{policy:?}: {lines:?}");
    }
    // All places use the same words.
    for serving in [failure, Serving::StandIn, version(3)] {
        let written = serde_json::to_string(&serving).expect("serializes");
        assert!(written.contains(&format!("\"{}\"", serving.as_str())), "{written}");
    }
}

/// A `Render` message that times out is logged with its template, whichever part answers it.
#[actix_web::test]
async fn a_timed_out_message_is_logged_with_its_template() {
    for (entry, pooled) in [("late-message.html", false), ("late-pooled.html", true)] {
        let scene = Scene::start(&[(entry, "fine")], |builder| builder);
        let renders = scene.hotplate.renderer();
        let renders = if pooled { renders.pooled() } else { renders };
        let options = RenderOptions {
            deadline: Some(std::time::Instant::now()),
            ..RenderOptions::default()
        };
        let render = Render {
            name: entry.to_owned(),
            context: Data::new(json!({})),
            options,
        };
        renders.send(render).await.expect_err("too late");
        let lines = logged(entry);
        assert!(
            lines.len() == 1 && lines[0].contains("outcome=\"timeout\""),
            "{lines:?}"
        );
    }
}

/// A checkout may cause hundreds of versions. A page that compiles and fails when it is rendered keeps its last good version, however
/// many versions of other pages are published since, and also after two bad edits.
#[actix_web::test]
async fn a_burst_of_versions_keeps_the_last_good_one() {
    let templates = [("burst.html", "old {name}"), ("other.html", "0"), ("down.html", "down")];
    let scene = Scene::start(&templates, |builder| builder.fallback("down.html"));
    let versions = scene.hotplate.limits().history_versions + 10;
    for bad in ["new {nmae}", "newer {mane}"] {
        scene.edit("burst.html", bad).await.expect("reloads");
        for number in 0..versions {
            scene
                .edit("other.html", &format!("{bad} {number}").replace(['{', '}'], ""))
                .await
                .expect("reloads");
        }
        let seen = scene.visit("burst.html").await;
        let seen = (
            seen.status,
            seen.body.as_str(),
            seen.version.as_str(),
            seen.freshness.as_str(),
        );
        assert_eq!(seen, (200, "old you", "1", "stale"));
    }
}

/// A fault in a partial is logged once, and there is an event for each page.
#[actix_web::test]
async fn a_fault_in_a_partial_is_logged_once() {
    let templates = [
        ("one-of-them.html", "{{ call faulty-part.html with @root }}"),
        ("other-of-them.html", "{{ call faulty-part.html with @root }}"),
        ("faulty-part.html", "x"),
    ];
    let templates = templates.map(|(name, text)| (name, text.replace(" with @root", " with name")));
    let templates: Vec<_> = templates.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let scene = Scene::start(&templates, |builder| builder);
    scene.edit("faulty-part.html", "{none}").await.expect("reloads");
    let mut events = scene.hotplate.subscribe();
    for _ in 0..2 {
        for page in ["one-of-them.html", "other-of-them.html"] {
            assert_eq!(scene.visit(page).await.freshness, "stale");
        }
    }
    let mut reported = Vec::new();
    scene.edit("faulty-part.html", "fine").await.expect("reloads");
    loop {
        match events.next().await {
            Some(Event::Fallback(fallback)) => reported.push(fallback.template.to_string()),
            Some(Event::Published(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reported, ["one-of-them.html", "other-of-them.html"]);
    let lines = logged("faulty-part.html:1:2");
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[actix_web::test]
async fn a_missed_deadline_is_reported() {
    let scene = Scene::start(&[("deadline.html", "fine")], |builder| builder);
    let web = scene.web.clone().deadline(Duration::ZERO);
    let scene = Scene { web, ..scene };
    let before = scene.metrics();
    for path in ["deadline.html", "apart/deadline.html"] {
        assert_eq!(scene.visit(path).await.status, 503);
    }
    assert_eq!(
        scene.counted_since(&before),
        BTreeMap::from([("timeout".to_owned(), 2)])
    );
    assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::from(["outcome"]));
    let lines = logged("deadline.html");
    assert!(
        lines[0].contains("WARN") && lines[0].contains("the deadline of the caller"),
        "{lines:?}"
    );
}

/// A cancelled render has no visible effect, so no alert fires.
#[actix_web::test]
async fn an_open_breaker_is_reported() {
    let limits = Limits {
        render_steps: 10,
        breaker_failures: 2,
        breaker_pause_ms: 600_000,
        ..Limits::default()
    };
    let scene = Scene::start(&[("costly.html", "one {name}")], |builder| builder.limits(limits));
    scene.visit("costly.html").await;
    scene.edit("costly.html", &"{name}".repeat(100)).await.expect("reloads");
    let before = scene.metrics();
    assert_eq!(scene.hotplate.breakers(), []);
    for _ in 0..3 {
        let seen = scene.visit("costly.html").await;
        assert_eq!((seen.status, &*seen.body), (200, "one you"));
    }
    let fired = alerts(&before, &scene.metrics());
    assert_eq!(fired, BTreeSet::from(["breakers", "rescued"]));
    let open = scene.hotplate.breakers();
    let named: Vec<_> = open.iter().map(|open| open.template.as_str()).collect();
    assert_eq!(named, ["costly.html"]);
    assert_eq!(open[0].next_try_ms - open[0].since_ms, 600_000);
    assert!(open[0].diagnostic.is_some() && !open[0].is_tried, "{open:?}");
    scene.edit("costly.html", "two {name}").await.expect("reloads");
    assert_eq!(scene.visit("costly.html").await.body, "two you");
    assert_eq!(scene.hotplate.breakers(), []);
}

#[actix_web::test]
async fn a_cancelled_render_fires_no_alert() {
    let (open, closed) = gate();
    let (entered, has_entered) = channel();
    let scene = Scene::start(&[("left.html", "{name | block}")], |builder| {
        builder.formatter("block", move |_, out| {
            let _ = entered.send(());
            let _ = closed.lock().unwrap_or_else(PoisonError::into_inner).recv();
            out.text("done")
        })
    });
    let before = scene.metrics();
    {
        let mut visit = Box::pin(scene.visit("apart/left.html"));
        let waits = std::future::poll_fn(|context| std::task::Poll::Ready(visit.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        has_entered.recv_timeout(Duration::from_secs(60)).expect("is rendered");
    }
    drop(open);
    assert_eq!(
        scene.counted_since(&before),
        BTreeMap::from([("cancelled".to_owned(), 1)])
    );
    assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::new());
}

/// Returns a channel on which a formatter blocks until it is released.
fn gate() -> (Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (open, closed) = channel();
    (open, Arc::new(Mutex::new(closed)))
}

/// The only thread of the Renderer hangs: requests that wait for it get an error, and each of these errors is counted. A render that
/// completes too late is not counted as delivered.
#[actix_web::test]
async fn renders_behind_a_stuck_pool_are_reported() {
    let (open, closed) = gate();
    let scene = Scene::start(
        &[("stuck.html", "{name | block}"), ("behind.html", "fine")],
        |builder| {
            let limits = Limits {
                render_threads: 1,
                ..Limits::default()
            };
            builder.limits(limits).formatter("block", move |_, out| {
                let _ = closed.lock().unwrap_or_else(PoisonError::into_inner).recv();
                out.text("done")
            })
        },
    );
    let web = scene.web.clone().deadline(Duration::from_millis(50));
    let scene = Scene { web, ..scene };
    let before = scene.metrics();
    for path in ["apart/stuck.html", "apart/behind.html", "apart/behind.html"] {
        assert_eq!(scene.visit(path).await.status, 503, "{path}");
    }
    let three = BTreeMap::from([("timeout".to_owned(), 3)]);
    assert_eq!(scene.counted_since(&before), three);
    assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::from(["outcome"]));
    // The thread returns, and the result of its render was not delivered.
    drop(open);
    let web = Web::new(scene.hotplate.clone());
    let scene = Scene { web, ..scene };
    assert_eq!(scene.visit("apart/behind.html").await.body, "fine");
    let counted = scene.counted_since(&before);
    assert_eq!(
        counted,
        BTreeMap::from([("timeout".to_owned(), 3), ("current".to_owned(), 1)])
    );
}

#[actix_web::test]
async fn a_hanging_thread_is_reported() {
    let (open, closed) = gate();
    let scene = Scene::start(
        &[("hangs.html", "{name | block}"), ("hangs2.html", "{name | block}")],
        |builder| {
            let limits = Limits {
                render_threads: 1,
                render_hang_ms: 50,
                quarantined_threads: 2,
                ..Limits::default()
            };
            builder.limits(limits).formatter("block", move |_, out| {
                let _ = closed.lock().unwrap_or_else(PoisonError::into_inner).recv();
                out.text("done")
            })
        },
    );
    // Two templates, because a template that has hung is not tried again for a while.
    for (page, expected) in [
        ("hangs", ["breakers", "degraded", "outcome"]),
        ("hangs2", ["breakers", "outcome", "ready"]),
    ] {
        let before = scene.metrics();
        assert_eq!(scene.visit(&format!("apart/{page}.html")).await.status, 503);
        assert_eq!(scene.counted_since(&before), BTreeMap::from([("lost".to_owned(), 1)]));
        assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::from(expected), "{page}");
    }
    assert!(
        logged("hangs.html").iter().any(|line| line.contains("render_hang_ms")),
        "{:?}",
        logged("hangs.html")
    );
    drop(open);
}

#[actix_web::test]
async fn a_stopped_engine_is_reported() {
    let scene = Scene::start(&[("stopped.html", "fine")], |builder| builder);
    assert!(scene.hotplate.shutdown(Duration::from_secs(60)).await);
    let before = scene.metrics();
    // Renders that need no actor still use the last version.
    assert_eq!(scene.visit("stopped.html").await.body, "fine");
    assert_eq!(scene.visit("apart/stopped.html").await.status, 503);
    let counted = scene.counted_since(&before);
    assert_eq!(
        counted,
        BTreeMap::from([("current".to_owned(), 1), ("down".to_owned(), 1)])
    );
    assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::from(["outcome", "ready"]));
}

#[actix_web::test]
async fn a_failing_loader_is_reported() {
    let files = Files::new(&[("templates/loader.html", "fine")]);
    let root = files.path().join("templates");
    let hotplate = Hotplate::builder().root(&root).watch(false).start().expect("starts");
    let scene = Scene {
        web: Web::new(hotplate.clone()),
        memory: MemoryLoader::new().1,
        hotplate,
    };
    let before = scene.metrics();
    std::fs::rename(&root, files.path().join("away")).expect("renamed");
    let report = scene.hotplate.reload().await.expect("answered");
    assert!(
        matches!(report.outcome, hotplate::ReloadOutcome::Unreadable(_)),
        "{report:?}"
    );
    assert_eq!(scene.visit("loader.html").await.body, "fine");
    let health = scene.hotplate.health();
    assert!(health.ready && health.degraded[0].contains("is missing"), "{health:?}");
    assert_eq!(
        alerts(&before, &scene.metrics()),
        BTreeSet::from(["degraded", "desired"])
    );
}

/// A program that renders an unknown template has a defect, and visitors get an error.
#[actix_web::test]
async fn a_removed_template_is_reported() {
    let scene = Scene::start(&[("gone.html", "fine")], |builder| builder);
    scene.memory.edit([(name("gone.html"), None::<&str>)]);
    scene.hotplate.reload().await.expect("reloads");
    let before = scene.metrics();
    assert_eq!(scene.visit("gone.html").await.status, 500);
    assert_eq!(
        scene.counted_since(&before),
        BTreeMap::from([("not-found".to_owned(), 1)])
    );
    assert_eq!(alerts(&before, &scene.metrics()), BTreeSet::from(["outcome"]));
}

/// A call of the handle returns the failure, unless the caller asks for the stand-in.
#[test]
fn the_handle_returns_stand_ins_on_request() {
    let scene = Scene::start(&[("asked.html", "{nmae}"), ("down.html", "down {name}")], |builder| {
        builder.fallback("down.html")
    });
    scene.hotplate.render("asked.html", &json!({})).expect_err("fails");
    let options = RenderOptions {
        stand_in: true,
        ..RenderOptions::default()
    };
    let stood_in = scene
        .hotplate
        .request("asked.html")
        .with(&json!({}))
        .options(&options)
        .render();
    assert_eq!(stood_in.expect("a stand-in").body, "down asked.html");
}

/// The log names data by its file, and counts only pages as served.
#[actix_web::test]
async fn the_log_counts_pages_and_names_files() {
    let scene = Scene::start(
        &[("counted.html", "{{ broken"), ("x:counted.txt", "{{ broken")],
        |builder| {
            builder
                .entries(|entry| entry.as_str().ends_with(".html"))
                .shown(|entry| name(&entry.as_str().replace(':', "/")))
        },
    );
    let lines = logged("counted.");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("counted.html:1") && line.contains("1 template had no good version")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("x/counted.txt:1") && line.contains("no page is affected")),
        "{lines:?}"
    );
    drop(scene);
}

/// The removal of a stand-in is logged at once, not only when it is needed.
#[actix_web::test]
async fn a_removed_stand_in_is_reported() {
    let set = |builder: Builder| builder.fallback("goes.html");
    let texts = [
        ("goes.html", "down"),
        ("bad-goes.html", "{{ broken"),
        ("good-goes.html", "good"),
    ];
    let scene = Scene::start(&texts, set);
    assert_eq!(scene.visit("bad-goes.html").await.body, "down");
    scene.memory.edit([(name("goes.html"), None::<&str>)]);
    scene.hotplate.reload().await.expect("reloads");
    let said = |level: &str, words: &str| {
        let lines = logged("the stand-in goes.html");
        lines.iter().any(|line| line.starts_with(level) && line.contains(words))
    };
    assert!(said("WARN", "the built-in text is served in its place"));
    let health = scene.hotplate.health();
    assert!(
        health.ready && health.degraded[0].contains("goes.html was removed"),
        "{health:?}"
    );
    scene.edit("goes.html", "down again").await.expect("reloads");
    assert!(said("INFO", "exists again"));
    assert!(scene.hotplate.health().degraded.is_empty());
    assert_eq!(scene.visit("bad-goes.html").await.body, "down again");
}
