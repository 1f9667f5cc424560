//! Printing of numbers, directly into the output.

use super::body::{Body, Full, short_block};

/// Returns a text as JSON: in quotes, and with escape sequences where JSON needs them.
#[cold]
pub(super) fn json_text(text: &str) -> String {
    // Writing a text to memory does not fail.
    serde_json::to_string(text).unwrap_or_default()
}

/// Prints an integer. Numbers below a hundred are the most frequent ones in pages.
#[inline(always)]
pub(super) fn print_unsigned(number: u64, body: &mut Body) -> Result<(), Full> {
    match number {
        0..10 => body.push_block([digit(number)], 1),
        10..100 => body.push_block(pair(number), 2),
        _ => print_larger(number, body),
    }
}

/// Prints a larger integer; below ten thousand, as most years and ids are, without formatting in memory.
fn print_larger(number: u64, body: &mut Body) -> Result<(), Full> {
    let (high, low) = (number / 100, number % 100);
    match high {
        0..10 => {
            let [tens, ones] = pair(low);
            body.push_block([digit(high), tens, ones], 3)
        }
        10..100 => {
            let ([first, second], [third, fourth]) = (pair(high), pair(low));
            body.push_block([first, second, third, fourth], 4)
        }
        _ => print_short(itoa::Buffer::new().format(number), body),
    }
}

/// Returns the digit of a number below ten.
#[inline(always)]
fn digit(number: u64) -> u8 {
    b'0' + number as u8
}

/// Returns both digits of a number below a hundred.
#[inline(always)]
fn pair(number: u64) -> [u8; 2] {
    static PAIRS: [[u8; 2]; 128] = {
        let mut pairs = [[b'0'; 2]; 128];
        let mut number = 0;
        while number < 100 {
            pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
            number += 1;
        }
        pairs
    };
    PAIRS[(number & 127) as usize]
}

/// Prints a finite float by its shortest digits.
#[inline]
pub(super) fn print_float(number: f64, body: &mut Body) -> Result<(), Full> {
    match hundredths(number) {
        Some(count) => print_hundredths(count, body),
        None => print_short(zmij::Buffer::new().format_finite(number), body),
    }
}

/// The largest number that is printed by its hundredths.
const HUNDREDTHS_MAX: f64 = 1e9;

/// Returns the number of hundredths, if a float is the nearest one to a whole number of them, as most prices are. Of all decimals of up to
/// 15 digits no two have the same nearest float, so their digits are the shortest ones.
#[inline]
#[expect(clippy::float_cmp, reason = "the same float is meant")]
fn hundredths(number: f64) -> Option<u64> {
    if !(0.01..HUNDREDTHS_MAX).contains(&number) {
        return None;
    }
    let count = (number * 100.0 + 0.5) as u64;
    (count as f64 / 100.0 == number).then_some(count)
}

/// Prints a number of hundredths with one or two decimals.
fn print_hundredths(count: u64, body: &mut Body) -> Result<(), Full> {
    print_unsigned(count / 100, body)?;
    let [tenths, rest] = pair(count % 100);
    body.push_block([b'.', tenths, rest], if rest == b'0' { 2 } else { 3 })
}

/// Prints a text that needs no escaping and usually has less than 16 bytes.
#[inline]
pub(super) fn print_short(text: &str, body: &mut Body) -> Result<(), Full> {
    match text.len() {
        length @ 0..16 => body.push_short(short_block(text.as_bytes()), length as u32),
        _ => body.push_bytes(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(number: f64) -> String {
        let mut body = Body::new(100, 0);
        assert_eq!(print_float(number, &mut body), Ok(()));
        body.to_text()
    }

    #[test]
    fn floats_have_their_shortest_digits() {
        let shortest = |number: f64| zmij::Buffer::new().format_finite(number).to_owned();
        let cents = (0..200_000_u64).map(|count| count as f64 / 100.0);
        let steps = (0..2_000_u64).map(|step| step as f64 * 0.37 * 1.000_000_1);
        let powers = (-300..300).map(|power| 10_f64.powi(power));
        let large = (0..20_000_u64).map(|step| (99_999_000_000 + step * 7) as f64 / 100.0);
        let one_third = [
            1.0 / 3.0,
            2.0 / 3.0,
            0.1 + 0.2,
            19.99,
            0.005,
            0.015,
            1.005,
            8.345,
            0.0,
            -0.0,
            f64::MAX,
        ];
        for number in cents.chain(steps).chain(powers).chain(large).chain(one_third) {
            for near in [number, number.next_up(), number.next_down()] {
                for number in [near, -near] {
                    if number.is_finite() {
                        assert_eq!(printed(number), shortest(number));
                    }
                }
            }
        }
    }
}
