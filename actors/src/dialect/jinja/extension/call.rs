//! [`FunctionCall`]: the arguments that a function of the program gets.

use super::returned::{Answer, Returned, Room, unusable};
use super::signature::Signature;
use crate::dialect::body::Body;
use crate::dialect::escape::escape;
use crate::dialect::print::json_text;
use crate::dialect::{Escape, Exceeded, FormatterError};
use crate::value::Value;

/// A call of a filter, test or function of the program.
///
/// Arguments are found by the names of the parameters, however the template has given them: by position, by name, or not at all, so that the
/// default counts.
///
/// ```
/// use hotplate_actors::{Hotplate, MemoryLoader};
///
/// let page = MemoryLoader::of([("page.html", "{{ 19.9|price }} {{ 5|price('USD', digits=0) }}")])?;
/// let hotplate = Hotplate::builder().loader(page).jinja().jinja_filter("price(amount, currency='EUR', digits=2)", |call| {
///     let amount: f64 = call.get("amount")?;
///     let digits: usize = call.get("digits")?;
///     let currency: &str = call.get("currency")?;
///     Ok(format!("{amount:.digits$} {currency}"))
/// });
/// assert_eq!(hotplate.start()?.render("page.html", &())?.body, "19.90 EUR 5 USD");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FunctionCall<'r> {
    signature: &'r Signature,
    /// A value for each parameter, in their order.
    values: &'r [Value<'r>],
    /// True for each value that is markup already.
    safe: &'r [bool],
    escape: Escape,
    room: Room<'r>,
}

impl<'r> FunctionCall<'r> {
    pub(super) fn new(
        signature: &'r Signature,
        values: &'r [Value<'r>],
        safe: &'r [bool],
        escape: Escape,
        room: Room<'r>,
    ) -> Self {
        Self {
            signature,
            values,
            safe,
            escape,
            room,
        }
    }

    /// Returns the argument of a parameter: as a number, a text, a boolean, a [`Value`], an [`Option`] or a [`Vec`] of these. An argument
    /// that is missing in a lenient template is null.
    ///
    /// # Errors
    /// [`FormatterError`] if the argument is of another kind, or no parameter has that name.
    pub fn get<T: FromValue<'r>>(&self, parameter: &str) -> Result<T, FormatterError> {
        let (at, value) = self.find(parameter)?;
        T::from_value(value).ok_or_else(|| {
            let name = self.signature.parameter(at);
            FormatterError::new(format!("`{name}` has to be {}, not {}", T::EXPECTED, value.kind()))
        })
    }

    /// Returns the argument of a parameter as markup for the page: a text is escaped if the page is, unless it is markup already.
    ///
    /// # Errors
    /// [`FormatterError`] if the argument is not a text or too long, or no parameter has that name.
    pub fn markup(&self, parameter: &str) -> Result<String, FormatterError> {
        let text: &str = self.get(parameter)?;
        let (at, _) = self.find(parameter)?;
        match self.escape {
            Escape::Html if self.safe.get(at) != Some(&true) => {
                let mut escaped = Body::new(self.room.limit, 0);
                escape(text, &mut escaped).map_err(Exceeded::from)?;
                Ok(escaped.to_text())
            }
            Escape::Json if self.safe.get(at) != Some(&true) => Ok(json_text(text)),
            _ => Ok(text.to_owned()),
        }
    }

    /// Returns the escaping at the place of the call.
    #[must_use]
    pub fn escape(&self) -> Escape {
        self.escape
    }

    fn find(&self, parameter: &str) -> Result<(usize, &'r Value<'r>), FormatterError> {
        let at = self.signature.position(parameter);
        let found = at.and_then(|at| Some((at, self.values.get(at)?)));
        found.ok_or_else(|| {
            FormatterError::new(format!("it asks for `{parameter}`, which is not one of its parameters"))
        })
    }

    /// Converts the result of the function.
    pub(super) fn answer(&self, result: impl Returned) -> Result<Answer<'r>, FormatterError> {
        result.answer(self.room).map_err(|error| unusable(&error, self.room))
    }
}

impl std::fmt::Debug for FunctionCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionCall")
            .field("name", &self.signature.name())
            .field("arguments", &self.values.len())
            .finish()
    }
}

/// A kind of argument.
pub trait FromValue<'r>: Sized {
    /// The kind in words, for messages.
    const EXPECTED: &'static str;

    /// Returns the argument, if it is of this kind.
    fn from_value(value: &'r Value<'r>) -> Option<Self>;
}

impl<'r> FromValue<'r> for Value<'r> {
    const EXPECTED: &'static str = "a value";

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        Some(*value)
    }
}

impl<'r> FromValue<'r> for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }
}

impl<'r> FromValue<'r> for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        value.as_f64()
    }
}

/// Implements [`FromValue`] for integers, each within its range.
macro_rules! integers {
    ($($integer:ty: $expected:literal),*) => {$(
        impl<'r> FromValue<'r> for $integer {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &'r Value<'r>) -> Option<Self> {
                match value {
                    Value::Unsigned(number) => Self::try_from(*number).ok(),
                    Value::Signed(number) => Self::try_from(*number).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integers!(
    i32: "an integer of 32 bits",
    i64: "an integer",
    u32: "an integer of 32 bits that is not negative",
    u64: "an integer that is not negative",
    usize: "an integer that is not negative"
);

impl<'r> FromValue<'r> for &'r str {
    const EXPECTED: &'static str = "a string";

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        value.as_text()
    }
}

impl<'r> FromValue<'r> for String {
    const EXPECTED: &'static str = "a string";

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        value.as_text().map(str::to_owned)
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Vec<T> {
    const EXPECTED: &'static str = "an array whose items fit";

    fn from_value(value: &'r Value<'r>) -> Option<Self> {
        match value {
            Value::Array(items) => items.iter().map(T::from_value).collect(),
            _ => None,
        }
    }
}
