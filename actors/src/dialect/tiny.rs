//! The dialect `tiny`: the language of the crate `tinytemplate`, made fit to serve.
//!
//! A text is scanned (ours, linear, every fault with its place and what to write instead), judged by the crate itself, and only
//! then compiled into a unit that any number of threads render at once, byte for byte as the crate would.

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
mod shorten;
mod tag;
mod unit;

pub mod formatters;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

use super::{Dialect, Missing, Unit};
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

    fn lenient(&self) -> Option<Arc<dyn Dialect>> {
        Some(Arc::new(Lenient))
    }

    fn formatter_name(&self, name: &str) -> Result<(), String> {
        tag_can_name(name)
    }
}

/// Checks that a tag of the language can name a formatter like this. It asks the compiler, so that there is one rule.
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

/// [`Tiny`] for texts whose paths may lead nowhere.
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
