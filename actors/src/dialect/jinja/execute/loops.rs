//! Loops.

use std::cell::Cell;

use super::{Execution, Machine, UnitRef, machine};
use crate::dialect::Frame;
use crate::dialect::Missing;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::program::Loop;
use crate::dialect::jinja::scope::{Found, LoopState};
use crate::dialect::jinja::value::{Source, Val};

impl<'r> Execution<'r> {
    /// Begins a loop over a value. Returns false if there are no items.
    pub(super) fn start_loop(
        &mut self,
        here: UnitRef<'r>,
        index: u32,
        iterable: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<bool> {
        let Some(each) = here.unit.program.loops.get(index as usize) else {
            return Ok(false);
        };
        let (mut source, mut counted) = Source::of(iterable, &mut machine!(self, here, frame))?;
        // The items of a recursion are not filtered.
        if each.condition.is_some() {
            source = self.filtered(here, each, iterable, frame)?;
            counted = true;
        }
        self.enter_loop(here, index, source, counted, frame)
    }

    fn enter_loop(
        &mut self,
        here: UnitRef<'r>,
        index: u32,
        source: Source<'r>,
        counted: bool,
        frame: &mut Frame<'_>,
    ) -> Outcome<bool> {
        let Some(each) = here.unit.program.loops.get(index as usize) else {
            return Ok(false);
        };
        let Some(first) = source.get(0, 0) else {
            return Ok(false);
        };
        let around = self.loops.get(self.run.loops..).and_then(<[_]>::last);
        let depth = around
            .filter(|around| around.recursive.is_some())
            .map_or(0, |around| around.depth + 1);
        let state = self.space.put(LoopState {
            source,
            length: counted.then(|| source.count()),
            index: Cell::new(0),
            offsets: Cell::new((0, 0)),
            depth,
            recursive: each.recursive.then_some((here, index)),
            changed: Cell::new(None),
        })?;
        self.loops.push(state);
        self.variables.open();
        self.variables.push_loop(Val::Loop(state));
        self.assign(here, each.target, first, frame)?;
        Ok(true)
    }

    /// Goes to the next item of the innermost loop. Returns false if there is none, and so the loop has ended.
    #[inline(always)]
    pub(super) fn next_item(
        &mut self,
        here: UnitRef<'r>,
        (index, single): (u32, bool),
        frame: &mut Frame<'_>,
    ) -> Outcome<bool> {
        if single
            && let Some(state) = self.loops.last()
            && let Source::Data(items) = state.source
        {
            let next = state.index.get() + 1;
            if let Some(item) = items.get(next)
                && self.variables.refill(Found::Data(item))
            {
                state.index.set(next);
                return Ok(true);
            }
        }
        self.next_of_any(here, index, frame)
    }

    /// Goes to the next item of any loop.
    #[inline(never)]
    fn next_of_any(&mut self, here: UnitRef<'r>, index: u32, frame: &mut Frame<'_>) -> Outcome<bool> {
        let (Some(state), Some(each)) = (self.loops.last(), here.unit.program.loops.get(index as usize)) else {
            return Ok(false);
        };
        state.advance();
        let Some(item) = state.item() else {
            self.end_loop();
            return Ok(false);
        };
        if each.single.is_none() || !self.variables.refill(Found::Val(item)) {
            self.variables.clear(1);
            self.assign(here, each.target, item, frame)?;
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
        let Some((unit, index)) = state.recursive.filter(|_| runs) else {
            let failure = Failure::invalid("only a loop that is `recursive` can be called, from inside of it");
            return Err(failure.help("write `{% for item in items recursive %}`"));
        };
        let Some(each) = unit.unit.program.loops.get(index as usize) else {
            return Ok(());
        };
        let (source, counted) = Source::of(iterable, &mut machine!(self, unit, frame))?;
        self.deeper(frame)?;
        if self.enter_loop(unit, index, source, counted, frame)? {
            self.run(unit, each.body, each.next + 1, frame)?;
        }
        frame.depth -= 1;
        Ok(())
    }
}
