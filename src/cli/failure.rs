//! [`Failure`]: the reason why a command ends early, and its exit code.

use std::io;
use std::process::ExitCode;

use hotplate::config::ConfigError;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::SiteError;

use serde_json::json;

use super::Format;
use super::terminal::Terminal;

/// The reason why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command was used wrongly, such as with a directory that does not exist: exit code 2.
    Wrong(String),
    /// The configuration is invalid: exit code 2.
    Config(ConfigError),
    /// Templates or data are at fault, in a sentence: exit code 1.
    Invalid(String),
    /// The system or another program prevented it: exit code 3.
    Failed(String),
    /// Templates or data are at fault: exit code 1.
    Diagnostics(Vec<Diagnostic>),
    /// The reader of stdout has closed it, such as `head` in a pipe: exit code 0.
    OutputClosed,
}

/// The exit code for errors in templates or data.
pub(crate) const FOUND: u8 = 1;
const WRONG: u8 = 2;
/// The exit code for a command that could not be carried out.
pub(crate) const FAILED: u8 = 3;

impl Failure {
    /// Returns the failure of arguments that cannot be parsed.
    pub(crate) fn of_arguments(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text);
        let message = message.split("\n\nUsage:").next().unwrap_or_default();
        let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self::Wrong(lines.join(" "))
    }

    /// Writes the reason to stderr, as sentences or as one JSON object, and returns the exit code.
    pub(crate) fn report_in(self, format: Format) -> ExitCode {
        let (code, message, findings) = match (&self, format) {
            (_, Format::Human) | (Self::OutputClosed, _) => return self.report(),
            (Self::Wrong(message), _) => (WRONG, Some(message), json!([])),
            (Self::Invalid(message), _) => (FOUND, Some(message), json!([])),
            (Self::Failed(message), _) => (FAILED, Some(message), json!([])),
            (Self::Config(error), _) => (WRONG, None, json!(error.findings)),
            (Self::Diagnostics(diagnostics), _) => (FOUND, None, json!(diagnostics)),
        };
        let error = json!({ "error": { "exit_code": code, "message": message, "findings": findings } });
        drop(Terminal::stderr().line(error));
        ExitCode::from(code)
    }

    /// Writes the reason to stderr and returns the exit code. If stderr cannot be written, only the exit code reports the failure.
    pub(crate) fn report(self) -> ExitCode {
        let mut stderr = Terminal::stderr();
        let (code, written) = match self {
            Self::OutputClosed => return ExitCode::SUCCESS,
            Self::Wrong(message) => (WRONG, stderr.error(&message)),
            Self::Invalid(message) => (FOUND, stderr.error(&message)),
            Self::Failed(message) => (FAILED, stderr.error(&message)),
            Self::Config(ConfigError { findings, .. }) => {
                (WRONG, findings.iter().try_for_each(|finding| stderr.finding(finding)))
            }
            Self::Diagnostics(diagnostics) => (
                FOUND,
                diagnostics
                    .iter()
                    .try_for_each(|diagnostic| stderr.diagnostic(diagnostic)),
            ),
        };
        drop(written);
        ExitCode::from(code)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("stdout cannot be written: {error}")),
        }
    }
}

impl From<SiteError> for Failure {
    fn from(error: SiteError) -> Self {
        Self::Wrong(format!(
            "{error}; `hotplate init DIR` writes a small site to begin with"
        ))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
