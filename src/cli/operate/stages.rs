//! `stages`, `promote`, `abort` and `tenants`: canaries and tenants of a running instance.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::change::ChangeArguments;
use super::{QueryArguments, current, shown};
use crate::cli::failure::FOUND;
use crate::cli::json::list;
use crate::cli::setup::CommandSetup;
use crate::cli::{Failure, names};

/// Tenants that the list spells out.
const TENANTS_MAX: usize = 1_000;

/// A stage other than stable.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum StageName {
    #[default]
    Canary,
    Experimental,
}

impl StageName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Experimental => "experimental",
        }
    }
}

/// An action on a stage.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StageCommand {
    /// Begin the rollout of canary
    Start,
    /// Begin the next step of the rollout
    Advance,
    /// Let a stage go on that is stopped
    Resume,
}

/// Shows the stages, or begins, widens or resumes one.
#[derive(Debug, Args)]
pub(crate) struct Stages {
    /// The action; without it the stages are shown
    #[arg(value_enum)]
    command: Option<StageCommand>,
    /// The stage
    #[arg(value_enum, default_value_t)]
    stage: StageName,
    /// Begin the next step although a requirement is not met. It needs `--reason`
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
}

/// Serves the texts of canary to all visitors.
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The stage
    #[arg(value_enum, default_value_t)]
    stage: StageName,
    /// The tenant whose texts are promoted; by default those of everyone
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Promote it although a requirement is not met. It needs `--reason`
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
}

/// Stops a stage.
#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// The stage
    #[arg(value_enum, default_value_t)]
    stage: StageName,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
}

/// Lists the tenants.
#[derive(Debug, Args)]
pub(crate) struct Tenants {
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

impl Stages {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let Some(command) = self.command else {
            let answer = self.change.query.instance.instance(setup)?.get("stages")?;
            self.change.query.print(&answer, stages)?;
            let is_stopped = list(&answer["stages"]).iter().any(|stage| stage["is_on"] == false);
            return Ok(ExitCode::from(if is_stopped { FOUND } else { 0 }));
        };
        let (action, question) = match command {
            StageCommand::Start => ("start", "begin the rollout of canary?"),
            StageCommand::Advance => ("advance", "begin the next step of the rollout?"),
            StageCommand::Resume => ("resume", "let its visitors get it again?"),
        };
        let body = json!({ "force": self.force });
        act(setup, &self.change, (self.stage, action), body, question)
    }
}

impl Promote {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let body = json!({ "force": self.force, "tenant": self.tenant });
        let question = match &self.tenant {
            None => "serve the texts of canary to all visitors?".to_owned(),
            Some(tenant) => format!("serve the texts of canary to all visitors of `{tenant}`?"),
        };
        act(setup, &self.change, (self.stage, "promote"), body, &question)
    }
}

impl Abort {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let question = "stop it, so that its visitors get stable?";
        act(setup, &self.change, (self.stage, "abort"), json!({}), question)
    }
}

impl Tenants {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let tenants = self.query.instance.instance(setup)?.get("tenants")?;
        self.query.print(&tenants, |tenants| {
            let named: Vec<&str> = list(&tenants["tenants"]).iter().filter_map(Value::as_str).collect();
            match tenants["count"].as_u64() {
                Some(0) | None => "no tenant has a template of its own".to_owned(),
                Some(count) => {
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    let count = names::count(count, "tenant");
                    format!("{count}: {}", names::enumeration(named.into_iter(), TENANTS_MAX))
                }
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows a stage, asks, and sends a command about it, with the version that was shown.
fn act(
    setup: &CommandSetup,
    change: &ChangeArguments,
    (stage, action): (StageName, &str),
    mut body: Value,
    question: &str,
) -> Result<ExitCode, Failure> {
    let stage = stage.as_str();
    let instance = change.query.instance.instance(setup)?;
    let served = change.expect.map_or_else(|| current(&instance), Ok)?;
    if !change.yes {
        let answer = instance.get("stages")?;
        let found = list(&answer["stages"]).iter().find(|each| each["stage"] == stage);
        let shown = found.map(described).unwrap_or_default();
        if !change.confirm(&shown, &format!("version {served} is served; {question}"))? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if let (Some(body), Value::Object(cause)) = (body.as_object_mut(), change.cause.body()) {
        body.extend(cause);
    }
    let answer = instance.post(&format!("stages/{stage}/{action}"), &body, Some(served))?;
    change
        .query
        .print(&answer, |answer| match answer["outcome"] == "published" {
            true => shown::changed(answer, "waiting"),
            false => described(&answer["stage"]),
        })?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the state of all stages.
fn stages(answer: &Value) -> String {
    list(&answer["stages"]).iter().map(described).collect()
}

/// Returns the state of a stage, which may lack any field.
fn described(stage: &Value) -> String {
    let mut text = String::new();
    let name = stage["stage"].as_str().unwrap_or("stage");
    let state = match (stage["is_on"] == true, stage["has_texts"] == true) {
        (false, _) => "stopped",
        (true, true) => "on",
        (true, false) => "on, no text of everyone",
    };
    let _ = writeln!(text, "{name}: {state}");
    if let Some(reason) = stage["halt"]["reason"].as_str() {
        let _ = writeln!(text, "  {reason}");
    }
    let number = |key: &str| stage[key].as_u64().unwrap_or(0);
    let _ = write!(
        text,
        "  judged: {} renders, {} failed",
        number("renders"),
        number("failed")
    );
    if let (Some(p99), Some(stable)) = (stage["p99_us"].as_u64(), stage["stable_p99_us"].as_u64()) {
        let _ = write!(text, "; p99 {p99} µs, stable {stable} µs");
    }
    let _ = writeln!(
        text,
        "\n  answered by stable: {} after a failure, {} while stopped",
        number("rescued"),
        number("diverted")
    );
    let rollout = &stage["rollout"];
    if let Some(state) = rollout["state"].as_str() {
        let share = rollout["buckets"].as_u64().unwrap_or(0);
        let _ = write!(text, "  rollout: {state}");
        if let Some(step) = rollout["step"].as_u64() {
            let _ = write!(text, ", step {step} of {}", list(&rollout["steps"]).len());
        }
        let _ = writeln!(text, ", {}.{:02} % of visitors", share / 100, share % 100);
        if let Some(unmet) = rollout["unmet"].as_str() {
            let _ = writeln!(text, "  {unmet}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_described_whatever_is_absent() {
        assert!(described(&json!({})).contains("0 renders"));
        let stage = json!({
            "stage": "canary", "is_on": false, "halt": { "reason": "it fails" }, "renders": 4, "failed": 4,
            "rollout": { "state": "stopped", "step": 1, "steps": [1, 2], "buckets": 250, "unmet": "it is stopped" }
        });
        let expected = "canary: stopped\n  it fails\n  judged: 4 renders, 4 failed\n  answered by stable: 0 after a failure, 0 while \
             stopped\n  rollout: stopped, step 1 of 2, 2.50 % of visitors\n  it is stopped\n";
        assert_eq!(described(&stage), expected);
    }
}
