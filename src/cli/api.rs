//! [`Api`]: requests of a command to the admin API of a running instance.

use std::time::Duration;

use hotplate::admin::DEFAULT_ADDRESS;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

use super::Failure;

/// The deadline for the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The deadline for an answer, which is longer than any instance takes by its own limit.
const ANSWER: Duration = Duration::from_secs(120);
/// The most bytes of an answer, enough for thousands of diagnostics.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A running instance.
pub(crate) struct Api {
    agent: Agent,
    address: String,
    token: Option<String>,
}

impl Api {
    /// Names an instance by its admin address or by a URL of it; an empty one is the default address.
    pub(crate) fn new(address: &str, token: Option<String>) -> Result<Self, Failure> {
        if address.starts_with("https://") {
            return Err(Failure::Wrong(format!(
                "`{address}`: the command does not speak TLS; name the address behind the proxy, such as `127.0.0.1:9901`"
            )));
        }
        let bare = address.strip_prefix("http://").unwrap_or(address);
        let bare = bare.split('/').next().unwrap_or_default();
        let looks_like_a_path = bare.is_empty() && !address.is_empty() || !bare.is_empty() && !bare.contains(':');
        if looks_like_a_path {
            return Err(Failure::Wrong(format!(
                "`{address}` is neither a directory nor an address such as `127.0.0.1:9901`"
            )));
        }
        Ok(Self {
            agent: agent(ANSWER),
            address: if bare.is_empty() { DEFAULT_ADDRESS } else { bare }.to_owned(),
            token,
        })
    }

    /// Sets the time that an answer may take.
    pub(crate) fn within(self, within: Duration) -> Self {
        Self {
            agent: agent(within),
            ..self
        }
    }

    /// Reloads, and returns the report.
    pub(crate) fn reload(&self, full: bool) -> Result<Value, Failure> {
        let query = if full { "?full=true" } else { "" };
        let request = self
            .agent
            .post(format!("http://{}/admin/v1/reload{query}", self.address));
        self.parse(self.authorized(request).send_empty(), "outcome")
    }

    /// Lists templates after a name, as many as the instance answers at once.
    pub(crate) fn templates(&self, after: Option<&str>) -> Result<Value, Failure> {
        let mut request = self.agent.get(format!("http://{}/admin/v1/templates", self.address));
        if let Some(after) = after {
            request = request.query("after", after);
        }
        self.parse(self.authorized(request).call(), "templates")
    }

    /// Asks for a preview.
    pub(crate) fn preview(&self, order: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(format!("http://{}/admin/v1/previews", self.address));
        let request = self.authorized(request).header("content-type", "application/json");
        self.parse(request.send(order.to_string()), "digest")
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Returns the object in an answer, which has this field, or the failure that it describes.
    fn parse(&self, answer: Result<Response<Body>, ureq::Error>, field: &str) -> Result<Value, Failure> {
        let address = &self.address;
        let mut answer = answer.map_err(|error| Failure::Failed(no_answer(address, &error)))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| Failure::Failed(format!("the answer of {address} cannot be read: {error}")))?;
        let json: Option<Value> = serde_json::from_str(&text).ok();
        match (status, json) {
            (200 | 201, Some(found)) if found[field] != Value::Null => Ok(found),
            (status, found) => Err(refused(address, status, found)),
        }
    }
}

fn agent(within: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(within))
        .proxy(None)
        .build();
    config.into()
}

/// Returns the failure that an answer describes.
fn refused(address: &str, status: u16, answer: Option<Value>) -> Failure {
    match (status, answer) {
        (401 | 403, _) => Failure::Wrong(format!(
            "{address} requires another token: give it in HOTPLATE_ADMIN__TOKEN, or in a file with `--token-file`"
        )),
        (_, Some(problem)) if problem["title"].is_string() => {
            let message = ["title", "detail"].map(|key| problem[key].as_str().unwrap_or_default());
            let message = message.join(": ");
            Failure::Failed(format!("{address} answers {status} {}", message.trim_end_matches(": ")))
        }
        (status, _) => Failure::Failed(format!(
            "{address} answers {status} and is not the admin API of hotplate"
        )),
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
