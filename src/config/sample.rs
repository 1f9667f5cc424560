//! The sample: every key with its default and its description.

use std::collections::HashSet;

use super::Config;
use super::keys::{Key, Kind, Tree, Unit, Value, keys};

const HEAD: &str = "\
# The settings of hotplate, each with its default. Leave out the settings that you do not change.
#
# `hotplate serve DIR` and the other commands read `hotplate.toml` in DIR, or the file that `--config FILE` or HOTPLATE_CONFIG
# names. A variable such as HOTPLATE_LIMITS__RENDER_MS=500 overrides the file, and a flag such as `--set limits.render_ms=500`
# overrides both. An empty variable counts as unset. A list in a variable is written with commas (html,txt) or as in this file.
# An unknown key is an error, in a file and in a variable; any other unused variable HOTPLATE_… is a warning.
# `hotplate config DIR` shows the settings in force and where each comes from.
#
# SIGHUP reads all of them again. If one is invalid, nothing changes and the log has the error. Settings marked `live` change at
# once; the log names those that need a restart.
";

/// Returns a complete `hotplate.toml`: every key with its default, its description, its unit and its range.
#[must_use]
pub fn sample() -> String {
    let defaults = Tree::of(&Config::default());
    let mut sample = HEAD.to_owned();
    let mut section = "";
    let mut described = HashSet::new();
    for key in keys() {
        if key.section() != section {
            section = key.section();
            sample += &format!("\n[{section}]\n");
        }
        // The connections of both listeners have the same keys, and so have the policies of all actors. Only the first of each is
        // described.
        if described.insert((key.name(), key.about)) {
            for line in wrapped(&format!("{}{}", key.about, allowed(key))) {
                sample += &format!("# {line}\n");
            }
        }
        sample += &format!("{} = {}\n", key.name(), defaults.get(key));
    }
    sample
}

/// Returns the accepted values, where the description does not list them.
fn allowed(key: &Key) -> String {
    let mut allowed = match key.kind {
        Kind::Whole { unit, least, most } => {
            let unit = match unit {
                Unit::Count => "",
                Unit::Milliseconds => " milliseconds",
                Unit::Bytes => " bytes",
            };
            format!(" Range: {} to {}{unit}.", Value::Whole(least), Value::Whole(most))
        }
        Kind::Choice(words) => format!(" One of {}.", words.join(", ")),
        Kind::Flag
        | Kind::Text
        | Kind::File
        | Kind::Address
        | Kind::OptionalAddress
        | Kind::OptionalListener
        | Kind::List => String::new(),
    };
    if key.live {
        allowed += " (live)";
    }
    allowed
}

/// Breaks a text into lines of at most 110 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.len() + word.len() < 110);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;

    #[test]
    fn the_sample_has_every_key_once_with_its_default() {
        let assigned = parse(std::path::Path::new("sample"), &sample()).expect("the sample is valid");
        let found: Vec<&str> = assigned.iter().map(|one| one.key.path.as_str()).collect();
        let mut expected: Vec<&str> = keys().iter().map(|key| key.path.as_str()).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        for one in assigned {
            assert_eq!(one.value, one.key.default(), "{}", one.key.path);
        }
    }

    #[test]
    fn the_sample_in_the_documentation_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hotplate.toml");
        if std::env::var_os("HOTPLATE_BLESS").is_some() {
            std::fs::write(&path, sample()).expect("written");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == sample(),
            "run this test with HOTPLATE_BLESS=1 to write {}",
            path.display()
        );
    }
}
