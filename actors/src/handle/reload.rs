//! Reloading from outside: [`Reloader`].

use std::sync::Arc;
use std::time::Duration;

use super::call::{CallDeadline, CallError, RETRIES};
use super::not_current;
use crate::engine::Engine;
use crate::protocol::messages::{BatchOutcome, History, IdempotencyKey, Reload, SyncOutcome};
use crate::protocol::reload::{ReloadOutcome, ReloadReport};
use crate::version::Version;

/// Where `Reload` messages are sent to. Each goes to every Watcher; the answer waits until the Registry has decided everything.
#[derive(Clone)]
pub struct Reloader {
    pub(super) engine: Arc<Engine>,
    pub(super) within: Option<Duration>,
    pub(super) key: Option<IdempotencyKey>,
}

impl Reloader {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            within: None,
            key: None,
        }
    }

    /// Answers `Timeout` when there is no answer within this time, instead of the limit `reload_ms`.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Does it once under this key: what is sent again with it is answered as it was the first time.
    #[must_use]
    pub fn keyed(mut self, key: &str) -> Self {
        self.key = Some(IdempotencyKey::new("reload", key));
        self
    }

    /// Sends a `Reload`. Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`CallError`]; `Lost` and `Timeout` may be repeated, since a reload that finds nothing does nothing.
    pub async fn send(&self, reload: Reload) -> Result<ReloadReport, CallError> {
        let door = &self.engine.mailboxes.reloads;
        let _inside = door.admit()?;
        let Some(key) = self.key else {
            return self.reload(reload).await.inspect_err(|error| error.note(door));
        };
        let remembered = &self.engine.reloads;
        // Who comes with the same key meanwhile waits for the first.
        let gate = remembered.gate(key);
        let _alone = gate.lock().await;
        if let Some(report) = remembered.answered(key) {
            return Ok(report);
        }
        let report = self.reload(reload).await.inspect_err(|error| error.note(door))?;
        remembered.answer(key, &report, &self.engine.limits);
        Ok(report)
    }

    async fn reload(&self, reload: Reload) -> Result<ReloadReport, CallError> {
        let engine = &self.engine;
        let until = CallDeadline::after(self.within.unwrap_or(engine.patience()));
        let mut report = ReloadReport {
            version: Version::NONE,
            outcome: ReloadOutcome::Unchanged,
            changed: Vec::new(),
            removed: Vec::new(),
            not_current: Vec::new(),
            diagnostics: Vec::new(),
        };
        let was_cut = engine.is_pipeline_down();
        for watcher in engine.actors.watchers.iter() {
            let mut left = RETRIES;
            let looked = loop {
                let looked = engine.ask_inside(watcher, reload, until).await?;
                match looked.is_lost() {
                    true if was_cut => return Err(CallError::Down),
                    // Whoever failed is a fresh one by then, and is handed everything.
                    true if left > 0 && !engine.is_pipeline_down() => left -= 1,
                    _ => break looked,
                }
            };
            report.take(looked)?;
        }
        if engine.ask_inside(&engine.actors.registry, History, until).await??.held {
            report.worsen(ReloadOutcome::Held);
        }
        report.version = engine.reader.current().version();
        report.not_current = not_current::not_current(engine);
        report.diagnostics = not_current::diagnostics(engine);
        Ok(report)
    }
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
    fn take(&mut self, looked: SyncOutcome) -> Result<(), CallError> {
        let outcome = match looked {
            SyncOutcome::Unchanged | SyncOutcome::Decided(BatchOutcome::Unchanged(_)) => return Ok(()),
            SyncOutcome::Decided(BatchOutcome::Published(published)) => {
                self.changed.extend_from_slice(&published.changed);
                self.removed.extend_from_slice(&published.removed);
                ReloadOutcome::Published
            }
            SyncOutcome::Decided(BatchOutcome::Held(_)) => ReloadOutcome::Held,
            SyncOutcome::Decided(BatchOutcome::Refused(reason)) => ReloadOutcome::Refused(reason),
            SyncOutcome::LoadFailed(reason) => ReloadOutcome::Unreadable(reason),
            SyncOutcome::Decided(BatchOutcome::Lost(reason)) => return Err(CallError::Lost(reason)),
            SyncOutcome::Decided(BatchOutcome::Conflict) => {
                return Err(CallError::Lost("the versions did not agree".into()));
            }
            SyncOutcome::Failed(fault) => return Err(CallError::Lost(fault.to_string())),
        };
        self.worsen(outcome);
        Ok(())
    }

    /// Of several outcomes the one that somebody must know of.
    fn worsen(&mut self, outcome: ReloadOutcome) {
        let weight = |outcome: &ReloadOutcome| match outcome {
            ReloadOutcome::Unchanged => 0,
            ReloadOutcome::Published => 1,
            ReloadOutcome::Held => 2,
            ReloadOutcome::Refused(_) => 3,
            ReloadOutcome::Unreadable(_) => 4,
        };
        if weight(&outcome) > weight(&self.outcome) {
            self.outcome = outcome;
        }
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reloader(..)")
    }
}
