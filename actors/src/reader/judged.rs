//! Renders of stages: those of a later stage are judged, and one that fails is answered by stable. Of stable, a sample is compared.
//!
//! A render of the stable stage costs two predictable branches more: the stage, and that this render is not one of those that are timed anyway.

use std::sync::Arc;
use std::time::Instant;

use super::attempt::AttemptBudget;
use super::{ContextSource, Freshness, Reader, RenderFailure, RenderOptions, Rendered, find, place};
use crate::counters::RenderInProgress;
use crate::dialect::TemplateId;
use crate::judge::{Answer, Observation, Outcome, answer};
use crate::snapshot::{EntryStatus, Scoped, Status, Why};
use crate::template::{Scope, Stage, TemplateName};
use crate::wall_clock::now_ms;

impl Reader {
    /// Renders an entry as its scope sees it.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "all that a render is made of")]
    pub(super) fn answer_in_scope(
        &self,
        begun: RenderInProgress,
        place: Scoped<'_>,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
    ) -> Result<Rendered, RenderFailure> {
        if options.scope.stage != Stage::Stable {
            return self.answer_later_stage(place, name, id, source, options, size);
        }
        match begun.stands_for() {
            0 => self.answer(place, name, id, source, options, size),
            stands_for => self.answer_sampled(stands_for, place, name, id, source, options, size),
        }
    }

    /// Renders an entry of stable that is timed, for the comparison with later stages.
    #[inline(never)]
    #[allow(clippy::too_many_arguments, reason = "all that a render is made of")]
    fn answer_sampled(
        &self,
        stands_for: u64,
        place: Scoped<'_>,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
    ) -> Result<Rendered, RenderFailure> {
        if !place.snapshot().has_scopes() {
            return self.answer(place, name, id, source, options, size);
        }
        let began = Instant::now();
        let result = self.answer(place, name, id, source, options, size);
        if let Ok(Rendered {
            body,
            freshness: Freshness::Current,
            ..
        }) = &result
        {
            let stages = &self.shared.stages;
            stages.observe_stable(began.elapsed(), body.len(), stands_for);
            self.shadow(stands_for, place, id, source, options, body);
        }
        result
    }

    /// Renders an entry of a stage other than stable, and has the judge count it.
    #[inline(never)]
    fn answer_later_stage(
        &self,
        place: Scoped<'_>,
        name: &str,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
    ) -> Result<Rendered, RenderFailure> {
        let (stage, stages) = (options.scope.stage, &self.shared.stages);
        if !stages.is_on(stage) {
            let result = self.answer_by_stable(place, name, source, options, size, None);
            if !begins_again(&result, size) {
                stages.diverted(stage);
            }
            return result;
        }
        let began = Instant::now();
        let result = self.answer(place, name, id, source, options, size);
        let took = began.elapsed();
        if begins_again(&result, size) {
            return result;
        }
        let compiled = id.map_or(Status::Current, |id| match place.status(id) {
            EntryStatus::Stale { .. } => Status::Stale,
            EntryStatus::Broken => Status::Broken,
            EntryStatus::Current(_) | EntryStatus::Gone => Status::Current,
        });
        let outcome = Outcome::of(&result, compiled);
        let is_fault_of_stable = || {
            let stable = stable_of(options);
            let other = self::place(place.snapshot(), &stable.scope);
            let other = other.and_then(|other| other.closure_digest(find(other, name)?));
            id.is_none_or(|id| place.closure_digest(id) == other)
        };
        if outcome == Outcome::NotJudged || (outcome == Outcome::Failed && is_fault_of_stable()) {
            return result;
        }
        // A version that the caller pinned says nothing about the texts that are judged now.
        let is_judged = options.at.is_none() && std::ptr::eq(&raw const **self.served.load(), place.snapshot());
        if is_judged && place.scope().is_some() {
            let bytes = result.as_ref().map_or(0, |rendered| rendered.body.len());
            let render = Observation {
                stage,
                outcome,
                took,
                bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            };
            stages.observe(&render, now_ms());
        }
        match answer(stage, outcome) {
            Answer::Own => result,
            Answer::Stable => match self.answer_by_stable(place, name, source, options, size, why(name, &result)) {
                Ok(rendered) if !matches!(rendered.freshness, Freshness::Fallback { .. }) => {
                    stages.rescued(stage);
                    Ok(rendered)
                }
                _ => result,
            },
        }
    }

    /// Renders an entry as the stable stage of the same tenant has it. `why` is the fault of the stage that was asked for.
    #[cold]
    fn answer_by_stable(
        &self,
        place: Scoped<'_>,
        name: &str,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        size: AttemptBudget,
        why: Option<Arc<Why>>,
    ) -> Result<Rendered, RenderFailure> {
        let options = stable_of(options);
        let Some(stable) = self::place(place.snapshot(), &options.scope) else {
            return Err(super::no_tenant(name));
        };
        let mut rendered = self.answer(stable, name, find(stable, name), source, &options, size)?;
        if matches!(rendered.freshness, Freshness::Current) {
            rendered.freshness = Freshness::Stable { why };
        }
        Ok(rendered)
    }
}

/// Returns the same options for the stable stage.
fn stable_of(options: &RenderOptions) -> RenderOptions {
    RenderOptions {
        scope: Scope {
            tenant: options.scope.tenant.clone(),
            stage: Stage::Stable,
        },
        ..options.clone()
    }
}

/// Returns true if a render with a small budget failed, so that it starts again with a whole one and is counted then.
fn begins_again(result: &Result<Rendered, RenderFailure>, size: AttemptBudget) -> bool {
    size == AttemptBudget::Brief && matches!(result, Err(RenderFailure::Failed(_) | RenderFailure::Context(_)))
}

/// Returns the fault of the newest text.
fn why(name: &str, result: &Result<Rendered, RenderFailure>) -> Option<Arc<Why>> {
    match result {
        Ok(rendered) => match &rendered.freshness {
            Freshness::Stale { why, .. } | Freshness::Fallback { why } => Some(Arc::clone(why)),
            Freshness::Stable { why } => why.clone(),
            Freshness::Current => None,
        },
        Err(RenderFailure::Broken { why, .. }) => Some(Arc::clone(why)),
        Err(RenderFailure::Failed(error)) => {
            let diagnostic = (*error.diagnostic).clone();
            let cause = match &diagnostic.template {
                Some(template) => template.clone(),
                None => TemplateName::new(name).ok()?,
            };
            Some(Arc::new(Why {
                diagnostics: Arc::new([diagnostic]),
                cause,
            }))
        }
        Err(_) => None,
    }
}
