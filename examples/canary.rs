//! An actix app with a canary that judges itself.
//!
//! Run `cargo run --example canary --features web`. Of the visitors of <http://127.0.0.1:8080/>, those with a cookie `canary=1` get the canary;
//! <http://127.0.0.1:8080/break> gives the canary a text that fails. No visitor sees the failure: stable answers, and after four of them the
//! judge stops the canary. <http://127.0.0.1:8080/stages> shows what it knows, and <http://127.0.0.1:8080/promote> serves the canary to all.

use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, get};
use hotplate::{Cause, Hotplate, MemoryHandle, MemoryLoader, TemplateName};
use hotplate_actors::template::{Layer, Scope, Stage, TemplateKey};
use serde_json::json;

const CANARY: Scope = Scope {
    tenant: None,
    stage: Stage::Canary,
};

/// The page of a stage. A program with files has them in `templates/` and `templates@canary/`.
fn page(stage: Stage) -> TemplateKey {
    let name = TemplateName::new("page.html").expect("a valid name");
    TemplateKey {
        layer: Layer::of(Scope { tenant: None, stage }),
        name,
    }
}

#[get("/")]
async fn home(hotplate: Data<Hotplate>, request: HttpRequest) -> impl Responder {
    let cookies = request
        .headers()
        .get("cookie")
        .and_then(|cookies| cookies.to_str().ok());
    let scope = match cookies.is_some_and(|cookies| cookies.contains("canary=1")) {
        true => CANARY,
        false => Scope::default(),
    };
    match hotplate.scope(&scope).render("page.html", &json!({ "name": "you" })) {
        Ok(rendered) => HttpResponse::Ok()
            // `stable` if the canary failed or is stopped.
            .insert_header(("x-freshness", rendered.freshness.as_str()))
            .content_type("text/html; charset=utf-8")
            .body(rendered.body),
        Err(failure) => HttpResponse::InternalServerError().body(failure.to_string()),
    }
}

#[get("/break")]
async fn break_canary(hotplate: Data<Hotplate>, memory: Data<MemoryHandle>) -> impl Responder {
    memory.set(page(Stage::Canary), "<h1>Good day, {nobody}!</h1>");
    format!("{:?}", hotplate.reload().await.map(|report| report.outcome))
}

#[get("/stages")]
async fn stages(hotplate: Data<Hotplate>) -> impl Responder {
    HttpResponse::Ok().json(hotplate.stages())
}

#[get("/promote")]
async fn promote(hotplate: Data<Hotplate>) -> impl Responder {
    let cause = Cause::by("the example").reason("few visitors come here");
    match hotplate.commands().cause(cause).promote(None, true).await {
        Ok(promoted) => HttpResponse::Ok().json(promoted),
        Err(unavailable) => HttpResponse::ServiceUnavailable().body(unavailable.to_string()),
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (loader, memory) = MemoryLoader::new();
    memory.set(page(Stage::Stable), "<h1>Hello {name}!</h1>");
    memory.set(page(Stage::Canary), "<h1>Good day, {name}!</h1>");
    let hotplate = Data::new(Hotplate::builder().loader(loader).start()?);
    let memory = Data::new(memory);
    let app = move || {
        App::new()
            .app_data(hotplate.clone())
            .app_data(memory.clone())
            .service(home)
            .service(break_canary)
            .service(stages)
            .service(promote)
    };
    HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
    Ok(())
}
