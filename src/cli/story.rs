//! What happened to a site, in sentences: for `dev`.

use std::io;
use std::sync::Arc;

use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::snapshot::{Snapshot, Standing, Why};
use hotplate::{Event, Fallback, Hotplate, Published, Serving, TemplateName, Version};

use super::names;
use super::terminal::Terminal;

/// Tells on stdout what becomes of the templates of a site.
pub(crate) struct Story {
    site: Site,
    terminal: Terminal,
    /// What was told with the last version, so that no fault is told twice.
    told: Vec<Arc<Why>>,
}

/// Entries that one fault holds back.
struct Held<'w> {
    why: &'w Arc<Why>,
    /// By the version that goes on being served, if there is one.
    entries: Vec<(Option<Version>, TemplateName)>,
}

impl Story {
    pub(crate) fn new(site: &Site) -> Self {
        Self {
            site: site.clone(),
            terminal: Terminal::stdout(),
            told: Vec::new(),
        }
    }

    /// A line of the beginning.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.terminal.line(line)
    }

    /// What is wrong at the beginning.
    pub(crate) fn standing(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let mut stale = Vec::new();
        let mut broken = Vec::new();
        for (_, name, standing) in snapshot.entries() {
            match standing {
                Standing::Stale { why, .. } => stale.push((name.clone(), Arc::clone(why))),
                Standing::Broken { why } => broken.push((name.clone(), Arc::clone(why))),
                Standing::Current(_) | Standing::Gone => {}
            }
        }
        self.held_back(&stale, &broken, snapshot)
    }

    /// One event.
    pub(crate) fn event(&mut self, event: &Event, hotplate: &Hotplate) -> io::Result<()> {
        match event {
            Event::Published(published) => self.published(published, hotplate.snapshot().snapshot()),
            Event::Fallback(fallback) => self.fallback(fallback),
            Event::ActorFailed(fault) => self.terminal.error(&format!("{fault}")),
            Event::Lagged { missed, current } => {
                let missed = names::count(usize::try_from(*missed).unwrap_or(usize::MAX), "event");
                self.terminal
                    .headline(&format!("version {current} ({missed} went by untold)"))
            }
            _ => Ok(()),
        }
    }

    fn published(&mut self, published: &Published, snapshot: &Snapshot) -> io::Result<()> {
        let said = |verb: &str, names: &[TemplateName]| match names {
            [] => None,
            names => Some(format!("{verb} {}", names::list(&self.site, names))),
        };
        let parts: Vec<String> = [
            said("changed", &published.changed),
            said("removed", &published.removed),
            said("mended", &published.recovered),
        ]
        .into_iter()
        .flatten()
        .collect();
        let Published { version, micros, .. } = published;
        let what = if parts.is_empty() {
            "nothing new is good".to_owned()
        } else {
            parts.join("; ")
        };
        self.terminal
            .headline(&format!("version {version}: {what} ({})", duration(*micros)))?;
        self.told.clear();
        self.held_back(&published.stale, &published.broken, snapshot)
    }

    /// Each fault once, and what is served while it is there.
    fn held_back(
        &mut self,
        stale: &[(TemplateName, Arc<Why>)],
        broken: &[(TemplateName, Arc<Why>)],
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        let mut held: Vec<Held<'_>> = Vec::new();
        for (name, why) in stale.iter().chain(broken) {
            let at = held.iter().position(|held| same(held.why, why)).unwrap_or_else(|| {
                held.push(Held {
                    why,
                    entries: Vec::new(),
                });
                held.len() - 1
            });
            if self.site.is_entry(name) {
                held[at].entries.push((since(snapshot, name), name.clone()));
            }
        }
        for Held { why, mut entries } in held {
            for diagnostic in why.diagnostics.iter() {
                self.diagnostic(diagnostic)?;
            }
            entries.sort_unstable();
            for group in entries.chunk_by(|(a, _), (b, _)| a == b) {
                let names: Vec<TemplateName> = group.iter().map(|(_, name)| name.clone()).collect();
                self.serving(group[0].0, &names)?;
            }
            self.told.push(Arc::clone(why));
        }
        Ok(())
    }

    /// An edit that compiled and failed when it was rendered, mostly.
    fn fallback(&mut self, fallback: &Fallback) -> io::Result<()> {
        if self.told.iter().any(|told| same(told, &fallback.why)) {
            return Ok(());
        }
        for diagnostic in fallback.why.diagnostics.iter() {
            self.diagnostic(diagnostic)?;
        }
        let version = match fallback.serving {
            Serving::LastGood(version) => Some(version),
            Serving::StandIn => None,
        };
        self.serving(version, std::slice::from_ref(&fallback.template))
    }

    fn serving(&mut self, version: Option<Version>, names: &[TemplateName]) -> io::Result<()> {
        let list = names::list(&self.site, names);
        match version {
            Some(version) => self
                .terminal
                .line(format_args!("still serving version {version} of {list}\n")),
            None => self.terminal.line(format_args!(
                "a stand-in is served for {list}: there is no good version yet\n"
            )),
        }
    }

    fn diagnostic(&mut self, diagnostic: &Diagnostic) -> io::Result<()> {
        self.terminal.diagnostic(&names::diagnostic(&self.site, diagnostic))
    }
}

/// Whether two reasons have the same fault at their end. The calls that lead there may differ.
fn same(a: &Arc<Why>, b: &Arc<Why>) -> bool {
    let places = |why: &Why| -> Vec<_> {
        let place = |diagnostic: &Diagnostic| (diagnostic.code, diagnostic.template.clone(), diagnostic.span);
        why.diagnostics.iter().map(place).collect()
    };
    Arc::ptr_eq(a, b) || (a.cause == b.cause && places(a) == places(b))
}

fn since(snapshot: &Snapshot, name: &TemplateName) -> Option<Version> {
    match snapshot.standing(snapshot.id(name.as_str())?) {
        Standing::Stale { since, .. } => Some(since),
        _ => None,
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
