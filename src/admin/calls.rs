//! [`CallGraph`]: the calls between templates as lists of numbers, for fast traversal.

use std::collections::{BTreeSet, HashMap, VecDeque};

use hotplate_actors::snapshot::Snapshot;
use hotplate_actors::{Hotplate, TemplateName, messages};

use super::model::{GraphAnswer, GraphEdge, GraphNode, StatusAnswer};

/// The graph of calls: every template, every name that is called, and the calls between them.
#[derive(Debug)]
pub(super) struct CallGraph {
    /// The nodes, sorted by name. Other fields refer to a node by its number in this list.
    pub(super) nodes: Vec<GraphNode>,
    /// The callees of each node, sorted.
    pub(super) callees: Vec<Vec<usize>>,
    /// The callers of each node, sorted.
    pub(super) callers: Vec<Vec<usize>>,
}

/// A part of the graph: the numbers of some nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subgraph {
    pub(super) nodes: BTreeSet<usize>,
    /// True if more nodes belong to the part than it may have.
    pub(super) truncated: bool,
}

impl CallGraph {
    pub(super) fn new(hotplate: &Hotplate, snapshot: &Snapshot, edges: &[messages::Edge]) -> Self {
        let mut statuses: HashMap<&TemplateName, StatusAnswer> = HashMap::new();
        for (id, name, _) in snapshot.entries() {
            statuses.insert(name, StatusAnswer::of(hotplate, snapshot, id));
        }
        for edge in edges {
            for name in [&edge.caller, &edge.callee] {
                statuses.entry(name).or_insert(StatusAnswer::Missing);
            }
        }
        let mut names: Vec<_> = statuses.into_iter().collect();
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
        let nodes = names.into_iter().map(|(name, status)| GraphNode {
            name: name.to_string(),
            status,
        });
        Self {
            nodes: nodes.collect(),
            callees,
            callers,
        }
    }

    /// Returns the number of a name.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()
    }

    /// Returns the first `most` nodes by name.
    pub(super) fn first(&self, most: usize) -> Subgraph {
        Subgraph {
            nodes: (0..self.nodes.len().min(most)).collect(),
            truncated: self.nodes.len() > most,
        }
    }

    /// Returns the nearest `most` nodes that are up to `depth` calls away from a name, by a breadth-first search in both directions.
    pub(super) fn around(&self, name: &str, depth: usize, most: usize) -> Option<Subgraph> {
        let start = self.number(name)?;
        let mut part = Subgraph {
            nodes: BTreeSet::from([start]),
            truncated: false,
        };
        // Callees of callees and callers of callers, but not the other callers of a callee: with a shared layout that is every page.
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

    /// Returns the answer of the API for a part.
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
