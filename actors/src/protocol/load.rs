//! [`LoaderError`]: a loader that cannot sync or watch.

/// An error of syncing or watching. `Display` is a whole sentence; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LoaderError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LoaderError {
    /// Creates an error that says what failed, and where.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Adds the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
