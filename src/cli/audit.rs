//! `hotplate audit`: checks and shows an audit log, which a server writes with `--audit DIR`, and makes keys for signing it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hotplate::audit::{AuditFault, AuditLine, PublicKey, Verified, create_key, read, verify, verify_signed};
use serde_json::{Value, json};

use super::terminal::Terminal;
use super::{Failure, Format, names};

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that no record was changed, removed or inserted; exit code 1 names the first bad one
    Verify(Verify),
    /// Print the records, oldest first, up to the first bad one
    Show(Log),
    /// Make a key pair for signing the log: a private key at FILE and a public one at FILE.pub
    Key(Key),
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    log: Log,
    /// A public key: check also that every record was signed with it. Repeat the flag if the key was changed
    #[arg(long = "key", value_name = "PUBLIC")]
    keys: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Key {
    /// The file of the private key, which must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct Log {
    /// The directory of the log, or one of its files
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Output format: sentences, or a JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Audit {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        match &self.action {
            Action::Verify(Verify { log, keys }) => {
                let keys: Result<Vec<PublicKey>, _> = keys.iter().map(|key| PublicKey::read(key)).collect();
                let keys = keys.map_err(|error| Failure::Wrong(error.to_string()))?;
                let found = match &keys[..] {
                    [] => verify(&log.path),
                    keys => verify_signed(&log.path, keys),
                };
                let found = found.map_err(failure)?;
                let mut terminal = Terminal::stdout();
                match log.format {
                    Format::Json => terminal.line(json!(found))?,
                    Format::Human => terminal.line(sentence(&found, &log.path, !keys.is_empty()))?,
                }
            }
            Action::Key(Key { file }) => {
                let public = create_key(file).map_err(|error| Failure::Wrong(error.to_string()))?;
                let (id, file) = (public.id(), file.display());
                Terminal::stdout().line(format!(
                    "key {id}: {file} signs (`--audit-key {file}`), {file}.pub verifies (`hotplate audit verify --key {file}.pub`)"
                ))?;
            }
            Action::Show(log) => show(log)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(log: &Log) -> Result<(), Failure> {
    let mut terminal = Terminal::stdout();
    let mut printed = Ok(());
    let read = read(&log.path, |line| {
        if printed.is_ok() {
            printed = match log.format {
                Format::Json => terminal.line(json!(line.fields)),
                Format::Human => terminal.line(shown(line)),
            };
        }
    });
    printed?;
    read.map(|_| ()).map_err(failure)
}

fn failure(fault: AuditFault) -> Failure {
    match fault {
        AuditFault::Bad { .. } | AuditFault::Unsigned { .. } | AuditFault::BadSignatures { .. } => {
            Failure::Invalid(fault.to_string())
        }
        _ => Failure::Wrong(fault.to_string()),
    }
}

fn sentence(found: &Verified, path: &Path, is_signed: bool) -> String {
    let Verified {
        lines,
        first,
        last,
        hash,
        signed_late,
        ..
    } = found;
    let signed = match (is_signed, signed_late) {
        (false, _) => String::new(),
        (true, 0) => ", all signed".to_owned(),
        (true, late) => format!(
            ", all signed, {late} of them by a later process: a crash or a log without a key has left them, or somebody has added them"
        ),
    };
    let unfinished = match found.unfinished {
        true => "; a half-written record at the end, as a crash leaves it, will be replaced by the next one",
        false => "",
    };
    let path = path.display();
    match lines {
        0 => format!("{path} has no record{unfinished}"),
        _ => {
            let records = names::count(usize::try_from(*lines).unwrap_or(usize::MAX), "record");
            format!("{path} is whole: {records}, {first} to {last}{signed}{unfinished}\nlast hash: {hash}")
        }
    }
}

/// Returns a record as a line for people.
fn shown(line: &AuditLine) -> String {
    let text = |key: &str| line.fields.get(key).and_then(Value::as_str);
    let number = |key: &str| line.fields.get(key).and_then(Value::as_u64);
    let time = number("at_ms").and_then(utc).unwrap_or_default();
    let mut shown = format!("{:>6} {time} {:<9}", line.sequence, text("action").unwrap_or("?"));
    // Writing to a string does not fail.
    match (number("before"), number("version")) {
        (Some(before), Some(version)) if before != version => _ = write!(shown, " {before} → {version}"),
        (_, Some(version)) => _ = write!(shown, " {version}"),
        _ => {}
    }
    for kind in ["changed", "removed", "stale", "broken", "recovered"] {
        let count = line
            .fields
            .get(kind)
            .and_then(|kind| kind["count"].as_u64())
            .unwrap_or_default();
        if count > 0 {
            let _ = write!(shown, ", {count} {kind}");
        }
    }
    if let Some(count) = number("count") {
        let _ = write!(shown, " {count} records");
    }
    if let Some(waiting) = number("waiting").filter(|waiting| *waiting > 0) {
        let _ = write!(shown, ", {waiting} waiting");
    }
    if let Some(by) = text("by") {
        let _ = write!(shown, ", by {by}");
    }
    for reason in ["reason", "refused"].into_iter().filter_map(text) {
        let _ = write!(shown, ": {reason}");
    }
    if let Some(commit) = line.fields.get("commit").and_then(|commit| commit["id"].as_str()) {
        let _ = write!(shown, " (commit {})", commit.get(..12).unwrap_or(commit));
    }
    shown
}

/// Returns a time in milliseconds since 1970 as in RFC 3339; `None` if it is after the year 9999.
fn utc(ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_796_095_276_000, "2026-12-01T03:21:16.000Z"),
        ] {
            assert_eq!(utc(ms).as_deref(), Some(expected));
        }
        assert_eq!(utc(u64::MAX), None);
    }
}
