//! [`View`]: what a scope sees, a short list of layers.

use std::sync::Arc;

use super::layer::Layer;
use crate::dialect::{Closure, Member, Members, TemplateId};

/// Layers in the order in which they are asked; the first that has an id answers. One layer today: shared and stable.
#[derive(Debug, Clone)]
pub(crate) struct View {
    layers: Vec<Arc<Layer>>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            layers: vec![Arc::default()],
        }
    }
}

impl View {
    /// The closure of an id in this view.
    #[inline]
    pub(crate) fn closure(&self, id: TemplateId) -> Option<Closure<'_>> {
        Some(Closure::new(self, self.member(id)?))
    }

    /// This view with some members of its first layer set or cleared.
    pub(crate) fn with(&self, changes: impl IntoIterator<Item = (TemplateId, Option<Arc<Member>>)>) -> Self {
        let mut view = self.clone();
        if let Some(first) = view.layers.first_mut() {
            let layer = Arc::make_mut(first);
            changes.into_iter().for_each(|(id, member)| layer.set(id, member));
        }
        view
    }

    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        let pairs = self.layers.iter().zip(&other.layers);
        pairs.map(|(a, b)| a.chunks_not_shared(b)).sum()
    }
}

impl Members for View {
    #[inline]
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.layers.iter().find_map(|layer| layer.member(id))
    }
}
