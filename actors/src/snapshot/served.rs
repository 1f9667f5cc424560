//! [`DigestSum`]: the digest of a content, as a sum over its templates, and [`Contributions`], the summands.
//!
//! A current template contributes the digest of its own name and text: everything that it calls is current in the same content and
//! contributes by itself. A stale one contributes a digest of the closure that is served, a broken one that of its name.
//!
//! The digest of a closure is computed from the text of its top and the digests of its callees (a Merkle tree), so pages that share
//! partials share the work: a page that breaks with its layout costs one BLAKE3 block. Computing each closure by itself would be
//! quadratic in a long chain of calls.

use std::collections::HashMap;

use super::NameHasher;
use super::content::Content;
use super::index::Index;
use super::stale::ClassNumber;
use super::view::{PlacedMember, View};
use crate::dialect::{Members, TemplateId};
use crate::template::{Digest, TemplateName};

/// An additive multiset hash: the sum of digests, in four lanes modulo 2⁶⁴ each.
///
/// The sum does not depend on the order or the ids of the templates, and a summand can be subtracted again. So updating the digest of a
/// version costs only what changed, and equal content has an equal digest whatever its history. It distinguishes versions; it does not
/// resist an attacker who constructs templates in order to collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DigestSum([u64; 4]);

impl DigestSum {
    pub(crate) fn add(&mut self, digest: &Digest) {
        self.each(digest, u64::wrapping_add);
    }

    pub(crate) fn subtract(&mut self, digest: &Digest) {
        self.each(digest, u64::wrapping_sub);
    }

    pub(crate) fn digest(self) -> Digest {
        Digest::over(self.0.map(u64::to_le_bytes).iter().map(<[u8; 8]>::as_slice))
    }

    fn each(&mut self, digest: &Digest, combine: fn(u64, u64) -> u64) {
        let (lanes, _) = digest.as_bytes().as_chunks::<8>();
        for (sum, lane) in self.0.iter_mut().zip(lanes) {
            *sum = combine(*sum, u64::from_le_bytes(*lane));
        }
    }
}

/// The summands of one content, computed on demand. Digests of callees are cached for each class of stale templates.
pub(crate) struct Contributions<'c> {
    content: &'c Content,
    names: &'c Index,
    classes: HashMap<ClassNumber, Closures<'c>, NameHasher>,
}

impl<'c> Contributions<'c> {
    pub(crate) fn new(content: &'c Content, names: &'c Index) -> Self {
        Self {
            content,
            names,
            classes: HashMap::default(),
        }
    }

    /// Returns the contribution of a template; `None` if there is no such template.
    pub(crate) fn of(&mut self, id: TemplateId) -> Option<Digest> {
        let stale = self.content.stale();
        let Some(number) = stale.class_of(id) else {
            return self.content.view.placed(id).map(|placed| placed.own);
        };
        let pinned = stale.class(number).map(|class| &*class.pin.view);
        match pinned.and_then(|view| Some((view, view.placed(id)?))) {
            Some((view, top)) => {
                let closures = self.classes.entry(number).or_insert_with(|| Closures::new(view));
                Some(closures.digest(top))
            }
            None => self.names.name(id).map(broken),
        }
    }
}

/// Returns the contribution of a current template.
pub(crate) fn current(name: &TemplateName, text: &Digest) -> Digest {
    Digest::over([
        b"current\0",
        name.as_str().as_bytes(),
        b"\0",
        text.as_bytes().as_slice(),
    ])
}

fn broken(name: &TemplateName) -> Digest {
    Digest::over([b"broken\0", name.as_str().as_bytes()])
}

/// Digests of closures in one view, computed on demand and cached.
///
/// Calls may form cycles, and a cycle has no leaf to begin with. So all templates of a strongly connected component get one digest,
/// which is correct because they reach the same templates. Tarjan's algorithm (*Depth-first search and linear graph algorithms*, 1972)
/// finds the components in one pass. It keeps its own stack, because a chain of calls may be longer than the stack of a thread.
pub(crate) struct Closures<'v> {
    view: &'v View,
    seen: HashMap<TemplateId, VisitState, NameHasher>,
    /// Tarjan's stack: visited templates whose component is not complete yet.
    open: Vec<TemplateId>,
    /// The input of a hash, kept for its memory.
    input: Vec<u8>,
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
    member: &'v PlacedMember,
    next: usize,
}

impl<'v> Closures<'v> {
    pub(crate) fn new(view: &'v View) -> Self {
        Self {
            view,
            seen: HashMap::default(),
            open: Vec::new(),
            input: Vec::new(),
        }
    }

    /// Returns a digest of everything that `top` is rendered from. Equal texts and companions have an equal digest in any view.
    pub(crate) fn digest(&mut self, top: &'v PlacedMember) -> Digest {
        let mut input = std::mem::take(&mut self.input);
        input.clear();
        input.extend_from_slice(top.own.as_bytes());
        for callee in &top.member.callees {
            input.extend_from_slice(self.digest_of_calls(*callee).as_bytes());
        }
        if top.member.unit.reaches_any() {
            input.extend_from_slice(Members::digest(self.view).as_bytes());
        }
        // The text of `top` determines the number of its callees, so no companion is mistaken for one.
        for companion in &top.member.companions {
            let own = self
                .view
                .placed(*companion)
                .map_or(Digest::ZERO, |companion| companion.own);
            input.extend_from_slice(own.as_bytes());
        }
        let digest = Digest::of(&input);
        self.input = input;
        digest
    }

    /// Returns the digest of a template and all that it reaches by calls.
    fn digest_of_calls(&mut self, id: TemplateId) -> Digest {
        if let Some(VisitState::Done(digest)) = self.seen.get(&id) {
            return *digest;
        }
        let Some(member) = self.view.placed(id) else {
            return Digest::ZERO;
        };
        let mut path = Vec::new();
        self.enter(id, member, &mut path);
        while let Some(visit) = path.last_mut() {
            let Some(callee) = visit.member.member.callees.get(visit.next).copied() else {
                let id = visit.id;
                path.pop();
                self.leave(id, path.last().map(|caller| caller.id));
                continue;
            };
            visit.next += 1;
            let caller = visit.id;
            match (self.seen.get(&callee), self.view.placed(callee)) {
                (Some(VisitState::Open { order, .. }), _) => self.reaches(caller, *order),
                (None, Some(member)) => self.enter(callee, member, &mut path),
                (Some(VisitState::Done(_)), _) | (None, None) => {}
            }
        }
        match self.seen.get(&id) {
            Some(VisitState::Done(digest)) => *digest,
            _ => Digest::ZERO,
        }
    }

    fn enter(&mut self, id: TemplateId, member: &'v PlacedMember, path: &mut Vec<Visit<'v>>) {
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
        let mut members: Vec<(TemplateId, &'v PlacedMember)> = Vec::with_capacity(component.len());
        members.extend(component.into_iter().filter_map(|id| Some((id, self.view.placed(id)?))));
        members.sort_unstable_by_key(|(_, placed)| &placed.member.name);
        let mut parts: Vec<&[u8]> = Vec::new();
        let reaches_any = members.iter().any(|(_, placed)| placed.member.unit.reaches_any());
        let all = reaches_any.then(|| Members::digest(self.view));
        parts.extend(all.iter().map(|all| all.as_bytes().as_slice()));
        for (_, member) in &members {
            parts.push(member.own.as_bytes());
            // The texts themselves identify callees inside the component.
            parts.extend(
                member
                    .member
                    .callees
                    .iter()
                    .filter_map(|callee| match self.seen.get(callee)? {
                        VisitState::Done(digest) => Some(digest.as_bytes().as_slice()),
                        VisitState::Open { .. } => None,
                    }),
            );
        }
        let together = Digest::over(parts);
        for (id, _) in members {
            self.seen.insert(id, VisitState::Done(together));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::Member;
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
            (TemplateId(number), Some(Arc::new(PlacedMember::new(member))))
        };
        let mut view = View::default();
        let members = (0..).zip(texts).map(member);
        members.for_each(|(id, member)| view.set(id, member));
        view
    }

    /// Returns for each template two digests: the one computed together with the others, and the one computed by itself.
    fn digests(view: &View) -> Vec<(Digest, Digest)> {
        let mut closures = Closures::new(view);
        let closure = |number| view.closure(TemplateId(number)).expect("is there");
        let both = |number| {
            (
                closures.digest(view.placed(TemplateId(number)).expect("is there")),
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
