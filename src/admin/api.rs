//! The API: its paths, and the OpenAPI document that describes them.

mod commands;
mod events;
mod graph;
mod health;
mod hooks;
mod previews;
mod stages;
mod templates;
mod versions;
mod visitors;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, Route, guard};
use serde::Serialize;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{Modify, OpenApi};

use super::model;
use super::problem::{Answered, Problem};
use super::state::{AdminState, json};
use crate::metrics::now_ms;

pub(super) use previews::rendered;
pub(super) use stages::action as stage_action;
pub(super) use templates::about;
pub(super) use versions::{CompareTo, comparison, history};

/// The content type of a [`Problem`].
const PROBLEM: &str = "application/problem+json";

/// The paths of probes, which need no token.
pub(super) const PROBES: [&str; 2] = ["/admin/v1/health/live", "/admin/v1/health/ready"];

/// The path of webhooks, which are signed and have no token.
const HOOKS: &str = "/admin/v1/hooks/{loader}";

/// Mounts everything below `/admin/v1`.
pub(super) fn configure(app: &mut ServiceConfig) {
    // Probes have no token, and their answer reveals no details.
    app.service(only(web::resource(PROBES[0]), "GET, HEAD").route(read().to(health::live)));
    app.service(only(web::resource(PROBES[1]), "GET, HEAD").route(read().to(health::ready)));
    // A webhook proves by its signature that its sender may send it.
    app.service(only(web::resource(HOOKS), "POST").route(web::post().to(hooks::hook)));
    let api = web::scope("/admin/v1")
        .wrap(from_fn(program))
        .service(only(web::resource("/health"), "GET, HEAD").route(read().to(health::health)))
        .service(only(web::resource("/visitors"), "GET, HEAD").route(read().to(visitors::visitors)))
        .service(only(web::resource("/instance"), "GET, HEAD").route(read().to(visitors::instance)))
        .service(only(web::resource("/version"), "GET, HEAD").route(read().to(versions::version)))
        .service(only(web::resource("/versions"), "GET, HEAD").route(read().to(versions::versions)))
        .service(only(web::resource("/diff"), "GET, HEAD").route(read().to(versions::diff)))
        .service(only(web::resource("/leaks"), "GET, HEAD").route(read().to(versions::leaks)))
        .service(only(web::resource("/templates"), "GET, HEAD").route(read().to(templates::templates)))
        .service(only(web::resource("/template/{name:.*}"), "GET, HEAD").route(read().to(templates::template)))
        .service(only(web::resource("/graph"), "GET, HEAD").route(read().to(graph::graph)))
        .service(only(web::resource("/events"), "GET").route(web::get().to(events::events)))
        .service(only(web::resource("/metrics"), "GET, HEAD").route(read().to(health::metrics)))
        .service(only(web::resource("/openapi.json"), "GET, HEAD").route(read().to(openapi)))
        .service(only(web::resource("/reload"), "POST").route(web::post().to(commands::reload)))
        .service(only(web::resource("/rollback"), "POST").route(web::post().to(commands::roll_back)))
        .service(only(web::resource("/resume"), "POST").route(web::post().to(commands::resume)))
        .service(only(web::resource("/stages"), "GET, HEAD").route(read().to(stages::stages)))
        .service(only(web::resource("/stages/{stage}/{action}"), "POST").route(web::post().to(stages::act)))
        .service(only(web::resource("/shadow"), "GET, HEAD").route(read().to(stages::shadow)))
        .service(only(web::resource("/tenants"), "GET, HEAD").route(read().to(stages::tenants)))
        .service(only(web::resource("/reset"), "POST").route(web::post().to(commands::reset)))
        .service(
            only(web::resource("/previews"), "GET, HEAD, POST")
                .route(read().to(previews::list))
                .route(web::post().to(previews::make)),
        )
        .service(
            only(web::resource("/previews/{id}"), "GET, HEAD, DELETE")
                .route(read().to(previews::preview))
                .route(web::delete().to(previews::remove)),
        )
        .service(
            only(web::resource("/previews/{id}/render/{name:.*}"), "GET, HEAD, POST")
                .route(read().to(previews::render))
                .route(web::post().to(previews::render_with)),
        )
        .service(
            only(web::resource("/log-level"), "GET, HEAD, PUT")
                .route(read().to(commands::log_level))
                .route(web::put().to(commands::set_log_level)),
        )
        .default_service(web::to(nothing_here));
    app.service(api);
}

/// Returns a route for requests that change nothing.
fn read() -> Route {
    web::route().guard(guard::fn_guard(|context| {
        matches!(context.head().method, Method::GET | Method::HEAD)
    }))
}

/// Answers other methods with the list of methods that a resource allows.
fn only(resource: Resource, allowed: &'static str) -> Resource {
    resource.default_service(web::to(move || async move {
        Err::<HttpResponse, _>(Problem::method(allowed))
    }))
}

/// Admits programs that send the token, and people who are signed in to the dashboard and only read.
async fn program(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<AdminState>>();
    let admitted = match state {
        Some(state) => {
            let admitted = state.access.reader(request.method(), request.headers(), now_ms());
            admitted.map(|_| ())
        }
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

/// Returns this document
#[utoipa::path(get, path = "/admin/v1/openapi.json", tag = "listener", security(("token" = [])),
    responses((status = 200, description = "The OpenAPI document", body = Object), (status = "default", response = Problem)))]
async fn openapi(state: Data<AdminState>) -> HttpResponse {
    let mut document = Document::openapi();
    if !state.access.needs_token() {
        without_token(&mut document);
    }
    answer(&document)
}

/// Removes the token from the document of a listener that has none.
fn without_token(document: &mut utoipa::openapi::OpenApi) {
    if let Some(components) = &mut document.components {
        components.security_schemes.remove("token");
    }
    for (_, operation) in operations(document).filter(|(path, _)| *path != HOOKS) {
        operation.security = None;
        operation.responses.responses.remove("401");
    }
}

/// Returns every operation with its path.
fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = (&String, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        operations.into_iter().flatten().map(move |operation| (path, operation))
    })
}

/// Returns the statuses of problems that an operation may be answered with, in addition to the ones that it lists itself.
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

/// The OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "hotplate admin API",
        description = "Shows what an engine of hotplate serves, its health, and lets an operator control it. Every error is a problem \
            (RFC 9457). Times are milliseconds since 1970. Within v1, fields may be added, but do not change and are not removed.",
    ),
    paths(
        health::live, health::ready, health::health, health::metrics, visitors::visitors, visitors::instance,
        versions::version, versions::versions, versions::diff, versions::leaks,
        templates::templates, templates::template, graph::graph, events::events,
        commands::reload, commands::roll_back, commands::resume, commands::reset, commands::log_level, commands::set_log_level,
        stages::stages, stages::tenants, stages::shadow, stages::act,
        hooks::hook,
        previews::list, previews::make, previews::preview, previews::remove, previews::render, previews::render_with,
        openapi,
    ),
    components(responses(Problem), schemas(Problem, model::CurrentAnswer, model::PublicationAnswer, model::FallbackEvent, model::ActorFailedEvent)),
    modifiers(&CompleteDocument),
    tags(
        (name = "health", description = "The health of the engine and its metrics"),
        (name = "versions", description = "The version that is served, and earlier ones"),
        (name = "templates", description = "The templates and the calls between them"),
        (name = "commands", description = "Commands that change what is served"),
        (name = "stages", description = "The stages other than stable, and the tenants"),
        (name = "previews", description = "The effect of texts that are not published"),
        (name = "listener", description = "The listener itself"),
    ),
)]
struct Document;

/// Adds what the attributes of `utoipa` cannot express.
struct CompleteDocument;

impl Modify for CompleteDocument {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of this listener, if it has one"))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
            let description = "`sha256=` and the HMAC-SHA256 of the body with the secret of webhooks";
            let signature = ApiKeyValue::with_description("X-Hotplate-Signature", description);
            components.add_security_scheme("signature", SecurityScheme::ApiKey(ApiKey::Header(signature)));
        }
        let problem = || RefOr::Ref(Ref::new("#/components/responses/Problem"));
        for (path, operation) in operations(document) {
            for parameter in operation.parameters.iter_mut().flatten() {
                let RefOr::T(parameter) = parameter else { continue };
                // A header that is not sent is absent; there is no header `null`.
                if let (ParameterIn::Header, Some(RefOr::T(Schema::Object(schema)))) =
                    (&parameter.parameter_in, &mut parameter.schema)
                {
                    schema.schema_type = SchemaType::new(Type::String);
                }
            }
            let problems = problems(path, operation);
            let responses = &mut operation.responses.responses;
            for status in problems {
                match responses.entry(status.to_owned()).or_insert_with(problem) {
                    // The answer of an engine that is not ready has the same status.
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
