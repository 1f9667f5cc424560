//! Data that many renders share, built once.

use serde::Serialize;

use crate::limits::Limits;
use crate::value::{Arena, ContextError, Value, build};

/// Data that many renders share, such as the context of a page that is equal for all visitors. It is built once, and a render borrows it
/// without copying.
///
/// The data lives in an [`Arena`] of the caller. A copy of this type refers to the same data and may be sent to any thread. Pass it to
/// [`with_source`](crate::RenderRequest::with_source), or send it in a message with [`Context::from`](super::Context).
///
/// ```
/// # let site = tempfile::tempdir()?;
/// # std::fs::write(site.path().join("hello.html"), "Hello {name}!")?;
/// use hotplate_actors::value::Arena;
/// use hotplate_actors::{Context, Hotplate};
///
/// let hotplate = Hotplate::builder().root(site.path()).start()?;
/// // The arena is leaked to live as long as the program; an arena in a variable works as long as that lives.
/// let arena = Box::leak(Box::new(Arena::new()));
/// let everybody = Context::prepare(&serde_json::json!({ "name": "World" }), arena)?;
/// let answer = hotplate.request("hello.html").with_source(everybody).render()?;
/// assert_eq!(answer.body, "Hello World!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    value: Value<'a>,
    /// The memory that building took from the arena, which counts against the limit of a render.
    bytes: usize,
}

impl<'a> Prepared<'a> {
    pub(super) fn new<T: Serialize + ?Sized>(data: &T, arena: &'a Arena) -> Result<Self, ContextError> {
        // The size is checked by each render, which has limits of its own.
        let limits = Limits {
            context_bytes: usize::MAX,
            ..Limits::default()
        };
        let before = arena.allocated_bytes();
        let value = build(data, arena, &limits)?;
        let bytes = arena.allocated_bytes() - before;
        Ok(Self { value, bytes })
    }

    /// Returns the value, if its size is within the limit of this render.
    pub(crate) fn value(&self, limits: &Limits) -> Result<Value<'a>, ContextError> {
        let limit = limits.context_bytes;
        if self.bytes > limit {
            return Err(ContextError::TooLarge { limit });
        }
        Ok(self.value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn threads_share_the_value() {
        let data = json!({"a": [1, -2, 0.5, "text", null, true, {"b": {}}], "e": []});
        let arena = Arena::new();
        let prepared = Prepared::new(&data, &arena).expect("it serializes");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (arena, limits) = (Arena::new(), Limits::default());
                    let built = build(&data, &arena, &limits).expect("it serializes");
                    assert_eq!(prepared.value(&limits), Ok(built));
                });
            }
        });
    }

    #[test]
    fn a_render_rejects_data_over_its_limit() {
        let arena = Arena::new();
        let prepared = Prepared::new(&"a".repeat(10_000), &arena).expect("it serializes");
        let limits = Limits {
            context_bytes: 9_999,
            ..Limits::default()
        };
        assert_eq!(prepared.value(&limits), Err(ContextError::TooLarge { limit: 9_999 }));
        assert!(prepared.value(&Limits::default()).is_ok());
    }
}
