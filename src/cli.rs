//! The command: arguments in, text and an exit code out. [`main`] is `hotplate`; [`run`] makes a program of yours its own command, with
//! its own formatters, rules and limits.
//!
//! Results go to stdout, everything about them to stderr. A reader of stdout that goes away ends the command quietly, but for
//! `serve`, which goes on. A reader that is there and does not read holds nothing up that serves: see `output`.

mod admin;
mod check;
mod completions;
mod config;
mod descriptors;
mod dev;
mod failure;
mod graph;
mod init;
mod lines;
mod live;
mod log;
mod names;
mod output;
mod program;
mod progress;
mod reload;
mod render;
mod serve;
mod server;
mod setup;
mod signals;
mod story;
mod systemd;
mod tell;
mod terminal;
mod threads;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use hotplate::site::{Site, SiteError};
use hotplate::{Builder, Hotplate, StartError};

use failure::Failure;
use setup::{Common, Flag, Setup};
use terminal::Terminal;

pub use program::run;

/// Reload templates inside a running service with no downtime.
#[derive(Debug, Parser)]
#[command(name = "hotplate", version, about, after_help = EXIT_CODES, after_long_help = LONG)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  templates or data are at fault
  2  the command was used wrongly: arguments, settings, a directory, an address
  3  it could not be done: no answer from a running instance, requests cut off at the end";

const LONG: &str = "\
Exit codes:
  0  all is well
  1  templates or data are at fault
  2  the command was used wrongly: arguments, settings, a directory, an address
  3  it could not be done: no answer from a running instance, requests cut off at the end

Settings come from `hotplate.toml` in DIR (or `--config FILE`), then from variables such as
HOTPLATE_LIMITS__RENDER_MS=500, then from flags. `hotplate config DIR` shows what holds and where it
comes from; `hotplate config --sample` prints every setting with its default.

Variables:
  HOTPLATE_CONFIG             the settings to use
  HOTPLATE_SECTION__KEY       one setting
  RUST_LOG                    what is logged
  NO_COLOR, CLICOLOR_FORCE    never or always in colour; else on a terminal only

Signals, for `dev`, `serve` and `watch`:
  SIGHUP             read the settings again and look at everything
  SIGTERM, SIGINT    answer what is under way, then end; a second one ends at once";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a small site to begin with
    Init(init::Init),
    /// Serve a site to its author: each edit at the next request, each fault in the terminal
    Dev(dev::Dev),
    /// Serve a site to the world
    Serve(serve::Serve),
    /// Say what is wrong with a site, and render every entry that has data
    Check(check::Check),
    /// Write one rendered template to stdout
    Render(render::Render),
    /// Show which template calls which
    Graph(graph::Graph),
    /// Write a line for each version that is published
    Watch(watch::Watch),
    /// Ask a running instance to look at everything, and say what came of it
    Reload(reload::Reload),
    /// Show the settings that hold, and where each comes from
    Config(config::Config),
    /// Write what a shell needs in order to complete this command
    Completions(completions::Completions),
}

/// What every command works on.
#[derive(Debug, Args)]
struct Directory {
    /// A site (its templates are in `templates/`) or a plain folder of templates
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// DIR is a plain folder: the templates are in DIR itself, and all but those in `_*/` and `partials/` are pages
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    plain: Option<String>,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Runs `hotplate` with the arguments of this process, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let Arguments { command, common } = Arguments::parse();
    let code = command.run(&common).unwrap_or_else(Failure::tell);
    output::flush();
    code
}

impl Command {
    fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        // Neither is about a running hotplate, so what is set does not matter.
        match self {
            Self::Init(init) => return init.run(),
            Self::Completions(completions) => return completions.run(Arguments::command()),
            _ => {}
        }
        let setup = common.setup(self.directory(), &self.flags())?;
        descriptors::reserve(self.descriptors(&setup))?;
        threads::reserve(self.threads(&setup))?;
        match self {
            Self::Init(init) => init.run(),
            Self::Dev(dev) => dev.run(setup),
            Self::Serve(serve) => serve.run(setup),
            Self::Check(check) => check.run(&setup),
            Self::Render(render) => render.run(&setup),
            Self::Graph(graph) => graph.run(&setup),
            Self::Watch(watch) => watch.run(setup),
            Self::Reload(reload) => reload.run(&setup),
            Self::Config(config) => config.run(&setup),
            Self::Completions(completions) => completions.run(Arguments::command()),
        }
    }

    /// Where `hotplate.toml` is looked for.
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Dev(dev::Dev { directory, .. })
            | Self::Serve(serve::Serve { directory, .. })
            | Self::Check(check::Check { directory, .. })
            | Self::Render(render::Render { directory, .. })
            | Self::Graph(graph::Graph { directory, .. })
            | Self::Watch(watch::Watch { directory, .. }) => Some(&directory.directory),
            Self::Config(config) => config.directory.as_deref(),
            Self::Init(_) | Self::Reload(_) | Self::Completions(_) => None,
        }
    }

    /// Files that have to be open at once, at least.
    fn descriptors(&self, setup: &Setup) -> usize {
        match self {
            Self::Serve(_) => descriptors::of_server(setup.config().server.workers, &setup.config().admin),
            Self::Dev(_) => descriptors::of_server(dev::WORKERS, &setup.config().admin),
            Self::Watch(_) => descriptors::OF_WATCH,
            Self::Check(_) | Self::Render(_) | Self::Graph(_) => descriptors::OF_LOAD,
            Self::Init(_) | Self::Reload(_) | Self::Config(_) | Self::Completions(_) => 0,
        }
    }

    /// Threads that have to run at once, for those who cannot begin with fewer. The others say it when they come to it.
    fn threads(&self, setup: &Setup) -> usize {
        let config = setup.config();
        match self {
            Self::Serve(_) => threads::of_server(config.server.workers, &config.admin, &config.limits),
            Self::Dev(_) => threads::of_server(dev::WORKERS, &config.admin, &config.limits),
            _ => 0,
        }
    }

    /// Flags that are settings.
    fn flags(&self) -> Vec<Flag<'_>> {
        match self {
            Self::Dev(dev) => dev.flags(),
            Self::Serve(serve) => serve.flags(),
            Self::Reload(reload) => reload.flags(),
            Self::Check(check::Check { directory, .. })
            | Self::Render(render::Render { directory, .. })
            | Self::Graph(graph::Graph { directory, .. })
            | Self::Watch(watch::Watch { directory, .. }) => directory.flags(),
            Self::Init(_) | Self::Config(_) | Self::Completions(_) => Vec::new(),
        }
    }
}

impl Directory {
    fn flags(&self) -> Vec<Flag<'_>> {
        vec![("--plain=", "templates.plain", &self.plain)]
    }

    /// For an author: what is in the directory decides where nobody says what it is.
    fn open(&self, setup: &Setup) -> Result<Site, Failure> {
        self.open_as_said(setup, Site::guess)
    }

    /// For the world: it is a site, unless somebody says otherwise.
    fn open_to_the_world(&self, setup: &Setup) -> Result<Site, Failure> {
        self.open_as_said(setup, Site::open)
    }

    fn open_as_said(
        &self,
        setup: &Setup,
        unsaid: impl FnOnce(PathBuf) -> Result<Site, SiteError>,
    ) -> Result<Site, Failure> {
        let directory = self.directory.clone();
        let said = &setup.config().templates;
        let site = match (said.plain, said.directory.as_str()) {
            (true, _) => Site::folder(directory),
            (false, hotplate::site::TEMPLATES) => unsaid(directory),
            (false, templates) => Site::open(directory).map(|site| site.templates(templates)),
        };
        Ok(site?.rules(setup.config().files.rules()))
    }
}

/// What the directory of a plain folder looks like now, if that is a site. Nobody has said what it is.
fn has_become_a_site(site: &Site, setup: &Setup) -> Option<Site> {
    let guessed = site.is_folder() && !setup.config().templates.plain;
    let now = guessed.then(|| Site::guess(site.directory()).ok()).flatten()?;
    (!now.is_folder()).then(|| now.rules(setup.config().files.rules()))
}

/// Starts an engine; on the way out, what is missing is said with the directory.
fn start(site: &Site, builder: Builder) -> Result<Hotplate, Failure> {
    if let Some(stubs) = stubs(&builder) {
        // Nobody has to read it.
        let _ = Terminal::stderr().line(format_args!(
            "note: {stubs} as it is (`templates.formatters`): the real ones are in your own program"
        ));
    }
    start_quietly(site, builder)
}

fn start_quietly(site: &Site, builder: Builder) -> Result<Hotplate, Failure> {
    let directory = site.directory().display();
    let started = builder.start();
    started.map_err(|error| {
        let said = match &error {
            error if site.is_program() => error.to_string(),
            StartError::Load(why) => format!("`{directory}` cannot be loaded: {why}"),
            error => format!("`{directory}`: {error}"),
        };
        match error {
            StartError::Thread(_) | StartError::Watch(_) | StartError::TooSlow(_) | StartError::Failed => {
                Failure::Failed(said)
            }
            _ => Failure::Wrong(said),
        }
    })
}

/// The formatters that stand for the value, as the beginning of a sentence.
fn stubs(builder: &Builder) -> Option<String> {
    let names: Vec<String> = builder.stubs().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [] => None,
        [one] => Some(format!("the formatter {one} prints the value")),
        [some @ .., last] => Some(format!("the formatters {} and {last} print the value", some.join(", "))),
    }
}

/// Waits in place. Commands are one after the other; only what they wait for runs at once.
fn block_on<F: Future>(waiting: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("there is no runtime: {error}")))?;
    Ok(runtime.block_on(waiting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        Arguments::command().debug_assert();
    }
}
