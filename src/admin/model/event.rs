//! Data of events.

use hotplate_actors::{Fallback, Version};
use serde::Serialize;
use utoipa::ToSchema;

use super::{FINDINGS_MAX, Finding};

/// A template for which something other than its newest text is served.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct FallbackEvent {
    /// The name of the template.
    template: String,
    /// The version in which this is so.
    version: u64,
    /// `last-good`, or `stand-in` where there is no good version.
    serving: &'static str,
    /// The version that is served, if it is an older one.
    since: Option<u64>,
    /// The template to repair.
    cause: String,
    /// The errors.
    diagnostics: Vec<Finding>,
}

impl FallbackEvent {
    pub(in crate::admin) fn of(fallback: &Fallback) -> Self {
        let diagnostics = fallback.why.diagnostics.iter().take(FINDINGS_MAX);
        Self {
            template: fallback.template.to_string(),
            version: fallback.version.number(),
            serving: fallback.serving.as_str(),
            since: fallback.serving.since().map(Version::number),
            cause: fallback.why.cause.to_string(),
            diagnostics: diagnostics.map(Finding::of).collect(),
        }
    }
}

/// An actor that failed and is restarted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct ActorFailedEvent {
    /// The name of the actor.
    actor: &'static str,
    /// The message of its panic or error.
    message: String,
}

impl ActorFailedEvent {
    pub(in crate::admin) fn new(actor: &'static str, message: String) -> Self {
        Self { actor, message }
    }
}
