//! What differs between two configurations, and what of it can change while the process runs.

use super::Config;
use super::keys::{Value, keys};

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Which.
    pub path: &'static str,
    /// As it was; not for a secret.
    pub from: Option<Value>,
    /// As it is to be; not for a secret.
    pub to: Option<Value>,
}

/// All settings that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Changes {
    /// These change at once.
    pub live: Vec<Change>,
    /// These change with a restart.
    pub restart: Vec<Change>,
}

impl Changes {
    /// What differs.
    #[must_use]
    pub fn between(from: &Config, to: &Config) -> Self {
        let mut changes = Self::default();
        for key in keys() {
            let (before, after) = (key.get(from), key.get(to));
            if before == after {
                continue;
            }
            let shown = |value: Value| (!key.secret).then_some(value);
            let change = Change {
                path: key.path,
                from: shown(before),
                to: shown(after),
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
    /// Takes what can change while the process runs.
    pub fn take_live(&mut self, from: &Self) {
        for key in keys().iter().filter(|key| key.live) {
            (key.set)(self, key.get(from));
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{} ({from} → {to})", self.path),
            _ => self.path.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_live_is_told_from_what_needs_a_restart() {
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
