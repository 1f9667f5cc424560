//! `hotplate reload`: reloads a running instance through its admin API.

mod report;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hotplate::admin::DEFAULT_ADDRESS;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::failure::FOUND;
use super::setup::{CommandSetup, Flag};
use super::terminal::Terminal;
use super::{Failure, Format, admin};

/// The deadline for the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The additional time to wait after the deadline that the instance has for a reload, so that its answer arrives.
const MARGIN: Duration = Duration::from_secs(5);
/// The most bytes of an answer, enough for thousands of diagnostics.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

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
        let address = match config.admin.bind.as_str() {
            "" => DEFAULT_ADDRESS,
            address => address,
        };
        let token = admin::token(&setup.settings)?;
        let within = Duration::from_millis(config.limits.reload_ms) + MARGIN;
        let report = ask(address, token.as_deref(), self.full, within)?;
        let mut terminal = Terminal::stdout();
        match self.format {
            Format::Json => terminal.line(&report)?,
            Format::Human => terminal.line(report::text(&report).trim_end())?,
        }
        Ok(ExitCode::from(if report::is_clean(&report) { 0 } else { FOUND }))
    }
}

/// Sends the request and returns the report.
fn ask(address: &str, token: Option<&str>, full: bool, within: Duration) -> Result<Value, Failure> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(within))
        .proxy(None)
        .build()
        .into();
    let query = if full { "?full=true" } else { "" };
    let mut request = agent.post(format!("http://{address}/admin/v1/reload{query}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = request.send_empty();
    let answer = answer.map_err(|error| Failure::Failed(no_answer(address, &error)))?;
    parse(address, answer)
}

/// Returns the message for a request without an answer.
fn no_answer(address: &str, error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => format!(
            "nothing listens at {address}: is the server running with `hotplate serve DIR --admin {address}`? Another address is \
             named with `--admin`"
        ),
        ureq::Error::Timeout(_) => format!("there is no answer from {address} in time: {error}"),
        error => format!("{address} cannot be asked: {error}"),
    }
}

/// Returns the report in an answer, or the failure that it describes.
fn parse(address: &str, mut answer: Response<Body>) -> Result<Value, Failure> {
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let text = text.map_err(|error| Failure::Failed(format!("the answer of {address} cannot be read: {error}")))?;
    let json: Option<Value> = serde_json::from_str(&text).ok();
    match (status, json) {
        (200, Some(report)) if report["outcome"] != Value::Null => Ok(report),
        (401 | 403, _) => Err(Failure::Wrong(format!(
            "{address} requires another token: give it in HOTPLATE_ADMIN__TOKEN, or in a file with `--token-file`"
        ))),
        (_, Some(problem)) if problem["title"].is_string() => {
            let message = ["title", "detail"].map(|key| problem[key].as_str().unwrap_or_default());
            let message = message.join(": ");
            Err(Failure::Failed(format!(
                "{address} answers {status} {}",
                message.trim_end_matches(": ")
            )))
        }
        (status, _) => Err(Failure::Failed(format!(
            "{address} answers {status} and is not the admin API of hotplate"
        ))),
    }
}
