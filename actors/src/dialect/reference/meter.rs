//! [`Meter`]: the budget of a render inside the crate, where only formatters of ours look at it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use serde_json::Value as Json;
use tinytemplate::error::Error;

use super::carried;

use crate::budget::{Budget, Exceeded};
use crate::dialect::{Body, Escape, Formatter, FormatterError, Frame, Missing, RenderFault};
use crate::value::{Arena, Value};

/// What formatters of one render share. The crate wants them to own it.
#[derive(Clone)]
pub(super) struct Meter(Rc<RefCell<State>>);

struct State {
    budget: Budget,
    escape: Escape,
    missing: Missing,
    depth: u32,
    /// Bytes of output that were there before.
    written_bytes: usize,
    /// Why the render is stopped.
    stopped: Option<Stopped>,
}

/// The reason that a formatter gave, which the crate has no place for.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) fault: RenderFault,
    pub(super) message: String,
}

impl Meter {
    /// Takes the budget over from a frame, for as long as the crate renders.
    pub(super) fn new(frame: &Frame<'_>, budget: Budget) -> Self {
        Self(Rc::new(RefCell::new(State {
            budget,
            escape: frame.escape,
            missing: frame.missing,
            depth: frame.depth,
            written_bytes: frame.body.len(),
            stopped: None,
        })))
    }

    /// Changes the budget for another.
    pub(super) fn swap_budget(&self, budget: &mut Budget) {
        std::mem::swap(budget, &mut self.0.borrow_mut().budget);
    }

    /// Why a formatter of ours ended the render, if one did.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        self.0.borrow_mut().stopped.take()
    }

    /// The next text is about to be compiled.
    pub(super) fn compile(&self) -> Result<(), Error> {
        self.check(|state| state.budget.check(Instant::now()))
    }

    /// A loop begins its next turn.
    pub(super) fn turn(&self, output: &str) -> Result<(), Error> {
        self.check(|state| state.step(output.len()))
    }

    /// A call begins.
    pub(super) fn enter(&self, output: &str) -> Result<(), Error> {
        self.check(|state| {
            state.step(output.len())?;
            if state.depth >= state.budget.call_depth {
                return Err(Exceeded::Depth(state.budget.call_depth));
            }
            state.depth += 1;
            Ok(())
        })
    }

    /// A call has ended.
    pub(super) fn leave(&self) {
        let mut state = self.0.borrow_mut();
        state.depth = state.depth.saturating_sub(1);
    }

    /// Prints a value that has no formatter, by the crate's own functions.
    pub(super) fn print(&self, value: &Json, output: &mut String) -> Result<(), Error> {
        let bytes = value.as_str().map_or(0, str::len);
        self.check(|state| state.step(output.len() + bytes))?;
        if let Some(digits) = value.as_str().and_then(carried::digits) {
            output.push_str(digits);
            return Ok(());
        }
        let mut state = self.0.borrow_mut();
        let printed = match state.escape {
            Escape::Html => tinytemplate::format(value, output),
            Escape::None => tinytemplate::format_unescaped(value, output),
        };
        if printed.is_err() {
            let kind = if value.is_array() { "an array" } else { "an object" };
            return Err(state.stop(RenderFault::Unprintable, format!("{kind} cannot be printed")));
        }
        Ok(())
    }

    /// Runs a formatter of the engine.
    pub(super) fn format(&self, formatter: &Formatter, value: &Json, output: &mut String) -> Result<(), Error> {
        let arena = Arena::new();
        let mut state = self.0.borrow_mut();
        let formatted = state.format(formatter, value, &arena, output);
        formatted.map_err(|error| {
            let fault = error.exceeded().map_or(RenderFault::Formatter, RenderFault::Budget);
            state.stop(fault, error.to_string())
        })
    }

    fn check(&self, look: impl FnOnce(&mut State) -> Result<(), Exceeded>) -> Result<(), Error> {
        let mut state = self.0.borrow_mut();
        look(&mut state).map_err(|exceeded| state.stop(RenderFault::Budget(exceeded), exceeded.to_string()))
    }
}

impl State {
    fn step(&mut self, output_bytes: usize) -> Result<(), Exceeded> {
        self.budget.step()?;
        let most = self.budget.output_bytes;
        if self.written_bytes + output_bytes > most {
            return Err(Exceeded::Output(most));
        }
        Ok(())
    }

    fn format(
        &mut self,
        formatter: &Formatter,
        value: &Json,
        arena: &Arena,
        output: &mut String,
    ) -> Result<(), FormatterError> {
        self.step(output.len())?;
        let value = value_of(value, arena, &mut self.budget)?;
        let body = Body::new(self.budget.output_bytes, self.written_bytes + output.len());
        let mut frame = Frame {
            depth: self.depth,
            ..Frame::writing_to(body, &mut self.budget, self.escape, self.missing)
        };
        formatter.format(&value, &mut frame)?;
        output.push_str(&frame.body.to_text());
        Ok(())
    }

    fn stop(&mut self, fault: RenderFault, message: String) -> Error {
        let msg = message.clone();
        self.stopped = Some(Stopped { fault, message });
        Error::GenericError { msg }
    }
}

/// The same value for a formatter. Texts are not copied; what is made anew is a step each. It is as deep as the context was.
fn value_of<'a>(json: &'a Json, arena: &'a Arena, budget: &mut Budget) -> Result<Value<'a>, Exceeded> {
    budget.step()?;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => Value::Unsigned(number),
            (_, Some(number), _) => Value::Signed(number),
            (_, _, Some(number)) => Value::Float(number),
            (None, None, None) => Value::Null,
        },
        Json::String(text) => carried::digits(text).map_or(Value::Text(text), Value::Digits),
        Json::Array(items) => {
            let items = items.iter().map(|item| value_of(item, arena, budget));
            Value::Array(arena.bump().alloc_slice_try_fill_iter(items)?)
        }
        Json::Object(map) => {
            let fields = carried::fields(map).into_iter();
            let fields = fields.map(|(key, item)| Ok((key, value_of(item, arena, budget)?)));
            Value::Object(carried::object(fields.collect::<Result<_, Exceeded>>()?, arena))
        }
    })
}
