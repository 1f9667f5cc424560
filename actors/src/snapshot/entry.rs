//! [`Entry`]: how a name stands, and what it adds to the digest of its snapshot.

use std::sync::Arc;

use serde::Serialize;

use super::Standing;
use super::view::View;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Member, TemplateId};
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// Why an entry is not served as its newest text has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// What is wrong with the nearest cause, with the calls that lead from there to the entry.
    pub diagnostics: Arc<[Diagnostic]>,
    /// The template to repair: the entry itself, or the nearest one that it reaches.
    pub cause: TemplateName,
}

impl Why {
    /// Whether it tells the author the same. Help may differ: it depends on which other names there were at the time.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.diagnostics, &other.diagnostics) {
            return self.cause == other.cause;
        }
        let without_help = |diagnostic: &Diagnostic| {
            let mut diagnostic = diagnostic.clone();
            diagnostic.help = None;
            diagnostic
        };
        let said = |why: &Self| why.diagnostics.iter().map(without_help).collect::<Vec<_>>();
        self.cause == other.cause && said(self) == said(other)
    }
}

/// A name that is defined, in one version.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: TemplateName,
    pub(crate) state: EntryState,
    /// Digest of what is served under the name.
    served: Digest,
}

/// What is served under a name.
#[derive(Debug, Clone)]
pub(crate) enum EntryState {
    /// Its newest closure.
    Current,
    /// Its closure in the view that was current before a break; entries that broke together share that view.
    Stale {
        view: Arc<View>,
        since: Version,
        why: Arc<Why>,
    },
    /// Nothing: there never was a good closure.
    Broken { why: Arc<Why> },
}

impl Entry {
    /// An entry of which `member` is the newest text. What a current entry calls stands in the same snapshot as current too, so
    /// its own text says all.
    pub(crate) fn current(member: &Member) -> Self {
        Self {
            name: member.name.clone(),
            state: EntryState::Current,
            served: served(b"current", &member.name, &member.digest),
        }
    }

    /// An entry that goes on with its closure in `view`, whose digest is given.
    pub(crate) fn stale(name: TemplateName, closure: Digest, view: Arc<View>, since: Version, why: Arc<Why>) -> Self {
        let served = served(b"stale", &name, &closure);
        let state = EntryState::Stale { view, since, why };
        Self { name, state, served }
    }

    /// An entry that has nothing to go on with.
    pub(crate) fn broken(name: TemplateName, why: Arc<Why>) -> Self {
        let served = served(b"broken", &name, &Digest::ZERO);
        let state = EntryState::Broken { why };
        Self { name, state, served }
    }

    /// The same, for a newer reason.
    pub(crate) fn because(&self, newer: &Arc<Why>) -> Self {
        let mut entry = self.clone();
        match &mut entry.state {
            EntryState::Current => {}
            EntryState::Stale { why, .. } | EntryState::Broken { why } => *why = Arc::clone(newer),
        }
        entry
    }

    /// Why it is not current.
    pub(crate) fn why(&self) -> Option<&Arc<Why>> {
        match &self.state {
            EntryState::Current => None,
            EntryState::Stale { why, .. } | EntryState::Broken { why } => Some(why),
        }
    }

    /// Whether nobody could tell the two apart.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        self.served == other.served && self.why().map(Arc::as_ptr) == other.why().map(Arc::as_ptr)
    }

    /// How an entry stands that is not current.
    pub(crate) fn standing(&self, id: TemplateId) -> Standing<'_> {
        match &self.state {
            EntryState::Current => {
                debug_assert!(false, "what is current is found in the view");
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

/// A sum over entries, in which neither their order nor their ids matter, and from which one can be taken out again: so a
/// version's digest costs what changed, and equal content has an equal digest however it came about.
///
/// The sum is over digests taken as numbers, modulo 2²⁵⁶ in four lanes (an additive multiset hash). It tells versions apart; it
/// is no proof against somebody who makes up templates in order to collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DigestSum([u64; 4]);

impl DigestSum {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.each(entry, u64::wrapping_add);
    }

    pub(crate) fn take(&mut self, entry: &Entry) {
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
