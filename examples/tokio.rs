//! The handle under plain tokio: renders a page at the start and after each edit.
//!
//! Run `cargo run --example tokio` and edit `examples/hello/hello.html`.

use hotplate::{Event, Freshness, Hotplate};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    name: &'static str,
    guests: Vec<&'static str>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello");
    let hotplate = Hotplate::builder().root(templates).start()?;
    let mut events = hotplate.subscribe();
    let greeting = Greeting {
        name: "tokio",
        guests: vec!["Ada", "Grace", "<Bobby>"],
    };
    show(&hotplate, &greeting);
    while let Some(event) = events.next().await {
        match event {
            Event::Published(_) => show(&hotplate, &greeting),
            Event::Fallback(fallback) => fallback.why.diagnostics.iter().for_each(|why| eprintln!("{why}")),
            _ => {}
        }
    }
    Ok(())
}

fn show(hotplate: &Hotplate, greeting: &Greeting) {
    match hotplate.render("hello.html", greeting) {
        Ok(page) => {
            let old = if matches!(page.freshness, Freshness::Current) {
                ""
            } else {
                ", not the newest text"
            };
            println!("--- version {}{old}\n{}", page.version, page.body);
        }
        Err(failure) => eprintln!("{failure}"),
    }
}
