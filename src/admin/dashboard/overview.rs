//! The overview: the state of the engine on one page.

use serde::Serialize;

use super::attention::Attention;
use super::versions::WaitingView;
use super::visitors::{InstanceView, VisitorsView};
use super::{Frame, NameList};
use crate::admin::model::{Finding, HealthAnswer, PublicationAnswer, VersionAnswer};
use crate::admin::phrases;
use crate::admin::vitals::VitalsView;
use crate::percent::percent_encoded;

/// Versions that the overview lists.
const VERSIONS: usize = 8;
/// Findings and open circuit breakers that a page shows.
pub(super) const FINDINGS: usize = 20;

#[derive(Debug, Serialize)]
pub(super) struct Overview {
    pub(super) frame: Frame,
    pub(super) version: VersionAnswer,
    /// The shares of templates by status.
    pub(super) bar: Bar,
    pub(super) vitals: VitalsView,
    pub(super) attention: Attention,
    pub(super) visitors: VisitorsView,
    pub(super) instance: InstanceView,
    pub(super) actors: Vec<ActorView>,
    pub(super) loaders: Vec<LoaderView>,
    pub(super) mailboxes: Vec<MailboxView>,
    pub(super) breakers: BreakersView,
    pub(super) listeners: Vec<ListenerView>,
    pub(super) findings: FindingsView,
    pub(super) waiting: WaitingView,
    pub(super) rows: Rows,
}

/// Versions in a list.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    pub(super) versions: Vec<VersionRow>,
}

/// The bar that shows the shares of templates by status, in percent.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    total: usize,
    current: f64,
    stale: f64,
    broken: f64,
    /// The positions at which the second and third share begin.
    stale_at: f64,
    broken_at: f64,
}

impl Bar {
    #[expect(clippy::cast_precision_loss, reason = "shares are shown to a tenth of a percent")]
    pub(super) fn of(version: &VersionAnswer) -> Self {
        let counts = &version.templates;
        let total = counts.current + counts.stale + counts.broken;
        let share = |count: usize| (count as f64 * 1000.0 / total.max(1) as f64).round() / 10.0;
        let (current, stale, broken) = (share(counts.current), share(counts.stale), share(counts.broken));
        Self {
            total,
            current,
            stale,
            broken,
            stale_at: current,
            broken_at: current + stale,
        }
    }
}

/// All actors of one name together.
#[derive(Debug, Serialize)]
pub(super) struct ActorView {
    name: &'static str,
    many: bool,
    number: usize,
    /// The worst state of these actors: `up`, `backing-off`, `stopped` or `down`.
    state: &'static str,
    /// `good`, `warn` or `bad`.
    kind: &'static str,
    restarts: u64,
    backlog: usize,
    quarantined: usize,
    last_fault: Option<String>,
    can_reset: bool,
    last: bool,
}

pub(super) fn actors(health: &HealthAnswer) -> Vec<ActorView> {
    let weight = |state: &str| {
        ["up", "backing-off", "stopped", "down"]
            .iter()
            .position(|known| *known == state)
    };
    let mut views: Vec<ActorView> = Vec::new();
    for actor in &health.actors {
        let view = match views.iter_mut().position(|view| view.name == actor.actor) {
            Some(known) => &mut views[known],
            None => {
                views.push(ActorView {
                    name: actor.actor,
                    many: false,
                    number: 0,
                    state: "up",
                    kind: "good",
                    restarts: 0,
                    backlog: 0,
                    quarantined: 0,
                    last_fault: None,
                    can_reset: false,
                    last: false,
                });
                let newest = views.len() - 1;
                &mut views[newest]
            }
        };
        view.number += 1;
        view.many = view.number > 1;
        if weight(actor.state) > weight(view.state) {
            view.state = actor.state;
        }
        view.restarts += actor.restarts;
        view.backlog += actor.backlog;
        view.quarantined += actor.quarantined;
        view.last_fault = view.last_fault.take().or_else(|| actor.last_fault.clone());
    }
    for view in &mut views {
        view.kind = match view.state {
            "up" if view.quarantined == 0 => "good",
            "up" | "backing-off" => "warn",
            _ => "bad",
        };
        view.can_reset = view.state == "down";
    }
    if let Some(last) = views.last_mut() {
        last.last = true;
    }
    views
}

#[derive(Debug, Serialize)]
pub(super) struct LoaderView {
    name: String,
    mode: &'static str,
    why: String,
    files: u64,
    directories: u64,
    overflows: u64,
    missed: u64,
    unreadable: u64,
    root_missing: bool,
}

pub(super) fn loaders(health: &HealthAnswer) -> Vec<LoaderView> {
    let loaders = health.loaders.iter().map(|loader| LoaderView {
        name: loader.loader.clone(),
        mode: match loader.watch_mode {
            "native" => "native file events",
            "native-and-poll" => "native file events and polling",
            "poll" => "polling",
            _ => "not watched",
        },
        why: loader.why.clone(),
        files: loader.files,
        directories: loader.directories,
        overflows: loader.overflows,
        missed: loader.missed_by_events,
        unreadable: loader.unreadable,
        root_missing: loader.root_missing,
    });
    loaders.collect()
}

#[derive(Debug, Serialize)]
pub(super) struct MailboxView {
    name: &'static str,
    in_flight: usize,
    capacity: usize,
    rejected: u64,
    timeouts: u64,
    lost: u64,
}

pub(super) fn mailboxes(health: &HealthAnswer) -> Vec<MailboxView> {
    let mailboxes = health.mailboxes.iter().map(|mailbox| MailboxView {
        name: mailbox.name,
        in_flight: mailbox.in_flight,
        capacity: mailbox.capacity,
        rejected: mailbox.busy,
        timeouts: mailbox.timeouts,
        lost: mailbox.lost,
    });
    mailboxes.collect()
}

/// Templates whose circuit breaker is open.
#[derive(Debug, Serialize)]
pub(super) struct BreakersView {
    any: bool,
    list: Vec<BreakerView>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct BreakerView {
    name: String,
    href: String,
    since_ms: u64,
    since: String,
    next_try: String,
    failure: Option<String>,
}

impl BreakersView {
    pub(super) fn of(health: &HealthAnswer, now_ms: u64) -> Self {
        let list = health.breakers.iter().take(FINDINGS).map(|breaker| BreakerView {
            href: format!("/_hotplate/templates?at={}", percent_encoded(&breaker.template)),
            name: breaker.template.clone(),
            since_ms: breaker.since_ms,
            since: phrases::ago(breaker.since_ms, now_ms),
            next_try: match breaker.trying {
                true => "in progress".to_owned(),
                false => phrases::ahead(breaker.next_try_ms, now_ms),
            },
            failure: breaker.diagnostic.as_ref().map(|finding| finding.message.clone()),
        });
        let list: Vec<_> = list.collect();
        Self {
            any: !list.is_empty(),
            more: health.breakers_open.saturating_sub(list.len()),
            list,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ListenerView {
    name: &'static str,
    open: usize,
    capacity: usize,
    slow_head: u64,
    slow_body: u64,
    no_progress: u64,
    buffered: u64,
    refused: u64,
}

pub(super) fn listeners(health: &HealthAnswer) -> Vec<ListenerView> {
    let listeners = health.listeners.iter().map(|listener| ListenerView {
        name: listener.listener,
        open: listener.open,
        capacity: listener.capacity,
        slow_head: listener.ended.slow_head,
        slow_body: listener.ended.slow_body + listener.ended.unread_body,
        no_progress: listener.ended.no_progress,
        buffered: listener.ended.buffered,
        refused: listener.refused,
    });
    listeners.collect()
}

/// The errors and warnings, with lines and carets.
#[derive(Debug, Serialize)]
pub(super) struct FindingsView {
    any: bool,
    list: Vec<FindingView>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct FindingView {
    /// `error` or `warning`.
    severity: &'static str,
    code: &'static str,
    message: String,
    /// The template and line, if the finding has them.
    place: Option<String>,
    href: Option<String>,
    /// The line with its caret, and the proposal.
    text: String,
}

impl FindingsView {
    pub(super) fn of(findings: Vec<Finding>, all: usize) -> Self {
        let list: Vec<FindingView> = findings.into_iter().take(FINDINGS).map(FindingView::of).collect();
        Self {
            any: !list.is_empty(),
            more: all.saturating_sub(list.len()),
            list,
        }
    }
}

impl FindingView {
    fn of(finding: Finding) -> Self {
        // The first line repeats the heading.
        let mut lines = finding.text.lines().skip(1).peekable();
        // The second line repeats the place, which the page shows as a link.
        lines.next_if(|line| line.trim_start().starts_with("--> "));
        let text = lines.collect::<Vec<_>>().join("\n");
        let line = finding.line.map_or_else(String::new, |line| format!(":{line}"));
        Self {
            severity: finding.severity,
            code: finding.code,
            message: finding.message,
            place: finding.template.as_ref().map(|template| format!("{template}{line}")),
            href: finding
                .template
                .as_deref()
                .map(|template| format!("/_hotplate/templates?at={}", percent_encoded(template))),
            text,
        }
    }
}

/// A version in a list.
#[derive(Debug, Serialize)]
pub(super) struct VersionRow {
    pub(super) number: u64,
    pub(super) at_ms: u64,
    pub(super) ago: String,
    pub(super) micros: String,
    pub(super) is_current: bool,
    pub(super) can_roll_back: bool,
    pub(super) held: bool,
    /// True if an earlier process published it.
    pub(super) stored: bool,
    /// The version that is served while the page is shown, which a rollback from this page expects.
    pub(super) current: u64,
    /// The cause of the version in words.
    pub(super) cause: Option<String>,
    pub(super) changed: NameList,
    pub(super) removed: NameList,
    pub(super) stale: NameList,
    pub(super) broken: NameList,
    pub(super) recovered: NameList,
    /// `good`, `warn` or `bad`.
    pub(super) kind: &'static str,
}

/// Names of each kind in a row.
const ROW_NAMES: usize = 3;

impl VersionRow {
    pub(super) fn of(publication: &PublicationAnswer, current: u64, now_ms: u64) -> Self {
        let few = |names| NameList::of(names, ROW_NAMES);
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let ms = publication.micros as f64 / 1000.0;
        Self {
            number: publication.version,
            at_ms: publication.at_ms,
            ago: phrases::ago(publication.at_ms, now_ms),
            micros: phrases::duration(Some(ms)),
            is_current: publication.version == current,
            can_roll_back: publication.kept && publication.version != current,
            held: publication.held,
            stored: publication.stored,
            current,
            cause: publication.cause.sentence(),
            changed: few(&publication.changed),
            removed: few(&publication.removed),
            stale: few(&publication.stale),
            broken: few(&publication.broken),
            recovered: few(&publication.recovered),
            kind: match (publication.broken.count, publication.stale.count) {
                (0, 0) => "good",
                (0, _) => "warn",
                _ => "bad",
            },
        }
    }
}

/// Returns the newest versions.
pub(super) fn newest(publications: &[PublicationAnswer], current: u64, now_ms: u64) -> Rows {
    let newest = publications.iter().take(VERSIONS);
    Rows {
        versions: newest
            .map(|publication| VersionRow::of(publication, current, now_ms))
            .collect(),
    }
}
