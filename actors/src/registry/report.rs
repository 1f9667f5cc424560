//! [`Report`] and [`Effects`]: the differences between two contents.

use std::collections::HashMap;

use crate::cause::Cause;
use crate::dialect::TemplateId;
use crate::protocol::report::{Effects, NameSample, Report};
use crate::snapshot::index::Index;
use crate::snapshot::{Content, EntryStatus, IdSet, NameHasher, Snapshot, are_same_faults};
use crate::template::{TemplateKey, TemplateName};

/// Two contents, to be compared.
pub(super) struct Comparison<'c> {
    pub(super) before: &'c Content,
    pub(super) after: &'c Content,
    /// The templates whose newest text is not the same.
    pub(super) texts: &'c [TemplateId],
    /// The templates that may be bad for a new reason; any, if it is absent.
    pub(super) reviewed: Option<&'c IdSet>,
}

impl Report {
    /// Returns this report with the cause of the version. The content of a version does not depend on it.
    pub(super) fn caused_by(self, cause: Cause) -> Self {
        Self { cause, ..self }
    }

    /// Returns the approximate size in bytes. Names are counted as if nothing else shared them.
    pub(crate) fn bytes(&self) -> usize {
        let samples = [&self.stale, &self.broken, &self.recovered];
        let sampled = samples.into_iter().flatten();
        let texts = self.changed.iter().chain(&self.removed);
        let texts = texts.map(|key| key.as_str().len() + size_of::<TemplateKey>());
        let names = texts.chain(sampled.map(|name| name.as_str().len() + size_of::<TemplateName>()));
        let diagnostics = self.diagnostics.iter().map(|diagnostic| diagnostic.bytes());
        names.chain(diagnostics).sum::<usize>() + size_of::<Self>() + self.cause.bytes()
    }

    /// Creates the report of a snapshot, which names up to `listed` templates of each status and has the faults of as many texts.
    pub(super) fn of(snapshot: &Snapshot, compared: &Comparison<'_>, names: &Index, listed: usize) -> (Self, Effects) {
        let effects = compared.effects();
        let name = |id: TemplateId| names.name(id).cloned();
        let key = |id: TemplateId| names.name(id).map(TemplateKey::from);
        let (before, after) = (compared.before, compared.after);
        let mut changed = Vec::new();
        let texts: IdSet = compared.texts.iter().copied().collect();
        // A template that is current again may be served from a text that came earlier.
        for id in texts.or(&effects.recovered).iter() {
            let digest = |content: &Content| content.status(id).closure().map(|closure| closure.top().digest);
            if digest(after).is_some() && digest(after) != digest(before) {
                changed.extend(key(id));
            }
        }
        // A template that is gone had a text, or was broken.
        let was_bad = before.stale().bad().without(after.stale().bad());
        let removed = texts.or(&was_bad);
        let is_gone = |content: &Content, id| matches!(content.status(id), EntryStatus::Gone);
        let removed = removed.iter().filter(|id| is_gone(after, *id) && !is_gone(before, *id));
        let mut removed: Vec<TemplateKey> = removed.filter_map(key).collect();
        let mut failed = IdSet::default();
        for (_, ids) in &effects.failed {
            failed = failed.or(ids);
        }
        let broken = after.stale().broken_of(&failed);
        let sample = |ids: &IdSet| {
            let mut names: Vec<TemplateName> = ids.iter().take(listed).filter_map(name).collect();
            names.sort_unstable();
            let count = ids.len();
            NameSample { count, names }
        };
        let mut faults = 0;
        let mut causes = Vec::new();
        for (cause, ids) in &effects.failed {
            for (at, id) in after.texts_of_cause(*cause, ids).enumerate() {
                faults += after.faults.count_of(id, &after.view);
                if at < listed {
                    causes.extend(names.name(id).map(|name| (name, id)));
                }
            }
        }
        causes.sort_unstable_by_key(|(name, _)| *name);
        changed.sort_unstable();
        removed.sort_unstable();
        let report = Self {
            version: snapshot.version(),
            digest: snapshot.digest(),
            cause: Cause::default(),
            changed,
            removed,
            stale: sample(&failed.without(&broken)),
            broken: sample(&broken),
            recovered: sample(&effects.recovered),
            diagnostics: causes
                .iter()
                .take(listed)
                .filter_map(|(_, id)| after.faults.of(*id, &after.view))
                .flat_map(|faults| faults.to_vec())
                .collect(),
            faults,
            scopes: Vec::new(),
        };
        (report, effects)
    }
}

impl Comparison<'_> {
    /// Returns true if the faults of a text are not those that it had before, such as calls at other places.
    fn has_other_faults(&self, id: TemplateId) -> bool {
        let faults = |content: &Content| content.faults.of(id, &content.view);
        match (faults(self.before), faults(self.after)) {
            (Some(before), Some(after)) => !are_same_faults(&before, &after),
            (before, after) => before.is_some() != after.is_some(),
        }
    }

    fn effects(&self) -> Effects {
        let (was, is) = (self.before.stale().bad(), self.after.stale().bad());
        let mut effects = Effects::default();
        if was.is_empty() && is.is_empty() {
            return effects;
        }
        let current = was.without(is);
        effects.recovered = current
            .iter()
            .filter(|id| matches!(self.after.status(*id), EntryStatus::Current(_)))
            .collect();
        // A template that was bad before counts only if its reason is another one.
        let mut again = was.and(is);
        if let Some(reviewed) = self.reviewed {
            again = again.and(reviewed);
        }
        effects.failed = self.after.causes(&is.without(was).or(&again));
        if !again.is_empty() {
            let before: HashMap<TemplateId, IdSet, NameHasher> = self.before.causes(&again).into_iter().collect();
            for (cause, ids) in &mut effects.failed {
                let faults = |content: &'_ Content| content.faults_of_cause(*cause);
                let is_same = matches!((faults(self.before), faults(self.after)), (Some(before), Some(after)) if are_same_faults(&before, &after));
                if let Some(known) = before.get(cause).filter(|_| is_same) {
                    let moved = self
                        .texts
                        .iter()
                        .copied()
                        .filter(|id| ids.contains(*id) && self.has_other_faults(*id));
                    *ids = ids.without(known).or(&moved.collect());
                }
            }
            effects.failed.retain(|(_, ids)| !ids.is_empty());
        }
        effects
    }
}
