//! [`Earlier`]: what entries were before, for answers when a render fails.

use std::sync::Arc;

use super::Generation;
use super::chunks::Chunks;
use crate::dialect::TemplateId;
use crate::version::Version;

/// The kept versions, and the one before each text of today.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// Newest first.
    pub(crate) kept: Box<[Arc<Generation>]>,
    pub(crate) former: Former,
    /// Of those only versions before this one answer: others are among the kept ones, or newer than what an operator chose.
    pub(crate) former_before: Version,
}

/// For each template the last version in which it had another text than today, as long as there is room. It outlives the kept versions:
/// a burst of versions of other templates does not take away what a page was before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Former {
    by_template: Chunks<Arc<Generation>>,
    /// The order in which they came. One that was replaced since names another version than is kept of its template.
    order: im::Vector<(TemplateId, Version)>,
}

impl Former {
    pub(crate) fn get(&self, id: TemplateId) -> Option<&Arc<Generation>> {
        self.by_template.get(id)
    }

    /// Remembers the version before a text changed. Beyond so many, the oldest is forgotten.
    pub(crate) fn remember(&mut self, id: TemplateId, generation: &Arc<Generation>, most: usize) {
        self.by_template.set(id, Some(Arc::clone(generation)));
        self.order.push_back((id, generation.version));
        while self.order.len() > most {
            let Some((id, version)) = self.order.pop_front() else {
                break;
            };
            if self.get(id).is_some_and(|kept| kept.version == version) {
                self.by_template.set(id, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Content;

    #[test]
    fn as_many_are_remembered_as_the_limit_says() {
        let generation = |number| {
            Arc::new(Generation {
                version: Version::from_number(number),
                content: Content::default(),
            })
        };
        let mut former = Former::default();
        for (id, version) in [(0, 1), (1, 2), (0, 3), (2, 4)] {
            former.remember(TemplateId::new(id), &generation(version), 3);
        }
        let kept = |former: &Former| {
            let kept = (0..4).map(|id| former.get(TemplateId::new(id)).map(|kept| kept.version.number()));
            kept.collect::<Vec<_>>()
        };
        assert_eq!(kept(&former), [Some(3), Some(2), Some(4), None]);
        former.remember(TemplateId::new(3), &generation(5), 3);
        assert_eq!(kept(&former), [Some(3), None, Some(4), Some(5)]);
        former.remember(TemplateId::new(3), &generation(6), 0);
        assert_eq!(kept(&former), [None; 4]);
    }
}
