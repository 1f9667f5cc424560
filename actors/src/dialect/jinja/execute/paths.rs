//! Paths: names with attributes, and printing and testing their values.
//!
//! Most paths begin with a register and have at most one attribute, so there is a shortcut for these; anything else goes the general way.

use super::{Execution, Machine, UnitRef, machine};
use crate::dialect::escape::escape;
use crate::dialect::jinja::failure::Outcome;
use crate::dialect::jinja::program::{Action, Key, Lookup, NO_KEY, Path};
use crate::dialect::jinja::scope::VARIABLES_PER_STEP;
use crate::dialect::jinja::unit::JinjaUnit;
use crate::dialect::jinja::value::json::print_json;
use crate::dialect::jinja::value::print::{Escaped, display, prints_short};
use crate::dialect::jinja::value::{Found, Kind, LoopField, Val, undefined};
use crate::dialect::print::{print_float, print_unsigned};
use crate::dialect::{Escape, Frame, Missing};
use crate::value::{Object, Value};

impl<'r> Execution<'r> {
    /// Returns the value of a name with attributes.
    #[inline]
    pub(super) fn path(&mut self, here: UnitRef<'r>, path: u32, frame: &mut Frame<'_>) -> Outcome<Found<'r>> {
        let unit = here.unit;
        let Some((path, name, attributes)) = unit.program.path(path) else {
            return Ok(Found::Val(Val::Silent));
        };
        let Some(mut value) = self.name(unit, name, path.lookup, frame)? else {
            return self.missing_name(here, path, frame).map(Found::Val);
        };
        for (at, key) in attributes.iter().enumerate() {
            let field = |object: Object<'r>| object.get_hinted(|| unit.text_of(key).as_bytes(), key.words, &key.hint);
            let found = match value {
                Found::Data(Value::Object(object)) => field(*object).map(Found::Data),
                Found::Data(_) => None,
                Found::Val(Val::Object(object)) => field(object).map(Found::Data),
                Found::Val(Val::Loop(state)) if let Some(field) = key.of_loop => Some(Found::Val(state.value(field))),
                Found::Val(other) => self.attribute_of(here, other, key, frame)?.map(Found::Val),
            };
            value = match found {
                Some(value) => value,
                None => return self.missing_step(here, path, value.value(), at, frame).map(Found::Val),
            };
        }
        Ok(value)
    }

    #[inline(never)]
    pub(super) fn path_holds(&mut self, here: UnitRef<'r>, path: u32, frame: &mut Frame<'_>) -> Outcome<bool> {
        match self.path(here, path, frame)? {
            Found::Data(value) => Ok(is_true(value)),
            Found::Val(value) => machine!(self, here, frame).truth(value),
        }
    }

    /// Returns the truth of a field of the variable `loop`.
    #[inline(always)]
    pub(super) fn loop_field_holds(
        &mut self,
        here: UnitRef<'r>,
        (up, field, path): (u16, LoopField, u32),
        frame: &mut Frame<'_>,
    ) -> Outcome<bool> {
        self.step(frame)?;
        match (field, self.variables.loop_at(up)) {
            (LoopField::First, Some(state)) => Ok(state.index.get() == 0),
            (LoopField::Last, Some(state)) => Ok(state.is_last()),
            _ => self.path_holds(here, path, frame),
        }
    }

    /// Returns the truth of a path that begins with a register, which may be empty.
    #[inline(never)]
    pub(super) fn holds_slowly(&mut self, here: UnitRef<'r>, act: &Action, frame: &mut Frame<'_>) -> Outcome<bool> {
        let Action::UnlessQuick {
            register,
            attribute,
            path,
            ..
        } = *act
        else {
            return Ok(false);
        };
        self.fill(here.unit, register, path, frame)?;
        match self.quick(here.unit, register, attribute) {
            Some(value) => Ok(is_true(value)),
            None => self.path_holds(here, path, frame),
        }
    }

    #[inline(never)]
    pub(super) fn print_path(&mut self, here: UnitRef<'r>, path: u32, frame: &mut Frame<'_>) -> Outcome<()> {
        match self.path(here, path, frame)? {
            Found::Data(value) => self.print_data(here, value, frame),
            Found::Val(value) => self.print(here, value, frame),
        }
    }

    /// Prints a path that begins with a register, which may be empty.
    #[inline(never)]
    pub(super) fn print_slowly(&mut self, here: UnitRef<'r>, act: &Action, frame: &mut Frame<'_>) -> Outcome<()> {
        let Action::Quick {
            register,
            attribute,
            path,
        } = *act
        else {
            return Ok(());
        };
        self.fill(here.unit, register, path, frame)?;
        match self.quick(here.unit, register, attribute) {
            Some(value) => self.print_data(here, value, frame),
            None => self.print_path(here, path, frame),
        }
    }

    /// Prints a field of the variable `loop`.
    #[inline(always)]
    pub(super) fn print_loop_field(
        &mut self,
        here: UnitRef<'r>,
        (up, field, path): (u16, LoopField, u32),
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        self.step(frame)?;
        let index = self.variables.loop_at(up).map(|state| state.index.get() as u64);
        match (field, index) {
            (LoopField::Index0, Some(index)) => Ok(print_unsigned(index, &mut frame.body)?),
            (LoopField::Index, Some(index)) => Ok(print_unsigned(index + 1, &mut frame.body)?),
            _ => self.print_path(here, path, frame),
        }
    }

    /// Returns the value of a register, or of an attribute of it, if it is one of the context.
    #[inline(always)]
    pub(super) fn quick(&self, unit: &'r JinjaUnit, register: u16, attribute: u32) -> Option<&'r Value<'r>> {
        match self.variables.register(register) {
            Some(Found::Data(value)) => unit.data_attribute(value, attribute),
            _ => None,
        }
    }

    /// Looks up the name of a path, if its register is empty.
    #[inline(always)]
    pub(super) fn fill(&mut self, unit: &'r JinjaUnit, register: u16, path: u32, frame: &mut Frame<'_>) -> Outcome<()> {
        if self.variables.register(register).is_none()
            && let Some((_, name, _)) = unit.program.path(path)
        {
            self.outer(unit, name, register, frame)?;
        }
        Ok(())
    }

    /// Returns the value of a name.
    #[inline(always)]
    pub(super) fn name(
        &mut self,
        unit: &'r JinjaUnit,
        key: &'r Key,
        lookup: Lookup,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Found<'r>>> {
        let found = match lookup {
            Lookup::Register(register) => match self.variables.register(register) {
                Some(found) => Some(*found),
                None => {
                    self.outer(unit, key, register, frame)?;
                    return Ok(self.variables.register(register).copied());
                }
            },
            Lookup::Slot { up, slot } => self.variables.at(up, slot),
            Lookup::Outer => {
                self.scan(self.run.base, frame)?;
                self.variables.find(key, unit.text_of(key), self.run.base)
            }
            Lookup::Dynamic => {
                self.scan(usize::MAX, frame)?;
                self.variables.find(key, unit.text_of(key), usize::MAX)
            }
        };
        match found {
            Some(found) => Ok(Some(found)),
            None => self.global(unit, key),
        }
    }

    /// Looks up a name outside of this body, and keeps its value in a register.
    #[inline(never)]
    pub(super) fn outer(
        &mut self,
        unit: &'r JinjaUnit,
        key: &'r Key,
        register: u16,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        self.scan(self.run.base, frame)?;
        if self
            .variables
            .fill_register(register, key, || unit.text_of(key), self.run.base)
        {
            return Ok(());
        }
        if let Some(found) = self.global(unit, key)? {
            self.variables.set_register(register, found);
        }
        Ok(())
    }

    /// Returns the value of a name that is no variable: a field of the context, or a function.
    #[inline]
    pub(super) fn global(&self, unit: &'r JinjaUnit, key: &'r Key) -> Outcome<Option<Found<'r>>> {
        let text = || unit.text_of(key);
        if let Value::Object(object) = self.variables.context
            && let Some(value) = object.get_hinted(|| text().as_bytes(), key.words, &key.hint)
        {
            return Ok(Some(Found::Data(value)));
        }
        Ok(self.space.registered().global(text(), self.space)?.map(Found::Val))
    }

    /// Charges a search of the variables below a position, if there are many.
    #[inline(always)]
    pub(super) fn scan(&self, below: usize, frame: &mut Frame<'_>) -> Outcome<()> {
        let steps = self.variables.count(below) / VARIABLES_PER_STEP;
        match steps {
            0 => Ok(()),
            steps => Ok(frame.budget.steps(steps as u64)?),
        }
    }

    /// Returns the attribute of a value that is no object of the context.
    #[inline(never)]
    pub(super) fn attribute_of(
        &self,
        here: UnitRef<'r>,
        value: Val<'r>,
        key: &Key,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        value.attribute(here.unit.text_of(key), &mut machine!(self, here, frame))
    }

    /// Returns the value of a path whose name does not exist.
    #[cold]
    pub(super) fn missing_name(&self, here: UnitRef<'r>, path: &Path, frame: &Frame<'_>) -> Outcome<Val<'r>> {
        let name = here.unit.path_text(path, 0);
        let strict = (frame.missing, here.unit.missing) == (Missing::Error, Missing::Error);
        match path.attributes > 0 && strict {
            true => Err(undefined(name)),
            false => Ok(Val::Undefined(name)),
        }
    }

    /// Returns the value of a path whose step with this number does not exist.
    #[cold]
    pub(super) fn missing_step(
        &self,
        here: UnitRef<'r>,
        path: &Path,
        within: Val<'r>,
        step: usize,
        frame: &Frame<'_>,
    ) -> Outcome<Val<'r>> {
        let strict = (frame.missing, here.unit.missing) == (Missing::Error, Missing::Error);
        if strict && within.is_undefined() {
            return Err(undefined(here.unit.path_text(path, step)));
        }
        let text = here.unit.path_text(path, step + 1);
        match strict && step + 1 < path.attributes as usize {
            true => Err(undefined(text)),
            false => Ok(Val::Undefined(text)),
        }
    }

    /// Prints a value of the context, escaped where the page is.
    #[inline(always)]
    pub(super) fn print_data(&self, here: UnitRef<'r>, value: &'r Value<'r>, frame: &mut Frame<'_>) -> Outcome<()> {
        match value {
            Value::Text(text) => match frame.escape {
                Escape::Html => escape(text, &mut frame.body)?,
                Escape::None => frame.append(text)?,
                Escape::Json => self.print_other(here, Val::Str(text), frame)?,
            },
            Value::Unsigned(number) => print_unsigned(*number, &mut frame.body)?,
            Value::Float(number) if prints_short(*number) => print_float(*number, &mut frame.body)?,
            other => self.print_other(here, Val::of(other), frame)?,
        }
        Ok(())
    }

    /// Prints a value, escaped where the page is.
    pub(super) fn print(&self, here: UnitRef<'r>, value: Val<'r>, frame: &mut Frame<'_>) -> Outcome<()> {
        match value {
            Val::Str(text) => match frame.escape {
                Escape::Html => escape(text, &mut frame.body)?,
                Escape::None => frame.append(text)?,
                Escape::Json => self.print_other(here, value, frame)?,
            },
            Val::Safe(text) => frame.append(text)?,
            Val::Int(number) => match u64::try_from(number) {
                Ok(number) => print_unsigned(number, &mut frame.body)?,
                Err(_) => frame.append(itoa::Buffer::new().format(number))?,
            },
            other => return self.print_other(here, other, frame),
        }
        Ok(())
    }

    #[inline(never)]
    pub(super) fn print_other(&self, here: UnitRef<'r>, value: Val<'r>, frame: &mut Frame<'_>) -> Outcome<()> {
        let mut machine = machine!(self, here, frame);
        machine.defined(value)?;
        match (machine.escape, value.kind()) {
            (Escape::Json, _) => print_json(value, &mut frame.body, &mut machine),
            (Escape::Html, Kind::List | Kind::Map | Kind::Iterable | Kind::Plain) => {
                display(value, &mut Escaped(&mut frame.body), &mut machine)
            }
            _ => display(value, &mut frame.body, &mut machine),
        }
    }
}

impl JinjaUnit {
    /// Returns an attribute of a value of the context, or the value itself without one ([`NO_KEY`]).
    #[inline(always)]
    pub(super) fn data_attribute<'v>(&self, value: &'v Value<'v>, attribute: u32) -> Option<&'v Value<'v>> {
        if attribute == NO_KEY {
            return Some(value);
        }
        match value {
            Value::Object(object) => {
                let key = self.program.keys.get(attribute as usize)?;
                object.get_hinted(|| self.text_of(key).as_bytes(), key.words, &key.hint)
            }
            _ => None,
        }
    }

    /// Returns the name of a path and its first attributes as they stand in the text.
    pub(super) fn path_text(&self, path: &Path, attributes: usize) -> &str {
        let key = |at: u32| self.program.keys.get(at as usize);
        let Some(name) = key(path.name) else { return "" };
        let last = key(path.name + attributes as u32).unwrap_or(name);
        let end = (last.start + last.length).max(name.start);
        self.stored(name.start, end - name.start)
    }
}

/// Returns true if a condition takes a value of the context as true.
#[inline(always)]
pub(super) fn is_true(value: &Value<'_>) -> bool {
    match value {
        Value::Object(object) => !object.is_empty(),
        other => other.is_truthy(),
    }
}
