//! Warnings about a text that compiles: values in positions of HTML that escaping does not protect, and names that only other languages
//! define.

use crate::diagnostic::Diagnostic;
use crate::dialect::html_position::{HtmlPosition, Printed};
use crate::limits::Limits;

use super::ast::{Body, ByteRange, Expr, ExprKind, Postfix, PostfixKind, Statement, StatementKind};
use super::foreign::{is_method_of_rust, method_help};
use super::parser::parse;

/// Returns warnings about a text that was accepted before, at most `warnings_max`.
pub(super) fn lint_accepted(text: &str, warnings_max: usize) -> Vec<Diagnostic> {
    // The text was within the limits when it was accepted, whatever they were.
    let limits = Limits {
        source_bytes: usize::MAX,
        source_tags: usize::MAX,
        source_nesting: usize::MAX,
        ..Limits::default()
    };
    let Ok(template) = parse(text, &limits) else {
        return Vec::new();
    };
    let mut lint = Lint {
        text,
        warnings: Vec::new(),
        warnings_max,
        position: HtmlPosition::Text,
        escapes: true,
    };
    lint.body(&template.body);
    lint.warnings
}

struct Lint<'t> {
    text: &'t str,
    warnings: Vec<Diagnostic>,
    warnings_max: usize,
    position: HtmlPosition,
    /// False where `autoescape` is off: nothing is escaped there, and the author knows it.
    escapes: bool,
}

impl Lint<'_> {
    fn body(&mut self, body: &Body<'_>) {
        for statement in body {
            self.statement(statement);
        }
    }

    /// Lints a body that is printed elsewhere, or in another form.
    fn separate_body(&mut self, body: &Body<'_>) {
        let position = std::mem::replace(&mut self.position, HtmlPosition::Text);
        self.body(body);
        self.position = position;
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        match &statement.kind {
            StatementKind::Text(text) => self.position = self.position.after(text.as_bytes()),
            StatementKind::Output(value) => self.output(value),
            StatementKind::If { branches, otherwise } => {
                // Each branch begins at the same position; the text behind them continues from the last one.
                let before = self.position;
                for branch in branches {
                    self.methods(&branch.condition);
                    self.position = before;
                    self.body(&branch.body);
                }
                if !otherwise.is_empty() {
                    self.position = before;
                    self.body(otherwise);
                }
            }
            StatementKind::For(parts) => {
                self.methods(&parts.iterable);
                let before = self.position;
                self.body(&parts.body);
                if !parts.otherwise.is_empty() {
                    self.position = before;
                    self.body(&parts.otherwise);
                }
            }
            StatementKind::With { body, .. } => self.body(body),
            StatementKind::Block(block) => self.body(&block.body),
            StatementKind::Autoescape { enabled, body } => {
                let is_off = matches!(
                    enabled.kind,
                    ExprKind::Literal(super::ast::Literal::Bool(false) | super::ast::Literal::None)
                );
                let escapes = std::mem::replace(&mut self.escapes, !is_off);
                self.body(body);
                self.escapes = escapes;
            }
            StatementKind::SetBlock { body, .. } | StatementKind::Filter { body, .. } => self.separate_body(body),
            StatementKind::Macro(parts) | StatementKind::CallBlock { caller: parts, .. } => {
                self.separate_body(&parts.body);
            }
            _ => {}
        }
    }

    fn output(&mut self, value: &Expr<'_>) {
        if let Some((at, message, help)) = foreign_name(value) {
            let warning = Diagnostic::warning("foreign-name", message).at(self.text, at.range());
            self.warn(warning.help(help));
        }
        self.methods(value);
        let printed = printed(value).filter(|_| self.escapes);
        if let Some(gap) = printed.and_then(|printed| self.position.gap(printed)) {
            self.warn(gap.warning(self.text, value.at.range(), "|tojson"));
        }
        self.position = self.position.after_value();
    }

    /// Warns of calls of methods of Rust, which fail when they are rendered: values have no methods.
    fn methods(&mut self, value: &Expr<'_>) {
        match &value.kind {
            ExprKind::Not(operand) => self.methods(operand),
            ExprKind::And(operands) | ExprKind::Or(operands) => {
                operands.iter().for_each(|operand| self.methods(operand));
            }
            ExprKind::Compare(first, rest) => {
                self.methods(first);
                rest.iter().for_each(|(_, operand)| self.methods(operand));
            }
            ExprKind::Postfix(_, operations) => {
                for pair in operations.windows(2) {
                    let [one, other] = pair else { continue };
                    if let (PostfixKind::Attribute(name), PostfixKind::Call(_)) = (&one.kind, &other.kind)
                        && is_method_of_rust(name.text)
                        && let Some(help) = method_help(name.text)
                    {
                        let message = format!("values have no methods, and so no `{}`", name.text);
                        let warning = Diagnostic::warning("foreign-method", message).at(self.text, name.at.range());
                        self.warn(warning.help(help));
                    }
                }
            }
            _ => {}
        }
    }

    fn warn(&mut self, warning: Diagnostic) {
        if self.warnings.len() < self.warnings_max {
            self.warnings.push(warning);
        }
    }
}

/// Returns the form in which a value is printed; none if it is right for any position, or markup that the template itself makes.
fn printed(value: &Expr<'_>) -> Option<Printed> {
    match &value.kind {
        ExprKind::Name(_) => Some(Printed::Value),
        // Only values of the data are not trusted.
        ExprKind::Literal(_)
        | ExprKind::Not(_)
        | ExprKind::Negate(_)
        | ExprKind::Compare(..)
        | ExprKind::List(_)
        | ExprKind::Tuple(_)
        | ExprKind::Map(_) => None,
        ExprKind::Or(items) | ExprKind::And(items) => items.iter().find_map(printed),
        // A sum is a number, and a text only where a text is put together.
        ExprKind::Binary(first, rest) => {
            let concatenates = |operator| matches!(operator, super::ast::Operator::Concat | super::ast::Operator::Add);
            if !rest.iter().all(|(operator, _)| concatenates(*operator)) {
                return None;
            }
            printed(first).or_else(|| rest.iter().find_map(|(_, value)| printed(value)))
        }
        ExprKind::Conditional { arms, otherwise } => {
            let values = arms.iter().map(|arm| &arm.value).chain(otherwise.as_deref());
            values.into_iter().find_map(printed)
        }
        ExprKind::Postfix(base, operations) => printed_chain(base, operations),
    }
}

fn printed_chain(base: &Expr<'_>, operations: &[Postfix<'_>]) -> Option<Printed> {
    let mut form = match base.kind {
        ExprKind::Name("loop" | "self") => None,
        _ => printed(base),
    };
    for operation in operations {
        form = match &operation.kind {
            PostfixKind::Attribute(_) | PostfixKind::Item(_) | PostfixKind::Slice(_) => form,
            // A macro or function prints what it makes.
            PostfixKind::Call(_) | PostfixKind::Test(_) => None,
            PostfixKind::Filter(call) => match call.name.text {
                "tojson" => Some(Printed::Json),
                "safe" | "escape" | "e" | "upper" | "lower" | "title" | "capitalize" | "trim" | "replace"
                | "default" | "d" | "first" | "last" | "join" | "string" | "indent" | "reverse" | "truncate"
                | "striptags" | "attr" | "min" | "max" | "random" => form,
                // Numbers and percent-encoded text are harmless everywhere; filters of the user are assumed to be right for their position.
                _ => None,
            },
        };
    }
    form
}

/// Returns the range of a name that another language defines and this one does not, with what to write instead.
fn foreign_name(value: &Expr<'_>) -> Option<(ByteRange, String, String)> {
    let (name, attribute) = match &value.kind {
        ExprKind::Name(name) => (*name, ""),
        ExprKind::Postfix(base, operations) => {
            let ExprKind::Name(name) = base.kind else { return None };
            match &operations.first()?.kind {
                PostfixKind::Attribute(attribute) => (name, attribute.text),
                _ => (name, ""),
            }
        }
        _ => return None,
    };
    let help = match (name, attribute) {
        ("__tera_context", _) => "write `{{ debug() }}`".into(),
        ("block", "super") => "write `{{ super() }}`".into(),
        ("forloop", "counter" | "index") => "write `{{ loop.index }}`".into(),
        ("forloop", "counter0" | "index0") => "write `{{ loop.index0 }}`".into(),
        ("forloop", "revcounter") => "write `{{ loop.revindex }}`".into(),
        ("forloop", "revcounter0") => "write `{{ loop.revindex0 }}`".into(),
        ("forloop", "parentloop") => {
            "write `{% set outer = loop %}` in the outer loop, and `{{ outer.index }}` in the inner one".into()
        }
        ("forloop", attribute @ ("first" | "last" | "length")) => format!("write `{{{{ loop.{attribute} }}}}`"),
        ("loop", "counter" | "count") => "write `{{ loop.index }}`".into(),
        ("loop", "counter0") => "write `{{ loop.index0 }}`".into(),
        ("loop", "parent") => {
            "write `{% set outer = loop %}` in the outer loop, and `{{ outer.index }}` in the inner one".into()
        }
        ("end", "") => "write `{% endif %}` or `{% endfor %}`".into(),
        _ => return None,
    };
    let shown = match attribute {
        "" => name.to_owned(),
        attribute => format!("{name}.{attribute}"),
    };
    Some((
        value.at,
        format!("`{shown}` is a name of another template language"),
        help,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_unprotected_positions_are_reported() {
        for (text, expected) in [
            ("<a href=\"{{ x }}\">{{ x }}</a>", &[][..]),
            ("<a href={{ x }}>", &["unquoted-attribute"]),
            ("<a class={{ 'a' if x else 'b' }}>", &[]),
            ("<a class={{ 'a' if x else y }}>", &["unquoted-attribute"]),
            ("<a onclick=\"f({{ x }})\">", &["event-handler"]),
            ("<a href=\"javascript:{{ x.y }}\">", &["javascript-url"]),
            ("<script>{{ x }}</script>", &["value-in-script"]),
            ("<script>{{ x|tojson }}</script>", &[]),
            (
                "<script>{{ x|length }}{{ loop.index }}{{ 1 }}{{ m(x) }}{{ x|mine }}</script>",
                &[],
            ),
            ("<script>{{ x|default('a')|upper }}</script>", &["value-in-script"]),
            ("<script>{{ 'a' ~ x }}{{ x * 2 }}</script>", &["value-in-script"]),
            ("<style>{{ x }}</style>", &["value-in-style"]),
            (
                "<script>{% if a %}{{ x }}{% elif b %}1{% else %}{{ y }}{% endif %}</script>{{ z }}",
                &["value-in-script"; 2],
            ),
            ("{% autoescape false %}<script>{{ x }}</script>{% endautoescape %}", &[]),
            ("<script>{% set a %}{{ x }}{% endset %}</script>", &[]),
            ("{% for a in b %}<i class={{ a }}>{% endfor %}", &["unquoted-attribute"]),
            (
                "{{ a.len() }}{% if not a.is_empty() and b %}{% endif %}{% for x in a.iter().enumerate() %}{% endfor %}{{ loop.cycle(1) }}",
                &["foreign-method"; 4],
            ),
            ("{% block a %}<style>{{ x }}</style>{% endblock %}", &["value-in-style"]),
            (
                "{{ forloop.counter }}{{ block.super }}{{ loop.counter }}{{ end }}",
                &["foreign-name"; 4],
            ),
        ] {
            let warnings = lint_accepted(text, 10);
            let codes: Vec<_> = warnings.iter().map(|warning| warning.code).collect();
            assert_eq!(codes, expected, "{text}");
            assert!(warnings.iter().all(|warning| warning.help.is_some()));
        }
        assert_eq!(lint_accepted(&"<a b={{ x }}>".repeat(5), 3).len(), 3);
    }
}
