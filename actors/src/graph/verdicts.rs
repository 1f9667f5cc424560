//! The bad entries, and the nearest cause of each.
//!
//! An entry is bad if it has a fault of its own or if one of its callees or companions is bad. This is the *least* fixpoint of that
//! rule: a cycle of calls without a fault is good, although each of its members could be called bad because of the others. The least
//! fixpoint is what a search reaches that starts at the faults and follows reverse edges, so cycles need no special treatment.
//!
//! The search is a shortest-path search from many sources at once (Dijkstra, *A note on two problems in connexion with graphs*, 1959, with
//! edges of length 1), because the author is shown the nearest cause: the distance is the number of calls between an entry and the
//! fault. Where two causes are equally near, the first call in the text decides, so the result does not depend on the order of a batch.
//!
//! Only a *region* is decided anew: a set of names that is closed under reverse edges, so nothing outside depends on it. Edges that leave
//! the region end at names whose verdict holds, and contribute their distance plus one as a start value. The cost is
//! O((n + e) log n) for the n names and e edges of the region, independent of the number of all templates.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::edges::{EdgeIndex, OutgoingEdges};
use crate::diagnostic::Diagnostic;
use crate::snapshot::{NameHasher, NameMap, Why};
use crate::template::TemplateName;

/// The number of call sites that the chain of a diagnostic keeps, nearest to the fault first. A render with more calls fails anyway.
const CHAIN_MAX: usize = 128;

/// A bad entry.
#[derive(Debug, Clone)]
pub(crate) struct BadEntry {
    pub(crate) why: Arc<Why>,
    /// The number of calls between the entry and its nearest cause.
    distance: u32,
}

/// Updates `bad` for the names of `region`, and returns those whose verdict changed. The region must contain every name that reaches one
/// of its members. See the [module](self) for the algorithm.
pub(crate) fn decide(
    region: &[TemplateName],
    faults: impl Fn(&TemplateName) -> Arc<[Diagnostic]>,
    edges: &EdgeIndex,
    bad: &mut NameMap<BadEntry>,
) -> Vec<TemplateName> {
    let places = region.iter().enumerate().map(|(place, name)| (name, place));
    let places: HashMap<&TemplateName, usize, NameHasher> = places.collect();
    let own: Vec<Arc<[Diagnostic]>> = region.iter().map(faults).collect();
    let none = OutgoingEdges::default();
    let links = |place: usize| edges.links(region[place].as_str()).map_or(&none, |links| &**links);

    // The start values: 0 for a fault, and for a bad callee outside of the region its distance plus one.
    let mut distances: Vec<Option<u32>> = vec![None; region.len()];
    let mut queue = BinaryHeap::new();
    for place in 0..region.len() {
        let outside = links(place).targets().filter(|target| !places.contains_key(target));
        let nearest_outside = outside.filter_map(|target| Some(bad.get(target)?.distance.saturating_add(1)));
        distances[place] = if own[place].is_empty() {
            nearest_outside.min()
        } else {
            Some(0)
        };
        queue.extend(distances[place].map(|distance| Reverse((distance, place))));
    }
    let mut order = Vec::new();
    while let Some(Reverse((distance, place))) = queue.pop() {
        // A shorter path was found after this one was queued.
        if distances[place] != Some(distance) {
            continue;
        }
        order.push((distance, place));
        let callers = edges
            .callers(region[place].as_str())
            .filter_map(|caller| places.get(caller).copied());
        for caller in callers {
            let further = distance.saturating_add(1);
            if distances[caller].is_none_or(|known| further < known) {
                distances[caller] = Some(further);
                queue.push(Reverse((further, caller)));
            }
        }
    }

    // Names that the search did not reach are good.
    let mut changed = Vec::new();
    for (place, name) in region.iter().enumerate() {
        if distances[place].is_none() && bad.remove(name).is_some() {
            changed.push(name.clone());
        }
    }
    // In the order of distance, so that the reason of the next name on the path is known.
    for (distance, place) in order {
        let name = &region[place];
        let why = match distance {
            0 => Why {
                diagnostics: Arc::clone(&own[place]),
                cause: name.clone(),
            },
            _ => {
                let step = |target: &TemplateName| match places.get(target) {
                    Some(place) => distances[*place],
                    None => bad.get(target).map(|bad| bad.distance),
                };
                let nearer = |target: &&TemplateName| step(target) == Some(distance - 1);
                let Some(next) = links(place)
                    .targets()
                    .find(nearer)
                    .and_then(|next| Some((next, bad.get(next)?)))
                else {
                    continue;
                };
                called_from(name, links(place), next.0, &next.1.why)
            }
        };
        let before = bad
            .get(name)
            .map(|bad| &bad.why)
            .filter(|before| before.is_equivalent(&why));
        let why = match before {
            Some(before) => Arc::clone(before),
            None => {
                changed.push(name.clone());
                Arc::new(why)
            }
        };
        bad.insert(name.clone(), BadEntry { why, distance });
    }
    changed
}

/// Returns the faults of `target` as seen from `name`, with the call site added to each chain. A companion has no call site.
fn called_from(name: &TemplateName, links: &OutgoingEdges, target: &TemplateName, why: &Why) -> Why {
    let site = links
        .calls
        .iter()
        .find(|call| call.name == *target)
        .map(|call| call.span);
    let further = |diagnostic: &Diagnostic| {
        let mut diagnostic = diagnostic.clone();
        if let Some(span) = site.filter(|_| diagnostic.chain.len() < CHAIN_MAX) {
            diagnostic.called_from(name.clone(), span);
        }
        diagnostic
    };
    Why {
        diagnostics: why.diagnostics.iter().map(further).collect(),
        cause: why.cause.clone(),
    }
}
