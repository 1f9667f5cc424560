//! The StoreWriter: writes what the Registry has accepted to the store and to the audit log, on a thread of its own.
//!
//! It is told that something was accepted, and then reads the newest state from the vault. So a publication waits for nothing, the requests
//! that wait are one, and a writer that has fallen behind skips to the newest version. After a failure it tries again by itself, after a
//! pause that doubles, and with each further version.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::AuditLog;
use crate::audit::progress::{AuditProgress, Unwritten};
use crate::protocol::messages::{StoreAccepted, StoreOutcome};
use crate::store::Store;
use crate::store::state::StoreState;
use crate::store::version::StoredVersion;
use crate::supervision::{Behavior, MailboxSlot, Pool, Serve, Started};

use crate::version::Version;
use crate::without_subscriber::warn_without_subscriber;

/// The pause before a version is written again that could not be written.
const RETRY: Duration = Duration::from_secs(1);
/// The number of times that the pause doubles with further failures: up to about a minute.
const RETRY_DOUBLINGS: u32 = 6;

/// The time between two checks of stored texts while nothing is published.
const CHECK: Duration = Duration::from_secs(60);

/// The configuration of a StoreWriter, which outlives a fault of it.
#[derive(Clone)]
pub(crate) struct StoreWriterConfig {
    pub(crate) store: Option<(Arc<Mutex<Store>>, Arc<StoreState>)>,
    pub(crate) audit: Option<(Arc<Mutex<AuditLog>>, Arc<AuditProgress>)>,
    /// The thread that writes.
    pub(crate) thread: Pool,
    /// Returns the newest version that was accepted.
    pub(crate) newest: Arc<dyn Fn() -> StoredVersion + Send + Sync>,
    /// Returns the records for the audit log that are not written yet.
    pub(crate) unwritten: Arc<dyn Fn() -> Unwritten + Send + Sync>,
    /// Sends [`StoreAccepted`] to this actor, unless one waits already.
    pub(crate) ask: Arc<dyn Fn() + Send + Sync>,
}

/// The behaviour of the StoreWriter.
pub(crate) struct StoreWriter {
    config: StoreWriterConfig,
    /// The number of consecutive failures.
    failures: u32,
    /// The one retry that may be waiting, however many attempts fail meanwhile.
    retry: MailboxSlot,
    /// Ends the checks of this incarnation with it.
    _checks: Arc<()>,
}

impl Behavior for StoreWriter {
    type Config = StoreWriterConfig;

    fn start(config: &StoreWriterConfig) -> Started<Self> {
        // What an incarnation that failed has received is still to be written.
        (config.ask)();
        let checks = Arc::new(());
        if config.store.is_some() {
            let (alive, ask) = (Arc::downgrade(&checks), Arc::clone(&config.ask));
            actix::spawn(async move {
                loop {
                    actix::clock::sleep(CHECK).await;
                    if alive.strong_count() == 0 {
                        return;
                    }
                    // Nothing new is written, so some texts are read and compared.
                    ask();
                }
            });
        }
        Ok(Self {
            _checks: checks,
            config: config.clone(),
            failures: 0,
            retry: MailboxSlot::default(),
        })
    }
}

impl Serve<StoreAccepted> for StoreWriter {
    async fn serve(&mut self, StoreAccepted { place }: StoreAccepted) -> StoreOutcome {
        // What is accepted from here on leads to a request of its own.
        drop(place);
        let config = self.config.clone();
        let outcome = match self.config.thread.run(move || write(&config)).await {
            Ok(outcome) => outcome,
            Err(lost) => StoreOutcome::Failed(lost.to_string()),
        };
        match &outcome {
            StoreOutcome::Stored => self.failures = 0,
            StoreOutcome::Failed(_) => self.schedule_retry(),
        }
        outcome
    }
}

impl StoreWriter {
    fn schedule_retry(&mut self) {
        let Some(scheduled) = self.retry.take() else {
            return;
        };
        let pause = RETRY * (1 << self.failures.min(RETRY_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        let ask = Arc::clone(&self.config.ask);
        actix::spawn(async move {
            actix::clock::sleep(pause).await;
            drop(scheduled);
            ask();
        });
    }
}

/// Writes the records and the newest version, and notes the outcome. The records come first: a version that is durable is in the log.
fn write(config: &StoreWriterConfig) -> StoreOutcome {
    let outcomes = [write_records(config), write_version(config)];
    let failed = outcomes.into_iter().find(|outcome| *outcome != StoreOutcome::Stored);
    failed.unwrap_or(StoreOutcome::Stored)
}

fn write_records(config: &StoreWriterConfig) -> StoreOutcome {
    let Some((log, progress)) = &config.audit else {
        return StoreOutcome::Stored;
    };
    let (records, lost) = (config.unwritten)().after(progress.written());
    let Some(last) = records.last().map(|record| record.number) else {
        return StoreOutcome::Stored;
    };
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    match log.append(&records, lost) {
        Ok(()) => {
            if progress.wrote(last, lost) {
                tracing::warn!(lost, "the audit log is written again");
            }
            StoreOutcome::Stored
        }
        Err(error) => {
            let error = error.to_string();
            if progress.failed(error.clone()) {
                tracing::error!(
                    error,
                    "the audit log is not written; templates are published all the same"
                );
                warn_without_subscriber(format_args!("the audit log is not written: {error}"));
            }
            StoreOutcome::Failed(error)
        }
    }
}

fn write_version(config: &StoreWriterConfig) -> StoreOutcome {
    let Some((store, state)) = &config.store else {
        return StoreOutcome::Stored;
    };
    let newest = (config.newest)();
    let version = newest.version;
    if version == Version::NONE {
        return StoreOutcome::Stored;
    }
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    let written = store.write(newest);
    let found = store.take_found();
    for problem in &found {
        tracing::error!(problem, "a file of the store was not as it was written");
    }
    state.found(found);
    match written {
        Ok(was_written) => {
            if state.stored(version, was_written) {
                tracing::warn!(version = version.number(), "versions are stored again");
            }
            StoreOutcome::Stored
        }
        Err(error) => {
            let error = error.to_string();
            if state.failed(error.clone()) {
                let served = "it is served, but a restart would serve an older version";
                tracing::error!(version = version.number(), error, "a version is not stored; {served}");
                warn_without_subscriber(format_args!("version {version} is not stored: {error}"));
            }
            StoreOutcome::Failed(error)
        }
    }
}
