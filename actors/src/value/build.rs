//! One generic pass of `Serialize` into the arena.

use serde::Serialize;

use super::{Arena, Value};
use crate::limits::Limits;

/// Why some data does not become a context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// `Serialize` itself failed, or a key of a map is no text.
    #[error("the context does not serialize: {0}")]
    Serialize(String),
    /// Over [`Limits::context_bytes`].
    #[error("the context is larger than {limit} bytes (the limit `context_bytes`)")]
    TooLarge {
        /// The limit that was met.
        limit: usize,
    },
    /// Over [`Limits::context_depth`].
    #[error("the context nests deeper than {limit} levels (the limit `context_depth`)")]
    TooDeep {
        /// The limit that was met.
        limit: u32,
    },
}

/// Builds the value of `data` in `arena`.
///
/// # Errors
/// [`ContextError`] where the data does not serialize or goes over a limit.
pub fn build<'a, T: Serialize + ?Sized>(
    _data: &T,
    _arena: &'a Arena,
    _limits: &Limits,
) -> Result<Value<'a>, ContextError> {
    Err(ContextError::Serialize("not built yet".into()))
}
