//! Templates that are embedded in the program: a release build contains them, a debug build reads the directory and follows edits. A
//! directory that an operator names takes precedence over them, name by name.
//!
//! `cargo run --release --features embed --example embedded [DIR]`

use hotplate::Hotplate;

#[derive(serde::Serialize)]
struct Greeting {
    name: &'static str,
    guests: Vec<&'static str>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let defaults = hotplate::embed!("$CARGO_MANIFEST_DIR/examples/hello");
    let mut builder = Hotplate::builder().loader(defaults);
    if let Some(directory) = std::env::args().nth(1) {
        builder = builder.root(directory);
    }
    let hotplate = builder.start()?;
    let greeting = Greeting {
        name: "you",
        guests: vec!["Ada", "Grace"],
    };
    print!("{}", hotplate.render("hello.html", &greeting)?.body);
    Ok(())
}
