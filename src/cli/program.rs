//! [`run`]: `check`, `render` and `graph` for a program with its own engine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use hotplate::config::Log;
use hotplate::site::Site;
use hotplate::{Builder, Limits};

use super::{EXIT_CODES, Failure, Format, asked_format, check, graph, log, render};

/// Check and render the templates of this program.
#[derive(Debug, Parser)]
#[command(version = None::<&str>, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Log level on stderr: off, error, warn, info, debug, trace, or by module
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    log_level: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find errors in the templates, and render every page that has data
    Check(Check),
    /// Write one rendered template to stdout
    Render(render::PageArguments),
    /// Show which templates call which
    Graph(graph::GraphOptions),
}

#[derive(Debug, Args)]
struct Check {
    /// A directory with data to render pages with: `DIR/a/b.json` for `a/b.html`, `DIR/_all.json` for all of them
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    options: check::CheckOptions,
}

/// Runs `check`, `render` or `graph` over the engine of a program, with the arguments of this process, and returns the exit code.
///
/// `engine` configures the engine that the program serves from, with its roots, rules, formatters, dialects and limits. So
/// `cargo run -- check --data samples` finds errors before a deployment. Settings of `hotplate.toml` are not read; a program that has them
/// applies them in `engine`.
///
/// ```no_run
/// use std::process::ExitCode;
/// use hotplate::{Builder, Hotplate, Value};
///
/// fn engine() -> Builder {
///     Hotplate::builder().root("templates").formatter("price", |value, out| match value {
///         Value::Unsigned(cents) => out.text(&format!("{}.{:02} €", cents / 100, cents % 100)),
///         _ => out.text("–"),
///     })
/// }
///
/// fn main() -> ExitCode {
///     if std::env::args().len() > 1 {
///         return hotplate::cli::run(engine);
///     }
///     match engine().start() {
///         Ok(hotplate) => { /* serve */ ExitCode::SUCCESS }
///         Err(error) => { eprintln!("{error}"); ExitCode::FAILURE }
///     }
/// }
/// ```
#[must_use]
pub fn run(engine: impl Fn() -> Builder) -> ExitCode {
    let format = asked_format(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()));
    let Arguments { command, log_level } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if format == Format::Json && error.use_stderr() => {
            return Failure::of_arguments(&error).report_in(format);
        }
        Err(error) => error.exit(),
    };
    let ran = command.run(&engine, &log_level);
    ran.unwrap_or_else(|failure| failure.report_in(format))
}

impl Command {
    fn run(&self, engine: &dyn Fn() -> Builder, log_level: &str) -> Result<ExitCode, Failure> {
        if let Err(why) = log::parse_filter(log_level) {
            return Err(Failure::Wrong(format!("--log-level: {why}; {}", log::HELP)));
        }
        let mut log = Log::default();
        log_level.clone_into(&mut log.level);
        log::Log::start(&log);
        match self {
            Self::Check(Check { data, options }) => {
                if let Some(data) = data.as_deref().filter(|data| !data.is_dir()) {
                    let data = data.display();
                    return Err(Failure::Wrong(format!(
                        "`{data}` is not a directory: name one with data, such as `samples` with `samples/index.json`"
                    )));
                }
                let site = Site::of_program(data.as_deref());
                options.check(&site, site.with_data(engine()))
            }
            Self::Render(page) => page.run(&Site::of_program(None), engine(), &Limits::default()),
            Self::Graph(drawn) => drawn.run(&Site::of_program(None), engine()),
        }
    }
}
