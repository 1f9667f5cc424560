//! Applies the texts of all layers: those of everyone to the graph of each stage, those of a later stage to its own, those of tenants over all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hold::HeldText;
use super::impact::Impact;
use super::plan::Graph;
use super::tenant_faults::Distances;
use super::tenants::{TenantBounds, Tenants};
use crate::dialect::TemplateId;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::plan::Plan;
use crate::snapshot::scopes::{ExportedNames, LATER_STAGES};
use crate::snapshot::{IdSet, NewestScopes, ScopeNews};
use crate::template::{Layer, Scope, Stage, TemplateKey, TemplateName, Tenant};
use crate::version::LoaderId;

/// The later stages, each with its place.
const LATER: [(usize, Stage); LATER_STAGES] = [(0, Stage::Canary), (1, Stage::Experimental)];

/// The precedence of a layer in the graph of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LayerRank {
    /// The texts of the stage itself.
    Stage,
    /// The texts of everyone.
    Stable,
}

/// The texts of a batch that belong to one layer.
pub(super) struct LayerBatch<'b> {
    pub(super) rank: LayerRank,
    pub(super) loader: LoaderId,
    /// True if the texts are everything that the loader has in this layer.
    pub(super) complete: bool,
    pub(super) texts: Vec<(&'b TemplateName, &'b CompiledText)>,
    pub(super) removed: Vec<&'b TemplateName>,
}

/// The texts of a batch, by layer.
type ByStage<'b> = [LayerBatch<'b>; Stage::ALL.len()];

fn empty<'b>(loader: LoaderId, complete: bool) -> ByStage<'b> {
    Stage::ALL.map(|stage| LayerBatch {
        rank: match stage {
            Stage::Stable => LayerRank::Stable,
            Stage::Canary | Stage::Experimental => LayerRank::Stage,
        },
        loader,
        complete,
        texts: Vec::new(),
        removed: Vec::new(),
    })
}

impl Graph {
    /// Sets which names all tenants share, and the bounds of each.
    pub(crate) fn with_tenants(mut self, exported: ExportedNames, bounds: TenantBounds) -> Self {
        self.tenants.exported = exported;
        self.tenants.bounds = bounds;
        self
    }

    /// Returns true if there is a scope beside shared stable.
    pub(super) fn has_scopes(&self) -> bool {
        !self.tenants.is_empty() || self.stages.iter().any(Option::is_some)
    }

    /// Returns the graph of a later stage, if it has texts.
    pub(super) fn later(&self, stage: Stage) -> Option<&Self> {
        let at = stage.number().checked_sub(1)?;
        self.stages[at].as_deref()
    }

    /// Applies a batch with texts of any layers.
    pub(super) fn apply_to_layers(&mut self, batch: &CompiledBatch) -> Plan {
        let (loader, complete) = (batch.revision.loader, batch.complete);
        let mut shared = empty(loader, complete);
        let mut tenants: BTreeMap<Tenant, ByStage<'_>> = BTreeMap::new();
        if complete {
            let known = self.tenants.of_loader(loader).into_iter();
            tenants.extend(known.map(|tenant| (tenant, empty(loader, complete))));
        }
        for (key, text) in &batch.texts {
            layer_of(&mut shared, &mut tenants, key, (loader, complete))
                .texts
                .push((&key.name, text));
        }
        for key in &batch.removed {
            layer_of(&mut shared, &mut tenants, key, (loader, complete))
                .removed
                .push(&key.name);
        }
        self.impact.is_recorded = !self.tenants.is_empty();
        let reviewed = self.apply_to_stage(&shared[0]);
        for (at, stage) in LATER {
            let mut graph = match self.stages[at].take() {
                Some(graph) => {
                    let mut graph = Arc::unwrap_or_clone(graph);
                    graph.impact.is_recorded = self.impact.is_recorded;
                    graph.names = self.names.clone();
                    graph.donor = Some(Arc::clone(&self.view));
                    graph.apply_to_stage(&shared[0]);
                    graph.donor = None;
                    graph
                }
                // It begins with what stable has after this batch, so both share all memory.
                None if !shared[stage.number()].texts.is_empty() => self.as_later_stage(),
                None => continue,
            };
            graph.impact.is_recorded = self.impact.is_recorded;
            let gone = graph.apply_own(stage, &shared[stage.number()], &mut self.tenants.news);
            graph.hold_as_promoted(self, gone.into_iter());
            self.names = graph.names.clone();
            match graph.is_as(self) {
                true => self.impact.is_all |= graph.impact.is_recorded,
                false => self.stages[at] = Some(Arc::new(graph)),
            }
        }
        for (tenant, batches) in &tenants {
            for (stage, batch) in Stage::ALL.into_iter().zip(batches) {
                if batch.complete || !batch.texts.is_empty() || !batch.removed.is_empty() {
                    self.tenants.merge(tenant, stage, batch, &mut self.names);
                }
            }
        }
        self.reviewed(reviewed)
    }

    /// Returns the graph of a later stage that has no text yet.
    pub(super) fn as_later_stage(&self) -> Self {
        Self {
            own: IdSet::default(),
            stages: [const { None }; LATER_STAGES],
            tenants: Tenants::default(),
            impact: Impact::default(),
            ..self.clone()
        }
    }

    /// Returns true if this graph of a later stage is that of stable, also in what it holds.
    pub(super) fn is_as(&self, stable: &Self) -> bool {
        let is_held =
            |(id, held): (&TemplateId, &Arc<HeldText>)| stable.hold.get(id).is_some_and(|other| held.is(other));
        let mut own = self.loaders.iter().filter(|((rank, _), _)| *rank == LayerRank::Stage);
        self.hold.len() == stable.hold.len()
            && self.hold.iter().all(is_held)
            && own.all(|(_, texts)| texts.iter().next().is_none())
    }

    /// Drops the graphs of later stages that are that of stable.
    pub(super) fn drop_later_as_stable(&mut self) {
        for at in 0..LATER_STAGES {
            if self.stages[at].as_ref().is_some_and(|graph| graph.is_as(self)) {
                self.stages[at] = None;
            }
        }
    }

    /// Applies the texts of a later stage to its graph. Returns the templates whose own text has gone.
    fn apply_own(&mut self, stage: Stage, batch: &LayerBatch<'_>, news: &mut ScopeNews) -> Vec<TemplateId> {
        let at = (LayerRank::Stage, batch.loader);
        let before = self.loaders.get(&at).cloned().unwrap_or_default();
        self.apply_to_stage(batch);
        let mut gone = Vec::new();
        let Some(after) = self.loaders.get(&at) else {
            return gone;
        };
        let is_same = |one: &Arc<CompiledText>, other: &Arc<CompiledText>| one.is_the_same_as(other);
        for id in after.differences(&before, is_same) {
            let mut own = self.loaders.iter().filter(|((rank, _), _)| *rank == LayerRank::Stage);
            match own.any(|(_, texts)| texts.get(id).is_some()) {
                true => _ = self.own.insert(id),
                false => _ = self.own.remove(id),
            }
            let Some(name) = self.names.name(id) else { continue };
            let key = TemplateKey {
                layer: Layer::of(Scope { tenant: None, stage }),
                name: name.clone(),
            };
            match after.get(id).map(|text| &**text) {
                Some(CompiledText::Unit { .. }) => _ = news.changed.insert(key),
                Some(CompiledText::Broken { .. }) => {}
                None => {
                    gone.push(id);
                    news.removed.insert(key);
                }
            }
        }
        gone
    }

    /// Decides the tenants again that changes concern, and returns the news since the last plan.
    pub(super) fn decide_scopes(&mut self) -> ScopeNews {
        if !self.has_scopes() && !self.impact.is_all {
            self.impact = Impact::default();
            return std::mem::take(&mut self.tenants.news);
        }
        let stages = self.stages.iter().filter_map(Option::as_deref);
        let affected = self.tenants.affected(std::iter::once(&*self).chain(stages));
        let distances = Stage::ALL.map(|stage| match self.later(stage) {
            _ if affected.is_empty() => Distances::default(),
            Some(later) => later.distances(),
            None if stage == Stage::Stable => self.distances(),
            None => Distances::default(),
        });
        for tenant in &affected {
            self.decide_tenant(tenant, &distances);
        }
        let is_recorded = self.tenants.has_any();
        let none = || Impact {
            is_recorded,
            ..Impact::default()
        };
        self.impact = none();
        for graph in self.stages.iter_mut().flatten() {
            let graph = Arc::make_mut(graph);
            graph.names = self.names.clone();
            graph.impact = none();
        }
        let mut news = std::mem::take(&mut self.tenants.news);
        news.tenants = affected;
        news
    }

    /// Returns the newest texts of the scopes beside shared stable.
    pub(super) fn newest_scopes(&mut self) -> NewestScopes {
        let stages = self.stages.each_mut();
        NewestScopes {
            stages: stages.map(|stage| stage.as_mut().map(|graph| Arc::make_mut(graph).newest())),
            tenants: self.tenants.newest.clone(),
            exported: self.tenants.exported.clone(),
            sum: self.tenants.sum,
        }
    }

    /// Does something to the graph of each later stage that has texts. Names that it assigns are those of all stages.
    pub(super) fn each_later(&mut self, mut apply: impl FnMut(&mut Self)) {
        for at in 0..LATER_STAGES {
            if let Some(graph) = self.stages[at].take() {
                let mut graph = Arc::unwrap_or_clone(graph);
                graph.names = self.names.clone();
                apply(&mut graph);
                self.names = graph.names.clone();
                self.stages[at] = Some(Arc::new(graph));
            }
        }
    }

    /// Has all tenants decided again with the next plan.
    #[cfg(test)]
    pub(crate) fn decide_everything(&mut self) {
        self.decide_all_tenants();
    }

    /// Has all tenants decided again with the next plan.
    pub(super) fn decide_all_tenants(&mut self) {
        self.impact.is_all = self.tenants.has_any();
    }
}

/// Returns the part of a batch that a key belongs to.
fn layer_of<'m, 'b>(
    shared: &'m mut ByStage<'b>,
    tenants: &'m mut BTreeMap<Tenant, ByStage<'b>>,
    key: &TemplateKey,
    (loader, complete): (LoaderId, bool),
) -> &'m mut LayerBatch<'b> {
    let Scope { tenant, stage } = key.layer.scope();
    let stages = match tenant {
        None => shared,
        Some(tenant) => {
            let tenant = tenants.entry(tenant.clone());
            tenant.or_insert_with(|| empty(loader, complete))
        }
    };
    &mut stages[stage.number()]
}
