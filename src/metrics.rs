//! [`Metrics`]: the counters and the health of an engine as metrics.
//!
//! Every name begins with `hotplate_` and ends with its unit. Every label value exists from the start, with zero. Names of templates are
//! never labels, because there may be a million. `docs/metrics.md` lists all metrics.

mod stages;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hotplate_actors::{ActorState, AuditHealth, Counters, Health, Hotplate, StoreHealth, WatchMode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

#[cfg(feature = "guard")]
use crate::guard::{ConnectionCounters, Connections};
use writer::Writer;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one engine, which are read when they are exported. A clone exports the same metrics.
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

/// Returns the number of dropped lines of each output stream.
type DroppedLines = fn() -> [(&'static str, u64); 2];

/// The result of the last reload of the configuration.
#[derive(Debug)]
struct Configuration {
    /// The time of the last success in milliseconds since 1970, shifted left by one. The lowest bit is set if the last attempt succeeded.
    /// Both are in one atomic number, so that a reader always gets both of the same reload.
    state: AtomicU64,
}

impl Metrics {
    /// Creates the metrics of an engine. Its configuration counts as read successfully now.
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

    /// Sets the source of `hotplate_output_dropped_lines_total`: `read` returns the number of lines of stdout and of the log on stderr that
    /// were dropped because they were not read. Without it the metric stays at zero.
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

    /// Returns the connections of each listener.
    #[cfg(feature = "admin")]
    pub(crate) fn connections(&self) -> impl Iterator<Item = (&'static str, Connections)> {
        self.listeners.iter().map(|(name, counters)| (*name, counters.read()))
    }

    /// Reports a reload of the configuration, for `hotplate_config_last_reload_successful`.
    pub fn configuration_reloaded(&self, successfully: bool) {
        let state = &self.configuration.state;
        if successfully {
            state.store(now_ms() << 1 | 1, Ordering::Relaxed);
        } else {
            state.fetch_and(!1, Ordering::Relaxed);
        }
    }

    /// Adds all metrics to a registry of your own.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// Returns all metrics as OpenMetrics text, whose content type is [`CONTENT_TYPE`].
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
            "The version of hotplate",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )?;
        writer.seconds(
            "hotplate_start_timestamp",
            "Start of the engine, since 1970",
            seconds(counters.started_ms),
        )?;
        renders(&mut writer, &counters)?;
        reloads(&mut writer, &counters)?;
        configuration(&mut writer, self.configuration.state.load(Ordering::Relaxed))?;
        writer.counters(
            "hotplate_output_dropped_lines",
            "Lines of output that were dropped because they were not read",
            (self.dropped_lines)().map(|(stream, lines)| ([("stream", stream.into())], lines)),
        )?;
        served(&mut writer, &counters)?;
        compiles(&mut writer, &counters)?;
        actors(&mut writer, &health)?;
        mailboxes(&mut writer, &health)?;
        stages::write(&mut writer, &self.hotplate.stages())?;
        #[cfg(feature = "guard")]
        if !self.listeners.is_empty() {
            connections(&mut writer, &self.listeners)?;
        }
        if let Some(store) = &health.store {
            stored(&mut writer, store)?;
        }
        if let Some(audit) = &health.audit {
            audited(&mut writer, audit)?;
        }
        loaders(&mut writer, &health)
    }
}

fn audited(writer: &mut Writer<'_>, audit: &AuditHealth) -> fmt::Result {
    writer.counter(
        "hotplate_audit_records",
        "Records written to the audit log",
        audit.written,
    )?;
    writer.counter(
        "hotplate_audit_lost",
        "Records that were dropped, because the audit log could not be written",
        audit.lost,
    )?;
    writer.counter(
        "hotplate_audit_failures",
        "Attempts to write the audit log that failed",
        audit.failures,
    )?;
    writer.gauge(
        "hotplate_audit_failed",
        "Whether the last attempt failed",
        u64::from(audit.error.is_some()),
    )
}

fn stored(writer: &mut Writer<'_>, store: &StoreHealth) -> fmt::Result {
    writer.gauge(
        "hotplate_store_durable_version",
        "The last version that is durable in the store",
        store.durable.unwrap_or_default().number(),
    )?;
    writer.gauge("hotplate_store_lag", "Versions that were published since", store.lag)?;
    writer.counter("hotplate_store_writes", "Versions that were stored", store.writes)?;
    writer.counter(
        "hotplate_store_skipped",
        "Versions that were not stored by themselves, because a later one was published before",
        store.skipped,
    )?;
    writer.counter(
        "hotplate_store_failures",
        "Attempts to store a version that failed",
        store.failures,
    )?;
    writer.counter(
        "hotplate_store_repaired",
        "Stored texts that were changed or removed while the process ran, and were written again",
        store.repaired,
    )?;
    writer.gauge(
        "hotplate_store_failed",
        "Whether the last attempt failed",
        u64::from(store.error.is_some()),
    )?;
    writer.gauge(
        "hotplate_store_sources_not_loaded",
        "Loaders that could not be loaded since the start, so that their stored templates are served",
        store.not_loaded.len() as u64,
    )
}

fn renders(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    let outcomes = counters
        .renders
        .iter()
        .map(|(outcome, count)| ([("outcome", outcome.as_str().into())], *count));
    writer.counters("hotplate_renders", "Renders by outcome", outcomes)?;
    writer.histogram(
        "hotplate_render_duration",
        "Duration of renders",
        &counters.render_seconds,
    )?;
    writer.counter(
        "hotplate_renders_rescued",
        "Renders of an edit that compiles and failed, answered from an older version",
        counters.renders_rescued,
    )?;
    writer.counter(
        "hotplate_breaker_opened",
        "Circuit breakers that opened, because a template failed too often at too high a cost",
        counters.breaker_opened,
    )?;
    writer.counter(
        "hotplate_breaker_probes",
        "Renders that probed a template whose circuit breaker is open",
        counters.breaker_probes,
    )?;
    writer.gauge(
        "hotplate_breakers_open",
        "Templates whose circuit breaker is open",
        counters.breakers_open as u64,
    )
}

fn reloads(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    let reloads = &counters.reloads;
    writer.counter(
        "hotplate_reload_attempts",
        "Batches of edits, and requested reloads",
        reloads.attempts,
    )?;
    writer.counter("hotplate_reload_success", "Reloads that succeeded", reloads.successes)?;
    writer.counter(
        "hotplate_reload_failure",
        "Reloads whose sources could not be read, or that were lost",
        reloads.failures,
    )?;
    writer.counter(
        "hotplate_reload_rejected",
        "Reloads that were rejected as a whole or in part",
        reloads.rejections,
    )?;
    let successful = reloads.last.is_none_or(|last| last.is_success());
    writer.gauge(
        "hotplate_reload_last_successful",
        "Whether the last reload succeeded",
        u64::from(successful),
    )?;
    let last = reloads.last_success_ms.unwrap_or_default();
    writer.seconds(
        "hotplate_reload_last_success_timestamp",
        "Time of the last successful reload, since 1970",
        seconds(last),
    )?;
    writer.histogram(
        "hotplate_reload_duration",
        "Time from noticing an edit to the swap that shows it",
        &counters.publish_seconds,
    )
}

fn configuration(writer: &mut Writer<'_>, state: u64) -> fmt::Result {
    writer.gauge(
        "hotplate_config_last_reload_successful",
        "Whether the last reload of the configuration succeeded",
        state & 1,
    )?;
    writer.seconds(
        "hotplate_config_last_reload_success_timestamp",
        "Time of the last successful reload of the configuration, since 1970",
        seconds(state >> 1),
    )
}

fn served(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    writer.gauge(
        "hotplate_live_version",
        "The version that is served",
        counters.live_version.number(),
    )?;
    writer.gauge(
        "hotplate_desired_version",
        "The version of the sources: the live version, or one more while a template is stale or broken",
        counters.desired_version.number(),
    )?;
    writer.gauge(
        "hotplate_held",
        "Whether the newest text of a template waits because an operator rolled back",
        u64::from(counters.held),
    )?;
    writer.gauge(
        "hotplate_waiting_templates",
        "Templates whose newest text waits because an operator rolled back",
        counters.waiting as u64,
    )?;
    let entries = &counters.entries;
    let entries = [
        ("current", entries.current),
        ("stale", entries.stale),
        ("broken", entries.broken),
    ];
    let entries = entries.map(|(status, count)| ([("status", status.into())], count as u64));
    writer.gauges("hotplate_entries", "Templates by status", entries)?;
    writer.gauge(
        "hotplate_snapshots_live",
        "Versions in memory, including old ones that are still in use",
        counters.snapshots_live as u64,
    )?;
    writer.gauge(
        "hotplate_snapshots_live_high_water",
        "The most versions in memory at once",
        counters.snapshots_high_water as u64,
    )?;
    writer.gauge(
        "hotplate_snapshots_leaked",
        "Versions that are no longer served and held in memory for too long",
        counters.snapshots_leaked as u64,
    )
}

fn compiles(writer: &mut Writer<'_>, counters: &Counters) -> fmt::Result {
    let failures = counters
        .compile_failures
        .iter()
        .map(|(code, count)| ([("code", (*code).into())], *count));
    writer.counters(
        "hotplate_compile_failures",
        "Errors that kept a text from being served, by code",
        failures,
    )?;
    writer.counter(
        "hotplate_compile_cache_hits",
        "Texts whose compiled form was in the cache",
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
        "Whether edits are published and pages are served",
        u64::from(health.ready),
    )?;
    writer.gauge(
        "hotplate_degraded",
        "Whether a part does not work although the engine is ready: an actor of yours has reached its restart limit, or threads hang",
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
    writer.gauges("hotplate_actor_up", "Whether an actor is up", up)?;
    let restarts = each().map(|(actor, labels)| (labels, actor.restarts));
    writer.counters("hotplate_actor_restarts", "Restarts of an actor", restarts)?;
    let backlog = each().map(|(actor, labels)| (labels, actor.backlog as u64));
    writer.gauges(
        "hotplate_actor_backlog",
        "Messages that wait in the mailbox of an actor",
        backlog,
    )?;
    let quarantined = each().map(|(actor, labels)| (labels, actor.quarantined as u64));
    writer.gauges(
        "hotplate_actor_quarantined_threads",
        "Threads of an actor that hang and were replaced",
        quarantined,
    )
}

fn mailboxes(writer: &mut Writer<'_>, health: &Health) -> fmt::Result {
    let each = || {
        health
            .mailboxes
            .iter()
            .map(|mailbox| (mailbox, [("mailbox", mailbox.mailbox.into())]))
    };
    let in_flight = each().map(|(mailbox, labels)| (labels, mailbox.in_flight as u64));
    writer.gauges("hotplate_mailbox_in_flight", "Messages in flight", in_flight)?;
    let capacity = each().map(|(mailbox, labels)| (labels, mailbox.capacity as u64));
    writer.gauges(
        "hotplate_mailbox_capacity",
        "Messages that may be in flight at once",
        capacity,
    )?;
    let rejected = each().map(|(mailbox, labels)| (labels, mailbox.busy));
    writer.counters(
        "hotplate_mailbox_rejected",
        "Messages that were rejected because the mailbox was full",
        rejected,
    )?;
    let timeouts = each().map(|(mailbox, labels)| (labels, mailbox.timeouts));
    writer.counters("hotplate_mailbox_timeouts", "Messages that timed out", timeouts)?;
    let lost = each().map(|(mailbox, labels)| (labels, mailbox.lost));
    writer.counters(
        "hotplate_mailbox_lost",
        "Messages that were lost to a fault of an actor",
        lost,
    )
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
    writer.gauges("hotplate_connections_open", "Open connections", open)?;
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
        "Connections that the server closed because of slow clients, by reason",
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
        "The way in which a loader learns of changes: 1 for its current mode",
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
        "Files that exist and cannot be read",
        unreadable,
    )?;
    let missing = each().map(|(loader, labels)| (labels, u64::from(!loader.missing.is_empty())));
    writer.gauges(
        "hotplate_loader_root_missing",
        "Whether the root of a loader is missing",
        missing,
    )?;
    let failing = health.loaders.iter().enumerate().map(|(number, loader)| {
        let labels = [("loader", number.to_string().into())];
        (labels, u64::from(loader.error.is_some()))
    });
    writer.gauges(
        "hotplate_loader_failing",
        "Whether the last sync of a loader failed",
        failing,
    )?;
    let replaced = health.loaders.iter().enumerate().map(|(number, loader)| {
        let labels = [("loader", number.to_string().into())];
        (labels, loader.replaced)
    });
    writer.counters(
        "hotplate_loader_replaced",
        "Loaders that hung or panicked and were replaced",
        replaced,
    )?;
    let overflows = each().map(|(loader, labels)| (labels, loader.overflows));
    writer.counters("hotplate_loader_overflows", "Overflows of event queues", overflows)?;
    let reconciles = each().map(|(loader, labels)| (labels, loader.reconciles));
    writer.counters("hotplate_loader_reconciles", "Full scans of a loader", reconciles)?;
    let missed = each().map(|(loader, labels)| (labels, loader.missed_by_events));
    writer.counters(
        "hotplate_loader_missed_by_events",
        "Changes that a full scan found and no event had reported",
        missed,
    )?;
    let still_written = each().map(|(loader, labels)| (labels, loader.still_written));
    writer.counters(
        "hotplate_loader_still_written",
        "Files that were still being written after `settle_max_ms`",
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

/// Returns the current time in milliseconds since 1970. It leaves the highest bit free.
pub(crate) fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX >> 1)
}
