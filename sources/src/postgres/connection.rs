//! A connection: its task, its notifications, and the meaning of its errors.

use std::future::poll_fn;
use std::time::Duration;

use hotplate_actors::loader::{Hints, LoaderError};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use super::CHANNEL;

/// A connection that is driven by a task, and ends with it.
pub(super) struct Connection {
    client: Client,
    task: JoinHandle<()>,
}

impl Connection {
    /// Connects, and listens if there is somebody who wants hints.
    pub(super) async fn open(config: &Config, hints: Option<Hints>) -> Result<Self, LoaderError> {
        let mut config = config.clone();
        config
            .application_name("hotplate")
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(30));
        let (client, mut connection) = config.connect(NoTls).await.map_err(error)?;
        let listens = hints.is_some();
        let task = tokio::spawn(async move {
            loop {
                let message = poll_fn(|task| connection.poll_message(task)).await;
                match (message, &hints) {
                    (Some(Ok(AsyncMessage::Notification(_))), Some(hints)) => hints.hint(),
                    (Some(Ok(_)), _) => {}
                    (Some(Err(_)) | None, hints) => {
                        // The next sync connects again.
                        drop(connection);
                        hints.iter().for_each(Hints::hint);
                        return;
                    }
                }
            }
        });
        let connection = Self { client, task };
        if listens {
            // Before the first read, so that nothing can come between.
            let listen = format!("LISTEN {CHANNEL}");
            connection.client.batch_execute(&listen).await.map_err(error)?;
        }
        Ok(connection)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.task.is_finished()
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns the meaning of an error for a loader.
pub(super) fn error(error: tokio_postgres::Error) -> LoaderError {
    let text = match error.as_db_error() {
        Some(refused) => refused.message().to_owned(),
        None => with_cause(&error),
    };
    let state = error.code();
    let has_no_tables = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN];
    match state {
        Some(state) if has_no_tables.contains(state) => LoaderError::new(format!(
            "the database has no tables of templates ({text}): create them with the SQL of `hotplate_sources::postgres::SCHEMA`"
        )),
        Some(state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => LoaderError::new(format!(
            "the database refuses to read the templates ({text}): grant SELECT on `hotplate_templates` and `hotplate_history`"
        )),
        _ => LoaderError::unavailable(format!("the database cannot be read: {text}")),
    }
    .caused_by(error)
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
