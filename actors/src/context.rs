//! [`Context`]: data that travels in a message and becomes a value where it is rendered.

mod prepared;

use std::fmt;

use serde::Serialize;

use crate::limits::Limits;
use crate::value::{Arena, ContextError, Value, build};

pub use prepared::Prepared;

/// Owned data for one render, of any type that serializes.
///
/// It is turned into a value in the thread that renders; inside, the code is made for the very type (passing `Serialize`
/// through a trait object made renders more than twice as slow when it was measured).
pub struct Context(Box<dyn Build>);

trait Build: Send {
    fn build<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError>;
}

struct Shared(Prepared<'static>);

struct Given<T>(T);

impl<T: Serialize + Send> Build for Given<T> {
    fn build<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        build(&self.0, arena, limits)
    }
}

impl Build for Shared {
    fn build<'a>(&'a self, _: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.0.value(limits)
    }
}

impl Context {
    /// Takes the data as it is; nothing is serialized yet.
    #[must_use]
    pub fn new<T: Serialize + Send + 'static>(data: T) -> Self {
        Self(Box::new(Given(data)))
    }

    /// Builds data that many renders share, once, in an arena of the caller's.
    ///
    /// # Errors
    /// [`ContextError`] where the data does not serialize or nests deeper than the default of [`Limits::context_depth`].
    pub fn prepare<'a, T: Serialize + ?Sized>(data: &T, arena: &'a Arena) -> Result<Prepared<'a>, ContextError> {
        Prepared::new(data, arena)
    }

    /// Builds the value.
    ///
    /// # Errors
    /// [`ContextError`] where the data does not serialize or goes over a limit.
    pub fn build<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.0.build(arena, limits)
    }
}

impl From<Prepared<'static>> for Context {
    fn from(prepared: Prepared<'static>) -> Self {
        Self(Box::new(Shared(prepared)))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context(..)")
    }
}
