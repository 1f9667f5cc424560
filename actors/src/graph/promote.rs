//! Promotion: stable takes over the texts of a later stage. As after a rollback, the texts that stable has in the sources wait, until the
//! sources have the promoted text or something new.
//!
//! A stage without a text of its own falls back to that of stable, so it gets the promoted text as well, also when its own text goes later.

use std::sync::Arc;

use super::hold::{HeldText, are_the_same};
use super::plan::{Graph, Touched};
use crate::dialect::TemplateId;
use crate::protocol::batch::CompiledText;
use crate::protocol::hold::HoldOrigin;
use crate::protocol::plan::Plan;
use crate::snapshot::IdSet;
use crate::template::{Stage, Tenant};

impl Graph {
    /// Returns the graph in which stable has the texts of a later stage, and the effect; `None` if none of them differs. A text that does not
    /// compile is left out.
    pub(super) fn promoted(&self, stage: Stage, tenant: Option<&Tenant>, origin: HoldOrigin) -> Option<(Self, Plan)> {
        let origin = Arc::new(origin);
        let mut next = self.clone();
        let mut reviewed = IdSet::default();
        match tenant {
            Some(tenant) => {
                if !next.tenants.promote(tenant, stage, &origin, &next.names) {
                    return None;
                }
            }
            None => {
                let texts = self.later(stage)?.own_texts();
                let texts: Vec<_> = texts
                    .into_iter()
                    .filter(|(id, text)| !are_the_same(Some(text), self.text(*id)))
                    .collect();
                if texts.is_empty() {
                    return None;
                }
                next.impact.is_recorded = true;
                reviewed = next.serve_in_place(&texts, &origin);
                next.each_later(|graph| {
                    let texts = texts.iter().filter(|(id, _)| !graph.own.contains(*id)).cloned();
                    let texts: Vec<_> = texts.collect();
                    graph.serve_in_place(&texts, &origin);
                });
                next.drop_later_as_stable();
                next.decide_all_tenants();
            }
        }
        let plan = next.reviewed(reviewed);
        Some((next, plan))
    }

    /// Holds templates as stable does, whose own text has gone from this later stage.
    pub(super) fn hold_as_promoted(&mut self, stable: &Self, gone: impl Iterator<Item = TemplateId>) {
        let mut touched: Vec<Touched> = Vec::new();
        for id in gone {
            let Some(held) = stable.hold.get(&id).filter(|held| held.origin.is_promotion) else {
                continue;
            };
            let is_held = self.hold.contains_key(&id) || self.own.contains(id);
            if !is_held && are_the_same(self.source_text(id), held.waiting.as_ref()) {
                touched.push((id, self.text(id).cloned()));
                self.hold.insert(id, Arc::clone(held));
            }
        }
        if !touched.is_empty() {
            self.plan(touched);
        }
    }

    /// Puts texts in the place of those of the sources, which wait. Returns the templates whose status was decided again.
    fn serve_in_place(&mut self, texts: &[(TemplateId, Arc<CompiledText>)], origin: &Arc<HoldOrigin>) -> IdSet {
        let mut touched: Vec<Touched> = Vec::with_capacity(texts.len());
        for (id, text) in texts {
            touched.push((*id, self.text(*id).cloned()));
            let waiting = self.source_text(*id).cloned();
            match are_the_same(Some(text), waiting.as_ref()) {
                true => _ = self.hold.remove(id),
                false => {
                    let held = HeldText::new(Some(Arc::clone(text)), waiting, origin);
                    self.hold.insert(*id, Arc::new(held));
                }
            }
        }
        self.plan(touched)
    }

    /// Returns the texts of this later stage that are its own and compile, as they are in effect.
    fn own_texts(&self) -> Vec<(TemplateId, Arc<CompiledText>)> {
        let texts = self.own.iter().filter_map(|id| Some((id, Arc::clone(self.text(id)?))));
        let is_good = |(_, text): &(TemplateId, Arc<CompiledText>)| matches!(**text, CompiledText::Unit { .. });
        texts.filter(is_good).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::accepted::TextGraph;
    use crate::cause::Cause;
    use crate::protocol::batch::CompiledBatch;
    use crate::protocol::hold::HoldOrigin;
    use crate::registry::publish::{Decision, publish};
    use crate::snapshot::EntryStatus;
    use crate::template::{Layer, Scope, Stage, TemplateKey, Tenant};
    use crate::testing::{World, batch, compile, name};

    fn scope(tenant: Option<&str>, stage: Stage) -> Scope {
        let tenant = tenant.map(|tenant| Tenant::new(tenant).expect("valid"));
        Scope { tenant, stage }
    }

    fn key(tenant: Option<&str>, stage: Stage, of: &str) -> TemplateKey {
        TemplateKey {
            layer: Layer::of(scope(tenant, stage)),
            name: name(of),
        }
    }

    fn edit(world: &mut World, texts: &[(TemplateKey, &str)], removed: &[TemplateKey]) {
        let texts = texts.iter().map(|(key, text)| (key.clone(), compile(&key.name, text)));
        let batch = CompiledBatch {
            texts: texts.collect(),
            removed: removed.to_vec(),
            ..batch(&[], &[])
        };
        world.apply(batch);
    }

    /// Promotes canary, and returns true if that makes a version.
    fn promote(world: &mut World, tenant: Option<&str>) -> bool {
        let origin = HoldOrigin {
            version: world.snapshot().version().next(),
            cause: Cause::by("alice"),
            is_promotion: true,
        };
        let tenant = tenant.map(|tenant| Tenant::new(tenant).expect("valid"));
        let Some((graph, plan)) = world.graph.promote(Stage::Canary, tenant.as_ref(), origin) else {
            return false;
        };
        let decided = publish(&world.state, &plan, &crate::Limits::default());
        let Decision::Published { state, .. } = decided else {
            panic!("nothing was published");
        };
        (world.graph, world.state) = (graph, state);
        true
    }

    /// Returns the text that a scope is served.
    fn text(world: &World, tenant: Option<&str>, stage: Stage, of: &str) -> String {
        let snapshot = world.snapshot();
        let scope = scope(tenant, stage);
        let scoped = snapshot.scoped(&scope).expect("exists");
        let status = scoped.id(of).map(|id| scoped.status(id));
        match status {
            Some(EntryStatus::Current(closure)) => closure.top().unit.text().to_owned(),
            other => format!("{other:?}"),
        }
    }

    const CANARY: Stage = Stage::Canary;
    const STABLE: Stage = Stage::Stable;

    #[test]
    fn stable_takes_over_and_its_own_text_waits() {
        let mut world = World::with(&[("page", "page 1"), ("other", "other 1")]);
        assert!(!promote(&mut world, None), "there is no canary");
        edit(
            &mut world,
            &[
                (key(None, CANARY, "page"), "page 2"),
                (key(None, CANARY, "new"), "new 2"),
            ],
            &[],
        );
        edit(&mut world, &[(key(None, Stage::Experimental, "other"), "other 3")], &[]);
        assert_eq!(text(&world, None, STABLE, "page"), "page 1");
        assert!(promote(&mut world, None));
        for stage in Stage::ALL {
            assert_eq!(text(&world, None, stage, "page"), "page 2", "{stage:?}");
            assert_eq!(text(&world, None, stage, "new"), "new 2", "{stage:?}");
        }
        assert_eq!(text(&world, None, Stage::Experimental, "other"), "other 3");
        assert_eq!(world.graph.waiting(), 2);
        assert!(!promote(&mut world, None), "nothing differs any more");
        // The loader delivers the same again.
        world.edit(&[("page", "page 1"), ("other", "other 1")], &[]);
        assert_eq!(text(&world, None, STABLE, "page"), "page 2");
        // The text of canary goes before the source of stable has it.
        edit(&mut world, &[], &[key(None, CANARY, "page")]);
        assert_eq!(text(&world, None, CANARY, "page"), "page 2");
        world.edit(&[("page", "page 2")], &[]);
        assert_eq!(
            (text(&world, None, STABLE, "page"), world.graph.waiting()),
            ("page 2".into(), 1)
        );
        world.edit(&[("page", "page 4")], &[]);
        assert_eq!(text(&world, None, STABLE, "page"), "page 4");
        assert_eq!(text(&world, None, CANARY, "page"), "page 4");
        world.resume().expect("`new` waits");
        assert!(text(&world, None, STABLE, "new").contains("Gone") || text(&world, None, STABLE, "new") == "None");
        assert_eq!(text(&world, None, CANARY, "new"), "new 2");
    }

    #[test]
    fn a_text_that_does_not_compile_is_not_promoted() {
        let mut world = World::with(&[("page", "page 1"), ("part", "part 1")]);
        edit(
            &mut world,
            &[
                (key(None, CANARY, "page"), "bad"),
                (key(None, CANARY, "part"), "part 2"),
            ],
            &[],
        );
        assert!(promote(&mut world, None));
        assert_eq!(text(&world, None, STABLE, "page"), "page 1");
        assert_eq!(text(&world, None, STABLE, "part"), "part 2");
    }

    #[test]
    fn a_tenant_takes_over_its_own_canary_only() {
        let mut world = World::with(&[("page", "page 1")]);
        let acme = Some("acme");
        let edits = [
            (key(acme, STABLE, "page"), "acme 1"),
            (key(acme, CANARY, "page"), "acme 2"),
            (key(Some("other"), CANARY, "page"), "other 2"),
        ];
        edit(&mut world, &edits, &[]);
        let digest = world.snapshot().digest();
        assert!(promote(&mut world, acme));
        assert_ne!(world.snapshot().digest(), digest);
        assert_eq!(text(&world, acme, STABLE, "page"), "acme 2");
        assert_eq!(text(&world, None, STABLE, "page"), "page 1");
        assert_eq!(text(&world, Some("other"), STABLE, "page"), "page 1");
        assert_eq!(world.graph.waiting(), 1);
        edit(
            &mut world,
            &[(key(acme, STABLE, "page"), "acme 1")],
            &[key(acme, CANARY, "page")],
        );
        assert_eq!(
            text(&world, acme, STABLE, "page"),
            "acme 2",
            "the source has what waits"
        );
        assert_eq!(text(&world, acme, CANARY, "page"), "acme 2");
        edit(&mut world, &[(key(acme, STABLE, "page"), "acme 3")], &[]);
        assert_eq!(
            (text(&world, acme, STABLE, "page"), world.graph.waiting()),
            ("acme 3".into(), 0)
        );
        // A tenant that had no text of stable.
        assert!(promote(&mut world, Some("other")));
        edit(&mut world, &[], &[key(Some("other"), CANARY, "page")]);
        assert_eq!(text(&world, Some("other"), STABLE, "page"), "other 2");
        world.resume().expect("it waits");
        assert!(
            world.snapshot().scoped(&scope(Some("other"), STABLE)).is_none(),
            "it has no text any more"
        );
    }
}
