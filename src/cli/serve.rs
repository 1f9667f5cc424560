//! `hotplate serve`: serves a site to visitors over HTTP.

use std::process::ExitCode;

use clap::Args;

use super::printer::EventPrinter;
use super::server::{Audience, Server};
use super::setup::{AdminFlags, CommandSetup, Flag, StoreFlags};
use super::{Directory, Failure, Format};

/// The arguments of `hotplate serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// The address to listen on; port 0 lets the system choose one [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    #[command(flatten)]
    admin: AdminFlags,
    /// The address of the render endpoint for services in other languages, or unix:PATH; port 0 lets the system choose one
    #[arg(long, value_name = "ADDRESS")]
    render_bind: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
    /// Output format: sentences, or a JSON object for each event
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Serve {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        let mut flags = self.directory.flags();
        flags.extend(self.admin.flags());
        flags.extend(self.store.flags());
        flags.push(("--bind ", "server.bind", &self.bind));
        flags.push(("--render-bind ", "render.bind", &self.render_bind));
        flags
    }

    pub(crate) fn run(&self, setup: CommandSetup) -> Result<ExitCode, Failure> {
        setup.detach_output(self.format)?;
        let site = self.directory.open_for_visitors(&setup)?;
        // A stub prints a value unchanged, so visitors would see a price without its currency.
        if let Some(stubs) = super::stubs(&setup.config().apply(site.builder())) {
            return Err(Failure::Wrong(format!(
                "`serve` has only stand-ins for {stubs} (`templates.formatters`), and visitors would see their values unformatted: \
                 serve the site with the program that has these formatters, or use `hotplate dev`"
            )));
        }
        let server = Server {
            next_ports: 0,
            open: false,
            printer: EventPrinter::new(&site, self.format),
            site,
            audience: Audience::Visitors,
            bind: setup.config().server.bind.clone(),
            http: setup.config().server.clone(),
            setup,
        };
        server.run()
    }
}
