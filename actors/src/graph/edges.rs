//! `EdgeIndex`: calls and companions in both directions, as persistent maps.

use std::collections::HashSet;
use std::sync::Arc;

use crate::dialect::Call;
use crate::snapshot::{NameHasher, NameMap};
use crate::template::TemplateName;

/// The calls and companions of one template.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutgoingEdges {
    /// The calls in the order of the text, each name once, at its first position.
    pub(crate) calls: Vec<Call>,
    /// The companions, each name once. They need not exist.
    pub(crate) companions: Arc<[TemplateName]>,
}

impl OutgoingEdges {
    pub(crate) fn new(name: &TemplateName, calls: &[Call], companions: &[TemplateName]) -> Self {
        let mut seen: HashSet<&TemplateName, NameHasher> = HashSet::default();
        let calls = calls.iter().filter(|call| seen.insert(&call.name)).cloned().collect();
        seen.clear();
        let others = companions
            .iter()
            .filter(|companion| *companion != name && seen.insert(companion));
        let companions = others.cloned().collect();
        Self { calls, companions }
    }

    /// Returns the names of all callees and then of all companions. A companion that is called as well appears twice.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &TemplateName> {
        let calls = self.calls.iter().map(|call| &call.name);
        calls.chain(self.companions.iter())
    }
}

/// The outgoing edges of every template, and the reverse edges. A clone shares all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct EdgeIndex {
    out: NameMap<Arc<OutgoingEdges>>,
    into: NameMap<im::HashSet<TemplateName, NameHasher>>,
}

impl EdgeIndex {
    /// Returns the outgoing edges of a template. Those of a template that does not compile are the edges of its last text that did.
    pub(crate) fn links(&self, name: &str) -> Option<&Arc<OutgoingEdges>> {
        self.out.get(name)
    }

    /// Returns every template with its outgoing edges.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TemplateName, &OutgoingEdges)> {
        self.out.iter().map(|(name, links)| (name, &**links))
    }

    /// Returns the templates that call a name or have it as a companion.
    pub(crate) fn callers<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e TemplateName> + use<'e> {
        self.into.get(name).into_iter().flatten()
    }

    /// Replaces the outgoing edges of a template, and updates the reverse edges.
    pub(crate) fn set(&mut self, name: &TemplateName, links: Option<OutgoingEdges>) {
        let before = match links {
            Some(links) => {
                let links = Arc::new(links);
                let before = self.out.insert(name.clone(), Arc::clone(&links));
                for target in links.targets() {
                    self.into.entry(target.clone()).or_default().insert(name.clone());
                }
                before
            }
            None => self.out.remove(name),
        };
        // Removes the reverse edges to names that are no longer called.
        let Some(before) = before else { return };
        let after: HashSet<TemplateName, NameHasher> = self
            .links(name.as_str())
            .into_iter()
            .flat_map(|links| links.targets().cloned())
            .collect();
        for target in before.targets().filter(|target| !after.contains(*target)) {
            if let Some(callers) = self.into.get_mut(target) {
                callers.remove(name);
                if callers.is_empty() {
                    self.into.remove(target);
                }
            }
        }
    }

    /// Returns the given names and everything that reaches them, each once, nearest first (a breadth-first search over reverse edges).
    pub(crate) fn backwards(&self, from: Vec<TemplateName>) -> Vec<TemplateName> {
        let mut seen: HashSet<TemplateName, NameHasher> = from.iter().cloned().collect();
        let mut found = from;
        let mut at = 0;
        while let Some(name) = found.get(at).cloned() {
            at += 1;
            let callers = self.callers(name.as_str());
            found.extend(callers.filter(|name| seen.insert((*name).clone())).cloned());
        }
        found
    }
}
