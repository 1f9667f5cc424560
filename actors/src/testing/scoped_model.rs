//! A naive model of scopes: it rebuilds each scope from scratch after each change, in the simplest way.

use std::collections::BTreeMap;

use super::model::{Content, Texts, next_content};

/// The stages, the stable one first.
pub(super) const STAGES: usize = 3;

/// A layer or a scope: the tenant, or none for everyone, and the number of the stage.
pub(super) type Place = (Option<&'static str>, usize);

/// The texts of all layers, and the content that each scope serves.
#[derive(Debug, Clone, Default)]
pub(super) struct ScopedModel {
    /// The texts of each loader in each layer, in the order of precedence.
    layers: BTreeMap<Place, BTreeMap<u16, Texts>>,
    contents: BTreeMap<Place, Content>,
}

/// Returns the name of a private text of a tenant in the one name space of the model.
pub(super) fn private(tenant: &str, name: &str) -> String {
    format!("~{tenant}/{name}")
}

impl ScopedModel {
    /// Replaces texts of a loader in one layer. A text of a tenant names what is not exported by names of its own.
    pub(super) fn edit(
        &mut self,
        loader: u16,
        layer: Place,
        texts: &Texts,
        removed: &[String],
        exported: fn(&str) -> bool,
    ) {
        let own = |name: &str| match layer.0 {
            Some(tenant) if !exported(name) => private(tenant, name),
            _ => name.to_string(),
        };
        let layer_texts = self.layers.entry(layer).or_default().entry(loader).or_default();
        removed.iter().for_each(|name| _ = layer_texts.remove(&own(name)));
        for (name, text) in texts {
            let lines = text.lines().map(|line| match line.strip_prefix("call ") {
                Some(callee) => format!("call {}", own(callee)),
                None => line.to_string(),
            });
            layer_texts.insert(own(name), lines.collect::<Vec<_>>().join("\n"));
        }
    }

    /// Removes all texts of a loader.
    pub(super) fn clear(&mut self, loader: u16) {
        self.layers.values_mut().for_each(|loaders| _ = loaders.remove(&loader));
    }

    /// Returns true if a tenant has a text.
    pub(super) fn exists(&self, tenant: &'static str) -> bool {
        (0..STAGES).any(|stage| self.has_texts((Some(tenant), stage)))
    }

    fn has_texts(&self, layer: Place) -> bool {
        let loaders = self.layers.get(&layer).into_iter();
        loaders.flat_map(BTreeMap::values).any(|texts| !texts.is_empty())
    }

    /// Returns the texts that a scope sees: of its own layer, of its tenant, of its stage, of everyone.
    fn texts((tenant, stage): Place, layers: &BTreeMap<Place, BTreeMap<u16, Texts>>) -> Texts {
        let mut texts = Texts::new();
        for layer in [(tenant, stage), (tenant, 0), (None, stage), (None, 0)] {
            for (name, text) in layers.get(&layer).into_iter().flat_map(BTreeMap::values).flatten() {
                texts.entry(name.clone()).or_insert_with(|| text.clone());
            }
        }
        texts
    }

    /// Recomputes the content of every scope.
    ///
    /// A stage without texts of its own serves what stable serves, and a tenant without texts what everyone gets; so does one that had texts
    /// before. Each scope has a history of its own only while it differs.
    pub(super) fn recompute(&mut self, tenants: &[&'static str], companions: fn(&str) -> Vec<String>) {
        let all = || std::iter::once(None).chain(tenants.iter().copied().map(Some));
        let before = std::mem::take(&mut self.contents);
        for tenant in all() {
            for stage in 0..STAGES {
                let place = (tenant, stage);
                let base = match place {
                    (Some(tenant), _) if !self.exists(tenant) => Some((None, stage)),
                    (_, 0) => None,
                    (None, _) => (!self.has_texts(place)).then_some((None, 0)),
                    (Some(_), _) => (!self.has_texts(place) && !self.has_texts((None, stage))).then_some((tenant, 0)),
                };
                let content = match base {
                    Some(base) => self.contents[&base].clone(),
                    None => {
                        let texts = Self::texts(place, &self.layers);
                        next_content(&texts, before.get(&place).unwrap_or(&Content::new()), companions)
                    }
                };
                self.contents.insert(place, content);
            }
        }
    }

    /// Returns what a scope serves.
    pub(super) fn content(&self, scope: Place) -> &Content {
        &self.contents[&scope]
    }
}
