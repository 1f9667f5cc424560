//! The dialect `tiny`, an implementation of the language of the crate `tinytemplate` for long-running services.
//!
//! Compiling takes three passes. The scanner reads the text in linear time and reports every error with its position and a suggestion. The
//! crate itself then checks that it accepts the text. Finally the tokens are compiled into a unit, which any number of threads render
//! concurrently and whose output equals that of the crate byte for byte.

mod compile;
mod execute;
mod failure;
mod foreign;
pub(super) mod judge;
mod lint;
mod path;
mod piece;
mod program;
mod scan;
mod tag;
mod unit;

pub mod formatters;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

use super::{Dialect, Missing, Unit, shorten};
use unit::TinyUnit;

/// The dialect `tiny`.
///
/// ```
/// use hotplate_actors::Limits;
/// use hotplate_actors::dialect::{Dialect, tiny::Tiny};
///
/// assert!(Tiny.compile("Hello {name}!", &Limits::default()).is_ok());
/// let faults = Tiny.compile("{{ if a == b }}", &Limits::default()).err().expect("no comparisons");
/// assert_eq!(faults[0].code, "comparison");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Tiny;

impl Dialect for Tiny {
    fn id(&self) -> &'static str {
        "tiny"
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        Ok(Arc::new(unit(text, limits)?))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        Some(Arc::new(Lenient))
    }

    fn formatter_name(&self, name: &str) -> Result<(), String> {
        tag_can_name(name)
    }
}

/// Checks that a tag can use a formatter under this name. The compiler decides, so that there is one rule.
fn tag_can_name(name: &str) -> Result<(), String> {
    let tag = format!("{{value | {name}}}");
    let reason = match Tiny.compile(&tag, &Limits::default()) {
        Ok(unit) => match unit.formatters() {
            [used] if *used.name == *name => return Ok(()),
            [used] => format!("`{tag}` is read as the formatter `{}`", used.name),
            _ => format!("`{tag}` is not read as a formatter"),
        },
        Err(faults) => faults
            .first()
            .map_or_else(|| format!("`{tag}` does not compile"), |fault| fault.message.clone()),
    };
    Err(format!(
        "{reason}; choose a word without spaces, brackets, quotes, `|` or `-` at its end"
    ))
}

/// Returns what to write instead of a formatter that nobody registered, where its name is more than a name (`upper:1`) or means
/// something else in other languages (`default`). `before` is the line up to the name.
pub(crate) fn formatter_meant(before: &str, name: &str) -> Option<String> {
    let of = before.rsplit_once('{')?.1.trim_end().strip_suffix('|')?;
    let of = foreign::expression::as_path(of.trim().trim_start_matches('-'))?;
    foreign::expression::filter(&of, name)
}

/// The variant of [`Tiny`] that accepts missing paths.
struct Lenient;

impl Dialect for Lenient {
    fn id(&self) -> &'static str {
        Tiny.id()
    }

    fn compile(&self, text: &str, limits: &Limits) -> Result<Arc<dyn Unit>, Vec<Diagnostic>> {
        let mut unit = unit(text, limits)?;
        unit.missing = Missing::Lenient;
        Ok(Arc::new(unit))
    }
}

fn unit(text: &str, limits: &Limits) -> Result<TinyUnit, Vec<Diagnostic>> {
    let tokens = scan::scan(text, limits)?;
    judge::judge(text).map_err(|fault| vec![*fault])?;
    Ok(compile::compile(text, &tokens, limits))
}
