//! The filter `format`: conversions of C's `printf`, as Python's operator `%` has them.

use super::{Arguments, Failure, Machine, Outcome, Val};
use crate::dialect::jinja::operators::escaped;
use crate::dialect::jinja::value::{Kind, Map, Wide, real, whole};

/// The largest width and precision of a conversion.
const WIDTH_MAX: usize = 10_000;

pub(super) fn format<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    let Some(pattern) = value.as_str() else {
        return Err(Failure::invalid(format!(
            "`format` takes a string, not {}",
            value.words()
        )));
    };
    // Arguments with names are one map behind the others.
    let mut values = arguments.values.to_vec();
    if !arguments.named.is_empty() {
        let entries: Vec<_> = arguments
            .named
            .iter()
            .map(|(name, value)| (Val::Str(name), *value))
            .collect();
        values.push(Val::Map(Map::new(&entries, machine)?));
    }
    let mut formatted = machine.space.writer();
    let mut rest = pattern;
    let mut next = 0;
    while let Some((before, after)) = rest.split_once('%') {
        formatted.push(before)?;
        if let Some(after) = after.strip_prefix('%') {
            formatted.push("%")?;
            rest = after;
            continue;
        }
        let (spec, after) = Spec::parse(after)?;
        rest = after;
        let argument = match spec.key {
            Some(key) => match values.first().filter(|value| value.kind() == Kind::Map) {
                Some(map) => map.attribute(key, machine)?,
                None => return Err(Failure::invalid("a conversion with a key takes its value from a map")),
            },
            None => {
                next += 1;
                values.get(next - 1).copied()
            }
        };
        let Some(argument) = argument else {
            return Err(Failure::invalid("there are fewer arguments than conversions"));
        };
        machine.defined(argument)?;
        let argument = match argument.kind() {
            Kind::Bool | Kind::Number => argument,
            _ if !value.is_safe() || argument.is_safe() => argument,
            _ => Val::Str(escaped(argument, machine)?),
        };
        machine.bytes(spec.width.saturating_add(spec.precision.unwrap_or(0)))?;
        formatted.push(&spec.apply(argument, machine)?)?;
    }
    formatted.push(rest)?;
    Ok(Machine::like(value, formatted.finish()))
}

/// A conversion such as `%-5.2f`.
#[derive(Debug, Default)]
struct Spec<'p> {
    key: Option<&'p str>,
    left: bool,
    zero: bool,
    sign: &'static str,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

impl<'p> Spec<'p> {
    /// Parses a conversion behind its percent sign, and returns the text behind it.
    fn parse(text: &'p str) -> Outcome<(Self, &'p str)> {
        let mut spec = Self::default();
        let mut rest = text;
        if let Some(after) = rest.strip_prefix('(') {
            let Some((key, after)) = after.split_once(')') else {
                return Err(Failure::invalid("a `)` is missing behind the key of a conversion"));
            };
            spec.key = Some(key);
            rest = after;
        }
        while let Some(flag) = rest.chars().next().filter(|flag| "#0- +".contains(*flag)) {
            match flag {
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                '-' => spec.left = true,
                ' ' if spec.sign.is_empty() => spec.sign = " ",
                '+' => spec.sign = "+",
                _ => {}
            }
            rest = &rest[1..];
        }
        let (width, after) = number(rest)?;
        spec.zero &= !spec.left && width.is_some();
        spec.width = width.unwrap_or(0);
        rest = after;
        if let Some(after) = rest.strip_prefix('.') {
            (spec.precision, rest) = number(after)?;
        }
        rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
        let mut characters = rest.chars();
        match characters.next() {
            Some(conversion) if "dioxXeEfFgGcs".contains(conversion) => spec.conversion = conversion,
            _ => {
                let help = "write `%d`, `%s`, `%.2f` or the like, and `%%` for a percent sign";
                return Err(Failure::invalid("`%` begins no conversion").help(help));
            }
        }
        Ok((spec, characters.as_str()))
    }

    fn apply<'r>(&self, value: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<String> {
        match self.conversion {
            's' => {
                let float;
                let text = match value {
                    Val::Float(number) => {
                        float = python_float(number);
                        float.as_str()
                    }
                    _ => machine.text(value)?,
                };
                let cut = self.precision.and_then(|most| text.char_indices().nth(most));
                let text = cut.map_or(text, |(at, _)| &text[..at]);
                machine.bytes(text.len())?;
                Ok(self.padded(text.to_owned(), text.len()))
            }
            'c' => {
                let character = match value.as_str() {
                    Some(text) => {
                        let mut characters = text.chars();
                        characters.next().filter(|_| characters.next().is_none())
                    }
                    None => value
                        .as_index()
                        .and_then(|code| u32::try_from(code).ok())
                        .and_then(char::from_u32),
                };
                match character {
                    Some(character) => Ok(self.padded(character.to_string(), 1)),
                    None => Err(Failure::invalid("`%c` takes one character")),
                }
            }
            'd' | 'i' | 'o' | 'x' | 'X' => match whole(value) {
                Some(number) => Ok(self.integer(number)),
                None => Err(Failure::invalid(format!(
                    "`%{}` takes an integer, not {}",
                    self.conversion,
                    value.words()
                ))),
            },
            _ => match real(value) {
                Some(number) => Ok(self.float(number)),
                None => Err(Failure::invalid(format!(
                    "`%{}` takes a number, not {}",
                    self.conversion,
                    value.words()
                ))),
            },
        }
    }

    fn integer(&self, number: Wide) -> String {
        let magnitude = number.magnitude();
        let (prefix, digits) = match self.conversion {
            'o' => ("0o", format!("{magnitude:o}")),
            'x' => ("0x", format!("{magnitude:x}")),
            'X' => ("0X", format!("{magnitude:X}")),
            _ => ("", magnitude.to_string()),
        };
        let prefix = if self.alternate { prefix } else { "" };
        self.number(number.is_negative(), prefix, &digits)
    }

    fn float(&self, number: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let upper = self.conversion.is_ascii_uppercase();
        let magnitude = number.abs();
        let digits = if number.is_nan() {
            "nan".to_owned()
        } else if number.is_infinite() {
            "inf".to_owned()
        } else {
            match self.conversion.to_ascii_lowercase() {
                'f' => format!("{magnitude:.precision$}"),
                'e' => exponential(magnitude, precision),
                _ => self.general(magnitude, precision.max(1)),
            }
        };
        let digits = if upper { digits.to_uppercase() } else { digits };
        self.number(number.is_sign_negative() && !number.is_nan(), "", &digits)
    }

    /// Writes a number with as many significant digits, without an exponent if it is moderate.
    fn general(&self, magnitude: f64, significant: usize) -> String {
        let written = format!("{magnitude:.*e}", significant - 1);
        let exponent: i32 = written
            .rsplit_once('e')
            .and_then(|(_, exponent)| exponent.parse().ok())
            .unwrap_or(0);
        let shortened = |digits: &str| match digits.contains('.') && !self.alternate {
            true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => digits.to_owned(),
        };
        if magnitude == 0.0 {
            return "0".to_owned();
        }
        if exponent >= -4 && i64::from(exponent) < significant as i64 {
            let places = (significant as i64 - 1 - i64::from(exponent)).max(0) as usize;
            return shortened(&format!("{magnitude:.places$}"));
        }
        let mantissa = written
            .rsplit_once('e')
            .map_or(written.as_str(), |(mantissa, _)| mantissa);
        format!("{}e{exponent:+03}", shortened(mantissa))
    }

    fn number(&self, negative: bool, prefix: &str, digits: &str) -> String {
        let sign = if negative { "-" } else { self.sign };
        let length = sign.len() + prefix.len() + digits.len();
        if self.zero {
            let zeros = "0".repeat(self.width.saturating_sub(length));
            return format!("{sign}{prefix}{zeros}{digits}");
        }
        self.padded(format!("{sign}{prefix}{digits}"), length)
    }

    fn padded(&self, text: String, length: usize) -> String {
        let blanks = " ".repeat(self.width.saturating_sub(length));
        if self.left { text + &blanks } else { blanks + &text }
    }
}

fn exponential(magnitude: f64, precision: usize) -> String {
    let written = format!("{magnitude:.precision$e}");
    let (mantissa, exponent) = written.rsplit_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{exponent:+03}")
}

/// Writes a float as Python's `str`.
fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    let written = format!("{number:?}");
    match written.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            format!("{mantissa}e{exponent:+03}")
        }
        None => written,
    }
}

/// Parses a width or precision.
fn number(text: &str) -> Outcome<(Option<usize>, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    match digits.parse() {
        Ok(number) if number <= WIDTH_MAX => Ok((Some(number), rest)),
        _ => Err(Failure::invalid(format!("a width or precision is {WIDTH_MAX} at most"))),
    }
}
