//! [`GraphDrawing`]: the graph of calls, laid out in layers with callers to the left of their callees.
//!
//! The layout follows Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981):
//!
//! 1. Cycles are broken: a depth-first search ignores each edge that closes a cycle.
//! 2. Layers are assigned: each template gets the layer after the last of its callers (longest path).
//! 3. Crossings are reduced: in a fixed number of sweeps each layer is sorted by the mean position of the neighbours (barycenter).
//! 4. Positions are assigned: each layer becomes a column, and a long one several.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::templates::{href, words};
use crate::admin::calls::{CallGraph, Subgraph};

const WIDTH: usize = 196;
const HEIGHT: usize = 28;
const GAP_ACROSS: usize = 56;
/// The gap between two columns of one layer, which is too narrow for a call.
const GAP_WITHIN: usize = 12;
const GAP_DOWN: usize = 10;
const MARGIN: usize = 16;
/// Maximum number of nodes in a column. A larger layer is split into several columns.
const ROWS: usize = 22;
/// Characters of a name in a box.
const LABEL: usize = 22;
/// Sweeps that sort the layers, by their left and by their right neighbours in turn.
const SWEEPS: usize = 8;

/// A graph with the positions of its boxes and lines.
#[derive(Debug, Serialize)]
pub(super) struct GraphDrawing {
    width: usize,
    height: usize,
    nodes: Vec<NodeBox>,
    lines: Vec<EdgeLine>,
    any: bool,
    summary: String,
}

#[derive(Debug, Serialize)]
struct NodeBox {
    x: usize,
    y: usize,
    label_x: usize,
    label_y: usize,
    label: String,
    name: String,
    href: String,
    status: &'static str,
    /// The status in words.
    words: &'static str,
    /// The distance from the selected template: `here`, `near` or `far`; `plain` if none is selected.
    place: &'static str,
    current: bool,
    /// `0` for the selected template and its neighbours, or for one template if none is selected; `-1` for all others, which arrow keys reach.
    tab: &'static str,
}

#[derive(Debug, Serialize)]
struct EdgeLine {
    path: String,
    place: &'static str,
}

impl GraphDrawing {
    pub(super) fn draw(calls: &CallGraph, part: &Subgraph, at: Option<&str>, rest: &str) -> Self {
        let columns = columns(&layers(calls, part), calls, part);
        let mut places: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let tallest = columns
            .iter()
            .map(|column| column.nodes.len())
            .max()
            .unwrap_or_default();
        let (mut left, mut right) = (MARGIN, MARGIN + WIDTH);
        for ColumnOfLayer { nodes: column, is_last } in &columns {
            let lower = (tallest - column.len()) * (HEIGHT + GAP_DOWN) / 2;
            for (down, node) in column.iter().enumerate() {
                let place = (left, MARGIN + lower + down * (HEIGHT + GAP_DOWN));
                places.insert(*node, place);
            }
            right = left + WIDTH;
            left = right + if *is_last { GAP_ACROSS } else { GAP_WITHIN };
        }
        let at = at.and_then(|at| calls.number(at)).filter(|at| part.nodes.contains(at));
        let touches = |node: usize| {
            at.is_some_and(|at| {
                calls.callees[at].binary_search(&node).is_ok() || calls.callers[at].binary_search(&node).is_ok()
            })
        };
        let nodes = places.iter().map(|(node, (x, y))| {
            let name = &calls.nodes[*node].name;
            NodeBox {
                x: *x,
                y: *y,
                label_x: x + 22,
                label_y: y + HEIGHT / 2 + 4,
                label: shortened(name),
                href: format!("{}{rest}", href(name, "")),
                status: calls.nodes[*node].status.as_str(),
                words: words(calls.nodes[*node].status),
                place: match at {
                    None => "plain",
                    Some(at) if at == *node => "here",
                    Some(_) if touches(*node) => "near",
                    Some(_) => "far",
                },
                current: at == Some(*node),
                tab: match at {
                    None if places.first_key_value().is_some_and(|(first, _)| first == node) => "0",
                    Some(at) if at == *node || touches(*node) => "0",
                    _ => "-1",
                },
                name: name.clone(),
            }
        });
        let lines = part.nodes.iter().flat_map(|caller| {
            let callees = calls.callees[*caller]
                .iter()
                .filter(|callee| part.nodes.contains(callee));
            callees.map(|callee| EdgeLine {
                path: line(places[caller], places[callee]),
                place: match at {
                    None => "plain",
                    Some(at) if at == *caller || at == *callee => "near",
                    Some(_) => "far",
                },
            })
        });
        let mut lines: Vec<EdgeLine> = lines.collect();
        // Lines of the selected template are drawn last, over the others.
        lines.sort_by_key(|line| line.place == "near");
        let summary = format!("{} templates and {} calls", part.nodes.len(), lines.len());
        Self {
            width: right + MARGIN,
            height: 2 * MARGIN + tallest.max(1) * (HEIGHT + GAP_DOWN) - GAP_DOWN,
            any: !places.is_empty(),
            nodes: nodes.collect(),
            lines,
            summary,
        }
    }
}

/// Returns the path from the right side of the caller to the left side of the callee.
fn line((from_x, from_y): (usize, usize), (to_x, to_y): (usize, usize)) -> String {
    let (x1, y1) = (from_x + WIDTH, from_y + HEIGHT / 2);
    let (x2, y2) = (to_x, to_y + HEIGHT / 2);
    // The longer the line, the further it runs horizontally at first.
    let bend = (x2.abs_diff(x1) / 2).clamp(GAP_ACROSS / 2, 160);
    format!(
        "M{x1},{y1}C{},{y1} {},{y2} {x2},{y2}",
        x1 + bend,
        x2.saturating_sub(bend)
    )
}

/// Shortens a long name at its beginning, because names of one directory differ at the end.
fn shortened(name: &str) -> String {
    let characters = name.chars().count();
    match characters > LABEL {
        true => "…".chars().chain(name.chars().skip(characters - LABEL + 1)).collect(),
        false => name.to_owned(),
    }
}

/// Assigns the layers: steps 1 and 2.
fn layers(calls: &CallGraph, part: &Subgraph) -> BTreeMap<usize, usize> {
    let within_part = |nodes: &[usize]| {
        nodes
            .iter()
            .copied()
            .filter(|node| part.nodes.contains(node))
            .collect::<Vec<_>>()
    };
    let mut order = Vec::with_capacity(part.nodes.len());
    let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
    let mut cut: BTreeSet<(usize, usize)> = BTreeSet::new();
    let roots = part
        .nodes
        .iter()
        .filter(|node| within_part(&calls.callers[**node]).is_empty());
    // Roots come first, so that a cycle is broken as far from them as possible.
    for start in roots.chain(&part.nodes) {
        let mut path = vec![(*start, 0)];
        if !begun.insert(*start) {
            continue;
        }
        while let Some((node, next)) = path.last_mut() {
            let callee = within_part(&calls.callees[*node]).get(*next).copied();
            let node = *node;
            *next += 1;
            match callee {
                Some(callee) if begun.insert(callee) => path.push((callee, 0)),
                Some(callee) if !done.contains(&callee) => {
                    cut.insert((node, callee));
                }
                Some(_) => {}
                None => {
                    done.insert(node);
                    order.push(node);
                    path.pop();
                }
            }
        }
    }
    let mut layers: BTreeMap<usize, usize> = part.nodes.iter().map(|node| (*node, 0)).collect();
    for caller in order.iter().rev() {
        let next = layers[caller] + 1;
        for callee in within_part(&calls.callees[*caller]) {
            if !cut.contains(&(*caller, callee)) {
                let layer = layers.entry(callee).or_default();
                *layer = next.max(*layer);
            }
        }
    }
    layers
}

/// A column of a layer.
#[derive(Debug, PartialEq, Eq)]
struct ColumnOfLayer {
    nodes: Vec<usize>,
    /// True if no further column of the same layer follows.
    is_last: bool,
}

/// Sorts the layers and splits them into columns, from left to right: steps 3 and 4.
fn columns(layers: &BTreeMap<usize, usize>, calls: &CallGraph, part: &Subgraph) -> Vec<ColumnOfLayer> {
    let count = layers.values().max().map_or(0, |last| last + 1);
    let mut columns = vec![Vec::new(); count];
    for (node, layer) in layers {
        columns[*layer].push(*node);
    }
    for sweep in 0..SWEEPS {
        let place: BTreeMap<usize, f64> = columns.iter().flat_map(|column| places_in(column)).collect();
        let neighbours = if sweep % 2 == 0 { &calls.callers } else { &calls.callees };
        for column in &mut columns {
            let mut weighed: Vec<(f64, usize)> = column
                .iter()
                .map(|node| {
                    let near: Vec<f64> = neighbours[*node]
                        .iter()
                        .filter(|near| part.nodes.contains(near))
                        .map(|near| place[near])
                        .collect();
                    #[expect(clippy::cast_precision_loss, reason = "a mean of a few hundred places")]
                    let mean = near.iter().sum::<f64>() / near.len().max(1) as f64;
                    (if near.is_empty() { place[node] } else { mean }, *node)
                })
                .collect();
            weighed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *column = weighed.into_iter().map(|(_, node)| node).collect();
        }
    }
    columns
        .into_iter()
        .flat_map(|column| {
            let parts = column.len().div_ceil(ROWS).max(1);
            let rows = column.len().div_ceil(parts).max(1);
            let chunks = column.chunks(rows).map(<[usize]>::to_vec).enumerate();
            let columns = chunks.map(|(number, nodes)| ColumnOfLayer {
                nodes,
                is_last: number + 1 == parts,
            });
            columns.collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the position of each node in its column, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a few hundred places")]
fn places_in(column: &[usize]) -> impl Iterator<Item = (usize, f64)> + use<'_> {
    let size = column.len() as f64;
    column
        .iter()
        .enumerate()
        .map(move |(place, node)| (*node, (place as f64 + 0.5) / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::model::{GraphNode, StatusAnswer};

    fn calls(names: usize, edges: &[(usize, usize)]) -> CallGraph {
        let nodes = (0..names).map(|number| GraphNode {
            name: format!("n{number:03}"),
            status: StatusAnswer::Current,
        });
        let (mut callees, mut callers) = (vec![Vec::new(); names], vec![Vec::new(); names]);
        for (caller, callee) in edges {
            callees[*caller].push(*callee);
            callers[*callee].push(*caller);
        }
        CallGraph {
            nodes: nodes.collect(),
            callees,
            callers,
        }
    }

    #[test]
    fn callees_are_right_of_their_callers_and_cycles_are_broken() {
        let chain = calls(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]);
        let layers_of = |calls: &CallGraph| layers(calls, &calls.first(100)).into_values().collect::<Vec<_>>();
        assert_eq!(layers_of(&chain), [0, 1, 2, 3]);
        let cycle = calls(3, &[(0, 1), (1, 2), (2, 1), (1, 1)]);
        assert_eq!(layers_of(&cycle), [0, 1, 2]);
        assert_eq!(layers_of(&calls(2, &[(0, 1), (1, 0)])), [0, 1]);
        assert_eq!(layers_of(&calls(0, &[])), Vec::<usize>::new());
    }

    #[test]
    fn boxes_do_not_overlap_and_lie_in_the_drawing() {
        let edges: Vec<_> = (1..200)
            .map(|callee| (callee / 3, callee))
            .chain((2..200).map(|caller| (caller, 1)))
            .collect();
        let calls = calls(
            200,
            &edges
                .into_iter()
                .filter(|(a, b)| a != b)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>(),
        );
        let drawing = GraphDrawing::draw(&calls, &calls.first(400), Some("n001"), "");
        let places: BTreeSet<_> = drawing.nodes.iter().map(|node| (node.x, node.y)).collect();
        assert_eq!((places.len(), drawing.nodes.len()), (200, 200));
        assert!(
            drawing
                .nodes
                .iter()
                .all(|node| node.x + WIDTH + MARGIN <= drawing.width && node.y + HEIGHT + MARGIN <= drawing.height)
        );
        assert!(drawing.height < 1_000, "{}", drawing.height);
        assert_eq!(drawing.nodes.iter().filter(|node| node.current).count(), 1);
    }

    #[test]
    fn crossings_are_reduced() {
        // Each page calls a part of its own; the parts have names in the opposite order.
        let calls = calls(6, &[(0, 5), (1, 4), (2, 3)]);
        assert_eq!(
            columns(&layers(&calls, &calls.first(9)), &calls, &calls.first(9))
                .into_iter()
                .map(|column| column.nodes)
                .collect::<Vec<_>>(),
            [vec![0, 1, 2], vec![5, 4, 3]]
        );
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(shortened("short.html"), "short.html");
        assert_eq!(shortened("a/very/long/path/to/some/page.html").chars().count(), LABEL);
        assert!(shortened("a/very/long/path/to/some/page.html").ends_with("/some/page.html"));
    }
}
