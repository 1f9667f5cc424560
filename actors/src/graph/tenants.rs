//! [`Tenants`]: the texts of tenants, over the graph of each stage.
//!
//! A tenant has few texts, so what follows from them is computed afresh when it may have changed; [`impact`](super::impact) says when. The
//! work is that of the texts of the tenant and, if any template is bad for it, of the bad ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::callers::targets;
use super::hold::{AfterSource, HeldText, are_the_same};
use super::layers::LayerBatch;
use super::plan::{Graph, resolve};
use super::tenant_faults::{Distances, TenantScope};
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::protocol::batch::CompiledText;
use crate::protocol::hold::HoldOrigin;
use crate::snapshot::IdSet;
use crate::snapshot::index::Index;
use crate::snapshot::overrides::Overrides;
use crate::snapshot::scopes::{ExportedNames, TenantMap, TenantStages, TenantTexts};
use crate::snapshot::view::PlacedMember;
use crate::snapshot::{DigestSum, ScopeNews};
use crate::template::{Digest, Layer, Scope, Stage, TemplateKey, TemplateName, Tenant};
use crate::version::LoaderId;

/// The bounds of what one tenant has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TenantBounds {
    /// The limit `tenant_templates`.
    pub(crate) templates: usize,
    /// The limit `tenant_bytes`.
    pub(crate) bytes: u64,
}

impl Default for TenantBounds {
    fn default() -> Self {
        Self {
            templates: usize::MAX,
            bytes: u64::MAX,
        }
    }
}

/// The texts of one layer of a tenant, by loader, in the order of precedence.
type TenantLayer = BTreeMap<LoaderId, BTreeMap<TemplateId, Arc<CompiledText>>>;

/// All tenants. A clone shares nearly all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenants {
    pub(super) exported: ExportedNames,
    pub(super) bounds: TenantBounds,
    by_name: TenantMap<Arc<TenantGraph>>,
    /// The tenants to decide again if the status of a template is: those that have a text of it, or one that calls it, or for which it has
    /// other faults than for everyone.
    concerned: im::OrdMap<TemplateId, im::OrdSet<Tenant>>,
    /// The keys of `concerned`.
    concerning: IdSet,
    /// The tenants whose bad templates are not those of their stage.
    diverged: im::OrdSet<Tenant>,
    pub(super) newest: TenantMap<Arc<TenantStages>>,
    pub(super) sum: DigestSum,
    /// The tenants that may have templates that are held.
    held: im::OrdSet<Tenant>,
    /// The tenants whose own texts changed, and all news, since the last plan.
    pub(super) news: ScopeNews,
}

/// The texts of one tenant.
#[derive(Debug, Clone, Default)]
struct TenantGraph {
    layers: [TenantLayer; Stage::ALL.len()],
    texts: usize,
    bytes: u64,
    concerned: BTreeSet<TemplateId>,
    /// The templates whose promoted text is in effect in place of that of the stable layer.
    hold: BTreeMap<TemplateId, Arc<HeldText>>,
}

impl TenantGraph {
    /// Returns the text of each template that is one of the tenant in a stage.
    fn effective(&self, stage: Stage) -> BTreeMap<TemplateId, &Arc<CompiledText>> {
        let of = |stage: Stage| self.layers[stage.number()].values().rev().flatten();
        let mut texts: BTreeMap<TemplateId, &Arc<CompiledText>> =
            of(Stage::Stable).map(|(id, text)| (*id, text)).collect();
        let held = self.hold.iter();
        texts.extend(held.filter_map(|(id, held)| Some((*id, held.served.as_ref()?))));
        if stage != Stage::Stable {
            texts.extend(of(stage).map(|(id, text)| (*id, text)));
        }
        texts
    }

    /// Returns the text of a template that the stable layer has in the sources.
    fn source_text(&self, id: TemplateId) -> Option<&Arc<CompiledText>> {
        self.layers[0].values().find_map(|texts| texts.get(&id))
    }

    fn has_texts(&self, stage: Stage) -> bool {
        let is_held = stage == Stage::Stable && !self.hold.is_empty();
        is_held || self.layers[stage.number()].values().any(|texts| !texts.is_empty())
    }
}

impl Tenants {
    /// Returns true if there is no tenant, and none went.
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.news.tenants.is_empty()
    }

    /// Returns the tenants of which a loader has a text.
    pub(super) fn of_loader(&self, loader: LoaderId) -> Vec<Tenant> {
        let has = |tenant: &TenantGraph| tenant.layers.iter().any(|layer| layer.contains_key(&loader));
        let tenants = self.by_name.iter().filter(|(_, tenant)| has(tenant));
        tenants.map(|(name, _)| name.clone()).collect()
    }

    /// Returns true if there is a tenant.
    pub(super) fn has_any(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// Replaces the texts of a loader in one layer of a tenant.
    pub(super) fn merge(&mut self, tenant: &Tenant, stage: Stage, batch: &LayerBatch<'_>, names: &mut Index) {
        let layer = Layer::of(Scope {
            tenant: Some(tenant.clone()),
            stage,
        });
        let exported = self.exported.clone();
        let mut graph = self.by_name.get(tenant).cloned().unwrap_or_default();
        let own = Arc::make_mut(&mut graph);
        let texts = own.layers[stage.number()].entry(batch.loader).or_default();
        let named: BTreeMap<TemplateId, (&TemplateName, &CompiledText)> = batch
            .texts
            .iter()
            .map(|(name, text)| (id_of(&exported, tenant, name, names), (*name, *text)))
            .collect();
        let mut removed: Vec<TemplateId> = match batch.complete {
            true => texts.keys().copied().collect(),
            false => {
                let ids = batch.removed.iter();
                ids.map(|name| id_of(&exported, tenant, name, names)).collect()
            }
        };
        removed.retain(|id| !named.contains_key(id));
        let mut is_changed = false;
        for id in removed {
            let Some(before) = texts.remove(&id) else { continue };
            is_changed = true;
            own.texts -= 1;
            own.bytes -= bytes_of(&before);
            if let Some(name) = names.name(id) {
                self.sum.subtract(&part_of_sum(&layer, name, &before));
                self.news.removed.insert(TemplateKey {
                    layer: layer.clone(),
                    name: name.clone(),
                });
            }
        }
        for (id, (name, text)) in named {
            let before = texts.get(&id);
            if before.is_some_and(|before| before.is_the_same_as(text)) {
                continue;
            }
            let (was, bytes) = (before.map_or(0, |before| bytes_of(before)), bytes_of(text));
            let is_over =
                (before.is_none() && own.texts >= self.bounds.templates) || own.bytes - was + bytes > self.bounds.bytes;
            let text = match is_over {
                false => Arc::new(text.clone()),
                true => Arc::new(over(name, tenant, &self.bounds)),
            };
            // The text after the last one that fits says why the tenant has no more of them.
            if before.is_none() && own.texts > self.bounds.templates {
                continue;
            }
            let bytes = bytes_of(&text);
            is_changed = true;
            let key = TemplateKey {
                layer: layer.clone(),
                name: name.clone(),
            };
            self.news.removed.remove(&key);
            if let CompiledText::Unit { .. } = &*text {
                self.news.changed.insert(key);
            }
            self.sum.add(&part_of_sum(&layer, name, &text));
            match texts.insert(id, text) {
                Some(before) => self.sum.subtract(&part_of_sum(&layer, name, &before)),
                None => own.texts += 1,
            }
            own.bytes = own.bytes - was + bytes;
        }
        if texts.is_empty() {
            own.layers[stage.number()].remove(&batch.loader);
        }
        if stage == Stage::Stable && is_changed {
            for (id, held) in own.hold.clone() {
                match held.after(own.source_text(id)) {
                    AfterSource::Same => {}
                    AfterSource::Waits(held) => _ = own.hold.insert(id, Arc::new(held)),
                    AfterSource::Lifted => {
                        own.hold.remove(&id);
                        self.sum_held(tenant, id, Some(&held), &*names, DigestSum::subtract);
                    }
                }
            }
        }
        if is_changed {
            self.news.tenants.insert(tenant.clone());
            self.by_name.insert(tenant.clone(), graph);
        }
    }

    /// Puts the texts of a later stage of a tenant in the place of those of its stable layer, which wait. Returns true if any of them differs.
    pub(super) fn promote(&mut self, tenant: &Tenant, stage: Stage, origin: &Arc<HoldOrigin>, names: &Index) -> bool {
        let Some(mut graph) = self.by_name.get(tenant).cloned() else {
            return false;
        };
        let (stable, later) = (graph.effective(Stage::Stable), graph.effective(stage));
        let is_good = |text: &Arc<CompiledText>| matches!(**text, CompiledText::Unit { .. });
        let promoted = later.into_iter().filter(|(_, text)| is_good(text));
        let promoted = promoted.filter(|(id, text)| !are_the_same(Some(text), stable.get(id).copied()));
        let promoted: Vec<_> = promoted.map(|(id, text)| (id, Arc::clone(text))).collect();
        if promoted.is_empty() {
            return false;
        }
        let own = Arc::make_mut(&mut graph);
        for (id, text) in promoted {
            let waiting = own.source_text(id).cloned();
            let is_source = are_the_same(Some(&text), waiting.as_ref());
            let held = HeldText::new(Some(text), waiting, origin);
            let before = match is_source {
                true => own.hold.remove(&id),
                false => {
                    self.sum_held(tenant, id, Some(&held), names, DigestSum::add);
                    own.hold.insert(id, Arc::new(held))
                }
            };
            self.sum_held(tenant, id, before.as_deref(), names, DigestSum::subtract);
        }
        self.by_name.insert(tenant.clone(), graph);
        self.held.insert(tenant.clone());
        self.news.tenants.insert(tenant.clone());
        true
    }

    /// Lifts the holds of all tenants.
    pub(super) fn lift_all(&mut self, names: &Index) {
        for tenant in std::mem::take(&mut self.held) {
            let Some(mut graph) = self.by_name.get(&tenant).cloned() else {
                continue;
            };
            for (id, held) in std::mem::take(&mut Arc::make_mut(&mut graph).hold) {
                self.sum_held(&tenant, id, Some(&held), names, DigestSum::subtract);
            }
            self.by_name.insert(tenant.clone(), graph);
            self.news.tenants.insert(tenant);
        }
    }

    /// Returns each template that is held for a tenant.
    pub(super) fn held(&self) -> impl Iterator<Item = (&TemplateId, &Arc<HeldText>)> {
        let graphs = self.held.iter().filter_map(|tenant| self.by_name.get(tenant));
        graphs.flat_map(|graph| graph.hold.iter())
    }

    /// Adds a text that is held for a tenant to the digest of all texts, or takes it away.
    fn sum_held(
        &mut self,
        tenant: &Tenant,
        id: TemplateId,
        held: Option<&HeldText>,
        names: &Index,
        apply: impl FnOnce(&mut DigestSum, &Digest),
    ) {
        let text = held.and_then(|held| held.served.as_ref());
        let Some((text, name)) = text.zip(names.name(id)) else {
            return;
        };
        let part = part_of_sum(&Layer::SHARED_STABLE, name, text);
        apply(
            &mut self.sum,
            &Digest::over([tenant.as_str().as_bytes(), b"\0held\0", part.as_bytes().as_slice()]),
        );
    }

    /// Returns the tenants that are decided again because of the changes of the stages.
    pub(super) fn affected<'g>(&self, stages: impl Iterator<Item = &'g Graph>) -> BTreeSet<Tenant> {
        let mut affected = self.news.tenants.clone();
        for impact in stages.map(|stage| &stage.impact) {
            if impact.is_all {
                affected.extend(self.by_name.keys().cloned());
                return affected;
            }
            if impact.is_any {
                affected.extend(self.diverged.iter().cloned());
            }
            for id in impact.ids.and(&self.concerning).iter() {
                affected.extend(self.concerned.get(&id).into_iter().flatten().cloned());
            }
        }
        affected
    }

    /// Replaces the templates that concern a tenant.
    fn concern(&mut self, tenant: &Tenant, before: &BTreeSet<TemplateId>, after: &BTreeSet<TemplateId>) {
        for id in before.difference(after) {
            let Some(tenants) = self.concerned.get_mut(id) else {
                continue;
            };
            tenants.remove(tenant);
            if tenants.is_empty() {
                self.concerned.remove(id);
                self.concerning.remove(*id);
            }
        }
        for id in after.difference(before) {
            self.concerned.entry(*id).or_default().insert(tenant.clone());
            self.concerning.insert(*id);
        }
    }
}

impl Graph {
    /// Decides a tenant again: its texts, their faults, and which templates are bad in its scopes.
    /// `distances` are those of each stage.
    pub(super) fn decide_tenant(&mut self, tenant: &Tenant, distances: &[Distances; Stage::ALL.len()]) {
        let Some(graph) = self.tenants.by_name.get(tenant).cloned() else {
            return;
        };
        let former = self.tenants.newest.get(tenant).cloned();
        if Stage::ALL.iter().all(|stage| !graph.has_texts(*stage)) {
            self.tenants.concern(tenant, &graph.concerned, &BTreeSet::new());
            self.tenants.by_name.remove(tenant);
            self.tenants.newest.remove(tenant);
            self.tenants.diverged.remove(tenant);
            return;
        }
        let mut stages: TenantStages = [const { None }; Stage::ALL.len()];
        let mut concerned = BTreeSet::new();
        for stage in Stage::ALL {
            let is_of_stable = stage != Stage::Stable && self.later(stage).is_none() && !graph.has_texts(stage);
            if is_of_stable {
                continue;
            }
            let effective = graph.effective(stage);
            let known: Vec<&TenantTexts> = {
                let former = former.iter().flat_map(|former| [&former[stage.number()], &former[0]]);
                former.chain([&stages[0]]).filter_map(Option::as_deref).collect()
            };
            let mut overrides = self.overrides(tenant, &effective, &known);
            // Stages with the same texts share their memory.
            if let Some(stable) = stages[0]
                .as_ref()
                .filter(|stable| stable.overrides.has_members_of(&overrides))
            {
                overrides = stable.overrides.with_bad(None);
            }
            let scope = TenantScope {
                base: self.later(stage).unwrap_or(self),
                names: &self.names,
                exported: &self.tenants.exported.0,
                tenant,
                own: &effective,
                overrides: &overrides,
            };
            let faults = scope.faults();
            let of_base = self.later(stage).map_or(0, |_| stage.number());
            let bad = scope.bad(&faults, &distances[of_base]);
            concerned.extend(effective.keys().chain(faults.keys()).copied());
            concerned.extend(overrides.iter().flat_map(|(_, placed)| targets(&placed.member)));
            let of_stage = graph.layers[stage.number()].values();
            let texts = TenantTexts {
                defined: effective.keys().copied().collect(),
                of_stage: of_stage.flat_map(|texts| texts.keys().copied()).collect(),
                overrides: Arc::new(overrides.with_bad(bad)),
                faults,
            };
            stages[stage.number()] = Some(Arc::new(texts));
        }
        let has_diverged = stages.iter().flatten().any(|texts| texts.overrides.bad().is_some());
        match has_diverged {
            true => _ = self.tenants.diverged.insert(tenant.clone()),
            false => _ = self.tenants.diverged.remove(tenant),
        }
        self.tenants.concern(tenant, &graph.concerned, &concerned);
        let graph = TenantGraph {
            concerned,
            ..(*graph).clone()
        };
        self.tenants.by_name.insert(tenant.clone(), Arc::new(graph));
        self.tenants.newest.insert(tenant.clone(), Arc::new(stages));
    }

    /// Returns the members of the texts of a tenant. One that is known stays the same; a text that does not compile leaves the last one that did.
    fn overrides(
        &mut self,
        tenant: &Tenant,
        effective: &BTreeMap<TemplateId, &Arc<CompiledText>>,
        known: &[&TenantTexts],
    ) -> Overrides {
        let exported = self.tenants.exported.clone();
        let mut names = self.names.clone();
        let mut members = Vec::with_capacity(effective.len());
        for (id, text) in effective {
            let mut known = known.iter().filter_map(|texts| texts.overrides.placed(*id));
            let member = match &***text {
                CompiledText::Broken { .. } => known.next().cloned(),
                CompiledText::Unit { digest, unit } => {
                    let same = known.find(|placed| placed.member.digest == *digest).cloned();
                    same.or_else(|| {
                        let name = names.name(*id)?.clone();
                        let (formatters, companions) = (&self.formatters, &self.companions);
                        let member = resolve(name, *digest, unit, formatters, companions, |name| {
                            id_of(&exported, tenant, name, &mut names)
                        });
                        Some(Arc::new(PlacedMember::new(member)))
                    })
                }
            };
            members.extend(member.map(|member| (*id, member)));
        }
        self.names = names;
        Overrides::new(tenant.clone(), exported.0, members)
    }
}

/// Returns the id of a name as the texts of a tenant mean it.
fn id_of(exported: &ExportedNames, tenant: &Tenant, name: &TemplateName, names: &mut Index) -> TemplateId {
    match &exported.0 {
        Some(exported) if !exported(name.as_str()) => names.private_id_of(tenant, name),
        _ => names.id_of(name),
    }
}

/// Returns the bytes that a text counts for in the limit `tenant_bytes`.
fn bytes_of(text: &CompiledText) -> u64 {
    let bytes = match text {
        CompiledText::Unit { unit, .. } => unit.bytes(),
        CompiledText::Broken { text, .. } => text.as_ref().map_or(0, |text| text.len()),
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Returns the part of a text in the digest of a version.
fn part_of_sum(layer: &Layer, name: &TemplateName, text: &CompiledText) -> Digest {
    let digest = text.digest().unwrap_or(Digest::ZERO);
    let layer = layer.to_string();
    let name = name.as_str().as_bytes();
    Digest::over([layer.as_bytes(), b"\0", name, b"\0", digest.as_bytes().as_slice()])
}

/// Returns the text in place of one that exceeds the bounds of its tenant.
fn over(name: &TemplateName, tenant: &Tenant, bounds: &TenantBounds) -> CompiledText {
    let TenantBounds { templates, bytes } = bounds;
    let message = format!(
        "tenant `{}` has more than {templates} templates (the limit `tenant_templates`) or {bytes} bytes of them (`tenant_bytes`), and this one \
         is not used",
        tenant.as_str()
    );
    let help = "remove templates of the tenant and reload fully, or raise the limit";
    let fault = Diagnostic::error("tenant-limit", message).help(help).in_template(name);
    CompiledText::Broken {
        digest: None,
        diagnostics: Arc::new([fault]),
        text: None,
    }
}
