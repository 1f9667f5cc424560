//! [`Calls`]: who calls whom, as numbers, to walk along quickly.

use std::collections::{BTreeSet, HashMap, VecDeque};

use hotplate_actors::snapshot::Snapshot;
use hotplate_actors::{Hotplate, TemplateName, messages};

use super::model::{GraphAnswer, GraphEdge, GraphNode, StatusAnswer};

/// Every template, every name that is called, and the calls between them.
#[derive(Debug)]
pub(super) struct CallGraph {
    /// Sorted by name.
    pub(super) nodes: Vec<GraphNode>,
    /// Whom each calls.
    pub(super) callees: Vec<Vec<usize>>,
    /// Who calls each.
    pub(super) callers: Vec<Vec<usize>>,
}

/// Some of the nodes, by number, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subgraph {
    pub(super) nodes: BTreeSet<usize>,
    /// Whether there are more that belong to it.
    pub(super) truncated: bool,
}

impl CallGraph {
    pub(super) fn new(hotplate: &Hotplate, snapshot: &Snapshot, edges: &[messages::Edge]) -> Self {
        let mut standings: HashMap<&TemplateName, StatusAnswer> = HashMap::new();
        for (id, name, _) in snapshot.entries() {
            standings.insert(name, StatusAnswer::of(hotplate, snapshot, id));
        }
        for edge in edges {
            for name in [&edge.caller, &edge.callee] {
                standings.entry(name).or_insert(StatusAnswer::Missing);
            }
        }
        let mut names: Vec<_> = standings.into_iter().collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        let number: HashMap<&TemplateName, usize> = names
            .iter()
            .enumerate()
            .map(|(number, (name, _))| (*name, number))
            .collect();
        let mut callees = vec![Vec::new(); names.len()];
        let mut callers = vec![Vec::new(); names.len()];
        for edge in edges {
            let (Some(caller), Some(callee)) = (number.get(&edge.caller), number.get(&edge.callee)) else {
                continue;
            };
            callees[*caller].push(*callee);
            callers[*callee].push(*caller);
        }
        for list in callees.iter_mut().chain(&mut callers) {
            list.sort_unstable();
            list.dedup();
        }
        let nodes = names.into_iter().map(|(name, standing)| GraphNode {
            name: name.to_string(),
            standing,
        });
        Self {
            nodes: nodes.collect(),
            callees,
            callers,
        }
    }

    /// The number of a name.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()
    }

    /// The first `most` by name.
    pub(super) fn first(&self, most: usize) -> Subgraph {
        Subgraph {
            nodes: (0..self.nodes.len().min(most)).collect(),
            truncated: self.nodes.len() > most,
        }
    }

    /// What is up to `depth` calls away from a name, in both directions; the nearest `most`.
    pub(super) fn around(&self, name: &str, depth: usize, most: usize) -> Option<Subgraph> {
        let start = self.number(name)?;
        let mut part = Subgraph {
            nodes: BTreeSet::from([start]),
            truncated: false,
        };
        // Callees of callees and callers of callers, but not whoever else calls a callee: that would soon be everybody.
        for neighbours in [&self.callees, &self.callers] {
            let mut seen = BTreeSet::from([start]);
            let mut next = VecDeque::from([(start, 0)]);
            while let Some((node, away)) = next.pop_front() {
                if away == depth {
                    continue;
                }
                for neighbour in &neighbours[node] {
                    if !seen.insert(*neighbour) {
                        continue;
                    }
                    if part.nodes.len() >= most && !part.nodes.contains(neighbour) {
                        part.truncated = true;
                        continue;
                    }
                    part.nodes.insert(*neighbour);
                    next.push_back((*neighbour, away + 1));
                }
            }
        }
        Some(part)
    }

    /// A part as it is answered.
    pub(super) fn answer(&self, part: &Subgraph, version: u64) -> GraphAnswer {
        let edges = part.nodes.iter().flat_map(|caller| {
            let callees = self.callees[*caller]
                .iter()
                .filter(|callee| part.nodes.contains(callee));
            callees.map(|callee| GraphEdge {
                caller: self.nodes[*caller].name.clone(),
                callee: self.nodes[*callee].name.clone(),
            })
        });
        GraphAnswer {
            version,
            nodes: part.nodes.iter().map(|node| self.nodes[*node].clone()).collect(),
            edges: edges.collect(),
            truncated: part.truncated,
        }
    }
}
