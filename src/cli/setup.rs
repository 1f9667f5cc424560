//! The settings of a command: read from files, variables and flags, and read again with SIGHUP.

use std::path::{Path, PathBuf};

use actix_web::http::header::HeaderValue;
use clap::{Args, ValueEnum};
use hotplate::config::{Config, ConfigError, Settings, Sources};
use hotplate::web::Editor;

use super::Format as Output;
use super::failure::Failure;
use super::log::{self, Log};
use super::terminal::Terminal;
use super::{output, printer};

/// The file in a directory that is read unless another one is named.
pub(crate) const FILE: &str = "hotplate.toml";

/// The variable that names another file.
const CONFIG: &str = "HOTPLATE_CONFIG";

/// The flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct CommonArguments {
    /// The file with the settings; by default `hotplate.toml` in DIR [env: HOTPLATE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one setting, over file and environment, such as `limits.render_ms=500`; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Log level on stderr: off, error, warn, info, debug, trace, or by module [env: RUST_LOG]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Log format on stderr
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// The flags of the admin listener.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdminFlags {
    /// The address for operators and programs: dashboard, API, metrics; port 0 lets the system choose one
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// A file with the admin token [env: HOTPLATE_ADMIN__TOKEN has the token itself]
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
}

impl AdminFlags {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        vec![
            ("--admin ", "admin.bind", &self.admin),
            ("--token-file ", "admin.token_file", &self.token_file),
        ]
    }
}

/// The flags of what a server keeps on disk.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreFlags {
    /// A directory for published versions: the next start serves the last one, whatever has happened to the templates
    #[arg(long, value_name = "DIR")]
    store: Option<String>,
    /// A directory for the audit log: who changed what is served, when and why
    #[arg(long, value_name = "DIR")]
    audit: Option<String>,
    /// A private key with which the records of the audit log are signed; `hotplate audit key FILE` makes one
    #[arg(long, value_name = "FILE")]
    audit_key: Option<String>,
}

impl StoreFlags {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        vec![
            ("--store ", "store.dir", &self.store),
            ("--audit ", "audit.dir", &self.audit),
            ("--audit-key ", "audit.key", &self.audit_key),
        ]
    }
}

/// A flag that is a setting: the flag, the key, the value.
pub(crate) type Flag<'f> = (&'static str, &'static str, &'f Option<String>);

/// The settings of a command, with their sources, so that they can be read again.
#[derive(Debug, Clone)]
pub(crate) struct CommandSetup {
    pub(crate) settings: Settings,
    pub(crate) log: Log,
    pub(crate) sources: Sources,
    /// The file that did not exist at the start, and is read at a SIGHUP once it exists.
    pub(crate) file: Option<PathBuf>,
}

impl CommonArguments {
    /// Reads the settings, and starts the log.
    pub(crate) fn setup(&self, directory: Option<&Path>, flags: &[Flag<'_>]) -> Result<CommandSetup, Failure> {
        let mut sources = Sources::new().environment(variables());
        let variable = std::env::var_os(CONFIG).filter(|named| !named.is_empty());
        let file = match (&self.config, variable) {
            (Some(named), _) => {
                sources = sources.file(named);
                None
            }
            (None, Some(named)) => {
                sources = sources.file_of_variable(CONFIG, named);
                None
            }
            (None, None) => directory.map(|directory| directory.join(FILE)),
        };
        if let Some(found) = file.as_deref().filter(|file| file.exists()) {
            sources = sources.file(found);
        }
        let rust_log = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
        // Other programs read this variable as well, so an error in it is a warning and does not prevent the start.
        let invalid = rust_log.as_deref().and_then(|level| log::parse_filter(level).err());
        if let (Some(level), None) = (&rust_log, &invalid) {
            sources = sources.flag("RUST_LOG=", "log.level", level);
        }
        for set in &self.set {
            let Some((key, value)) = set.split_once('=') else {
                let message = format!("`--set {set}` has no value: write `--set limits.render_ms=500`");
                return Err(Failure::Wrong(message));
            };
            sources = sources.flag(format!("--set {key}="), key.trim(), value);
        }
        let format = self.log_format.map(|format| match format {
            Format::Human => "human".to_owned(),
            Format::Json => "json".to_owned(),
        });
        let common: [Flag<'_>; 2] = [
            ("--log-level ", "log.level", &self.log_level),
            ("--log-format ", "log.format", &format),
        ];
        for (flag, key, value) in common.iter().chain(flags) {
            if let Some(value) = value {
                sources = sources.flag(*flag, *key, value);
            }
        }
        let settings = read(&sources)?;
        let log = Log::start(&settings.config.log);
        for warning in &settings.warnings {
            let _ = Terminal::stderr().finding(warning);
        }
        if let Some(why) = invalid {
            tracing::warn!("RUST_LOG is not used: {why}");
        }
        let file = file.filter(|_| sources.path().is_none());
        Ok(CommandSetup {
            settings,
            log,
            sources,
            file,
        })
    }
}

impl CommandSetup {
    /// Returns the setup for another directory than `own`: with the `hotplate.toml` of that directory, unless a file was named explicitly.
    pub(crate) fn at(&self, own: &Path, other: &Path) -> Result<Self, Failure> {
        let is_named = self.sources.path().is_some_and(|file| file != own.join(FILE));
        if is_named || own == other {
            return Ok(self.clone());
        }
        let sources = self.sources.clone().without_file();
        let file = other.join(FILE);
        let sources = if file.exists() { sources.file(file) } else { sources };
        Ok(Self {
            settings: read(&sources)?,
            sources,
            ..self.clone()
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.settings.config
    }

    /// Returns true if there is a store, which may have a version that can be served while the templates are missing.
    pub(crate) fn has_stored(&self) -> bool {
        let directory = &self.config().store.dir;
        let mut files = ["STORE", "CURRENT", "PREVIOUS"].iter();
        !directory.is_empty() && files.any(|file| Path::new(directory).join(file).exists())
    }

    /// Queues all output from now on, so that writing it never waits for a reader.
    pub(crate) fn detach_output(&self, format: Output) -> Result<(), Failure> {
        let log = &self.config().log;
        let stdout = move |lines| match format {
            Output::Human => format!("({lines} lines were dropped here, because they were not read in time)\n"),
            Output::Json => format!("{}\n", printer::dropped_lines(lines)),
        };
        output::detach(log.queue_bytes, Box::new(stdout), log::dropped(log.format))
    }
}

/// Reads and validates all settings, including settings whose values only this program can check.
pub(crate) fn read(sources: &Sources) -> Result<Settings, ConfigError> {
    let settings = sources.read()?;
    if let Err(why) = log::parse_filter(&settings.config.log.level) {
        return Err(settings.refuse("log.level", why, log::HELP));
    }
    if let Err(why) = settings.config.dev.editor.parse::<Editor>() {
        return Err(settings.refuse("dev.editor", why.to_string(), "for example `vscode`"));
    }
    if let Err(why) = HeaderValue::from_str(&settings.config.server.static_cache_control) {
        let help = "for example `no-cache` or `public, max-age=3600`";
        return Err(settings.refuse("server.static_cache_control", why.to_string(), help));
    }
    Ok(settings)
}

/// Returns the environment variables whose names are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}
