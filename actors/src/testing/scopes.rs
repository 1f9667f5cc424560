//! Properties of scopes: after any history, each scope serves what the naive [`ScopedModel`] serves, for the same reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{Content, Served, Texts};
use super::scoped_model::{Place, STAGES, ScopedModel, private};
use super::{World, compile, name};
use crate::dialect::Closure;
use crate::graph::companions::Companions;
use crate::graph::plan::Graph;
use crate::graph::tenants::TenantBounds;
use crate::protocol::batch::CompiledBatch;
use crate::snapshot::scopes::ExportedNames;
use crate::snapshot::{EntryStatus, Scoped, Snapshot};
use crate::template::{Layer, Scope, Stage, TemplateKey, Tenant};
use crate::version::{LoaderId, Revision};

const NAMES: [&str; 8] = ["a", "b", "c", "d", "_p", "_q", "d0", "d1"];
const TENANTS: [&str; 2] = ["acme", "beta"];

fn companions(of: &str) -> Vec<String> {
    let companions: &[&str] = match of {
        "a" => &["d0"],
        "b" => &["d0", "d1"],
        "d1" => &["c"],
        _ => &[],
    };
    companions.iter().map(ToString::to_string).collect()
}

fn all_exported(_: &str) -> bool {
    true
}

/// Names with an underscore are not exported. The private names of the model begin otherwise.
fn without_underscore(name: &str) -> bool {
    !name.starts_with('_')
}

fn scope((tenant, stage): Place) -> Scope {
    Scope {
        tenant: tenant.map(|tenant| Tenant::new(tenant).expect("valid")),
        stage: Stage::ALL[stage],
    }
}

fn places() -> impl Iterator<Item = Place> {
    let tenants = [None, Some(TENANTS[0]), Some(TENANTS[1])];
    tenants
        .into_iter()
        .flat_map(|tenant| (0..STAGES).map(move |stage| (tenant, stage)))
}

fn world(exported: Option<fn(&str) -> bool>) -> World {
    let mut world = World::new(Companions::new(|of| {
        companions(of.as_str())
            .iter()
            .map(|companion| name(companion))
            .collect()
    }));
    let exported = exported.map(|exported| Arc::new(exported) as Arc<dyn Fn(&str) -> bool + Send + Sync>);
    world.graph = world
        .graph
        .with_tenants(ExportedNames(exported), TenantBounds::default());
    world
}

#[derive(Debug, Clone)]
struct LayerEdit {
    layer: Place,
    texts: Texts,
    removed: Vec<String>,
}

#[derive(Debug, Clone)]
struct Edit {
    loader: u16,
    /// True if the loader has nothing else.
    complete: bool,
    layers: Vec<LayerEdit>,
}

impl Edit {
    fn batch(&self) -> CompiledBatch {
        let key = |layer: Place, of: &str| TemplateKey {
            layer: Layer::of(scope(layer)),
            name: name(of),
        };
        let mut texts = BTreeMap::new();
        let mut removed = Vec::new();
        for edit in &self.layers {
            for (of, text) in &edit.texts {
                texts.insert(key(edit.layer, of), compile(&name(of), text));
            }
            removed.extend(edit.removed.iter().map(|of| key(edit.layer, of)));
        }
        CompiledBatch {
            revision: Revision {
                loader: LoaderId(self.loader),
                number: 1,
            },
            complete: self.complete,
            texts: texts.into_iter().collect(),
            removed,
        }
    }

    fn apply_to(&self, model: &mut ScopedModel, exported: fn(&str) -> bool) {
        if self.complete {
            model.clear(self.loader);
        }
        // What one part of a batch removes, another may have.
        for edit in &self.layers {
            model.edit(self.loader, edit.layer, &Texts::new(), &edit.removed, exported);
        }
        for edit in &self.layers {
            model.edit(self.loader, edit.layer, &edit.texts, &[], exported);
        }
        model.recompute(&TENANTS, companions);
    }
}

fn layer() -> impl Strategy<Value = Place> {
    let tenant = prop_oneof![4 => Just(None), 3 => Just(Some(TENANTS[0])), 1 => Just(Some(TENANTS[1]))];
    let stage = prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    (tenant, stage)
}

fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => select(&NAMES[..]).prop_map(|callee| format!("call {callee}")),
        6 => (0..3).prop_map(|number| format!("text {number}")),
        1 => Just("fmt shout".to_string()),
        1 => Just("bad".to_string()),
    ];
    vec(line, 0..3).prop_map(|lines| lines.join("\n"))
}

fn layer_edit() -> impl Strategy<Value = LayerEdit> {
    let texts = vec((select(&NAMES[..]).prop_map(String::from), text()), 0..3);
    let removed = vec(select(&NAMES[..]).prop_map(String::from), 0..3);
    (layer(), texts, removed).prop_map(|(layer, texts, removed)| LayerEdit {
        layer,
        texts: texts.into_iter().collect(),
        removed,
    })
}

/// Returns an edit that defines all names for everyone without faults, so that later edits have something to break and to mask.
fn good_start() -> Edit {
    let texts = NAMES.iter().enumerate().map(|(number, name)| {
        let callee = NAMES
            .get(number + 1)
            .map(|callee| format!("call {callee}\n"))
            .unwrap_or_default();
        (name.to_string(), format!("{callee}text 0"))
    });
    let everyone = LayerEdit {
        layer: (None, 0),
        texts: texts.collect(),
        removed: Vec::new(),
    };
    Edit {
        loader: 0,
        complete: false,
        layers: vec![everyone],
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let any = (
        prop_oneof![4 => Just(0), 1 => Just(1)],
        prop::bool::weighted(0.05),
        vec(layer_edit(), 1..3),
    );
    let any = any.prop_map(|(loader, complete, layers)| Edit {
        loader,
        complete,
        layers,
    });
    prop_oneof![10 => any, 1 => Just(good_start())]
}

/// Returns names and texts of a closure as they were written, whatever is exported.
type Written = BTreeSet<(String, String)>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum ServedTexts {
    Current(Written),
    Stale(Written),
    Broken,
}

fn of_model(content: &Content) -> BTreeMap<String, ServedTexts> {
    let plain = |text: &str| {
        let mut text = text.to_string();
        for tenant in TENANTS {
            text = text.replace(&private(tenant, ""), "");
        }
        text
    };
    let written = |texts: &Texts| texts.iter().map(|(name, text)| (plain(name), plain(text))).collect();
    let served = |served: &Served| match served {
        Served::Current(texts) => ServedTexts::Current(written(texts)),
        Served::Stale(texts) => ServedTexts::Stale(written(texts)),
        Served::Broken => ServedTexts::Broken,
    };
    let content = content.iter();
    content.map(|(name, content)| (name.clone(), served(content))).collect()
}

fn written(closure: Closure<'_>) -> Written {
    let members = closure.members().into_iter().chain(closure.companions());
    members
        .map(|member| (member.name.to_string(), member.unit.text().to_string()))
        .collect()
}

/// Returns the name of an entry in the one name space of the model.
fn model_name(
    scoped: Scoped<'_>,
    place: Place,
    id: crate::dialect::TemplateId,
    name: &str,
    exported: fn(&str) -> bool,
) -> String {
    match place.0 {
        Some(tenant) if !exported(name) && scoped.id(name) == Some(id) => private(tenant, name),
        _ => name.to_string(),
    }
}

fn of_engine(scoped: Scoped<'_>, place: Place, exported: fn(&str) -> bool) -> BTreeMap<String, ServedTexts> {
    let mut content = BTreeMap::new();
    for (id, name, status) in scoped.entries() {
        let served = match status {
            EntryStatus::Current(closure) => ServedTexts::Current(written(closure)),
            EntryStatus::Stale { closure, .. } => ServedTexts::Stale(written(closure)),
            EntryStatus::Broken => ServedTexts::Broken,
            EntryStatus::Gone => panic!("{name} is an entry without a status"),
        };
        let before = content.insert(model_name(scoped, place, id, name.as_str(), exported), served);
        assert!(before.is_none(), "{name} comes twice");
    }
    content
}

/// Returns the reason for each bad template of a scope. Help texts are left out, because they depend on the names that existed at the time.
fn reasons(scoped: Scoped<'_>, place: Place, exported: fn(&str) -> bool) -> BTreeMap<String, String> {
    let reason = |(id, name, _): (_, &crate::template::TemplateName, _)| {
        let why = scoped.why(id)?;
        let faults = why.diagnostics.iter();
        let faults = faults.map(|fault| (fault.code, &fault.template, fault.span, &fault.message, &fault.chain));
        let faults: Vec<_> = faults.collect();
        let name = model_name(scoped, place, id, name.as_str(), exported);
        Some((name, format!("{} {faults:?}", why.cause)))
    };
    scoped.entries().filter_map(reason).collect()
}

fn check(world: &World, fresh: &World, model: &ScopedModel, exported: fn(&str) -> bool) -> Result<(), TestCaseError> {
    for place in places() {
        let wanted = scope(place);
        let scoped = |snapshot: &Snapshot| snapshot.scoped(&wanted).is_some();
        let exists = place.0.is_none_or(|tenant| model.exists(tenant));
        prop_assert_eq!(scoped(world.snapshot()), exists, "{:?}", place);
        if !exists {
            continue;
        }
        let (here, there) = (world.snapshot().scoped(&wanted), fresh.snapshot().scoped(&wanted));
        let (here, there) = (here.expect("exists"), there.expect("exists"));
        prop_assert_eq!(
            of_engine(here, place, exported),
            of_model(model.content(place)),
            "{:?}",
            place
        );
        prop_assert_eq!(
            reasons(here, place, exported),
            reasons(there, place, exported),
            "{:?}",
            place
        );
    }
    Ok(())
}

fn cases() -> u32 {
    let wanted = std::env::var("HOTPLATE_HISTORIES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn any_history_serves_each_scope_what_the_model_serves(
        edits in vec(edit(), 1..12),
        starts_well in any::<bool>(),
        exports_all in any::<bool>(),
    ) {
        let exported = if exports_all { all_exported } else { without_underscore };
        let function = (!exports_all).then_some(without_underscore as fn(&str) -> bool);
        let (mut world, mut model) = (world(function), ScopedModel::default());
        let start = starts_well.then(good_start);
        let mut all: Vec<Edit> = Vec::new();
        for edit in start.into_iter().chain(edits) {
            edit.apply_to(&mut model, exported);
            world.apply(edit.batch());
            all.push(edit);
            // A world that received the same texts, but published only once.
            let mut fresh = self::world(function);
            for edit in &all {
                fresh.graph.apply(&edit.batch());
            }
            let mut plan = fresh.graph.plan_of_everything();
            plan.news.tenants = TENANTS.iter().map(|tenant| Tenant::new(tenant).expect("valid")).collect();
            fresh.publish(&plan);
            check(&world, &fresh, &model, exported)?;
            // The same once more changes nothing.
            prop_assert!(world.clone().apply(edit_again(&all)).1.is_none());
        }
    }
}

/// Returns the last edit without what it removes, which is gone already.
fn edit_again(all: &[Edit]) -> CompiledBatch {
    let mut last = all.last().expect("there is one").clone();
    last.complete = false;
    last.batch()
}

impl Graph {
    /// Returns a plan in which every tenant was decided again.
    fn plan_of_everything(&mut self) -> crate::protocol::plan::Plan {
        self.decide_everything();
        self.reviewed(crate::snapshot::IdSet::default())
    }
}
