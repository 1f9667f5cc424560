//! Compares the sample of an entry with the JSON Schema of its context.
//!
//! References to other documents are never fetched, and allow everything.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Retrieve, Uri, ValidationError};
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::dialect::shorten::shorten;
use crate::samples::SampleJson;
use crate::suggestion::suggestion;
use crate::template::TemplateName;

/// Findings of one sample. More would not help its author.
const FINDINGS_MAX: usize = 20;

/// Returns what a schema refuses in the sample of an entry, one finding for each field; or the warning that the two cannot be compared.
pub(super) fn compare(
    entry: &TemplateName,
    sample: &SampleJson,
    schema: &Value,
) -> Result<Vec<Diagnostic>, Box<Diagnostic>> {
    let validator = jsonschema::options()
        .with_retriever(NeverFetched)
        .build(schema)
        .map_err(|error| {
            let message = format!(
                "the sample of `{entry}` was not compared with its schema: {}",
                shorten(&error.to_string())
            );
            let help = "the schema refers to something that does not exist, or has a pattern that cannot be used";
            Box::new(
                Diagnostic::warning("sample-not-compared", message)
                    .help(help)
                    .in_template(entry),
            )
        })?;
    // Of a field with another name, only the missing one is reported.
    let errors: Vec<ValidationError<'_>> = validator.iter_errors(&sample.value).take(4 * FINDINGS_MAX).collect();
    let misspelt: Vec<(String, String)> = errors
        .iter()
        .filter_map(|error| misspelt(error, &sample.value))
        .collect();
    let mut findings = Vec::new();
    for error in &errors {
        let path = error.instance_path().to_string();
        let is_known = |name: &String| misspelt.iter().any(|(at, wrong)| *at == path && wrong == name);
        let unexpected = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => Some(unexpected),
            _ => None,
        };
        if unexpected.is_some_and(|names| names.iter().all(is_known)) {
            continue;
        }
        if findings.len() < FINDINGS_MAX {
            findings.push(finding(entry, sample, error, &path));
        }
    }
    Ok(findings)
}

fn finding(entry: &TemplateName, sample: &SampleJson, error: &ValidationError<'_>, path: &str) -> Diagnostic {
    let place = match path {
        "" => "its top level".to_owned(),
        path => format!("`{path}`"),
    };
    let wanted = match error.kind() {
        // The value itself may be large.
        ValidationErrorKind::Required { property } => {
            format!("the schema requires the field {property} there")
        }
        _ => format!(
            "{} (the schema wants `{}`)",
            shorten(&error.to_string()),
            error.kind().keyword()
        ),
    };
    let message = format!("the schema of `{entry}` refuses its sample at {place}: {wanted}");
    let finding = Diagnostic::error("sample-refused", message).in_template(sample.file_of(path).unwrap_or(entry));
    match misspelt(error, &sample.value) {
        Some((_, wrong)) => finding.help(format!("the sample has `{wrong}`: is that the field?")),
        None => finding.help("change the sample, or the schema if the program provides such data"),
    }
}

/// Returns the place and the name of a field whose name is nearly that of the one that is missing.
fn misspelt(error: &ValidationError<'_>, sample: &Value) -> Option<(String, String)> {
    let ValidationErrorKind::Required { property } = error.kind() else {
        return None;
    };
    let path = error.instance_path().to_string();
    let there = sample.pointer(&path)?.as_object()?;
    let near = suggestion(property.as_str()?, there.keys().map(String::as_str))?;
    Some((path, near.to_owned()))
}

/// Answers every reference to another document with the schema that allows everything.
struct NeverFetched;

impl Retrieve for NeverFetched {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Value::Bool(true))
    }
}
