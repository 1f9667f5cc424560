//! Compares the dialect `tiny` with the crate `tinytemplate` for one case. The fuzz target `execute` uses it as well.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hotplate_actors::Limits;
use hotplate_actors::diagnostic::Span;
use hotplate_actors::dialect::{Escape, Missing, RenderError, RenderFault};
use serde_json::Value;
use tinytemplate::TinyTemplate;
use tinytemplate::error::Error;

use crate::generator::Case;
use crate::set::{How, Set};

/// The result of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A template was rejected.
    Refused,
    /// Both printed the same.
    Same,
    /// Both failed for the same reason, at the same place, through the same calls.
    BothFailed,
    /// The render exceeded its budget; the crate has none.
    Stopped,
}

/// Renders a case with both.
///
/// # Errors
/// A description of the difference.
pub(crate) fn compare(case: &Case) -> Result<Verdict, String> {
    let limits = Limits {
        render_ms: 3_600_000,
        render_steps: 1_000_000,
        ..Limits::default()
    };
    let templates = || case.templates.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let set = match Set::compile(templates(), &limits) {
        Ok(set) => set,
        Err(faults) => {
            let shown = faults.first().ok_or("refused without a reason")?.to_string();
            let unclear = faults.iter().any(|fault| fault.code == "judge-disagrees");
            return match unclear || case.is_tame {
                true => Err(format!("refused: {shown}")),
                false => Ok(Verdict::Refused),
            };
        }
    };
    let mut verdict = Verdict::Refused;
    for escape in [Escape::Html, Escape::None] {
        let how = |missing| How {
            escape,
            missing,
            limits: limits.clone(),
        };
        let ours = set.render(&case.context, &how(Missing::Error));
        if matches!(&ours, Err(error) if matches!(error.fault, RenderFault::Budget(_))) {
            return Ok(Verdict::Stopped);
        }
        let theirs = catch_unwind(AssertUnwindSafe(|| theirs(case, escape)))
            .map_err(|_| "the crate panicked on an accepted template".to_owned())?;
        verdict = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => Verdict::Same,
            (Err(ours), Err(theirs)) if reason(theirs).is_none_or(|reason| reason == ours.fault) => {
                same_place(case, ours, theirs)?;
                Verdict::BothFailed
            }
            _ => return Err(format!("ours: {ours:?}\ntheirs: {theirs:?}")),
        };
        if let Ok(printed) = ours
            && escape == Escape::Html
            && set.render(&case.context, &how(Missing::Lenient)).as_ref() != Ok(&printed)
        {
            return Err("it prints something else when missing data is allowed, although none is".into());
        }
    }
    Ok(verdict)
}

fn theirs(case: &Case, escape: Escape) -> Result<String, Error> {
    let mut engine = TinyTemplate::new();
    for (name, text) in &case.templates {
        engine.add_template(name, text)?;
    }
    if escape == Escape::None {
        engine.set_default_formatter(&tinytemplate::format_unescaped);
    }
    engine.add_formatter("upper", move |value, output| format("upper", value, escape, output));
    engine.add_formatter("json", move |value, output| format("json", value, escape, output));
    // The crate takes all that follows the first `|` as one name.
    let texts = case.templates.iter().flat_map(|(_, text)| chains(text));
    for chain in texts.filter(|chain| names(chain).all(|name| KNOWN.contains(&name))) {
        let all = chain.to_owned();
        engine.add_formatter(chain, move |value, output| {
            let mut names = names(&all).peekable();
            let mut value = value.clone();
            while let Some(name) = names.next() {
                if names.peek().is_none() {
                    return format(name, &value, escape, output);
                }
                let mut text = String::new();
                format(name, &value, Escape::None, &mut text)?;
                value = text.into();
            }
            Ok(())
        });
    }
    for name in ["refuse", "panic"] {
        let refusal = || Error::GenericError { msg: name.into() };
        engine.add_formatter(name, move |_, _| Err(refusal()));
    }
    engine.render(&case.templates[0].0, &case.context)
}

/// The formatters that both have.
const KNOWN: [&str; 3] = ["json", "unescaped", "upper"];

/// Prints a value through one of the formatters that both have.
fn format(name: &str, value: &Value, escape: Escape, output: &mut String) -> Result<(), Error> {
    let mut text = String::new();
    match name {
        "json" => text = value.to_string(),
        _ => tinytemplate::format_unescaped(value, &mut text)?,
    }
    match (name, escape) {
        ("upper", Escape::None) => output.push_str(&text.to_uppercase()),
        ("upper", _) => tinytemplate::format(&text.to_uppercase().into(), output)?,
        _ => output.push_str(&text),
    }
    Ok(())
}

/// Returns what the crate takes for the name of a formatter in each tag that has several.
fn chains(text: &str) -> impl Iterator<Item = &str> {
    let tags = text
        .split('{')
        .skip(1)
        .filter_map(|tag| Some(tag.split_once('}')?.0.trim()));
    let tags = tags.map(|tag| tag.strip_prefix('-').unwrap_or(tag).trim());
    let tags = tags.map(|tag| tag.strip_suffix('-').unwrap_or(tag).trim());
    let formatters = tags.filter_map(|tag| Some(tag.split_once('|')?.1.trim()));
    formatters.filter(|name| name.contains('|'))
}

fn names(chain: &str) -> impl Iterator<Item = &str> {
    chain.split('|').map(str::trim)
}

/// Returns the fault that an error of the crate stands for.
fn reason(error: &Error) -> Option<RenderFault> {
    let message = match error {
        Error::CalledTemplateError { err, .. } => return reason(err),
        Error::CalledFormatterError { .. } => return Some(RenderFault::Formatter),
        Error::RenderError { msg, .. } | Error::GenericError { msg } => msg,
        _ => return None,
    };
    let reasons = [
        ("Failed to find value", RenderFault::MissingPath),
        ("Expected an array", RenderFault::NotIterable),
        ("Expected a printable value", RenderFault::Unprintable),
        ("Tried to call an unknown template", RenderFault::UnknownTemplate),
        ("Tried to call an unknown formatter", RenderFault::Formatter),
    ];
    let known = reasons.iter().find(|(begin, _)| message.starts_with(begin));
    known.map(|(_, fault)| *fault)
}

/// Checks that both name the same template, the same calls that led there, and the same places.
fn same_place(case: &Case, ours: &RenderError, theirs: &Error) -> Result<(), String> {
    let diagnostic = &ours.diagnostic;
    let text_of = |name: &str| {
        let found = case.templates.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, text)| text.as_str())
    };
    let mut template = case.templates[0].0.as_str();
    let mut error = theirs;
    let mut calls = diagnostic.chain.iter().rev();
    while let Error::CalledTemplateError {
        name,
        err,
        line,
        column,
    } = error
    {
        let site = calls.next().ok_or("the crate was in a call")?;
        let at = byte_of(text_of(template), *line, *column);
        if site.template.as_str() != template || !bytes_of(text_of(template), site.span).contains(&at) {
            return Err(format!(
                "called from {site:?}, by the crate from byte {at} of {template}"
            ));
        }
        template = name;
        error = err;
    }
    if calls.next().is_some()
        || diagnostic
            .template
            .as_ref()
            .is_none_or(|name| name.as_str() != template)
    {
        return Err(format!("failed in {diagnostic:?}, by the crate in {template}"));
    }
    let (Error::RenderError { line, column, .. } | Error::CalledFormatterError { line, column, .. }) = error else {
        // The crate does not say where it could not print a value.
        return Ok(());
    };
    let at = byte_of(text_of(template), *line, *column);
    let place = bytes_of(text_of(template), diagnostic.span.ok_or("no place")?);
    let same = match ours.fault {
        RenderFault::MissingPath => place.start == at,
        // The crate reports the first of several formatters.
        RenderFault::Formatter => {
            let before = text_of(template).get(at..place.start).unwrap_or_default();
            place.contains(&at) || before.contains('|') && !before.contains('}')
        }
        _ => place.contains(&at),
    };
    match same {
        true => Ok(()),
        false => Err(format!(
            "failed at {place:?}, by the crate at {at} of {template}: {diagnostic:?}"
        )),
    }
}

/// Converts a location of the crate to a byte of the text. The line counts from 1, the column from 0 and in bytes.
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    before + column
}

/// Returns the bytes of a text that a span covers.
fn bytes_of(text: &str, span: Span) -> std::ops::Range<usize> {
    let line = byte_of(text, span.line as usize, 0);
    let byte = |from: usize, characters: u32| {
        let mut rest = text[from..].char_indices().map(|(at, _)| at);
        from + rest.nth(characters as usize).unwrap_or(text.len() - from)
    };
    let start = byte(line, span.column - 1);
    start..byte(start, span.length.max(1))
}
