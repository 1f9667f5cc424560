//! Values as JSON.

use super::compare::descend;
use super::print::Sink;
use super::{Kind, Machine, Source, Val};
use crate::dialect::jinja::failure::{Failure, Outcome};

/// The layout of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect::jinja) enum Layout {
    /// Without blanks.
    Compact,
    /// On one line, with a blank behind separators.
    Spaced,
    /// Each item on a line of its own, with so many blanks for each level.
    Indented(usize),
}

/// Returns a value as JSON that is safe inside of HTML and in attributes with quotes.
pub(in crate::dialect::jinja) fn json<'r>(
    value: Val<'r>,
    layout: Layout,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<&'r str> {
    let mut text = machine.space.writer();
    let sink = &mut text;
    let in_html = true;
    let mut writer = Writer {
        sink,
        layout,
        in_html,
        level: 0,
    };
    writer.value(value, machine, 0)?;
    Ok(text.finish())
}

/// Writes a value as it is printed where the page is escaped as JSON.
pub(in crate::dialect::jinja) fn print_json<'r>(
    value: Val<'r>,
    sink: &mut dyn Sink,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<()> {
    let mut writer = Writer {
        sink,
        layout: Layout::Compact,
        in_html: false,
        level: 0,
    };
    writer.value(value, machine, 0)
}

struct Writer<'w> {
    sink: &'w mut dyn Sink,
    layout: Layout,
    /// Characters that mean something in HTML are escaped, so that the JSON can stand in a script.
    in_html: bool,
    level: usize,
}

impl Writer<'_> {
    fn value<'r>(&mut self, value: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        machine.items(1)?;
        match value {
            Val::Undefined(_) | Val::Silent | Val::None => self.sink.push("null"),
            Val::Bool(truth) => self.sink.push(if truth { "true" } else { "false" }),
            Val::Int(number) => self.sink.push(itoa::Buffer::new().format(number)),
            Val::Unsigned(number) => self.sink.push(itoa::Buffer::new().format(number)),
            Val::Wide(number) => {
                let sign = if number.is_negative() { "-" } else { "" };
                self.sink.push(&format!("{sign}{}", number.magnitude()))
            }
            Val::Float(number) if number.is_finite() => self.sink.push(zmij::Buffer::new().format_finite(number)),
            Val::Float(_) => self.sink.push("null"),
            Val::Digits(digits) => self.sink.push(digits),
            Val::Str(text) | Val::Safe(text) => {
                machine.bytes(text.len())?;
                self.string(text)
            }
            Val::Function(function) => self.string(function.name()),
            Val::Own(function) => self.string(function.name()),
            other => {
                let depth = descend(depth, machine)?;
                match other.pairs(machine)? {
                    Some(pairs) => self.map(pairs, machine, depth),
                    None => self.list(other, machine, depth),
                }
            }
        }
    }

    fn list<'r>(&mut self, value: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        let (source, _) = Source::of(value, machine)?;
        self.sink.push("[")?;
        self.level += 1;
        let mut at = 0;
        while let Some(item) = source.get(at, 0) {
            self.separate(at)?;
            self.value(item, machine, depth)?;
            at += 1;
        }
        self.end(at)?;
        self.sink.push("]")
    }

    fn map<'r>(&mut self, pairs: &[(Val<'r>, Val<'r>)], machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        self.sink.push("{")?;
        self.level += 1;
        for (at, (key, value)) in pairs.iter().enumerate() {
            self.separate(at)?;
            match key.kind() {
                Kind::Str => self.value(*key, machine, depth)?,
                Kind::Bool | Kind::Number => {
                    self.sink.push("\"")?;
                    self.value(*key, machine, depth)?;
                    self.sink.push("\"")?;
                }
                kind => {
                    let message = format!("{} cannot be a key in JSON", kind.words());
                    return Err(Failure::invalid(message));
                }
            }
            self.sink
                .push(if self.layout == Layout::Compact { ":" } else { ": " })?;
            self.value(*value, machine, depth)?;
        }
        self.end(pairs.len())?;
        self.sink.push("}")
    }

    /// Writes what stands before an item.
    fn separate(&mut self, at: usize) -> Outcome<()> {
        let comma = match self.layout {
            Layout::Spaced => ", ",
            Layout::Compact | Layout::Indented(_) => ",",
        };
        if at > 0 {
            self.sink.push(comma)?;
        }
        self.line()
    }

    /// Writes what stands behind the last item.
    fn end(&mut self, count: usize) -> Outcome<()> {
        self.level -= 1;
        if count > 0 { self.line() } else { Ok(()) }
    }

    /// Begins a line, if each item is on one of its own.
    fn line(&mut self) -> Outcome<()> {
        /// As many blanks as are written at once.
        const BLANKS: &str = "                                ";
        let Layout::Indented(width) = self.layout else {
            return Ok(());
        };
        self.sink.push("\n")?;
        let mut blanks = width.saturating_mul(self.level);
        while blanks > 0 {
            let part = blanks.min(BLANKS.len());
            self.sink.push(&BLANKS[..part])?;
            blanks -= part;
        }
        Ok(())
    }

    /// Writes a text in quotes.
    fn string(&mut self, text: &str) -> Outcome<()> {
        self.sink.push("\"")?;
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
                0..0x20 => unicode(byte, &mut code),
                b'<' | b'>' | b'&' | b'\'' if self.in_html => unicode(byte, &mut code),
                _ => continue,
            };
            self.sink.push(&text[done..at])?;
            self.sink.push(escaped)?;
            done = at + 1;
        }
        self.sink.push(&text[done..])?;
        self.sink.push("\"")
    }
}

/// Returns the escape sequence of a byte.
fn unicode(byte: u8, code: &mut [u8; 6]) -> &str {
    let digit = |number: u8| if number < 10 { b'0' + number } else { b'a' + number - 10 };
    *code = [b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)];
    std::str::from_utf8(code).unwrap_or_default()
}
