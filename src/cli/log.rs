//! The log on stderr, through `tracing`.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::terminal::Terminal;

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

/// What is logged unless RUST_LOG says otherwise. The command itself tells what happens to templates.
const DEFAULT: &str = "warn";

/// Starts the log. A filter that makes no sense is said and not used.
pub(crate) fn start(format: Format) {
    let asked = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let parsed = asked.as_deref().map(|filter| EnvFilter::builder().parse(filter));
    let (filter, refused) = match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(DEFAULT), Some(error)),
        None => (EnvFilter::new(DEFAULT), None),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(Terminal::stderr().colours())
        .with_writer(std::io::stderr);
    let started = match format {
        Format::Human => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
    if let Err(error) = started {
        let _ = Terminal::stderr().error(&format!("there is no log: {error}"));
    }
    if let Some(error) = refused {
        tracing::warn!("RUST_LOG is not understood and not used: {error}");
    }
}
