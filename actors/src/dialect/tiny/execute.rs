//! The interpreter, which runs the program of a unit over a context.
//!
//! Each iteration of the main loop takes one operation: it appends the text before it and performs its action, which returns the index of
//! the next operation. Each tag, iteration and call takes a step of the budget; text without tags is bounded by the limit of the output.
//! Failures are returned as compact values and explained only when they leave the template.

use std::ops::Range;
use std::time::Instant;

use crate::budget::Exceeded;
use crate::dialect::{Closure, Escape, Frame, Missing, RenderError};
use crate::value::Value;

use super::failure::{CallerScope, Failure, not_passed};
use super::path::LoopVariable;
use super::piece::TextRange;
use super::program::{Action, PathRef, Step};
use super::unit::TinyUnit;
use crate::dialect::body::Full;
use crate::dialect::escape::escape;
use crate::dialect::print::{json_text, print_float, print_short, print_unsigned};

/// The number of slots that need no allocation, which is enough for most templates.
const SLOTS_INLINE: usize = 6;

/// The length above which a text may keep a formatter busy without any output. The clock is checked after such a formatter.
const LONG_TEXT_BYTES: usize = 4096;

/// The bytes of a text that are copied between two formatters in the time of one step.
const BYTES_PER_STEP: usize = 32;

/// Renders the template of `closure`, whose unit is `unit`, and appends it to the output.
pub(super) fn execute(
    unit: &TinyUnit,
    closure: &Closure<'_>,
    context: &Value<'_>,
    frame: &mut Frame<'_>,
) -> Result<(), RenderError> {
    let mut inline = [Slot::EMPTY; SLOTS_INLINE];
    let mut spilled = Vec::new();
    let slots = match inline.get_mut(..unit.slots) {
        Some(slots) => slots,
        None => {
            spilled.resize(unit.slots, Slot::EMPTY);
            &mut spilled[..]
        }
    };
    slots[0].value = context;
    let mut run = Execution { unit, closure, slots };
    let text = unit.text.as_bytes();
    let mut at = 0;
    while let Some(op) = unit.ops.get(at) {
        let TextRange { start, length } = op.lead;
        if let Err(full) = frame.body.push_part(text, start, length) {
            return Err(Failure::Lead(full.into()).explain(unit, closure, at));
        }
        // Without optimisation, `act` takes ten kilobytes of stack, and a render may have 256 calls inside of each other.
        let next = match op.act {
            Action::Call { path, call } if cfg!(debug_assertions) => run.call(path, call, frame).map(|()| at + 1),
            _ => run.act(&op.act, at, frame),
        };
        at = match next {
            Ok(next) => next,
            Err(failure) => return Err(failure.explain(unit, closure, at)),
        };
    }
    Ok(())
}

/// The value of a scope, and for a loop its items and the current index.
#[derive(Clone, Copy)]
struct Slot<'v> {
    value: &'v Value<'v>,
    items: &'v [Value<'v>],
    index: usize,
}

impl Slot<'_> {
    const EMPTY: Self = Self {
        value: &Value::Null,
        items: &[],
        index: 0,
    };
}

/// The state of one template that is being rendered.
struct Execution<'r, 'v> {
    unit: &'r TinyUnit,
    closure: &'r Closure<'r>,
    slots: &'r mut [Slot<'v>],
}

/// A boxed failure, so that the result of an operation fits into registers.
type BoxedFailure<'v> = Box<Failure<'v>>;

impl<'v> Execution<'_, 'v> {
    /// Performs the action of an operation and returns the index of the next one.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn act(&mut self, act: &Action, at: usize, frame: &mut Frame<'_>) -> Result<usize, BoxedFailure<'v>> {
        match *act {
            Action::None => {}
            Action::Value(path) => {
                frame.budget.step()?;
                if let Some(value) = self.value(path, frame)? {
                    print(value, frame).map_err(|stop| stop.of(path, *value))?;
                }
            }
            Action::Formatted { path, formatter } => {
                frame.budget.step()?;
                if let Some(value) = self.value(path, frame)? {
                    self.format(value, formatter, frame)?;
                }
            }
            Action::Chained { path, first, count } => {
                frame.budget.step()?;
                if let Some(value) = self.value(path, frame)? {
                    self.format_chain(value, first..first + u32::from(count), frame)?;
                }
            }
            Action::Turn { turn, slot, .. } => {
                frame.budget.step()?;
                let Slot { items, index, .. } = self.slots[slot as usize];
                match turn {
                    LoopVariable::Index => print_unsigned(index as u64, &mut frame.body)?,
                    LoopVariable::First => frame.append(bool_text(index == 0))?,
                    LoopVariable::Last => frame.append(bool_text(index + 1 == items.len()))?,
                }
            }
            Action::If {
                path,
                negated,
                otherwise,
            } => {
                frame.budget.step()?;
                let is_true = self.value(path, frame)?.is_some_and(|value| value.is_truthy());
                if is_true == negated {
                    return Ok(otherwise as usize);
                }
            }
            Action::IfTurn {
                turn,
                negated,
                slot,
                otherwise,
            } => {
                frame.budget.step()?;
                let Slot { items, index, .. } = self.slots[slot as usize];
                let is_true = match turn {
                    LoopVariable::Index => index != 0,
                    LoopVariable::First => index == 0,
                    LoopVariable::Last => index + 1 == items.len(),
                };
                if is_true == negated {
                    return Ok(otherwise as usize);
                }
            }
            Action::Goto(target) => return Ok(target as usize),
            Action::With { path, slot, end } => {
                frame.budget.step()?;
                match self.value(path, frame)? {
                    Some(value) => self.slots[slot as usize].value = value,
                    None => return Ok(end as usize),
                }
            }
            Action::For { path, slot, end } => {
                frame.budget.step()?;
                let items: &[Value<'v>] = match self.value(path, frame)? {
                    Some(Value::Array(items)) => items,
                    Some(value) => return Err(Failure::NotIterable(path, *value).into()),
                    None => &[],
                };
                let Some(first) = items.first() else {
                    return Ok(end as usize);
                };
                self.slots[slot as usize] = Slot {
                    value: first,
                    items,
                    index: 0,
                };
            }
            Action::Next { slot, body } => {
                frame.budget.step()?;
                let slot = &mut self.slots[slot as usize];
                if let Some(item) = slot.items.get(slot.index + 1) {
                    slot.index += 1;
                    slot.value = item;
                    return Ok(body as usize);
                }
            }
            Action::Call { path, call } => self.call(path, call, frame)?,
        }
        Ok(at + 1)
    }

    /// Returns the value of a path; `None` if it is missing in lenient mode.
    #[inline(always)]
    fn value(&self, path: PathRef, frame: &Frame<'_>) -> Result<Option<&'v Value<'v>>, BoxedFailure<'v>> {
        match self.look_up(path) {
            None if (frame.missing, self.unit.missing) == (Missing::Error, Missing::Error) => {
                Err(self.missing(path).into())
            }
            found => Ok(found),
        }
    }

    #[inline(always)]
    fn look_up(&self, path: PathRef) -> Option<&'v Value<'v>> {
        let start = self.slots[path.slot as usize].value;
        match path.count {
            0 => Some(start),
            // Most paths have one step.
            1 => self.go(start, self.unit.steps.get(path.first as usize)?),
            _ => self
                .unit
                .steps_of(path)
                .iter()
                .try_fold(start, |from, step| self.go(from, step)),
        }
    }

    /// Returns the value of one step inside a value.
    #[inline(always)]
    fn go(&self, from: &'v Value<'v>, step: &Step) -> Option<&'v Value<'v>> {
        match from {
            Value::Object(object) => object.get_hinted(|| self.unit.key(step), step.words, &step.hint),
            Value::Array(items) => items.get(step.index as usize),
            _ => None,
        }
    }

    /// Follows a missing path again, to find the step that does not exist.
    #[cold]
    fn missing(&self, path: PathRef) -> Failure<'v> {
        let mut within = self.slots[path.slot as usize].value;
        let mut step = 0;
        for next in self.unit.steps_of(path) {
            match self.go(within, next) {
                Some(value) => within = value,
                None => break,
            }
            step += 1;
        }
        Failure::Missing {
            path,
            step,
            within: *within,
        }
    }

    fn format(&self, value: &Value<'_>, formatter: u32, frame: &mut Frame<'_>) -> Result<(), BoxedFailure<'v>> {
        let Some(function) = self.closure.top().formatters.get(formatter as usize) else {
            return Err(Failure::UnknownFormatter(formatter).into());
        };
        frame.budget.begin();
        let result = function.format(value, frame);
        result.map_err(|error| Failure::Formatter(formatter, error))?;
        let is_long = match value {
            Value::Text(text) => text.len() > LONG_TEXT_BYTES,
            Value::Array(_) | Value::Object(_) => true,
            _ => false,
        };
        if is_long {
            frame.budget.check(Instant::now())?;
        }
        Ok(())
    }

    /// Prints a value through several formatters, from left to right. Only the last one escapes: what the others write is a value.
    #[inline(never)]
    fn format_chain(
        &self,
        value: &Value<'v>,
        mut formatters: Range<u32>,
        frame: &mut Frame<'_>,
    ) -> Result<(), BoxedFailure<'v>> {
        let Some(last) = formatters.next_back() else {
            return Ok(());
        };
        let (escape, start) = (frame.escape, frame.body.len());
        frame.escape = Escape::None;
        let mut text: Option<String> = None;
        for formatter in formatters {
            match &text {
                Some(text) => self.format(&Value::Text(text), formatter, frame)?,
                None => self.format(value, formatter, frame)?,
            }
            let written = frame.body.text_from(start).into_owned();
            frame.body.truncate(start);
            frame.budget.steps((written.len() / BYTES_PER_STEP) as u64)?;
            text = Some(written);
        }
        frame.escape = escape;
        self.format(&Value::Text(&text.unwrap_or_default()), last, frame)
    }

    /// Renders another template with the value of a path, if there is one.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn call(&self, path: PathRef, call: u32, frame: &mut Frame<'_>) -> Result<(), BoxedFailure<'v>> {
        frame.budget.step()?;
        let Some(value) = self.value(path, frame)? else {
            return Ok(());
        };
        self.render(value, call, frame)
            .map_err(|failure| self.explain_call(failure, path))
    }

    fn render(&self, value: &Value<'v>, call: u32, frame: &mut Frame<'_>) -> Result<(), BoxedFailure<'v>> {
        let Some(callee) = self.closure.callee(call as usize) else {
            return Err(Failure::UnknownTemplate(call).into());
        };
        if frame.depth >= frame.budget.call_depth {
            return Err(Exceeded::Depth(frame.budget.call_depth).into());
        }
        frame.depth += 1;
        let result = callee.top().unit.render(&callee, value, frame);
        frame.depth -= 1;
        result.map_err(|error| Failure::Called(call, error).into())
    }

    /// Completes the failure of a call with `path`, if the callee misses a name that exists in this template.
    #[cold]
    fn explain_call(&self, mut failure: BoxedFailure<'v>, path: PathRef) -> BoxedFailure<'v> {
        if let Failure::Called(call, error) = &mut *failure
            && let Some(callee) = self.unit.calls.get(*call as usize)
            && let Some(wanted) = error.diagnostic.wanted.take()
        {
            let has = |value: &Value<'_>| matches!(value, Value::Object(object) if object.get(&wanted.name).is_some());
            // Searches from the passed value outwards for the nearest one that has the name.
            let steps = self.unit.steps_of(path);
            let mut values = vec![self.slots[path.slot as usize].value];
            for step in steps {
                values.extend(values.last().and_then(|from| self.go(from, step)));
            }
            let around = values.iter().take(steps.len()).rposition(|value| has(value));
            let reach = match around {
                Some(count) if count > 0 || path.slot > 0 => CallerScope::Around(count),
                _ if self.slots.iter().any(|slot| has(slot.value)) => CallerScope::Elsewhere,
                _ => CallerScope::Nowhere,
            };
            not_passed(&mut error.diagnostic, &wanted, self.unit, (callee, path), reach);
        }
        failure
    }
}

/// The reason why a value was not printed.
pub(super) enum PrintError {
    NoText,
    Exceeded(Exceeded),
}

impl PrintError {
    #[cold]
    fn of(self, path: PathRef, value: Value<'_>) -> Box<Failure<'_>> {
        match self {
            Self::NoText => Failure::Unprintable(path, value).into(),
            Self::Exceeded(exceeded) => exceeded.into(),
        }
    }
}

impl From<Exceeded> for PrintError {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

impl From<Full> for PrintError {
    fn from(full: Full) -> Self {
        Self::Exceeded(full.into())
    }
}

#[inline(always)]
fn print(value: &Value<'_>, frame: &mut Frame<'_>) -> Result<(), PrintError> {
    match value {
        Value::Null => {}
        Value::Text(text) => match frame.escape {
            Escape::Html => escape(text, &mut frame.body)?,
            Escape::None => frame.append(text)?,
            Escape::Json => frame.append(&json_text(text))?,
        },
        Value::Bool(value) => frame.append(bool_text(*value))?,
        Value::Unsigned(number) => print_unsigned(*number, &mut frame.body)?,
        Value::Signed(number) => print_short(itoa::Buffer::new().format(*number), &mut frame.body)?,
        // `serde_json` prints floats with the same crate.
        Value::Float(number) => print_float(*number, &mut frame.body)?,
        Value::Digits(digits) => frame.append(digits)?,
        Value::Array(_) | Value::Object(_) => return Err(PrintError::NoText),
    }
    Ok(())
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
