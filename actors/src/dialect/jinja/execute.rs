//! The interpreter, which runs the program of a unit over a context.
//!
//! Each iteration of the main loop takes one operation: it appends the text before it and performs its action, which returns the index of
//! the next operation. Blocks, macros, included templates and recursive loops are runs inside of runs, whose number is bounded by
//! [`Limits::call_depth`](crate::Limits). A failure gets its position where it occurs, and a call site on its way out.

mod assign;
mod calls;
mod explain;
mod expression;
mod loops;
mod paths;
mod templates;

use std::cell::Cell;
use std::mem::ManuallyDrop;

use bumpalo::collections::Vec as BumpVec;

use super::ast::ByteRange;
use super::failure::{Failure, Outcome};
use super::program::{Action, Code, NO_REGISTER, Operation};
use super::scope::Variables;
use super::unit::JinjaUnit;
use super::value::{LoopState, Machine, Space, Val};
use crate::budget::Exceeded;
use crate::dialect::{Closure, Escape, Frame, Member, Missing, RenderError};
use crate::template::TemplateName;
use crate::value::{Arena, Value};
use paths::is_true;

/// The largest depth of runs inside of runs, however large [`Limits::call_depth`](crate::Limits) is: in a build without optimisation a level
/// takes up to eight kilobytes of stack, so that all take half of the 2 MiB that a thread has.
const RUNS_MAX: u32 = 128;

thread_local! {
    /// The arena of the last render of this thread, to be reused by the next one.
    static ARENA: Cell<Option<Arena>> = const { Cell::new(None) };
}

/// A unit with the closure in which its calls are resolved.
#[derive(Clone, Copy)]
struct UnitRef<'r> {
    unit: &'r JinjaUnit,
    closure: Closure<'r>,
}

impl<'r> UnitRef<'r> {
    /// Returns the unit of a closure, if it is of this dialect.
    fn of(closure: Closure<'r>) -> Option<Self> {
        let unit = closure.top().unit.as_any().downcast_ref()?;
        Some(Self { unit, closure })
    }
}

/// Renders the template of `closure`, whose unit is `unit`, and appends it to the output.
pub(super) fn execute(
    unit: &JinjaUnit,
    closure: &Closure<'_>,
    context: &Value<'_>,
    frame: &mut Frame<'_>,
) -> Result<(), RenderError> {
    // A render inside of a render of another language finds none, and makes its own.
    let mut arena = ARENA.take().unwrap_or_default();
    let outcome = execute_in(&arena, unit, closure, context, frame);
    arena.reset();
    ARENA.set(Some(arena));
    outcome
}

fn execute_in(
    arena: &Arena,
    unit: &JinjaUnit,
    closure: &Closure<'_>,
    context: &Value<'_>,
    frame: &mut Frame<'_>,
) -> Result<(), RenderError> {
    let space = Space::new(
        arena.bump(),
        frame.budget.context_bytes_left,
        frame.budget.context_bytes,
        context,
        &*unit.extensions,
    );
    let here = UnitRef {
        unit,
        closure: *closure,
    };
    let (depth, escape) = (frame.depth, frame.escape);
    if escape == Escape::None {
        frame.escape = escape_of(&closure.top().name);
    }
    // All of it lies in the arena, so there is nothing to drop.
    let mut execution = ManuallyDrop::new(Execution::new(here, &space, context, frame.escape));
    let outcome = execution.template(here, frame);
    (frame.depth, frame.escape) = (depth, escape);
    outcome.map_err(|failure| match *failure {
        Failure::Rendered(error) => error,
        other => execution.explain(other, here, ByteRange::default()),
    })
}

/// Returns the escaping of a template by its name: besides HTML as in all languages, JSON for the extensions `json json5 js yaml yml`.
fn escape_of(name: &TemplateName) -> Escape {
    match Escape::of(name) {
        Escape::None if is_json(name.output_name()) => Escape::Json,
        escape => escape,
    }
}

fn is_json(output: &str) -> bool {
    let extension = output.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("json" | "json5" | "js" | "yaml" | "yml"))
}

/// The state of a render.
struct Execution<'r> {
    space: &'r Space<'r>,
    variables: Variables<'r>,
    /// The values of expressions that are being evaluated.
    stack: BumpVec<'r, Val<'r>>,
    /// The loops that run, the innermost last.
    loops: BumpVec<'r, &'r LoopState<'r>>,
    /// The positions in the output at which kept output begins.
    captures: BumpVec<'r, usize>,
    /// The escapings around `autoescape` blocks.
    escapes: BumpVec<'r, Escape>,
    /// The chains of templates that extend each other, one behind the other; the last one is that of the running template.
    chain: BumpVec<'r, UnitRef<'r>>,
    run: Run<'r>,
    /// The last template that was included and changes nothing but the output: most includes of a loop are of one.
    last_leaf: Option<Leaf<'r>>,
}

/// A template that was included by a use in another one, and changes nothing but the output.
#[derive(Clone, Copy)]
struct Leaf<'r> {
    /// The template that includes it.
    by: &'r Member,
    /// The use there.
    template: u32,
    unit: UnitRef<'r>,
    escape: Escape,
}

/// The state of the innermost template, block or macro, which is restored behind it.
#[derive(Clone, Copy)]
struct Run<'r> {
    /// The number of variables when it began, which are those of its callers.
    base: usize,
    /// The first loop that belongs to it or its callers, as far as a macro sees them.
    loops: usize,
    /// The beginning of its chain.
    chain: usize,
    /// The template that it extends, and the length of the output before that.
    parent: Option<&'r (UnitRef<'r>, usize)>,
    /// The name of the running block, and its place in the chain.
    block: Option<(&'r str, usize)>,
    /// The output is dropped, so blocks are not rendered.
    discards: bool,
    /// The escaping when it began.
    escape: Escape,
}

/// Makes the machine of a place. A macro, because it borrows the budget of a frame but not its body.
macro_rules! machine {
    ($execution:expr, $here:expr, $frame:expr) => {
        Machine {
            space: $execution.space,
            budget: &mut *$frame.budget,
            escape: $frame.escape,
            around: $execution.run.escape,
            strict: ($frame.missing, $here.unit.missing) == (Missing::Error, Missing::Error),
        }
    };
}
use machine;

impl<'r> Execution<'r> {
    fn new(here: UnitRef<'r>, space: &'r Space<'r>, context: &'r Value<'r>, escape: Escape) -> Self {
        let bump = space.bump();
        let mut chain = BumpVec::with_capacity_in(4, bump);
        chain.push(here);
        Self {
            space,
            variables: Variables::new(context, bump),
            stack: BumpVec::with_capacity_in(16, bump),
            loops: BumpVec::with_capacity_in(8, bump),
            captures: BumpVec::new_in(bump),
            escapes: BumpVec::new_in(bump),
            chain,
            run: Run {
                base: 0,
                loops: 0,
                chain: 0,
                parent: None,
                block: None,
                discards: false,
                escape,
            },
            last_leaf: None,
        }
    }

    /// Renders a template and those that it extends.
    fn template(&mut self, mut here: UnitRef<'r>, frame: &mut Frame<'_>) -> Outcome<()> {
        loop {
            let around = self.variables.open_registers(here.unit.program.registers);
            self.run(here, 0, here.unit.program.top, frame)?;
            self.variables.close_registers(around);
            let Some(&(parent, length)) = self.run.parent.take() else {
                return Ok(());
            };
            frame.body.truncate(length);
            self.run.base = self.variables.len();
            here = parent;
        }
    }

    /// Runs operations from `start` to before `end`.
    fn run(&mut self, here: UnitRef<'r>, start: u32, end: u32, frame: &mut Frame<'_>) -> Outcome<()> {
        let unit = here.unit;
        let operations = unit.program.operations.get(..end as usize).unwrap_or_default();
        let mut at = start as usize;
        while let Some(operation) = operations.get(at) {
            self.push_lead(here, operation, frame)?;
            // What most loops are made of is done here, so that its state stays in registers of the processor.
            let done = match operation.act {
                Action::None => {
                    at += 1;
                    continue;
                }
                Action::Jump(to) => {
                    at = to as usize;
                    continue;
                }
                Action::Quick {
                    register, attribute, ..
                } => {
                    at += 1;
                    self.step(frame)
                        .and_then(|()| match self.quick(unit, register, attribute) {
                            Some(value) => self.print_data(here, value, frame),
                            None => self.print_slowly(here, &operation.act, frame),
                        })
                }
                Action::UnlessQuick {
                    register,
                    attribute,
                    to,
                    negated,
                    ..
                } => match self
                    .step(frame)
                    .and_then(|()| match self.quick(unit, register, attribute) {
                        Some(value) => Ok(is_true(value)),
                        None => self.holds_slowly(here, &operation.act, frame),
                    }) {
                    Ok(is_true) => {
                        at = if is_true == negated { to as usize } else { at + 1 };
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
                Action::LoopField { up, field, path } => {
                    at += 1;
                    self.print_loop_field(here, (up, field, path), frame)
                }
                Action::UnlessLoopField {
                    up,
                    field,
                    path,
                    to,
                    negated,
                } => match self.loop_field_holds(here, (up, field, path), frame) {
                    Ok(is_true) => {
                        at = if is_true == negated { to as usize } else { at + 1 };
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
                Action::Next {
                    register, body, grows, ..
                } if register != NO_REGISTER && (!grows || self.variables.keep_two()) => match self.step(frame) {
                    Ok(()) => {
                        at = if self.next_item(register) {
                            body as usize
                        } else {
                            at + 1
                        };
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
                Action::ForQuick {
                    register,
                    attribute,
                    path,
                    index,
                } => match self.for_quick(here, (register, attribute, path), index, frame) {
                    Ok(next) => {
                        at = next as usize;
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
                Action::Include { template } => {
                    at += 1;
                    self.include(here, template, frame)
                }
                _ => match self.act(here, &operation.act, at as u32, frame) {
                    Ok(next) => {
                        at = next as usize;
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
            };
            if let Err(failure) = done {
                return Err(self.placed(failure, here, unit.place_of(&operation.act)));
            }
        }
        Ok(())
    }

    /// Appends the text before an operation.
    #[inline(always)]
    fn push_lead(&self, here: UnitRef<'r>, operation: &Operation, frame: &mut Frame<'_>) -> Outcome<()> {
        let (start, length) = operation.lead;
        match frame.body.push_part(here.unit.text.as_bytes(), start, length) {
            Ok(()) => Ok(()),
            Err(full) => Err(self.placed(
                full.into(),
                here,
                ByteRange {
                    start,
                    end: start + length,
                },
            )),
        }
    }

    /// Takes a step.
    #[inline(always)]
    fn step(&self, frame: &mut Frame<'_>) -> Outcome<()> {
        #[cold]
        fn last_of_batch(frame: &mut Frame<'_>) -> Outcome<()> {
            Ok(frame.budget.step()?)
        }
        match frame.budget.has_step() {
            true => Ok(()),
            false => last_of_batch(frame),
        }
    }

    /// Takes the steps of printing an item and of going to the next one.
    #[inline(always)]
    fn two_steps(&self, frame: &mut Frame<'_>) -> Outcome<()> {
        self.step(frame)?;
        self.step(frame)
    }

    /// Performs the action of an operation and returns the index of the next one.
    #[inline(never)]
    fn act(&mut self, here: UnitRef<'r>, act: &Action, at: u32, frame: &mut Frame<'_>) -> Outcome<u32> {
        match *act {
            Action::Path(path) => {
                frame.budget.step()?;
                self.print_path(here, path, frame)?;
            }
            Action::Output(code) => {
                frame.budget.step()?;
                self.output(here, code, frame)?;
            }
            Action::Joined { code, to } => {
                if frame.escape == Escape::Json {
                    frame.budget.step()?;
                    self.output(here, code, frame)?;
                    return Ok(to);
                }
            }
            Action::Unless { condition, to } => {
                frame.budget.step()?;
                let value = self.eval(here, condition, frame)?;
                if !machine!(self, here, frame).truth(value)? {
                    return Ok(to);
                }
            }
            Action::UnlessPath { path, to, negated } => {
                frame.budget.step()?;
                if self.path_holds(here, path, frame)? == negated {
                    return Ok(to);
                }
            }
            Action::For { iterable, index } => {
                frame.budget.step()?;
                let value = self.eval(here, iterable, frame)?;
                return self.start_loop(here, index, value, frame);
            }
            Action::Next { index, body, .. } => {
                frame.budget.step()?;
                if self.next_of_any(here, index, frame)? {
                    return Ok(body);
                }
            }
            Action::Break { index } => {
                let was_first = self.end_loop();
                let each = here.unit.program.loops.get(index as usize);
                return Ok(each.map_or(at + 1, |each| if was_first { each.otherwise } else { each.end }));
            }
            Action::Open => self.variables.open(),
            Action::Close => self.variables.close(),
            Action::Set { value, target } => {
                frame.budget.step()?;
                let value = self.eval(here, value, frame)?;
                self.assign(here, target, value, frame)?;
            }
            _ => return self.act_rarely(here, act, at, frame),
        }
        Ok(at + 1)
    }

    /// Performs an action that is not part of most loops.
    #[inline(never)]
    fn act_rarely(&mut self, here: UnitRef<'r>, act: &Action, at: u32, frame: &mut Frame<'_>) -> Outcome<u32> {
        frame.budget.step()?;
        match *act {
            Action::Capture => self.captures.push(frame.body.len()),
            Action::SetCaptured { filters, target } => {
                let value = self.captured(here, filters, frame)?;
                self.assign(here, target, value, frame)?;
            }
            Action::PrintCaptured { filters } => {
                let value = self.captured(here, filters, frame)?;
                self.print(here, value, frame)?;
            }
            Action::Autoescape(enabled) => {
                let value = self.eval(here, enabled, frame)?;
                let escape = self.escaping(value)?;
                self.escapes.push(frame.escape);
                frame.escape = escape;
            }
            Action::EndAutoescape => {
                if let Some(escape) = self.escapes.pop() {
                    frame.escape = escape;
                }
            }
            Action::Leave { scopes, escapes } => {
                (0..scopes).for_each(|_| self.variables.close());
                for _ in 0..escapes {
                    frame.escape = self.escapes.pop().unwrap_or(frame.escape);
                }
            }
            Action::Block(name) if self.run.parent.is_none() && !self.run.discards => {
                self.block(here, here.unit.key(name), frame)?;
            }
            Action::Extends { template } => self.extend(here, template, frame)?,
            Action::Import { template, target } => self.import(here, template, target, frame)?,
            Action::FromImport { template, names } => self.import_names(here, template, names, frame)?,
            Action::Macro { index, target } => {
                let callable = self.define(here, index, frame)?;
                self.assign(here, target, callable, frame)?;
            }
            Action::Do(code) => {
                self.eval(here, code, frame)?;
            }
            _ => {}
        }
        Ok(at + 1)
    }

    /// Ends the innermost capture, and returns what was kept through the filters of a block.
    fn captured(&mut self, here: UnitRef<'r>, filters: Code, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        let start = self.captures.pop().unwrap_or(frame.body.len());
        let value = self.taken(start, frame)?;
        self.stack.push(value);
        self.eval(here, filters, frame)
    }

    /// Takes what was written from a position on off the output. It is safe where the page is escaped.
    fn taken(&self, start: usize, frame: &mut Frame<'_>) -> Outcome<Val<'r>> {
        let text = self.space.text(&frame.body.text_from(start))?;
        frame.body.truncate(start);
        Ok(match frame.escape {
            Escape::None => Val::Str(text),
            _ => Val::Safe(text),
        })
    }

    /// Returns the escaping that an `autoescape` block asks for.
    fn escaping(&self, value: Val<'r>) -> Outcome<Escape> {
        match value.as_str() {
            Some("html") => Ok(Escape::Html),
            Some("json") => Ok(Escape::Json),
            Some("none") => Ok(Escape::None),
            Some(_) => {
                let failure = Failure::invalid("`autoescape` takes true, false, \"html\", \"json\" or \"none\"");
                Err(failure.help("for data in a script write `| tojson`"))
            }
            None if matches!(value, Val::Bool(true)) => Ok(match self.run.escape {
                Escape::None => Escape::Html,
                escape => escape,
            }),
            None => Ok(Escape::None),
        }
    }

    /// Checks that another run may begin inside of this one.
    #[inline]
    fn deeper(&self, frame: &mut Frame<'_>) -> Outcome<()> {
        frame.budget.step()?;
        // What is alive grows with each level by what one text can have, so it is enough to compare it here.
        self.space.fits(self.alive())?;
        let limit = frame.budget.call_depth.min(RUNS_MAX);
        if frame.depth >= limit {
            return Err(Exceeded::Depth(limit).into());
        }
        frame.depth += 1;
        Ok(())
    }

    /// Returns the bytes of what is freed when the running templates end.
    fn alive(&self) -> usize {
        size_of_val(self.stack.as_slice())
            + self.variables.bytes()
            + size_of_val(self.loops.as_slice())
            + size_of_val(self.captures.as_slice())
    }
}
