//! Every key that there is: its path, what may stand there, whether it can change while the process runs, and what it is for.
//!
//! The file, the environment, flags, the sample and `hotplate config` are all read off this one list.

use std::sync::LazyLock;

use hotplate_actors::dialect::Missing;
use hotplate_actors::supervision::{Escalation, RESTARTS_MAX, Restart, TIME_MAX_MS};
use hotplate_actors::{Links, OnFailure, WatchBy};

use super::{Config, LogFormat};

/// One setting.
#[derive(Debug)]
#[non_exhaustive]
pub struct Key {
    /// Section and name, such as `limits.render_ms`.
    pub path: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// Whether SIGHUP changes it; else it needs a restart.
    pub live: bool,
    /// Whether its value is not to be shown.
    pub secret: bool,
    pub(super) get: fn(&Config) -> Value,
    pub(super) set: fn(&mut Config, Value),
}

/// What may stand at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole {
        /// Of what.
        unit: Unit,
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// The path of a file, or nothing for none. In a configuration file it is relative to the directory of that.
    File,
    /// `address:port`.
    Address,
    /// The same, or nothing for "off".
    OptionalAddress,
    /// Texts.
    List,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

/// What stands at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Of a [`Kind::Flag`].
    Flag(bool),
    /// Of a [`Kind::Whole`].
    Whole(u64),
    /// Of a text, a choice or an address.
    Text(String),
    /// Of a [`Kind::List`].
    List(Vec<String>),
}

impl Key {
    /// The section.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The name within the section.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    /// The variable that overrides it: `HOTPLATE_LIMITS__RENDER_MS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HOTPLATE_{}", self.path.replace('.', "__").to_uppercase())
    }

    /// What a configuration says.
    #[must_use]
    pub fn get(&self, config: &Config) -> Value {
        (self.get)(config)
    }
}

impl std::fmt::Display for Value {
    /// As it is written in TOML.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => grouped(*number).fmt(f),
            Self::Text(text) => quoted(text).fmt(f),
            Self::List(list) => {
                let list: Vec<String> = list.iter().map(|text| quoted(text)).collect();
                write!(f, "[{}]", list.join(", "))
            }
        }
    }
}

/// `50_000_000`: a long number is easily off by a factor of ten.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<String> = groups
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.join("_")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted += &format!("\\u{:04X}", u32::from(control)),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

/// A field of [`Config`] and what stands at its key. The kind of a key is checked before; what then does not fit leaves the field.
trait Field: Sized {
    fn value(&self) -> Value;
    fn of(value: Value) -> Option<Self>;
}

macro_rules! whole_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn value(&self) -> Value {
                Value::Whole(u64::try_from(*self).unwrap_or(u64::MAX))
            }

            fn of(value: Value) -> Option<Self> {
                match value {
                    Value::Whole(number) => Self::try_from(number).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

whole_fields!(u32, u64, usize);

impl Field for bool {
    fn value(&self) -> Value {
        Value::Flag(*self)
    }

    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }
}

impl Field for String {
    fn value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Field for Vec<String> {
    fn value(&self) -> Value {
        Value::List(self.clone())
    }

    fn of(value: Value) -> Option<Self> {
        match value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }
}

/// Words for the variants of an enum.
macro_rules! word_fields {
    ($($type:ident: $words:ident = $($variant:ident $word:literal),*;)*) => {$(
        const $words: &[&str] = &[$($word),*];

        impl Field for $type {
            fn value(&self) -> Value {
                Value::Text(match self {
                    $(Self::$variant => $word,)*
                }.to_owned())
            }

            fn of(value: Value) -> Option<Self> {
                match value {
                    $(Value::Text(text) if text == $word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

word_fields! {
    OnFailure: ON_FAILURE = LastGood "last-good", Fallback "fallback", Return "return";
    LogFormat: LOG_FORMATS = Human "human", Json "json";
    Restart: RESTARTS = Permanent "permanent", Transient "transient", Temporary "temporary";
    Escalation: ESCALATIONS = Auto "auto", NotReady "not-ready", Degraded "degraded", Tell "tell";
    Links: LINKS = Follow "follow", Inside "inside", Never "never";
    Missing: MISSING = Error "strict", Lenient "lenient";
    WatchBy: WATCH_BY = Auto "auto", Poll "poll", Recursive "recursive";
}

const fn count(least: u64, most: u64) -> Kind {
    let unit = Unit::Count;
    Kind::Whole { unit, least, most }
}

const fn milliseconds(least: u64, most: u64) -> Kind {
    let unit = Unit::Milliseconds;
    Kind::Whole { unit, least, most }
}

const fn bytes(least: u64, most: u64) -> Kind {
    let unit = Unit::Bytes;
    Kind::Whole { unit, least, most }
}

const KIB: u64 = 1024;
const GIB: u64 = 1024 * 1024 * KIB;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

macro_rules! keys {
    ($keys:ident: $($section:tt { $($name:ident: $kind:expr, $when:ident $($secret:ident)?, $about:literal;)* })*) => {
        $keys.extend([$($(
            Key {
                path: path!($section $name),
                about: $about,
                kind: $kind,
                live: keys!(@live $when),
                secret: keys!(@secret $($secret)?),
                get: |config| Field::value(field!(config $section $name)),
                set: |config, value| {
                    if let Some(value) = Field::of(value) {
                        *field!(mut config $section $name) = value;
                    }
                },
            },
        )*)*]);
    };
    (@live live) => { true };
    (@live restart) => { false };
    (@secret secret) => { true };
    (@secret) => { false };
}

macro_rules! path {
    ([$section:ident of $field:ident] $name:ident) => {
        path!($section $name)
    };
    (($section:ident $part:ident) $name:ident) => {
        concat!(stringify!($section), ".", stringify!($part), ".", stringify!($name))
    };
    ($section:ident $name:ident) => {
        concat!(stringify!($section), ".", stringify!($name))
    };
}

macro_rules! field {
    (mut $config:ident [$section:ident of $field:ident] $name:ident) => {
        &mut $config.$field.$name
    };
    ($config:ident [$section:ident of $field:ident] $name:ident) => {
        &$config.$field.$name
    };
    (mut $config:ident ($section:ident $part:ident) $name:ident) => {
        &mut $config.$section.$part.$name
    };
    (mut $config:ident $section:ident $name:ident) => {
        &mut $config.$section.$name
    };
    ($config:ident ($section:ident $part:ident) $name:ident) => {
        &$config.$section.$part.$name
    };
    ($config:ident $section:ident $name:ident) => {
        &$config.$section.$name
    };
}

/// How an actor that failed is started again.
macro_rules! policies {
    ($keys:ident: $($actor:ident),*) => {$(
        keys! { $keys:
            (supervision $actor) {
                restart: Kind::Choice(RESTARTS), restart,
                    "Whether it is started again: always, unless it has finished (transient), or never (temporary).";
                restarts: count(0, RESTARTS_MAX as u64), restart,
                    "How often within `period_ms`; one more, and it is given up. Pages go on being served.";
                period_ms: milliseconds(1, TIME_MAX_MS), restart, "The period in which restarts are counted.";
                backoff_min_ms: milliseconds(0, TIME_MAX_MS), restart,
                    "The longest pause before the first restart; it doubles with each further one.";
                backoff_max_ms: milliseconds(0, TIME_MAX_MS), restart, "The longest of all pauses.";
                calm_ms: milliseconds(0, TIME_MAX_MS), restart, "How long it has to be up until earlier faults are forgotten.";
                escalation: Kind::Choice(ESCALATIONS), restart,
                    "What giving it up means until `reset`: the engine is not ready, or degraded, or it is told and that is all. `auto` is not ready.";
            }
        }
    )*};
}

/// In the order of the sample.
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    keys! { keys:
        server {
            bind: Kind::Address, restart, "Where `hotplate serve` listens; port 0 lets the system choose one.";
            workers: count(0, 1024), restart, "Threads that answer requests. 0 is one per processor.";
            connections: count(1, 1_000_000), restart,
                "Connections of each worker at once, as far as there are file descriptors for them; more wait in the kernel, so that a flood \
                 costs no memory here.";
            keep_alive_ms: milliseconds(0, HOUR), restart, "How long a connection may be idle before it is closed. 0 is not at all.";
            request_ms: milliseconds(1, HOUR), restart,
                "How long each request may take to arrive: its head, and again its body. A client that dribbles its first head is answered \
                 408; the connection of any other is closed.";
            stalled_ms: milliseconds(100, DAY), restart,
                "How long a client may take to read `progress_bytes` of an answer that waits for it; then its connection is reset.";
            progress_bytes: bytes(1, GIB), restart, "Bytes of an answer that a client has to read within `stalled_ms`.";
            send_buffer_bytes: bytes(4 * KIB, GIB), restart,
                "Bytes of an answer that wait in the system for one client; on Linux, those that are not sent yet.";
            buffered_bytes: bytes(1, 1024 * GIB), restart,
                "Bytes of all answers that wait here for their clients. When one more would exceed it, the connections that have waited longest \
                 are reset, or else it is answered 503.";
            drain_ms: milliseconds(0, DAY), live,
                "How long requests under way may take after SIGTERM or SIGINT; then they are cut off.";
            static_cache_control: Kind::Text, restart,
                "`Cache-Control` of static files. \"no-cache\": a browser asks each time whether its copy is still good. Empty is none.";
            version_headers: Kind::Flag, restart,
                "Whether `serve` tells visitors which version a page is from and how fresh it is (`x-hotplate-version`, `x-hotplate-freshness`); \
                 `dev` always does.";
        }
        dev {
            bind: Kind::Address, restart, "Where `hotplate dev` listens.";
            hosts: Kind::List, restart,
                "Names that browsers may know it by, besides localhost and addresses: a stranger's page could have any other.";
            editor: Kind::Text, restart,
                "What links in the browser open: vscode, vscodium, cursor, zed, idea, subl, or a link with {file}, {line}, {column}.";
        }
        admin {
            bind: Kind::OptionalAddress, restart,
                "Where operators and programs ask (`hotplate reload` does): \"127.0.0.1:9901\". Empty is nowhere.";
            token: Kind::Text, restart secret,
                "What a caller has to send as a bearer token. Needed beyond loopback. Better a variable or a file than here.";
            token_file: Kind::File, restart,
                "A file with that token, for secrets that are mounted. A path that is not absolute begins where this file is.";
            hosts: Kind::List, restart, "Names that a listener on loopback may be called by, such as that of a proxy before it.";
        }
    }
    #[cfg(feature = "admin")]
    admin_limits(&mut keys);
    keys! { keys:
        log {
            level: Kind::Text, live,
                "What is logged: off, error, warn, info, debug or trace, or by module: \"warn,hotplate=debug\". RUST_LOG overrides it. Faults of templates \
                 are on stdout, and in the log only if it names them: \"warn,hotplate::faults=warn\".";
            format: Kind::Choice(LOG_FORMATS), restart, "For people (human), or an object on each line (json).";
            spans: Kind::Flag, restart,
                "Whether the end of each span is logged, with the time that it took: of a batch, of each actor's part in it, of a render.";
            queue_bytes: bytes(4_096, GIB), restart,
                "What may wait to be read while a command serves: of the log, and as much of stdout. Lines beyond are dropped, counted, and said.";
        }
        templates {
            directory: Kind::Text, restart, "Where the templates of a site are, below its directory.";
            plain: Kind::Flag, restart,
                "Whether the directory itself is a plain folder of templates, without data and static files (`--plain`). \
                 `serve` never guesses: without this it waits for `directory`, and answers 503 until it is there.";
            watch: Kind::Flag, restart, "Whether changes are seen by themselves; else by `hotplate reload` and SIGHUP only.";
            on_failure: Kind::Choice(ON_FAILURE), restart,
                "What answers when a page fails while it is rendered: its last good version, the fallback page, or the error.";
            fallback: Kind::Text, restart,
                "The page shown, with status 503, where there never was a good version; it must be there. Empty is `maintenance.html` of a \
                 site, if that is there.";
            missing: Kind::Choice(MISSING), restart,
                "What a name means that is not in the data: an error (strict), or nothing, which is false and has no items (lenient).";
            formatters: Kind::List, restart,
                "Names of formatters that your own program has. Here they print the value as it is; `serve` refuses them.";
        }
        files {
            include: Kind::List, restart, "Only files that one of these patterns names, as in `.gitignore`. None is everything.";
            exclude: Kind::List, restart,
                "No files that these patterns name. `.hotplateignore` in a directory of templates says the same for what is below it.";
            extensions: Kind::List, restart,
                "Only files with these extensions; [\"*\"] is all. \"html\", \".html\" and \"*.html\" are the same. Stylesheets and scripts are full of braces.";
            links: Kind::Choice(LINKS), restart,
                "Which symbolic links are followed: all, those that end inside of the directory, or none.";
            watch_by: Kind::Choice(WATCH_BY), restart,
                "How changes are noticed: as the system does it best, by looking each `poll_ms`, or by watches of whole trees.";
        }
        limits {
            source_bytes: bytes(1, GIB), restart, "The largest template. 1 MiB is fifty times a large page.";
            source_tags: count(1, 100_000_000), restart, "Tags in one template.";
            source_nesting: count(1, 1_024), restart, "Blocks open at once in one template.";
            source_rescan_bytes: bytes(1, 64 * GIB), restart,
                "What the judge may scan again because many tags stand on one line: its cost is quadratic in a line.";
            source_diagnostics: count(1, 10_000), restart, "Findings that are kept of one template.";
            templates: count(1, 10_000_000), restart, "Names that were ever defined or called, data of pages included.";
            directory_depth: count(1, 512), restart, "Directories inside of directories. What is deeper is left out, with a warning.";
            directories: count(1, 10_000_000), restart,
                "Directories below one, counted as often as links lead to them. What is beyond is left out, with a warning.";
            directory_entries: count(1, 100_000_000), restart,
                "Names in one directory. One that holds more is not read, with a warning, and what was served of it goes on.";
            tree_bytes: bytes(1, 1024 * GIB), restart,
                "All templates below one directory. A text that would make them more is not used, with an error.";
            link_hops: count(1, 1_000), restart, "Symbolic links on the way to one file. A link that needs more is left out, with a warning.";
            ignore_bytes: bytes(1, GIB), restart, "The largest `.hotplateignore`. A larger one is not used, with a warning.";
            remarks: count(0, 1_000_000), restart, "Warnings that are kept about files below one directory, for `check` and health.";
            render_ms: milliseconds(1, DAY), restart, "Time of one attempt to render. A caller's deadline only shortens it.";
            render_steps: count(1, u64::MAX >> 1), restart, "Loop turns, calls and tags of one attempt.";
            inline_steps: count(0, u64::MAX >> 1), restart,
                "Steps of a render in a worker of the web server. One that takes more begins anew on the threads of the Renderer.";
            inline_ms: milliseconds(0, DAY), restart, "Time of such a render, for where each step costs much.";
            breaker_failures: count(1, 1_000_000), restart,
                "Failures of a template in a row by time, steps, output, formatter or panic until its last good version is rendered first.";
            breaker_pause_ms: milliseconds(1, DAY), restart,
                "How long what failed so is not tried again. Twice as long after each trial that fails.";
            breaker_pause_max_ms: milliseconds(1, DAY), restart, "The longest such pause.";
            output_bytes: bytes(1, 16 * GIB), restart, "The largest output of one render.";
            call_depth: count(1, 256), restart, "How deep calls may go into calls. Each level costs stack, and a thread has 2 MiB of it.";
            context_bytes: bytes(1, 16 * GIB), restart, "The largest context of one render.";
            context_depth: count(1, 256), restart, "How deep a context may nest. Each level costs stack.";
            history_versions: count(0, 100_000), restart,
                "Earlier versions that are kept, for pages that fail when they are rendered, and for rolling back.";
            history_bytes: bytes(0, 1024 * GIB), restart,
                "What of their compiled templates only these versions have. When it is more, the oldest versions go; the last one stays.";
            last_good_templates: count(0, 10_000_000), restart,
                "Templates of which what they were before their text changed last is kept besides, whatever became of others since.";
            last_good_bytes: bytes(0, 1024 * GIB), restart,
                "What of their compiled templates only these have. When it is more, those are forgotten that changed longest ago.";
            compile_cache_bytes: bytes(0, 1024 * GIB), restart,
                "Compiled templates that are kept, for texts that come again. One takes up to twenty times the bytes of its source.";
            subscriber_events: count(1, 10_000_000), restart, "Events that a subscriber may be behind before it is told that it is.";
            late_faults: count(1, 1_000_000), restart,
                "Templates whose faults are remembered that show only in renders, so that each is told once.";
            late_faults_bytes: bytes(1, 16 * GIB), restart,
                "What is said of these faults. When it is more, the faults of the template are forgotten that failed longest ago.";
            logged_faults: count(1, 1_000_000), restart,
                "Faults of templates that are logged within ten seconds. Those beyond are counted in one line.";
            hints: count(1, 100_000_000), restart, "Names in the queue of hints. When it is full, everything is looked at instead.";
            renders_in_flight: count(1, 1_000_000), restart, "`Render` messages at once; one more is answered `Busy`.";
            reloads_in_flight: count(1, 1_000_000), restart, "`Reload` messages at once; one more is answered `Busy`.";
            queries_in_flight: count(1, 1_000_000), restart,
                "Questions and commands (history, edges, roll back) at once; one more is answered `Busy`.";
            render_wait_ms: milliseconds(1, DAY), restart,
                "How long a `Render` message may take, waiting included. A caller's deadline only shortens it.";
            render_hang_ms: milliseconds(1, DAY), restart,
                "A render by message that takes longer hangs: its thread is replaced. Far more than `render_ms`.";
            render_grace_ms: milliseconds(0, HOUR), restart,
                "How long after its deadline a render may go on until it hangs: its thread is replaced.";
            compile_hang_ms: milliseconds(1, DAY), restart,
                "A compilation that takes longer hangs: its text is held back as broken, its thread replaced.";
            quarantined_threads: count(0, 1_024), restart,
                "Threads of one pool that may hang at once before none is started in their place.";
            idempotency_keys: count(1, 1_000_000), restart, "Commands whose outcome is remembered by their key.";
            idempotency_bytes: bytes(0, 16 * GIB), restart,
                "Of these outcomes, for reloads and again for other commands. When it is more, the oldest are forgotten; the last one stays.";
            render_threads: count(0, 1_024), restart, "Threads of the Renderer. 0 is one per processor.";
            unproven_threads: count(0, 1_024), restart,
                "Threads of the Renderer that renders of one template hold at most while its newest version took longer than what is rendered \
                 in place and was not rendered well yet; its further renders wait. 0 is half of `render_threads`.";
            compile_threads: count(0, 1_024), restart, "Threads that compile. 0 is one per processor.";
            settle_ms: milliseconds(0, HOUR), restart,
                "After the last write to a file that was not closed: it may be half written until then.";
            settle_max_ms: milliseconds(0, HOUR), restart,
                "Longer than this a file is not waited for without a warning. Its last whole content is kept; a new file is taken as it is.";
            grace_ms: milliseconds(0, HOUR), restart,
                "How long a file may be gone before it counts as deleted: editors remove and create.";
            sweep_ms: milliseconds(100, DAY), restart,
                "Time between two looks at everything, for what no event tells of. Costs a question to the disk for each file.";
            poll_ms: milliseconds(10, DAY), restart,
                "The same where events cannot be trusted: network file systems, overlays, no watches left.";
            reload_ms: milliseconds(1, DAY), restart, "How long a reload may take.";
            start_ms: milliseconds(1, DAY), restart, "How long the first version may take.";
        }
        [limits of live] {
            live_clients: count(0, 1_000_000), restart, "Browsers that may follow a site in development at once.";
            live_entries: count(1, 10_000), restart, "Pages that one of them may follow by one stream.";
            live_stalled_ms: milliseconds(100, DAY), restart,
                "How long a browser may leave what it was sent unread before its connection is ended.";
            live_text_bytes: bytes(0, 16 * GIB), restart,
                "Pages that were answered last, kept for browsers that follow them. A page without its text is reloaded by an edit.";
            live_faults: count(1, 1_000), restart, "Findings that the overlay shows of one page.";
        }
    }
    policies!(keys: watcher, compiler, graph, registry, renderer, engine);
    keys
});

#[cfg(feature = "admin")]
fn admin_limits(keys: &mut Vec<Key>) {
    keys! { keys:
        (admin limits) {
            body_bytes: bytes(1, GIB), restart, "The largest body of a request. Nothing that is asked for needs more than a line.";
            request_ms: milliseconds(1, HOUR), restart, "How long a request may take to arrive: its head, and again its body.";
            call_ms: milliseconds(1, DAY), restart, "How long the engine may take for what it is asked.";
            stalled_ms: milliseconds(100, DAY), restart,
                "How long a client may take to read `progress_bytes` of an answer that waits for it; then its connection is reset.";
            progress_bytes: bytes(1, GIB), restart, "Bytes of an answer that a client has to read within `stalled_ms`.";
            send_buffer_bytes: bytes(4 * KIB, GIB), restart,
                "Bytes of an answer that wait in the system for one client; on Linux, those that are not sent yet.";
            buffered_bytes: bytes(1, 1024 * GIB), restart,
                "Bytes of all answers that wait here for their clients. When one more would exceed it, the connections that have waited longest \
                 are reset, or else it is answered 503.";
            connections: count(1, 1_000_000), restart, "Connections at once.";
            event_clients: count(1, 1_000_000), restart, "Clients that listen to events at once; one more is answered 503.";
            events: count(1, 1_000_000), restart, "Events that are kept for clients that come back, or are slow.";
            events_bytes: bytes(1, 16 * GIB), restart, "Bytes of these.";
            requests_per_second: count(1, 1_000_000), restart, "Requests in a second, on average; more are answered 429.";
            requests_burst: count(1, 1_000_000), restart, "Requests that may come at once before the average counts.";
            unauthenticated_per_second: count(1, 1_000_000), restart,
                "Requests in a second, on average, of those without the token, signing in included. They count by themselves.";
            unauthenticated_burst: count(1, 1_000_000), restart, "Requests without the token that may come at once.";
            changes_per_second: count(1, 1_000_000), restart, "Requests in a second, on average, that change something.";
            changes_burst: count(1, 1_000_000), restart, "Requests that may come at once and change something.";
            page_templates: count(1, 1_000_000), restart, "Templates in one answer; the rest is asked for with `after`.";
            page_bytes: bytes(1, 16 * GIB), restart, "Bytes of texts in one answer.";
            graph_nodes: count(1, 1_000_000), restart, "Nodes of the graph in one answer.";
            idempotency_keys: count(1, 1_000_000), restart, "Answers that are kept for an `Idempotency-Key`.";
            idempotency_bytes: bytes(0, 16 * GIB), restart,
                "Bytes of these. When it is more, the oldest are forgotten, and what is asked again is done again; the last one stays.";
            idempotency_ms: milliseconds(1, 7 * DAY), restart, "How long they are kept.";
            sessions: count(1, 1_000_000), restart, "Sessions of the dashboard at once; one more ends the oldest.";
            session_ms: milliseconds(1_000, 30 * DAY), restart, "How long somebody who signed in to the dashboard is known.";
        }
    }
}

/// Every key, in the order of the sample.
#[must_use]
pub fn keys() -> &'static [Key] {
    &KEYS
}

#[cfg(test)]
mod tests {
    use hotplate_actors::Limits;

    use super::*;
    use crate::LiveLimits;

    /// Fields without a key, their names from what `derive(Debug)` writes.
    fn missing(section: &str, debug: &str) -> Vec<String> {
        let fields = debug.split_once("{ ").map_or("", |(_, fields)| fields).split(", ");
        let fields = fields.filter_map(|field| field.split(':').next());
        let known = |field: &&str| {
            keys()
                .iter()
                .any(|key| key.section() == section && key.name() == *field)
        };
        fields.filter(|field| !known(field)).map(str::to_owned).collect()
    }

    #[test]
    fn every_limit_has_a_key() {
        assert_eq!(missing("limits", &format!("{:?}", Limits::default())), [""; 0]);
        assert_eq!(missing("limits", &format!("{:?}", LiveLimits::default())), [""; 0]);
        #[cfg(feature = "admin")]
        assert_eq!(
            missing("admin.limits", &format!("{:?}", crate::admin::AdminLimits::default())),
            [""; 0]
        );
    }

    #[test]
    fn every_key_is_its_own_field_and_its_default_is_allowed() {
        for key in keys() {
            let mut config = Config::default();
            let default = key.get(&config);
            let other = match (&default, key.kind) {
                (Value::Flag(flag), Kind::Flag) => Value::Flag(!flag),
                (Value::Whole(number), Kind::Whole { least, most, .. }) => {
                    assert!((least..=most).contains(number), "{}", key.path);
                    Value::Whole(if *number == least { most } else { least })
                }
                (Value::Text(text), Kind::Choice(words)) => {
                    let other = words.iter().find(|word| *word != text).expect("a choice");
                    Value::Text((*other).to_owned())
                }
                (Value::Text(_), Kind::Text | Kind::File | Kind::Address | Kind::OptionalAddress) => {
                    Value::Text("other:1".to_owned())
                }
                (Value::List(_), Kind::List) => Value::List(vec!["other".to_owned()]),
                (default, kind) => panic!("{}: {default:?} is no {kind:?}", key.path),
            };
            (key.set)(&mut config, other.clone());
            assert_eq!(key.get(&config), other, "{}", key.path);
            let changed: Vec<&str> = keys()
                .iter()
                .filter(|key| key.get(&config) != key.get(&Config::default()))
                .map(|key| key.path)
                .collect();
            assert_eq!(changed, [key.path]);
        }
    }

    #[test]
    fn values_are_written_as_toml() {
        for (value, written) in [
            (Value::Whole(9_999), "9999"),
            (Value::Whole(10_000), "10_000"),
            (Value::Whole(1_234_567), "1_234_567"),
            (Value::Text("a\"b\\c\n".into()), r#""a\"b\\c\u000A""#),
            (Value::List(vec!["a".into(), "b".into()]), r#"["a", "b"]"#),
        ] {
            assert_eq!(value.to_string(), written);
        }
    }
}
