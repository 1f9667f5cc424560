//! [`View`]: the newest compiled text of every name.

use std::sync::{Arc, OnceLock};

use super::chunks::Chunks;
use super::id_set::IdSet;
use super::index::Index;
use super::served::{self, DigestSum};
use crate::dialect::{Closure, Member, Members, TemplateId};
use crate::template::{Digest, TemplateName};

/// A map from ids to members. Calls are resolved in it while a page is rendered, so a change of a partial is one write, however many
/// templates call it.
///
/// Names that are computed in a render are resolved in it as well. So it knows all names and the bad templates of its version, also where it
/// is pinned by stale templates.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    members: Chunks<Arc<PlacedMember>>,
    names: Index,
    bad: IdSet,
    /// The sum of the digests of all members.
    sum: DigestSum,
    /// The digest of all that a computed name can find, once it was asked for.
    digest: OnceLock<Digest>,
}

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
        self.members.get(id).map(|placed| &**placed)
    }

    /// Returns the same, to be kept.
    pub(crate) fn shared(&self, id: TemplateId) -> Option<Arc<PlacedMember>> {
        self.members.get(id).cloned()
    }

    /// Sets or, with `None`, clears the member of an id.
    pub(crate) fn set(&mut self, id: TemplateId, member: Option<Arc<PlacedMember>>) {
        if let Some(before) = self.placed(id) {
            let own = before.own;
            self.sum.subtract(&own);
        }
        if let Some(member) = &member {
            self.sum.add(&member.own);
        }
        self.digest.take();
        self.members.set(id, member);
    }

    /// Returns true if these are the names and the bad templates of this view.
    pub(crate) fn is_of(&self, names: &Index, bad: &IdSet) -> bool {
        self.names.len() == names.len() && self.bad == *bad
    }

    /// Sets the names and the bad templates.
    pub(crate) fn describe(&mut self, names: &Index, bad: &IdSet) {
        self.names = names.clone();
        self.bad = bad.clone();
        self.digest.take();
    }

    /// Returns true if a template has a fault or reaches one.
    pub(crate) fn is_bad(&self, id: TemplateId) -> bool {
        self.bad.contains(id)
    }

    /// Returns the ids whose member is not the same as in `other`, ascending.
    pub(crate) fn differences(&self, other: &Self) -> Vec<TemplateId> {
        self.members.differences(&other.members, Arc::ptr_eq)
    }

    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        self.members.chunks_not_shared(&other.members)
    }
}

impl Members for View {
    #[inline]
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.members.get(id).map(|placed| &placed.member)
    }

    fn id(&self, name: &str) -> Option<TemplateId> {
        self.names.get(name)
    }

    fn is_whole(&self, id: TemplateId) -> bool {
        !self.is_bad(id)
    }

    fn names(&self) -> Box<dyn Iterator<Item = &TemplateName> + '_> {
        Box::new(self.names.iter().map(|(_, name)| name))
    }

    /// Returns a digest of the good templates. It depends on neither ids nor history.
    fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| {
            let mut sum = self.sum;
            let bad = self.bad.iter().filter_map(|id| self.placed(id));
            bad.for_each(|placed| sum.subtract(&placed.own));
            sum.digest()
        })
    }
}
