//! [`Stylesheets`]: the digests of the stylesheets, and [`StylesheetFollower`], which keeps them current.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hotplate_actors::loader::{Changes, Depth, Hints};
use hotplate_actors::{BlockingLoader, Digest, DirectoryLoader, Limits, Mount};
use serde::Serialize;

use super::hub::Hub;

/// Maximum number of followed stylesheets; changes of further ones are not noticed.
const SHEETS_MAX: usize = 1_000;
/// Maximum bytes of a stylesheet. Bundled stylesheets may be large.
const SHEET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Delay before another attempt to watch the directory.
const AGAIN: Duration = Duration::from_secs(2);

/// The digests of the stylesheets, by the path under which they are served.
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

    /// Returns the stylesheets after some changes.
    fn after(&self, path: &str, changes: Changes) -> Self {
        let path = path.trim_end_matches('/');
        let mut sheets = if changes.complete {
            BTreeMap::new()
        } else {
            self.sheets.clone()
        };
        for removed in changes.removed {
            sheets.remove(&format!("{path}/{}", removed.name));
        }
        for changed in changes.changed {
            sheets.insert(format!("{path}/{}", changed.key.name), changed.digest.to_string());
        }
        while sheets.len() > SHEETS_MAX {
            sheets.pop_last();
        }
        Self::new(sheets)
    }
}

/// A thread that follows a directory of stylesheets until this value is dropped.
pub(super) struct StylesheetFollower {
    _ends: SyncSender<()>,
}

impl StylesheetFollower {
    pub(super) fn follow(path: &str, directory: &Path, hub: &Arc<Hub>) -> Option<Self> {
        // A capacity of one suffices: a pending hint covers all later changes.
        let (hint, hinted) = sync_channel(1);
        let (ends, ended) = sync_channel(0);
        let limits = Limits {
            source_bytes: SHEET_BYTES_MAX,
            // Other static files in the directory are expected, so no remarks about them are collected.
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
                    // Watching starts before the full scan, so a change during the scan causes a hint.
                    watched = loader.watch(hints.clone()).is_ok();
                    refresh(&mut loader, &path, &hub, Depth::Everything);
                }
                match (hinted.recv_timeout(AGAIN), ended.try_recv()) {
                    (_, Err(std::sync::mpsc::TryRecvError::Disconnected))
                    | (Err(RecvTimeoutError::Disconnected), _) => {
                        return;
                    }
                    (Ok(()), _) => refresh(&mut loader, &path, &hub, Depth::Hinted),
                    (Err(RecvTimeoutError::Timeout), _) => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("hotplate-styles".into());
        match thread.spawn(follow) {
            Ok(_) => Some(Self { _ends: ends }),
            Err(error) => {
                tracing::error!(%error, "changes of stylesheets are not followed: the thread cannot be started; reload pages by hand");
                None
            }
        }
    }
}

fn refresh(loader: &mut DirectoryLoader, path: &str, hub: &Weak<Hub>, depth: Depth) {
    let Some(hub) = hub.upgrade() else {
        return;
    };
    // A missing directory is tried again at the next hint.
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
    fn sheets_are_added_changed_and_removed() {
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
            removed: vec![name("a/b.css").into()],
            ..Changes::default()
        };
        assert_eq!(one.after("/static", removed), none);
    }
}
