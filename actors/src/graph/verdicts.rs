//! Which entries are bad, and which cause is nearest to each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::edges::{EdgeIndex, OutgoingEdges};
use crate::diagnostic::Diagnostic;
use crate::snapshot::{NameHasher, NameMap, Why};
use crate::template::TemplateName;

/// Call sites that a diagnostic's chain keeps, those nearest to the place. A render that goes deeper fails anyway.
const CHAIN_MAX: usize = 128;

/// A bad entry.
#[derive(Debug, Clone)]
pub(crate) struct BadEntry {
    pub(crate) why: Arc<Why>,
    /// Calls between it and the nearest cause.
    distance: u32,
}

/// Decides anew about the names of `region`, which has everybody who leads to somebody in it; what is said about others in
/// `bad` holds. Answers those about whom something else is said now.
///
/// An entry is bad if it reaches a fault, and the way to the nearest one is its reason: a search outwards from the faults, and
/// so cycles need no care. Where two ways are as short, the first call in the text counts. Linear in the region's links, but
/// for the queue.
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
    let mut outwards = Vec::new();
    while let Some(Reverse((distance, place))) = queue.pop() {
        if distances[place] != Some(distance) {
            continue;
        }
        outwards.push((distance, place));
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

    let mut changed = Vec::new();
    for (place, name) in region.iter().enumerate() {
        if distances[place].is_none() && bad.remove(name).is_some() {
            changed.push(name.clone());
        }
    }
    for (distance, place) in outwards {
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
            .filter(|before| before.says_the_same(&why));
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

/// The reason of `name` by way of `target`. A companion is called from no place in a text.
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
