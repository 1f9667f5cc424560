//! [`ContextSource`]: builds the context of a render.

use serde::Serialize;

use crate::context::{Context, Prepared};
use crate::dialect::Closure;
use crate::limits::Limits;
use crate::value::{Arena, ContextError, Value, build};

/// A builder of the context of a render, for the closure that is rendered. A render that falls back calls it again for each older closure
/// that it tries.
pub trait ContextSource {
    /// Builds the context.
    ///
    /// # Errors
    /// [`ContextError`] if the data does not serialize or exceeds a limit.
    fn build<'a>(&'a self, closure: &Closure<'_>, arena: &'a Arena, limits: &Limits)
    -> Result<Value<'a>, ContextError>;
}

/// Data that is serialized into the context, independent of the rendered template.
#[derive(Debug)]
pub struct Serialized<'d, T: ?Sized>(pub &'d T);

impl<S: ContextSource + ?Sized> ContextSource for &S {
    fn build<'a>(
        &'a self,
        closure: &Closure<'_>,
        arena: &'a Arena,
        limits: &Limits,
    ) -> Result<Value<'a>, ContextError> {
        (**self).build(closure, arena, limits)
    }
}

impl<T: Serialize + ?Sized> ContextSource for Serialized<'_, T> {
    fn build<'a>(&'a self, _: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        build(self.0, arena, limits)
    }
}

impl ContextSource for Context {
    fn build<'a>(&'a self, _: &Closure<'_>, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.build(arena, limits)
    }
}

impl ContextSource for Prepared<'_> {
    fn build<'a>(&'a self, _: &Closure<'_>, _: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        self.value(limits)
    }
}
