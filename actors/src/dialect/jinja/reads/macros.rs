//! Macros and their calls: which values a call passes to the parameters of a macro, in this text or in one that it imports.
//!
//! A call is followed only if its macro is known for certain: the name is bound once in the text, to a macro or by an import.

use super::super::ast::{
    Argument, Body, ByteRange, Expr, ExprKind, Literal, Macro, Postfix, PostfixKind, StatementKind,
};
use super::Walk;
use crate::dialect::reads::{MacroCall, MacroCallee, MacroOfReads, Origin};

/// A variable whose value can be called, or has macros.
#[derive(Debug, Clone)]
pub(super) enum Callable {
    /// A macro of this text, by its number.
    Local(u32),
    /// An imported template, by the number of its call.
    Module(usize),
    /// A macro of an imported template: the number of its call, and its name there.
    Imported(usize, Box<str>),
}

impl<'t> Walk<'_> {
    /// Adds a macro, and returns its number.
    pub(super) fn new_macro(&mut self, parts: &Macro<'t>) -> u32 {
        let number = u32::try_from(self.reads.macros.len()).unwrap_or(u32::MAX);
        self.reads.macros.push(MacroOfReads {
            name: parts.name.text.into(),
            parameters: parts.parameters.iter().map(|each| each.name.text.into()).collect(),
            is_exported: false,
        });
        number
    }

    /// Returns the number of the macro at whose parameter a value begins.
    pub(super) fn macro_of(&self, origin: Origin) -> Option<u32> {
        match origin {
            Origin::Parameter { of, .. } => Some(of),
            Origin::Read(number) | Origin::Item(number) => self.reads.reads.get(number as usize)?.of_macro,
            Origin::Context | Origin::Unknown => None,
        }
    }

    /// Says what the last variable is.
    pub(super) fn callable(&mut self, callable: Option<Callable>) {
        let place = self.variables.len() - 1;
        self.callables.extend(callable.map(|callable| (place, callable)));
    }

    /// Forgets the callables of variables that have ended. Call it before a variable is added.
    pub(super) fn forget_callables(&mut self) {
        let places = self.variables.len();
        while self.callables.last().is_some_and(|(place, _)| *place >= places) {
            self.callables.pop();
        }
    }

    /// Walks the name of an imported template, and returns the number of its call if the name is written out.
    pub(super) fn module(&mut self, template: &Expr<'t>) -> Option<usize> {
        let call = self.next_call;
        self.imported(template);
        matches!(template.kind, ExprKind::Literal(Literal::Str(_))).then_some(call)
    }

    /// Returns the macro that a chain calls, with the operation of the call.
    pub(super) fn callee<'o>(
        &self,
        base: &Expr<'t>,
        operations: &'o [Postfix<'t>],
    ) -> Option<(MacroCallee, &'o Postfix<'t>)> {
        let ExprKind::Name(name) = base.kind else { return None };
        let place = self.variables.iter().rposition(|(known, _)| **known == *name)?;
        let (_, callable) = self.callables.iter().rev().find(|(at, _)| *at == place)?;
        let (callee, call) = match (callable, operations) {
            (Callable::Local(number), [call, ..]) => (MacroCallee::Local(*number), call),
            (Callable::Imported(template, name), [call, ..]) => {
                let (call_number, name) = (*template, name.clone());
                (
                    MacroCallee::Imported {
                        call: call_number,
                        name,
                    },
                    call,
                )
            }
            (Callable::Module(template), [attribute, call, ..]) => {
                let PostfixKind::Attribute(name) = &attribute.kind else {
                    return None;
                };
                let (call_number, name) = (*template, name.text.into());
                (
                    MacroCallee::Imported {
                        call: call_number,
                        name,
                    },
                    call,
                )
            }
            _ => return None,
        };
        matches!(call.kind, PostfixKind::Call(_)).then_some((callee, call))
    }

    /// Walks the arguments of a call of a macro, and notes it.
    pub(super) fn macro_call(&mut self, callee: MacroCallee, arguments: &[Argument<'t>], at: ByteRange) {
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        let mut is_known = self.macro_number.is_none() || !self.is_guarded();
        for argument in arguments {
            match argument {
                Argument::Positional(value) => {
                    let value = self.value(value);
                    positional.push(value);
                }
                Argument::Named(name, value) => {
                    let value = self.value(value);
                    named.push((name.text.into(), value));
                }
                Argument::Spread(value) | Argument::SpreadNamed(value) => {
                    self.value(value);
                    is_known = false;
                }
            }
        }
        self.variables_passed += positional.len() + named.len() + 1;
        if is_known {
            self.reads.macro_calls.push(MacroCall {
                callee,
                positional,
                named,
                span: self.lines.span(at),
                block: self.block,
                in_macro: self.in_macro.clone(),
                in_number: self.macro_number,
            });
        }
    }

    /// Marks the macros that importing templates get, and drops the calls of macros whose name is bound more than once.
    pub(super) fn finish_macros(&mut self, body: &Body<'t>) {
        let top: Vec<&str> = body
            .iter()
            .filter_map(|statement| match &statement.kind {
                StatementKind::Macro(parts) => Some(parts.name.text),
                _ => None,
            })
            .collect();
        let is_bound_once = |name: &str| self.bound.get(name) == Some(&1);
        for each in &mut self.reads.macros {
            each.is_exported = is_bound_once(&each.name) && top.contains(&&*each.name);
        }
        let macros = &self.reads.macros;
        self.reads.macro_calls.retain(|call| match &call.callee {
            MacroCallee::Local(number) => macros
                .get(*number as usize)
                .is_some_and(|each| is_bound_once(&each.name)),
            MacroCallee::Imported { .. } => true,
        });
    }
}
