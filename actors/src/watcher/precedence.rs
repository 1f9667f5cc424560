//! [`Precedence`]: an outage of a loader at the start never serves what loaders of lower priority have under its names.
//!
//! A loader that has delivered something keeps it during an outage, in the Graph. One that has never been loaded has nothing there, so a
//! loader of lower priority would provide the text of a name that belongs to the other one. Until that one is loaded for the first time,
//! the texts of lower loaders that it supports are broken. All first syncs run at the same time; a loader waits for the outcome of those
//! above it before it delivers.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::diagnostic::Diagnostic;
use crate::loader::{Changes, Hints, Supports};
use crate::template::TemplateKey;
use crate::version::LoaderId;

/// The loaders of an engine in the order of precedence, and which of them have never been loaded.
#[derive(Clone)]
pub(crate) struct Precedence {
    standings: Arc<[Standing]>,
    are_restored: bool,
}

struct Standing {
    supports: Supports,
    description: String,
    first: watch::Sender<FirstLoad>,
    /// Hints that make the Watcher of the loader sync.
    hints: OnceLock<Hints>,
}

/// The state of the first sync of a loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstLoad {
    Pending,
    Unavailable,
    Done,
}

/// The loaders that hide texts of a lower one, because they have never been loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hidden(Vec<usize>);

impl Precedence {
    /// Creates the state of loaders. Those of which an earlier process has stored the templates count as loaded.
    pub(crate) fn new(loaders: impl IntoIterator<Item = (Supports, String)>, are_restored: bool) -> Self {
        let first = if are_restored {
            FirstLoad::Done
        } else {
            FirstLoad::Pending
        };
        let standings = loaders.into_iter().map(|(supports, description)| Standing {
            supports,
            description,
            first: watch::Sender::new(first),
            hints: OnceLock::new(),
        });
        Self {
            standings: standings.collect(),
            are_restored,
        }
    }

    /// Returns true if an earlier process has stored the templates.
    pub(crate) fn are_restored(&self) -> bool {
        self.are_restored
    }

    /// Sets the hints that make the Watcher of a loader sync.
    pub(crate) fn set_hints(&self, loader: LoaderId, hints: Hints) {
        if let Some(standing) = self.standings.get(usize::from(loader.0)) {
            let _ = standing.hints.set(hints);
        }
    }

    /// Returns the loaders above one that have never been loaded, once the outcome of each first sync is known.
    pub(crate) async fn hidden_for(&self, loader: LoaderId) -> Hidden {
        let mut hidden = Vec::new();
        for (number, standing) in self.standings.iter().enumerate().take(usize::from(loader.0)) {
            let mut first = standing.first.subscribe();
            let decided = first.wait_for(|state| *state != FirstLoad::Pending).await;
            if decided.is_ok_and(|state| *state == FirstLoad::Unavailable) {
                hidden.push(number);
            }
        }
        Hidden(hidden)
    }

    /// Notes that a loader is unavailable. This matters only if it has never been loaded. Returns true if so.
    pub(crate) fn unavailable(&self, loader: LoaderId) -> bool {
        let Some(standing) = self.standings.get(usize::from(loader.0)) else {
            return false;
        };
        standing.first.send_if_modified(|state| {
            let was_pending = *state == FirstLoad::Pending;
            if was_pending {
                *state = FirstLoad::Unavailable;
            }
            was_pending
        });
        *standing.first.borrow() == FirstLoad::Unavailable
    }

    /// Notes that a loader has been loaded. Call it when its batch is accepted: lower loaders then deliver what it has hidden.
    pub(crate) fn loaded(&self, loader: LoaderId) {
        let number = usize::from(loader.0);
        let Some(standing) = self.standings.get(number) else {
            return;
        };
        if standing.first.send_replace(FirstLoad::Done) == FirstLoad::Unavailable {
            let lower = self.standings.iter().skip(number + 1);
            lower.filter_map(|standing| standing.hints.get()).for_each(Hints::hint);
        }
    }

    /// Lets the loaders below one go on: its first sync has succeeded, and its batch is on its way.
    pub(crate) fn found(&self, loader: LoaderId) {
        if let Some(standing) = self.standings.get(usize::from(loader.0)) {
            standing.first.send_if_modified(|state| {
                let was_pending = *state == FirstLoad::Pending;
                if was_pending {
                    *state = FirstLoad::Done;
                }
                was_pending
            });
        }
    }

    /// Replaces the texts that are hidden by faults that say why.
    pub(crate) fn hide(&self, hidden: &Hidden, changes: &mut Changes) {
        if hidden.0.is_empty() {
            return;
        }
        let hiding = |key: &TemplateKey| {
            let mut above = hidden.0.iter().filter_map(|number| self.standings.get(*number));
            above.find(|standing| standing.supports.has(key))
        };
        let fault = |standing: &Standing, key: &TemplateKey| {
            let message = format!(
                "{} has precedence for this name, and could not be loaded since the start",
                standing.description
            );
            let fault = Diagnostic::error("source-unavailable", message)
                .help("it is loaded again and again: make it available, or restrict the names that it supports")
                .in_template(&key.name);
            Arc::<[Diagnostic]>::from([fault])
        };
        let unreadable = &mut changes.unreadable;
        changes.changed.retain(|source| match hiding(&source.key) {
            Some(standing) => {
                unreadable.push((source.key.clone(), fault(standing, &source.key)));
                false
            }
            None => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Source;

    fn changes() -> Changes {
        let names = ["a.html", "mail/a.txt"].map(crate::testing::name);
        Changes {
            complete: true,
            changed: names.map(|name| Source::new(name, "text")).into(),
            ..Changes::default()
        }
    }

    #[tokio::test]
    async fn only_names_of_loaders_above_that_were_never_loaded_are_hidden() {
        let supports = [Supports::Prefix("mail/".into()), Supports::All, Supports::All];
        let precedence = Precedence::new(supports.map(|supports| (supports, "it".to_owned())), false);
        assert!(precedence.unavailable(LoaderId(0)));
        precedence.found(LoaderId(1));
        let hidden = precedence.hidden_for(LoaderId(2)).await;
        let mut seen = changes();
        precedence.hide(&hidden, &mut seen);
        assert_eq!((seen.changed.len(), seen.unreadable.len()), (1, 1));
        assert_eq!(seen.unreadable[0].0.name.as_str(), "mail/a.txt");
        precedence.loaded(LoaderId(0));
        assert_eq!(precedence.hidden_for(LoaderId(2)).await, Hidden::default());
        assert!(!precedence.unavailable(LoaderId(0)), "it has been loaded once");
    }

    #[tokio::test]
    async fn a_stored_version_hides_nothing() {
        let precedence = Precedence::new([(Supports::All, String::new()), (Supports::All, String::new())], true);
        assert!(!precedence.unavailable(LoaderId(0)));
        assert_eq!(precedence.hidden_for(LoaderId(1)).await, Hidden::default());
    }
}
