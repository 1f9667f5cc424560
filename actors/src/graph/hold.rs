//! The texts that an operator rolled back: what is served in their place, and what waits.
//!
//! The loaders always keep what the sources have. A hold lies over them, by template, so that only what was rolled back waits:
//!
//! - Rolling back to a version replaces the effective texts by those of that version. Each template whose source has another text is held.
//! - A batch in which the source still has the text that waits changes nothing. Another text lifts the hold of that template, and it goes
//!   forward like any other; so does a text that is the one in effect.
//! - A deletion lifts no hold: it waits as well. Many programs delete a file and write it again, and the same text must not come through
//!   that way.
//! - Resuming lifts all holds at once, as if the waiting texts had just been edited.
//!
//! The hold of one template does not touch others. If they do not fit the held text, that is an ordinary fault: they are stale.

use std::sync::Arc;

use super::plan::Graph;
use crate::accepted::TextGraph;
use crate::dialect::{Members, TemplateId};
use crate::protocol::batch::CompiledText;
use crate::protocol::hold::{HoldOrigin, WaitingChange, WaitingTemplate, WaitingTemplates};
use crate::protocol::plan::Plan;
use crate::snapshot::{Content, IdSet, Scopes, SourceText, SourceTexts};
use crate::template::{Digest, Stage, TemplateName, Tenant};

/// A template that is held.
#[derive(Debug, Clone)]
pub(super) struct HeldText {
    /// The text that is in effect; `None` if the template does not exist while it is held.
    pub(super) served: Option<Arc<CompiledText>>,
    /// The text that the source has; `None` if it has none.
    pub(super) waiting: Option<Arc<CompiledText>>,
    /// The digest of the last text that the source had while it waited. A deletion does not change it.
    pub(super) rejected: Option<Digest>,
    pub(super) origin: Arc<HoldOrigin>,
}

impl HeldText {
    /// Returns a text that is in effect in place of that of its source.
    pub(super) fn new(
        served: Option<Arc<CompiledText>>,
        waiting: Option<Arc<CompiledText>>,
        origin: &Arc<HoldOrigin>,
    ) -> Self {
        Self {
            served,
            rejected: waiting.as_ref().and_then(|text| text.digest()),
            waiting,
            origin: Arc::clone(origin),
        }
    }

    /// Returns what becomes of the hold when its source has this text.
    pub(super) fn after(&self, source: Option<&Arc<CompiledText>>) -> AfterSource {
        if are_the_same(source, self.waiting.as_ref()) {
            return AfterSource::Same;
        }
        let is_kept = match source {
            None => self.served.is_some(),
            Some(text) => text.digest().is_some() && text.digest() == self.rejected,
        };
        match is_kept {
            false => AfterSource::Lifted,
            true => AfterSource::Waits(Self {
                waiting: source.cloned(),
                ..self.clone()
            }),
        }
    }

    /// Returns true if the same text is in effect in place of the same one.
    pub(super) fn is(&self, other: &Self) -> bool {
        are_the_same(self.served.as_ref(), other.served.as_ref())
            && are_the_same(self.waiting.as_ref(), other.waiting.as_ref())
    }
}

/// The effect of a text of a source on the hold of its template.
pub(super) enum AfterSource {
    /// None: it is the one that waits.
    Same,
    /// The hold is lifted.
    Lifted,
    /// It waits in place of the one before.
    Waits(HeldText),
}

/// A held template for the store.
#[derive(Debug, Clone)]
pub(crate) struct StorableHold<T> {
    pub(crate) name: TemplateName,
    /// The text that is in effect; `None` if the template does not exist while it is held.
    pub(crate) served: Option<T>,
    /// The digest of the text that was rolled back, if the source has none meanwhile.
    pub(crate) rejected: Option<Digest>,
    pub(crate) origin: HoldOrigin,
}

/// The held templates. A clone shares all memory.
pub(super) type Hold = im::OrdMap<TemplateId, Arc<HeldText>>;

impl Graph {
    /// Lifts the hold of a template if its source has another text than the one that waits.
    pub(super) fn lift_if_changed(&mut self, id: TemplateId) {
        let Some(held) = self.hold.get(&id) else { return };
        match held.after(self.source_text(id)) {
            AfterSource::Same => {}
            AfterSource::Lifted => _ = self.hold.remove(&id),
            AfterSource::Waits(held) => _ = self.hold.insert(id, Arc::new(held)),
        }
    }

    /// Returns each held template with the text in its place, for storing them.
    pub(crate) fn held(&self) -> impl Iterator<Item = StorableHold<&CompiledText>> {
        let held = self.hold.iter();
        held.filter_map(|(id, held)| {
            Some(StorableHold {
                name: self.name(*id)?.clone(),
                served: held.served.as_deref(),
                rejected: held.rejected.filter(|_| held.waiting.is_none()),
                origin: (*held.origin).clone(),
            })
        })
    }

    /// Holds templates that an earlier process held, over the texts that their sources had then, and returns the effect.
    pub(crate) fn hold_again(&mut self, held: Vec<StorableHold<CompiledText>>) -> Plan {
        let mut touched = Vec::with_capacity(held.len());
        for StorableHold {
            name,
            served,
            rejected,
            origin,
        } in held
        {
            let id = self.id_of(&name);
            let waiting = self.source_text(id).cloned();
            touched.push((id, waiting.clone()));
            let held = HeldText {
                served: served.map(Arc::new),
                rejected: waiting.as_ref().map_or(rejected, |text| text.digest()),
                waiting,
                origin: Arc::new(origin),
            };
            self.hold.insert(id, Arc::new(held));
        }
        let reviewed = self.plan(touched);
        self.reviewed(reviewed)
    }

    /// Returns the graph of one stage with the texts of an earlier version.
    fn rolled_back(&self, to: &Content, origin: &Arc<HoldOrigin>) -> Self {
        let mut next = self.clone();
        for id in self.differences(to).iter() {
            let served = text_of(to, id);
            match are_the_same(served.as_ref(), self.source_text(id)) {
                true => _ = next.hold.remove(&id),
                false => {
                    let waiting = self.source_text(id).cloned();
                    let before = next.hold.get(&id).and_then(|held| held.rejected);
                    let held = HeldText {
                        served: served.clone(),
                        rejected: waiting.as_ref().map_or(before, |text| text.digest()),
                        waiting,
                        origin: Arc::clone(origin),
                    };
                    next.hold.insert(id, Arc::new(held));
                }
            }
            next.restore(id, to, served.is_some());
        }
        next.restore_content(to);
        next
    }

    /// Lifts all holds of one stage. Returns the templates whose status was decided again.
    fn lift_all(&mut self) -> IdSet {
        let lifted = std::mem::take(&mut self.hold);
        let touched = lifted.iter().map(|(id, held)| (*id, held.served.clone())).collect();
        self.plan(touched)
    }

    /// Returns the templates that are held in any stage, each once.
    fn held_in_stages(&self) -> impl Iterator<Item = (&TemplateId, &Arc<HeldText>)> {
        let only_later = |(id, _): &(&TemplateId, &Arc<HeldText>)| !self.hold.contains_key(*id);
        let later = self.stages.iter().flatten().flat_map(|graph| graph.hold.iter());
        let of_tenants = self.tenants.held();
        self.hold.iter().chain(later.filter(only_later)).chain(of_tenants)
    }

    /// Returns the name and texts of a held template for people.
    fn describe(&self, id: TemplateId, held: &HeldText) -> Option<WaitingTemplate> {
        let HeldText {
            served,
            waiting,
            origin,
            ..
        } = held;
        let digest = |text: &Option<Arc<CompiledText>>| text.as_ref().and_then(|text| text.digest());
        let diagnostics = match waiting.as_deref() {
            Some(CompiledText::Broken { diagnostics, .. }) => diagnostics.to_vec(),
            _ => Vec::new(),
        };
        Some(WaitingTemplate {
            template: self.name(id)?.clone(),
            change: match (served, waiting) {
                (None, _) => WaitingChange::Created,
                (_, None) => WaitingChange::Removed,
                _ => WaitingChange::Changed,
            },
            served: digest(served),
            waiting: digest(waiting),
            diagnostics,
            since: origin.version,
            cause: origin.cause.clone(),
        })
    }
}

impl TextGraph for Graph {
    fn roll_back(&self, to: &Content, scopes: &Scopes, origin: HoldOrigin) -> (Self, Plan) {
        let origin = Arc::new(origin);
        let mut next = self.rolled_back(to, &origin);
        for (at, content) in scopes.stages.iter().enumerate() {
            let graph = match (&self.stages[at], content) {
                (Some(graph), _) => Some(graph.rolled_back(content.as_ref().unwrap_or(to), &origin)),
                (None, Some(content)) => Some(self.as_later_stage().rolled_back(content, &origin)),
                (None, None) => None,
            };
            next.stages[at] = graph.filter(|graph| !graph.is_as(&next)).map(Arc::new);
        }
        next.decide_all_tenants();
        let plan = next.reviewed(IdSet::default());
        (next, plan)
    }

    fn promote(&self, stage: Stage, tenant: Option<&Tenant>, origin: HoldOrigin) -> Option<(Self, Plan)> {
        self.promoted(stage, tenant, origin)
    }

    fn resume(&self) -> Option<(Self, Plan)> {
        self.held_in_stages().next()?;
        let mut next = self.clone();
        next.tenants.lift_all(&next.names);
        next.impact.is_recorded = true;
        let reviewed = next.lift_all();
        next.each_later(|graph| {
            graph.lift_all();
        });
        next.drop_later_as_stable();
        next.decide_all_tenants();
        let plan = next.reviewed(reviewed);
        Some((next, plan))
    }

    fn waiting(&self) -> usize {
        self.held_in_stages().count()
    }

    fn waiting_templates(&self, most: usize) -> WaitingTemplates {
        let described = self.held_in_stages().take(most);
        let described = described.filter_map(|(id, held)| self.describe(*id, held));
        let mut templates: Vec<WaitingTemplate> = described.collect();
        templates.sort_unstable_by(|a, b| a.template.cmp(&b.template));
        WaitingTemplates {
            count: self.waiting(),
            templates,
        }
    }

    fn source_texts(&self) -> SourceTexts {
        let waiting = self
            .hold
            .iter()
            .map(|(id, held)| (*id, held.waiting.as_deref().map(CompiledText::source)));
        let broken = self.broken().filter(|(id, _)| !self.hold.contains_key(id));
        waiting
            .chain(broken.map(|(id, text)| (id, Some(SourceText::Broken(Arc::clone(text))))))
            .collect()
    }
}

/// Returns the text of a template in a version, if it had one.
fn text_of(content: &Content, id: TemplateId) -> Option<Arc<CompiledText>> {
    if let Some(broken) = content.broken.get(id) {
        return Some(Arc::new(CompiledText::from_broken(broken)));
    }
    let member = content.view.member(id)?;
    Some(Arc::new(CompiledText::Unit {
        digest: member.digest,
        unit: Arc::clone(&member.unit),
    }))
}

/// Returns true if two texts are the same, or both are absent.
pub(super) fn are_the_same(one: Option<&Arc<CompiledText>>, other: Option<&Arc<CompiledText>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.is_the_same_as(other),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, name};
    use crate::version::Version;

    /// Returns what waits, one line each.
    fn waiting(world: &World) -> Vec<String> {
        let waiting = world.graph.waiting_templates(usize::MAX);
        assert_eq!(waiting.count, waiting.templates.len());
        let lines = waiting.templates.iter().map(|each| {
            let faults = match each.diagnostics.len() {
                0 => String::new(),
                faults => format!(" {faults} fault"),
            };
            format!(
                "{} {} since {}{faults}",
                each.change.as_str(),
                each.template,
                each.since
            )
        });
        lines.collect()
    }

    fn back(world: &mut World, to: u64) {
        world.roll_back(Version::from_number(to)).expect("is kept");
    }

    #[test]
    fn only_what_was_rolled_back_waits() {
        let mut world = World::with(&[("page", "page 1\ncall part"), ("part", "part 1"), ("other", "other 1")]);
        world.edit(&[("part", "part 2"), ("new", "new 2")], &["other"]);
        back(&mut world, 1);
        let held = ["created new since 3", "removed other since 3", "changed part since 3"];
        assert_eq!(waiting(&world), held);
        // The loader delivers the same again, for instance after a fault of the Watcher.
        let (_, report) = world.edit(&[("part", "part 2"), ("new", "new 2")], &["other"]);
        assert_eq!((report, waiting(&world).len()), (None, 3));
        // Others go forward.
        world.edit(&[("page", "page 4\ncall part")], &[]);
        assert_eq!(world.status("page"), "current: call part part 1");
        // Each hold is lifted by another text of its own.
        world.edit(&[("part", "part 5")], &[]);
        assert_eq!(world.status("page"), "current: call part part 5");
        assert_eq!(waiting(&world), held[..2]);
        world.edit(&[], &["new"]);
        world.edit(&[("other", "other 6")], &[]);
        assert_eq!(
            (waiting(&world).len(), world.status("other")),
            (0, "current: other 6".into())
        );
        assert!(world.resume().is_none(), "nothing waits");
    }

    #[test]
    fn a_text_that_is_deleted_and_written_again_still_waits() {
        let mut world = World::with(&[("a", "a 1"), ("b", "b 1")]);
        world.edit(&[("a", "a 2")], &[]);
        back(&mut world, 1);
        for _ in 0..2 {
            let (_, report) = world.edit(&[], &["a"]);
            assert_eq!((report, waiting(&world)), (None, vec!["removed a since 3".to_owned()]));
            assert_eq!(world.status("a"), "current: a 1");
            let (_, report) = world.edit(&[("a", "a 2")], &[]);
            assert_eq!((report, waiting(&world)), (None, vec!["changed a since 3".to_owned()]));
        }
        // Also if an operator rolls back once more in between.
        world.edit(&[("b", "b 4")], &["a"]);
        back(&mut world, 3);
        world.edit(&[("a", "a 2")], &[]);
        assert_eq!(world.status("a"), "current: a 1");
        // Another text goes forward, and so does a deletion that the operator asks for.
        let mut fixed = world.clone();
        fixed.edit(&[], &["a"]);
        fixed.edit(&[("a", "a 5")], &[]);
        assert_eq!(fixed.status("a"), "current: a 5");
        world.edit(&[], &["a"]);
        world.resume().expect("two wait");
        assert_eq!(world.graph.names().count(), 1, "only `b` is left");
    }

    #[test]
    fn a_source_that_goes_back_by_itself_ends_the_hold() {
        let mut world = World::with(&[("a", "a 1")]);
        world.edit(&[("a", "a 2")], &[]);
        back(&mut world, 1);
        let (_, report) = world.edit(&[("a", "a 1")], &[]);
        assert_eq!((report, waiting(&world).len()), (None, 0));
        assert_eq!(
            (world.status("a"), world.snapshot().version().number()),
            ("current: a 1".into(), 3)
        );
    }

    #[test]
    fn what_waits_says_what_is_wrong_with_it() {
        let mut world = World::with(&[("a", "a 1"), ("b", "b 1")]);
        world.edit(&[("a", "bad")], &[]);
        world.edit(&[("a", "bad"), ("b", "bad")], &[]);
        back(&mut world, 1);
        assert_eq!(
            waiting(&world),
            ["changed a since 4 1 fault", "changed b since 4 1 fault"]
        );
        assert_eq!(world.status("a"), "current: a 1");
        world.resume().expect("two wait");
        assert_eq!(world.status("a"), "stale since 4: a 1");
        assert_eq!(world.why("a").cause, name("a"));
    }

    #[test]
    fn a_version_with_a_stale_template_comes_back_as_it_was() {
        let mut world = World::with(&[("a", "a 1"), ("b", "b 1")]);
        world.edit(&[("a", "bad")], &[]);
        world.edit(&[("a", "a 3"), ("b", "b 3")], &[]);
        let digest = |world: &World| world.snapshot().digest();
        let now = digest(&world);
        back(&mut world, 2);
        assert_eq!(world.status("a"), "stale since 1: a 1");
        // The held text is the broken one: a batch that looks at it again finds the same fault.
        world.edit(&[("c", "call a")], &[]);
        assert_eq!(world.status("c"), "broken by a");
        world.edit(&[], &["c"]);
        world.resume().expect("two wait");
        assert_eq!(digest(&world), now);
    }

    #[test]
    fn a_change_that_does_not_fit_a_held_text_is_stale() {
        let mut world = World::with(&[("page", "page 1\ncall part"), ("part", "part 1")]);
        world.edit(&[("more", "more 2"), ("part", "part 2\ncall more")], &[]);
        back(&mut world, 1);
        // `more` does not exist while it is held.
        world.edit(&[("page", "page 4\ncall more")], &[]);
        assert_eq!(world.status("page"), "stale since 3: call part part 1");
        world.resume().expect("two wait");
        assert_eq!(world.status("page"), "current: call more more 2");
    }

    #[test]
    fn a_second_roll_back_holds_what_differs_from_the_source() {
        let mut world = World::with(&[("a", "a 1"), ("b", "b 1")]);
        world.edit(&[("a", "a 2")], &[]);
        world.edit(&[("b", "b 3")], &[]);
        back(&mut world, 1);
        assert_eq!(waiting(&world), ["changed a since 4", "changed b since 4"]);
        // Version 2 has the newest `a`, so only `b` still waits, and it has waited since the first rollback.
        back(&mut world, 2);
        assert_eq!(waiting(&world), ["changed b since 4"]);
        back(&mut world, 3);
        assert_eq!((waiting(&world).len(), world.status("b")), (0, "current: b 3".into()));
        assert!(world.resume().is_none());
    }
}
