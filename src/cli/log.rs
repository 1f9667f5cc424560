//! The log on stderr, through `tracing`. Its level can be changed while the command runs.

use std::sync::{Arc, Mutex, PoisonError};

use hotplate::FAULTS_TARGET;
use hotplate::admin::LogLevel;
use hotplate::config::LogFormat;
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::output::{Notice, Output, Stream};
use super::terminal::Terminal;

/// A handle on the log of this process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The filter in force, as it was written.
    level: Arc<Mutex<String>>,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Log {
    /// Starts the log. The level was validated before.
    pub(crate) fn start(config: &hotplate::config::Log) -> Self {
        let filter = parse_filter(&config.level).unwrap_or_else(|_| EnvFilter::new("warn"));
        let (filter, handle) = reload::Layer::new(filter);
        let ends = if config.spans { FmtSpan::CLOSE } else { FmtSpan::NONE };
        let lines = fmt::layer()
            .with_span_events(ends)
            .with_ansi(Terminal::stderr().colours())
            .with_writer(|| Output::of(Stream::Stderr))
            // Reporting a failed write on stderr would panic if stderr is closed.
            .log_internal_errors(false);
        let lines = match config.format {
            LogFormat::Human => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        if let Err(error) = tracing_subscriber::registry().with(filter).with(lines).try_init() {
            let _ = Terminal::stderr().error(&format!("there is no log: {error}"));
        }
        Self {
            handle,
            level: Arc::new(Mutex::new(config.level.clone())),
        }
    }

    /// Changes the filter.
    ///
    /// # Errors
    /// A sentence about an invalid level. Then the filter stays as it was.
    pub(crate) fn change(&self, level: &str) -> Result<(), String> {
        let filter = parse_filter(level)?;
        let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        level.clone_into(&mut current);
        Ok(())
    }
}

/// Returns the line that counts dropped lines, in the format of the log.
pub(crate) fn dropped(format: LogFormat) -> Notice {
    Box::new(move |lines| {
        let mut now = String::new();
        // The line is as useful without its time.
        let _ = SystemTime.format_time(&mut Writer::new(&mut now));
        let target = module_path!();
        match format {
            LogFormat::Human => format!("{now}  WARN {target}: {DROPPED} lines={lines}\n"),
            LogFormat::Json => {
                let fields = serde_json::json!({ "message": DROPPED, "lines": lines });
                let line = serde_json::json!({ "timestamp": now, "level": "WARN", "fields": fields, "target": target });
                format!("{line}\n")
            }
        }
    })
}

const DROPPED: &str = "lines of the log were dropped here, because they were not read in time (`log.queue_bytes`)";

impl LogLevel for Log {
    fn filter(&self) -> String {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_filter(&self, filter: &str) -> Result<(), String> {
        self.change(filter).map_err(|why| format!("{why}; {HELP}"))
    }
}

/// Targets that are logged only if they are named. Faults of templates are on stdout already, with their lines and their help. The other
/// target reports at the level ERROR that a client sent something that is not HTTP, so clients could fill the log.
const LEFT_OUT: [&str; 2] = [FAULTS_TARGET, "actix_http::h1::dispatcher"];

/// Parses a filter strictly: a word that is not a level is an error, where `tracing` takes `debgu` for the name of a module.
pub(crate) fn parse_filter(level: &str) -> Result<EnvFilter, String> {
    let word = |part: &&str| part.chars().all(char::is_alphanumeric) && !LEVELS.contains(&part.to_lowercase().as_str());
    if let Some(word) = level.split(',').map(str::trim).find(word) {
        return Err(format!("`{word}` is not a level"));
    }
    let unnamed = LEFT_OUT.iter().filter(|target| !level.contains(**target));
    let level = unnamed.fold(level.to_owned(), |level, target| format!("{level},{target}=off"));
    EnvFilter::builder().parse(level).map_err(|error| error.to_string())
}

/// The help for an invalid filter.
pub(crate) const HELP: &str =
    "the levels are off, error, warn, info, debug and trace; for one module, write \"warn,hotplate=debug\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_left_out_are_logged_only_when_named() {
        for (level, logged) in [
            ("warn", [false, false]),
            ("debug", [false, false]),
            ("warn,hotplate=debug", [false, false]),
            ("warn,hotplate::faults=warn", [true, false]),
            ("hotplate::faults=info", [true, false]),
            ("warn,actix_http::h1::dispatcher=error", [false, true]),
        ] {
            let filter = parse_filter(level).expect("a level").to_string();
            let found = LEFT_OUT.map(|target| !filter.contains(&format!("{target}=off")));
            assert_eq!(found, logged, "{level}: {filter}");
        }
    }

    #[test]
    fn an_unknown_level_is_rejected() {
        for level in [
            "warn",
            "INFO",
            "warn,hotplate=debug",
            "hotplate_actors::watcher=trace",
            "off",
            "[batch]=trace",
        ] {
            assert!(parse_filter(level).is_ok(), "{level}");
        }
        for level in ["debgu", "warn,debgu", "", "warn,,info", "hotplate=loud", "a=b=c"] {
            assert!(parse_filter(level).is_err(), "{level}");
        }
    }
}
