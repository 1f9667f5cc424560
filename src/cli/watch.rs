//! `hotplate watch`: a line for each published version.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use hotplate::site::Site;
use hotplate::{Event, Hotplate, Subscription, Version};

use super::live::LiveSettings;
use super::output;
use super::printer::EventPrinter;
use super::setup::CommandSetup;
use super::signals::{Signal, Signals};
use super::{Directory, Failure, Format, has_become_a_site, start};

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// Output format: a sentence, or a JSON object on each line
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Watch {
    pub(crate) fn run(&self, setup: CommandSetup) -> Result<ExitCode, Failure> {
        setup.detach_output(self.format)?;
        let site = self.directory.open(&setup)?;
        let began = Instant::now();
        let hotplate = start(&site, setup.config().apply(site.builder()))?;
        let subscription = hotplate.subscribe();
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut printer = EventPrinter::of_versions(&site, self.format);
        // Versions up to this one are part of the first line.
        let first = printer.first_version(&hotplate, took)?;
        super::block_on(async {
            let mut live = LiveSettings::new(setup.clone());
            let mut signals = Signals::listen()?;
            let mut following = std::pin::pin!(follow(&site, &setup, &hotplate, first, printer, subscription));
            loop {
                tokio::select! {
                    ended = &mut following => return ended,
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
}

/// Prints each version that is published after the first, until the engine ends.
async fn follow(
    site: &Site,
    setup: &CommandSetup,
    hotplate: &Hotplate,
    first: Version,
    mut printer: EventPrinter,
    mut subscription: Subscription,
) -> Result<(), Failure> {
    let mut warned = false;
    while let Some(event) = subscription.next().await {
        match &event {
            Event::Published(published) if published.version > first => {
                printer.event(&event, hotplate)?;
                if !warned && has_become_a_site(site, setup).is_some() {
                    warned = true;
                    tracing::warn!(
                        "there is a `templates/` now, so this is a site and no longer a plain folder: start `hotplate watch` again"
                    );
                }
            }
            Event::Lagged { missed, current } => {
                tracing::warn!(missed, %current, "events were dropped: versions may be missing here");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads the configuration again and syncs all sources. Its result is the next version, if anything differs.
fn reload(live: &mut LiveSettings, hotplate: &Hotplate) {
    if live.reread().is_err() {
        return;
    }
    let hotplate = hotplate.clone();
    tokio::spawn(async move {
        if let Err(error) = hotplate.reload().await {
            tracing::error!(%error, "the reload failed");
        }
    });
}
