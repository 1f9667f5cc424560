//! [`Sentences`]: the events of a site, in sentences for the author of its templates.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::snapshot::EntryStatus;
use hotplate::supervision::GivenUp;
use hotplate::{NameSample, TemplateName, Version};

use super::event::{Listening, ServerEvent, VersionEvent};
use crate::cli::names;
use crate::cli::terminal::{Outcome, Terminal};

/// Maximum number of diagnostics that are shown of one version. An author who renames a folder gets more, but knows the reason.
const SHOWN_MAX: usize = 10;

/// The view of `dev` and `serve` for people. It remembers what it has printed, so that no error is printed twice.
pub(super) struct Sentences {
    site: Site,
    terminal: Terminal,
    /// The first version while its errors are not printed: they follow the addresses.
    first: Option<VersionEvent>,
    printed: Printed,
}

/// A record of what was printed about the newest version.
#[derive(Default)]
struct Printed {
    version: Option<Version>,
    /// True if a template of that version does not compile, or calls one that does not.
    has_faults: bool,
    /// The number of templates that waited since a rollback.
    waiting: usize,
    /// Templates of that version that are stale or broken.
    not_current: BTreeSet<TemplateName>,
    /// Errors that showed when pages of that version were rendered.
    late: Vec<Diagnostic>,
    /// Templates that failed when they were rendered, and have not been printed as fixed since.
    failed_late: BTreeSet<TemplateName>,
}

impl Sentences {
    pub(super) fn new(site: &Site) -> Self {
        Self {
            site: site.clone(),
            terminal: Terminal::stdout(),
            first: None,
            printed: Printed::default(),
        }
    }

    /// Prints that the directory is a site now.
    pub(super) fn became_a_site(&mut self) -> io::Result<()> {
        let became =
            "there is a `templates/` now, so this directory is served as a site and no longer as a plain folder";
        self.terminal.line(became)
    }

    /// Prints that the default address is in use.
    pub(super) fn moved(&mut self, bind: &str, port: u16) -> io::Result<()> {
        self.terminal.line(format_args!(
            "{bind} is in use, so this server takes the next free port: {port}"
        ))
    }

    /// Prints one event, if authors need to know events of its kind.
    pub(super) fn print(&mut self, event: &ServerEvent<'_>) -> io::Result<()> {
        match event {
            ServerEvent::Started(version) => self.started(version),
            ServerEvent::Listening(listening) => self.listening(listening),
            ServerEvent::Published(version) => self.published(version),
            ServerEvent::Fallback {
                template,
                version,
                serving,
                since,
                diagnostics,
                scope,
            } => match scope {
                None => self.fallback(template, *version, (*since, serving), diagnostics),
                Some(scope) => {
                    diagnostics.iter().try_for_each(|fault| self.diagnostic(fault))?;
                    self.headline(&format!("version {version}: {template} failed for {scope}"))
                }
            },
            ServerEvent::Fixed {
                template,
                version,
                scope,
            } => match scope {
                None => self.fixed(template, *version),
                Some(scope) => self.headline(&format!("version {version}: fixed {template} for {scope}")),
            },
            ServerEvent::ActorFailed { sentence, .. } => self.terminal.error(sentence),
            ServerEvent::GaveUp(GivenUp { actor, message, .. }) => self.terminal.error(&format!(
                "the {actor} has reached its restart limit and stays down ({message}): pages are still served, and edits are not \
                 taken until it is reset"
            )),
            ServerEvent::Lagged { missed, version } => {
                tracing::debug!(missed, "events were dropped, because they came faster than they were printed");
                self.headline(&format!("version {version}: many changes at once; `hotplate check` shows the errors that remain"))
            }
            ServerEvent::Reloaded { report, changes, .. } => {
                let mut line = format!("reloaded: version {}", report.version);
                for (word, changes) in [("set", &changes.live), ("needs a restart:", &changes.restart)] {
                    if !changes.is_empty() {
                        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
                        line += &format!("; {word} {}", changes.join(", "));
                    }
                }
                if let stale @ 1.. = report.not_current.len() {
                    line += &format!("; {} not current", names::count(stale, "template"));
                }
                self.terminal.line(line)
            }
            ServerEvent::NotReloaded { why, findings } => {
                self.terminal.line(format_args!("not reloaded: {why}"))?;
                findings.iter().try_for_each(|finding| self.terminal.finding(finding))
            }
            ServerEvent::ActorRestarted(_) | ServerEvent::Stopping { .. } | ServerEvent::Stopped { .. } => Ok(()),
        }
    }

    fn started(&mut self, version: &VersionEvent) -> io::Result<()> {
        self.first = Some(version.clone());
        let directory = self.site.directory().display();
        let templates = names::count(self.templates_in(version), "template");
        let (number, took) = (version.version, duration(version.microseconds));
        self.terminal.line(format_args!(
            "hotplate serves {directory}: {templates}, version {number} ({took})"
        ))
    }

    fn listening(&mut self, listening: &Listening<'_>) -> io::Result<()> {
        let Listening { url, admin, render } = listening;
        self.terminal.line(format_args!("open {url} (end with Ctrl-C)"))?;
        if let Some(admin) = admin {
            self.terminal.line(format_args!("the dashboard is at {admin}"))?;
        }
        if let Some(render) = render {
            self.terminal
                .line(format_args!("other services render templates at {render}"))?;
        }
        let Some(first) = self.first.take() else {
            return Ok(());
        };
        if self.templates_in(&first) == 0 {
            let page = self.site.template_directory().join("index.html");
            let page = page.display();
            self.terminal
                .line(format_args!("there is no template yet: save one as {page}"))?;
        }
        self.terminal.line("")?;
        self.errors(&first)
    }

    fn templates_in(&self, version: &VersionEvent) -> usize {
        let names = version.changed.iter().chain(&version.stale).chain(&version.broken);
        names.filter(|name| self.site.is_template(name)).count()
    }

    fn published(&mut self, version: &VersionEvent) -> io::Result<()> {
        let fixed = self.printed.fixed_in(version);
        let lists = changes(&self.site, version, &fixed).into_iter();
        let lists: Vec<String> = lists
            .map(|(outcome, list)| self.terminal.outcome(outcome, &list))
            .collect();
        let (number, took) = (version.version, duration(version.microseconds));
        // What people ask for is said with their names; a change of files explains itself.
        let by = match (version.waiting > 0 || self.printed.waiting > 0, version.cause.name()) {
            (true, Some(name)) => format!(", by {name}"),
            _ => String::new(),
        };
        let why = version.cause.why().map(|why| format!(": {why}")).unwrap_or_default();
        self.headline(&format!("version {number}: {} ({took}{by}{why})", lists.join("; ")))?;
        let had_faults = self.printed.has_faults;
        self.errors(version)?;
        if version.waiting > 0 {
            let waiting = names::count(version.waiting, "template");
            return self.terminal.line(format_args!(
                "waiting since a rollback: {waiting} (`hotplate versions` names them)\n"
            ));
        }
        match had_faults && !self.printed.has_faults && self.printed.failed_late.is_empty() {
            true => {
                let all_fixed = self
                    .terminal
                    .outcome(Outcome::Good, "all fixed: every page is served from its newest text");
                self.terminal.line(format_args!("{all_fixed}\n"))
            }
            false => Ok(()),
        }
    }

    /// Prints what happened, with the time of day.
    fn headline(&mut self, line: &str) -> io::Result<()> {
        let now = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        self.terminal.headline(&now, line)
    }

    /// Prints each error of a version once, with the answer that visitors get meanwhile.
    fn errors(&mut self, version: &VersionEvent) -> io::Result<()> {
        let mut shown = 0;
        for diagnostic in version.diagnostics.iter().take(SHOWN_MAX) {
            self.diagnostic(diagnostic)?;
            shown += 1;
        }
        if let more @ 1.. = version.counts.diagnostics.saturating_sub(shown) {
            let directory = self.site.directory().display();
            self.terminal
                .line(format_args!("and {more} more: `hotplate check {directory}` shows all"))?;
        }
        for (answer, names) in answers(&self.site, version) {
            self.answer(answer, &names)?;
        }
        self.printed = Printed {
            version: Some(version.pinned.version()),
            has_faults: version.pinned.snapshot().not_current() != (0, 0),
            waiting: version.waiting,
            not_current: version.stale.iter().chain(&version.broken).cloned().collect(),
            late: Vec::new(),
            failed_late: std::mem::take(&mut self.printed.failed_late),
        };
        Ok(())
    }

    /// Prints that an edit compiled and failed when it was rendered. Templates that do not compile were printed with their version.
    fn fallback(
        &mut self,
        template: &TemplateName,
        version: Version,
        answer: Answer<'_>,
        diagnostics: &[Diagnostic],
    ) -> io::Result<()> {
        if self.printed.version >= Some(version) && self.printed.not_current.contains(template) {
            return Ok(());
        }
        self.printed.failed_late.insert(template.clone());
        for diagnostic in diagnostics {
            let same = |late: &Diagnostic| {
                (&late.template, late.span, &late.message)
                    == (&diagnostic.template, diagnostic.span, &diagnostic.message)
            };
            if !self.printed.late.iter().any(same) {
                self.diagnostic(diagnostic)?;
                self.printed.late.push(diagnostic.clone());
            }
        }
        self.answer(answer, std::slice::from_ref(template))
    }

    /// Prints that a template renders successfully again, if its failure was printed.
    fn fixed(&mut self, template: &TemplateName, version: Version) -> io::Result<()> {
        if !self.printed.failed_late.remove(template) {
            return Ok(());
        }
        let list = names::list(&self.site, std::slice::from_ref(template));
        let fixed = self.terminal.outcome(Outcome::Good, &format!("fixed {list}"));
        self.headline(&format!("version {version}: {fixed}"))
    }

    fn answer(&mut self, (since, kind): Answer<'_>, names: &[TemplateName]) -> io::Result<()> {
        let answer = names::answer(kind, since, &names::list(&self.site, names));
        let hint = match kind {
            "failure" => " (visitors of `serve` would see the stand-in)",
            _ => "",
        };
        self.terminal.line(format_args!("{answer}{hint}\n"))
    }

    fn diagnostic(&mut self, diagnostic: &Diagnostic) -> io::Result<()> {
        self.terminal.diagnostic(&names::diagnostic(&self.site, diagnostic))
    }
}

impl Printed {
    /// Returns the templates that compile again with a version. A template that failed when it was rendered is not known to be good until
    /// it is rendered again.
    fn fixed_in(&mut self, version: &VersionEvent) -> NameSample {
        self.failed_late.retain(|name| !version.removed.contains(name));
        let mut fixed = version.recovered.clone();
        fixed.names.retain(|name| !self.failed_late.contains(name));
        fixed.count -= version.recovered.names.len() - fixed.names.len();
        fixed
    }
}

/// The answer that visitors get for a page whose newest text is not good: the version that is still served, if there is one, and the kind
/// of answer.
type Answer<'k> = (Option<Version>, &'k str);

/// Returns the pages that are stale or broken in a version, grouped by the answer that visitors get.
fn answers(site: &Site, version: &VersionEvent) -> BTreeMap<Answer<'static>, Vec<TemplateName>> {
    let snapshot = version.pinned.snapshot();
    let mut answers: BTreeMap<_, Vec<TemplateName>> = BTreeMap::new();
    let samples = [&version.stale, &version.broken];
    // Of a version that concerns more than its event names, all pages are counted that are not current.
    let names: Vec<&TemplateName> = match samples.iter().any(|sample| sample.names.len() < sample.count) {
        true => snapshot.entries().map(|(_, name, _)| name).collect(),
        false => samples.into_iter().flatten().collect(),
    };
    for name in names.into_iter().filter(|name| site.is_entry(name)) {
        let is_current = snapshot
            .id(name.as_str())
            .is_some_and(|id| matches!(snapshot.status(id), EntryStatus::Current(_)));
        if is_current {
            continue;
        }
        let serving = snapshot.id(name.as_str()).and_then(|id| snapshot.serving(id));
        let answer = serving.map_or((None, "stand-in"), |serving| (serving.since(), serving.as_str()));
        answers.entry(answer).or_default().push(name.clone());
    }
    answers.values_mut().for_each(|names| names.sort_unstable());
    answers
}

/// Returns a version as the line of `watch`.
pub(super) fn version_line(version: &VersionEvent, site: &Site) -> String {
    let mut line = format!("version {} {}", version.version, version.digest);
    for (_, list) in changes(site, version, &version.recovered) {
        line += &format!(" · {list}");
    }
    line + &format!(" · {}", duration(version.microseconds))
}

/// Returns the changes of a version: each list of names that is not empty, with a word for its kind.
fn changes(site: &Site, version: &VersionEvent, fixed: &NameSample) -> Vec<(Outcome, String)> {
    let all = |names: &'_ [TemplateName]| names.len();
    let lists = [
        (Outcome::Plain, "changed", &version.changed[..], all(&version.changed)),
        (Outcome::Plain, "removed", &version.removed, all(&version.removed)),
        (Outcome::Good, "fixed", &fixed.names, fixed.count),
        (Outcome::Stale, "stale", &version.stale.names, version.stale.count),
        (Outcome::Broken, "broken", &version.broken.names, version.broken.count),
    ];
    let lists = lists.into_iter().filter(|(.., count)| *count > 0);
    let lists =
        lists.map(|(outcome, word, names, count)| (outcome, format!("{word} {}", names::list_of(site, names, count))));
    lists.chain(layered(version)).collect()
}

/// The largest number of texts and of scopes beside that of everyone that are named.
const LAYERED_NAMED: usize = 5;

/// Returns the texts of other layers that changed or are gone, and the scopes for which templates changed their status.
fn layered(version: &VersionEvent) -> Vec<(Outcome, String)> {
    let more = |len: usize| match len.saturating_sub(LAYERED_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut lists = Vec::new();
    if !version.layered.is_empty() {
        let named: Vec<String> = version
            .layered
            .iter()
            .take(LAYERED_NAMED)
            .map(ToString::to_string)
            .collect();
        let list = format!("edited {}{}", named.join(", "), more(version.layered.len()));
        lists.push((Outcome::Plain, list));
    }
    for report in version.scopes.iter().take(LAYERED_NAMED) {
        for (outcome, word, sample) in [
            (Outcome::Good, "fixed", &report.recovered),
            (Outcome::Stale, "stale", &report.stale),
            (Outcome::Broken, "broken", &report.broken),
        ] {
            if sample.count > 0 {
                let count = names::count(sample.count, "template");
                lists.push((outcome, format!("{word} for {}: {count}", report.scope)));
            }
        }
    }
    if version.scopes.len() > LAYERED_NAMED {
        let more = version.scopes.len() - LAYERED_NAMED;
        lists.push((Outcome::Plain, format!("{more} more scopes with changes")));
    }
    lists
}

/// Returns microseconds in the unit that people read best.
fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}
