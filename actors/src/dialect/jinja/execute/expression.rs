//! Evaluation of expressions.

use std::cmp::Ordering;
use std::time::Instant;

use super::{Execution, Machine, UnitRef, machine};
use crate::dialect::jinja::ast::{ByteRange, Comparison};
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::operators::{binary, contains, negate, slice};
use crate::dialect::jinja::program::{Code, Constant, Instruction};
use crate::dialect::jinja::unit::JinjaUnit;
use crate::dialect::jinja::value::{Arguments, Found, Map, Val, Wide, compare, equal};
use crate::dialect::{Escape, Frame, Missing, RenderFault};

/// The length of a text above which a formatter may have taken long, so that the clock is checked afterwards.
const LONG_TEXT_BYTES: usize = 4096;

/// The number of instructions that are evaluated in the time of one step.
const INSTRUCTIONS_PER_STEP: u32 = 4;

impl<'r> Execution<'r> {
    /// Evaluates an expression.
    #[inline]
    pub(super) fn eval(&mut self, here: UnitRef<'r>, code: Code, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        if code.end == code.start + 1
            && let Some(instruction) = here.unit.program.code.get(code.start as usize)
        {
            // Most conditions and iterables are a name, with attributes or without.
            let value = match instruction {
                Instruction::Path(path) => self.path(here, *path, frame).map(Found::value),
                Instruction::Constant(index) => self.constant(here.unit, *index),
                _ => {
                    self.eval_to(here, code, code.end, frame)?;
                    Ok(self.pop())
                }
            };
            return value.map_err(|failure| self.placed(failure, here, here.unit.place(code.start)));
        }
        self.eval_to(here, code, code.end, frame)?;
        Ok(self.pop())
    }

    /// Evaluates an expression and prints its value. A call at its end writes to the output without making a value of it.
    pub(super) fn output(&mut self, here: UnitRef<'r>, code: Code, frame: &mut Frame<'_>) -> Outcome<()> {
        let last = code.end.saturating_sub(1);
        let call = match here.unit.program.code.get(last as usize) {
            Some(
                call @ (Instruction::CallName(..)
                | Instruction::Call(_)
                | Instruction::Method(..)
                | Instruction::Super
                | Instruction::Block(_)),
            ) => *call,
            _ => {
                let value = self.eval(here, code, frame)?;
                return self.print(here, value, frame);
            }
        };
        let at = self.eval_to(here, code, last, frame)?;
        if at == last {
            let place = here.unit.place(last);
            let printed = self.called_value(here, call, place, true, frame);
            match printed.map_err(|failure| self.placed(failure, here, place))? {
                None => return Ok(()),
                Some(value) => self.stack.push(value),
            }
        }
        let value = self.pop();
        self.print(here, value, frame)
    }

    fn pop(&mut self) -> Val<'r> {
        self.stack.pop().unwrap_or(Val::Silent)
    }

    /// Evaluates instructions up to `end`, and returns where it has ended.
    fn eval_to(&mut self, here: UnitRef<'r>, code: Code, end: u32, frame: &mut Frame<'_>) -> Outcome<u32> {
        frame
            .budget
            .steps(u64::from((code.end - code.start) / INSTRUCTIONS_PER_STEP))?;
        let mut at = code.start;
        while at < end
            && let Some(instruction) = here.unit.program.code.get(at as usize)
        {
            let done = match *instruction {
                // Directly, because it is what runs inside of other runs: the fewer frames it has, the less stack a level takes.
                call @ (Instruction::CallName(..)
                | Instruction::Call(_)
                | Instruction::Method(..)
                | Instruction::Super
                | Instruction::Block(_)) => self.call_for_value(here, call, at, frame),
                other => self.instruction(here, other, at, frame),
            };
            at = match done {
                Ok(next) => next,
                Err(failure) => return Err(self.placed(failure, here, here.unit.place(at))),
            };
        }
        Ok(at)
    }

    /// Performs an instruction that calls nothing and returns the index of the next one.
    // Without optimisation, each of its temporaries would have a place in the frame of the loop around it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn instruction(
        &mut self,
        here: UnitRef<'r>,
        instruction: Instruction,
        at: u32,
        frame: &mut Frame<'_>,
    ) -> Outcome<u32> {
        let unit = here.unit;
        let value = match instruction {
            Instruction::Constant(index) => self.constant(unit, index)?,
            Instruction::Path(path) => self.path(here, path, frame)?.value(),
            Instruction::Attribute(key) => {
                let value = self.pop();
                self.attribute(here, value, key, at, frame)?
            }
            Instruction::Item => {
                let (key, value) = (self.pop(), self.pop());
                let found = value.item(key, &mut machine!(self, here, frame))?;
                self.found(here, value, found, at, frame)?
            }
            Instruction::Not => {
                let value = self.pop();
                Val::Bool(!machine!(self, here, frame).truth(value)?)
            }
            Instruction::Negate => {
                let value = self.pop();
                negate(value, &mut machine!(self, here, frame))?
            }
            Instruction::Binary(operator) => {
                let (other, one) = (self.pop(), self.pop());
                binary(operator, one, other, &mut machine!(self, here, frame))?
            }
            Instruction::Compare(comparison) => {
                let (other, one) = (self.pop(), self.pop());
                Val::Bool(holds(comparison, one, other, &mut machine!(self, here, frame))?)
            }
            Instruction::CompareNext(comparison, to) => {
                let (other, one) = (self.pop(), self.pop());
                if !holds(comparison, one, other, &mut machine!(self, here, frame))? {
                    self.stack.push(Val::Bool(false));
                    return Ok(to);
                }
                other
            }
            Instruction::And(to) | Instruction::Or(to) => {
                let value = self.pop();
                let truth = machine!(self, here, frame).truth(value)?;
                if truth == matches!(instruction, Instruction::Or(_)) {
                    self.stack.push(value);
                    return Ok(to);
                }
                return Ok(at + 1);
            }
            Instruction::Unless(to) => {
                let value = self.pop();
                return Ok(match machine!(self, here, frame).truth(value)? {
                    true => at + 1,
                    false => to,
                });
            }
            Instruction::Jump(to) => return Ok(to),
            Instruction::Silent => Val::Silent,
            Instruction::Filter(filter, shape) => {
                let (start, named) = self.gather(here, shape, frame)?;
                let arguments = Arguments {
                    values: self.stack.get(start..).unwrap_or_default(),
                    named: &named,
                };
                let value = start.checked_sub(1).and_then(|at| self.stack.get(at)).copied();
                let value = value.unwrap_or(Val::Silent);
                let filtered = filter.apply(value, &arguments, &mut machine!(self, here, frame))?;
                self.stack.truncate(start.saturating_sub(1));
                filtered
            }
            Instruction::Test(predicate, shape) => {
                let (start, named) = self.gather(here, shape, frame)?;
                let arguments = Arguments {
                    values: self.stack.get(start..).unwrap_or_default(),
                    named: &named,
                };
                let value = start.checked_sub(1).and_then(|at| self.stack.get(at)).copied();
                let value = value.unwrap_or(Val::Silent);
                let holds = predicate.holds(value, &arguments, &mut machine!(self, here, frame))?;
                self.stack.truncate(start.saturating_sub(1));
                Val::Bool(holds)
            }
            _ => self.instruction_rarely(here, instruction, frame)?,
        };
        self.stack.push(value);
        Ok(at + 1)
    }

    /// Performs an instruction that builds something, and returns its value.
    #[inline(never)]
    fn instruction_rarely(
        &mut self,
        here: UnitRef<'r>,
        instruction: Instruction,
        frame: &mut Frame<'_>,
    ) -> Outcome<Val<'r>> {
        match instruction {
            Instruction::Slice => {
                let (step, stop, start, value) = (self.pop(), self.pop(), self.pop(), self.pop());
                slice(value, [start, stop, step], &mut machine!(self, here, frame))
            }
            Instruction::List(count) | Instruction::Tuple(count) => {
                let start = self.stack.len().saturating_sub(count as usize);
                let items = self.space.slice(self.stack.get(start..).unwrap_or_default())?;
                self.stack.truncate(start);
                Ok(match instruction {
                    Instruction::List(_) => Val::List(items),
                    _ => Val::Tuple(items),
                })
            }
            Instruction::Map(count) => {
                let start = self.stack.len().saturating_sub(2 * count as usize);
                let pairs = self.stack.get(start..).unwrap_or_default().to_vec();
                self.stack.truncate(start);
                let (pairs, _) = pairs.as_chunks::<2>();
                let entries: Vec<_> = pairs.iter().map(|[key, value]| (*key, *value)).collect();
                Ok(Val::Map(Map::new(&entries, &mut machine!(self, here, frame))?))
            }
            Instruction::Formatter(formatter) => {
                let value = self.pop();
                self.format(here, value, formatter, frame)
            }
            Instruction::Caller(index) => self.define(here, index, frame),
            _ => Ok(Val::Silent),
        }
    }

    /// Performs a call for its value and returns the index of the next instruction.
    fn call_for_value(&mut self, here: UnitRef<'r>, call: Instruction, at: u32, frame: &mut Frame<'_>) -> Outcome<u32> {
        let value = self.called_value(here, call, here.unit.place(at), false, frame)?;
        self.stack.push(value.unwrap_or(Val::Silent));
        Ok(at + 1)
    }

    /// Performs a call. What it prints is its value, or is printed already if `prints` is set.
    fn called_value(
        &mut self,
        here: UnitRef<'r>,
        call: Instruction,
        place: ByteRange,
        prints: bool,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        // Each kind has a frame of its own, so that a level takes the stack of one of them and not that of all.
        match call {
            Instruction::CallName(name, shape) => self.call_name(here, (name, shape), (place, prints), frame),
            Instruction::Call(shape) => self.call_item(here, shape, (place, prints), frame),
            Instruction::Method(key, shape) => self.call_method(here, (key, shape), (place, prints), frame),
            block => self.call_block(here, block, prints, frame),
        }
    }

    fn call_name(
        &mut self,
        here: UnitRef<'r>,
        (name, shape): (u32, u32),
        place: (ByteRange, bool),
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        let arguments = self.gather(here, shape, frame)?;
        let callee = self.named_callee(here, name, frame)?;
        self.call(here, callee, &arguments, place, frame)
    }

    // Apart from the call, for a smaller frame of it.
    #[inline(never)]
    fn named_callee(&mut self, here: UnitRef<'r>, name: u32, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        Ok(self.path(here, name, frame)?.value())
    }

    fn call_item(
        &mut self,
        here: UnitRef<'r>,
        shape: u32,
        place: (ByteRange, bool),
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        let arguments = self.gather(here, shape, frame)?;
        let start = arguments.0;
        let value = self.call(here, self.callee(start), &arguments, place, frame)?;
        self.stack.truncate(start.saturating_sub(1));
        Ok(value)
    }

    fn call_method(
        &mut self,
        here: UnitRef<'r>,
        (key, shape): (u32, u32),
        place: (ByteRange, bool),
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        let arguments = self.gather(here, shape, frame)?;
        // The receiver lies below the arguments; it is removed like one of them.
        let start = arguments.0;
        let receiver = (self.callee(start), here.unit.key(key));
        let value = self.method(here, receiver, &arguments, place, frame)?;
        self.stack.truncate(start.saturating_sub(1));
        Ok(value)
    }

    /// Renders a block.
    fn call_block(
        &mut self,
        here: UnitRef<'r>,
        block: Instruction,
        prints: bool,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        let written = frame.body.len();
        match block {
            Instruction::Super => self.super_block(here, frame)?,
            // What an extending template prints is dropped, and its blocks belong to the template that it extends.
            Instruction::Block(_) if self.run.parent.is_some() || (prints && self.run.discards) => {}
            Instruction::Block(key) => self.block(here, here.unit.key(key), frame)?,
            _ => {}
        }
        match prints {
            true => Ok(None),
            false => self.taken(written, frame).map(Some),
        }
    }

    /// Returns the value below the arguments of a call.
    fn callee(&self, start: usize) -> Val<'r> {
        let callee = start.checked_sub(1).and_then(|at| self.stack.get(at)).copied();
        callee.unwrap_or(Val::Silent)
    }

    fn constant(&self, unit: &'r JinjaUnit, index: u32) -> Outcome<Val<'r>> {
        Ok(match unit.program.constants.get(index as usize) {
            Some(Constant::Bool(truth)) => Val::Bool(*truth),
            Some(Constant::Int(number)) => Val::Int(*number),
            Some(Constant::Float(number)) => Val::Float(*number),
            Some(Constant::Str(start, length)) => Val::Str(unit.stored(*start, *length)),
            Some(Constant::Wide(number)) => Wide::new(false, *number).value(self.space)?.unwrap_or(Val::None),
            Some(Constant::None) | None => Val::None,
        })
    }

    fn attribute(
        &mut self,
        here: UnitRef<'r>,
        value: Val<'r>,
        key: u32,
        at: u32,
        frame: &mut Frame<'_>,
    ) -> Outcome<Val<'r>> {
        let unit = here.unit;
        let found = match (value, unit.program.keys.get(key as usize)) {
            (Val::Object(object), Some(key)) => {
                let text = unit.text_of(key);
                object.get_hinted(|| text.as_bytes(), key.words, &key.hint).map(Val::of)
            }
            _ => value.attribute(unit.key(key), &mut machine!(self, here, frame))?,
        };
        self.found(here, value, found, at, frame)
    }

    /// Returns what was found in a value; undefined if that is nothing, and an error if the value itself is undefined.
    fn found(
        &self,
        here: UnitRef<'r>,
        value: Val<'r>,
        found: Option<Val<'r>>,
        at: u32,
        frame: &Frame<'_>,
    ) -> Outcome<Val<'r>> {
        let strict = (frame.missing, here.unit.missing) == (Missing::Error, Missing::Error);
        match (found, value) {
            (Some(found), _) => Ok(found),
            (None, Val::Undefined(expression)) if strict => Err(crate::dialect::jinja::value::undefined(expression)),
            (None, Val::Silent) if strict => Err(crate::dialect::jinja::value::undefined("")),
            (None, _) => Ok(Val::Undefined(here.unit.place_text(at))),
        }
    }

    /// Applies a formatter of the program that embeds the engine. It escapes what it writes, so that is not escaped again.
    fn format(&mut self, here: UnitRef<'r>, value: Val<'r>, formatter: u32, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        machine!(self, here, frame).defined(value)?;
        let Some(function) = here.closure.top().formatters.get(formatter as usize) else {
            return Err(Failure::of(
                RenderFault::Formatter,
                "unknown-formatter",
                "there is no such formatter",
            ));
        };
        let data = value.data(&mut machine!(self, here, frame))?;
        let written = frame.body.len();
        frame.budget.begin();
        let formatted = function.format(data, frame);
        formatted.map_err(|error| Box::new(Failure::Formatter(error)))?;
        if frame.body.len() - written > LONG_TEXT_BYTES || value.length().is_some_and(|length| length > LONG_TEXT_BYTES)
        {
            frame.budget.check(Instant::now())?;
        }
        let text = self.space.text(&frame.body.text_from(written))?;
        frame.body.truncate(written);
        Ok(match frame.escape {
            Escape::None => Val::Str(text),
            Escape::Html | Escape::Json => Val::Safe(text),
        })
    }
}

/// Returns true if a comparison holds.
fn holds<'r>(comparison: Comparison, one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    machine.defined(one)?;
    machine.defined(other)?;
    match comparison {
        Comparison::Equal => equal(one, other, machine),
        Comparison::NotEqual => equal(one, other, machine).map(|equal| !equal),
        Comparison::Less => compare(one, other, machine).map(Ordering::is_lt),
        Comparison::LessOrEqual => compare(one, other, machine).map(Ordering::is_le),
        Comparison::Greater => compare(one, other, machine).map(Ordering::is_gt),
        Comparison::GreaterOrEqual => compare(one, other, machine).map(Ordering::is_ge),
        Comparison::In => contains(other, one, machine),
        Comparison::NotIn => contains(other, one, machine).map(|found| !found),
    }
}

impl JinjaUnit {
    /// Returns the place of an instruction.
    fn place(&self, at: u32) -> ByteRange {
        self.program.places.get(at as usize).copied().unwrap_or_default()
    }

    /// Returns the text that an instruction stands for.
    fn place_text(&self, at: u32) -> &str {
        self.text.get(self.place(at).range()).unwrap_or_default()
    }
}
