//! Filters of lists, maps and other values with items.

use std::cmp::Ordering;

use super::{Arguments, Failure, Filter, Machine, Outcome, Val};
use crate::dialect::Escape;
use crate::dialect::jinja::operators::escaped;
use crate::dialect::jinja::predicates::Predicate;
use crate::dialect::jinja::value::{Group, Kind, Map, Role, Source, compare, sort};
use crate::suggestion::suggestion;

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
    let between = if markup && !joiner.is_safe() {
        escaped(between, machine)?
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
        let text = machine.text(*item)?;
        let text = if markup && !item.is_safe() {
            escaped(text, machine)?
        } else {
            text
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

fn tuples<'r>(pairs: &[(Val<'r>, Val<'r>)], machine: &mut Machine<'_, 'r>) -> Outcome<&'r [Val<'r>]> {
    machine.items(pairs.len())?;
    let mut items = machine.space.list();
    for (key, value) in pairs {
        items.push(Val::Tuple(machine.space.slice(&[*key, *value])?))?;
    }
    Ok(items.finish())
}

/// Returns the order of two values; of texts without regard to case, unless it matters.
fn order<'r>(one: Val<'r>, other: Val<'r>, case_sensitive: bool, machine: &mut Machine<'_, 'r>) -> Outcome<Ordering> {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) if !case_sensitive => {
            machine.bytes(one.len().min(other.len()))?;
            let lower = |text: &'r str| text.bytes().map(|byte| byte.to_ascii_lowercase());
            Ok(lower(one).cmp(lower(other)))
        }
        _ => compare(one, other, machine),
    }
}

fn reversed(order: Ordering, reverse: bool) -> Ordering {
    if reverse { order.reverse() } else { order }
}

pub(super) fn dictsort<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    let Some(pairs) = value.pairs(machine)? else {
        return Err(Failure::invalid(format!(
            "`dictsort` takes a map, not {}",
            value.words()
        )));
    };
    let by_value = arguments.text(usize::MAX, "by")? == Some("value");
    let case_sensitive = arguments.truth(usize::MAX, "case_sensitive")?.unwrap_or(false);
    let reverse = arguments.truth(usize::MAX, "reverse")?.unwrap_or(false);
    let mut pairs = pairs.to_vec();
    sort(&mut pairs, machine, |one, other, machine| {
        let (one, other) = if by_value { (one.1, other.1) } else { (one.0, other.0) };
        Ok(reversed(order(one, other, case_sensitive, machine)?, reverse))
    })?;
    Ok(Val::List(tuples(&pairs, machine)?))
}

pub(super) fn sorted<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let case_sensitive = arguments.truth(usize::MAX, "case_sensitive")?.unwrap_or(false);
    let reverse = arguments.truth(usize::MAX, "reverse")?.unwrap_or(false);
    let attribute = arguments.text(usize::MAX, "attribute")?;
    let items = value.items(machine)?;
    let keys: Vec<&'r str> = attribute.map_or_else(Vec::new, |attribute| {
        attribute
            .split(',')
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .collect()
    });
    let mut keyed: Vec<(Option<Val<'r>>, Val<'r>)> = Vec::with_capacity(items.len());
    for item in items {
        let key = match keys.as_slice() {
            [] => Some(*item),
            [key] => match item.path(key, machine) {
                Ok(key) => Some(key),
                Err(failure) => match *failure {
                    Failure::Undefined(_) => None,
                    other => return Err(Box::new(other)),
                },
            },
            keys => {
                let mut parts = machine.space.list();
                for key in keys {
                    let part = item.path_or(key, Val::Silent, machine)?;
                    parts.push(match part.as_str() {
                        Some(text) if !case_sensitive => Val::Str(machine.space.text(&text.to_ascii_lowercase())?),
                        _ => part,
                    })?;
                }
                Some(Val::List(parts.finish()))
            }
        };
        keyed.push((key, *item));
    }
    sort(&mut keyed, machine, |one, other, machine| match (one.0, other.0) {
        (Some(one), Some(other)) => Ok(reversed(order(one, other, case_sensitive, machine)?, reverse)),
        _ => Ok(Ordering::Equal),
    })?;
    Ok(Val::List(machine.space.collect(keyed.iter().map(|(_, item)| *item))?))
}

pub(super) fn min<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    extreme(value, arguments, machine, Ordering::Less)
}

pub(super) fn max<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    extreme(value, arguments, machine, Ordering::Greater)
}

fn extreme<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
    wanted: Ordering,
) -> Outcome<Val<'r>> {
    let case_sensitive = arguments.truth(usize::MAX, "case_sensitive")?.unwrap_or(false);
    let attribute = arguments.text(usize::MAX, "attribute")?;
    let mut best: Option<(Val<'r>, Val<'r>)> = None;
    for item in value.items(machine)? {
        let key = match attribute {
            Some(path) => item.path_or(path, Val::Silent, machine)?,
            None => *item,
        };
        let better = match best {
            Some((best, _)) => order(key, best, case_sensitive, machine)? == wanted,
            None => true,
        };
        if better {
            best = Some((key, *item));
        }
    }
    Ok(best.map_or(Val::Undefined("an item of an empty list"), |(_, item)| item))
}

pub(super) fn unique<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let case_sensitive = arguments.truth(usize::MAX, "case_sensitive")?.unwrap_or(false);
    let attribute = arguments.text(usize::MAX, "attribute")?;
    let items = value.items(machine)?;
    // The items in the order of their keys; of equal ones the first in the list comes first.
    let mut keyed: Vec<(Val<'r>, usize)> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let key = match attribute {
            Some(path) => item.path_or(path, Val::Silent, machine)?,
            None => *item,
        };
        let key = match key.as_str() {
            Some(text) if !case_sensitive => Val::Str(machine.space.text(&text.to_lowercase())?),
            _ => key,
        };
        keyed.push((key, at));
    }
    sort(&mut keyed, machine, |one, other, machine| {
        compare(one.0, other.0, machine)
    })?;
    let mut is_first = vec![false; items.len()];
    let mut before: Option<Val<'r>> = None;
    for (key, at) in &keyed {
        let repeats = match before {
            Some(before) => compare(before, *key, machine)? == Ordering::Equal,
            None => false,
        };
        if !repeats {
            is_first[*at] = true;
            before = Some(*key);
        }
    }
    let mut kept = machine.space.list();
    for (item, _) in items.iter().zip(is_first).filter(|(_, first)| *first) {
        kept.push(*item)?;
    }
    Ok(Val::List(kept.finish()))
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

/// Returns the filter that `map` applies.
fn filter_named(value: Val<'_>, machine: &Machine<'_, '_>) -> Outcome<Filter> {
    let Some(name) = value.as_str() else {
        return Err(Failure::invalid("`map` takes the name of a filter, or `attribute=`"));
    };
    let registered = machine.space.registered();
    Filter::find(name, registered).ok_or_else(|| {
        let failure = Failure::coded(
            "unknown-filter",
            format!("there is no filter `{}`", name.escape_debug()),
        );
        match suggestion(name, registered.names(Role::Filter)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}

/// Returns the test that `select` and similar filters apply.
fn predicate_named(value: Val<'_>, machine: &Machine<'_, '_>) -> Outcome<Predicate> {
    let Some(name) = value.as_str() else {
        return Err(Failure::invalid("the name of a test has to be a string"));
    };
    let registered = machine.space.registered();
    Predicate::find(name, registered).ok_or_else(|| {
        let failure = Failure::coded("unknown-test", format!("there is no test `{}`", name.escape_debug()));
        match suggestion(name, registered.names(Role::Test)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}

pub(super) fn map<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let attribute = arguments.named("attribute");
    let mut mapped = machine.space.list();
    if attribute.is_absent() {
        let filter = filter_named(arguments.at(0), machine)?;
        let rest = Arguments {
            values: arguments.values.get(1..).unwrap_or_default(),
            named: &[],
        };
        for item in value.items(machine)? {
            machine.items(1)?;
            mapped.push(filter.apply(*item, &rest, machine)?)?;
        }
        return Ok(Val::List(mapped.finish()));
    }
    if !arguments.values.is_empty() {
        return Err(Failure::coded(
            "arguments",
            "`map` takes either a filter or `attribute=`",
        ));
    }
    let default = arguments.named("default");
    for item in value.items(machine)? {
        let found = match attribute.as_str() {
            Some(path) if default.is_undefined() => item.path(path, machine)?,
            Some(path) => item.path_or(path, default, machine)?,
            None => {
                machine.defined(*item)?;
                item.item(attribute, machine)?
                    .unwrap_or(Val::Undefined("the attribute"))
            }
        };
        let missing = found.is_undefined() && !default.is_undefined();
        mapped.push(if missing { default } else { found })?;
    }
    Ok(Val::List(mapped.finish()))
}

/// Keeps the items for which a test, or the truth of the value, is as wanted.
fn filtered<'r>(
    value: Val<'r>,
    attribute: Option<&'r str>,
    arguments: &[Val<'r>],
    wanted: bool,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let predicate = match arguments.first() {
        Some(name) if !name.is_absent() => Some(predicate_named(*name, machine)?),
        _ => None,
    };
    let rest = Arguments {
        values: arguments.get(1..).unwrap_or_default(),
        named: &[],
    };
    let mut kept = machine.space.list();
    for item in value.items(machine)? {
        machine.items(1)?;
        let tested = match attribute {
            Some(path) => item.path(path, machine)?,
            None => *item,
        };
        let holds = match predicate {
            Some(predicate) => predicate.holds(tested, &rest, machine)?,
            None => tested.is_true(),
        };
        if holds == wanted {
            kept.push(*item)?;
        }
    }
    Ok(Val::List(kept.finish()))
}

pub(super) fn select<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered(value, None, arguments.values, true, machine)
}

pub(super) fn reject<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered(value, None, arguments.values, false, machine)
}

/// Returns the items whose attribute passes a test, or does not. The attribute is the first argument, the test comes after it.
fn filtered_by_attribute<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    wanted: bool,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let attribute = machine.defined_text(arguments.at(0))?;
    let test = arguments.values.get(1..).unwrap_or_default();
    filtered(value, Some(attribute), test, wanted, machine)
}

pub(super) fn selectattr<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered_by_attribute(value, arguments, true, machine)
}

pub(super) fn rejectattr<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered_by_attribute(value, arguments, false, machine)
}

pub(super) fn groupby<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let Some(attribute) = arguments.text(0, "attribute")? else {
        return Err(Failure::coded("arguments", "`groupby` needs the attribute to group by"));
    };
    let default = arguments.named("default");
    let case_sensitive = arguments.truth(usize::MAX, "case_sensitive")?.unwrap_or(false);
    let mut keyed = Vec::new();
    for item in value.items(machine)? {
        let default = if default.is_absent() {
            Val::Undefined(attribute)
        } else {
            default
        };
        keyed.push((item.path_or(attribute, default, machine)?, *item));
    }
    sort(&mut keyed, machine, |one, other, machine| {
        order(one.0, other.0, case_sensitive, machine)
    })?;
    let mut groups = machine.space.list();
    let mut rest = keyed.as_slice();
    while let Some((key, _)) = rest.first().copied() {
        let mut count = 1;
        while let Some((next, _)) = rest.get(count)
            && order(key, *next, case_sensitive, machine)? == Ordering::Equal
        {
            count += 1;
        }
        let (group, after) = rest.split_at(count);
        let items = machine.space.collect(group.iter().map(|(_, item)| *item))?;
        groups.push(Val::Group(machine.space.put(Group { key, items })?))?;
        rest = after;
    }
    Ok(Val::List(groups.finish()))
}
