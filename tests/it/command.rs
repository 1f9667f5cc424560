//! Runs the command, to its end or in the background of a test.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Generous bound for each wait; a test that reaches it fails.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The result of a run of the command.
#[derive(Debug)]
pub(crate) struct RunOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn hotplate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotplate"));
    command.args(arguments);
    let ours = |name: &str| name.starts_with("HOTPLATE_") || name.contains("COLOR") || name == "RUST_LOG";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

/// Runs the command to its end.
pub(crate) fn run(arguments: &[&str]) -> RunOutput {
    run_with(arguments, "")
}

/// Runs the command to its end, with environment variables.
pub(crate) fn run_in(environment: &[(&str, &str)], arguments: &[&str]) -> RunOutput {
    let mut command = hotplate(arguments);
    command.envs(environment.iter().copied());
    finish(command, "")
}

/// Runs another program to its end.
pub(crate) fn run_program(program: &Path, arguments: &[&str]) -> RunOutput {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(command, "")
}

/// Runs the command to its end, with a text on stdin.
pub(crate) fn run_with(arguments: &[&str], stdin: &str) -> RunOutput {
    finish(hotplate(arguments), stdin)
}

fn finish(mut command: Command, stdin: &str) -> RunOutput {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    // A command that does not read stdin closes it, which is not an error.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("ends");
    RunOutput {
        code: status.code().expect("an exit code"),
        stdout: String::from_utf8(stdout).expect("text"),
        stderr: String::from_utf8(stderr).expect("text"),
    }
}

/// Returns a path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A command in the background, and its output lines.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(hotplate(arguments), false)
    }

    /// Starts a prepared command.
    pub(crate) fn of(command: Command) -> Self {
        Self::spawn(command, false)
    }

    /// Starts the command with environment variables, and includes the lines of its log.
    pub(crate) fn start_logged(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = hotplate(arguments);
        command.envs(environment.iter().copied());
        Self::spawn(command, true)
    }

    /// Starts the command with a limit of file descriptors.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_with_descriptors(count: u32, arguments: &[&str]) -> Self {
        let limit = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
        let mut command = hotplate(&[]);
        let environment: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        let program = command.get_program().to_owned();
        command = Command::new("sh");
        for name in environment {
            command.env_remove(name);
        }
        command.args(["-c", &limit]).arg(program).args(arguments);
        Self::spawn(command, true)
    }

    fn spawn(mut command: Command, logged: bool) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // The headers show tests which version answers.
        command.env("HOTPLATE_SERVER__VERSION_HEADERS", "true");
        if logged {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().expect("starts");
        let (sender, lines) = channel();
        forward(child.stdout.take().expect("a pipe"), sender.clone());
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, sender);
        }
        Self { child, lines }
    }

    /// Waits for lines that contain these texts, in any order.
    pub(crate) fn lines_with(&self, texts: &[&str]) -> Vec<String> {
        let mut found = vec![None; texts.len()];
        let mut seen = String::new();
        while found.contains(&None) {
            let line = self.lines.recv_timeout(WAIT_MAX);
            let line = line.unwrap_or_else(|_| panic!("no lines with {texts:?} in time, but:\n{seen}"));
            seen += &format!("{line}\n");
            if let Some(at) = texts.iter().position(|text| line.contains(text)) {
                found[at].get_or_insert(line);
            }
        }
        found.into_iter().flatten().collect()
    }

    /// Returns the process id.
    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal (such as `HUP`) to the process.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(kill.expect("kill runs").success());
    }

    /// Waits for the next line, up to a time.
    pub(crate) fn line_within(&self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Closes the read ends of its output pipes.
    pub(crate) fn stop_reading(&mut self) {
        let (_, nothing) = channel();
        drop(std::mem::replace(&mut self.lines, nothing));
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("ends")
    }

    /// Waits for the next line that contains a text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let lines = self.lines_until(text);
        lines.lines().last().unwrap_or_default().to_owned()
    }

    /// Waits for a line that contains a text, and returns all lines up to it.
    pub(crate) fn lines_until(&self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(WAIT_MAX) {
                Ok(line) => seen += &(line + "\n"),
                Err(RecvTimeoutError::Timeout) => panic!("no line with {text:?} in time, but:\n{seen}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without a line with {text:?}:\n{seen}"),
            }
            if seen.lines().last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// Ends the process with a signal (`INT`, `TERM`) and waits for its end.
    pub(crate) fn end(self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(output: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        let output = BufReader::new(output).lines().map_while(Result::ok);
        output
            .map(|line| lines.send(line))
            .take_while(Result::is_ok)
            .for_each(drop);
    });
}

/// Runs the command with an output that is closed before it is read.
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

/// Programs that ask for JSON get every error as JSON, wrong arguments included.
#[test]
fn errors_are_json_for_programs() {
    for (arguments, code, message) in [
        (&["check", "--format", "json"][..], 2, "DIR"),
        (&["check", ".", "--format=json", "--nonsense"], 2, "--nonsense"),
        (&["check", "/nowhere/at/all", "--format", "json"], 2, "/nowhere/at/all"),
        (&["graph", "Cargo.toml", "--format", "json"], 2, "not a directory"),
    ] {
        let ran = run(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (code, ""),
            "{arguments:?}: {}",
            ran.stderr
        );
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("one object");
        assert_eq!(error["error"]["exit_code"], code, "{error}");
        assert!(
            error["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains(message)),
            "{error}"
        );
    }
}

#[test]
fn usage_errors_exit_with_2() {
    for (arguments, code, message) in [
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
        (&["serve", "/nowhere/at/all"], 2, "hotplate init"),
        (&["check", ".", "--set", "limits.render_ms"], 2, "has no value"),
        (&["completions", "cobol"], 2, "cobol"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn the_long_help_lists_exit_codes() {
    let ran = run(&["--help"]);
    for part in ["Exit codes:", "0  success", "HOTPLATE_CONFIG", "SIGHUP", "NO_COLOR"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn completions_exist_for_every_shell() {
    for (shell, part) in [
        ("bash", "complete -o nospace"),
        ("zsh", "#compdef hotplate"),
        ("fish", "complete --keep-order --exclusive --command hotplate"),
        ("elvish", "hotplate"),
        ("powershell", "hotplate"),
    ] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(
            ran.stdout.contains(part) && ran.stdout.contains("HOTPLATE_COMPLETE"),
            "{shell}: {}",
            ran.stdout
        );
        // If the shell is installed, it checks the syntax of the script.
        if let Ok(parsed) = Command::new(shell).args(["-n", "-c", &ran.stdout]).status()
            && shell == "bash"
        {
            assert!(parsed.success(), "{shell}");
        }
    }
}

#[test]
fn values_are_completed() {
    let files = crate::files::Files::new(&[
        ("templates/index.html", ""),
        ("templates/mail/order.txt", ""),
        ("templates/mail/style.css", ""),
        ("data/index.json", "{}"),
    ]);
    let site = text(files.path());
    for (words, expected) in [
        (&["ver"][..], &["versions"][..]),
        (&["check", "--format", ""], &["human", "json", "sarif", "github"]),
        (&["render", site, ""], &["index.html", "mail/order.txt"]),
        (&["render", site, "mail/"], &["mail/order.txt"]),
        (&["render", "/no/such/directory", ""], &[]),
        (&["serve", site, "--log-level", "w"], &["warn"]),
        (&["dev", "--editor", "vs"], &["vscode", "vscodium"]),
        (&["serve", site, "--set", "server.bi"], &["server.bind="]),
        (
            &["serve", site, "--set", "templates.miss"],
            &["templates.missing=strict", "templates.missing=lenient"],
        ),
        (&["completions", "z"], &["zsh"]),
    ] {
        let arguments = [&["--", "hotplate"], words].concat();
        let index = words.len().to_string();
        let asked = [
            ("HOTPLATE_COMPLETE", "bash"),
            ("_CLAP_IFS", "\n"),
            ("_CLAP_COMPLETE_INDEX", &index),
        ];
        let ran = run_in(&asked, &arguments);
        let mut offered: Vec<&str> = ran
            .stdout
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('-'))
            .collect();
        let mut expected = expected.to_vec();
        offered.sort_unstable();
        expected.sort_unstable();
        assert_eq!((ran.code, offered), (0, expected), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn colours_can_be_switched() {
    let files = crate::files::Files::new(&[("a.html", "{{ if }}")]);
    let check = ["check", text(files.path())];
    assert!(run_in(&[("CLICOLOR_FORCE", "1")], &check).stdout.contains("\x1b["));
    for refused in [
        &[][..],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
        &[("CLICOLOR_FORCE", "0")],
    ] {
        assert!(!run_in(refused, &check).stdout.contains('\x1b'), "{refused:?}");
    }
}

#[test]
fn closed_output_is_no_error() {
    let shop = crate::files::shop();
    for arguments in [
        &["graph", text(&shop)][..],
        &["watch", text(&shop)],
        &["completions", "bash"],
        &["config", text(&shop)],
        &["dev", text(&shop), "--bind", "127.0.0.1:0"],
    ] {
        let (status, stderr) = run_unread(arguments);
        assert_eq!(status.code(), Some(0), "{arguments:?}: {stderr}");
        // A busy machine may have no inotify watches left, which the log reports.
        assert!(
            !stderr.contains("error") && !stderr.contains("panicked"),
            "{arguments:?}: {stderr}"
        );
    }
}
