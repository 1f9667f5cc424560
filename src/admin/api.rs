//! The API: what is asked by which path, and the document that says so.

mod commands;
mod events;
mod graph;
mod health;
mod templates;
mod versions;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, Route, guard};
use serde::Serialize;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{Modify, OpenApi};

use super::problem::Problem;
use super::state::{AdminState, json};
use super::{model, state};

pub(super) use templates::about;
pub(super) use versions::{differences, history};

type Answered = Result<HttpResponse, Problem>;

/// The content type of a [`Problem`].
const PROBLEM: &str = "application/problem+json";

/// What probes ask, who have no token.
pub(super) const PROBES: [&str; 2] = ["/admin/v1/health/live", "/admin/v1/health/ready"];

/// Mounts everything below `/admin/v1`.
pub(super) fn configure(app: &mut ServiceConfig) {
    // Whoever probes has no token, and learns nothing but a word.
    app.service(only(web::resource(PROBES[0]), "GET, HEAD").route(read().to(health::live)));
    app.service(only(web::resource(PROBES[1]), "GET, HEAD").route(read().to(health::ready)));
    let api = web::scope("/admin/v1")
        .wrap(from_fn(program))
        .service(only(web::resource("/health"), "GET, HEAD").route(read().to(health::health)))
        .service(only(web::resource("/version"), "GET, HEAD").route(read().to(versions::version)))
        .service(only(web::resource("/versions"), "GET, HEAD").route(read().to(versions::versions)))
        .service(only(web::resource("/diff"), "GET, HEAD").route(read().to(versions::diff)))
        .service(only(web::resource("/templates"), "GET, HEAD").route(read().to(templates::templates)))
        .service(only(web::resource("/template/{name:.*}"), "GET, HEAD").route(read().to(templates::template)))
        .service(only(web::resource("/graph"), "GET, HEAD").route(read().to(graph::graph)))
        .service(only(web::resource("/events"), "GET").route(web::get().to(events::events)))
        .service(only(web::resource("/metrics"), "GET, HEAD").route(read().to(health::metrics)))
        .service(only(web::resource("/openapi.json"), "GET, HEAD").route(read().to(openapi)))
        .service(only(web::resource("/reload"), "POST").route(web::post().to(commands::reload)))
        .service(only(web::resource("/rollback"), "POST").route(web::post().to(commands::roll_back)))
        .service(only(web::resource("/resume"), "POST").route(web::post().to(commands::resume)))
        .service(only(web::resource("/reset"), "POST").route(web::post().to(commands::reset)))
        .service(
            only(web::resource("/log-level"), "GET, HEAD, PUT")
                .route(read().to(commands::log_level))
                .route(web::put().to(commands::set_log_level)),
        )
        .default_service(web::to(nothing_here));
    app.service(api);
}

/// Asks that change nothing.
fn read() -> Route {
    web::route().guard(guard::fn_guard(|context| {
        matches!(context.head().method, Method::GET | Method::HEAD)
    }))
}

/// Other methods are told which there are.
fn only(resource: Resource, allowed: &'static str) -> Resource {
    resource.default_service(web::to(move || async move {
        Err::<HttpResponse, _>(Problem::method(allowed))
    }))
}

/// Lets in programs that know the token.
async fn program(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<AdminState>>();
    let admitted = match state {
        Some(state) => state.access.program(request.headers()),
        None => Err(Problem::internal("the listener is not complete")),
    };
    match admitted {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.error_response(problem).map_into_right_body()),
    }
}

async fn nothing_here(request: HttpRequest) -> Answered {
    Err(Problem::nothing_here(request.path()))
}

fn answer(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(json(value))
}

/// This document
#[utoipa::path(get, path = "/admin/v1/openapi.json", tag = "listener", security(("token" = [])),
    responses((status = 200, description = "What can be asked, and what is answered", body = Object), (status = "default", response = Problem)))]
async fn openapi(state: Data<AdminState>) -> HttpResponse {
    let mut document = Document::openapi();
    if !state.access.needs_token() {
        without_token(&mut document);
    }
    answer(&document)
}

/// The document of a listener that asks nobody for a token.
fn without_token(document: &mut utoipa::openapi::OpenApi) {
    if let Some(components) = &mut document.components {
        components.security_schemes.clear();
    }
    for (_, operation) in operations(document) {
        operation.security = None;
        operation.responses.responses.remove("401");
    }
}

/// Every operation with its path.
fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = (&String, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.post, &mut item.put];
        operations.into_iter().flatten().map(move |operation| (path, operation))
    })
}

/// Statuses with which an operation may be answered by a problem, besides those that it says itself.
fn problems(path: &str, operation: &Operation) -> Vec<&'static str> {
    let mut statuses = vec!["400", "403", "408", "413"];
    if !PROBES.contains(&path) {
        statuses.extend(["401", "429", "503", "504"]);
    }
    if operation.request_body.is_some() {
        statuses.push("415");
    }
    let parameters = operation.parameters.iter().flatten();
    let is_key = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(known) if known.name == "Idempotency-Key");
    if operation.request_body.is_some() || parameters.into_iter().any(is_key) {
        statuses.push("422");
    }
    statuses
}

/// What can be asked, and what is answered.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "hotplate admin API",
        description = "What an engine of hotplate serves, how it is, and what an operator can do. Every error is a problem \
            (RFC 9457). Times are milliseconds since 1970. Fields may be added; they do not change or go within v1.",
    ),
    paths(
        health::live, health::ready, health::health, health::metrics,
        versions::version, versions::versions, versions::diff,
        templates::templates, templates::template, graph::graph, events::events,
        commands::reload, commands::roll_back, commands::resume, commands::reset, commands::log_level, commands::set_log_level,
        openapi,
    ),
    components(responses(Problem), schemas(Problem, model::CurrentAnswer, model::PublicationAnswer, state::FallbackEvent, state::ActorFailedEvent)),
    modifiers(&CompleteDocument),
    tags(
        (name = "health", description = "How it is"),
        (name = "versions", description = "What is served, and what was"),
        (name = "templates", description = "Templates one by one"),
        (name = "commands", description = "What changes something"),
        (name = "listener", description = "The listener itself"),
    ),
)]
struct Document;

/// What cannot be said in an attribute.
struct CompleteDocument;

impl Modify for CompleteDocument {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of this listener, if it has one"))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
        }
        let problem = || RefOr::Ref(Ref::new("#/components/responses/Problem"));
        for (path, operation) in operations(document) {
            let problems = problems(path, operation);
            let responses = &mut operation.responses.responses;
            for status in problems {
                match responses.entry(status.to_owned()).or_insert_with(problem) {
                    // Who is not ready says so with the same status.
                    RefOr::T(known) if !known.content.contains_key(PROBLEM) => {
                        let content = Content::new(Some(Ref::from_schema_name("Problem")));
                        known.content.insert(PROBLEM.to_owned(), RefOr::T(content));
                    }
                    _ => {}
                }
            }
        }
    }
}
