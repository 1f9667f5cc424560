//! The tests of the language, as in `value is even`.

use std::cmp::Ordering;

use super::failure::{Failure, Outcome};
use super::operators::{binary, contains};
use super::value::{Arguments, Kind, Machine, Registered, Role, Val, compare, equal, real, whole};

type Function = for<'r> fn(Val<'r>, &Arguments<'_, 'r>, &mut Machine<'_, 'r>) -> Outcome<bool>;

/// The description of a test.
pub(super) struct Definition {
    pub(super) name: &'static str,
    function: Function,
    /// The number of arguments.
    pub(super) arguments: usize,
}

/// A test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predicate {
    /// One of the language, by its place in the table.
    BuiltIn(u8),
    /// One of the program, by its number.
    Own(u16),
}

impl Predicate {
    /// Returns the test that has a name: one of the program, or else one of the language.
    pub(super) fn find(name: &str, registered: &dyn Registered) -> Option<Self> {
        let own = registered.number(Role::Test, name).map(Self::Own);
        own.or_else(|| Self::named(name))
    }

    /// Returns the test of the language that has a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let at = PREDICATES.iter().position(|predicate| predicate.name == name)?;
        u8::try_from(at).ok().map(Self::BuiltIn)
    }

    /// Returns the names of all tests of the language.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        PREDICATES.iter().map(|predicate| predicate.name)
    }

    /// Returns the description of a test of the language.
    pub(super) fn definition(place: u8) -> &'static Definition {
        PREDICATES.get(usize::from(place)).unwrap_or(&PREDICATES[0])
    }

    /// Returns true if the test holds for a value.
    pub(super) fn holds<'r>(
        self,
        value: Val<'r>,
        arguments: &Arguments<'_, 'r>,
        machine: &mut Machine<'_, 'r>,
    ) -> Outcome<bool> {
        let Definition {
            name,
            function,
            arguments: count,
        } = match self {
            Self::BuiltIn(place) => Self::definition(place),
            Self::Own(index) => {
                return match machine.space.registered().own(Role::Test, index) {
                    Some(function) => {
                        let holds = function.call(Some(value), arguments, machine)?;
                        machine.truth(holds)
                    }
                    None => Ok(false),
                };
            }
        };
        arguments.check(name, *count, *count, &[])?;
        function(value, arguments, machine)
    }
}

const fn test(name: &'static str, arguments: usize, function: Function) -> Definition {
    Definition {
        name,
        function,
        arguments,
    }
}

static PREDICATES: [Definition; 42] = [
    test("defined", 0, |value, _, _| Ok(!value.is_undefined())),
    test("undefined", 0, |value, _, _| Ok(value.is_undefined())),
    test("none", 0, |value, _, _| Ok(matches!(value, Val::None))),
    test("safe", 0, |value, _, _| Ok(value.is_safe())),
    test("escaped", 0, |value, _, _| Ok(value.is_safe())),
    test("boolean", 0, |value, _, _| Ok(value.kind() == Kind::Bool)),
    test("true", 0, |value, _, _| Ok(matches!(value, Val::Bool(true)))),
    test("false", 0, |value, _, _| Ok(matches!(value, Val::Bool(false)))),
    test("number", 0, |value, _, _| {
        Ok(matches!(value.kind(), Kind::Number | Kind::Bool))
    }),
    test("integer", 0, |value, _, _| Ok(value.is_integer())),
    test("int", 0, |value, _, _| Ok(value.is_integer())),
    test("float", 0, |value, _, _| Ok(value.is_float())),
    test("string", 0, |value, _, _| Ok(value.kind() == Kind::Str)),
    test("sequence", 0, |value, _, _| {
        Ok(matches!(value.kind(), Kind::List | Kind::Undefined))
    }),
    test("mapping", 0, |value, _, _| Ok(value.kind() == Kind::Map)),
    test("iterable", 0, |value, _, _| Ok(is_iterable(value))),
    test("odd", 0, |value, _, _| Ok(is_odd(value) == Some(true))),
    test("even", 0, |value, _, _| Ok(is_odd(value) == Some(false))),
    test("divisibleby", 1, divisible),
    test("lower", 0, |value, _, machine| {
        has_case(value, char::is_uppercase, char::is_lowercase, machine)
    }),
    test("upper", 0, |value, _, machine| {
        has_case(value, char::is_lowercase, char::is_uppercase, machine)
    }),
    test("startingwith", 1, |value, arguments, machine| {
        let (text, part) = (machine.defined_text(value)?, machine.defined_text(arguments.at(0))?);
        machine.bytes(part.len())?;
        Ok(text.starts_with(part))
    }),
    test("endingwith", 1, |value, arguments, machine| {
        let (text, part) = (machine.defined_text(value)?, machine.defined_text(arguments.at(0))?);
        machine.bytes(part.len())?;
        Ok(text.ends_with(part))
    }),
    test("sameas", 1, |value, arguments, machine| {
        same(value, arguments.at(0), machine)
    }),
    test("eq", 1, is_equal),
    test("equalto", 1, is_equal),
    test("==", 1, is_equal),
    test("ne", 1, is_unequal),
    test("!=", 1, is_unequal),
    test("lt", 1, is_less),
    test("lessthan", 1, is_less),
    test("<", 1, is_less),
    test("le", 1, is_at_most),
    test("<=", 1, is_at_most),
    test("gt", 1, is_greater),
    test("greaterthan", 1, is_greater),
    test(">", 1, is_greater),
    test("ge", 1, is_at_least),
    test(">=", 1, is_at_least),
    test("in", 1, |value, arguments, machine| {
        machine.defined(arguments.at(0))?;
        let found = contains(arguments.at(0), value, machine);
        match found.map_err(|failure| *failure) {
            Ok(found) => Ok(found),
            // As the judge: nothing is in a value that has no parts.
            Err(Failure::Invalid { .. }) => Ok(false),
            Err(other) => Err(Box::new(other)),
        }
    }),
    test("filter", 0, |value, _, machine| {
        let known = |name| machine.space.registered().knows(Role::Filter, name);
        Ok(value.as_str().is_some_and(known))
    }),
    test("test", 0, |value, _, machine| {
        let known = |name| machine.space.registered().knows(Role::Test, name);
        Ok(value.as_str().is_some_and(known))
    }),
];

fn is_iterable(value: Val<'_>) -> bool {
    !matches!(value.kind(), Kind::Bool | Kind::Number | Kind::Plain)
}

fn is_odd(value: Val<'_>) -> Option<bool> {
    match whole(value) {
        Some(number) => Some(number.magnitude() % 2 == 1),
        None => real(value)
            .filter(|number| number.fract() == 0.0)
            .map(|number| number % 2.0 != 0.0),
    }
}

fn divisible<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    let divisor = arguments.at(0);
    let numeric = |value: Val<'_>| matches!(value.kind(), Kind::Number | Kind::Bool);
    if !numeric(value) || !numeric(divisor) {
        return Ok(false);
    }
    let rest = binary(super::ast::Operator::Remainder, value, divisor, machine)?;
    Ok(!rest.is_true())
}

/// Returns true if a text has letters of one case and none of the other, nor letters that could have a case but are of neither.
fn has_case(
    value: Val<'_>,
    other: fn(char) -> bool,
    wanted: fn(char) -> bool,
    machine: &mut Machine<'_, '_>,
) -> Outcome<bool> {
    let Some(text) = value.as_str() else {
        return Ok(false);
    };
    machine.bytes(text.len())?;
    let changes = |each: char| {
        each.to_lowercase().any(|mapped| mapped != each) || each.to_uppercase().any(|mapped| mapped != each)
    };
    let mut found = false;
    for character in text.chars() {
        if other(character) || (!wanted(character) && changes(character)) {
            return Ok(false);
        }
        found |= wanted(character);
    }
    Ok(found)
}

fn same<'r>(value: Val<'r>, other: Val<'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    match value.is_same_object(other) {
        Some(same) => Ok(same),
        None if value.kind() != other.kind() || value.is_integer() != other.is_integer() => Ok(false),
        None => equal(value, other, machine),
    }
}

fn is_equal<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    equal(value, arguments.at(0), machine)
}

fn is_unequal<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    equal(value, arguments.at(0), machine).map(|equal| !equal)
}

fn is_less<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    compare(value, arguments.at(0), machine).map(Ordering::is_lt)
}

fn is_at_most<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    compare(value, arguments.at(0), machine).map(Ordering::is_le)
}

fn is_greater<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    compare(value, arguments.at(0), machine).map(Ordering::is_gt)
}

fn is_at_least<'r>(value: Val<'r>, arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<bool> {
    compare(value, arguments.at(0), machine).map(Ordering::is_ge)
}
