//! Values as JSON that is safe inside of HTML and in attributes with quotes.

use super::compare::descend;
use super::{Kind, Machine, Source, Text, Val};
use crate::dialect::jinja::failure::{Failure, Outcome};

/// Returns a value as JSON, on one line or with an indentation.
pub(in crate::dialect::jinja) fn json<'r>(
    value: Val<'r>,
    indent: Option<usize>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<&'r str> {
    let mut writer = Writer {
        text: machine.space.writer(),
        indent,
        level: 0,
    };
    writer.value(value, machine, 0)?;
    Ok(writer.text.finish())
}

struct Writer<'s, 'r> {
    text: Text<'s, 'r>,
    indent: Option<usize>,
    level: usize,
}

impl<'r> Writer<'_, 'r> {
    fn value(&mut self, value: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        machine.items(1)?;
        match value {
            Val::Undefined(_) | Val::Silent | Val::None => self.text.push("null"),
            Val::Bool(truth) => self.text.push(if truth { "true" } else { "false" }),
            Val::Int(number) => self.text.push(itoa::Buffer::new().format(number)),
            Val::Unsigned(number) => self.text.push(itoa::Buffer::new().format(number)),
            Val::Wide(number) => {
                let sign = if number.is_negative() { "-" } else { "" };
                self.text.push(&format!("{sign}{}", number.magnitude()))
            }
            Val::Float(number) if number.is_finite() => self.text.push(zmij::Buffer::new().format_finite(number)),
            Val::Float(_) => self.text.push("null"),
            Val::Digits(digits) => self.text.push(digits),
            Val::Str(text) | Val::Safe(text) => {
                machine.bytes(text.len())?;
                self.string(text)
            }
            Val::Function(function) => self.string(function.name()),
            other => {
                let depth = descend(depth, machine)?;
                match other.pairs(machine)? {
                    Some(pairs) => self.map(pairs, machine, depth),
                    None => self.list(other, machine, depth),
                }
            }
        }
    }

    fn list(&mut self, value: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        let (source, _) = Source::of(value, machine)?;
        self.text.push("[")?;
        self.level += 1;
        let mut at = 0;
        while let Some(item) = source.get(at, 0) {
            self.separate(at)?;
            self.value(item, machine, depth)?;
            at += 1;
        }
        self.end(at)?;
        self.text.push("]")
    }

    fn map(&mut self, pairs: &[(Val<'r>, Val<'r>)], machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        self.text.push("{")?;
        self.level += 1;
        for (at, (key, value)) in pairs.iter().enumerate() {
            self.separate(at)?;
            match key.kind() {
                Kind::Str => self.value(*key, machine, depth)?,
                Kind::Bool | Kind::Number => {
                    self.text.push("\"")?;
                    self.value(*key, machine, depth)?;
                    self.text.push("\"")?;
                }
                kind => {
                    let message = format!("{} cannot be a key in JSON", kind.words());
                    return Err(Failure::invalid(message));
                }
            }
            self.text.push(": ")?;
            self.value(*value, machine, depth)?;
        }
        self.end(pairs.len())?;
        self.text.push("}")
    }

    fn separate(&mut self, at: usize) -> Outcome<()> {
        if self.indent.is_some() {
            if at > 0 {
                self.text.push(",")?;
            }
            return self.line();
        }
        if at > 0 { self.text.push(", ") } else { Ok(()) }
    }

    fn end(&mut self, count: usize) -> Outcome<()> {
        self.level -= 1;
        if count > 0 && self.indent.is_some() {
            self.line()
        } else {
            Ok(())
        }
    }

    fn line(&mut self) -> Outcome<()> {
        self.text.push("\n")?;
        let blanks = self.indent.unwrap_or(0).saturating_mul(self.level);
        self.text.blanks(blanks)
    }

    /// Writes a text in quotes. Characters that mean something in HTML are escaped, so that it can stand in a script.
    fn string(&mut self, text: &str) -> Outcome<()> {
        self.text.push("\"")?;
        let mut done = 0;
        for (at, byte) in text.bytes().enumerate() {
            let mut code = [0; 6];
            let escaped = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                8 => "\\b",
                12 => "\\f",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..0x20 | b'<' | b'>' | b'&' | b'\'' => unicode(byte, &mut code),
                _ => continue,
            };
            self.text.push(&text[done..at])?;
            self.text.push(escaped)?;
            done = at + 1;
        }
        self.text.push(&text[done..])?;
        self.text.push("\"")
    }
}

/// Returns the escape sequence of a byte.
fn unicode(byte: u8, code: &mut [u8; 6]) -> &str {
    let digit = |number: u8| if number < 10 { b'0' + number } else { b'a' + number - 10 };
    *code = [b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)];
    std::str::from_utf8(code).unwrap_or_default()
}
