//! The graph of calls between templates.

use actix_web::HttpRequest;
use actix_web::web::Data;
use hotplate_actors::TemplateName;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answered, answer};
use crate::admin::body;
use crate::admin::calls::CallGraph;
use crate::admin::model::GraphAnswer;
use crate::admin::problem::Problem;
use crate::admin::state::AdminState;

/// The largest depth. Longer chains of calls are not rendered.
const DEPTH_MAX: usize = 1000;

/// The query that selects a part of the graph.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct GraphQuery {
    /// A template: only the part near it is returned, in both directions.
    around: Option<String>,
    /// The distance from that template in calls, at most 1000; 2 by default.
    #[param(maximum = 1000)]
    depth: Option<usize>,
}

/// Returns the graph of calls between templates
#[utoipa::path(get, path = "/admin/v1/graph", tag = "templates", security(("token" = [])), params(GraphQuery),
    responses(
        (status = 200, description = "Templates and the calls between them", body = GraphAnswer),
        (status = 404, description = "There is no such template", body = Problem, content_type = "application/problem+json"),
        (status = "default", response = Problem),
    ))]
pub(super) async fn graph(request: HttpRequest, state: Data<AdminState>) -> Answered {
    let GraphQuery { around, depth } = body::query(&request)?;
    let around =
        around.map(|name| TemplateName::new(&name).map_or(name, |name| state.equivalent_name(name).to_string()));
    if depth.is_some_and(|depth| depth > DEPTH_MAX) {
        return Err(Problem::bad_request(format!("`depth` is at most {DEPTH_MAX}")));
    }
    let edges = state.ask(state.hotplate.edges()).await?;
    let (hotplate, most) = (state.hotplate.clone(), state.limits.graph_nodes);
    let pinned = hotplate.snapshot();
    let graph = state.work(move || {
        let calls = CallGraph::new(&hotplate, pinned.snapshot(), &edges);
        let part = match &around {
            Some(name) => calls
                .around(name, depth.unwrap_or(2), most)
                .ok_or_else(|| Problem::no_template(name))?,
            None => calls.first(most),
        };
        Ok(calls.answer(&part, pinned.version().number()))
    });
    let graph: Result<GraphAnswer, Problem> = graph.await?;
    Ok(answer(&graph?))
}
