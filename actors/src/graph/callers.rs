//! [`CallerIndex`]: the reverse edges, from each template to those that call it or have it as a companion.

use std::collections::HashSet;
use std::sync::Arc;

use crate::dialect::{Member, TemplateId};
use crate::snapshot::{Chunks, IdSet, NameHasher};

/// The number of callers up to which they are a list. A bitmap takes less where there are more.
const FEW_MAX: usize = 16;

/// The callers of every template. A clone shares all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallerIndex(Chunks<Arc<Callers>>);

/// The callers of one template.
#[derive(Debug, Clone)]
enum Callers {
    Few(Vec<TemplateId>),
    Many(IdSet),
}

impl CallerIndex {
    /// Returns the templates that call a template or have it as a companion.
    pub(crate) fn of(&self, id: TemplateId) -> impl Iterator<Item = TemplateId> {
        let (few, many) = match self.0.get(id).map(|callers| &**callers) {
            None => (&[][..], None),
            Some(Callers::Few(few)) => (few.as_slice(), None),
            Some(Callers::Many(many)) => (&[][..], Some(many)),
        };
        few.iter().copied().chain(many.into_iter().flat_map(IdSet::iter))
    }

    /// Replaces the edges of a template, which are those of its member.
    pub(crate) fn replace(&mut self, id: TemplateId, before: Option<&Member>, after: Option<&Member>) {
        // Most edits change no call.
        if let (Some(before), Some(after)) = (before, after)
            && before.callees == after.callees
            && before.companions == after.companions
        {
            return;
        }
        let targets = |member: Option<&Member>| -> HashSet<TemplateId, NameHasher> {
            let targets = member.into_iter().flat_map(targets);
            targets.collect()
        };
        let (before, after) = (targets(before), targets(after));
        after.difference(&before).for_each(|target| self.add(*target, id));
        before.difference(&after).for_each(|target| self.remove(*target, id));
    }

    /// Returns some templates and all that reach them, each once, nearest first (a breadth-first search over reverse edges), in their order
    /// and as a set.
    pub(crate) fn backwards(&self, from: Vec<TemplateId>) -> (Vec<TemplateId>, IdSet) {
        let mut seen: IdSet = from.iter().copied().collect();
        let mut found = from;
        let mut at = 0;
        while let Some(id) = found.get(at).copied() {
            at += 1;
            found.extend(self.of(id).filter(|caller| seen.insert(*caller)));
        }
        (found, seen)
    }

    fn add(&mut self, target: TemplateId, caller: TemplateId) {
        let mut callers = match self.0.get(target) {
            Some(callers) => Arc::clone(callers),
            None => Arc::new(Callers::Few(Vec::new())),
        };
        match Arc::make_mut(&mut callers) {
            Callers::Few(few) if few.len() < FEW_MAX => few.push(caller),
            Callers::Few(few) => {
                let many = few.iter().copied().chain([caller]).collect();
                callers = Arc::new(Callers::Many(many));
            }
            Callers::Many(many) => _ = many.insert(caller),
        }
        self.0.set(target, Some(callers));
    }

    fn remove(&mut self, target: TemplateId, caller: TemplateId) {
        let Some(mut callers) = self.0.get(target).map(Arc::clone) else {
            return;
        };
        let is_empty = match Arc::make_mut(&mut callers) {
            Callers::Few(few) => {
                few.retain(|other| *other != caller);
                few.is_empty()
            }
            Callers::Many(many) => {
                many.remove(caller);
                many.is_empty()
            }
        };
        self.0.set(target, (!is_empty).then_some(callers));
    }
}

/// Returns the callees and then the companions of a template. Companions need not exist.
pub(crate) fn targets(member: &Member) -> impl Iterator<Item = TemplateId> {
    member.callees.iter().chain(&member.companions).copied()
}
