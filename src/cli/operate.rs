//! The commands of an operator against a running instance: `status`, `versions`, `diff`, `rollback`, `resume`, `leaks`, `sources`, `stages`,
//! `promote`, `abort` and `tenants`.
//!
//! Each asks the admin API and shows the answer in sentences and tables, or as the JSON that the instance sent. A command that changes
//! something says what it is about to do and asks on a terminal; it sends the version that it has shown, so that it does nothing if
//! somebody else was faster.

mod change;
mod shown;
mod stages;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::failure::FOUND;
use super::instance::{Instance, InstanceArguments};
use super::setup::{CommandSetup, Flag};
use super::terminal::Terminal;
use super::{Failure, Format};

pub(crate) use change::{CauseArguments, Resume, RollBack};
pub(crate) use stages::{Abort, Promote, Stages, Tenants};

/// The flags of all these commands, and of `reload`.
#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    #[command(flatten)]
    pub(crate) instance: InstanceArguments,
    /// Output format: tables and sentences, or the answer of the instance as one JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl QueryArguments {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        self.instance.flags()
    }

    pub(crate) fn print(&self, answer: &Value, human: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        let mut terminal = Terminal::stdout();
        match self.format {
            Format::Json => terminal.line(answer)?,
            Format::Human => terminal.line(human(answer).trim_end())?,
        }
        Ok(())
    }
}

/// Shows what a running instance serves, and what is wrong with it.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

impl Status {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let instance = self.query.instance.instance(setup)?;
        let mut versions = instance.get("versions")?;
        let newest = versions["versions"].get_mut(0).map(Value::take);
        let status = json!({
            "version": instance.get("version")?,
            "made": newest.unwrap_or_default(),
            "waiting": versions["waiting"].take(),
            "health": instance.get("health")?,
            "stale": instance.get("templates?status=stale")?["templates"].take(),
            "broken": instance.get("templates?status=broken")?["templates"].take(),
        });
        self.query
            .print(&status, |status| shown::status(status, instance.address()))?;
        Ok(ExitCode::from(if shown::is_good(&status) { 0 } else { FOUND }))
    }
}

/// Lists the versions of a running instance.
#[derive(Debug, Args)]
pub(crate) struct Versions {
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

impl Versions {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let versions = self.query.instance.instance(setup)?.get("versions")?;
        self.query.print(&versions, shown::versions)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Compares two versions of a running instance.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The first version; by default the one before the current one
    #[arg(value_name = "FROM")]
    from: Option<u64>,
    /// The second version, or `source` for the sources as they are now; by default the current version
    #[arg(value_name = "TO", value_parser = parse_to)]
    to: Option<String>,
    /// Exit with 1 if there are differences
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

fn parse_to(text: &str) -> Result<String, String> {
    match text == "source" || text.parse::<u64>().is_ok() {
        true => Ok(text.to_owned()),
        false => Err("it has to be the number of a version, or `source`".to_owned()),
    }
}

impl Diff {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let instance = self.query.instance.instance(setup)?;
        let from = match self.from {
            Some(from) => from,
            None => before_current(&instance.get("versions")?)?,
        };
        let to = self.to.as_ref().map(|to| format!("&to={to}")).unwrap_or_default();
        let diff = instance.get(&format!("diff?from={from}&content=true{to}"))?;
        let colours = Terminal::stdout().colours();
        self.query.print(&diff, |diff| shown::diff(diff, colours))?;
        let is_empty = diff["templates"].as_array().is_none_or(Vec::is_empty);
        Ok(ExitCode::from(if self.exit_code && !is_empty { FOUND } else { 0 }))
    }
}

/// Shows the versions that a running instance still keeps in memory, and what holds them.
#[derive(Debug, Args)]
pub(crate) struct Leaks {
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

impl Leaks {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let leaks = self.query.instance.instance(setup)?.get("leaks")?;
        self.query.print(&leaks, shown::leaks)?;
        let leaked = leaks["leaked"].as_u64().unwrap_or(0);
        Ok(ExitCode::from(if leaked > 0 { FOUND } else { 0 }))
    }
}

/// Shows the sources of a running instance, and what is wrong with them.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

impl Sources {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let mut health = self.query.instance.instance(setup)?.get("health")?;
        let sources = json!({ "sources": health["loaders"].take() });
        self.query.print(&sources, shown::sources)?;
        let all_loaded = shown::are_loaded(&sources);
        Ok(ExitCode::from(if all_loaded { 0 } else { FOUND }))
    }
}

/// Returns the kept version before the current one. If that is an earlier version again, because somebody rolled back, it is the one before
/// that earlier version: the versions between the two are those that were left.
fn before_current(versions: &Value) -> Result<u64, Failure> {
    let current = versions["current"].as_u64().unwrap_or_default();
    let list: Vec<&Value> = versions["versions"].as_array().into_iter().flatten().collect();
    let number = |version: &Value| version["version"].as_u64().unwrap_or_default();
    let served = list.iter().find(|version| number(version) == current);
    let digest = served.map(|version| &version["digest"]);
    let is_same = |version: &&&Value| Some(&version["digest"]) == digest;
    let earlier = list.iter().filter(|version| number(version) < current);
    let again = match served.is_some_and(|version| version["held"] == true) {
        true => earlier.clone().filter(is_same).map(|version| number(version)).max(),
        false => None,
    };
    let place = again.unwrap_or(current);
    let before = earlier.filter(|version| version["kept"] == true && !is_same(version));
    let before = before
        .map(|version| number(version))
        .filter(|number| *number < place)
        .max();
    before.ok_or_else(|| {
        let again = again.map(|version| format!(", which is version {version} again,"));
        let again = again.unwrap_or_default();
        Failure::Wrong(format!("no version before version {current}{again} is kept"))
    })
}

/// Returns the version that an instance serves.
fn current(instance: &Instance) -> Result<u64, Failure> {
    let version = instance.get("version")?;
    version["version"].as_u64().ok_or_else(|| {
        let address = instance.address();
        Failure::Failed(format!("{address} does not say which version it serves"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_after_a_rollback_goes_further_back() {
        // Versions as (number, digest, made by a rollback), the last one is served.
        type Versions<'v> = &'v [(u64, &'v str, bool)];
        let cases: [(Versions<'_>, Option<u64>); 6] = [
            (&[(1, "a", false)], None),
            (&[(1, "a", false), (2, "b", false), (3, "c", false)], Some(2)),
            (
                &[(1, "a", false), (2, "b", false), (3, "c", false), (4, "b", true)],
                Some(1),
            ),
            (&[(1, "a", false), (2, "b", false), (3, "a", true)], None),
            (
                &[(1, "a", false), (2, "b", false), (3, "a", true), (4, "c", false)],
                Some(3),
            ),
            (
                &[(1, "a", false), (2, "b", false), (3, "a", true), (4, "b", false)],
                Some(3),
            ),
        ];
        for (versions, expected) in cases {
            let list = versions.iter().map(|(version, digest, held)| {
                serde_json::json!({ "version": version, "digest": digest, "held": held, "kept": true })
            });
            let current = versions.last().map(|(version, ..)| version);
            let answer = serde_json::json!({ "current": current, "versions": list.collect::<Vec<_>>() });
            assert_eq!(before_current(&answer).ok(), expected, "{versions:?}");
        }
    }
}
