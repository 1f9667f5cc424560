//! `rollback` and `resume`: they show what they would change, ask, and send the version that they have shown.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{QueryArguments, before_current, current, shown};
use crate::cli::Failure;
use crate::cli::setup::CommandSetup;

/// The flags that say who asks for a change, and why.
#[derive(Debug, Args)]
pub(crate) struct CauseArguments {
    /// The reason, which appears in the history, the log and the dashboard
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The name of the person or program that asks; by default the user that runs this command (USER, LOGNAME, or its login name)
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl CauseArguments {
    /// Returns the fields of the request. If no name is known, it says so.
    pub(crate) fn body(&self) -> Value {
        let by = self.by.clone().or_else(user);
        if by.is_none() {
            let _ = writeln!(
                io::stderr(),
                "no user name is known, so the change is recorded as that of `admin API`, whoever has its token: give `--by NAME`"
            );
        }
        json!({ "by": by, "reason": self.reason })
    }
}

/// Returns the name of the user that runs this command: that of the environment, or else that of the system.
fn user() -> Option<String> {
    let is_name = |name: &String| !name.trim().is_empty();
    let mut variables = ["USER", "LOGNAME", "USERNAME"].into_iter();
    let named = variables.find_map(|name| std::env::var(name).ok().filter(is_name));
    named.or_else(|| {
        let id = std::process::Command::new("id").arg("-un").output().ok()?;
        let name = String::from_utf8(id.stdout).ok()?.trim().to_owned();
        Some(name).filter(|name| id.status.success() && is_name(name))
    })
}

/// The flags of a command that changes what is served.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    #[command(flatten)]
    pub(super) cause: CauseArguments,
    /// Do not ask, for scripts
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Do nothing unless this version is served; by default the one that is served when the command begins
    #[arg(long, value_name = "VERSION", alias = "if-version")]
    pub(super) expect: Option<u64>,
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

/// Serves an earlier version again.
#[derive(Debug, Args)]
pub(crate) struct RollBack {
    /// The version, one that `hotplate versions` lists as kept; by default the one before the current one
    #[arg(value_name = "VERSION")]
    to: Option<u64>,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
}

impl RollBack {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let change = &self.change;
        let instance = change.query.instance.instance(setup)?;
        let served = change.expect.map_or_else(|| current(&instance), Ok)?;
        let to = match self.to {
            Some(to) => to,
            None => before_current(&instance.get("versions")?)?,
        };
        if !change.yes {
            let diff = instance.get(&format!("diff?from={served}&to={to}"))?;
            let question = format!("version {served} is served; roll back to version {to}?");
            if !change.confirm(&shown::changes(&diff), &question)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let mut body = change.cause.body();
        body["to"] = json!(to);
        let answer = instance.post("rollback", &body, Some(served))?;
        change
            .query
            .print(&answer, |answer| shown::changed(answer, "waiting"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves everything that waits since a rollback.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
}

impl Resume {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let change = &self.change;
        let instance = change.query.instance.instance(setup)?;
        let served = change.expect.map_or_else(|| current(&instance), Ok)?;
        if !change.yes {
            let versions = instance.get("versions")?;
            let waiting = shown::waiting(&versions["waiting"]);
            let question = format!("version {served} is served; serve what waits?");
            if !waiting.is_empty() && !change.confirm(&waiting, &question)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let answer = instance.post("resume", &change.cause.body(), Some(served))?;
        change.query.print(&answer, |answer| shown::changed(answer, "served"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ChangeArguments {
    /// Shows what would change, and returns true if the user agrees.
    pub(super) fn confirm(&self, changes: &str, question: &str) -> Result<bool, Failure> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            let message =
                "this changes what is served, and there is no terminal to ask: give `--yes` if that is intended";
            return Err(Failure::Wrong(message.to_owned()));
        }
        let mut stderr = io::stderr().lock();
        write!(stderr, "{changes}{question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        let agrees = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        if !agrees {
            writeln!(stderr, "nothing was done")?;
        }
        Ok(agrees)
    }
}
