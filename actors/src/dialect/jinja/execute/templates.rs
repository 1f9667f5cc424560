//! Other templates: inheritance, includes and imports.

use super::{Execution, Leaf, Machine, Run, UnitRef, escape_of, machine};
use crate::dialect::jinja::ast::ByteRange;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::program::{Block, TemplateUse};
use crate::dialect::jinja::value::{Module, Val};
use crate::dialect::shorten::shorten;
use crate::dialect::{Closure, Found, Frame, Missing, RenderFault};

/// The number of names that are compared in the time of one step.
const ENTRIES_PER_STEP: usize = 32;

impl<'r> Execution<'r> {
    /// Finds the template of a use; `None` if there is none and that is no error.
    fn find(
        &mut self,
        here: UnitRef<'r>,
        template: &'r TemplateUse,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Closure<'r>>> {
        let calls = &here.unit.calls;
        if let Some(call) = template.call {
            let found = here.closure.callee(call as usize);
            return match (found, calls.get(call as usize)) {
                (None, Some(call)) if !template.ignore_missing => {
                    Err(unknown(&format!("there is no template `{}`", call.name)))
                }
                _ => Ok(found),
            };
        }
        let Some(code) = template.name else { return Ok(None) };
        let value = self.eval(here, code, frame)?;
        self.find_named(here, template, value, frame)
    }

    /// Finds the template of a name, or the first one of a list.
    #[inline(never)]
    fn find_named(
        &self,
        here: UnitRef<'r>,
        template: &TemplateUse,
        value: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<Closure<'r>>> {
        let mut machine = machine!(self, here, frame);
        machine.defined(value)?;
        let names = match value.elements(&mut machine)? {
            Some(names) => names,
            None => self.space.slice(&[value])?,
        };
        for name in names {
            let Some(name) = name.as_str() else {
                let message = format!("the name of a template is a string, not {}", name.words());
                return Err(Failure::invalid(message));
            };
            machine.bytes(name.len())?;
            match here.closure.find(name) {
                Found::Whole(found) => return Ok(Some(found)),
                Found::Unknown => {}
                Found::Faulty => return Err(faulty(name)),
            }
        }
        match template.ignore_missing || names.is_empty() {
            true => Ok(None),
            false => Err(unknown_of(here.closure, names)),
        }
    }

    fn template_use(here: UnitRef<'r>, template: u32) -> Outcome<&'r TemplateUse> {
        let found = here.unit.program.templates.get(template as usize);
        found.ok_or_else(|| unknown("there is no such template"))
    }

    /// Makes the rest of a template define blocks of another one, which is rendered afterwards.
    pub(super) fn extend(&mut self, here: UnitRef<'r>, template: u32, frame: &mut Frame<'_>) -> Outcome<()> {
        if self.run.parent.is_some() {
            return Err(Failure::invalid("a template extends one other template, not two"));
        }
        let template = Self::template_use(here, template)?;
        let Some(closure) = self.find(here, template, frame)? else {
            return Err(unknown("there is no template to extend"));
        };
        let name = &closure.top().name;
        let Some(parent) = UnitRef::of(closure) else {
            let message = format!("`{name}` is not written in Jinja, so it has no blocks");
            return Err(Failure::invalid(message).help("include it instead"));
        };
        let chain = self.chain.get(self.run.chain..).unwrap_or_default();
        if chain.iter().any(|each| each.closure.top().name == *name) {
            let message = format!("`{name}` extends itself, directly or through other templates");
            return Err(Failure::coded("extends-cycle", message));
        }
        if chain.len() > frame.budget.call_depth as usize {
            return Err(crate::budget::Exceeded::Depth(frame.budget.call_depth).into());
        }
        self.chain.push(parent);
        self.run.parent = Some(self.space.put((parent, frame.body.len()))?);
        Ok(())
    }

    /// Renders another template in the scope of this one.
    pub(super) fn include(&mut self, here: UnitRef<'r>, template: u32, frame: &mut Frame<'_>) -> Outcome<()> {
        self.step(frame)?;
        if let Some(leaf) = self.last_leaf
            && leaf.template == template
            && std::ptr::eq(leaf.by, here.closure.top())
        {
            return self.render_leaf(here, leaf, frame);
        }
        let number = template;
        let template = Self::template_use(here, template)?;
        if let Some(closure) = template.call.and_then(|call| here.closure.callee(call as usize)) {
            if let Some(unit) = UnitRef::of(closure).filter(|callee| callee.unit.program.is_leaf) {
                let leaf = Leaf {
                    by: here.closure.top(),
                    template: number,
                    unit,
                    escape: escape_of(&closure.top().name),
                };
                self.last_leaf = Some(leaf);
                return self.render_leaf(here, leaf, frame);
            }
            return self.render(here, closure, template.place, frame);
        }
        match self.find(here, template, frame)? {
            Some(closure) => self.render(here, closure, template.place, frame),
            None => Ok(()),
        }
    }

    /// Renders a template in the innermost scope.
    fn render(
        &mut self,
        here: UnitRef<'r>,
        closure: Closure<'r>,
        place: ByteRange,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        self.deeper(frame)?;
        let Some(included) = UnitRef::of(closure) else {
            // Other languages know nothing of variables: they get the data of the page.
            // They may call templates in Jinja again, whose values live beside those of this render.
            let left = self.space.left_beside(self.alive());
            let left = std::mem::replace(&mut frame.budget.context_bytes_left, left);
            let outcome = closure.top().unit.render(&closure, self.variables.context, frame);
            frame.budget.context_bytes_left = left;
            frame.depth -= 1;
            return outcome.map_err(|error| self.called(Box::new(Failure::Rendered(error)), here, place));
        };
        let (run, escape) = (self.run, frame.escape);
        let shared = self.variables.replace_shared(None);
        frame.escape = escape_of(&closure.top().name);
        self.run = Run {
            base: self.variables.len(),
            chain: self.chain.len(),
            parent: None,
            block: None,
            escape: frame.escape,
            ..run
        };
        self.chain.push(included);
        self.template(included, frame)
            .map_err(|failure| self.called(failure, here, place))?;
        self.chain.truncate(self.run.chain);
        self.run = run;
        self.variables.replace_shared(shared);
        frame.escape = escape;
        frame.depth -= 1;
        Ok(())
    }

    /// Renders a template that changes nothing but the output.
    fn render_leaf(&mut self, here: UnitRef<'r>, leaf: Leaf<'r>, frame: &mut Frame<'_>) -> Outcome<()> {
        self.deeper(frame)?;
        let base = std::mem::replace(&mut self.run.base, self.variables.len());
        let escape = std::mem::replace(&mut frame.escape, leaf.escape);
        let program = &leaf.unit.unit.program;
        let around = self.variables.open_registers(program.registers);
        if let Some((register, key)) = program.subject
            && let Some(key) = program.keys.get(key as usize)
        {
            self.variables
                .pass_newest(register, key, || leaf.unit.unit.text_of(key));
        }
        self.run(leaf.unit, 0, program.top, frame).map_err(|failure| {
            let place = Self::template_use(here, leaf.template).map(|template| template.place);
            self.called(failure, here, place.unwrap_or_default())
        })?;
        self.variables.close_registers(around);
        self.run.base = base;
        frame.escape = escape;
        frame.depth -= 1;
        Ok(())
    }

    /// Renders a template for the names that it sets.
    pub(super) fn import(
        &mut self,
        here: UnitRef<'r>,
        template: u32,
        target: u32,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        let template = Self::template_use(here, template)?;
        let start = frame.body.len();
        self.variables.open();
        let discards = std::mem::replace(&mut self.run.discards, false);
        if let Some(closure) = self.find(here, template, frame)? {
            self.render(here, closure, template.place, frame)?;
        }
        self.run.discards = discards;
        let output = self.space.text(&frame.body.text_from(start))?;
        frame.body.truncate(start);
        let mut exports: Vec<_> = self
            .variables
            .innermost()
            .filter(|(name, _)| !name.starts_with('_'))
            .collect();
        exports.sort_by_key(|(name, _)| *name);
        frame.budget.steps(exports.len() as u64)?;
        let exports = self.space.slice(&exports)?;
        self.variables.close();
        let module = self.space.put(Module { exports, output })?;
        self.assign(here, target, Val::Module(module), frame)
    }

    /// Renders a template and takes some of the names that it sets.
    pub(super) fn import_names(
        &mut self,
        here: UnitRef<'r>,
        template: u32,
        names: u32,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        let template = Self::template_use(here, template)?;
        let start = frame.body.len();
        self.variables.open();
        let discards = std::mem::replace(&mut self.run.discards, true);
        if let Some(closure) = self.find(here, template, frame)? {
            self.render(here, closure, template.place, frame)?;
        }
        self.run.discards = discards;
        frame.body.truncate(start);
        let imported = here
            .unit
            .program
            .imports
            .get(names as usize)
            .map(|names| &**names)
            .unwrap_or_default();
        let mut values = Vec::with_capacity(imported.len());
        for each in imported {
            let name = here.unit.key(each.name);
            self.scan(usize::MAX, frame)?;
            values.push(self.variables.named(name).unwrap_or(Val::Undefined(name)));
        }
        self.variables.close();
        for (each, value) in imported.iter().zip(values) {
            self.assign(here, each.target, value, frame)?;
        }
        Ok(())
    }

    /// Returns the newest definition of a block from a place of the chain on, with its place.
    fn definition(
        &self,
        name: &str,
        from: usize,
        frame: &mut Frame<'_>,
    ) -> Outcome<Option<(usize, UnitRef<'r>, &'r Block)>> {
        let chain = self.chain.get(self.run.chain..).unwrap_or_default();
        for (level, each) in chain.iter().enumerate().skip(from) {
            let blocks = &each.unit.program.blocks;
            frame.budget.steps((blocks.len() / ENTRIES_PER_STEP) as u64)?;
            if let Some(block) = blocks.iter().find(|block| each.unit.key(block.name) == name) {
                return Ok(Some((level, *each, block)));
            }
        }
        Ok(None)
    }

    /// Renders a block in a scope of its own.
    pub(super) fn block(&mut self, here: UnitRef<'r>, name: &'r str, frame: &mut Frame<'_>) -> Outcome<()> {
        let Some((level, unit, block)) = self.definition(name, 0, frame)? else {
            return Err(Failure::coded("unknown-block", format!("there is no block `{name}`")));
        };
        if block.required && self.definition(name, level + 1, frame)?.is_none() {
            return Err(required_block(name));
        }
        self.run_block(here, (name, level), unit, block, frame)
    }

    /// Renders the definition of the running block that it replaces.
    pub(super) fn super_block(&mut self, here: UnitRef<'r>, frame: &mut Frame<'_>) -> Outcome<()> {
        let Some((name, level)) = self.run.block else {
            return Err(Failure::invalid("`super` belongs into a block"));
        };
        let Some((level, unit, block)) = self.definition(name, level + 1, frame)? else {
            return Err(Failure::invalid(format!(
                "the block `{name}` replaces none, so `super` is nothing"
            )));
        };
        self.run_block(here, (name, level), unit, block, frame)
    }

    fn run_block(
        &mut self,
        here: UnitRef<'r>,
        (name, level): (&'r str, usize),
        unit: UnitRef<'r>,
        block: &'r Block,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        self.deeper(frame)?;
        let run = self.run;
        self.run = Run {
            base: self.variables.len(),
            parent: None,
            block: Some((name, level)),
            escape: frame.escape,
            ..run
        };
        self.variables.open();
        let around = self.variables.open_registers(block.registers);
        self.run(unit, block.start, block.end, frame)
            .map_err(|failure| match std::ptr::eq(here.unit, unit.unit) {
                // A block that stands where it is rendered.
                true => failure,
                false => self.called_block(failure, here, name),
            })?;
        self.variables.close_registers(around);
        self.variables.close();
        self.run = run;
        frame.depth -= 1;
        Ok(())
    }

    /// Adds the place where a block is rendered to a failure in it.
    #[cold]
    fn called_block(&self, failure: Box<Failure>, here: UnitRef<'r>, name: &str) -> Box<Failure> {
        let blocks = here.unit.program.blocks.iter();
        let place = blocks
            .into_iter()
            .find(|block| here.unit.key(block.name) == name)
            .map(|block| block.place);
        match place {
            Some(place) => self.called(failure, here, place),
            None => failure,
        }
    }
}

#[cold]
fn required_block(name: &str) -> Box<Failure> {
    let failure = Failure::coded("required-block", format!("the block `{name}` has to be defined"));
    failure.help(format!(
        "add `{{% block {name} %}}…{{% endblock %}}` to the template that extends this one"
    ))
}

/// The number of names that an unknown one is compared with.
const COMPARISONS_MAX: usize = 1000;
/// The number of unknown names that a message lists.
const LISTED_MAX: usize = 4;

/// Returns the failure of names that no template has.
#[cold]
fn unknown_of(closure: Closure<'_>, names: &[Val<'_>]) -> Box<Failure> {
    let names = || names.iter().filter_map(|name| name.as_str());
    let listed: Vec<String> = names().take(LISTED_MAX).map(shorten).collect();
    let listed = listed.join("`, `");
    let failure = match names().nth(1) {
        None => unknown(&format!("there is no template `{listed}`")),
        Some(_) => {
            let more = if names().nth(LISTED_MAX).is_some() { ", …" } else { "" };
            unknown(&format!("none of these templates exists: `{listed}`{more}"))
        }
    };
    let nearest = names()
        .next()
        .and_then(|name| closure.suggestion(name, COMPARISONS_MAX));
    match nearest {
        Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
        None => {
            failure.help("names are paths below the root of the templates; `ignore missing` prints nothing instead")
        }
    }
}

/// Returns the failure of a template whose last good version is older than the caller.
#[cold]
fn faulty(name: &str) -> Box<Failure> {
    let message = format!("the template `{}` has a fault, or calls one that has", shorten(name));
    let failure = Failure::of(RenderFault::UnknownTemplate, "faulty-template", message);
    failure.help("fix its text first; until then this page is answered by its last version that could be rendered")
}

#[cold]
fn unknown(message: &str) -> Box<Failure> {
    Failure::of(RenderFault::UnknownTemplate, "unknown-template", message)
}
