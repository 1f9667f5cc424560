//! A soak test: for a given time the site of a server is edited, reloaded and flooded with requests, and each answer is checked.
//!
//! `HOTPLATE_SOAK_S` is the time in seconds; without it the test is skipped. To run it for ten minutes:
//!
//! `HOTPLATE_SOAK_S=600 cargo test --release --features cli --test it -- --nocapture soak`

mod client;
mod crowd;
mod roles;
mod server;
mod site;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{park_timeout, scope};
use std::time::{Duration, Instant};

use crate::wait;

use client::{Answer, Client};
use server::{Server, Usage};
use site::{Site, WAYS, Way};

const TOKEN: &str = "the-token-of-this-soak";
/// Number of examples of each kind of finding that are kept.
const KEPT: usize = 3;
/// Number of versions of pages whose texts are remembered.
const VERSIONS: usize = 20_000;
/// A storm of this length has enough samples to show that the resources of the process do not grow.
const LONG: Duration = Duration::from_secs(20);
/// The accepted growth of the process between the beginning and the end, in addition to a half.
const SLACK_KIB: u64 = 48 * 1024;
const SLACK: u64 = 32;
/// The number of the last edit. It is even, because odd numbers are bad pages.
const LAST: u64 = 1_000_000_000;

/// The phases of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Good pages are read.
    Calm,
    /// In addition, four clients request one page as fast as it is answered.
    Busy,
    /// That page loops.
    Looping,
    /// All roles act at once.
    Storm,
    Over,
}

/// The state that all threads share.
struct Soak<'s> {
    site: &'s Site,
    pages: SocketAddr,
    admin: SocketAddr,
    phase: AtomicU8,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    findings: Mutex<BTreeMap<&'static str, Vec<String>>>,
    /// Digests of texts, by page and version.
    texts: Mutex<BTreeMap<(u64, String), u64>>,
    slowest_probe: Mutex<Duration>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Soak<'_> {
    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Calm,
            1 => Phase::Busy,
            2 => Phase::Looping,
            3 => Phase::Storm,
            _ => Phase::Over,
        }
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn is_stormy(&self) -> bool {
        self.phase() == Phase::Storm
    }

    fn count(&self, what: &'static str) {
        *lock(&self.counts).entry(what).or_default() += 1;
    }

    fn note(&self, kind: &'static str, said: impl FnOnce() -> String) {
        self.count(kind);
        let mut findings = lock(&self.findings);
        let examples = findings.entry(kind).or_default();
        if examples.len() < KEPT {
            examples.push(said().chars().take(500).collect());
        }
    }

    /// The answer, if there is one.
    fn answered(&self, to: &str, answer: io::Result<Answer>) -> Option<Answer> {
        answer
            .inspect_err(|error| self.note("unanswered", || format!("{to}: {error}")))
            .ok()
    }

    fn expect(&self, to: &str, answer: io::Result<Answer>, statuses: &[u16]) {
        self.count("admin");
        if let Some(answer) = self.answered(to, answer)
            && !statuses.contains(&answer.status)
        {
            self.note("unexpected status", || {
                format!("{} of {to}: {}", answer.status, answer.body)
            });
        }
    }

    /// Returns true unless the same version of a page had another text before.
    fn is_known(&self, way: Way, answer: &Answer) -> bool {
        let mut hasher = DefaultHasher::new();
        answer.body.hash(&mut hasher);
        let digest = hasher.finish();
        let mut texts = lock(&self.texts);
        if texts.len() >= VERSIONS {
            texts.pop_first();
        }
        let version = answer.version.parse().unwrap_or_default();
        *texts.entry((version, way.path())).or_insert(digest) == digest
    }

    fn probed(&self, took: Duration) {
        self.count("probes");
        let mut slowest = lock(&self.slowest_probe);
        *slowest = took.max(*slowest);
    }
}

/// Ends all threads when the thread that began them ends, also by a panic.
struct End<'s>(&'s Soak<'s>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.set(Phase::Over);
    }
}

/// The durations of the phases.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Calm, then with four busy clients, then with a page that loops.
    quiet: Duration,
    storm: Duration,
}

impl Plan {
    fn of(seconds: f64) -> Self {
        let quiet = Duration::from_secs_f64((seconds / 10.0).min(20.0));
        Self {
            quiet,
            storm: Duration::from_secs_f64(seconds).saturating_sub(3 * quiet),
        }
    }
}

/// Waits for a time.
fn last(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        park_timeout(left);
    }
}

/// The times that pages took, with their phase, in microseconds.
type Times = Vec<(Phase, u32)>;

fn percentile(times: &Times, phase: Phase, part: f64) -> f64 {
    let mut times: Vec<u32> = times
        .iter()
        .filter(|(in_phase, _)| *in_phase == phase)
        .map(|(_, micros)| *micros)
        .collect();
    times.sort_unstable();
    let at = (times.len().saturating_sub(1)) as f64 * part;
    times
        .get(at.round() as usize)
        .map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
}

/// One figure of a sample.
type Figure = fn(&Usage) -> u64;

/// Returns the median of one figure over some samples.
fn median(samples: &[Usage], figure: Figure) -> u64 {
    let mut figures: Vec<u64> = samples.iter().map(figure).collect();
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[test]
fn every_answer_is_whole_whatever_is_done_to_the_server() {
    let Ok(seconds) = std::env::var("HOTPLATE_SOAK_S") else {
        println!("skipped: HOTPLATE_SOAK_S is not set to a number of seconds");
        return;
    };
    let plan = Plan::of(seconds.parse().expect("a number of seconds"));
    let site = Site::new().expect("a site");
    // Long settle and grace times, so that a pause of this machine is not mistaken for the end of a write or for a deletion.
    let server = Server::start(
        &site,
        &[
            "limits.settle_ms=2000",
            "limits.settle_max_ms=60000",
            "limits.grace_ms=2000",
        ],
    );
    let soak = Soak {
        site: &site,
        pages: server.pages,
        admin: server.admin,
        phase: AtomicU8::new(Phase::Calm as u8),
        counts: Mutex::default(),
        findings: Mutex::default(),
        texts: Mutex::default(),
        slowest_probe: Mutex::default(),
    };
    let (times, usage) = run(&soak, &server, plan);
    let alarming = finish(&soak, server);
    report(&soak, plan, &times, &usage);
    let findings = lock(&soak.findings);
    assert!(
        findings.is_empty() && alarming.is_empty(),
        "{findings:#?} {alarming:#?}"
    );
    assert!(
        plan.storm < LONG || lock(&soak.counts)["visits"] > 1_000,
        "pages were visited"
    );
    if plan.storm >= LONG {
        assert_flat(&usage);
    }
}

/// Goes through all phases.
fn run(soak: &Soak<'_>, server: &Server, plan: Plan) -> (Times, Vec<Usage>) {
    scope(|threads| {
        let end = End(soak);
        let visitors: Vec<_> = (0..4)
            .map(|first| threads.spawn(move || roles::visit(soak, first * 3)))
            .collect();
        last(plan.quiet);
        soak.set(Phase::Busy);
        for _ in 0..4 {
            threads.spawn(|| roles::hammer(soak));
        }
        last(plan.quiet);
        soak.site.edit(Way::Hammered, 1).expect("saved");
        soak.set(Phase::Looping);
        last(plan.quiet);
        soak.site.edit(Way::Hammered, 2).expect("saved");
        soak.set(Phase::Storm);
        for way in WAYS.into_iter().filter(|way| *way != Way::Steady) {
            threads.spawn(move || roles::edit(soak, way));
        }
        threads.spawn(|| roles::style(soak));
        threads.spawn(|| roles::dribble(soak));
        threads.spawn(|| roles::never_read(soak));
        threads.spawn(|| roles::ask_admin(soak));
        threads.spawn(|| roles::ask_as_a_stranger(soak, None));
        threads.spawn(|| roles::ask_as_a_stranger(soak, Some("a guess")));
        threads.spawn(|| roles::change(soak));
        threads.spawn(|| roles::listen(soak, true));
        threads.spawn(|| roles::listen(soak, false));
        threads.spawn(|| roles::hang_up(soak, server));
        threads.spawn(|| roles::probe(soak));
        let until = Instant::now() + plan.storm;
        let mut usage = Vec::new();
        while Instant::now() < until {
            usage.push(server.usage());
            last(Duration::from_millis(200));
        }
        drop(end);
        let times = visitors
            .into_iter()
            .flat_map(|visitor| visitor.join().expect("no panic"));
        (times.collect(), usage)
    })
}

/// Saves everything once more, checks that it is served, and ends the server. Returns the alarming lines of its log.
fn finish(soak: &Soak<'_>, server: Server) -> Vec<String> {
    for way in WAYS.into_iter().filter(|way| *way != Way::Steady) {
        soak.site.settle(way, LAST).expect("saved");
    }
    soak.site.edit_styles(LAST).expect("saved");
    let mut client = Client::new(soak.admin, Some(TOKEN));
    for command in ["resume", "reload"] {
        let path = format!("/admin/v1/{command}");
        let done = || client.ask("POST", &path, "").is_ok_and(|answer| answer.status == 200);
        wait::until("it does not reload", done);
    }
    if let Err(why) = roles::ask_for_all(soak, soak.pages, LAST) {
        soak.note("not served", || why);
    }
    let (ended, alarming) = server.end();
    assert_eq!(ended.code(), Some(0), "{alarming:#?}");
    alarming
}

/// Prints the results in one line.
fn report(soak: &Soak<'_>, plan: Plan, times: &Times, usage: &[Usage]) {
    let p99 = |phase| percentile(times, phase, 0.99);
    let [calm, busy, looping, storm] = [Phase::Calm, Phase::Busy, Phase::Looping, Phase::Storm].map(p99);
    let third = usage.len() / 3;
    let (first, last) = (&usage[..third], &usage[usage.len() - third..]);
    let growth = |figure: Figure| (median(first, figure), median(last, figure));
    println!(
        "soak of {:.0} s: {:?}; findings {:?}; p99 of good pages {calm:.2} ms calm, {busy:.2} ms with four busy clients ({:.1} times), \
         {looping:.2} ms while their page loops ({:.1} times, {:.1} times busy), {storm:.2} ms in the storm; slowest probe {:?}; resident KiB {:?}, threads {:?}, descriptors {:?} (first and last third)",
        (plan.quiet * 3 + plan.storm).as_secs_f64(),
        lock(&soak.counts),
        lock(&soak.findings).keys().collect::<Vec<_>>(),
        busy / calm,
        looping / calm,
        looping / busy,
        lock(&soak.slowest_probe),
        growth(|usage| usage.resident_kib),
        growth(|usage| usage.threads),
        growth(|usage| usage.descriptors),
    );
}

/// Asserts that the process uses as much in the last third of the storm as in the third before.
fn assert_flat(usage: &[Usage]) {
    let third = usage.len() / 3;
    let (first, last) = (&usage[third / 2..third + third / 2], &usage[usage.len() - third..]);
    let figures: [(&str, Figure, u64); 3] = [
        ("resident KiB", |usage| usage.resident_kib, SLACK_KIB),
        ("threads", |usage| usage.threads, SLACK),
        ("descriptors", |usage| usage.descriptors, SLACK),
    ];
    for (name, figure, slack) in figures {
        let (before, after) = (median(first, figure), median(last, figure));
        assert!(after <= before + before / 2 + slack, "{name}: {before}, then {after}");
    }
}
