//! The list of all keys: their kinds, bounds and descriptions.

use hotplate_actors::judge::BUCKETS;
use hotplate_actors::supervision::{RESTARTS_MAX, TIME_MAX_MS};

use super::{Key, Kind, Unit};
use crate::config::Supervision;

const KIB: u64 = 1024;
const GIB: u64 = 1024 * 1024 * KIB;
const TIB: u64 = 1024 * GIB;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns every key, in the order of the sample.
pub(super) fn all() -> Vec<Key> {
    let mut all = Vec::new();
    let mut section = |name: &str, keys: Vec<Key>| {
        all.extend(keys.into_iter().map(|key| Key {
            path: format!("{name}.{}", key.path),
            ..key
        }));
    };
    section("server", server());
    section("dev", dev());
    section("admin", admin());
    #[cfg(feature = "admin")]
    section("admin.limits", admin_limits());
    section("render", render());
    section("log", log());
    section("templates", templates());
    section("contract", contract());
    section("files", files());
    section("store", store());
    section("audit", audit());
    section("scopes", scopes());
    section("judge", judge());
    section("promotion", promotion());
    section("shadow", shadow());
    section("limits", limits());
    section("limits", live_limits());
    for (actor, _) in Supervision::default().policies() {
        section(&format!("supervision.{actor}"), policy());
    }
    all
}

/// Makes a key that needs a restart and is no secret. Its section is added later.
fn key(name: &str, kind: Kind, about: &'static str) -> Key {
    Key {
        path: name.to_owned(),
        about,
        kind,
        live: false,
        secret: false,
    }
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

fn server() -> Vec<Key> {
    let mut keys = vec![
        key("bind", Kind::Address, "Address that `hotplate serve` listens on. Port 0 lets the system choose a port."),
        key("workers", count(0, 1024), "Threads that answer requests. 0 is one per processor."),
    ];
    keys.extend(connection(
        "Connections of each worker at once, or fewer if there are too few file descriptors. Further ones wait in the kernel and use no \
         memory of the process.",
    ));
    keys.extend([
        Key { live: true, ..key("drain_ms", milliseconds(0, DAY),
            "Time that requests under way may take after SIGTERM or SIGINT. Then they are cut off.") },
        key("static_cache_control", Kind::Text,
            "`Cache-Control` of static files. With \"no-cache\" a browser asks each time whether its copy is still current. Empty sends no \
             such header."),
        key("version_headers", Kind::Flag,
            "Let `serve` add headers to each page with its version and its freshness (`x-hotplate-version`, `x-hotplate-freshness`). `dev` \
             always adds them."),
        key("pin_paths", Kind::List,
            "Beginnings of paths whose pages form a flow of several steps, for example [\"/checkout/\"]. A visitor stays on the version in \
             which the flow began, as long as that version is kept. Needs `pin_key_file`."),
        key("pin_key_file", Kind::File,
            "File of the secret key that signs the cookies of such flows: 32 random bytes or more, such as those of `head -c 32 /dev/urandom`. \
             A relative path starts at the directory of this file."),
        key("pin_seconds", count(1, 31_536_000), "Seconds for which a browser keeps such a cookie, from the last page of the flow on."),
    ]);
    keys
}

/// The limits of the connections of a listener: [`ConnectionLimits`](crate::config::ConnectionLimits).
fn connection(connections: &'static str) -> [Key; 7] {
    [
        key("connections", count(1, 1_000_000), connections),
        key("keep_alive_ms", milliseconds(0, HOUR),
            "Time that a connection may be idle before it is closed. 0 closes it after each answer."),
        key("request_ms", milliseconds(1, HOUR),
            "Time that each request may take to arrive: its head, and then its body. If the first head of a connection takes longer, it is \
             answered 408; in every other case the connection is closed."),
        key("stalled_ms", milliseconds(100, DAY),
            "Time in which a client must read `progress_bytes` of an answer that waits for it. Otherwise its connection is reset."),
        key("progress_bytes", bytes(1, GIB), "Bytes of an answer that a client must read within `stalled_ms`."),
        key("send_buffer_bytes", bytes(4 * KIB, GIB),
            "Bytes of an answer that wait in the system for one client. On Linux only bytes that are not sent yet count."),
        key("buffered_bytes", bytes(1, TIB),
            "Bytes of all answers that wait in the process for their clients. If a further answer exceeds it, the connections that have \
             waited longest are reset; if there are none, the new answer is 503."),
    ]
}

fn dev() -> Vec<Key> {
    vec![
        key("bind", Kind::Address, "Address that `hotplate dev` listens on."),
        key("hosts", Kind::List,
            "Host names that browsers may use for this server, besides localhost and IP addresses. Under any other name, pages have no live \
             reload and no diagnostics, because any site can make its own name point here (DNS rebinding)."),
        key("editor", Kind::Text,
            "Editor that links in the browser open: vscode, vscodium, cursor, zed, idea, subl, or a link with {file}, {line} and {column}."),
        key("overlay", Kind::Flag,
            "Open the overlay with the errors of a page by itself. If false, a button on the page opens it. `?hotplate-overlay=off` or `on` in \
             an address switches it in one browser."),
    ]
}

fn admin() -> Vec<Key> {
    vec![
        key("bind", Kind::OptionalAddress,
            "Address of the admin listener, which has the dashboard, the API and the metrics and which `hotplate reload` uses, for example \
             \"127.0.0.1:9901\". Empty disables it."),
        Key { secret: true, ..key("token", Kind::Text,
            "Bearer token that clients must send. It is required beyond loopback. Set it by a variable or by `token_file` rather than here.") },
        key("token_file", Kind::File,
            "File with the token, for secrets that are mounted. A relative path starts at the directory of this file."),
        Key { secret: true, ..key("hook_secret", Kind::Text,
            "Secret that senders of webhooks know (`/admin/v1/hooks/{loader}`). Empty disables webhooks. Set it by a variable or by \
             `hook_secret_file` rather than here.") },
        key("hook_secret_file", Kind::File, "File with that secret. A relative path starts at the directory of this file."),
        key("hosts", Kind::List,
            "Host names that clients may use for a listener on loopback, such as the name of a proxy in front of it."),
        key("subject", Kind::List,
            "People and programs with tokens of their own, and what each may do. Write each as a section `[[admin.subject]]` with `name`, \
             `token_hash` (of `hotplate token`), `tenants` ([\"*\"] is all, \"shared\" the shared pages) and `may` (render, read, publish, promote, \
             admin); or here as \"name = ci; token_hash = …; tenants = *; may = read, publish\"."),
    ]
}

fn render() -> Vec<Key> {
    #[cfg_attr(not(feature = "sidecar"), expect(unused_mut, reason = "only its limits are added"))]
    let mut keys = vec![
        key("bind", Kind::OptionalListener,
            "Address of the render endpoint, at which services in other languages render templates \
             (`POST /render/{name}`), for example \"127.0.0.1:9902\", or \"unix:\" and the path of a socket. Empty disables it."),
        Key { secret: true, ..key("token", Kind::Text,
            "Bearer token that callers must send. It is required beyond loopback. Set it by a variable or by `token_file` rather than here.") },
        key("token_file", Kind::File,
            "File with the token, for secrets that are mounted. A relative path starts at the directory of this file."),
        key("hosts", Kind::List,
            "Host names that callers may use for a listener on loopback, such as the name of a container."),
    ];
    #[cfg(feature = "sidecar")]
    {
        keys.extend([
            key("workers", count(1, 1024), "Threads that answer these requests."),
            key("body_bytes", bytes(1, GIB), "Largest body of a request: the data of the template."),
            key("deadline_ms", milliseconds(1, DAY), "Time that a render may take. A request may ask for less (`x-hotplate-deadline-ms`)."),
        ]);
        keys.extend(connection("Connections at once. Further ones wait in the kernel."));
    }
    keys
}

#[cfg(feature = "admin")]
fn admin_limits() -> Vec<Key> {
    let mut keys = vec![
        key("body_bytes", bytes(1, GIB), "Largest body of a request. No request needs more than a line."),
        key("call_ms", milliseconds(1, DAY), "Time that the engine may take for a call of the API."),
    ];
    keys.extend(connection("Connections at once. Further ones wait in the kernel."));
    keys.extend([
        key("event_clients", count(1, 1_000_000), "Clients that listen to events at once. One more is answered 503."),
        key("events", count(1, 1_000_000), "Events that are kept for clients that reconnect or are slow."),
        key("events_bytes", bytes(1, 16 * GIB), "Bytes of these events."),
        key("requests_per_second", count(1, 1_000_000), "Requests per second, on average. Further ones are answered 429."),
        key("requests_burst", count(1, 1_000_000), "Requests that may arrive at once, beyond the average."),
        key("unauthenticated_per_second", count(1, 1_000_000),
            "Requests without the token per second, on average, signing in included. They are counted apart from the others."),
        key("unauthenticated_burst", count(1, 1_000_000), "Requests without the token that may arrive at once."),
        key("changes_per_second", count(1, 1_000_000), "Requests that change something per second, on average."),
        key("changes_burst", count(1, 1_000_000), "Requests that change something and may arrive at once."),
        key("page_templates", count(1, 1_000_000), "Templates in one answer. Clients ask for further ones with `after`."),
        key("page_bytes", bytes(1, 16 * GIB), "Bytes of template texts in one answer."),
        key("graph_nodes", count(1, 1_000_000), "Nodes of the dependency graph in one answer."),
        key("idempotency_keys", count(1, 1_000_000), "Answers that are kept for an `Idempotency-Key`."),
        key("idempotency_bytes", bytes(0, 16 * GIB),
            "Bytes of these answers. Beyond, the oldest ones are dropped, and a command that is sent again is executed again. The newest \
             answer stays."),
        key("idempotency_ms", milliseconds(1, 7 * DAY), "Time that these answers are kept."),
        key("preview_body_bytes", bytes(1, 4 * GIB), "Largest body of a request for a preview."),
        key("hook_body_bytes", bytes(1, GIB), "Largest body of a webhook."),
        key("previews", count(1, 100_000), "Previews that are kept. One more drops the oldest."),
        key("previews_bytes", bytes(0, TIB), "Bytes of memory that these previews take. Beyond, the oldest are dropped. The newest stays."),
        key("preview_ms", milliseconds(1, 30 * DAY), "Time that a preview is kept."),
        key("sessions", count(1, 1_000_000), "Sessions of the dashboard at once. One more ends the oldest."),
        key("session_ms", milliseconds(1_000, 30 * DAY), "Time after which a session of the dashboard ends."),
    ]);
    keys
}

fn log() -> Vec<Key> {
    vec![
        Key { live: true, ..key("level", Kind::Text,
            "Level of the log: off, error, warn, info, debug or trace, or a level for each module: \"warn,hotplate=debug\". RUST_LOG overrides \
             it. Errors in templates are written to stdout, and to the log only if it names them: \"warn,hotplate::faults=warn\".") },
        key("format", Kind::Choice(&["human", "json"]), "Format of the log: lines for people (human), or one JSON object per line (json)."),
        key("spans", Kind::Flag,
            "Log the end and the duration of each span: of a batch, of the part of each actor in it, and of a render."),
        key("queue_bytes", bytes(4_096, GIB),
            "Bytes of the log, and as many of stdout, that wait for a slow reader while a command serves. Further lines are dropped and \
             counted, and a line says how many are missing."),
    ]
}

fn contract() -> Vec<Key> {
    vec![
        key("policy", Kind::Choice(&["warn", "refuse-entry", "refuse-batch"]),
            "Treatment of a page that reads a field that its schema (`schemas/`) does not have, or fails with its sample (`samples/`): publish \
             it with a warning, keep its last good version, or refuse everything that was edited with it."),
        key("required", Kind::List,
            "Templates that have to exist, for example [\"index.html\"]. Without one of them nothing is published, also at the start, unless \
             `policy` is \"warn\"."),
    ]
}

/// The languages of templates.
pub(in crate::config) const DIALECTS: &[&str] = if cfg!(feature = "jinja") { &["tiny", "jinja"] } else { &["tiny"] };

fn templates() -> Vec<Key> {
    vec![
        key("directory", Kind::Text, "Directory of the templates, relative to the directory of the site."),
        key("plain", Kind::Flag,
            "Serve the directory itself as a plain folder of templates, without data and static files (`--plain`). `serve` never guesses: \
             without this setting it waits for `directory`, and answers 503 until it exists."),
        key("watch", Kind::Flag, "Watch the files for changes. Without it, `hotplate reload` and SIGHUP apply changes."),
        key("on_failure", Kind::Choice(&["last-good", "fallback", "return"]),
            "Answer for a page whose render fails: its last good version, the fallback page, or the error."),
        key("fallback", Kind::Text,
            "Page that is shown, with status 503, instead of one that never had a good version. It must exist. Empty is `maintenance.html` \
             of a site, if it exists."),
        key("missing", Kind::Choice(&["strict", "lenient"]),
            "Meaning of a name that is not in the data: an error (strict), or a value that prints nothing, is false and has no items \
             (lenient)."),
        key("dialect", Kind::Choice(DIALECTS),
            "Language of the templates: that of tinytemplate (tiny), or Jinja (jinja). With `tiny`, files that end in `.j2`, `.jinja` or \
             `.jinja2` are Jinja too."),
        key("dialects", Kind::List,
            "Languages of folders below `directory` that are not in `dialect`, such as \"old/ = tiny\". Of several, the innermost counts. \
             Files that end in `.j2`, `.jinja` or `.jinja2` are Jinja everywhere."),
        key("sources", Kind::List,
            "Sources of templates besides `directory`, such as \"postgres://user@host/database\", \"git+file:/srv/site.git#ref=main\" or \
             \"https://host/manifest.json\". They take precedence over the directory; docs/sources.md lists their options."),
        key("formatters", Kind::List,
            "Names of formatters that your own program provides. Here they print the value unchanged, and `serve` refuses to start with them."),
        key("required_at_start", Kind::List,
            "Templates without which `serve` and `dev` do not start, for example [\"index.html\"]: they must exist and compile, or a stored \
             version must have them. Without this setting, broken pages are answered by a stand-in."),
    ]
}

fn store() -> Vec<Key> {
    vec![
        key("dir", Kind::File,
            "Directory in which `serve` and `dev` store published versions. The next start serves the last one at once, even if the templates \
             are missing or broken by then. A relative path starts at the directory of this file. Empty stores nothing."),
        key("keep", count(2, 100_000), "Versions that are kept there."),
    ]
}

fn audit() -> Vec<Key> {
    vec![
        key("dir", Kind::File,
            "Directory in which `serve` and `dev` write an audit log: who changed what is served, when and why. `hotplate audit` reads it. A \
             relative path starts at the directory of this file. Empty writes none."),
        key("file_bytes", bytes(4 * KIB, TIB), "Size of a file of the log at which the next one begins."),
        key("files", count(1, 1_000_000), "Files of the log that are kept."),
        key("git", Kind::Flag,
            "Add the commit of the work tree that the site is in, whether files differ from it, and its verified signer. Git runs in the \
             directory of the site and obeys its configuration, which can start programs: leave it off if authors are not trusted."),
        key("key", Kind::File,
            "File of the private ed25519 key with which records are signed, as `hotplate audit key FILE` makes it. A relative path starts at \
             the directory of this file. Empty signs nothing."),
    ]
}

/// The choice of the scope of a request: [`ScopeOptions`](crate::scope::ScopeOptions).
fn scopes() -> Vec<Key> {
    vec![
        key("tenant_from", Kind::Choice(&["none", "host", "path", "header"]), "Part of a request that names its tenant."),
        key("tenant_domain", Kind::Text,
            "Domain whose subdomains are tenants, for `host`: with \"example.com\" the host acme.example.com is the tenant acme. Other hosts get \
             the shared pages."),
        key("tenant_path", Kind::Text,
            "Beginning of paths that name a tenant, for `path`: with \"/t/\" the path /t/acme/index.html is /index.html of acme."),
        key("tenant_header", Kind::Text, "Header that names the tenant, for `header`. It counts from `trusted_proxies` only."),
        key("trusted_proxies", Kind::List,
            "Networks of the proxies whose headers count, for example [\"10.0.0.0/8\", \"fd00::/8\"]. They have to set or remove \
             `X-Template-Stage` themselves. Empty trusts none."),
        key("forwarded_by", Kind::Choice(&["x-forwarded-for", "forwarded"]),
            "Header in which these proxies name their clients. The other one is not read, because proxies pass on what a client sent."),
        key("stage_path", Kind::Text,
            "Beginning of paths that name a stage: with \"/@\" the path /@canary/index.html is /index.html of canary. Empty is none."),
        key("sticky_by", Kind::Choice(&["none", "cookie", "header", "address"]),
            "Part of a request that identifies a visitor, who then gets the same stage each time. With `none`, nobody is chosen for canary."),
        key("sticky_name", Kind::Text, "Name of that cookie or header. The server sets the cookie for new visitors while there is a canary."),
        key("sticky_salt", Kind::Text, "Text that selects which visitors get canary first. Another text selects others."),
        key("canary_buckets", count(0, BUCKETS.into()), "Buckets of 10,000 whose visitors get canary at the start: 500 is 5 %."),
        key("experimental_networks", Kind::List,
            "Networks whose visitors may see experimental pages, for example [\"192.0.2.0/24\"]. Empty is none."),
        key("experimental_elsewhere", Kind::Choice(&["stable", "forbidden"]),
            "Answer to requests for experimental pages from elsewhere: the stable page, or 403."),
        Key { secret: true, ..key("pin_key", Kind::Text,
            "Secret of at least 32 bytes that signs the cookie `hotplate_stage`, by which a visitor stays at a stage. Empty accepts no such \
             cookie.") },
        key("pin_seconds", count(1, 31_536_000), "Seconds for which such a cookie is valid."),
    ]
}

/// The thresholds of the judge: [`JudgeSettings`](hotplate_actors::judge::JudgeSettings).
fn judge() -> Vec<Key> {
    let share = || count(1, 999_999);
    vec![
        key("failures_good_ppm", share(), "Share of failed renders of a canary that is healthy, in parts per million."),
        key("failures_bad_ppm", share(), "Share of failed renders that is to be noticed quickly, in parts per million."),
        key("failures_threshold", count(1, 1_000_000),
            "Threshold of the cumulative sum for failures, in thousandths. Larger stops fewer healthy canaries, and each canary later."),
        key("slow_percent", count(0, 100_000),
            "Time beyond which a render of a canary is slow, in per cent of the p99 of stable. 0 does not judge the time."),
        key("slow_floor_us", count(0, u32::MAX.into()), "Time in microseconds below which no render is slow."),
        key("size_percent", count(0, 100_000),
            "Size beyond which a page of a canary is too large, in per cent of the p99 of stable. It is too small where its size times this \
             factor is below the smallest 1 % of stable. 0 does not judge sizes."),
        key("size_floor_bytes", bytes(0, u32::MAX.into()), "Size below which no page is too large."),
        key("unusual_good_ppm", share(), "Share of slow renders, and of those with an unusual size, that is healthy, in parts per million."),
        key("unusual_bad_ppm", share(), "Share of these renders that is to be noticed quickly, in parts per million."),
        key("unusual_threshold", count(1, 1_000_000), "Threshold of their cumulative sums, in thousandths."),
        key("stable_renders_min", count(1, u32::MAX.into()), "Stable renders without which times and sizes are not judged."),
        key("period_ms", milliseconds(1_000, DAY), "Period of the compared times and sizes: the last one and the one before count."),
    ]
}

/// The promotion of a canary.
fn promotion() -> Vec<Key> {
    vec![
        key("steps", Kind::List, "Buckets of 10,000 that get canary in each step, the last with all of them."),
        key("bake_ms", milliseconds(0, 30 * DAY), "Time that each step lasts at least."),
        key("automatic", Kind::Flag,
            "Begin each step by itself once the one before has lasted long enough and the canary meets the requirements, and promote it after \
             the last one. If false, a person begins each."),
        key("renders_min", count(0, u64::MAX >> 1), "Renders without which a canary gets no more visitors, unless it is forced."),
        key("good_ppm", count(0, 1_000_000), "Share of renders that have to be good, in parts per million."),
        key("p99_percent", count(0, 100_000),
            "Largest p99 of the canary, in per cent of the p99 of stable. 0 does not compare them."),
    ]
}

fn shadow() -> Vec<Key> {
    vec![
        key("one_in", count(0, 1_000_000_000),
            "Let canary render one in this many requests of stable as well, off their path, and keep the differences. 0 does not."),
        key("waiting", count(1, 10_000), "Such renders that wait or run at once. Further requests are left out."),
        key("templates", count(0, 10_000), "Templates whose differences are kept."),
    ]
}

fn files() -> Vec<Key> {
    vec![
        key("include", Kind::List, "Patterns of the files to use, as in `.gitignore`. Empty is all files."),
        key("exclude", Kind::List,
            "Patterns of the files to ignore. A file `.hotplateignore` in a directory of templates works like this for that directory."),
        key("extensions", Kind::List,
            "Extensions of the files to use; [\"*\"] is all. \"html\", \".html\" and \"*.html\" mean the same. Stylesheets and scripts \
             contain many braces, which a template would have to escape."),
        key("links", Kind::Choice(&["follow", "inside", "never"]),
            "Symbolic links to follow: all, those whose target is inside the directory, or none."),
        key("watch_by", Kind::Choice(&["auto", "poll", "recursive"]),
            "Method of watching: the best one of the system (auto), comparing all files every `poll_ms` (poll), or one watch for each whole \
             tree (recursive)."),
    ]
}

fn limits() -> Vec<Key> {
    vec![
        key("source_bytes", bytes(1, GIB), "Largest template. 1 MiB is fifty times a large page."),
        key("source_tags", count(1, 100_000_000), "Tags in one template."),
        key("source_nesting", count(1, 1_024), "Depth of nested blocks in one template."),
        key("source_rescan_bytes", bytes(1, 64 * GIB),
            "Bytes that the compiler may scan again because many tags are on one line. The cost is quadratic in the length of a line."),
        key("source_diagnostics", count(1, 10_000), "Errors and warnings that are kept of one template."),
        key("templates", count(1, 10_000_000),
            "Names of templates that were defined or called since the start, data files of pages included."),
        key("tenants", count(0, 10_000_000), "Tenants that have a template. A change that brings more is refused."),
        key("tenant_templates", count(1, 10_000_000),
            "Templates of one tenant, of all stages together. Further ones are broken, with an error that says so."),
        key("tenant_bytes", bytes(1, TIB),
            "Bytes of the compiled templates of one tenant. A template that would exceed it is broken, with an error that says so."),
        key("directory_depth", count(1, 512), "Depth of nested directories. Deeper ones are left out, with a warning."),
        key("directories", count(1, 10_000_000),
            "Directories below one root, counted once for each link that leads to them. Further ones are left out, with a warning."),
        key("directory_entries", count(1, 100_000_000),
            "Names in one directory. A directory with more is not read, with a warning, and its previous content is still served."),
        key("tree_bytes", bytes(1, TIB),
            "Bytes of all templates below one root. A text that exceeds it is not used, with an error."),
        key("link_hops", count(1, 1_000),
            "Symbolic links on the path to one file. A link that needs more is left out, with a warning."),
        key("ignore_bytes", bytes(1, GIB), "Largest `.hotplateignore`. A larger one is not used, with a warning."),
        key("remarks", count(0, 1_000_000), "Warnings about files below one root that are kept for `check` and for health."),
        key("render_ms", milliseconds(1, DAY), "Time of one attempt to render. The deadline of a caller can only shorten it."),
        key("render_steps", count(1, u64::MAX >> 1), "Steps of one attempt to render: loop iterations, calls and tags."),
        key("inline_steps", count(0, u64::MAX >> 1),
            "Steps of a render on a worker thread of the web server. A render that needs more starts again on the threads of the Renderer."),
        key("inline_ms", milliseconds(0, DAY), "Time of a render on a worker thread of the web server, for pages with few and slow steps."),
        key("breaker_failures", count(1, 1_000_000),
            "Failures of a template in a row, by time, steps, output, formatter or panic, that open its circuit breaker: its last good \
             version is then rendered first."),
        key("breaker_pause_ms", milliseconds(1, DAY),
            "Time until the current version is tried again. It doubles with each trial that fails."),
        key("breaker_pause_max_ms", milliseconds(1, DAY), "Longest time until the current version is tried again."),
        key("output_bytes", bytes(1, 16 * GIB), "Largest output of one render."),
        key("call_depth", count(1, 256), "Depth of nested calls. Each level uses stack, and a thread has 2 MiB of it."),
        key("context_bytes", bytes(1, 16 * GIB), "Largest context of one render; likewise the temporary values of its templates in Jinja."),
        key("context_depth", count(1, 256), "Depth of a nested context. Each level uses stack."),
        key("history_versions", count(0, 100_000),
            "Earlier versions that are kept, for pages whose render fails and for rolling back."),
        key("history_bytes", bytes(0, TIB),
            "Bytes of compiled templates that only these versions use. Beyond, the oldest versions are dropped; the previous one stays."),
        key("last_good_templates", count(0, 10_000_000),
            "Templates whose version before their last change is kept in addition, so that changes of other templates cannot displace it."),
        key("last_good_bytes", bytes(0, TIB),
            "Bytes of compiled templates that only these versions use. Beyond, those that changed longest ago are dropped."),
        key("compile_cache_bytes", bytes(0, TIB),
            "Bytes of compiled templates that are kept for texts that occur again. A compiled template takes up to twenty times the bytes of \
             its source."),
        key("subscriber_events", count(1, 10_000_000),
            "Events that a subscriber may be behind. Beyond, events are dropped, and the subscriber learns how many."),
        key("event_names", count(1, 100_000),
            "Stale, broken or recovered templates that one event names, and texts whose errors it has. Queries return all."),
        key("late_faults", count(1, 1_000_000),
            "Templates whose render errors are remembered, so that each error is reported once."),
        key("late_faults_bytes", bytes(1, 16 * GIB),
            "Bytes of these errors. Beyond, the errors of the template that failed longest ago are dropped."),
        key("logged_faults", count(1, 1_000_000),
            "Errors in templates that are logged within ten seconds. Further ones are counted in one line."),
        key("preview_bytes", bytes(1, 16 * GIB),
            "Bytes of the texts of one preview, and as many of the outputs that its report keeps. A larger preview is refused, and further \
             outputs are counted and not kept."),
        key("preview_renders", count(0, 1_000_000), "Entries that one preview renders with their samples. Further ones are counted."),
        key("preview_ms", milliseconds(0, HOUR), "Time after which a preview renders no further sample."),
        key("contract_ms", milliseconds(0, HOUR),
            "Time for checking the contract of the pages that one batch may have changed. Pages that are left are published with a warning."),
        key("hints", count(1, 100_000_000), "File events that wait in the queue of the watcher. When it is full, a full scan replaces them."),
        key("renders_in_flight", count(1, 1_000_000), "`Render` messages in flight. One more is answered `Busy`."),
        key("reloads_in_flight", count(1, 1_000_000), "`Reload` messages in flight. One more is answered `Busy`."),
        key("queries_in_flight", count(1, 1_000_000),
            "Queries and commands in flight (history, edges, rolling back). One more is answered `Busy`."),
        key("render_wait_ms", milliseconds(1, DAY),
            "Time that a `Render` message may take, waiting included. The deadline of a caller can only shorten it."),
        key("render_hang_ms", milliseconds(1, DAY),
            "Time after which a render by message counts as hanging, and its thread is replaced. Set it to several times `render_ms`."),
        key("render_grace_ms", milliseconds(0, HOUR),
            "Time after its deadline at which a render counts as hanging, and its thread is replaced."),
        key("compile_hang_ms", milliseconds(1, DAY),
            "Time after which a compilation counts as hanging. Its template is broken, and its thread is replaced."),
        key("quarantined_threads", count(0, 1_024),
            "Threads of one pool that may hang at once. Beyond, they are not replaced, and the engine is not ready."),
        key("idempotency_keys", count(1, 1_000_000), "Commands whose outcome is remembered by their idempotency key."),
        key("idempotency_bytes", bytes(0, 16 * GIB),
            "Bytes of the outcomes of reloads, and as many of other commands. Beyond, the oldest ones are dropped; the newest stays."),
        key("render_threads", count(0, 1_024), "Threads of the Renderer. 0 is one per processor."),
        key("unproven_threads", count(0, 1_024),
            "Threads of the Renderer that renders of one template may hold while its newest version has exceeded the limits of a render in \
             place and no render of it has succeeded yet. Further renders of it wait. 0 is half of `render_threads`."),
        key("compile_threads", count(0, 1_024), "Threads of the Compiler. 0 is one per processor."),
        key("settle_ms", milliseconds(0, HOUR),
            "Time after the last write to a file that is still open for writing. Until then its content may be incomplete."),
        key("settle_max_ms", milliseconds(0, HOUR),
            "Longest time to wait, without a warning, for a file that is still open for writing. Its last complete content is still served; a new \
             file is used as it is."),
        key("grace_ms", milliseconds(0, HOUR),
            "Time that a file may be absent before it counts as deleted. Some editors delete a file and create it again."),
        key("burst_quiet_ms", milliseconds(0, HOUR),
            "Time without a change after which the changes of a burst, such as a checkout, are published. It grows with the age of the burst: \
             half of that, ten times this at most. Changes of one or two templates are published at once."),
        key("burst_max_ms", milliseconds(0, HOUR),
            "Longest time that a change of a burst waits for such a pause, at least `burst_quiet_ms`. A reload waits for none."),
        key("sweep_ms", milliseconds(100, DAY),
            "Time between two full scans, which find changes that no event reported. A full scan asks the file system about each file."),
        key("poll_ms", milliseconds(10, DAY),
            "Time between two full scans where events are not reliable: network file systems, overlays, no watches left."),
        key("sync_ms", milliseconds(1, DAY), "Time that a loader may take for a sync. One that takes longer is replaced, or asked again."),
        key("reload_ms", milliseconds(1, DAY), "Time that a reload may take."),
        key("start_ms", milliseconds(1, DAY), "Time until the first version must be ready."),
    ]
}

/// The limits of live reload: [`LiveLimits`](crate::LiveLimits).
fn live_limits() -> Vec<Key> {
    vec![
        key("live_clients", count(0, 1_000_000), "Browsers that may follow a site in development at once."),
        key("live_entries", count(1, 10_000), "Pages that one stream of a browser may follow."),
        key("live_stalled_ms", milliseconds(100, DAY),
            "Time in which a browser must read what was sent to it. Otherwise its connection is closed."),
        key("live_text_bytes", bytes(0, 16 * GIB),
            "Bytes of recently answered pages that are kept for browsers that follow them. A change reloads a page whose text was dropped."),
        key("live_faults", count(1, 1_000), "Errors of one page that the overlay shows."),
    ]
}

/// The restart policy of an actor.
fn policy() -> Vec<Key> {
    vec![
        key("restart", Kind::Choice(&["permanent", "transient", "temporary"]),
            "Restart the actor always (permanent), only after a failure (transient), or never (temporary)."),
        key("restarts", count(0, u64::from(RESTARTS_MAX)),
            "Restarts allowed within `period_ms`. One more failure reaches the restart limit; pages are still served."),
        key("period_ms", milliseconds(1, TIME_MAX_MS), "Period in which restarts are counted."),
        key("backoff_min_ms", milliseconds(0, TIME_MAX_MS),
            "Upper bound of the pause before the first restart. It doubles with each further restart."),
        key("backoff_max_ms", milliseconds(0, TIME_MAX_MS), "Upper bound of every pause."),
        key("calm_ms", milliseconds(0, TIME_MAX_MS), "Time that the actor must run until earlier failures are forgotten."),
        key("escalation", Kind::Choice(&["auto", "not-ready", "degraded", "event-only"]),
            "Effect of reaching the restart limit, until `reset`: the engine is not ready, or it is degraded, or there is only an event \
             (event-only). `auto` is not-ready."),
    ]
}
