//! `hotplate reload`: reloads a running instance through its admin API.

mod report;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::api::Api;
use super::failure::FOUND;
use super::setup::{CommandSetup, Flag};
use super::terminal::Terminal;
use super::{Failure, Format, admin};

/// The additional time to wait after the deadline that the instance has for a reload, so that its answer arrives.
const MARGIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// The admin address of the running instance [default: 127.0.0.1:9901]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// A file with its admin token [env: HOTPLATE_ADMIN__TOKEN has the token itself]
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// Read all files again, even if their time stamp and size have not changed
    #[arg(long)]
    full: bool,
    /// Output format: sentences, or the report as one JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Reload {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        vec![
            ("--admin ", "admin.bind", &self.admin),
            ("--token-file ", "admin.token_file", &self.token_file),
        ]
    }

    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let config = setup.config();
        let within = Duration::from_millis(config.limits.reload_ms) + MARGIN;
        let api = Api::new(&config.admin.bind, admin::token(&setup.settings)?)?.within(within);
        let report = api.reload(self.full)?;
        let mut terminal = Terminal::stdout();
        match self.format {
            Format::Json => terminal.line(&report)?,
            Format::Human => terminal.line(report::text(&report).trim_end())?,
        }
        Ok(ExitCode::from(if report::is_clean(&report) { 0 } else { FOUND }))
    }
}
