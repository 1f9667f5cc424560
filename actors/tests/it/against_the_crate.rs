//! One case in the dialect `tiny` and in the crate `tinytemplate`: also what the fuzzer runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hotplate_actors::Limits;
use hotplate_actors::dialect::{Escape, Missing, RenderFault};
use tinytemplate::TinyTemplate;
use tinytemplate::error::Error;

use crate::generator::Case;
use crate::set::{How, Set};

/// What came of a case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A template was refused.
    Refused,
    /// Both printed the same.
    Same,
    /// Both failed for the same reason.
    BothFailed,
    /// It met the edge of its budget; the crate has none.
    Stopped,
}

/// Renders a case both ways.
///
/// # Errors
/// How they differ.
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
            .map_err(|_| "the crate panicked on what was accepted".to_owned())?;
        verdict = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => Verdict::Same,
            (Err(ours), Err(theirs)) if reason(theirs).is_none_or(|reason| reason == ours.fault) => Verdict::BothFailed,
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
    engine.render(&case.templates[0].0, &case.context)
}

/// The reason that the crate's error gives.
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
