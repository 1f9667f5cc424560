//! Compares the paths that a closure reads with the schema of its context.
//!
//! The check follows calls from the entry on, with the shape of the context that each passes, as a render would do. A template that is
//! called twice with the same shapes is checked once.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::EntryFindings;
use super::shape::{Shape, Step};
use crate::diagnostic::{CallSite, Diagnostic};
use crate::dialect::Closure;
use crate::dialect::reads::{MacroCall, MacroCallee, Origin, Read, Reads};
use crate::limits::Limits;
use crate::suggestion::suggestion;
use crate::template::TemplateName;

/// Findings of one entry. More would not help its author.
const FINDINGS_MAX: usize = 20;
/// Reads that are followed for one entry. A closure that reads more is checked in part.
const READS_MAX: usize = 200_000;
/// Names that a help text lists.
const LISTED_MAX: usize = 12;

/// Checks a closure against the schema of its context.
pub(super) fn check(closure: Closure<'_>, schema: &Value, limits: &Limits, findings: &mut EntryFindings) {
    let Some(names) = Names::of(closure) else { return };
    let mut check = Check {
        names,
        entry: &closure.top().name,
        unknown: Shape::unknown(schema),
        seen: HashSet::new(),
        seen_macros: HashSet::new(),
        calls: Vec::new(),
        depth_max: (limits.call_depth as usize).min(64),
        reads_left: READS_MAX,
        findings,
    };
    let scope = Scope {
        context: Shape::of(schema),
        variables: Vec::new(),
        replaced: Vec::new(),
        arguments: None,
    };
    check.template(closure, &scope);
}

/// The values that a template sees.
#[derive(Clone)]
struct Scope<'s> {
    context: Shape<'s>,
    /// The variables of the templates around it, the innermost last.
    variables: Vec<(Box<str>, Shape<'s>)>,
    /// The blocks that a descendant replaces without printing them.
    replaced: Vec<Box<str>>,
    /// The macro whose call is followed, by its number, and the values of its parameters.
    arguments: Option<(u32, Vec<Shape<'s>>)>,
}

/// The place of a template with a scope, by which a repeated check is recognized.
type Seen = (usize, Vec<usize>, Vec<(Box<str>, Vec<usize>)>, Vec<Box<str>>);

/// The names of a closure that matter to reads in all its templates. A render decides which template sets or tests them before another reads
/// them, which this check does not follow: it does not report a fault that may not happen.
#[derive(Default)]
struct Names {
    /// The variables that a template sets.
    assigned: BTreeSet<Box<str>>,
    /// The fields that a template tests for presence.
    tested: BTreeSet<Box<str>>,
    /// The names that are used outside of macros, or in macros that are used.
    used: BTreeSet<Box<str>>,
    /// True if a template may set any variable, because its name is known to a render only.
    calls_unknown: bool,
}

impl Names {
    /// Returns the names of a closure; `None` if a template of it is too large to be analysed.
    fn of(closure: Closure<'_>) -> Option<Self> {
        let mut names = Self::default();
        let mut uses = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut next = vec![closure];
        while let Some(closure) = next.pop() {
            let top = closure.top();
            if !seen.insert(std::ptr::from_ref(top) as usize) {
                continue;
            }
            let reads = top.unit.reads();
            if reads.is_incomplete {
                return None;
            }
            names.assigned.extend(reads.assigned.iter().cloned());
            names.tested.extend(reads.tested.iter().cloned());
            names.calls_unknown |= reads.calls_unknown;
            uses.extend(reads.uses.iter().cloned());
            next.extend((0..top.unit.calls().len()).filter_map(|call| closure.callee(call)));
        }
        let mut users = vec![None];
        while let Some(user) = users.pop() {
            let from = (user.clone(), Box::default());
            for (_, name) in uses.range(from..).take_while(|(by, _)| *by == user) {
                if names.used.insert(name.clone()) {
                    users.push(Some(name.clone()));
                }
            }
        }
        Some(names)
    }
}

struct Check<'s, 'f> {
    names: Names,
    entry: &'s TemplateName,
    unknown: Shape<'s>,
    seen: HashSet<Seen>,
    /// The macros that were followed, each with the place of its template and its arguments.
    seen_macros: HashSet<(usize, u32, Vec<Vec<usize>>)>,
    /// The calls that lead to the present template, the nearest last.
    calls: Vec<CallSite>,
    depth_max: usize,
    reads_left: usize,
    findings: &'f mut EntryFindings,
}

impl<'s> Check<'s, '_> {
    fn template(&mut self, closure: Closure<'_>, scope: &Scope<'s>) {
        let top = closure.top();
        let variables = scope.variables.iter().map(|(name, shape)| (name.clone(), shape.key()));
        let seen = (
            std::ptr::from_ref(top) as usize,
            scope.context.key(),
            variables.collect(),
            scope.replaced.clone(),
        );
        if self.calls.len() >= self.depth_max || self.reads_left == 0 || !self.seen.insert(seen) {
            return;
        }
        self.reads_left -= 1;
        let reads = top.unit.reads();
        let names = &self.names;
        let runs = |block: Option<u32>, in_macro: &Option<Box<str>>| {
            let block = block.and_then(|block| reads.blocks.get(block as usize));
            let is_replaced = block.is_some_and(|block| scope.replaced.contains(&block.name));
            !is_replaced && in_macro.as_ref().is_none_or(|name| names.used.contains(name))
        };
        let read_runs: Vec<bool> = reads
            .reads
            .iter()
            .map(|read| runs(read.block, &read.in_macro))
            .collect();
        let call_runs: Vec<bool> = reads
            .passed
            .iter()
            .map(|passed| runs(passed.block, &passed.in_macro))
            .collect();
        let macro_runs = reads.macro_calls.iter().map(|call| runs(call.block, &call.in_macro));
        let macro_runs: Vec<bool> = macro_runs.collect();
        let mut shapes: Vec<Shape<'s>> = Vec::with_capacity(reads.reads.len());
        for (read, runs) in reads.reads.iter().zip(read_runs) {
            if self.reads_left == 0 || self.findings.violations.len() >= FINDINGS_MAX {
                return;
            }
            self.reads_left -= 1;
            let shape = match runs {
                true => self.read(closure, read, scope, &shapes),
                false => self.unknown.clone(),
            };
            shapes.push(shape);
        }
        for (passed, runs) in reads.passed.iter().zip(call_runs) {
            let Some(callee) = closure.callee(passed.call).filter(|_| runs) else {
                continue;
            };
            let mut inside = match passed.context {
                Some(origin) => Scope {
                    context: self.origin(origin, scope, &shapes),
                    variables: Vec::new(),
                    replaced: Vec::new(),
                    arguments: None,
                },
                None => scope.clone(),
            };
            for (name, origin) in &passed.variables {
                inside
                    .variables
                    .push((name.clone(), self.origin(*origin, scope, &shapes)));
            }
            inside.replaced = match reads.extends == Some(passed.call) {
                true => replaced(reads, &scope.replaced),
                false => Vec::new(),
            };
            let Some(call) = top.unit.calls().get(passed.call) else {
                continue;
            };
            self.calls.push(CallSite {
                template: top.name.clone(),
                span: call.span,
            });
            self.template(callee, &inside);
            self.calls.pop();
        }
        for (call, _) in reads.macro_calls.iter().zip(macro_runs).filter(|(_, runs)| *runs) {
            self.macro_call(closure, call, scope, &shapes);
        }
    }

    /// Follows the call of a macro, with the shapes of its arguments.
    fn macro_call(&mut self, closure: Closure<'_>, call: &MacroCall, scope: &Scope<'s>, shapes: &[Shape<'s>]) {
        let callee = match &call.callee {
            MacroCallee::Local(number) => Some((closure, *number)),
            MacroCallee::Imported { call, name } => closure.callee(*call).and_then(|imported| {
                let macros = imported.top().unit.reads().macros.iter();
                let mut named = (0..)
                    .zip(macros)
                    .filter(|(_, each)| each.name == *name && each.is_exported);
                Some((imported, named.next()?.0))
            }),
        };
        let Some((target, number)) = callee else { return };
        let Some(definition) = target.top().unit.reads().macros.get(number as usize) else {
            return;
        };
        let arguments = definition.parameters.iter().enumerate().map(|(at, name)| {
            let named = call.named.iter().find(|(given, _)| given == name);
            let origin = call.positional.get(at).or(named.map(|(_, origin)| origin));
            origin.map_or_else(|| self.unknown.clone(), |origin| self.origin(*origin, scope, shapes))
        });
        let arguments: Vec<Shape<'s>> = arguments.collect();
        if arguments.iter().all(|argument| *argument == self.unknown) {
            return;
        }
        self.calls.push(CallSite {
            template: closure.top().name.clone(),
            span: call.span,
        });
        self.macro_body(target, number, arguments);
        self.calls.pop();
    }

    /// Follows what a macro reads from its parameters. Everything else in it is followed with its template, or is open.
    fn macro_body(&mut self, closure: Closure<'_>, number: u32, arguments: Vec<Shape<'s>>) {
        let top = closure.top();
        let keys = arguments.iter().map(Shape::key).collect();
        let seen = (std::ptr::from_ref(top) as usize, number, keys);
        if self.calls.len() >= self.depth_max || self.reads_left == 0 || !self.seen_macros.insert(seen) {
            return;
        }
        let reads = top.unit.reads();
        let scope = Scope {
            context: self.unknown.clone(),
            variables: Vec::new(),
            replaced: Vec::new(),
            arguments: Some((number, arguments)),
        };
        let mut shapes: Vec<Shape<'s>> = Vec::with_capacity(reads.reads.len());
        for read in &reads.reads {
            if self.reads_left == 0 || self.findings.violations.len() >= FINDINGS_MAX {
                return;
            }
            self.reads_left -= 1;
            let shape = match read.of_macro == Some(number) {
                true => self.read(closure, read, &scope, &shapes),
                false => self.unknown.clone(),
            };
            shapes.push(shape);
        }
        for call in reads.macro_calls.iter().filter(|call| call.in_number == Some(number)) {
            self.macro_call(closure, call, &scope, &shapes);
        }
    }

    fn origin(&self, origin: Origin, scope: &Scope<'s>, shapes: &[Shape<'s>]) -> Shape<'s> {
        let of = |number: u32| shapes.get(number as usize).unwrap_or(&self.unknown);
        match origin {
            Origin::Context => scope.context.clone(),
            Origin::Read(number) => of(number).clone(),
            Origin::Item(number) => of(number).items(),
            Origin::Parameter { of, number } => match &scope.arguments {
                Some((called, arguments)) if *called == of => {
                    arguments.get(number as usize).unwrap_or(&self.unknown).clone()
                }
                _ => self.unknown.clone(),
            },
            Origin::Unknown => self.unknown.clone(),
        }
    }

    /// Follows a read, and returns the shape of its value.
    fn read(&mut self, closure: Closure<'_>, read: &Read, scope: &Scope<'s>, shapes: &[Shape<'s>]) -> Shape<'s> {
        let mut shape = self.origin(read.from, scope, shapes);
        let mut steps = &read.steps[..];
        if let (Origin::Context, [first, rest @ ..]) = (read.from, steps) {
            let variable = scope.variables.iter().rev().find(|(name, _)| name == first);
            if let Some((_, value)) = variable {
                shape = value.clone();
                steps = rest;
            } else if self.names.assigned.contains(first) {
                return self.unknown.clone();
            }
        }
        let mut absent = None;
        for (number, step) in steps.iter().enumerate() {
            shape = match shape.step(step) {
                Step::Found { shape, may_be_absent } => {
                    if may_be_absent {
                        absent = absent.or(Some(&**step));
                    }
                    shape
                }
                Step::Missing(known) => {
                    let is_variable = read.from == Origin::Context && number == 0 && steps.len() == read.steps.len();
                    let may_exist = self.names.tested.contains(step) || (is_variable && self.names.calls_unknown);
                    if may_exist && !read.optional {
                        let help = "the schema does not have it: test it here too, or add it to the schema";
                        self.may_be_absent(step, help, closure, read);
                    } else if !read.optional {
                        let before = &read.steps[..read.steps.len() - steps.len() + number];
                        let fault = self.missing(read.from, step, before, &known);
                        let fault = self.placed(fault, closure, read);
                        add(&mut self.findings.violations, fault);
                    }
                    return self.unknown.clone();
                }
            };
        }
        if let Some(step) = absent.filter(|_| !read.optional) {
            let help = "the schema does not require it: test it or give it a default, or require it there";
            self.may_be_absent(step, help, closure, read);
        }
        shape
    }

    fn may_be_absent(&mut self, step: &str, help: &'static str, closure: Closure<'_>, read: &Read) {
        let message = format!("`{step}` may be absent from the context of `{}`", self.entry);
        let warning = Diagnostic::warning("contract-optional-field", message).help(help);
        let warning = self.placed(warning, closure, read);
        add(&mut self.findings.warnings, warning);
    }

    fn missing(&self, from: Origin, step: &str, before: &[Box<str>], known: &[&str]) -> Diagnostic {
        let place = match (from, before) {
            (Origin::Context, []) => format!("the context of `{}`", self.entry),
            (Origin::Context, steps) => format!("`{}` of the context of `{}`", steps.join("."), self.entry),
            (_, _) => format!("this value, which is from the context of `{}`", self.entry),
        };
        let help = match (suggestion(step, known.iter().copied()), known) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => "the value there has no fields".to_owned(),
            (None, known) => {
                let more = if known.len() > LISTED_MAX { ", …" } else { "" };
                let listed = known[..known.len().min(LISTED_MAX)].join("`, `");
                format!("there are `{listed}`{more}")
            }
        };
        Diagnostic::error("contract-missing-field", format!("there is no `{step}` in {place}")).help(help)
    }

    fn placed(&self, finding: Diagnostic, closure: Closure<'_>, read: &Read) -> Diagnostic {
        let top = closure.top();
        let mut finding = finding.in_template(&top.name).at_span(top.unit.text(), read.span);
        for call in self.calls.iter().rev() {
            finding.called_from(call.template.clone(), call.span);
        }
        finding
    }
}

/// Adds a finding, unless there is one of the same place.
fn add(findings: &mut Vec<Diagnostic>, finding: Diagnostic) {
    let is_known = findings.iter().any(|known| known.is_same_fault(&finding));
    if !is_known && findings.len() < FINDINGS_MAX {
        findings.push(finding);
    }
}

/// Returns the blocks that an ancestor of a template need not print: its own, and those of its descendants.
fn replaced(reads: &Reads, by_descendants: &[Box<str>]) -> Vec<Box<str>> {
    let own = reads.blocks.iter().filter(|block| !block.prints_parent);
    let mut replaced: Vec<Box<str>> = own.map(|block| block.name.clone()).collect();
    replaced.extend(by_descendants.iter().cloned());
    replaced.sort_unstable();
    replaced.dedup();
    replaced
}
