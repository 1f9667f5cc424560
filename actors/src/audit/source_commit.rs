//! [`SourceCommit`]: the commit of a work tree, as git tells it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The time that git may take for one question.
const GIT_TIME: Duration = Duration::from_secs(2);
/// The bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// The time between two looks whether git has ended.
const POLL: Duration = Duration::from_millis(2);
/// The time during which an answer is used again, so that a burst of versions does not ask git for each.
const FRESH: Duration = Duration::from_millis(500);

/// The commit of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceCommit {
    id: String,
    /// True if files differ from the commit; `None` if git did not tell in time.
    is_dirty: Option<bool>,
    /// The signer of the commit, if git has verified the signature.
    signer: Option<String>,
}

/// The commits of one work tree.
#[derive(Debug)]
pub(super) struct SourceCommits {
    directory: PathBuf,
    last: Option<(Instant, Option<SourceCommit>)>,
}

impl SourceCommits {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, last: None }
    }

    /// Returns the commit now; `None` if there is no work tree, no git, or no answer in time.
    pub(super) fn current(&mut self) -> Option<SourceCommit> {
        if let Some((at, commit)) = self.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            let _ = at;
            return commit.clone();
        }
        let commit = ask(&self.directory);
        self.last = Some((Instant::now(), commit.clone()));
        commit
    }
}

impl SourceCommit {
    pub(super) fn json(&self) -> Value {
        json!({ "id": self.id, "dirty": self.is_dirty, "signer": self.signer })
    }
}

fn ask(directory: &Path) -> Option<SourceCommit> {
    // `%G?` is `G` for a good signature of a key that is trusted, and `U` for one of a key of unknown trust.
    let shown = git(
        directory,
        &["log", "-1", "--no-show-signature", "--format=%H%n%G?%n%GS"],
    )?;
    let mut lines = shown.lines();
    let id = lines.next().filter(|id| id.len() >= 40)?.to_owned();
    let is_verified = matches!(lines.next(), Some("G"));
    let signer = lines.next().filter(|signer| is_verified && !signer.is_empty());
    let status = git(
        directory,
        &["status", "--porcelain", "--untracked-files=normal", "--", "."],
    );
    Some(SourceCommit {
        id,
        is_dirty: status.map(|status| !status.is_empty()),
        signer: signer.map(str::to_owned),
    })
}

/// Returns what git prints; `None` if it fails or takes too long.
#[expect(
    clippy::disallowed_methods,
    reason = "the standard library cannot wait for a process with a deadline, and this thread has nothing else to do"
)]
fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gpg.program=gpg",
        ])
        .args(["-c", "gpg.ssh.program=ssh-keygen", "--no-optional-locks", "-C"])
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let stdout = child.stdout.take()?;
    // Read elsewhere, because git waits while its output is not read, and this thread watches the time.
    let reader = std::thread::Builder::new().name("hotplate-git".into()).spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
        read.ok().map(|_| answer)
    });
    let Ok(reader) = reader else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    let until = Instant::now() + GIT_TIME;
    let succeeded = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < until => std::thread::sleep(POLL),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let answer = reader.join().ok()??;
    succeeded.then(|| String::from_utf8_lossy(&answer).into_owned())
}
