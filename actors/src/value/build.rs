//! One generic pass of `Serialize` into the arena.
//!
//! What comes out means what `serde_json::to_value` means; what `to_value` refuses is refused. Besides, the pass has an edge in
//! bytes and in depth, trusts no size hint, and asks nothing of the heap but pieces of the arena.

mod compound;
mod embedded;
mod fields;
mod key;
mod serializer;
mod space;

use std::fmt;

use serde::Serialize;

use super::{Arena, Value};
use crate::limits::Limits;
use serializer::Serializer;
use space::Space;

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
/// A level of depth is one value inside another: an element, a field, the content of a `Some` or of a newtype. Bytes are those
/// that are asked of the arena, room for growth included.
///
/// ```
/// use hotplate_actors::Limits;
/// use hotplate_actors::value::{Arena, Value, build};
///
/// let arena = Arena::new();
/// let value = build(&(1, "two"), &arena, &Limits::default())?;
/// assert_eq!(value, Value::Array(&[Value::Unsigned(1), Value::Text("two")]));
/// # Ok::<(), hotplate_actors::value::ContextError>(())
/// ```
///
/// # Errors
/// [`ContextError`] where the data does not serialize or goes over a limit.
///
/// # Panics
/// Where the `Serialize` of `data` panics. The arena can be used on.
pub fn build<'a, T: Serialize + ?Sized>(
    data: &T,
    arena: &'a Arena,
    limits: &Limits,
) -> Result<Value<'a>, ContextError> {
    let space = Space::new(arena.bump(), limits);
    data.serialize(Serializer::new(&space)).map_err(|failure| *failure.0)
}

/// The error inside the pass: one pointer, so that a result is no larger than a value.
#[derive(Debug)]
struct Failure(Box<ContextError>);

impl Failure {
    #[cold]
    fn new(error: ContextError) -> Self {
        Self(Box::new(error))
    }

    #[cold]
    fn serialize(reason: &str) -> Self {
        Self::new(ContextError::Serialize(reason.to_owned()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl serde::ser::Error for Failure {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(ContextError::Serialize(message.to_string()))
    }
}

#[cfg(test)]
mod tests;
