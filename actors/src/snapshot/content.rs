//! [`Content`]: the templates of a version and their status, without the number of the version.

use std::sync::Arc;

use super::EntryStatus;
use super::chunks::Chunks;
use super::faults::Faults;
use super::id_set::IdSet;
use super::index::Index;
use super::scopes::ScopeContent;
use super::served::{Contributions, DigestSum};
use super::stale::{ClassNumber, PinnedView, StaleSet, StoredStale};
use super::view::View;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// A text that did not compile.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokenText {
    /// Its digest, if it could be read.
    pub(crate) digest: Option<Digest>,
    /// The errors in it.
    pub(crate) diagnostics: Arc<[Diagnostic]>,
    /// The text itself, if it could be read.
    pub(crate) text: Option<Arc<str>>,
}

/// The newest text of each template whose newest text did not compile. Usually there is none.
pub(crate) type BrokenTexts = Chunks<Arc<BrokenText>>;

/// The templates of a version and their status. A clone shares nearly all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    /// The newest text that compiled, of each template. Those that are not in `stale` are served from here.
    pub(crate) view: Arc<View>,
    stale: StaleSet,
    pub(crate) faults: Faults,
    /// The newest texts that are not in `view`.
    pub(crate) broken: BrokenTexts,
    /// The entries that break their contract.
    pub(crate) violating: IdSet,
    sum: DigestSum,
    len: usize,
    /// The templates of which a later stage has a text of its own.
    own: IdSet,
}

/// The newest texts, and what is wrong with them.
#[derive(Debug, Clone)]
pub(crate) struct NewestTexts {
    pub(crate) view: Arc<View>,
    /// The templates that have a fault or reach one.
    pub(crate) bad: IdSet,
    pub(crate) faults: Faults,
    /// The newest texts that did not compile.
    pub(crate) broken: BrokenTexts,
    /// The entries that break their contract.
    pub(crate) violating: IdSet,
    /// The number of templates.
    pub(crate) len: usize,
    /// The templates of which a later stage has a text of its own.
    pub(crate) own: IdSet,
}

impl Content {
    pub(crate) fn digest(&self) -> Digest {
        self.sum.digest()
    }

    /// Returns the number of templates of any status.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns this content as everyone sees it.
    #[inline]
    pub(crate) fn everyone(&self) -> ScopeContent<'_> {
        ScopeContent {
            content: self,
            tenant: None,
        }
    }

    pub(crate) fn stale(&self) -> &StaleSet {
        &self.stale
    }

    /// Returns true if a later stage has a text of a template of its own.
    pub(crate) fn is_own(&self, id: TemplateId) -> bool {
        self.own.contains(id)
    }

    /// Returns true if a template has a fault or reaches one.
    pub(crate) fn is_bad(&self, id: TemplateId) -> bool {
        self.stale.bad().contains(id)
    }

    #[inline]
    pub(crate) fn status(&self, id: TemplateId) -> EntryStatus<'_> {
        match self.stale.class_of(id) {
            Some(number) => self.not_current(id, number),
            None => self.view.closure(id).map_or(EntryStatus::Gone, EntryStatus::Current),
        }
    }

    fn not_current(&self, id: TemplateId, number: ClassNumber) -> EntryStatus<'_> {
        let class = self.stale.class(number);
        let stale = class.and_then(|class| Some((class.pin.view.closure(id)?, class.since)));
        stale.map_or(EntryStatus::Broken, |(closure, since)| EntryStatus::Stale {
            closure,
            since,
        })
    }

    /// Returns every template, by id. `names` may be those of a later version.
    pub(crate) fn entries<'c>(
        &'c self,
        names: &'c Index,
    ) -> impl Iterator<Item = (TemplateId, &'c TemplateName, EntryStatus<'c>)> {
        names.iter().filter_map(|(id, name)| match self.status(id) {
            EntryStatus::Gone => None,
            status => Some((id, name, status)),
        })
    }

    /// Returns true if these texts are those of this content.
    pub(crate) fn has(&self, newest: &NewestTexts) -> bool {
        *self.stale.bad() == newest.bad
            && self.view.differences(&newest.view).is_empty()
            && self.faults.are(&newest.faults)
    }

    /// Returns the content of an engine that continues from these texts, with the templates that were stale. The cost is that of all templates.
    pub(crate) fn restored(newest: &NewestTexts, stale: &[StoredStale], names: &Index) -> Self {
        let mut content = Self {
            view: Arc::clone(&newest.view),
            stale: StaleSet::restored(&newest.bad, stale),
            faults: newest.faults.clone(),
            broken: newest.broken.clone(),
            violating: newest.violating.clone(),
            sum: DigestSum::default(),
            len: newest.len,
            own: newest.own.clone(),
        };
        let mut sum = DigestSum::default();
        let mut contributions = Contributions::new(&content, names);
        for (id, _) in names.iter() {
            if let Some(contribution) = contributions.of(id) {
                sum.add(&contribution);
            }
        }
        content.sum = sum;
        content
    }

    /// Returns the content with these texts after this one, which was current last in `since`. The cost is that of what changed: a few
    /// steps for each text and for each template that breaks or recovers.
    pub(crate) fn next(&self, newest: &NewestTexts, since: Version, names: &Index) -> Self {
        let mut next = Self {
            view: Arc::clone(&newest.view),
            stale: self.stale.next(&newest.bad, &PinnedView::shared(&self.view), since),
            faults: newest.faults.clone(),
            broken: newest.broken.clone(),
            violating: newest.violating.clone(),
            sum: self.sum,
            len: newest.len,
            own: newest.own.clone(),
        };
        let (was, is) = (self.stale.bad(), &newest.bad);
        let moved = was.without(is).or(&is.without(was));
        let texts = next.view.differences(&self.view).into_iter();
        let texts = texts.filter(|id| !moved.contains(*id));
        let mut sum = self.sum;
        let (mut before, mut after) = (Contributions::new(self, names), Contributions::new(&next, names));
        for id in texts.chain(moved.iter()) {
            if let Some(contribution) = before.of(id) {
                sum.subtract(&contribution);
            }
            if let Some(contribution) = after.of(id) {
                sum.add(&contribution);
            }
        }
        next.sum = sum;
        next
    }
}
