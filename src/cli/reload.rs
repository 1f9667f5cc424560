//! `hotplate reload`: reloads a running instance through its admin API.

mod report;

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::failure::FOUND;
use super::operate::{CauseArguments, QueryArguments};
use super::setup::{CommandSetup, Flag};

#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    query: QueryArguments,
    #[command(flatten)]
    cause: CauseArguments,
    /// Read all files again, even if their time stamp and size have not changed
    #[arg(long)]
    full: bool,
}

impl Reload {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        self.query.flags()
    }

    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let instance = self.query.instance.instance(setup)?;
        let path = if self.full { "reload?full=true" } else { "reload" };
        let report = instance.post(path, &self.cause.body(), None)?;
        if report["outcome"] == Value::Null {
            let address = instance.address();
            let message = format!("{address} answers 200 and is not the admin API of hotplate");
            return Err(Failure::Failed(message));
        }
        self.query.print(&report, report::text)?;
        Ok(ExitCode::from(if report::is_clean(&report) { 0 } else { FOUND }))
    }
}
