//! [`Key`]: one setting, with its path, its kind and its description. [`keys`] returns all of them.
//!
//! The file, the environment, flags, the sample and `hotplate config` are all derived from that one list. A key has no code of its own:
//! its path leads to a field of the serialized [`Config`], and a test compares the list with the fields.

// Each key takes one or two lines there; rustfmt would use five.
#[rustfmt::skip]
mod list;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Config;

pub(super) use list::DIALECTS;

/// One setting.
#[derive(Debug)]
#[non_exhaustive]
pub struct Key {
    /// The section and the name, such as `limits.render_ms`.
    pub path: String,
    /// The purpose, in a sentence or two.
    pub about: &'static str,
    /// The values that it accepts.
    pub kind: Kind,
    /// True if SIGHUP changes it in a running process; otherwise a change needs a restart.
    pub live: bool,
    /// True if its value is not to be shown.
    pub secret: bool,
}

/// The kind of value that a key accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole {
        /// The unit.
        unit: Unit,
        /// The smallest number.
        least: u64,
        /// The largest number.
        most: u64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// The path of a file; empty for none. In a configuration file it is relative to the directory of that file.
    File,
    /// `address:port`.
    Address,
    /// `address:port`; empty disables the listener.
    OptionalAddress,
    /// `address:port`, or `unix:` and the path of a socket; empty disables the listener.
    OptionalListener,
    /// A list of texts.
    List,
}

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// A plain number.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

/// The value of a setting. `Display` writes it as in TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// The value of a [`Kind::Flag`].
    Flag(bool),
    /// The value of a [`Kind::Whole`].
    Whole(u64),
    /// A text, a word of a choice, a path or an address.
    Text(String),
    /// The value of a [`Kind::List`].
    List(Vec<String>),
}

/// Returns every key, in the order of the sample.
#[must_use]
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(list::all);
    &KEYS
}

impl Key {
    /// Returns the section.
    #[must_use]
    pub fn section(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Returns the name within the section.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit_once('.').map_or(&self.path, |(_, name)| name)
    }

    /// Returns the name of the variable that overrides it, such as `HOTPLATE_LIMITS__RENDER_MS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HOTPLATE_{}", self.path.replace('.', "__").to_uppercase())
    }

    /// Returns the value of this key in a configuration.
    #[must_use]
    pub fn get(&self, config: &Config) -> Value {
        Tree::of(config).get(self)
    }

    /// Returns the default.
    pub(super) fn default(&self) -> Value {
        self.get(&Config::default())
    }

    /// Returns the JSON pointer to the field in a serialized [`Config`].
    fn pointer(&self) -> String {
        let pointer = format!("/{}", self.path.replace('.', "/"));
        // The limits of live reload share the section `limits` and have a structure of their own.
        match pointer.starts_with("/limits/live_") {
            true => pointer.replacen("limits", "live", 1),
            false => pointer,
        }
    }
}

/// A serialized [`Config`], in which each key finds its field.
pub(super) struct Tree(serde_json::Value);

impl Tree {
    pub(super) fn of(config: &Config) -> Self {
        Self(serde_json::to_value(config).unwrap_or_default())
    }

    /// Returns the value of a key. Every key has a field, which a test checks; a missing field would give the empty text.
    pub(super) fn get(&self, key: &Key) -> Value {
        let field = self.0.pointer(&key.pointer());
        let value = field.and_then(|field| Value::deserialize(field).ok());
        value.unwrap_or(Value::Text(String::new()))
    }

    pub(super) fn set(&mut self, key: &Key, value: &Value) {
        if let Some(field) = self.0.pointer_mut(&key.pointer()) {
            *field = serde_json::json!(value);
        }
    }

    /// Returns the configuration.
    ///
    /// # Errors
    /// A number does not fit into its field on this machine. The bounds of the keys allow 64 bits.
    pub(super) fn config(self) -> Result<Config, serde_json::Error> {
        serde_json::from_value(self.0)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => grouped(*number).fmt(f),
            Self::Text(text) => quoted(text).fmt(f),
            Self::List(list) => {
                let list: Vec<String> = list.iter().map(|text| quoted(text)).collect();
                write!(f, "[{}]", list.join(", "))
            }
        }
    }
}

/// Groups digits, as in `50_000_000`: a long number is easily wrong by a factor of ten.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<String> = groups
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.join("_")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted += &format!("\\u{:04X}", u32::from(control)),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the pointers of all fields of a serialized structure.
    fn fields(value: &serde_json::Value, pointer: &str, found: &mut Vec<String>) {
        match value.as_object() {
            Some(fields_of) => {
                for (name, value) in fields_of {
                    fields(value, &format!("{pointer}/{name}"), found);
                }
            }
            None => found.push(pointer.to_owned()),
        }
    }

    #[test]
    fn every_field_has_one_key() {
        let mut expected = Vec::new();
        fields(&Tree::of(&Config::default()).0, "", &mut expected);
        let mut pointers: Vec<String> = keys().iter().map(Key::pointer).collect();
        expected.sort_unstable();
        pointers.sort_unstable();
        assert_eq!(pointers, expected);
    }

    #[test]
    fn a_key_sets_its_field_and_its_default_is_allowed() {
        for key in keys() {
            let default = key.default();
            let others = match (&default, key.kind) {
                (Value::Flag(flag), Kind::Flag) => vec![Value::Flag(!flag)],
                (Value::Whole(number), Kind::Whole { least, most, .. }) => {
                    assert!((least..=most).contains(number), "{}", key.path);
                    [least, most].map(Value::Whole).to_vec()
                }
                (Value::Text(text), Kind::Choice(words)) => {
                    assert!(words.contains(&text.as_str()), "{}", key.path);
                    words.iter().map(|word| Value::Text((*word).to_owned())).collect()
                }
                (
                    Value::Text(_),
                    Kind::Text | Kind::File | Kind::Address | Kind::OptionalAddress | Kind::OptionalListener,
                ) => {
                    vec![Value::Text("other:1".to_owned())]
                }
                (Value::List(_), Kind::List) => vec![Value::List(vec!["other".to_owned()])],
                (default, kind) => panic!("{}: {default:?} is no {kind:?}", key.path),
            };
            for other in others {
                let mut tree = Tree::of(&Config::default());
                tree.set(key, &other);
                let config = tree.config().unwrap_or_else(|error| panic!("{}: {error}", key.path));
                let (before, after) = (Tree::of(&Config::default()), Tree::of(&config));
                assert_eq!(after.get(key), other, "{}", key.path);
                let changed = keys().iter().filter(|key| before.get(key) != after.get(key));
                let changed: Vec<&str> = changed.map(|key| key.path.as_str()).collect();
                let expected = (other != default).then_some(key.path.as_str());
                assert_eq!(changed, Vec::from_iter(expected));
            }
        }
    }

    #[test]
    fn values_are_written_as_toml() {
        for (value, written) in [
            (Value::Whole(9_999), "9999"),
            (Value::Whole(10_000), "10_000"),
            (Value::Whole(1_234_567), "1_234_567"),
            (Value::Text("a\"b\\c\n".into()), r#""a\"b\\c\u000A""#),
            (Value::List(vec!["a".into(), "b".into()]), r#"["a", "b"]"#),
        ] {
            assert_eq!(value.to_string(), written);
        }
    }
}
