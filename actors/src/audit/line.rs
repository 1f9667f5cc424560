//! [`AuditLine`]: a record as a line of the log, and the chain from line to line.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::record::AuditRecord;
use super::source_commit::SourceCommit;
use crate::protocol::report::{NameSample, Report};
use crate::template::{Digest, TemplateKey, TemplateName};
use crate::wall_clock::now_ms;

/// The hash before the first line.
pub(crate) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The names of templates in one list of a line.
const NAMES_MAX: usize = 100;
/// The bytes of the reason of a refusal in a line.
const REASON_BYTES_MAX: usize = 4096;

/// The part of the last line that the next one depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastLine {
    pub(crate) sequence: u64,
    pub(crate) hash: String,
    pub(crate) process: String,
    /// The number of its record among those of its process.
    pub(crate) number: u64,
}

impl LastLine {
    /// Reads the last line; `None` if it is damaged.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let line = AuditLine::parse(line).ok()?;
        Some(Self {
            sequence: line.sequence,
            hash: line.hash,
            process: line.fields.get("process")?.as_str()?.to_owned(),
            number: line.fields.get("record")?.as_u64()?,
        })
    }

    /// Returns true if this is a line of a process for this record or for a later one.
    pub(crate) fn is_after(&self, process: &str, number: u64) -> bool {
        self.process == process && self.number >= number
    }
}

/// A line of an audit log, whose hash is right.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AuditLine {
    /// Its number in the log, from 1.
    pub sequence: u64,
    /// The hash of the line before; 64 zeros for the first one.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
    /// All fields, these included.
    pub fields: BTreeMap<String, Value>,
}

impl AuditLine {
    /// Reads a line without its line break, and checks its form and its hash.
    ///
    /// # Errors
    /// The fault, in a few words.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let mut fields: BTreeMap<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("it is no JSON object: {error}"))?;
        if canonical(&fields) != line {
            return Err("it is not in canonical form, so it was changed".into());
        }
        let hash = match fields.remove("hash") {
            Some(Value::String(hash)) => hash,
            _ => return Err("it has no hash".into()),
        };
        if hash != hash_of(&fields) {
            return Err("its hash is not that of its content, so it was changed".into());
        }
        let sequence = fields
            .get("sequence")
            .and_then(Value::as_u64)
            .ok_or("it has no sequence")?;
        let previous = fields
            .get("previous")
            .and_then(Value::as_str)
            .ok_or("it names no line before")?;
        let previous = previous.to_owned();
        fields.insert("hash".into(), hash.clone().into());
        Ok(Self {
            sequence,
            previous,
            hash,
            fields,
        })
    }
}

/// Appends the line of a record.
pub(super) fn record(
    record: &AuditRecord,
    process: &str,
    commit: Option<&Option<SourceCommit>>,
    last: &LastLine,
    lines: &mut Vec<u8>,
) -> LastLine {
    let mut fields = BTreeMap::new();
    let mut set = |key: &str, value: Value| _ = fields.insert(key.to_owned(), value);
    set("action", record.action.name().into());
    set("at_ms", record.at_ms.into());
    set("by", record.cause.name().into());
    set("reason", record.cause.why().into());
    set("trace", record.cause.trace_id().into());
    set("before", record.before.number().into());
    set("version", record.version.number().into());
    set("digest", format!("{:#}", record.digest).into());
    set("waiting", record.waiting.into());
    if let Some(report) = &record.report {
        effects(report, &mut set);
    }
    if let Some(refused) = &record.refused {
        set(
            "refused",
            refused[..refused.floor_char_boundary(REASON_BYTES_MAX)].into(),
        );
    }
    if let Some(stage) = &record.stage {
        set("stage", stage.to_string().into());
    }
    if let Some(commit) = commit {
        set("commit", commit.as_ref().map_or(Value::Null, SourceCommit::json));
    }
    finish(fields, process, record.number, last, lines)
}

/// Appends the line that says how many records were dropped.
pub(super) fn lost(count: u64, process: &str, last: &LastLine, lines: &mut Vec<u8>) -> LastLine {
    let fields = [
        ("action", Value::from("lost")),
        ("at_ms", now_ms().into()),
        ("count", count.into()),
    ];
    let fields = fields.map(|(key, value)| (key.to_owned(), value)).into();
    let number = if last.process == process { last.number } else { 0 };
    finish(fields, process, number, last, lines)
}

fn effects(report: &Report, set: &mut impl FnMut(&str, Value)) {
    let keys = |keys: &[TemplateKey]| {
        let names: Vec<&TemplateName> = keys.iter().take(NAMES_MAX).map(|key| &key.name).collect();
        json!({ "count": keys.len(), "names": names })
    };
    let sample = |sample: &NameSample| {
        let names: Vec<&TemplateName> = sample.iter().take(NAMES_MAX).collect();
        json!({ "count": sample.len(), "names": names })
    };
    set("changed", keys(&report.changed));
    set("removed", keys(&report.removed));
    set("stale", sample(&report.stale));
    set("broken", sample(&report.broken));
    set("recovered", sample(&report.recovered));
}

fn finish(
    mut fields: BTreeMap<String, Value>,
    process: &str,
    number: u64,
    last: &LastLine,
    lines: &mut Vec<u8>,
) -> LastLine {
    let sequence = last.sequence + 1;
    fields.insert("process".into(), process.into());
    fields.insert("record".into(), number.into());
    fields.insert("sequence".into(), sequence.into());
    fields.insert("previous".into(), last.hash.clone().into());
    let hash = hash_of(&fields);
    fields.insert("hash".into(), hash.clone().into());
    lines.extend_from_slice(&canonical(&fields));
    lines.push(b'\n');
    LastLine {
        sequence,
        hash,
        process: process.to_owned(),
        number,
    }
}

fn hash_of(fields: &BTreeMap<String, Value>) -> String {
    format!("{:#}", Digest::of(&canonical(fields)))
}

/// Returns the canonical form: keys sorted at each level, no blanks. The order of keys in a [`Value`] depends on the features of `serde_json` in
/// the whole program, so it is sorted here.
fn canonical(fields: &BTreeMap<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    write_object(fields.iter().map(|(key, value)| (key.as_str(), value)), &mut out);
    out
}

fn write_object<'v>(sorted: impl Iterator<Item = (&'v str, &'v Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (number, (key, value)) in sorted.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_plain(&Value::from(key), out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&str, &Value> = fields.iter().map(|(key, value)| (key.as_str(), value)).collect();
            write_object(sorted.into_iter(), out);
        }
        Value::Array(items) => {
            out.push(b'[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        plain => write_plain(plain, out),
    }
}

fn write_plain(value: &Value, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, value);
}
