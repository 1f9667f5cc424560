//! The seeds of the fuzzers, mutated at random: neither compiling nor rendering panics, aborts or goes on beyond its limits.
//!
//! `HOTPLATE_MUTATIONS` is the number of texts of each dialect, and `HOTPLATE_SEED` where they begin. The fuzzers in `fuzz/` look further.

use std::fs;
use std::path::Path;

use crate::differential::number;
use crate::generator::Choices;

/// The default number of texts of each dialect.
const CASES: u64 = 600;
/// The largest text, before it is mutated once more.
const BYTES_MAX: usize = 8 * 1024;
/// What languages are made of: text to insert, also many times.
const WORDS: [&str; 48] = [
    "{",
    "}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    "(",
    ")",
    "[",
    "]",
    "|",
    ".",
    ",",
    "~",
    "**",
    "//",
    "\"",
    "'",
    "\\",
    "\n",
    "@index",
    "@root",
    "{{ call a with @root }}",
    "{{ if a }}",
    "{{ endif }}",
    "{{ for x in xs }}",
    "{{ endfor }}",
    "{% for x in xs recursive %}",
    "{% endfor %}",
    "{{ loop(xs) }}",
    "{% if a %}",
    "{% endif %}",
    "{% set ns.a = ns %}",
    "{% macro m() %}",
    "{% endmacro %}",
    "{{ m() }}",
    "{% include n %}",
    "{% extends 'base.html' %}",
    "{% block a %}",
    "{% endblock %}",
    "{{ super() }}",
    " not ",
    " if ",
    "range(99999)",
    "9223372036854775807",
];

/// Checks mutations of the texts in a folder of seeds.
fn check_all(folder: &str, check: fn(&str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(folder);
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: there is no {}", folder.display());
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).expect("a seed")).collect();
    let (first, cases) = (number("HOTPLATE_SEED", 0), number("HOTPLATE_MUTATIONS", CASES));
    let mut compiled_bytes = 0;
    for seed in first..first + cases {
        let text = mutated(&seeds, &mut Choices::of_seed(seed));
        let text = String::from_utf8_lossy(&text);
        compiled_bytes += text.len();
        // The output of a test that fails, or of a process that aborts, ends with the last one.
        println!("HOTPLATE_SEED={seed} HOTPLATE_MUTATIONS=1");
        check(&text);
    }
    println!("{cases} texts, {compiled_bytes} bytes");
}

/// Returns one of the seeds with a few changes.
fn mutated(seeds: &[Vec<u8>], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut text = seeds[choices.below(seeds.len())].clone();
    for _ in 0..=choices.below(6) {
        let at = choices.below(text.len() + 1);
        let end = (at + choices.below(24)).min(text.len());
        match choices.below(6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let word = WORDS[choices.below(WORDS.len())].repeat(1 + choices.below(3));
                text.splice(at..at, word.into_bytes());
            }
            2 => {
                let word = WORDS[choices.below(WORDS.len())].repeat(1 + choices.below(300));
                text.splice(at..at, word.into_bytes());
            }
            3 => {
                let part = text[at..end].repeat(1 + choices.below(40));
                text.splice(at..at, part);
            }
            4 if at < text.len() => text[at] = choices.below(256) as u8,
            _ => {
                let other = &seeds[choices.below(seeds.len())];
                let part = other[choices.below(other.len() + 1)..].to_vec();
                text.splice(at..end, part);
            }
        }
        text.truncate(BYTES_MAX);
    }
    text
}

#[test]
fn mutated_texts_of_tiny_stay_within_their_limits() {
    check_all("scan", crate::arbitrary::check);
}

#[cfg(feature = "jinja")]
#[test]
fn mutated_texts_of_jinja_stay_within_their_limits() {
    check_all("jinja", crate::jinja::arbitrary::check);
}
