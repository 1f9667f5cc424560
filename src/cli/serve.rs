//! `hotplate serve`: a site over HTTP for the world.

use std::process::ExitCode;

use clap::Args;

use super::printer::EventPrinter;
use super::server::{Audience, Server};
use super::setup::{AdminFlags, CommandSetup, Flag};
use super::{Directory, Failure, Format};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// The address to listen on; port 0 lets the system choose one [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    #[command(flatten)]
    admin: AdminFlags,
    /// Output format: sentences, or a JSON object for each event
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Serve {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        let mut flags = self.directory.flags();
        flags.extend(self.admin.flags());
        flags.push(("--bind ", "server.bind", &self.bind));
        flags
    }

    pub(crate) fn run(&self, setup: CommandSetup) -> Result<ExitCode, Failure> {
        setup.detach_output(self.format)?;
        let site = self.directory.open_to_the_world(&setup)?;
        // Visitors would read prices without a currency.
        if let Some(stubs) = super::stubs(&setup.config().apply(site.builder())) {
            return Err(Failure::Wrong(format!(
                "`serve` shows pages to the world, and {stubs} as it is (`templates.formatters`): let the program serve them that \
                 has the real ones, or use `hotplate dev`"
            )));
        }
        let server = Server {
            tell: EventPrinter::new(&site, self.format),
            site,
            audience: Audience::World,
            bind: setup.config().server.bind.clone(),
            http: setup.config().server.clone(),
            setup,
        };
        server.run()
    }
}
