//! What happened to a site, in sentences: for `dev`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use hotplate::config::Finding;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::snapshot::{Snapshot, Standing};
use hotplate::supervision::GivenUp;
use hotplate::{Event, Fallback, Fixed, Hotplate, Published, Serving, TemplateName, Version};

use super::names;
use super::terminal::Terminal;

/// Tells on stdout what becomes of the templates of a site.
pub(crate) struct Story {
    site: Site,
    terminal: Terminal,
    /// What was told with the last version: nothing is told twice.
    told: Told,
}

#[derive(Default)]
struct Told {
    version: Option<Version>,
    /// Templates that do not go forward with that version.
    held_back: Vec<TemplateName>,
    /// What was wrong when pages of that version were rendered.
    late: Vec<Diagnostic>,
    /// Templates that failed when they were rendered, of which it was not told yet that they are fixed.
    failed_late: BTreeSet<TemplateName>,
}

/// Diagnostics that are shown of one version. Who renames a folder has more, and knows why.
const SHOWN_MAX: usize = 10;

impl Story {
    pub(crate) fn new(site: &Site) -> Self {
        Self {
            site: site.clone(),
            terminal: Terminal::stdout(),
            told: Told::default(),
        }
    }

    /// A line of the beginning.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.terminal.line(line)
    }

    /// What is wrong with the configuration.
    pub(crate) fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.terminal.finding(finding)
    }

    /// What is wrong at the beginning.
    pub(crate) fn wrong(&mut self, diagnostics: &[Diagnostic], snapshot: &Snapshot) -> io::Result<()> {
        let broken = snapshot.entries().filter_map(|(_, name, standing)| match standing {
            Standing::Stale { .. } | Standing::Broken { .. } => Some(name.clone()),
            Standing::Current(_) | Standing::Gone => None,
        });
        self.held_back(diagnostics, broken.collect(), snapshot)
    }

    /// One event.
    pub(crate) fn event(&mut self, event: &Event, hotplate: &Hotplate) -> io::Result<()> {
        match event {
            Event::Published(published) => self.published(published, hotplate.snapshot().snapshot()),
            Event::Fallback(fallback) => self.fallback(fallback),
            Event::Fixed(fixed) => self.fixed(fixed),
            Event::ActorFailed(fault) => self.terminal.error(&fault.to_string()),
            Event::GaveUp(GivenUp { actor, said, .. }) => self.terminal.error(&format!(
                "the {actor} failed too often and stays down ({said}): pages go on being served, and edits wait for a reset"
            )),
            Event::Lagged { missed, current } => {
                let missed = names::count(usize::try_from(*missed).unwrap_or(usize::MAX), "event");
                self.terminal
                    .headline(&format!("version {current} ({missed} went by untold)"))
            }
            _ => Ok(()),
        }
    }

    fn published(&mut self, published: &Published, snapshot: &Snapshot) -> io::Result<()> {
        let fixed = self.told.fixed(published);
        let lists = [
            ("changed", &published.changed),
            ("removed", &published.removed),
            ("fixed", &fixed),
            ("held back", &published.stale),
            ("broken", &published.broken),
        ];
        let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<String> = lists
            .map(|(word, names)| format!("{word} {}", names::list(&self.site, names)))
            .collect();
        let Published { version, micros, .. } = published;
        let took = duration(*micros);
        self.terminal
            .headline(&format!("version {version}: {} ({took})", said.join("; ")))?;
        let names = [&published.stale[..], &published.broken[..]].concat();
        self.held_back(&published.diagnostics, names, snapshot)
    }

    /// Each fault once, and what is served while it is there.
    fn held_back(
        &mut self,
        diagnostics: &[Diagnostic],
        names: Vec<TemplateName>,
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        for diagnostic in diagnostics.iter().take(SHOWN_MAX) {
            self.diagnostic(diagnostic)?;
        }
        if let more @ 1.. = diagnostics.len().saturating_sub(SHOWN_MAX) {
            let directory = self.site.directory().display();
            self.terminal
                .line(format_args!("and {more} more: `hotplate check {directory}` shows all"))?;
        }
        let mut served: BTreeMap<Served, Vec<TemplateName>> = BTreeMap::new();
        for name in names.iter().filter(|name| self.site.is_entry(name)) {
            served.entry(Served::of(snapshot, name)).or_default().push(name.clone());
        }
        for (served, mut names) in served {
            names.sort_unstable();
            self.serving(served, &names)?;
        }
        self.told = Told {
            version: Some(snapshot.version()),
            held_back: names,
            late: Vec::new(),
            failed_late: std::mem::take(&mut self.told.failed_late),
        };
        Ok(())
    }

    /// An edit that compiled and failed when it was rendered; others were told with their version.
    fn fallback(&mut self, fallback: &Fallback) -> io::Result<()> {
        let Fallback { template, version, .. } = fallback;
        if self.told.version >= Some(*version) && self.told.held_back.contains(template) {
            return Ok(());
        }
        self.told.failed_late.insert(template.clone());
        for diagnostic in fallback.why.diagnostics.iter() {
            let told = |late: &Diagnostic| {
                (&late.template, late.span, &late.message)
                    == (&diagnostic.template, diagnostic.span, &diagnostic.message)
            };
            if !self.told.late.iter().any(told) {
                self.diagnostic(diagnostic)?;
                self.told.late.push(diagnostic.clone());
            }
        }
        self.serving(fallback.serving.into(), std::slice::from_ref(template))
    }

    /// A template that was told to fail when it was rendered is rendered well.
    fn fixed(&mut self, fixed: &Fixed) -> io::Result<()> {
        let Fixed { template, version } = fixed;
        if !self.told.failed_late.remove(template) {
            return Ok(());
        }
        let list = names::list(&self.site, std::slice::from_ref(template));
        self.terminal.headline(&format!("version {version}: fixed {list}"))
    }

    fn serving(&mut self, served: Served, names: &[TemplateName]) -> io::Result<()> {
        let list = names::list(&self.site, names);
        match served {
            Served::LastGood(version) => self
                .terminal
                .line(format_args!("still serving version {version} of {list}\n")),
            Served::StandIn => self.terminal.line(format_args!(
                "a stand-in is served for {list}: there is no good version yet\n"
            )),
            Served::Failure => self.terminal.line(format_args!(
                "{list} cannot be shown: there is no good version yet (visitors of `serve` would see the stand-in)\n"
            )),
        }
    }

    fn diagnostic(&mut self, diagnostic: &Diagnostic) -> io::Result<()> {
        self.terminal.diagnostic(&names::diagnostic(&self.site, diagnostic))
    }
}

impl Told {
    /// Returns what compiles again with a version. What failed when it was rendered is not known to be good before it is rendered.
    fn fixed(&mut self, published: &Published) -> Vec<TemplateName> {
        self.failed_late.retain(|name| !published.removed.contains(name));
        let recovered = published.recovered.iter();
        recovered
            .filter(|name| !self.failed_late.contains(*name))
            .cloned()
            .collect()
    }
}

/// What visitors get of a template, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Served {
    Failure,
    StandIn,
    LastGood(Version),
}

impl Served {
    fn of(snapshot: &Snapshot, name: &TemplateName) -> Self {
        let serving = snapshot.id(name.as_str()).and_then(|id| snapshot.serving(id));
        serving.map_or(Self::StandIn, Self::from)
    }
}

impl From<Serving> for Served {
    fn from(serving: Serving) -> Self {
        match serving {
            Serving::LastGood(version) => Self::LastGood(version),
            Serving::StandIn => Self::StandIn,
            Serving::Failure => Self::Failure,
        }
    }
}

/// Microseconds for people.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}
