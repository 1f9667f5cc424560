//! Calling the actors from outside: [`Reloader`], [`Renders`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::Message;
use serde::Serialize;

use super::standing_diagnostics;
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, Post};
use crate::messages::{History, Looked, Outcome, Reload, Render, Unanswered};
use crate::reader::{RenderFailure, Rendered};
use crate::supervision::{Door, Fault, Serve, Turned};
use crate::template::TemplateName;
use crate::version::Version;

/// How often a reload that was lost on its way is sent again before its caller is told.
const RETRIES: usize = 4;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// As many as there may be are under way: try again later.
    #[error("too many calls of this kind are under way")]
    Busy,
    /// The engine has ended.
    #[error("the engine has ended")]
    Down,
    /// It is not known whether it was done. Calls can be repeated.
    #[error("the call was lost, and may be repeated: {0}")]
    Lost(String),
    /// It took longer than the limit `reload_ms`.
    #[error("there was no answer within {0} ms (the limit `reload_ms`)")]
    Timeout(u64),
}

impl From<Turned> for CallError {
    fn from(turned: Turned) -> Self {
        match turned {
            Turned::Busy => Self::Busy,
            Turned::Closed => Self::Down,
        }
    }
}

impl From<Unanswered> for CallError {
    fn from(unanswered: Unanswered) -> Self {
        Self::Lost(unanswered.to_string())
    }
}

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

impl Engine {
    /// Comes in by the door for questions and asks an actor.
    pub(super) async fn ask<B, M>(&self, post: &Post<B>, message: M) -> Result<M::Result, CallError>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send + 'static,
    {
        let door = &self.doors.queries;
        let _inside = door.enter()?;
        let asked = self.ask_inside(post, message).await;
        asked.inspect_err(|error| error.note(door))
    }

    /// Asks an actor, within the limit of a reload.
    async fn ask_inside<B, M>(&self, post: &Post<B>, message: M) -> Result<M::Result, CallError>
    where
        B: Serve<M>,
        M: Message + Send + 'static,
        M::Result: From<Fault> + Send + 'static,
    {
        let limit_ms = self.limits.reload_ms;
        let line = post.line();
        let answered = self.run(move || async move {
            actix::clock::timeout(Duration::from_millis(limit_ms), line.send(message)).await
        });
        match answered.await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Err(_)) => Err(CallError::Timeout(limit_ms)),
            Ok(Ok(Err(_))) | Err(_) => Err(CallError::Down),
        }
    }
}

impl CallError {
    fn note(&self, door: &Door) {
        match self {
            Self::Timeout(_) => door.timed_out(),
            Self::Lost(_) => door.lost(),
            Self::Busy | Self::Down => {}
        }
    }
}

/// Where `Reload` messages are sent to. Each goes to every Watcher; the answer waits until the Registry has decided everything.
#[derive(Clone)]
pub struct Reloader(pub(super) Arc<Engine>);

impl Reloader {
    /// Sends a `Reload`. Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`CallError`]; `Lost` and `Timeout` may be repeated, since a reload that finds nothing does nothing.
    pub async fn send(&self, reload: Reload) -> Result<ReloadReport, CallError> {
        self.reload(reload.full).await
    }

    pub(super) async fn reload(&self, full: bool) -> Result<ReloadReport, CallError> {
        let door = &self.0.doors.reloads;
        let _inside = door.enter()?;
        self.reload_inside(full).await.inspect_err(|error| error.note(door))
    }

    async fn reload_inside(&self, full: bool) -> Result<ReloadReport, CallError> {
        let engine = &self.0;
        let mut report = ReloadReport {
            version: Version::NONE,
            outcome: ReloadOutcome::Unchanged,
            changed: Vec::new(),
            removed: Vec::new(),
            diagnostics: Vec::new(),
        };
        for watcher in engine.actors.watchers.iter() {
            let mut looked = engine.ask_inside(watcher, Reload { full }).await?;
            // Whoever failed is a fresh one now, and is handed everything.
            for _ in 0..RETRIES {
                if !looked.is_lost() {
                    break;
                }
                looked = engine.ask_inside(watcher, Reload { full }).await?;
            }
            report.take(looked)?;
        }
        if engine.ask_inside(&engine.actors.registry, History).await??.held {
            report.worsen(ReloadOutcome::Held);
        }
        report.version = engine.reader.current().version();
        report.diagnostics = standing_diagnostics(&engine.reader);
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

/// Where `Render` messages are sent to.
#[derive(Clone)]
pub struct Renders(pub(super) Arc<Engine>);

impl Renders {
    /// Sends a `Render` to the Renderer that has the least to do. Dropping the future skips it while it waits, and ends it at its
    /// next step once it runs.
    ///
    /// # Errors
    /// [`RenderFailure`]: `Busy` at once when too many are under way, `Timeout` after its deadline, `Lost` when a Renderer failed.
    pub fn send(&self, render: Render) -> impl Future<Output = Result<Rendered, RenderFailure>> + Send + use<> {
        let engine = Arc::clone(&self.0);
        async move {
            let result = send(&engine, render).await;
            // A render that was begun is counted where it ends.
            if let Err(failure @ (RenderFailure::Busy | RenderFailure::Down | RenderFailure::Lost(_))) = &result {
                engine.tally.turned(failure);
            }
            result
        }
    }
}

async fn send(engine: &Engine, mut render: Render) -> Result<Rendered, RenderFailure> {
    let _inside = engine.doors.renders.enter().map_err(|turned| match turned {
        Turned::Busy => RenderFailure::Busy,
        Turned::Closed => RenderFailure::Down,
    })?;
    let token = render
        .options
        .cancel
        .take()
        .map_or_else(Default::default, |token| token.child_token());
    render.options.cancel = Some(token.clone());
    let _ends_with_this_future = token.drop_guard();
    let seats = &engine.actors.renderers;
    let Some(seat) = seats.iter().min_by_key(|seat| seat.taken.load(Ordering::Relaxed)) else {
        return Err(RenderFailure::Down);
    };
    let _taken = Taken::take(&seat.taken);
    seat.renderer
        .line()
        .send(render)
        .await
        .unwrap_or(Err(RenderFailure::Down))
}

impl std::fmt::Debug for Renders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renders(..)")
    }
}

struct Taken<'s>(&'s AtomicUsize);

impl<'s> Taken<'s> {
    fn take(seat: &'s AtomicUsize) -> Self {
        seat.fetch_add(1, Ordering::Relaxed);
        Self(seat)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
