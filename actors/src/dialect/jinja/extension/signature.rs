//! [`Signature`]: the name and the parameters of a function of the program, written as those of a macro.

use super::super::ast::{Expr, ExprKind, Literal, Statement, StatementKind};
use super::super::parser::parse;
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::value::{Arguments, Machine, Map, Role, Val, too_many, unknown_keyword};
use crate::limits::Limits;
use crate::value::Value;

/// The longest text of a name with its parameters.
const TEXT_BYTES_MAX: usize = 1000;

/// The words that are operators or values, so that no template could use them as a name.
const WORDS: [&str; 11] = [
    "and", "or", "not", "in", "is", "if", "else", "elif", "true", "false", "none",
];

pub(super) const MEANING: &str = "the word has a meaning of its own";

/// A name with parameters, such as `price(amount, currency='EUR')`. Behind the others `*more` takes all further arguments, and `**named` all
/// other arguments with a name.
#[derive(Debug, Clone)]
pub(in crate::dialect::jinja) struct Signature {
    name: Box<str>,
    /// All parameters, `*more` and `**named` included.
    parameters: Box<[Box<str>]>,
    defaults: Box<[Option<Constant>]>,
    rest: bool,
    named: bool,
}

/// The default of a parameter.
#[derive(Debug, Clone)]
enum Constant {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Box<str>),
}

impl Signature {
    /// Reads a name with parameters. A filter or test without brackets has the parameter `value` alone, a function none.
    ///
    /// # Errors
    /// The reason why it is none.
    pub(super) fn parse(text: &str, role: Role) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it has more than {TEXT_BYTES_MAX} bytes"));
        }
        let text = text.trim();
        let whole = match (text.contains('('), role) {
            (true, _) => text.to_owned(),
            (false, Role::Function) => format!("{text}()"),
            (false, _) => format!("{text}(value)"),
        };
        let (whole, named) = without_last(whole, "**");
        let (whole, rest) = without_last(whole, "*");
        let example = "write it as `name(first, second='default')`, with defaults that are written out";
        let source = format!("{{% macro {whole} %}}{{% endmacro %}}");
        let template = parse(&source, &Limits::default()).map_err(|faults| {
            let fault = faults.first();
            match fault.is_some_and(|fault| fault.code == "reserved-name") {
                true => MEANING.into(),
                false => format!("{}; {example}", fault.map_or("", |fault| &*fault.message)),
            }
        })?;
        let [
            Statement {
                kind: StatementKind::Macro(definition),
                ..
            },
        ] = &*template.body
        else {
            return Err(example.into());
        };
        if WORDS.contains(&definition.name.text) {
            return Err(MEANING.into());
        }
        let mut parameters: Vec<Box<str>> = Vec::new();
        let mut defaults = Vec::new();
        for parameter in &definition.parameters {
            parameters.push(parameter.name.text.into());
            let default = parameter
                .default
                .as_ref()
                .map(|default| constant(default).ok_or(example));
            defaults.push(default.transpose()?);
        }
        for further in [&rest, &named].into_iter().flatten() {
            if parameters.contains(further) {
                return Err(format!("it has two parameters `{further}`"));
            }
            parameters.push(further.clone());
            defaults.push(None);
        }
        if role != Role::Function && definition.parameters.is_empty() {
            return Err("the first parameter of a filter or test is the value that it is applied to".into());
        }
        Ok(Self {
            name: definition.name.text.into(),
            parameters: parameters.into(),
            defaults: defaults.into(),
            rest: rest.is_some(),
            named: named.is_some(),
        })
    }

    pub(in crate::dialect::jinja) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn parameter(&self, at: usize) -> &str {
        self.parameters.get(at).map_or("", |name| name)
    }

    pub(super) fn position(&self, parameter: &str) -> Option<usize> {
        self.parameters.iter().position(|name| **name == *parameter)
    }

    /// Returns the parameters that can be given by position and by name.
    fn plain(&self) -> &[Box<str>] {
        let further = usize::from(self.rest) + usize::from(self.named);
        &self.parameters[..self.parameters.len() - further]
    }

    /// Returns the largest number of positional arguments, without the value that a filter or test is applied to.
    pub(in crate::dialect::jinja) fn most(&self) -> usize {
        match self.rest {
            true => usize::MAX,
            false => self.plain().len().saturating_sub(1),
        }
    }

    /// Returns the arguments that a filter or test takes by name; `None` if it takes any.
    pub(in crate::dialect::jinja) fn keywords(&self) -> Option<Vec<&str>> {
        let names = self.plain().iter().skip(1).map(|name| &**name);
        (!self.named).then(|| names.collect())
    }

    /// Returns the first parameter of a filter or test that a call leaves out although it has no default.
    pub(in crate::dialect::jinja) fn missing(
        &self,
        positional: usize,
        is_named: impl Fn(&str) -> bool,
    ) -> Option<&str> {
        let needed = self.plain().iter().zip(&self.defaults).skip(1 + positional);
        let missing = needed.filter(|(_, default)| default.is_none());
        missing.map(|(name, _)| &**name).find(|name| !is_named(name))
    }

    /// Returns a value for each parameter, and whether it is markup.
    pub(super) fn bind<'r>(
        &'r self,
        value: Option<Val<'r>>,
        arguments: &Arguments<'_, 'r>,
        machine: &mut Machine<'_, 'r>,
    ) -> Outcome<(&'r [Value<'r>], &'r [bool])> {
        let plain = self.plain();
        let applied = usize::from(value.is_some());
        let given: Vec<Val<'r>> = value.into_iter().chain(arguments.values.iter().copied()).collect();
        machine.items(given.len() + arguments.named.len())?;
        if given.len() > plain.len() && !self.rest {
            let most = plain.len() - applied;
            return Err(Failure::coded("arguments", too_many(&self.name, most)));
        }
        let mut further = Vec::new();
        for (name, value) in arguments.named {
            match plain.iter().position(|known| **known == **name) {
                Some(at) if at < given.len() => {
                    let message = format!("`{}` is given its argument `{name}` twice", self.name);
                    return Err(Failure::coded("arguments", message));
                }
                Some(_) => {}
                None if self.named => {
                    machine.defined(*value)?;
                    further.push((Val::Str(name), *value));
                }
                None => {
                    let names = plain.iter().skip(applied);
                    return Err(self.unknown(name, &names.map(|name| &**name).collect::<Vec<_>>()));
                }
            }
        }
        let mut values = Vec::with_capacity(self.parameters.len());
        let mut safe = Vec::with_capacity(self.parameters.len());
        for (at, name) in plain.iter().enumerate() {
            let by_name = || arguments.named.iter().rev().find(|(known, _)| **known == **name);
            let argument = given.get(at).copied().or_else(|| by_name().map(|(_, value)| *value));
            let (argument, default) = (argument.unwrap_or(Val::Silent), self.defaults.get(at));
            let chosen = match (argument, default) {
                (argument, Some(Some(default))) if argument.is_undefined() => default.val(),
                (Val::Silent, _) if at >= given.len() && by_name().is_none() => return Err(self.without(name)),
                (argument, _) => argument,
            };
            machine.defined(chosen)?;
            safe.push(chosen.is_safe());
            values.push(*chosen.data(machine)?);
        }
        if self.rest {
            let mut more = Vec::new();
            for value in given.iter().skip(plain.len()) {
                machine.defined(*value)?;
                more.push(*value.data(machine)?);
            }
            values.push(Value::Array(machine.space.slice(&more)?));
            safe.push(false);
        }
        if self.named {
            let further = Val::Map(Map::new(&further, machine)?);
            values.push(*further.data(machine)?);
            safe.push(false);
        }
        Ok((machine.space.slice(&values)?, machine.space.slice(&safe)?))
    }

    #[cold]
    fn unknown(&self, name: &str, keywords: &[&str]) -> Box<Failure> {
        unknown_keyword(&self.name, name, keywords)
    }

    #[cold]
    fn without(&self, name: &str) -> Box<Failure> {
        Failure::coded("arguments", self.lacks(name))
    }

    /// Returns the message about an argument that is missing.
    pub(in crate::dialect::jinja) fn lacks(&self, name: &str) -> String {
        format!("`{}` needs its argument `{name}`", self.name)
    }
}

/// Takes the last parameter off, if it begins with these stars.
fn without_last(text: String, stars: &str) -> (String, Option<Box<str>>) {
    let parted = text
        .strip_suffix(')')
        .map(|open| open.rsplit_once([',', '(']).unwrap_or((open, "")));
    let Some((before, last)) = parted else {
        return (text, None);
    };
    let name = last.trim().strip_prefix(stars).map(str::trim);
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|each| each.is_alphanumeric() || each == '_');
    match name.filter(is_name) {
        Some(name) => {
            // What was cut off with it is the comma or the bracket before.
            let kept = if before.contains('(') { "" } else { "(" };
            (format!("{before}{kept})"), Some(name.into()))
        }
        None => (text, None),
    }
}

/// Returns the value of a literal.
fn constant(expr: &Expr<'_>) -> Option<Constant> {
    Some(match &expr.kind {
        ExprKind::Literal(Literal::None) => Constant::None,
        ExprKind::Literal(Literal::Bool(truth)) => Constant::Bool(*truth),
        ExprKind::Literal(Literal::Int(number)) => Constant::Int(i64::try_from(*number).ok()?),
        ExprKind::Literal(Literal::Float(number)) => Constant::Float(*number),
        ExprKind::Literal(Literal::Str(text)) => Constant::Str((&**text).into()),
        ExprKind::Negate(operand) => match constant(operand)? {
            Constant::Int(number) => Constant::Int(number.checked_neg()?),
            Constant::Float(number) => Constant::Float(-number),
            _ => return None,
        },
        _ => return None,
    })
}

impl Constant {
    fn val(&self) -> Val<'_> {
        match self {
            Self::None => Val::None,
            Self::Bool(truth) => Val::Bool(*truth),
            Self::Int(number) => Val::Int(*number),
            Self::Float(number) => Val::Float(*number),
            Self::Str(text) => Val::Str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        for (text, role, name, parameters, (most, rest, named)) in [
            ("shout", Role::Filter, "shout", vec!["value"], (0, false, false)),
            ("today", Role::Function, "today", vec![], (0, false, false)),
            (
                " a ( b , c = -1.5 ) ",
                Role::Filter,
                "a",
                vec!["b", "c"],
                (1, false, false),
            ),
            (
                "a(b, *more)",
                Role::Test,
                "a",
                vec!["b", "more"],
                (usize::MAX, true, false),
            ),
            (
                "a(*more, **named)",
                Role::Function,
                "a",
                vec!["more", "named"],
                (usize::MAX, true, true),
            ),
            (
                "a(b='),*x', c=',', **named)",
                Role::Filter,
                "a",
                vec!["b", "c", "named"],
                (1, false, true),
            ),
            ("a(**named)", Role::Function, "a", vec!["named"], (0, false, true)),
        ] {
            let signature = Signature::parse(text, role).expect(text);
            assert_eq!(signature.name(), name);
            let found: Vec<&str> = signature.parameters.iter().map(|name| &**name).collect();
            assert_eq!(found, parameters, "{text}");
            assert_eq!(
                (signature.most(), signature.rest, signature.named),
                (most, rest, named),
                "{text}"
            );
        }
        let long = format!("a({})", "b".repeat(TEXT_BYTES_MAX));
        for text in [
            "",
            "1a",
            "a b",
            "a(",
            "a)",
            "a()",
            "a(b, b)",
            "a(b=c)",
            "a(b=[1])",
            "a(b=1, c)",
            "a(b) %}{% if x",
            "a.b",
            "if",
            "true",
            "a(*b, c)",
            "a(b, *b)",
            "a(**n, *m)",
            "a(*)",
            "a(value) x",
            &long,
        ] {
            assert!(Signature::parse(text, Role::Filter).is_err(), "{text}");
        }
    }
}
