//! [`Graph`]: applies a batch of compiled texts, and returns the effect as a [`Plan`].
//!
//! The update is incremental: a batch costs what it changes and, if something breaks or recovers, its dependents.
//!
//! 1. The texts of the batch replace those of their loader. Of several loaders that have a name, the first one provides the text.
//! 2. Names whose text changed are inspected for faults, and so are the callers of names that were added or removed: their calls may have
//!    become unknown, or known.
//! 3. A template that was good, has no fault and leads to nothing bad stays good. The others, with everything that reaches them over
//!    reverse edges, are the region whose status may change; all other templates keep theirs.
//! 4. In the region a template is bad if it has a fault or if one of its callees or companions is bad. This is the *least* fixpoint of that
//!    rule: a cycle of calls without a fault is good, although each of its members could be called bad because of the others. It is what
//!    a search reaches that starts at the faults and follows reverse edges, so cycles need no special treatment. The cost is linear in
//!    the templates and edges of the region.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::callers::{CallerIndex, targets};
use super::companions::Companions;
use super::faults::{FaultFinder, SuggestionCache};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, Formatter, FormatterError, Formatters, Member, Members, TemplateId};
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::plan::Plan;
use crate::snapshot::index::Index;
use crate::snapshot::view::{PlacedMember, View};
use crate::snapshot::{Chunks, Faults, IdSet, NameHasher, NewestTexts, are_same_faults};
use crate::template::TemplateName;
use crate::version::LoaderId;

/// The texts of all loaders, the calls between them, and the bad templates. A clone shares all memory, so a caller applies a batch to a
/// clone and keeps the clone only if the plan is accepted.
///
/// Names become ids when a batch arrives, and everything else is by id. The view is the one that the plan hands to the Registry, so the
/// calls of a template are those of its member and are not kept twice.
#[derive(Debug, Clone)]
pub struct Graph {
    formatters: Arc<Formatters>,
    companions: Companions,
    names: Index,
    /// The texts of each loader, in the order of precedence.
    loaders: BTreeMap<LoaderId, Chunks<Arc<CompiledText>>>,
    /// The templates of which some loader has a text.
    defined: IdSet,
    /// The newest text that compiled, of each template that is defined. Its edges count also while a newer text does not compile.
    view: Arc<View>,
    callers: CallerIndex,
    /// The faults of each text by itself.
    faults: Faults,
    bad: IdSet,
    /// The entries that break their contract. Their faults are among `faults`.
    violating: IdSet,
    /// The warnings about the contract of each entry, and about required templates.
    warned: Faults,
    warned_of_required: Arc<[Diagnostic]>,
}

/// A template of which a batch has news: its text before the batch.
type Touched = (TemplateId, Option<Arc<CompiledText>>);

impl Graph {
    /// Creates a graph without templates.
    #[must_use]
    pub fn new(formatters: &Formatters, companions: Companions) -> Self {
        Self {
            formatters: Arc::new(formatters.clone()),
            companions,
            names: Index::default(),
            loaders: BTreeMap::new(),
            defined: IdSet::default(),
            view: Arc::default(),
            callers: CallerIndex::default(),
            faults: Faults::default(),
            bad: IdSet::default(),
            violating: IdSet::default(),
            warned: Faults::default(),
            warned_of_required: Arc::new([]),
        }
    }

    /// Applies a batch and returns its effect.
    ///
    /// Texts that were good, are good and call nothing bad cost only themselves. A name that is added or removed costs its callers as well.
    /// All other changes cost their dependents.
    pub fn apply(&mut self, batch: &CompiledBatch) -> Plan {
        let mut inspected = OrderedIds::default();
        for (id, before) in self.merge_texts(batch) {
            let text = self.text(id).cloned();
            let is_added_or_removed = before.is_some() != text.is_some();
            match (before, text) {
                (Some(before), Some(text)) if before.is_the_same_as(&text) => continue,
                (_, Some(text)) => {
                    self.place(id, &text);
                    inspected.push(id);
                }
                (Some(_), None) => self.remove(id),
                (None, None) => continue,
            }
            if is_added_or_removed {
                self.callers.of(id).for_each(|caller| inspected.push(caller));
            }
        }
        // Some of the callers may have been removed by the same batch.
        let mut inspected = inspected.ids;
        inspected.retain(|id| self.defined.contains(*id));
        self.inspect(&inspected);

        // Step 3 of the module documentation. For most edits `uncertain` is empty, and so is the region.
        let mut uncertain = inspected;
        uncertain.retain(|id| !self.is_certainly_good(*id));
        let reviewed = match uncertain.is_empty() {
            true => IdSet::default(),
            false => self.decide(uncertain),
        };
        self.plan(reviewed)
    }

    /// Returns the plan of the present texts. `reviewed` are the templates that may be bad for a new reason.
    pub(crate) fn plan(&self, reviewed: IdSet) -> Plan {
        Plan {
            names: self.names.clone(),
            newest: NewestTexts {
                view: Arc::clone(&self.view),
                bad: self.bad.clone(),
                faults: self.faults.clone(),
                len: self.defined.len(),
            },
            reviewed,
        }
    }

    /// Returns every template that reaches a name by calls or companions, nearest first: those that a change of the name may affect.
    #[must_use]
    pub fn dependents(&self, name: &TemplateName) -> Vec<TemplateName> {
        let Some(id) = self.names.get(name.as_str()) else {
            return Vec::new();
        };
        let (dependents, _) = self.callers.backwards(vec![id]);
        let names = dependents[1..].iter().filter_map(|id| self.names.name(*id));
        names.cloned().collect()
    }

    /// Returns templates and all that reach them by calls or companions.
    pub(crate) fn reached_from(&self, names: impl IntoIterator<Item = TemplateName>) -> IdSet {
        let ids = names.into_iter().filter_map(|name| self.names.get(name.as_str()));
        self.callers.backwards(ids.collect()).1
    }

    /// Returns the loader whose text a name has, and that text.
    pub(crate) fn provider(&self, name: &TemplateName) -> Option<(LoaderId, &CompiledText)> {
        let id = self.names.get(name.as_str())?;
        let mut loaders = self.loaders.iter();
        loaders.find_map(|(loader, texts)| Some((*loader, &**texts.get(id)?)))
    }

    /// Returns the name of a template.
    pub(crate) fn name(&self, id: TemplateId) -> Option<&TemplateName> {
        self.names.name(id)
    }

    /// Returns the faults of a text by itself.
    pub(crate) fn faults_of(&self, name: &TemplateName) -> Option<&Arc<[Diagnostic]>> {
        self.faults.get(self.names.get(name.as_str())?)
    }

    /// Returns every call as (caller, callee, true if the callee is defined), each pair once.
    pub fn edges(&self) -> impl Iterator<Item = (&TemplateName, &TemplateName, bool)> {
        let members = self.defined.iter().filter_map(|id| self.view.member(id));
        members.flat_map(|caller| {
            let mut seen: HashSet<TemplateId, NameHasher> = HashSet::default();
            let callees = caller.callees.iter().filter(move |callee| seen.insert(**callee));
            callees.filter_map(|callee| {
                let name = self.names.name(*callee)?;
                Some((&caller.name, name, self.defined.contains(*callee)))
            })
        })
    }

    /// Returns every name that is defined.
    pub fn names(&self) -> impl Iterator<Item = &TemplateName> {
        self.defined.iter().filter_map(|id| self.names.name(id))
    }

    /// Returns the text of a template, from the first loader that has one.
    fn text(&self, id: TemplateId) -> Option<&Arc<CompiledText>> {
        self.loaders.values().find_map(|texts| texts.get(id))
    }

    /// Replaces the texts of a loader, and returns the templates that the batch mentions, each once.
    fn merge_texts(&mut self, batch: &CompiledBatch) -> Vec<Touched> {
        let loader = batch.revision.loader;
        let texts = self.loaders.remove(&loader).unwrap_or_default();
        let given = batch.texts.iter().map(|(name, text)| (self.names.id_of(name), text));
        let given: Vec<(TemplateId, &CompiledText)> = given.collect();
        let mut named = OrderedIds::default();
        given.iter().for_each(|(id, _)| named.push(*id));
        let mut removed = OrderedIds::default();
        let mut remove = |id: TemplateId| {
            if !named.seen.contains(id) && texts.get(id).is_some() {
                removed.push(id);
            }
        };
        match batch.complete {
            true => texts.iter().for_each(|(id, _)| remove(id)),
            false => {
                let ids = batch.removed.iter().filter_map(|name| self.names.get(name.as_str()));
                ids.for_each(remove);
            }
        }
        self.loaders.insert(loader, texts);
        // The loaders still have all texts from before.
        let touched = removed
            .ids
            .iter()
            .chain(&named.ids)
            .map(|id| (*id, self.text(*id).cloned()));
        let touched: Vec<Touched> = touched.collect();
        let texts = self.loaders.entry(loader).or_default();
        removed.ids.iter().for_each(|id| texts.set(*id, None));
        for (id, text) in given {
            texts.set(id, Some(Arc::new(text.clone())));
        }
        touched
    }

    /// Sets the text of a template. One that does not compile leaves the view as it is.
    fn place(&mut self, id: TemplateId, text: &CompiledText) {
        self.defined.insert(id);
        let CompiledText::Unit { digest, unit } = text else {
            return;
        };
        let before = self.view.shared(id);
        // A text that is back after one that did not compile.
        if before.as_ref().is_some_and(|before| before.member.digest == *digest) {
            return;
        }
        let Some(name) = self.names.name(id).cloned() else {
            return;
        };
        let mut companions = OrderedIds::default();
        for companion in self.companions.of(&name).iter().filter(|companion| **companion != name) {
            companions.push(self.names.id_of(companion));
        }
        let formatters = unit
            .formatters()
            .iter()
            .map(|used| match self.formatters.get(&used.name) {
                Some(formatter) => formatter.clone(),
                None => missing_formatter(),
            });
        let member = Member {
            digest: *digest,
            formatters: formatters.collect(),
            callees: unit.calls().iter().map(|call| self.names.id_of(&call.name)).collect(),
            companions: companions.ids.into_boxed_slice(),
            unit: Arc::clone(unit),
            name,
        };
        self.callers
            .replace(id, before.as_ref().map(|before| &before.member), Some(&member));
        Arc::make_mut(&mut self.view).set(id, Some(Arc::new(PlacedMember::new(member))));
    }

    /// Removes a template of which no loader has a text.
    fn remove(&mut self, id: TemplateId) {
        self.defined.remove(id);
        self.bad.remove(id);
        self.violating.remove(id);
        self.warned.set(id, None);
        self.faults.set(id, None);
        if let Some(before) = self.view.shared(id) {
            self.callers.replace(id, Some(&before.member), None);
            Arc::make_mut(&mut self.view).set(id, None);
        }
    }

    /// Updates the faults of some templates.
    fn inspect(&mut self, ids: &[TemplateId]) {
        let (names, defined) = (&self.names, &self.defined);
        let exists = |name: &TemplateName| names.get(name.as_str()).is_some_and(|id| defined.contains(id));
        let mut finder = FaultFinder {
            formatters: &self.formatters,
            exists,
            names: || defined.iter().filter_map(|id| names.name(id)),
            suggestions: SuggestionCache::default(),
        };
        for id in ids {
            let (Some(name), Some(text)) = (names.name(*id), self.loaders.values().find_map(|texts| texts.get(*id)))
            else {
                continue;
            };
            let faults = finder.faults(name, text);
            // Whether it breaks its contract is decided again.
            self.violating.remove(*id);
            // Usually there are no faults, and there were none before either.
            match self.faults.get(*id) {
                Some(before) if are_same_faults(before, &faults) => {}
                None if faults.is_empty() => {}
                _ => self.faults.set(*id, Some(faults).filter(|faults| !faults.is_empty())),
            }
        }
    }

    /// Gives entries the faults of their contract, or takes them away. Returns the templates whose status was decided again.
    pub(super) fn set_violations(
        &mut self,
        violations: impl Iterator<Item = (TemplateId, Option<Arc<[Diagnostic]>>)>,
    ) -> IdSet {
        let mut uncertain = Vec::new();
        for (id, faults) in violations {
            match faults.is_some() {
                true => _ = self.violating.insert(id),
                false => _ = self.violating.remove(id),
            }
            self.faults.set(id, faults);
            uncertain.push(id);
        }
        match uncertain.is_empty() {
            true => IdSet::default(),
            false => self.decide(uncertain),
        }
    }

    pub(super) fn violating(&self) -> &IdSet {
        &self.violating
    }

    /// Sets the warnings about the contract of an entry.
    pub(super) fn warn(&mut self, id: TemplateId, warnings: Vec<Diagnostic>) {
        self.warned.set(id, (!warnings.is_empty()).then(|| warnings.into()));
    }

    /// Sets the warnings about required templates.
    pub(super) fn warn_of_required(&mut self, warnings: Vec<Diagnostic>) {
        self.warned_of_required = warnings.into();
    }

    /// Returns the warnings about the contract.
    pub(crate) fn contract_warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        let of_entries = self.warned.iter().flat_map(|(_, warnings)| warnings.iter());
        self.warned_of_required.iter().chain(of_entries)
    }

    pub(super) fn is_good(&self, id: TemplateId) -> bool {
        self.defined.contains(id) && !self.bad.contains(id)
    }

    pub(super) fn defined_ids(&self) -> &IdSet {
        &self.defined
    }

    pub(super) fn index(&self) -> &Index {
        &self.names
    }

    pub(super) fn id(&self, name: &TemplateName) -> Option<TemplateId> {
        self.names.get(name.as_str())
    }

    /// Returns the closure of the newest text of a template, with its name.
    pub(super) fn closure(&self, id: TemplateId) -> Option<(TemplateName, Closure<'_>)> {
        let closure = self.view.closure(id)?;
        Some((closure.top().name.clone(), closure))
    }

    /// Returns the first fault of a text by itself.
    pub(super) fn first_fault(&self, id: TemplateId) -> Option<Diagnostic> {
        self.faults.get(id)?.first().cloned()
    }

    /// Returns true if a template is certainly good: it was not bad, has no fault, and calls nothing bad.
    fn is_certainly_good(&self, id: TemplateId) -> bool {
        let is_faultless = self.faults.get(id).is_none();
        if !is_faultless || self.bad.is_empty() {
            return is_faultless;
        }
        let member = self.view.member(id).into_iter();
        !self.bad.contains(id) && !member.flat_map(targets).any(|target| self.bad.contains(target))
    }

    /// Decides which of some templates are bad, and of all that reach them. Returns all these: the region of the module documentation.
    fn decide(&mut self, uncertain: Vec<TemplateId>) -> IdSet {
        let (region, all) = self.callers.backwards(uncertain);
        let outside = self.bad.without(&all);
        // Mostly nothing else is bad. Then no text of the region has to be looked at.
        let leads_out = |id: TemplateId| {
            let member = self.view.member(id).filter(|_| !outside.is_empty()).into_iter();
            member.flat_map(targets).any(|target| outside.contains(target))
        };
        let mut sources = region;
        sources.retain(|id| self.faults.get(*id).is_some() || leads_out(*id));
        // The region contains everything that reaches one of its templates, and so does the search.
        let (_, bad) = self.callers.backwards(sources);
        self.bad = outside.or(&bad);
        all
    }
}

/// Returns a placeholder for a formatter that is not registered. A template with one is bad and never rendered.
fn missing_formatter() -> Formatter {
    Formatter::new(|_, _| Err(FormatterError::new("there is no such formatter")))
}

/// A set of ids in the order of insertion. Templates that are inserted together usually lie close together in memory.
#[derive(Default)]
struct OrderedIds {
    ids: Vec<TemplateId>,
    seen: IdSet,
}

impl OrderedIds {
    fn push(&mut self, id: TemplateId) {
        if self.seen.insert(id) {
            self.ids.push(id);
        }
    }
}
