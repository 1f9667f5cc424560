//! [`Live`]: what is set while the command runs, and what SIGHUP makes of it: all of it or nothing.

use hotplate::config::{Changes, Config, ConfigError, Settings};
use hotplate::metrics::Metrics;

use super::setup::{self, Setup};

/// What is set while the command runs.
pub(crate) struct Live {
    setup: Setup,
    /// What holds: as it was at the beginning, but for what could change since.
    running: Config,
    metrics: Option<Metrics>,
}

impl Live {
    pub(crate) fn new(setup: Setup) -> Self {
        let running = setup.settings.config.clone();
        let metrics = None;
        Self {
            setup,
            running,
            metrics,
        }
    }

    /// Says in the metrics what became of each attempt.
    pub(crate) fn measured_by(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// What holds now.
    pub(crate) fn config(&self) -> &Config {
        &self.running
    }

    /// Reads everything again. If it makes sense as a whole, what can change does; the log names what cannot.
    ///
    /// # Errors
    /// What is wrong, which the log says as well; then nothing changes.
    pub(crate) fn reread(&mut self) -> Result<Changes, ConfigError> {
        let read = self.read();
        if let Some(metrics) = &self.metrics {
            metrics.configuration_reloaded(read.is_ok());
        }
        let settings = match read {
            Ok(settings) => settings,
            Err(error) => {
                refused(&error);
                return Err(error);
            }
        };
        let changes = Changes::between(&self.running, &settings.config);
        if self.running.log.level != settings.config.log.level
            && let Err(error) = self.setup.log.change(&settings.config.log.level)
        {
            tracing::error!(error, "the level of the log stays as it was");
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

fn refused(error: &ConfigError) {
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
            "the configuration is refused, and what held goes on: {}",
            diagnostic.message
        );
    }
}
