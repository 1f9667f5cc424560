//! [`StageAction`]: what a person asks of a stage.

use crate::template::Tenant;

/// A command about a stage other than stable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StageAction {
    /// Begin a rollout: the first step of the plan.
    Start,
    /// Begin the next step of the plan.
    Advance {
        /// True to begin it whatever the requirements say. It needs a reason.
        is_forced: bool,
    },
    /// Publish the texts of the stage as those of stable.
    Promote {
        /// The tenant whose texts are published; those of everyone, if it is absent.
        tenant: Option<Tenant>,
        /// True to publish them whatever the requirements say. It needs a reason.
        is_forced: bool,
    },
    /// Stop the stage: its visitors get stable.
    Abort,
    /// Let a stage that is stopped go on.
    Resume,
}

impl StageAction {
    /// Returns the name in audit records, in events and in addresses.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Advance { .. } => "advance",
            Self::Promote { .. } => "promote",
            Self::Abort => "abort",
            Self::Resume => "resume",
        }
    }
}
