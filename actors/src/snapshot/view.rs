//! [`View`]: the newest compiled text of every name.

use std::sync::Arc;

use super::chunks::Chunks;
use super::served;
use crate::dialect::{Closure, Member, Members, TemplateId};
use crate::template::Digest;

/// A map from ids to members. Calls are resolved in it while a page is rendered, so a change of a partial is one write, however many
/// templates call it.
#[derive(Debug, Clone, Default)]
pub(crate) struct View(Chunks<Arc<PlacedMember>>);

/// A member in a view.
#[derive(Debug)]
pub(crate) struct PlacedMember {
    pub(crate) member: Member,
    /// The digest of its name and text: its part of the digest of a snapshot, and of the digests of closures.
    pub(crate) own: Digest,
}

impl PlacedMember {
    pub(crate) fn new(member: Member) -> Self {
        let own = served::current(&member.name, &member.digest);
        Self { member, own }
    }
}

impl View {
    /// Returns the closure of an id in this view.
    #[inline]
    pub(crate) fn closure(&self, id: TemplateId) -> Option<Closure<'_>> {
        Some(Closure::new(self, self.member(id)?))
    }

    /// Returns the member of an id with its digest.
    pub(crate) fn placed(&self, id: TemplateId) -> Option<&PlacedMember> {
        self.0.get(id).map(|placed| &**placed)
    }

    /// Returns the same, to be kept.
    pub(crate) fn shared(&self, id: TemplateId) -> Option<Arc<PlacedMember>> {
        self.0.get(id).cloned()
    }

    /// Sets or, with `None`, clears the member of an id.
    pub(crate) fn set(&mut self, id: TemplateId, member: Option<Arc<PlacedMember>>) {
        self.0.set(id, member);
    }

    /// Returns the ids whose member is not the same as in `other`, ascending.
    pub(crate) fn differences(&self, other: &Self) -> Vec<TemplateId> {
        self.0.differences(&other.0, Arc::ptr_eq)
    }

    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        self.0.chunks_not_shared(&other.0)
    }
}

impl Members for View {
    #[inline]
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.0.get(id).map(|placed| &placed.member)
    }
}
