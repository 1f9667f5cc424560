//! Constant folding: operators between literals are evaluated when a text is compiled.
//!
//! The operators are those of a render, with a budget of their own for the whole text. What fails, exceeds that budget or would be longer than
//! it is written stays as it is, so that it fails where it is rendered, with its place.

use bumpalo::Bump;

use super::super::ast::{Expr, ExprKind, Literal};
use super::super::extension::Extensions;
use super::super::operators::{binary, negate};
use super::super::program::Constant;
use super::super::value::{Machine, Space, Val};
use super::Compiler;
use crate::budget::Budget;
use crate::dialect::Escape;
use crate::limits::Limits;
use crate::value::Value;

/// The largest size of the values of one expression.
const VALUE_BYTES_MAX: usize = 4096;

/// The memory and the budget of the folding in one text.
pub(super) struct Folding {
    bump: Bump,
    budget: Budget,
}

impl Folding {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bump: Bump::new(),
            budget: Budget::new(limits, None, None),
        }
    }
}

impl<'t> Compiler<'t, '_> {
    /// Returns the value of an expression as a constant, if it is made of literals.
    pub(super) fn folded(&mut self, expr: &Expr<'t>) -> Option<Constant> {
        if !begins_with_literal(expr) {
            return None;
        }
        let constant = match evaluate(expr, &mut self.folding, self.extensions)? {
            Folded::Constant(constant) => constant,
            Folded::Text(text) if text.len() <= (expr.at.end - expr.at.start) as usize => {
                let (start, length) = self.stored(&text);
                Constant::Str(start, length)
            }
            Folded::Text(_) => return None,
        };
        Some(constant)
    }
}

/// The value of an expression that is made of literals.
enum Folded {
    Constant(Constant),
    Text(String),
}

fn evaluate(expr: &Expr<'_>, folding: &mut Folding, extensions: &Extensions) -> Option<Folded> {
    folding.bump.reset();
    let space = Space::new(
        &folding.bump,
        VALUE_BYTES_MAX,
        VALUE_BYTES_MAX,
        &Value::Null,
        extensions,
    );
    let mut machine = Machine {
        space: &space,
        budget: &mut folding.budget,
        escape: Escape::None,
        around: Escape::None,
        strict: true,
    };
    Some(Folded::Constant(match evaluated(expr, &mut machine)? {
        Val::None => Constant::None,
        Val::Bool(truth) => Constant::Bool(truth),
        Val::Int(number) => Constant::Int(number),
        Val::Float(number) => Constant::Float(number),
        Val::Str(text) => return Some(Folded::Text(text.to_owned())),
        _ => return None,
    }))
}

/// Returns false for most expressions that are not made of literals.
fn begins_with_literal(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Not(operand) | ExprKind::Negate(operand) => begins_with_literal(operand),
        ExprKind::Binary(first, rest) => {
            begins_with_literal(first) && rest.last().is_some_and(|(_, last)| begins_with_literal(last))
        }
        _ => false,
    }
}

fn evaluated<'r>(expr: &'r Expr<'_>, machine: &mut Machine<'_, 'r>) -> Option<Val<'r>> {
    machine.items(1).ok()?;
    match &expr.kind {
        ExprKind::Literal(literal) => Some(match literal {
            Literal::None => Val::None,
            Literal::Bool(truth) => Val::Bool(*truth),
            Literal::Int(number) => Val::Int(i64::try_from(*number).ok()?),
            Literal::Float(number) => Val::Float(*number),
            Literal::Str(text) => Val::Str(text),
        }),
        ExprKind::Not(operand) => Some(Val::Bool(!evaluated(operand, machine)?.is_true())),
        ExprKind::Negate(operand) => {
            let operand = evaluated(operand, machine)?;
            negate(operand, machine).ok()
        }
        ExprKind::Binary(first, rest) => {
            let mut value = evaluated(first, machine)?;
            for (operator, operand) in rest {
                let operand = evaluated(operand, machine)?;
                value = binary(*operator, value, operand, machine).ok()?;
            }
            Some(value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialect::jinja::compile::compile;
    use crate::dialect::jinja::parser::parse;
    use crate::dialect::jinja::program::Instruction;

    /// Returns the constant that an expression is compiled to, if it is one.
    fn constant(expression: &str) -> Option<Constant> {
        let (text, limits) = (format!("{{% set x = {expression} %}}"), Limits::default());
        let template = parse(&text, &limits).expect("it parses");
        let unit = compile(&text, &template, &Arc::default(), &limits).expect("it compiles");
        match &*unit.program.code {
            [Instruction::Constant(at)] => unit.program.constants.get(*at as usize).copied(),
            _ => None,
        }
    }

    #[test]
    fn what_is_made_of_literals_and_short_is_a_constant() {
        for (expression, expected) in [
            ("60 * 60 * 24", "Int(86400)"),
            ("-1", "Int(-1)"),
            ("-(2 - 5) * 2.5", "Float(7.5)"),
            ("not 0", "Bool(true)"),
            ("'a' ~ 'b' ~ 1", "Str("),
            ("'x' * 3", "Str("),
        ] {
            let found = format!("{:?}", constant(expression).expect(expression));
            assert!(found.starts_with(expected), "{expression}: {found}");
        }
        for expression in [
            "'x' * 9",
            "'x' * 10 ** 9",
            "1 / 0",
            "2 ** 70",
            "a + 1",
            "1 + a",
            "1 + [2]",
            "-'x'",
            "1 ~ a | upper",
        ] {
            assert!(constant(expression).is_none(), "{expression}");
        }
    }
}
