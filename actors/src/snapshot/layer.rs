//! [`Layer`]: the members of one scope.

use std::sync::Arc;

use super::chunks::Chunks;
use crate::dialect::{Member, TemplateId};
use crate::scope::Scope;

/// The newest text that compiled of every name of one scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    #[expect(
        dead_code,
        reason = "there is one scope today; a layer says its own so that more can come"
    )]
    scope: Scope,
    members: Chunks<Arc<Member>>,
}

impl Layer {
    #[inline]
    pub(crate) fn member(&self, id: TemplateId) -> Option<&Member> {
        self.members.get(id).map(|member| &**member)
    }

    pub(crate) fn set(&mut self, id: TemplateId, member: Option<Arc<Member>>) {
        self.members.set(id, member);
    }

    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        self.members.chunks_not_shared(&other.members)
    }
}
