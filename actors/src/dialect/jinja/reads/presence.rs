//! The paths that conditions test for presence, and the names that a text tests anywhere.

use super::super::ast::{Argument, Comparison, Expr, ExprKind, Literal, Postfix, PostfixKind};
use super::{PresentPath, Walk, step_of};

impl<'t> Walk<'_> {
    /// Notes the paths that are present if a condition holds, or if it does not.
    pub(super) fn tested(&mut self, condition: &Expr<'t>, holds: bool) {
        match &condition.kind {
            ExprKind::Not(inner) => self.tested(inner, !holds),
            ExprKind::And(items) if holds => items.iter().for_each(|item| self.tested(item, true)),
            ExprKind::Or(items) if !holds => items.iter().for_each(|item| self.tested(item, false)),
            ExprKind::Compare(key, rest) => {
                let (ExprKind::Literal(Literal::Str(key)), [(comparison, operand)]) = (&key.kind, &rest[..]) else {
                    return;
                };
                let sought = match holds {
                    true => Comparison::In,
                    false => Comparison::NotIn,
                };
                if *comparison == sought {
                    let path = match &operand.kind {
                        ExprKind::Postfix(base, operations) => self.path_of(base, operations),
                        _ => self.path_of(operand, &[]),
                    };
                    self.present.extend(path.map(|(from, mut steps)| {
                        steps.push((&**key).into());
                        (from, steps)
                    }));
                }
            }
            ExprKind::Postfix(base, operations) => {
                let Some((last, before)) = operations.split_last() else {
                    return;
                };
                let PostfixKind::Test(test) = &last.kind else { return };
                let says_present = match test.name.text {
                    "defined" => !test.negated,
                    "undefined" | "none" => test.negated,
                    _ => return,
                };
                if says_present == holds {
                    self.present.extend(self.path_of(base, before));
                }
            }
            _ => {}
        }
    }

    /// Returns the path that an expression is, without reading it.
    pub(super) fn path_of(&self, base: &Expr<'t>, operations: &[Postfix<'t>]) -> Option<PresentPath> {
        let ExprKind::Name(name) = base.kind else { return None };
        let (from, mut steps) = self.start(name)?;
        for operation in operations {
            steps.push(step_of(&operation.kind)?);
        }
        Some((from, steps))
    }

    /// Notes the names that a chain tests for presence, and those of its attributes, which may be macros.
    pub(super) fn presence_tests(&mut self, base: &Expr<'t>, operations: &[Postfix<'t>]) {
        let mut last: Option<Box<str>> = match base.kind {
            ExprKind::Name(name) => Some(name.into()),
            _ => None,
        };
        for operation in operations {
            match &operation.kind {
                PostfixKind::Attribute(name) => self.uses(name.text),
                PostfixKind::Test(test) if matches!(test.name.text, "defined" | "undefined") => {
                    self.reads.tested.extend(last.clone());
                }
                PostfixKind::Filter(call) if matches!(call.name.text, "default" | "d") => {
                    self.reads.tested.extend(last.clone());
                }
                PostfixKind::Filter(call) if matches!(call.name.text, "selectattr" | "rejectattr" | "attr") => {
                    let first = call.arguments.first();
                    if let Some(Argument::Positional(Expr {
                        kind: ExprKind::Literal(Literal::Str(path)),
                        ..
                    })) = first
                    {
                        last = path.rsplit('.').next().map(Into::into);
                        self.reads.tested.extend(last.clone());
                    }
                }
                _ => {}
            }
            last = step_of(&operation.kind).or(last);
        }
    }
}
