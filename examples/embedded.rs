//! Templates that are part of the program: a release has them inside, a debug build reads the directory and shows each edit.
//!
//! `cargo run --release --example embedded`

use hotplate::{Builder, Hotplate, MemoryLoader};
use include_dir::{Dir, include_dir};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/hello");

#[derive(serde::Serialize)]
struct Greeting {
    name: &'static str,
    guests: Vec<&'static str>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hotplate = engine()?.start()?;
    let greeting = Greeting {
        name: "you",
        guests: vec!["Ada", "Grace"],
    };
    print!("{}", hotplate.render("hello.html", &greeting)?.body);
    Ok(())
}

fn engine() -> Result<Builder, Box<dyn std::error::Error>> {
    let builder = Hotplate::builder();
    Ok(match cfg!(debug_assertions) {
        true => builder.root(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello")),
        false => builder.loader(MemoryLoader::of(texts(&TEMPLATES))?),
    })
}

/// Names and texts of a directory and of those below it.
fn texts(directory: &'static Dir<'static>) -> Vec<(&'static str, &'static str)> {
    let files = directory
        .files()
        .filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)));
    files.chain(directory.dirs().flat_map(texts)).collect()
}
