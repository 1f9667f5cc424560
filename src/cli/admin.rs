//! The admin listener of `dev` and `serve`, and its token.

use std::path::Path;

use hotplate::Hotplate;
use hotplate::admin::{Admin, AdminHandle};
use hotplate::config;
use hotplate::metrics::Metrics;
use hotplate::text::decode;

use super::Failure;
use super::log::Log;

/// Starts the admin listener, if there is to be one.
pub(crate) fn start(
    config: &config::Admin,
    hotplate: &Hotplate,
    metrics: &Metrics,
    log: &Log,
) -> Result<Option<AdminHandle>, Failure> {
    if config.bind.is_empty() {
        return Ok(None);
    }
    let admin = Admin::new(hotplate.clone())
        .bind(&config.bind)
        .limits(config.limits.clone())
        .metrics(metrics.clone())
        .log_level(log.clone());
    let admin = config.hosts.iter().fold(admin, |admin, host| admin.host(host));
    let admin = match token(config)? {
        Some(token) => admin.token(token),
        None => admin,
    };
    let started = admin.start();
    started.map(Some).map_err(|error| {
        let how = match error {
            hotplate::admin::AdminError::TokenRequired { .. } => " (HOTPLATE_ADMIN__TOKEN, or `--token-file FILE`)",
            _ => "",
        };
        Failure::Wrong(format!("{error}{how}"))
    })
}

/// The token that callers of the admin API have to know, if there is one.
pub(crate) fn token(config: &config::Admin) -> Result<Option<String>, Failure> {
    match (config.token.as_str(), config.token_file.as_str()) {
        ("", "") => Ok(None),
        ("", file) => read(Path::new(file)).map(Some),
        (token, _) => Ok(Some(token.to_owned())),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let wrong =
        |why: &dyn std::fmt::Display| Failure::Wrong(format!("the admin token cannot be read from `{shown}`: {why}"));
    let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
    let text = decode(bytes).map_err(|diagnostic| wrong(&diagnostic.message))?;
    match text.trim() {
        "" => Err(wrong(&"the file is empty")),
        token => Ok(token.to_owned()),
    }
}
