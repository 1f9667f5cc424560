//! What an engine counts, as metrics: [`Metrics`].
//!
//! Every name begins with `hotplate_` and says its unit; every label value that can occur is there from the start, with zero.
//! Names of templates are never labels: there may be a million. `docs/metrics.md` lists everything.

mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hotplate_actors::{ActorState, Counters, Health, Hotplate, WatchMode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

#[cfg(feature = "guard")]
use crate::guard::{ConnectionCounters, Connections};
use writer::Writer;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one engine, read when they are asked for. A clone shows the same.
///
/// ```
/// use hotplate::metrics::Metrics;
/// # let (loader, memory) = hotplate::MemoryLoader::new();
/// # memory.set(hotplate::TemplateName::new("hello.html")?, "Hello!");
/// # let hotplate = hotplate::Hotplate::builder().loader(loader).start()?;
///
/// hotplate.render("hello.html", &())?;
/// let text = Metrics::new(hotplate).text();
/// assert!(text.contains("hotplate_renders_total{outcome=\"current\"} 1\n"));
/// assert!(text.contains("hotplate_renders_total{outcome=\"failed\"} 0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Metrics {
    hotplate: Hotplate,
    configuration: Arc<Configuration>,
    dropped_lines: DroppedLines,
    #[cfg(feature = "guard")]
    listeners: Vec<(&'static str, ConnectionCounters)>,
}

/// Streams, and how many lines of each were dropped.
type DroppedLines = fn() -> [(&'static str, u64); 2];

/// What became of the last attempt to read the configuration anew.
#[derive(Debug)]
struct Configuration {
    /// Milliseconds since 1970 of the last success, and in the lowest bit whether the last attempt was one.
    state: AtomicU64,
}

impl Metrics {
    /// The metrics of an engine. Its configuration counts as read successfully now.
    #[must_use]
    pub fn new(hotplate: Hotplate) -> Self {
        let configuration = Configuration {
            state: AtomicU64::new(now_ms() << 1 | 1),
        };
        Self {
            hotplate,
            configuration: Arc::new(configuration),
            dropped_lines: || [("stdout", 0), ("stderr", 0)],
            #[cfg(feature = "guard")]
            listeners: Vec::new(),
        }
    }

    /// Says how many lines of stdout and of the log were dropped because nobody read them, for
    /// `hotplate_output_dropped_lines_total`: `read` answers that by stream. Without this they are none.
    #[must_use]
    pub fn dropped_lines(mut self, read: fn() -> [(&'static str, u64); 2]) -> Self {
        self.dropped_lines = read;
        self
    }

    /// Adds the connections of a listener, for the metrics `hotplate_connections_…{listener}`.
    #[cfg(feature = "guard")]
    #[must_use]
    pub fn listener(mut self, name: &'static str, counters: ConnectionCounters) -> Self {
        self.listeners.push((name, counters));
        self
    }

    /// Every listener, with its connections.
    #[cfg(feature = "admin")]
    pub(crate) fn connections(&self) -> impl Iterator<Item = (&'static str, Connections)> {
        self.listeners.iter().map(|(name, counters)| (*name, counters.read()))
    }

    /// Says what became of reading the configuration anew, for `hotplate_config_last_reload_successful`.
    pub fn configuration_reloaded(&self, successfully: bool) {
        let state = &self.configuration.state;
        if successfully {
            state.store(now_ms() << 1 | 1, Ordering::Relaxed);
        } else {
            state.fetch_and(!1, Ordering::Relaxed);
        }
    }

    /// Adds everything to a registry of your own.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// Everything as OpenMetrics text, for [`CONTENT_TYPE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut writer = Writer(encoder);
        let (counters, health) = (self.hotplate.counters(), self.hotplate.health());
        writer.info(
            "hotplate_build",
            "What is running",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )?;
        writer.seconds(
            "hotplate_start_timestamp",
            "When the engine was started, since 1970",
            seconds(counters.started_ms),
        )?;
        renders(&mut writer, &counters)?;
        reloads(&mut writer, &counters)?;
        configuration(&mut writer, self.configuration.state.load(Ordering::Relaxed))?;
        writer.counters(
            "hotplate_output_dropped_lines",
            "Lines of output that were dropped because nobody read them",
            (self.dropped_lines)().map(|(stream, lines)| ([("stream", stream.into())], lines)),
        )?;
        served(&mut writer, &counters)?;
        compiles(&mut writer, &counters)?;
        actors(&mut writer, &health)?;
        doors(&mut writer, &health)?;
        #[cfg(feature = "guard")]
        if !self.listeners.is_empty() {
            connections(&mut writer, &self.listeners)?;
        }
        loaders(&mut writer, &health)
    }
}

fn renders(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    let outcomes = counters
        .renders
        .iter()
        .map(|(outcome, count)| ([("outcome", outcome.as_str().into())], *count));
    writer.counters("hotplate_renders", "Renders by what came of them", outcomes)?;
    writer.histogram(
        "hotplate_render_duration",
        "How long renders took",
        &counters.render_seconds,
    )?;
    writer.counter(
        "hotplate_renders_rescued",
        "Renders of an edit that compiles and failed, answered from an older version",
        counters.renders_rescued,
    )?;
    writer.counter(
        "hotplate_breaker_opened",
        "Templates that failed so often, at such a cost, that they are not tried each time",
        counters.breaker_opened,
    )?;
    writer.counter(
        "hotplate_breaker_probes",
        "Renders that tried such a template again",
        counters.breaker_probes,
    )?;
    writer.gauge(
        "hotplate_breakers_open",
        "Templates that are not tried each time now",
        counters.breakers_open as u64,
    )
}

fn reloads(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    let reloads = &counters.reloads;
    writer.counter(
        "hotplate_reload_attempts",
        "Batches of edits, and reloads that were asked for",
        reloads.attempts,
    )?;
    writer.counter(
        "hotplate_reload_success",
        "Reloads that went through",
        reloads.successes,
    )?;
    writer.counter(
        "hotplate_reload_failure",
        "Reloads whose sources were not readable, or that were lost",
        reloads.failures,
    )?;
    writer.counter(
        "hotplate_reload_rejected",
        "Reloads of which something was held back",
        reloads.rejections,
    )?;
    let successful = reloads.last.is_none_or(|last| last.is_success());
    writer.gauge(
        "hotplate_reload_last_successful",
        "Whether the last reload went through",
        u64::from(successful),
    )?;
    let last = reloads.last_success_ms.unwrap_or_default();
    writer.seconds(
        "hotplate_reload_last_success_timestamp",
        "When the last reload went through, since 1970",
        seconds(last),
    )?;
    writer.histogram(
        "hotplate_reload_duration",
        "From noticing an edit to the swap that shows it",
        &counters.publish_seconds,
    )
}

fn configuration(writer: &mut Writer<'_>, state: u64) -> fmt::Result {
    writer.gauge(
        "hotplate_config_last_reload_successful",
        "Whether the configuration was read when it was read last",
        state & 1,
    )?;
    writer.seconds(
        "hotplate_config_last_reload_success_timestamp",
        "When the configuration was read last, since 1970",
        seconds(state >> 1),
    )
}

fn served(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    writer.gauge(
        "hotplate_live_version",
        "What is served",
        counters.live_version.number(),
    )?;
    writer.gauge(
        "hotplate_desired_version",
        "What the sources ask for: the live version, or one more while something is held back",
        counters.desired_version.number(),
    )?;
    writer.gauge(
        "hotplate_held",
        "Whether an earlier version is held, so that edits wait",
        u64::from(counters.held),
    )?;
    let entries = &counters.entries;
    let entries = [
        ("current", entries.current),
        ("stale", entries.stale),
        ("broken", entries.broken),
    ];
    let entries = entries.map(|(stands, count)| ([("standing", stands.into())], count as u64));
    writer.gauges("hotplate_entries", "Templates by how they stand", entries)?;
    writer.gauge(
        "hotplate_snapshots_live",
        "Versions in memory, old ones that somebody holds included",
        counters.snapshots_live as u64,
    )?;
    writer.gauge(
        "hotplate_snapshots_live_high_water",
        "The most versions in memory at once",
        counters.snapshots_high_water as u64,
    )
}

fn compiles(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    let failures = counters
        .compile_failures
        .iter()
        .map(|(code, count)| ([("code", (*code).into())], *count));
    writer.counters(
        "hotplate_compile_failures",
        "Findings that kept a text from being served, by code",
        failures,
    )?;
    writer.counter(
        "hotplate_compile_cache_hits",
        "Texts that were compiled before",
        counters.compile_cache.hits,
    )?;
    writer.counter(
        "hotplate_compile_cache_misses",
        "Texts that had to be compiled",
        counters.compile_cache.misses,
    )
}

fn actors(writer: &mut Writer<'_>, health: &Health) -> fmt::Result {
    writer.gauge(
        "hotplate_ready",
        "Whether edits come through and renders are answered",
        u64::from(health.ready),
    )?;
    writer.gauge(
        "hotplate_degraded",
        "Whether something does not work although it is ready: an actor of yours that was given up, threads that hang",
        u64::from(!health.degraded.is_empty()),
    )?;
    let each = || {
        let actors = health.actors.iter();
        actors.map(|actor| {
            (
                actor,
                [
                    ("actor", actor.actor.into()),
                    ("number", actor.number.to_string().into()),
                ],
            )
        })
    };
    let up = each().map(|(actor, labels)| (labels, u64::from(actor.state == ActorState::Up)));
    writer.gauges("hotplate_actor_up", "Whether an actor serves", up)?;
    let restarts = each().map(|(actor, labels)| (labels, actor.restarts));
    writer.counters(
        "hotplate_actor_restarts",
        "How often an actor was started again",
        restarts,
    )?;
    let backlog = each().map(|(actor, labels)| (labels, actor.backlog as u64));
    writer.gauges("hotplate_actor_backlog", "Messages that wait for an actor", backlog)?;
    let quarantined = each().map(|(actor, labels)| (labels, actor.quarantined as u64));
    writer.gauges(
        "hotplate_actor_quarantined_threads",
        "Threads of an actor that hang and were replaced",
        quarantined,
    )
}

fn doors(writer: &mut Writer<'_>, health: &Health) -> fmt::Result {
    let each = || {
        health
            .mailboxes
            .iter()
            .map(|door| (door, [("door", door.mailbox.into())]))
    };
    let inside = each().map(|(door, labels)| (labels, door.in_flight as u64));
    writer.gauges("hotplate_door_inside", "Calls that wait or are under way", inside)?;
    let capacity = each().map(|(door, labels)| (labels, door.capacity as u64));
    writer.gauges(
        "hotplate_door_capacity",
        "Calls that may wait or be under way",
        capacity,
    )?;
    let busy = each().map(|(door, labels)| (labels, door.busy));
    writer.counters(
        "hotplate_door_busy",
        "Calls that were turned away because too many were under way",
        busy,
    )?;
    let timeouts = each().map(|(door, labels)| (labels, door.timeouts));
    writer.counters("hotplate_door_timeouts", "Calls that had no answer in time", timeouts)?;
    let lost = each().map(|(door, labels)| (labels, door.lost));
    writer.counters("hotplate_door_lost", "Calls that an actor failed with", lost)
}

#[cfg(feature = "guard")]
fn connections(writer: &mut Writer<'_>, listeners: &[(&'static str, ConnectionCounters)]) -> fmt::Result {
    let read: Vec<(&str, Connections)> = listeners
        .iter()
        .map(|(name, counters)| (*name, counters.read()))
        .collect();
    let each = || {
        read.iter()
            .map(|(name, connections)| (connections, [("listener", (*name).into())]))
    };
    let open = each().map(|(connections, labels)| (labels, connections.open as u64));
    writer.gauges("hotplate_connections_open", "Connections that are open", open)?;
    let capacity = each().map(|(connections, labels)| (labels, connections.capacity as u64));
    writer.gauges(
        "hotplate_connections_capacity",
        "Connections that may be open at once; more wait in the kernel",
        capacity,
    )?;
    let ended = read.iter().flat_map(|(name, connections)| {
        connections.ended.iter().map(|(reason, count)| {
            let labels = [("listener", (*name).into()), ("reason", reason.as_str().into())];
            (labels, *count)
        })
    });
    writer.counters(
        "hotplate_connections_ended",
        "Connections that the server ended because of what their clients did, or did not",
        ended,
    )?;
    let refused = each().map(|(connections, labels)| (labels, connections.refused));
    writer.counters(
        "hotplate_answers_refused",
        "Requests that were answered 503 because answers that wait for their clients used up `buffered_bytes`",
        refused,
    )
}

fn loaders(writer: &mut Writer<'_>, health: &Health) -> fmt::Result {
    let each = || {
        let loaders = health.loaders.iter().enumerate();
        loaders.map(|(number, loader)| (&loader.status, [("loader", number.to_string().into())]))
    };
    let modes = health.loaders.iter().enumerate().flat_map(|(number, loader)| {
        WatchMode::ALL.into_iter().map(move |mode| {
            let labels = [("loader", number.to_string().into()), ("mode", mode.as_str().into())];
            (labels, u64::from(loader.status.watch_mode == mode))
        })
    });
    writer.gauges(
        "hotplate_watch_mode",
        "By what means a loader learns of changes: 1 for the mode it is in",
        modes,
    )?;
    let files = each().map(|(loader, labels)| (labels, loader.files));
    writer.gauges("hotplate_loader_files", "Files that a loader knows", files)?;
    let directories = each().map(|(loader, labels)| (labels, loader.directories));
    writer.gauges(
        "hotplate_loader_directories",
        "Directories that are watched for a loader",
        directories,
    )?;
    let unreadable = each().map(|(loader, labels)| (labels, loader.unreadable));
    writer.gauges(
        "hotplate_loader_unreadable_files",
        "Files that are there and cannot be read",
        unreadable,
    )?;
    let missing = each().map(|(loader, labels)| (labels, u64::from(!loader.missing.is_empty())));
    writer.gauges(
        "hotplate_loader_root_missing",
        "Whether the root of a loader is missing",
        missing,
    )?;
    let overflows = each().map(|(loader, labels)| (labels, loader.overflows));
    writer.counters(
        "hotplate_loader_overflows",
        "How often a queue of events overflowed",
        overflows,
    )?;
    let reconciles = each().map(|(loader, labels)| (labels, loader.reconciles));
    writer.counters(
        "hotplate_loader_reconciles",
        "How often a loader looked at everything",
        reconciles,
    )?;
    let missed = each().map(|(loader, labels)| (labels, loader.missed_by_events));
    writer.counters(
        "hotplate_loader_missed_by_events",
        "Changes that such a look found and no event had told",
        missed,
    )?;
    let still_written = each().map(|(loader, labels)| (labels, loader.still_written));
    writer.counters(
        "hotplate_loader_still_written",
        "How often a file was still being written after it had been waited for",
        still_written,
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 are exact for 285,000 years"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX >> 1)
}
