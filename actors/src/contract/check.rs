//! Compares the paths that a closure reads with the schema of its context.
//!
//! The check follows calls from the entry on, with the shape of the context that each passes, as a render would do. A template that is
//! called twice with the same shapes is checked once.

use std::collections::HashSet;

use serde_json::Value;

use super::EntryFindings;
use super::shape::{Shape, Step};
use crate::diagnostic::{CallSite, Diagnostic};
use crate::dialect::Closure;
use crate::dialect::reads::{Origin, Read, Reads};
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
    let mut check = Check {
        entry: &closure.top().name,
        unknown: Shape::unknown(schema),
        seen: HashSet::new(),
        calls: Vec::new(),
        depth_max: (limits.call_depth as usize).min(64),
        reads_left: READS_MAX,
        findings,
    };
    let scope = Scope {
        context: Shape::of(schema),
        variables: Vec::new(),
        replaced: Vec::new(),
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
}

/// The place of a template with a scope, by which a repeated check is recognized.
type Seen = (usize, Vec<usize>, Vec<(Box<str>, Vec<usize>)>, Vec<Box<str>>);

struct Check<'s, 'f> {
    entry: &'s TemplateName,
    unknown: Shape<'s>,
    seen: HashSet<Seen>,
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
        let is_replaced = |block: Option<u32>| {
            let block = block.and_then(|block| reads.blocks.get(block as usize));
            block.is_some_and(|block| scope.replaced.contains(&block.name))
        };
        let mut shapes: Vec<Shape<'s>> = Vec::with_capacity(reads.reads.len());
        for read in &reads.reads {
            if self.reads_left == 0 || self.findings.violations.len() >= FINDINGS_MAX {
                return;
            }
            self.reads_left -= 1;
            let shape = match is_replaced(read.block) {
                true => self.unknown.clone(),
                false => self.read(closure, read, scope, &shapes),
            };
            shapes.push(shape);
        }
        for passed in &reads.passed {
            let Some(callee) = closure.callee(passed.call).filter(|_| !is_replaced(passed.block)) else {
                continue;
            };
            let mut inside = match passed.context {
                Some(origin) => Scope {
                    context: self.origin(origin, scope, &shapes),
                    variables: Vec::new(),
                    replaced: Vec::new(),
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
    }

    fn origin(&self, origin: Origin, scope: &Scope<'s>, shapes: &[Shape<'s>]) -> Shape<'s> {
        let of = |number: u32| shapes.get(number as usize).unwrap_or(&self.unknown);
        match origin {
            Origin::Context => scope.context.clone(),
            Origin::Read(number) => of(number).clone(),
            Origin::Item(number) => of(number).items(),
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
                    if !read.optional {
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
            let message = format!("`{step}` may be absent from the context of `{}`", self.entry);
            let warning = Diagnostic::warning("contract-optional-field", message);
            let warning =
                warning.help("the schema does not require it: test it or give it a default, or require it there");
            let warning = self.placed(warning, closure, read);
            add(&mut self.findings.warnings, warning);
        }
        shape
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
