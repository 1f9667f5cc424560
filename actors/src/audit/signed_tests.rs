//! Tests of signatures: what is found with the public key, and what crashes leave.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keys::{PublicKey, create_key, signer};
use super::tests::{copied, log, record, write_six};
use super::{AuditFault, AuditLog, Verified, verify, verify_signed};
use crate::store::files::{Files, SystemFiles};
use crate::store::simulated::{Dice, SimulatedFiles};

/// A key pair in a directory of its own.
struct Pair {
    directory: tempfile::TempDir,
    public: PublicKey,
}

impl Pair {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let public = create_key(&directory.path().join("key")).expect("a key");
        Self { directory, public }
    }

    fn private(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    fn log(&self, files: Arc<dyn Files>, directory: &Path, file_bytes: u64) -> AuditLog {
        log(files, directory, file_bytes).signed_by(signer(&self.private()).expect("a key"))
    }

    fn verified(&self, path: &Path) -> Result<Verified, AuditFault> {
        verify_signed(path, std::slice::from_ref(&self.public))
    }
}

/// Returns the first bad sequence of a result; `None` if it is whole.
fn first_bad(result: Result<Verified, AuditFault>) -> Option<u64> {
    match result {
        Ok(_) => None,
        Err(AuditFault::Bad { sequence, .. } | AuditFault::Unsigned { sequence, .. }) => Some(sequence),
        Err(other) => panic!("{other}"),
    }
}

fn path(directory: &Path, extension: &str) -> PathBuf {
    directory.join(format!("audit-{:020}.{extension}", 1))
}

#[test]
fn nobody_without_the_key_changes_adds_or_cuts_off_records() {
    let (pair, directory) = (Pair::new(), tempfile::tempdir().expect("a directory"));
    let mut signed = pair.log(Arc::new(SystemFiles), directory.path(), u64::MAX);
    signed.append(&[record(1), record(2)], 0).expect("writes");
    signed.append(&[record(3)], 0).expect("writes");
    let found = pair.verified(directory.path()).expect("whole");
    assert_eq!((found.last, found.signatures, found.signed_late), (3, 2, 0));
    let (log_path, signatures_path) = (path(directory.path(), "jsonl"), path(directory.path(), "sig"));
    assert_eq!(pair.verified(&log_path).expect("one file").signatures, 2);
    let whole = std::fs::read_to_string(&log_path).expect("reads");
    let signatures = std::fs::read_to_string(&signatures_path).expect("reads");
    let (first, second) = signatures.split_once('\n').expect("two lines");

    // Somebody writes a chain of his own, whose hashes are right.
    let forged = tempfile::tempdir().expect("a directory");
    let mut log = log(Arc::new(SystemFiles), forged.path(), u64::MAX);
    log.process = "9-9".into();
    log.append(&[record(1), record(2), record(3)], 0).expect("writes");
    let forged_text = std::fs::read_to_string(path(forged.path(), "jsonl")).expect("reads");
    assert!(verify(forged.path()).is_ok());

    // Somebody adds a record behind the last one.
    let added = tempfile::tempdir().expect("a directory");
    std::fs::write(path(added.path(), "jsonl"), &whole).expect("written");
    log = super::tests::log(Arc::new(SystemFiles), added.path(), u64::MAX);
    log.append(&[record(4)], 0).expect("writes");
    let added_text = std::fs::read_to_string(path(added.path(), "jsonl")).expect("reads");
    let cut: String = whole.split_inclusive('\n').take(2).collect();

    let cases: [(&str, &str, String, Option<u64>); 9] = [
        ("unchanged", &whole, signatures.clone(), None),
        ("forged", &forged_text, signatures.clone(), Some(2)),
        ("added", &added_text, signatures.clone(), Some(4)),
        ("the end is cut off", &cut, signatures.clone(), Some(3)),
        ("no signatures", &whole, String::new(), Some(1)),
        ("the last signature is cut off", &whole, format!("{first}\n"), Some(3)),
        (
            "the last signature is cut in half",
            &whole,
            format!("{first}\n{}", &second[..30]),
            Some(3),
        ),
        (
            "the first signature is gone, the second one covers all",
            &whole,
            second.to_owned(),
            None,
        ),
        (
            "a signature of another record",
            &whole,
            signatures.replacen("\"sequence\":2", "\"sequence\":1", 1),
            Some(1),
        ),
    ];
    for (case, log, signatures, expected) in cases {
        std::fs::write(&log_path, log).expect("written");
        std::fs::write(&signatures_path, signatures).expect("written");
        assert_eq!(first_bad(pair.verified(directory.path())), expected, "{case}");
    }
    std::fs::write(&log_path, &whole).expect("written");
    std::fs::remove_file(&signatures_path).expect("removed");
    let said = pair.verified(directory.path()).expect_err("unsigned").to_string();
    assert!(
        said.contains("no file of signatures") && said.contains("sequence 1"),
        "{said}"
    );

    // Every byte of the signatures matters, but for the last line break.
    for at in 0..signatures.len() - 1 {
        let mut flipped = signatures.clone().into_bytes();
        flipped[at] ^= 1;
        std::fs::write(&signatures_path, flipped).expect("written");
        assert!(pair.verified(directory.path()).is_err(), "at byte {at}");
    }
    std::fs::write(&signatures_path, &signatures).expect("written");
    let other = Pair::new();
    let said = other.verified(directory.path()).expect_err("another key").to_string();
    assert!(
        said.contains(pair.public.id()) && said.contains(other.public.id()),
        "{said}"
    );
}

#[test]
fn files_and_keys_are_exchanged() {
    let (first, second) = (Pair::new(), Pair::new());
    let directory = tempfile::tempdir().expect("a directory");
    for number in 1..=20_u64 {
        let pair = if number <= 19 { &first } else { &second };
        let mut log = pair.log(Arc::new(SystemFiles), directory.path(), 1_000);
        log.process = number.to_string();
        log.append(&[record(1), record(2)], 0).expect("writes");
    }
    let names = std::fs::read_dir(directory.path()).expect("reads").count();
    assert_eq!(names, 3 + 3 + 1, "three files, their signatures and the lock");
    let keys = [first.public.clone(), second.public.clone()];
    let found = verify_signed(directory.path(), &keys).expect("whole");
    assert_eq!((found.last, found.signed_late), (40, 0));
    assert_eq!(first_bad(first.verified(directory.path())), Some(40));
    assert!(second.verified(directory.path()).is_err());
}

#[test]
fn records_from_before_the_key_are_signed_late() {
    let (pair, directory) = (Pair::new(), tempfile::tempdir().expect("a directory"));
    log(Arc::new(SystemFiles), directory.path(), u64::MAX)
        .append(&[record(1), record(2)], 0)
        .expect("writes");
    assert_eq!(first_bad(pair.verified(directory.path())), Some(1));
    let mut signed = pair.log(Arc::new(SystemFiles), directory.path(), u64::MAX);
    signed.process = "2-2".into();
    signed.append(&[record(1)], 0).expect("writes");
    signed.append(&[record(2)], 0).expect("writes");
    let found = pair.verified(directory.path()).expect("whole");
    assert_eq!((found.last, found.signatures, found.signed_late), (4, 3, 2));
}

#[test]
fn every_crash_leaves_a_log_that_is_signed_after_the_next_start() {
    let pair = Pair::new();
    let all = |files: &SimulatedFiles, attempts| {
        write_six(pair.log(Arc::new(files.clone()), Path::new("/audit"), 900), attempts)
    };
    let files = SimulatedFiles::new();
    assert_eq!(all(&files, 1), 6);
    let (mut crashes, mut late) = (0, 0);
    for step in 0..files.steps() {
        let files = SimulatedFiles::new();
        files.stop_after(step);
        let acknowledged = all(&files, 1);
        let mut dice = Dice::new(step as u64);
        let losses: Vec<SimulatedFiles> = (0..4).map(|_| files.after_power_loss(&mut dice)).collect();
        for found in losses.into_iter().chain([files.after_kill()]) {
            crashes += 1;
            let mut next = pair.log(Arc::new(found.clone()), Path::new("/audit"), 900);
            next.process = "2-2".into();
            next.append(&[record(1)], 0).expect("writes");
            let whole = pair.verified(copied(&found).path());
            let whole = whole.unwrap_or_else(|fault| panic!("after step {step}: {fault}"));
            assert!(
                (acknowledged..=acknowledged + 1).contains(&(whole.last - 1)),
                "after step {step}"
            );
            assert!(whole.signed_late <= 1, "after step {step}: {whole:?}");
            late += whole.signed_late;
        }
    }
    assert!(crashes >= 200 && late > 0, "{crashes} crashes, {late} late");
}

#[test]
fn every_failure_leaves_each_record_once_and_signed() {
    let pair = Pair::new();
    let all = |files: &SimulatedFiles, attempts| {
        write_six(pair.log(Arc::new(files.clone()), Path::new("/audit"), 900), attempts)
    };
    let files = SimulatedFiles::new();
    all(&files, 1);
    for step in 0..files.steps() {
        let files = SimulatedFiles::new();
        files.fail_after(step, ErrorKind::StorageFull);
        assert_eq!(all(&files, 2), 6, "after step {step}");
        let whole = pair.verified(copied(&files).path());
        let whole = whole.unwrap_or_else(|fault| panic!("after step {step}: {fault}"));
        assert_eq!((whole.last, whole.signed_late), (6, 0), "after step {step}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_a_reason() {
    let pair = Pair::new();
    let (private, public) = (pair.private(), pair.private().with_extension("pub"));
    let text = pair.directory.path().join("text");
    std::fs::write(&text, "hello").expect("written");
    let missing = pair.directory.path().join("missing");
    let said = |path: &Path| match signer(path) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    };
    let read = |path: &Path| PublicKey::read(path).map_or_else(|error| error.to_string(), |_| "fine".to_owned());
    for (said, expected) in [
        (said(&private), "fine"),
        (said(&public), "public key"),
        (said(&text), "hotplate audit key"),
        (said(&missing), "does not exist"),
        (said(pair.directory.path()), "not a regular file"),
        (read(&public), "fine"),
        (read(&private), ".pub"),
        (read(&text), "no public ed25519 key"),
        (read(&missing), "does not exist"),
        (create_key(&private).expect_err("exists").to_string(), "it exists"),
    ] {
        assert!(said.contains(expected), "{said}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&private).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
