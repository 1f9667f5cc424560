//! Templates that are embedded in the program: a release build contains them, a debug build reads the directory and follows edits.
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

/// Returns the names and texts of all files below a directory.
fn texts(directory: &'static Dir<'static>) -> Vec<(&'static str, &'static str)> {
    let files = directory
        .files()
        .filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)));
    files.chain(directory.dirs().flat_map(texts)).collect()
}
