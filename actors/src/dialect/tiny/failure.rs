//! Failures of a render, and their explanations for the author of the template.

use crate::budget::Exceeded;
use crate::diagnostic::{Diagnostic, MissingName};
use crate::dialect::body::Full;
use crate::dialect::{Call, Closure, FormatterError, RenderError, RenderFault};
use crate::suggestion::suggestion;
use crate::value::Value;

use super::foreign::{self, expression};
use super::piece::TextRange;
use super::program::{Action, PathRef};
use super::shorten::shorten;
use super::unit::TinyUnit;

/// A failure of one operation. Its message is made only when the failure leaves the template.
pub(super) enum Failure<'v> {
    /// The step with this number does not exist in the value of the steps before it.
    Missing {
        path: PathRef,
        step: usize,
        within: Value<'v>,
    },
    NotIterable(PathRef, Value<'v>),
    Unprintable(PathRef, Value<'v>),
    Formatter(u32, FormatterError),
    UnknownFormatter(u32),
    UnknownTemplate(u32),
    Called(u32, RenderError),
    Exceeded(Exceeded),
    /// The text before the operation exceeded the budget.
    Lead(Exceeded),
}

impl From<Exceeded> for Box<Failure<'_>> {
    #[cold]
    fn from(exceeded: Exceeded) -> Self {
        Self::new(Failure::Exceeded(exceeded))
    }
}

impl From<Full> for Box<Failure<'_>> {
    #[cold]
    fn from(full: Full) -> Self {
        Exceeded::from(full).into()
    }
}

impl Failure<'_> {
    /// Returns the error for a failure of operation `at` of a unit.
    #[cold]
    pub(super) fn explain(self, unit: &TinyUnit, closure: &Closure<'_>, at: usize) -> RenderError {
        let name = &closure.top().name;
        let (fault, diagnostic) = match self {
            Self::Called(call, mut error) => {
                if let Some(call) = unit.calls.get(call as usize) {
                    error.diagnostic.called_from(name.clone(), call.span);
                }
                return error;
            }
            Self::Missing { path, step, within } => {
                let mut diagnostic = missing(unit, path, step, &within);
                // A condition on a missing path is usually meant as a test for its presence.
                let in_condition = matches!(unit.ops.get(at).map(|op| op.act), Some(Action::If { .. }));
                if diagnostic.help.is_none() && in_condition && matches!(within, Value::Object(_)) {
                    diagnostic.help =
                        Some("where it may be missing, give it as null, or make the templates lenient".into());
                }
                (RenderFault::MissingPath, diagnostic)
            }
            Self::NotIterable(path, value) => {
                let place = unit.range_of(path);
                let message = format!(
                    "`{}` is {}, not an array",
                    shorten(&unit.source()[place.clone()]),
                    value.kind()
                );
                let diagnostic = Diagnostic::error("not-iterable", message).at(unit.source(), place);
                (RenderFault::NotIterable, diagnostic.help("`for` goes over arrays only"))
            }
            Self::Unprintable(path, value) => {
                let place = unit.range_of(path);
                let text = shorten(&unit.source()[place.clone()]);
                let message = format!("`{text}` is {}, which cannot be printed", value.kind());
                let help = match value {
                    Value::Array(_) => "print its items with `for`, or write it as JSON with `| json`",
                    _ => "print one of its fields, or write it as JSON with `| json`",
                };
                let diagnostic = Diagnostic::error("unprintable", message).at(unit.source(), place);
                (RenderFault::Unprintable, diagnostic.help(help))
            }
            Self::Formatter(formatter, error) => {
                let fault = error.exceeded().map_or(RenderFault::Formatter, RenderFault::Budget);
                let (code, message) = match (fault, unit.formatters.get(formatter as usize)) {
                    (RenderFault::Formatter, Some(used)) => (
                        "formatter",
                        format!("the formatter `{}` failed: {error}", shorten(&used.name)),
                    ),
                    _ => ("budget", format!("the render was stopped: {error}")),
                };
                (fault, at_formatter(unit, formatter, Diagnostic::error(code, message)))
            }
            Self::UnknownFormatter(formatter) => {
                let diagnostic = Diagnostic::error("unknown-formatter", "there is no such formatter");
                (RenderFault::Formatter, at_formatter(unit, formatter, diagnostic))
            }
            Self::UnknownTemplate(call) => {
                let diagnostic = match unit.calls.get(call as usize) {
                    Some(call) => {
                        let message = format!("there is no template `{}`", call.name);
                        Diagnostic::error("unknown-template", message).at_span(unit.source(), call.span)
                    }
                    None => Diagnostic::error("unknown-template", "there is no such template"),
                };
                (RenderFault::UnknownTemplate, diagnostic)
            }
            Self::Exceeded(exceeded) => (RenderFault::Budget(exceeded), at_op(unit, at, stopped(exceeded))),
            Self::Lead(exceeded) => (RenderFault::Budget(exceeded), at_lead(unit, at, stopped(exceeded))),
        };
        RenderError::new(fault, diagnostic.in_template(name))
    }
}

/// The number of fields whose objects are searched for a missing name.
const FIELDS_SEARCHED_MAX: usize = 256;

fn missing(unit: &TinyUnit, path: PathRef, at: usize, within: &Value<'_>) -> Diagnostic {
    let steps = unit.steps_of(path);
    let Some(step) = steps.get(at) else {
        return Diagnostic::error("missing-path", "a path does not exist");
    };
    let whole = unit.range_of(path);
    let key = &unit.source()[step.range()];
    let text = shorten(&unit.source()[whole.clone()]);
    let before = &unit.source()[whole.start..step.range().start];
    let message = match (before.strip_suffix('.'), within) {
        (None, Value::Object(_)) => format!("there is no `{text}` in the data"),
        (None, other) => format!("there is no `{text}`: the data is {}", other.kind()),
        (Some(parent), Value::Object(_)) => format!("there is no `{}` in `{}`", shorten(key), shorten(parent)),
        (Some(parent), Value::Array(items)) => {
            let count = items.len();
            format!(
                "there is no `{}` in `{}`, an array of {count}",
                shorten(key),
                shorten(parent)
            )
        }
        (Some(parent), other) => {
            format!(
                "there is no `{}` in `{}`, which is {}",
                shorten(key),
                shorten(parent),
                other.kind()
            )
        }
    };
    let mut diagnostic = Diagnostic::error("missing-path", message).at(unit.source(), step.range());
    if at == 0 && path.slot == 0 {
        diagnostic.wanted = Some(MissingName {
            name: key.into(),
            kind: (!matches!(within, Value::Object(_))).then(|| within.kind()),
        });
    }
    // Only a similar key is named, because messages must not disclose the other keys of the data.
    let near = match within {
        Value::Object(object) => suggestion(key, object.iter().map(|(key, _)| key)),
        _ => None,
    };
    let has = |name: &str| matches!(within, Value::Object(object) if object.get(name).is_some());
    if let Some(help) = expression::without_blanks(&text, has) {
        // The span begins at the key that is missing, as for any other missing path.
        return diagnostic.at(unit.source(), step.range().start..whole.end).help(help);
    }
    let end = step.range().end;
    let bare = key
        .strip_suffix(':')
        .filter(|bare| !bare.is_empty() && end == whole.end);
    if let Some(bare) = bare
        && let Some(tag) = without_colon(unit.source(), end - 1)
    {
        let help = format!("write `{tag}`: nothing follows `{bare}`");
        return diagnostic.help(help);
    }
    let looks_like_css = key.contains([':', '/', '$', '?']) || key.bytes().all(|byte| byte.is_ascii_digit());
    let first = at == 0 && before.is_empty();
    if let Some(help) = by_accident(text.as_str(), key, within).filter(|_| first) {
        return diagnostic.help(help);
    }
    // A field of an object one level below may have that name. The author knows the name, so nothing is disclosed.
    let below = || match within {
        Value::Object(object) => object
            .iter()
            .take(FIELDS_SEARCHED_MAX)
            .find_map(|(field, value)| match value {
                Value::Object(inner) => inner.get(key).map(|_| field),
                _ => None,
            }),
        _ => None,
    };
    let near = near
        .map(str::to_owned)
        .or_else(|| Some(format!("{}.{}", below()?, shorten(key))));
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if first && looks_like_css => diagnostic.help("for a brace that is text write `\\{`"),
        None => diagnostic,
    }
}

/// Returns a tag whose path ends in a colon, without the colon.
fn without_colon(source: &str, colon: usize) -> Option<String> {
    let after = source[colon + 1..].split_once('}')?.0;
    let inner = source[..colon].rsplit_once('{')?.1;
    let is_block = source[..colon - inner.len()].ends_with("{{");
    let inner = format!("{inner}{after}");
    let inner = shorten(inner.trim_matches(['-', ' ']));
    Some(if is_block {
        format!("{{{{ {inner} }}}}")
    } else {
        format!("{{{inner}}}")
    })
}

/// Returns help for syntax of another language that happens to be a valid path, such as `{loop.index}`, `{%endif%}`, `{:else}`,
/// `{price:.2}`.
fn by_accident(text: &str, key: &str, within: &Value<'_>) -> Option<String> {
    if text.starts_with('%') {
        return Some(foreign::percent(text).help);
    }
    if text.starts_with([':', '/']) {
        return foreign::tag(text, true).map(|meant| meant.help);
    }
    if let Some((name, _)) = key.split_once(':')
        && matches!(within, Value::Object(object) if object.get(name).is_some())
    {
        return Some(format!(
            "a value is formatted by a formatter, such as `{{{name} | upper}}`"
        ));
    }
    let help = expression::loop_word(text).or_else(|| {
        let rest = text.strip_prefix("this.")?;
        Some(format!(
            "write `{rest}`, or in a loop `item.{rest}`, with the name that `for` gives"
        ))
    });
    help.filter(|_| !text.starts_with('@'))
}

/// The scope of the caller that contains a name that the called template lacks.
pub(super) enum CallerScope {
    /// In the value of the first steps of the call's path; the number counts them.
    Around(usize),
    /// In another value that the caller has in scope.
    Elsewhere,
    Nowhere,
}

/// Adds to the diagnostic of a missing name which value the template was called with, and how to pass the name.
pub(super) fn not_passed(
    diagnostic: &mut Diagnostic,
    wanted: &MissingName,
    unit: &TinyUnit,
    (callee, path): (&Call, PathRef),
    reach: CallerScope,
) {
    let whole = unit.range_of(path);
    let passed = shorten(&unit.source()[whole.clone()]);
    let name = shorten(&wanted.name);
    diagnostic.message = match wanted.kind {
        None => format!("there is no `{name}` in `{passed}`, the value that this template was called with"),
        Some(kind) => format!("there is no `{name}`: this template was called with `{passed}`, which is {kind}"),
    };
    let steps = unit.steps_of(path);
    match reach {
        CallerScope::Around(count) => {
            // The text before the first step that leaves the larger value.
            let end = steps
                .get(count)
                .map_or(whole.end, |step| step.range().start.saturating_sub(1));
            let larger = shorten(&unit.source()[whole.start..end.max(whole.start)]);
            let rest = steps
                .get(count)
                .map_or("", |step| &unit.source()[step.range().start..whole.end]);
            diagnostic.help = Some(format!(
                "`{larger}` has it: write `{{{{ call {} with {larger} }}}}`, and `{}` here for what was passed before",
                shorten(callee.name.as_str()),
                shorten(rest)
            ));
        }
        // For example `{{ call list.html with xs }}` whose template uses `{{ for x in xs }}`.
        CallerScope::Elsewhere if name == passed => {
            diagnostic.help = Some(format!(
                "what was passed is `@root` here: write `@root` in place of `{name}`, or pass a larger value that has `{name}`"
            ));
        }
        CallerScope::Elsewhere => {
            diagnostic.help = Some(format!(
                "the caller has `{name}`, but passes only `{passed}`: put `{name}` into it, or pass a larger value that has both"
            ));
        }
        CallerScope::Nowhere => {}
    }
}

fn at_formatter(unit: &TinyUnit, formatter: u32, diagnostic: Diagnostic) -> Diagnostic {
    match unit.formatters.get(formatter as usize) {
        Some(used) => diagnostic.at_span(unit.source(), used.span),
        None => diagnostic,
    }
}

fn stopped(exceeded: Exceeded) -> Diagnostic {
    Diagnostic::error("budget", format!("the render was stopped: {exceeded}"))
}

/// Adds the position of the operation that exceeded the budget.
fn at_op(unit: &TinyUnit, at: usize, diagnostic: Diagnostic) -> Diagnostic {
    let range = match unit.ops.get(at).map(|op| op.act) {
        Some(Action::Turn { at, .. }) => at as usize..unit.word_end(at as usize),
        Some(Action::Next { body, .. }) => return at_op(unit, body as usize - 1, diagnostic),
        Some(
            Action::Value(path)
            | Action::Formatted { path, .. }
            | Action::Chained { path, .. }
            | Action::If { path, .. }
            | Action::With { path, .. }
            | Action::For { path, .. }
            | Action::Call { path, .. },
        ) => unit.range_of(path),
        Some(Action::IfTurn { .. } | Action::Goto(_) | Action::None) | None => return diagnostic,
    };
    diagnostic.at(unit.source(), range)
}

/// Adds the position of the text before an operation.
fn at_lead(unit: &TinyUnit, at: usize, diagnostic: Diagnostic) -> Diagnostic {
    match unit.ops.get(at).map(|op| op.lead) {
        Some(TextRange { start, length }) => diagnostic.at(unit.source(), start as usize..(start + length) as usize),
        None => diagnostic,
    }
}
