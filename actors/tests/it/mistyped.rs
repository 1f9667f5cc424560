//! Common typing errors, and the complete diagnostic that their author sees when the text is compiled or, if the crate accepts it, rendered.
//! Each line of `tests/fixtures/mistyped.txt` that begins with `=== ` is a text, and the lines below it are the diagnostic.
//!
//! `HOTPLATE_BLESS=1 cargo test` writes the actual diagnostics into the file: read the difference before you keep it.

use std::fmt::Write;
use std::path::Path;

use hotplate_actors::{Hotplate, Limits, MemoryLoader};
use serde_json::json;

use crate::dialect::complete;
use crate::set::Set;

/// Returns the data for all texts. Names that contain an operator are not in it.
fn data() -> serde_json::Value {
    json!({ "a": 1, "b": 2, "c": 3, "price": 3, "qty": 4, "on": true, "name": "Ada", "nick": "", "xs": [1], "order": { "customer": {} } })
}

#[test]
fn mistyped_tags_are_explained() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mistyped.txt");
    let written = std::fs::read_to_string(&file).expect("the fixture");
    let texts: Vec<&str> = written.lines().filter_map(|line| line.strip_prefix("=== ")).collect();
    assert!(texts.len() >= 40, "only {} texts were found", texts.len());
    let name = |number: usize| format!("text-{}.html", number + 1);
    let templates = texts
        .iter()
        .enumerate()
        .map(|(number, text)| (name(number), text.replace("\\n", "\n")));
    let (loader, memory) = MemoryLoader::new();
    let named = templates.map(|(name, text)| (hotplate_actors::TemplateName::new(&name).expect("a name"), Some(text)));
    memory.edit(named);
    let hotplate = Hotplate::builder().loader(loader).start().expect("starts");
    let (diagnostics, mut actual) = (hotplate.diagnostics(), String::new());
    for (number, text) in texts.iter().enumerate() {
        let name = name(number);
        let of_this = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.template.as_ref().is_some_and(|of| of.as_str() == name));
        let found: Vec<String> = of_this.map(ToString::to_string).collect();
        let found = match found.is_empty() {
            false => found.join("\n"),
            true => hotplate.render(&name, &data()).expect_err(text).to_string(),
        };
        let _ = write!(
            actual,
            "=== {text}\n{}\n\n",
            found.trim_end().replace(&name, "page.html")
        );
    }
    if std::env::var_os("HOTPLATE_BLESS").is_some() {
        std::fs::write(&file, &actual).expect("written");
    } else {
        assert!(actual == written, "the diagnostics changed:\n{actual}");
    }
}

/// Checks that each text has one help, and that each template code that it suggests compiles.
#[test]
fn suggestions_compile() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mistyped.txt");
    let written = std::fs::read_to_string(file).expect("the fixture");
    let mut count = 0;
    for case in ("\n".to_owned() + &written).split("\n=== ").skip(1) {
        assert_eq!(case.matches("= help: ").count(), 1, "{case}");
        let help = case.split("= help: ").nth(1).unwrap_or_default();
        let spans = help.split('`').skip(1).step_by(2);
        for suggested in spans.filter(|span| span.starts_with('{')) {
            let text = complete(suggested);
            let compiled = Set::compile([("page.html", text.as_str())], &Limits::default());
            assert!(compiled.is_ok(), "{case}\nsuggests {text}: {:?}", compiled.err());
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} suggestions were found");
}
