//! What happens, as one JSON object on each line: for programs. `docs/command.md` describes them; they are kept stable.

use hotplate::config::{Change, ConfigError};
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::snapshot::Standing;
use hotplate::supervision::{Fault, GivenUp, Restarted};
use hotplate::{Digest, Event, Fallback, Fixed, Hotplate, Published, ReloadReport, TemplateName, Version};
use serde::Serialize;
use serde_json::{Value, json};

use super::names;

/// One version. A list has every name; a sentence leaves some out.
#[derive(Debug, Serialize)]
pub(crate) struct VersionLine {
    event: &'static str,
    pub(crate) version: Version,
    pub(crate) digest: Digest,
    pub(crate) changed: Vec<TemplateName>,
    pub(crate) removed: Vec<TemplateName>,
    pub(crate) stale: Vec<TemplateName>,
    pub(crate) broken: Vec<TemplateName>,
    pub(crate) recovered: Vec<TemplateName>,
    /// What is newly wrong.
    diagnostics: Vec<Diagnostic>,
    pub(crate) microseconds: u64,
}

impl VersionLine {
    pub(crate) fn of(site: &Site, published: &Published) -> Self {
        Self {
            event: "published",
            version: published.version,
            digest: published.digest,
            changed: names::shown(site, &published.changed),
            removed: names::shown(site, &published.removed),
            stale: names::shown(site, &published.stale),
            broken: names::shown(site, &published.broken),
            recovered: names::shown(site, &published.recovered),
            diagnostics: diagnostics(site, &published.diagnostics),
            microseconds: published.micros,
        }
    }

    /// The version that everything begins with.
    pub(crate) fn of_all(site: &Site, hotplate: &Hotplate, microseconds: u64) -> Self {
        let pinned = hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let mut line = Self {
            event: "started",
            version: snapshot.version(),
            digest: snapshot.digest(),
            changed: Vec::new(),
            removed: Vec::new(),
            stale: Vec::new(),
            broken: Vec::new(),
            recovered: Vec::new(),
            diagnostics: diagnostics(site, &hotplate.diagnostics()),
            microseconds,
        };
        for (_, name, standing) in snapshot.entries() {
            let list = match standing {
                Standing::Current(_) => &mut line.changed,
                Standing::Stale { .. } => &mut line.stale,
                Standing::Broken { .. } => &mut line.broken,
                Standing::Gone => continue,
            };
            list.push(site.shown(name));
        }
        for list in [&mut line.changed, &mut line.stale, &mut line.broken] {
            list.sort_unstable();
        }
        line
    }
}

/// Requests are answered.
pub(crate) fn listening(url: &str, admin: Option<&str>) -> Value {
    json!({ "event": "listening", "url": url, "admin": admin })
}

/// An event of the engine, if programs are told of its kind.
pub(crate) fn event(site: &Site, event: &Event) -> Option<Value> {
    match event {
        Event::Published(published) => serde_json::to_value(VersionLine::of(site, published)).ok(),
        Event::Fallback(fallback) => Some(self::fallback(site, fallback)),
        Event::Fixed(Fixed { template, version }) => {
            Some(json!({ "event": "fixed", "template": site.shown(template), "version": version }))
        }
        Event::ActorFailed(Fault {
            actor, number, said, ..
        }) => Some(json!({ "event": "actor-failed", "actor": actor, "number": number, "said": said })),
        Event::ActorRestarted(Restarted {
            actor,
            number,
            restarts,
        }) => Some(json!({ "event": "actor-restarted", "actor": actor, "number": number, "restarts": restarts })),
        Event::GaveUp(GivenUp { actor, number, said }) => {
            Some(json!({ "event": "gave-up", "actor": actor, "number": number, "said": said }))
        }
        Event::Lagged { missed, current } => Some(json!({ "event": "lagged", "missed": missed, "version": current })),
        _ => None,
    }
}

fn fallback(site: &Site, fallback: &Fallback) -> Value {
    json!({
        "event": "fallback",
        "template": site.shown(&fallback.template),
        "version": fallback.version,
        "serving": fallback.serving.as_str(),
        "since": fallback.serving.since(),
        "diagnostics": diagnostics(site, &fallback.why.diagnostics),
    })
}

/// What came of a SIGHUP that the configuration allowed.
pub(crate) fn reloaded(site: &Site, live: &[Change], restart: &[Change], report: &ReloadReport) -> Value {
    let paths = |changes: &[Change]| changes.iter().map(|change| change.path).collect::<Vec<_>>();
    let mut report = report.clone();
    report.diagnostics = diagnostics(site, &report.diagnostics);
    report.changed = names::shown(site, &report.changed);
    report.removed = names::shown(site, &report.removed);
    for not_current in &mut report.not_current {
        not_current.template = site.shown(&not_current.template);
    }
    json!({ "event": "reloaded", "live": paths(live), "restart": paths(restart), "report": report })
}

/// A SIGHUP that the configuration did not allow, or nobody answered: what held goes on.
pub(crate) fn refused(why: &str, error: Option<&ConfigError>) -> Value {
    let findings = error.map(|error| error.findings.as_slice()).unwrap_or_default();
    json!({ "event": "not-reloaded", "why": why, "findings": findings })
}

/// So many lines are missing here, because nobody read them in time.
pub(crate) fn dropped(lines: u64) -> Value {
    json!({ "event": "dropped", "lines": lines })
}

/// The server comes to an end.
pub(crate) fn stopping(within_ms: u64) -> Value {
    json!({ "event": "stopping", "drain_ms": within_ms })
}

/// It has; `drained` if everything under way was answered.
pub(crate) fn stopped(drained: bool) -> Value {
    json!({ "event": "stopped", "drained": drained })
}

fn diagnostics(site: &Site, diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let shown = diagnostics.iter().map(|diagnostic| names::diagnostic(site, diagnostic));
    shown.collect()
}
