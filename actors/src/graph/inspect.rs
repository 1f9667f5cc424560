//! Inspects templates for faults: step 2 of [`plan`](super::plan), with the cycles of `extends`.

use std::sync::Arc;

use super::faults::{FaultFinder, SuggestionCache, faults_of_broken};
use super::plan::{Graph, OrderedIds, effective_text};
use crate::diagnostic::{Diagnostic, Span};
use crate::dialect::{CallKind, FormatterUse, Members, TemplateId};
use crate::protocol::batch::CompiledText;
use crate::snapshot::{IdSet, TextFaults};
use crate::template::TemplateName;

/// The number of templates that the message about a cycle lists.
const CYCLE_LISTED_MAX: usize = 8;

impl Graph {
    /// Finds the cycles of `extends` that the inspected templates are part of, and adds all templates of them, and of the cycles that were
    /// known, to the inspected ones: opening a cycle is news for each of its templates.
    pub(super) fn inspect_cycles(&mut self, inspected: &mut OrderedIds) {
        let known = std::mem::take(&mut self.cycles);
        known.iter().for_each(|id| inspected.push(id));
        for id in self.cycles_from(&inspected.ids) {
            self.cycles.insert(id);
            inspected.push(id);
        }
    }

    /// Returns the templates of all cycles of `extends` that some templates are part of, or lead to.
    pub(super) fn cycles_from(&self, ids: &[TemplateId]) -> Vec<TemplateId> {
        cycles(ids, |id| self.parent(id).map(|(parent, _)| parent))
    }

    /// Returns the template that a template always extends, with the place where it says so.
    pub(super) fn parent(&self, id: TemplateId) -> Option<(TemplateId, Span)> {
        // The view has the last text that compiled, also where the newest one does not.
        let is_newest = matches!(self.text(id).map(|text| &**text), Some(CompiledText::Unit { .. }));
        let member = self.view.member(id).filter(|_| is_newest)?;
        let calls = member.unit.calls().iter();
        let (at, call) = calls.enumerate().find(|(_, call)| call.kind == CallKind::Extends)?;
        Some((*member.callees.get(at)?, call.span))
    }

    /// Updates the faults of some templates.
    pub(super) fn inspect(&mut self, ids: &[TemplateId]) {
        let (names, defined) = (&self.names, &self.defined);
        let exists = |name: &TemplateName| names.get(name.as_str()).is_some_and(|id| defined.contains(id));
        let mut finder = FaultFinder {
            formatters: &self.formatters,
            exists,
            names: || defined.iter().filter_map(|id| names.name(id)),
            suggestions: SuggestionCache::default(),
        };
        for id in ids {
            let (Some(name), Some(text)) = (names.name(*id), effective_text(&self.hold, &self.loaders, *id)) else {
                continue;
            };
            // Whether it breaks its contract is decided again.
            self.violating.remove(*id);
            let unit = match &**text {
                CompiledText::Unit { unit, .. } => unit,
                CompiledText::Broken { diagnostics, .. } => {
                    let faults = faults_of_broken(name, diagnostics);
                    self.faults.set(*id, TextFaults::Listed(faults));
                    continue;
                }
            };
            let has = |used: &FormatterUse| self.formatters.get(&used.name).is_some();
            if !unit.formatters().iter().all(has) {
                let faults = finder.faults_of_unit(name, &**unit);
                self.faults.set(*id, TextFaults::Listed(faults));
                continue;
            }
            let member = self.view.member(*id).into_iter();
            let calls = member.flat_map(|member| unit.calls().iter().zip(&member.callees));
            let missing = calls.filter(|(call, callee)| call.kind != CallKind::Optional && !defined.contains(**callee));
            let mut has_missing = false;
            for (call, callee) in missing {
                has_missing = true;
                self.faults.note_absent(*callee, || finder.unknown_template(&call.name));
            }
            let faults = match (has_missing, self.cycles.contains(*id)) {
                (true, _) => TextFaults::OnlyCalls,
                (false, true) => TextFaults::Listed(self.cycle(*id, name).into_iter().collect()),
                (false, false) => TextFaults::Listed(Arc::default()),
            };
            self.faults.set(*id, faults);
        }
    }

    /// Returns the fault of a template that extends itself.
    fn cycle(&self, id: TemplateId, name: &TemplateName) -> Option<Diagnostic> {
        let text = self.view.member(id)?.unit.text();
        cycle_fault((id, name, text), |id| self.parent(id), |id| self.names.name(id))
    }
}

/// Returns the fault of a template that extends itself, given what each template extends.
pub(super) fn cycle_fault<'n>(
    (id, name, text): (TemplateId, &TemplateName, &str),
    parent: impl Fn(TemplateId) -> Option<(TemplateId, Span)>,
    name_of: impl Fn(TemplateId) -> Option<&'n TemplateName>,
) -> Option<Diagnostic> {
    let (first, span) = parent(id)?;
    let parents = std::iter::successors(Some(first), |here| parent(*here).map(|(parent, _)| parent));
    let between = parents.take_while(|parent| *parent != id);
    let names: Vec<&str> = between
        .take(CYCLE_LISTED_MAX + 1)
        .filter_map(name_of)
        .map(TemplateName::as_str)
        .collect();
    let mut message = format!("`{name}` extends ");
    for (at, parent) in names.iter().enumerate() {
        match at {
            CYCLE_LISTED_MAX => message.push_str("…, "),
            _ => message.push_str(&format!("`{parent}`, which extends ")),
        }
    }
    message.push_str("itself");
    let fault = Diagnostic::error("extends-cycle", message).help("take one of these `extends` out");
    Some(fault.in_template(name).at_span(text, span))
}

/// Returns the members of all cycles that a search along `next` finds, which takes each template once.
pub(super) fn cycles(from: &[TemplateId], next: impl Fn(TemplateId) -> Option<TemplateId>) -> Vec<TemplateId> {
    let mut found = Vec::new();
    let mut seen = IdSet::default();
    for start in from {
        let mut path = Vec::new();
        let mut here = Some(*start);
        while let Some(id) = here.filter(|id| seen.insert(*id)) {
            path.push(id);
            here = next(id);
        }
        // Either a template of an earlier search, or one of this path, which closes a cycle.
        if let Some(begin) = path.iter().position(|id| Some(*id) == here) {
            found.extend(path.drain(begin..));
        }
    }
    found
}
