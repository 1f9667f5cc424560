//! [`Styles`]: which stylesheets there are, and what each is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hotplate_actors::loader::{Changes, Depth, Hints};
use hotplate_actors::{Digest, DirectoryLoader, Limits, Loader, Mount};
use serde::Serialize;

use super::hub::Hub;

/// Stylesheets that are followed: with more, which do not tell one from the other, some are not.
const SHEETS_MAX: usize = 1_000;
/// Bytes of a stylesheet. What a build puts together may be large.
const SHEET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long until it is tried again to watch a directory.
const AGAIN: Duration = Duration::from_secs(2);

/// The stylesheets by the path that they are served under, each with a word for what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stylesheets {
    pub(super) digest: Arc<str>,
    sheets: BTreeMap<String, String>,
}

impl Default for Stylesheets {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl Stylesheets {
    fn new(sheets: BTreeMap<String, String>) -> Self {
        let parts = sheets
            .iter()
            .flat_map(|(path, digest)| [path.as_bytes(), digest.as_bytes()]);
        Self {
            digest: Digest::over(parts).to_string().into(),
            sheets,
        }
    }

    /// The same after some changed.
    fn after(&self, path: &str, changes: Changes) -> Self {
        let path = path.trim_end_matches('/');
        let mut sheets = if changes.complete {
            BTreeMap::new()
        } else {
            self.sheets.clone()
        };
        for removed in changes.removed {
            sheets.remove(&format!("{path}/{removed}"));
        }
        for changed in changes.changed {
            sheets.insert(format!("{path}/{}", changed.name), changed.digest.to_string());
        }
        while sheets.len() > SHEETS_MAX {
            sheets.pop_last();
        }
        Self::new(sheets)
    }
}

/// Follows a directory of stylesheets until it is dropped.
pub(super) struct StylesheetFollower {
    _ends: SyncSender<()>,
}

impl StylesheetFollower {
    pub(super) fn follow(path: &str, directory: &Path, hub: &Arc<Hub>) -> Option<Self> {
        // One hint that waits is as good as two.
        let (hint, hinted) = sync_channel(1);
        let (ends, ended) = sync_channel(0);
        let limits = Limits {
            source_bytes: SHEET_BYTES_MAX,
            // What is no stylesheet among static files is not remarkable.
            remarks: 0,
            ..Limits::default()
        };
        let mut loader = DirectoryLoader::new([Mount::new("", directory).extensions(["css"])], &limits);
        let mut watched = false;
        let (path, hub) = (path.to_owned(), Arc::downgrade(hub));
        let hints = Hints::new(move || {
            let _ = hint.try_send(());
        });
        let follow = move || {
            loop {
                if !watched {
                    // What changes after the look is hinted at.
                    watched = loader.watch(hints.clone()).is_ok();
                    look(&mut loader, &path, &hub, Depth::Everything);
                }
                match (hinted.recv_timeout(AGAIN), ended.try_recv()) {
                    (_, Err(std::sync::mpsc::TryRecvError::Disconnected))
                    | (Err(RecvTimeoutError::Disconnected), _) => {
                        return;
                    }
                    (Ok(()), _) => look(&mut loader, &path, &hub, Depth::Hinted),
                    (Err(RecvTimeoutError::Timeout), _) => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("hotplate-styles".into());
        match thread.spawn(follow) {
            Ok(_) => Some(Self { _ends: ends }),
            Err(error) => {
                tracing::error!(%error, "stylesheets are not followed: there is no thread for it");
                None
            }
        }
    }
}

fn look(loader: &mut DirectoryLoader, path: &str, hub: &Weak<Hub>, depth: Depth) {
    let Some(hub) = hub.upgrade() else {
        return;
    };
    // A directory that is not there is looked for at the next hint.
    let Ok(changes) = loader.sync(depth) else {
        return;
    };
    if !changes.is_empty() {
        let before = hub.sheets();
        let after = before.after(path, changes);
        if *before != after {
            hub.restyle(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use hotplate_actors::{Source, TemplateName};

    use super::*;

    #[test]
    fn sheets_come_change_and_go() {
        let name = |name: &str| TemplateName::new(name).expect("a name");
        let written = |path: &str, text: &str| Changes {
            changed: vec![Source::new(name(path), text)],
            ..Changes::default()
        };
        let none = Stylesheets::default();
        let one = none.after("/static/", written("a/b.css", "1"));
        assert_eq!(one.sheets.keys().collect::<Vec<_>>(), ["/static/a/b.css"]);
        let other = one.after("/static", written("a/b.css", "2"));
        assert_ne!(one.digest, other.digest);
        assert_eq!(one, other.after("/static", written("a/b.css", "1")));
        let removed = Changes {
            removed: vec![name("a/b.css")],
            ..Changes::default()
        };
        assert_eq!(one.after("/static", removed), none);
    }
}
