//! Properties that hold after any history, checked against the naive [`Model`](super::model::Model).

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{Content, Model, Served, Texts, bad, content_of, texts_of};
use super::{World, compile, key, name};
use crate::accepted::TextGraph;
use crate::dialect::{Members, TemplateId};
use crate::graph::companions::Companions;
use crate::protocol::batch::CompiledBatch;
use crate::protocol::messages::RolledBack;
use crate::registry::history::kept;
use crate::snapshot::{self, IdSet, Snapshot};
use crate::template::{Digest, TemplateName};
use crate::version::{LoaderId, Revision, Version};

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "d0", "d1", "d2"];

/// Returns the companions of a name. `d0` belongs to two pages, `d1` to one, and `d2` has a companion itself: it forms a cycle with `f` if
/// `f` calls `d2`.
fn companions(of: &str) -> Vec<String> {
    let companions: &[&str] = match of {
        "a" => &["d0"],
        "b" => &["d0", "d1"],
        "c" | "e" => &["d2"],
        "d2" => &["f"],
        _ => &[],
    };
    companions.iter().map(ToString::to_string).collect()
}

fn world() -> World {
    World::new(Companions::new(|of| {
        companions(of.as_str())
            .iter()
            .map(|companion| name(companion))
            .collect()
    }))
}

#[derive(Debug, Clone)]
struct Edit {
    loader: u16,
    complete: bool,
    texts: Texts,
    removed: Vec<String>,
}

impl Edit {
    fn batch(&self, backwards: bool) -> CompiledBatch {
        let mut texts: Vec<_> = self
            .texts
            .iter()
            .map(|(of, text)| (key(of), compile(&name(of), text)))
            .collect();
        if backwards {
            texts.reverse();
        }
        CompiledBatch {
            revision: Revision {
                loader: LoaderId(self.loader),
                number: 1,
            },
            complete: self.complete,
            texts,
            removed: self.removed.iter().map(|removed| key(removed)).collect(),
        }
    }

    fn apply_to(&self, model: &mut Model) {
        let texts = model.loaders.entry(self.loader).or_default();
        if self.complete {
            texts.clear();
        }
        self.removed.iter().for_each(|removed| _ = texts.remove(removed));
        texts.extend(self.texts.clone());
        model.lift();
        model.recompute(companions);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Edit),
    RollBack(prop::sample::Index),
    Resume,
}

fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => select(&NAMES[..]).prop_map(|callee| format!("call {callee}")),
        6 => (0..3).prop_map(|number| format!("text {number}")),
        2 => Just("fmt upper".to_string()),
        1 => Just("fmt shout".to_string()),
        1 => Just("bad".to_string()),
    ];
    vec(line, 0..4).prop_map(|lines| lines.join("\n"))
}

fn edit() -> impl Strategy<Value = Edit> {
    let texts = vec((select(&NAMES[..]).prop_map(String::from), text()), 0..6);
    let removed = vec(select(&NAMES[..]).prop_map(String::from), 0..2);
    let loader = prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(2)];
    (loader, prop::bool::weighted(0.1), texts, removed).prop_map(|(loader, complete, texts, removed)| Edit {
        loader,
        complete,
        texts: texts.into_iter().collect(),
        removed,
    })
}

/// Returns an edit that defines all names without faults, so that later edits have something to break.
fn good_start() -> Edit {
    let texts = NAMES.iter().enumerate().map(|(number, name)| {
        let callee = NAMES
            .get(number + 1)
            .map(|callee| format!("call {callee}\n"))
            .unwrap_or_default();
        (name.to_string(), format!("{callee}text 0"))
    });
    Edit {
        loader: 0,
        complete: true,
        texts: texts.collect(),
        removed: Vec::new(),
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => edit().prop_map(Step::Edit),
        1 => Just(Step::Edit(good_start())),
        3 => any::<prop::sample::Index>().prop_map(Step::RollBack),
        2 => Just(Step::Resume),
    ]
}

/// Returns the faults of each text and the reason for each bad template, by name. Help texts are left out, because they depend on the names
/// that existed at the time.
fn reasons(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let reason = |(id, name, _): (_, &TemplateName, _)| {
        let why = snapshot.why(id)?;
        let faults = why.diagnostics.iter();
        let faults = faults.map(|fault| (fault.code, &fault.template, fault.span, &fault.message, &fault.chain));
        let faults: Vec<_> = faults.collect();
        let shown = format!("{} {faults:?} {}", why.cause, snapshot.faults_of(id).is_some());
        Some((name.to_string(), shown))
    };
    snapshot.entries().filter_map(reason).collect()
}

/// Returns one batch for each loader that has all its texts.
fn everything(model: &Model) -> Vec<CompiledBatch> {
    let loaders = model.loaders.iter().rev();
    let batch = |(loader, texts): (&u16, &Texts)| {
        let (texts, removed) = (texts.clone(), Vec::new());
        let complete = true;
        Edit {
            loader: *loader,
            complete,
            texts,
            removed,
        }
        .batch(true)
    };
    loaders.map(batch).collect()
}

/// Returns the number of steps from a bad template to the nearest one of some, over bad callees and companions.
fn steps(content: &snapshot::Content, from: TemplateId, is_end: impl Fn(TemplateId) -> bool) -> Option<usize> {
    let mut seen = BTreeSet::from([from]);
    let mut layer = vec![from];
    let mut steps = 0;
    while !layer.is_empty() {
        if layer.iter().any(|id| is_end(*id)) {
            return Some(steps);
        }
        let members = layer.iter().filter_map(|id| content.view.member(*id));
        let targets = members.flat_map(|member| member.callees.iter().chain(&member.companions));
        layer = targets
            .copied()
            .filter(|id| content.is_bad(*id) && seen.insert(*id))
            .collect();
        steps += 1;
    }
    None
}

/// A kept version as the model expects it.
#[derive(Clone)]
struct Kept {
    version: Version,
    content: Content,
    /// The texts that were in effect.
    texts: Texts,
    /// True if an operator rolled back from it to an earlier one.
    is_left: bool,
}

/// Checks that each bad template is in the group of a cause that is nearest to it, and in no other.
fn check_causes(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let content = &snapshot.generation().content;
    let mut grouped = IdSet::default();
    for (cause, ids) in content.causes(content.stale().bad()) {
        for id in ids.iter() {
            prop_assert!(grouped.insert(id), "in two groups");
            let nearest = steps(content, id, |id| content.faults.has(id));
            let is_of_cause = |id| content.faults.has(id) && content.faults.cause_of(id, &content.view) == cause;
            prop_assert_eq!(steps(content, id, is_of_cause), nearest);
            let why = snapshot.why(id).expect("is bad");
            prop_assert_eq!(steps(content, id, |id| snapshot.name(id) == Some(&why.cause)), nearest);
        }
    }
    prop_assert_eq!(&grouped, content.stale().bad());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_history_serves_the_content_of_the_model(steps in vec(step(), 1..14), history_versions in 0_usize..5) {
        let (mut world, mut twin) = (world(), world());
        world.limits.history_versions = history_versions;
        twin.limits.history_versions = history_versions;
        // The twin assigned its ids in the reverse order.
        let mut backwards = good_start();
        backwards.texts.values_mut().for_each(|text| *text = "text".into());
        twin.apply(backwards.batch(true));
        twin.apply(Edit { texts: Texts::new(), ..backwards }.batch(true));

        let mut model = Model::default();
        // The kept versions, oldest first, the current one included.
        let mut past: Vec<Kept> = Vec::new();
        let mut digests: BTreeMap<Digest, Content> = BTreeMap::new();
        for step in steps {
            let version = world.snapshot().version();
            match step {
                Step::Edit(edit) => {
                    edit.apply_to(&mut model);
                    world.apply(edit.batch(false));
                    twin.apply(edit.batch(true));
                }
                Step::RollBack(index) => {
                    if past.is_empty() {
                        continue;
                    }
                    let place = index.index(past.len());
                    let Kept { version: to, content, texts, .. } = past[place].clone();
                    // The twin has additional older versions.
                    let twins = kept(&twin.state);
                    let twins = twins[twins.len() - past.len() + place];
                    if place + 1 == past.len() {
                        prop_assert!(matches!(world.roll_back(to), Err(RolledBack::AlreadyServed(_))));
                        continue;
                    }
                    world.roll_back(to).expect("is kept");
                    twin.roll_back(twins).expect("is kept");
                    model.roll_back(&texts, &content);
                    past[place + 1..].iter_mut().for_each(|left| left.is_left = true);
                }
                Step::Resume => {
                    let resumed = world.resume();
                    prop_assert_eq!(resumed.is_some(), !model.hold.is_empty());
                    if resumed.is_none() {
                        continue;
                    }
                    twin.resume().expect("something waits there too");
                    model.hold.clear();
                    model.recompute(companions);
                    if resumed.flatten().is_some() {
                        past.iter_mut().for_each(|left| left.is_left = false);
                    }
                }
            }
            let waiting = world.graph.waiting_templates(usize::MAX);
            let waiting: Vec<&str> = waiting.templates.iter().map(|each| each.template.as_str()).collect();
            prop_assert_eq!(&waiting, &model.hold.keys().map(String::as_str).collect::<Vec<_>>());
            let snapshot = world.snapshot();
            prop_assert_eq!(content_of(snapshot), model.content.clone());
            prop_assert_eq!(snapshot.len(), model.content.len());

            // Equal content has an equal digest, regardless of ids; different content has a different one.
            prop_assert_eq!(snapshot.digest(), twin.snapshot().digest());
            let known = digests.entry(snapshot.digest()).or_insert_with(|| model.content.clone());
            prop_assert_eq!(&*known, &model.content);
            prop_assert_eq!(digests.values().filter(|content| **content == model.content).count(), 1);

            // All texts once more change nothing.
            let mut again = world.clone();
            for batch in everything(&model) {
                prop_assert!(again.apply(batch).1.is_none());
            }
            // A world that received the texts in effect at once finds the same reasons, and they are the nearest ones.
            let mut fresh = self::world();
            let edit = Edit { loader: 0, complete: true, texts: model.effective_texts(), removed: Vec::new() };
            fresh.apply(edit.batch(true));
            prop_assert_eq!(reasons(snapshot), reasons(fresh.snapshot()));
            check_causes(snapshot)?;

            // The history is bounded, and has the contents that were served.
            if snapshot.version() != version {
                past.push(Kept {
                    version: snapshot.version(),
                    content: model.content.clone(),
                    texts: model.effective_texts(),
                    is_left: false,
                });
                let first = past.len().saturating_sub(history_versions + 1);
                past.drain(..first);
            }
            prop_assert_eq!(kept(&world.state), past.iter().map(|kept| kept.version).collect::<Vec<_>>());
            for (id, name, status) in snapshot.entries() {
                let mut expected = Vec::new();
                let now = status.closure().map(texts_of);
                for Kept { version, content, .. } in past.iter().rev().skip(1).filter(|kept| !kept.is_left) {
                    // A template that was removed is no earlier version of a new one.
                    let Some(served) = content.get(name.as_str()) else { break };
                    let (Served::Current(texts) | Served::Stale(texts)) = served else { continue };
                    if now.as_ref() != Some(texts) && expected.iter().all(|(_, seen)| seen != texts) {
                        expected.push((*version, texts.clone()));
                    }
                }
                let earlier: Vec<_> = snapshot.earlier(id).map(|(version, closure)| (version, texts_of(closure))).collect();
                prop_assert_eq!(earlier.len(), expected.len(), "{}", name);
                for ((since, texts), (version, expected)) in earlier.iter().zip(&expected) {
                    prop_assert_eq!(texts, expected, "{}", name);
                    // If it was stale in that version, it was current in an older one.
                    prop_assert!(since <= version, "{}", name);
                }
            }

            // Only the state holds a snapshot.
            prop_assert_eq!(snapshot.live(), 1);
        }
    }

    #[test]
    fn a_batch_may_come_in_parts(before in vec(edit(), 0..4), edit in edit()) {
        let mut model = Model::default();
        let mut whole = world();
        for edit in &before {
            edit.apply_to(&mut model);
            whole.apply(edit.batch(false));
        }
        let mut parts = whole.clone();
        edit.apply_to(&mut model);
        whole.apply(edit.batch(false));
        for (name, text) in edit.texts.iter().rev() {
            let one = Edit { complete: false, texts: Texts::from([(name.clone(), text.clone())]), removed: Vec::new(), ..edit };
            parts.apply(one.batch(false));
        }
        parts.apply(edit.batch(false));
        let good = bad(&model.effective_texts(), companions).is_empty();
        let (whole, parts) = (content_of(whole.snapshot()), content_of(parts.snapshot()));
        for (name, served) in &whole {
            if let Served::Current(_) = served {
                prop_assert_eq!(parts.get(name), Some(served));
            }
        }
        if good {
            prop_assert_eq!(whole, parts);
        }
    }
}
