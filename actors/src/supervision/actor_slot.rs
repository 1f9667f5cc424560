//! [`Place`]: where an actor of a user's lives, and the move to another thread.

use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, ArbiterHandle};
use tokio::sync::watch;

use super::child::Child;
use super::contain;
use super::drill::Faults;
use super::incident::FaultKind;
use super::shell::{Behavior, Shell};
use super::supervisor::Inner;

/// Where an actor lives, wherever that is at the moment.
pub(super) struct Place<B: Behavior> {
    pub(super) setup: B::Setup,
    pub(super) child: Arc<Child>,
    pub(super) faults: Faults,
    pub(super) address: watch::Sender<Option<Addr<Shell<B>>>>,
    /// The thread of the group.
    pub(super) home: Arc<Mutex<Option<ArbiterHandle>>>,
    pub(super) supervisor: Arc<Inner>,
}

impl<B> Place<B>
where
    B: Behavior,
    B::Setup: Clone + Send + Sync,
{
    /// Has the actor started in the thread of the group, in a new one if that has ended.
    pub(super) fn settle(place: &Arc<Self>, settled: impl FnOnce() + Send + 'static) {
        let moving = Arc::clone(place);
        place.supervisor.order(move || {
            let mut home = moving.home.lock().unwrap_or_else(PoisonError::into_inner);
            let alive = home.take().filter(|home| home.spawn(async {}));
            let thread = alive.unwrap_or_else(|| moving.supervisor.arbiter());
            *home = Some(thread.clone());
            drop(home);
            let stays = Stays(Arc::clone(&moving));
            let address = Shell::<B>::start_in_arbiter(&thread, move |_| {
                let place = Arc::clone(&stays.0);
                let shell = Shell::new(place.setup.clone(), Arc::clone(&place.child), place.faults.clone());
                shell.keeping(stays)
            });
            moving.address.send_replace(Some(address));
            settled();
        });
    }

    /// The thread was stopped with the actor in it, or actix has ended it. Its messages are lost, its address is not.
    fn left(place: &Arc<Self>) {
        if place.supervisor.is_closed() {
            return;
        }
        let generation = place.child.orders().generation;
        let said = "its thread was stopped".to_owned();
        place.faults.note();
        place.child.failed(generation, FaultKind::Panicked, said);
        Self::settle(place, || {});
    }
}

/// Kept by whoever is to live in a place, also before it has begun to.
struct Stays<B>(Arc<Place<B>>)
where
    B: Behavior,
    B::Setup: Clone + Send + Sync;

impl<B> Drop for Stays<B>
where
    B: Behavior,
    B::Setup: Clone + Send + Sync,
{
    fn drop(&mut self) {
        let _ = contain(|| Place::left(&self.0));
    }
}
