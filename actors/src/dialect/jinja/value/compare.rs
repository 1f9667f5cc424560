//! Equality and order of values.
//!
//! Every pair of values has an order, whatever their kinds are. Walks take a step per value and are bounded in depth, because a namespace
//! can contain itself.

use std::cmp::Ordering;

use super::{Kind, Machine, Source, Val, Wide, real, whole};
use crate::dialect::jinja::failure::{Failure, Outcome};

/// Returns true if two values are equal.
pub(in crate::dialect::jinja) fn equal<'r>(
    one: Val<'r>,
    other: Val<'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<bool> {
    equal_at(one, other, machine, 0)
}

/// Returns the order of two values.
pub(in crate::dialect::jinja) fn compare<'r>(
    one: Val<'r>,
    other: Val<'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Ordering> {
    compare_at(one, other, machine, 0)
}

/// Checks the depth of a walk over values.
pub(super) fn descend(depth: u32, machine: &mut Machine<'_, '_>) -> Outcome<u32> {
    let limit = machine.budget.context_depth;
    if depth >= limit {
        let message = format!("the value nests deeper than {limit} levels (the limit `context_depth`)");
        return Err(Failure::coded("value-depth", message));
    }
    Ok(depth + 1)
}

pub(super) fn equal_at<'r>(one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<bool> {
    machine.items(1)?;
    match (one, other) {
        (Val::Int(one), Val::Int(other)) => return Ok(one == other),
        (Val::Str(one) | Val::Safe(one), Val::Str(other) | Val::Safe(other)) => {
            machine.bytes(one.len().min(other.len()))?;
            return Ok(one == other);
        }
        (Val::None, Val::None) => return Ok(true),
        (Val::Undefined(_) | Val::Silent, Val::Undefined(_) | Val::Silent) => return Ok(true),
        _ => {}
    }
    if let Some(order) = numbers(one, other) {
        let both_float = one.is_float() && other.is_float();
        return Ok(match both_float {
            true => real(one) == real(other),
            false => order == Ordering::Equal,
        });
    }
    let depth = descend(depth, machine)?;
    if matches!(one, Val::Tuple(_)) != matches!(other, Val::Tuple(_)) {
        return Ok(false);
    }
    if one.is_same_object(other) == Some(true) {
        return Ok(true);
    }
    match (one.kind(), other.kind()) {
        (Kind::Map, Kind::Map) => {
            let (Some(pairs), Some(others)) = (one.pairs(machine)?, other.length()) else {
                return Ok(false);
            };
            if pairs.len() != others {
                return Ok(false);
            }
            for (key, value) in pairs {
                let found = match other {
                    Val::Map(map) => map.get(*key, machine, depth)?,
                    _ => other.item(*key, machine)?,
                };
                match found {
                    Some(found) if equal_at(*value, found, machine, depth)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Kind::List | Kind::Iterable, Kind::List | Kind::Iterable) => {
            let (one, other) = (Source::of(one, machine)?.0, Source::of(other, machine)?.0);
            if one.count() != other.count() {
                return Ok(false);
            }
            for at in 0..one.count() {
                if let (Some(one), Some(other)) = (one.get(at, 0), other.get(at, 0))
                    && !equal_at(one, other, machine, depth)?
                {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

pub(super) fn compare_at<'r>(
    one: Val<'r>,
    other: Val<'r>,
    machine: &mut Machine<'_, 'r>,
    depth: u32,
) -> Outcome<Ordering> {
    machine.items(1)?;
    if let Some(order) = numbers(one, other) {
        return Ok(order);
    }
    let kinds = one.kind().cmp(&other.kind());
    if kinds != Ordering::Equal {
        return Ok(kinds);
    }
    if let (Some(one), Some(other)) = (one.as_str(), other.as_str()) {
        machine.bytes(one.len().min(other.len()))?;
        return Ok(one.cmp(other));
    }
    let depth = descend(depth, machine)?;
    let tuples = matches!(one, Val::Tuple(_)).cmp(&matches!(other, Val::Tuple(_)));
    if tuples != Ordering::Equal {
        return Ok(tuples);
    }
    if one.is_same_object(other) == Some(true) {
        return Ok(Ordering::Equal);
    }
    match one.kind() {
        Kind::Map => {
            let (Some(pairs), Some(others)) = (one.pairs(machine)?, other.pairs(machine)?) else {
                return Ok(Ordering::Equal);
            };
            for ((key, value), (other_key, other_value)) in pairs.iter().zip(others) {
                let order = compare_at(*key, *other_key, machine, depth)?;
                if order != Ordering::Equal {
                    return Ok(order);
                }
                let order = compare_at(*value, *other_value, machine, depth)?;
                if order != Ordering::Equal {
                    return Ok(order);
                }
            }
            Ok(pairs.len().cmp(&others.len()))
        }
        Kind::List | Kind::Iterable => {
            let (one, other) = (Source::of(one, machine)?.0, Source::of(other, machine)?.0);
            let counts = (one.count(), other.count());
            for at in 0..counts.0.min(counts.1) {
                if let (Some(one), Some(other)) = (one.get(at, 0), other.get(at, 0)) {
                    let order = compare_at(one, other, machine, depth)?;
                    if order != Ordering::Equal {
                        return Ok(order);
                    }
                }
            }
            Ok(counts.0.cmp(&counts.1))
        }
        Kind::Plain => match (one, other) {
            (Val::Function(one), Val::Function(other)) => Ok(one.name().cmp(other.name())),
            _ => Ok(Ordering::Equal),
        },
        _ => Ok(Ordering::Equal),
    }
}

/// Returns the order of two numbers or booleans, by their exact values.
fn numbers(one: Val<'_>, other: Val<'_>) -> Option<Ordering> {
    Some(match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.order(other),
        (None, None) => floats(real(one)?, real(other)?),
        (Some(one), None) => whole_and_float(one, real(other)?),
        (None, Some(other)) => whole_and_float(other, real(one)?).reverse(),
    })
}

#[expect(clippy::float_cmp, reason = "equal floats are equal, whatever the sign of zero is")]
fn floats(one: f64, other: f64) -> Ordering {
    if one == other {
        Ordering::Equal
    } else {
        one.total_cmp(&other)
    }
}

fn whole_and_float(whole: Wide, float: f64) -> Ordering {
    match floats(whole.as_f64(), float) {
        // The nearest float of the integer is equal, but the integer itself may not be.
        Ordering::Equal if float.is_finite() => {
            let magnitude = float.abs().trunc();
            if magnitude >= u128::MAX as f64 {
                return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
            }
            whole.order(Wide::new(float < 0.0, magnitude as u128))
        }
        order => order,
    }
}

/// Sorts items by an order that can fail, or that is none in the strict sense. Equal items keep their order.
///
/// A merge sort from the bottom up: the sorts of the standard library may panic if an order is inconsistent.
pub(in crate::dialect::jinja) fn sort<'m, 'r, T: Copy>(
    items: &mut [T],
    machine: &mut Machine<'m, 'r>,
    mut order: impl FnMut(&T, &T, &mut Machine<'m, 'r>) -> Outcome<Ordering>,
) -> Outcome<()> {
    machine.space.charge(size_of_val(items))?;
    let mut merged: Vec<T> = Vec::with_capacity(items.len());
    let mut width = 1;
    while width < items.len() {
        machine.items(items.len())?;
        merged.clear();
        for pair in items.chunks(width * 2) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let ([one, ones @ ..], [other, others @ ..]) = (left, right) {
                if order(one, other, machine)? == Ordering::Greater {
                    merged.push(*other);
                    right = others;
                } else {
                    merged.push(*one);
                    left = ones;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        items.copy_from_slice(&merged);
        width *= 2;
    }
    Ok(())
}
