//! The sample: every key with its default and what it is for.

use std::collections::HashSet;

use super::Config;
use super::keys::{Key, Kind, Unit, Value, keys};

const HEAD: &str = "\
# The settings of hotplate, each with its default: leave out what you do not change.
#
# `hotplate serve DIR` and the other commands read `hotplate.toml` in DIR, or the file that `--config FILE` or HOTPLATE_CONFIG
# names. A variable such as HOTPLATE_LIMITS__RENDER_MS=500 overrides the file, a flag such as `--set limits.render_ms=500`
# overrides both. An empty variable counts as unset. A list in a variable is written with commas, html,txt, or as it is here.
# A key that there is not is refused, in a file and in a variable; any other variable HOTPLATE_… that is not used is a warning.
# `hotplate config DIR` says what holds and where it comes from.
#
# SIGHUP reads all of it again. If anything is wrong, nothing changes and the log says what. Settings marked `live` change at
# once; the log names those that wait for a restart.
";

/// A whole `hotplate.toml`: every key with its default, its unit, its range, and what it is for.
#[must_use]
pub fn sample() -> String {
    let default = Config::default();
    let mut sample = HEAD.to_owned();
    let mut section = "";
    let mut told = HashSet::new();
    for key in keys() {
        if key.section() != section {
            section = key.section();
            sample += &format!("\n[{section}]\n");
        }
        // What the policies of all actors have in common is said with the first.
        if told.insert((key.name(), key.about)) {
            for line in wrapped(&format!("{}{}", key.about, allowed(key))) {
                sample += &format!("# {line}\n");
            }
        }
        sample += &format!("{} = {}\n", key.name(), key.get(&default));
    }
    sample
}

/// What may stand there, where the sentence about it does not say so.
fn allowed(key: &Key) -> String {
    let mut allowed = match key.kind {
        Kind::Whole { unit, least, most } => {
            let unit = match unit {
                Unit::Count => "",
                Unit::Milliseconds => " milliseconds",
                Unit::Bytes => " bytes",
            };
            format!(" {} to {}{unit}.", Value::Whole(least), Value::Whole(most))
        }
        Kind::Choice(words) => format!(" One of {}.", words.join(", ")),
        Kind::Flag | Kind::Text | Kind::File | Kind::Address | Kind::OptionalAddress | Kind::List => String::new(),
    };
    if key.live {
        allowed += " (live)";
    }
    allowed
}

/// Lines of at most 110 characters.
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
    use super::super::file::understand;
    use super::*;

    #[test]
    fn the_sample_has_every_key_once_and_is_the_defaults() {
        let assigned = understand(std::path::Path::new("sample"), &sample()).expect("the sample is right");
        let found: Vec<&str> = assigned.iter().map(|one| one.key.path).collect();
        let mut expected: Vec<&str> = keys().iter().map(|key| key.path).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        for one in assigned {
            assert_eq!(one.value, one.key.get(&Config::default()), "{}", one.key.path);
        }
    }

    #[test]
    fn the_sample_in_the_documentation_is_this_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hotplate.toml");
        if std::env::var_os("HOTPLATE_BLESS").is_some() {
            std::fs::write(&path, sample()).expect("written");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == sample(),
            "run it again with HOTPLATE_BLESS=1 to write {}",
            path.display()
        );
    }
}
