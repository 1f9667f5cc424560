//! Numbers in JSON notation, which keep their digits if an integer or a float would be printed differently.

use super::Value;

/// Parses a number in JSON notation; `None` if the text is not a number. A number that would be printed differently, such as `19.90`, or
/// that is out of the range of a float, keeps its digits: see [`Value::as_f64`].
///
/// ```
/// use hotplate_actors::Value;
/// use hotplate_actors::value::number;
///
/// assert_eq!(number("42"), Some(Value::Unsigned(42)));
/// assert_eq!(number("1.5"), Some(Value::Float(1.5)));
/// assert_eq!(number("1.50"), Some(Value::Digits("1.50")));
/// assert_eq!(number("12345678901234567890123"), Some(Value::Digits("12345678901234567890123")));
/// ```
#[must_use]
pub fn number(digits: &str) -> Option<Value<'_>> {
    if !is_number(digits) {
        return None;
    }
    if let Ok(number) = digits.parse() {
        return Some(Value::Unsigned(number));
    }
    if let Ok(number) = digits.parse()
        && number != 0
    {
        return Some(Value::Signed(number));
    }
    let float: f64 = digits.parse().ok()?;
    let prints_unchanged = float.is_finite() && zmij::Buffer::new().format_finite(float) == digits;
    Some(match prints_unchanged {
        true => Value::Float(float),
        false => Value::Digits(digits),
    })
}

/// Returns true if a text is a number by the grammar of RFC 8259. Rust's parser also accepts `+1`, `.5`, `01` and `inf`.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// Returns true if the digits of a number are not all zero.
pub(super) fn is_not_zero(digits: &str) -> bool {
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_unless_printed_unchanged() {
        for (digits, expected) in [
            ("0", Value::Unsigned(0)),
            ("18446744073709551615", Value::Unsigned(u64::MAX)),
            ("-9223372036854775808", Value::Signed(i64::MIN)),
            ("0.0", Value::Float(0.0)),
            ("1.5", Value::Float(1.5)),
            ("19.99", Value::Float(19.99)),
            ("1e+300", Value::Float(1e300)),
            ("5e-324", Value::Float(5e-324)),
            ("0.30000000000000004", Value::Float(0.300_000_000_000_000_04)),
        ] {
            assert_eq!(number(digits), Some(expected), "{digits}");
        }
        for digits in [
            "-0",
            "0.00",
            "19.90",
            "2.50",
            "100.00",
            "1e2",
            "1E+20",
            "1e300",
            "1e400",
            "-1e400",
            "1e-999",
            "0.1000000000000000055511151231257827",
            "0.3000000000000000444",
            "18446744073709551616",
            "-9223372036854775809",
            "3.14159265358979323846",
        ] {
            assert_eq!(number(digits), Some(Value::Digits(digits)), "{digits}");
        }
        for text in [
            "", "-", "+1", "+1.5", "01", "inf", "NaN", "one", "-inf", ".5", "1.", "1e", "1e+", "--1", "1e2e3",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn all_forms_convert_to_numbers() {
        let floats = |digits: &str| number(digits).and_then(|value| value.as_f64());
        assert_eq!(floats("19.90"), Some(19.9));
        assert_eq!(floats("7"), Some(7.0));
        assert_eq!(floats("-7"), Some(-7.0));
        assert_eq!(floats("1e-999"), Some(0.0));
        assert_eq!(floats("1e400"), None);
        assert_eq!(Value::Text("7").as_f64(), None);
        let integers = |digits: &str| number(digits).and_then(|value| value.as_u64());
        assert_eq!(integers("1999"), Some(1999));
        assert_eq!(integers("-1"), None);
        assert_eq!(integers("1.5"), None);
    }

    #[test]
    fn zero_is_recognized_in_any_notation() {
        for (digits, expected) in [
            ("0.000", false),
            ("-0", false),
            ("1e400", true),
            ("-0e5", false),
            ("1e-400", true),
            ("100000000000000000000", true),
        ] {
            assert_eq!(is_not_zero(digits), expected, "{digits}");
        }
    }
}
