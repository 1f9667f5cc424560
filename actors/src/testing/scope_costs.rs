//! The work and memory that changes cost when there are many tenants.

use std::fmt::Write;
use std::sync::Arc;

use super::{World, compile, name};
use crate::protocol::batch::CompiledBatch;
use crate::template::{Layer, Scope, Stage, TemplateKey, Tenant};
use crate::version::{LoaderId, Revision, Version};

fn key(tenant: &str, stage: Stage, of: &str) -> TemplateKey {
    let tenant = (!tenant.is_empty()).then(|| Tenant::new(tenant).expect("valid"));
    TemplateKey {
        layer: Layer::of(Scope { tenant, stage }),
        name: name(of),
    }
}

fn batch(texts: &[(TemplateKey, String)]) -> CompiledBatch {
    CompiledBatch {
        revision: Revision {
            loader: LoaderId(0),
            number: 1,
        },
        complete: false,
        texts: texts
            .iter()
            .map(|(key, text)| (key.clone(), compile(&key.name, text)))
            .collect(),
        removed: Vec::new(),
    }
}

/// Creates a world of pages with a layout that calls a partial, and of tenants with a layout of their own.
fn site(pages: usize, tenants: usize) -> World {
    let mut texts = vec![
        (key("", Stage::Stable, "part"), "part 0".to_owned()),
        (key("", Stage::Stable, "layout"), "call part\nlayout".to_owned()),
        (key("", Stage::Canary, "layout"), "call part\ncanary".to_owned()),
    ];
    texts.extend((0..pages).map(|page| {
        (
            key("", Stage::Stable, &format!("page-{page}")),
            "call layout".to_owned(),
        )
    }));
    texts.extend((0..tenants).map(|tenant| {
        (
            key(&format!("t{tenant}"), Stage::Stable, "layout"),
            format!("call part\nt{tenant}"),
        )
    }));
    let mut world = World::with(&[]);
    world.apply(batch(&texts));
    world
}

/// Returns the number of tenants that an edit of a shared text decides again.
fn decided(world: &mut World, of: &str, text: &str) -> usize {
    let edit = batch(&[(key("", Stage::Stable, of), text.to_owned())]);
    world.apply(edit).0.news.tenants.len()
}

#[test]
fn a_good_shared_change_decides_no_tenant() {
    let mut world = site(100, 200);
    let before = world.snapshot().clone();
    assert_eq!(decided(&mut world, "part", "part 1"), 0);
    // Neither does a change of the text that all of them replace.
    assert_eq!(decided(&mut world, "layout", "call part\nlayout 1"), 0);
    assert_eq!(decided(&mut world, "page-1", "call layout\ncall part"), 0);
    let (was, is) = (
        &before.generation().scopes.tenants,
        &world.snapshot().generation().scopes.tenants,
    );
    assert!(was.ptr_eq(is), "the tenants are shared");
    // A broken partial concerns those whose layout calls it, and they are stale together with everyone.
    assert_eq!(decided(&mut world, "part", "bad"), 200);
    assert!(world.snapshot().generation().scopes.detached.is_empty());
    let scope = Scope {
        tenant: Some(Tenant::new("t7").expect("valid")),
        stage: Stage::Canary,
    };
    let scoped = world.snapshot().scoped(&scope).expect("exists");
    let id = scoped.id("page-5").expect("exists");
    let closure = scoped.status(id).closure().expect("a last good one");
    let mut texts = String::new();
    closure
        .members()
        .iter()
        .for_each(|member| write!(texts, "{:?} ", member.unit.text()).expect("text"));
    assert_eq!(texts, "\"call layout\" \"call part\\nt7\" \"part 1\" ");
    assert_eq!(decided(&mut world, "part", "part 2"), 200);
    // A page that no tenant has breaks for all, and concerns none.
    assert_eq!(decided(&mut world, "page-3", "bad"), 0);
    assert_eq!(decided(&mut world, "page-4", "call layout\nagain"), 0);
}

#[test]
fn an_edit_of_a_tenant_concerns_it_alone() {
    let mut world = site(100, 50);
    for text in ["call part\nnew", "bad", "call part\nfixed"] {
        let edit = batch(&[(key("t3", Stage::Stable, "layout"), text.to_owned())]);
        let before = world.snapshot().clone();
        let (plan, report) = world.apply(edit);
        assert_eq!(plan.news.tenants.len(), 1);
        assert!(report.is_some());
        let (was, is) = (&before.generation().content, &world.snapshot().generation().content);
        assert_eq!(is.view.chunks_not_shared(&was.view), 0);
        let other = Tenant::new("t4").expect("valid");
        let tenants = [&before, world.snapshot()].map(|snapshot| snapshot.generation().scopes.tenants[&other].clone());
        assert!(Arc::ptr_eq(&tenants[0], &tenants[1]));
    }
    // Whole again, nothing of the break is left.
    assert!(world.snapshot().generation().scopes.detached.is_empty());
}

#[test]
fn a_stage_shares_its_memory_with_stable() {
    let mut world = site(5000, 0);
    let stage = |world: &World| {
        world.snapshot().generation().scopes.stages[0]
            .clone()
            .expect("has texts")
    };
    let stable = |world: &World| world.snapshot().generation().content.clone();
    assert_eq!(stage(&world).view.chunks_not_shared(&stable(&world).view), 1);
    decided(&mut world, "part", "part 1");
    assert!(stage(&world).view.chunks_not_shared(&stable(&world).view) <= 2);
    // Without texts of its own, the stage is that of stable again.
    let gone = CompiledBatch {
        removed: vec![key("", Stage::Canary, "layout")],
        ..batch(&[])
    };
    world.apply(gone);
    assert!(world.snapshot().generation().scopes.is_empty());
}

/// Returns the last line of each text that a page of a scope is rendered from.
fn served(world: &World, tenant: &str, stage: Stage) -> String {
    let scope = key(tenant, stage, "page-1").layer.scope().clone();
    let scoped = world.snapshot().scoped(&scope).expect("exists");
    let closure = scoped
        .status(scoped.id("page-1").expect("exists"))
        .closure()
        .expect("is served");
    let members = closure.members().into_iter();
    let lines = members.map(|member| member.unit.text().lines().last().unwrap_or_default());
    lines.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_roll_back_is_for_everyone_in_all_stages() {
    let mut world = site(3, 2);
    decided(&mut world, "part", "part 1");
    let edit = batch(&[
        (key("", Stage::Canary, "part"), "canary part".to_owned()),
        (key("t0", Stage::Stable, "layout"), "call part\nnew".to_owned()),
    ]);
    world.apply(edit);
    let all = |world: &World| {
        let scopes = [
            ("", Stage::Stable),
            ("", Stage::Canary),
            ("t0", Stage::Stable),
            ("t0", Stage::Canary),
        ];
        scopes.map(|(tenant, stage)| served(world, tenant, stage))
    };
    let newest = [
        "call layout, layout, part 1",
        "call layout, canary, canary part",
        "call layout, new, part 1",
        "call layout, new, canary part",
    ];
    assert_eq!(all(&world), newest);
    world.roll_back(Version::from_number(1)).expect("is kept");
    let before = [
        "call layout, layout, part 0",
        "call layout, canary, part 0",
        // The texts of tenants stay.
        "call layout, new, part 0",
        "call layout, new, part 0",
    ];
    assert_eq!(all(&world), before);
    // What waits is not published by another edit, and is by resuming.
    decided(&mut world, "page-2", "call layout\nother");
    assert_eq!(all(&world), before);
    world.resume().expect("something waits");
    assert_eq!(all(&world), newest);
}
