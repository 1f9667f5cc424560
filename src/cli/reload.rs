//! `hotplate reload`: reloads a running instance through its admin API.

mod report;

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::failure::FOUND;
use super::instance::InstanceArguments;
use super::operate::CauseArguments;
use super::setup::{CommandSetup, Flag};
use super::terminal::Terminal;
use super::{Failure, Format};

#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    instance: InstanceArguments,
    #[command(flatten)]
    cause: CauseArguments,
    /// Read all files again, even if their time stamp and size have not changed
    #[arg(long)]
    full: bool,
    /// Output format: sentences, or the report as one JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Reload {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        self.instance.flags()
    }

    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let instance = self.instance.instance(setup)?;
        let path = if self.full { "reload?full=true" } else { "reload" };
        let report = instance.post(path, &self.cause.body(), None)?;
        if report["outcome"] == Value::Null {
            let address = instance.address();
            let message = format!("{address} answers 200 and is not the admin API of hotplate");
            return Err(Failure::Failed(message));
        }
        let mut terminal = Terminal::stdout();
        match self.format {
            Format::Json => terminal.line(&report)?,
            Format::Human => terminal.line(report::text(&report).trim_end())?,
        }
        Ok(ExitCode::from(if report::is_clean(&report) { 0 } else { FOUND }))
    }
}
