//! Literals: strings with their escape sequences, and numbers.

use std::borrow::Cow;

use memchr::memchr2;

use super::{Fault, Token, word_length};
use crate::dialect::jinja::ast::ByteRange;

/// Reads the string that `text` begins with, at `start` of the whole text. Returns its value and its length with quotes.
pub(super) fn string(text: &str, start: usize) -> Result<(Cow<'_, str>, usize), Fault> {
    let bytes = text.as_bytes();
    let quote = bytes.first().copied().unwrap_or(b'"');
    let mut has_escapes = false;
    let mut at = 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(quote, b'\\', rest)) {
        at += found;
        if bytes[at] == quote {
            let inner = &text[1..at];
            let value = match has_escapes {
                true => Cow::Owned(unescape(inner, start + 1)?),
                false => Cow::Borrowed(inner),
            };
            return Ok((value, at + 1));
        }
        // The byte after a backslash is part of the string, whatever it is.
        has_escapes = true;
        at += 2;
    }
    let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let quote = char::from(quote);
    let fault = Fault::new(
        "unclosed-string",
        ByteRange::new(start..start + line),
        "this string is never closed",
    );
    Err(fault.help(format!(
        "close it with `{quote}`; a `{quote}` inside it is written `\\{quote}`"
    )))
}

/// Resolves the escape sequences of a string. `start` is the position of its content. An unknown sequence stands for itself.
fn unescape(inner: &str, start: usize) -> Result<String, Fault> {
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        let from = start + inner.len() - rest.len() + at;
        let sequence = &rest[at..];
        let (character, length) = escape(sequence).ok_or_else(|| {
            let shown = ByteRange::new(from..from + sequence.len().min(2));
            let fault = Fault::new("bad-escape", shown, "this escape sequence stands for no character");
            fault.help("`\\n`, `\\t`, `\\\"`, `\\\\`, `\\x41` and `\\u00e9` are possible; for a backslash write `\\\\`")
        })?;
        match character {
            Some(character) => value.push(character),
            None => value.push_str(&sequence[..length]),
        }
        rest = &sequence[length..];
    }
    value.push_str(rest);
    Ok(value)
}

/// Returns the character of the escape sequence that a text begins with, none if it stands for itself, and the length of the sequence.
fn escape(text: &str) -> Option<(Option<char>, usize)> {
    let next = text[1..].chars().next()?;
    let length = 1 + next.len_utf8();
    Some(match next {
        '"' | '\\' | '/' | '\'' => (Some(next), length),
        'b' => (Some('\u{8}'), length),
        'f' => (Some('\u{c}'), length),
        'n' => (Some('\n'), length),
        'r' => (Some('\r'), length),
        't' => (Some('\t'), length),
        'x' => {
            let byte = u8::from_str_radix(digits(text, 2, 2)?, 16).ok()?;
            (Some(char::from(byte)), 4)
        }
        'u' => {
            let first = u16::from_str_radix(digits(text, 2, 4)?, 16).ok()?;
            match char::from_u32(u32::from(first)) {
                Some(character) => (Some(character), 6),
                // A pair of surrogates stands for one character beyond U+FFFF, as in JSON.
                None => {
                    let second = text.get(6..8).filter(|prefix| *prefix == "\\u")?;
                    let second = u16::from_str_radix(digits(text, 6 + second.len(), 4)?, 16).ok()?;
                    let mut decoded = char::decode_utf16([first, second]);
                    (Some(decoded.next()?.ok()?), 12)
                }
            }
        }
        '0'..='7' => {
            let octal = text[1..].bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
            let count = octal.count();
            let byte = u8::from_str_radix(&text[1..=count], 8).ok()?;
            (Some(char::from(byte)), 1 + count)
        }
        _ => (None, length),
    })
}

/// Returns `count` hexadecimal digits at a position, if that many are there.
fn digits(text: &str, at: usize, count: usize) -> Option<&str> {
    let digits = text.get(at..at + count)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(digits)
}

/// Reads the number that `text` begins with, at `start` of the whole text. A number behind a dot is an index and has no fraction: `a.1.0`
/// is `a[1][0]`.
pub(super) fn number(text: &str, start: usize, follows_dot: bool) -> Result<(Token<'static>, usize), Fault> {
    let bytes = text.as_bytes();
    let radix = match bytes.get(..2) {
        Some(b"0b" | b"0B") => 2,
        Some(b"0o" | b"0O") => 8,
        Some(b"0x" | b"0X") => 16,
        _ => 10,
    };
    let prefix = if radix == 10 { 0 } else { 2 };
    let (length, is_float) = match radix {
        10 => decimal_length(text, follows_dot),
        _ => {
            let digits = bytes[2..].iter().take_while(|byte| match radix {
                16 => byte.is_ascii_hexdigit() || **byte == b'_',
                _ => byte.is_ascii_digit() || **byte == b'_',
            });
            (2 + digits.count(), false)
        }
    };
    if text[..length].ends_with('.') && text[length..].starts_with('.') {
        let at = ByteRange::new(start + length - 1..start + length + 1);
        let fault = Fault::new("range-operator", at, "`..` is not part of the language");
        return Err(fault.help("write `range(first, end)`, which leaves out the end"));
    }
    let written = &text[prefix..length];
    let digits: Cow<'_, str> = match written.contains('_') {
        true => written.replace('_', "").into(),
        false => written.into(),
    };
    let token = match is_float {
        _ if written.ends_with('_') => None,
        true => digits.parse().ok().map(Token::Float),
        false => u128::from_str_radix(&digits, radix).ok().map(Token::Int),
    };
    token.map(|token| (token, length)).ok_or_else(|| {
        let at = ByteRange::new(start..start + length.max(1));
        Fault::new("bad-number", at, "this is not a number")
            .help("numbers are written like `12`, `1_000`, `0xff`, `1.5` and `1e-3`; text is put in quotes")
    })
}

/// Returns the length of a decimal number, and true if it has a fraction or an exponent.
fn decimal_length(text: &str, follows_dot: bool) -> (usize, bool) {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default().iter();
        from + rest.take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count()
    };
    let is_exponent = |at: usize| {
        matches!(bytes.get(at), Some(b'e' | b'E')) && matches!(bytes.get(at + 1), Some(b'+' | b'-' | b'0'..=b'9'))
    };
    let mut end = digits(0);
    let mut is_float = false;
    // `1.5` and `1.` are floats, `1.foo` is an attribute of an integer.
    if bytes.get(end) == Some(&b'.') && !follows_dot && (is_exponent(end + 1) || word_length(&text[end + 1..]) == 0) {
        is_float = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        is_float = true;
        end = match bytes.get(end + 1) {
            Some(b'+' | b'-') => digits(end + 2),
            _ => digits(end + 1),
        };
    }
    (end, is_float)
}
