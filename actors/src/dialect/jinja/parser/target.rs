//! The left sides of assignments, and the parameters of macros.

use crate::dialect::jinja::ast::{Name, Parameter, Target};
use crate::dialect::jinja::fault::Fault;
use crate::dialect::jinja::lexer::{Symbol, Token};

use super::Parser;

/// Names that nothing can be assigned to.
const RESERVED: [&str; 8] = ["true", "True", "false", "False", "none", "None", "loop", "self"];

impl<'t> Parser<'t, '_> {
    /// Parses a name, a tuple of targets, or where `with_attributes` an attribute of a namespace.
    pub(super) fn target(&mut self, with_attributes: bool) -> Result<Target<'t>, Fault> {
        let start = self.at;
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                self.expect(Symbol::Comma, "`,`")?;
            }
            if matches!(
                self.token,
                Token::Symbol(Symbol::ParenClose) | Token::OutputEnd | Token::TagEnd | Token::Word("in")
            ) {
                break;
            }
            items.push(match self.takes(Symbol::ParenOpen)? {
                true => {
                    self.enter(1)?;
                    let inner = self.target(with_attributes)?;
                    self.depth -= 1;
                    self.expect(Symbol::ParenClose, "`)`")?;
                    inner
                }
                false => self.target_name(with_attributes)?,
            });
            match self.token {
                Token::Symbol(Symbol::Comma) => is_tuple = true,
                _ => break,
            }
        }
        match items.pop() {
            Some(only) if !is_tuple && items.is_empty() => Ok(only),
            last => {
                items.extend(last);
                Ok(Target::Tuple {
                    items,
                    at: self.since(start),
                })
            }
        }
    }

    fn target_name(&mut self, with_attributes: bool) -> Result<Target<'t>, Fault> {
        let base = self.assigned_name()?;
        let mut path = Vec::new();
        while with_attributes && self.takes(Symbol::Dot)? {
            path.push(self.name("the name of an attribute")?);
        }
        Ok(match path.is_empty() {
            true => Target::Name(base),
            false => Target::Attribute { base, path },
        })
    }

    /// Takes a name that something is assigned to.
    pub(super) fn assigned_name(&mut self) -> Result<Name<'t>, Fault> {
        let name = self.name("a name")?;
        if RESERVED.contains(&name.text) {
            let message = format!("nothing can be assigned to `{}`", name.text);
            let fault = Fault::new("reserved-name", name.at, message);
            return Err(fault.help("choose another name"));
        }
        Ok(name)
    }

    /// Parses the parameters of a macro up to the closing parenthesis; the opening one is taken.
    pub(super) fn parameters(&mut self) -> Result<Vec<Parameter<'t>>, Fault> {
        let mut parameters: Vec<Parameter<'t>> = Vec::new();
        while self.is_next_item(Symbol::ParenClose, !parameters.is_empty())? {
            let name = self.assigned_name()?;
            if parameters.iter().any(|earlier| earlier.name.text == name.text) {
                let message = format!("the parameter `{}` is there twice", name.text);
                return Err(Fault::new("duplicate-parameter", name.at, message).help("rename one of them"));
            }
            if parameters.len() == PARAMETERS_MAX {
                let message = format!("a macro has at most {PARAMETERS_MAX} parameters");
                return Err(Fault::new("too-many-arguments", name.at, message).help("pass a map"));
            }
            let default = match self.takes(Symbol::Assign)? {
                true => Some(self.expression()?),
                false if parameters.last().is_some_and(|last| last.default.is_some()) => {
                    let message = format!("the parameter `{}` needs a default", name.text);
                    let fault = Fault::new("parameter-order", name.at, message);
                    return Err(fault.help("parameters with a default come last"));
                }
                false => None,
            };
            parameters.push(Parameter { name, default });
        }
        Ok(parameters)
    }
}

/// The largest number of parameters of a macro, which are compared with each other.
const PARAMETERS_MAX: usize = 255;
