//! Serialization of a context into the arena, in one generic pass.
//!
//! The pass accepts and produces the same as `serde_json::to_value`. In addition, it limits bytes and depth, does not trust size hints,
//! and allocates only in the arena.

mod compound;
mod embedded;
mod fields;
mod key;
mod serializer;
mod space;

use std::fmt;

#[cfg(feature = "jinja")]
use bumpalo::Bump;
use serde::Serialize;

use super::{Arena, Value};
use crate::limits::Limits;
use serializer::Serializer;
use space::ContextArena;

/// The error for data that cannot become a context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// `Serialize` failed, or a key of a map is not text.
    #[error("the context does not serialize: {0}")]
    Serialize(String),
    /// The data exceeds [`Limits::context_bytes`].
    #[error("the context is larger than {limit} bytes (the limit `context_bytes`)")]
    TooLarge {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// The data exceeds [`Limits::context_depth`].
    #[error("the context nests deeper than {limit} levels (the limit `context_depth`)")]
    TooDeep {
        /// The limit that was exceeded.
        limit: u32,
    },
}

/// Builds the value of `data` in `arena`.
///
/// A level of depth is one value inside another: an element, a field, the content of a `Some` or of a newtype. The size is the number of
/// bytes that are requested from the arena, including capacity for growth.
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
/// [`ContextError`] if the data does not serialize or exceeds a limit.
///
/// # Panics
/// Panics if the `Serialize` implementation of `data` does. The arena remains usable.
pub fn build<'a, T: Serialize + ?Sized>(
    data: &T,
    arena: &'a Arena,
    limits: &Limits,
) -> Result<Value<'a>, ContextError> {
    let space = ContextArena::new(arena.bump(), limits);
    data.serialize(Serializer::new(&space)).map_err(|failure| *failure.0)
}

/// Builds the value of `data` within as many bytes and levels, and returns it with the bytes that it takes.
#[cfg(feature = "jinja")]
pub(crate) fn build_within<'a, T: Serialize + ?Sized>(
    data: &T,
    bump: &'a Bump,
    bytes: usize,
    depth: u32,
) -> Result<(Value<'a>, usize), ContextError> {
    let space = ContextArena::within(bump, bytes, depth);
    let built = data.serialize(Serializer::new(&space)).map_err(|failure| *failure.0)?;
    Ok((built, space.taken()))
}

/// The error inside the pass. It is one pointer, so that a result is not larger than a value.
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
