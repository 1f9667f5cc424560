//! [`State`]: what every request can look at, and what is told to those that listen.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::{rt, web};
use hotplate_actors::counters::{Publication, StatusCounters};
use hotplate_actors::snapshot::Standing;
use hotplate_actors::{Event, Fallback, Hotplate, TemplateName, Version};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Access;
use super::dashboard::{Dashboard, VitalsView};
use super::feed::EventFeed;
use super::idempotency::IdempotencyStore;
use super::limits::AdminLimits;
use super::model::{CurrentAnswer, Finding, HealthAnswer, PublicationAnswer, VersionAnswer};
use super::problem::Problem;
use super::rate::TokenBucket;
use super::stream::ClientSlots;
use super::vitals::VitalsHistory;
use super::{AdminError, LogLevel};
use crate::guard::ConnectionCounters;
use crate::metrics::Metrics;

/// Between two readings of the counters.
const BEAT: Duration = Duration::from_secs(1);
/// Templates of one version whose falling back is told one by one; `published` says how many there are.
const FALLBACKS_TOLD: usize = 100;
/// Findings in an answer that is not about one template.
const FINDINGS_MAX: usize = 100;
/// What dashboards that lag miss is of no use any more.
const LIVE_EVENTS: usize = 16;

/// What every request can look at.
pub(super) struct AdminState {
    pub(super) hotplate: Hotplate,
    pub(super) metrics: Metrics,
    /// Of this listener.
    pub(super) connections: ConnectionCounters,
    pub(super) access: Access,
    pub(super) limits: AdminLimits,
    pub(super) log: Option<Arc<dyn LogLevel>>,
    pub(super) requests: TokenBucket,
    pub(super) unauthenticated: TokenBucket,
    pub(super) changes: TokenBucket,
    pub(super) once: IdempotencyStore,
    pub(super) places: ClientSlots,
    /// What happens, for programs.
    pub(super) events: EventFeed,
    /// That something happened and how it goes, for dashboards.
    pub(super) live: EventFeed,
    pub(super) pulse: VitalsHistory,
    pub(super) dashboard: Dashboard,
}

/// Of one template something else than its newest text is served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FallbackEvent {
    /// Which.
    template: String,
    /// The version in which that is so.
    version: u64,
    /// `last-good`, or `stand-in` where there is no good version.
    serving: &'static str,
    /// The version that is served, if it is an older one.
    since: Option<u64>,
    /// The template to repair.
    cause: String,
    /// What is wrong.
    diagnostics: Vec<Finding>,
}

/// An actor failed and is started again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActorFailedEvent {
    /// Which.
    actor: &'static str,
    /// What it said.
    said: String,
}

impl AdminState {
    pub(super) fn new(
        hotplate: Hotplate,
        metrics: Metrics,
        access: Access,
        limits: AdminLimits,
        log: Option<Arc<dyn LogLevel>>,
    ) -> Result<Self, AdminError> {
        let now = Instant::now();
        let origin = format!("{:x}", now_ms());
        let pulse = VitalsHistory::default();
        pulse.take(&hotplate.counters(), now);
        let connections = ConnectionCounters::default();
        Ok(Self {
            requests: TokenBucket::new(limits.requests_per_second, limits.requests_burst, now),
            unauthenticated: TokenBucket::new(limits.unauthenticated_per_second, limits.unauthenticated_burst, now),
            changes: TokenBucket::new(limits.changes_per_second, limits.changes_burst, now),
            once: IdempotencyStore::new(&limits),
            places: ClientSlots::new(limits.event_clients),
            events: EventFeed::new(origin.clone(), limits.events, limits.events_bytes),
            live: EventFeed::new(origin, LIVE_EVENTS, limits.events_bytes),
            dashboard: Dashboard::start().map_err(|error| AdminError::Dashboard(error.to_string()))?,
            pulse,
            hotplate,
            metrics: metrics.listener("admin", connections.clone()),
            connections,
            access,
            limits,
            log,
        })
    }

    /// How the engine is.
    pub(super) fn health(&self) -> HealthAnswer {
        HealthAnswer::of(
            self.hotplate.health(),
            &self.hotplate.breakers(),
            self.metrics.connections(),
        )
    }

    /// Returns the name of the template that is meant by a name: that one, or where there is none, one of which the accents are encoded
    /// differently, as a page is found too.
    pub(super) fn spelt(&self, name: TemplateName) -> TemplateName {
        let pinned = self.hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let standing = snapshot.id(name.as_str()).map(|id| snapshot.standing(id));
        match standing {
            None | Some(Standing::Gone) => snapshot.equivalent(name.as_str()).unwrap_or(name),
            Some(_) => name,
        }
    }

    /// What is served.
    pub(super) fn version(&self) -> VersionAnswer {
        let digest = self.hotplate.snapshot().snapshot().digest();
        VersionAnswer::of(&self.hotplate.counters(), digest.to_string())
    }

    /// What a client has to know that begins to listen.
    pub(super) fn current(&self) -> CurrentAnswer {
        let diagnostics = self.hotplate.diagnostics();
        CurrentAnswer {
            version: self.version(),
            diagnostics: diagnostics.iter().take(FINDINGS_MAX).map(Finding::of).collect(),
        }
    }

    /// Waits for the engine, within the limit.
    pub(super) async fn ask<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        let limit_ms = self.limits.call_ms;
        let answered = rt::time::timeout(Duration::from_millis(limit_ms), call).await;
        Ok(answered.map_err(|_| Problem::engine_timeout(limit_ms))??)
    }

    /// Runs what takes long where nobody waits for it, within the limit.
    pub(super) async fn work<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.ask(web::block(run)).await
    }

    /// Tells what happens, until the listener ends.
    pub(super) async fn tell(state: Weak<Self>) {
        let Some(mut subscription) = state.upgrade().map(|state| state.hotplate.subscribe()) else {
            return;
        };
        let mut beat = rt::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut told = KnownFallbacks::default();
        let mut ended = false;
        let mut health = None;
        loop {
            let event = tokio::select! {
                event = subscription.next(), if !ended => match event {
                    Some(event) => Some(event),
                    None => { ended = true; continue }
                },
                _ = beat.tick() => None,
            };
            let Some(state) = state.upgrade() else { return };
            match event {
                Some(event) => state.happened(&event, &mut told),
                None => state.beat(&mut health),
            }
        }
    }

    fn beat(&self, before: &mut Option<(HealthAnswer, StatusCounters)>) {
        let counters = self.hotplate.counters();
        self.pulse.take(&counters, Instant::now());
        self.live
            .tell("vitals", &json(&VitalsView::of(&self.pulse.vitals(&counters))));
        let health = self.health();
        let shape = |health: &HealthAnswer| {
            let actors = health.actors.iter().map(|actor| (actor.state, actor.restarts));
            (
                health.ready,
                health.reasons.clone(),
                health.degraded.clone(),
                actors.collect::<Vec<_>>(),
                health.breakers.clone(),
            )
        };
        // That a template is rendered well again with other data is told by no event.
        let is_news = |(was, entries): &(HealthAnswer, StatusCounters)| {
            shape(was) != shape(&health) || *entries != counters.entries
        };
        if before.as_ref().is_some_and(is_news) {
            self.live.tell("changed", "{}");
        }
        *before = Some((health, counters.entries));
    }

    fn happened(&self, event: &Event, told: &mut KnownFallbacks) {
        match event {
            Event::Published(published) => {
                told.begin(published.version, published.stale.iter().chain(&published.broken));
                let publications = self.hotplate.publications();
                let publication = publications
                    .into_iter()
                    .find(|known| known.published.version == published.version);
                let publication = publication.unwrap_or_else(|| Publication {
                    at_ms: now_ms(),
                    held: false,
                    published: Arc::clone(published),
                });
                self.events
                    .tell("published", &json(&PublicationAnswer::of(&publication, true)));
            }
            Event::Fallback(fallback) => {
                if told.is_new(fallback) {
                    self.events.tell("fallback", &json(&FallbackEvent::of(fallback)));
                }
            }
            Event::ActorFailed(fault) => {
                let failed = ActorFailedEvent {
                    actor: fault.actor,
                    said: fault.message.clone(),
                };
                self.events.tell("actor-failed", &json(&failed));
            }
            // It is no event of the API; dashboards look again.
            Event::Fixed(_) => {}
            // Whoever listens here knows then what there is.
            _ => self.events.tell("current", &json(&self.current())),
        }
        self.live.tell("changed", "{}");
    }
}

/// Of which templates it was told that they fall back.
#[derive(Debug, Default)]
struct KnownFallbacks {
    version: Option<Version>,
    /// Those that the version named, as far as they have not come yet.
    named: HashSet<TemplateName>,
    count: usize,
}

impl KnownFallbacks {
    /// These are named by the version itself.
    fn begin<'n>(&mut self, version: Version, named: impl Iterator<Item = &'n TemplateName>) {
        *self = Self {
            version: Some(version),
            named: named.cloned().collect(),
            count: 0,
        };
    }

    /// Whether to tell it. Those that a version names come at once, by the thousand if need be, and only some of them help.
    fn is_new(&mut self, fallback: &Fallback) -> bool {
        if self.version == Some(fallback.version) && self.named.remove(&fallback.template) {
            self.count += 1;
            return self.count <= FALLBACKS_TOLD;
        }
        true
    }
}

impl FallbackEvent {
    fn of(fallback: &Fallback) -> Self {
        Self {
            template: fallback.template.to_string(),
            version: fallback.version.number(),
            serving: fallback.serving.as_str(),
            since: fallback.serving.since().map(Version::number),
            cause: fallback.why.cause.to_string(),
            diagnostics: fallback
                .why
                .diagnostics
                .iter()
                .take(FINDINGS_MAX)
                .map(Finding::of)
                .collect(),
        }
    }
}

/// Maps with keys that are text, numbers and lists always serialize.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
