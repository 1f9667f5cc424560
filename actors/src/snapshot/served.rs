//! [`Closures`]: digests of many closures in one view, in time linear in the members and calls that they reach.

use std::collections::HashMap;

use super::NameHasher;
use super::view::View;
use crate::dialect::{Member, Members, TemplateId};
use crate::template::{Digest, TemplateName};

/// Digests of closures, computed on demand and cached.
///
/// The digest of a page is computed from its text and the digests of its callees (a Merkle tree), so pages that share partials share
/// the work. Computing each closure by itself would be quadratic in a long chain of calls.
///
/// Calls may form cycles, and a cycle has no leaf to begin with. So all templates of a strongly connected component get one digest,
/// which is correct because they reach the same templates. Tarjan's algorithm (*Depth-first search and linear graph algorithms*, 1972)
/// finds the components in one pass. It keeps its own stack, because a chain of calls may be longer than the stack of a thread.
pub(crate) struct Closures<'v> {
    view: &'v View,
    seen: HashMap<TemplateId, VisitState, NameHasher>,
    /// Tarjan's stack: visited templates whose component is not complete yet.
    open: Vec<TemplateId>,
}

#[derive(Clone, Copy)]
enum VisitState {
    /// On the stack at position `order`; `back` is the lowest position that it reaches (the low-link).
    Open { order: usize, back: usize },
    /// The component is complete and has this digest.
    Done(Digest),
}

/// A frame of the depth-first search: a template and its next callee to visit.
struct Visit<'v> {
    id: TemplateId,
    member: &'v Member,
    next: usize,
}

impl<'v> Closures<'v> {
    pub(crate) fn new(view: &'v View) -> Self {
        Self {
            view,
            seen: HashMap::default(),
            open: Vec::new(),
        }
    }

    /// Returns a digest of everything that `top` is rendered from. Equal texts and companions have an equal digest in any view.
    pub(crate) fn digest(&mut self, id: TemplateId, top: &'v Member) -> Digest {
        let closure = self.digest_of_calls(id, top);
        let companions = top
            .companions
            .iter()
            .filter_map(|companion| self.view.member(*companion));
        let mut companions: Vec<_> = companions
            .map(|companion| (&companion.name, companion.digest))
            .collect();
        companions.sort_unstable();
        let parts = companions.iter().flat_map(|(name, digest)| named(name, digest));
        Digest::over([closure.as_bytes().as_slice()].into_iter().chain(parts))
    }

    fn digest_of_calls(&mut self, id: TemplateId, top: &'v Member) -> Digest {
        let mut path = Vec::new();
        self.enter(id, top, &mut path);
        while let Some(visit) = path.last_mut() {
            let Some(callee) = visit.member.callees.get(visit.next).copied() else {
                let id = visit.id;
                path.pop();
                self.leave(id, path.last().map(|caller| caller.id));
                continue;
            };
            visit.next += 1;
            let caller = visit.id;
            match (self.seen.get(&callee), self.view.member(callee)) {
                (Some(VisitState::Open { order, .. }), _) => self.reaches(caller, *order),
                (None, Some(member)) => self.enter(callee, member, &mut path),
                (Some(VisitState::Done(_)), _) | (None, None) => {}
            }
        }
        self.done(id)
    }

    fn enter(&mut self, id: TemplateId, member: &'v Member, path: &mut Vec<Visit<'v>>) {
        if self.seen.contains_key(&id) {
            return;
        }
        let order = self.open.len();
        self.seen.insert(id, VisitState::Open { order, back: order });
        self.open.push(id);
        path.push(Visit { id, member, next: 0 });
    }

    fn reaches(&mut self, id: TemplateId, to: usize) {
        if let Some(VisitState::Open { back, .. }) = self.seen.get_mut(&id) {
            *back = to.min(*back);
        }
    }

    /// Ends the visit of a template: it completes its component, or passes its low-link on to its caller.
    fn leave(&mut self, id: TemplateId, caller: Option<TemplateId>) {
        match (self.seen.get(&id).copied(), caller) {
            (Some(VisitState::Open { order, back }), _) if order == back => {
                let component = self.open.split_off(order);
                self.close(component);
            }
            (Some(VisitState::Open { back, .. }), Some(caller)) => self.reaches(caller, back),
            _ => {}
        }
    }

    /// Computes the digest of a component, which usually is one template. All templates of a component have the same closure.
    fn close(&mut self, component: Vec<TemplateId>) {
        let mut members: Vec<(TemplateId, &'v Member)> = Vec::with_capacity(component.len());
        members.extend(component.into_iter().filter_map(|id| Some((id, self.view.member(id)?))));
        members.sort_unstable_by_key(|(_, member)| &member.name);
        let mut parts: Vec<&[u8]> = Vec::new();
        for (_, member) in &members {
            parts.extend(named(&member.name, &member.digest));
            // The texts themselves identify callees inside the component.
            parts.extend(member.callees.iter().filter_map(|callee| match self.seen.get(callee)? {
                VisitState::Done(digest) => Some(digest.as_bytes().as_slice()),
                VisitState::Open { .. } => None,
            }));
        }
        let together = Digest::over(parts);
        for (id, _) in members {
            self.seen.insert(id, VisitState::Done(together));
        }
    }

    fn done(&self, id: TemplateId) -> Digest {
        match self.seen.get(&id) {
            Some(VisitState::Done(digest)) => *digest,
            _ => Digest::ZERO,
        }
    }
}

fn named<'p>(name: &'p TemplateName, digest: &'p Digest) -> [&'p [u8]; 3] {
    [name.as_str().as_bytes(), &[0], digest.as_bytes()]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::batch::CompiledText;
    use crate::testing;

    const NAMES: u32 = 6;

    /// The callees of a template, and a flag that selects one of two texts.
    type Text = (std::collections::BTreeSet<u32>, bool);

    /// The template with number 0 has number 5 as its companion.
    fn view(texts: &[Text]) -> View {
        let name = |number: u32| testing::name(&format!("n{number}"));
        let member = |(number, (callees, other)): (u32, &Text)| {
            let calls: String = callees.iter().map(|callee| format!("call n{callee}\n")).collect();
            let CompiledText::Unit { digest, unit } = testing::compile(&name(number), &format!("{calls}{other}"))
            else {
                panic!("it compiles");
            };
            let member = Member {
                name: name(number),
                digest,
                unit,
                callees: callees.iter().copied().map(TemplateId).collect(),
                formatters: Box::default(),
                companions: (number == 0).then_some(TemplateId(NAMES - 1)).into_iter().collect(),
            };
            (TemplateId(number), Some(Arc::new(member)))
        };
        View::default().with((0..).zip(texts).map(member))
    }

    /// Returns for each template two digests: the one computed together with the others, and the one computed by itself.
    fn digests(view: &View) -> Vec<(Digest, Digest)> {
        let mut closures = Closures::new(view);
        let closure = |number| view.closure(TemplateId(number)).expect("is there");
        let both = |number| {
            (
                closures.digest(TemplateId(number), closure(number).top()),
                closure(number).digest(),
            )
        };
        (0..NAMES).rev().map(both).collect()
    }

    fn texts() -> impl Strategy<Value = Vec<Text>> {
        vec((btree_set(0..NAMES, 0..3), any::<bool>()), NAMES as usize)
    }

    proptest! {
        #[test]
        fn digests_are_equal_exactly_if_the_closures_are(before in texts(), number in 0..NAMES as usize, text in texts()) {
            let mut after = before.clone();
            after[number] = text[number].clone();
            let (before, after) = (view(&before), view(&after));
            for ((together, alone), (together_after, alone_after)) in digests(&before).into_iter().zip(digests(&after)) {
                prop_assert_eq!(together == together_after, alone == alone_after);
            }
        }
    }
}
