//! [`Contract`]: the agreement between templates and the program that renders them.
//!
//! A contract has three parts, each of which is optional. Templates that are required exist and are good. An entry with a JSON Schema of its
//! context reads no field that the schema does not have (`check`, by the rules of `shape`). An entry with a sample of its context is
//! rendered with it. A plan is checked before it is published, so that an edit that needs a field that the program does not have is refused
//! before a visitor sees it. Only entries that a batch may have changed are checked.

mod check;
#[cfg(feature = "contract")]
mod sample;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Severity};
use crate::dialect::Closure;
use crate::limits::Limits;
use crate::protocol::render::{RenderFailure, RenderOptions};
use crate::reader::unserved::render_once;
use crate::samples::{SampleTexts, Samples};
use crate::snapshot::index::Index;
use crate::suggestion::suggestion;
use crate::template::TemplateName;

/// The treatment of an entry that breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContractPolicy {
    /// It is published, with a warning.
    Warn,
    /// Its last good version is still served, as if it did not compile. The rest of the batch is published.
    #[default]
    RefuseEntry,
    /// Nothing of the batch is published.
    RefuseBatch,
}

type PolicyChoice = dyn Fn(&TemplateName) -> Option<ContractPolicy> + Send + Sync;
type SchemaNames = dyn Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync;
type IsContractText = dyn Fn(&TemplateName) -> bool + Send + Sync;

/// The contract of an engine.
#[derive(Default)]
pub(crate) struct Contract {
    required: BTreeSet<TemplateName>,
    /// The schemas that are registered in code.
    schemas: BTreeMap<TemplateName, Value>,
    /// The names of the texts that may be the schema of an entry; the last one that exists counts.
    schema_names: Vec<Box<SchemaNames>>,
    /// Returns true for the name of a text that is a schema or a sample.
    contract_texts: Vec<Box<IsContractText>>,
    policy: ContractPolicy,
    policies: Vec<Box<PolicyChoice>>,
    /// True if no batch is refused, so that all violations are found at once.
    only_reports: bool,
}

/// The result of checking an entry.
#[derive(Debug, Default)]
pub(crate) struct EntryFindings {
    /// The violations, at least one if the entry breaks its contract.
    pub(crate) violations: Vec<Diagnostic>,
    /// The warnings: fields that may be absent.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Contract {
    pub(crate) fn require(&mut self, name: TemplateName) {
        self.required.insert(name);
    }

    pub(crate) fn schema(&mut self, entry: TemplateName, schema: Value) {
        self.schemas.insert(entry, schema);
    }

    pub(crate) fn schema_names(&mut self, names: impl Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync + 'static) {
        self.schema_names.push(Box::new(names));
    }

    pub(crate) fn contract_texts(&mut self, is_text: impl Fn(&TemplateName) -> bool + Send + Sync + 'static) {
        self.contract_texts.push(Box::new(is_text));
    }

    pub(crate) fn set_policy(&mut self, policy: ContractPolicy) {
        self.policy = policy;
    }

    pub(crate) fn choose_policy(
        &mut self,
        choose: impl Fn(&TemplateName) -> Option<ContractPolicy> + Send + Sync + 'static,
    ) {
        self.policies.push(Box::new(choose));
    }

    /// Returns false if there is nothing to check.
    pub(crate) fn is_any(&self, samples: &Samples) -> bool {
        let has_texts = !self.schema_names.is_empty() || !self.contract_texts.is_empty();
        has_texts || !self.required.is_empty() || !self.schemas.is_empty() || samples.is_any_registered()
    }

    /// Returns true for the name of a schema or a sample. Its change may concern any entry.
    pub(crate) fn is_contract_text(&self, name: &TemplateName) -> bool {
        self.contract_texts.iter().any(|is_text| is_text(name))
    }

    /// Returns the required templates.
    pub(crate) fn required(&self) -> impl Iterator<Item = &TemplateName> {
        self.required.iter()
    }

    /// Returns the policy for a template.
    pub(crate) fn policy(&self, name: &TemplateName) -> ContractPolicy {
        let chosen = self.policies.iter().find_map(|choose| choose(name));
        match chosen.unwrap_or(self.policy) {
            ContractPolicy::RefuseBatch if self.only_reports => ContractPolicy::RefuseEntry,
            policy => policy,
        }
    }

    /// Refuses no batch, so that all violations are found at once.
    pub(crate) fn only_report(&mut self) {
        self.only_reports = true;
    }

    /// Returns true if no batch is refused.
    pub(crate) fn only_reports(&self) -> bool {
        self.only_reports
    }

    /// Checks an entry that has no fault otherwise; `None` if it has neither a schema nor a sample. A render ends at `until` at the latest.
    pub(crate) fn check(
        &self,
        closure: Closure<'_>,
        names: &Index,
        samples: &Samples,
        limits: &Limits,
        until: Instant,
    ) -> Option<EntryFindings> {
        let texts = SampleTexts::new(closure, names);
        let entry = texts.entry();
        let mut findings = EntryFindings::default();
        let mut is_checked = false;
        let mut is_refused = false;
        if let Some(schema) = self.schema_of(&texts) {
            is_checked = true;
            match schema {
                Ok(schema) => {
                    check::check(closure, &schema, limits, &mut findings);
                    is_refused = compare_sample(&texts, samples, &schema, &mut findings);
                }
                Err(fault) => findings.violations.push(*fault),
            }
        }
        // A render with a sample that the schema refuses would report the consequence of the same mistake.
        if let Some(sample) = samples.checked(&texts).filter(|_| !is_refused) {
            is_checked = true;
            let options = RenderOptions {
                deadline: Some(until),
                ..RenderOptions::default()
            };
            match render_once(limits, &closure, &*sample, &options) {
                Ok(_) => {}
                // The time of all checks is over, which is no fault of this entry.
                Err(RenderFailure::Unavailable(_)) => findings.warnings.push(not_checked(entry, limits)),
                // The schema does not have a field, and neither has the sample: that is one mistake.
                Err(RenderFailure::Failed(error))
                    if findings
                        .violations
                        .iter()
                        .any(|known| known.overlaps(&error.diagnostic)) => {}
                Err(RenderFailure::Failed(error)) => findings.violations.push(*error.diagnostic),
                Err(other) => {
                    let fault = Diagnostic::error("sample-not-rendered", other.to_string());
                    findings.violations.push(fault.in_template(entry));
                }
            }
        }
        is_checked.then_some(findings)
    }

    /// Returns the schema of an entry, if it has one.
    fn schema_of(&self, texts: &SampleTexts<'_>) -> Option<Result<std::borrow::Cow<'_, Value>, Box<Diagnostic>>> {
        let entry = texts.entry();
        if let Some(schema) = self.schemas.get(entry) {
            return Some(Ok(std::borrow::Cow::Borrowed(schema)));
        }
        let names = self.schema_names.iter().flat_map(|names| names(entry));
        let found = names.filter_map(|name| Some((texts.unit(name.as_str())?, name)));
        let (unit, name) = found.last()?;
        Some(match serde_json::from_str(unit.text()) {
            Ok(schema) => valid(schema, &name).map(std::borrow::Cow::Owned),
            Err(error) => {
                let fault = Diagnostic::error("bad-schema", format!("the schema is not JSON: {error}"));
                Err(Box::new(fault.in_template(&name)))
            }
        })
    }
}

/// Compares the sample of an entry with its schema. Returns true if the schema refuses it.
#[cfg(feature = "contract")]
fn compare_sample(texts: &SampleTexts<'_>, samples: &Samples, schema: &Value, findings: &mut EntryFindings) -> bool {
    let Some(sample) = samples.json(texts) else {
        return false;
    };
    match sample::compare(texts.entry(), &sample, schema) {
        Ok(refused) => {
            let is_refused = !refused.is_empty();
            findings.violations.extend(refused);
            is_refused
        }
        Err(warning) => {
            findings.warnings.push(*warning);
            false
        }
    }
}

#[cfg(not(feature = "contract"))]
fn compare_sample(_: &SampleTexts<'_>, _: &Samples, _: &Value, _: &mut EntryFindings) -> bool {
    false
}

/// Checks a schema by the schema of schemas. References to other documents are never fetched.
#[cfg(feature = "contract")]
fn valid(schema: Value, name: &TemplateName) -> Result<Value, Box<Diagnostic>> {
    match jsonschema::meta::validate(&schema) {
        Ok(()) => Ok(schema),
        Err(error) => {
            let place = error.instance_path().to_string();
            let message = format!("this is no JSON Schema: {error} (at `{place}`)");
            Err(Box::new(Diagnostic::error("bad-schema", message).in_template(name)))
        }
    }
}

#[cfg(not(feature = "contract"))]
fn valid(schema: Value, _: &TemplateName) -> Result<Value, Box<Diagnostic>> {
    Ok(schema)
}

/// Returns the warning about an entry for whose check there was no time.
pub(crate) fn not_checked(entry: &TemplateName, limits: &Limits) -> Diagnostic {
    let message = format!(
        "the contract of `{entry}` was not checked within {} ms (the limit `contract_ms`)",
        limits.contract_ms
    );
    Diagnostic::warning("contract-not-checked", message).in_template(entry)
}

/// Returns the fault of a required template that does not exist. `names` are those that exist.
pub(crate) fn required_missing<'n>(name: &TemplateName, names: impl Iterator<Item = &'n TemplateName>) -> Diagnostic {
    let near = suggestion(name.as_str(), names.take(2_000).map(TemplateName::as_str));
    let help = match near {
        Some(near) => format!("create it; did you mean `{near}`?"),
        None => "create it, or remove it from the required templates".to_owned(),
    };
    Diagnostic::error(
        "required-template",
        format!("the required template `{name}` does not exist"),
    )
    .help(help)
}

/// Returns the end of the time for checks.
pub(crate) fn until(limits: &Limits) -> Instant {
    Instant::now() + Duration::from_millis(limits.contract_ms)
}

/// Returns violations as warnings, for the policy that publishes nevertheless.
pub(crate) fn as_warnings(violations: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut warnings = violations;
    for warning in &mut warnings {
        warning.severity = Severity::Warning;
    }
    warnings
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract")
            .field("required", &self.required)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The contract and the samples of an engine.
#[derive(Clone)]
pub(crate) struct Checks {
    pub(crate) contract: Arc<Contract>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) limits: Arc<Limits>,
}
