//! Macros, whose bodies are compiled behind the one that they stand in.

use super::super::ast;
use super::super::fault::Fault;
use super::super::program::{MacroDefinition, Parameter};
use super::names::{Names, Scope};
use super::{Compiler, Later, Within, small};

/// The largest number of names that macros take for macros inside of them.
const PASSED_ON_MAX: usize = 500_000;

impl<'t, 'a> Compiler<'t, 'a> {
    /// Registers a macro, whose body is compiled later.
    pub(super) fn macro_definition(&mut self, definition: &'a ast::Macro<'t>) -> u32 {
        self.share();
        let index = self.macros.len();
        let around = match self.within {
            Within::Macro(around) => Some(around),
            _ => None,
        };
        let name = match definition.name.text {
            "caller" => self.key_of("caller"),
            _ => self.key(definition.name.at),
        };
        self.macros.push(MacroDefinition {
            name,
            parameters: Box::default(),
            start: 0,
            end: 0,
            registers: 0,
            free: Box::default(),
            caller: false,
            around,
            place: definition.name.at,
        });
        self.later.push_back(Later::Macro {
            index,
            definition,
            around,
        });
        small(index)
    }

    /// Compiles the body of a macro, and finds the names that it takes from around it.
    pub(super) fn macro_body(&mut self, index: usize, definition: &'a ast::Macro<'t>, around: Option<u32>) {
        self.within = Within::Macro(index as u32);
        self.scopes = vec![Scope::default()];
        let loops = self.loops.len();
        self.free = Names::default();
        self.uses_caller = false;
        let mut parameters = Vec::with_capacity(definition.parameters.len());
        for parameter in &definition.parameters {
            // A default sees the parameters before it.
            let default = parameter.default.as_ref().map(|default| self.expression(default));
            let name = self.key(parameter.name.at);
            parameters.push(Parameter { name, default });
            self.bind(parameter.name.text);
        }
        self.bind("caller");
        let start = self.here();
        self.body(&definition.body);
        self.flush();
        let end = self.here();
        let names = std::mem::take(&mut self.free).list;
        let free: Vec<u32> = names.iter().map(|name| self.key_of(name)).collect();
        let parameters_named = definition.parameters.iter().map(|parameter| parameter.name.text);
        let own = names.iter().copied().chain(parameters_named);
        self.known.extend(own.map(|name| (index as u32, name)));
        // A macro around this one has to take these names from around it as well, unless one is its parameter.
        let mut outer = around;
        while let Some(at) = outer {
            for (name, key) in names.iter().zip(&free) {
                if self.known.insert((at, name)) {
                    self.passed_on.push((at, *key));
                }
            }
            if self.passed_on.len() > PASSED_ON_MAX {
                let message = format!("macros inside of macros use more than {PASSED_ON_MAX} names from around them");
                let fault = Fault::new("too-many-names", definition.name.at, message);
                self.fault(fault.help("define the macros beside each other"));
                break;
            }
            outer = self.later_parent(at);
        }
        let caller = self.uses_caller;
        let registers = self.end_body(loops);
        if let Some(compiled) = self.macros.get_mut(index) {
            compiled.parameters = parameters.into();
            (compiled.start, compiled.end, compiled.registers) = (start, end, registers);
            compiled.free = free.into();
            compiled.caller = caller;
            compiled.around = around;
        }
    }

    /// Returns the macro around a macro.
    fn later_parent(&self, index: u32) -> Option<u32> {
        self.macros.get(index as usize)?.around
    }
}
