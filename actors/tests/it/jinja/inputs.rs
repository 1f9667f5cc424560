//! The rendering inputs of minijinja's own tests, from a directory that a variable names: each is data, a line `---` and a template.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use hotplate_actors::dialect::Missing;
use serde_json::Value;

use super::judge::{ours, refused, theirs};

/// The variable that names the directory `minijinja/tests/inputs`.
const DIRECTORY: &str = "HOTPLATE_MINIJINJA_INPUTS";

fn texts(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path());
    let mut texts: Vec<_> = entries
        .filter(|path| path.is_file())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, fs::read_to_string(&path).ok()?))
        })
        .collect();
    texts.sort();
    texts
}

#[test]
#[ignore = "needs the inputs of minijinja's tests in the directory of HOTPLATE_MINIJINJA_INPUTS"]
fn the_inputs_of_the_judge_print_the_same() {
    let directory = std::env::var(DIRECTORY).expect("the variable is set");
    let inputs = texts(Path::new(&directory));
    let mut partials = texts(&Path::new(&directory).join("refs"));
    partials.retain(|(_, text)| refused(text).is_empty());
    let (mut same, mut failed, mut different) = (0, 0, Vec::new());
    for (name, input) in &inputs {
        let Some((data, text)) = input.split_once("\n---\n") else {
            continue;
        };
        let data: Value = serde_json::from_str(data).expect("data in JSON");
        if data.get("$settings").is_some() {
            continue;
        }
        let mut set = vec![(name.as_str(), text)];
        set.extend(partials.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let judge = catch_unwind(AssertUnwindSafe(|| theirs(&set, &data, Missing::Lenient)));
        match (ours(&set, &data, Missing::Lenient), judge) {
            (Ok(ours), Ok(Ok(theirs))) if ours == theirs => same += 1,
            (Err(_), Ok(Err(_)) | Err(_)) => failed += 1,
            (ours, theirs) => different.push(format!("--- {name}\nours   {ours:?}\ntheirs {theirs:?}")),
        }
    }
    println!(
        "{same} print the same, {failed} fail with both, {} differ",
        different.len()
    );
    different.iter().for_each(|each| println!("{each}"));
    assert!(same > 0, "no inputs in {directory}");
}
