//! [`Changes`]: the differences between two configurations, and [`Config::take_live`], which applies those that need no restart.

use super::Config;
use super::keys::{Tree, Value, keys};

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The path of its key.
    pub path: &'static str,
    /// The previous value; `None` for a secret.
    pub before: Option<Value>,
    /// The new value; `None` for a secret.
    pub after: Option<Value>,
}

/// All settings that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Changes {
    /// Settings that change in the running process.
    pub live: Vec<Change>,
    /// Settings that change with a restart.
    pub restart: Vec<Change>,
}

impl Changes {
    /// Compares two configurations.
    #[must_use]
    pub fn between(before: &Config, after: &Config) -> Self {
        let (tree_before, tree_after) = (Tree::of(before), Tree::of(after));
        let mut changes = Self::default();
        for key in keys() {
            let (before, after) = (tree_before.get(key), tree_after.get(key));
            if before == after {
                continue;
            }
            let shown = |value: Value| (!key.secret).then_some(value);
            let change = Change {
                path: &key.path,
                before: shown(before),
                after: shown(after),
            };
            match key.live {
                true => changes.live.push(change),
                false => changes.restart.push(change),
            }
        }
        changes
    }
}

impl Config {
    /// Takes the settings that can change in a running process from another configuration.
    pub fn take_live(&mut self, other: &Self) {
        let (mut tree, other) = (Tree::of(self), Tree::of(other));
        for key in keys().iter().filter(|key| key.live) {
            tree.set(key, &other.get(key));
        }
        // Every value comes from a configuration, so this does not fail.
        if let Ok(config) = tree.config() {
            *self = config;
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{} ({before} → {after})", self.path),
            _ => self.path.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_changes_and_restarts_are_told_apart() {
        let old = Config::default();
        let mut new = Config::default();
        new.log.level = "debug".to_owned();
        new.server.bind = "0.0.0.0:80".to_owned();
        new.admin.token = "secret".to_owned();
        let changes = Changes::between(&old, &new);
        let shown = |changes: &[Change]| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&changes.live), [r#"log.level ("warn" → "debug")"#]);
        assert_eq!(
            shown(&changes.restart),
            [r#"server.bind ("127.0.0.1:7878" → "0.0.0.0:80")"#, "admin.token"]
        );
        let mut running = old.clone();
        running.take_live(&new);
        assert_eq!((running.log.level.as_str(), &running.server), ("debug", &old.server));
        assert_eq!(Changes::between(&old, &old), Changes::default());
    }
}
