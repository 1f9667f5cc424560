//! One attempt to render one closure, with a budget of its own.

use std::time::{Duration, Instant};

use super::failure::panicked;
use super::workspace::Workspace;
use super::{ContextSource, Reader, RenderFailure, RenderOptions};
use crate::budget::Budget;
use crate::dialect::{Body, Closure, Escape, Frame};
use crate::limits::Limits;
use crate::supervision::contain;

/// The budget of one attempt to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptBudget {
    /// A whole budget.
    Whole,
    /// A small part, for a thread that serves other requests as well.
    Brief,
    /// A part, if several attempts share a budget.
    Part,
}

/// Number of parts into which a budget is divided when several kept versions share it.
pub(super) const PARTS: u32 = 8;

impl Reader {
    /// Renders one closure with a budget of its own.
    pub(super) fn attempt(
        &self,
        closure: &Closure<'_>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
    ) -> Result<String, RenderFailure> {
        self.attempt_within(&mut self.budget(options, size), closure, source, options)
    }

    /// Returns the budget of one attempt.
    pub(super) fn budget(&self, options: &RenderOptions, size: AttemptBudget) -> Budget {
        let limits = &*self.shared.limits;
        let budget = Budget::new(limits, options.deadline, options.cancel.clone());
        match size {
            AttemptBudget::Whole => budget,
            AttemptBudget::Brief => budget
                .part(limits.inline_steps, Duration::from_millis(limits.inline_ms))
                .of_thread(),
            AttemptBudget::Part => budget.part(limits.render_steps / u64::from(PARTS), limits.render_time() / PARTS),
        }
    }

    /// Renders one closure within a budget.
    pub(super) fn attempt_within(
        &self,
        budget: &mut Budget,
        closure: &Closure<'_>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<String, RenderFailure> {
        render_closure(&self.shared.limits, budget, closure, source, options)
    }
}

/// Renders one closure within a budget.
#[inline]
pub(super) fn render_closure(
    limits: &Limits,
    budget: &mut Budget,
    closure: &Closure<'_>,
    source: &(impl ContextSource + ?Sized),
    options: &RenderOptions,
) -> Result<String, RenderFailure> {
    if options.deadline.is_some() || options.cancel.is_some() {
        budget.check(Instant::now()).map_err(RenderFailure::ended_by_caller)?;
    }
    let top = closure.top();
    Workspace::with(|arena, room| {
        let body = Body::within(std::mem::take(room), budget.output_bytes, 0);
        let mut frame = Frame::writing_to(body, budget, Escape::of(&top.name), options.missing);
        // Catches panics of the program's `Serialize` implementations and dialects. Panics of formatters are caught where formatters
        // are called.
        let rendered = contain(|| {
            let context = source.build(closure, arena, limits)?;
            Ok(top.unit.render(closure, &context, &mut frame)?)
        });
        let result = match rendered {
            Ok(Ok(())) => Ok(frame.body.to_text()),
            Ok(Err(failure)) => Err(failure),
            Err(message) => Err(panicked(&message, &top.name)),
        };
        *room = frame.body.into_room();
        result
    })
}
