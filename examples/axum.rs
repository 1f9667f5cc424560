//! An axum app whose templates can be edited while it runs. The handle works without an actix runtime in the app.
//!
//! Run `cargo run --example axum`, open <http://127.0.0.1:8080/hello/you>, edit `examples/hello/hello.html` and reload the page.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hotplate::{Freshness, Hotplate};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    name: String,
    guests: Vec<&'static str>,
}

async fn hello(State(hotplate): State<Hotplate>, Path(name): Path<String>) -> Response {
    let guests = vec!["Ada", "Grace", "<Bobby>"];
    match hotplate.render("hello.html", &Greeting { name, guests }) {
        Ok(page) => {
            let status = match page.freshness {
                Freshness::Current | Freshness::Stable { .. } | Freshness::Stale { .. } => StatusCode::OK,
                Freshness::Fallback { .. } => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, Html(page.body)).into_response()
        }
        Err(failure) => {
            eprintln!("{failure}");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page cannot be shown at the moment.",
            )
                .into_response()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello");
    let hotplate = Hotplate::builder().root(templates).start()?;
    let app = Router::new().route("/hello/{name}", get(hello)).with_state(hotplate);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
