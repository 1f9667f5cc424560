//! Every limit: its name, unit, default, and why it is what it is.

use std::time::Duration;

/// The edges of everything. Each field has a default; set the ones that your service needs otherwise.
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
    /// Bytes of one template. 1 MiB is fifty times a large page; a compiled megabyte costs tens of megabytes in the judge.
    pub source_bytes: usize,
    /// Tags in one template. Bounds what a unit costs in memory.
    pub source_tags: usize,
    /// Blocks open at once in one template. Bounds the scopes of a unit.
    pub source_nesting: usize,
    /// Bytes that the judge would scan again because many tags stand on one line (its cost is quadratic in the length of a
    /// line). 64 MiB is about 50 ms of it.
    pub source_rescan_bytes: usize,
    /// Diagnostics that are kept of one template: after some, more do not help its author.
    pub source_diagnostics: usize,
    /// Names that were ever defined or called in one engine, data of pages included: none is given back before the next start.
    /// Bounds ids, edges and the size of a whole batch.
    pub templates: usize,
    /// Directories inside of directories below a root; what is deeper is left out, and said. A name has room for 512 of them.
    pub directory_depth: usize,
    /// Directories below one root, each counted as often as links lead to it. Each may cost a watch of the kernel. What is beyond is left
    /// out, and said.
    pub directories: usize,
    /// Names in one directory, whatever they stand for. One that holds more is not read: what was served of it goes on, and that is said.
    pub directory_entries: usize,
    /// Bytes of all templates below one root. A text that would make them more is not used, and that is said.
    pub tree_bytes: u64,
    /// Symbolic links on the way to one file. The kernel follows as many; a link that leads through more is left out, and said.
    pub link_hops: usize,
    /// Bytes of one `.hotplateignore`. What a larger one says is not used, and that is said.
    pub ignore_bytes: usize,
    /// Remarks that are kept about files below one root: names that no template can have, links that are left out and the like.
    pub remarks: usize,

    // --- a render ---
    /// Time of one attempt to render, in milliseconds. A caller's own deadline can only shorten it.
    pub render_ms: u64,
    /// Steps (loop turns, calls and tags) of one attempt. At some nanoseconds each this is below a second.
    pub render_steps: u64,
    /// Steps of a render in the thread of a web server's worker. One that takes more begins anew on the pool, with a whole budget, so that
    /// it holds up no other page. Pages of some hundred kilobytes take fewer.
    pub inline_steps: u64,
    /// Time of such a render, in milliseconds, for where each step costs much.
    pub inline_ms: u64,
    /// Renders of a template that fail one after the other by time, steps, output, formatter or panic until its last good version is
    /// rendered first. One that hangs is enough.
    pub breaker_failures: u32,
    /// How long what failed so is not tried again, in milliseconds. Twice as long after each trial that fails.
    pub breaker_pause_ms: u64,
    /// The longest such pause, in milliseconds.
    pub breaker_pause_max_ms: u64,
    /// Bytes of output of one render.
    pub output_bytes: usize,
    /// How deep calls may go into calls. Each level costs a kilobyte or two of stack.
    pub call_depth: u32,
    /// Bytes of a context in the arena of one render.
    pub context_bytes: usize,
    /// How deep a context may nest: `Serialize` recurses on the stack of the caller.
    pub context_depth: u32,

    // --- what is kept ---
    /// Earlier versions whose views are kept, for answers when an edit that compiles fails in renders, and for rolling back.
    pub history_versions: usize,
    /// Bytes of compiled texts that only these versions have: when they are more, the oldest versions go. The last one stays.
    pub history_bytes: u64,
    /// Templates of which what they were before their text changed last is kept beyond `history_versions`, so that a burst of versions
    /// of other templates does not take away the last good one. Each costs what that version does not share with others.
    pub last_good_templates: usize,
    /// Bytes of compiled texts that only these versions have: when they are more, those are forgotten that changed longest ago. Such a
    /// template goes back to the versions of the history only.
    pub last_good_bytes: u64,
    /// Bytes of compiled texts, and of the findings in those that do not compile, that the compiler's cache keeps. A compiled text takes
    /// up to twenty times the bytes of its source.
    pub compile_cache_bytes: u64,
    /// Events that a subscriber may be behind before it is told `Lagged`.
    pub subscriber_events: usize,
    /// Templates whose faults are remembered that show only in renders, so that each is told and logged once. Beyond, those that are
    /// fixed are forgotten, and then the one that failed longest ago, which is told again when it fails again.
    pub late_faults: usize,
    /// Bytes of what is said of these faults. Beyond, those of the template are forgotten that failed longest ago; further faults of one
    /// that alone says so much are not remembered.
    pub late_faults_bytes: usize,
    /// Faults of templates that are logged within ten seconds. Those beyond are counted in one line.
    pub logged_faults: usize,

    // --- queues and waiting ---
    /// Paths that were hinted at and not looked at yet. When there are more, the loader looks at everything instead.
    pub hints: usize,
    /// `Render` messages under way or waiting at once; one more is answered `Busy`.
    pub renders_in_flight: usize,
    /// `Reload` messages under way or waiting at once; one more is answered `Busy`.
    pub reloads_in_flight: usize,
    /// Questions and commands (`history`, `edges`, `roll_back`, …) under way or waiting at once; one more is answered `Busy`.
    pub queries_in_flight: usize,
    /// Threads of the Renderer. 0 is one per processor.
    pub render_threads: usize,
    /// Threads of the Renderer that renders of one template hold at most while its newest version took longer than what is rendered in place
    /// (`inline_steps`, `inline_ms`) and was not rendered well yet; its further renders wait. 0 is half of `render_threads`. It is one at least.
    pub unproven_threads: usize,
    /// Threads that compile. 0 is one per processor.
    pub compile_threads: usize,
    /// After the last write to a file that was not closed, in milliseconds: it may be half written until then.
    pub settle_ms: u64,
    /// The longest that such a file is waited for without a word, in milliseconds. Then a warning says that it is still being written,
    /// and its last whole content is kept until it is closed or quiet; a new file has none and is taken as it is.
    pub settle_max_ms: u64,
    /// How long a file may be gone before it counts as deleted, in milliseconds: editors remove and create.
    pub grace_ms: u64,
    /// How long a `Render` message may take, waiting included, in milliseconds; then it is answered `Timeout`. A caller's own deadline
    /// can only shorten it.
    pub render_wait_ms: u64,
    /// A render by message that takes longer hangs, in milliseconds: it is answered `Lost`, and its thread is replaced. Far more than
    /// all attempts of a render may take together, so that only a formatter or a context that blocks comes here.
    pub render_hang_ms: u64,
    /// How long after its deadline a render by message may go on, in milliseconds. Each ends at its next step, so that only a formatter or a
    /// context that blocks takes longer: it hangs then, and its thread is replaced.
    pub render_grace_ms: u64,
    /// A job of the compilers that takes longer hangs, in milliseconds. A text that a dialect hangs on is held back as broken.
    pub compile_hang_ms: u64,
    /// Threads of one pool that may hang at once before none is started in their place, and the engine is not ready. Each costs
    /// its stack until it comes back.
    pub quarantined_threads: usize,
    /// Commands whose outcome is remembered by their key, so that one that was lost can be sent again.
    pub idempotency_keys: usize,
    /// Bytes of these outcomes, of reloads and again of other commands: when they are more, the oldest are forgotten, and a command that
    /// is sent again is done again. The newest stays.
    pub idempotency_bytes: usize,
    /// Time between two looks at everything, in milliseconds, for what no event tells of. Costs a question to the disk for each file.
    pub sweep_ms: u64,
    /// The same where there are no events that can be trusted: network file systems, overlays, no watches left.
    pub poll_ms: u64,
    /// How long a `Reload` may take, in milliseconds.
    pub reload_ms: u64,
    /// How long `start` waits for the first version, in milliseconds.
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
            late_faults: 256,
            late_faults_bytes: 4 * 1024 * 1024,
            logged_faults: 20,
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
            render_wait_ms: 30_000,
            render_hang_ms: 10_000,
            render_grace_ms: 250,
            compile_hang_ms: 60_000,
            quarantined_threads: 8,
            idempotency_keys: 256,
            idempotency_bytes: 16 * 1024 * 1024,
            sweep_ms: 30_000,
            poll_ms: 1_000,
            reload_ms: 30_000,
            start_ms: 60_000,
        }
    }
}

impl Limits {
    /// Time of one attempt to render.
    #[must_use]
    pub fn render_time(&self) -> Duration {
        Duration::from_millis(self.render_ms)
    }
}
