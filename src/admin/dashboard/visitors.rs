//! The parts of the overview about visitors and about the process.

use serde::Serialize;

use super::templates::href;
use crate::admin::instance::InstanceAnswer;
use crate::admin::model::FailureAnswer;
use crate::admin::phrases;
use crate::admin::vitals::VitalsView;

/// The answers that visitors get.
#[derive(Debug, Serialize)]
pub(super) struct VisitorsView {
    vitals: VitalsView,
    failures: FailuresView,
}

impl VisitorsView {
    pub(super) fn of(vitals: VitalsView, failures: Vec<FailureAnswer>, now_ms: u64) -> Self {
        Self {
            vitals,
            failures: FailuresView::of(failures, now_ms),
        }
    }
}

/// The pages that failed last.
#[derive(Debug, Default, Serialize)]
struct FailuresView {
    any: bool,
    list: Vec<FailureRow>,
}

#[derive(Debug, Serialize)]
struct FailureRow {
    page: String,
    href: String,
    at_ms: u64,
    ago: String,
    /// The counts in words.
    count: String,
    /// The answer that visitors get now, in words, and its kind: `good`, `warn` or `bad`.
    now: &'static str,
    kind: &'static str,
    /// The template and line of the error.
    place: Option<String>,
    message: Option<String>,
}

impl FailuresView {
    fn of(failures: Vec<FailureAnswer>, now_ms: u64) -> Self {
        let list = failures.into_iter().map(|failure| {
            let (now, kind) = match failure.serving {
                None => ("newest text again", "good"),
                Some("last-good") => ("last good version", "warn"),
                Some("stand-in") => ("stand-in page (503)", "bad"),
                Some(_) => ("error (500)", "bad"),
            };
            let counts = [(failure.failures, "failed"), (failure.stale, "last good")];
            let counts = counts.into_iter().filter(|(count, _)| *count > 0);
            let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
            let found = failure.diagnostic;
            FailureRow {
                href: href(&failure.template, ""),
                page: failure.template,
                at_ms: failure.at_ms,
                ago: phrases::ago(failure.at_ms, now_ms),
                count: counts.join(", "),
                now,
                kind,
                place: found.as_ref().and_then(|found| {
                    let line = found.line.map_or_else(String::new, |line| format!(":{line}"));
                    found.template.as_ref().map(|template| format!("{template}{line}"))
                }),
                message: found.map(|found| found.message),
            }
        });
        let list: Vec<_> = list.collect();
        Self {
            any: !list.is_empty(),
            list,
        }
    }
}

/// The process, as the overview shows it.
#[derive(Debug, Default, Serialize)]
pub(super) struct InstanceView {
    host: String,
    process: u32,
    hotplate: &'static str,
    configuration: String,
    sources: String,
    started_ms: u64,
    uptime: String,
    memory: String,
    limits: Vec<LimitView>,
}

#[derive(Debug, Serialize)]
struct LimitView {
    name: String,
    used: u64,
    most: u64,
    is_near: bool,
}

impl InstanceView {
    pub(super) fn of(instance: InstanceAnswer, now_ms: u64) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            host: instance.host.unwrap_or_else(unknown),
            process: instance.process,
            hotplate: instance.hotplate,
            configuration: instance.configuration.unwrap_or_else(|| "none".to_owned()),
            sources: instance.sources.join(", "),
            started_ms: instance.started_ms,
            uptime: phrases::ago(instance.started_ms, now_ms),
            memory: instance.memory_bytes.map_or_else(unknown, phrases::bytes),
            limits: instance
                .limits
                .into_iter()
                .map(|limit| LimitView {
                    name: limit.name,
                    used: limit.used,
                    most: limit.most,
                    is_near: limit.is_near,
                })
                .collect(),
        }
    }
}
