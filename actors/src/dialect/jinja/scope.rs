//! The variables of a render, and the values that belong to its execution: loops, macros and imported templates.
//!
//! Scopes are dynamic: a block sees the variables around the place where it is rendered, and an included template sees, and sets, those of
//! the place that includes it. All variables are on one stack, which is searched from its end. The compiler resolves most names beforehand:
//! see [`Lookup`](super::program::Lookup).

use std::cell::Cell;

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use super::execute::{UnitRef, VARIABLES_PER_STEP};
use super::failure::Outcome;
use super::functions::Function;
use super::machine::Machine;
use super::program::{Key, LoopField};
use super::space::Space;
use super::value::{Namespace, Source, Val};
use crate::value::{KeyWords, Value};

/// A value as it was found. One of the context stays a reference, which is converted only where that is necessary.
#[derive(Clone, Copy)]
pub(super) enum Found<'r> {
    Data(&'r Value<'r>),
    Val(Val<'r>),
}

impl<'r> Found<'r> {
    #[inline]
    pub(super) fn value(self) -> Val<'r> {
        match self {
            Self::Data(value) => Val::of(value),
            Self::Val(value) => value,
        }
    }
}

/// A variable.
#[derive(Clone, Copy)]
struct Variable<'r> {
    words: KeyWords,
    name: &'r str,
    value: Found<'r>,
}

const _: () = assert!(size_of::<Found<'_>>() == 24 && size_of::<Variable<'_>>() == 64);

/// A scope: the variables from a position on.
#[derive(Clone, Copy)]
pub(super) struct Scope<'r> {
    start: usize,
    /// The variables that the macros of this scope share, if it has macros. They are set together with those of the scope.
    shared: Option<&'r Namespace<'r>>,
}

/// The variables of a render.
pub(super) struct Variables<'r> {
    all: BumpVec<'r, Variable<'r>>,
    scopes: BumpVec<'r, Scope<'r>>,
    /// The first variable that is visible: a macro does not see those of its caller.
    floor: usize,
    /// The variables of the scope in which the running macro was defined.
    pub(super) closure: Option<&'r Namespace<'r>>,
    pub(super) context: &'r Value<'r>,
    /// The words of `loop`.
    loop_words: KeyWords,
}

/// A position to which variables are reset.
#[derive(Clone, Copy)]
pub(super) struct Mark<'r> {
    floor: usize,
    scopes: usize,
    closure: Option<&'r Namespace<'r>>,
}

impl<'r> Variables<'r> {
    /// Returns the variables of a template that is rendered by itself.
    pub(super) fn new(context: &'r Value<'r>, bump: &'r Bump) -> Self {
        let mut scopes = BumpVec::with_capacity_in(8, bump);
        scopes.push(Scope { start: 0, shared: None });
        Self {
            all: BumpVec::with_capacity_in(16, bump),
            scopes,
            floor: 0,
            closure: None,
            context,
            loop_words: KeyWords::of(b"loop"),
        }
    }

    /// Returns the number of variables.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the number of visible variables below a position.
    #[inline]
    pub(super) fn count(&self, below: usize) -> usize {
        below.min(self.all.len()).saturating_sub(self.floor)
    }

    /// Returns the memory that they take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.all.as_slice()) + size_of_val(self.scopes.as_slice())
    }

    /// Opens a scope.
    #[inline]
    pub(super) fn open(&mut self) {
        let start = self.all.len();
        self.scopes.push(Scope { start, shared: None });
    }

    /// Closes the innermost scope.
    #[inline]
    pub(super) fn close(&mut self) {
        if let Some(scope) = self.scopes.pop() {
            self.all.truncate(scope.start);
        }
    }

    /// Removes all variables of the innermost scope but the first `kept`.
    #[inline]
    pub(super) fn clear(&mut self, kept: usize) {
        if let Some(scope) = self.scopes.last() {
            self.all.truncate(scope.start + kept);
        }
    }

    /// Opens the scope of a macro, which sees nothing but its closure and the context.
    pub(super) fn enter(&mut self, closure: Option<&'r Namespace<'r>>) -> Mark<'r> {
        let mark = Mark {
            floor: self.floor,
            scopes: self.scopes.len(),
            closure: self.closure,
        };
        self.floor = self.all.len();
        self.closure = closure;
        self.open();
        mark
    }

    /// Leaves a macro.
    pub(super) fn leave(&mut self, mark: Mark<'r>) {
        while self.scopes.len() > mark.scopes {
            self.close();
        }
        self.floor = mark.floor;
        self.closure = mark.closure;
    }

    /// Adds a variable to the innermost scope, which has none of that name.
    #[inline]
    pub(super) fn push(&mut self, key: &Key, name: &'r str, value: Found<'r>) {
        self.all.push(Variable {
            words: key.words,
            name,
            value,
        });
    }

    /// Adds a variable that is known by its name alone.
    pub(super) fn push_named(&mut self, name: &'r str, value: Val<'r>) {
        let words = KeyWords::of(name.as_bytes());
        let value = Found::Val(value);
        self.all.push(Variable { words, name, value });
    }

    /// Sets a variable of the innermost scope.
    pub(super) fn set(
        &mut self,
        key: &Key,
        name: &'r str,
        value: Val<'r>,
        machine: &mut Machine<'_, 'r>,
    ) -> Outcome<()> {
        let Some(scope) = self.scopes.last() else { return Ok(()) };
        if let Some(shared) = scope.shared {
            shared.set(name, value, machine)?;
        }
        if let many @ 1.. = (self.all.len() - scope.start) / VARIABLES_PER_STEP {
            machine.items(many)?;
        }
        let found = self.all[scope.start..]
            .iter_mut()
            .rev()
            .find(|variable| variable.is(key, name));
        match found {
            Some(variable) => variable.value = Found::Val(value),
            None => self.push(key, name, Found::Val(value)),
        }
        Ok(())
    }

    /// Adds the variable `loop` to the innermost scope.
    #[inline]
    pub(super) fn push_loop(&mut self, value: Val<'r>) {
        self.all.push(Variable {
            words: self.loop_words,
            name: "loop",
            value: Found::Val(value),
        });
    }

    /// Sets the second variable of the innermost scope and removes those behind it: the next item of a loop. Returns false if that has to be
    /// done by an assignment.
    #[inline(always)]
    pub(super) fn refill(&mut self, value: Found<'r>) -> bool {
        let Some(Scope { start, shared: None }) = self.scopes.last() else {
            return false;
        };
        let place = start + 1;
        if self.all.len() > place + 1 {
            self.all.truncate(place + 1);
        }
        match self.all.get_mut(place) {
            Some(variable) => {
                variable.value = value;
                true
            }
            None => false,
        }
    }

    /// Returns the variable at a place that the compiler knows: `slot` of the scope that is `up` scopes around the innermost one.
    #[inline(always)]
    pub(super) fn at(&self, up: u16, slot: u16) -> Option<Found<'r>> {
        let scope = self.scopes.get(self.scopes.len().checked_sub(1 + up as usize)?)?;
        Some(self.all.get(scope.start + slot as usize)?.value)
    }

    /// Returns a visible variable below a position.
    #[inline]
    pub(super) fn find(&self, key: &Key, name: &'r str, below: usize) -> Option<Found<'r>> {
        let end = below.clamp(self.floor, self.all.len());
        let visible = self.all.get(self.floor..end)?;
        let found = visible.iter().rev().find(|variable| variable.is(key, name));
        match found {
            Some(variable) => Some(variable.value),
            None => self.closure?.get(name).map(Found::Val),
        }
    }

    /// Returns a value by its name, wherever it is: a variable, a field of the context or a function.
    pub(super) fn named(&self, name: &str) -> Option<Val<'r>> {
        let visible = self.all.get(self.floor..).unwrap_or_default();
        if let Some(variable) = visible.iter().rev().find(|variable| variable.name == name) {
            return Some(variable.value.value());
        }
        if let Some(value) = self.closure.and_then(|closure| closure.get(name)) {
            return Some(value);
        }
        if let Value::Object(object) = self.context
            && let Some(value) = object.get_ref(name)
        {
            return Some(Val::of(value));
        }
        Function::named(name).map(Val::Function)
    }

    /// Returns the names of all visible variables.
    pub(super) fn names(&self) -> impl Iterator<Item = &'r str> + '_ {
        self.all
            .get(self.floor..)
            .unwrap_or_default()
            .iter()
            .map(|variable| variable.name)
    }

    /// Returns all visible variables with their names, the outermost first.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&'r str, Val<'r>)> + '_ {
        let visible = self.all.get(self.floor..).unwrap_or_default();
        visible.iter().map(|variable| (variable.name, variable.value.value()))
    }

    /// Returns the variables of the innermost scope, each with its name.
    pub(super) fn innermost(&self) -> impl Iterator<Item = (&'r str, Val<'r>)> + '_ {
        let start = self.scopes.last().map_or(0, |scope| scope.start);
        let own = self.all.get(start..).unwrap_or_default();
        own.iter().map(|variable| (variable.name, variable.value.value()))
    }

    /// Returns the variables that the macros of the innermost scope share, which are created with the first macro.
    pub(super) fn shared(&mut self, space: &Space<'r>) -> Outcome<Option<&'r Namespace<'r>>> {
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(None);
        };
        if scope.shared.is_none() {
            scope.shared = Some(Namespace::new(space)?);
        }
        Ok(scope.shared)
    }

    /// Replaces the shared variables of the innermost scope, while another template runs in it.
    pub(super) fn replace_shared(&mut self, shared: Option<&'r Namespace<'r>>) -> Option<&'r Namespace<'r>> {
        let scope = self.scopes.last_mut()?;
        std::mem::replace(&mut scope.shared, shared)
    }
}

impl Variable<'_> {
    #[inline(always)]
    fn is(&self, key: &Key, name: &str) -> bool {
        key.words.same(self.words) && (name.len() <= KeyWords::WHOLE_MAX || name == self.name)
    }
}

/// A loop that runs.
pub(super) struct LoopState<'r> {
    pub(super) source: Source<'r>,
    /// The number of items, if the language knows it.
    pub(super) length: Option<usize>,
    pub(super) index: Cell<usize>,
    /// The bytes at which the character before this one, this one and the next one begin, in a loop over a text.
    pub(super) offsets: Cell<(usize, usize)>,
    /// The number of recursive loops around this one.
    pub(super) depth: u32,
    /// The code of the loop, if it is recursive.
    pub(super) recursive: Option<(UnitRef<'r>, u32)>,
    /// The last arguments of `loop.changed`.
    pub(super) changed: Cell<Option<&'r [Val<'r>]>>,
}

impl<'r> LoopState<'r> {
    /// Returns the current item; `None` at the end.
    #[inline]
    pub(super) fn item(&self) -> Option<Val<'r>> {
        self.source.get(self.index.get(), self.offsets.get().1)
    }

    /// Goes to the next item.
    #[inline]
    pub(super) fn advance(&self) {
        self.index.set(self.index.get() + 1);
        if let Source::Characters(_) = self.source {
            let at = self.offsets.get().1;
            self.offsets.set((at, self.next_offset()));
        }
    }

    fn next_offset(&self) -> usize {
        let at = self.offsets.get().1;
        match self.source.get(0, at) {
            Some(Val::Str(character)) => at + character.len(),
            _ => at,
        }
    }

    /// Returns the value of an attribute.
    pub(super) fn field(&self, name: &str) -> Option<Val<'r>> {
        LoopField::named(name).map(|field| self.value(field))
    }

    /// Returns the value of a field.
    #[inline]
    pub(super) fn value(&self, field: LoopField) -> Val<'r> {
        let index = self.index.get();
        let counted = |count: fn(usize, usize) -> usize| match self.length {
            Some(length) => Val::count(count(length, index)),
            None => Val::Undefined("the length of this loop"),
        };
        match field {
            LoopField::Index => Val::count(index + 1),
            LoopField::Index0 => Val::count(index),
            LoopField::Length => counted(|length, _| length),
            LoopField::Revindex => counted(usize::saturating_sub),
            LoopField::Revindex0 => counted(|length, index| length.saturating_sub(index + 1)),
            LoopField::First => Val::Bool(index == 0),
            LoopField::Last => Val::Bool(self.length.is_some_and(|length| length == 0 || index + 1 == length)),
            LoopField::Depth => Val::Int(i64::from(self.depth) + 1),
            LoopField::Depth0 => Val::Int(i64::from(self.depth)),
            LoopField::Previtem => match index.checked_sub(1) {
                Some(before) => self.source.get(before, self.offsets.get().0).unwrap_or(Val::Silent),
                None => Val::Undefined("loop.previtem"),
            },
            LoopField::Nextitem => match self.source.get(index + 1, self.next_offset()) {
                Some(item) => item,
                None => Val::Undefined("loop.nextitem"),
            },
        }
    }

    /// Returns the loop as it is printed.
    pub(super) fn shown(&self) -> String {
        match self.length {
            Some(length) => format!("<loop {}/{length}>", self.index.get()),
            None => format!("<loop {}/?>", self.index.get()),
        }
    }
}

/// A macro together with the variables of the scope in which it was defined.
pub(super) struct Macro<'r> {
    pub(super) unit: UnitRef<'r>,
    /// The index in the program of the unit.
    pub(super) index: u32,
    pub(super) closure: Option<&'r Namespace<'r>>,
}

impl<'r> Macro<'r> {
    pub(super) const FIELDS: [&'static str; 3] = ["name", "arguments", "caller"];

    pub(super) fn name(&self) -> &'r str {
        match self.unit.unit.program.macros.get(self.index as usize) {
            Some(definition) => self.unit.unit.key(definition.name),
            None => "",
        }
    }

    pub(super) fn field(&self, name: &str, space: &Space<'r>) -> Outcome<Option<Val<'r>>> {
        let unit = self.unit.unit;
        let Some(definition) = unit.program.macros.get(self.index as usize) else {
            return Ok(None);
        };
        Ok(Some(match name {
            "name" => Val::Str(unit.key(definition.name)),
            "arguments" => {
                let names = definition.parameters.iter();
                Val::List(space.collect(names.map(|parameter| Val::Str(unit.key(parameter.name))))?)
            }
            "caller" => Val::Bool(definition.caller),
            _ => return Ok(None),
        }))
    }
}

/// An imported template.
pub(super) struct Module<'r> {
    /// The names that it sets, sorted, without those that begin with an underscore.
    pub(super) exports: &'r [(&'r str, Val<'r>)],
    /// The text that it prints.
    pub(super) output: &'r str,
}

impl<'r> Module<'r> {
    pub(super) fn get(&self, name: &str) -> Option<Val<'r>> {
        let at = self.exports.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        self.exports.get(at).map(|(_, value)| *value)
    }
}
