//! The command line. [`main`] is the program `hotplate`; [`run`] gives your own program the same commands for its engine, with its
//! formatters, rules and limits.
//!
//! Results go to stdout, everything about them to stderr. If the reader of stdout closes it, a command ends quietly, except `serve`,
//! which continues. A reader that stops reading delays no command that serves: see `output`.
//!
//! Each command is a module with its arguments and a method `run`. `dev` and `serve` share `server`, and both write their events, as
//! `watch` does, through `printer`.

mod admin;
mod audit;
mod check;
mod completions;
mod config;
mod descriptors;
mod dev;
mod failure;
mod findings;
mod graph;
mod init;
mod instance;
mod json;
mod live;
mod log;
mod names;
mod operate;
mod output;
mod preview;
mod printer;
mod program;
mod progress;
mod reload;
mod render;
mod scope;
mod serve;
mod server;
mod setup;
mod sidecar;
mod signals;
mod systemd;
mod terminal;
mod threads;
mod token;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use hotplate::site::{Site, SiteError};
use hotplate::source_url::{SourceUrl, is_source};
use hotplate::{Builder, Hotplate, StartError};

use failure::Failure;
use setup::{CommandSetup, CommonArguments, Flag};
use terminal::Terminal;

pub use program::run;

/// Reload templates inside a running service with no downtime.
#[derive(Debug, Parser)]
#[command(name = "hotplate", version, about, after_help = EXIT_CODES, after_long_help = LONG)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: CommonArguments,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  errors in templates or data
  2  wrong use: arguments, settings, a directory, an address
  3  not possible: no answer from a running instance, requests cut off at the end";

const LONG: &str = "\
Exit codes:
  0  success
  1  errors in templates or data
  2  wrong use: arguments, settings, a directory, an address
  3  not possible: no answer from a running instance, requests cut off at the end

Settings come from `hotplate.toml` in DIR (or `--config FILE`), then from variables such as
HOTPLATE_LIMITS__RENDER_MS=500, then from flags. `hotplate config DIR` shows the settings in force and
where each comes from; `hotplate config --sample` prints every setting with its default.

Variables:
  HOTPLATE_CONFIG             the file with the settings
  HOTPLATE_SECTION__KEY       one setting
  RUST_LOG                    the log level
  NO_COLOR, CLICOLOR_FORCE    never or always in colour; by default on a terminal only

Signals, for `dev`, `serve` and `watch`:
  SIGHUP             read the settings again and compare all files
  SIGTERM, SIGINT    answer the requests under way, then end; a second one ends at once";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a small site to start from
    Init(init::Init),
    /// Serve a site to its author: each edit at the next request, each error in the browser and the terminal
    Dev(dev::Dev),
    /// Serve a site to visitors
    Serve(serve::Serve),
    /// Find errors in a site, and render every page that has data
    Check(check::Check),
    /// Show what a directory, an archive or a git revision would change, without publishing it
    Preview(preview::Preview),
    /// Write one rendered template to stdout
    Render(render::Render),
    /// Show which layers have a text of a template, and which one a tenant or a stage gets
    Explain(scope::Explain),
    /// Show which templates call which
    Graph(graph::Graph),
    /// Write a line for each version that is published
    Watch(watch::Watch),
    /// Make a running instance compare all files, and print the result
    Reload(reload::Reload),
    /// Show what a running instance serves, and what is wrong with it
    Status(operate::Status),
    /// List the versions of a running instance, who made them, and what waits since a rollback
    Versions(operate::Versions),
    /// Show the differences between two versions of a running instance, or between one and its sources
    Diff(operate::Diff),
    /// Make a running instance serve an earlier version again
    Rollback(operate::RollBack),
    /// Make a running instance serve everything that waits since a rollback
    Resume(operate::Resume),
    /// Show the stages of a running instance: what the judge knows of a canary, why it is stopped, and its rollout
    Stages(operate::Stages),
    /// Make a running instance serve the texts of canary to all visitors
    Promote(operate::Promote),
    /// Stop a stage of a running instance: its visitors get stable
    Abort(operate::Abort),
    /// List the tenants of a running instance
    Tenants(operate::Tenants),
    /// Show which versions a running instance still has in memory, and what holds them
    Leaks(operate::Leaks),
    /// Show the sources of a running instance: their state, what they have, and their last error
    Sources(operate::Sources),
    /// Check or show an audit log
    Audit(audit::Audit),
    /// Make a token for a person or a program that uses the admin listener
    Token(token::Token),
    /// Show the settings in force, and where each comes from
    Config(config::Config),
    /// Write a script that completes this command in a shell
    Completions(completions::Completions),
}

/// The directory that most commands work on.
#[derive(Debug, Args)]
struct Directory {
    /// A site (its templates are in `templates/`) or a plain folder of templates; or a source: `postgres://…`, `git+file:/…`, `https://…`
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// DIR is a plain folder: the templates are in DIR itself, and all of them are pages except in `_*/` and `partials/`
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", add = ArgValueCandidates::new(completions::flags))]
    plain: Option<String>,
}

/// The format of output: for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Runs `hotplate` with the arguments of this process, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    completions::answer::<Arguments>();
    let format = asked_format(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()));
    let Arguments { command, common } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if format == Format::Json && error.use_stderr() => {
            return Failure::of_arguments(&error).report_in(format);
        }
        Err(error) => error.exit(),
    };
    let code = command.run(&common).unwrap_or_else(|failure| failure.report_in(format));
    output::flush();
    code
}

/// Returns the format that the arguments ask for, also if they are wrong otherwise.
fn asked_format(arguments: impl Iterator<Item = String>) -> Format {
    let arguments: Vec<String> = arguments.collect();
    let pairs = arguments
        .windows(2)
        .any(|pair| pair[0] == "--format" && pair[1] == "json");
    match pairs || arguments.iter().any(|argument| argument == "--format=json") {
        true => Format::Json,
        false => Format::Human,
    }
}

impl Command {
    fn run(&self, common: &CommonArguments) -> Result<ExitCode, Failure> {
        // None of them starts an engine, so an invalid configuration does not prevent them.
        match self {
            Self::Init(init) => return init.run(),
            Self::Completions(completions) => return completions.run(),
            Self::Audit(audit) => return audit.run(),
            Self::Token(token) => return token.run(),
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
            Self::Preview(preview) => preview.run(&setup),
            Self::Render(render) => render.run(&setup),
            Self::Explain(explain) => explain.run(&setup),
            Self::Graph(graph) => graph.run(&setup),
            Self::Watch(watch) => watch.run(setup),
            Self::Reload(reload) => reload.run(&setup),
            Self::Status(status) => status.run(&setup),
            Self::Versions(versions) => versions.run(&setup),
            Self::Diff(diff) => diff.run(&setup),
            Self::Rollback(roll_back) => roll_back.run(&setup),
            Self::Resume(resume) => resume.run(&setup),
            Self::Stages(stages) => stages.run(&setup),
            Self::Promote(promote) => promote.run(&setup),
            Self::Abort(abort) => abort.run(&setup),
            Self::Tenants(tenants) => tenants.run(&setup),
            Self::Leaks(leaks) => leaks.run(&setup),
            Self::Sources(sources) => sources.run(&setup),
            Self::Audit(audit) => audit.run(),
            Self::Token(token) => token.run(),
            Self::Config(config) => config.run(&setup),
            Self::Completions(completions) => completions.run(),
        }
    }

    /// Returns the directory in which `hotplate.toml` is looked for.
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Dev(dev::Dev { directory, .. })
            | Self::Serve(serve::Serve { directory, .. })
            | Self::Check(check::Check { directory, .. })
            | Self::Preview(preview::Preview { directory, .. })
            | Self::Render(render::Render { directory, .. })
            | Self::Explain(scope::Explain { directory, .. })
            | Self::Graph(graph::Graph { directory, .. })
            | Self::Watch(watch::Watch { directory, .. }) => Some(&directory.directory),
            Self::Config(config) => config.directory.as_deref(),
            _ => None,
        }
    }

    /// Returns the number of files that have to be open at once, at least.
    fn descriptors(&self, setup: &CommandSetup) -> usize {
        match self {
            Self::Serve(_) => descriptors::of_server(setup.config().server.workers, setup.config()),
            Self::Dev(_) => descriptors::of_server(dev::WORKERS, setup.config()),
            Self::Watch(_) => descriptors::OF_WATCH,
            Self::Check(_) | Self::Preview(_) | Self::Render(_) | Self::Explain(_) | Self::Graph(_) => {
                descriptors::OF_LOAD
            }
            _ => 0,
        }
    }

    /// Returns the number of threads that the command needs to start, for commands that check it beforehand. Others fail when a thread
    /// cannot be started.
    fn threads(&self, setup: &CommandSetup) -> usize {
        let config = setup.config();
        match self {
            Self::Serve(_) => threads::of_server(config.server.workers, &config.admin, &config.limits),
            Self::Dev(_) => threads::of_server(dev::WORKERS, &config.admin, &config.limits),
            _ => 0,
        }
    }

    /// Returns the flags that are settings.
    fn flags(&self) -> Vec<Flag<'_>> {
        match self {
            Self::Dev(dev) => dev.flags(),
            Self::Serve(serve) => serve.flags(),
            Self::Reload(reload) => reload.flags(),
            Self::Status(operate::Status { query })
            | Self::Versions(operate::Versions { query })
            | Self::Diff(operate::Diff { query, .. })
            | Self::Tenants(operate::Tenants { query })
            | Self::Sources(operate::Sources { query })
            | Self::Leaks(operate::Leaks { query }) => query.flags(),
            Self::Rollback(operate::RollBack { change, .. })
            | Self::Resume(operate::Resume { change })
            | Self::Stages(operate::Stages { change, .. })
            | Self::Promote(operate::Promote { change, .. })
            | Self::Abort(operate::Abort { change, .. }) => change.query.flags(),
            Self::Preview(preview) => preview.flags(),
            Self::Check(check::Check { directory, .. })
            | Self::Render(render::Render { directory, .. })
            | Self::Explain(scope::Explain { directory, .. })
            | Self::Graph(graph::Graph { directory, .. })
            | Self::Watch(watch::Watch { directory, .. }) => directory.flags(),
            Self::Init(_) | Self::Audit(_) | Self::Token(_) | Self::Config(_) | Self::Completions(_) => Vec::new(),
        }
    }
}

impl Directory {
    fn flags(&self) -> Vec<Flag<'_>> {
        vec![("--plain=", "templates.plain", &self.plain)]
    }

    /// Returns another directory that is opened in the same way.
    fn at(&self, directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            plain: self.plain.clone(),
        }
    }

    /// Opens the directory for an author. If the settings do not say whether it is a site or a plain folder, its content decides.
    fn open(&self, setup: &CommandSetup) -> Result<Site, Failure> {
        self.open_or(setup, Site::guess)
    }

    /// Opens the directory for visitors: it is a site, unless the settings say otherwise.
    fn open_for_visitors(&self, setup: &CommandSetup) -> Result<Site, Failure> {
        self.open_or(setup, Site::open)
    }

    fn open_or(
        &self,
        setup: &CommandSetup,
        default: impl FnOnce(PathBuf) -> Result<Site, SiteError>,
    ) -> Result<Site, Failure> {
        let directory = self.directory.clone();
        if let Some(source) = directory.to_str().filter(|directory| is_source(directory)) {
            let source = SourceUrl::parse(source);
            return source.map(Site::of_source).map_err(Failure::Wrong);
        }
        let templates = &setup.config().templates;
        let site = match (templates.plain, templates.directory.as_str()) {
            (true, _) => Site::folder(directory),
            (false, hotplate::site::TEMPLATES) => default(directory),
            (false, templates) => Site::open(directory).map(|site| site.templates(templates)),
        };
        let site = site.or_else(|error| match setup.has_stored() {
            true => Ok(Site::absent(self.directory.clone(), templates.plain).templates(&templates.directory)),
            false => Err(error),
        });
        Ok(site?.rules(setup.config().files.rules()))
    }
}

/// Returns the site that the directory of a plain folder has become, if it has become one and the settings leave that open.
fn has_become_a_site(site: &Site, setup: &CommandSetup) -> Option<Site> {
    let guessed = site.is_folder() && !setup.config().templates.plain;
    let now = guessed.then(|| Site::guess(site.directory()).ok()).flatten()?;
    (!now.is_folder()).then(|| now.rules(setup.config().files.rules()))
}

/// Starts an engine, with a note on stderr if formatters are replaced by printing the value.
fn start(site: &Site, builder: Builder) -> Result<Hotplate, Failure> {
    if let Some(stubs) = stubs(&builder) {
        // If stderr cannot be written, the command works anyway.
        let _ = Terminal::stderr().line(format_args!(
            "note: {stubs} as it is (`templates.formatters`): the real ones are in your own program"
        ));
    }
    start_quietly(site, builder)
}

/// Starts an engine. Errors name the directory.
fn start_quietly(site: &Site, builder: Builder) -> Result<Hotplate, Failure> {
    let directory = site.directory().display();
    let started = builder.start();
    started.map_err(|error| {
        let message = match &error {
            error if site.is_program() => error.to_string(),
            StartError::Load(why) => format!("`{directory}` cannot be loaded: {why}"),
            error => format!("`{directory}`: {error}"),
        };
        match error {
            StartError::Required { .. } | StartError::Refused(_) => Failure::Invalid(message),
            StartError::Thread(_) | StartError::Watch(_) | StartError::TooSlow(_) | StartError::Failed(_) => {
                Failure::Failed(message)
            }
            _ => Failure::Wrong(message),
        }
    })
}

/// Returns the formatters that are replaced by printing the value, as the beginning of a sentence.
fn stubs(builder: &Builder) -> Option<String> {
    let names: Vec<String> = builder.stubs().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [] => None,
        [one] => Some(format!("the formatter {one} prints the value")),
        [some @ .., last] => Some(format!("the formatters {} and {last} print the value", some.join(", "))),
    }
}

/// Runs a future on this thread, with a runtime of its own, until it completes.
fn block_on<F: Future>(waiting: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("the runtime cannot be started: {error}")))?;
    Ok(runtime.block_on(waiting))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
