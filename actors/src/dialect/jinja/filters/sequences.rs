//! Filters of lists, maps and other values with items.

use super::{Arguments, Failure, Machine, Outcome, Val};
use crate::dialect::Escape;
use crate::dialect::jinja::operators::escaped;
use crate::dialect::jinja::value::{Kind, Map, Source, compare, sort};

pub(super) fn length<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    match value.length() {
        Some(length) => Ok(Val::count(length)),
        None if value.is_undefined() => Ok(Val::Int(0)),
        None => Err(Failure::invalid(format!("{} has no length", value.words()))),
    }
}

pub(super) fn default<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    // Unlike other arguments, an undefined or none one is what it is.
    let given = arguments.values.first().copied();
    let named = arguments.named.iter().find(|(name, _)| *name == "default_value");
    let other = given.or(named.map(|(_, value)| *value)).unwrap_or(Val::Str(""));
    let also_false = match arguments.values.get(1) {
        Some(truth) => machine.truth(*truth)?,
        None => arguments.named("boolean").is_true(),
    };
    Ok(match value.is_undefined() || (also_false && !value.is_true()) {
        true => other,
        false => value,
    })
}

pub(super) fn attr<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let expression = match value {
        Val::Undefined(expression) => Some(expression),
        // A condition without `else`.
        Val::Silent => Some("the value before `attr`"),
        _ => None,
    };
    if let Some(expression) = expression {
        return Err(crate::dialect::jinja::value::undefined(expression));
    }
    let found = value.item(arguments.at(0), machine)?;
    Ok(found.unwrap_or(Val::Undefined("the attribute")))
}

pub(super) fn first<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    if value.is_undefined() {
        return Ok(value);
    }
    let none = Val::Undefined("the first item");
    if let Some(text) = value.as_str() {
        let first = text.chars().next();
        return Ok(first.map_or(none, |character| Val::Str(&text[..character.len_utf8()])));
    }
    match value.kind() {
        Kind::List | Kind::Iterable | Kind::Map => {
            let (source, _) = Source::of(value, machine)?;
            Ok(source.get(0, 0).unwrap_or(none))
        }
        _ => Err(Failure::invalid(format!("{} has no first item", value.words()))),
    }
}

pub(super) fn last<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    if value.is_undefined() {
        return Ok(value);
    }
    let none = Val::Undefined("the last item");
    if let Some(text) = value.as_str() {
        let last = text.chars().next_back();
        let last = last.map(|character| &text[text.len() - character.len_utf8()..]);
        return Ok(last.map_or(none, |character| Machine::like(value, character)));
    }
    match value.kind() {
        Kind::List | Kind::Iterable | Kind::Map => {
            let (source, _) = Source::of(value, machine)?;
            let last = source.count().checked_sub(1).and_then(|at| source.get(at, 0));
            Ok(last.unwrap_or(none))
        }
        _ => Err(Failure::invalid(format!("{} has no last item", value.words()))),
    }
}

pub(super) fn reverse<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    if let Some(text) = value.as_str() {
        let reversed: String = text.chars().rev().collect();
        return Ok(Machine::like(value, machine.space.text(&reversed)?));
    }
    match value.kind() {
        Kind::Undefined => Ok(value),
        Kind::List | Kind::Iterable | Kind::Map => {
            let items = value.items(machine)?;
            Ok(Val::Iter(machine.space.collect(items.iter().rev().copied())?))
        }
        _ => Err(Failure::invalid(format!("{} cannot be reversed", value.words()))),
    }
}

pub(super) fn join<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let joiner = arguments.get(0, "d");
    let between = if joiner.is_absent() { "" } else { machine.text(joiner)? };
    let attribute = arguments.text(1, "attribute")?;
    let mut items = value.items(machine)?;
    if let Some(path) = attribute {
        let mut found = machine.space.list();
        for item in items {
            found.push(item.path_or(path, Val::Silent, machine)?)?;
        }
        items = found.finish();
    }
    let markup = machine.escape != Escape::None && (joiner.is_safe() || items.iter().any(|item| item.is_safe()));
    let between = if markup && !joiner.is_absent() {
        escaped(joiner, machine)?
    } else {
        between
    };
    let mut joined = machine.space.writer();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            machine.bytes(between.len())?;
            joined.push(between)?;
        }
        if markup {
            machine.defined(*item)?;
        }
        let text = if markup {
            escaped(*item, machine)?
        } else {
            machine.text(*item)?
        };
        machine.bytes(text.len())?;
        joined.push(text)?;
    }
    let joined = joined.finish();
    Ok(if markup { Val::Safe(joined) } else { Val::Str(joined) })
}

pub(super) fn list<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    Ok(Val::List(value.items(machine)?))
}

pub(super) fn items<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    if value.is_undefined() {
        return Ok(Val::Iter(&[]));
    }
    match value.pairs(machine)? {
        Some(pairs) => Ok(Val::Iter(tuples(pairs, machine)?)),
        None => Err(Failure::invalid(format!("`items` takes a map, not {}", value.words()))),
    }
}

pub(super) fn tuples<'r>(pairs: &[(Val<'r>, Val<'r>)], machine: &mut Machine<'_, 'r>) -> Outcome<&'r [Val<'r>]> {
    machine.items(pairs.len())?;
    let mut items = machine.space.list();
    for (key, value) in pairs {
        items.push(Val::Tuple(machine.space.slice(&[*key, *value])?))?;
    }
    Ok(items.finish())
}

/// Returns the number of parts or of items in a part, which is not zero.
fn positive(filter: &str, value: Val<'_>) -> Outcome<usize> {
    match value.as_index().map(usize::try_from) {
        Some(Ok(count)) if count > 0 => Ok(count),
        _ => Err(Failure::invalid(format!("`{filter}` takes a positive integer"))),
    }
}

/// Returns the value that fills gaps, if there is one.
fn filler<'r>(arguments: &Arguments<'_, 'r>) -> Option<Val<'r>> {
    let filler = arguments.at(1);
    (!filler.is_absent()).then_some(filler)
}

pub(super) fn batch<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let count = positive("batch", arguments.at(0))?;
    let items = value.items(machine)?;
    let mut batches = machine.space.list();
    for part in items.chunks(count) {
        let mut batch = machine.space.list();
        part.iter().try_for_each(|item| batch.push(*item))?;
        if let Some(filler) = filler(arguments) {
            machine.items(count - part.len())?;
            (part.len()..count).try_for_each(|_| batch.push(filler))?;
        }
        batches.push(Val::List(batch.finish()))?;
    }
    Ok(Val::List(batches.finish()))
}

pub(super) fn slice<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let count = positive("slice", arguments.at(0))?;
    let mut items = value.items(machine)?;
    machine.items(count)?;
    let (each, longer) = (items.len() / count, items.len() % count);
    let mut slices = machine.space.list();
    for at in 0..count {
        let length = each + usize::from(at < longer);
        let (part, rest) = items.split_at(length.min(items.len()));
        items = rest;
        let mut slice = machine.space.list();
        part.iter().try_for_each(|item| slice.push(*item))?;
        if let Some(filler) = filler(arguments)
            && at >= longer
        {
            slice.push(filler)?;
        }
        slices.push(Val::List(slice.finish()))?;
    }
    Ok(Val::List(slices.finish()))
}

/// Returns all values that a filter with any number of arguments works on.
fn all<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>) -> Vec<Val<'r>> {
    std::iter::once(value).chain(arguments.values.iter().copied()).collect()
}

/// Returns the items of a value; an undefined one has none, also in strict mode.
fn items_or_none<'r>(value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<&'r [Val<'r>]> {
    if value.is_undefined() {
        Ok(&[])
    } else {
        value.items(machine)
    }
}

pub(super) fn chain<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let values = all(value, arguments);
    if values.iter().all(|value| value.kind() == Kind::Map) {
        let mut entries = Vec::new();
        for value in values {
            let pairs = value.pairs(machine)?.unwrap_or_default();
            machine.space.charge(size_of_val(pairs))?;
            entries.extend_from_slice(pairs);
        }
        // Merged maps are in the order of their keys.
        sort(&mut entries, machine, |one, other, machine| {
            compare(one.0, other.0, machine)
        })?;
        return Ok(Val::Map(Map::new(&entries, machine)?));
    }
    let lists = values.iter().all(|value| value.kind() == Kind::List);
    let mut items = machine.space.list();
    for value in values {
        items_or_none(value, machine)?
            .iter()
            .try_for_each(|item| items.push(*item))?;
    }
    let items = items.finish();
    Ok(if lists { Val::List(items) } else { Val::Stream(items) })
}

pub(super) fn zip<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let values = all(value, arguments);
    let mut counted = true;
    let mut lists = Vec::with_capacity(values.len());
    for value in values {
        // In this order, because the length of a text is found by going over it, which is charged with its items.
        lists.push(items_or_none(value, machine)?);
        counted &= value.length().is_some();
    }
    let shortest = lists.iter().map(|list| list.len()).min().unwrap_or(0);
    let mut rows = machine.space.list();
    for at in 0..shortest {
        machine.items(lists.len())?;
        let row = lists.iter().map(|list| list.get(at).copied().unwrap_or(Val::Silent));
        let row = machine.space.collect(row)?;
        rows.push(Val::Tuple(row))?;
    }
    let rows = rows.finish();
    Ok(if counted { Val::Iter(rows) } else { Val::Stream(rows) })
}
