//! [`LoaderError`]: a loader that cannot sync or watch.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An error of syncing or watching. `Display` is a whole sentence; the cause is its source.
///
/// ```
/// use hotplate_actors::loader::LoaderError;
/// use std::time::Duration;
///
/// let down = LoaderError::unavailable("the database does not answer").retry_after(Duration::from_secs(5));
/// assert_eq!(down.to_string(), "the database does not answer");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum LoaderError {
    /// There is no such source. It counts as one without templates, so templates of the same names from loaders of lower priority are
    /// served.
    Absent(LoaderFailure),
    /// The source cannot be reached at present. What it had is still served, and it is synced again. If it has never been loaded, the names
    /// that it supports are broken rather than served from a loader of lower priority.
    Unavailable {
        /// The reason.
        failure: LoaderFailure,
        /// The time until the next attempt makes sense, if the source has said so.
        retry_after: Option<Duration>,
    },
    /// The source cannot be loaded as it is configured, or its content is not acceptable. What it had is still served; an engine does not
    /// start with it.
    Refused(LoaderFailure),
}

/// The reason of a [`LoaderError`].
#[derive(Debug)]
pub struct LoaderFailure {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl LoaderFailure {
    fn new(message: String) -> Self {
        Self { message, source: None }
    }
}

impl LoaderError {
    /// Creates a [`Refused`](Self::Refused) error that says what failed, and where.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Refused(LoaderFailure::new(message.into()))
    }

    /// Creates an [`Unavailable`](Self::Unavailable) error that says what failed, and where.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable {
            failure: LoaderFailure::new(message.into()),
            retry_after: None,
        }
    }

    /// Creates an [`Absent`](Self::Absent) error that says what does not exist.
    pub fn absent(message: impl Into<String>) -> Self {
        Self::Absent(LoaderFailure::new(message.into()))
    }

    /// Adds the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let (Self::Absent(failure) | Self::Refused(failure) | Self::Unavailable { failure, .. }) = &mut self;
        failure.source = Some(source.into());
        self
    }

    /// Sets the time until the next attempt makes sense. It has no effect on errors that are not [`Unavailable`](Self::Unavailable).
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        if let Self::Unavailable { retry_after, .. } = &mut self {
            *retry_after = Some(pause);
        }
        self
    }

    /// Returns true if the source cannot be reached at present.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn failure(&self) -> &LoaderFailure {
        let (Self::Absent(failure) | Self::Refused(failure) | Self::Unavailable { failure, .. }) = self;
        failure
    }
}

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure().message)
    }
}

impl Error for LoaderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.failure().source.as_deref();
        source.map(|source| source as &(dyn Error + 'static))
    }
}
