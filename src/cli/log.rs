//! The log on stderr, through `tracing`: what is in it can be changed while the command runs.

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

/// The log of this process. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What is in it, as it was written.
    level: Arc<Mutex<String>>,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Log {
    /// Starts it. The level was judged before.
    pub(crate) fn start(config: &hotplate::config::Log) -> Self {
        let filter = understood(&config.level).unwrap_or_else(|_| EnvFilter::new("warn"));
        let (filter, handle) = reload::Layer::new(filter);
        let ends = if config.spans { FmtSpan::CLOSE } else { FmtSpan::NONE };
        let lines = fmt::layer()
            .with_span_events(ends)
            .with_ansi(Terminal::stderr().colours())
            .with_writer(|| Output::of(Stream::Stderr))
            // It would panic where stderr is closed.
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

    /// Says what is in it from now on.
    ///
    /// # Errors
    /// A sentence about a level that makes no sense; then everything stays as it was.
    pub(crate) fn change(&self, level: &str) -> Result<(), String> {
        let filter = understood(level)?;
        let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        level.clone_into(&mut current);
        Ok(())
    }
}

/// The line that says how many are missing, as the others of a log look.
pub(crate) fn dropped(format: LogFormat) -> Notice {
    Box::new(move |lines| {
        let mut now = String::new();
        // Without its time the line is worth as much.
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

const DROPPED: &str = "lines of the log were dropped here, because nobody read them in time (`log.queue_bytes`)";

impl LogLevel for Log {
    fn filter(&self) -> String {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_filter(&self, filter: &str) -> Result<(), String> {
        self.change(filter).map_err(|why| format!("{why}; {HELP}"))
    }
}

/// Targets that are logged only if they are named. Faults of templates are on stdout already, with their lines and what to do. The other one
/// says at the level ERROR that a client sent what is no HTTP, so that anybody could fill the log.
const LEFT_OUT: [&str; 2] = [FAULTS_TARGET, "actix_http::h1::dispatcher"];

/// What is to be logged, strictly: a word that is no level is not taken for the name of a module, as `RUST_LOG=debgu` is.
pub(crate) fn understood(level: &str) -> Result<EnvFilter, String> {
    let word = |part: &&str| part.chars().all(char::is_alphanumeric) && !LEVELS.contains(&part.to_lowercase().as_str());
    if let Some(word) = level.split(',').map(str::trim).find(word) {
        return Err(format!("`{word}` is no level"));
    }
    let unnamed = LEFT_OUT.iter().filter(|target| !level.contains(**target));
    let level = unnamed.fold(level.to_owned(), |level, target| format!("{level},{target}=off"));
    EnvFilter::builder().parse(level).map_err(|error| error.to_string())
}

/// What to write instead.
pub(crate) const HELP: &str =
    "the levels are off, error, warn, info, debug and trace; for one module, write \"warn,hotplate=debug\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_logged_if_it_is_named() {
        for (level, logged) in [
            ("warn", [false, false]),
            ("debug", [false, false]),
            ("warn,hotplate=debug", [false, false]),
            ("warn,hotplate::faults=warn", [true, false]),
            ("hotplate::faults=info", [true, false]),
            ("warn,actix_http::h1::dispatcher=error", [false, true]),
        ] {
            let filter = understood(level).expect("a level").to_string();
            let found = LEFT_OUT.map(|target| !filter.contains(&format!("{target}=off")));
            assert_eq!(found, logged, "{level}: {filter}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for level in [
            "warn",
            "INFO",
            "warn,hotplate=debug",
            "hotplate_actors::watcher=trace",
            "off",
            "[batch]=trace",
        ] {
            assert!(understood(level).is_ok(), "{level}");
        }
        for level in ["debgu", "warn,debgu", "", "warn,,info", "hotplate=loud", "a=b=c"] {
            assert!(understood(level).is_err(), "{level}");
        }
    }
}
