//! Assignments: to names, to fields of namespaces, and to several of them at once.

use super::{Execution, Machine, UnitRef, machine};
use crate::dialect::jinja::failure::{Failure, Outcome};
use crate::dialect::jinja::program::Target;
use crate::dialect::jinja::value::{Kind, Val, undefined};
use crate::dialect::{Frame, Missing};

impl<'r> Execution<'r> {
    /// Assigns a value to the left side of an assignment.
    pub(super) fn assign(
        &mut self,
        here: UnitRef<'r>,
        target: u32,
        value: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        match here.unit.program.targets.get(target as usize) {
            Some(target) => self.assign_to(here, target, value, frame),
            None => Ok(()),
        }
    }

    fn assign_to(
        &mut self,
        here: UnitRef<'r>,
        target: &'r Target,
        value: Val<'r>,
        frame: &mut Frame<'_>,
    ) -> Outcome<()> {
        let unit = here.unit;
        match target {
            Target::Name(key) => {
                if let Some(key) = unit.program.keys.get(*key as usize) {
                    let name = unit.text_of(key);
                    self.variables.set(key, name, value, &mut machine!(self, here, frame))?;
                }
                Ok(())
            }
            Target::Attribute { namespace, key, place } => {
                let found = self.eval(here, *namespace, frame)?;
                let Val::Namespace(namespace) = found else {
                    let message = format!("attributes can be set of a namespace only, not of {}", found.words());
                    let failure = Failure::invalid(message).help("make one: `{% set ns = namespace() %}`");
                    return Err(self.placed(failure, here, *place));
                };
                namespace.set(unit.key(*key), value, &mut machine!(self, here, frame))
            }
            Target::Tuple(targets, place) => {
                let items = value.unpacked(&mut machine!(self, here, frame))?;
                let Some(items) = items else {
                    let message = format!("{} cannot be unpacked", value.words());
                    let failure = Failure::coded("unpacking", message);
                    let failure = match value.as_str() {
                        Some(_) => failure.help("for the keys of a map with their values write `in map | items`"),
                        None => failure,
                    };
                    return Err(self.placed(failure, here, *place));
                };
                if items.len() != targets.len() {
                    let message = format!("{} names for {} items", targets.len(), items.len());
                    return Err(self.placed(Failure::coded("unpacking", message), here, *place));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign_to(here, target, *item, frame)?;
                }
                Ok(())
            }
        }
    }
}

impl<'r> Val<'r> {
    /// Returns the items that an assignment to several names takes; `None` if the value has none.
    fn unpacked(self, machine: &mut Machine<'_, 'r>) -> Outcome<Option<&'r [Self]>> {
        match self {
            Val::Undefined(expression) => Err(undefined(expression)),
            _ => match self.kind() {
                Kind::List | Kind::Iterable | Kind::Map => self.items(machine).map(Some),
                _ => Ok(None),
            },
        }
    }
}
