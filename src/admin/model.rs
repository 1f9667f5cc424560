//! What the API answers with, field by field. These are the names that programs rely on: they follow the engine's types, but do
//! not change with them.

mod diagnostic;
mod health;
mod version;

use std::fmt;

use hotplate_actors::dialect::TemplateId;
use hotplate_actors::snapshot::{Snapshot, Standing, Stands};
use hotplate_actors::{Hotplate, TemplateName, counters};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub(super) use diagnostic::Finding;
pub(super) use health::{BreakerAnswer, HealthAnswer, Probe};
pub(super) use version::{
    ChangedTemplate, CurrentAnswer, DiffAnswer, PublicationAnswer, ReloadAnswer, RolledBackAnswer, SideAnswer,
    VersionAnswer, VersionsAnswer,
};

/// Names in an answer that is not about one template: more do not help anybody.
const NAMES_MAX: usize = 100;

/// Some names, and how many there are.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(super) struct NameSample {
    /// How many there are.
    pub(super) count: usize,
    /// The first hundred of them.
    pub(super) names: Vec<String>,
}

impl NameSample {
    pub(super) fn of(names: &[TemplateName]) -> Self {
        Self {
            count: names.len(),
            names: names.iter().take(NAMES_MAX).map(ToString::to_string).collect(),
        }
    }
}

/// How a template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StatusAnswer {
    /// Served as its newest text has it.
    Current,
    /// Served as it was before an edit that is not good.
    Stale,
    /// Not served: there never was a good text.
    Broken,
    /// Called, and not there.
    Missing,
}

impl StatusAnswer {
    /// By what visitors get now, and not only by what compiles.
    pub(super) fn of(hotplate: &Hotplate, snapshot: &Snapshot, id: TemplateId) -> Self {
        match snapshot.standing(id) {
            Standing::Gone => Self::Missing,
            _ => Stands::of(hotplate.serving(snapshot, id)).into(),
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

impl From<Stands> for StatusAnswer {
    fn from(stands: Stands) -> Self {
        match stands {
            Stands::Current => Self::Current,
            Stands::Stale => Self::Stale,
            Stands::Broken => Self::Broken,
        }
    }
}

/// Templates, sorted by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplatesAnswer {
    /// The version that this is about.
    pub(super) version: u64,
    /// As many as fit into one answer.
    pub(super) templates: Vec<TemplateSummary>,
    /// If there are more: what to give as `after` for the rest.
    pub(super) next: Option<String>,
}

/// A template in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateSummary {
    /// Its name.
    pub(super) name: String,
    /// How it stands.
    pub(super) standing: StatusAnswer,
    /// If something older than its newest text is served: the last version in which that was the newest.
    pub(super) since: Option<u64>,
    /// BLAKE3 of the text that is served, the first 16 hexadecimal digits.
    pub(super) digest: Option<String>,
    /// Bytes of the text that is served.
    pub(super) bytes: Option<usize>,
    /// The text that is served, if asked for with `content=true`.
    pub(super) content: Option<String>,
}

/// Everything about a template.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateAnswer {
    /// Its name.
    pub(super) name: String,
    /// The version that this is about.
    pub(super) version: u64,
    /// How it stands.
    pub(super) standing: StatusAnswer,
    /// If something older than its newest text is served: the last version in which that was the newest.
    pub(super) since: Option<u64>,
    /// If it is not current, or failed when it was rendered: the template to repair.
    pub(super) cause: Option<String>,
    /// BLAKE3 of the text that is served, the first 16 hexadecimal digits.
    pub(super) digest: Option<String>,
    /// Bytes of the text that is served.
    pub(super) bytes: Option<usize>,
    /// The text that is served.
    pub(super) content: Option<String>,
    /// Why it is not current, and what was wrong when it was rendered.
    pub(super) diagnostics: Vec<Finding>,
    /// What probably is not meant, although it compiles.
    pub(super) warnings: Vec<Finding>,
    /// Templates that it calls.
    pub(super) dependencies: Vec<Dependency>,
    /// Templates that reach it by calls, sorted.
    pub(super) dependents: Vec<String>,
    /// Of its renders.
    pub(super) stats: Stats,
    /// Its circuit breaker, if that is open.
    pub(super) breaker: Option<BreakerAnswer>,
}

/// A template that is called.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Dependency {
    /// Its name.
    pub(super) name: String,
    /// Whether it is there.
    pub(super) exists: bool,
}

/// Renders of one template as a page, since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// How many; an estimate once there are more than a hundred.
    pub(super) renders: u64,
    /// Of these, renders that failed, those included that an older version could answer.
    pub(super) failures: u64,
    /// When it was rendered last, to the second, in milliseconds since 1970.
    pub(super) last_render_ms: Option<u64>,
    /// The last render that failed.
    pub(super) last_failure: Option<LastFailure>,
}

/// A render that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastFailure {
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// What was wrong.
    pub(super) message: String,
    /// Where and why.
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
                message: failure.said,
                diagnostic: failure.diagnostic.as_ref().map(Finding::of),
            }),
        }
    }
}

/// Who calls whom.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GraphAnswer {
    /// The version that this is about.
    pub(super) version: u64,
    /// Templates, and names that are called and not there; sorted.
    pub(super) nodes: Vec<GraphNode>,
    /// Calls between these, sorted.
    pub(super) edges: Vec<GraphEdge>,
    /// Whether there are more than fit into an answer: ask with `around`.
    pub(super) truncated: bool,
}

/// A template in the graph.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GraphNode {
    /// Its name.
    pub(super) name: String,
    /// How it stands.
    pub(super) standing: StatusAnswer,
}

/// A call in the graph.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GraphEdge {
    /// Who calls.
    pub(super) caller: String,
    /// Who is called.
    pub(super) callee: String,
}

/// What the log is about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLevelAnswer {
    /// As `RUST_LOG` writes it, such as `info,hotplate=debug`.
    #[schema(max_length = 4096)]
    pub(super) filter: String,
}

/// The longest filter, in bytes.
pub(super) const FILTER_BYTES_MAX: usize = 4096;
/// The longest name of an actor, in bytes.
pub(super) const ACTOR_BYTES_MAX: usize = 100;

/// What to start again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {
    /// The name of an actor as `/admin/v1/health` has it, or `engine` for all.
    #[schema(min_length = 1, max_length = 100)]
    pub(super) actor: String,
}

/// What was started again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResetAnswer {
    /// How many were down.
    pub(super) started: usize,
}

/// Which version to go back to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollBackRequest {
    /// One of those that `/admin/v1/versions` says are kept.
    #[serde(deserialize_with = "whole")]
    pub(super) to: u64,
}

/// Reads a whole number as JSON Schema understands it: `3.0` is one too.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number that is not negative")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "it is whole, and not out of the range"
        )]
        fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
            match number.fract() == 0.0 && (0.0..u64::MAX as f64).contains(&number) {
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
    fn a_whole_number_is_one_however_it_is_written() {
        for (written, expected) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("3e2", Some(300)),
            ("0.0", Some(0)),
            ("-0.0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
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
