//! Forwards the events of the engine to the clients of the listener.
//!
//! One task subscribes to the engine and writes each event once, into the feed of the API and into the feed of dashboards
//! ([`EventFeed`](super::feed::EventFeed)), from which all clients read. Once in a second it also takes a reading of the counters, because
//! some changes cause no event, such as a template that renders successfully again with other data.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix_web::rt;
use hotplate_actors::Event;
use hotplate_actors::counters::{Publication, StatusCounters};

use super::model::{ActorFailedEvent, FallbackEvent, HealthAnswer, PublicationAnswer};
use super::state::{AdminState, json};
use super::vitals::VitalsView;
use crate::metrics::now_ms;

/// The time between two readings of the counters.
const READING_INTERVAL: Duration = Duration::from_secs(1);

/// The time in which events are gathered for dashboards.
const GATHER: Duration = Duration::from_millis(25);

/// Waits for a time, for ever if there is none.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => rt::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Forwards events until the listener ends, which drops the state.
pub(super) async fn run(state: Weak<AdminState>) {
    let Some(mut subscription) = state.upgrade().map(|state| state.hotplate.subscribe()) else {
        return;
    };
    let mut interval = rt::time::interval(READING_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut forwarder = Forwarder::default();
    let mut has_ended = false;
    // The time at which dashboards are informed of the events so far. Many events at once, such as the failures of all pages of a partial,
    // are one, so that no dashboard falls behind and has to connect again.
    let mut inform_at: Option<Instant> = None;
    loop {
        let event = tokio::select! {
            () = reached(inform_at) => {
                inform_at = None;
                let Some(state) = state.upgrade() else { return };
                state.dashboard_events.send("changed", "{}");
                continue;
            }
            event = subscription.next(), if !has_ended => match event {
                Some(event) => Some(event),
                None => { has_ended = true; continue }
            },
            _ = interval.tick() => None,
        };
        let Some(state) = state.upgrade() else { return };
        match event {
            Some(event) => {
                Forwarder::forward(&state, &event);
                inform_at.get_or_insert_with(|| Instant::now() + GATHER);
            }
            None => forwarder.take_reading(&state),
        }
    }
}

/// The memory of the task: the state at the last reading.
#[derive(Default)]
struct Forwarder {
    last: Option<(HealthAnswer, StatusCounters, usize)>,
    /// The failed answers of visitors in words.
    failures: String,
}

impl Forwarder {
    /// Sends the current figures to dashboards, and `changed` if the health or the number of templates by status differs.
    fn take_reading(&mut self, state: &AdminState) {
        let counters = state.hotplate.counters();
        state.vitals.take(&counters, Instant::now());
        let visitors = state.visitors();
        let vitals = VitalsView::of(&state.vitals.vitals(&counters), visitors);
        state.dashboard_events.send("vitals", &json(&vitals));
        let health = state.health();
        // Backlogs and counts of connections change all the time and are left out.
        let shown = |health: &HealthAnswer| {
            let actors = health.actors.iter().map(|actor| (actor.state, actor.restarts));
            (
                health.ready,
                health.reasons.clone(),
                health.degraded.clone(),
                actors.collect::<Vec<_>>(),
                health.breakers.clone(),
            )
        };
        let differs = |(last, entries, waiting): &(HealthAnswer, StatusCounters, usize)| {
            shown(last) != shown(&health) || *entries != counters.entries || *waiting != counters.waiting
        };
        // While visitors get failures, the counts on the page change with each reading.
        let answers = visitors.failures();
        if self.last.as_ref().is_some_and(differs) || answers != self.failures {
            self.failures = answers;
            state.dashboard_events.send("changed", "{}");
        }
        self.last = Some((health, counters.entries, counters.waiting));
    }

    fn forward(state: &AdminState, event: &Event) {
        match event {
            Event::Published(published) => {
                let publications = state.hotplate.publications();
                let publication = publications
                    .into_iter()
                    .find(|known| known.published.version == published.version);
                let publication = publication.unwrap_or_else(|| Publication {
                    at_ms: now_ms(),
                    held: false,
                    published: Arc::clone(published),
                });
                let answer = PublicationAnswer::of(&publication, true);
                state.events.send("published", &json(&answer));
            }
            // The event of the API is about what everyone gets.
            Event::Fallback(fallback) if fallback.scope.is_some() => {}
            Event::Fallback(fallback) => state.events.send("fallback", &json(&FallbackEvent::of(fallback))),
            Event::ActorFailed(fault) => {
                let failed = ActorFailedEvent::new(fault.actor, fault.message.clone());
                state.events.send("actor-failed", &json(&failed));
            }
            // The API has no such event; dashboards fetch their page again.
            Event::Fixed(_) => {}
            // For any other event the current state is sent, which suffices. After `Lagged` it replaces the events that were missed.
            _ => state.events.send("current", &json(&state.current())),
        }
    }
}
