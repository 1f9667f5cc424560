//! [`AdminState`]: the state that all requests of the listener share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{rt, web};
use hotplate_actors::snapshot::EntryStatus;
use hotplate_actors::{Hotplate, TemplateName};
use serde::Serialize;

use super::access::Access;
use super::feed::EventFeed;
use super::hooks::{HookHints, HookSecret};
use super::idempotency::IdempotencyStore;
use super::limits::AdminLimits;
use super::model::{CurrentAnswer, FINDINGS_MAX, Finding, HealthAnswer, VersionAnswer};
use super::page_renderer::PageRenderer;
use super::previews::PreviewStore;
use super::problem::Problem;
use super::rate::TokenBucket;
use super::stream::ClientSlots;
use super::visitors::Visitors;
use super::vitals::VitalsHistory;
use super::{AdminError, LogLevel};
use crate::guard::ConnectionCounters;
use crate::metrics::{Metrics, now_ms};

/// Events that are kept for dashboards. A dashboard that is further behind fetches its page again and needs no older events.
const DASHBOARD_EVENTS: usize = 16;

/// The state that all requests of the listener share.
pub(super) struct AdminState {
    pub(super) hotplate: Hotplate,
    pub(super) metrics: Metrics,
    /// Counts the connections of this listener.
    pub(super) connections: ConnectionCounters,
    pub(super) access: Access,
    pub(super) limits: AdminLimits,
    pub(super) log: Option<Arc<dyn LogLevel>>,
    /// The configuration file of the program, if it named one.
    pub(super) configuration: Option<String>,
    pub(super) requests: TokenBucket,
    pub(super) unauthenticated: TokenBucket,
    pub(super) changes: TokenBucket,
    pub(super) idempotency: IdempotencyStore,
    pub(super) previews: PreviewStore,
    /// The secret of webhooks, if they are allowed.
    pub(super) hook_secret: Option<HookSecret>,
    pub(super) hook_hints: Arc<HookHints>,
    pub(super) client_slots: ClientSlots,
    /// The events of the API.
    pub(super) events: EventFeed,
    /// The events of dashboards: current figures, and `changed` when a page has to be fetched again.
    pub(super) dashboard_events: EventFeed,
    pub(super) vitals: VitalsHistory,
    pub(super) pages: PageRenderer,
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
        let vitals = VitalsHistory::default();
        vitals.take(&hotplate.counters(), now);
        let connections = ConnectionCounters::default();
        Ok(Self {
            requests: TokenBucket::new(limits.requests_per_second, limits.requests_burst, now),
            unauthenticated: TokenBucket::new(limits.unauthenticated_per_second, limits.unauthenticated_burst, now),
            changes: TokenBucket::new(limits.changes_per_second, limits.changes_burst, now),
            idempotency: IdempotencyStore::new(&limits),
            previews: PreviewStore::new(&limits),
            client_slots: ClientSlots::new(limits.event_clients),
            events: EventFeed::new(origin.clone(), limits.events, limits.events_bytes),
            dashboard_events: EventFeed::new(origin, DASHBOARD_EVENTS, limits.events_bytes),
            pages: PageRenderer::start().map_err(|error| AdminError::Dashboard(error.to_string()))?,
            vitals,
            hotplate,
            metrics: metrics.listener("admin", connections.clone()),
            connections,
            access,
            limits,
            log,
            configuration: None,
            hook_secret: None,
            hook_hints: Arc::default(),
        })
    }

    /// Returns the health of the engine and of its listeners.
    pub(super) fn health(&self) -> HealthAnswer {
        HealthAnswer::of(
            self.hotplate.health(),
            &self.hotplate.breakers(),
            self.metrics.connections(),
        )
    }

    /// Returns the answers that visitors got in the last seconds.
    pub(super) fn visitors(&self) -> Visitors {
        self.vitals.visitors(&self.hotplate.counters(), Instant::now())
    }

    /// Returns the template that a name means: the name itself or, if there is no such template, an existing name whose accents are encoded
    /// differently. Pages are found in the same way.
    pub(super) fn equivalent_name(&self, name: TemplateName) -> TemplateName {
        let pinned = self.hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let status = snapshot.id(name.as_str()).map(|id| snapshot.status(id));
        match status {
            None | Some(EntryStatus::Gone) => snapshot.equivalent(name.as_str()).unwrap_or(name),
            Some(_) => name,
        }
    }

    /// Returns the version that is served.
    pub(super) fn version(&self) -> VersionAnswer {
        let digest = self.hotplate.snapshot().snapshot().digest();
        VersionAnswer::of(&self.hotplate.counters(), digest.to_string())
    }

    /// Returns the state from which a client of events begins.
    pub(super) fn current(&self) -> CurrentAnswer {
        let diagnostics = self.hotplate.diagnostics();
        CurrentAnswer {
            version: self.version(),
            diagnostics: diagnostics.iter().take(FINDINGS_MAX).map(Finding::of).collect(),
        }
    }

    /// Waits for a call to the engine, for `call_ms` at most.
    pub(super) async fn ask<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        let limit_ms = self.limits.call_ms;
        let answered = rt::time::timeout(Duration::from_millis(limit_ms), call).await;
        Ok(answered.map_err(|_| Problem::engine_timeout(limit_ms))??)
    }

    /// Runs a long computation on a thread for blocking work, for `call_ms` at most.
    pub(super) async fn work<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.ask(web::block(run)).await
    }
}

/// Serializes a value. This does not fail for maps whose keys are text, for numbers and for lists.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
