//! [`Attention`]: everything that an operator should look at, named, with what to do. The state that every page shows is the worst of it.

use serde::Serialize;

use super::PageStatus;
use crate::admin::instance::LimitUse;
use crate::admin::model::{HealthAnswer, VersionAnswer};
use crate::admin::phrases;
use crate::admin::visitors::Visitors;

/// The time that a message may wait for an actor before the actor is shown as hung, in milliseconds.
const HUNG_MS: u64 = 5_000;

/// Everything that needs attention, the worst first.
#[derive(Debug, Default, Serialize)]
pub(super) struct Attention {
    any: bool,
    items: Vec<AttentionItem>,
    /// The few words of each item for the state of the page.
    #[serde(skip)]
    words: Vec<String>,
}

/// One thing that needs attention.
#[derive(Debug, Serialize)]
struct AttentionItem {
    /// `warn` or `bad`.
    kind: &'static str,
    /// The kind in a word.
    heading: &'static str,
    text: String,
    /// The thing to do about it.
    action: Option<String>,
}

impl Attention {
    pub(super) fn of(
        health: &HealthAnswer,
        version: &VersionAnswer,
        visitors: Visitors,
        limits: &[LimitUse],
        leaks: &[String],
    ) -> Self {
        let mut found = Self::default();
        let counts = &version.templates;
        for reason in &health.reasons {
            found.bad("not ready", sentence(reason), None);
        }
        if counts.current + counts.stale + counts.broken == 0 {
            let sources: Vec<_> = health.loaders.iter().map(|loader| loader.loader.as_str()).collect();
            let text = format!("No template was found in {}.", sources.join(", "));
            let action = "Write one, such as `index.html`, or correct the directory in the configuration.";
            found.bad("no template", text, Some(action.to_owned()));
        }
        if visitors.kind() != "good" {
            let text = format!(
                "In the last {:.0} s visitors got: {}.",
                visitors.seconds.max(1.0),
                visitors.failures()
            );
            let action = "“Pages that failed last” below names the pages, lines and errors.".to_owned();
            match visitors.kind() {
                "bad" => found.bad("visitors get errors", text, Some(action)),
                _ => found.warn("visitors get older versions", text, Some(action)),
            }
        }
        if counts.broken > 0 {
            let text = format!(
                "{} unavailable: no good version exists, so visitors get the stand-in page.",
                are(counts.broken)
            );
            let words = format!("{} unavailable", counts.broken);
            found.bad(&words, text, Some("Fix the errors below.".to_owned()));
        }
        if counts.stale > 0 {
            let text = format!(
                "The newest text of {} has an error, so the last good version is still served.",
                phrases::count(counts.stale, "template")
            );
            let action = "Fix the errors below, or roll back.".to_owned();
            found.warn(&format!("{} serving last good", counts.stale), text, Some(action));
        }
        if version.held {
            let waiting = phrases::count(version.waiting, "template");
            let text =
                format!("Since a rollback an earlier text is served in place of {waiting}; the newer text waits.");
            let action = "“Waiting since a rollback” below names them.".to_owned();
            found.warn(&format!("{waiting} rolled back"), text, Some(action));
        }
        for reason in &health.degraded {
            found.warn("degraded", sentence(reason), None);
        }
        for leak in leaks {
            found.warn("versions stay in memory", sentence(leak), None);
        }
        for actor in health.actors.iter().filter(|actor| actor.oldest_ms >= HUNG_MS) {
            let text = format!(
                "The {} has let a message wait for {} s; {} waiting.",
                actor.actor,
                actor.oldest_ms / 1000,
                actor.backlog
            );
            let action = "Look at its last fault and at the load of the machine. Pages are still served.".to_owned();
            found.warn("an actor hangs", text, Some(action));
        }
        for loader in health.loaders.iter().filter(|loader| loader.unreadable > 0) {
            let files = phrases::count(usize::try_from(loader.unreadable).unwrap_or(usize::MAX), "file");
            let text = format!("{files} of {} cannot be read.", loader.loader);
            found.warn("files unreadable", text, Some("Check their permissions.".to_owned()));
        }
        if health.breakers_open > 0 {
            let text = format!("{} open.", circuit_breakers(health.breakers_open));
            let action = "Fix the templates that “Open circuit breakers” below names.".to_owned();
            found.warn("circuit breaker open", text, Some(action));
        }
        for limit in limits.iter().filter(|limit| limit.is_near) {
            let text = format!("{} of {} {} are in use.", limit.used, limit.most, limit.name);
            let action = "Raise the limit, or find out what uses it up.".to_owned();
            found.warn("near a limit", text, Some(action));
        }
        found.items.sort_by_key(|item| item.kind != "bad");
        found.any = !found.items.is_empty();
        found
    }

    fn bad(&mut self, words: &str, text: String, action: Option<String>) {
        self.add("bad", words, text, action);
    }

    fn warn(&mut self, words: &str, text: String, action: Option<String>) {
        self.add("warn", words, text, action);
    }

    fn add(&mut self, kind: &'static str, words: &str, text: String, action: Option<String>) {
        if !self.words.iter().any(|known| known == words) {
            self.words.push(words.to_owned());
        }
        let heading = if kind == "bad" { "Failure:" } else { "Warning:" };
        self.items.push(AttentionItem {
            kind,
            heading,
            text,
            action,
        });
    }

    /// Returns the state of the page: the worst kind, and the few words of every item.
    pub(super) fn status(&self, version: &VersionAnswer) -> PageStatus {
        let kind = self.items.first().map_or("good", |item| item.kind);
        let text = match self.words.is_empty() {
            true => "all current".to_owned(),
            false => self.words.join(", "),
        };
        PageStatus {
            kind,
            text,
            version: version.version,
            held: version.held,
        }
    }
}

fn are(templates: usize) -> String {
    match templates {
        1 => "1 template is".to_owned(),
        _ => format!("{templates} templates are"),
    }
}

fn circuit_breakers(number: usize) -> String {
    match number {
        1 => "1 circuit breaker is".to_owned(),
        _ => format!("{number} circuit breakers are"),
    }
}

/// Returns a reason as a sentence.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!(
        "{}{}.",
        first.unwrap_or_default(),
        letters.as_str().trim_end_matches('.')
    )
}
