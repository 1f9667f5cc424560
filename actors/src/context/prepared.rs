//! [`Prepared`]: data that many renders share, serialized once.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::limits::Limits;
use crate::value::{Arena, ContextError, Object, Value, build};

/// Data that many renders share, such as a menu or a page that everybody gets. A clone is the same data.
///
/// It is serialized when it is made. A render lays out its arrays and objects again, a few instructions for each value, and
/// borrows every string; give it to [`render_supplied`](crate::Hotplate::render_supplied) for that, or in a message as
/// [`Context::from`](super::Context). It serializes too, as the data did.
///
/// ```
/// # let site = tempfile::tempdir()?;
/// # std::fs::write(site.path().join("hello.html"), "Hello {name}!")?;
/// use hotplate_actors::{Context, Hotplate, RenderOptions};
///
/// let hotplate = Hotplate::builder().root(site.path()).start()?;
/// let everybody = Context::prepare(&serde_json::json!({ "name": "World" }))?;
/// let answer = hotplate.render_supplied("hello.html", &everybody, &RenderOptions::default())?;
/// assert_eq!(answer.body, "Hello World!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Prepared(Arc<Root>);

struct Root {
    node: Node,
    /// What a render needs in its arena, and bytes of the strings: what counts against the limit.
    bytes: usize,
    depth: u32,
}

/// A [`Value`] that owns what it is made of.
enum Node {
    /// What holds nothing else.
    Leaf(Value<'static>),
    Text(Box<str>),
    Array(Box<[Node]>),
    Object(Box<[(Box<str>, Node)]>),
}

impl Prepared {
    pub(super) fn new<T: Serialize + ?Sized>(data: &T) -> Result<Self, ContextError> {
        // It is data of the program's own. How much one render may have is looked at when it is rendered.
        let limits = Limits {
            context_bytes: usize::MAX,
            ..Limits::default()
        };
        let arena = Arena::new();
        let node = Node::of(&build(data, &arena, &limits)?);
        let (bytes, depth) = (node.bytes(), node.depth());
        Ok(Self(Arc::new(Root { node, bytes, depth })))
    }

    /// The value, with strings that stay where they are.
    pub(crate) fn value<'a>(&'a self, arena: &'a Arena, limits: &Limits) -> Result<Value<'a>, ContextError> {
        let Root { node, bytes, depth } = &*self.0;
        let (limit, deepest) = (limits.context_bytes, limits.context_depth);
        if *bytes > limit {
            return Err(ContextError::TooLarge { limit });
        }
        if *depth > deepest {
            return Err(ContextError::TooDeep { limit: deepest });
        }
        Ok(node.value(arena))
    }
}

impl Node {
    fn of(value: &Value<'_>) -> Self {
        match *value {
            Value::Null => Self::Leaf(Value::Null),
            Value::Bool(truth) => Self::Leaf(Value::Bool(truth)),
            Value::Unsigned(number) => Self::Leaf(Value::Unsigned(number)),
            Value::Signed(number) => Self::Leaf(Value::Signed(number)),
            Value::Float(number) => Self::Leaf(Value::Float(number)),
            Value::Text(text) => Self::Text(text.into()),
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            Value::Object(object) => {
                let fields = object.iter().map(|(key, value)| (key.into(), Self::of(&value)));
                Self::Object(fields.collect())
            }
        }
    }

    fn value<'a>(&'a self, arena: &'a Arena) -> Value<'a> {
        match self {
            Self::Leaf(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Array(items) => {
                let items = items.iter().map(|item| item.value(arena));
                Value::Array(arena.bump().alloc_slice_fill_iter(items))
            }
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (&**key, value.value(arena)));
                Value::Object(Object(arena.bump().alloc_slice_fill_iter(fields)))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Leaf(_) => size_of::<Value<'_>>(),
            Self::Text(text) => size_of::<Value<'_>>() + text.len(),
            Self::Array(items) => size_of::<Value<'_>>() + items.iter().map(Self::bytes).sum::<usize>(),
            Self::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| size_of::<&str>() + key.len() + value.bytes());
                size_of::<Value<'_>>() + fields.sum::<usize>()
            }
        }
    }

    fn depth(&self) -> u32 {
        match self {
            Self::Leaf(_) | Self::Text(_) => 0,
            Self::Array(items) => items.iter().map(|item| 1 + item.depth()).max().unwrap_or(0),
            Self::Object(fields) => fields.iter().map(|(_, value)| 1 + value.depth()).max().unwrap_or(0),
        }
    }
}

impl Serialize for Prepared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.node.serialize(serializer)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("bytes", &self.0.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_the_same_value_for_any_number_of_threads() {
        let many: serde_json::Map<_, _> = (0..100).map(|number| (format!("k{number}"), json!(number))).collect();
        let data = json!({"a": [1, -2, 0.5, "text", null, true, {"b": {}}], "many": many, "e": []});
        let prepared = Prepared::new(&data).expect("it serializes");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (arena, limits) = (Arena::new(), Limits::default());
                    let value = prepared.value(&arena, &limits).expect("within the limits");
                    assert_eq!(value, build(&data, &arena, &limits).expect("it serializes"));
                    assert_eq!(value, build(&prepared, &arena, &limits).expect("it serializes"));
                });
            }
        });
    }

    #[test]
    fn a_render_takes_no_more_than_its_limits() {
        let prepared = Prepared::new(&json!({"a": [["text"]]})).expect("it serializes");
        let arena = Arena::new();
        let with = |context_bytes, context_depth| Limits {
            context_bytes,
            context_depth,
            ..Limits::default()
        };
        assert!(prepared.value(&arena, &with(1000, 3)).is_ok());
        assert_eq!(
            prepared.value(&arena, &with(1000, 2)),
            Err(ContextError::TooDeep { limit: 2 })
        );
        assert_eq!(
            prepared.value(&arena, &with(100, 3)),
            Err(ContextError::TooLarge { limit: 100 })
        );
    }
}
