//! Results of functions of the program.

use bumpalo::Bump;
use serde::Serialize;

use crate::budget::Exceeded;
use crate::dialect::FormatterError;
use crate::value::{ContextError, Value, build_within};

/// Markup that is printed without being escaped again, as the result of a filter or function.
///
/// Whatever comes from visitors has to be escaped in it: [`FunctionCall::markup`](super::FunctionCall::markup) does that.
///
/// ```
/// use hotplate_actors::dialect::jinja::Markup;
/// use hotplate_actors::{Hotplate, MemoryLoader};
///
/// let page = MemoryLoader::of([("page.html", "{{ text|lines_of }}")])?;
/// let hotplate = Hotplate::builder().loader(page).jinja().jinja_filter("lines_of(text)", |call| {
///     Ok(Markup(call.markup("text")?.replace('\n', "<br>")))
/// });
/// let context = serde_json::json!({ "text": "a < b\nc" });
/// assert_eq!(hotplate.start()?.render("page.html", &context)?.body, "a &lt; b<br>c");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markup(
    /// The markup.
    pub String,
);

/// A result of a function: whatever implements [`Serialize`], or [`Markup`].
pub trait Returned {
    #[doc(hidden)]
    fn answer<'r>(self, room: Room<'r>) -> Result<Answer<'r>, ContextError>;
}

impl<T: Serialize> Returned for T {
    fn answer<'r>(self, room: Room<'r>) -> Result<Answer<'r>, ContextError> {
        let (value, bytes) = build_within(&self, room.bump, room.bytes, room.depth)?;
        Ok(Answer::Data(value, bytes))
    }
}

impl Returned for Markup {
    fn answer<'r>(self, room: Room<'r>) -> Result<Answer<'r>, ContextError> {
        match self.0.len() <= room.bytes {
            true => Ok(Answer::Markup(self.0)),
            false => Err(ContextError::TooLarge { limit: room.bytes }),
        }
    }
}

/// The place for a result, and its bounds.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Room<'r> {
    pub(super) bump: &'r Bump,
    /// The bytes that are left of `limit`.
    pub(super) bytes: usize,
    pub(super) limit: usize,
    pub(super) depth: u32,
}

/// A converted result.
#[doc(hidden)]
pub enum Answer<'r> {
    /// A value, and the memory that it takes.
    Data(Value<'r>, usize),
    /// Markup, which is copied when it is charged.
    Markup(String),
}

/// Returns the error for a result that cannot be a value.
#[cold]
pub(super) fn unusable(error: &ContextError, room: Room<'_>) -> FormatterError {
    match error {
        ContextError::TooLarge { .. } => Exceeded::Memory(room.limit).into(),
        ContextError::TooDeep { .. } => FormatterError::new(format!(
            "its result nests deeper than {} levels (the limit `context_depth`)",
            room.depth
        )),
        ContextError::Serialize(reason) => FormatterError::new(format!("its result does not serialize: {reason}")),
    }
}
