//! Reloading from outside: [`Reloader`] and what it answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::call::{CallError, RETRIES, Until};
use super::wrong::{self, NotCurrent};
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::messages::{History, Key, Looked, Outcome, Reload};
use crate::template::TemplateName;
use crate::version::Version;

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReloadReport {
    /// What is served now: everything that was written before the call is in it, or named in `diagnostics`.
    pub version: Version,
    /// What was done.
    pub outcome: ReloadOutcome,
    /// Templates with a new text.
    pub changed: Vec<TemplateName>,
    /// Templates that are gone.
    pub removed: Vec<TemplateName>,
    /// Templates that are not served as their newest text has them, whether this reload changed anything or not.
    pub not_current: Vec<NotCurrent>,
    /// Everything that is wrong now, each finding once.
    pub diagnostics: Vec<Diagnostic>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReloadOutcome {
    /// There is a new version.
    Published,
    /// Nothing differs from what is served.
    Unchanged,
    /// What is served was chosen by a roll-back; what changed waits until that is ended.
    Held,
    /// What changed is not accepted, for this reason; what was served goes on.
    Refused(String),
    /// The templates cannot be read, for this reason; what was served goes on.
    Unreadable(String),
}

/// Where `Reload` messages are sent to. Each goes to every Watcher; the answer waits until the Registry has decided everything.
#[derive(Clone)]
pub struct Reloader {
    pub(super) engine: Arc<Engine>,
    pub(super) within: Option<Duration>,
    pub(super) key: Option<Key>,
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
        self.key = Some(Key::new("reload", key));
        self
    }

    /// Sends a `Reload`. Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`CallError`]; `Lost` and `Timeout` may be repeated, since a reload that finds nothing does nothing.
    pub async fn send(&self, reload: Reload) -> Result<ReloadReport, CallError> {
        let door = &self.engine.doors.reloads;
        let _inside = door.enter()?;
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
        let until = Until::after(self.within.unwrap_or(engine.patience()));
        let mut report = ReloadReport {
            version: Version::NONE,
            outcome: ReloadOutcome::Unchanged,
            changed: Vec::new(),
            removed: Vec::new(),
            not_current: Vec::new(),
            diagnostics: Vec::new(),
        };
        let was_cut = engine.is_cut();
        for watcher in engine.actors.watchers.iter() {
            let mut left = RETRIES;
            let looked = loop {
                let looked = engine.ask_inside(watcher, reload, until).await?;
                match looked.is_lost() {
                    true if was_cut => return Err(CallError::Down),
                    // Whoever failed is a fresh one by then, and is handed everything.
                    true if left > 0 && !engine.is_cut() => left -= 1,
                    _ => break looked,
                }
            };
            report.take(looked)?;
        }
        if engine.ask_inside(&engine.actors.registry, History, until).await??.held {
            report.worsen(ReloadOutcome::Held);
        }
        report.version = engine.reader.current().version();
        report.not_current = wrong::not_current(engine);
        report.diagnostics = wrong::diagnostics(engine);
        Ok(report)
    }
}

impl Looked {
    fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Failed(_) | Self::Decided(Outcome::Lost(_) | Outcome::Conflict)
        )
    }
}

impl ReloadReport {
    fn take(&mut self, looked: Looked) -> Result<(), CallError> {
        let outcome = match looked {
            Looked::Nothing | Looked::Decided(Outcome::Unchanged(_)) => return Ok(()),
            Looked::Decided(Outcome::Published(published)) => {
                self.changed.extend_from_slice(&published.changed);
                self.removed.extend_from_slice(&published.removed);
                ReloadOutcome::Published
            }
            Looked::Decided(Outcome::Held(_)) => ReloadOutcome::Held,
            Looked::Decided(Outcome::Refused(reason)) => ReloadOutcome::Refused(reason),
            Looked::Unreadable(reason) => ReloadOutcome::Unreadable(reason),
            Looked::Decided(Outcome::Lost(reason)) => return Err(CallError::Lost(reason)),
            Looked::Decided(Outcome::Conflict) => return Err(CallError::Lost("the versions did not agree".into())),
            Looked::Failed(fault) => return Err(CallError::Lost(fault.to_string())),
        };
        self.worsen(outcome);
        Ok(())
    }

    /// Returns what it takes in memory, about: a name is counted as if it were here only.
    fn bytes(&self) -> usize {
        let names = self.changed.iter().chain(&self.removed);
        let names = names.chain(self.not_current.iter().map(|stands| &stands.template));
        let names: usize = names.map(|name| name.as_str().len() + size_of::<NotCurrent>()).sum();
        let diagnostics: usize = self.diagnostics.iter().map(Diagnostic::bytes).sum();
        size_of::<Self>() + names + diagnostics
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

/// What reloads were answered, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<VecDeque<(Key, Gate, Option<ReloadReport>)>>);

type Gate = Arc<tokio::sync::Mutex<()>>;

impl Answered {
    fn answered(&self, key: Key) -> Option<ReloadReport> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, ..)| *known == key)?.2.clone()
    }

    /// Through which those with the same key go one after the other. No more of them than the door lets in.
    fn gate(&self, key: Key) -> Gate {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, gate, _)) = all.iter().find(|(known, ..)| *known == key) {
            return Arc::clone(gate);
        }
        let gate = Gate::default();
        all.push_back((key, Arc::clone(&gate), None));
        gate
    }

    /// Remembers a report, and as many of those before as the limits say; the newest stays, however large it is.
    fn answer(&self, key: Key, report: &ReloadReport, limits: &Limits) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.iter_mut().find(|(known, ..)| *known == key) {
            entry.2 = Some(report.clone());
        }
        while all.len() > limits.idempotency_keys {
            all.pop_front();
        }
        let bytes = |report: &Option<ReloadReport>| report.as_ref().map_or(0, ReloadReport::bytes);
        let mut sum: usize = all.iter().map(|(_, _, report)| bytes(report)).sum();
        while sum > limits.idempotency_bytes {
            let oldest = all
                .iter()
                .position(|(known, _, report)| *known != key && report.is_some());
            let Some((_, _, oldest)) = oldest.and_then(|oldest| all.remove(oldest)) else {
                break;
            };
            sum -= bytes(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    #[test]
    fn reports_are_bounded_by_their_bytes_and_the_newest_stays() {
        let report = |names: usize| {
            let names = (0..names).map(|number| name(&format!("{number:04}.html")));
            ReloadReport {
                version: Version::NONE,
                outcome: ReloadOutcome::Published,
                changed: names.collect(),
                removed: Vec::new(),
                not_current: Vec::new(),
                diagnostics: Vec::new(),
            }
        };
        let limits = Limits {
            idempotency_bytes: 2 * report(100).bytes(),
            ..Limits::default()
        };
        let keys = ["a", "b", "c", "d"].map(|text| Key::new("test", text));
        let remembered = Answered::default();
        for (key, names, expected) in [
            (0, 100, [true, false, false, false]),
            (1, 100, [true, true, false, false]),
            (2, 1, [false, true, true, false]),
            (3, 1_000, [false, false, false, true]),
        ] {
            remembered.gate(keys[key]);
            remembered.answer(keys[key], &report(names), &limits);
            assert_eq!(keys.map(|key| remembered.answered(key).is_some()), expected);
        }
    }
}
