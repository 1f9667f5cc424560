//! [`Known`]: what was handed on, by digest. Pure.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::loader::Changes;
use crate::snapshot::NameMap;
use crate::template::Digest;

/// What was handed on of each name. Persistent: a clone is cheap, so a batch that gets lost changes nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownSources(NameMap<KnownText>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum KnownText {
    Text(Digest),
    Unreadable(Arc<[Diagnostic]>),
}

impl KnownSources {
    /// What really differs, and what is known once that was accepted.
    #[must_use]
    pub(crate) fn compare(mut self, mut changes: Changes) -> (Changes, Self) {
        if changes.complete {
            self.0.clear();
        }
        let complete = changes.complete;
        changes.changed.retain(|source| {
            let state = KnownText::Text(source.digest);
            self.0.insert(source.name.clone(), state.clone()).as_ref() != Some(&state) || complete
        });
        changes.unreadable.retain(|(name, diagnostics)| {
            let state = KnownText::Unreadable(Arc::clone(diagnostics));
            self.0.insert(name.clone(), state.clone()).as_ref() != Some(&state) || complete
        });
        changes.removed.retain(|name| self.0.remove(name).is_some());
        (changes, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Source, TemplateName};

    fn source(name: &str, text: &str) -> Source {
        Source::new(TemplateName::new(name).expect("valid"), text)
    }

    fn changed(sources: &[Source]) -> Changes {
        Changes {
            changed: sources.to_vec(),
            ..Changes::default()
        }
    }

    #[test]
    fn only_what_differs_in_content_is_handed_on() {
        let (a, b) = (source("a", "1"), source("b", "1"));
        let all = Changes {
            complete: true,
            ..changed(&[a.clone(), b.clone()])
        };
        let (first, known) = KnownSources::default().compare(all);
        assert_eq!(first.changed.len(), 2);
        let (touched, known) = known.compare(changed(std::slice::from_ref(&a)));
        assert!(touched.is_empty(), "a touch is no change");
        let (edited, known) = known.compare(changed(&[source("a", "2"), b.clone()]));
        assert_eq!(edited.changed, [source("a", "2")]);
        let gone = Changes {
            removed: vec![b.name.clone(), source("c", "").name],
            ..Changes::default()
        };
        let (removed, known) = known.compare(gone);
        assert_eq!(
            removed.removed,
            std::slice::from_ref(&b.name),
            "what was never there is not removed"
        );
        let (again, _) = known.compare(changed(std::slice::from_ref(&b)));
        assert_eq!(again.changed, [b], "what comes back is new");
    }

    #[test]
    fn a_whole_batch_says_everything_again() {
        let a = source("a", "1");
        let whole = || Changes {
            complete: true,
            ..changed(std::slice::from_ref(&a))
        };
        let (_, known) = KnownSources::default().compare(whole());
        let (again, _) = known.compare(whole());
        assert_eq!(again.changed.len(), 1);
    }
}
