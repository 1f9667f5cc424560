//! A naive model: it recomputes everything after each change, in the simplest way.

use std::collections::{BTreeMap, BTreeSet};

use super::{Closure, EntryStatus, Snapshot};
use crate::template::TemplateName;

/// The text of each name.
pub(super) type Texts = BTreeMap<String, String>;

/// The status of a name, with the texts of its closure and its companions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Served {
    Current(Texts),
    Stale(Texts),
    Broken,
}

/// The status of each name.
pub(super) type Content = BTreeMap<String, Served>;

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// The texts of each loader, in the order of precedence.
    pub(super) loaders: BTreeMap<u16, Texts>,
    pub(super) content: Content,
    /// The held templates.
    pub(super) hold: BTreeMap<String, ModelHold>,
}

#[derive(Debug, Clone)]
pub(super) struct ModelHold {
    /// The text in effect.
    served: Option<String>,
    /// The text that the source has.
    waiting: Option<String>,
    /// The last text that the source had while it waited.
    rejected: Option<String>,
}

impl Model {
    /// Returns the text of each name from the first loader that has it.
    fn source_texts(&self) -> Texts {
        let mut source_texts = Texts::new();
        for texts in self.loaders.values() {
            for (name, text) in texts {
                source_texts.entry(name.clone()).or_insert_with(|| text.clone());
            }
        }
        source_texts
    }

    /// Returns the text of each name that is in effect: the held one, or that of its source.
    pub(super) fn effective_texts(&self) -> Texts {
        let mut texts = self.source_texts();
        for (name, hold) in &self.hold {
            match &hold.served {
                Some(text) => _ = texts.insert(name.clone(), text.clone()),
                None => _ = texts.remove(name),
            }
        }
        texts
    }

    /// Lifts the hold of every template whose source has another text than the one that waits. A deletion waits as well.
    pub(super) fn lift(&mut self) {
        let source = self.source_texts();
        self.hold.retain(|name, hold| {
            let now = source.get(name);
            let is_kept = match now {
                None => hold.waiting.is_none() || hold.served.is_some(),
                Some(text) => hold.waiting.as_ref() == Some(text) || hold.rejected.as_ref() == Some(text),
            };
            hold.waiting = now.cloned();
            is_kept
        });
    }

    /// Goes back to the texts and the content of an earlier version. Every template whose source has another text is held.
    pub(super) fn roll_back(&mut self, texts: &Texts, content: &Content) {
        let source = self.source_texts();
        let names: BTreeSet<&String> = texts.keys().chain(source.keys()).collect();
        let hold = |name: &String| {
            let waiting = source.get(name).cloned();
            let before = self.hold.get(name).and_then(|hold| hold.rejected.clone());
            ModelHold {
                served: texts.get(name).cloned(),
                rejected: waiting.clone().or(before),
                waiting,
            }
        };
        let each = names.into_iter().map(|name| (name.clone(), hold(name)));
        let each: BTreeMap<String, ModelHold> = each.filter(|(_, hold)| hold.served != hold.waiting).collect();
        self.hold = each;
        self.content = content.clone();
    }

    /// Recomputes the content from the texts of all loaders.
    pub(super) fn recompute(&mut self, companions: fn(&str) -> Vec<String>) {
        self.content = next_content(&self.effective_texts(), &self.content, companions);
    }
}

/// Returns the content with these texts after another content.
pub(super) fn next_content(texts: &Texts, before: &Content, companions: fn(&str) -> Vec<String>) -> Content {
    let bad = bad(texts, companions);
    let entry = |name: &String| {
        let served = match (bad.contains(name), before.get(name)) {
            (false, _) => Served::Current(closure(name, texts, companions)),
            (true, Some(Served::Current(texts) | Served::Stale(texts))) => Served::Stale(texts.clone()),
            (true, Some(Served::Broken) | None) => Served::Broken,
        };
        (name.clone(), served)
    };
    texts.keys().map(entry).collect()
}

fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines()
        .filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '))
}

/// Returns the names that have a fault or reach one.
pub(super) fn bad(texts: &Texts, companions: fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let at_fault = |text: &str| {
        text.lines().any(|line| line == "bad")
            || words(text, "call").any(|callee| !texts.contains_key(callee))
            || words(text, "fmt").any(|formatter| !["upper", "lower"].contains(&formatter))
    };
    let mut bad: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = bad.len();
        for (name, text) in texts {
            let leads_to_bad = words(text, "call")
                .map(String::from)
                .chain(companions(name))
                .any(|to| bad.contains(&to));
            if at_fault(text) || leads_to_bad {
                bad.insert(name.clone());
            }
        }
        if bad.len() == before {
            return bad;
        }
    }
}

/// Returns the texts that a page is rendered from: everything that it reaches by calls, and its own companions.
fn closure(name: &str, texts: &Texts, companions: fn(&str) -> Vec<String>) -> Texts {
    let mut closure = Texts::new();
    let mut next = vec![name.to_string()];
    while let Some(name) = next.pop() {
        if let Some(text) = texts.get(&name).filter(|_| !closure.contains_key(&name)) {
            next.extend(words(text, "call").map(String::from));
            closure.insert(name, text.clone());
        }
    }
    for companion in companions(name) {
        if let Some(text) = texts.get(&companion) {
            closure.insert(companion, text.clone());
        }
    }
    closure
}

/// Returns the content of a snapshot in the form of the model.
pub(super) fn content_of(snapshot: &Snapshot) -> Content {
    let served = |(_, name, status): (_, &TemplateName, EntryStatus<'_>)| {
        let served = match status {
            EntryStatus::Current(closure) => Served::Current(texts_of(closure)),
            EntryStatus::Stale { closure, .. } => Served::Stale(texts_of(closure)),
            EntryStatus::Broken => Served::Broken,
            EntryStatus::Gone => panic!("{name} is an entry without a status"),
        };
        (name.to_string(), served)
    };
    snapshot.entries().map(served).collect()
}

pub(super) fn texts_of(closure: Closure<'_>) -> Texts {
    let members = closure.members();
    let members = members.into_iter().chain(closure.companions());
    members
        .map(|member| (member.name.to_string(), member.unit.text().to_string()))
        .collect()
}
