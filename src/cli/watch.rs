//! `hotplate watch`: a line for each published version.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use hotplate::site::Site;
use hotplate::{Event, Hotplate, Subscription};

use super::lines::VersionLine;
use super::live::Live;
use super::output;
use super::setup::Setup;
use super::signals::{Signal, Signals};
use super::terminal::Terminal;
use super::{Directory, Failure, Format, has_become_a_site, names, start, story};

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// A sentence, or one JSON object on each line
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Watch {
    pub(crate) fn run(&self, setup: Setup) -> Result<ExitCode, Failure> {
        setup.detach_output(self.format)?;
        let site = self.directory.open(&setup)?;
        let began = Instant::now();
        let hotplate = start(&site, setup.config().apply(site.builder()))?;
        let subscription = hotplate.subscribe();
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let first = VersionLine::of_all(&site, &hotplate, took);
        super::block_on(async {
            let mut live = Live::new(setup.clone());
            let mut signals = Signals::listen()?;
            let mut following = std::pin::pin!(self.follow(&site, &setup, first, subscription));
            loop {
                tokio::select! {
                    told = &mut following => return told,
                    error = output::closed() => return Err(error.into()),
                    signal = signals.next() => match signal {
                        Signal::End => return Ok(()),
                        Signal::Reload => reload(&mut live, &hotplate),
                    },
                }
            }
        })??;
        super::block_on(hotplate.shutdown(Duration::from_secs(1)))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn follow(
        &self,
        site: &Site,
        setup: &Setup,
        first: VersionLine,
        mut subscription: Subscription,
    ) -> Result<(), Failure> {
        let mut terminal = Terminal::stdout();
        let mut became = false;
        let since = first.version;
        self.write(&mut terminal, &first, site)?;
        while let Some(event) = subscription.next().await {
            match event {
                Event::Published(published) if published.version > since => {
                    self.write(&mut terminal, &VersionLine::of(site, &published), site)?;
                    if !became && has_become_a_site(site, setup).is_some() {
                        became = true;
                        tracing::warn!(
                            "there is a `templates/` now, so this is a site and no plain folder any more: start `hotplate watch` again"
                        );
                    }
                }
                Event::Lagged { missed, current } => tracing::warn!(missed, %current, "versions went by unwritten"),
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, terminal: &mut Terminal, line: &VersionLine, site: &Site) -> Result<(), Failure> {
        let written = match self.format {
            Format::Human => sentence(line, site),
            Format::Json => serde_json::to_string(line).map_err(|error| Failure::Failed(error.to_string()))?,
        };
        Ok(terminal.line(written)?)
    }
}

/// What comes of it is a version, or nothing.
fn reload(live: &mut Live, hotplate: &Hotplate) {
    if live.reread().is_err() {
        return;
    }
    let hotplate = hotplate.clone();
    tokio::spawn(async move {
        if let Err(error) = hotplate.reload().await {
            tracing::error!(%error, "the reload has no answer");
        }
    });
}

fn sentence(line: &VersionLine, site: &Site) -> String {
    let lists = [
        ("changed", &line.changed),
        ("removed", &line.removed),
        ("stale", &line.stale),
        ("broken", &line.broken),
        ("fixed", &line.recovered),
    ];
    let mut sentence = format!("version {} {}", line.version, line.digest);
    for (word, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        sentence += &format!(" · {word} {}", names::list(site, list));
    }
    sentence + &format!(" · {}", story::duration(line.microseconds))
}
