//! An Actix app whose templates can be edited while it runs.
//!
//! `cargo run --example actix_app`, open <http://127.0.0.1:8080/hello/you>, then edit `examples/hello/hello.html` and look
//! again. `/message/you` shows the same page by a message to the Renderer.

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Path};
use actix_web::{App, HttpResponse, HttpServer, get};
use hotplate::{Context, Hotplate, Render, RenderFailure, Rendered};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    name: String,
    guests: Vec<&'static str>,
}

fn greeting(name: Path<String>) -> Greeting {
    Greeting {
        name: name.into_inner(),
        guests: vec!["Ada", "Grace", "<Bobby>"],
    }
}

/// Rendered in the thread of the request: no message, no lock.
#[get("/hello/{name}")]
async fn hello(hotplate: Data<Hotplate>, name: Path<String>) -> HttpResponse {
    page(hotplate.render("hello.html", &greeting(name)))
}

/// Rendered by the Renderer: isolated, and skipped when the visitor leaves before it began.
#[get("/message/{name}")]
async fn message(hotplate: Data<Hotplate>, name: Path<String>) -> HttpResponse {
    let render = Render::new("hello.html", Context::new(greeting(name)));
    page(hotplate.renderer().send(render).await)
}

fn page(rendered: Result<Rendered, RenderFailure>) -> HttpResponse {
    match rendered {
        Ok(rendered) => HttpResponse::Ok().content_type(ContentType::html()).body(rendered.body),
        Err(failure) => {
            eprintln!("{failure}");
            HttpResponse::InternalServerError().body("This page cannot be shown at the moment.")
        }
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello");
    let hotplate = Data::new(Hotplate::builder().root(templates).start()?);
    let app = move || App::new().app_data(hotplate.clone()).service(hello).service(message);
    HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
    Ok(())
}
