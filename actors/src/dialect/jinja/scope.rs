//! The variables of a render.
//!
//! Scopes are dynamic: a block sees the variables around the place where it is rendered, and an included template sees, and sets, those of
//! the place that includes it. All variables are on one stack, which is searched from its end. The compiler resolves most names beforehand:
//! see [`Lookup`](super::program::Lookup).

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use super::failure::Outcome;
use super::program::Key;
use super::value::{Found, Function, LoopState, Machine, Namespace, Space, Val};
use crate::value::{KeyWords, Value};

/// The number of variables that are compared with a name in the time of one step.
pub(super) const VARIABLES_PER_STEP: usize = 64;

/// A variable.
#[derive(Clone, Copy)]
struct Variable<'r> {
    words: KeyWords,
    name: &'r str,
    value: Place<'r>,
}

/// The place of the value of a variable.
#[derive(Clone, Copy)]
enum Place<'r> {
    Here(Found<'r>),
    /// A register, by its index among all.
    Register(u32),
}

const _: () = assert!(size_of::<Option<Found<'_>>>() == 24 && size_of::<Variable<'_>>() == 64);

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
    /// The registers of all runs. A register holds the item of a loop, or a value from outside of a body as soon as that was looked up.
    registers: BumpVec<'r, Option<Found<'r>>>,
    /// The first register of the innermost run.
    first_register: usize,
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
            all: BumpVec::with_capacity_in(8, bump),
            registers: BumpVec::with_capacity_in(16, bump),
            first_register: 0,
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
        size_of_val(self.all.as_slice()) + size_of_val(self.scopes.as_slice()) + size_of_val(self.registers.as_slice())
    }

    /// Makes the registers of a run, and returns the first one of the run around it.
    pub(super) fn open_registers(&mut self, count: u16) -> usize {
        let around = self.first_register;
        self.first_register = self.registers.len();
        self.registers.resize(self.registers.len() + usize::from(count), None);
        around
    }

    /// Removes the registers of a run.
    pub(super) fn close_registers(&mut self, around: usize) {
        self.registers.truncate(self.first_register);
        self.first_register = around;
    }

    /// Returns the value of a register, if it has one.
    #[inline(always)]
    pub(super) fn register(&self, register: u16) -> Option<&Found<'r>> {
        self.registers.get(self.first_register + register as usize)?.as_ref()
    }

    /// Sets a register.
    #[inline(always)]
    pub(super) fn set_register(&mut self, register: u16, value: Found<'r>) {
        if let Some(place) = self.registers.get_mut(self.first_register + register as usize) {
            *place = Some(value);
        }
    }

    /// Returns the value of a variable.
    #[inline]
    fn value_of(&self, variable: &Variable<'r>) -> Found<'r> {
        match variable.value {
            Place::Here(value) => value,
            Place::Register(register) => {
                let value = self.registers.get(register as usize).copied().flatten();
                value.unwrap_or(Found::Val(Val::Silent))
            }
        }
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
            value: Place::Here(value),
        });
    }

    /// Adds a variable whose value is in a register of the innermost run.
    pub(super) fn push_register(&mut self, key: &Key, name: &'r str, register: u16) {
        self.all.push(Variable {
            words: key.words,
            name,
            value: Place::Register((self.first_register + register as usize) as u32),
        });
    }

    /// Adds a variable that is known by its name alone.
    pub(super) fn push_named(&mut self, name: &'r str, value: Val<'r>) {
        let words = KeyWords::of(name.as_bytes());
        let value = Place::Here(Found::Val(value));
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
            Some(variable) => match variable.value {
                Place::Here(_) => variable.value = Place::Here(Found::Val(value)),
                Place::Register(register) => {
                    if let Some(place) = self.registers.get_mut(register as usize) {
                        *place = Some(Found::Val(value));
                    }
                }
            },
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
            value: Place::Here(Found::Val(value)),
        });
    }

    /// Removes all variables of the innermost scope but the first two, before the next item of a loop. Returns false if macros share them, so
    /// that the item has to be assigned.
    #[inline(always)]
    pub(super) fn keep_two(&mut self) -> bool {
        let Some(Scope { start, shared }) = self.scopes.last() else {
            return false;
        };
        if self.all.len() > start + 2 {
            self.all.truncate(start + 2);
        }
        shared.is_none()
    }

    /// Returns the variable at a place that the compiler knows: `slot` of the scope that is `up` scopes around the innermost one.
    #[inline(always)]
    pub(super) fn at(&self, up: u16, slot: u16) -> Option<Found<'r>> {
        let scope = self.scopes.get(self.scopes.len().checked_sub(1 + up as usize)?)?;
        Some(self.value_of(self.all.get(scope.start + slot as usize)?))
    }

    /// Returns the loop that is the first variable of a scope, which is `up` scopes around the innermost one.
    #[inline(always)]
    pub(super) fn loop_at(&self, up: u16) -> Option<&'r LoopState<'r>> {
        let scope = self.scopes.get(self.scopes.len().checked_sub(1 + up as usize)?)?;
        match self.all.get(scope.start)?.value {
            Place::Here(Found::Val(Val::Loop(state))) => Some(state),
            _ => None,
        }
    }

    /// Returns a visible variable below a position.
    #[inline(always)]
    pub(super) fn find(&self, key: &Key, name: &'r str, below: usize) -> Option<Found<'r>> {
        let end = below.clamp(self.floor, self.all.len());
        let visible = self.all.get(self.floor..end)?;
        let found = visible.iter().rev().find(|variable| variable.is(key, name));
        match found {
            Some(variable) => Some(self.value_of(variable)),
            None => self.closure?.get(name).map(Found::Val),
        }
    }

    /// Copies a visible variable below a position to a register. Returns false if there is none.
    #[inline]
    pub(super) fn fill_register(&mut self, register: u16, key: &Key, name: impl Fn() -> &'r str, below: usize) -> bool {
        let visible = self.all.get(self.floor..below.min(self.all.len())).unwrap_or_default();
        let found = visible.iter().rev().find(|variable| variable.matches(key, &name));
        let found = match found {
            Some(variable) => self.value_of(variable),
            None => match self.closure.and_then(|closure| closure.get(name())) {
                Some(value) => Found::Val(value),
                None => return false,
            },
        };
        self.set_register(register, found);
        true
    }

    /// Copies the newest variable to a register, if it has the name: an included template is mostly about the item of the loop around it.
    #[inline(always)]
    pub(super) fn pass_newest(&mut self, register: u16, key: &Key, name: impl Fn() -> &'r str) {
        let visible = self.all.get(self.floor..).unwrap_or_default();
        if let Some(newest) = visible.last()
            && newest.matches(key, &name)
        {
            let value = self.value_of(newest);
            self.set_register(register, value);
        }
    }

    /// Returns a value by its name, wherever it is: a variable, a field of the context or a function.
    pub(super) fn named(&self, name: &str) -> Option<Val<'r>> {
        let visible = self.all.get(self.floor..).unwrap_or_default();
        if let Some(variable) = visible.iter().rev().find(|variable| variable.name == name) {
            return Some(self.value_of(variable).value());
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
        visible
            .iter()
            .map(|variable| (variable.name, self.value_of(variable).value()))
    }

    /// Returns the variables of the innermost scope, each with its name.
    pub(super) fn innermost(&self) -> impl Iterator<Item = (&'r str, Val<'r>)> + '_ {
        let start = self.scopes.last().map_or(0, |scope| scope.start);
        let own = self.all.get(start..).unwrap_or_default();
        own.iter()
            .map(|variable| (variable.name, self.value_of(variable).value()))
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
        self.matches(key, || name)
    }

    #[inline(always)]
    fn matches<'n>(&self, key: &Key, name: impl Fn() -> &'n str) -> bool {
        key.words.same(self.words) && (self.name.len() <= KeyWords::WHOLE_MAX || name() == self.name)
    }
}
