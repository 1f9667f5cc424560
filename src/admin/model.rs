//! The answers of the API, field by field. Programs rely on these names, so they do not change with the types of the engine.

mod diagnostic;
mod event;
mod health;
mod leaks;
mod preview;
mod stages;
mod version;
mod visitors;

use std::fmt;

use hotplate_actors::dialect::TemplateId;
use hotplate_actors::snapshot::{EntryStatus, Snapshot, Status};
use hotplate_actors::{Hotplate, counters};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub(super) use diagnostic::Finding;
pub(super) use event::{ActorFailedEvent, FallbackEvent};
pub(super) use health::{BreakerAnswer, HealthAnswer, Probe};
pub(super) use leaks::LeaksAnswer;
pub(super) use preview::{
    PreviewAnswer, PreviewOrder, PreviewReportAnswer, PreviewSummary, PreviewsAnswer, RenderAnswer, RenderOrder,
};
pub(super) use stages::{ShadowAnswer, StageAnswer, StageChangedAnswer, StageRequest, StagesAnswer, TenantsAnswer};
pub(super) use version::{
    ChangedTemplate, CurrentAnswer, DiffAnswer, PublicationAnswer, ReloadAnswer, RolledBackAnswer, SideAnswer,
    VersionAnswer, VersionsAnswer, WaitingAnswer,
};
pub(super) use visitors::{FAILURES_MAX, FailureAnswer, VisitorsAnswer};

/// Names in one field of an answer.
const NAMES_MAX: usize = 100;
/// Findings in an answer that is not about one template.
pub(super) const FINDINGS_MAX: usize = 100;

/// Some names, and how many there are.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(super) struct NameSample {
    /// The number of all names.
    pub(super) count: usize,
    /// The first hundred of them.
    pub(super) names: Vec<String>,
}

impl NameSample {
    pub(super) fn of(names: &[impl ToString]) -> Self {
        Self {
            count: names.len(),
            names: names.iter().take(NAMES_MAX).map(ToString::to_string).collect(),
        }
    }

    /// Returns the first hundred of the names that an event lists, with its count.
    pub(super) fn of_sample(sample: &hotplate_actors::NameSample) -> Self {
        Self {
            count: sample.count,
            ..Self::of(&sample.names)
        }
    }
}

/// The status of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StatusAnswer {
    /// Its newest text is served.
    Current,
    /// Its last good text is served, because a newer one has errors.
    Stale,
    /// It is not served, because there never was a good text.
    Broken,
    /// It is called and does not exist.
    Missing,
}

impl StatusAnswer {
    /// Returns the status as visitors experience it, which depends not only on compilation but also on failed renders.
    pub(super) fn of(hotplate: &Hotplate, snapshot: &Snapshot, id: TemplateId) -> Self {
        match snapshot.status(id) {
            EntryStatus::Gone => Self::Missing,
            _ => Status::of(hotplate.serving(snapshot, id)).into(),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Broken => "broken",
            Self::Missing => "missing",
        }
    }
}

impl From<Status> for StatusAnswer {
    fn from(status: Status) -> Self {
        match status {
            Status::Current => Self::Current,
            Status::Stale => Self::Stale,
            Status::Broken => Self::Broken,
        }
    }
}

/// Templates, sorted by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplatesAnswer {
    /// The version to which this answer applies.
    pub(super) version: u64,
    /// The templates that fit into one answer.
    pub(super) templates: Vec<TemplateSummary>,
    /// The value of `after` for the next templates, if there are more.
    pub(super) next: Option<String>,
}

/// A template in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateSummary {
    /// The name of the template.
    pub(super) name: String,
    /// The status of the template.
    pub(super) status: StatusAnswer,
    /// If an older text is served: the last version in which it was the newest.
    pub(super) since: Option<u64>,
    /// BLAKE3 of the text that is served, the first 16 hexadecimal digits.
    pub(super) digest: Option<String>,
    /// Bytes of the text that is served.
    pub(super) bytes: Option<usize>,
    /// The text that is served; only with `content=true`.
    pub(super) content: Option<String>,
}

/// Everything about a template.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateAnswer {
    /// The name of the template.
    pub(super) name: String,
    /// The version to which this answer applies.
    pub(super) version: u64,
    /// The status of the template.
    pub(super) status: StatusAnswer,
    /// If an older text is served: the last version in which it was the newest.
    pub(super) since: Option<u64>,
    /// The template to repair, if this one is not current or failed in a render.
    pub(super) cause: Option<String>,
    /// BLAKE3 of the text that is served, the first 16 hexadecimal digits.
    pub(super) digest: Option<String>,
    /// Bytes of the text that is served.
    pub(super) bytes: Option<usize>,
    /// The text that is served.
    pub(super) content: Option<String>,
    /// The errors that keep it from being current, and the errors of failed renders.
    pub(super) diagnostics: Vec<Finding>,
    /// Warnings about text that compiles and is probably a mistake.
    pub(super) warnings: Vec<Finding>,
    /// Templates that it calls.
    pub(super) dependencies: Vec<Dependency>,
    /// Templates that reach it by calls, sorted.
    pub(super) dependents: Vec<String>,
    /// Statistics of its renders.
    pub(super) stats: Stats,
    /// Its circuit breaker, if that is open.
    pub(super) breaker: Option<BreakerAnswer>,
}

/// A template that is called.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Dependency {
    /// The name of the template.
    pub(super) name: String,
    /// True if it exists.
    pub(super) exists: bool,
}

/// Statistics of the renders of one template as a page, since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// The number of renders; an estimate once there are more than a hundred.
    pub(super) renders: u64,
    /// Renders that failed, those included that were answered from an older version.
    pub(super) failures: u64,
    /// The time of the last render, to the second, in milliseconds since 1970.
    pub(super) last_render_ms: Option<u64>,
    /// The last render that failed.
    pub(super) last_failure: Option<LastFailure>,
}

/// A render that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastFailure {
    /// The time, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// The error.
    pub(super) message: String,
    /// The place of the error and its cause.
    pub(super) diagnostic: Option<Finding>,
}

impl From<counters::Usage> for Stats {
    fn from(usage: counters::Usage) -> Self {
        Self {
            renders: usage.renders,
            failures: usage.failures,
            last_render_ms: usage.last_render_ms,
            last_failure: usage.last_failure.map(|failure| LastFailure {
                at_ms: failure.at_ms,
                message: failure.message,
                diagnostic: failure.diagnostic.as_ref().map(Finding::of),
            }),
        }
    }
}

/// The graph of calls between templates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GraphAnswer {
    /// The version to which this answer applies.
    pub(super) version: u64,
    /// Templates, and names that are called and do not exist; sorted.
    pub(super) nodes: Vec<GraphNode>,
    /// Calls between these, sorted.
    pub(super) edges: Vec<GraphEdge>,
    /// True if there are more than fit into an answer. `around` selects a part.
    pub(super) truncated: bool,
}

/// A template in the graph.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GraphNode {
    /// The name of the template.
    pub(super) name: String,
    /// The status of the template.
    pub(super) status: StatusAnswer,
}

/// A call in the graph.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GraphEdge {
    /// The template that calls.
    pub(super) caller: String,
    /// The template that is called.
    pub(super) callee: String,
}

/// The filter of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLevelAnswer {
    /// The filter in the form of `RUST_LOG`, such as `info,hotplate=debug`.
    #[schema(max_length = 4096)]
    pub(super) filter: String,
}

/// The longest filter, in bytes.
pub(super) const FILTER_BYTES_MAX: usize = 4096;
/// The longest name of an actor, in bytes.
pub(super) const ACTOR_BYTES_MAX: usize = 100;

/// The actor to restart.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {
    /// The name of an actor as `/admin/v1/health` lists it, or `engine` for all.
    #[schema(min_length = 1, max_length = 100)]
    pub(super) actor: String,
}

/// The result of a reset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResetAnswer {
    /// The number of actors that were down and are restarted.
    pub(super) started: usize,
}

/// The answer to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HookAnswer {
    /// The loader that gets the hint.
    pub(super) loader: String,
}

/// The cause of a requested change.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CauseRequest {
    /// The name of the person or program; by default `admin API`. The name is not verified, except that of a subject, which stands in front of it.
    #[schema(max_length = 256)]
    pub(super) by: Option<String>,
    /// The reason, which the history, the log and the dashboard show.
    #[schema(max_length = 1024)]
    pub(super) reason: Option<String>,
}

/// The cause of a change.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct CauseAnswer {
    /// The name of the person or program, or the loader that noticed an edit.
    pub(super) by: Option<String>,
    /// The reason that was given.
    pub(super) reason: Option<String>,
    /// The trace id of the request.
    pub(super) trace: Option<String>,
}

impl CauseAnswer {
    pub(super) fn of(cause: &hotplate_actors::Cause) -> Self {
        Self {
            by: cause.name().map(str::to_owned),
            reason: cause.why().map(str::to_owned),
            trace: cause.trace_id().map(str::to_owned),
        }
    }

    /// Returns the name and the reason in one line, if there is a name.
    pub(super) fn sentence(&self) -> Option<String> {
        let by = self.by.as_deref()?;
        Some(match &self.reason {
            Some(reason) => format!("{by}: {reason}"),
            None => by.to_owned(),
        })
    }
}

/// The version to roll back to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollBackRequest {
    /// The number of a version that `/admin/v1/versions` lists as kept.
    #[serde(deserialize_with = "whole")]
    pub(super) to: u64,
    /// The name of the person or program; by default `admin API`. The name is not verified, except that of a subject, which stands in front of it.
    #[schema(max_length = 256)]
    pub(super) by: Option<String>,
    /// The reason, which the history, the log and the dashboard show.
    #[schema(max_length = 1024)]
    pub(super) reason: Option<String>,
}

/// The largest number that the format `int64` of the OpenAPI document has.
const INT64_MAX: u64 = i64::MAX as u64;

/// Reads an integer as JSON Schema defines it, so that `3.0` is one as well, up to [`INT64_MAX`].
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 0 to 9223372036854775807")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            match number <= INT64_MAX {
                true => Ok(number),
                false => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
            }
        }

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "it is an integer within the range"
        )]
        fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
            match number.fract() == 0.0 && (0.0..INT64_MAX as f64).contains(&number) {
                true => Ok(number as u64),
                false => Err(E::invalid_value(Unexpected::Float(number), &self)),
            }
        }
    }

    deserializer.deserialize_u64(Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_any_notation() {
        for (written, expected) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("3e2", Some(300)),
            ("0.0", Some(0)),
            ("-0.0", Some(0)),
            ("9223372036854775807", Some(INT64_MAX)),
            ("9223372036854775808", None),
            ("9223372036854775808.0", None),
            ("18446744073709551616", None),
            ("1e300", None),
            ("3.5", None),
            ("-1", None),
            ("-1.0", None),
            ("\"3\"", None),
            ("null", None),
        ] {
            let read = serde_json::from_str::<RollBackRequest>(&format!("{{\"to\": {written}}}"));
            assert_eq!(read.ok().map(|request| request.to), expected, "{written}");
        }
    }
}
