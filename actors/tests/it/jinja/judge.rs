//! Renders by the dialect and by minijinja, the judge of what it prints. The fuzz target `jinja_execute` compares them as well.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hotplate_actors::dialect::jinja::Jinja;
use hotplate_actors::dialect::{Dialect, Escape, Missing, RenderFault};
use hotplate_actors::{Limits, TemplateName};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use super::generator::Case;
use crate::set::{How, Set};

/// Templates by name; the first one is the entry.
pub(crate) type Texts<'t> = &'t [(&'t str, &'t str)];

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both printed the same.
    Same,
    /// Both failed.
    BothFailed,
    /// The judge panicked, or printed no value.
    Lost,
}

/// Renders a case with both.
///
/// # Errors
/// A description of the difference.
pub(crate) fn compare(case: &Case) -> Result<Verdict, String> {
    let texts: Vec<(&str, &str)> = case.templates.iter().map(|(name, text)| (&**name, &**text)).collect();
    let Ok(theirs) = catch_unwind(AssertUnwindSafe(|| theirs(&texts, &case.context, case.missing))) else {
        return Ok(Verdict::Lost);
    };
    // It printed how it computes a list, and not the list.
    if theirs
        .as_ref()
        .is_ok_and(|theirs| ["<iterator>", "&lt;iterator&gt;"].iter().any(|it| theirs.contains(it)))
    {
        return Ok(Verdict::Lost);
    }
    match (ours(&texts, &case.context, case.missing), theirs) {
        // Its macros do not know the names inside of a slice. If there were no such macro, both would fail.
        (Ok(_), Err(theirs)) if theirs.starts_with("unknown function") => Ok(Verdict::Lost),
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(Verdict::Same),
        (Err(_), Err(_)) => Ok(Verdict::BothFailed),
        (ours, theirs) => Err(format!("ours   {ours:?}\ntheirs {theirs:?}")),
    }
}

/// Renders templates with the dialect.
pub(crate) fn ours(texts: Texts<'_>, context: &Value, missing: Missing) -> Result<String, String> {
    let how = How {
        escape: escape(texts[0].0),
        missing,
        limits: Limits {
            render_steps: 1_000_000,
            ..Limits::default()
        },
    };
    let set = Set::compile_as(&Jinja, texts.iter().copied(), &how.limits).map_err(|faults| {
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        shown.join("\n")
    })?;
    set.render(context, &how).map_err(|error| error.to_string())
}

/// Returns the reason for programs of a render that fails.
pub(crate) fn fault(texts: Texts<'_>, context: &Value) -> Option<(RenderFault, &'static str)> {
    let how = How {
        escape: escape(texts[0].0),
        ..How::default()
    };
    let set = Set::compile_as(&Jinja, texts.iter().copied(), &how.limits).expect("it compiles");
    let error = set.render(context, &how).err()?;
    Some((error.fault, error.diagnostic.code))
}

/// Returns the codes of the faults of a text that does not compile.
pub(crate) fn refused(text: &str) -> Vec<&'static str> {
    match Jinja.compile(text, &Limits::default()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.code).collect(),
    }
}

fn escape(name: &str) -> Escape {
    Escape::of(&TemplateName::new(name).expect("a valid name"))
}

/// Escapes text with the entities of the engine. Those of minijinja are longer, and it escapes slashes as well.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Renders templates with minijinja, with the entities of the engine.
pub(crate) fn theirs(texts: Texts<'_>, context: &Value, missing: Missing) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_debug(false);
    environment.set_undefined_behavior(match missing {
        Missing::Error => UndefinedBehavior::Strict,
        Missing::Lenient => UndefinedBehavior::Chainable,
    });
    environment.set_auto_escape_callback(
        |name| match (escape(name), minijinja::default_auto_escape_callback(name)) {
            // A mode of its own, so that the formatter below is asked everywhere.
            (Escape::Html, _) => AutoEscape::Custom("engine".into()),
            (_, AutoEscape::Json) => AutoEscape::Json,
            _ => AutoEscape::None,
        },
    );
    environment.set_formatter(|output, state, value| {
        if matches!(state.auto_escape(), AutoEscape::Json) {
            return minijinja::escape_formatter(output, state, value);
        }
        let plain = matches!(state.auto_escape(), AutoEscape::None) || value.is_safe();
        let text = value.to_string();
        output.write_str(&if plain { text } else { escaped(&text) })?;
        Ok(())
    });
    minijinja_contrib::add_to_environment(&mut environment);
    // With the same entities, so that the length of what was escaped is the same.
    let is_json = minijinja::default_auto_escape_callback(texts[0].0) == AutoEscape::Json;
    for name in ["e", "escape"].into_iter().filter(|_| !is_json) {
        environment.add_filter(name, |value: minijinja::Value| match value.is_safe() {
            true => value,
            false => minijinja::Value::from_safe_string(escaped(&value.to_string())),
        });
    }
    for (name, text) in texts {
        let added = environment.add_template_owned((*name).to_owned(), (*text).to_owned());
        added.map_err(|error| format!("{error:#}"))?;
    }
    let entry = environment
        .get_template(texts[0].0)
        .map_err(|error| format!("{error:#}"))?;
    let rendered = entry.render(minijinja::Value::from(Serde(context)));
    // Plain templates have no such mode, but may escape some values.
    let rendered = rendered.map_err(|error| format!("{error:#}"))?;
    Ok(rendered.replace("#x27;", "#39;"))
}
