//! [`TenantScope`]: the faults and the bad templates of one tenant in one stage.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::callers::targets;
use super::faults::{FaultFinder, SuggestionCache, faults_of_broken};
use super::inspect::{cycle_fault, cycles};
use super::plan::Graph;
use crate::diagnostic::{Diagnostic, Span};
use crate::dialect::{CallKind, Member, Members, TemplateId};
use crate::protocol::batch::CompiledText;
use crate::snapshot::index::Index;
use crate::snapshot::overrides::{Exported, Overrides, id_in_scope};
use crate::snapshot::{IdSet, NameHasher};
use crate::template::{TemplateName, Tenant};

/// The faults of texts that are not those of the stage; see `TenantTexts::faults`.
type TenantFaults = BTreeMap<TemplateId, Option<Arc<[Diagnostic]>>>;

/// The number of steps from each bad template of a stage to the nearest fault.
pub(super) type Distances = HashMap<TemplateId, u32, NameHasher>;

/// The texts of a tenant over the graph of a stage.
pub(super) struct TenantScope<'g> {
    pub(super) base: &'g Graph,
    pub(super) names: &'g Index,
    pub(super) exported: &'g Exported,
    pub(super) tenant: &'g Tenant,
    /// The text of each template that is one of the tenant.
    pub(super) own: &'g BTreeMap<TemplateId, &'g Arc<CompiledText>>,
    pub(super) overrides: &'g Overrides,
}

impl TenantScope<'_> {
    fn is_defined(&self, id: TemplateId) -> bool {
        self.own.contains_key(&id) || self.base.defined.contains(id)
    }

    fn member(&self, id: TemplateId) -> Option<&Member> {
        match self.own.contains_key(&id) {
            true => self.overrides.placed(id).map(|placed| &placed.member),
            false => self.base.view.member(id),
        }
    }

    /// Returns the template that a template always extends in this scope.
    fn parent(&self, id: TemplateId) -> Option<(TemplateId, Span)> {
        let Some(text) = self.own.get(&id) else {
            return self.base.parent(id);
        };
        let is_newest = matches!(&***text, CompiledText::Unit { .. });
        let member = self.member(id).filter(|_| is_newest)?;
        let calls = member.unit.calls().iter();
        let (at, call) = calls.enumerate().find(|(_, call)| call.kind == CallKind::Extends)?;
        Some((*member.callees.get(at)?, call.span))
    }

    /// Returns the names that a text may mean: those of the tenant, and what is exported.
    fn visible(&self) -> impl Iterator<Item = &TemplateName> {
        let is_exported = |name: &&TemplateName| self.exported.as_ref().is_none_or(|exported| exported(name.as_str()));
        let own = self.own.keys().filter_map(|id| self.names.name(*id));
        let shared = self.base.defined.iter().filter_map(|id| self.names.name(id));
        own.chain(shared.filter(is_exported))
    }

    /// Returns the faults of the texts of the tenant, and of those of everyone that have other ones because of them.
    pub(super) fn faults(&self) -> TenantFaults {
        let mut faults = self.own_faults();
        faults.extend(self.changed_faults());
        self.add_cycles(&mut faults);
        faults
    }

    fn own_faults(&self) -> TenantFaults {
        let find = |name: &str| id_in_scope(self.exported, self.tenant, name, |name| self.names.get(name));
        let mut finder = FaultFinder {
            formatters: &self.base.formatters,
            exists: |name: &TemplateName| find(name.as_str()).is_some_and(|id| self.is_defined(id)),
            names: || self.visible(),
            suggestions: SuggestionCache::default(),
        };
        let mut faults = TenantFaults::new();
        for (id, text) in self.own {
            let Some(name) = self.names.name(*id) else { continue };
            let found = match &***text {
                CompiledText::Broken { diagnostics, .. } => faults_of_broken(name, diagnostics),
                CompiledText::Unit { unit, .. } => finder.faults_of_unit(name, &**unit),
            };
            if !found.is_empty() {
                faults.insert(*id, Some(found));
            }
        }
        faults
    }

    /// Returns the faults of texts of everyone that call a template that only the tenant has.
    fn changed_faults(&self) -> TenantFaults {
        let mut finder = FaultFinder {
            formatters: &self.base.formatters,
            exists: |name: &TemplateName| self.names.get(name.as_str()).is_some_and(|id| self.is_defined(id)),
            names: || self.visible(),
            suggestions: SuggestionCache::default(),
        };
        let added = self.own.keys().filter(|id| !self.base.defined.contains(**id));
        let callers: BTreeSet<TemplateId> = added.flat_map(|id| self.base.callers.of(*id)).collect();
        let mut faults = TenantFaults::new();
        for id in callers {
            let base = self.base;
            let is_broken = matches!(base.text(id).map(|text| &**text), Some(CompiledText::Broken { .. }));
            if self.own.contains_key(&id) || !base.faults.has(id) || is_broken || base.violating.contains(id) {
                continue;
            }
            let (Some(name), Some(member)) = (self.names.name(id), base.view.member(id)) else {
                continue;
            };
            let found = finder.faults_of_unit(name, &*member.unit);
            faults.insert(id, Some(found).filter(|found| !found.is_empty()));
        }
        faults
    }

    /// Adds the faults of templates that extend themselves in this scope, and takes away those of templates that do so only elsewhere.
    fn add_cycles(&self, faults: &mut TenantFaults) {
        let starts: Vec<TemplateId> = self.own.keys().copied().chain(self.base.cycles.iter()).collect();
        let here: IdSet = cycles(&starts, |id| self.parent(id).map(|(parent, _)| parent))
            .into_iter()
            .collect();
        for id in self.base.cycles.iter() {
            let is_own = self.own.contains_key(&id);
            if !is_own && !here.contains(id) && !self.base.calls_absent(id) {
                faults.entry(id).or_insert(None);
            }
        }
        for id in here.iter() {
            let is_known = faults.get(&id).is_some_and(Option::is_some);
            let is_of_everyone = !self.own.contains_key(&id)
                && !faults.contains_key(&id)
                && self.base.faults.has(id)
                && !self.base.cycles.contains(id);
            if is_known || is_of_everyone {
                continue;
            }
            let (Some(name), Some(member)) = (self.names.name(id), self.member(id)) else {
                continue;
            };
            let name_of = |id| self.names.name(id);
            let fault = cycle_fault((id, name, member.unit.text()), |id| self.parent(id), name_of);
            faults.insert(id, fault.map(|fault| Arc::from([fault])));
        }
    }

    /// Returns true if the bad templates are certainly those of the stage, at the cost of the tenant's own texts. `distances` are those of the
    /// bad templates of the stage from the nearest fault.
    ///
    /// By induction over the distance, everything that is bad in the stage is bad here, if each text of the tenant in place of a bad one is at
    /// fault itself or calls a bad one that is nearer; and nothing else is, if no other text of the tenant is at fault or calls a bad one.
    fn has_bad_of_stage(&self, faults: &TenantFaults, distances: &Distances) -> bool {
        if faults.keys().any(|id| !self.own.contains_key(id)) {
            return false;
        }
        self.own.keys().all(|id| {
            let is_at_fault = faults.contains_key(id);
            let member = self.member(*id).into_iter();
            let mut bad_targets = member.flat_map(targets).filter_map(|target| distances.get(&target));
            match distances.get(id) {
                Some(distance) => is_at_fault || bad_targets.any(|target| target < distance),
                None => !is_at_fault && bad_targets.next().is_none(),
            }
        })
    }

    /// Returns the templates that have a fault in this scope or reach one; `None` if they are those of the stage. `distances` are those of
    /// [`Graph::distances`].
    pub(super) fn bad(&self, faults: &TenantFaults, distances: &Distances) -> Option<IdSet> {
        if self.has_bad_of_stage(faults, distances) {
            return None;
        }
        let of_everyone = self.base.faults.texts();
        let of_everyone = of_everyone.filter(|id| !self.own.contains_key(id) && !faults.contains_key(id));
        let at_fault = faults.iter().filter(|(_, faults)| faults.is_some()).map(|(id, _)| *id);
        let mut found: Vec<TemplateId> = of_everyone.chain(at_fault).collect();
        let mut bad: IdSet = found.iter().copied().collect();
        if !found.is_empty() {
            let mut callers: HashMap<TemplateId, Vec<TemplateId>, NameHasher> = HashMap::default();
            for (id, placed) in self.overrides.iter() {
                targets(&placed.member).for_each(|target| callers.entry(target).or_default().push(id));
            }
            // A breadth-first search over reverse edges, as that of the stage.
            let mut at = 0;
            while let Some(id) = found.get(at).copied() {
                at += 1;
                let of_everyone = self.base.callers.of(id).filter(|caller| !self.own.contains_key(caller));
                let own = callers.get(&id).into_iter().flatten().copied();
                found.extend(of_everyone.chain(own).filter(|caller| bad.insert(*caller)));
            }
        }
        (bad != self.base.bad).then_some(bad)
    }
}

impl Graph {
    /// Returns for each bad template the number of steps to the nearest fault: a breadth-first search over reverse edges.
    pub(super) fn distances(&self) -> Distances {
        let mut distances = Distances::default();
        if self.bad.is_empty() {
            return distances;
        }
        let mut level: Vec<TemplateId> = self.faults.texts().collect();
        level.iter().for_each(|id| _ = distances.insert(*id, 0));
        for distance in 1.. {
            let callers = level.iter().flat_map(|id| self.callers.of(*id));
            let next: Vec<TemplateId> = callers
                .filter(|caller| match distances.contains_key(caller) {
                    true => false,
                    false => distances.insert(*caller, distance).is_none(),
                })
                .collect();
            if next.is_empty() {
                break;
            }
            level = next;
        }
        distances
    }

    /// Returns true if a text calls a template that does not exist.
    fn calls_absent(&self, id: TemplateId) -> bool {
        let member = self.view.member(id).into_iter();
        let mut calls = member.flat_map(|member| member.unit.calls().iter().zip(&member.callees));
        calls.any(|(call, callee)| call.kind != CallKind::Optional && !self.defined.contains(*callee))
    }
}
