//! Compilation of a syntax tree to a program: names become slots as far as that is certain, blocks become jumps.

mod branches;
mod expression;
mod fold;
mod macros;
mod names;
mod templates;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::ast::{self, Body, ByteRange, Expr, ExprKind, Statement, StatementKind, Template};
use super::extension::Extensions;
use super::fault::Fault;
use super::lines::Lines;
use super::program::{
    Action, Block, Constant, Imported, Instruction, Key, Loop, MacroDefinition, Operation, Path, Program, Shape,
    Target, TemplateUse,
};
use super::unit::JinjaUnit;
use super::value::LoopField;
use crate::diagnostic::Diagnostic;
use crate::dialect::body::BLOCK_BYTES;
use crate::dialect::{Call, CallKind, FormatterUse, Missing};
use crate::limits::Limits;
use crate::value::KeyWords;
use branches::{Shortcut, is_leaf, subject};
use fold::Folding;
use names::{Names, Registers, Scope};

/// Compiles the tree of a text.
pub(super) fn compile(
    text: &str,
    template: &Template<'_>,
    extensions: &Arc<Extensions>,
    limits: &Limits,
) -> Result<JinjaUnit, Vec<Diagnostic>> {
    let mut compiler = Compiler::new(text, extensions, limits);
    compiler.scopes.push(Scope::template());
    let mut top = template.body.iter();
    let extends = top.find(|statement| matches!(statement.kind, StatementKind::Extends(_)));
    compiler.extends = extends.map(|statement| statement.at);
    compiler.body(&template.body);
    compiler.flush();
    let top = compiler.here();
    let registers = compiler.end_body(0);
    compiler.pending();
    if !compiler.faults.is_empty() {
        compiler.faults.sort_by_key(|fault| fault.at().start);
        let faults = compiler.faults.into_iter().take(limits.source_diagnostics.max(1));
        return Err(faults.map(|fault| fault.diagnostic(text)).collect());
    }
    Ok(compiler.finish(top, registers, Arc::clone(extensions)))
}

/// The compiler of one text.
struct Compiler<'t, 'a> {
    source: &'t str,
    extensions: &'a Extensions,
    folding: Folding,
    lines: Lines<'t>,
    /// The text of the unit: the source, a padding, and strings that are not part of it as they are.
    text: String,
    operations: Vec<Operation>,
    /// The text before the next operation: start and length.
    lead: (u32, u32),
    code: Vec<Instruction>,
    places: Vec<ByteRange>,
    keys: Vec<Key>,
    paths: Vec<Path>,
    constants: Vec<Constant>,
    shapes: Vec<Shape>,
    targets: Vec<Target>,
    loops: Vec<Loop>,
    blocks: Vec<Block>,
    macros: Vec<MacroDefinition>,
    templates: Vec<TemplateUse>,
    imports: Vec<Box<[Imported]>>,
    calls: Vec<Call>,
    /// The name of a template is computed.
    computes_names: bool,
    /// The statement by which the template always extends another one.
    extends: Option<ByteRange>,
    formatters: Vec<FormatterUse>,
    /// The open scopes of the body that is being compiled.
    scopes: Vec<Scope<'t>>,
    registers: Registers<'t>,
    /// The kind of that body.
    within: Within,
    /// The loops around this place, each with the number of scopes and of changes of the escaping inside of it.
    open_loops: Vec<OpenLoop>,
    /// The bodies of blocks and macros that are compiled later.
    later: VecDeque<Later<'t, 'a>>,
    /// The names that the macro being compiled takes from around it.
    free: Names<'t>,
    /// The names that each macro takes or has as a parameter, and those that it takes for macros inside of it.
    known: HashSet<(u32, &'t str)>,
    passed_on: Vec<(u32, u32)>,
    uses_caller: bool,
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Template,
    Block,
    Macro(u32),
}

/// A loop whose body is being compiled.
struct OpenLoop {
    index: u32,
    /// The scopes and escapings that are open inside.
    inside: Vec<Inside>,
    /// The jumps of `continue`.
    continues: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Scope,
    Autoescape,
}

/// A body that is compiled behind the one that it stands in.
enum Later<'t, 'a> {
    Block {
        index: usize,
        body: &'a Body<'t>,
    },
    Macro {
        index: usize,
        definition: &'a ast::Macro<'t>,
        /// The macro in which it is defined.
        around: Option<u32>,
    },
}

impl<'t, 'a> Compiler<'t, 'a> {
    fn new(source: &'t str, extensions: &'a Extensions, limits: &Limits) -> Self {
        let mut text = String::with_capacity(source.len() + BLOCK_BYTES);
        text.push_str(source);
        // Whole blocks can be copied from any position of the source.
        text.extend(std::iter::repeat_n(' ', BLOCK_BYTES));
        Self {
            source,
            extensions,
            folding: Folding::new(limits),
            lines: Lines::new(source),
            text,
            operations: Vec::new(),
            lead: (0, 0),
            code: Vec::new(),
            places: Vec::new(),
            keys: Vec::new(),
            paths: Vec::new(),
            constants: Vec::new(),
            shapes: Vec::new(),
            targets: Vec::new(),
            loops: Vec::new(),
            blocks: Vec::new(),
            macros: Vec::new(),
            templates: Vec::new(),
            imports: Vec::new(),
            calls: Vec::new(),
            computes_names: false,
            extends: None,
            formatters: Vec::new(),
            scopes: Vec::new(),
            registers: Registers::default(),
            within: Within::Template,
            open_loops: Vec::new(),
            later: VecDeque::new(),
            free: Names::default(),
            known: HashSet::new(),
            passed_on: Vec::new(),
            uses_caller: false,
            faults: Vec::new(),
        }
    }

    fn finish(mut self, top: u32, registers: u16, extensions: Arc<Extensions>) -> JinjaUnit {
        self.passed_on.sort_by_key(|(index, _)| *index);
        for names in self.passed_on.chunk_by(|one, other| one.0 == other.0) {
            let index = names.first().map_or(0, |(index, _)| *index as usize);
            if let Some(definition) = self.macros.get_mut(index) {
                let keys = names.iter().map(|(_, key)| *key);
                definition.free = definition.free.iter().copied().chain(keys).collect();
            }
        }
        let is_leaf = is_leaf(&self.operations, &self.code);
        let program = Program {
            is_leaf,
            subject: if is_leaf {
                subject(&self.paths, &self.loops)
            } else {
                None
            },
            operations: self.operations.into(),
            top,
            registers,
            code: self.code.into(),
            places: self.places.into(),
            keys: self.keys.into(),
            paths: self.paths.into(),
            constants: self.constants.into(),
            shapes: self.shapes.into(),
            targets: self.targets.into(),
            loops: self.loops.into(),
            blocks: self.blocks.into(),
            macros: self.macros.into(),
            templates: self.templates.into(),
            imports: self.imports.into(),
        };
        JinjaUnit {
            text: self.text.into(),
            text_bytes: self.source.len(),
            program,
            extensions,
            missing: Missing::Error,
            calls: self.calls.into(),
            computes_names: self.computes_names,
            formatters: self.formatters.into(),
            warnings: std::sync::OnceLock::new(),
            reads: std::sync::OnceLock::new(),
            warnings_max: 0,
        }
    }

    /// Compiles the bodies of blocks and macros, and of those in them.
    fn pending(&mut self) {
        while let Some(later) = self.later.pop_front() {
            let start = self.here();
            match later {
                Later::Block { index, body } => {
                    self.within = Within::Block;
                    self.scopes = vec![Scope::default()];
                    let loops = self.loops.len();
                    self.body(body);
                    self.flush();
                    let end = self.here();
                    let registers = self.end_body(loops);
                    if let Some(block) = self.blocks.get_mut(index) {
                        (block.start, block.end, block.registers) = (start, end, registers);
                    }
                }
                Later::Macro {
                    index,
                    definition,
                    around,
                } => self.macro_body(index, definition, around),
            }
        }
    }

    /// Ends a body, which has the loops from an index on, and returns the number of its registers.
    fn end_body(&mut self, loops: usize) -> u16 {
        let registers = std::mem::take(&mut self.registers).count;
        for each in self.loops.iter_mut().skip(loops) {
            each.registers = registers;
        }
        registers
    }

    /// Returns the position of the next operation.
    fn here(&self) -> u32 {
        small(self.operations.len())
    }

    /// Returns the position of a part of the source: the difference of the addresses.
    fn position(&self, part: &'t str) -> u32 {
        small((part.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize))
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn text(&mut self, part: &'t str) {
        let start = self.position(part);
        let (before, length) = self.lead;
        if length > 0 && before + length == start {
            self.lead.1 += small(part.len());
            return;
        }
        self.flush();
        self.lead = (start, small(part.len()));
    }

    fn push(&mut self, act: Action) -> usize {
        let lead = std::mem::take(&mut self.lead);
        self.operations.push(Operation { lead, act });
        self.operations.len() - 1
    }

    /// Makes an operation of the text before a jump target, so that jumps skip it.
    fn flush(&mut self) {
        if self.lead.1 > 0 {
            self.push(Action::None);
        }
    }

    /// Sets the target of a jump to this position.
    fn patch(&mut self, at: usize) {
        let here = self.here();
        let act = self.operations.get_mut(at).map(|operation| &mut operation.act);
        if let Some(
            Action::Unless { to, .. }
            | Action::UnlessPath { to, .. }
            | Action::UnlessQuick { to, .. }
            | Action::UnlessLoopField { to, .. }
            | Action::Joined { to, .. }
            | Action::Jump(to),
        ) = act
        {
            *to = here;
        }
    }

    fn body(&mut self, body: &'a Body<'t>) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'a Statement<'t>) {
        let at = statement.at;
        match &statement.kind {
            StatementKind::Text(text) => self.text(text),
            StatementKind::Output(value) => self.output(value),
            StatementKind::If { branches, otherwise } => self.conditions(branches, otherwise),
            StatementKind::For(each) => self.for_loop(each),
            StatementKind::Set { target, value } => {
                let value = self.expression(value);
                let target = self.target(target);
                self.push(Action::Set { value, target });
            }
            StatementKind::SetBlock { target, filters, body } => {
                self.push(Action::Capture);
                self.body(body);
                let filters = self.filters(filters);
                let target = self.target(target);
                self.push(Action::SetCaptured { filters, target });
            }
            StatementKind::With { assignments, body } => self.with(assignments, body),
            StatementKind::Filter { filters, body } => {
                self.push(Action::Capture);
                self.body(body);
                let filters = self.filters(filters);
                self.push(Action::PrintCaptured { filters });
            }
            StatementKind::Autoescape { enabled, body } => {
                let enabled = self.expression(enabled);
                self.push(Action::Autoescape(enabled));
                self.inside(Inside::Autoescape, |compiler| compiler.body(body));
                self.push(Action::EndAutoescape);
            }
            StatementKind::Block(block) => {
                let name = self.key(block.name.at);
                self.push(Action::Block(name));
                self.later.push_back(Later::Block {
                    index: self.blocks.len(),
                    body: &block.body,
                });
                self.blocks.push(Block {
                    name,
                    required: block.required,
                    start: 0,
                    end: 0,
                    registers: 0,
                    place: block.name.at,
                });
            }
            StatementKind::Extends(template) => self.extends(template, at),
            StatementKind::Include {
                template,
                ignore_missing,
            } => {
                let kind = match ignore_missing {
                    true => CallKind::Optional,
                    false => CallKind::Required,
                };
                let template = self.template(template, kind);
                self.push(Action::Include { template });
                self.leak();
            }
            StatementKind::Import { template, alias } => {
                let template = self.template(template, CallKind::Required);
                let target = self.name_target(*alias);
                self.push(Action::Import { template, target });
            }
            StatementKind::FromImport { template, names } => {
                let template = self.template(template, CallKind::Required);
                let mut imported = Vec::with_capacity(names.len());
                for each in names {
                    let name = self.key(each.name.at);
                    let target = self.name_target(each.alias.unwrap_or(each.name));
                    imported.push(Imported { name, target });
                }
                let names = small(self.imports.len());
                self.imports.push(imported.into());
                self.push(Action::FromImport { template, names });
            }
            StatementKind::Macro(definition) => {
                let index = self.macro_definition(definition);
                let target = self.name_target(definition.name);
                self.push(Action::Macro { index, target });
            }
            StatementKind::CallBlock { call, caller } => {
                let index = self.macro_definition(caller);
                let code = self.call_with(call, index);
                self.push(Action::Output(code));
            }
            StatementKind::Do(call) => {
                let code = self.expression(call);
                self.push(Action::Do(code));
            }
            StatementKind::Break => self.leave(true),
            StatementKind::Continue => self.leave(false),
        }
    }

    /// Compiles something that is closed behind it, also by a `break` in it.
    fn inside(&mut self, what: Inside, compile: impl FnOnce(&mut Self)) {
        if let Some(open) = self.open_loops.last_mut() {
            open.inside.push(what);
        }
        compile(self);
        if let Some(open) = self.open_loops.last_mut() {
            open.inside.pop();
        }
    }

    fn output(&mut self, value: &'a Expr<'t>) {
        if parts(value).is_none() {
            return self.output_of_part(value);
        }
        // The parts are compiled once more below, and so are their faults.
        let faults = self.faults.len();
        let code = self.expression(value);
        self.faults.truncate(faults);
        let joined = self.push(Action::Joined { code, to: 0 });
        self.output_of_part(value);
        self.patch(joined);
    }

    fn output_of_part(&mut self, value: &'a Expr<'t>) {
        if let Some((first, rest)) = parts(value) {
            // Printing the parts one after the other gives the same text, without joining them first.
            self.output_of_part(first);
            rest.iter().for_each(|(_, value)| self.output_of_part(value));
            return;
        }
        let act = match self.path(value) {
            Some(path) => match self.shortcut(path) {
                Shortcut::Quick(register, attribute) => Action::Quick {
                    register,
                    attribute,
                    path,
                },
                Shortcut::LoopField(up, field) => Action::LoopField { up, field, path },
                Shortcut::None => Action::Path(path),
            },
            None => Action::Output(self.expression(value)),
        };
        self.push(act);
    }

    fn with(&mut self, assignments: &'a [(ast::Target<'t>, Expr<'t>)], body: &'a Body<'t>) {
        self.push(Action::Open);
        self.scopes.push(Scope::default());
        self.inside(Inside::Scope, |compiler| {
            for (target, value) in assignments {
                let value = compiler.expression(value);
                let target = compiler.target(target);
                compiler.push(Action::Set { value, target });
            }
            compiler.body(body);
        });
        self.scopes.pop();
        self.push(Action::Close);
    }

    fn extends(&mut self, template: &'a Expr<'t>, at: ByteRange) {
        if self.within != Within::Template || self.scopes.len() > 1 {
            let fault = Fault::new("extends-place", at, "`extends` stands at the top level of a template");
            self.fault(fault.help("put it at the beginning of the text"));
            return;
        }
        let kind = match self.extends == Some(at) {
            true => CallKind::Extends,
            // In a branch that may not be taken.
            false => CallKind::Required,
        };
        let template = self.template(template, kind);
        self.push(Action::Extends { template });
    }

    /// Adds a name or attribute that stands in the text.
    fn key(&mut self, at: ByteRange) -> u32 {
        let range = at.range();
        let words = KeyWords::of(&self.source.as_bytes()[range.clone()]);
        self.keys.push(Key {
            start: at.start,
            length: small(range.len()),
            words,
            hint: AtomicU32::new(0),
            of_loop: None,
        });
        small(self.keys.len() - 1)
    }

    /// Notes the meaning that a key has as an attribute of a loop.
    fn key_of_loop(&mut self, key: u32) {
        if let Some(key) = self.keys.get_mut(key as usize) {
            let name = self.source.get(key.range()).unwrap_or_default();
            key.of_loop = LoopField::named(name);
        }
    }

    /// Adds a name that does not stand in the text as it is.
    fn key_of(&mut self, name: &str) -> u32 {
        let (start, length) = self.stored(name);
        self.keys.push(Key {
            start,
            length,
            words: KeyWords::of(name.as_bytes()),
            hint: AtomicU32::new(0),
            of_loop: None,
        });
        small(self.keys.len() - 1)
    }

    /// Stores a text behind the source, and returns its start and length.
    fn stored(&mut self, text: &str) -> (u32, u32) {
        let start = small(self.text.len());
        self.text.push_str(text);
        (start, small(text.len()))
    }
}

/// Converts a position in a text or in its program. The parser rejects longer texts.
/// Returns the parts of an expression that joins texts.
fn parts<'e, 't>(value: &'e Expr<'t>) -> Option<(&'e Expr<'t>, &'e [(ast::Operator, Expr<'t>)])> {
    match &value.kind {
        ExprKind::Binary(first, rest) if rest.iter().all(|(operator, _)| *operator == ast::Operator::Concat) => {
            Some((first.as_ref(), rest.as_slice()))
        }
        _ => None,
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
