//! [`KnownSources`]: the sources that were accepted, by digest. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::loader::Changes;
use crate::snapshot::NameHasher;
use crate::template::{Digest, TemplateKey};

/// The accepted state of each text. It is kept only if a batch is accepted, so a plain map suffices, at a tenth of the bytes of a persistent one.
#[derive(Debug, Default)]
pub(crate) struct KnownSources(HashMap<TemplateKey, KnownText, NameHasher>);

/// The accepted state of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KnownText {
    Text(Digest),
    Unreadable(Arc<[Diagnostic]>),
}

impl KnownSources {
    /// Returns the keys of all texts.
    pub(crate) fn keys(&self) -> Vec<TemplateKey> {
        self.0.keys().cloned().collect()
    }

    /// Returns the real differences, and the state once these are accepted.
    #[must_use]
    pub(crate) fn compare(mut self, mut changes: Changes) -> (Changes, Self) {
        if changes.complete {
            self.0.clear();
        }
        let complete = changes.complete;
        changes.changed.retain(|source| {
            let state = KnownText::Text(source.digest);
            self.0.insert(source.key.clone(), state.clone()).as_ref() != Some(&state) || complete
        });
        changes.unreadable.retain(|(key, diagnostics)| {
            let state = KnownText::Unreadable(Arc::clone(diagnostics));
            self.0.insert(key.clone(), state.clone()).as_ref() != Some(&state) || complete
        });
        changes.removed.retain(|key| self.0.remove(key).is_some());
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
    fn only_different_content_is_sent() {
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
            removed: vec![b.key.clone(), source("c", "").key],
            ..Changes::default()
        };
        let (removed, known) = known.compare(gone);
        assert_eq!(
            removed.removed,
            std::slice::from_ref(&b.key),
            "an unknown name is not removed"
        );
        let (again, _) = known.compare(changed(std::slice::from_ref(&b)));
        assert_eq!(again.changed, [b], "a name that comes back is new");
    }

    #[test]
    fn a_complete_batch_sends_everything() {
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
