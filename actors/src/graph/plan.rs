//! [`Graph`]: applies a batch of compiled texts, and returns the effect as a [`Plan`].
//!
//! The update is incremental: a batch costs what it changes and, if something breaks or recovers, its dependents.
//!
//! 1. The texts of the batch replace those of their loader. Of several loaders that have a name, the first one provides the text.
//! 2. Names whose text changed are inspected for faults, and so are the callers of names that were added or removed: their calls may have
//!    become unknown, or known. Templates that extend themselves, directly or through others, are at fault, each of the cycle.
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
use super::hold::Hold;
use super::impact::Impact;
use super::tenants::Tenants;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, Formatter, FormatterError, Formatters, Member, Members, TemplateId, Unit};
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::plan::Plan;
use crate::snapshot::index::Index;
use crate::snapshot::scopes::LATER_STAGES;
use crate::snapshot::view::{PlacedMember, View};
use crate::snapshot::{BrokenText, BrokenTexts, Chunks, Content, Faults, IdSet, NameHasher, NewestTexts, TextFaults};
use crate::template::{Digest, Layer, TemplateKey, TemplateName};
use crate::version::LoaderId;

/// The texts of all loaders, the calls between them, and the bad templates. A clone shares all memory, so a caller applies a batch to a
/// clone and keeps the clone only if the plan is accepted.
///
/// Names become ids when a batch arrives, and everything else is by id. The view is the one that the plan hands to the Registry, so the
/// calls of a template are those of its member and are not kept twice.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(super) formatters: Arc<Formatters>,
    pub(super) companions: Companions,
    pub(super) names: Index,
    /// The texts of each loader, in the order of precedence.
    pub(super) loaders: LoaderTexts,
    /// The templates of which some loader has a text.
    pub(super) defined: Arc<IdSet>,
    /// The newest text that compiled, of each template that is defined. Its edges count also while a newer text does not compile.
    pub(super) view: Arc<View>,
    pub(super) callers: CallerIndex,
    /// The faults of each text by itself.
    pub(super) faults: Faults,
    /// The templates that extend themselves, directly or through others.
    pub(super) cycles: IdSet,
    /// The newest texts that did not compile, which the view does not have.
    pub(super) broken: BrokenTexts,
    pub(super) bad: IdSet,
    /// The templates that an operator rolled back. Their texts are in effect in place of those of the loaders.
    pub(super) hold: Hold,
    /// The entries that break their contract. Their faults are among `faults`.
    pub(super) violating: IdSet,
    /// The warnings about the contract of each entry, and about required templates.
    pub(super) warned: Chunks<Arc<[Diagnostic]>>,
    pub(super) warned_of_required: Arc<[Diagnostic]>,
    /// The templates of which a later stage has a text of its own.
    pub(super) own: IdSet,
    /// The graphs of the later stages. Each has the texts of everyone below its own; one that has none is that of stable.
    pub(super) stages: [Option<Arc<Graph>>; LATER_STAGES],
    /// The tenants, whose texts lie over those of each stage.
    pub(super) tenants: Tenants,
    /// The effect of changes on tenants, as far as they are not decided again yet.
    pub(super) impact: Impact,
}

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

/// The texts of each loader, in the order of precedence.
pub(super) type LoaderTexts = BTreeMap<(LayerRank, LoaderId), Chunks<Arc<CompiledText>>>;

/// A template of which a batch has news: its text before the batch.
pub(super) type Touched = (TemplateId, Option<Arc<CompiledText>>);

impl Graph {
    /// Creates a graph without templates.
    #[must_use]
    pub fn new(formatters: &Formatters, companions: Companions) -> Self {
        Self {
            formatters: Arc::new(formatters.clone()),
            companions,
            names: Index::default(),
            loaders: LoaderTexts::new(),
            defined: Arc::default(),
            view: Arc::default(),
            callers: CallerIndex::default(),
            faults: Faults::default(),
            cycles: IdSet::default(),
            broken: BrokenTexts::default(),
            bad: IdSet::default(),
            hold: Hold::default(),
            violating: IdSet::default(),
            warned: Chunks::default(),
            warned_of_required: Arc::new([]),
            own: IdSet::default(),
            stages: [const { None }; LATER_STAGES],
            tenants: Tenants::default(),
            impact: Impact::default(),
        }
    }

    /// Returns a graph with the same names and ids, and without templates.
    pub(crate) fn without_texts(&self) -> Self {
        Self {
            formatters: Arc::clone(&self.formatters),
            names: self.names.clone(),
            ..Self::new(&Formatters::default(), self.companions.clone())
        }
    }

    /// Returns this graph with more names. `names` continue those that it has.
    pub(crate) fn with_names(&self, names: Index) -> Self {
        Self { names, ..self.clone() }
    }

    /// Applies a batch and returns its effect.
    ///
    /// Texts that were good, are good and call nothing bad cost only themselves. A name that is added or removed costs its callers as well.
    /// All other changes cost their dependents.
    pub fn apply(&mut self, batch: &CompiledBatch) -> Plan {
        let shared = |key: &TemplateKey| key.layer == Layer::SHARED_STABLE;
        let is_plain = batch.texts.iter().all(|(key, _)| shared(key)) && batch.removed.iter().all(shared);
        if !is_plain || self.has_scopes() {
            return self.apply_to_layers(batch);
        }
        let reviewed = self.apply_to_stage(&LayerBatch {
            rank: LayerRank::Stable,
            loader: batch.revision.loader,
            complete: batch.complete,
            texts: batch.texts.iter().map(|(key, text)| (&key.name, text)).collect(),
            removed: batch.removed.iter().map(|key| &key.name).collect(),
        });
        self.reviewed(reviewed)
    }

    /// Applies the texts of one layer, and returns the templates whose status was decided again.
    pub(super) fn apply_to_stage(&mut self, batch: &LayerBatch<'_>) -> IdSet {
        let touched = self.merge_texts(batch);
        if !self.hold.is_empty() {
            touched.iter().for_each(|(id, _)| self.lift_if_changed(*id));
        }
        self.plan(touched)
    }

    /// Updates everything that follows from the texts of some templates, and returns the templates whose status was decided again.
    pub(super) fn plan(&mut self, touched: Vec<Touched>) -> IdSet {
        let mut inspected = OrderedIds::default();
        for (id, before) in touched {
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
            self.note_change(id, is_added_or_removed);
            if is_added_or_removed {
                self.callers.of(id).for_each(|caller| inspected.push(caller));
            }
        }
        self.inspect_cycles(&mut inspected);
        // Some of the callers may have been removed by the same batch.
        let mut inspected = inspected.ids;
        inspected.retain(|id| self.defined.contains(*id));
        self.inspect(&inspected);

        // Step 3 of the module documentation. For most edits `uncertain` is empty, and so is the region.
        let mut uncertain = inspected;
        uncertain.retain(|id| !self.is_certainly_good(*id));
        match uncertain.is_empty() {
            true => IdSet::default(),
            false => self.decide(uncertain),
        }
    }

    /// Returns the plan of the present texts. `reviewed` are the templates that may be bad for a new reason.
    pub(crate) fn reviewed(&mut self, reviewed: IdSet) -> Plan {
        let news = self.decide_scopes();
        Plan {
            newest: self.newest(),
            scopes: self.newest_scopes(),
            names: self.names.clone(),
            reviewed,
            news,
        }
    }

    /// Returns the newest texts of this stage.
    pub(super) fn newest(&mut self) -> NewestTexts {
        if !self.view.is_of(&self.names, &self.bad) {
            Arc::make_mut(&mut self.view).describe(&self.names, &self.bad);
        }
        NewestTexts {
            view: Arc::clone(&self.view),
            bad: self.bad.clone(),
            faults: self.faults.clone(),
            broken: self.broken.clone(),
            violating: self.violating.clone(),
            len: self.defined.len(),
            own: self.own.clone(),
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
        loaders.find_map(|((_, loader), texts)| Some((*loader, &**texts.get(id)?)))
    }

    /// Returns the name of a template.
    pub(crate) fn name(&self, id: TemplateId) -> Option<&TemplateName> {
        self.names.name(id)
    }

    /// Returns the faults of a text by itself.
    pub(crate) fn faults_of(&self, name: &TemplateName) -> Option<Arc<[Diagnostic]>> {
        self.faults.of(self.names.get(name.as_str())?, &self.view)
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

    /// Returns the texts of each loader, in the order of precedence.
    pub(crate) fn texts(
        &self,
    ) -> impl Iterator<Item = (LoaderId, impl Iterator<Item = (&TemplateName, &CompiledText)>)> {
        self.loaders.iter().map(|((_, loader), texts)| {
            let texts = texts.iter();
            let texts = texts.filter_map(|(id, text)| Some((self.names.name(id)?, &**text)));
            (*loader, texts)
        })
    }

    /// Returns a view of texts that are not those of any loader: the closures of templates that are stale. Texts that do not compile are left
    /// out.
    pub(crate) fn view_of(&mut self, texts: &[(TemplateKey, CompiledText)]) -> View {
        let mut view = View::default();
        for (key, text) in texts {
            if let CompiledText::Unit { digest, unit } = text {
                let id = self.names.id_of(&key.name);
                let member = self.member(key.name.clone(), *digest, unit);
                view.set(id, Some(Arc::new(PlacedMember::new(member))));
            }
        }
        view
    }

    /// Returns the id of a name.
    pub(super) fn id_of(&mut self, name: &TemplateName) -> TemplateId {
        self.names.id_of(name)
    }

    /// Returns the newest texts that did not compile.
    pub(super) fn broken(&self) -> impl Iterator<Item = (TemplateId, &Arc<BrokenText>)> {
        self.broken.iter()
    }

    /// Returns the text of a template that is in effect: the held one, or that of its source.
    pub(super) fn text(&self, id: TemplateId) -> Option<&Arc<CompiledText>> {
        effective_text(&self.hold, &self.loaders, id)
    }

    /// Returns the text of a template from the first loader that has one, whether it is held or not.
    pub(super) fn source_text(&self, id: TemplateId) -> Option<&Arc<CompiledText>> {
        self.loaders.values().find_map(|texts| texts.get(id))
    }

    /// Returns the templates whose text in effect is not that of a version.
    pub(super) fn differences(&self, version: &Content) -> IdSet {
        let compiled = self.view.differences(&version.view);
        let broken = self.broken.differences(&version.broken, Arc::ptr_eq);
        compiled.into_iter().chain(broken).collect()
    }

    /// Restores the calls of one template as they are in a version, and whether it is defined.
    pub(super) fn restore(&mut self, id: TemplateId, version: &Content, is_defined: bool) {
        self.callers.replace(id, self.view.member(id), version.view.member(id));
        let defined = Arc::make_mut(&mut self.defined);
        match is_defined {
            true => _ = defined.insert(id),
            false => _ = defined.remove(id),
        }
    }

    /// Restores everything that a version keeps of all templates. Call it after [`restore`](Self::restore).
    pub(super) fn restore_content(&mut self, version: &Content) {
        self.view = Arc::clone(&version.view);
        self.faults = version.faults.clone();
        self.broken = version.broken.clone();
        self.bad = version.stale().bad().clone();
        self.violating = version.violating.clone();
        // Any of the texts that are in effect now may differ from that before.
        let every: Vec<TemplateId> = self.defined.iter().collect();
        let found = self.cycles_from(&every);
        self.cycles = found.into_iter().collect();
    }

    /// Replaces the texts of a loader, and returns the templates that the batch mentions, each once.
    fn merge_texts(&mut self, batch: &LayerBatch<'_>) -> Vec<Touched> {
        let loader = (batch.rank, batch.loader);
        let texts = self.loaders.remove(&loader).unwrap_or_default();
        let given = batch.texts.iter();
        let given = given.map(|(name, text)| (self.names.id_of(name), *text));
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
        if !self.defined.contains(id) {
            Arc::make_mut(&mut self.defined).insert(id);
            self.faults.forget_absent(id);
        }
        let CompiledText::Unit { digest, unit } = text else {
            self.broken.set(id, text.broken().map(Arc::new));
            return;
        };
        if self.broken.get(id).is_some() {
            self.broken.set(id, None);
        }
        let before = self.view.shared(id);
        // A text that is back after one that did not compile.
        if before.as_ref().is_some_and(|before| before.member.digest == *digest) {
            return;
        }
        let Some(name) = self.names.name(id).cloned() else {
            return;
        };
        let member = self.member(name, *digest, unit);
        self.replace_edges(id, before.as_ref().map(|before| &before.member), Some(&member));
        Arc::make_mut(&mut self.view).set(id, Some(Arc::new(PlacedMember::new(member))));
    }

    /// Returns a unit under a name, with its calls and formatters resolved.
    fn member(&mut self, name: TemplateName, digest: Digest, unit: &Arc<dyn Unit>) -> Member {
        let names = &mut self.names;
        resolve(name, digest, unit, &self.formatters, &self.companions, |name| {
            names.id_of(name)
        })
    }

    /// Replaces the edges of a template, and forgets the absent templates that nothing calls any more.
    fn replace_edges(&mut self, id: TemplateId, before: Option<&Member>, after: Option<&Member>) {
        self.callers.replace(id, before, after);
        for target in before.into_iter().flat_map(targets) {
            if self.callers.of(target).next().is_none() {
                self.faults.forget_absent(target);
            }
        }
    }

    /// Removes a template of which no loader has a text.
    fn remove(&mut self, id: TemplateId) {
        Arc::make_mut(&mut self.defined).remove(id);
        self.bad.remove(id);
        self.violating.remove(id);
        self.warned.set(id, None);
        self.faults.clear(id);
        self.broken.set(id, None);
        if let Some(before) = self.view.shared(id) {
            self.replace_edges(id, Some(&before.member), None);
            Arc::make_mut(&mut self.view).set(id, None);
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
            self.faults.set(id, TextFaults::Listed(faults.unwrap_or_default()));
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
        self.faults.of(id, &self.view)?.first().cloned()
    }

    /// Returns true if a template is certainly good: it was not bad, has no fault, and calls nothing bad.
    fn is_certainly_good(&self, id: TemplateId) -> bool {
        let is_faultless = !self.faults.has(id);
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
        sources.retain(|id| self.faults.has(*id) || leads_out(*id));
        // The region contains everything that reaches one of its templates, and so does the search.
        let (_, bad) = self.callers.backwards(sources);
        self.bad = outside.or(&bad);
        self.note_decided(&all);
        all
    }
}

/// Returns a unit under a name, with its calls and formatters resolved. `id_of` returns the id of a name as the text means it.
pub(super) fn resolve(
    name: TemplateName,
    digest: Digest,
    unit: &Arc<dyn Unit>,
    formatters: &Formatters,
    companions: &Companions,
    mut id_of: impl FnMut(&TemplateName) -> TemplateId,
) -> Member {
    let mut companion_ids = OrderedIds::default();
    for companion in companions.of(&name).iter().filter(|companion| **companion != name) {
        companion_ids.push(id_of(companion));
    }
    let formatters = unit.formatters().iter().map(|used| match formatters.get(&used.name) {
        Some(formatter) => formatter.clone(),
        None => missing_formatter(),
    });
    Member {
        digest,
        formatters: formatters.collect(),
        callees: unit.calls().iter().map(|call| id_of(&call.name)).collect(),
        companions: companion_ids.ids.into_boxed_slice(),
        unit: Arc::clone(unit),
        name,
    }
}

/// Returns the text of a template that is in effect. A function of some fields, so that others can be written meanwhile.
pub(super) fn effective_text<'g>(
    hold: &'g Hold,
    loaders: &'g LoaderTexts,
    id: TemplateId,
) -> Option<&'g Arc<CompiledText>> {
    // Usually nothing is held.
    match hold.get(&id) {
        Some(held) => held.served.as_ref(),
        None => loaders.values().find_map(|texts| texts.get(id)),
    }
}

/// Returns a placeholder for a formatter that is not registered. A template with one is bad and never rendered.
fn missing_formatter() -> Formatter {
    Formatter::new(|_, _| Err(FormatterError::new("there is no such formatter")))
}

/// A set of ids in the order of insertion. Templates that are inserted together usually lie close together in memory.
#[derive(Default)]
pub(super) struct OrderedIds {
    pub(super) ids: Vec<TemplateId>,
    seen: IdSet,
}

impl OrderedIds {
    pub(super) fn push(&mut self, id: TemplateId) {
        if self.seen.insert(id) {
            self.ids.push(id);
        }
    }
}
