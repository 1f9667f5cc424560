//! An actix app whose templates can be edited while it runs.
//!
//! Run `cargo run --example actix_app --features web`, open <http://127.0.0.1:8080/hello/you> and edit `examples/hello/hello.html`: the
//! page in the browser follows. `/message/you` renders the page by a message to the Renderer, and `/list` is a page that browsers cache.

use actix_web::web::Path;
use actix_web::{App, HttpServer, Responder, get};
use hotplate::Hotplate;
use hotplate::web::{Templates, Web};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    name: String,
    guests: Vec<&'static str>,
}

fn greeting(name: impl Into<String>) -> Greeting {
    Greeting {
        name: name.into(),
        guests: vec!["Ada", "Grace", "<Bobby>"],
    }
}

/// Renders in the thread of the request, without a message or a lock.
#[get("/hello/{name}")]
async fn hello(templates: Templates, name: Path<String>) -> impl Responder {
    templates.page("hello.html", &greeting(name.into_inner()))
}

/// Renders in the Renderer's pool. The render does not block the worker, and is cancelled when the visitor leaves.
#[get("/message/{name}")]
async fn message(templates: Templates, name: Path<String>) -> impl Responder {
    templates.page_on_pool("hello.html", greeting(name.into_inner())).await
}

/// Sets a cache key for the data, so that a browser that already has the page is answered without a render.
#[get("/list")]
async fn list(templates: Templates) -> impl Responder {
    templates.tag("guests of 2026").page("hello.html", &greeting("all"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello");
    let hotplate = Hotplate::builder().root(templates).start()?;
    let web = Web::new(hotplate)
        .development(cfg!(debug_assertions))
        .sources(templates);
    let app = move || {
        App::new()
            .configure(web.mount())
            .service(hello)
            .service(message)
            .service(list)
    };
    HttpServer::new(app)
        // A half-closed connection counts as closed, so that the render of `/message` is cancelled when the visitor leaves.
        .h1_allow_half_closed(false)
        .bind("127.0.0.1:8080")?
        .run()
        .await?;
    Ok(())
}
