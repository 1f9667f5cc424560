//! [`Hotplate`]: the handle that users hold. It works from any thread and any runtime.

mod builder;
mod call;
mod keyed;
mod reload;
mod renders;
mod not_current;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::Recipient;
use serde::Serialize;

use crate::counters::{Counters, OpenBreaker, Publication, Usage};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Escape, TemplateId};
use crate::engine::Engine;
use crate::events::{Event, Subscription};
use crate::health::Health;
use crate::limits::Limits;
use crate::protocol::messages::{
    Compare, Dependents, Edge, Edges, History, KeptVersions, Reload, RolledBack, VersionNotKept,
};
use crate::protocol::reload::{NotCurrent, ReloadReport};
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{ContextSource, Reader, Serialized};
use crate::snapshot::{Compared, Serving, Snapshot};
use crate::supervision::{Group, GroupError, InjectedFaults, Policy, Serve, Strategy, Supervised};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

pub use builder::Builder;
pub use call::CallError;
pub use keyed::Keyed;
pub use reload::Reloader;
pub use renders::Renders;

/// A running engine. A clone is the same engine; it ends with its last handle, or with [`Hotplate::shutdown`].
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
    /// Says what an engine is made of.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Renders an entry of what is served now, in this thread: no message, no lock, no I/O.
    ///
    /// # Errors
    /// [`RenderFailure`]; with the default policy only where no kept version does better.
    pub fn render<T: Serialize + ?Sized>(&self, name: &str, context: &T) -> Result<Rendered, RenderFailure> {
        self.render_with(name, context, &RenderOptions::default())
    }

    /// The same, with a deadline, a cancellation token, or leniency.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render_with<T: Serialize + ?Sized>(
        &self,
        name: &str,
        context: &T,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        self.0.reader.render(name, None, &Serialized(context), options)
    }

    /// The same, with a context that is made from what travels with the template.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render_supplied(
        &self,
        name: &str,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        self.0.reader.render(name, None, supply, options)
    }

    /// The digest of the text that is served under a name now, without those that it calls. `None` where nothing is.
    #[inline]
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<Digest> {
        self.0.reader.digest(name, None)
    }

    /// What is served now, to render several entries from one version.
    #[must_use]
    pub fn snapshot(&self) -> Pinned {
        Pinned {
            snapshot: self.0.reader.current(),
            reader: self.0.reader.clone(),
        }
    }

    /// A name that is looked up once. The template need not be there yet.
    #[must_use]
    pub fn handle(&self, name: &str) -> TemplateHandle {
        TemplateHandle {
            name: name.into(),
            id: OnceLock::new(),
            reader: self.0.reader.clone(),
            _hotplate: self.clone(),
        }
    }

    /// Answers when everything that was written before the call is live, or named in the report's diagnostics.
    ///
    /// # Errors
    /// [`CallError`] when it is not known what came of it.
    pub async fn reload(&self) -> Result<ReloadReport, CallError> {
        self.reloader().send(Reload::default()).await
    }

    /// The same after reading every byte again, for what no event and no time stamp can show.
    ///
    /// # Errors
    /// As [`Hotplate::reload`].
    pub async fn reload_full(&self) -> Result<ReloadReport, CallError> {
        self.reloader().send(Reload { full: true }).await
    }

    /// The edges of everything, as this engine was given them.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.0.subscribe()
    }

    /// Sends each event to an actor, from now until either ends. One after the other: while it is at work others wait, and one
    /// that is too slow is sent [`Event::Lagged`].
    ///
    /// # Errors
    /// [`CallError`] where the engine has ended.
    pub fn subscribe_recipient(&self, to: Recipient<Event>) -> Result<(), CallError> {
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

    /// The same for a supervised actor: its subscription outlives its restarts. What it fails on is not sent to it again.
    ///
    /// # Errors
    /// As [`Hotplate::subscribe_recipient`].
    pub fn subscribe_actor<B>(&self, to: &Supervised<B>) -> Result<(), CallError>
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
                        crate::unheard::unheard(format_args!("an event was not delivered: {undelivered}"));
                    }
                }
            });
        })?;
        Ok(())
    }

    /// A group of your own actors, under the same supervision as those of the engine: they have a place in [`Health`], their
    /// faults are [`Event`]s, and they end with the engine. `whole` is what happens to those whom their own policy has given
    /// up: with [`Policy::never`] they stay down.
    ///
    /// # Errors
    /// [`GroupError`] where the policy makes no sense, or the engine has ended.
    pub fn group(&self, name: &'static str, strategy: Strategy, whole: Policy) -> Result<Group, GroupError> {
        self.0.supervisor()?.group(name, strategy, whole)
    }

    /// Where `Reload` messages are sent to.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.0)
    }

    /// Where `Render` messages are sent to.
    #[must_use]
    pub fn renderer(&self) -> Renders {
        Renders {
            engine: Arc::clone(&self.0),
            pooled: false,
        }
    }

    /// Everything that is wrong now, each finding once: what does not compile sorted by template, then what failed when it was
    /// rendered last.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        not_current::diagnostics(&self.0)
    }

    /// Every template that is not served as its newest text has it, and what is served of it: those that do not compile or call
    /// something that does not, and those that failed when they were rendered last. Sorted by name.
    #[must_use]
    pub fn not_current(&self) -> Vec<NotCurrent> {
        not_current::not_current(&self.0)
    }

    /// What answers requests for an entry of a snapshot of this engine in place of its newest text; `None` where that answers them. By
    /// this alone [`Hotplate::not_current`], [`Hotplate::counters`] and reports say how an entry stands.
    #[must_use]
    pub fn serving(&self, snapshot: &Snapshot, id: TemplateId) -> Option<Serving> {
        snapshot.serving(id)
    }

    /// Returns every template whose circuit breaker is open, sorted by name, as far as they are remembered (the limit `late_faults`).
    #[must_use]
    pub fn breakers(&self) -> Vec<OpenBreaker> {
        self.0.tally.breakers(&self.0.reader.current())
    }

    /// What probably is not meant in entries that escape as HTML.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let snapshot = self.0.reader.current();
        let mut members: Vec<_> = snapshot
            .entries()
            .filter_map(|(_, _, standing)| standing.closure())
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
        warnings.collect()
    }

    /// Serves an earlier version again, under a new number, and holds it until [`Hotplate::resume`]. Edits are taken in meanwhile
    /// and wait.
    ///
    /// # Errors
    /// [`CallError`] when it is not known what came of it.
    pub async fn roll_back(&self, to: Version) -> Result<RolledBack, CallError> {
        self.0.roll_back(to, keyed::fresh()).await
    }

    /// Serves the newest again.
    ///
    /// # Errors
    /// [`CallError`] when it is not known what came of it.
    pub async fn resume(&self) -> Result<RolledBack, CallError> {
        self.0.resume(keyed::fresh()).await
    }

    /// Commands that are done once under a key of the caller's, so that what was lost can be sent again.
    #[must_use]
    pub fn keyed(&self, key: &str) -> Keyed {
        Keyed::new(&self.0, key)
    }

    /// The versions that can be gone back to, and whether one of them is held.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn history(&self) -> Result<KeptVersions, CallError> {
        Ok(self.0.ask(&self.0.actors.registry, History).await??)
    }

    /// What two kept versions serve otherwise.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer; inside, [`NotKept`] where one of them is not kept, or no more.
    pub async fn compare(&self, from: Version, to: Version) -> Result<Result<Compared, VersionNotKept>, CallError> {
        Ok(self.0.ask(&self.0.actors.registry, Compare { from, to }).await??)
    }

    /// Every template that reaches this one by calls.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn dependents(&self, name: &TemplateName) -> Result<Vec<TemplateName>, CallError> {
        Ok(self.0.ask(&self.0.actors.graph, Dependents(name.clone())).await??)
    }

    /// Who calls whom, sorted.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn edges(&self) -> Result<Vec<Edge>, CallError> {
        Ok(self.0.ask(&self.0.actors.graph, Edges).await??)
    }

    /// What happened since the start, as plain figures. Costs no message; takes no lock that a render takes.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.tally.read(&self.0.reader.current())
    }

    /// What is known of the renders of one template; nothing of a name that never was a template.
    #[must_use]
    pub fn usage(&self, name: &str) -> Usage {
        let snapshot = self.0.reader.current();
        let id = snapshot.id(name);
        id.map(|id| self.0.tally.usage(&snapshot, id)).unwrap_or_default()
    }

    /// The versions that were published last, oldest first, as many as are kept for going back.
    #[must_use]
    pub fn publications(&self) -> Vec<Publication> {
        self.0.tally.publications()
    }

    /// The faults of each actor: how many there were, and a way to order one for a drill.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, &InjectedFaults)> {
        self.0.actors.faults.iter().map(|(actor, faults)| (*actor, faults))
    }

    /// How it is: each actor, each loader, each door. Asking costs no message and waits for nobody.
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

    /// Starts what was given up (or came to its end) again, with a fresh budget of restarts. `actor` is its name in [`Health`], or
    /// `"engine"` for all of them. Answers how many were down.
    pub fn reset(&self, actor: &str) -> usize {
        self.0.reset(actor)
    }

    /// Lets nobody in any more, lets what is under way come to its end, and stops the engine. Answers whether that was done in
    /// time. Direct renders go on from the last version.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.0.stop(within).await
    }
}

impl fmt::Debug for Hotplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hotplate").field(&*self.0.reader.current()).finish()
    }
}

/// One version, for as long as this is held.
#[derive(Clone, Debug)]
pub struct Pinned {
    snapshot: Arc<Snapshot>,
    reader: Reader,
}

impl Pinned {
    /// Its number.
    #[must_use]
    pub fn version(&self) -> Version {
        self.snapshot.version()
    }

    /// What is in it.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Renders an entry of this version.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render<T: Serialize + ?Sized>(&self, name: &str, context: &T) -> Result<Rendered, RenderFailure> {
        self.render_supplied(name, &Serialized(context), &RenderOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render_with<T: Serialize + ?Sized>(
        &self,
        name: &str,
        context: &T,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        self.render_supplied(name, &Serialized(context), options)
    }

    /// The same, with a context that is made from what travels with the template.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render_supplied(
        &self,
        name: &str,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        self.reader.render_in(&self.snapshot, name, None, supply, options)
    }
}

/// A name that is looked up once.
#[derive(Clone)]
pub struct TemplateHandle {
    name: Arc<str>,
    /// Ids are never reused, so one that was found is good for ever.
    id: OnceLock<TemplateId>,
    reader: Reader,
    /// So that the engine lives as long.
    _hotplate: Hotplate,
}

impl TemplateHandle {
    /// Renders what is served now under this name.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render<T: Serialize + ?Sized>(&self, context: &T) -> Result<Rendered, RenderFailure> {
        self.render_with(context, &RenderOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render_with<T: Serialize + ?Sized>(
        &self,
        context: &T,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        self.render_supplied(&Serialized(context), options)
    }

    /// The same, with a context that was prepared, or is made from what travels with the template.
    ///
    /// # Errors
    /// As [`Hotplate::render`].
    pub fn render_supplied(
        &self,
        supply: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        self.reader.render(&self.name, self.id(), supply, options)
    }

    /// The digest of the text that is served now, without those that it calls. `None` where nothing is.
    #[inline]
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.reader.digest(&self.name, self.id())
    }

    #[inline]
    fn id(&self) -> Option<TemplateId> {
        self.id.get().copied().or_else(|| self.look_up())
    }

    #[cold]
    fn look_up(&self) -> Option<TemplateId> {
        let found = self.reader.current().id(&self.name)?;
        Some(*self.id.get_or_init(|| found))
    }
}

impl fmt::Debug for TemplateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TemplateHandle").field(&self.name).finish()
    }
}
