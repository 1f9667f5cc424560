//! Filters, tests, functions and globals for templates in Jinja.

use std::sync::Arc;

use serde::Serialize;

use super::Builder;
use crate::dialect::jinja::{Extensions, FunctionCall, Returned, Role};
use crate::dialect::{FormatterError, Formatters};
use crate::engine::StartError;
use crate::value::Value;

/// Adds filters that return their value, whatever their arguments are, for formatters and filters of another program. A name that no filter
/// can have is left to the formatters.
pub(super) fn add_stubs(extensions: &mut Arc<Extensions>, names: &[String], formatters: &Formatters) {
    for name in names {
        if formatters.get(name).is_some() || extensions.has_filter(name) {
            continue;
        }
        let stub = |call: &FunctionCall<'_>| {
            let value: Value<'_> = call.get("value")?;
            serde_json::to_value(value).map_err(|error| FormatterError::new(error.to_string()))
        };
        let added = Arc::make_mut(extensions).add(Role::Filter, &format!("{name}(value, *more, **named)"), stub);
        if let Err(reason) = added {
            tracing::debug!(name, reason, "a formatter without arguments only");
        }
    }
}

impl Builder {
    /// Adds a filter to templates in Jinja, or replaces the one of that name, also one of the language.
    ///
    /// `signature` is written as that of a macro: `price(amount, currency='EUR')`. The first parameter is the value that the filter is applied
    /// to; the others are given by position or by name, and those with a default may be left out. `*more` takes any number of further
    /// arguments and `**named` those with any other name. Of a filter without arguments the name is enough.
    ///
    /// The function returns anything that implements [`Serialize`], or [`Markup`](crate::dialect::jinja::Markup). Calls with wrong arguments
    /// are refused when the template is compiled. An error or a panic of the function fails the render with a diagnostic that names the
    /// filter and its place in the text. What blocks in it is not interrupted: `render_ms` ends the render when the function returns.
    ///
    /// ```
    /// use hotplate_actors::dialect::FormatterError;
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let page = MemoryLoader::of([("page.html", "{{ 1234.5|price }} or {{ 9|price(currency='USD') }}")])?;
    /// let hotplate = Hotplate::builder().loader(page).jinja().jinja_filter("price(amount, currency='EUR')", |call| {
    ///     let (amount, currency): (f64, &str) = (call.get("amount")?, call.get("currency")?);
    ///     match currency.len() {
    ///         3 => Ok(format!("{amount:.2} {currency}")),
    ///         _ => Err(FormatterError::new("`currency` is a code of three letters")),
    ///     }
    /// });
    /// assert_eq!(hotplate.start()?.render("page.html", &())?.body, "1234.50 EUR or 9.00 USD");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jinja_filter<R, F>(self, signature: &str, filter: F) -> Self
    where
        R: Returned,
        F: Fn(&FunctionCall<'_>) -> Result<R, FormatterError> + Send + Sync + 'static,
    {
        self.own(Role::Filter, signature, filter)
    }

    /// Adds a test to templates in Jinja, or replaces the one of that name: `{% if order is overdue(days=30) %}`. It is declared and checked
    /// like a [filter](Builder::jinja_filter).
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let page = MemoryLoader::of([("page.html", "{{ 'late' if 40 is overdue }}{{ 'late' if 40 is overdue(days=60) }}")])?;
    /// let hotplate = Hotplate::builder().loader(page).jinja().jinja_test("overdue(age, days=30)", |call| {
    ///     Ok(call.get::<u64>("age")? > call.get("days")?)
    /// });
    /// assert_eq!(hotplate.start()?.render("page.html", &())?.body, "late");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jinja_test<F>(self, signature: &str, test: F) -> Self
    where
        F: Fn(&FunctionCall<'_>) -> Result<bool, FormatterError> + Send + Sync + 'static,
    {
        self.own(Role::Test, signature, test)
    }

    /// Adds a function to templates in Jinja, or replaces the one of that name. Variables and fields of the data with the same name take
    /// precedence. It is declared and contained like a [filter](Builder::jinja_filter); its arguments are checked when it is called.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader, Value};
    ///
    /// let page = MemoryLoader::of([("page.html", "{{ url_for('post', slug='a-b', lang='en') }}")])?;
    /// let hotplate = Hotplate::builder().loader(page).jinja().jinja_function("url_for(route, **query)", |call| {
    ///     let mut url = format!("/{}", call.get::<&str>("route")?);
    ///     if let Value::Object(query) = call.get("query")? {
    ///         for (at, (name, value)) in query.iter().enumerate() {
    ///             let sign = if at == 0 { '?' } else { '&' };
    ///             url += &format!("{sign}{name}={}", value.as_text().unwrap_or_default());
    ///         }
    ///     }
    ///     Ok(url)
    /// });
    /// assert_eq!(hotplate.start()?.render("page.html", &())?.body, "/post?slug=a-b&amp;lang=en");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jinja_function<R, F>(self, signature: &str, function: F) -> Self
    where
        R: Returned,
        F: Fn(&FunctionCall<'_>) -> Result<R, FormatterError> + Send + Sync + 'static,
    {
        self.own(Role::Function, signature, function)
    }

    /// Adds a value that all templates in Jinja see, or replaces the one of that name. Variables and fields of the data with the same name
    /// take precedence. It is converted now, and copied into each render that uses it, so it should be small.
    ///
    /// ```
    /// use hotplate_actors::{Hotplate, MemoryLoader};
    ///
    /// let page = MemoryLoader::of([("page.html", "{{ site.name }}")])?;
    /// let site = serde_json::json!({ "name": "Example" });
    /// let hotplate = Hotplate::builder().loader(page).jinja().jinja_global("site", &site).start()?;
    /// assert_eq!(hotplate.render("page.html", &())?.body, "Example");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jinja_global<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        let added = self.extensions().add_global(name, value);
        self.noted(name, added)
    }

    fn own<R, F>(mut self, role: Role, signature: &str, function: F) -> Self
    where
        R: Returned,
        F: Fn(&FunctionCall<'_>) -> Result<R, FormatterError> + Send + Sync + 'static,
    {
        // Code of the program runs in renders, and may block.
        self.foreign = true;
        let added = self.extensions().add(role, signature, function);
        self.noted(signature, added)
    }

    fn extensions(&mut self) -> &mut Extensions {
        Arc::make_mut(&mut self.dialects.extensions)
    }

    /// Keeps the first mistake for the start.
    fn noted(mut self, signature: &str, added: Result<(), String>) -> Self {
        if let (Err(reason), None) = (added, &self.extension_fault) {
            self.extension_fault = Some((signature.to_owned(), reason));
        }
        self
    }

    /// Checks what was registered.
    pub(super) fn check_extensions(&mut self) -> Result<(), StartError> {
        let fault = self.extension_fault.take();
        let fault = fault.map_or_else(|| self.dialects.extensions.check(&self.limits), Err);
        fault.map_err(|(name, reason)| StartError::Extension { name, reason })
    }
}
