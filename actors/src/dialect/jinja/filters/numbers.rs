//! Filters that make numbers.

use super::{Arguments, Failure, Machine, Outcome, Val};
use crate::dialect::jinja::ast::Operator;
use crate::dialect::jinja::operators::binary;
use crate::dialect::jinja::value::{Kind, Wide, real, whole};

pub(super) fn abs<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    match value {
        Val::Float(_) | Val::Digits(_) => match real(value) {
            Some(number) => Ok(Val::Float(number.abs())),
            None => Err(Failure::invalid("the number cannot be read")),
        },
        Val::Int(_) | Val::Unsigned(_) | Val::Wide(_) => {
            let positive = whole(value).map(|number| Wide::new(false, number.magnitude()));
            match positive {
                Some(number) => Ok(number.value(machine.space)?.unwrap_or(value)),
                None => Ok(value),
            }
        }
        _ => {
            machine.defined(value)?;
            Err(Failure::invalid(format!("`abs` takes a number, not {}", value.words())))
        }
    }
}

pub(super) fn bool<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.truth(value).map(Val::Bool)
}

pub(super) fn int<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let default = arguments.get(0, "default");
    let default = (!default.is_absent()).then_some(default);
    let base = arguments.count(1, "base")?.unwrap_or(10);
    let number = match value {
        Val::Undefined(_) | Val::Silent | Val::None => {
            machine.defined(value)?;
            return Ok(default.unwrap_or(Val::Int(0)));
        }
        Val::Bool(truth) => return Ok(Val::Int(i64::from(truth))),
        Val::Float(_) | Val::Digits(_) => real(value).map(truncated),
        Val::Str(text) | Val::Safe(text) => parse_integer(text, base).or_else(|| text.parse().ok().map(truncated)),
        _ if value.is_integer() => return Ok(value),
        _ => None,
    };
    let number = match number {
        Some(number) => number.value(machine.space)?,
        None => None,
    };
    number.or(default).ok_or_else(|| {
        Failure::invalid(format!(
            "{} is no integer: give a default, such as `int(0)`",
            shown(value)
        ))
    })
}

/// Returns a value in words, with a short text itself.
fn shown(value: Val<'_>) -> String {
    match value.as_str() {
        Some(text) if text.len() <= 40 => format!("`{}`", text.escape_debug()),
        _ => value.words().to_owned(),
    }
}

/// Returns a float without its fraction; one that is out of range becomes the nearest integer.
fn truncated(number: f64) -> Wide {
    Wide::of(number as i128)
}

/// Parses an integer with a sign and, for the bases 2, 8 and 16, a prefix.
fn parse_integer(text: &str, base: usize) -> Option<Wide> {
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = match digits.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => &digits[prefix.len()..],
        _ => digits,
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    Some(Wide::new(negative, number.unsigned_abs()))
}

pub(super) fn float<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let default = arguments.get(0, "default");
    let default = (!default.is_absent()).then_some(default);
    if value.is_absent() {
        machine.defined(value)?;
        return Ok(default.unwrap_or(Val::Float(0.0)));
    }
    let number = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => real(value),
    };
    number.map(Val::Float).or(default).ok_or_else(|| {
        Failure::invalid(format!(
            "{} is no number: give a default, such as `float(0.0)`",
            shown(value)
        ))
    })
}

pub(super) fn sum<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let attribute = arguments.text(0, "attribute")?;
    let start = arguments.get(1, "start");
    let mut sum = if start.is_absent() { Val::Int(0) } else { start };
    for item in value.items(machine)? {
        let item = match attribute {
            Some(path) => item.path_or(path, Val::Silent, machine)?,
            None => *item,
        };
        if item.is_undefined() {
            continue;
        }
        if sum.kind() == Kind::Number && !matches!(item.kind(), Kind::Number | Kind::Bool) {
            return Err(Failure::invalid(format!("`sum` adds numbers, not {}", item.words())));
        }
        sum = binary(Operator::Add, sum, item, machine)?;
    }
    Ok(sum)
}

/// The number of fractional digits that any float has at most.
const FRACTION_MAX: i64 = 1074;

pub(super) fn round<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let precision = arguments.integer(0, "precision")?.unwrap_or(0);
    let method = arguments.text(1, "method")?.unwrap_or("common");
    if !matches!(method, "common" | "ceil" | "floor") {
        return Err(Failure::invalid("`method` has to be `common`, `ceil` or `floor`"));
    }
    if value.is_integer() {
        if precision >= 0 {
            return Ok(value);
        }
        let number = whole(value)
            .and_then(Wide::as_i128)
            .and_then(|number| round_integer(number, precision, method));
        return match number {
            Some(number) => Ok(Wide::of(number).value(machine.space)?.unwrap_or(value)),
            None => Err(Failure::coded("overflow", "the rounded number is too large")),
        };
    }
    machine.defined(value)?;
    let Some(number) = real(value).filter(|_| value.is_float()) else {
        return Err(Failure::invalid(format!(
            "`round` takes a number, not {}",
            value.words()
        )));
    };
    let rounded = match method {
        "common" if precision > FRACTION_MAX => Some(number),
        // Formatting rounds half to even of the exact value, as Python does.
        "common" if precision >= 0 => format!("{number:.*}", precision as usize).parse().ok(),
        "common" => round_tens(number, precision.unsigned_abs()),
        _ => round_directed(number, precision, method == "ceil"),
    };
    match rounded {
        Some(number) => Ok(Val::Float(number)),
        None => Err(Failure::coded("overflow", "the rounded number is too large")),
    }
}

/// Rounds an integer to a power of ten; half to even, or in a direction.
fn round_integer(number: i128, precision: i64, method: &str) -> Option<i128> {
    let power = u32::try_from(precision.unsigned_abs()).ok();
    let Some(factor) = power.and_then(|power| 10_i128.checked_pow(power)) else {
        let beyond = (method == "ceil" && number > 0) || (method == "floor" && number < 0);
        return (!beyond).then_some(0);
    };
    let (quotient, rest) = (number.div_euclid(factor), number.rem_euclid(factor));
    let up = match method {
        "ceil" => rest > 0,
        "floor" => false,
        _ => rest > factor - rest || (rest == factor - rest && quotient % 2 != 0),
    };
    (quotient + i128::from(up)).checked_mul(factor)
}

/// Rounds a float to a power of ten, half to even of its exact value.
fn round_tens(number: f64, places: u64) -> Option<f64> {
    if !number.is_finite() {
        return Some(number);
    }
    let zero = 0.0_f64.copysign(number);
    let Some(places) = usize::try_from(places).ok().filter(|places| *places < 309) else {
        return Some(zero);
    };
    // The digits of the integer part are exact; the fraction only decides whether a half is one.
    let exact = format!("{:.*}", FRACTION_MAX as usize, number.abs());
    let (integer, fraction) = exact.split_once('.').unwrap_or((&exact, ""));
    let integer = integer.trim_start_matches('0');
    let Some(kept_length) = integer.len().checked_sub(places) else {
        return Some(zero);
    };
    let (kept, dropped) = integer.split_at(kept_length);
    let half = {
        let first = dropped.bytes().next().unwrap_or(b'0');
        let rest_is_zero = dropped
            .bytes()
            .skip(1)
            .chain(fraction.bytes())
            .all(|digit| digit == b'0');
        match first.cmp(&b'5') {
            std::cmp::Ordering::Equal if rest_is_zero => std::cmp::Ordering::Equal,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => std::cmp::Ordering::Greater,
            std::cmp::Ordering::Less => std::cmp::Ordering::Less,
        }
    };
    let odd = kept.bytes().last().is_some_and(|digit| digit % 2 == 1);
    let up = half == std::cmp::Ordering::Greater || (half == std::cmp::Ordering::Equal && odd);
    let mut digits: Vec<u8> = kept.bytes().collect();
    if up {
        let mut carry = true;
        for digit in digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
        }
    }
    if digits.iter().all(|digit| *digit == b'0') {
        return Some(zero);
    }
    let digits = String::from_utf8(digits).ok()?;
    let rounded: f64 = format!("{digits}e{places}").parse().ok()?;
    rounded.is_finite().then(|| rounded.copysign(number))
}

fn round_directed(number: f64, precision: i64, up: bool) -> Option<f64> {
    if !number.is_finite() {
        return Some(number);
    }
    let factor: f64 = format!("1e{precision}").parse().ok()?;
    let scaled = number * factor;
    if scaled.is_infinite() {
        return Some(number);
    }
    let rounded = if up { scaled.ceil() } else { scaled.floor() };
    // Adding zero makes minus zero plain.
    let rounded = (rounded + 0.0) / factor;
    rounded.is_finite().then_some(rounded)
}

/// Shows a number of bytes in the largest unit that fits.
pub(super) fn filesizeformat<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    let binary = arguments.truth(0, "binary")?.unwrap_or(false);
    let bytes = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => real(value),
    };
    let Some(bytes) = bytes else {
        return Err(Failure::invalid(format!("{} is no number of bytes", shown(value))));
    };
    let (base, units) = if binary {
        (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"])
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    let text = if bytes == 1.0 {
        "1 Byte".to_owned()
    } else if bytes.abs() < base {
        format!("{bytes} Bytes")
    } else {
        let beyond = |power: usize| base.powf(power as f64 + 2.0);
        let last = units.len() - 1;
        let at = (0..last).find(|at| bytes.abs() < beyond(*at)).unwrap_or(last);
        format!("{:.1} {}", base * bytes / beyond(at), units[at])
    };
    Ok(Val::Str(machine.space.text(&text)?))
}
