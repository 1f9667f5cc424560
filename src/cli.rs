//! The command: arguments in, text and an exit code out.
//!
//! Results go to stdout, everything about them to stderr. The exit code is 0 if all is well, 1 if templates or data are not,
//! 2 if the command was used wrongly. A reader of stdout that goes away ends the command quietly.

mod check;
mod dev;
mod failure;
mod graph;
mod log;
mod names;
mod render;
mod story;
mod terminal;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hotplate::Builder;
use hotplate::Hotplate;
use hotplate::site::Site;

use failure::Failure;

/// Reload templates inside a running service with no downtime.
#[derive(Debug, Parser)]
#[command(name = "hotplate", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// How the log on stderr looks; RUST_LOG says what is in it
    #[arg(long, global = true, value_enum, default_value_t = log::Format::Human, value_name = "FORMAT")]
    log_format: log::Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a site and show each edit at the next request
    Dev(dev::Dev),
    /// Say what is wrong with a site, and render every entry that has data
    Check(check::Check),
    /// Write one rendered template to stdout
    Render(render::Render),
    /// Show which template calls which
    Graph(graph::Graph),
    /// Write a line for each version that is published
    Watch(watch::Watch),
}

/// What every command works on.
#[derive(Debug, Args)]
struct Directory {
    /// A site (a directory with `templates/` in it) or a plain folder of templates
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Runs the command that the process was started with.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.log_format);
    let done = match &arguments.command {
        Command::Dev(dev) => dev.run(),
        Command::Check(check) => check.run(),
        Command::Render(render) => render.run(),
        Command::Graph(graph) => graph.run(),
        Command::Watch(watch) => watch.run(),
    };
    done.unwrap_or_else(Failure::tell)
}

impl Directory {
    fn open(&self) -> Result<Site, Failure> {
        Ok(Site::open(&self.directory)?)
    }
}

/// Starts an engine; on the way out, what is missing is said with the directory.
fn start(builder: Builder, directory: &Path) -> Result<Hotplate, Failure> {
    builder
        .start()
        .map_err(|error| Failure::Wrong(format!("`{}` cannot be loaded: {error}", directory.display())))
}

/// Waits in place. Commands are one after the other; only what they wait for runs at once.
fn block_on<F: Future>(waiting: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Said(format!("there is no runtime: {error}")))?;
    Ok(runtime.block_on(waiting))
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM.
async fn signal() -> Result<(), Failure> {
    let failed = |error| Failure::Said(format!("signals cannot be waited for: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}
