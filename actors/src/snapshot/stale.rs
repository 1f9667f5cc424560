//! [`StaleSet`]: the templates whose newest text is not served.
//!
//! Ten thousand pages that break together differ in nothing but their ids. So they form one [`StaleClass`] that pins the view in which they
//! were current, and a page costs the number of its class: four bytes.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::chunks::Chunks;
use super::id_set::IdSet;
use super::overrides::Overrides;
use super::view::View;
use crate::dialect::{Members, ScopeView, TemplateId};
use crate::version::Version;

/// The templates that are stale or broken. Usually there are none, and a look-up is one comparison. A clone shares nearly all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct StaleSet {
    /// The class of each such template.
    class_of: Chunks<ClassNumber>,
    classes: Arc<Vec<Option<StaleClass>>>,
    bad: IdSet,
    broken: usize,
}

/// Templates that broke in one publication.
#[derive(Debug, Clone)]
pub(crate) struct StaleClass {
    /// The last version in which they were current.
    pub(crate) since: Version,
    /// The view of that version, in which their closures are served.
    pub(crate) pin: PinnedView,
    /// The number of templates that are still stale.
    len: usize,
}

/// The view of a scope in an earlier version.
#[derive(Debug, Clone)]
pub(crate) struct PinnedView {
    pub(crate) view: Arc<View>,
    /// The texts that a tenant had in place of those of the view.
    pub(crate) overrides: Option<Arc<Overrides>>,
}

impl PinnedView {
    /// Returns the view of everyone.
    pub(crate) fn shared(view: &Arc<View>) -> Self {
        Self {
            view: Arc::clone(view),
            overrides: None,
        }
    }

    /// Returns the view in which closures are resolved.
    pub(crate) fn scope_view(&self) -> ScopeView<'_> {
        match &self.overrides {
            None => ScopeView::shared(&*self.view),
            Some(overrides) => ScopeView::overlaid(&*self.view, &**overrides),
        }
    }
}

/// A class with its templates, by itself.
#[derive(Debug, Clone)]
pub(crate) struct StoredStale {
    pub(crate) since: Version,
    pub(crate) view: Arc<View>,
    pub(crate) ids: IdSet,
}

/// The number of a class, or that of the templates without a good version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClassNumber(NonZeroU32);

impl ClassNumber {
    const BROKEN: Self = Self(NonZeroU32::MIN);

    /// Returns the number of the class at a place. Each class has a template, and there are fewer than 2³² of them.
    fn at(place: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place as u32).saturating_add(1))
    }

    /// Returns the place of the class; `None` for broken templates.
    fn place(self) -> Option<usize> {
        (self.0.get() as usize).checked_sub(2)
    }
}

impl StaleSet {
    /// Returns the class of a template that is not current.
    #[inline]
    pub(crate) fn class_of(&self, id: TemplateId) -> Option<ClassNumber> {
        self.class_of.get(id).copied()
    }

    /// Returns a class; `None` for the number of broken templates.
    pub(crate) fn class(&self, number: ClassNumber) -> Option<&StaleClass> {
        self.classes.get(number.place()?)?.as_ref()
    }

    /// Returns the classes of stale templates.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &StaleClass> {
        self.classes.iter().flatten()
    }

    /// Returns the set of a tenant that was stale together with its stage until now, and had these texts in place of those of the views.
    pub(crate) fn detached(&self, overrides: Option<&Arc<Overrides>>) -> Self {
        let mut own = self.clone();
        for class in Arc::make_mut(&mut own.classes).iter_mut().flatten() {
            class.pin.overrides = overrides.cloned();
        }
        own
    }

    /// Returns all templates that are stale or broken.
    pub(crate) fn bad(&self) -> &IdSet {
        &self.bad
    }

    /// Returns true if a template is broken.
    pub(crate) fn is_broken(&self, id: TemplateId) -> bool {
        self.class_of(id) == Some(ClassNumber::BROKEN)
    }

    /// Returns those of some templates that are broken.
    pub(crate) fn broken_of(&self, ids: &IdSet) -> IdSet {
        match self.broken {
            0 => IdSet::default(),
            _ => ids.iter().filter(|id| self.is_broken(*id)).collect(),
        }
    }

    /// Returns the number of broken templates. All others of the set are stale.
    pub(crate) fn broken(&self) -> usize {
        self.broken
    }

    /// Returns the set when `bad` are the bad templates, after a version with the view `pin`:
    ///
    /// | before | now bad | now good or gone |
    /// |---|---|---|
    /// | current | stale, in a new class that has `pin` | |
    /// | not defined | broken | |
    /// | stale or broken | the same | leaves |
    pub(crate) fn next(&self, bad: &IdSet, pin: &PinnedView, since: Version) -> Self {
        if bad.is_empty() {
            return Self::default();
        }
        let mut next = self.clone();
        let left = self.bad.without(bad);
        let entered = bad.without(&self.bad);
        if !left.is_empty() {
            left.iter().for_each(|id| next.leave(id));
        }
        if !entered.is_empty() {
            next.enter(&entered, pin, since);
        }
        next.bad = bad.clone();
        next
    }

    /// Returns the set of an engine that continues from stored content: of the bad templates, those of a class are stale as before, as far as
    /// its view has them, and the others are broken.
    pub(crate) fn restored(bad: &IdSet, classes: &[StoredStale]) -> Self {
        let mut next = Self::default();
        let mut left = bad.clone();
        for class in classes {
            let has_closure = |id: &TemplateId| class.view.member(*id).is_some();
            let ids: IdSet = class.ids.and(&left).iter().filter(has_closure).collect();
            if !ids.is_empty() {
                next.enter(&ids, &PinnedView::shared(&class.view), class.since);
                left = left.without(&ids);
            }
        }
        next.enter(&left, &PinnedView::shared(&Arc::default()), Version::NONE);
        next.bad = bad.clone();
        next
    }

    /// Returns each class with its templates, for storing it.
    pub(crate) fn stored(&self) -> Vec<StoredStale> {
        let classes = self.classes.iter().flatten();
        let mut stored: Vec<StoredStale> = classes
            .map(|class| StoredStale {
                since: class.since,
                view: Arc::clone(&class.pin.view),
                ids: IdSet::default(),
            })
            .collect();
        // The places of `stored` are those of the classes that exist.
        let mut rank = vec![None; self.classes.len()];
        let existing = self.classes.iter().enumerate().filter(|(_, class)| class.is_some());
        existing.enumerate().for_each(|(at, (place, _))| rank[place] = Some(at));
        for id in self.bad.iter() {
            let place = self.class_of(id).and_then(ClassNumber::place);
            if let Some(at) = place.and_then(|place| *rank.get(place)?) {
                stored[at].ids.insert(id);
            }
        }
        stored
    }

    fn leave(&mut self, id: TemplateId) {
        let Some(number) = self.class_of(id) else { return };
        self.class_of.set(id, None);
        let Some(place) = number.place() else {
            self.broken -= 1;
            return;
        };
        if let Some(slot) = Arc::make_mut(&mut self.classes).get_mut(place)
            && let Some(class) = slot
        {
            class.len -= 1;
            if class.len == 0 {
                *slot = None;
            }
        }
    }

    fn enter(&mut self, ids: &IdSet, pin: &PinnedView, since: Version) {
        let free = self.classes.iter().position(Option::is_none);
        let place = free.unwrap_or(self.classes.len());
        let mut len = 0;
        let view = pin.scope_view();
        for id in ids.iter() {
            let number = match view.member(id) {
                Some(_) => {
                    len += 1;
                    ClassNumber::at(place)
                }
                None => {
                    self.broken += 1;
                    ClassNumber::BROKEN
                }
            };
            self.class_of.set(id, Some(number));
        }
        if len > 0 {
            let pin = pin.clone();
            let classes = Arc::make_mut(&mut self.classes);
            classes.resize(classes.len().max(place + 1), None);
            classes[place] = Some(StaleClass { since, pin, len });
        }
    }

    /// Returns the number of classes.
    #[cfg(test)]
    pub(crate) fn number_of_classes(&self) -> usize {
        self.classes.iter().flatten().count()
    }

    /// Returns the number of chunks that are not shared with `other`.
    #[cfg(test)]
    pub(crate) fn chunks_not_shared(&self, other: &Self) -> usize {
        self.class_of.chunks_not_shared(&other.class_of)
    }
}
