//! `hotplate watch`: a line for each published version.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::snapshot::Standing;
use hotplate::{Digest, Event, Hotplate, Published, Subscription, TemplateName, Version};
use serde::Serialize;

use super::terminal::Terminal;
use super::{Directory, Failure, Format, names, start, story};

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    directory: Directory,
    /// A sentence, or one JSON object on each line
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// One version, as it is written. A list has every name; a sentence leaves some out.
#[derive(Debug, Serialize)]
struct Line {
    version: Version,
    digest: Digest,
    changed: Vec<TemplateName>,
    removed: Vec<TemplateName>,
    stale: Vec<TemplateName>,
    broken: Vec<TemplateName>,
    recovered: Vec<TemplateName>,
    /// What is newly wrong.
    diagnostics: Vec<Diagnostic>,
    microseconds: u64,
}

impl Watch {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let site = self.directory.open()?;
        let began = Instant::now();
        let hotplate = start(site.builder(), site.directory())?;
        let subscription = hotplate.subscribe();
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let first = Line::of_all(&site, &hotplate, took);
        super::block_on(async {
            tokio::select! {
                told = self.follow(&site, first, subscription) => told,
                ended = super::signal() => ended,
            }
        })??;
        super::block_on(hotplate.shutdown(Duration::from_secs(1)))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn follow(&self, site: &Site, first: Line, mut subscription: Subscription) -> Result<(), Failure> {
        let mut terminal = Terminal::stdout();
        let since = first.version;
        self.write(&mut terminal, &first, site)?;
        while let Some(event) = subscription.next().await {
            match event {
                Event::Published(published) if published.version > since => {
                    self.write(&mut terminal, &Line::of(site, &published), site)?;
                }
                Event::Lagged { missed, current } => tracing::warn!(missed, %current, "versions went by unwritten"),
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, terminal: &mut Terminal, line: &Line, site: &Site) -> Result<(), Failure> {
        let written = match self.format {
            Format::Human => line.sentence(site),
            Format::Json => serde_json::to_string(line).map_err(|error| Failure::Said(error.to_string()))?,
        };
        Ok(terminal.line(written)?)
    }
}

impl Line {
    fn of(site: &Site, published: &Published) -> Self {
        Self {
            version: published.version,
            digest: published.digest,
            changed: names::shown(site, &published.changed),
            removed: names::shown(site, &published.removed),
            stale: names::shown(site, &published.stale),
            broken: names::shown(site, &published.broken),
            recovered: names::shown(site, &published.recovered),
            diagnostics: diagnostics(site, &published.diagnostics),
            microseconds: published.micros,
        }
    }

    /// The version that everything begins with.
    fn of_all(site: &Site, hotplate: &Hotplate, microseconds: u64) -> Self {
        let pinned = hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let mut line = Self {
            version: snapshot.version(),
            digest: snapshot.digest(),
            changed: Vec::new(),
            removed: Vec::new(),
            stale: Vec::new(),
            broken: Vec::new(),
            recovered: Vec::new(),
            diagnostics: diagnostics(site, &hotplate.diagnostics()),
            microseconds,
        };
        for (_, name, standing) in snapshot.entries() {
            let list = match standing {
                Standing::Current(_) => &mut line.changed,
                Standing::Stale { .. } => &mut line.stale,
                Standing::Broken { .. } => &mut line.broken,
                Standing::Gone => continue,
            };
            list.push(site.shown(name));
        }
        for list in [&mut line.changed, &mut line.stale, &mut line.broken] {
            list.sort_unstable();
        }
        line
    }

    fn sentence(&self, site: &Site) -> String {
        let lists = [
            ("changed", &self.changed),
            ("removed", &self.removed),
            ("stale", &self.stale),
            ("broken", &self.broken),
            ("mended", &self.recovered),
        ];
        let mut sentence = format!("version {} {}", self.version, self.digest);
        for (word, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            sentence += &format!(" · {word} {}", names::list(site, list));
        }
        sentence + &format!(" · {}", story::duration(self.microseconds))
    }
}

fn diagnostics(site: &Site, diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    diagnostics
        .iter()
        .map(|diagnostic| names::diagnostic(site, diagnostic))
        .collect()
}
