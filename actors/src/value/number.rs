//! [`number`] makes an integer or a float of digits where that is exactly the number that was written, and else keeps the digits.

use super::Value;

/// Digits that any float of 64 bits keeps.
const EXACT_DIGITS: usize = 15;

/// Returns the value of a number in JSON's notation; `None` if it is none, or larger than any float.
///
/// ```
/// use hotplate_actors::Value;
/// use hotplate_actors::value::number;
///
/// assert_eq!(number("42"), Some(Value::Unsigned(42)));
/// assert_eq!(number("1.50"), Some(Value::Float(1.5)));
/// assert_eq!(number("12345678901234567890123"), Some(Value::Digits("12345678901234567890123")));
/// ```
#[must_use]
pub fn number(digits: &str) -> Option<Value<'_>> {
    if let Ok(number) = digits.parse() {
        return Some(Value::Unsigned(number));
    }
    if let Ok(number) = digits.parse()
        && number != 0
    {
        return Some(Value::Signed(number));
    }
    let float: f64 = digits.parse().ok().filter(|float: &f64| float.is_finite())?;
    // A leading sign or zero such as `+1` and `inf` is Rust's notation and not JSON's.
    let begins = digits.strip_prefix('-').unwrap_or(digits);
    if !begins.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    Some(match is_kept(digits, float) {
        true => Value::Float(float),
        false => Value::Digits(digits),
    })
}

/// Returns true if the digits of a number are not all zero.
pub(super) fn is_not_zero(digits: &str) -> bool {
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Returns true if a float is the number that was written. No integer is kept as a float, which would be printed with a fraction.
fn is_kept(digits: &str, float: f64) -> bool {
    let is_integer = !digits.contains(['.', 'e', 'E']);
    if is_integer && digits != "-0" {
        return false;
    }
    let (written, scale) = significant(digits);
    if written.is_empty() {
        return true;
    }
    // Of few digits the nearest float is always the one that is printed by them.
    if written.len() <= EXACT_DIGITS && (-290..290).contains(&scale) {
        return true;
    }
    significant(&format!("{float:e}")) == (written, scale)
}

/// The digits of a number without zeros at either end, and the power of ten of the first of them.
fn significant(number: &str) -> (String, i64) {
    let number = number.strip_prefix('-').unwrap_or(number);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    // An exponent that is too large for this makes zero or no float of any number.
    let exponent: i64 = exponent.parse().unwrap_or(i64::from(i32::MIN));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let led = all.trim_start_matches('0');
    let zeros = (all.len() - led.len()) as i64;
    let scale = exponent.saturating_add(whole.len() as i64 - 1 - zeros);
    (led.trim_end_matches('0').to_owned(), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exact_is_a_number_and_everything_else_keeps_its_digits() {
        for (digits, expected) in [
            ("0", Value::Unsigned(0)),
            ("18446744073709551615", Value::Unsigned(u64::MAX)),
            ("-9223372036854775808", Value::Signed(i64::MIN)),
            ("-0", Value::Float(-0.0)),
            ("0.0", Value::Float(0.0)),
            ("1.50", Value::Float(1.5)),
            ("19.99", Value::Float(19.99)),
            ("1e3", Value::Float(1000.0)),
            ("1E+20", Value::Float(1e20)),
            (
                "0.1000000000000000055511151231257827",
                Value::Digits("0.1000000000000000055511151231257827"),
            ),
            ("5e-324", Value::Float(5e-324)),
            ("1e-400", Value::Digits("1e-400")),
            ("0.3000000000000000444", Value::Digits("0.3000000000000000444")),
            ("0.30000000000000004", Value::Float(0.300_000_000_000_000_04)),
            ("18446744073709551616", Value::Digits("18446744073709551616")),
            ("100000000000000000000", Value::Digits("100000000000000000000")),
            ("-9223372036854775809", Value::Digits("-9223372036854775809")),
            ("3.14159265358979323846", Value::Digits("3.14159265358979323846")),
        ] {
            assert_eq!(number(digits), Some(expected), "{digits}");
        }
        for digits in ["", "-", "+1.5", "inf", "NaN", "1e999", "one", "-inf", ".5"] {
            assert_eq!(number(digits), None, "{digits}");
        }
    }

    #[test]
    fn a_float_that_is_kept_is_printed_by_the_same_digits() {
        for digits in [
            "0.1",
            "123456789012345.0",
            "1.7976931348623157e308",
            "2.5e-8",
            "999999999999999e-30",
            "1e-290",
        ] {
            let Some(Value::Float(float)) = number(digits) else {
                panic!("{digits} is exact")
            };
            assert_eq!(significant(&format!("{float:e}")), significant(digits), "{digits}");
        }
    }

    #[test]
    fn zero_is_zero_however_it_is_written() {
        for (digits, expected) in [
            ("0.000", false),
            ("-0e5", false),
            ("1e-400", true),
            ("100000000000000000000", true),
        ] {
            assert_eq!(is_not_zero(digits), expected, "{digits}");
        }
    }
}
