//! The StoreWriter: writes what the Registry has accepted to the store, on a thread of its own.
//!
//! It is told that something was accepted, and then reads the newest state from the vault. So a publication waits for nothing, the requests
//! that wait are one, and a writer that has fallen behind skips to the newest version. After a failure it tries again by itself, after a
//! pause that doubles, and with each further version.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::protocol::messages::{StoreAccepted, StoreOutcome};
use crate::store::Store;
use crate::store::state::StoreState;
use crate::store::version::StoredVersion;
use crate::supervision::{Behavior, Pool, Serve, Started};

use crate::version::Version;
use crate::without_subscriber::warn_without_subscriber;

/// The pause before a version is written again that could not be written.
const RETRY: Duration = Duration::from_secs(1);
/// The number of times that the pause doubles with further failures: up to about a minute.
const RETRY_DOUBLINGS: u32 = 6;

/// The configuration of a StoreWriter, which outlives a fault of it.
#[derive(Clone)]
pub(crate) struct StoreWriterConfig {
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) state: Arc<StoreState>,
    /// The thread that writes.
    pub(crate) thread: Pool,
    /// Returns the newest version that was accepted; `None` before the first one.
    pub(crate) newest: Arc<dyn Fn() -> Option<StoredVersion> + Send + Sync>,
    /// Sends [`StoreAccepted`] to this actor, unless one waits already.
    pub(crate) ask: Arc<dyn Fn() + Send + Sync>,
}

/// The behaviour of the StoreWriter.
pub(crate) struct StoreWriter {
    config: StoreWriterConfig,
    /// The number of consecutive failures.
    failures: u32,
}

impl Behavior for StoreWriter {
    type Config = StoreWriterConfig;

    fn start(config: &StoreWriterConfig) -> Started<Self> {
        // What an incarnation that failed has received is still to be written.
        (config.ask)();
        Ok(Self {
            config: config.clone(),
            failures: 0,
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
        let pause = RETRY * (1 << self.failures.min(RETRY_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        let ask = Arc::clone(&self.config.ask);
        actix::spawn(async move {
            actix::clock::sleep(pause).await;
            ask();
        });
    }
}

/// Writes the newest version, and notes the outcome.
fn write(config: &StoreWriterConfig) -> StoreOutcome {
    let Some(newest) = (config.newest)().filter(|newest| newest.version != Version::NONE) else {
        return StoreOutcome::Stored;
    };
    let version = newest.version;
    let mut store = config.store.lock().unwrap_or_else(PoisonError::into_inner);
    match store.write(newest) {
        Ok(was_written) => {
            if config.state.stored(version, was_written) {
                tracing::warn!(version = version.number(), "versions are stored again");
            }
            StoreOutcome::Stored
        }
        Err(error) => {
            let error = error.to_string();
            if config.state.failed(error.clone()) {
                let served = "it is served, but a restart would serve an older version";
                tracing::error!(version = version.number(), error, "a version is not stored; {served}");
                warn_without_subscriber(format_args!("version {version} is not stored: {error}"));
            }
            StoreOutcome::Failed(error)
        }
    }
}
