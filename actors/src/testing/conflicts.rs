//! Tests of batches that meet a state of the Registry other than the one that they were made for.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::{batch, companions, formatters};
use crate::Limits;
use crate::accepted::AcceptedState;
use crate::cause::Cause;
use crate::counters::Recorder;
use crate::events::EventBus;
use crate::fault_log::{FaultLog, Wording};
use crate::graph::contracts::ContractOutcome;
use crate::graph::plan::Graph;
use crate::graph::{CONFLICTS_MAX, publish};
use crate::protocol::messages::{BatchOutcome, CommandOptions, Compiled, Resume, RollBack, RolledBack};
use crate::protocol::render::OnFailure;
use crate::registry::state::RegistryState;
use crate::registry::{AnsweredState, Registry, RegistryConfig};
use crate::snapshot::Snapshot;
use crate::stages::{StageSettings, Stages};
use crate::supervision::{Behavior, Serve, Vault};
use crate::version::Version;

type State = AcceptedState<AnsweredState, Arc<Graph>>;

/// Returns the command without options.
fn roll_back(to: Version) -> RollBack {
    RollBack {
        to,
        command: CommandOptions::default(),
    }
}

/// A Registry without an actor, and the state that it shares with a Graph.
struct Accepting {
    accepted: Vault<State>,
    registry: Mutex<Registry<Arc<Graph>>>,
}

impl Accepting {
    fn new() -> Self {
        let served = Arc::new(Snapshot::empty());
        let state = AnsweredState::new(RegistryState::of(Arc::clone(&served)));
        let accepted = Vault::new(AcceptedState::new(
            state,
            Arc::new(Graph::new(&formatters(), companions())),
        ));
        let events = EventBus::new(1);
        let stages = Stages::new(&StageSettings::default(), &events).expect("valid settings");
        let config = RegistryConfig {
            stages,
            accepted: accepted.clone(),
            served: Arc::new(ArcSwap::new(served)),
            limits: Arc::new(Limits::default()),
            events,
            fault_log: Arc::new(FaultLog::new(0, OnFailure::LastGood, None, Wording::default())),
            recorder: Recorder::new(1, std::time::Duration::ZERO),
            audit: None,
            committed: Arc::new(|| {}),
        };
        let Ok(registry) = Registry::start(&config) else {
            panic!("it starts");
        };
        let registry = Mutex::new(registry);
        Self { accepted, registry }
    }

    /// Publishes a text. Before the plan arrives at the Registry, `meanwhile` is done, as often as the plan is sent.
    fn edit(
        &self,
        name: &str,
        text: &str,
        meanwhile: impl AsyncFn(&mut Registry<Arc<Graph>>, usize),
    ) -> (BatchOutcome, usize) {
        let compiled = Compiled {
            batch: batch(&[(name, text)], &[]),
            noticed: Instant::now(),
            cause: Cause::default(),
        };
        let sent = RefCell::new(0);
        let send = async |batch| {
            let registry = &mut *self.registry.lock().await;
            let number = sent.replace_with(|sent| *sent + 1);
            meanwhile(registry, number).await;
            Ok::<_, std::convert::Infallible>(registry.serve(batch).await)
        };
        let check = async |graph| Ok((graph, ContractOutcome::default()));
        let draft = || self.accepted.draft();
        let publishing = publish(std::slice::from_ref(&compiled), draft, check, send);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let outcome = runtime.block_on(publishing);
        (outcome, sent.into_inner())
    }

    fn quietly(&self, name: &str, text: &str) {
        let (outcome, sent) = self.edit(name, text, async |_, _| {});
        assert!(matches!(outcome, BatchOutcome::Published(_)), "{outcome:?}");
        assert_eq!(sent, 1);
    }

    fn served(&self) -> Vec<String> {
        let state = self.accepted.draft().registry.state;
        let members = state.snapshot().entries().filter_map(|(_, _, status)| status.closure());
        members.map(|closure| closure.top().unit.text().to_owned()).collect()
    }
}

#[test]
fn a_batch_that_meets_another_state_is_applied_again() {
    let world = Accepting::new();
    world.quietly("a", "a 1");
    world.quietly("a", "a 2");
    // An operator rolls back and resumes while the plan is under way.
    let commands = async |registry: &mut Registry<Arc<Graph>>, number| {
        if number == 0 {
            let to = Version::from_number(1);
            registry.serve(roll_back(to)).await.expect("answers");
            registry.serve(Resume::default()).await.expect("answers");
        }
    };
    let (outcome, sent) = world.edit("b", "b 1", commands);
    let BatchOutcome::Published(report) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((report.version, sent), (Version::from_number(5), 2));
    assert_eq!(world.served(), ["a 2", "b 1"]);
    // The graph that was committed has the text as well: the same batch changes nothing.
    let (outcome, _) = world.edit("b", "b 1", async |_, _| {});
    assert!(matches!(outcome, BatchOutcome::Unchanged(_)), "{outcome:?}");
}

#[test]
fn a_batch_that_never_fits_is_given_back() {
    let world = Accepting::new();
    world.quietly("a", "a 1");
    let before = world.accepted.draft().number;
    let always = async |registry: &mut Registry<Arc<Graph>>, _| {
        let to = Version::from_number(1);
        registry.serve(roll_back(to)).await.expect("answers");
    };
    let (outcome, sent) = world.edit("b", "b 1", always);
    assert!(matches!(outcome, BatchOutcome::Conflict), "{outcome:?}");
    assert_eq!(sent, CONFLICTS_MAX + 1);
    let after = world.accepted.draft();
    assert_eq!(after.number, before + sent as u64, "one for each command");
    assert_eq!(world.served(), ["a 1"]);
}

#[test]
fn a_command_that_expects_another_version_does_nothing() {
    let world = Accepting::new();
    world.quietly("a", "a 1");
    world.quietly("a", "a 2");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let command = |expected, by| CommandOptions {
        expected: Some(Version::from_number(expected)),
        cause: Cause::by(by),
        ..CommandOptions::default()
    };
    let back = |expected, by| {
        let to = Version::from_number(1);
        let command = command(expected, by);
        runtime.block_on(async { (*world.registry.lock().await).serve(RollBack { to, command }).await })
    };
    // Two operators have seen version 2, and both want to go back.
    let first = back(2, "alice").expect("answers");
    assert!(
        matches!(&first, RolledBack::Published(report) if report.cause == Cause::by("alice")),
        "{first:?}"
    );
    let before = world.served();
    let second = back(2, "bob").expect("answers");
    let RolledBack::Conflict(conflict) = second else {
        panic!("{second:?}");
    };
    assert_eq!(
        conflict.to_string(),
        "version 3 is served and not 2, so nothing was done: it was made by alice; compare the two and decide again"
    );
    assert_eq!(world.served(), before);
    let command = command(9, "bob");
    let resumed = runtime.block_on(async { (*world.registry.lock().await).serve(Resume { command }).await });
    assert!(matches!(resumed, Ok(RolledBack::Conflict(_))), "{resumed:?}");
}

/// A batch that changes nothing that is served is accepted under one version, so the version does not tell that a draft is old.
#[test]
fn a_draft_from_before_a_batch_that_changes_nothing_is_a_conflict() {
    let world = Accepting::new();
    world.quietly("a", "a 1");
    let old = world.accepted.draft();
    let (outcome, _) = world.edit("a", "a 1", async |_, _| {});
    assert!(matches!(outcome, BatchOutcome::Unchanged(_)), "{outcome:?}");
    let accepted = world.accepted.draft();
    let version = |state: &State| state.registry.state.snapshot().version();
    assert_eq!(version(&old), version(&accepted));
    assert!(old.number < accepted.number);
}
