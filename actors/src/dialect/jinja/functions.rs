//! The functions that templates call.

use std::time::{SystemTime, UNIX_EPOCH};

use super::chance::{Chance, lipsum};
use super::failure::{Failure, Outcome};
use super::value::print::show;
use super::value::{Arguments, Cycler, Joiner, Kind, Machine, Map, Namespace, Range, Val};

pub(super) use super::value::Function;

/// The largest number of integers in a `range`.
const RANGE_ITEMS_MAX: u64 = 100_000;

impl<'r> Function<'r> {
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
                let joiner = machine.space.put(Joiner::new(separator))?;
                Ok(Val::Function(Self::Joiner(joiner)))
            }
            Self::RandRange => {
                arguments.check(name, 1, 2, &[])?;
                let (first, second) = (integer(name, arguments, 0)?, integer(name, arguments, 1)?);
                let (lower, upper) = second.map_or((0, first.unwrap_or(0)), |second| (first.unwrap_or(0), second));
                Ok(Val::Int(Chance::of(machine.space)?.between(lower, upper)))
            }
            Self::Lipsum => lipsum(arguments, machine),
            Self::Now => {
                arguments.check(name, 0, 0, &[])?;
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Ok(Val::Float(since.as_micros() as f64 / 1e6))
            }
            Self::Cycler(_) => Err(Failure::invalid("a cycler is no function").help("write `.next()` behind its name")),
            Self::Joiner(joiner) => {
                arguments.check(name, 0, 0, &[])?;
                Ok(joiner.next())
            }
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
    let cycler = machine.space.put(Cycler::new(items))?;
    Ok(Val::Function(Function::Cycler(cycler)))
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
