//! Values as text: as `{{ value }}` prints them, and as they are shown inside lists, where strings have quotes.

use std::fmt::Write;

use super::compare::descend;
use super::{Machine, Source, Text, Val};
use crate::dialect::body::Body;
use crate::dialect::escape::escape;
use crate::dialect::jinja::failure::Outcome;

/// A place that text is written to.
pub(in crate::dialect::jinja) trait Sink {
    fn push(&mut self, part: &str) -> Outcome<()>;
}

impl Sink for Text<'_, '_> {
    fn push(&mut self, part: &str) -> Outcome<()> {
        Text::push(self, part)
    }
}

impl Sink for Body {
    fn push(&mut self, part: &str) -> Outcome<()> {
        Ok(Body::push(self, part)?)
    }
}

/// Escapes what is written.
pub(in crate::dialect::jinja) struct Escaped<'b>(pub(in crate::dialect::jinja) &'b mut Body);

impl Sink for Escaped<'_> {
    fn push(&mut self, part: &str) -> Outcome<()> {
        Ok(escape(part, self.0)?)
    }
}

/// Writes a value as it is printed.
pub(in crate::dialect::jinja) fn display<'r>(
    value: Val<'r>,
    sink: &mut dyn Sink,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<()> {
    match value {
        Val::Undefined(_) | Val::Silent => Ok(()),
        Val::Str(text) | Val::Safe(text) => sink.push(text),
        Val::Float(number) => float(number, sink),
        other => Walk {
            sink,
            pretty: false,
            level: 0,
        }
        .show(other, machine, 0),
    }
}

/// Writes a value as it is shown inside a list.
pub(in crate::dialect::jinja) fn show<'r>(
    value: Val<'r>,
    pretty: bool,
    sink: &mut dyn Sink,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<()> {
    Walk { sink, pretty, level: 0 }.show(value, machine, 0)
}

/// Prints an integer.
fn integer(number: i64, sink: &mut dyn Sink) -> Outcome<()> {
    sink.push(itoa::Buffer::new().format(number))
}

/// Prints a float: the shortest digits that are read as the same number, never with an exponent, always with a point.
pub(in crate::dialect::jinja) fn float(number: f64, sink: &mut dyn Sink) -> Outcome<()> {
    if number.is_nan() {
        return sink.push("NaN");
    }
    if number.is_infinite() {
        return sink.push(if number > 0.0 { "inf" } else { "-inf" });
    }
    let mut buffer = zmij::Buffer::new();
    let short = buffer.format_finite(number);
    if !short.contains('e') {
        return sink.push(short);
    }
    let mut digits = number.to_string();
    if !digits.contains('.') {
        digits.push_str(".0");
    }
    sink.push(&digits)
}

/// Returns true if the shortest digits of a float certainly have no exponent.
#[inline]
pub(in crate::dialect::jinja) fn prints_short(number: f64) -> bool {
    (1e-4..1e15).contains(&number.abs())
}

/// A walk over a value that writes it.
struct Walk<'w> {
    sink: &'w mut dyn Sink,
    /// Each item on a line of its own.
    pretty: bool,
    level: usize,
}

impl Walk<'_> {
    fn show<'r>(&mut self, value: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<()> {
        machine.items(1)?;
        match value {
            Val::Undefined(_) | Val::Silent => self.sink.push("undefined"),
            Val::None => self.sink.push("None"),
            Val::Bool(truth) => self.sink.push(if truth { "True" } else { "False" }),
            Val::Int(number) => integer(number, self.sink),
            Val::Unsigned(number) => self.sink.push(itoa::Buffer::new().format(number)),
            Val::Wide(number) => {
                let sign = if number.is_negative() { "-" } else { "" };
                self.sink.push(&format!("{sign}{}", number.magnitude()))
            }
            Val::Float(number) => self.sink.push(&format!("{number:?}")),
            Val::Digits(digits) => self.sink.push(digits),
            Val::Str(text) | Val::Safe(text) => {
                machine.bytes(text.len())?;
                quoted(text, self.sink)
            }
            Val::Stream(_) => self.sink.push("<iterator>"),
            Val::Macro(callable) => self.sink.push(&format!("<macro {}>", callable.name())),
            Val::Module(module) => self.sink.push(module.output),
            Val::Loop(state) => self.sink.push(&state.shown()),
            Val::Function(function) => self.sink.push(&format!("<function {}>", function.name())),
            Val::Own(function) => self.sink.push(&format!("<function {}>", function.name())),
            Val::Tuple(items) => {
                // A tuple and all in it stand on one line.
                let pretty = std::mem::replace(&mut self.pretty, false);
                self.list(("(", ")"), Source::Values(items), items.len() == 1, machine, depth)?;
                self.pretty = pretty;
                Ok(())
            }
            Val::Group(group) => {
                let items = machine.space.slice(&[group.key, Val::List(group.items)])?;
                self.list(("(", ")"), Source::Values(items), false, machine, depth)
            }
            Val::List(_) | Val::Iter(_) | Val::Array(_) | Val::Range(_) => {
                let (source, _) = Source::of(value, machine)?;
                self.list(("[", "]"), source, false, machine, depth)
            }
            Val::Map(_) | Val::Object(_) | Val::Namespace(_) => {
                let depth = descend(depth, machine)?;
                let pairs = value.pairs(machine)?.unwrap_or_default();
                self.sink.push("{")?;
                self.level += 1;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    self.separate(at)?;
                    self.show(*key, machine, depth)?;
                    self.sink.push(": ")?;
                    self.show(*value, machine, depth)?;
                }
                self.level -= 1;
                self.end(pairs.len())?;
                self.sink.push("}")
            }
        }
    }

    fn list<'r>(
        &mut self,
        (open, close): (&str, &str),
        source: Source<'r>,
        comma: bool,
        machine: &mut Machine<'_, 'r>,
        depth: u32,
    ) -> Outcome<()> {
        let depth = descend(depth, machine)?;
        self.sink.push(open)?;
        self.level += 1;
        let mut at = 0;
        while let Some(item) = source.get(at, 0) {
            self.separate(at)?;
            self.show(item, machine, depth)?;
            at += 1;
        }
        self.level -= 1;
        self.end(at)?;
        if comma {
            self.sink.push(",")?;
        }
        self.sink.push(close)
    }

    /// Writes what stands before an item.
    fn separate(&mut self, at: usize) -> Outcome<()> {
        if self.pretty {
            if at > 0 {
                self.sink.push(",")?;
            }
            return self.line();
        }
        if at > 0 { self.sink.push(", ") } else { Ok(()) }
    }

    /// Writes what stands behind the last item.
    fn end(&mut self, count: usize) -> Outcome<()> {
        if self.pretty && count > 0 {
            self.sink.push(",")?;
            return self.line();
        }
        Ok(())
    }

    fn line(&mut self) -> Outcome<()> {
        self.sink.push("\n")?;
        (0..self.level).try_for_each(|_| self.sink.push("    "))
    }
}

/// Writes a text in quotes, as Python does.
fn quoted(text: &str, sink: &mut dyn Sink) -> Outcome<()> {
    let double = text.contains('\'') && !text.contains('"');
    let quote = if double { "\"" } else { "'" };
    sink.push(quote)?;
    let mut done = 0;
    for (at, character) in text.char_indices() {
        let mut code = String::new();
        let escaped = match character {
            '\'' if !double => "\\'",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            control if control.is_control() => {
                // Control characters have at most two hexadecimal digits.
                let _ = write!(code, "\\x{:02x}", u32::from(control));
                code.as_str()
            }
            _ => continue,
        };
        sink.push(&text[done..at])?;
        sink.push(escaped)?;
        done = at + character.len_utf8();
    }
    sink.push(&text[done..])?;
    sink.push(quote)
}
