//! [`FaultFinder`]: the faults of one template by itself. These are errors in its text, and calls or formatters that do not exist.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span};
use crate::dialect::tiny::formatter_meant;
use crate::dialect::{Call, CallKind, FormatterUse, Formatters, Unit, formatter_elsewhere};
use crate::loader::directory::EXTENSIONS;
use crate::snapshot::{FAULTS_MAX, NameHasher};
use crate::suggestion::{suggested_template, suggestion};
use crate::template::{TemplateName, spellings};

/// The number of names that are compared for suggestions ("did you mean") in one batch, so that a thousand misspelt calls among a million
/// names cost milliseconds, not minutes. Later faults of the batch have no suggestion.
const COMPARISONS_MAX: usize = 20_000;
/// The number of formatters that a help text lists.
const FORMATTERS_LISTED_MAX: usize = 24;

/// The names that calls and formatters are checked against, for one batch.
pub(crate) struct FaultFinder<'g, E, N> {
    pub(crate) formatters: &'g Formatters,
    /// A function that returns true if a template is defined.
    pub(crate) exists: E,
    /// A function that returns the names of all defined templates.
    pub(crate) names: N,
    pub(crate) suggestions: SuggestionCache,
}

/// A cache of suggestions, with the number of comparisons that are left.
pub(crate) struct SuggestionCache {
    answers: HashMap<TemplateName, Option<TemplateName>, NameHasher>,
    comparisons_left: usize,
}

impl Default for SuggestionCache {
    fn default() -> Self {
        Self {
            answers: HashMap::default(),
            comparisons_left: COMPARISONS_MAX,
        }
    }
}

/// Returns the faults of a text that does not compile.
pub(crate) fn faults_of_broken(name: &TemplateName, diagnostics: &Arc<[Diagnostic]>) -> Arc<[Diagnostic]> {
    match diagnostics.is_empty() {
        true => Arc::new([Diagnostic::error("not-compiled", "the text does not compile").in_template(name)]),
        false => Arc::clone(diagnostics),
    }
}

impl<'n, E, N, I> FaultFinder<'_, E, N>
where
    E: Fn(&TemplateName) -> bool,
    N: Fn() -> I,
    I: Iterator<Item = &'n TemplateName>,
{
    /// Returns the faults of a text that compiled and uses a formatter that does not exist, in the order of the text: these uses, and the
    /// calls of templates that do not exist.
    pub(crate) fn faults_of_unit(&mut self, name: &TemplateName, unit: &dyn Unit) -> Arc<[Diagnostic]> {
        let exists = &self.exists;
        let is_missing = |call: &&Call| call.kind != CallKind::Optional && !exists(&call.name);
        let calls = unit.calls().iter().filter(is_missing).take(FAULTS_MAX);
        let calls: Vec<_> = calls.collect();
        let formatters = self.formatters;
        let uses = unit
            .formatters()
            .iter()
            .filter(|used| formatters.get(&used.name).is_none());
        let uses = uses
            .take(FAULTS_MAX)
            .map(|used| (used.span, self.unknown_formatter(unit, used)));
        let mut found: Vec<(Span, Diagnostic)> = uses.collect();
        for call in calls {
            found.push((call.span, self.unknown_template(&call.name)));
        }
        found.sort_by_key(|(span, _)| (span.line, span.column));
        found.truncate(FAULTS_MAX);
        let placed = found
            .into_iter()
            .map(|(span, fault)| fault.in_template(name).at_span(unit.text(), span));
        placed.collect()
    }

    pub(crate) fn unknown_template(&mut self, wanted: &TemplateName) -> Diagnostic {
        // The two names look the same, so a suggestion would not help.
        let mut other_spellings = spellings(wanted.as_str()).filter_map(|spelling| TemplateName::new(&spelling).ok());
        let is_encoded_differently = other_spellings.any(|spelling| (self.exists)(&spelling));
        let help = match self.suggestions.suggest(wanted, (self.names)()) {
            _ if is_encoded_differently => format!(
                "a template exists whose name looks the same, but its accents are encoded differently (in one code point or in two): rename \
                 its file to `{wanted}`, copied from here, or copy the file's name into the call"
            ),
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if self.is_unknown_extension(wanted.extension()) => format!(
                "only files with an extension of `files.extensions` (`Rules::extensions` in code) are templates: add `{}` there and \
                 create `{wanted}`, or remove the call",
                wanted.extension().unwrap_or_default()
            ),
            None => format!("create `{wanted}`, or remove the call"),
        };
        Diagnostic::error("unknown-template", format!("there is no template `{wanted}`")).help(help)
    }

    /// Returns true if no template has this extension and it is not a default one. Then a file with it probably exists and is not loaded.
    fn is_unknown_extension(&self, extension: Option<&str>) -> bool {
        let of = |name: &TemplateName| name.extension() == extension;
        extension.is_some_and(|extension| !EXTENSIONS.contains(&extension)) && !(self.names)().any(of)
    }

    fn unknown_formatter(&self, unit: &dyn Unit, used: &FormatterUse) -> Diagnostic {
        let wanted = &*used.name;
        let registered: Vec<&str> = self.formatters.names().collect();
        if let Some(fault) = unit.unknown_formatter(wanted, &registered) {
            return fault;
        }
        let lines = unit.text().lines().nth(used.span.line.saturating_sub(1) as usize);
        let before: String = lines
            .into_iter()
            .flat_map(str::chars)
            .take(used.span.column.saturating_sub(1) as usize)
            .collect();
        let names = || self.formatters.names();
        let elsewhere = formatter_elsewhere(wanted).filter(|name| self.formatters.get(name).is_some());
        let near = elsewhere.or_else(|| names().find(|name| name.eq_ignore_ascii_case(wanted)));
        let meant = near.is_none().then(|| formatter_meant(&before, wanted)).flatten();
        let help = match near.or_else(|| suggestion(wanted, names()).filter(|_| meant.is_none())) {
            Some("unescaped") => "write `unescaped`, only for markup of your own".into(),
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if meant.is_some() => meant.unwrap_or_default(),
            None if matches!(wanted, "escape" | "e" | "h" | "force_escape") => {
                "remove it: pages whose names end in `.html` are escaped".into()
            }
            None if names().next().is_none() => "no formatter is registered".into(),
            None => {
                let listed: Vec<&str> = names().take(FORMATTERS_LISTED_MAX).collect();
                let more = if names().count() > listed.len() { ", …" } else { "" };
                format!("the formatters are: {}{more}", listed.join(", "))
            }
        };
        Diagnostic::error("unknown-formatter", format!("there is no formatter `{wanted}`")).help(help)
    }
}

impl SuggestionCache {
    /// Returns the most similar name, if one is similar enough and comparisons are left.
    fn suggest<'n>(
        &mut self,
        wanted: &TemplateName,
        names: impl Iterator<Item = &'n TemplateName>,
    ) -> Option<TemplateName> {
        if let Some(answer) = self.answers.get(wanted) {
            return answer.clone();
        }
        let left = &mut self.comparisons_left;
        let affordable = names.take_while(|_| {
            let any_left = *left > 0;
            *left = left.saturating_sub(1);
            any_left
        });
        let nearest = suggested_template(wanted.as_str(), affordable).cloned();
        self.answers.insert(wanted.clone(), nearest.clone());
        nearest
    }
}
