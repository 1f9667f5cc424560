//! The guide for people who come from another template language.

use hotplate::dialect::{Dialect, jinja::Jinja};
use hotplate::{Hotplate, Limits, MemoryLoader};
use serde_json::{Value, json};

const COMING: &str = include_str!("../../docs/coming-from.md");

/// The languages whose forms stand in tables beside those of this one.
const LANGUAGES: [&str; 3] = ["tera", "askama", "Jinja2"];

/// Returns the rows of all tables of a document: the head of the table, and the cells.
fn rows(text: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let (mut head, mut rows) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            if !line.starts_with("|--") {
                head.clear();
            }
            continue;
        };
        let cells = cells.replace("\\|", "\0");
        let cells: Vec<String> = cells.split(" | ").map(|cell| cell.trim().replace('\0', "|")).collect();
        match head.is_empty() {
            true => head = cells,
            false => rows.push((head.clone(), cells)),
        }
    }
    rows
}

/// Returns the text between the first pair of backticks.
fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_default()
}

fn data() -> Value {
    json!({
        "name": "Ada", "names": ["Ada", "Grace"], "text": "a b", "map": { "a": 1 }, "n": 2, "price": 4.5, "today": "2026-03-09",
        "stage": "test", "posts": [{ "year": 2026 }, { "year": 2025 }], "texts": { "hello": "Hallo" }, "urls": { "home": "/" },
    })
}

/// Renders a template with the data of the guide.
fn render(template: &str) -> Result<String, String> {
    let loader = MemoryLoader::of([
        ("page.html", template),
        ("part.html", "part"),
        (
            "macros.html",
            "{% macro field(name) %}<input name=\"{{ name }}\">{% endmacro %}",
        ),
    ]);
    let builder = Hotplate::builder().loader(loader.expect("names")).jinja().quiet();
    let hotplate = builder.on_failure(hotplate::OnFailure::Return).start().expect("starts");
    let page = hotplate.render("page.html", &data());
    page.map(|page| page.body).map_err(|failure| failure.to_string())
}

#[test]
fn forms_of_other_languages_are_refused_and_those_of_this_one_rendered() {
    let (mut wrong, mut counts) = (Vec::new(), [0; LANGUAGES.len()]);
    for (head, cells) in rows(COMING) {
        let Some(language) = LANGUAGES.iter().position(|language| head == [*language, "here"]) else {
            continue;
        };
        counts[language] += 1;
        if let Ok(page) = render(code(&cells[0])) {
            wrong.push(format!("{} is rendered: {page}", cells[0]));
        }
        if let Err(failure) = render(code(&cells[1])) {
            wrong.push(format!("{} fails: {failure}", cells[1]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.iter().all(|count| *count > 8), "{counts:?}");
}

/// Compares the table of lines with the example that it is about.
#[test]
fn the_lines_of_the_axum_app_are_those_of_the_example() {
    let example = include_str!("../../examples/axum_jinja.rs");
    let table = rows(COMING)
        .into_iter()
        .filter(|(head, _)| head[0] == "with minijinja-autoreload");
    let mut lines = 0;
    for (_, cells) in table.skip(1) {
        let line = code(&cells[1]);
        assert!(example.contains(line), "examples/axum_jinja.rs has no `{line}`");
        lines += usize::from(!line.is_empty());
    }
    assert!(lines > 8, "{lines}");
}

/// Compiles each block of code that is marked as a template. Rows of tables are rendered by other tests.
#[test]
fn the_templates_in_the_guides_compile() {
    let mut blocks = 0;
    for (name, text) in [
        ("jinja.md", include_str!("../../docs/jinja.md")),
        ("coming-from.md", COMING),
    ] {
        for block in text.split("```jinja\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let compiled = Jinja.compile(block, &Limits::default());
            if let Err(faults) = compiled {
                panic!("docs/{name}: {}\n{block}", faults[0]);
            }
            blocks += 1;
        }
    }
    assert!(blocks > 0, "{blocks}");
}
