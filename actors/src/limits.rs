//! [`Limits`]: every limit of an engine, with its unit, its default and the reason for it.

use std::time::Duration;

/// The limits of an engine. Everything is bounded; each field has a default, and a service sets the fields for which it needs other values.
///
/// ```
/// use hotplate_actors::Limits;
///
/// let limits = Limits { output_bytes: 64 * 1024 * 1024, ..Limits::default() };
/// assert_eq!(limits.source_bytes, 1024 * 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    // --- a source ---
    /// Size of one template in bytes. 1 MiB is fifty times a large page; checking a megabyte costs tens of megabytes.
    pub source_bytes: usize,
    /// Tags in one template. Bounds the memory of a compiled template.
    pub source_tags: usize,
    /// Blocks open at once in one template. Bounds the scopes of a compiled template.
    pub source_nesting: usize,
    /// Bytes that the check by the tinytemplate crate would scan again because many tags are on one line: its cost is quadratic in the
    /// length of a line. 64 MiB takes about 50 ms.
    pub source_rescan_bytes: usize,
    /// Diagnostics that are kept of one template. More of them do not help its author.
    pub source_diagnostics: usize,
    /// Names that were ever defined or called in one engine, including the data of pages. None is freed before the next start. Bounds ids,
    /// edges and the size of a complete batch.
    pub templates: usize,
    /// Tenants that have a text. A batch that brings more is refused.
    pub tenants: usize,
    /// Texts of one tenant, of all stages together. Further ones are broken, with an error that says so.
    pub tenant_templates: usize,
    /// Size in bytes of the compiled texts of one tenant. A text that would exceed it is broken, with an error that says so.
    pub tenant_bytes: u64,
    /// Depth of directories below a root. Deeper ones are left out with a remark. A name has room for 512 levels.
    pub directory_depth: usize,
    /// Directories below one root, each counted once for every link that leads to it. Each may need a watch of the kernel. Further ones are
    /// left out with a remark.
    pub directories: usize,
    /// Names in one directory, of any kind. A directory with more is not read, with a remark: its previous content is still served.
    pub directory_entries: usize,
    /// Size of all templates below one root in bytes. A text that would exceed it is not used, with a remark.
    pub tree_bytes: u64,
    /// Symbolic links on the way to one file, as many as the kernel follows. A link that needs more is left out with a remark.
    pub link_hops: usize,
    /// Size of one `.hotplateignore` in bytes. A larger one is not used, with a remark.
    pub ignore_bytes: usize,
    /// Remarks that are kept about files below one root, such as invalid names and links that are left out.
    pub remarks: usize,

    // --- a render ---
    /// Time of one attempt to render, in milliseconds. A deadline of the caller can only shorten it.
    pub render_ms: u64,
    /// Steps (loop iterations, calls and tags) of one attempt. At some nanoseconds each, this takes less than a second.
    pub render_steps: u64,
    /// Steps of a render in the thread of a web server's worker. A render that takes more starts again on the pool with a whole budget, so
    /// that it delays no other page. Pages of some hundred kilobytes take fewer.
    pub inline_steps: u64,
    /// Time of a render in the thread of a web server's worker, in milliseconds, for steps that take long.
    pub inline_ms: u64,
    /// Consecutive renders of a template that fail by time, steps, output, formatter or panic before its circuit breaker opens, and its last
    /// good version is rendered first. One that hangs is enough.
    pub breaker_failures: u32,
    /// Pause in milliseconds before a template with an open breaker is tried again. It doubles with each trial that fails.
    pub breaker_pause_ms: u64,
    /// Longest pause before a template with an open breaker is tried again, in milliseconds.
    pub breaker_pause_max_ms: u64,
    /// Size of the output of one render in bytes.
    pub output_bytes: usize,
    /// Depth of calls inside calls. Each level costs one or two kilobytes of stack.
    pub call_depth: u32,
    /// Size of a context in the arena of one render, in bytes; likewise that of the temporary values of its templates in Jinja.
    pub context_bytes: usize,
    /// Depth of a context, because `Serialize` recurses on the stack of the caller; likewise that of temporary values when they are printed or
    /// compared.
    pub context_depth: u32,

    // --- history and memory ---
    /// Earlier versions that are kept: for pages whose render fails after an edit that compiles, and for rolling back.
    pub history_versions: usize,
    /// Size in bytes of compiled texts that only these versions have. Beyond it the oldest versions are dropped; the last one stays.
    pub history_bytes: u64,
    /// Templates whose version before their last change is kept beyond `history_versions`, so that a burst of versions of other templates
    /// does not evict the last good one. Each costs the memory that its version does not share with others.
    pub last_good_templates: usize,
    /// Size in bytes of compiled texts that only these versions have. Beyond it, the versions of templates that changed longest ago are
    /// dropped. Such a template can fall back only to the versions of the history.
    pub last_good_bytes: u64,
    /// Size in bytes of the compiler's cache: compiled texts, and the diagnostics of texts that do not compile. A compiled text takes up to
    /// twenty times the size of its source.
    pub compile_cache_bytes: u64,
    /// Events that a subscriber may be behind before it loses the oldest and receives `Lagged`.
    pub subscriber_events: usize,
    /// Templates of each status that a report or an event names, and texts with faults that it describes. It counts all templates; queries
    /// return the others.
    pub event_names: usize,
    /// Templates whose faults in renders are remembered, so that each is reported and logged once. Beyond it, templates that are fixed are
    /// forgotten first, then the one that failed longest ago, which is reported again when it fails again.
    pub late_faults: usize,
    /// Size of these faults in bytes. Beyond it, the faults of the template that failed longest ago are forgotten. If one template alone
    /// exceeds it, further faults of that template are not remembered.
    pub late_faults_bytes: usize,
    /// Faults of templates that are logged within ten seconds. Further ones are counted in one line.
    pub logged_faults: usize,

    // --- previews and contracts ---
    /// Size of the texts of one preview in bytes, and separately of the outputs that its report keeps. A larger preview is refused; further
    /// outputs are counted and not kept.
    pub preview_bytes: usize,
    /// Entries that one preview renders with their samples. Further ones are counted.
    pub preview_renders: usize,
    /// Time in milliseconds after which a preview renders no further sample. Each render has the limits of a render besides.
    pub preview_ms: u64,
    /// Time in milliseconds for checking the contract of the entries that one batch may have changed. Entries that are left are published with
    /// a warning. Each sample has the limits of a render besides.
    pub contract_ms: u64,

    // --- queues and waiting ---
    /// Paths with a hint that are not synced yet. Beyond it the loader makes a full scan instead.
    pub hints: usize,
    /// `Render` messages in flight; one more is answered `Busy`.
    pub renders_in_flight: usize,
    /// `Reload` messages in flight; one more is answered `Busy`.
    pub reloads_in_flight: usize,
    /// Queries and commands (`history`, `edges`, `roll_back`, …) in flight; one more is answered `Busy`.
    pub queries_in_flight: usize,
    /// Threads of the Renderer. 0 is one per processor.
    pub render_threads: usize,
    /// Threads of the Renderer that renders of one template hold at most while its newest version has exceeded the limits of a render in
    /// place (`inline_steps`, `inline_ms`) and has not been rendered successfully since; its further renders wait. 0 is half of
    /// `render_threads`. It is one at least.
    pub unproven_threads: usize,
    /// Threads that compile. 0 is one per processor.
    pub compile_threads: usize,
    /// Time to wait after the last write to a file that was not closed, in milliseconds, because it may be half written.
    pub settle_ms: u64,
    /// Longest time to wait, without a warning, for a file that is still open for writing, in milliseconds. Then a warning says that it is
    /// still being written, and its last whole content is kept until it is closed or quiet; a new file has none and is used as it is.
    pub settle_max_ms: u64,
    /// Time that a file may be missing before it counts as deleted, in milliseconds, because editors remove and create files.
    pub grace_ms: u64,
    /// Time without a change after which the changes of a burst are published, in milliseconds. Changes of more than two templates without
    /// a quiet time (ten times this) between them are a burst; others are published at once. The time grows with the age of the burst: half of
    /// that, ten times this at most. 0 publishes each change at once.
    pub burst_quiet_ms: u64,
    /// Longest time that a change of a burst waits for such a pause, in milliseconds, at least `burst_quiet_ms`. A `Reload` waits for none.
    pub burst_max_ms: u64,
    /// Time that a `Render` message may take, waiting included, in milliseconds; then it is answered `Timeout`. A deadline of the caller can
    /// only shorten it.
    pub render_wait_ms: u64,
    /// Time in milliseconds after which a render by message counts as hanging: it is answered `Lost`, and its thread is replaced. It is far
    /// more than all attempts of a render may take together, so only a formatter or a context that blocks reaches it.
    pub render_hang_ms: u64,
    /// Time in milliseconds that a render by message may continue after its deadline. A render ends at its next step, so only a formatter
    /// or a context that blocks takes longer. Then the render counts as hanging, and its thread is replaced.
    pub render_grace_ms: u64,
    /// Time in milliseconds after which a job of the compilers counts as hanging. A text that a dialect hangs on is broken.
    pub compile_hang_ms: u64,
    /// Threads of one pool that may hang at once. Beyond it no thread is replaced, and the engine is not ready. Each costs its stack until
    /// its job ends.
    pub quarantined_threads: usize,
    /// Answers of commands that are kept by idempotency key, so that a command that was lost can be sent again.
    pub idempotency_keys: usize,
    /// Size of these answers in bytes, separately for reloads and for other commands. Beyond it, the oldest are forgotten, and a command
    /// whose answer was forgotten is carried out again if it is sent again. The newest stays.
    pub idempotency_bytes: usize,
    /// Time between two full scans in milliseconds, for changes without an event. A scan costs a query to the disk for each file.
    pub sweep_ms: u64,
    /// Time between two full scans in milliseconds where events are not reliable: network file systems, overlays, no watches left.
    pub poll_ms: u64,
    /// Time that a loader may take for a sync, in milliseconds. One that takes longer is replaced, or asked again.
    pub sync_ms: u64,
    /// Time that a `Reload` may take, in milliseconds.
    pub reload_ms: u64,
    /// Time that `start` waits for the first version, in milliseconds.
    pub start_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 1024 * 1024,
            source_tags: 100_000,
            source_nesting: 256,
            source_rescan_bytes: 64 * 1024 * 1024,
            source_diagnostics: 20,
            templates: 1_000_000,
            tenants: 16_384,
            tenant_templates: 10_000,
            tenant_bytes: 256 * 1024 * 1024,
            directory_depth: 64,
            directories: 65_536,
            directory_entries: 1_000_000,
            tree_bytes: 1024 * 1024 * 1024,
            link_hops: 40,
            ignore_bytes: 64 * 1024,
            remarks: 100,
            render_ms: 2_000,
            render_steps: 50_000_000,
            inline_steps: 20_000,
            inline_ms: 5,
            breaker_failures: 3,
            breaker_pause_ms: 1_000,
            breaker_pause_max_ms: 300_000,
            output_bytes: 16 * 1024 * 1024,
            call_depth: 128,
            context_bytes: 64 * 1024 * 1024,
            context_depth: 128,
            history_versions: 32,
            history_bytes: 256 * 1024 * 1024,
            last_good_templates: 4096,
            last_good_bytes: 256 * 1024 * 1024,
            compile_cache_bytes: 64 * 1024 * 1024,
            subscriber_events: 1024,
            event_names: 100,
            late_faults: 256,
            late_faults_bytes: 4 * 1024 * 1024,
            logged_faults: 20,
            preview_bytes: 64 * 1024 * 1024,
            preview_renders: 100,
            preview_ms: 10_000,
            contract_ms: 5_000,
            hints: 4096,
            renders_in_flight: 1024,
            reloads_in_flight: 64,
            queries_in_flight: 64,
            render_threads: 0,
            unproven_threads: 0,
            compile_threads: 0,
            settle_ms: 25,
            settle_max_ms: 250,
            grace_ms: 50,
            burst_quiet_ms: 10,
            burst_max_ms: 1_000,
            render_wait_ms: 30_000,
            render_hang_ms: 10_000,
            render_grace_ms: 250,
            compile_hang_ms: 60_000,
            quarantined_threads: 8,
            idempotency_keys: 256,
            idempotency_bytes: 16 * 1024 * 1024,
            sweep_ms: 30_000,
            poll_ms: 1_000,
            sync_ms: 60_000,
            reload_ms: 30_000,
            start_ms: 60_000,
        }
    }
}

/// Two limits that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {help}")]
pub struct LimitsError {
    /// The names of the two limits.
    pub limits: [&'static str; 2],
    /// The contradiction, with both values.
    pub problem: String,
    /// Values to write instead.
    pub help: String,
}

impl Limits {
    /// Checks that limits that are valid one by one agree with each other.
    ///
    /// # Errors
    /// [`LimitsError`] with the first two that do not.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.burst_quiet_ms <= self.burst_max_ms {
            return Ok(());
        }
        Err(LimitsError {
            limits: ["burst_quiet_ms", "burst_max_ms"],
            problem: format!(
                "`burst_quiet_ms` is {} ms, but a change of a burst waits for such a pause no longer than `burst_max_ms`, {} ms",
                self.burst_quiet_ms, self.burst_max_ms
            ),
            help: "set `burst_max_ms` to at least `burst_quiet_ms`, or `burst_quiet_ms` to 0 to publish each change at once".into(),
        })
    }

    /// Returns the time of one attempt to render.
    #[must_use]
    pub fn render_time(&self) -> Duration {
        Duration::from_millis(self.render_ms)
    }

    /// Returns the time after which a version that is no longer served and still held is reported: twice the longest deadline of a call.
    #[must_use]
    pub fn leaked_after(&self) -> Duration {
        let longest = [self.render_wait_ms, self.render_hang_ms, self.reload_ms]
            .into_iter()
            .max();
        Duration::from_millis(longest.unwrap_or_default().saturating_mul(2))
    }
}
