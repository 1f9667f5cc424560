//! Owned data for a render, sent in a message and built into a value by the thread that renders.

mod prepared;

use std::fmt;

use serde::Serialize;

use crate::limits::Limits;
use crate::value::{Arena, ContextError, Value, build};

pub use prepared::Prepared;

/// Owned data for one render, of any type that serializes.
///
/// The thread that renders serializes it into a value. The trait object below hides the type of the data, but the serialization inside is
/// compiled for that type: serializing through a trait object instead made renders more than twice as slow when it was measured.
pub struct Context(Box<dyn BuildValue>);

/// Builds a value from data whose type is hidden.
trait BuildValue: Send {
    fn build<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError>;
}

/// Data that was built before, in an arena of the caller.
struct SharedContext(Prepared<'static>);

/// Data that is serialized by the render.
struct Given<T>(T);

impl<T: Serialize + Send> BuildValue for Given<T> {
    fn build<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        build(&self.0, arena, limits)
    }
}

impl BuildValue for SharedContext {
    fn build<'a>(&'a self, _: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.0.value(limits)
    }
}

impl Context {
    /// Wraps data without serializing it yet.
    #[must_use]
    pub fn new<T: Serialize + Send + 'static>(data: T) -> Self {
        Self(Box::new(Given(data)))
    }

    /// Builds data that many renders share once, in an arena of the caller.
    ///
    /// # Errors
    /// [`ContextError`] if the data does not serialize or nests deeper than the default of [`Limits::context_depth`].
    pub fn prepare<'a, T: Serialize + ?Sized>(data: &T, arena: &'a Arena) -> Result<Prepared<'a>, ContextError> {
        Prepared::new(data, arena)
    }

    /// Builds the value.
    ///
    /// # Errors
    /// [`ContextError`] if the data does not serialize or exceeds a limit.
    pub fn build<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.0.build(arena, limits)
    }
}

impl From<Prepared<'static>> for Context {
    fn from(prepared: Prepared<'static>) -> Self {
        Self(Box::new(SharedContext(prepared)))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context(..)")
    }
}
