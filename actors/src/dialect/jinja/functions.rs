//! The functions that templates call.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::chance::Chance;
use super::extension::OwnFunction;
use super::failure::{Failure, Outcome};
use super::filters::Arguments;
use super::machine::Machine;
use super::value::print::show;
use super::value::{Kind, Map, Namespace, Range, Val};

/// The largest number of integers in a `range`.
const RANGE_ITEMS_MAX: u64 = 100_000;

/// A function: one that every template has, or one of the program.
#[derive(Clone, Copy)]
pub(super) enum Function<'r> {
    Range,
    Dict,
    Debug,
    Namespace,
    MakeCycler,
    MakeJoiner,
    RandRange,
    Now,
    /// The result of `cycler`.
    Cycler(&'r Cycler<'r>),
    /// The result of `joiner`.
    Joiner(&'r Joiner<'r>),
    Own(&'r OwnFunction),
}

/// Values that are printed in turn.
pub(super) struct Cycler<'r> {
    items: &'r [Val<'r>],
    next: Cell<usize>,
}

/// A separator, which is printed from the second time on.
pub(super) struct Joiner<'r> {
    separator: Val<'r>,
    used: Cell<bool>,
}

impl<'r> Function<'r> {
    const ALL: [Self; 8] = [
        Self::Range,
        Self::Dict,
        Self::Debug,
        Self::Namespace,
        Self::MakeCycler,
        Self::MakeJoiner,
        Self::RandRange,
        Self::Now,
    ];

    /// Returns the function of the language that has a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Returns the names of all functions of the language.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Function::<'static>::ALL.into_iter().map(Function::name)
    }

    pub(super) fn name(self) -> &'r str {
        match self {
            Self::Range => "range",
            Self::Dict => "dict",
            Self::Debug => "debug",
            Self::Namespace => "namespace",
            Self::MakeCycler | Self::Cycler(_) => "cycler",
            Self::MakeJoiner | Self::Joiner(_) => "joiner",
            Self::RandRange => "randrange",
            Self::Now => "now",
            Self::Own(function) => function.name(),
        }
    }

    pub(super) fn call(self, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
        let name = self.name();
        match self {
            Self::Range => {
                arguments.check(name, 1, 3, &[])?;
                range(arguments, machine)
            }
            Self::Dict => {
                arguments.check_positional(name, 0, 1)?;
                dict(arguments, machine)
            }
            Self::Namespace => {
                arguments.check_positional(name, 0, 1)?;
                namespace(arguments, machine)
            }
            Self::Debug => debug(arguments, machine),
            Self::MakeCycler => {
                arguments.check(name, 1, usize::MAX, &[])?;
                cycler(arguments, machine)
            }
            Self::MakeJoiner => {
                arguments.check(name, 0, 1, &["sep"])?;
                let separator = match arguments.get(0, "sep") {
                    value if value.is_absent() => Val::Str(", "),
                    value => value,
                };
                let used = Cell::new(false);
                let joiner = machine.space.put(Joiner { separator, used })?;
                Ok(Val::Function(Self::Joiner(joiner)))
            }
            Self::RandRange => {
                arguments.check(name, 1, 2, &[])?;
                let (first, second) = (integer(name, arguments, 0)?, integer(name, arguments, 1)?);
                let (lower, upper) = second.map_or((0, first.unwrap_or(0)), |second| (first.unwrap_or(0), second));
                Ok(Val::Int(Chance::of(machine.space)?.between(lower, upper)))
            }
            Self::Now => {
                arguments.check(name, 0, 0, &[])?;
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Ok(Val::Float(since.as_micros() as f64 / 1e6))
            }
            Self::Cycler(_) => Err(Failure::invalid("a cycler is no function").help("write `.next()` behind its name")),
            Self::Joiner(joiner) => {
                arguments.check(name, 0, 0, &[])?;
                Ok(if joiner.used.replace(true) {
                    joiner.separator
                } else {
                    Val::Str("")
                })
            }
            Self::Own(function) => function.call(None, arguments, machine),
        }
    }
}

/// Returns an integer argument; only the first one is needed.
fn integer(name: &str, arguments: &Arguments<'_, '_>, at: usize) -> Outcome<Option<i64>> {
    let value = arguments.at(at);
    if at > 0 && value.is_absent() {
        return Ok(None);
    }
    match value.as_index() {
        Some(number) => Ok(Some(number)),
        None if value.is_integer() => Err(Failure::invalid(format!("an integer of `{name}` is out of range"))),
        None => Err(Failure::invalid(format!(
            "`{name}` takes integers, not {}",
            value.words()
        ))),
    }
}

/// Makes a cycler of a list, or of several values.
fn cycler<'r>(arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let items = match arguments.values {
        [list] if matches!(list.kind(), Kind::List | Kind::Iterable) => list.items(machine)?,
        values => machine.space.slice(values)?,
    };
    if items.is_empty() {
        return Err(Failure::coded("arguments", "`cycler` needs at least one value"));
    }
    let next = Cell::new(0);
    let cycler = machine.space.put(Cycler { items, next })?;
    Ok(Val::Function(Function::Cycler(cycler)))
}

impl<'r> Cycler<'r> {
    /// Returns the value whose turn it is.
    pub(super) fn next(&self) -> Val<'r> {
        let at = self.next.get();
        self.next.set((at + 1) % self.items.len());
        self.items.get(at).copied().unwrap_or(Val::Silent)
    }
}

fn range<'r>(arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let integer = |at: usize| integer("range", arguments, at);
    let (first, second, step) = (integer(0)?.unwrap_or(0), integer(1)?, integer(2)?.unwrap_or(1));
    let (start, end) = second.map_or((0, first), |second| (first, second));
    if step == 0 {
        return Err(Failure::invalid("the step of `range` cannot be 0"));
    }
    let distance = if step > 0 {
        i128::from(end) - i128::from(start)
    } else {
        i128::from(start) - i128::from(end)
    };
    let count = (distance.max(0) as u128).div_ceil(u128::from(step.unsigned_abs()));
    if count > u128::from(RANGE_ITEMS_MAX) {
        let message = format!("`range` has more than {RANGE_ITEMS_MAX} items");
        return Err(Failure::coded("range-too-long", message));
    }
    let count = count as usize;
    Ok(Val::Range(machine.space.put(Range { start, step, count })?))
}

fn dict<'r>(arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let mut entries = Vec::new();
    match arguments.at(0) {
        value if value.is_undefined() => {}
        value => match value.pairs(machine)? {
            Some(pairs) => entries.extend_from_slice(pairs),
            None => return Err(Failure::invalid(format!("`dict` takes a map, not {}", value.words()))),
        },
    }
    entries.extend(arguments.named.iter().map(|(name, value)| (Val::Str(name), *value)));
    Ok(Val::Map(Map::new(&entries, machine)?))
}

fn namespace<'r>(arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let namespace = Namespace::new(machine.space)?;
    match arguments.at(0) {
        value if value.is_absent() => {}
        value => match value.pairs(machine)? {
            Some(pairs) => {
                for (key, value) in pairs {
                    if let Some(name) = key.as_str() {
                        namespace.set(name, *value, machine)?;
                    }
                }
            }
            None => {
                return Err(Failure::invalid(format!(
                    "`namespace` takes a map, not {}",
                    value.words()
                )));
            }
        },
    }
    for (name, value) in arguments.named {
        namespace.set(name, *value, machine)?;
    }
    Ok(Val::Namespace(namespace))
}

fn debug<'r>(arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let value = match arguments.values {
        [value] => *value,
        values => Val::List(machine.space.slice(values)?),
    };
    let mut text = machine.space.writer();
    show(value, value.kind() != Kind::Undefined, &mut text, machine)?;
    Ok(Val::Str(text.finish()))
}
