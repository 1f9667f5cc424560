//! Loops.

use std::cell::Cell;

use super::{Execution, Machine, UnitRef, machine};
use crate::dialect::Frame;
use crate::dialect::Missing;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::program::{Action, Between, Loop, NO_REGISTER, Operation};
use crate::dialect::jinja::value::{Found, LoopState, Source, Val};
use crate::value::Value;

impl<'r> Execution<'r> {
    /// Begins a loop over a value, and returns the next operation.
    pub(super) fn start_loop(
        &mut self,
        here: UnitRef<'r>,
        index: u32,
        iterable: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<u32> {
        if let Val::Array(items) = iterable {
            return self.start_over_data(here, index, items, frame);
        }
        let each = Self::loop_of(here, index)?;
        let (mut source, mut counted) = Source::of(iterable, &mut machine!(self, here, frame))?;
        // The items of a recursion are not filtered.
        if each.condition.is_some() {
            source = self.filtered(here, each, iterable, frame)?;
            counted = true;
        }
        let entered = self.enter_loop(here, index, (source, counted, 0), frame)?;
        Ok(if entered { each.body } else { each.otherwise })
    }

    /// Begins a loop over a path that begins with a register, and returns the next operation.
    #[inline(never)]
    pub(super) fn for_quick(
        &mut self,
        here: UnitRef<'r>,
        (register, attribute, path): (u16, u32, u32),
        index: u32,
        frame: &mut Frame<'_>,
    ) -> Outcome<u32> {
        self.step(frame)?;
        self.fill(here.unit, register, path, frame)?;
        match self.quick(here.unit, register, attribute) {
            Some(Value::Array(items)) => self.start_over_data(here, index, items, frame),
            _ => {
                let value = self.path(here, path, frame)?.value();
                self.start_loop(here, index, value, frame)
            }
        }
    }

    /// Begins a loop over an array of the context.
    #[inline(always)]
    fn start_over_data(
        &mut self,
        here: UnitRef<'r>,
        index: u32,
        items: &'r [Value<'r>],
        frame: &mut Frame<'_>,
    ) -> Outcome<u32> {
        let each = Self::loop_of(here, index)?;
        let mut first = 0;
        if each.prints {
            first = self.print_items(here, each, items, frame)?;
            if first > 0 && first == items.len() {
                return Ok(each.end);
            }
        }
        let source = match each.condition {
            Some(_) => self.filtered(here, each, Val::Array(items), frame)?,
            None => Source::Data(items),
        };
        let entered = self.enter_loop(here, index, (source, true, first), frame)?;
        Ok(if entered { each.body } else { each.otherwise })
    }

    fn loop_of(here: UnitRef<'r>, index: u32) -> Outcome<&'r Loop> {
        let found = here.unit.program.loops.get(index as usize);
        found.ok_or_else(|| Failure::invalid("there is no such loop"))
    }

    /// Prints the items of a loop that does nothing else, without its variables, which nobody sees. Returns the number of items that it has
    /// printed: it ends at one that lacks an attribute.
    #[inline(always)]
    fn print_items(
        &self,
        here: UnitRef<'r>,
        each: &'r Loop,
        items: &'r [Value<'r>],
        frame: &mut Frame<'_>,
    ) -> Outcome<usize> {
        let operations = here
            .unit
            .program
            .operations
            .get(each.body as usize..=each.next as usize);
        match operations.unwrap_or_default() {
            [print, next] => self.print_each(here, (print, next, &each.between), items, frame),
            [prints @ .., next] => self.print_all(here, (prints, next), items, frame),
            [] => Ok(0),
        }
    }

    /// Prints one value of each item. The texts behind it and before the next one are written together, if they are short.
    #[inline(never)]
    fn print_each(
        &self,
        here: UnitRef<'r>,
        (print, next, between): (&'r Operation, &'r Operation, &'r Option<Between>),
        items: &'r [Value<'r>],
        frame: &mut Frame<'_>,
    ) -> Outcome<usize> {
        let Action::Quick { attribute, .. } = print.act else {
            return Ok(0);
        };
        let unit = here.unit;
        let Some(Between { block, length }) = *between else {
            return self.print_all(here, (std::slice::from_ref(print), next), items, frame);
        };
        if !items.is_empty() {
            self.push_lead(here, print, frame)?;
        }
        for (at, item) in items.iter().enumerate() {
            let Some(value) = unit.data_attribute(item, attribute) else {
                frame.body.truncate(frame.body.len() - print.lead.1 as usize);
                return Ok(at);
            };
            let mut done = self.two_steps(frame);
            if done.is_ok() {
                done = self.print_data(here, value, frame);
            }
            if done.is_ok() && at + 1 < items.len() {
                done = frame.body.push_block(block, length).map_err(Box::from);
            }
            if let Err(failure) = done {
                return Err(self.placed(failure, here, unit.place_of(&print.act)));
            }
        }
        if !items.is_empty() {
            self.push_lead(here, next, frame)?;
        }
        Ok(items.len())
    }

    /// Prints several values of each item.
    #[inline(never)]
    fn print_all(
        &self,
        here: UnitRef<'r>,
        (prints, next): (&'r [Operation], &'r Operation),
        items: &'r [Value<'r>],
        frame: &mut Frame<'_>,
    ) -> Outcome<usize> {
        let unit = here.unit;
        for (at, item) in items.iter().enumerate() {
            let written = frame.body.len();
            for print in prints {
                let Action::Quick { attribute, .. } = print.act else {
                    return Ok(at);
                };
                let Some(value) = unit.data_attribute(item, attribute) else {
                    frame.body.truncate(written);
                    return Ok(at);
                };
                self.push_lead(here, print, frame)?;
                let mut done = self.step(frame);
                if done.is_ok() {
                    done = self.print_data(here, value, frame);
                }
                if let Err(failure) = done {
                    return Err(self.placed(failure, here, unit.place_of(&print.act)));
                }
            }
            self.push_lead(here, next, frame)?;
            self.step(frame)?;
        }
        Ok(items.len())
    }

    fn enter_loop(
        &mut self,
        here: UnitRef<'r>,
        index: u32,
        (source, counted, first_index): (Source<'r>, bool, usize),
        frame: &mut Frame<'_>,
    ) -> Outcome<bool> {
        let Some(each) = here.unit.program.loops.get(index as usize) else {
            return Ok(false);
        };
        let Some(first) = source.found(first_index, 0) else {
            return Ok(false);
        };
        let around = self.loops.get(self.run.loops..).and_then(<[_]>::last);
        let depth = around
            .filter(|around| around.recursive.is_some())
            .map_or(0, |around| around.depth + 1);
        let state = self.space.put(LoopState {
            source,
            length: counted.then(|| source.count()),
            index: Cell::new(first_index),
            offsets: Cell::new((0, 0)),
            depth,
            recursive: each.recursive.then_some((here.closure, index)),
            changed: Cell::new(None),
        })?;
        self.loops.push(state);
        self.variables.open();
        self.variables.push_loop(Val::Loop(state));
        let key = each.single.and_then(|key| here.unit.program.keys.get(key as usize));
        match key.filter(|_| each.register != NO_REGISTER) {
            Some(key) => {
                self.variables.push_register(key, here.unit.text_of(key), each.register);
                self.variables.set_register(each.register, first);
            }
            None => self.assign(here, each.target, first.value(), frame)?,
        }
        Ok(true)
    }

    /// Goes to the next item of the innermost loop, whose register is known. Returns false if there is none, and so the loop has ended.
    #[inline(always)]
    pub(super) fn next_item(&mut self, register: u16) -> bool {
        if let Some(state) = self.loops.last()
            && let Source::Data(items) = state.source
        {
            let next = state.index.get() + 1;
            if let Some(item) = items.get(next) {
                state.index.set(next);
                self.variables.set_register(register, Found::Data(item));
                return true;
            }
        }
        self.next_to_register(register)
    }

    /// Goes to the next item of a loop over anything, whose register is known.
    #[inline(never)]
    fn next_to_register(&mut self, register: u16) -> bool {
        let Some(state) = self.loops.last() else { return false };
        state.advance();
        match state.item() {
            Some(item) => {
                self.variables.set_register(register, item);
                true
            }
            None => {
                self.end_loop();
                false
            }
        }
    }

    /// Goes to the next item of any loop.
    #[inline(never)]
    pub(super) fn next_of_any(&mut self, here: UnitRef<'r>, index: u32, frame: &mut Frame<'_>) -> Outcome<bool> {
        let (Some(state), Some(each)) = (self.loops.last(), here.unit.program.loops.get(index as usize)) else {
            return Ok(false);
        };
        state.advance();
        let Some(item) = state.item() else {
            self.end_loop();
            return Ok(false);
        };
        if each.register == NO_REGISTER {
            self.variables.clear(1);
            self.assign(here, each.target, item.value(), frame)?;
        } else if self.variables.keep_two() {
            self.variables.set_register(each.register, item);
        } else {
            self.assign(here, each.target, item.value(), frame)?;
        }
        Ok(true)
    }

    /// Ends the innermost loop. Returns true if it was at its first item.
    pub(super) fn end_loop(&mut self) -> bool {
        self.variables.close();
        self.loops.pop().is_some_and(|state| state.index.get() == 0)
    }

    /// Returns the items for which the condition of a loop holds.
    fn filtered(
        &mut self,
        here: UnitRef<'r>,
        each: &'r Loop,
        iterable: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<Source<'r>> {
        let Some(condition) = each.condition else {
            return Ok(Source::Values(&[]));
        };
        let items = iterable.items(&mut machine!(self, here, frame))?;
        let mut kept = self.space.list();
        self.variables.open();
        for item in items {
            frame.budget.step()?;
            self.assign(here, each.target, *item, frame)?;
            let value = self.eval(here, condition, frame)?;
            if machine!(self, here, frame).truth(value)? {
                kept.push(*item)?;
            }
            self.variables.clear(0);
        }
        self.variables.close();
        Ok(Source::Values(kept.finish()))
    }

    /// Runs the body of a recursive loop over other items, inside of itself.
    pub(super) fn recurse(
        &mut self,
        state: &'r LoopState<'r>,
        iterable: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        let visible = self.loops.get(self.run.loops..).unwrap_or_default();
        let runs = visible.iter().any(|each| std::ptr::eq(*each, state));
        let recursive = state.recursive.filter(|_| runs);
        let recursive = recursive.and_then(|(template, index)| Some((UnitRef::of(template)?, index)));
        let Some((unit, index)) = recursive else {
            let failure = Failure::invalid("only a loop that is `recursive` can be called, from inside of it");
            return Err(failure.help("write `{% for item in items recursive %}`"));
        };
        let Some(each) = unit.unit.program.loops.get(index as usize) else {
            return Ok(());
        };
        let (source, counted) = Source::of(iterable, &mut machine!(self, unit, frame))?;
        self.deeper(frame)?;
        let around = self.variables.open_registers(each.registers);
        if self.enter_loop(unit, index, (source, counted, 0), frame)? {
            self.run(unit, each.body, each.next + 1, frame)?;
        }
        self.variables.close_registers(around);
        frame.depth -= 1;
        Ok(())
    }
}
