//! [`LiveSettings`]: the settings of a running command, and their reload by SIGHUP, which applies all of them or none.

use hotplate::config::{Changes, Config, ConfigError, Settings};
use hotplate::metrics::Metrics;

use super::setup::{self, CommandSetup};

/// The settings of a running command.
pub(crate) struct LiveSettings {
    setup: CommandSetup,
    /// The settings in force: the settings at the start, with all later changes that need no restart.
    running: Config,
    metrics: Option<Metrics>,
}

impl LiveSettings {
    pub(crate) fn new(setup: CommandSetup) -> Self {
        let running = setup.settings.config.clone();
        let metrics = None;
        Self {
            setup,
            running,
            metrics,
        }
    }

    /// Counts each reload by its outcome.
    pub(crate) fn measured_by(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Returns the settings in force.
    pub(crate) fn config(&self) -> &Config {
        &self.running
    }

    /// Reads all sources again. If they are valid as a whole, the settings that can change in a running process change; the log names the
    /// settings that need a restart.
    ///
    /// # Errors
    /// The errors of the configuration, which are logged too. Then nothing changes.
    pub(crate) fn reread(&mut self) -> Result<Changes, ConfigError> {
        let read = self.read();
        if let Some(metrics) = &self.metrics {
            metrics.configuration_reloaded(read.is_ok());
        }
        let settings = match read {
            Ok(settings) => settings,
            Err(error) => {
                log_errors(&error);
                return Err(error);
            }
        };
        let changes = Changes::between(&self.running, &settings.config);
        if self.running.log.level != settings.config.log.level
            && let Err(error) = self.setup.log.change(&settings.config.log.level)
        {
            tracing::error!(error, "the log level stays as it was");
        }
        self.running.take_live(&settings.config);
        for change in &changes.live {
            tracing::info!(key = change.path, "changed: {change}");
        }
        for change in &changes.restart {
            tracing::warn!(key = change.path, "needs a restart: {change}");
        }
        Ok(changes)
    }

    fn read(&mut self) -> Result<Settings, ConfigError> {
        if let Some(appeared) = self.setup.file.take_if(|file| file.exists()) {
            self.setup.sources = self.setup.sources.clone().file(appeared);
        }
        setup::read(&self.setup.sources)
    }
}

/// Logs each error of a configuration that is not taken.
fn log_errors(error: &ConfigError) {
    for finding in &error.findings {
        let diagnostic = &finding.diagnostic;
        let at = match diagnostic.span {
            Some(span) => format!("{}:{}:{}", finding.place, span.line, span.column),
            None => finding.place.clone(),
        };
        let help = diagnostic.help.as_deref().unwrap_or_default();
        tracing::error!(
            at,
            help,
            "the configuration is invalid, and the previous one stays in force: {}",
            diagnostic.message
        );
    }
}
