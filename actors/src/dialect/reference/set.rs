//! [`render`]: a closure as one set of the crate, used once.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value as Json;

use super::carried::Carried;
use tinytemplate::TinyTemplate;
use tinytemplate::error::Error;

use super::ReferenceUnit;
use super::failure::{budget, failure, internal};
use super::meter::Meter;
use super::rewrite::{ENTER, LEAVE, TURN};
use crate::budget::Budget;
use crate::dialect::{Closure, Frame, Member, Missing, RenderError};
use crate::limits::Limits;
use crate::supervision::panic_text;
use crate::value::Value;

/// A member, and what this dialect made of its text.
#[derive(Clone, Copy)]
pub(super) struct Part<'s> {
    pub(super) member: &'s Member,
    pub(super) unit: &'s ReferenceUnit,
}

/// The parts of a closure by name.
pub(super) type Parts<'s> = HashMap<&'s str, Part<'s>>;

/// Renders the template of `closure` by the crate.
pub(super) fn render(closure: &Closure<'_>, context: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), RenderError> {
    let top = closure.top();
    if frame.missing == Missing::Lenient {
        let message = "the dialect `tinytemplate` cannot leave missing data out";
        return Err(internal(
            &top.name,
            message,
            "let missing data be an error, or use the dialect `tiny`",
        ));
    }
    let parts = parts_of(closure)?;
    let mut lent = Budget::new(&Limits::default(), None, None);
    std::mem::swap(&mut lent, frame.budget);
    let meter = Meter::new(frame, lent);
    let outcome = catch_unwind(AssertUnwindSafe(|| run(top, &parts, context, &meter)));
    meter.swap_budget(frame.budget);
    match outcome {
        Ok(Ok(text)) => frame.append(&text).map_err(|exceeded| budget(&top.name, exceeded)),
        Ok(Err(error)) => Err(failure(&error, meter.stopped(), top, &parts)),
        Err(panic) => {
            let message = format!("`tinytemplate` panicked: {}", panic_text(panic));
            Err(internal(&top.name, message, "please report it"))
        }
    }
}

fn parts_of<'s>(closure: &Closure<'s>) -> Result<Parts<'s>, RenderError> {
    let part_of = |member: &'s Member| match member.unit.as_any().downcast_ref() {
        Some(unit) => Ok((member.name.as_str(), Part { member, unit })),
        None => {
            let message = "it is of another dialect than the template that calls it";
            Err(internal(
                &member.name,
                message,
                "let both have the dialect `tinytemplate`",
            ))
        }
    };
    closure.members().into_iter().map(part_of).collect()
}

fn run(top: &Member, parts: &Parts<'_>, context: &Value<'_>, meter: &Meter) -> Result<String, Error> {
    let print = {
        let meter = meter.clone();
        move |value: &Json, output: &mut String| meter.print(value, output)
    };
    let mut set = TinyTemplate::new();
    set.set_default_formatter(&print);
    let (turns, enters, leaves) = (meter.clone(), meter.clone(), meter.clone());
    set.add_formatter(TURN, move |_, output| turns.turn(output));
    set.add_formatter(ENTER, move |_, output| enters.enter(output));
    set.add_formatter(LEAVE, move |_, _| {
        leaves.leave();
        Ok(())
    });
    for (name, Part { member, unit }) in parts {
        meter.compile()?;
        for (used, formatter) in unit.formatters.iter().zip(&member.formatters) {
            let (meter, formatter) = (meter.clone(), formatter.clone());
            set.add_formatter(&used.name, move |value, output| meter.format(&formatter, value, output));
        }
        set.add_template(name, &unit.rewritten.text)?;
    }
    set.render(top.name.as_str(), &Carried(context))
}
