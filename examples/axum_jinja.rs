//! An axum app with templates in Jinja that can be edited while it runs, in place of one with `minijinja-autoreload`.
//! `docs/coming-from.md` shows the lines of both side by side.
//!
//! Run `cargo run --example axum_jinja --features jinja`, open <http://127.0.0.1:8080/hello/you>, edit `examples/guestbook/hello.html` and
//! reload the page. Break it: visitors still get the last good version, and the terminal has the line.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hotplate::dialect::FormatterError;
use hotplate::dialect::jinja::FunctionCall;
use hotplate::{Freshness, Hotplate, StartError};
use serde::Serialize;

#[derive(Serialize)]
struct Guest {
    name: &'static str,
    visits: u32,
}

#[derive(Serialize)]
struct Greeting {
    name: String,
    guests: [Guest; 3],
    fee: f64,
}

/// Opens the templates. From now on every edit of a file shows in the next render.
fn templates() -> Result<Hotplate, StartError> {
    Hotplate::builder()
        .root(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guestbook"))
        .jinja()
        .jinja_filter("price", price)
        .start()
}

/// A filter of the program: `{{ fee | price }}`.
fn price(call: &FunctionCall<'_>) -> Result<String, FormatterError> {
    let value: f64 = call.get("value")?;
    Ok(format!("{value:.2} €"))
}

async fn hello(State(hotplate): State<Hotplate>, Path(name): Path<String>) -> Response {
    let guests = [("Ada", 3), ("<Bobby>", 1), ("Nobody", 0)].map(|(name, visits)| Guest { name, visits });
    let greeting = Greeting { name, guests, fee: 4.5 };
    match hotplate.render("hello.html", &greeting) {
        // The page never had a good version: this is the stand-in.
        Ok(page) if matches!(page.freshness, Freshness::Fallback { .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, Html(page.body)).into_response()
        }
        Ok(page) => Html(page.body).into_response(),
        Err(failure) => {
            eprintln!("{failure}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new()
        .route("/hello/{name}", get(hello))
        .with_state(templates()?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_is_rendered() {
        let hotplate = templates().expect("starts");
        let answer = hello(State(hotplate), Path("you".into())).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("text");
        for part in [
            "<title>Guests of You</title>",
            "<h1>Hello you!</h1>",
            "<li>Ada, 3 visits</li>",
            "<li>&lt;Bobby&gt;</li>",
            "Entrance 4.50 €",
        ] {
            assert!(body.contains(part), "{part} is not in:\n{body}");
        }
        assert!(!body.contains("Nobody"), "{body}");
    }
}
