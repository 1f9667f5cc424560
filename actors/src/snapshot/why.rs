//! [`Why`]: the reason why the newest text of a template is not served, found when it is asked for.
//!
//! A content keeps only the faults of each text and the set of bad templates. The reason for a template is the nearest fault that it
//! reaches: a breadth-first search over its calls and companions finds it. Where two faults are equally near, the first call in the text
//! decides, because the search visits the callees of a text in their order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::NameHasher;
use super::content::Content;
use super::id_set::IdSet;
use super::index::Index;
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

/// Returns true if two lists are the same faults. The help may differ, because it depends on the names that existed at the time.
pub(crate) fn are_same_faults(one: &[Diagnostic], other: &[Diagnostic]) -> bool {
    let without_help = |diagnostic: &Diagnostic| {
        let mut diagnostic = diagnostic.clone();
        diagnostic.help = None;
        diagnostic
    };
    std::ptr::eq(one, other) || one.iter().map(without_help).eq(other.iter().map(without_help))
}

impl Content {
    /// Returns the reason why the newest text of a template is not served; `None` if it is.
    pub(crate) fn why(&self, id: TemplateId, names: &Index) -> Option<Why> {
        self.whys(id, names, 1).pop()
    }

    /// Returns the reasons of several faults that a template reaches, the nearest first, at most `max`.
    pub(crate) fn whys(&self, id: TemplateId, names: &Index, max: usize) -> Vec<Why> {
        let paths = self.paths_to_faults(id, max).into_iter();
        paths.filter_map(|path| self.why_of(&path, names)).collect()
    }

    /// Returns the reason at the end of a path.
    fn why_of(&self, path: &[TemplateId], names: &Index) -> Option<Why> {
        let (cause, callers) = path.split_last()?;
        let mut why = Why {
            diagnostics: Arc::clone(self.faults.get(*cause)?),
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
        let member = self.view.member(caller)?;
        let call = member.callees.iter().position(|other| *other == callee)?;
        Some((&member.name, member.unit.calls().get(call)?.span))
    }

    /// Returns the shortest paths from a bad template to the nearest faults, both included, at most `max`.
    fn paths_to_faults(&self, id: TemplateId, max: usize) -> Vec<Vec<TemplateId>> {
        let mut paths = Vec::new();
        if !self.is_bad(id) {
            return paths;
        }
        // Each template that was found, with the place of the one from which it was.
        let mut found = vec![(id, 0)];
        let mut seen: HashSet<TemplateId, NameHasher> = HashSet::default();
        let mut at = 0;
        while let Some((here, _)) = found.get(at).copied() {
            if self.faults.get(here).is_some() {
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
        let member = self.view.member(id).into_iter();
        let targets = member.flat_map(|member| member.callees.iter().chain(&member.companions));
        targets.copied().filter(|target| self.is_bad(*target))
    }

    /// Groups bad templates by a nearest cause, in time linear in the bad templates that they reach. Of causes that are equally near, it
    /// takes any.
    pub(crate) fn causes(&self, of: &IdSet) -> Vec<(TemplateId, IdSet)> {
        if of.is_empty() {
            return Vec::new();
        }
        // Mostly one text has a fault, and all bad templates reach it.
        let mut faulty = self.faults.iter().map(|(id, _)| id);
        if let (Some(cause), None) = (faulty.next(), faulty.next()) {
            return vec![(cause, of.clone())];
        }
        let mut reached = of.clone();
        let mut open: Vec<TemplateId> = of.iter().collect();
        let mut causes = Vec::new();
        while let Some(id) = open.pop() {
            if self.faults.get(id).is_some() {
                causes.push(id);
                continue;
            }
            open.extend(self.bad_targets(id).filter(|target| reached.insert(*target)));
        }
        match causes.as_slice() {
            [] => Vec::new(),
            [cause] => vec![(*cause, of.clone())],
            _ => self.nearest(of, &reached, causes),
        }
    }

    /// Groups templates by the nearest of several causes: a breadth-first search from all causes at once, over reverse edges. `reached`
    /// are all bad templates that may lie between them.
    fn nearest(&self, of: &IdSet, reached: &IdSet, causes: Vec<TemplateId>) -> Vec<(TemplateId, IdSet)> {
        let has_no_fault = |id: &TemplateId| self.faults.get(*id).is_none();
        let edges = reached.iter().filter(has_no_fault);
        let edges = edges.flat_map(|caller| self.bad_targets(caller).map(move |callee| (callee, caller)));
        let mut edges: Vec<(TemplateId, TemplateId)> = edges.collect();
        edges.sort_unstable();
        let mut cause_of: HashMap<TemplateId, TemplateId, NameHasher> = causes.iter().map(|id| (*id, *id)).collect();
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
