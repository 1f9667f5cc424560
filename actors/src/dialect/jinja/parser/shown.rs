//! The syntax tree as compact text, for tests: every operator in parentheses.

use crate::dialect::jinja::ast::{
    Argument, Body, Comparison, Expr, ExprKind, FilterCall, Literal, Parameter, PostfixKind, Statement, StatementKind,
    Target,
};

pub(super) fn body(body: &Body<'_>) -> String {
    body.iter().map(statement).collect()
}

fn statement(statement: &Statement<'_>) -> String {
    use StatementKind as Kind;
    match &statement.kind {
        Kind::Text(text) => format!("{text:?}"),
        Kind::Output(value) => format!("<{}>", expr(value)),
        Kind::If { branches, otherwise } => {
            let branches = branches
                .iter()
                .map(|branch| format!("[{} : {}]", expr(&branch.condition), body(&branch.body)));
            format!("if{}[{}]", branches.collect::<String>(), body(otherwise))
        }
        Kind::For(parts) => format!(
            "for {} in {}{}{}[{}][{}]",
            target(&parts.target),
            expr(&parts.iterable),
            parts
                .condition
                .as_ref()
                .map_or(String::new(), |value| format!(" if {}", expr(value))),
            if parts.recursive { " recursive" } else { "" },
            body(&parts.body),
            body(&parts.otherwise)
        ),
        Kind::Set { target: left, value } => format!("set {}={};", target(left), expr(value)),
        Kind::SetBlock {
            target: left,
            filters,
            body: inner,
        } => format!("set {}{}[{}]", target(left), chain(filters), body(inner)),
        Kind::With {
            assignments,
            body: inner,
        } => {
            let pairs: Vec<_> = assignments
                .iter()
                .map(|(left, value)| format!("{}={}", target(left), expr(value)))
                .collect();
            format!("with {}[{}]", pairs.join(","), body(inner))
        }
        Kind::Filter { filters, body: inner } => format!("filter{}[{}]", chain(filters), body(inner)),
        Kind::Autoescape { enabled, body: inner } => format!("autoescape {}[{}]", expr(enabled), body(inner)),
        Kind::Block(block) => {
            let required = if block.required { " required" } else { "" };
            format!("block {}{required}[{}]", block.name.text, body(&block.body))
        }
        Kind::Extends(template) => format!("extends {};", expr(template)),
        Kind::Include {
            template,
            ignore_missing,
        } => format!("include {}{};", expr(template), if *ignore_missing { "?" } else { "" }),
        Kind::Import { template, alias } => format!("import {} as {};", expr(template), alias.text),
        Kind::FromImport { template, names } => {
            let names: Vec<_> = names
                .iter()
                .map(|each| match each.alias {
                    Some(alias) => format!("{} as {}", each.name.text, alias.text),
                    None => each.name.text.into(),
                })
                .collect();
            format!("from {} import {};", expr(template), names.join(","))
        }
        Kind::Macro(parts) => format!(
            "macro {}({})[{}]",
            parts.name.text,
            parameters(&parts.parameters),
            body(&parts.body)
        ),
        Kind::CallBlock { call, caller } => format!(
            "call({}) {}[{}]",
            parameters(&caller.parameters),
            expr(call),
            body(&caller.body)
        ),
        Kind::Do(call) => format!("do {};", expr(call)),
        Kind::Break => "break;".into(),
        Kind::Continue => "continue;".into(),
    }
}

fn parameters(parameters: &[Parameter<'_>]) -> String {
    let shown = parameters.iter().map(|each| match &each.default {
        Some(default) => format!("{}={}", each.name.text, expr(default)),
        None => each.name.text.into(),
    });
    shown.collect::<Vec<_>>().join(",")
}

fn target(left: &Target<'_>) -> String {
    match left {
        Target::Name(name) => name.text.into(),
        Target::Attribute { base, path } => {
            let path: String = path.iter().map(|name| format!(".{}", name.text)).collect();
            format!("{}{path}", base.text)
        }
        Target::Tuple { items, .. } => format!("({})", items.iter().map(target).collect::<Vec<_>>().join(",")),
    }
}

fn chain(filters: &[FilterCall<'_>]) -> String {
    filters.iter().map(filter).collect()
}

fn filter(filter: &FilterCall<'_>) -> String {
    format!("|{}{}", filter.name.text, arguments(&filter.arguments))
}

fn arguments(arguments: &[Argument<'_>]) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    let shown = arguments.iter().map(|argument| match argument {
        Argument::Positional(value) => expr(value),
        Argument::Named(name, value) => format!("{}={}", name.text, expr(value)),
        Argument::Spread(value) => format!("*{}", expr(value)),
        Argument::SpreadNamed(value) => format!("**{}", expr(value)),
    });
    format!("({})", shown.collect::<Vec<_>>().join(","))
}

fn list(items: &[Expr<'_>], separator: &str) -> String {
    items.iter().map(expr).collect::<Vec<_>>().join(separator)
}

pub(super) fn expr(value: &Expr<'_>) -> String {
    match &value.kind {
        ExprKind::Literal(literal) => match literal {
            Literal::None => "none".into(),
            Literal::Bool(value) => value.to_string(),
            Literal::Int(value) => value.to_string(),
            Literal::Float(value) => format!("{value:?}"),
            Literal::Str(value) => format!("{value:?}"),
        },
        ExprKind::Name(name) => (*name).into(),
        ExprKind::List(items) => format!("[{}]", list(items, ",")),
        ExprKind::Tuple(items) => format!("tuple({})", list(items, ",")),
        ExprKind::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", expr(key), expr(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        ExprKind::Not(inner) => format!("(not {})", expr(inner)),
        ExprKind::Negate(inner) => format!("(-{})", expr(inner)),
        ExprKind::Or(items) => format!("({})", list(items, " or ")),
        ExprKind::And(items) => format!("({})", list(items, " and ")),
        ExprKind::Compare(first, rest) => {
            let rest = rest
                .iter()
                .map(|(comparison, right)| format!(" {} {}", sign(*comparison), expr(right)));
            format!("({}{})", expr(first), rest.collect::<String>())
        }
        ExprKind::Binary(first, rest) => {
            let rest = rest
                .iter()
                .map(|(operator, right)| format!(" {} {}", operator.sign(), expr(right)));
            format!("({}{})", expr(first), rest.collect::<String>())
        }
        ExprKind::Postfix(base, operations) => {
            let operations = operations.iter().map(|operation| match &operation.kind {
                PostfixKind::Attribute(name) => format!(".{}", name.text),
                PostfixKind::Item(item) => format!("[{}]", expr(item)),
                PostfixKind::Slice(slice) => {
                    let part = |part: &Option<Expr<'_>>| part.as_ref().map_or(String::new(), expr);
                    format!("[{}:{}:{}]", part(&slice.start), part(&slice.stop), part(&slice.step))
                }
                PostfixKind::Call(list) if list.is_empty() => "()".into(),
                PostfixKind::Call(list) => arguments(list),
                PostfixKind::Filter(call) => filter(call),
                PostfixKind::Test(call) => {
                    let negated = if call.negated { "not " } else { "" };
                    format!(" is {negated}{}{}", call.name.text, arguments(&call.arguments))
                }
            });
            let operations: String = operations.collect();
            match operations.contains(" is ") {
                true => format!("({}{operations})", expr(base)),
                false => format!("{}{operations}", expr(base)),
            }
        }
        ExprKind::Conditional { arms, otherwise } => {
            let arms = arms
                .iter()
                .map(|arm| format!("{} if {} else ", expr(&arm.value), expr(&arm.condition)));
            let otherwise = otherwise.as_ref().map_or("undefined".into(), |value| expr(value));
            format!("({}{otherwise})", arms.collect::<String>())
        }
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::In => "in",
        Comparison::NotIn => "not in",
    }
}
