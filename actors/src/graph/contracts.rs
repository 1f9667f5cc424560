//! The contract of a draft: violations become faults of the entries that break it, or reasons to refuse the batch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::plan::Graph;
use crate::contract::{Checks, ContractPolicy, as_warnings, not_checked, required_missing, until};
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::protocol::batch::CompiledBatch;
use crate::snapshot::IdSet;
use crate::template::TemplateName;

/// Violations that the reason of a refused batch describes.
const DESCRIBED_MAX: usize = 5;

/// The result of checking a draft.
#[derive(Debug, Default)]
pub(crate) struct ContractOutcome {
    /// The templates whose status was decided again.
    pub(crate) reviewed: IdSet,
    /// The violations because of which the batch is refused.
    pub(crate) refused: Vec<Diagnostic>,
    /// The number of entries that were checked.
    pub(crate) checked: usize,
}

impl ContractOutcome {
    /// Returns the reason why the batch is refused, if it is.
    pub(crate) fn reason(&self) -> Option<String> {
        let mut described = self.refused.iter().take(DESCRIBED_MAX).map(ToString::to_string);
        let first = described.next()?;
        let rest: String = described.map(|violation| format!("\n{violation}")).collect();
        let more = match self.refused.len().saturating_sub(DESCRIBED_MAX) {
            0 => String::new(),
            more => format!("\nand {more} more"),
        };
        Some(format!("the contract is broken:\n{first}{rest}{more}"))
    }
}

impl Graph {
    /// Checks the entries that a batch may have changed, for everyone in each stage, and gives faults to those that break their contract. The
    /// graph is a draft to which the batches have been applied.
    pub(crate) fn keep_contract(&mut self, batches: &[&CompiledBatch], checks: &Checks) -> ContractOutcome {
        if !checks.contract.is_any(&checks.samples) {
            return ContractOutcome::default();
        }
        let mut outcome = self.keep_contract_of_stage(batches, checks);
        self.each_later(|graph| {
            let later = graph.keep_contract_of_stage(batches, checks);
            outcome.refused.extend(later.refused);
            outcome.checked += later.checked;
        });
        outcome
    }

    fn keep_contract_of_stage(&mut self, batches: &[&CompiledBatch], checks: &Checks) -> ContractOutcome {
        let mut outcome = ContractOutcome::default();
        let candidates = self.candidates(batches, checks);
        // Without the violations of before, so that an entry that no longer breaks its contract is good again.
        let before = self.violating().and(&candidates);
        let cleared: Vec<TemplateId> = before.iter().collect();
        outcome.reviewed = self.set_violations(cleared.iter().map(|id| (*id, None)));
        let until = until(&checks.limits);
        let mut violations = Vec::new();
        for id in candidates.iter() {
            self.warn(id, Vec::new());
            if !self.is_good(id) {
                continue;
            }
            let Some((entry, closure)) = self.closure(id) else {
                continue;
            };
            let (contract, limits) = (&checks.contract, &checks.limits);
            let found = match Instant::now() < until {
                true => contract.check(closure, self.index(), &checks.samples, limits, until),
                false => {
                    let warning = not_checked(&entry, limits);
                    self.warn(id, vec![warning]);
                    continue;
                }
            };
            let Some(mut found) = found else { continue };
            outcome.checked += 1;
            if !found.violations.is_empty() {
                match contract.policy(&entry) {
                    ContractPolicy::Warn => found
                        .warnings
                        .extend(as_warnings(std::mem::take(&mut found.violations))),
                    ContractPolicy::RefuseEntry => {
                        let faults: Arc<[Diagnostic]> = std::mem::take(&mut found.violations).into();
                        violations.push((id, Some(faults)));
                    }
                    ContractPolicy::RefuseBatch => outcome.refused.append(&mut found.violations),
                }
            }
            self.warn(id, found.warnings);
        }
        outcome.reviewed = outcome.reviewed.or(&self.set_violations(violations.into_iter()));
        self.check_required(checks, &mut outcome);
        outcome
    }

    /// Returns the templates to check: those that a changed text reaches, or all if a schema or a sample has changed.
    fn candidates(&self, batches: &[&CompiledBatch], checks: &Checks) -> IdSet {
        let changed = batches.iter().flat_map(|batch| {
            let texts = batch.texts.iter().map(|(key, _)| key);
            texts.chain(&batch.removed).map(|key| &key.name)
        });
        let changed: BTreeSet<&TemplateName> = changed.collect();
        let is_everything = batches.iter().any(|batch| batch.complete);
        match is_everything || changed.iter().any(|name| checks.contract.is_contract_text(name)) {
            true => self.defined_ids().clone(),
            false => self.reached_from(changed.into_iter().cloned()).and(self.defined_ids()),
        }
    }

    /// Checks the required templates. One that does not exist refuses the batch, unless the policy is to warn: there is no older version of
    /// it beside the others. One that is broken is treated as any other broken template, unless the policy refuses the batch.
    fn check_required(&mut self, checks: &Checks, outcome: &mut ContractOutcome) {
        let mut warnings = Vec::new();
        for name in checks.contract.required() {
            let policy = checks.contract.policy(name);
            let id = self.id(name).filter(|id| self.defined_ids().contains(*id));
            let fault = match id {
                None => required_missing(name, self.names()),
                Some(id) if policy == ContractPolicy::RefuseBatch && !self.is_good(id) => {
                    let why = self.first_fault(id);
                    let fault =
                        Diagnostic::error("required-template", format!("the required template `{name}` is broken"));
                    match why {
                        Some(why) => why,
                        None => fault.in_template(name),
                    }
                }
                Some(_) => continue,
            };
            match policy {
                _ if checks.contract.only_reports() => warnings.push(fault),
                ContractPolicy::Warn => warnings.extend(as_warnings(vec![fault])),
                ContractPolicy::RefuseEntry | ContractPolicy::RefuseBatch => outcome.refused.push(fault),
            }
        }
        self.warn_of_required(warnings);
    }
}
