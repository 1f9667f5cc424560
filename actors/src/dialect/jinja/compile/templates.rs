//! Names of other templates.

use super::super::ast::{ByteRange, Expr, ExprKind, Literal};
use super::super::fault::Fault;
use super::super::program::TemplateUse;
use super::{Compiler, small};
use crate::dialect::{Call, CallKind};
use crate::template::TemplateName;

impl<'t, 'a> Compiler<'t, 'a> {
    /// Compiles the name of another template: a constant, or an expression whose values are written out.
    pub(super) fn template(&mut self, name: &'a Expr<'t>, ignore_missing: bool, at: ByteRange) -> u32 {
        let first = small(self.calls.len());
        let (mut call, mut code) = (None, None);
        if let ExprKind::Literal(Literal::Str(text)) = &name.kind {
            let kind = if ignore_missing {
                CallKind::Optional
            } else {
                CallKind::Required
            };
            self.call(text, kind, name.at);
            call = Some(first);
        } else {
            if !self.candidates(name) {
                let message = "the name of a template is written out, not computed";
                let help = "write the names that are possible, such as `\"a.html\" if wide else \"b.html\"` or \
                            `[\"a.html\", \"b.html\"]`";
                self.fault(Fault::new("template-name", name.at, message).help(help));
            }
            code = Some(self.expression(name));
        }
        let candidates = first..small(self.calls.len());
        self.templates.push(TemplateUse {
            call,
            name: code,
            candidates,
            ignore_missing,
            place: if call.is_some() { name.at } else { at },
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

    /// Adds the names that an expression can give. Returns false if it can give others.
    fn candidates(&mut self, expr: &'a Expr<'t>) -> bool {
        match &expr.kind {
            ExprKind::Literal(Literal::Str(name)) => {
                self.call(name, CallKind::Optional, expr.at);
                true
            }
            ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().all(|item| self.candidates(item)),
            ExprKind::Conditional { arms, otherwise } => {
                arms.iter().all(|arm| self.candidates(&arm.value))
                    && otherwise.as_ref().is_none_or(|otherwise| self.candidates(otherwise))
            }
            _ => false,
        }
    }
}
