//! [`Supply`]: where the context of a render comes from.

use serde::Serialize;

use crate::context::{Context, Prepared};
use crate::dialect::Closure;
use crate::limits::Limits;
use crate::value::{Arena, ContextError, Value, build};

/// Makes the context of a render, for the closure that is rendered. When an older closure is tried, it is asked again.
pub trait ContextSource {
    /// Builds the context.
    ///
    /// # Errors
    /// [`ContextError`] where the data does not serialize or goes over a limit.
    fn supply<'a>(
        &'a self,
        closure: &Closure<'_>,
        arena: &'a Arena,
        limits: &Limits,
    ) -> Result<Value<'a>, ContextError>;
}

/// Data that is the same for whatever is rendered.
#[derive(Debug)]
pub struct Serialized<'d, T: ?Sized>(pub &'d T);

impl<T: Serialize + ?Sized> ContextSource for Serialized<'_, T> {
    fn supply<'a>(&'a self, _: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        build(self.0, arena, limits)
    }
}

impl ContextSource for Context {
    fn supply<'a>(&'a self, _: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.build(arena, limits)
    }
}

impl ContextSource for Prepared<'_> {
    fn supply<'a>(&'a self, _: &Closure<'_>, _: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.value(limits)
    }
}
