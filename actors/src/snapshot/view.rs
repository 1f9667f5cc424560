//! [`View`]: the newest compiled text of every name.

use std::sync::Arc;

use super::chunks::Chunks;
use crate::dialect::{Closure, Member, Members, TemplateId};

/// A map from ids to members. Calls are resolved in it while a page is rendered, so a change of a partial is one write, however many
/// templates call it.
#[derive(Debug, Clone, Default)]
pub(crate) struct View(Chunks<Arc<Member>>);

impl View {
    /// Returns the closure of an id in this view.
    #[inline]
    pub(crate) fn closure(&self, id: TemplateId) -> Option<Closure<'_>> {
        Some(Closure::new(self, self.member(id)?))
    }

    /// Returns a copy of this view with some members set or cleared.
    pub(crate) fn with(&self, changes: impl IntoIterator<Item = (TemplateId, Option<Arc<Member>>)>) -> Self {
        let mut view = self.clone();
        changes.into_iter().for_each(|(id, member)| view.0.set(id, member));
        view
    }

    /// Returns an upper bound of the ids of all members.
    pub(crate) fn ids(&self) -> u32 {
        self.0.ids()
    }

    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        self.0.chunks_not_shared(&other.0)
    }
}

impl Members for View {
    #[inline]
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.0.get(id).map(|member| &**member)
    }
}
