//! Calls of macros, functions and methods.

use super::{Execution, Machine, Run, UnitRef, machine};
use crate::dialect::jinja::ast::ByteRange;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::foreign::{function_help, method_help};
use crate::dialect::jinja::functions::Function;
use crate::dialect::jinja::program::{ArgumentKind, MacroDefinition};
use crate::dialect::jinja::unit::JinjaUnit;
use crate::dialect::jinja::value::print::show;
use crate::dialect::jinja::value::{Arguments, Found, LoopState, Macro, Map, Own, Role, Val, equal, too_many};
use crate::dialect::{Frame, Missing};
use crate::suggestion::suggestion;

/// The keyword arguments of a call. Positional ones lie on the stack.
pub(super) type Named<'r> = Vec<(&'r str, Val<'r>)>;

impl<'r> Execution<'r> {
    /// Sorts the arguments on the stack: positional ones stay, keyword arguments are taken off. Returns where the first one lies.
    #[inline]
    pub(super) fn gather(
        &mut self,
        here: UnitRef<'r>,
        shape: u32,
        frame: &mut Frame<'_>,
    ) -> Outcome<(usize, Named<'r>)> {
        let Some(shape) = here.unit.program.shapes.get(shape as usize) else {
            return Ok((self.stack.len(), Vec::new()));
        };
        let start = self.stack.len().saturating_sub(shape.arguments.len());
        if shape.plain {
            return Ok((start, Vec::new()));
        }
        let mut named = Vec::new();
        let given = self.stack.get(start..).unwrap_or_default().to_vec();
        self.stack.truncate(start);
        for (kind, value) in shape.arguments.iter().zip(given) {
            match kind {
                ArgumentKind::Positional => self.stack.push(value),
                ArgumentKind::Named(key) => named.push((here.unit.key(*key), value)),
                ArgumentKind::Spread => {
                    let items = value.items(&mut machine!(self, here, frame))?;
                    self.space.charge(size_of_val(items))?;
                    self.stack.extend_from_slice(items);
                }
                ArgumentKind::SpreadNamed => {
                    let mut machine = machine!(self, here, frame);
                    machine.defined(value)?;
                    let Some(pairs) = value.pairs(&mut machine)? else {
                        return Err(Failure::invalid(format!("`**` takes a map, not {}", value.words())));
                    };
                    self.space.charge(size_of_val(pairs))?;
                    for (key, value) in pairs {
                        match key.as_str() {
                            Some(name) => named.push((name, *value)),
                            None => return Err(Failure::invalid("the names of arguments are strings")),
                        }
                    }
                }
            }
        }
        Ok((start, named))
    }

    /// Calls a value with the arguments that lie on the stack from `start` on, and removes them. What a macro prints is the value, or is
    /// printed already if `prints` is set.
    pub(super) fn call(
        &mut self,
        here: UnitRef<'r>,
        callee: Val<'r>,
        (start, named): &(usize, Named<'r>),
        (place, prints): (ByteRange, bool),
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        let written = frame.body.len();
        match callee {
            Val::Macro(callable) => {
                let called = self.call_macro(callable, *start, named, frame);
                called.map_err(|failure| self.called(self.placed(failure, here, place), here, place))?;
            }
            Val::Loop(state) => self.call_loop(state, *start, named, frame)?,
            Val::Function(function) => return self.call_function(here, function, *start, named, frame).map(Some),
            Val::Own(function) => return self.call_own(here, function, *start, named, frame).map(Some),
            other => return Err(self.not_callable(other)),
        }
        self.stack.truncate(*start);
        if prints {
            return Ok(None);
        }
        self.taken(written, frame).map(Some)
    }

    fn call_loop(
        &mut self,
        state: &'r LoopState<'r>,
        start: usize,
        named: &[(&'r str, Val<'r>)],
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        match self.stack.get(start..) {
            Some([iterable]) if named.is_empty() => self.recurse(state, *iterable, frame),
            _ => Err(Failure::coded(
                "arguments",
                "`loop` takes one argument, the items to go over",
            )),
        }
    }

    #[inline(never)]
    fn call_function(
        &mut self,
        here: UnitRef<'r>,
        function: Function<'r>,
        start: usize,
        named: &[(&'r str, Val<'r>)],
        frame: &mut Frame<'_>,
    ) -> Outcome<Val<'r>> {
        if matches!(function, Function::Debug) && start == self.stack.len() && named.is_empty() {
            return self.debug(here, frame);
        }
        let arguments = Arguments {
            values: self.stack.get(start..).unwrap_or_default(),
            named,
        };
        let value = function.call(&arguments, &mut machine!(self, here, frame))?;
        self.stack.truncate(start);
        Ok(value)
    }

    /// Calls a function of the program.
    #[inline(never)]
    fn call_own(
        &mut self,
        here: UnitRef<'r>,
        function: &'r dyn Own,
        start: usize,
        named: &[(&'r str, Val<'r>)],
        frame: &mut Frame<'_>,
    ) -> Outcome<Val<'r>> {
        let arguments = Arguments {
            values: self.stack.get(start..).unwrap_or_default(),
            named,
        };
        let value = function.call(None, &arguments, &mut machine!(self, here, frame))?;
        self.stack.truncate(start);
        Ok(value)
    }

    #[cold]
    fn not_callable(&self, value: Val<'r>) -> Box<Failure> {
        match value {
            Val::Undefined(expression) => self.unknown_function(expression),
            other => Failure::invalid(format!("{} cannot be called", other.words())),
        }
    }

    /// Returns all visible variables and the data of the page, as `debug()` shows them.
    fn debug(&mut self, here: UnitRef<'r>, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        let mut machine = machine!(self, here, frame);
        let mut entries = Val::of(self.variables.context)
            .pairs(&mut machine)?
            .unwrap_or_default()
            .to_vec();
        // Of variables of the same name the innermost one comes last, and is the one that counts.
        let variables = self.variables.visible();
        entries.extend(variables.map(|(name, value)| (Val::Str(name), value)));
        self.space.charge(size_of_val(entries.as_slice()))?;
        let all = Val::Map(Map::new(&entries, &mut machine)?);
        let mut text = self.space.writer();
        show(all, true, &mut text, &mut machine)?;
        Ok(Val::Str(text.finish()))
    }

    #[cold]
    fn unknown_function(&self, name: &str) -> Box<Failure> {
        let failure = Failure::coded("unknown-function", format!("there is no function or macro `{name}`"));
        let known = self
            .variables
            .names()
            .chain(self.space.registered().names(Role::Function));
        let known = known.filter(|known| *known != name);
        match (function_help(name), suggestion(name, known)) {
            (Some(help), _) => failure.help(help),
            (None, Some(near)) => failure.help(format!("did you mean `{near}`?")),
            (None, None) => failure.help("define it with `{% macro %}`, or import it"),
        }
    }

    /// Runs the body of a macro, which appends to the output.
    fn call_macro(
        &mut self,
        callable: &'r Macro<'r>,
        start: usize,
        named: &[(&'r str, Val<'r>)],
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        let Some(unit) = UnitRef::of(callable.template) else {
            return Ok(());
        };
        let Some(definition) = unit.unit.program.macros.get(callable.index as usize) else {
            return Ok(());
        };
        let given = self.stack.len() - start;
        check_arguments((unit, definition), given, named)?;
        self.deeper(frame)?;
        let run = self.run;
        self.run = Run {
            base: self.variables.len(),
            loops: self.loops.len(),
            chain: self.chain.len(),
            parent: None,
            block: None,
            discards: false,
            escape: frame.escape,
        };
        let mark = self.variables.enter(callable.closure);
        let around = self.variables.open_registers(definition.registers);
        self.bind((unit, definition), start..start + given, named, frame)?;
        self.run(unit, definition.start, definition.end, frame)?;
        self.variables.close_registers(around);
        self.variables.leave(mark);
        self.run = run;
        frame.depth -= 1;
        Ok(())
    }

    /// Makes the variables of a macro of its arguments, which lie in a range of the stack, and of its defaults.
    #[inline(never)]
    fn bind(
        &mut self,
        (unit, definition): (UnitRef<'r>, &'r MacroDefinition),
        given: std::ops::Range<usize>,
        named: &[(&'r str, Val<'r>)],
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        for (at, parameter) in definition.parameters.iter().enumerate() {
            let parameter_name = unit.unit.key(parameter.name);
            let place = Some(given.start + at).filter(|place| given.contains(place));
            let by_position = place.and_then(|place| self.stack.get(place)).copied();
            let by_name = || named.iter().rev().find(|(keyword, _)| *keyword == parameter_name);
            let mut value = by_position.or_else(|| by_name().map(|(_, value)| *value));
            if value.is_none_or(Val::is_undefined)
                && let Some(default) = parameter.default
            {
                value = Some(self.eval(unit, default, frame)?);
            }
            let value = value.unwrap_or(Val::Undefined(parameter_name));
            if let Some(key) = unit.unit.program.keys.get(parameter.name as usize) {
                self.variables.push(key, parameter_name, Found::Val(value));
            }
        }
        let caller = named.iter().rev().find(|(keyword, _)| *keyword == "caller");
        let caller = caller.map_or(Val::Undefined("caller"), |(_, value)| *value);
        // Always, because the slots of the body's own variables lie behind it.
        self.variables.push_named("caller", caller);
        Ok(())
    }

    /// Makes a macro of its definition and the variables around it.
    pub(super) fn define(&mut self, here: UnitRef<'r>, index: u32, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        let Some(definition) = here.unit.program.macros.get(index as usize) else {
            return Ok(Val::Silent);
        };
        let mut closure = None;
        if !definition.free.is_empty() {
            closure = self.variables.shared(self.space)?;
        }
        if let Some(shared) = closure {
            for key in &definition.free {
                let Some(key) = here.unit.program.keys.get(*key as usize) else {
                    continue;
                };
                let name = here.unit.text_of(key);
                frame.budget.step()?;
                // What is not a variable is found in the context, which a macro sees.
                self.scan(usize::MAX, frame)?;
                if shared.get(name).is_none()
                    && let Some(value) = self.variables.find(key, name, usize::MAX)
                {
                    shared.set(name, value.value(), &mut machine!(self, here, frame))?;
                }
            }
        }
        let callable = self.space.put(Macro {
            template: here.closure,
            definitions: here.unit,
            index,
            closure,
        })?;
        Ok(Val::Macro(callable))
    }

    /// Calls a method of a value: one of a loop, or a field that can be called.
    pub(super) fn method(
        &mut self,
        here: UnitRef<'r>,
        (receiver, name): (Val<'r>, &'r str),
        arguments: &(usize, Named<'r>),
        place: (ByteRange, bool),
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Val<'r>>> {
        if let Val::Undefined(expression) = receiver {
            return Err(crate::dialect::jinja::value::undefined(expression));
        }
        if let Val::Loop(state) = receiver
            && matches!(name, "cycle" | "changed")
        {
            return self.loop_method(here, (state, name), arguments.0, frame).map(Some);
        }
        if let (Val::Function(Function::Cycler(cycler)), "next") = (receiver, name) {
            return match (self.stack.len() == arguments.0, arguments.1.is_empty()) {
                (true, true) => Ok(Some(cycler.next())),
                _ => Err(Failure::coded("arguments", too_many("next", 0))),
            };
        }
        let callee = receiver.attribute(name, &mut machine!(self, here, frame))?;
        match callee {
            Some(callee) => self.call(here, callee, arguments, place, frame),
            None => Err(unknown_method(receiver, name)),
        }
    }

    #[inline(never)]
    fn loop_method(
        &mut self,
        here: UnitRef<'r>,
        (state, name): (&'r LoopState<'r>, &str),
        start: usize,
        frame: &mut Frame<'_>,
    ) -> Outcome<Val<'r>> {
        let arguments = self.stack.get(start..).unwrap_or_default();
        let value = match name {
            "cycle" => cycle(state, arguments)?,
            _ => changed(state, arguments, &mut machine!(self, here, frame))?,
        };
        self.stack.truncate(start);
        Ok(value)
    }
}

/// Checks the arguments of a macro, as many of which as `given` have no name.
fn check_arguments(
    (unit, definition): (UnitRef<'_>, &MacroDefinition),
    given: usize,
    named: &[(&str, Val<'_>)],
) -> Outcome<()> {
    let (unit, parameters) = (unit.unit, &definition.parameters);
    let name = unit.key(definition.name);
    if given > parameters.len() {
        return Err(Failure::coded("arguments", too_many(name, parameters.len())));
    }
    for (keyword, _) in named {
        let at = parameters.iter().position(|each| unit.key(each.name) == *keyword);
        match at {
            Some(at) if at < given => {
                let message = format!("`{name}` is given its argument `{keyword}` twice");
                return Err(Failure::coded("arguments", message));
            }
            Some(_) => {}
            None if *keyword == "caller" && definition.caller => {}
            None => return Err(unknown_keyword((unit, definition), keyword)),
        }
    }
    Ok(())
}

#[cold]
fn unknown_keyword((unit, definition): (&JinjaUnit, &MacroDefinition), keyword: &str) -> Box<Failure> {
    let name = unit.key(definition.name);
    if keyword == "caller" {
        let failure = Failure::coded("arguments", format!("`{name}` does not use `caller()`"));
        return failure.help("call it without a block: `{{ … }}` in place of `{% call %}`");
    }
    let failure = Failure::coded("arguments", format!("`{name}` has no argument `{keyword}`"));
    let names = definition.parameters.iter().map(|parameter| unit.key(parameter.name));
    match suggestion(keyword, names) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure,
    }
}

#[cold]
fn unknown_method(receiver: Val<'_>, name: &str) -> Box<Failure> {
    let failure = Failure::coded("unknown-method", format!("{} has no method `{name}`", receiver.words()));
    match method_help(name) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Returns the argument of `loop.cycle` whose turn it is.
fn cycle<'r>(state: &LoopState<'r>, arguments: &[Val<'r>]) -> Outcome<Val<'r>> {
    let turn = state.index.get().checked_rem(arguments.len());
    match turn.and_then(|turn| arguments.get(turn)) {
        Some(value) => Ok(*value),
        None => Err(Failure::coded("arguments", "`loop.cycle` needs at least one value")),
    }
}

/// Returns true if the arguments of `loop.changed` are not those of the last time.
fn changed<'r>(state: &LoopState<'r>, arguments: &[Val<'r>], machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    if let Some(before) = state.changed.get()
        && before.len() == arguments.len()
    {
        let mut same = true;
        for (one, other) in before.iter().zip(arguments) {
            same = same && equal(*one, *other, machine)?;
        }
        if same {
            return Ok(Val::Bool(false));
        }
    }
    state.changed.set(Some(machine.space.slice(arguments)?));
    Ok(Val::Bool(true))
}
