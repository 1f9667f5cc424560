//! Tests of the dialect `tiny` as data. Each file in `tests/fixtures/dialect` holds cases:
//!
//! ```text
//! === title
//! --- page.html            a template: the first is the entry, the others can be called
//! Hello {name}!
//! --- data                 the context as JSON; without it `{}`
//! {"name": "World"}
//! --- how lenient plain    the options, if not strict and HTML
//! --- prints               the output, or `--- fails`, or `--- refused`, with one line for each diagnostic
//! Hello World!
//! ```
//!
//! `HOTPLATE_BLESS=1 cargo test` writes the actual results into the files: read the difference before you keep it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hotplate_actors::Limits;
use hotplate_actors::diagnostic::{Diagnostic, Severity};
use hotplate_actors::dialect::{Escape, Missing};

use crate::against_the_crate::{Verdict, compare};
use crate::generator;
use crate::set::{How, Set};

#[derive(Debug, Default)]
struct Case<'f> {
    title: &'f str,
    templates: Vec<(&'f str, &'f str)>,
    data: Option<&'f str>,
    how: &'f str,
    outcome: &'f str,
    expected: &'f str,
}

#[test]
fn all_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialect");
    let update = std::env::var_os("HOTPLATE_BLESS").is_some();
    let mut failures = String::new();
    let mut count = 0;
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    for file in files {
        let written = "\n".to_owned() + &fs::read_to_string(&file).expect("text");
        let mut updated = String::new();
        for text in written.split("\n=== ").skip(1) {
            let case = parse(text);
            let (outcome, actual) = run(&case);
            count += 1;
            if (outcome, actual.as_str()) != (case.outcome, case.expected) {
                let _ = writeln!(
                    failures,
                    "{}: {}\n{}:\n{}\ninstead it {outcome}:\n{actual}\n",
                    file.display(),
                    case.title,
                    case.outcome,
                    case.expected
                );
            }
            if case.how.is_empty() {
                match outcome {
                    "prints" => check_with_the_crate(&case, Verdict::Same, &mut failures),
                    "fails" => check_with_the_crate(&case, Verdict::BothFailed, &mut failures),
                    _ => {}
                }
            }
            let head = text
                .find("\n--- prints\n")
                .or(text.find("\n--- fails\n"))
                .or(text.find("\n--- refused\n"));
            let head = &text[..head.unwrap_or(text.trim_end().len())];
            let _ = write!(updated, "=== {head}\n--- {outcome}\n{actual}\n\n");
        }
        if update {
            fs::write(&file, updated.trim_end().to_owned() + "\n").expect("written");
        }
    }
    assert!(update || failures.is_empty(), "{failures}");
    assert!(count >= 60, "only {count} cases were found");
}

/// Checks that each template code that a help text suggests compiles.
#[test]
fn suggestions_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialect");
    let mut count = 0;
    for file in ["other_languages.txt", "refused.txt", "failing.txt"] {
        let written = fs::read_to_string(folder.join(file)).expect("text");
        for line in written
            .lines()
            .filter(|line| line.contains(": ") && line.ends_with(')'))
        {
            let help = line.rsplit_once(" (").map_or("", |(_, help)| help);
            let spans = help.split('`').skip(1).step_by(2);
            for suggested in
                spans.filter(|span| span.starts_with('{') && span.ends_with('}') && !span.starts_with("{#"))
            {
                let text = complete(suggested);
                let compiled = Set::compile([("page.html", text.as_str())], &Limits::default());
                let faults: Vec<_> = compiled.err().unwrap_or_default().iter().map(self::line).collect();
                assert!(faults.is_empty(), "{file}: {line}\nsuggests {text}: {faults:?}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count} suggestions were found");
}

/// Completes a suggestion, which usually is one tag, with the tags that open and close its block.
pub(crate) fn complete(suggested: &str) -> String {
    let mut text = suggested
        .replace("for …", "for x in xs")
        .replace("if …", "if x")
        .replace("with …", "with x as y")
        .replace('…', "");
    for (open, close) in [("if", "endif"), ("for", "endfor"), ("with", "endwith")] {
        let (opened, closed) = (format!("{{{{ {open} "), format!("{{{{ {close} }}}}"));
        let (opens, closes) = (text.matches(&opened).count(), text.matches(&closed).count());
        for _ in closes..opens {
            text += &closed;
        }
        for _ in opens..closes {
            text = format!(
                "{opened}{} }}}}{text}",
                if open == "for" {
                    "x in xs"
                } else if open == "with" {
                    "x as y"
                } else {
                    "x"
                }
            );
        }
    }
    match text.as_str() {
        "{{ else }}" => "{{ if x }}{{ else }}{{ endif }}".into(),
        _ if text.contains('@') => format!("{{{{ for x in xs }}}}{text}{{{{ endfor }}}}"),
        _ => text,
    }
}

fn parse(text: &str) -> Case<'_> {
    let mut sections = text.trim_end_matches('\n').split("\n--- ");
    let mut case = Case {
        title: sections.next().unwrap_or_default(),
        ..Case::default()
    };
    for section in sections {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        match head {
            "data" => case.data = Some(body),
            "prints" | "fails" | "refused" => {
                case.outcome = head;
                case.expected = body;
            }
            _ => match head.strip_prefix("how ") {
                Some(how) => case.how = how,
                None => case.templates.push((head, body)),
            },
        }
    }
    case
}

fn run(case: &Case<'_>) -> (&'static str, String) {
    let set = match Set::compile(case.templates.iter().copied(), &Limits::default()) {
        Ok(set) => set,
        Err(faults) => return ("refused", faults.iter().map(line).collect::<Vec<_>>().join("\n")),
    };
    let how = How {
        escape: if case.how.contains("plain") {
            Escape::None
        } else {
            Escape::Html
        },
        missing: if case.how.contains("lenient") {
            Missing::Lenient
        } else {
            Missing::Error
        },
        ..How::default()
    };
    let mut outcome = match set.render(&data(case), &how) {
        Ok(printed) => ("prints", printed),
        Err(error) => ("fails", line(&error.diagnostic)),
    };
    if case.how.contains("warnings") {
        for warning in set.entry().top().unit.warnings() {
            let _ = write!(outcome.1, "\n{}", line(warning));
        }
    }
    outcome
}

fn data(case: &Case<'_>) -> serde_json::Value {
    serde_json::from_str(case.data.unwrap_or("{}")).unwrap_or_else(|error| panic!("{}: {error}", case.title))
}

/// Formats a diagnostic in one line.
fn line(diagnostic: &Diagnostic) -> String {
    let mut line = String::new();
    if diagnostic.severity == Severity::Warning {
        line.push_str("warning ");
    }
    if let Some(name) = &diagnostic.template {
        let _ = write!(line, "{name} ");
    }
    if let Some(span) = diagnostic.span {
        let _ = write!(line, "{}:{}+{} ", span.line, span.column, span.length);
    }
    let _ = write!(line, "{}: {}", diagnostic.code, diagnostic.message);
    if let Some(help) = &diagnostic.help {
        let _ = write!(line, " ({help})");
    }
    for site in &diagnostic.chain {
        let _ = write!(line, " < {} {}:{}", site.template, site.span.line, site.span.column);
    }
    line
}

/// Checks that the crate prints the same, or fails for the same reason at the same location, if the case uses no formatter of the engine.
fn check_with_the_crate(case: &Case<'_>, expected: Verdict, failures: &mut String) {
    let others = ["json", "lower", "title", "trim", "url"];
    let known = |text: &str| {
        !text.contains('|') || text.contains("unescaped") && !others.iter().any(|name| text.contains(name))
    };
    if !case.templates.iter().all(|(_, text)| known(text)) {
        return;
    }
    let verdict = compare(&generator::Case {
        templates: case
            .templates
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect(),
        context: data(case),
        is_tame: true,
    });
    if verdict.as_ref() != Ok(&expected) {
        let _ = writeln!(
            failures,
            "{}: with the crate it is {verdict:?}, not {expected:?}",
            case.title
        );
    }
}

/// Checks each row of the tables in the language reference.
#[test]
fn the_language_reference_is_correct() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let reference = fs::read_to_string(path).expect("the reference");
    let (mut head, mut counts) = (Vec::new(), [0; 3]);
    for line in reference.lines() {
        let cells: Vec<String> = match line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) {
            Some(cells) => cells
                .replace("\\|", "\0")
                .split(" | ")
                .map(|cell| cell.trim().replace('\0', "|"))
                .collect(),
            None if line.starts_with("|--") => continue,
            None => {
                head.clear();
                continue;
            }
        };
        if head.is_empty() {
            head = cells;
            continue;
        }
        let code = |at: usize| cells[at].trim_matches('`');
        let render = |missing| {
            let set = Set::compile([("page.html", code(0))], &Limits::default());
            let set =
                set.unwrap_or_else(|faults| panic!("{line}: {:?}", faults.iter().map(self::line).collect::<Vec<_>>()));
            let data: serde_json::Value = serde_json::from_str(code(1)).expect("data");
            let how = How {
                missing,
                ..How::default()
            };
            set.render(&data, &how)
                .map_or_else(|_| "error".into(), |printed| format!("`{printed}`"))
        };
        match head.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["template", "data", "prints"] => {
                assert_eq!(render(Missing::Error), cells[2], "{line}");
                counts[0] += 1;
            }
            ["template", "data", "strict (default)", "lenient"] => {
                assert_eq!([render(Missing::Error), render(Missing::Lenient)], cells[2..], "{line}");
                counts[1] += 1;
            }
            ["template", "what is wrong"] => {
                assert!(
                    Set::compile([("page.html", code(0))], &Limits::default()).is_err(),
                    "{line}"
                );
                counts[2] += 1;
            }
            _ => {}
        }
    }
    assert_eq!(counts.map(|count| count > 10), [true; 3], "{counts:?}");
}

/// Cuts and mangles the fixtures at every position, and checks that nothing panics and that every fault has a location on its line.
#[test]
fn mangled_tags_do_not_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialect");
    for file in ["other_languages.txt", "refused.txt"] {
        let written = fs::read_to_string(folder.join(file)).expect("text");
        let lines = written
            .lines()
            .filter(|line| line.contains('{') && !line.contains(": "));
        for line in lines {
            for (at, character) in line.char_indices() {
                let (before, after) = (&line[..at], &line[at + character.len_utf8()..]);
                for text in [
                    before,
                    after,
                    &format!("{before}{after}"),
                    &format!("{before}ß{after}"),
                    &format!("{before}{{{after}"),
                ] {
                    for fault in Set::compile([("page.html", text)], &Limits::default())
                        .err()
                        .unwrap_or_default()
                    {
                        let span = fault.span.expect("a place");
                        let end = (span.column + span.length) as usize - 1;
                        assert!(span.line == 1 && end <= text.chars().count(), "{text}: {fault}");
                        assert!(
                            fault.message.len() + fault.help.as_ref().map_or(0, String::len) < 800,
                            "{fault}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn long_names_are_shortened_in_help() {
    let long = "x".repeat(100_000);
    for text in [
        format!("{{{{ {long} }}}}"),
        format!("{{{{ {long}.{long} }}}}"),
        format!("{{% if {long} %}}"),
        format!("{{% {long} %}}"),
        format!("{{{{ {long} | {long}({long}) }}}}"),
        format!("{{{long} ?? {long}}}"),
        format!("{{{{ include \"{long}\" with {long} }}}}"),
        format!("{{{{ for {long} of {long} }}}}"),
        format!("{{{{ with {long} }}}}"),
        format!("{{{{ {long}(\"{long}\") }}}}"),
        format!("{{{{ a ? \"{long}\" : {long} }}}}"),
        format!("{{{{! {long} }}}}"),
        format!("{{{{{{{long}}}}}}}"),
        format!("{{a|{long}|{long}()}}"),
        format!("{{{{ call {{{long}}} with a }}}}"),
        format!("{{{{ set {long} = {long} }}}}"),
    ] {
        let faults = Set::compile([("page.html", text.as_str())], &Limits::default())
            .err()
            .expect("refused");
        for fault in faults {
            let bytes = fault.message.len() + fault.help.as_ref().map_or(0, String::len);
            assert!(bytes < 800, "{bytes} bytes about {}", &text[..20]);
        }
    }
}
