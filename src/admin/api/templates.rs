//! The list of templates, and one template in detail.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use hotplate_actors::dialect::{Escape, TemplateId};
use hotplate_actors::snapshot::{EntryStatus, LateFault, Snapshot};
use hotplate_actors::{Hotplate, TemplateName, Version};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answered, answer};
use crate::admin::body;
use crate::admin::limits::AdminLimits;
use crate::admin::model::{
    BreakerAnswer, Dependency, Finding, Stats, StatusAnswer, TemplateAnswer, TemplateSummary, TemplatesAnswer,
};
use crate::admin::problem::Problem;
use crate::admin::state::AdminState;

/// The largest number of templates that a query may ask for.
const LIMIT_MAX: usize = 1_000_000;

/// The query that selects templates.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct TemplatesQuery {
    /// Returns the texts too.
    #[serde(default)]
    content: bool,
    /// Selects templates after this name.
    after: Option<String>,
    /// The most templates to return, from 1 to 1,000,000.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<usize>,
    /// Selects templates by status: `current`, `stale` or `broken`.
    status: Option<StatusAnswer>,
    /// Selects templates whose name contains this text, in upper or lower case.
    search: Option<String>,
}

/// Lists templates, sorted by name
#[utoipa::path(get, path = "/admin/v1/templates", tag = "templates", security(("token" = [])), params(TemplatesQuery),
    responses((status = 200, description = "The templates that fit into one answer", body = TemplatesAnswer), (status = "default", response = Problem)))]
pub(super) async fn templates(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let query: TemplatesQuery = body::query(&request)?;
    if query.limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return Err(Problem::bad_request(format!("`limit` is from 1 to {LIMIT_MAX}")));
    }
    let (hotplate, limits) = (state.hotplate.clone(), state.limits.clone());
    Ok(answer(&state.work(move || list(&hotplate, &query, &limits)).await?))
}

fn list(hotplate: &Hotplate, query: &TemplatesQuery, limits: &AdminLimits) -> TemplatesAnswer {
    let pinned = hotplate.snapshot();
    let search = query.search.as_deref().map(str::to_lowercase);
    let snapshot = pinned.snapshot();
    let mut found: Vec<(&TemplateName, TemplateId)> = snapshot
        .entries()
        .filter(|(_, name, _)| query.after.as_deref().is_none_or(|after| name.as_str() > after))
        .filter(|(id, _, _)| {
            query
                .status
                .is_none_or(|wanted| wanted == StatusAnswer::of(hotplate, snapshot, *id))
        })
        .filter(|(_, name, _)| {
            search
                .as_deref()
                .is_none_or(|search| name.as_str().to_lowercase().contains(search))
        })
        .map(|(id, name, _)| (name, id))
        .collect();
    found.sort_unstable_by_key(|(name, _)| *name);
    let max = query
        .limit
        .unwrap_or(limits.page_templates)
        .clamp(1, limits.page_templates);
    let (mut templates, mut bytes) = (Vec::new(), 0);
    for (name, id) in found.iter().take(max) {
        let summary = summary(hotplate, snapshot, name, *id, query.content);
        bytes += summary.content.as_ref().map_or(0, String::len);
        // At least one is returned, so that a client that lists page by page makes progress.
        if bytes > limits.page_bytes && !templates.is_empty() {
            break;
        }
        templates.push(summary);
    }
    let more = templates.len() < found.len();
    TemplatesAnswer {
        version: pinned.version().number(),
        next: templates.last().filter(|_| more).map(|last| last.name.clone()),
        templates,
    }
}

fn summary(
    hotplate: &Hotplate,
    snapshot: &Snapshot,
    name: &TemplateName,
    id: TemplateId,
    content: bool,
) -> TemplateSummary {
    let top = snapshot.status(id).closure().map(|closure| closure.top());
    TemplateSummary {
        name: name.to_string(),
        status: StatusAnswer::of(hotplate, snapshot, id),
        since: since(hotplate, snapshot, id),
        digest: top.map(|member| member.digest.to_string()),
        bytes: top.map(|member| member.unit.text().len()),
        content: top.filter(|_| content).map(|member| member.unit.text().to_owned()),
    }
}

/// Returns the older version from which a template is answered, if its newest text does not compile or failed in a render.
fn since(hotplate: &Hotplate, snapshot: &Snapshot, id: TemplateId) -> Option<u64> {
    let serving = hotplate.serving(snapshot, id)?;
    serving.since().map(Version::number)
}

/// The query of a request that has none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoQuery {}

/// Returns everything about a template
#[utoipa::path(get, path = "/admin/v1/template/{name}", tag = "templates", security(("token" = [])),
    params(("name" = String, Path, description = "The name of the template, slashes included", example = "shop/item.html")),
    responses(
        (status = 200, description = "Everything about it", body = TemplateAnswer),
        (status = 404, description = "There is no such template", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn template(request: HttpRequest, name: Path<String>, state: Data<AdminState>) -> Answered {
    // The templates here are those of everyone: a query for a tenant must not be answered with them.
    let NoQuery {} = body::query(&request)?;
    Ok(answer(&about(&state, &name).await?))
}

/// Returns everything about a template.
pub(in crate::admin) async fn about(state: &AdminState, name: &str) -> Result<TemplateAnswer, Problem> {
    let name = TemplateName::new(name).map_err(|_| Problem::no_template(name))?;
    let name = state.equivalent_name(name);
    let mut dependents = state.ask(state.hotplate.dependents(&name)).await?;
    dependents.sort_unstable();
    let pinned = state.hotplate.snapshot();
    let snapshot = pinned.snapshot();
    let id = snapshot
        .id(name.as_str())
        .ok_or_else(|| Problem::no_template(name.as_str()))?;
    let status = snapshot.status(id);
    if let EntryStatus::Gone = status {
        return Err(Problem::no_template(name.as_str()));
    }
    let why = snapshot.why(id);
    let late = snapshot.late_fault(id);
    let top = status.closure().map(|closure| closure.top());
    let exists = |name: &TemplateName| {
        let id = snapshot.id(name.as_str());
        id.is_some_and(|id| !matches!(snapshot.status(id), EntryStatus::Gone))
    };
    let calls = top.map_or(&[][..], |member| member.unit.calls()).iter();
    let mut dependencies: Vec<Dependency> = calls
        .map(|call| Dependency {
            name: call.name.to_string(),
            exists: exists(&call.name),
        })
        .collect();
    dependencies.sort_by(|a, b| a.name.cmp(&b.name));
    dependencies.dedup_by(|a, b| a.name == b.name);
    let warnings = top.filter(|member| Escape::of(&member.name) == Escape::Html);
    let warnings = warnings.map_or(&[][..], |member| member.unit.warnings()).iter();
    Ok(TemplateAnswer {
        name: name.to_string(),
        version: pinned.version().number(),
        status: StatusAnswer::of(&state.hotplate, snapshot, id),
        since: since(&state.hotplate, snapshot, id),
        cause: why
            .as_ref()
            .or(late.as_ref().and_then(|late| late.whys.first()))
            .map(|why| why.cause.to_string()),
        digest: top.map(|member| member.digest.to_string()),
        bytes: top.map(|member| member.unit.text().len()),
        content: top.map(|member| member.unit.text().to_owned()),
        diagnostics: why
            .as_ref()
            .map_or(&[][..], |why| &why.diagnostics[..])
            .iter()
            .chain(late.iter().flat_map(LateFault::diagnostics))
            .map(Finding::of)
            .collect(),
        warnings: warnings
            .map(|warning| Finding::of(&warning.clone().in_template(&name)))
            .collect(),
        dependencies,
        dependents: dependents.iter().map(ToString::to_string).collect(),
        stats: Stats::from(state.hotplate.usage(name.as_str())),
        breaker: state
            .hotplate
            .breakers()
            .iter()
            .find(|open| open.template == name)
            .map(BreakerAnswer::of),
    })
}
