//! The stages other than stable, and the tenants.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload};
use hotplate_actors::messages::StageAction;
use hotplate_actors::template::{Stage, Tenant};

use super::commands::{command, respond, stored};
use super::{Answered, answer};
use crate::admin::body;
use crate::admin::model::{ShadowAnswer, StageAnswer, StageChangedAnswer, StageRequest, StagesAnswer, TenantsAnswer};
use crate::admin::problem::Problem;
use crate::admin::state::AdminState;

/// The tenants that an answer lists.
const TENANTS_MAX: usize = 1_000;

/// Returns the stages other than stable: what the judge knows, why a stage is stopped, and the rollout of canary
#[utoipa::path(get, path = "/admin/v1/stages", tag = "stages", security(("token" = [])),
    responses((status = 200, description = "The stages", body = StagesAnswer), (status = "default", response = Problem)))]
pub(super) async fn stages(state: Data<AdminState>) -> Answered {
    Ok(answer(&StagesAnswer {
        version: state.hotplate.snapshot().version().number(),
        stages: state.hotplate.stages().into_iter().map(StageAnswer::of).collect(),
    }))
}

/// Returns the tenants that have templates of their own
#[utoipa::path(get, path = "/admin/v1/tenants", tag = "stages", security(("token" = [])),
    responses((status = 200, description = "The tenants", body = TenantsAnswer), (status = "default", response = Problem)))]
pub(super) async fn tenants(state: Data<AdminState>) -> Answered {
    let shared = state.clone();
    let tenants = state.work(move || shared.hotplate.tenants()).await?;
    Ok(answer(&TenantsAnswer {
        version: state.hotplate.snapshot().version().number(),
        count: tenants.len(),
        tenants: tenants
            .iter()
            .take(TENANTS_MAX)
            .map(|tenant| tenant.as_str().to_owned())
            .collect(),
    }))
}

/// Returns what shadow renders found: requests of stable that canary rendered as well
#[utoipa::path(get, path = "/admin/v1/shadow", tag = "stages", security(("token" = [])),
    responses((status = 200, description = "The differences", body = ShadowAnswer), (status = "default", response = Problem)))]
pub(super) async fn shadow(state: Data<AdminState>) -> Answered {
    Ok(answer(&ShadowAnswer::of(state.hotplate.shadow())))
}

/// Does something about a stage
///
/// `promote` publishes the texts of canary as those of stable, in one version. The texts that stable has in the sources wait until the sources
/// have the promoted text or something new. `abort` stops a stage, so that its visitors get stable, and `resume` lets one go on that is stopped.
/// `start` begins the rollout of canary, and `advance` its next step. What does not meet the requirements is refused unless it is forced.
#[utoipa::path(post, path = "/admin/v1/stages/{stage}/{action}", tag = "stages", security(("token" = [])), request_body = Option<StageRequest>,
    params(("stage" = String, Path, description = "`canary` or `experimental`", pattern = "^(canary|experimental)$"), ("action" = String, Path, description = "`promote`, `abort`, `resume`, `start` or `advance`", pattern = "^(promote|abort|resume|start|advance)$"), ("Idempotency-Key" = Option<String>, Header, description = "Names this call, so that it can be repeated", min_length = 1, max_length = 255, pattern = "^[!-~]+$"), ("If-Match" = Option<String>, Header, description = "The `ETag` of `/admin/v1/version`: the command is carried out only if this version is served", pattern = "^(\\*|\"[0-9]{1,19}\"|[0-9]{1,19})$")),
    responses(
        (status = 200, description = "It is done", body = StageChangedAnswer),
        (status = 404, description = "There is no such stage or action", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version is served than `If-Match` names", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A requirement is not met, or the command does not fit the state of the stage", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn act(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    state: Data<AdminState>,
) -> Answered {
    let body = body::read(payload, &state.limits).await?;
    let StageRequest {
        by,
        reason,
        force,
        tenant,
    } = body::json_or_default(&request, &body)?;
    let stage = Stage::of(&path.0).filter(|stage| *stage != Stage::Stable);
    let (Some(stage), Some(mut action)) = (stage, action(&path.1, force)) else {
        return Err(Problem::nothing_here(request.path()));
    };
    match (&mut action, tenant) {
        (_, None) => {}
        (StageAction::Promote { tenant: of, .. }, Some(tenant)) => {
            *of = Some(Tenant::new(&tenant).map_err(|error| Problem::refused(error.to_string()))?);
        }
        (_, Some(_)) => return Err(Problem::refused("only `promote` may name a tenant")),
    }
    let command = command(&request, &state, by.as_deref(), reason.as_deref())?;
    let engine = state.clone();
    let run = async move {
        let changed = engine.ask(command.stage(stage, action)).await?;
        let status = engine
            .hotplate
            .stages()
            .into_iter()
            .find(|status| status.stage == stage);
        let status = status.ok_or_else(|| Problem::internal("the stage is not known"))?;
        Ok(stored(&StageChangedAnswer::of(&changed, StageAnswer::of(status))?))
    };
    Ok(respond(state.idempotency.answer(&request, &body, run).await?))
}

/// Returns the action with a name.
pub(in crate::admin) fn action(name: &str, is_forced: bool) -> Option<StageAction> {
    Some(match name {
        "promote" => StageAction::Promote {
            tenant: None,
            is_forced,
        },
        "advance" => StageAction::Advance { is_forced },
        "abort" => StageAction::Abort,
        "resume" => StageAction::Resume,
        "start" => StageAction::Start,
        _ => return None,
    })
}
