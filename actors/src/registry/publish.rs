//! [`publish`]: computes the next version from the last one and a plan.
//!
//! The Graph decides which templates are good, bad or gone. Only the Registry knows what was served before, so it derives the status; the
//! rules stand at `StaleSet::next` in `snapshot::stale`.
//!
//! The work is proportional to the plan, not to the number of templates.

use super::state::RegistryState;
use crate::limits::Limits;
use crate::protocol::plan::Plan;
use crate::protocol::report::{Effects, Report};

/// The decision about a plan.
#[derive(Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub enum Decision {
    /// The plan changes nothing.
    Unchanged,
    /// The plan is published as a new version.
    Published {
        /// The new state of the Registry, with the snapshot to serve.
        state: RegistryState,
        /// The differences from the version before.
        report: Report,
        /// The templates that the report does not list.
        effects: Effects,
    },
    /// The plan is rejected, and nothing changes.
    Refused {
        /// The reason.
        reason: Refusal,
    },
}

/// The reason why a plan is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The number of names would exceed [`Limits::templates`].
    #[error(
        "there would be {templates} names of templates, defined or called, but the limit `templates` is {limit}: \
         raise the limit, or remove templates and restart"
    )]
    TooManyTemplates {
        /// The number of names that there would be.
        templates: usize,
        /// The limit.
        limit: usize,
    },
    /// The number of tenants would exceed [`Limits::tenants`].
    #[error("there would be {tenants} tenants, but the limit `tenants` is {limit}: raise the limit, or remove tenants")]
    TooManyTenants {
        /// The number of tenants that there would be.
        tenants: usize,
        /// The limit.
        limit: usize,
    },
}

/// Computes the next version: a pure function whose cost is that of the plan.
#[must_use]
pub fn publish(state: &RegistryState, plan: &Plan, limits: &Limits) -> Decision {
    if let Err(reason) = check_size(plan, limits) {
        return Decision::Refused { reason };
    }
    if state.content().has(&plan.newest) && state.scopes().has(&plan.scopes, &plan.news.tenants) {
        return Decision::Unchanged;
    }
    let (state, report, effects) = state.publish(state.planned(plan), limits);
    Decision::Published { state, report, effects }
}

/// Checks that a plan does not have too many names or tenants.
pub(crate) fn check_size(plan: &Plan, limits: &Limits) -> Result<(), Refusal> {
    let limit = limits.templates.min(u32::MAX as usize);
    let templates = plan.names.len();
    if templates > limit {
        return Err(Refusal::TooManyTemplates { templates, limit });
    }
    let (tenants, limit) = (plan.scopes.tenants.len(), limits.tenants);
    match tenants > limit {
        true => Err(Refusal::TooManyTenants { tenants, limit }),
        false => Ok(()),
    }
}
