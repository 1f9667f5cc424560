//! Filters that compare items: sorting, extremes, groups.

use std::cmp::Ordering;

use super::sequences::tuples;
use super::{Arguments, Failure, Machine, Outcome, Val};
use crate::dialect::jinja::value::{Group, compare, sort};

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
