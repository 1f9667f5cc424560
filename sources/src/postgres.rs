//! [`PostgresLoader`]: templates in a table of PostgreSQL 14 or later, and [`Editor`], which changes them.
//!
//! # The tables
//!
//! [`SCHEMA`] creates them. A row of `hotplate_templates` is a text, with the columns `tenant` (empty for everyone), `stage` and `name`;
//! anything that speaks SQL may write it. Triggers count the versions of each name, note the transaction of a change, keep the last 100
//! versions of each name in `hotplate_history`, and notify. A role with `SELECT` on both tables suffices to serve.
//!
//! # A sync
//!
//! A notification (`LISTEN`) is a hint and no more. A sync reads one state of the database, in a transaction that repeats its reads. After
//! a hint it reads the rows of transactions that were not over at the last sync, by number: these are all that can have changed, in
//! whatever order transactions commit, and so the cost follows the change. A sync of everything, the first one of a connection and one each
//! 30 s compare the versions of all rows.

mod connection;
mod editor;
mod read;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotplate_actors::loader::{BoxFuture, Changes, Depth, Hints, Loader, LoaderError, Supports};
use hotplate_actors::{LoaderStatus, TemplateKey, WatchMode};
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

pub use editor::{EditError, Editor, ExpectedVersion, HistoryEntry, StoredTemplate};

use crate::remarks::{Remarks, TEXT_BYTES_MAX};
use connection::Connection;
use read::Stamp;

/// The SQL that creates the tables, or brings them to the present version.
pub const SCHEMA: &str = include_str!("postgres/schema.sql");

/// The channel of notifications.
const CHANNEL: &str = "hotplate_templates";

/// Loads the rows of a table.
///
/// ```no_run
/// use hotplate_actors::Hotplate;
/// use hotplate_sources::postgres::PostgresLoader;
///
/// let create = || PostgresLoader::new("postgres://serve@db.internal/site").expect("a valid address");
/// let hotplate = Hotplate::builder().loader_with(create).start()?;
/// # Ok::<(), hotplate_actors::StartError>(())
/// ```
pub struct PostgresLoader {
    config: Config,
    options: Options,
    hints: Option<Hints>,
    /// Has everything compared now and then, so that a connection that is dead is noticed, and a change that no trigger has noted.
    sweeper: Option<JoinHandle<()>>,
    sweep_is_due: Arc<AtomicBool>,
    connection: Option<Connection>,
    known: Known,
    status: LoaderStatus,
}

/// The settings of a loader.
#[derive(Debug, Clone)]
struct Options {
    priority: i32,
    supports: Supports,
    layers: bool,
    text_bytes: u64,
    password_file: Option<PathBuf>,
    timeout: Duration,
    sweep: Duration,
}

/// The state of the table at the last sync that succeeded.
#[derive(Debug, Default)]
struct Known {
    rows: HashMap<TemplateKey, Stamp>,
    /// The oldest transaction that was not over.
    not_over: Option<i64>,
    /// The latest transaction that has changed a row.
    latest: i64,
}

impl PostgresLoader {
    /// Creates a loader of the database at a URL such as `postgres://user:password@host:5432/database`, or of a connection string (`host=…
    /// user=…`). Nothing is connected yet. The connection is not encrypted, so use a private network, a Unix socket or a local proxy: an
    /// address with `sslmode=require` is refused.
    ///
    /// # Errors
    /// [`LoaderError`] if the address is invalid.
    pub fn new(address: &str) -> Result<Self, LoaderError> {
        // The error of the library may repeat a part of the address, and the address may have a password.
        let config: Config = address.parse().map_err(|_| {
            LoaderError::new("the address of the database is invalid: write `postgres://user@host:5432/database`")
        })?;
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            let message = "`sslmode=require` is not possible, because the connection is not encrypted: use a private network, a Unix \
                           socket or a local proxy";
            return Err(LoaderError::new(message));
        }
        Ok(Self::of(
            config,
            Options {
                priority: 0,
                supports: Supports::All,
                layers: false,
                text_bytes: TEXT_BYTES_MAX,
                password_file: None,
                timeout: Duration::from_secs(10),
                sweep: Duration::from_secs(30),
            },
        ))
    }

    fn of(config: Config, options: Options) -> Self {
        Self {
            config,
            options,
            hints: None,
            sweeper: None,
            sweep_is_due: Arc::default(),
            connection: None,
            known: Known::default(),
            status: LoaderStatus::default(),
        }
    }

    /// Sets the [priority](Loader::priority); 0 by default.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Loads only names that begin with a text.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.options.supports = Supports::Prefix(prefix.into());
        self
    }

    /// Loads the rows of all tenants and stages. Without this, only those of everyone at the stage `stable` are.
    #[must_use]
    pub fn all_layers(mut self) -> Self {
        self.options.layers = true;
        self
    }

    /// Sets the size of a text in bytes beyond which it is a fault of its template; a mebibyte by default.
    #[must_use]
    pub fn text_bytes(mut self, bytes: u64) -> Self {
        self.options.text_bytes = bytes;
        self
    }

    /// Takes the password from a file. It is read for each connection, so that it may change.
    #[must_use]
    pub fn password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.password_file = Some(path.into());
        self
    }

    /// Sets the time after which the database counts as unavailable, and the connection is given up; 10 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    async fn sync_in_time(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        let mut depth = depth;
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            self.connection = None;
            let mut config = self.config.clone();
            if let Some(path) = &self.options.password_file {
                let password = std::fs::read_to_string(path).map_err(|error| {
                    LoaderError::unavailable(format!("the password in {} cannot be read: {error}", path.display()))
                })?;
                config.password(password.trim_end_matches(['\r', '\n']));
            }
            self.connection = Some(Connection::open(&config, self.hints.clone()).await?);
            // Nobody knows which notifications were missed.
            if depth == Depth::Hinted {
                depth = Depth::Everything;
            }
        }
        let Some(connection) = &mut self.connection else {
            return Err(LoaderError::unavailable("there is no connection"));
        };
        if depth == Depth::Hinted && self.sweep_is_due.swap(false, Ordering::Relaxed) {
            depth = Depth::Everything;
        }
        let mut remarks = Remarks::default();
        let changes = read::read(connection.client(), &self.options, &mut self.known, depth, &mut remarks).await?;
        if depth != Depth::Hinted {
            self.status.remarks = remarks.list();
            self.status.reconciles += 1;
        }
        self.status.unreadable = self.known.rows.values().filter(|stamp| stamp.is_faulty).count() as u64;
        Ok(changes)
    }
}

impl Loader for PostgresLoader {
    fn describe(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<String> = hosts.collect();
        let ports = self.config.get_ports();
        let port = ports.first().map_or(String::new(), |port| format!(":{port}"));
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{}{port}/{database}", hosts.join(","))
    }

    fn name(&self) -> &'static str {
        "postgres"
    }

    fn priority(&self) -> i32 {
        self.options.priority
    }

    fn supports(&self) -> Supports {
        self.options.supports.clone()
    }

    fn watch(&mut self, hints: Hints) -> BoxFuture<'_, Result<(), LoaderError>> {
        Box::pin(async move {
            self.status.watch_mode = WatchMode::Native;
            self.status.why = format!("by notifications of the channel `{CHANNEL}`");
            // The next sync connects, and listens.
            self.connection = None;
            self.hints = Some(hints.clone());
            let (sweep, is_due) = (self.options.sweep, Arc::clone(&self.sweep_is_due));
            self.sweeper = Some(tokio::spawn(async move {
                while !hints.is_over() {
                    tokio::time::sleep(sweep).await;
                    is_due.store(true, Ordering::Relaxed);
                    hints.hint();
                }
            }));
            Ok(())
        })
    }

    fn sync(&mut self, depth: Depth) -> BoxFuture<'_, Result<Changes, LoaderError>> {
        Box::pin(async move {
            let timeout = self.options.timeout;
            let synced = match tokio::time::timeout(timeout, self.sync_in_time(depth)).await {
                Ok(synced) => synced,
                Err(_) => Err(LoaderError::unavailable(format!(
                    "{} has not answered within {} ms",
                    self.describe(),
                    timeout.as_millis()
                ))),
            };
            self.status.files = self.known.rows.len() as u64;
            if synced.is_err() {
                // A connection in an unknown state is of no use.
                self.connection = None;
            }
            synced
        })
    }

    fn status(&self) -> LoaderStatus {
        self.status.clone()
    }
}

/// A clone is a loader of the same rows that has not loaded anything yet.
impl Clone for PostgresLoader {
    fn clone(&self) -> Self {
        Self::of(self.config.clone(), self.options.clone())
    }
}

impl Drop for PostgresLoader {
    fn drop(&mut self) {
        self.sweeper.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for PostgresLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLoader")
            .field("source", &self.describe())
            .finish_non_exhaustive()
    }
}
