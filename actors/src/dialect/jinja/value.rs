//! [`Val`]: a value during a render.
//!
//! Values are small and copied; what is larger lies in the arena of the render, or in the context, which is borrowed without conversion.
//! Only a namespace can change, so only through one a value can contain itself: every walk over values is bounded in depth and takes steps.

mod arguments;
mod callable;
mod compare;
mod data;
mod iterate;
mod loops;
mod machine;
mod number;
mod registered;
mod space;
pub(super) mod json;
pub(super) mod print;

use std::cell::Cell;

use super::failure::{Failure, Outcome};
use crate::value::{Object, Value};

pub(super) use arguments::{Arguments, keyword_help, too_few, too_many, unknown_keyword};
pub(super) use callable::{Cycler, Definitions, Function, Joiner, Macro, Module};
pub(super) use compare::{compare, equal, sort};
use compare::{compare_at, equal_at};
pub(super) use iterate::{Range, Source};
pub(super) use loops::{LoopField, LoopState};
pub(super) use machine::{Machine, undefined};
pub(super) use number::{Wide, real, whole};
pub(crate) use registered::Role;
pub(super) use registered::{Own, Registered};
pub(super) use space::{Space, Text};

/// A value. Lists, maps and texts are immutable.
#[derive(Clone, Copy)]
pub(super) enum Val<'r> {
    /// A value that does not exist, with the expression that would be it, as far as that is known.
    Undefined(&'r str),
    /// The value of a condition without `else` that does not hold. It is undefined, but using it is no error.
    Silent,
    None,
    Bool(bool),
    Int(i64),
    /// An integer that is larger than `Int` can be.
    Unsigned(u64),
    /// An integer that is out of the range of both.
    Wide(&'r Wide),
    Float(f64),
    /// A number of JSON that is printed as it was written.
    Digits(&'r str),
    Str(&'r str),
    /// A text that is not escaped any more.
    Safe(&'r str),
    List(&'r [Val<'r>]),
    Tuple(&'r [Val<'r>]),
    /// Values to go over that are no list, such as a part of one.
    Iter(&'r [Val<'r>]),
    /// Values whose number the language does not know.
    Stream(&'r [Val<'r>]),
    Range(&'r Range),
    Map(&'r Map<'r>),
    /// An array of the context.
    Array(&'r [Value<'r>]),
    /// An object of the context.
    Object(Object<'r>),
    Namespace(&'r Namespace<'r>),
    Loop(&'r LoopState<'r>),
    Macro(&'r Macro<'r>),
    Module(&'r Module<'r>),
    /// One group of `groupby`.
    Group(&'r Group<'r>),
    Function(Function<'r>),
    /// A function of the program.
    Own(&'r dyn Own),
}

const _: () = assert!(size_of::<Val<'_>>() == 24);

/// A value as it was found. One of the context stays a reference, which is converted only where that is necessary.
#[derive(Clone, Copy)]
pub(super) enum Found<'r> {
    Data(&'r Value<'r>),
    Val(Val<'r>),
}

impl<'r> Found<'r> {
    #[inline]
    pub(super) fn value(self) -> Val<'r> {
        match self {
            Self::Data(value) => Val::of(value),
            Self::Val(value) => value,
        }
    }
}

/// The key and the list of one group of `groupby`.
#[derive(Clone, Copy)]
pub(super) struct Group<'r> {
    pub(super) key: Val<'r>,
    pub(super) items: &'r [Val<'r>],
}

/// The kind of a value. The order is that of values of different kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Undefined,
    None,
    Bool,
    Number,
    Str,
    List,
    Map,
    Iterable,
    Plain,
}

impl Kind {
    /// Returns the kind in words, for messages.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::None => "none",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Str => "a string",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Iterable => "an iterable",
            Self::Plain => "a function",
        }
    }
}

impl<'r> Val<'r> {
    /// Returns a value of the context.
    #[inline]
    pub(super) fn of(value: &'r Value<'r>) -> Self {
        match *value {
            Value::Null => Self::None,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Unsigned(number) => match i64::try_from(number) {
                Ok(number) => Self::Int(number),
                Err(_) => Self::Unsigned(number),
            },
            Value::Signed(number) => Self::Int(number),
            Value::Float(number) => Self::Float(number),
            Value::Digits(digits) => Self::Digits(digits),
            Value::Text(text) => Self::Str(text),
            Value::Array(items) => Self::Array(items),
            Value::Object(object) => Self::Object(object),
        }
    }

    pub(super) fn count(number: usize) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Undefined(_) | Self::Silent => Kind::Undefined,
            Self::None => Kind::None,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Unsigned(_) | Self::Wide(_) | Self::Float(_) | Self::Digits(_) => Kind::Number,
            Self::Str(_) | Self::Safe(_) => Kind::Str,
            Self::List(_) | Self::Tuple(_) | Self::Array(_) | Self::Group(_) => Kind::List,
            Self::Iter(_) | Self::Stream(_) | Self::Range(_) => Kind::Iterable,
            Self::Map(_) | Self::Object(_) | Self::Namespace(_) | Self::Loop(_) | Self::Macro(_) | Self::Module(_) => {
                Kind::Map
            }
            Self::Function(_) | Self::Own(_) => Kind::Plain,
        }
    }

    /// Returns the kind in words, for messages.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Tuple(_) => "a tuple",
            Self::Namespace(_) => "a namespace",
            Self::Macro(_) => "a macro",
            Self::Module(_) => "an imported template",
            Self::Loop(_) => "the loop",
            other => other.kind().words(),
        }
    }

    #[inline]
    pub(super) fn is_undefined(self) -> bool {
        matches!(self, Self::Undefined(_) | Self::Silent)
    }

    /// Returns true if the value counts as absent where an argument is optional.
    pub(super) fn is_absent(self) -> bool {
        self.is_undefined() || matches!(self, Self::None)
    }

    pub(super) fn is_integer(self) -> bool {
        matches!(self, Self::Int(_) | Self::Unsigned(_) | Self::Wide(_))
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float(_) | Self::Digits(_))
    }

    pub(super) fn is_safe(self) -> bool {
        matches!(self, Self::Safe(_))
    }

    #[inline]
    pub(super) fn as_str(self) -> Option<&'r str> {
        match self {
            Self::Str(text) | Self::Safe(text) => Some(text),
            _ => None,
        }
    }

    /// Returns true if a condition takes the value as true.
    #[inline]
    pub(super) fn is_true(self) -> bool {
        match self {
            Self::Undefined(_) | Self::Silent | Self::None => false,
            Self::Bool(truth) => truth,
            Self::Int(number) => number != 0,
            Self::Unsigned(_) | Self::Wide(_) => true,
            Self::Float(number) => number != 0.0,
            Self::Digits(digits) => Value::Digits(digits).is_truthy(),
            Self::Str(text) | Self::Safe(text) => !text.is_empty(),
            other => other.length() != Some(0),
        }
    }

    /// Returns the number of characters, items or fields, if the value has such a number.
    pub(super) fn length(self) -> Option<usize> {
        Some(match self {
            Self::Str(text) | Self::Safe(text) => text.chars().count(),
            Self::List(items) | Self::Tuple(items) | Self::Iter(items) => items.len(),
            Self::Array(items) => items.len(),
            Self::Range(range) => range.count,
            Self::Map(map) => map.entries.len(),
            Self::Object(object) => object.len(),
            Self::Namespace(namespace) => namespace.fields.get().len(),
            Self::Module(module) => module.exports.len(),
            Self::Loop(_) => LoopField::ALL.len(),
            Self::Macro(_) => Macro::FIELDS.len(),
            Self::Group(_) => 2,
            _ => return None,
        })
    }

    /// Returns the integer, if the value is one or a boolean or a float without a fraction.
    pub(super) fn as_index(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            Self::Bool(truth) => Some(i64::from(truth)),
            Self::Float(number) => float_as_index(number),
            Self::Digits(digits) => float_as_index(digits.parse().ok()?),
            _ => None,
        }
    }

    /// Returns the value of an attribute.
    pub(super) fn attribute(self, name: &str, machine: &mut Machine<'_, 'r>) -> Outcome<Option<Self>> {
        Ok(match self {
            Self::Object(object) => object.get_ref(name).map(Self::of),
            Self::Map(map) => return map.get_text(name, machine),
            Self::Namespace(namespace) => namespace.get(name),
            Self::Loop(state) => state.field(name),
            Self::Module(module) => module.get(name),
            Self::Macro(callable) => return callable.field(name, machine.space),
            Self::Group(group) => group.field(name),
            _ => None,
        })
    }

    /// Returns the item of a key or an index.
    pub(super) fn item(self, key: Self, machine: &mut Machine<'_, 'r>) -> Outcome<Option<Self>> {
        Ok(match self {
            Self::Map(map) => return map.get(key, machine, 0),
            Self::Object(_) | Self::Namespace(_) | Self::Loop(_) | Self::Module(_) | Self::Macro(_) => {
                match key.as_str() {
                    Some(name) => return self.attribute(name, machine),
                    None => None,
                }
            }
            Self::Group(group) => match (key.as_str(), position(key, Some(2))) {
                (Some(name), _) => group.field(name),
                (_, Some(0)) => Some(group.key),
                (_, Some(1)) => Some(Self::Iter(group.items)),
                _ => None,
            },
            Self::List(items) | Self::Tuple(items) | Self::Iter(items) => {
                position(key, Some(items.len())).and_then(|at| items.get(at).copied())
            }
            Self::Stream(items) => position(key, None).and_then(|at| items.get(at).copied()),
            Self::Array(items) => position(key, Some(items.len())).and_then(|at| Some(Self::of(items.get(at)?))),
            Self::Range(range) => position(key, Some(range.count)).and_then(|at| range.get(at)),
            Self::Str(text) | Self::Safe(text) => {
                machine.bytes(text.len())?;
                let count = || text.chars().count();
                let negative = key.as_index().is_some_and(|at| at < 0);
                let found = position(key, negative.then(count)).and_then(|at| text.char_indices().nth(at));
                found.map(|(start, character)| Self::Str(&text[start..start + character.len_utf8()]))
            }
            _ => None,
        })
    }

    /// Returns the value of a path of attributes and indexes, such as `author.name` or `0.title`. As in the filters that take one, a missing
    /// step is undefined, and going on from an undefined value is an error.
    pub(super) fn path(self, path: &'r str, machine: &mut Machine<'_, 'r>) -> Outcome<Self> {
        let mut value = self;
        machine.bytes(path.len())?;
        for step in path.split('.') {
            if value.is_undefined() {
                return Err(undefined(path));
            }
            value = match step.parse::<i64>() {
                Ok(index) if index >= 0 && !step.starts_with('+') => value.item(Self::Int(index), machine)?,
                _ => value.attribute(step, machine)?,
            }
            .unwrap_or(Self::Undefined(path));
        }
        Ok(value)
    }

    /// Returns the value of a path, or another one if it does not exist.
    pub(super) fn path_or(self, path: &'r str, default: Self, machine: &mut Machine<'_, 'r>) -> Outcome<Self> {
        match self.path(path, machine) {
            Ok(value) if value.is_undefined() => Ok(default),
            Ok(value) => Ok(value),
            Err(failure) => match *failure {
                Failure::Undefined(_) => Ok(default),
                other => Err(Box::new(other)),
            },
        }
    }

    /// Returns the keys and values of a map of any kind, in their order.
    pub(super) fn pairs(self, machine: &mut Machine<'_, 'r>) -> Outcome<Option<&'r [(Self, Self)]>> {
        let space = machine.space;
        Ok(Some(match self {
            Self::Map(map) => {
                machine.items(map.entries.len())?;
                map.entries
            }
            Self::Object(object) => {
                machine.items(object.len())?;
                space.collect(object.refs().map(|(key, value)| (Self::Str(key), Self::of(value))))?
            }
            Self::Namespace(namespace) => {
                let fields = namespace.fields.get();
                machine.items(fields.len())?;
                space.collect(fields.iter().map(|(name, value)| (Self::Str(name), value.get())))?
            }
            Self::Module(module) => {
                machine.items(module.exports.len())?;
                space.collect(module.exports.iter().map(|(name, value)| (Self::Str(name), *value)))?
            }
            Self::Loop(state) => {
                let fields = LoopField::ALL.iter();
                space.collect(fields.map(|(name, field)| (Self::Str(name), state.value(*field))))?
            }
            Self::Macro(callable) => {
                let mut pairs = [(Self::None, Self::None); Macro::FIELDS.len()];
                for (pair, name) in pairs.iter_mut().zip(Macro::FIELDS) {
                    *pair = (Self::Str(name), callable.field(name, space)?.unwrap_or(Self::Silent));
                }
                space.slice(&pairs)?
            }
            _ => return Ok(None),
        }))
    }

    /// Returns true if both are the same list, map or object, not only equal ones.
    pub(super) fn is_same_object(self, other: Self) -> Option<bool> {
        Some(match (self.address(), other.address()) {
            (None, None) => return None,
            (one, other) => one == other,
        })
    }

    fn address(self) -> Option<(usize, usize)> {
        fn of<T: ?Sized>(place: &T, length: usize) -> (usize, usize) {
            (std::ptr::from_ref(place).cast::<()>() as usize, length)
        }
        Some(match self {
            Self::List(items) | Self::Tuple(items) | Self::Iter(items) | Self::Stream(items) => of(items, items.len()),
            Self::Array(items) => of(items, items.len()),
            Self::Object(object) => of(object.0, object.0.len()),
            Self::Map(map) => of(map, 0),
            Self::Range(range) => of(range, 0),
            Self::Namespace(namespace) => of(namespace, 0),
            Self::Loop(state) => of(state, 0),
            Self::Macro(callable) => of(callable, 0),
            Self::Module(module) => of(module, 0),
            Self::Group(group) => of(group, 0),
            Self::Function(function) => of(function.name(), 0),
            Self::Own(function) => of(function, 0),
            _ => return None,
        })
    }
}

impl<'r> Group<'r> {
    fn field(&self, name: &str) -> Option<Val<'r>> {
        match name {
            "grouper" => Some(self.key),
            "list" => Some(Val::Iter(self.items)),
            _ => None,
        }
    }
}

#[expect(clippy::float_cmp, reason = "only exact integers are indexes")]
fn float_as_index(number: f64) -> Option<i64> {
    let index = number as i64;
    (index as f64 == number).then_some(index)
}

/// Returns the position of an index; a negative one counts from the end, if the length is known.
fn position(key: Val<'_>, length: Option<usize>) -> Option<usize> {
    let index = key.as_index()?;
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length?.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// The largest number of entries that is searched linearly.
const LINEAR_ENTRIES_MAX: usize = 8;

/// A map in the order of its entries, each key once.
pub(super) struct Map<'r> {
    pub(super) entries: &'r [(Val<'r>, Val<'r>)],
    /// The positions of the entries in the order of their keys, if there are many.
    sorted: &'r [u32],
}

impl<'r> Map<'r> {
    /// Makes a map of entries. Of equal keys, the first place and the last value count.
    pub(super) fn new(entries: &[(Val<'r>, Val<'r>)], machine: &mut Machine<'_, 'r>) -> Outcome<&'r Self> {
        machine.items(entries.len())?;
        let mut unique: Vec<(Val<'r>, Val<'r>)> = Vec::with_capacity(entries.len().min(1024));
        if entries.len() <= LINEAR_ENTRIES_MAX {
            for (key, value) in entries {
                let mut found = None;
                for (at, (known, _)) in unique.iter().enumerate() {
                    if equal(*known, *key, machine)? {
                        found = Some(at);
                        break;
                    }
                }
                match found.and_then(|at| unique.get_mut(at)) {
                    Some(entry) => entry.1 = *value,
                    None => unique.push((*key, *value)),
                }
            }
            let entries = machine.space.slice(&unique)?;
            return machine.space.put(Self { entries, sorted: &[] });
        }
        // A stable sort by key brings equal keys together, the first of them first.
        let mut order: Vec<u32> = (0..entries.len() as u32).collect();
        sort(&mut order, machine, |one, other, machine| {
            compare(entries[*one as usize].0, entries[*other as usize].0, machine)
        })?;
        let mut first_of = vec![u32::MAX; entries.len()];
        let mut leader = None;
        for at in &order {
            let key = entries[*at as usize].0;
            leader = match leader {
                Some(first) if equal(entries[first as usize].0, key, machine)? => Some(first),
                _ => Some(*at),
            };
            first_of[*at as usize] = leader.unwrap_or(*at);
        }
        let mut place = vec![u32::MAX; entries.len()];
        for (at, (key, value)) in entries.iter().enumerate() {
            let first = first_of[at] as usize;
            if first == at {
                place[at] = unique.len() as u32;
                unique.push((*key, *value));
            } else if let Some(entry) = unique.get_mut(place[first] as usize) {
                entry.1 = *value;
            }
        }
        let firsts = order.iter().filter(|at| first_of[**at as usize] == **at);
        let sorted: Vec<u32> = firsts.map(|at| place[*at as usize]).collect();
        let entries = machine.space.slice(&unique)?;
        let sorted = machine.space.slice(&sorted)?;
        machine.space.put(Self { entries, sorted })
    }

    /// Returns the value of a key. `depth` is that of the walk over values that needs it, because a key can be a map as well.
    fn get(&self, key: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<Option<Val<'r>>> {
        if self.sorted.is_empty() {
            machine.items(self.entries.len())?;
            for (known, value) in self.entries {
                if equal_at(*known, key, machine, depth)? {
                    return Ok(Some(*value));
                }
            }
            return Ok(None);
        }
        let (mut low, mut high) = (0, self.sorted.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (known, value) = self.entries[self.sorted[middle] as usize];
            match compare_at(known, key, machine, depth)? {
                std::cmp::Ordering::Equal => return Ok(Some(value)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    fn get_text(&self, name: &str, machine: &mut Machine<'_, 'r>) -> Outcome<Option<Val<'r>>> {
        if self.sorted.is_empty() {
            let found = self.entries.iter().find(|(key, _)| key.as_str() == Some(name));
            return Ok(found.map(|(_, value)| *value));
        }
        let found = self.sorted.binary_search_by(|at| {
            let key = self.entries[*at as usize].0;
            match key.as_str() {
                Some(text) => text.cmp(name),
                None => key.kind().cmp(&Kind::Str),
            }
        });
        machine.items(1)?;
        Ok(found.ok().map(|at| self.entries[self.sorted[at] as usize].1))
    }
}

/// A namespace: fields that a template can set. Also the variables that the macros of one scope share.
pub(super) struct Namespace<'r> {
    /// The fields, sorted by name.
    fields: Cell<&'r [(&'r str, Cell<Val<'r>>)]>,
}

impl<'r> Namespace<'r> {
    pub(super) fn new(space: &Space<'r>) -> Outcome<&'r Self> {
        space.put(Self { fields: Cell::new(&[]) })
    }

    pub(super) fn get(&self, name: &str) -> Option<Val<'r>> {
        let fields = self.fields.get();
        let at = fields.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(fields[at].1.get())
    }

    /// Sets a field. A new one costs a copy of the others, which are as many as the text has names.
    pub(super) fn set(&self, name: &'r str, value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<()> {
        let fields = self.fields.get();
        match fields.binary_search_by(|(known, _)| (*known).cmp(name)) {
            Ok(at) => fields[at].1.set(value),
            Err(at) => {
                machine.items(fields.len())?;
                let before = fields[..at].iter().map(|(name, value)| (*name, value.get()));
                let after = fields[at..].iter().map(|(name, value)| (*name, value.get()));
                let all: Vec<_> = before.chain(std::iter::once((name, value))).chain(after).collect();
                let fields = all.into_iter().map(|(name, value)| (name, Cell::new(value)));
                self.fields.set(machine.space.collect(fields)?);
            }
        }
        Ok(())
    }
}
