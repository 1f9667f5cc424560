//! `hotplate config`: the settings in force, and where each comes from.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hotplate::config::{self, Key, Origin, Value, keys};
use serde_json::json;

use super::setup::CommandSetup;
use super::terminal::Terminal;
use super::{Failure, Format};

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// The directory whose `hotplate.toml` is read
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Output format: TOML with comments, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Print every setting with its default and a description, as a file to start from
    #[arg(long)]
    sample: bool,
}

impl Config {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let shown = match (self.sample, self.format) {
            (true, _) => config::sample(),
            (false, Format::Human) => toml(setup),
            (false, Format::Json) => json(setup),
        };
        Terminal::stdout().line(shown.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn toml(setup: &CommandSetup) -> String {
    let mut toml = String::new();
    let mut section = "";
    for key in keys() {
        if key.section() != section {
            section = key.section();
            let before = if toml.is_empty() { "" } else { "\n" };
            toml += &format!("{before}[{section}]\n");
        }
        let line = format!("{} = {}", key.name(), shown(key, setup));
        toml += &match setup.settings.origin(key) {
            Origin::Default => format!("{line}\n"),
            origin => format!("{line:<40} # {origin}\n"),
        };
    }
    toml
}

fn json(setup: &CommandSetup) -> String {
    let one = |key: &Key| {
        let from = match setup.settings.origin(key) {
            Origin::Default => None,
            origin => Some(origin.to_string()),
        };
        (
            key.path.clone(),
            json!({ "value": shown(key, setup), "from": from, "live": key.live }),
        )
    };
    let all: serde_json::Map<String, serde_json::Value> = keys().iter().map(one).collect();
    serde_json::Value::Object(all).to_string()
}

/// Returns the value of a setting. A secret shows only that it is set.
fn shown(key: &Key, setup: &CommandSetup) -> Value {
    match key.get(setup.config()) {
        Value::Text(secret) if key.secret && !secret.is_empty() => Value::Text("(not shown)".to_owned()),
        value => value,
    }
}
