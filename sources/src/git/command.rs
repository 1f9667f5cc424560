//! [`Git`]: the command, with a deadline and a bound on its output.

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The most bytes of an answer: that of all texts, and of the lines between them.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024 * 1024 + 64 * 1024 * 1024;
/// The bytes of a message of git that are shown.
const MESSAGE_BYTES_MAX: u64 = 4096;

/// Asks git about one repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    repository: PathBuf,
    time: Duration,
}

/// The reason why git has not answered.
#[derive(Debug)]
pub(super) enum GitError {
    /// It has refused, with this message.
    Refused(String),
    /// It takes too long.
    TooSlow(Duration),
    /// It has answered more than is read.
    TooLarge,
    /// It cannot be started or read.
    Io(std::io::Error),
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(message) => f.write_str(message),
            Self::TooSlow(time) => write!(f, "git has not answered within {} ms", time.as_millis()),
            Self::TooLarge => write!(f, "git has answered more than {ANSWER_BYTES_MAX} bytes"),
            Self::Io(error) => write!(f, "git cannot be run: {error}"),
        }
    }
}

impl Git {
    pub(super) fn new(repository: &Path, time: Duration) -> Self {
        Self {
            repository: repository.to_owned(),
            time,
        }
    }

    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Returns what git prints for these arguments and this input.
    pub(super) fn run(&self, arguments: &[&str], input: Option<Vec<u8>>) -> Result<Vec<u8>, GitError> {
        let mut child = self.start(arguments, input.is_some()).map_err(GitError::Io)?;
        let (answer, answered) = channel();
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // Git answers while it reads, so both directions need a thread. An error is that of git, which says why.
            spawn(move || drop(stdin.write_all(&input)))?;
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let messages = answer.clone();
        spawn(move || drop(messages.send((false, read(stderr, MESSAGE_BYTES_MAX)))))?;
        spawn(move || drop(answer.send((true, read(stdout, ANSWER_BYTES_MAX + 1)))))?;
        let (mut output, mut message) = (None, String::new());
        for _ in 0..2 {
            match answered.recv_timeout(self.time) {
                Ok((true, read)) => output = Some(read),
                Ok((false, read)) => message = String::from_utf8_lossy(&read.unwrap_or_default()).trim().to_owned(),
                Err(_) => {
                    end(child);
                    return Err(GitError::TooSlow(self.time));
                }
            }
        }
        // Both ends are closed, so it has ended or is about to.
        let status = child.wait().map_err(GitError::Io)?;
        let output = output.unwrap_or_else(|| Ok(Vec::new())).map_err(GitError::Io)?;
        if !status.success() {
            let message = message.lines().next().unwrap_or("git has failed without a message");
            return Err(GitError::Refused(message.trim_start_matches("fatal: ").to_owned()));
        }
        match output.len() as u64 > ANSWER_BYTES_MAX {
            true => Err(GitError::TooLarge),
            false => Ok(output),
        }
    }

    fn start(&self, arguments: &[&str], has_input: bool) -> std::io::Result<Child> {
        let mut command = Command::new("git");
        // Variables of a program that is run by git itself, such as a hook, would lead to another repository.
        for variable in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_COMMON_DIR",
            "GIT_NAMESPACE",
        ] {
            command.env_remove(variable);
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("LC_ALL", "C")
            .args([
                "-c",
                "core.fsmonitor=false",
                "-c",
                "core.hooksPath=/dev/null",
                "--no-optional-locks",
            ])
            .arg("-C")
            .arg(&self.repository)
            .args(arguments)
            .stdin(if has_input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> Result<(), GitError> {
    let thread = std::thread::Builder::new().name("hotplate-git".into()).spawn(run);
    thread.map(drop).map_err(GitError::Io)
}

fn read(from: Option<impl Read>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let mut from = from;
        from.by_ref().take(most).read_to_end(&mut bytes)?;
        // Git waits while nobody reads what it writes. A message that is too long is read and dropped.
        if most < ANSWER_BYTES_MAX {
            std::io::copy(&mut from, &mut std::io::sink())?;
        }
    }
    Ok(bytes)
}

fn end(mut child: Child) {
    let _ = child.kill();
    // It has been killed, so this returns, unless the kernel waits for a disk: then a thread waits with it.
    let _ = std::thread::Builder::new()
        .name("hotplate-git".into())
        .spawn(move || child.wait());
}
