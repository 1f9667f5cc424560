//! Printing of integers, directly into the output.

use super::body::{Body, Full, short_block};

/// Prints an integer. Numbers below a hundred are the most frequent ones in pages.
#[inline(always)]
pub(super) fn print_unsigned(number: u64, body: &mut Body) -> Result<(), Full> {
    match number {
        0..10 => body.push_block([digit(number)], 1),
        10..100 => body.push_block([digit(number / 10), digit(number % 10)], 2),
        _ => print_larger(number, body),
    }
}

/// Prints a larger integer; below ten thousand, as most years and ids are, without formatting in memory.
fn print_larger(number: u64, body: &mut Body) -> Result<(), Full> {
    let (high, low) = (number / 100, number % 100);
    match high {
        0..10 => {
            let digits = [digit(high), digit(low / 10), digit(low % 10)];
            body.push_block(digits, 3)
        }
        10..100 => {
            let digits = [digit(high / 10), digit(high % 10), digit(low / 10), digit(low % 10)];
            body.push_block(digits, 4)
        }
        _ => print_short(itoa::Buffer::new().format(number), body),
    }
}

/// Returns the digit of a number below ten.
#[inline(always)]
fn digit(number: u64) -> u8 {
    b'0' + number as u8
}

/// Prints a text that needs no escaping and usually has less than 16 bytes.
#[inline]
pub(super) fn print_short(text: &str, body: &mut Body) -> Result<(), Full> {
    match text.len() {
        length @ 0..16 => body.push_short(short_block(text.as_bytes()), length as u32),
        _ => body.push_bytes(text.as_bytes()),
    }
}
