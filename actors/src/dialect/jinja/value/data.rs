//! Values of a template as values of a context, for formatters.

use super::compare::descend;
use super::{Kind, Machine, Val, real};
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::value::{LINEAR_FIELDS_MAX, Object, Value};

impl<'r> Val<'r> {
    /// Returns the value as one of a context.
    pub(in crate::dialect::jinja) fn data(self, machine: &mut Machine<'_, 'r>) -> Outcome<&'r Value<'r>> {
        let value = convert(self, machine, 0)?;
        machine.space.put(value)
    }
}

fn convert<'r>(value: Val<'r>, machine: &mut Machine<'_, 'r>, depth: u32) -> Outcome<Value<'r>> {
    machine.items(1)?;
    Ok(match value {
        Val::Undefined(_) | Val::Silent | Val::None => Value::Null,
        Val::Bool(truth) => Value::Bool(truth),
        Val::Int(number) => match u64::try_from(number) {
            Ok(number) => Value::Unsigned(number),
            Err(_) => Value::Signed(number),
        },
        Val::Unsigned(number) => Value::Unsigned(number),
        Val::Float(number) if number.is_finite() => Value::Float(number),
        Val::Float(_) => Value::Null,
        Val::Wide(_) => Value::Digits(machine.text(value)?),
        Val::Digits(digits) => match real(value) {
            Some(_) => Value::Digits(digits),
            None => Value::Null,
        },
        Val::Str(text) | Val::Safe(text) => Value::Text(text),
        Val::Array(items) => Value::Array(items),
        Val::Object(object) => Value::Object(object),
        Val::Function(_) | Val::Own(_) | Val::Macro(_) | Val::Loop(_) => {
            return Err(Failure::invalid(format!(
                "a function of the program does not take {}",
                value.words()
            )));
        }
        _ if value.kind() == Kind::Map => {
            let depth = descend(depth, machine)?;
            let pairs = value.pairs(machine)?.unwrap_or_default();
            let mut fields: Vec<(&'r str, Value<'r>)> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                fields.push((machine.text(*key)?, convert(*value, machine, depth)?));
            }
            if fields.len() > LINEAR_FIELDS_MAX {
                fields.sort_by_key(|(key, _)| *key);
                fields.dedup_by_key(|(key, _)| *key);
            }
            Value::Object(Object(machine.space.slice(&fields)?))
        }
        _ => {
            let depth = descend(depth, machine)?;
            let items = value.items(machine)?;
            let mut data = Vec::with_capacity(items.len());
            for item in items {
                data.push(convert(*item, machine, depth)?);
            }
            Value::Array(machine.space.slice(&data)?)
        }
    })
}
