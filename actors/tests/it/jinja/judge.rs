//! Renders by the dialect and by minijinja, the judge of what it prints.

use hotplate_actors::dialect::jinja::Jinja;
use hotplate_actors::dialect::{Dialect, Escape, Missing, RenderFault};
use hotplate_actors::{Limits, TemplateName};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use crate::set::{How, Set};

/// Templates by name; the first one is the entry.
pub(crate) type Texts<'t> = &'t [(&'t str, &'t str)];

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

/// Renders templates with minijinja. Its entities are replaced by those of this engine, which escapes no slashes.
pub(crate) fn theirs(texts: Texts<'_>, context: &Value, missing: Missing) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(match missing {
        Missing::Error => UndefinedBehavior::Strict,
        Missing::Lenient => UndefinedBehavior::Chainable,
    });
    environment.set_auto_escape_callback(|name| match escape(name) {
        Escape::Html => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    minijinja_contrib::add_to_environment(&mut environment);
    for (name, text) in texts {
        let added = environment.add_template_owned((*name).to_owned(), (*text).to_owned());
        added.map_err(|error| format!("{error:#}"))?;
    }
    let entry = environment
        .get_template(texts[0].0)
        .map_err(|error| format!("{error:#}"))?;
    let rendered = entry.render(minijinja::Value::from(Serde(context)));
    let rendered = rendered.map_err(|error| format!("{error:#}"))?;
    Ok(rendered.replace("&#x27;", "&#39;").replace("&#x2f;", "/"))
}
