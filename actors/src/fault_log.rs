//! [`FaultLog`]: log lines about templates with faults, and about renders without an answer.
//!
//! The lines are written through `tracing`. The target [`FAULTS_TARGET`] gets a `WARN` once for each fault, and an `INFO` when it is fixed;
//! the target [`RENDERS_TARGET`] gets a `WARN` for renders without an answer. A successful render does not run any of this. Lines beyond a
//! number in each period are counted instead of written, so that neither an edit nor the requests of visitors can flood the log.

mod throttle;

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::RenderOutcome;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::protocol::render::{OnFailure, RenderFailure};
use crate::protocol::report::{Effects, Report};
use crate::snapshot::{EntryStatus, Serving, Settled, Snapshot};
use crate::supervision::{Timeout, Unavailable};
use crate::template::{TemplateKey, TemplateName};
use crate::version::Version;
use crate::without_subscriber::warn_without_subscriber;

use throttle::{PERIOD, Throttle, ThrottleDecision};

/// The target of lines about templates, for filters such as `hotplate::faults=off`.
pub const FAULTS_TARGET: &str = "hotplate::faults";

/// The target of lines about renders that have no answer for a reason other than their template.
pub const RENDERS_TARGET: &str = "hotplate::renders";

/// The number of names that one line lists.
const NAMES_MAX: usize = 3;

/// Writes faults to the log of the application. The Registry and failed renders share it.
#[derive(Debug)]
pub(crate) struct FaultLog {
    faults: Mutex<Throttle>,
    /// Limits the lines about faults that a render has shown to be fixed.
    fixes: Mutex<Throttle>,
    /// Limits the lines about renders without an answer: one line for each outcome in a period.
    unanswered: Mutex<BTreeMap<RenderOutcome, Throttle>>,
    /// The name of the stand-in template, if one is configured and the policy uses it.
    stand_in: Option<TemplateName>,
    /// True if the stand-in existed and was removed.
    stand_in_gone: AtomicBool,
    wording: Wording,
}

/// A function of the embedding program about a name.
type DescribeName<T> = Arc<dyn Fn(&TemplateName) -> T + Send + Sync>;

/// The terms in which the log reports templates.
#[derive(Clone, Default)]
pub(crate) struct Wording {
    /// Returns true if visitors can request the template.
    pub(crate) is_page: Option<DescribeName<bool>>,
    /// Returns the name to be shown.
    pub(crate) shown: Option<DescribeName<TemplateName>>,
    /// True if published versions are logged at `DEBUG` only.
    pub(crate) quiet: bool,
}

impl Debug for Wording {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wording").finish_non_exhaustive()
    }
}

impl Wording {
    fn is_page(&self, name: &TemplateName) -> bool {
        self.is_page.as_ref().is_none_or(|is_page| is_page(name))
    }

    fn shown(&self, name: &TemplateName) -> TemplateName {
        self.shown.as_ref().map_or_else(|| name.clone(), |shown| shown(name))
    }
}

impl FaultLog {
    /// Creates a log that writes at most `most` faults in a period, for an engine with this policy and stand-in.
    pub(crate) fn new(most: usize, on_failure: OnFailure, stand_in: Option<TemplateName>, wording: Wording) -> Self {
        Self {
            faults: Mutex::new(Throttle::new(most)),
            fixes: Mutex::new(Throttle::new(most)),
            unanswered: Mutex::default(),
            stand_in: stand_in.filter(|_| on_failure != OnFailure::Return),
            stand_in_gone: AtomicBool::new(false),
            wording,
        }
    }

    /// Returns true if published versions are logged at `DEBUG` only.
    pub(crate) fn is_quiet(&self) -> bool {
        self.wording.quiet
    }

    /// Returns a message if the stand-in existed and was removed.
    pub(crate) fn stand_in_gone(&self) -> Option<String> {
        let name = self.stand_in.as_ref()?;
        self.stand_in_gone.load(Ordering::Relaxed).then(|| {
            format!("the stand-in {name} was removed: the built-in text is served in its place; create it again")
        })
    }

    /// Logs that the stand-in was removed or exists again.
    fn stand_in(&self, snapshot: &Snapshot, removed: &[TemplateKey]) {
        let Some(name) = &self.stand_in else { return };
        let status = snapshot.id(name.as_str()).map(|id| snapshot.status(id));
        let exists = !matches!(status, None | Some(EntryStatus::Gone));
        if exists && self.stand_in_gone.swap(false, Ordering::Relaxed) {
            tracing::info!(target: FAULTS_TARGET, "the stand-in {name} exists again");
        }
        if !exists && removed.iter().any(|key| *key == *name) {
            self.stand_in_gone.store(true, Ordering::Relaxed);
            if let Some(message) = self.stand_in_gone() {
                tracing::warn!(target: FAULTS_TARGET, "{message}");
                warn_without_subscriber(&message);
            }
        }
    }

    /// Logs the new faults of a version, those that it fixes, and the effect on templates that failed when they were rendered. A new text is
    /// not reported as fixed until it has been rendered.
    pub(crate) fn published(&self, snapshot: &Snapshot, report: &Report, effects: &Effects, settled: &Settled) {
        self.stand_in(snapshot, &report.removed);
        let name = |id: &TemplateId| snapshot.name(*id);
        let mut failed: Vec<_> = effects
            .failed
            .iter()
            .filter_map(|(cause, ids)| Some((name(cause)?, snapshot.faults_of_cause(*cause, ids)?, ids)))
            .collect();
        failed.sort_unstable_by_key(|(cause, ..)| *cause);
        for (_, faults, ids) in failed {
            let pages = ids
                .iter()
                .filter(|id| name(id).is_some_and(|name| self.wording.is_page(name)));
            let consequence = Consequence::of(pages.map(|id| snapshot.serving(id))).to_string();
            for diagnostic in faults.iter() {
                self.fault(diagnostic, report.version, &consequence);
            }
        }
        // One that failed when it was rendered is not known to be good.
        let awaits_render = |id: TemplateId| snapshot.faults().awaits_render(id);
        let recovered = report.recovered.iter();
        let recovered = recovered.filter(|name| !snapshot.id(name.as_str()).is_some_and(awaits_render));
        let mut fixed: Vec<&TemplateName> = recovered.chain(&settled.fixed).collect();
        fixed.sort_unstable();
        fixed.dedup();
        let unnamed = effects.recovered.iter().skip(report.recovered.names.len());
        let unnamed = unnamed.filter(|id| !awaits_render(*id)).count();
        let removed = settled
            .removed
            .iter()
            .filter(|name| report.removed.iter().any(|key| key == *name));
        let (version, number) = (report.version, report.version.number());
        let shown = |names: Vec<&TemplateName>| -> Vec<TemplateName> {
            names.into_iter().map(|name| self.wording.shown(name)).collect()
        };
        let (fixed, changed, removed) = (
            shown(fixed),
            shown(settled.changed.iter().collect()),
            shown(removed.collect()),
        );
        if let Some(list) = list(&fixed, unnamed) {
            tracing::info!(
                target: FAULTS_TARGET,
                version = number,
                templates = fixed.len() + unnamed,
                "fixed: the newest text of {list} is served from version {version} on"
            );
        }
        if let Some(list) = list(&changed, 0) {
            tracing::info!(
                target: FAULTS_TARGET,
                version = number,
                templates = changed.len(),
                "changed, not rendered yet: {list} failed when rendered before; the newest text is served from version {version} on"
            );
        }
        if let Some(list) = list(&removed, 0) {
            tracing::info!(
                target: FAULTS_TARGET,
                version = number,
                templates = removed.len(),
                "removed: {list} failed when rendered, and is gone from version {version} on"
            );
        }
    }

    /// Logs that a template which failed when it was rendered has been rendered successfully since its text changed.
    pub(crate) fn fixed(&self, template: &TemplateName, version: Version) {
        if let ThrottleDecision::Yes { suppressed } = lock(&self.fixes).admit(Instant::now()) {
            let name = self.wording.shown(template);
            let others = match suppressed {
                0 => String::new(),
                others => format!("; so were {others} others since the last such line"),
            };
            tracing::info!(
                target: FAULTS_TARGET,
                version = version.number(),
                templates = suppressed + 1,
                "fixed: the newest text of {name} was rendered successfully in version {version}{others}"
            );
        }
    }

    /// Logs that a template failed when it was rendered.
    pub(crate) fn failed_late(&self, diagnostic: &Diagnostic, version: Version, serving: Serving) {
        let consequence = Consequence::of([Some(serving)].into_iter()).to_string();
        self.fault(diagnostic, version, &consequence);
    }

    /// Logs that the circuit breaker of a template opened.
    pub(crate) fn not_tried(&self, template: &TemplateName, diagnostic: &Diagnostic, pause: Duration) {
        if self.admits() {
            tracing::warn!(
                target: FAULTS_TARGET,
                template = template.as_str(),
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "`{template}` fails at a high cost ({}): its newest text is not tried again for {} ms, and its last good version, or the \
                 stand-in if there is none, is served meanwhile; fix it, or raise the limit that it reaches",
                diagnostic.message,
                pause.as_millis()
            );
        }
    }

    /// Logs that the circuit breaker of a template closed.
    pub(crate) fn tried_again(&self, template: &TemplateName) {
        tracing::info!(
            target: FAULTS_TARGET,
            template = template.as_str(),
            "`{template}` renders again: its newest text is served"
        );
    }

    /// Returns true if one more line about a fault may be written. Logs once in a period that further lines are suppressed.
    fn admits(&self) -> bool {
        let admitted = lock(&self.faults).admit(Instant::now());
        match admitted {
            ThrottleDecision::No { first: false } => return false,
            ThrottleDecision::No { first: true } => {
                tracing::warn!(
                    target: FAULTS_TARGET,
                    "further faults of templates are counted and not logged for {} s (the limit `logged_faults`)",
                    PERIOD.as_secs()
                );
                return false;
            }
            ThrottleDecision::Yes { suppressed: 0 } => {}
            ThrottleDecision::Yes { suppressed } => tracing::warn!(
                target: FAULTS_TARGET,
                "{suppressed} faults of templates were not logged: `Hotplate::diagnostics` returns all that still exist"
            ),
        }
        true
    }

    fn fault(&self, diagnostic: &Diagnostic, version: Version, consequence: &str) {
        if !self.admits() {
            return;
        }
        let at = self.place(diagnostic);
        let Diagnostic { code, message, .. } = diagnostic;
        let help = diagnostic.help.as_deref();
        let fault = format!("{at}: {message} [{code}]; {consequence}");
        tracing::warn!(
            target: FAULTS_TARGET,
            at,
            code,
            help,
            version = version.number(),
            "{fault}"
        );
        warn_without_subscriber(&fault);
    }

    /// Logs a render without an answer whose template is not at fault: too many in flight, a hanging formatter, a deadline. A render that its
    /// caller cancelled is not logged.
    pub(crate) fn unanswered(&self, template: Option<&str>, failure: &RenderFailure) {
        let silent = match failure {
            RenderFailure::Unavailable(why) => *why == Unavailable::Timeout(Timeout::Cancelled),
            _ => true,
        };
        if silent {
            return;
        }
        let outcome = RenderOutcome::of_failure(failure);
        let admitted = lock(&self.unanswered)
            .entry(outcome)
            .or_insert_with(|| Throttle::new(1))
            .admit(Instant::now());
        if let ThrottleDecision::Yes { suppressed } = admitted {
            tracing::warn!(
                target: RENDERS_TARGET,
                outcome = outcome.as_str(),
                template,
                since_the_last_line = suppressed,
                "a render has no answer: {failure}"
            );
            warn_without_subscriber(format_args!("a render has no answer: {failure}"));
        }
    }

    /// Returns the number of renders without an answer, logged or not.
    #[cfg(test)]
    pub(crate) fn unanswered_so_far(&self) -> usize {
        let throttles = lock(&self.unanswered);
        throttles.values().map(|throttle| throttle.asked).sum()
    }

    /// Returns the location of a diagnostic, such as `index.html:3:9`, as far as it is known.
    fn place(&self, diagnostic: &Diagnostic) -> String {
        let template = diagnostic.template.as_ref();
        let mut place = template.map_or_else(|| "a template".to_owned(), |name| self.wording.shown(name).to_string());
        if let Some(span) = diagnostic.span {
            let _ = write!(place, ":{}:{}", span.line, span.column);
        }
        place
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of templates that a fault affects, by what visitors get of them.
#[derive(Debug, Default)]
struct Consequence {
    last_good: usize,
    stand_in: usize,
    failure: usize,
    /// The version that is still served, if it is one and the same.
    version: Option<Version>,
    has_more_versions: bool,
}

impl Consequence {
    fn of(serving: impl Iterator<Item = Option<Serving>>) -> Self {
        let mut consequence = Self::default();
        for serving in serving.flatten() {
            match serving {
                Serving::StandIn => consequence.stand_in += 1,
                Serving::Failure => consequence.failure += 1,
                Serving::LastGood(version) => {
                    consequence.last_good += 1;
                    let first = *consequence.version.get_or_insert(version);
                    consequence.has_more_versions |= first != version;
                }
            }
        }
        consequence
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let templates = |count: usize| match count {
            1 => "1 template".to_owned(),
            more => format!("{more} templates"),
        };
        let last_good = self.version.map(|version| match self.has_more_versions {
            false => format!("still serving version {version} of {}", templates(self.last_good)),
            true => format!("still serving earlier versions of {}", templates(self.last_good)),
        });
        let without_good = [
            (self.stand_in, "the stand-in is served"),
            (self.failure, "the failure is returned"),
        ];
        let without_good = without_good.into_iter().filter(|(count, _)| *count > 0);
        let without_good =
            without_good.map(|(count, answer)| format!("{} had no good version: {answer}", templates(count)));
        let parts: Vec<String> = last_good.into_iter().chain(without_good).collect();
        match parts.is_empty() {
            true => f.write_str("no page is affected"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

/// Lists the first names, and the number of the others, of which `unnamed` are not among the names. Returns `None` if there are none.
fn list(names: &[TemplateName], unnamed: usize) -> Option<String> {
    let mut list = String::new();
    for (number, name) in names.iter().take(NAMES_MAX).enumerate() {
        let before = if number == 0 { "" } else { ", " };
        let _ = write!(list, "{before}{name}");
    }
    if let more @ 1.. = names.len().saturating_sub(NAMES_MAX) + unnamed {
        let _ = write!(list, " and {more} more");
    }
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consequence_for_visitors() {
        let version = |number| Some(Serving::LastGood(Version::from_number(number)));
        for (serving, expected) in [
            (&[version(3)][..], "still serving version 3 of 1 template"),
            (&[version(3), version(3)], "still serving version 3 of 2 templates"),
            (
                &[version(3), version(4)],
                "still serving earlier versions of 2 templates",
            ),
            (
                &[version(3), Some(Serving::StandIn)],
                "still serving version 3 of 1 template, 1 template had no good version: the stand-in is served",
            ),
            (&[], "no page is affected"),
            (
                &[Some(Serving::Failure)],
                "1 template had no good version: the failure is returned",
            ),
        ] {
            assert_eq!(Consequence::of(serving.iter().copied()).to_string(), expected);
        }
    }
}
