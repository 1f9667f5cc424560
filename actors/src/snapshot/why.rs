//! [`Why`]: the reason why the newest text of a template is not served, found when it is asked for.
//!
//! A content keeps only the faults of each text and the set of bad templates. The reason for a template is the nearest fault that it
//! reaches: a breadth-first search over its calls and companions finds it. Where two faults are equally near, the first call in the text
//! decides, because the search visits the callees of a text in their order.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use serde::Serialize;

use super::NameHasher;
use super::content::Content;
use super::id_set::IdSet;
use super::index::Index;
use super::scopes::ScopeContent;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Members, TemplateId};
use crate::template::TemplateName;

/// The number of call sites that the chain of a diagnostic keeps, nearest to the fault first. A render with more calls fails anyway.
const CHAIN_MAX: usize = 128;

/// The faults that keep the newest text of an entry from being served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The faults of the nearest cause, with the calls that lead from there to the entry.
    pub diagnostics: Arc<[Diagnostic]>,
    /// The template to fix: the entry itself, or the nearest one that it reaches.
    pub cause: TemplateName,
}

/// The number of reasons that a snapshot remembers, a power of two.
const REASONS_MAX: usize = 64;
/// The size of a reason that is remembered at most, in bytes.
const REASON_BYTES_MAX: usize = 16 * 1024;

/// The reasons that were asked for last, one for each remainder of the ids. There is none until one is asked for, and readers take no lock.
#[derive(Debug, Default)]
pub(super) struct RecentReasons(OnceLock<Box<[ReasonSlot]>>);

type ReasonSlot = ArcSwapOption<(TemplateId, Arc<Why>)>;

impl RecentReasons {
    /// Returns the reason for a template that is remembered, or the one that `find` returns.
    pub(super) fn get_or_find(&self, id: TemplateId, find: impl FnOnce() -> Option<Why>) -> Option<Arc<Why>> {
        let slots = self
            .0
            .get_or_init(|| (0..REASONS_MAX).map(|_| ArcSwapOption::default()).collect());
        let slot = slots.get(id.index() % REASONS_MAX)?;
        if let Some(known) = &*slot.load()
            && known.0 == id
        {
            return Some(Arc::clone(&known.1));
        }
        let why = Arc::new(find()?);
        let bytes: usize = why.diagnostics.iter().map(Diagnostic::bytes).sum();
        if bytes <= REASON_BYTES_MAX {
            slot.store(Some(Arc::new((id, Arc::clone(&why)))));
        }
        Some(why)
    }
}

impl ScopeContent<'_> {
    /// Returns the reason why the newest text of a template is not served; `None` if it is.
    pub(crate) fn why(self, id: TemplateId, names: &Index) -> Option<Why> {
        self.whys(id, names, 1).pop()
    }

    /// Returns the reasons of several faults that a template reaches, the nearest first, at most `max`.
    pub(crate) fn whys(self, id: TemplateId, names: &Index, max: usize) -> Vec<Why> {
        let paths = self.paths_to_faults(id, max).into_iter();
        paths.filter_map(|path| self.why_of(&path, names)).collect()
    }

    /// Returns the reason at the end of a path.
    fn why_of(self, path: &[TemplateId], names: &Index) -> Option<Why> {
        let (cause, callers) = path.split_last()?;
        let mut why = Why {
            diagnostics: self.faults_of(*cause)?,
            cause: names.name(*cause)?.clone(),
        };
        let mut sites = Vec::new();
        let mut callee = *cause;
        for caller in callers.iter().rev() {
            // A companion has no call site.
            sites.extend(self.call_site(*caller, callee));
            callee = *caller;
        }
        if !sites.is_empty() {
            let further = |diagnostic: &Diagnostic| {
                let mut diagnostic = diagnostic.clone();
                for (caller, span) in sites.iter().take(CHAIN_MAX) {
                    diagnostic.called_from(TemplateName::clone(caller), *span);
                }
                diagnostic
            };
            why.diagnostics = why.diagnostics.iter().map(further).collect();
        }
        Some(why)
    }

    fn call_site(&self, caller: TemplateId, callee: TemplateId) -> Option<(&TemplateName, crate::diagnostic::Span)> {
        let member = self.member(caller)?;
        let call = member.callees.iter().position(|other| *other == callee)?;
        Some((&member.name, member.unit.calls().get(call)?.span))
    }

    /// Returns the shortest paths from a bad template to the nearest faults, both included, at most `max`.
    fn paths_to_faults(self, id: TemplateId, max: usize) -> Vec<Vec<TemplateId>> {
        let mut paths = Vec::new();
        if !self.is_bad(id) {
            return paths;
        }
        // Each template that was found, with the place of the one from which it was.
        let mut found = vec![(id, 0)];
        let mut seen: HashSet<TemplateId, NameHasher> = HashSet::default();
        let mut at = 0;
        while let Some((here, _)) = found.get(at).copied() {
            if self.has_fault(here) {
                let (mut path, mut back) = (vec![here], at);
                while back > 0 {
                    back = found[back].1;
                    path.push(found[back].0);
                }
                path.reverse();
                paths.push(path);
                if paths.len() >= max {
                    break;
                }
                // The view has an older text of this template, whose calls say nothing about the newest.
                at += 1;
                continue;
            }
            let new = self.bad_targets(here).filter(|target| seen.insert(*target));
            found.extend(new.map(|target| (target, at)));
            at += 1;
        }
        paths
    }

    /// Returns the bad callees and companions of a template, in the order of its text. Of a template without a fault of its own the view
    /// has the newest text.
    fn bad_targets(&self, id: TemplateId) -> impl Iterator<Item = TemplateId> {
        let member = self.member(id).into_iter();
        let targets = member.flat_map(|member| member.callees.iter().chain(&member.companions));
        targets.copied().filter(|target| self.is_bad(*target))
    }
}

impl Content {
    /// Returns the reason why the newest text of a template is not served; `None` if it is.
    pub(crate) fn why(&self, id: TemplateId, names: &Index) -> Option<Why> {
        self.everyone().why(id, names)
    }

    /// Returns the reasons of several faults that a template reaches, the nearest first, at most `max`.
    pub(crate) fn whys(&self, id: TemplateId, names: &Index, max: usize) -> Vec<Why> {
        self.everyone().whys(id, names, max)
    }

    /// Returns the bad callees and companions of a template, in the order of its text.
    fn bad_targets(&self, id: TemplateId) -> impl Iterator<Item = TemplateId> {
        let member = self.view.member(id).into_iter();
        let targets = member.flat_map(|member| member.callees.iter().chain(&member.companions));
        targets.copied().filter(|target| self.is_bad(*target))
    }

    /// Returns the faults of a cause: those of a text, or the one of calls of a template that does not exist, without a place.
    pub(crate) fn faults_of_cause(&self, cause: TemplateId) -> Option<Arc<[Diagnostic]>> {
        match self.faults.of_absent(cause) {
            Some(absent) => Some(Arc::new([Diagnostic::clone(absent)])),
            None => self.faults.of(cause, &self.view),
        }
    }

    /// Returns the texts that have the fault of a cause by themselves: those of some templates that call a template that does not exist, or
    /// the cause itself.
    pub(crate) fn texts_of_cause(&self, cause: TemplateId, of: &IdSet) -> impl Iterator<Item = TemplateId> {
        let is_absent = self.faults.of_absent(cause).is_some();
        let calls = move |id: &TemplateId| self.faults.has(*id) && self.faults.cause_of(*id, &self.view) == cause;
        let callers = is_absent.then(|| of.iter().filter(calls)).into_iter().flatten();
        callers.chain((!is_absent).then_some(cause))
    }

    /// Groups bad templates by a nearest cause, in time linear in the bad templates that they reach. Of causes that are equally near, it
    /// takes any.
    pub(crate) fn causes(&self, of: &IdSet) -> Vec<(TemplateId, IdSet)> {
        if of.is_empty() {
            return Vec::new();
        }
        // Mostly one text has a fault, or one template does not exist, and all bad templates reach it.
        if let Some(cause) = self.faults.only_cause() {
            return vec![(cause, of.clone())];
        }
        let mut reached = of.clone();
        let mut open: Vec<TemplateId> = of.iter().collect();
        let mut causes = Vec::new();
        while let Some(id) = open.pop() {
            if self.faults.has(id) {
                causes.push(id);
                continue;
            }
            open.extend(self.bad_targets(id).filter(|target| reached.insert(*target)));
        }
        match causes.as_slice() {
            [] => Vec::new(),
            [cause] => vec![(self.faults.cause_of(*cause, &self.view), of.clone())],
            _ => self.nearest(of, &reached, causes),
        }
    }

    /// Groups templates by the nearest of several causes: a breadth-first search from all causes at once, over reverse edges. `reached`
    /// are all bad templates that may lie between them.
    fn nearest(&self, of: &IdSet, reached: &IdSet, causes: Vec<TemplateId>) -> Vec<(TemplateId, IdSet)> {
        let has_no_fault = |id: &TemplateId| !self.faults.has(*id);
        let edges = reached.iter().filter(has_no_fault);
        let edges = edges.flat_map(|caller| self.bad_targets(caller).map(move |callee| (callee, caller)));
        let mut edges: Vec<(TemplateId, TemplateId)> = edges.collect();
        edges.sort_unstable();
        let mut cause_of: HashMap<TemplateId, TemplateId, NameHasher> = causes
            .iter()
            .map(|id| (*id, self.faults.cause_of(*id, &self.view)))
            .collect();
        let mut order = causes;
        let mut at = 0;
        while let Some(id) = order.get(at).copied() {
            at += 1;
            let cause = cause_of.get(&id).copied().unwrap_or(id);
            let first = edges.partition_point(|(callee, _)| *callee < id);
            for (_, caller) in edges[first..].iter().take_while(|(callee, _)| *callee == id) {
                cause_of.entry(*caller).or_insert_with(|| {
                    order.push(*caller);
                    cause
                });
            }
        }
        let mut groups: HashMap<TemplateId, IdSet, NameHasher> = HashMap::default();
        for id in of.iter() {
            if let Some(cause) = cause_of.get(&id) {
                groups.entry(*cause).or_default().insert(id);
            }
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_unstable_by_key(|(cause, _)| *cause);
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(cause: &str, message: &str) -> Option<Why> {
        Some(Why {
            diagnostics: Arc::new([Diagnostic::error("a-code", message)]),
            cause: TemplateName::new(cause).expect("a name"),
        })
    }

    #[test]
    fn a_reason_is_searched_for_once() {
        let reasons = RecentReasons::default();
        let id = |number: usize| TemplateId(u32::try_from(number).expect("small"));
        let first = reasons.get_or_find(id(1), || why("one", "m")).expect("is found");
        let again = reasons.get_or_find(id(1), || panic!("is known")).expect("is known");
        assert!(Arc::ptr_eq(&first, &again));
        // Another template with the same slot takes it.
        let other = reasons.get_or_find(id(1 + REASONS_MAX), || why("two", "m"));
        assert_eq!(other.expect("is found").cause.as_str(), "two");
        assert!(reasons.get_or_find(id(1), || None).is_none(), "is not remembered");
        // Nothing is remembered beyond the bound.
        for (bytes, is_known) in [
            (REASON_BYTES_MAX - size_of::<Diagnostic>(), true),
            (REASON_BYTES_MAX, false),
        ] {
            let long = "x".repeat(bytes);
            let found = reasons.get_or_find(id(2), || why("long", &long)).expect("is found");
            let mut searched = false;
            let again = reasons.get_or_find(id(2), || {
                searched = true;
                why("long", &long)
            });
            assert_eq!(
                (Arc::ptr_eq(&found, &again.expect("is found")), searched),
                (is_known, !is_known)
            );
            reasons.get_or_find(id(2 + REASONS_MAX), || why("other", "m"));
        }
    }
}
