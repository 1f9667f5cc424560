//! Resolution of names.
//!
//! A name that is set unconditionally in an open scope of the same body has a slot there. A name that may be set in such a scope, or that an
//! included template may set, is searched for when the text is rendered.

use std::collections::HashMap;

use super::super::ast::{self, ByteRange, Name};
use super::super::program::{Lookup, NO_REGISTER, Path, Target};
use super::{Compiler, Within, small};

/// The number of names that are searched one by one.
const LINEAR_NAMES_MAX: usize = 16;

/// The largest number of registers of a body, so that beginning a run costs little whatever the text is.
const REGISTERS_MAX: u16 = 64;

/// Different names in the order in which they were found.
#[derive(Default)]
pub(super) struct Names<'t> {
    pub(super) list: Vec<&'t str>,
    /// The positions of the names, if there are many: a text can set as many names as it has tags.
    places: HashMap<&'t str, usize>,
}

impl<'t> Names<'t> {
    fn position(&self, name: &str) -> Option<usize> {
        match self.list.len() {
            0..=LINEAR_NAMES_MAX => self.list.iter().position(|known| *known == name),
            _ => self.places.get(name).copied(),
        }
    }

    /// Adds a name that is not there.
    fn push(&mut self, name: &'t str) {
        self.list.push(name);
        match self.list.len() {
            0..=LINEAR_NAMES_MAX => {}
            count if self.places.is_empty() => {
                self.places.reserve(count);
                self.places
                    .extend(self.list.iter().enumerate().map(|(at, name)| (*name, at)));
            }
            count => {
                self.places.insert(name, count - 1);
            }
        }
    }
}

/// The open scope of a body.
#[derive(Default)]
pub(super) struct Scope<'t> {
    /// The names of the first variables.
    slots: Names<'t>,
    /// Names that are set in it, but not certainly or not at a known place.
    others: Names<'t>,
    /// The number of conditions around this place inside of the scope.
    conditions: i32,
    /// Other templates may have set variables in it.
    leaky: bool,
    /// The scope has variables of callers as well, so that places in it are not known.
    shared: bool,
    /// The body of this scope also runs inside of itself.
    recursive: bool,
    /// The register of the second variable, the item of a loop.
    register: Option<u16>,
    /// More variables than the first two may be in it, or macros share them.
    pub(super) grows: bool,
}

/// The registers of the body that is being compiled.
#[derive(Default)]
pub(super) struct Registers<'t> {
    pub(super) count: u16,
    /// The names from outside that have a register.
    outer: Names<'t>,
    outer_registers: Vec<u16>,
}

impl<'t> Registers<'t> {
    /// Returns a new register, if there may be one more.
    pub(super) fn add(&mut self) -> Option<u16> {
        let register = Some(self.count).filter(|count| *count < REGISTERS_MAX)?;
        self.count += 1;
        Some(register)
    }

    /// Returns the register of a name from outside.
    fn of_outer(&mut self, name: &'t str) -> Option<u16> {
        if let Some(at) = self.outer.position(name) {
            return self.outer_registers.get(at).copied();
        }
        let register = self.add()?;
        self.outer.push(name);
        self.outer_registers.push(register);
        Some(register)
    }
}

impl Scope<'_> {
    /// Returns the scope of a template, which another template may share.
    pub(super) fn template() -> Self {
        Self {
            shared: true,
            ..Self::default()
        }
    }

    /// Returns the scope of a loop, whose first variable is `loop`.
    pub(super) fn of_loop(recursive: bool) -> Self {
        Self {
            slots: Names {
                list: vec!["loop"],
                ..Names::default()
            },
            recursive,
            ..Self::default()
        }
    }
}

impl<'t, 'a> Compiler<'t, 'a> {
    /// Notes that conditions begin or end in the innermost scope.
    pub(super) fn conditional(&mut self, change: i32) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.conditions += change;
        }
    }

    /// Notes that another template may have set variables of the innermost scope.
    pub(super) fn leak(&mut self) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.leaky = true;
            scope.grows = true;
        }
    }

    /// Gives the item of the loop whose scope is the innermost one a register.
    pub(super) fn item_register(&mut self) -> u16 {
        let register = self.registers.add();
        if let Some(scope) = self.scopes.last_mut() {
            scope.register = register;
        }
        register.unwrap_or(NO_REGISTER)
    }

    /// Notes that macros share the variables of the innermost scope.
    pub(super) fn share(&mut self) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.grows = true;
        }
    }

    /// Notes that a name is set in the innermost scope.
    pub(super) fn bind(&mut self, name: &'t str) {
        let Some(scope) = self.scopes.last_mut() else { return };
        if scope.slots.position(name).is_some() || scope.others.position(name).is_some() {
            return;
        }
        scope.grows |= scope.slots.list.len() > 1;
        let is_certain = scope.conditions == 0 && scope.others.list.is_empty() && !scope.leaky && !scope.shared;
        if is_certain && scope.slots.list.len() < usize::from(u16::MAX) {
            scope.slots.push(name);
        } else {
            scope.others.push(name);
        }
    }

    /// Returns where a name is found.
    fn resolve(&mut self, name: &'t str) -> Lookup {
        let mut lookup = Lookup::Outer;
        let mut register = None;
        for (up, scope) in self.scopes.iter().rev().enumerate() {
            if let Some(slot) = scope.slots.position(name) {
                register = scope.register.filter(|_| slot == 1);
                lookup = match (u16::try_from(up), u16::try_from(slot)) {
                    (Ok(up), Ok(slot)) => Lookup::Slot { up, slot },
                    _ => Lookup::Dynamic,
                };
                break;
            }
            // In a recursive loop the scope around may be that of the loop itself.
            if scope.leaky || scope.recursive || scope.others.position(name).is_some() {
                lookup = Lookup::Dynamic;
                break;
            }
        }
        if let Within::Macro(_) = self.within {
            match lookup {
                Lookup::Slot { .. } if name == "caller" => self.uses_caller = true,
                Lookup::Slot { .. } | Lookup::Register(_) => {}
                Lookup::Outer | Lookup::Dynamic if self.free.position(name).is_some() => {}
                Lookup::Outer | Lookup::Dynamic => self.free.push(name),
            }
            // A dynamic search may find the parameter as well.
            self.uses_caller |= name == "caller";
        }
        // Nothing changes a value outside of a body while the body runs, so it is looked up once.
        if lookup == Lookup::Outer {
            register = self.registers.of_outer(name);
        }
        register.map_or(lookup, Lookup::Register)
    }

    /// Adds a use of a name, which is a part of the source, with attributes.
    pub(super) fn path_of(&mut self, text: &'t str, attributes: impl Iterator<Item = ByteRange>) -> u32 {
        let lookup = self.resolve(text);
        let start = self.position(text);
        let name = self.key(ByteRange {
            start,
            end: start + small(text.len()),
        });
        attributes.for_each(|attribute| _ = self.key(attribute));
        let attributes = small(self.keys.len()) - name - 1;
        if text == "loop" {
            self.key_of_loop(name + 1);
        }
        self.paths.push(Path {
            lookup,
            name,
            attributes,
        });
        small(self.paths.len() - 1)
    }

    /// Adds a use of a name without attributes.
    pub(super) fn name_use(&mut self, name: &'t str) -> u32 {
        self.path_of(name, std::iter::empty())
    }

    /// Adds the left side of an assignment.
    pub(super) fn target(&mut self, target: &'a ast::Target<'t>) -> u32 {
        let target = self.target_of(target);
        self.targets.push(target);
        small(self.targets.len() - 1)
    }

    /// Adds a name that is assigned.
    pub(super) fn name_target(&mut self, name: Name<'t>) -> u32 {
        self.bind(name.text);
        let key = self.key(name.at);
        self.targets.push(Target::Name(key));
        small(self.targets.len() - 1)
    }

    fn target_of(&mut self, target: &'a ast::Target<'t>) -> Target {
        match target {
            ast::Target::Name(name) => {
                self.bind(name.text);
                Target::Name(self.key(name.at))
            }
            ast::Target::Attribute { base, path } => {
                let (last, between) = match path.split_last() {
                    Some((last, between)) => (*last, between),
                    None => (*base, &[][..]),
                };
                let namespace = self.namespace(*base, between);
                let key = self.key(last.at);
                let place = base.at.to(last.at);
                Target::Attribute { namespace, key, place }
            }
            ast::Target::Tuple { items, at } => {
                let items = items.iter().map(|item| self.target_of(item)).collect();
                Target::Tuple(items, *at)
            }
        }
    }
}
