//! [`Faults`]: what is wrong with each text by itself.

use std::sync::Arc;

use super::chunks::Chunks;
use super::id_set::IdSet;
use super::view::View;
use crate::diagnostic::Diagnostic;
use crate::dialect::{CallKind, Member, Members, TemplateId};

/// The number of faults that are listed of one template. More would not help its author.
pub(crate) const FAULTS_MAX: usize = 20;

/// The faults of each text that has any. A clone shares nearly all memory.
///
/// A partial that is removed is a fault of each of its callers, of which there may be ten thousand. So the fault is kept once, for the template
/// that does not exist, and a caller is a bit; its place in a text is found when it is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// The faults of texts that have other faults than calls, with their places.
    listed: Chunks<Arc<[Diagnostic]>>,
    /// The texts of which every fault is a call of a template that does not exist.
    callers: IdSet,
    /// The fault of such a call without its place, by the template that does not exist.
    absent: Chunks<Arc<Diagnostic>>,
}

/// The faults of a text that was inspected.
pub(crate) enum TextFaults {
    /// Faults with their places; there may be none.
    Listed(Arc<[Diagnostic]>),
    /// Each fault is a call of a template that does not exist.
    OnlyCalls,
}

impl Faults {
    /// Returns true if a text has a fault.
    pub(crate) fn has(&self, id: TemplateId) -> bool {
        self.callers.contains(id) || self.listed.get(id).is_some()
    }

    /// Returns true if these are the same faults.
    pub(crate) fn are(&self, other: &Self) -> bool {
        self.callers == other.callers
            && self.listed.differences(&other.listed, Arc::ptr_eq).is_empty()
            && self.absent.differences(&other.absent, Arc::ptr_eq).is_empty()
    }

    /// Returns every text that has a fault.
    pub(crate) fn texts(&self) -> impl Iterator<Item = TemplateId> {
        self.listed.iter().map(|(id, _)| id).chain(self.callers.iter())
    }

    /// Returns the faults of a text of a view, in the order of the text.
    pub(crate) fn of(&self, id: TemplateId, view: &View) -> Option<Arc<[Diagnostic]>> {
        if let Some(listed) = self.listed.get(id) {
            return Some(Arc::clone(listed));
        }
        let member = view.member(id).filter(|_| self.callers.contains(id))?;
        let calls = member.unit.calls();
        let mut faults: Vec<_> = self
            .absent_calls(member)
            .filter_map(|(call, absent)| Some((calls.get(call)?.span, self.absent.get(absent)?)))
            .take(FAULTS_MAX)
            .collect();
        faults.sort_by_key(|(span, _)| (span.line, span.column));
        let placed = faults.into_iter().map(|(span, fault)| {
            let fault = Diagnostic::clone(fault).in_template(&member.name);
            fault.at_span(member.unit.text(), span)
        });
        Some(placed.collect())
    }

    /// Returns the number of faults of a text.
    pub(crate) fn count_of(&self, id: TemplateId, view: &View) -> usize {
        if let Some(listed) = self.listed.get(id) {
            return listed.len();
        }
        let member = view.member(id).filter(|_| self.callers.contains(id)).into_iter();
        member
            .flat_map(|member| self.absent_calls(member))
            .take(FAULTS_MAX)
            .count()
    }

    /// Returns the cause that a text with a fault is grouped by: a template that it calls and that does not exist, or the text itself.
    pub(crate) fn cause_of(&self, id: TemplateId, view: &View) -> TemplateId {
        let member = view.member(id).filter(|_| self.callers.contains(id)).into_iter();
        let mut absent = member.flat_map(|member| self.absent_calls(member));
        absent.next().map_or(id, |(_, absent)| absent)
    }

    /// Returns the cause of all faults, if there is only one.
    pub(crate) fn only_cause(&self) -> Option<TemplateId> {
        let mut listed = self.listed.iter().map(|(id, _)| id);
        let mut absent = self.absent.iter().map(|(id, _)| id);
        match (self.callers.is_empty(), listed.next(), listed.next()) {
            (true, Some(cause), None) => Some(cause),
            (false, None, None) => absent.next().filter(|_| absent.next().is_none()),
            _ => None,
        }
    }

    /// Returns the fault of calls of a template that does not exist, without a place.
    pub(crate) fn of_absent(&self, id: TemplateId) -> Option<&Arc<Diagnostic>> {
        self.absent.get(id)
    }

    /// Returns the calls of templates that do not exist, each as its place in the list of calls with the template.
    fn absent_calls(&self, member: &Member) -> impl Iterator<Item = (usize, TemplateId)> {
        let calls = member.unit.calls().iter().zip(&member.callees).enumerate();
        let required = calls.filter(|(_, (call, _))| call.kind != CallKind::Optional);
        let all = required.map(|(at, (_, callee))| (at, *callee));
        all.filter(|(_, callee)| self.absent.get(*callee).is_some())
    }

    /// Replaces the faults of a text.
    pub(crate) fn set(&mut self, id: TemplateId, faults: TextFaults) {
        match faults {
            TextFaults::OnlyCalls => {
                self.listed.set(id, None);
                self.callers.insert(id);
            }
            TextFaults::Listed(listed) => {
                self.callers.remove(id);
                let is_known = self
                    .listed
                    .get(id)
                    .is_some_and(|before| are_same_faults(before, &listed));
                if !is_known {
                    self.listed.set(id, Some(listed).filter(|listed| !listed.is_empty()));
                }
            }
        }
    }

    /// Clears the faults of a text that was removed.
    pub(crate) fn clear(&mut self, id: TemplateId) {
        self.listed.set(id, None);
        self.callers.remove(id);
    }

    /// Notes the fault of calls of a template that does not exist, unless it is known.
    pub(crate) fn note_absent(&mut self, id: TemplateId, fault: impl FnOnce() -> Diagnostic) {
        if self.absent.get(id).is_none() {
            self.absent.set(id, Some(Arc::new(fault())));
        }
    }

    /// Returns the bytes that are not shared with other faults, texts of diagnostics not counted.
    #[cfg(test)]
    pub(crate) fn bytes_not_shared(&self, other: &Self) -> usize {
        let chunks = self.listed.chunks_not_shared(&other.listed) + self.absent.chunks_not_shared(&other.absent);
        self.callers.bytes_not_shared(&other.callers) + chunks * 32 * size_of::<Arc<[Diagnostic]>>()
    }

    /// Forgets the fault of calls of a template, because it exists now, or nothing calls it any more.
    pub(crate) fn forget_absent(&mut self, id: TemplateId) {
        self.absent.set(id, None);
    }
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
