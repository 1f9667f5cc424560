//! [`SupersededVersions`]: the versions that are no longer served and still in memory, and what is known to hold them.
//!
//! A version is freed with its last reader, so one that stays has a reader that does not end: a render that hangs, or a pinned version that
//! a program forgot. The Registry records each version when it is superseded, by a weak reference, so recording one does not keep it.
//! Rendering does nothing here, unless its caller gave a trace id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::{Snapshot, SnapshotShared};
use crate::cause::Cause;
use crate::version::Version;

/// The number of superseded versions that are followed. If more stay in memory, those that were superseded last are only counted.
pub const SUPERSEDED_MAX: usize = 1024;
/// The number of holders that are known by name at a time. Others hold a version as well, but are not named.
pub const HOLDERS_MAX: usize = 1024;

/// A version that is no longer served and still in memory.
#[derive(Debug, Clone)]
pub struct SupersededVersion {
    /// Its number.
    pub version: Version,
    /// The time since it was superseded.
    pub superseded: Duration,
    /// The number of references to it.
    pub references: usize,
    /// True if it is two or more versions behind and was superseded too long ago.
    pub is_leaked: bool,
    /// The holders that are known by name.
    pub holders: Vec<VersionHolder>,
}

/// A holder of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionHolder {
    /// The kind of holder.
    pub kind: HolderKind,
    /// The name, reason and trace id that it gave.
    pub cause: Cause,
}

/// A kind of holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderKind {
    /// A [`Pinned`](crate::Pinned) version.
    Pin,
    /// A render with a [trace id](crate::RenderOptions::trace).
    Render,
}

impl HolderKind {
    /// Returns the name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Render => "render",
        }
    }
}

/// The superseded versions of an engine, oldest first.
#[derive(Debug, Default)]
pub(crate) struct SupersededVersions(Mutex<Vec<Superseded>>);

#[derive(Debug)]
struct Superseded {
    version: Version,
    snapshot: Weak<Snapshot>,
    at: Instant,
    was_reported: bool,
}

/// The named holders of an engine, by number.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<HolderList>);

#[derive(Debug, Default)]
struct HolderList {
    last: u64,
    by_number: BTreeMap<u64, (Version, VersionHolder)>,
}

/// A named holder, until it is dropped.
#[derive(Debug)]
pub(crate) struct HolderGuard {
    shared: Arc<SnapshotShared>,
    number: u64,
}

impl SupersededVersions {
    /// Records that a snapshot is no longer served.
    pub(crate) fn add(&self, snapshot: &Arc<Snapshot>, now: Instant) {
        let mut list = self.lock();
        list.retain(|superseded| superseded.snapshot.strong_count() > 0);
        if list.len() < SUPERSEDED_MAX && snapshot.version() != Version::NONE {
            list.push(Superseded {
                version: snapshot.version(),
                snapshot: Arc::downgrade(snapshot),
                at: now,
                was_reported: false,
            });
        }
    }

    /// Returns the versions that are still in memory, oldest first. One that is two or more behind `current` and was superseded `after` ago
    /// or longer is leaked.
    pub(crate) fn alive(
        &self,
        current: Version,
        now: Instant,
        after: Duration,
        holders: &Holders,
    ) -> Vec<SupersededVersion> {
        let list = self.lock();
        let alive = list.iter().filter_map(|superseded| {
            let references = superseded.snapshot.strong_count();
            (references > 0).then(|| SupersededVersion {
                version: superseded.version,
                superseded: now.saturating_duration_since(superseded.at),
                references,
                is_leaked: superseded.is_leaked(current, now, after),
                holders: Vec::new(),
            })
        });
        let mut alive: Vec<SupersededVersion> = alive.collect();
        drop(list);
        for version in &mut alive {
            version.holders = holders.of(version.version);
        }
        alive
    }

    /// Returns the versions that have become leaked since the last call, each once.
    pub(crate) fn newly_leaked(&self, current: Version, now: Instant, after: Duration) -> Vec<Version> {
        let mut list = self.lock();
        let leaked = list.iter_mut().filter(|superseded| {
            !superseded.was_reported
                && superseded.snapshot.strong_count() > 0
                && superseded.is_leaked(current, now, after)
        });
        let leaked = leaked.map(|superseded| {
            superseded.was_reported = true;
            superseded.version
        });
        leaked.collect()
    }

    /// Counts the leaked versions.
    pub(crate) fn leaked(&self, current: Version, now: Instant, after: Duration) -> usize {
        let list = self.lock();
        let leaked = list
            .iter()
            .filter(|superseded| superseded.snapshot.strong_count() > 0 && superseded.is_leaked(current, now, after));
        leaked.count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Superseded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Superseded {
    fn is_leaked(&self, current: Version, now: Instant, after: Duration) -> bool {
        let is_two_behind = self.version.next() < current;
        is_two_behind && now.saturating_duration_since(self.at) >= after
    }
}

impl Holders {
    /// Adds a holder of a version; `None` if there are too many.
    pub(crate) fn add(
        shared: &Arc<SnapshotShared>,
        version: Version,
        kind: HolderKind,
        cause: Cause,
    ) -> Option<HolderGuard> {
        let mut list = shared.holders.lock();
        if list.by_number.len() >= HOLDERS_MAX {
            return None;
        }
        list.last += 1;
        let number = list.last;
        list.by_number.insert(number, (version, VersionHolder { kind, cause }));
        let shared = Arc::clone(shared);
        Some(HolderGuard { shared, number })
    }

    fn of(&self, version: Version) -> Vec<VersionHolder> {
        let list = self.lock();
        let holders = list.by_number.values().filter(|(held, _)| *held == version);
        holders.map(|(_, holder)| holder.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HolderList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HolderGuard {
    fn drop(&mut self) {
        self.shared.holders.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_version_that_stays_is_reported_once_with_its_holder() {
        let mut world = World::with(&[("a", "a 1")]);
        let shared = world.snapshot().shared();
        let began = Instant::now();
        let mut pinned = None;
        for (number, text) in ["a 2", "a 3", "a 4"].into_iter().enumerate() {
            let before = world.snapshot().clone();
            world.edit(&[("a", text)], &[]);
            shared
                .superseded
                .add(&before, began + LONG * u32::try_from(number).expect("few"));
            // Version 2 is pinned, version 1 and 3 are freed.
            pinned = pinned.or((number == 1).then_some(before));
        }
        let cause = Cause::by("export").trace("t1");
        let guard = Holders::add(&shared, Version::from_number(2), HolderKind::Pin, cause.clone());
        let current = world.snapshot().version();
        let alive = |now| shared.superseded.alive(current, now, LONG, &shared.holders);
        let early = alive(began + LONG + LONG / 2);
        assert_eq!(
            (early.len(), early[0].version.number(), early[0].is_leaked),
            (1, 2, false)
        );
        let late = alive(began + LONG * 2);
        assert_eq!(
            (late[0].references, late[0].is_leaked, late[0].superseded),
            (1, true, LONG)
        );
        let kind = HolderKind::Pin;
        assert_eq!(late[0].holders, [VersionHolder { kind, cause }]);
        let newly = || shared.superseded.newly_leaked(current, began + LONG * 2, LONG);
        assert_eq!((newly(), newly()), (vec![Version::from_number(2)], vec![]));
        // Only one version behind is no leak, however long: renders may just have begun with it.
        let next = Version::from_number(3);
        assert!(!shared.superseded.alive(next, began + LONG * 9, LONG, &shared.holders)[0].is_leaked);
        drop(guard);
        assert!(alive(began + LONG * 2)[0].holders.is_empty());
        drop(pinned);
        assert!(alive(began + LONG * 2).is_empty());
    }

    #[test]
    fn versions_and_holders_are_bounded() {
        let mut world = World::with(&[("a", "a")]);
        let shared = world.snapshot().shared();
        let now = Instant::now();
        let mut pinned = Vec::new();
        for number in 0..SUPERSEDED_MAX + 2 {
            pinned.push(world.snapshot().clone());
            world.edit(&[("a", number.to_string().as_str())], &[]);
            shared.superseded.add(&pinned[number], now);
        }
        let alive = || {
            shared
                .superseded
                .alive(world.snapshot().version(), now, LONG, &shared.holders)
        };
        assert_eq!(alive().len(), SUPERSEDED_MAX);
        let hold = |_| Holders::add(&shared, Version::from_number(1), HolderKind::Render, Cause::default());
        let guards: Vec<_> = (0..=HOLDERS_MAX).map(hold).collect();
        assert_eq!(guards.iter().flatten().count(), HOLDERS_MAX);
        assert_eq!(alive()[0].holders.len(), HOLDERS_MAX);
        drop(guards);
        assert!(alive()[0].holders.is_empty());
    }
}
