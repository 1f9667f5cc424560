//! [`Hotplate`]: the handle of an engine. It works from any thread and any runtime.
//!
//! Three ways lead into the engine. A direct render reads the current snapshot in the thread of the caller, without a message. A
//! [`Renders`] or [`Reloader`] sends a message, which is admitted by a mailbox with a capacity and has a deadline. Queries (diagnostics,
//! counters, health) read records that the engine keeps, so they work while actors hang.

mod builder;
mod call;
mod commands;
mod pinned;
mod preview;
mod reload;
mod renders;
mod scope;
mod request;
mod template_handle;
mod not_current;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;
use serde::Serialize;

use crate::counters::{Counters, OpenBreaker, Publication, RecentFailure, Usage};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Escape, TemplateId};
use crate::engine::{Engine, StoredError};
use crate::events::{Event, Subscription};
use crate::health::Health;
use crate::judge::StageSwitch;
use crate::limits::Limits;
use crate::policies::ActorKind;
use crate::protocol::messages::{
    Compare, CompareError, Dependents, Edge, Edges, History, KeptVersions, Reload, RolledBack, VersionNotKept,
};
use crate::protocol::reload::{NotCurrent, ReloadReport};
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::Serialized;
use crate::snapshot::{Compared, Serving, Snapshot, SupersededVersion};
use crate::stages::{ShadowReport, StageStatus};
use crate::supervision::{Group, GroupError, InjectedFaults, Policy, Serve, Strategy, Supervised, Unavailable};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

pub use builder::Builder;
pub use commands::Commands;
pub use pinned::Pinned;
pub use preview::Preview;
pub use reload::Reloader;
pub use renders::Renders;
pub use request::RenderRequest;
pub use scope::{ExplainedLayer, Explanation, ScopeHandle};
pub use template_handle::TemplateHandle;

/// A handle of a running engine. A clone is a handle of the same engine, which stops with its last handle or by [`Hotplate::shutdown`].
///
/// ```
/// # let site = tempfile::tempdir()?;
/// # std::fs::write(site.path().join("hello.html"), "Hello {name}!")?;
/// use hotplate_actors::Hotplate;
///
/// let hotplate = Hotplate::builder().root(site.path()).start()?;
/// let answer = hotplate.render("hello.html", &serde_json::json!({ "name": "<World>" }))?;
/// assert_eq!(answer.body, "Hello &lt;World&gt;!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Hotplate(Arc<Engine>);

impl Hotplate {
    /// Returns a builder with the default configuration.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Renders an entry of the current version, in this thread: no message, no lock, no I/O.
    ///
    /// # Errors
    /// [`RenderFailure`]; with the default policy only if no kept version can be rendered either.
    pub fn render<T: Serialize + ?Sized>(&self, name: &str, context: &T) -> Result<Rendered, RenderFailure> {
        let (source, options) = (Serialized(context), RenderOptions::default());
        self.0.reader.render(name, None, &source, &options)
    }

    /// Returns a render of an entry that takes options: a deadline, a cancellation token, the meaning of missing data, a prepared context.
    pub fn request<'r>(&'r self, name: &'r str) -> RenderRequest<'r> {
        RenderRequest::new(&self.0.reader, None, name, None)
    }

    /// Returns the digest of the text that is served under a name now, without the templates that it calls; `None` if nothing is served.
    #[inline]
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<Digest> {
        self.0.reader.digest(name, None)
    }

    /// Pins the current version, to render several entries from it.
    #[must_use]
    pub fn snapshot(&self) -> Pinned {
        Pinned {
            snapshot: self.0.reader.current(),
            reader: self.0.reader.clone(),
            holder: None,
        }
    }

    /// Pins a kept version. Pages that are rendered from it are all of that version, whatever is published meanwhile.
    ///
    /// # Errors
    /// [`VersionNotKept`] names the versions that are kept.
    pub fn snapshot_at(&self, version: Version) -> Result<Pinned, VersionNotKept> {
        let current = self.0.reader.current();
        let snapshot = match current.version() == version {
            true => Some(Arc::clone(&current)),
            false => current.at(version),
        };
        let snapshot = snapshot.ok_or_else(|| VersionNotKept {
            wanted: version,
            kept: current.kept_versions(),
        })?;
        Ok(Pinned {
            snapshot,
            reader: self.0.reader.clone(),
            holder: None,
        })
    }

    /// Returns the versions that are no longer served and still in memory, oldest first, with the holders that are known by name. Sends no
    /// message. One that is two or more versions behind and was superseded [`Limits::leaked_after`] ago is leaked: something holds it that
    /// does not end, such as a render that hangs or a [`Pinned`] version that was forgotten.
    #[must_use]
    pub fn leaks(&self) -> Vec<SupersededVersion> {
        let current = self.0.reader.current();
        let shared = current.shared();
        let after = self.0.limits.leaked_after();
        shared
            .superseded
            .alive(current.version(), Instant::now(), after, &shared.holders)
    }

    /// Returns a handle of one name, which is looked up once. The template may be created later.
    #[must_use]
    pub fn handle(&self, name: &str) -> TemplateHandle {
        TemplateHandle::new(name, self.0.reader.clone(), self.clone())
    }

    /// Reloads: returns when everything that was written before the call is live, or named in the diagnostics of the report.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no report.
    pub async fn reload(&self) -> Result<ReloadReport, Unavailable> {
        self.reloader().send(Reload::default()).await
    }

    /// Reloads after reading every byte again, for changes that neither an event nor a time stamp shows.
    ///
    /// # Errors
    /// The errors of [`Hotplate::reload`].
    pub async fn reload_full(&self) -> Result<ReloadReport, Unavailable> {
        self.reloader()
            .send(Reload {
                full: true,
                ..Reload::default()
            })
            .await
    }

    /// Returns the time of the start, in milliseconds since 1970. Versions are counted from there.
    #[must_use]
    pub fn started_ms(&self) -> u64 {
        self.0.recorder.started_ms()
    }

    /// Returns the limits that this engine was started with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Subscribes to the events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.0.subscribe()
    }

    /// Sends each event to an actor, one after the other, until either of them stops. Events wait while the actor is busy; an actor that is
    /// too slow receives [`Event::Lagged`].
    ///
    /// # Errors
    /// [`Unavailable`] if the engine has stopped.
    pub fn subscribe_recipient(&self, to: Recipient<Event>) -> Result<(), Unavailable> {
        let mut events = self.subscribe();
        self.0.run(move || async move {
            actix::spawn(async move {
                while let Some(event) = events.next().await {
                    if to.send(event).await.is_err() {
                        return;
                    }
                }
            });
        })?;
        Ok(())
    }

    /// Sends each event to a supervised actor, whose subscription outlives its restarts. An event on which the actor fails is not sent
    /// again.
    ///
    /// # Errors
    /// The errors of [`Hotplate::subscribe_recipient`].
    pub fn subscribe_actor<B>(&self, to: &Supervised<B>) -> Result<(), Unavailable>
    where
        B: Serve<Event>,
        B::Config: Send + Sync,
    {
        let (mut events, to) = (self.subscribe(), to.clone());
        self.0.run(move || async move {
            actix::spawn(async move {
                while let Some(event) = events.next().await {
                    if let Err(undelivered) = to.send(event).await {
                        tracing::warn!(actor = to.child().actor(), %undelivered, "an event was not delivered");
                        crate::without_subscriber::warn_without_subscriber(format_args!(
                            "an event was not delivered: {undelivered}"
                        ));
                    }
                }
            });
        })?;
        Ok(())
    }

    /// Creates a group of your own actors under the same supervision as the actors of the engine: they appear in [`Health`], their faults
    /// are [`Event`]s, and they stop with the engine. `whole` is the policy for actors that have reached the limit of their own: with
    /// [`Policy::never`] they stay down.
    ///
    /// # Errors
    /// [`GroupError`] if the policy is invalid, or the engine has stopped.
    pub fn group(&self, name: &'static str, strategy: Strategy, whole: Policy) -> Result<Group, GroupError> {
        self.0.supervisor()?.group(name, strategy, whole)
    }

    /// Returns a sender of `Reload` messages.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.0)
    }

    /// Returns a sender of `Render` messages.
    #[must_use]
    pub fn renderer(&self) -> Renders {
        Renders {
            engine: Arc::clone(&self.0),
            pooled: false,
        }
    }

    /// Returns all current diagnostics, each once: first the diagnostics of templates that do not compile, sorted by template, then of
    /// templates whose last render failed.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        not_current::diagnostics(&self.0)
    }

    /// Returns every template whose newest text is not served, with what is served instead, sorted by name: templates that do not compile,
    /// that call a template that does not compile, or whose last render failed.
    #[must_use]
    pub fn not_current(&self) -> Vec<NotCurrent> {
        not_current::not_current(&self.0)
    }

    /// Returns what is served instead of the newest text of an entry; `None` if the newest text is served. [`Hotplate::not_current`],
    /// [`Hotplate::counters`] and reports all derive the status of an entry from this.
    #[must_use]
    pub fn serving(&self, snapshot: &Snapshot, id: TemplateId) -> Option<Serving> {
        snapshot.serving(id)
    }

    /// Returns every template whose circuit breaker is open, sorted by name. The limit `late_faults` bounds how many are remembered.
    #[must_use]
    pub fn breakers(&self) -> Vec<OpenBreaker> {
        self.0.recorder.breakers(&self.0.reader.current())
    }

    /// Returns the warnings of entries that escape as HTML, constructs that are probably a mistake, and those about the contract.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let snapshot = self.0.reader.current();
        let mut members: Vec<_> = snapshot
            .entries()
            .filter_map(|(_, _, status)| status.closure())
            .map(|closure| closure.top())
            .collect();
        members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let escaped = members
            .into_iter()
            .filter(|member| Escape::of(&member.name) == Escape::Html);
        let warnings = escaped.flat_map(|member| {
            member
                .unit
                .warnings()
                .iter()
                .map(|warning| warning.clone().in_template(&member.name))
        });
        let graph = self.0.actors.previews.graph();
        warnings.chain(graph.contract_warnings().cloned()).collect()
    }

    /// Serves an earlier version again, under a new number. Only what was rolled back waits: a template goes forward again when its source
    /// has another text than the one that was rolled back, or with [`Hotplate::resume`]. All other templates go forward as before.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn roll_back(&self, to: Version) -> Result<RolledBack, Unavailable> {
        self.commands().roll_back(to).await
    }

    /// Ends all rollbacks: applies everything that waits.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no outcome.
    pub async fn resume(&self) -> Result<RolledBack, Unavailable> {
        self.commands().resume().await
    }

    /// Returns commands under an idempotency key: a command that was lost can be sent again and is carried out once.
    pub fn keyed(&self, key: &str) -> Commands {
        self.commands().key(key)
    }

    /// Returns commands of an operator that take options: who asks and why, the version that is expected, an idempotency key.
    pub fn commands(&self) -> Commands {
        Commands::new(&self.0)
    }

    /// Returns the versions that can be rolled back to, and the templates whose newest text waits since a rollback. With a store, versions of
    /// earlier processes are among them; the first call reads their manifests.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no answer.
    pub async fn history(&self) -> Result<KeptVersions, Unavailable> {
        let mut kept = self.0.ask(&self.0.actors.registry, History).await?;
        kept.stored = match self.0.stored_versions().await {
            Ok(stored) => stored,
            // The rest of the answer does not depend on the store.
            Err(StoredError::Unreadable(reason)) => {
                tracing::warn!(reason, "the stored versions cannot be listed");
                Vec::new()
            }
            Err(StoredError::Unavailable(error)) => return Err(error),
        };
        Ok(kept)
    }

    /// Compares the served texts of two kept versions. One that only the store has is read from there.
    ///
    /// # Errors
    /// [`CompareError`] if one of them is not kept, or there is no answer.
    pub async fn compare(&self, from: Version, to: Version) -> Result<Compared, CompareError> {
        self.compared(from, Some(to)).await
    }

    /// Compares the served texts of a kept version with what the sources have now: what an operator rolled back, and texts that do not
    /// compile, included.
    ///
    /// # Errors
    /// [`CompareError`] if the version is not kept, or there is no answer.
    pub async fn compare_with_source(&self, from: Version) -> Result<Compared, CompareError> {
        self.compared(from, None).await
    }

    async fn compared(&self, from: Version, to: Option<Version>) -> Result<Compared, CompareError> {
        for version in [Some(from), to].into_iter().flatten() {
            self.0.keep_stored(version).await.map_err(|error| match error {
                StoredError::Unreadable(reason) => {
                    CompareError::Unreadable(format!("version {version} cannot be read from the store: {reason}"))
                }
                StoredError::Unavailable(error) => error.into(),
            })?;
        }
        self.0.ask(&self.0.actors.registry, Compare { from, to }).await
    }

    /// Returns every template that reaches this one by calls.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no answer.
    pub async fn dependents(&self, name: &TemplateName) -> Result<Vec<TemplateName>, Unavailable> {
        self.0.ask(&self.0.actors.graph, Dependents(name.clone())).await
    }

    /// Returns all calls between templates, sorted.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no answer.
    pub async fn edges(&self) -> Result<Vec<Edge>, Unavailable> {
        self.0.ask(&self.0.actors.graph, Edges).await
    }

    /// Returns the counters since the start. Sends no message, and takes no lock that a render takes.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.recorder.read(&self.0.reader.current())
    }

    /// Returns the usage of one template, which is empty for a name that never was a template.
    #[must_use]
    pub fn usage(&self, name: &str) -> Usage {
        let snapshot = self.0.reader.current();
        let id = snapshot.id(name);
        id.map(|id| self.0.recorder.usage(&snapshot, id)).unwrap_or_default()
    }

    /// Returns the templates of which visitors got something else than the newest text since the engine started, at most `max`, the latest
    /// first. Failures that appear only in renders are remembered up to the limit `late_faults`.
    #[must_use]
    pub fn recent_failures(&self, max: usize) -> Vec<RecentFailure> {
        self.0.recorder.recent_failures(&self.0.reader.current(), max)
    }

    /// Returns the versions that were published last, oldest first, as many as are kept for rolling back.
    #[must_use]
    pub fn publications(&self) -> Vec<Publication> {
        self.0.recorder.publications()
    }

    /// Returns the fault count of each actor, through which a fault can be injected for a drill.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, &InjectedFaults)> {
        self.0.actors.faults.iter().map(|(actor, faults)| (*actor, faults))
    }

    /// Returns the state of each stage other than stable: what the judge knows, why it is stopped, and the rollout of canary. Sends no message.
    #[must_use]
    pub fn stages(&self) -> Vec<StageStatus> {
        self.0.stages.status(&self.0.reader.current())
    }

    /// Returns the differences that shadow renders found: requests of stable that canary rendered as well.
    #[must_use]
    pub fn shadow(&self) -> ShadowReport {
        self.0.stages.shadow().report()
    }

    /// Returns the switch that says which stages are on and how many visitors get canary, for choosing the scope of a request without a lock.
    #[must_use]
    pub fn stage_switch(&self) -> &Arc<StageSwitch> {
        self.0.stages.switch()
    }

    /// Returns the health of each actor, loader and mailbox. Sends no message and never waits.
    ///
    /// ```
    /// # use hotplate_actors::{Hotplate, MemoryLoader};
    /// # let hotplate = Hotplate::builder().loader(MemoryLoader::new().0).start()?;
    /// let health = hotplate.health();
    /// assert!(health.ready, "{:?}", health.reasons);
    /// # Ok::<(), hotplate_actors::StartError>(())
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health()
    }

    /// Starts the actors of one kind again that have reached their restart limit or have finished; with [`ActorKind::Engine`] all actors,
    /// your own included. Returns how many were down.
    pub fn reset(&self, actor: ActorKind) -> usize {
        self.0.reset(actor.name())
    }

    /// Works like [`Hotplate::reset`] for the actors of a name in [`Health`], which may be your own.
    pub fn reset_named(&self, actor: &str) -> usize {
        self.0.reset(actor)
    }

    /// Rejects new messages, finishes messages in flight, and stops the engine. Returns true if all of them were finished in time. Direct
    /// renders continue from the last version.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.0.stop(within).await
    }
}

impl fmt::Debug for Hotplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hotplate").field(&*self.0.reader.current()).finish()
    }
}
