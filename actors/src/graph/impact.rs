//! [`Impact`]: what a change of the texts of everyone may mean for tenants.
//!
//! A tenant whose bad templates are those of its stage is decided again only if its texts, or the callees or faults of its texts, are among
//! the templates that were added, removed or decided again; or among those that a changed text extends, because only together with a text of
//! the tenant these may be a cycle. For all other tenants the same templates are bad before and after the change: outside of these templates
//! nothing changed, and inside of them the tenant has the same texts, with the same faults, as everyone. So a change that breaks nothing
//! costs nothing for any tenant that is well.

use super::plan::Graph;
use crate::dialect::{Members, TemplateId};
use crate::snapshot::IdSet;

/// The number of templates of a chain of `extends` that is followed. A longer one fails when it is rendered.
const CHAIN_MAX: usize = 1024;

/// The templates because of which tenants are decided again.
#[derive(Debug, Clone, Default)]
pub(super) struct Impact {
    /// True if there are tenants, so that this is recorded.
    pub(super) is_recorded: bool,
    /// True if any text changed.
    pub(super) is_any: bool,
    /// True if all tenants are decided again.
    pub(super) is_all: bool,
    pub(super) ids: IdSet,
}

impl Graph {
    /// Records that a text changed, and whether it was added or removed.
    pub(super) fn note_change(&mut self, id: TemplateId, is_added_or_removed: bool) {
        if !self.impact.is_recorded {
            return;
        }
        self.impact.is_any = true;
        if is_added_or_removed {
            self.impact.ids.insert(id);
        }
        let parents = std::iter::successors(self.parent(id), |(parent, _)| self.parent(*parent));
        let parents: Vec<TemplateId> = parents.take(CHAIN_MAX).map(|(parent, _)| parent).collect();
        parents
            .into_iter()
            .for_each(|parent| _ = self.impact.ids.insert(parent));
    }

    /// Records that the status of some templates was decided again.
    pub(super) fn note_decided(&mut self, region: &IdSet) {
        if !self.impact.is_recorded {
            return;
        }
        self.impact.is_any = true;
        let mut ids = self.impact.ids.or(region);
        // A tenant may have the template that everyone lacks.
        for id in region.iter().filter(|id| self.faults.has(*id)) {
            let member = self.view.member(id).into_iter();
            let absent = member.flat_map(|member| member.callees.iter().copied());
            absent
                .filter(|callee| !self.defined.contains(*callee))
                .for_each(|callee| _ = ids.insert(callee));
        }
        self.impact.ids = ids;
    }
}
