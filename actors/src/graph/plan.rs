//! [`Graph`]: what a batch of compiled texts makes of every entry, as a [`Plan`].

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

/// Every text of every loader, who calls whom, and who is bad. A clone shares all memory, so a caller applies a batch to a clone
/// and keeps that only if the plan was accepted.
#[derive(Debug, Clone)]
pub struct Graph {
    formatters: Arc<BTreeSet<Box<str>>>,
    companions: Companions,
    /// In the order in which they are asked for a name.
    loaders: BTreeMap<LoaderId, NameMap<Arc<CompiledText>>>,
    nodes: NameMap<GraphNode>,
    edges: EdgeIndex,
    bad: NameMap<BadEntry>,
}

/// A name that is defined. Small, for a map that changes in one of them copies some dozens of its neighbours.
#[derive(Debug, Clone)]
struct GraphNode {
    /// That of the first loader that has one.
    text: Arc<CompiledText>,
    /// What is wrong with it by itself.
    faults: Arc<[Diagnostic]>,
}

impl Graph {
    /// A graph without templates.
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

    /// Takes in a batch and says what has to change.
    ///
    /// Costs what changed, if what changed was good before, is good, and calls nothing bad; a name that comes or goes costs those
    /// who call it as well. Otherwise it costs the dependents of the rest.
    pub fn apply(&mut self, batch: CompiledBatch) -> Plan {
        let mut plan = Plan::default();
        // Texts that are new, and those whose faults may be others because a name that they call came or went.
        let mut placed = Vec::new();
        let mut inspected = OrderedNames::default();
        for name in self.take_in(batch) {
            let text = self.loaders.values().find_map(|texts| texts.get(&name)).cloned();
            let before = self.nodes.get(&name).map(|node| &node.text);
            let came_or_went = before.is_some() != text.is_some();
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
            if came_or_went {
                let callers = self.edges.callers(name.as_str());
                callers.for_each(|caller| inspected.push(caller.clone()));
            }
        }
        let mut inspected = inspected.names;
        inspected.retain(|name| self.nodes.contains_key(name));
        self.inspect(&inspected);

        let doubtful = inspected
            .into_iter()
            .filter(|name| !self.is_plainly_good(name))
            .collect();
        let region = self.edges.backwards(doubtful);
        let nodes = &self.nodes;
        let faults = |name: &TemplateName| {
            nodes
                .get(name)
                .map_or_else(Arc::default, |node| Arc::clone(&node.faults))
        };
        let mut judged = decide(&region, faults, &self.edges, &mut self.bad);

        if !judged.is_empty() {
            let already: HashSet<&TemplateName, NameHasher> = placed.iter().map(|(name, _)| name).collect();
            judged.retain(|name| !already.contains(name));
        }
        let placements = placed.iter().filter_map(|(name, text)| self.placement(name, text));
        plan.units.extend(placements);
        let verdicts = placed.into_iter().map(|(name, _)| name).chain(judged).map(|name| {
            let verdict = self.verdict(&name);
            (name, verdict)
        });
        plan.verdicts.extend(verdicts);
        plan
    }

    /// A plan that says everything, for a Registry that has something else than what it was last told.
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

    /// Every template that reaches a name by calls or companions, nearest first: what a change of that name may change.
    #[must_use]
    pub fn dependents(&self, name: &TemplateName) -> Vec<TemplateName> {
        self.edges.backwards(vec![name.clone()]).split_off(1)
    }

    /// Every call as (caller, callee, whether the callee is defined), each pair once.
    pub fn edges(&self) -> impl Iterator<Item = (&TemplateName, &TemplateName, bool)> {
        self.edges.iter().flat_map(move |(caller, links)| {
            let callees = links.calls.iter().map(|call| &call.name);
            callees.map(move |callee| (caller, callee, self.nodes.contains_key(callee)))
        })
    }

    /// Every name that is defined.
    pub fn names(&self) -> impl Iterator<Item = &TemplateName> {
        self.nodes.keys()
    }

    /// Writes the batch into its loader's texts, and answers the names that it is about.
    fn take_in(&mut self, batch: CompiledBatch) -> Vec<TemplateName> {
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

    /// Gives a name its text. One that did not compile keeps the calls of the last one that did.
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

    /// Finds the faults of some templates anew.
    fn inspect(&mut self, names: &[TemplateName]) {
        let nodes = &self.nodes;
        let mut inspector = FaultFinder {
            formatters: &self.formatters,
            exists: |name: &TemplateName| nodes.contains_key(name),
            names: || nodes.keys(),
            nearest: SuggestionCache::default(),
        };
        let found = names.iter().filter_map(|name| {
            let node = nodes.get(name)?;
            let faults = inspector.faults(name, &node.text);
            // Mostly there were none and are none.
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

    /// Whether nobody need be asked: it was not bad, has no fault, and leads to nothing that is bad.
    fn is_plainly_good(&self, name: &TemplateName) -> bool {
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

/// Names, each once, in the order in which they came: those that came together mostly lie together in memory.
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
