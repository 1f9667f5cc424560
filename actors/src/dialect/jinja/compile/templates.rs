//! Names of other templates.

use super::super::ast::{Argument, ByteRange, Expr, ExprKind, Literal, Postfix, PostfixKind};
use super::super::fault::Fault;
use super::super::program::TemplateUse;
use super::{Compiler, small};
use crate::dialect::{Call, CallKind};
use crate::template::TemplateName;

impl<'t, 'a> Compiler<'t, 'a> {
    /// Compiles the name of another template: a constant, which is a call of this kind, or an expression. The names that stand in an expression
    /// are optional calls, so that their templates are part of the closure.
    pub(super) fn template(&mut self, name: &'a Expr<'t>, kind: CallKind) -> u32 {
        let (mut call, mut code) = (None, None);
        if let ExprKind::Literal(Literal::Str(text)) = &name.kind {
            call = Some(small(self.calls.len()));
            self.call(text, kind, name.at);
        } else {
            self.computes_names |= !self.written_out(name);
            code = Some(self.expression(name));
        }
        self.templates.push(TemplateUse {
            call,
            name: code,
            ignore_missing: kind == CallKind::Optional,
            place: name.at,
        });
        small(self.templates.len() - 1)
    }

    fn call(&mut self, name: &str, kind: CallKind, at: ByteRange) {
        match TemplateName::new(name) {
            Ok(name) => {
                let span = self.lines.span(at);
                self.calls.push(Call { name, span, kind });
            }
            Err(error) => {
                let help = "write the path of the template below its root, such as `page/item.html`";
                self.fault(Fault::new("template-name", at, error.to_string()).help(help));
            }
        }
    }

    /// Adds the names that stand in an expression as those of templates. Returns false if the expression can give others.
    fn written_out(&mut self, expr: &'a Expr<'t>) -> bool {
        let mut all = |parts: &mut dyn Iterator<Item = &'a Expr<'t>>| {
            let mut written_out = true;
            parts.for_each(|part| written_out &= self.written_out(part));
            written_out
        };
        match &expr.kind {
            ExprKind::Literal(Literal::Str(name)) => {
                self.call(name, CallKind::Optional, expr.at);
                true
            }
            ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Or(items) => all(&mut items.iter()),
            ExprKind::Conditional { arms, otherwise } => {
                all(&mut arms.iter().map(|arm| &arm.value).chain(otherwise.as_deref()))
            }
            ExprKind::Postfix(base, operations) => {
                let defaults = operations.iter().filter_map(default).flatten();
                all(&mut defaults.chain([&**base]));
                false
            }
            _ => false,
        }
    }
}

/// Returns what the filter `default` gives in place of an undefined value.
fn default<'e, 't>(operation: &'e Postfix<'t>) -> Option<impl Iterator<Item = &'e Expr<'t>> + use<'e, 't>> {
    let PostfixKind::Filter(filter) = &operation.kind else {
        return None;
    };
    let first = filter
        .arguments
        .first()
        .filter(|_| matches!(filter.name.text, "default" | "d"));
    first.map(|argument| match argument {
        Argument::Positional(value) => Some(value).into_iter(),
        _ => None.into_iter(),
    })
}
