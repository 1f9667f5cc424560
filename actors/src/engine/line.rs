//! The line of control actors: each is given where it sends to, so it is made from its end.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};

use actix::{Actor, AsyncContext};

use super::control::Inside;
use super::{Actors, Post, Registry, StartError, patience};
use crate::compiler::{self, Cache, Compiler};
use crate::counters::Tally;
use crate::graph::plan::Graph;
use crate::graph::{self, Grapher};
use crate::loader::Hints;
use crate::policies::ActorKind;
use crate::protocol::messages::{Look, Looked, Outcome, Reload, SourcesChanged};
use crate::registry::truth::Truth;
use crate::registry::{self, Ledger};
use crate::supervision::{Behavior, Child, Faults, Line, Place, Pool, Shell, Vault};
use crate::version::LoaderId;
use crate::watcher::{self, Eyes, Watcher};

impl Inside {
    /// Starts every actor, and has each Watcher look for the first time.
    pub(super) async fn start(self) -> Result<Actors, StartError> {
        let Self {
            plan,
            limits,
            teller,
            served,
            renderer,
            alarms,
            tally,
            fault_log,
            circle,
            look_again,
            faults,
            ..
        } = self;
        let child = |actor: ActorKind, number| circle.add(actor.name(), number, plan.policies.of(actor));
        let accepted = Vault::new(Graph::new(&plan.formatters, plan.companions));
        let registry = registry::Setup {
            ledger: Vault::new(Ledger::new(Truth::of(served.load_full()))),
            graph: accepted.clone(),
            served: Arc::clone(&served),
            formatters: plan.formatters,
            limits: Arc::clone(&limits),
            teller: teller.clone(),
            fault_log,
            tally: Arc::clone(&tally),
        };
        let registry: Post<Registry> = start(registry, child(ActorKind::Registry, 0), &faults);
        let graph = graph::Setup {
            accepted,
            registry: registry.line(),
        };
        let graph: Post<Grapher> = start(graph, child(ActorKind::Graph, 0), &faults);
        let patience = patience(&alarms, &limits, limits.compile_hang_ms);
        let compilers = Pool::start("hotplate-compile", limits.compile_threads, 1024, Some(patience))?;
        let compiler = compiler::Setup {
            dialects: plan.dialects,
            cache: Arc::new(Cache::new(limits.compile_cache_bytes)),
            pool: compilers.clone(),
            limits: Arc::clone(&limits),
            tally: Arc::clone(&tally),
            graph: graph.line(),
        };
        let compiler: Post<Compiler> = start(compiler, child(ActorKind::Compiler, 0), &faults);

        let mut watchers = Vec::with_capacity(plan.loaders.len());
        let mut all_eyes = Vec::with_capacity(plan.loaders.len());
        for (number, loader) in plan.loaders.into_iter().enumerate() {
            let id = LoaderId(u16::try_from(number).unwrap_or(u16::MAX));
            let eyes = Eyes::new(loader, id)?;
            let child = child(ActorKind::Watcher, id.0);
            let faults = faults["watcher"].clone();
            let tally = Arc::clone(&tally);
            let (watcher, hints) = start_watcher(id, eyes.clone(), compiler.line(), tally, child, faults);
            look_again
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(hints.clone());
            if plan.watch {
                let watching = eyes.with(move |loader| loader.watch(hints)).await;
                watching
                    .map_err(StartError::Watch)?
                    .map_err(|error| StartError::Watch(error.to_string()))?;
            }
            watchers.push(watcher);
            all_eyes.push(eyes);
        }
        for watcher in &watchers {
            first_look(watcher).await?;
        }
        plan.stand_in
            .check(&served.load())
            .map_err(|(name, reason)| StartError::Fallback { name, reason })?;
        let rest = [&compiler.child, &graph.child, &registry.child, &renderer.desk.child];
        let children = watchers.iter().map(|watcher| &watcher.child).chain(rest);
        Ok(Actors {
            children: children.cloned().collect(),
            watchers: watchers.into(),
            graph,
            registry,
            eyes: all_eyes.into(),
            compilers,
            faults,
        })
    }
}

/// Starts a control actor, in this thread.
fn start<B: Behavior>(setup: B::Setup, child: Arc<Child>, faults: &BTreeMap<&'static str, Faults>) -> Post<B> {
    let faults = faults.get(child.actor()).cloned().unwrap_or_default();
    let addr = Shell::new(setup, Arc::clone(&child), faults).start();
    Post { addr, child }
}

fn start_watcher(
    loader: LoaderId,
    eyes: Eyes,
    compiler: Line<SourcesChanged>,
    tally: Arc<Tally>,
    child: Arc<Child>,
    faults: Faults,
) -> (Post<Watcher>, Hints) {
    let mut given = None;
    let of_shell = Arc::clone(&child);
    let addr = Shell::<Watcher>::create(|context| {
        let look = context.address().recipient::<Look>();
        let place = Place::default();
        let hints = Hints::new(move || {
            if let Some(place) = place.take() {
                // A full mailbox holds reloads, which look at everything.
                let batch = watcher::batch(loader);
                let _ = look.try_send(Look { place, batch });
            }
        });
        given = Some(hints.clone());
        let setup = watcher::Setup {
            loader,
            eyes,
            revisions: Arc::new(AtomicU64::new(0)),
            compiler,
            hints,
            tally,
        };
        Shell::new(setup, of_shell, faults)
    });
    let hints = given.unwrap_or_else(|| Hints::new(|| {}));
    (Post { addr, child }, hints)
}

async fn first_look(watcher: &Post<Watcher>) -> Result<(), StartError> {
    match watcher
        .addr
        .send(Reload::default())
        .await
        .map_err(|_| StartError::Failed)?
    {
        Looked::Nothing => Ok(()),
        Looked::Decided(Outcome::Published(_) | Outcome::Unchanged(_) | Outcome::Held(_)) => Ok(()),
        Looked::Decided(Outcome::Refused(reason) | Outcome::Lost(reason)) => Err(StartError::Refused(reason)),
        Looked::Decided(Outcome::Conflict) | Looked::Failed(_) => Err(StartError::Failed),
        Looked::Unreadable(reason) => Err(StartError::Load(reason)),
    }
}
