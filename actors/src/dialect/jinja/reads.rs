//! The paths that a text reads: a walk over its syntax tree with the variables that are set around each place.
//!
//! Values that filters, operators and calls make are unknown, and reads from an unknown value are left out: this analysis may miss a read,
//! and does not report one that does not happen. Reads that begin at a parameter of a macro are kept apart (`macros`), because each call passes
//! its own value. It is called for texts with a schema only, so it parses the text again.

mod macros;
mod presence;

use std::collections::BTreeMap;

use super::ast::{
    Argument, Body, Comparison, Expr, ExprKind, FilterCall, For, Literal, Macro, Postfix, PostfixKind, Statement,
    StatementKind, Target,
};
use super::functions::Function;
use super::lines::Lines;
use super::parser::parse;
use super::unit::JinjaUnit;
use crate::dialect::Missing;
use crate::dialect::reads::{BlockOfReads, Origin, Passed, Read, Reads};
use crate::limits::Limits;
use macros::Callable;

/// Filters whose result has the items of the value.
const KEEP_ITEMS: [&str; 9] = [
    "sort",
    "reverse",
    "unique",
    "list",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "safe",
];
/// Variables and tested paths around one place, and variables of all calls. A text with more is not analysed, because its cost would grow with
/// the square of its length.
const VARIABLES_MAX: usize = 500;
const PASSED_MAX: usize = 500_000;
/// Names that stand for no value of the context.
const RESERVED: [&str; 5] = ["loop", "self", "super", "caller", "varargs"];

/// Returns the reads of a text.
pub(super) fn reads(unit: &JinjaUnit) -> Reads {
    // The text was within the limits when it was accepted, whatever they were.
    let limits = Limits {
        source_bytes: usize::MAX,
        source_tags: usize::MAX,
        source_nesting: usize::MAX,
        ..Limits::default()
    };
    let text = unit.source();
    let Ok(template) = parse(text, &limits) else {
        return Reads {
            is_incomplete: true,
            ..Reads::NONE
        };
    };
    let mut walk = Walk {
        lines: Lines::new(text),
        lenient: unit.missing == Missing::Lenient,
        reads: Reads::default(),
        variables: Vec::new(),
        present: Vec::new(),
        block: None,
        in_macro: None,
        next_call: 0,
        variables_passed: 0,
        is_too_large: false,
        callables: Vec::new(),
        bound: BTreeMap::new(),
        macro_number: None,
        conditions: 0,
        is_left: false,
    };
    walk.body(&template.body);
    walk.finish_macros(&template.body);
    match walk.is_too_large {
        true => Reads {
            is_incomplete: true,
            ..Reads::NONE
        },
        false => walk.reads,
    }
}

/// A path that was tested for presence: the value at which it begins, and its steps.
type PresentPath = (Origin, Vec<Box<str>>);

struct Walk<'u> {
    lines: Lines<'u>,
    lenient: bool,
    reads: Reads,
    /// The variables, the innermost last.
    variables: Vec<(Box<str>, Origin)>,
    /// The paths that are present here, because a condition around this place tests them.
    present: Vec<PresentPath>,
    block: Option<u32>,
    /// The innermost macro.
    in_macro: Option<Box<str>>,
    /// The number of the next call of another template, in the order of the text.
    next_call: usize,
    variables_passed: usize,
    is_too_large: bool,
    /// The variables that are macros or imported templates, by their places among the variables.
    callables: Vec<(usize, Callable)>,
    /// The number of times that each name is bound to a value anywhere in the text.
    bound: BTreeMap<Box<str>, usize>,
    /// The number of the innermost macro.
    macro_number: Option<u32>,
    /// The conditions around this place in the innermost macro. A macro decides by its arguments what it reads from them, so what a condition
    /// guards is open there.
    conditions: usize,
    /// True behind a `break` or `continue` in the innermost macro.
    is_left: bool,
}

impl<'t> Walk<'_> {
    fn body(&mut self, body: &Body<'t>) {
        for statement in body {
            let many = self.variables.len().max(self.present.len());
            self.is_too_large |= many > VARIABLES_MAX || self.variables_passed > PASSED_MAX;
            if self.is_too_large {
                return;
            }
            self.statement(statement);
        }
    }

    /// Walks a body whose variables end with it.
    fn scope(&mut self, body: &Body<'t>) {
        let before = self.variables.len();
        self.body(body);
        self.variables.truncate(before);
    }

    /// Walks something that a condition guards.
    fn guarded<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.conditions += 1;
        let walked = walk(self);
        self.conditions -= 1;
        walked
    }

    /// Walks a body that may not run, and adds the variables that it sets.
    fn branch(&mut self, body: &Body<'t>, assigned: &mut Vec<(Box<str>, Origin)>) {
        let before = self.variables.len();
        self.guarded(|walk| walk.body(body));
        let set = self.variables.drain(before..);
        assigned.extend(set.map(|(name, _)| (name, Origin::Unknown)));
    }

    /// Sets a variable.
    fn variable(&mut self, name: &str, value: Origin) {
        self.reads.assigned.insert(name.into());
        *self.bound.entry(name.into()).or_default() += 1;
        self.forget_callables();
        self.variables.push((name.into(), value));
    }

    fn statement(&mut self, statement: &Statement<'t>) {
        match &statement.kind {
            StatementKind::Text(_) => {}
            // Whether the rest of the macro runs depends on a condition.
            StatementKind::Break | StatementKind::Continue => self.is_left |= self.macro_number.is_some(),
            StatementKind::Output(value) | StatementKind::Do(value) => _ = self.value(value),
            StatementKind::If { branches, otherwise } => {
                let before = self.present.len();
                let mut assigned = Vec::new();
                for (number, branch) in branches.iter().enumerate() {
                    match number {
                        0 => self.value(&branch.condition),
                        _ => self.guarded(|walk| walk.value(&branch.condition)),
                    };
                    let tested = self.present.len();
                    self.tested(&branch.condition, true);
                    self.branch(&branch.body, &mut assigned);
                    self.present.truncate(tested);
                    // The next branch runs only if this condition does not hold.
                    self.tested(&branch.condition, false);
                }
                self.branch(otherwise, &mut assigned);
                self.present.truncate(before);
                // Which branch runs is not known, and so neither is which value a variable has afterwards.
                self.forget_callables();
                self.variables.append(&mut assigned);
            }
            StatementKind::For(parts) => self.each(parts),
            StatementKind::Set { target, value } => {
                self.assign(target, value);
            }
            StatementKind::SetBlock { target, filters, body } => {
                self.scope(body);
                self.filters(filters);
                self.bind(target, Origin::Unknown);
            }
            StatementKind::With { assignments, body } => {
                let before = self.variables.len();
                for (target, value) in assignments {
                    self.assign(target, value);
                }
                self.body(body);
                self.variables.truncate(before);
            }
            StatementKind::Filter { filters, body } => {
                self.filters(filters);
                self.scope(body);
            }
            StatementKind::Autoescape { enabled, body } => {
                self.value(enabled);
                self.scope(body);
            }
            StatementKind::Block(block) => {
                let number = u32::try_from(self.reads.blocks.len()).unwrap_or(u32::MAX);
                self.reads.blocks.push(BlockOfReads {
                    name: block.name.text.into(),
                    prints_parent: false,
                });
                let around = self.block.replace(number);
                self.scope(&block.body);
                self.block = around;
            }
            StatementKind::Extends(template) => {
                self.reads.extends = Some(self.next_call);
                self.call(template);
            }
            StatementKind::Include { template, .. } => self.call(template),
            StatementKind::Import { template, alias } => {
                let module = self.module(template);
                self.variable(alias.text, Origin::Unknown);
                self.callable(module.map(Callable::Module));
            }
            StatementKind::FromImport { template, names } => {
                let module = self.module(template);
                for name in names {
                    self.uses(name.name.text);
                    let alias = name.alias.unwrap_or(name.name);
                    self.variable(alias.text, Origin::Unknown);
                    self.callable(module.map(|call| Callable::Imported(call, name.name.text.into())));
                }
            }
            StatementKind::Macro(parts) => {
                let number = self.new_macro(parts);
                self.variable(parts.name.text, Origin::Unknown);
                self.callable(Some(Callable::Local(number)));
                let around = self.in_macro.replace(parts.name.text.into());
                self.definition(parts, number);
                self.in_macro = around;
            }
            StatementKind::CallBlock { call, caller } => {
                self.value(call);
                let number = self.new_macro(caller);
                self.definition(caller, number);
            }
        }
    }

    fn each(&mut self, parts: &For<'t>) {
        let over = match self.value(&parts.iterable) {
            // The items of a parameter are those of a read without steps.
            parameter @ Origin::Parameter { .. } => self.add_read(parameter, Vec::new(), parts.iterable.at, true),
            over => over,
        };
        let item = match over {
            // A recursive loop also runs over what it passes to itself.
            Origin::Read(number) if !parts.recursive => Origin::Item(number),
            _ => Origin::Unknown,
        };
        let before = self.variables.len();
        self.bind(&parts.target, item);
        self.forget_callables();
        self.variables.push(("loop".into(), Origin::Unknown));
        let present = self.present.len();
        if let Some(condition) = &parts.condition {
            self.value(condition);
            self.tested(condition, true);
        }
        match parts.condition {
            Some(_) => self.guarded(|walk| walk.body(&parts.body)),
            None => self.body(&parts.body),
        }
        self.present.truncate(present);
        self.variables.truncate(before);
        self.guarded(|walk| walk.scope(&parts.otherwise));
    }

    /// Walks a macro. The values of its parameters are those of each call.
    fn definition(&mut self, parts: &Macro<'t>, of: u32) {
        let before = self.variables.len();
        let around = self.macro_number.replace(of);
        let (conditions, is_left) = (std::mem::take(&mut self.conditions), std::mem::take(&mut self.is_left));
        for (number, parameter) in (0..).zip(&parts.parameters) {
            // It is not evaluated if the call has this argument.
            if let Some(default) = &parameter.default {
                self.guarded(|walk| walk.value(default));
            }
            self.variable(parameter.name.text, Origin::Parameter { of, number });
        }
        self.body(&parts.body);
        self.macro_number = around;
        (self.conditions, self.is_left) = (conditions, is_left);
        self.variables.truncate(before);
    }

    /// Walks the value of an assignment, and sets the variables of its target. `a, b = x, y` assigns each by itself.
    fn assign(&mut self, target: &Target<'t>, value: &Expr<'t>) {
        match (target, &value.kind) {
            (Target::Tuple { items, .. }, ExprKind::Tuple(values)) if items.len() == values.len() => {
                let values: Vec<Origin> = values.iter().map(|value| self.value(value)).collect();
                items
                    .iter()
                    .zip(values)
                    .for_each(|(item, value)| self.bind(item, value));
            }
            _ => {
                let value = self.value(value);
                self.bind(target, value);
            }
        }
    }

    /// Sets the variables of a target.
    fn bind(&mut self, target: &Target<'t>, value: Origin) {
        match target {
            Target::Name(name) => self.variable(name.text, value),
            Target::Attribute { .. } => {}
            Target::Tuple { items, .. } => items.iter().for_each(|item| self.bind(item, Origin::Unknown)),
        }
    }

    /// Adds the call of a template that runs in the scope of this place. The names in its expression are calls in their order.
    fn call(&mut self, template: &Expr<'t>) {
        let first = self.next_call;
        self.imported(template);
        for call in first..self.next_call {
            self.variables_passed += self.variables.len();
            if self.variables_passed > PASSED_MAX {
                return;
            }
            self.reads.passed.push(Passed {
                call,
                context: None,
                variables: self.variables.clone(),
                block: self.block,
                in_macro: self.in_macro.clone(),
            });
        }
    }

    /// Counts the names of templates in an expression, and walks its conditions.
    fn imported(&mut self, template: &Expr<'t>) {
        match &template.kind {
            ExprKind::Literal(Literal::Str(_)) => self.next_call += 1,
            ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().for_each(|item| self.imported(item)),
            ExprKind::Conditional { arms, otherwise } => {
                for arm in arms {
                    self.imported(&arm.value);
                    self.value(&arm.condition);
                }
                otherwise.iter().for_each(|otherwise| self.imported(otherwise));
            }
            _ => {
                self.value(template);
                self.reads.calls_unknown = true;
            }
        }
    }

    /// Returns where a name begins: a variable, or the context and the name as the first step.
    fn start(&self, name: &str) -> Option<PresentPath> {
        let variable = self.variables.iter().rev().find(|(known, _)| **known == *name);
        match variable {
            // A macro in a macro may be called after the one around it has ended, or never.
            Some((_, origin)) if self.macro_of(*origin).is_some_and(|of| self.macro_number != Some(of)) => {
                Some((Origin::Unknown, Vec::new()))
            }
            Some((_, origin)) => Some((*origin, Vec::new())),
            None if RESERVED.contains(&name) || Function::named(name).is_some() => None,
            None => Some((Origin::Context, vec![name.into()])),
        }
    }

    /// Walks an expression, and returns its value.
    fn value(&mut self, expr: &Expr<'t>) -> Origin {
        match &expr.kind {
            ExprKind::Literal(_) => {}
            ExprKind::Name(_) => return self.chain(expr, &[]),
            ExprKind::Postfix(base, operations) => return self.chain(base, operations),
            ExprKind::List(items) | ExprKind::Tuple(items) => {
                items.iter().for_each(|item| _ = self.value(item));
            }
            ExprKind::And(items) | ExprKind::Or(items) => {
                let before = self.present.len();
                let goes_on = matches!(expr.kind, ExprKind::And(_));
                for (number, item) in items.iter().enumerate() {
                    match number {
                        0 => self.value(item),
                        _ => self.guarded(|walk| walk.value(item)),
                    };
                    self.tested(item, goes_on);
                }
                self.present.truncate(before);
            }
            ExprKind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                self.value(key);
                self.value(value);
            }),
            ExprKind::Not(inner) | ExprKind::Negate(inner) => _ = self.value(inner),
            ExprKind::Compare(first, rest) => {
                if let (ExprKind::Literal(Literal::Str(key)), [(Comparison::In | Comparison::NotIn, _)]) =
                    (&first.kind, &rest[..])
                {
                    self.reads.tested.insert((&**key).into());
                }
                self.value(first);
                rest.iter().for_each(|(_, operand)| _ = self.value(operand));
            }
            ExprKind::Binary(first, rest) => {
                self.value(first);
                rest.iter().for_each(|(_, operand)| _ = self.value(operand));
            }
            ExprKind::Conditional { arms, otherwise } => {
                let before = self.present.len();
                for (number, arm) in arms.iter().enumerate() {
                    match number {
                        0 => self.value(&arm.condition),
                        _ => self.guarded(|walk| walk.value(&arm.condition)),
                    };
                    let tested = self.present.len();
                    self.tested(&arm.condition, true);
                    self.guarded(|walk| walk.value(&arm.value));
                    self.present.truncate(tested);
                    self.tested(&arm.condition, false);
                }
                if let Some(otherwise) = otherwise {
                    self.guarded(|walk| walk.value(otherwise));
                }
                self.present.truncate(before);
            }
        }
        Origin::Unknown
    }

    /// Walks a chain of attributes, items, calls, filters and tests.
    fn chain(&mut self, base: &Expr<'t>, operations: &[Postfix<'t>]) -> Origin {
        let mut path = None;
        match base.kind {
            ExprKind::Name("super") => {
                let block = self.block.and_then(|block| self.reads.blocks.get_mut(block as usize));
                block.into_iter().for_each(|block| block.prints_parent = true);
            }
            ExprKind::Name(name) => {
                self.uses(name);
                path = self.start(name);
            }
            _ => _ = self.value(base),
        }
        self.presence_tests(base, operations);
        let mut end = base.at;
        let mut rest = operations.iter();
        let mut next = rest.next();
        while let (Some((_, steps)), Some(operation)) = (&mut path, next) {
            let Some(step) = step_of(&operation.kind) else { break };
            // A function or a method is no value of the context.
            let is_called = matches!(
                rest.as_slice().first().map(|next| &next.kind),
                Some(PostfixKind::Call(_))
            );
            if is_called {
                break;
            }
            steps.push(step);
            end = operation.at;
            next = rest.next();
        }
        let is_optional = next.is_some_and(|operation| match &operation.kind {
            PostfixKind::Filter(call) => matches!(call.name.text, "default" | "d"),
            PostfixKind::Test(test) => matches!(test.name.text, "defined" | "undefined"),
            _ => false,
        });
        let is_function = matches!(next.map(|operation| &operation.kind), Some(PostfixKind::Call(_)));
        let mut value = match path.filter(|_| !is_function) {
            Some((from, steps)) => self.read(from, steps, base.at.to(end), is_optional),
            None => Origin::Unknown,
        };
        let callee = self.callee(base, operations);
        for operation in next.into_iter().chain(rest) {
            let callee = callee.as_ref().filter(|(_, call)| std::ptr::eq(*call, operation));
            value = match &operation.kind {
                PostfixKind::Filter(call) => {
                    self.arguments(&call.arguments);
                    match KEEP_ITEMS.contains(&call.name.text) {
                        true => value,
                        false => Origin::Unknown,
                    }
                }
                PostfixKind::Call(arguments) => {
                    match callee {
                        Some((callee, _)) => self.macro_call(callee.clone(), arguments, base.at.to(operation.at)),
                        None => self.arguments(arguments),
                    }
                    Origin::Unknown
                }
                PostfixKind::Test(test) => {
                    self.arguments(&test.arguments);
                    Origin::Unknown
                }
                PostfixKind::Item(index) => {
                    self.value(index);
                    Origin::Unknown
                }
                PostfixKind::Slice(slice) => {
                    let parts = [&slice.start, &slice.stop, &slice.step];
                    parts.into_iter().flatten().for_each(|part| _ = self.value(part));
                    value
                }
                PostfixKind::Attribute(_) => Origin::Unknown,
            };
        }
        value
    }

    /// Returns true if a condition in the innermost macro decides whether this place is reached.
    fn is_guarded(&self) -> bool {
        self.conditions > 0 || self.is_left
    }

    /// Notes the use of a name.
    fn uses(&mut self, name: &str) {
        // The use of a macro in itself does not call it.
        if self.in_macro.as_deref() != Some(name) {
            self.reads.uses.insert((self.in_macro.clone(), name.into()));
        }
    }

    /// Adds a read, and returns its value.
    fn read(&mut self, from: Origin, steps: Vec<Box<str>>, at: super::ast::ByteRange, optional: bool) -> Origin {
        if steps.is_empty() || from == Origin::Unknown {
            return from;
        }
        let is_present = |(origin, tested): &PresentPath| *origin == from && steps.starts_with(tested);
        let is_guarded = self.macro_of(from).is_some() && self.is_guarded();
        let optional = optional || self.lenient || is_guarded || self.present.iter().any(is_present);
        self.add_read(from, steps, at, optional)
    }

    fn add_read(&mut self, from: Origin, steps: Vec<Box<str>>, at: super::ast::ByteRange, optional: bool) -> Origin {
        let number = u32::try_from(self.reads.reads.len()).unwrap_or(u32::MAX);
        self.reads.reads.push(Read {
            of_macro: self.macro_of(from),
            from,
            span: self.lines.span(at),
            steps,
            optional,
            block: self.block,
            in_macro: self.in_macro.clone(),
        });
        Origin::Read(number)
    }

    fn filters(&mut self, filters: &[FilterCall<'t>]) {
        filters.iter().for_each(|filter| self.arguments(&filter.arguments));
    }

    fn arguments(&mut self, arguments: &[Argument<'t>]) {
        for argument in arguments {
            let (Argument::Positional(value)
            | Argument::Named(_, value)
            | Argument::Spread(value)
            | Argument::SpreadNamed(value)) = argument;
            self.value(value);
        }
    }
}

/// Returns the step of an attribute, or of an item whose key is written out.
fn step_of(kind: &PostfixKind<'_>) -> Option<Box<str>> {
    match kind {
        PostfixKind::Attribute(name) => Some(name.text.into()),
        PostfixKind::Item(index) => match &index.kind {
            ExprKind::Literal(Literal::Str(key)) => Some((&**key).into()),
            ExprKind::Literal(Literal::Int(number)) => Some(number.to_string().into()),
            _ => None,
        },
        _ => None,
    }
}
