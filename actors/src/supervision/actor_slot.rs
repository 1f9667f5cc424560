//! The slot of an actor of the program: its setup and its current address, which outlive the thread of the actor.

use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, ArbiterHandle};
use tokio::sync::watch;

use super::child::Child;
use super::contain;
use super::fault_injection::InjectedFaults;
use super::incident::FaultKind;
use super::shell::{Behavior, Shell};
use super::supervisor::Inner;

/// The slot of one actor. If the arbiter of the actor stops, the slot starts a shell in a new one and publishes its address.
pub(super) struct ActorSlot<B: Behavior> {
    pub(super) setup: B::Config,
    pub(super) child: Arc<Child>,
    pub(super) faults: InjectedFaults,
    pub(super) address: watch::Sender<Option<Addr<Shell<B>>>>,
    /// Arbiter of the group.
    pub(super) arbiter: Arc<Mutex<Option<ArbiterHandle>>>,
    pub(super) supervisor: Arc<Inner>,
}

impl<B> ActorSlot<B>
where
    B: Behavior,
    B::Config: Clone + Send + Sync,
{
    /// Starts a shell in the arbiter of the group, or in a new arbiter if that of the group has ended. Calls `on_started` once the address
    /// is published.
    pub(super) fn start(slot: &Arc<Self>, on_started: impl FnOnce() + Send + 'static) {
        let starting = Arc::clone(slot);
        slot.supervisor.run_in_system(move || {
            let mut arbiter = starting.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
            // An arbiter that accepts a task is alive.
            let alive = arbiter.take().filter(|arbiter| arbiter.spawn(async {}));
            let thread = alive.unwrap_or_else(|| starting.supervisor.new_arbiter());
            *arbiter = Some(thread.clone());
            drop(arbiter);
            let guard = SlotGuard(Arc::clone(&starting));
            let address = Shell::<B>::start_in_arbiter(&thread, move |_| {
                let slot = Arc::clone(&guard.0);
                let shell = Shell::new(slot.setup.clone(), Arc::clone(&slot.child), slot.faults.clone());
                shell.with_guard(guard)
            });
            starting.address.send_replace(Some(address));
            on_started();
        });
    }

    /// Reports a failure and starts another shell, because actix has dropped this one together with its mailbox.
    fn restart(slot: &Arc<Self>) {
        if slot.supervisor.is_closed() {
            return;
        }
        let generation = slot.child.orders().generation;
        slot.faults.increment();
        let message = "its thread was stopped".to_owned();
        slot.child.report_failure(generation, FaultKind::Panicked, message);
        Self::start(slot, || {});
    }
}

/// Restarts the actor when it is dropped: with its shell, or with the closure that should have created the shell and never ran.
struct SlotGuard<B>(Arc<ActorSlot<B>>)
where
    B: Behavior,
    B::Config: Clone + Send + Sync;

impl<B> Drop for SlotGuard<B>
where
    B: Behavior,
    B::Config: Clone + Send + Sync,
{
    fn drop(&mut self) {
        let _ = contain(|| ActorSlot::restart(&self.0));
    }
}
