//! Filters that apply another filter or a test to each item.

use super::{Arguments, Failure, Filter, Machine, Outcome, Val};
use crate::dialect::jinja::predicates::Predicate;
use crate::dialect::jinja::value::Role;
use crate::suggestion::suggestion;

/// Returns the filter that `map` applies.
fn filter_named(value: Val<'_>, machine: &Machine<'_, '_>) -> Outcome<Filter> {
    let Some(name) = value.as_str() else {
        return Err(Failure::invalid("`map` takes the name of a filter, or `attribute=`"));
    };
    let registered = machine.space.registered();
    Filter::find(name, registered).ok_or_else(|| {
        let failure = Failure::coded(
            "unknown-filter",
            format!("there is no filter `{}`", name.escape_debug()),
        );
        match suggestion(name, registered.names(Role::Filter)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}

/// Returns the test that `select` and similar filters apply.
fn predicate_named(value: Val<'_>, machine: &Machine<'_, '_>) -> Outcome<Predicate> {
    let Some(name) = value.as_str() else {
        return Err(Failure::invalid("the name of a test has to be a string"));
    };
    let registered = machine.space.registered();
    Predicate::find(name, registered).ok_or_else(|| {
        let failure = Failure::coded("unknown-test", format!("there is no test `{}`", name.escape_debug()));
        match suggestion(name, registered.names(Role::Test)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}

pub(super) fn map<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let attribute = arguments.named("attribute");
    let mut mapped = machine.space.list();
    if attribute.is_absent() {
        let filter = filter_named(arguments.at(0), machine)?;
        let rest = Arguments {
            values: arguments.values.get(1..).unwrap_or_default(),
            named: &[],
        };
        for item in value.items(machine)? {
            machine.items(1)?;
            mapped.push(filter.apply(*item, &rest, machine)?)?;
        }
        return Ok(Val::List(mapped.finish()));
    }
    if !arguments.values.is_empty() {
        return Err(Failure::coded(
            "arguments",
            "`map` takes either a filter or `attribute=`",
        ));
    }
    let default = arguments.named("default");
    for item in value.items(machine)? {
        let found = match attribute.as_str() {
            Some(path) if default.is_undefined() => item.path(path, machine)?,
            Some(path) => item.path_or(path, default, machine)?,
            None => {
                machine.defined(*item)?;
                item.item(attribute, machine)?
                    .unwrap_or(Val::Undefined("the attribute"))
            }
        };
        let missing = found.is_undefined() && !default.is_undefined();
        mapped.push(if missing { default } else { found })?;
    }
    Ok(Val::List(mapped.finish()))
}

/// Keeps the items for which a test, or the truth of the value, is as wanted.
fn filtered<'r>(
    value: Val<'r>,
    attribute: Option<&'r str>,
    arguments: &[Val<'r>],
    wanted: bool,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let predicate = match arguments.first() {
        Some(name) if !name.is_absent() => Some(predicate_named(*name, machine)?),
        _ => None,
    };
    let rest = Arguments {
        values: arguments.get(1..).unwrap_or_default(),
        named: &[],
    };
    let mut kept = machine.space.list();
    for item in value.items(machine)? {
        machine.items(1)?;
        let tested = match attribute {
            Some(path) => item.path(path, machine)?,
            None => *item,
        };
        let holds = match predicate {
            Some(predicate) => predicate.holds(tested, &rest, machine)?,
            None => tested.is_true(),
        };
        if holds == wanted {
            kept.push(*item)?;
        }
    }
    Ok(Val::List(kept.finish()))
}

pub(super) fn select<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered(value, None, arguments.values, true, machine)
}

pub(super) fn reject<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered(value, None, arguments.values, false, machine)
}

/// Returns the items whose attribute passes a test, or does not. The attribute is the first argument, the test comes after it.
fn filtered_by_attribute<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    wanted: bool,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let attribute = machine.defined_text(arguments.at(0))?;
    let test = arguments.values.get(1..).unwrap_or_default();
    filtered(value, Some(attribute), test, wanted, machine)
}

pub(super) fn selectattr<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered_by_attribute(value, arguments, true, machine)
}

pub(super) fn rejectattr<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    filtered_by_attribute(value, arguments, false, machine)
}
