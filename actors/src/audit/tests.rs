//! Tests of the audit log: its chain, and what crashes and failures leave of it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::record::{AuditAction, AuditRecord};
use super::{AuditFault, AuditLog, AuditOptions, Verified, line, progress::Unwritten, read, verify};
use crate::audit::progress::WAITING_MAX;
use crate::cause::Cause;
use crate::store::files::{Files, SystemFiles};
use crate::store::simulated::{Dice, SimulatedFiles};
use crate::template::Digest;
use crate::version::Version;

pub(super) fn record(number: u64) -> Arc<AuditRecord> {
    Arc::new(AuditRecord {
        number,
        // A clock that jumps back changes nothing.
        at_ms: 1_000_000 - number,
        action: AuditAction::RollBack,
        cause: Cause::by("alice").reason("\"prices\" \u{1b} ü are\\wrong"),
        before: Version::from_number(number - 1),
        version: Version::from_number(number),
        digest: Digest::of(&number.to_le_bytes()),
        waiting: 0,
        report: None,
        refused: None,
        stage: None,
    })
}

pub(super) fn log(files: Arc<dyn Files>, directory: &Path, file_bytes: u64) -> AuditLog {
    let options = AuditOptions::new(directory).file_bytes(file_bytes).files(3);
    AuditLog::new(options, files, "1-1".into())
}

/// Copies a log out of a simulated file system.
pub(super) fn copied(files: &SimulatedFiles) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for path in files.all() {
        let content = files.read(&path, u64::MAX).expect("reads");
        std::fs::write(directory.path().join(path.file_name().expect("a name")), content).expect("written");
    }
    directory
}

fn verified(files: &SimulatedFiles) -> Result<Verified, AuditFault> {
    verify(copied(files).path())
}

#[test]
fn a_changed_removed_or_inserted_line_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut log = log(Arc::new(SystemFiles), directory.path(), u64::MAX);
    for number in 1..=5 {
        log.append(&[record(number)], 0).expect("writes");
    }
    let path = directory.path().join(format!("audit-{:020}.jsonl", 1));
    let whole = std::fs::read_to_string(&path).expect("reads");
    let mut actions = Vec::new();
    let found = read(directory.path(), |line| actions.push(line.fields["action"].clone())).expect("whole");
    assert_eq!((found.first, found.last, actions.len()), (1, 5, 5));
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let cases: [(&str, String, Option<u64>); 7] = [
        ("unchanged", whole.clone(), None),
        ("changed", whole.replacen("\"version\":3", "\"version\":9", 1), Some(3)),
        (
            "with a blank",
            whole.replacen("{\"action\"", "{ \"action\"", 1),
            Some(1),
        ),
        ("removed", joined(&[lines[0], lines[1], lines[3], lines[4]]), Some(3)),
        ("inserted", joined(&[lines[0], lines[1], lines[1], lines[2]]), Some(3)),
        ("exchanged", joined(&[lines[0], lines[2], lines[1], lines[3]]), Some(2)),
        ("no JSON", joined(&[lines[0], "{", lines[2]]), Some(2)),
    ];
    for (case, text, first_bad) in cases {
        std::fs::write(&path, text).expect("written");
        let bad = match verify(&path) {
            Ok(_) => None,
            Err(AuditFault::Bad { sequence, line, .. }) => {
                assert_eq!(line, sequence, "{case}");
                Some(sequence)
            }
            Err(other) => panic!("{case}: {other}"),
        };
        assert_eq!(bad, first_bad, "{case}");
    }
    // The name of the file says with which sequence it begins.
    std::fs::write(&path, joined(&lines[3..])).expect("written");
    for log in [&*path, directory.path()] {
        let said = verify(log).expect_err("its first lines are missing").to_string();
        assert!(said.contains("line 1") && said.contains("sequence 4"), "{said}");
    }
    std::fs::write(&path, joined(&lines[..2]) + &lines[2][..20]).expect("written");
    let found = verify(directory.path()).expect("half a line is what a crash leaves");
    assert!(found.unfinished && found.last == 2);
    let empty = tempfile::tempdir().expect("a directory");
    assert!(matches!(verify(empty.path()), Err(AuditFault::Nothing { .. })));
    assert!(matches!(
        verify(&empty.path().join("no")),
        Err(AuditFault::Unreadable { .. })
    ));
}

#[test]
fn every_flipped_byte_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut log = log(Arc::new(SystemFiles), directory.path(), u64::MAX);
    log.append(&[record(1), record(2)], 0).expect("writes");
    let path = directory.path().join(format!("audit-{:020}.jsonl", 1));
    let whole = std::fs::read(&path).expect("reads");
    // But for the last line break: without it, the line is unfinished.
    for at in 0..whole.len() - 1 {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).expect("written");
        assert!(verify(&path).is_err(), "at byte {at}");
    }
}

#[test]
fn files_begin_and_end_by_size_and_the_chain_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    for number in 1..=20 {
        // A process each time.
        let mut log = log(Arc::new(SystemFiles), directory.path(), 1_000);
        log.process = number.to_string();
        log.append(&[record(1), record(2)], 0).expect("writes");
    }
    let files = std::fs::read_dir(directory.path()).expect("reads").count();
    assert_eq!(files, 3 + 1, "three files and the lock");
    let found = verify(directory.path()).expect("whole");
    assert!(found.first > 1 && found.last == 40 && found.lines < 40, "{found:?}");
}

fn write_all(files: &SimulatedFiles, attempts: usize) -> u64 {
    write_six(log(Arc::new(files.clone()), Path::new("/audit"), 900), attempts)
}

/// Appends six records, each until it succeeds or the process has ended. Returns the number that was acknowledged.
pub(super) fn write_six(mut log: AuditLog, attempts: usize) -> u64 {
    let mut written = 0;
    for number in 1..=6 {
        for _ in 0..attempts {
            if log.append(&[record(number)], 0).is_ok() {
                written = number;
                break;
            }
        }
        if written < number {
            break;
        }
    }
    written
}

#[test]
fn every_crash_leaves_a_chain_with_what_was_acknowledged() {
    let files = SimulatedFiles::new();
    assert_eq!(write_all(&files, 1), 6);
    let mut crashes = 0;
    for step in 0..files.steps() {
        let files = SimulatedFiles::new();
        files.stop_after(step);
        let acknowledged = write_all(&files, 1);
        let mut dice = Dice::new(step as u64);
        let losses: Vec<SimulatedFiles> = (0..8).map(|_| files.after_power_loss(&mut dice)).collect();
        for found in losses.into_iter().chain([files.after_kill()]) {
            crashes += 1;
            let mut next = log(Arc::new(found.clone()), Path::new("/audit"), 900);
            next.process = "2-2".into();
            next.append(&[record(1)], 0).expect("writes");
            let whole = verified(&found).unwrap_or_else(|fault| panic!("after step {step}: {fault}"));
            let others = whole.last - 1;
            assert!(
                (acknowledged..=acknowledged + 1).contains(&others),
                "after step {step}: {whole:?}"
            );
        }
    }
    assert!(crashes >= 200, "{crashes} crashes");
}

#[test]
fn every_failure_leaves_each_record_once() {
    let files = SimulatedFiles::new();
    write_all(&files, 1);
    for step in 0..files.steps() {
        let files = SimulatedFiles::new();
        files.fail_after(step, ErrorKind::StorageFull);
        assert_eq!(write_all(&files, 2), 6, "after step {step}");
        let whole = verified(&files).unwrap_or_else(|fault| panic!("after step {step}: {fault}"));
        assert_eq!(whole.last, 6, "after step {step}");
    }
}

#[test]
fn what_is_dropped_is_stated() {
    let mut unwritten = Unwritten::default();
    for number in 1..=WAITING_MAX as u64 + 5 {
        let AuditRecord { at_ms, action, .. } = *record(number);
        let record = AuditRecord {
            number: 0,
            at_ms,
            action,
            cause: Cause::default(),
            before: Version::NONE,
            version: Version::NONE,
            digest: Digest::ZERO,
            waiting: 0,
            report: None,
            refused: None,
            stage: None,
        };
        unwritten = unwritten.with(record, 0);
    }
    let (records, lost) = unwritten.after(0);
    assert_eq!((records.len(), lost), (WAITING_MAX, 5));
    assert_eq!(unwritten.after(7).1, 0, "those were written before");
    let directory = tempfile::tempdir().expect("a directory");
    let mut log = log(Arc::new(SystemFiles), directory.path(), u64::MAX);
    log.append(&records[..1], lost).expect("writes");
    let mut lines: Vec<BTreeMap<String, serde_json::Value>> = Vec::new();
    read(directory.path(), |line: &line::AuditLine| {
        lines.push(line.fields.clone())
    })
    .expect("whole");
    assert_eq!((&lines[0]["action"], &lines[0]["count"]), (&"lost".into(), &5.into()));
    assert_eq!(lines[1]["record"], 6);
}
