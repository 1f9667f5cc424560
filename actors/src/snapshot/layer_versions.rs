//! [`LayerVersions`]: the version before the last change of each text of a tenant or of a later stage.

use std::sync::Arc;

use super::Generation;
use crate::dialect::TemplateId;
use crate::template::{Layer, Scope, Stage, Tenant};
use crate::version::Version;

type LayerKey = (Option<Tenant>, Stage, TemplateId);

/// The version before the last change of each text of another layer than shared stable, bounded by number. Like
/// [`LastGoodVersions`](super::LastGoodVersions), it does not depend on how many versions others made since.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerVersions {
    by_text: im::OrdMap<LayerKey, Arc<Generation>>,
    /// The keys of `by_text`, oldest version first.
    by_age: im::OrdSet<(Version, LayerKey)>,
}

impl LayerVersions {
    /// Remembers a version as the one before the last change of a text.
    pub(crate) fn remember(&mut self, layer: &Layer, id: TemplateId, generation: &Arc<Generation>) {
        let Scope { tenant, stage } = layer.scope().clone();
        let key = (tenant, stage, id);
        if let Some(before) = self.by_text.insert(key.clone(), Arc::clone(generation)) {
            self.by_age.remove(&(before.version, key.clone()));
        }
        self.by_age.insert((generation.version, key));
    }

    /// Drops the oldest versions beyond a number.
    pub(crate) fn trim(&mut self, texts: usize) {
        while self.by_text.len() > texts {
            let Some((_, key)) = self.by_age.remove_min() else {
                break;
            };
            self.by_text.remove(&key);
        }
    }

    /// Drops the versions after `last`.
    pub(crate) fn forget_after(&mut self, last: Version) {
        while self.by_age.get_max().is_some_and(|(version, _)| *version > last) {
            let Some((_, key)) = self.by_age.remove_max() else {
                break;
            };
            self.by_text.remove(&key);
        }
    }

    /// Returns the versions before the last change of a text of the layers that a scope sees.
    pub(crate) fn of<'s>(&'s self, scope: &'s Scope, id: TemplateId) -> impl Iterator<Item = &'s Arc<Generation>> {
        let tenants = [scope.tenant.as_ref(), None];
        let stages = [scope.stage, Stage::Stable];
        let keys = tenants
            .into_iter()
            .flat_map(move |tenant| stages.into_iter().map(move |stage| (tenant.cloned(), stage, id)));
        // `remove_min` and look-ups by reference would need a borrowed form of the key; renders that fail are rare.
        keys.filter_map(|key| self.by_text.get(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Content, Scopes};

    #[test]
    fn texts_are_bounded_and_the_oldest_go_first() {
        let generation = |number| {
            Arc::new(Generation {
                version: Version::from_number(number),
                content: Content::default(),
                scopes: Scopes::default(),
            })
        };
        let scope = |tenant: &str| Scope {
            tenant: Some(Tenant::new(tenant).expect("valid")),
            stage: Stage::Stable,
        };
        let mut versions = LayerVersions::default();
        let id = TemplateId::new(1);
        for (number, tenant) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            versions.remember(&Layer::of(scope(tenant)), id, &generation(number));
            versions.trim(2);
        }
        let known = |versions: &LayerVersions, tenant: &str| {
            let scope = scope(tenant);
            let found: Vec<u64> = versions.of(&scope, id).map(|kept| kept.version.number()).collect();
            found
        };
        assert_eq!(known(&versions, "b"), [0; 0], "the oldest is forgotten");
        // The stable layer is that of the stage and of the tenant at once.
        assert_eq!(known(&versions, "a"), [3, 3]);
        versions.forget_after(Version::from_number(3));
        assert_eq!((known(&versions, "a"), known(&versions, "c")), (vec![3, 3], vec![]));
    }
}
