//! Reloading from any thread: [`Reloader`].

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::call::{CallDeadline, RETRIES};
use super::not_current;
use crate::engine::{Engine, ReloadAnswers};
use crate::idempotency::{AnswerLimits, PendingAnswer};
use crate::protocol::messages::{BatchOutcome, History, IdempotencyKey, Reload, SyncOutcome};
use crate::protocol::reload::{ReloadOutcome, ReloadReport};
use crate::protocol::report::NameSample;
use crate::supervision::Unavailable;
use crate::version::Version;

/// A sender of `Reload` messages. Each goes to every Watcher; the answer waits until the Registry has decided everything.
#[derive(Clone)]
pub struct Reloader {
    engine: Arc<Engine>,
    within: Option<Duration>,
    key: Option<IdempotencyKey>,
}

impl Reloader {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            within: None,
            key: None,
        }
    }

    /// Sets the time that the answer may take, instead of the limit `reload_ms`.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Sets an idempotency key: a reload that is sent again with the same key receives the first answer.
    #[must_use]
    pub fn keyed(mut self, key: &str) -> Self {
        self.key = Some(IdempotencyKey::new("reload", key));
        self
    }

    /// Sends a `Reload`. Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`Unavailable`]; after `Lost` and `Timeout` it can be sent again, because a reload that finds nothing does nothing.
    pub async fn send(&self, reload: Reload) -> Result<ReloadReport, Unavailable> {
        let mailbox = &self.engine.mailboxes.reloads;
        let _permit = mailbox.admit()?;
        let reloaded = match self.key {
            None => self.reload(reload).await,
            Some(key) => {
                let (answers, limits) = (&self.engine.reload_answers, AnswerLimits::from(&*self.engine.limits));
                let answer = pending_answer(answers, key, limits);
                let report = answer.get_or_try_init(|| self.reload(reload)).await.cloned();
                trim(answers, key, limits);
                report
            }
        };
        reloaded.inspect_err(|error| mailbox.count(error))
    }

    async fn reload(&self, reload: Reload) -> Result<ReloadReport, Unavailable> {
        let engine = &self.engine;
        let deadline = match self.within {
            Some(within) => CallDeadline::after(within, "`Reloader::within`"),
            None => engine.default_deadline(),
        };
        let mut report = ReloadReport {
            version: Version::NONE,
            outcome: ReloadOutcome::Unchanged,
            changed: Vec::new(),
            removed: Vec::new(),
            waiting: NameSample::default(),
            not_current: Vec::new(),
            diagnostics: Vec::new(),
        };
        let down = engine.pipeline_down();
        for watcher in engine.actors.watchers.iter() {
            let mut left = RETRIES;
            let outcome = loop {
                let outcome = engine.ask_admitted(watcher, reload.clone(), deadline).await?;
                match (outcome.is_lost(), &down) {
                    (true, Some(down)) => return Err(down.clone().into()),
                    // The actor that failed has been restarted, and the Watcher sends everything again.
                    (true, None) if left > 0 && engine.pipeline_down().is_none() => left -= 1,
                    _ => break outcome,
                }
            };
            report.add(outcome)?;
        }
        let history = engine
            .ask_admitted(&engine.actors.registry, History, deadline)
            .await??;
        report.waiting = history.waiting.names();
        if !report.waiting.is_empty() && report.outcome == ReloadOutcome::Unchanged {
            report.outcome = ReloadOutcome::Held;
        }
        report.version = engine.reader.current().version();
        report.not_current = not_current::not_current(engine);
        report.diagnostics = not_current::diagnostics(engine);
        Ok(report)
    }
}

/// Returns the answer of a key, which the first caller prepares.
fn pending_answer(answers: &ReloadAnswers, key: IdempotencyKey, limits: AnswerLimits) -> PendingAnswer<ReloadReport> {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = answers.get(&key) {
        return Arc::clone(answer);
    }
    let answer = PendingAnswer::default();
    answers.insert(key, Arc::clone(&answer), limits);
    answer
}

/// Forgets the oldest reports beyond the limit of bytes.
fn trim(answers: &ReloadAnswers, newest: IdempotencyKey, limits: AnswerLimits) {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    answers.trim(&newest, limits, |answer| answer.get().map_or(0, ReloadReport::bytes));
}

impl SyncOutcome {
    fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Failed(_) | Self::Decided(BatchOutcome::Lost(_) | BatchOutcome::Conflict)
        )
    }
}

impl ReloadReport {
    /// Adds the outcome of one Watcher.
    fn add(&mut self, outcome: SyncOutcome) -> Result<(), Unavailable> {
        let outcome = match outcome {
            SyncOutcome::Unchanged | SyncOutcome::Decided(BatchOutcome::Unchanged(_)) => return Ok(()),
            SyncOutcome::Decided(BatchOutcome::Published(published)) => {
                self.changed.extend_from_slice(&published.changed);
                self.removed.extend_from_slice(&published.removed);
                ReloadOutcome::Published
            }
            SyncOutcome::Decided(BatchOutcome::Refused(reason)) => ReloadOutcome::Refused(reason),
            SyncOutcome::LoadFailed(error) => ReloadOutcome::Unreadable(error.to_string()),
            SyncOutcome::Decided(BatchOutcome::Lost(reason)) => return Err(Unavailable::Lost(reason)),
            SyncOutcome::Decided(BatchOutcome::Conflict) => {
                return Err(Unavailable::Lost("the versions did not agree".into()));
            }
            SyncOutcome::Failed(fault) => return Err(fault.into()),
        };
        self.merge_severity(outcome);
        Ok(())
    }

    /// Keeps the more severe of two outcomes.
    fn merge_severity(&mut self, outcome: ReloadOutcome) {
        let severity = |outcome: &ReloadOutcome| match outcome {
            ReloadOutcome::Unchanged => 0,
            ReloadOutcome::Held => 1,
            ReloadOutcome::Published => 2,
            ReloadOutcome::Refused(_) => 3,
            ReloadOutcome::Unreadable(_) => 4,
        };
        if severity(&outcome) > severity(&self.outcome) {
            self.outcome = outcome;
        }
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reloader(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::key;

    #[test]
    fn reports_are_bounded_by_their_bytes_and_the_newest_stays() {
        let report = |names: usize| {
            let names = (0..names).map(|number| key(&format!("{number:04}.html")));
            ReloadReport {
                version: Version::NONE,
                outcome: ReloadOutcome::Published,
                changed: names.collect(),
                removed: Vec::new(),
                waiting: NameSample::default(),
                not_current: Vec::new(),
                diagnostics: Vec::new(),
            }
        };
        let limits = AnswerLimits {
            keys: 10,
            bytes: 2 * report(100).bytes(),
        };
        let keys = ["a", "b", "c", "d"].map(|text| IdempotencyKey::new("test", text));
        let answers = ReloadAnswers::default();
        for (key, names, expected) in [
            (0, 100, [true, false, false, false]),
            (1, 100, [true, true, false, false]),
            (2, 1, [false, true, true, false]),
            (3, 1_000, [false, false, false, true]),
        ] {
            let answer = pending_answer(&answers, keys[key], limits);
            answer.set(report(names)).expect("the first answer");
            trim(&answers, keys[key], limits);
            let known = answers.lock().expect("no panic");
            assert_eq!(keys.map(|key| known.get(&key).is_some()), expected);
        }
    }
}
