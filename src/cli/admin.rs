//! The admin listener of `dev` and `serve`, and its token.

use std::path::Path;

use hotplate::Hotplate;
use hotplate::admin::{Admin, AdminHandle, Subject};
use hotplate::config::Settings;
use hotplate::metrics::Metrics;
use hotplate::text::decode;

use super::Failure;
use super::log::Log;

/// Starts the admin listener, if an address is set for it.
pub(crate) fn start(
    settings: &Settings,
    hotplate: &Hotplate,
    configuration: Option<&Path>,
    metrics: &Metrics,
    log: &Log,
) -> Result<Option<AdminHandle>, Failure> {
    let config = &settings.config.admin;
    if config.bind.is_empty() {
        return Ok(None);
    }
    let admin = Admin::new(hotplate.clone())
        .bind(&config.bind)
        .limits(config.limits.clone())
        .metrics(metrics.clone())
        .log_level(log.clone());
    let admin = match configuration {
        Some(file) => admin.configuration(file.display().to_string()),
        None => admin,
    };
    let admin = config.hosts.iter().fold(admin, |admin, host| admin.host(host));
    let admin = match token(settings)? {
        Some(token) => admin.token(token),
        None => admin,
    };
    let subjects = Subject::parse_all(&config.subject);
    let subjects = subjects.map_err(|error| settings.refuse("admin.subject", error.problem, error.help))?;
    let admin = subjects.into_iter().fold(admin, Admin::subject);
    let hooks = Secret {
        key: "admin.hook_secret_file",
        what: "secret of webhooks",
    };
    let admin = match hooks.read(settings, &config.hook_secret, &config.hook_secret_file)? {
        Some(secret) => admin.hook_secret(secret),
        None => admin,
    };
    let started = admin.start();
    started.map(Some).map_err(|error| {
        let hint = match error {
            hotplate::admin::AdminError::TokenRequired { .. } => " (HOTPLATE_ADMIN__TOKEN, or `--token-file FILE`)",
            _ => "",
        };
        let message = format!("{error}{hint}");
        match error {
            hotplate::admin::AdminError::Start(_) => Failure::Failed(message),
            _ => Failure::Wrong(message),
        }
    })
}

/// Returns the admin token, if one is set.
///
/// # Errors
/// A token file that cannot be read, as an error of the setting that names it.
pub(crate) fn token(settings: &Settings) -> Result<Option<String>, Failure> {
    let config = &settings.config.admin;
    let token = Secret {
        key: "admin.token_file",
        what: "admin token",
    };
    token.read(settings, &config.token, &config.token_file)
}

/// A secret that is a setting itself or the content of a file that another setting names.
pub(crate) struct Secret {
    /// The setting of the file.
    pub(crate) key: &'static str,
    /// The secret in words.
    pub(crate) what: &'static str,
}

impl Secret {
    /// Returns the secret, if one is set.
    ///
    /// # Errors
    /// A file that cannot be read, as an error of the setting that names it.
    pub(crate) fn read(&self, settings: &Settings, secret: &str, file: &str) -> Result<Option<String>, Failure> {
        match (secret, file) {
            ("", "") => Ok(None),
            ("", file) => match read(Path::new(file)) {
                Ok(secret) => Ok(Some(secret)),
                Err(why) => {
                    let message = format!("the {} cannot be read from `{file}`: {why}", self.what);
                    let help = format!("name a file with the {} that this user can read", self.what);
                    Err(settings.refuse(self.key, message, help).into())
                }
            },
            (secret, _) => Ok(Some(secret.to_owned())),
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    let text = decode(bytes).map_err(|diagnostic| diagnostic.message)?;
    match text.trim() {
        "" => Err("the file is empty".to_owned()),
        token => Ok(token.to_owned()),
    }
}
