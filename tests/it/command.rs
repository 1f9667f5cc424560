//! Running the command, once to its end or as long as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Nothing takes that long; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run of the command came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn hotplate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotplate"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("NO_COLOR");
    command
}

/// Runs the command to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, "")
}

/// Runs the command to its end, with a text on stdin.
pub(crate) fn run_with(arguments: &[&str], stdin: &str) -> Ran {
    let mut command = hotplate(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    // A command that does not read it closes it.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("ends");
    Ran {
        code: status.code().expect("an exit code"),
        stdout: String::from_utf8(stdout).expect("text"),
        stderr: String::from_utf8(stderr).expect("text"),
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A command that goes on, and its lines.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = hotplate(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines
                .map(|line| sender.send(line))
                .take_while(Result::is_ok)
                .for_each(drop);
        });
        Self { child, lines }
    }

    /// The next line that contains a text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let lines = self.lines_until(text);
        lines.lines().last().unwrap_or_default().to_owned()
    }

    /// All lines up to the next that contains a text.
    pub(crate) fn lines_until(&self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => seen += &(line + "\n"),
                Err(RecvTimeoutError::Timeout) => panic!("no line with {text:?} in time, but:\n{seen}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without a line with {text:?}:\n{seen}"),
            }
            if seen.lines().last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// Ends it with a signal (`INT`, `TERM`), and waits.
    pub(crate) fn end(mut self, signal: &str) -> ExitStatus {
        let kill = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(kill.expect("kill runs").success());
        self.child.wait().expect("ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of which nobody reads a single line.
pub(crate) fn run_unread(arguments: &[&str]) -> (ExitStatus, String) {
    let mut command = hotplate(arguments);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut stderr)
        .expect("text");
    (child.wait().expect("ends"), stderr)
}

#[test]
fn wrong_use_is_2_and_help_is_0() {
    for (arguments, code, said) in [
        (&["--help"][..], 0, ""),
        (&["--version"], 0, ""),
        (&[], 2, "Usage"),
        (&["nonsense"], 2, "nonsense"),
        (&["check"], 2, "DIR"),
        (&["check", "/nowhere/at/all"], 2, "/nowhere/at/all"),
        (&["dev", "/nowhere/at/all"], 2, "/nowhere/at/all"),
        (&["watch", "Cargo.toml"], 2, "not a directory"),
        (&["graph", "Cargo.toml"], 2, "not a directory"),
        (&["render", "Cargo.toml", "x"], 2, "not a directory"),
        (&["check", ".", "--format", "xml"], 2, "xml"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
}
