//! [`Entry`]: the status of a name, and its part of the digest of a snapshot.

use std::sync::Arc;

use serde::Serialize;

use super::Standing;
use super::view::View;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Member, TemplateId};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// The faults that keep the newest text of an entry from being served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The faults of the nearest cause, with the calls that lead from there to the entry.
    pub diagnostics: Arc<[Diagnostic]>,
    /// The template to fix: the entry itself, or the nearest one that it reaches.
    pub cause: TemplateName,
}

impl Why {
    /// Returns true if both report the same faults. The help may differ, with_faults it depends on the names that existed at the time.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.diagnostics, &other.diagnostics) {
            return self.cause == other.cause;
        }
        let without_help = |diagnostic: &Diagnostic| {
            let mut diagnostic = diagnostic.clone();
            diagnostic.help = None;
            diagnostic
        };
        let faults = |why: &Self| why.diagnostics.iter().map(without_help).collect::<Vec<_>>();
        self.cause == other.cause && faults(self) == faults(other)
    }
}

/// A name that is defined, and its status in one version.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: TemplateName,
    pub(crate) state: EntryState,
    /// The digest of the name, its status and the texts that are served under it.
    served: Digest,
}

/// The state of an entry.
#[derive(Debug, Clone)]
pub(crate) enum EntryState {
    /// The newest closure is served.
    Current,
    /// The closure in the view that was current before the break is served. Entries that broke together share that view.
    Stale {
        view: Arc<View>,
        since: Version,
        why: Arc<Why>,
    },
    /// There never was a good closure, so none is served.
    Broken { why: Arc<Why> },
}

impl Entry {
    /// Creates a current entry with `member` as its newest text. Everything that a current entry calls is current in the same snapshot
    /// and has entries of its own, so the digest of its own text suffices.
    pub(crate) fn current(member: &Member) -> Self {
        Self {
            name: member.name.clone(),
            state: EntryState::Current,
            served: served(b"current", &member.name, &member.digest),
        }
    }

    /// Creates a stale entry that is served from its closure in `view`; `closure` is the digest of that closure.
    pub(crate) fn stale(name: TemplateName, closure: Digest, view: Arc<View>, since: Version, why: Arc<Why>) -> Self {
        let served = served(b"stale", &name, &closure);
        let state = EntryState::Stale { view, since, why };
        Self { name, state, served }
    }

    /// Creates a broken entry.
    pub(crate) fn broken(name: TemplateName, why: Arc<Why>) -> Self {
        let served = served(b"broken", &name, &Digest::ZERO);
        let state = EntryState::Broken { why };
        Self { name, state, served }
    }

    /// Returns a copy of the entry with newer faults.
    pub(crate) fn with_faults(&self, newer: &Arc<Why>) -> Self {
        let mut entry = self.clone();
        match &mut entry.state {
            EntryState::Current => {}
            EntryState::Stale { why, .. } | EntryState::Broken { why } => *why = Arc::clone(newer),
        }
        entry
    }

    /// Returns the faults, unless the entry is current.
    pub(crate) fn why(&self) -> Option<&Arc<Why>> {
        match &self.state {
            EntryState::Current => None,
            EntryState::Stale { why, .. } | EntryState::Broken { why } => Some(why),
        }
    }

    /// Returns true if both are served alike and have the same faults.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        self.served == other.served && self.why().map(Arc::as_ptr) == other.why().map(Arc::as_ptr)
    }

    /// Returns the status of an entry that is not current.
    pub(crate) fn standing(&self, id: TemplateId) -> Standing<'_> {
        match &self.state {
            EntryState::Current => {
                debug_assert!(false, "a current entry is looked up in the view");
                Standing::Gone
            }
            EntryState::Stale { view, since, why } => match view.closure(id) {
                Some(closure) => Standing::Stale {
                    closure,
                    since: *since,
                    why,
                },
                None => Standing::Broken { why },
            },
            EntryState::Broken { why } => Standing::Broken { why },
        }
    }
}

fn served(how: &[u8], name: &TemplateName, what: &Digest) -> Digest {
    Digest::over([how, &[0], name.as_str().as_bytes(), &[0], what.as_bytes()])
}

/// An additive multiset hash of entries: the sum of their digests, in four lanes modulo 2⁶⁴ each.
///
/// The sum does not depend on the order or the ids of the entries, and an entry can be subtracted again. So updating the digest of a
/// version costs only what changed, and equal content has an equal digest whatever its history. It distinguishes versions; it does not
/// resist an attacker who constructs templates in order to collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DigestSum([u64; 4]);

impl DigestSum {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.each(entry, u64::wrapping_add);
    }

    pub(crate) fn subtract(&mut self, entry: &Entry) {
        self.each(entry, u64::wrapping_sub);
    }

    pub(crate) fn digest(self) -> Digest {
        Digest::over(self.0.map(u64::to_le_bytes).iter().map(<[u8; 8]>::as_slice))
    }

    fn each(&mut self, entry: &Entry, combine: fn(u64, u64) -> u64) {
        let (lanes, _) = entry.served.as_bytes().as_chunks::<8>();
        for (sum, lane) in self.0.iter_mut().zip(lanes) {
            *sum = combine(*sum, u64::from_le_bytes(*lane));
        }
    }
}
