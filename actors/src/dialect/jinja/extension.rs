//! Filters, tests, functions and globals of the program that embeds the engine.
//!
//! Each is registered with its parameters written as those of a macro, `price(amount, currency='EUR')`, so arguments are checked, named and
//! completed like those of a macro, as far as possible when a text is compiled. A function gets its arguments as values of a context, and its
//! result is converted like a context: both are charged to [`Limits::context_bytes`](crate::Limits). A panic becomes a diagnostic, and the
//! clock is checked after each call.

mod call;
mod returned;
mod signature;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::filters::Filter;
use super::functions::Function;
use super::predicates::Predicate;
use super::value::{Arguments, Machine, Own, Registered, Role, Space, Val};
use crate::budget::Exceeded;
use crate::dialect::{FormatterError, RenderFault};
use crate::limits::Limits;
use crate::value::build_within;

pub use call::{FromValue, FunctionCall};
pub use returned::{Markup, Returned};
pub(super) use signature::Signature;

use returned::{Answer, Room};
use signature::MEANING;

/// The largest number of filters, of tests, of functions and of globals.
const EACH_MAX: usize = 1000;

/// Words that are functions in blocks and macros.
const RESERVED: [&str; 2] = ["super", "caller"];

type Handler = dyn for<'r> Fn(&FunctionCall<'r>) -> Result<Answer<'r>, FormatterError> + Send + Sync;

/// The filters, tests, functions and globals of a program, fixed when its engine starts. They take precedence over those of the language, so
/// that a later version of the language with a filter of the same name changes no template.
#[doc(hidden)]
#[derive(Default, Clone)]
pub struct Extensions {
    filters: Registry<OwnFunction>,
    tests: Registry<OwnFunction>,
    functions: Registry<OwnFunction>,
    globals: Registry<serde_json::Value>,
}

/// The registered items, sorted by name.
#[derive(Clone)]
struct Registry<T>(Vec<(Box<str>, T)>);

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Registry<T> {
    fn position(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.0.get(self.position(name)?).map(|(_, value)| value)
    }

    fn at(&self, index: usize) -> Option<&T> {
        self.0.get(index).map(|(_, value)| value)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    fn insert(&mut self, name: &str, value: T) -> Result<(), String> {
        match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => self.0[at].1 = value,
            Err(_) if self.0.len() >= EACH_MAX => return Err(format!("there are more than {EACH_MAX}")),
            Err(at) => self.0.insert(at, (name.into(), value)),
        }
        Ok(())
    }
}

/// A function of the program with its parameters.
#[derive(Clone)]
pub(super) struct OwnFunction {
    role: Role,
    pub(super) signature: Signature,
    handler: Arc<Handler>,
}

impl Extensions {
    /// Adds a function, or replaces the one of that name.
    ///
    /// # Errors
    /// The reason why no template could use it.
    pub(crate) fn add<R, F>(&mut self, role: Role, signature: &str, function: F) -> Result<(), String>
    where
        R: Returned,
        F: Fn(&FunctionCall<'_>) -> Result<R, FormatterError> + Send + Sync + 'static,
    {
        let signature = Signature::parse(signature, role)?;
        let name = signature.name().to_owned();
        let registry = match role {
            Role::Filter => &mut self.filters,
            Role::Test => &mut self.tests,
            Role::Function if RESERVED.contains(&&*name) => return Err(MEANING.into()),
            Role::Function if self.globals.get(&name).is_some() => return Err("there is a global of that name".into()),
            Role::Function => &mut self.functions,
        };
        let handler = erased(move |call| call.answer(function(call)?));
        registry.insert(
            &name,
            OwnFunction {
                role,
                signature,
                handler,
            },
        )
    }

    /// Adds a value that every template sees, or replaces the one of that name.
    ///
    /// # Errors
    /// The reason why no template could use it.
    pub(crate) fn add_global<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), String> {
        let signature = Signature::parse(name, Role::Function)?;
        if signature.name() != name {
            return Err("a global has no parameters".into());
        }
        if RESERVED.contains(&name) {
            return Err(MEANING.into());
        }
        if self.functions.get(name).is_some() {
            return Err("there is a function of that name".into());
        }
        let value = serde_json::to_value(value).map_err(|error| format!("its value does not serialize: {error}"))?;
        self.globals.insert(name, value)
    }

    /// Checks that each global by itself is within the limits of a context.
    ///
    /// # Errors
    /// The name of a global that is not, with the reason.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), (String, String)> {
        for (name, value) in &self.globals.0 {
            let built = crate::value::build(value, &crate::value::Arena::new(), limits).err();
            if let Some(error) = built {
                return Err((name.to_string(), error.to_string()));
            }
        }
        Ok(())
    }

    /// Returns true if the program or the language has a filter of that name.
    pub(crate) fn has_filter(&self, name: &str) -> bool {
        self.filter(name).is_some()
    }

    fn registry(&self, role: Role) -> &Registry<OwnFunction> {
        match role {
            Role::Filter => &self.filters,
            Role::Test => &self.tests,
            Role::Function => &self.functions,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let functions = [&self.filters, &self.tests, &self.functions];
        functions.iter().all(|each| each.0.is_empty()) && self.globals.0.is_empty()
    }

    /// Returns the filter of a name: one of the program, or else one of the language.
    pub(super) fn filter(&self, name: &str) -> Option<Filter> {
        Filter::find(name, self)
    }

    /// Returns the names of all filters.
    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        self.filters.names().chain(Filter::names().map(shorter))
    }

    /// Returns a filter of the program.
    pub(super) fn own_filter(&self, index: u16) -> Option<&OwnFunction> {
        self.filters.at(usize::from(index))
    }

    /// Returns the test of a name: one of the program, or else one of the language.
    pub(super) fn test(&self, name: &str) -> Option<Predicate> {
        Predicate::find(name, self)
    }

    /// Returns the names of all tests.
    pub(super) fn tests(&self) -> impl Iterator<Item = &str> {
        self.tests.names().chain(Predicate::names().map(shorter))
    }

    /// Returns a test of the program.
    pub(super) fn own_test(&self, index: u16) -> Option<&OwnFunction> {
        self.tests.at(usize::from(index))
    }
}

impl Registered for Extensions {
    fn own(&self, role: Role, number: u16) -> Option<&dyn Own> {
        let found = self.registry(role).at(usize::from(number))?;
        Some(found)
    }

    fn number(&self, role: Role, name: &str) -> Option<u16> {
        u16::try_from(self.registry(role).position(name)?).ok()
    }

    fn knows(&self, role: Role, name: &str) -> bool {
        let of_language = match role {
            Role::Filter => Filter::named(name).is_some(),
            Role::Test => Predicate::named(name).is_some(),
            Role::Function => Function::named(name).is_some(),
        };
        of_language || self.number(role, name).is_some()
    }

    fn names(&self, role: Role) -> Vec<&str> {
        match role {
            Role::Filter => self.filters().collect(),
            Role::Test => self.tests().collect(),
            Role::Function => {
                let own = self.functions.names().chain(self.globals.names());
                own.chain(Function::names().map(shorter)).collect()
            }
        }
    }

    #[inline(never)]
    fn global<'r>(&'r self, name: &str, space: &Space<'r>) -> Outcome<Option<Val<'r>>> {
        if let Some(function) = self.functions.get(name) {
            return Ok(Some(Val::Own(function)));
        }
        let Some(at) = self.globals.position(name) else {
            return Ok(Function::named(name).map(Val::Function));
        };
        // Converted once for each render that uses it.
        if let Some(known) = space.known_global(at) {
            return Ok(Some(known));
        }
        let Some(global) = self.globals.at(at) else {
            return Ok(None);
        };
        // Its depth was checked at the start, so only its size can be too much.
        let built = build_within(global, space.bump(), space.left(), u32::MAX);
        let (value, bytes) = built.map_err(|_| Box::<Failure>::from(Exceeded::Memory(space.limit())))?;
        space.charge(bytes)?;
        let value = Val::of(space.put(value)?);
        space.keep_global(at, value);
        Ok(Some(value))
    }
}

fn shorter<'s>(name: &'static str) -> &'s str {
    name
}

/// Returns a function behind a pointer.
fn erased<F>(function: F) -> Arc<Handler>
where
    F: for<'r> Fn(&FunctionCall<'r>) -> Result<Answer<'r>, FormatterError> + Send + Sync + 'static,
{
    Arc::new(function)
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions")
            .field("filters", &self.filters.0.len())
            .field("tests", &self.tests.0.len())
            .field("functions", &self.functions.0.len())
            .field("globals", &self.globals.0.len())
            .finish()
    }
}

impl Own for OwnFunction {
    fn name(&self) -> &str {
        self.signature.name()
    }

    fn call<'r>(
        &'r self,
        value: Option<Val<'r>>,
        arguments: &Arguments<'_, 'r>,
        machine: &mut Machine<'_, 'r>,
    ) -> Outcome<Val<'r>> {
        let (values, safe) = self.signature.bind(value, arguments, machine)?;
        let space = machine.space;
        let room = Room {
            bump: space.bump(),
            bytes: space.left(),
            limit: space.limit(),
            depth: machine.budget.context_depth,
        };
        let call = FunctionCall::new(&self.signature, values, safe, machine.escape, room);
        machine.budget.begin();
        let run = AssertUnwindSafe(|| (self.handler)(&call));
        let answer = catch_unwind(run).unwrap_or_else(|panic| {
            let message = crate::supervision::panic_text(panic);
            Err(FormatterError::new(format!("it panicked: {message}")))
        });
        // A function may have blocked, whatever it is given.
        machine.budget.check(Instant::now())?;
        match answer {
            Ok(Answer::Data(value, bytes)) => {
                space.charge(bytes)?;
                Ok(Val::of(space.put(value)?))
            }
            Ok(Answer::Markup(text)) => Ok(Val::Safe(space.text(&text)?)),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

impl OwnFunction {
    #[cold]
    fn failed(&self, error: &FormatterError) -> Box<Failure> {
        if let Some(exceeded) = error.exceeded() {
            return exceeded.into();
        }
        let message = format!("the {} `{}` failed: {error}", self.role.word(), self.name());
        Failure::of(RenderFault::Formatter, "function-failed", message)
    }
}
