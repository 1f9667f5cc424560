//! [`Instance`]: a running instance, asked through its admin API.

use std::time::Duration;

use clap::Args;
use hotplate::admin::DEFAULT_ADDRESS;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::setup::{CommandSetup, Flag};
use super::{Failure, admin};

/// The deadline for the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The additional time to wait after the deadline that the instance has, so that its answer arrives.
const MARGIN: Duration = Duration::from_secs(5);
/// The most bytes of an answer, enough for thousands of diagnostics.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The flags that name a running instance.
#[derive(Debug, Args)]
pub(crate) struct InstanceArguments {
    /// The admin address of the running instance, such as `127.0.0.1:9901` or `http://admin.internal:9901` [default: 127.0.0.1:9901]
    #[arg(long, value_name = "ADDRESS", value_parser = without_scheme)]
    admin: Option<String>,
    /// A file with its admin token [env: HOTPLATE_ADMIN__TOKEN has the token itself]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<String>,
}

impl InstanceArguments {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        vec![
            ("--admin ", "admin.bind", &self.admin),
            ("--token-file ", "admin.token_file", &self.token_file),
        ]
    }

    /// Returns the instance that the flags and settings name.
    pub(crate) fn instance(&self, setup: &CommandSetup) -> Result<Instance, Failure> {
        let config = setup.config();
        Instance::new(
            &config.admin.bind,
            Duration::from_millis(config.limits.reload_ms),
            setup,
        )
    }
}

/// Returns an address without `http://` and what follows it.
pub(crate) fn without_scheme(text: &str) -> Result<String, String> {
    if text.starts_with("https://") {
        return Err("the admin listener does not speak TLS itself; give the address of a tunnel to it".to_owned());
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return Ok(text.to_owned());
    };
    let authority = rest.split('/').next().unwrap_or_default();
    Ok(match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        _ => format!("{authority}:80"),
    })
}

/// A running instance.
pub(crate) struct Instance {
    address: String,
    token: Option<String>,
    agent: Agent,
}

impl Instance {
    /// Names an instance by its admin address, by default the usual one. `deadline` is that which the instance has for its answer.
    pub(crate) fn new(address: &str, deadline: Duration, setup: &CommandSetup) -> Result<Self, Failure> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(deadline + MARGIN))
            .proxy(None)
            .build();
        Ok(Self {
            address: if address.is_empty() { DEFAULT_ADDRESS } else { address }.to_owned(),
            token: admin::token(&setup.settings)?,
            agent: agent.into(),
        })
    }

    /// Returns its address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the answer to a query. `path` is that below `/admin/v1/`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.get_after(path, None)
    }

    /// Returns the part of a list that follows a name, or the first part.
    pub(crate) fn get_after(&self, path: &str, after: Option<&str>) -> Result<Value, Failure> {
        let mut request = self.agent.get(self.url(path));
        if let Some(after) = after {
            request = request.query("after", after);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.parse(request.call())
    }

    /// Returns the answer to a command, which is carried out only if the version is served that is expected.
    pub(crate) fn post(&self, path: &str, body: &Value, expected: Option<u64>) -> Result<Value, Failure> {
        let mut request = self.agent.post(self.url(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(version) = expected {
            request = request.header("if-match", format!("\"{version}\""));
        }
        let request = request.header("content-type", "application/json");
        self.parse(request.send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/admin/v1/{path}", self.address)
    }

    /// Returns the JSON of an answer, or the failure that it describes.
    fn parse(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, Failure> {
        let address = &self.address;
        let mut answer = answer.map_err(|error| Failure::Failed(no_answer(address, &error)))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| Failure::Failed(format!("the answer of {address} cannot be read: {error}")))?;
        let json: Option<Value> = serde_json::from_str(&text).ok();
        match (status, json) {
            (200 | 201, Some(answer)) if answer.is_object() => Ok(answer),
            // A service that is not ready answers a query about its health with 503.
            (503, Some(health)) if health["ready"] == false => Ok(health),
            (401 | 403, _) => Err(Failure::Wrong(format!(
                "{address} requires another token: give it in HOTPLATE_ADMIN__TOKEN, or in a file with `--token-file`"
            ))),
            (status, Some(problem)) if problem["title"].is_string() => {
                let message = ["title", "detail"].map(|key| problem[key].as_str().unwrap_or_default());
                let message = message.join(": ");
                let message = format!("{address} answers {status} {}", message.trim_end_matches(": "));
                Err(match status {
                    // What was asked for does not exist, or is not accepted.
                    400 | 404 | 409 | 422 => Failure::Wrong(message),
                    _ => Failure::Failed(message),
                })
            }
            (status, _) => Err(Failure::Failed(format!(
                "{address} answers {status} and is not the admin API of hotplate"
            ))),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_that_of_the_dashboard() {
        for (given, expected) in [
            ("127.0.0.1:9901", Some("127.0.0.1:9901")),
            ("http://127.0.0.1:9901/_hotplate/", Some("127.0.0.1:9901")),
            ("http://[::1]:9901", Some("[::1]:9901")),
            ("http://admin.internal", Some("admin.internal:80")),
            ("http://[::1]", Some("[::1]:80")),
            ("https://admin.internal", None),
        ] {
            assert_eq!(without_scheme(given).ok().as_deref(), expected, "{given}");
        }
    }
}
