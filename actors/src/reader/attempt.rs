//! One attempt to render one closure, with a budget of its own.

use std::time::{Duration, Instant};

use super::failure::panicked;
use super::workspace::Workspace;
use super::{ContextSource, Reader, RenderFailure, RenderOptions};
use crate::budget::Budget;
use crate::dialect::{Body, Closure, Escape, Frame};
use crate::supervision::contain;

/// How much an attempt to render may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptBudget {
    /// A whole budget.
    Whole,
    /// What may be done in a thread that others wait for.
    Brief,
    /// A part of a budget, where several share it.
    Part,
}

/// Into how many parts a budget is divided among kept versions that are tried one after the other.
pub(super) const PARTS: u32 = 8;

impl Reader {
    /// Renders one closure with a budget of its own.
    pub(super) fn attempt(
        &self,
        closure: &Closure<'_>,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        effort: AttemptBudget,
    ) -> Result<String, RenderFailure> {
        self.attempt_within(&mut self.budget(options, effort), closure, supply, options)
    }

    /// Returns the budget of one attempt.
    pub(super) fn budget(&self, options: &RenderOptions, effort: AttemptBudget) -> Budget {
        let limits = &*self.rest.limits;
        let budget = Budget::new(limits, options.deadline, options.cancel.clone());
        match effort {
            AttemptBudget::Whole => budget,
            AttemptBudget::Brief => budget.part(limits.inline_steps, Duration::from_millis(limits.inline_ms)),
            AttemptBudget::Part => budget.part(limits.render_steps / u64::from(PARTS), limits.render_time() / PARTS),
        }
    }

    /// Renders one closure within a budget.
    pub(super) fn attempt_within(
        &self,
        budget: &mut Budget,
        closure: &Closure<'_>,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<String, RenderFailure> {
        let limits = &*self.rest.limits;
        if options.deadline.is_some() || options.cancel.is_some() {
            budget.check(Instant::now()).map_err(RenderFailure::ended_by_caller)?;
        }
        let top = closure.top();
        Workspace::with(|arena, room| {
            let body = Body::within(std::mem::take(room), budget.output_bytes, 0);
            let mut frame = Frame::writing_to(body, budget, Escape::of(&top.name), options.missing);
            // What the user's `Serialize` and a dialect of the user's do is contained; a formatter is contained where it is called.
            let rendered = contain(|| {
                let context = supply.supply(closure, arena, limits)?;
                Ok(top.unit.render(closure, &context, &mut frame)?)
            });
            let result = match rendered {
                Ok(Ok(())) => Ok(frame.body.to_text()),
                Ok(Err(failure)) => Err(failure),
                Err(said) => Err(panicked(&said, &top.name)),
            };
            *room = frame.body.into_room();
            result
        })
    }
}
