//! [`Graph`]: applies a batch of compiled texts, and returns the effect as a [`Plan`].
//!
//! The update is incremental: a batch costs what it changes and, if something breaks or recovers, its dependents.
//!
//! 1. The texts of the batch replace those of their loader. Of several loaders that have a name, the first one provides the text.
//! 2. Names whose text changed are inspected for faults, and so are the callers of names that were added or removed: their calls may have
//!    become unknown, or known.
//! 3. A name that was good, has no fault and leads to nothing bad stays good. The others, with everything that reaches them over reverse
//!    edges, are the region whose verdicts may change. `verdicts` decides it anew; names outside keep their verdicts.
//! 4. The plan has the new texts, and the verdict of each name whose text or verdict changed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::companions::Companions;
use super::edges::{EdgeIndex, OutgoingEdges};
use super::faults::{FaultFinder, SuggestionCache};
use super::verdicts::{BadEntry, decide};
use crate::diagnostic::Diagnostic;
use crate::dialect::Formatters;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::plan::{Placement, Plan, Verdict};
use crate::snapshot::{NameHasher, NameMap};
use crate::template::TemplateName;
use crate::version::LoaderId;

/// The texts of all loaders, the calls between them, and the bad templates. A clone shares all memory, so a caller applies a batch to a
/// clone and keeps the clone only if the plan is accepted.
#[derive(Debug, Clone)]
pub struct Graph {
    formatters: Arc<BTreeSet<Box<str>>>,
    companions: Companions,
    /// The texts of each loader, in the order of precedence.
    loaders: BTreeMap<LoaderId, NameMap<Arc<CompiledText>>>,
    nodes: NameMap<GraphNode>,
    edges: EdgeIndex,
    bad: NameMap<BadEntry>,
}

/// A defined name. It is small because a change of one node copies some dozens of its neighbours in the map.
#[derive(Debug, Clone)]
struct GraphNode {
    /// The text of the first loader that has one.
    text: Arc<CompiledText>,
    /// The faults of the text by itself.
    faults: Arc<[Diagnostic]>,
}

impl Graph {
    /// Creates a graph without templates.
    #[must_use]
    pub fn new(formatters: &Formatters, companions: Companions) -> Self {
        Self {
            formatters: Arc::new(formatters.names().map(Into::into).collect()),
            companions,
            loaders: BTreeMap::new(),
            nodes: NameMap::default(),
            edges: EdgeIndex::default(),
            bad: NameMap::default(),
        }
    }

    /// Applies a batch and returns the changes.
    ///
    /// Texts that were good, are good and call nothing bad cost only themselves. A name that is added or removed costs its callers as well.
    /// All other changes cost their dependents.
    pub fn apply(&mut self, batch: CompiledBatch) -> Plan {
        let mut plan = Plan::default();
        // `placed` are the names with a new text. `inspected` are also the callers of names that were added or removed.
        let mut placed = Vec::new();
        let mut inspected = OrderedNames::default();
        for name in self.merge_texts(batch) {
            let text = self.loaders.values().find_map(|texts| texts.get(&name)).cloned();
            let before = self.nodes.get(&name).map(|node| &node.text);
            let is_added_or_removed = before.is_some() != text.is_some();
            match (before, text) {
                (Some(before), Some(text)) if before.is_the_same_as(&text) => continue,
                (_, Some(text)) => {
                    self.place(&name, Arc::clone(&text));
                    inspected.push(name.clone());
                    placed.push((name.clone(), text));
                }
                (Some(_), None) => {
                    self.nodes.remove(&name);
                    self.bad.remove(&name);
                    self.edges.set(&name, None);
                    plan.verdicts.push((name.clone(), Verdict::Gone));
                }
                (None, None) => continue,
            }
            if is_added_or_removed {
                let callers = self.edges.callers(name.as_str());
                callers.for_each(|caller| inspected.push(caller.clone()));
            }
        }
        // Some of the callers may have been removed by the same batch.
        let mut inspected = inspected.names;
        inspected.retain(|name| self.nodes.contains_key(name));
        self.inspect(&inspected);

        // Step 3 of the module documentation. For most edits `uncertain` is empty, and so is the region.
        let uncertain = inspected
            .into_iter()
            .filter(|name| !self.is_certainly_good(name))
            .collect();
        let region = self.edges.backwards(uncertain);
        let nodes = &self.nodes;
        let faults = |name: &TemplateName| {
            nodes
                .get(name)
                .map_or_else(Arc::default, |node| Arc::clone(&node.faults))
        };
        let mut decided = decide(&region, faults, &self.edges, &mut self.bad);

        // Names with a new text are part of the plan anyway.
        if !decided.is_empty() {
            let already: HashSet<&TemplateName, NameHasher> = placed.iter().map(|(name, _)| name).collect();
            decided.retain(|name| !already.contains(name));
        }
        let placements = placed.iter().filter_map(|(name, text)| self.placement(name, text));
        plan.units.extend(placements);
        let verdicts = placed.into_iter().map(|(name, _)| name).chain(decided).map(|name| {
            let verdict = self.verdict(&name);
            (name, verdict)
        });
        plan.verdicts.extend(verdicts);
        plan
    }

    /// Returns a plan of everything, for a Registry whose state does not fit the last plan.
    #[must_use]
    pub fn whole(&self) -> Plan {
        Plan {
            whole: true,
            units: self
                .nodes
                .iter()
                .filter_map(|(name, node)| self.placement(name, &node.text))
                .collect(),
            verdicts: self
                .nodes
                .keys()
                .map(|name| (name.clone(), self.verdict(name)))
                .collect(),
        }
    }

    /// Returns every template that reaches a name by calls or companions, nearest first: those that a change of the name may affect.
    #[must_use]
    pub fn dependents(&self, name: &TemplateName) -> Vec<TemplateName> {
        self.edges.backwards(vec![name.clone()]).split_off(1)
    }

    /// Returns every call as (caller, callee, true if the callee is defined), each pair once.
    pub fn edges(&self) -> impl Iterator<Item = (&TemplateName, &TemplateName, bool)> {
        self.edges.iter().flat_map(move |(caller, links)| {
            let callees = links.calls.iter().map(|call| &call.name);
            callees.map(move |callee| (caller, callee, self.nodes.contains_key(callee)))
        })
    }

    /// Returns every name that is defined.
    pub fn names(&self) -> impl Iterator<Item = &TemplateName> {
        self.nodes.keys()
    }

    /// Replaces the texts of a loader, and returns the names that the batch mentions.
    fn merge_texts(&mut self, batch: CompiledBatch) -> Vec<TemplateName> {
        let texts = self.loaders.entry(batch.revision.loader).or_default();
        let mut named = OrderedNames::default();
        batch.texts.iter().for_each(|(name, _)| named.push(name.clone()));
        let mut removed = batch.removed;
        if batch.complete {
            removed = texts.keys().cloned().collect();
        }
        removed.retain(|name| !named.seen.contains(name) && texts.remove(name).is_some());
        for (name, text) in batch.texts {
            texts.insert(name, Arc::new(text));
        }
        removed.extend(named.names);
        removed
    }

    /// Sets the text of a name. A text that does not compile keeps the edges of the last one that did.
    fn place(&mut self, name: &TemplateName, text: Arc<CompiledText>) {
        match &*text {
            CompiledText::Unit { unit, .. } => {
                let links = OutgoingEdges::new(name, unit.calls(), &self.companions.of(name));
                self.edges.set(name, Some(links));
            }
            CompiledText::Broken { .. } if self.edges.links(name.as_str()).is_none() => {
                let links = OutgoingEdges::new(name, &[], &self.companions.of(name));
                self.edges.set(name, Some(links));
            }
            CompiledText::Broken { .. } => {}
        }
        let faults = Arc::default();
        self.nodes.insert(name.clone(), GraphNode { text, faults });
    }

    /// Updates the faults of some templates.
    fn inspect(&mut self, names: &[TemplateName]) {
        let nodes = &self.nodes;
        let mut finder = FaultFinder {
            formatters: &self.formatters,
            exists: |name: &TemplateName| nodes.contains_key(name),
            names: || nodes.keys(),
            suggestions: SuggestionCache::default(),
        };
        let found = names.iter().filter_map(|name| {
            let node = nodes.get(name)?;
            let faults = finder.faults(name, &node.text);
            // Usually there were no faults before either.
            (faults != node.faults).then(|| {
                let text = node.text.clone();
                (name.clone(), GraphNode { text, faults })
            })
        });
        let found: Vec<(TemplateName, GraphNode)> = found.collect();
        for (name, node) in found {
            self.nodes.insert(name, node);
        }
    }

    /// Returns true if a template is certainly good: it was not bad, has no fault, and calls nothing bad.
    fn is_certainly_good(&self, name: &TemplateName) -> bool {
        let is_faultless = self.nodes.get(name).is_some_and(|node| node.faults.is_empty());
        if !is_faultless || self.bad.is_empty() {
            return is_faultless;
        }
        let links = self.edges.links(name.as_str()).into_iter();
        let mut targets = links.flat_map(|links| links.targets());
        !self.bad.contains_key(name) && !targets.any(|target| self.bad.contains_key(target))
    }

    fn placement(&self, name: &TemplateName, text: &CompiledText) -> Option<Placement> {
        let CompiledText::Unit { digest, unit } = text else {
            return None;
        };
        let companions = self
            .edges
            .links(name.as_str())
            .map(|links| Arc::clone(&links.companions));
        Some(Placement {
            name: name.clone(),
            digest: *digest,
            unit: Arc::clone(unit),
            companions: companions.unwrap_or_default(),
        })
    }

    fn verdict(&self, name: &TemplateName) -> Verdict {
        match self.bad.get(name) {
            Some(bad) => Verdict::Bad(Arc::clone(&bad.why)),
            None => Verdict::Good,
        }
    }
}

/// A set of names in the order of insertion. Names that are inserted together usually lie close together in memory.
#[derive(Default)]
struct OrderedNames {
    names: Vec<TemplateName>,
    seen: HashSet<TemplateName, NameHasher>,
}

impl OrderedNames {
    fn push(&mut self, name: TemplateName) {
        if self.seen.insert(name.clone()) {
            self.names.push(name);
        }
    }
}
