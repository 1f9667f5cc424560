//! [`ScopeView`]: the view of one scope, in which a closure resolves its calls.

use super::{Member, Members, TemplateId};
use crate::template::{Digest, TemplateName};

/// The templates that a scope has in place of those of the view below it.
pub trait Overlay: Sync {
    /// Returns the member that the scope has of its own.
    fn member(&self, id: TemplateId) -> Option<&Member>;

    /// Returns the id of a name as a template of the scope means it.
    fn id(&self, name: &str, below: &dyn Members) -> Option<TemplateId>;

    /// Returns true if a template has no fault in the scope and reaches none.
    fn is_whole(&self, id: TemplateId, below: &dyn Members) -> bool;

    /// Returns the names that a template of the scope may name, for suggestions.
    fn names<'s>(&'s self, below: &'s dyn Members) -> Box<dyn Iterator<Item = &'s TemplateName> + 's>;

    /// Returns a digest of all that a computed name can find.
    fn digest(&self, below: &dyn Members) -> Digest;
}

/// The view of a scope: the view of its stage, and the templates that its tenant has in place of those. It is as cheap to copy as the
/// references that it consists of, so none is stored for each tenant and version.
#[derive(Clone, Copy)]
pub struct ScopeView<'s> {
    members: &'s dyn Members,
    overlay: Option<&'s dyn Overlay>,
}

impl<'s> ScopeView<'s> {
    /// Returns the view of everyone.
    #[inline]
    #[must_use]
    pub fn shared(members: &'s dyn Members) -> Self {
        Self { members, overlay: None }
    }

    /// Returns the view of a tenant.
    #[inline]
    #[must_use]
    pub fn overlaid(members: &'s dyn Members, overlay: &'s dyn Overlay) -> Self {
        Self {
            members,
            overlay: Some(overlay),
        }
    }

    /// Returns the member with this id, if there is one.
    #[inline]
    #[must_use]
    pub fn member(self, id: TemplateId) -> Option<&'s Member> {
        match self.overlay {
            None => self.members.member(id),
            Some(overlay) => overlay.member(id).or_else(|| self.members.member(id)),
        }
    }

    /// Returns the id of a name that is, or was, defined or called.
    #[must_use]
    pub fn id(self, name: &str) -> Option<TemplateId> {
        match self.overlay {
            None => self.members.id(name),
            Some(overlay) => overlay.id(name, self.members),
        }
    }

    /// Returns true if a template has no fault in this view and reaches none.
    #[must_use]
    pub fn is_whole(self, id: TemplateId) -> bool {
        match self.overlay {
            None => self.members.is_whole(id),
            Some(overlay) => overlay.is_whole(id, self.members),
        }
    }

    /// Returns the names that a text of this view may name.
    #[must_use]
    pub fn names(self) -> Box<dyn Iterator<Item = &'s TemplateName> + 's> {
        match self.overlay {
            None => self.members.names(),
            Some(overlay) => overlay.names(self.members),
        }
    }

    /// Returns a digest of all that [`Closure::find`](super::Closure::find) can find.
    #[must_use]
    pub fn digest(self) -> Digest {
        match self.overlay {
            None => self.members.digest(),
            Some(overlay) => overlay.digest(self.members),
        }
    }
}
