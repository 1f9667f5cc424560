//! Operators: arithmetic, concatenation, containment and slices.

use super::ast::Operator;
use super::failure::{Failure, Outcome};
use super::value::json::print_json;
use super::value::{Kind, Machine, Val, Wide, equal, real, whole};
use crate::dialect::Escape;
use crate::dialect::escape::escape;

/// Applies an operator to two values.
pub(super) fn binary<'r>(
    operator: Operator,
    one: Val<'r>,
    other: Val<'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    if let (Val::Int(one), Val::Int(other)) = (one, other) {
        let quick = match operator {
            Operator::Add => one.checked_add(other),
            Operator::Subtract => one.checked_sub(other),
            Operator::Multiply => one.checked_mul(other),
            _ => None,
        };
        if let Some(number) = quick {
            return Ok(Val::Int(number));
        }
    }
    match operator {
        Operator::Add => add(one, other, machine),
        Operator::Concat => concat(one, other, machine),
        Operator::Multiply => multiply(one, other, machine),
        Operator::Divide => {
            let (Some(a), Some(b)) = (real(one), real(other)) else {
                return Err(unsupported(operator, one, other));
            };
            match b == 0.0 {
                true => Err(Failure::coded("division-by-zero", "a number cannot be divided by zero")),
                false => Ok(Val::Float(a / b)),
            }
        }
        Operator::Subtract | Operator::FloorDivide | Operator::Remainder | Operator::Power => {
            arithmetic(operator, one, other, machine)
        }
    }
}

#[cold]
fn unsupported<'r>(operator: Operator, one: Val<'r>, other: Val<'r>) -> Box<Failure> {
    if let Val::Undefined(expression) = if one.is_undefined() { one } else { other } {
        return super::value::undefined(expression);
    }
    let failure = Failure::invalid(format!(
        "`{}` does not take {} and {}",
        operator.sign(),
        one.words(),
        other.words()
    ));
    let has_text = one.kind() == Kind::Str || other.kind() == Kind::Str;
    match operator {
        Operator::Add if has_text => failure.help("to join texts write `~`, which takes any values"),
        Operator::Remainder if one.kind() == Kind::Str => {
            failure.help("to fill in values write `'…' | format(value)`, with all values in the brackets")
        }
        _ => failure,
    }
}

fn arithmetic<'r>(operator: Operator, one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    if one.is_float() || other.is_float() {
        return match (real(one), real(other)) {
            (Some(a), Some(b)) => floats(operator, a, b),
            _ => Err(unsupported(operator, one, other)),
        };
    }
    let (Some(a), Some(b)) = (whole(one), whole(other)) else {
        return Err(unsupported(operator, one, other));
    };
    let divides = matches!(operator, Operator::FloorDivide | Operator::Remainder);
    if divides && b.is_zero() {
        return Err(Failure::coded("division-by-zero", "a number cannot be divided by zero"));
    }
    if operator == Operator::Power && b.is_negative() {
        return floats(operator, a.as_f64(), b.as_f64());
    }
    let result = match operator {
        Operator::Add => a.plus(b),
        Operator::Subtract => a.minus(b),
        Operator::Multiply => a.times(b),
        Operator::FloorDivide => a.divided(b).map(|(quotient, _)| quotient),
        Operator::Remainder => a.divided(b).map(|(_, rest)| rest),
        Operator::Power => a.power(b),
        Operator::Concat | Operator::Divide => None,
    };
    let value = match result {
        Some(number) => number.value(machine.space)?,
        None => None,
    };
    value.ok_or_else(|| Failure::coded("overflow", format!("the result of `{}` is too large", operator.sign())))
}

fn floats<'r>(operator: Operator, a: f64, b: f64) -> Outcome<Val<'r>> {
    let zero = || Failure::coded("division-by-zero", "a number cannot be divided by zero");
    Ok(Val::Float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::FloorDivide if b != 0.0 => divide_down(a, b).0,
        Operator::Remainder if b != 0.0 => divide_down(a, b).1,
        Operator::Power if a != 0.0 || b >= 0.0 => a.powf(b),
        Operator::Concat | Operator::Divide | Operator::FloorDivide | Operator::Remainder | Operator::Power => {
            return Err(zero());
        }
    }))
}

/// Returns quotient and remainder of a division that rounds down, as Python's `divmod` of floats.
fn divide_down(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (rest < 0.0) != (b < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(a / b), rest);
    }
    let down = quotient.floor();
    (if quotient - down > 0.5 { down + 1.0 } else { down }, rest)
}

fn add<'r>(one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    if let (Some(a), Some(b)) = (one.as_str(), other.as_str()) {
        return join(one, a, other, b, machine);
    }
    match (matches!(one, Val::Tuple(_)), matches!(other, Val::Tuple(_))) {
        (true, true) => return Ok(Val::Tuple(chained(one, other, machine)?)),
        (true, false) | (false, true) => return Err(unsupported(Operator::Add, one, other)),
        (false, false) => {}
    }
    let sequence = |value: Val<'_>| matches!(value.kind(), Kind::List | Kind::Iterable);
    if sequence(one) && sequence(other) {
        let items = chained(one, other, machine)?;
        let counted = one.length().is_some() && other.length().is_some();
        return Ok(if counted { Val::Iter(items) } else { Val::Stream(items) });
    }
    arithmetic(Operator::Add, one, other, machine)
}

fn chained<'r>(one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<&'r [Val<'r>]> {
    let (one, other) = (one.items(machine)?, other.items(machine)?);
    machine.items((one.len() + other.len()) / 4)?;
    let mut items = machine.space.list();
    one.iter().chain(other).try_for_each(|item| items.push(*item))?;
    Ok(items.finish())
}

/// Joins two texts. If one of them is safe and the other is not, the other one is escaped where the page is.
fn join<'r>(one: Val<'r>, a: &'r str, other: Val<'r>, b: &'r str, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.bytes(a.len() + b.len())?;
    match (one.is_safe(), other.is_safe()) {
        (true, true) => Ok(Val::Safe(machine.space.concat(&[a, b])?)),
        (false, false) => Ok(Val::Str(machine.space.concat(&[a, b])?)),
        _ if machine.escape == Escape::None => Ok(Val::Str(machine.space.concat(&[a, b])?)),
        (true, false) => {
            let b = escaped(other, machine)?;
            Ok(Val::Safe(machine.space.concat(&[a, b])?))
        }
        (false, true) => {
            let a = escaped(one, machine)?;
            Ok(Val::Safe(machine.space.concat(&[a, b])?))
        }
    }
}

/// Returns a value as text that is escaped as the page is; as HTML if the page is not.
pub(super) fn escaped<'r>(value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<&'r str> {
    escaped_as(machine.escape, value, machine)
}

/// Returns a value as text that is escaped in one way; as HTML where nothing is. What is safe stays as it is.
pub(super) fn escaped_as<'r>(escape: Escape, value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<&'r str> {
    match (value, escape) {
        (Val::Safe(text), _) => Ok(text),
        (_, Escape::Json) => {
            let mut text = machine.space.writer();
            print_json(value, &mut text, machine)?;
            Ok(text.finish())
        }
        (_, Escape::Html | Escape::None) => {
            let text = machine.text(value)?;
            html(text, machine)
        }
    }
}

/// Returns a text as HTML.
fn html<'r>(text: &'r str, machine: &mut Machine<'_, 'r>) -> Outcome<&'r str> {
    machine.bytes(text.len())?;
    if !text
        .bytes()
        .any(|byte| matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\''))
    {
        return Ok(text);
    }
    let mut body = crate::dialect::body::Body::new(machine.budget.output_bytes, 0);
    escape(text, &mut body)?;
    machine.space.text(&body.text_from(0))
}

/// Joins the printed forms of two values.
pub(super) fn concat<'r>(one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(one)?;
    machine.defined(other)?;
    let (a, b) = (machine.text(one)?, machine.text(other)?);
    join(one, a, other, b, machine)
}

fn multiply<'r>(one: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = one.as_str().map(|text| (text, one, other));
    if let Some((text, of, count)) = text.or_else(|| other.as_str().map(|text| (text, other, one))) {
        let Some(count) = repetitions(count) else {
            return Err(unsupported(Operator::Multiply, one, other));
        };
        // Charged before anything is made, so that no factor is too large.
        let bytes = text.len().saturating_mul(count);
        machine.bytes(bytes)?;
        machine.space.fits(bytes)?;
        let repeated = match text.is_empty() {
            true => "",
            false => machine.space.text(&text.repeat(count))?,
        };
        return Ok(Machine::like(of, repeated));
    }
    let sequence = |value: Val<'_>| matches!(value.kind(), Kind::List | Kind::Iterable);
    let list = if sequence(one) { Some((one, other)) } else { None };
    let Some((list, count)) = list.or_else(|| sequence(other).then_some((other, one))) else {
        return arithmetic(Operator::Multiply, one, other, machine);
    };
    let Some(count) = repetitions(count) else {
        return Err(unsupported(Operator::Multiply, one, other));
    };
    if list.length().is_none() {
        return Err(Failure::invalid(
            "an iterable whose length is not known cannot be repeated",
        ));
    }
    let items = list.items(machine)?;
    machine.items(items.len().saturating_mul(count))?;
    machine.space.fits(size_of_val(items).saturating_mul(count))?;
    let mut repeated = machine.space.list();
    if !items.is_empty() {
        for _ in 0..count {
            items.iter().try_for_each(|item| repeated.push(*item))?;
        }
    }
    let items = repeated.finish();
    Ok(match list {
        Val::Tuple(_) => Val::Tuple(items),
        _ if items.is_empty() => Val::List(items),
        _ => Val::Iter(items),
    })
}

/// Returns how often something is repeated; a negative number counts as zero.
fn repetitions(count: Val<'_>) -> Option<usize> {
    match (whole(count), count.as_index()) {
        (Some(number), _) if number.is_negative() => Some(0),
        (Some(number), _) => Some(usize::try_from(number.magnitude()).unwrap_or(usize::MAX)),
        (None, index) => index.map(|index| usize::try_from(index).unwrap_or(0)),
    }
}

/// Returns a number with the other sign.
pub(super) fn negate<'r>(value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let failure = |value: Val<'r>| match value {
        Val::Undefined(expression) => super::value::undefined(expression),
        _ => Failure::invalid(format!("`-` does not take {}", value.words())),
    };
    match value {
        Val::Float(number) => Ok(Val::Float(-number)),
        Val::Digits(_) => real(value)
            .map(|number| Val::Float(-number))
            .ok_or_else(|| failure(value)),
        Val::Bool(_) => Err(failure(value)),
        _ => match whole(value).map(Wide::negate) {
            Some(number) => number
                .value(machine.space)?
                .ok_or_else(|| Failure::coded("overflow", "the result of `-` is too large")),
            None => Err(failure(value)),
        },
    }
}

/// Returns true if a container has a value: a text a part, a map a key, a list an item.
pub(super) fn contains<'r>(container: Val<'r>, value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    if let Some(text) = container.as_str() {
        machine.bytes(text.len())?;
        let part = machine.text(value)?;
        return Ok(text.contains(part));
    }
    match container.kind() {
        Kind::Undefined => Ok(false),
        Kind::Map => Ok(container.item(value, machine)?.is_some()),
        Kind::List | Kind::Iterable => {
            let (source, _) = super::value::Source::of(container, machine)?;
            let mut at = 0;
            while let Some(item) = source.get(at, 0) {
                if equal(item, value, machine)? {
                    return Ok(true);
                }
                at += 1;
            }
            Ok(false)
        }
        Kind::Plain => Ok(false),
        kind => Err(Failure::invalid(format!("`in` does not look into {}", kind.words()))),
    }
}

/// Returns the part of a text or list from `start` to before `stop`, each `step`-th item of it.
pub(super) fn slice<'r>(
    value: Val<'r>,
    [start, stop, step]: [Val<'r>; 3],
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    if value.is_undefined() && machine.strict {
        let expression = if let Val::Undefined(expression) = value {
            expression
        } else {
            ""
        };
        return Err(super::value::undefined(expression));
    }
    let bound = |bound: Val<'r>| match bound {
        Val::None => Ok(None),
        Val::Undefined(expression) => Err(super::value::undefined(expression)),
        other => match other.as_index() {
            Some(index) => Ok(Some(index)),
            None => Err(Failure::invalid(format!(
                "a slice is bounded by integers, not by {}",
                other.words()
            ))),
        },
    };
    let (start, stop) = (bound(start)?, bound(stop)?);
    let step = bound(step)?.unwrap_or(1);
    if step == 0 {
        return Err(Failure::invalid("the step of a slice cannot be 0"));
    }
    if let Some(text) = value.as_str() {
        machine.items(text.len())?;
        let characters: Vec<char> = text.chars().collect();
        let mut part = machine.space.writer();
        for at in positions(start, stop, step, characters.len()) {
            if let Some(character) = characters.get(at) {
                part.push_char(*character)?;
            }
        }
        return Ok(Val::Str(part.finish()));
    }
    match value.kind() {
        Kind::Undefined | Kind::None => Ok(Val::List(&[])),
        Kind::List | Kind::Iterable => {
            let items = value.items(machine)?;
            // The length of a stream is not known, so nothing counts from its end.
            let from_end = start.is_some_and(|at| at < 0) || stop.is_none_or(|at| at < 0);
            let length = value
                .length()
                .unwrap_or(if step > 0 && from_end { 0 } else { items.len() });
            let part = positions(start, stop, step, length);
            machine.items(part.len())?;
            let counted = step < 0 || part.len() == 0;
            let mut kept = machine.space.list();
            part.filter_map(|at| items.get(at))
                .try_for_each(|item| kept.push(*item))?;
            let kept = kept.finish();
            Ok(match value {
                Val::Tuple(_) => Val::Tuple(kept),
                Val::Stream(_) if !counted => Val::Stream(kept),
                _ => Val::Iter(kept),
            })
        }
        _ => Err(Failure::invalid(format!("{} has no slices", value.words()))),
    }
}

/// Returns the positions of a slice of `length` items.
fn positions(start: Option<i64>, stop: Option<i64>, step: i64, length: usize) -> impl ExactSizeIterator<Item = usize> {
    let end = i64::try_from(length).unwrap_or(i64::MAX);
    let (first, count) = if step > 0 {
        let clamp = |at: i64| {
            if at < 0 {
                end.saturating_add(at).max(0)
            } else {
                at.min(end)
            }
        };
        let (first, last) = (clamp(start.unwrap_or(0)), stop.map_or(end, clamp));
        let span = (last - first).max(0) as u64;
        (first, span.div_ceil(step.unsigned_abs()))
    } else {
        let clamp = |at: i64| {
            if at < 0 {
                end.saturating_add(at).max(-1)
            } else {
                at.min(end - 1)
            }
        };
        let (first, last) = (start.map_or(end - 1, clamp), stop.map_or(-1, clamp));
        let span = (first - last).max(0) as u64;
        (first, span.div_ceil(step.unsigned_abs()))
    };
    (0..count as usize).map(move |at| first.wrapping_add((at as i64).wrapping_mul(step)) as usize)
}
