//! [`ServerEvent`]: one thing that happened, with everything that any view of it shows.
//!
//! Serialized it is the object that `docs/command.md` describes; those objects are kept stable. Names are the engine's until an event is
//! serialized, because the views look them up in the site; [`ServerEvent::json`] translates them into the names that people use.

use hotplate::config::{Change, Changes, Finding};
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::snapshot::EntryStatus;
use hotplate::supervision::{GivenUp, Restarted};
use hotplate::template::Layer;
use hotplate::{
    Cause, Digest, Event, Fallback, Fixed, Hotplate, NameSample, Pinned, Published, ReloadReport, ScopeReport,
    TemplateKey, TemplateName, Version,
};
use serde::{Serialize, Serializer};

use crate::cli::names;

/// The addresses of a server.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Listening<'e> {
    pub(crate) url: &'e str,
    pub(crate) admin: Option<&'e str>,
    /// The render endpoint: a URL, or `unix:` and the path of its socket.
    pub(crate) render: Option<&'e str>,
}

/// Something that `dev`, `serve` or `watch` reports.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum ServerEvent<'e> {
    /// The first version is served: everything that exists.
    Started(VersionEvent),
    /// Requests are answered.
    Listening(Listening<'e>),
    /// A new version is served.
    Published(VersionEvent),
    /// A template failed when it was rendered, and something else was served in its place.
    Fallback {
        template: TemplateName,
        version: Version,
        serving: &'static str,
        since: Option<Version>,
        diagnostics: Vec<Diagnostic>,
        /// The scope, unless it is that of everyone.
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<Layer>,
    },
    /// A template that failed when it was rendered has been rendered successfully.
    Fixed {
        template: TemplateName,
        version: Version,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<Layer>,
    },
    /// An actor failed.
    ActorFailed {
        actor: &'e str,
        number: u16,
        message: &'e str,
        /// The failure in a sentence.
        #[serde(skip)]
        sentence: String,
    },
    /// An actor runs again.
    ActorRestarted(&'e Restarted),
    /// An actor has reached its restart limit and stays down.
    GaveUp(&'e GivenUp),
    /// Events were dropped, because this program was too slow for them.
    Lagged { missed: u64, version: Version },
    /// A SIGHUP with a valid configuration was carried out.
    Reloaded {
        live: Vec<&'static str>,
        restart: Vec<&'static str>,
        report: ReloadReport,
        /// Both lists with their values.
        #[serde(skip)]
        changes: &'e Changes,
    },
    /// A SIGHUP changed nothing.
    NotReloaded { why: String, findings: &'e [Finding] },
    /// The server ends: it accepts no more requests.
    Stopping { drain_ms: u64 },
    /// The server has ended.
    Stopped { drained: bool },
}

/// A version, with the names of the templates that it changes, and of some of those that become stale, broken or current.
#[derive(Debug, Clone, Serialize)]
pub(super) struct VersionEvent {
    pub(super) version: Version,
    pub(super) digest: Digest,
    /// The cause: a name, a reason and a trace. It is empty for the version of the start.
    pub(super) cause: Cause,
    pub(super) changed: Vec<TemplateName>,
    pub(super) removed: Vec<TemplateName>,
    /// The changed and removed texts of other layers than that of everyone in the stage `stable`, each with its layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) layered: Vec<TemplateKey>,
    /// The templates of other scopes whose status changed otherwise than for everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<ScopeReport>,
    #[serde(serialize_with = "names_only")]
    pub(super) stale: NameSample,
    #[serde(serialize_with = "names_only")]
    pub(super) broken: NameSample,
    #[serde(serialize_with = "names_only")]
    pub(super) recovered: NameSample,
    /// The numbers of templates in the three lists before, which may name fewer, and of new errors.
    pub(super) counts: StatusChanges,
    /// New errors.
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) microseconds: u64,
    /// The number of templates that wait since a rollback.
    pub(super) waiting: usize,
    /// The snapshot that is served: this version, or a later one.
    #[serde(skip)]
    pub(super) pinned: Pinned,
}

/// The numbers of templates whose status a version changes, and of its new errors.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct StatusChanges {
    stale: usize,
    broken: usize,
    recovered: usize,
    pub(super) diagnostics: usize,
}

fn names_of(keys: &[TemplateKey]) -> Vec<TemplateName> {
    let keys = keys.iter().filter(|key| key.layer == Layer::SHARED_STABLE);
    keys.map(|key| key.name.clone()).collect()
}

fn names_only<S: Serializer>(sample: &NameSample, serializer: S) -> Result<S::Ok, S::Error> {
    sample.names.serialize(serializer)
}

impl<'e> ServerEvent<'e> {
    /// Converts an event of the engine; `None` for kinds that are not reported.
    pub(super) fn of_engine(event: &'e Event, hotplate: &Hotplate) -> Option<Self> {
        Some(match event {
            Event::Published(published) => Self::Published(VersionEvent::of(published, hotplate)),
            Event::Fallback(fallback) => {
                let Fallback { template, version, .. } = &**fallback;
                Self::Fallback {
                    template: template.clone(),
                    version: *version,
                    serving: fallback.serving.as_str(),
                    since: fallback.serving.since(),
                    diagnostics: fallback.why.diagnostics.to_vec(),
                    scope: fallback.scope.clone(),
                }
            }
            Event::Fixed(Fixed {
                template,
                version,
                scope,
            }) => Self::Fixed {
                template: template.clone(),
                version: *version,
                scope: scope.clone(),
            },
            Event::ActorFailed(fault) => Self::ActorFailed {
                actor: fault.actor,
                number: fault.number,
                message: &fault.message,
                sentence: fault.to_string(),
            },
            Event::ActorRestarted(restarted) => Self::ActorRestarted(restarted),
            Event::GaveUp(given_up) => Self::GaveUp(given_up),
            Event::Lagged { missed, current } => Self::Lagged {
                missed: *missed,
                version: *current,
            },
            _ => return None,
        })
    }

    pub(super) fn reloaded(changes: &'e Changes, report: &ReloadReport) -> Self {
        let paths = |changes: &[Change]| changes.iter().map(|change| change.path).collect();
        Self::Reloaded {
            live: paths(&changes.live),
            restart: paths(&changes.restart),
            report: report.clone(),
            changes,
        }
    }

    /// Returns the event as one line of JSON, with the names that people use: data has the name of its file.
    pub(super) fn json(&self, site: &Site) -> serde_json::Result<String> {
        let mut shown = self.clone();
        match &mut shown {
            Self::Started(version) | Self::Published(version) => version.show_names(site),
            Self::Fallback {
                template, diagnostics, ..
            } => {
                *template = site.shown(template);
                names::show_in(site, diagnostics);
            }
            Self::Fixed { template, .. } => *template = site.shown(template),
            Self::Reloaded { report, .. } => {
                let texts = report.changed.iter_mut().chain(&mut report.removed);
                names::show(site, texts.map(|key| &mut key.name));
                names::show(site, &mut report.waiting.names);
                names::show_in(site, &mut report.diagnostics);
                let not_current = report.not_current.iter_mut();
                not_current.for_each(|entry| entry.template = site.shown(&entry.template));
            }
            _ => {}
        }
        serde_json::to_string(&shown)
    }
}

/// Returns the changed and removed texts of other layers than that of everyone in the stage `stable`.
fn layered(published: &Published) -> Vec<TemplateKey> {
    let all = published.changed.iter().chain(&published.removed);
    all.filter(|key| key.layer != Layer::SHARED_STABLE).cloned().collect()
}

impl VersionEvent {
    /// Creates the event of a version that was just published.
    fn of(published: &Published, hotplate: &Hotplate) -> Self {
        Self {
            version: published.version,
            digest: published.digest,
            cause: published.cause.clone(),
            changed: names_of(&published.changed),
            removed: names_of(&published.removed),
            layered: layered(published),
            scopes: published.scopes.clone(),
            stale: published.stale.clone(),
            broken: published.broken.clone(),
            recovered: published.recovered.clone(),
            counts: StatusChanges {
                stale: published.stale.count,
                broken: published.broken.count,
                recovered: published.recovered.count,
                diagnostics: published.faults,
            },
            diagnostics: published.diagnostics.clone(),
            microseconds: published.micros,
            waiting: hotplate.counters().waiting,
            pinned: hotplate.snapshot(),
        }
    }

    /// Creates the event of the version that is served at the start. `microseconds` is the time that loading it took.
    pub(super) fn of_everything(site: &Site, hotplate: &Hotplate, microseconds: u64) -> Self {
        let pinned = hotplate.snapshot();
        let (mut current, mut stale, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for (_, name, status) in pinned.snapshot().entries() {
            let list = match status {
                EntryStatus::Current(_) => &mut current,
                EntryStatus::Stale { .. } => &mut stale,
                EntryStatus::Broken => &mut broken,
                EntryStatus::Gone => continue,
            };
            list.push(name.clone());
        }
        let everything = |mut names: Vec<TemplateName>| {
            names.sort_unstable_by_key(|name| site.shown(name));
            let count = names.len();
            NameSample { count, names }
        };
        let (current, stale, broken) = (everything(current).names, everything(stale), everything(broken));
        let diagnostics = hotplate.diagnostics();
        Self {
            version: pinned.version(),
            digest: pinned.snapshot().digest(),
            cause: Cause::default(),
            waiting: hotplate.counters().waiting,
            changed: current,
            removed: Vec::new(),
            layered: Vec::new(),
            scopes: Vec::new(),
            counts: StatusChanges {
                stale: stale.count,
                broken: broken.count,
                recovered: 0,
                diagnostics: diagnostics.len(),
            },
            stale,
            broken,
            recovered: NameSample::default(),
            diagnostics,
            microseconds,
            pinned,
        }
    }

    fn show_names(&mut self, site: &Site) {
        for list in [
            &mut self.changed,
            &mut self.removed,
            &mut self.stale.names,
            &mut self.broken.names,
            &mut self.recovered.names,
        ] {
            names::show(site, list);
        }
        names::show_in(site, &mut self.diagnostics);
    }
}

/// Returns the line of JSON that replaces lines that were dropped because they were not read in time.
pub(crate) fn dropped_lines(lines: u64) -> String {
    serde_json::json!({ "event": "dropped", "lines": lines }).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn events_have_the_documented_keys() {
        let actor = "graph";
        let (number, restarts, message) = (0, 2, "why".to_owned());
        let restarted = Restarted {
            actor,
            number,
            restarts,
        };
        let given_up = GivenUp { actor, number, message };
        for (event, expected) in [
            (
                ServerEvent::Listening(Listening {
                    url: "http://a/",
                    admin: None,
                    render: None,
                }),
                json!({ "event": "listening", "url": "http://a/", "admin": null, "render": null }),
            ),
            (
                ServerEvent::Fallback {
                    scope: None,
                    template: TemplateName::new("a.html").expect("a name"),
                    version: Version::from_number(1),
                    serving: "stand-in",
                    since: None,
                    diagnostics: Vec::new(),
                },
                json!({
                    "event": "fallback", "template": "a.html", "version": 1, "serving": "stand-in", "since": null, "diagnostics": [],
                }),
            ),
            (
                ServerEvent::Fixed {
                    scope: None,
                    template: TemplateName::new("a.html").expect("a name"),
                    version: Version::from_number(2),
                },
                json!({ "event": "fixed", "template": "a.html", "version": 2 }),
            ),
            (
                ServerEvent::ActorFailed {
                    actor,
                    number,
                    message: "why",
                    sentence: "the graph failed: why".to_owned(),
                },
                json!({ "event": "actor-failed", "actor": "graph", "number": 0, "message": "why" }),
            ),
            (
                ServerEvent::ActorRestarted(&restarted),
                json!({ "event": "actor-restarted", "actor": "graph", "number": 0, "restarts": 2 }),
            ),
            (
                ServerEvent::GaveUp(&given_up),
                json!({ "event": "gave-up", "actor": "graph", "number": 0, "message": "why" }),
            ),
            (
                ServerEvent::NotReloaded {
                    why: "why".to_owned(),
                    findings: &[],
                },
                json!({ "event": "not-reloaded", "why": "why", "findings": [] }),
            ),
            (
                ServerEvent::Stopping { drain_ms: 7 },
                json!({ "event": "stopping", "drain_ms": 7 }),
            ),
            (
                ServerEvent::Stopped { drained: true },
                json!({ "event": "stopped", "drained": true }),
            ),
        ] {
            let line = event.json(&Site::of_program(None)).expect("serializes");
            let found: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(found, expected);
        }
    }
}
