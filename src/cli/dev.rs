//! `hotplate dev`: a site over HTTP for its author, with all errors in the browser and on the terminal.

use std::net::ToSocketAddrs;
use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use hotplate::config::Origin;

use super::printer::EventPrinter;
use super::server::{Audience, Server};
use super::setup::{AdminFlags, CommandSetup, Flag, StoreFlags};
use super::{Directory, Failure, Format, completions};

/// Threads that answer requests: there is one visitor, the author.
pub(crate) const WORKERS: usize = 2;

/// Ports after the default one that are tried while it is in use.
const NEXT_PORTS: u16 = 20;

#[derive(Debug, Args)]
#[command(mut_arg("directory", |directory| directory.required(false).default_value(".")))]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// The address to listen on; port 0 lets the system choose one [default: 127.0.0.1:7878, or the next port that is free]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Open the site in a browser
    #[arg(long)]
    open: bool,
    /// The editor that links in the browser open: vscode, vscodium, cursor, zed, idea, subl, or a link with {file}, {line}, {column}
    /// [default: vscode]
    #[arg(long, value_name = "EDITOR", add = ArgValueCandidates::new(completions::editors))]
    editor: Option<String>,
    #[command(flatten)]
    admin: AdminFlags,
    #[command(flatten)]
    store: StoreFlags,
    /// Output format: sentences, or a JSON object for each event
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Dev {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        let mut flags = self.directory.flags();
        flags.extend(self.admin.flags());
        flags.extend(self.store.flags());
        flags.extend([
            ("--bind ", "dev.bind", &self.bind),
            ("--editor ", "dev.editor", &self.editor),
        ]);
        flags
    }

    pub(crate) fn run(&self, setup: CommandSetup) -> Result<ExitCode, Failure> {
        setup.detach_output(self.format)?;
        // If others can connect, a directory is not taken for a plain folder by guessing, because each file in it would be a page.
        let site = match is_loopback(&setup.config().dev.bind) {
            true => self.directory.open(&setup)?,
            false => self.directory.open_for_visitors(&setup)?,
        };
        let mut http = setup.config().server.clone();
        http.workers = WORKERS;
        let by_default = hotplate::config::keys()
            .iter()
            .find(|key| key.path == "dev.bind")
            .is_some_and(|key| setup.settings.origin(key) == Origin::Default);
        let server = Server {
            next_ports: if by_default { NEXT_PORTS } else { 0 },
            open: self.open,
            printer: EventPrinter::new(&site, self.format),
            site,
            audience: Audience::Author,
            bind: setup.config().dev.bind.clone(),
            http,
            setup,
        };
        server.run()
    }
}

/// Returns true if an address can be reached from this machine only.
fn is_loopback(bind: &str) -> bool {
    bind.to_socket_addrs()
        .is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
}
