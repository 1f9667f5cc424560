//! Numbers: integers of any size up to 128 bits, and floats.

use super::{Space, Val};
use crate::dialect::jinja::failure::Outcome;

/// An integer as sign and magnitude. Results are between -2¹²⁷ and 2¹²⁸ - 1; steps of a calculation may be beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect::jinja) struct Wide {
    negative: bool,
    magnitude: u128,
}

/// The magnitude of the smallest integer.
const SMALLEST: u128 = 1 << 127;

impl Wide {
    pub(in crate::dialect::jinja) fn new(negative: bool, magnitude: u128) -> Self {
        Self {
            negative: negative && magnitude != 0,
            magnitude,
        }
    }

    pub(in crate::dialect::jinja) fn of(number: i128) -> Self {
        Self::new(number < 0, number.unsigned_abs())
    }

    /// Returns the number as a value; `None` if it is out of range.
    pub(in crate::dialect::jinja) fn value<'r>(self, space: &Space<'r>) -> Outcome<Option<Val<'r>>> {
        if let Some(number) = self.as_i128() {
            if let Ok(number) = i64::try_from(number) {
                return Ok(Some(Val::Int(number)));
            }
            if let Ok(number) = u64::try_from(number) {
                return Ok(Some(Val::Unsigned(number)));
            }
        } else if self.negative {
            return Ok(None);
        }
        Ok(Some(Val::Wide(space.put(self)?)))
    }

    pub(in crate::dialect::jinja) fn as_i128(self) -> Option<i128> {
        match (self.negative, i128::try_from(self.magnitude)) {
            (false, Ok(number)) => Some(number),
            (true, Ok(number)) => Some(-number),
            (true, Err(_)) if self.magnitude == SMALLEST => Some(i128::MIN),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest float is the result")]
    pub(in crate::dialect::jinja) fn as_f64(self) -> f64 {
        let number = self.magnitude as f64;
        if self.negative { -number } else { number }
    }

    pub(in crate::dialect::jinja) fn is_negative(self) -> bool {
        self.negative
    }

    pub(in crate::dialect::jinja) fn is_zero(self) -> bool {
        self.magnitude == 0
    }

    pub(in crate::dialect::jinja) fn magnitude(self) -> u128 {
        self.magnitude
    }

    pub(in crate::dialect::jinja) fn negate(self) -> Self {
        Self::new(!self.negative, self.magnitude)
    }

    pub(in crate::dialect::jinja) fn plus(self, other: Self) -> Option<Self> {
        if self.negative == other.negative {
            return Some(Self::new(self.negative, self.magnitude.checked_add(other.magnitude)?));
        }
        Some(match self.magnitude.checked_sub(other.magnitude) {
            Some(rest) => Self::new(self.negative, rest),
            None => Self::new(other.negative, other.magnitude - self.magnitude),
        })
    }

    pub(in crate::dialect::jinja) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negate())
    }

    pub(in crate::dialect::jinja) fn times(self, other: Self) -> Option<Self> {
        let magnitude = self.magnitude.checked_mul(other.magnitude)?;
        Some(Self::new(self.negative != other.negative, magnitude))
    }

    /// Returns quotient and remainder of a division that rounds down, so that the remainder has the sign of the divisor.
    pub(in crate::dialect::jinja) fn divided(self, other: Self) -> Option<(Self, Self)> {
        let quotient = self.magnitude.checked_div(other.magnitude)?;
        let rest = self.magnitude % other.magnitude;
        Some(match rest != 0 && self.negative != other.negative {
            true => (
                Self::new(true, quotient + 1),
                Self::new(other.negative, other.magnitude - rest),
            ),
            false => (
                Self::new(self.negative != other.negative, quotient),
                Self::new(other.negative, rest),
            ),
        })
    }

    /// Returns the power for an exponent that is not negative.
    pub(in crate::dialect::jinja) fn power(self, exponent: Self) -> Option<Self> {
        let exponent = u32::try_from(exponent.magnitude).ok()?;
        let magnitude = self.magnitude.checked_pow(exponent)?;
        Some(Self::new(self.negative && exponent % 2 == 1, magnitude))
    }

    pub(in crate::dialect::jinja) fn order(self, other: Self) -> std::cmp::Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (true, false) => std::cmp::Ordering::Less,
            (false, true) => std::cmp::Ordering::Greater,
        }
    }
}

/// Returns the integer, if the value is one or a boolean.
pub(in crate::dialect::jinja) fn whole(value: Val<'_>) -> Option<Wide> {
    Some(match value {
        Val::Bool(truth) => Wide::new(false, u128::from(truth)),
        Val::Int(number) => Wide::new(number < 0, u128::from(number.unsigned_abs())),
        Val::Unsigned(number) => Wide::new(false, u128::from(number)),
        Val::Wide(number) => *number,
        _ => return None,
    })
}

/// Returns the nearest float of a number or a boolean.
pub(in crate::dialect::jinja) fn real(value: Val<'_>) -> Option<f64> {
    match value {
        Val::Float(number) => Some(number),
        Val::Digits(digits) => digits.parse().ok(),
        other => whole(other).map(Wide::as_f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_rounds_down() {
        for (a, b) in [
            (7, 2),
            (-7, 2),
            (7, -2),
            (-7, -2),
            (6, 3),
            (-6, 3),
            (0, -5),
            (1, 7),
            (-1, 7),
        ] {
            let (quotient, rest) = Wide::of(a).divided(Wide::of(b)).expect("not by zero");
            let (quotient, rest) = (quotient.as_i128().expect("small"), rest.as_i128().expect("small"));
            assert_eq!(quotient * b + rest, a);
            assert!(rest == 0 || (rest < 0) == (b < 0), "{a} {b}: {rest}");
        }
        assert_eq!(Wide::of(1).divided(Wide::of(0)), None);
    }

    #[test]
    fn the_range_is_that_of_128_bits() {
        let largest = Wide::new(false, u128::MAX);
        assert_eq!(largest.plus(Wide::of(1)), None);
        assert_eq!(Wide::of(i128::MIN).as_i128(), Some(i128::MIN));
        assert_eq!(Wide::of(i128::MIN).minus(Wide::of(1)).and_then(Wide::as_i128), None);
        assert_eq!(Wide::of(2).power(Wide::of(127)), Some(Wide::new(false, SMALLEST)));
        assert_eq!(Wide::of(2).power(Wide::of(128)), None);
        assert_eq!(Wide::of(-2).power(Wide::of(3)), Some(Wide::of(-8)));
    }
}
