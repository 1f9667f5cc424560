//! [`Failure`]: why a command ends early, and with which exit code.

use std::io;
use std::process::ExitCode;

use hotplate::config::ConfigError;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::SiteError;

use super::terminal::Terminal;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for something that there is not: exit code 2.
    Wrong(String),
    /// The configuration makes no sense: exit code 2.
    Config(ConfigError),
    /// Templates or data are at fault, in a sentence: exit code 1.
    Said(String),
    /// It could not be done, and nobody here is at fault: exit code 3.
    Failed(String),
    /// Templates or data are at fault: exit code 1.
    Found(Vec<Diagnostic>),
    /// Nobody reads stdout any more: no fault of anybody.
    NobodyReads,
}

/// Templates or data are at fault.
pub(crate) const FOUND: u8 = 1;
const WRONG: u8 = 2;
/// It could not be done.
pub(crate) const FAILED: u8 = 3;

impl Failure {
    /// Says it on stderr. What cannot be said there is said by the exit code alone.
    pub(crate) fn tell(self) -> ExitCode {
        let mut stderr = Terminal::stderr();
        let (code, said) = match self {
            Self::NobodyReads => return ExitCode::SUCCESS,
            Self::Wrong(said) => (WRONG, stderr.error(&said)),
            Self::Said(said) => (FOUND, stderr.error(&said)),
            Self::Failed(said) => (FAILED, stderr.error(&said)),
            Self::Config(ConfigError { findings, .. }) => {
                (WRONG, findings.iter().try_for_each(|finding| stderr.finding(finding)))
            }
            Self::Found(diagnostics) => (
                FOUND,
                diagnostics
                    .iter()
                    .try_for_each(|diagnostic| stderr.diagnostic(diagnostic)),
            ),
        };
        drop(said);
        ExitCode::from(code)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
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
